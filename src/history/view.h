/*
 * view.h - what an instance is doing, folded from its history without running its code: status, what it waits for,
 * which activities and timers are open. The runtime keeps one for each live instance and updates it with each committed
 * turn; after a restart, and in the reading verbs, it is folded from the file. Both give the same, which is I4.
 */
#ifndef HISTORY_VIEW_H
#define HISTORY_VIEW_H

#include "history/event.h"

/* Numbers and names of the Durable Task family. */
enum instance_status {
	STATUS_RUNNING = 0,
	STATUS_COMPLETED = 1,
	STATUS_CONTINUED_AS_NEW = 2,
	STATUS_FAILED = 3,
	STATUS_CANCELED = 4,
	STATUS_TERMINATED = 5,
	STATUS_PENDING = 6,
	STATUS_SUSPENDED = 7,
};

#define OPEN_BOOT_SIZE 9

/* Something that was scheduled and is not answered: an activity, timer, event wait, child, entity call or lock; an event for
 * later; a start for later (ExecutionStarted) and the deadline of a clean-up (CancelRequested), which have their times only. Kept
 * small, as a hub has many that wait: the scheduling event is there as text, and only if the members below do not say
 * all of it. open_item_event gives it back. */
struct open_item {
	struct open_item *next; /* in order of seq */
	uint64_t seq;
	enum event_type type; /* ActivityScheduled, TimerCreated, EventSubscribed, ChildScheduled, ... */
	uint32_t attempt;     /* of an activity or child: the one that runs or comes next, from 1 */
	uint32_t fields;      /* of the scheduling event */
	bool cancel_requested : 1; /* a child's: its end is still to come */
	bool has_due : 1;     /* a timer, an activity or child between two attempts, or an activity that is rebooting */
	bool held : 1;        /* an activity without an attempt to come, until somebody gives it new ones; no due */
	bool rebooting : 1;   /* an activity that is done when the device comes back; due: by when it must reboot */
	bool output_in_file : 1;
	bool granted : 1;     /* a lock that it has */
	uint32_t messages : 24; /* that an activity was sent */
	struct due due;
	int64_t delay_ms;
	union {
		int64_t until_ns;    /* of a timer; of a child: when it was scheduled */
		char *reboot_output; /* of an activity that is rebooting; NULL = none. See open_item_output */
	};
	size_t reboot_output_len; /* reboot_output is NUL-terminated, but may hold NUL bytes */
	char *last_error;     /* of the attempt before ("code: message"), or NULL */
	void *owner;          /* the runtime's: running work, armed timer */
	char *line;           /* the scheduling event as a line of history, or NULL */
	char boot[OPEN_BOOT_SIZE]; /* for due.boot */
	char name[];          /* of the activity, event, type; "" when it has none */
};

/* One that was set. view_value_event gives key and payload. */
struct view_value {
	struct view_value *next; /* in the order of keys */
	size_t len, key_len;
	uint32_t crc;
	bool in_file;            /* the text is the name of the file that has it, and that has len bytes */
	char text[];             /* key, NUL, value, NUL */
};

struct event_name; /* external events of one name; view.c's */

/* Who waits for its end. */
struct view_parent {
	uint64_t execution, ref; /* and the ChildScheduled there */
	char id[];
};

/* One subscription: what is published under a topic that the filter matches becomes an event. */
struct view_topic {
	struct view_topic *next;
	const char *event; /* behind the filter */
	char filter[];
};

/* As small as it can be: a hub has one for each live instance. */
struct view {
	enum instance_status status;
	bool suspended : 1, cancel_requested : 1;
	bool unrun : 1;         /* the last turn began with a delivered line, and has no decision: perhaps its code has not run */
	bool own_type : 1;      /* view_type.c's */
	bool has_unknown : 1;   /* of a newer pawl: the instance is parked, the view tells less */
	uint64_t next_seq;      /* of the next event */
	int64_t created_ns, updated_ns;
	const char *type, *version; /* NULL before its start */
	char *custom_status;    /* NULL when none */
	uint32_t custom_status_version;
	uint32_t rewound_to;    /* so many lines are those of the execution before */
	char *output;           /* of a completed one, NULL when none */
	size_t output_len;
	char *output_file;      /* or the file it was spilled to */
	char *error_code, *error_message; /* of a failed one */
	struct view_value *values;
	char *reason;           /* of a terminated, canceled or suspended one */
	struct view_parent *parent; /* NULL when it is nobody's child */
	struct view_topic *topics;
	struct open_item *open; /* what is open when the execution ends stays here, for the runtime to stop it */
	uint32_t open_count, event_count; /* event_count: buffered external events */
	uint32_t event_bytes;   /* of their data, about: an event that a wait has put back counts as nothing */
	/* view.c's */
	uint32_t open_index_cap;
	struct open_item *open_last;
	struct open_item **open_index; /* by seq, when there are many */
	struct event_name *event_names;
};

/*
 * External events: one that is raised goes to the oldest open wait of its name, else it is buffered; a new wait takes a
 * buffered one at once. EventUnsubscribed of a wait that had taken an event gives that event to the oldest other open
 * wait of its name, or puts it back in front of the buffer.
 *
 * An item and its owner are gone when view_apply of its answer returns: look first.
 */
void view_init(struct view *v);
void view_release(struct view *v);
/* 0, PAWL_ENOMEM (the view is then not usable), PAWL_ECORRUPT when the event cannot follow, e.g. answers nothing open
 * (the view is as it was). */
int view_apply(struct view *v, const struct event *e) PAWL_MUST_USE;
struct open_item *view_find(const struct view *v, uint64_t seq);
uint32_t view_buffered(const struct view *v, struct slice event_name); /* events of this name that wait to be taken */
/* The next subscription behind `after` (NULL: the first) that has this topic, or NULL. */
const struct view_topic *view_topic(const struct view *v, const struct view_topic *after, struct slice topic);
/* The event that scheduled it, without the turn's time; of a child that was tried again, with the instance id that it
 * has now. Slices point into the item and the arena. 0, PAWL_ENOMEM, PAWL_EBUG. */
int open_item_event(const struct open_item *item, struct event *out, struct arena *arena) PAWL_MUST_USE;
/* Put the output of an activity that is rebooting (its bytes, or the file they were spilled to) into out, with
 * FIELD_DATA: what its ActivityCompleted has. Nothing when it has none. Slices point into the item. */
void open_item_output(const struct open_item *item, struct event *out);
const struct view_value *view_value(const struct view *v, struct slice key); /* NULL when it is not set */
/* The KeyValueSet that would set it, with its data or the file they were spilled to. Slices point into the value. */
void view_value_event(const struct view_value *value, struct event *out);
/* view.c's. key NONE: all. */
int view_set_value(struct view *v, const struct event *e) PAWL_MUST_USE;
void view_clear_values(struct view *v, struct slice key);
int view_set_type(struct view *v, struct slice name, struct slice version) PAWL_MUST_USE;
void view_drop_type(struct view *v);
int view_add_topic(struct view *v, const struct event *e) PAWL_MUST_USE;
void view_drop_topics(struct view *v, struct slice filter);
const char *status_name(enum instance_status status);  /* "Running" ... */
int status_parse(const char *name, enum instance_status *status) PAWL_MUST_USE; /* without regard to case */
static inline bool status_is_ended(enum instance_status s)
{
	return s == STATUS_COMPLETED || s == STATUS_FAILED || s == STATUS_CANCELED || s == STATUS_TERMINATED;
}

#endif
