#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include <string.h>

static void memory_is_zeroed_and_aligned_for_any_type(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	for (size_t size = 0; size < 3000; size += 37) {
		unsigned char *p = arena_alloc(&a, size);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
		assert_non_null(arena_strdup(&a, "odd"));
	}
	arena_release(&a);
}

static void pieces_do_not_overlap(void **state)
{
	struct arena a;
	unsigned char *pieces[500];
	(void)state;
	arena_init(&a, 0);
	for (size_t i = 0; i < 500; i++) {
		pieces[i] = arena_alloc(&a, i * 7 % 900 + 1);
		assert_non_null(pieces[i]);
		memset(pieces[i], (int)(i % 251), i * 7 % 900 + 1);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j < i * 7 % 900 + 1; j++)
			assert_int_equal(pieces[i][j], i % 251);
	arena_release(&a);
}

static void nothing_is_still_a_piece(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	assert_non_null(arena_alloc(&a, 0));
	assert_non_null(arena_calloc(&a, 0, 8));
	assert_non_null(arena_calloc(&a, 8, 0));
	arena_release(&a);
}

static void a_big_piece_leaves_the_room_of_the_block_in_use(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	char *first = arena_strdup(&a, "a");
	char *big = arena_alloc(&a, 1000000);
	char *second = arena_strdup(&a, "b");
	assert_non_null(big);
	big[999999] = 1;
	assert_ptr_equal(second, first + 2);
	arena_release(&a);
}

static void the_limit_can_be_used_up_exactly(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 100);
	assert_non_null(arena_alloc(&a, 100));
	assert_int_equal(a.used, 100);
	assert_null(arena_alloc(&a, 1));
	assert_null(arena_alloc(&a, 0));
	arena_release(&a);
}

static void over_the_limit_nothing_is_given_but_less_still_is(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 64);
	assert_null(arena_alloc(&a, 65));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_calloc(&a, 13, 5));
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 64));
	arena_release(&a);
}

static void every_way_to_allocate_fails_over_the_limit(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 4);
	assert_null(arena_strdup(&a, "four"));
	assert_null(arena_copy(&a, SLICE("four")).data);
	assert_null(arena_printf(&a, "%d", 1234));
	assert_non_null(arena_strdup(&a, "abc"));
	assert_null(arena_copy(&a, SLICE("")).data);
	arena_release(&a);
}

static void without_a_limit_impossible_sizes_fail(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 15));
	assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	assert_null(arena_copy(&a, slice_make("x", SIZE_MAX)).data);
	assert_int_equal(a.used, 0);
	arena_release(&a);
}

static void copies_are_terminated_and_may_hold_nul(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	struct slice copy = arena_copy(&a, SLICE("a\0b"));
	assert_int_equal(copy.len, 3);
	assert_memory_equal(copy.data, "a\0b", 4);
	arena_release(&a);
}

static void none_stays_none_and_empty_stays_empty(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	assert_null(arena_copy(&a, SLICE_NONE).data);
	struct slice empty = arena_copy(&a, SLICE(""));
	assert_non_null(empty.data);
	assert_int_equal(empty.len, 0);
	assert_int_equal(empty.data[0], 0);
	assert_null(arena_strdup(&a, NULL));
	arena_release(&a);
}

static void printf_gives_text_of_any_length(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 0);
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 5), "x-5");
	char *wide = arena_printf(&a, "%05000d", 1);
	assert_int_equal(strlen(wide), 5000);
	arena_release(&a);
}

static void release_can_be_repeated_and_the_arena_used_again(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 32);
	assert_non_null(arena_alloc(&a, 32));
	arena_release(&a);
	arena_release(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 32));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned_for_any_type),
		cmocka_unit_test(pieces_do_not_overlap),
		cmocka_unit_test(nothing_is_still_a_piece),
		cmocka_unit_test(a_big_piece_leaves_the_room_of_the_block_in_use),
		cmocka_unit_test(the_limit_can_be_used_up_exactly),
		cmocka_unit_test(over_the_limit_nothing_is_given_but_less_still_is),
		cmocka_unit_test(every_way_to_allocate_fails_over_the_limit),
		cmocka_unit_test(without_a_limit_impossible_sizes_fail),
		cmocka_unit_test(copies_are_terminated_and_may_hold_nul),
		cmocka_unit_test(none_stays_none_and_empty_stays_empty),
		cmocka_unit_test(printf_gives_text_of_any_length),
		cmocka_unit_test(release_can_be_repeated_and_the_arena_used_again),
	};
	return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
