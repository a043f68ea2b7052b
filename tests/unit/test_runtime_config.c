/* What a configuration may say, and the exact words for what it may not. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/log.h"
#include "runtime/config.h"
#include "runtime/config_table.h"
#include "runtime/yread.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pawl_error err;

static bool pressure_is_looked_at(const struct pressure_limits *l)
{
	return l->memory_min || l->disk_min || l->inodes_min || l->disk_paths || l->load_max > 0 || l->psi_memory_max > 0 ||
	       l->psi_io_max > 0 || l->psi_cpu_max > 0 || l->temperature_max > 0 || l->thermal_zone || l->battery_min ||
	       l->network || l->command;
}

static void the_defaults_are_those_of_the_table(void **state)
{
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_null(cfg.hub);
	assert_string_equal(cfg.plugins[0], "/usr/lib/pawl/plugins");
	assert_null(cfg.plugins[1]);
	assert_string_equal(cfg.activities_dirs[0], "/usr/lib/pawl/activities");
	assert_int_equal(cfg.log_level, LOG_LEVEL_INFO);
	assert_false(cfg.allow_volatile);
	assert_int_equal(cfg.engine.resident_max, 1000);
	assert_int_equal(cfg.engine.stack_bytes, PAWL_STACK_BYTES);
	assert_int_equal(cfg.engine.memory_max, 16 << 20);
	assert_false(cfg.engine.replay_only);
	assert_false(cfg.engine.check_replay);
	assert_int_equal(cfg.workers.threads_max, 8);
	assert_int_equal(cfg.workers.processes_max, 16);
	assert_int_equal(cfg.workers.running_max, 0);
	assert_int_equal(cfg.workers.replaced_max, 8);
	assert_null(cfg.workers.tags);
	assert_int_equal(cfg.workers.heartbeat_ms, 60000);
	assert_int_equal(cfg.attempts.stuck_max, 3);
	assert_null(cfg.reboot.command);
	assert_int_equal(cfg.reboot.timeout_ms, 600000);
	assert_false(pressure_is_looked_at(&cfg.pressure));
	assert_int_equal(cfg.pressure.command_every_ms, 30000);
	assert_int_equal(cfg.pressure.margin_percent, 10);
	assert_int_equal(cfg.process.heartbeat_ms, 0);
	assert_int_equal(cfg.process.on_stop, CONFIG_ON_STOP_LEAVE);
	assert_null(cfg.process.shim);
	assert_int_equal(cfg.journal.segment_bytes, 4 << 20);
	assert_int_equal(cfg.journal.segments, 3);
	assert_false(cfg.journal.pad);
	assert_int_equal(cfg.drops.watches_max, 4096);
	assert_int_equal(cfg.drops.bytes_max, 1 << 20);
	assert_int_equal(cfg.drops.rescan_ms, 30000);
	assert_int_equal(cfg.drops.rescan_idle_ms, 300000);
	assert_int_equal(cfg.timers.after_reboot, CONFIG_AFTER_REBOOT_WALL);
	assert_int_equal(cfg.process.grace_ms, 5000);
	assert_int_equal(cfg.process.timeout_ms, 0);
	assert_int_equal(cfg.process.log_bytes_max, 64 << 10);
	assert_int_equal(cfg.process.output_bytes_max, 1 << 20);
	assert_int_equal(cfg.limits.events_buffered_max, PAWL_EVENTS_BUFFERED_MAX);
	assert_int_equal(cfg.limits.instances_max, 100000);
	assert_int_equal(cfg.activity_count, 0);
	config_release(&cfg);
}

/* A default that is no value of its own key would stop config_init; here it says which. */
static void each_default_is_allowed_by_its_own_range(void **state)
{
	struct arena arena;
	uint64_t field[4];

	(void)state;
	arena_init(&arena, 0);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->def && config_set(&arena, key, field, slice_of(key->def), true, &err))
			fail_msg("%s: %s", key->path, err.text);
	}
	arena_release(&arena);
}

#if PAWL_WITH_YAML

static int apply(struct config *cfg, const char *text)
{
	int ret = config_apply(cfg, "pawl.yaml", text, strlen(text), &err);

	return ret ? ret : config_finish(cfg, &err);
}

