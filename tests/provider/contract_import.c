/* contract_import.c - an instance from somewhere else, all of it at once. */
#include "contract_test.h"

static const struct pawl_import_history two[] = { { "one\nx\n", 6 }, { "two\n", 4 } };
static const struct pawl_spill data[] = { { "a", "2.1.data", "payload", 7 } };

static struct pawl_import import_of(const char *id, bool ended)
{
	return (struct pawl_import){ id, two, COUNT_OF(two), data, COUNT_OF(data), ended };
}

static void imports(struct contract *c, const char *id, bool ended)
{
	const struct pawl_import in = import_of(id, ended);
	struct pawl_error err = { 0 };

	if (c->ops->import(c->p, &in, &err) != 0)
		fail_msg("import '%s': %s", id, err.text);
}

static void is_there(struct contract *c, const char *id)
{
	contract_has_text(c->p, id, 1, "one\nx\n");
	contract_has_text(c->p, id, 0, "two\n");
	contract_has_spill(c->p, id, "2.1.data", "payload", 7);
}

static int setup(void **state)
{
	int rc = contract_setup(state);
	struct contract *c = *state;

	return rc == 0 && !c->ops->import ? -1 : rc;
}

static void live_and_ended(void **state)
{
	struct contract *c = *state;

	imports(c, "a", false);
	imports(c, "b", true);
	for (int look = 0; look < 3; look++) {
		contract_scans(c->p, false, "a ");
		contract_scans(c->p, true, "b ");
		is_there(c, "a");
		is_there(c, "b");
		if (look == 0)
			contract_crash(c);
		else
			contract_reopen(c);
	}
}

static void live_goes_on(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 2, 4, "more\n");
	const struct pawl_record end = contract_last("a", 2, 9, "end\n");
	const struct pawl_message m = contract_raise("a", "e", "x");
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };

	imports(c, "a", false);
	contract_commit(c, &r, 1);
	contract_has_text(c->p, "a", 2, "two\nmore\n");
	contract_crash(c);
	contract_has_text(c->p, "a", 2, "two\nmore\n");
	contract_send(c->p, &m);
	contract_receive(c, &inbox, 1);
	contract_commit(c, &end, 1);
	assert_int_equal(c->ops->archive(c->p, "a", &err), 0);
	contract_crash(c);
	contract_scans(c->p, true, "a ");
	contract_has_text(c->p, "a", 2, "two\nmore\nend\n");
}

static void taken_ids(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	const struct pawl_message m = contract_start("c");

	contract_create(c, "a", "mine\n");
	contract_archived(c, "b", "mine\n");
	contract_send(c->p, &m);
	for (const char *const *id = (const char *const[]){ "a", "b", "c", NULL }; *id; id++) {
		for (int ended = 0; ended < 2; ended++) {
			const struct pawl_import in = import_of(*id, ended);
			contract_fails(c->ops->import(c->p, &in, &err), PAWL_EEXISTS, &err, *id);
		}
	}
	contract_has_text(c->p, "a", 0, "mine\n");
	contract_has_text(c->p, "b", 0, "mine\n");
	contract_scans(c->p, false, "a c ");
	contract_scans(c->p, true, "b ");
}

/* What is known of the life before does not come back over the new one. */
static void after_purge(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	for (int settled = 0; settled < 2; settled++) {
		for (int ended = 0; ended < 2; ended++) {
			contract_archived(c, "a", "an old life with more bytes than the new one\n");
			assert_int_equal(c->ops->purge(c->p, "a", &err), 0);
			if (settled)
				contract_settle(c);
			imports(c, "a", ended);
			is_there(c, "a");
			contract_crash(c);
			contract_crash(c);
			is_there(c, "a");
			contract_scans(c->p, ended, "a ");
			if (!ended) {
				const struct pawl_record end = contract_last("a", 2, 4, "end\n");
				contract_commit(c, &end, 1);
				assert_int_equal(c->ops->archive(c->p, "a", &err), 0);
			}
			assert_int_equal(c->ops->purge(c->p, "a", &err), 0);
		}
	}
	contract_crash(c);
	contract_scans(c->p, false, "");
	contract_scans(c->p, true, "");
}

