/* help_activities.c - what a program or a worker must know to be an activity: `pawl help activities`, and a section of the
 * manual page. docs/activities.md has the whole of it. */
#include "cli/cli.h"
#include <stdio.h>

static const struct fact {
	const char *name, *text;
} ends[] = {
	{ "0", "Completed: standard output is the result, without one newline at its end" },
	{ "75", "Deferred: tried again later, at no attempt; after 30 s, or what the file retry_after says (90, 5m)" },
	{ "76", "the device reboots now, and it is done when it comes back" },
	{ "100", "Failed: never tried again" },
	{ "other", "Stalled, as after a signal: the retry policy decides; the last line on standard error is the reason" },
	{ "none", "Stuck, when it is gone, silent or takes too long: ended and tried again, up to stuck_max attempts" },
}, environment[] = {
	{ "PAWL_INSTANCE", "whose activity it is; also PAWL_EXECUTION, PAWL_ACTIVITY, PAWL_SEQ" },
	{ "PAWL_ATTEMPT", "1, 2, ..." },
	{ "PAWL_KEY", "the same in every attempt of this call, and in no other: an idempotency key" },
	{ "PAWL_WORK", "its work directory, and its working directory unless `dir` is set" },
	{ "PAWL_HUB", "the hub" },
}, files[] = {
	{ "input", "what is on standard input, too" },
	{ "carrier", "JSON: payload, key, activity, iteration, process, state, records of earlier activities" },
	{ "heartbeat", "touch it to say that you are alive (`heartbeat` of the configuration)" },
	{ "progress", "42, \"42 writing\" or \"3/7 blocks\": shown by activities, status and watch" },
	{ "cancel", "is there when nobody wants the result any more; TERM follows" },
	{ "messages/N", "what the orchestration has sent, in order" },
	{ "retry_after", "with exit 75: when to try again" },
	{ "result, log", "standard output and standard error, up to their limits" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void print(const char *title, const struct fact *f, size_t count)
{
	printf("%s\n", title);
	for (size_t i = 0; i < count; i++)
		printf("  %-14s %s\n", f[i].name, f[i].text);
	putchar('\n');
}

void cli_help_activities(void)
{
	puts("An activity is a function of the program, an executable, or a worker outside of the runtime (`pawl work --help`).\n");
	print("exit code of a program, or of `pawl work` (done, defer, reboot, fail --for-good, fail):", ends, COUNT(ends));
	print("environment:", environment, COUNT(environment));
	print("files in $PAWL_WORK:", files, COUNT(files));
	puts("`pawl help config` has the settings under activities.NAME: time limits, retries, limits, pressure, isolation.");
}

static void man_facts(const char *title, const struct fact *f, size_t count, void (*item)(const char *name, const char *text))
{
	printf(".SS %s\n", title);
	for (size_t i = 0; i < count; i++)
		item(f[i].name, f[i].text);
}

void cli_man_activities(void (*item)(const char *name, const char *text))
{
	puts(".SH ACTIVITIES\nAn activity is a function of the program, an executable, or a worker outside of the runtime (the verb work).\n"
	     "An executable gets its input on standard input.");
	man_facts("Exit codes", ends, COUNT(ends), item);
	man_facts("Environment", environment, COUNT(environment), item);
	man_facts("Files in its work directory", files, COUNT(files), item);
}
