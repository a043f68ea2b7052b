/*
 * os_sim_data.c - contents of files. Each page has a volatile and a durable side which are the same page while nothing
 * is un-synced. Bytes of a page beyond the side's size are zero. Apart from the pages, what is un-synced is kept as a
 * list of writes in their order, so that a cut can choose among them.
 */
#include <os/os_sim_impl.h>

#include <stdlib.h>
#include <string.h>

static struct sim_page *page_ref(struct sim_page *page)
{
	if (page)
		atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
	return page;
}

static void page_unref(struct sim_page *page)
{
	if (page && atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1)
		free(page);
}

static void page_set(struct sim_page **at, struct sim_page *page)
{
	if (*at == page)
		return;
	page_unref(*at);
	*at = page_ref(page);
}

static unsigned char *page_mut(struct sim_page **at)
{
	struct sim_page *old = *at, *page;

	if (old && atomic_load_explicit(&old->refs, memory_order_acquire) == 1) {
		atomic_store_explicit(&old->hash, 0, memory_order_relaxed);
		return old->data;
	}
	page = sim_alloc(sizeof(*page));
	atomic_init(&page->refs, 1);
	atomic_init(&page->hash, 0);
	if (old)
		memcpy(page->data, old->data, SIM_PAGE);
	else
		memset(page->data, 0, SIM_PAGE);
	page_unref(old);
	*at = page;
	return page->data;
}

static size_t table_bytes(uint32_t cap)
{
	return sizeof(struct sim_table) + (size_t)cap * sizeof(struct sim_page *[2]);
}

static void table_unref(struct sim_table *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < t->n; i++) {
		page_unref(t->page[i][VOL]);
		page_unref(t->page[i][DUR]);
	}
	free(t);
}

/* A table of our own with at least n pages. */
static struct sim_table *table_mut(struct sim_body *b, uint32_t n)
{
	struct sim_table *old = b->table, *t = old;
	uint32_t have = old ? old->n : 0, want = n > have ? n : have, cap;
	bool own = old && atomic_load_explicit(&old->refs, memory_order_acquire) == 1;

	if (!own || want > old->cap) {
		cap = want > have ? want + want / 2 : want;
		t = sim_alloc(table_bytes(cap));
		atomic_init(&t->refs, 1);
		t->cap = cap;
		t->n = have;
		if (have)
			memcpy(t->page, old->page, (size_t)have * sizeof(t->page[0]));
		for (uint32_t i = 0; !own && i < have; i++) {
			page_ref(t->page[i][VOL]);
			page_ref(t->page[i][DUR]);
		}
		if (own)
			free(old);
		else
			table_unref(old);
		b->table = t;
	}
	if (want > have)
		memset(t->page[have], 0, (size_t)(want - have) * sizeof(t->page[0]));
	t->n = want;
	return t;
}

static uint32_t page_count(const struct sim_body *b)
{
	return b->table ? b->table->n : 0;
}

/* data NULL: zeros, which need no page where there is none. */
static void side_write(struct sim_body *b, int side, uint64_t off, const unsigned char *data, uint64_t len)
{
	uint64_t end = off + len;
	uint32_t pages = (uint32_t)((end + SIM_PAGE - 1) / SIM_PAGE);
	struct sim_table *t;

	if (!len)
		return;
	if (end > b->size[side])
		b->size[side] = end;
	t = data || page_count(b) ? table_mut(b, data ? pages : 0) : NULL;
	while (off < end) {
		uint32_t i = (uint32_t)(off / SIM_PAGE), in = (uint32_t)(off % SIM_PAGE);
		uint64_t left = end - off, n = SIM_PAGE - in < left ? SIM_PAGE - in : left;

		if (!t || i >= t->n)
			break;
		if (data) {
			memcpy(page_mut(&t->page[i][side]) + in, data, (size_t)n);
			data += n;
		} else if (n == SIM_PAGE) {
			page_set(&t->page[i][side], NULL);
		} else if (t->page[i][side]) {
			memset(page_mut(&t->page[i][side]) + in, 0, (size_t)n);
		}
		off += n;
	}
}

static void side_resize(struct sim_body *b, int side, uint64_t size)
{
	uint64_t old = b->size[side];

	if (size < old)
		side_write(b, side, size, NULL, old - size);
	b->size[side] = size;
}

static bool all_zero(const unsigned char *data, size_t len)
{
	return !data[0] && !memcmp(data, data + 1, len - 1);
}

static void wop_unref(struct sim_wop *op)
{
	if (atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) == 1)
		free(op);
}

