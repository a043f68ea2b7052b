/* flip_hub.c - see flip_hub.h. */
#include "flip_hub.h"
#include "base/crc32c.h"
#include "history/history.h"
#include "providers/fs/fs.h"

#include <stdio.h>

#define PAYLOAD_BYTES 700
#define DEPTH_MAX_DIRS 6
#define FILE_MAX (1u << 20)

/* ---- writing it ---- */

struct making {
	struct node n;
	struct flip_hub *h;
	bool failed;
	int64_t time;
};

static struct event event(struct making *m, uint64_t seq, enum event_type type, bool begins)
{
	struct event e = { .type = type, .seq = seq, .has_time = begins };

	if (begins)
		e.time_ns = m->time += 1000000;
	return e;
}

static void line(struct making *m, struct buf *out, const struct event *e)
{
	if (event_encode(out, e) < 0)
		m->failed = true;
}

static void started(struct making *m, struct buf *out, uint64_t execution)
{
	struct event e = event(m, 1, EVENT_ExecutionStarted, true);

	e.fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_DATA | (execution > 1 ? FIELD_EXECUTION : 0u);
	e.name = SLICE("flip");
	e.version = SLICE("1");
	e.seed[0] = execution;
	e.data = SLICE("{\"some\":[\"input\",1]}");
	e.execution = execution;
	line(m, out, &e);
}

static void status(struct making *m, struct buf *out, uint64_t seq, bool begins, const char *text)
{
	struct event e = event(m, seq, EVENT_CustomStatusSet, begins);

	e.fields = FIELD_DATA;
	e.data = slice_of(text);
	line(m, out, &e);
}

static void raised(struct making *m, struct buf *out, uint64_t seq, const char *id)
{
	struct event e = event(m, seq, EVENT_EventRaised, true);

	e.fields = FIELD_NAME | FIELD_ID | FIELD_DATA;
	e.name = SLICE("item");
	e.id = slice_of(id);
	e.data = SLICE("what was sent");
	line(m, out, &e);
}

static void scheduled(struct making *m, struct buf *out, uint64_t seq, const char *payload)
{
	struct event e = event(m, seq, EVENT_ActivityScheduled, false);

	e.fields = FIELD_NAME | FIELD_DATA;
	e.name = SLICE("work");
	e.data = SLICE("do it");
	if (payload) {
		e.data = SLICE_NONE;
		e.data_file = SLICE("1.2.data");
		e.data_len = strlen(payload);
		e.data_crc = crc32c(0, payload, strlen(payload));
	}
	line(m, out, &e);
}

static void ended(struct making *m, struct buf *out, uint64_t seq, bool goes_on)
{
	struct event e = event(m, seq, goes_on ? EVENT_ExecutionContinuedAsNew : EVENT_ExecutionCompleted, false);

	e.fields = FIELD_DATA;
	e.data = SLICE("out");
	line(m, out, &e);
}

static void commit(struct making *m, unsigned member, uint64_t execution, const struct buf *lines, bool end, const char *payload)
{
	struct member *w = &m->h->members[member];
	struct buf *text = &w->text[execution - 1];
	struct pawl_error err = { 0 };
	const struct pawl_record r = { .instance = w->id, .execution = execution, .offset = text->len, .data = lines->data, .len = lines->len,
		.create = execution == 1 && text->len == 0, .end = end };
	const struct pawl_spill s = { w->id, "1.2.data", payload, payload ? strlen(payload) : 0 };

	if (m->failed || pawl_provider_commit(m->n.p, &(struct pawl_batch){ &r, 1, &s, payload != NULL }, &err) < 0) {
		crash_fail("the hub cannot be made: '%s': %s", w->id, err.text);
		m->failed = true;
	}
	buf_add_slice(text, buf_slice(lines));
	w->executions = (unsigned)execution > w->executions ? (unsigned)execution : w->executions;
}

static void first_turn(struct making *m, unsigned member, const char *payload)
{
	struct buf b = BUF_INIT;

	started(m, &b, 1);
	if (payload || member == LIVE_ONE)
		scheduled(m, &b, 2, payload);
	else
		status(m, &b, 2, false, "begun");
	if (member == ENDED_ONE)
		ended(m, &b, 3, false);
	commit(m, member, 1, &b, member == ENDED_ONE, payload);
	buf_release(&b);
}

