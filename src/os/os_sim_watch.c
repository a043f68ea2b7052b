/* os_sim_watch.c - directory watches with inotify's habits: equal events in a row are one, a full queue ends in an
 * overflow, the same directory has one number in one queue, a number that ends says so. */
#include <os/os_sim_impl.h>

#include <stdlib.h>
#include <string.h>

struct sim_watch *watch_new(void)
{
	struct sim_watch *w = sim_alloc(sizeof(*w));

	memset(w, 0, sizeof(*w));
	return w;
}

struct sim_watch *watch_copy(const struct sim_watch *from)
{
	struct sim_watch *w = watch_new();

	w->last_number = from->last_number;
	for (uint32_t i = 0; i < from->nitems; i++) {
		w->items = sim_grow(w->items, w->nitems, &w->items_cap, sizeof(w->items[0]));
		w->items[w->nitems++] = from->items[i];
	}
	for (uint32_t i = from->head; i < from->nevents; i++) {
		w->events = sim_grow(w->events, w->nevents, &w->events_cap, sizeof(w->events[0]));
		w->events[w->nevents] = from->events[i];
		name_ref(w->events[w->nevents++].name);
	}
	return w;
}

void watch_release(struct sim_watch *w)
{
	for (uint32_t i = w->head; i < w->nevents; i++)
		name_unref(w->events[i].name);
	free(w->events);
	free(w->items);
	free(w);
}

static void item_drop(struct os_sim *sim, struct sim_watch *w, uint32_t i)
{
	uint32_t ino = w->items[i].ino;

	w->items[i] = w->items[--w->nitems];
	sim->slots[ino].watchers--;
	inode_unref(sim, ino);
}

void watch_free(struct os_sim *sim, struct sim_watch *w)
{
	while (w->nitems)
		item_drop(sim, w, 0);
	watch_release(w);
}

int watch_add(struct os_sim *sim, struct sim_watch *w, uint32_t ino, uint32_t mask)
{
	for (uint32_t i = 0; i < w->nitems; i++)
		if (w->items[i].ino == ino) {
			w->items[i].mask = mask;
			return w->items[i].number;
		}
	w->items = sim_grow(w->items, w->nitems, &w->items_cap, sizeof(w->items[0]));
	w->items[w->nitems++] = (struct sim_item){ ++w->last_number, ino, mask };
	sim->slots[ino].watchers++;
	inode_ref(sim, ino);
	return w->last_number;
}

static void event_push(const struct os_sim *sim, struct sim_watch *w, int number, uint32_t mask, struct sim_name *name)
{
	uint32_t waiting = w->nevents - w->head;
	const struct sim_event *last = waiting ? &w->events[w->nevents - 1] : NULL;

	if (last && last->number == number && last->mask == mask && last->name == name)
		return;
	if (waiting > sim->watch_events_max)
		return;
	if (waiting == sim->watch_events_max) {
		number = -1;
		mask = 0;
		name = NULL;
	}
	if (w->head > 64 && w->head > w->nevents / 2) {
		memmove(w->events, w->events + w->head, waiting * sizeof(w->events[0]));
		w->head = 0;
		w->nevents = waiting;
	}
	w->events = sim_grow(w->events, w->nevents, &w->events_cap, sizeof(w->events[0]));
	w->events[w->nevents++] = (struct sim_event){ number, mask, name_ref(name) };
}

int watch_remove(struct os_sim *sim, struct sim_watch *w, int number)
{
	for (uint32_t i = 0; i < w->nitems; i++)
		if (w->items[i].number == number) {
			item_drop(sim, w, i);
			event_push(sim, w, number, OS_WATCH_GONE, NULL);
			return 0;
		}
	return -EINVAL;
}

bool watch_pop(struct sim_watch *w, struct sim_event *out)
{
	if (w->head == w->nevents) {
		w->head = w->nevents = 0;
		return false;
	}
	*out = w->events[w->head++];
	return true;
}

void watch_notify(struct os_sim *sim, uint32_t dir, uint32_t mask, struct sim_name *name)
{
	if (!sim->slots[dir].watchers)
		return;
	for (uint32_t d = 0; d < sim->ndescs; d++) {
		struct sim_watch *w = sim->descs[d].kind == DESC_WATCH ? sim->descs[d].watch : NULL;

		for (uint32_t i = 0; w && i < w->nitems; i++)
			if (w->items[i].ino == dir && (w->items[i].mask & mask))
				event_push(sim, w, w->items[i].number, mask, name);
	}
}

void watch_gone(struct os_sim *sim, uint32_t dir)
{
	for (uint32_t d = 0; d < sim->ndescs && sim->slots[dir].watchers; d++) {
		struct sim_watch *w = sim->descs[d].kind == DESC_WATCH ? sim->descs[d].watch : NULL;

		for (uint32_t i = 0; w && i < w->nitems; i++)
			if (w->items[i].ino == dir) {
				(void)watch_remove(sim, w, w->items[i].number);
				break;
			}
	}
}
