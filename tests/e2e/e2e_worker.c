/*
 * e2e_worker.c - a worker outside of the runtime, for the end-to-end tests: takes items of one activity until TERM and
 * answers each with "made INPUT".
 *
 *	worker NAME LOG ACTIVITY [MS]     MS: an item takes up to so many milliseconds; the hub is $PAWL_HUB
 *
 * LOG gets a line before the work, "took NAME KEY", and one when it is through: "done NAME KEY", or "gone NAME KEY" when
 * the item was not its own any more. Killed in between, it leaves none: a test sees who had what.
 */
#include <fcntl.h>
#include <pawl/provider.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void on_signal(int signal)
{
	(void)signal;
	ended = 1;
}

struct diary {
	int fd;
	const char *name;
};

static void note(const struct diary *d, const char *what, const char *key)
{
	char line[700];
	int len = snprintf(line, sizeof(line), "%s %s %s\n", what, d->name, key);

	if (write(d->fd, line, (size_t)len) != len)
		abort();
}

static void nap(unsigned most_ms)
{
	unsigned us = most_ms ? (unsigned)rand() % (most_ms * 1000) : 0;
	struct timespec t = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000) };

	if (us)
		nanosleep(&t, NULL);
}

static int work_on(struct pawl_provider *p, const struct pawl_work_item *item, const char *me, unsigned most_ms, struct pawl_error *err)
{
	char out[256];
	int len = snprintf(out, sizeof(out), "made %.*s", (int)(item->input_len < 200 ? item->input_len : 200), item->input ? (const char *)item->input : "");

	nap(most_ms);
	int rc = p->ops->renew(p, item->id, me, "50 half way", err);
	return rc < 0 ? rc : p->ops->finish(p, item->id, me, 0, out, (size_t)len, NULL, 0, err);
}

static int serve(struct pawl_provider *p, const struct diary *d, const char *activity, unsigned most_ms)
{
	const char *const activities[] = { activity, NULL };
	char me[16];
	struct pawl_work_wanted wanted = { .activities = activities, .worker = me };
	struct pawl_error err = { 0 };
	int rc = 0;

	snprintf(me, sizeof(me), "%d", (int)getpid());
	while (!ended && (rc == 0 || rc == PAWL_ETIMEOUT || rc == PAWL_ENOTFOUND)) {
		struct pawl_work_item *item;
		rc = p->ops->claim(p, &wanted, &item, &err);
		if (rc == PAWL_ENOTFOUND) {
			rc = p->ops->await_work(p, &wanted, 200, &err);
			continue;
		}
		if (rc < 0)
			break;
		note(d, "took", item->key);
		rc = work_on(p, item, me, most_ms, &err);
		note(d, rc < 0 ? "gone" : "done", item->key);
		free(item);
	}
	if (!ended)
		fprintf(stderr, "worker: %s\n", err.text);
	return ended ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct pawl_provider_options options = { .hub = getenv("PAWL_HUB") };
	struct pawl_provider *p;
	struct pawl_error err = { 0 };

	if (argc < 4 || !options.hub) {
		fprintf(stderr, "usage: worker NAME LOG ACTIVITY [MS], with $PAWL_HUB\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	srand((unsigned)getpid());
	struct diary d = { open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644), argv[1] };
	if (d.fd < 0 || pawl_provider_fs.open(&options, &p, &err) < 0) {
		fprintf(stderr, "worker: %s\n", d.fd < 0 ? "cannot open the log" : err.text);
		return 1;
	}
	int rc = serve(p, &d, argv[3], argc > 4 ? (unsigned)atoi(argv[4]) : 0);
	p->ops->close(p);
	return rc;
}
