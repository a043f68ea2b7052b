/*
 * aggregator.c - many sources, one sum: an entity is state with one writer, however many send to it at the same time.
 *
 *	sensor s1 ── add 17 ──┐
 *	sensor s2 ── add 21 ──┼──► gauge "hall": COUNT SUM MIN MAX ◄── get ── report
 *	sensor s3 ── add 19 ──┘
 *
 * `sensor`: input KEY VALUE..., adds each. `report`: input KEY, returns what has come so far and begins anew. `move`: input
 * FROM TO, puts what one gauge has into another, with both locked, so nobody sees it twice or not at all.
 */
#include <pawl/pawl.h>
#include <stdlib.h>
#include <string.h>

struct sums {
	long long count, sum, min, max;
};

static struct sums parse(const char *text)
{
	struct sums s;
	char *at;

	s.count = strtoll(text, &at, 10);
	s.sum = strtoll(at, &at, 10);
	s.min = strtoll(at, &at, 10);
	s.max = strtoll(at, NULL, 10);
	return s;
}

static const char *print(pawl_ctx *ctx, struct sums s)
{
	return pawl_printf(ctx, "%lld %lld %lld %lld", s.count, s.sum, s.min, s.max);
}

static struct sums merge(struct sums a, struct sums b)
{
	if (a.count == 0 || b.count == 0)
		return a.count ? a : b;
	return (struct sums){ a.count + b.count, a.sum + b.sum, a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max };
}

/* Called once for each operation, one after the other. Operations: add VALUE, merge SUMS, get, take. */
static int gauge(pawl_ctx *ctx, const char *input)
{
	const char *operation = pawl_operation(ctx), *before = pawl_state(ctx);
	struct sums s = parse(before);

	if (strcmp(operation, "add") == 0) {
		char *end;
		long long n = strtoll(input, &end, 10);
		if (end == input || *end)
			return pawl_fail(ctx, "'%s' is not a number", input); /* the state stays as it was */
		s = merge(s, (struct sums){ 1, n, n, n });
	} else if (strcmp(operation, "merge") == 0) {
		s = merge(s, parse(input));
	} else if (strcmp(operation, "take") == 0) {
		pawl_set_state(ctx, NULL); /* nothing is left of it: the entity ends */
		return pawl_return(ctx, *before ? before : "0 0 0 0");
	} else if (strcmp(operation, "get") != 0) {
		return pawl_fail(ctx, "a gauge has no operation '%s'", operation);
	}
	pawl_set_state(ctx, print(ctx, s));
	return pawl_return(ctx, pawl_state(ctx));
}
PAWL_ENTITY(gauge, "1.0.0");

/* "KEY REST": the key is cut off, the rest is returned. */
static char *cut(char *text)
{
	char *space = strchr(text, ' ');

	if (!space)
		return text + strlen(text);
	*space = '\0';
	return space + 1;
}

static int sensor(pawl_ctx *ctx, const char *input)
{
	char *key = pawl_printf(ctx, "%s", input);
	int sent = 0;

	for (char *value = cut(key); *value; sent++) {
		char *next = cut(value);
		pawl_signal(ctx, "gauge", key, "add", value); /* not answered, so nothing to wait for */
		value = next;
	}
	return pawl_return(ctx, pawl_printf(ctx, "%d", sent));
}
PAWL_ORCHESTRATION(sensor, "1.0.0");

static int report(pawl_ctx *ctx, const char *key)
{
	const char *sums = pawl_call_entity(ctx, "gauge", key, "take", "");

	if (!sums)
		return pawl_rethrow(ctx);
	struct sums s = parse(sums);
	return pawl_return(ctx, pawl_printf(ctx, "{\"count\":%lld,\"sum\":%lld,\"min\":%lld,\"max\":%lld}", s.count, s.sum, s.min, s.max));
}
PAWL_ORCHESTRATION(report, "1.0.0");

static int move(pawl_ctx *ctx, const char *input)
{
	char *from = pawl_printf(ctx, "%s", input), *to = cut(from);

	if (pawl_lock(ctx, (const char *const[]){ "gauge", from, "gauge", to, NULL }) < 0)
		return pawl_rethrow(ctx);
	const char *sums = pawl_call_entity(ctx, "gauge", from, "take", "");
	const char *after = sums ? pawl_call_entity(ctx, "gauge", to, "merge", sums) : NULL;
	return after ? pawl_return(ctx, after) : pawl_rethrow(ctx); /* the lock ends with the execution */
}
PAWL_ORCHESTRATION(move, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
