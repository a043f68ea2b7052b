/* contract_mailbox.c - sending: what is taken, what is refused, and that START reserves an id at once. */
#include "contract_test.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RACE_IDS 50
#define KIB32 ((size_t)32 * 1024)

static void same_text(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

/* What was sent is what comes, with an id and a token; who sent it is the provider's to say. */
static void same_message(const struct pawl_message *got, const struct pawl_message *sent)
{
	assert_int_equal(got->kind, sent->kind);
	same_text(got->instance, sent->instance);
	if (sent->kind == PAWL_MESSAGE_START || sent->kind == PAWL_MESSAGE_RAISE || sent->kind == PAWL_MESSAGE_PUBLISH)
		same_text(got->name, sent->name);
	assert_int_equal(got->at_ns, sent->at_ns);
	assert_int_equal(got->delay_ms, sent->delay_ms);
	same_text(got->version, sent->version);
	same_text(got->key, sent->key);
	same_text(got->reason, sent->reason);
	assert_int_equal(got->len, sent->len);
	assert_int_equal(!got->data, !sent->data);
	if (sent->len > 0)
		assert_memory_equal(got->data, sent->data, sent->len);
	assert_non_null(got->id);
	assert_true(got->id[0] != '\0');
	assert_non_null(got->token);
}

/* From a client to the owner, and once more after a crash that came before the ack. */
static void arrives(struct contract *c, const struct pawl_message *sent)
{
	struct contract_inbox inbox;

	contract_send(contract_client(c), sent);
	contract_close_clients(c);
	contract_receive(c, &inbox, 1);
	same_message(inbox.messages[0], sent);
	contract_crash(c);
	contract_receive(c, &inbox, 1);
	same_message(inbox.messages[0], sent);
	contract_ack_all(c, &inbox);
}

static void refuses(struct contract *c, struct pawl_message m, int want, const char *subject)
{
	struct pawl_error err = { 0 };

	contract_fails(c->ops->send(c->p, &m, &err), want, &err, subject);
	assert_int_equal(pawl_error_class(want), PAWL_CLASS_PERMANENT);
}

static void start_arrives(void **state)
{
	const struct pawl_message m = { .kind = PAWL_MESSAGE_START, .instance = "a", .name = "device/update:v2",
		.version = "1.2.0-rc1+3", .key = "order_7:1", .data = "{\"x\":1}", .len = 7 };

	arrives(*state, &m);
}

static void start_without_id(void **state)
{
	const struct pawl_message m = { .kind = PAWL_MESSAGE_START, .name = "greet", .data = "hi", .len = 2 };

	arrives(*state, &m);
	contract_scans(((struct contract *)*state)->p, false, "");
}

static void raise_arrives(void **state)
{
	struct pawl_message m = contract_raise("a", "approved", "yes\n");

	contract_create(*state, "a", "one\n");
	m.key = "k-1";
	arrives(*state, &m);
}

static void raise_to_reserved(void **state)
{
	struct contract *c = *state;
	const struct pawl_message start = contract_start("a"), raise = contract_raise("a", "approved", "yes");
	struct contract_inbox inbox;

	contract_send(c->p, &start);
	contract_send(c->p, &raise);
	contract_receive(c, &inbox, 2);
	size_t first = inbox.messages[0]->kind == PAWL_MESSAGE_START ? 0 : 1;
	same_message(inbox.messages[first], &start);
	same_message(inbox.messages[1 - first], &raise);
}

static void control_arrives(void **state)
{
	static const enum pawl_message_kind kinds[] = { PAWL_MESSAGE_SUSPEND, PAWL_MESSAGE_RESUME, PAWL_MESSAGE_CANCEL,
		PAWL_MESSAGE_TERMINATE };

	contract_create(*state, "a", "one\n");
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const struct pawl_message with = { .kind = kinds[i], .instance = "a", .reason = "line 1\nline \"2\"" };
		const struct pawl_message without = { .kind = kinds[i], .instance = "a" };
		arrives(*state, &with);
		arrives(*state, &without);
	}
}

static void later_arrives(void **state)
{
	struct contract *c = *state;
	struct pawl_message start = { .kind = PAWL_MESSAGE_START, .instance = "b", .name = "greet", .delay_ms = 90061001 };
	struct pawl_message raise = contract_raise("a", "approved", "yes"), bad = contract_raise("a", "approved", "yes");

	contract_create(c, "a", "one\n");
	arrives(c, &start);
	raise.at_ns = 1795000000123456000;
	arrives(c, &raise);
	bad.delay_ms = -1;
	refuses(c, bad, PAWL_EINVALID, NULL);
	bad.delay_ms = 0;
	bad.at_ns = -1;
	refuses(c, bad, PAWL_EINVALID, NULL);
}

