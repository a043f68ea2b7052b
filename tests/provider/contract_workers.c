/* contract_workers.c - many workers at once, sessions, waiting for work, dead letters. */
#include "contract_work.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 8
#define ITEMS   500
#define ROUNDS  150

/* ---- races ---- */

struct worker {
	pthread_t thread;
	struct contract *c;
	char name[16];
	atomic_uint *taken; /* by seq */
	unsigned count;
	bool failed;
};

static struct pawl_provider *open_own(struct contract *c)
{
	struct pawl_provider *p = NULL;

	return c->ops->open(&c->options, &p, NULL) == 0 ? p : NULL;
}

static void *claim_all(void *arg)
{
	struct worker *w = arg;
	struct pawl_provider *p = open_own(w->c);
	const struct pawl_work_wanted wanted = { .worker = w->name };
	struct pawl_work_item *item;

	w->failed = !p;
	while (!w->failed && p->ops->claim(p, &wanted, &item, NULL) == 0) {
		atomic_fetch_add(&w->taken[item->seq], 1);
		w->count++;
		w->failed = p->ops->finish(p, item->id, w->name, 0, item->id, strlen(item->id), NULL, 0, NULL) != 0;
		free(item);
	}
	if (p)
		p->ops->close(p);
	return NULL;
}

static int check_done(void *arg, const struct pawl_work_status *s)
{
	unsigned *count = arg;

	++*count;
	return s->state == PAWL_WORK_DONE && s->output_len == strlen(s->item.id) &&
	                       memcmp(s->output, s->item.id, s->output_len) == 0
	               ? 0
	               : -1;
}

static void each_is_claimed_once(void **state)
{
	static atomic_uint taken[ITEMS + 1];
	struct contract *c = *state;
	struct worker workers[WORKERS];
	unsigned done = 0;

	for (unsigned i = 1; i <= ITEMS; i++) {
		struct pawl_work_item item = work_item(i);
		item.priority = 1 + i % 9;
		item.activity = i % 3 ? "one" : "two";
		atomic_store(&taken[i], 0);
		work_offer(c, &item, NULL);
	}
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .c = c, .taken = taken };
		snprintf(workers[i].name, sizeof(workers[i].name), "w%d", i);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, claim_all, &workers[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < WORKERS; i++)
		assert_false(workers[i].failed);
	for (unsigned i = 1; i <= ITEMS; i++)
		assert_int_equal(atomic_load(&taken[i]), 1);
	assert_int_equal(c->ops->each_work(c->p, true, NULL, check_done, &done, NULL), 0);
	assert_int_equal(done, ITEMS);
}

struct race {
	struct contract *c;
	char id[PAWL_WORK_ID_MAX + 1];
	atomic_int go;
	atomic_bool claim; /* else finish */
	int rc, after;
};

/* Claims or finishes each time the other thread gives the signal. */
static void *race_worker(void *arg)
{
	struct race *r = arg;
	struct pawl_provider *p = open_own(r->c);
	const struct pawl_work_wanted wanted = { .worker = "w1" };

	for (int round = 1; p && round <= ROUNDS; round++) {
		while (atomic_load(&r->go) != round)
			;
		if (atomic_load(&r->claim)) {
			struct pawl_work_item *item = NULL;
			r->rc = p->ops->claim(p, &wanted, &item, NULL);
			free(r->rc == 0 ? item : NULL);
		} else {
			r->rc = p->ops->finish(p, r->id, "w1", 0, "x", 1, NULL, 0, NULL);
		}
		atomic_store(&r->go, -round);
	}
	if (p)
		p->ops->close(p);
	return NULL;
}

static void against_release(struct contract *c, bool claim)
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t thread;

	assert_non_null(r);
	r->c = c;
	atomic_store(&r->claim, claim);
	assert_int_equal(pthread_create(&thread, NULL, race_worker, r), 0);
	for (int round = 1; round <= ROUNDS; round++) {
		const struct pawl_work_item item = work_item(7);
		work_offer(c, &item, r->id);
		if (!claim)
			work_claims(c->p, "w1", r->id);
		atomic_store(&r->go, round);
		assert_int_equal(c->ops->release(c->p, r->id, NULL), 0);
		while (atomic_load(&r->go) != -round)
			;
		assert_true(r->rc == 0 || r->rc == PAWL_ENOTFOUND);
		assert_false(work_look(c->p, r->id).there);
		assert_int_equal(c->ops->finish(c->p, r->id, "w1", 0, NULL, 0, NULL, 0, NULL), PAWL_ENOTFOUND);
	}
	pthread_join(thread, NULL);
	free(r);
}

static void finish_against_release(void **state)
{
	against_release(*state, false);
}

static void claim_against_release(void **state)
{
	against_release(*state, true);
}

/* ---- sessions ---- */

static void offer_session(struct contract *c, uint64_t seq, const char *session, char *id)
{
	struct pawl_work_item item = work_item(seq);

	item.session = session;
	work_offer(c, &item, id);
}

