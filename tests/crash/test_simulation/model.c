/*
 * model.c - what was promised. Two things: the histories as far as their commits came back (I1, I3, I4: after every recovery
 * they are there, byte for byte, and the commit that nobody heard the end of is there as a whole or not at all), and what
 * others were told: texts that were sent or dropped and acknowledged are in one history, once.
 */
#include "sim.h"
#include "base/error.h"
#include "crash/program_look.h"
#include "history/view.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define EXECUTIONS_MAX 64
#define PENDING_MAX 8
#define PROMISES_MAX 256

/* One instance. */
struct known {
	struct buf text[EXECUTIONS_MAX]; /* of execution n + 1 */
	unsigned executions;
	bool ended, purging, gone, asked_to_go;
	char id[];
};

/* A commit that was begun. */
struct pending {
	struct buf data;
	struct { char id[140]; uint64_t execution; size_t offset, at, len; bool end; } records[64];
	unsigned count;
};

static struct model {
	struct map known;
	struct pending pending[PENDING_MAX]; /* the newest last; more than one when some have failed */
	unsigned pending_count;
	struct promise promises[PROMISES_MAX];
	unsigned promise_count;
} m;

void model_begin(void)
{
	m = (struct model){ .pending_count = 0 };
	map_init(&m.known);
}

static int free_known(void *arg, struct slice key, void *value)
{
	struct known *k = value;

	(void)arg;
	(void)key;
	for (unsigned n = 0; n < k->executions; n++)
		buf_release(&k->text[n]);
	free(k);
	return 0;
}

static void forget_pending(void)
{
	while (m.pending_count)
		buf_release(&m.pending[--m.pending_count].data);
}

void model_end(void)
{
	forget_pending();
	(void)map_each(&m.known, free_known, NULL);
	map_release(&m.known);
}

static struct known *known_of(const char *id)
{
	return map_get(&m.known, slice_of(id));
}

static struct known *known_make(const char *id)
{
	struct known *k = known_of(id);

	if (k)
		return k;
	k = calloc(1, sizeof(*k) + strlen(id) + 1);
	if (!k || map_put(&m.known, slice_of(id), k, NULL) < 0)
		abort();
	memcpy(k->id, id, strlen(id) + 1);
	return k;
}

/* ---- commits ---- */

void model_commit(const struct pawl_batch *batch)
{
	if (m.pending_count == PENDING_MAX) {
		buf_release(&m.pending[0].data);
		memmove(&m.pending[0], &m.pending[1], (PENDING_MAX - 1) * sizeof(m.pending[0]));
		m.pending_count--;
	}
	struct pending *p = &m.pending[m.pending_count++];
	*p = (struct pending){ .count = 0 };
	for (size_t i = 0; i < batch->record_count && i < 64; i++) {
		const struct pawl_record *r = &batch->records[i];
		snprintf(p->records[i].id, sizeof(p->records[i].id), "%s", r->instance);
		p->records[i].execution = r->execution;
		p->records[i].offset = r->offset;
		p->records[i].at = p->data.len;
		p->records[i].len = r->len;
		p->records[i].end = r->end;
		buf_add(&p->data, r->data, r->len);
		p->count++;
	}
}

/* Histories grow only, and each execution begins behind the one before. */
static void apply(const struct pending *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		uint64_t n = p->records[i].execution;
		struct known *k = known_make(p->records[i].id);
		if (n == 0 || n > EXECUTIONS_MAX || n > k->executions + 1) {
			wrong("execution %llu of '%s' comes behind %u", (unsigned long long)n, k->id, k->executions);
			return;
		}
		k->executions = n > k->executions ? (unsigned)n : k->executions;
		if (k->text[n - 1].len != p->records[i].offset) {
			wrong("I4: '%s' is written at %zu, and has %zu bytes", k->id, p->records[i].offset, k->text[n - 1].len);
			return;
		}
		buf_add(&k->text[n - 1], buf_str((struct buf *)(uintptr_t)&p->data) + p->records[i].at, p->records[i].len);
		k->ended = p->records[i].end;
	}
}

