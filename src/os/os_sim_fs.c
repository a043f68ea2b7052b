/* os_sim_fs.c - what the calls do to files and names, with Linux's errors. */
#include <os/os_sim_impl.h>

#include <stdlib.h>
#include <string.h>

#define FDS_MAX 0xffffu

/* descriptors */

int fs_fd_new(struct os_sim *sim, int process, struct sim_desc **out)
{
	uint32_t index = sim->free_desc;
	struct sim_desc *d;

	if (index != SIM_NONE) {
		sim->free_desc = sim->descs[index].next_free;
	} else {
		if (sim->ndescs >= FDS_MAX)
			return -EMFILE;
		sim->descs = sim_grow(sim->descs, sim->ndescs, &sim->descs_cap, sizeof(sim->descs[0]));
		index = sim->ndescs++;
		sim->descs[index].generation = 0;
	}
	d = &sim->descs[index];
	*d = (struct sim_desc){ .process = process, .generation = d->generation % 0x7fff + 1 };
	*out = d;
	return (int)(d->generation << 16 | index);
}

struct sim_desc *fs_desc(struct os_sim *sim, int process, int fd)
{
	uint32_t index = (uint32_t)fd & 0xffff;
	struct sim_desc *d = fd > 0 && index < sim->ndescs ? &sim->descs[index] : NULL;

	if (d && d->kind != DESC_FREE && d->process == process && d->generation == (uint32_t)fd >> 16)
		return d;
	sim->bad_fds++;
	return NULL;
}

/* Tells the watchers of the directory that the file is in now. Where that is was noted when the name was made or used
 * last; a file that has no name any more is not told. */
static void notify_close(struct os_sim *sim, uint32_t ino)
{
	const struct sim_slot *slot = &sim->slots[ino];
	const struct sim_body *dir = slot->nlink ? inode_body(sim, slot->parent) : NULL;

	if (!dir || dir->type != OS_DIR || !sim->slots[slot->parent].watchers)
		return;
	for (uint32_t n = 0; n <= dir->nents; n++) {
		uint32_t i = n ? n - 1 : slot->ent;

		if (i < dir->nents && dir->ents[i].name && dir->ents[i].ino[VOL] == ino) {
			watch_notify(sim, slot->parent, OS_WATCH_CLOSE_WRITE, dir->ents[i].name);
			return;
		}
	}
}

void fs_desc_close(struct os_sim *sim, struct sim_desc *d, bool quiet)
{
	uint32_t index = (uint32_t)(d - sim->descs);
	struct sim_slot *slot;

	if (d->kind == DESC_WATCH) {
		watch_free(sim, d->watch);
	} else {
		slot = &sim->slots[d->ino];
		if (slot->lock_desc == (int)index)
			slot->lock_desc = -1;
		slot->leases -= d->lease;
		slot->writers -= d->write;
		if (d->write && !quiet)
			notify_close(sim, d->ino);
		inode_unref(sim, d->ino);
	}
	d->kind = DESC_FREE;
	d->next_free = sim->free_desc;
	sim->free_desc = index;
}

/* Out of the directory that it begins in. */
static bool leaves(const char *path)
{
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (!n || (n == 2 && p[0] == '.' && p[1] == '.'))
			return true;
		p += n;
	}
	return false;
}

int fs_walk(struct os_sim *sim, int process, int dir, const char *path, struct sim_at *at)
{
	const struct sim_desc *d;

	if (dir == OS_CWD)
		return walk(sim, SIM_ROOT, path, false, at);
	d = fs_desc(sim, process, dir);
	if (!d)
		return -EBADF;
	if (d->kind != DESC_INODE || inode_body(sim, d->ino)->type != OS_DIR)
		return -ENOTDIR;
	return leaves(path) ? -EXDEV : walk_beneath(sim, d->ino, path, at);
}

/* Counts the operation; the power may fail in it. */
static void count_op(struct os_sim *sim)
{
	if (++sim->ops == sim->stop_at)
		sim->cutting = true;
}

static int start_change(struct os_sim *sim)
{
	if (sim->read_only)
		return -EROFS;
	count_op(sim);
	return 0;
}

uint64_t fs_free_bytes(const struct os_sim *sim)
{
	if (!sim->capacity)
		return UINT64_C(1) << 40;
	return sim->capacity > sim->used ? sim->capacity - sim->used : 0;
}

/* open */

static int open_check(const struct sim_body *b, const struct sim_at *at, int flags)
{
	if (!b) {
		if (!(flags & OS_CREATE))
			return -ENOENT;
		return flags & OS_DIRECTORY ? -EINVAL : at->must_dir ? -EISDIR : 0;
	}
	if ((flags & OS_CREATE) && (flags & OS_EXCL))
		return -EEXIST;
	if (b->type == OS_DIR)
		return flags & (OS_WRITE | OS_CREATE) ? -EISDIR : 0;
	if (flags & OS_DIRECTORY)
		return -ENOTDIR;
	return b->type == OS_LINK ? -ELOOP : 0;
}

