/* contract_work.c - the work queue: offered once, claimed by one, finished or taken back. */
#include "contract_work.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- helpers ---- */

static const char carrier[] =
        "{\"key\":\"k/7\",\"instance\":\"a\",\"execution\":3,\"seq\":7,\"activity\":\"img/flash\",\"iteration\":2}\n";

struct pawl_work_item work_item(uint64_t seq)
{
	return (struct pawl_work_item){ .instance = "a",
		                        .activity = "img/flash",
		                        .key = "k/7",
		                        .execution = 3,
		                        .seq = seq,
		                        .attempt = 2,
		                        .priority = 5,
		                        .input = "in",
		                        .input_len = 2 };
}

void work_offer(struct contract *c, const struct pawl_work_item *item, char *id)
{
	struct pawl_error err = { 0 };
	char own[PAWL_WORK_ID_MAX + 1];

	if (c->ops->offer(c->p, item, id ? id : own, &err) != 0)
		fail_msg("offer: %s", err.text);
}

struct pawl_work_item *work_claim(struct pawl_provider *p, const char *worker)
{
	const struct pawl_work_wanted wanted = { .worker = worker };
	struct pawl_work_item *item = NULL;
	struct pawl_error err = { 0 };
	int rc = p->ops->claim(p, &wanted, &item, &err);

	if (rc != 0 && rc != PAWL_ENOTFOUND)
		fail_msg("claim: %s", err.text);
	return rc == 0 ? item : NULL;
}

void work_claims(struct pawl_provider *p, const char *worker, const char *id)
{
	struct pawl_work_item *item = work_claim(p, worker);

	if (!item)
		fail_msg("'%s' gets nothing instead of '%s'", worker, id);
	assert_string_equal(item->id, id);
	free(item);
}

void work_claims_nothing(struct pawl_provider *p, const char *worker)
{
	struct pawl_work_item *item = work_claim(p, worker);

	if (item)
		fail_msg("'%s' gets '%s' instead of nothing", worker, item->id);
}

struct found {
	const char *id;
	struct work_seen *seen;
	size_t count;
};

static int find(void *arg, const struct pawl_work_status *s)
{
	struct found *f = arg;
	struct work_seen *seen = f->seen;

	f->count++;
	if (f->id && strcmp(f->id, s->item.id) != 0)
		return 0;
	*seen = (struct work_seen){ .there = true,
		                    .state = s->state,
		                    .since_ns = s->since_ns,
		                    .beat_ns = s->beat_ns,
		                    .canceled = s->canceled,
		                    .code = s->code,
		                    .retry_after_ms = s->retry_after_ms,
		                    .execution = s->item.execution,
		                    .seq = s->item.seq,
		                    .attempt = s->item.attempt,
		                    .priority = s->item.priority,
		                    .has_output = s->output != NULL,
		                    .output_len = s->output_len };
	snprintf(seen->worker, sizeof(seen->worker), "%s", s->worker);
	snprintf(seen->instance, sizeof(seen->instance), "%s", s->item.instance);
	snprintf(seen->activity, sizeof(seen->activity), "%s", s->item.activity);
	snprintf(seen->key, sizeof(seen->key), "%s", s->item.key);
	snprintf(seen->message, sizeof(seen->message), "%s", s->message);
	if (s->output && s->output_len <= sizeof(seen->output))
		memcpy(seen->output, s->output, s->output_len);
	return 0;
}

struct work_seen work_look(struct pawl_provider *p, const char *id)
{
	struct work_seen seen = { .there = false };
	struct found f = { id, &seen, 0 };
	struct pawl_error err = { 0 };

	if (p->ops->each_work(p, true, NULL, find, &f, &err) != 0)
		fail_msg("each_work: %s", err.text);
	return seen;
}

size_t work_count(struct pawl_provider *p)
{
	struct work_seen seen;
	struct found f = { NULL, &seen, 0 };

	assert_int_equal(p->ops->each_work(p, false, NULL, find, &f, NULL), 0);
	return f.count;
}

