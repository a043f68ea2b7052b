/* contract_retention.c - several purges at once, older executions, what an instance takes. */
#include "contract_test.h"
#include <stdio.h>
#include <stdlib.h>

static void prunes(struct contract *c, const struct pawl_prune *what, size_t count,
		   bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg)
{
	struct pawl_error err = { 0 };
	int rc;

	while ((rc = c->ops->prune(c->p, what, count, drop, arg, &err)) > 0)
		;
	if (rc != 0)
		fail_msg("prune '%s': %s", what->instance, err.text);
}

static void is_gone(struct contract *c, const char *id, uint64_t execution)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t which = 0;
	struct pawl_error err = { 0 };

	contract_fails(c->ops->read(c->p, id, execution, &text, &len, &which, &err), PAWL_ENOTFOUND, &err, id);
}

/* Executions 1 to count, each of one line that names it; the last one is the newest. */
static void executions(struct contract *c, const char *id, unsigned count)
{
	char line[16];

	contract_create(c, id, "1\n");
	for (unsigned e = 2; e <= count; e++) {
		snprintf(line, sizeof(line), "%u\n", e);
		const struct pawl_record r = contract_line(id, e, 0, line);
		contract_commit(c, &r, 1);
	}
}

static const char *measured(struct contract *c, const char *id, char *out, size_t size)
{
	struct pawl_extent x = { 0 };
	struct pawl_error err = { 0 };

	contract_settle(c);
	assert_int_equal(c->ops->measure(c->p, id, &x, &err), 0);
	snprintf(out, size, "%u-%u%s", (unsigned)x.oldest, (unsigned)x.newest, x.bytes ? "" : " empty");
	return out;
}

/* ---- purge_all ---- */

static void purge_all_removes(void **state)
{
	static const char *const ids[] = { "a", "live", "nobody", "c" };
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_archived(c, "a", "one\n");
	contract_archived(c, "b", "two\n");
	contract_archived(c, "c", "three\n");
	contract_create(c, "live", "four\n");
	assert_int_equal(c->ops->purge_all(c->p, ids, COUNT_OF(ids), &err), 0);
	contract_scans(c->p, true, "b ");
	contract_scans(c->p, false, "live ");
	contract_create(c, "a", "anew\n");
	contract_settle(c);
	contract_crash(c);
	contract_scans(c->p, true, "b ");
	contract_has_text(c->p, "a", 0, "anew\n");
	contract_has_none(c->p, "c");
	assert_int_equal(c->ops->purge_all(c->p, ids, 0, &err), 0);
}

static void purge_all_many(void **state)
{
	static char names[PAWL_PURGE_BATCH_MAX + 1][8];
	const char *ids[PAWL_PURGE_BATCH_MAX + 1];
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	for (unsigned i = 0; i < COUNT_OF(ids); i++) {
		snprintf(names[i], sizeof(names[i]), "i%02u", i);
		ids[i] = names[i];
		contract_archived(c, ids[i], "one\n");
	}
	contract_fails(c->ops->purge_all(c->p, ids, COUNT_OF(ids), &err), PAWL_ETOOBIG, &err, NULL);
	assert_int_equal(c->ops->purge_all(c->p, ids, COUNT_OF(ids) - 1, &err), 0);
	contract_scans(c->p, true, "i64 ");
	contract_settle(c);
	contract_crash(c);
	contract_scans(c->p, true, "i64 ");
	contract_settle(c);
	contract_scans(c->p, true, "i64 ");
}

static void purge_all_during_commit(void **state)
{
	static const char *const ids[] = { "a" };
	struct contract *c = *state;
	const struct pawl_record r = contract_first("b", "two\n");
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	const struct pawl_prune older = { "p", 3, 0 };
	struct pawl_job *job = NULL;
	struct pawl_error err = { 0 };

	executions(c, "p", 3);
	contract_archived(c, "a", "one\n");
	assert_int_equal(c->ops->commit_begin(c->p, &batch, &job, &err), 0);
	contract_fails(c->ops->purge_all(c->p, ids, 1, &err), PAWL_EBUSY, &err, "a");
	contract_fails(c->ops->prune(c->p, &older, 1, NULL, NULL, &err), PAWL_EBUSY, &err, "p");
	assert_int_equal(job->run(job), 0);
	assert_int_equal(job->end(job, &err), 0);
	assert_int_equal(c->ops->purge_all(c->p, ids, 1, &err), 0);
	contract_scans(c->p, true, "");
}

/* ---- prune ---- */

static void prune_removes(void **state)
{
	const struct pawl_prune what = { "a", 4, 0 };
	struct contract *c = *state;
	char range[40];

	executions(c, "a", 5);
	executions(c, "b", 2);
	contract_settle(c);
	prunes(c, &what, 1, NULL, NULL);
	prunes(c, &what, 1, NULL, NULL);
	for (int look = 0; look < 3; look++) {
		for (uint64_t e = 1; e <= 3; e++)
			is_gone(c, "a", e);
		contract_has_text(c->p, "a", 4, "4\n");
		contract_has_text(c->p, "a", 0, "5\n");
		contract_has_text(c->p, "b", 1, "1\n");
		if (look > 0)
			assert_string_equal(measured(c, "a", range, sizeof(range)), "4-5");
		contract_crash(c);
	}
	const struct pawl_record r = contract_line("a", 6, 0, "6\n");
	contract_commit(c, &r, 1);
	contract_has_text(c->p, "a", 0, "6\n");
}

