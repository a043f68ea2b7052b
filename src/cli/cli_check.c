/* cli_check.c - `pawl check`: what a plugin uses that orchestration code must not. */
#include "cli/elf.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>

#define FILE_BYTES_MAX (64u << 20)
#define NAME_SIZE 64

/* ---- what is known of names ---- */

enum topic { CLOCK, ZONE, RANDOM, ENVIRONMENT, FILES, DEVICE, PROGRAMS, NETWORK, THREADS, SLEEPING, TOPIC_COUNT };

static const struct {
	const char *name, *instead;
} topics[TOPIC_COUNT] = {
	[CLOCK] = { "clock", "pawl_now, the time of the turn" },
	[ZONE] = { "time zone", "an activity, or gmtime_r of pawl_now: the time zone of the device may change" },
	[RANDOM] = { "randomness", "pawl_random or pawl_uuid" },
	[ENVIRONMENT] = { "environment", "the input, or an activity that returns the setting" },
	[FILES] = { "files", "an activity that reads or writes the file" },
	[DEVICE] = { "device", "an activity that looks, and returns what it has found" },
	[PROGRAMS] = { "programs", "an activity: any executable can be one" },
	[NETWORK] = { "network", "an activity" },
	[THREADS] = { "threads", "pawl_activity: activities run beside each other, pawl_all waits for them" },
	[SLEEPING] = { "sleeping", "pawl_sleep or pawl_timer, which a crash survives" },
};

/* In the order of names: it is searched. */
static const struct known {
	const char *name;
	enum topic topic;
} known[] = {
	{ "accept", NETWORK }, { "access", FILES }, { "alarm", SLEEPING }, { "arc4random", RANDOM },
	{ "arc4random_buf", RANDOM }, { "arc4random_uniform", RANDOM }, { "chdir", FILES }, { "clock", CLOCK },
	{ "clock_gettime", CLOCK }, { "clock_nanosleep", SLEEPING }, { "connect", NETWORK }, { "creat", FILES },
	{ "ctime", ZONE }, { "ctime_r", ZONE }, { "drand48", RANDOM }, { "environ", ENVIRONMENT },
	{ "erand48", RANDOM }, { "execl", PROGRAMS }, { "execlp", PROGRAMS }, { "execv", PROGRAMS },
	{ "execve", PROGRAMS }, { "execvp", PROGRAMS }, { "fgets", FILES }, { "fopen", FILES },
	{ "fork", PROGRAMS }, { "fread", FILES }, { "freopen", FILES }, { "ftime", CLOCK },
	{ "getaddrinfo", NETWORK }, { "getcwd", DEVICE }, { "getentropy", RANDOM }, { "getenv", ENVIRONMENT },
	{ "gethostbyname", NETWORK }, { "gethostname", DEVICE }, { "getloadavg", DEVICE }, { "getpid", DEVICE },
	{ "getrandom", RANDOM }, { "gettid", DEVICE }, { "gettimeofday", CLOCK }, { "getuid", DEVICE },
	{ "initstate", RANDOM }, { "ioctl", DEVICE }, { "jrand48", RANDOM }, { "localtime", ZONE },
	{ "localtime_r", ZONE }, { "lrand48", RANDOM }, { "lstat", FILES }, { "mkdir", FILES }, { "mktime", ZONE },
	{ "mmap", FILES }, { "mrand48", RANDOM }, { "nanosleep", SLEEPING }, { "nrand48", RANDOM },
	{ "open", FILES }, { "openat", FILES }, { "opendir", FILES }, { "pause", SLEEPING }, { "poll", SLEEPING },
	{ "popen", PROGRAMS }, { "posix_spawn", PROGRAMS }, { "posix_spawnp", PROGRAMS }, { "pread", FILES },
	{ "pthread_create", THREADS }, { "pwrite", FILES }, { "rand", RANDOM }, { "rand_r", RANDOM },
	{ "random", RANDOM }, { "random_r", RANDOM }, { "read", FILES }, { "recv", NETWORK }, { "remove", FILES },
	{ "rename", FILES }, { "secure_getenv", ENVIRONMENT }, { "select", SLEEPING }, { "send", NETWORK },
	{ "setenv", ENVIRONMENT }, { "sleep", SLEEPING }, { "socket", NETWORK }, { "srand", RANDOM },
	{ "srand48", RANDOM }, { "srandom", RANDOM }, { "stat", FILES }, { "statvfs", DEVICE },
	{ "sysconf", DEVICE }, { "sysinfo", DEVICE }, { "system", PROGRAMS }, { "thrd_create", THREADS },
	{ "thrd_sleep", SLEEPING }, { "time", CLOCK }, { "times", CLOCK }, { "timespec_get", CLOCK },
	{ "uname", DEVICE }, { "unlink", FILES }, { "usleep", SLEEPING }, { "uuid_generate", RANDOM },
	{ "vfork", PROGRAMS }, { "write", FILES },
};

