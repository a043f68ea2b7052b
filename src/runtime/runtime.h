/*
 * runtime.h - the runtime, inside view.
 *
 *	messages (inbox.c, work.c, effects.c: timers) ─► instance queue ─► turn (turns.c: engine, lines)
 *	      ▲                                                                    │
 *	      │                                                              batch, commit (turns.c)
 *	      └──── activities, timers, archive (effects.c, work.c) ◄── durable ───┘
 *
 * One thread at a time, the holder of the baton (crew.h), touches any of this; so there are no locks around it. The only
 * shared things are the list of requests from other threads (client.c) and a job's own fields while it runs.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "base/heap.h"
#include "base/log.h"
#include "base/map.h"
#include "base/parts.h"
#include "base/text.h"
#include "engine/engine.h"
#include "history/view.h"
#include "os/loop.h"
#include "os/os.h"
#include "runtime/batch.h"
#include "runtime/config.h"
#include "runtime/crash_mark.h"
#include "runtime/crew.h"
#include "runtime/metrics.h"
#include "runtime/pressure.h"
#include "runtime/process.h"
#include "runtime/registry.h"
#include "runtime/wall.h"
#include <pawl/provider.h>
#include <pthread.h>
#include <stdatomic.h>

struct instance;

/* A message on its way into an instance. It owns its texts (one block behind it). */
struct mail {
	struct mail *next;
	struct event event;
	void *token;              /* the provider's, NULL when from inside */
	struct share *share;      /* or one that it has with others: the last of them removes the message; see inbox.c */
	struct request *request;  /* somebody waits for it to be durable, or NULL */
	struct revival *revival;  /* an end that begins the next execution (revive.h), or NULL */
	struct arena arena;
};

/* What follows from an open item: a timer to fire, an attempt to start, an attempt that runs. */
struct effect {
	struct heap_node node;    /* first: in rt->timers while it waits for a time */
	struct instance *instance;
	uint64_t seq;
	struct pawl_work *work;        /* the attempt that runs, or NULL */
	struct expiry *expiry;    /* when it must have begun, or be done; NULL = whenever */
	char *offer;              /* an item of the work queue that has its answer, kept until that is durable */
	uint16_t looks;           /* in vain: nobody has it, or the device lacks something; with growing pauses */
	bool noted;               /* readers have been told why it waits */
	bool dir;                 /* it has a work directory */
	bool adopt;               /* what a runtime before us began may still be there: look for it before an attempt begins */
	bool wall;                /* the time depends on the wall clock: look again when that is set */
	bool is_timer;
};

/* A limit on the time of an activity: until an attempt has begun, and in all. Counted anew after a restart: nobody knows how
 * long that took. */
struct expiry {
	struct heap_node node;    /* first: in rt->expiries */
	struct effect *effect;
	int64_t start_by_ns, close_by_ns; /* CLOCK_BOOTTIME, 0 = whenever */
	bool begun;
};

/* Attempts that wait, in their order. */
struct work_list {
	struct pawl_work *first, **end;
};

enum parked { NOT_PARKED, PARKED_MISMATCH, PARKED_UNREGISTERED, PARKED_UNREADABLE, PARKED_DAMAGED };

/*
 *	  message             turn                commit            durable
 *	IDLE ──────► READY ─────────► in a batch ─────────► COMMITTING ──────► IDLE (or READY again, or gone)
 *	               │ mismatch, not registered
 *	               ▼
 *	             PARKED (messages are kept) ── SIGHUP, restart ──► READY
 */