static void every_key_can_be_set(void **state)
{
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(apply(&cfg,
	                       "hub: /data/pawl\n"
	                       "plugins: [/a, \"/b c\"]\n"
	                       "activities_dir: /opt/activities\n"
	                       "log_level: debug\n"
	                       "allow_volatile: true\n"
	                       "engine: {resident_max: 0, stack_bytes: 128KiB, memory_max: 1MiB, replay_only: true, check_replay: true}\n"
	                       "workers:\n  threads_max: 2\n  processes_max: 3\n  running_max: 4\n  replaced_max: 0\n"
	                       "  tags: [gpu, '']\n  heartbeat: 5s\n"
	                       "attempts: {stuck_max: 1}\n"
	                       "reboot: {command: [/sbin/reboot], timeout: 1m}\n"
	                       "pressure: {memory_min: 1MiB, disk_min: 2MiB, inodes_min: 10, disk_paths: /data,\n"
	                       "  load_max: 1.5, psi_memory_max: 10, psi_io_max: 20.5, psi_cpu_max: 30,\n"
	                       "  temperature_max: 85.5, thermal_zone: cpu-thermal, battery_min: 40, network: eth0,\n"
	                       "  command: [/bin/ask], command_every: 1m, margin: 5}\n"
	                       "journal: {segment_bytes: 65536, segments: 2, pad: true}\n"
	                       "drops: {watches_max: 10, bytes_max: 4K, rescan: 1m30s, rescan_idle: 1h}\n"
	                       "timers: {after_reboot: fire}\n"
	                       "process: {grace: 250ms, timeout: 90, heartbeat: 10s, on_stop: end, shim: /bin/pawl-shim,\n"
	                       "  log_bytes_max: 0, output_bytes_max: 2KiB}\n"
	                       "limits: {events_buffered_max: 5, instances_max: 7}\n"),
	                 0);
	assert_string_equal(cfg.hub, "/data/pawl");
	assert_string_equal(cfg.plugins[1], "/b c");
	assert_null(cfg.plugins[2]);
	assert_string_equal(cfg.activities_dirs[0], "/opt/activities");
	assert_int_equal(cfg.log_level, LOG_LEVEL_DEBUG);
	assert_true(cfg.allow_volatile);
	assert_int_equal(cfg.engine.resident_max, 0);
	assert_int_equal(cfg.engine.stack_bytes, 128 << 10);
	assert_true(cfg.engine.replay_only);
	assert_true(cfg.engine.check_replay);
	assert_int_equal(cfg.workers.processes_max, 3);
	assert_int_equal(cfg.workers.running_max, 4);
	assert_int_equal(cfg.workers.replaced_max, 0);
	assert_string_equal(cfg.workers.tags[0], "gpu");
	assert_string_equal(cfg.workers.tags[1], "");
	assert_int_equal(cfg.workers.heartbeat_ms, 5000);
	assert_int_equal(cfg.attempts.stuck_max, 1);
	assert_string_equal(cfg.reboot.command[0], "/sbin/reboot");
	assert_int_equal(cfg.reboot.timeout_ms, 60000);
	assert_int_equal(cfg.pressure.memory_min, 1 << 20);
	assert_int_equal(cfg.pressure.disk_min, 2 << 20);
	assert_int_equal(cfg.pressure.inodes_min, 10);
	assert_string_equal(cfg.pressure.disk_paths[0], "/data");
	assert_true(cfg.pressure.psi_io_max > 20.4 && cfg.pressure.psi_io_max < 20.6);
	assert_true(cfg.pressure.temperature_max > 85.4 && cfg.pressure.temperature_max < 85.6);
	assert_string_equal(cfg.pressure.thermal_zone, "cpu-thermal");
	assert_int_equal(cfg.pressure.battery_min, 40);
	assert_string_equal(cfg.pressure.network, "eth0");
	assert_string_equal(cfg.pressure.command[0], "/bin/ask");
	assert_int_equal(cfg.pressure.command_every_ms, 60000);
	assert_int_equal(cfg.pressure.margin_percent, 5);
	assert_int_equal(cfg.process.heartbeat_ms, 10000);
	assert_int_equal(cfg.process.on_stop, CONFIG_ON_STOP_END);
	assert_string_equal(cfg.process.shim, "/bin/pawl-shim");
	assert_int_equal(cfg.journal.segment_bytes, 65536);
	assert_true(cfg.journal.pad);
	assert_int_equal(cfg.drops.bytes_max, 4096);
	assert_int_equal(cfg.drops.rescan_ms, 90000);
	assert_int_equal(cfg.timers.after_reboot, CONFIG_AFTER_REBOOT_FIRE);
	assert_int_equal(cfg.process.grace_ms, 250);
	assert_int_equal(cfg.process.timeout_ms, 90000);
	assert_int_equal(cfg.process.log_bytes_max, 0);
	assert_int_equal(cfg.limits.instances_max, 7);
	config_release(&cfg);
}

static void an_activity_has_its_program_environment_and_retry_policy(void **state)
{
	const struct config_activity *flash, *probe;
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(apply(&cfg,
	                       "process: {timeout: 10s}\n"
	                       "activities:\n"
	                       "  probe/v1.2: {exec: [/bin/probe]}\n"
	                       "  flash:\n"
	                       "    exec: [/usr/bin/flash, --slot, 1, no, '']\n"
	                       "    dir: /tmp\n"
	                       "    env: {MODE: fast, EMPTY: ''}\n"
	                       "    timeout: 5m\n"
	                       "    grace: 1s\n"
	                       "    retry: {max_attempts: 4, first: 2s, coefficient: 1.5, max: 1m, jitter: 0.25}\n"),
	                 0);
	assert_int_equal(cfg.activity_count, 2);
	assert_null(config_find_activity(&cfg, "probe"));
	flash = config_find_activity(&cfg, "flash");
	probe = config_find_activity(&cfg, "probe/v1.2");
	assert_non_null(flash);
	assert_non_null(probe);
	assert_string_equal(flash->exec[0], "/usr/bin/flash");
	assert_string_equal(flash->exec[2], "1");
	assert_string_equal(flash->exec[3], "no");
	assert_string_equal(flash->exec[4], "");
	assert_null(flash->exec[5]);
	assert_string_equal(flash->env[0], "MODE=fast");
	assert_string_equal(flash->env[1], "EMPTY=");
	assert_null(flash->env[2]);
	assert_string_equal(flash->dir, "/tmp");
	assert_int_equal(flash->timeout_ms, 300000);
	assert_int_equal(flash->grace_ms, 1000);
	assert_int_equal(flash->retry.max_attempts, 4);
	assert_int_equal(flash->retry.first_ms, 2000);
	assert_true(flash->retry.coefficient > 1.49 && flash->retry.coefficient < 1.51);
	assert_int_equal(flash->retry.max_ms, 60000);
	assert_true(flash->retry.jitter > 0.24 && flash->retry.jitter < 0.26);
	assert_string_equal(flash->origin, "pawl.yaml:4:3");
	assert_int_equal(probe->timeout_ms, 10000);
	assert_int_equal(probe->grace_ms, 5000);
	assert_int_equal(probe->retry.max_attempts, 1);
	config_release(&cfg);
}

