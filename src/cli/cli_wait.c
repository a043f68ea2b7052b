/* cli_wait.c - `pawl wait`: until instances end; the exit code says how. */
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include <stdlib.h>

#define LOOK_MS 1000 /* when nothing was noticed */

struct waiter {
	struct cli *c;
	char **ids;
	int *exits; /* -1: has not ended */
	int count, open;
	struct out out;
};

int cli_worst(int a, int b)
{
	static const int order[] = { CLI_DAMAGED, CLI_NOT_FOUND, CLI_ERROR, CLI_FAILED, CLI_CANCELED };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return CLI_DONE;
}

static int print_output(struct cli *c, const struct cli_instance *i)
{
	char *data;
	size_t len;
	int rc = instance_output(c, i, &data, &len);

	if (rc == 0 && data) {
		fwrite(data, 1, len, stdout);
		if (len && data[len - 1] != '\n' && !c->opt[OPT_QUIET])
			putchar('\n');
	}
	free(data);
	return rc;
}

static int print_end(struct waiter *w, const struct cli_instance *i)
{
	struct cli *c = w->c;
	struct buf text = BUF_INIT;
	int rc = 0;

	if (c->format != OUT_TABLE) {
		rc = instance_json(c, i, true, false, &text);
		if (rc == 0)
			out_record(&w->out, i->id, buf_slice(&text), NULL);
	} else if (w->count > 1) {
		printf("%s %s\n", i->id, instance_status(i));
	} else if (i->view.status == STATUS_COMPLETED && !i->damaged) {
		rc = print_output(c, i);
	} else {
		instance_summary(c, i, &text);
		cli_note(c, "'%s' ended %s%s%s", i->id, instance_status(i), text.len ? ": " : "", buf_str(&text));
	}
	fflush(stdout);
	buf_release(&text);
	return rc;
}

static int look_at(struct waiter *w, int n)
{
	struct cli_instance i;
	int rc = instance_read(w->c, w->ids[n], 0, &i);

	if (rc == PAWL_ENOTFOUND && w->count > 1) { /* the others count, too */
		cli_complain(w->c, w->c->err.text);
		w->exits[n] = CLI_NOT_FOUND;
		rc = 0;
	} else if (rc == 0) {
		w->exits[n] = instance_exit(&i);
		if (w->exits[n] >= 0)
			rc = print_end(w, &i);
	}
	w->open -= rc == 0 && w->exits[n] >= 0;
	instance_release(&i);
	return rc;
}

static int look(struct waiter *w, bool any)
{
	int rc = 0;

	for (int n = 0; rc == 0 && n < w->count && !(any && w->open < w->count); n++)
		if (w->exits[n] < 0)
			rc = look_at(w, n);
	return rc;
}

static int timed_out(struct waiter *w)
{
	for (int n = 0; n < w->count; n++)
		if (w->exits[n] < 0)
			return err_set(&w->c->err, PAWL_ETIMEOUT, "'%s'%s not ended in time", w->ids[n],
				w->open > 1 ? " and others have" : " has");
	return 0;
}

static int wait_all(struct waiter *w, int64_t timeout_ms, bool any, bool test)
{
	struct cli_notice n;
	int64_t begin = w->c->boot_ms;
	bool first = true;

	cli_notice_open(&n, w->c, w->ids, w->count); /* before the first look, so that nothing is missed */
	int rc = look(w, any);
	while (rc == 0 && w->open > 0 && !(any && w->open < w->count) && !test) {
		cli_clock(w->c);
		int64_t left = timeout_ms < 0 ? LOOK_MS : begin + timeout_ms - w->c->boot_ms;
		if (left <= 0) {
			rc = timed_out(w);
			break;
		}
		if (first && !cli_has_runtime(w->c, NULL, 0))
			cli_note(w->c, "no runtime is using '%s': waiting for one (`%s run`)", w->c->hub,
				w->c->program);
		first = false;
		cli_notice_wait(&n, left < LOOK_MS ? left : LOOK_MS);
		rc = look(w, any);
	}
	cli_notice_close(&n);
	return rc;
}

static int verdict(const struct waiter *w, bool any)
{
	int code = CLI_DONE;

	for (int n = 0; n < w->count; n++)
		if (w->exits[n] >= 0)
			code = cli_worst(code, w->exits[n]);
		else if (!any || w->open == w->count)
			return CLI_BUSY;
	return code;
}

int cli_wait_for(struct cli *c, char **ids, int count, int64_t timeout_ms, bool any, bool test)
{
	static const char *const columns[] = { NULL };
	struct waiter w = { c, ids, calloc((size_t)count, sizeof(int)), count, count, { .format = OUT_TABLE } };

	if (!w.exits)
		return err_nomem(&c->err);
	for (int n = 0; n < count; n++)
		w.exits[n] = -1;
	out_begin(&w.out, c, columns, count > 1);
	int rc = wait_all(&w, timeout_ms, any, test);
	int end = c->format == OUT_TABLE ? 0 : out_end(&w.out, &c->err);
	if (rc == 0)
		rc = end < 0 ? end : verdict(&w, any);
	free(w.exits);
	return rc;
}

static int wait_verb(struct cli *c)
{
	int64_t timeout_ms = -1;
	int rc = cli_check_ids(c);

	if (rc == 0)
		rc = cli_duration(c, OPT_TIMEOUT, &timeout_ms);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	return rc < 0 ? rc : cli_wait_for(c, c->args, c->arg_count, timeout_ms, c->opt[OPT_ANY], c->opt[OPT_TEST]);
}

static const struct cli_option options_wait[] = {
	{ OPT_ANY, 0, "any", NULL, HELP("until the first of them ends") },
	{ OPT_TEST, 't', "test", NULL, HELP("only look: exit code 75 when one has not ended") },
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("at most so long, then exit code 124") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_wait = {
	"wait", "wait until instances end", "ID... [--any] [-t] [--timeout D]",
	HELP("The exit code is 0 when all completed, 3 when one failed, 6 when one was canceled or terminated, 7 when one is damaged. "
	"Prints the output of a single instance, or a line for each of several."),
	options_wait, 1, -1, wait_verb,
};
