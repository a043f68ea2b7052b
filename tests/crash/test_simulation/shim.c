/*
 * shim.c - programs: in place of src/os/spawn.c, and of os_linux() for those who ask it. A shim is a process of the device
 * that writes its files by the rules of src/shim/shim.h, in steps; it goes on when the runtime is killed, and not when the
 * power fails. Pids are few, so that they are soon used again.
 */
#include "sim.h"
#include "os/spawn.h"
#include "shim/shim.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PIDS 16
#define FIRST_PID 500
#define FIRST_FD 0x40000000 /* of pidfds: no descriptor of the simulated kernel */
#define FDS 64
#define PID_NAMESPACE 4026531836u

/* A pid that is taken: a shim or its program. */
struct pid {
	bool taken, ended;    /* ended: and not reaped */
	int parent;           /* slot of the runtime that may reap it, -1: init does */
	unsigned parent_life;
	uint64_t start;
	struct proc *shim;    /* that has this pid; NULL: it is a program */
	int64_t stranger_ns;  /* until then it is none of ours; 0: it is one */
};

struct shim {
	int pid, program;     /* pids */
	char work[400], key[200], input[256];
	uint32_t attempt;
	int64_t timeout_ms;
	bool sync, term, killed;
	uint64_t random;
	char first[SHIM_CLAIM_BYTES];
	size_t first_len;
};

/* A program that has done its work in this boot, and has said so. */
struct done {
	char key[200];
	uint32_t attempt;
};

static struct shims {
	struct pid pids[PIDS];
	struct { bool open; int pid; uint64_t start; } fds[FDS];
	struct shim shims[SHIMS];
	struct done done[64];
	unsigned done_count;
	uint64_t starts;
	int last_pid;
} s;

void shims_begin(void)
{
	s = (struct shims){ .starts = 1 };
}

/* Every boot gives out the same numbers and start times. */
void shims_power_lost(void)
{
	shims_begin();
	for (unsigned i = 0; i < SHIMS; i++)
		proc_of(ROLE_SHIM, i)->start_ns = -1;
}

/* Who asks for the real table runs in a process of the device. */
const struct os *os_linux(void)
{
	return &device.current->second;
}

/* ---- pids ---- */

static struct pid *pid_get(int pid)
{
	struct pid *p = pid >= FIRST_PID && pid < FIRST_PID + PIDS ? &s.pids[pid - FIRST_PID] : NULL;

	return p && p->taken ? p : NULL;
}

static int pid_free(void)
{
	int first = chance(2) ? 0 : s.last_pid + 1; /* soon used again */

	for (int n = 0; n < PIDS; n++)
		if (!s.pids[(first + n) % PIDS].taken)
			return (first + n) % PIDS;
	return -1;
}

/* Programs whose shims are gone come to their end by themselves, some time. */
static void end_left(void)
{
	for (int n = 0; n < PIDS; n++) {
		bool left = s.pids[n].taken && !s.pids[n].shim && !s.pids[n].ended; /* strangers too */
		for (unsigned i = 0; i < SHIMS; i++)
			left = left && s.shims[i].program != FIRST_PID + n;
		s.pids[n].taken = s.pids[n].taken && !left;
	}
}

static int pid_take(struct proc *shim, int parent, unsigned life)
{
	int n = pid_free();

	if (n < 0) {
		end_left();
		n = pid_free();
	}
	if (n < 0)
		return -EAGAIN;
	s.pids[n] = (struct pid){ .taken = true, .parent = parent, .parent_life = life, .start = ++s.starts, .shim = shim };
	s.last_pid = n;
	return FIRST_PID + n;
}

static bool has_parent(const struct pid *p)
{
	const struct proc *parent = p->parent >= 0 ? &device.procs[p->parent] : NULL;

	return parent && parent->busy && !parent->dead && parent->lives == p->parent_life;
}

/* Others on the device begin processes too, and get pids that are free. */
static void pid_release(struct pid *p)
{
	trace("pid is free", FIRST_PID + (int64_t)(p - s.pids), 0, NULL);
	*p = (struct pid){ .taken = chance(2) };
	if (!p->taken)
		return;
	p->parent = -1;
	p->start = ++s.starts;
	p->stranger_ns = device.now_ns + (int64_t)(1 + draw_below(&device.random, 60)) * SIM_SECOND;
}

static void pid_end(int pid)
{
	struct pid *p = pid_get(pid);

	if (!p)
		return;
	trace("pid has ended", pid, has_parent(p), NULL);
	p->ended = true;
	p->shim = NULL;
	if (!has_parent(p))
		pid_release(p);
}