void model_committed(bool durable)
{
	if (!durable || !m.pending_count)
		return;
	apply(&m.pending[m.pending_count - 1]);
	forget_pending();
}

void model_asked_to_go(const char *id)
{
	struct known *k = known_of(id);

	if (k)
		k->asked_to_go = true;
}

void model_purging(const char *id, bool done)
{
	struct known *k = known_of(id);

	if (!k || device.current->dead)
		return;
	if (!k->asked_to_go)
		wrong("'%s' is removed, and nobody asked for it", id);
	k->purging = true;
	k->gone = k->gone || done;
}

/* ---- recoveries ---- */

static bool has_bytes(struct pawl_provider *p, const struct pending *b, unsigned i)
{
	char *text = NULL;
	size_t len = 0, end = b->records[i].offset + b->records[i].len;
	uint64_t which;
	bool there = p->ops->read(p, b->records[i].id, b->records[i].execution, &text, &len, &which, NULL) == 0 && len >= end &&
	             memcmp(text + b->records[i].offset, b->data.data + b->records[i].at, b->records[i].len) == 0;

	free(text);
	return there;
}

/* I3 */
static void settle_pending(struct pawl_provider *p)
{
	for (unsigned n = m.pending_count; n-- > 0;) {
		const struct pending *b = &m.pending[n];
		unsigned there = 0;
		for (unsigned i = 0; i < b->count; i++)
			there += has_bytes(p, b, i);
		if (there > 0 && there < b->count)
			wrong("I3: of a commit of %u instances %u are there", b->count, there);
		if (there == b->count && b->count) {
			apply(b);
			break;
		}
	}
	forget_pending();
}

static void say_difference(const struct known *k, uint64_t execution, const char *text, size_t len, const struct buf *want)
{
	size_t at = 0;

	while (at < len && at < want->len && text[at] == want->data[at])
		at++;
	wrong("I1: execution %llu of '%s' has %zu bytes, acknowledged were %zu, they differ at %zu: '%.200s' should be '%.200s'", (unsigned long long)execution,
	      k->id, len, want->len, at, at < len ? text + at : "", at < want->len ? want->data + at : "");
}

static void compare(struct pawl_provider *p, struct known *k, unsigned execution)
{
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t len = 0;
	uint64_t which = 0;
	int rc = p->ops->read(p, k->id, execution, &text, &len, &which, &err);

	if (rc == PAWL_ENOTFOUND && k->purging) {
		k->gone = true;
	} else if (rc < 0) {
		wrong("I1: '%s' cannot be read: %s", k->id, err.text);
	} else if (which != (execution ? execution : k->executions)) {
		wrong("I1: '%s' has execution %llu, acknowledged was %u", k->id, (unsigned long long)which, k->executions);
	} else if (len != k->text[which - 1].len || memcmp(text, k->text[which - 1].data, len) != 0) {
		say_difference(k, which, text, len, &k->text[which - 1]);
	}
	free(text);
}

static int compare_newest(void *arg, struct slice key, void *value)
{
	struct known *k = value;

	(void)key;
	if (!k->gone && k->executions)
		compare(arg, k, 0);
	return is_wrong();
}

void model_recovered(struct pawl_provider *p)
{
	device.current->quiet = true;
	settle_pending(p);
	(void)map_each(&m.known, compare_newest, p);
	device.current->quiet = false;
}

/* ---- effects ---- */

static bool has_line(const struct buf *b, const char *mark)
{
	struct buf *text = (struct buf *)(uintptr_t)b;

	return b->len && strstr(buf_str(text), mark);
}

