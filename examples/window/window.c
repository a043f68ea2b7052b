/*
 * window.c - a batch of children, at most so many of them at a time.
 *
 *	batch ─► item 1 ─► measure, check        each item is an instance of its own: its own history, status and retries
 *	      ─► item 2 ─► measure, check
 *	      ─► ...            when one ends the next begins
 *
 * Input: ITEMS WINDOW [MILLISECONDS]. Output: a JSON object. An item whose number ends with 7 is bad: that is counted, the
 * others go on.
 */
#include <pawl/pawl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ITEMS_MAX 10000
#define WINDOW_MAX 100

/* "ITEM MILLISECONDS" */
static int measure(pawl_work *work, const char *input)
{
	char *rest;
	long item = strtol(input, &rest, 10), ms = strtol(rest, NULL, 10);

	for (long left = ms; left > 0 && !pawl_work_is_cancelled(work); left -= 10)
		nanosleep(&(struct timespec){ 0, (left < 10 ? left : 10) * 1000 * 1000 }, NULL);
	return pawl_work_return(work, "%ld", item * 3);
}
PAWL_ACTIVITY(measure);

static int check(pawl_work *work, const char *input)
{
	long value = strtol(input, NULL, 10);

	if (value / 3 % 10 == 7)
		return pawl_work_fail_for_good(work, "bad", "the value %ld is out of range", value);
	return pawl_work_return(work, "%ld", value);
}
PAWL_ACTIVITY(check);

static int item(pawl_ctx *ctx, const char *input)
{
	const char *value = pawl_call(ctx, "measure", input);

	value = value ? pawl_call(ctx, "check", value) : NULL;
	return value ? pawl_return(ctx, value) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(item, "1.0.0");

struct totals {
	long done, bad;
	long long sum;
};

/* One that has ended is counted. False: this batch is to end too. */
static bool take(const pawl_task *child, struct totals *t)
{
	const pawl_failure *f = pawl_task_failure(child);

	t->done++;
	if (!f)
		t->sum += strtoll(pawl_result(child), NULL, 10);
	else if (strcmp(f->kind, "canceled") != 0)
		t->bad++;
	return !f || strcmp(f->kind, "canceled") != 0;
}

static int batch(pawl_ctx *ctx, const char *input)
{
	char *rest;
	long items = strtol(input, &rest, 10), window = strtol(rest, &rest, 10), ms = strtol(rest, &rest, 10);
	pawl_task *running[WINDOW_MAX];
	struct totals t = { 0 };
	size_t count = 0;

	if (items < 1 || items > ITEMS_MAX || window < 1 || window > WINDOW_MAX || ms < 0 || ms > 60000 || *rest)
		return pawl_fail(ctx, "the input '%s' is not ITEMS (1 to %d) WINDOW (1 to %d) [MILLISECONDS]", input, ITEMS_MAX, WINDOW_MAX);
	for (long next = 1; next <= items || count > 0; ) {
		while (next <= items && count < (size_t)window)
			running[count++] = pawl_child(ctx, "item", pawl_printf(ctx, "%ld %ld", next++, ms));
		pawl_task *first = pawl_first_of(ctx, running, count); /* not pawl_any_of: it would cancel the others */
		if (!take(first, &t))
			return pawl_fail_with(ctx, pawl_task_failure(first));
		size_t i = 0;
		while (running[i] != first)
			i++;
		running[i] = running[--count];
		pawl_set_status(ctx, pawl_printf(ctx, "%ld of %ld, %ld bad", t.done, items, t.bad));
	}
	return pawl_return(ctx, pawl_printf(ctx, "{\"items\":%ld,\"bad\":%ld,\"sum\":%lld}", t.done, t.bad, t.sum));
}
PAWL_ORCHESTRATION(batch, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
