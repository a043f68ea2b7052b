/* os_sim_states.c - the row of decisions at a power cut, and walks through all states that it allows. */
#include <os/os_sim_impl.h>
#include <os/os_sim_states.h>

#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define PIECES_MAX 60u
#define SUBSETS_UP_TO 3u /* pieces */

enum decision_kind {
	DECIDE_ENTRY, /* kept, (both names,) lost */
	DECIDE_FIRST, /* all entry operations, all but the last, ... none */
	DECIDE_WRITE, /* kept, its variants, lost */
};

/* What of a write is there: pieces as bits, and whether the file is as long as it would be. */
struct variant {
	uint64_t pieces;
	bool full_size;
};

struct decision {
	enum decision_kind kind;
	uint32_t index;    /* of the entry operation or of the write */
	uint32_t radix;
	uint32_t needs[2]; /* decisions that must not be "lost" for this one to be kept; SIM_NONE */
	uint32_t variants; /* the first one's place */
	uint32_t choice, deviation;
};

struct file {
	uint32_t ino, first, count; /* its decisions */
};

struct os_sim_states {
	enum os_sim_model model;
	struct decision *d;
	uint32_t n, cap;
	struct variant *variants;
	uint32_t nvariants, variants_cap;
	struct file *files;
	uint32_t nfiles, files_cap;
	uint32_t *ops; /* pending entry operations in their order */
	uint32_t nops, ops_cap;
	enum os_sim_base base;
	size_t deviations, used;
};

/* pieces of a write */

struct pieces {
	uint64_t edge[PIECES_MAX + 2];
	unsigned n;
};

static void add_edge(struct pieces *p, uint64_t at, uint64_t end)
{
	if (at > p->edge[p->n] && at < end)
		p->edge[++p->n] = at;
}

/* Where a write may tear. In a long one the pieces are pages, or some pages each, with two sectors apart at each end. */
static void pieces_of(const struct sim_wop *op, struct pieces *p)
{
	uint64_t end = op->off + op->len, sector = op->off / SECTOR, last = (end - 1) / SECTOR, step = SIM_PAGE;

	*p = (struct pieces){ .edge = { op->off } };
	if (last - sector < 8) {
		for (uint64_t s = sector + 1; s <= last; s++)
			add_edge(p, s * SECTOR, end);
	} else {
		add_edge(p, (sector + 1) * SECTOR, end);
		add_edge(p, (sector + 2) * SECTOR, end);
		while (op->len / step > PIECES_MAX - 6)
			step *= 2;
		for (uint64_t at = (op->off / step + 1) * step; at < (last - 1) * SECTOR; at += step)
			add_edge(p, at, end);
		add_edge(p, (last - 1) * SECTOR, end);
		add_edge(p, last * SECTOR, end);
	}
	p->edge[++p->n] = end;
}

static uint64_t first_bits(unsigned n)
{
	return (UINT64_C(1) << n) - 1;
}

/* making the row */

static void variant_add(struct os_sim_states *s, uint64_t pieces, bool full_size)
{
	s->variants = sim_grow(s->variants, s->nvariants, &s->variants_cap, sizeof(s->variants[0]));
	s->variants[s->nvariants++] = (struct variant){ pieces, full_size };
}

/* Torn in one way; where the file grows, also with its whole size and zeros for what is missing at the end. */
static void variant_torn(struct os_sim_states *s, uint64_t pieces, unsigned n, bool grows)
{
	variant_add(s, pieces, false);
	if (grows && !(pieces >> (n - 1) & 1))
		variant_add(s, pieces, true);
}

static void variants_of(struct os_sim_states *s, const struct sim_wop *op, bool grows, bool nothing_below)
{
	struct pieces p;
	uint64_t all;

	pieces_of(op, &p);
	all = first_bits(p.n);
	if (op->kind == WOP_ZEROS && nothing_below) { /* only the size can tell */
		for (unsigned i = 1; grows && i < p.n; i++)
			variant_add(s, first_bits(i), false);
		return;
	}
	if (grows)
		variant_add(s, 0, true);
	if (p.n <= SUBSETS_UP_TO) {
		for (uint64_t set = 1; set < all; set++)
			variant_torn(s, set, p.n, grows);
		return;
	}
	for (unsigned i = 1; i < p.n; i++) {
		variant_torn(s, first_bits(i), p.n, grows);
		variant_torn(s, all & ~first_bits(i), p.n, grows);
	}
	for (unsigned i = 1; i + 1 < p.n; i++)
		variant_torn(s, all & ~(UINT64_C(1) << i), p.n, grows);
}

