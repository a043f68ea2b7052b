/*
 * types.c - the orchestrations of the load. Each tells the checksum of all that came back to it, so a result that was lost,
 * changed, or taken twice shows in its output.
 *
 *	steps SEED COUNT     activities one after the other, some with inputs or outputs over 32 KiB
 *	waits COUNT          so many events `go`
 *	rounds COUNT         an activity and an event, then continue-as-new, so many times
 *	family SEED COUNT    children that are `steps`, all at once
 *	wide SEED COUNT      activities all at once, of inputs just below 32 KiB: one commit that is larger than a segment
 *	sends TARGET COUNT   an activity, then an event for another instance, so many times
 */
#include "types.h"
#include "acks.h"
#include "base/crc32c.h"
#include <pawl/pawl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG 40000
#define WIDE 30000

void types_fill(char *out, size_t len, uint32_t number)
{
	size_t at = 0;

	while (at < len) {
		number = number * 1664525 + 1013904223;
		for (unsigned bits = 0; bits < 30 && at < len; bits += 5)
			out[at++] = "abcdefghijklmnopqrstuvwxyz012345"[number >> bits & 31];
	}
	out[len] = '\0';
}

/* Most are small; one in nine does not fit into a line. */
static size_t length_of(uint32_t number)
{
	return number % 9 == 0 ? BIG + number % 3000 : number % 7 * 500;
}

static int work(pawl_work *work, const char *input)
{
	static _Thread_local char text[BIG + 3001];
	const char *key = pawl_work_key(work), *seq = strrchr(key, '/');
	size_t in = strlen(input);
	uint32_t crc = crc32c(0, input, in);

	ack_write(ACK_BEGAN, pawl_work_instance(work), pawl_work_execution(work), seq ? seq + 1 : "0", input, in);
	types_fill(text, length_of(crc), crc);
	return pawl_work_return(work, "%08x%s", crc, text);
}
PAWL_ACTIVITY(work);

static uint32_t add(uint32_t sum, const char *text)
{
	return crc32c(sum, text, strlen(text));
}

static const char *call(pawl_ctx *ctx, uint32_t number)
{
	size_t len = length_of(number * 31);
	char *text = pawl_alloc(ctx, len + 1);

	types_fill(text, len, number);
	return pawl_call(ctx, "work", pawl_printf(ctx, "%u %s", number, text));
}

static int tell(pawl_ctx *ctx, uint32_t sum)
{
	return pawl_return(ctx, pawl_printf(ctx, "%08x", sum));
}

static int steps(pawl_ctx *ctx, const char *input)
{
	char *end;
	uint32_t seed = (uint32_t)strtoul(input, &end, 10), count = (uint32_t)strtoul(end, NULL, 10), sum = seed;

	for (uint32_t i = 0; i < count; i++) {
		const char *text = call(ctx, seed + i * 977);
		if (!text)
			return pawl_rethrow(ctx);
		sum = add(sum, text);
		if (i % 2)
			pawl_set_status(ctx, pawl_printf(ctx, "%u", i));
		pawl_set(ctx, "sum", pawl_printf(ctx, "%u", sum));
	}
	return tell(ctx, sum);
}
PAWL_ORCHESTRATION(steps, "1");

static int waits(pawl_ctx *ctx, const char *input)
{
	uint32_t sum = 0;

	for (unsigned long count = strtoul(input, NULL, 10); count; count--) {
		const char *data = pawl_wait_event(ctx, "go", -1);
		if (!data)
			return pawl_rethrow(ctx);
		sum += add(0, data); /* in whatever order */
	}
	return tell(ctx, sum);
}
PAWL_ORCHESTRATION(waits, "1");

static int rounds(pawl_ctx *ctx, const char *input)
{
	char *end;
	uint32_t count = (uint32_t)strtoul(input, &end, 10), sum = (uint32_t)strtoul(end, NULL, 10);
	const char *text = call(ctx, count * 7919), *data = text ? pawl_wait_event(ctx, "go", -1) : NULL;

	if (!data)
		return pawl_rethrow(ctx);
	sum += add(0, text) + add(0, data);
	return count > 1 ? pawl_continue_as_new(ctx, pawl_printf(ctx, "%u %u", count - 1, sum)) : tell(ctx, sum);
}
PAWL_ORCHESTRATION(rounds, "1");

static int family(pawl_ctx *ctx, const char *input)
{
	pawl_task *children[8];
	char *end;
	uint32_t seed = (uint32_t)strtoul(input, &end, 10), count = (uint32_t)strtoul(end, NULL, 10) % 8, sum = seed;

	for (uint32_t i = 0; i < count; i++)
		children[i] = pawl_child(ctx, "steps", pawl_printf(ctx, "%u %u", seed + i * 131, 1 + (seed + i) % 3));
	if (pawl_all_of(ctx, children, count) > 0)
		return pawl_rethrow(ctx);
	for (uint32_t i = 0; i < count; i++)
		sum = add(sum, pawl_result(children[i]));
	return tell(ctx, sum);
}
PAWL_ORCHESTRATION(family, "1");

static int wide(pawl_ctx *ctx, const char *input)
{
	pawl_task *tasks[8];
	char *end;
	uint32_t seed = (uint32_t)strtoul(input, &end, 10), count = (uint32_t)strtoul(end, NULL, 10) % 8, sum = seed;

	for (uint32_t i = 0; i < count; i++) {
		char *text = pawl_alloc(ctx, WIDE + 1);
		types_fill(text, WIDE, seed + i);
		tasks[i] = pawl_activity(ctx, "work", text);
	}
	if (pawl_all_of(ctx, tasks, count) > 0)
		return pawl_rethrow(ctx);
	for (uint32_t i = 0; i < count; i++)
		sum = add(sum, pawl_result(tasks[i]));
	return tell(ctx, sum);
}
PAWL_ORCHESTRATION(wide, "1");

static int sends(pawl_ctx *ctx, const char *input)
{
	char *target = pawl_printf(ctx, "%s", input), *blank = strchr(target, ' ');
	uint32_t count = blank ? (uint32_t)strtoul(blank, NULL, 10) : 0, sum = count;

	if (blank)
		*blank = '\0';
	for (uint32_t i = 0; i < count; i++) {
		const char *text = call(ctx, sum);
		if (!text)
			return pawl_rethrow(ctx);
		sum = add(sum, text);
		if (!pawl_await(ctx, pawl_send(ctx, target, "go", pawl_printf(ctx, "s%u", sum))))
			return pawl_rethrow(ctx);
	}
	return tell(ctx, sum);
}
PAWL_ORCHESTRATION(sends, "1");

void types_register(void)
{
}
