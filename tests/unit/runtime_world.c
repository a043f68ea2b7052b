#include "unit/runtime_world.h"
#include "providers/memory/memory.h"
#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINES_MAX 4096
#define NOBODY "rw-nobody"

/* ---- the lock ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rang = PTHREAD_COND_INITIALIZER;
static _Thread_local struct timespec until;

static struct timespec bound(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += BOUND_S;
	return t;
}

void rw_lock(void)
{
	until = bound();
	pthread_mutex_lock(&lock);
}

void rw_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void rw_ring(void)
{
	pthread_cond_broadcast(&rang);
}

bool rw_sleep(void)
{
	return pthread_cond_timedwait(&rang, &lock, &until) != ETIMEDOUT;
}

bool rw_look_again(long *looks)
{
	struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
	return ++*looks < BOUND_S * 1000l;
}

/* ---- gates ---- */

bool gate_pass(struct gate *g)
{
	bool good = true;

	rw_lock();
	g->came++;
	rw_ring();
	while (good && !g->is_open)
		good = rw_sleep();
	rw_unlock();
	return good;
}

void gate_open(struct gate *g)
{
	rw_lock();
	g->is_open = true;
	rw_ring();
	rw_unlock();
}

/* ---- the log ---- */

static char *lines[LOG_LINES_MAX];
static size_t line_count;

static void keep_line(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	rw_lock();
	if (line_count < LOG_LINES_MAX && (lines[line_count] = strdup(line)))
		line_count++;
	rw_ring();
	rw_unlock();
	if (getenv("RW_LOG"))
		fprintf(stderr, "%s\n", line);
}

bool rw_logged(const char *part)
{
	for (size_t n = 0; n < line_count; n++)
		if (strstr(lines[n], part))
			return true;
	return false;
}

void rw_log_forget(void)
{
	rw_lock();
	while (line_count)
		free(lines[--line_count]);
	rw_unlock();
}

/* ---- storage ---- */

struct rw_storage rw_storage;
static const struct pawl_provider_ops *real_ops;
static struct pawl_provider_ops ops;
static void (*on_loop)(struct pawl_runtime *rt); /* with the lock */
static struct pawl_runtime *on_loop_rt;

static int fault(struct pawl_error *err, int code, const char *text)
{
	if (err) {
		*err = (struct pawl_error){ .code = code };
		snprintf(err->text, sizeof(err->text), "%s", text);
	}
	return code;
}

struct held_job {
	struct pawl_job job;
	struct pawl_job *real; /* NULL: it fails */
	size_t records;
	int code;
	bool dies;
};

void rw_hold(void)
{
	rw_lock();
	rw_storage.hold = true;
	rw_unlock();
}

void rw_release(void)
{
	rw_lock();
	rw_storage.hold = false;
	rw_ring();
	rw_unlock();
}

static int held_run(struct pawl_job *job)
{
	struct held_job *j = (struct held_job *)(void *)job;
	bool good = true;

	rw_lock();
	rw_storage.holding++;
	rw_ring();
	while (good && rw_storage.hold)
		good = rw_sleep();
	rw_storage.holding--;
	rw_unlock();
	return j->real ? j->real->run(j->real) : j->code;
}

static int held_end(struct pawl_job *job, struct pawl_error *err)
{
	struct held_job *j = (struct held_job *)(void *)job;
	int rc = j->code;

	if (j->real)
		rc = j->real->end(j->real, err);
	if (j->real && j->dies && rc == 0)
		rc = fault(err, PAWL_EFENCED, "the test lets the runtime die behind a commit");
	else if (!j->real)
		(void)fault(err, rc, "the test lets the commit fail at its end");
	rw_lock();
	rw_storage.failed += rc < 0;
	rw_storage.commits += rc == 0;
	if (rc == 0 && rw_storage.records_most < j->records)
		rw_storage.records_most = j->records;
	rw_ring();
	rw_unlock();
	free(j);
	return rc;
}

