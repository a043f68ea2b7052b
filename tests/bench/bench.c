/* bench.c - clocks, counters, percentiles, and the line that is printed. */
#include "bench.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define SECTOR_BYTES 512
#define STAT_FIELDS 17

int64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- counters ---- */

/* Documentation/block/stat.rst: 5 write I/Os, 7 sectors written, 16 flushes (from Linux 5.5). */
static bool read_device(const char *path, struct bench_counters *out)
{
	uint64_t field[STAT_FIELDS + 1] = { 0 };
	int count = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (count < STAT_FIELDS && fscanf(f, "%" SCNu64, &field[count + 1]) == 1)
		count++;
	fclose(f);
	if (count < 11)
		return false;
	out->device_writes = field[5];
	out->device_bytes = field[7] * SECTOR_BYTES;
	out->device_flushes = field[16];
	return true;
}

/* Where a path is on a partition, the disk has the counts: flushes are not told for partitions. */
static bool device_counters(const char *path, struct bench_counters *out)
{
	char name[64], file[96];
	struct stat st;

	if (getenv("BENCH_STAT"))
		return read_device(getenv("BENCH_STAT"), out);
	if (stat(path, &st) < 0)
		return false;
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	snprintf(file, sizeof(file), "%s/partition", name);
	bool partition = stat(file, &st) == 0;
	snprintf(file, sizeof(file), "%s/%sstat", name, partition ? "../" : "");
	return read_device(file, out);
}

static bool process_counters(struct bench_counters *out)
{
	char line[96];
	bool found = false;
	FILE *f = fopen("/proc/self/io", "re");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "write_bytes: %" SCNu64, &out->process_bytes) == 1;
	fclose(f);
	return found;
}

void bench_counters(const char *path, struct bench_counters *out)
{
	struct rusage usage;

	*out = (struct bench_counters){ .device_known = false };
	out->device_known = device_counters(path, out);
	out->process_known = process_counters(out);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		out->switches = (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw;
}

static struct bench_counters difference(const struct bench_counters *a, const struct bench_counters *b)
{
	return (struct bench_counters){
		.device_known = a->device_known && b->device_known,
		.device_bytes = b->device_bytes - a->device_bytes,
		.device_writes = b->device_writes - a->device_writes,
		.device_flushes = b->device_flushes - a->device_flushes,
		.process_known = a->process_known && b->process_known,
		.process_bytes = b->process_bytes - a->process_bytes,
		.switches = b->switches - a->switches,
	};
}

/* ---- a run ---- */

int bench_start(struct bench *b, const char *path, size_t ops)
{
	*b = (struct bench){ .path = path, .cap = ops };
	b->samples = ops ? calloc(ops, sizeof(*b->samples)) : NULL;
	if (ops && !b->samples)
		return -1;
	bench_counters(path, &b->before);
	b->start_ns = bench_now_ns();
	return 0;
}

void bench_op_begin(struct bench *b)
{
	b->op_ns = bench_now_ns();
}

void bench_op_end(struct bench *b)
{
	if (b->count < b->cap)
		b->samples[b->count++] = bench_now_ns() - b->op_ns;
}

void bench_stop(struct bench *b, struct bench_result *r)
{
	struct bench_counters after;
	int64_t end_ns = bench_now_ns();

	bench_counters(b->path, &after);
	r->seconds = (double)(end_ns - b->start_ns) / 1e9;
	r->cost = difference(&b->before, &after);
	if (r->ops == 0)
		r->ops = b->count;
	r->p50_ns = bench_percentile(b->samples, b->count, 50);
	r->p90_ns = bench_percentile(b->samples, b->count, 90);
	r->p99_ns = bench_percentile(b->samples, b->count, 99);
	r->max_ns = bench_percentile(b->samples, b->count, 100);
	free(b->samples);
	b->samples = NULL;
}

void bench_fail(struct bench_result *r, int sys, const char *what, const char *subject)
{
	snprintf(r->error, sizeof(r->error), "%s '%s'%s%s", what, subject, sys ? ": " : "", sys ? strerror(sys) : "");
}

static int compare_samples(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t bench_percentile(int64_t *samples, size_t count, double percent)
{
	if (count == 0)
		return 0;
	qsort(samples, count, sizeof(*samples), compare_samples);
	double rank = percent / 100 * (double)count;
	size_t index = (size_t)rank;
	if ((double)index < rank)
		index++; /* the smallest sample that at least so many percent do not exceed */
	if (index > count)
		index = count;
	return samples[index ? index - 1 : 0];
}

/* ---- printing ---- */

static void print_cell(bool known, double value, int digits)
{
	if (known)
		printf(" %10.*f", digits, value);
	else
		printf(" %10s", "-");
}

void bench_print_head(void)
{
	printf("%-40s %9s %10s %10s %10s %10s %10s %10s %10s\n", "", "ops", "ops/s", "p50 ms", "p99 ms", "max ms",
	       "dev KiB/op", "flush/op", "switch/op");
}

void bench_print(const struct bench_result *r)
{
	double ops = r->ops ? (double)r->ops : 1;
	bool sampled = r->max_ns > 0;

	if (r->error[0]) {
		printf("%-40s %s\n", r->name, r->error);
		return;
	}
	printf("%-40s %9" PRIu64, r->name, r->ops);
	print_cell(r->seconds > 0, (double)r->ops / r->seconds, 0);
	print_cell(sampled, (double)r->p50_ns / 1e6, 3);
	print_cell(sampled, (double)r->p99_ns / 1e6, 3);
	print_cell(sampled, (double)r->max_ns / 1e6, 3);
	print_cell(r->cost.device_known, (double)r->cost.device_bytes / ops / 1024, 2);
	print_cell(r->cost.device_known, (double)r->cost.device_flushes / ops, 2);
	print_cell(true, (double)r->cost.switches / ops, 2);
	printf("\n");
	fflush(stdout);
}

/* ---- tables ---- */

void bench_table(const char *title)
{
	printf("\n%-58s | %-34s | %-24s | %s\n", title, "measured", "budget", "verdict");
	printf("%.58s-|-%.34s-|-%.24s-|--------\n", "----------------------------------------------------------",
	       "----------------------------------------------------------", "------------------------------");
}

void bench_row(const char *what, const char *budget, enum bench_verdict verdict, const char *fmt, ...)
{
	static const char *const names[] = { [BENCH_TOLD] = "", [BENCH_WITHIN] = "ok", [BENCH_OVER] = "OVER",
	                                    [BENCH_UNKNOWN] = "unknown" };
	char measured[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(measured, sizeof(measured), fmt, args);
	va_end(args);
	printf("%-58s | %-34s | %-24s | %s\n", what, measured, budget ? budget : "", names[verdict]);
	fflush(stdout);
}

enum bench_verdict bench_at_most(double value, double limit)
{
	return value <= limit ? BENCH_WITHIN : BENCH_OVER;
}

enum bench_verdict bench_at_least(double value, double limit)
{
	return value >= limit ? BENCH_WITHIN : BENCH_OVER;
}