static void what_an_activity_needs_and_may_use_is_a_section_of_its_own(void **state)
{
	const struct config_activity *flash;
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	if (apply(&cfg, "pressure: {memory_min: 16MiB, disk_paths: [/data], network: any, margin: 20}\n"
	                "attempts: {stuck_max: 4}\n"
	                "process: {heartbeat: 30s}\n"
	                "activities:\n"
	                "  flash:\n"
	                "    exec: [/bin/flash]\n"
	                "    run_by: worker\n"
	                "    dead_letter: hold\n"
	                "    nice: -5\n"
	                "    ionice: best-effort:7\n"
	                "    rlimits:\n"
	                "      nofile: 64\n"
	                "      as: 64MiB\n"
	                "      core: unlimited\n"
	                "    env_keep: [PATH, HOME]\n"
	                "    cgroup: /sys/fs/cgroup/pawl\n"
	                "    cgroup_memory_max: 48MiB\n"
	                "    cgroup_cpu_max: 50000 100000\n"
	                "    pressure:\n"
	                "      battery_min: 40\n"
	                "      load_max: 1.5\n"
	                "      command: [/bin/ask, cold]\n"))
		fail_msg("%s", err.text);
	assert_int_equal(cfg.pressure.memory_min, 16 << 20);
	assert_string_equal(cfg.pressure.disk_paths[0], "/data");
	assert_string_equal(cfg.pressure.network, "any");
	assert_int_equal(cfg.pressure.margin_percent, 20);
	flash = config_find_activity(&cfg, "flash");
	assert_non_null(flash);
	assert_int_equal(flash->run_by, CONFIG_RUN_BY_WORKER);
	assert_int_equal(flash->dead_letter, CONFIG_DEAD_LETTER_HOLD);
	assert_int_equal(flash->nice, -5);
	assert_string_equal(flash->ionice, "best-effort:7");
	assert_string_equal(flash->rlimits[0], "nofile=64");
	assert_string_equal(flash->rlimits[1], "as=64MiB");
	assert_string_equal(flash->rlimits[2], "core=unlimited");
	assert_null(flash->rlimits[3]);
	assert_string_equal(flash->env_keep[1], "HOME");
	assert_string_equal(flash->cgroup, "/sys/fs/cgroup/pawl");
	assert_int_equal(flash->cgroup_memory_max, 48 << 20);
	assert_string_equal(flash->cgroup_cpu_max, "50000 100000");
	assert_int_equal(flash->pressure.battery_min, 40);
	assert_true(flash->pressure.load_max > 1.49 && flash->pressure.load_max < 1.51);
	assert_string_equal(flash->pressure.command[1], "cold");
	assert_int_equal(flash->pressure.memory_min, 0);
	config_release(&cfg);
}

static void an_activity_says_nothing_more_than_its_defaults(void **state)
{
	const struct config_activity *a;
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(apply(&cfg, "attempts: {stuck_max: 4}\n"
	                             "process: {heartbeat: 30s}\n"
	                             "activities: {a: {priority: 1}, b: {stuck_max: 9, heartbeat: 0}}\n"),
	                 0);
	a = config_find_activity(&cfg, "a");
	assert_null(a->exec);
	assert_int_equal(a->priority, 1);
	assert_int_equal(a->stuck_max, 4);
	assert_int_equal(a->heartbeat_ms, 30000);
	assert_int_equal(a->run_by, CONFIG_RUN_BY_RUNTIME);
	assert_int_equal(a->dead_letter, CONFIG_DEAD_LETTER_FAIL);
	assert_int_equal(a->nice, 0);
	assert_null(a->user);
	assert_null(a->rlimits);
	assert_int_equal(a->pressure.margin_percent, 10);
	a = config_find_activity(&cfg, "b");
	assert_int_equal(a->priority, 5);
	assert_int_equal(a->stuck_max, 9);
	assert_int_equal(a->heartbeat_ms, 0);
	config_release(&cfg);
}

static void empty_files_and_empty_sections_change_nothing(void **state)
{
	static const char *const files[] = { "",      "\n",         "# only a comment\n",
		                             "---\n", "---\n...\n", "engine:\n  # stack_bytes: 64KiB\n",
		                             "{}" };
	struct config cfg;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(config_init(&cfg), 0);
		if (apply(&cfg, files[i]))
			fail_msg("file %zu: %s", i, err.text);
		assert_int_equal(cfg.engine.resident_max, 1000);
		config_release(&cfg);
	}
}

static void an_empty_list_of_directories_means_none(void **state)
{
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(apply(&cfg, "plugins: []\n"), 0);
	assert_non_null(cfg.plugins);
	assert_null(cfg.plugins[0]);
	config_release(&cfg);
}

struct bad {
	const char *text;
	int code;
	const char *message;
};

#define TOP_LEVEL                                                                                                      \
	"hub, run_dir, plugins, activities_dir, log_level, allow_volatile, access, engine, workers, attempts, reboot, pressure, "       \
	"journal, drops, timers, cancel, process, limits, retention, activities"
#define OF_PRESSURE                                                                                                    \
	"memory_min, disk_min, inodes_min, disk_paths, load_max, psi_memory_max, psi_io_max, psi_cpu_max, "            \
	"temperature_max, thermal_zone, battery_min, network, command, command_every, margin"
#define OF_ACTIVITY                                                                                                    \
	"exec, run_by, dir, env, timeout, grace, heartbeat, schedule_to_start, schedule_to_close, running_max, "       \
	"priority, stuck_max, dead_letter, sync, user, group, env_keep, nice, ionice, rlimits, no_new_privileges, "    \
	"cgroup, cgroup_memory_max, cgroup_cpu_max, pressure, retry"