static int refusal(const struct pawl_batch *batch, const char **id)
{
	for (size_t n = 0; n < batch->record_count; n++) {
		const struct pawl_record *r = &batch->records[n];
		*id = r->instance;
		for (size_t k = 0; k < sizeof(rw_storage.taken) / sizeof(rw_storage.taken[0]); k++)
			if (r->create && rw_storage.taken[k] && strcmp(rw_storage.taken[k], r->instance) == 0)
				return PAWL_EEXISTS;
		if (rw_storage.full && strcmp(rw_storage.full, r->instance) == 0)
			return PAWL_ETOOBIG;
	}
	return 0;
}

static int take_fault(int *times, int code)
{
	if (*times <= 0)
		return 0;
	--*times;
	return code;
}

/* The verdicts of the test: what begin returns, what end will. */
static int verdict(const struct pawl_batch *batch, int *at_end, bool *dies, struct pawl_error *err)
{
	const char *id = NULL;

	rw_lock();
	rw_storage.begins++;
	int refused = refusal(batch, &id), rc = take_fault(&rw_storage.begin_times, rw_storage.begin_code);
	bool dead = rw_storage.die_at > 0 && --rw_storage.die_at == 0;
	*dies = dead && rw_storage.die_durable;
	if (dead && !*dies)
		rc = PAWL_EFENCED;
	*at_end = rc == 0 && !refused ? take_fault(&rw_storage.end_times, rw_storage.end_code) : 0;
	if (rc == 0 && refused && rw_storage.refuse_at_end)
		*at_end = refused;
	else if (rc == 0)
		rc = refused;
	rw_storage.failed += rc < 0;
	rw_ring();
	rw_unlock();
	if (rc < 0) {
		*err = (struct pawl_error){ .code = rc };
		snprintf(err->text, sizeof(err->text), refused ? "the test refuses '%s'" : "the test lets the commit of '%s' fail", id);
	}
	return rc;
}

static int commit_begin(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job, struct pawl_error *err)
{
	struct held_job *j = calloc(1, sizeof(*j));

	if (!j)
		return PAWL_ENOMEM;
	*j = (struct held_job){ { held_run, held_end }, NULL, batch->record_count, 0, false };
	int rc = verdict(batch, &j->code, &j->dies, err);
	if (rc == 0 && j->code == 0)
		rc = real_ops->commit_begin(p, batch, &j->real, err);
	if (rc < 0)
		free(j);
	else
		*job = &j->job;
	return rc;
}

static int maintain(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err)
{
	rw_lock();
	rw_storage.maintains++;
	int rc = take_fault(&rw_storage.maintain_times, rw_storage.maintain_code);
	rw_ring();
	rw_unlock();
	if (rc < 0)
		return fault(err, rc, "the test lets maintenance fail");
	return real_ops->maintain(p, idle, job, err);
}

static bool forgets(void)
{
	rw_lock();
	bool forget = rw_storage.forget_acks;
	rw_unlock();
	return forget;
}

static void ack(struct pawl_provider *p, void *token)
{
	if (!forgets())
		real_ops->ack(p, token);
}

static void note(struct pawl_provider *p, const char *id, const char *text)
{
	real_ops->note(p, id, text);
	rw_lock();
	rw_storage.notes++;
	rw_ring();
	rw_unlock();
}

static int read_history(struct pawl_provider *p, const char *id, uint64_t execution, char **out, size_t *len, uint64_t *which,
                        struct pawl_error *err)
{
	bool nobody = strcmp(id, NOBODY) == 0;

	rw_lock();
	void (*fn)(struct pawl_runtime *rt) = nobody ? on_loop : NULL;
	struct pawl_runtime *rt = on_loop_rt;
	on_loop = nobody ? NULL : on_loop;
	rw_unlock();
	if (fn)
		fn(rt);
	rw_lock();
	rw_storage.reads++;
	int rc = nobody ? 0 : take_fault(&rw_storage.read_times, rw_storage.read_code);
	rw_ring();
	rw_unlock();
	if (rc < 0)
		return fault(err, rc, "the test lets reading fail");
	return real_ops->read(p, id, execution, out, len, which, err);
}

