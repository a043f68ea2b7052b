/*
 * The command line, in this process, over a hub on the simulated kernel with instances of all kinds: no arguments crash it
 * or let it run for ever, the exit code is one of docs/man/pawl.1, whoever made a mistake is told on standard error, and what
 * it says as JSON is JSON. Names and texts with control characters are in the hub: none reaches a terminal.
 * Pieces: the arguments, one a line; standard input. Nothing outside of the process is touched: what would start programs, run
 * the hub or write files is replaced below.
 */
#define _GNU_SOURCE
#include "fuzz.h"
#include "base/json.h"
#include "cli/work.h"
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static int no_runtime(pawl_runtime **out, const pawl_options *options, struct pawl_error *err);
static FILE *no_file(const char *path, const char *mode);
#define pawl_open no_runtime
#include "cli/cli_run.c"
#undef pawl_open
#define fopen no_file
#define remove(path) 0
#include "cli/cli_export.c"
#undef fopen
#undef remove
#define fork() (errno = EAGAIN, -1)
#include "cli/verify.c"
#undef fork

#define WORDS_MAX 32
#define SLEEPS_FAIL 60 /* from then on the disk answers no more, as for a wait without an end */
#define SLEEPS_MAX 500

static struct fuzz_hub *hub;
static unsigned sleeps;

/* ---- in the place of the world ---- */

const struct os *os_linux(void)
{
	static const struct os *first;

	if (hub)
		return os_sim_os(hub->sim);
	if (!first) /* before any input: something asks for the time */
		first = os_sim_os(os_sim_new(1));
	return first;
}

static void pass(int64_t ms)
{
	int64_t more = (int64_t)1000 << (sleeps < 30 ? sleeps : 30);

	must(++sleeps < SLEEPS_MAX);
	if (sleeps == SLEEPS_FAIL)
		os_sim_fail_nth(hub->sim, 1, EIO, true);
	ms = ms > more ? ms : more;
	os_sim_advance(hub->sim, (ms < INT64_MAX / 1000000000 ? ms : INT64_MAX / 1000000000) * 1000000);
}

int nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	if (hub)
		pass((int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000);
	return 0;
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = 0;
	if (hub && ms != 0)
		pass(ms < 0 ? 60000 : ms);
	return 0;
}

int work_serve(struct cli *c)
{
	return err_set(&c->err, PAWL_EUNSUPPORTED, "nothing is executed here");
}

static int no_runtime(pawl_runtime **out, const pawl_options *options, struct pawl_error *err)
{
	(void)out;
	must(options->hub && options->threads_max >= 0 && options->threads_max <= 1024);
	return err_set(err, PAWL_EBUSY, "no runtime is run here");
}

static FILE *no_file(const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	return tmpfile();
}

/* ---- a hub ---- */

static int flow(pawl_ctx *ctx, const char *input)
{
	(void)input;
	pawl_set_status(ctx, "x");
	pawl_call(ctx, "flash", "in");
	pawl_wait_event(ctx, "go", -1);
	return pawl_return(ctx, "out");
}
PAWL_ORCHESTRATION(flow, "1.0.0");

#define ESC "\\u001b[31m\\u0007\\u009b"
#define L(seq, rest) "{\"seq\":" #seq "," rest "}"

static void fill(struct pawl_provider *p)
{
	struct pawl_error err = { 0 };
	char id[PAWL_WORK_ID_MAX + 1];
	struct pawl_work_item item = { .instance = "w", .activity = "flash", .key = "w/1/3", .execution = 1, .seq = 3, .attempt = 1, .priority = 5 };
	struct pawl_dead_letter letter = { .id = "w.3", .text = "{\"key\":\"w/1/3\",\"instance\":\"w\",\"execution\":1,\"seq\":3,\"activity\":\"flash\",\"state\":\"Failed\",\"reason\":\"" ESC "\",\"payload\":\"" ESC "\"}\n" };

	fuzz_hub_put(p, "w", false, (const char *const[]){ FUZZ_STARTED, L(2, "\"type\":\"CustomStatusSet\",\"status\":\"" ESC "\""),
		L(3, "\"type\":\"ActivityScheduled\",\"name\":\"flash\",\"input\":\"" ESC "\""), L(4, "\"type\":\"TimerCreated\",\"delay_ms\":60000,\"fire_at\":\"2030-01-01T00:00:00Z\""),
		L(5, "\"type\":\"EventSubscribed\",\"name\":\"go\""), L(6, "\"type\":\"KeyValueSet\",\"key\":\"site\",\"value\":\"7" ESC "\""),
		L(7, "\"type\":\"ChildScheduled\",\"name\":\"flow\",\"instance\":\"kid\""), NULL });
	fuzz_hub_put(p, "kid", false, (const char *const[]){ FUZZ_STARTED, L(2, "\"time\":\"2026-01-02T03:04:06.000000Z\",\"type\":\"ExecutionSuspended\",\"reason\":\"" ESC "\""), NULL });
	fuzz_hub_put(p, "failed", true, (const char *const[]){ FUZZ_STARTED,
		L(2, "\"type\":\"ExecutionFailed\",\"error\":{\"kind\":\"application\",\"code\":\"" ESC "\",\"message\":\"" ESC "\",\"retryable\":false,\"details\":\"" ESC "\"}"), NULL });
	fuzz_hub_put(p, "done", true, (const char *const[]){ FUZZ_STARTED, L(2, "\"type\":\"ExecutionCompleted\",\"output\":{\"a\":[1,\"" ESC "\"]}"), NULL });
	fuzz_hub_put(p, "bad", false, (const char *const[]){ FUZZ_STARTED, L(3, "\"type\":\"EventSubscribed\",\"name\":\"go\""), NULL });
	p->ops->note(p, "kid", "parked\033[31m for a reason");
	must(p->ops->offer(p, &item, id, &err) == 0 && p->ops->bury(p, &letter, &err) == 0);
}

