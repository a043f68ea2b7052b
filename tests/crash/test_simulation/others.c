/* others.c - who else is on the device: people with `pawl ...`, shells that drop files, workers that take activities. */
#include "sim.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLECTORS 3
#define JOBS_MAX 64
#define NAMES SHELLS /* that are used again and again, of each collector: one for each shell */

static struct others {
	unsigned left;                   /* inputs to come */
	bool collector_asked[COLLECTORS], collector_there[COLLECTORS], collector_told[COLLECTORS];
	unsigned job_count;
	bool job_asked_to_end[JOBS_MAX];
	struct promise *under[COLLECTORS][NAMES + 1]; /* what lies under a name */
	uint64_t worker_again[WORKERS]; /* owner_waits() */
} o;

void others_begin(void)
{
	o = (struct others){ .left = device.plan->inputs };
	for (unsigned i = 0; i < CLIENTS; i++) {
		proc_of(ROLE_CLIENT, i)->main = client_main;
		proc_start(proc_of(ROLE_CLIENT, i), (int64_t)i * 50 * SIM_MS);
	}
	for (unsigned i = 0; i < SHELLS; i++) {
		proc_of(ROLE_SHELL, i)->main = shell_main;
		proc_start(proc_of(ROLE_SHELL, i), 2 * SIM_SECOND);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		proc_of(ROLE_WORKER, i)->main = worker_main;
		proc_start(proc_of(ROLE_WORKER, i), SIM_SECOND);
	}
}

bool others_are_done(void)
{
	bool busy = o.left > 0;

	for (unsigned i = 0; i < CLIENTS; i++)
		busy = busy || proc_of(ROLE_CLIENT, i)->busy;
	for (unsigned i = 0; i < SHELLS; i++)
		busy = busy || proc_of(ROLE_SHELL, i)->busy;
	return !busy;
}

static int64_t soon(void)
{
	return chance(4) ? (int64_t)draw_below(&device.random, 60000) * SIM_MS : (int64_t)draw_below(&device.random, 300) * SIM_MS;
}

/* ---- clients ---- */

static struct pawl_provider *open_hub(struct proc *p)
{
	struct pawl_provider_options options = { .hub = SIM_HUB, .os = &p->os };
	struct pawl_provider *hub = NULL;
	struct pawl_error err = { 0 };

	return pawl_provider_fs.open(&options, &hub, &err) < 0 ? NULL : hub;
}

bool send_message(struct proc *p, const struct pawl_message *m, int *rc)
{
	struct pawl_provider *hub = open_hub(p);
	struct pawl_error err = { 0 };

	*rc = PAWL_EIO;
	if (!hub)
		return false;
	*rc = hub->ops->send(hub, m, &err);
	hub->ops->close(hub);
	trace("sent", m->kind, p->dead ? -1 : *rc, m->instance);
	return *rc == 0 && !p->dead;
}

static void start(struct proc *p, const char *type, const char *id, const char *input)
{
	const struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = id, .name = type, .data = input, .len = strlen(input) };
	struct promise *promise = promise_new(id, 0);
	int rc;

	promise->start = true;
	promise->acked = send_message(p, &m, &rc);
}

static void collector_id(unsigned n, char id[16])
{
	snprintf(id, 16, "c%u", n);
}

static void start_collector(struct proc *p, unsigned n)
{
	char id[16];

	collector_id(n, id);
	if (o.collector_asked[n])
		return;
	o.collector_asked[n] = true;
	const struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = id, .name = "sim-collector", .data = "new", .len = 3 };
	int rc;
	if (send_message(p, &m, &rc)) {
		struct promise *promise = promise_new(id, 0);
		promise->start = promise->acked = true;
		o.collector_there[n] = true;
	} else {
		o.collector_asked[n] = false;
		o.collector_there[n] = rc == PAWL_EEXISTS;
		o.collector_asked[n] = o.collector_there[n];
	}
}

static void start_job(struct proc *p)
{
	char id[16], input[48];

	if (o.job_count == JOBS_MAX)
		return;
	snprintf(id, sizeof(id), "j%u", o.job_count++);
	snprintf(input, sizeof(input), "%llu 0 0", (unsigned long long)(draw_any(&device.random) >> 8));
	start(p, "sim-job", id, input);
}

static int any_collector(void)
{
	unsigned n = draw_below(&device.random, COLLECTORS);

	return o.collector_there[n] && !o.collector_told[n] ? (int)n : -1;
}

