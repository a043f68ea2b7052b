/* watch.c - reading the hub beside its runtime, over and over. */
#include "watch.h"
#include "acks.h"
#include "util.h"
#include "base/map.h"
#include <pawl/provider.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAUSE_NS 500000

static struct {
	const char *hub;
	pthread_t thread;
	atomic_bool over;
	struct map seen; /* "ID EXECUTION" -> bytes */
} w;

static void look_at(struct pawl_provider *p, const char *id)
{
	char key[160], *text = NULL;
	uint64_t execution;
	size_t len;
	struct pawl_error err = { 0 };

	if (p->ops->read(p, id, 0, &text, &len, &execution, &err) < 0)
		return; /* purged, or has no history yet */
	snprintf(key, sizeof(key), "%s %llu", id, (unsigned long long)execution);
	size_t *seen = map_get(&w.seen, slice_of(key));
	if (!seen && (!(seen = calloc(1, sizeof(*seen))) || map_put(&w.seen, slice_of(key), seen, NULL) < 0))
		die("no memory");
	if (len > *seen)
		ack_write_number(ACK_SEEN, id, execution, len, "", 0);
	*seen = len > *seen ? len : *seen;
	free(text);
}

static int look_at_one(void *arg, const char *id)
{
	look_at(arg, id);
	return atomic_load(&w.over);
}

static int forget(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	free(value);
	return 0;
}

static void *look(void *arg)
{
	const struct pawl_provider_options options = { .hub = w.hub, .read_only = true };
	const struct timespec pause = { 0, PAUSE_NS };

	while (!atomic_load(&w.over)) {
		struct pawl_provider *p;
		struct pawl_error err = { 0 };
		/* opened anew each time, as a reader looks into the journal only now and then */
		if (pawl_provider_fs.open(&options, &p, &err) < 0)
			die("cannot open '%s' to read it: %s", w.hub, err.text);
		if (p->ops->scan(p, false, look_at_one, p, &err) < 0)
			die("cannot list '%s': %s", w.hub, err.text);
		p->ops->close(p);
		nanosleep(&pause, NULL);
	}
	return arg;
}

void watch_begin(const char *hub)
{
	w.hub = hub;
	map_init(&w.seen);
	if (pthread_create(&w.thread, NULL, look, NULL) != 0)
		die("cannot make a thread");
}

void watch_end(void)
{
	atomic_store(&w.over, true);
	pthread_join(w.thread, NULL);
	map_each(&w.seen, forget, NULL);
	map_release(&w.seen);
}
