/*
 * process_adopt.c - what a runtime before us has left: a shim that lives, one that has ended, or one that is gone.
 *
 *	claim                   attempt   its shim   outcome    found
 *	none, or other boot     -         -          -          NONE; OTHER while one that is not whole is locked
 *	of another boot         ours      -          synced     ENDED: it was on the disk before the power went
 *	there                   ours      lives      -          RUNNING
 *	there                   ours      ended      there      ENDED
 *	there                   ours      ended      none       GONE, KILL to what is left
 *	there                   another   lives      -          OTHER, canceled; KILL when it does not end by that
 *	there                   another   ended      -          NONE, KILL to what is left if it has no outcome
 *
 * "Lives" is asked before the outcome is read: what ends in between is looked at once more by its object.
 */
#include "runtime/process_impl.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS 1000000
#define NUMBER_BYTES 24

/* cancel: the file holds the time of the first one (CLOCK_BOOTTIME, ms), for a runtime after us */

void process_write_cancel(const char *work)
{
	IO_BECAUSE(IO_WORK);
	const struct os *os = os_linux();
	char path[PATH_MAX], text[NUMBER_BYTES + 2];

	process_file(path, sizeof(path), work, SHIM_CANCEL);
	int fd = os->open(os->self, OS_CWD, path, OS_WRITE | OS_CREATE | OS_EXCL, 0644);
	if (fd < 0) {
		if (fd != -EEXIST)
			log_warning("cannot write '%s': error %d", path, -fd);
		return;
	}
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)(process_now_ns() / NS_PER_MS));
	(void)os->pwrite(os->self, fd, text, (size_t)n, 0); /* the file is what counts */
	os->close(os->self, fd);
}

/* For how long it has been canceled; -1: it was not, or that is not known. */
static int64_t canceled_for_ms(const char *work)
{
	char path[PATH_MAX], *text;
	uint64_t at = 0, now = (uint64_t)process_now_ns() / NS_PER_MS;
	size_t len;

	process_file(path, sizeof(path), work, SHIM_CANCEL);
	if (os_read_file(os_linux(), OS_CWD, path, NUMBER_BYTES, &text, &len) < 0)
		return -1;
	int r = text_parse_u64(slice_make(text, len && text[len - 1] == '\n' ? len - 1 : len), &at);
	free(text);
	return r < 0 || at > now ? -1 : (int64_t)(now - at);
}

static void cancel_shim(const struct claim *c, const char *work)
{
	process_write_cancel(work);
	if (!claim_is_near(c))
		return;
	process_signal_shim(&c->shim, SIGTERM);
	process_signal_shim(&c->shim, SIGCONT);
}

static void kill_activity(const struct claim *c)
{
	if (claim_is_near(c))
		spawn_kill_group(c->activity.pid, c->activity.start_ticks, false, SIGKILL);
}

/* After a leave in this very process the shim is our child. */
static void reap_if_ours(const struct claim *c)
{
	if (claim_is_near(c) && spawn_life(c->shim.pid, c->shim.start_ticks) == SPAWN_ZOMBIE &&
	    spawn_is_child(c->shim.pid))
		spawn_reap(c->shim.pid);
}

static bool is_of_this_boot(const struct claim *c)
{
	const struct os *os = os_linux();
	char boot[OS_BOOT_ID_SIZE];

	return os->boot_id(os->self, boot) == 0 && strcmp(c->boot_id, boot) == 0;
}

static bool lives(enum spawn_life life)
{
	return life == SPAWN_LIVES || life == SPAWN_HIDDEN;
}

/* what is found */

struct wanted {
	int64_t timeout_ms, grace_ms;
	void (*done)(void *arg, struct process_result *result);
	void *arg;
};

static int64_t backstop_of(const struct process *p, int64_t canceled_ms)
{
	int64_t backstop = process_backstop_ms(p->about.grace_ms), at = -1, cancel = -1;

	if (p->about.timeout_ms > 0)
		at = process_later(p->about.started_ns, p->about.timeout_ms);
	if (at >= 0)
		at = process_later(at, backstop);
	if (canceled_ms >= 0)
		cancel = process_later(process_now_ns(), backstop - canceled_ms);
	return at < 0 || (cancel >= 0 && cancel < at) ? cancel : at;
}

static struct process *adopt(struct process_list *list, const char *work, const struct claim *c, enum spawn_life life)
{
	struct process *p = process_new(list, work);

	if (!p)
		return NULL;
	p->attempt = c->attempt;
	p->shim = c->shim;
	p->activity = c->activity;
	p->foreign = life == SPAWN_HIDDEN;
	p->child = !p->foreign && spawn_is_child(c->shim.pid);
	if (c->began_ms <= p->about.started_ns / NS_PER_MS)
		p->about.started_ns = c->began_ms * NS_PER_MS;
	return p;
}

