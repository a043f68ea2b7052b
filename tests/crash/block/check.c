/*
 * check.c - a recovered hub against what was promised.
 *
 * Every history must be the beginning of the one that was there at the end of the run, and reach as far as the last thing
 * that somebody was told of it. All of them together must be as after some frame: nothing of a later one, and all of the
 * earlier ones (I3). What was raised is in a history or in the mailbox, once. Nothing is damaged, missing or new.
 */
#include "check.h"
#include "check_impl.h"
#include "util.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/log.h"
#include "os/os.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WHY_MAX 12

/* ---- what was promised ---- */

struct event_promise {
	struct event_promise *next;
	uint32_t crc;
	uint64_t execution; /* where the reference has it */
	size_t end; /* 0: nowhere */
	const struct event *line;
};

struct promise {
	struct event_promise *events;
	bool started, purging, purged;
	uint64_t execution; /* it has come that far: this execution, so many bytes */
	size_t len;
};

void check_wrong(struct check *c, const char *fmt, ...)
{
	va_list args;

	if (c->wrong++ >= WHY_MAX)
		return;
	buf_adds(&c->why, "    ");
	va_start(args, fmt);
	buf_addv(&c->why, fmt, args);
	va_end(args);
	buf_addc(&c->why, '\n');
}

void check_clear(struct check *c)
{
	c->wrong = 0;
	buf_reset(&c->why);
}

static struct promise *promise_of(struct check *c, const char *id)
{
	struct promise *p = map_get(&c->promises, slice_of(id));

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p || map_put(&c->promises, slice_of(id), p, NULL) < 0)
		die("no memory");
	return p;
}

static void promise_reach(struct promise *p, uint64_t execution, size_t len)
{
	if (execution > p->execution) {
		p->execution = execution;
		p->len = len;
	} else if (execution == p->execution && len > p->len) {
		p->len = len;
	}
}

static void promise_event(struct check *c, struct promise *p, const struct ack *ack)
{
	struct event_promise *e = calloc(1, sizeof(*e));

	if (!e)
		die("no memory");
	e->crc = ack->crc;
	for (const struct reference *r = map_get(&c->reference, slice_of(ack->id)); r && !e->end; r = r->next) {
		e->execution = r->execution;
		e->end = reference_payload(r, EVENT_EventRaised, ack->crc, &e->line);
	}
	if (!e->end && !c->alone) {
		check_wrong(c, "an event %s of '%s' was raised, and is in no history at the end of the run", ack->name,
			ack->id);
		free(e);
		return;
	}
	e->next = p->events;
	p->events = e;
}

static void promise_end(struct check *c, struct promise *p, const struct ack *ack)
{
	for (const struct reference *r = map_get(&c->reference, slice_of(ack->id)); r; r = r->next)
		if (!r->next && !reference_payload(r, EVENT_ExecutionCompleted, ack->crc, NULL))
			check_wrong(c, "'%s' was seen to end with another output than its history has", ack->id);
		else if (!r->next)
			promise_reach(p, r->execution, r->len);
}

static void promise_begun(struct check *c, struct promise *p, const struct ack *ack)
{
	const struct reference *r = reference_find(&c->reference, ack->id, ack->execution);
	size_t end = r ? reference_line(r, ack->number) : 0;

	if (end && event_payload_crc(&r->history.events[ack->number - 1]) == ack->crc)
		promise_reach(p, ack->execution, end);
	else if (c->alone && !map_get(&c->reference, slice_of(ack->id)))
		promise_reach(p, ack->execution, 1); /* or it is gone as it was purged */
	else
		check_wrong(c, "an activity of '%s' began that line %" PRIu64 " of execution %" PRIu64 " has not scheduled at the end of the run",
			ack->id, ack->number, ack->execution);
}

unsigned check_promise(struct check *c, const void *text, size_t len)
{
	struct ack ack;

	check_clear(c);
	if (ack_parse(&ack, text, len) < 0)
		die("'%.*s' is no acknowledgement", (int)len, (const char *)text);
	struct promise *p = promise_of(c, ack.id);
	c->promised = true;
	switch (ack.kind) {
	case ACK_STARTED: p->started = true; break;
	case ACK_RAISED: promise_event(c, p, &ack); break;
	case ACK_BEGAN: promise_begun(c, p, &ack); break;
	case ACK_ENDED: promise_end(c, p, &ack); break;
	case ACK_SEEN: promise_reach(p, ack.execution, ack.number); break;
	case ACK_PURGING: p->purging = true; break;
	case ACK_PURGED: p->purged = true; break;
	case ACK_KINDS: break;
	}
	p->started = p->started || p->execution > 0;
	return c->wrong;
}