static struct decision *decision_add(struct os_sim_states *s, enum decision_kind kind, uint32_t index, uint32_t radix)
{
	s->d = sim_grow(s->d, s->n, &s->cap, sizeof(s->d[0]));
	s->d[s->n] = (struct decision){ .kind = kind, .index = index, .radix = radix, .needs = { SIM_NONE, SIM_NONE },
		.variants = s->nvariants };
	return &s->d[s->n++];
}

static void file_add(struct os_sim_states *s, uint32_t ino, const struct sim_body *b)
{
	s->files = sim_grow(s->files, s->nfiles, &s->files_cap, sizeof(s->files[0]));
	s->files[s->nfiles++] = (struct file){ ino, s->n, (uint32_t)b->nwops };
	for (uint32_t i = 0; i < b->nwops; i++) {
		const struct sim_wop *op = b->wops[i];
		struct decision *d = decision_add(s, DECIDE_WRITE, i, 2);

		if (op->kind == WOP_SIZE)
			continue;
		variants_of(s, op, op->off + op->len > b->size[DUR], !b->table);
		d->radix = 2 + s->nvariants - d->variants;
	}
}

static int op_order(const void *va, const void *vb)
{
	const struct sim_marked *a = va, *b = vb;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

static void ops_collect(struct os_sim_states *s, const struct os_sim *sim)
{
	struct sim_marked *ops = sim_alloc((sim->ndirops + 1) * sizeof(*ops));

	for (uint32_t op = 0; op < sim->ndirops; op++)
		if (sim->dirops[op].seq)
			ops[s->nops++] = (struct sim_marked){ sim->dirops[op].seq, op };
	qsort(ops, s->nops, sizeof(*ops), op_order);
	s->ops = sim_alloc((s->nops + 1) * sizeof(s->ops[0]));
	for (uint32_t i = 0; i < s->nops; i++)
		s->ops[i] = ops[i].op;
	free(ops);
}

/* The decision about the pending operation before this change on the same name. */
static uint32_t decision_before(const struct os_sim_states *s, const struct os_sim *sim, const struct sim_change *c)
{
	if (!c->prev_seq || c->prev_op >= sim->ndirops || sim->dirops[c->prev_op].seq != c->prev_seq)
		return SIM_NONE;
	for (uint32_t i = 0; i < s->nops; i++)
		if (s->ops[i] == c->prev_op)
			return i;
	return SIM_NONE;
}

static void entries_weak(struct os_sim_states *s, const struct os_sim *sim)
{
	for (uint32_t i = 0; i < s->nops; i++) {
		const struct sim_dirop *o = &sim->dirops[s->ops[i]];
		bool two_names = o->n == 2 && inode_body(sim, o->c[0].ino)->type != OS_DIR;
		struct decision *d = decision_add(s, DECIDE_ENTRY, s->ops[i], two_names ? 3 : 2);

		for (uint32_t k = 0; k < o->n; k++)
			d->needs[k] = decision_before(s, sim, &o->c[k]);
	}
}

/* What a sync has committed is there. */
static void entries_ordered(struct os_sim_states *s, const struct os_sim *sim)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < s->nops; i++)
		open += sim->dirops[s->ops[i]].seq > sim->committed;
	if (s->nops)
		(void)decision_add(s, DECIDE_FIRST, s->nops, open + 1);
}

struct os_sim_states *os_sim_states_new(struct os_sim *sim, enum os_sim_model model)
{
	struct os_sim_states *s = sim_alloc(sizeof(*s));

	*s = (struct os_sim_states){ .model = model };
	sim_lock(sim);
	ops_collect(s, sim);
	if (model == OS_SIM_WEAK)
		entries_weak(s, sim);
	else
		entries_ordered(s, sim);
	for (uint32_t i = 0; i < sim->ndirty; i++) {
		const struct sim_body *b = sim->slots[sim->dirty[i]].body;

		if (b && b->type == OS_FILE && b->nwops)
			file_add(s, sim->dirty[i], b);
	}
	sim_unlock(sim);
	os_sim_states_first(s, OS_SIM_BASE_KEPT, SIZE_MAX);
	return s;
}

