/* os_sim_power.c - power cut, kill, clone, and a look inside. */
#include <os/os_sim_impl.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* cut */

static void close_all(struct os_sim *sim, int process, bool quiet)
{
	for (uint32_t i = 0; i < sim->ndescs; i++) {
		struct sim_desc *d = &sim->descs[i];

		if (d->kind != DESC_FREE && (process < 0 || d->process == process))
			fs_desc_close(sim, d, quiet);
	}
}

static void mark_all(struct os_sim *sim, uint64_t up_to)
{
	for (uint32_t op = 0; op < sim->ndirops; op++)
		if (sim->dirops[op].seq && sim->dirops[op].seq <= up_to)
			dirop_mark(sim, op);
}

/* As with data, the chance is drawn first: nearly all and nearly nothing are frequent. */
static void mark_random(struct os_sim *sim)
{
	static const uint64_t chances[] = { 0, 32, 128, 224, 256 };
	uint64_t chance = chances[sim_below(sim, sizeof(chances) / sizeof(chances[0]))];

	for (uint32_t op = 0; op < sim->ndirops; op++)
		if (sim->dirops[op].seq && sim_below(sim, 256) < chance)
			dirop_mark(sim, op);
}

/* The change time is part of the inode, which a file system writes together with the entry: of those that are lost, the
 * first one on an inode knows what it was. */
static void restore_times(struct os_sim *sim)
{
	for (uint32_t op = 0; op < sim->ndirops; op++) {
		const struct sim_dirop *o = &sim->dirops[op];
		bool first = o->seq && o->touched && sim->slots[o->touched].body;

		for (uint32_t other = 0; first && other < sim->ndirops; other++)
			first = !sim->dirops[other].seq || sim->dirops[other].touched != o->touched ||
				sim->dirops[other].seq >= o->seq;
		if (first)
			inode_mut(sim, o->touched)->ctime_ns = o->ctime_was_ns;
	}
}

static void cut_names(struct os_sim *sim, const struct os_sim_cut *how)
{
	if (how->mode == OS_SIM_KEEP_ALL)
		mark_all(sim, sim->seq);
	else if (how->mode == OS_SIM_RANDOM)
		mark_random(sim);
	else if (how->mode == OS_SIM_ORDERED)
		mark_all(sim, sim->committed + sim_below(sim, sim->seq - sim->committed + 1));
	dirop_apply_marked(sim);
	restore_times(sim);
	for (uint32_t op = 0; op < sim->ndirops; op++)
		if (sim->dirops[op].seq)
			dirop_remove(sim, op);
}

/* What is kept is drawn as how says, or is the current one of states. */
static void cut_all(struct os_sim *sim, const struct os_sim_cut *how, const struct os_sim_states *states)
{
	if (states)
		states_cut_names(states, sim);
	else
		cut_names(sim, how);
	for (uint32_t i = 0; i < sim->ndirty; i++) {
		const struct sim_body *b = sim->slots[sim->dirty[i]].body;

		if (b && b->type == OS_DIR)
			dir_restore(sim, sim->dirty[i]);
	}
	for (uint32_t i = 0; i < sim->ndirty; i++) {
		uint32_t ino = sim->dirty[i];
		const struct sim_body *b = sim->slots[ino].body;

		sim->slots[ino].dirty = false;
		if (!b || b->type != OS_FILE || !(b->nwops || b->lost || b->reserved || b->size[VOL] != b->size[DUR]))
			continue;
		if (states)
			states_cut_file(states, sim, ino);
		data_cut(sim, inode_mut(sim, ino), how);
		inode_charge(sim, ino);
	}
	sim->ndirty = 0;
	sim->committed = sim->seq;
}

static void power_cut(struct os_sim *sim, const struct os_sim_cut *how, const struct os_sim_states *states)
{
	sim_lock(sim);
	if (how && how->seed)
		sim->rng = how->seed;
	close_all(sim, -1, true);
	cut_all(sim, how, states);
	sim->off = false;
	sim->stop_at = 0;
	sim_new_boot(sim);
	sim_unlock(sim);
}

void os_sim_power_cut(struct os_sim *sim, const struct os_sim_cut *how)
{
	power_cut(sim, how, NULL);
}

void os_sim_states_cut(const struct os_sim_states *s, struct os_sim *sim)
{
	power_cut(sim, NULL, s);
}

void os_sim_kill(struct os_sim *sim, int process)
{
	sim_lock(sim);
	close_all(sim, process, false);
	sim->process[process].alive = false;
	sim_unlock(sim);
}

/* clone */

static void *copy_array(const void *from, uint32_t n, uint32_t *cap, size_t item)
{
	void *to;

	*cap = n;
	if (!n)
		return NULL;
	to = sim_alloc(n * item);
	memcpy(to, from, n * item);
	return to;
}

struct os_sim *os_sim_clone(const struct os_sim *from)
{
	struct os_sim *origin = sim_lock(from), *sim = sim_alloc(sizeof(*sim));

