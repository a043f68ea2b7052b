/* fsck_found.c - findings: noting, comparing, telling. */
#include "fsck_impl.h"
#include <errno.h>
#include <stdlib.h>

static struct found *list_grow(struct found_list *list)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		struct found *grown = realloc(list->items, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		list->items = grown;
		list->cap = cap;
	}
	return &list->items[list->count++];
}

/* The texts of a finding are its own. */
static void point(struct found *x)
{
	x->f.file = x->file;
	x->f.instance = x->instance[0] ? x->instance : NULL;
	x->f.what = x->what;
	x->f.repair = x->repair[0] ? x->repair : NULL;
}

struct found *found_add(struct fsck *f, enum fsck_severity severity, const char *code, const char *file, const char *fmt, ...)
{
	struct found *x = list_grow(f->list);
	va_list args;

	if (!x) {
		(void)err_nomem(f->err);
		return NULL;
	}
	*x = (struct found){ .f = { .severity = severity, .code = code, .offset = FSCK_NOWHERE }, .moving = severity != FSCK_NOTE };
	snprintf(x->file, sizeof(x->file), "%s", file);
	va_start(args, fmt);
	int n = vsnprintf(x->what, sizeof(x->what), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(x->what))
		text_mark_cut(x->what, sizeof(x->what));
	const char *id = strncmp(file, "instances/", 10) == 0 ? file + 10 : strncmp(file, "archive/", 8) == 0 ? file + 8 : "";
	size_t len = strcspn(id, "/");
	if (text_is_instance_id(slice_make(id, len)))
		snprintf(x->instance, sizeof(x->instance), "%.*s", (int)len, id);
	return x;
}

void found_repair(struct found *x, enum fsck_action action, bool discards, const char *fmt, ...)
{
	va_list args;

	if (!x)
		return;
	x->action = action;
	x->f.discards = discards;
	if (!x->operand[0])
		memcpy(x->operand, x->file, sizeof(x->operand));
	va_start(args, fmt);
	int n = vsnprintf(x->repair, sizeof(x->repair), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(x->repair))
		text_mark_cut(x->repair, sizeof(x->repair));
}

bool found_same(const struct found *a, const struct found *b)
{
	return a->f.offset == b->f.offset && a->f.line == b->f.line && strcmp(a->f.code, b->f.code) == 0 && strcmp(a->file, b->file) == 0;
}

bool found_has(const struct found_list *list, const struct found *x)
{
	for (size_t i = 0; i < list->count; i++)
		if (found_same(&list->items[i], x))
			return true;
	return false;
}

int found_copy(struct found_list *list, const struct found *x)
{
	struct found *to = list_grow(list);

	if (!to)
		return PAWL_ENOMEM;
	*to = *x;
	return 0;
}

void found_release(struct found_list *list)
{
	free(list->items);
	*list = (struct found_list){ NULL, 0, 0 };
}

bool fsck_is_no_file(int rc)
{
	return rc == -EISDIR || rc == -ELOOP || rc == -EINVAL || rc == -ENXIO || rc == -ENOTDIR;
}

static bool is_private(const char *file)
{
	return strcmp(file, "LOCK") == 0 || strcmp(file, "control") == 0 || strncmp(file, "control/", 8) == 0;
}

struct found *found_unreadable(struct fsck *f, const char *code, const char *file, int rc, const char *what)
{
	struct os_stat st;
	uint32_t uid = f->os->uid(f->os->self);

	if (rc != -EACCES && rc != -EPERM)
		return found_add(f, FSCK_DAMAGE, code, file, "%s: %s", what, strerror(-rc));
	if (uid == 0 || f->os->stat_fd(f->os->self, f->fs->hub, &st) < 0 || st.uid == uid)
		return found_add(f, FSCK_DAMAGE, code, file, "%s: %s: give the hub's user the right to (chown, chmod u+rwX)", what, strerror(-rc));
	return found_add(f, is_private(file) ? FSCK_NOTE : FSCK_WARNING, "not-permitted", file, "%s as uid %u: only uid %u, the hub's, can tell what is with it",
		what, (unsigned)uid, (unsigned)st.uid);
}

bool fsck_is_there(struct fsck *f, const char *path)
{
	struct os_stat st;
	int rc = f->os->stat(f->os->self, f->fs->hub, path, &st);

	if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR)
		found_unreadable(f, "unreadable", path, rc, "cannot look at it");
	return rc != -ENOENT && rc != -ENOTDIR;
}

int found_tell(struct fsck *f, struct found *x, enum fsck_outcome outcome)
{
	unsigned *counts[] = { [FSCK_NOTE] = &f->sum->notes, [FSCK_WARNING] = &f->sum->warnings, [FSCK_DAMAGE] = &f->sum->damages };

	point(x);
	x->f.outcome = outcome;
	if (outcome == FSCK_REPAIRED)
		f->sum->repaired++;
	else
		++*counts[x->f.severity];
	return f->o->each ? f->o->each(f->o->arg, &x->f) : 0;
}
