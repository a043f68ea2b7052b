/*
 * os_sim_tree.c - inodes, names and the un-synced operations on names. An entry of a directory has a volatile and a
 * durable inode; an operation sets one or two entries (rename: two) and is pending until a sync or a cut.
 */
#include <os/os_sim_impl.h>

#include <stdlib.h>
#include <string.h>

struct sim_name *name_ref(struct sim_name *name)
{
	if (name)
		atomic_fetch_add_explicit(&name->refs, 1, memory_order_relaxed);
	return name;
}

void name_unref(struct sim_name *name)
{
	if (name && atomic_fetch_sub_explicit(&name->refs, 1, memory_order_acq_rel) == 1)
		free(name);
}

static uint32_t name_hash(const char *text, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

struct sim_name *name_new(const char *text, size_t len)
{
	struct sim_name *name = sim_alloc(sizeof(*name) + len + 1);

	atomic_init(&name->refs, 1);
	name->hash = name_hash(text, len);
	name->len = (uint32_t)len;
	memcpy(name->text, text, len);
	name->text[len] = '\0';
	return name;
}

/* bodies */

static void body_release(struct sim_body *b)
{
	data_release(b);
	for (uint32_t i = 0; i < b->nents; i++)
		name_unref(b->ents[i].name);
	free(b->ents);
	free(b->buckets);
	name_unref(b->target);
	free(b);
}

void body_unref(struct sim_body *b)
{
	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		body_release(b);
}

static void dir_copy(struct sim_body *to, const struct sim_body *from)
{
	to->ents_cap = from->nents;
	to->ents = from->nents ? sim_alloc(from->nents * sizeof(from->ents[0])) : NULL;
	to->buckets = from->nbuckets ? sim_alloc(from->nbuckets * sizeof(from->buckets[0])) : NULL;
	if (to->buckets)
		memcpy(to->buckets, from->buckets, from->nbuckets * sizeof(from->buckets[0]));
	for (uint32_t i = 0; i < from->nents; i++) {
		to->ents[i] = from->ents[i];
		name_ref(to->ents[i].name);
	}
}

const struct sim_body *inode_body(const struct os_sim *sim, uint32_t ino)
{
	return sim->slots[ino].body;
}

struct sim_body *inode_mut(struct os_sim *sim, uint32_t ino)
{
	struct sim_body *old = sim->slots[ino].body, *b;

	if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1) {
		atomic_store_explicit(&old->hash, 0, memory_order_relaxed);
		return old;
	}
	b = sim_alloc(sizeof(*b));
	/* all but the counter, which a clone in another thread may change meanwhile */
	memcpy(&b->type, &old->type, sizeof(*b) - offsetof(struct sim_body, type));
	atomic_init(&b->refs, 1);
	atomic_init(&b->hash, 0);
	data_copy(b, old);
	dir_copy(b, old);
	name_ref(b->target);
	body_unref(old);
	sim->slots[ino].body = b;
	return b;
}

/* inodes */

/* Numbers are used again at once, as ext4 does: an inode number alone is no identity. */
uint32_t inode_new(struct os_sim *sim, enum os_file_type type, uint32_t mode)
{
	struct sim_body *b = sim_alloc(sizeof(*b));
	uint32_t ino = sim->free_slot;
	bool dirty;

	memset(b, 0, sizeof(*b));
	atomic_init(&b->refs, 1);
	atomic_init(&b->hash, 0);
	b->type = type;
	b->mode = mode;
	b->free_ent = SIM_NONE;
	b->mtime_ns = b->ctime_ns = sim->real_ns;
	if (ino) {
		sim->free_slot = sim->slots[ino].next_free;
	} else {
		sim->slots = sim_grow(sim->slots, sim->nslots, &sim->slots_cap, sizeof(sim->slots[0]));
		ino = sim->nslots++;
		sim->slots[ino].dirty = false;
	}
	dirty = sim->slots[ino].dirty;
	sim->slots[ino] = (struct sim_slot){ .body = b, .first_change = SIM_NONE, .lock_desc = -1, .dirty = dirty };
	inode_charge(sim, ino);
	return ino;
}

void inode_ref(struct os_sim *sim, uint32_t ino)
{
	sim->slots[ino].refs++;
}

