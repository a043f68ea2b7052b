#include "config_table.h"
#include "isolation.h"
#include "base/error.h"
#include "base/log.h"
#include "base/parts.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>

#define KiB  INT64_C(1024)
#define MiB  (1024 * KiB)
#define GiB  (1024 * MiB)
#define HOUR PAWL_HOURS(1)
#define DAY  PAWL_DAYS(1)

#define TOP(field) offsetof(struct config, field)
#define OF(field)  offsetof(struct config_activity, field)

/* Keys of one section stand together; the order is the one in which people read them. */
/* clang-format off */
const struct config_key config_keys[] = {
	{ "hub", CONFIG_IS_PATH, TOP(hub), NULL, 0, 0, NULL, HELP("the hub's directory; -H and $PAWL_HUB come before it, /var/lib/pawl after it") },
	{ "run_dir", CONFIG_IS_PATH, TOP(run_dir), NULL, 0, 0, NULL, HELP("a directory in memory, such as /run/pawl, for the work queue and the work directories of activities, which a reboot may empty; not set: they are in the hub") },
	{ "plugins", CONFIG_IS_PATHS, TOP(plugins), "/usr/lib/pawl/plugins", 0, 0, NULL, HELP("directories of plugins (*.so) to load") },
	{ "activities_dir", CONFIG_IS_PATHS, TOP(activities_dirs), "/usr/lib/pawl/activities", 0, 0, NULL, HELP("directories of executables; each is an activity of its file name") },
	{ "log_level", CONFIG_IS_CHOICE, TOP(log_level), "info", LOG_LEVEL_ERROR, 0, "error|warning|notice|info|debug", HELP("the least important messages that are logged") },
	{ "allow_volatile", CONFIG_IS_BOOL, TOP(allow_volatile), "false", 0, 0, NULL, HELP("run although the hub is on a file system that a reboot empties") },
	{ "access.read_group", CONFIG_IS_TEXT, TOP(access.read_group), NULL, 0, 0, NULL, HELP("group, name or number, that may read the hub: histories, states and what is in them") },
	{ "access.drop_group", CONFIG_IS_TEXT, TOP(access.drop_group), NULL, 0, 0, NULL, HELP("group that may drop event and start files into inbox/ and into events/ of the instances, and do nothing else") },
	{ "access.control_group", CONFIG_IS_TEXT, TOP(access.control_group), NULL, 0, 0, NULL, HELP("group that may send all messages (control/): raise, suspend, cancel, terminate, purge and so on") },
	{ "engine.resident_max", CONFIG_IS_COUNT, TOP(engine.resident_max), "1000", 0, 1000000, NULL, HELP("instances whose stack is kept between turns; others are replayed") },
	{ "engine.stack_bytes", CONFIG_IS_SIZE, TOP(engine.stack_bytes), "64KiB", 16 * KiB, 8 * MiB, NULL, HELP("stack of an orchestration") },
	{ "engine.memory_max", CONFIG_IS_SIZE, TOP(engine.memory_max), "16MiB", 64 * KiB, GiB, NULL, HELP("memory of one instance: results and what it allocates") },
	{ "engine.replay_only", CONFIG_IS_BOOL, TOP(engine.replay_only), "false", 0, 0, NULL, HELP("keep no stacks: every turn replays (to test orchestrations)") },
	{ "engine.check_replay", CONFIG_IS_BOOL, TOP(engine.check_replay), "false", 0, 0, NULL, HELP("replay after every turn, and stop where orchestration code decides something else (for development)") },
	{ "workers.threads_max", CONFIG_IS_COUNT, TOP(workers.threads_max), "8", 1, 1024, NULL, HELP("activities in C that run at a time") },
	{ "workers.processes_max", CONFIG_IS_COUNT, TOP(workers.processes_max), "16", 1, 4096, NULL, HELP("activities that are processes and run at a time") },
	{ "workers.running_max", CONFIG_IS_COUNT, TOP(workers.running_max), "0", 0, 100000, NULL, HELP("activities of all kinds that run at a time, those of outside workers among them; 0 for no limit") },
	{ "workers.replaced_max", CONFIG_IS_COUNT, TOP(workers.replaced_max), "8", 0, 1024, NULL, HELP("threads that are replaced by new ones because their activity in C never returns") },
	{ "workers.tags", CONFIG_IS_LIST, TOP(workers.tags), NULL, 0, 0, NULL, HELP("tags of calls that this runtime runs itself; calls with any other tag wait for outside workers") },
	{ "workers.heartbeat", CONFIG_IS_DURATION, TOP(workers.heartbeat_ms), "60s", 1000, DAY, NULL, HELP("longest silence of an outside worker that is known by a name and not by its pid") },
	{ "attempts.stuck_max", CONFIG_IS_COUNT, TOP(attempts.stuck_max), "3", 1, 1000000, NULL, HELP("attempts in all when they end stuck: gone without a result, silent, past their time, or taking the runtime down with them") },
	{ "reboot.command", CONFIG_IS_LIST, TOP(reboot.command), NULL, 0, 0, NULL, HELP("the program, and its arguments, that reboots the device: run when an activity has asked for it (exit 76) and that is on the disk; not set: the activity sees to it") },
	{ "reboot.timeout", CONFIG_IS_DURATION, TOP(reboot.timeout_ms), "10m", 1000, DAY, NULL, HELP("a planned reboot that has not come by then fails its activity") },
#if PAWL_WITH_PRESSURE
	{ "pressure.memory_min", CONFIG_IS_SIZE, TOP(pressure.memory_min), "0", 0, INT64_MAX, NULL, HELP("memory that must be available (MemAvailable) for an activity to begin; 0: not looked at") },
	{ "pressure.disk_min", CONFIG_IS_SIZE, TOP(pressure.disk_min), "0", 0, INT64_MAX, NULL, HELP("space that must be free on the hub's file system and on those of disk_paths; 0: not looked at") },
	{ "pressure.inodes_min", CONFIG_IS_SIZE, TOP(pressure.inodes_min), "0", 0, INT64_MAX, NULL, HELP("inodes that must be free on the same file systems; 0: not looked at") },
	{ "pressure.disk_paths", CONFIG_IS_PATHS, TOP(pressure.disk_paths), NULL, 0, 0, NULL, HELP("further file systems for disk_min and inodes_min, each by a path on it") },
	{ "pressure.load_max", CONFIG_IS_NUMBER, TOP(pressure.load_max), "0", 0, 100000, NULL, HELP("highest load of the last minute for each processor, such as 1.5; 0: not looked at") },
	{ "pressure.psi_memory_max", CONFIG_IS_NUMBER, TOP(pressure.psi_memory_max), "0", 0, 100, NULL, HELP("highest percentage of the last 10 s in which something waited for memory (/proc/pressure/memory); 0: not looked at") },
	{ "pressure.psi_io_max", CONFIG_IS_NUMBER, TOP(pressure.psi_io_max), "0", 0, 100, NULL, HELP("the same for input and output (/proc/pressure/io)") },
	{ "pressure.psi_cpu_max", CONFIG_IS_NUMBER, TOP(pressure.psi_cpu_max), "0", 0, 100, NULL, HELP("the same for the processors (/proc/pressure/cpu)") },
	{ "pressure.temperature_max", CONFIG_IS_NUMBER, TOP(pressure.temperature_max), "0", 0, 1000, NULL, HELP("highest temperature of the hottest thermal zone, in degrees Celsius; 0: not looked at") },
	{ "pressure.thermal_zone", CONFIG_IS_TEXT, TOP(pressure.thermal_zone), NULL, 0, 0, NULL, HELP("look only at thermal zones of this type, such as cpu-thermal") },
	{ "pressure.battery_min", CONFIG_IS_COUNT, TOP(pressure.battery_min), "0", 0, 100, NULL, HELP("percentage that each battery must have that is not being charged; 0: not looked at") },
	{ "pressure.network", CONFIG_IS_TEXT, TOP(pressure.network), NULL, 0, 0, NULL, HELP("an interface that must be up, by its name, or any; not set: not looked at") },
	{ "pressure.command", CONFIG_IS_LIST, TOP(pressure.command), NULL, 0, 0, NULL, HELP("a program, and its arguments, that is asked: exit 0 is fine, anything else holds activities back, with its first line of output as the reason") },
	{ "pressure.command_every", CONFIG_IS_DURATION, TOP(pressure.command_every_ms), "30s", 1000, DAY, NULL, HELP("how long its answer counts") },
	{ "pressure.margin", CONFIG_IS_COUNT, TOP(pressure.margin_percent), "10", 1, 1000, NULL, HELP("percentage by which what was short must get better than its limit before it counts as fine again") },
#endif
	{ "journal.segment_bytes", CONFIG_IS_SIZE, TOP(journal.segment_bytes), "4MiB", 64 * KiB, GiB, NULL, HELP("size of a journal segment; what a restart reads at most of each") },
	{ "journal.segments", CONFIG_IS_COUNT, TOP(journal.segments), "3", 2, 64, NULL, HELP("journal segments, written in turn") },
	{ "journal.pad", CONFIG_IS_BOOL, TOP(journal.pad), "false", 0, 0, NULL, HELP("fill each write up to 4 KiB, for media whose sectors can tear") },
	{ "drops.watches_max", CONFIG_IS_COUNT, TOP(drops.watches_max), "4096", 1, 1000000, NULL, HELP("event directories watched through the kernel; others wait for the rescan") },
	{ "drops.bytes_max", CONFIG_IS_SIZE, TOP(drops.bytes_max), "1MiB", 1, PAWL_PAYLOAD_BYTES_MAX, NULL, HELP("largest event file that is taken") },
	{ "drops.rescan", CONFIG_IS_DURATION, TOP(drops.rescan_ms), "30s", 1000, DAY, NULL, HELP("look at event directories this often whatever the kernel says") },
	{ "drops.rescan_idle", CONFIG_IS_DURATION, TOP(drops.rescan_idle_ms), "300s", 1000, 30 * DAY, NULL, HELP("the same while nothing happens") },
	{ "drops.rejected_max", CONFIG_IS_COUNT, TOP(drops.rejected_max), "1000", 1, 1000000, NULL, HELP("files that were refused and are kept in each .rejected directory; the oldest go first") },
	{ "drops.rejected_bytes_max", CONFIG_IS_SIZE, TOP(drops.rejected_bytes_max), "16MiB", 1, INT64_MAX, NULL, HELP("the same in bytes; what alone is larger is not kept") },
	{ "timers.after_reboot", CONFIG_IS_CHOICE, TOP(timers.after_reboot), "wall", CONFIG_AFTER_REBOOT_WALL, 0, "wall|restart|fire", HELP("delays that a reboot cut: trust the wall clock, begin anew, or end at once") },
	{ "cancel.deadline", CONFIG_IS_DURATION, TOP(cancel.deadline_ms), "60s", 0, 30 * DAY, NULL, HELP("how long an instance that was asked to cancel may clean up before it is ended, 0 for no limit") },
	{ "process.grace", CONFIG_IS_DURATION, TOP(process.grace_ms), "5s", 0, HOUR, NULL, HELP("from TERM to KILL when an activity's process is ended") },
	{ "process.timeout", CONFIG_IS_DURATION, TOP(process.timeout_ms), "0", 0, 30 * DAY, NULL, HELP("longest time of an attempt, 0 for no limit") },
	{ "process.heartbeat", CONFIG_IS_DURATION, TOP(process.heartbeat_ms), "0", 0, 30 * DAY, NULL, HELP("longest silence of an activity (the files heartbeat and progress of its work directory), 0 for not watched") },
	{ "process.on_stop", CONFIG_IS_CHOICE, TOP(process.on_stop), "leave", CONFIG_ON_STOP_LEAVE, 0, "leave|end", HELP("running processes when the runtime stops: leave them, and the next start takes them up again; or end them, and the next start begins them anew") },
	{ "process.shim", CONFIG_IS_PATH, TOP(process.shim), NULL, 0, 0, NULL, HELP("the program pawl-shim; not set: looked for beside the program pawl and in its libexec directory") },
	{ "process.log_bytes_max", CONFIG_IS_SIZE, TOP(process.log_bytes_max), "64KiB", 0, 64 * MiB, NULL, HELP("of standard error that is kept for each attempt") },
	{ "process.output_bytes_max", CONFIG_IS_SIZE, TOP(process.output_bytes_max), "1MiB", 0, PAWL_PAYLOAD_BYTES_MAX, NULL, HELP("longest result on standard output; more fails the attempt") },
	{ "limits.events_buffered_max", CONFIG_IS_COUNT, TOP(limits.events_buffered_max), "1000", 1, 1000000, NULL, HELP("events of one name that an instance keeps until it waits for them") },
	{ "limits.instances_max", CONFIG_IS_COUNT, TOP(limits.instances_max), "100000", 1, 10000000, NULL, HELP("live instances of the hub") },
	{ "limits.history_bytes_max", CONFIG_IS_SIZE, TOP(limits.history_bytes_max), "64MiB", 64 * KiB, PAWL_HISTORY_BYTES_MAX, NULL, HELP("history of one execution, payloads with it: from there on it takes no events from outside") },
	{ "retention.age", CONFIG_IS_DURATION, TOP(retention.age_ms), "0", 0, 36500 * DAY, NULL, HELP("instances that ended longer ago are removed, such as 30d; 0: not by age") },
	{ "retention.count", CONFIG_IS_COUNT, TOP(retention.count), "0", 0, 10000000, NULL, HELP("ended instances that are kept at most, the oldest go first; 0: as many as there are") },
	{ "retention.bytes", CONFIG_IS_SIZE, TOP(retention.bytes), "0", 0, INT64_MAX, NULL, HELP("space that ended instances take at most, the oldest go first; 0: as much as they need") },
	{ "retention.free_min", CONFIG_IS_SIZE, TOP(retention.free_min), "0", 0, INT64_MAX, NULL, HELP("below so much free space on the hub's file system the oldest ended instances are removed; 0: not looked at") },
	{ "retention.executions", CONFIG_IS_COUNT, TOP(retention.executions), "0", 0, 1000000, NULL, HELP("newest executions that are kept of an instance that continues as new, live or ended; older ones go ten minutes after their end; 0: all") },
	{ "activities.*.exec", CONFIG_IS_LIST, OF(exec), NULL, 0, 0, NULL, HELP("the program and its arguments, as a list; no shell is involved; not set: the entry is for a function or an executable of that name") },
#if PAWL_WITH_WORKERS
	{ "activities.*.run_by", CONFIG_IS_CHOICE, OF(run_by), "runtime", CONFIG_RUN_BY_RUNTIME, 0, "runtime|worker", HELP("worker: it is put into the work queue, for workers outside of the runtime") },
#endif
	{ "activities.*.dir", CONFIG_IS_PATH, OF(dir), NULL, 0, 0, NULL, HELP("working directory; the attempt's own work directory when not set") },
	{ "activities.*.env", CONFIG_IS_ENV, OF(env), NULL, 0, 0, NULL, HELP("names and values added to the environment") },
	{ "activities.*.timeout", CONFIG_IS_DURATION, OF(timeout_ms), NULL, 0, 30 * DAY, NULL, HELP("as process.timeout, for this activity") },
	{ "activities.*.grace", CONFIG_IS_DURATION, OF(grace_ms), NULL, 0, HOUR, NULL, HELP("as process.grace, for this activity") },
	{ "activities.*.heartbeat", CONFIG_IS_DURATION, OF(heartbeat_ms), NULL, 0, 30 * DAY, NULL, HELP("as process.heartbeat, for this activity") },
	{ "activities.*.schedule_to_start", CONFIG_IS_DURATION, OF(schedule_to_start_ms), "0", 0, 365 * DAY, NULL, HELP("longest wait for an attempt to begin, then the activity fails; 0 for no limit") },
	{ "activities.*.schedule_to_close", CONFIG_IS_DURATION, OF(schedule_to_close_ms), "0", 0, 365 * DAY, NULL, HELP("longest time of all attempts and waits together, then the activity fails; 0 for no limit") },
	{ "activities.*.running_max", CONFIG_IS_COUNT, OF(running_max), "0", 0, 100000, NULL, HELP("attempts of this activity that run at a time; 0 for no limit of its own") },
	{ "activities.*.priority", CONFIG_IS_COUNT, OF(priority), "5", 1, 9, NULL, HELP("1 is begun first, 9 last; where the call gives none") },
	{ "activities.*.stuck_max", CONFIG_IS_COUNT, OF(stuck_max), "0", 0, 1000000, NULL, HELP("as attempts.stuck_max, for this activity; 0 for that value") },
	{ "activities.*.dead_letter", CONFIG_IS_CHOICE, OF(dead_letter), "fail", CONFIG_DEAD_LETTER_FAIL, 0, "fail|hold", HELP("when no attempt is left a dead letter is written, and the activity fails, or is held until pawl queue requeue gives it new attempts") },
	{ "activities.*.sync", CONFIG_IS_BOOL, OF(sync), "false", 0, 0, NULL, HELP("the result is on the disk before the attempt has ended: for long work that may end while the runtime is down") },
#if PAWL_WITH_ISOLATION
	{ "activities.*.user", CONFIG_IS_TEXT, OF(user), NULL, 0, 0, NULL, HELP("user that its process runs as, name or number; its group and groups come with it; a number that has no entry in the password database needs group") },
	{ "activities.*.group", CONFIG_IS_TEXT, OF(group), NULL, 0, 0, NULL, HELP("group that its process runs as, name or number, in place of the user's own; without user the process has no other groups") },
#endif
	{ "activities.*.env_keep", CONFIG_IS_LIST, OF(env_keep), NULL, 0, 0, NULL, HELP("names in the runtime's environment that its process gets, and no others; not set: all but the supervisor's, with user or group PATH, TZ and the language only") },
#if PAWL_WITH_ISOLATION
	{ "activities.*.nice", CONFIG_IS_INTEGER, OF(nice), "0", -20, 19, NULL, HELP("nice value of its process; 0: as the runtime") },
	{ "activities.*.ionice", CONFIG_IS_TEXT, OF(ionice), NULL, 0, 0, NULL, HELP("input and output priority of its process: idle, best-effort:0 to best-effort:7, or realtime:0 to realtime:7") },
	{ "activities.*.rlimits", CONFIG_IS_ENV, OF(rlimits), NULL, 0, 0, NULL, HELP("resource limits of its process, soft and hard: as, core, cpu (seconds), data, fsize, memlock, nofile, nproc, stack; each a number, a size or unlimited") },
	{ "activities.*.no_new_privileges", CONFIG_IS_BOOL, OF(no_new_privileges), "false", 0, 0, NULL, HELP("set-user-id programs and file capabilities give its process nothing") },
	{ "activities.*.cgroup", CONFIG_IS_PATH, OF(cgroup), NULL, 0, 0, NULL, HELP("cgroup v2 directory that is delegated to the runtime; each attempt gets a cgroup of its own in it, which is ended as a whole") },
	{ "activities.*.cgroup_memory_max", CONFIG_IS_SIZE, OF(cgroup_memory_max), "0", 0, INT64_MAX, NULL, HELP("memory.max of that cgroup; 0: not set") },
	{ "activities.*.cgroup_cpu_max", CONFIG_IS_TEXT, OF(cgroup_cpu_max), NULL, 0, 0, NULL, HELP("cpu.max of that cgroup, quota and period in microseconds: \"50000 100000\" for half a processor") },
#endif
#if PAWL_WITH_PRESSURE
	{ "activities.*.pressure.memory_min", CONFIG_IS_SIZE, OF(pressure.memory_min), "0", 0, INT64_MAX, NULL, HELP("as pressure.memory_min, for this activity") },
	{ "activities.*.pressure.disk_min", CONFIG_IS_SIZE, OF(pressure.disk_min), "0", 0, INT64_MAX, NULL, HELP("as pressure.disk_min, for this activity") },
	{ "activities.*.pressure.inodes_min", CONFIG_IS_SIZE, OF(pressure.inodes_min), "0", 0, INT64_MAX, NULL, HELP("as pressure.inodes_min, for this activity") },
	{ "activities.*.pressure.disk_paths", CONFIG_IS_PATHS, OF(pressure.disk_paths), NULL, 0, 0, NULL, HELP("as pressure.disk_paths, for this activity") },
	{ "activities.*.pressure.load_max", CONFIG_IS_NUMBER, OF(pressure.load_max), "0", 0, 100000, NULL, HELP("as pressure.load_max, for this activity") },
	{ "activities.*.pressure.psi_memory_max", CONFIG_IS_NUMBER, OF(pressure.psi_memory_max), "0", 0, 100, NULL, HELP("as pressure.psi_memory_max, for this activity") },
	{ "activities.*.pressure.psi_io_max", CONFIG_IS_NUMBER, OF(pressure.psi_io_max), "0", 0, 100, NULL, HELP("as pressure.psi_io_max, for this activity") },
	{ "activities.*.pressure.psi_cpu_max", CONFIG_IS_NUMBER, OF(pressure.psi_cpu_max), "0", 0, 100, NULL, HELP("as pressure.psi_cpu_max, for this activity") },
	{ "activities.*.pressure.temperature_max", CONFIG_IS_NUMBER, OF(pressure.temperature_max), "0", 0, 1000, NULL, HELP("as pressure.temperature_max, for this activity") },
	{ "activities.*.pressure.thermal_zone", CONFIG_IS_TEXT, OF(pressure.thermal_zone), NULL, 0, 0, NULL, HELP("as pressure.thermal_zone, for this activity") },
	{ "activities.*.pressure.battery_min", CONFIG_IS_COUNT, OF(pressure.battery_min), "0", 0, 100, NULL, HELP("as pressure.battery_min, for this activity") },
	{ "activities.*.pressure.network", CONFIG_IS_TEXT, OF(pressure.network), NULL, 0, 0, NULL, HELP("as pressure.network, for this activity") },
	{ "activities.*.pressure.command", CONFIG_IS_LIST, OF(pressure.command), NULL, 0, 0, NULL, HELP("as pressure.command, for this activity") },
	{ "activities.*.pressure.command_every", CONFIG_IS_DURATION, OF(pressure.command_every_ms), "30s", 1000, DAY, NULL, HELP("as pressure.command_every, for this activity") },
	{ "activities.*.pressure.margin", CONFIG_IS_COUNT, OF(pressure.margin_percent), "10", 1, 1000, NULL, HELP("as pressure.margin, for this activity") },
#endif
	{ "activities.*.retry.max_attempts", CONFIG_IS_COUNT, OF(retry.max_attempts), "1", 1, 1000000, NULL, HELP("attempts with the first, where the orchestration says nothing") },
	{ "activities.*.retry.first", CONFIG_IS_DURATION, OF(retry.first_ms), "1s", 1, DAY, NULL, HELP("delay before the second attempt") },
	{ "activities.*.retry.coefficient", CONFIG_IS_NUMBER, OF(retry.coefficient), "1.0", 1, 100, NULL, HELP("each delay is so many times the one before") },
	{ "activities.*.retry.max", CONFIG_IS_DURATION, OF(retry.max_ms), "1h", 1, 30 * DAY, NULL, HELP("longest delay") },
	{ "activities.*.retry.jitter", CONFIG_IS_NUMBER, OF(retry.jitter), "0", 0, 1, NULL, HELP("each delay varies by this part, up or down") },
};
/* clang-format on */

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

