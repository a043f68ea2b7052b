/*
 * describe.c - are two decisions the same, and how does a person see one. Due times are left out of both: they follow
 * from the turn's clock, not from the code. What makes two decisions differ always shows: payloads that are cut carry
 * their length and checksum.
 */
#include "engine/internal.h"
#include "base/crc32c.h"
#include "base/text.h"
#include <stdarg.h>

#define PAYLOAD_SHOWN 40

/* ---- the same? ---- */

/* Texts of failures: nothing and empty are one. */
static bool text_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool payload_eq(const struct event *recorded, const struct event *made)
{
	if (!(made->fields & FIELD_DATA))
		return true;
	if (!recorded->data.data && recorded->data_file.data)
		return recorded->data_len == made->data.len &&
		       recorded->data_crc == crc32c(0, made->data.data, made->data.len);
	return text_eq(recorded->data, made->data);
}

static bool retry_eq(const struct retry_policy *a, const struct retry_policy *b)
{
	if (a->max_attempts != b->max_attempts || a->first_ms != b->first_ms || a->max_ms != b->max_ms ||
	    a->total_ms != b->total_ms || a->attempt_ms != b->attempt_ms ||
	    a->coefficient_milli != b->coefficient_milli || a->jitter_milli != b->jitter_milli ||
	    a->code_count != b->code_count)
		return false;
	for (uint32_t i = 0; i < a->code_count; i++) {
		if (!text_eq(a->codes[i], b->codes[i]))
			return false;
	}
	return true;
}

static bool failure_eq(const struct failure *a, const struct failure *b)
{
	return text_eq(a->kind, b->kind) && text_eq(a->code, b->code) && text_eq(a->message, b->message) &&
	       slice_eq(a->details, b->details) && a->retryable == b->retryable;
}

static bool texts_eq(const struct event *a, const struct event *b)
{
	return text_eq(a->name, b->name) && text_eq(a->version, b->version) && text_eq(a->key, b->key) &&
	       text_eq(a->instance, b->instance) && text_eq(a->tag, b->tag) && text_eq(a->session, b->session) &&
	       text_eq(a->reason, b->reason) && text_eq(a->status, b->status);
}

bool decision_eq(const struct event *recorded, const struct event *made)
{
	uint32_t fields = made->fields;

	if (recorded->type != made->type || ((recorded->fields ^ fields) & ~(uint32_t)FIELD_DUE))
		return false;
	return ((fields & FIELD_REF) == 0 || recorded->ref == made->ref) &&
	       ((fields & FIELD_EXECUTION) == 0 || recorded->execution == made->execution) &&
	       ((fields & FIELD_DELAY) == 0 || recorded->delay_ms == made->delay_ms) &&
	       ((fields & FIELD_UNTIL) == 0 || recorded->until_ns == made->until_ns) &&
	       ((fields & FIELD_PRIORITY) == 0 || recorded->priority == made->priority) &&
	       ((fields & FIELD_RETRY) == 0 || retry_eq(&recorded->retry, &made->retry)) &&
	       ((fields & FIELD_ERROR) == 0 || failure_eq(&recorded->error, &made->error)) &&
	       texts_eq(recorded, made) && payload_eq(recorded, made);
}

/* ---- in words ---- */

struct text {
	char *at;
	size_t left; /* with the NUL */
};

