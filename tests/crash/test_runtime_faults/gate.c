/* gate.c - the table and the allocator that fail when they are told to. */
#include "crash/test_runtime_faults/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FILES_MAX 256
#define BLOCKS_MAX (1u << 17) /* a power of two */

int64_t gate_jump_ns;

static struct {
	uint32_t ops;
	int error, quiet;
	unsigned nth, calls, fired;
	bool forever, armed;
	char what[400];
} gate;

static const struct os *real;
static struct os_sim *machine;
static struct file { int fd; bool dir; char name[120]; } files[FILES_MAX];

/* ---- which call fails ---- */

void gate_arm(uint32_t ops, int error, unsigned nth, bool forever)
{
	int quiet = gate.quiet;

	memset(&gate, 0, sizeof(gate));
	gate.ops = ops;
	gate.error = error;
	gate.nth = nth;
	gate.forever = forever;
	gate.armed = nth > 0;
	gate.quiet = quiet;
}

void gate_heal(void)
{
	gate.armed = false;
}

unsigned gate_fired(void)
{
	return gate.fired;
}

unsigned gate_calls(void)
{
	return gate.calls;
}

bool gate_is_armed(void)
{
	return gate.armed;
}

const char *gate_what(void)
{
	return gate.what;
}

void gate_quiet(int by)
{
	gate.quiet += by;
}

/* Where a debugger stops. */
static void __attribute__((noinline)) gate_fire(enum gate_op op, const char *verb, const char *subject)
{
	if (gate.fired++ == 0)
		snprintf(gate.what, sizeof(gate.what), "%s '%s'", verb, subject);
	if (!gate.forever)
		gate.armed = false;
	(void)op;
}

/* 0, or the errno with which this call fails. */
static int fails(enum gate_op op, const char *verb, const char *subject)
{
	if (gate.quiet > 0 || !(gate.ops & op))
		return 0;
	gate.calls++;
	if (!gate.armed || gate.calls < gate.nth)
		return 0;
	gate_fire(op, verb, subject);
	return gate.error;
}

/* ---- memory ---- */

struct block { void *p, *where; };
static struct block blocks[BLOCKS_MAX];
static unsigned block_count;
static bool keep_blocks;

static struct block *find(void *p)
{
	unsigned n = (unsigned)((uintptr_t)p >> 4) * 2654435761u % BLOCKS_MAX;

	while (blocks[n].p && blocks[n].p != p)
		n = (n + 1) % BLOCKS_MAX;
	return &blocks[n];
}

static void *note(void *p, void *where)
{
	if (!p || gate.quiet > 0 || !keep_blocks || block_count > BLOCKS_MAX / 2)
		return p;
	struct block *b = find(p);
	block_count += !b->p;
	*b = (struct block){ p, where };
	return p;
}

/* Linear probing: what came behind it moves up. */
static void forget(void *p)
{
	struct block *b = p && keep_blocks ? find(p) : NULL;

	if (!b || !b->p)
		return;
	block_count--;
	b->p = NULL;
	for (unsigned n = (unsigned)(b - blocks + 1) % BLOCKS_MAX; blocks[n].p; n = (n + 1) % BLOCKS_MAX) {
		struct block moved = blocks[n];
		blocks[n].p = NULL;
		*find(moved.p) = moved;
	}
}

unsigned gate_unfreed(void **where)
{
	for (unsigned n = 0; n < BLOCKS_MAX && block_count; n++)
		if (blocks[n].p) {
			*where = blocks[n].where;
			break;
		}
	return block_count;
}

void gate_forget(void)
{
	if (block_count || !keep_blocks)
		memset(blocks, 0, sizeof(blocks));
	block_count = 0;
	keep_blocks = true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);

static bool no_memory(void)
{
	int error = fails(GATE_ALLOC, "allocate", "memory");

	if (error)
		errno = error;
	return error;
}

void *__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : note(__real_malloc(size), __builtin_return_address(0));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory() ? NULL : note(__real_calloc(count, size), __builtin_return_address(0));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (no_memory())
		return NULL;
	forget(p);
	void *made = __real_realloc(p, size);
	return note(made, __builtin_return_address(0));
}

void __wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

static char *copy(const char *text, size_t len, void *where)
{
	char *p = no_memory() ? NULL : note(__real_malloc(len + 1), where);

	if (p) {
		memcpy(p, text, len);
		p[len] = '\0';
	}
	return p;
}

