/*
 * crash_mark.c - the slots in memory, and the file that they are copied to when the process dies.
 *
 * Entering and leaving touches private memory only. Stores into the mapping would cost a page written to the device in
 * every half minute of work, and on a full disk a page that cannot be had is a SIGBUS (I7). So the handler copies the
 * slot into the mapping, and its last store is the one that makes it a mark. Nothing is synced: the page cache outlives
 * the process, and after a power cut nobody wants a mark.
 *
 * The file: a head, then `slots` slots, SLOT_BYTES each, in the byte order of the machine. None crosses a sector.
 *
 * exit() in an activity ends the runtime as well: what runs at exit marks it with signal 0. _exit and quick_exit are
 * not seen.
 */
#include "runtime/crash_mark.h"
#include "base/error.h"
#include "base/text.h"
#include "os/crash_signal.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "pawlmark"
#define VERSION 1
#define SLOT_BYTES 512
#define SLOTS_MAX 65536
#define SIGNAL_MAX 64

struct file_head {
	char magic[8];
	uint32_t version, slot_bytes, slots;
};

struct file_slot {
	_Atomic uint32_t marked; /* 0, or 1 + the signal */
	uint32_t attempt;
	uint64_t execution, seq;
	char instance[129], activity[129];
};

union file_unit {
	struct file_head head;
	struct file_slot slot;
	char bytes[SLOT_BYTES];
};
static_assert(sizeof(union file_unit) == SLOT_BYTES, "a slot has its fixed size");

/* Only the thread that owns it, and the handler on that thread, look at more than owner. */
struct slot {
	_Atomic uintptr_t owner; /* the thread; 0 = free */
	atomic_bool complete;    /* what follows can be copied */
	bool marked;
	struct crash_mark what;
};

struct crash_marks {
	unsigned slots;
	bool with_handlers;
	pid_t pid;             /* a fork of an activity is not the runtime */
	struct crash_marks *next;
	union file_unit *file; /* the mapping: the head, then the slots */
	struct slot slot[];
};

/* Handlers have no argument. The lock is for opening and closing only. */
static struct crash_marks *_Atomic newest;
static struct crash_marks *left_behind; /* closed, but an activity has not returned */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool has_exit_handler;

static _Thread_local unsigned last_slot; /* of this thread: the first to try, and the one to leave */

/* ---- marking: in signal handlers ---- */

static uintptr_t self(void)
{
	return (uintptr_t)pthread_self();
}

/* Not by the thread-local: where that is loaded late, touching it may allocate. */
static struct slot *find_own(struct crash_marks *m)
{
	uintptr_t me = self();

	for (unsigned i = 0; i < m->slots; i++)
		if (atomic_load(&m->slot[i].owner) == me && atomic_load(&m->slot[i].complete))
			return &m->slot[i];
	return NULL;
}

static void mark_own(int signal)
{
	struct crash_marks *m = atomic_load(&newest);
	struct slot *s = m && m->pid == getpid() ? find_own(m) : NULL;

	if (!s)
		return;
	struct file_slot *to = &m->file[1 + (s - m->slot)].slot;
	to->attempt = s->what.attempt;
	to->execution = s->what.execution;
	to->seq = s->what.seq;
	memcpy(to->instance, s->what.instance, sizeof(to->instance));
	memcpy(to->activity, s->what.activity, sizeof(to->activity));
	s->marked = true;
	atomic_store_explicit(&to->marked, 1 + (uint32_t)signal, memory_order_release);
}

static void mark_exit(void)
{
	mark_own(0);
}

/* ---- entering and leaving ---- */

static bool claim(struct slot *s)
{
	uintptr_t nobody = 0;

	return atomic_load_explicit(&s->owner, memory_order_relaxed) == 0 &&
	       atomic_compare_exchange_strong(&s->owner, &nobody, self());
}

static struct slot *claim_any(struct crash_marks *m)
{
	unsigned first = last_slot % m->slots;

	for (unsigned n = 0; n < m->slots; n++) {
		unsigned i = (first + n) % m->slots;
		if (claim(&m->slot[i])) {
			last_slot = i;
			return &m->slot[i];
		}
	}
	return NULL;
}