static void finish(struct pawl_provider *p, const char *id, int code, const char *output, const char *message,
                   int64_t delay_ms)
{
	struct pawl_error err = { 0 };

	if (p->ops->finish(p, id, "w1", code, output, output ? strlen(output) : 0, message, delay_ms, &err) != 0)
		fail_msg("finish: %s", err.text);
}

int work_setup(void **state)
{
	int rc = contract_setup(state);

	if (rc == 0)
		contract_create(*state, "a", "one\n");
	return rc;
}

/* One item, claimed by w1. */
static void claimed(struct contract *c, char *id)
{
	const struct pawl_work_item item = work_item(7);

	work_offer(c, &item, id);
	work_claims(c->p, "w1", id);
}

/* ---- offer and claim ---- */

static void item_arrives(void **state)
{
	struct contract *c = *state;
	struct pawl_work_item item = work_item(7);
	char id[PAWL_WORK_ID_MAX + 1];

	item.carrier = carrier;
	work_offer(c, &item, id);
	struct pawl_work_item *got = work_claim(contract_client(c), "w1");
	assert_non_null(got);
	assert_string_equal(got->id, id);
	assert_string_equal(got->instance, "a");
	assert_string_equal(got->activity, "img/flash");
	assert_string_equal(got->key, "k/7");
	assert_null(got->tag);
	assert_null(got->session);
	assert_int_equal(got->execution, 3);
	assert_int_equal(got->seq, 7);
	assert_int_equal(got->attempt, 2);
	assert_int_equal(got->priority, 5);
	assert_int_equal(got->input_len, 2);
	assert_memory_equal(got->input, "in", 2);
	assert_string_equal(got->carrier, carrier);
	free(got);
}

static void input_none_or_empty(void **state)
{
	struct contract *c = *state;
	struct pawl_work_item none = work_item(1), empty = work_item(2);
	struct pawl_work_item *got;

	none.input = NULL;
	none.input_len = 0;
	empty.input_len = 0;
	work_offer(c, &none, NULL);
	got = work_claim(c->p, "w1");
	assert_null(got->input);
	free(got);
	work_offer(c, &empty, NULL);
	got = work_claim(c->p, "w1");
	assert_non_null(got->input);
	assert_int_equal(got->input_len, 0);
	free(got);
}

static void nothing_to_claim(void **state)
{
	struct contract *c = *state;
	const struct pawl_work_wanted wanted = { .worker = "w1" };
	struct pawl_work_item *item = NULL;
	struct pawl_error err = { 0 };

	contract_fails(c->ops->claim(c->p, &wanted, &item, &err), PAWL_ENOTFOUND, &err, "w1");
	work_claims_nothing(contract_client(c), "w1");
}

