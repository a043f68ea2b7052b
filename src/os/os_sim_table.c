/*
 * os_sim_table.c - the table of the simulated OS. Each call: take the mutex, see whether there is power and whether
 * this call is to fail, do it, and lose power when this was the operation to stop at.
 */
#include <os/os_sim_impl.h>

#include <stdlib.h>
#include <string.h>

/* the frame of each call */

static bool fault_now(struct os_sim *sim, uint32_t op)
{
	if (!sim->fail_in || !(sim->fail_mask & op) || --sim->fail_in)
		return false;
	sim->fail_in = sim->fail_forever ? 1 : 0;
	sim->fault_fired = true;
	return true;
}

/* Takes the mutex. 0, or the error that the call must end with; *fault is set when that is an injected one. */
static int begin(void *self, uint32_t op, struct os_sim **sim, int *fault)
{
	struct sim_process *p = self;

	*sim = p->sim;
	sim_lock(p->sim);
	if (fault)
		*fault = 0;
	if (p->sim->off || !p->alive)
		return -EIO;
	if (!fault_now(p->sim, op))
		return 0;
	if (fault)
		*fault = p->sim->fail_err;
	return -p->sim->fail_err;
}

static int end(struct os_sim *sim, int r)
{
	if (sim->cutting) {
		sim->cutting = false;
		sim->off = true;
		r = -EIO;
	}
	sim_unlock(sim);
	return r;
}

static int index_of(void *self)
{
	struct sim_process *p = self;

	return (int)(p - p->sim->process);
}

/* The descriptor of a file or directory. */
static int desc_of(void *self, int fd, struct sim_desc **d)
{
	struct sim_process *p = self;

	*d = fs_desc(p->sim, index_of(self), fd);
	if (!*d)
		return -EBADF;
	return (*d)->kind == DESC_INODE ? 0 : -EINVAL;
}

static int content_of(void *self, int fd, bool write, struct sim_desc **d)
{
	struct sim_process *p = self;
	int r = desc_of(self, fd, d);

	if (r)
		return r;
	if (write ? !(*d)->write : !(*d)->read)
		return -EBADF;
	return inode_body(p->sim, (*d)->ino)->type == OS_DIR ? -EISDIR : 0;
}

static struct sim_watch *watch_of(void *self, int fd)
{
	struct sim_process *p = self;
	struct sim_desc *d = fs_desc(p->sim, index_of(self), fd);

	return d && d->kind == DESC_WATCH ? d->watch : NULL;
}

/* files */

static int sim_open_root(void *self, const char *path)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_OPEN, &sim, NULL);

	if (!r)
		r = walk(sim, SIM_ROOT, path, true, &at);
	if (!r)
		r = fs_open(sim, index_of(self), &at, OS_READ | OS_DIRECTORY, 0);
	return end(sim, r);
}

static int sim_open(void *self, int dir, const char *path, int flags, unsigned mode)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_OPEN, &sim, NULL);

	if (!r)
		r = fs_walk(sim, index_of(self), dir, path, &at);
	if (r == -ELOOP && flags & OS_DIRECTORY)
		r = -ENOTDIR;
	if (!r)
		r = fs_open(sim, index_of(self), &at, flags, mode);
	return end(sim, r);
}

static int sim_close(void *self, int fd)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, 0, &sim, NULL);

	if (!r) {
		d = fs_desc(sim, index_of(self), fd);
		if (d)
			fs_desc_close(sim, d, false);
		else
			r = -EBADF;
	}
	return end(sim, r);
}

static ssize_t sim_pread(void *self, int fd, void *data, size_t len, uint64_t offset)
{
	struct os_sim *sim;
	struct sim_desc *d;
	ssize_t n;
	int r = begin(self, OS_SIM_OP_READ, &sim, NULL);

	if (!r)
		r = content_of(self, fd, false, &d);
	n = r;
	if (!r) {
		const struct sim_body *b = inode_body(sim, d->ino);
		uint64_t left = offset < b->size[VOL] ? b->size[VOL] - offset : 0;

		if (len > left)
			len = (size_t)left;
		data_read(b, offset, data, len);
		n = (ssize_t)len;
	}
	end(sim, 0);
	return n;
}