static int read_spill(struct pawl_provider *p, const char *id, const char *name, char **out, size_t *len, struct pawl_error *err)
{
	rw_lock();
	int rc = take_fault(&rw_storage.spill_times, rw_storage.spill_code);
	rw_ring();
	rw_unlock();
	return rc < 0 ? fault(err, rc, "the test lets reading a payload fail") : real_ops->read_spill(p, id, name, out, len, err);
}

static int open_provider(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err)
{
	int rc = real_ops->open(options, out, err);

	if (rc == 0)
		(*out)->ops = &ops;
	return rc;
}

static void wrap(const struct pawl_provider_ops *real)
{
	real_ops = real;
	ops = *real;
	ops.open = open_provider;
	ops.commit_begin = commit_begin;
	ops.maintain = maintain;
	ops.ack = ack;
	ops.note = note;
	ops.read = read_history;
	ops.read_spill = read_spill;
	rw_storage = (struct rw_storage){ 0 };
}

/* ---- clocks ---- */

static _Atomic int64_t boot_ahead, wall_ahead;
static atomic_bool no_randomness;
static char boot_id[OS_BOOT_ID_SIZE];
static struct os os_table;

static atomic_uint clock_looks;

static int64_t boot_ns(void *self)
{
	atomic_fetch_add(&clock_looks, 1);
	return os_linux()->boot_ns(self) + atomic_load(&boot_ahead) * 1000000;
}

static int64_t real_ns(void *self)
{
	return os_linux()->real_ns(self) + atomic_load(&wall_ahead) * 1000000;
}

static int read_boot_id(void *self, char out[OS_BOOT_ID_SIZE])
{
	(void)self;
	memcpy(out, boot_id, sizeof(boot_id));
	return 0;
}

static int draw(void *self, void *out, size_t len)
{
	return atomic_load(&no_randomness) ? -EAGAIN : os_linux()->random(self, out, len);
}

const struct os *rw_os(void)
{
	return &os_table;
}

void rw_boot_clock(int64_t ms)
{
	atomic_store(&boot_ahead, ms);
}

void rw_wall_clock(int64_t ms)
{
	atomic_store(&wall_ahead, ms);
}

void rw_boot_id(const char *id)
{
	snprintf(boot_id, sizeof(boot_id), "%s", id);
}

void rw_no_randomness(bool none)
{
	atomic_store(&no_randomness, none);
}

/* A loop that never sleeps looks thousands of times; one that does, a few times for the one question. */
bool rw_is_idle(struct runtime_world *w)
{
	struct timespec t = { 0, 30000000 };

	rw_settle(w);
	unsigned before = atomic_load(&clock_looks);
	nanosleep(&t, NULL);
	return atomic_load(&clock_looks) - before < 300;
}

static void reset_os(void)
{
	os_table = *os_linux();
	os_table.boot_ns = boot_ns;
	os_table.real_ns = real_ns;
	os_table.boot_id = read_boot_id;
	os_table.random = draw;
	rw_boot_clock(0);
	rw_wall_clock(0);
	rw_no_randomness(false);
	rw_boot_id("11111111-0000-4000-8000-000000000000");
}

/* ---- the world ---- */