static void priority_then_age(void **state)
{
	struct contract *c = *state;
	char ids[4][PAWL_WORK_ID_MAX + 1];
	static const uint32_t priorities[4] = { 5, 5, 1, 9 };
	static const int order[4] = { 2, 0, 1, 3 };

	for (unsigned i = 0; i < 4; i++) {
		struct pawl_work_item item = work_item(i + 1);
		item.priority = priorities[i];
		item.activity = i % 2 ? "b" : "z";
		work_offer(c, &item, ids[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		work_claims(c->p, "w1", ids[order[i]]);
	work_claims_nothing(c->p, "w1");
}

static void newer_and_more_urgent_comes_first(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *w = contract_client(c);
	char first[PAWL_WORK_ID_MAX + 1], urgent[PAWL_WORK_ID_MAX + 1], rest[PAWL_WORK_ID_MAX + 1];
	struct pawl_work_item item = work_item(1);

	work_offer(c, &item, first);
	item.seq = 2;
	work_offer(c, &item, rest);
	poll(NULL, 0, 60);
	work_claims(w, "w1", first);
	item.seq = 3;
	item.priority = 1;
	work_offer(c, &item, urgent);
	work_claims(w, "w1", urgent);
	work_claims(w, "w1", rest);
}

static void only_what_is_wanted(void **state)
{
	struct contract *c = *state;
	const char *const activities[] = { "other", "img/flash", NULL }, *const others[] = { "other", NULL },
	                  *const tags[] = { "gpu", NULL };
	const struct pawl_work_wanted other = { .worker = "w1", .activities = others, .tags = tags };
	const struct pawl_work_wanted untagged = { .worker = "w1", .activities = activities };
	const struct pawl_work_wanted tagged = { .worker = "w1", .activities = activities, .tags = tags };
	struct pawl_work_item item = work_item(1), *got = NULL;

	item.tag = "gpu";
	work_offer(c, &item, NULL);
	assert_int_equal(c->ops->claim(c->p, &other, &got, NULL), PAWL_ENOTFOUND);
	assert_int_equal(c->ops->claim(c->p, &untagged, &got, NULL), PAWL_ENOTFOUND);
	assert_int_equal(c->ops->claim(c->p, &tagged, &got, NULL), 0);
	assert_string_equal(got->tag, "gpu");
	free(got);
	item.tag = NULL;
	work_offer(c, &item, NULL);
	assert_int_equal(c->ops->claim(c->p, &tagged, &got, NULL), 0);
	free(got);
}

static void bad_offers(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1];
	struct pawl_error err = { 0 };

	for (size_t i = 0; i < contract_bad_name_count; i++) {
		struct pawl_work_item item = work_item(1);
		item.instance = contract_bad_names[i];
		contract_fails(c->ops->offer(c->p, &item, id, &err), PAWL_EINVALID, &err, NULL);
		item = work_item(1);
		item.tag = contract_bad_names[i];
		if (strcmp(item.tag, "-x") != 0)
			contract_fails(c->ops->offer(c->p, &item, id, &err), PAWL_EINVALID, &err, NULL);
		assert_int_equal(c->ops->release(c->p, contract_bad_names[i], &err) < 0 ? PAWL_EINVALID : 0,
		                 c->ops->release(c->p, contract_bad_names[i], &err));
		assert_true(c->ops->finish(c->p, contract_bad_names[i], "w1", 0, NULL, 0, NULL, 0, NULL) < 0);
	}
	struct pawl_work_item item = work_item(1);
	item.priority = 0;
	assert_int_equal(c->ops->offer(c->p, &item, id, &err), PAWL_EINVALID);
	item = work_item(1);
	item.instance = "nobody";
	contract_fails(c->ops->offer(c->p, &item, id, &err), PAWL_ENOTFOUND, &err, "nobody");
	const struct pawl_work_wanted wanted = { .worker = "a/../b" };
	struct pawl_work_item *got;
	contract_fails(c->ops->claim(c->p, &wanted, &got, &err), PAWL_EINVALID, &err, "a/../b");
}

static void not_the_owner(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *client = contract_client(c), *reader = contract_open(c, true);
	const struct pawl_work_item item = work_item(1);
	char id[PAWL_WORK_ID_MAX + 1];
	const struct pawl_work_wanted wanted = { .worker = "w1" };
	struct pawl_work_item *got;

	assert_int_equal(c->ops->offer(client, &item, id, NULL), PAWL_ESTATE);
	work_offer(c, &item, id);
	assert_int_equal(c->ops->release(client, id, NULL), PAWL_ESTATE);
	assert_int_equal(c->ops->offer(reader, &item, id, NULL), PAWL_EROFS);
	assert_int_equal(c->ops->claim(reader, &wanted, &got, NULL), PAWL_EROFS);
	assert_true(work_look(reader, id).there);
}

/* ---- states ---- */

static void states_are_seen(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1];
	const struct pawl_work_item item = work_item(7);
	struct work_seen s;

	work_offer(c, &item, id);
	s = work_look(c->p, id);
	assert_true(s.there && s.state == PAWL_WORK_READY && s.since_ns > 0);
	assert_string_equal(s.worker, "");
	work_claims(c->p, "w1", id);
	s = work_look(contract_client(c), id);
	assert_true(s.state == PAWL_WORK_CLAIMED && s.beat_ns == 0 && !s.canceled);
	assert_string_equal(s.worker, "w1");
	finish(c->p, id, 0, "out", NULL, 0);
	s = work_look(c->p, id);
	assert_true(s.state == PAWL_WORK_DONE && s.since_ns > 0);
	assert_string_equal(s.worker, "w1");
	assert_string_equal(s.instance, "a");
	assert_string_equal(s.activity, "img/flash");
	assert_string_equal(s.key, "k/7");
	assert_true(s.execution == 3 && s.seq == 7 && s.attempt == 2 && s.priority == 5);
}

static void outcomes(void **state)
{
	static const struct {
		int code;
		const char *output, *message;
		int64_t delay_ms;
	} cases[] = { { 0, "a\nb\n", NULL, 0 },
		      { 0, NULL, NULL, 0 },
		      { 0, "", "fine", 0 },
		      { 76, "x", NULL, 0 },
		      { 75, NULL, "too hot", 90500 },
		      { 75, NULL, NULL, 0 },
		      { 100, NULL, "no such image", 0 },
		      { 3, NULL, NULL, 0 },
		      { 255, NULL, "line 1\nline 2", 0 } };
	struct contract *c = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char id[PAWL_WORK_ID_MAX + 1];
		claimed(c, id);
		finish(c->p, id, cases[i].code, cases[i].output, cases[i].message, cases[i].delay_ms);
		struct work_seen s = work_look(c->p, id);
		assert_int_equal(s.code, cases[i].code);
		assert_int_equal(s.has_output, cases[i].output != NULL);
		if (cases[i].output) {
			assert_int_equal(s.output_len, strlen(cases[i].output));
			assert_memory_equal(s.output, cases[i].output, s.output_len);
		}
		assert_string_equal(s.message, cases[i].message ? cases[i].message : "");
		assert_int_equal(s.retry_after_ms, cases[i].delay_ms);
		assert_int_equal(c->ops->release(c->p, id, NULL), 0);
	}
}