static void next_turn(struct making *m, unsigned member, uint64_t execution, uint64_t seq)
{
	struct buf b = BUF_INIT;
	char id[32];

	snprintf(id, sizeof(id), "m%u-%u", member, (unsigned)seq);
	raised(m, &b, seq, id);
	status(m, &b, seq + 1, false, id);
	commit(m, member, execution, &b, false, NULL);
	buf_release(&b);
}

static void continue_as_new(struct making *m, unsigned member)
{
	struct buf b = BUF_INIT;

	raised(m, &b, 3, "last");
	ended(m, &b, 4, true);
	commit(m, member, 1, &b, false, NULL);
	buf_reset(&b);
	started(m, &b, 2);
	commit(m, member, 2, &b, false, NULL); /* the runtime has both in one frame */
	buf_release(&b);
}

static void start(struct making *m)
{
	struct pawl_error err = { 0 };

	if (node_start(&m->n, &err) < 0) {
		crash_fail("the hub does not open: %s", err.text);
		m->failed = true;
	}
}

/* What the journal need not tell again, and says so. */
static void make_old(struct making *m)
{
	static char payload[PAYLOAD_BYTES];

	for (size_t i = 0; i + 1 < sizeof(payload); i++)
		payload[i] = (char)('a' + i % 23);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (i != YOUNG)
			first_turn(m, i, i == SPILLED ? payload : NULL);
	next_turn(m, LIVE_ONE, 1, 3);
	continue_as_new(m, GENERATIONS);
	if (m->n.p->ops->archive(m->n.p, m->h->members[ENDED_ONE].id, NULL) < 0)
		m->failed = true;
	m->n.p->ops->note(m->n.p, m->h->members[PARKED_ONE].id, "no such type is registered");
	node_stop(&m->n);
	start(m);
	if (!m->failed && !node_settle(&m->n))
		m->failed = true;
	for (unsigned i = 0; i < MEMBERS; i++)
		for (unsigned e = 0; e < 2; e++)
			m->h->members[i].synced[e] = m->h->members[i].text[e].len;
}

/* In the journal and in the page cache; then in the journal alone. */
static void make_new(struct making *m)
{
	next_turn(m, LIVE_ONE, 1, 5);
	next_turn(m, SPILLED, 1, 3);
	next_turn(m, GENERATIONS, 2, 2);
	(void)node_settle(&m->n);
	first_turn(m, YOUNG, NULL);
	next_turn(m, LIVE_ONE, 1, 7);
	next_turn(m, GENERATIONS, 2, 4);
}

static void put(struct making *m, const char *path, const char *text)
{
	const struct os *os = os_sim_os_process(m->n.sim, HACKER);

	if (os_put_file(os, OS_CWD, path, text, strlen(text), 0644) < 0)
		m->failed = true;
}

static void send(struct making *m)
{
	struct pawl_error err = { 0 };
	char id[PAWL_WORK_ID_MAX + 1];
	const struct pawl_message raise = { .kind = PAWL_MESSAGE_RAISE, .instance = "live", .name = "item", .data = "a payload", .len = 9 };
	const struct pawl_message ask = { .kind = PAWL_MESSAGE_START, .instance = "asked", .name = "flip", .data = "its input", .len = 9 };
	const struct pawl_work_item item = { .instance = "live", .activity = "work", .key = "live/1/2", .execution = 1, .seq = 2, .attempt = 1,
		.priority = 5, .input = "do it", .input_len = 5, .carrier = "{\"key\":\"live/1/2\"}\n" };

	if (m->n.p->ops->send(m->n.p, &raise, &err) < 0 || m->n.p->ops->send(m->n.p, &ask, &err) < 0 ||
	    m->n.p->ops->offer(m->n.p, &item, id, &err) < 0) {
		crash_fail("nothing can be sent: %s", err.text);
		m->failed = true;
	}
	put(m, HUB "/inbox/live.dropped", "from the inbox\n");
	put(m, HUB "/instances/parked/events/dropped", "beside it\n");
}

/* ---- where things are ---- */

struct walk {
	struct os_sim *sim;
	struct flip_file *files;
	unsigned count, max;
	char dir[160];
	int depth;
};

