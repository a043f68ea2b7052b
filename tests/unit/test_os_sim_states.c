/* test_os_sim_states.c - the states of the disk at a power cut: exactly those that may be, each found by its tape again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <os/os_sim.h>
#include <os/os_sim_states.h>

#define TEXTS_MAX 512

struct place {
	const struct os *os;
	struct os_sim *more;
};

/* What the files a, b and d/c hold in each state: "a=xy b=- d/c=" and so on; sorted, each once. */
struct found {
	char *text[TEXTS_MAX];
	unsigned n, states;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->more = os_sim_new(1);
	p->os = os_sim_os(p->more);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	os_sim_free(p->more);
	free(p);
	return 0;
}

/* A letter for each run of 512 bytes, 4096 where it says so; 0: '0'. */
static void look(const struct os *os, const char *name, char *out, size_t size)
{
	char *data = NULL;
	size_t len = 0, at = strlen(out);

	at += (size_t)snprintf(out + at, size - at, "%s%s=", at ? " " : "", name);
	if (os_read_file(os, OS_CWD, name, 1 << 20, &data, &len) < 0) {
		snprintf(out + at, size - at, "-");
		return;
	}
	for (size_t i = 0; i < len && at + 2 < size; i += len >= 512 ? 512 : 1)
		out[at++] = data[i] ? data[i] : '0';
	out[at] = '\0';
	free(data);
}

static void found_add(struct found *f, struct os_sim *sim)
{
	static const char *const names[] = { "a", "b", "d/c" };
	const struct os *os = os_sim_os(sim);
	char text[160] = "";
	unsigned i = 0;

	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		look(os, names[k], text, sizeof(text));
	f->states++;
	while (i < f->n && strcmp(f->text[i], text) < 0)
		i++;
	if (i < f->n && strcmp(f->text[i], text) == 0)
		return;
	assert_true(f->n < TEXTS_MAX);
	memmove(&f->text[i + 1], &f->text[i], (f->n++ - i) * sizeof(f->text[0]));
	f->text[i] = strdup(text);
}

static void found_release(struct found *f)
{
	while (f->n)
		free(f->text[--f->n]);
}

static void walk_from(struct place *p, enum os_sim_model model, enum os_sim_base base, size_t deviations, struct found *f)
{
	struct os_sim_states *s = os_sim_states_new(p->more, model), *again = os_sim_states_new(p->more, model);
	uint64_t count = os_sim_states_count(s, base, deviations, 100000);
	char tape[256];

	do {
		struct os_sim *sim = os_sim_clone(p->more), *other = os_sim_clone(p->more);

		os_sim_states_cut(s, sim);
		found_add(f, sim);
		assert_true(os_sim_states_text(s, tape, sizeof(tape)) >= 0);
		assert_int_equal(os_sim_states_set(again, tape), 0);
		os_sim_states_cut(again, other);
		assert_int_equal(os_sim_disk_hash(sim), os_sim_disk_hash(other));
		os_sim_free(sim);
		os_sim_free(other);
	} while (os_sim_states_next(s));
	assert_int_equal(f->states, count);
	os_sim_states_free(s);
	os_sim_states_free(again);
}

static void walk_all(struct place *p, enum os_sim_model model, struct found *f)
{
	*f = (struct found){ .n = 0 };
	walk_from(p, model, OS_SIM_BASE_KEPT, SIZE_MAX, f);
}

/* The texts, in order, with a ';' between them. */
static void assert_states(struct place *p, enum os_sim_model model, const char *want)
{
	struct found f;
	char got[4096] = "";

	walk_all(p, model, &f);
	for (unsigned i = 0; i < f.n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "; " : "", f.text[i]);
	found_release(&f);
	assert_string_equal(got, want);
}