bool config_key_is_of_activity(const struct config_key *key)
{
	return strchr(key->path, '*') != NULL;
}

/* ---- values ---- */

/* A number in the unit that says it best. */
static void add_value(struct buf *out, enum config_type type, int64_t value)
{
	static const struct {
		const char *name;
		int64_t size;
	} sizes[] = { { "GiB", GiB }, { "MiB", MiB }, { "KiB", KiB }, { "", 1 } },
	  times[] = { { "d", DAY }, { "h", HOUR }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	size_t i = 0;

	if (type == CONFIG_IS_SIZE && value > 0) {
		while (value % sizes[i].size)
			i++;
		buf_addf(out, "%lld%s", (long long)(value / sizes[i].size), sizes[i].name);
	} else if (type == CONFIG_IS_DURATION && value > 0) {
		while (value % times[i].size)
			i++;
		buf_addf(out, "%lld%s", (long long)(value / times[i].size), times[i].name);
	} else {
		buf_addi(out, value);
	}
}

static void add_range(struct buf *out, const struct config_key *key)
{
	add_value(out, key->type, key->min);
	buf_adds(out, " to ");
	add_value(out, key->type, key->max);
}

/* What is expected, for messages and documentation. */
static void add_expected(struct buf *out, const struct config_key *key)
{
	static const char *const names[] = {
		[CONFIG_IS_TEXT] = "a text",
		[CONFIG_IS_PATH] = "an absolute path",
		[CONFIG_IS_LIST] = "a list of texts",
		[CONFIG_IS_PATHS] = "an absolute path or a list of them",
		[CONFIG_IS_ENV] = "a mapping of names to texts",
		[CONFIG_IS_BOOL] = "true or false",
		[CONFIG_IS_COUNT] = "a whole number, ",
		[CONFIG_IS_INTEGER] = "a whole number, ",
		[CONFIG_IS_SIZE] = "a size such as 64KiB, ",
		[CONFIG_IS_DURATION] = "a duration such as 30s, ",
		[CONFIG_IS_NUMBER] = "a number, ",
		[CONFIG_IS_CHOICE] = "one of ",
	};

	buf_adds(out, names[key->type]);
	if (key->choices) {
		for (const char *c = key->choices; *c; c++)
			*c == '|' ? buf_adds(out, ", ") : buf_addc(out, *c);
	} else if (key->max == INT64_MAX) {
		add_value(out, key->type, key->min);
		buf_adds(out, " or more");
	} else if (key->max) {
		add_range(out, key);
	}
}

static int refuse(const struct config_key *key, struct slice text, const char *hint, struct pawl_error *err)
{
	struct buf expected = BUF_INIT;

	add_expected(&expected, key);
	err_set(err, PAWL_EINVALID, "expected %s, not '%.*s'%s", buf_str(&expected), text.len > 64 ? 64 : (int)text.len,
	        text.data, hint);
	buf_release(&expected);
	return PAWL_EINVALID;
}

static int set_bool(const struct config_key *key, bool *field, struct slice text, bool plain, struct pawl_error *err)
{
	if (!plain)
		return refuse(key, text, " in quotes", err);
	if (!slice_is(text, "true") && !slice_is(text, "false"))
		return refuse(key, text, "", err);
	*field = slice_is(text, "true");
	return 0;
}

static int set_choice(const struct config_key *key, int *field, struct slice text, struct pawl_error *err)
{
	int n = 0;

	for (const char *word = key->choices; word; n++) {
		const char *end = strchr(word, '|');

		if (slice_eq(text, end ? slice_make(word, (size_t)(end - word)) : slice_of(word))) {
			*field = (int)key->min + n;
			return 0;
		}
		word = end ? end + 1 : NULL;
	}
	return refuse(key, text, "", err);
}

/* Digits with at most one point among them. strtod would follow the locale. */
static int parse_decimal(struct slice s, double *value)
{
	double unit = 0;
	size_t digits = 0;

	*value = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '.' && unit == 0) {
			unit = 1;
			continue;
		}
		if (s.data[i] < '0' || s.data[i] > '9' || ++digits > 15)
			return PAWL_EPARSE;
		*value = *value * 10 + (s.data[i] - '0');
		unit *= 10;
	}
	if (unit > 0)
		*value /= unit;
	return digits ? 0 : PAWL_EPARSE;
}