static int walk_dir(struct walk *w);

static int walk_one(void *arg, const char *name)
{
	struct walk *w = arg, inner = *w;
	const struct os *os = os_sim_os_process(w->sim, HACKER);
	char path[200], full[220];
	struct os_stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", w->dir, w->dir[0] ? "/" : "", name) >= sizeof(w->dir))
		return 0;
	snprintf(full, sizeof(full), HUB "/%s", path);
	if (os->stat(os->self, OS_CWD, full, &st) < 0)
		return 0;
	if (st.type == OS_DIR && w->depth < DEPTH_MAX_DIRS) {
		memcpy(inner.dir, path, sizeof(inner.dir));
		inner.depth++;
		(void)walk_dir(&inner);
		w->count = inner.count;
	} else if (st.type == OS_FILE && w->count < w->max) {
		struct flip_file *f = &w->files[w->count];
		memcpy(f->path, path, sizeof(f->path));
		if (os_read_file(os, OS_CWD, full, FILE_MAX, &f->text, &f->len) == 0)
			w->count++;
	}
	return 0;
}

static int walk_dir(struct walk *w)
{
	const struct os *os = os_sim_os_process(w->sim, HACKER);
	char full[220];

	snprintf(full, sizeof(full), HUB "%s%s", w->dir[0] ? "/" : "", w->dir);
	return os->list(os->self, OS_CWD, full, walk_one, w);
}

static int by_path(const void *a, const void *b)
{
	const struct flip_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

unsigned flip_list(struct os_sim *sim, struct flip_file *files, unsigned max)
{
	struct walk w = { .sim = sim, .files = files, .max = max };

	(void)walk_dir(&w);
	qsort(files, w.count, sizeof(*files), by_path);
	return w.count;
}

void flip_files_free(struct flip_file *files, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(files[i].text);
}

static unsigned member_of(const struct flip_hub *h, struct slice id)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		if (slice_is(id, h->members[i].id))
			return 1u << i;
	return 0;
}

/* The provider's own reader, of a journal that nothing has damaged: whose lines are in which frame. */
static void map_journal(struct flip_hub *h)
{
	struct os os = *os_sim_os_process(h->sim, HACKER);
	const struct pawl_provider_options options = { .hub = HUB, .read_only = true, .os = &os };
	struct pawl_provider *p = NULL;
	struct journal_text t;
	struct pawl_error err = { 0 };
	struct journal *j = calloc(1, sizeof(*j));

	if (!j || pawl_provider_fs.open(&options, &p, &err) < 0 || (*j = (struct journal){ .os = &os, .hub = fs_of(p)->hub },
	    memcpy(j->hub_id, fs_of(p)->journal.hub_id, 16), journal_open(j, false, &err)) < 0 || journal_read(j, &t, &err) < 0) {
		crash_fail("the journal cannot be read: %s", err.text);
		return;
	}
	h->newest = t.max_lsn;
	for (size_t i = 0; i < t.record_count; i++) {
		const struct journal_record *r = &t.records[i];
		struct flip_frame *last = h->frame_count ? &h->frames[h->frame_count - 1] : NULL;
		size_t block = 0;
		for (unsigned s = 0; s < SEGMENTS_MAX; s++) {
			if (j->segments[s].state == SEGMENT_NONE)
				continue;
			const char *text = t.blocks[block++];
			if (r->id.data < text || r->id.data >= text + j->segments[s].size)
				continue;
			if (!last || last->lsn != r->lsn)
				last = &h->frames[h->frame_count++], *last = (struct flip_frame){ .segment = j->segments[s].number, .lsn = r->lsn,
					.from = (size_t)(r->id.data - text) - 28 - 48 };
			last->to = (size_t)(r->id.data - text) + r->id.len + r->data.len;
			last->hit |= member_of(h, r->id);
		}
	}
	journal_text_release(&t);
	journal_close(j);
	free(j);
	p->ops->close(p);
}

