/* contract_durable.c - what is there after closing, crashing, and wrapping the journal. */
#include "contract_test.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP 64          /* records in a batch */
#define ROUNDS 300        /* batches: 64 KiB segments wrap many times */
#define LINE_BYTES 200
#define OLD_BYTES ((size_t)100000)

/* ---- one history, committed to step by step ---- */

static void line_number(char text[16], unsigned n)
{
	snprintf(text, 16, "line %05u\n", n);
}

static void each_commit(struct contract *c, void (*again)(struct contract *c))
{
	char all[16 * 64] = "", text[16];
	size_t len = 0;

	for (unsigned i = 0; i < 40; i++) {
		line_number(text, i);
		struct pawl_record r = i == 0 ? contract_first("a", text) : contract_line("a", 1, len, text);
		contract_commit(c, &r, 1);
		memcpy(all + len, text, strlen(text) + 1);
		len += strlen(text);
		if (i % 3 == 1)
			(void)contract_maintain(c, i % 2 == 0);
		if (i % 5 != 4)
			again(c);
		contract_has(c->p, "a", 1, all, len);
	}
}

static void reopen_after_each(void **state)
{
	each_commit(*state, contract_reopen);
}

static void crash_after_each(void **state)
{
	each_commit(*state, contract_crash);
}

static void empty_hub(void **state)
{
	struct contract *c = *state;

	contract_crash(c);
	contract_reopen(c);
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "");
}

static void same_after_settling(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 1, 4, "two\n");

	contract_create(c, "a", "one\n");
	contract_settle(c);
	contract_has_text(c->p, "a", 1, "one\n");
	contract_commit(c, &r, 1);
	contract_settle(c);
	contract_settle(c);
	contract_crash(c);
	contract_has_text(c->p, "a", 1, "one\ntwo\n");
}

/* ---- readers without the lock ---- */

static void client_sees(struct contract *c, bool read_only)
{
	struct pawl_provider *client = contract_open(c, read_only);

	contract_has_text(client, "a", 1, "one\ntwo\n");
	contract_has_text(client, "b", 1, "end\n");
	contract_scans(client, false, "a ");
	contract_scans(client, true, "b ");
	contract_close_clients(c);
}

static void commit_two(struct contract *c)
{
	const struct pawl_record r = contract_line("a", 1, 4, "two\n");

	contract_create(c, "a", "one\n");
	contract_commit(c, &r, 1);
	contract_archived(c, "b", "end\n");
}

static void reader_after_close(void **state)
{
	struct contract *c = *state;

	commit_two(c);
	contract_close(c);
	client_sees(c, true);
	client_sees(c, false);
	contract_acquire(c);
	contract_has_text(c->p, "a", 1, "one\ntwo\n");
}

static void reader_after_crash(void **state)
{
	struct contract *c = *state;

	commit_two(c);
	contract_crash_only(c);
	client_sees(c, true);
	client_sees(c, false);
	contract_acquire(c);
	client_sees(c, true);
	contract_has_text(c->p, "a", 1, "one\ntwo\n");
}

static void reader_beside_owner(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *client = contract_open(c, true);
	const struct pawl_record r = contract_line("a", 1, 4, "two\n");

	contract_create(c, "a", "one\n");
	contract_settle(c);
	contract_has_text(client, "a", 1, "one\n");
	contract_commit(c, &r, 1);
	contract_settle(c);
	contract_has_text(client, "a", 1, "one\ntwo\n");
}

/* ---- wrapping ---- */

static char wrap_ids[GROUP][8], *wrap_bytes[GROUP];
static struct pawl_record wrap_records[GROUP];

/* Round i appends bytes [i * LINE_BYTES, ...) of what each history will be. */
static void wrap_round(struct contract *c, size_t i)
{
	for (size_t k = 0; k < GROUP; k++)
		wrap_records[k] = (struct pawl_record){ wrap_ids[k], 1, i * LINE_BYTES, wrap_bytes[k] + i * LINE_BYTES,
			LINE_BYTES, i == 0, false, NULL };
	contract_commit(c, wrap_records, GROUP);
}