static int compare_known(const void *a, const void *b)
{
	return strcmp(a, ((const struct known *)b)->name);
}

static bool cut_end(struct slice *s, const char *end)
{
	size_t len = strlen(end);

	if (s->len <= len || memcmp(s->data + s->len - len, end, len) != 0)
		return false;
	s->len -= len;
	return true;
}

/* What the C library calls it in a program: __clock_gettime64, fopen64, __open_2, __read_chk, __xstat. */
static const struct known *look_up(struct slice symbol)
{
	static const char *const ends[] = { "_chk", "_2", "_time64", "64_time64", "64" };
	char name[NAME_SIZE];
	bool inside = symbol.len > 2 && symbol.data[0] == '_' && symbol.data[1] == '_';

	if (inside) {
		symbol.data += 2;
		symbol.len -= 2;
	}
	if (inside && (slice_is(symbol, "xstat") || slice_is(symbol, "lxstat")))
		symbol = SLICE("stat");
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(symbol));
	const struct known *found = bsearch(name, known, sizeof(known) / sizeof(known[0]), sizeof(known[0]),
		compare_known);
	for (size_t i = 0; !found && i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (cut_end(&symbol, ends[i]))
			i = 0; /* __open64_2 */
		snprintf(name, sizeof(name), "%.*s", SLICE_FMT(symbol));
		found = bsearch(name, known, sizeof(known) / sizeof(known[0]), sizeof(known[0]), compare_known);
	}
	return found;
}

/* ---- one file ---- */

struct hint {
	char symbol[NAME_SIZE];
	enum topic topic;
};

struct checking {
	struct cli *c;
	struct out out;
	struct hint hints[sizeof(known) / sizeof(known[0]) * 2]; /* fopen and fopen64 */
	size_t count;
	bool registers, is_library;   /* imports pawl_register; has it itself */
	unsigned with_hints, no_plugins;
};

static int take_symbol(void *arg, const struct elf_symbol *s)
{
	struct checking *k = arg;

	if (slice_is(s->name, "pawl_register")) {
		k->registers |= s->is_import;
		k->is_library |= !s->is_import;
	}
	const struct known *found = s->is_import && s->name.len < NAME_SIZE ? look_up(s->name) : NULL;
	if (!found || k->count == sizeof(k->hints) / sizeof(k->hints[0]))
		return 0;
	struct hint *h = &k->hints[k->count++];
	snprintf(h->symbol, sizeof(h->symbol), "%.*s", SLICE_FMT(s->name));
	h->topic = found->topic;
	return 0;
}

static int compare_hints(const void *a, const void *b)
{
	const struct hint *x = a, *y = b;

	return x->topic != y->topic ? (x->topic > y->topic) - (x->topic < y->topic) : strcmp(x->symbol, y->symbol);
}

static void show_rows(struct checking *k, const char *path)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct hint *h = &k->hints[i];
		const char *const cells[] = { path, h->symbol, topics[h->topic].name, topics[h->topic].instead };
		out_record(&k->out, path, SLICE("{}"), cells);
	}
}

static void show_object(struct checking *k, const char *path, const struct elf_info *info)
{
	struct buf json = BUF_INIT;

	buf_adds(&json, "{\"v\":1");
	out_add_text(&json, "file", path);
	json_add_member_u64(&json, "bits", info->bits);
	json_add_key(&json, "plugin");
	buf_adds(&json, k->registers ? "true" : "false");
	json_add_key(&json, "hints");
	buf_addc(&json, '[');
	for (size_t i = 0; i < k->count; i++) {
		const struct hint *h = &k->hints[i];
		buf_adds(&json, i ? ",{" : "{");
		out_add_text(&json, "symbol", h->symbol);
		out_add_text(&json, "topic", topics[h->topic].name);
		out_add_text(&json, "instead", topics[h->topic].instead);
		buf_addc(&json, '}');
	}
	buf_adds(&json, "]}");
	if (!buf_ok(&json))
		k->out.failed = true;
	else
		out_record(&k->out, path, buf_slice(&json), NULL);
	buf_release(&json);
}

