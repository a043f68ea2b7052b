/*
 * fsck.c - checking a hub and repairing it: the order of things.
 *
 *	check     each unit by itself; beside a runtime those that do not look right are looked at again, with the journal as
 *	          it is then, and only what is found each time is told
 *	repair    lock -> check -> histories level with the journal -> check and do what can be done, until nothing is left to
 *	          do -> what was there and is not there any more is repaired, the rest is left
 *
 * The journal comes first in a repair: behind it all that counts is in the histories, and segments are only files.
 */
#include "fsck_impl.h"
#include <errno.h>
#include <stdlib.h>

#define LOOKS 4        /* at what does not look right beside a runtime */
#define PAUSE_MS 60
#define ROUNDS 12      /* of a repair: what one mends shows the next */
#define MESSAGE_MAX (1u << 30)

/* ---- units ---- */

typedef int visit_unit(struct fsck *f, const struct fsck_unit *unit);

static bool wanted(const struct fsck *f, const char *id)
{
	for (size_t i = 0; i < f->o->id_count; i++)
		if (strcmp(f->o->ids[i], id) == 0)
			return true;
	return f->o->id_count == 0;
}

static int visit(struct fsck *f, int (*check)(struct fsck *f, const char *name), const char *name, visit_unit *each)
{
	struct fsck_unit unit = { .check = check };

	snprintf(unit.name, sizeof(unit.name), "%s", name);
	return each(f, &unit);
}

/* Those of a directory; of the archive only those that are not live, too. */
static int visit_instances(struct fsck *f, const char *dir, bool archived, visit_unit *each)
{
	struct dir_names n;
	int rc = names_list(f->fs, dir, &n);

	if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP)
		rc = 0; /* told by the check of the hub */
	else if (rc < 0)
		rc = err_sys(f->err, -rc, "cannot list '%s/%s'", f->o->hub, dir);
	for (size_t i = 0; rc == 0 && i < n.count; i++) {
		const char *id = n.items[i];
		if (text_is_instance_id(slice_of(id)) && wanted(f, id) && !(archived && fs_exists(f->fs, "instances/%s", id)))
			rc = visit(f, fsck_check_instance, id, each);
	}
	names_release(&n);
	return rc;
}

static int visit_all(struct fsck *f, visit_unit *each)
{
	bool all = f->o->id_count == 0;
	int rc = all ? visit(f, fsck_check_hub, "", each) : 0;

	if (rc == 0 && all)
		rc = visit(f, fsck_check_journal, "", each);
	if (rc == 0 && all)
		rc = visit(f, fsck_check_places, "", each);
	if (rc == 0)
		rc = visit_instances(f, "instances", false, each);
	if (rc == 0)
		rc = visit_instances(f, "archive", true, each);
	if (rc == 0 && all)
		rc = visit(f, fsck_check_mail, "", each);
	if (rc == 0 && all)
		rc = visit(f, fsck_check_work, "", each);
	return rc;
}

static int check_unit(struct fsck *f, const struct fsck_unit *unit, struct found_list *list)
{
	f->list = list;
	int rc = unit->check(f, unit->name);
	f->list = NULL;
	return rc;
}

/* ---- checking ---- */

/* A unit that does not look right, and what was found in it each time so far. */
struct doubt {
	struct doubt *next;
	struct fsck_unit unit;
	struct found_list list;
};

struct checking {
	struct fsck f; /* first */
	struct doubt *doubts, **end;
	struct found_list *into; /* NULL: findings are told at once */
	bool with_notes;
};

static int settle(struct checking *c, struct found_list *list)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < list->count; i++) {
		struct found *x = &list->items[i];
		if (!c->into)
			rc = found_tell(&c->f, x, FSCK_LEFT);
		else if (c->with_notes || x->f.severity != FSCK_NOTE || x->action != ACT_NONE)
			rc = found_copy(c->into, x) < 0 ? err_nomem(c->f.err) : 0;
	}
	found_release(list);
	return rc;
}

static bool is_moving(const struct found_list *list)
{
	bool moving = false;

	for (size_t i = 0; i < list->count && !moving; i++)
		moving = list->items[i].moving;
	return moving;
}