static void wrap_has(struct contract *c, size_t rounds)
{
	for (size_t k = 0; k < GROUP; k++)
		contract_has(c->p, wrap_ids[k], 1, wrap_bytes[k], rounds * LINE_BYTES);
}

static void wrap_init(void)
{
	for (size_t k = 0; k < GROUP; k++) {
		snprintf(wrap_ids[k], sizeof(wrap_ids[k]), "w%u", (unsigned)k);
		wrap_bytes[k] = contract_bytes((size_t)ROUNDS * LINE_BYTES, k);
		for (size_t i = LINE_BYTES - 1; i < (size_t)ROUNDS * LINE_BYTES; i += LINE_BYTES)
			wrap_bytes[k][i] = '\n';
	}
}

static void wraps(struct contract *c, void (*between)(struct contract *c, size_t round))
{
	wrap_init();
	for (size_t i = 0; i < ROUNDS; i++) {
		wrap_round(c, i);
		between(c, i);
	}
	wrap_has(c, ROUNDS);
	contract_crash(c);
	wrap_has(c, ROUNDS);
	for (size_t k = 0; k < GROUP; k++)
		free(wrap_bytes[k]);
}

static void maintain_once(struct contract *c, size_t round)
{
	(void)round;
	(void)contract_maintain(c, false);
}

static void only_when_full(struct contract *c, size_t round)
{
	(void)c;
	(void)round;
}

static void crash_now_and_then(struct contract *c, size_t round)
{
	(void)contract_maintain(c, round % 7 == 0);
	if (round % 29 == 28) {
		contract_crash(c);
		wrap_has(c, round + 1);
	}
}

static void wraps_maintained(void **state)
{
	wraps(*state, maintain_once);
}

static void wraps_when_full(void **state)
{
	wraps(*state, only_when_full);
}

static void wraps_crashing(void **state)
{
	wraps(*state, crash_now_and_then);
}

/* ---- maintenance beside commits ---- */

/* A commit with all maintenance there is between its begin and its end. */
static void commit_around(struct contract *c, const struct pawl_record *r)
{
	const struct pawl_batch batch = { .records = r, .record_count = 1 };
	struct pawl_error err = { 0 };
	struct pawl_job *job = NULL;
	int rc;

	while ((rc = c->ops->commit_begin(c->p, &batch, &job, &err)) == PAWL_EBUSY)
		(void)contract_maintain(c, true);
	assert_int_equal(rc, 0);
	contract_settle(c);
	assert_int_equal(job->run(job), 0);
	contract_settle(c);
	assert_int_equal(job->end(job, &err), 0);
}

/* Long lines fill segments, so that checkpoints come; the other history is clean each time, and forgotten if it may be. */
static void maintenance_inside(void **state)
{
	struct contract *c = *state;
	char text[8192], seen[4096] = "first\n";
	size_t big = 6, small = 6;

	contract_create(c, "big", "first\n");
	contract_create(c, "small", "first\n");
	memset(text, 'x', sizeof(text) - 2);
	memcpy(text + sizeof(text) - 2, "\n", 2);
	for (size_t i = 0; i < 60; i++) {
		const struct pawl_record fill = contract_line("big", 1, big, text), line = contract_line("small", 1, small, "line\n");
		contract_commit(c, &fill, 1);
		big += strlen(text);
		commit_around(c, &line);
		memcpy(seen + small, "line\n", 6);
		small += 5;
		contract_has_text(c->p, "small", 1, seen);
	}
	contract_crash(c);
	contract_has_text(c->p, "small", 1, seen);
}

static void *run_job(void *arg)
{
	struct pawl_job *job = arg;

	(void)job->run(job);
	return NULL;
}

