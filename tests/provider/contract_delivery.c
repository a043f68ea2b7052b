/* contract_delivery.c - receiving: each message once, again after a restart until it is acked (I2), in order. */
#include "contract_test.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ORDERED 60
#define SENDERS 3
#define EACH 40
#define POLL_MS 5000

static void raise_numbered(struct pawl_provider *p, const char *id, const char *event, unsigned n)
{
	char payload[16];

	snprintf(payload, sizeof(payload), "%u", n);
	const struct pawl_message m = contract_raise(id, event, payload);
	contract_send(p, &m);
}

static void raise_some(struct contract *c, unsigned count)
{
	contract_create(c, "a", "one\n");
	for (unsigned i = 0; i < count; i++)
		raise_numbered(c->p, "a", "e", i);
}

static void payload_is(const struct pawl_message *m, const char *text)
{
	assert_int_equal(m->len, strlen(text));
	assert_memory_equal(m->data, text, m->len);
}

static void durable_on_return(void **state)
{
	struct contract *c = *state;
	const struct pawl_message start = contract_start("b");
	struct contract_inbox inbox;

	raise_some(c, 1);
	contract_send(c->p, &start);
	contract_crash(c);
	contract_receive(c, &inbox, 2);
}

static void sent_without_owner(void **state)
{
	struct contract *c = *state;
	const struct pawl_message start = contract_start("b");
	struct contract_inbox inbox;

	contract_create(c, "a", "one\n");
	contract_close(c);
	struct pawl_provider *client = contract_client(c);
	raise_numbered(client, "a", "e", 1);
	contract_send(client, &start);
	contract_close_clients(c);
	contract_acquire(c);
	contract_receive(c, &inbox, 2);
}

static void only_once(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox, more;

	raise_some(c, 3);
	contract_receive(c, &inbox, 3);
	contract_receive(c, &more, 0);
	raise_numbered(c->p, "a", "e", 9);
	contract_receive(c, &more, 1);
	payload_is(more.messages[0], "9");
	payload_is(inbox.messages[0], "0"); /* its memory lives until it is acked */
	contract_ack_all(c, &inbox);
	contract_receive(c, &more, 0);
}

static void keep_id(char *out, size_t size, const struct pawl_message *m)
{
	assert_true(strlen(m->id) < size);
	memcpy(out, m->id, strlen(m->id) + 1);
}

static void again_with_same_id(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	char ids[3][256];

	raise_some(c, 3);
	contract_receive(c, &inbox, 3);
	for (size_t i = 0; i < 3; i++)
		keep_id(ids[i], sizeof(ids[i]), inbox.messages[i]);
	for (int round = 0; round < 3; round++) {
		if (round == 1)
			contract_crash(c);
		else
			contract_reopen(c);
		contract_receive(c, &inbox, 3);
		for (size_t i = 0; i < 3; i++)
			assert_string_equal(inbox.messages[i]->id, ids[i]);
	}
	contract_ack_all(c, &inbox);
}

static void ids_differ(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	char first[256];

	raise_some(c, 20);
	contract_receive(c, &inbox, 20);
	for (size_t i = 0; i < inbox.count; i++) {
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(inbox.messages[i]->id, inbox.messages[k]->id);
	}
	keep_id(first, sizeof(first), inbox.messages[19]);
	contract_ack_all(c, &inbox);
	contract_reopen(c);
	raise_numbered(c->p, "a", "e", 0);
	contract_receive(c, &inbox, 1);
	assert_string_not_equal(inbox.messages[0]->id, first);
}

static void acked_is_gone(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;

	raise_some(c, 3);
	contract_receive(c, &inbox, 3);
	c->ops->ack(c->p, inbox.messages[1]->token);
	contract_reopen(c);
	contract_receive(c, &inbox, 2);
	payload_is(inbox.messages[0], "0");
	payload_is(inbox.messages[1], "2");
	contract_ack_all(c, &inbox);
	contract_reopen(c);
	contract_receive(c, &inbox, 0);
}

static void rejected_is_kept_aside(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	struct pawl_provider_stats before = { 0 }, after = { 0 };

	raise_some(c, 2);
	contract_receive(c, &inbox, 2);
	c->ops->stats(c->p, &before);
	c->ops->reject(c->p, inbox.messages[0]->token, "nobody waits for 'e'");
	c->ops->stats(c->p, &after);
	assert_int_equal(after.rejected, before.rejected + 1);
	contract_reopen(c);
	contract_receive(c, &inbox, 1);
	payload_is(inbox.messages[0], "1");
}

static int is_for_a(void *arg, struct pawl_message *message)
{
	struct contract *c = arg;

	if (message->kind != PAWL_MESSAGE_START || strcmp(message->instance, "a") != 0)
		return PAWL_EBUG;
	c->ops->ack(c->p, message->token);
	return 0;
}

/* It may come again, for the owner to drop, or the provider knows that its instance is there. */
static void start_already_answered(void **state)
{
	struct contract *c = *state;
	const struct pawl_message m = contract_start("a");
	struct pawl_record r = contract_first("a", "one\n");
	struct contract_inbox inbox;

	contract_send(c->p, &m);
	contract_receive(c, &inbox, 1);
	r.start_token = inbox.messages[0]->token;
	contract_commit(c, &r, 1);
	for (int i = 0; i < 2; i++) {
		int64_t again_ms = -1;
		struct pawl_error err = { 0 };
		contract_crash(c);
		assert_int_equal(c->ops->receive(c->p, true, is_for_a, c, &again_ms, &err), 0);
		contract_has_text(c->p, "a", 0, "one\n");
	}
	contract_receive(c, &inbox, 0);
	contract_has_text(c->p, "a", 0, "one\n");
}

/* ---- order ---- */