static void break_leases(struct os_sim *sim, uint32_t ino)
{
	for (uint32_t i = 0; i < sim->ndescs && sim->slots[ino].leases; i++)
		if (sim->descs[i].kind == DESC_INODE && sim->descs[i].ino == ino && sim->descs[i].lease) {
			sim->descs[i].lease = false;
			sim->slots[ino].leases--;
		}
}

static int open_create(struct os_sim *sim, const struct sim_at *at, unsigned mode, uint32_t *ino)
{
	int r = start_change(sim);

	if (r)
		return r;
	*ino = inode_new(sim, OS_FILE, mode & 07777);
	return fs_add(sim, at, *ino);
}

int fs_open(struct os_sim *sim, int process, const struct sim_at *at, int flags, unsigned mode)
{
	uint32_t ino = at->ino;
	struct sim_desc *d;
	int r = open_check(ino ? inode_body(sim, ino) : NULL, at, flags), fd;

	if (!r && (flags & OS_WRITE) && sim->read_only)
		r = -EROFS;
	if (r)
		return r;
	fd = fs_fd_new(sim, process, &d);
	if (fd < 0)
		return fd;
	if (!ino)
		r = open_create(sim, at, mode, &ino);
	d->kind = r ? DESC_FREE : DESC_INODE;
	if (r) {
		d->next_free = sim->free_desc;
		sim->free_desc = (uint32_t)fd & 0xffff;
		return r;
	}
	d->write = flags & OS_WRITE;
	d->read = flags & OS_READ || !d->write;
	d->ino = ino;
	d->err_seen = sim->slots[ino].err_seq;
	inode_ref(sim, ino);
	if (at->ent != SIM_NONE) {
		sim->slots[ino].parent = at->dir;
		sim->slots[ino].ent = at->ent;
	}
	if (d->write) {
		sim->slots[ino].writers++;
		break_leases(sim, ino);
	}
	if (d->write && (flags & OS_TRUNC) && inode_body(sim, ino)->size[VOL])
		r = fs_truncate(sim, d, 0);
	return r ? r : fd;
}

/* contents */

static struct sim_body *content_mut(struct os_sim *sim, uint32_t ino)
{
	struct sim_body *b = inode_mut(sim, ino);

	b->mtime_ns = b->ctime_ns = sim->real_ns;
	inode_dirty(sim, ino);
	return b;
}

/* How many of these bytes the capacity has room for. */
static size_t room(const struct os_sim *sim, uint32_t ino, size_t len, uint64_t off)
{
	uint64_t end;

	if (!sim->capacity)
		return len;
	end = sim->slots[ino].charged + fs_free_bytes(sim) / SIM_PAGE * SIM_PAGE;
	return end >= off + len ? len : end > off ? (size_t)(end - off) : 0;
}

static void put(struct os_sim *sim, uint32_t ino, const void *data, size_t len, uint64_t off)
{
	if (!len)
		return;
	data_write(content_mut(sim, ino), off, data, len);
	inode_charge(sim, ino);
}

ssize_t fs_write(struct os_sim *sim, struct sim_desc *d, const void *data, size_t len, uint64_t off)
{
	size_t fits;
	int r;

	if (off > SIM_FILE_BYTES_MAX || len > SIM_FILE_BYTES_MAX - off)
		return -EFBIG;
	if (!len)
		return 0;
	r = start_change(sim);
	if (r)
		return r;
	fits = room(sim, d->ino, len, off);
	put(sim, d->ino, data, fits, off);
	return fits < len ? -ENOSPC : (ssize_t)len;
}

/* A write that fails may have left a first part. */
ssize_t fs_write_fault(struct os_sim *sim, struct sim_desc *d, const void *data, size_t len, uint64_t off, int err)
{
	if (off > SIM_FILE_BYTES_MAX || len > SIM_FILE_BYTES_MAX - off || !len || start_change(sim))
		return -err;
	put(sim, d->ino, data, room(sim, d->ino, (size_t)sim_below(sim, len), off), off);
	return -err;
}

int fs_truncate(struct os_sim *sim, struct sim_desc *d, uint64_t size)
{
	int r = size > SIM_FILE_BYTES_MAX ? -EFBIG : start_change(sim);

	if (r)
		return r;
	data_resize(content_mut(sim, d->ino), size);
	inode_charge(sim, d->ino);
	return 0;
}

