#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include <stdio.h>

static int values[20000];

static struct slice name(char *out, size_t size, size_t i)
{
	int n = snprintf(out, size, "order-%zu", i);
	return slice_make(out, (size_t)n);
}

static void an_empty_map_has_nothing(void **state)
{
	struct map m;
	(void)state;
	map_init(&m);
	assert_null(map_get(&m, SLICE("a")));
	assert_null(map_remove(&m, SLICE("a")));
	assert_int_equal(m.count, 0);
	map_release(&m);
}

static void what_was_put_is_found(void **state)
{
	struct map m;
	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, SLICE("a"), &values[1], NULL), 0);
	assert_int_equal(map_put(&m, SLICE("ab"), &values[2], NULL), 0);
	assert_ptr_equal(map_get(&m, SLICE("a")), &values[1]);
	assert_ptr_equal(map_get(&m, SLICE("ab")), &values[2]);
	assert_null(map_get(&m, SLICE("b")));
	map_release(&m);
}

static void a_second_put_replaces_and_hands_back_the_old_value(void **state)
{
	struct map m;
	void *old = &m;
	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, SLICE("a"), &values[1], &old), 0);
	assert_null(old);
	assert_int_equal(map_put(&m, SLICE("a"), &values[2], &old), 0);
	assert_ptr_equal(old, &values[1]);
	assert_ptr_equal(map_get(&m, SLICE("a")), &values[2]);
	assert_int_equal(m.count, 1);
	map_release(&m);
}

static void keys_are_copied(void **state)
{
	struct map m;
	char key[] = "abc";
	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, slice_of(key), &values[1], NULL), 0);
	key[0] = 'x';
	assert_ptr_equal(map_get(&m, SLICE("abc")), &values[1]);
	assert_null(map_get(&m, SLICE("xbc")));
	map_release(&m);
}

static void keys_are_bytes_and_may_be_empty(void **state)
{
	struct map m;
	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, SLICE(""), &values[1], NULL), 0);
	assert_int_equal(map_put(&m, SLICE("\0"), &values[2], NULL), 0);
	assert_int_equal(map_put(&m, SLICE("a\0b"), &values[3], NULL), 0);
	assert_int_equal(map_put(&m, SLICE("a\0c"), &values[4], NULL), 0);
	assert_int_equal(m.count, 4);
	assert_ptr_equal(map_get(&m, SLICE("")), &values[1]);
	assert_ptr_equal(map_get(&m, SLICE("\0")), &values[2]);
	assert_ptr_equal(map_get(&m, SLICE("a\0b")), &values[3]);
	assert_ptr_equal(map_remove(&m, SLICE("a\0c")), &values[4]);
	map_release(&m);
}

static void many_keys_stay_apart_while_it_grows_and_shrinks(void **state)
{
	struct map m;
	char text[32];
	(void)state;
	map_init(&m);
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(map_put(&m, name(text, sizeof(text), i), &values[i], NULL), 0);
	assert_int_equal(m.count, 20000);
	for (size_t i = 0; i < 20000; i += 2)
		assert_ptr_equal(map_remove(&m, name(text, sizeof(text), i)), &values[i]);
	for (size_t i = 0; i < 20000; i++)
		assert_ptr_equal(map_get(&m, name(text, sizeof(text), i)), i % 2 ? &values[i] : NULL);
	for (size_t i = 1; i < 20000; i += 2)
		assert_ptr_equal(map_remove(&m, name(text, sizeof(text), i)), &values[i]);
	assert_int_equal(m.count, 0);
	assert_int_equal(m.slot_count, 0);
	assert_int_equal(map_put(&m, SLICE("again"), &values[1], NULL), 0);
	assert_ptr_equal(map_get(&m, SLICE("again")), &values[1]);
	map_release(&m);
}

static void a_key_that_cannot_be_kept_leaves_the_map_unchanged(void **state)
{
	struct map m;
	void *old = &m;
	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, slice_make("x", UINT32_MAX), &values[1], &old), PAWL_ENOMEM);
	assert_ptr_equal(old, &m);
	assert_int_equal(m.count, 0);
	map_release(&m);
}

struct visits {
	struct map *map;
	size_t count, stop_at;
	bool removing;
};

static int visit(void *arg, struct slice key, void *value)
{
	struct visits *v = arg;
	assert_int_equal(key.data[key.len], 0);
	assert_ptr_equal(map_get(v->map, key), value);
	if (v->removing)
		assert_ptr_equal(map_remove(v->map, key), value);
	return ++v->count == v->stop_at ? 42 : 0;
}

static void fill(struct map *m, size_t count)
{
	char text[32];
	map_init(m);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(map_put(m, name(text, sizeof(text), i), &values[i], NULL), 0);
}

static void each_visits_every_entry_once(void **state)
{
	struct map m;
	struct visits v = { &m, 0, 0, false };
	(void)state;
	fill(&m, 1000);
	assert_int_equal(map_each(&m, visit, &v), 0);
	assert_int_equal(v.count, 1000);
	map_release(&m);
}

static void each_stops_when_told(void **state)
{
	struct map m;
	struct visits v = { &m, 0, 10, false };
	(void)state;
	fill(&m, 1000);
	assert_int_equal(map_each(&m, visit, &v), 42);
	assert_int_equal(v.count, 10);
	map_release(&m);
}

static void each_may_remove_what_it_visits_down_to_the_last(void **state)
{
	struct map m;
	struct visits v = { &m, 0, 0, true };
	(void)state;
	fill(&m, 1000);
	assert_int_equal(map_each(&m, visit, &v), 0);
	assert_int_equal(v.count, 1000);
	assert_int_equal(m.count, 0);
	map_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(what_was_put_is_found),
		cmocka_unit_test(a_second_put_replaces_and_hands_back_the_old_value),
		cmocka_unit_test(keys_are_copied),
		cmocka_unit_test(keys_are_bytes_and_may_be_empty),
		cmocka_unit_test(many_keys_stay_apart_while_it_grows_and_shrinks),
		cmocka_unit_test(a_key_that_cannot_be_kept_leaves_the_map_unchanged),
		cmocka_unit_test(each_visits_every_entry_once),
		cmocka_unit_test(each_stops_when_told),
		cmocka_unit_test(each_may_remove_what_it_visits_down_to_the_last),
	};
	return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