static void prune_keeps_newest(void **state)
{
	const struct pawl_prune what[] = { { "a", 99, 0 }, { "nobody", 99, 0 }, { "b", 99, 0 } };
	struct contract *c = *state;
	const struct pawl_record more = contract_line("a", 3, 2, "more\n"), end = contract_last("b", 2, 2, "end\n");
	struct pawl_error err = { 0 };

	executions(c, "a", 3);
	executions(c, "b", 2);
	contract_commit(c, &end, 1);
	assert_int_equal(c->ops->archive(c->p, "b", &err), 0);
	prunes(c, what, COUNT_OF(what), NULL, NULL);
	contract_commit(c, &more, 1);
	contract_crash(c);
	is_gone(c, "a", 2);
	is_gone(c, "b", 1);
	contract_has_text(c->p, "a", 0, "3\nmore\n");
	contract_has_text(c->p, "b", 0, "2\nend\n");
	contract_scans(c->p, false, "a ");
	contract_scans(c->p, true, "b ");
}

static void prune_young(void **state)
{
	const struct pawl_prune what = { "a", 3, 1000000000 };
	struct contract *c = *state;

	executions(c, "a", 3);
	contract_settle(c);
	prunes(c, &what, 1, NULL, NULL);
	contract_has_text(c->p, "a", 1, "1\n");
	contract_has_text(c->p, "a", 0, "3\n");
}

static bool drop_first(void *arg, const struct pawl_prune *prune, const char *file)
{
	unsigned *asked = arg;

	assert_string_equal(prune->instance, "a");
	assert_int_equal(prune->keep_from, 2);
	++*asked;
	return strcmp(file, "1.2.data") == 0;
}

static void prune_payloads(void **state)
{
	const struct pawl_prune what = { "a", 9, 0 };
	struct contract *c = *state;
	struct pawl_record r = contract_line("a", 2, 0, "2\n"), more = contract_line("a", 2, 2, "more\n");
	const struct pawl_spill first = { "a", "1.2.data", "gone", 4 }, second = { "a", "1.3.data", "named", 5 };
	struct pawl_error err = { 0 };
	unsigned asked = 0;
	char *text = NULL;
	size_t len = 0;

	contract_create(c, "a", "1\n");
	contract_commit_spill(c, &r, &first);
	contract_commit_spill(c, &more, &second);
	prunes(c, &what, 1, drop_first, &asked);
	assert_true(asked >= 2);
	contract_has_spill(c->p, "a", "1.3.data", "named", 5);
	contract_fails(c->ops->read_spill(c->p, "a", "1.2.data", &text, &len, &err), 0, &err, NULL);
	contract_crash(c);
	contract_has_spill(c->p, "a", "1.3.data", "named", 5);
	contract_has_text(c->p, "a", 0, "2\nmore\n");
}

/* The lines of what goes are still in the journal, and their beginnings are not: nobody may miss them. */
static void prune_over_checkpoints(void **state)
{
	struct contract *c = *state;
	struct pawl_prune what = { "a", 0, 0 };
	char *text = contract_bytes(3000, 7);
	size_t size = strlen(text), at = 0;
	uint64_t execution = 1;

	contract_create(c, "a", text);
	at = size;
	for (unsigned n = 0; n < 120; n++) {
		if (n % 10 == 9) {
			execution++;
			at = 0;
		}
		const struct pawl_record r = contract_line("a", execution, at, text);
		contract_commit(c, &r, 1);
		at += size;
		(void)contract_maintain(c, n % 3 == 0);
		what.keep_from = execution;
		if (n % 25 == 24)
			prunes(c, &what, 1, NULL, NULL);
		if (n % 40 == 39)
			contract_crash(c);
	}
	bool quarantined = false;
	char *note = c->p->ops->read_note(c->p, "a", &quarantined);
	assert_null(note);
	char range[40], want[40];
	snprintf(want, sizeof(want), "-%u", (unsigned)execution);
	assert_non_null(strstr(measured(c, "a", range, sizeof(range)), want));
	free(text);
}

/* ---- measure ---- */

static void measures(void **state)
{
	struct contract *c = *state;
	struct pawl_extent x = { 0 };
	struct pawl_error err = { 0 };

	contract_archived(c, "a", "one\n");
	contract_settle(c);
	assert_int_equal(c->ops->measure(c->p, "a", &x, &err), 0);
	assert_true(x.bytes > 0);
	assert_true(x.ended_ns > 0);
	contract_fails(c->ops->measure(c->p, "nobody", &x, &err), PAWL_ENOTFOUND, &err, "nobody");
}

static const struct CMUnitTest tests[] = {
	SPEC("purge_all: ended ones go, others are passed over, also after a crash", purge_all_removes),
	SPEC("purge_all: as many as the limit, and not one more", purge_all_many),
	SPEC("purge_all, prune: they wait while a commit is under way", purge_all_during_commit),
	SPEC("prune: older executions are gone, also after a crash, and again changes nothing", prune_removes),
	SPEC("prune: the newest execution stays and goes on; ended ones and unknown ones", prune_keeps_newest),
	SPEC("prune: what was written to since then stays", prune_young),
	SPEC("prune: payload files go when they are said to be named by nobody", prune_payloads),
	SPEC_SETUP("prune: lines that are in the journal still are not missed", prune_over_checkpoints, contract_setup_small_journal),
	SPEC("measure: bytes and the end of an instance", measures),
};

const struct contract_group contract_retention = CONTRACT_GROUP(tests);
