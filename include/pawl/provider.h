/*
 * pawl/provider.h - what stores a hub.
 *
 * A provider is a log with a fence, mailboxes and no knowledge of what events mean. `fs` (default) keeps plain files,
 * `memory` serves tests; others may live outside this tree and prove themselves with the contract suite
 * (tests/provider).
 *
 * Threads: all functions are called by one thread at a time (the holder of the event loop), except pawl_job.run, which
 * may run on any thread beside them, and send/create/read of a provider opened without acquire (clients).
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
};

struct pawl_message {
	enum pawl_message_kind kind;
	const char *instance;    /* NULL for a start that leaves the id to the runtime */
	const char *name;        /* RAISE: event name; START: orchestration type */
	const char *version;     /* START: NULL = the newest registered */
	const char *key;         /* idempotency key, or NULL */
	const char *reason;      /* SUSPEND ... TERMINATE; may be NULL */
	const char *from;        /* who sent it ("uid:1000"), or NULL; filled in by the provider on receive */
	const void *data;        /* payload; NULL = none */
	size_t len;
	const char *id;          /* message id: the same message seen again has the same id (I2); filled in on receive */
	void *token;             /* the provider's; for ack and reject */
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

	/* Clients. Durable on return: START reserves the id (PAWL_EEXISTS), the others need it (PAWL_ENOTFOUND,
	 * PAWL_ESTATE when it has ended). */
	int (*send)(struct pawl_provider *p, const struct pawl_message *message, struct pawl_error *err);

	/* Owner. poll_fd: readable when something may be there (-1: none, use pending()). receive calls back for each
	 * message that was not given out yet; the message's memory lives until ack or reject. rescan: look everywhere,
	 * not only where something was noticed. *again_ms (in: -1): when a message that is not complete yet wants
	 * another look. */
	int (*poll_fd)(struct pawl_provider *p);
	int (*receive)(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *message), void *arg,
	               int64_t *again_ms, struct pawl_error *err);
	void (*ack)(struct pawl_provider *p, void *token);    /* it is in a durable commit: remove it */
	void (*reject)(struct pawl_provider *p, void *token, const char *why); /* keep it aside with the reason */
	/* Is this instance worth a watch of its own? (fs: inotify on its events/) */
	void (*attend)(struct pawl_provider *p, const char *id, bool wanted);

	/* Owner. The instance has ended (its last lines are durable): move it to the archive. Idempotent. */
	int (*archive)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	/* Remove an archived instance for good. PAWL_ESTATE when it is live, PAWL_ENOTFOUND, PAWL_EBUSY while a commit is
	 * between begin and end. */
	int (*purge)(struct pawl_provider *p, const char *id, struct pawl_error *err);
	/* Bad bytes in this instance: it is set aside with the reason (bytes kept); NULL reason = let it back in. */
	int (*quarantine)(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err);
	/* A short note beside the history for readers (parked: why); NULL removes it. Not durable, never needed. */
	void (*note)(struct pawl_provider *p, const char *id, const char *text);
	/* malloc'd, or NULL when there is none. quarantined tells which of the two it is. */
	char *(*read_note)(struct pawl_provider *p, const char *id, bool *quarantined);

	bool (*has_owner)(struct pawl_provider *p, char *who, size_t who_size); /* is a runtime there? "pid 123 since ..." */
	void (*stats)(struct pawl_provider *p, struct pawl_provider_stats *out);
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
