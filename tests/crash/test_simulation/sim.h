/*
 * sim.h - a simulated device: processes, its clocks, what goes wrong, all drawn from one seed. For the sources of test_simulation.
 *
 *	device.c    processes as coroutines, the table of system calls through which each of them acts, time, death
 *	incident.c  what goes wrong, when
 *	owner.c     runtimes that fight for the hub; what is checked at each of their commits and recoveries
 *	others.c    clients, shells that drop files, workers outside of the runtime
 *	shim.c      pids, shims and programs, in place of src/os/spawn.c and os_linux()
 *	work.c      what runs on the device: orchestrations, activities, configuration
 *	model.c     what was promised, and what must be there in the end
 *	run.c       one run from its plan to its verdict
 *
 * Only one process runs at a time. It hands over at system calls, when the seed says so, and when it waits. Time passes a
 * little with each step, and to the next thing that is due when nobody can do anything.
 */
#ifndef SIMULATION_SIM_H
#define SIMULATION_SIM_H

#include "base/buf.h"
#include "base/slice.h"
#include "crash/program_loop.h"
#include "crash/simulation.h"
#include "os/coro.h"
#include "os/os_sim.h"

#include <pawl/pawl.h>
#include <pawl/provider.h>

#define SIM_HUB "/hub"
#define SIM_MS INT64_C(1000000)
#define SIM_SECOND (1000 * SIM_MS)
#define SIM_REAL_START_NS INT64_C(1700000000000000000)
#define RUNTIMES 2
#define CLIENTS 3
#define SHELLS 2
#define WORKERS 2
#define SHIMS 6

enum role { ROLE_RUNTIME, ROLE_CLIENT, ROLE_SHELL, ROLE_WORKER, ROLE_SHIM, ROLE_COUNT };

/* ---- device.c ---- */

/* A process of the device, in one slot of the simulated kernel for ever; main is what it does in this life. */
struct proc {
	int slot;
	enum role role;
	unsigned number;            /* of its role */
	void (*main)(struct proc *p);
	bool busy;                  /* main has begun and has not returned */
	bool dead;                  /* killed, or the power is gone: nothing that it does counts */
	bool quiet;                 /* the test itself looks: nothing happens, nothing fails, nobody else runs */
	bool asleep;
	int64_t until_ns;           /* asleep: device time, < 0: only `ready` ends it */
	bool (*ready)(struct proc *p);
	int64_t start_ns;           /* not busy: when main begins; < 0: not by itself */
	unsigned lives;
	struct coro *coro;
	uintptr_t stack;            /* an address on it, near its beginning */
	const struct os *real;
	struct os os, second;       /* the same; who asks whether it is os_linux() must be told no */
	struct program_loop loop;   /* ROLE_RUNTIME */
	void *state;                /* its own */
};

struct device {
	struct os_sim *sim;
	const struct simulation *plan;
	struct simulation_result *result;
	uint64_t random, order;     /* what the device draws; the order of processes */
	int64_t now_ns;             /* since the run began; goes on over power cuts */
	unsigned boots;
	uint64_t calls;             /* system calls so far */
	bool power_lost;            /* in this call or before */
	bool healthy;               /* nothing goes wrong any more */
	bool over;
	bool telling, resting;      /* collectors are told that it is over; workers go */
	struct proc procs[RUNTIMES + CLIENTS + SHELLS + WORKERS + SHIMS];
	unsigned proc_count;
	struct proc *current;       /* NULL: nobody */
};

extern struct device device;

struct proc *proc_of(enum role role, unsigned number);
void proc_start(struct proc *p, int64_t after_ns);
void proc_kill(struct proc *p);
/* For the process that runs: */
void proc_sleep(int64_t ns);
void proc_wait(int64_t until_ns, bool (*ready)(struct proc *p)); /* until_ns < 0: no limit */
void proc_yield(void);
bool proc_is_gone(void); /* it must come to its end */

