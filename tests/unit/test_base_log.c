#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define THREADS 4
#define LINES 200

static struct {
	int count;
	enum log_level level;
	char line[LINE_MAX_BYTES + 1];
} seen;

static void see(void *arg, enum log_level level, const char *line)
{
	assert_ptr_equal(arg, &seen);
	assert_true(strlen(line) < LINE_MAX_BYTES);
	seen.count++;
	seen.level = level;
	snprintf(seen.line, sizeof(seen.line), "%s", line);
}

static int start(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(see, &seen);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

static void the_sink_gets_level_and_text(void **state)
{
	(void)state;
	log_warning("cannot read '%s': %d", "x", 7);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.level, LOG_LEVEL_WARNING);
	assert_string_equal(seen.line, "cannot read 'x': 7");
}

static void only_the_chosen_levels_are_told(void **state)
{
	(void)state;
	log_debug("no");
	assert_int_equal(seen.count, 0);
	log_info("yes");
	assert_int_equal(seen.count, 1);
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("no");
	log_notice("no");
	assert_int_equal(seen.count, 1);
	log_error("yes");
	assert_int_equal(seen.count, 2);
	log_set_level(LOG_LEVEL_DEBUG);
	assert_int_equal(log_get_level(), LOG_LEVEL_DEBUG);
	log_debug("yes");
	assert_int_equal(seen.count, 3);
}

static void control_characters_cannot_start_a_line_of_their_own(void **state)
{
	(void)state;
	log_info("a\nb\tc\x1b[2Jd\x7f" "e \xc3\xa9");
	assert_string_equal(seen.line, "a b c [2Jd e \xc3\xa9");
}

static void a_long_line_is_cut_and_says_so(void **state)
{
	(void)state;
	log_info("%05000d", 1);
	assert_int_equal(strlen(seen.line), LINE_MAX_BYTES - 1);
	assert_string_equal(seen.line + LINE_MAX_BYTES - 1 - 4, "0...");
}

static void errno_survives(void **state)
{
	(void)state;
	errno = ENOSPC;
	log_info("x");
	assert_int_equal(errno, ENOSPC);
}

static void log_again(void *arg, enum log_level level, const char *line)
{
	(void)level;
	(void)line;
	log_set_sink(see, arg);
	log_error("inner");
}

static void a_sink_may_log_and_set_another(void **state)
{
	(void)state;
	log_set_sink(log_again, &seen);
	log_error("outer");
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.line, "inner");
}

static void levels_have_names(void **state)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
	static const char *const refused[] = { "", "Error", "warn", "err", "errors", "3", " info" };
	enum log_level level = LOG_LEVEL_ERROR;
	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(log_parse_level(names[i], &level), 0);
		assert_int_equal(level, LOG_LEVEL_ERROR + i);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(log_parse_level(refused[i], &level), PAWL_EPARSE);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

/* What standard error gets is looked at from outside: a child writes, we read its pipe to the end. */
static char *output_of(void (*child)(void), bool journal)
{
	int fds[2];
	static char out[THREADS * LINES * 100];
	size_t len = 0;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (dup2(fds[1], STDERR_FILENO) < 0 || unsetenv("JOURNAL_STREAM") < 0)
			_exit(1);
		if (journal && setenv("JOURNAL_STREAM", "1:2", 1) < 0)
			_exit(1);
		close(fds[0]);
		close(fds[1]);
		log_set_sink(NULL, NULL);
		child();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fds[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return out;
}

static void say_two_lines(void)
{
	log_warning("first");
	log_error("second");
}

/* Digits become '0'. */
static char *without_numbers(char *text)
{
	for (char *p = text; *p; p++)
		if (*p >= '1' && *p <= '9')
			*p = '0';
	return text;
}

static void lines_for_people_carry_time_and_level(void **state)
{
	(void)state;
	assert_string_equal(without_numbers(output_of(say_two_lines, false)),
			    "00:00:00.000 warning: first\n00:00:00.000 error: second\n");
}

static void lines_for_the_journal_carry_the_level_only(void **state)
{
	(void)state;
	assert_string_equal(output_of(say_two_lines, true), "<4>first\n<3>second\n");
}

static void say_too_much(void)
{
	log_error("%05000d", 1);
}

static void a_written_line_is_never_over_4096_bytes(void **state)
{
	(void)state;
	const char *out = output_of(say_too_much, true);
	assert_int_equal(strlen(out), LINE_MAX_BYTES);
	assert_string_equal(out + LINE_MAX_BYTES - 5, "0...\n");
}

static void *say_many(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("thread %d says its line to the end", *(int *)arg);
	return NULL;
}

static void say_in_threads(void)
{
	pthread_t threads[THREADS];
	int ids[THREADS];
	for (int i = 0; i < THREADS; i++) {
		ids[i] = i;
		if (pthread_create(&threads[i], NULL, say_many, &ids[i]) != 0)
			_exit(1);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void lines_of_threads_do_not_mix(void **state)
{
	int count[THREADS] = { 0 };
	(void)state;
	for (char *line = output_of(say_in_threads, true), *end; (end = strchr(line, '\n')); line = end + 1) {
		char want[64];
		*end = '\0';
		int id = line[strlen("<6>thread ")] - '0';
		assert_in_range(id, 0, THREADS - 1);
		snprintf(want, sizeof(want), "<6>thread %d says its line to the end", id);
		assert_string_equal(line, want);
		count[id]++;
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(count[i], LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_sink_gets_level_and_text, start, stop),
		cmocka_unit_test_setup_teardown(only_the_chosen_levels_are_told, start, stop),
		cmocka_unit_test_setup_teardown(control_characters_cannot_start_a_line_of_their_own, start, stop),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_says_so, start, stop),
		cmocka_unit_test_setup_teardown(errno_survives, start, stop),
		cmocka_unit_test_setup_teardown(a_sink_may_log_and_set_another, start, stop),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test_setup_teardown(lines_for_people_carry_time_and_level, start, stop),
		cmocka_unit_test_setup_teardown(lines_for_the_journal_carry_the_level_only, start, stop),
		cmocka_unit_test_setup_teardown(a_written_line_is_never_over_4096_bytes, start, stop),
		cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, start, stop),
	};
	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
