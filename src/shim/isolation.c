/*
 * isolation.c - the limits, the cgroup, the user and the directory of an activity: one step for each option, in the
 * order of the table, done by the child before it executes the program.
 */
#include "shim/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 64
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_CLASS_SHIFT 13

/* Libc's own would look for other threads to tell, and keep books in memory that is not the child's alone. */
#ifdef SYS_setresuid32
#define SETRESUID SYS_setresuid32
#define SETRESGID SYS_setresgid32
#define SETGROUPS SYS_setgroups32
#else
#define SETRESUID SYS_setresuid
#define SETRESGID SYS_setresgid
#define SETGROUPS SYS_setgroups
#endif

static int in_cgroup(const struct options *o, const char *name, const char *value)
{
	char path[PATH_MAX];
	struct text t = { path, 0, sizeof(path) - 1 };

	text_add(&t, o->value[OPT_CGROUP]);
	text_add(&t, "/");
	text_add(&t, name);
	path[t.len] = '\0';
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, value, strlen(value), -1);
	close(fd);
	return r;
}

static int make_cgroup(const struct options *o, enum option which)
{
	return mkdir(o->value[which], 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int limit_cgroup(const struct options *o, enum option which)
{
	if (!is_given(o, OPT_CGROUP))
		return -EINVAL;
	return in_cgroup(o, which == OPT_CGROUP_CPU_MAX ? "cpu.max" : "memory.max", o->value[which]);
}

static int join_cgroup(const struct options *o, enum option which)
{
	(void)which;
	return in_cgroup(o, "cgroup.procs", "0");
}

static int set_limit(const struct options *o, enum option which)
{
	static const struct {
		enum option option;
		int resource;
	} limits[] = {
		{ OPT_RLIMIT_AS, RLIMIT_AS },         { OPT_RLIMIT_CORE, RLIMIT_CORE },
		{ OPT_RLIMIT_CPU, RLIMIT_CPU },       { OPT_RLIMIT_DATA, RLIMIT_DATA },
		{ OPT_RLIMIT_FSIZE, RLIMIT_FSIZE },   { OPT_RLIMIT_MEMLOCK, RLIMIT_MEMLOCK },
		{ OPT_RLIMIT_NOFILE, RLIMIT_NOFILE }, { OPT_RLIMIT_NPROC, RLIMIT_NPROC },
		{ OPT_RLIMIT_STACK, RLIMIT_STACK },
	};
	uint64_t limit[2] = { UINT64_MAX, UINT64_MAX }; /* soft and hard, of 64 bit on every machine: no limit */
	size_t i = 0;

	if (strcmp(o->value[which], "unlimited") != 0) {
		if (!text_parse(o->value[which], '\0', &limit[0], NULL))
			return -EINVAL;
		limit[1] = limit[0];
	}
	while (limits[i].option != which)
		i++;
	return syscall(SYS_prlimit64, 0, limits[i].resource, limit, NULL) < 0 ? -errno : 0;
}

static int set_nice(const struct options *o, enum option which)
{
	const char *value = o->value[which];
	bool minus = *value == '-';
	uint64_t n;

	if (!text_parse(value + minus, '\0', &n, NULL) || n > (minus ? 20 : 19))
		return -EINVAL;
	if (setpriority(PRIO_PROCESS, 0, minus ? -(int)n : (int)n) < 0)
		return -errno;
	/* Where the kernel groups processes by session, nice counts only within ours, where we are alone. */
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)write_all(fd, value, strlen(value), -1);
		close(fd);
	}
	return 0;
}

static int set_ionice(const struct options *o, enum option which)
{
	static const char *const classes[] = { "realtime", "best-effort", "idle" };
	const char *value = o->value[which];
	size_t len = strcspn(value, ":"), class = 0;
	uint64_t level = 4;

	while (class < 3 && (strncmp(classes[class], value, len) != 0 || classes[class][len]))
		class++;
	if (class == 3 || (value[len] && (!text_parse(value + len + 1, '\0', &level, NULL) || level > 7)))
		return -EINVAL;
	if (class == 2)
		level = 0;
	int both = (int)(class + 1) << IOPRIO_CLASS_SHIFT | (int)level;
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, both) < 0 ? -errno : 0;
}

static int set_groups(const struct options *o, enum option which)
{
	const char *at = is_given(o, OPT_GROUPS) ? o->value[OPT_GROUPS] : "";
	gid_t groups[GROUPS_MAX];
	size_t count = 0;
	uint64_t n;

	(void)which;
	while (*at) {
		if (count == GROUPS_MAX || !text_parse(at, ',', &n, &at) || n > UINT32_MAX)
			return -EINVAL;
		groups[count++] = (gid_t)n;
	}
	return syscall(SETGROUPS, count, groups) < 0 ? -errno : 0;
}

static int set_gid(const struct options *o, enum option which)
{
	gid_t gid = (gid_t)o->number[which];

	return o->number[which] >= UINT32_MAX ? -EINVAL : syscall(SETRESGID, gid, gid, gid) < 0 ? -errno : 0;
}

static int set_uid(const struct options *o, enum option which)
{
	uid_t uid = (uid_t)o->number[which];

	return o->number[which] >= UINT32_MAX ? -EINVAL : syscall(SETRESUID, uid, uid, uid) < 0 ? -errno : 0;
}

static int set_no_new_privs(const struct options *o, enum option which)
{
	return o->number[which] && prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0 ? -errno : 0;
}

/* The hub may be closed to the user of the activity, and a network file system to us: who can enter does. */
static bool entered;

static int enter_early(const struct options *o, enum option which)
{
	entered = chdir(o->value[which]) == 0;
	return 0;
}

static int enter_late(const struct options *o, enum option which)
{
	return entered || chdir(o->value[which]) == 0 ? 0 : -errno;
}

static const struct step {
	enum option option;
	int (*apply)(const struct options *o, enum option which);
} steps[] = {
	{ OPT_CGROUP, make_cgroup },
	{ OPT_CGROUP_MEMORY_MAX, limit_cgroup },
	{ OPT_CGROUP_CPU_MAX, limit_cgroup },
	{ OPT_CGROUP, join_cgroup },
	{ OPT_NICE, set_nice },
	{ OPT_IONICE, set_ionice },
	{ OPT_RLIMIT_AS, set_limit },
	{ OPT_RLIMIT_CORE, set_limit },
	{ OPT_RLIMIT_CPU, set_limit },
	{ OPT_RLIMIT_DATA, set_limit },
	{ OPT_RLIMIT_FSIZE, set_limit },
	{ OPT_RLIMIT_MEMLOCK, set_limit },
	{ OPT_RLIMIT_NOFILE, set_limit },
	{ OPT_RLIMIT_NPROC, set_limit },
	{ OPT_RLIMIT_STACK, set_limit },
	{ OPT_DIR, enter_early },
	{ OPT_GROUPS, set_groups },
	{ OPT_GID, set_gid },
	{ OPT_UID, set_uid },
	{ OPT_NO_NEW_PRIVS, set_no_new_privs },
	{ OPT_DIR, enter_late },
};

static bool is_asked(const struct options *o, enum option which)
{
	return is_given(o, which) || (which == OPT_GROUPS && is_given(o, OPT_GID));
}

int isolate(const struct options *o, enum option *which)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int r = is_asked(o, steps[i].option) ? steps[i].apply(o, steps[i].option) : 0;
		if (r < 0) {
			*which = is_given(o, steps[i].option) ? steps[i].option : OPT_GID;
			return r;
		}
	}
	return 0;
}