int fs_allocate(struct os_sim *sim, struct sim_desc *d, uint64_t size)
{
	struct sim_slot *slot = &sim->slots[d->ino];

	if (!size)
		return -EINVAL;
	if (size > SIM_FILE_BYTES_MAX)
		return -EFBIG;
	if (sim->read_only)
		return -EROFS;
	if (sim->kind == OS_FS_UBIFS)
		return -EOPNOTSUPP;
	if (size <= slot->charged)
		return 0;
	if (sim->capacity && size - slot->charged > fs_free_bytes(sim) / SIM_PAGE * SIM_PAGE)
		return -ENOSPC;
	inode_mut(sim, d->ino)->reserved = size;
	inode_dirty(sim, d->ino);
	inode_charge(sim, d->ino);
	return 0;
}

/* sync */

/* err 0: nobody is told. */
static void lose(struct os_sim *sim, uint32_t ino, int err)
{
	if (inode_body(sim, ino)->type == OS_DIR)
		dir_lose(sim, ino);
	else
		data_lose(inode_mut(sim, ino));
	sim->slots[ino].err_seq += err != 0;
	sim->slots[ino].err = err ? err : sim->slots[ino].err;
}

/* Does the disk lie about this sync? */
static bool lies(struct os_sim *sim, uint32_t ino)
{
	if (sim->lie_in > 1) {
		sim->lie_in--;
		return false;
	}
	if (!sim->lie_in || !sim->lie_count)
		return false;
	sim->lie_count--;
	if (!sim->lies++)
		sim->lied_ino = ino;
	return true;
}

static void make_durable(struct os_sim *sim, uint32_t ino, bool metadata)
{
	const struct sim_body *b = inode_body(sim, ino);
	bool resized = b->size[VOL] != b->size[DUR];

	/* in a journalling file system this commits every entry operation before it */
	if (metadata || resized || b->type == OS_DIR)
		sim->committed = sim->seq;
	if (b->type == OS_DIR)
		dir_sync(sim, ino);
	else if (b->nwops || resized)
		data_sync(inode_mut(sim, ino));
}

int fs_sync(struct os_sim *sim, struct sim_desc *d, bool metadata, int fault)
{
	const struct sim_slot *slot = &sim->slots[d->ino];

	count_op(sim);
	if (sim->cutting)
		return 0;
	if (fault)
		lose(sim, d->ino, fault);
	else if (!lies(sim, d->ino))
		make_durable(sim, d->ino, metadata);
	else if (sim->lie == OS_SIM_LIE_LOST)
		lose(sim, d->ino, 0);
	if (slot->err_seq == d->err_seen)
		return 0;
	d->err_seen = slot->err_seq;
	return -slot->err;
}

/* lost: all that was un-synced anywhere is, with this error or (0) none. */
static void sync_dirty(struct os_sim *sim, bool lost, int err)
{
	uint32_t kept = 0, n = sim->ndirty;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t ino = sim->dirty[i];
		const struct sim_body *b = sim->slots[ino].body;

		if (b && lost && (b->nwops || sim->slots[ino].npending))
			lose(sim, ino, err);
		else if (b && b->type == OS_FILE)
			make_durable(sim, ino, true);
		b = sim->slots[ino].body;
		sim->slots[ino].dirty = b && (b->lost || b->reserved || sim->slots[ino].npending);
		if (sim->slots[ino].dirty)
			sim->dirty[kept++] = ino;
	}
	sim->ndirty = kept;
}

int fs_sync_all(struct os_sim *sim, int fault)
{
	bool lie;

	count_op(sim);
	if (sim->cutting)
		return 0;
	lie = !fault && lies(sim, SIM_ROOT);
	if (lie && sim->lie == OS_SIM_LIE_LATE)
		return 0;
	for (uint32_t op = 0; !fault && !lie && op < sim->ndirops; op++)
		if (sim->dirops[op].seq)
			dirop_mark(sim, op);
	dirop_apply_marked(sim);
	sync_dirty(sim, fault || lie, fault);
	if (!fault && !lie)
		sim->committed = sim->seq;
	return -fault;
}

/* names */

void fs_stat(const struct os_sim *sim, uint32_t ino, struct os_stat *st)
{
	const struct sim_body *b = inode_body(sim, ino);

	*st = (struct os_stat){
		.type = b->type,
		.mode = b->mode,
		.nlink = b->type == OS_DIR ? 2 : sim->slots[ino].nlink,
		.size = b->type == OS_DIR ? SIM_PAGE : b->type == OS_LINK ? b->target->len : b->size[VOL],
		.ino = ino,
		.dev = 1,
		.mtime_ns = b->mtime_ns,
		.ctime_ns = b->ctime_ns,
	};
}

int fs_add(struct os_sim *sim, const struct sim_at *at, uint32_t ino)
{
	struct sim_change c = { .dir = at->dir, .ino = ino };

	c.ent = entry_make(sim, at->dir, at->name, at->len);
	dirop_add(sim, &c, 1);
	watch_notify(sim, at->dir, OS_WATCH_CREATE, inode_body(sim, at->dir)->ents[c.ent].name);
	return 0;
}