static void purged_stays_purged(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };

	imports(c, "a", true);
	assert_int_equal(c->ops->purge(c->p, "a", &err), 0);
	contract_crash(c);
	contract_has_none(c->p, "a");
	imports(c, "a", true);
	contract_reopen(c);
	is_there(c, "a");
}

static void among_others(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("z", 1, 4, "two\n"), more = contract_line("z", 1, 8, "three\n");

	contract_create(c, "z", "one\n");
	imports(c, "a", true);
	contract_commit(c, &r, 1);
	imports(c, "b", false);
	contract_commit(c, &more, 1);
	contract_crash(c);
	contract_has_text(c->p, "z", 0, "one\ntwo\nthree\n");
	contract_scans(c->p, false, "b z ");
	contract_scans(c->p, true, "a ");
}

static void refused(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	struct pawl_import in = import_of("a", true);
	static const struct pawl_import_history empty[] = { { "", 0 } };

	in.history_count = 0;
	contract_fails(c->ops->import(c->p, &in, &err), PAWL_EINVALID, &err, "a");
	in = import_of("a", true);
	in.histories = empty;
	in.history_count = 1;
	contract_fails(c->ops->import(c->p, &in, &err), PAWL_EINVALID, &err, "a");
	for (size_t i = 0; i < contract_bad_name_count; i++) {
		in = import_of(contract_bad_names[i], true);
		contract_fails(c->ops->import(c->p, &in, &err), 0, &err, NULL);
		if (strlen(contract_bad_names[i]) > 128)
			continue;
		struct pawl_spill spill = { "a", contract_bad_names[i], "x", 1 };
		in = import_of("a", true);
		in.spills = &spill;
		if (strchr(spill.name, '/') || spill.name[0] == '.')
			contract_fails(c->ops->import(c->p, &in, &err), 0, &err, NULL);
	}
	contract_scans(c->p, true, "");
	contract_scans(c->p, false, "");
	imports(c, "a", true);
}

static void not_owner(void **state)
{
	struct contract *c = *state;
	const struct pawl_import in = import_of("a", true);
	struct pawl_error err = { 0 };

	contract_fails(c->ops->import(contract_client(c), &in, &err), 0, &err, NULL);
	contract_scans(c->p, true, "");
}

static void during_commit(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_first("b", "two\n");
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	const struct pawl_import in = import_of("a", true);
	struct pawl_job *job = NULL;
	struct pawl_error err = { 0 };

	assert_int_equal(c->ops->commit_begin(c->p, &batch, &job, &err), 0);
	contract_fails(c->ops->import(c->p, &in, &err), PAWL_EBUSY, &err, "a");
	assert_int_equal(job->run(job), 0);
	assert_int_equal(job->end(job, &err), 0);
	imports(c, "a", true);
	contract_scans(c->p, true, "a ");
}

static const struct CMUnitTest tests[] = {
	SPEC_SETUP("import: live and ended instances are there at once, also after a crash", live_and_ended, setup),
	SPEC_SETUP("import: a live one goes on: commits, messages, archive", live_goes_on, setup),
	SPEC_SETUP("import: an id that is taken or reserved is refused", taken_ids, setup),
	SPEC_SETUP("import: a life of that id before, which was purged, does not come back", after_purge, setup),
	SPEC_SETUP("import: it can be purged and imported again", purged_stays_purged, setup),
	SPEC_SETUP("import: commits of others before and after it stay", among_others, setup),
	SPEC_SETUP("import: bad names and what has no history are refused", refused, setup),
	SPEC_SETUP("import: only the owner may", not_owner, setup),
	SPEC_SETUP("import: it waits while a commit is under way", during_commit, setup),
};

const struct contract_group contract_import = CONTRACT_GROUP(tests);