struct instance {
	uint64_t execution, history_bytes;
	struct view view;
	struct execution *x;      /* resident, or NULL */
	struct mail *mail, **mail_end;
	struct instance *ready_next;
	struct instance *lru_next, *lru_prev;
	struct request *waiters;
	struct turn *turn;        /* in a batch: its events, until they are durable */
	struct generation *generation; /* of one that has continued as new, once it is needed: generations.c */
	bool loaded;              /* not begun by this run: a crash may have brought back messages that it has taken */
	bool started;             /* its first lines are durable */
	bool pruning;             /* its older executions are to be looked at: removal.c */
	bool reviving;            /* the turn under way begins its next execution: revive.h */
	bool revived;             /* it had ended, and its next execution is not durable yet */
	bool ready;
	uint8_t counted_as;       /* metrics.c */
	bool waits;               /* it has no turn for want of memory or storage, and somebody was told */
	bool told;                /* lines of others are durable in its history, and it had no turn since ... */
	uint8_t told_at;          /* ... this commit, as rt->commits counts */
	unsigned committing;      /* entries of it in the batches, until they are durable */
	enum parked parked;
	struct tail *tail;        /* where its history will be after these; NULL when there are none */
	char id[];
};

/* A provider's job on its way through the crew. */
struct provider_job {
	struct crew_job job;      /* first */
	struct pawl_job *work;
};

struct pawl_runtime {
	struct config config;
	char *config_path;
	bool handle_signals, allow_volatile;
	const struct os *os;
	struct pawl_provider *provider;
	struct registry *registry;
	struct loop *loop;
	struct crew *crew;
	char boot[9];             /* first digits of the boot id */
	struct wall wall;
	char *hub;
	struct engine_options engine;

	struct map instances;     /* id -> struct instance: the live ones */
	struct instance *ready, **ready_end;
	struct instance *kept;    /* others have written to it in some commits in a row, and it had no turn: it is next; or NULL */
	uint8_t commits;          /* modulo 256 */
	struct instance *lru_first, *lru_last; /* those with a resident stack, newest first */
	size_t resident;
	struct heap timers;       /* struct effect, by CLOCK_BOOTTIME ns */
	struct heap pauses;       /* struct generation, the same */
	int64_t opened_ns;        /* CLOCK_BOOTTIME */

	struct batch next, flying; /* being gathered; being committed */
	struct buf ended;         /* ids, each with its NUL: to be archived */
	int64_t ended_after_ns;   /* not before: it has failed */
	size_t flying_from, flying_upto; /* the entries that are in the commit under way: whole groups */
	unsigned group;           /* of the turn that joined last */
	unsigned refusals;        /* in a row, of commits whose ids were free a moment before */
	struct message *messages; /* of the turn that runs */
	size_t message_cap;
	struct pawl_record *records;
	struct pawl_spill *spills;
	struct pawl_batch flying_batch;
	struct provider_job commit_job, maintain_job;
	bool committing, maintaining;
	uint64_t random;          /* for jitter only */
	int64_t stalled_until_ns; /* storage trouble: no commit before that */
	unsigned stalls;
	int stall_code;

	struct pawl_work *works;  /* all attempts that wait or run */
	struct work_list queues[3][CREW_RANKS]; /* those that wait for a slot: by kind and priority */
	size_t queued[3];
	unsigned threads_running, processes_running, claimed;
	unsigned abandoned;       /* functions that never return: their threads are replaced, up to workers.replaced_max */
	struct heap watches;      /* struct pawl_work: when to look at one that runs */
	struct heap expiries;     /* struct expiry */
	struct map limits;        /* activity name -> struct limit */
	struct map offers;        /* item of the work queue -> struct pawl_work */
	struct pressure *pressure;
	struct crash_marks *marks;
	struct crash_seen *crashes;
	pthread_mutex_t letters_lock;
	char *scratch;            /* where work directories are when the provider has none */
	char shim[512];
	struct map found;         /* while loading: "INSTANCE/SEQ" -> item of the work queue that was there */
	bool loading;             /* instances are being loaded: what runs is adopted */
	bool closing;             /* nothing is ended or released any more, all of it is for the next start */
	int64_t reboot_by_ns;     /* a planned reboot is about to come: nothing is begun; 0 = none */

	int64_t rescan_ns, again_ns; /* next look into the drop directories; -1 = none */
	bool starts_wait; /* for room: limits.instances_max, told of once */
	bool look, look_all, active; /* active: something was done since the last rescan */
	bool look_told;           /* messages cannot be taken, and somebody was told */
	unsigned not_taken;       /* so many of the look that runs */
	bool stopping, failed, reload_wanted;
	struct pawl_error fatal;

