/*
 * driver.c - main of a fuzz program where there is no libFuzzer: each seed as it is, then mutations of the seeds. The
 * series of random numbers is fixed, so that a failure repeats.
 *
 *	fuzz_NAME            what is in tests/fuzz/seeds/NAME and corpus/NAME, then $FUZZ_RUNS mutations of that
 *	fuzz_NAME FILE...    only these inputs
 *
 * A crash leaves the input in fuzz_NAME.crash in the working directory ($BUILD when it is set).
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_MAX 1024
#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t *data;
	size_t len;
};

static struct input seeds[SEEDS_MAX];
static size_t seed_count;
static struct input now;
static char crash_path[4096];
static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t below(size_t n)
{
	return n ? (size_t)(next() % n) : 0;
}

static void on_crash(int number)
{
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0 && write(fd, now.data, now.len) == (ssize_t)now.len)
		close(fd);
	signal(number, SIG_DFL);
	raise(number);
}

static int add_seed(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX);

	if (!file || !data || seed_count == SEEDS_MAX) {
		fprintf(stderr, "cannot read '%s'\n", path);
		return -1;
	}
	seeds[seed_count++] = (struct input){ data, fread(data, 1, INPUT_MAX, file) };
	fclose(file);
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_seed_dir(const char *dir)
{
	struct dirent **names;
	char path[4096];
	int count = scandir(dir, &names, NULL, by_name), err = 0;

	for (int i = 0; i < count; i++) {
		int len = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);

		if (len >= (int)sizeof(path))
			err = -1;
		else if (names[i]->d_name[0] != '.' && seed_count < SEEDS_MAX && add_seed(path))
			err = -1;
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	return err;
}

static void insert(struct input *in, size_t at, const uint8_t *data, size_t len)
{
	if (len > INPUT_MAX - in->len)
		len = INPUT_MAX - in->len;
	memmove(in->data + at + len, in->data + at, in->len - at);
	memcpy(in->data + at, data, len);
	in->len += len;
}

static void mutate(struct input *in)
{
	size_t at = below(in->len + 1), len = below(in->len - at + 1);
	const struct input *other = &seeds[below(seed_count)];
	size_t from = below(other->len + 1);
	uint8_t byte = (uint8_t)next(), copy[64];

	switch (below(7)) {
	case 0:
		if (at < in->len)
			in->data[at] = byte;
		break;
	case 1:
		if (at < in->len)
			in->data[at] ^= (uint8_t)(1u << below(8));
		break;
	case 2:
		insert(in, at, &byte, 1);
		break;
	case 3:
		memmove(in->data + at, in->data + at + len, in->len - at - len);
		in->len -= len;
		break;
	case 4: /* a piece of another seed */
		insert(in, at, other->data + from, below(other->len - from + 1));
		break;
	case 5: /* a piece of its own, several times: nesting */
		len = len > sizeof(copy) ? sizeof(copy) : len;
		memcpy(copy, in->data + at, len);
		for (size_t n = below(40); n > 0; n--)
			insert(in, at, copy, len);
		break;
	default:
		in->len = at;
	}
}

/* The bytes are in memory of just their size, so that reading past the end shows. */
static void run(const struct input *in)
{
	uint8_t *exact = malloc(in->len ? in->len : 1);

	if (!exact)
		abort();
	memcpy(exact, in->data, in->len);
	now = (struct input){ exact, in->len };
	LLVMFuzzerTestOneInput(exact, in->len);
	free(exact);
}

static size_t run_mutations(size_t runs)
{
	struct input in = { malloc(INPUT_MAX), 0 };

	for (size_t i = 0; i < runs && in.data; i++) {
		const struct input *seed = &seeds[below(seed_count)];

		memcpy(in.data, seed->data, seed->len);
		in.len = seed->len;
		for (size_t n = 1 + below(6); n > 0; n--)
			mutate(&in);
		run(&in);
	}
	free(in.data);
	return runs;
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	const char *runs = getenv("FUZZ_RUNS"), *build = getenv("BUILD");
	char dir[4096];
	static uint8_t empty[1];
	size_t count;
	int err = 0;

	snprintf(crash_path, sizeof(crash_path), "%s/%s.crash", build ? build : ".", base);
	signal(SIGSEGV, on_crash);
	signal(SIGABRT, on_crash);
	signal(SIGBUS, on_crash);
	for (int i = 1; i < argc; i++)
		err |= add_seed(argv[i]);
	if (argc == 1) {
		snprintf(dir, sizeof(dir), "tests/fuzz/seeds/%s", strncmp(base, "fuzz_", 5) ? base : base + 5);
		err |= add_seed_dir(dir);
		snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", strncmp(base, "fuzz_", 5) ? base : base + 5);
		err |= add_seed_dir(dir);
		if (!seed_count)
			seeds[seed_count++] = (struct input){ empty, 0 };
	}
	for (size_t i = 0; i < seed_count; i++)
		run(&seeds[i]);
	count = seed_count + (argc == 1 ? run_mutations(runs ? strtoul(runs, NULL, 10) : 20000) : 0);
	printf("%s: %zu inputs\n%d passed, %d failed\n", base, count, err ? 0 : 1, err ? 1 : 0);
	for (size_t i = 0; i < seed_count; i++) {
		if (seeds[i].data != empty)
			free(seeds[i].data);
	}
	return err ? 1 : 0;
}
