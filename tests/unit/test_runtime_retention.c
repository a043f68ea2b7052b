/* test_runtime_retention.c - what has ended goes by itself: by number, age, size and free space; older executions too. */
#include "unit/runtime_world.h"
#include <stdatomic.h>
#include <unistd.h>

#define HOUR INT64_C(3600000)

static int echo(pawl_ctx *ctx, const char *input)
{
	return pawl_return(ctx, input);
}
PAWL_ORCHESTRATION(echo, "1.0");

/* One execution for each event; its input, and with it what is spilled, is that event. */
static int rounds(pawl_ctx *ctx, const char *input)
{
	const char *next = pawl_wait_event(ctx, "next", -1);

	if (strcmp(next, "end") == 0)
		return pawl_return(ctx, input);
	return pawl_continue_as_new(ctx, next);
}
PAWL_ORCHESTRATION(rounds, "1.0");

/* ---- what is there ---- */

struct ids {
	char text[2048];
};

static int add_id(void *arg, const char *id)
{
	struct ids *ids = arg;
	size_t len = strlen(ids->text);

	snprintf(ids->text + len, sizeof(ids->text) - len, "%s ", id);
	return 0;
}

static bool archive_is(struct runtime_world *w, const char *want)
{
	struct ids ids = { "" };

	assert_int_equal(w->client->ops->scan(w->client, true, add_id, &ids, NULL), 0);
	return strcmp(ids.text, want) == 0;
}

static bool is_there(struct runtime_world *w, const char *id, uint64_t execution)
{
	char *text = rw_history(w, id, execution);
	bool there = *text != '\0';

	free(text);
	return there;
}

/* i0 ... i9, one after the other. */
static void run_ten(struct runtime_world *w)
{
	for (char n = '0'; n <= '9'; n++) {
		const char id[] = { 'i', n, '\0' };
		rw_start(w, "echo", id, id);
		rw_expect(w, id, id);
		rw_settle(w);
	}
}

#define ALL_TEN "i0 i1 i2 i3 i4 i5 i6 i7 i8 i9 "

/* ---- number ---- */

static void only_so_many_ended_ones_are_kept(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "retention: {count: 3}\n");
	rw_begin(w);
	run_ten(w);
	await_look(archive_is(w, "i7 i8 i9 "));
	rw_restart(w);
	rw_start(w, "echo", "i5", "again");
	rw_expect(w, "i5", "again");
	await_look(archive_is(w, "i5 i8 i9 "));
	rw_end(w);
}

static void what_ended_before_the_start_is_found(void **state)
{
	struct runtime_world *w = *state;

	rw_begin(w);
	run_ten(w);
	assert_true(archive_is(w, ALL_TEN));
	rw_end(w);
	rw_config(w, "retention: {count: 2}\n");
	rw_begin(w);
	await_look(archive_is(w, "i8 i9 "));
	rw_end(w);
}

static void nothing_goes_unless_it_is_asked_for(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "retention: {count: 0}\n");
	rw_begin(w);
	run_ten(w);
	rw_settle(w);
	assert_true(archive_is(w, ALL_TEN));
	rw_config(w, "retention: {count: 4}\n");
	rw_reload(w);
	await_look(archive_is(w, "i6 i7 i8 i9 "));
	rw_config(w, "retention: {count: 0}\n");
	rw_reload(w);
	rw_start(w, "echo", "more", "");
	rw_expect(w, "more", "");
	rw_settle(w);
	assert_true(archive_is(w, "i6 i7 i8 i9 more "));
	rw_end(w);
}

static void a_purge_by_hand_makes_room(void **state)
{
	struct runtime_world *w = *state;

	rw_config(w, "retention: {count: 3}\n");
	rw_begin(w);
	run_ten(w);
	await_look(archive_is(w, "i7 i8 i9 "));
	assert_int_equal(rw_send(w, PAWL_MESSAGE_PURGE, "i8", NULL, NULL), 0);
	await_look(archive_is(w, "i7 i9 "));
	rw_start(w, "echo", "one", "");
	rw_expect(w, "one", "");
	rw_settle(w);
	assert_true(archive_is(w, "i7 i9 one "));
	rw_end(w);
}

/* ---- age ---- */

static void old_ones_go_when_their_time_has_come(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_config(w, "retention: {age: 2h}\n");
	rw_begin(w);
	rw_start(w, "echo", "first", "");
	rw_expect(w, "first", "");
	rw_pass(w, HOUR);
	rw_start(w, "echo", "second", "");
	rw_expect(w, "second", "");
	rw_settle(w);
	assert_true(archive_is(w, "first second "));
	rw_pass(w, HOUR + HOUR / 2);
	await_look(archive_is(w, "second "));
	assert_true(rw_is_idle(w));
	rw_pass(w, HOUR);
	await_look(archive_is(w, ""));
	assert_true(rw_is_idle(w));
	rw_end(w);
}