void model_check_attempt(const char *id, uint64_t execution, uint64_t seq, uint32_t attempt, const char *what)
{
	const struct known *k = known_of(id);
	char scheduled[80], completed[80];

	device.result->attempts++;
	trace("attempt", (int64_t)seq, attempt, id);
	if (!k || execution == 0 || execution > k->executions) {
		wrong("I1: %s begins for line %llu of '%s', which has no durable history", what, (unsigned long long)seq, id);
		return;
	}
	snprintf(scheduled, sizeof(scheduled), "\"seq\":%llu,\"type\":\"ActivityScheduled\"", (unsigned long long)seq);
	snprintf(completed, sizeof(completed), "\"type\":\"ActivityCompleted\",\"ref\":%llu,", (unsigned long long)seq);
	if (!has_line(&k->text[execution - 1], scheduled))
		wrong("I1: %s begins for line %llu of '%s', and that it was decided is not durable", what, (unsigned long long)seq, id);
	if (has_line(&k->text[execution - 1], completed))
		wrong("I2: %s begins for line %llu of '%s', which has completed", what, (unsigned long long)seq, id);
}

/* ---- promises ---- */

struct promise *promise_new(const char *id, size_t len)
{
	if (m.promise_count == PROMISES_MAX)
		abort();
	struct promise *p = &m.promises[m.promise_count];
	*p = (struct promise){ .number = m.promise_count++, .len = len };
	snprintf(p->id, sizeof(p->id), "%s", id);
	return p;
}

/* "d12 " and letters. */
void promise_text(const struct promise *p, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "d%u ", p->number);

	for (; n < p->len && n + 1 < size; n++)
		out[n] = (char)('a' + (n * 7 + p->number) % 26);
	out[p->len < size ? p->len : size - 1] = '\0';
}

void promises_power_lost(void)
{
	for (unsigned i = 0; i < m.promise_count; i++)
		m.promises[i].tearable = m.promises[i].tearable || !m.promises[i].acked;
}

/* Does it begin as this one, which may come in parts? What was written over another without a sync may be some of both. */
static bool is_part_of(const struct promise *p, struct slice data)
{
	char head[24];
	size_t n = 2; /* the first piece that was written may end in the middle of the number */

	if (!p->tearable && !p->replaced)
		return false;
	snprintf(head, sizeof(head), "d%u ", p->number);
	return data.len == 0 || memcmp(head, data.data, data.len < n ? data.len : n) == 0;
}

/* Whose text is it, as a whole; else a part of one that may come in parts. carried: the execution before may have had it. */
static void find_promise(const char *id, struct slice data, bool carried)
{
	char text[1300];
	bool torn = false;

	for (unsigned i = 0; i < m.promise_count; i++) {
		struct promise *p = &m.promises[i];
		if (p->start || strcmp(p->id, id) != 0)
			continue;
		promise_text(p, text, sizeof(text));
		if (data.len == p->len && memcmp(text, data.data, data.len) == 0) {
			p->seen += !carried || p->seen == 0;
			return;
		}
		torn = torn || is_part_of(p, data);
	}
	if (!torn)
		wrong("'%s' has got '%.*s', which nobody sent as a whole", id, data.len > 100 ? 100 : (int)data.len, data.data ? data.data : "");
}

static void check_promise(const struct promise *p)
{
	const struct known *k = known_of(p->id);

	if (p->start && p->acked && (!k || (!k->executions && !k->gone)))
		wrong("I1: the start of '%s' was acknowledged, and it is not there", p->id);
	if (p->start)
		return;
	/* one that was written over without a sync may be there again after a power cut, with another change time */
	if (p->seen > 1u + (p->replaced && device.boots > 0))
		wrong("I2: text %u for '%s' has come %u times", p->number, p->id, p->seen);
	if (p->seen && p->hidden)
		wrong("text %u for '%s' has come, and its name is not to be looked at", p->number, p->id);
	if (p->acked && !p->seen && !p->replaced)
		wrong("I1: text %u for '%s' was acknowledged, and has not come", p->number, p->id);
}

/* ---- the end ---- */

struct live {
	bool collectors;
	const char *id;
};

static int find_live(void *arg, struct slice key, void *value)
{
	const struct known *k = value;
	struct live *l = arg;

	(void)key;
	if (!k->gone && k->executions && !k->ended && (l->collectors || k->id[0] != 'c'))
		l->id = k->id;
	return l->id != NULL;
}