static void tell(struct checking *k, const char *path)
{
	if (k->is_library)
		cli_note(k->c, "'%s' has pawl in itself: what pawl uses is among this, too", path);
	else if (!k->registers)
		cli_note(k->c, "'%s' does not import pawl_register: a runtime finds no orchestrations and activities in it", path);
	cli_note(k->c, "'%s': %zu hint%s", path, k->count, k->count == 1 ? "" : "s");
}

static int read_file(struct cli *c, const char *path, struct buf *data)
{
	char part[16384];
	size_t n;
	FILE *f = fopen(path, "rb");
	int rc = f ? 0 : err_sys(&c->err, errno, "cannot open '%s'", path);

	while (f && data->len <= FILE_BYTES_MAX && (n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(data, part, n);
	if (f && ferror(f))
		rc = err_sys(&c->err, errno, "cannot read '%s'", path);
	else if (data->len > FILE_BYTES_MAX)
		rc = err_set(&c->err, PAWL_ETOOBIG, "'%s' is over the limit of %u MiB", path, FILE_BYTES_MAX >> 20);
	if (f)
		fclose(f);
	if (rc == 0 && !buf_ok(data))
		return err_nomem(&c->err);
	return rc == PAWL_ENOTFOUND ? PAWL_EIO : rc; /* "not found" is said of instances */
}

static int check_file(struct checking *k, const char *path)
{
	struct cli *c = k->c;
	struct elf_info info;
	struct buf data = BUF_INIT;
	int rc = read_file(c, path, &data);

	k->count = 0;
	k->registers = k->is_library = false;
	if (rc < 0) {
		buf_release(&data);
		return rc;
	}
	rc = elf_read(buf_slice(&data), &info, take_symbol, k, &c->err);
	buf_release(&data);
	if (rc < 0) {
		(void)err_wrap(&c->err, "cannot check '%s'", path);
		return c->err.code = PAWL_EPARSE;
	}
	qsort(k->hints, k->count, sizeof(k->hints[0]), compare_hints);
	if (c->format == OUT_TABLE)
		show_rows(k, path);
	else
		show_object(k, path, &info);
	k->with_hints += k->count > 0;
	k->no_plugins += !k->registers && !k->is_library;
	tell(k, path);
	return 0;
}

static int check(struct cli *c)
{
	static const char *const columns[] = { "FILE", "USES", "TOPIC", "IN ORCHESTRATION CODE INSTEAD", NULL };
	struct checking *k = calloc(1, sizeof(*k));
	int rc = 0;

	if (!k)
		return err_nomem(&c->err);
	k->c = c;
	out_begin(&k->out, c, columns, true);
	for (int n = 0; rc == 0 && n < c->arg_count; n++)
		rc = check_file(k, c->args[n]);
	int end = out_end(&k->out, &c->err);
	bool found = k->with_hints || k->no_plugins;
	if (rc == 0 && k->with_hints)
		cli_note(c, "activities may use all of this; in orchestration code it decides something else at a replay, and parks the instance");
	free(k);
	if (rc == 0)
		rc = end;
	return rc < 0 ? rc : found && c->opt[OPT_STRICT] ? CLI_ERROR : CLI_DONE;
}

static const struct cli_option options_check[] = {
	{ OPT_STRICT, 0, "strict", NULL, HELP("exit code 1 when there are hints, or a file is no plugin") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_check = {
	"check", "look for what orchestration code must not use in plugins", "PLUGIN.so... [--strict]",
	HELP("Reads the names that a shared object (or a .o) wants from the C library; nothing of it is loaded or run. The clock, "
	"randomness, the environment, files, threads and sleeping are fine in activities and wrong in orchestrations; which of "
	"the two calls them cannot be seen from outside, so these are hints. Keeping activities and orchestrations in two files "
	"makes them certain. To find what decides differently at a replay: engine.check_replay, and `pawl verify`."),
	options_check, 1, -1, check,
};