static struct runtime_world *world_new(const struct pawl_provider_ops *provider)
{
	static unsigned count;
	struct runtime_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->on_disk = provider == &pawl_provider_fs;
	snprintf(w->dir, sizeof(w->dir), "/tmp/pawl-run-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	if (w->on_disk)
		snprintf(w->hub, sizeof(w->hub), "%s/hub", w->dir);
	else
		snprintf(w->hub, sizeof(w->hub), "rw-%u", count++);
	wrap(provider);
	reset_os();
	rw_log_forget();
	log_set_sink(keep_line, NULL);
	unsetenv("PAWL_HUB");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	w->options = (pawl_options){ .hub = w->hub, .config = "", .provider = &ops, .allow_volatile = true, .os = rw_os() };
	return w;
}

int rw_setup(void **state)
{
	*state = world_new(&pawl_provider_memory);
	return 0;
}

int rw_setup_disk(void **state)
{
	*state = world_new(&pawl_provider_fs);
	return 0;
}

int rw_teardown(void **state)
{
	struct runtime_world *w = *state;

	rw_release();
	if (w->running)
		(void)rw_stop(w);
	rw_close(w);
	if (!w->on_disk)
		memory_provider_drop(w->hub);
	(void)os_remove_tree(os_linux(), OS_CWD, w->dir, 8);
	log_set_sink(NULL, NULL);
	rw_log_forget();
	free(w);
	return 0;
}

void rw_config(struct runtime_world *w, const char *yaml)
{
#if PAWL_WITH_YAML
	snprintf(w->config, sizeof(w->config), "%s/pawl.yaml", w->dir);
	FILE *f = fopen(w->config, "w");
	assert_non_null(f);
	assert_true(fputs(yaml, f) >= 0);
	assert_int_equal(fclose(f), 0);
	w->options.config = w->config;
#else
	(void)w;
	(void)yaml;
	skip();
#endif
}

void rw_open(struct runtime_world *w)
{
	struct pawl_provider_options options = { .hub = w->hub, .allow_volatile = true };
	struct pawl_error err = { 0 };

	assert_null(w->rt);
	if (pawl_open(&w->rt, &w->options, &err) < 0 || real_ops->open(&options, &w->client, &err) < 0)
		fail_msg("%s", err.text);
}

static void *run(void *arg)
{
	struct runtime_world *w = arg;

	w->err = (struct pawl_error){ 0 };
	w->code = pawl_run(w->rt, &w->err);
	return NULL;
}

void rw_run(struct runtime_world *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
	w->running = true;
}

void rw_begin(struct runtime_world *w)
{
	rw_open(w);
	rw_run(w);
}

int rw_join(struct runtime_world *w)
{
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	w->running = false;
	return w->code;
}

int rw_stop(struct runtime_world *w)
{
	pawl_stop(w->rt);
	return rw_join(w);
}

void rw_close(struct runtime_world *w)
{
	if (w->client)
		w->client->ops->close(w->client);
	pawl_close(w->rt);
	w->client = NULL;
	w->rt = NULL;
}

void rw_end(struct runtime_world *w)
{
	if (rw_stop(w) != 0)
		fail_msg("the runtime ended with: %s", w->err.text);
	rw_close(w);
}

void rw_restart(struct runtime_world *w)
{
	rw_end(w);
	rw_begin(w);
}

/* Only whoever looks finds out. */
static void want_look(struct pawl_runtime *rt)
{
	rt->look = true;
}

void rw_fence(struct runtime_world *w)
{
	assert_int_equal(memory_provider_steal(w->hub), 0);
	rw_lock();
	on_loop = want_look;
	on_loop_rt = w->rt;
	rw_unlock();
	(void)pawl_wait(w->rt, NOBODY, BOUND_S * 1000, NULL, NULL);
}

void rw_crash(struct runtime_world *w)
{
	rw_fence(w);
	assert_int_equal(rw_join(w), PAWL_EFENCED);
	rw_close(w);
}

/* ---- what a program does ---- */

void rw_start(struct runtime_world *w, const char *type, const char *id, const char *input)
{
	struct pawl_error err = { 0 };

	if (pawl_start(w->rt, type, id, input, true, NULL, &err) < 0)
		fail_msg("start of '%s': %s", id, err.text);
}

void rw_raise(struct runtime_world *w, const char *id, const char *event, const char *data)
{
	struct pawl_error err = { 0 };

	if (pawl_raise(w->rt, id, event, data, true, &err) < 0)
		fail_msg("raise to '%s': %s", id, err.text);
}

int rw_send(struct runtime_world *w, enum pawl_message_kind kind, const char *id, const char *name, const char *data)
{
	struct pawl_message m = { .kind = kind, .instance = id, .name = name, .data = data, .len = data ? strlen(data) : 0,
		.reason = kind != PAWL_MESSAGE_START && kind != PAWL_MESSAGE_RAISE && kind != PAWL_MESSAGE_PURGE ? "a test" : NULL };
	struct pawl_error err = { 0 };

	return w->client->ops->send(w->client, &m, &err);
}

void rw_expect_(struct runtime_world *w, const char *id, const char *output, const char *file, int line)
{
	struct pawl_error err = { 0 };
	char *got = NULL;
	int rc = pawl_wait(w->rt, id, BOUND_S * 1000, &got, &err);

	if (rc < 0 || strcmp(got ? got : "", output) != 0) {
		print_error("%s:%d: '%s' should complete with '%.100s', but: %d %s '%.100s'\n", file, line, id, output, rc, err.text, got ? got : "");
		free(got);
		_fail(file, line);
	}
	free(got);
}

void rw_expect_end_(struct runtime_world *w, const char *id, int code, const char *text, const char *file, int line)
{
	struct pawl_error err = { 0 };
	char *got = NULL;
	int rc = pawl_wait(w->rt, id, BOUND_S * 1000, &got, &err);

	free(got);
	if (rc == code && strstr(err.text, text))
		return;
	print_error("%s:%d: '%s' should end with %s '%s', but: %d '%s'\n", file, line, id, pawl_error_name(code), text, rc, err.text);
	_fail(file, line);
}

static void ask_loop(struct runtime_world *w)
{
	assert_int_equal(pawl_wait(w->rt, NOBODY, BOUND_S * 1000, NULL, NULL), PAWL_ENOTFOUND);
}

/* The answer to the second question comes from a later round of the loop than that to the first. */
void rw_settle(struct runtime_world *w)
{
	ask_loop(w);
	ask_loop(w);
}

void rw_pass(struct runtime_world *w, int64_t ms)
{
	rw_settle(w); /* what was about to look at the clock has done so */
	atomic_fetch_add(&boot_ahead, ms);
	atomic_fetch_add(&wall_ahead, ms);
	loop_wake(w->rt->loop);
}

void rw_on_loop(struct runtime_world *w, void (*fn)(struct pawl_runtime *rt))
{
	rw_lock();
	on_loop = fn;
	on_loop_rt = w->rt;
	rw_unlock();
	ask_loop(w);
}

static void want_reload(struct pawl_runtime *rt)
{
	rt->reload_wanted = true;
	loop_wake(rt->loop);
}

void rw_reload(struct runtime_world *w)
{
	rw_on_loop(w, want_reload);
	rw_settle(w);
}

/* ---- what is in the hub ---- */

/* A reader of its own each time: one on disk may keep what it has seen of the journal for a moment. */
char *rw_history(struct runtime_world *w, const char *id, uint64_t execution)
{
	struct pawl_provider_options options = { .hub = w->hub, .allow_volatile = true, .read_only = true };
	struct pawl_provider *reader = NULL;
	char *text = NULL;
	size_t len;
	uint64_t which;

	assert_int_equal(real_ops->open(&options, &reader, NULL), 0);
	if (real_ops->read(reader, id, execution, &text, &len, &which, NULL) < 0)
		text = strdup("");
	real_ops->close(reader);
	assert_non_null(text);
	return text;
}

size_t rw_count(struct runtime_world *w, const char *id, enum event_type type)
{
	char *text = rw_history(w, id, 1), mark[80];
	size_t count = 0;

	snprintf(mark, sizeof(mark), "\"type\":\"%s\"", event_type_name(type));
	for (const char *at = text; (at = strstr(at, mark)); at++)
		count++;
	free(text);
	return count;
}

static unsigned happened(const unsigned *what)
{
	rw_lock();
	unsigned count = *what;
	rw_unlock();
	return count;
}

void rw_await_count(struct runtime_world *w, const char *id, enum event_type type, size_t count)
{
	for (;;) {
		unsigned commits = happened(&rw_storage.commits);
		if (rw_count(w, id, type) >= count)
			return;
		await(rw_storage.commits != commits);
	}
}

void rw_await_note(struct runtime_world *w, const char *id, const char *part)
{
	for (bool good = false; !good;) {
		unsigned notes = happened(&rw_storage.notes);
		char *text = rw_note(w, id);
		good = part ? text && strstr(text, part) : !text;
		free(text);
		if (!good)
			await(rw_storage.notes != notes);
	}
}

char *rw_note(struct runtime_world *w, const char *id)
{
	bool quarantined;

	return w->client->ops->read_note(w->client, id, &quarantined);
}
