/* device.c - processes as coroutines, the table through which they act, the clock, and how they die. */
#include "sim.h"
#include "crash/program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES (512 * 1024)
#define SWITCH_ONE_IN 12
#define STEP_NS_MAX 200000u

struct device device;
bool simulation_trace;
static struct coro *coros[sizeof(device.procs) / sizeof(device.procs[0])]; /* kept from run to run */

/* ---- drawing, telling ---- */

uint64_t draw_any(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

unsigned draw_below(uint64_t *state, unsigned limit)
{
	return (unsigned)(draw_any(state) % limit);
}

bool chance(unsigned one_in)
{
	return draw_below(&device.random, one_in) == 0;
}

bool planted(const char *name)
{
	return program_planted(name);
}

void wrong(const char *fmt, ...)
{
	va_list args;

	if (is_wrong())
		return;
	va_start(args, fmt);
	vsnprintf(device.result->why, sizeof(device.result->why), fmt, args);
	va_end(args);
	device.over = true;
	trace("WRONG", 0, 0, device.result->why);
}

bool is_wrong(void)
{
	return device.result->why[0] != '\0';
}

static void hash_add(uint64_t n)
{
	uint64_t h = (device.result->hash ^ n) * 0x9e3779b97f4a7c15u;

	device.result->hash = h ^ h >> 29;
}

void trace(const char *what, int64_t a, int64_t b, const char *text)
{
	hash_add((uint64_t)what[0] << 8 ^ (uint64_t)(unsigned char)what[1]);
	hash_add((uint64_t)a);
	hash_add((uint64_t)b);
	for (const char *at = text ? text : ""; *at; at++)
		device.result->hash = (device.result->hash ^ (unsigned char)*at) * 0x100000001b3u;
	if (simulation_trace)
		printf("%10.6f %7llu %c%u  %s %lld %lld%s%s\n", (double)device.now_ns / 1e9, (unsigned long long)device.calls,
		       device.current ? "RCSWH"[device.current->role] : '-', device.current ? device.current->number : 0, what, (long long)a, (long long)b,
		       text ? " " : "", text ? text : "");
}

/* ---- processes ---- */

struct proc *proc_of(enum role role, unsigned number)
{
	static const unsigned first[] = { 0, RUNTIMES, RUNTIMES + CLIENTS, RUNTIMES + CLIENTS + SHELLS, RUNTIMES + CLIENTS + SHELLS + WORKERS };

	return &device.procs[first[role] + number];
}

static void body(void *arg)
{
	unsigned slot = (unsigned)(uintptr_t)arg;

	for (;;) {
		struct proc *p = &device.procs[slot];
		p->stack = (uintptr_t)&p;
		p->main(p);
		p->busy = false;
		coro_suspend(p->coro);
	}
}

/* In an orchestration's own stack nobody hands over: whoever watches stacks would lose track of them. */
static bool on_own_stack(const struct proc *p)
{
	uintptr_t here = (uintptr_t)&p;

	return here <= p->stack && p->stack - here < STACK_BYTES * 4;
}

static void hand_over(struct proc *p)
{
	coro_suspend(p->coro);
}

static void go_on(struct proc *p)
{
	device.current = p;
	program_loop = &p->loop;
	device.result->steps++;
	hash_add((uint64_t)p->slot);
	(void)coro_resume(p->coro);
	device.current = NULL;
}

void proc_start(struct proc *p, int64_t after_ns)
{
	p->start_ns = device.now_ns + after_ns;
}

static void begin_life(struct proc *p)
{
	p->real = os_sim_os_process(device.sim, p->slot);
	device_table(p);
	p->busy = true;
	p->dead = p->quiet = p->asleep = false;
	p->start_ns = -1;
	p->lives++;
	trace("start", p->slot, p->lives, NULL);
}

void proc_kill(struct proc *p)
{
	if (!p->busy || p->dead)
		return;
	trace("kill", p->slot, 0, NULL);
	os_sim_kill(device.sim, p->slot);
	p->dead = true;
}

bool proc_is_gone(void)
{
	return device.current->dead;
}

void proc_wait(int64_t until_ns, bool (*ready)(struct proc *p))
{
	struct proc *p = device.current;

	if (p->dead)
		return;
	p->asleep = true;
	p->until_ns = until_ns;
	p->ready = ready;
	hand_over(p);
	p->asleep = false;
}

void proc_sleep(int64_t ns)
{
	proc_wait(device.now_ns + ns, NULL);
}

void proc_yield(void)
{
	if (!device.current->dead)
		hand_over(device.current);
}

static bool can_run(const struct proc *p)
{
	if (!p->busy)
		return p->start_ns >= 0 && p->start_ns <= device.now_ns;
	return !p->asleep || p->dead || (p->until_ns >= 0 && p->until_ns <= device.now_ns) || (p->ready && p->ready((struct proc *)(uintptr_t)p));
}

static int64_t next_ns(void)
{
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < device.proc_count; i++) {
		const struct proc *p = &device.procs[i];
		int64_t t = p->busy ? p->until_ns : p->start_ns;
		if (t >= 0 && t < at)
			at = t;
	}
	return at;
}

