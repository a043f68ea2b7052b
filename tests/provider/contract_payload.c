/* contract_payload.c - payloads that lie beside the history: durable before the lines that name them. */
#include "contract_test.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)
#define RACE_LINES 100
#define RACE_BYTES ((size_t)40000)

static void reads_back(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_line("a", 1, 4, "see 1.input\n");
	const struct pawl_spill s = { "a", "1.input", "zero\0inside\n", 12 };

	contract_create(c, "a", "one\n");
	contract_commit_spill(c, &r, &s);
	contract_has_spill(c->p, "a", "1.input", "zero\0inside\n", 12);
	contract_crash(c);
	contract_has_spill(c->p, "a", "1.input", "zero\0inside\n", 12);
	contract_has_text(c->p, "a", 1, "one\nsee 1.input\n");
}

static void with_create(void **state)
{
	struct contract *c = *state;
	const struct pawl_record r = contract_first("a", "see 1.input\n");
	const struct pawl_spill s = { "a", "1.input", "big", 3 };

	contract_commit_spill(c, &r, &s);
	contract_crash(c);
	contract_has_spill(c->p, "a", "1.input", "big", 3);
}

static void empty_and_large(void **state)
{
	struct contract *c = *state;
	char *big = contract_bytes(MIB, 7);
	const struct pawl_record records[] = { contract_first("a", "a\n"), contract_first("b", "b\n") };
	const struct pawl_spill spills[] = { { "a", "empty", "", 0 }, { "a", "1.big-result_x+y", big, MIB },
		{ "b", "1.big-result_x+y", "other", 5 } };
	const struct pawl_batch batch = { records, 2, spills, 3 };
	struct pawl_error err = { 0 };

	assert_int_equal(contract_try_batch(c, &batch, &err), 0);
	contract_crash(c);
	contract_has_spill(c->p, "a", "empty", "", 0);
	contract_has_spill(c->p, "a", "1.big-result_x+y", big, MIB);
	contract_has_spill(c->p, "b", "1.big-result_x+y", "other", 5);
	free(big);
}

static void unknown_payload(void **state)
{
	struct contract *c = *state;
	struct pawl_error err = { 0 };
	char *bytes = NULL;
	size_t len = 0;

	contract_create(c, "a", "one\n");
	contract_fails(c->ops->read_spill(c->p, "a", "1.input", &bytes, &len, &err), PAWL_ENOTFOUND, &err, "1.input");
	contract_fails(c->ops->read_spill(c->p, "b", "1.input", &bytes, &len, &err), PAWL_ENOTFOUND, &err, "b");
	assert_null(bytes);
}

static void bad_names(void **state)
{
	static const char *const names[] = { "", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a\nb", "a b" };
	struct contract *c = *state;

	contract_create(c, "a", "one\n");
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct pawl_record r = contract_line("a", 1, 4, "x\n");
		const struct pawl_spill s = { "a", names[i], "x", 1 };
		const struct pawl_batch batch = { &r, 1, &s, 1 };
		struct pawl_error err = { 0 };
		char *bytes = NULL;
		size_t len = 0;
		contract_fails(contract_try_batch(c, &batch, &err), PAWL_EINVALID, &err, NULL);
		int rc = c->ops->read_spill(c->p, "a", names[i], &bytes, &len, &err);
		contract_fails(rc, 0, &err, NULL);
	}
	contract_has_text(c->p, "a", 1, "one\n");
}

static void batch_fails(void **state)
{
	struct contract *c = *state;
	const struct pawl_record bad = contract_line("a", 1, 9, "x\n"), good = contract_line("a", 1, 4, "x\n");
	const struct pawl_spill first = { "a", "1.input", "first", 5 }, second = { "a", "1.input", "second", 6 };
	const struct pawl_batch batch = { &bad, 1, &first, 1 };
	struct pawl_error err = { 0 };

	contract_create(c, "a", "one\n");
	contract_fails(contract_try_batch(c, &batch, &err), 0, &err, "a");
	contract_commit_spill(c, &good, &second);
	contract_crash(c);
	contract_has_spill(c->p, "a", "1.input", "second", 6);
}