static void wop_add(struct sim_body *b, enum sim_wop_kind kind, uint64_t off, const void *data, size_t len)
{
	struct sim_wop *op = sim_alloc(sizeof(*op) + (kind == WOP_WRITE ? len : 0));

	atomic_init(&op->refs, 1);
	op->kind = kind;
	op->off = off;
	op->len = len;
	if (kind == WOP_WRITE)
		memcpy(op->data, data, len);
	if (b->nwops == b->wops_cap) {
		b->wops_cap = b->wops_cap ? b->wops_cap * 2 : 4;
		b->wops = realloc(b->wops, b->wops_cap * sizeof(struct sim_wop *));
		if (!b->wops)
			abort();
	}
	b->wops[b->nwops++] = op;
}

static void wops_drop(struct sim_body *b)
{
	for (size_t i = 0; i < b->nwops; i++)
		wop_unref(b->wops[i]);
	b->nwops = 0;
}

/* The part of a write between two offsets. */
static void wop_apply(struct sim_body *b, const struct sim_wop *op, uint64_t from, uint64_t to)
{
	side_write(b, DUR, from, op->kind == WOP_WRITE ? op->data + (from - op->off) : NULL, to - from);
}

static void wop_apply_all(struct sim_body *b, const struct sim_wop *op)
{
	if (op->kind == WOP_SIZE)
		side_resize(b, DUR, op->off);
	else
		wop_apply(b, op, op->off, op->off + op->len);
}

void data_read(const struct sim_body *b, uint64_t off, void *out, size_t len)
{
	unsigned char *p = out;

	while (len) {
		uint64_t i = off / SIM_PAGE;
		size_t in = (size_t)(off % SIM_PAGE), n = SIM_PAGE - in < len ? SIM_PAGE - in : len;
		const struct sim_page *page = i < page_count(b) ? b->table->page[i][VOL] : NULL;

		if (page)
			memcpy(p, page->data + in, n);
		else
			memset(p, 0, n);
		p += n;
		off += n;
		len -= n;
	}
}

void data_write(struct sim_body *b, uint64_t off, const void *data, size_t len)
{
	bool zero = all_zero(data, len);

	side_write(b, VOL, off, zero ? NULL : data, len);
	wop_add(b, zero ? WOP_ZEROS : WOP_WRITE, off, data, len);
}

void data_resize(struct sim_body *b, uint64_t size)
{
	side_resize(b, VOL, size);
	wop_add(b, WOP_SIZE, size, NULL, 0);
}

static void same_pages(struct sim_table *t, int side, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to && i < t->n; i++)
		page_set(&t->page[i][side], t->page[i][!side]);
}

/* Without a loss both sides differ in the pages of pending writes only, and behind a size that shrank. */
static void sync_pages(struct sim_body *b)
{
	struct sim_table *t = b->nwops && page_count(b) ? table_mut(b, 0) : NULL;

	for (size_t i = 0; t && i < b->nwops; i++) {
		const struct sim_wop *op = b->wops[i];

		if (op->kind == WOP_SIZE) {
			same_pages(t, DUR, 0, t->n);
			break;
		}
		same_pages(t, DUR, (uint32_t)(op->off / SIM_PAGE),
			   (uint32_t)((op->off + op->len + SIM_PAGE - 1) / SIM_PAGE));
	}
	b->size[DUR] = b->size[VOL];
}

/* After a loss only the bytes written since become durable, even where the page cache holds the lost ones in the same
 * page: a disk with smaller blocks does that, and it is the stricter rule. */
void data_sync(struct sim_body *b)
{
	if (!b->lost) {
		sync_pages(b);
	} else {
		for (size_t i = 0; i < b->nwops; i++)
			wop_apply_all(b, b->wops[i]);
		side_resize(b, DUR, b->size[VOL]);
	}
	wops_drop(b);
}

void data_lose(struct sim_body *b)
{
	if (b->nwops)
		b->lost = true;
	wops_drop(b);
}

/* Some sectors of a write: those before an edge, those after it, or any. */
static void tear(struct os_sim *sim, struct sim_body *b, const struct sim_wop *op, uint64_t sector)
{
	uint64_t first = op->off / sector, end = op->off + op->len, n = (end - 1) / sector - first + 1, edge, step;
	uint64_t how = sim_below(sim, 3);

	if (n < 2)
		return;
	edge = (first + 1 + sim_below(sim, n - 1)) * sector;
	if (how == 0) {
		wop_apply(b, op, op->off, edge);
		return;
	}
	if (how == 1) {
		wop_apply(b, op, edge, end);
		return;
	}
	step = (n + 63) / 64; /* pieces of more sectors for a large write, to stay cheap */
	for (uint64_t s = first; s < first + n; s += step) {
		uint64_t from = s * sector, to = (s + step) * sector;

		if (sim_below(sim, 2))
			wop_apply(b, op, from < op->off ? op->off : from, to > end ? end : to);
	}
}

