/* memory_hub.h - what a hub in memory consists of. Everything in struct hub is read and written under its lock. */
#ifndef MEMORY_MEMORY_HUB_H
#define MEMORY_MEMORY_HUB_H

#include "base/map.h"
#include <pawl/provider.h>
#include <pthread.h>

/* [0, len) is committed, [len, next) belongs to the commit between begin and end. */
struct execution {
	char *data;
	size_t len, next, cap;
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

/* memory_admin.c */
int memory_scan(struct pawl_provider *p, bool archived, int (*each)(void *arg, const char *id), void *arg,
		struct pawl_error *err);
int memory_archive(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_purge(struct pawl_provider *p, const char *id, struct pawl_error *err);
int memory_quarantine(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err);
void memory_note(struct pawl_provider *p, const char *id, const char *text);
char *memory_read_note(struct pawl_provider *p, const char *id, bool *quarantined);

#endif
