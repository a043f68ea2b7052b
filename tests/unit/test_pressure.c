/* test_pressure.c - limits, hysteresis and sources, with a simulated kernel. Commands: test_pressure_command.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "os/os_sim.h"
#include "runtime/pressure.h"

#define MS INT64_C(1000000)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

static struct os_sim *sim;
static struct pressure *p;
static char reason[256];
static unsigned log_lines;
static char log_line[512];

static void on_log(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	log_lines++;
	snprintf(log_line, sizeof(log_line), "%s", line);
}

static int setup(void **state)
{
	(void)state;
	sim = os_sim_new(1);
	log_lines = 0;
	log_set_sink(on_log, NULL);
	os_sim_set_space(sim, "/hub", 1000 * MIB, 1000, 2000);
	return pressure_new(&p, os_sim_os(sim), NULL, "/hub", NULL, NULL, NULL);
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	pressure_free(p);
	os_sim_free(sim);
	return 0;
}

/* A second later, so that everything is read anew. */
static void later(void)
{
	os_sim_advance(sim, PRESSURE_FRESH_MS * MS);
}

static bool look(const struct pressure_limits *global, const struct pressure_limits *own)
{
	later();
	memset(reason, 0, sizeof(reason));
	return pressure_ok(p, global, own, "flash", reason, sizeof(reason));
}

#define assert_fine(l) assert_true(look(l, NULL))
#define assert_pressed(l, text)                         \
	do {                                            \
		assert_false(look(l, NULL));            \
		assert_string_equal(reason, text);      \
	} while (0)

static void set_memory(uint64_t kib)
{
	char text[256];

	snprintf(text, sizeof(text), "MemTotal:  999999 kB\nMemFree:   1 kB\nMemAvailable:   %llu kB\nBuffers:  1 kB\n",
	         (unsigned long long)kib);
	os_sim_set_kernel(sim, "/proc/meminfo", text);
}

/* ---- nothing ---- */

static void without_limits_nothing_is_read(void **state)
{
	const struct pressure_limits none = { 0 };
	const struct pressure_limits margin = { .margin_percent = 5, .thermal_zone = "x", .command_every_ms = 7 };
	static const char *const paths[] = { "/data", NULL };
	const struct pressure_limits of_nothing = { .disk_paths = paths };

	(void)state;
	assert_true(pressure_ok(p, NULL, NULL, NULL, reason, sizeof(reason)));
	assert_true(pressure_ok(p, &none, &none, "flash", reason, sizeof(reason)));
	assert_true(pressure_ok(p, &margin, &of_nothing, "flash", reason, sizeof(reason)));
	assert_false(pressure_limits_are_set(&none));
	assert_false(pressure_limits_are_set(&margin));
	assert_false(pressure_limits_are_set(&of_nothing));
	assert_int_equal(os_sim_kernel_calls(sim), 0);
}

