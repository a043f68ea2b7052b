/* test_runtime_inbox.c - messages that come as files: dropped into inbox/ and events/, seen twice, refused, half written. */
#include "unit/runtime_world.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_uint runs;

static int count(pawl_work *work, const char *input)
{
	atomic_fetch_add(&runs, 1);
	return pawl_work_return(work, "%s", input);
}
PAWL_ACTIVITY(count);

static int once(pawl_ctx *ctx, const char *input)
{
	const char *result = pawl_call(ctx, "count", input);

	return result ? pawl_return(ctx, result) : pawl_rethrow(ctx);
}
PAWL_ORCHESTRATION(once, "1.0");

/* Its input, and what each event "item" says, until one says "end". */
static int collect(pawl_ctx *ctx, const char *input)
{
	const char *all = input;

	for (;;) {
		const char *item = pawl_wait_event(ctx, "item", -1);
		if (!item)
			return pawl_rethrow(ctx);
		if (strcmp(item, "end") == 0)
			return pawl_return(ctx, all);
		all = pawl_printf(ctx, "%s%s", all, item);
	}
}
PAWL_ORCHESTRATION(collect, "1.0");

static int setup(void **state)
{
	atomic_store(&runs, 0);
	return rw_setup_disk(state);
}

/* ---- files ---- */

static const char *path_of(struct runtime_world *w, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", w->hub, name);
	return path;
}

static bool is_there(struct runtime_world *w, const char *name)
{
	return access(path_of(w, name), F_OK) == 0;
}

