/*
 * singleton.c - there is one of it, whoever starts it and how often: its id is fixed. It takes requests as events, and those
 * that come while it is busy are done together.
 *
 *	button, cron, udev ── start --id uploader --if-exists use ─► uploader
 *	                   ── event `request` ─────────────────────►   upload, one at a time
 *
 * Input: DIR; what is uploaded becomes a line in DIR/uploads. Values: uploads, requests. Another orchestration, `ask`, does
 * what a button does: input the uploader's DIR and a text.
 */
#include <pawl/pawl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOGETHER_MAX 50

/* "DIR WHAT": one line. Takes a while, as an upload does. */
static int upload(pawl_work *work, const char *input)
{
	const char *what = strchr(input, ' ');
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/uploads", (int)(what - input), input);
	FILE *f = fopen(path, "a");
	if (!f)
		return pawl_work_fail(work, "open", "cannot open '%s': %s", path, strerror(errno));
	fprintf(f, "%s:%s\n", pawl_work_key(work), what);
	if (fclose(f) != 0)
		return pawl_work_fail(work, "write", "cannot write '%s': %s", path, strerror(errno));
	nanosleep(&(struct timespec){ 0, 50 * 1000 * 1000 }, NULL);
	return 0;
}
PAWL_ACTIVITY(upload);

static const pawl_retry for_long = { .max_attempts = 100, .first_ms = PAWL_SECONDS(1), .coefficient = 2, .max_ms = PAWL_MINUTES(10) };
static const pawl_call_options patient = { .retry = &for_long };

static void count(pawl_ctx *ctx, const char *key, long more)
{
	const char *before = pawl_get(ctx, key);

	pawl_set(ctx, key, pawl_printf(ctx, "%ld", (before ? strtol(before, NULL, 10) : 0) + more));
}

static int uploader(pawl_ctx *ctx, const char *dir)
{
	const char *what = pawl_wait_event(ctx, "request", -1), *more;
	long requests = 1;

	if (!what)
		return pawl_rethrow(ctx);
	for (char *all = pawl_printf(ctx, "%s", what); ; requests++) { /* what has come meanwhile, up to a bound */
		more = requests < TOGETHER_MAX ? pawl_take_event(ctx, "request") : NULL;
		what = all;
		if (!more)
			break;
		all = pawl_printf(ctx, "%s %s", all, more);
	}
	if (!pawl_call_with(ctx, "upload", pawl_printf(ctx, "%s %s", dir, what), &patient))
		return pawl_rethrow(ctx);
	count(ctx, "uploads", 1);
	count(ctx, "requests", requests);
	return pawl_continue_as_new(ctx, dir);
}
PAWL_ORCHESTRATION(uploader, "1.0.0");

/* "DIR TEXT", from within an orchestration: start it unless it is there, and ask. Both are in the commit that ends this one. */
static int ask(pawl_ctx *ctx, const char *input)
{
	char *dir = pawl_printf(ctx, "%s", input), *text = strchr(dir, ' ');

	if (!text)
		return pawl_fail(ctx, "the input '%s' is not DIR TEXT", input);
	*text++ = '\0';
	pawl_start_detached(ctx, "uploader", dir, &(pawl_start_options){ .id = "uploader" }); /* fails, with code "exists", if it is there: fine */
	if (!pawl_await(ctx, pawl_send(ctx, "uploader", "request", text)))
		return pawl_rethrow(ctx);
	return pawl_return(ctx, "asked");
}
PAWL_ORCHESTRATION(ask, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