static void one_worker_for_a_session(void **state)
{
	struct contract *c = *state;
	char ids[4][PAWL_WORK_ID_MAX + 1];

	offer_session(c, 1, "s1", ids[0]);
	offer_session(c, 2, "s1", ids[1]);
	offer_session(c, 3, "s2", ids[2]);
	offer_session(c, 4, NULL, ids[3]);
	work_claims(c->p, "w1", ids[0]);
	work_claims(c->p, "w2", ids[2]);
	work_claims(c->p, "w2", ids[3]);
	work_claims_nothing(c->p, "w2");
	assert_int_equal(c->ops->finish(c->p, ids[0], "w1", 0, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(c->ops->release(c->p, ids[0], NULL), 0);
	assert_int_equal(work_count(c->p), 3);
	work_claims_nothing(c->p, "w2");
	struct pawl_work_item *item = work_claim(c->p, "w1");
	assert_non_null(item);
	assert_string_equal(item->session, "s1");
	free(item);
}

static void a_dead_worker_loses_its_session(void **state)
{
	struct contract *c = *state;
	char first[PAWL_WORK_ID_MAX + 1], second[PAWL_WORK_ID_MAX + 1], pid_name[24], self[24];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	snprintf(pid_name, sizeof(pid_name), "%ld", (long)pid);
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	offer_session(c, 1, "s1", first);
	offer_session(c, 2, "s1", second);
	work_claims(c->p, pid_name, first);
	work_claims_nothing(c->p, self);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	work_claims(c->p, self, second);
	work_claims_nothing(c->p, "w3");
	offer_session(c, 3, "s1", first);
	work_claims_nothing(c->p, "w3");
	work_claims(c->p, self, first);
}

struct taker {
	pthread_t thread;
	struct contract *c;
	char name[16];
	unsigned got;
};

static void *take_session(void *arg)
{
	struct taker *t = arg;
	struct pawl_provider *p = open_own(t->c);
	const struct pawl_work_wanted wanted = { .worker = t->name };
	struct pawl_work_item *item;

	while (p && p->ops->claim(p, &wanted, &item, NULL) == 0) {
		t->got++;
		free(item);
	}
	if (p)
		p->ops->close(p);
	return NULL;
}

/* Many at once find the session of a dead worker: one gets all of it. */
static void one_of_many_takes_a_session(void **state)
{
	struct contract *c = *state;
	struct taker takers[WORKERS];
	unsigned winners = 0;
	char id[PAWL_WORK_ID_MAX + 1], dead[24];
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(dead, sizeof(dead), "%ld", (long)pid);
	offer_session(c, 1, "s1", id);
	work_claims(c->p, dead, id);
	for (unsigned i = 2; i <= 20; i++)
		offer_session(c, i, "s1", NULL);
	for (int i = 0; i < WORKERS; i++) {
		takers[i] = (struct taker){ .c = c };
		snprintf(takers[i].name, sizeof(takers[i].name), "t%d", i);
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_session, &takers[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(takers[i].thread, NULL);
		winners += takers[i].got > 0;
		assert_true(takers[i].got == 0 || takers[i].got == 19);
	}
	assert_int_equal(winners, 1);
}

/* ---- waiting ---- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct waiter {
	pthread_t thread;
	struct contract *c;
	const char *const *activities;
	int rc;
	int64_t ms;
	atomic_bool started;
};

static void *wait_for_work(void *arg)
{
	struct waiter *w = arg;
	struct pawl_provider *p = open_own(w->c);
	const struct pawl_work_wanted wanted = { .worker = "w9", .activities = w->activities };
	int64_t from = now_ms();

	atomic_store(&w->started, true);
	w->rc = p ? p->ops->await_work(p, &wanted, 10000, NULL) : -1;
	w->ms = now_ms() - from;
	if (p)
		p->ops->close(p);
	return NULL;
}

static void start_waiter(struct waiter *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, wait_for_work, w), 0);
	while (!atomic_load(&w->started))
		;
	nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
}

static void waiting_ends_in_time(void **state)
{
	struct contract *c = *state;
	const struct pawl_work_wanted wanted = { .worker = "w1" };
	struct pawl_error err = { 0 };
	int64_t from = now_ms();

	contract_fails(c->ops->await_work(c->p, &wanted, 50, &err), PAWL_ETIMEOUT, &err, "w1");
	assert_true(now_ms() - from >= 49);
	assert_int_equal(c->ops->await_work(c->p, &wanted, 0, NULL), PAWL_ETIMEOUT);
	const struct pawl_work_item item = work_item(1);
	work_offer(c, &item, NULL);
	assert_int_equal(c->ops->await_work(c->p, &wanted, 10000, NULL), 0);
	assert_int_equal(c->ops->await_work(c->p, &wanted, 0, NULL), 0);
}

static void an_offer_wakes(void **state)
{
	struct contract *c = *state;
	const char *const activities[] = { "img/flash", NULL };
	struct waiter any = { .c = c }, one = { .c = c, .activities = activities };
	struct pawl_work_item item = work_item(1);

	start_waiter(&any);
	start_waiter(&one);
	item.activity = "other";
	work_offer(c, &item, NULL);
	pthread_join(any.thread, NULL);
	assert_int_equal(any.rc, 0);
	assert_true(any.ms < 5000);
	item.activity = "img/flash";
	work_offer(c, &item, NULL);
	pthread_join(one.thread, NULL);
	assert_int_equal(one.rc, 0);
	assert_true(one.ms < 5000);
}

static void giving_back_wakes(void **state)
{
	struct contract *c = *state;
	const struct pawl_work_item item = work_item(1);
	char id[PAWL_WORK_ID_MAX + 1];
	struct waiter w = { .c = c };

	work_offer(c, &item, id);
	work_claims(c->p, "w1", id);
	start_waiter(&w);
	assert_int_equal(c->ops->give_back(c->p, id, "w1", NULL), 0);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.rc, 0);
	assert_true(w.ms < 5000);
}

/* ---- dead letters ---- */

static int join_letter(void *arg, const struct pawl_dead_letter *l)
{
	char *text = arg;
	size_t n = strlen(text);

	assert_true(l->time_ns > 0);
	snprintf(text + n, 256 - n, "%s=%s ", l->id, l->text);
	return 0;
}

static void has_letters(struct contract *c, const char *want)
{
	char text[256] = "";

	assert_int_equal(c->ops->each_dead(c->p, join_letter, text, NULL), 0);
	assert_string_equal(text, want);
}

static void bury(struct contract *c, const char *id, const char *text)
{
	const struct pawl_dead_letter letter = { .id = id, .text = text };

	assert_int_equal(c->ops->bury(c->p, &letter, NULL), 0);
}

static void letters_are_kept(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	has_letters(c, "");
	bury(c, "b.12", "{}");
	bury(c, "a.7", "{\"x\":1}");
	has_letters(c, "a.7={\"x\":1} b.12={} ");
	bury(c, "a.7", "{\"x\":2}");
	contract_reopen(c);
	has_letters(c, "a.7={\"x\":2} b.12={} ");
	assert_int_equal(c->ops->unbury(c->p, "a.7", NULL), 0);
	contract_fails(c->ops->unbury(c->p, "a.7", &err), PAWL_ENOTFOUND, &err, "a.7");
	has_letters(c, "b.12={} ");
	for (size_t i = 0; i < contract_bad_name_count; i++) {
		char id[256];
		snprintf(id, sizeof(id), "%s.7", contract_bad_names[i]);
		const struct pawl_dead_letter letter = { .id = id, .text = "{}" };
		assert_int_equal(c->ops->bury(c->p, &letter, NULL), PAWL_EINVALID);
		assert_int_equal(c->ops->unbury(c->p, id, NULL), PAWL_EINVALID);
	}
	has_letters(c, "b.12={} ");
}

static int count_letter(void *arg, const struct pawl_dead_letter *l)
{
	unsigned *n = arg;

	++*n;
	return strcmp(l->id, "first.1") == 0 ? -1 : 0;
}

static void letters_are_capped(void **state)
{
	struct contract *c = *state;
	unsigned n = 0;

	bury(c, "first.1", "{}");
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	for (int i = 0; i < 1000; i++) {
		char id[32];
		snprintf(id, sizeof(id), "x%d.1", i);
		bury(c, id, "{}");
	}
	assert_int_equal(c->ops->each_dead(c->p, count_letter, &n, NULL), 0);
	assert_int_equal(n, 1000);
}

#define WORK_SPEC(text, fn) SPEC_SETUP(text, fn, work_setup)

static const struct CMUnitTest tests[] = {
	WORK_SPEC("workers: of eight that claim 500 items each is taken once", each_is_claimed_once),
	WORK_SPEC("workers: a finish and a release at once", finish_against_release),
	WORK_SPEC("workers: a claim and a release at once", claim_against_release),
	WORK_SPEC("workers: one worker for a session", one_worker_for_a_session),
	WORK_SPEC("workers: a dead worker loses its session", a_dead_worker_loses_its_session),
	WORK_SPEC("workers: one of many takes a dead worker's session", one_of_many_takes_a_session),
	WORK_SPEC("workers: waiting ends in time, or at once when there is work", waiting_ends_in_time),
	WORK_SPEC("workers: an offer wakes who waits", an_offer_wakes),
	WORK_SPEC("workers: giving back wakes who waits", giving_back_wakes),
	WORK_SPEC("dead: letters are kept in order, replaced and removed", letters_are_kept),
	WORK_SPEC("dead: the oldest goes when there are too many", letters_are_capped),
};
const struct contract_group contract_workers = CONTRACT_GROUP(tests);