static int first_look(struct fsck *f, const struct fsck_unit *unit)
{
	struct checking *c = (struct checking *)f;
	struct found_list list = { NULL, 0, 0 };
	int rc = check_unit(f, unit, &list);

	if (rc == 0 && f->live && is_moving(&list)) {
		struct doubt *d = calloc(1, sizeof(*d));
		if (d) {
			*d = (struct doubt){ NULL, *unit, list };
			*c->end = d;
			c->end = &d->next;
			return 0;
		}
		rc = err_nomem(f->err);
	}
	if (rc == 0)
		return settle(c, &list);
	found_release(&list);
	return rc;
}

/* What was found before and is not found now is let go of. */
static int look_again(struct fsck *f, struct doubt *d)
{
	struct found_list now = { NULL, 0, 0 };
	size_t kept = 0;
	int rc = check_unit(f, &d->unit, &now);

	for (size_t i = 0; rc == 0 && i < d->list.count; i++)
		if (!d->list.items[i].moving || found_has(&now, &d->list.items[i]))
			d->list.items[kept++] = d->list.items[i];
	d->list.count = rc == 0 ? kept : d->list.count;
	found_release(&now);
	return rc;
}

static int look_at_doubts(struct checking *c)
{
	struct fsck *f = &c->f;
	int rc = 0;

	f->counting = false;
	for (int look = 1; rc == 0 && c->doubts && look < LOOKS; look++) {
		if (f->o->pause)
			f->o->pause(f->o->arg, PAUSE_MS * (unsigned)look);
		rc = fsck_load_journal(f);
		for (struct doubt *d = c->doubts; rc == 0 && d; d = d->next)
			if (is_moving(&d->list))
				rc = look_again(f, d);
	}
	while (c->doubts) {
		struct doubt *d = c->doubts;
		c->doubts = d->next;
		if (rc == 0)
			rc = settle(c, &d->list);
		found_release(&d->list);
		free(d);
	}
	c->end = &c->doubts;
	return rc;
}

static int check_all(struct checking *c, struct found_list *into, bool with_notes)
{
	struct fsck *f = &c->f;
	char who[64] = "";

	c->into = into;
	c->with_notes = with_notes;
	c->doubts = NULL;
	c->end = &c->doubts;
	f->live = !f->owner && hub_has_owner(&f->fs->provider, who, sizeof(who));
	f->clean = !f->live && (f->owner ? f->fs->clean_before : hub_was_stopped(f->fs));
	f->sum->runtime = f->live && strncmp(who, "pid ", 4) == 0; /* and not only perhaps */
	int rc = fsck_load_journal(f);
	if (rc == 0)
		rc = visit_all(f, first_look);
	int again = look_at_doubts(c);
	f->counting = false;
	return rc == 0 ? again : rc;
}

/* ---- repairing ---- */

struct repair {
	struct found_list before, tried, after;
};

/* What loses nothing is done at once; for the rest somebody has to say so. */
static bool may(const struct fsck *f, const struct found *x)
{
	return !x->f.discards || f->o->discard;
}

/* FORMAT, the places where all else is, and what is no segment: recovery needs that. */
static bool comes_first(const struct found *x)
{
	static const char *const codes[] = { "format", "directory-missing", "not-directory", "journal-foreign", "journal-not-file" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(x->f.code, codes[i]) == 0 && !x->instance[0])
			return true;
	return false;
}

static int mend_hub(struct fsck *f, struct repair *r)
{
	struct found_list now = { NULL, 0, 0 };
	int rc;

	f->list = &now;
	rc = fsck_check_hub(f, "");
	if (rc == 0)
		rc = fsck_check_journal(f, "");
	for (size_t i = 0; rc == 0 && i < now.count; i++) {
		struct found *x = &now.items[i];
		if (!comes_first(x) || !may(f, x))
			continue;
		rc = fsck_act(f, x);
		if (rc == 0 && found_copy(&r->tried, x) < 0)
			rc = err_nomem(f->err);
	}
	if (rc == 0) /* what was in the way of these is gone */
		rc = hub_make_dirs(f->fs, f->err);
	f->list = NULL;
	found_release(&now);
	return rc == 0 ? fsck_load_journal(f) : rc;
}