static void each_limit_is_one_that_is_set(void **state)
{
	static const char *const argv[] = { "/bin/true", NULL };
	const struct pressure_limits set[] = {
		{ .memory_min = 1 }, { .disk_min = 1 }, { .inodes_min = 1 }, { .load_max = 0.5 },
		{ .psi_memory_max = 1 }, { .psi_io_max = 1 }, { .psi_cpu_max = 1 }, { .temperature_max = 1 },
		{ .battery_min = 1 }, { .network = "any" }, { .command = argv },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		assert_true(pressure_limits_are_set(&set[i]));
}

static void delays_double_from_5_s_to_5_min(void **state)
{
	static const int64_t expected[] = { 5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(pressure_delay_ms(i), expected[i]);
	assert_int_equal(pressure_delay_ms(4000000000u), 300000);
}

/* ---- memory: what holds for all quantities is shown with it ---- */

static void memory_presses_and_must_get_better_by_the_margin(void **state)
{
	const struct pressure_limits l = { .memory_min = 32 * MIB };

	(void)state;
	set_memory(33 * KIB);
	assert_fine(&l); /* within the margin, but never pressed */
	set_memory(32 * KIB);
	assert_fine(&l);
	set_memory(12 * KIB);
	assert_pressed(&l, "memory: 12 MiB available, 32 MiB wanted (pressure.memory_min)");
	set_memory(33 * KIB);
	assert_pressed(&l, "memory: 33 MiB available, 35.2 MiB wanted (pressure.memory_min + 10 %)");
	set_memory(36 * KIB);
	assert_fine(&l);
	set_memory(33 * KIB);
	assert_fine(&l);
}

static void the_margin_can_be_set(void **state)
{
	const struct pressure_limits l = { .memory_min = 100 * MIB, .margin_percent = 50 };

	(void)state;
	set_memory(99 * KIB);
	assert_pressed(&l, "memory: 99 MiB available, 100 MiB wanted (pressure.memory_min)");
	set_memory(149 * KIB);
	assert_pressed(&l, "memory: 149 MiB available, 150 MiB wanted (pressure.memory_min + 50 %)");
	set_memory(150 * KIB);
	assert_fine(&l);
}

static void what_is_there_never_looks_like_what_is_wanted(void **state)
{
	const struct pressure_limits l = { .memory_min = 32 * MIB };

	(void)state;
	set_memory(32 * KIB - 1);
	assert_pressed(&l, "memory: 31.9 MiB available, 32 MiB wanted (pressure.memory_min)");
}

static void own_limits_count_beside_those_of_the_hub(void **state)
{
	const struct pressure_limits hub = { .memory_min = 10 * MIB }, own = { .memory_min = 64 * MIB };

	(void)state;
	set_memory(50 * KIB);
	assert_true(look(&hub, NULL));
	assert_false(look(&hub, &own));
	assert_string_equal(reason, "memory: 50 MiB available, 64 MiB wanted (activities.flash.pressure.memory_min)");
	assert_false(look(NULL, &own));
	assert_true(look(&hub, NULL));
	set_memory(5 * KIB);
	assert_false(look(&hub, &own));
	assert_string_equal(reason, "memory: 5 MiB available, 10 MiB wanted (pressure.memory_min)");
}

static void hysteresis_belongs_to_a_name(void **state)
{
	const struct pressure_limits own = { .memory_min = 64 * MIB };

	(void)state;
	set_memory(50 * KIB);
	assert_false(look(NULL, &own));
	set_memory(66 * KIB);
	assert_false(look(NULL, &own));
	assert_true(pressure_ok(p, NULL, &own, "measure", reason, sizeof(reason)));
	assert_true(pressure_ok(p, &own, NULL, "flash", reason, sizeof(reason)));
	pressure_reload(p);
	assert_false(look(NULL, &own)); /* it stays */
}

static void a_value_counts_for_a_second(void **state)
{
	const struct pressure_limits l = { .memory_min = 32 * MIB }, own = { .memory_min = 20 * MIB };
	uint64_t calls;

	(void)state;
	set_memory(100 * KIB);
	assert_true(look(&l, &own));
	calls = os_sim_kernel_calls(sim);
	set_memory(1 * KIB);
	os_sim_advance(sim, (PRESSURE_FRESH_MS - 1) * MS);
	for (int i = 0; i < 100; i++)
		assert_true(pressure_ok(p, &l, &own, i % 2 ? "flash" : "measure", reason, sizeof(reason)));
	assert_int_equal(os_sim_kernel_calls(sim), calls);
	os_sim_advance(sim, 1 * MS);
	assert_false(pressure_ok(p, &l, &own, "flash", reason, sizeof(reason)));
	assert_int_equal(os_sim_kernel_calls(sim), calls + 1);
	set_memory(100 * KIB);
	pressure_reload(p);
	assert_true(pressure_ok(p, &l, &own, "flash", reason, sizeof(reason)));
}

static void old_kernels_have_no_memavailable(void **state)
{
	const struct pressure_limits l = { .memory_min = 100 * KIB };

	(void)state;
	os_sim_set_kernel(sim, "/proc/meminfo", "MemTotal: 500 kB\nMemFree: 50 kB\nBuffers: 20 kB\nCached: 30 kB\n"
	                                        "SwapCached: 9 kB\n");
	assert_fine(&l);
	os_sim_set_kernel(sim, "/proc/meminfo", "MemTotal: 500 kB\nMemFree: 49 kB\nBuffers: 20 kB\nCached: 30 kB\n"
	                                        "SwapCached: 9 kB\n");
	assert_pressed(&l, "memory: 99 KiB available, 100 KiB wanted (pressure.memory_min)");
}

static void huge_numbers_do_not_overflow(void **state)
{
	struct pressure_limits l = { .memory_min = INT64_MAX, .margin_percent = 1000 };

	(void)state;
	os_sim_set_kernel(sim, "/proc/meminfo", "MemAvailable: 99999999999999999999999999999999 kB\n");
	assert_fine(&l);
	set_memory(UINT64_MAX / 1024);
	assert_fine(&l);
	set_memory(1);
	assert_pressed(&l, "memory: 1 KiB available, 8192 PiB wanted (pressure.memory_min)");
	l = (struct pressure_limits){ .load_max = 1 };
	os_sim_set_kernel(sim, "/proc/loadavg", "99999999999999999999999999999999999999.5 0 0 1/1 1");
	assert_false(look(&l, NULL));
	l = (struct pressure_limits){ .disk_min = INT64_MAX, .inodes_min = INT64_MAX };
	os_sim_set_space(sim, "/hub", UINT64_MAX, UINT64_MAX, UINT64_MAX);
	assert_fine(&l);
}

static void assert_not_looked_at(const struct pressure_limits *l, const char *text)
{
	unsigned before;

	pressure_reload(p);
	before = log_lines;
	for (int i = 0; i < 3; i++)
		assert_fine(l);
	assert_int_equal(log_lines, before + 1);
	assert_non_null(strstr(log_line, text));
}

static void memory_that_cannot_be_read_is_fine_and_said_once(void **state)
{
	static const char *const garbage[] = {
		"", "MemAvailable:\n", "MemAvailable: many kB\n", "MemAvailable: 12 MB\n", "MemAvailable: -5 kB\n",
		"MemAvailable: 12x kB\n", "XMemAvailable: 12 kB\n", "MemFree: 12 kB\n", "\n\n\n",
	};
	const struct pressure_limits l = { .memory_min = 32 * MIB };

	(void)state;
	assert_not_looked_at(&l, "pressure.memory_min is not looked at: '/proc/meminfo' cannot be read: No such file");
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		os_sim_set_kernel(sim, "/proc/meminfo", garbage[i]);
		assert_not_looked_at(&l, "'/proc/meminfo' does not say what it should");
	}
	os_sim_fail_kernel(sim, "/proc/meminfo", EIO);
	assert_not_looked_at(&l, "'/proc/meminfo' cannot be read: ");
}

static void a_reason_that_does_not_fit_is_cut(void **state)
{
	const struct pressure_limits l = { .memory_min = 32 * MIB };
	char small[20];

	(void)state;
	set_memory(1);
	for (size_t size = 0; size <= sizeof(small); size++) {
		memset(small, 'x', sizeof(small));
		assert_false(pressure_ok(p, &l, NULL, NULL, small, size));
		if (size > 0)
			assert_in_range(strlen(small), 0, size - 1);
	}
	assert_string_equal(small, "memory: 1 KiB av...");
	assert_false(pressure_ok(p, &l, NULL, NULL, NULL, 0));
}

/* ---- disks ---- */

static void the_hub_is_always_among_the_disks(void **state)
{
	const struct pressure_limits l = { .disk_min = 5 * MIB };

	(void)state;
	os_sim_set_space(sim, "/hub", 5 * MIB, 0, 0);
	assert_fine(&l);
	os_sim_set_space(sim, "/hub", 5 * MIB - 1, 0, 0);
	assert_pressed(&l, "disk '/hub': 4.9 MiB free, 5 MiB wanted (pressure.disk_min)");
	os_sim_set_space(sim, "/hub", 5 * MIB + 400 * KIB, 0, 0);
	assert_pressed(&l, "disk '/hub': 5.3 MiB free, 5.5 MiB wanted (pressure.disk_min + 10 %)");
	os_sim_set_space(sim, "/hub", 6 * MIB, 0, 0);
	assert_fine(&l);
}

static void each_disk_has_its_own_hysteresis(void **state)
{
	static const char *const paths[] = { "/data", "/log", NULL };
	const struct pressure_limits l = { .disk_min = 5 * MIB, .disk_paths = paths };

	(void)state;
	os_sim_set_space(sim, "/data", 1258292, 0, 0);
	os_sim_set_space(sim, "/log", 5300 * KIB, 0, 0); /* within the margin */
	assert_pressed(&l, "disk '/data': 1.2 MiB free, 5 MiB wanted (pressure.disk_min)");
	os_sim_set_space(sim, "/data", 5300 * KIB, 0, 0);
	assert_pressed(&l, "disk '/data': 5.1 MiB free, 5.5 MiB wanted (pressure.disk_min + 10 %)");
	os_sim_set_space(sim, "/data", 7 * MIB, 0, 0);
	assert_fine(&l);
}

static void inodes_count_where_there_is_a_number_of_them(void **state)
{
	const struct pressure_limits l = { .inodes_min = 100 };

	(void)state;
	os_sim_set_space(sim, "/hub", 0, 99, 2000);
	assert_pressed(&l, "disk '/hub': 99 free inodes, 100 wanted (pressure.inodes_min)");
	os_sim_set_space(sim, "/hub", 0, 109, 2000);
	assert_pressed(&l, "disk '/hub': 109 free inodes, 110 wanted (pressure.inodes_min + 10 %)");
	os_sim_set_space(sim, "/hub", 0, 110, 2000);
	assert_fine(&l);
	os_sim_set_space(sim, "/hub", 0, 0, 0); /* btrfs */
	assert_fine(&l);
	os_sim_set_space(sim, "/hub", 0, 50, 105);
	assert_false(look(&l, NULL));
	os_sim_set_space(sim, "/hub", 0, 105, 105); /* all of them: more than that cannot be */
	assert_fine(&l);
}

static void a_disk_that_is_not_there_is_short(void **state)
{
	static const char *const paths[] = { "/card", NULL };
	const struct pressure_limits l = { .disk_min = 1, .disk_paths = paths };
	const struct pressure_limits inodes = { .inodes_min = 1, .disk_paths = paths };

	(void)state;
	assert_pressed(&l, "disk '/card': cannot be looked at: No such file or directory (pressure.disk_min)");
	assert_pressed(&inodes, "disk '/card': cannot be looked at: No such file or directory (pressure.inodes_min)");
	os_sim_set_space(sim, "/card", 1, 1, 1);
	assert_fine(&l);
	os_sim_fail_space(sim, "/hub", EIO);
	assert_false(look(&l, NULL));
	assert_non_null(strstr(reason, "disk '/hub': cannot be looked at"));
}

static void the_same_path_is_read_once(void **state)
{
	static const char *const paths[] = { "/hub", "/data", "/data", NULL };
	const struct pressure_limits l = { .disk_min = 1, .inodes_min = 1, .disk_paths = paths };
	const struct pressure_limits own = { .disk_min = 2, .disk_paths = paths };

	(void)state;
	os_sim_set_space(sim, "/data", 10, 10, 10);
	assert_true(look(&l, &own));
	assert_int_equal(os_sim_kernel_calls(sim), 2);
}

static void a_path_of_the_simulated_disk_has_its_capacity(void **state)
{
	const struct pressure_limits l = { .disk_min = 1 * MIB };

	(void)state;
	os_sim_unset_space(sim, "/hub");
	assert_false(look(&l, NULL));
	assert_int_equal(os_sim_os(sim)->mkdir(os_sim_os(sim)->self, OS_CWD, "/hub", 0700), 0);
	assert_fine(&l);
	os_sim_set_capacity(sim, 512 * KIB);
	assert_false(look(&l, NULL));
}

/* ---- load ---- */

static void load_is_for_each_processor(void **state)
{
	const struct pressure_limits l = { .load_max = 2 };

	(void)state;
	os_sim_set_cpus(sim, 2);
	os_sim_set_kernel(sim, "/proc/loadavg", "4.00 9.00 9.00 1/123 4567\n");
	assert_fine(&l);
	os_sim_set_kernel(sim, "/proc/loadavg", "6.40 0.00 0.00 1/123 4567\n");
	assert_pressed(&l, "load: 3.2 for each processor, limit 2 (pressure.load_max)");
	os_sim_set_kernel(sim, "/proc/loadavg", "3.70 0.00 0.00 1/123 4567\n");
	assert_pressed(&l, "load: 1.85 for each processor, limit 1.8 (pressure.load_max - 10 %)");
	os_sim_set_kernel(sim, "/proc/loadavg", "3.60 0.00 0.00 1/123 4567\n");
	assert_fine(&l);
	os_sim_set_kernel(sim, "/proc/loadavg", "4.01 0.00 0.00 1/123 4567\n");
	assert_pressed(&l, "load: 2.01 for each processor, limit 2 (pressure.load_max)");
	os_sim_set_cpus(sim, 8);
	assert_fine(&l);
}

static void load_that_cannot_be_read_is_fine_and_said_once(void **state)
{
	const struct pressure_limits l = { .load_max = 0.01 };

	(void)state;
	assert_not_looked_at(&l, "pressure.load_max is not looked at: '/proc/loadavg' cannot be read");
	os_sim_set_kernel(sim, "/proc/loadavg", "heavy 1 2");
	assert_not_looked_at(&l, "'/proc/loadavg' does not say what it should");
	os_sim_set_kernel(sim, "/proc/loadavg", "nan");
	assert_not_looked_at(&l, "does not say what it should");
}

/* ---- PSI ---- */

static void set_psi(const char *name, const char *avg10)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/pressure/%s", name);
	snprintf(text, sizeof(text),
	         "some avg10=%s avg60=90.00 avg300=90.00 total=123456\n"
	         "full avg10=90.00 avg60=0.00 avg300=0.00 total=1\n", avg10);
	os_sim_set_kernel(sim, path, text);
}