/* ---- frames ---- */

struct frame_record {
	uint64_t lsn, end;
	const struct reference *of; /* NULL: it is of an instance that was removed, or no lines */
	char id[132];
};

static void read_frames(struct check *c, const char *path)
{
	uint64_t lsn, execution, offset, end;
	unsigned kind;
	char id[132];
	size_t cap = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		die_sys("cannot read '%s'", path);
	while (fscanf(f, "%" SCNu64 " %u %131s %" SCNu64 " %" SCNu64 " %" SCNu64, &lsn, &kind, id, &execution, &offset, &end) == 6) {
		if (kind != 1)
			continue;
		if (c->record_count == cap) {
			cap = cap ? cap * 2 : 1024;
			c->records = realloc(c->records, cap * sizeof(*c->records));
			if (!c->records)
				die("no memory");
		}
		struct frame_record *r = &c->records[c->record_count++];
		*r = (struct frame_record){ lsn, end, reference_find(&c->reference, id, execution), "" };
		memcpy(r->id, id, sizeof(id));
		if (!r->of)
			die("the frames know execution %" PRIu64 " of '%s', the reference does not", execution, id);
	}
	fclose(f);
}

void check_init(struct check *c, const char *reference, const char *frames)
{
	*c = (struct check){ .frames = frames };
	map_init(&c->promises);
	map_init(&c->found);
	buf_init(&c->why);
	reference_load(&c->reference, reference);
	if (frames)
		read_frames(c, frames);
}

/* ---- what is there ---- */

struct history_found {
	size_t len;
	struct history_found *next;
	uint64_t execution;
};

struct message_found {
	struct message_found *next;
	enum pawl_message_kind kind;
	uint32_t crc;
	char id[64];
};

struct instance_found {
	struct history_found *histories; /* by execution, newest first */
	struct message_found *messages;
	bool archived, listed;
};

struct finding {
	struct check *c;
	struct pawl_provider *p;
	bool archived;
};

static struct instance_found *found_of(struct finding *f, const char *id)
{
	struct instance_found *i = map_get(&f->c->found, slice_of(id));

	if (i)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i || map_put(&f->c->found, slice_of(id), i, NULL) < 0)
		die("no memory");
	return i;
}

static void check_spills(struct finding *f, const char *id, const struct reference *r, size_t len)
{
	struct pawl_error err = { 0 };

	for (size_t i = 0; i < r->history.count && r->ends[i] <= len; i++) {
		const struct event *e = &r->history.events[i];
		char name[256], *data = NULL;
		size_t size = 0;
		if (!e->data_file.len)
			continue;
		snprintf(name, sizeof(name), "%.*s", SLICE_FMT(e->data_file));
		int rc = f->p->ops->read_spill(f->p, id, name, &data, &size, &err);
		if (rc < 0)
			check_wrong(f->c, "'%s': line %zu has its payload in '%s': %s", id, i + 1, name, err.text);
		else if (size != e->data_len || crc32c(0, data, size) != e->data_crc)
			check_wrong(f->c, "'%s': the payload file '%s' is not what line %zu says (%zu bytes)", id, name, i + 1, size);
		free(data);
	}
}

static void check_text(struct finding *f, const char *id, uint64_t execution, const char *text, size_t len)
{
	const struct reference *r = reference_find(&f->c->reference, id, execution);

	if (!r) {
		check_wrong(f->c, "'%s' has an execution %" PRIu64 " that the run never had", id, execution);
		return;
	}
	size_t same = 0, most = len < r->len ? len : r->len;
	while (same < most && text[same] == r->text[same])
		same++;
	if (same < len)
		check_wrong(f->c, "'%s', execution %" PRIu64 ": differs from byte %zu on (%zu bytes; at the end of the run %zu)", id,
			execution, same, len, r->len);
	check_spills(f, id, r, len);
}

static int read_history(struct finding *f, const char *id, uint64_t execution, struct instance_found *i)
{
	struct pawl_error err = { 0 };
	uint64_t which = 0;
	size_t len = 0;
	char *text = NULL;
	int rc = f->p->ops->read(f->p, id, execution, &text, &len, &which, &err);

	if (rc < 0) {
		check_wrong(f->c, "cannot read execution %" PRIu64 " of '%s': %s", execution, id, err.text);
		return 0;
	}
	if (len > 0) {
		struct history_found *h = calloc(1, sizeof(*h));
		if (!h)
			die("no memory");
		*h = (struct history_found){ len, i->histories, which };
		i->histories = h;
		check_text(f, id, which, text, len);
	}
	free(text);
	return len > 0 && execution == 0 ? (int)which : 0;
}

