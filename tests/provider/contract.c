/* contract.c - runs the suite, and the helpers of its tests. */
#define CONTRACT_HELPERS
#include "contract_test.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECEIVE_PATIENCE_MS 5000
#define SMALL_JOURNAL_BYTES ((uint64_t)64 * 1024)
#define SMALL_MESSAGE_BYTES 1000
#define MAINTAIN_MAX 100000

static const struct contract_target *target_now;
static const char *file_now = "";
static int line_now;

/* Like cmocka's, but it tells where the test called the helper. */
#define FAIL(...) do { \
		print_error("%s:%d: ", file_now, line_now); \
		fail_msg(__VA_ARGS__); \
	} while (0)

/* ---- the suite ---- */

static const struct contract_group *const groups[] = { &contract_log, &contract_payload, &contract_durable,
	&contract_mailbox, &contract_delivery, &contract_admin, &contract_owner, &contract_model, &contract_work, &contract_workers, &contract_import, &contract_revive, &contract_retention };

int pawl_provider_contract(const struct contract_target *target)
{
	size_t count = 0, n = 0;

	for (size_t i = 0; i < COUNT_OF(groups); i++)
		count += groups[i]->count;
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	if (!tests)
		return 1;
	for (size_t i = 0; i < COUNT_OF(groups); i++) {
		memcpy(tests + n, groups[i]->tests, groups[i]->count * sizeof(*tests));
		n += groups[i]->count;
	}
	target_now = target;
	int failed = _cmocka_run_group_tests(target->name, tests, count, NULL, NULL);
	free(tests);
	return failed;
}

void pawl_provider_contract_filter(const char *pattern)
{
	cmocka_set_test_filter(pattern);
}

/* ---- set up and tear down ---- */

static int setup(void **state, uint64_t journal_bytes, uint64_t message_bytes_max)
{
	struct contract *c = calloc(1, sizeof(*c));

	if (!c)
		return -1;
	*state = c;
	c->target = target_now;
	c->ops = target_now->ops;
	if (c->target->fresh(c->target->arg, c->hub, sizeof(c->hub)) != 0)
		return -1;
	c->options.hub = c->hub;
	c->options.create = true;
	c->options.journal_bytes = journal_bytes;
	c->options.message_bytes_max = message_bytes_max;
	if (c->target->configure)
		c->target->configure(c->target->arg, &c->options);
	contract_acquire(c);
	c->options.create = false;
	return 0;
}

int contract_setup(void **state)
{
	return setup(state, 0, 0);
}

int contract_setup_small_journal(void **state)
{
	return setup(state, SMALL_JOURNAL_BYTES, 0);
}

int contract_setup_small_messages(void **state)
{
	return setup(state, 0, SMALL_MESSAGE_BYTES);
}

int contract_teardown(void **state)
{
	struct contract *c = *state;

	contract_close_clients(c);
	contract_close(c);
	if (c->target->drop)
		c->target->drop(c->target->arg, c->hub);
	free(c);
	return 0;
}

void contract_at(const char *file, int line)
{
	file_now = file;
	line_now = line;
}

static void succeeds(int rc, const struct pawl_error *err, const char *what)
{
	if (rc != 0)
		FAIL("%s: %s (%d)", what, err->text, rc);
}

struct pawl_provider *contract_open(struct contract *c, bool read_only)
{
	struct pawl_provider_options options = c->options;
	struct pawl_error err = { 0 };
	struct pawl_provider *p = NULL;

	assert_true(c->client_count < CLIENTS_MAX);
	options.read_only = read_only;
	succeeds(c->ops->open(&options, &p, &err), &err, "open");
	assert_non_null(p);
	assert_ptr_equal(p->ops, c->ops);
	c->clients[c->client_count++] = p;
	return p;
}

void contract_close_clients(struct contract *c)
{
	while (c->client_count > 0)
		c->ops->close(c->clients[--c->client_count]);
}

void contract_acquire(struct contract *c)
{
	struct pawl_error err = { 0 };

	succeeds(c->ops->open(&c->options, &c->p, &err), &err, "open");
	assert_non_null(c->p);
	succeeds(c->ops->acquire(c->p, &err), &err, "acquire");
}

void contract_close(struct contract *c)
{
	if (c->p)
		c->ops->close(c->p);
	c->p = NULL;
}

void contract_reopen(struct contract *c)
{
	contract_close(c);
	contract_acquire(c);
}

void contract_crash_only(struct contract *c)
{
	struct pawl_provider *p = c->p;

	c->p = NULL;
	if (c->target->crash)
		assert_int_equal(c->target->crash(c->target->arg, p, c->hub), 0);
	else
		c->ops->close(p);
}