	pthread_mutex_t request_lock;
	pthread_cond_t request_done;
	struct request *requests, **requests_end;
	bool over;                /* no more requests are answered */
	struct pawl_message *asked; /* purges and compactions: they wait until no commit is under way */
	size_t asked_count, asked_cap;
	int64_t asked_after_ns;
	bool asked_told, prune_told; /* it cannot be done, and somebody was told */
	struct revival *revivals; /* of messages that could not be done yet: revive.c */
	int64_t revive_after_ns;  /* storage trouble: when to try again; -1 = none */
	struct heap prunes;       /* removal.c: older executions, by when they may go */
	atomic_bool stop_wanted;  /* any thread; no plain flags beside it, as compilers read several of those at once */
	struct retention *retention;
	bool maintain_failed;
	bool settling;            /* just started: no attempt begins before what waited in the mailbox is committed */
	size_t dropped_stacks;    /* since memory was given back */
	int64_t trim_ns;          /* when that will be done; 0 = not planned */
	struct retired {          /* from before a reload, as long as attempts point into it */
		struct retired *next;
		struct config config;
		struct registry *registry;
	} *retired;
	pawl_options options;     /* as given, for a reload */
	int64_t flushed_ns, maintain_after_ns, stop_by_ns, watchdog_ns, watchdog_at_ns;
	uint64_t turns, activities_started, activities_done;
	uint64_t by_status[4];    /* instances, as metrics.h lists their statuses */
	bool tells;               /* somebody may look */
};

/* instances.c */
struct instance *instance_get(struct pawl_runtime *rt, const char *id);
struct instance *instance_add(struct pawl_runtime *rt, const char *id);
/* Of one that is not in the table, is there something in the hub? 1, 0, or an error. */
int instance_id_is_taken(struct pawl_runtime *rt, const char *id, struct pawl_error *err);
void instance_remove(struct pawl_runtime *rt, struct instance *i); /* frees it; its mail must be gone */
void instance_unready(struct pawl_runtime *rt, struct instance *i); /* not among those that are ready any more, if it was */
int instances_load(struct pawl_runtime *rt, struct pawl_error *err);
void instances_release(struct pawl_runtime *rt);
void instance_touch(struct pawl_runtime *rt, struct instance *i);  /* its stack is resident and was used now */
void instances_trim(struct pawl_runtime *rt);                      /* to engine.resident_max stacks, the longest unused go */
void instance_drop_stack(struct pawl_runtime *rt, struct instance *i);
void instance_park(struct pawl_runtime *rt, struct instance *i, enum parked why, const char *text);
void instances_unpark(struct pawl_runtime *rt);
bool instance_is_due(const struct pawl_runtime *rt, const struct instance *i); /* it may take a turn now, and has reason to */
bool instance_wants_turn(const struct pawl_runtime *rt, const struct instance *i); /* it has reason to, and may when nothing of it is queued */
int instance_apply(struct instance *i, const struct event *events, size_t count, struct pawl_error *err);
struct mail *mail_new(struct pawl_runtime *rt, enum event_type type);
void mail_free(struct mail *m);
void mail_post(struct pawl_runtime *rt, struct instance *i, struct mail *m);

/* turns.c */
int turns_run(struct pawl_runtime *rt, struct pawl_error *err);     /* all that are ready; 0 or a fatal error */
void commit_finished(struct pawl_runtime *rt, struct provider_job *job);
void turns_release(struct pawl_runtime *rt);
void turn_clock(struct pawl_runtime *rt, struct turn *t); /* the times of a turn that begins now */

/* deliver.c: what a turn decides for other instances */
int deliver_turn(struct pawl_runtime *rt, struct instance *i, struct pawl_error *err) PAWL_MUST_USE; /* its entry is the newest one */
/* children.c */
bool child_is_missing(struct pawl_runtime *rt, const struct instance *parent, const struct open_item *item);
void child_due(struct pawl_runtime *rt, struct effect *e); /* it is to be there now */

