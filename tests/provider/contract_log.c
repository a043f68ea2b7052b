/* contract_log.c - the log: create once, offsets, executions, all or nothing (I3). */
#include "contract_test.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)
#define MANY 1000

static void reads_back(void **state)
{
	struct contract *c = *state;
	const struct pawl_record more = contract_line("a", 1, 6, "two\tand \"three\"\n");

	contract_create(c, "a", "one 1\n");
	contract_has_text(c->p, "a", 1, "one 1\n");
	contract_commit(c, &more, 1);
	contract_has_text(c->p, "a", 1, "one 1\ntwo\tand \"three\"\n");
}

static void newest_execution(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	const struct pawl_record next[] = { contract_line("a", 1, 4, "end\n"), contract_line("a", 2, 0, "two\n") };
	char *text = NULL;
	size_t len = 0;
	uint64_t which = 0;

	contract_create(c, "a", "one\n");
	assert_int_equal(c->ops->read(c->p, "a", 0, &text, &len, &which, &err), 0);
	free(text);
	assert_int_equal(which, 1);
	contract_commit(c, next, 2);
	contract_has_text(c->p, "a", 0, "two\n");
	assert_int_equal(c->ops->read(c->p, "a", 0, &text, &len, &which, &err), 0);
	free(text);
	assert_int_equal(which, 2);
	contract_reopen(c);
	contract_has_text(c->p, "a", 0, "two\n");
}

static void executions_apart(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	for (uint64_t i = 2; i <= 12; i++) {
		char text[32];
		snprintf(text, sizeof(text), "execution %d\n", (int)i);
		const struct pawl_record r = contract_line("a", i, 0, text);
		contract_commit(c, &r, 1);
	}
	contract_reopen(c);
	contract_has_text(c->p, "a", 1, "one\n");
	contract_has_text(c->p, "a", 2, "execution 2\n");
	contract_has_text(c->p, "a", 11, "execution 11\n");
	contract_has_text(c->p, "a", 0, "execution 12\n");
}

static void unknown_is_not_found(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t len = 0;
	uint64_t which = 0;

	contract_create(c, "a", "one\n");
	contract_fails(c->ops->read(c->p, "b", 0, &text, &len, &which, &err), PAWL_ENOTFOUND, &err, "b");
	contract_fails(c->ops->read(c->p, "b", 1, &text, &len, &which, &err), PAWL_ENOTFOUND, &err, "b");
	contract_fails(c->ops->read(c->p, "a", 2, &text, &len, &which, &err), PAWL_ENOTFOUND, &err, "a");
	assert_null(text);
}

/* ---- create once ---- */

static void refuses_create(struct contract *c, const char *id)
{
	const struct pawl_record r = contract_first(id, "again\n");
	struct pawl_error err = { 0 };

	contract_fails(contract_try(c, &r, 1, &err), PAWL_EEXISTS, &err, id);
}

static void once_live(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	refuses_create(c, "a");
	contract_has_text(c->p, "a", 0, "one\n");
	contract_reopen(c);
	refuses_create(c, "a");
	contract_has_text(c->p, "a", 0, "one\n");
}

static void once_archived(void **state)
{
	struct contract *c = *state;

	contract_archived(c, "a", "one\n");
	refuses_create(c, "a");
	contract_reopen(c);
	refuses_create(c, "a");
	contract_has_text(c->p, "a", 0, "one\n");
}

static void once_in_batch(void **state)
{
	struct contract *c = *state;
	const struct pawl_record twice[] = { contract_first("a", "one\n"), contract_first("a", "two\n") };
	struct pawl_error err = { 0 };

	contract_fails(contract_try(c, twice, 2, &err), PAWL_EEXISTS, &err, "a");
	contract_has_none(c->p, "a");
	contract_create(c, "a", "three\n");
	contract_has_text(c->p, "a", 0, "three\n");
}

static void create_only_at_zero(void **state)
{
	struct contract *c = *state;
	struct pawl_record r = contract_first("a", "one\n");
	struct pawl_error err = { 0 };

	r.offset = 4;
	contract_fails(contract_try(c, &r, 1, &err), 0, &err, "a");
	r.offset = 0;
	r.execution = 2;
	contract_fails(contract_try(c, &r, 1, &err), 0, &err, "a");
	contract_has_none(c->p, "a");
}

/* ---- offsets ---- */

