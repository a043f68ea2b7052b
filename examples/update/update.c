/*
 * update.c - an update of a file tree, by shell scripts that pawl calls in turn.
 *
 *	download ─► checksum ─► unpack ─► (event `approved`) ─► switch ─► (reboot) ─► health ─► done
 *	                                                          ▲                     │ fails for good
 *	                                                          └─────────────────────┘ switch back, failed
 *
 * Each step is an executable in activities/ that pawl.yaml makes known; what it prints is its result. Once a result is on
 * the disk the step is not run again: a power cut costs the step that was running.
 *
 * Input: URL SHA256, and the word `reboot` when the release needs one. It is in the input, as code that decides must not look
 * at the device: it decides the same when it runs again. Output: what runs now.
 */
#include <pawl/pawl.h>
#include <stdbool.h>
#include <string.h>

static const pawl_retry network = {
	.max_attempts = 10, .first_ms = PAWL_SECONDS(1), .coefficient = 2, .max_ms = PAWL_MINUTES(5), .jitter = 0.2
};
static const pawl_call_options over_network = { .retry = &network };

/* A new release may need a moment until it is up. */
static const pawl_retry warm_up = {
	.max_attempts = 5, .first_ms = PAWL_MS(500), .coefficient = 2, .attempt_ms = PAWL_SECONDS(30)
};
static const pawl_call_options until_up = { .retry = &warm_up };

/* Until the new release is unpacked beside the others: its name, or NULL. */
static const char *fetch(pawl_ctx *ctx, const char *url, const char *sum)
{
	pawl_set_status(ctx, "downloads");
	const char *file = pawl_call_with(ctx, "download", url, &over_network);
	if (!file || !pawl_call(ctx, "checksum", pawl_printf(ctx, "%s %s", sum, file)))
		return NULL;
	pawl_set_status(ctx, "unpacks");
	return pawl_call(ctx, "unpack", file);
}

/* Until the device is back. It goes down in this call and comes up in it: this code sees a call that took long. */
static bool restart(pawl_ctx *ctx, const char *release)
{
	pawl_set_status(ctx, pawl_printf(ctx, "reboots into release %s", release));
	return pawl_call(ctx, "reboot", release) != NULL;
}

/* The new release does not work: make the one before current again, and say both. */
static int go_back(pawl_ctx *ctx, const char *release, const char *before, bool rebooted)
{
	pawl_failure why = *pawl_failed(ctx);

	pawl_set_status(ctx, pawl_printf(ctx, "release %s is not healthy, goes back", release));
	if (*before && pawl_call(ctx, "switch", before) && (!rebooted || restart(ctx, before)))
		why.message = pawl_printf(ctx, "release %s is not healthy, %s runs again: %s", release, before, why.message);
	else
		why.message = pawl_printf(ctx, "release %s is not healthy, and there is no way back: %s", release, why.message);
	return pawl_fail_with(ctx, &why);
}

/* From the release that runs to this one. */
static int change_to(pawl_ctx *ctx, const char *release, bool needs_reboot)
{
	const char *before = pawl_call(ctx, "switch", release);

	if (!before)
		return pawl_rethrow(ctx);
	if (needs_reboot && !restart(ctx, release))
		return go_back(ctx, release, before, false);
	pawl_set_status(ctx, pawl_printf(ctx, "release %s is started", release));
	if (!pawl_call_with(ctx, "health", release, &until_up))
		return go_back(ctx, release, before, needs_reboot);
	pawl_set_status(ctx, pawl_printf(ctx, "release %s is healthy", release));
	return pawl_return(ctx, pawl_printf(ctx, "release %s runs, %s was before", release, *before ? before : "nothing"));
}

static int update(pawl_ctx *ctx, const char *input)
{
	char *url = pawl_printf(ctx, "%s", input), *sum = strchr(url, ' '), *word = sum ? strchr(sum + 1, ' ') : NULL;

	if (!sum || (word && strcmp(word, " reboot") != 0))
		return pawl_fail(ctx, "the input '%s' is not URL SHA256 [reboot]", input);
	*sum++ = '\0';
	if (word)
		*word = '\0';
	const char *release = fetch(ctx, url, sum);
	if (!release)
		return pawl_rethrow(ctx);

	pawl_set_status(ctx, pawl_printf(ctx, "release %s is ready, waits for approval", release));
	const char *answer = pawl_wait_event(ctx, "approved", PAWL_DAYS(7));
	if (!answer)
		return pawl_rethrow(ctx);
	if (strcmp(answer, "yes") != 0)
		return pawl_fail(ctx, "release %s was not approved: '%s'", release, answer);
	return change_to(ctx, release, word != NULL);
}
PAWL_ORCHESTRATION(update, "1.1.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
