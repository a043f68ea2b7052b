/*
 * saga.c - several changes that are to be made together, and undone in reverse order when one of them fails.
 *
 *	address ─► gateway ─► dns ─► confirmed? ── in time ─────────────────────────► done
 *	   │fails     │fails    │fails     │ deadline, `pawl cancel`
 *	   ▼          ▼         ▼          ▼
 *	 failed ◄─ undo ◄──── undo ◄──── undo        the settings are as they were
 *
 * New network settings that lock you out undo themselves, as nobody confirms them. Input: DIR SECONDS; DIR stands for the
 * settings: DIR/NAME is what is set, DIR/NAME.new what is to be. Event: confirmed.
 */
#include <pawl/pawl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const settings[] = { "address", "gateway", "dns" };
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static int note(pawl_work *work, const char *path, const char *what)
{
	char log[600];

	snprintf(log, sizeof(log), "%.*s/log", (int)(strrchr(path, '/') - path), path);
	FILE *f = fopen(log, "a");
	if (!f)
		return pawl_work_fail(work, "log", "cannot open '%s': %s", log, strerror(errno));
	fprintf(f, "%s %s\n", what, strrchr(path, '/') + 1);
	fclose(f);
	return 0;
}

/* What was set goes to PATH.old, PATH.new takes its place. Fit to be repeated: what is done already is left alone. */
static int apply(pawl_work *work, const char *path)
{
	char old[600], next[600];

	snprintf(old, sizeof(old), "%.500s.old", path);
	snprintf(next, sizeof(next), "%.500s.new", path);
	if (access(old, F_OK) == 0 && access(next, F_OK) != 0)
		return 0; /* an attempt before this one did it, and was lost before its result was recorded */
	if (access(next, R_OK) != 0)
		return pawl_work_fail_for_good(work, "missing", "cannot read '%s': %s", next, strerror(errno));
	if (access(old, F_OK) != 0 && link(path, old) != 0)
		return pawl_work_fail(work, "link", "cannot keep '%s': %s", path, strerror(errno));
	if (rename(next, path) != 0)
		return pawl_work_fail(work, "rename", "cannot rename '%s': %s", next, strerror(errno));
	return note(work, path, "applied");
}
PAWL_ACTIVITY(apply);

/* The way back. It must not fail for long, so it needs nothing but what `apply` has left. */
static int undo(pawl_work *work, const char *path)
{
	char old[600];

	snprintf(old, sizeof(old), "%.500s.old", path);
	if (rename(old, path) != 0 && errno != ENOENT) /* not there: undone already, or never applied */
		return pawl_work_fail(work, "rename", "cannot rename '%s': %s", old, strerror(errno));
	return note(work, path, "undone");
}
PAWL_ACTIVITY(undo);

/* Nobody is going back on it any more. */
static int settle(pawl_work *work, const char *path)
{
	char old[600];

	snprintf(old, sizeof(old), "%.500s.old", path);
	if (unlink(old) != 0 && errno != ENOENT)
		return pawl_work_fail(work, "unlink", "cannot remove '%s': %s", old, strerror(errno));
	return 0;
}
PAWL_ACTIVITY(settle);

static const pawl_retry for_long = { .max_attempts = 20, .first_ms = PAWL_MS(200), .coefficient = 2, .max_ms = PAWL_SECONDS(30) };
static const pawl_call_options stubborn = { .retry = &for_long };

/* *done counts what has to be undone should it fail. NULL: it has. */
static const char *apply_all(pawl_ctx *ctx, const char *dir, int64_t deadline_ms, size_t *done)
{
	for (*done = 0; *done < SETTINGS; ) {
		const char *path = pawl_printf(ctx, "%s/%s", dir, settings[*done]);
		++*done; /* before the call: one that failed, or was canceled in the middle, may have changed something */
		if (!pawl_call(ctx, "apply", path))
			return NULL;
	}
	pawl_set_status(ctx, "applied; waits to be confirmed");
	return pawl_wait_event(ctx, "confirmed", deadline_ms);
}

static int change(pawl_ctx *ctx, const char *input)
{
	char *dir = pawl_printf(ctx, "%s", input), *space = strrchr(dir, ' '), *end;
	double seconds = space ? strtod(space, &end) : -1;
	size_t done;

	if (!space || *end || *dir != '/' || seconds <= 0 || seconds > 86400 || strlen(dir) > 500)
		return pawl_fail(ctx, "the input '%s' is not DIR SECONDS, DIR being an absolute path", input);
	*space = '\0';
	const char *who = apply_all(ctx, dir, (int64_t)(seconds * 1000), &done);
	const pawl_failure *why = who ? NULL : pawl_failed(ctx); /* kept: what is called below may set another */
	pawl_shield(ctx, true); /* from here on it goes to its end, forth or back; a cancel now comes too late */
	for (size_t i = 0; who && i < SETTINGS; i++)
		pawl_call_with(ctx, "settle", pawl_printf(ctx, "%s/%s", dir, settings[i]), &stubborn);
	while (!who && done > 0)
		if (!pawl_call_with(ctx, "undo", pawl_printf(ctx, "%s/%s", dir, settings[--done]), &stubborn))
			pawl_set_status(ctx, pawl_printf(ctx, "'%s' could not be undone: %s", settings[done], pawl_failed(ctx)->message));
	if (!who)
		return pawl_fail_with(ctx, why); /* of kind "canceled": then the instance is Canceled, else it is Failed */
	return pawl_return(ctx, pawl_printf(ctx, "confirmed by %s", *who ? who : "somebody"));
}
PAWL_ORCHESTRATION(change, "1.0.0");

int main(int argc, char **argv)
{
	return pawl_main(argc, argv);
}