void os_sim_states_free(struct os_sim_states *s)
{
	if (!s)
		return;
	free(s->d);
	free(s->variants);
	free(s->files);
	free(s->ops);
	free(s);
}

size_t os_sim_states_decisions(const struct os_sim_states *s)
{
	return s->n;
}

/* walks */

static bool is_lost(const struct os_sim_states *s, uint32_t i)
{
	return i != SIM_NONE && s->d[i].choice == s->d[i].radix - 1;
}

/* It can only be lost, as one that it needs is. */
static bool is_forced(const struct os_sim_states *s, const struct decision *d)
{
	return is_lost(s, d->needs[0]) || is_lost(s, d->needs[1]);
}

static void decide(struct os_sim_states *s, struct decision *d, uint32_t deviation)
{
	s->used += (deviation > 0) - (size_t)(d->deviation > 0);
	d->deviation = deviation;
	d->choice = is_forced(s, d) || s->base == OS_SIM_BASE_LOST ? d->radix - 1 - deviation : deviation;
}

static void reset_from(struct os_sim_states *s, uint32_t from)
{
	for (uint32_t i = from; i < s->n; i++)
		decide(s, &s->d[i], 0);
}

void os_sim_states_first(struct os_sim_states *s, enum os_sim_base base, size_t deviations)
{
	s->base = base;
	s->deviations = deviations;
	reset_from(s, 0);
}

bool os_sim_states_next(struct os_sim_states *s)
{
	for (uint32_t i = s->n; i-- > 0;) {
		struct decision *d = &s->d[i];

		/* what behind it deviates will be reset, so it does not count against this one */
		if (d->deviation + 1 < d->radix && !is_forced(s, d) && (d->deviation > 0 || s->used < s->deviations)) {
			decide(s, d, d->deviation + 1);
			reset_from(s, i + 1);
			return true;
		}
		decide(s, d, 0);
	}
	return false;
}

uint64_t os_sim_states_count(struct os_sim_states *s, enum os_sim_base base, size_t deviations, uint64_t max)
{
	uint64_t n = 1;

	for (os_sim_states_first(s, base, deviations); n < max && os_sim_states_next(s); n++)
		;
	os_sim_states_first(s, base, deviations);
	return n;
}

/* As in a drawn cut, the chance is drawn first, so that nearly all and nearly nothing are frequent. */
void os_sim_states_draw(struct os_sim_states *s, uint64_t seed)
{
	static const uint64_t chances[] = { 0, 32, 128, 224, 256 };
	uint64_t chance = 128;

	s->base = OS_SIM_BASE_KEPT;
	reset_from(s, 0);
	for (uint32_t i = 0; i < s->n; i++) {
		struct decision *d = &s->d[i];
		uint64_t some = sim_random(&seed);

		if (i == 0 || (d->kind == DECIDE_WRITE && d->index == 0))
			chance = chances[sim_random(&seed) % (sizeof(chances) / sizeof(chances[0]))];
		d->choice = is_forced(s, d) || some % 3 == 0 ? d->radix - 1 : (uint32_t)(some / 3 % d->radix);
		if (!is_forced(s, d) && sim_random(&seed) % 256 < chance)
			d->choice = 0;
	}
}

/* tapes */

int os_sim_states_text(const struct os_sim_states *s, char *out, size_t size)
{
	size_t len = 0;

	if (!size)
		return -ENAMETOOLONG;
	out[0] = '\0';
	for (uint32_t i = 0, run; i < s->n; i += run) {
		int n;

		for (run = 1; i + run < s->n && s->d[i + run].choice == s->d[i].choice; run++)
			;
		n = run > 1 ? snprintf(out + len, size - len, "%s%u*%u", i ? "." : "", (unsigned)s->d[i].choice, (unsigned)run) :
			      snprintf(out + len, size - len, "%s%u", i ? "." : "", (unsigned)s->d[i].choice);
		if (n < 0 || (size_t)n >= size - len)
			return -ENAMETOOLONG;
		len += (size_t)n;
	}
	return (int)len;
}

int os_sim_states_set(struct os_sim_states *s, const char *text)
{
	uint32_t i = 0;

	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long choice = strtoul(text, &end, 10), run = *end == '*' ? strtoul(end + 1, &end, 10) : 1;

		for (; run; run--, i++) {
			if (i == s->n || choice >= s->d[i].radix)
				return -EINVAL;
			s->d[i].choice = (uint32_t)choice;
		}
		text = end + (*end == '.');
	}
	return i == s->n ? 0 : -EINVAL;
}