/* Numbers of one instance and event must rise. */
static void in_order(const struct contract_inbox *inbox, const char *id, const char *event, unsigned count)
{
	char want[16];
	unsigned n = 0;

	for (size_t i = 0; i < inbox->count; i++) {
		const struct pawl_message *m = inbox->messages[i];
		if (strcmp(m->instance, id) != 0 || strcmp(m->name, event) != 0)
			continue;
		snprintf(want, sizeof(want), "%u", n++);
		payload_is(m, want);
	}
	assert_int_equal(n, count);
}

static void all_in_order(struct contract *c, struct contract_inbox *inbox)
{
	contract_receive(c, inbox, 4 * ORDERED);
	in_order(inbox, "a", "e", ORDERED);
	in_order(inbox, "a", "f", ORDERED);
	in_order(inbox, "b", "e", ORDERED);
	in_order(inbox, "b", "f", ORDERED);
}

static void fifo(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;
	struct pawl_provider *client = contract_client(c);

	contract_create(c, "a", "one\n");
	contract_create(c, "b", "one\n");
	for (unsigned i = 0; i < ORDERED; i++) {
		raise_numbered(client, "a", "e", i);
		raise_numbered(client, "b", "f", i);
		raise_numbered(client, "b", "e", i);
		raise_numbered(client, "a", "f", i);
	}
	all_in_order(c, &inbox);
	contract_crash(c);
	all_in_order(c, &inbox);
}

struct sender {
	struct pawl_provider *p;
	char event[8];
	int rc;
};

static void *send_many(void *arg)
{
	struct sender *s = arg;
	char payload[16];

	for (unsigned i = 0; i < EACH && s->rc == 0; i++) {
		snprintf(payload, sizeof(payload), "%u", i);
		const struct pawl_message m = contract_raise("a", s->event, payload);
		s->rc = s->p->ops->send(s->p, &m, NULL);
	}
	return NULL;
}

static void many_senders(void **state)
{
	struct contract *c = *state;
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	struct contract_inbox inbox;

	contract_create(c, "a", "one\n");
	for (size_t i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ .p = contract_client(c), .event = { 'e', (char)('0' + i) } };
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
	}
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	contract_receive(c, &inbox, SENDERS * EACH);
	for (size_t i = 0; i < SENDERS; i++) {
		assert_int_equal(senders[i].rc, 0);
		in_order(&inbox, "a", senders[i].event, EACH);
	}
}

/* ---- noticing ---- */

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static int poll_fd_of(struct contract *c)
{
	int fd = c->ops->poll_fd(c->p);

	if (fd < 0)
		skip();
	return fd;
}

static int count_message(void *arg, struct pawl_message *message)
{
	(void)message;
	++*(unsigned *)arg;
	return 0;
}

/* Without a rescan, whenever the descriptor says so. */
static unsigned receive_noticed(struct contract *c, int fd, unsigned want)
{
	unsigned count = 0;

	while (count < want && is_readable(fd, POLL_MS)) {
		int64_t again_ms = -1;
		struct pawl_error err = { 0 };
		if (c->ops->receive(c->p, false, count_message, &count, &again_ms, &err) != 0)
			fail_msg("receive: %s", err.text);
	}
	return count;
}

static void poll_fd_tells(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *client = contract_client(c);
	int fd = poll_fd_of(c);

	contract_create(c, "a", "one\n");
	c->ops->attend(c->p, "a", true);
	assert_int_equal(receive_noticed(c, fd, 0), 0);
	const struct pawl_message start = contract_start("b");
	contract_send(client, &start);
	assert_int_equal(receive_noticed(c, fd, 1), 1);
	raise_numbered(client, "a", "e", 1);
	assert_int_equal(receive_noticed(c, fd, 1), 1);
}

static void poll_fd_rests(void **state)
{
	struct contract *c = *state;
	int fd = poll_fd_of(c);
	struct contract_inbox inbox;

	raise_some(c, 3);
	contract_receive(c, &inbox, 3);
	for (int i = 0; i < 10 && is_readable(fd, 0); i++)
		contract_receive(c, &inbox, 0);
	assert_false(is_readable(fd, 50));
}

static void unattended_is_found(void **state)
{
	struct contract *c = *state;
	struct contract_inbox inbox;

	contract_create(c, "a", "one\n");
	c->ops->attend(c->p, "a", true);
	c->ops->attend(c->p, "a", false);
	c->ops->attend(c->p, "nobody", false);
	raise_numbered(c->p, "a", "e", 0);
	contract_receive(c, &inbox, 1);
}

static const struct CMUnitTest tests[] = {
	SPEC("receive: what send has returned for survives a crash", durable_on_return),
	SPEC("receive: what was sent while nobody owned the hub comes to the next owner", sent_without_owner),
	SPEC("receive: each message is given once, and its memory lives until the ack", only_once),
	SPEC("receive: what is not acked comes again after reopening, with the same id", again_with_same_id),
	SPEC("receive: different messages have different ids", ids_differ),
	SPEC("receive: what is acked is gone for good", acked_is_gone),
	SPEC("receive: what is rejected is counted and not given again", rejected_is_kept_aside),
	SPEC("receive: a START that was answered but not acked does no harm", start_already_answered),
	SPEC("receive: one sender's events come in order for each instance and name, also after a crash", fifo),
	SPEC("receive: several senders at the same time lose nothing and keep their order", many_senders),
	SPEC("receive: the descriptor tells of a START and of an event to an attended instance", poll_fd_tells),
	SPEC("receive: the descriptor rests when everything was given", poll_fd_rests),
	SPEC("receive: a rescan finds messages to instances without attention", unattended_is_found),
};

const struct contract_group contract_delivery = CONTRACT_GROUP(tests);
