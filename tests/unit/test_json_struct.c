/* test_json_struct.c - pawl/json.h: structs from JSON and to it, in orchestrations and activities, and hostile JSON. */
#include "unit/runtime_world.h"
#include "base/json_members.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pawl/json.h>

#define ORDER(X) X(TEXT, customer, PAWL_REQUIRED) X(INT, amount, 3) X(DOUBLE, price, 0.5) X(BOOL, express, true) X(BOOL, gift)            \
	X(TEXT, note, "no \"note\"") X(JSON, items) X(INT, plain) X(TEXT, nothing)
PAWL_JSON_STRUCT(order, ORDER)

#define POINT(X) X(DOUBLE, x) X(DOUBLE, y)
PAWL_JSON_STRUCT(point, POINT)

#define BAD(X) X(INT, n, 0x10)
PAWL_JSON_STRUCT(bad, BAD)


/* ---- the table alone ---- */

static void *alloc_text(void *arg, size_t size)
{
	return arena_alloc(arg, size);
}

static int read_into(const pawl_json_struct *type, struct slice json, void *out, struct arena *arena, char *why)
{
	struct json_members_memory memory = { alloc_text, arena, arena };

	why[0] = '\0';
	return json_members_read(type, json, out, &memory, why);
}

#define with_order(json, check)                                                                \
	do {                                                                                   \
		struct arena arena_;                                                           \
		struct order o;                                                                \
		char why_[JSON_MEMBERS_WHY_SIZE];                                              \
		arena_init(&arena_, 0);                                                        \
		if (read_into(order_json_struct(), slice_of(json), &o, &arena_, why_) < 0)     \
			fail_msg("%s", why_);                                                  \
		check;                                                                         \
		arena_release(&arena_);                                                        \
	} while (0)

static void members_and_defaults(void **state)
{
	(void)state;
	with_order("{\"customer\":\"bob\"}", {
		assert_string_equal(o.customer, "bob");
		assert_int_equal(o.amount, 3);
		assert_true(o.price > 0.49 && o.price < 0.51);
		assert_true(o.express && !o.gift);
		assert_string_equal(o.note, "no \"note\"");
		assert_null(o.items);
		assert_int_equal(o.plain, 0);
		assert_null(o.nothing);
	});
	with_order(" { \"x\": {\"customer\":[1]}, \"customer\" : \"a\\u00e4\\n\", \"amount\":-9223372036854775808, \"price\":-1.5e3,"
		"\"express\":false,\"gift\":true,\"items\":[1, {\"a\":\"b\"}],\"plain\":9223372036854775807,\"note\":\"\"} ", {
		assert_string_equal(o.customer, "a\303\244\n");
		assert_true(o.amount == INT64_MIN && o.plain == INT64_MAX);
		assert_true(o.price < -1499 && o.price > -1501);
		assert_true(!o.express && o.gift);
		assert_string_equal(o.items, "[1, {\"a\":\"b\"}]");
		assert_string_equal(o.note, "");
	});
	with_order("{\"customer\":\"a\",\"amount\":null,\"amount\":4,\"plain\":5,\"plain\":6,\"express\":null}", {
		assert_int_equal(o.amount, 4);
		assert_int_equal(o.plain, 6);
		assert_true(o.express);
	});
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *json, *why;
	} cases[] = {
		{ NULL, "order: not a JSON object" },
		{ "", "order: not a JSON object" },
		{ "[]", "order: not a JSON object" },
		{ "7", "order: not a JSON object" },
		{ "{\"customer\":\"a\"", "order: not a JSON object" },
		{ "{\"customer\":\"a\"} x", "order: not a JSON object" },
		{ "{}", "order.customer: is missing" },
		{ "{\"customer\":null}", "order.customer: is missing" },
		{ "{\"customer\":\"a\",\"customer\":null}", "order.customer: is missing" },
		{ "{\"customer\":7}", "order.customer: not a text" },
		{ "{\"customer\":\"a\\u0000b\"}", "order.customer: has a NUL in it" },
		{ "{\"customer\":\"a\",\"amount\":\"7\"}", "order.amount: not a number" },
		{ "{\"customer\":\"a\",\"amount\":1.5}", "order.amount: not a whole number" },
		{ "{\"customer\":\"a\",\"amount\":1e3}", "order.amount: not a whole number" },
		{ "{\"customer\":\"a\",\"amount\":9223372036854775808}", "order.amount: over the limit of 64 bits" },
		{ "{\"customer\":\"a\",\"amount\":-9223372036854775809}", "order.amount: over the limit of 64 bits" },
		{ "{\"customer\":\"a\",\"amount\":99999999999999999999999999999999999}", "order.amount: over the limit of 64 bits" },
		{ "{\"customer\":\"a\",\"price\":1e999}", "order.price: '1e999' is no number that a double holds" },
		{ "{\"customer\":\"a\",\"price\":true}", "order.price: not a number" },
		{ "{\"customer\":\"a\",\"express\":1}", "order.express: neither true nor false" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const struct order zero;
		struct arena arena;
		struct order o;
		char why[JSON_MEMBERS_WHY_SIZE];
		memset(&o, 0x55, sizeof(o));
		arena_init(&arena, 0);
		assert_int_equal(read_into(order_json_struct(), slice_of(cases[i].json), &o, &arena, why), PAWL_EPARSE);
		assert_string_equal(why, cases[i].why);
		assert_memory_equal(&o, &zero, sizeof(o));
		arena_release(&arena);
	}
}

