/*
 * test_shim.c - pawl-shim from outside, against src/shim/shim.h: the built program, real processes, a real kernel.
 * Only the arithmetic of heartbeats is tested from inside.
 *
 * $PAWL_SHIM names the program. What needs root, a tmpfs or a writable cgroup2 is skipped, with the reason, without it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* CLOCK_BOOTTIME */
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "shim/beat.c"

#define HANG_S 100
#define DEADLINE_MS 20000
#define CGROUP2_MAGIC 0x63677270
#define NOBODY 65534

static char program[4096], work[64];
static bool mounted;

static bool emulated(void)
{
	const char *runner = getenv("RUNNER");

	return runner && strstr(runner, "qemu");
}

/* time and files */

static int64_t clock_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* For what the kernel tells nobody. */
#define AWAIT(condition) \
	do { \
		for (int64_t end_ = clock_of(CLOCK_MONOTONIC) + DEADLINE_MS; !(condition); pause_ms(2)) \
			if (clock_of(CLOCK_MONOTONIC) > end_) \
				fail_msg("not within %d s: %s", DEADLINE_MS / 1000, #condition); \
	} while (0)

static const char *in_work(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", work, name);
	return path;
}

static bool there(const char *name)
{
	return access(in_work(name), F_OK) == 0;
}

static char *slurp(const char *path)
{
	static char data[1 << 17];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	data[0] = '\0';
	if (fd < 0)
		return data;
	while ((n = read(fd, data + len, sizeof(data) - 1 - len)) > 0)
		len += (size_t)n;
	data[len] = '\0';
	close(fd);
	return data;
}

static char *contents(const char *name)
{
	return slurp(in_work(name));
}

static void put(const char *name, const char *text)
{
	int fd = open(in_work(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static int64_t size_of(const char *name)
{
	struct stat st;

	return stat(in_work(name), &st) == 0 ? (int64_t)st.st_size : -1;
}

/* Waits until the activity opens this fifo to say that it is ready. */
static void await_ready(void)
{
	char word[16];
	int fd = open(in_work("ready"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	while (read(fd, word, sizeof(word)) > 0)
		;
	close(fd);
}

/* The start time of a process, 0 when there is none; *state: its letter. */
static long long ticks_of(pid_t pid, char *state)
{
	char path[64], data[1024];
	long long ticks = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc//%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, data, sizeof(data) - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	data[n] = '\0';
	char *at = strrchr(data, ')') + 2;
	*state = *at;
	for (int field = 3; field < 22; field++)
		at = strchr(at, ' ') + 1;
	sscanf(at, "%lld", &ticks);
	return ticks;
}

static bool is_alive(pid_t pid)
{
	char state = 'X';

	return ticks_of(pid, &state) != 0 && state != 'Z' && state != 'X';
}

/* a claim */

struct claim_seen {
	long attempt, output, user_ms, system_ms, rss_kib;
	char boot[64], outcome[32], message[256];
	unsigned long long pidns;
	int shim, activity;
	long long shim_ticks, activity_ticks, began, ended;
	bool end;
};

static void see_line(struct claim_seen *c, const char *line)
{
	c->end = strcmp(line, "end") == 0;
	if (strcmp(line, "synced 1") == 0)
		return;
	if (sscanf(line, "attempt %ld", &c->attempt) == 1 || sscanf(line, "boot %63s", c->boot) == 1 || c->end)
		return;
	if (sscanf(line, "pidns %llu", &c->pidns) == 1 || sscanf(line, "shim %d %lld", &c->shim, &c->shim_ticks) == 2)
		return;
	if (sscanf(line, "activity %d %lld", &c->activity, &c->activity_ticks) == 2)
		return;
	if (sscanf(line, "began %lld", &c->began) == 1)
		return;
	if (sscanf(line, "outcome %31[^\n]", c->outcome) == 1 || sscanf(line, "message %255[^\n]", c->message) == 1)
		return;
	if (sscanf(line, "output %ld", &c->output) == 1 || sscanf(line, "ended %lld", &c->ended) == 1)
		return;
	if (sscanf(line, "usage %ld %ld %ld", &c->user_ms, &c->system_ms, &c->rss_kib) != 3)
		fail_msg("a line of the claim that nobody knows: '%s'", line);
}

static struct claim_seen see_claim(void)
{
	struct claim_seen c = {.attempt = -1, .output = -1, .rss_kib = -1};
	char *rest = NULL;

	for (char *line = strtok_r(contents("claim"), "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		see_line(&c, line);
	return c;
}

static bool lock_is_free(void)
{
	int fd = open(in_work("claim"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	int r = flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	return r == 0;
}

/* starting */


static pid_t launch(void (*first)(void), const char *options, const char *const *command)
{
	const char *argv[32];
	char text[1024], work_is[80], *rest = NULL;
	int n = 0;

	snprintf(text, sizeof(text), "%s", options);
	snprintf(work_is, sizeof(work_is), "work=%s", work);
	argv[n++] = program;
	argv[n++] = work_is;
	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[n++] = word;
	argv[n++] = "--";
	while (*command)
		argv[n++] = *command++;
	argv[n] = NULL;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (first)
			first();
		execv(program, (char *const *)argv);
		_exit(99);
	}
	return pid;
}

static pid_t launch_shell(const char *options, const char *script)
{
	return launch(NULL, options, (const char *const[]){"/bin/sh", "-c", script, NULL});
}

static int await_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct claim_seen await_claim(pid_t pid)
{
	assert_int_equal(await_end(pid), 0);
	struct claim_seen c = see_claim();
	assert_true(c.end);
	assert_true(lock_is_free());
	return c;
}

static struct claim_seen run_shell(const char *options, const char *script)
{
	return await_claim(launch_shell(options, script));
}

static struct claim_seen run_program(const char *options, const char *name)
{
	return await_claim(launch(NULL, options, (const char *const[]){name, NULL}));
}

/* each test has a work directory of its own */

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(work, sizeof(work), "/tmp/pawl-shim-XXXXXX");
	assert_non_null(mkdtemp(work));
	assert_int_equal(mkfifo(in_work("ready"), 0644), 0);
	alarm(HANG_S);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	empty(work);
	if (mounted)
		umount(work);
	mounted = false;
	rmdir(work);
	return 0;
}

/* how it ends */

static void an_exit_is_told_with_its_code_its_output_and_its_last_words(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("attempt=3", "echo first >&2; printf '  the last\tline ' >&2; echo out; exit 7");

	assert_string_equal(c.outcome, "exit 7");
	assert_string_equal(c.message, "the last line");
	assert_int_equal(c.attempt, 3);
	assert_int_equal(c.output, 4);
	assert_string_equal(contents("result"), "out\n");
	assert_string_equal(contents("log"), "first\n  the last\tline ");
	assert_true(c.ended >= c.began && c.ended <= clock_of(CLOCK_BOOTTIME));
	assert_true(c.user_ms >= 0 && c.rss_kib >= 0);
}

static void a_quiet_end_has_no_message(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("", "printf '\\n  \\n' >&2");

	assert_string_equal(c.outcome, "exit 0");
	assert_string_equal(c.message, "");
	assert_null(strstr(contents("claim"), "message"));
}

static void a_message_is_cut_between_characters_and_has_no_control_characters(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("", "exec >&2; printf '\\033[1m\\r'; "
	                                    "for i in $(seq 150); do printf '\\303\\244'; done");

	assert_int_equal(strncmp(c.message, "?[1m \303\244", 7), 0);
	assert_true(strlen(c.message) <= 200 && strlen(c.message) >= 198);
	assert_int_equal((unsigned char)c.message[strlen(c.message) - 1], 0244);
}

static void a_signal_is_told(void **state)
{
	(void)state;
	assert_string_equal(run_shell("", "kill -SEGV $$").outcome, "signal 11");
	assert_string_equal(run_shell("", "kill -TERM $$").outcome, "signal 15");
}

static void usage_is_that_of_the_activity_and_what_it_waited_for(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("", "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'");

	assert_true(c.user_ms + c.system_ms > 5);
	assert_true(c.rss_kib > 100);
}

static void a_program_that_cannot_be_executed_is_told_with_its_errno(void **state)
{
	struct claim_seen c = run_program("", "pawl-no-such-program");
	char expected[64];

	(void)state;
	snprintf(expected, sizeof(expected), "spawn %d", ENOENT);
	assert_string_equal(c.outcome, expected);
	assert_string_equal(c.message, "cannot execute 'pawl-no-such-program': ENOENT");
	assert_int_equal(size_of("result"), 0);
	put("script", "echo no interpreter\n");
	snprintf(expected, sizeof(expected), "spawn %d", EACCES);
	c = run_program("", "./script");
	assert_string_equal(c.outcome, expected);
	assert_int_equal(chmod(in_work("script"), 0755), 0);
	snprintf(expected, sizeof(expected), "spawn %d", ENOEXEC);
	c = run_program("", "./script");
	assert_string_equal(c.outcome, expected);
	assert_non_null(strstr(c.message, "ENOEXEC (a script needs"));
	put("script", "#!/no/such/interpreter\n");
	c = run_program("", in_work("script"));
	assert_non_null(strstr(c.message, "interpreter or the dynamic loader"));
}

static void a_directory_that_is_not_there_is_a_failed_set_up(void **state)
{
	struct claim_seen c = run_program("dir=/no/such/directory", "true");
	char expected[64];

	(void)state;
	snprintf(expected, sizeof(expected), "setup %d", ENOENT);
	assert_string_equal(c.outcome, expected);
	assert_string_equal(c.message, "cannot set up 'dir=/no/such/directory': ENOENT");
	assert_true(c.activity > 0);
}

static void limit_processes(void)
{
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0 || setrlimit(RLIMIT_NPROC, &(struct rlimit){1, 1}) < 0)
		_exit(98);
}

static void a_fork_that_fails_is_told(void **state)
{
	char expected[64];

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root to become somebody with few processes\n");
		skip();
	}
	assert_int_equal(chown(work, NOBODY, NOBODY), 0);
	struct claim_seen c = await_claim(launch(limit_processes, "", (const char *const[]){"true", NULL}));
	snprintf(expected, sizeof(expected), "spawn %d", EAGAIN);
	assert_string_equal(c.outcome, expected);
	assert_int_equal(c.activity, 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {"frobnicate=1", "timeout_ms=soon", "timeout_ms=",
	                                  "timeout_ms",   "dir=",            "work=relative"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pid_t pid = launch(NULL, bad[i], (const char *const[]){"true", NULL});
		assert_int_equal(await_end(pid), 1);
	}
	assert_int_equal(await_end(launch(NULL, "", (const char *const[]){NULL})), 1);
	assert_int_equal(await_end(launch(NULL, "work=/no/such/directory", (const char *const[]){"true", NULL})), 1);
	assert_false(there("claim"));
}

/* the claim and its lock */

static void the_claim_tells_who_runs_and_is_locked_before_the_work_begins(void **state)
{
	struct stat ns;
	char how;

	(void)state;
	pid_t pid = launch_shell("attempt=2", "grep -c began claim; echo > ready; read x < ready");
	await_ready();
	struct claim_seen c = see_claim();
	assert_int_equal(c.attempt, 2);
	assert_int_equal(strncmp(c.boot, slurp("/proc/sys/kernel/random/boot_id"), 36), 0);
	assert_int_equal(stat("/proc/self/ns/pid", &ns), 0);
	assert_true(c.pidns == ns.st_ino);
	assert_int_equal(c.shim, pid);
	assert_true(c.shim_ticks == ticks_of(pid, &how));
	assert_true(c.activity > 0 && c.activity_ticks == ticks_of(c.activity, &how));
	assert_int_equal(getsid(c.activity), c.activity);
	assert_int_equal(getpgid(c.activity), c.activity);
	assert_true(c.began > 0 && c.began <= clock_of(CLOCK_BOOTTIME));
	assert_string_equal(c.outcome, "");
	assert_false(c.end);
	assert_int_equal(size_of("claim"), 1024);
	assert_false(lock_is_free());
	put("ready", "go\n");
	c = await_claim(pid);
	assert_string_equal(c.outcome, "exit 0");
	assert_string_equal(contents("result"), "1\n");
	assert_string_equal(strrchr(contents("claim"), '\0') - 5, "\nend\n");
}

static void a_shim_that_is_killed_leaves_a_claim_without_an_end_and_no_lock(void **state)
{
	(void)state;
	pid_t pid = launch_shell("", "echo > ready; exec sleep 50");
	await_ready();
	kill(pid, SIGKILL);
	assert_int_equal(await_end(pid), -SIGKILL);
	struct claim_seen c = see_claim();
	assert_false(c.end);
	assert_string_equal(c.outcome, "");
	assert_true(lock_is_free());
	assert_true(is_alive(c.activity));
	kill(-c.activity, SIGKILL);
}

static void an_attempt_that_is_alive_is_not_disturbed_by_another(void **state)
{
	(void)state;
	pid_t pid = launch_shell("attempt=1", "echo words >&2; echo > ready; read x < ready");
	await_ready();
	assert_int_equal(await_end(launch_shell("attempt=2", "exit 0")), 1);
	assert_int_equal(see_claim().attempt, 1);
	put("ready", "go\n");
	struct claim_seen c = await_claim(pid);
	assert_int_equal(c.attempt, 1);
	assert_string_equal(contents("log"), "words\n");
}

static void a_new_attempt_starts_from_nothing(void **state)
{
	char text[2001];

	(void)state;
	memset(text, 'x', 2000);
	memcpy(text + 1995, "\nend\n", 6);
	put("claim", text);
	put("log", text);
	put("elsewhere", "not ours");
	assert_int_equal(symlink("elsewhere", in_work("result")), 0);
	struct claim_seen c = run_shell("attempt=2", "echo new");
	assert_string_equal(c.outcome, "exit 0");
	assert_int_equal(size_of("log"), 0);
	assert_string_equal(contents("result"), "new\n");
	assert_string_equal(contents("elsewhere"), "not ours");
	unlink(in_work("claim"));
	assert_int_equal(symlink("elsewhere", in_work("claim")), 0);
	assert_string_equal(run_shell("", "exit 4").outcome, "exit 4");
	assert_string_equal(contents("elsewhere"), "not ours");
	unlink(in_work("claim"));
	assert_int_equal(mkfifo(in_work("claim"), 0644), 0);
	assert_string_equal(run_shell("sync=1", "exit 5").outcome, "exit 5");
}

/* input, output, log */

static void the_input_is_a_file_or_nothing(void **state)
{
	(void)state;
	run_program("", "cat");
	assert_int_equal(size_of("result"), 0);
	put("input", "all of\nthe input");
	assert_string_equal(run_program("sync=1", "cat").outcome, "exit 0");
	assert_string_equal(contents("result"), "all of\nthe input");
}

static void output_may_be_as_long_as_the_cap_and_no_byte_longer(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("output_max=4", "printf abcd");
	assert_string_equal(c.outcome, "exit 0");
	assert_int_equal(c.output, 4);
	c = run_shell("output_max=4", "printf abcde; echo > begun; exec sleep 50");
	assert_string_equal(c.outcome, "output");
	assert_int_equal(c.output, 4);
	assert_string_equal(contents("result"), "abcd");
	assert_string_equal(run_shell("output_max=4", "printf ab; printf cde").outcome, "output");
	assert_string_equal(run_shell("output_max=0", ":").outcome, "exit 0");
	assert_string_equal(run_shell("output_max=0", "echo").outcome, "output");
	assert_string_equal(run_shell("", "head -c 1048576 /dev/zero").outcome, "exit 0");
	assert_string_equal(run_shell("", "head -c 1048577 /dev/zero").outcome, "output");
}

static void a_writer_that_does_not_stop_is_ended(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("output_max=100000", "trap '' TERM; while :; do echo yes; done");
	assert_string_equal(c.outcome, "output");
	assert_int_equal(size_of("result"), 100000);
	c = run_shell("grace_ms=100 timeout_ms=100", "trap '' TERM; while :; do echo words >&2; done");
	assert_string_equal(c.outcome, "timeout");
	assert_in_range(size_of("log"), 6, 65536); /* how far it comes in that time is the machine's */
	assert_string_equal(c.message, "words");
}

static void all_of_a_long_output_arrives(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("output_max=9000000", "seq 1 900000 | tee copy; cksum < copy > sum");
	char sum[64];

	assert_string_equal(c.outcome, "exit 0");
	snprintf(sum, sizeof(sum), "%s", contents("sum"));
	assert_int_equal(c.output, size_of("copy"));
	run_shell("", "exit 0"); /* the result is that of the last attempt */
	assert_int_equal(size_of("result"), 0);
	run_shell("output_max=9000000", "seq 1 900000");
	assert_int_equal(rename(in_work("result"), in_work("input")), 0);
	run_program("", "cksum");
	assert_string_equal(contents("result"), sum);
}

static void the_log_keeps_its_beginning_and_the_message_is_from_its_end(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("log_max=10", "echo 0123456789abc >&2; echo the end >&2");
	assert_string_equal(contents("log"), "0123456789");
	assert_string_equal(c.message, "the end");
	run_shell("", "head -c 100000 /dev/zero >&2");
	assert_int_equal(size_of("log"), 65536);
	run_shell("log_max=0", "head -c 100000 /dev/zero >&2");
	assert_int_equal(size_of("log"), 100000);
}

static void a_daemon_that_keeps_the_pipes_does_not_hold_us_up(void **state)
{
	(void)state;
	int64_t began = clock_of(CLOCK_MONOTONIC);
	struct claim_seen c = run_shell("", "sleep 50 & echo $!");
	pid_t left = atoi(contents("result"));

	assert_string_equal(c.outcome, "exit 0");
	assert_true(clock_of(CLOCK_MONOTONIC) - began >= 900);
	assert_true(clock_of(CLOCK_MONOTONIC) - began < 10000);
	assert_true(is_alive(left));
	kill(left, SIGKILL);
}

/* being ended */

static void a_timeout_ends_it(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("timeout_ms=200", "echo last words >&2; exec sleep 50");

	assert_string_equal(c.outcome, "timeout");
	assert_string_equal(c.message, "last words");
	assert_true(c.ended - c.began >= 199 && c.ended - c.began < 10000);
}

static void term_cancels_it(void **state)
{
	(void)state;
	pid_t pid = launch_shell("", "trap 'echo cleaned; exit 3' TERM; echo > ready; while :; do sleep 0.05; done");
	await_ready();
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
	assert_string_equal(contents("result"), "");
}

static void one_that_ignores_term_is_killed_after_the_grace(void **state)
{
	(void)state;
	pid_t pid = launch_shell("grace_ms=300", "trap '' TERM; echo > ready; while :; do sleep 1; done");
	await_ready();
	int64_t began = clock_of(CLOCK_MONOTONIC);
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
	assert_true(clock_of(CLOCK_MONOTONIC) - began >= 300);
	assert_true(clock_of(CLOCK_MONOTONIC) - began < 10000);
}

static void the_whole_group_gets_its_grace(void **state)
{
	(void)state;
	pid_t pid = launch_shell("grace_ms=15000",
	                         "sh -c 'trap \"sleep 0.3; echo > cleaned; exit\" TERM; echo > ready; "
	                         "while :; do sleep 0.05; done' >/dev/null 2>&1 & wait");
	await_ready();
	int64_t began = clock_of(CLOCK_MONOTONIC);
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
	assert_true(there("cleaned"));
	assert_true(clock_of(CLOCK_MONOTONIC) - began < 14000);
}

static void nobody_in_the_group_outlives_the_grace(void **state)
{
	(void)state;
	pid_t pid = launch_shell("grace_ms=200",
	                         "sh -c 'trap \"\" TERM; echo $$ > member; echo > ready; while :; do sleep 1; done' "
	                         ">/dev/null 2>&1 & wait");
	await_ready();
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
	pid_t member = atoi(contents("member"));
	assert_true(member > 0);
	AWAIT(!is_alive(member));
}

static void a_stopped_one_is_ended_by_term_and_not_only_by_kill(void **state)
{
	(void)state;
	struct claim_seen c;
	char how = 0;
	pid_t pid = launch_shell("grace_ms=60000",
	                         "trap 'echo > cleaned; exit' TERM; echo > ready; while :; do kill -STOP $$; done");

	await_ready();
	c = see_claim();
	AWAIT(ticks_of(c.activity, &how) && how == 'T');
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
	assert_true(there("cleaned"));
}

static void a_stopped_one_is_past_its_timeout_too(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("timeout_ms=200 grace_ms=60000", "kill -STOP $$; sleep 50");

	assert_string_equal(c.outcome, "timeout");
}

/* heartbeat */

static void silence_is_a_missing_heartbeat(void **state)
{
	(void)state;
	put("heartbeat", "");
	struct claim_seen c = run_shell("heartbeat_ms=200", "exec sleep 50");
	assert_string_equal(c.outcome, "heartbeat");
	assert_true(c.ended - c.began >= 199 && c.ended - c.began < 10000);
}

static void beats_keep_it_alive(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("heartbeat_ms=1500", "for i in $(seq 8); do sleep 0.3; touch heartbeat; done");
	assert_string_equal(c.outcome, "exit 0");
	assert_true(c.ended - c.began > 2000);
	c = run_shell("heartbeat_ms=1500", "for i in $(seq 8); do sleep 0.3; echo $i > progress; done; exec sleep 50");
	assert_string_equal(c.outcome, "heartbeat");
	assert_true(c.ended - c.began > 3500);
}

#define HOUR_S 3600
#define WALL_S 1700000000

static struct stamp stamp_at(int64_t wall)
{
	return (struct stamp){true, wall / 1000, wall % 1000 * 1000000 + 1};
}

static void a_beat_counts_from_the_moment_the_wall_clock_says(void **state)
{
	int64_t wall = WALL_S * 1000LL;
	struct stamp files[2] = {{0}};
	struct beat b;

	(void)state;
	beat_begin(&b, 1000, files, 5000);
	assert_int_equal(beat_deadline(&b), 6000);
	files[0] = stamp_at(wall + 600); /* at 5600 */
	assert_true(beat_look(&b, files, wall + 1000, 6000));
	assert_int_equal(beat_deadline(&b), 6600);
	assert_false(beat_look(&b, files, wall + 1600, 6600)); /* nothing new */
}

static void the_later_of_both_files_counts(void **state)
{
	int64_t wall = WALL_S * 1000LL;
	struct stamp files[2] = {{0}};
	struct beat b;

	(void)state;
	beat_begin(&b, 1000, files, 0);
	files[0] = stamp_at(wall + 100);
	files[1] = stamp_at(wall + 700);
	assert_true(beat_look(&b, files, wall + 1000, 1000));
	assert_int_equal(beat_deadline(&b), 1700);
}

static void a_jump_of_the_wall_clock_is_no_silence_and_no_endless_life(void **state)
{
	static const int64_t jumps_s[] = {-40 * HOUR_S, 40 * HOUR_S, -500000000, 500000000};

	(void)state;
	for (size_t i = 0; i < sizeof(jumps_s) / sizeof(jumps_s[0]); i++) {
		struct stamp files[2] = {stamp_at(WALL_S * 1000LL), {0}};
		int64_t wall = (WALL_S + jumps_s[i]) * 1000;
		struct beat b;
		beat_begin(&b, 1000, files, 0);
		files[0] = stamp_at(WALL_S * 1000LL + 500); /* before the jump */
		assert_true(beat_look(&b, files, wall + 1000, 1000));
		assert_int_equal(beat_deadline(&b), 2000); /* at the look */
		assert_false(beat_look(&b, files, wall + 2000, 2000));
	}
}

static void a_file_of_an_earlier_attempt_is_no_beat(void **state)
{
	int64_t wall = WALL_S * 1000LL;
	struct stamp files[2] = {stamp_at(wall), stamp_at(wall)};
	struct beat b;

	(void)state;
	beat_begin(&b, 1000, files, 0);
	assert_false(beat_look(&b, files, wall + 1000, 1000));
	beat_begin(&b, 1000, files, 0);
	files[0].there = false; /* removed: nobody has beaten */
	assert_false(beat_look(&b, files, wall + 1000, 1000));
}

static void whole_seconds_are_read_in_favour_of_the_activity(void **state)
{
	int64_t wall = WALL_S * 1000LL;
	struct stamp files[2] = {{0}};
	struct beat b;

	(void)state;
	beat_begin(&b, 5000, files, 0);
	files[0] = (struct stamp){true, WALL_S + 1, 0}; /* somewhere in 1000 ... 2000 */
	assert_true(beat_look(&b, files, wall + 5000, 5000));
	assert_int_equal(beat_deadline(&b), 7000);
	files[0] = (struct stamp){true, WALL_S + 6, 0};
	assert_true(beat_look(&b, files, wall + 6500, 6500));
	assert_int_equal(beat_deadline(&b), 11500);
}

static void times_that_no_clock_shows_are_beats_at_the_look(void **state)
{
	static const int64_t odd[] = {INT64_MAX, INT64_MIN, 0, -1, INT64_MAX / 1000};
	struct stamp files[2] = {{0}};
	struct beat b;

	(void)state;
	beat_begin(&b, 1000, files, 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		files[1] = (struct stamp){true, odd[i], 5};
		assert_true(beat_look(&b, files, WALL_S * 1000LL, 1000 * (int64_t)(i + 1)));
		assert_int_equal(beat_deadline(&b), 1000 * (int64_t)(i + 2));
	}
}

/* what the activity inherits */

static void disturb(void)
{
	sigset_t set;
	int fd = open("/dev/null", O_RDONLY);

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (dup2(fd, 77) < 0 || close(0) < 0 || close(2) < 0)
		_exit(98);
}

/* The signals of a line of /proc/PID/status, signal N as bit N - 1. glibc's posix_spawn, as of make, has 32 and 33 ignored,
 * and to qemu-user's guests these two of the host are out of reach. */
static unsigned long long signals_in(const char *status, const char *name)
{
	unsigned long long mask = ~0ULL;
	const char *at = strstr(status, name);

	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(name), ":\t%llx", &mask), 1);
	return emulated() ? mask & ~(3ULL << 31) : mask;
}

static void an_activity_starts_with_clean_signals_and_three_descriptors(void **state)
{
	static const char script[] = "grep -E 'Sig(Blk|Ign)' /proc/self/status; "
	                             "for i in /proc/$$/fd/*; do echo ${i##*/}; done; "
	                             "echo > ready; read x < ready; pwd; echo $LIGHT";

	(void)state;
	setenv("LIGHT", "green", 1);
	pid_t pid = launch(disturb, "", (const char *const[]){"sh", "-c", script, NULL});
	await_ready();
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd/77", (int)pid);
	assert_int_equal(access(path, F_OK), -1); /* we keep nothing either: it could be a lock */
	put("ready", "go\n");
	assert_string_equal(await_claim(pid).outcome, "exit 0");
	unsetenv("LIGHT");
	char *result = contents("result"), expected[256];
	snprintf(expected, sizeof(expected), "\n0\n1\n2\n%s\ngreen\n", work);
	assert_int_equal(signals_in(result, "SigBlk"), 0);
	assert_int_equal(signals_in(result, "SigIgn"), 0);
	char *fds = strstr(result, "\n0\n");
	assert_non_null(fds);
	/* The shell's own (a script, a directory) are above 2 and come between. */
	assert_int_equal(strncmp(fds, "\n0\n1\n2\n", 7), 0);
	assert_null(strstr(result, "\n77\n"));
	assert_non_null(strstr(result, strstr(expected, work)));
}

/* As before Linux 5.9, and where a filter forbids timers. */
static void forbid_newer_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 436, 1, 0), /* close_range, the same everywhere but on alpha */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		_exit(97);
	disturb();
}

static void an_old_kernel_is_enough(void **state)
{
	(void)state;
	static const char script[] = "for i in /proc/$$/fd/*; do echo ${i##*/}; done; exec sleep 50";
	static const char *const command[] = {"sh", "-c", script, NULL};
	struct claim_seen c = await_claim(launch(forbid_newer_calls, "timeout_ms=200", command));
	assert_string_equal(c.outcome, "timeout");
	assert_null(strstr(contents("result"), "\n77\n"));
}

static void waiting_costs_no_wake_up_and_little_memory(void **state)
{
	char path[64], before[64], *at;
	long own = 0, n;

	(void)state;
	pid_t pid = launch_shell("heartbeat_ms=60000 timeout_ms=60000", "echo > ready; read x < ready");
	await_ready();
	char how = 0;
	AWAIT(ticks_of(pid, &how) && how == 'S');
	pause_ms(50); /* the wake-up for nothing that may still be under way */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	at = strstr(slurp(path), "\nvoluntary_ctxt_switches");
	assert_non_null(at);
	snprintf(before, sizeof(before), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
	pause_ms(300);
	assert_non_null(strstr(slurp(path), before));
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	/* Not Private_Dirty: pages of a program that was linked a moment ago count there too. */
	for (at = slurp(path); (at = strstr(at, "\nAnonymous:")); at++)
		own += sscanf(at, "\nAnonymous: %ld", &n) == 1 ? n : 0;
	print_message("memory of its own of a shim that waits: %ld KiB\n", own);
	assert_in_range(own, 1, 100);
	put("ready", "go\n");
	await_claim(pid);
}

/* isolation */

static void limits_hold_for_the_activity_alone(void **state)
{
	(void)state;
	const char *stack = emulated() ? "" : "rlimit_stack=4194304"; /* qemu-user keeps this one to itself */
	char options[160];
	snprintf(options, sizeof(options), "rlimit_nofile=99 rlimit_core=0 rlimit_fsize=512 rlimit_cpu=100 %s", stack);
	struct claim_seen c = run_shell(options, "ulimit -n; ulimit -c; ulimit -f; ulimit -t; ulimit -H -n; "
	                                         "ulimit -s; head -c 2000 /dev/zero");
	assert_string_equal(c.outcome, "exit 0");
	assert_int_equal(strncmp(contents("result"), "99\n0\n1\n100\n99\n", 14), 0); /* root may raise a hard one again */
	assert_true(*stack == '\0' || strncmp(contents("result") + 14, "4096\n", 5) == 0);
	assert_true(c.output > 2000); /* fsize is not ours */
}

static void a_limit_that_cannot_be_set_is_a_failed_set_up(void **state)
{
	char expected[64];

	(void)state;
	struct claim_seen c = run_program("rlimit_nofile=many", "true");
	snprintf(expected, sizeof(expected), "setup %d", EINVAL);
	assert_string_equal(c.outcome, expected);
	assert_string_equal(c.message, "cannot set up 'rlimit_nofile=many': EINVAL");
	assert_string_equal(run_program("nice=20", "true").outcome, expected);
	assert_string_equal(run_program("ionice=often", "true").outcome, expected);
	c = run_program("rlimit_nofile=9000000000", "true");
	snprintf(expected, sizeof(expected), "setup %d", EPERM);
	assert_string_equal(c.outcome, expected);
}

static void nice_and_no_new_privs_are_set(void **state)
{
	(void)state;
	struct claim_seen c = run_shell("nice=7 ionice=best-effort:6 no_new_privs=1", "nice; grep NoNew /proc/self/status");
	assert_string_equal(c.outcome, "exit 0");
	assert_string_equal(contents("result"), "7\nNoNewPrivs:\t1\n");
}

static void it_runs_as_the_user_that_was_asked_for(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root to become somebody else\n");
		skip();
	}
	struct claim_seen c = run_shell("uid=12345 gid=12346", "id -u; id -g; id -G; pwd; touch mine || echo no");
	char expected[128];
	snprintf(expected, sizeof(expected), "12345\n12346\n12346\n%s\nno\n", work); /* entered, though closed to it */
	assert_string_equal(c.outcome, "exit 0");
	assert_string_equal(contents("result"), expected);
	run_shell("uid=12345 gid=12346 groups=12347,12348", "id -G; grep CapEff /proc/self/status");
	assert_string_equal(contents("result"), "12346 12347 12348\nCapEff:\t0000000000000000\n");
}

static void become_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(98);
}

static void one_who_may_not_become_another_is_told_so(void **state)
{
	char expected[64];

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root to become nobody first\n");
		skip();
	}
	assert_int_equal(chown(work, NOBODY, NOBODY), 0);
	snprintf(expected, sizeof(expected), "setup %d", EPERM);
	struct claim_seen c = await_claim(launch(become_nobody, "uid=12345", (const char *const[]){"true", NULL}));
	assert_string_equal(c.outcome, expected);
	assert_string_equal(c.message, "cannot set up 'uid=12345': EPERM");
}

/* cgroup: the test makes its own below the root of whatever cgroup2 there is */

static const char *cgroup_root(void)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;

	for (size_t i = 0; i < 2; i++)
		if (statfs(roots[i], &fs) == 0 && fs.f_type == CGROUP2_MAGIC && access(roots[i], W_OK) == 0)
			return roots[i];
	return NULL;
}