char *__wrap_strdup(const char *text)
{
	return copy(text, strlen(text), __builtin_return_address(0));
}

char *__wrap_strndup(const char *text, size_t max)
{
	return copy(text, strnlen(text, max), __builtin_return_address(0));
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fails(GATE_MAP, "map", "memory")) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, len, prot, flags, fd, offset);
}

/* The same, as glibc calls it for files of any size. */
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return __wrap_mmap(at, len, prot, flags, fd, offset);
}

/* ---- files have names ---- */

static struct file *file_of(int fd)
{
	for (int n = 0; n < FILES_MAX; n++)
		if (files[n].fd == fd)
			return &files[n];
	return NULL;
}

static const char *name_of(int fd)
{
	const struct file *f = fd < 0 ? NULL : file_of(fd);

	return f ? f->name : "?";
}

static int opened(int fd, const char *name, bool dir)
{
	struct file *f = fd >= 0 ? file_of(0) : NULL;

	if (f) {
		*f = (struct file){ .fd = fd, .dir = dir };
		snprintf(f->name, sizeof(f->name), "%s", name);
	}
	return fd;
}

/* ---- the table ---- */

/* The machine does what a failing call does there: a part of the bytes is written, what was not synced is lost. */
static void let_it_fail(int error, uint32_t sim_op)
{
	os_sim_fail_ops(machine, sim_op);
	os_sim_fail_nth(machine, error ? 1 : 0, error, false);
}

#define BEGIN(op, verb, subject, sim_op)                                  \
	int error_ = fails((op), (verb), (subject));                      \
	gate_quiet(1);                                                    \
	if (error_)                                                       \
		let_it_fail(error_, (sim_op))

#define END(type, call)                                                   \
	type r_ = (call);                                                 \
	if (error_)                                                       \
		let_it_fail(0, 0);                                        \
	gate_quiet(-1);                                                   \
	return r_

static int gate_open_root(void *self, const char *path)
{
	BEGIN(GATE_OPEN, "open", path, OS_SIM_OP_OPEN);
	END(int, opened(real->open_root(self, path), path, true));
}

static int gate_open(void *self, int dir, const char *path, int flags, unsigned mode)
{
	BEGIN(GATE_OPEN, flags & OS_CREATE ? "create" : "open", path, OS_SIM_OP_OPEN);
	END(int, opened(real->open(self, dir, path, flags, mode), path, flags & OS_DIRECTORY));
}

static int gate_close(void *self, int fd)
{
	struct file *f = file_of(fd);
	int error = fails(GATE_CLOSE, "close", name_of(fd));

	gate_quiet(1);
	int r = real->close(self, fd);
	gate_quiet(-1);
	if (f)
		f->fd = 0;
	return error ? -error : r;
}

static ssize_t gate_pread(void *self, int fd, void *data, size_t len, uint64_t offset)
{
	BEGIN(GATE_READ, "read", name_of(fd), OS_SIM_OP_READ);
	END(ssize_t, real->pread(self, fd, data, len, offset));
}

static ssize_t gate_pwrite(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	BEGIN(GATE_WRITE, "write", name_of(fd), OS_SIM_OP_WRITE);
	END(ssize_t, real->pwrite(self, fd, data, len, offset));
}

static int gate_truncate(void *self, int fd, uint64_t size)
{
	BEGIN(GATE_RESIZE, "truncate", name_of(fd), OS_SIM_OP_TRUNCATE);
	END(int, real->truncate(self, fd, size));
}

static int gate_allocate(void *self, int fd, uint64_t size)
{
	BEGIN(GATE_RESIZE, "allocate", name_of(fd), OS_SIM_OP_ALLOCATE);
	END(int, real->allocate(self, fd, size));
}

static enum gate_op sync_of(int fd)
{
	const struct file *f = file_of(fd);

	return f && f->dir ? GATE_SYNC_DIR : GATE_SYNC;
}

static int gate_sync_data(void *self, int fd)
{
	BEGIN(sync_of(fd), "sync data of", name_of(fd), OS_SIM_OP_SYNC);
	END(int, real->sync_data(self, fd));
}

static int gate_sync(void *self, int fd)
{
	BEGIN(sync_of(fd), "sync", name_of(fd), OS_SIM_OP_SYNC);
	END(int, real->sync(self, fd));
}

