/*
 * pawl/provider.h - what stores a hub.
 *
 * A provider is a log with a fence, mailboxes and no knowledge of what events mean. `fs` (default) keeps plain files,
 * `memory` serves tests; others may live outside this tree and prove themselves with the contract suite
 * (tests/provider).
 *
 * Threads: all functions are called by one thread at a time (the holder of the event loop), except pawl_job.run, measure
 * and scan of the archive, which may run on any thread beside them, and send/create/read of a provider opened without acquire (clients).
 *
 * Errors are classed by pawl_error_class(): retryable, permanent, corrupt, no-space, fenced. After a commit has failed
 * with a retryable or no-space class, the same batch can be committed again (I7, I8); after FENCED the provider must be
 * closed.
 */
#ifndef PAWL_PROVIDER_H
#define PAWL_PROVIDER_H

#include <pawl/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_provider;

/* ---- log ---- */

/* Whole lines to append to one history. All records of a batch become durable together or not at all (I3). */
struct pawl_record {
	const char *instance;
	uint64_t execution;  /* 1, 2, ... */
	uint64_t offset;     /* where the lines go = bytes of that history so far; the provider checks it */
	const void *data;
	size_t len;
	bool create;         /* execution 1 at offset 0: PAWL_EEXISTS if the id is taken, live or archived */
	bool end;            /* the instance has ended with these lines: it will be archived */
	void *start_token;   /* create: the token of the START message that reserved this id, or NULL */
};

/* A payload too large for a line, to be durable before the lines that name it. */
struct pawl_spill {
	const char *instance;
	const char *name;    /* a file name that the caller made unique in the instance */
	const void *data;
	size_t len;
};

struct pawl_batch {
	const struct pawl_record *records;
	size_t record_count;
	const struct pawl_spill *spills;
	size_t spill_count;
};

/* A whole instance from somewhere else, such as another hub. */
struct pawl_import {
	const char *instance;
	const struct pawl_import_history {
		const void *data;
		size_t len;      /* > 0 */
	} *histories;            /* of execution 1, 2, ... */
	size_t history_count;    /* 1 at least */
	const struct pawl_spill *spills; /* of this instance */
	size_t spill_count;
	bool ended;              /* it belongs into the archive */
};

/*
 * Blocking work in three steps, so that the loop need not wait for the disk:
 *
 *	begin (loop)  ->  run (any thread, blocks)  ->  end (loop)
 *
 * The memory that a batch points to must stay until end. Exactly one commit job may be between begin and end at a time;
 * one maintenance job may run beside it.
 */
struct pawl_job {
	int (*run)(struct pawl_job *job);                            /* any thread; 0 or PAWL_E... */
	int (*end)(struct pawl_job *job, struct pawl_error *err);    /* loop; frees the job; the final verdict */
};

/* ---- mailbox ---- */

enum pawl_message_kind {
	PAWL_MESSAGE_START,
	PAWL_MESSAGE_RAISE,
	PAWL_MESSAGE_SUSPEND,
	PAWL_MESSAGE_RESUME,
	PAWL_MESSAGE_CANCEL,
	PAWL_MESSAGE_TERMINATE,
	PAWL_MESSAGE_PURGE,
	PAWL_MESSAGE_REQUEUE,    /* a held activity (key: its number) gets new attempts */
	/* these are for instances that have ended, too; each begins their next execution */
	PAWL_MESSAGE_RESTART,    /* from the beginning; version: NULL = the newest registered */
	PAWL_MESSAGE_REWIND,     /* from a line of history (key: its number, or "last-good") */
	PAWL_MESSAGE_RETRY,      /* from the line before what made it fail (key: that line; NULL = found by its failure) */
	PAWL_MESSAGE_COMPACT,    /* remove older executions; key: how many stay (NULL = 1) */
	PAWL_MESSAGE_PUBLISH,    /* for no instance: an event for each that has subscribed to the topic (name) */
};

