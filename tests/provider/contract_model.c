/* contract_model.c - random commits, failures, endings, purges, maintenance and crashes against a model in memory. The
 * seed is printed when it fails. */
#include "contract_test.h"
#include <stdio.h>
#include <stdlib.h>

#define INSTANCES 20
#define EXECUTIONS 3
#define BATCH_MAX 8
#define STEPS 400
#define SHORT_BYTES 300
#define LONG_BYTES 20000

enum state { ABSENT, LIVE, ENDED, ARCHIVED };

struct bytes {
	char *data;
	size_t len, cap;
};

struct model_instance {
	char id[8];
	enum state state;
	size_t execution; /* the newest */
	struct bytes executions[EXECUTIONS];
	bool in_batch;
};

/* What a refused batch has to be taken back to; bytes are only ever appended. */
struct mark {
	enum state state;
	size_t execution, len[EXECUTIONS];
};

struct model {
	struct contract *c;
	uint64_t seed, first_seed;
	struct model_instance instances[INSTANCES];
	struct mark marks[INSTANCES];
	struct pawl_record records[BATCH_MAX];
	char *lines[BATCH_MAX];
	size_t record_count;
};

static size_t below(struct model *m, size_t limit)
{
	return (size_t)(contract_random(&m->seed) % limit);
}

static void set_marks(struct model *m)
{
	for (size_t i = 0; i < INSTANCES; i++) {
		const struct model_instance *in = &m->instances[i];
		m->marks[i] = (struct mark){ in->state, in->execution, { 0 } };
		for (size_t k = 0; k < EXECUTIONS; k++)
			m->marks[i].len[k] = in->executions[k].len;
	}
}

static void back_to_marks(struct model *m)
{
	for (size_t i = 0; i < INSTANCES; i++) {
		struct model_instance *in = &m->instances[i];
		in->state = m->marks[i].state;
		in->execution = m->marks[i].execution;
		for (size_t k = 0; k < EXECUTIONS; k++)
			in->executions[k].len = m->marks[i].len[k];
	}
}

/* ---- one batch ---- */