static void bad_codes(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1];

	claimed(c, id);
	assert_int_equal(c->ops->finish(c->p, id, "w1", 256, NULL, 0, NULL, 0, NULL), PAWL_EINVALID);
	assert_int_equal(c->ops->finish(c->p, id, "w1", -1, NULL, 0, NULL, 0, NULL), PAWL_EINVALID);
	assert_int_equal(work_look(c->p, id).state, PAWL_WORK_CLAIMED);
}

static void only_the_claimer(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1];
	struct pawl_error err = { 0 };

	claimed(c, id);
	contract_fails(c->ops->finish(c->p, id, "w2", 0, NULL, 0, NULL, 0, &err), PAWL_ENOTFOUND, &err, id);
	contract_fails(c->ops->renew(c->p, id, "w2", NULL, &err), PAWL_ENOTFOUND, &err, id);
	contract_fails(c->ops->give_back(c->p, id, "w2", &err), PAWL_ENOTFOUND, &err, id);
	finish(c->p, id, 0, NULL, NULL, 0);
	contract_fails(c->ops->finish(c->p, id, "w1", 0, NULL, 0, NULL, 0, &err), PAWL_ENOTFOUND, &err, id);
	contract_fails(c->ops->renew(c->p, id, "w1", NULL, &err), PAWL_ENOTFOUND, &err, id);
	contract_fails(c->ops->give_back(c->p, id, "w1", &err), PAWL_ENOTFOUND, &err, id);
	assert_int_equal(work_look(c->p, id).state, PAWL_WORK_DONE);
}

