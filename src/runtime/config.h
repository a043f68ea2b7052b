/*
 * config.h - what an administrator sets: /etc/pawl/pawl.yaml and the files of conf.d beside it.
 *
 * One table (config.c) has each key with its type, default, range and one line of text; it drives parsing, defaults,
 * `pawl help config`, the manual page and docs/configuration.md. A new key is a field here and a line there.
 *
 * Files are read in this order, a later one overrides key by key (lists and env as a whole): pawl.yaml, then what
 * ends in .yaml in conf.d, sorted by name. Only what is written is taken: unknown and doubled keys, wrong types and
 * values out of range are errors with file, line and column, never warnings: a slip that is found at start is cheap.
 *
 * Without libyaml (WITH_YAML=no) there are only the defaults; a file that is there is PAWL_EUNSUPPORTED.
 */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "runtime/pressure.h"
#include <pawl/pawl.h>

#define CONFIG_DIR_DEFAULT "/etc/pawl"
#define CONFIG_LIST_MAX 256         /* entries of one list or env */
#define CONFIG_ACTIVITIES_MAX 1000
#define CONFIG_FILES_MAX 256        /* of conf.d */

/* What a timer does that was running when the power went, where no clock says how long it was off. */
enum config_after_reboot { CONFIG_AFTER_REBOOT_WALL, CONFIG_AFTER_REBOOT_RESTART, CONFIG_AFTER_REBOOT_FIRE };

enum config_run_by { CONFIG_RUN_BY_RUNTIME, CONFIG_RUN_BY_WORKER };
enum config_on_stop { CONFIG_ON_STOP_LEAVE, CONFIG_ON_STOP_END };
enum config_dead_letter { CONFIG_DEAD_LETTER_FAIL, CONFIG_DEAD_LETTER_HOLD };

/* Settings of an activity: of a program that is named here (exec), or of a function or an executable of a directory that
 * has this name. All of it belongs to the config. */
struct config_activity {
	const char *name;
	const char *const *exec; /* argument vector, NULL-terminated, never empty; NULL: found elsewhere */
	int run_by;              /* enum config_run_by: by workers outside of the runtime? */
	const char *const *env;  /* "NAME=value", NULL-terminated; added to the environment; NULL = none */
	const char *dir;         /* working directory; NULL = the attempt's work directory */
	int64_t timeout_ms;      /* of an attempt (start to close), 0 = none; as process.timeout when not set */
	int64_t grace_ms;        /* TERM to KILL; as process.grace when not set */
	int64_t heartbeat_ms;    /* longest silence; 0 = not watched; as process.heartbeat when not set */
	int64_t schedule_to_start_ms, schedule_to_close_ms; /* 0 = no limit */
	uint32_t running_max;    /* attempts of it at a time; 0 = no limit of its own */
	uint32_t priority;       /* 1 first, 9 last */
	uint32_t stuck_max;      /* attempts when they end stuck; 0 = attempts.stuck_max */
	int dead_letter;         /* enum config_dead_letter: when no attempt is left */
	bool sync;               /* the result is on the disk before the attempt has ended */
	/* isolation, of processes */
	const char *user, *group;         /* names or numbers; NULL = as the runtime */
	const char *const *env_keep;      /* of the runtime's environment only these names; NULL = all, or a few harmless ones with user or group */
	int64_t nice;
	const char *ionice;               /* idle, best-effort:N, realtime:N */
	const char *const *rlimits;       /* "name=value" */
	bool no_new_privileges;
	const char *cgroup;               /* cgroup v2 directory, delegated to us, in which one is made for each attempt */
	uint64_t cgroup_memory_max;       /* 0 = not set */
	const char *cgroup_cpu_max;       /* "QUOTA PERIOD" */
	struct pressure_limits pressure;  /* beside those of the hub */
	pawl_retry retry;        /* where the orchestration gives none */
	const char *origin;      /* "FILE:LINE:COLUMN" where it was named first */
};