/* START: when the id is taken. */
enum pawl_message_if_exists {
	PAWL_IF_EXISTS_FAIL,
	PAWL_IF_EXISTS_USE,      /* live or ended: it is what was asked for, and nothing changes */
	PAWL_IF_EXISTS_REPLACE,  /* ended: it begins its next execution, of this type with this payload */
};

struct pawl_message {
	enum pawl_message_kind kind;
	const char *instance;    /* NULL for a start that leaves the id to the runtime */
	const char *name;        /* RAISE: event name; START: orchestration type; PUBLISH: topic */
	const char *version;     /* START: NULL = the newest registered */
	const char *key;         /* idempotency key, or NULL */
	const char *reason;      /* SUSPEND ... TERMINATE; may be NULL */
	const char *from;        /* who sent it ("uid:1000"), or NULL; filled in by the provider on receive */
	const void *data;        /* payload; NULL = none */
	size_t len;
	enum pawl_message_if_exists if_exists;
	int64_t at_ns, delay_ms; /* START, RAISE: not before this time (CLOCK_REALTIME), or so long after it is taken; 0 = at once */
	const char *id;          /* message id: the same message seen again has the same id (I2); filled in on receive */
	bool can_wait;           /* receive's callback may return 1: not now; it comes again with a later receive */
	void *token;             /* the provider's; for ack and reject */
};

/* ---- work queue: activities for workers outside of the runtime ---- */

/*
 *	         offer              claim                 finish              release (the result is in history)
 *	runtime ───────► READY ───────────────► CLAIMED ───────────► DONE ───────► (gone)
 *	                   ▲     by one worker     │ worker gone, too late: the runtime releases it, and offers it anew
 *	                   └───────────────────────┘
 *
 * Nothing here is durable: history can rebuild it (I4), so no call syncs. An item survives the runtime, so that a worker
 * can go on while the runtime is restarted. Every step is one atomic step: of many claims, or of a claim, a finish and a
 * release at the same time, exactly one wins and the others get PAWL_ENOTFOUND.
 */
#define PAWL_WORK_ID_MAX 300
#define PAWL_WORKER_MAX 64

struct pawl_work_item {
	const char *id;          /* of this offer, "QUEUE/ITEM"; ITEM begins with the priority and the time of the offer */
	const char *instance, *activity;
	const char *tag, *session; /* NULL = none */
	const char *key;         /* idempotency key */
	uint64_t execution, seq;
	uint32_t attempt;
	uint32_t priority;       /* 1 (first) to 9 */
	const void *input;       /* NULL = none */
	size_t input_len;
	const char *work_dir;    /* absolute; NULL when the provider has no directories */
	const char *carrier;     /* JSON (docs/FORMAT.md), or NULL */
};

/* Which items a worker takes. Lists are NULL-terminated; NULL = any activity, no tag. An item with a tag goes only to who
 * has that tag; one without a tag to anybody. */
struct pawl_work_wanted {
	const char *const *activities, *const *tags;
	const char *worker;      /* who: a pid in decimal ("4711"), which is watched; or a name, known by its heartbeat only */
};

enum pawl_work_state { PAWL_WORK_READY, PAWL_WORK_CLAIMED, PAWL_WORK_DONE };

struct pawl_work_status {
	struct pawl_work_item item; /* input and carrier are NULL here */
	enum pawl_work_state state;
	char worker[PAWL_WORKER_MAX + 1];
	int64_t since_ns;        /* CLOCK_REALTIME, of the last change of state; 0 = unknown */
	int64_t beat_ns;         /* claimed: CLOCK_REALTIME of the last heartbeat or progress; 0 = none yet */
	bool canceled;           /* the runtime wants it to stop */
	/* PAWL_WORK_DONE */
	int code;                /* as the exit code of a process: 0, 75 deferred, 76 reboot, 100 failed, else stalled */
	int64_t retry_after_ms;  /* deferred: 0 = not said */
	const char *message;     /* not NULL */
	const char *output;      /* malloc'd by the provider, freed when the callback returns; NULL unless code is 0 or 76 */
	size_t output_len;
};

/* A letter that could not be delivered: a whole activity with the reason, for people. */
struct pawl_dead_letter {
	const char *id;          /* INSTANCE.SEQ, a file name */
	const char *text;        /* JSON */
	int64_t time_ns;
};