/* A commit from begin to end while a piece of maintenance runs on another thread, which ends behind it. */
static void commit_beside(struct contract *c, size_t round)
{
	struct pawl_error err = { 0 };
	struct pawl_job *job = NULL;
	pthread_t thread;

	if (c->ops->maintain(c->p, true, &job, &err) < 0)
		fail_msg("maintain: %s", err.text);
	if (job)
		assert_int_equal(pthread_create(&thread, NULL, run_job, job), 0);
	for (size_t k = 0; k < GROUP; k++)
		wrap_records[k] = (struct pawl_record){ wrap_ids[k], 1, round * LINE_BYTES,
			wrap_bytes[k] + round * LINE_BYTES, LINE_BYTES, round == 0, false, NULL };
	const struct pawl_batch batch = { wrap_records, GROUP, NULL, 0 };
	int rc = pawl_provider_commit(c->p, &batch, &err);
	if (job) {
		pthread_join(thread, NULL);
		assert_int_equal(job->end(job, NULL), 0);
	}
	if (rc == PAWL_EBUSY)
		wrap_round(c, round);
	else if (rc < 0)
		fail_msg("commit: %s", err.text);
}

static void maintenance_beside(void **state)
{
	struct contract *c = *state;

	wrap_init();
	for (size_t i = 0; i < ROUNDS; i++)
		commit_beside(c, i);
	wrap_has(c, ROUNDS);
	contract_crash(c);
	wrap_has(c, ROUNDS);
	for (size_t k = 0; k < GROUP; k++)
		free(wrap_bytes[k]);
}

/* ---- the same id again ---- */

/* The journal still knows the old bytes when the new ones come: none of them may return. */
static void same_id_again(struct contract *c, void (*between)(struct contract *c))
{
	char *old = contract_bytes(OLD_BYTES, 5);
	struct pawl_error err = { 0 };

	contract_archived(c, "a", old);
	free(old);
	between(c);
	assert_int_equal(c->ops->purge(c->p, "a", &err), 0);
	between(c);
	contract_create(c, "a", "new\n");
	contract_has_text(c->p, "a", 0, "new\n");
	contract_crash(c);
	contract_has_text(c->p, "a", 0, "new\n");
	contract_scans(c->p, false, "a ");
	contract_scans(c->p, true, "");
}

static void do_nothing(struct contract *c)
{
	(void)c;
}

static void again_at_once(void **state)
{
	same_id_again(*state, do_nothing);
}

static void again_settled(void **state)
{
	same_id_again(*state, contract_settle);
}

static void again_crashing(void **state)
{
	same_id_again(*state, contract_crash);
}

static const struct CMUnitTest tests[] = {
	SPEC("durable: reopening after any commit gives exactly the committed bytes", reopen_after_each),
	SPEC("durable: a crash after any commit gives exactly the committed bytes", crash_after_each),
	SPEC("durable: an empty hub stays empty", empty_hub),
	SPEC("durable: maintenance changes nothing that is read", same_after_settling),
	SPEC("durable: a reader sees all of a hub that was closed", reader_after_close),
	SPEC("durable: a reader sees all of a hub whose owner crashed", reader_after_crash),
	SPEC("durable: a reader beside the owner sees what maintenance has settled", reader_beside_owner),
	SPEC_SETUP("durable: a small journal wraps many times under maintenance", wraps_maintained,
		   contract_setup_small_journal),
	SPEC_SETUP("durable: a small journal wraps with maintenance only when it is full", wraps_when_full,
		   contract_setup_small_journal),
	SPEC_SETUP("durable: a small journal wraps and crashes now and then", wraps_crashing,
		   contract_setup_small_journal),
	SPEC_SETUP("durable: maintenance runs beside a commit", maintenance_beside, contract_setup_small_journal),
	SPEC_SETUP("durable: maintenance that begins and ends inside a commit loses nothing of it", maintenance_inside,
		   contract_setup_small_journal),
	SPEC("durable: an id purged and created again has only its new bytes", again_at_once),
	SPEC("durable: so it has when the journal was settled between", again_settled),
	SPEC("durable: so it has when the hub crashed between", again_crashing),
};

const struct contract_group contract_durable = CONTRACT_GROUP(tests);
