/* cli_work.c - `pawl work`: take activities from the queue, and say what became of them. */
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/words.h"
#include "cli/work.h"
#include "base/json.h"
#include "base/text.h"
#include "history/payload.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- who, and what ---- */

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* From --pid or --worker; it stays "" when neither was given. */
static int read_worker(struct cli *c, char worker[PAWL_WORKER_MAX + 1])
{
	const char *name = c->opt[OPT_WORKER];
	uint64_t pid = 0;
	int rc = cli_number(c, OPT_PID, 1, INT32_MAX, &pid);

	if (rc < 0)
		return rc;
	if (pid && name)
		return cli_usage(c, "--pid and --worker say the same: give one of them");
	if (pid)
		snprintf(worker, PAWL_WORKER_MAX + 1, "%llu", (unsigned long long)pid);
	if (!name)
		return 0;
	if (is_number(name))
		return cli_usage(c, "--worker: '%.20s' looks like a process: --pid, or another name", name);
	if (!text_is_key(slice_of(name)))
		return cli_usage(c, "--worker: '%.80s' is no name: 1 to 64 of A-Z a-z 0-9 _ : -", name);
	snprintf(worker, PAWL_WORKER_MAX + 1, "%s", name);
	return 0;
}

static int check_names(struct cli *c, const struct work_wanted *w)
{
	for (const char **name = w->activities; name && *name; name++)
		if (!text_is_type_name(slice_of(*name)))
			return cli_usage(c, "'%.140s' is no activity name: 1 to 128 of A-Z a-z 0-9 _ : . / -, a letter first",
				*name);
	for (const char **tag = w->tags; tag && *tag; tag++)
		if (!text_is_key(slice_of(*tag)))
			return cli_usage(c, "'%.80s' is no tag: 1 to 64 of A-Z a-z 0-9 _ : -", *tag);
	return 0;
}

int work_wanted(struct cli *c, const char *worker, struct work_wanted *w)
{
	*w = (struct work_wanted){ .activities = NULL };
	int rc = cli_values(c, OPT_ACTIVITY, &w->activities);

	if (rc == 0)
		rc = cli_values(c, OPT_TAG, &w->tags);
	if (rc == 0)
		rc = check_names(c, w);
	w->wanted = (struct pawl_work_wanted){ w->activities, w->tags, worker };
	return rc;
}

void work_wanted_release(struct work_wanted *w)
{
	free(w->activities);
	free(w->tags);
}

bool work_absolute(const char *path, char out[PATH_MAX])
{
	char here[PATH_MAX] = "";

	if (path[0] != '/' && !getcwd(here, sizeof(here)))
		return false;
	return snprintf(out, PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", path) < PATH_MAX;
}

/* The hub by its full name: a worker may be in any directory. */
void work_env_fill(struct work_env *env, const struct cli *c, const struct pawl_work_item *item, const char *worker)
{
	snprintf(env->numbers[0], sizeof(env->numbers[0]), "%llu", (unsigned long long)item->execution);
	snprintf(env->numbers[1], sizeof(env->numbers[1]), "%u", (unsigned)item->attempt);
	snprintf(env->numbers[2], sizeof(env->numbers[2]), "%llu", (unsigned long long)item->seq);
	const char *hub = work_absolute(c->hub, env->hub) ? env->hub : c->hub;
	const char *const all[WORK_VARIABLES][2] = {
		{ "PAWL_ITEM", item->id }, { "PAWL_WORKER", worker }, { "PAWL_WORK", item->work_dir },
		{ "PAWL_KEY", item->key }, { "PAWL_INSTANCE", item->instance }, { "PAWL_EXECUTION", env->numbers[0] },
		{ "PAWL_ACTIVITY", item->activity }, { "PAWL_ATTEMPT", env->numbers[1] },
		{ "PAWL_SEQ", env->numbers[2] }, { "PAWL_HUB", hub },
	};
	for (int n = 0; n < WORK_VARIABLES; n++) {
		env->v[n].name = all[n][0];
		env->v[n].value = all[n][1];
	}
}

/* Out of the queue: because nobody wants it (its directory has `cancel`, or is gone with its instance), or because somebody
 * else is to do it. */
static bool is_canceled(const struct cli *c, const char *dir)
{
	char path[PATH_MAX];
	struct os_stat st;

	if (!dir || !*dir)
		return false;
	snprintf(path, sizeof(path), "%s/cancel", dir);
	return c->os->stat(c->os->self, OS_CWD, dir, &st) == -ENOENT || c->os->stat(c->os->self, OS_CWD, path, &st) == 0;
}

int work_explain(struct cli *c, int rc, const char *item, const char *worker, const char *dir)
{
	if (rc == PAWL_ENOTFOUND && is_canceled(c, dir))
		rc = PAWL_ECANCELED;
	if (rc == PAWL_ECANCELED)
		return err_set(&c->err, rc, "'%s' was canceled: stop it, clean up, and leave it", item);
	if (rc == PAWL_ENOTFOUND)
		return err_set(&c->err, PAWL_ESTATE,
			"'%s' is not the work of '%s' any more, it was taken back or is over: drop it, take another",
			item, worker);
	return rc;
}

/* ---- take ---- */

static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	putchar('\'');
}

