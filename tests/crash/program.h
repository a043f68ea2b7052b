/*
 * program.h - random orchestration programs for test_programs.c: what they consist of, and one orchestration that runs them.
 *
 * A program is a few bodies (lists of statements), the instances that are started from outside, and what else comes from
 * outside, when. An instance's input names the body that it runs; children, detached ones and next executions run later
 * bodies, so every program ends.
 *
 * Time is simulated, and passes only while nothing at all can be done. So all that takes no time is over before the next
 * timer fires, and what a program does is the same in every order in which that is done, if it observes no order among
 * what happens at one moment. These rules see to it:
 *
 *	- delays are random milliseconds of up to 11 days: two of them never end at the same moment
 *	- of the tasks of one any or first, at most one may be done at once (call, event, child); the others take time
 *	- what others may see or cut (publish, read, cancel of a child, an end with open children) is done after a delay
 *	- what instances send to one another under one name has the same data; operations of entities can be done in any order
 */
#ifndef CRASH_PROGRAM_H
#define CRASH_PROGRAM_H

#include <pawl/pawl.h>
#include <stdio.h>

#define BODIES_MAX 6
#define STATEMENTS_MAX 7
#define MEMBERS_MAX 4
#define ROOTS_MAX 3
#define STIMULI_MAX 10

enum op {
	OP_CALL,
	OP_CALL_BIG,   /* input and output are spilled */
	OP_RETRY,      /* call; n attempts fail, each with a delay behind it */
	OP_FAIL,       /* call that fails for good */
	OP_SLEEP,
	OP_UNTIL,      /* sleep until a calendar time */
	OP_WAIT,       /* for an event, with a timeout */
	OP_DRAIN,      /* events of a name until there is none for some time */
	OP_SELF,       /* send to itself, and wait for that, or take it */
	OP_ALL,
	OP_ANY,
	OP_FIRST,      /* then wait for the others too */
	OP_NESTED,     /* n 1: any of (all of the others) and the last, which takes time; else all of (any of the others) and the last */
	OP_VALUE,      /* set a key, clear another */
	OP_STATUS,     /* a status of what is random: replay must come to the same */
	OP_PATCH,
	OP_SHIELD,     /* a call and a delay that a cancel does not cut */
	OP_SEND,       /* to another root or the parent, now or later */
	OP_CHILD,
	OP_CHILD_CANCEL, /* after a delay */
	OP_CHILD_LEAVE,  /* begin it and go on: the end of the parent cancels it */
	OP_DETACHED,
	OP_SUBSCRIBE,
	OP_UNSUBSCRIBE,
	OP_PUBLISH,
	OP_READ,       /* a value of another root */
	OP_SIGNAL,     /* an operation for an entity, now or later */
	OP_ENTITY,     /* the same, called */
	OP_LOCK,       /* two of them, and a call meanwhile */
	OP_COUNT,
};

enum member_kind { MEMBER_CALL, MEMBER_SLOW_CALL, MEMBER_TIMER, MEMBER_EVENT, MEMBER_CHILD };

struct member {
	enum member_kind kind;
	unsigned name, n, body;
	int64_t ms;
};

struct statement {
	enum op op;
	unsigned id;           /* in the program; stays when others are removed */
	unsigned name, n, body, target;
	bool flag;
	int64_t ms, again_ms;
	struct member members[MEMBERS_MAX];
	unsigned member_count;
};

enum ending { END_RETURN, END_FAIL, END_CONTINUE, END_LOOP };

struct body {
	struct statement statements[STATEMENTS_MAX];
	unsigned count;
	bool obeys;            /* it ends when it is asked to cancel, after a call that cleans up */
	enum ending ending;
	unsigned next, loops;  /* continue as new: with this body; so many times */
};

enum stimulus_kind {
	STIMULUS_RAISE,
	STIMULUS_SUSPEND,
	STIMULUS_CANCEL,
	STIMULUS_TERMINATE,
	STIMULUS_RESTART,
	STIMULUS_RETRY,   /* these two: only where no order counts (loose) */
	STIMULUS_REWIND,
};

struct stimulus {
	enum stimulus_kind kind;
	unsigned root, child;  /* child: a statement of the root's body that begins one; 0 = the root itself */
	unsigned name, key;    /* key 0: none; REWIND: the line, 0: the last good one */
	int64_t at_ms, resume_ms;
};

enum program_kind {
	PROGRAM_ALONE,
	PROGRAM_OTHERS, /* instances reach each other */
	PROGRAM_REWOUND, /* and go back; commits fail, and it is off for a while: what they come to depends on that and is not compared */
};

struct program {
	struct body bodies[BODIES_MAX];
	unsigned body_count;
	struct { bool there; int64_t at_ms; } roots[ROOTS_MAX]; /* root n runs body n */
	unsigned root_count;
	struct stimulus stimuli[STIMULI_MAX];
	unsigned stimulus_count;
	enum program_kind kind;
};

void program_make(struct program *p, uint64_t seed, enum program_kind kind);
unsigned program_revivals(const struct program *p); /* how often it is begun again, at most */
void program_print(const struct program *p, FILE *out);
unsigned program_size(const struct program *p);
/* Take away its nth part; false: there are no more. */
bool program_cut(struct program *p, unsigned n);
void root_id(unsigned root, char out[8]);
void stimulus_id(const struct program *p, const struct stimulus *s, char out[64]);
void event_name_of(unsigned name, char out[8]);
const char *attempt_in(const char *id); /* ":rN" at the end of the id of a child that was tried again, or NULL */
void start_input(unsigned body, const char *label, char *out, size_t size);

/* What is running now, and what it tells. */
struct program_hooks {
	const struct program *program;
	/* An attempt of an activity is under way. */
	void (*effect)(void *arg, pawl_work *work, const char *label);
	void *arg;
};
extern struct program_hooks program_hooks;

/* Of harness.h, which does not go with the headers of the runtime. */
unsigned program_below(uint64_t *seed, unsigned limit);
bool program_planted(const char *plant);

#define PROGRAM_TYPE "program"
#define PROGRAM_ENTITY "tally"
int program_run(pawl_ctx *ctx, const char *input); /* the orchestration */
int program_tally(pawl_ctx *ctx, const char *input); /* the entity: a sum */

#endif