static int find_instance(void *arg, const char *id)
{
	struct finding *f = arg;
	struct instance_found *i = found_of(f, id);
	bool damaged = false;
	char *note = f->p->ops->read_note(f->p, id, &damaged);

	if (damaged)
		check_wrong(f->c, "'%s' is set aside as damaged: %s", id, note);
	free(note);
	if (i->listed)
		check_wrong(f->c, "'%s' is there twice", id);
	i->listed = true;
	i->archived = f->archived;
	for (int newest = read_history(f, id, 0, i); newest > 1; newest--)
		(void)read_history(f, id, (uint64_t)newest - 1, i);
	return 0;
}

static int find_message(void *arg, struct pawl_message *m)
{
	struct finding *f = arg;
	struct instance_found *i = found_of(f, m->instance ? m->instance : "");
	struct message_found *found = calloc(1, sizeof(*found));

	if (!found)
		die("no memory");
	*found = (struct message_found){ i->messages, m->kind, crc32c(0, m->data, m->len), "" };
	snprintf(found->id, sizeof(found->id), "%s", m->id ? m->id : "");
	i->messages = found;
	return 0;
}

/* ---- comparing ---- */

static size_t found_len(const struct instance_found *i, uint64_t execution)
{
	for (const struct history_found *h = i ? i->histories : NULL; h; h = h->next)
		if (h->execution == execution)
			return h->len;
	return 0;
}

/*
 * btrfs gives a name that it brings back from its log the time of the mount as its ctime, and that is a part of what a dropped
 * file is known by: f:INODE.CTIME.CRC. Told apart from what no file system explains.
 */
static bool only_ctime_differs(const struct event *line, const char *id)
{
	const char *dot = strchr(id, '.'), *last = strrchr(id, '.');
	size_t inode = dot ? (size_t)(dot - id) : 0, crc = last ? strlen(last) : 0;

	return strncmp(id, "f:", 2) == 0 && line->id.len > inode + crc && memcmp(line->id.data, id, inode + 1) == 0 &&
	       memcmp(line->id.data + line->id.len - crc, last, crc) == 0;
}

static void compare_event(struct finding *f, const char *id, const struct event_promise *e, const struct instance_found *i)
{
	bool in_history = e->end && found_len(i, e->execution) >= e->end;
	unsigned waiting = 0;

	for (const struct message_found *m = i->messages; m; m = m->next) {
		if (m->kind != PAWL_MESSAGE_RAISE || m->crc != e->crc)
			continue;
		waiting++;
		if (!in_history || slice_is(e->line->id, m->id))
			continue;
		if (f->c->ctime_changes && only_ctime_differs(e->line, m->id))
			f->c->ctimes++;
		else
			check_wrong(f->c, "'%s': an event that is in its history waits as '%s' again", id, m->id);
	}
	if (!in_history && waiting == 0)
		check_wrong(f->c, "'%s': an event that was raised is gone: %.*s", id, e->line && e->line->data.len < 40 ? (int)e->line->data.len : 40,
			e->line && e->line->data.data ? e->line->data.data : "(it is large, or in no history)");
	if (waiting > 1)
		check_wrong(f->c, "'%s': an event that was raised once waits %u times", id, waiting);
}

static int compare_promise(void *arg, struct slice key, void *value)
{
	struct finding *f = arg;
	const struct promise *p = value;
	const struct instance_found *i = map_get(&f->c->found, key);
	const char *id = key.data;
	bool there = i && i->listed;

	if (p->purged && there)
		check_wrong(f->c, "'%s' was removed, and is there again", id);
	if (p->purging && !there)
		return 0;
	if (!there) {
		if (p->started)
			check_wrong(f->c, "'%s' was started, and is not there", id);
		return 0;
	}
	bool begun = i->histories != NULL, start_waits = false;
	for (const struct message_found *m = i->messages; m; m = m->next)
		start_waits = start_waits || m->kind == PAWL_MESSAGE_START;
	if (p->started && !begun && !start_waits)
		check_wrong(f->c, "'%s' was started, and neither its history nor its start is there", id);
	size_t len = found_len(i, p->execution);
	if (len < p->len)
		check_wrong(f->c, "'%s', execution %" PRIu64 ": somebody was told of its first %zu bytes, and %zu are there", id,
			p->execution, p->len, len);
	for (const struct event_promise *e = p->events; e; e = e->next)
		compare_event(f, id, e, i);
	return 0;
}

/* The message that has removed an instance may come again, as any: it finds nothing. */
static bool only_purges(const struct instance_found *i)
{
	const struct message_found *m = i->messages;

	while (m && m->kind == PAWL_MESSAGE_PURGE)
		m = m->next;
	return !m;
}

