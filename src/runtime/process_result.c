/*
 * process_result.c - from what the shim has written to what the runtime is told.
 *
 *	exit 0           COMPLETED, with the file `result`      timeout        TIMEOUT  "timeout"
 *	exit 75          DEFERRED  "exit:75", `retry_after`     heartbeat      STUCK    "heartbeat"
 *	exit 76          REBOOT    "exit:76", with `result`     output         FAILED   "output-too-large"
 *	exit 100         FAILED    "exit:100"                   canceled       CANCELED if we asked, else STUCK "gone"
 *	exit N           STALLED   "exit:N"                     spawn, setup   STALLED when it may pass, else FAILED
 *	signal N         STALLED   "signal:N"                   no outcome     STUCK    "gone"; TIMEOUT "timeout" when its shim
 *	                                                                       had not ended it and both were killed
 *
 * A cancel goes over all: nobody wants the result then.
 */
#include "runtime/process_impl.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS 1000000
#define EXIT_DEFERRED 75 /* EX_TEMPFAIL */
#define EXIT_REBOOT 76
#define EXIT_FAILED 100
#define RETRY_AFTER "retry_after"
#define RETRY_AFTER_BYTES 64

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

/* What it said last, for those verdicts that are ours and not its own. */
static void add_last_words(struct process_result *r, const struct claim *c)
{
	size_t len = strlen(r->message), room = sizeof(r->message) - len;

	if (*c->message && snprintf(r->message + len, room, "; it said last: %s", c->message) >= (int)room)
		text_mark_cut(r->message, sizeof(r->message));
}

/* what could not be executed or set up */

static bool may_pass(int sys)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case ENOEXEC:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case E2BIG:
	case EINVAL:
#ifdef ELIBBAD
	case ELIBBAD:
#endif
		return false;
	default: /* ETXTBSY among them: the program is being written */
		return true;
	}
}

static const char *hint_for(int sys)
{
	if (sys == ENOENT)
		return " (install it, or correct 'exec')";
	if (sys == EACCES)
		return " (is it a file that is executable, on a file system that is not mounted noexec?)";
	return "";
}

/* The shim, which has no texts for errors, says "...: ENOENT", and a hint in brackets where it knows one. */
void process_not_executed(struct process_result *r, int sys, const char *program, const char *message)
{
	struct pawl_error why;
	const char *hint = strstr(message, " (");

	err_sys(&why, sys, "cannot execute '%s'", program ? program : "the program");
	process_verdict(r, may_pass(sys) ? WORK_STALLED : WORK_FAILED, "spawn", "%s%s", !program && *message ? message : why.text,
	                !program ? "" : hint ? hint : hint_for(sys));
}

static const char *setup_hint(int sys, const char *message)
{
	if (strstr(message, "'cgroup"))
		return " (is 'cgroup' of the activity a cgroup v2 directory that is delegated to pawl, with its controllers?)";
	if (sys == EPERM || (sys == EACCES && !strstr(message, "'dir=")))
		return " (only root may, or it is more than the kernel allows: run pawl as root, or change it)";
	return strstr(message, "'dir=") ? " (make it and let its user in, or correct 'dir' of the activity)" : "";
}

/* "cannot set up 'OPTION=VALUE': ENOENT" */
static void judge_setup(struct process_result *r, const struct claim *c)
{
	const char *colon = strrchr(c->message, ':');
	struct pawl_error why;

	if (colon && colon[1] == ' ')
		err_sys(&why, c->number, "%.*s", (int)(colon - c->message), c->message);
	else
		err_sys(&why, c->number, "cannot set up its surroundings");
	process_verdict(r, may_pass(c->number) ? WORK_STALLED : WORK_FAILED, "setup", "%s%s", why.text, setup_hint(c->number, c->message));
}

/* what has run */

/* What it said itself tells more than its code, which is in the result anyway. */
static void judge_number(struct process_result *r, const struct claim *c, enum work_outcome outcome, const char *what)
{
	char code[32];

	snprintf(code, sizeof(code), "%s:%d", what, c->number);
	if (*c->message)
		process_verdict(r, outcome, code, "%s", c->message);
	else
		process_verdict(r, outcome, code, "ended with %s %d", what, c->number);
}

static void judge_exit(struct process_result *r, const struct claim *c)
{
	switch (c->number) {
	case 0:
		process_verdict(r, WORK_COMPLETED, "", "%s", c->message);
		break;
	case EXIT_DEFERRED:
		judge_number(r, c, WORK_DEFERRED, "exit");
		break;
	case EXIT_REBOOT:
		judge_number(r, c, WORK_REBOOT, "exit");
		break;
	case EXIT_FAILED:
		judge_number(r, c, WORK_FAILED, "exit");
		break;
	default:
		judge_number(r, c, WORK_STALLED, "exit");
	}
}

/* "of 5m", or nothing when the limit is not known. */
static const char *limit_text(char text[TEXT_TIME_SIZE + 8], int64_t ms)
{
	char duration[TEXT_TIME_SIZE];

	text[0] = '\0';
	if (ms > 0) {
		text_duration(duration, ms);
		snprintf(text, TEXT_TIME_SIZE + 8, " of %s", duration);
	}
	return text;
}

static bool was_canceled(const char *work)
{
	const struct os *os = os_linux();
	char path[PATH_MAX];
	struct os_stat st;

	process_file(path, sizeof(path), work, SHIM_CANCEL);
	return os->stat(os->self, OS_CWD, path, &st) == 0;
}

