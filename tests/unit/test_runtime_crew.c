/* test_runtime_crew.c - threads and the baton, with a loop that is made of nothing but jobs. */
#include "unit/runtime_world.h"
#include "runtime/crew.h"
#include <dirent.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

struct test_job {
	struct crew_job job; /* first */
	struct rig *rig;
	void (*body)(struct test_job *j);
	unsigned number;
	atomic_uint runs;
	unsigned finished; /* times that the loop was given it back */
};

/* What the loop does is next(): hand in jobs, or say that it is over. All of it but the atomics belongs to the holder of the baton. */
struct rig {
	struct crew *crew;
	bool (*next)(struct rig *r);
	struct test_job *jobs;
	unsigned count, submitted, finished;
	unsigned random;
	atomic_uint holders, strays;    /* threads in the loop; times that there was more than one */
	atomic_uint normal, normal_most; /* jobs that are not urgent and run */
	atomic_uint rounds;
	bool woken;                     /* with the lock of the world */
	struct gate gate;
	unsigned came_before;
	bool failed;
	unsigned phase;
};

static unsigned draw(struct rig *r)
{
	r->random = r->random * 1664525u + 1013904223u;
	return r->random >> 8;
}

/* ---- the loop ---- */

static void wake(void *arg)
{
	struct rig *r = arg;

	rw_lock();
	r->woken = true;
	rw_ring();
	rw_unlock();
}

static void enter(struct rig *r)
{
	if (atomic_fetch_add(&r->holders, 1) != 0)
		atomic_fetch_add(&r->strays, 1);
	atomic_fetch_add(&r->rounds, 1);
	rw_lock();
	rw_ring();
	rw_unlock();
}

static void leave(struct rig *r)
{
	atomic_fetch_sub(&r->holders, 1);
}

static void take_finished(struct rig *r)
{
	struct crew_job *job = crew_finished(r->crew);

	while (job) {
		struct crew_job *next = job->next;
		((struct test_job *)job)->finished++;
		r->finished++;
		job = next;
	}
}

/* Until a finished job is there, or one came to the gate. False: neither in time. */
static bool rest(struct rig *r)
{
	bool good = true;

	rw_lock();
	while (good && !r->woken && r->gate.came == r->came_before)
		good = rw_sleep();
	r->woken = false;
	r->came_before = r->gate.came;
	rw_unlock();
	return good;
}

static bool loop(void *arg)
{
	struct rig *r = arg;

	enter(r);
	for (;;) {
		take_finished(r);
		if (r->next(r)) {
			leave(r);
			return true;
		}
		if (crew_has_jobs(r->crew)) {
			leave(r);
			if (!crew_work(r->crew))
				return false;
			enter(r);
		} else if (!rest(r)) {
			r->failed = true;
			leave(r);
			return true;
		}
	}
}

static void run_job(struct crew_job *job)
{
	struct test_job *j = (struct test_job *)job;
	unsigned now = job->urgent ? 0 : atomic_fetch_add(&j->rig->normal, 1) + 1, most = atomic_load(&j->rig->normal_most);

	while (now > most && !atomic_compare_exchange_weak(&j->rig->normal_most, &most, now))
		;
	atomic_fetch_add(&j->runs, 1);
	if (j->body)
		j->body(j);
	if (!job->urgent)
		atomic_fetch_sub(&j->rig->normal, 1);
}

static void submit(struct rig *r, bool urgent, bool beside, void (*body)(struct test_job *j))
{
	struct test_job *j = &r->jobs[r->submitted];

	j->job = (struct crew_job){ .run = run_job, .urgent = urgent };
	j->rig = r;
	j->body = body;
	j->number = r->submitted++;
	crew_submit(r->crew, &j->job, beside);
}

static void rig_init(struct rig *r, unsigned jobs_max, unsigned count, bool (*next)(struct rig *r))
{
	struct pawl_error err;

	*r = (struct rig){ .next = next, .count = count, .random = 1 };
	r->jobs = calloc(count + 1, sizeof(*r->jobs));
	assert_non_null(r->jobs);
	assert_int_equal(crew_new(&r->crew, jobs_max, loop, wake, r, &err), 0);
}

static void rig_run(struct rig *r)
{
	crew_run(r->crew);
	assert_false(r->failed);
	assert_int_equal(atomic_load(&r->strays), 0);
	assert_int_equal(atomic_load(&r->holders), 0);
}

static void rig_release(struct rig *r)
{
	crew_free(r->crew);
	free(r->jobs);
}

static void assert_each_once(struct rig *r)
{
	assert_int_equal(r->finished, r->count);
	for (unsigned n = 0; n < r->count; n++) {
		assert_int_equal(atomic_load(&r->jobs[n].runs), 1);
		assert_int_equal(r->jobs[n].finished, 1);
	}
}