/* clang-format off */
static const struct bad bad_files[] = {
	/* keys */
	{ "engin: {}\n", PAWL_EINVALID, "pawl.yaml:1:1: unknown key 'engin', did you mean 'engine'?; known here: " TOP_LEVEL },
	{ "colour: red\n", PAWL_EINVALID, "pawl.yaml:1:1: unknown key 'colour'; known here: " TOP_LEVEL },
	{ "engine:\n  resident_mx: 5\n", PAWL_EINVALID, "pawl.yaml:2:3: unknown key 'engine.resident_mx', did you mean 'resident_max'?; known here: resident_max, stack_bytes, memory_max, replay_only, check_replay" },
	{ "activities: {a: {retry: {jiter: 0}}}", PAWL_EINVALID, "pawl.yaml:1:26: unknown key 'activities.a.retry.jiter', did you mean 'jitter'?; known here: max_attempts, first, coefficient, max, jitter" },
	{ "activities: {a: {cmd: x}}", PAWL_EINVALID, "pawl.yaml:1:18: unknown key 'activities.a.cmd'; known here: " OF_ACTIVITY },
	{ "pressure: {memory: 1}", PAWL_EINVALID, "pawl.yaml:1:12: unknown key 'pressure.memory'; known here: " OF_PRESSURE },
	{ "activities: {a: {pressure: {battery_mn: 1}}}", PAWL_EINVALID, "pawl.yaml:1:29: unknown key 'activities.a.pressure.battery_mn', did you mean 'battery_min'?; known here: " OF_PRESSURE },
	{ "hub: /a\nhub: /b\n", PAWL_EINVALID, "pawl.yaml:2:1: key 'hub' is in line 1 already" },
	{ "engine: {}\nworkers: {}\nengine: {}\n", PAWL_EINVALID, "pawl.yaml:3:1: key 'engine' is in line 1 already" },
	{ "activities: {a: {exec: [x], env: {A: 1, A: 2}}}", PAWL_EINVALID, "pawl.yaml:1:41: key 'A' is in line 1 already" },
	{ "? [a]\n: b\n", PAWL_EINVALID, "pawl.yaml:1:3: a key must be a name, not a mapping or list" },
	{ "<<: {}\n", PAWL_EINVALID, "pawl.yaml:1:1: unknown key '<<'; known here: " TOP_LEVEL },
	/* shapes */
	{ "just a text\n", PAWL_EINVALID, "pawl.yaml:1:1: expected keys and values ('key: value')" },
	{ "- hub\n", PAWL_EINVALID, "pawl.yaml:1:1: expected keys and values ('key: value')" },
	{ "engine: 5\n", PAWL_EINVALID, "pawl.yaml:1:9: 'engine': expected a section with keys below it" },
	{ "engine: []\n", PAWL_EINVALID, "pawl.yaml:1:9: 'engine': expected a section with keys below it" },
	{ "hub: [/a]\n", PAWL_EINVALID, "pawl.yaml:1:6: 'hub': expected a single value" },
	{ "log_level: {a: b}\n", PAWL_EINVALID, "pawl.yaml:1:12: 'log_level': expected a single value" },
	{ "plugins: [[/a]]\n", PAWL_EINVALID, "pawl.yaml:1:11: 'plugins': expected absolute paths" },
	{ "activities: {a: {exec: /bin/true -x}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.exec': expected a list of texts, not '/bin/true -x'" },
	{ "activities: {a: {exec: []}}", PAWL_EINVALID, "pawl.yaml:1:25: 'activities.a.exec': expected a list with at least one entry" },
	{ "activities: {a: {exec: [x, {b: c}]}}", PAWL_EINVALID, "pawl.yaml:1:28: 'activities.a.exec': expected texts in the list" },
	{ "activities: {a: {exec: [x], env: [A=1]}}", PAWL_EINVALID, "pawl.yaml:1:34: 'activities.a.env': expected a mapping" },
	{ "activities: {a: {exec: [x], env: {A: [1]}}}", PAWL_EINVALID, "pawl.yaml:1:38: 'activities.a.env.A': expected a text" },
	{ "activities: {a: {exec: {x: y}}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.exec': expected a list" },
	{ "activities: {a: {pressure: 5}}", PAWL_EINVALID, "pawl.yaml:1:28: 'activities.a.pressure': expected a section with keys below it" },
	{ "activities: {a: {rlimits: [nofile=1]}}", PAWL_EINVALID, "pawl.yaml:1:27: 'activities.a.rlimits': expected a mapping" },
	{ "activities: {a: {env_keep: PATH}}", PAWL_EINVALID, "pawl.yaml:1:28: 'activities.a.env_keep': expected a list of texts, not 'PATH'" },
	/* values */
	{ "hub: data\n", PAWL_EINVALID, "pawl.yaml:1:6: 'hub': expected an absolute path, not 'data'" },
	{ "hub:\n", PAWL_EINVALID, "pawl.yaml:1:5: 'hub': expected an absolute path, not '': give a value or remove the key" },
	{ "hub: ~\n", PAWL_EINVALID, "pawl.yaml:1:6: 'hub': expected an absolute path, not '~': give a value or remove the key" },
	{ "plugins: [/a, b]\n", PAWL_EINVALID, "pawl.yaml:1:15: 'plugins': expected an absolute path, not 'b'" },
	{ "plugins: b\n", PAWL_EINVALID, "pawl.yaml:1:10: 'plugins': expected an absolute path or a list of them, not 'b'" },
	{ "allow_volatile: yes\n", PAWL_EINVALID, "pawl.yaml:1:17: 'allow_volatile': expected true or false, not 'yes'" },
	{ "allow_volatile: on\n", PAWL_EINVALID, "pawl.yaml:1:17: 'allow_volatile': expected true or false, not 'on'" },
	{ "allow_volatile: True\n", PAWL_EINVALID, "pawl.yaml:1:17: 'allow_volatile': expected true or false, not 'True'" },
	{ "allow_volatile: 'true'\n", PAWL_EINVALID, "pawl.yaml:1:17: 'allow_volatile': expected true or false, not 'true' in quotes" },
	{ "log_level: loud\n", PAWL_EINVALID, "pawl.yaml:1:12: 'log_level': expected one of error, warning, notice, info, debug, not 'loud'" },
	{ "timers: {after_reboot: wait}", PAWL_EINVALID, "pawl.yaml:1:24: 'timers.after_reboot': expected one of wall, restart, fire, not 'wait'" },
	{ "workers: {threads_max: 0}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '0'" },
	{ "workers: {threads_max: 010}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '010': numbers are decimal, without a leading 0" },
	{ "workers: {threads_max: 0x10}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '0x10': numbers are decimal, without a leading 0" },
	{ "workers: {threads_max: 0o17}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '0o17': numbers are decimal, without a leading 0" },
	{ "workers: {threads_max: -1}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '-1'" },
	{ "workers: {threads_max: 4.5}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '4.5'" },
	{ "workers: {threads_max: 99999999999999999999}", PAWL_EINVALID, "pawl.yaml:1:24: 'workers.threads_max': expected a whole number, 1 to 1024, not '99999999999999999999'" },
	{ "engine: {stack_bytes: 1KiB}", PAWL_EINVALID, "pawl.yaml:1:23: 'engine.stack_bytes': expected a size such as 64KiB, 16KiB to 8MiB, not '1KiB'" },
	{ "engine: {stack_bytes: 64 KiB}", PAWL_EINVALID, "pawl.yaml:1:23: 'engine.stack_bytes': expected a size such as 64KiB, 16KiB to 8MiB, not '64 KiB'" },
	{ "drops: {rescan: soon}", PAWL_EINVALID, "pawl.yaml:1:17: 'drops.rescan': expected a duration such as 30s, 1s to 1d, not 'soon'" },
	{ "drops: {rescan: 1ms}", PAWL_EINVALID, "pawl.yaml:1:17: 'drops.rescan': expected a duration such as 30s, 1s to 1d, not '1ms'" },
	{ "activities: {a: {retry: {jitter: 1.5}}}", PAWL_EINVALID, "pawl.yaml:1:34: 'activities.a.retry.jitter': expected a number, 0 to 1, not '1.5'" },
	{ "activities: {a: {retry: {coefficient: 1e3}}}", PAWL_EINVALID, "pawl.yaml:1:39: 'activities.a.retry.coefficient': expected a number, 1 to 100, not '1e3'" },
	{ "activities: {a: {retry: {coefficient: .}}}", PAWL_EINVALID, "pawl.yaml:1:39: 'activities.a.retry.coefficient': expected a number, 1 to 100, not '.'" },
	{ "activities: {a: {nice: 20}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.nice': expected a whole number, -20 to 19, not '20'" },
	{ "activities: {a: {nice: -21}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.nice': expected a whole number, -20 to 19, not '-21'" },
	{ "activities: {a: {nice: -05}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.nice': expected a whole number, -20 to 19, not '-05': numbers are decimal, without a leading 0" },
	{ "activities: {a: {nice: -}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.nice': expected a whole number, -20 to 19, not '-'" },
	{ "activities: {a: {nice: +5}}", PAWL_EINVALID, "pawl.yaml:1:24: 'activities.a.nice': expected a whole number, -20 to 19, not '+5'" },
	{ "activities: {a: {priority: 0}}", PAWL_EINVALID, "pawl.yaml:1:28: 'activities.a.priority': expected a whole number, 1 to 9, not '0'" },
	{ "activities: {a: {run_by: me}}", PAWL_EINVALID, "pawl.yaml:1:26: 'activities.a.run_by': expected one of runtime, worker, not 'me'" },
	{ "activities: {a: {dead_letter: keep}}", PAWL_EINVALID, "pawl.yaml:1:31: 'activities.a.dead_letter': expected one of fail, hold, not 'keep'" },
	{ "process: {on_stop: kill}", PAWL_EINVALID, "pawl.yaml:1:20: 'process.on_stop': expected one of leave, end, not 'kill'" },
	{ "pressure: {psi_io_max: 101}", PAWL_EINVALID, "pawl.yaml:1:24: 'pressure.psi_io_max': expected a number, 0 to 100, not '101'" },
	{ "pressure: {margin: 0}", PAWL_EINVALID, "pawl.yaml:1:20: 'pressure.margin': expected a whole number, 1 to 1000, not '0'" },
	{ "activities:\n  a:\n    pressure:\n      temperature_max: -5\n", PAWL_EINVALID, "pawl.yaml:4:24: 'activities.a.pressure.temperature_max': expected a number, 0 to 1000, not '-5'" },
	/* what is looked at when all files are read: the place is where the activity begins */
	{ "activities:\n  b: {}\n  a:\n    ionice: fast\n", PAWL_EINVALID, "pawl.yaml:3:3: 'activities.a.ionice': expected idle, best-effort:0 to best-effort:7 or realtime:0 to realtime:7, not 'fast'" },
	{ "activities: {a: {rlimits: {files: 5}}}", PAWL_EINVALID, "pawl.yaml:1:14: 'activities.a.rlimits': unknown limit 'files'; known: as, core, cpu, data, fsize, memlock, nofile, nproc, stack" },
	{ "activities: {a: {rlimits: {nofile: many}}}", PAWL_EINVALID, "pawl.yaml:1:14: 'activities.a.rlimits.nofile': expected a number, a size such as 64KiB or unlimited, not 'many'" },
	{ "activities: {a: {cgroup_memory_max: 1MiB}}", PAWL_EINVALID, "pawl.yaml:1:14: 'activities.a.cgroup_memory_max' needs 'cgroup': name a directory that is delegated to pawl" },
	{ "activities: {../a: {exec: [x]}}", PAWL_EINVALID, "pawl.yaml:1:14: '../a' is not a name for an activity: letters, digits and _:./- only, a letter or digit first" },
	{ "activities: {a: {exec: [x], env: {A-B: 1}}}", PAWL_EINVALID, "pawl.yaml:1:35: 'A-B' is not a name for the environment: letters, digits and _, no digit first, and not PAWL_..." },
	{ "activities: {a: {exec: [x], env: {PAWL_KEY: 1}}}", PAWL_EINVALID, "pawl.yaml:1:35: 'PAWL_KEY' is not a name for the environment: letters, digits and _, no digit first, and not PAWL_..." },
	{ "activities: {a: {exec: [x, ]}, b: {exec: [\"a\\0b\"]}}", PAWL_EPARSE, "pawl.yaml:1:43: a text must not hold '\\0'" },
	/* YAML that is not ours */
	{ "hub: &h /a\n", PAWL_EPARSE, "pawl.yaml:1:6: anchor '&h': anchors and aliases are not supported, write it out" },
	{ "hub: *h\n", PAWL_EPARSE, "pawl.yaml:1:6: alias '*h': anchors and aliases are not supported, write it out" },
	{ "engine: &e {}\n", PAWL_EPARSE, "pawl.yaml:1:9: anchor '&e': anchors and aliases are not supported, write it out" },
	{ "hub: !!str /a\n", PAWL_EPARSE, "pawl.yaml:1:6: tag 'tag:yaml.org,2002:str': tags are not supported, remove it" },
	{ "plugins: !mine [/a]\n", PAWL_EPARSE, "pawl.yaml:1:10: tag '!mine': tags are not supported, remove it" },
	{ "%TAG ! tag:x,2000:\n---\nhub: /a\n", PAWL_EPARSE, "pawl.yaml:1:1: %TAG: tags are not supported, remove it" },
	{ "hub: /a\n---\nhub: /b\n", PAWL_EPARSE, "pawl.yaml:2:1: a second document: put it into a file of its own" },
	{ "engine:\n\tresident_max: 5\n", PAWL_EPARSE, "pawl.yaml:2:1: found character that cannot start any token; indent with spaces, not tabs, and quote a text that begins with a special character" },
	{ "plugins: [/a\n", PAWL_EPARSE, "pawl.yaml:2:1: did not find expected ',' or ']'" },
	{ "hub: /a: b\n", PAWL_EPARSE, "pawl.yaml:1:8: mapping values are not allowed in this context" },
	{ "hub: \"/a\n", PAWL_EPARSE, "pawl.yaml:2:1: found unexpected end of stream" },
	{ "hub: /a\nlog_level: \xff\n", PAWL_EPARSE, "pawl.yaml:2:12: invalid leading UTF-8 octet; files must be UTF-8 text" },
	{ "[[[[[[[[[[[[[[[[[[[[", PAWL_EINVALID, "pawl.yaml:1:1: expected keys and values ('key: value')" },
};

