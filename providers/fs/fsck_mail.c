/* fsck_mail.c - what waits to be taken: envelopes, dropped files, the work queue. */
#include "fsck_impl.h"
#include "queue.h"
#include <errno.h>
#include <stdlib.h>

#define ENVELOPE_MAX (1u << 30)

static void check_envelope(struct fsck *f, const char *name)
{
	char path[PATH_SIZE], *text = NULL;
	size_t len = 0;
	struct os_stat st;
	struct found *x = NULL;

	snprintf(path, sizeof(path), "control/%.400s", name);
	int rc = os_read_file(f->os, f->fs->hub, path, ENVELOPE_MAX, &text, &len);
	const char *why = rc == 0 ? mailbox_check_envelope(f->fs, text, len, NULL) : NULL;
	if (why)
		x = found_add(f, FSCK_DAMAGE, "envelope", path, "the message cannot be taken: %s", why);
	else if (rc < 0 && rc != -ENOENT)
		x = found_unreadable(f, "envelope", path, rc, "the message cannot be read");
	if (why || fsck_is_no_file(rc))
		found_repair(x, ACT_SET_ASIDE, true, "set it aside");
	if (x)
		x->f.offset = why ? 0 : FSCK_NOWHERE;
	if (f->os->stat(f->os->self, f->fs->hub, path, &st) == 0 && st.type == OS_FILE)
		fsck_check_mode(f, path, &st);
	free(text);
}

static void check_control(struct fsck *f)
{
	struct dir_names n;
	int rc = names_list(f->fs, "control", &n);

	if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR && rc != -ELOOP)
		found_unreadable(f, "unreadable", "control", rc, "cannot list it");
	for (size_t i = 0; rc == 0 && i < n.count; i++) {
		if (strcmp(n.items[i], ".rejected") == 0)
			found_add(f, FSCK_NOTE, "rejected", "control/.rejected", "messages that could not be taken are there, each with a NAME.why");
		else if (n.items[i][0] != '.')
			check_envelope(f, n.items[i]);
	}
	names_release(&n);
}

int fsck_check_mail(struct fsck *f, const char *name)
{
	struct dir_names n;

	(void)name;
	check_control(f);
	int rc = names_list(f->fs, "inbox/.rejected", &n);
	if (rc == 0 && n.count)
		found_add(f, FSCK_NOTE, "rejected", "inbox/.rejected", "%zu files that could not be taken, or why, are there", n.count);
	names_release(&n);
	return f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
}

/* ---- the work queue: links, and history can make them anew (I4) ---- */

static void check_item(struct fsck *f, const char *path)
{
	char target[PATH_SIZE];
	struct work_target t;
	struct found *x = NULL;
	ssize_t len = f->os->readlink(f->os->self, f->fs->hub, path, target, sizeof(target));

	if (len < 0 || !target_parse(target, &t))
		x = found_add(f, FSCK_NOTE, "work-entry", path, "it is no item of the work queue: it is left alone");
	else {
		snprintf(target, sizeof(target), "instances/%s/work/%llu", t.instance, (unsigned long long)t.seq);
		x = fsck_is_there(f, target) ? NULL : found_add(f, FSCK_NOTE, "work-link", path, "it leads to '%s', which is not there", target);
		found_repair(x, ACT_REMOVE, false, "remove it");
	}
	if (x)
		x->moving = true;
}

static void check_queue(struct fsck *f, const char *place, const char *queue)
{
	char dir[PATH_SIZE], path[PATH_SIZE];
	struct dir_names n;

	snprintf(dir, sizeof(dir), "work/%s/%.255s", place, queue);
	int rc = names_list(f->fs, dir, &n);
	for (size_t i = 0; rc == 0 && i < n.count; i++) {
		if (n.items[i][0] == '.' || (size_t)snprintf(path, sizeof(path), "%.220s/%.255s", dir, n.items[i]) >= sizeof(path))
			continue;
		check_item(f, path);
	}
	names_release(&n);
}

int fsck_check_work(struct fsck *f, const char *name)
{
	struct dir_names n;
	char path[PATH_SIZE];

	(void)name;
	if (!fs_exists(f->fs, "work"))
		return 0;
	if (!boot_matches(f->fs)) {
		found_add(f, FSCK_NOTE, "work-boot", "work", "it is of another boot: the next start makes it anew");
		return f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
	}
	for (size_t p = 0; p < PLACES; p++) {
		snprintf(path, sizeof(path), "work/%s", place_names[p]);
		int rc = names_list(f->fs, path, &n);
		for (size_t i = 0; rc == 0 && i < n.count; i++)
			if (n.items[i][0] != '.')
				check_queue(f, place_names[p], n.items[i]);
		names_release(&n);
	}
	return f->err->code == PAWL_ENOMEM ? PAWL_ENOMEM : 0;
}