/* applying a state */

static bool keeps(const struct os_sim_states *s, uint32_t i, uint32_t k)
{
	const struct decision *d = &s->d[s->model == OS_SIM_WEAK ? i : 0];

	if (s->model == OS_SIM_JOURNAL)
		return i + d->choice < s->nops;
	return d->choice == 0 || (k == 0 && d->choice + 1 < d->radix);
}

void states_cut_names(const struct os_sim_states *s, struct os_sim *sim)
{
	for (uint32_t i = 0; i < s->nops; i++) {
		const struct sim_dirop *o = &sim->dirops[s->ops[i]];

		for (uint32_t k = 0; k < o->n; k++)
			if (keeps(s, i, k))
				entry_set(sim, o->c[k].dir, o->c[k].ent, DUR, o->c[k].ino);
	}
	for (uint32_t i = 0; i < s->nops; i++)
		dirop_remove(sim, s->ops[i]);
}

static void cut_write(const struct os_sim_states *s, struct sim_body *b, const struct decision *d)
{
	const struct sim_wop *op = b->wops[d->index];
	const struct variant *v;
	struct pieces p;

	if (d->choice == 0)
		data_keep(b, op, op->off, op->off + op->len);
	if (d->choice == 0 || d->choice == d->radix - 1)
		return;
	v = &s->variants[d->variants + d->choice - 1];
	pieces_of(op, &p);
	for (unsigned i = 0; i < p.n; i++)
		if (v->pieces >> i & 1)
			data_keep(b, op, p.edge[i], p.edge[i + 1]);
	if (v->full_size && op->off + op->len > b->size[DUR])
		b->size[DUR] = op->off + op->len;
}

void states_cut_file(const struct os_sim_states *s, struct os_sim *sim, uint32_t ino)
{
	for (uint32_t f = 0; f < s->nfiles; f++)
		if (s->files[f].ino == ino)
			for (uint32_t i = 0; i < s->files[f].count; i++)
				cut_write(s, inode_mut(sim, ino), &s->d[s->files[f].first + i]);
}

/* hash */

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t state = a ^ (b * UINT64_C(0xff51afd7ed558ccd));

	return sim_random(&state);
}

static uint64_t body_hash(struct sim_body *b)
{
	uint64_t h = atomic_load_explicit(&b->hash, memory_order_relaxed);

	if (h)
		return h;
	h = mix((uint64_t)b->type << 32 | b->mode, (uint64_t)b->mtime_ns);
	if (b->type == OS_LINK)
		h = mix(h, (uint64_t)b->target->hash << 32 | b->target->len);
	else if (b->type == OS_FILE)
		h = mix(h, data_hash(b));
	atomic_store_explicit(&b->hash, h, memory_order_relaxed);
	return h;
}

struct hash_todo {
	uint32_t *dirs;
	uint32_t n, cap;
};

static uint64_t dir_hash(const struct os_sim *sim, uint32_t dir, struct hash_todo *todo)
{
	const struct sim_body *b = inode_body(sim, dir);
	uint64_t h = 0;

	for (uint32_t i = 0; i < b->nents; i++) {
		const struct sim_entry *e = &b->ents[i];
		struct sim_body *child = e->name && e->ino[VOL] ? sim->slots[e->ino[VOL]].body : NULL;

		if (!child)
			continue;
		h += mix(mix((uint64_t)dir << 32 | e->ino[VOL], (uint64_t)e->name->hash << 32 | e->name->len), body_hash(child));
		if (child->type != OS_DIR)
			continue;
		todo->dirs = sim_grow(todo->dirs, todo->n, &todo->cap, sizeof(todo->dirs[0]));
		todo->dirs[todo->n++] = e->ino[VOL];
	}
	return h;
}

uint64_t os_sim_disk_hash(struct os_sim *sim)
{
	struct hash_todo todo = { NULL, 0, 0 };
	uint64_t h;

	sim_lock(sim);
	h = dir_hash(sim, SIM_ROOT, &todo);
	while (todo.n)
		h += dir_hash(sim, todo.dirs[--todo.n], &todo);
	sim_unlock(sim);
	free(todo.dirs);
	return h;
}
