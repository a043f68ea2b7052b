/*
 * mailbox.c - messages to the runtime.
 *
 *	control/NAME          from `pawl raise|suspend|...`: an envelope; only the hub's owner may write there
 *	instances/ID/start    from `pawl start`: an envelope in a directory that was built aside and renamed into place,
 *	                      so that the id is taken, and the start durable, in one step
 *	inbox/, events/       dropped by anybody: drops.c
 *
 * An envelope is one line of JSON and then the payload as it is:
 *	{"pawl":1,"kind":"raise","id":"5f..","instance":"x","name":"approved","bytes":3,"crc32c":"3b1f20d9"}<LF>yes
 */
#include "mailbox.h"
#include "base/crc32c.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>

#define ENVELOPE_HEAD_MAX 4096
#define NO_MEMORY "out of memory"
#define LOOK_AGAIN_MS 10000 /* behind a failure to read */
#define CONTROL_TURN 256    /* taken in one turn */
#define CONTROL_OUT 2048    /* given out and not in history yet */
#define MORE_MIN_MS 1       /* pause before the next turn of a flood; doubled while nothing comes back */
#define MORE_MAX_MS 1000
#define STARTS_AGAIN_MS 1000

static const char *const kind_names[] = {
	[PAWL_MESSAGE_START] = "start", [PAWL_MESSAGE_RAISE] = "raise", [PAWL_MESSAGE_SUSPEND] = "suspend",
	[PAWL_MESSAGE_RESUME] = "resume", [PAWL_MESSAGE_CANCEL] = "cancel", [PAWL_MESSAGE_TERMINATE] = "terminate",
	[PAWL_MESSAGE_PURGE] = "purge", [PAWL_MESSAGE_REQUEUE] = "requeue",
	[PAWL_MESSAGE_RESTART] = "restart", [PAWL_MESSAGE_REWIND] = "rewind", [PAWL_MESSAGE_RETRY] = "retry",
	[PAWL_MESSAGE_COMPACT] = "compact", [PAWL_MESSAGE_PUBLISH] = "publish",
};
static const char *const if_exists_names[] = {
	[PAWL_IF_EXISTS_FAIL] = "fail", [PAWL_IF_EXISTS_USE] = "use", [PAWL_IF_EXISTS_REPLACE] = "replace",
};
#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))
#define IF_EXISTS_COUNT (sizeof(if_exists_names) / sizeof(if_exists_names[0]))

/* ---- sending ---- */

static void envelope_write(struct buf *out, const struct pawl_message *m, const char *id)
{
	char crc[9], at[TEXT_TIME_SIZE];

	buf_adds(out, "{\"pawl\":1");
	json_add_member(out, "kind", slice_of(kind_names[m->kind]));
	json_add_member(out, "id", slice_of(id));
	if (m->instance)
		json_add_member(out, "instance", slice_of(m->instance));
	if (m->name)
		json_add_member(out, "name", slice_of(m->name));
	if (m->version)
		json_add_member(out, "version", slice_of(m->version));
	if (m->key)
		json_add_member(out, "key", slice_of(m->key));
	if (m->reason)
		json_add_member(out, "reason", slice_of(m->reason));
	if (m->if_exists != PAWL_IF_EXISTS_FAIL)
		json_add_member(out, "if_exists", slice_of(if_exists_names[m->if_exists]));
	if (m->at_ns > 0) {
		text_time(at, m->at_ns);
		json_add_member(out, "at", slice_of(at));
	}
	if (m->delay_ms > 0)
		json_add_member_u64(out, "delay_ms", (uint64_t)m->delay_ms);
	if (m->data) {
		snprintf(crc, sizeof(crc), "%08x", crc32c(0, m->data, m->len));
		json_add_member_u64(out, "bytes", m->len);
		json_add_member(out, "crc32c", slice_of(crc));
	}
	buf_adds(out, "}\n");
	if (m->data)
		buf_add(out, m->data, m->len);
}

static int check_text(const char *what, const char *text, bool (*good)(struct slice), struct pawl_error *err)
{
	return !text || good(slice_of(text)) ? 0 : err_set(err, PAWL_EINVALID, "%s '%.140s' is not valid", what, text);
}

/* The number of a line of history. */
static bool is_line_number(struct slice text)
{
	uint64_t n;
	return text_parse_u64(text, &n) == 0 && n > 0;
}

/* The number of a line, or a word for one. */
static bool is_line_name(struct slice text)
{
	return is_line_number(text) || slice_is(text, "last-good");
}

static int check_line(const struct pawl_message *m, struct pawl_error *err)
{
	switch (m->kind) {
	case PAWL_MESSAGE_REQUEUE:
		return check_text("activity number", m->key ? m->key : "", is_line_number, err);
	case PAWL_MESSAGE_REWIND:
		return check_text("line", m->key ? m->key : "", is_line_name, err);
	case PAWL_MESSAGE_RETRY:
		return check_text("line", m->key, is_line_number, err);
	case PAWL_MESSAGE_COMPACT:
		return check_text("number of executions", m->key, is_line_number, err);
	default:
		return 0;
	}
}