static int open_at(struct place *p, const char *name, int flags)
{
	int fd = p->os->open(p->os->self, OS_CWD, name, flags, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void close_fd(struct place *p, int fd)
{
	assert_int_equal(p->os->close(p->os->self, fd), 0);
}

static void put(struct place *p, const char *name, const char *text)
{
	int fd = open_at(p, name, OS_WRITE | OS_CREATE | OS_TRUNC);

	assert_int_equal(p->os->pwrite(p->os->self, fd, text, strlen(text), 0), strlen(text));
	close_fd(p, fd);
}

static void make_dir(struct place *p, const char *name)
{
	assert_int_equal(p->os->mkdir(p->os->self, OS_CWD, name, 0700), 0);
}

static void sync_all(struct place *p)
{
	int fd = open_at(p, ".", OS_READ | OS_DIRECTORY);

	assert_int_equal(p->os->sync_fs(p->os->self, fd), 0);
	close_fd(p, fd);
}

static void write_at(struct place *p, const char *name, char letter, size_t len, uint64_t off)
{
	char data[8192];
	int fd = open_at(p, name, OS_WRITE);

	memset(data, letter, len);
	assert_int_equal(p->os->pwrite(p->os->self, fd, data, len, off), len);
	close_fd(p, fd);
}

static void sync_file(struct place *p, const char *name)
{
	int fd = open_at(p, name, OS_READ);

	assert_int_equal(p->os->sync(p->os->self, fd), 0);
	close_fd(p, fd);
}

static void move(struct place *p, const char *from, const char *to)
{
	assert_int_equal(p->os->rename(p->os->self, OS_CWD, from, OS_CWD, to), 0);
}

static void a_disk_that_was_synced_has_one_state(void **state)
{
	put(*state, "a", "x");
	sync_all(*state);
	assert_states(*state, OS_SIM_WEAK, "a=x b=- d/c=-");
}

static void a_new_file_is_absent_empty_zero_or_whole(void **state)
{
	put(*state, "a", "x");
	assert_states(*state, OS_SIM_WEAK, "a= b=- d/c=-; a=- b=- d/c=-; a=0 b=- d/c=-; a=x b=- d/c=-");
}

static void a_synced_file_without_its_directory_may_have_no_name(void **state)
{
	put(*state, "a", "x");
	sync_file(*state, "a");
	assert_states(*state, OS_SIM_WEAK, "a=- b=- d/c=-; a=x b=- d/c=-");
}

static void writes_to_the_same_bytes_are_kept_in_any_combination(void **state)
{
	put(*state, "a", "x");
	sync_all(*state);
	write_at(*state, "a", 'y', 1, 0);
	write_at(*state, "a", 'z', 1, 0);
	assert_states(*state, OS_SIM_WEAK, "a=x b=- d/c=-; a=y b=- d/c=-; a=z b=- d/c=-");
}

static void a_write_tears_at_sectors(void **state)
{
	put(*state, "a", "");
	write_at(*state, "a", 'x', 1536, 0);
	sync_all(*state);
	write_at(*state, "a", 'y', 1536, 0);
	assert_states(*state, OS_SIM_WEAK,
	              "a=xxx b=- d/c=-; a=xxy b=- d/c=-; a=xyx b=- d/c=-; a=xyy b=- d/c=-; a=yxx b=- d/c=-; "
	              "a=yxy b=- d/c=-; a=yyx b=- d/c=-; a=yyy b=- d/c=-");
}

static void a_longer_write_has_first_parts_last_parts_and_holes(void **state)
{
	put(*state, "a", "");
	write_at(*state, "a", 'x', 2048, 0);
	sync_all(*state);
	write_at(*state, "a", 'y', 2048, 0);
	assert_states(*state, OS_SIM_WEAK,
	              "a=xxxx b=- d/c=-; a=xxxy b=- d/c=-; a=xxyy b=- d/c=-; a=xyyy b=- d/c=-; a=yxxx b=- d/c=-; "
	              "a=yxyy b=- d/c=-; a=yyxx b=- d/c=-; a=yyxy b=- d/c=-; a=yyyx b=- d/c=-; a=yyyy b=- d/c=-");
}

static void what_grows_has_its_size_with_and_without_the_data(void **state)
{
	put(*state, "a", "");
	write_at(*state, "a", 'x', 512, 0);
	sync_all(*state);
	write_at(*state, "a", 'y', 1024, 512);
	assert_states(*state, OS_SIM_WEAK,
	              "a=x b=- d/c=-; a=x00 b=- d/c=-; a=x0y b=- d/c=-; a=xy b=- d/c=-; a=xy0 b=- d/c=-; a=xyy b=- d/c=-");
}

static void a_rename_leaves_the_old_name_the_new_one_or_both(void **state)
{
	put(*state, "a", "x");
	sync_all(*state);
	move(*state, "a", "b");
	assert_states(*state, OS_SIM_WEAK, "a=- b=x d/c=-; a=x b=- d/c=-; a=x b=x d/c=-");
}

static void in_a_journalling_file_system_a_rename_is_whole_and_in_order(void **state)
{
	put(*state, "a", "x");
	sync_all(*state);
	move(*state, "a", "b");
	make_dir(*state, "d");
	move(*state, "b", "d/c");
	assert_states(*state, OS_SIM_JOURNAL, "a=- b=- d/c=x; a=- b=x d/c=-; a=x b=- d/c=-");
}

static void a_rename_of_an_unsynced_file_may_have_lost_its_bytes(void **state)
{
	put(*state, "b", "x");
	sync_all(*state);
	put(*state, "a", "y");
	move(*state, "a", "b");
	assert_states(*state, OS_SIM_JOURNAL,
	              "a= b=x d/c=-; a=- b= d/c=-; a=- b=0 d/c=-; a=- b=x d/c=-; a=- b=y d/c=-; a=0 b=x d/c=-; a=y b=x d/c=-");
}

static void without_its_directory_a_file_is_nowhere(void **state)
{
	make_dir(*state, "d");
	put(*state, "d/c", "x");
	sync_file(*state, "d/c");
	assert_int_equal(os_sync_dir(((struct place *)*state)->os, OS_CWD, "d"), 0);
	assert_states(*state, OS_SIM_WEAK, "a=- b=- d/c=-; a=- b=- d/c=x");
}

static void a_removed_file_may_be_back(void **state)
{
	struct place *p = *state;

	put(p, "a", "x");
	put(p, "b", "y");
	sync_all(p);
	assert_int_equal(p->os->unlink(p->os->self, OS_CWD, "a"), 0);
	assert_int_equal(p->os->unlink(p->os->self, OS_CWD, "b"), 0);
	assert_states(p, OS_SIM_WEAK, "a=- b=- d/c=-; a=- b=y d/c=-; a=x b=- d/c=-; a=x b=y d/c=-");
}

static void in_order_the_first_removal_is_there_with_the_second(void **state)
{
	struct place *p = *state;

	put(p, "a", "x");
	put(p, "b", "y");
	sync_all(p);
	assert_int_equal(p->os->unlink(p->os->self, OS_CWD, "a"), 0);
	assert_int_equal(p->os->unlink(p->os->self, OS_CWD, "b"), 0);
	assert_states(p, OS_SIM_JOURNAL, "a=- b=- d/c=-; a=- b=y d/c=-; a=x b=y d/c=-");
}

static void a_later_file_of_a_name_needs_the_removal_of_the_earlier(void **state)
{
	struct place *p = *state;

	put(p, "a", "x");
	sync_all(p);
	assert_int_equal(p->os->unlink(p->os->self, OS_CWD, "a"), 0);
	put(p, "a", "y");
	sync_file(p, "a");
	assert_states(p, OS_SIM_WEAK, "a=- b=- d/c=-; a=x b=- d/c=-; a=y b=- d/c=-");
}

static void a_walk_with_few_deviations_is_a_part_of_the_whole(void **state)
{
	struct found whole, kept = { .n = 0 }, lost = { .n = 0 };

	put(*state, "a", "x");
	put(*state, "b", "y");
	make_dir(*state, "d");
	put(*state, "d/c", "z");
	walk_all(*state, OS_SIM_WEAK, &whole);
	walk_from(*state, OS_SIM_WEAK, OS_SIM_BASE_KEPT, 1, &kept);
	walk_from(*state, OS_SIM_WEAK, OS_SIM_BASE_LOST, 1, &lost);
	assert_int_equal(whole.n, 64); /* each file: absent, empty, zeros, whole */
	assert_true(kept.n < whole.n && kept.states < whole.states);
	assert_string_equal(kept.text[kept.n - 1], "a=x b=y d/c=z");
	assert_string_equal(lost.text[0], "a= b=- d/c=-");
	assert_true(lost.n < whole.n);
	found_release(&whole);
	found_release(&kept);
	found_release(&lost);
}

static void what_is_drawn_is_one_of_all_states(void **state)
{
	struct place *p = *state;
	struct found whole, drawn = { .n = 0 };

	put(p, "a", "x");
	move(p, "a", "b");
	make_dir(p, "d");
	put(p, "d/c", "z");
	walk_all(p, OS_SIM_WEAK, &whole);
	unsigned n = whole.n;
	struct os_sim_states *s = os_sim_states_new(p->more, OS_SIM_WEAK);
	for (uint64_t seed = 1; seed <= 20000; seed++) {
		struct os_sim *sim = os_sim_clone(p->more);
		os_sim_states_draw(s, seed);
		os_sim_states_cut(s, sim);
		found_add(&whole, sim);
		found_add(&drawn, sim);
		os_sim_free(sim);
	}
	os_sim_states_free(s);
	assert_int_equal(whole.n, n);
	assert_int_equal(drawn.n, n);
	found_release(&whole);
	found_release(&drawn);
}

static void a_tape_of_another_point_is_refused(void **state)
{
	struct place *p = *state;
	struct os_sim_states *s;

	put(p, "a", "x");
	s = os_sim_states_new(p->more, OS_SIM_WEAK);
	assert_int_equal(os_sim_states_decisions(s), 2);
	assert_int_equal(os_sim_states_set(s, "0*2"), 0);
	assert_int_equal(os_sim_states_set(s, "1.2"), 0);
	assert_int_equal(os_sim_states_set(s, "0"), -EINVAL);
	assert_int_equal(os_sim_states_set(s, "0*3"), -EINVAL);
	assert_int_equal(os_sim_states_set(s, "0.9"), -EINVAL);
	assert_int_equal(os_sim_states_set(s, "x"), -EINVAL);
	os_sim_states_free(s);
}

static void a_sync_that_is_a_lie_leaves_nothing_on_the_disk(void **state)
{
	struct place *p = *state;

	put(p, "a", "x");
	sync_all(p);
	os_sim_lie_nth(p->more, 1, 1, OS_SIM_LIE_LOST);
	write_at(p, "a", 'y', 1, 0);
	sync_file(p, "a");
	assert_int_equal(os_sim_lies(p->more), 1);
	sync_file(p, "a"); /* an honest one is too late */
	assert_states(p, OS_SIM_WEAK, "a=x b=- d/c=-");
}

static void a_late_sync_is_made_good_by_the_next(void **state)
{
	struct place *p = *state;

	put(p, "a", "x");
	sync_all(p);
	os_sim_lie_nth(p->more, 1, 1, OS_SIM_LIE_LATE);
	write_at(p, "a", 'y', 1, 0);
	sync_file(p, "a");
	assert_states(p, OS_SIM_WEAK, "a=x b=- d/c=-; a=y b=- d/c=-");
	sync_file(p, "a");
	assert_states(p, OS_SIM_WEAK, "a=y b=- d/c=-");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_that_was_synced_has_one_state),
		TEST(a_new_file_is_absent_empty_zero_or_whole),
		TEST(a_synced_file_without_its_directory_may_have_no_name),
		TEST(writes_to_the_same_bytes_are_kept_in_any_combination),
		TEST(a_write_tears_at_sectors),
		TEST(a_longer_write_has_first_parts_last_parts_and_holes),
		TEST(what_grows_has_its_size_with_and_without_the_data),
		TEST(a_rename_leaves_the_old_name_the_new_one_or_both),
		TEST(in_a_journalling_file_system_a_rename_is_whole_and_in_order),
		TEST(a_rename_of_an_unsynced_file_may_have_lost_its_bytes),
		TEST(without_its_directory_a_file_is_nowhere),
		TEST(a_removed_file_may_be_back),
		TEST(in_order_the_first_removal_is_there_with_the_second),
		TEST(a_later_file_of_a_name_needs_the_removal_of_the_earlier),
		TEST(a_walk_with_few_deviations_is_a_part_of_the_whole),
		TEST(what_is_drawn_is_one_of_all_states),
		TEST(a_tape_of_another_point_is_refused),
		TEST(a_sync_that_is_a_lie_leaves_nothing_on_the_disk),
		TEST(a_late_sync_is_made_good_by_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
