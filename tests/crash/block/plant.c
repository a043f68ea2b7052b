/* plant.c - the kernel's table with a bug in it, and a look at the frames that go by. */
#include "plant.h"
#include "util.h"
#include "base/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 4096
#define EARLY_NS 3000000

static const struct os *real;
static struct os table;
static const char *plant;
static FILE *frames;
static _Thread_local int journal_fd = -1; /* where this thread has written a frame or header to */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ackearly: what was said to be synced, and is not. */
static struct {
	pthread_cond_t cond;
	int fd; /* that waits for its sync; -1: none */
} early = { PTHREAD_COND_INITIALIZER, -1 };

static bool planted(const char *name)
{
	return plant && strcmp(plant, name) == 0;
}

static uint64_t get(const unsigned char *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | p[bytes];
	return n;
}

static void put32(unsigned char *p, uint32_t n)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (unsigned char)(n >> 8 * i);
}

/* ---- frames (docs/FORMAT.md) ---- */

static void note_frame(const unsigned char *p, size_t len)
{
	uint64_t lsn = get(p + 16, 8), payload = get(p + 40, 4), count = get(p + 44, 3);

	pthread_mutex_lock(&lock);
	for (size_t at = 48; count && at + 28 <= len && at < 48 + payload; count--) {
		unsigned id_len = (unsigned)get(p + at + 2, 2);
		uint64_t data = get(p + at + 4, 4), offset = get(p + at + 16, 8);
		fprintf(frames, "%" PRIu64 " %u %.*s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", lsn, p[at], (int)id_len,
			(const char *)p + at + 28, get(p + at + 8, 8), offset, offset + data);
		at += 28 + id_len + data;
	}
	fflush(frames);
	pthread_mutex_unlock(&lock);
}

/* The same salt for ever, or no word of checkpoints, in a header or a frame. */
static void spoil(unsigned char *p)
{
	bool salt = planted("nosalt");

	if (memcmp(p, "PAWLJRNL", 8) == 0) {
		memset(p + (salt ? 16 : 40), salt ? 7 : 0, 8);
		put32(p + 12, crc32c(crc32c(0, p, 12), p + 16, 48));
	} else {
		memset(p + (salt ? 8 : 32), salt ? 7 : 0, 8);
		put32(p + 4, crc32c(0, p + 8, 40 + get(p + 40, 4)));
	}
}

static void await_late_sync(void)
{
	pthread_mutex_lock(&lock);
	while (early.fd >= 0)
		pthread_cond_wait(&early.cond, &lock);
	pthread_mutex_unlock(&lock);
}

static ssize_t plant_pwrite(void *self, int fd, const void *data, size_t len, uint64_t offset)
{
	bool frame = len >= 48 && memcmp(data, "PWFR", 4) == 0, header = len >= 64 && memcmp(data, "PAWLJRNL", 8) == 0;

	if (frame || header) {
		journal_fd = fd;
		await_late_sync(); /* or it would sync this one as well */
	}
	if (frame && frames)
		note_frame(data, len);
	if (!(frame || header) || !(planted("nosalt") || planted("nomark")))
		return real->pwrite(self, fd, data, len, offset);
	unsigned char *copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, len);
	spoil(copy);
	ssize_t n = real->pwrite(self, fd, copy, len, offset);
	free(copy);
	return n;
}

/* ---- syncs ---- */

/* Syncs what was said to be synced a moment ago. */
static void *sync_late(void *arg)
{
	const struct timespec moment = { 0, EARLY_NS };

	for (;;) {
		pthread_mutex_lock(&lock);
		while (early.fd < 0)
			pthread_cond_wait(&early.cond, &lock);
		pthread_mutex_unlock(&lock);
		nanosleep(&moment, NULL);
		(void)fdatasync(early.fd);
		pthread_mutex_lock(&lock);
		close(early.fd);
		early.fd = -1;
		pthread_cond_broadcast(&early.cond);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static int plant_sync_data(void *self, int fd)
{
	static bool running;
	pthread_t thread;

	if (planted("nosync"))
		return 0;
	if (!planted("ackearly") || fd != journal_fd)
		return real->sync_data(self, fd);
	pthread_mutex_lock(&lock);
	if (!running && pthread_create(&thread, NULL, sync_late, NULL) != 0)
		die("cannot make a thread");
	running = true;
	while (early.fd >= 0) /* a header's */
		pthread_cond_wait(&early.cond, &lock);
	early.fd = dup(fd);
	pthread_cond_broadcast(&early.cond);
	pthread_mutex_unlock(&lock);
	return 0;
}

static int plant_sync(void *self, int fd)
{
	struct os_stat st;
	bool dir = real->stat_fd(self, fd, &st) == 0 && st.type == OS_DIR;

	return planted(dir ? "nodirsync" : "tmpnosync") ? 0 : real->sync(self, fd);
}

/* ---- messages that go too early ---- */

static char *reading[FDS_MAX];
static int reading_dir[FDS_MAX];

static int plant_open(void *self, int dir, const char *path, int flags, unsigned mode)
{
	int fd = real->open(self, dir, path, flags, mode);

	if (fd >= 0 && fd < FDS_MAX && planted("unlinkfirst") && !(flags & OS_WRITE) && strncmp(path, "control/", 8) == 0) {
		reading[fd] = strdup(path);
		reading_dir[fd] = dir;
	}
	return fd;
}

/* Gone, and durably so: what remains is in memory only. */
static int plant_close(void *self, int fd)
{
	char *path = fd >= 0 && fd < FDS_MAX ? reading[fd] : NULL;

	if (!path)
		return real->close(self, fd);
	reading[fd] = NULL;
	int dir = reading_dir[fd], rc = real->close(self, fd);
	(void)real->unlink(self, dir, path);
	*strrchr(path, '/') = '\0';
	(void)os_sync_dir(real, dir, path);
	free(path);
	return rc;
}

/* ---- the table ---- */

static void make_table(void)
{
	const char *path = getenv("BLOCK_FRAMES");

	real = __real_os_linux();
	table = *real;
	plant = getenv("BLOCK_PLANT");
	if (plant && !*plant)
		plant = NULL;
	if (plant && !strstr(" " PLANT_NAMES " ", plant))
		die("unknown bug '%s'; one of %s", plant, PLANT_NAMES);
	if (path && !(frames = fopen(path, "we")))
		die_sys("cannot write '%s'", path);
	table.pwrite = plant_pwrite;
	table.sync_data = plant_sync_data;
	table.sync = plant_sync;
	table.open = plant_open;
	table.close = plant_close;
}

const struct os *__wrap_os_linux(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_table);
	return &table;
}