/* ---- retention ---- */

#define PAWL_PURGE_BATCH_MAX 64 /* instances in one call */

/* What an instance takes, and when it ended. */
struct pawl_extent {
	int64_t ended_ns;        /* CLOCK_REALTIME of its last line, as far as the store knows; 0 = it does not */
	uint64_t bytes;          /* that its removal gives back, about */
	uint64_t oldest, newest; /* executions whose histories are there; 0 = none */
};

/* Older executions that are to go. */
struct pawl_prune {
	const char *instance;
	uint64_t keep_from;      /* the first execution that stays; the newest stays anyway */
	int64_t before_ns;       /* CLOCK_REALTIME: one that was written to since then stays, and all after it; 0 = whenever */
};

/* ---- */

struct pawl_provider_options {
	const char *hub;            /* fs: directory. memory: a name; equal names in a process share one hub */
	bool create;                /* make an empty hub when there is none */
	bool read_only;             /* write nothing, take no lock; journal overlaid in memory */
	uint64_t journal_bytes;     /* size of a journal segment; 0 = default */
	uint32_t journal_segments;  /* 0 = default */
	bool pad_frames;            /* for media whose sectors are not written atomically: pad each frame to 4 KiB */
	uint32_t watches_max;       /* directories watched at most; 0 = default */
	uint64_t message_bytes_max; /* largest payload of a message; 0 = default */
	uint32_t rejected_max;      /* dropped files that were refused and are kept, in each place; 0 = default */
	uint64_t rejected_bytes_max; /* the same in bytes */
	uint32_t read_group, drop_group, control_group; /* gids that may read, drop events, send messages; 0 = none */
	const char *run_dir;        /* fs: absolute; the work queue and work directories are there, for instance on tmpfs; NULL = in the hub */
	bool allow_volatile;        /* do not refuse a hub on tmpfs */
	const void *os;             /* struct os *, NULL = the real one (see src/os/os.h) */
};

struct pawl_provider_stats {
	uint64_t commits, commit_bytes, syncs, checkpoints, frames, records, history_bytes;
	uint64_t accepted, rejected, deferred, overflows, scans;
	uint64_t journal_free_segments;
};

struct pawl_provider_ops {
	const char *name;

	/* Open for reading and sending. PAWL_ENOTFOUND when there is no hub and create is false. */
	int (*open)(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err);
	void (*close)(struct pawl_provider *p); /* releases ownership; a clean stop is marked */

	/* Become the one owner and recover: PAWL_EBUSY (err names the owner) when another one is alive. After that every
	 * commit checks that it still is (PAWL_EFENCED). */
	int (*acquire)(struct pawl_provider *p, struct pawl_error *err);

	/* Each id once, in order of name: live ones, or archived ones. Stops with the callback's value if not 0. */
	int (*scan)(struct pawl_provider *p, bool archived, int (*each)(void *arg, const char *id), void *arg,
	            struct pawl_error *err);
	/* Bytes of a history; execution 0 = the newest. *out is malloc'd, NUL-terminated; *execution tells which it was.
	 * PAWL_ENOTFOUND. A created instance without a history yet (its start is in the mailbox): 0 with *len 0. */
	int (*read)(struct pawl_provider *p, const char *id, uint64_t execution, char **out, size_t *len,
	            uint64_t *which, struct pawl_error *err);
	int (*read_spill)(struct pawl_provider *p, const char *id, const char *name, char **out, size_t *len,
	                  struct pawl_error *err);

	/* PAWL_EBUSY: no room until maintenance has freed some; run maintain() jobs and try again. */
	int (*commit_begin)(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job,
	                    struct pawl_error *err);
	/* The next piece of maintenance (checkpoint, lazily written histories). *job is work to run, or NULL. Returns 1
	 * when it wants to be called again soon, 0 when there is nothing more to do. idle: the loop has nothing better to
	 * do. An error is told once and the work stays to be done. */
	int (*maintain)(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err);