/* ---- no thread to be had: first, while no stack of an earlier thread could be taken again ---- */

static bool next_plain(struct rig *r)
{
	while (r->submitted < r->count && r->submitted < r->finished + 10)
		submit(r, r->submitted % 3 == 0, r->submitted % 2 == 0, NULL);
	return r->finished == r->count;
}

static void without_any_other_thread_all_jobs_are_still_done(void **state)
{
	(void)state;
#ifdef HAS_SANITIZER
	skip();
#else
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rig r;
		struct rlimit none = { 1, 1 };
		rig_init(&r, 2, 500, next_plain);
		setrlimit(RLIMIT_AS, &none); /* no mmap: no stack */
		crew_run(r.crew);
		_exit(r.finished == 500 && !r.failed && atomic_load(&r.strays) == 0 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
#endif
}

/* ---- once each ---- */

/* mode: bit 0 urgent, bit 1 beside, 4: mixed */
static unsigned mode;

static bool next_in_mode(struct rig *r)
{
	while (r->submitted < r->count && r->submitted < r->finished + 1 + draw(r) % 20) {
		bool urgent = mode == 4 ? draw(r) % 2 : mode & 1, beside = mode == 4 ? draw(r) % 2 : mode & 2;
		submit(r, urgent, beside, NULL);
	}
	return r->finished == r->count;
}

static void each_job_is_done_once_urgent_or_not_beside_or_not_by_few_threads_or_many(void **state)
{
	static const unsigned jobs_max[] = { 1, 2, 8 };

	(void)state;
	for (mode = 0; mode <= 4; mode++)
		for (unsigned n = 0; n < 3; n++) {
			struct rig r;
			rig_init(&r, jobs_max[n], 500, next_in_mode);
			rig_run(&r);
			assert_each_once(&r);
			assert_true(atomic_load(&r.normal_most) <= jobs_max[n]);
			rig_release(&r);
		}
}

static void a_crew_without_jobs_ends_at_once(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 1, 0, next_plain);
	rig_run(&r);
	rig_release(&r);
}

/* ---- in order ---- */

static atomic_uint order;

static void note_order(struct test_job *j)
{
	j->number = atomic_fetch_add(&order, 1);
}

static bool next_all_at_once(struct rig *r)
{
	while (r->submitted < r->count)
		submit(r, false, false, note_order);
	return r->finished == r->count;
}

static void jobs_of_one_kind_begin_in_the_order_they_came(void **state)
{
	struct rig r;

	(void)state;
	atomic_store(&order, 0);
	rig_init(&r, 1, 200, next_all_at_once);
	rig_run(&r);
	for (unsigned n = 0; n < r.count; n++)
		assert_int_equal(r.jobs[n].number, n);
	rig_release(&r);
}

/* ---- long jobs ---- */

static void wait_at_gate(struct test_job *j)
{
	if (!gate_pass(&j->rig->gate))
		atomic_fetch_add(&j->rig->strays, 1);
}

/* The job ends only when the loop has gone on meanwhile. */
static void wait_for_loop(struct test_job *j)
{
	unsigned rounds = atomic_load(&j->rig->rounds);
	bool good = true;

	wake(j->rig);
	rw_lock();
	while (good && atomic_load(&j->rig->rounds) == rounds)
		good = rw_sleep();
	rw_unlock();
	if (!good)
		atomic_fetch_add(&j->rig->strays, 1);
}

static bool next_one_long(struct rig *r)
{
	if (r->submitted < r->count && r->submitted == r->finished)
		submit(r, r->submitted % 2, false, wait_for_loop);
	return r->finished == r->count;
}

static void a_long_job_does_not_hold_up_the_loop(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 1, 20, next_one_long);
	rig_run(&r);
	assert_each_once(&r);
	rig_release(&r);
}

/* phase 0: hand all in; 1: as many as may run are there; open the gate */
static bool next_crowd(struct rig *r)
{
	while (r->submitted < r->count)
		submit(r, false, true, wait_at_gate);
	return r->finished == r->count;
}

static void *open_when_crowded(void *arg)
{
	struct rig *r = arg;
	bool good = true;

	rw_lock();
	while (good && r->gate.came < 3)
		good = rw_sleep();
	rw_unlock();
	if (!good)
		atomic_fetch_add(&r->strays, 1);
	gate_open(&r->gate);
	return NULL;
}

static void at_most_jobs_max_jobs_run_at_a_time_and_so_many_do(void **state)
{
	struct rig r;
	pthread_t opener;

	(void)state;
	rig_init(&r, 3, 30, next_crowd);
	assert_int_equal(pthread_create(&opener, NULL, open_when_crowded, &r), 0);
	rig_run(&r);
	assert_int_equal(pthread_join(opener, NULL), 0);
	assert_each_once(&r);
	assert_int_equal(atomic_load(&r.normal_most), 3);
	rig_release(&r);
}