static void while_the_clock_is_not_set_nothing_is_old(void **state)
{
	struct runtime_world *w = *state;
	struct timespec now;

	w->options.os = rw_os();
	clock_gettime(CLOCK_REALTIME, &now);
	rw_wall_clock(-(int64_t)now.tv_sec * 1000); /* 1970 */
	rw_config(w, "retention: {age: 2h}\n");
	rw_begin(w);
	rw_start(w, "echo", "first", "");
	rw_expect(w, "first", "");
	rw_pass(w, 3 * HOUR);
	rw_start(w, "echo", "second", "");
	rw_expect(w, "second", "");
	rw_settle(w);
	assert_true(archive_is(w, "first second "));
	rw_wall_clock(3 * HOUR); /* it is set: the first one ended three hours ago, the second one now */
	rw_pass(w, 1);
	await_look(archive_is(w, "second "));
	rw_end(w);
}

static void what_became_old_before_this_boot_goes_at_the_start(void **state)
{
	struct runtime_world *w = *state;

	w->options.os = rw_os();
	rw_config(w, "retention: {age: 2h}\n");
	rw_begin(w);
	rw_start(w, "echo", "first", "");
	rw_expect(w, "first", "");
	rw_settle(w);
	rw_end(w);
	rw_wall_clock(20 * 365 * 24 * HOUR); /* the device was off for longer than it can be up */
	rw_begin(w);
	await_look(archive_is(w, ""));
	rw_end(w);
}

/* A clock that stood at the day on which the system was built, or in the far future, is set. */
static void a_step_of_the_clock_makes_nothing_old_that_has_just_ended(void **state)
{
	struct runtime_world *w = *state;
	static const int64_t wrong[] = { -500 * 24 * HOUR, 500 * 24 * HOUR };

	for (unsigned n = 0; n < 2; n++) {
		w->options.os = rw_os();
		rw_wall_clock(wrong[n]);
		rw_config(w, "retention: {age: 2h}\n");
		rw_begin(w);
		rw_start(w, "echo", "first", "");
		rw_expect(w, "first", "");
		rw_settle(w);
		rw_wall_clock(0);
		rw_pass(w, HOUR);
		assert_true(archive_is(w, "first "));
		rw_pass(w, HOUR + HOUR / 2);
		await_look(archive_is(w, ""));
		rw_end(w);
	}
}

/* ---- size and space ---- */

static void only_so_many_bytes_are_kept(void **state)
{
	struct runtime_world *w = *state;
	static char large[300 * 1024 + 1];

	memset(large, 'x', sizeof(large) - 1);
	w->options.os = rw_os();
	rw_config(w, "retention: {bytes: 1MiB}\n");
	rw_begin(w);
	for (char n = '1'; n <= '4'; n++) {
		const char id[] = { 'b', n, '\0' };
		rw_start(w, "echo", id, large); /* twice in its history: input and output */
		assert_int_equal(pawl_wait(w->rt, id, -1, NULL, NULL), 0);
	}
	rw_pass(w, 2000); /* by then it is measured */
	await_look(archive_is(w, "b4 "));
	rw_end(w);
}

static atomic_uint free_kib;
static struct runtime_world *world;

/* Each instance that is there takes 100 KiB. */
static int space(void *self, const char *path, uint64_t *free_bytes, uint64_t *free_inodes, uint64_t *total_inodes)
{
	struct ids ids = { "" };
	uint64_t used = 0;

	(void)self;
	(void)path;
	(void)world->client->ops->scan(world->client, true, add_id, &ids, NULL);
	for (const char *at = ids.text; (at = strchr(at, ' ')); at++)
		used += 100 * 1024;
	*free_bytes = (uint64_t)atomic_load(&free_kib) * 1024 > used ? (uint64_t)atomic_load(&free_kib) * 1024 - used : 0;
	*free_inodes = *total_inodes = 1000;
	return 0;
}

static void the_oldest_go_when_space_is_short(void **state)
{
	struct runtime_world *w = *state;
	struct os os = *rw_os();
	char id[16];

	world = w;
	os.path_space = space;
	w->options.os = &os;
	atomic_store(&free_kib, 2500);
	rw_config(w, "retention: {free_min: 500KiB}\n");
	rw_begin(w);
	for (unsigned n = 1; n <= 20; n++) {
		snprintf(id, sizeof(id), "s%02u", n);
		rw_start(w, "echo", id, "");
		rw_expect(w, id, "");
	}
	rw_settle(w);
	assert_true(archive_is(w, "s01 s02 s03 s04 s05 s06 s07 s08 s09 s10 s11 s12 s13 s14 s15 s16 s17 s18 s19 s20 "));
	rw_start(w, "echo", "s21", "");
	rw_expect(w, "s21", "");
	await_look(archive_is(w, "s11 s12 s13 s14 s15 s16 s17 s18 s19 s20 s21 ")); /* ten at a time */
	atomic_store(&free_kib, 100);
	rw_start(w, "echo", "s22", "");
	rw_expect(w, "s22", "");
	for (unsigned n = 0; n < 5; n++)
		rw_pass(w, 2000);
	await_look(archive_is(w, ""));
	rw_start(w, "echo", "s23", "");
	rw_pass(w, 2000);
	rw_await_log("nothing is left to remove");
	rw_end(w);
}

