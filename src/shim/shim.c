/*
 * shim.c - the states of an activity, and the loop that waits for what changes them. The contract is shim.h.
 *
 *	                 RUNNING        ENDING                          LINGERING
 *	leader ended     LINGERING      its group gone? LINGERING       -
 *	TERM             ENDING         nop                             cut the pipes; the disk is full: give up
 *	timeout          ENDING         nop                             nop
 *	silent           ENDING         -                               -
 *	too much output  ENDING         nop                             ENDING
 *	grace over       -              KILL; then as without a group   -
 *	second over      -              -                               cut the pipes
 *	pipes at end     nop            nop                             done
 *
 * Entering ENDING sends TERM and CONT to the group. "Cut the pipes": what is in them now is still taken, no more.
 *
 *  1. The leader is not reaped before done: its number, and that of its group, is ours whenever a signal is sent.
 *  2. With an outcome of our own making nobody asks for the result: then a full disk does not hold us up.
 *  3. The loop sleeps in ppoll, the only place where a signal is let in, until a descriptor, a signal or a deadline.
 *     Deadlines run on CLOCK_MONOTONIC, so that a machine that was suspended takes no time from an activity; only the
 *     timeout, which is a promise to others, runs on CLOCK_BOOTTIME, with a timer of its own to be woken by.
 */
#include "shim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOM_LOOK_MS 250
#define GROUP_LOOK_MIN_MS 10
#define GROUP_LOOK_MAX_MS 200
#define CGROUP_TRIES 10
#define SLEEP_MAX_MS (1 << 30) /* 12 days: what an old kernel of 32 bit can count */

struct shim shim; /* zeros: what is not used takes no memory */

static volatile sig_atomic_t got_term, got_child;

/* waiting */

static void on_signal(int signal)
{
	if (signal == SIGTERM)
		got_term = 1;
	else
		got_child = 1;
}

void take_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NOCLDSTOP };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &action, NULL);
}

static void wait_for(struct pollfd *fds, nfds_t count, int64_t ms)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	sigset_t none;

	sigemptyset(&none);
	if (ppoll(fds, count, ms < 0 ? NULL : &t, &none) < 0)
		for (nfds_t i = 0; i < count; i++)
			fds[i].revents = 0;
}

bool wait_for_room(void)
{
	if (!got_term)
		wait_for(NULL, 0, ROOM_LOOK_MS);
	return !got_term;
}

/* the activity's end */

static void signal_group(int signal)
{
	if (shim.pid > 0)
		kill(-shim.pid, signal);
}