static void each_kind_of_stall_has_its_limit(void **state)
{
	const struct pressure_limits memory = { .psi_memory_max = 10 }, io = { .psi_io_max = 20 };
	const struct pressure_limits cpu = { .psi_cpu_max = 50 };

	(void)state;
	set_psi("memory", "10.00");
	set_psi("io", "20.00");
	set_psi("cpu", "50.00");
	assert_fine(&memory);
	assert_fine(&io);
	assert_fine(&cpu);
	set_psi("memory", "12.34");
	set_psi("io", "30.50");
	set_psi("cpu", "99.00");
	assert_pressed(&memory,
	               "stalls: 12.34 % of the last 10 s waited for memory, limit 10 % (pressure.psi_memory_max)");
	assert_pressed(&io,
	               "stalls: 30.5 % of the last 10 s waited for input and output, limit 20 % (pressure.psi_io_max)");
	assert_pressed(&cpu,
	               "stalls: 99 % of the last 10 s waited for a processor, limit 50 % (pressure.psi_cpu_max)");
	set_psi("memory", "9.50");
	assert_pressed(&memory,
	               "stalls: 9.5 % of the last 10 s waited for memory, limit 9 % (pressure.psi_memory_max - 10 %)");
	set_psi("memory", "9.00");
	assert_fine(&memory);
}

