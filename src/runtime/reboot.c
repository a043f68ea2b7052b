/*
 * reboot.c - activities that end with a reboot of the device (exit 76, pawl_work_reboot).
 *
 *	attempt says so ──► ActivityRebooting with its output, durable ──► reboot.command; nothing else is begun
 *	                            │ next start, another boot ──► Completed with that output
 *	                            └ reboot.timeout, same boot ─► failed: code "no-reboot", may be tried again
 */
#include "runtime/work.h"
#include "base/error.h"
#include "os/spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct due due_now(const struct pawl_runtime *rt, int64_t wait_ms)
{
	return (struct due){ .boot = slice_of(rt->boot), .boot_ms = runtime_now_ms(rt) + wait_ms,
		.at_ns = rt->os->real_ns(rt->os->self) + wait_ms * 1000000 };
}

void reboot_planned(struct pawl_runtime *rt, struct pawl_work *w)
{
	struct effect *e = w->effect;
	struct mail *m = mail_new(rt, EVENT_ActivityRebooting);

	work_event(w, ACTIVITY_REBOOT);
	effect_forget_work(e);
	heap_remove(&rt->timers, &e->node);
	if (!m) {
		effect_wait(rt, e, LOOK_AGAIN_MS);
		return;
	}
	m->event.fields = FIELD_REF | FIELD_ATTEMPT | FIELD_DUE | (w->output.len ? FIELD_DATA : 0);
	m->event.ref = w->seq;
	m->event.attempt = w->attempt;
	m->event.due = due_now(rt, rt->config.reboot.timeout_ms);
	m->event.data = w->output.len ? arena_copy(&m->arena, buf_slice(&w->output)) : SLICE_NONE;
	if (w->output.len && !m->event.data.data) {
		mail_free(m);
		effect_wait(rt, e, LOOK_AGAIN_MS);
		return;
	}
	mail_post(rt, w->instance, m);
}

static void run_command(const char *const *command)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct spawn_spec spec = { .argv = command, .fds = { null, null, null } };
	enum spawn_step failed;
	struct pawl_error why;
	pid_t pid = null < 0 ? -errno : spawn_start(&spec, &failed);

	if (pid < 0) {
		err_sys(&why, -(int)pid, "cannot run reboot.command '%s'", command[0]);
		log_error("%s; reboot the device by hand, or the activity fails after reboot.timeout", why.text);
	}
	if (null >= 0)
		close(null);
}

void reboot_begin(struct pawl_runtime *rt, struct instance *i, const struct open_item *item)
{
	struct effect *e = effect_of(item);

	log_notice("instance '%s': activity '%s' ends with a reboot, which is on the disk now; %s", i->id, item->name,
	           rt->config.reboot.command ? "rebooting, nothing new is begun" : "waiting for it (there is no reboot.command), nothing new is begun");
	if (e)
		reboot_wait(rt, e, item);
	if (rt->config.reboot.command)
		run_command(rt->config.reboot.command);
}

static void rebooted(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	struct mail *m = mail_new(rt, EVENT_ActivityCompleted);
	struct event done = { .type = EVENT_ActivityCompleted, .fields = FIELD_REF, .ref = item->seq };

	open_item_output(item, &done);
	if (m && event_copy(&m->event, &done, &m->arena) < 0) {
		mail_free(m);
		m = NULL;
	}
	if (!m) {
		effect_wait(rt, e, LOOK_AGAIN_MS);
		return;
	}
	log_notice("instance '%s': activity '%s' is done, as the device has rebooted", e->instance->id, item->name);
	mail_post(rt, e->instance, m);
}

/* As any attempt that took too long: the retry policy decides, and what is configured for when none is left. */
static void not_rebooted(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	struct pawl_error err = { 0 };
	struct pawl_work *w = work_new(rt, e, item, NULL, &err);

	if (!w) {
		effect_wait(rt, e, LOOK_AGAIN_MS);
		return;
	}
	(void)registry_activity(rt->registry, item->name, &w->activity);
	work_event(w, ACTIVITY_ADOPT);
	work_set_failure(w, WORK_STALLED, "no-reboot", "the device has not rebooted within the limit (reboot.timeout)");
	w->expired = true;
	e->work = w;
	work_result(rt, w);
}

void reboot_wait(struct pawl_runtime *rt, struct effect *e, const struct open_item *item)
{
	if (!slice_is(item->due.boot, rt->boot)) {
		rebooted(rt, e, item);
	} else if (runtime_now_ms(rt) >= item->due.boot_ms) {
		not_rebooted(rt, e, item);
	} else {
		rt->reboot_by_ns = item->due.boot_ms * 1000000;
		effect_wait(rt, e, item->due.boot_ms - runtime_now_ms(rt));
	}
}