static void archived_and_purged(void **state)
{
	struct contract *c = *state;
	struct pawl_record r = contract_first("a", "one\n");
	const struct pawl_spill s = { "a", "1.input", "big", 3 };
	struct pawl_error err = { 0 };
	char *bytes = NULL;
	size_t len = 0;

	r.end = true;
	contract_commit_spill(c, &r, &s);
	assert_int_equal(c->ops->archive(c->p, "a", &err), 0);
	contract_has_spill(c->p, "a", "1.input", "big", 3);
	contract_reopen(c);
	contract_has_spill(c->p, "a", "1.input", "big", 3);
	assert_int_equal(c->ops->purge(c->p, "a", &err), 0);
	contract_create(c, "a", "two\n");
	contract_fails(c->ops->read_spill(c->p, "a", "1.input", &bytes, &len, &err), PAWL_ENOTFOUND, &err, "1.input");
}

/* ---- a reader beside the owner ---- */

struct reader {
	struct pawl_provider *client;
	atomic_bool stop;
	unsigned lines, missing;
	const char *payload;
};

static bool has_payload(const struct reader *r, unsigned line)
{
	char name[32];
	char *bytes = NULL;
	size_t len = 0;

	snprintf(name, sizeof(name), "%u.result", line);
	if (r->client->ops->read_spill(r->client, "a", name, &bytes, &len, NULL) != 0)
		return false;
	bool equal = len == RACE_BYTES && memcmp(bytes, r->payload, len) == 0;
	free(bytes);
	return equal;
}

static unsigned count_lines(const struct reader *r)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t which;
	unsigned lines = 0;

	if (r->client->ops->read(r->client, "a", 1, &text, &len, &which, NULL) != 0)
		return 0;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

static void *read_along(void *arg)
{
	struct reader *r = arg;
	bool last = false;

	while (!last) {
		last = atomic_load(&r->stop);
		for (unsigned lines = count_lines(r); r->lines < lines; r->lines++)
			r->missing += !has_payload(r, r->lines);
		sched_yield();
	}
	return NULL;
}

static int commit_line(struct contract *c, unsigned line, const char *payload)
{
	char name[32], text[32];

	snprintf(name, sizeof(name), "%u.result", line);
	snprintf(text, sizeof(text), "line %06u\n", line);
	struct pawl_record r = line == 0 ? contract_first("a", text) : contract_line("a", 1, 12 * line, text);
	const struct pawl_spill s = { "a", name, payload, RACE_BYTES };
	const struct pawl_batch batch = { &r, 1, &s, 1 };
	int rc = contract_try_batch(c, &batch, NULL);
	(void)contract_maintain(c, true);
	return rc;
}

static void payload_before_line(void **state)
{
	struct contract *c = *state;
	char *payload = contract_bytes(RACE_BYTES, 3);
	struct reader r = { .client = contract_client(c), .payload = payload };
	pthread_t thread;
	int rc = 0;

	atomic_init(&r.stop, false);
	assert_int_equal(pthread_create(&thread, NULL, read_along, &r), 0);
	for (unsigned i = 0; i < RACE_LINES && rc == 0; i++)
		rc = commit_line(c, i, payload);
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	free(payload);
	assert_int_equal(rc, 0);
	assert_int_equal(r.missing, 0);
}

static const struct CMUnitTest tests[] = {
	SPEC("payload: it is read back byte for byte, also after a crash", reads_back),
	SPEC("payload: it may come with the batch that creates its instance", with_create),
	SPEC("payload: it may be empty or 1 MiB, and belongs to one instance", empty_and_large),
	SPEC("payload: an unknown one is not found", unknown_payload),
	SPEC("payload: bad names are refused", bad_names),
	SPEC("payload: after a failed batch the name can be used again", batch_fails),
	SPEC("payload: it is archived and purged with its instance", archived_and_purged),
	SPEC("payload: who sees a line can read the payload it names", payload_before_line),
};

const struct contract_group contract_payload = CONTRACT_GROUP(tests);