static void a_kernel_without_psi_is_fine_and_that_is_said_once(void **state)
{
	const struct pressure_limits l = { .psi_memory_max = 1 }, both = { .psi_memory_max = 1, .psi_io_max = 1 };

	(void)state;
	assert_not_looked_at(&l,
	                     "pressure.psi_memory_max is not looked at: '/proc/pressure/memory' cannot be read: No such ");
	os_sim_fail_kernel(sim, "/proc/pressure/memory", EOPNOTSUPP); /* built in, switched off */
	assert_not_looked_at(&l, "'/proc/pressure/memory' cannot be read");
	os_sim_set_kernel(sim, "/proc/pressure/memory", "full avg10=90.00");
	assert_not_looked_at(&l, "'/proc/pressure/memory' does not say what it should");
	os_sim_set_kernel(sim, "/proc/pressure/memory", "some avg10=lots");
	assert_not_looked_at(&l, "'/proc/pressure/memory' does not say what it should");
	log_lines = 0;
	assert_fine(&both); /* the other kind was not said yet */
	assert_int_equal(log_lines, 1);
}

static void what_own_limits_miss_is_said_with_their_key(void **state)
{
	const struct pressure_limits own = { .psi_io_max = 1 };

	(void)state;
	assert_true(look(NULL, &own));
	assert_non_null(strstr(log_line, "activities.flash.pressure.psi_io_max is not looked at"));
}

