/* process_result.c - what is said about a program that has ended. */
#include "runtime/process_impl.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000
#define EXIT_DEFERRED 75 /* EX_TEMPFAIL */
#define EXIT_FAILED 100

/* the last line on stderr */

static void last_line_end(struct last_line *l)
{
	if (l->now_has_text) {
		l->now[l->now_len < LAST_LINE_MAX ? l->now_len : LAST_LINE_MAX] = '\0';
		if (l->now_len > LAST_LINE_MAX)
			text_mark_cut(l->now, sizeof(l->now));
		memcpy(l->done, l->now, sizeof(l->done));
	}
	l->now_len = 0;
	l->now_has_text = false;
}

static void last_line_addc(struct last_line *l, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f)
		c = c == '\t' ? ' ' : '?';
	if (c != ' ')
		l->now_has_text = true;
	if (l->now_len < LAST_LINE_MAX)
		l->now[l->now_len] = c;
	if (l->now_len <= LAST_LINE_MAX)
		l->now_len++;
}

/* A carriage return ends a line too: that is how programs draw their progress. */
void last_line_add(struct last_line *l, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] == '\n' || data[i] == '\r')
			last_line_end(l);
		else
			last_line_addc(l, data[i]);
}

static const char *last_line_text(struct last_line *l)
{
	last_line_end(l);
	if (!text_is_utf8(slice_of(l->done)))
		for (char *c = l->done; *c; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
	return l->done;
}

/* the verdict */

void process_verdict(struct process_result *r, enum work_outcome outcome, const char *code, const char *fmt, ...)
{
	va_list args;

	r->outcome = outcome;
	snprintf(r->code, sizeof(r->code), "%s", code);
	va_start(args, fmt);
	if (vsnprintf(r->message, sizeof(r->message), fmt, args) >= (int)sizeof(r->message))
		text_mark_cut(r->message, sizeof(r->message));
	va_end(args);
}

/* What it said itself tells more than its code, which is in the result anyway. */
static void judge_exit(struct process *p, enum work_outcome outcome, const char *what, int number)
{
	const char *said = last_line_text(&p->line);
	char code[32];

	snprintf(code, sizeof(code), "%s:%d", what, number);
	if (*said)
		process_verdict(&p->result, outcome, code, "%s", said);
	else
		process_verdict(&p->result, outcome, code, "ended with %s %d", what, number);
}

static enum work_outcome outcome_of_exit(int code)
{
	return code == EXIT_DEFERRED ? WORK_DEFERRED : code == EXIT_FAILED ? WORK_FAILED : WORK_STALLED;
}

static void judge_status(struct process *p)
{
	const struct spawn_status *s = &p->status;

	if (!s->known)
		process_verdict(&p->result, WORK_STALLED, "lost",
		                "it has ended, but something else in this program waited for it");
	else if (s->signal)
		judge_exit(p, WORK_STALLED, "signal", s->signal);
	else if (s->exit_code)
		judge_exit(p, outcome_of_exit(s->exit_code), "exit", s->exit_code);
	else
		process_verdict(&p->result, WORK_COMPLETED, "", "%s", last_line_text(&p->line));
}

static void judge_late(struct process *p)
{
	char limit[TEXT_TIME_SIZE];

	text_duration(limit, p->timeout_ms);
	process_verdict(&p->result, WORK_TIMEOUT, "timeout", "took longer than its limit of %s and was %s", limit,
	                p->state == KILLED ? "killed, as it did not end when asked to" : "ended");
}

static void judge(struct process *p)
{
	switch (p->reason) {
	case NO_REASON:
		judge_status(p);
		break;
	case TOO_LATE:
		judge_late(p);
		break;
	case TOO_LARGE:
		process_verdict(&p->result, WORK_FAILED, "output-too-large",
		                "wrote more than %llu bytes to its standard output: let it write a file, or raise the limit",
		                (unsigned long long)p->output_max);
		break;
	case NO_MEMORY:
		process_verdict(&p->result, WORK_STALLED, "memory", "out of memory for its output");
		break;
	case NOT_STARTED: /* judged when that happened */
		break;
	case NOT_WANTED:
		process_verdict(&p->result, WORK_CANCELED, "canceled", "canceled");
		break;
	}
}

void process_take_result(struct process *p)
{
	struct process_result *r = &p->result;
	struct buf *b = &p->output;

	judge(p);
	if (b->len > 0 && b->data[b->len - 1] == '\n')
		buf_truncate(b, b->len - 1);
	r->output = buf_detach(b, &r->output_len);
	r->pid = (int)p->pid;
	r->elapsed_ms = (p->ended_ns - p->started_ns) / NS_PER_MS;
	if (r->output)
		return;
	r->output_len = 0;
	if (p->reason == NO_REASON)
		process_verdict(r, WORK_STALLED, "memory", "out of memory for its output");
}