/* 20 jobs for 2 places block; then urgent ones, one after the other; only when all of these are back the gate opens. */
static bool next_urgent_behind(struct rig *r)
{
	while (r->submitted < 20)
		submit(r, false, r->submitted % 2 == 0, wait_at_gate);
	if (r->finished == 30)
		gate_open(&r->gate);
	else if (r->submitted < 50 && r->submitted == 20 + r->finished)
		submit(r, true, r->submitted % 2 == 0, NULL);
	return r->finished == r->count;
}

static void an_urgent_job_is_never_behind_jobs_that_block(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 2, 50, next_urgent_behind);
	rig_run(&r);
	assert_each_once(&r);
	assert_true(atomic_load(&r.normal_most) <= 2);
	rig_release(&r);
}

/* Two urgent jobs that block, as a commit and a checkpoint on a slow disk, all places taken, and the loop still goes round. */
static bool next_all_block(struct rig *r)
{
	if (r->phase++ == 0) {
		for (unsigned n = 0; n < 4; n++)
			submit(r, false, true, wait_at_gate);
		submit(r, true, true, wait_at_gate);
		submit(r, true, false, wait_at_gate);
	}
	rw_lock();
	bool all = r->gate.came == 4;
	rw_unlock();
	if (all && r->submitted == 6)
		submit(r, true, false, NULL); /* and a job between */
	if (r->finished == 1)
		gate_open(&r->gate);
	return r->finished == r->count;
}

static void the_loop_goes_round_while_all_places_and_two_urgent_jobs_block(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 2, 7, next_all_block);
	rig_run(&r);
	assert_each_once(&r);
	rig_release(&r);
}

/* ---- the end ---- */

static unsigned threads_now(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

static void spin(struct test_job *j)
{
	for (unsigned n = j->number * 7919 % 3000; n > 0; n--)
		atomic_load(&j->rig->rounds);
}

static void doze(struct test_job *j)
{
	struct timespec t = { 0, (long)(j->number * 7919 % 400) * 1000 };

	nanosleep(&t, NULL);
}

static bool next_stress(struct rig *r)
{
	while (r->submitted < r->count && r->submitted < r->finished + 1 + draw(r) % 30) {
		unsigned kind = draw(r) % 16;
		submit(r, kind % 4 == 0, kind % 3 == 0, kind == 1 ? doze : kind < 8 ? spin : NULL);
	}
	return r->finished == r->count;
}

static void at_the_end_no_thread_is_left(void **state)
{
	struct rig r;
	unsigned before = threads_now();

	(void)state;
	rig_init(&r, 4, 300, next_stress);
	rig_run(&r);
	rig_release(&r);
	await_look(threads_now() <= before);
}

/* The end comes while jobs run and more are queued: those that run are waited for, nothing is touched after that. */
static bool next_leave_early(struct rig *r)
{
	while (r->submitted < r->count)
		submit(r, false, true, doze);
	return r->finished > 0;
}

static void the_end_waits_for_the_jobs_that_run(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 30; n++) {
		struct rig r;
		rig_init(&r, 3, 20, next_leave_early);
		rig_run(&r);
		assert_int_equal(atomic_load(&r.normal), 0);
		for (unsigned k = 0; k < r.count; k++)
			assert_true(atomic_load(&r.jobs[k].runs) <= 1);
		rig_release(&r);
	}
}

static void thousands_of_jobs_of_any_length_are_done_once_by_one_loop_at_a_time(void **state)
{
	(void)state;
	for (unsigned jobs_max = 1; jobs_max <= 4; jobs_max++) {
		struct rig r;
		rig_init(&r, jobs_max, 3000, next_stress);
		r.random = jobs_max;
		rig_run(&r);
		assert_each_once(&r);
		assert_true(atomic_load(&r.normal_most) <= jobs_max);
		rig_release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_any_other_thread_all_jobs_are_still_done),
		cmocka_unit_test(a_crew_without_jobs_ends_at_once),
		cmocka_unit_test(each_job_is_done_once_urgent_or_not_beside_or_not_by_few_threads_or_many),
		cmocka_unit_test(jobs_of_one_kind_begin_in_the_order_they_came),
		cmocka_unit_test(a_long_job_does_not_hold_up_the_loop),
		cmocka_unit_test(at_most_jobs_max_jobs_run_at_a_time_and_so_many_do),
		cmocka_unit_test(an_urgent_job_is_never_behind_jobs_that_block),
		cmocka_unit_test(the_loop_goes_round_while_all_places_and_two_urgent_jobs_block),
		cmocka_unit_test(at_the_end_no_thread_is_left),
		cmocka_unit_test(the_end_waits_for_the_jobs_that_run),
		cmocka_unit_test(thousands_of_jobs_of_any_length_are_done_once_by_one_loop_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
