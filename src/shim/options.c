/* options.c - the arguments before "--": one table of names, kinds and defaults. */
#include "shim/impl.h"

#include <string.h>

enum kind { TEXT, NUMBER };

static const struct {
	char name[20];
	enum kind kind;
	uint64_t standard;
} table[OPTIONS] = {
	[OPT_WORK] = { "work", TEXT, 0 },
	[OPT_ATTEMPT] = { "attempt", NUMBER, 0 },
	[OPT_DIR] = { "dir", TEXT, 0 },
	[OPT_TIMEOUT_MS] = { "timeout_ms", NUMBER, 0 },
	[OPT_HEARTBEAT_MS] = { "heartbeat_ms", NUMBER, 0 },
	[OPT_GRACE_MS] = { "grace_ms", NUMBER, SHIM_GRACE_MS },
	[OPT_OUTPUT_MAX] = { "output_max", NUMBER, 1 << 20 },
	[OPT_LOG_MAX] = { "log_max", NUMBER, 64 << 10 },
	[OPT_SYNC] = { "sync", NUMBER, 0 },
	[OPT_UID] = { "uid", NUMBER, 0 },
	[OPT_GID] = { "gid", NUMBER, 0 },
	[OPT_GROUPS] = { "groups", TEXT, 0 },
	[OPT_NICE] = { "nice", TEXT, 0 },
	[OPT_IONICE] = { "ionice", TEXT, 0 },
	[OPT_RLIMIT_AS] = { "rlimit_as", TEXT, 0 },
	[OPT_RLIMIT_CORE] = { "rlimit_core", TEXT, 0 },
	[OPT_RLIMIT_CPU] = { "rlimit_cpu", TEXT, 0 },
	[OPT_RLIMIT_DATA] = { "rlimit_data", TEXT, 0 },
	[OPT_RLIMIT_FSIZE] = { "rlimit_fsize", TEXT, 0 },
	[OPT_RLIMIT_MEMLOCK] = { "rlimit_memlock", TEXT, 0 },
	[OPT_RLIMIT_NOFILE] = { "rlimit_nofile", TEXT, 0 },
	[OPT_RLIMIT_NPROC] = { "rlimit_nproc", TEXT, 0 },
	[OPT_RLIMIT_STACK] = { "rlimit_stack", TEXT, 0 },
	[OPT_NO_NEW_PRIVS] = { "no_new_privs", NUMBER, 0 },
	[OPT_CGROUP] = { "cgroup", TEXT, 0 },
	[OPT_CGROUP_MEMORY_MAX] = { "cgroup_memory_max", TEXT, 0 },
	[OPT_CGROUP_CPU_MAX] = { "cgroup_cpu_max", TEXT, 0 },
};

/* Times are added to clocks: what no clock can hold is as good as for ever, which is 292 million years. */
#define NUMBER_MAX (INT64_MAX / 4)

static bool take(struct options *o, const char *argument)
{
	size_t len = strcspn(argument, "=");

	if (!argument[len])
		return false;
	for (int i = 0; i < OPTIONS; i++) {
		if (strncmp(table[i].name, argument, len) != 0 || table[i].name[len])
			continue;
		o->text[i] = argument;
		o->value[i] = argument + len + 1;
		if (table[i].kind == TEXT)
			return *o->value[i] != '\0';
		if (!text_parse(o->value[i], '\0', &o->number[i], NULL))
			return false;
		if (o->number[i] > NUMBER_MAX)
			o->number[i] = NUMBER_MAX;
		return true;
	}
	return false;
}

bool options_parse(struct options *o, int argc, char *const argv[], const char **bad)
{
	int at = 1;

	for (int i = 0; i < OPTIONS; i++)
		o->number[i] = table[i].standard;
	for (; at < argc && strcmp(argv[at], "--") != 0; at++)
		if (!take(o, argv[at])) {
			*bad = argv[at];
			return false;
		}
	*bad = o->text[OPT_WORK];
	if (*bad && o->value[OPT_WORK][0] != '/')
		return false;
	*bad = NULL;
	o->argv = argv + at + 1;
	return o->text[OPT_WORK] && at + 1 < argc;
}
