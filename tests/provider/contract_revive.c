/* contract_revive.c - an instance that has ended goes on with its next execution. */
#include "contract_test.h"
#include <stdio.h>
#include <stdlib.h>

static void revives(struct contract *c, const char *id)
{
	struct pawl_error err = { 0 };

	if (c->ops->revive(c->p, id, &err) != 0)
		fail_msg("revive '%s': %s", id, err.text);
}

static void archives(struct contract *c, const char *id)
{
	struct pawl_error err = { 0 };

	if (c->ops->archive(c->p, id, &err) != 0)
		fail_msg("archive '%s': %s", id, err.text);
}

static void is_live_again(void **state)
{
	struct contract *c = *state;

	contract_archived(c, "a", "one\n");
	contract_archived(c, "b", "two\n");
	revives(c, "a");
	contract_scans(c->p, false, "a ");
	contract_scans(c->p, true, "b ");
	contract_has_text(c->p, "a", 0, "one\n");
	contract_crash(c);
	contract_scans(c->p, false, "a ");
	contract_scans(c->p, true, "b ");
	contract_has_text(c->p, "a", 0, "one\n");
}

/* The next execution begins, goes on, ends, and all of it is in the archive again. */
static void goes_on(void **state)
{
	struct contract *c = *state;
	const struct pawl_record first[] = { contract_line("a", 1, 4, "x\n"), contract_last("a", 2, 0, "end\n") };
	const struct pawl_record begin = contract_line("a", 3, 0, "three\n"), more = contract_line("a", 3, 6, "y\n");
	const struct pawl_record end = contract_last("a", 3, 8, "z\n");

	contract_create(c, "a", "one\n");
	contract_commit(c, first, 2);
	archives(c, "a");
	contract_settle(c);
	revives(c, "a");
	contract_commit(c, &begin, 1);
	contract_has_text(c->p, "a", 1, "one\nx\n");
	contract_has_text(c->p, "a", 2, "end\n");
	contract_has_text(c->p, "a", 0, "three\n");
	contract_crash(c);
	contract_scans(c->p, false, "a ");
	contract_scans(c->p, true, "");
	contract_has_text(c->p, "a", 0, "three\n");
	contract_commit(c, &more, 1);
	contract_commit(c, &end, 1);
	archives(c, "a");
	for (int i = 0; i < 2; i++) {
		contract_scans(c->p, false, "");
		contract_scans(c->p, true, "a ");
		contract_has_text(c->p, "a", 1, "one\nx\n");
		contract_has_text(c->p, "a", 2, "end\n");
		contract_has_text(c->p, "a", 3, "three\ny\nz\n");
		contract_crash(c);
	}
}

/* What was not in its file yet when it was archived, and again, with maintenance at every point. */
static void again_and_again(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	char text[32], want[32];

	contract_archived(c, "a", "execution 1\n");
	for (unsigned n = 2; n < 40; n++) {
		snprintf(text, sizeof(text), "execution %u\n", n);
		const struct pawl_record r = contract_last("a", n, 0, text);
		if (n % 3 == 0)
			(void)contract_maintain(c, n % 2 == 0);
		int rc = c->ops->revive(c->p, "a", &err);
		if (rc == PAWL_EBUSY) {
			contract_settle(c);
			revives(c, "a");
		} else {
			assert_int_equal(rc, 0);
		}
		if (n % 5 == 0)
			contract_settle(c);
		contract_commit(c, &r, 1);
		archives(c, "a");
		if (n % 7 == 0)
			contract_crash(c);
	}
	contract_reopen(c);
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "a ");
	for (unsigned n = 1; n < 40; n++) {
		snprintf(want, sizeof(want), "execution %u\n", n);
		contract_has_text(c->p, "a", n, want);
	}
}

static void twice(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 2, 0, "two\n");

	contract_archived(c, "a", "one\n");
	revives(c, "a");
	revives(c, "a");
	contract_commit(c, &r, 1);
	revives(c, "a");
	contract_has_text(c->p, "a", 1, "one\n");
	contract_has_text(c->p, "a", 2, "two\n");
}

static void live_ones_stay(void **state)
{
	struct contract *c = *state;
	const struct pawl_record end = contract_last("b", 1, 4, "end\n"), next = contract_line("b", 2, 0, "two\n");

	contract_create(c, "a", "one\n");
	revives(c, "a");
	contract_scans(c->p, false, "a ");
	contract_has_text(c->p, "a", 0, "one\n");
	contract_create(c, "b", "one\n");
	contract_commit(c, &end, 1); /* and it is not archived yet */
	revives(c, "b");
	contract_commit(c, &next, 1);
	contract_scans(c->p, false, "a b ");
	contract_has_text(c->p, "b", 1, "one\nend\n");
	contract_has_text(c->p, "b", 2, "two\n");
}