/* clang-format on */

static void a_bad_file_is_refused_with_place_and_reason(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		const struct bad *bad = &bad_files[i];
		struct config cfg;
		int ret;

		assert_int_equal(config_init(&cfg), 0);
		err.text[0] = '\0';
		ret = apply(&cfg, bad->text);
		if (ret != bad->code || err.code != bad->code || strcmp(err.text, bad->message) != 0) {
			print_error("%s\n  got      %d %s\n  expected %d %s\n", bad->text, ret, err.text, bad->code,
			            bad->message);
			wrong++;
		}
		config_release(&cfg);
	}
	assert_int_equal(wrong, 0);
}

/* Unknown keys end the walk early, so the reader's own caps are tried on the reader. */
static int read_through(const char *data, size_t len)
{
	struct yread_token token = { 0 };
	struct yread *in;
	int ret = yread_open(&in, "f", data, len, &err);

	if (ret)
		return ret;
	do {
		ret = yread_next(in, &token, &err);
	} while (!ret && token.kind != YREAD_END);
	yread_free(in);
	return ret;
}

static void nesting_is_capped_before_it_costs_anything(void **state)
{
	char *text = malloc(100000);

	(void)state;
	memset(text, '[', 100000);
	assert_int_equal(read_through(text, 100000), PAWL_ETOOBIG);
	assert_string_equal(err.text, "f:1:17: nested more than 16 levels deep");
	assert_int_equal(read_through("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", 32), 0);
	free(text);
}