static int message_check(struct fs *fs, const struct pawl_message *m, struct pawl_error *err)
{
	bool for_nobody = m->kind == PAWL_MESSAGE_PUBLISH || (m->kind == PAWL_MESSAGE_START && !m->instance);
	int rc = for_nobody ? 0 : fs_check_id(m->instance, err);

	if ((size_t)m->kind >= KIND_COUNT)
		return err_set(err, PAWL_EINVALID, "message kind %d is not known", (int)m->kind);
	if (rc == 0 && m->kind == PAWL_MESSAGE_RAISE)
		rc = check_text("event name", m->name ? m->name : "", text_is_event_name, err);
	if (rc == 0 && m->kind == PAWL_MESSAGE_START)
		rc = check_text("orchestration name", m->name ? m->name : "", text_is_type_name, err);
	if (rc == 0 && m->kind == PAWL_MESSAGE_PUBLISH)
		rc = check_text("topic", m->name ? m->name : "", text_is_topic, err);
	if (rc == 0 && (m->delay_ms < 0 || m->at_ns < 0))
		rc = err_set(err, PAWL_EINVALID, "a time or delay below zero");
	if (rc == 0)
		rc = check_line(m, err);
	if (rc == 0 && (size_t)m->if_exists >= IF_EXISTS_COUNT)
		rc = err_set(err, PAWL_EINVALID, "if_exists %d is not known", (int)m->if_exists);
	if (rc == 0)
		rc = check_text("version", m->version, text_is_version, err);
	if (rc == 0)
		rc = check_text("key", m->key, text_is_key, err);
	if (rc == 0 && m->reason && (strlen(m->reason) > 1024 || !text_is_utf8(slice_of(m->reason))))
		rc = err_set(err, PAWL_ETOOBIG, "a reason is UTF-8 text of at most 1024 bytes");
	if (rc == 0 && m->len > fs->options.message_bytes_max)
		rc = err_set(err, PAWL_ETOOBIG, "a payload of %zu bytes is over the limit of %llu", m->len, (unsigned long long)fs->options.message_bytes_max);
	return rc;
}

static int new_id(struct fs *fs, char id[17], struct pawl_error *err)
{
	uint64_t n;
	int rc = fs->os->random(fs->os->self, &n, sizeof(n));

	snprintf(id, 17, "%016llx", (unsigned long long)n);
	return rc < 0 ? err_sys(err, -rc, "cannot draw a message id") : 0;
}

static int exists_error(const char *id, bool archived, struct pawl_error *err)
{
	return err_set(err, PAWL_EEXISTS, archived ? "instance '%s' exists already (it has ended; purge it or take another id)" : "instance '%s' exists already", id);
}

/* Ours may be in the archive, too, by now: a runtime can be that fast. */
static bool another_has_ended(struct fs *fs, const char *id, const struct os_stat *own)
{
	char path[PATH_SIZE];
	struct os_stat st;

	snprintf(path, sizeof(path), "archive/%s", id);
	return fs->os->stat(fs->os->self, fs->hub, path, &st) == 0 && (st.ino != own->ino || st.dev != own->dev);
}

/* Build the directory aside, then rename: rename(2) refuses a name that is taken by a directory with something in it. */
static int send_start(struct fs *fs, const struct pawl_message *m, const struct buf *text, const char *id, struct pawl_error *err)
{
	const struct os *os = fs->os;
	char aside[PATH_SIZE], path[PATH_SIZE + 16], to[PATH_SIZE];
	struct os_stat own;
	int rc;

	rc = fs_look(fs, err, "archive/%s", m->instance);
	if (rc != 0)
		return rc < 0 ? rc : exists_error(m->instance, true, err);
	rc = fs_look(fs, err, "instances/%s", m->instance);
	if (rc != 0)
		return rc < 0 ? rc : exists_error(m->instance, false, err);
	snprintf(aside, sizeof(aside), "instances/.start-%s", id);
	snprintf(to, sizeof(to), "instances/%s", m->instance);
	rc = access_mkdir(fs, aside, PLACE_PASS);
	snprintf(path, sizeof(path), "%s/events", aside);
	if (rc == 0)
		rc = access_mkdir(fs, path, PLACE_DROPS);
	snprintf(path, sizeof(path), "%s/start", aside);
	if (rc == 0)
		rc = os_replace_file(os, fs->hub, path, text->data, text->len, HUB_FILE_MODE, true);
	if (rc == 0)
		rc = os->stat(os->self, fs->hub, aside, &own);
	if (rc == 0)
		rc = os->rename(os->self, fs->hub, aside, fs->hub, to);
	if (rc == 0 && another_has_ended(fs, m->instance, &own)) {
		/* between our look and our rename: the id is taken after all */
		(void)os->rename(os->self, fs->hub, to, fs->hub, aside);
		rc = -EEXIST;
	}
	if (rc == 0)
		rc = os_sync_dir(os, fs->hub, "instances");
	else
		(void)os_remove_tree(os, fs->hub, aside, 3);
	if (rc == -EEXIST || rc == -ENOTEMPTY)
		return exists_error(m->instance, false, err);
	return rc < 0 ? err_sys(err, -rc, "cannot start '%s' in '%s'", m->instance, fs->path) : 0;
}

static int last_number(void *arg, const char *name)
{
	uint64_t n, *last = arg;

	if (strlen(name) > 20 && text_parse_u64(slice_make(name, 20), &n) == 0 && n > *last)
		*last = n;
	return 0;
}