/* ---- temperature ---- */

static void set_zone(int number, const char *type, const char *temp)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/thermal/thermal_zone%d/type", number);
	os_sim_set_kernel(sim, path, type);
	snprintf(path, sizeof(path), "/sys/class/thermal/thermal_zone%d/temp", number);
	os_sim_set_kernel(sim, path, temp);
}

static void fail_zone(int number, int err)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/thermal/thermal_zone%d/temp", number);
	os_sim_fail_kernel(sim, path, err);
}

static void the_hottest_zone_counts_in_millidegrees(void **state)
{
	const struct pressure_limits l = { .temperature_max = 85 };

	(void)state;
	os_sim_set_kernel(sim, "/sys/class/thermal/cooling_device0/type", "Processor\n");
	set_zone(0, "battery\n", "31000\n");
	set_zone(1, "cpu-thermal\n", "85000\n");
	set_zone(2, "outside\n", "-12000\n");
	assert_fine(&l);
	set_zone(1, "cpu-thermal\n", "91000\n");
	assert_pressed(&l, "temperature: 91 C in 'cpu-thermal', limit 85 C (pressure.temperature_max)");
	set_zone(1, "cpu-thermal\n", "76501\n");
	assert_pressed(&l, "temperature: 76.51 C in 'cpu-thermal', limit 76.5 C (pressure.temperature_max - 10 %)");
	set_zone(1, "cpu-thermal\n", "76500\n");
	assert_fine(&l);
	set_zone(1, "cpu-thermal\n", "85001\n");
	assert_pressed(&l, "temperature: 85.01 C in 'cpu-thermal', limit 85 C (pressure.temperature_max)");
}

static void only_the_named_zone_counts(void **state)
{
	const struct pressure_limits l = { .temperature_max = 60, .thermal_zone = "flash" };

	(void)state;
	set_zone(0, "cpu-thermal\n", "91000\n");
	set_zone(1, "flash\n", "60000\n");
	set_zone(2, "flash\n", "20000\n");
	assert_fine(&l);
	set_zone(2, "flash\n", "70000\n"); /* two of one type: the hotter one */
	assert_pressed(&l, "temperature: 70 C in 'flash', limit 60 C (pressure.temperature_max)");
	set_zone(1, NULL, NULL);
	set_zone(2, NULL, NULL);
	assert_not_looked_at(&l, "pressure.temperature_max is not looked at: 'flash' cannot be read: No such file");
}