/* ---- a run ---- */

struct run {
	char *argv[WORDS_MAX + 1], *text;
	int argc, code;
	char *out, *err;
	size_t out_len, err_len;
};

/* Relative paths only, and none out of here: files are read. */
static void tame(char *word)
{
	for (char *at = word; *at; at++) {
		bool begins = at == word || !strchr("abcdefghijklmnopqrstuvwxyz0123456789", at[-1]);
		if ((*at == '/' && begins) || (*at == '.' && at[1] == '.'))
			*at = '_';
	}
}

static void split_words(struct run *r, struct slice piece)
{
	r->text = piece_text(piece);
	r->argv[r->argc++] = strdup("pawl");
	for (char *at = r->text, *next; at && r->argc < WORDS_MAX; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		tame(at);
		r->argv[r->argc++] = at;
	}
}

static void run_main(struct run *r, struct slice in)
{
	FILE *was[] = { stdin, stdout, stderr };

	stdin = in.len ? fmemopen((void *)(uintptr_t)in.data, in.len, "rb") : tmpfile();
	stdout = open_memstream(&r->out, &r->out_len);
	stderr = open_memstream(&r->err, &r->err_len);
	must(stdin && stdout && stderr);
	r->code = pawl_main(r->argc, r->argv);
	/* a verb may have closed what it read */
	fclose(stdin);
	fclose(stdout);
	fclose(stderr);
	stdin = was[0];
	stdout = was[1];
	stderr = was[2];
}

static bool has_word(const struct run *r, const char *a, const char *b)
{
	for (int i = 1; i < r->argc; i++)
		if (strcmp(r->argv[i], a) == 0 || (b && strcmp(r->argv[i], b) == 0))
			return true;
	return false;
}

/* c1: also those that are two bytes in UTF-8, and DEL. JSON may have them. */
static bool has_control(const char *text, size_t len, bool c1)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < ' ' && c != '\n' && c != '\t')
			return true;
		if (c1 && (c == 0x7f || (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] >= 0x80 && (unsigned char)text[i + 1] < 0xa0)))
			return true;
	}
	return false;
}

/* These give bytes as they are, or draw. */
static bool is_raw(const struct run *r)
{
	return has_word(r, "get", "export") || has_word(r, "watch", "history") || has_word(r, "--color=always", "always") || has_word(r, "graph", "work") ||
	       has_word(r, "-f", "--follow");
}

static bool is_table(const struct run *r)
{
	for (int i = 1; i < r->argc; i++)
		if (strstr(r->argv[i], "json") || strstr(r->argv[i], "yaml"))
			return false;
	return true;
}

static void json_is_json(const struct run *r)
{
	enum json_type type;

	bool asked = has_word(r, "-ojson", "--output=json") && has_word(r, "list", "status") && !has_word(r, "export", "get");

	/* not help */
	if (asked && r->code == 0 && r->out_len && (r->out[0] == '[' || r->out[0] == '{'))
		must(json_check(slice_make(r->out, r->out_len), &type, NULL) == 0);
}

static void holds(const struct run *r)
{
	static const int codes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 75, 124 };
	bool known = false;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		known = known || codes[i] == r->code;
	must(known);
	must((r->code != 1 && r->code != 2) || r->err_len > 0);
	must(!has_control(r->err, r->err_len, true));
	must(is_raw(r) || !has_control(r->out, r->out_len, is_table(r)));
	json_is_json(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces p = pieces_of(data, size);
	struct slice words, in;
	struct run r = { .argc = 0 };
	struct fuzz_hub h;

	setenv("PAWL_HUB", FUZZ_HUB, 1);
	setenv("NO_COLOR", "1", 1);
	(void)pieces_next(&p, &words);
	(void)pieces_next(&p, &in);
	fuzz_hub_init(&h, fill);
	sleeps = 0;
	split_words(&r, words);
	hub = &h;
	run_main(&r, in);
	hub = NULL;
	os_sim_fail_nth(h.sim, 0, 0, false);
	holds(&r);
	free(r.argv[0]);
	free(r.text);
	free(r.out);
	free(r.err);
	fuzz_hub_release(&h);
	return 0;
}