/* Names sort in the order of sending: a time, made larger than any that waits, for clocks that go back. */
static int send_control(struct fs *fs, const struct buf *text, const char *id, struct pawl_error *err)
{
	char path[PATH_SIZE];
	uint64_t last = 0, now = (uint64_t)fs->os->real_ns(fs->os->self);
	int rc = fs->os->list(fs->os->self, fs->hub, "control", last_number, &last);

	if (rc >= 0) {
		snprintf(path, sizeof(path), "control/%020llu-%s", (unsigned long long)(now > last ? now : last + 1), id);
		rc = os_replace_file(fs->os, fs->hub, path, text->data, text->len, HUB_FILE_MODE, true);
	}
	return rc < 0 ? err_sys(err, -rc, "cannot write into '%s/control'%s", fs->path, rc == -ENOSPC || rc == -EDQUOT ? " (make room, for instance in instances/*/work and archive/*/work)" : "") : 0;
}

static bool is_for_ended(enum pawl_message_kind kind)
{
	return kind == PAWL_MESSAGE_PURGE || kind == PAWL_MESSAGE_COMPACT || kind == PAWL_MESSAGE_RESTART || kind == PAWL_MESSAGE_REWIND || kind == PAWL_MESSAGE_RETRY;
}

static int check_receiver(struct fs *fs, const struct pawl_message *m, struct pawl_error *err)
{
	int live = fs_look(fs, err, "instances/%s", m->instance), archived = live == 0 ? fs_look(fs, err, "archive/%s", m->instance) : 0;

	if (live == 0 && archived == 0) /* it may have come back from the archive between the two looks */
		live = fs_look(fs, err, "instances/%s", m->instance);
	if (live < 0 || archived < 0)
		return live < 0 ? live : archived;
	if (m->kind == PAWL_MESSAGE_PURGE && live)
		return err_set(err, PAWL_ESTATE, "instance '%s' has not ended: terminate it first", m->instance);
	if (archived && is_for_ended(m->kind))
		return 0;
	if (archived)
		return err_set(err, PAWL_ESTATE, "instance '%s' has ended", m->instance);
	return live ? 0 : err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", m->instance);
}

/* An id that is taken. By one that has ended, and is to be replaced: that is for the runtime to do. */
static int send_start_again(struct fs *fs, const struct pawl_message *m, const struct buf *text, const char *id, struct pawl_error *err)
{
	struct pawl_error taken = { 0 };
	int rc = send_start(fs, m, text, id, &taken);

	if (rc != PAWL_EEXISTS || m->if_exists == PAWL_IF_EXISTS_FAIL) {
		if (rc < 0 && err)
			*err = taken;
		return rc;
	}
	if (m->if_exists == PAWL_IF_EXISTS_USE)
		return 0;
	int archived = fs_look(fs, err, "archive/%s", m->instance);
	if (archived == 0)
		return err_set(err, PAWL_EEXISTS, "instance '%s' exists already, and has not ended", m->instance);
	return archived < 0 ? archived : send_control(fs, text, id, err);
}

int fs_send(struct pawl_provider *p, const struct pawl_message *m, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct buf text = BUF_INIT;
	char id[17];

	if (fs->options.read_only)
		return err_set(err, PAWL_EROFS, "the hub '%s' was opened for reading only", fs->path);
	int rc = message_check(fs, m, err);
	if (rc == 0)
		rc = new_id(fs, id, err);
	if (rc == 0 && m->kind != PAWL_MESSAGE_START && m->kind != PAWL_MESSAGE_PUBLISH)
		rc = check_receiver(fs, m, err);
	if (rc == 0) {
		envelope_write(&text, m, id);
		if (!buf_ok(&text))
			rc = err_nomem(err);
		else if (m->kind == PAWL_MESSAGE_START && m->instance)
			rc = send_start_again(fs, m, &text, id, err);
		else
			rc = send_control(fs, &text, id, err);
	}
	buf_release(&text);
	return rc;
}

/* ---- reading envelopes ---- */

/* What the head of an envelope says. */
struct head {
	struct arena arena;
	uint64_t bytes;
	uint32_t crc;
	bool payload, no_memory;
};

static const char *take_text(struct head *h, struct slice s)
{
	struct slice copy = arena_copy(&h->arena, s);

	h->no_memory = h->no_memory || (s.data && !copy.data);
	return copy.data && strlen(copy.data) == copy.len ? copy.data : NULL;
}

static void envelope_member(struct letter *l, struct slice key, const struct json_value *v, struct head *h)
{
	struct pawl_message *m = &l->message;
	uint64_t n;

	if (slice_is(key, "instance"))
		m->instance = take_text(h, v->text);
	else if (slice_is(key, "name"))
		m->name = take_text(h, v->text);
	else if (slice_is(key, "version"))
		m->version = take_text(h, v->text);
	else if (slice_is(key, "key"))
		m->key = take_text(h, v->text);
	else if (slice_is(key, "reason"))
		m->reason = take_text(h, v->text);
	else if (slice_is(key, "id") && v->text.len < sizeof(l->id) - 2)
		snprintf(l->id, sizeof(l->id), "m:%.*s", SLICE_FMT(v->text));
	else if (slice_is(key, "at"))
		m->at_ns = text_parse_time(v->text, &m->at_ns) == 0 ? m->at_ns : -1; /* which is not valid */
	else if (slice_is(key, "delay_ms"))
		m->delay_ms = text_parse_u64(v->text, &n) == 0 && n <= INT64_MAX ? (int64_t)n : -1;
	else if (slice_is(key, "bytes"))
		h->payload = text_parse_u64(v->text, &h->bytes) == 0;
	else if (slice_is(key, "crc32c") && text_parse_hex32(v->text, &h->crc) < 0)
		h->crc = 0;
	for (size_t i = 0; slice_is(key, "kind") && i < KIND_COUNT; i++)
		if (slice_is(v->text, kind_names[i]))
			m->kind = (enum pawl_message_kind)i;
	for (size_t i = 0; slice_is(key, "if_exists") && i < IF_EXISTS_COUNT; i++)
		if (slice_is(v->text, if_exists_names[i]))
			m->if_exists = (enum pawl_message_if_exists)i;
}

