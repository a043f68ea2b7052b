/* os.c - what is built from the table and holds for every one of them. */
#include <os/os.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 255

int os_sync_dir(const struct os *os, int dir, const char *path)
{
	int fd, r;

	fd = os->open(os->self, dir, path, OS_READ | OS_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = os->sync(os->self, fd);
	os->close(os->self, fd);
	return r;
}

/* The size that stat tells is a hint: files in /proc say 0, and a file may grow while it is read. One byte more than
 * max is asked for, to see that there is more. */
static int read_all(const struct os *os, int fd, size_t hint, size_t max, char **out, size_t *len)
{
	size_t cap = (hint < max ? hint : max) + 2, have = 0;
	char *data = malloc(cap), *bigger;
	int r = data ? 0 : -ENOMEM;
	ssize_t n;

	while (!r) {
		n = os->pread(os->self, fd, data + have, cap - 1 - have, have);
		if (n < 0) {
			r = (int)n;
			break;
		}
		have += (size_t)n;
		if (have > max)
			r = -EFBIG;
		if (r || have < cap - 1)
			break;
		cap = cap > max / 2 ? max + 2 : cap * 2 + 64;
		bigger = realloc(data, cap);
		if (!bigger)
			r = -ENOMEM;
		else
			data = bigger;
	}
	if (r) {
		free(data);
		return r;
	}
	data[have] = '\0';
	*out = data;
	*len = have;
	return 0;
}

int os_read_file(const struct os *os, int dir, const char *path, size_t max, char **out, size_t *len)
{
	struct os_stat st;
	int fd, r;

	if (max > SSIZE_MAX - 2)
		max = SSIZE_MAX - 2;
	fd = os->open(os->self, dir, path, OS_READ | OS_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = os->stat_fd(os->self, fd, &st);
	if (!r && st.type != OS_FILE)
		r = st.type == OS_DIR ? -EISDIR : -EINVAL;
	if (!r && st.size > max)
		r = -EFBIG;
	if (!r)
		r = read_all(os, fd, (size_t)st.size, max, out, len);
	os->close(os->self, fd);
	return r;
}

/* ".NAME.RANDOM.tmp": hidden and with an ending that every scan leaves alone. A name that would get too long is cut,
 * the random part keeps it apart. */
static int temp_name(const struct os *os, const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	int dir_len = (int)(base - path), keep = NAME_BYTES_MAX - 22, n;
	uint64_t salt;

	if (!*base || strlen(path) >= size)
		return *base ? -ENAMETOOLONG : -EINVAL;
	n = os->random(os->self, &salt, sizeof(salt));
	if (n < 0)
		return n;
	n = snprintf(out, size, "%.*s.%.*s.%016llx.tmp", dir_len, path, keep, base, (unsigned long long)salt);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int open_temp(const struct os *os, int dir, const char *path, unsigned mode, char *temp, size_t size)
{
	int r;

	for (int tries = 0; tries < 8; tries++) {
		r = temp_name(os, path, temp, size);
		if (r < 0)
			return r;
		r = os->open(os->self, dir, temp, OS_WRITE | OS_CREATE | OS_EXCL, mode);
		if (r != -EEXIST)
			return r;
	}
	return -EEXIST;
}

static int sync_parent(const struct os *os, int dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[4096];
	size_t len;

	if (!slash)
		return os_sync_dir(os, dir, ".");
	len = slash == path ? 1 : (size_t)(slash - path);
	if (len >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, len);
	parent[len] = '\0';
	return os_sync_dir(os, dir, parent);
}

static int replace(const struct os *os, int dir, const char *path, const void *data, size_t len, unsigned mode, bool sync)
{
	char temp[4096];
	ssize_t n;
	int fd, r, closed;

	fd = open_temp(os, dir, path, mode, temp, sizeof(temp));
	if (fd < 0)
		return fd;
	n = len ? os->pwrite(os->self, fd, data, len, 0) : 0;
	r = n < 0 ? (int)n : sync ? os->sync(os->self, fd) : 0;
	closed = os->close(os->self, fd);
	if (!r)
		r = closed;
	if (!r)
		r = os->rename(os->self, dir, temp, dir, path);
	if (r)
		os->unlink(os->self, dir, temp);
	return r;
}

/* The bytes are synced before the name appears, durable or not: without that, a power cut can leave the new name with
 * no content. Only the name itself may be lost when durable is false: then the old content is there. */
int os_replace_file(const struct os *os, int dir, const char *path, const void *data, size_t len, unsigned mode,
		    bool durable)
{
	int r = replace(os, dir, path, data, len, mode, true);

	return r < 0 || !durable ? r : sync_parent(os, dir, path);
}

int os_put_file(const struct os *os, int dir, const char *path, const void *data, size_t len, unsigned mode)
{
	return replace(os, dir, path, data, len, mode, false);
}

/* Names of one pass of os_remove_tree, each with its NUL. A directory of any size needs no more memory than this. */
struct names {
	size_t len;
	char text[16 * 1024];
};

static int names_add(void *arg, const char *name)
{
	struct names *names = arg;
	size_t len = strlen(name) + 1;

	if (len > sizeof(names->text) - names->len)
		return 1;
	memcpy(names->text + names->len, name, len);
	names->len += len;
	return 0;
}

static int remove_in(const struct os *os, int parent, const char *path, int depth, unsigned *left);

static int remove_entry(const struct os *os, int fd, const char *name, int depth, unsigned *left)
{
	struct os_stat st;
	int r;

	r = os->stat(os->self, fd, name, &st);
	if (!r && st.type == OS_DIR)
		r = remove_in(os, fd, name, depth - 1, left);
	else if (!r)
		r = os->unlink(os->self, fd, name);
	*left -= *left > 0;
	return r == -ENOENT ? 0 : r;
}

static int remove_contents(const struct os *os, int fd, int depth, unsigned *left)
{
	struct names *names = malloc(sizeof(*names));
	int r = names ? 0 : -ENOMEM;

	while (!r) {
		names->len = 0;
		r = os->list(os->self, fd, ".", names_add, names);
		if (r > 0)
			r = 0;
		if (r || !names->len)
			break;
		for (size_t at = 0; !r && at < names->len; at += strlen(names->text + at) + 1)
			r = *left ? remove_entry(os, fd, names->text + at, depth, left) : 1;
	}
	free(names);
	return r;
}

/* Recursion ends with depth. Each level works through its own descriptor, so that a directory that is swapped for a
 * link meanwhile is not followed. */
static int remove_in(const struct os *os, int parent, const char *path, int depth, unsigned *left)
{
	int fd, r;

	if (depth < 1)
		return -ELOOP;
	fd = os->open(os->self, parent, path, OS_READ | OS_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = remove_contents(os, fd, depth, left);
	os->close(os->self, fd);
	return r ? r : os->rmdir(os->self, parent, path);
}

int os_remove_tree(const struct os *os, int dir, const char *path, int depth)
{
	unsigned left;
	int r;

	do {
		left = UINT_MAX;
		r = remove_in(os, dir, path, depth, &left);
	} while (r > 0);
	return r;
}

int os_remove_some(const struct os *os, int dir, const char *path, int depth, unsigned *left)
{
	int r = *left ? remove_entry(os, dir, path, depth + 1, left) : 1;

	return r == -ENOTEMPTY ? 1 : r;
}

int os_remove_any(const struct os *os, int dir, const char *path)
{
	int r = os->unlink(os->self, dir, path), tree;

	if (r == -EISDIR || r == -EPERM) { /* POSIX has the second for directories */
		tree = os_remove_tree(os, dir, path, OS_TREE_DEPTH_MAX);
		r = tree == -ENOTDIR ? r : tree;
	}
	return r == -ENOENT ? 0 : r;
}