/* Zombies whose parent has ended are init's, which reaps them. */
static void reap_orphans(void)
{
	for (int n = 0; n < PIDS; n++) {
		struct pid *p = &s.pids[n];
		if (p->taken && p->ended && !has_parent(p))
			pid_release(p);
		else if (p->taken && p->stranger_ns && p->stranger_ns <= device.now_ns)
			p->taken = false;
	}
}

static bool nobody(void)
{
	return !device.current || device.current->dead;
}

/* ---- a shim at work ---- */

static struct shim *own(void)
{
	return &s.shims[device.current->number];
}

static bool is_told(struct proc *p)
{
	const struct shim *sh = &s.shims[p->number];

	return sh->term || sh->killed;
}

static int64_t boot_ms(struct proc *p)
{
	return p->real->boot_ns(p->real->self) / SIM_MS;
}

static int put(struct proc *p, const char *name, const char *text, size_t len, int flags, uint64_t offset)
{
	char path[480];

	snprintf(path, sizeof(path), "%s/%s", own()->work, name);
	int fd = p->os.open(p, OS_CWD, path, OS_READ | OS_WRITE | flags, 0644);
	if (fd < 0)
		return fd;
	ssize_t n = p->os.pwrite(p, fd, text, len, offset);
	p->os.close(p, fd);
	return n < 0 ? (int)n : 0;
}

/* The claim's descriptor, with its lock, until the shim ends. */
static int begin_claim(struct proc *p, struct shim *sh)
{
	char path[480], boot[OS_BOOT_ID_SIZE], text[SHIM_CLAIM_BYTES];

	snprintf(path, sizeof(path), "%s/" SHIM_CLAIM, sh->work);
	int fd = p->os.open(p, OS_CWD, path, OS_READ | OS_WRITE | OS_CREATE, 0644);
	if (fd < 0)
		return fd;
	if (p->os.lock(p, fd) < 0 || p->os.truncate(p, fd, 0) < 0 || p->os.boot_id(p, boot) < 0) {
		p->os.close(p, fd);
		return -EBUSY;
	}
	sh->program = pid_take(NULL, -1, 0);
	if (sh->program < 0) {
		p->os.close(p, fd);
		return sh->program;
	}
	sh->first_len = (size_t)snprintf(sh->first, sizeof(sh->first), "attempt %u\nboot %s\npidns %u\nshim %d %llu\nactivity %d %llu\nbegan %lld\n",
	                                 sh->attempt, boot, PID_NAMESPACE, sh->pid, (unsigned long long)pid_get(sh->pid)->start, sh->program,
	                                 (unsigned long long)pid_get(sh->program)->start, (long long)boot_ms(p));
	memset(text, '\n', sizeof(text));
	memcpy(text, sh->first, sh->first_len);
	if (p->os.pwrite(p, fd, text, sizeof(text), 0) == sizeof(text))
		return fd;
	pid_end(sh->program); /* no room for a claim: nothing is begun */
	p->os.close(p, fd);
	return -ENOSPC;
}

/* The outcome, where the blank lines are. A disk without room is waited for. */
static bool end_claim(struct proc *p, struct shim *sh, int fd, const char *outcome, size_t output)
{
	char text[400];
	int n = snprintf(text, sizeof(text), "outcome %s\noutput %zu\n%susage 1 1 100\nended %lld\nend\n", outcome, output, sh->sync ? "synced 1\n" : "",
	                 (long long)boot_ms(p));

	while (p->os.pwrite(p, fd, text, (size_t)n, sh->first_len) < 0) {
		if (p->dead || is_told(p))
			return false;
		proc_wait(device.now_ns + 250 * SIM_MS, is_told);
	}
	(void)p->os.truncate(p, fd, sh->first_len + (size_t)n);
	if (sh->sync)
		(void)p->os.sync(p, fd);
	return true;
}

static bool write_result(struct proc *p, struct shim *sh, size_t *len)
{
	char out[1024];
	int rc;

	sim_answer(sh->input, out, sizeof(out));
	*len = strlen(out);
	size_t part = 1 + draw_below(&sh->random, (unsigned)*len);
	while ((rc = put(p, SHIM_RESULT, out, part, OS_CREATE, 0)) < 0 && !p->dead && !is_told(p))
		proc_wait(device.now_ns + 250 * SIM_MS, is_told);
	proc_sleep((int64_t)draw_below(&sh->random, 100) * SIM_MS);
	while (rc == 0 && (rc = put(p, SHIM_RESULT, out + part, *len - part, 0, part)) < 0 && !p->dead && !is_told(p))
		proc_wait(device.now_ns + 250 * SIM_MS, is_told);
	if (rc == 0 && sh->sync)
		(void)os_sync_dir(&p->os, OS_CWD, sh->work);
	return rc == 0;
}

