/*
 * engine_world.h - a runtime in a nutshell for tests of the engine. It keeps the history as text, and gives every turn
 * to three executions of the same orchestration, whose events must be the same to the byte:
 *
 *	KEPT     resident, never dropped
 *	DROPPED  resident, dropped at random and made again from the history
 *	REPLAY   replay-only: made from the history for each turn
 */
#ifndef TESTS_ENGINE_WORLD_H
#define TESTS_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "engine/internal.h"
#include "history/view.h"

enum { WORLD_KEPT, WORLD_DROPPED, WORLD_REPLAY, WORLD_EXECUTIONS };

#define WORLD_MESSAGES_MAX 2048
#define WORLD_FILES_MAX 64
#define WORLD_TIME INT64_C(1795262480123456000) /* 2026-11-21T12:01:20.123456Z */

struct world {
	pawl_orchestration_fn fn;
	struct engine_options options; /* of all three; resident is set for each */
	struct execution *x[WORLD_EXECUTIONS];
	struct buf text;               /* the history */
	struct view view;
	int64_t time_ns, boot_ms;
	uint64_t random, dice;
	unsigned drop_one_in;          /* of the turns of DROPPED; 3 when it is not set */
	size_t spill_bytes;            /* payloads over this go to a file; 0 = none */
	char *files[WORLD_FILES_MAX];
	size_t file_len[WORLD_FILES_MAX], file_count;
	struct message messages[WORLD_MESSAGES_MAX]; /* of the next turn, results of the last one */
	size_t message_count;
	bool sent;                     /* they are of the last turn: the next message begins anew */
	struct arena arena;            /* what messages point to */
	size_t turn_text;              /* where the last turn begins in text */
	size_t turn_events;
	bool ended;
	const char *id;                /* "order-1" */
	uint64_t number;               /* of the execution */
	bool ran;                      /* a turn went over what the history has */
	struct buf next;               /* the lines that the next one begins with, when this one was continued as new */
	unsigned turns;
	struct pawl_error err;
};

void world_init(struct world *w, pawl_orchestration_fn fn);
void world_release(struct world *w);

/* Other code from the next turn on, for all three: made again from the history. */
void world_deploy(struct world *w, pawl_orchestration_fn fn);

/* Messages for the next turn; what they point to is copied. */
struct message *world_message(struct world *w, const struct event *e);
void world_start(struct world *w, const char *input); /* and the turn */
struct message *world_complete(struct world *w, uint64_t ref, const char *output);
struct message *world_fail(struct world *w, uint64_t ref, uint32_t attempt, const char *code, bool retryable);
struct message *world_fire(struct world *w, uint64_t ref);
struct message *world_raise(struct world *w, const char *name, const char *data);
struct message *world_raise_with(struct world *w, const char *name, const char *data, const char *id, const char *key);
struct message *world_plain(struct world *w, enum event_type type); /* suspend, resume, cancel, terminate */

/* A line that another instance's commit puts into the history; the next turn is told of it. */
struct message *world_deliver(struct world *w, const struct event *e);

/* Run the turn with all three, compare, append. Time goes on by a second. */
void world_turn(struct world *w);
/* What was continued as new goes on: all three begin with the lines of `next`, and their code has not run. */
void world_next(struct world *w);
/* Shorthands: one message and a turn. */
void world_completes(struct world *w, uint64_t ref, const char *output);
void world_fires(struct world *w, uint64_t ref);
void world_raises(struct world *w, const char *name, const char *data);

/* The last turn's events (or all), one line each, as decision_describe() has them, "seq Type ...". Freed with the world. */
const char *world_last(struct world *w);
const char *world_all(struct world *w);
void world_history(struct world *w, struct history *h);
/* Does other code match? The code, and the text of the error in w->err. */
int world_verify(struct world *w, pawl_orchestration_fn fn, struct mismatch *m);
/* The first lines of the next execution, with what decision_describe leaves out. */
void world_assert_next_(struct world *w, const char *text, const char *file, int line_number);
#define assert_next(w, text) world_assert_next_((w), (text), __FILE__, __LINE__)
#define assert_last(w, text) assert_string_equal(world_last(w), (text))
#define assert_err_has(w, part) assert_non_null(strstr((w)->err.text, (part)))

#endif
