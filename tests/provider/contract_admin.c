/* contract_admin.c - scan, archive, purge, quarantine, notes. */
#include "contract_test.h"
#include <stdio.h>
#include <stdlib.h>

#define STOPPED 7

static void archives(struct contract *c, const char *id)
{
	struct pawl_error err = { 0 };

	if (c->ops->archive(c->p, id, &err) != 0)
		fail_msg("archive '%s': %s", id, err.text);
}

static void purges(struct contract *c, const char *id)
{
	struct pawl_error err = { 0 };

	if (c->ops->purge(c->p, id, &err) != 0)
		fail_msg("purge '%s': %s", id, err.text);
}

/* ---- scan ---- */

static void scan_in_order(void **state)
{
	static const char *const ids[] = { "b", "a-2", "a", "B", "a:1", "10", "9", "a_1" };
	struct contract *c = *state;

	for (size_t i = 0; i < COUNT_OF(ids); i++)
		contract_create(c, ids[i], "one\n");
	contract_archived(c, "z", "end\n");
	contract_archived(c, "c", "end\n");
	contract_scans(c->p, false, "10 9 B a a-2 a:1 a_1 b ");
	contract_scans(c->p, true, "c z ");
	contract_crash(c);
	contract_scans(c->p, false, "10 9 B a a-2 a:1 a_1 b ");
	contract_scans(c->p, true, "c z ");
}

static int stop_at_second(void *arg, const char *id)
{
	unsigned *count = arg;

	(void)id;
	return ++*count == 2 ? STOPPED : 0;
}

static void scan_stops(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	unsigned count = 0;

	contract_create(c, "a", "one\n");
	contract_create(c, "b", "one\n");
	contract_create(c, "c", "one\n");
	assert_int_equal(c->ops->scan(c->p, false, stop_at_second, &count, &err), STOPPED);
	assert_int_equal(count, 2);
}

static int read_it(void *arg, const char *id)
{
	contract_has_text(arg, id, 0, "one\n");
	return 0;
}

static void scan_callback_reads(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	contract_create(c, "b", "one\n");
	assert_int_equal(c->ops->scan(c->p, false, read_it, c->p, &err), 0);
}

static void scan_reserved(void **state)
{
	struct contract *c = *state;
	const struct pawl_message m = contract_start("b");

	contract_create(c, "a", "one\n");
	contract_send(c->p, &m);
	contract_scans(c->p, false, "a b ");
	contract_has_none(c->p, "b");
	contract_crash(c);
	contract_scans(c->p, false, "a b ");
}

/* ---- archive ---- */

static void archive_keeps_all(void **state)
{
	struct contract *c = *state;
	const struct pawl_record end[] = { contract_line("a", 1, 4, "x\n"), contract_last("a", 2, 0, "end\n") };

	contract_create(c, "a", "one\n");
	contract_commit(c, end, 2);
	archives(c, "a");
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "a ");
	contract_has_text(c->p, "a", 1, "one\nx\n");
	contract_has_text(c->p, "a", 0, "end\n");
	contract_crash(c);
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "a ");
	contract_has_text(c->p, "a", 1, "one\nx\n");
	contract_has_text(c->p, "a", 0, "end\n");
}

static void archive_twice(void **state)
{
	struct contract *c = *state;

	contract_archived(c, "a", "one\n");
	archives(c, "a");
	contract_reopen(c);
	archives(c, "a");
	contract_settle(c);
	archives(c, "a");
	contract_scans(c->p, true, "a ");
	contract_has_text(c->p, "a", 0, "one\n");
}

static void archive_after_restart(void **state)
{
	struct contract *c = *state;
	const struct pawl_record end = contract_last("a", 1, 4, "end\n");

	contract_create(c, "a", "one\n");
	contract_commit(c, &end, 1);
	contract_crash(c);
	contract_has_text(c->p, "a", 0, "one\nend\n");
	archives(c, "a");
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "a ");
	contract_has_text(c->p, "a", 0, "one\nend\n");
}

static void archive_unknown(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_fails(c->ops->archive(c->p, "nobody", &err), PAWL_ENOTFOUND, &err, "nobody");
	contract_scans(c->p, true, "");
}