/* The input is not exported: over 128 KiB it would keep every program from being started. */
static void print_input(const struct cli *c, const struct pawl_work_item *item)
{
	struct slice input = slice_make(item->input, item->input_len);

	if (input.len && memchr(input.data, '\0', input.len)) {
		cli_note(c, "the input is no text, so PAWL_INPUT is not set: -o json, or `%s work serve`", c->program);
		puts("unset PAWL_INPUT");
		return;
	}
	fputs("PAWL_INPUT=", stdout);
	print_quoted(input.data ? input.data : "");
	putchar('\n');
}

static void print_shell(const struct cli *c, const struct pawl_work_item *item, const char *worker)
{
	struct work_env env;

	work_env_fill(&env, c, item, worker);
	for (int n = 0; n < WORK_VARIABLES; n++) {
		printf("export %s=", env.v[n].name);
		print_quoted(env.v[n].value ? env.v[n].value : "");
		putchar('\n');
	}
	print_input(c, item);
}

static void item_json(const struct pawl_work_item *item, const char *worker, struct buf *out)
{
	enum json_type type;

	buf_adds(out, "{\"v\":1");
	json_add_member(out, "item", slice_of(item->id));
	json_add_member(out, "worker", slice_of(worker));
	out_add_text(out, "work", item->work_dir);
	out_add_text(out, "key", item->key);
	json_add_member(out, "instance", slice_of(item->instance));
	json_add_member_u64(out, "execution", item->execution);
	json_add_member(out, "activity", slice_of(item->activity));
	json_add_member_u64(out, "attempt", item->attempt);
	json_add_member_u64(out, "seq", item->seq);
	json_add_member_u64(out, "priority", item->priority);
	out_add_text(out, "tag", item->tag);
	out_add_text(out, "session", item->session);
	if (item->input) {
		json_add_key(out, "input");
		payload_add(out, slice_make(item->input, item->input_len));
	}
	struct slice carrier = slice_of(item->carrier);
	while (carrier.len && carrier.data[carrier.len - 1] == '\n')
		carrier.len--;
	if (item->carrier && json_check(carrier, &type, NULL) == 0) {
		json_add_key(out, "carrier");
		buf_add_slice(out, carrier);
	}
	buf_addc(out, '}');
}

static int print_item(struct cli *c, const struct pawl_work_item *item, const char *worker)
{
	static const char *const columns[] = { NULL };
	struct buf json = BUF_INIT;
	struct out o;

	if (c->format == OUT_TABLE) {
		print_shell(c, item, worker);
		return 0;
	}
	item_json(item, worker, &json);
	out_begin(&o, c, columns, false);
	if (buf_ok(&json))
		out_record(&o, item->id, buf_slice(&json), NULL);
	int rc = buf_ok(&json) ? out_end(&o, &c->err) : err_nomem(&c->err);
	buf_release(&json);
	return rc;
}