static void heartbeat_and_cancel(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1];
	struct pawl_error err = { 0 };

	claimed(c, id);
	assert_int_equal(c->ops->renew(c->p, id, "w1", NULL, NULL), 0);
	int64_t first = work_look(c->p, id).beat_ns;
	assert_true(first > 0);
	poll(NULL, 0, 30);
	assert_int_equal(c->ops->renew(c->p, id, "w1", "50% written", NULL), 0);
	int64_t second = work_look(c->p, id).beat_ns;
	assert_true(second > first);
	poll(NULL, 0, 30);
	assert_int_equal(c->ops->renew(c->p, id, "w1", NULL, NULL), 0);
	assert_true(work_look(c->p, id).beat_ns > second);
	assert_int_equal(c->ops->cancel_work(c->p, id, NULL), 0);
	assert_true(work_look(c->p, id).canceled);
	contract_fails(c->ops->renew(c->p, id, "w1", NULL, &err), PAWL_ECANCELED, &err, id);
	finish(c->p, id, 100, NULL, "stopped", 0);
	assert_int_equal(c->ops->release(c->p, id, NULL), 0);
	assert_int_equal(c->ops->cancel_work(c->p, id, NULL), PAWL_ENOTFOUND);
}

static void given_back(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *w = contract_client(c);
	char first[PAWL_WORK_ID_MAX + 1], second[PAWL_WORK_ID_MAX + 1];
	struct pawl_work_item item = work_item(1);

	work_offer(c, &item, first);
	item.seq = 2;
	work_offer(c, &item, second);
	poll(NULL, 0, 60);
	work_claims(w, "w1", first);
	assert_int_equal(c->ops->renew(w, first, "w1", "half", NULL), 0);
	assert_int_equal(c->ops->give_back(w, first, "w1", NULL), 0);
	assert_int_equal(work_look(c->p, first).state, PAWL_WORK_READY);
	assert_string_equal(work_look(c->p, first).worker, "");
	work_claims(w, "w2", first);
	assert_int_equal(work_look(c->p, first).beat_ns, 0);
	assert_int_equal(c->ops->renew(w, first, "w1", NULL, NULL), PAWL_ENOTFOUND);
}

static void released_in_every_state(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1];
	const struct pawl_work_item item = work_item(7);

	for (int i = 0; i < 3; i++) {
		work_offer(c, &item, id);
		if (i > 0)
			work_claims(c->p, "w1", id);
		if (i > 1)
			finish(c->p, id, 0, NULL, NULL, 0);
		assert_int_equal(c->ops->release(c->p, id, NULL), 0);
		assert_false(work_look(c->p, id).there);
		assert_int_equal(c->ops->release(c->p, id, NULL), 0);
		work_claims_nothing(c->p, "w1");
		assert_int_equal(c->ops->finish(c->p, id, "w1", 0, NULL, 0, NULL, 0, NULL), PAWL_ENOTFOUND);
		assert_int_equal(c->ops->renew(c->p, id, "w1", NULL, NULL), PAWL_ENOTFOUND);
		assert_int_equal(c->ops->give_back(c->p, id, "w1", NULL), PAWL_ENOTFOUND);
	}
}

static void offered_anew(void **state)
{
	struct contract *c = *state;
	char id[PAWL_WORK_ID_MAX + 1], again[PAWL_WORK_ID_MAX + 1];
	struct pawl_work_item item = work_item(7);

	claimed(c, id);
	assert_int_equal(c->ops->renew(c->p, id, "w1", "half", NULL), 0);
	assert_int_equal(c->ops->cancel_work(c->p, id, NULL), 0);
	finish(c->p, id, 0, "old", "old", 0);
	assert_int_equal(c->ops->release(c->p, id, NULL), 0);
	item.attempt = 3;
	item.input = NULL;
	item.input_len = 0;
	work_offer(c, &item, again);
	assert_true(strcmp(id, again) != 0);
	struct pawl_work_item *got = work_claim(c->p, "w1");
	assert_string_equal(got->id, again);
	assert_int_equal(got->attempt, 3);
	assert_null(got->input);
	free(got);
	struct work_seen s = work_look(c->p, again);
	assert_true(s.beat_ns == 0 && !s.canceled && s.attempt == 3);
	assert_int_equal(c->ops->renew(c->p, again, "w1", NULL, NULL), 0);
	finish(c->p, again, 0, NULL, NULL, 0);
	s = work_look(c->p, again);
	assert_false(s.has_output);
	assert_string_equal(s.message, "");
}

