/*
 * approval.c - a person decides, with a deadline and an escalation.
 *
 *	ask the operator ── approved ──────────────────────────► done
 *	      │ rejected ─► failed, code "rejected"         ▲
 *	      ▼ deadline                                    │
 *	ask the supervisor ── approved ─────────────────────┘
 *	      │ rejected ─► failed, code "rejected"
 *	      ▼ deadline
 *	    failed, code "no-answer"
 *
 * Input: SECONDS TEXT, such as "3600 reboot till 4". Events: approved, rejected; their data says who it was.
 */
#include <pawl/pawl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tell somebody. Here: a line in a log file; on a device a message, a lamp, a line on the display. */
static int notify(pawl_work *work, const char *text)
{
	const char *path = getenv("APPROVAL_LOG");
	FILE *log = fopen(path ? path : "approval.log", "a");

	if (!log)
		return pawl_work_fail(work, "log", "cannot open '%s': %s", path ? path : "approval.log", strerror(errno));
	/* The key is the same in every attempt: who reads the log can tell a repetition from a second request. */
	fprintf(log, "%s %s\n", pawl_work_key(work), text);
	if (fclose(log) != 0)
		return pawl_work_fail(work, "log", "cannot write the log: %s", strerror(errno));
	return 0;
}
PAWL_ACTIVITY(notify);

static const pawl_retry a_few_times = { .max_attempts = 5, .first_ms = PAWL_SECONDS(1), .coefficient = 2 };
static const pawl_call_options patient = { .retry = &a_few_times };

enum answer { APPROVED, REJECTED, SILENCE, TROUBLE };

/* Ask one person. *who is what came with the answer. */
static enum answer ask(pawl_ctx *ctx, const char *person, const char *request, int64_t deadline_ms, const char **who)
{
	if (!pawl_call_with(ctx, "notify", pawl_printf(ctx, "%s: %s", person, request), &patient))
		return TROUBLE;
	pawl_set_status(ctx, pawl_printf(ctx, "waits for the %s: %s", person, request));
	pawl_task *yes = pawl_event(ctx, "approved"), *no = pawl_event(ctx, "rejected");
	pawl_task *late = pawl_timer(ctx, deadline_ms);
	pawl_task *first = pawl_any(ctx, yes, no, late);
	if (pawl_task_failure(first))
		return TROUBLE; /* canceled: nobody has answered */
	if (first == late)
		return SILENCE;
	*who = pawl_result(first);
	return first == yes ? APPROVED : REJECTED;
}

/* With a code, for programs that look at how it ended. */
static int fail(pawl_ctx *ctx, const char *code, const char *message)
{
	return pawl_fail_with(ctx, &(pawl_failure){ .kind = "application", .code = code, .message = message });
}

static int approval(pawl_ctx *ctx, const char *input)
{
	char *request;
	const char *who = "", *by = "operator";
	long seconds = strtol(input, &request, 10);

	if (seconds <= 0 || seconds > 86400 || *request != ' ')
		return pawl_fail(ctx, "the input '%s' is not SECONDS TEXT", input);
	request++;
	enum answer answer = ask(ctx, by, request, PAWL_SECONDS(seconds), &who);
	if (answer == SILENCE) {
		by = "supervisor";
		answer = ask(ctx, by, request, PAWL_SECONDS(seconds), &who);
	}
	switch (answer) {
	case APPROVED:
		return pawl_return(ctx, pawl_printf(ctx, "approved by %s, asked as %s", *who ? who : "somebody", by));
	case REJECTED:
		return fail(ctx, "rejected", pawl_printf(ctx, "rejected by %s", *who ? who : "somebody"));
	case SILENCE:
		return fail(ctx, "no-answer", "nobody answered");
	case TROUBLE:
		break;
	}
	return pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(approval, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