static void zones_that_fail_to_read_are_left_out(void **state)
{
	const struct pressure_limits l = { .temperature_max = 60 };

	(void)state;
	set_zone(0, "modem\n", NULL);
	fail_zone(0, EAGAIN);
	set_zone(1, "flash\n", NULL);
	fail_zone(1, ENODATA);
	set_zone(2, "odd\n", "warm\n");
	set_zone(3, "silly\n", "99999999999999999999\n");
	set_zone(4, "cpu-thermal\n", "61500\n");
	assert_pressed(&l, "temperature: 61.5 C in 'cpu-thermal', limit 60 C (pressure.temperature_max)");
	set_zone(4, NULL, NULL);
	assert_not_looked_at(&l, "'/sys/class/thermal' cannot be read");
}

static void a_zone_that_fails_for_a_moment_keeps_its_value(void **state)
{
	const struct pressure_limits l = { .temperature_max = 60 };

	(void)state;
	set_zone(0, "cpu-thermal\n", "90000\n");
	assert_false(look(&l, NULL));
	fail_zone(0, EAGAIN);
	assert_pressed(&l, "temperature: 90 C in 'cpu-thermal', limit 60 C (pressure.temperature_max)");
	os_sim_advance(sim, 57000 * MS);
	assert_false(look(&l, NULL));
	later();
	assert_fine(&l); /* a minute */
	set_zone(0, "cpu-thermal\n", "90000\n");
	assert_false(look(&l, NULL));
	set_zone(0, NULL, NULL); /* gone */
	assert_fine(&l);
}

static void a_device_without_thermal_zones_is_fine(void **state)
{
	const struct pressure_limits l = { .temperature_max = 1 };

	(void)state;
	assert_not_looked_at(&l, "pressure.temperature_max is not looked at: '/sys/class/thermal' cannot be read");
}

/* ---- battery ---- */

static void set_supply(const char *name, const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/power_supply/%s/%s", name, file);
	os_sim_set_kernel(sim, path, text);
}

static void set_battery(const char *name, const char *capacity, const char *status)
{
	set_supply(name, "type", "Battery\n");
	set_supply(name, "capacity", capacity);
	set_supply(name, "status", status);
}

static void a_battery_counts_unless_it_is_being_charged(void **state)
{
	const struct pressure_limits l = { .battery_min = 20 };

	(void)state;
	set_supply("ac", "type", "Mains\n");
	set_supply("ac", "online", "0\n");
	set_battery("BAT0", "20\n", "Discharging\n");
	assert_fine(&l);
	set_battery("BAT0", "12\n", "Discharging\n");
	assert_pressed(&l, "battery: 12 % in 'BAT0', 20 % wanted (pressure.battery_min)");
	set_battery("BAT0", "21\n", "Unknown\n");
	assert_pressed(&l, "battery: 21 % in 'BAT0', 22 % wanted (pressure.battery_min + 10 %)");
	set_battery("BAT0", "12\n", "Not charging\n");
	assert_false(look(&l, NULL));
	set_battery("BAT0", "12\n", "Charging\n");
	assert_fine(&l);
	set_battery("BAT0", "12\n", "Full\n");
	assert_fine(&l);
	set_battery("BAT0", "12\n", NULL);
	assert_false(look(&l, NULL));
}

static void the_emptiest_of_several_batteries_counts(void **state)
{
	const struct pressure_limits l = { .battery_min = 30 };

	(void)state;
	set_battery("BAT0", "80\n", "Discharging\n");
	set_battery("BAT1", "25\n", "Discharging\n");
	set_battery("BAT2", "5\n", "Charging\n");
	set_battery("mouse", "1\n", "Discharging\n");
	set_supply("mouse", "scope", "Device\n");
	assert_pressed(&l, "battery: 25 % in 'BAT1', 30 % wanted (pressure.battery_min)");
	set_supply("BAT1", "scope", "System\n");
	assert_false(look(&l, NULL));
	set_battery("BAT1", "90\n", "Discharging\n");
	assert_fine(&l);
}

static void a_full_battery_is_always_enough(void **state)
{
	const struct pressure_limits l = { .battery_min = 99 };

	(void)state;
	set_battery("BAT0", "98\n", "Discharging\n");
	assert_false(look(&l, NULL));
	set_battery("BAT0", "99\n", "Discharging\n");
	assert_pressed(&l, "battery: 99 % in 'BAT0', 100 % wanted (pressure.battery_min + 10 %)");
	set_battery("BAT0", "104\n", "Discharging\n");
	assert_fine(&l);
}

