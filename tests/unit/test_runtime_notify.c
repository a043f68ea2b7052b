/* test_runtime_notify.c - the datagrams that a supervisor gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/notify.h"

static char dir[64], where[128];
static int supervisor = -1;

static void listen_at(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	memcpy(a.sun_path, name, len);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	supervisor = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_true(supervisor >= 0);
	assert_int_equal(bind(supervisor, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static void expect(const char *text)
{
	char got[512];
	ssize_t n = recv(supervisor, got, sizeof(got) - 1, MSG_DONTWAIT);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/pawl-notify-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(where, sizeof(where), "%s/socket", dir);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (supervisor >= 0)
		close(supervisor);
	supervisor = -1;
	unlink(where);
	rmdir(dir);
	return 0;
}

static void test_without_a_supervisor_nothing_happens(void **state)
{
	(void)state;
	assert_int_equal(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_send("READY=1"), 0);
	notify_ready();
}

static void test_a_socket_with_a_path_gets_each_message(void **state)
{
	(void)state;
	listen_at(where);
	assert_int_equal(notify_send("READY=1\nMAINPID=7"), 1);
	expect("READY=1\nMAINPID=7");
	notify_ready();
	expect("READY=1");
	notify_watchdog();
	expect("WATCHDOG=1");
	notify_stopping();
	expect("STOPPING=1");
}

static void test_an_abstract_socket_gets_it_too(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@pawl-notify-%d", (int)getpid());
	listen_at(name);
	notify_ready();
	expect("READY=1");
}

static void test_a_status_is_one_line_and_cut_when_long(void **state)
{
	char text[1000], wanted[256];

	(void)state;
	listen_at(where);
	notify_status("%d running\nREADY=1", 3);
	expect("STATUS=3 running READY=1");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_status("%s", text);
	memset(wanted, 'a', sizeof(wanted));
	memcpy(wanted, "STATUS=", 7);
	memcpy(wanted + sizeof(wanted) - 4, "...", 4);
	expect(wanted);
}

static void test_an_address_that_is_none_is_an_error(void **state)
{
	char text[200];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	setenv("NOTIFY_SOCKET", text, 1);
	assert_int_equal(notify_send("READY=1"), PAWL_EINVALID);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_send("READY=1"), PAWL_EINVALID);
	setenv("NOTIFY_SOCKET", "@", 1);
	assert_int_equal(notify_send("READY=1"), PAWL_EINVALID);
	setenv("NOTIFY_SOCKET", where, 1);
	assert_int_equal(notify_send("READY=1"), PAWL_ENOTFOUND);
	notify_ready();
}

static void test_a_full_queue_does_not_block(void **state)
{
	int r = 1;

	(void)state;
	listen_at(where);
	for (int i = 0; i < 100000 && r == 1; i++)
		r = notify_send("WATCHDOG=1");
	assert_int_equal(r, PAWL_EBUSY);
}

static void test_the_watchdog_is_fed_twice_in_its_time(void **state)
{
	char pid[32];

	(void)state;
	assert_int_equal(notify_watchdog_interval_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 15000);
	setenv("WATCHDOG_USEC", "10", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 1);
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	assert_true(notify_watchdog_interval_ms() > 0);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 0);
	setenv("WATCHDOG_USEC", "0", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_interval_ms(), 15000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 0);
	setenv("WATCHDOG_PID", "me", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_a_supervisor_nothing_happens),
		T(a_socket_with_a_path_gets_each_message),
		T(an_abstract_socket_gets_it_too),
		T(a_status_is_one_line_and_cut_when_long),
		T(an_address_that_is_none_is_an_error),
		T(a_full_queue_does_not_block),
		T(the_watchdog_is_fed_twice_in_its_time),
	};

	return cmocka_run_group_tests_name("runtime_notify", tests, NULL, NULL);
}