/* Nothing was committed: it has ended still. */
static void and_archived_again(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	const struct pawl_record r = contract_line("a", 2, 0, "two\n");

	contract_archived(c, "a", "one\n");
	revives(c, "a");
	contract_crash(c);
	archives(c, "a");
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "a ");
	contract_fails(contract_try(c, &r, 1, &err), 0, &err, "a");
	contract_has_text(c->p, "a", 0, "one\n");
}

static void unknown(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_fails(c->ops->revive(c->p, "nobody", &err), PAWL_ENOTFOUND, &err, "nobody");
	for (size_t i = 0; i < contract_bad_name_count; i++)
		contract_fails(c->ops->revive(c->p, contract_bad_names[i], &err), PAWL_EINVALID, &err, NULL);
	contract_scans(c->p, false, "");
}

static void damaged(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	contract_archived(c, "a", "one\n");
	assert_int_equal(c->ops->quarantine(c->p, "a", "bad bytes", &err), 0);
	contract_fails(c->ops->revive(c->p, "a", &err), PAWL_ESTATE, &err, "a");
	contract_scans(c->p, true, "a ");
	assert_int_equal(c->ops->quarantine(c->p, "a", NULL, &err), 0);
	revives(c, "a");
	contract_scans(c->p, false, "a ");
}

static void purge_behind_it(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	const struct pawl_record r = contract_last("a", 2, 0, "two\n");

	contract_archived(c, "a", "one\n");
	revives(c, "a");
	contract_fails(c->ops->purge(c->p, "a", &err), PAWL_ESTATE, &err, "a");
	contract_commit(c, &r, 1);
	archives(c, "a");
	assert_int_equal(c->ops->purge(c->p, "a", &err), 0);
	contract_crash(c);
	contract_has_none(c->p, "a");
	contract_scans(c->p, true, "");
	contract_create(c, "a", "anew\n");
	contract_crash(c);
	contract_has_text(c->p, "a", 0, "anew\n");
}

static void payloads_stay(void **state)
{
	struct contract *c = *state;
	const struct pawl_record first = contract_first("a", "one\n"), end = contract_last("a", 1, 4, "end\n"), next = contract_line("a", 2, 0, "two\n");
	const struct pawl_spill old = { "a", "1.1.data", "old", 3 }, new = { "a", "2.1.data", "new", 3 };

	contract_commit_spill(c, &first, &old);
	contract_commit(c, &end, 1);
	archives(c, "a");
	revives(c, "a");
	contract_commit_spill(c, &next, &new);
	contract_crash(c);
	contract_has_spill(c->p, "a", "1.1.data", "old", 3);
	contract_has_spill(c->p, "a", "2.1.data", "new", 3);
}

/* ---- messages ---- */

static void send_kind(struct contract *c, enum pawl_message_kind kind, const char *key)
{
	const struct pawl_message m = { .kind = kind, .instance = "a", .key = key, .reason = "why not", .version = kind == PAWL_MESSAGE_RESTART ? "2.0" : NULL };

	contract_send(c->p, &m);
}

static void messages_for_ended(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;

	contract_archived(c, "a", "one\n");
	send_kind(c, PAWL_MESSAGE_RESTART, NULL);
	send_kind(c, PAWL_MESSAGE_REWIND, "7");
	send_kind(c, PAWL_MESSAGE_REWIND, "last-good");
	send_kind(c, PAWL_MESSAGE_RETRY, NULL);
	send_kind(c, PAWL_MESSAGE_RETRY, "3");
	contract_crash(c);
	contract_receive(c, &inbox, 5);
	assert_int_equal(inbox.messages[0]->kind, PAWL_MESSAGE_RESTART);
	assert_string_equal(inbox.messages[0]->version, "2.0");
	assert_string_equal(inbox.messages[0]->reason, "why not");
	assert_null(inbox.messages[0]->key);
	assert_int_equal(inbox.messages[1]->kind, PAWL_MESSAGE_REWIND);
	assert_string_equal(inbox.messages[1]->key, "7");
	assert_string_equal(inbox.messages[2]->key, "last-good");
	assert_int_equal(inbox.messages[3]->kind, PAWL_MESSAGE_RETRY);
	assert_null(inbox.messages[3]->key);
	assert_string_equal(inbox.messages[4]->key, "3");
	contract_ack_all(c, &inbox);
}