static const char *cgroup_or_skip(char option[128])
{
	static char dir[96];
	const char *root = cgroup_root();

	if (root) {
		snprintf(dir, sizeof(dir), "%s/pawl-shim-test-%d", root, (int)getpid());
		if (mkdir(dir, 0755) == 0 && rmdir(dir) == 0) {
			snprintf(option, 128, "cgroup=%s", dir);
			return dir;
		}
	}
	print_message("skipped: there is no cgroup2 where groups can be made\n");
	skip();
	return NULL;
}

static void a_cgroup_is_made_joined_and_removed_with_all_that_is_in_it(void **state)
{
	char option[128];
	const char *dir = cgroup_or_skip(option);

	(void)state;
	struct claim_seen c = run_shell(option, "grep ^0:: /proc/self/cgroup; setsid sleep 50 >/dev/null & echo $!; exit 6");
	assert_string_equal(c.outcome, "exit 6");
	char *result = contents("result");
	assert_non_null(strstr(result, strrchr(dir, '/')));
	assert_int_equal(access(dir, F_OK), -1);
	pid_t left = atoi(strncmp(result, "0::", 3) == 0 ? strchr(result, '\n') + 1 : result);
	assert_true(left > 0);
	AWAIT(!is_alive(left));
}

static void a_cgroup_ends_what_has_left_the_group(void **state)
{
	char option[128], options[256];
	const char *dir = cgroup_or_skip(option);

	(void)state;
	snprintf(options, sizeof(options), "%s grace_ms=200", option);
	pid_t pid = launch_shell(options, "setsid sh -c 'trap \"\" TERM; echo $$ > left; echo > ready; sleep 50' & "
	                                  "trap '' TERM; wait; sleep 50");
	await_ready();
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
	pid_t left = atoi(contents("left"));
	AWAIT(!is_alive(left));
	assert_int_equal(access(dir, F_OK), -1);
}

