/*
 * prune.c - older executions of an instance that goes on, and what an instance takes.
 *
 *	which may go  ->  frame: "before N is gone"  ->  histories and payload files out of sight (trash.c)
 *
 * The frame comes first and is durable: the journal may still have lines of those histories, which recovery would miss
 * the beginnings of. What a crash leaves of them in the directory is seen by nobody who does not ask for that execution,
 * and goes with the next prune.
 */
#include "fs.h"
#include "mailbox.h"
#include <errno.h>

#define PRUNE_FILES 512       /* moved in one call */
#define MEASURE_ENTRIES 10000
#define MEASURE_DEPTH 4
#define BLOCK 4096u

/* "N.history" and what belongs to it ("N.history.torn"): N, else 0. */
static uint64_t execution_of(const char *name)
{
	const char *dot = strchr(name, '.');
	uint64_t n;

	if (!dot || strncmp(dot, ".history", 8) != 0 || (dot[8] && dot[8] != '.'))
		return 0;
	return text_parse_u64(slice_make(name, (size_t)(dot - name)), &n) == 0 ? n : 0;
}

struct pruning {
	struct fs *fs;
	const struct pawl_prune *prune;
	char home[PATH_SIZE];
	struct dir_names names;
	uint64_t keep_from; /* as far as it can be done now; 0 = nothing to do */
};

static bool is_young(struct pruning *u, const char *name)
{
	char path[PATH_SIZE];
	struct os_stat st;

	snprintf(path, sizeof(path), "%.240s/%.250s", u->home, name);
	return u->fs->os->stat(u->fs->os->self, u->fs->hub, path, &st) < 0 || st.mtime_ns >= u->prune->before_ns;
}

/* The newest ones may not have reached their files. */
static struct history_file *in_memory(struct pruning *u, uint64_t execution)
{
	struct history_file *f = execution ? histories_find(u->fs, u->prune->instance, execution) : NULL;

	return f && f->size > 0 ? f : NULL;
}

static void choose(struct pruning *u)
{
	uint64_t newest = 0, keep = u->prune->keep_from, oldest = UINT64_MAX, n;
	struct history_file *f;

	for (size_t i = 0; i < u->names.count; i++) {
		n = execution_of(u->names.items[i]);
		newest = n > newest ? n : newest;
		oldest = n && n < oldest ? n : oldest;
	}
	if (newest == 0)
		newest = histories_newest(u->fs, u->prune->instance);
	while (in_memory(u, newest + 1))
		newest++;
	keep = keep < newest ? keep : newest;
	for (n = newest; (f = in_memory(u, n)); n--) {
		oldest = n < oldest ? n : oldest;
		if (n < keep && u->prune->before_ns && f->pending.len)
			keep = n;
	}
	for (size_t i = 0; u->prune->before_ns && i < u->names.count; i++) {
		n = execution_of(u->names.items[i]);
		if (n > 0 && n < keep && is_young(u, u->names.items[i]))
			keep = n;
	}
	u->keep_from = oldest < keep ? keep : 0;
}

static int prune_begin(struct fs *fs, const struct pawl_prune *prune, struct pruning *u, struct pawl_error *err)
{
	*u = (struct pruning){ .fs = fs, .prune = prune };
	int rc = fs_check_id(prune->instance, err);

	int sys = rc < 0 ? 0 : instance_home(fs, prune->instance, u->home);
	if (rc < 0 || sys < 0)
		return rc < 0 || sys == -ENOENT ? rc : instance_home_error(err, prune->instance, sys);
	sys = names_list(fs, u->home, &u->names);
	if (sys < 0)
		return sys == -ENOENT ? 0 : err_sys(err, -sys, "cannot list '%s'", u->home);
	choose(u);
	return 0;
}

/* What is not there any more is gone already. */
static int hide_one(struct pruning *u, const char *name, struct pawl_error *err)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%.240s/%.250s", u->home, name);
	int rc = trash_hide(u->fs, path);
	return rc < 0 && rc != -ENOENT ? err_sys(err, -rc, "cannot remove '%s'", path) : 0;
}

static bool forget(struct pruning *u, uint64_t execution)
{
	struct history_file *f = histories_find(u->fs, u->prune->instance, execution);

	if (f)
		histories_forget(u->fs, f);
	return f != NULL;
}

/* A history is let go of when its file is out of sight: until then it is whole. 1: there is more than goes at a time. */
static int hide_files(struct pruning *u, bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err)
{
	const struct pawl_prune what = { u->prune->instance, u->keep_from, u->prune->before_ns };
	unsigned moved = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < u->names.count; i++) {
		const char *name = u->names.items[i];
		uint64_t n = execution_of(name);
		bool goes = n ? n < u->keep_from : text_is_version(slice_of(name)) && drop && drop(arg, &what, name);
		if (!goes)
			continue;
		if (moved++ == PRUNE_FILES)
			return 1;
		rc = hide_one(u, name, err);
		if (rc == 0 && n)
			(void)forget(u, n);
	}
	for (uint64_t n = u->keep_from - 1; rc == 0 && n > 0 && forget(u, n); n--)
		; /* those whose lines have not reached their files: the newest of them */
	return rc;
}

