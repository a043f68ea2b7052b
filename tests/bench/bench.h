/*
 * bench.h - measuring closed loops: how long each operation took, and what the whole cost in device bytes, flushes and
 * context switches.
 *
 *	struct bench b;
 *	struct bench_result r = { .name = "..." };
 *	if (bench_start(&b, dir, count) == 0) {
 *		for (...) { bench_op_begin(&b); ...; bench_op_end(&b); }
 *		bench_stop(&b, &r);
 *	}
 *	bench_print(&r);
 *
 * Device counters are the whole device's: measure on a machine that does nothing else. What is written back later is not
 * in them: sync before bench_stop() to have it counted.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counters since boot (device) or since the start of the process. */
struct bench_counters {
	bool device_known;        /* false: no block device is behind that path */
	uint64_t device_bytes, device_writes, device_flushes;
	bool process_known;       /* false: no /proc/self/io */
	uint64_t process_bytes;   /* what this process made dirty and did not truncate again */
	uint64_t switches;        /* voluntary and involuntary, of all its threads */
};

struct bench_result {
	const char *name;
	char error[192];          /* why it could not be measured; "" when it was */
	uint64_t ops;
	double seconds;           /* from bench_start to bench_stop */
	int64_t p50_ns, p90_ns, p99_ns, max_ns; /* 0 when single operations were not measured */
	struct bench_counters cost; /* of all operations */
};

struct bench {
	const char *path;
	int64_t *samples;
	size_t count, cap;
	int64_t start_ns, op_ns;
	struct bench_counters before;
};

int64_t bench_now_ns(void); /* CLOCK_MONOTONIC */
/* Counters of this process and of the device that path lies on. */
void bench_counters(const char *path, struct bench_counters *out);

/* Room for samples of `ops` operations; 0 = they are not measured one by one. 0, or -1 when out of memory. */
int bench_start(struct bench *b, const char *path, size_t ops);
void bench_op_begin(struct bench *b);
void bench_op_end(struct bench *b);
/* Fills in all but name and error, and frees. ops 0 in r: as many as were measured. */
void bench_stop(struct bench *b, struct bench_result *r);
/* Give up: r says why ("cannot open 'x': permission denied" with sys, an errno or 0). */
void bench_fail(struct bench_result *r, int sys, const char *what, const char *subject);

/* Sorts samples. percent 0 to 100, nearest rank; 0 when there are none. */
int64_t bench_percentile(int64_t *samples, size_t count, double percent);

void bench_print_head(void);
void bench_print(const struct bench_result *r); /* one line on stdout; "-" for what is not known */

/*
 * A table of results: what | measured | budget | verdict.
 *
 *	bench_table("chain");
 *	bench_row("step, p50", "<= 1.3 x fdatasync", bench_at_most(ratio, 1.3), "%.2f x", ratio);
 *	bench_row("history", NULL, BENCH_TOLD, "%.0f bytes", bytes);
 */
enum bench_verdict { BENCH_TOLD, BENCH_WITHIN, BENCH_OVER, BENCH_UNKNOWN };
void bench_table(const char *title);
void bench_row(const char *what, const char *budget, enum bench_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
enum bench_verdict bench_at_most(double value, double limit);
enum bench_verdict bench_at_least(double value, double limit);

/*
 * The floor under every durable step: overwrite `bytes` in a file that is preallocated and full of zeros, one fdatasync
 * each, in a closed loop.
 */
struct floor {
	char path[1024];
	char *data;
	size_t bytes;
	uint64_t steps;
	int fd;
};
int floor_open(struct floor *f, const char *dir, size_t bytes); /* -1 with errno; close it then too */
int floor_step(struct floor *f);
void floor_close(struct floor *f);
struct bench_result floor_run(const char *dir, size_t bytes, unsigned ops);

#endif