static void a_default_that_is_none(void **state)
{
	struct arena arena;
	struct bad b;
	char why[JSON_MEMBERS_WHY_SIZE];

	(void)state;
	arena_init(&arena, 0);
	assert_int_equal(read_into(bad_json_struct(), SLICE("{}"), &b, &arena, why), PAWL_EPARSE);
	assert_string_equal(why, "bad.n: its default '0x10' cannot be read");
	assert_int_equal(read_into(bad_json_struct(), SLICE("{\"n\":1}"), &b, &arena, why), 0);
	arena_release(&arena);
}

static int write_order(const struct order *o, char *text, size_t size, char *why)
{
	struct buf out = BUF_INIT;
	int rc = json_members_write(order_json_struct(), o, &out, why);

	snprintf(text, size, "%s", buf_str(&out));
	buf_release(&out);
	return rc;
}

static void written_in_the_order_of_the_list(void **state)
{
	struct order o = { .customer = "q\"\n\303\244", .amount = -5, .price = 0.1, .express = true, .items = "{\"a\":[]}", .plain = INT64_MIN };
	char text[512], why[JSON_MEMBERS_WHY_SIZE];

	(void)state;
	assert_int_equal(write_order(&o, text, sizeof(text), why), 0);
	assert_string_equal(text, "{\"customer\":\"q\\\"\\n\303\244\",\"amount\":-5,\"price\":0.1,\"express\":true,\"gift\":false,\"note\":null,"
		"\"items\":{\"a\":[]},\"plain\":-9223372036854775808,\"nothing\":null}");
	o.customer = "\377";
	assert_int_equal(write_order(&o, text, sizeof(text), why), PAWL_EINVALID);
	assert_string_equal(why, "order.customer: not UTF-8");
	o.customer = "";
	o.items = "{";
	assert_int_equal(write_order(&o, text, sizeof(text), why), PAWL_EINVALID);
	assert_string_equal(why, "order.items: not JSON");
	o.items = NULL;
	o.price = INFINITY;
	assert_int_equal(write_order(&o, text, sizeof(text), why), PAWL_EINVALID);
	assert_string_equal(why, "order.price: not a finite number");
}

static void numbers_come_back(void **state)
{
	static const double numbers[] = { 0, 1, -1, 0.1, 1.0 / 3, 1e300, -1e-300, DBL_MAX, DBL_MIN, DBL_EPSILON, 123456789.123456789, 9007199254740993.0, 5e-324 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct point p = { numbers[i], -numbers[i] }, q;
		struct buf out = BUF_INIT;
		struct arena arena;
		char why[JSON_MEMBERS_WHY_SIZE];
		arena_init(&arena, 0);
		assert_int_equal(json_members_write(point_json_struct(), &p, &out, why), 0);
		assert_int_equal(read_into(point_json_struct(), buf_slice(&out), &q, &arena, why), 0);
		assert_memory_equal(&p, &q, sizeof(p));
		arena_release(&arena);
		buf_release(&out);
	}
}

/* Whatever the bytes are: an answer, and nothing that a sanitizer has to say. */
static void hostile_bytes(void **state)
{
	static const char good[] = "{\"customer\":\"a\\u00e4\",\"amount\":12,\"price\":1.5,\"express\":true,\"items\":[{\"a\":1}],\"note\":\"x\"}";
	uint32_t seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char *text = malloc(sizeof(good)), why[JSON_MEMBERS_WHY_SIZE];
		struct arena arena;
		struct order o;
		memcpy(text, good, sizeof(good));
		for (int i = 0; i <= round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % (sizeof(good) - 1)] = seed & 64 ? "{}[]\",:\\0-e.un"[seed >> 20 & 13] : (char)(seed >> 3 | 1);
		}
		arena_init(&arena, round % 3 ? 0 : 200);
		int rc = read_into(order_json_struct(), slice_of(text), &o, &arena, why);
		assert_true(rc == 0 || rc == PAWL_ENOMEM || (rc == PAWL_EPARSE && why[0]));
		assert_true(rc != 0 || o.customer);
		arena_release(&arena);
		free(text);
	}
}