static void outlives_the_owner(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *w = contract_client(c);
	char ready[PAWL_WORK_ID_MAX + 1], taken[PAWL_WORK_ID_MAX + 1], later[PAWL_WORK_ID_MAX + 1];
	struct pawl_work_item item = work_item(1);

	work_offer(c, &item, taken);
	work_claims(w, "w1", taken);
	item.seq = 2;
	work_offer(c, &item, ready);
	contract_close(c);
	finish(w, taken, 0, "done meanwhile", NULL, 0);
	contract_acquire(c);
	assert_true(c->ops->work_changed(c->p));
	assert_int_equal(work_look(c->p, taken).state, PAWL_WORK_DONE);
	assert_memory_equal(work_look(c->p, taken).output, "done meanwhile", 14);
	assert_int_equal(work_look(c->p, ready).state, PAWL_WORK_READY);
	item.seq = 3;
	work_offer(c, &item, later);
	work_claims(w, "w1", ready);
	work_claims(w, "w1", later);
	assert_int_equal(c->ops->release(c->p, taken, NULL), 0);
	assert_int_equal(work_count(c->p), 2);
}

static int stop_at_second(void *arg, const struct pawl_work_status *s)
{
	int *n = arg;

	(void)s;
	return ++*n == 2 ? 42 : 0;
}

static int release_it(void *arg, const struct pawl_work_status *s)
{
	struct contract *c = arg;

	assert_int_equal(c->ops->release(c->p, s->item.id, NULL), 0);
	return s->item.instance[0] == 'a' ? 0 : -1;
}

static void looked_at_in_order(void **state)
{
	struct contract *c = *state;
	int n = 0;

	for (unsigned i = 0; i < 5; i++) {
		const struct pawl_work_item item = work_item(i + 1);
		work_offer(c, &item, NULL);
	}
	assert_int_equal(c->ops->each_work(c->p, true, NULL, stop_at_second, &n, NULL), 42);
	assert_int_equal(n, 2);
	assert_int_equal(c->ops->each_work(c->p, true, NULL, release_it, c, NULL), 0);
	assert_int_equal(work_count(c->p), 0);
}

static bool is_readable(struct contract *c)
{
	struct pollfd p = { .fd = c->ops->poll_fd(c->p), .events = POLLIN };

	return p.fd < 0 || poll(&p, 1, 2000) > 0;
}

static void drain(struct contract *c)
{
	struct contract_inbox inbox;

	contract_receive(c, &inbox, 0);
	(void)c->ops->work_changed(c->p);
}

static int no_message(void *arg, struct pawl_message *message)
{
	(void)arg;
	fail_msg("a message '%s' comes from nowhere", message->name ? message->name : "");
	return 0;
}

/* Without looking everywhere: what was noticed has to be enough. */
static bool has_changed(struct contract *c)
{
	int64_t again_ms = -1;

	assert_int_equal(c->ops->receive(c->p, false, no_message, NULL, &again_ms, NULL), 0);
	return c->ops->work_changed(c->p);
}

