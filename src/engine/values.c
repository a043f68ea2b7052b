/*
 * values.c - the key-values of an instance. They follow from what the code has set, so replay makes them again; history
 * has them for readers and for the check. The texts are the instance's memory (E4): one that pawl_get gave out stays,
 * one that nobody has seen is overwritten in place, so that a loop which only sets does not use up the memory.
 */
#include "engine/internal.h"
#include "base/text.h"

#define KEY_SIZE 65 /* text_is_key: at most 64 */

struct value {
	struct value *next;
	char *text;
	size_t len, cap; /* cap: without the NUL */
	bool given;      /* the code holds a pointer to the text */
	char key[KEY_SIZE];
};

struct values {
	struct value *set, *spare;
	size_t count, bytes; /* bytes: of keys and values */
};

static size_t value_bytes(const struct value *v)
{
	return v ? strlen(v->key) + v->len : 0;
}

static struct value *find(const struct execution *x, const char *key)
{
	struct value *v = key && x->values ? x->values->set : NULL;

	while (v && strcmp(v->key, key) != 0)
		v = v->next;
	return v;
}

static struct values *values_of(struct execution *x)
{
	if (!x->values)
		x->values = memory_alloc(x, sizeof *x->values);
	return x->values;
}

static struct value *add(struct execution *x, struct slice key)
{
	struct values *all = x->values;
	struct value *v = all->spare;

	if (v)
		all->spare = v->next;
	else
		v = memory_alloc(x, sizeof *v);
	memcpy(v->key, key.data, key.len);
	v->key[key.len] = '\0';
	v->len = 0;
	v->next = all->set;
	all->set = v;
	all->count++;
	all->bytes += key.len;
	return v;
}

static void put(struct execution *x, struct value *v, struct slice text)
{
	if (v->given || !v->text || text.len > v->cap) {
		v->text = memory_alloc(x, text.len + 1);
		v->cap = text.len;
		v->given = false;
	}
	memcpy(v->text, text.data, text.len + 1);
	x->values->bytes = x->values->bytes - v->len + text.len;
	v->len = text.len;
}

static void drop(struct values *all, struct value *v)
{
	struct value **at = &all->set;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	all->count--;
	all->bytes -= value_bytes(v);
	v->next = all->spare;
	all->spare = v;
}

/* ---- what may be set ---- */

static const pawl_failure *check_key(struct execution *x, const char *key)
{
	if (text_is_key(slice_of(key)))
		return NULL;
	return failure_make(x, "system", "invalid", "'%.80s' is not a valid key: 1 to 64 of letters, digits, _ : -",
			    key ? key : "");
}

static const pawl_failure *check_room(struct execution *x, const struct value *old, struct slice key, struct slice text)
{
	size_t count = x->values ? x->values->count : 0, bytes = x->values ? x->values->bytes : 0;

	if (text.len > PAWL_VALUE_BYTES_MAX)
		return failure_make(x, "system", "limit",
				    "value '%s' of %zu bytes is over the limit of %d (PAWL_VALUE_BYTES_MAX)", key.data,
				    text.len, PAWL_VALUE_BYTES_MAX);
	if (!old && count >= PAWL_VALUES_MAX)
		return failure_make(x, "system", "limit",
				    "value '%s' would be one more than the limit of %d (PAWL_VALUES_MAX)", key.data,
				    PAWL_VALUES_MAX);
	bytes = bytes - value_bytes(old) + key.len + text.len;
	if (bytes > PAWL_VALUES_BYTES_MAX)
		return failure_make(x, "system", "limit",
				    "with value '%s' keys and values have %zu bytes, over the limit of %d "
				    "(PAWL_VALUES_BYTES_MAX)",
				    key.data, bytes, PAWL_VALUES_BYTES_MAX);
	return decide_limit(x);
}

static int refuse(struct execution *x, const pawl_failure *why, int code)
{
	decide_refused(x, why);
	return code;
}

/* ---- what the code calls ---- */

const char *pawl_get(pawl_ctx *ctx, const char *key)
{
	struct value *v = find(execution_of(ctx), key);

	if (!v)
		return NULL;
	v->given = true;
	return v->text;
}

static int set(struct execution *x, const char *key, const char *text)
{
	struct event e = { .type = EVENT_KeyValueSet, .fields = FIELD_KEY | FIELD_DATA, .key = slice_of(key),
			   .data = slice_of(text) };
	struct value *v = find(x, key);

	if (v && v->len == e.data.len && memcmp(v->text, text, v->len) == 0)
		return 0;
	const pawl_failure *f = check_room(x, v, e.key, e.data);
	if (f)
		return refuse(x, f, PAWL_ETOOBIG);
	decide(x, &e);
	(void)values_of(x);
	put(x, v ? v : add(x, e.key), e.data);
	return 0;
}

static int clear(struct execution *x, struct value *v)
{
	struct event e = { .type = EVENT_KeyValueCleared, .fields = v ? FIELD_KEY : 0u,
			   .key = v ? slice_of(v->key) : SLICE_NONE };
	const pawl_failure *f = decide_limit(x);

	if (f)
		return refuse(x, f, PAWL_ETOOBIG);
	decide(x, &e);
	if (v)
		drop(x->values, v);
	while (!v && x->values->set)
		drop(x->values, x->values->set);
	return 0;
}

int pawl_set(pawl_ctx *ctx, const char *key, const char *value)
{
	struct execution *x = execution_of(ctx);
	const pawl_failure *f = check_key(x, key);

	if (f)
		return refuse(x, f, PAWL_EINVALID);
	if (value)
		return set(x, key, value);
	struct value *v = find(x, key);
	return v ? clear(x, v) : 0;
}

void pawl_clear(pawl_ctx *ctx, const char *key)
{
	struct execution *x = execution_of(ctx);

	if (key)
		(void)pawl_set(ctx, key, NULL);
	else if (x->values && x->values->set)
		(void)clear(x, NULL);
}

/* ---- from one execution to the next ---- */

size_t values_count(const struct execution *x)
{
	return x->values ? x->values->count : 0;
}

void values_carry(struct execution *x)
{
	for (const struct value *v = x->values ? x->values->set : NULL; v; v = v->next) {
		struct event *e = carry_event(x);

		e->type = EVENT_KeyValueCarried;
		e->fields = FIELD_KEY | FIELD_DATA;
		e->key = slice_of(v->key);
		e->data = slice_make(v->text, v->len);
	}
}

void values_carried(struct execution *x, const struct event *e)
{
	struct slice text = memory_payload(x, e);

	if (!text_is_key(e->key) || values_of(x)->count >= PAWL_VALUES_MAX)
		execution_stop(x, PAWL_ECORRUPT, "history line %llu is no key-value that can be carried", (unsigned long long)e->seq);
	put(x, add(x, e->key), text);
}
