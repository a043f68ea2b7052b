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
#include "base/text.h"
#include "engine/engine.h"
#include "history/view.h"
#include "os/loop.h"
#include "os/os.h"
#include "runtime/config.h"
#include "runtime/crew.h"
#include "runtime/process.h"
#include "runtime/registry.h"
#include <pawl/provider.h>
#include <pthread.h>
#include <stdatomic.h>

struct instance;

/* A message on its way into an instance. It owns its texts (one block behind it). */
struct mail {
	struct mail *next;
	struct event event;
	void *token;              /* the provider's, NULL when from inside */
	struct request *request;  /* somebody waits for it to be durable, or NULL */
	struct arena arena;
};

/* What follows from an open item: a timer to fire, an attempt to start, an attempt that runs. */
struct effect {
	struct heap_node node;    /* first: in rt->timers while it waits for a time */
	struct instance *instance;
	uint64_t seq;
	struct pawl_work *work;        /* the attempt that runs, or NULL */
	uint32_t unregistered;    /* looks for an activity that nobody has; with growing pauses */
	bool noted;               /* readers have been told why it waits */
	bool wall;                /* the time depends on the wall clock: look again when that is set */
	bool is_timer;
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
	char *id;
	uint64_t execution, history_bytes;
	struct view view;
	struct execution *x;      /* resident, or NULL */
	struct mail *mail, **mail_end;
	struct instance *ready_next;
	struct instance *lru_next, *lru_prev;
	struct request *waiters;
	struct turn *turn;        /* in a batch: its events, until they are durable */
	bool started;             /* its first lines are durable */
	bool ready, committing;
	enum parked parked;
};

/* Turns that become durable together. */
struct batch {
	struct buf lines;
	struct batch_entry {
		struct instance *instance;
		size_t at, len;
		bool create, end;
		void *start_token;
		struct mail *taken;   /* acked when durable */
	} *entries;
	size_t count, cap;
	struct batch_spill {
		struct instance *instance;
		char name[32];
		char *data;
		size_t len;
	} *spills;
	size_t spill_count, spill_cap;
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
	char *hub;
	struct engine_options engine;

	struct map instances;     /* id -> struct instance: the live ones */
	struct instance *ready, **ready_end;
	struct instance *lru_first, *lru_last; /* those with a resident stack, newest first */
	size_t resident;
	struct heap timers;       /* struct effect, by CLOCK_BOOTTIME ns */

	struct batch next, flying; /* being gathered; being committed */
	struct buf ended;         /* ids, each with its NUL: to be archived */
	size_t flying_from, flying_upto; /* the entries that are in the commit under way */
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

	struct pawl_work *works;       /* all running attempts */
	struct pawl_work *thread_queue, **thread_queue_end, *process_queue, **process_queue_end;
	unsigned threads_running, processes_running;

	int64_t rescan_ns, again_ns; /* next look into the drop directories; -1 = none */
	bool look, look_all, active; /* active: something was done since the last rescan */
	atomic_bool stop_wanted;
	bool stopping, failed, reload_wanted;
	struct pawl_error fatal;

	pthread_mutex_t request_lock;
	pthread_cond_t request_done;
	struct request *requests, **requests_end;
	bool over;                /* no more requests are answered */
	struct pawl_message purges[64]; /* wait until no commit is under way */
	size_t purge_count;
	bool maintain_failed;
	bool settling;            /* just started: no attempt begins before what waited in the mailbox is committed */
	size_t dropped_stacks;    /* since memory was given back */
	int64_t trim_ns;          /* when that will be done; 0 = not planned */
	struct retired *retired;  /* configurations from before a reload: attempts may point into them */
	pawl_options options;     /* as given, for a reload */
	int64_t flushed_ns, maintain_after_ns, stop_by_ns, watchdog_ns, watchdog_at_ns;
	uint64_t turns, activities_started, activities_done;
};

/* instances.c */
struct instance *instance_get(struct pawl_runtime *rt, const char *id);
struct instance *instance_add(struct pawl_runtime *rt, const char *id);
void instance_remove(struct pawl_runtime *rt, struct instance *i); /* frees it; its mail must be gone */
int instances_load(struct pawl_runtime *rt, struct pawl_error *err);
void instances_release(struct pawl_runtime *rt);
void instance_touch(struct pawl_runtime *rt, struct instance *i);  /* its stack is resident and was used now */
void instances_trim(struct pawl_runtime *rt);                      /* to engine.resident_max stacks, the longest unused go */
void instance_drop_stack(struct pawl_runtime *rt, struct instance *i);
void instance_park(struct pawl_runtime *rt, struct instance *i, enum parked why, const char *text);
void instances_unpark(struct pawl_runtime *rt);
struct mail *mail_new(struct pawl_runtime *rt, enum event_type type);
void mail_free(struct mail *m);
void mail_post(struct pawl_runtime *rt, struct instance *i, struct mail *m);

/* turns.c */
int turns_run(struct pawl_runtime *rt, struct pawl_error *err);     /* all that are ready; 0 or a fatal error */
void commit_finished(struct pawl_runtime *rt, struct provider_job *job);
void turns_release(struct pawl_runtime *rt);

/* effects.c */
bool effects_of_turn(struct pawl_runtime *rt, struct instance *i, const struct turn *t); /* they are durable: do them; true = it has ended and i is gone */
void effects_resume(struct pawl_runtime *rt, struct instance *i); /* after loading: for all open items */
void effects_drop(struct pawl_runtime *rt, struct instance *i);   /* cancel all that is open */
void effects_fire_due(struct pawl_runtime *rt, int64_t now);
void effects_clock_set(void *arg);
void effects_archive_ended(struct pawl_runtime *rt);
void effects_poke(struct pawl_runtime *rt); /* activities that wait for their registration: look now */
struct effect *effect_of(const struct open_item *item);
void effect_forget_work(struct effect *e);
void effect_wait(struct pawl_runtime *rt, struct effect *e, int64_t delay_ms);
int64_t runtime_now_ms(const struct pawl_runtime *rt);

/* work.c */
/* event: what the item was made of, when it is at hand; else NULL. */
void work_start(struct pawl_runtime *rt, struct effect *e, const struct open_item *item, const struct event *event);
void work_cancel(struct pawl_runtime *rt, struct pawl_work *w); /* nobody wants its result; e->work is cleared */
void work_finished(struct pawl_runtime *rt, struct crew_job *job);
void works_pump(struct pawl_runtime *rt);
bool works_running(const struct pawl_runtime *rt);
void works_cancel_all(struct pawl_runtime *rt);
void works_release(struct pawl_runtime *rt);

/* inbox.c */
int inbox_look(struct pawl_runtime *rt, struct pawl_error *err);
int inbox_open(struct pawl_runtime *rt, struct pawl_error *err);
void inbox_purge_waiting(struct pawl_runtime *rt);
void inbox_attend(struct pawl_runtime *rt, struct instance *i);
int start_post(struct pawl_runtime *rt, const char *type, const char *version, const char *id, struct slice input,
               const char *message_id, void *token, struct request *request, char *id_out, struct pawl_error *err);

/* client.c */
struct request;
void requests_serve(struct pawl_runtime *rt);
void request_finish(struct pawl_runtime *rt, struct request *r, int code, const char *fmt, ...) PAWL_PRINTF(4, 5);
void requests_of_ended(struct pawl_runtime *rt, struct instance *i);
void requests_of_refused(struct pawl_runtime *rt, struct instance *i); /* it never was: they wait for one of that id that has ended, or none */
void requests_close(struct pawl_runtime *rt);

#endif