/* A caller whose view is stale gets nowhere by trying again. */
static void refuses_offset(struct contract *c, uint64_t execution, uint64_t offset)
{
	const struct pawl_record r = contract_line("a", execution, offset, "wrong\n");
	struct pawl_error err = { 0 };
	int rc = contract_try(c, &r, 1, &err);

	contract_fails(rc, 0, &err, "a");
	assert_int_not_equal(pawl_error_class(rc), PAWL_CLASS_RETRYABLE);
	assert_int_not_equal(pawl_error_class(rc), PAWL_CLASS_NOSPACE);
	assert_int_not_equal(pawl_error_class(rc), PAWL_CLASS_FENCED);
}

static void wrong_offset(void **state)
{
	struct contract *c = *state;
	const struct pawl_record good = contract_line("a", 1, 4, "two\n");

	contract_create(c, "a", "one\n");
	refuses_offset(c, 1, 0);
	refuses_offset(c, 1, 3);
	refuses_offset(c, 1, 5);
	refuses_offset(c, 1, UINT64_MAX);
	refuses_offset(c, 2, 4);
	contract_commit(c, &good, 1);
	refuses_offset(c, 1, 4);
	contract_has_text(c->p, "a", 1, "one\ntwo\n");
	contract_reopen(c);
	refuses_offset(c, 1, 9);
	contract_has_text(c->p, "a", 1, "one\ntwo\n");
}

static void unknown_instance(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("nobody", 1, 0, "one\n"), second = contract_line("nobody", 2, 0, "one\n");
	struct pawl_error err = { 0 };

	contract_fails(contract_try(c, &r, 1, &err), PAWL_ENOTFOUND, &err, "nobody");
	contract_fails(contract_try(c, &second, 1, &err), 0, &err, "nobody");
	contract_has_none(c->p, "nobody");
	contract_scans(c->p, false, "");
}

/* What one instance decides for another: it is made, and its next lines are there, in the same batch. */
static void created_and_added_to(void **state)
{
	struct contract *c = *state;
	const struct pawl_record more[] = { contract_line("a", 1, 4, "x\n"), contract_first("b", "one\n"), contract_line("b", 1, 4, "two\n"),
		contract_line("b", 1, 8, "end\n"), contract_line("b", 2, 0, "next\n"), contract_line("b", 2, 5, "more\n") };

	contract_create(c, "a", "one\n");
	contract_commit(c, more, COUNT_OF(more));
	contract_has_text(c->p, "b", 1, "one\ntwo\nend\n");
	contract_has_text(c->p, "b", 2, "next\nmore\n");
	contract_crash(c);
	contract_has_text(c->p, "a", 1, "one\nx\n");
	contract_has_text(c->p, "b", 1, "one\ntwo\nend\n");
	contract_has_text(c->p, "b", 0, "next\nmore\n");
}

static void execution_left_out(void **state)
{
	struct contract *c = *state;
	const struct pawl_record none = contract_line("a", 0, 0, "x\n"), third = contract_line("a", 3, 0, "x\n");
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	contract_fails(contract_try(c, &none, 1, &err), 0, &err, "a");
	contract_fails(contract_try(c, &third, 1, &err), 0, &err, "a");
	contract_crash(c);
	contract_has_text(c->p, "a", 0, "one\n");
}

static void nothing_behind_archive(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 1, 4, "two\n");
	struct pawl_error err = { 0 };

	contract_archived(c, "a", "one\n");
	contract_fails(contract_try(c, &r, 1, &err), 0, &err, "a");
	contract_has_text(c->p, "a", 1, "one\n");
}

/* ---- all or nothing ---- */

/* Good records around a bad one: none of them may show, neither now nor later. */
static void refuses_batch(struct contract *c, struct pawl_record bad, int want)
{
	const struct pawl_record records[] = { contract_first("new1", "x\n"), contract_line("a", 1, 4, "x\n"), bad,
		contract_first("new2", "x\n"), contract_line("b", 1, 4, "x\n") };
	struct pawl_error err = { 0 };

	contract_fails(contract_try(c, records, COUNT_OF(records), &err), want, &err, bad.instance);
	contract_has_none(c->p, "new1");
	contract_has_none(c->p, "new2");
	contract_has_text(c->p, "a", 1, "one\n");
	contract_has_text(c->p, "b", 1, "two\n");
	contract_scans(c->p, false, "a b c ");
}