	/* Clients. Durable on return: START reserves the id (PAWL_EEXISTS; see if_exists), the others need it (PAWL_ENOTFOUND,
	 * PAWL_ESTATE when it has ended, and the message is not for such). */
	int (*send)(struct pawl_provider *p, const struct pawl_message *message, struct pawl_error *err);

	/* Owner. poll_fd: readable when something may be there (-1: none, use pending()). receive calls back for each
	 * message that was not given out yet; the message's memory lives until ack or reject. rescan: look everywhere,
	 * not only where something was noticed. *again_ms (in: -1): when a message that is not complete yet wants
	 * another look. each returns 0, or, for one that can_wait, 1: as if it had not been given out. One that returns < 0
	 * has not taken its message (no memory, storage trouble): it is given out again, later. */
	int (*poll_fd)(struct pawl_provider *p);
	int (*receive)(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *message), void *arg,
	               int64_t *again_ms, struct pawl_error *err);
	void (*ack)(struct pawl_provider *p, void *token);    /* it is in a durable commit: remove it */
	void (*reject)(struct pawl_provider *p, void *token, const char *why); /* keep it aside with the reason */
	/* Is this instance worth a watch of its own? (fs: inotify on its events/) */
	void (*attend)(struct pawl_provider *p, const char *id, bool wanted);

	/* Owner. The instance has ended (its last lines are durable): move it to the archive. Idempotent. */
	int (*archive)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	/* Owner. An archived instance is live again, with all its files, durable on return: a commit may append its next
	 * execution at offset 0. What was dropped for it before is not delivered any more. Without such a commit it is to be
	 * archived again, by the next owner as well. Idempotent: 0 also when it is live. PAWL_ENOTFOUND, PAWL_ESTATE when it is
	 * set aside as damaged, PAWL_EBUSY while maintenance is between begin and end: ask again after that. */
	int (*revive)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	/* Remove an archived instance for good. PAWL_ESTATE when it is live, PAWL_ENOTFOUND, PAWL_EBUSY while a commit is
	 * between begin and end. */
	int (*purge)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	/* The same for several in one commit, PAWL_PURGE_BATCH_MAX at most; those that are live or not there are passed over. The
	 * ids are free at once, also after a crash; what it takes to give the space back is left to maintain(). */
	int (*purge_all)(struct pawl_provider *p, const char *const *ids, size_t count, struct pawl_error *err);
	/* Remove the histories of older executions, and of each of these instances the files for which `drop` says that no
	 * history that stays names them (NULL: none is). One commit for all, PAWL_PURGE_BATCH_MAX at most; instances that are not
	 * there are passed over. 1: there is more of them than goes at a time, call again. PAWL_EBUSY as for purge. */
	int (*prune)(struct pawl_provider *p, const struct pawl_prune *prunes, size_t count,
	             bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err);
	/* Live or archived, as far as it has reached the store. This and scan of the archive may run on any thread, beside everything else. */
	int (*measure)(struct pawl_provider *p, const char *id, struct pawl_extent *out, struct pawl_error *err);
	/* Bad bytes in this instance: it is set aside with the reason (bytes kept); NULL reason = let it back in. */
	int (*quarantine)(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err);
	/* A short note beside the history for readers (parked: why); NULL removes it. Not durable, never needed. */
	void (*note)(struct pawl_provider *p, const char *id, const char *text);
	/* malloc'd, or NULL when there is none. quarantined tells which of the two it is. */
	char *(*read_note)(struct pawl_provider *p, const char *id, bool *quarantined);

	/* The directory for the working files of an activity (absolute; not made), or PAWL_EUNSUPPORTED. */
	int (*work_dir)(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size);

	/* The same for an activity whose result must survive a power cut, where that is another place; NULL: it is not. What is
	 * there is found by work_dir. */
	int (*work_dir_lasting)(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size);

	/* Owner. offer: id_out gets the item's id (PAWL_WORK_ID_MAX + 1 bytes); the instance must be there
	 * (PAWL_ENOTFOUND); what an earlier attempt left in the work directory is removed. release: out of the queue in
	 * whatever state; 0 also when it is gone. cancel: tell the worker; PAWL_ENOTFOUND when it is not in the queue. */
	int (*offer)(struct pawl_provider *p, const struct pawl_work_item *item, char *id_out, struct pawl_error *err);
	int (*release)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	int (*cancel_work)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	/* All items, in the order in which they are to be taken. `done`: outcomes are read too, of those that are wanted
	 * (NULL: of all). Stops with the callback's value if not 0. The callback may release, offer and cancel. Anybody may look. An item whose outcome cannot be
	 * read is left out this time and told of in the log. Owner: sessions of dead workers end here. */
	int (*each_work)(struct pawl_provider *p, bool done, bool (*wanted)(void *arg, const char *id),
	                 int (*each)(void *arg, const struct pawl_work_status *status), void *arg, struct pawl_error *err);
	/* Something may have been claimed, finished or given back since the last call, as far as the last receive has noticed:
	 * when poll_fd is readable, first receive, then ask. (Were asking to take in what the kernel tells, messages among it
	 * would be noticed while poll_fd has nothing more to tell.) receive with rescan sets it too. */
	bool (*work_changed)(struct pawl_provider *p);

	/* Workers: any process, any number at a time. claim: *out is one malloc'd block, or PAWL_ENOTFOUND when nothing is
	 * there for this worker (also after a reboot, until the owner has been there). renew: a heartbeat, with progress text or NULL; PAWL_ECANCELED when nobody wants it any more.
	 * finish: code as in pawl_work_status; output for 0 and 76; delay_ms: for 75, 0 = not said. give_back: to the queue,
	 * as if never claimed. All but claim: PAWL_ENOTFOUND when the item is not this worker's any more. Items of a session
	 * go to one worker: the first that claims one, until it is dead (a pid) or has none claimed for ten minutes. */
	int (*claim)(struct pawl_provider *p, const struct pawl_work_wanted *wanted, struct pawl_work_item **out, struct pawl_error *err);
	int (*renew)(struct pawl_provider *p, const char *id, const char *worker, const char *progress, struct pawl_error *err);
	int (*finish)(struct pawl_provider *p, const char *id, const char *worker, int code, const void *output, size_t len,
	              const char *message, int64_t delay_ms, struct pawl_error *err);
	int (*give_back)(struct pawl_provider *p, const char *id, const char *worker, struct pawl_error *err);
	/* Wait until something may be there to claim: 0, or PAWL_ETIMEOUT. < 0: no limit. */
	int (*await_work)(struct pawl_provider *p, const struct pawl_work_wanted *wanted, int64_t timeout_ms, struct pawl_error *err);

	/* Dead letters, at most 1000: the oldest go first. bury: atomic, replaces one of the same id. each_dead: in the order of ids. unbury: PAWL_ENOTFOUND. */
	int (*bury)(struct pawl_provider *p, const struct pawl_dead_letter *letter, struct pawl_error *err);
	int (*each_dead)(struct pawl_provider *p, int (*each)(void *arg, const struct pawl_dead_letter *letter), void *arg, struct pawl_error *err);
	int (*unbury)(struct pawl_provider *p, const char *id, struct pawl_error *err);

	bool (*has_owner)(struct pawl_provider *p, char *who, size_t who_size); /* is a runtime there, as far as this user may know? "pid 123 since ..." */
	void (*stats)(struct pawl_provider *p, struct pawl_provider_stats *out);

	/* Owner. All of an instance appears at once and is durable on return, whatever was under this id before. Blocks.
	 * PAWL_EEXISTS when the id is taken, live or archived; PAWL_EBUSY while a commit or maintenance is between begin
	 * and end. A runtime that has the hub finds it at its next start. NULL: not supported. */
	int (*import)(struct pawl_provider *p, const struct pawl_import *import, struct pawl_error *err);
};

struct pawl_provider {
	const struct pawl_provider_ops *ops;
};

PAWL_API extern const struct pawl_provider_ops pawl_provider_fs;
PAWL_API extern const struct pawl_provider_ops pawl_provider_memory;

/* begin, run and end in one go, on this thread. */
PAWL_API int pawl_provider_commit(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
