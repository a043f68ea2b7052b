/* os_sim.c - the life of a simulated machine: new, boot, settings, faults, clocks, and what other programs do. */
#include <os/os_sim_impl.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_START_NS INT64_C(1000000000)
#define REAL_START_NS INT64_C(1700000000000000000)

void *sim_alloc(size_t bytes)
{
	void *p = malloc(bytes);

	if (!p)
		abort();
	return p;
}

/* Room for one more item. */
void *sim_grow(void *array, size_t n, uint32_t *cap, size_t item)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 8;
	array = realloc(array, *cap * item);
	if (!array)
		abort();
	return array;
}

/* splitmix64 (Steele, Lea, Flood 2014; the constants are public domain) */
uint64_t sim_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct os_sim *sim_lock(const struct os_sim *sim)
{
	struct os_sim *locked = (struct os_sim *)(uintptr_t)sim;

	pthread_mutex_lock(&locked->mutex);
	return locked;
}

void sim_unlock(struct os_sim *sim)
{
	pthread_mutex_unlock(&sim->mutex);
}

/* Every boot hands out the same pids and start times again: only the boot id tells them apart. */
void sim_new_boot(struct os_sim *sim)
{
	uint64_t a = sim_random(&sim->user_rng), b = sim_random(&sim->user_rng);

	sim->boot_ns = BOOT_START_NS;
	sim->ticks = 100;
	snprintf(sim->boot_id, sizeof(sim->boot_id), "%08x-%04x-4%03x-a%03x-%012" PRIx64, (unsigned)(a & 0xffffffff),
		 (unsigned)(a >> 32 & 0xffff), (unsigned)(a >> 48 & 0xfff), (unsigned)(b & 0xfff), b >> 16);
	for (int i = 0; i < OS_SIM_PROCESSES_MAX; i++)
		if (sim->process[i].alive)
			sim->process[i].start_ticks = ++sim->ticks;
}

void sim_bind_process(struct os_sim *sim, int index)
{
	sim->process[index].sim = sim;
	sim->process[index].os = sim_table;
	sim->process[index].os.self = &sim->process[index];
}

/* the life of a sim */

struct os_sim *os_sim_new(uint64_t seed)
{
	struct os_sim *sim = sim_alloc(sizeof(*sim));

	memset(sim, 0, sizeof(*sim));
	pthread_mutex_init(&sim->mutex, NULL);
	sim->rng = seed;
	sim->user_rng = ~seed;
	sim->free_dirop = sim->free_desc = SIM_NONE;
	sim->fail_mask = OS_SIM_OP_ALL;
	sim->watch_events_max = 16384;
	sim->kind = OS_FS_EXT4;
	sim->leases = true;
	sim->real_ns = REAL_START_NS;
	sim->slots = sim_grow(NULL, 0, &sim->slots_cap, sizeof(sim->slots[0]));
	sim->slots[0] = (struct sim_slot){ .body = NULL }; /* 0 means none */
	sim->nslots = SIM_ROOT;
	inode_ref(sim, inode_new(sim, OS_DIR, 0755));
	sim->slots[SIM_ROOT].nlink = 1;
	sim->slots[SIM_ROOT].parent = SIM_ROOT;
	for (int i = 0; i < OS_SIM_PROCESSES_MAX; i++)
		sim_bind_process(sim, i);
	sim_new_boot(sim);
	return sim;
}

void os_sim_free(struct os_sim *sim)
{
	if (!sim)
		return;
	for (uint32_t i = 0; i < sim->ndescs; i++)
		if (sim->descs[i].kind == DESC_WATCH)
			watch_release(sim->descs[i].watch);
	for (uint32_t i = 1; i < sim->nslots; i++)
		if (sim->slots[i].body)
			body_unref(sim->slots[i].body);
	free(sim->slots);
	free(sim->dirops);
	free(sim->batch);
	free(sim->dirty);
	free(sim->descs);
	kernel_free(sim->kernel);
	pthread_mutex_destroy(&sim->mutex);
	free(sim);
}

const struct os *os_sim_os(struct os_sim *sim)
{
	return os_sim_os_process(sim, 0);
}

const struct os *os_sim_os_process(struct os_sim *sim, int process)
{
	struct sim_process *p = &sim->process[process];

	sim_lock(sim);
	if (!p->alive) {
		p->alive = true;
		p->start_ticks = ++sim->ticks;
	}
	sim_unlock(sim);
	return &p->os;
}

unsigned os_sim_open_count(struct os_sim *sim, int process)
{
	unsigned n = 0;

	sim_lock(sim);
	for (uint32_t i = 0; i < sim->ndescs; i++)
		n += sim->descs[i].kind != DESC_FREE && sim->descs[i].process == process;
	sim_unlock(sim);
	return n;
}

unsigned os_sim_bad_fd_count(struct os_sim *sim)
{
	unsigned n;

	sim_lock(sim);
	n = sim->bad_fds;
	sim_unlock(sim);
	return n;
}