static void inode_reap(struct os_sim *sim, uint32_t ino)
{
	struct sim_slot *slot = &sim->slots[ino];
	const struct sim_body *b = slot->body;

	for (uint32_t i = 0; i < b->nents; i++)
		for (int side = VOL; side <= DUR; side++)
			if (b->ents[i].name && b->ents[i].ino[side])
				inode_unref(sim, b->ents[i].ino[side]);
	sim->used -= slot->charged;
	body_unref(slot->body);
	slot->body = NULL;
	slot->next_free = sim->free_slot;
	sim->free_slot = ino;
}

/* A list instead of a recursion: a directory that goes takes a whole tree along. */
void inode_unref(struct os_sim *sim, uint32_t ino)
{
	if (--sim->slots[ino].refs)
		return;
	sim->slots[ino].next_free = sim->reaping;
	sim->reaping = ino;
	if (sim->reap_running)
		return;
	sim->reap_running = true;
	while (sim->reaping) {
		uint32_t next = sim->reaping;

		sim->reaping = sim->slots[next].next_free;
		inode_reap(sim, next);
	}
	sim->reap_running = false;
}

void inode_dirty(struct os_sim *sim, uint32_t ino)
{
	if (sim->slots[ino].dirty)
		return;
	sim->slots[ino].dirty = true;
	sim->dirty = sim_grow(sim->dirty, sim->ndirty, &sim->dirty_cap, sizeof(sim->dirty[0]));
	sim->dirty[sim->ndirty++] = ino;
}

