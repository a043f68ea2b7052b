/* notice.c - sleeping until something may have changed in the hub. A notice is a hint: whoever waits looks again also
 * without one, so it does no harm when the kernel has none to give (I12). */
#include "cli/cli.h"
#include <poll.h>
#include <unistd.h>

#define NOTICE_IDS_MAX 64 /* of more instances only the ends are noticed at once */

static int nothing(void *arg, int number, uint32_t mask, const char *name)
{
	(void)arg;
	(void)number;
	(void)mask;
	(void)name;
	return 0;
}

void cli_notice_open(struct cli_notice *n, struct cli *c, char **ids, int id_count)
{
	const struct os *os = c->os;
	const uint32_t mask = OS_WATCH_CREATE | OS_WATCH_CLOSE_WRITE | OS_WATCH_MOVED_TO | OS_WATCH_MOVED_FROM;
	char path[160];

	*n = (struct cli_notice){ .os = os, .watch = os->watch_open(os->self), .hub = os->open_root(os->self, c->hub) };
	if (n->watch < 0 || n->hub < 0)
		return;
	(void)os->watch_add(os->self, n->watch, n->hub, "archive", OS_WATCH_MOVED_TO);
	(void)os->watch_add(os->self, n->watch, n->hub, "instances", OS_WATCH_MOVED_TO | OS_WATCH_MOVED_FROM);
	for (int i = 0; i < id_count && i < NOTICE_IDS_MAX; i++) {
		snprintf(path, sizeof(path), "instances/%s", ids[i]);
		(void)os->watch_add(os->self, n->watch, n->hub, path, mask);
	}
}

void cli_notice_wait(struct cli_notice *n, int64_t ms)
{
	struct pollfd fd = { .fd = n->watch, .events = POLLIN };

	if (ms > 0 && poll(&fd, 1, (int)(ms < 60000 ? ms : 60000)) > 0)
		(void)n->os->watch_read(n->os->self, n->watch, nothing, NULL);
}

void cli_notice_close(struct cli_notice *n)
{
	if (n->watch >= 0)
		n->os->close(n->os->self, n->watch);
	if (n->hub >= 0)
		n->os->close(n->os->self, n->hub);
}