/* Other instances go on while histories of archived ones are settled. */
static void archive_among_others(void **state)
{
	struct contract *c = *state;
	char id[16], want[16 * 30] = "";
	size_t len = 0;

	contract_create(c, "z", "z 00\n");
	memcpy(want, "z 00\n", 6);
	len = 5;
	for (unsigned i = 1; i < 30; i++) {
		snprintf(id, sizeof(id), "i%02u", i);
		contract_archived(c, id, "one\n");
		snprintf(want + len, sizeof(want) - len, "z %02u\n", i);
		const struct pawl_record r = contract_line("z", 1, len, want + len);
		contract_commit(c, &r, 1);
		len += 5;
		(void)contract_maintain(c, i % 4 == 0);
	}
	contract_crash(c);
	contract_scans(c->p, false, "z ");
	contract_has_text(c->p, "z", 0, want);
	contract_has_text(c->p, "i07", 0, "one\n");
}

/* ---- purge ---- */

static void purge_removes(void **state)
{
	struct contract *c = *state;

	contract_archived(c, "a", "one\n");
	contract_archived(c, "b", "two\n");
	purges(c, "a");
	contract_has_none(c->p, "a");
	contract_scans(c->p, true, "b ");
	contract_crash(c);
	contract_has_none(c->p, "a");
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "b ");
	contract_has_text(c->p, "b", 0, "two\n");
}

static void purge_live(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	contract_fails(c->ops->purge(c->p, "a", &err), PAWL_ESTATE, &err, "a");
	contract_reopen(c);
	contract_fails(c->ops->purge(c->p, "a", &err), PAWL_ESTATE, &err, "a");
	contract_has_text(c->p, "a", 0, "one\n");
}

static void purge_unknown(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_fails(c->ops->purge(c->p, "nobody", &err), PAWL_ENOTFOUND, &err, "nobody");
	contract_archived(c, "a", "one\n");
	purges(c, "a");
	contract_fails(c->ops->purge(c->p, "a", &err), PAWL_ENOTFOUND, &err, "a");
}

static void purge_during_commit(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_first("b", "two\n");
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	struct pawl_job *job = NULL;
	struct pawl_error err = { 0 };

	contract_archived(c, "a", "one\n");
	assert_int_equal(c->ops->commit_begin(c->p, &batch, &job, &err), 0);
	contract_fails(c->ops->purge(c->p, "a", &err), PAWL_EBUSY, &err, "a");
	assert_int_equal(job->run(job), 0);
	assert_int_equal(job->end(job, &err), 0);
	purges(c, "a");
	contract_scans(c->p, true, "");
	contract_scans(c->p, false, "b ");
}

static void purge_frees_id(void **state)
{
	struct contract *c = *state;
	const struct pawl_message m = contract_start("b");
	struct contract_inbox inbox;

	contract_archived(c, "a", "one\n");
	contract_archived(c, "b", "one\n");
	purges(c, "a");
	purges(c, "b");
	contract_create(c, "a", "anew\n");
	contract_send(c->p, &m);
	contract_receive(c, &inbox, 1);
	contract_crash(c);
	contract_has_text(c->p, "a", 0, "anew\n");
	contract_scans(c->p, true, "");
}

static void bad_ids(void **state)
{
	struct contract *c = *state;
	char *text = NULL;
	size_t len = 0;
	uint64_t which = 0;
	bool quarantined = false;

	contract_archived(c, "a", "one\n");
	for (size_t i = 0; i < contract_bad_name_count; i++) {
		const char *id = contract_bad_names[i];
		struct pawl_error err = { 0 };
		contract_fails(c->ops->read(c->p, id, 0, &text, &len, &which, &err), 0, &err, NULL);
		contract_fails(c->ops->read_spill(c->p, id, "x", &text, &len, &err), 0, &err, NULL);
		contract_fails(c->ops->archive(c->p, id, &err), 0, &err, NULL);
		contract_fails(c->ops->purge(c->p, id, &err), 0, &err, NULL);
		contract_fails(c->ops->quarantine(c->p, id, "bad", &err), 0, &err, NULL);
		c->ops->note(c->p, id, "note");
		assert_null(c->ops->read_note(c->p, id, &quarantined));
	}
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "a ");
}

/* ---- quarantine and notes ---- */

static void has_note(struct pawl_provider *p, const char *id, const char *text, bool quarantined)
{
	bool is = !quarantined;
	char *note = p->ops->read_note(p, id, &is);

	if (!text) {
		assert_null(note);
		return;
	}
	assert_non_null(note);
	bool equal = strcmp(note, text) == 0;
	if (!equal)
		print_error("note '%s', expected '%s'\n", note, text);
	free(note);
	assert_true(equal);
	assert_int_equal(is, quarantined);
}