static int set_number(const struct config_key *key, double *field, struct slice text, struct pawl_error *err)
{
	double value;

	if (parse_decimal(text, &value) || value < (double)key->min || value > (double)key->max)
		return refuse(key, text, "", err);
	*field = value;
	return 0;
}

static int parse_integer(enum config_type type, struct slice text, int64_t *value)
{
	uint64_t n = 0;
	int ret;

	if (type == CONFIG_IS_DURATION)
		return text_parse_duration(text, value);
	if (type == CONFIG_IS_INTEGER && text.len > 1 && text.data[0] == '-') {
		ret = text_parse_u64(slice_make(text.data + 1, text.len - 1), &n);
		*value = n > INT64_MAX ? -INT64_MAX : -(int64_t)n;
		return ret;
	}
	ret = type == CONFIG_IS_SIZE ? text_parse_size(text, &n) : text_parse_u64(text, &n);
	*value = n > INT64_MAX ? INT64_MAX : (int64_t)n;
	return ret;
}

static int set_integer(const struct config_key *key, void *field, struct slice text, struct pawl_error *err)
{
	size_t sign = text.len > 0 && text.data[0] == '-';
	int64_t value;

	if (text.len > sign + 1 && text.data[sign] == '0' && strchr("0123456789xob", text.data[sign + 1]))
		return refuse(key, text, ": numbers are decimal, without a leading 0", err);
	if (parse_integer(key->type, text, &value) || value < key->min || value > key->max)
		return refuse(key, text, "", err);
	if (key->type == CONFIG_IS_COUNT)
		*(uint32_t *)field = (uint32_t)value;
	else if (key->type == CONFIG_IS_SIZE)
		*(uint64_t *)field = (uint64_t)value;
	else
		*(int64_t *)field = value;
	return 0;
}