/* Are the histories to be brought level, and may they be? */
static bool may_recover(struct fsck *f, struct repair *r)
{
	bool recover = f->journal_pending;

	if (f->text.foreign)
		return false; /* its owner did not say yes to setting it aside */
	for (size_t i = 0; i < r->before.count; i++) {
		struct found *x = &r->before.items[i];
		if (x->action != ACT_RECOVER)
			continue;
		if (!may(f, x))
			return false;
		recover = true;
	}
	return recover && (!f->journal_lossy || f->o->discard);
}

static bool was_tried(const struct repair *r, const struct found *x)
{
	for (size_t i = 0; i < r->tried.count; i++)
		if (found_same(&r->tried.items[i], x) && r->tried.items[i].action == x->action)
			return true;
	return false;
}

/* One round over what is found now; how many things were done, or PAWL_E... */
static int mend_round(struct checking *c, struct repair *r)
{
	struct fsck *f = &c->f;
	int done = 0;

	found_release(&r->after);
	int rc = check_all(c, &r->after, false);
	for (size_t i = 0; rc == 0 && i < r->after.count; i++) {
		struct found *x = &r->after.items[i];
		if (x->action == ACT_NONE || x->action == ACT_RECOVER || was_tried(r, x))
			continue;
		bool yes = may(f, x);
		if (yes && fsck_act(f, x) < 0) {
			log_warning("%s: %s", x->file, f->err->text);
			if (f->err->code == PAWL_ENOMEM)
				rc = PAWL_ENOMEM;
		} else if (yes) {
			done++;
		}
		if (rc == 0 && found_copy(&r->tried, x) < 0)
			rc = err_nomem(f->err);
	}
	return rc < 0 ? rc : done;
}

static int tell_repaired(struct checking *c, struct repair *r, const struct found_list *list, const struct found_list *told)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < list->count; i++) {
		struct found *x = &list->items[i];
		bool again = told && found_has(told, x);
		for (size_t k = 0; k < i && !again; k++)
			again = found_same(&list->items[k], x);
		if (!again && !found_has(&r->after, x))
			rc = found_tell(&c->f, x, FSCK_REPAIRED);
	}
	return rc;
}

static int tell_left(struct checking *c, struct repair *r)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->after.count; i++) {
		struct found *x = &r->after.items[i];
		bool failed = x->action != ACT_NONE && was_tried(r, x) && (!x->f.discards || c->f.o->discard);
		rc = found_tell(&c->f, x, failed ? FSCK_FAILED : FSCK_LEFT);
	}
	return rc;
}

static int mend(struct checking *c, struct repair *r)
{
	struct fsck *f = &c->f;
	int rc = check_all(c, &r->before, false);

	if (rc == 0 && f->o->id_count == 0)
		rc = mend_hub(f, r);
	if (rc == 0 && may_recover(f, r))
		rc = fsck_recover(f);
	int done = 1;
	for (int round = 0; rc == 0 && done > 0 && round < ROUNDS; round++) {
		done = mend_round(c, r);
		rc = done < 0 ? done : 0;
	}
	found_release(&r->after);
	if (rc == 0)
		rc = check_all(c, &r->after, true);
	if (rc == 0)
		rc = tell_repaired(c, r, &r->before, NULL);
	if (rc == 0)
		rc = tell_repaired(c, r, &r->tried, &r->before);
	return rc == 0 ? tell_left(c, r) : rc;
}