bool flip_make(struct flip_hub *h)
{
	static const char *const ids[] = { "live", "young", "spilled", "generations", "ended", "parked" };
	struct making m = { .n = { .sim = os_sim_new(5) }, .h = h, .time = 1795000000000000000 };

	*h = (struct flip_hub){ .sim = m.n.sim };
	for (unsigned i = 0; i < MEMBERS; i++)
		h->members[i] = (struct member){ .id = ids[i], .archived = i == ENDED_ONE, .parked = i == PARKED_ONE };
	start(&m);
	if (!m.failed)
		make_old(&m);
	if (!m.failed)
		make_new(&m);
	if (!m.failed)
		send(&m);
	node_kill(&m.n);
	if (m.failed)
		return false;
	h->file_count = flip_list(h->sim, h->files, FILES_MAX);
	map_journal(h);
	return h->frame_count > 4 && !crash_over();
}

void flip_free(struct flip_hub *h)
{
	flip_files_free(h->files, h->file_count);
	for (unsigned i = 0; i < MEMBERS; i++)
		for (unsigned e = 0; e < 2; e++)
			buf_release(&h->members[i].text[e]);
	os_sim_free(h->sim);
}

/* ---- looking ---- */

static int keep_finding(void *arg, const struct fsck_finding *f)
{
	struct flip_findings *out = arg;

	if (out->count == FINDINGS_MAX)
		return 0;
	snprintf(out->items[out->count].file, sizeof(out->items[0].file), "%s", f->file);
	snprintf(out->items[out->count].code, sizeof(out->items[0].code), "%s", f->code);
	snprintf(out->items[out->count].what, sizeof(out->items[0].what), "%s", f->what);
	out->items[out->count].severity = f->severity;
	out->items[out->count++].offset = f->offset;
	return 0;
}

void flip_fsck(struct os_sim *sim, bool repair, bool yes, struct flip_findings *out)
{
	const struct fsck_options o = { .hub = HUB, .os = os_sim_os_process(sim, HACKER), .repair = repair, .discard = yes, .each = keep_finding, .arg = out };

	memset(out, 0, sizeof(*out));
	out->rc = fsck_run(&o, &out->sum, &out->err);
	if (os_sim_open_count(sim, HACKER) && !os_sim_is_off(sim))
		crash_fail("fsck leaves %u descriptors open", os_sim_open_count(sim, HACKER));
}

static bool is_same(const struct member *w, struct node *n)
{
	bool same = true, quarantined = false;

	for (unsigned e = 0; e < w->executions && same; e++) {
		char *text = NULL;
		size_t len = 0;
		uint64_t which;
		same = n->p->ops->read(n->p, w->id, e + 1, &text, &len, &which, NULL) == 0 && len == w->text[e].len &&
		       memcmp(text, w->text[e].data, len) == 0;
		free(text);
	}
	free(n->p->ops->read_note(n->p, w->id, &quarantined));
	return same && !quarantined;
}

unsigned flip_same(const struct flip_hub *h, struct node *n)
{
	unsigned same = 0;

	for (unsigned i = 0; i < MEMBERS; i++)
		same |= is_same(&h->members[i], n) ? 1u << i : 0;
	return same;
}

/* As instances_load of the runtime does, and then a turn that ends it. */
static void complete_one(struct node *n, const char *id, uint64_t *completed)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t which;
	bool quarantined = false;
	struct history h;
	struct pawl_error err = { 0 };

	free(n->p->ops->read_note(n->p, id, &quarantined));
	if (quarantined)
		return;
	int rc = n->p->ops->read(n->p, id, 0, &text, &len, &which, &err);
	history_init(&h);
	if (rc == 0)
		rc = history_parse(&h, slice_make(text, len), &err);
	if (rc < 0 && err.code != PAWL_ENOTFOUND)
		(void)n->p->ops->quarantine(n->p, id, err.text, NULL);
	if (rc == 0 && h.count > 0 && !(event_type_class(h.events[h.count - 1].type) & EVENT_END)) {
		struct event e = { .type = EVENT_ExecutionCompleted, .seq = h.count + 1, .has_time = true, .time_ns = 1795000001000000000 };
		struct buf b = BUF_INIT;
		rc = event_encode(&b, &e);
		const struct pawl_record r = { .instance = id, .execution = which, .offset = h.bytes, .data = b.data, .len = b.len, .end = true };
		if (rc == 0)
			rc = pawl_provider_commit(n->p, &(struct pawl_batch){ &r, 1, NULL, 0 }, &err);
		if (rc == 0)
			rc = n->p->ops->archive(n->p, id, &err);
		*completed += rc == 0;
		buf_release(&b);
	}
	history_release(&h);
	free(text);
}