void device_begin(const struct simulation *plan, struct simulation_result *result);
void device_end(void);
/* One process goes on, or time passes to limit_ns at most. False: nothing can happen before that. */
bool device_step(int64_t limit_ns);
/* As a process of the device that nothing happens to. */
void device_look(void (*look)(const struct os *os));
void device_power_cut(void); /* now; all processes end */
void device_table(struct proc *p); /* fills p->os */
unsigned draw_below(uint64_t *state, unsigned limit);
uint64_t draw_any(uint64_t *state);
bool chance(unsigned one_in);

void wrong(const char *fmt, ...) PAWL_PRINTF(1, 2);
bool is_wrong(void);
void trace(const char *what, int64_t a, int64_t b, const char *text);
bool planted(const char *name);

/* ---- incident.c ---- */

enum call { CALL_OTHER, CALL_OPEN, CALL_READ, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_UNLINK, CALL_MKDIR, CALL_LIST, CALL_STAT, CALL_WATCH };
int incident_before(struct proc *p, enum call call); /* 0, or the error that the call must end with */
bool incident_swallows_events(void);
void incidents_heal(void);
void incidents_begin(void);
bool incidents_are_over(void);

/* ---- owner.c ---- */

void owner_main(struct proc *p);
struct pawl_runtime *owner_runtime(void);   /* of the one that has the hub, or NULL */
struct proc *owner_proc(void);
uint64_t owner_waits(void);                 /* how often it has waited so far */
void owner_begin(void);
bool owners_have_ended(void);

/* ---- others.c ---- */

void client_main(struct proc *p);
void shell_main(struct proc *p);
void worker_main(struct proc *p);
void others_begin(void);
bool others_are_done(void);
void others_tick(void);
void others_help_to_end(void); /* all faults are over: resume what is suspended, tell those who wait */
bool job_was_asked_to_end(const char *id); /* one of "j0", "j1" ..., and what it began */
bool send_message(struct proc *p, const struct pawl_message *m, int *rc);

/* ---- shim.c ---- */

void shims_begin(void);
void shims_power_lost(void);
bool shim_fd_ready(int fd, bool *ready);    /* false: it is none of ours */
unsigned shims_open_fds(void);
bool shim_kill_one(void);
bool shims_are_idle(void);
void processes_drop(struct loop *l); /* process.c: what is watched by a loop that goes */
void sim_nap(void);

/* ---- work.c ---- */

void work_begin(void);
pawl_orchestration_fn work_code(struct slice name);
void sim_answer(const char *input, char *out, size_t size); /* what every activity answers */

/* ---- model.c ---- */

void model_begin(void);
void model_end(void);
void model_commit(const struct pawl_batch *batch);          /* begun */
void model_committed(bool durable);                          /* ended: false: perhaps, the next one who recovers will tell */
void model_asked_to_go(const char *id);
void model_purging(const char *id, bool done);
void model_recovered(struct pawl_provider *p);              /* somebody is the owner now */
void model_check_attempt(const char *id, uint64_t execution, uint64_t seq, uint32_t attempt, const char *what);
void model_look_at_the_end(struct pawl_provider *p);
const char *model_live(bool collectors);            /* one that has not ended, of collectors only when asked for; or NULL */

/* What was sent or dropped: a text that is its own, for one instance. */
struct promise {
	char id[72];        /* for whom */
	unsigned number;
	size_t len;         /* of its text */
	bool start;         /* it is the start of that instance */
	bool acked;         /* it must be there, once */
	bool tearable;      /* parts of it may be what came: who wrote it died, or the power went before it was synced */
	bool replaced;      /* another was dropped under its name before it was taken */
	bool hidden;        /* it was dropped under a name that is not looked at: it never comes */
	unsigned seen;
};
struct promise *promise_new(const char *id, size_t len);
struct promise *promise_get(unsigned number);
void promise_text(const struct promise *p, char *out, size_t size);
void promises_power_lost(void);

#endif