const char *model_live(bool collectors)
{
	struct live l = { collectors, NULL };

	if (m.pending_count == 0)
		(void)map_each(&m.known, find_live, &l);
	else
		l.id = m.pending[0].records[0].id;
	return l.id;
}

static int fold(struct view *v, const struct history *h)
{
	int rc = 0;

	view_init(v);
	for (size_t n = 0; rc == 0 && n < h->count; n++)
		rc = view_apply(v, &h->events[n]);
	return rc;
}

static const char *root_of(const char *id, char root[16])
{
	snprintf(root, 16, "%.*s", (int)strcspn(id, ":"), id);
	return root;
}

static void check_end(const struct known *k, const struct view *v)
{
	char root[16];

	if (v->status == STATUS_COMPLETED || v->status == STATUS_CONTINUED_AS_NEW)
		return;
	if (v->status == STATUS_FAILED || !job_was_asked_to_end(root_of(k->id, root)))
		wrong("'%s' has ended as %s: %s", k->id, status_name(v->status), v->error_message ? v->error_message : "");
}

static void check_history(struct pawl_provider *p, const struct known *k, uint64_t number, const struct history *h, struct map *seen)
{
	struct pawl_error err = { 0 };
	size_t carried = carried_lines(h, number);
	pawl_orchestration_fn code = work_code(h->events[0].name);
	char key[400];
	struct view v;

	for (size_t n = 0; n < h->count; n++) {
		const struct event *e = &h->events[n];
		if (!event_is_new(seen, e, n < carried, key))
			wrong("I2: '%s' has the event %s twice", k->id, key);
		if (e->type == EVENT_EventRaised && slice_is(e->name, "e") && !slice_is(e->data, "over"))
			find_promise(k->id, e->data, n < carried);
	}
	if (!code || history_replays(p, k->id, number, h, code, &err) < 0)
		wrong("I5: execution %llu of '%s' does not replay: %s", (unsigned long long)number, k->id, err.text);
	if (fold(&v, h) < 0)
		wrong("I4: execution %llu of '%s' cannot be folded", (unsigned long long)number, k->id);
	else if (number == k->executions)
		check_end(k, &v);
	view_release(&v);
}

static int look_at(void *arg, struct slice key, void *value)
{
	struct known *k = value;
	struct pawl_provider *p = arg;
	struct map seen;
	bool quarantined;

	(void)key;
	if (k->gone || !k->executions)
		return 0;
	device.result->instances++;
	char *note = p->ops->read_note(p, k->id, &quarantined);
	if (note && quarantined)
		wrong("I6: '%s' is set aside: %s", k->id, note);
	free(note);
	map_init(&seen);
	for (unsigned n = 1; n <= k->executions && !is_wrong(); n++) {
		struct pawl_error err = { 0 };
		struct history h;
		compare(p, k, n);
		history_init(&h);
		if (history_parse(&h, buf_slice(&k->text[n - 1]), &err) < 0 || h.torn_bytes || h.count == 0)
			wrong("I4: execution %u of '%s' is damaged: %s", n, k->id, err.text);
		else
			check_history(p, k, n, &h, &seen);
		history_release(&h);
	}
	map_release(&seen);
	return is_wrong();
}

static int look_for_strangers(void *arg, const char *id)
{
	const struct known *k = known_of(id);

	(void)arg;
	if (!k || k->gone)
		wrong("'%s' is there, and %s", id, k ? "was removed" : "nobody committed it");
	return 0;
}

void model_look_at_the_end(struct pawl_provider *p)
{
	struct pawl_error err = { 0 };

	(void)map_each(&m.known, look_at, p);
	for (int archived = 0; archived < 2; archived++)
		if (p->ops->scan(p, archived, look_for_strangers, NULL, &err) < 0)
			wrong("the hub cannot be listed: %s", err.text);
	for (unsigned i = 0; i < m.promise_count && !is_wrong(); i++)
		check_promise(&m.promises[i]);
}