static ssize_t sim_pwrite(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int fault, r = begin(self, OS_SIM_OP_WRITE, &sim, &fault);
	ssize_t n = r;

	if (!r || fault)
		n = content_of(self, fd, true, &d);
	if (!n && fault)
		n = fs_write_fault(sim, d, data, len, offset, fault);
	else if (!n && !r)
		n = fs_write(sim, d, data, len, offset);
	r = end(sim, n < 0 ? (int)n : 0);
	return r < 0 ? r : n;
}

static int sim_truncate(void *self, int fd, uint64_t size)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_TRUNCATE, &sim, NULL);

	if (!r)
		r = content_of(self, fd, true, &d);
	if (r == -EBADF && !desc_of(self, fd, &d))
		r = -EINVAL;
	if (!r)
		r = fs_truncate(sim, d, size);
	return end(sim, r);
}

static int sim_allocate(void *self, int fd, uint64_t size)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_ALLOCATE, &sim, NULL);

	if (!r)
		r = content_of(self, fd, true, &d);
	if (!r)
		r = fs_allocate(sim, d, size);
	return end(sim, r);
}

static int sync_call(void *self, int fd, bool metadata)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int fault, r = begin(self, OS_SIM_OP_SYNC, &sim, &fault);

	if (!r || fault)
		r = desc_of(self, fd, &d);
	if (!r)
		r = fs_sync(sim, d, metadata, fault);
	return end(sim, r);
}

static int sim_sync_data(void *self, int fd)
{
	return sync_call(self, fd, false);
}

static int sim_sync(void *self, int fd)
{
	return sync_call(self, fd, true);
}

static int sim_sync_fs(void *self, int fd)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int fault, r = begin(self, OS_SIM_OP_SYNC, &sim, &fault);

	if (!r || fault)
		r = desc_of(self, fd, &d);
	if (!r)
		r = fs_sync_all(sim, fault);
	return end(sim, r);
}

static int sim_stat_fd(void *self, int fd, struct os_stat *st)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_STAT, &sim, NULL);

	if (!r)
		r = desc_of(self, fd, &d);
	if (!r)
		fs_stat(sim, d->ino, st);
	return end(sim, r);
}

/* names */

static int at_begin(void *self, uint32_t op, struct os_sim **sim, int dir, const char *path, struct sim_at *at)
{
	int r = begin(self, op, sim, NULL);

	return r ? r : fs_walk(*sim, index_of(self), dir, path, at);
}

static int sim_stat(void *self, int dir, const char *path, struct os_stat *st)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_STAT, &sim, dir, path, &at);

	if (!r && !at.ino)
		r = -ENOENT;
	if (!r)
		fs_stat(sim, at.ino, st);
	return end(sim, r);
}

static int sim_rename(void *self, int from_dir, const char *from, int to_dir, const char *to)
{
	struct sim_at a, b;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_RENAME, &sim, from_dir, from, &a);

	if (!r)
		r = fs_walk(sim, index_of(self), to_dir, to, &b);
	if (!r)
		r = fs_rename(sim, &a, &b);
	return end(sim, r);
}

static int sim_unlink(void *self, int dir, const char *path)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_UNLINK, &sim, dir, path, &at);

	return end(sim, r ? r : fs_unlink(sim, &at, false));
}

static int sim_rmdir(void *self, int dir, const char *path)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_UNLINK, &sim, dir, path, &at);

	return end(sim, r ? r : fs_unlink(sim, &at, true));
}

static int sim_mkdir(void *self, int dir, const char *path, unsigned mode)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_MKDIR, &sim, dir, path, &at);

	return end(sim, r ? r : fs_mkdir(sim, &at, mode));
}

static int sim_chmod(void *self, int dir, const char *path, unsigned mode)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_CHMOD, &sim, dir, path, &at);

	return end(sim, r ? r : fs_chmod(sim, &at, mode));
}

/* There are no users: every file is of 0. */
static int sim_chown_group(void *self, int fd, uint32_t gid)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_CHMOD, &sim, NULL);

	(void)gid;
	return end(sim, r ? r : desc_of(self, fd, &d));
}

static int sim_symlink(void *self, const char *target, int dir, const char *path)
{
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_LINK, &sim, dir, path, &at);

	return end(sim, r ? r : fs_symlink(sim, &at, target));
}

static ssize_t sim_readlink(void *self, int dir, const char *path, char *out, size_t size)
{
	const struct sim_name *target;
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_STAT, &sim, dir, path, &at);

	if (!r)
		r = !at.ino ? -ENOENT : inode_body(sim, at.ino)->type != OS_LINK ? -EINVAL : 0;
	if (!r) {
		target = inode_body(sim, at.ino)->target;
		r = target->len < size ? (int)target->len : -ENAMETOOLONG;
		if (r > 0)
			memcpy(out, target->text, target->len + 1);
	}
	return end(sim, r);
}

