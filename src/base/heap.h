/* heap.h - binary min-heap of deadlines. A node lives inside the caller's struct and knows its place, so that removing
 * one in the middle costs O(log n). Equal keys come out in the order they went in. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <pawl/error.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	uint64_t order;
	size_t index; /* 1-based place, 0 = not in a heap */
};

struct heap {
	struct heap_node **nodes;
	size_t count, cap;
	uint64_t next_order;
};

void heap_init(struct heap *h);
void heap_release(struct heap *h);
int heap_push(struct heap *h, struct heap_node *n, int64_t key) PAWL_MUST_USE; /* PAWL_ENOMEM */
void heap_remove(struct heap *h, struct heap_node *n);                         /* nothing when not in */
struct heap_node *heap_min(const struct heap *h);                              /* NULL when empty */

#endif