/* A key without a value is more often forgotten than meant. */
static bool is_null(struct slice text, bool plain)
{
	return plain && (text.len == 0 || slice_is(text, "~") || slice_is(text, "null"));
}

static int set_text(struct arena *arena, const struct config_key *key, const char **field, struct slice text,
                    struct pawl_error *err)
{
	if ((key->type == CONFIG_IS_PATH || key->type == CONFIG_IS_PATHS) && (text.len == 0 || text.data[0] != '/'))
		return refuse(key, text, "", err);
	*field = arena_copy(arena, text).data;
	return *field ? 0 : err_nomem(err);
}

int config_list_add(struct arena *arena, const char *const **list, const char *text, struct pawl_error *err)
{
	const char **entries = (const char **)*list;
	size_t count = 0;

	while (entries && entries[count])
		count++;
	if (count == CONFIG_LIST_MAX)
		return err_set(err, PAWL_ETOOBIG, "more than %d entries", CONFIG_LIST_MAX);
	/* It grows at 0, 1, 2, 4, 8 ... to twice the size, with room for the NULL. */
	if ((count & (count - 1)) == 0 || !entries) {
		entries = arena_calloc(arena, 2 * count + 2, sizeof(*entries));
		if (!entries)
			return err_nomem(err);
		if (count)
			memcpy(entries, *list, count * sizeof(*entries));
		*list = entries;
	}
	entries[count] = text;
	return 0;
}