/* The texts that a message points to are one block behind it: copy them from the arena. */
static int letter_keep(struct letter *l, const char *payload, size_t len)
{
	struct pawl_message *m = &l->message;
	const char **fields[] = { &m->instance, &m->name, &m->version, &m->key, &m->reason };
	size_t size = len + 1;

	for (size_t i = 0; i < 5; i++)
		size += *fields[i] ? strlen(*fields[i]) + 1 : 0;
	char *at = malloc(size);
	if (!at)
		return PAWL_ENOMEM;
	l->text = at;
	for (size_t i = 0; i < 5; i++) {
		if (!*fields[i])
			continue;
		size_t n = strlen(*fields[i]) + 1;
		memcpy(at, *fields[i], n);
		*fields[i] = at;
		at += n;
	}
	if (payload) {
		memcpy(at, payload, len);
		at[len] = '\0';
		m->data = at;
		m->len = len;
	}
	return 0;
}

static const char *envelope_parse(struct letter *l, const char *text, size_t len)
{
	const char *lf = memchr(text, '\n', len < ENVELOPE_HEAD_MAX ? len : ENVELOPE_HEAD_MAX), *why = NULL;
	struct head h = { .bytes = 0 };
	struct json_reader r;
	struct json_value v;
	struct slice key;
	int rc;

	if (!lf)
		return "not an envelope: it has no head line";
	l->message.kind = (enum pawl_message_kind)KIND_COUNT;
	arena_init(&h.arena, 64 * 1024); /* more than any head needs: that it is full means that there is no memory */
	rc = json_open(&r, slice_make(text, (size_t)(lf - text)), '{', &h.arena);
	while (rc >= 0 && (rc = json_next(&r, &key, &v)) > 0)
		envelope_member(l, key, &v, &h);
	const char *data = lf + 1;
	size_t left = len - (size_t)(data - text);
	if (h.no_memory || rc == PAWL_ENOMEM)
		why = NO_MEMORY;
	else if (rc < 0 || l->message.kind == (enum pawl_message_kind)KIND_COUNT || !l->id[0])
		why = "not an envelope: its head does not parse";
	else if (h.payload && (left != h.bytes || crc32c(0, data, left) != h.crc))
		why = "the payload is not what was sent: length or checksum differ";
	else if (letter_keep(l, h.payload ? data : NULL, left) < 0)
		why = NO_MEMORY;
	arena_release(&h.arena);
	return why;
}

/* ---- given out, acked, rejected ---- */

void mailbox_look_failed(struct fs *fs, const char *verb, const char *path, int rc)
{
	struct mailbox *m = fs->mailbox;

	if (!m->look_told)
		log_warning("cannot %s '%s': %s; it stays and is tried again", verb, path, strerror(-rc));
	m->look_failed = m->look_told = true;
}

static void letter_path(char *path, const char *dir, const char *name)
{
	snprintf(path, PATH_SIZE, "%.250s/%.255s", dir, name);
}

bool mailbox_has(struct mailbox *m, const char *dir, const char *name)
{
	char path[PATH_SIZE];

	letter_path(path, dir, name);
	return map_get(&m->letters, slice_of(path)) != NULL;
}

void letter_clear(struct letter *l)
{
	free(l->dir);
	free(l->name);
	free(l->text);
	*l = (struct letter){ .dir = NULL };
}

static void letter_free(struct fs *fs, struct letter *l)
{
	char path[PATH_SIZE];

	letter_path(path, l->dir, l->name);
	map_remove(&fs->mailbox->letters, slice_of(path));
	fs->mailbox->letter_bytes -= l->message.len;
	fs->mailbox->acks++;
	letter_clear(l);
	free(l);
}

static int look_start(struct fs *fs, const char *id, struct pawl_error *err);

/* The start of an instance comes before what was sent or dropped for it: also one that was made since the kernel was
 * asked what is new, or that it did not tell of (I12). */
static int deliver_start_first(struct fs *fs, const struct pawl_message *m)
{
	struct pawl_error err = { 0 };

	return m->kind == PAWL_MESSAGE_START || !m->instance ? 0 : look_start(fs, m->instance, &err);
}

