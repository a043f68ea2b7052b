/*
 * graph.h - what an instance has done and waits for, as a graph, from its history alone.
 *
 * A node is something that was begun (an activity, a timer, a wait for an event ...), or the start, the end, a request
 * to cancel. What was begun together is a group: it has the same predecessors, all that had been done since the group
 * before. So a sequence is a chain, a fan-out a group of many, and two branches that go on by themselves stay apart, as each
 * group follows what its own turn has brought. History does not say what the code waited for, only what came before.
 *
 *	ends     done, and nothing was begun after it yet: what the next group follows
 *	leaf     a message that was sent: nothing follows it
 *	folded   many of a kind, begun at once, are one node with a count
 */
#ifndef CLI_GRAPH_H
#define CLI_GRAPH_H

#include "base/buf.h"
#include "history/history.h"
#include "history/view.h"

enum graph_kind {
	GRAPH_START,
	GRAPH_ACTIVITY,
	GRAPH_TIMER,
	GRAPH_EVENT,
	GRAPH_CHILD,
	GRAPH_ENTITY,
	GRAPH_LOCK,
	GRAPH_SENT,    /* the leaves */
	GRAPH_CONTROL, /* a request to cancel */
	GRAPH_KEPT,    /* events that nobody has waited for */
	GRAPH_END,
	GRAPH_KIND_COUNT
};

enum graph_state {
	GRAPH_OPEN,
	GRAPH_DONE,
	GRAPH_FAILED,
	GRAPH_CANCELED,
	GRAPH_STOPPED, /* open when the execution ended */
	GRAPH_STATE_COUNT
};

struct graph_node {
	enum graph_kind kind;
	enum graph_state state;
	const struct event *event; /* that began it */
	size_t group;
	uint32_t retries, count;   /* count: of GRAPH_KEPT */
	bool held, rebooting;
	const struct failure *error; /* the last one, or NULL */
	struct graph_node *next_wait; /* of the open waits for events */
	size_t into;               /* the node that stands for it; its own index when it is not folded */
	uint32_t folded[GRAPH_STATE_COUNT]; /* of one that stands for many: how many in each state; else 0 */
};

struct graph_group {
	size_t first, count; /* nodes, one after the other */
	size_t pred_first, pred_count; /* in preds */
	bool leaf;
};

struct graph {
	const char *id;
	enum instance_status status;
	struct graph_node *nodes; /* 0 is the start */
	struct graph_group *groups;
	size_t *preds;
	size_t node_count, node_cap, group_count, group_cap, pred_count, pred_cap;
};

/* h must outlive it. fold_min: so many of a kind are folded; 0 = never. PAWL_ENOMEM, or PAWL_ECORRUPT when an event
 * cannot follow (what is before it is there). Release in any case. */
int graph_build(struct graph *g, const char *id, const struct history *h, size_t fold_min) PAWL_MUST_USE;
void graph_release(struct graph *g);

void graph_mermaid(const struct graph *g, struct buf *out);
void graph_dot(const struct graph *g, struct buf *out);
void graph_text(const struct graph *g, struct buf *out);

#endif