static void append(struct bytes *b, const char *data, size_t len)
{
	if (b->len + len > b->cap) {
		b->cap = 2 * (b->len + len);
		b->data = realloc(b->data, b->cap);
		assert_non_null(b->data);
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void add_record(struct model *m, struct model_instance *in, bool end)
{
	size_t n = m->record_count, len = 1 + below(m, below(m, 20) == 0 ? LONG_BYTES : SHORT_BYTES);
	struct bytes *b = &in->executions[in->execution - 1];

	m->lines[n] = contract_bytes(len, contract_random(&m->seed));
	m->records[n] = (struct pawl_record){ in->id, in->execution, b->len, m->lines[n], len, in->state == ABSENT, end, NULL };
	m->record_count++;
	append(b, m->lines[n], len);
	in->state = end ? ENDED : LIVE;
}

/* Create, go on, continue as new, or end. */
static void add_turn(struct model *m, struct model_instance *in)
{
	size_t dice = below(m, 10);
	bool again = in->state == LIVE && dice < 2 && in->execution < EXECUTIONS && m->record_count + 2 <= BATCH_MAX;

	if (in->in_batch || in->state > LIVE)
		return;
	in->in_batch = true;
	if (in->state == ABSENT)
		in->execution = 1;
	add_record(m, in, !again && dice == 9);
	if (again) {
		in->execution++;
		add_record(m, in, false);
	}
}

/* Make one record wrong, so that the batch must be refused. */
static void spoil(struct model *m)
{
	struct pawl_record *r = &m->records[below(m, m->record_count)];

	switch (below(m, 3)) {
	case 0:
		r->offset += 1 + below(m, 100);
		break;
	case 1:
		r->instance = "nobody";
		r->create = false;
		break;
	default:
		r->instance = "no/body";
		break;
	}
}

static void build_batch(struct model *m)
{
	m->record_count = 0;
	for (size_t i = 0; i < INSTANCES; i++)
		m->instances[i].in_batch = false;
	for (size_t turns = 1 + below(m, BATCH_MAX); turns > 0 && m->record_count < BATCH_MAX; turns--)
		add_turn(m, &m->instances[below(m, INSTANCES)]);
}

static void commit_some(struct model *m)
{
	struct pawl_error err = { 0 };

	set_marks(m);
	build_batch(m);
	bool bad = m->record_count > 0 && below(m, 6) == 0;
	if (bad)
		spoil(m);
	int rc = m->record_count ? contract_try(m->c, m->records, m->record_count, &err) : 0;
	for (size_t i = 0; i < m->record_count; i++)
		free(m->lines[i]);
	if (bad)
		back_to_marks(m);
	if (bad ? rc >= 0 : rc != 0)
		fail_msg("seed %llu: a %s batch of %zu: %d %s", (unsigned long long)m->first_seed, bad ? "bad" : "good",
			 m->record_count, rc, err.text);
}

/* ---- the other steps ---- */

static void archive_one(struct model *m)
{
	struct model_instance *in = &m->instances[below(m, INSTANCES)];
	struct pawl_error err = { 0 };

	if (in->state < ENDED)
		return;
	int rc = m->c->ops->archive(m->c->p, in->id, &err);
	if (rc != 0)
		fail_msg("seed %llu: archive: %s", (unsigned long long)m->first_seed, err.text);
	in->state = ARCHIVED;
}

static void purge_one(struct model *m)
{
	struct model_instance *in = &m->instances[below(m, INSTANCES)];
	struct pawl_error err = { 0 };
	int want = in->state == ABSENT ? PAWL_ENOTFOUND : in->state == ARCHIVED ? 0 : PAWL_ESTATE;
	int rc = m->c->ops->purge(m->c->p, in->id, &err);

	if (rc != want)
		fail_msg("seed %llu: purge '%s': %d %s", (unsigned long long)m->first_seed, in->id, rc, err.text);
	if (rc < 0)
		return;
	in->state = ABSENT;
	in->execution = 0;
	for (size_t k = 0; k < EXECUTIONS; k++)
		in->executions[k].len = 0;
}

static void list_ids(const struct model *m, bool archived, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < INSTANCES; i++) {
		const struct model_instance *in = &m->instances[i];
		if (in->state != ABSENT && (in->state == ARCHIVED) == archived)
			len += (size_t)snprintf(out + len, size - len, "%s ", in->id);
	}
}

static void compare(const struct model *m)
{
	char ids[INSTANCES * 8 + 1];

	for (int archived = 0; archived <= 1; archived++) {
		list_ids(m, archived, ids, sizeof(ids));
		contract_scans(m->c->p, archived, ids);
	}
	for (size_t i = 0; i < INSTANCES; i++) {
		const struct model_instance *in = &m->instances[i];
		if (in->state == ABSENT)
			contract_has_none(m->c->p, in->id);
		for (size_t k = 0; k < in->execution; k++)
			contract_has(m->c->p, in->id, k + 1, in->executions[k].data, in->executions[k].len);
	}
}

static void step(struct model *m)
{
	size_t dice = below(m, 100);

	if (dice < 70)
		commit_some(m);
	else if (dice < 78)
		archive_one(m);
	else if (dice < 84)
		purge_one(m);
	else if (dice < 94)
		(void)contract_maintain(m->c, dice % 2 == 0);
	else if (dice < 96)
		contract_reopen(m->c);
	else if (dice < 98)
		contract_crash(m->c);
	else
		contract_settle(m->c);
	if (dice >= 93)
		compare(m);
}

static void runs(void **state, uint64_t seed)
{
	static struct model m;

	m = (struct model){ .c = *state, .seed = seed, .first_seed = seed };
	for (size_t i = 0; i < INSTANCES; i++)
		snprintf(m.instances[i].id, sizeof(m.instances[i].id), "m%02u", (unsigned)i);
	print_message("model: seed %llu\n", (unsigned long long)seed);
	for (size_t i = 0; i < STEPS; i++)
		step(&m);
	contract_crash(m.c);
	compare(&m);
	for (size_t i = 0; i < INSTANCES; i++) {
		for (size_t k = 0; k < EXECUTIONS; k++)
			free(m.instances[i].executions[k].data);
	}
}

static void model_1(void **state)
{
	runs(state, 1);
}

static void model_2(void **state)
{
	runs(state, 2);
}

/* Another one each day, for whoever sets it. */
static void model_env(void **state)
{
	const char *seed = getenv("PAWL_TEST_SEED");

	if (!seed)
		skip();
	runs(state, strtoull(seed, NULL, 10));
}

static const struct CMUnitTest tests[] = {
	SPEC("model: random steps never differ from the model", model_1),
	SPEC_SETUP("model: nor do they with a small journal", model_2, contract_setup_small_journal),
	SPEC_SETUP("model: nor do they with the seed in PAWL_TEST_SEED", model_env, contract_setup_small_journal),
};

const struct contract_group contract_model = CONTRACT_GROUP(tests);