int mailbox_deliver(struct fs *fs, const struct letter *letter)
{
	struct mailbox *m = fs->mailbox;
	char path[PATH_SIZE];
	int rc = deliver_start_first(fs, &letter->message);
	struct letter *l = rc == PAWL_ENOMEM ? NULL : malloc(sizeof(*l));

	letter_path(path, letter->dir, letter->name);
	if (!l || map_put(&m->letters, slice_of(path), l, NULL) < 0) {
		free(l);
		return PAWL_ENOMEM;
	}
	*l = *letter;
	l->message.token = l;
	l->message.id = l->id;
	l->message.from = l->from;
	size_t len = letter->message.len;
	m->letter_bytes += len;
	rc = m->each(m->arg, &l->message);
	fs->stats.accepted += rc == 0;
	if (rc == 0)
		return 0;
	if (rc > 0) { /* not now: it is still where it was */
		m->starts_wait = true;
		m->starts_ns = fs->os->boot_ns(fs->os->self);
		letter_free(fs, l);
		return 0;
	}
	m->letter_bytes -= len;
	map_remove(&m->letters, slice_of(path));
	free(l);
	return rc;
}

int mailbox_not_taken(struct fs *fs, struct letter *letter, int rc, struct pawl_error *err)
{
	letter_clear(letter);
	fs->mailbox->look_failed = true;
	return rc == PAWL_ENOMEM ? err_nomem(err) : 0;
}

/* Under the name of what was taken there is something new. The kernel has told of it when it was not to be looked at, so
 * it is made to tell once more. */
static void dropped_again(struct fs *fs, const struct letter *l)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.480s/.touch", l->dir);
	(void)fs->os->symlink(fs->os->self, ".", fs->hub, path);
	(void)fs->os->unlink(fs->os->self, fs->hub, path);
}

/* The instance may have been archived since: then the directory was moved with all in it, and nobody looks there. */
void fs_ack(struct pawl_provider *p, void *token)
{
	struct fs *fs = fs_of(p);
	struct letter *l = token;
	char path[PATH_SIZE];

	letter_path(path, l->dir, l->name);
	if (l->st.ino && !drop_is_same(fs, path, &l->st, l->crc)) {
		dropped_again(fs, l);
		letter_free(fs, l);
		return;
	}
	int rc = fs->os->unlink(fs->os->self, fs->hub, path);
	fs->acked = fs->acked || strchr(l->dir, '/') == NULL;
	if (rc == -ENOENT && strncmp(path, "instances/", 10) == 0) {
		char moved[PATH_SIZE];
		snprintf(moved, sizeof(moved), "archive/%.480s", path + 10);
		rc = fs->os->unlink(fs->os->self, fs->hub, moved);
	}
	if (rc < 0 && rc != -ENOENT) {
		/* It stays given out, so it is not seen again; the next look tries to remove it, and after a restart history
		 * knows it by its id. */
		if (fs->mailbox->unremoved == 0)
			log_warning("cannot remove '%s', which is done: %s; trying again", path, strerror(-rc));
		fs->mailbox->unremoved += !l->done;
		l->done = true;
		return;
	}
	fs->mailbox->unremoved -= l->done;
	letter_free(fs, l);
}

static int remove_done(void *arg, struct slice key, void *value)
{
	struct fs *fs = arg;
	struct letter *l = value;

	(void)key;
	if (l->done)
		fs_ack(&fs->provider, l);
	return 0;
}

/* The id is free again, unless somebody has dropped something for it already. */
static void unreserve_start(struct fs *fs, const struct letter *l)
{
	char path[PATH_SIZE];

	letter_path(path, l->dir, "start");
	(void)fs->os->unlink(fs->os->self, fs->hub, path);
	letter_path(path, l->dir, "events");
	(void)fs->os->rmdir(fs->os->self, fs->hub, path);
	(void)fs_rmdir_empty(fs, l->message.instance);
}

void fs_reject(struct pawl_provider *p, void *token, const char *why)
{
	struct fs *fs = fs_of(p);
	struct letter *l = token;

	if (l->is_start) {
		log_warning("start of '%s' is refused: %s", l->message.instance, why);
		unreserve_start(fs, l);
	} else {
		drops_reject(fs, l->dir, l->name, why);
	}
	letter_free(fs, l);
}

bool mailbox_is_start(const struct fs *fs, const void *token, const char *id)
{
	const struct letter *l = token;

	(void)fs;
	return l && l->is_start && strcmp(l->message.instance, id) == 0;
}

/* ---- receiving ---- */