static void deep_and_long(void **state)
{
	struct arena arena;
	struct order o;
	char why[JSON_MEMBERS_WHY_SIZE];
	struct buf text = BUF_INIT;

	(void)state;
	arena_init(&arena, 0);
	buf_adds(&text, "{\"customer\":\"a\",\"items\":");
	for (int i = 0; i < 10000; i++)
		buf_addc(&text, '[');
	assert_int_equal(read_into(order_json_struct(), buf_slice(&text), &o, &arena, why), PAWL_EPARSE);
	buf_reset(&text);
	buf_adds(&text, "{\"customer\":\"a\",\"price\":0.");
	for (int i = 0; i < 1000; i++)
		buf_addc(&text, '1');
	buf_addc(&text, '}');
	assert_int_equal(read_into(order_json_struct(), buf_slice(&text), &o, &arena, why), PAWL_EPARSE);
	assert_non_null(strstr(why, "order.price: '0.111"));
	buf_release(&text);
	arena_release(&arena);
}

static void another_locale_changes_nothing(void **state)
{
	(void)state;
	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
		skip();
	numbers_come_back(state);
	setlocale(LC_NUMERIC, "C");
}

/* ---- in a runtime ---- */

static int price(pawl_work *work, const char *input)
{
	struct order o;
	int rc = order_from_input(work, input, &o);

	if (rc < 0)
		return rc;
	o.price *= (double)o.amount;
	o.note = o.gift ? "\377" : "priced";
	return order_return(work, &o);
}
PAWL_ACTIVITY(price);

static int sell(pawl_ctx *ctx, const char *input)
{
	struct order o;

	if (order_from_json(ctx, input, &o) < 0)
		return pawl_rethrow(ctx);
	o.plain = 7;
	const char *priced = pawl_call(ctx, "price", order_to_json(ctx, &o));
	if (!priced || order_from_json(ctx, priced, &o) < 0)
		return pawl_rethrow(ctx);
	(void)pawl_wait_event(ctx, "go", -1);
	return pawl_return(ctx, pawl_printf(ctx, "%s %s %d %.2f", o.customer, o.note, (int)o.plain, o.price));
}
PAWL_ORCHESTRATION(sell, "1");

/* Reads until its memory is used up. */
static int hoard(pawl_ctx *ctx, const char *input)
{
	struct order o;

	for (;;)
		if (order_from_json(ctx, input, &o) < 0 || !order_to_json(ctx, &o))
			return pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(hoard, "1");

static int to_bad(pawl_ctx *ctx, const char *input)
{
	struct order o = { .customer = "\377" };

	(void)input;
	return order_to_json(ctx, &o) ? pawl_return(ctx, "?") : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(to_bad, "1");

static void in_orchestrations_and_activities(void **state)
{
	struct runtime_world *w = *state;

	w->options.check_replay = true;
	rw_begin(w);
	rw_start(w, "sell", "a", "{\"customer\":\"b\\u00f6b\",\"amount\":4,\"price\":2.5}");
	rw_raise(w, "a", "go", "");
	rw_expect(w, "a", "b\303\266b priced 7 10.00");
	rw_start(w, "sell", "b", "{\"customer\":\"x\",\"amount\":\"many\"}");
	rw_expect_end(w, "b", PAWL_ESTATE, "order.amount: not a number");
	rw_start(w, "sell", "c", "{\"customer\":\"x\",\"gift\":true}");
	rw_expect_end(w, "c", PAWL_ESTATE, "order.note: not UTF-8");
	rw_start(w, "to_bad", "d", "");
	rw_expect_end(w, "d", PAWL_ESTATE, "order.customer: not UTF-8");
	char *history = rw_history(w, "c", 1);
	assert_non_null(strstr(history, "\"code\":\"bad-json\""));
	free(history);
	rw_end(w);
}

static void memory_is_counted(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "engine: {memory_max: 64KiB}\n");
	rw_begin(w);
	rw_start(w, "hoard", "a", "{\"customer\":\"a long enough name\",\"note\":\"with \\u00e4\"}");
	rw_expect_end(w, "a", PAWL_ESTATE, "memory limit");
	rw_end(w);
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, rw_setup, rw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_defaults),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_default_that_is_none),
		cmocka_unit_test(written_in_the_order_of_the_list),
		cmocka_unit_test(numbers_come_back),
		cmocka_unit_test(hostile_bytes),
		cmocka_unit_test(deep_and_long),
		cmocka_unit_test(another_locale_changes_nothing),
		WORLD(in_orchestrations_and_activities),
		WORLD(memory_is_counted),
	};

	return cmocka_run_group_tests_name("pawl/json.h", tests, NULL, NULL);
}
