/*
 * rig.h - the runtime under measurement: hubs on the disk that is asked about, runtimes in a thread or a child process.
 *
 * All of a program's hubs lie in one directory that goes at its end, or later when $BENCH_KEEP is set: where thousands of
 * files were removed a moment ago, ext4 makes new ones slowly, and the next measurement would be of that.
 */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include "bench.h"
#include "runtime/runtime.h"
#include <pawl/pawl.h>
#include <pthread.h>

#define RIG_PATH_BYTES 512

struct rig {
	pawl_runtime *rt;
	pthread_t thread;
};

/* The directory for this run's files: below argv[1], $BENCH_DIR or the working directory. Also settles what pawl_main
 * settles for the whole process (one malloc arena), and lets errors only into the log. Ends the program when it cannot. */
const char *rig_begin(int argc, char **argv, const char *name);
void rig_end(void);
/* The path of a hub that was not used yet. */
void rig_path(char path[RIG_PATH_BYTES], const char *name, unsigned number);

/* Any failure ends the program with its text: a measurement that half works is none. */
_Noreturn void rig_die(const char *what, const struct pawl_error *err);
void rig_open(struct rig *h, const char *path, const pawl_options *more);
void rig_run(struct rig *h);                                  /* pawl_run in a thread */
/* Stop, wait, close; the provider's counters before that are in *stats when it is not NULL. */
void rig_close(struct rig *h, struct pawl_provider_stats *stats);
void rig_start(struct rig *h, const char *type, const char *id, const char *input, bool wait);
void rig_wait(struct rig *h, const char *id); /* until it has completed */
/* Looks from beside at what only the loop may read for certain: good enough to wait for. */
void rig_wait_turns(struct rig *h, uint64_t turns);      /* and nothing is under way any more */
void rig_wait_empty(struct rig *h, uint64_t activities); /* so many are done and no instance is live */

void rig_sleep_us(long us);
void rig_sync(const char *dir); /* syncfs: what was written counts for the device */

/* A child that runs fn, which may write to fd; it is killed by rig_kill. */
struct child {
	pid_t pid;
	int fd;
};
struct child rig_fork(void (*fn)(int fd, const void *arg), const void *arg);
void rig_kill(struct child *c); /* -9, and waits */
void rig_tell(int fd, const void *data, size_t size);
void rig_hear(const struct child *c, void *data, size_t size);

/* Pages of its own; < 0: not known. *dirty_kib (may be NULL): those of them that are no file's. */
double rig_private_kib(pid_t pid, double *dirty_kib);
uint64_t rig_switches(pid_t pid, uint64_t *voluntary); /* of all its threads, since they began */

#endif
