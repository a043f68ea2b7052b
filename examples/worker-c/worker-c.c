/*
 * worker-c.c - a worker in C, a process of its own: takes items of the activity 'resize' from the work queue of a hub, by
 * the functions of pawl/provider.h. What it does with a picture: writes its name in capitals.
 *
 *	worker-c [HUB]        until TERM; the hub is $PAWL_HUB when it is not given
 */
#include <ctype.h>
#include <pawl/provider.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void on_signal(int signal)
{
	(void)signal;
	ended = 1;
}

/* A longer one would call renew() every few seconds: it keeps the runtime from taking the item back, and tells when nobody
 * wants it any more (PAWL_ECANCELED). */
static int work_on(struct pawl_provider *p, const struct pawl_work_item *item, const char *me, struct pawl_error *err)
{
	size_t len = item->input_len;
	char *out = malloc(len + 1);
	int rc;

	if (!out)
		return p->ops->finish(p, item->id, me, 75, NULL, 0, "out of memory", 0, err);
	for (size_t i = 0; i < len; i++)
		out[i] = (char)toupper(((const unsigned char *)item->input)[i]);
	rc = p->ops->renew(p, item->id, me, "90 nearly there", err);
	if (rc == 0)
		rc = p->ops->finish(p, item->id, me, 0, out, len, NULL, 0, err);
	free(out);
	return rc;
}

int main(int argc, char **argv)
{
	static const char *const activities[] = { "resize", NULL };
	const char *hub = argc > 1 ? argv[1] : getenv("PAWL_HUB");
	char me[16];
	struct pawl_provider_options options = { .hub = hub };
	struct pawl_work_wanted wanted = { .activities = activities, .worker = me };
	struct pawl_provider *p;
	struct pawl_error err = { 0 };

	snprintf(me, sizeof(me), "%d", (int)getpid());
	signal(SIGTERM, on_signal);
	if (!hub || pawl_provider_fs.open(&options, &p, &err) < 0) {
		fprintf(stderr, "worker-c: %s\n", hub ? err.text : "which hub? give it as an argument or in $PAWL_HUB");
		return 1;
	}
	while (!ended) {
		struct pawl_work_item *item;
		int rc = p->ops->claim(p, &wanted, &item, &err);
		if (rc == PAWL_ENOTFOUND) {
			rc = p->ops->await_work(p, &wanted, 1000, &err);
		} else if (rc == 0) {
			rc = work_on(p, item, me, &err);
			free(item);
		}
		if (rc < 0 && rc != PAWL_ETIMEOUT)
			fprintf(stderr, "worker-c: %s\n", err.text);
		if (rc < 0 && rc != PAWL_ETIMEOUT && rc != PAWL_ENOTFOUND)
			sleep(1);
	}
	p->ops->close(p);
	return 0;
}