/* A history that counts, of an execution that stays? */
static bool stays(const char *name, uint64_t keep_from)
{
	const char *dot = strchr(name, '.');

	return execution_of(name) >= keep_from && dot && strcmp(dot, ".history") == 0;
}

/* What a crash has left of executions that the journal says are gone. The newest that is there stays, whatever it says: if
 * those behind it are lost, it is all that a person has. */
int prune_rest(struct fs *fs, const char *id, uint64_t keep_from, bool newer, struct pawl_error *err)
{
	const struct pawl_prune what = { id, keep_from, 0 };
	struct pruning u = { .fs = fs, .prune = &what, .keep_from = keep_from };
	int rc = 0, sys = instance_home(fs, id, u.home);

	if (sys < 0 && sys != -ENOENT)
		return instance_home_error(err, id, sys);
	sys = sys < 0 ? sys : names_list(fs, u.home, &u.names);
	if (sys < 0 && sys != -ENOENT)
		rc = err_sys(err, -sys, "cannot list '%s'", u.home);
	for (size_t i = 0; !newer && i < u.names.count; i++)
		newer = stays(u.names.items[i], keep_from);
	if (!newer && u.names.count)
		log_error("'%s': executions before %llu were removed, but no later one is there: what is left of them stays", u.home, (unsigned long long)keep_from);
	for (size_t i = 0; newer && rc == 0 && i < u.names.count; i++) {
		uint64_t n = execution_of(u.names.items[i]);
		if (n && n < keep_from)
			rc = hide_one(&u, u.names.items[i], err);
	}
	names_release(&u.names);
	return rc;
}

int fs_prune(struct pawl_provider *p, const struct pawl_prune *prunes, size_t count,
             bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err)
{
	IO_BECAUSE(IO_REMOVAL);
	struct fs *fs = fs_of(p);
	struct gone gone[PAWL_PURGE_BATCH_MAX];
	struct pruning u;
	size_t some = 0;
	int rc = 0, more = 0;

	if (count > PAWL_PURGE_BATCH_MAX)
		return err_set(err, PAWL_ETOOBIG, "%zu instances are too many for one prune", count);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = prune_begin(fs, &prunes[i], &u, err);
		if (rc == 0 && u.keep_from)
			gone[some++] = (struct gone){ prunes[i].instance, u.keep_from };
		names_release(&u.names);
	}
	if (rc == 0 && some)
		rc = fs_commit_gone(fs, RECORD_PRUNE, gone, some, err);
	for (size_t i = 0, at = 0; rc == 0 && at < some && i < count; i++) {
		if (prunes[i].instance != gone[at].id)
			continue;
		rc = prune_begin(fs, &prunes[i], &u, err);
		u.keep_from = gone[at++].keep_from;
		if (rc == 0)
			rc = hide_files(&u, drop, arg, err);
		more = more || rc > 0;
		rc = rc > 0 ? 0 : rc;
		names_release(&u.names);
	}
	return rc < 0 ? rc : more;
}

/* ---- what an instance takes ---- */

struct measuring {
	struct fs *fs;
	struct pawl_extent *out;
	uint64_t newest_at;
	unsigned left;
};

/* In whole blocks, as file systems do. */
static void measure_dir(struct measuring *m, const char *dir, int depth)
{
	char path[PATH_SIZE];
	struct dir_names n;
	struct os_stat st;

	(void)names_list(m->fs, dir, &n);
	m->out->bytes += BLOCK;
	for (size_t i = 0; i < n.count && m->left > 0; i++, m->left--) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, n.items[i]) >= sizeof(path) ||
		    m->fs->os->stat(m->fs->os->self, m->fs->hub, path, &st) < 0)
			continue;
		if (st.type == OS_DIR && depth > 1)
			measure_dir(m, path, depth - 1);
		else
			m->out->bytes += (st.size + BLOCK - 1) / BLOCK * BLOCK;
		uint64_t execution = depth == MEASURE_DEPTH ? execution_of(n.items[i]) : 0;
		if (execution && (m->out->oldest == 0 || execution < m->out->oldest))
			m->out->oldest = execution;
		if (execution >= m->out->newest && execution) {
			m->out->newest = execution;
			m->out->ended_ns = st.mtime_ns;
		}
	}
	names_release(&n);
}

int fs_measure(struct pawl_provider *p, const char *id, struct pawl_extent *out, struct pawl_error *err)
{
	char home[PATH_SIZE];
	struct measuring m = { .fs = fs_of(p), .out = out, .left = MEASURE_ENTRIES };
	int rc = fs_check_id(id, err);

	*out = (struct pawl_extent){ 0 };
	if (rc < 0)
		return rc;
	int sys = instance_home(m.fs, id, home);
	if (sys < 0)
		return instance_home_error(err, id, sys);
	measure_dir(&m, home, MEASURE_DEPTH);
	return 0;
}