static void add(struct text *t, const char *fmt, ...) PAWL_PRINTF(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(t->at, t->left, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	size_t len = (size_t)n < t->left ? (size_t)n : t->left - 1;
	t->at += len;
	t->left -= len;
}

static void add_quoted(struct text *t, const char *what, struct slice s)
{
	char shown[PAYLOAD_SHOWN + 1];
	size_t n = s.len < PAYLOAD_SHOWN ? s.len : PAYLOAD_SHOWN;

	for (size_t i = 0; i < n; i++)
		shown[i] = s.data[i] >= ' ' && s.data[i] <= '~' ? s.data[i] : '?';
	shown[n] = '\0';
	add(t, "%s '%s%s'", what, shown, s.len > n ? "..." : "");
	if (s.len > n)
		add(t, " (%zu bytes, crc %08lx)", s.len, (unsigned long)crc32c(0, s.data, s.len));
}

static void add_payload(struct text *t, const struct event *e)
{
	const char *what = e->type == EVENT_ExecutionCompleted ? " output" :
			   e->type == EVENT_CustomStatusSet    ? "" :
			   e->type == EVENT_ActivityMessageSent || e->type == EVENT_EventSent || e->type == EVENT_TopicPublished ? " data" :
			   e->type == EVENT_KeyValueSet		? " value" :
			   e->type == EVENT_EntityAnswered	? " output" :
								 " input";

	if (!(e->fields & FIELD_DATA))
		return;
	if (e->data.data || !e->data_file.data)
		add_quoted(t, what, e->data);
	else
		add(t, "%s (%llu bytes, crc %08lx)", what, (unsigned long long)e->data_len,
		    (unsigned long)e->data_crc);
}

static void add_until(struct text *t, int64_t until_ns)
{
	char time[TEXT_TIME_SIZE];

	text_time(time, until_ns);
	add(t, " until %s", time);
}

static void add_milli(struct text *t, const char *what, uint32_t n)
{
	if (n)
		add(t, "%s %lu.%03lu", what, (unsigned long)n / 1000, (unsigned long)n % 1000);
}

static void add_ms(struct text *t, const char *what, int64_t ms)
{
	if (ms)
		add(t, "%s %lld ms", what, (long long)ms);
}

static void add_retry(struct text *t, const struct retry_policy *p)
{
	add(t, " retry %lu x", (unsigned long)p->max_attempts);
	add_ms(t, " first", p->first_ms);
	add_milli(t, " times", p->coefficient_milli);
	add_ms(t, " max", p->max_ms);
	add_ms(t, " total", p->total_ms);
	add_ms(t, " attempt", p->attempt_ms);
	add_milli(t, " jitter", p->jitter_milli);
	for (uint32_t i = 0; i < p->code_count; i++)
		add_quoted(t, i ? "," : " not on", p->codes[i]);
}

static void add_failure(struct text *t, const struct failure *f)
{
	add_quoted(t, "", f->message);
	add_quoted(t, " kind", f->kind);
	if (f->code.len)
		add_quoted(t, " code", f->code);
	if (f->details.data)
		add_quoted(t, " details", f->details);
	if (f->retryable)
		add(t, " retryable");
}

void decision_describe(char *out, size_t size, const struct event *e)
{
	static const struct {
		uint32_t field;
		const char *what;
		size_t offset;
	} texts[] = {
		{ FIELD_NAME, "", offsetof(struct event, name) },
		{ FIELD_VERSION, " version", offsetof(struct event, version) },
		{ FIELD_INSTANCE, " instance", offsetof(struct event, instance) },
		{ FIELD_KEY, " key", offsetof(struct event, key) },
		{ FIELD_TAG, " tag", offsetof(struct event, tag) },
		{ FIELD_SESSION, " session", offsetof(struct event, session) },
		{ FIELD_REASON, " reason", offsetof(struct event, reason) },
		{ FIELD_STATUS, " status", offsetof(struct event, status) },
	};
	struct text t = { out, size };

	add(&t, "%s", event_type_name(e->type));
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const void *place = (const char *)e + texts[i].offset;

		if (e->fields & texts[i].field)
			add_quoted(&t, texts[i].what, *(const struct slice *)place);
	}
	if (e->fields & FIELD_PRIORITY)
		add(&t, " priority %lu", (unsigned long)e->priority);
	add_payload(&t, e);
	if (e->fields & FIELD_EXECUTION && e->type != EVENT_ExecutionStarted)
		add(&t, " execution %llu", (unsigned long long)e->execution);
	if (e->fields & FIELD_REF)
		add(&t, " of line %llu", (unsigned long long)e->ref);
	if (e->fields & FIELD_DELAY)
		add(&t, " %lld ms", (long long)e->delay_ms);
	if (e->fields & FIELD_UNTIL)
		add_until(&t, e->until_ns);
	if (e->fields & FIELD_RETRY)
		add_retry(&t, &e->retry);
	if (e->fields & FIELD_ERROR)
		add_failure(&t, &e->error);
}
