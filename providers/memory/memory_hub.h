/* memory_hub.h - what a hub in memory consists of. Everything in struct hub is read and written under its lock. */
#ifndef MEMORY_MEMORY_HUB_H
#define MEMORY_MEMORY_HUB_H

#include "base/map.h"
#include <pawl/provider.h>
#include <pthread.h>
#include <time.h>

/* [0, len) is committed, [len, next) belongs to the commit between begin and end. */
struct execution {
	char *data;
	size_t len, next, cap;
	int64_t written_ns;
	bool pruned;
};

struct spill {
	struct spill *next; /* newest first */
	char *name, *data;
	size_t len;
	bool visible;
};

struct instance {
	struct execution *executions;
	size_t execution_count, visible_count; /* the last one may belong to the commit between begin and end */
	struct spill *spills;
	struct message *start; /* the START that reserved the id, until it is acked or rejected */
	char *quarantine, *note;
	bool visible;          /* false: made by the commit between begin and end */
	bool ended, ends;      /* ends: with the commit between begin and end */
	bool archived;
	int64_t ended_ns;      /* when it was archived */
	bool revived;          /* it has ended, and may go on with its next execution */
};

struct message {
	struct message *next;
	struct pawl_message view; /* its texts are malloc'd and belong to this message */
	uint64_t given_to;        /* token of the owner that received it; 0 = nobody */
	unsigned refs;            /* the queue holds one, each delivery one */
};

/* One receive of a message; the token of struct pawl_message. It keeps the memory when another owner acks meanwhile. */
struct delivery {
	struct delivery *next, **link;
	struct message *message;
	struct pawl_message view;
};

/* An item of the work queue. */
struct work {
	struct work *next;
	struct pawl_work_item *item;
	const char *name; /* ITEM of the id */
	enum pawl_work_state state;
	char worker[PAWL_WORKER_MAX + 1];
	int64_t since_ns, beat_ns;
	bool canceled;
	int code;
	int64_t retry_after_ms;
	char *message, *output;
	size_t output_len;
};

struct hub {
	struct hub *next;
	char *name;
	unsigned refs;           /* providers, and one for the table of hubs; under the table's lock */
	pthread_mutex_t lock;
	struct map instances;
	struct message *queue, **queue_end;
	uint64_t message_count;  /* ever sent: makes ids */
	struct memory_provider *owner;
	const struct pawl_batch *staged; /* the commit between begin and end */
	uint64_t token;          /* the owner's; never the same twice */
	struct work *work;       /* in the order in which it is to be taken */
	uint64_t work_stamp;
	bool work_changed;
	pthread_cond_t work_there;
	struct map sessions;
	struct letter *letters;
	size_t letter_count;
	struct pawl_provider_stats stats;
};

struct memory_provider {
	struct pawl_provider base;
	struct hub *hub;
	uint64_t token; /* 0: never acquired */
	bool read_only;
	uint64_t message_bytes_max;
	int wake[2];    /* pipe for poll_fd; -1 until acquired */
	struct delivery *deliveries;
};

static inline struct memory_provider *memory_of(struct pawl_provider *p)
{
	return (struct memory_provider *)(void *)p;
}

/* memory.c */
struct instance *hub_find(const struct hub *h, const char *id);
/* Puts in a new one, invisible. NULL when out of memory. */
struct instance *hub_add(struct hub *h, const char *id);
void hub_remove(struct hub *h, const char *id);
int hub_check_id(const char *id, struct pawl_error *err) PAWL_MUST_USE;
/* The visible instance of that id: PAWL_EINVALID for a bad id, PAWL_ENOTFOUND. */
int hub_get(const struct hub *h, const char *id, struct instance **out, struct pawl_error *err) PAWL_MUST_USE;
/* Is p the owner? PAWL_EROFS, PAWL_ESTATE when it never was, PAWL_EFENCED when it was. */
int hub_check_owner(const struct memory_provider *p, struct pawl_error *err) PAWL_MUST_USE;

/* memory_log.c */
void instance_free(struct instance *in);
void spill_free(struct spill *s);
int memory_read(struct pawl_provider *p, const char *id, uint64_t execution, char **out, size_t *len, uint64_t *which,
		struct pawl_error *err);
