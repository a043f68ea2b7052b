/*
 * isolation.c - who an activity's process runs as, in numbers.
 *
 *	user, by name        uid, gid and groups of the password and group databases
 *	user, all digits     a number, never a name; with an entry as by name, without one `group` must be there: a
 *	                     group of the same number may be anybody's
 *	user and group       that group in place of the user's own, with the user's other groups, as by initgroups(3)
 *	group alone          our uid, that gid, no other groups
 *
 * Without root nothing can be changed: who we are already is allowed, and then the shim is told nothing.
 */
#include "isolation.h"
#include "config_table.h"
#include "base/error.h"
#include "base/text.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

/* Both libcs have it, behind a feature macro that comes too late after the headers of base/banned.h. */
int getgrouplist(const char *user, gid_t group, gid_t *groups, int *count);

#define GROUPS_FIRST  32
#define GROUPS_MAX    65536 /* NGROUPS_MAX of Linux */
#define LOOKUP_FIRST  1024
#define LOOKUP_MAX    (1024 * 1024) /* a group may have many members */
#define CPU_QUOTA_MIN 1000          /* microseconds, the kernel's */
#define CPU_PERIOD_MIN 1000
#define CPU_PERIOD_MAX 1000000

/* ---- what can be said without the system ---- */

static int refuse(const struct config_activity *c, const char *key, const char *expected, const char *value,
                  struct pawl_error *err)
{
	return err_set(err, PAWL_EINVALID, "'activities.%s.%s': expected %s, not '%.64s'", c->name ? c->name : "?", key,
	               expected, value);
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* (uid_t)-1 means "leave it" to the kernel. */
static bool parse_id(const char *text, uint32_t *id)
{
	uint64_t n;

	if (text_parse_u64(slice_of(text), &n) || n >= UINT32_MAX)
		return false;
	*id = (uint32_t)n;
	return true;
}

static int check_identity(const struct config_activity *c, const char *key, const char *value, struct pawl_error *err)
{
	uint32_t id;

	if (value && (!*value || (is_number(value) && !parse_id(value, &id))))
		return refuse(c, key, "a name or a number below 4294967295", value, err);
	return 0;
}

static bool parse_rlimit(const char *value, uint64_t *n)
{
	return text_parse_size(slice_of(value), n) == 0;
}

static bool is_rlimit(struct slice name)
{
	static const char *const known[] = { "as",   "core",    "cpu",    "data", "fsize",
		                             "memlock", "nofile", "nproc", "stack" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_is(name, known[i]))
			return true;
	return false;
}

static int check_rlimit(const struct config_activity *c, const char *limit, struct pawl_error *err)
{
	size_t len = strcspn(limit, "=");
	const char *value = limit + len + (limit[len] == '=');
	char key[80];
	uint64_t n;

	if (!is_rlimit(slice_make(limit, len)))
		return err_set(err, PAWL_EINVALID,
		               "'activities.%s.rlimits': unknown limit '%.*s'; known: as, core, cpu, data, fsize, "
		               "memlock, nofile, nproc, stack",
		               c->name ? c->name : "?", len > 64 ? 64 : (int)len, limit);
	snprintf(key, sizeof(key), "rlimits.%.*s", (int)len, limit);
	if (strcmp(value, "unlimited") != 0 && !parse_rlimit(value, &n))
		return refuse(c, key, "a number, a size such as 64KiB or unlimited", value, err);
	return 0;
}

static bool is_ionice(const char *value)
{
	const char *colon = strchr(value, ':');
	struct slice class = colon ? slice_make(value, (size_t)(colon - value)) : slice_of(value);

	if (!colon)
		return slice_is(class, "idle");
	return (slice_is(class, "best-effort") || slice_is(class, "realtime")) && colon[1] >= '0' && colon[1] <= '7' &&
	       !colon[2];
}

/* "QUOTA PERIOD" in microseconds; the quota may be max. */
static bool is_cpu_max(const char *value)
{
	const char *space = strchr(value, ' ');
	struct slice quota = slice_make(value, space ? (size_t)(space - value) : 0);
	uint64_t n;

	if (!space || (!slice_is(quota, "max") && (text_parse_u64(quota, &n) || n < CPU_QUOTA_MIN)))
		return false;
	return text_parse_u64(slice_of(space + 1), &n) == 0 && n >= CPU_PERIOD_MIN && n <= CPU_PERIOD_MAX;
}

static int check_cgroup(const struct config_activity *c, struct pawl_error *err)
{
	if (!c->cgroup && (c->cgroup_memory_max || c->cgroup_cpu_max))
		return err_set(err, PAWL_EINVALID,
		               "'activities.%s.%s' needs 'cgroup': name a directory that is delegated to pawl",
		               c->name ? c->name : "?", c->cgroup_memory_max ? "cgroup_memory_max" : "cgroup_cpu_max");
	if (c->cgroup_cpu_max && !is_cpu_max(c->cgroup_cpu_max))
		return refuse(c, "cgroup_cpu_max",
		              "\"QUOTA PERIOD\" in microseconds (quota 1000 or more or max, period 1000 to 1000000)",
		              c->cgroup_cpu_max, err);
	return 0;
}

int isolation_check(const struct config_activity *c, struct pawl_error *err)
{
	int ret;

	if (!c)
		return 0;
	ret = check_identity(c, "user", c->user, err);
	if (!ret)
		ret = check_identity(c, "group", c->group, err);
	if (!ret && c->ionice && !is_ionice(c->ionice))
		ret = refuse(c, "ionice", "idle, best-effort:0 to best-effort:7 or realtime:0 to realtime:7", c->ionice,
		             err);
	for (size_t i = 0; !ret && c->rlimits && c->rlimits[i]; i++)
		ret = check_rlimit(c, c->rlimits[i], err);
	return ret ? ret : check_cgroup(c, err);
}

/* ---- names to numbers ---- */

struct identity {
	const char *name; /* in the password database, NULL when it is not there */
	uid_t uid;
	gid_t gid;
	bool has_uid, has_gid;
};

/* Did the lookup itself fail? Other numbers are ways in which the systems say "no such entry" (getpwnam(3)). */
static bool is_trouble(int sys)
{
	return sys == EIO || sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == EINTR;
}

/* The databases are libc's: files on most devices, but a lookup may wait where somebody put a directory service there.
 * number NULL: by name. Sets *found; -errno. */
static int read_passwd(const char *name, const uint32_t *number, struct arena *arena, struct identity *id, bool *found)
{
	struct passwd entry, *result = NULL;
	char *space = NULL, *more;
	int sys = ERANGE;

	for (size_t size = LOOKUP_FIRST; sys == ERANGE && size <= LOOKUP_MAX; size *= 2) {
		more = realloc(space, size);
		if (!more) {
			sys = ENOMEM;
			break;
		}
		space = more;
		sys = number ? getpwuid_r(*number, &entry, space, size, &result)
		             : getpwnam_r(name, &entry, space, size, &result);
	}
	*found = sys == 0 && result;
	if (*found) {
		*id = (struct identity){ arena_strdup(arena, entry.pw_name), entry.pw_uid, entry.pw_gid, true, true };
		sys = id->name ? 0 : ENOMEM;
	}
	free(space);
	return is_trouble(sys) ? -sys : 0;
}

static int read_group(const char *name, struct identity *id, bool *found)
{
	struct group entry, *result = NULL;
	char *space = NULL, *more;
	int sys = ERANGE;

	for (size_t size = LOOKUP_FIRST; sys == ERANGE && size <= LOOKUP_MAX; size *= 2) {
		more = realloc(space, size);
		if (!more) {
			sys = ENOMEM;
			break;
		}
		space = more;
		sys = getgrnam_r(name, &entry, space, size, &result);
	}
	*found = sys == 0 && result;
	if (*found) {
		id->gid = entry.gr_gid;
		id->has_gid = true;
	}
	free(space);
	return is_trouble(sys) ? -sys : 0;
}

static int find_user(const char *wanted, struct arena *arena, struct identity *id, struct pawl_error *err)
{
	uint32_t number = 0;
	bool found = false, by_number = is_number(wanted) && parse_id(wanted, &number);
	int r = read_passwd(wanted, by_number ? &number : NULL, arena, id, &found);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		return err_sys(err, -r, "cannot look up user '%s'", wanted);
	if (!found && !by_number)
		return err_set(err, PAWL_ENOTFOUND, "there is no user '%s': add it or change 'user'", wanted);
	if (!found) {
		id->uid = number;
		id->has_uid = true;
	}
	return 0;
}

static int find_group(const char *wanted, struct identity *id, struct pawl_error *err)
{
	uint32_t number;
	bool found = false;
	int r;

	if (is_number(wanted) && parse_id(wanted, &number)) {
		id->gid = number;
		id->has_gid = true;
		return 0;
	}
	r = read_group(wanted, id, &found);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0)
		return err_sys(err, -r, "cannot look up group '%s'", wanted);
	return found ? 0 : err_set(err, PAWL_ENOTFOUND, "there is no group '%s': add it or change 'group'", wanted);
}