static void the_number_of_values_is_capped(void **state)
{
	struct buf text = BUF_INIT;

	(void)state;
	buf_adds(&text, "[");
	for (int i = 0; i < YREAD_NODES_MAX; i++)
		buf_adds(&text, "a,\n");
	buf_adds(&text, "]");
	assert_int_equal(read_through(text.data, text.len), PAWL_ETOOBIG);
	assert_string_equal(err.text, "f:10000:1: more than 10000 values: split the file");
	buf_release(&text);
}

static void the_size_of_a_file_is_capped(void **state)
{
	char *text = malloc(YREAD_BYTES_MAX + 1);

	(void)state;
	memset(text, '#', YREAD_BYTES_MAX + 1);
	assert_int_equal(read_through(text, YREAD_BYTES_MAX), 0);
	assert_int_equal(read_through(text, YREAD_BYTES_MAX + 1), PAWL_ETOOBIG);
	assert_string_equal(err.text, "'f' is larger than 1048576 bytes");
	free(text);
}

static void lists_are_capped(void **state)
{
	struct buf text = BUF_INIT;
	struct config cfg;

	(void)state;
	buf_adds(&text, "plugins: [");
	for (int i = 0; i <= CONFIG_LIST_MAX; i++)
		buf_adds(&text, "/a,");
	buf_adds(&text, "]");
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(apply(&cfg, buf_str(&text)), PAWL_ETOOBIG);
	assert_string_equal(err.text, "pawl.yaml:1:779: 'plugins': more than 256 entries");
	config_release(&cfg);
	buf_release(&text);
}