static void a_battery_may_tell_energy_or_charge_only(void **state)
{
	const struct pressure_limits l = { .battery_min = 50 };

	(void)state;
	set_battery("BAT0", NULL, "Discharging\n");
	set_supply("BAT0", "energy_now", "1000000\n");
	set_supply("BAT0", "energy_full", "4000000\n");
	assert_pressed(&l, "battery: 25 % in 'BAT0', 50 % wanted (pressure.battery_min)");
	set_supply("BAT0", "energy_full", "0\n");
	set_supply("BAT0", "charge_now", "30\n");
	set_supply("BAT0", "charge_full", "40\n");
	assert_fine(&l);
}

static void without_a_battery_that_can_be_read_all_is_fine(void **state)
{
	const struct pressure_limits l = { .battery_min = 50 };

	(void)state;
	assert_not_looked_at(&l, "pressure.battery_min is not looked at: '/sys/class/power_supply' cannot be read");
	set_supply("ac", "type", "Mains\n");
	assert_not_looked_at(&l, "'/sys/class/power_supply' cannot be read");
	set_battery("BAT0", "half\n", "Discharging\n");
	assert_not_looked_at(&l, "'/sys/class/power_supply' cannot be read");
	set_battery("BAT0", "-5\n", "Discharging\n");
	assert_not_looked_at(&l, "'/sys/class/power_supply' cannot be read");
	os_sim_fail_kernel(sim, "/sys/class/power_supply/BAT0/capacity", ENODATA);
	assert_not_looked_at(&l, "'/sys/class/power_supply' cannot be read");
}

/* ---- network ---- */

static void set_net(const char *name, const char *operstate, const char *carrier)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
	os_sim_set_kernel(sim, path, operstate);
	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	os_sim_set_kernel(sim, path, carrier);
}

static void any_interface_but_lo_will_do(void **state)
{
	const struct pressure_limits l = { .network = "any" };

	(void)state;
	set_net("lo", "unknown\n", "1\n");
	os_sim_set_kernel(sim, "/sys/class/net/bonding_masters", "\n");
	assert_pressed(&l, "network: no interface is up (pressure.network)");
	set_net("eth0", "down\n", "0\n");
	set_net("wlan0", "dormant\n", "1\n");
	assert_pressed(&l, "network: no interface is up (pressure.network)");
	set_net("wlan0", "up\n", "1\n");
	assert_fine(&l);
	set_net("wlan0", "lowerlayerdown\n", "0\n");
	set_net("ppp0", "unknown\n", "1\n");
	assert_fine(&l);
	set_net("ppp0", "unknown\n", "0\n");
	assert_false(look(&l, NULL));
	set_net("ppp0", "unknown\n", NULL);
	os_sim_fail_kernel(sim, "/sys/class/net/ppp0/carrier", EINVAL);
	assert_false(look(&l, NULL));
}

static void a_named_interface_must_be_up(void **state)
{
	const struct pressure_limits l = { .network = "wwan0" };

	(void)state;
	set_net("eth0", "up\n", "1\n");
	assert_pressed(&l, "network: interface 'wwan0' is not there (pressure.network)");
	set_net("wwan0", "down\n", "0\n");
	assert_pressed(&l, "network: interface 'wwan0' is not up (pressure.network)");
	set_net("wwan0", "unknown\n", "1\n");
	assert_fine(&l);
	set_net("wwan0", "garbage\n", "1\n");
	assert_false(look(&l, NULL));
}

static void a_name_of_an_interface_leads_nowhere_else(void **state)
{
	const struct pressure_limits up = { .network = "../net/eth0" }, dot = { .network = ".." };
	const struct pressure_limits none = { .network = "" };

	(void)state;
	set_net("eth0", "up\n", "1\n");
	os_sim_set_kernel(sim, "/sys/class/net/../net/eth0/operstate", "up\n");
	assert_pressed(&up, "network: interface '../net/eth0' is not there (pressure.network)");
	assert_false(look(&dot, NULL));
	assert_fine(&none);
}

static void without_sysfs_the_network_is_fine(void **state)
{
	const struct pressure_limits l = { .network = "any" };

	(void)state;
	assert_not_looked_at(&l, "pressure.network is not looked at: '/sys/class/net' cannot be read");
}

/* ---- the rest ---- */

static void a_command_without_a_loop_is_fine(void **state)
{
	static const char *const argv[] = { "/bin/false", NULL };
	const struct pressure_limits l = { .command = argv };

	(void)state;
	assert_fine(&l);
}