static void bad_batch(struct contract *c, struct pawl_record bad, int want)
{
	const struct pawl_record good[] = { contract_first("new1", "y\n"), contract_line("a", 1, 4, "y\n"),
		contract_line("b", 1, 4, "y\n"), contract_line("c", 1, 6, "y\n") };

	contract_create(c, "a", "one\n");
	contract_create(c, "b", "two\n");
	contract_create(c, "c", "three\n");
	refuses_batch(c, bad, want);
	contract_crash(c);
	refuses_batch(c, bad, want);
	contract_commit(c, good, COUNT_OF(good));
	contract_crash(c);
	contract_has_text(c->p, "new1", 1, "y\n");
	contract_has_text(c->p, "a", 1, "one\ny\n");
	contract_has_text(c->p, "b", 1, "two\ny\n");
	contract_has_text(c->p, "c", 1, "three\ny\n");
}

static void bad_offset_in_batch(void **state)
{
	bad_batch(*state, contract_line("c", 1, 7, "x\n"), 0);
}

static void taken_id_in_batch(void **state)
{
	bad_batch(*state, contract_first("c", "x\n"), PAWL_EEXISTS);
}

static void unknown_in_batch(void **state)
{
	bad_batch(*state, contract_line("nobody", 1, 0, "x\n"), PAWL_ENOTFOUND);
}

static void bad_id_in_batch(void **state)
{
	bad_batch(*state, contract_first("../d", "x\n"), PAWL_EINVALID);
}

static void new_execution_in_batch(void **state)
{
	struct contract *c = *state;
	const struct pawl_record records[] = { contract_line("a", 1, 4, "continued\n"), contract_line("a", 2, 0, "again\n"),
		contract_first("child", "born\n") };

	contract_create(c, "a", "one\n");
	contract_commit(c, records, COUNT_OF(records));
	contract_crash(c);
	contract_has_text(c->p, "a", 1, "one\ncontinued\n");
	contract_has_text(c->p, "a", 2, "again\n");
	contract_has_text(c->p, "child", 1, "born\n");
}

static void same_history_twice(void **state)
{
	struct contract *c = *state;
	const struct pawl_record records[] = { contract_line("a", 1, 4, "two\n"), contract_line("a", 1, 8, "three\n") };
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	const char *want = contract_try(c, records, 2, &err) == 0 ? "one\ntwo\nthree\n" : "one\n";
	contract_has_text(c->p, "a", 1, want);
	contract_crash(c);
	contract_has_text(c->p, "a", 1, want);
}

static void same_bytes_twice(void **state)
{
	struct contract *c = *state;
	const struct pawl_record records[] = { contract_line("a", 1, 4, "two\n"), contract_line("a", 1, 4, "two\n") };
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	contract_fails(contract_try(c, records, 2, &err), 0, &err, "a");
	contract_has_text(c->p, "a", 1, "one\n");
	contract_crash(c);
	contract_has_text(c->p, "a", 1, "one\n");
}

/* ---- begin, run, end ---- */

static struct pawl_job *begin(struct contract *c, const struct pawl_batch *batch)
{
	struct pawl_error err = { 0 };
	struct pawl_job *job = NULL;

	if (c->ops->commit_begin(c->p, batch, &job, &err) != 0)
		fail_msg("begin: %s", err.text);
	assert_non_null(job);
	return job;
}

static void sees_old(struct contract *c)
{
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t len;
	uint64_t which;

	contract_fails(c->ops->read(c->p, "a", 2, &text, &len, &which, &err), PAWL_ENOTFOUND, &err, "a");
	contract_has_text(c->p, "a", 0, "one\n");
	contract_has_none(c->p, "b");
}

static void unseen_before_end(void **state)
{
	struct contract *c = *state;
	const struct pawl_record records[] = { contract_line("a", 1, 4, "end\n"), contract_line("a", 2, 0, "two\n"),
		contract_first("b", "new\n") };
	const struct pawl_batch batch = { records, COUNT_OF(records), NULL, 0 };
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	struct pawl_job *job = begin(c, &batch);
	sees_old(c);
	assert_int_equal(job->run(job), 0);
	sees_old(c);
	assert_int_equal(job->end(job, &err), 0);
	contract_has_text(c->p, "a", 1, "one\nend\n");
	contract_has_text(c->p, "a", 0, "two\n");
	contract_has_text(c->p, "b", 0, "new\n");
	contract_scans(c->p, false, "a b ");
}

static void *run_job(void *arg)
{
	struct pawl_job *job = arg;

	return job->run(job) == 0 ? arg : NULL;
}

static void runs_on_thread(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	pthread_t thread;
	void *ran = NULL;

	contract_create(c, "a", "abc\n");
	for (uint64_t i = 1; i < 50; i++) {
		const struct pawl_record r = contract_line("a", 1, 4 * i, "abc\n");
		const struct pawl_batch batch = { &r, 1, NULL, 0 };
		struct pawl_job *job = begin(c, &batch);
		assert_int_equal(pthread_create(&thread, NULL, run_job, job), 0);
		contract_has_none(c->p, "b");
		assert_int_equal(pthread_join(thread, &ran), 0);
		assert_ptr_equal(ran, job);
		assert_int_equal(job->end(job, &err), 0);
	}
	char want[4 * 50];
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = "abc\n"[i % 4];
	contract_has(c->p, "a", 1, want, sizeof(want));
}

