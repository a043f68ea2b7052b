/*
 * check_serve.c - a runtime on a recovered hub: it starts, serves, and brings everything to the end that it had in the run.
 *
 * Who raised events goes on, too: those that are neither in a history nor in the mailbox are raised again, in the order in which
 * the reference has them, and instances that nobody was told of are started again. Outputs follow from inputs and events
 * alone, so an event or result that was lost or taken twice shows.
 */
#include "check_impl.h"
#include "types.h"
#include "util.h"
#include "base/crc32c.h"
#include "base/log.h"
#include <pawl/pawl.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_MS 60000

struct serve {
	struct check *c;
	pawl_runtime *rt;
	bool senders; /* what is driven now: those that need others to be there, or all else */
};

static void *run(void *arg)
{
	struct serve *s = arg;
	struct pawl_error err = { 0 };

	if (pawl_run(s->rt, &err) < 0)
		check_wrong(s->c, "the runtime ends: %s", err.text);
	return NULL;
}

/* The text of its payload; NULL when it is too large to be in the line, and so in a file. */
static char *payload(const struct event *e)
{
	char *text = e->data_file.len ? NULL : malloc(e->data.len + 1);

	if (!text)
		return NULL;
	if (e->data.len)
		memcpy(text, e->data.data, e->data.len);
	text[e->data.len] = '\0';
	return text;
}

static bool is_driven(const struct reference *r)
{
	const struct event *first = &r->history.events[0];

	/* children and what others have sent come by themselves */
	return first->type == EVENT_ExecutionStarted && !first->parent.len;
}

static void start(struct serve *s, const char *id, const struct reference *r)
{
	const struct event *first = &r->history.events[0];
	struct pawl_error err = { 0 };
	char type[132], *input = payload(first);

	snprintf(type, sizeof(type), "%.*s", SLICE_FMT(first->name));
	if (pawl_start_with(s->rt, type, input, &(pawl_start_options){ .id = id }, PAWL_EXISTS_USE, true, NULL, &err) < 0)
		check_wrong(s->c, "cannot start '%s': %s", id, err.text);
	free(input);
}

static bool is_from_outside(const struct event *e)
{
	return e->type == EVENT_EventRaised && (e->from.len == 0 || e->from.data[0] != '@');
}

/* A payload file is not among what is saved of a run: such instances are left to wait. */
static bool has_large_events(const struct reference *r)
{
	for (; r; r = r->next)
		for (size_t i = 0; i < r->history.count; i++)
			if (r->history.events[i].type == EVENT_EventRaised && r->history.events[i].data_file.len)
				return true;
	return false;
}

/* An execution has those of the one before that nobody had taken, once more. */
static bool is_carried(const struct reference *first, const struct reference *r, uint32_t crc)
{
	for (; first != r; first = first->next)
		if (reference_payload(first, EVENT_EventRaised, crc, NULL))
			return true;
	return false;
}

static void raise_again(struct serve *s, const char *id, const struct event *e)
{
	struct pawl_error err = { 0 };
	char *data = payload(e);

	if (pawl_raise(s->rt, id, "go", data, true, &err) < 0)
		check_wrong(s->c, "cannot raise an event of '%s': %s", id, err.text);
	free(data);
}

static void raise_missing(struct serve *s, const char *id, const struct reference *first)
{
	for (const struct reference *r = first; r; r = r->next)
		for (size_t i = 0; i < r->history.count; i++) {
			const struct event *e = &r->history.events[i];
			uint32_t crc = event_payload_crc(e);
			if (is_from_outside(e) && !is_carried(first, r, crc) && !check_event_is_there(s->c, id, r, r->ends[i], crc))
				raise_again(s, id, e);
		}
}

static bool is_left_out(const struct serve *s, const char *id, const struct reference *r)
{
	return !is_driven(r) || check_is_purging(s->c, id) || has_large_events(r);
}

static int drive(void *arg, struct slice key, void *value)
{
	struct serve *s = arg;
	const struct reference *r = value;
	const char *id = key.data;

	if (is_left_out(s, id, r) || slice_is(r->history.events[0].name, "sends") != s->senders)
		return 0;
	start(s, id, r);
	raise_missing(s, id, r);
	return 0;
}

static const struct event *end_of(const struct reference *r)
{
	while (r->next)
		r = r->next;
	return &r->history.events[r->history.count - 1];
}

static int await_end(void *arg, struct slice key, void *value)
{
	struct serve *s = arg;
	const struct reference *r = value;
	const struct event *end = end_of(r);
	struct pawl_error err = { 0 };
	char *output = NULL;

	if (is_left_out(s, key.data, r))
		return 0;
	int rc = pawl_wait(s->rt, key.data, END_MS, &output, &err);
	if (rc < 0)
		check_wrong(s->c, "'%s' does not complete: %s", key.data, err.text);
	else if (crc32c(0, output ? output : "", output ? strlen(output) : 0) != event_payload_crc(end))
		check_wrong(s->c, "'%s' ends with '%s', and ended with '%.*s' in the run", key.data, output ? output : "", SLICE_FMT(end->data));
	free(output);
	return 0;
}

unsigned check_serve(struct check *c, const char *hub)
{
	struct serve s = { .c = c };
	struct pawl_error err = { 0 };
	const pawl_options options = { .hub = hub, .config = "", .threads_max = 2, .os = os_after_power_cut() };
	pthread_t thread;

	types_register();
	check_clear(c);
	if (pawl_open(&s.rt, &options, &err) < 0) {
		check_wrong(c, "the runtime does not start: %s", err.text);
		return c->wrong;
	}
	log_set_level(LOG_LEVEL_ERROR);
	if (pthread_create(&thread, NULL, run, &s) != 0)
		die("cannot make a thread");
	map_each(&c->reference, drive, &s);
	s.senders = true;
	map_each(&c->reference, drive, &s);
	map_each(&c->reference, await_end, &s);
	pawl_stop(s.rt);
	pthread_join(thread, NULL);
	pawl_close(s.rt);
	return c->wrong;
}