static void about_dead(struct process_about *about, const char *work, const struct claim *c, int64_t timeout_ms)
{
	*about = (struct process_about){ .timeout_ms = timeout_ms, .started_ns = process_now_ns() };
	if (c->began_ms <= about->started_ns / NS_PER_MS)
		about->started_ns = c->began_ms * NS_PER_MS;
	about->work = (char *)(uintptr_t)work; /* only read */
}

static enum process_found find_dead(const char *work, struct claim *c, int64_t timeout_ms, struct process_result *result)
{
	struct process_about about;

	reap_if_ours(c);
	if (c->end == CLAIM_OPEN)
		kill_activity(c);
	about_dead(&about, work, c, timeout_ms);
	process_judge(result, c, &about);
	return c->end == CLAIM_OPEN ? PROCESS_GONE : PROCESS_ENDED;
}

/* A shim that does not hear the cancel is killed with its activity: nothing may work here beside the next attempt. */
static enum process_found find_other(const char *work, const struct claim *c, enum spawn_life life, int64_t grace_ms)
{
	if (!lives(life)) {
		reap_if_ours(c);
		if (c->end == CLAIM_OPEN)
			kill_activity(c);
		return PROCESS_NONE;
	}
	if (canceled_for_ms(work) > process_backstop_ms(grace_ms)) {
		kill_activity(c);
		if (claim_is_near(c))
			process_signal_shim(&c->shim, SIGKILL);
	}
	cancel_shim(c, work);
	return PROCESS_OTHER;
}

static enum process_found find_living(struct process **out, struct loop *loop, const char *work, const struct claim *c,
                                      enum spawn_life life, const struct wanted *wanted)
{
	struct process_list *list;
	struct process *p;

	if (process_list_of(&list, loop, NULL) < 0)
		return PROCESS_OTHER; /* out of memory or descriptors: look again */
	p = adopt(list, work, c, life);
	if (!p) {
		process_list_free_if_empty(list);
		return PROCESS_OTHER;
	}
	p->about.timeout_ms = wanted->timeout_ms;
	p->about.grace_ms = wanted->grace_ms > 0 ? wanted->grace_ms : 0;
	p->deadline_ns = backstop_of(p, canceled_for_ms(work));
	p->done = wanted->done;
	p->arg = wanted->arg;
	process_watch(p);
	*out = p;
	return PROCESS_RUNNING;
}

/* Its pids mean nothing any more. */
static enum process_found find_synced(const char *work, const struct claim *c, int64_t timeout_ms, struct process_result *result)
{
	struct process_about about;

	about_dead(&about, work, c, timeout_ms);
	process_judge(result, c, &about);
	return PROCESS_ENDED;
}

/* A claim and whether its shim lives, in an order that does not miss an outcome written in between. PAWL_ENOTFOUND: none,
 * or of another boot; PAWL_ESTATE: of another boot, with an outcome that was synced. */
static int look_at(const char *work, struct claim *c, enum spawn_life *life)
{
	int r = claim_read(c, work);

	if (r == 0 && !is_of_this_boot(c))
		r = c->end != CLAIM_OPEN && c->synced ? PAWL_ESTATE : PAWL_ENOTFOUND;
	if (r == 0) {
		*life = claim_shim_life(c, work);
		r = claim_read(c, work) < 0 ? PAWL_EIO : 0;
	}
	return r;
}

enum process_found process_adopt(struct process **out, struct loop *loop, const char *work, uint32_t attempt,
                                 int64_t timeout_ms, int64_t grace_ms,
                                 void (*done)(void *arg, struct process_result *result), void *arg,
                                 struct process_result *result)
{
	const struct wanted wanted = { timeout_ms, grace_ms, done, arg };
	enum spawn_life life;
	struct claim c;
	int r = look_at(work, &c, &life);

	if (r == PAWL_EIO)
		return PROCESS_OTHER; /* it cannot be read for now: look again */
	if (r == PAWL_ESTATE && c.attempt == attempt)
		return find_synced(work, &c, timeout_ms, result);
	if (r < 0)
		return r == PAWL_EPARSE && claim_is_held(work) ? PROCESS_OTHER : PROCESS_NONE;
	if (c.attempt != attempt)
		return find_other(work, &c, life, grace_ms);
	if (!lives(life))
		return find_dead(work, &c, timeout_ms, result);
	return find_living(out, loop, work, &c, life, &wanted);
}

void process_end_leftover(const char *work)
{
	enum spawn_life life;
	struct claim c;

	if (look_at(work, &c, &life) < 0)
		return;
	if (lives(life)) {
		cancel_shim(&c, work);
		return;
	}
	reap_if_ours(&c);
	if (c.end == CLAIM_OPEN)
		kill_activity(&c);
}

bool process_is_there(const char *work)
{
	return claim_is_held(work);
}
