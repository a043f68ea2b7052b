/*
 * process.c - one object for each shim that is watched, driven by the loop's events.
 *
 *	state     what                       its shim has ended       deadline                 cancel
 *	RUNNING   its shim watches over it   over; with a process     the backstop: KILLED     file `cancel`, TERM to
 *	                                     but no outcome: ORPHANED (long overdue: again)    the shim, new backstop
 *	ORPHANED  no shim; TERM to its group (the group is empty:)    KILL, over               nop
 *	                                     over
 *	KILLED    KILL to group and shim     over                     over: not waited for     nop
 *	STILLBORN too much to be executed    -                        over                     nop
 *
 * "Over" is finish(). A cancel is remembered in all states: the verdict is WORK_CANCELED then.
 *
 * 1. A shim that is our child is not reaped before its claim was read; so its pid is its own until then.
 * 2. What is not our child is signalled through a pidfd that was opened before its start time was compared; where there
 *    are no pidfds, right after that. A group only while its leader is known (spawn_kill_group).
 * 3. Only finish() ends the object, as the last thing in an event: its callback may do anything but wait.
 * 4. What comes from a claim is believed only when that claim names our shim and our attempt.
 *
 * How the end is noticed, the first that works: a pidfd; SIGCHLD, for children where the kernel has no pidfds (before
 * 5.3, or forbidden by a filter); a look every PROCESS_POLL_MS, at the process or at the lock on the claim.
 *
 * A child that was left (process_leave) or could not be killed stays a zombie of ours when it ends, until it is adopted
 * or we end.
 */
#include "runtime/process_impl.h"
#include "base/error.h"
#include "base/log.h"
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define BACKSTOP_MS 10000      /* beyond what the shim needs for itself */
#define OVERDUE_MS 5000        /* who comes that late to a deadline was suspended, and the shim too */
#define ORPHAN_POLL_MS 100
#define CLAIM_WAIT_MS 1000     /* for a shim that was started a moment ago to write its claim */
#define READ_RETRIES 10        /* without descriptors or memory no claim can be read: that passes */

int64_t process_now_ns(void)
{
	const struct os *os = os_linux();

	return os->boot_ns(os->self);
}

int64_t process_later(int64_t ns, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return ms > (INT64_MAX - ns) / NS_PER_MS ? -1 : ns + ms * NS_PER_MS;
}

