/*
 * load.c - a stress load on a hub, with an acknowledgement of everything that it is told.
 *
 *	load HUB REFERENCE SEED STEPS [stay]
 *
 * Starts instances (types.c) by the runtime and by a client, raises events in each way there is, waits for ends, removes what
 * has ended, stops and starts the runtime (not with `stay`). Journal segments are as small as they can be, so that they are
 * taken again and again. At the end all has completed, and REFERENCE has every history that was ever there, ID.EXECUTION.
 */
#include "acks.h"
#include "plant.h"
#include "reference.h"
#include "types.h"
#include "util.h"
#include "watch.h"
#include "base/log.h"
#include "os/memory.h"
#include <pawl/pawl.h>
#include <pawl/provider.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INSTANCES_MAX 4096
#define LIVE_MAX 14
#define EVENT_MAX 36000

struct driven {
	char id[32];
	unsigned events; /* that it still needs from us */
	bool live;
};

static struct {
	const char *hub, *reference;
	char config[4096];
	pawl_runtime *rt;
	pthread_t thread;
	struct pawl_provider *client;
	struct driven all[INSTANCES_MAX];
	unsigned count, live, events;
	uint64_t random;
	bool stay;
} load;

static unsigned below(unsigned n)
{
	load.random = load.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(load.random >> 33) % n;
}

static void must(int rc, const struct pawl_error *err, const char *what, const char *on)
{
	if (rc < 0)
		die("cannot %s '%s': %s", what, on, err->text);
}

/* ---- the runtime ---- */

static void *run(void *arg)
{
	struct pawl_error err = { 0 };

	must(pawl_run(load.rt, &err), &err, "run", load.hub);
	return arg;
}

static void begin_runtime(void)
{
	const pawl_options options = { .hub = load.hub, .config = load.config, .threads_max = 2 };
	struct pawl_error err = { 0 };

	must(pawl_open(&load.rt, &options, &err), &err, "open the hub", load.hub);
	log_set_level(LOG_LEVEL_WARNING);
	if (pthread_create(&load.thread, NULL, run, NULL) != 0)
		die("cannot make a thread");
}

static void end_runtime(void)
{
	pawl_stop(load.rt);
	pthread_join(load.thread, NULL);
	pawl_close(load.rt);
}

static void write_config(void)
{
	snprintf(load.config, sizeof(load.config), "%s.yaml", load.hub);
	FILE *f = fopen(load.config, "we");
	if (!f || fputs("journal:\n  segment_bytes: 64KiB\n  segments: 3\n", f) < 0 || fclose(f) != 0)
		die_sys("cannot write '%s'", load.config);
}

/* ---- starts ---- */

static struct driven *new_instance(const char *type, const char *input, bool by_client)
{
	struct driven *d = &load.all[load.count++];
	struct pawl_error err = { 0 };
	const struct pawl_message start = { .kind = PAWL_MESSAGE_START, .instance = d->id, .name = type, .data = input,
		.len = strlen(input) };

	snprintf(d->id, sizeof(d->id), "%s-%u", type, load.count);
	int rc = by_client ? load.client->ops->send(load.client, &start, &err)
			   : pawl_start(load.rt, type, d->id, input, true, NULL, &err);
	must(rc, &err, "start", d->id);
	ack_write(ACK_STARTED, d->id, 0, type, input, strlen(input));
	d->live = true;
	load.live++;
	return d;
}

static void start_one(void)
{
	char input[64];
	unsigned count = 1 + below(4);
	bool by_client = below(2);

	switch (below(11) / 2) {
	case 0:
		snprintf(input, sizeof(input), "%u", count);
		new_instance("waits", input, by_client)->events = count;
		break;
	case 1:
		snprintf(input, sizeof(input), "%u", count);
		new_instance("rounds", input, by_client)->events = count;
		break;
	case 2:
		snprintf(input, sizeof(input), "%u %u", below(1000000), count);
		(void)new_instance("family", input, by_client);
		break;
	case 3: /* the events of this one come from the other */
		snprintf(input, sizeof(input), "%u", count);
		const char *to = new_instance("waits", input, by_client)->id;
		snprintf(input, sizeof(input), "%s %u", to, count);
		(void)new_instance("sends", input, by_client);
		break;
	case 4:
		snprintf(input, sizeof(input), "%u %u", below(1000000), count);
		(void)new_instance("steps", input, by_client);
		break;
	default:
		snprintf(input, sizeof(input), "%u %u", below(1000000), 2 + count % 3);
		(void)new_instance("wide", input, by_client);
	}
}

/* ---- events ---- */

/*
 * As docs/FORMAT.md asks those who need it to be durable: write under another name, sync, rename, sync the directory. That may
 * be in the archive by then, when this event was the last that it waited for.
 */
static void drop(const struct driven *d, const char *data, size_t len, bool inbox)
{
	char dir[600], hidden[700], path[700];

	snprintf(dir, sizeof(dir), inbox ? "%s/inbox" : "%s/instances/%s/events", load.hub, d->id);
	snprintf(hidden, sizeof(hidden), "%s/.e%u", dir, load.events);
	if (inbox)
		snprintf(path, sizeof(path), "%s/%s.go@k%u", dir, d->id, load.events);
	else
		snprintf(path, sizeof(path), "%s/go@k%u", dir, load.events);
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dirfd < 0 ? -1 : open(hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len || fsync(fd) < 0)
		die_sys("cannot write '%s'", hidden);
	close(fd);
	if (rename(hidden, path) < 0)
		die_sys("cannot rename '%s'", hidden);
	if (fsync(dirfd) < 0)
		die_sys("cannot sync '%s'", dir);
	close(dirfd);
}

