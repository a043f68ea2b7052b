/*
 * fanout.c - many activities at once, one result.
 *
 * Input: a number N, then the squares of 1 ... N are added up, each by an activity of its own; or a JSON list of paths,
 * then the words in these files are counted, each file by an activity of its own. `greetings` wants a JSON list of names, and
 * returns a list of greetings.
 */
#include <pawl/pawl.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 5000 /* all are begun in one turn, which may have PAWL_TURN_ACTIONS_MAX decisions */

static int square(pawl_work *work, const char *input)
{
	long long n = strtoll(input, NULL, 10);

	return pawl_work_return(work, "%lld", n * n);
}
PAWL_ACTIVITY(square);

static int count_words(pawl_work *work, const char *path)
{
	FILE *file = fopen(path, "r");
	long long words = 0;
	int c, before = ' ';

	if (!file) /* trying again would not help */
		return pawl_work_fail_for_good(work, "open", "cannot open '%s': %s", path, strerror(errno));
	while ((c = getc(file)) != EOF) {
		words += isspace(before) && !isspace(c);
		before = c;
		if (pawl_work_is_cancelled(work))
			break; /* nobody wants the result any more */
	}
	int failed = ferror(file);
	fclose(file);
	if (failed)
		return pawl_work_fail(work, "read", "cannot read '%s'", path);
	return pawl_work_return(work, "%lld", words);
}
PAWL_ACTIVITY(count_words);

static int greet(pawl_work *work, const char *name)
{
	return pawl_work_return(work, "Hello %s!", name);
}
PAWL_ACTIVITY(greet);

/* The next text of a JSON list, cut out in place; NULL at its end. Texts with backslashes are refused by the caller. */
static char *next_text(char **at)
{
	char *begin = strchr(*at, '"');
	char *end = begin ? strchr(begin + 1, '"') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return begin + 1;
}

static size_t split_list(char *text, const char **parts)
{
	size_t count = 0;

	if (*text != '[' || strchr(text, '\\'))
		return 0;
	for (char *part; count < PARTS_MAX && (part = next_text(&text)); count++)
		parts[count] = part;
	return count;
}

/* What is to be done: an activity and its inputs. Memory comes from ctx, so nothing has to be freed. */
static size_t split(pawl_ctx *ctx, const char *input, const char **activity, const char ***parts)
{
	char *text = pawl_printf(ctx, "%s", input), *end;
	long n = strtol(text, &end, 10);
	size_t count = 0;

	*parts = pawl_alloc(ctx, PARTS_MAX * sizeof(**parts));
	if (end != text && *end == '\0') {
		*activity = "square";
		for (; n > 0 && n <= PARTS_MAX && count < (size_t)n; count++)
			(*parts)[count] = pawl_printf(ctx, "%zu", count + 1);
	} else {
		*activity = "count_words";
		count = split_list(text, *parts);
	}
	return count;
}

/* All begin in one turn, and in one commit. */
static pawl_task **begin_all(pawl_ctx *ctx, const char *activity, const char **parts, size_t count)
{
	pawl_task **tasks = pawl_alloc(ctx, count * sizeof(*tasks));

	for (size_t i = 0; i < count; i++)
		tasks[i] = pawl_activity(ctx, activity, parts[i]);
	pawl_set_status(ctx, pawl_printf(ctx, "waits for %zu times %s", count, activity));
	return tasks;
}

static int fanout(pawl_ctx *ctx, const char *input)
{
	const char *activity = "", **parts;
	size_t count = split(ctx, input, &activity, &parts);
	long long sum = 0;

	if (count == 0)
		return pawl_fail(ctx, "the input '%.40s' is neither a number from 1 to %d nor a JSON list of paths",
		                 input, PARTS_MAX);
	pawl_task **tasks = begin_all(ctx, activity, parts, count);
	size_t failed = pawl_all_of(ctx, tasks, count);
	if (failed && pawl_is_cancelled(ctx))
		return pawl_rethrow(ctx);
	if (failed)
		return pawl_fail(ctx, "%zu of %zu failed, the first: %s", failed, count, pawl_failed(ctx)->message);
	for (size_t i = 0; i < count; i++)
		sum += strtoll(pawl_result(tasks[i]), NULL, 10);
	return pawl_return(ctx, pawl_printf(ctx, "{\"activity\":\"%s\",\"parts\":%zu,\"sum\":%lld}", activity, count, sum));
}
PAWL_ORCHESTRATION(fanout, "1.0.0");

/* The results are in the order in which they were begun, whichever was ready first. */
static int greetings(pawl_ctx *ctx, const char *input)
{
	const char **names = pawl_alloc(ctx, PARTS_MAX * sizeof(*names));
	size_t count = split_list(pawl_printf(ctx, "%s", input), names);
	size_t len = 0, size = sizeof("[]");

	if (count == 0)
		return pawl_fail(ctx, "the input '%.40s' is not a JSON list of names", input);
	pawl_task **tasks = begin_all(ctx, "greet", names, count);
	if (pawl_all_of(ctx, tasks, count))
		return pawl_rethrow(ctx);
	for (size_t i = 0; i < count; i++)
		size += pawl_result_len(tasks[i]) + strlen("\"\",");
	char *all = pawl_alloc(ctx, size);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(all + len, size - len, "%c\"%s\"", i ? ',' : '[', pawl_result(tasks[i]));
	all[len] = ']'; /* pawl_alloc gives zeroes */
	return pawl_return(ctx, all);
}
PAWL_ORCHESTRATION(greetings, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