static int sync_result(struct proc *p, struct shim *sh)
{
	char path[480];

	snprintf(path, sizeof(path), "%s/" SHIM_RESULT, sh->work);
	int fd = p->os.open(p, OS_CWD, path, OS_READ | OS_WRITE, 0), rc = fd < 0 ? fd : p->os.sync(p, fd);
	if (fd >= 0)
		p->os.close(p, fd);
	return rc;
}

static void read_input(struct proc *p, struct shim *sh)
{
	char path[480], *text = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/" SHIM_INPUT, sh->work);
	sh->input[0] = '\0';
	if (os_read_file(&p->os, OS_CWD, path, sizeof(sh->input) - 1, &text, &len) == 0)
		snprintf(sh->input, sizeof(sh->input), "%s", text);
	free(text);
}

static void remember_done(const struct shim *sh)
{
	struct done *d = &s.done[s.done_count++ % 64];

	memcpy(d->key, sh->key, sizeof(d->key));
	d->attempt = sh->attempt;
}

/* How it ends is drawn; what it answers is not. */
static void run_program(struct proc *p, struct shim *sh, int fd)
{
	unsigned fate = device.healthy ? 99 : draw_below(&sh->random, 40);
	int64_t ms = draw_below(&sh->random, 3) ? draw_below(&sh->random, 2000) : draw_below(&sh->random, 60000);
	const char *outcome = NULL;
	size_t len = 0;

	read_input(p, sh);
	if (!sh->input[0])
		fate = 1; /* its input could not be read: it fails */
	bool late = sh->timeout_ms > 0 && ms > sh->timeout_ms;
	proc_wait(device.now_ns + (late ? sh->timeout_ms : ms) * SIM_MS, is_told);
	if (p->dead || sh->killed)
		return;
	if (sh->term)
		outcome = "canceled";
	else if (late)
		outcome = "timeout";
	else if (fate == 0)
		outcome = "exit 75";
	else if (fate == 1)
		outcome = "exit 3";
	else if (fate == 2)
		outcome = "signal 11";
	else if (write_result(p, sh, &len) && (!sh->sync || sync_result(p, sh) == 0))
		outcome = "exit 0";
	else
		outcome = sh->term ? "canceled" : "exit 4";
	if (p->dead || sh->killed)
		return;
	pid_end(sh->program);
	if (end_claim(p, sh, fd, outcome, len) && strcmp(outcome, "exit 0") == 0 && !p->dead)
		remember_done(sh);
}

static void shim_main(struct proc *p)
{
	struct shim *sh = own();
	int fd = begin_claim(p, sh);

	if (fd >= 0 && !p->dead && !sh->killed && sh->program > 0) {
		char id[130] = "";
		unsigned long long execution = 0, seq = 0;
		/* "ID/EXECUTION/SEQ" */
		if (sscanf(sh->key, "%129[^/]/%llu/%llu", id, &execution, &seq) == 3)
			model_check_attempt(id, execution, seq, sh->attempt, "a program");
		run_program(p, sh, fd);
	}
	if (fd >= 0)
		p->os.close(p, fd);
	if (p->dead || sh->killed) /* the program may be left behind, until somebody kills its group */
		if (sh->program > 0 && pid_get(sh->program) && draw_below(&sh->random, 2))
			pid_end(sh->program);
	pid_end(sh->pid);
	os_sim_kill(device.sim, p->slot);
	*sh = (struct shim){ .pid = 0 };
}

bool shims_are_idle(void)
{
	for (unsigned i = 0; i < SHIMS; i++)
		if (proc_of(ROLE_SHIM, i)->busy || proc_of(ROLE_SHIM, i)->start_ns >= 0)
			return false;
	return true;
}

bool shim_kill_one(void)
{
	for (unsigned i = 0; i < SHIMS; i++)
		if (proc_of(ROLE_SHIM, i)->busy && !proc_of(ROLE_SHIM, i)->dead && chance(2)) {
			proc_kill(proc_of(ROLE_SHIM, i));
			return true;
		}
	return false;
}