static bool is_below(const struct os_sim *sim, uint32_t dir, uint32_t top)
{
	while (dir != top && dir != SIM_ROOT)
		dir = sim->slots[dir].parent;
	return dir == top;
}

static int rename_check(const struct os_sim *sim, const struct sim_at *from, const struct sim_at *to)
{
	const struct sim_body *b, *old = to->ino ? inode_body(sim, to->ino) : NULL;

	if (!from->len || !to->len)
		return -EBUSY;
	if (!from->ino)
		return -ENOENT;
	b = inode_body(sim, from->ino);
	if (b->type == OS_DIR && is_below(sim, to->dir, from->ino))
		return -EINVAL;
	if (b->type != OS_DIR && to->must_dir)
		return -ENOTDIR;
	if (!old || to->ino == from->ino)
		return 0;
	if (b->type == OS_DIR)
		return old->type != OS_DIR ? -ENOTDIR : old->live ? -ENOTEMPTY : 0;
	return old->type == OS_DIR ? -EISDIR : 0;
}

int fs_rename(struct os_sim *sim, const struct sim_at *from, const struct sim_at *to)
{
	struct sim_change c[2] = { { .dir = to->dir, .ino = from->ino }, { .dir = from->dir, .ent = from->ent } };
	struct sim_name *old_name, *new_name;
	int r = rename_check(sim, from, to);

	if (!r && to->ino == from->ino)
		return 0;
	if (!r)
		r = start_change(sim);
	if (r)
		return r;
	if (to->ino && inode_body(sim, to->ino)->type == OS_DIR)
		watch_gone(sim, to->ino);
	c[0].ent = entry_make(sim, to->dir, to->name, to->len);
	old_name = name_ref(inode_body(sim, from->dir)->ents[from->ent].name);
	new_name = name_ref(inode_body(sim, to->dir)->ents[c[0].ent].name);
	dirop_add_touching(sim, c, 2, from->ino);
	watch_notify(sim, from->dir, OS_WATCH_MOVED_FROM, old_name);
	watch_notify(sim, to->dir, OS_WATCH_MOVED_TO, new_name);
	watch_notify(sim, from->ino, OS_WATCH_GONE, NULL);
	name_unref(old_name);
	name_unref(new_name);
	return 0;
}

static int unlink_check(const struct sim_body *b, const struct sim_at *at, bool dir)
{
	if (!at->len)
		return dir ? -EINVAL : -EISDIR;
	if (!b)
		return -ENOENT;
	if (!dir)
		return b->type == OS_DIR ? -EISDIR : 0;
	return b->type != OS_DIR ? -ENOTDIR : b->live ? -ENOTEMPTY : 0;
}

int fs_unlink(struct os_sim *sim, const struct sim_at *at, bool dir)
{
	struct sim_change c = { .dir = at->dir, .ent = at->ent };
	struct sim_name *name;
	int r = unlink_check(at->ino ? inode_body(sim, at->ino) : NULL, at, dir);

	if (!r)
		r = start_change(sim);
	if (r)
		return r;
	if (dir)
		watch_gone(sim, at->ino);
	name = name_ref(inode_body(sim, at->dir)->ents[at->ent].name);
	dirop_add_touching(sim, &c, 1, at->ino);
	watch_notify(sim, at->dir, OS_WATCH_DELETE, name);
	name_unref(name);
	return 0;
}

int fs_mkdir(struct os_sim *sim, const struct sim_at *at, unsigned mode)
{
	int r = !at->len || at->ino ? -EEXIST : fs_free_bytes(sim) < SIM_PAGE ? -ENOSPC : start_change(sim);

	return r ? r : fs_add(sim, at, inode_new(sim, OS_DIR, mode & 07777));
}

int fs_symlink(struct os_sim *sim, const struct sim_at *at, const char *target)
{
	uint32_t ino;
	int r = !*target ? -ENOENT : !at->len || at->ino ? -EEXIST : at->must_dir ? -ENOENT : start_change(sim);

	if (r)
		return r;
	ino = inode_new(sim, OS_LINK, 0777);
	inode_mut(sim, ino)->target = name_new(target, strlen(target));
	return fs_add(sim, at, ino);
}

int fs_chmod(struct os_sim *sim, const struct sim_at *at, unsigned mode)
{
	struct sim_body *b;
	int r;

	if (!at->ino)
		return -ENOENT;
	if (inode_body(sim, at->ino)->type == OS_LINK)
		return -ELOOP;
	r = start_change(sim);
	if (r)
		return r;
	b = inode_mut(sim, at->ino);
	b->mode = mode & 07777;
	b->ctime_ns = sim->real_ns;
	return 0;
}