/* The names at this moment, from a drawn one on: nobody may rely on an order. */
static struct sim_name **list_names(struct os_sim *sim, uint32_t dir, uint32_t *count)
{
	const struct sim_body *b = inode_body(sim, dir);
	struct sim_name **names = sim_alloc((b->live + 1) * sizeof(*names));
	uint32_t n = 0, first = b->nents ? (uint32_t)(sim_random(&sim->user_rng) % b->nents) : 0;

	for (uint32_t i = 0; i < b->nents; i++) {
		const struct sim_entry *e = &b->ents[(first + i) % b->nents];

		if (e->name && e->ino[VOL])
			names[n++] = name_ref(e->name);
	}
	*count = n;
	return names;
}

/* Gives the names to the callback, without the mutex, and frees them. */
static int hand_out(struct sim_name **names, uint32_t n, int r, int (*each)(void *arg, const char *name), void *arg)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!r)
			r = each(arg, names[i]->text);
		name_unref(names[i]);
	}
	free(names);
	return r;
}

static int sim_list(void *self, int dir, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	struct sim_name **names = NULL;
	uint32_t n = 0;
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_LIST, &sim, dir, path, &at);

	if (r == -ELOOP)
		r = -ENOTDIR;
	if (!r && !at.ino)
		r = -ENOENT;
	if (!r && inode_body(sim, at.ino)->type != OS_DIR)
		r = -ENOTDIR;
	if (!r)
		names = list_names(sim, at.ino, &n);
	return hand_out(names, n, end(sim, r), each, arg);
}

static int sim_fs_info(void *self, int fd, struct os_fs_info *info)
{
	static const char *const names[] = {
		[OS_FS_OTHER] = "other", [OS_FS_EXT4] = "ext4", [OS_FS_XFS] = "xfs", [OS_FS_BTRFS] = "btrfs",
		[OS_FS_F2FS] = "f2fs", [OS_FS_UBIFS] = "ubifs", [OS_FS_TMPFS] = "tmpfs", [OS_FS_OVERLAY] = "overlay",
		[OS_FS_NETWORK] = "nfs", [OS_FS_FUSE] = "fuse",
	};
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_STAT, &sim, NULL);

	if (!r)
		r = desc_of(self, fd, &d);
	if (!r) {
		info->kind = sim->kind;
		snprintf(info->name, sizeof(info->name), "%s", names[sim->kind]);
		info->read_only = sim->read_only;
		info->free_bytes = fs_free_bytes(sim);
		info->free_inodes = UINT64_C(1) << 30;
	}
	return end(sim, r);
}

static int sim_flock(void *self, int fd)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_LOCK, &sim, NULL), index;

	if (!r)
		r = desc_of(self, fd, &d);
	if (!r) {
		index = (int)(d - sim->descs);
		if (sim->slots[d->ino].lock_desc >= 0 && sim->slots[d->ino].lock_desc != index)
			r = -EWOULDBLOCK;
		else
			sim->slots[d->ino].lock_desc = index;
	}
	return end(sim, r);
}

static bool marked_by_other(const struct os_sim *sim, const struct sim_desc *d, uint64_t at)
{
	for (uint32_t i = 0; i < sim->ndescs; i++) {
		const struct sim_desc *o = &sim->descs[i];

		if (o != d && o->kind == DESC_INODE && o->ino == d->ino && o->mark && o->mark_at == at)
			return true;
	}
	return false;
}

static int sim_mark(void *self, int fd, uint64_t at, bool on)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_LOCK, &sim, NULL);

	if (!r)
		r = content_of(self, fd, true, &d);
	if (!r && on && d->mark && d->mark_at != at)
		r = -EINVAL; /* one is enough for each, and all that this machine has */
	else if (!r && on && marked_by_other(sim, d, at))
		r = -EWOULDBLOCK;
	else if (!r && (on || d->mark_at == at)) {
		d->mark = on;
		d->mark_at = at;
	}
	return end(sim, r);
}

static int sim_marked(void *self, int fd, uint64_t at)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_LOCK, &sim, NULL);

	if (!r)
		r = content_of(self, fd, false, &d);
	if (!r)
		r = marked_by_other(sim, d, at);
	return end(sim, r);
}

