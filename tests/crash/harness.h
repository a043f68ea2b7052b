/*
 * harness.h - what the crash tests share: a node (a simulated machine with a provider on it), a model of what was
 * promised, and the loops that cut the power everywhere.
 *
 * A case is named by a few numbers (workload, stop, mode, seed ...). A failure prints them; PAWL_CRASH_CASE with that text
 * runs only this case, with the provider's log. README.md tells more.
 */
#ifndef CRASH_HARNESS_H
#define CRASH_HARNESS_H

#include "base/buf.h"
#include "base/error.h"
#include "os/os_sim.h"
#include <pawl/provider.h>

#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define HUB "/hub"

/* ---- tests and cases ---- */

struct crash_test {
	const char *name;
	void (*run)(void);
};

/* Runs the tests whose names contain argv[1] (all without one); the program's exit status. */
int crash_main(int argc, char **argv, const struct crash_test *tests, size_t count);

/* Where we are. The same name again replaces its value and forgets what came behind it. False: replaying another case. */
bool crash_at(const char *name, unsigned long value);
/* The same with a text, which must stay where it is as long as it counts. */
void crash_at_text(const char *name, const char *text);
/* A case is to be replayed; what it says of a name, NULL: nothing. */
bool crash_is_replay(void);
const char *crash_replay_text(const char *name, char *out, size_t size);
void crash_fail(const char *fmt, ...) PAWL_PRINTF(1, 2);
/* Unless a planted bug is looked for. */
void crash_tell(const char *fmt, ...) PAWL_PRINTF(1, 2);
/* This test has failed often enough; no loop goes on. */
bool crash_over(void);
/* Does run() fail with this bug planted? It is not counted as a failure, and says nothing. */
bool crash_is_caught(const char *plant, void (*run)(void));
/* Of the clock of this machine, for rates. */
double crash_seconds(void);
/* Is this bug planted now, by crash_is_caught or PAWL_PLANT? */
bool crash_planted(const char *plant);
/* Errors that the provider has logged since the last call. The last text is kept. */
unsigned crash_logged_errors(void);
const char *crash_last_error(void);
/*
 * The nth sync of a file from now fails, and all later ones when forever; or the nth one of a directory: that makes the
 * file system read-only until the power has gone, as the real ones do. nth = 0: none.
 */
enum crash_sync { CRASH_SYNC_NONE, CRASH_SYNC_FILE, CRASH_SYNC_DIR };
void crash_fail_sync(enum crash_sync what, unsigned nth, int error, bool forever);
void crash_heal_sync(void);
bool crash_sync_failed(void); /* one has */
bool crash_read_only(void);
/* How much more than usual to try: PAWL_CRASH_SCALE, 1 by default. */
unsigned crash_scale(void);

/* Sanitizers make all of this some times slower: then every second point will do. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
	__has_feature(thread_sanitizer)
#define CRASH_STRIDE 2u
#else
#define CRASH_STRIDE 1u
#endif

static inline uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline unsigned below(uint64_t *seed, unsigned limit)
{
	return (unsigned)(draw(seed) % limit);
}

/* ---- a machine ---- */

struct node {
	struct os_sim *sim;
	struct os os;              /* of process 0, with the bug that is planted */
	struct pawl_provider *p;   /* the owner; NULL when none is running */
};

/* The table of a process, with the bug that is planted. */
void node_table(struct os_sim *sim, int process, struct os *os);
int node_start(struct node *n, struct pawl_error *err); /* open and acquire */
void node_stop(struct node *n);                         /* a clean stop; no descriptor may stay open */
void node_kill(struct node *n);                         /* kill -9: the page cache stays */
void node_cut(struct node *n, const struct os_sim_cut *how);
void node_free(struct node *n);
/* Maintenance until there is none left. False when it fails. */
bool node_settle(struct node *n);

/* ---- power cuts everywhere ---- */

/* What one outcome of one cut turned out to be; a scenario keeps here what its checks must remember. */
struct outcome {
	bool decided, pending_kept; /* the commit that nobody was told of: all of it is there, or nothing */
	bool went_on;
};