int config_set(struct arena *arena, const struct config_key *key, void *field, struct slice text, bool plain,
               struct pawl_error *err)
{
	const char *copy;
	int ret;

	if (is_null(text, plain))
		return refuse(key, text, ": give a value or remove the key", err);
	switch (key->type) {
	case CONFIG_IS_BOOL:
		return set_bool(key, field, text, plain, err);
	case CONFIG_IS_COUNT:
	case CONFIG_IS_INTEGER:
	case CONFIG_IS_SIZE:
	case CONFIG_IS_DURATION:
		return set_integer(key, field, text, err);
	case CONFIG_IS_NUMBER:
		return set_number(key, field, text, err);
	case CONFIG_IS_CHOICE:
		return set_choice(key, field, text, err);
	case CONFIG_IS_TEXT:
	case CONFIG_IS_PATH:
		return set_text(arena, key, field, text, err);
	case CONFIG_IS_PATHS: /* one alone */
		ret = set_text(arena, key, &copy, text, err);
		*(const char *const **)field = NULL;
		return ret ? ret : config_list_add(arena, field, copy, err);
	default:
		return refuse(key, text, "", err);
	}
}

/* ---- life ---- */

int config_set_defaults(struct arena *arena, void *base, bool of_activity)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		int ret = 0;

		if (key->def && config_key_is_of_activity(key) == of_activity)
			ret = config_set(arena, key, (char *)base + key->offset, slice_of(key->def), true, NULL);
		if (ret)
			return ret;
	}
	return 0;
}

