/*
 * hello.c - the smallest useful program: one activity, one orchestration, an event with a deadline.
 *
 *	./hello run -H /tmp/hub &
 *	./hello start greet --id g1 -i world -H /tmp/hub
 *	echo yes > /tmp/hub/instances/g1/events/approved
 */
#include <pawl/pawl.h>

/* An activity does something. It runs at least once, and not again once its result is on the disk. */
static int hello(pawl_work *work, const char *who)
{
	return pawl_work_return(work, "hello %s", who);
}
PAWL_ACTIVITY(hello);

/* An orchestration decides what happens next. */
static int greet(pawl_ctx *ctx, const char *who)
{
	const char *text = pawl_call(ctx, "hello", who);
	if (!text)
		return pawl_rethrow(ctx);
	pawl_task *ok = pawl_event(ctx, "approved"), *late = pawl_timer(ctx, PAWL_HOURS(24));
	if (pawl_any(ctx, ok, late) == late)
		return pawl_fail(ctx, "nobody approved within a day");
	return pawl_result(ok) ? pawl_return(ctx, text) : pawl_rethrow(ctx); /* no result: somebody has canceled it */
}
PAWL_ORCHESTRATION(greet, "1.0.0");

/* The whole command line of pawl, with what is registered above. A plugin has no use for it. */
int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