static void judge_ended_by_shim(struct process_result *r, const struct claim *c, const struct process_about *about)
{
	char limit[TEXT_TIME_SIZE + 8];

	if (c->end == CLAIM_TIMEOUT)
		process_verdict(r, WORK_TIMEOUT, "timeout", "took longer than its limit%s and was ended",
		                limit_text(limit, about->timeout_ms));
	else if (c->end == CLAIM_HEARTBEAT)
		process_verdict(r, WORK_STUCK, "heartbeat", "was silent for longer than its heartbeat%s and was ended",
		                limit_text(limit, about->heartbeat_ms));
	else if (was_canceled(about->work)) /* by a runtime before this one */
		process_verdict(r, WORK_CANCELED, "canceled", "canceled");
	else
		process_verdict(r, WORK_STUCK, "gone", "something else ended it with TERM to its shim");
	add_last_words(r, c);
}

static void judge_too_large(struct process_result *r, const struct process_about *about)
{
	char limit[32] = "its limit";

	if (about->output_max)
		snprintf(limit, sizeof(limit), "%llu bytes", (unsigned long long)about->output_max);
	process_verdict(r, WORK_FAILED, "output-too-large",
	                "wrote more than %s to its standard output: let it write a file, or raise the limit", limit);
}

/* Who begins without a claim has said why in its log. */
static void judge_gone(struct process_result *r, const struct process_about *about)
{
	const struct spawn_status *s = &about->shim_status;
	char limit[TEXT_TIME_SIZE + 8];

	if (about->killed)
		process_verdict(r, WORK_TIMEOUT, "timeout", "took longer than its limit%s, and its shim did not end it: both were killed",
		                limit_text(limit, about->timeout_ms));
	else if (!s->known)
		process_verdict(r, WORK_STUCK, "gone", "its shim is gone without an outcome");
	else
		process_verdict(r, WORK_STUCK, "gone", "its shim ended with %s %d and without an outcome",
		                s->signal ? "signal" : "exit", s->signal ? s->signal : s->exit_code);
}

static void judge_end(struct process_result *r, const struct claim *c, const struct process_about *about)
{
	switch (c->end) {
	case CLAIM_EXIT:
		judge_exit(r, c);
		break;
	case CLAIM_SIGNAL:
		judge_number(r, c, WORK_STALLED, "signal");
		break;
	case CLAIM_TIMEOUT:
	case CLAIM_HEARTBEAT:
	case CLAIM_CANCELED:
		judge_ended_by_shim(r, c, about);
		break;
	case CLAIM_OUTPUT:
		judge_too_large(r, about);
		break;
	case CLAIM_SPAWN:
		process_not_executed(r, c->number, about->program, c->message);
		break;
	case CLAIM_SETUP:
		judge_setup(r, c);
		break;
	case CLAIM_OPEN:
		judge_gone(r, about);
		break;
	}
}

/* the files */

static void read_output(struct process_result *r, const struct claim *c, const char *work)
{
	size_t max = c->output_len < 0 || c->output_len > INT32_MAX ? INT32_MAX : (size_t)c->output_len;
	char path[PATH_MAX];

	process_file(path, sizeof(path), work, SHIM_RESULT);
	int n = os_read_file(os_linux(), OS_CWD, path, max, &r->output, &r->output_len);
	if (n == -ENOENT && c->output_len <= 0 && (r->output = calloc(1, 1)))
		n = 0;
	if (n == 0 && c->output_len >= 0 && (uint64_t)r->output_len != (uint64_t)c->output_len) {
		free(r->output);
		n = -EIO;
	}
	if (n < 0) {
		struct pawl_error why;
		err_sys(&why, -n, "cannot read its output '%s'", path);
		process_verdict(r, WORK_STALLED, n == -ENOMEM ? "memory" : "gone", "%s", why.text);
		r->output = NULL;
		r->output_len = 0;
	} else if (r->output_len && r->output[r->output_len - 1] == '\n') {
		r->output[--r->output_len] = '\0';
	}
}

static int64_t read_retry_after(const char *work)
{
	char path[PATH_MAX], *text;
	size_t len;
	int64_t ms;

	process_file(path, sizeof(path), work, RETRY_AFTER);
	int n = os_read_file(os_linux(), OS_CWD, path, RETRY_AFTER_BYTES, &text, &len);
	if (n == -ENOENT)
		return 0;
	while (n == 0 && len && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (n < 0 || text_parse_duration(slice_make(text, len), &ms) < 0) {
		log_warning("'%s' is no duration such as \"90\" or \"5m\": the usual one counts", path);
		ms = 0;
	}
	if (n == 0)
		free(text);
	return ms;
}

/* all of it */

static void take_numbers(struct process_result *r, const struct claim *c, const struct process_about *about)
{
	r->pid = c->activity.pid;
	r->user_ms = c->user_ms;
	r->system_ms = c->system_ms;
	r->rss_kib = c->rss_kib;
	r->elapsed_ms = (process_now_ns() - about->started_ns) / NS_PER_MS;
	if (c->end != CLAIM_OPEN && c->ended_ms >= c->began_ms)
		r->elapsed_ms = c->ended_ms - c->began_ms;
	if (r->elapsed_ms < 0)
		r->elapsed_ms = 0;
}

void process_judge(struct process_result *r, const struct claim *c, const struct process_about *about)
{
	*r = (struct process_result){ 0 };
	take_numbers(r, c, about);
	judge_end(r, c, about);
	if (about->canceled) {
		process_verdict(r, WORK_CANCELED, "canceled", "canceled");
		return;
	}
	if (r->outcome == WORK_COMPLETED || r->outcome == WORK_REBOOT)
		read_output(r, c, about->work);
	if (r->outcome == WORK_DEFERRED)
		r->retry_after_ms = read_retry_after(about->work);
}
