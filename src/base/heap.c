#include "heap.h"
#include <stdbool.h>
#include <stdlib.h>

/* nodes[0] is the smallest, the children of nodes[i] are nodes[2i+1] and nodes[2i+2], nodes[i]->index is i + 1. */

#define CAP_FIRST ((size_t)16)
#define CAP_KEPT ((size_t)64)

void heap_init(struct heap *h)
{
	*h = (struct heap){ NULL, 0, 0, 0 };
}

void heap_release(struct heap *h)
{
	for (size_t i = 0; i < h->count; i++)
		h->nodes[i]->index = 0;
	free(h->nodes);
	heap_init(h);
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void place(struct heap *h, struct heap_node *n, size_t at)
{
	h->nodes[at] = n;
	n->index = at + 1;
}

static void sift_up(struct heap *h, struct heap_node *n, size_t at)
{
	while (at > 0 && before(n, h->nodes[(at - 1) / 2])) {
		place(h, h->nodes[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	place(h, n, at);
}

static void sift_down(struct heap *h, struct heap_node *n, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && before(h->nodes[child + 1], h->nodes[child]))
			child++;
		if (!before(h->nodes[child], n))
			break;
		place(h, h->nodes[child], at);
		at = child;
	}
	place(h, n, at);
}

static bool resize(struct heap *h, size_t cap)
{
	if (cap > SIZE_MAX / 2 / sizeof(struct heap_node *))
		return false;
	struct heap_node **nodes = realloc(h->nodes, cap * sizeof(struct heap_node *));
	if (!nodes)
		return false;
	h->nodes = nodes;
	h->cap = cap;
	return true;
}

int heap_push(struct heap *h, struct heap_node *n, int64_t key)
{
	heap_remove(h, n); /* a deadline that is pushed again moves */
	if (h->count == h->cap && !resize(h, h->cap ? h->cap * 2 : CAP_FIRST))
		return PAWL_ENOMEM;
	n->key = key;
	n->order = h->next_order++;
	h->count++;
	sift_up(h, n, h->count - 1);
	return 0;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	if (n->index == 0 || n->index > h->count || h->nodes[n->index - 1] != n)
		return;
	size_t at = n->index - 1;
	struct heap_node *last = h->nodes[--h->count];
	n->index = 0;
	if (last != n) {
		if (before(last, n))
			sift_up(h, last, at);
		else
			sift_down(h, last, at);
	}
	if (h->cap > CAP_KEPT && h->count < h->cap / 4)
		(void)resize(h, h->cap / 2); /* keeping more than is needed does no harm */
}

struct heap_node *heap_min(const struct heap *h)
{
	return h->count ? h->nodes[0] : NULL;
}