static void publish_arrives(void **state)
{
	static const char *const bad[] = { NULL, "", "/", "a//b", "a/+", "#", "a b" };
	struct contract *c = *state;
	struct pawl_message m = { .kind = PAWL_MESSAGE_PUBLISH, .name = "site/7/door", .data = "open", .len = 4 };

	arrives(c, &m);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		m.name = bad[i];
		refuses(c, m, PAWL_EINVALID, NULL);
	}
}

static void requeue_arrives(void **state)
{
	static const char *const bad[] = { NULL, "", "0", "x", "-1", "1.5", "7 ", "18446744073709551616" };
	struct contract *c = *state;
	struct pawl_message m = { .kind = PAWL_MESSAGE_REQUEUE, .instance = "a", .key = "7", .reason = "the disk is new" };

	contract_create(c, "a", "one\n");
	arrives(c, &m);
	m.reason = NULL;
	m.key = "18446744073709551615";
	arrives(c, &m);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		m.key = bad[i];
		refuses(c, m, PAWL_EINVALID, NULL);
	}
	m.key = "7";
	m.instance = "nobody";
	refuses(c, m, PAWL_ENOTFOUND, "nobody");
	m.instance = NULL;
	refuses(c, m, PAWL_EINVALID, NULL);
}

static void purge_arrives(void **state)
{
	const struct pawl_message m = { .kind = PAWL_MESSAGE_PURGE, .instance = "a" };

	contract_archived(*state, "a", "one\n");
	arrives(*state, &m);
}

/* ---- payloads ---- */

static void payload_arrives(void **state, const void *data, size_t len)
{
	const struct pawl_message raise = { .kind = PAWL_MESSAGE_RAISE, .instance = "a", .name = "e", .data = data, .len = len };
	const struct pawl_message start = { .kind = PAWL_MESSAGE_START, .instance = "b", .name = "t", .data = data, .len = len };

	contract_create(*state, "a", "one\n");
	arrives(*state, &raise);
	arrives(*state, &start);
}

static void payload_none(void **state)
{
	payload_arrives(state, NULL, 0);
}

static void payload_empty(void **state)
{
	payload_arrives(state, "", 0);
}

static void payload_binary(void **state)
{
	payload_arrives(state, "\0a\0\xff\r\n\"\\\0", 10);
}

static void payload_large(void **state)
{
	char *bytes = contract_bytes(KIB32, 9);

	payload_arrives(state, bytes, KIB32);
	free(bytes);
}

static void payload_limit(void **state)
{
	struct contract *c = *state;
	char bytes[1001] = { 0 };
	struct pawl_message raise = contract_raise("a", "e", NULL), start = contract_start("b");
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	raise.data = start.data = bytes;
	raise.len = start.len = sizeof(bytes);
	contract_fails(c->ops->send(c->p, &raise, &err), PAWL_ETOOBIG, &err, NULL);
	contract_fails(c->ops->send(c->p, &start, &err), PAWL_ETOOBIG, &err, NULL);
	contract_has_none(c->p, "b");
	raise.len = start.len = sizeof(bytes) - 1;
	contract_send(c->p, &raise);
	contract_send(c->p, &start);
	contract_receive(c, &inbox, 2);
	assert_int_equal(inbox.messages[0]->len, sizeof(bytes) - 1);
}

/* ---- refusals ---- */

static void nothing_came(struct contract *c, const char *ids)
{
	struct contract_inbox inbox;

	contract_scans(c->p, false, ids);
	contract_receive(c, &inbox, 0);
	contract_reopen(c);
	contract_scans(c->p, false, ids);
	contract_receive(c, &inbox, 0);
}

static void bad_instance_ids(void **state)
{
	struct contract *c = *state;

	for (size_t i = 0; i < contract_bad_name_count; i++) {
		const char *bad = contract_bad_names[i];
		refuses(c, contract_start(bad), PAWL_EINVALID, NULL);
		refuses(c, contract_raise(bad, "e", "x"), PAWL_EINVALID, NULL);
		refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_CANCEL, .instance = bad }, PAWL_EINVALID, NULL);
		refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_PURGE, .instance = bad }, PAWL_EINVALID, NULL);
	}
	nothing_came(c, "");
}

static void bad_names(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	for (size_t i = 0; i < contract_bad_name_count; i++) {
		const char *bad = contract_bad_names[i];
		refuses(c, contract_raise("a", bad, "x"), PAWL_EINVALID, NULL);
		refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_START, .instance = "b", .name = bad }, PAWL_EINVALID,
			NULL);
	}
	nothing_came(c, "a ");
}

