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
#define PATH_BYTES 1024

/* Written, not only allocated: an extent that was never written costs a journal commit when it is. */
static int fill_with_zeros(int fd)
{
	char *zeros = calloc(1, FILE_BYTES);
	ssize_t n = zeros ? pwrite(fd, zeros, FILE_BYTES, 0) : -1;

	free(zeros);
	return n == (ssize_t)FILE_BYTES && fsync(fd) == 0 ? 0 : -1;
}

static int step(int fd, const char *data, size_t bytes, unsigned i)
{
	off_t offset = (off_t)(i % (FILE_BYTES / bytes) * bytes);

	return pwrite(fd, data, bytes, offset) == (ssize_t)bytes && fdatasync(fd) == 0 ? 0 : -1;
}

static int measure(int fd, const char *dir, const char *data, size_t bytes, unsigned ops, struct bench_result *r)
{
	struct bench b;

	for (unsigned i = 0; i < WARM_UP; i++) {
		if (step(fd, data, bytes, i) < 0)
			return -1;
	}
	if (bench_start(&b, dir, ops) < 0)
		return -1;
	for (unsigned i = 0; i < ops && !r->error[0]; i++) {
		bench_op_begin(&b);
		if (step(fd, data, bytes, WARM_UP + i) < 0)
			bench_fail(r, errno, "cannot write in", dir);
		bench_op_end(&b);
	}
	bench_stop(&b, r);
	return 0;
}

struct bench_result floor_run(const char *dir, size_t bytes, unsigned ops)
{
	struct bench_result r = { .name = "bare overwrite and fdatasync" };
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/floor.tmp", dir);
	char *data = bytes && bytes <= FILE_BYTES ? malloc(bytes) : NULL;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!data || fd < 0 || fill_with_zeros(fd) < 0) {
		bench_fail(&r, errno, "cannot make file", path);
	} else {
		memset(data, 'x', bytes);
		if (measure(fd, dir, data, bytes, ops, &r) < 0)
			bench_fail(&r, errno, "cannot measure in", dir);
	}
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	free(data);
	return r;
}
