/*
 * batch.h - what is to become durable together: turns, and the lines that they deliver to other instances.
 *
 *	batch   ┌ group ──────────────────────┐┌ group ┐┌ group ───────┐
 *	        │ turn of A │ lines of B │ of A ││ turn C ││ turn D │ of B │      lines of B and D are told of by A and D (I3)
 *
 * A group is committed or refused as one. The tail of an instance says where its history will be after all of its entries
 * that are queued, in the batch under way and in the next one: there its next lines go.
 */
#ifndef RUNTIME_BATCH_H
#define RUNTIME_BATCH_H

#include "base/buf.h"
#include "history/view.h"

struct instance;
struct mail;
struct pawl_runtime;

struct tail {
	uint64_t execution, bytes, next_seq;
	bool ended;
	bool unrun;               /* its last lines are delivered ones, and its code has not run for them: more of them are the same turn */
	bool cancel_requested;
	uint32_t raised;          /* external events in what is queued ... */
	uint64_t raised_bytes;    /* ... and their data */
	struct view_parent *parent; /* of one that is created by what is queued, and somebody's child */
};

struct batch_entry {
	struct instance *instance;
	uint64_t execution, offset;
	size_t at, len;           /* its lines in the batch */
	size_t next_len;          /* behind them: the first lines of the next execution */
	unsigned group;
	bool create, end;
	bool delivered;           /* lines that another one's commit puts there; else the turn of the instance */
	void *start_token;
	struct mail *taken;       /* by the turn: acked when durable */
	struct tail before;
};

/* Turns that become durable together. */
struct batch {
	struct buf lines;
	struct batch_entry *entries;
	size_t count, cap;
	struct batch_spill {
		size_t entry;
		char name[32];
		char *data;
		size_t len;
	} *spills;
	size_t spill_count, spill_cap;
};

/* Its tail; what is durable when nothing of it is queued. NULL: out of memory. */
struct tail *tail_of(struct instance *i);
void tail_free(struct instance *i);
uint64_t tail_execution(const struct instance *i);
bool tail_is_ended(const struct instance *i);
bool tail_cancel_requested(const struct instance *i);

/* A new entry at the tail. The next lines that are added are its. NULL: out of memory. */
struct batch_entry *batch_add(struct batch *b, struct instance *i, unsigned group, bool delivered);
/* Lines of the newest entry; its len, and the tail, are the caller's. Large payloads go to files of their own. */
int batch_add_lines(struct batch *b, uint64_t execution, const struct event *events, size_t count) PAWL_MUST_USE;
/* What these lines change of a tail beside its length. */
void tail_note(struct tail *tail, const struct event *events, size_t count);
/* The entries from this number on are not to be: their instances are as before, what their turns took is mail again, those
 * that they create for others are gone. The turns themselves, and stacks that have run on, are the caller's. */
void batch_take_back(struct pawl_runtime *rt, struct batch *b, size_t from);
/* One of its entries is durable, or taken back: it is not counted any more. */
void batch_entry_over(struct instance *i);
void batch_clear(struct batch *b);
void batch_release(struct batch *b);
size_t batch_group_end(const struct batch *b, size_t at); /* behind the last entry of the group that this one is in */

#endif