/* These two may begin with anything. */
static void bad_versions_and_keys(void **state)
{
	static const char *const bad[] = { "", "../x", "a/b", "a b", "a\nb", "a\\b", "\xc3\xa4", "*",
		"01234567890123456789012345678901234567890123456789012345678901234" };
	struct contract *c = *state;
	struct pawl_message start = contract_start("b"), raise = contract_raise("a", "e", "x");

	contract_create(c, "a", "one\n");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		start.version = bad[i];
		refuses(c, start, PAWL_EINVALID, NULL);
		raise.key = bad[i];
		refuses(c, raise, PAWL_EINVALID, NULL);
	}
	nothing_came(c, "a ");
}

static void missing_names(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	refuses(c, contract_raise(NULL, "e", "x"), PAWL_EINVALID, NULL);
	refuses(c, contract_raise("a", NULL, "x"), PAWL_EINVALID, NULL);
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_START, .instance = "b" }, PAWL_EINVALID, NULL);
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_SUSPEND }, PAWL_EINVALID, NULL);
	refuses(c, (struct pawl_message){ .kind = (enum pawl_message_kind)99, .instance = "a" }, PAWL_EINVALID, NULL);
	nothing_came(c, "a ");
}

static void unknown_receiver(void **state)
{
	struct contract *c = *state;

	refuses(c, contract_raise("nobody", "e", "x"), PAWL_ENOTFOUND, "nobody");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_SUSPEND, .instance = "nobody" }, PAWL_ENOTFOUND, "nobody");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_TERMINATE, .instance = "nobody" }, PAWL_ENOTFOUND, "nobody");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_PURGE, .instance = "nobody" }, PAWL_ENOTFOUND, "nobody");
	nothing_came(c, "");
}

static void live_purge(void **state)
{
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_PURGE, .instance = "a" }, PAWL_ESTATE, "a");
	nothing_came(c, "a ");
}

static void ended_refuses(struct contract *c)
{
	refuses(c, contract_raise("a", "e", "x"), PAWL_ESTATE, "a");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_SUSPEND, .instance = "a" }, PAWL_ESTATE, "a");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_CANCEL, .instance = "a" }, PAWL_ESTATE, "a");
	refuses(c, (struct pawl_message){ .kind = PAWL_MESSAGE_REQUEUE, .instance = "a", .key = "2" }, PAWL_ESTATE, "a");
	refuses(c, contract_start("a"), PAWL_EEXISTS, "a");
}

static void archived_receiver(void **state)
{
	struct contract *c = *state;

	contract_archived(c, "a", "one\n");
	ended_refuses(c);
	contract_reopen(c);
	ended_refuses(c);
	nothing_came(c, "");
}

/* ---- START reserves ---- */

static void taken_ids(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	const struct pawl_message m = contract_start("pending");

	contract_create(c, "live", "one\n");
	contract_send(c->p, &m);
	refuses(c, contract_start("live"), PAWL_EEXISTS, "live");
	refuses(c, m, PAWL_EEXISTS, "pending");
	contract_reopen(c);
	refuses(c, contract_start("live"), PAWL_EEXISTS, "live");
	refuses(c, m, PAWL_EEXISTS, "pending");
	contract_receive(c, &inbox, 1);
}

static void reserved_for_others(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *first = contract_client(c), *second = contract_client(c);
	const struct pawl_message m = contract_start("a");
	struct pawl_error err = { 0 };

	contract_send(first, &m);
	contract_fails(second->ops->send(second, &m, &err), PAWL_EEXISTS, &err, "a");
	contract_fails(c->ops->send(c->p, &m, &err), PAWL_EEXISTS, &err, "a");
	contract_has_none(second, "a");
}

static void reserved_for_its_start(void **state)
{
	struct contract *c = *state;
	const struct pawl_message m = contract_start("a");
	struct pawl_record r = contract_first("a", "one\n");
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };

	contract_send(c->p, &m);
	contract_fails(contract_try(c, &r, 1, &err), PAWL_EEXISTS, &err, "a");
	contract_receive(c, &inbox, 1);
	contract_fails(contract_try(c, &r, 1, &err), PAWL_EEXISTS, &err, "a");
	r.start_token = inbox.messages[0]->token;
	contract_commit(c, &r, 1);
	contract_ack_all(c, &inbox);
	contract_fails(c->ops->send(c->p, &m, &err), PAWL_EEXISTS, &err, "a");
	contract_crash(c);
	contract_has_text(c->p, "a", 0, "one\n");
	contract_receive(c, &inbox, 0);
}