static int list_name(void *arg, const char *name)
{
	struct dir_names *n = arg;

	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 32;
		char **grown = realloc(n->items, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		n->items = grown;
		n->cap = cap;
	}
	n->items[n->count] = strdup(name);
	return n->items[n->count] ? (n->count++, 0) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int names_list(struct fs *fs, const char *dir, struct dir_names *n)
{
	*n = (struct dir_names){ 0 };
	int rc = fs->os->list(fs->os->self, fs->hub, dir, list_name, n);
	if (n->count)
		qsort(n->items, n->count, sizeof(n->items[0]), by_name);
	return rc;
}

void names_release(struct dir_names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}

/* NULL, or why it is no message. */
static const char *letter_read(struct fs *fs, struct letter *l, const char *text, size_t len, const char *start_of)
{
	const char *why = envelope_parse(l, text, len);

	if (!why && start_of && l->message.kind != PAWL_MESSAGE_START)
		why = "it is no start";
	if (!why && start_of && (!l->message.instance || strcmp(l->message.instance, start_of) != 0))
		why = "the start is for another instance";
	if (!why && message_check(fs, &l->message, NULL) < 0)
		why = "it names something that is not valid";
	return why;
}

const char *mailbox_check_envelope(struct fs *fs, const char *text, size_t len, const char *start_of)
{
	struct letter l = { .is_start = start_of != NULL };
	const char *why = letter_read(fs, &l, text, len, start_of);

	letter_clear(&l);
	return why;
}

static int take_envelope(struct fs *fs, const char *dir, const char *name, bool is_start, struct pawl_error *err)
{
	char path[PATH_SIZE], *text = NULL;
	struct letter l = { .is_start = is_start };
	struct os_stat st;
	size_t len = 0;

	letter_path(path, dir, name);
	int rc = fs->os->stat(fs->os->self, fs->hub, path, &st);
	if (rc == 0)
		rc = os_read_file(fs->os, fs->hub, path, (size_t)fs->options.message_bytes_max + ENVELOPE_HEAD_MAX, &text, &len);
	if (rc == -ENOENT)
		return 0;
	if (rc == -EFBIG || rc == -EISDIR || rc == -EINVAL) {
		drops_reject(fs, dir, name, strerror(-rc));
		return 0;
	}
	if (rc < 0) { /* it was promised to be delivered: it stays until it can be read (I7), and holds up no other */
		mailbox_look_failed(fs, "read", path, rc);
		return 0;
	}
	const char *why = letter_read(fs, &l, text, len, is_start ? dir + strlen("instances/") : NULL);
	free(text);
	if (why && strcmp(why, NO_MEMORY) == 0)
		return err_nomem(err);
	if (why) {
		letter_clear(&l);
		drops_reject(fs, dir, name, why);
		return 0;
	}
	snprintf(l.from, sizeof(l.from), "uid:%u", st.uid);
	l.dir = strdup(dir);
	l.name = strdup(name);
	rc = l.dir && l.name ? mailbox_deliver(fs, &l) : PAWL_ENOMEM;
	return rc < 0 ? mailbox_not_taken(fs, &l, rc, err) : rc;
}

/* 1: there is more, for another turn. */
static int look_control(struct fs *fs, struct pawl_error *err)
{
	struct dir_names n;
	size_t taken = 0, out = 0, i = 0;
	int rc = names_list(fs, "control", &n);

	if (rc < 0)
		rc = err_sys(err, -rc, "cannot list '%s/control'", fs->path);
	for (; rc >= 0 && i < n.count && taken < CONTROL_TURN && out < CONTROL_OUT; i++) {
		if (n.items[i][0] == '.')
			continue;
		if (mailbox_has(fs->mailbox, "control", n.items[i])) {
			out++;
			continue;
		}
		rc = take_envelope(fs, "control", n.items[i], false, err);
		taken++;
	}
	bool more = i < n.count;
	names_release(&n);
	return rc < 0 ? rc : more;
}

/* Its sender has made the directories, and knows nothing of our groups. */
static int take_start(struct fs *fs, const char *id, const char *dir, struct pawl_error *err)
{
	char events[PATH_SIZE];

	snprintf(events, sizeof(events), "instances/%s/events", id);
	int sys = access_give(fs, dir, PLACE_PASS);
	if (sys == 0)
		sys = access_give(fs, events, PLACE_DROPS);
	if (sys < 0 && sys != -ENOENT && drops_may_say(fs))
		log_warning("cannot set group and mode of '%s': %s", events, strerror(-sys));
	return take_envelope(fs, dir, "start", true, err);
}

static int look_start(struct fs *fs, const char *id, struct pawl_error *err)
{
	char dir[PATH_SIZE], start[PATH_SIZE];

	snprintf(dir, sizeof(dir), "instances/%s", id);
	snprintf(start, sizeof(start), "instances/%s/start", id);
	struct os_stat st;
	int sys = fs->os->stat(fs->os->self, fs->hub, start, &st);
	if (sys < 0 && sys != -ENOENT)
		mailbox_look_failed(fs, "look at", start, sys);
	if (sys < 0 || mailbox_has(fs->mailbox, dir, "start"))
		return 0;
	/* a history beside it: the start was committed and only the file was not removed in time (I2) */
	struct history_file *f = histories_find(fs, id, 1); /* size 0: only a commit that failed knows it */
	if ((!f || f->size == 0) && !fs_exists(fs, "instances/%s/1.history", id))
		return take_start(fs, id, dir, err);
	(void)fs->os->unlink(fs->os->self, fs->hub, start);
	return 0;
}

/* Both places where something for one instance can lie. */
static int look_instance(struct fs *fs, const char *id, struct pawl_error *err)
{
	char dir[PATH_SIZE];
	int rc = look_start(fs, id, err);

	snprintf(dir, sizeof(dir), "instances/%s/events", id);
	if (rc >= 0)
		rc = drops_scan(fs, dir, id, err);
	if (rc > 0 && map_put(&fs->mailbox->more, slice_of(id), fs->mailbox, NULL) < 0)
		fs->mailbox->look_all = true;
	return rc < 0 ? rc : 0;
}

struct look_each {
	struct fs *fs;
	struct pawl_error *err;
};

static int look_id(void *arg, const char *id)
{
	struct look_each *l = arg;

	return look_instance(l->fs, id, l->err);
}

static int look_noticed(void *arg, struct slice key, void *value)
{
	struct look_each *l = arg;
	char id[TEXT_INSTANCE_ID_MAX + 1];

	(void)value;
	snprintf(id, sizeof(id), "%.*s", SLICE_FMT(key));
	map_remove(&l->fs->mailbox->noticed, key);
	return look_instance(l->fs, id, l->err);
}

static void notice(struct mailbox *m, struct slice id)
{
	if (text_is_instance_id(id) && map_put(&m->noticed, id, m, NULL) < 0)
		m->look_all = true;
}

static int on_notice(void *arg, int number, uint32_t mask, const char *name)
{
	struct fs *fs = arg;
	struct mailbox *m = fs->mailbox;

	if (queue_notice(fs, number, mask))
		return 0;
	if (number == m->control_number)
		m->look_control = true;
	else if (number == m->inbox_number)
		m->look_inbox = true;
	else if (number == m->instances_number)
		notice(m, slice_of(name));
	else if (number < 0)
		m->look_all = true;
	else if (!(mask & OS_WATCH_GONE)) {
		struct attended *a = map_get(&m->attended_numbers, slice_make(&number, sizeof(number)));
		if (a)
			notice(m, slice_of(a->id));
	}
	return 0;
}

/* The files that wait for a second look; one that is gone waits no more. */
static int notice_look(void *arg, struct slice key, void *value)
{
	struct fs *fs = arg;
	struct mailbox *m = fs->mailbox;
	const char *id = key.data + strlen("instances/"), *end = key.len > 10 ? strchr(id, '/') : NULL;

	if (!fs_exists(fs, "%s", key.data)) {
		(void)map_remove(&m->looks, key);
		free(value);
	} else if (end && strncmp(key.data, "instances/", 10) == 0) {
		notice(m, slice_make(id, (size_t)(end - id)));
	} else {
		m->look_inbox = true;
	}
	return 0;
}

static int notice_more(void *arg, struct slice key, void *value)
{
	struct mailbox *m = arg;

	(void)value;
	notice(m, key);
	(void)map_remove(&m->more, key);
	return 0;
}

/* What this turn has left goes on soon: at once while what was given out comes back, else with growing pauses (it may be for
 * an instance that is parked, and stays given out). */
static void look_for_more(struct mailbox *m)
{
	bool moves = m->acks != m->acks_before;

	m->more_ms = moves || m->more_ms == 0 ? MORE_MIN_MS : m->more_ms * 2 > MORE_MAX_MS ? MORE_MAX_MS : m->more_ms * 2;
	m->acks_before = m->acks;
	if (m->again_ms < 0 || m->again_ms > m->more_ms)
		m->again_ms = m->more_ms;
}

int fs_receive(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *m), void *arg, int64_t *again_ms, struct pawl_error *err)
{
	struct fs *fs = fs_of(p);
	struct mailbox *m = fs->mailbox;
	struct look_each look = { fs, err };

	if (!m)
		return err_set(err, PAWL_ESTATE, "only the owner of a hub receives");
	(void)fs->os->watch_read(fs->os->self, m->watch, on_notice, fs);
	if (rescan)
		queue_rescan(fs);
	if (rescan && m->unremoved)
		(void)map_each(&m->letters, remove_done, fs);
	(void)map_each(&m->looks, notice_look, fs);
	(void)map_each(&m->more, notice_more, m);
	bool all = rescan || m->look_all, more = false;
	m->look_all = false;
	if (m->starts_wait && fs->os->boot_ns(fs->os->self) - m->starts_ns >= STARTS_AGAIN_MS * 1000000ll)
		m->starts_wait = false;
	m->each = each;
	m->arg = arg;
	m->again_ms = -1;
	m->look_failed = false;
	/* Starts first: what was sent or dropped for an instance right after its start must find it. */
	int rc = all ? fs_scan(p, false, look_id, &look, err) : map_each(&m->noticed, look_noticed, &look);
	if (rc >= 0 && (all || m->look_control)) {
		rc = look_control(fs, err);
		more = m->look_control = rc > 0;
	}
	if (rc >= 0 && (all || m->look_inbox)) {
		rc = drops_scan(fs, "inbox", NULL, err);
		m->look_inbox = rc > 0 || m->starts_wait;
		more = more || rc > 0;
	}
	if (rc >= 0 && all) {
		m->first_scan = false;
		fs->stats.scans++;
	}
	drops_trim(fs);
	if (more || m->more.count || m->look_all)
		look_for_more(m);
	if (m->starts_wait && (m->again_ms < 0 || m->again_ms > STARTS_AGAIN_MS))
		m->again_ms = STARTS_AGAIN_MS;
	m->look_told = m->look_told && (rc < 0 || m->look_failed);
	if (rc < 0 || m->look_failed) { /* what was noticed is forgotten: look everywhere the next time */
		m->look_all = true;
		if (m->again_ms < 0 || m->again_ms > LOOK_AGAIN_MS)
			m->again_ms = LOOK_AGAIN_MS;
	}
	*again_ms = m->again_ms;
	return rc < 0 ? rc : 0;
}