static void cut_wop(struct os_sim *sim, struct sim_body *b, const struct sim_wop *op, uint64_t chance, uint64_t sector)
{
	uint64_t end = op->off + op->len;

	if (sim_below(sim, 256) < chance) {
		wop_apply_all(b, op);
		return;
	}
	if (op->kind == WOP_SIZE)
		return;
	if (sim_below(sim, 2))
		tear(sim, b, op, sector);
	if (end > b->size[DUR] && !sim_below(sim, 4))
		b->size[DUR] = end; /* the size came through, the data did not: zeros */
}

/* How likely an un-synced operation is kept is drawn for each file, so that "all of this file and nothing of that one"
 * is a frequent outcome and not one in 2^n. */
static void cut_choose(struct os_sim *sim, struct sim_body *b, const struct os_sim_cut *how)
{
	static const uint64_t chances[] = { 0, 64, 128, 192, 256 };
	uint64_t sector = how->sector_bytes ? how->sector_bytes : 512, chance = how->mode == OS_SIM_KEEP_ALL ? 256 : 0;

	if (how->mode == OS_SIM_DROP_ALL)
		return;
	if (how->mode != OS_SIM_KEEP_ALL)
		chance = chances[sim_below(sim, sizeof(chances) / sizeof(chances[0]))];
	for (size_t i = 0; i < b->nwops; i++)
		cut_wop(sim, b, b->wops[i], chance, sector);
}

void data_keep(struct sim_body *b, const struct sim_wop *op, uint64_t from, uint64_t to)
{
	if (op->kind == WOP_SIZE)
		wop_apply_all(b, op);
	else
		wop_apply(b, op, from, to);
}

/* how NULL: what is kept was chosen already. */
void data_cut(struct os_sim *sim, struct sim_body *b, const struct os_sim_cut *how)
{
	struct sim_table *t;

	if (how)
		cut_choose(sim, b, how);
	wops_drop(b);
	b->size[VOL] = b->size[DUR];
	b->lost = false;
	b->reserved = 0;
	t = page_count(b) ? table_mut(b, 0) : NULL;
	if (t)
		same_pages(t, VOL, 0, t->n);
}

/* 0 for zeros, as where there is no page. */
static uint64_t page_hash(struct sim_page *page)
{
	uint64_t h = atomic_load_explicit(&page->hash, memory_order_relaxed), word;

	if (h)
		return h == 1 ? 0 : h;
	for (size_t i = 0; i < SIM_PAGE; i += sizeof(word)) {
		memcpy(&word, page->data + i, sizeof(word));
		h = (h ^ word) * UINT64_C(0x9ddfea08eb382d69);
		h ^= h >> 29;
	}
	h = h && h < 2 ? 2 : h;
	atomic_store_explicit(&page->hash, h ? h : 1, memory_order_relaxed);
	return h;
}

uint64_t data_hash(const struct sim_body *b)
{
	uint64_t h = b->size[VOL];

	for (uint32_t i = 0; i < page_count(b); i++) {
		uint64_t state = b->table->page[i][VOL] ? page_hash(b->table->page[i][VOL]) : 0;

		if (state) {
			state ^= (uint64_t)i << 56 ^ i;
			h += sim_random(&state);
		}
	}
	return h;
}

/* to is a byte copy of from: take shares of what it points to. */
void data_copy(struct sim_body *to, const struct sim_body *from)
{
	if (to->table)
		atomic_fetch_add_explicit(&to->table->refs, 1, memory_order_relaxed);
	to->wops = NULL;
	to->wops_cap = from->nwops;
	if (!from->nwops)
		return;
	to->wops = sim_alloc(from->nwops * sizeof(struct sim_wop *));
	for (size_t i = 0; i < from->nwops; i++) {
		to->wops[i] = from->wops[i];
		atomic_fetch_add_explicit(&to->wops[i]->refs, 1, memory_order_relaxed);
	}
}

void data_release(struct sim_body *b)
{
	wops_drop(b);
	free(b->wops);
	table_unref(b->table);
}
