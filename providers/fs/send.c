/*
 * send.c - what a client does to give the runtime a message (fs_send).
 *
 * A start makes the directory of its instance aside and renames it into place, so that the id is taken, and the start durable,
 * in one step. All else becomes a file in control/.
 */
#include "mailbox.h"
#include <errno.h>

static int new_id(struct fs *fs, char id[17], struct pawl_error *err)
{
	uint64_t n;
	int rc = fs->os->random(fs->os->self, &n, sizeof(n));

	snprintf(id, 17, "%016llx", (unsigned long long)n);
	return rc < 0 ? err_sys(err, -rc, "cannot draw a message id") : 0;
}

/* Whoever made the directory of a start that no runtime has taken may not have come to its sync: who is told that the
 * instance is there must find it after a power cut, too (I1). */
static int settle_start(struct fs *fs, const char *id, struct pawl_error *err)
{
	struct os_stat st;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "instances/%s/start", id);
	int rc = fs->os->stat(fs->os->self, fs->hub, path, &st) < 0 ? 0 : os_sync_dir(fs->os, fs->hub, "instances");
	return rc < 0 ? err_sys(err, -rc, "cannot sync '%s/instances', where '%s' is", fs->path, id) : 0;
}

static int exists_error(struct fs *fs, const char *id, bool archived, struct pawl_error *err)
{
	int rc = archived ? 0 : settle_start(fs, id, err);

	if (rc < 0)
		return rc;
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
		return rc < 0 ? rc : exists_error(fs, m->instance, true, err);
	rc = fs_look(fs, err, "instances/%s", m->instance);
	if (rc != 0)
		return rc < 0 ? rc : exists_error(fs, m->instance, false, err);
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
		return exists_error(fs, m->instance, false, err);
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
	return live ? settle_start(fs, m->instance, err) : err_set(err, PAWL_ENOTFOUND, "there is no instance '%s'", m->instance);
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
	IO_BECAUSE(IO_MESSAGE);
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