static void copy_name(char to[129], const char *from)
{
	size_t len = strnlen(from, 128);

	memcpy(to, from, len);
	to[len] = '\0';
}

void crash_mark_enter(struct crash_marks *m, const char *instance, const char *activity, uint64_t execution, uint64_t seq,
                      uint32_t attempt)
{
	struct slot *s = m ? claim_any(m) : NULL;

	if (!s)
		return;
	copy_name(s->what.instance, instance);
	copy_name(s->what.activity, activity);
	s->what.execution = execution;
	s->what.seq = seq;
	s->what.attempt = attempt;
	atomic_store(&s->complete, true);
}

void crash_mark_leave(struct crash_marks *m)
{
	struct slot *s = m ? &m->slot[last_slot % m->slots] : NULL;

	if (!s || atomic_load(&s->owner) != self())
		return;
	atomic_store(&s->complete, false);
	if (s->marked) { /* a handler of before has saved it */
		s->marked = false;
		atomic_store(&m->file[1 + (s - m->slot)].slot.marked, 0);
	}
	atomic_store(&s->owner, 0);
}

void crash_marks_thread_begin(void)
{
	crash_signal_thread_begin();
}

void crash_marks_thread_end(void)
{
	crash_signal_thread_end();
}

/* ---- the file ---- */

/* What the file of the run before says. */
struct found {
	unsigned slots, marks; /* slots 0: it is no such file */
};

static bool read_unit(int fd, unsigned number, union file_unit *unit)
{
	return pread(fd, unit, sizeof(*unit), (off_t)number * SLOT_BYTES) == (ssize_t)sizeof(*unit);
}

static bool is_terminated(const char name[129])
{
	return memchr(name, '\0', 129) != NULL;
}

/* Names come from what may be damaged, and become paths. */
static bool take_mark(const struct file_slot *slot, struct crash_mark *mark)
{
	uint32_t marked = atomic_load(&slot->marked);

	if (marked == 0 || marked > 1 + SIGNAL_MAX || !is_terminated(slot->instance) || !is_terminated(slot->activity) ||
	    !text_is_instance_id(slice_of(slot->instance)) || !text_is_type_name(slice_of(slot->activity)))
		return false;
	copy_name(mark->instance, slot->instance);
	copy_name(mark->activity, slot->activity);
	mark->execution = slot->execution;
	mark->seq = slot->seq;
	mark->attempt = slot->attempt;
	mark->signal = (int)marked - 1;
	return true;
}

/* A file that others can write, or have made, says nothing. */
static unsigned slots_of(int fd)
{
	union file_unit unit;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_uid != geteuid() ||
	    st.st_nlink != 1 || st.st_size < SLOT_BYTES || !read_unit(fd, 0, &unit))
		return 0;
	const struct file_head *head = &unit.head;
	bool fits = memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0 && head->version == VERSION &&
	            head->slot_bytes == SLOT_BYTES && head->slots <= SLOTS_MAX &&
	            st.st_size == (off_t)(1 + head->slots) * SLOT_BYTES;
	return fits ? head->slots : 0;
}

static struct found take_over(int fd, void (*each)(void *arg, const struct crash_mark *mark), void *arg)
{
	struct found found = { .slots = slots_of(fd) };
	union file_unit unit;
	struct crash_mark mark;

	for (unsigned i = 0; i < found.slots && read_unit(fd, 1 + i, &unit); i++) {
		found.marks += atomic_load(&unit.slot.marked) != 0;
		if (take_mark(&unit.slot, &mark) && each)
			each(arg, &mark);
	}
	return found;
}

/* Bytes that are there, no holes: a store into the mapping must not have to find room. The head comes last. */
static int fill(int fd, unsigned slots)
{
	union file_unit unit = { .bytes = { 0 } };

	for (unsigned i = slots; i > 0; i--)
		if (pwrite(fd, &unit, sizeof(unit), (off_t)i * SLOT_BYTES) != (ssize_t)sizeof(unit))
			return errno ? errno : ENOSPC;
	memcpy(unit.head.magic, MAGIC, sizeof(unit.head.magic));
	unit.head.version = VERSION;
	unit.head.slot_bytes = SLOT_BYTES;
	unit.head.slots = slots;
	return pwrite(fd, &unit, sizeof(unit), 0) == (ssize_t)sizeof(unit) ? 0 : errno ? errno : ENOSPC;
}