static void the_code_is_told_without_an_error_object(void **state)
{
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(config_apply(&cfg, "f", "hub: x", 6, NULL), PAWL_EINVALID);
	config_release(&cfg);
}

/* ---- files ---- */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/pawl-config-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "pawl.yaml",        "other.yaml",       "conf.d/10-a.yaml",
		                             "conf.d/20-b.yaml", "conf.d/notes.txt", "conf.d/.hidden.yaml",
		                             "conf.d/x.yml",     "conf.d",           "" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	return 0;
}

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/conf.d", dir);
	if (strncmp(name, "conf.d/", 7) == 0)
		mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int load(struct config *cfg, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	return config_load(cfg, path, &err);
}

static void later_files_override_earlier_ones_key_by_key(void **state)
{
	const struct config_activity *a;
	struct config cfg;

	(void)state;
	put("pawl.yaml", "log_level: error\nworkers: {threads_max: 1, processes_max: 2}\nplugins: [/a, /b]\n"
	                 "activities: {a: {exec: [one, two], timeout: 3s, env: {A: 1}}}\n");
	put("conf.d/20-b.yaml", "workers: {threads_max: 20}\n");
	put("conf.d/10-a.yaml", "workers: {threads_max: 10}\nplugins: [/c]\nactivities: {a: {exec: [three]}}\n");
	put("conf.d/notes.txt", "not yaml: [");
	put("conf.d/.hidden.yaml", "not yaml: [");
	assert_int_equal(config_init(&cfg), 0);
	if (load(&cfg, ""))
		fail_msg("%s", err.text);
	assert_int_equal(cfg.log_level, LOG_LEVEL_ERROR);
	assert_int_equal(cfg.workers.threads_max, 20);
	assert_int_equal(cfg.workers.processes_max, 2);
	assert_string_equal(cfg.plugins[0], "/c");
	assert_null(cfg.plugins[1]);
	a = config_find_activity(&cfg, "a");
	assert_non_null(a);
	assert_string_equal(a->exec[0], "three");
	assert_null(a->exec[1]);
	assert_int_equal(a->timeout_ms, 3000);
	assert_string_equal(a->env[0], "A=1");
	config_release(&cfg);
}

static void a_file_is_read_with_the_conf_d_beside_it(void **state)
{
	struct config cfg;

	(void)state;
	put("other.yaml", "workers: {threads_max: 3, processes_max: 3}\n");
	put("conf.d/10-a.yaml", "workers: {threads_max: 4}\n");
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(load(&cfg, "other.yaml"), 0);
	assert_int_equal(cfg.workers.threads_max, 4);
	assert_int_equal(cfg.workers.processes_max, 3);
	config_release(&cfg);
}

static void files_and_activities_are_capped(void **state)
{
	struct config cfg;
	char name[160];
	struct buf text = BUF_INIT;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	for (unsigned n = 0; n < CONFIG_FILES_MAX; n++) {
		snprintf(name, sizeof(name), "conf.d/%03u.yaml", n);
		put(name, "log_level: debug\n");
	}
	assert_int_equal(config_load(&cfg, dir, &err), 0);
	put("conf.d/more.yaml", "log_level: debug\n");
	assert_int_equal(config_load(&cfg, dir, &err), PAWL_ETOOBIG);
	assert_non_null(strstr(err.text, "has more than 256 files"));
	for (unsigned n = 0; n <= CONFIG_FILES_MAX; n++) {
		if (n < CONFIG_FILES_MAX)
			snprintf(name, sizeof(name), "%.100s/conf.d/%03u.yaml", dir, n);
		else
			snprintf(name, sizeof(name), "%.100s/conf.d/more.yaml", dir);
		assert_int_equal(remove(name), 0);
	}
	buf_adds(&text, "activities:\n");
	for (unsigned n = 0; n < CONFIG_ACTIVITIES_MAX; n++)
		buf_addf(&text, "  a%u: {priority: 1}\n", n);
	put("pawl.yaml", buf_str(&text));
	assert_int_equal(config_load(&cfg, dir, &err), 0);
	buf_adds(&text, "  more: {priority: 1}\n");
	put("pawl.yaml", buf_str(&text));
	assert_int_equal(config_load(&cfg, dir, &err), PAWL_ETOOBIG);
	assert_non_null(strstr(err.text, "more than 1000 activities"));
	buf_release(&text);
	config_release(&cfg);
}