static void token_is_for_one_id(void **state)
{
	struct contract *c = *state;
	const struct pawl_message a = contract_start("a"), b = contract_start("b");
	struct pawl_record r = contract_first("b", "one\n");
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };

	contract_send(c->p, &a);
	contract_send(c->p, &b);
	contract_receive(c, &inbox, 2);
	size_t of_a = strcmp(inbox.messages[0]->instance, "a") == 0 ? 0 : 1;
	r.start_token = inbox.messages[of_a]->token;
	contract_fails(contract_try(c, &r, 1, &err), PAWL_EEXISTS, &err, "b");
	contract_has_none(c->p, "b");
}

static void commit_failed_keeps_reservation(void **state)
{
	struct contract *c = *state;
	const struct pawl_message m = contract_start("a");
	struct pawl_record records[] = { contract_first("a", "one\n"), contract_line("nobody", 1, 0, "x\n") };
	struct contract_inbox inbox;
	struct pawl_error err = { 0 };

	contract_send(c->p, &m);
	contract_receive(c, &inbox, 1);
	records[0].start_token = inbox.messages[0]->token;
	contract_fails(contract_try(c, records, 2, &err), PAWL_ENOTFOUND, &err, "nobody");
	contract_fails(c->ops->send(c->p, &m, &err), PAWL_EEXISTS, &err, "a");
	contract_commit(c, records, 1);
	contract_has_text(c->p, "a", 0, "one\n");
}

struct racer {
	struct pawl_provider *p;
	pthread_barrier_t *barrier;
	int rc[RACE_IDS];
};

static void *race(void *arg)
{
	struct racer *r = arg;
	char id[16];

	for (unsigned i = 0; i < RACE_IDS; i++) {
		snprintf(id, sizeof(id), "race%02u", i);
		const struct pawl_message m = contract_start(id);
		pthread_barrier_wait(r->barrier);
		r->rc[i] = r->p->ops->send(r->p, &m, NULL);
	}
	return NULL;
}

static void one_winner(void **state)
{
	struct contract *c = *state;
	pthread_barrier_t barrier;
	struct racer a = { contract_client(c), &barrier, { 0 } }, b = { contract_client(c), &barrier, { 0 } };
	struct contract_inbox inbox;
	pthread_t thread;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, race, &a), 0);
	race(&b);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
	for (size_t i = 0; i < RACE_IDS; i++) {
		assert_true(a.rc[i] == 0 || b.rc[i] == 0);
		assert_int_equal(a.rc[i] + b.rc[i], PAWL_EEXISTS);
	}
	contract_receive(c, &inbox, RACE_IDS);
}

static const struct CMUnitTest tests[] = {
	SPEC("send: a START arrives with all it says", start_arrives),
	SPEC("send: a START may leave the id to the runtime", start_without_id),
	SPEC("send: a RAISE arrives with all it says", raise_arrives),
	SPEC("send: a RAISE may follow the START that it is for", raise_to_reserved),
	SPEC("send: what is for later arrives with its delay or time", later_arrives),
	SPEC("send: PUBLISH arrives with its topic, for no instance", publish_arrives),
	SPEC("send: REQUEUE arrives with the number of the activity, and not without one", requeue_arrives),
	SPEC("send: SUSPEND, RESUME, CANCEL and TERMINATE arrive with and without a reason", control_arrives),
	SPEC("send: a PURGE arrives for an archived instance", purge_arrives),
	SPEC("send: no payload arrives as none", payload_none),
	SPEC("send: an empty payload arrives as an empty one", payload_empty),
	SPEC("send: a payload may hold any bytes", payload_binary),
	SPEC("send: a payload of 32 KiB", payload_large),
	SPEC_SETUP("send: a payload over the limit is refused, one at the limit is not", payload_limit,
		   contract_setup_small_messages),
	SPEC("send: bad instance ids are refused and nothing is created", bad_instance_ids),
	SPEC("send: bad event names and types are refused and nothing is created", bad_names),
	SPEC("send: bad versions and keys are refused and nothing is created", bad_versions_and_keys),
	SPEC("send: missing names and unknown kinds are refused", missing_names),
	SPEC("send: a message to an unknown instance is refused", unknown_receiver),
	SPEC("send: a PURGE of a live instance is refused", live_purge),
	SPEC("send: a message to an archived instance is refused", archived_receiver),
	SPEC("start: an id that is live or pending is taken, also after reopening", taken_ids),
	SPEC("start: the id is taken for everybody at once", reserved_for_others),
	SPEC("start: only the commit that answers it creates the instance", reserved_for_its_start),
	SPEC("start: it answers for its own id only", token_is_for_one_id),
	SPEC("start: a failed commit keeps the reservation", commit_failed_keeps_reservation),
	SPEC("start: of two senders at the same time exactly one wins", one_winner),
};

const struct contract_group contract_mailbox = CONTRACT_GROUP(tests);