static void raise_event(struct proc *p)
{
	int n = any_collector(), rc;
	char id[16], text[1300];

	if (n < 0)
		return;
	collector_id((unsigned)n, id);
	struct promise *promise = promise_new(id, 8 + draw_below(&device.random, chance(5) ? 1200 : 40));
	promise_text(promise, text, sizeof(text));
	const struct pawl_message m = { .kind = PAWL_MESSAGE_RAISE, .instance = id, .name = "e", .data = text, .len = promise->len,
		.delay_ms = chance(6) ? 1 + (int64_t)draw_below(&device.random, 20000) : 0 };
	promise->acked = send_message(p, &m, &rc);
}

static void command(struct proc *p)
{
	static const enum pawl_message_kind kinds[] = { PAWL_MESSAGE_SUSPEND, PAWL_MESSAGE_SUSPEND, PAWL_MESSAGE_RESUME, PAWL_MESSAGE_RESUME, PAWL_MESSAGE_CANCEL,
		PAWL_MESSAGE_TERMINATE, PAWL_MESSAGE_PURGE, PAWL_MESSAGE_RESTART, PAWL_MESSAGE_RESTART };
	char id[16];
	int rc;

	if (!o.job_count)
		return;
	unsigned n = draw_below(&device.random, o.job_count);
	snprintf(id, sizeof(id), "j%u", n);
	struct pawl_message m = { .kind = kinds[draw_below(&device.random, 9)], .instance = id, .reason = "the test" };
	if (chance(5)) { /* collectors are held up only */
		collector_id(draw_below(&device.random, COLLECTORS), id);
		m.kind = chance(2) ? PAWL_MESSAGE_SUSPEND : PAWL_MESSAGE_RESUME;
	}
	if (id[0] == 'j' && (m.kind == PAWL_MESSAGE_CANCEL || m.kind == PAWL_MESSAGE_TERMINATE || m.kind == PAWL_MESSAGE_RESTART))
		o.job_asked_to_end[n] = true;
	if (m.kind == PAWL_MESSAGE_PURGE)
		model_asked_to_go(id);
	(void)send_message(p, &m, &rc);
}

void client_main(struct proc *p)
{
	while (o.left > 0 && !p->dead) {
		proc_sleep(soon());
		if (p->dead || o.left == 0)
			break;
		o.left--;
		unsigned what = draw_below(&device.random, 10);
		if (what < 2)
			start_collector(p, draw_below(&device.random, COLLECTORS));
		else if (what < 5)
			start_job(p);
		else if (what < 8)
			raise_event(p);
		else
			command(p);
	}
	if (p->dead && o.left > 0 && !device.over)
		proc_start(p, soon());
}

/* ---- shells ---- */

struct drop {
	struct promise *promise;
	char dir[80], name[40];
	unsigned place; /* of under */
	int collector;
	bool sync;
};

static int write_pieces(struct proc *p, int fd, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && !p->dead) {
		size_t part = chance(3) ? 1 + draw_below(&device.random, (unsigned)(len - at)) : len - at;
		ssize_t n = p->os.pwrite(p, fd, text + at, part, at);
		if (n < 0)
			return (int)n;
		at += part;
		if (at < len)
			proc_sleep((int64_t)draw_below(&device.random, 1800) * SIM_MS); /* without leases 2 s of rest mean that it is done */
	}
	return p->dead ? -EIO : 0;
}

/* It may also come in parts when the writer dies, the disk is full, or the power fails before it was synced. */
static int write_file(struct proc *p, const struct drop *d, const char *name, bool *synced)
{
	char path[140], text[1300];

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	promise_text(d->promise, text, sizeof(text));
	int fd = p->os.open(p, OS_CWD, path, OS_WRITE | OS_CREATE | OS_TRUNC, 0644);
	if (fd < 0)
		return fd;
	int rc = write_pieces(p, fd, text, d->promise->len);
	bool good = rc == 0 && d->sync && p->os.sync(p, fd) == 0 && !p->dead;
	if (rc < 0 || p->dead)
		d->promise->tearable = true;
	p->os.close(p, fd);
	*synced = good;
	return rc;
}

static bool sync_dir(struct proc *p, const char *dir)
{
	return os_sync_dir(&p->os, OS_CWD, dir) == 0 && !p->dead;
}