static int gate_sync_fs(void *self, int fd)
{
	BEGIN(GATE_SYNC, "sync the file system of", name_of(fd), OS_SIM_OP_SYNC);
	END(int, real->sync_fs(self, fd));
}

static int gate_stat_fd(void *self, int fd, struct os_stat *st)
{
	BEGIN(GATE_STAT, "stat", name_of(fd), OS_SIM_OP_STAT);
	END(int, real->stat_fd(self, fd, st));
}

static int gate_stat(void *self, int dir, const char *path, struct os_stat *st)
{
	BEGIN(GATE_STAT, "stat", path, OS_SIM_OP_STAT);
	END(int, real->stat(self, dir, path, st));
}

static int gate_rename(void *self, int from_dir, const char *from, int to_dir, const char *to)
{
	BEGIN(GATE_RENAME, "rename", from, OS_SIM_OP_RENAME);
	END(int, real->rename(self, from_dir, from, to_dir, to));
}

static int gate_unlink(void *self, int dir, const char *path)
{
	BEGIN(GATE_UNLINK, "unlink", path, OS_SIM_OP_UNLINK);
	END(int, real->unlink(self, dir, path));
}

static int gate_rmdir(void *self, int dir, const char *path)
{
	BEGIN(GATE_UNLINK, "rmdir", path, OS_SIM_OP_UNLINK);
	END(int, real->rmdir(self, dir, path));
}

static int gate_mkdir(void *self, int dir, const char *path, unsigned mode)
{
	BEGIN(GATE_MKDIR, "mkdir", path, OS_SIM_OP_MKDIR);
	END(int, real->mkdir(self, dir, path, mode));
}

static int gate_chmod(void *self, int dir, const char *path, unsigned mode)
{
	BEGIN(GATE_CHMOD, "chmod", path, OS_SIM_OP_CHMOD);
	END(int, real->chmod(self, dir, path, mode));
}

static int gate_symlink(void *self, const char *target, int dir, const char *path)
{
	BEGIN(GATE_MKDIR, "symlink", path, OS_SIM_OP_LINK);
	END(int, real->symlink(self, target, dir, path));
}

static ssize_t gate_readlink(void *self, int dir, const char *path, char *out, size_t size)
{
	gate_quiet(1);
	ssize_t r = real->readlink(self, dir, path, out, size);
	gate_quiet(-1);
	return r;
}

/* What is called back is the runtime's own. */
struct caller {
	int (*name)(void *arg, const char *name);
	int (*event)(void *arg, int number, uint32_t mask, const char *name);
	void *arg;
};

static int call_name(void *arg, const char *name)
{
	struct caller *c = arg;

	gate_quiet(-1);
	int r = c->name(c->arg, name);
	gate_quiet(1);
	return r;
}

static int call_event(void *arg, int number, uint32_t mask, const char *name)
{
	struct caller *c = arg;

	gate_quiet(-1);
	int r = c->event(c->arg, number, mask, name);
	gate_quiet(1);
	return r;
}

static int gate_list(void *self, int dir, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	struct caller c = { .name = each, .arg = arg };
	BEGIN(GATE_LIST, "list", strcmp(path, ".") == 0 ? name_of(dir) : path, OS_SIM_OP_LIST);
	END(int, real->list(self, dir, path, call_name, &c));
}

static int gate_fs_info(void *self, int fd, struct os_fs_info *info)
{
	BEGIN(GATE_STAT, "look at the file system of", name_of(fd), OS_SIM_OP_STAT);
	END(int, real->fs_info(self, fd, info));
}

static int gate_lock(void *self, int fd)
{
	BEGIN(GATE_LOCK, "lock", name_of(fd), OS_SIM_OP_LOCK);
	END(int, real->lock(self, fd));
}

static int gate_mark(void *self, int fd, uint64_t at, bool on)
{
	BEGIN(GATE_LOCK, "mark", name_of(fd), OS_SIM_OP_LOCK);
	END(int, real->mark(self, fd, at, on));
}

static int gate_marked(void *self, int fd, uint64_t at)
{
	BEGIN(GATE_LOCK, "look for a mark on", name_of(fd), OS_SIM_OP_LOCK);
	END(int, real->marked(self, fd, at));
}

