/* os_sim_kernel.c - the machine that a simulated kernel tells of: files of /proc and /sys, free space, processors. */
#include <os/os_sim_impl.h>

#include <stdlib.h>
#include <string.h>

/* A file's text, or the space at a path. A list: tests have a few of them. */
struct sim_kernel {
	struct sim_kernel *next;
	bool is_space;
	int err;    /* the answer instead */
	char *text; /* of a file */
	uint64_t free_bytes, free_inodes, total_inodes;
	char path[];
};

static struct sim_kernel **find(struct os_sim *sim, const char *path, bool is_space)
{
	struct sim_kernel **at = &sim->kernel;

	while (*at && ((*at)->is_space != is_space || strcmp((*at)->path, path) != 0))
		at = &(*at)->next;
	return at;
}

static char *copy_text(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(sim_alloc(size), text, size);
}

static struct sim_kernel *make(const char *path, bool is_space)
{
	size_t size = strlen(path) + 1;
	struct sim_kernel *k = sim_alloc(sizeof(*k) + size);

	*k = (struct sim_kernel){ .is_space = is_space };
	memcpy(k->path, path, size);
	return k;
}

/* With what is new for it, or NULL: gone. */
static void replace(struct os_sim *sim, const char *path, bool is_space, struct sim_kernel *with)
{
	struct sim_kernel **at, *old;

	sim_lock(sim);
	at = find(sim, path, is_space);
	old = *at;
	if (old)
		*at = old->next;
	if (with) {
		with->next = sim->kernel;
		sim->kernel = with;
	}
	sim_unlock(sim);
	if (old)
		old->next = NULL;
	kernel_free(old);
}

void kernel_free(struct sim_kernel *list)
{
	struct sim_kernel *next;

	for (; list; list = next) {
		next = list->next;
		free(list->text);
		free(list);
	}
}

struct sim_kernel *kernel_copy(const struct sim_kernel *from)
{
	struct sim_kernel *copy = NULL, **end = &copy;

	for (; from; from = from->next) {
		struct sim_kernel *k = make(from->path, from->is_space);

		k->err = from->err;
		k->text = from->text ? copy_text(from->text) : NULL;
		k->free_bytes = from->free_bytes;
		k->free_inodes = from->free_inodes;
		k->total_inodes = from->total_inodes;
		*end = k;
		end = &k->next;
	}
	return copy;
}

/* what tests set */

void os_sim_set_kernel(struct os_sim *sim, const char *path, const char *text)
{
	struct sim_kernel *k = text ? make(path, false) : NULL;

	if (k)
		k->text = copy_text(text);
	replace(sim, path, false, k);
}

void os_sim_fail_kernel(struct os_sim *sim, const char *path, int err)
{
	struct sim_kernel *k = make(path, false);

	k->err = err;
	replace(sim, path, false, k);
}

void os_sim_set_space(struct os_sim *sim, const char *path, uint64_t free_bytes, uint64_t free_inodes,
                      uint64_t total_inodes)
{
	struct sim_kernel *k = make(path, true);

	k->free_bytes = free_bytes;
	k->free_inodes = free_inodes;
	k->total_inodes = total_inodes;
	replace(sim, path, true, k);
}

void os_sim_fail_space(struct os_sim *sim, const char *path, int err)
{
	struct sim_kernel *k = make(path, true);

	k->err = err;
	replace(sim, path, true, k);
}

void os_sim_unset_space(struct os_sim *sim, const char *path)
{
	replace(sim, path, true, NULL);
}

void os_sim_set_cpus(struct os_sim *sim, unsigned n)
{
	sim_lock(sim);
	sim->cpus = n;
	sim_unlock(sim);
}

uint64_t os_sim_kernel_calls(struct os_sim *sim)
{
	uint64_t n;

	sim_lock(sim);
	n = sim->kernel_calls;
	sim_unlock(sim);
	return n;
}

/* what the table asks for */

/* What follows DIR/ in a path, NULL: it is not in there. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static bool is_dir(const struct os_sim *sim, const char *path)
{
	for (const struct sim_kernel *k = sim->kernel; k; k = k->next)
		if (!k->is_space && below(k->path, path))
			return true;
	return false;
}

int kernel_read(struct os_sim *sim, const char *path, char *buf, size_t size)
{
	const struct sim_kernel *k = *find(sim, path, false);
	size_t len;

	sim->kernel_calls++;
	if (!k)
		return is_dir(sim, path) ? -EISDIR : -ENOENT;
	if (k->err)
		return -k->err;
	len = strlen(k->text);
	if (len > size - 1)
		len = size - 1;
	memcpy(buf, k->text, len);
	buf[len] = '\0';
	return (int)len;
}

static bool has_name(struct sim_name *const *names, uint32_t n, const char *name, size_t len)
{
	for (uint32_t i = 0; i < n; i++)
		if (names[i]->len == len && memcmp(names[i]->text, name, len) == 0)
			return true;
	return false;
}

struct sim_name **kernel_names(struct os_sim *sim, const char *dir, uint32_t *count)
{
	struct sim_name **names = NULL;
	uint32_t cap = 0;

	*count = 0;
	sim->kernel_calls++;
	for (const struct sim_kernel *k = sim->kernel; k; k = k->next) {
		const char *name = k->is_space ? NULL : below(k->path, dir);
		size_t len = name ? strcspn(name, "/") : 0;

		if (!name || has_name(names, *count, name, len))
			continue;
		names = sim_grow(names, *count, &cap, sizeof(*names));
		names[(*count)++] = name_new(name, len);
	}
	return names;
}

int kernel_space(struct os_sim *sim, const char *path, uint64_t *bytes, uint64_t *inodes, uint64_t *total)
{
	const struct sim_kernel *k = *find(sim, path, true);
	struct sim_at at;
	int r;

	sim->kernel_calls++;
	if (k) {
		*bytes = k->free_bytes;
		*inodes = k->free_inodes;
		*total = k->total_inodes;
		return -k->err;
	}
	r = walk(sim, SIM_ROOT, path, true, &at);
	if (r || !at.ino)
		return r ? r : -ENOENT;
	*bytes = fs_free_bytes(sim);
	*inodes = *total = UINT64_C(1) << 30;
	return 0;
}