	memcpy(sim, origin, sizeof(*sim));
	pthread_mutex_init(&sim->mutex, NULL);
	sim->slots = copy_array(origin->slots, origin->nslots, &sim->slots_cap, sizeof(sim->slots[0]));
	sim->dirops = copy_array(origin->dirops, origin->ndirops, &sim->dirops_cap, sizeof(sim->dirops[0]));
	sim->dirty = copy_array(origin->dirty, origin->ndirty, &sim->dirty_cap, sizeof(sim->dirty[0]));
	sim->descs = copy_array(origin->descs, origin->ndescs, &sim->descs_cap, sizeof(sim->descs[0]));
	sim->batch = NULL;
	sim->nbatch = sim->batch_cap = 0;
	for (uint32_t i = 1; i < sim->nslots; i++)
		if (sim->slots[i].body)
			atomic_fetch_add_explicit(&sim->slots[i].body->refs, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < sim->ndescs; i++)
		if (sim->descs[i].kind == DESC_WATCH)
			sim->descs[i].watch = watch_copy(sim->descs[i].watch);
	sim->kernel = kernel_copy(origin->kernel);
	for (int i = 0; i < OS_SIM_PROCESSES_MAX; i++) { /* the functions are there already */
		sim->process[i].sim = sim;
		sim->process[i].os.self = &sim->process[i];
	}
	sim_unlock(origin);
	return sim;
}

/* dump */

struct dump_item {
	uint32_t dir;
	char *path;
};

struct dump {
	FILE *out;
	struct dump_item *todo; /* a stack: the depth of a tree is the test's business, not the C stack's */
	uint32_t n, cap;
};

static char *join(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = sim_alloc(size);

	snprintf(path, size, "%s/%s", dir, name);
	return path;
}

static void dump_push(struct dump *d, uint32_t dir, char *path)
{
	d->todo = sim_grow(d->todo, d->n, &d->cap, sizeof(d->todo[0]));
	d->todo[d->n++] = (struct dump_item){ dir, path };
}

static void dump_file(const struct sim_body *b, FILE *out)
{
	fprintf(out, " %" PRIu64 " bytes", b->size[VOL]);
	if (b->size[DUR] != b->size[VOL])
		fprintf(out, " (durable %" PRIu64 ")", b->size[DUR]);
	if (b->nwops)
		fprintf(out, ", %zu un-synced writes", b->nwops);
	if (b->lost)
		fputs(", content lost by a failed sync", out);
}

static void dump_entry(const struct os_sim *sim, struct dump *d, const struct sim_entry *e, const char *dir)
{
	uint32_t ino = e->ino[VOL] ? e->ino[VOL] : e->ino[DUR];
	const struct sim_body *b = inode_body(sim, ino);
	char *path = join(dir, e->name->text);

	fprintf(d->out, "%s%s inode %u", path, b->type == OS_DIR ? "/" : "", (unsigned)ino);
	if (b->type == OS_FILE)
		dump_file(b, d->out);
	else if (b->type == OS_LINK)
		fprintf(d->out, " -> %s", b->target->text);
	if (!e->ino[VOL])
		fputs(", removed but durable", d->out);
	else if (e->ino[DUR] != e->ino[VOL])
		fputs(e->ino[DUR] ? ", durable name is another file" : ", name not durable", d->out);
	fputc('\n', d->out);
	if (b->type == OS_DIR && e->ino[VOL])
		dump_push(d, ino, path);
	else
		free(path);
}

static void dump_dirops(const struct os_sim *sim, FILE *out)
{
	for (uint32_t i = 0; i < sim->ndirops; i++) {
		const struct sim_dirop *o = &sim->dirops[i];

		if (!o->seq)
			continue;
		fprintf(out, "pending %" PRIu64 ":", o->seq);
		for (uint32_t k = 0; k < o->n; k++)
			fprintf(out, " %s in directory %u %s %u",
				inode_body(sim, o->c[k].dir)->ents[o->c[k].ent].name->text, (unsigned)o->c[k].dir,
				o->c[k].ino ? "becomes inode" : "goes", (unsigned)o->c[k].ino);
		fputc('\n', out);
	}
}

void os_sim_dump(struct os_sim *sim, FILE *out)
{
	struct dump d = { .out = out };

	sim_lock(sim);
	fprintf(out, "power %s, %" PRIu64 " mutating operations, boot %s\n", sim->off ? "off" : "on", sim->ops,
		sim->boot_id);
	dump_push(&d, SIM_ROOT, join("", ""));
	d.todo[0].path[0] = '\0';
	while (d.n) {
		struct dump_item item = d.todo[--d.n];
		const struct sim_body *b = inode_body(sim, item.dir);

		for (uint32_t i = 0; i < b->nents; i++)
			if (b->ents[i].name && (b->ents[i].ino[VOL] || b->ents[i].ino[DUR]))
				dump_entry(sim, &d, &b->ents[i], item.path);
		free(item.path);
	}
	free(d.todo);
	dump_dirops(sim, out);
	sim_unlock(sim);
}