void contract_crash(struct contract *c)
{
	contract_crash_only(c);
	contract_acquire(c);
}

bool contract_maintain(struct contract *c, bool idle)
{
	struct pawl_error err = { 0 };
	struct pawl_job *job = NULL;
	int rc = c->ops->maintain(c->p, idle, &job, &err);

	if (rc < 0)
		succeeds(rc, &err, "maintain");
	if (job) {
		(void)job->run(job);
		succeeds(job->end(job, &err), &err, "end of maintenance");
	}
	return rc > 0 || job;
}

void contract_settle(struct contract *c)
{
	for (int i = 0; i < MAINTAIN_MAX; i++) {
		if (!contract_maintain(c, true))
			return;
	}
	FAIL("maintenance of '%s' never ends", c->hub);
}

/* ---- commits ---- */

struct pawl_record contract_line(const char *id, uint64_t execution, uint64_t offset, const char *text)
{
	return (struct pawl_record){ id, execution, offset, text, strlen(text), false, false, NULL };
}

struct pawl_record contract_first(const char *id, const char *text)
{
	return (struct pawl_record){ id, 1, 0, text, strlen(text), true, false, NULL };
}

struct pawl_record contract_last(const char *id, uint64_t execution, uint64_t offset, const char *text)
{
	return (struct pawl_record){ id, execution, offset, text, strlen(text), false, true, NULL };
}

int contract_try_batch(struct contract *c, const struct pawl_batch *batch, struct pawl_error *err)
{
	int rc = pawl_provider_commit(c->p, batch, err);

	for (int i = 0; i < MAINTAIN_MAX && rc == PAWL_EBUSY; i++) {
		(void)contract_maintain(c, false);
		rc = pawl_provider_commit(c->p, batch, err);
	}
	return rc;
}

int contract_try(struct contract *c, const struct pawl_record *records, size_t count, struct pawl_error *err)
{
	struct pawl_batch batch = { records, count, NULL, 0 };

	return contract_try_batch(c, &batch, err);
}

void contract_commit(struct contract *c, const struct pawl_record *records, size_t count)
{
	struct pawl_error err = { 0 };

	succeeds(contract_try(c, records, count, &err), &err, "commit");
}

void contract_commit_spill(struct contract *c, const struct pawl_record *record, const struct pawl_spill *spill)
{
	struct pawl_batch batch = { record, 1, spill, 1 };
	struct pawl_error err = { 0 };

	succeeds(contract_try_batch(c, &batch, &err), &err, "commit with a payload");
}

void contract_create(struct contract *c, const char *id, const char *text)
{
	struct pawl_record r = contract_first(id, text);

	contract_commit(c, &r, 1);
}

void contract_archived(struct contract *c, const char *id, const char *text)
{
	struct pawl_record r = contract_first(id, text);
	struct pawl_error err = { 0 };

	r.end = true;
	contract_commit(c, &r, 1);
	succeeds(c->ops->archive(c->p, id, &err), &err, "archive");
}

/* ---- what is there ---- */

void contract_has(struct pawl_provider *p, const char *id, uint64_t execution, const void *data, size_t len)
{
	struct pawl_error err = { 0 };
	char *bytes = NULL;
	size_t n = 0;
	uint64_t which = 0;
	int rc = p->ops->read(p, id, execution, &bytes, &n, &which, &err);

	if (rc != 0)
		FAIL("read of '%s' execution %llu: %s", id, (unsigned long long)execution, err.text);
	bool equal = n == len && memcmp(bytes, data, len) == 0 && bytes[n] == '\0';
	free(bytes);
	if (!equal)
		FAIL("'%s' execution %llu has %zu bytes that are not the %zu expected", id,
			 (unsigned long long)execution, n, len);
	if (execution != 0)
		assert_int_equal(which, execution);
}

void contract_has_text(struct pawl_provider *p, const char *id, uint64_t execution, const char *text)
{
	contract_has(p, id, execution, text, strlen(text));
}

void contract_has_none(struct pawl_provider *p, const char *id)
{
	struct pawl_error err = { 0 };
	char *bytes = NULL;
	size_t len = 0;
	uint64_t which = 0;
	int rc = p->ops->read(p, id, 0, &bytes, &len, &which, &err);

	free(rc == 0 ? bytes : NULL);
	if (rc == 0)
		assert_int_equal(len, 0);
	else
		contract_fails(rc, PAWL_ENOTFOUND, &err, id);
}