static void put(struct runtime_world *w, const char *name, const char *text)
{
	FILE *f = fopen(path_of(w, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static bool file_has(struct runtime_world *w, const char *name, const char *part)
{
	char text[1024];
	FILE *f = fopen(path_of(w, name), "r");

	if (!f)
		return false;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return strstr(text, part) != NULL;
}

/* The only name in a directory that begins so, or "". */
static const char *find(struct runtime_world *w, const char *dir, const char *begins)
{
	static char name[256];
	DIR *d = opendir(path_of(w, dir));
	unsigned found = 0;

	assert_non_null(d);
	name[0] = '\0';
	for (struct dirent *e; (e = readdir(d));)
		if (strncmp(e->d_name, begins, strlen(begins)) == 0 && found++ == 0)
			snprintf(name, sizeof(name), "%s", e->d_name);
	closedir(d);
	assert_true(found <= 1);
	return name;
}

static void remember(bool acks)
{
	rw_lock();
	rw_storage.forget_acks = !acks;
	rw_unlock();
}

/* ---- events ---- */

static void a_file_in_the_inbox_raises_an_event_and_goes(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	put(w, "inbox/x.item", "a\n");
	await_look(!is_there(w, "inbox/x.item"));
	put(w, "inbox/x.item.txt", "b");
	await_look(!is_there(w, "inbox/x.item.txt"));
	put(w, "inbox/x.item.json", "[1, 2]");
	await_look(!is_there(w, "inbox/x.item.json"));
	put(w, "inbox/x.item", "end");
	rw_expect(w, "x", "ab[1, 2]");
	rw_end(w);
}

static void a_file_in_the_directory_of_its_instance_does_too(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	put(w, "instances/x/events/item", "a");
	await_look(!is_there(w, "instances/x/events/item"));
	put(w, "instances/x/events/item", "end");
	rw_expect(w, "x", "a");
	rw_end(w);
}

static void files_that_came_while_nothing_ran_are_taken_in_order(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	rw_end(w);
	put(w, "inbox/x.item.1", "a");
	put(w, "inbox/x.item.2", "b");
	put(w, "inbox/x.item.3", "c");
	put(w, "inbox/x.item.4", "end");
	rw_begin(w);
	rw_expect(w, "x", "abc");
	rw_end(w);
}

static void a_file_with_a_key_counts_once_for_each_key(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	for (unsigned n = 0; n < 3; n++) {
		put(w, "inbox/x.item@k1", "a");
		await_look(!is_there(w, "inbox/x.item@k1"));
	}
	rw_restart(w);
	put(w, "inbox/x.item@k1", "a");
	await_look(!is_there(w, "inbox/x.item@k1"));
	put(w, "inbox/x.item@k2", "b");
	await_look(!is_there(w, "inbox/x.item@k2"));
	put(w, "inbox/x.item", "end");
	rw_expect(w, "x", "ab");
	assert_false(is_there(w, "inbox/.rejected")); /* a duplicate is no mistake */
	rw_end(w);
}

static void without_a_key_equal_files_are_different_events(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	for (unsigned n = 0; n < 3; n++) {
		put(w, "inbox/x.item", "a");
		await_look(!is_there(w, "inbox/x.item"));
	}
	put(w, "inbox/x.item", "end");
	rw_expect(w, "x", "aaa");
	rw_end(w);
}

static void an_event_that_is_seen_again_after_a_crash_counts_once(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	remember(false);
	put(w, "inbox/x.item", "a");
	rw_await_count(w, "x", EVENT_EventRaised, 1);
	rw_end(w);
	assert_true(is_there(w, "inbox/x.item"));
	remember(true);
	rw_begin(w);
	await_look(!is_there(w, "inbox/x.item"));
	put(w, "inbox/x.item", "end");
	rw_expect(w, "x", "a");
	assert_false(is_there(w, "inbox/.rejected"));
	rw_end(w);
}

static void a_large_file_is_an_event_like_any_other_and_one_over_the_limit_is_refused(void **state)
{
	struct runtime_world *w = *state;
	char *text = malloc(PAWL_PAYLOAD_BYTES_MAX + 2), *output = NULL;

	memset(text, 'x', PAWL_PAYLOAD_BYTES_MAX + 1);
	text[PAWL_PAYLOAD_BYTES_MAX + 1] = '\0';
	rw_begin(w);
	rw_start(w, "collect", "x", "");
	put(w, "inbox/x.item.big", text);
	await_look(is_there(w, "inbox/.rejected/x.item.big.why"));
	text[100 * 1024] = '\0';
	put(w, "inbox/x.item", text);
	await_look(!is_there(w, "inbox/x.item"));
	rw_restart(w);
	put(w, "inbox/x.item", "end");
	assert_int_equal(pawl_wait(w->rt, "x", BOUND_S * 1000, &output, NULL), 0);
	assert_string_equal(output, text);
	rw_end(w);
	free(output);
	free(text);
}

/* ---- half written ---- */

static void a_file_is_taken_when_its_writer_closes_it(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	FILE *f = fopen(path_of(w, "inbox/x.item"), "w");
	assert_non_null(f);
	assert_true(fputs("first half", f) >= 0);
	assert_int_equal(fflush(f), 0);
	rw_settle(w);
	assert_true(is_there(w, "inbox/x.item"));
	assert_true(fputs(" and second", f) >= 0);
	assert_int_equal(fclose(f), 0);
	await_look(!is_there(w, "inbox/x.item"));
	put(w, "inbox/x.item", "end");
	rw_expect(w, "x", "first half and second");
	rw_end(w);
}

static void a_file_that_is_not_finished_by_its_name_waits_for_its_name(void **state)
{
	static const char *const names[] = { "inbox/.x.item", "inbox/x.item.part", "inbox/x.item.tmp", "inbox/x.item~" };
	struct runtime_world *w = *state;
	char to[512];

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	for (unsigned n = 0; n < 4; n++) {
		put(w, names[n], "a");
		rw_settle(w);
		assert_true(is_there(w, names[n]));
		snprintf(to, sizeof(to), "%s", path_of(w, "inbox/x.item"));
		assert_int_equal(rename(path_of(w, names[n]), to), 0);
		await_look(!is_there(w, "inbox/x.item"));
	}
	put(w, "inbox/x.item", "end");
	rw_expect(w, "x", "aaaa");
	rw_end(w);
}

/* ---- starts ---- */

static void a_file_in_the_inbox_starts_an_instance_with_its_content(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	put(w, "inbox/once@x.start", "input");
	await_look(!is_there(w, "inbox/once@x.start"));
	rw_expect(w, "x", "input");
	put(w, "inbox/once@y.start.json", "{\"n\": 1}");
	await_look(!is_there(w, "inbox/once@y.start.json"));
	rw_expect(w, "y", "{\"n\": 1}");
	assert_int_equal(atomic_load(&runs), 2);
	rw_end(w);
}

static void a_start_without_an_id_makes_one(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	put(w, "inbox/once.start", "input");
	await_look(find(w, "archive", "once-")[0] != '\0');
	rw_expect(w, find(w, "archive", "once-"), "input");
	rw_end(w);
}

/* Committed, and then the power went before the file was removed. */
static void a_start_that_is_seen_again_after_a_crash_is_acknowledged_not_refused(void **state)
{
	struct runtime_world *w = *state;

	remember(false);
	rw_begin(w);
	put(w, "inbox/collect@x.start", "in:");
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	rw_end(w);
	assert_true(is_there(w, "inbox/collect@x.start"));
	remember(true);
	rw_begin(w);
	await_look(!is_there(w, "inbox/collect@x.start"));
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "in:");
	assert_int_equal(rw_count(w, "x", EVENT_ExecutionStarted), 1);
	assert_false(is_there(w, "inbox/.rejected"));
	rw_end(w);
}

static void also_when_its_instance_has_ended_by_then(void **state)
{
	struct runtime_world *w = *state;

	remember(false);
	rw_begin(w);
	put(w, "inbox/once@x.start", "1");
	put(w, "inbox/once.start", "2");
	await_look(is_there(w, "archive/x") && find(w, "archive", "once-")[0] != '\0');
	rw_end(w);
	assert_true(is_there(w, "inbox/once@x.start"));
	assert_true(is_there(w, "inbox/once.start"));
	remember(true);
	rw_begin(w);
	await_look(!is_there(w, "inbox/once@x.start") && !is_there(w, "inbox/once.start"));
	rw_expect(w, "x", "1");
	rw_expect(w, find(w, "archive", "once-"), "2");
	assert_int_equal(atomic_load(&runs), 2);
	assert_false(is_there(w, "inbox/.rejected"));
	assert_string_equal(find(w, "instances", "once-"), "");
	rw_end(w);
}

static void a_start_that_a_client_sent_is_acknowledged_after_a_crash_too(void **state)
{
	struct runtime_world *w = *state;

	remember(false);
	rw_begin(w);
	assert_int_equal(rw_send(w, PAWL_MESSAGE_START, "x", "collect", "in:"), 0);
	rw_await_count(w, "x", EVENT_EventSubscribed, 1);
	rw_end(w);
	assert_true(is_there(w, "instances/x/start"));
	remember(true);
	rw_begin(w);
	await_look(!is_there(w, "instances/x/start"));
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "in:");
	assert_int_equal(rw_count(w, "x", EVENT_ExecutionStarted), 1);
	rw_end(w);
}

static void a_start_and_events_for_it_that_lie_there_together_are_all_taken(void **state)
{
	struct runtime_world *w = *state;

	rw_open(w);
	rw_close(w);
	put(w, "inbox/collect@x.start", ">");
	put(w, "inbox/x.item.1", "a");
	put(w, "inbox/x.item.2", "end");
	rw_begin(w);
	rw_expect(w, "x", ">a");
	rw_end(w);
}

static void a_start_waits_where_memory_or_randomness_is_short(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_no_randomness(true);
	put(w, "inbox/once@x.start", "input");
	rw_await_log("the start of 'x' cannot be taken: cannot draw a seed for 'x'; trying again");
	assert_true(is_there(w, "inbox/once@x.start"));
	rw_no_randomness(false);
	rw_pass(w, 3600000);
	rw_expect(w, "x", "input");
	assert_false(is_there(w, "inbox/.rejected"));
	rw_end(w);
}

/* ---- refused ---- */

static void what_cannot_be_delivered_is_put_aside_with_the_reason(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	rw_start(w, "collect", "x", "");
	put(w, "inbox/nobody.item", "a");
	await_look(file_has(w, "inbox/.rejected/nobody.item.why", "there is no live instance 'nobody'"));
	assert_true(file_has(w, "inbox/.rejected/nobody.item", "a"));
	assert_false(is_there(w, "inbox/nobody.item"));
	put(w, "inbox/collect@x.start", "b");
	await_look(file_has(w, "inbox/.rejected/collect@x.start.why", "instance 'x' exists already"));
	put(w, "inbox/no-event-name", "c");
	await_look(is_there(w, "inbox/.rejected/no-event-name.why"));
	put(w, "inbox/x.bad name", "d");
	await_look(is_there(w, "inbox/.rejected/x.bad name.why"));
	rw_raise(w, "x", "item", "end");
	rw_expect(w, "x", "");
	rw_end(w);
}

static void a_start_for_an_id_whose_instance_has_ended_is_put_aside(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	put(w, "inbox/once@x.start", "1");
	rw_expect(w, "x", "1");
	await_look(is_there(w, "archive/x"));
	put(w, "inbox/once@x.start", "2");
	await_look(file_has(w, "inbox/.rejected/once@x.start.why", "exists already"));
	assert_int_equal(atomic_load(&runs), 1);
	rw_end(w);
}

static void over_the_limit_of_live_instances_starts_are_refused_or_wait_in_the_inbox(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "limits:\n  instances_max: 2\n");
	rw_begin(w);
	rw_start(w, "collect", "a", "");
	rw_start(w, "collect", "b", "");
	put(w, "inbox/collect@c.start", "");
	assert_int_equal(pawl_start(w->rt, "collect", "d", "", true, NULL, NULL), PAWL_ETOOBIG);
	put(w, "inbox/b.item", "end"); /* what is no start does not wait with it */
	rw_expect(w, "b", "");
	rw_start(w, "collect", "d", "");
	await_look(is_there(w, "inbox/collect@c.start"));
	rw_raise(w, "a", "item", "end");
	rw_expect(w, "a", "");
	await_look(is_there(w, "instances/c"));
	rw_raise(w, "c", "item", "end");
	rw_expect(w, "c", "");
	rw_end(w);
}

