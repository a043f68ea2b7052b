/*
 * process_world.h - jobs for the tests of process activities: a work directory each, the real shim ($PAWL_SHIM), a real
 * kernel and a real shell. All tests run twice: as the kernel is, and as before Linux 5.3 (a filter refuses pidfds).
 */
#ifndef PROCESS_WORLD_H
#define PROCESS_WORLD_H

#include "os/loop.h"
#include "runtime/process_impl.h"
#include <sys/types.h>

#define MS 1000000LL
#define OUTPUT_MAX (4 * 1024 * 1024)

struct CMUnitTest;

struct job {
	struct process *p;
	struct process_spec spec;
	const char *argv[8];
	char work[160];
	struct process_result r;
	int calls;
	struct job *cancel, *start; /* what the callback does */
};

extern struct loop *loop;
extern char dir[64];
extern char shim[512];

int process_setup(void **state);
int process_teardown(void **state); /* no child, zombie, descriptor, list may be left */
/* Runs the group twice. */
int process_run_tests(int (*run_all)(const char *name), const char *name);

int64_t now_ns(void);
const char *in_dir(const char *name);              /* in the directory of the test; four at a time */
const char *in_work(const struct job *j, const char *name);
void put_file(const char *path, const char *text, mode_t mode);
size_t get_file(const char *path, char *text, size_t size); /* -1: not there */

void job_run(struct job *j, const char *program, ...);
void job_shell(struct job *j, const char *script);
void job_start(struct job *j);
void job_wait(struct job *j);
void job_wait_at(struct job *j, int64_t boot_ns); /* from that time on, faster than time goes */
void job_end(struct job *j); /* start and wait */
void job_clear(struct job *j);
void job_done(void *arg, struct process_result *r); /* the callback */
enum process_found job_adopt(struct job *j, uint32_t attempt);
void expect(struct job *j, enum work_outcome outcome, const char *code, const char *message);
void expect_shell(const char *script, enum work_outcome outcome, const char *code, const char *message);
void expect_output(struct job *j, const char *text);

/* A fifo `ready` in the directory of the test, $READY in the scripts' environment: what they say when they are so far. */
void ready_wait(void);
void ready_read(char *text, size_t size);

bool has_ended(long pid); /* also a zombie that nobody reaps, as in a container */
void expect_end_of(long pid);
void expect_alive(long pid);
void read_claim(const struct job *j, struct claim *c);

#endif