struct scenario {
	void *(*make)(unsigned workload);
	void (*free)(void *state);
	void (*run)(void *state, struct node *n);    /* until it is done or the power is off */
	void (*check)(const void *state, struct node *n, struct outcome *o); /* after each recovery; crash_fail */
	void (*go_on)(const void *state, struct node *n);                    /* new work after the first recovery */
	unsigned ordered, random;                    /* outcomes of these kinds for each stopping point */
	unsigned again_every;                        /* cut recovery itself everywhere, for one stopping point in so many */
	unsigned stop_every;                         /* 0, 1: every operation; else one in so many */
	/* for states.h */
	bool (*prepare)(void *state, struct node *n); /* before run(), with no cut in it; false: it failed */
	uint64_t (*promise)(const void *state);       /* a number for what check() will ask for; NULL: always another */
};

void crash_cut_everywhere(const struct scenario *s, unsigned workload);
/* A machine whose power was cut: start and check; then, if all is asked for, a kill, more work and another cut. */
void crash_recover(const struct scenario *s, const void *state, struct node *n, struct outcome *o, bool all);
/* For a case that is replayed: what the disk looks like now. */
void crash_look(const char *when, struct node *n);
/* One cut of a machine (a clone of it), recovery, a kill, more work, another cut: all checks. how NULL: the process is
 * killed, and the page cache stays. */
void crash_survive(const struct scenario *s, const void *state, const struct os_sim *from, const struct os_sim_cut *how);
const char *crash_mode_name(enum os_sim_mode mode);
bool crash_is_off(struct node *n);

/* ---- the model: instances, what was acknowledged, and what was under way ---- */

#define IDS 7
#define LIVES 4
#define EXECUTIONS 6
#define SPILLS 6

/* REVIVED: it has ended, and may go on with its next execution; MOVED: archive() was called, so it is in one of the two places */
enum state { ABSENT, LIVE, ENDED, REVIVED, MOVED };

struct view {
	enum state state;
	unsigned life, executions, spills;
	unsigned kept_from; /* executions before it may be gone; 0 = none */
	size_t len[EXECUTIONS];
};

/* An id can be used again after a purge: another life. */
struct life {
	struct buf text[EXECUTIONS];
	struct buf spills[SPILLS];
};

struct instance {
	char id[8];
	struct view acked, next;
	struct life lives[LIVES];
};

struct profile {
	const char *name;
	unsigned steps;
	unsigned commit, maintain, archive, purge, revive, reopen, attend, prune; /* chances, of their sum */
	unsigned create, end, execution, spill, big;               /* of 100, for each record */
	unsigned records, bytes;                                   /* of a commit; of a record, one line; 0: drawn */
	bool only_new;                                             /* no lines for what is there */
};

enum step { STEP_COMMIT, STEP_MAINTAIN, STEP_MAINTAIN_IDLE, STEP_ARCHIVE, STEP_PURGE, STEP_REVIVE, STEP_REOPEN, STEP_PRUNE, STEP_ATTEND };

struct world {
	const struct profile *profile;
	unsigned workload;
	uint64_t random;
	struct instance instances[IDS];
	struct pawl_job *maintenance;
	unsigned stage;
	uint64_t commits;
	/* faults */
	bool faulty;          /* operations may fail: try again, heal after `patience` failures */
	unsigned patience, failures;
	bool fired;           /* a fault has */
	bool over;
};

extern const struct profile profiles[];
extern const unsigned profile_count;

void *world_make(unsigned workload);
void world_free(void *state);
void world_run(void *state, struct node *n);
void world_step(struct world *w, struct node *n);
void world_do(struct world *w, struct node *n, enum step what);
uint64_t world_promise(const void *state);
void world_check(const void *state, struct node *n, struct outcome *o);
void world_go_on(const void *state, struct node *n);
/* Start, again and again when faults are armed. */
bool world_start(struct world *w, struct node *n);
/* No fault is armed any more. */
void world_heal(struct world *w, struct node *n);
/* Finish the maintenance that is under way, and do all that is left. */
void world_settle(struct world *w, struct node *n);
/* Only what is under way: its job must not be forgotten. */
void world_finish(struct world *w, struct node *n);
/* NULL, or in what the hub is not what the model says. */
const char *world_differs(const struct world *w, struct node *n, bool next, bool went_on);
/* The same for one instance. */
const char *instance_differs(const struct instance *i, struct node *n, bool next, bool went_on);
/* Appends a line as histories have them: text, tab, checksum. */
void line_add(struct buf *out, uint64_t serial, size_t size);
/* Whole lines with good checksums? */
bool lines_good(const char *text, size_t len);

extern const struct scenario commit_scenario;

#endif