/* ---- executions ---- */

static void raise_each(struct runtime_world *w, const char *id, unsigned count)
{
	static char text[40 * 1024];

	for (unsigned n = 1; n <= count; n++) {
		memset(text, 'a' + (int)n % 26, sizeof(text) - 1); /* it goes into a file */
		rw_raise(w, id, "next", text);
		rw_settle(w);
		await_look(is_there(w, id, n + 1));
	}
}

static void older_executions_go_when_they_are_old_enough(void **state)
{
	struct runtime_world *w = *state;
	char *out = NULL;

	w->options.os = rw_os();
	rw_config(w, "retention: {executions: 2}\n");
	rw_begin(w);
	rw_start(w, "rounds", "r", "");
	raise_each(w, "r", 5);
	rw_settle(w);
	assert_true(is_there(w, "r", 1));
	rw_pass(w, HOUR / 6 + 1000);
	/* when it was first seen there were three: the others are looked at ten minutes later */
	await_look(!is_there(w, "r", 1));
	rw_pass(w, HOUR / 6 + 1000);
	await_look(!is_there(w, "r", 4));
	assert_true(is_there(w, "r", 5));
	assert_true(is_there(w, "r", 6));
	assert_true(rw_is_idle(w));
	rw_restart(w);
	rw_raise(w, "r", "next", "end");
	assert_int_equal(pawl_wait(w->rt, "r", -1, &out, NULL), 0);
	assert_int_equal(strlen(out), 40 * 1024 - 1); /* its file is there */
	free(out);
	rw_end(w);
}

static void compact_removes_what_is_old_enough(void **state)
{
	struct runtime_world *w = *state;
	const struct pawl_message m = { .kind = PAWL_MESSAGE_COMPACT, .instance = "r", .key = "2" };
	struct pawl_error err = { 0 };

	w->options.os = rw_os();
	rw_begin(w);
	rw_start(w, "rounds", "r", "");
	raise_each(w, "r", 4);
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	rw_settle(w);
	assert_true(is_there(w, "r", 1)); /* ten minutes */
	rw_pass(w, HOUR / 6 + 1000);
	assert_int_equal(w->client->ops->send(w->client, &m, &err), 0);
	await_look(!is_there(w, "r", 3));
	assert_false(is_there(w, "r", 1));
	assert_true(is_there(w, "r", 4));
	assert_true(is_there(w, "r", 5));
	rw_end(w);
}

/* ---- many at once ---- */

#define MANY 200

static void purges_that_come_while_a_commit_is_under_way_wait_all_of_them(void **state)
{
	struct runtime_world *w = *state;
	char id[16];

	rw_begin(w);
	for (unsigned n = 0; n < MANY; n++) {
		snprintf(id, sizeof(id), "m%03u", n);
		rw_start(w, "echo", id, "");
		rw_expect(w, id, "");
	}
	rw_settle(w);
	rw_hold();
	assert_int_equal(pawl_start(w->rt, "echo", "last", "x", false, NULL, NULL), 0);
	await(rw_storage.holding == 1);
	for (unsigned n = 0; n < MANY; n++) {
		snprintf(id, sizeof(id), "m%03u", n);
		assert_int_equal(rw_send(w, PAWL_MESSAGE_PURGE, id, NULL, NULL), 0);
	}
	rw_settle(w);
	rw_release();
	rw_expect(w, "last", "x");
	await_look(archive_is(w, "last "));
	rw_end(w);
}

static int setup(void **state)
{
	return rw_setup(state);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, rw_teardown)
#define on_disk(f) { #f " (on disk)", f, rw_setup_disk, rw_teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(only_so_many_ended_ones_are_kept),
		on_disk(only_so_many_ended_ones_are_kept),
		test(what_ended_before_the_start_is_found),
		test(nothing_goes_unless_it_is_asked_for),
		test(a_purge_by_hand_makes_room),
		test(old_ones_go_when_their_time_has_come),
		test(while_the_clock_is_not_set_nothing_is_old),
		test(what_became_old_before_this_boot_goes_at_the_start),
		test(a_step_of_the_clock_makes_nothing_old_that_has_just_ended),
		on_disk(only_so_many_bytes_are_kept),
		test(the_oldest_go_when_space_is_short),
		test(older_executions_go_when_they_are_old_enough),
		on_disk(older_executions_go_when_they_are_old_enough),
		test(compact_removes_what_is_old_enough),
		test(purges_that_come_while_a_commit_is_under_way_wait_all_of_them),
		on_disk(purges_that_come_while_a_commit_is_under_way_wait_all_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