/* Another one under the same name: what lies there, and was not taken, is gone. */
static void take_place(const struct drop *d)
{
	struct promise **under = &o.under[d->collector][d->place];

	if (d->place < NAMES && *under)
		(*under)->replaced = true;
	*under = d->promise;
}

/* Each of the names that are used again is in one place; others have a number. */
static void name_drop(struct drop *d)
{
	char id[16];

	collector_id((unsigned)d->collector, id);
	bool inbox = d->place == 0 || (d->place == NAMES && chance(2));
	snprintf(d->dir, sizeof(d->dir), inbox ? SIM_HUB "/inbox" : SIM_HUB "/instances/%s/events", id);
	int n = inbox ? snprintf(d->name, sizeof(d->name), "%s.e", id) : snprintf(d->name, sizeof(d->name), "e");
	if (d->place == NAMES)
		snprintf(d->name + n, sizeof(d->name) - (size_t)n, ".%u", d->promise->number);
}

static bool make_drop(const struct proc *p, struct drop *d)
{
	char id[16];

	*d = (struct drop){ .collector = any_collector(), .place = chance(3) ? p->number : NAMES, .sync = chance(2) };
	if (d->collector < 0)
		return false;
	collector_id((unsigned)d->collector, id);
	d->promise = promise_new(id, 8 + draw_below(&device.random, chance(3) ? 1200 : 60));
	name_drop(d);
	return true;
}

static void drop_plain(struct proc *p, const struct drop *d)
{
	bool synced;

	take_place(d);
	int rc = write_file(p, d, d->name, &synced);
	d->promise->acked = rc == 0 && synced && sync_dir(p, d->dir);
	trace("dropped", d->promise->number, d->promise->acked, d->name);
}

static void drop_renamed(struct proc *p, const struct drop *d)
{
	char temporary[60], from[200], to[200];
	bool synced;

	snprintf(temporary, sizeof(temporary), ".%s.%u", d->name, d->promise->number);
	snprintf(from, sizeof(from), "%s/%s", d->dir, temporary);
	snprintf(to, sizeof(to), "%s/%s", d->dir, d->name);
	if (write_file(p, d, temporary, &synced) < 0)
		return;
	take_place(d);
	int rc = p->os.rename(p, OS_CWD, from, OS_CWD, to);
	d->promise->acked = rc == 0 && synced && sync_dir(p, d->dir);
	trace("renamed", d->promise->number, d->promise->acked, d->name);
}

/* Names that are not looked at. */
static void drop_hidden(struct proc *p, struct drop *d)
{
	static const char *const forms[] = { ".%s", "_%s", "%s.tmp", "%s.part", "%s~" };
	char name[60];
	bool synced;

	d->promise->hidden = true;
	snprintf(name, sizeof(name), forms[draw_below(&device.random, 5)], d->name);
	(void)write_file(p, d, name, &synced);
}

/* Again and again under one name: the last of them must come, those before it may. */
static void drop_in_a_row(struct proc *p, struct drop *d)
{
	unsigned count = 2 + draw_below(&device.random, 3);

	d->place = p->number;
	for (unsigned n = 0; n < count && !p->dead; n++) {
		name_drop(d);
		if (chance(3))
			drop_plain(p, d);
		else
			drop_renamed(p, d);
		d->promise = promise_new(d->promise->id, 8 + draw_below(&device.random, 40));
		if (chance(2))
			proc_sleep((int64_t)draw_below(&device.random, 2000) * 1000);
	}
}

static void drop_one(struct proc *p)
{
	struct drop d;

	if (!make_drop(p, &d))
		return;
	switch (draw_below(&device.random, 9)) {
	case 8: drop_in_a_row(p, &d); break;
	case 0: drop_hidden(p, &d); break;
	case 1: /* it dies when it has begun */
		d.promise->tearable = true;
		drop_plain(p, &d);
		if (d.place == NAMES && chance(2))
			proc_kill(p);
		break;
	case 2:
	case 3:
	case 4: drop_renamed(p, &d); break;
	default: drop_plain(p, &d);
	}
}

void shell_main(struct proc *p)
{
	while (o.left > 0 && !p->dead) {
		proc_sleep(soon());
		if (p->dead || o.left == 0)
			break;
		o.left--;
		drop_one(p);
	}
	if (p->dead && o.left > 0 && !device.over)
		proc_start(p, soon());
}

/* ---- workers ---- */