static void pass(int64_t ns)
{
	os_sim_advance(device.sim, ns);
	device.now_ns += ns;
}

static void unwind(struct proc *p)
{
	p->dead = true;
	for (unsigned n = 0; p->busy; n++) {
		if (n > 1000) {
			fprintf(stderr, "a process that is dead does not end\n");
			abort();
		}
		go_on(p);
	}
}

void device_power_cut(void)
{
	const struct os_sim_cut how = { draw_below(&device.random, 4), 1 + draw_any(&device.random) % 1000000007, chance(3) ? 4096 : 512 };

	for (unsigned i = 0; i < device.proc_count; i++)
		if (device.procs[i].busy)
			unwind(&device.procs[i]);
	os_sim_stop_after(device.sim, 0);
	trace("cut", (int64_t)how.mode, (int64_t)how.seed, NULL);
	promises_power_lost();
	shims_power_lost();
	os_sim_power_cut(device.sim, &how);
	device.power_lost = false;
	device.boots++;
	pass(SIM_SECOND + (int64_t)draw_below(&device.random, 1000) * SIM_SECOND * (chance(3) ? 60 : 0));
}

static bool bury_the_dead(void)
{
	bool any = false;

	if (os_sim_is_off(device.sim)) {
		device_power_cut();
		return true;
	}
	for (unsigned i = 0; i < device.proc_count; i++)
		if (device.procs[i].busy && device.procs[i].dead) {
			unwind(&device.procs[i]);
			any = true;
		}
	return any;
}

bool device_step(int64_t limit_ns)
{
	struct proc *able[sizeof(device.procs) / sizeof(device.procs[0])], *p;
	unsigned n = 0;

	(void)bury_the_dead();
	for (unsigned i = 0; i < device.proc_count; i++)
		if (can_run(&device.procs[i]))
			able[n++] = &device.procs[i];
	if (n == 0) {
		int64_t at = next_ns();
		if (at > limit_ns) {
			if (limit_ns > device.now_ns)
				pass(limit_ns - device.now_ns);
			return false;
		}
		pass(at - device.now_ns);
		return true;
	}
	p = able[draw_below(&device.order, n)];
	if (!p->busy)
		begin_life(p);
	pass(1 + draw_below(&device.order, STEP_NS_MAX));
	go_on(p);
	(void)bury_the_dead();
	return true;
}

/* ---- system calls ---- */

/* The runtime looks whether a drop is still the one that it has taken, and removes it: nobody comes in between (README.md). */
static bool may_hand_over(const struct proc *p, enum call call)
{
	return on_own_stack(p) && !(call == CALL_UNLINK && p->role == ROLE_RUNTIME);
}

/* 0, or the error that the call ends with. */
static int enter(struct proc *p, enum call call)
{
	if (p->quiet)
		return 0;
	if (p->dead)
		return -EIO;
	device.calls++;
	int rc = incident_before(p, call);
	if (rc == 0 && !p->dead && may_hand_over(p, call) && draw_below(&device.order, SWITCH_ONE_IN) == 0)
		hand_over(p);
	return p->dead ? -EIO : rc;
}

static int64_t leave(struct proc *p, const char *what, int64_t rc, int64_t arg, const char *path)
{
	if (p->quiet || p->dead)
		return rc;
	if (rc == -EIO && os_sim_is_off(device.sim))
		p->dead = true;
	trace(what, rc, arg, path);
	return rc;
}