/* "1,2,3" */
static int find_groups(const struct identity *id, struct buf *out, struct pawl_error *err)
{
	gid_t *groups = NULL, *more;
	int size = GROUPS_FIRST, count = 0, ret = -1;

	for (; ret < 0 && size <= GROUPS_MAX; size *= 2) {
		more = realloc(groups, (size_t)size * sizeof(*groups));
		if (!more) {
			free(groups);
			return err_nomem(err);
		}
		groups = more;
		count = size;
		ret = getgrouplist(id->name, id->gid, groups, &count);
	}
	for (int i = 0; ret >= 0 && i < count; i++)
		buf_addf(out, "%s%lu", i ? "," : "", (unsigned long)groups[i]);
	free(groups);
	if (ret < 0)
		return err_set(err, PAWL_ENOTFOUND, "cannot read the groups of user '%s'", id->name);
	return buf_ok(out) ? 0 : err_nomem(err);
}

static int check_may_become(const struct config_activity *c, const struct identity *id, struct pawl_error *err)
{
	if (c->user && id->uid != geteuid())
		return err_set(err, PAWL_EPERM,
		               "activity '%s' is to run as user '%s' but pawl has uid %lu, and only root can change "
		               "it: run pawl as root or as that user, or remove 'user'",
		               c->name, c->user, (unsigned long)geteuid());
	if (c->group && id->gid != getegid())
		return err_set(err, PAWL_EPERM,
		               "activity '%s' is to run as group '%s' but pawl has gid %lu, and only root can change "
		               "it: run pawl as root or in that group, or remove 'group'",
		               c->name, c->group, (unsigned long)getegid());
	return 0;
}

