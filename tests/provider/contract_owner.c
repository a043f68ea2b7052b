/* contract_owner.c - open, one owner, the fence, readers that must not write. */
#include "contract_test.h"
#include <stdlib.h>

static void no_hub(void **state)
{
	struct contract *c = *state;
	struct pawl_provider_options options = c->options;
	struct pawl_error err = { 0 };
	struct pawl_provider *p = NULL;
	char hub[CONTRACT_HUB_SIZE];

	assert_int_equal(c->target->fresh(c->target->arg, hub, sizeof(hub)), 0);
	options.hub = hub;
	contract_fails(c->ops->open(&options, &p, &err), PAWL_ENOTFOUND, &err, hub);
	contract_fails(c->ops->open(&options, &p, &err), PAWL_ENOTFOUND, &err, hub);
	options.read_only = true;
	contract_fails(c->ops->open(&options, &p, &err), PAWL_ENOTFOUND, &err, hub);
	assert_null(p);
}

static void create_is_harmless(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	c->options.create = true;
	contract_reopen(c);
	contract_has_text(c->p, "a", 0, "one\n");
}

static void two_hubs(void **state)
{
	struct contract *c = *state, other = { .target = c->target, .ops = c->ops, .options = c->options };
	struct contract_inbox inbox;
	const struct pawl_message m = contract_start("b");

	assert_int_equal(c->target->fresh(c->target->arg, other.hub, sizeof(other.hub)), 0);
	other.options.hub = other.hub;
	other.options.create = true;
	contract_acquire(&other);
	contract_create(c, "a", "one\n");
	contract_create(&other, "a", "other\n");
	contract_send(other.p, &m);
	contract_has_text(c->p, "a", 0, "one\n");
	contract_has_text(other.p, "a", 0, "other\n");
	contract_receive(c, &inbox, 0);
	contract_receive(&other, &inbox, 1);
	contract_close(&other);
	if (c->target->drop)
		c->target->drop(c->target->arg, other.hub);
}

/* ---- one owner ---- */

static void second_is_busy(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *second = contract_client(c);
	struct pawl_error err = { 0 };
	char who[128] = "";

	contract_create(c, "a", "one\n");
	assert_true(second->ops->has_owner(second, who, sizeof(who)));
	assert_true(who[0] != '\0');
	contract_fails(second->ops->acquire(second, &err), PAWL_EBUSY, &err, c->hub);
	contract_fails(second->ops->acquire(second, &err), PAWL_EBUSY, &err, NULL);
	contract_create(c, "b", "two\n");
	contract_has_text(c->p, "a", 0, "one\n");
}

static void busy_names_owner(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *second = contract_client(c);
	struct pawl_error err = { 0 };
	char who[128] = "";

	assert_true(second->ops->has_owner(second, who, sizeof(who)));
	contract_fails(second->ops->acquire(second, &err), PAWL_EBUSY, &err, who);
}

static void owner_goes(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *client = contract_client(c);
	struct pawl_error err = { 0 };
	char who[128] = "x";

	assert_true(client->ops->has_owner(client, who, sizeof(who)));
	contract_close(c);
	assert_false(client->ops->has_owner(client, who, sizeof(who)));
	assert_int_equal(client->ops->acquire(client, &err), 0);
	struct pawl_provider *other = contract_client(c);
	assert_true(other->ops->has_owner(other, who, sizeof(who)));
	assert_true(other->ops->has_owner(other, NULL, 0));
}

static void new_owner_goes_on(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *client = contract_client(c);
	const struct pawl_record r = contract_line("a", 1, 4, "two\n");

	contract_create(c, "a", "one\n");
	contract_close(c);
	assert_int_equal(client->ops->acquire(client, NULL), 0);
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	assert_int_equal(pawl_provider_commit(client, &batch, NULL), 0);
	contract_has_text(client, "a", 0, "one\ntwo\n");
	contract_close_clients(c);
	contract_acquire(c);
	contract_has_text(c->p, "a", 0, "one\ntwo\n");
}

static void unacked_for_new_owner(void **state)
{
	struct contract *c = *state;
	const struct pawl_message m = contract_start("a");
	struct contract_inbox inbox;

	contract_send(c->p, &m);
	contract_receive(c, &inbox, 1);
	contract_close(c);
	contract_acquire(c);
	contract_receive(c, &inbox, 1);
}

/* ---- who must not commit ---- */

static void refuses_commit(struct pawl_provider *p)
{
	const struct pawl_record r = contract_first("b", "x\n");
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	struct pawl_error err = { 0 };

	contract_fails(pawl_provider_commit(p, &batch, &err), 0, &err, NULL);
}

static void client_does_not_commit(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *client = contract_client(c);

	contract_create(c, "a", "one\n");
	refuses_commit(client);
	contract_has_none(c->p, "b");
	contract_close(c);
	refuses_commit(client);
	contract_has_none(client, "b");
	contract_acquire(c);
	contract_scans(c->p, false, "a ");
}

static void read_only_writes_nothing(void **state)
{
	struct contract *c = *state;
	const struct pawl_message start = contract_start("b"), raise = contract_raise("a", "e", "x");
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	contract_close(c);
	struct pawl_provider *reader = contract_open(c, true);
	contract_has_text(reader, "a", 0, "one\n");
	refuses_commit(reader);
	contract_fails(reader->ops->send(reader, &start, &err), 0, &err, NULL);
	contract_fails(reader->ops->send(reader, &raise, &err), 0, &err, NULL);
	contract_fails(reader->ops->acquire(reader, &err), 0, &err, NULL);
	contract_close_clients(c);
	contract_acquire(c);
	contract_scans(c->p, false, "a ");
	contract_receive(c, &inbox, 0);
}