/* ---- watching ---- */

#define WATCH_DROPS (OS_WATCH_CREATE | OS_WATCH_CLOSE_WRITE | OS_WATCH_MOVED_TO)

int fs_poll_fd(struct pawl_provider *p)
{
	struct mailbox *m = fs_of(p)->mailbox;

	return m ? m->watch : -1;
}

int mailbox_watch_fd(struct fs *fs)
{
	return fs->mailbox ? fs->mailbox->watch : -1;
}

static void unattend(struct fs *fs, struct attended *a, bool gone)
{
	struct mailbox *m = fs->mailbox;

	if (!gone)
		(void)fs->os->watch_remove(fs->os->self, m->watch, a->number);
	map_remove(&m->attended_numbers, slice_make(&a->number, sizeof(a->number)));
	map_remove(&m->attended, slice_of(a->id));
	free(a);
}

static int attend_new(struct fs *fs, const char *id)
{
	struct mailbox *m = fs->mailbox;
	char path[PATH_SIZE];
	size_t size = strlen(id) + 1;
	struct attended *a = malloc(sizeof(*a) + size);

	if (!a)
		return PAWL_ENOMEM;
	memcpy(a->id, id, size);
	snprintf(path, sizeof(path), "instances/%s/events", id);
	a->number = fs->os->watch_add(fs->os->self, m->watch, fs->hub, path, WATCH_DROPS);
	if (a->number < 0 || map_put(&m->attended_numbers, slice_make(&a->number, sizeof(a->number)), a, NULL) < 0) {
		free(a);
		return PAWL_EBUSY;
	}
	if (map_put(&m->attended, slice_of(id), a, NULL) < 0) {
		unattend(fs, a, false);
		return PAWL_ENOMEM;
	}
	return 0;
}

