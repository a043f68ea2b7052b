/*
 * monitor.c - look, sleep, look again; until the value reaches a threshold, or until somebody says stop.
 *
 * Input: FILE THRESHOLD SECONDS [LOOKS], the last one for itself: after each LOOKS_EACH looks it continues as new, so its
 * history stays short however long it runs. The file begins with a number, such as /sys/class/thermal/thermal_zone0/temp or
 * /proc/loadavg. Event: stop. Output: why it ended.
 */
#include <pawl/pawl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS_EACH 20

/* The number that a file begins with. */
static int look(pawl_work *work, const char *path)
{
	FILE *file = fopen(path, "r");
	double value;

	if (!file)
		return pawl_work_fail(work, "open", "cannot open '%s': %s", path, strerror(errno));
	int numbers = fscanf(file, "%lf", &value);
	fclose(file);
	if (numbers != 1)
		return pawl_work_fail(work, "value", "'%s' does not begin with a number", path);
	return pawl_work_return(work, "%g", value);
}
PAWL_ACTIVITY(look);

static const pawl_retry three_times = { .max_attempts = 3, .first_ms = PAWL_MS(200) };
static const pawl_call_options retried = { .retry = &three_times };

static int watch(pawl_ctx *ctx, const char *path, double threshold, double seconds, long looks)
{
	pawl_task *stop = pawl_event(ctx, "stop"); /* one wait for the whole loop: it stays open over the rounds */

	for (long round = looks + 1; round <= looks + LOOKS_EACH; round++) {
		const char *value = pawl_call_with(ctx, "look", path, &retried);
		if (!value)
			return pawl_rethrow(ctx);
		if (strtod(value, NULL) >= threshold)
			return pawl_return(ctx, pawl_printf(ctx, "reached %s at look %ld", value, round));
		pawl_set_status(ctx, pawl_printf(ctx, "%s of %g at look %ld", value, threshold, round));

		pawl_task *pause = pawl_timer(ctx, (int64_t)(seconds * 1000));
		if (pawl_first(ctx, stop, pause) == stop) { /* not pawl_any: it would cancel the other, and stop is still needed */
			if (!pawl_result(stop)) /* the wait was canceled, as the instance is */
				return pawl_rethrow(ctx);
			pawl_cancel(ctx, pause);
			return pawl_return(ctx, pawl_printf(ctx, "stopped at %s after %ld looks", value, round));
		}
	}
	/* the same instance with an empty history; a stop that comes just now is not lost, the next execution gets it */
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%s %.17g %.17g %ld", path, threshold, seconds, looks + LOOKS_EACH));
}

static int monitor(pawl_ctx *ctx, const char *input)
{
	char *path = pawl_printf(ctx, "%s", input), *end;
	char *numbers = strchr(path, ' ');

	if (!numbers)
		return pawl_fail(ctx, "the input '%s' is not FILE THRESHOLD SECONDS", input);
	*numbers++ = '\0';
	double threshold = strtod(numbers, &end);
	double seconds = strtod(end, &end);
	long looks = strtol(end, &end, 10);
	if (*end || looks < 0 || seconds < 0.1 || seconds > 86400)
		return pawl_fail(ctx, "'%s' is not THRESHOLD SECONDS (0.1 to 86400)", numbers);
	return watch(ctx, path, threshold, seconds, looks);
}
PAWL_ORCHESTRATION(monitor, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
