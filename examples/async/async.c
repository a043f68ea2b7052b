/*
 * async.c - work that takes long: who starts it does not wait, and asks for its state later.
 *
 * Input: PARTS MILLISECONDS: so many parts of so long each. Output: a JSON object. `job.sh` is a front end, as a CGI script
 * or a button would be.
 */
#include <pawl/pawl.h>
#include <stdlib.h>
#include <time.h>

/* "PART MILLISECONDS". Tells how far it is, and ends soon when nobody wants it any more. */
static int crunch(pawl_work *work, const char *input)
{
	char *rest;
	long part = strtol(input, &rest, 10), all = strtol(rest, NULL, 10);

	for (long done = 0; done < all && !pawl_work_is_cancelled(work); done += 10) {
		nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
		pawl_work_progress(work, (int)(done * 100 / all), "part %ld", part);
	}
	return pawl_work_return(work, "%ld", part * part);
}
PAWL_ACTIVITY(crunch);

static int job(pawl_ctx *ctx, const char *input)
{
	char *rest;
	long parts = strtol(input, &rest, 10), ms = strtol(rest, &rest, 10);
	long long sum = 0;

	if (parts < 1 || parts > 1000 || ms < 0 || ms > 3600000 || *rest)
		return pawl_fail(ctx, "the input '%s' is not PARTS MILLISECONDS", input);
	for (long part = 1; part <= parts; part++) {
		pawl_set_status(ctx, pawl_printf(ctx, "{\"part\":%ld,\"of\":%ld}", part, parts)); /* what `pawl status` shows */
		const char *result = pawl_call(ctx, "crunch", pawl_printf(ctx, "%ld %ld", part, ms));
		if (!result)
			return pawl_rethrow(ctx);
		sum += strtoll(result, NULL, 10);
	}
	return pawl_return(ctx, pawl_printf(ctx, "{\"parts\":%ld,\"sum\":%lld}", parts, sum));
}
PAWL_ORCHESTRATION(job, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
