/* floor.c - one bare fdatasync for each step, nothing else. */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES ((size_t)4 << 20)
#define WARM_UP 20

/* Written, not only allocated: an extent that was never written costs a journal commit when it is. */
static int fill_with_zeros(int fd)
{
	char *zeros = calloc(1, FILE_BYTES);
	ssize_t n = zeros ? pwrite(fd, zeros, FILE_BYTES, 0) : -1;

	free(zeros);
	return n == (ssize_t)FILE_BYTES && fsync(fd) == 0 ? 0 : -1;
}

int floor_open(struct floor *f, const char *dir, size_t bytes)
{
	*f = (struct floor){ .fd = -1, .bytes = bytes };
	snprintf(f->path, sizeof(f->path), "%s/floor.tmp", dir);
	f->data = bytes && bytes <= FILE_BYTES ? malloc(bytes) : NULL;
	f->fd = f->data ? open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (f->fd < 0 || fill_with_zeros(f->fd) < 0)
		return -1;
	memset(f->data, 'x', bytes);
	for (unsigned i = 0; i < WARM_UP; i++)
		if (floor_step(f) < 0)
			return -1;
	return 0;
}

int floor_step(struct floor *f)
{
	off_t offset = (off_t)(f->steps++ % (FILE_BYTES / f->bytes) * f->bytes);

	return pwrite(f->fd, f->data, f->bytes, offset) == (ssize_t)f->bytes && fdatasync(f->fd) == 0 ? 0 : -1;
}

void floor_close(struct floor *f)
{
	if (f->fd >= 0) {
		close(f->fd);
		unlink(f->path);
	}
	free(f->data);
}

static int measure(struct floor *f, const char *dir, unsigned ops, struct bench_result *r)
{
	struct bench b;

	if (bench_start(&b, dir, ops) < 0)
		return -1;
	for (unsigned i = 0; i < ops && !r->error[0]; i++) {
		bench_op_begin(&b);
		if (floor_step(f) < 0)
			bench_fail(r, errno, "cannot write in", dir);
		bench_op_end(&b);
	}
	bench_stop(&b, r);
	return 0;
}

struct bench_result floor_run(const char *dir, size_t bytes, unsigned ops)
{
	struct bench_result r = { .name = "bare overwrite and fdatasync" };
	struct floor f;

	if (floor_open(&f, dir, bytes) < 0)
		bench_fail(&r, errno, "cannot make file", f.path);
	else if (measure(&f, dir, ops, &r) < 0)
		bench_fail(&r, errno, "cannot measure in", dir);
	floor_close(&f);
	return r;
}