#define CALL(name, kind, params, args, number, path)                                                                    \
	static int sys_##name params                                                                                    \
	{                                                                                                               \
		struct proc *p = self;                                                                                  \
		int rc = enter(p, kind);                                                                                \
		return (int)leave(p, #name, rc < 0 ? rc : p->real->name args, number, path);                            \
	}
#define SELF p->real->self

CALL(open_root, CALL_OPEN, (void *self, const char *path), (SELF, path), 0, path)
CALL(truncate, CALL_WRITE, (void *self, int fd, uint64_t size), (SELF, fd, size), (int64_t)size, NULL)
CALL(allocate, CALL_WRITE, (void *self, int fd, uint64_t size), (SELF, fd, size), (int64_t)size, NULL)
CALL(stat_fd, CALL_STAT, (void *self, int fd, struct os_stat *st), (SELF, fd, st), fd, NULL)
CALL(stat, CALL_STAT, (void *self, int dir, const char *path, struct os_stat *st), (SELF, dir, path, st), dir, path)
CALL(rename, CALL_RENAME, (void *self, int from_dir, const char *from, int to_dir, const char *to), (SELF, from_dir, from, to_dir, to), 0, to)
CALL(unlink, CALL_UNLINK, (void *self, int dir, const char *path), (SELF, dir, path), dir, path)
CALL(mkdir, CALL_MKDIR, (void *self, int dir, const char *path, unsigned mode), (SELF, dir, path, mode), dir, path)
CALL(rmdir, CALL_OTHER, (void *self, int dir, const char *path), (SELF, dir, path), dir, path)
CALL(chmod, CALL_OTHER, (void *self, int dir, const char *path, unsigned mode), (SELF, dir, path, mode), dir, path)
CALL(chown_group, CALL_OTHER, (void *self, int fd, uint32_t gid), (SELF, fd, gid), fd, NULL)
CALL(symlink, CALL_MKDIR, (void *self, const char *target, int dir, const char *path), (SELF, target, dir, path), dir, path)
CALL(list, CALL_LIST, (void *self, int dir, const char *path, int (*each)(void *arg, const char *name), void *arg), (SELF, dir, path, each, arg), dir, path)
CALL(fs_info, CALL_STAT, (void *self, int fd, struct os_fs_info *info), (SELF, fd, info), fd, NULL)
CALL(watch_open, CALL_WATCH, (void *self), (SELF), 0, NULL)
CALL(watch_add, CALL_WATCH, (void *self, int watch, int dir, const char *path, uint32_t mask), (SELF, watch, dir, path, mask), mask, path)
CALL(watch_remove, CALL_WATCH, (void *self, int watch, int number), (SELF, watch, number), number, NULL)
CALL(self_id, CALL_OTHER, (void *self, struct os_process_id *id), (SELF, id), 0, NULL)
CALL(process_id, CALL_OTHER, (void *self, int32_t pid, struct os_process_id *id), (SELF, pid, id), pid, NULL)
CALL(boot_id, CALL_OTHER, (void *self, char out[OS_BOOT_ID_SIZE]), (SELF, out), 0, NULL)
CALL(read_kernel, CALL_OTHER, (void *self, const char *path, char *text, size_t size), (SELF, path, text, size), 0, path)
CALL(list_kernel, CALL_OTHER, (void *self, const char *dir, int (*each)(void *arg, const char *name), void *arg), (SELF, dir, each, arg), 0, dir)
CALL(path_space, CALL_OTHER, (void *self, const char *path, uint64_t *bytes, uint64_t *inodes, uint64_t *total), (SELF, path, bytes, inodes, total), 0, path)

static int sys_open(void *self, int dir, const char *path, int flags, unsigned mode)
{
	struct proc *p = self;
	int rc = enter(p, CALL_OPEN);
	bool claim = strstr(path, "/claim") != NULL, message = strncmp(path, "control/0", 9) == 0;

	if (rc == 0 && claim && p->role == ROLE_RUNTIME && planted("runagain"))
		rc = -ENOENT;
	rc = rc < 0 ? rc : p->real->open(SELF, dir, path, flags, mode);
	if (rc >= 0 && message && p->role == ROLE_RUNTIME && planted("unlinkfirst"))
		(void)p->real->unlink(SELF, dir, path); /* it can still be read */
	return (int)leave(p, "open", rc, flags, path);
}

static int sys_close(void *self, int fd)
{
	struct proc *p = self;

	return (int)leave(p, "close", p->real->close(SELF, fd), fd, NULL);
}

static ssize_t sys_pread(void *self, int fd, void *data, size_t len, uint64_t offset)
{
	struct proc *p = self;
	int rc = enter(p, CALL_READ);

	return (ssize_t)leave(p, "pread", rc < 0 ? rc : p->real->pread(SELF, fd, data, len, offset), (int64_t)offset, NULL);
}

static ssize_t sys_pwrite(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	struct proc *p = self;
	int rc = enter(p, CALL_WRITE);

	return (ssize_t)leave(p, "pwrite", rc < 0 ? rc : p->real->pwrite(SELF, fd, data, len, offset), (int64_t)offset, NULL);
}

static ssize_t sys_readlink(void *self, int dir, const char *path, char *out, size_t size)
{
	struct proc *p = self;
	int rc = enter(p, CALL_STAT);

	return (ssize_t)leave(p, "readlink", rc < 0 ? rc : p->real->readlink(SELF, dir, path, out, size), dir, path);
}

static bool is_dir(struct proc *p, int fd)
{
	struct os_stat st;

	return p->real->stat_fd(SELF, fd, &st) == 0 && st.type == OS_DIR;
}

/* The kernel must know of a sync that fails: it loses what it covered. Of a directory: not modelled, see README.md. */
static int any_sync(struct proc *p, int fd, int (*sync)(void *self, int fd), const char *what)
{
	int rc = enter(p, CALL_SYNC);

	if (p->dead)
		return rc;
	if (rc < 0 && !is_dir(p, fd)) {
		os_sim_fail_ops(device.sim, OS_SIM_OP_SYNC);
		os_sim_fail_nth(device.sim, 1, EIO, false);
	}
	return (int)leave(p, what, sync(SELF, fd), fd, NULL);
}

static bool sync_is_forgotten(struct proc *p, int fd)
{
	if (planted("nodirsync") && is_dir(p, fd))
		return true;
	if (planted("nosync") && p->role == ROLE_RUNTIME && !is_dir(p, fd))
		return true;
	return planted("ackearly") && p->role == ROLE_CLIENT;
}

static int sys_sync_data(void *self, int fd)
{
	return sync_is_forgotten(self, fd) ? 0 : any_sync(self, fd, ((struct proc *)self)->real->sync_data, "sync_data");
}

static int sys_sync(void *self, int fd)
{
	return sync_is_forgotten(self, fd) ? 0 : any_sync(self, fd, ((struct proc *)self)->real->sync, "sync");
}

static int sys_sync_fs(void *self, int fd)
{
	struct proc *p = self;
	int rc = enter(p, CALL_OTHER);

	return (int)leave(p, "sync_fs", rc < 0 ? rc : p->real->sync_fs(SELF, fd), fd, NULL);
}

static int sys_lock(void *self, int fd)
{
	struct proc *p = self;
	int rc = enter(p, CALL_OTHER);

	rc = rc < 0 ? rc : p->real->lock(SELF, fd);
	return (int)leave(p, "lock", rc == -EWOULDBLOCK && planted("nolock") ? 0 : rc, fd, NULL);
}

static int sys_mark(void *self, int fd, uint64_t at, bool on)
{
	struct proc *p = self;
	int rc = enter(p, CALL_OTHER);

	return (int)leave(p, "mark", rc < 0 ? rc : p->real->mark(SELF, fd, at, on), fd, NULL);
}

static int sys_marked(void *self, int fd, uint64_t at)
{
	struct proc *p = self;
	int rc = enter(p, CALL_OTHER);

	return (int)leave(p, "marked", rc < 0 ? rc : p->real->marked(SELF, fd, at), fd, NULL);
}

static enum os_lease sys_lease(void *self, int fd)
{
	struct proc *p = self;
	enum os_lease lease = enter(p, CALL_OTHER) < 0 ? OS_LEASE_UNKNOWN : p->real->lease(SELF, fd);

	leave(p, "lease", lease, fd, NULL);
	return planted("takehalf") ? OS_LEASE_GRANTED : lease;
}

static void sys_unlease(void *self, int fd)
{
	struct proc *p = self;

	p->real->unlease(SELF, fd);
}

struct events {
	int (*each)(void *arg, int number, uint32_t mask, const char *name);
	void *arg;
	struct proc *p;
};

static int each_event(void *arg, int number, uint32_t mask, const char *name)
{
	struct events *e = arg;

	leave(e->p, "event", number, mask, name);
	return incident_swallows_events() ? 0 : e->each(e->arg, number, mask, name);
}

static int sys_watch_read(void *self, int watch, int (*each)(void *arg, int number, uint32_t mask, const char *name), void *arg)
{
	struct proc *p = self;
	struct events e = { each, arg, p };
	int rc = enter(p, CALL_OTHER);

	return (int)leave(p, "watch_read", rc < 0 ? rc : p->real->watch_read(SELF, watch, each_event, &e), watch, NULL);
}

static int64_t sys_real_ns(void *self)
{
	struct proc *p = self;

	return p->real->real_ns(SELF);
}

static int64_t sys_boot_ns(void *self)
{
	struct proc *p = self;

	return p->real->boot_ns(SELF);
}

static int sys_random(void *self, void *out, size_t len)
{
	unsigned char *at = out;

	(void)self;
	for (size_t i = 0; i < len; i++)
		at[i] = (unsigned char)draw_below(&device.random, 256);
	return 0;
}

static bool sys_is_alive(void *self, const struct os_process_id *id)
{
	struct proc *p = self;

	return p->real->is_alive(SELF, id);
}

static uint32_t sys_uid(void *self)
{
	(void)self;
	return 0;
}

static unsigned sys_cpus(void *self)
{
	(void)self;
	return 1;
}

void device_table(struct proc *p)
{
	p->os = (struct os){ .self = p, .open_root = sys_open_root, .open = sys_open, .close = sys_close,
		.pread = sys_pread, .pwrite = sys_pwrite, .truncate = sys_truncate, .allocate = sys_allocate,
		.sync_data = sys_sync_data, .sync = sys_sync, .sync_fs = sys_sync_fs, .stat_fd = sys_stat_fd,
		.stat = sys_stat, .rename = sys_rename, .unlink = sys_unlink, .mkdir = sys_mkdir, .rmdir = sys_rmdir,
		.chmod = sys_chmod, .chown_group = sys_chown_group, .symlink = sys_symlink, .readlink = sys_readlink,
		.list = sys_list, .fs_info = sys_fs_info, .lock = sys_lock, .mark = sys_mark, .marked = sys_marked, .lease = sys_lease,
		.unlease = sys_unlease, .watch_open = sys_watch_open, .watch_add = sys_watch_add,
		.watch_remove = sys_watch_remove, .watch_read = sys_watch_read, .real_ns = sys_real_ns,
		.boot_ns = sys_boot_ns, .boot_id = sys_boot_id, .random = sys_random, .self_id = sys_self_id,
		.process_id = sys_process_id, .is_alive = sys_is_alive, .uid = sys_uid,
		.read_kernel = sys_read_kernel, .list_kernel = sys_list_kernel, .path_space = sys_path_space,
		.cpus = sys_cpus };
	p->second = p->os;
}

/* ---- the machine ---- */

/* An empty hub, made once. */
static struct os_sim *blank(void)
{
	static struct os_sim *sim;
	struct pawl_provider_options o = { .hub = SIM_HUB, .create = true, .journal_bytes = 16 << 10, .journal_segments = 3 };
	struct pawl_provider *p;
	struct pawl_error err = { 0 };

	if (sim)
		return sim;
	sim = os_sim_new(1);
	o.os = os_sim_os(sim);
	if (pawl_provider_fs.open(&o, &p, &err) < 0 || pawl_provider_fs.acquire(p, &err) < 0) {
		fprintf(stderr, "no hub: %s\n", err.text);
		abort();
	}
	pawl_provider_fs.close(p);
	os_sim_kill(sim, 0);
	return sim;
}

static void make_procs(void)
{
	static const unsigned counts[] = { RUNTIMES, CLIENTS, SHELLS, WORKERS, SHIMS };

	for (unsigned role = 0; role < ROLE_COUNT; role++)
		for (unsigned n = 0; n < counts[role]; n++) {
			int slot = (int)device.proc_count++;
			struct proc *p = &device.procs[slot];
			*p = (struct proc){ .slot = slot, .role = role, .number = n, .start_ns = -1, .until_ns = -1 };
			if (!coros[slot] && coro_new(&coros[slot], true, STACK_BYTES, body, (void *)(uintptr_t)slot) < 0)
				abort();
			p->coro = coros[slot];
		}
}

void device_look(void (*look)(const struct os *os))
{
	struct proc *p = proc_of(ROLE_CLIENT, 0);

	p->real = os_sim_os_process(device.sim, p->slot);
	p->quiet = true;
	device.current = p;
	look(p->real);
	os_sim_kill(device.sim, p->slot);
	device.current = NULL;
}

void device_begin(const struct simulation *plan, struct simulation_result *result)
{
	memset(result, 0, sizeof(*result));
	device = (struct device){ .plan = plan, .result = result, .random = plan->seed * 2 + 1, .order = plan->seed ^ 0x5bd1e995u };
	device.sim = os_sim_clone(blank());
	const struct os_sim_cut how = { OS_SIM_KEEP_ALL, 1 + plan->seed % 1000000007, 512 };
	os_sim_power_cut(device.sim, &how);
	make_procs();
}

void device_end(void)
{
	for (unsigned i = 0; i < device.proc_count; i++)
		if (device.procs[i].busy)
			unwind(&device.procs[i]);
	os_sim_free(device.sim);
	device.sim = NULL;
}

void simulation_release(void)
{
	for (size_t i = 0; i < sizeof(coros) / sizeof(coros[0]); i++) {
		coro_free(coros[i]);
		coros[i] = NULL;
	}
	os_sim_free(blank());
	coro_trim();
}
