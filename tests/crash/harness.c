/* harness.c - cases, machines with planted bugs, and the loops that cut the power. */
#include "harness.h"
#include "base/crc32c.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define DEPTH_MAX 12
#define FAILURES_MAX 5
#define OPS_MAX 100000u
#define OFF_NS 60000000000ll

/* ---- cases ---- */

struct level {
	const char *name, *text; /* text NULL: it has a value */
	unsigned long value;
};

static struct level levels[DEPTH_MAX];
static unsigned depth, failures;
static bool quiet;
static const char *test_name = "", *plant, *replay;
static uint64_t recoveries;
static unsigned logged_errors;
static char last_error[1024];

/* Behind "NAME=" in the text to replay; NULL when it does not say. */
static const char *replay_of(const char *name)
{
	size_t len = strlen(name);

	for (const char *at = replay; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			return at + len + 1;
	}
	return NULL;
}

static void level_set(struct level level)
{
	unsigned i = 0;

	while (i < depth && strcmp(levels[i].name, level.name) != 0)
		i++;
	if (i == DEPTH_MAX)
		return;
	levels[i] = level;
	depth = i + 1;
}

bool crash_at(const char *name, unsigned long value)
{
	const char *wanted = replay_of(name);

	level_set((struct level){ name, NULL, value });
	return !wanted || strtoul(wanted, NULL, 10) == value;
}

void crash_at_text(const char *name, const char *text)
{
	level_set((struct level){ name, text, 0 });
}

bool crash_is_replay(void)
{
	return replay != NULL;
}

const char *crash_replay_text(const char *name, char *out, size_t size)
{
	const char *text = replay_of(name);

	if (!text || strcspn(text, ",") >= size)
		return NULL;
	snprintf(out, size, "%.*s", (int)strcspn(text, ","), text);
	return out;
}

static void print_case(void)
{
	for (unsigned i = 0; i < depth; i++) {
		printf("%s%s=", i ? "," : "", levels[i].name);
		if (levels[i].text)
			printf("%s", levels[i].text);
		else
			printf("%lu", levels[i].value);
	}
}

