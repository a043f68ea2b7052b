/*
 * chaining.c - one step after the other; each gets what the one before has returned.
 *
 *	power on ─► settle (a timer) ─► sample ─► convert ─► store ─► power off
 *
 * Input: DIR SECONDS. DIR/raw stands for the converter of a sensor, DIR/power for its supply; the values go to DIR/values.
 * SECONDS is how long the sensor takes to settle.
 */
#include <pawl/pawl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* DIR/NAME, opened; NULL and the failure said. */
static FILE *open_file(pawl_work *work, const char *dir, const char *name, const char *mode)
{
	char path[512];

	snprintf(path, sizeof(path), "%.400s/%s", dir, name);
	FILE *f = fopen(path, mode);
	if (!f)
		pawl_work_fail(work, "open", "cannot open '%s': %s", path, strerror(errno));
	return f;
}

static int close_file(pawl_work *work, FILE *f, const char *name)
{
	return fclose(f) == 0 ? 0 : pawl_work_fail(work, "write", "cannot write '%s': %s", name, strerror(errno));
}

/* "DIR on" or "DIR off". Fit to be repeated: on is on, however often it is said. */
static int power(pawl_work *work, const char *input)
{
	const char *state = strrchr(input, ' ');
	char dir[400];

	snprintf(dir, sizeof(dir), "%.*s", (int)(state - input), input);
	FILE *f = open_file(work, dir, "power", "a");
	if (!f)
		return 0; /* open_file has said why */
	fprintf(f, "%s\n", state + 1);
	return close_file(work, f, "power");
}
PAWL_ACTIVITY(power);

static int sample(pawl_work *work, const char *dir)
{
	FILE *f = open_file(work, dir, "raw", "r");
	long raw = 0;

	if (!f)
		return 0;
	int numbers = fscanf(f, "%ld", &raw);
	fclose(f);
	if (numbers != 1)
		return pawl_work_fail(work, "value", "'%s/raw' is not a number", dir);
	return pawl_work_return(work, "%ld", raw);
}
PAWL_ACTIVITY(sample);

/* 12 bits for -40 to 125 degrees. */
static int convert(pawl_work *work, const char *raw)
{
	long n = strtol(raw, NULL, 10);

	if (n < 0 || n > 4095) /* trying again would not help */
		return pawl_work_fail_for_good(work, "range", "%ld is not within 0 to 4095: no sensor?", n);
	return pawl_work_return(work, "%.1f", -40 + (double)n * 165 / 4095);
}
PAWL_ACTIVITY(convert);

/* "DIR VALUE". A crash may repeat it; the key, which is the same in each attempt, tells that the line is there. */
static int store(pawl_work *work, const char *input)
{
	const char *value = strrchr(input, ' ');
	char dir[400], line[512], key[256];
	bool there = false;

	snprintf(dir, sizeof(dir), "%.*s", (int)(value - input), input);
	snprintf(key, sizeof(key), "%.200s ", pawl_work_key(work));
	FILE *f = open_file(work, dir, "values", "a+");
	if (!f)
		return 0;
	rewind(f);
	while (fgets(line, sizeof(line), f))
		there = there || strncmp(line, key, strlen(key)) == 0;
	if (!there)
		fprintf(f, "%s%s\n", key, value + 1);
	return close_file(work, f, "values");
}
PAWL_ACTIVITY(store);

static const pawl_retry a_few_times = { .max_attempts = 3, .first_ms = PAWL_MS(200), .coefficient = 2 };
static const pawl_call_options retried = { .retry = &a_few_times };

/* With the sensor on. NULL: some step failed, and pawl_failed says why. */
static const char *measure(pawl_ctx *ctx, const char *dir, double seconds)
{
	if (!pawl_await(ctx, pawl_timer(ctx, (int64_t)(seconds * 1000)))) /* not pawl_sleep: a cancel is to end it here */
		return NULL;
	const char *raw = pawl_call_with(ctx, "sample", dir, &retried);
	const char *celsius = raw ? pawl_call(ctx, "convert", raw) : NULL;
	if (!celsius || !pawl_call_with(ctx, "store", pawl_printf(ctx, "%s %s", dir, celsius), &retried))
		return NULL;
	return celsius;
}

static int measurement(pawl_ctx *ctx, const char *input)
{
	char *dir = pawl_printf(ctx, "%s", input), *space = strrchr(dir, ' '), *end;
	double seconds = space ? strtod(space, &end) : -1;

	if (!space || *end || space == dir || seconds < 0 || seconds > 3600 || strlen(dir) > 400)
		return pawl_fail(ctx, "the input '%s' is not DIR SECONDS", input);
	*space = '\0';
	if (!pawl_call(ctx, "power", pawl_printf(ctx, "%s on", dir)))
		return pawl_rethrow(ctx);
	const char *celsius = measure(ctx, dir, seconds);
	const pawl_failure *why = celsius ? NULL : pawl_failed(ctx);
	pawl_call(ctx, "power", pawl_printf(ctx, "%s off", dir)); /* whatever came of it */
	return why ? pawl_fail_with(ctx, why) : pawl_return(ctx, celsius);
}
PAWL_ORCHESTRATION(measurement, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