/* Watch first, then look (I12). Over the cap, or when the kernel has no more watches, the rescan finds the drops. */
void fs_attend(struct pawl_provider *p, const char *id, bool wanted)
{
	struct fs *fs = fs_of(p);
	struct mailbox *m = fs->mailbox;
	struct attended *a = m ? map_get(&m->attended, slice_of(id)) : NULL;

	if (!m || wanted == (a != NULL))
		return;
	if (!wanted) {
		unattend(fs, a, false);
		return;
	}
	if (m->attended.count >= fs->options.watches_max || instance_make_dirs(fs, id, false, NULL) < 0)
		return;
	if (attend_new(fs, id) == 0)
		notice(m, slice_of(id));
}


static int mailbox_watch(struct fs *fs, const char *dir, uint32_t mask, int *number, struct pawl_error *err)
{
	*number = fs->os->watch_add(fs->os->self, fs->mailbox->watch, fs->hub, dir, mask);
	if (*number >= 0)
		return 0;
	return err_sys(err, -*number, "cannot watch '%s/%s' (raise fs.inotify.max_user_watches)", fs->path, dir);
}

/* FORMAT is a file that nobody writes: if that cannot be leased, nothing can. */
static void check_leases(struct fs *fs)
{
	int fd = fs->os->open(fs->os->self, fs->hub, "FORMAT", OS_READ, 0);

	if (fd < 0)
		return;
	if (fs->os->lease(fs->os->self, fd) == OS_LEASE_UNKNOWN) {
		log_warning("no read leases on '%s' (%s): dropped files are taken only when they have not changed for 2 s", fs->path, fs->info.name);
		fs->mailbox->lease_warned = true;
	}
	fs->os->unlease(fs->os->self, fd);
	fs->os->close(fs->os->self, fd);
}

int mailbox_open(struct fs *fs, struct pawl_error *err)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (!m)
		return err_nomem(err);
	fs->mailbox = m;
	map_init(&m->letters);
	map_init(&m->looks);
	map_init(&m->attended);
	map_init(&m->attended_numbers);
	map_init(&m->noticed);
	map_init(&m->more);
	map_init(&m->trims);
	m->look_all = m->first_scan = true;
	m->watch = fs->os->watch_open(fs->os->self);
	if (m->watch < 0)
		return err_sys(err, -m->watch, "cannot make an inotify instance (raise fs.inotify.max_user_instances)");
	check_leases(fs);
	int rc = mailbox_watch(fs, "instances", OS_WATCH_MOVED_TO, &m->instances_number, err);
	if (rc == 0)
		rc = mailbox_watch(fs, "control", OS_WATCH_MOVED_TO, &m->control_number, err);
	if (rc == 0)
		rc = mailbox_watch(fs, "inbox", WATCH_DROPS, &m->inbox_number, err);
	if (rc == 0)
		queue_open(fs);
	return rc;
}

static int free_letter(void *arg, struct slice key, void *value)
{
	(void)key;
	letter_free(arg, value);
	return 0;
}

static int free_value(void *arg, struct slice key, void *value)
{
	(void)arg;
	(void)key;
	free(value);
	return 0;
}

void mailbox_close(struct fs *fs)
{
	struct mailbox *m = fs->mailbox;

	if (!m)
		return;
	queue_unwatch(fs);
	map_each(&m->letters, free_letter, fs);
	map_each(&m->looks, free_value, NULL);
	map_each(&m->attended, free_value, NULL);
	map_release(&m->letters);
	map_release(&m->looks);
	map_release(&m->attended);
	map_release(&m->attended_numbers);
	map_release(&m->noticed);
	map_release(&m->more);
	map_release(&m->trims);
	if (m->watch >= 0)
		fs->os->close(fs->os->self, m->watch);
	free(m);
	fs->mailbox = NULL;
}