static void an_event_file_has_a_limit_of_bytes(void **state)
{
	struct runtime_world *w = *state;
	char *text = calloc(1, 2002), *out = NULL;

	rw_config(w, "drops: {bytes_max: 2000}\n");
	rw_begin(w);
	rw_start(w, "collect", "x", "");
	memset(text, 'x', 2001);
	put(w, "inbox/x.item.1", text);
	await_look(file_has(w, "inbox/.rejected/x.item.1.why", "drops.bytes_max"));
	text[2000] = '\0';
	put(w, "inbox/x.item.2", text);
	await_look(!is_there(w, "inbox/x.item.2"));
	rw_raise(w, "x", "item", "end");
	assert_int_equal(pawl_wait(w->rt, "x", -1, &out, NULL), 0);
	assert_non_null(strstr(out, text));
	free(out);
	free(text);
	rw_end(w);
}

static void too_many_events_that_nobody_takes_are_refused_and_kept_aside(void **state)
{
	struct runtime_world *w = *state;
	char name[64];

	rw_config(w, "limits:\n  events_buffered_max: 3\n");
	rw_begin(w);
	rw_start(w, "collect", "x", "");
	assert_int_equal(rw_send(w, PAWL_MESSAGE_SUSPEND, "x", NULL, NULL), 0);
	rw_await_count(w, "x", EVENT_ExecutionSuspended, 1);
	for (unsigned n = 0; n < 6; n++) {
		snprintf(name, sizeof(name), "inbox/x.other.%u", n);
		put(w, name, "a");
		await_look(!is_there(w, name));
	}
	await_look(is_there(w, "inbox/.rejected/x.other.3.why") && is_there(w, "inbox/.rejected/x.other.5.why"));
	assert_false(is_there(w, "inbox/.rejected/x.other.2"));
	assert_int_equal(rw_count(w, "x", EVENT_EventRaised), 3);
	rw_end(w);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, rw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_file_in_the_inbox_raises_an_event_and_goes),
		test(a_file_in_the_directory_of_its_instance_does_too),
		test(files_that_came_while_nothing_ran_are_taken_in_order),
		test(a_file_with_a_key_counts_once_for_each_key),
		test(without_a_key_equal_files_are_different_events),
		test(an_event_that_is_seen_again_after_a_crash_counts_once),
		test(a_large_file_is_an_event_like_any_other_and_one_over_the_limit_is_refused),
		test(a_file_is_taken_when_its_writer_closes_it),
		test(a_file_that_is_not_finished_by_its_name_waits_for_its_name),
		test(a_file_in_the_inbox_starts_an_instance_with_its_content),
		test(a_start_without_an_id_makes_one),
		test(a_start_that_is_seen_again_after_a_crash_is_acknowledged_not_refused),
		test(also_when_its_instance_has_ended_by_then),
		test(a_start_that_a_client_sent_is_acknowledged_after_a_crash_too),
		test(a_start_and_events_for_it_that_lie_there_together_are_all_taken),
		test(a_start_waits_where_memory_or_randomness_is_short),
		test(what_cannot_be_delivered_is_put_aside_with_the_reason),
		test(a_start_for_an_id_whose_instance_has_ended_is_put_aside),
		test(over_the_limit_of_live_instances_starts_are_refused_or_wait_in_the_inbox),
		test(an_event_file_has_a_limit_of_bytes),
		test(too_many_events_that_nobody_takes_are_refused_and_kept_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