static int cgroup_file(const char *name, const char *value)
{
	int dir = open(shim.o.value[OPT_CGROUP], O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, r;

	if (dir < 0)
		return -errno;
	fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : write_all(fd, value, strlen(value), -1);
	if (fd >= 0)
		close(fd);
	close(dir);
	return r;
}

static void kill_all(void)
{
	signal_group(SIGKILL);
	if (is_given(&shim.o, OPT_CGROUP))
		(void)cgroup_file("cgroup.kill", "1"); /* before Linux 5.14 there is only the group */
}

/* What is left in it did not outlive its activity by right: the cgroup goes with it. */
void remove_cgroup(void)
{
	if (!is_given(&shim.o, OPT_CGROUP))
		return;
	for (int i = 0; i < CGROUP_TRIES && rmdir(shim.o.value[OPT_CGROUP]) < 0 && errno == EBUSY; i++) {
		(void)cgroup_file("cgroup.kill", "1");
		struct timespec t = { 0, (i + 1) * 10000000L };
		nanosleep(&t, NULL);
	}
}

static void drop_timer(void)
{
	if (shim.timer >= 0)
		close(shim.timer);
	shim.timer = -1;
	shim.timeout_at = NEVER;
}

static void linger(void)
{
	shim.state = LINGERING;
	drop_timer();
}

static void end_activity(const char *reason)
{
	shim.reason = reason;
	shim.pump.no_result = true;
	shim.state = ENDING;
	drop_timer();
	signal_group(SIGTERM);
	signal_group(SIGCONT); /* a stopped one must run to see it */
	shim.kill_at = now_ms() + (int64_t)shim.o.number[OPT_GRACE_MS];
	shim.look_ms = GROUP_LOOK_MIN_MS;
	shim.next_look = 0;
}

static void look_at_leader(void)
{
	siginfo_t info;

	got_child = 0;
	info.si_pid = 0;
	if (shim.leader_ended)
		return;
	if (waitid(P_PID, (id_t)shim.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
		return;
	shim.leader_ended = true;
	shim.linger_end = now_ms() + SHIM_LINGER_MS;
	if (shim.state == RUNNING)
		linger();
}

/* what happens in each state */

static void stat_files(struct stamp stamps[BEAT_FILES])
{
	static const char *const names[BEAT_FILES] = { SHIM_HEARTBEAT, SHIM_PROGRESS };
	struct stat st;

	for (int i = 0; i < BEAT_FILES; i++) {
		stamps[i].there = fstatat(shim.work, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0;
		stamps[i].s = stamps[i].there ? (int64_t)st.st_mtim.tv_sec : 0;
		stamps[i].ns = stamps[i].there ? st.st_mtim.tv_nsec : 0;
	}
}

static bool is_silent(int64_t now)
{
	struct stamp stamps[BEAT_FILES];

	if (shim.beat.silence_max_ms == 0 || now < beat_deadline(&shim.beat))
		return false;
	stat_files(stamps);
	if (beat_look(&shim.beat, stamps, wall_ms(), now))
		return false;
	if (!shim.pump.stalled)
		return true;
	beat_begin(&shim.beat, shim.beat.silence_max_ms, stamps, now); /* it waits for our disk, so it cannot beat */
	return false;
}

static void run(int64_t now)
{
	if (got_term)
		end_activity("canceled");
	else if (shim.pump.over)
		end_activity("output");
	else if (shim.timeout_at != NEVER && boot_ms() >= shim.timeout_at)
		end_activity("timeout");
	else if (is_silent(now))
		end_activity("heartbeat");
}

static void end(int64_t now)
{
	if (!shim.killed && now >= shim.kill_at) {
		shim.killed = true;
		kill_all();
	}
	if (!shim.leader_ended)
		return;
	if (!shim.killed && now >= shim.next_look) {
		shim.next_look = now + shim.look_ms;
		shim.look_ms = shim.look_ms * 2 < GROUP_LOOK_MAX_MS ? shim.look_ms * 2 : GROUP_LOOK_MAX_MS;
		if (group_has_others(shim.pid))
			return;
		linger();
	} else if (shim.killed) {
		linger();
	}
}

/* True: done. */
static bool linger_on(int64_t now)
{
	if (shim.pump.over && !shim.reason) {
		end_activity("output");
		return false;
	}
	if (got_term && shim.pump.stalled && !shim.reason) {
		shim.reason = "canceled";
		shim.pump.no_result = true;
		return true;
	}
	if (got_term || now >= shim.linger_end) {
		shim.linger_end = NEVER; /* once */
		pump_cut(&shim.pump);
	}
	return pump_done(&shim.pump);
}

void watch(void)
{
	struct stamp stamps[BEAT_FILES];
	struct itimerspec t = { .it_interval = { 0, 0 } };
	int64_t timeout = (int64_t)shim.o.number[OPT_TIMEOUT_MS], silence = (int64_t)shim.o.number[OPT_HEARTBEAT_MS];

	shim.timeout_at = NEVER;
	if (silence > 0) {
		stat_files(stamps);
		beat_begin(&shim.beat, silence, stamps, now_ms());
	}
	if (timeout == 0)
		return;
	shim.timeout_at = boot_ms() + timeout;
	t.it_value.tv_sec = (time_t)((timeout + 1) / 1000);
	t.it_value.tv_nsec = (long)((timeout + 1) % 1000) * 1000000;
	shim.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	if (shim.timer >= 0 && timerfd_settime(shim.timer, 0, &t, NULL) < 0) {
		close(shim.timer); /* then ppoll wakes us */
		shim.timer = -1;
	}
}

/* the loop */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long may ppoll sleep; -1: for ever. */
static int64_t sleep_ms(int64_t now)
{
	int64_t at = shim.pump.stalled ? shim.retry_at : NEVER;

	if (shim.state == RUNNING && shim.beat.silence_max_ms > 0)
		at = sooner(at, beat_deadline(&shim.beat));
	if (shim.state == RUNNING && shim.timeout_at != NEVER && shim.timer < 0)
		at = sooner(at, now + (shim.timeout_at - boot_ms()));
	if (shim.state == ENDING && !shim.killed)
		at = sooner(at, shim.leader_ended ? sooner(shim.kill_at, shim.next_look) : shim.kill_at);
	if (shim.state == LINGERING)
		at = sooner(at, shim.linger_end);
	return at == NEVER ? -1 : at > now ? sooner(at - now, SLEEP_MAX_MS) : 0;
}

static void sleep_and_pump(void)
{
	struct pump *p = &shim.pump;
	struct pollfd fds[] = {
		{ .fd = p->stalled ? -1 : p->out.from, .events = POLLIN },
		{ .fd = p->errors.from, .events = POLLIN },
		{ .fd = shim.timer, .events = POLLIN },
	};

	wait_for(fds, 3, sleep_ms(now_ms()));
	if (p->stalled ? now_ms() >= shim.retry_at || p->no_result : fds[0].revents != 0)
		pump_out(p);
	if (p->stalled && now_ms() >= shim.retry_at)
		shim.retry_at = now_ms() + ROOM_LOOK_MS;
	if (fds[1].revents)
		pump_errors(p);
}

void loop(void)
{
	for (;;) {
		int64_t now = now_ms();
		if (got_child)
			look_at_leader();
		if (shim.state == RUNNING)
			run(now);
		if (shim.state == ENDING)
			end(now);
		if (shim.state == LINGERING && linger_on(now))
			return;
		sleep_and_pump();
	}
}
