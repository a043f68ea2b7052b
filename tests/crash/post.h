/*
 * post.h - a model of messages: who sent what in which way, what was promised of it, and how far it got. A scenario for
 * the loops of harness.h and states.h.
 */
#ifndef CRASH_POST_H
#define CRASH_POST_H

#include "harness.h"

#define INSTANCES 4
#define MESSAGES 64

enum via { BY_START, BY_RAISE, BY_CANCEL, BY_DROP, BY_INBOX };
enum progress { NEW, PENDING, COMMITTED };

struct sent {
	enum via via;
	unsigned instance;
	bool durable;       /* send() has returned 0, or the user had synced it */
	bool careful;       /* a user who syncs before the name appears */
	enum progress progress;
	char id[96];        /* as it was delivered first */
};

struct post {
	uint64_t random;
	unsigned workload;
	struct pawl_provider *client;
	struct os client_os;
	struct sent sent[MESSAGES];
	unsigned count;
	uint64_t size[INSTANCES]; /* of the histories */
	bool faulty;         /* calls may fail */
	bool over;
};

void *post_make(unsigned workload); /* free() it */
void post_run(void *state, struct node *n); /* random steps */
void post_check(const void *state, struct node *n, struct outcome *o);
void post_go_on(const void *state, struct node *n);
uint64_t post_promise(const void *state);

/* The steps. A start when the instance has none yet; a drop only when it is there. */
bool post_start(struct post *post, struct node *n);
void post_close(struct post *post);
void post_send(struct post *post, struct node *n, unsigned instance, enum via via);
void post_drop(struct post *post, struct node *n, unsigned instance, bool inbox, bool careful);
void post_receive(struct post *post, struct node *n, bool rescan);

#endif