uint64_t os_sim_ops(struct os_sim *sim)
{
	uint64_t n;

	sim_lock(sim);
	n = sim->ops;
	sim_unlock(sim);
	return n;
}

void os_sim_stop_after(struct os_sim *sim, uint64_t n)
{
	sim_lock(sim);
	sim->stop_at = n ? sim->ops + n : 0;
	sim_unlock(sim);
}

bool os_sim_is_off(struct os_sim *sim)
{
	bool off;

	sim_lock(sim);
	off = sim->off;
	sim_unlock(sim);
	return off;
}

void os_sim_fail_nth(struct os_sim *sim, uint64_t n, int err, bool forever)
{
	sim_lock(sim);
	sim->fail_in = n;
	sim->fail_err = err;
	sim->fail_forever = forever;
	sim->fault_fired = false;
	sim_unlock(sim);
}

void os_sim_fail_ops(struct os_sim *sim, uint32_t mask)
{
	sim_lock(sim);
	sim->fail_mask = mask;
	sim_unlock(sim);
}

bool os_sim_fault_fired(struct os_sim *sim)
{
	bool fired;

	sim_lock(sim);
	fired = sim->fault_fired;
	sim_unlock(sim);
	return fired;
}

void os_sim_lie_nth(struct os_sim *sim, uint64_t n, uint64_t count, enum os_sim_lie lie)
{
	sim_lock(sim);
	sim->lie_in = n;
	sim->lie_count = count;
	sim->lie = lie;
	sim->lies = 0;
	sim->lied_ino = 0;
	sim_unlock(sim);
}

uint64_t os_sim_lies(struct os_sim *sim)
{
	uint64_t n;

	sim_lock(sim);
	n = sim->lies;
	sim_unlock(sim);
	return n;
}

void os_sim_lied_path(struct os_sim *sim, char *out, size_t size)
{
	sim_lock(sim);
	inode_path(sim, sim->lied_ino, out, size);
	sim_unlock(sim);
}

void os_sim_set_capacity(struct os_sim *sim, uint64_t bytes)
{
	sim_lock(sim);
	sim->capacity = bytes;
	sim_unlock(sim);
}

void os_sim_set_fs(struct os_sim *sim, enum os_fs_kind kind, bool read_only)
{
	sim_lock(sim);
	sim->kind = kind;
	sim->read_only = read_only;
	sim_unlock(sim);
}

void os_sim_set_leases(struct os_sim *sim, bool supported)
{
	sim_lock(sim);
	sim->leases = supported;
	sim_unlock(sim);
}

void os_sim_set_watch_queue(struct os_sim *sim, size_t events_max)
{
	sim_lock(sim);
	sim->watch_events_max = events_max;
	sim_unlock(sim);
}

void os_sim_advance(struct os_sim *sim, int64_t ns)
{
	sim_lock(sim);
	sim->real_ns += ns;
	sim->boot_ns += ns;
	sim_unlock(sim);
}

void os_sim_set_real(struct os_sim *sim, int64_t ns)
{
	sim_lock(sim);
	sim->real_ns = ns;
	sim_unlock(sim);
}

bool os_sim_watch_pending(struct os_sim *sim, int watch)
{
	uint32_t index = (uint32_t)watch & 0xffff;
	bool pending;

	sim_lock(sim);
	pending = watch > 0 && index < sim->ndescs && sim->descs[index].kind == DESC_WATCH &&
		  sim->descs[index].watch->head < sim->descs[index].watch->nevents;
	sim_unlock(sim);
	return pending;
}

/* What is not there yet at a path from the root; the mutex is held. */
static int new_name(struct os_sim *sim, const char *path, struct sim_at *at)
{
	int r = walk(sim, SIM_ROOT, path, false, at);

	return r ? r : !at->len || at->ino ? -EEXIST : 0;
}

int os_sim_symlink(struct os_sim *sim, const char *target, const char *path)
{
	struct sim_at at;
	uint32_t ino;
	int r;

	sim_lock(sim);
	r = *target ? new_name(sim, path, &at) : -ENOENT;
	if (!r) {
		ino = inode_new(sim, OS_LINK, 0777);
		inode_mut(sim, ino)->target = name_new(target, strlen(target));
		r = fs_add(sim, &at, ino);
	}
	sim_unlock(sim);
	return r;
}

int os_sim_link(struct os_sim *sim, const char *from, const char *to)
{
	struct sim_at a, b;
	int r;

	sim_lock(sim);
	r = walk(sim, SIM_ROOT, from, false, &a);
	if (!r && !a.ino)
		r = -ENOENT;
	if (!r && inode_body(sim, a.ino)->type == OS_DIR)
		r = -EPERM;
	if (!r)
		r = new_name(sim, to, &b);
	if (!r)
		r = fs_add(sim, &b, a.ino);
	sim_unlock(sim);
	return r;
}