static enum os_lease gate_lease(void *self, int fd)
{
	BEGIN(GATE_LOCK, "lease", name_of(fd), OS_SIM_OP_LEASE);
	END(enum os_lease, real->lease(self, fd));
}

static void gate_unlease(void *self, int fd)
{
	real->unlease(self, fd);
}

static int gate_watch_open(void *self)
{
	BEGIN(GATE_WATCH_OPEN, "open", "a watch", OS_SIM_OP_WATCH);
	END(int, opened(real->watch_open(self), "a watch", false));
}

static int gate_watch_add(void *self, int watch, int dir, const char *path, uint32_t mask)
{
	BEGIN(GATE_WATCH_ADD, "watch", path, OS_SIM_OP_WATCH);
	END(int, real->watch_add(self, watch, dir, path, mask));
}

static int gate_watch_remove(void *self, int watch, int number)
{
	gate_quiet(1);
	int r = real->watch_remove(self, watch, number);
	gate_quiet(-1);
	return r;
}

static int gate_watch_read(void *self, int watch, int (*each)(void *arg, int number, uint32_t mask, const char *name), void *arg)
{
	struct caller c = { .event = each, .arg = arg };
	BEGIN(GATE_WATCH_READ, "read", "a watch", OS_SIM_OP_WATCH);
	END(int, real->watch_read(self, watch, call_event, &c));
}

static int64_t gate_real_ns(void *self)
{
	int64_t off = fails(GATE_CLOCK, "look at", "the clock") ? gate_jump_ns : 0;

	return real->real_ns(self) + off;
}

static int64_t gate_boot_ns(void *self)
{
	return real->boot_ns(self);
}

static int gate_boot_id(void *self, char out[OS_BOOT_ID_SIZE])
{
	BEGIN(GATE_PROCESS, "read", "the boot id", OS_SIM_OP_PROCESS);
	END(int, real->boot_id(self, out));
}

static int gate_random(void *self, void *out, size_t len)
{
	BEGIN(GATE_RANDOM, "draw", "random bytes", OS_SIM_OP_RANDOM);
	END(int, real->random(self, out, len));
}

static int gate_self_id(void *self, struct os_process_id *id)
{
	BEGIN(GATE_PROCESS, "identify", "this process", OS_SIM_OP_PROCESS);
	END(int, real->self_id(self, id));
}

static int gate_process_id(void *self, int32_t pid, struct os_process_id *id)
{
	BEGIN(GATE_PROCESS, "identify", "a process", OS_SIM_OP_PROCESS);
	END(int, real->process_id(self, pid, id));
}

const struct os *gate_os(struct os_sim *sim)
{
	static struct os table;

	memset(files, 0, sizeof(files));
	machine = sim;
	real = os_sim_os(sim);
	table = *real;
	table.open_root = gate_open_root;
	table.open = gate_open;
	table.close = gate_close;
	table.pread = gate_pread;
	table.pwrite = gate_pwrite;
	table.truncate = gate_truncate;
	table.allocate = gate_allocate;
	table.sync_data = gate_sync_data;
	table.sync = gate_sync;
	table.sync_fs = gate_sync_fs;
	table.stat_fd = gate_stat_fd;
	table.stat = gate_stat;
	table.rename = gate_rename;
	table.unlink = gate_unlink;
	table.mkdir = gate_mkdir;
	table.rmdir = gate_rmdir;
	table.chmod = gate_chmod;
	table.symlink = gate_symlink;
	table.readlink = gate_readlink;
	table.list = gate_list;
	table.fs_info = gate_fs_info;
	table.lock = gate_lock;
	table.mark = gate_mark;
	table.marked = gate_marked;
	table.lease = gate_lease;
	table.unlease = gate_unlease;
	table.watch_open = gate_watch_open;
	table.watch_add = gate_watch_add;
	table.watch_remove = gate_watch_remove;
	table.watch_read = gate_watch_read;
	table.real_ns = gate_real_ns;
	table.boot_ns = gate_boot_ns;
	table.boot_id = gate_boot_id;
	table.random = gate_random;
	table.self_id = gate_self_id;
	table.process_id = gate_process_id;
	return &table;
}

bool gate_mail(struct os_sim *sim)
{
	for (int n = 0; n < FILES_MAX; n++)
		if (files[n].fd && strcmp(files[n].name, "a watch") == 0 && os_sim_watch_pending(sim, files[n].fd))
			return true;
	return false;
}