void inode_charge(struct os_sim *sim, uint32_t ino)
{
	struct sim_slot *slot = &sim->slots[ino];
	const struct sim_body *b = slot->body;
	uint64_t bytes = b->type == OS_DIR ? SIM_PAGE : b->size[VOL] > b->reserved ? b->size[VOL] : b->reserved;

	bytes = (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	sim->used += bytes - slot->charged;
	slot->charged = bytes;
}

/* entries */

uint32_t entry_find(const struct sim_body *dir, const char *name, size_t len)
{
	uint32_t hash = name_hash(name, len), i;

	if (!dir->nbuckets)
		return SIM_NONE;
	for (i = dir->buckets[hash & (dir->nbuckets - 1)]; i != SIM_NONE; i = dir->ents[i].next) {
		const struct sim_name *n = dir->ents[i].name;

		if (n->hash == hash && n->len == len && !memcmp(n->text, name, len))
			break;
	}
	return i;
}

static void bucket_add(struct sim_body *b, uint32_t ent)
{
	uint32_t *head = &b->buckets[b->ents[ent].name->hash & (b->nbuckets - 1)];

	b->ents[ent].next = *head;
	*head = ent;
}

static void dir_rehash(struct sim_body *b)
{
	b->nbuckets = b->nbuckets ? b->nbuckets * 2 : 8;
	free(b->buckets);
	b->buckets = sim_alloc(b->nbuckets * sizeof(b->buckets[0]));
	memset(b->buckets, 0xff, b->nbuckets * sizeof(b->buckets[0])); /* SIM_NONE */
	for (uint32_t i = 0; i < b->nents; i++)
		if (b->ents[i].name)
			bucket_add(b, i);
}

/* The entry of a name, empty on both sides when it was not there. */
uint32_t entry_make(struct os_sim *sim, uint32_t dir, const char *name, size_t len)
{
	struct sim_body *b = inode_mut(sim, dir);
	uint32_t ent = entry_find(b, name, len);

	if (ent != SIM_NONE)
		return ent;
	if (b->free_ent == SIM_NONE && b->nents >= b->nbuckets)
		dir_rehash(b);
	ent = b->free_ent;
	if (ent != SIM_NONE) {
		b->free_ent = b->ents[ent].next;
	} else {
		b->ents = sim_grow(b->ents, b->nents, &b->ents_cap, sizeof(b->ents[0]));
		ent = b->nents++;
	}
	b->ents[ent] = (struct sim_entry){ .name = name_new(name, len) };
	bucket_add(b, ent);
	return ent;
}

void entry_prune(struct os_sim *sim, uint32_t dir, uint32_t ent)
{
	struct sim_body *b = inode_mut(sim, dir);
	struct sim_entry *e = &b->ents[ent];
	uint32_t *at;

	if (!e->name || e->ino[VOL] || e->ino[DUR] || e->pending)
		return;
	for (at = &b->buckets[e->name->hash & (b->nbuckets - 1)]; *at != ent; at = &b->ents[*at].next)
		;
	*at = e->next;
	name_unref(e->name);
	e->name = NULL;
	e->next = b->free_ent;
	b->free_ent = ent;
}

void entry_set(struct os_sim *sim, uint32_t dir, uint32_t ent, int side, uint32_t ino)
{
	uint32_t old = inode_body(sim, dir)->ents[ent].ino[side];
	struct sim_body *b;

	if (old == ino)
		return;
	b = inode_mut(sim, dir);
	b->ents[ent].ino[side] = ino;
	if (side == VOL)
		b->live = b->live + (ino != 0) - (old != 0);
	if (ino) {
		inode_ref(sim, ino);
		if (side == VOL) {
			sim->slots[ino].nlink++;
			sim->slots[ino].parent = dir;
			sim->slots[ino].ent = ent;
		}
	}
	if (old) {
		if (side == VOL)
			sim->slots[old].nlink--;
		inode_unref(sim, old);
	}
}

/* operations on entries */

static struct sim_change *change_at(struct os_sim *sim, uint32_t id)
{
	return &sim->dirops[id / 2].c[id % 2];
}

static void change_link(struct os_sim *sim, uint32_t op, uint32_t k)
{
	struct sim_change *c = &sim->dirops[op].c[k];
	struct sim_slot *slot = &sim->slots[c->dir];
	struct sim_entry *e = &inode_mut(sim, c->dir)->ents[c->ent];

	inode_ref(sim, c->dir);
	if (c->ino)
		inode_ref(sim, c->ino);
	c->prev_op = e->last_op;
	c->prev_seq = e->last_seq;
	e->last_op = op;
	e->last_seq = sim->dirops[op].seq;
	e->pending++;
	c->prev = SIM_NONE;
	c->next = slot->first_change;
	if (c->next != SIM_NONE)
		change_at(sim, c->next)->prev = op * 2 + k;
	slot->first_change = op * 2 + k;
	slot->npending++;
	inode_dirty(sim, c->dir);
}

static void change_unlink(struct os_sim *sim, const struct sim_change *c)
{
	struct sim_slot *slot = &sim->slots[c->dir];

	if (c->prev != SIM_NONE)
		change_at(sim, c->prev)->next = c->next;
	else
		slot->first_change = c->next;
	if (c->next != SIM_NONE)
		change_at(sim, c->next)->prev = c->prev;
	slot->npending--;
	inode_mut(sim, c->dir)->ents[c->ent].pending--;
	entry_prune(sim, c->dir, c->ent);
	if (c->ino)
		inode_unref(sim, c->ino);
	inode_unref(sim, c->dir);
}

uint32_t dirop_add(struct os_sim *sim, const struct sim_change *c, uint32_t n)
{
	uint32_t op = sim->free_dirop;

	if (op != SIM_NONE) {
		sim->free_dirop = sim->dirops[op].next_free;
	} else {
		sim->dirops = sim_grow(sim->dirops, sim->ndirops, &sim->dirops_cap, sizeof(sim->dirops[0]));
		op = sim->ndirops++;
	}
	sim->live_dirops++;
	sim->dirops[op] = (struct sim_dirop){ .seq = ++sim->seq, .n = n };
	for (uint32_t k = 0; k < n; k++) {
		sim->dirops[op].c[k] = c[k];
		change_link(sim, op, k);
	}
	for (uint32_t k = 0; k < n; k++) {
		struct sim_body *b = inode_mut(sim, c[k].dir);

		entry_set(sim, c[k].dir, c[k].ent, VOL, c[k].ino);
		b->mtime_ns = b->ctime_ns = sim->real_ns;
	}
	return op;
}

void dirop_add_touching(struct os_sim *sim, const struct sim_change *c, uint32_t n, uint32_t ino)
{
	int64_t was = inode_body(sim, ino)->ctime_ns;
	uint32_t op;

	inode_mut(sim, ino)->ctime_ns = sim->real_ns;
	op = dirop_add(sim, c, n);
	sim->dirops[op].touched = ino;
	sim->dirops[op].ctime_was_ns = was;
}

void dirop_remove(struct os_sim *sim, uint32_t op)
{
	struct sim_dirop *o = &sim->dirops[op];

	o->seq = 0;
	for (uint32_t k = 0; k < o->n; k++)
		change_unlink(sim, &o->c[k]);
	o->next_free = sim->free_dirop;
	sim->free_dirop = op;
	if (!--sim->live_dirops) {
		sim->ndirops = 0;
		sim->free_dirop = SIM_NONE;
	}
}

static void batch_push(struct os_sim *sim, uint32_t op)
{
	if (sim->dirops[op].marked)
		return;
	sim->dirops[op].marked = true;
	sim->batch = sim_grow(sim->batch, sim->nbatch, &sim->batch_cap, sizeof(sim->batch[0]));
	sim->batch[sim->nbatch++] = (struct sim_marked){ sim->dirops[op].seq, op };
}

/* Marks an operation and the pending ones before it on the same names, and before those, ... */
void dirop_mark(struct os_sim *sim, uint32_t op)
{
	uint32_t i = sim->nbatch;

	for (batch_push(sim, op); i < sim->nbatch; i++) {
		struct sim_dirop *o = &sim->dirops[sim->batch[i].op];

		for (uint32_t k = 0; k < o->n; k++) {
			const struct sim_change *c = &o->c[k];

			if (c->prev_seq && c->prev_op < sim->ndirops && sim->dirops[c->prev_op].seq == c->prev_seq)
				batch_push(sim, c->prev_op);
		}
	}
}

static int by_seq(const void *a, const void *b)
{
	const struct sim_marked *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

void dirop_apply_marked(struct os_sim *sim)
{
	uint32_t n = sim->nbatch;

	sim->nbatch = 0;
	if (n > 1)
		qsort(sim->batch, n, sizeof(sim->batch[0]), by_seq);
	for (uint32_t i = 0; i < n; i++) {
		const struct sim_dirop *o = &sim->dirops[sim->batch[i].op];

		for (uint32_t k = 0; k < o->n; k++)
			entry_set(sim, o->c[k].dir, o->c[k].ent, DUR, o->c[k].ino);
		dirop_remove(sim, sim->batch[i].op);
	}
}

void dir_sync(struct os_sim *sim, uint32_t dir)
{
	for (uint32_t id = sim->slots[dir].first_change; id != SIM_NONE; id = change_at(sim, id)->next)
		dirop_mark(sim, id / 2);
	dirop_apply_marked(sim);
}

void dir_lose(struct os_sim *sim, uint32_t dir)
{
	while (sim->slots[dir].first_change != SIM_NONE) {
		uint32_t op = sim->slots[dir].first_change / 2;

		for (uint32_t k = 0; k < sim->dirops[op].n; k++)
			inode_mut(sim, sim->dirops[op].c[k].dir)->lost = true;
		dirop_remove(sim, op);
	}
}

/* Holds the directory meanwhile: what goes may have been the last to know it (it moved, both ways were lost). */
void dir_restore(struct os_sim *sim, uint32_t dir)
{
	uint32_t n = inode_body(sim, dir)->nents;

	inode_ref(sim, dir);
	for (uint32_t i = 0; i < n; i++) {
		const struct sim_entry *e = &inode_body(sim, dir)->ents[i];

		if (!e->name || e->ino[VOL] == e->ino[DUR])
			continue;
		entry_set(sim, dir, i, VOL, e->ino[DUR]);
		entry_prune(sim, dir, i);
	}
	if (inode_body(sim, dir)->lost)
		inode_mut(sim, dir)->lost = false;
	inode_unref(sim, dir);
}

/* Of the volatile side; "" when it has no name. */
void inode_path(const struct os_sim *sim, uint32_t ino, char *out, size_t size)
{
	char *at = out + size;

	*--at = '\0';
	while (ino && ino != SIM_ROOT) {
		const struct sim_slot *slot = &sim->slots[ino];
		const struct sim_body *dir = slot->body && slot->nlink ? inode_body(sim, slot->parent) : NULL;
		const struct sim_entry *e = dir && slot->ent < dir->nents ? &dir->ents[slot->ent] : NULL;

		if (!e || !e->name || e->ino[VOL] != ino || (size_t)(at - out) < e->name->len + 1) {
			at = out + size - 1;
			break;
		}
		at -= e->name->len;
		memcpy(at, e->name->text, e->name->len);
		*--at = '/';
		ino = slot->parent;
	}
	memmove(out, at, (size_t)(out + size - at));
}

/* path walk */

/* Puts a link's target before the rest of the path. */
static int walk_expand(const struct sim_name *target, const char *rest, char *buf, size_t size)
{
	size_t len = strlen(rest);

	if (target->len + len + 2 > size)
		return -ENAMETOOLONG;
	memmove(buf + target->len + 1, rest, len + 1); /* rest may lie in buf */
	memcpy(buf, target->text, target->len);
	buf[target->len] = '/';
	return 0;
}

static uint32_t walk_lookup(const struct os_sim *sim, uint32_t dir, const char *name, size_t len, uint32_t *ent)
{
	*ent = entry_find(inode_body(sim, dir), name, len);
	return *ent == SIM_NONE ? 0 : inode_body(sim, dir)->ents[*ent].ino[VOL];
}

static size_t dots(const char *p, size_t len)
{
	return len <= 2 && p[0] == '.' && p[len - 1] == '.' ? len : 0;
}

/* One component. 1: done, at is filled; 0: go on at *path from *cur. */
static int walk_step(struct os_sim *sim, uint32_t *cur, const char **path, bool follow, struct sim_at *at)
{
	const char *p = *path, *rest;
	size_t len = strcspn(p, "/");
	const struct sim_body *b;
	bool last;

	rest = p + len + strspn(p + len, "/");
	last = !*rest;
	if (len > SIM_NAME_MAX)
		return -ENAMETOOLONG;
	if (!len || dots(p, len)) {
		*cur = len == 2 ? sim->slots[*cur].parent : *cur;
		at->dir = at->ino = *cur;
		at->ent = SIM_NONE;
		at->len = 0;
		at->must_dir = false;
		*path = rest;
		return last;
	}
	at->dir = *cur;
	at->ino = walk_lookup(sim, *cur, p, len, &at->ent);
	at->name = p;
	at->len = len;
	at->must_dir = p[len] == '/';
	b = at->ino ? inode_body(sim, at->ino) : NULL;
	if (last && !(b && b->type == OS_LINK && (follow || at->must_dir)))
		return b && at->must_dir && b->type != OS_DIR ? -ENOTDIR : 1;
	if (!b)
		return -ENOENT;
	if (b->type == OS_LINK) {
		if (at->beneath)
			return -EMLINK;
		*cur = b->target->text[0] == '/' ? SIM_ROOT : *cur;
		*path = at->buf + strspn(b->target->text, "/");
		return walk_expand(b->target, rest, at->buf, sizeof(at->buf)) < 0 ? -ENAMETOOLONG : -ELOOP;
	}
	*cur = at->ino;
	*path = rest;
	return b->type == OS_DIR ? 0 : -ENOTDIR;
}

static int walk_from(struct os_sim *sim, uint32_t start, const char *path, bool follow, struct sim_at *at)
{
	uint32_t cur = path[0] == '/' ? SIM_ROOT : start;
	int links = 0, r;

	if (!*path)
		return -ENOENT;
	if (strlen(path) >= sizeof(at->buf))
		return -ENAMETOOLONG;
	path += strspn(path, "/");
	do {
		if (!sim->slots[cur].nlink)
			return -ENOENT;
		r = walk_step(sim, &cur, &path, follow, at);
		if (r == -ELOOP && ++links <= 40)
			r = 0;
	} while (!r);
	return r < 0 ? r : 0;
}

int walk(struct os_sim *sim, uint32_t start, const char *path, bool follow, struct sim_at *at)
{
	at->beneath = false;
	return walk_from(sim, start, path, follow, at);
}

/* No link is followed, the last component with a slash behind it among them. */
int walk_beneath(struct os_sim *sim, uint32_t start, const char *path, struct sim_at *at)
{
	at->beneath = true;
	int r = walk_from(sim, start, path, false, at);
	return r == -EMLINK ? -ELOOP : r;
}