/* ---- options ---- */

struct options {
	struct arena *arena;
	const char *const *list;
	struct pawl_error *err;
	int ret; /* the first failure; later ones do nothing */
};

PAWL_PRINTF(2, 3) static void add(struct options *o, const char *fmt, ...)
{
	va_list args;
	char *text;

	if (o->ret)
		return;
	va_start(args, fmt);
	text = arena_vprintf(o->arena, fmt, args);
	va_end(args);
	o->ret = text ? config_list_add(o->arena, &o->list, text, o->err) : err_nomem(o->err);
}

static int find_identity(const struct config_activity *c, struct arena *arena, struct identity *id,
                         struct pawl_error *err)
{
	int ret = 0;

	*id = (struct identity){ 0 };
	if (c->user)
		ret = find_user(c->user, arena, id, err);
	if (!ret && c->group)
		ret = find_group(c->group, id, err);
	return ret;
}

static void add_identity(struct options *o, const struct config_activity *c)
{
	struct buf groups = BUF_INIT;
	struct identity id;

	o->ret = find_identity(c, o->arena, &id, o->err);
	if (!o->ret && geteuid() != 0) {
		o->ret = check_may_become(c, &id, o->err);
		return;
	}
	if (!o->ret && id.has_uid && !id.has_gid)
		o->ret = err_set(o->err, PAWL_ENOTFOUND,
		                 "user '%s' has no entry in the password database: give 'group' too", c->user);
	if (!o->ret && id.name)
		o->ret = find_groups(&id, &groups, o->err);
	if (id.has_uid)
		add(o, "uid=%lu", (unsigned long)id.uid);
	if (id.has_gid)
		add(o, "gid=%lu", (unsigned long)id.gid);
	if (id.name)
		add(o, "groups=%s", buf_str(&groups));
	buf_release(&groups);
}