void delivered_durable(struct pawl_runtime *rt, struct instance *i, struct slice lines);

/* generations.c */
void generation_next(struct pawl_runtime *rt, struct instance *i, const struct turn *t, size_t bytes); /* the next execution is durable */
void generations_resume(struct pawl_runtime *rt, int64_t now); /* those whose pause is over */
bool generation_is_paused(const struct instance *i);
bool generation_pause(struct pawl_runtime *rt, struct instance *i, int64_t wait_ns); /* no turn for so long; false: out of memory */
void generation_release(struct pawl_runtime *rt, struct instance *i);
bool generation_took(struct pawl_runtime *rt, struct instance *i, const char *message_id); /* it, or one before: not to be taken again */

/* effects.c */
/* They are durable: do them. next: it goes on as another execution. True = it has ended and i is gone. */
bool effects_of(struct pawl_runtime *rt, struct instance *i, const struct event *events, size_t count, bool next);
void effects_of_open(struct pawl_runtime *rt, struct instance *i); /* the same for all open items that have none yet */
void effects_resume(struct pawl_runtime *rt, struct instance *i); /* after loading: for all open items */
void effects_drop(struct pawl_runtime *rt, struct instance *i);   /* cancel all that is open */
void effects_fire_due(struct pawl_runtime *rt, int64_t now);
void effects_clock_set(void *arg);
void effects_archive_ended(struct pawl_runtime *rt);
void effects_archive(struct pawl_runtime *rt, const char *id); /* this one, now or later */
bool effects_waits_for_archive(const struct pawl_runtime *rt, const char *id);
int64_t effects_archive_next(const struct pawl_runtime *rt);   /* when those are tried again that could not be archived; -1 = none */
void effects_poke(struct pawl_runtime *rt); /* activities that wait for their registration: look now */
struct effect *effect_of(const struct open_item *item);
void effect_forget_work(struct effect *e);
void effect_note_clear(struct pawl_runtime *rt, struct effect *e); /* what readers were told of its wait is over */
void effect_wait(struct pawl_runtime *rt, struct effect *e, int64_t delay_ms);
void effect_try_again(struct pawl_runtime *rt, struct instance *i, uint64_t seq, const char *why); /* its event was refused: later */
int64_t runtime_now_ms(const struct pawl_runtime *rt);

/* work.c, work_*.c: see work.h */
/* event: what the item was made of, when it is at hand; else NULL. */
void work_start(struct pawl_runtime *rt, struct effect *e, const struct open_item *item, const struct event *event);
bool work_adopt(struct pawl_runtime *rt, struct effect *e, const struct open_item *item); /* loading: does a later attempt of it run already? */
void work_look_again(struct pawl_runtime *rt, struct effect *e, const struct open_item *item); /* its wait is over, or the configuration is new */
void work_cancel(struct pawl_runtime *rt, struct pawl_work *w); /* nobody wants its result; e->work is cleared */
void work_forget(struct pawl_work *w);       /* the same when the runtime closes: it is left as it is */
void work_finished(struct pawl_runtime *rt, struct crew_job *job);
int works_open(struct pawl_runtime *rt, struct pawl_error *err);
void works_loaded(struct pawl_runtime *rt);  /* all instances are: what nobody wants any more is ended */
void works_left_behind(struct pawl_runtime *rt, const char *id, uint64_t execution, const struct view *view); /* of an instance that is loaded; view NULL: it has ended */
void works_pump(struct pawl_runtime *rt);
bool works_waiting(const struct pawl_runtime *rt); /* something could be begun at once */
void works_look(struct pawl_runtime *rt, int64_t now); /* watches and expiries that are due, the work queue */
int64_t works_next_look(const struct pawl_runtime *rt);
bool works_running(const struct pawl_runtime *rt);
void works_stop(struct pawl_runtime *rt);    /* the runtime stops: end or leave what runs */
void works_reload(struct pawl_runtime *rt);
bool works_use(const struct pawl_runtime *rt, const struct config *config); /* does an attempt point into it? */
void works_release(struct pawl_runtime *rt);
void works_close(struct pawl_runtime *rt);
void expiry_free(struct pawl_runtime *rt, struct effect *e);
#if PAWL_WITH_WORKERS
void effect_release_offer(struct pawl_runtime *rt, struct effect *e);
#else
static inline void effect_release_offer(struct pawl_runtime *rt, struct effect *e)
{
	(void)rt, (void)e;
}
#endif
void activity_over(struct pawl_runtime *rt, struct instance *i, const struct open_item *item, const struct event *e); /* its answer is durable */
void activity_held(struct pawl_runtime *rt, struct instance *i, const struct open_item *item);
void activity_requeued(struct pawl_runtime *rt, struct instance *i, const struct open_item *item);
void activity_message(struct pawl_runtime *rt, struct instance *i, const struct open_item *item, const struct event *e);
/* reboot.c */
void reboot_begin(struct pawl_runtime *rt, struct instance *i, const struct open_item *item); /* durable: now it may come */
void reboot_wait(struct pawl_runtime *rt, struct effect *e, const struct open_item *item);    /* loaded, or its time is over */