static void a_limit_without_its_controller_is_a_failed_set_up(void **state)
{
	char option[128], options[256], controllers[128];
	const char *dir = cgroup_or_skip(option);

	(void)state;
	snprintf(controllers, sizeof(controllers), "%s/cgroup.subtree_control", cgroup_root());
	bool has_memory = strstr(slurp(controllers), "memory");
	snprintf(options, sizeof(options), "%s cgroup_memory_max=100000000", option);
	struct claim_seen c = run_program(options, "true");
	if (has_memory)
		assert_string_equal(c.outcome, "exit 0");
	else
		assert_int_equal(strncmp(c.outcome, "setup ", 6), 0);
	assert_int_equal(access(dir, F_OK), -1);
}

/* a full disk */

static void mount_or_skip(const char *size)
{
	char option[32];

	snprintf(option, sizeof(option), "size=%s", size);
	empty(work);
	if (geteuid() == 0 && mount("none", work, "tmpfs", 0, option) == 0) {
		mounted = true;
		assert_int_equal(mkfifo(in_work("ready"), 0644), 0);
		return;
	}
	print_message("skipped: cannot mount a tmpfs: %s\n", geteuid() == 0 ? strerror(errno) : "not root");
	skip();
}

static void fill_disk(void)
{
	static char block[4096];
	int fd = open(in_work("filler"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void a_full_disk_is_waited_out(void **state)
{
	(void)state;
	mount_or_skip("256k");
	pid_t pid = launch_shell("heartbeat_ms=1000", "echo > ready; head -c 200000 /dev/zero; echo the end");
	AWAIT(there("claim") && see_claim().began > 0);
	fill_disk();
	await_ready();
	pause_ms(1600); /* more than two looks, and a heartbeat that is missing through our fault */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_false(see_claim().end);
	unlink(in_work("filler"));
	struct claim_seen c = await_claim(pid);
	assert_string_equal(c.outcome, "exit 0");
	assert_int_equal(c.output, 200008);
	assert_int_equal(size_of("result"), 200008);
}

static void the_outcome_has_its_room_before_the_work_begins(void **state)
{
	(void)state;
	mount_or_skip("64k");
	pid_t pid = launch_shell("", "echo > ready; read x < ready; echo words >&2; exit 5");
	await_ready();
	fill_disk();
	int fd = open(in_work("ready"), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && write(fd, "go\n", 3) == 3);
	close(fd);
	struct claim_seen c = await_claim(pid);
	assert_string_equal(c.outcome, "exit 5");
	assert_string_equal(c.message, "words"); /* though the log had no room for it */
}

static void term_ends_the_wait_for_room(void **state)
{
	(void)state;
	mount_or_skip("64k");
	pid_t pid = launch_shell("", "echo > ready; read x < ready; head -c 30000 /dev/zero");
	await_ready();
	fill_disk();
	struct claim_seen c = see_claim();
	int fd = open(in_work("ready"), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && write(fd, "go\n", 3) == 3);
	close(fd);
	char how = 0;
	AWAIT(ticks_of(c.activity, &how) && how == 'Z'); /* it has ended, and its number is still ours */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGTERM);
	assert_string_equal(await_claim(pid).outcome, "canceled");
}

static void nothing_starts_before_there_is_room_for_the_claim(void **state)
{
	(void)state;
	mount_or_skip("64k");
	fill_disk();
	pid_t pid = launch_shell("", "echo ran");
	AWAIT(there("claim"));
	pause_ms(300); /* more than one look */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(see_claim().began, 0);
	unlink(in_work("filler"));
	assert_string_equal(await_claim(pid).outcome, "exit 0");
	assert_string_equal(contents("result"), "ran\n");
}

static bool find_shim(void)
{
	const char *path = getenv("PAWL_SHIM"), *build = getenv("BUILD");

	if (path && *path)
		snprintf(program, sizeof(program), "%s", path);
	else
		snprintf(program, sizeof(program), "%s/pawl-shim", build && *build ? build : "build/gcc");
	return access(program, X_OK) == 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_exit_is_told_with_its_code_its_output_and_its_last_words),
		T(a_quiet_end_has_no_message),
		T(a_message_is_cut_between_characters_and_has_no_control_characters),
		T(a_signal_is_told),
		T(usage_is_that_of_the_activity_and_what_it_waited_for),
		T(a_program_that_cannot_be_executed_is_told_with_its_errno),
		T(a_directory_that_is_not_there_is_a_failed_set_up),
		T(a_fork_that_fails_is_told),
		T(what_makes_no_sense_is_refused),
		T(the_claim_tells_who_runs_and_is_locked_before_the_work_begins),
		T(a_shim_that_is_killed_leaves_a_claim_without_an_end_and_no_lock),
		T(an_attempt_that_is_alive_is_not_disturbed_by_another),
		T(a_new_attempt_starts_from_nothing),
		T(the_input_is_a_file_or_nothing),
		T(output_may_be_as_long_as_the_cap_and_no_byte_longer),
		T(a_writer_that_does_not_stop_is_ended),
		T(all_of_a_long_output_arrives),
		T(the_log_keeps_its_beginning_and_the_message_is_from_its_end),
		T(a_daemon_that_keeps_the_pipes_does_not_hold_us_up),
		T(a_timeout_ends_it),
		T(term_cancels_it),
		T(one_that_ignores_term_is_killed_after_the_grace),
		T(the_whole_group_gets_its_grace),
		T(nobody_in_the_group_outlives_the_grace),
		T(a_stopped_one_is_ended_by_term_and_not_only_by_kill),
		T(a_stopped_one_is_past_its_timeout_too),
		T(silence_is_a_missing_heartbeat),
		T(beats_keep_it_alive),
		cmocka_unit_test(a_beat_counts_from_the_moment_the_wall_clock_says),
		cmocka_unit_test(the_later_of_both_files_counts),
		cmocka_unit_test(a_jump_of_the_wall_clock_is_no_silence_and_no_endless_life),
		cmocka_unit_test(a_file_of_an_earlier_attempt_is_no_beat),
		cmocka_unit_test(whole_seconds_are_read_in_favour_of_the_activity),
		cmocka_unit_test(times_that_no_clock_shows_are_beats_at_the_look),
		T(an_activity_starts_with_clean_signals_and_three_descriptors),
		T(an_old_kernel_is_enough),
		T(waiting_costs_no_wake_up_and_little_memory),
		T(limits_hold_for_the_activity_alone),
		T(a_limit_that_cannot_be_set_is_a_failed_set_up),
		T(nice_and_no_new_privs_are_set),
		T(it_runs_as_the_user_that_was_asked_for),
		T(one_who_may_not_become_another_is_told_so),
		T(a_cgroup_is_made_joined_and_removed_with_all_that_is_in_it),
		T(a_cgroup_ends_what_has_left_the_group),
		T(a_limit_without_its_controller_is_a_failed_set_up),
		T(a_full_disk_is_waited_out),
		T(the_outcome_has_its_room_before_the_work_begins),
		T(term_ends_the_wait_for_room),
		T(nothing_starts_before_there_is_room_for_the_claim),
	};

	if (!find_shim()) {
		fprintf(stderr, "no shim at '%s': build it (make all) and name it in PAWL_SHIM\n", program);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