static int compare_found(void *arg, struct slice key, void *value)
{
	struct finding *f = arg;
	const struct instance_found *i = value;

	if (!i->listed && !only_purges(i))
		check_wrong(f->c, "there is a message for '%.*s', which is not there", SLICE_FMT(key));
	/* Alone: a start that is durable, and that nobody was told of yet, nor has begun. */
	if (!map_get(&f->c->reference, key) && !(f->c->alone && (!i->histories || i->histories->len == 0)))
		check_wrong(f->c, "'%.*s' is there, and was never in the run", SLICE_FMT(key));
	return 0;
}

/* All histories together are as they were after some frame: the last one that is there comes before the first that is not. */
static void compare_frames(struct finding *f)
{
	const struct frame_record *last = NULL, *missing = NULL;

	for (size_t n = 0; n < f->c->record_count; n++) {
		const struct frame_record *r = &f->c->records[n];
		const struct promise *p = map_get(&f->c->promises, slice_of(r->id));
		const struct instance_found *i = map_get(&f->c->found, slice_of(r->id));
		if (p && p->purging && !(i && i->listed))
			continue;
		if (found_len(i, r->of->execution) >= r->end)
			last = !last || r->lsn > last->lsn ? r : last;
		else if (!missing || r->lsn < missing->lsn)
			missing = r;
	}
	if (last && missing && missing->lsn <= last->lsn)
		check_wrong(f->c, "frame %" PRIu64 " is there ('%s', %" PRIu64 " bytes), but not frame %" PRIu64 " ('%s', %" PRIu64 " bytes)",
			last->lsn, last->id, last->end, missing->lsn, missing->id, missing->end);
}

static int release_found(void *arg, struct slice key, void *value)
{
	struct instance_found *i = value;

	(void)arg;
	(void)key;
	for (struct history_found *h = i->histories, *next; h; h = next) {
		next = h->next;
		free(h);
	}
	for (struct message_found *m = i->messages, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	free(i);
	return 0;
}

/* ---- a hub ---- */

static void on_log(void *arg, enum log_level level, const char *line)
{
	if (level <= LOG_LEVEL_WARNING)
		check_wrong(arg, "the log says: %s", line);
}

static void find_all(struct finding *f)
{
	struct pawl_error err = { 0 };
	int64_t again_ms = -1;

	for (int archived = 0; archived < 2; archived++) {
		f->archived = archived;
		if (f->p->ops->scan(f->p, archived, find_instance, f, &err) < 0)
			check_wrong(f->c, "cannot list the hub: %s", err.text);
	}
	if (f->p->ops->receive(f->p, true, find_message, f, &again_ms, &err) < 0)
		check_wrong(f->c, "cannot read the mailbox: %s", err.text);
}

unsigned check_hub(struct check *c, const char *hub)
{
	struct finding f = { .c = c };
	struct pawl_error err = { 0 };
	const struct pawl_provider_options options = { .hub = hub, .journal_bytes = 64 << 10, .os = os_after_power_cut() };
	struct stat st;

	check_clear(c);
	c->ctimes = 0;
	char path[4200];
	snprintf(path, sizeof(path), "%s/FORMAT", hub);
	if (!c->promised && stat(path, &st) < 0)
		return 0; /* it was being made */
	log_set_sink(on_log, c);
	map_each(&c->found, release_found, NULL);
	map_release(&c->found);
	map_init(&c->found);
	int rc = pawl_provider_fs.open(&options, &f.p, &err);
	if (rc == 0 && (rc = f.p->ops->acquire(f.p, &err)) == 0) {
		find_all(&f);
		map_each(&c->promises, compare_promise, &f);
		map_each(&c->found, compare_found, &f);
		compare_frames(&f);
	}
	if (rc < 0)
		check_wrong(c, "the hub does not open: %s", err.text);
	if (f.p)
		f.p->ops->close(f.p);
	log_set_sink(NULL, NULL);
	return c->wrong;
}

/* ---- for check_serve.c ---- */

bool check_event_is_there(const struct check *c, const char *id, const struct reference *r, size_t end, uint32_t crc)
{
	const struct instance_found *i = map_get(&c->found, slice_of(id));
	const struct message_found *m = i ? i->messages : NULL;

	while (m && (m->kind != PAWL_MESSAGE_RAISE || m->crc != crc))
		m = m->next;
	return m || found_len(i, r->execution) >= end;
}

bool check_is_purging(const struct check *c, const char *id)
{
	const struct promise *p = map_get(&c->promises, slice_of(id));

	return p && p->purging;
}