void crash_fail(const char *fmt, ...)
{
	va_list args;

	failures++;
	if (quiet)
		return;
	printf("  FAIL  %s PAWL_CRASH_CASE=", test_name);
	print_case();
	printf(" : ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void crash_tell(const char *fmt, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	fflush(stdout);
}

bool crash_over(void)
{
	return failures >= (quiet ? 1 : FAILURES_MAX);
}

bool crash_planted(const char *name)
{
	return plant && strcmp(plant, name) == 0;
}

bool crash_is_caught(const char *name, void (*run)(void))
{
	const char *before = plant;
	unsigned had = failures;

	plant = name;
	quiet = true;
	failures = 0;
	run();
	bool caught = failures > 0;
	plant = before;
	quiet = false;
	failures = had;
	return caught;
}

unsigned crash_logged_errors(void)
{
	unsigned n = logged_errors;

	logged_errors = 0;
	return n;
}

const char *crash_last_error(void)
{
	return last_error;
}

unsigned crash_scale(void)
{
	const char *text = getenv("PAWL_CRASH_SCALE");
	unsigned long n = text ? strtoul(text, NULL, 10) : 1;

	return n < 1 ? 1 : n > 1000 ? 1000 : (unsigned)n;
}

static void on_log(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	if (level <= LOG_LEVEL_ERROR) {
		logged_errors++;
		snprintf(last_error, sizeof(last_error), "%s", line);
	}
	if (replay && !quiet)
		printf("        | %s\n", line);
}

double crash_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void crash_look(const char *when, struct node *n)
{
	if (!replay || quiet || !getenv("PAWL_CRASH_DUMP"))
		return;
	printf("        ---- %s\n", when);
	os_sim_dump(n->sim, stdout);
}

static bool run_test(const struct crash_test *t)
{
	double began = crash_seconds();
	uint64_t before = recoveries;

	test_name = t->name;
	failures = depth = 0;
	t->run();
	double took = crash_seconds() - began;
	printf("%s  %s (%.1f s, %llu recoveries, %.0f/s)\n", failures ? "FAILED" : "ok    ", t->name, took,
	       (unsigned long long)(recoveries - before), took > 0 ? (double)(recoveries - before) / took : 0);
	fflush(stdout);
	return failures == 0;
}

int crash_main(int argc, char **argv, const struct crash_test *tests, size_t count)
{
	unsigned passed = 0, failed = 0;

	plant = getenv("PAWL_PLANT");
	replay = getenv("PAWL_CRASH_CASE");
	log_set_sink(on_log, NULL);
	for (size_t i = 0; i < count; i++) {
		if (argc > 1 && !strstr(tests[i].name, argv[1]))
			continue;
		if (run_test(&tests[i]))
			passed++;
		else
			failed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}

/* ---- planted bugs and failing syncs ---- */

static struct os real; /* the simulated table; only its functions are used */

static struct {
	enum crash_sync what;
	unsigned nth;
	int error;
	bool forever, failed, read_only;
	struct os_sim *sim;
	const void *self; /* of its process: clones have others */
} bad;

void crash_fail_sync(enum crash_sync what, unsigned nth, int error, bool forever)
{
	bad.what = nth ? what : CRASH_SYNC_NONE;
	bad.nth = nth;
	bad.error = error;
	bad.forever = forever;
	bad.failed = bad.read_only = false;
	bad.sim = NULL;
	bad.self = NULL;
}

void crash_heal_sync(void)
{
	if (!bad.read_only)
		bad.what = CRASH_SYNC_NONE;
}

bool crash_sync_failed(void)
{
	return bad.failed;
}

bool crash_read_only(void)
{
	return bad.read_only;
}

static int any_sync(void *self, int fd, int (*sync)(void *self, int fd))
{
	struct os_stat st;
	bool is_dir = real.stat_fd(self, fd, &st) == 0 && st.type == OS_DIR, hit = false; /* sync_fs has one, and syncs all */

	if (is_dir && sync == real.sync && crash_planted("nodirsync"))
		return 0;
	if (bad.self == self && bad.what == (is_dir ? CRASH_SYNC_DIR : CRASH_SYNC_FILE))
		hit = bad.nth ? --bad.nth == 0 : bad.forever;
	if (hit) {
		os_sim_fail_ops(bad.sim, OS_SIM_OP_SYNC);
		os_sim_fail_nth(bad.sim, 1, bad.error, false);
	}
	int rc = sync(self, fd);
	bad.failed = bad.failed || hit;
	if (hit && is_dir) {
		bad.read_only = true;
		os_sim_fail_ops(bad.sim, OS_SIM_OP_WRITE | OS_SIM_OP_TRUNCATE | OS_SIM_OP_SYNC | OS_SIM_OP_RENAME |
		                         OS_SIM_OP_UNLINK | OS_SIM_OP_MKDIR);
		os_sim_fail_nth(bad.sim, 1, EROFS, true);
	}
	return rc;
}

static int sync_data(void *self, int fd)
{
	return crash_planted("nosync") ? 0 : any_sync(self, fd, real.sync_data);
}

/* The file that os_replace_file is about to write. */
static int temporary = -1;

static int open_noting(void *self, int dir, const char *path, int flags, unsigned mode)
{
	size_t len = strlen(path);
	int fd = real.open(self, dir, path, flags, mode);

	temporary = flags & OS_EXCL && len > 4 && strcmp(path + len - 4, ".tmp") == 0 ? fd : -1;
	return fd;
}

static int sync_all(void *self, int fd)
{
	return crash_planted("renamefirst") && fd == temporary ? 0 : any_sync(self, fd, real.sync);
}

static int sync_fs(void *self, int fd)
{
	return any_sync(self, fd, real.sync_fs);
}

static void put_u32(char *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(n >> (8 * i));
}

static uint32_t get_u32(const char *p)
{
	uint32_t n = 0;

	for (int i = 3; i >= 0; i--)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

/* The same salt for ever, or no word of checkpoints, in headers and frames (their layout: docs/FORMAT.md). */
static ssize_t pwrite_journal(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	bool salt = crash_planted("nosalt");
	char *copy = len >= 64 ? malloc(len) : NULL;

	if (!copy)
		return real.pwrite(self, fd, data, len, offset);
	memcpy(copy, data, len);
	if (memcmp(copy, "PAWLJRNL", 8) == 0) {
		memset(copy + (salt ? 16 : 40), salt ? 7 : 0, 8);
		put_u32(copy + 12, crc32c(crc32c(0, copy, 12), copy + 16, 48));
	} else if (memcmp(copy, "PWFR", 4) == 0) {
		memset(copy + (salt ? 8 : 32), salt ? 7 : 0, 8);
		put_u32(copy + 4, crc32c(0, copy + 8, 40 + get_u32(copy + 40)));
	}
	ssize_t n = real.pwrite(self, fd, copy, len, offset);
	free(copy);
	return n;
}

void node_table(struct os_sim *sim, int process, struct os *os)
{
	*os = real = *os_sim_os_process(sim, process);
	os->sync_data = sync_data;
	os->sync = sync_all;
	os->sync_fs = sync_fs;
	if (crash_planted("nosalt") || crash_planted("nomark"))
		os->pwrite = pwrite_journal;
	if (crash_planted("renamefirst"))
		os->open = open_noting;
}

static void owner_table(struct node *n)
{
	node_table(n->sim, 0, &n->os);
	if (bad.what != CRASH_SYNC_NONE && !bad.sim) {
		bad.sim = n->sim;
		bad.self = n->os.self;
	}
}

/* ---- machines ---- */

int node_start(struct node *n, struct pawl_error *err)
{
	owner_table(n);
	const struct pawl_provider_options options = { .hub = HUB, .create = true, .journal_bytes = 32 << 10,
		.journal_segments = 3, .os = &n->os };
	int rc = pawl_provider_fs.open(&options, &n->p, err);

	if (rc < 0) {
		n->p = NULL;
		return rc;
	}
	recoveries++;
	rc = n->p->ops->acquire(n->p, err);
	if (rc < 0) {
		n->p->ops->close(n->p);
		n->p = NULL;
	}
	return rc;
}

void node_stop(struct node *n)
{
	if (!n->p)
		return;
	n->p->ops->close(n->p);
	n->p = NULL;
	if (crash_is_off(n))
		return;
	if (os_sim_open_count(n->sim, 0))
		crash_fail("%u descriptors are open after the stop", os_sim_open_count(n->sim, 0));
	if (os_sim_bad_fd_count(n->sim))
		crash_fail("a descriptor that was not open was used %u times", os_sim_bad_fd_count(n->sim));
}

void node_kill(struct node *n)
{
	os_sim_kill(n->sim, 0);
	if (n->p)
		n->p->ops->close(n->p); /* its table is dead: this frees memory only */
	n->p = NULL;
}

void node_cut(struct node *n, const struct os_sim_cut *how)
{
	node_kill(n);
	os_sim_power_cut(n->sim, how);
	const struct os *os = os_sim_os(n->sim);
	os_sim_set_real(n->sim, os->real_ns(os->self) + OFF_NS); /* it was off for a while */
}

void node_free(struct node *n)
{
	if (n->p)
		node_kill(n);
	os_sim_free(n->sim);
	n->sim = NULL;
}

bool crash_is_off(struct node *n)
{
	return os_sim_is_off(n->sim);
}

bool node_settle(struct node *n)
{
	struct pawl_error err = { 0 };
	struct pawl_job *job;

	for (int i = 0; i < 1000; i++) {
		int rc = n->p->ops->maintain(n->p, true, &job, &err);
		if (rc >= 0 && job) {
			(void)job->run(job);
			rc = job->end(job, &err) < 0 ? -1 : 1;
		}
		if (rc < 0 && !crash_is_off(n) && !os_sim_fault_fired(n->sim))
			crash_fail("maintenance failed: %s", err.text);
		if (rc <= 0)
			return rc == 0;
	}
	crash_fail("maintenance finds no end");
	return false;
}

/* ---- power cuts ---- */

const char *crash_mode_name(enum os_sim_mode mode)
{
	static const char *const names[] = { "keep all", "drop all", "random", "ordered" };

	return names[mode];
}

static bool start_again(struct node *n, const char *when)
{
	struct pawl_error err = { 0 };
	int rc = node_start(n, &err);

	if (rc < 0)
		crash_fail("%s the hub does not open: %s", when, err.text);
	return rc == 0;
}

/* Power fails in the n-th operation of recovery and of the maintenance behind it, for every n. */
static void cut_recovery(const struct scenario *s, const void *state, const struct os_sim *after_cut,
                         const struct outcome *first, uint64_t seed)
{
	for (unsigned stop = 1; stop < OPS_MAX && !crash_over(); stop++) {
		struct node n = { .sim = os_sim_clone(after_cut) };
		struct outcome o = *first;
		struct pawl_error err = { 0 };

		if (!crash_at("again", stop)) {
			node_free(&n);
			continue;
		}
		os_sim_stop_after(n.sim, stop);
		if (node_start(&n, &err) == 0)
			(void)node_settle(&n);
		bool done = !crash_is_off(&n);
		crash_look("in the recovery", &n);
		const struct os_sim_cut how = { stop % 4 ? OS_SIM_RANDOM : OS_SIM_DROP_ALL, draw(&seed) | 1, stop & 1 ? 512 : 4096 };
		node_cut(&n, &how);
		(void)crash_logged_errors();
		crash_look("after a cut in the recovery", &n);
		if (start_again(&n, "after a cut in the recovery"))
			s->check(state, &n, &o);
		node_free(&n);
		if (done)
			break;
	}
}

static void rest_of_it(const struct scenario *s, const void *state, struct node *n, struct outcome *o)
{
	unsigned had = failures;

	node_kill(n);
	if (start_again(n, "after a kill behind the recovery"))
		s->check(state, n, o);
	if (!n->p || failures != had)
		return;
	s->go_on(state, n);
	o->went_on = true;
	node_cut(n, &(struct os_sim_cut){ OS_SIM_DROP_ALL, 1, 0 });
	if (start_again(n, "after more work and another cut"))
		s->check(state, n, o);
	node_stop(n);
}

void crash_recover(const struct scenario *s, const void *state, struct node *n, struct outcome *o, bool all)
{
	unsigned had = failures;

	(void)crash_logged_errors();
	if (start_again(n, "after the cut"))
		s->check(state, n, o);
	if (all && n->p && failures == had)
		rest_of_it(s, state, n, o);
}

static void survive(const struct scenario *s, const void *state, const struct os_sim *from, const struct os_sim_cut *how,
                    bool again)
{
	struct node n = { .sim = os_sim_clone(from) };
	struct outcome o = { .decided = false };
	struct os_sim *after_cut = NULL;
	unsigned had = failures;

	crash_look("before the cut", &n);
	os_sim_fail_nth(n.sim, 0, 0, false);
	if (how)
		node_cut(&n, how);
	else
		node_kill(&n);
	crash_look("after the cut", &n);
	if (again)
		after_cut = os_sim_clone(n.sim);
	crash_recover(s, state, &n, &o, false);
	if (after_cut && failures == had)
		cut_recovery(s, state, after_cut, &o, how->seed);
	os_sim_free(after_cut);
	(void)crash_at("again", 0);
	if (n.p && failures == had)
		rest_of_it(s, state, &n, &o);
	node_free(&n);
}

void crash_survive(const struct scenario *s, const void *state, const struct os_sim *from, const struct os_sim_cut *how)
{
	survive(s, state, from, how, false);
}

static void all_outcomes(const struct scenario *s, const void *state, const struct os_sim *sim, uint64_t point)
{
	unsigned scale = crash_scale(), count = 2 + (s->ordered + s->random) * scale;
	uint64_t seed = point;

	for (unsigned i = 0; i < count && !crash_over(); i++) {
		enum os_sim_mode mode = i == 0 ? OS_SIM_KEEP_ALL : i == 1 ? OS_SIM_DROP_ALL :
			i < 2 + s->ordered * scale ? OS_SIM_ORDERED : OS_SIM_RANDOM;
		struct os_sim_cut how = { mode, draw(&seed) | 1, i & 1 ? 512 : 4096 };
		bool again = s->again_every && i + 1 == count && point % s->again_every == 0;
		(void)crash_at("mode", mode);
		if (crash_at("outcome", i))
			survive(s, state, sim, &how, again);
	}
}

void crash_cut_everywhere(const struct scenario *s, unsigned workload)
{
	unsigned every = (s->stop_every ? s->stop_every : 1) * CRASH_STRIDE;

	if (!crash_at("workload", workload))
		return;
	for (unsigned stop = 1 + workload % every; stop < OPS_MAX && !crash_over(); stop += every) {
		if (!crash_at("stop", stop))
			continue;
		struct node n = { .sim = os_sim_new(workload + 1) };
		void *state = s->make(workload);
		os_sim_stop_after(n.sim, stop);
		s->run(state, &n);
		bool done = !crash_is_off(&n);
		if (!done && n.p) {
			n.p->ops->close(n.p); /* frees its memory: nothing reaches the disk any more */
			n.p = NULL;
		}
		all_outcomes(s, state, n.sim, stop);
		node_free(&n);
		s->free(state);
		if (done)
			break;
	}
}