int config_init(struct config *cfg)
{
	*cfg = (struct config){ 0 };
	arena_init(&cfg->arena, 32 * MiB);
	return config_set_defaults(&cfg->arena, cfg, false);
}

void config_release(struct config *cfg)
{
	free(cfg->activities);
	cfg->activities = NULL;
	cfg->activity_count = 0;
	arena_release(&cfg->arena);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct config_activity *)a)->name, ((const struct config_activity *)b)->name);
}

int config_finish(struct config *cfg, struct pawl_error *err)
{
	for (size_t i = 0; i < cfg->activity_count; i++) {
		struct config_activity *activity = &cfg->activities[i];

		if (isolation_check(activity, err))
			return err_wrap(err, "%s", activity->origin);
		if (activity->timeout_ms < 0)
			activity->timeout_ms = cfg->process.timeout_ms;
		if (activity->grace_ms < 0)
			activity->grace_ms = cfg->process.grace_ms;
		if (activity->heartbeat_ms < 0)
			activity->heartbeat_ms = cfg->process.heartbeat_ms;
		if (activity->stuck_max == 0)
			activity->stuck_max = cfg->attempts.stuck_max;
	}
	if (cfg->activity_count)
		qsort(cfg->activities, cfg->activity_count, sizeof(*cfg->activities), compare_names);
	return 0;
}