static void raise_one(struct driven *d)
{
	static char data[EVENT_MAX + 40];
	size_t more = below(12) == 0 ? 33000 + below(3000) : below(200);
	struct pawl_error err = { 0 };
	int n = snprintf(data, sizeof(data), "e%u ", ++load.events), rc = 0;

	types_fill(data + n, more, load.events);
	size_t len = (size_t)n + more;
	const struct pawl_message raise = { .kind = PAWL_MESSAGE_RAISE, .instance = d->id, .name = "go", .data = data, .len = len };
	unsigned way = below(4);
	if (way == 0)
		rc = pawl_raise(load.rt, d->id, "go", data, true, &err);
	else if (way == 1)
		rc = load.client->ops->send(load.client, &raise, &err);
	else
		drop(d, data, len, way == 2);
	must(rc, &err, "raise an event of", d->id);
	ack_write(ACK_RAISED, d->id, 0, "go", data, len);
	d->events--;
}

/* ---- ends ---- */

static struct driven *pick(bool live, bool wants_events)
{
	unsigned first = below(load.count ? load.count : 1);

	for (unsigned i = 0; i < load.count; i++) {
		struct driven *d = &load.all[(first + i) % load.count];
		if (d->id[0] && d->live == live && (d->events > 0) == wants_events)
			return d;
	}
	return NULL;
}

static void await_end(struct driven *d)
{
	struct pawl_error err = { 0 };
	char *output = NULL;

	must(pawl_wait(load.rt, d->id, 60000, &output, &err), &err, "wait for", d->id);
	ack_write(ACK_ENDED, d->id, 0, "-", output ? output : "", output ? strlen(output) : 0);
	free(output);
	d->live = false;
	load.live--;
}

/* A reader looks into the journal every 50 ms, and knows nothing newer in between: so a new one. */
static struct pawl_provider *open_client(void)
{
	const struct pawl_provider_options options = { .hub = load.hub };
	struct pawl_error err = { 0 };
	struct pawl_provider *p;

	must(pawl_provider_fs.open(&options, &p, &err), &err, "open the hub", load.hub);
	return p;
}

static void save_history(const char *id)
{
	struct pawl_provider *p = open_client();

	reference_save(p, id, load.reference);
	p->ops->close(p);
}

static bool is_there(const char *id)
{
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t len;
	uint64_t execution;
	int rc = load.client->ops->read(load.client, id, 0, &text, &len, &execution, &err);

	free(text);
	if (rc < 0 && rc != PAWL_ENOTFOUND)
		must(rc, &err, "read", id);
	return rc == 0;
}

static void purge(struct driven *d)
{
	const struct pawl_message message = { .kind = PAWL_MESSAGE_PURGE, .instance = d->id };
	const struct timespec moment = { 0, 1000000 };
	struct pawl_error err = { 0 };

	save_history(d->id);
	ack_write(ACK_PURGING, d->id, 0, "-", "", 0);
	int rc;
	/* it has ended, and is on its way to the archive */
	while ((rc = load.client->ops->send(load.client, &message, &err)) == PAWL_ESTATE)
		nanosleep(&moment, NULL);
	must(rc, &err, "purge", d->id);
	while (is_there(d->id))
		nanosleep(&moment, NULL);
	ack_write(ACK_PURGED, d->id, 0, "-", "", 0);
	d->id[0] = '\0';
}

/* ---- all of it ---- */

static void step(void)
{
	unsigned what = below(100);
	struct driven *d = pick(true, what < 60);

	if (what < 35 && load.live < LIVE_MAX)
		start_one();
	else if (what < 60 && d)
		raise_one(d);
	else if (what < 85 && d)
		await_end(d);
	else if (what < 97 && (d = pick(false, false)))
		purge(d);
	else if (what >= 99 && !load.stay) {
		end_runtime();
		begin_runtime();
	}
}

static void finish(void)
{
	struct driven *d;

	while ((d = pick(true, true)))
		raise_one(d);
	while ((d = pick(true, false)))
		await_end(d);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		die("load HUB REFERENCE SEED STEPS [stay]");
	load.hub = argv[1];
	load.reference = argv[2];
	load.random = strtoull(argv[3], NULL, 10) * 2 + 1;
	load.stay = argc > 5 && strcmp(argv[5], "stay") == 0;
	ack_open();
	types_register();
	write_config();
	begin_runtime();
	load.client = open_client();
	watch_begin(load.hub);
	for (unsigned long steps = strtoul(argv[4], NULL, 10); steps && load.count < INSTANCES_MAX - 2; steps--)
		step();
	finish();
	watch_end();
	end_runtime();
	load.client->ops->close(load.client);
	load.client = open_client();
	reference_save_all(load.client, load.reference);
	load.client->ops->close(load.client);
	return 0;
}