/* inbox.c */
int inbox_look(struct pawl_runtime *rt, struct pawl_error *err);
int inbox_open(struct pawl_runtime *rt, struct pawl_error *err);
void inbox_attend(struct pawl_runtime *rt, struct instance *i);
struct start_order {
	const char *type, *version, *id; /* version NULL: the newest; id NULL: one is made of the message's */
	const char *message_id;
	struct slice input;
	int64_t at_ns, delay_ms;  /* as in struct pawl_message */
	void *token;
	struct request *request;
};
int start_post(struct pawl_runtime *rt, const struct start_order *o, char *id_out, struct pawl_error *err);
/* Not before a time, or so much later: an ExecutionStarted is Pending, an event is scheduled. */
void event_set_later(struct pawl_runtime *rt, struct event *e, int64_t at_ns, int64_t delay_ms);

void share_drop(struct share *share);
bool id_is_entity(const char *id, const char *name); /* entity:NAME:KEY */
/* May this id be run by this type? def NULL: it is not registered (now). PAWL_EINVALID. */
int entity_check(const struct pawl_registration *def, const char *type, const char *id, struct pawl_error *err);

/* retention.c: ended instances go by themselves. now: CLOCK_BOOTTIME */
int retention_open(struct pawl_runtime *rt, struct pawl_error *err);
void retention_close(struct pawl_runtime *rt);
void retention_ended(struct pawl_runtime *rt, const char *id);  /* it is in the archive */
void retention_forget(struct pawl_runtime *rt, const char *const *ids, size_t count); /* they are gone, or live again */
bool retention_surveyed(struct pawl_runtime *rt, struct crew_job *job);
void retention_look(struct pawl_runtime *rt);                   /* at the free space */
void retention_step(struct pawl_runtime *rt, int64_t now);
bool retention_is_due(const struct pawl_runtime *rt, int64_t now);
int64_t retention_next(const struct pawl_runtime *rt, int64_t now);

/* removal.c: what is asked to be removed, and older executions */
int removal_receive(struct pawl_runtime *rt, struct pawl_message *m);
void executions_continued(struct pawl_runtime *rt, struct instance *i);
void executions_wait(struct pawl_runtime *rt, const char *id, uint64_t execution); /* look at those before it when they are old enough */
void removal_step(struct pawl_runtime *rt, int64_t now);
bool removal_is_due(const struct pawl_runtime *rt, int64_t now);
int64_t removal_next(const struct pawl_runtime *rt);
void removal_release(struct pawl_runtime *rt);

/* client.c */
struct request;
void requests_serve(struct pawl_runtime *rt);
void request_finish(struct pawl_runtime *rt, struct request *r, int code, const char *fmt, ...) PAWL_PRINTF(4, 5);
void requests_of_ended(struct pawl_runtime *rt, struct instance *i);
void requests_of_refused(struct pawl_runtime *rt, struct instance *i); /* it never was: they wait for one of that id that has ended, or none */
void requests_close(struct pawl_runtime *rt);

#endif
