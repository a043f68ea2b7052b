/* greet.c - for the test: a step in C, a step that is a program, and a wait for an event. */
#include <pawl/pawl.h>

static int hello(pawl_work *work, const char *who)
{
	return pawl_work_return(work, "hello %s", who);
}
PAWL_ACTIVITY(hello);

static int greet(pawl_ctx *ctx, const char *who)
{
	const char *text = pawl_call(ctx, "hello", who);
	if (!text || !(text = pawl_call(ctx, "shout", text)) || !pawl_wait_event(ctx, "go", -1))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, text);
}
PAWL_ORCHESTRATION(greet, "1.0.0");

#ifndef PLUGIN
int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
#endif