/* A descriptor of a new file, all slots free, in the place of what is there; or -errno. */
static int replace(const char *path, unsigned slots)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	int sys = fill(fd, slots);
	if (sys == 0)
		return fd;
	close(fd);
	(void)unlink(path);
	return -sys;
}

/* Errors that say what is there, not what the system lacks. */
static bool is_something_else(int sys)
{
	return sys == ELOOP || sys == EACCES || sys == EPERM || sys == ENXIO || sys == EISDIR || sys == ENODEV;
}

/* A descriptor of a file with so many slots; or -errno. *marks: they have been told, and are in it still. */
static int open_file(const char *path, unsigned slots, void (*each)(void *, const struct crash_mark *), void *arg,
                     unsigned *marks)
{
	struct found found = { 0 };
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK); /* a fifo must not hold us up */

	*marks = 0;
	if (fd < 0)
		return errno == ENOENT || is_something_else(errno) ? replace(path, slots) : -errno;
	found = take_over(fd, each, arg);
	if (found.slots == slots) {
		*marks = found.marks;
		return fd;
	}
	close(fd);
	return replace(path, slots);
}

static int map_file(struct crash_marks *m, const char *path, void (*each)(void *, const struct crash_mark *), void *arg)
{
	unsigned marks;
	int fd = open_file(path, m->slots, each, arg, &marks);

	if (fd < 0)
		return -fd;
	m->file = mmap(NULL, (1 + (size_t)m->slots) * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int sys = m->file == MAP_FAILED ? errno : 0;
	close(fd);
	/* nothing is written when there is nothing to clear */
	for (unsigned i = 0; !sys && marks && i < m->slots; i++)
		if (atomic_load(&m->file[1 + i].slot.marked))
			atomic_store(&m->file[1 + i].slot.marked, 0);
	return sys;
}

/* ---- opening and closing ---- */

static void be_newest(struct crash_marks *m)
{
	pthread_mutex_lock(&lock);
	if (!has_exit_handler)
		has_exit_handler = atexit(mark_exit) == 0;
	if (!atomic_exchange(&newest, m))
		crash_signal_take(mark_own);
	pthread_mutex_unlock(&lock);
}

static void be_gone(struct crash_marks *m)
{
	struct crash_marks *expected = m;

	pthread_mutex_lock(&lock);
	if (atomic_compare_exchange_strong(&newest, &expected, NULL))
		crash_signal_give_back();
	pthread_mutex_unlock(&lock);
}

int crash_marks_open(struct crash_marks **out, const char *path, unsigned slots, bool with_handlers,
                     void (*each)(void *arg, const struct crash_mark *mark), void *arg, struct pawl_error *err)
{
	if (slots == 0 || slots > SLOTS_MAX)
		return err_set(err, PAWL_EINVALID, "cannot make '%s' with %u slots: 1 to %d", path, slots, SLOTS_MAX);
	struct crash_marks *m = calloc(1, sizeof(*m) + slots * sizeof(m->slot[0]));
	if (!m)
		return err_nomem(err);
	m->slots = slots;
	m->with_handlers = with_handlers;
	m->pid = getpid();
	int sys = map_file(m, path, each, arg);
	if (sys) {
		free(m);
		return err_sys(err, sys, "cannot open '%s', which tells what activity has crashed", path);
	}
	if (with_handlers)
		be_newest(m);
	*out = m;
	return 0;
}

static bool is_in_use(const struct crash_marks *m)
{
	for (unsigned i = 0; i < m->slots; i++)
		if (atomic_load(&m->slot[i].owner))
			return true;
	return false;
}

void crash_marks_close(struct crash_marks *m)
{
	if (!m)
		return;
	if (m->with_handlers)
		be_gone(m);
	/* an activity that never returns: if it does, the slot that it leaves must still be there */
	if (is_in_use(m)) {
		pthread_mutex_lock(&lock);
		m->next = left_behind;
		left_behind = m;
		pthread_mutex_unlock(&lock);
		return;
	}
	munmap(m->file, (1 + (size_t)m->slots) * SLOT_BYTES);
	free(m);
}
