/*
 * verify.h - does a stored history fit the code of this program? Replays one, in this process or, so that nothing which
 * the code does can hurt, in a child: it takes one history after the other, and is ended when one takes too long. What a
 * child that had others before cannot answer, a fresh one is asked, so that each stands for itself.
 */
#ifndef CLI_VERIFY_H
#define CLI_VERIFY_H

#include "engine/engine.h"
#include "os/os.h"
#include <pawl/provider.h>

enum verdict_kind {
	VERDICT_OK,
	VERDICT_DIFFERS,      /* line, expected and actual say where */
	VERDICT_CRASHED,      /* by a signal, or it has ended the process */
	VERDICT_ENDLESS,      /* no answer in time */
	VERDICT_UNREADABLE,   /* a newer pawl wrote the history */
	VERDICT_UNREGISTERED,
	VERDICT_DAMAGED,
	VERDICT_ERROR,        /* not known: no memory, a file that cannot be read */
	VERDICT_COUNT
};

struct verdict {
	enum verdict_kind kind;
	uint64_t line;
	char expected[256], actual[256];
	char why[PAWL_ERROR_TEXT_MAX]; /* "" when ok; as a runtime says why the instance is parked */
};

struct verify {
	const char *id, *path;         /* path: of the history; NULL: in the hub. Spilled payloads are there */
	uint64_t execution;
	struct slice text;             /* the history as it is stored, and read: one event at least */
	const struct history *history;
	pawl_orchestration_fn fn;
};

struct verifier {
	struct engine_options engine;
	struct pawl_provider *provider; /* for payloads in the hub */
	const struct os *os;
	int64_t time_max_ms;           /* 0 = no limit */
	/* verify.c's; the child: pid 0 = none */
	pid_t pid;
	int fd;
	unsigned jobs;
};

const char *verdict_name(enum verdict_kind kind);
void verdict_set(struct verdict *v, enum verdict_kind kind, const char *fmt, ...) PAWL_PRINTF(3, 4);
/* In a child. All code must be loaded before the first call. */
void verify_forked(struct verifier *w, const struct verify *v, struct verdict *out);
void verify_end(struct verifier *w);
/* Here: a crash is ours, and at the time limit the whole program ends, with exit code 3 and a word on standard error. */
void verify_here(const struct verifier *w, const struct verify *v, struct verdict *out);

#endif
