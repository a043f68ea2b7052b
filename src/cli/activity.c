/* activity.c - see activity.h. */
#include "cli/activity.h"
#include "cli/output.h"
#include "base/json.h"
#include "base/text.h"
#include "runtime/process.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>

#define BAR_WIDTH 14

/* ---- judging ---- */

/* What was written of an earlier attempt or in another boot tells nothing of now. */
static bool is_fresh(const struct cli *c, const struct activity *a)
{
	const struct carrier *r = &a->carrier;

	return r->seq == a->item->seq && r->execution == a->instance->execution && r->iteration == a->attempt &&
		strcmp(r->boot, c->boot) == 0;
}

/* Surely, that is: a pid may be another process by now (I10). */
static bool is_gone(int32_t pid)
{
	return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static void make_carrier(struct activity *a)
{
	const struct open_item *item = a->item;
	const char *id = a->instance->id;

	a->carrier = (struct carrier){ .instance = id, .activity = item->name, .execution = a->instance->execution,
		.seq = item->seq, .iteration = a->attempt };
	a->carrier.key = arena_printf(&a->arena, "%s/%llu/%llu", id, (unsigned long long)a->carrier.execution,
		(unsigned long long)item->seq);
}

/* The shim waits until there is room, and has nowhere to say so. */
static bool disk_is_full(struct cli *c, const char *dir)
{
	uint64_t bytes, inodes, total;

	return c->os->path_space(c->os->self, dir, &bytes, &inodes, &total) == 0 && bytes == 0;
}

/* What the shim has written goes beyond the carrier: it names the process that lives as long as the attempt, and not how that ended. */
static void see_program(struct cli *c, struct activity *a, const char *dir)
{
	struct carrier *r = &a->carrier;
	int pid;
	enum process_seen seen = process_see(dir, r->iteration, &pid);

	if (seen == PROCESS_AT_WORK && !r->process)
		r->process = pid;
	if (seen == PROCESS_AT_WORK && disk_is_full(c, dir))
		r->reason = "the hub's disk is full: its result waits until there is room";
	if (cli_sees_runtime(c) || seen == PROCESS_AT_WORK || seen == PROCESS_UNSEEN)
		return;
	r->process = 0;
	if (seen == PROCESS_VANISHED)
		r->state = ACTIVITY_WAITING;
	r->reason = seen == PROCESS_VANISHED ? "its process is gone, and no runtime is there" : "it has ended, and no runtime is there to take its result";
}

static int read_files(struct cli *c, struct activity *a)
{
	char dir[PATH_MAX];
	struct pawl_error why = { .code = 0 };
	const struct pawl_provider_ops *ops = c->provider->ops;
	int rc = ops->work_dir(c->provider, a->instance->id, a->item->seq, dir, sizeof(dir));

	if (rc == 0)
		rc = carrier_read(c->os, dir, &a->carrier, &a->arena, &why);
	a->has_carrier = rc == 0 && is_fresh(c, a);
	if (!a->has_carrier)
		make_carrier(a);
	if (rc == PAWL_ENOMEM || !a->carrier.key)
		return err_nomem(&c->err);
	if (a->has_carrier && a->carrier.state == ACTIVITY_ACTIVE) {
		a->has_progress = progress_read(c->os, dir, &a->progress);
		a->heartbeat_ns = heartbeat_read(c->os, dir);
		if (!a->carrier.worker)
			see_program(c, a, dir);
	}
	return 0;
}

static void judge_by_carrier(struct cli *c, struct activity *a)
{
	struct carrier *r = &a->carrier;

	a->state = r->state;
	if (a->state == ACTIVITY_ACTIVE && !cli_sees_runtime(c) && is_gone(r->process)) {
		a->state = ACTIVITY_WAITING;
		r->reason = "its process is gone, and no runtime is there";
		r->process = 0;
	}
	if (r->next_ns) {
		a->has_next = true;
		a->next_ns = r->next_ns;
		a->next_in_ms = (r->next_ns - c->now_ns) / 1000000;
	}
}

/* What history has decided, and no file can change. */
static void judge_by_decision(struct activity *a)
{
	bool stuck = a->has_carrier && a->carrier.state == ACTIVITY_STUCK;

	a->state = !a->item->held ? ACTIVITY_ACTIVE : stuck ? ACTIVITY_STUCK : ACTIVITY_STALLED;
	a->carrier.reason = a->item->held ? a->item->last_error : "done when the device has rebooted";
	a->carrier.process = 0;
}

static void judge_by_history(struct cli *c, struct activity *a)
{
	a->has_next = instance_due(c, a->item, &a->next_in_ms, &a->next_ns);
	a->carrier.reason = a->item->last_error;
	a->state = ACTIVITY_WAITING;
	if (a->has_next && a->next_in_ms > 0)
		a->carrier.next_ns = a->next_ns;
	else if (cli_sees_runtime(c))
		a->state = ACTIVITY_ACTIVE;
	else
		a->carrier.reason = "no runtime";
	if (a->state == ACTIVITY_ACTIVE)
		a->has_next = false;
}

int activity_read(struct cli *c, const struct cli_instance *i, const struct open_item *item, struct activity *a)
{
	*a = (struct activity){ .instance = i, .item = item, .attempt = item->attempt };
	if (item->held && a->attempt > 1)
		a->attempt--;
	arena_init(&a->arena, 0);
	int rc = read_files(c, a);
	if (rc < 0)
		return rc;
	if (item->held || item->rebooting)
		judge_by_decision(a);
	else if (a->has_carrier)
		judge_by_carrier(c, a);
	else
		judge_by_history(c, a);
	a->carrier.state = a->state;
	return 0;
}

void activity_release(struct activity *a)
{
	arena_release(&a->arena);
}

int64_t activity_told_ns(const struct activity *a)
{
	int64_t told = a->has_carrier ? a->carrier.time_ns : 0;

	return a->has_progress && a->progress.time_ns > told ? a->progress.time_ns : told;
}

/* ---- saying ---- */

void activity_progress(const struct activity *a, bool bar, struct buf *out)
{
	const struct progress *p = &a->progress;
	int full = p->percent * BAR_WIDTH / 100;

	if (bar && p->percent >= 0) {
		buf_addc(out, '[');
		for (int n = 0; n < BAR_WIDTH; n++)
			buf_addc(out, n < full ? '#' : '.');
		buf_adds(out, "] ");
	}
	if (p->percent >= 0)
		buf_addf(out, "%d%%%s", p->percent, p->text[0] ? " " : "");
	buf_adds(out, p->text);
}

/* With these the history's words are all there is to say. */
static bool is_plain(const struct activity *a)
{
	if (a->item->held || a->item->rebooting)
		return false;
	return !a->has_carrier || (a->state == ACTIVITY_WAITING && a->has_next);
}

static void describe_plain(const struct activity *a, struct buf *out)
{
	char left[TEXT_TIME_SIZE];

	if (a->attempt > 1)
		buf_addf(out, ", attempt %u", (unsigned)a->attempt);
	if (a->has_next && a->next_in_ms > 0) {
		text_duration(left, a->next_in_ms);
		buf_addf(out, " in %s", left);
	}
	if (a->item->last_error)
		buf_addf(out, " after: %s", a->item->last_error);
}

static void describe_state(const struct activity *a, struct buf *out)
{
	char left[TEXT_TIME_SIZE];
	const struct carrier *r = &a->carrier;

	buf_addf(out, " (%s", activity_state_name(a->state));
	if (a->attempt > 1)
		buf_addf(out, ", attempt %u", (unsigned)a->attempt);
	if (a->item->held)
		buf_addf(out, ", held until `pawl queue requeue %s.%llu`", r->instance, (unsigned long long)r->seq);
	if (a->state == ACTIVITY_ACTIVE && r->process > 0)
		buf_addf(out, ", pid %d", (int)r->process);
	else if (a->state == ACTIVITY_ACTIVE && r->worker)
		buf_addf(out, ", worker %s", r->worker);
	if (a->has_next) {
		text_duration(left, a->next_in_ms > 0 ? a->next_in_ms : 0);
		buf_addf(out, ", next %s in %s", a->state == ACTIVITY_DEFERRED ? "look" : "attempt", left);
	}
	buf_addf(out, "%s%s)", r->reason && *r->reason ? ": " : "", r->reason ? r->reason : "");
}

void activity_describe(const struct cli *c, const struct activity *a, struct buf *out)
{
	buf_addf(out, "%s", a->item->name);
	if (is_plain(a)) {
		describe_plain(a, out);
		return;
	}
	if (!a->has_progress) {
		describe_state(a, out);
		return;
	}
	if (a->attempt > 1)
		buf_addf(out, ", attempt %u", (unsigned)a->attempt);
	buf_adds(out, c->bars && a->progress.percent >= 0 ? " " : ": ");
	activity_progress(a, c->bars, out);
}

void activity_add_members(const struct activity *a, struct buf *out)
{
	if (a->heartbeat_ns)
		out_add_time(out, "heartbeat", a->heartbeat_ns);
	if (a->has_progress) {
		json_add_key(out, "progress");
		buf_addc(out, '{');
		if (a->progress.percent >= 0)
			json_add_member_u64(out, "percent", (uint64_t)a->progress.percent);
		out_add_text(out, "text", a->progress.text[0] ? a->progress.text : NULL);
		buf_addc(out, '}');
	}
}

/* ---- watching ---- */

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t n = 0; n < len; n++)
		h = (h ^ p[n]) * 0x100000001b3u; /* FNV-1a */
	return h;
}

/* What counts down by itself is left out. */
static uint64_t mix_activity(uint64_t h, const struct activity *a)
{
	const int64_t facts[] = { (int64_t)a->item->seq, (int64_t)a->state, a->carrier.process, a->progress.percent,
		a->has_progress };

	h = mix(h, facts, sizeof(facts));
	return mix(h, a->progress.text, strlen(a->progress.text));
}

uint64_t activity_digest(struct cli *c, const struct cli_instance *i)
{
	uint64_t h = 0xcbf29ce484222325u;

	if (instance_is_ended(i))
		return h;
	for (const struct open_item *item = i->view.open; item; item = item->next) {
		struct activity a;
		if (item->type != EVENT_ActivityScheduled)
			continue;
		if (activity_read(c, i, item, &a) == 0)
			h = mix_activity(h, &a);
		activity_release(&a);
	}
	return h;
}