static void add_rlimit(struct options *o, const char *limit)
{
	size_t len = strcspn(limit, "=");
	const char *value = limit + len + (limit[len] == '=');
	uint64_t n;

	if (parse_rlimit(value, &n))
		add(o, "rlimit_%.*s=%llu", (int)len, limit, (unsigned long long)n);
	else
		add(o, "rlimit_%.*s=unlimited", (int)len, limit);
}

/* The leaf is made of an id and numbers; whatever else would be a way out of the directory that we were given. */
static void add_cgroup(struct options *o, const struct config_activity *c, const char *leaf)
{
	if (!leaf || !*leaf || *leaf == '.' || strchr(leaf, '/')) {
		o->ret = err_set(o->err, PAWL_EBUG, "'%s' is no name for a cgroup", leaf ? leaf : "");
		return;
	}
	add(o, "cgroup=%s/%s", c->cgroup, leaf);
	if (c->cgroup_memory_max)
		add(o, "cgroup_memory_max=%llu", (unsigned long long)c->cgroup_memory_max);
	if (c->cgroup_cpu_max)
		add(o, "cgroup_cpu_max=%s", c->cgroup_cpu_max);
}

static void add_all(struct options *o, const struct config_activity *c, const char *leaf)
{
	if (c->user || c->group)
		add_identity(o, c);
	if (c->nice)
		add(o, "nice=%lld", (long long)c->nice);
	if (c->ionice)
		add(o, "ionice=%s", c->ionice);
	for (size_t i = 0; c->rlimits && c->rlimits[i]; i++)
		add_rlimit(o, c->rlimits[i]);
	if (c->no_new_privileges)
		add(o, "no_new_privs=1");
	if (!o->ret && c->cgroup)
		add_cgroup(o, c, leaf);
}

int isolation_options(const struct config_activity *c, const char *leaf, struct arena *arena,
                      const char *const **options, struct pawl_error *err)
{
	struct options o = { .arena = arena, .err = err };

	if (c)
		add_all(&o, c, leaf);
	if (!o.ret && !o.list && !(o.list = arena_calloc(arena, 1, sizeof(*o.list))))
		o.ret = err_nomem(err);
	if (!o.ret)
		*options = o.list;
	return o.ret;
}

int isolation_group(const char *key, const char *value, uint32_t *gid, struct pawl_error *err)
{
	struct pawl_error why = { 0 };
	struct identity id = { .has_gid = false };

	*gid = 0;
	if (!value)
		return 0;
	if (is_number(value) && !parse_id(value, &id.gid))
		return err_set(err, PAWL_EINVALID, "'%s': expected a group or its number, not '%.64s'", key, value);
	int rc = find_group(value, &id, &why);
	if (rc < 0)
		return err_set(err, rc, "'%s': %s", key, why.text);
	*gid = id.gid;
	return 0;
}