static void a_failed_load_changes_nothing(void **state)
{
	struct config cfg;
	char expected[256];

	(void)state;
	put("pawl.yaml", "workers: {threads_max: 3}\n");
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(load(&cfg, ""), 0);
	put("conf.d/10-a.yaml", "workers:\n  threads_max: many\n");
	assert_int_equal(load(&cfg, ""), PAWL_EINVALID);
	snprintf(expected, sizeof(expected),
	         "%s/conf.d/10-a.yaml:2:16: 'workers.threads_max': expected a whole number, 1 to 1024, not 'many'",
	         dir);
	assert_string_equal(err.text, expected);
	assert_int_equal(cfg.workers.threads_max, 3);
	config_release(&cfg);
}

static void what_is_not_there_or_no_file_is_named(void **state)
{
	struct config cfg;
	char expected[256];

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(load(&cfg, ""), PAWL_ENOTFOUND);
	snprintf(expected, sizeof(expected), "no configuration in '%s': neither pawl.yaml nor conf.d/*.yaml", dir);
	assert_string_equal(err.text, expected);
	assert_int_equal(load(&cfg, "nothing.yaml"), PAWL_ENOTFOUND);
	assert_int_equal(config_load(&cfg, "/dev/null", &err), PAWL_EINVALID);
	assert_string_equal(err.text, "configuration '/dev/null' is not a regular file");
	put("conf.d/x.yml", "hub: /a\n");
	assert_int_equal(load(&cfg, ""), PAWL_EINVALID);
	snprintf(expected, sizeof(expected), "'%s/conf.d/x.yml': configuration files end in .yaml, rename or remove it",
	         dir);
	assert_string_equal(err.text, expected);
	config_release(&cfg);
}

#else

static void without_yaml_a_file_is_refused(void **state)
{
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(config_load(&cfg, "/etc/passwd", &err), PAWL_EUNSUPPORTED);
	assert_string_equal(
	        err.text,
	        "cannot read '/etc/passwd': built without YAML (WITH_YAML=no); remove the file or use another build");
	config_release(&cfg);
}

#endif

static void no_files_give_the_defaults(void **state)
{
	struct config cfg;

	(void)state;
	assert_int_equal(config_init(&cfg), 0);
	assert_int_equal(config_load(&cfg, "", &err), 0);
	assert_int_equal(cfg.workers.threads_max, 8);
	config_release(&cfg);
}

static char *read_doc(const char *path)
{
	static char text[65536];
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	return text;
}

/* The pages hold the generated text word for word; this program prints it with --markdown or --man. */
static void check_page(const char *path, enum config_format format)
{
	struct buf table = BUF_INIT;
	const char *doc = read_doc(path);

	if (!doc)
		skip();
	config_describe(&table, format);
	assert_true(buf_ok(&table));
	if (!strstr(doc, buf_str(&table)))
		fail_msg("'%s' does not hold the keys as they are now; put this there:\n%s", path, buf_str(&table));
	buf_release(&table);
}

static void the_guide_says_what_the_table_says(void **state)
{
	(void)state;
	check_page("docs/configuration.md", CONFIG_MARKDOWN);
}

static void the_manual_page_says_what_the_table_says(void **state)
{
	(void)state;
	check_page("docs/man/pawl.yaml.5", CONFIG_MAN);
}

static void each_format_names_each_key(void **state)
{
	static const enum config_format formats[] = { CONFIG_TEXT, CONFIG_MARKDOWN, CONFIG_MAN };

	(void)state;
	for (size_t f = 0; f < 3; f++) {
		struct buf out = BUF_INIT;

		config_describe(&out, formats[f]);
		for (size_t i = 0; i < config_key_count; i++) {
			const char *star = strchr(config_keys[i].path, '*');

			if (!strstr(buf_str(&out), star ? star + 1 : config_keys[i].path) ||
			    !strstr(buf_str(&out), config_keys[i].doc))
				fail_msg("format %zu lacks '%s'", f, config_keys[i].path);
		}
		buf_release(&out);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_table),
		cmocka_unit_test(each_default_is_allowed_by_its_own_range),
#if PAWL_WITH_YAML
		cmocka_unit_test(every_key_can_be_set),
		cmocka_unit_test(an_activity_has_its_program_environment_and_retry_policy),
		cmocka_unit_test(what_an_activity_needs_and_may_use_is_a_section_of_its_own),
		cmocka_unit_test(an_activity_says_nothing_more_than_its_defaults),
		cmocka_unit_test(empty_files_and_empty_sections_change_nothing),
		cmocka_unit_test(an_empty_list_of_directories_means_none),
		cmocka_unit_test(a_bad_file_is_refused_with_place_and_reason),
		cmocka_unit_test(nesting_is_capped_before_it_costs_anything),
		cmocka_unit_test(the_number_of_values_is_capped),
		cmocka_unit_test(the_size_of_a_file_is_capped),
		cmocka_unit_test(lists_are_capped),
		cmocka_unit_test(the_code_is_told_without_an_error_object),
		cmocka_unit_test_setup_teardown(later_files_override_earlier_ones_key_by_key, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_file_is_read_with_the_conf_d_beside_it, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(files_and_activities_are_capped, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_failed_load_changes_nothing, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(what_is_not_there_or_no_file_is_named, make_dir, remove_dir),
#else
		cmocka_unit_test(without_yaml_a_file_is_refused),
#endif
		cmocka_unit_test(no_files_give_the_defaults),
		cmocka_unit_test(each_format_names_each_key),
		cmocka_unit_test(the_guide_says_what_the_table_says),
		cmocka_unit_test(the_manual_page_says_what_the_table_says),
	};

	if (argc > 1) {
		struct buf table = BUF_INIT;

		config_describe(&table, strcmp(argv[1], "--man") == 0 ? CONFIG_MAN : CONFIG_MARKDOWN);
		fputs(buf_str(&table), stdout);
		buf_release(&table);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
