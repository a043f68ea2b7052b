/*
 * bench_process.c - what it costs that an activity is a program: /bin/true called by an orchestration, beside a bare
 * posix_spawn and waitpid of it, beside the shim with it ($PAWL_SHIM, or pawl-shim beside $PAWL), and beside an
 * activity in C that does nothing. All in turns, in one chain, so that whatever else the machine does meets all of
 * them. Usage: bench_process [DIR [CALLS [ROUNDS]]]
 */
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 200
#define ROUNDS 3
#define TURN 10 /* so many of one kind, then so many of the next */
#define PATIENCE_MS 5000

extern char **environ;

enum kind { BARE, SHIM, IN_C, PROCESS, KINDS };

static int64_t *samples[KINDS];
static size_t counts[KINDS];
static char shim[PATH_MAX], work_dir[RIG_PATH_BYTES];
static bool has_shim;

/* ---- without a runtime ---- */

static pid_t spawn_program(const char *const argv[])
{
	posix_spawn_file_actions_t files;
	pid_t pid;

	/* as the shim and the runtime have it: nothing of ours */
	posix_spawn_file_actions_init(&files);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
	errno = posix_spawn(&pid, argv[0], &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (errno)
		rig_die(argv[0], NULL);
	return pid;
}

static void run_program(const char *const argv[])
{
	int status;
	pid_t pid = spawn_program(argv);

	if (waitpid(pid, &status, 0) != pid || status != 0)
		rig_die(argv[0], NULL);
}

static void work_argument(char out[RIG_PATH_BYTES + 8])
{
	snprintf(out, RIG_PATH_BYTES + 8, "work=%s", work_dir);
}

static void once(enum kind kind)
{
	char work[RIG_PATH_BYTES + 8];

	work_argument(work);
	if (kind == BARE)
		run_program((const char *const[]){ "/bin/true", NULL });
	else
		run_program((const char *const[]){ shim, work, "attempt=1", "--", "/bin/true", NULL });
}

/* Each activity has a directory of its own; over what another has left, file systems work more. */
static void empty_work_dir(void)
{
	static const char *const names[] = { "claim", "log", "result" };
	char path[RIG_PATH_BYTES + 8];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", work_dir, names[i]);
		(void)unlink(path);
	}
}

static void turn_without(enum kind kind)
{
	for (unsigned n = 0; n < TURN; n++) {
		empty_work_dir();
		int64_t begin_ns = bench_now_ns();
		once(kind);
		samples[kind][counts[kind]++] = bench_now_ns() - begin_ns;
	}
}

/* ---- with one ---- */

static int nothing(pawl_work *work, const char *input)
{
	(void)work;
	(void)input;
	return 0;
}
PAWL_ACTIVITY(nothing);

static bool turn_with(pawl_ctx *ctx, enum kind kind)
{
	for (unsigned n = 0; n < TURN; n++) {
		int64_t begin_ns = bench_now_ns();
		if (!pawl_call(ctx, kind == IN_C ? "nothing" : "true", NULL))
			return false;
		samples[kind][counts[kind]++] = bench_now_ns() - begin_ns;
	}
	return true;
}

/* An orchestration must not look at a clock; this one stays in memory and never replays. */
static int in_turns(pawl_ctx *ctx, const char *input)
{
	for (long n = strtol(input, NULL, 10); n > 0; n -= TURN) {
		if (!turn_with(ctx, PROCESS) || !turn_with(ctx, IN_C))
			return pawl_rethrow(ctx);
		turn_without(BARE);
		if (has_shim)
			turn_without(SHIM);
	}
	return 0;
}
PAWL_ORCHESTRATION(in_turns, "1");

struct round {
	double p50_us[KINDS], p99_us[KINDS];
	double ratio; /* what the process adds to a step, over the bare one */
};

static double percentile_us(enum kind kind, double percent)
{
	return (double)bench_percentile(samples[kind], counts[kind], percent) / 1e3;
}

static void measure(const char *config, unsigned number, unsigned calls, struct round *r)
{
	char path[RIG_PATH_BYTES], input[16];
	struct rig h;

	memset(counts, 0, sizeof(counts));
	rig_path(path, "process", number);
	rig_open(&h, path, &(pawl_options){ .config = config });
	rig_run(&h);
	snprintf(input, sizeof(input), "%u", calls);
	rig_start(&h, "in_turns", "one", input, true);
	rig_wait(&h, "one");
	rig_close(&h, NULL);
	for (int kind = 0; kind < KINDS; kind++) {
		r->p50_us[kind] = percentile_us(kind, 50);
		r->p99_us[kind] = percentile_us(kind, 99);
	}
	r->ratio = (r->p50_us[PROCESS] - r->p50_us[IN_C]) / r->p50_us[BARE];
}

static int by_ratio(const void *a, const void *b)
{
	double x = ((const struct round *)a)->ratio, y = ((const struct round *)b)->ratio;

	return (x > y) - (x < y);
}

/* ---- a shim that waits ---- */