static void the_first_thing_that_is_short_is_the_reason(void **state)
{
	const struct pressure_limits l = { .memory_min = MIB, .disk_min = MIB, .network = "any" };

	(void)state;
	set_memory(2 * KIB);
	set_net("eth0", "down\n", "0\n");
	assert_pressed(&l, "network: no interface is up (pressure.network)");
	os_sim_set_space(sim, "/hub", 0, 0, 0);
	assert_pressed(&l, "disk '/hub': 0 bytes free, 1 MiB wanted (pressure.disk_min)");
	set_memory(0);
	assert_pressed(&l, "memory: 0 bytes available, 1 MiB wanted (pressure.memory_min)");
}

static void the_real_kernel_can_be_read(void **state)
{
	const struct pressure_limits l = {
		.memory_min = 1, .disk_min = 1, .inodes_min = 1, .load_max = 1e5, .psi_memory_max = 100,
		.psi_io_max = 100, .psi_cpu_max = 100, .temperature_max = 1000, .battery_min = 1,
	}, much = { .memory_min = INT64_MAX };
	struct pressure *real = NULL;

	(void)state;
	assert_int_equal(pressure_new(&real, os_linux(), NULL, "/", NULL, NULL, NULL), 0);
	if (!pressure_ok(real, &l, NULL, NULL, reason, sizeof(reason)))
		print_message("%s\n", reason);
	assert_false(pressure_ok(real, &much, NULL, NULL, reason, sizeof(reason)));
	assert_non_null(strstr(reason, "iB available, 8192 PiB wanted"));
	assert_in_range(os_linux()->cpus(NULL), 1, 65536);
	assert_int_equal(os_linux()->read_kernel(NULL, "/proc/nothing", reason, sizeof(reason)), -ENOENT);
	assert_int_equal(os_linux()->read_kernel(NULL, "/proc/self/stat", reason, 5), 4); /* a link */
	pressure_free(real);
}

static void a_clone_of_the_simulated_kernel_tells_the_same(void **state)
{
	const struct pressure_limits l = { .memory_min = MIB };
	struct os_sim *clone;
	struct pressure *q = NULL;

	(void)state;
	set_memory(2);
	clone = os_sim_clone(sim);
	set_memory(2 * KIB);
	assert_int_equal(pressure_new(&q, os_sim_os(clone), NULL, "/hub", NULL, NULL, NULL), 0);
	assert_false(pressure_ok(q, &l, NULL, NULL, reason, sizeof(reason)));
	assert_fine(&l);
	pressure_free(q);
	os_sim_free(clone);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_limits_nothing_is_read),
		T(each_limit_is_one_that_is_set),
		T(delays_double_from_5_s_to_5_min),
		T(memory_presses_and_must_get_better_by_the_margin),
		T(the_margin_can_be_set),
		T(what_is_there_never_looks_like_what_is_wanted),
		T(own_limits_count_beside_those_of_the_hub),
		T(hysteresis_belongs_to_a_name),
		T(a_value_counts_for_a_second),
		T(old_kernels_have_no_memavailable),
		T(huge_numbers_do_not_overflow),
		T(memory_that_cannot_be_read_is_fine_and_said_once),
		T(a_reason_that_does_not_fit_is_cut),
		T(the_hub_is_always_among_the_disks),
		T(each_disk_has_its_own_hysteresis),
		T(inodes_count_where_there_is_a_number_of_them),
		T(a_disk_that_is_not_there_is_short),
		T(the_same_path_is_read_once),
		T(a_path_of_the_simulated_disk_has_its_capacity),
		T(load_is_for_each_processor),
		T(load_that_cannot_be_read_is_fine_and_said_once),
		T(each_kind_of_stall_has_its_limit),
		T(a_kernel_without_psi_is_fine_and_that_is_said_once),
		T(what_own_limits_miss_is_said_with_their_key),
		T(the_hottest_zone_counts_in_millidegrees),
		T(only_the_named_zone_counts),
		T(zones_that_fail_to_read_are_left_out),
		T(a_zone_that_fails_for_a_moment_keeps_its_value),
		T(a_device_without_thermal_zones_is_fine),
		T(a_battery_counts_unless_it_is_being_charged),
		T(the_emptiest_of_several_batteries_counts),
		T(a_full_battery_is_always_enough),
		T(a_battery_may_tell_energy_or_charge_only),
		T(without_a_battery_that_can_be_read_all_is_fine),
		T(any_interface_but_lo_will_do),
		T(a_named_interface_must_be_up),
		T(a_name_of_an_interface_leads_nowhere_else),
		T(without_sysfs_the_network_is_fine),
		T(a_command_without_a_loop_is_fine),
		T(the_first_thing_that_is_short_is_the_reason),
		T(the_real_kernel_can_be_read),
		T(a_clone_of_the_simulated_kernel_tells_the_same),
	};

	return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