/* Somebody else may be faster each time, so the limit is looked at here. */
static int claim(struct cli *c, const struct pawl_work_wanted *wanted, int64_t timeout_ms, struct pawl_work_item **item)
{
	const struct pawl_provider_ops *ops = c->provider->ops;
	int64_t end = c->boot_ms + timeout_ms;
	int rc;

	while ((rc = ops->claim(c->provider, wanted, item, &c->err)) == PAWL_ENOTFOUND && c->opt[OPT_WAIT]) {
		cli_clock(c);
		int64_t left = end > c->boot_ms ? end - c->boot_ms : 0;
		rc = ops->await_work(c->provider, wanted, timeout_ms < 0 ? -1 : left, &c->err);
		if (rc < 0)
			break;
	}
	return rc;
}

static int take_for(struct cli *c, const struct pawl_work_wanted *wanted, int64_t timeout_ms)
{
	struct pawl_work_item *item = NULL;
	int rc = claim(c, wanted, timeout_ms, &item);

	if (rc == PAWL_ENOTFOUND) {
		cli_note(c, "nothing is there to take (--wait waits for it)");
		return CLI_BUSY;
	}
	if (rc == PAWL_ETIMEOUT)
		return err_set(&c->err, rc, "nothing to take came in time");
	if (rc < 0)
		return rc;
	rc = print_item(c, item, wanted->worker);
	/* nobody knows that it was taken */
	if (rc < 0 || fflush(stdout) != 0 || ferror(stdout))
		(void)c->provider->ops->give_back(c->provider, item->id, wanted->worker, NULL);
	free(item);
	return rc;
}

static int take(struct cli *c)
{
	char worker[PAWL_WORKER_MAX + 1] = "";
	struct work_wanted w = { .activities = NULL };
	int64_t timeout_ms = -1;
	int rc = read_worker(c, worker);

	if (rc == 0 && c->opt[OPT_TIMEOUT] && !c->opt[OPT_WAIT])
		rc = cli_usage(c, "--timeout is for --wait");
	if (rc == 0)
		rc = cli_duration(c, OPT_TIMEOUT, &timeout_ms);
	if (!worker[0])
		snprintf(worker, sizeof(worker), "%ld", (long)getppid());
	if (rc == 0)
		rc = work_wanted(c, worker, &w);
	if (rc == 0)
		rc = cli_open(c, CLI_WORK);
	if (rc == 0)
		rc = take_for(c, &w.wanted, timeout_ms);
	work_wanted_release(&w);
	return rc;
}

/* ---- what became of it ---- */

struct held {
	const char *item;
	char worker[PAWL_WORKER_MAX + 1];
};

/* An argument, --item, or the environment that take has set. */
static int find_held(struct cli *c, const char *arg, struct held *h)
{
	const char *item = getenv("PAWL_ITEM"), *worker = getenv("PAWL_WORKER");

	*h = (struct held){ .item = arg ? arg : c->opt[OPT_ITEM] ? c->opt[OPT_ITEM] : item && *item ? item : NULL };
	int rc = read_worker(c, h->worker);
	if (rc < 0)
		return rc;
	if (!h->item)
		return cli_usage(c, "which item? name it, or be where `%s work take` has set $PAWL_ITEM", c->program);
	if (!h->worker[0] && !(worker && *worker))
		return cli_usage(c, "whose is '%.80s'? --pid, --worker, or be where `%s work take` set $PAWL_WORKER",
			h->item, c->program);
	if (!h->worker[0])
		snprintf(h->worker, sizeof(h->worker), "%s", worker);
	return cli_open(c, CLI_WORK);
}

static const char *first_arg(const struct cli *c)
{
	return c->arg_count ? c->args[0] : NULL;
}

static int beat(struct cli *c, const char *arg, const char *progress)
{
	struct held h;
	int rc = find_held(c, arg, &h);

	if (rc < 0)
		return rc;
	rc = c->provider->ops->renew(c->provider, h.item, h.worker, progress, &c->err);
	return work_explain(c, rc, h.item, h.worker, getenv("PAWL_WORK"));
}

static int heartbeat(struct cli *c)
{
	return beat(c, first_arg(c), NULL);
}

