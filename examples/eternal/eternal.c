/*
 * eternal.c - a loop without an end: every round is an execution of its own, so its history never grows.
 *
 *	wait for the time, or for `now` ─► tidy ─► continue as new ─┐
 *	      ▲──────────────────────────────────────────────────────┘
 *
 * Input: DIR KEEP SECONDS: of the files in DIR the KEEP with the last names stay (logs with a date in their names), looked at
 * every so many seconds. Events: now (look at once), keep (another number), stop. Values: rounds, removed.
 */
#include <pawl/pawl.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_file_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* "KEEP DIR": removes what is too much, and returns how many that were. */
static int tidy(pawl_work *work, const char *input)
{
	char *dir, path[4096];
	long keep = strtol(input, &dir, 10), removed = 0;
	struct dirent **names;
	int count = scandir(++dir, &names, is_file_name, alphasort);

	if (count < 0)
		return pawl_work_fail(work, "open", "cannot read '%s': %s", dir, strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%.2000s/%s", dir, names[i]->d_name);
		if (i < count - keep && unlink(path) == 0)
			removed++;
		free(names[i]);
	}
	free(names);
	return pawl_work_return(work, "%ld", removed);
}
PAWL_ACTIVITY(tidy);

static const pawl_retry for_ever = { .max_attempts = 1000, .first_ms = PAWL_SECONDS(1), .coefficient = 2, .max_ms = PAWL_HOURS(1) };
static const pawl_call_options patient = { .retry = &for_ever };

static void count(pawl_ctx *ctx, const char *key, long more)
{
	const char *before = pawl_get(ctx, key);

	pawl_set(ctx, key, pawl_printf(ctx, "%ld", (before ? strtol(before, NULL, 10) : 0) + more));
}

/* One round. Values, the custom status and events nobody has taken go over into the next. */
static int run_round(pawl_ctx *ctx, const char *dir, long keep, double seconds)
{
	pawl_task *pause = pawl_timer(ctx, (int64_t)(seconds * 1000)), *now = pawl_event(ctx, "now");
	pawl_task *other = pawl_event(ctx, "keep"), *stop = pawl_event(ctx, "stop");
	pawl_task *first = pawl_any(ctx, pause, now, other, stop);

	if (pawl_task_failure(first)) /* canceled */
		return pawl_rethrow(ctx);
	if (first == stop)
		return pawl_return(ctx, pawl_get(ctx, "removed"));
	if (first == other)
		keep = strtol(pawl_result(other), NULL, 10);
	const char *removed = pawl_call_with(ctx, "tidy", pawl_printf(ctx, "%ld %s", keep, dir), &patient);
	if (!removed)
		return pawl_rethrow(ctx);
	count(ctx, "rounds", 1);
	count(ctx, "removed", strtol(removed, NULL, 10));
	return pawl_continue_as_new(ctx, pawl_printf(ctx, "%s %ld %.17g", dir, keep, seconds));
}

static int keeper(pawl_ctx *ctx, const char *input)
{
	char *dir = pawl_printf(ctx, "%s", input), *numbers = strchr(dir, ' '), *end = numbers;
	long keep = numbers ? strtol(numbers, &end, 10) : -1;
	double seconds = numbers ? strtod(end, &end) : -1;

	if (!numbers || numbers == dir || *end || keep < 0 || seconds <= 0 || seconds > 86400 || strlen(dir) > 2000)
		return pawl_fail(ctx, "the input '%s' is not DIR KEEP SECONDS", input);
	*numbers = '\0';
	return run_round(ctx, dir, keep, seconds);
}
PAWL_ORCHESTRATION(keeper, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