/* Nobody can be made to wait for a lease here: who opens for writing just breaks it. */
static enum os_lease sim_lease(void *self, int fd)
{
	enum os_lease answer = OS_LEASE_UNKNOWN;
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_LEASE, &sim, NULL);

	if (!r && sim->leases && sim->kind != OS_FS_NETWORK && sim->kind != OS_FS_FUSE && !desc_of(self, fd, &d) &&
	    inode_body(sim, d->ino)->type == OS_FILE) {
		answer = sim->slots[d->ino].writers ? OS_LEASE_WRITER : OS_LEASE_GRANTED;
		if (answer == OS_LEASE_GRANTED && !d->lease) {
			d->lease = true;
			sim->slots[d->ino].leases++;
		}
	}
	end(sim, 0);
	return answer;
}

static void sim_unlease(void *self, int fd)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, 0, &sim, NULL);

	if (!r && !desc_of(self, fd, &d) && d->lease) {
		d->lease = false;
		sim->slots[d->ino].leases--;
	}
	end(sim, 0);
}

/* watching */

static int sim_watch_open(void *self)
{
	struct os_sim *sim;
	struct sim_desc *d;
	int r = begin(self, OS_SIM_OP_WATCH, &sim, NULL);

	if (!r)
		r = fs_fd_new(sim, index_of(self), &d);
	if (r >= 0) {
		d->kind = DESC_WATCH;
		d->watch = watch_new();
	}
	return end(sim, r);
}

static int sim_watch_add(void *self, int watch, int dir, const char *path, uint32_t mask)
{
	struct sim_watch *w;
	struct sim_at at;
	struct os_sim *sim;
	int r = at_begin(self, OS_SIM_OP_WATCH, &sim, dir, path, &at);

	if (!r && !at.ino)
		r = -ENOENT;
	if (!r && inode_body(sim, at.ino)->type != OS_DIR)
		r = -ENOTDIR;
	if (!r) {
		w = watch_of(self, watch);
		r = w ? watch_add(sim, w, at.ino, mask) : -EINVAL;
	}
	return end(sim, r);
}

static int sim_watch_remove(void *self, int watch, int number)
{
	struct sim_watch *w;
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_WATCH, &sim, NULL);

	if (!r) {
		w = watch_of(self, watch);
		r = w ? watch_remove(sim, w, number) : -EINVAL;
	}
	return end(sim, r);
}

/* 1 with an event, 0 without. */
static int next_event(void *self, int watch, uint32_t op, struct sim_event *e)
{
	struct sim_watch *w;
	struct os_sim *sim;
	int r = begin(self, op, &sim, NULL);

	if (!r) {
		w = watch_of(self, watch);
		r = w ? watch_pop(w, e) : -EINVAL;
	}
	return end(sim, r);
}

static int sim_watch_read(void *self, int watch,
			  int (*each)(void *arg, int number, uint32_t mask, const char *name), void *arg)
{
	struct sim_event e;
	uint32_t op = OS_SIM_OP_WATCH;
	int r;

	while ((r = next_event(self, watch, op, &e)) > 0) {
		r = each(arg, e.number, e.mask, e.name ? e.name->text : "");
		name_unref(e.name);
		if (r)
			break;
		op = 0; /* one call, one chance to fail */
	}
	return r;
}

/* clocks, randomness, processes */

static int64_t sim_real_ns(void *self)
{
	struct sim_process *p = self;
	int64_t ns;

	sim_lock(p->sim);
	ns = p->sim->real_ns;
	sim_unlock(p->sim);
	return ns;
}

static int64_t sim_boot_ns(void *self)
{
	struct sim_process *p = self;
	int64_t ns;

	sim_lock(p->sim);
	ns = p->sim->boot_ns;
	sim_unlock(p->sim);
	return ns;
}

static int sim_boot_id(void *self, char out[OS_BOOT_ID_SIZE])
{
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_PROCESS, &sim, NULL);

	if (!r)
		memcpy(out, sim->boot_id, OS_BOOT_ID_SIZE);
	return end(sim, r);
}

static int sim_random_bytes(void *self, void *out, size_t len)
{
	unsigned char *p = out;
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_RANDOM, &sim, NULL);

	for (size_t i = 0; !r && i < len; i++)
		p[i] = (unsigned char)(sim_random(&sim->user_rng) >> 56);
	return end(sim, r);
}

static int32_t pid_of(int process)
{
	return 100 + process;
}