/* ---- os/spawn.h ---- */

static const char *value_of(const char *const *list, const char *name)
{
	size_t len = strlen(name);

	for (; list && *list; list++)
		if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
			return *list + len + 1;
	return NULL;
}

static void check_not_done(const char *key, uint32_t attempt)
{
	for (unsigned i = 0; i < s.done_count && i < 64; i++)
		if (s.done[i].attempt == attempt && strcmp(s.done[i].key, key) == 0)
			wrong("attempt %u at %s is begun again, and has written in this boot how it ended", attempt, key);
}

pid_t spawn_start(const struct spawn_spec *spec, enum spawn_step *failed)
{
	const char *work = value_of(spec->argv, "work"), *key = value_of(spec->env, "PAWL_KEY");
	const char *attempt = value_of(spec->argv, "attempt"), *timeout = value_of(spec->argv, "timeout_ms");
	unsigned n = 0;

	*failed = SPAWN_FORK;
	reap_orphans();
	if (nobody() || !work || !key || !attempt)
		return -EAGAIN;
	while (n < SHIMS && (proc_of(ROLE_SHIM, n)->busy || proc_of(ROLE_SHIM, n)->start_ns >= 0))
		n++;
	if (n == SHIMS)
		return -EAGAIN;
	int pid = pid_take(proc_of(ROLE_SHIM, n), device.current->slot, device.current->lives);
	if (pid < 0)
		return pid;
	struct shim *sh = &s.shims[n];
	*sh = (struct shim){ .pid = pid, .attempt = (uint32_t)strtoul(attempt, NULL, 10), .timeout_ms = timeout ? strtoll(timeout, NULL, 10) : 0,
		.sync = value_of(spec->argv, "sync") != NULL, .random = draw_any(&device.random) };
	snprintf(sh->work, sizeof(sh->work), "%s", work);
	snprintf(sh->key, sizeof(sh->key), "%s", key);
	check_not_done(sh->key, sh->attempt);
	trace("spawn", pid, sh->attempt, key);
	proc_of(ROLE_SHIM, n)->main = shim_main;
	proc_start(proc_of(ROLE_SHIM, n), (int64_t)draw_below(&sh->random, 5) * SIM_MS);
	return pid;
}

/* Of a shim or program, or of a worker, which is a process of the simulated kernel. 0: there is none. */
static uint64_t start_of(int pid)
{
	const struct pid *p;
	struct os_process_id id;

	reap_orphans();
	p = pid_get(pid);
	if (p || nobody())
		return p ? p->start : 0;
	return device.current->real->process_id(device.current->real->self, pid, &id) == 0 ? id.start_ticks : 0;
}

int spawn_pidfd(pid_t pid)
{
	uint64_t start = start_of(pid);

	for (int n = 0; start && n < FDS; n++)
		if (!s.fds[n].open) {
			s.fds[n].open = true;
			s.fds[n].pid = pid;
			s.fds[n].start = start;
			return FIRST_FD + n;
		}
	return start ? -EMFILE : -ESRCH;
}

/* Asked by the scheduler too, so of no process in particular. */
static bool worker_lives(int pid, uint64_t start)
{
	for (unsigned i = 0; i < device.proc_count; i++) {
		const struct proc *p = &device.procs[i];
		struct os_process_id id;
		if (p->real && p->busy && !p->dead)
			return p->real->process_id(p->real->self, pid, &id) == 0 && id.start_ticks == start;
	}
	return false;
}

bool spawn_has_pidfd(void)
{
	return true;
}

static bool has_ended(int n)
{
	const struct pid *p = pid_get(s.fds[n].pid);

	if (!p && s.fds[n].pid < FIRST_PID)
		return !worker_lives(s.fds[n].pid, s.fds[n].start);
	return !p || p->start != s.fds[n].start || p->ended;
}

bool shim_fd_ready(int fd, bool *ready)
{
	if (fd < FIRST_FD)
		return false;
	*ready = s.fds[fd - FIRST_FD].open && has_ended(fd - FIRST_FD);
	return true;
}

unsigned shims_open_fds(void)
{
	unsigned n = 0;

	for (int i = 0; i < FDS; i++)
		n += s.fds[i].open;
	return n;
}

bool spawn_pidfd_has_ended(int fd)
{
	return nobody() || fd < FIRST_FD || has_ended(fd - FIRST_FD);
}

