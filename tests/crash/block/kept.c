/*
 * kept.c - is what was promised kept, when nobody knows how the run would have ended?
 *
 *	kept HUB ACKS DIR [finish]
 *
 * HUB is what a power cut has left, ACKS a file of the acknowledgements until then (acks.h). The hub is recovered, and all of its
 * histories go to the directory DIR. They take the place of the reference: each must be whole, reach as far as somebody was told, have the
 * output that was seen; what was started and raised is in them or in the mailbox, once. With `finish` a runtime then
 * takes the hub over, and everything comes to its end. Exit status 0, 1 when something is not kept, 3 when it could not look.
 */
#include "check.h"
#include "check_impl.h"
#include "types.h"
#include "util.h"
#include "base/log.h"
#include <pawl/pawl.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define END_MS 300000 /* a guest on a loaded machine is slow */
#define EVENTS_MOST 4 /* that an instance of the load waits for */

static struct check check;
static struct {
	unsigned acks, wrong, finished;
} sum;

static void tell(const char *what)
{
	if (check.wrong)
		printf("%s:\n%.*s", what, (int)check.why.len, check.why.data);
	sum.wrong += check.wrong;
	check_clear(&check);
}

static void on_log(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	if (level > LOG_LEVEL_WARNING)
		return;
	printf("recovery says: %s\n", line);
	sum.wrong++;
}

static bool is_whole(struct pawl_provider *p, const char *id, uint64_t execution, uint64_t *which)
{
	struct pawl_error err = { 0 };
	struct history h;
	char *text = NULL;
	size_t len = 0;
	int rc = p->ops->read(p, id, execution, &text, &len, which, &err);

	history_init(&h);
	if (rc == 0)
		rc = history_parse(&h, (struct slice){ text, len }, &err);
	bool whole = rc == 0 && h.torn_bytes == 0;
	if (!whole) {
		printf("'%s', execution %llu is not whole: %s\n", id, (unsigned long long)execution, rc < 0 ? err.text : "it ends within a turn");
		sum.wrong++;
	}
	history_release(&h);
	free(text);
	*which = len > 0 ? *which : 0;
	return whole;
}

struct saving {
	struct pawl_provider *p;
	const char *dir;
};

static int save_one(void *arg, const char *id)
{
	const struct saving *s = arg;
	uint64_t newest = 0, which;
	bool whole = is_whole(s->p, id, 0, &newest);

	for (uint64_t execution = 1; whole && execution < newest; execution++)
		whole = is_whole(s->p, id, execution, &which);
	if (whole)
		reference_save(s->p, id, s->dir);
	return 0;
}

static void recover(const char *hub, const char *dir)
{
	const struct pawl_provider_options options = { .hub = hub, .journal_bytes = 64 << 10, .os = os_after_power_cut() };
	struct pawl_error err = { 0 };
	struct saving s = { NULL, dir };

	log_set_sink(on_log, NULL);
	if (pawl_provider_fs.open(&options, &s.p, &err) < 0 || s.p->ops->acquire(s.p, &err) < 0)
		die("the hub does not open: %s", err.text);
	for (int archived = 0; archived < 2; archived++)
		if (s.p->ops->scan(s.p, archived, save_one, &s, &err) < 0)
			die("cannot list the hub: %s", err.text);
	s.p->ops->close(s.p);
	log_set_sink(NULL, NULL);
}

static void read_promises(const char *path)
{
	char line[400];
	FILE *f = fopen(path, "re");

	if (!f)
		die_sys("cannot read '%s'", path);
	/* the last may be cut off: nobody has read it, then */
	for (; fgets(line, sizeof(line), f) && strchr(line, '\n'); sum.acks++) {
		check_promise(&check, line, strcspn(line, "\r\n"));
		tell("the promise is not kept");
	}
	fclose(f);
}

static bool is_there(const char *hub)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "%.4000s/FORMAT", hub);
	return stat(path, &st) == 0;
}

/* ---- to the end ---- */

static void *run(void *rt)
{
	struct pawl_error err = { 0 };

	if (pawl_run(rt, &err) < 0)
		check_wrong(&check, "the runtime ends: %s", err.text);
	return NULL;
}

static bool waits_for_us(const char *id)
{
	return strncmp(id, "waits-", 6) == 0 || strncmp(id, "rounds-", 7) == 0;
}

static void await_end(pawl_runtime *rt, const char *id)
{
	struct pawl_error err = { 0 };
	char *output = NULL;
	int rc = pawl_wait(rt, id, END_MS, &output, &err);

	if (rc < 0 && !(rc == PAWL_ENOTFOUND && check_is_purging(&check, id)))
		check_wrong(&check, "'%s' does not complete: %s", id, err.text);
	sum.finished += rc == 0;
	free(output);
}

/* Senders before those that they send to: who has ended takes no more. */
static int finish_alone(void *rt, struct slice key, void *value)
{
	(void)value;
	if (!waits_for_us(key.data))
		await_end(rt, key.data);
	return 0;
}

/* As many as anyone may still need: it has ended or forgets those that are too many. */
static int finish_waiting(void *rt, struct slice key, void *value)
{
	struct pawl_error err = { 0 };
	int rc = 0;

	(void)value;
	if (!waits_for_us(key.data))
		return 0;
	for (unsigned n = 0; n < EVENTS_MOST && rc == 0; n++)
		rc = pawl_raise(rt, key.data, "go", "last", true, &err);
	if (rc < 0 && rc != PAWL_ESTATE && rc != PAWL_ENOTFOUND)
		check_wrong(&check, "cannot raise an event of '%s': %s", key.data, err.text);
	await_end(rt, key.data);
	return 0;
}

static void finish(const char *hub)
{
	const pawl_options options = { .hub = hub, .config = "", .threads_max = 2, .os = os_after_power_cut() };
	struct pawl_error err = { 0 };
	pawl_runtime *rt;
	pthread_t thread;

	types_register();
	if (pawl_open(&rt, &options, &err) < 0) {
		check_wrong(&check, "the runtime does not start: %s", err.text);
		return;
	}
	log_set_level(LOG_LEVEL_ERROR);
	if (pthread_create(&thread, NULL, run, rt) != 0)
		die("cannot make a thread");
	map_each(&check.reference, finish_alone, rt);
	map_each(&check.reference, finish_waiting, rt);
	pawl_stop(rt);
	pthread_join(thread, NULL);
	pawl_close(rt);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die("kept HUB ACKS DIR [finish]");
	const char *hub = argv[1];
	bool whole = is_there(hub);
	if (whole)
		recover(hub, argv[3]);
	check_init(&check, argv[3], NULL);
	check.alone = true;
	read_promises(argv[2]);
	check_hub(&check, hub);
	tell("the hub is not as promised");
	if (argc > 4 && whole && !sum.wrong) {
		finish(hub);
		tell("it does not go on");
	}
	printf("%u acknowledgements, %zu instances, %u of them at their end, %u wrong\n", sum.acks, check.reference.count, sum.finished, sum.wrong);
	return sum.wrong > 0;
}