static int repair(struct checking *c)
{
	struct fsck *f = &c->f;
	struct repair r = { { NULL, 0, 0 }, { NULL, 0, 0 }, { NULL, 0, 0 } };
	char *lock = NULL;
	size_t len = 0;

	struct os_stat st;
	f->list = &r.before;
	fsck_check_lock(f);
	f->list = NULL;
	if (f->os->stat(f->os->self, f->fs->hub, "LOCK", &st) == 0 && st.type != OS_FILE) /* nobody can have that locked */
		(void)lost_move(&f->lost, "LOCK", "it was no file");
	/* LOCK says how the last runtime has stopped, which its next one has to know: it is put back */
	(void)os_read_file(f->os, f->fs->hub, "LOCK", 4096, &lock, &len);
	int rc = hub_lock(f->fs, f->err);
	f->owner = rc == 0;
	if (rc == 0)
		rc = mend(c, &r);
	fsck_unload_journal(f);
	bool as_it_was = lock && !f->fs->clean_before && hub_lock_is_good(lock, len);
	if (f->fs->lock_fd >= 0 && as_it_was && f->os->truncate(f->os->self, f->fs->lock_fd, 0) == 0)
		(void)f->os->pwrite(f->os->self, f->fs->lock_fd, lock, len, 0);
	hub_unlock(f->fs, f->fs->clean_before && rc == 0);
	snprintf(f->sum->kept, sizeof(f->sum->kept), "%s", f->lost.dir);
	found_release(&r.before);
	found_release(&r.tried);
	found_release(&r.after);
	free(lock);
	return rc;
}

/* ---- the hub ---- */

/* Whose journal is it? A hub without a readable FORMAT can be known by that. */
static int look_at_journal(struct fsck *f, uint8_t id[16])
{
	struct journal *j = calloc(1, sizeof(*j));
	struct pawl_error ignored;

	if (!j)
		return err_nomem(f->err);
	*j = (struct journal){ .os = f->os, .hub = f->fs->hub };
	int rc = fs_is_dir(f->fs, "journal") ? journal_open(j, false, &ignored) : 0;
	rc = rc == 0 ? journal_whose(j, id) : 0;
	journal_close(j);
	free(j);
	return rc;
}

static int open_hub(struct fsck *f)
{
	struct fs *fs = f->fs;
	struct pawl_error why = { 0 };
	uint8_t id[16];
	int rc = hub_open_dir(fs, f->err);

	if (rc < 0)
		return rc;
	int format = hub_read_format(fs, &why);
	struct os_stat st;
	int whose = look_at_journal(f, id), sys = f->os->stat(f->os->self, fs->hub, "FORMAT", &st);
	if (format == PAWL_ENOTFOUND)
		(void)err_set(&why, format, "'%s' is not a hub: it has no FORMAT%s", f->o->hub, whose == 0 && fs_is_dir(fs, "journal") ?
			", and its journal does not tell which one it was: put FORMAT back from a copy, or, if nothing in it is needed, remove the directory" : "");
	bool known = format == 0 || format == PAWL_ECORRUPT || format == PAWL_ENOTFOUND || (sys == 0 && st.type != OS_FILE);
	if (!known || (format < 0 && whose <= 0)) {
		*f->err = why;
		return format;
	}
	f->format_bad = format < 0 || (whose > 0 && memcmp(id, fs->journal.hub_id, sizeof(id)) != 0);
	if (f->format_bad)
		snprintf(f->format_why, sizeof(f->format_why), "%s", format < 0 ? why.text : "the hub's id in it is not that of the journal");
	if (whose > 0)
		memcpy(fs->journal.hub_id, id, sizeof(id));
	return 0;
}

int fsck_run(const struct fsck_options *o, struct fsck_summary *summary, struct pawl_error *err)
{
	const struct pawl_provider_options options = { .hub = o->hub, .allow_volatile = true, .message_bytes_max = MESSAGE_MAX, .os = o->os };
	struct pawl_error ignored = { 0 };
	struct checking *c = calloc(1, sizeof(*c));
	struct fs *fs = fs_new(&options);
	int rc;

	*summary = (struct fsck_summary){ 0 };
	if (!c || !fs) {
		free(c);
		if (fs)
			fs_free(fs);
		return err_nomem(err);
	}
	struct fsck *f = &c->f;
	*f = (struct fsck){ .o = o, .os = fs->os, .fs = fs, .sum = summary, .err = err ? err : &ignored, .counting = true, .lost = { .fs = fs } };
	*f->err = (struct pawl_error){ 0 };
	rc = open_hub(f);
	if (rc == 0)
		rc = o->repair ? repair(c) : check_all(c, NULL, true);
	fsck_unload_journal(f);
	queue_close(fs);
	journal_close(&fs->journal); /* of a recovery that failed */
	map_release(&fs->files);
	fs_free(fs);
	free(c);
	return rc;
}