static int signal_pid(int pid, int number)
{
	struct pid *p = pid_get(pid);

	if (!p || nobody())
		return -ESRCH;
	trace("signal", pid, number, NULL);
	if (p->ended)
		return 0;
	if (p->stranger_ns && number)
		wrong("I10: signal %d is sent to process %d, which is none of ours", number, pid);
	if (p->shim && number == SIGTERM)
		s.shims[p->shim->number].term = true;
	if (p->shim && number == SIGKILL && p->shim->busy) {
		proc_kill(p->shim);
	} else if (p->shim && number == SIGKILL) { /* it has not begun */
		p->shim->start_ns = -1;
		s.shims[p->shim->number] = (struct shim){ .pid = 0 };
		pid_end(pid);
	}
	if (!p->shim && (number == SIGKILL || number == SIGTERM))
		pid_end(pid);
	return 0;
}

int spawn_pidfd_kill(int fd, int number)
{
	int n = fd - FIRST_FD;

	return n < 0 || has_ended(n) ? -ESRCH : signal_pid(s.fds[n].pid, number);
}

int sim_close(int fd);
int sim_pid(void);
int sim_signal(int pid, int number);

int sim_close(int fd)
{
	if (fd >= FIRST_FD)
		s.fds[fd - FIRST_FD].open = false;
	return 0;
}

int sim_pid(void)
{
	return 1;
}

int sim_signal(int pid, int number)
{
	return signal_pid(pid, number) < 0 ? -1 : 0;
}

void sim_check_watched(int pidfd, uint64_t start);

void sim_check_watched(int pidfd, uint64_t start)
{
	if (s.fds[pidfd - FIRST_FD].start != start)
		wrong("I10: process %d is adopted, and it is another one that has this pid now", s.fds[pidfd - FIRST_FD].pid);
}

void sim_nap(void)
{
	proc_sleep(SIM_MS);
}

int spawn_watch(void)
{
	return -EBUSY;
}

void spawn_unwatch(int fd)
{
	(void)fd;
}

bool spawn_is_child(pid_t pid)
{
	const struct pid *p = pid_get(pid);

	return p && !nobody() && p->parent == device.current->slot && p->parent_life == device.current->lives;
}

bool spawn_has_ended(pid_t pid, struct spawn_status *status)
{
	const struct pid *p = pid_get(pid);

	*status = (struct spawn_status){ .known = spawn_is_child(pid) };
	return nobody() || !spawn_is_child(pid) || p->ended;
}

void spawn_reap(pid_t pid)
{
	struct pid *p = pid_get(pid);

	if (p && spawn_is_child(pid) && p->ended)
		pid_release(p);
}

int spawn_process_id(pid_t pid, struct os_process_id *id)
{
	*id = (struct os_process_id){ .pid = pid, .start_ticks = start_of(pid) };
	return id->start_ticks ? 0 : -ESRCH;
}

enum spawn_life spawn_life(pid_t pid, uint64_t start_ticks)
{
	const struct pid *p;

	reap_orphans();
	p = pid_get(pid);
	if (!p || nobody() || (p->start != start_ticks && !planted("pidonly")))
		return SPAWN_GONE;
	return p->ended ? SPAWN_ZOMBIE : SPAWN_LIVES;
}

int spawn_kill_group(pid_t leader, uint64_t start_ticks, bool led, int number)
{
	if (!led && spawn_life(leader, start_ticks) == SPAWN_GONE)
		return -ESRCH;
	const struct pid *p = pid_get(leader);
	if (!p || p->start != start_ticks)
		return -ESRCH;
	return number ? signal_pid(leader, number) : 0;
}

bool spawn_group_lives(pid_t group)
{
	const struct pid *p = pid_get(group);

	return p && !p->ended && !nobody();
}

uint64_t spawn_pid_namespace(void)
{
	return PID_NAMESPACE;
}

/* Another process of the device tries. */
int spawn_is_locked(const char *path)
{
	const struct os *os = os_sim_os_process(device.sim, OS_SIM_PROCESSES_MAX - 1);
	int fd = os->open(os->self, OS_CWD, path, OS_READ | OS_WRITE, 0);

	if (fd < 0)
		return fd;
	int rc = os->lock(os->self, fd);
	os->close(os->self, fd);
	return rc == -EWOULDBLOCK ? 1 : 0;
}

int spawn_pipe(int fds[2], bool nonblock_read, bool nonblock_write)
{
	(void)fds;
	(void)nonblock_read;
	(void)nonblock_write;
	return -ENOSYS;
}

void spawn_prepare_signals(void)
{
}