struct config {
	const char *hub;                        /* NULL = not set */
	const char *run_dir;                    /* the same */
	const char *const *plugins;             /* directories, NULL-terminated */
	const char *const *activities_dirs;     /* directories of executables, NULL-terminated */
	int log_level;                          /* enum log_level */
	bool allow_volatile;
	struct {
		const char *read_group, *drop_group, *control_group; /* names or numbers; NULL = none */
	} access;
	struct {
		uint32_t resident_max;
		uint64_t stack_bytes, memory_max;
		bool replay_only, check_replay;
	} engine;
	struct {
		uint32_t threads_max, processes_max;
		uint32_t running_max;      /* of all kinds together, 0 = no limit */
		uint32_t replaced_max;     /* threads that are replaced because theirs never return */
		const char *const *tags;   /* that the runtime itself serves */
		int64_t heartbeat_ms;      /* for workers that are known by name only */
	} workers;
	struct {
		uint32_t stuck_max;
	} attempts;
	struct {
		const char *const *command;
		int64_t timeout_ms;
	} reboot;
	struct pressure_limits pressure;
	struct {
		uint64_t segment_bytes;
		uint32_t segments;
		bool pad;
	} journal;
	struct {
		uint32_t watches_max;
		uint64_t bytes_max;
		int64_t rescan_ms, rescan_idle_ms;
		uint32_t rejected_max;
		uint64_t rejected_bytes_max;
	} drops;
	struct {
		int after_reboot; /* enum config_after_reboot */
	} timers;
	struct {
		int64_t deadline_ms;
	} cancel;
	struct {
		int64_t grace_ms, timeout_ms, heartbeat_ms;
		uint64_t log_bytes_max, output_bytes_max;
		int on_stop;               /* enum config_on_stop */
		const char *shim;          /* NULL: looked for */
	} process;
	struct {
		uint32_t events_buffered_max, instances_max;
		uint64_t history_bytes_max;
	} limits;
	struct {
		int64_t age_ms;            /* all of it: 0 = not looked at */
		uint32_t count, executions;
		uint64_t bytes, free_min;
	} retention;
	struct config_activity *activities; /* sorted by name */
	size_t activity_count;

	struct arena arena; /* all of the texts and lists */
};

/* The defaults. Without memory PAWL_ENOMEM; config_release is allowed then too. */
int config_init(struct config *cfg) PAWL_MUST_USE;
void config_release(struct config *cfg);

/*
 * Defaults, then the files. cfg is one that config_init filled; it is replaced on success and not changed on failure.
 *
 *	path NULL        /etc/pawl, if there is something in it
 *	path ""          nothing but the defaults
 *	a directory      DIR/pawl.yaml if it is there, and DIR/conf.d
 *	a file           that file, and conf.d beside it
 *
 * PAWL_ENOTFOUND, PAWL_EPARSE (not YAML), PAWL_EINVALID (key or value), PAWL_ETOOBIG (over a cap), PAWL_EPERM,
 * PAWL_EIO, PAWL_ENOMEM, PAWL_EUNSUPPORTED.
 */
int config_load(struct config *cfg, const char *path, struct pawl_error *err) PAWL_MUST_USE;

/* One file's bytes over what cfg holds; config_load is made of it, tests and fuzzing use it. cfg is not usable after a
 * failure but for config_release. config_finish once after the last file: checks what spans keys. */
int config_apply(struct config *cfg, const char *file, const char *data, size_t len, struct pawl_error *err) PAWL_MUST_USE;
int config_finish(struct config *cfg, struct pawl_error *err) PAWL_MUST_USE;

/* NULL when it is not there. */
const struct config_activity *config_find_activity(const struct config *cfg, const char *name);

/* Every key with type, default, range and text: for a terminal, as a table of a Markdown page, as items of a man page. */
enum config_format { CONFIG_TEXT, CONFIG_MARKDOWN, CONFIG_MAN };
void config_describe(struct buf *out, enum config_format format);

#endif