static int progress(struct cli *c)
{
	struct buf text = BUF_INIT;
	uint64_t percent;

	for (int n = 0; n < c->arg_count; n++)
		buf_addf(&text, "%s%s", n ? " " : "", c->args[n]);
	size_t digits = strspn(buf_str(&text), "0123456789");
	char after = buf_str(&text)[digits];
	int rc = buf_ok(&text) ? 0 : err_nomem(&c->err);
	if (rc == 0 && digits && (after == '\0' || after == '%' || after == ' ') &&
		(text_parse_u64(slice_make(text.data, digits), &percent) < 0 || percent > 100))
		rc = cli_usage(c, "'%.20s' is no percentage from 0 to 100", c->args[0]);
	if (rc == 0)
		rc = beat(c, NULL, text.len ? buf_str(&text) : NULL);
	buf_release(&text);
	return rc;
}

static int finish(struct cli *c, enum work_code code)
{
	char *output = NULL;
	size_t len = 0;
	int64_t delay_ms = 0;
	struct held h;
	int rc = cli_duration(c, OPT_FOR, &delay_ms);

	if (rc == 0)
		rc = cli_payload(c, OPT_DATA, &output, &len);
	if (rc == 0)
		rc = find_held(c, first_arg(c), &h);
	if (rc == 0) {
		rc = c->provider->ops->finish(c->provider, h.item, h.worker, (int)code, output, len,
			c->opt[OPT_MESSAGE], delay_ms, &c->err);
		rc = work_explain(c, rc, h.item, h.worker, NULL);
	}
	free(output);
	return rc;
}

static int done(struct cli *c)
{
	return finish(c, WORK_CODE_DONE);
}

static int fail(struct cli *c)
{
	return finish(c, c->opt[OPT_FOR_GOOD] ? WORK_CODE_FAILED : WORK_CODE_STALLED);
}

static int defer(struct cli *c)
{
	return finish(c, WORK_CODE_DEFERRED);
}

static int reboot(struct cli *c)
{
	return finish(c, WORK_CODE_REBOOT);
}

static int give_back(struct cli *c)
{
	struct held h;
	int rc = find_held(c, first_arg(c), &h);

	if (rc < 0)
		return rc;
	rc = c->provider->ops->give_back(c->provider, h.item, h.worker, &c->err);
	return work_explain(c, rc, h.item, h.worker, NULL);
}

/* ---- the verb ---- */

#define HELD OPT_ITEM, OPT_PID, OPT_WORKER

static const struct cli_word words[] = {
	{ "take", "[-a ACTIVITY]... [--tag TAG]... [--pid PID | --worker NAME] [--wait [--timeout D]]",
		{ OPT_ACTIVITY, OPT_TAG, OPT_PID, OPT_WORKER, OPT_WAIT, OPT_TIMEOUT }, 0, 0, take },
	{ "heartbeat", "[ITEM]", { HELD }, 0, 1, heartbeat },
	{ "progress", "[PERCENT] [TEXT]", { HELD }, 0, -1, progress },
	{ "done", "[ITEM] [-d TEXT|@FILE|-]", { HELD, OPT_DATA }, 0, 1, done },
	{ "fail", "[ITEM] [-m MESSAGE] [--for-good]", { HELD, OPT_MESSAGE, OPT_FOR_GOOD }, 0, 1, fail },
	{ "defer", "[ITEM] [--for D] [-m MESSAGE]", { HELD, OPT_MESSAGE, OPT_FOR }, 0, 1, defer },
	{ "reboot", "[ITEM] [-d TEXT|@FILE|-] [-m MESSAGE]", { HELD, OPT_DATA, OPT_MESSAGE }, 0, 1, reboot },
	{ "give-back", "[ITEM]", { HELD }, 0, 1, give_back },
	{ "serve", "[-a ACTIVITY]... [--tag TAG]... [--once | -n COUNT] [--timeout D] -- PROGRAM [ARG...]",
		{ OPT_ACTIVITY, OPT_TAG, OPT_ONCE, OPT_TIMES, OPT_TIMEOUT }, 1, -1, work_serve },
	{ NULL, NULL, { OPT_NONE }, 0, 0, NULL },
};

static int work(struct cli *c)
{
	return cli_word_run(c, words, NULL);
}