static void changes_are_told(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *w = contract_client(c);
	const struct pawl_work_item item = work_item(7);
	char id[PAWL_WORK_ID_MAX + 1];

	work_offer(c, &item, id);
	drain(c);
	assert_false(c->ops->work_changed(c->p));
	work_claims(w, "w1", id);
	assert_true(is_readable(c));
	assert_true(has_changed(c));
	drain(c);
	assert_int_equal(c->ops->give_back(w, id, "w1", NULL), 0);
	assert_true(is_readable(c));
	assert_true(has_changed(c));
	drain(c);
	work_claims(w, "w1", id);
	finish(w, id, 0, NULL, NULL, 0);
	assert_true(is_readable(c));
	assert_true(has_changed(c));
	drain(c);
	assert_int_equal(c->ops->release(c->p, id, NULL), 0);
	assert_false(c->ops->work_changed(c->p));
}

/* Nor the other way round: both are told of by one descriptor. */
static void asking_for_changes_takes_no_message(void **state)
{
	struct contract *c = *state;
	struct pawl_provider *w = contract_client(c);
	const struct pawl_work_item item = work_item(7);
	const struct pawl_message raise = contract_raise("a", "e", "x");
	struct contract_inbox inbox;
	char id[PAWL_WORK_ID_MAX + 1];

	work_offer(c, &item, id);
	drain(c);
	contract_send(w, &raise);
	work_claims(w, "w1", id);
	(void)c->ops->work_changed(c->p);
	assert_true(is_readable(c));
	contract_receive(c, &inbox, 1);
	contract_ack_all(c, &inbox);
	assert_int_equal(work_look(c->p, id).state, PAWL_WORK_CLAIMED);
}

static void work_dirs(void **state)
{
	struct contract *c = *state;
	char dir[4096];
	int rc = c->ops->work_dir(c->p, "a", 7, dir, sizeof(dir));

	if (rc != PAWL_EUNSUPPORTED) {
		assert_int_equal(rc, 0);
		assert_true(dir[0] == '/');
		assert_int_equal(c->ops->work_dir(c->p, "../b", 7, dir, sizeof(dir)), PAWL_EINVALID);
		assert_int_equal(c->ops->work_dir(c->p, "a", 7, dir, 4), PAWL_ETOOBIG);
	}
}

#define WORK_SPEC(text, fn) SPEC_SETUP(text, fn, work_setup)

static const struct CMUnitTest tests[] = {
	WORK_SPEC("work: an item arrives with all that was offered", item_arrives),
	WORK_SPEC("work: no input and an empty one are different", input_none_or_empty),
	WORK_SPEC("work: an empty queue gives nothing", nothing_to_claim),
	WORK_SPEC("work: priority comes before age, over all queues", priority_then_age),
	WORK_SPEC("work: what is more urgent comes first, also after a look", newer_and_more_urgent_comes_first),
	WORK_SPEC("work: activities and tags are matched", only_what_is_wanted),
	WORK_SPEC("work: what is not valid is refused", bad_offers),
	WORK_SPEC("work: only the owner offers, a reader changes nothing", not_the_owner),
	WORK_SPEC("work: ready, claimed and done are seen by everybody", states_are_seen),
	WORK_SPEC("work: an outcome arrives as it was told", outcomes),
	WORK_SPEC("work: codes are 0 to 255", bad_codes),
	WORK_SPEC("work: only who claimed it can renew, finish and give back", only_the_claimer),
	WORK_SPEC("work: heartbeats are seen, a cancel reaches the worker", heartbeat_and_cancel),
	WORK_SPEC("work: what is given back is as if never claimed", given_back),
	WORK_SPEC("work: released in every state, and then nobody's", released_in_every_state),
	WORK_SPEC("work: a new offer knows nothing of the last attempt", offered_anew),
	WORK_SPEC("work: items outlive the owner, workers go on meanwhile", outlives_the_owner),
	WORK_SPEC("work: a look stops when it is told to, and items may be released in it", looked_at_in_order),
	WORK_SPEC("work: claims, finishes and give-backs are told to the owner", changes_are_told),
	WORK_SPEC("work: asking for changes takes no message", asking_for_changes_takes_no_message),
	WORK_SPEC("work: a work directory is absolute, or there are none", work_dirs),
};
const struct contract_group contract_work = CONTRACT_GROUP(tests);