static void messages_that_make_no_sense(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	const struct pawl_message bad[] = {
		{ .kind = PAWL_MESSAGE_REWIND, .instance = "a" },
		{ .kind = PAWL_MESSAGE_REWIND, .instance = "a", .key = "0" },
		{ .kind = PAWL_MESSAGE_REWIND, .instance = "a", .key = "best" },
		{ .kind = PAWL_MESSAGE_RETRY, .instance = "a", .key = "last-good" },
		{ .kind = PAWL_MESSAGE_RESTART, .instance = "a", .version = "../v" },
		{ .kind = PAWL_MESSAGE_RESTART },
		{ .kind = PAWL_MESSAGE_START, .instance = "n", .name = "t", .if_exists = (enum pawl_message_if_exists)3 },
	};
	const struct pawl_message nobody = { .kind = PAWL_MESSAGE_RESTART, .instance = "nobody" };

	contract_archived(c, "a", "one\n");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		contract_fails(c->ops->send(c->p, &bad[i], &err), PAWL_EINVALID, &err, NULL);
	contract_fails(c->ops->send(c->p, &nobody, &err), PAWL_ENOTFOUND, &err, "nobody");
}

static struct pawl_message start_if(const char *id, enum pawl_message_if_exists if_exists)
{
	struct pawl_message m = contract_start(id);

	m.if_exists = if_exists;
	return m;
}

static void start_uses(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	const struct pawl_message live = start_if("a", PAWL_IF_EXISTS_USE), over = start_if("b", PAWL_IF_EXISTS_USE),
		new = start_if("c", PAWL_IF_EXISTS_USE);

	contract_create(c, "a", "one\n");
	contract_archived(c, "b", "one\n");
	contract_send(c->p, &live);
	contract_send(c->p, &over);
	contract_send(c->p, &new);
	contract_send(c->p, &new); /* reserved by the one before */
	contract_receive(c, &inbox, 1);
	assert_string_equal(inbox.messages[0]->instance, "c");
	assert_int_equal(inbox.messages[0]->if_exists, PAWL_IF_EXISTS_USE);
	contract_ack_all(c, &inbox);
	contract_scans(c->p, true, "b ");
}

static void start_replaces(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };
	const struct pawl_message live = start_if("a", PAWL_IF_EXISTS_REPLACE), over = start_if("b", PAWL_IF_EXISTS_REPLACE),
		new = start_if("c", PAWL_IF_EXISTS_REPLACE);

	contract_create(c, "a", "one\n");
	contract_archived(c, "b", "one\n");
	contract_fails(c->ops->send(c->p, &live, &err), PAWL_EEXISTS, &err, "a");
	contract_send(c->p, &over);
	contract_send(c->p, &new);
	contract_scans(c->p, false, "a c ");
	contract_scans(c->p, true, "b ");
	contract_crash(c);
	contract_receive(c, &inbox, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(inbox.messages[i]->kind, PAWL_MESSAGE_START);
		assert_int_equal(inbox.messages[i]->if_exists, PAWL_IF_EXISTS_REPLACE);
	}
	contract_ack_all(c, &inbox);
}

static const struct CMUnitTest tests[] = {
	SPEC("an archived instance that is revived is live again, as it was", is_live_again),
	SPEC("the next execution of a revived instance begins, ends and is archived with those before", goes_on),
	SPEC("revived and archived again and again, every execution stays byte for byte", again_and_again),
	SPEC("reviving twice, and behind the commit, is the same", twice),
	SPEC("reviving what is live changes nothing; what has ended and is not archived yet can go on", live_ones_stay),
	SPEC("revived without a commit it has ended, and is archived again", and_archived_again),
	SPEC("nobody can be revived who is not there", unknown),
	SPEC("a damaged instance is not revived", damaged),
	SPEC("a revived instance cannot be purged, and can when it has ended again", purge_behind_it),
	SPEC("payloads of an execution before stay where they are", payloads_stay),
	SPEC("restart, rewind and retry reach an instance that has ended", messages_for_ended),
	SPEC("restart, rewind and retry for nobody, or without a line, are refused", messages_that_make_no_sense),
	SPEC("a start with if_exists use of an id that is taken changes nothing", start_uses),
	SPEC("a start with if_exists replace reaches the owner when the instance has ended", start_replaces),
};
const struct contract_group contract_revive = CONTRACT_GROUP(tests);