/* Until somebody has heard it, or nobody wants it. */
static void finish(struct proc *p, struct pawl_provider *hub, const char *id, const char *who, int code, const char *text)
{
	struct pawl_error err = { 0 };
	int rc;

	do {
		rc = hub->ops->finish(hub, id, who, code, code ? NULL : text, code ? 0 : strlen(text), code ? text : NULL, code == 75 ? 500 : 0, &err);
		if (rc < 0 && rc != PAWL_ENOTFOUND)
			proc_sleep(SIM_SECOND);
	} while (rc < 0 && rc != PAWL_ENOTFOUND && !p->dead);
}

static void work_on(struct proc *p, struct pawl_provider *hub, const struct pawl_work_item *item, const char *who)
{
	struct pawl_error err = { 0 };
	char input[256], out[1024];
	unsigned fate = device.healthy ? 99 : draw_below(&device.random, 16);

	model_check_attempt(item->instance, item->execution, item->seq, item->attempt, "a worker");
	snprintf(input, sizeof(input), "%.*s", (int)item->input_len, item->input ? (const char *)item->input : "");
	sim_answer(input, out, sizeof(out));
	proc_sleep((int64_t)draw_below(&device.random, 5000) * SIM_MS);
	if (fate == 0 || (fate == 1 && hub->ops->give_back(hub, item->id, who, &err) < 0))
		proc_kill(p); /* it vanishes */
	else if (fate == 2 || !input[0])
		finish(p, hub, item->id, who, 3, "it does not work");
	else if (fate == 3)
		finish(p, hub, item->id, who, 75, "later");
	else if (fate != 1)
		finish(p, hub, item->id, who, 0, out);
}

void worker_main(struct proc *p)
{
	static const char *const activities[] = { "sim-outside", NULL };
	struct os_process_id self;
	char who[16];

	while (!p->dead && !device.resting) {
		proc_sleep((int64_t)(200 + draw_below(&device.random, device.healthy ? 20000 : 4000)) * SIM_MS);
		struct pawl_provider *hub = p->dead ? NULL : open_hub(p);
		struct pawl_work_item *item = NULL;
		struct pawl_error err = { 0 };
		if (!hub || p->os.self_id(p, &self) < 0) {
			if (hub)
				hub->ops->close(hub);
			continue;
		}
		snprintf(who, sizeof(who), "%d", self.pid);
		const struct pawl_work_wanted wanted = { .activities = activities, .worker = who };
		if (hub->ops->claim(hub, &wanted, &item, &err) == 0 && !p->dead)
			work_on(p, hub, item, who);
		free(item);
		hub->ops->close(hub);
	}
	if (p->dead)
		o.worker_again[p->number] = owner_waits() + 3;
}

/*
 * A worker is known by its pid, which here is always the same. So it comes again only when a runtime has seen that it was
 * gone: else that could not know that another has its pid (a claim has no start time in it).
 */
void others_tick(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct proc *p = proc_of(ROLE_WORKER, i);
		if (p->busy || p->start_ns >= 0 || device.over || device.resting || owner_waits() < o.worker_again[i])
			continue;
		proc_start(p, soon());
	}
}

/* ---- the end ---- */

static void help_one(struct proc *p, const char *id)
{
	const struct pawl_message resume = { .kind = PAWL_MESSAGE_RESUME, .instance = id };
	int rc;

	(void)send_message(p, &resume, &rc);
}

static void helper_main(struct proc *p)
{
	char id[16];
	int rc;

	for (unsigned n = 0; n < o.job_count; n++) {
		snprintf(id, sizeof(id), "j%u", n);
		help_one(p, id);
	}
	for (unsigned n = 0; n < COLLECTORS; n++) {
		collector_id(n, id);
		help_one(p, id);
		if (!device.telling || o.collector_told[n]) /* also one that nobody was told of */
			continue;
		const struct pawl_message over = { .kind = PAWL_MESSAGE_RAISE, .instance = id, .name = "e", .data = "over", .len = 4 };
		o.collector_told[n] = send_message(p, &over, &rc);
	}
}

void others_help_to_end(void)
{
	struct proc *p = proc_of(ROLE_CLIENT, 0);

	p->main = helper_main;
	proc_start(p, 0);
}

bool job_was_asked_to_end(const char *id)
{
	unsigned n;

	return sscanf(id, "j%u", &n) == 1 && n < JOBS_MAX && o.job_asked_to_end[n];
}