static bool is_claimed(void)
{
	char path[RIG_PATH_BYTES + 8], text[1025] = "";

	snprintf(path, sizeof(path), "%s/claim", work_dir);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	return strstr(text, "\nactivity ") != NULL;
}

/* Two at a time, as the pages of the program are not its own when it is not alone. */
static void report_memory(void)
{
	char work[RIG_PATH_BYTES + 8];
	double kib, dirty = 0;
	pid_t pids[2];

	work_argument(work);
	for (int n = 0; n < 2; n++) {
		empty_work_dir(); /* the first keeps its lock on the claim without a name */
		pids[n] = spawn_program((const char *const[]){ shim, work, "attempt=1", "--", "/bin/sleep", "60", NULL });
		for (int ms = 0; ms < PATIENCE_MS && !is_claimed(); ms++)
			rig_sleep_us(1000);
	}
	rig_sleep_us(20000);
	kib = rig_private_kib(pids[1], &dirty);
	bench_row("private memory of a shim that waits", NULL, kib < 0 ? BENCH_UNKNOWN : BENCH_TOLD,
	          "%.0f KiB, %.0f without code", kib, dirty);
	for (int n = 0; n < 2; n++) {
		kill(pids[n], SIGTERM);
		waitpid(pids[n], NULL, 0);
	}
}

/* ---- */

static void find_shim(void)
{
	const char *given = getenv("PAWL_SHIM"), *program = getenv("PAWL"), *slash = program ? strrchr(program, '/') : NULL;
	char path[PATH_MAX];

	if (given && *given)
		snprintf(path, sizeof(path), "%s", given);
	else
		snprintf(path, sizeof(path), "%.*s/pawl-shim", slash ? (int)(slash - program) : 1, slash ? program : ".");
	has_shim = access(path, X_OK) == 0 && realpath(path, shim);
}

static void write_config(char path[RIG_PATH_BYTES])
{
	rig_path(path, "config", 0);
	FILE *f = fopen(path, "we");
	if (!f)
		rig_die(path, NULL);
	fprintf(f, "log_level: error\nactivities:\n  'true':\n    exec: [/bin/true]\n");
	if (has_shim)
		fprintf(f, "process:\n  shim: '%s'\n", shim);
	fclose(f);
}

static void make_work_dir(void)
{
	char path[RIG_PATH_BYTES], whole[PATH_MAX];

	rig_path(path, "work", 0);
	if (mkdir(path, 0755) < 0 || !realpath(path, whole) || strlen(whole) >= sizeof(work_dir))
		rig_die(path, NULL);
	memcpy(work_dir, whole, strlen(whole) + 1);
}

static void row_kind(const char *what, const struct round *r, enum kind kind)
{
	bench_row(what, NULL, BENCH_TOLD, "p50 %.0f us, p99 %.0f us, %.2f x", r->p50_us[kind], r->p99_us[kind],
	          r->p50_us[kind] / r->p50_us[BARE]);
}

static void report(struct round *rounds, unsigned count, unsigned calls)
{
	char title[128];

	qsort(rounds, count, sizeof(*rounds), by_ratio);
	const struct round *r = &rounds[count / 2];
	snprintf(title, sizeof(title), "/bin/true, %u calls, %u rounds: the median one", calls, count);
	bench_table(title);
	row_kind("bare posix_spawn and waitpid", r, BARE);
	if (has_shim)
		row_kind("the shim with it", r, SHIM);
	else
		bench_row("the shim with it", NULL, BENCH_UNKNOWN, "no shim: set PAWL_SHIM");
	row_kind("step of a chain, an activity in C", r, IN_C);
	row_kind("step of a chain, a process: scheduled to result", r, PROCESS);
	bench_row("what the process adds to a step, beside the bare one", NULL, BENCH_TOLD, "%.0f us, %.2f x (%.2f to %.2f)",
	          r->p50_us[PROCESS] - r->p50_us[IN_C], r->ratio, rounds[0].ratio, rounds[count - 1].ratio);
	if (has_shim)
		report_memory();
}

int main(int argc, char **argv)
{
	rig_begin(argc, argv, "process");
#if PAWL_WITH_YAML
	unsigned calls = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : CALLS;
	unsigned count = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : ROUNDS;
	struct round *rounds = calloc(count + 1, sizeof(*rounds));
	char config[RIG_PATH_BYTES];

	if (!rounds || calls == 0 || count == 0)
		return 2;
	for (int kind = 0; kind < KINDS; kind++)
		if (!(samples[kind] = calloc(calls + TURN, sizeof(*samples[kind]))))
			rig_die("no memory", NULL);
	find_shim();
	make_work_dir();
	write_config(config);
	for (unsigned n = 0; n < count; n++)
		measure(config, n, calls, &rounds[n]);
	report(rounds, count, calls);
	for (int kind = 0; kind < KINDS; kind++)
		free(samples[kind]);
	free(rounds);
#else
	printf("skipped: an activity that is a program needs a configuration, and this build reads none\n");
#endif
	rig_end();
	return 0;
}
