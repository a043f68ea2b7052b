/*
 * impl.h - what the parts of the shim share. Each part is one file; shim.c has the states.
 *
 * No malloc and no stdio: the shim waits for hours beside its activity, so its memory is what counts. Functions return
 * 0 or -errno where nothing else is said.
 */
#ifndef SHIM_IMPL_H
#define SHIM_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shim/shim.h"

/* text.c: text in a buffer that never grows; what does not fit is cut off */

struct text {
	char *data;
	size_t len, max;
};

void text_add(struct text *t, const char *s);
void text_bytes(struct text *t, const char *s, size_t len);
void text_number(struct text *t, int64_t n);
void text_errno(struct text *t, int sys); /* "ENOENT" */
bool text_parse(const char *s, char end, uint64_t *n, const char **rest); /* digits, then end (or the end of s) */

/* system.c: the kernel, where libc has no word for it or would take memory */

int64_t now_ms(void);  /* of the time the machine was running: for what an activity gets time to do */
int64_t boot_ms(void); /* with the time it was suspended: for what was promised to somebody outside */
int64_t wall_ms(void);
ssize_t read_file(const char *path, char *data, size_t max); /* always terminated */
int64_t start_ticks(pid_t pid);
bool group_has_others(pid_t group); /* does anything but its leader live in it? True when that cannot be known */
void close_from(int first);
int write_all(int fd, const char *data, size_t len, off_t at); /* at < 0: where the file stands */

/* options.c */

enum option {
	OPT_WORK,
	OPT_ATTEMPT,
	OPT_DIR,
	OPT_TIMEOUT_MS,
	OPT_HEARTBEAT_MS,
	OPT_GRACE_MS,
	OPT_OUTPUT_MAX,
	OPT_LOG_MAX,
	OPT_SYNC,
	OPT_UID,
	OPT_GID,
	OPT_GROUPS,
	OPT_NICE,
	OPT_IONICE,
	OPT_RLIMIT_AS,
	OPT_RLIMIT_CORE,
	OPT_RLIMIT_CPU,
	OPT_RLIMIT_DATA,
	OPT_RLIMIT_FSIZE,
	OPT_RLIMIT_MEMLOCK,
	OPT_RLIMIT_NOFILE,
	OPT_RLIMIT_NPROC,
	OPT_RLIMIT_STACK,
	OPT_NO_NEW_PRIVS,
	OPT_CGROUP,
	OPT_CGROUP_MEMORY_MAX,
	OPT_CGROUP_CPU_MAX,
	OPTIONS
};

struct options {
	const char *text[OPTIONS]; /* "name=value" as it was given; NULL: it was not */
	const char *value[OPTIONS];
	uint64_t number[OPTIONS]; /* of those that are numbers: given or the default */
	char *const *argv;
};

static inline bool is_given(const struct options *o, enum option which)
{
	return o->text[which] != NULL;
}

/* False: *bad is the argument that makes no sense, NULL when one is missing. */
bool options_parse(struct options *o, int argc, char *const argv[], const char **bad);

/* claim.c */

struct claim {
	int fd;
	size_t len; /* of the first part */
	char head[256]; /* the lines of the first part that do not depend on the child */
};

struct outcome {
	const char *word;
	int number; /* -1: none */
	const char *message;
	uint64_t output, user_ms, system_ms, rss_kib;
	bool synced; /* the result is on the disk */
};

/* A file of ours in the work directory, made anew whatever stands there under its name. A descriptor or -errno. */
int open_new(int work, const char *name);
/* -EBUSY: the shim of an earlier attempt is alive. */
int claim_open(struct claim *c, int work);
void claim_facts(struct claim *c, uint64_t attempt); /* once, before claim_begin */
int claim_begin(struct claim *c, pid_t activity, int64_t ticks); /* may be called again when it failed */
int claim_end(struct claim *c, const struct outcome *outcome);

/* isolation.c: in the child */

/* On failure *which is the option that could not be had. */
int isolate(const struct options *o, enum option *which);

/* start.c: the child, between fork and exec */

struct start {
	const struct options *o;
	struct claim *claim;
	int work, out, errors; /* the activity's ends */
	char message[SHIM_MESSAGE_MAX + 1]; /* out: why it did not start */
};

enum start_result {
	STARTED,
	NO_CLAIM, /* -sys says why; worth another try when it is a full disk */
	NO_SETUP,
	NO_SPAWN,
};

/* The child stays to be reaped whenever *pid is not 0. */
enum start_result start_activity(struct start *s, pid_t *pid, int *sys);

/* beat.c */

#define BEAT_FILES 2

struct stamp {
	bool there;
	int64_t s, ns;
};

struct beat {
	int64_t silence_max_ms, last_ms, look_ms;
	struct stamp seen[BEAT_FILES];
};

void beat_begin(struct beat *b, int64_t silence_max_ms, const struct stamp now[BEAT_FILES], int64_t now_ms);
/* A look at now_ms, when the wall clock says wall_ms. False: silent for too long; else beat_deadline is later. */
bool beat_look(struct beat *b, const struct stamp now[BEAT_FILES], int64_t wall_ms, int64_t now_ms);
int64_t beat_deadline(const struct beat *b);

/* pump.c: stdout to the result, stderr to the log */

#define PUMP_BYTES 16384

struct last_line {
	char line[SHIM_MESSAGE_MAX], last[SHIM_MESSAGE_MAX]; /* the one that is coming in, the last one with text */
	size_t line_len, last_len;
};

struct stream {
	int from, to; /* from: -1 when all was read */
	uint64_t kept, max; /* bytes; max UINT64_MAX: no limit */
	int64_t left; /* how much is still to be read, -1: up to its end */
};

struct pump {
	struct stream out, errors;
	size_t pending_at, pending_end; /* in data: what was read for the result, but not written */
	bool stalled; /* a write failed in a way that may pass */
	bool over;    /* more came than the result may hold */
	bool no_result; /* nobody will ask for the result: never stall */
	struct last_line last;
	char data[PUMP_BYTES];
};

void pump_out(struct pump *p);    /* stdout is readable, or the disk may have room again */
void pump_errors(struct pump *p); /* stderr is readable */
void pump_cut(struct pump *p);    /* no more than what is in the pipes now */
bool pump_done(const struct pump *p);
size_t pump_message(const struct pump *p, char *message); /* SHIM_MESSAGE_MAX + 1 bytes; 0: there was no text */
bool may_pass(int sys);

/* shim.c: the states; main.c: the beginning and the end */

#define NEVER INT64_MAX

enum state { RUNNING, ENDING, LINGERING };

struct shim {
	struct options o;
	struct claim claim;
	struct pump pump;
	struct beat beat;
	struct start start;
	enum state state;
	const char *reason; /* the outcome when it is of our making */
	pid_t pid;
	int work, timer;
	bool leader_ended, killed;
	/* of now_ms(), but timeout_at of boot_ms() */
	int64_t timeout_at, kill_at, linger_end, next_look, look_ms, retry_at;
};

extern struct shim shim;

void take_signals(void);
bool wait_for_room(void); /* false: TERM came */
void watch(void);         /* begins what loop looks at */
void loop(void);          /* until all is over but the outcome */
void remove_cgroup(void);

#endif