static void read_only_takes_no_lock(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	contract_close(c);
	struct pawl_provider *reader = contract_open(c, true);
	contract_acquire(c);
	contract_create(c, "b", "two\n");
	contract_has_text(reader, "a", 0, "one\n");
}

/* ---- the fence ---- */

static void need_steal(const struct contract *c)
{
	if (!c->target->steal)
		skip();
}

static void steal(struct contract *c)
{
	assert_int_equal(c->target->steal(c->target->arg, c->hub), 0);
}

static void fenced(struct contract *c, const char *id)
{
	const struct pawl_record r = contract_first(id, "x\n");
	struct pawl_error err = { 0 };
	int rc = contract_try(c, &r, 1, &err);

	contract_fails(rc, PAWL_EFENCED, &err, c->hub);
	assert_int_equal(pawl_error_class(rc), PAWL_CLASS_FENCED);
}

static void stolen_is_fenced(void **state)
{
	struct contract *c = *state;

	need_steal(c);
	contract_create(c, "a", "one\n");
	steal(c);
	fenced(c, "b");
	fenced(c, "c");
	contract_reopen(c);
	contract_scans(c->p, false, "a ");
	contract_has_text(c->p, "a", 0, "one\n");
	contract_create(c, "b", "two\n");
}

static void thief_goes_on(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 1, 4, "two\n");
	const struct pawl_batch batch = { &r, 1, NULL, 0 };

	need_steal(c);
	contract_create(c, "a", "one\n");
	struct pawl_provider *thief = contract_client(c);
	steal(c);
	assert_int_equal(thief->ops->acquire(thief, NULL), 0);
	fenced(c, "b");
	assert_int_equal(pawl_provider_commit(thief, &batch, NULL), 0);
	fenced(c, "c");
	contract_close(c);
	contract_has_text(thief, "a", 0, "one\ntwo\n");
	contract_scans(thief, false, "a ");
	assert_true(thief->ops->has_owner(thief, NULL, 0));
}

/* Begun before, ended after: whatever end says is what the next owner finds. */
static void stolen_in_between(void **state)
{
	struct contract *c = *state;
	const struct pawl_record late = contract_line("a", 1, 4, "late\n"), next = contract_line("a", 1, 4, "next\n"),
		after = contract_line("a", 1, 9, "next\n");
	const struct pawl_batch batch = { &late, 1, NULL, 0 };
	struct pawl_job *job = NULL;
	struct pawl_error err = { 0 };

	need_steal(c);
	contract_create(c, "a", "one\n");
	assert_int_equal(c->ops->commit_begin(c->p, &batch, &job, &err), 0);
	steal(c);
	(void)job->run(job);
	int rc = job->end(job, &err);
	if (rc != 0)
		contract_fails(rc, PAWL_EFENCED, &err, NULL);
	contract_reopen(c);
	contract_has_text(c->p, "a", 0, rc == 0 ? "one\nlate\n" : "one\n");
	contract_commit(c, rc == 0 ? &after : &next, 1);
	contract_crash(c);
	contract_has_text(c->p, "a", 0, rc == 0 ? "one\nlate\nnext\n" : "one\nnext\n");
}

static void unacked_for_thief(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox, again;
	const struct pawl_message m = contract_start("a");

	need_steal(c);
	contract_send(c->p, &m);
	contract_receive(c, &inbox, 1);
	struct contract thief = { .target = c->target, .ops = c->ops, .p = contract_client(c) };
	steal(c);
	assert_int_equal(thief.ops->acquire(thief.p, NULL), 0);
	contract_receive(&thief, &again, 1);
	assert_string_equal(again.messages[0]->id, inbox.messages[0]->id);
}

static void counts(void **state)
{
	struct contract *c = *state;
	struct pawl_provider_stats before = { 0 }, after = { 0 };
	const struct pawl_record r[] = { contract_first("a", "one\n"), contract_first("b", "two\n") };

	c->ops->stats(c->p, &before);
	contract_commit(c, r, 2);
	c->ops->stats(c->p, &after);
	assert_int_equal(after.commits, before.commits + 1);
	assert_int_equal(after.records, before.records + 2);
}

static const struct CMUnitTest tests[] = {
	SPEC("open: without a hub nothing is found and nothing is made", no_hub),
	SPEC("open: create leaves a hub as it is that is there", create_is_harmless),
	SPEC("open: two hubs have nothing in common", two_hubs),
	SPEC("owner: a second one is refused and the first goes on", second_is_busy),
	SPEC("owner: the refusal names the owner", busy_names_owner),
	SPEC("owner: clients see whether there is one", owner_goes),
	SPEC("owner: the next one goes on where the last one stopped", new_owner_goes_on),
	SPEC("owner: closing without an ack loses nothing", unacked_for_new_owner),
	SPEC("owner: nobody else commits", client_does_not_commit),
	SPEC("read only: nothing is written", read_only_writes_nothing),
	SPEC("read only: no lock is taken", read_only_takes_no_lock),
	SPEC("fence: an owner that lost the hub commits nothing more", stolen_is_fenced),
	SPEC("fence: the new owner goes on", thief_goes_on),
	SPEC("fence: a commit that it meets is there or not, as its end says", stolen_in_between),
	SPEC("fence: what the old owner had not acked comes to the new one", unacked_for_thief),
	SPEC("stats: commits and records are counted", counts),
};

const struct contract_group contract_owner = CONTRACT_GROUP(tests);