/* ---- names and sizes ---- */

static void bad_ids(void **state)
{
	struct contract *c = *state;

	for (size_t i = 0; i < contract_bad_name_count; i++) {
		const struct pawl_record r = contract_first(contract_bad_names[i], "x\n");
		struct pawl_error err = { 0 };
		contract_fails(contract_try(c, &r, 1, &err), PAWL_EINVALID, &err, NULL);
	}
	contract_scans(c->p, false, "");
	contract_reopen(c);
	contract_scans(c->p, false, "");
}

static void longest_id(void **state)
{
	struct contract *c = *state;
	char id[129];

	memset(id, 'a', sizeof(id) - 1);
	memcpy(id, "0:_-Zz", 6);
	id[128] = '\0';
	contract_create(c, id, "one\n");
	contract_reopen(c);
	contract_has_text(c->p, id, 1, "one\n");
}

static void big_record(void **state)
{
	struct contract *c = *state;
	char *big = contract_bytes(MIB, 1);
	const struct pawl_record first = contract_first("a", big), next = contract_line("a", 1, MIB, big);

	contract_commit(c, &first, 1);
	contract_commit(c, &next, 1);
	contract_crash(c);
	char *both = malloc(2 * MIB);
	assert_non_null(both);
	memcpy(both, big, MIB);
	memcpy(both + MIB, big, MIB);
	contract_has(c->p, "a", 1, both, 2 * MIB);
	free(both);
	free(big);
}


static char ids[MANY][8], texts[MANY][32];

static void has_many(struct contract *c)
{
	for (size_t i = 0; i < MANY; i++)
		contract_has_text(c->p, ids[i], 1, texts[i]);
}

static void many_records(void **state)
{
	static struct pawl_record records[MANY];
	struct contract *c = *state;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(ids[i], sizeof(ids[i]), "i%03u", (unsigned)i);
		snprintf(texts[i], sizeof(texts[i]), "born %03u\n", (unsigned)i);
		records[i] = contract_first(ids[i], texts[i]);
	}
	contract_commit(c, records, MANY);
	has_many(c);
	contract_crash(c);
	has_many(c);
}

static const struct CMUnitTest tests[] = {
	SPEC("log: a committed record is read back byte for byte", reads_back),
	SPEC("log: execution 0 is the newest, and its number is told", newest_execution),
	SPEC("log: each execution keeps its own bytes", executions_apart),
	SPEC("log: an unknown instance or execution is not found", unknown_is_not_found),
	SPEC("log: an id is created only once while it is live", once_live),
	SPEC("log: an id is created only once when it is archived", once_archived),
	SPEC("log: an id is created only once in a batch", once_in_batch),
	SPEC("log: an instance is created only at execution 1, offset 0", create_only_at_zero),
	SPEC("log: a record at a wrong offset is refused for good", wrong_offset),
	SPEC("log: a record for an unknown instance is refused", unknown_instance),
	SPEC("log: an instance is created, added to and goes on in one batch", created_and_added_to),
	SPEC("log: no execution is left out", execution_left_out),
	SPEC("log: nothing is added to an archived instance", nothing_behind_archive),
	SPEC("log: a wrong offset in the middle undoes the whole batch", bad_offset_in_batch),
	SPEC("log: a taken id in the middle undoes the whole batch", taken_id_in_batch),
	SPEC("log: an unknown instance in the middle undoes the whole batch", unknown_in_batch),
	SPEC("log: a bad id in the middle undoes the whole batch", bad_id_in_batch),
	SPEC("log: the end of an execution and the start of the next are one batch", new_execution_in_batch),
	SPEC("log: two records for one history apply in order, or both are refused", same_history_twice),
	SPEC("log: two records at the same offset are refused", same_bytes_twice),
	SPEC("log: nothing of a commit is seen before its end", unseen_before_end),
	SPEC("log: run may happen on another thread", runs_on_thread),
	SPEC("log: bad instance ids are refused and nothing is created", bad_ids),
	SPEC("log: an id may have 128 characters", longest_id),
	SPEC("log: records of 1 MiB", big_record),
	SPEC("log: 1000 instances in one batch", many_records),
};

const struct contract_group contract_log = CONTRACT_GROUP(tests);