static int64_t add_ms(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

int64_t process_backstop_ms(int64_t grace_ms)
{
	return add_ms(add_ms(grace_ms, grace_ms), BACKSTOP_MS);
}

void process_file(char *path, size_t size, const char *work, const char *name)
{
	if (snprintf(path, size, "%s/%s", work, name) >= (int)size)
		path[0] = '\0'; /* there is nothing of that name */
}

/* the list of a loop's processes */

static void on_child(void *arg, unsigned events);

static int watch_children(struct process_list *list, struct pawl_error *err)
{
	int r;

	list->children = spawn_watch();
	if (list->children < 0)
		return err_sys(err, -list->children, "cannot watch for the end of programs");
	r = loop_add(list->loop, list->children, LOOP_READ, on_child, list, err);
	if (r < 0)
		spawn_unwatch(list->children);
	return r;
}

int process_list_of(struct process_list **out, struct loop *loop, struct pawl_error *err)
{
	struct process_list *list = loop_get_user(loop);
	int r = 0;

	if (!list) {
		spawn_prepare_signals();
		list = calloc(1, sizeof(*list));
		if (!list)
			return err_nomem(err);
		list->loop = loop;
		list->children = -1;
		if (!spawn_has_pidfd())
			r = watch_children(list, err);
		if (r < 0) {
			free(list);
			return r;
		}
		loop_set_user(loop, list);
	}
	*out = list;
	return 0;
}

/* The loop may be gone after the last one of its processes. */
void process_list_free_if_empty(struct process_list *list)
{
	if (list->first)
		return;
	loop_set_user(list->loop, NULL);
	if (list->children >= 0) {
		loop_remove(list->loop, list->children);
		spawn_unwatch(list->children);
	}
	free(list);
}

static void list_remove(struct process *p)
{
	struct process **at = &p->list->first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

/* the object */

struct process *process_new(struct process_list *list, const char *work)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->list = list;
	p->pidfd = -1;
	p->deadline_ns = p->poll_ns = -1;
	p->about.started_ns = process_now_ns();
	p->about.work = strdup(work);
	if (p->about.work)
		return p;
	free(p);
	return NULL;
}

static void drop_pidfd(struct process *p)
{
	if (p->pidfd < 0)
		return;
	loop_remove(p->list->loop, p->pidfd);
	close(p->pidfd);
	p->pidfd = -1;
}

void process_free(struct process *p)
{
	drop_pidfd(p);
	free(p->about.work);
	free(p->about.program);
	free(p);
}

static void finish(struct process *p, const struct process_result *judged)
{
	struct process_result result = *judged;
	void (*done)(void *, struct process_result *) = p->done;
	struct process_list *list = p->list;
	void *arg = p->arg;

	list_remove(p);
	process_free(p);
	process_list_free_if_empty(list);
	done(arg, &result);
}

/* noticing the end */

static void on_pidfd(void *arg, unsigned events);

/* -1 also when it is gone or another: a look will tell. */
static int open_pidfd(const struct claim_process *who, bool child)
{
	int fd = spawn_pidfd(who->pid);

	if (fd >= 0 && !child && spawn_life(who->pid, who->start_ticks) == SPAWN_GONE) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -1 : fd;
}

static void watch_pidfd(struct process *p, const struct claim_process *who, bool child)
{
	p->pidfd = open_pidfd(who, child);
	if (p->pidfd >= 0 && loop_add(p->list->loop, p->pidfd, LOOP_READ, on_pidfd, p, NULL) < 0)
		drop_pidfd(p);
}

void process_watch(struct process *p)
{
	p->next = p->list->first;
	p->list->first = p;
	if (p->state == STILLBORN)
		return;
	if (!p->foreign)
		watch_pidfd(p, &p->shim, p->child);
	if (p->pidfd < 0 && (!p->child || p->list->children < 0))
		p->poll_ns = process_later(process_now_ns(), PROCESS_POLL_MS);
}

static bool shim_has_ended(const struct process *p)
{
	struct spawn_status status;
	enum spawn_life life = SPAWN_HIDDEN;

	if (p->child)
		return spawn_has_ended(p->shim.pid, &status);
	if (p->pidfd >= 0)
		return spawn_pidfd_has_ended(p->pidfd);
	if (!p->foreign)
		life = spawn_life(p->shim.pid, p->shim.start_ticks);
	return life == SPAWN_HIDDEN ? !claim_is_held(p->about.work) : life != SPAWN_LIVES;
}

/* signals */

/* Of one that is known by its claim only, where anything may stand. */
void process_signal_shim(const struct claim_process *shim, int signal)
{
	if (shim->pid <= 1 || shim->pid == getpid())
		return;
	int fd = open_pidfd(shim, false), r = fd < 0 ? fd : spawn_pidfd_kill(fd, signal);
	if (fd >= 0)
		close(fd);
	if (r < 0 && spawn_life(shim->pid, shim->start_ticks) == SPAWN_LIVES)
		kill(shim->pid, signal);
}

static void signal_shim(const struct process *p, int signal)
{
	if (p->foreign || shim_has_ended(p))
		return;
	if (p->pidfd >= 0 && spawn_pidfd_kill(p->pidfd, signal) == 0)
		return;
	if (p->child)
		kill(p->shim.pid, signal);
	else
		process_signal_shim(&p->shim, signal);
}

static int signal_group(const struct process *p, bool led, int signal)
{
	return p->foreign ? -ESRCH : spawn_kill_group(p->activity.pid, p->activity.start_ticks, led, signal);
}

/* Zombies that nobody reaps, as in a container, are nobody. */
static bool group_is_empty(const struct process *p)
{
	return signal_group(p, true, 0) == -ESRCH || !spawn_group_lives(p->activity.pid);
}

/* the end */

/* The claim of this very shim; else one that says nothing. False: it is there perhaps, but could not be read. */
static bool read_own_claim(const struct process *p, struct claim *c)
{
	int r = claim_read(c, p->about.work);

	if (r == 0 && c->shim.pid == p->shim.pid && c->attempt == p->attempt &&
	    (p->child || c->shim.start_ticks == p->shim.start_ticks))
		return true;
	claim_clear(c);
	c->activity = p->activity;
	return r != PAWL_EIO;
}

static void finish_judged(struct process *p, const struct claim *c)
{
	struct process_result result;

	process_judge(&result, c, &p->about);
	finish(p, &result);
}

static void finish_now(struct process *p)
{
	struct claim c;

	if (p->state == STILLBORN) {
		if (p->about.canceled)
			process_verdict(&p->result, WORK_CANCELED, "canceled", "canceled");
		finish(p, &p->result);
		return;
	}
	read_own_claim(p, &c);
	finish_judged(p, &c);
}

static void orphan(struct process *p, const struct claim *c, int64_t now)
{
	p->activity = c->activity;
	if (signal_group(p, false, p->about.grace_ms > 0 ? SIGTERM : SIGKILL) < 0 || p->about.grace_ms <= 0) {
		finish_judged(p, c);
		return;
	}
	log_warning("the shim %ld of '%s' is gone: ending its process %ld", (long)p->shim.pid, p->about.work,
	            (long)p->activity.pid);
	signal_group(p, true, SIGCONT); /* a stopped one must run to see it */
	p->state = ORPHANED;
	p->deadline_ns = process_later(now, p->about.grace_ms);
	p->poll_ns = process_later(now, ORPHAN_POLL_MS);
	watch_pidfd(p, &p->activity, false);
}

static void on_shim_end(struct process *p, int64_t now)
{
	struct claim c;

	if (!read_own_claim(p, &c) && p->retries < READ_RETRIES) {
		p->retries++;
		drop_pidfd(p);
		p->poll_ns = process_later(now, PROCESS_POLL_MS);
		return;
	}
	if (p->child && spawn_has_ended(p->shim.pid, &p->about.shim_status))
		spawn_reap(p->shim.pid);
	p->child = false;
	drop_pidfd(p);
	if (c.end == CLAIM_OPEN && p->state == RUNNING)
		orphan(p, &c, now);
	else
		finish_judged(p, &c);
}

/* True when something has happened: the object may be gone. */
static bool look(struct process *p, int64_t now)
{
	if ((p->state == RUNNING || p->state == KILLED) && shim_has_ended(p)) {
		on_shim_end(p, now);
		return true;
	}
	if (p->state != ORPHANED)
		return false;
	if (p->pidfd >= 0 && spawn_pidfd_has_ended(p->pidfd))
		drop_pidfd(p); /* its leader; the others have their grace */
	if (!group_is_empty(p))
		return false;
	finish_now(p);
	return true;
}

static void on_pidfd(void *arg, unsigned events)
{
	(void)events;
	look(arg, process_now_ns());
}

/* Callbacks may change the list or free it, so each search starts anew. */
static struct process *find(struct loop *loop, bool (*matches)(const struct process *p, int64_t now), int64_t now)
{
	struct process_list *list = loop_get_user(loop);
	struct process *p = list ? list->first : NULL;

	while (p && !matches(p, now))
		p = p->next;
	return p;
}

static bool matches_ended_child(const struct process *p, int64_t now)
{
	(void)now;
	return p->child && p->pidfd < 0 && !p->retries && (p->state == RUNNING || p->state == KILLED) &&
	       shim_has_ended(p);
}

static void on_child(void *arg, unsigned events)
{
	struct process_list *list = arg;
	struct loop *loop = list->loop;
	struct process *p;
	char bytes[64];

	(void)events;
	while (read(list->children, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
	while ((p = find(loop, matches_ended_child, 0)))
		on_shim_end(p, process_now_ns()); /* it does not match then, or is gone */
}

/* deadlines */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int64_t process_next_deadline(struct loop *loop)
{
	const struct process_list *list = loop_get_user(loop);
	int64_t first = -1;

	for (const struct process *p = list ? list->first : NULL; p; p = p->next)
		first = earlier(first, earlier(p->deadline_ns, p->poll_ns));
	return first;
}

/* The group first: while its shim has not reaped it, its number is its own. */
static void kill_all(struct process *p, int64_t now)
{
	struct claim c;

	read_own_claim(p, &c);
	p->activity = c.activity;
	log_warning("the shim %ld of '%s' does not end: killing it and its process %ld", (long)p->shim.pid,
	            p->about.work, (long)p->activity.pid);
	signal_group(p, false, SIGKILL);
	signal_shim(p, SIGKILL);
	p->state = KILLED;
	p->about.killed = !p->foreign; /* no signal reaches that one */
	p->deadline_ns = process_later(now, BACKSTOP_MS);
}

static void on_deadline(struct process *p, int64_t now)
{
	switch (p->state) {
	case RUNNING:
		if (now - p->deadline_ns > OVERDUE_MS * NS_PER_MS)
			p->deadline_ns = process_later(now, process_backstop_ms(p->about.grace_ms));
		else
			kill_all(p, now);
		break;
	case ORPHANED:
		signal_group(p, true, SIGKILL);
		finish_now(p);
		break;
	case KILLED:
	case STILLBORN:
		finish_now(p);
		break;
	}
}

static bool is_due(const struct process *p, int64_t now)
{
	int64_t at = earlier(p->deadline_ns, p->poll_ns);

	return at >= 0 && at <= now;
}

/* Moves what is due, or ends the object: the search below comes to an end. */
static void on_due(struct process *p, int64_t now)
{
	if (p->poll_ns >= 0 && p->poll_ns <= now)
		p->poll_ns = process_later(now, p->state == ORPHANED ? ORPHAN_POLL_MS : PROCESS_POLL_MS);
	if (!look(p, now) && p->deadline_ns >= 0 && p->deadline_ns <= now)
		on_deadline(p, now);
}

void process_check_deadlines(struct loop *loop, int64_t boot_ns)
{
	struct process *p;

	while ((p = find(loop, is_due, boot_ns)))
		on_due(p, boot_ns);
}

/* from outside */

void process_cancel(struct process *p)
{
	if (p->about.canceled)
		return;
	p->about.canceled = true;
	if (p->state != RUNNING)
		return;
	process_write_cancel(p->about.work);
	p->deadline_ns = process_later(process_now_ns(), process_backstop_ms(p->about.grace_ms));
	signal_shim(p, SIGTERM);
	signal_shim(p, SIGCONT);
}

/* Who adopts it must find its claim, or would start a second one beside it. */
static void wait_for_claim(const struct process *p)
{
	int64_t until = process_later(p->about.started_ns, CLAIM_WAIT_MS);
	const struct timespec nap = { 0, 1000000 };
	struct claim c;

	while (p->child && !shim_has_ended(p) && claim_read(&c, p->about.work) < 0 && process_now_ns() < until)
		nanosleep(&nap, NULL);
}

void process_leave(struct process *p)
{
	struct process_list *list = p->list;

	if (p->state == RUNNING)
		wait_for_claim(p);
	list_remove(p);
	process_free(p);
	process_list_free_if_empty(list);
}

int process_shim_pid(const struct process *p)
{
	return (int)p->shim.pid;
}

int process_pid(const struct process *p)
{
	struct claim c;

	if (p->activity.pid || p->state == STILLBORN)
		return p->activity.pid;
	read_own_claim(p, &c);
	return c.activity.pid;
}