static const struct cli_option options_work[] = {
	{ OPT_ACTIVITY, 'a', "activity", "NAME", HELP("take, serve: only this activity; may stand there several times") },
	{ OPT_TAG, 0, "tag", "TAG", HELP("take, serve: also activities with this tag; may stand there several times") },
	{ OPT_PID, 0, "pid", "PID", HELP("the process that works: it is watched") },
	{ OPT_WORKER, 0, "worker", "NAME", HELP("a name instead of a process: only its heartbeats tell that it is alive") },
	{ OPT_ITEM, 0, "item", "ITEM", HELP("the item, instead of an argument or $PAWL_ITEM") },
	{ OPT_WAIT, 'w', "wait", NULL, HELP("take: wait until there is something") },
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("take --wait, serve: wait for an item at most so long, then exit code 124") },
	{ OPT_DATA, 'd', "data", "TEXT|@FILE|-", HELP("done, reboot: the result: text, a file, or standard input") },
	{ OPT_MESSAGE, 'm', "message", "TEXT", HELP("fail, defer, reboot: why, for people") },
	{ OPT_FOR_GOOD, 0, "for-good", NULL, HELP("fail: no other attempt would do better") },
	{ OPT_FOR, 0, "for", "D", HELP("defer: try again after this time") },
	{ OPT_ONCE, 0, "once", NULL, HELP("serve: end after one item") },
	{ OPT_TIMES, 'n', "count", "COUNT", HELP("serve: end after so many items") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_work = {
	"work", "take activities from the queue, and say what became of them",
	"take|heartbeat|progress|done|fail|defer|reboot|give-back|serve ...",
	HELP("Activities that are set to go to the queue are done by workers outside of the runtime: any program, in any "
	"language, also a shell loop. An item is taken by one worker at a time; when that is gone without a result, "
	"the item goes to another.\n"
	"\n"
	" take [-a ACTIVITY]... [--tag TAG]... [--pid PID | --worker NAME] [--wait [--timeout D]]\n"
	"     takes one item and prints assignments for a shell; exit code 75 when there is none\n"
	" heartbeat [ITEM]                   it goes on; exit code 6: canceled, stop; 5: no longer yours\n"
	" progress [PERCENT] [TEXT]          the same, with how far it is\n"
	" done [ITEM] [-d TEXT|@FILE|-]      it is complete, with this result\n"
	" fail [ITEM] [-m MESSAGE] [--for-good]    the retry policy decides, or no other attempt is made\n"
	" defer [ITEM] [--for D] [-m MESSAGE]      not now; costs no attempt\n"
	" reboot [ITEM] [-d TEXT|@FILE|-] [-m MESSAGE]    it is complete when the device has rebooted\n"
	" give-back [ITEM]                   as if it had never been taken\n"
	" serve [-a ACTIVITY]... [--tag TAG]... [--once | -n COUNT] [--timeout D] -- PROGRAM [ARG...]\n"
	"     runs PROGRAM for each item\n"
	"\n"
	"take sets and exports PAWL_ITEM, PAWL_WORKER, PAWL_WORK (a directory for its files), PAWL_KEY (an "
	"idempotency key), PAWL_INSTANCE, PAWL_EXECUTION, PAWL_ACTIVITY, PAWL_ATTEMPT, PAWL_SEQ and PAWL_HUB, and "
	"sets PAWL_INPUT; with -o json it prints one object. The other words find their item and worker there. The "
	"worker is the process that has called `pawl`; in a script give --pid $$, as it may be called by a subshell "
	"that ends at once.\n"
	"\n"
	" while item=$(pawl work take -a flash --pid $$ --wait); do\n"
	"     eval \"$item\"\n"
	"     if flash-it \"$PAWL_INPUT\" > \"$PAWL_WORK/out\"\n"
	"     then pawl work done -d \"@$PAWL_WORK/out\"\n"
	"     else pawl work fail -m 'it does not take it'\n"
	"     fi\n"
	" done\n"
	" pawl work serve -a flash -- ./flash.sh\n"
	"\n"
	"serve is that loop in one line. PROGRAM gets the input on standard input and the same environment, its "
	"standard output is the result, its standard error goes to the file log in its work directory, and its exit "
	"code is the outcome: 0 done, 75 deferred, 76 reboot, 100 failed for good, anything else failed. The "
	"heartbeat is renewed while it runs. When the item is canceled, or serve gets TERM or INT, the process group "
	"of PROGRAM gets TERM and, after 5 s, KILL; what was interrupted is given back."),
	options_work, 1, -1, work,
};