static int sim_self_id(void *self, struct os_process_id *id)
{
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_PROCESS, &sim, NULL), process = index_of(self);

	if (!r) {
		*id = (struct os_process_id){ .pid = pid_of(process) };
		id->start_ticks = sim->process[process].start_ticks;
		memcpy(id->boot_id, sim->boot_id, sizeof(id->boot_id));
	}
	return end(sim, r);
}

static int sim_process_id(void *self, int32_t pid, struct os_process_id *id)
{
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_PROCESS, &sim, NULL), process = pid - pid_of(0);

	if (!r && (process < 0 || process >= OS_SIM_PROCESSES_MAX || !sim->process[process].alive))
		r = -ESRCH;
	if (!r) {
		*id = (struct os_process_id){ .pid = pid, .start_ticks = sim->process[process].start_ticks };
		memcpy(id->boot_id, sim->boot_id, sizeof(id->boot_id));
	}
	return end(sim, r);
}

static bool sim_is_alive(void *self, const struct os_process_id *id)
{
	struct os_sim *sim;
	int r = begin(self, 0, &sim, NULL), process = id->pid - pid_of(0);
	bool alive = !r && process >= 0 && process < OS_SIM_PROCESSES_MAX && sim->process[process].alive &&
		     sim->process[process].start_ticks == id->start_ticks && !strcmp(sim->boot_id, id->boot_id);

	end(sim, 0);
	return alive;
}

static uint32_t sim_uid(void *self)
{
	(void)self;
	return 0;
}

/* the machine */

static int sim_read_kernel(void *self, const char *path, char *buf, size_t size)
{
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_READ, &sim, NULL);

	return end(sim, r ? r : kernel_read(sim, path, buf, size));
}

static int sim_list_kernel(void *self, const char *dir, int (*each)(void *arg, const char *name), void *arg)
{
	struct sim_name **names = NULL;
	struct os_sim *sim;
	uint32_t n = 0;
	int r = begin(self, OS_SIM_OP_LIST, &sim, NULL);

	if (!r) {
		names = kernel_names(sim, dir, &n);
		r = names ? 0 : -ENOENT;
	}
	return hand_out(names, n, end(sim, r), each, arg);
}

static int sim_path_space(void *self, const char *path, uint64_t *free_bytes, uint64_t *free_inodes,
			  uint64_t *total_inodes)
{
	struct os_sim *sim;
	int r = begin(self, OS_SIM_OP_STAT, &sim, NULL);

	return end(sim, r ? r : kernel_space(sim, path, free_bytes, free_inodes, total_inodes));
}

static unsigned sim_cpus(void *self)
{
	struct sim_process *p = self;
	unsigned n;

	sim_lock(p->sim);
	p->sim->kernel_calls++;
	n = p->sim->cpus ? p->sim->cpus : 4;
	sim_unlock(p->sim);
	return n;
}

const struct os sim_table = {
	.open_root = sim_open_root,
	.open = sim_open,
	.close = sim_close,
	.pread = sim_pread,
	.pwrite = sim_pwrite,
	.truncate = sim_truncate,
	.allocate = sim_allocate,
	.sync_data = sim_sync_data,
	.sync = sim_sync,
	.sync_fs = sim_sync_fs,
	.stat_fd = sim_stat_fd,
	.stat = sim_stat,
	.rename = sim_rename,
	.unlink = sim_unlink,
	.mkdir = sim_mkdir,
	.rmdir = sim_rmdir,
	.chmod = sim_chmod,
	.chown_group = sim_chown_group,
	.symlink = sim_symlink,
	.readlink = sim_readlink,
	.list = sim_list,
	.fs_info = sim_fs_info,
	.lock = sim_flock,
	.mark = sim_mark,
	.marked = sim_marked,
	.lease = sim_lease,
	.unlease = sim_unlease,
	.watch_open = sim_watch_open,
	.watch_add = sim_watch_add,
	.watch_remove = sim_watch_remove,
	.watch_read = sim_watch_read,
	.real_ns = sim_real_ns,
	.boot_ns = sim_boot_ns,
	.boot_id = sim_boot_id,
	.random = sim_random_bytes,
	.self_id = sim_self_id,
	.process_id = sim_process_id,
	.is_alive = sim_is_alive,
	.uid = sim_uid,
	.read_kernel = sim_read_kernel,
	.list_kernel = sim_list_kernel,
	.path_space = sim_path_space,
	.cpus = sim_cpus,
};