int memory_read_spill(struct pawl_provider *p, const char *id, const char *name, char **out, size_t *len,
		      struct pawl_error *err);
int memory_commit_begin(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job,
			struct pawl_error *err);
void memory_unstage(struct hub *h); /* the commit between begin and end never was */

/* memory_mailbox.c */
void mailbox_wake(struct memory_provider *owner);
void mailbox_release(struct hub *h);
void mailbox_forget(struct memory_provider *p); /* drop its deliveries */
void mailbox_purge(struct hub *h, const char *id);
int memory_send(struct pawl_provider *p, const struct pawl_message *message, struct pawl_error *err);
int memory_receive(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *message), void *arg,
		   int64_t *again_ms, struct pawl_error *err);
void memory_ack(struct pawl_provider *p, void *token);
void memory_reject(struct pawl_provider *p, void *token, const char *why);

/* memory_queue.c; the hub's lock is held by whoever calls what has no provider */
void queue_release(struct hub *h);
int64_t work_clock(clockid_t clock); /* ns */
struct work **work_link(struct hub *h, const char *id); /* the link to it, or to NULL */
void work_move(struct hub *h, struct work *w, enum pawl_work_state state);
void work_clear_outcome(struct work *w);
char *work_copy_bytes(const char *data, size_t len, bool *failed);
int memory_offer(struct pawl_provider *p, const struct pawl_work_item *item, char *id_out, struct pawl_error *err);
int memory_release(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_cancel_work(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_each_work(struct pawl_provider *p, bool done, bool (*wanted)(void *arg, const char *id), int (*each)(void *arg, const struct pawl_work_status *status), void *arg,
		     struct pawl_error *err);
bool memory_work_changed(struct pawl_provider *p);

/* memory_worker.c */
int memory_claim(struct pawl_provider *p, const struct pawl_work_wanted *wanted, struct pawl_work_item **out, struct pawl_error *err);
int memory_renew(struct pawl_provider *p, const char *id, const char *worker, const char *progress, struct pawl_error *err);
int memory_finish(struct pawl_provider *p, const char *id, const char *worker, int code, const void *output, size_t len, const char *message,
		  int64_t delay_ms, struct pawl_error *err);
int memory_give_back(struct pawl_provider *p, const char *id, const char *worker, struct pawl_error *err);
int memory_await_work(struct pawl_provider *p, const struct pawl_work_wanted *wanted, int64_t timeout_ms, struct pawl_error *err);

/* memory_session.c; the lock is held here too, but for dead letters */
bool session_may(const struct hub *h, const char *session, const char *worker);
bool session_take(struct hub *h, const char *session, const char *worker) PAWL_MUST_USE;
void sessions_sweep(struct hub *h, bool (*in_use)(const struct hub *h, const char *session));
void sessions_release(struct hub *h);
void letters_release(struct hub *h);
int memory_bury(struct pawl_provider *p, const struct pawl_dead_letter *letter, struct pawl_error *err);
int memory_each_dead(struct pawl_provider *p, int (*each)(void *arg, const struct pawl_dead_letter *letter), void *arg, struct pawl_error *err);
int memory_unbury(struct pawl_provider *p, const char *id, struct pawl_error *err);

/* memory_admin.c */
int memory_scan(struct pawl_provider *p, bool archived, int (*each)(void *arg, const char *id), void *arg,
		struct pawl_error *err);
int memory_archive(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_revive(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_purge(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_purge_all(struct pawl_provider *p, const char *const *ids, size_t count, struct pawl_error *err);
int memory_prune(struct pawl_provider *p, const struct pawl_prune *prunes, size_t count,
		 bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err);
int memory_measure(struct pawl_provider *p, const char *id, struct pawl_extent *out, struct pawl_error *err);
int memory_quarantine(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err);
void memory_note(struct pawl_provider *p, const char *id, const char *text);
char *memory_read_note(struct pawl_provider *p, const char *id, bool *quarantined);

/* memory_import.c */
int memory_import(struct pawl_provider *p, const struct pawl_import *import, struct pawl_error *err);

#endif