const struct config_activity *config_find_activity(const struct config *cfg, const char *name)
{
	struct config_activity wanted = { .name = name };

	if (!cfg->activity_count)
		return NULL;
	return bsearch(&wanted, cfg->activities, cfg->activity_count, sizeof(wanted), compare_names);
}

/* ---- documentation ---- */

static void describe_key(struct buf *out, const struct config_key *key, enum config_format format)
{
	struct buf expected = BUF_INIT;
	const char *path = key->path, *def = key->def;
	/* An activity's name is the user's: NAME says more than a star, which Markdown would take for emphasis. */
	const char *star = strchr(path, '*');
	char shown[80];

	snprintf(shown, sizeof(shown), "%.*s%s%s", star ? (int)(star - path) : (int)strlen(path), path,
	         star ? "NAME" : "", star ? star + 1 : "");
	add_expected(&expected, key);
	if (format == CONFIG_MARKDOWN)
		buf_addf(out, "| `%s` | %s | %s%s%s | %s |\n", shown, buf_str(&expected), def ? "`" : "",
		         def ? def : "not set", def ? "`" : "", key->doc);
	else if (format == CONFIG_MAN)
		buf_addf(out, ".TP\n.B %s\n%s.\nExpected: %s. Default: %s.\n", shown, key->doc, buf_str(&expected),
		         def ? def : "not set");
	else
		buf_addf(out, "%s: %s; default %s\n    %s\n", shown, buf_str(&expected), def ? def : "not set",
		         key->doc);
	if (!buf_ok(&expected))
		out->failed = true;
	buf_release(&expected);
}

void config_describe(struct buf *out, enum config_format format)
{
	if (format == CONFIG_MARKDOWN)
		buf_adds(out, "| key | value | default | what it is |\n|---|---|---|---|\n");
	for (size_t i = 0; i < config_key_count; i++)
		describe_key(out, &config_keys[i], format);
}
