/* io.c - see io.h. */
#include "os/io.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "pawl-io"
#define MAGIC "pawlio1"
#define TRIES 8
#define FDS_SEEN_MAX 1024

static _Thread_local enum io_cause cause_now;

/* A lock, as not every processor that we run on can add to 64 bits in one step; it is nothing beside a system call. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct io_page own = { .magic = MAGIC, .cause_count = IO_CAUSES };
static struct io_page *page = &own;

enum io_cause io_because(enum io_cause cause)
{
	enum io_cause before = cause_now;

	cause_now = cause;
	return before;
}

void io_restore(const enum io_cause *before)
{
	cause_now = *before;
}

void io_count(enum io_kind kind, uint64_t n)
{
	pthread_mutex_lock(&lock);
	page->written[cause_now][kind] += n;
	pthread_mutex_unlock(&lock);
}

void io_tell(const uint64_t *numbers, size_t count)
{
	pthread_mutex_lock(&lock);
	page->number_count = (uint32_t)(count < IO_NUMBERS_MAX ? count : IO_NUMBERS_MAX);
	memcpy(page->numbers, numbers, page->number_count * sizeof(*numbers));
	pthread_mutex_unlock(&lock);
}

/* Closed on exec, so that only the runtime itself has a descriptor of that name. */
static struct io_page *page_new(void)
{
#ifdef SYS_memfd_create
	int fd = (int)syscall(SYS_memfd_create, NAME, 1u /* MFD_CLOEXEC */);
	void *at = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct io_page)) == 0)
		at = mmap(NULL, sizeof(struct io_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		return at;
	if (fd >= 0)
		close(fd);
#endif
	return NULL;
}

void io_share(int64_t real_ns, int64_t boot_ns)
{
	struct io_page *shared = page == &own ? page_new() : NULL;

	pthread_mutex_lock(&lock);
	page->since_ns = real_ns;
	page->awake_ns = boot_ns;
	if (shared) {
		*shared = *page;
		page = shared;
	}
	pthread_mutex_unlock(&lock);
}

const char *io_cause_name(enum io_cause cause)
{
	static const char *const names[] = {
#define IO_NAME(name, word, text) word,
		IO_CAUSE_LIST(IO_NAME)
#undef IO_NAME
	};

	return names[cause];
}

/* ---- looking ---- */

struct look {
	const struct os *os;
	int32_t pid;
	unsigned seen;
	int rc;
	char path[64];
};

static int look_at_fd(void *arg, const char *name)
{
	struct look *l = arg;
	char target[64];

	snprintf(l->path, sizeof(l->path), "/proc/%d/fd/%.20s", l->pid, name);
	ssize_t n = l->os->readlink(l->os->self, OS_CWD, l->path, target, sizeof(target));
	if (n == -EACCES || n == -EPERM)
		l->rc = -EACCES;
	return n > 0 && strncmp(target, "/memfd:" NAME " ", sizeof("/memfd:" NAME)) == 0 ? 1 : ++l->seen == FDS_SEEN_MAX ? -ENOENT : 0;
}

/* Two looks that are alike: nobody wrote in between. After some tries it is the last that counts, in which one counter may be
 * ahead of another. */
static int read_page(const struct look *l, struct io_page *out)
{
	char now[sizeof(*out) + 1], before[sizeof(*out)];

	for (int i = 0; i < TRIES; i++) {
		int n = l->os->read_kernel(l->os->self, l->path, now, sizeof(now));
		if (n < 0)
			return n == -EPERM ? -EACCES : n;
		if ((size_t)n != sizeof(*out) || memcmp(now, MAGIC, sizeof(MAGIC)) != 0)
			return -ENOENT;
		if (i > 0 && memcmp(now, before, sizeof(before)) == 0)
			break;
		memcpy(before, now, sizeof(before));
	}
	memcpy(out, now, sizeof(*out));
	return out->cause_count == IO_CAUSES && out->number_count <= IO_NUMBERS_MAX ? 0 : -ENOENT;
}

int io_look(const struct os *os, int32_t pid, struct io_page *out)
{
	struct look l = { .os = os, .pid = pid, .rc = -ENOENT };
	char dir[32];

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	int rc = os->list_kernel(os->self, dir, look_at_fd, &l);
	if (rc == -EACCES || rc == -EPERM || rc == -EBADF) /* the last: it may be opened, but not read */
		return -EACCES;
	return rc > 0 ? read_page(&l, out) : l.rc;
}