bool flip_complete(const struct flip_hub *h, struct node *n, unsigned same)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		uint64_t completed = 0;
		if (i == ENDED_ONE)
			continue;
		complete_one(n, h->members[i].id, &completed);
		if ((same >> i & 1) && !completed) {
			crash_fail("'%s' does not go on to its end", h->members[i].id);
			return false;
		}
	}
	return true;
}

static int count_message(void *arg, struct pawl_message *m)
{
	unsigned *seen = arg;

	if (m->kind == PAWL_MESSAGE_START && m->instance && strcmp(m->instance, "asked") == 0)
		*seen |= 1;
	else if (m->kind == PAWL_MESSAGE_RAISE && strcmp(m->name, "item") == 0)
		*seen |= 2;
	else if (m->kind == PAWL_MESSAGE_RAISE && strcmp(m->instance, "live") == 0)
		*seen |= 4;
	else if (m->kind == PAWL_MESSAGE_RAISE)
		*seen |= 8;
	return 0;
}

unsigned flip_receive(struct node *n)
{
	unsigned seen = 0;
	int64_t again;
	struct pawl_error err = { 0 };

	if (n->p->ops->receive(n->p, true, count_message, &seen, &again, &err) < 0)
		crash_fail("nothing is received: %s", err.text);
	return seen;
}

/* Behind a stop or a repair the journal itself is free to be written over. */
static bool has(const struct flip_file *files, unsigned count, const char *text, size_t len)
{
	for (unsigned i = 0; i < count; i++) {
		if (strncmp(files[i].path, "journal/", 8) == 0)
			continue;
		for (const char *at = files[i].text, *end = at + files[i].len; len <= (size_t)(end - at); at++) {
			at = memchr(at, text[0], (size_t)(end - at) - len + 1);
			if (!at)
				break;
			if (memcmp(at, text, len) == 0)
				return true;
		}
	}
	return false;
}

/* A segment still has what has long been in the histories, until it is used again. */
static bool counts(const struct flip_hub *h, const char *path, size_t at)
{
	unsigned segment;

	if (sscanf(path, "journal/%u.segment", &segment) != 1)
		return true;
	for (unsigned i = 0; i < h->frame_count; i++)
		if (h->frames[i].segment == segment && at >= h->frames[i].from && at < h->frames[i].to)
			return true;
	return false;
}

/* Where the line was before the damage: was a byte hit in all the places that had it? */
static bool was_hit(const struct flip_hub *h, const char *text, size_t len, const char *file, size_t from, size_t to)
{
	bool hit = false;

	for (unsigned i = 0; i < h->file_count; i++) {
		const struct flip_file *f = &h->files[i];
		for (size_t at = 0; at + len <= f->len; at++) {
			if (f->text[at] != text[0] || memcmp(f->text + at, text, len) != 0 || !counts(h, f->path, at))
				continue;
			if (strcmp(f->path, file) != 0 || at >= to || at + len <= from)
				return false;
			hit = true;
		}
	}
	return hit;
}

bool flip_lines_kept(const struct flip_hub *h, struct os_sim *sim, const char *file, size_t from, size_t to, char *lost, size_t size)
{
	struct flip_file *files = calloc(FILES_MAX * 2, sizeof(*files));
	unsigned count = files ? flip_list(sim, files, FILES_MAX * 2) : 0;
	bool kept = true;

	for (unsigned i = 0; i < MEMBERS && kept; i++)
		for (unsigned e = 0; e < h->members[i].executions && kept; e++) {
			const struct buf *t = &h->members[i].text[e];
			for (size_t at = 0, next; at < t->len && kept; at = next) {
				next = (size_t)((const char *)memchr(t->data + at, '\n', t->len - at) - t->data) + 1;
				kept = has(files, count, t->data + at, next - at - 1) || was_hit(h, t->data + at, next - at - 1, file, from, to);
				if (!kept)
					snprintf(lost, size, "%s/%u at byte %zu", h->members[i].id, e + 1, at);
			}
		}
	flip_files_free(files, count);
	free(files);
	return kept;
}