static void quarantines(struct contract *c, const char *id, const char *reason)
{
	struct pawl_error err = { 0 };

	if (c->ops->quarantine(c->p, id, reason, &err) != 0)
		fail_msg("quarantine '%s': %s", id, err.text);
}

static void quarantine_keeps_bytes(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("b", 1, 4, "more\n");

	contract_create(c, "a", "one\n");
	contract_create(c, "b", "two\n");
	quarantines(c, "a", "line 3: bad checksum");
	has_note(c->p, "a", "line 3: bad checksum", true);
	contract_has_text(c->p, "a", 0, "one\n");
	contract_commit(c, &r, 1);
	contract_reopen(c);
	has_note(c->p, "a", "line 3: bad checksum", true);
	contract_has_text(c->p, "a", 0, "one\n");
	contract_has_text(c->p, "b", 0, "two\nmore\n");
	has_note(c->p, "b", NULL, false);
}

static void quarantine_ends(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 1, 4, "more\n");

	contract_create(c, "a", "one\n");
	quarantines(c, "a", "line 3: bad checksum");
	quarantines(c, "a", NULL);
	has_note(c->p, "a", NULL, false);
	quarantines(c, "a", NULL);
	contract_commit(c, &r, 1);
	contract_reopen(c);
	has_note(c->p, "a", NULL, false);
	contract_scans(c->p, false, "a ");
	contract_has_text(c->p, "a", 0, "one\nmore\n");
}

static void quarantine_over_note(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	c->ops->note(c->p, "a", "parked: line 4");
	quarantines(c, "a", "line 3: bad checksum");
	has_note(c->p, "a", "line 3: bad checksum", true);
}

static void quarantine_unknown(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_fails(c->ops->quarantine(c->p, "nobody", "bad", &err), PAWL_ENOTFOUND, &err, "nobody");
	contract_scans(c->p, false, "");
}

static void notes(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	has_note(c->p, "a", NULL, false);
	c->ops->note(c->p, "a", "parked: line 4");
	has_note(c->p, "a", "parked: line 4", false);
	c->ops->note(c->p, "a", "parked: line 5");
	has_note(contract_open(c, true), "a", "parked: line 5", false);
	c->ops->note(c->p, "a", NULL);
	has_note(c->p, "a", NULL, false);
	c->ops->note(c->p, "a", NULL);
	c->ops->note(c->p, "nobody", "x");
	has_note(c->p, "nobody", NULL, false);
	contract_scans(c->p, false, "a ");
	contract_has_text(c->p, "a", 0, "one\n");
}

static const struct CMUnitTest tests[] = {
	SPEC("scan: each id once, in order of name, live and archived apart", scan_in_order),
	SPEC("scan: it stops with the callback's value", scan_stops),
	SPEC("scan: the callback may read", scan_callback_reads),
	SPEC("scan: an id that a START reserved is there, without bytes", scan_reserved),
	SPEC("archive: all executions can still be read, also after a crash", archive_keeps_all),
	SPEC("archive: doing it again changes nothing", archive_twice),
	SPEC("archive: it can be done after a restart", archive_after_restart),
	SPEC("archive: an unknown instance is not found", archive_unknown),
	SPEC("archive: other instances go on", archive_among_others),
	SPEC("purge: nothing is left, also after a crash", purge_removes),
	SPEC("purge: a live instance is refused", purge_live),
	SPEC("purge: an unknown or purged instance is not found", purge_unknown),
	SPEC("purge: it waits while a commit is under way", purge_during_commit),
	SPEC("purge: the id can be used again", purge_frees_id),
	SPEC("admin: bad ids are refused everywhere", bad_ids),
	SPEC("quarantine: bytes and reason are kept, others go on", quarantine_keeps_bytes),
	SPEC("quarantine: it ends when the reason is taken back", quarantine_ends),
	SPEC("quarantine: its reason is shown before a note", quarantine_over_note),
	SPEC("quarantine: an unknown instance is not found", quarantine_unknown),
	SPEC("note: it is read by clients, replaced and removed", notes),
};

const struct contract_group contract_admin = CONTRACT_GROUP(tests);
