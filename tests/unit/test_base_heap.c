#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include <stdbool.h>

#define COUNT 1000

struct timer {
	int payload;
	struct heap_node node;
};

/* A fixed sequence, so that a failure repeats. */
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void assert_is_heap(const struct heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		assert_int_equal(h->nodes[i]->index, i + 1);
		if (i > 0)
			assert_true(h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
	}
}

static void an_empty_heap_has_no_minimum(void **state)
{
	struct heap h;
	(void)state;
	heap_init(&h);
	assert_null(heap_min(&h));
	heap_release(&h);
}

static void the_smallest_key_is_on_top(void **state)
{
	struct heap h;
	struct timer t[4] = { 0 };
	const int64_t keys[] = { 5, INT64_MAX, INT64_MIN, -1 };
	(void)state;
	heap_init(&h);
	for (int i = 0; i < 4; i++)
		assert_int_equal(heap_push(&h, &t[i].node, keys[i]), 0);
	const int order[] = { 2, 3, 0, 1 };
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(heap_min(&h), &t[order[i]].node);
		heap_remove(&h, heap_min(&h));
	}
	assert_null(heap_min(&h));
	heap_release(&h);
}

static void equal_keys_come_out_as_they_went_in(void **state)
{
	struct heap h;
	static struct timer t[COUNT];
	(void)state;
	heap_init(&h);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(heap_push(&h, &t[i].node, i % 3), 0);
	for (int key = 0; key < 3; key++) {
		for (int i = key; i < COUNT; i += 3) {
			assert_ptr_equal(heap_min(&h), &t[i].node);
			heap_remove(&h, &t[i].node);
		}
	}
	heap_release(&h);
}

static void random_pushes_and_removals_keep_the_order(void **state)
{
	struct heap h;
	static struct timer t[COUNT];
	uint32_t seed = 7;
	(void)state;
	heap_init(&h);
	for (int step = 0; step < 20000; step++) {
		struct timer *one = &t[next_random(&seed) % COUNT];
		if (one->node.index)
			heap_remove(&h, &one->node);
		else
			assert_int_equal(heap_push(&h, &one->node, (int64_t)(next_random(&seed) % 500)), 0);
		if (step % 100 == 0)
			assert_is_heap(&h);
	}
	int64_t last = -1;
	while (heap_min(&h)) {
		assert_true(heap_min(&h)->key >= last);
		last = heap_min(&h)->key;
		heap_remove(&h, heap_min(&h));
	}
	heap_release(&h);
}

static void removing_what_is_not_in_does_nothing(void **state)
{
	struct heap h, other;
	struct timer a = { 0 }, b = { 0 }, c = { 0 };
	(void)state;
	heap_init(&h);
	heap_init(&other);
	assert_int_equal(heap_push(&h, &a.node, 1), 0);
	assert_int_equal(heap_push(&other, &c.node, 1), 0);
	heap_remove(&h, &b.node);
	heap_remove(&h, &c.node);
	assert_int_equal(h.count, 1);
	heap_remove(&h, &a.node);
	heap_remove(&h, &a.node);
	assert_int_equal(h.count, 0);
	assert_int_equal(a.node.index, 0);
	assert_int_equal(c.node.index, 1);
	heap_release(&h);
	heap_release(&other);
}

static void pushing_again_moves_the_deadline(void **state)
{
	struct heap h;
	struct timer a = { 0 }, b = { 0 };
	(void)state;
	heap_init(&h);
	assert_int_equal(heap_push(&h, &a.node, 1), 0);
	assert_int_equal(heap_push(&h, &b.node, 2), 0);
	assert_int_equal(heap_push(&h, &a.node, 3), 0);
	assert_int_equal(h.count, 2);
	assert_ptr_equal(heap_min(&h), &b.node);
	heap_release(&h);
}

static void no_memory_leaves_the_node_outside(void **state)
{
	struct heap h = { NULL, SIZE_MAX / sizeof(void *), SIZE_MAX / sizeof(void *), 0 };
	struct timer a = { 0 };
	(void)state;
	assert_int_equal(heap_push(&h, &a.node, 1), PAWL_ENOMEM);
	assert_int_equal(a.node.index, 0);
}

static void memory_is_given_back_when_most_are_gone(void **state)
{
	struct heap h;
	static struct timer t[COUNT];
	(void)state;
	heap_init(&h);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(heap_push(&h, &t[i].node, i), 0);
	size_t cap = h.cap;
	for (int i = 0; i < COUNT - 1; i++)
		heap_remove(&h, &t[i].node);
	assert_true(h.cap < cap / 4);
	assert_ptr_equal(heap_min(&h), &t[COUNT - 1].node);
	heap_release(&h);
	assert_int_equal(t[COUNT - 1].node.index, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_heap_has_no_minimum),
		cmocka_unit_test(the_smallest_key_is_on_top),
		cmocka_unit_test(equal_keys_come_out_as_they_went_in),
		cmocka_unit_test(random_pushes_and_removals_keep_the_order),
		cmocka_unit_test(removing_what_is_not_in_does_nothing),
		cmocka_unit_test(pushing_again_moves_the_deadline),
		cmocka_unit_test(no_memory_leaves_the_node_outside),
		cmocka_unit_test(memory_is_given_back_when_most_are_gone),
	};
	return cmocka_run_group_tests_name("base/heap", tests, NULL, NULL);
}