void contract_has_spill(struct pawl_provider *p, const char *id, const char *name, const void *data, size_t len)
{
	struct pawl_error err = { 0 };
	char *bytes = NULL;
	size_t n = 0;
	int rc = p->ops->read_spill(p, id, name, &bytes, &n, &err);

	if (rc != 0)
		FAIL("read of payload '%s' of '%s': %s", name, id, err.text);
	bool equal = n == len && memcmp(bytes, data, len) == 0;
	free(bytes);
	if (!equal)
		FAIL("payload '%s' of '%s' has %zu bytes that are not the %zu expected", name, id, n, len);
}

struct id_text {
	char *text;
	size_t len;
};

static int add_id(void *arg, const char *id)
{
	struct id_text *list = arg;
	size_t len = strlen(id);
	char *text = realloc(list->text, list->len + len + 2);

	if (!text)
		return PAWL_ENOMEM;
	memcpy(text + list->len, id, len);
	memcpy(text + list->len + len, " ", 2);
	list->text = text;
	list->len += len + 1;
	return 0;
}

void contract_scans(struct pawl_provider *p, bool archived, const char *ids)
{
	struct id_text list = { calloc(1, 1), 0 };
	struct pawl_error err = { 0 };

	succeeds(p->ops->scan(p, archived, add_id, &list, &err), &err, "scan");
	bool equal = strcmp(list.text, ids) == 0;
	if (!equal)
		print_error("scan gives '%s'\n", list.text);
	free(list.text);
	if (!equal)
		FAIL("scan should give '%s'", ids);
}

void contract_fails(int rc, int want, const struct pawl_error *err, const char *subject)
{
	if (want ? rc != want : rc >= 0)
		FAIL("%s instead of %s (%s)", pawl_error_name(rc), want ? pawl_error_name(want) : "a failure",
		     rc < 0 ? err->text : "");
	if (err->code != rc || err->text[0] == '\0')
		FAIL("%s without the same code and a text in the error", pawl_error_name(rc));
	if (subject && !strstr(err->text, subject))
		FAIL("'%s' does not name '%s'", err->text, subject);
}

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

const char *const contract_bad_names[] = { "", ".", "..", "../x", "x/../y", "a//b", "/etc/passwd", "a/", ".hidden", "-x", "a b",
	"a\nb", "a\x7f", "a\\b", "\xc3\xa4", "a*", HUNDRED TEN TEN "123456789" };
const size_t contract_bad_name_count = COUNT_OF(contract_bad_names);

/* ---- messages ---- */

struct pawl_message contract_start(const char *id)
{
	return (struct pawl_message){ .kind = PAWL_MESSAGE_START, .instance = id, .name = "greet" };
}

struct pawl_message contract_raise(const char *id, const char *event, const char *payload)
{
	return (struct pawl_message){ .kind = PAWL_MESSAGE_RAISE, .instance = id, .name = event, .data = payload,
		.len = payload ? strlen(payload) : 0 };
}

void contract_send(struct pawl_provider *p, const struct pawl_message *message)
{
	struct pawl_error err = { 0 };

	succeeds(p->ops->send(p, message, &err), &err, "send");
}

static int keep_message(void *arg, struct pawl_message *message)
{
	struct contract_inbox *inbox = arg;

	if (inbox->count == INBOX_MAX)
		return PAWL_ETOOBIG;
	inbox->messages[inbox->count++] = message;
	return 0;
}

static void sleep_ms(int64_t ms)
{
	struct timespec ts = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000L };

	nanosleep(&ts, NULL);
}

/* One look more than needed, so that a message given twice is noticed. */
void contract_receive(struct contract *c, struct contract_inbox *inbox, size_t want)
{
	int64_t waited_ms = 0;
	bool again = true;

	inbox->count = 0;
	while (again) {
		int64_t again_ms = -1;
		struct pawl_error err = { 0 };
		again = inbox->count < want && waited_ms < RECEIVE_PATIENCE_MS;
		succeeds(c->ops->receive(c->p, true, keep_message, inbox, &again_ms, &err), &err, "receive");
		if (again && inbox->count < want) {
			int64_t pause_ms = again_ms >= 0 && again_ms < 20 ? again_ms + 1 : 20;
			sleep_ms(pause_ms);
			waited_ms += pause_ms;
		}
	}
	if (inbox->count != want)
		FAIL("%zu messages were received instead of %zu", inbox->count, want);
}

void contract_ack_all(struct contract *c, const struct contract_inbox *inbox)
{
	for (size_t i = 0; i < inbox->count; i++)
		c->ops->ack(c->p, inbox->messages[i]->token);
}

/* ---- bytes ---- */

uint64_t contract_random(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

char *contract_bytes(size_t len, uint64_t seed)
{
	char *bytes = malloc(len + 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)('!' + contract_random(&seed) % 90);
	if (len > 0)
		bytes[len - 1] = '\n';
	bytes[len] = '\0';
	return bytes;
}
