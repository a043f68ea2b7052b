/*
 * Memory runs out at the Nth allocation of a turn, for N = 1, 2, 3 ... until a turn in which nothing failed. Each time
 * the turn must fail with PAWL_ENOMEM, decide nothing, and succeed when it is tried again from history (I7).
 *
 * malloc is replaced by name, which works with glibc and without a sanitizer; elsewhere the test is skipped.
 */
#include "unit/engine_world.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(SANITIZED)
#define CAN_FAIL 1
#endif

static long countdown = -1; /* < 0: never */
static long live;

#ifdef CAN_FAIL
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);

static bool fails(void)
{
	if (countdown < 0 || countdown-- > 0)
		return false;
	countdown = 0; /* and from then on */
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	void *p = fails() ? NULL : __libc_malloc(size);
	live += p != NULL;
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __libc_calloc(n, size);
	live += p != NULL;
	return p;
}

void *realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : __libc_realloc(old, size);
	live += p && !old;
	return p;
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}
#endif

static int busy(pawl_ctx *ctx, const char *input)
{
	const char *codes[] = { "exit:9", NULL };
	pawl_retry retry = { .max_attempts = 3, .not_on = codes };
	pawl_call_options o = { .retry = &retry, .tag = "t", .session = "s" };
	pawl_task *tasks[40];

	for (int i = 0; i < 40; i++)
		tasks[i] = i % 3 == 0 ? pawl_activity_with(ctx, "a", input, &o) :
			   i % 3 == 1 ? pawl_timer(ctx, i) :
					pawl_event(ctx, pawl_printf(ctx, "event-%d", i));
	pawl_message(ctx, tasks[0], input);
	pawl_set_status(ctx, pawl_uuid(ctx));
	pawl_set(ctx, "key", pawl_uuid(ctx));
	pawl_set(ctx, "gone", input);
	pawl_clear(ctx, "gone");
	if (pawl_patched(ctx, "p"))
		pawl_set(ctx, "key", pawl_printf(ctx, "%s, then %s", pawl_get(ctx, "key"), input));
	pawl_patch_deprecated(ctx, "q");
	pawl_any_of(ctx, tasks, 40);
	pawl_await(ctx, pawl_event(ctx, "last"));
	return pawl_fail(ctx, "done with %s", input);
}

struct attempt {
	struct message messages[8];
	struct turn turn;
};

static void prepare(struct attempt *a, int which)
{
	static const struct event start[] = {
		{ .type = EVENT_ExecutionStarted, .fields = FIELD_NAME | FIELD_VERSION | FIELD_SEED | FIELD_DATA | FIELD_ID,
		  .name = { "f", 1 }, .version = { "1", 1 }, .data = { "input", 5 }, .id = { "id-1", 4 } },
		{ .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_KEY | FIELD_ID, .name = { "early", 5 },
		  .key = { "k", 1 }, .id = { "id-2", 4 } },
	}, later[] = {
		{ .type = EVENT_ActivityFailed, .fields = FIELD_REF | FIELD_ERROR, .ref = 3, .attempt = 1,
		  .error = { { "process", 7 }, { "c", 1 }, { "m", 1 }, { "details", 7 }, true } },
		{ .type = EVENT_EventRaised, .fields = FIELD_NAME | FIELD_DATA | FIELD_ID, .name = { "event-2", 7 },
		  .data = { "payload", 7 }, .id = { "id-3", 4 } },
		{ .type = EVENT_ActivityRebooting, .fields = FIELD_REF | FIELD_ATTEMPT | FIELD_DUE | FIELD_DATA, .ref = 9, .attempt = 1,
		  .data = { "slot b", 6 }, .due = { { "1f3a77c0", 8 }, 5, WORLD_TIME } },
		{ .type = EVENT_ActivityFailed, .fields = FIELD_REF | FIELD_ERROR | FIELD_DELAY, .ref = 6, .attempt = 1,
		  .delay_ms = EVENT_DELAY_HELD, .error = { { "stuck", 5 }, { "c", 1 }, { "m", 1 }, { NULL, 0 }, false } },
		{ .type = EVENT_ActivityRetrying, .fields = FIELD_REF | FIELD_REASON | FIELD_ID, .ref = 6, .reason = { "fixed", 5 },
		  .id = { "id-4", 4 } },
		{ .type = EVENT_EventRaised, .fields = FIELD_NAME, .name = { "last", 4 } },
	};
	const struct event *events = which == 0 ? start : later;

	memset(a, 0, sizeof *a);
	a->turn = (struct turn){ .time_ns = WORLD_TIME, .boot = SLICE("x"), .messages = a->messages };
	a->turn.message_count = which == 0 ? 2 : 6;
	for (size_t i = 0; i < a->turn.message_count; i++)
		a->messages[i].event = events[i];
}

/* The turn, with no memory after n allocations. NULL options mean a new one; its result. */
static int try(struct buf *text, int which, bool resident, long n, struct attempt *a, struct buf *out)
{
	struct engine_options options = { .resident = resident };
	struct execution *x = NULL;
	struct pawl_error err;
	struct history h;

	history_init(&h);
	assert_int_equal(history_parse(&h, buf_slice(text), NULL), 0);
	prepare(a, which);
	countdown = n;
	int rc = execution_new(&x, "order-1", 1, busy, &options, &err);
	if (rc == 0)
		rc = execution_load(x, &h, &err);
	if (rc == 0)
		rc = execution_turn(x, &a->turn, &err);
	countdown = -1;
	if (rc < 0) {
		assert_int_equal(err.code, rc);
		assert_int_equal(a->turn.event_count, 0);
		assert_false(a->turn.ended);
	}
	for (size_t i = 0; rc == 0 && i < a->turn.event_count; i++)
		assert_int_equal(event_encode(out, &a->turn.events[i]), 0);
	execution_free(x);
	history_release(&h);
	coro_trim();
	return rc;
}

static void a_turn_without_memory_fails_whole_and_works_later(void **state)
{
	struct buf text = BUF_INIT;
	struct attempt a;
	unsigned failures = 0;
	(void)state;
#ifndef CAN_FAIL
	skip();
#endif
	for (int which = 0; which < 2; which++) {
		struct buf expected = BUF_INIT;
		assert_int_equal(try(&text, which, false, -1, &a, &expected), 0);
		for (int resident = 0; resident < 2; resident++) {
			int rc = PAWL_ENOMEM;
			for (long n = 0; rc < 0; n++) {
				struct buf out = BUF_INIT;
				long before = live;
				buf_reserve(&out, expected.len + 1000);
				rc = try(&text, which, resident, n, &a, &out);
				if (rc < 0)
					assert_int_equal(rc, PAWL_ENOMEM);
				else
					assert_string_equal(buf_str(&out), buf_str(&expected));
				failures += rc < 0;
				buf_release(&out);
				assert_int_equal(live, before);
			}
		}
		buf_add_slice(&text, buf_slice(&expected));
		buf_release(&expected);
	}
	assert_true(failures > 100);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_without_memory_fails_whole_and_works_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
