/* test_doctor.c - the probes of `pawl doctor` over a simulated kernel: each thing that may be wrong, one at a time. The real
 * one: tests/e2e/test_doctor.sh. */
#include "doctor/doctor.h"
#include "os/os_sim.h"
#include "unit/history_lines.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define US INT64_C(1000)
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define NOW (INT64_C(4000000000) * SECOND + 5) /* after any build of it: SOURCE_DATE_EPOCH */
#define DISK "/sys/dev/block/8:2/"
#define STARTED "{\"seq\":1,\"time\":\"2026-11-21T12:41:00.123456Z\",\"type\":\"ExecutionStarted\",\"name\":\"flow\",\"version\":\"1.0.0\"," \
	"\"seed\":\"0123456789abcdeffedcba9876543210\"}"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct world {
	struct os_sim *sim;
	struct os os;          /* the simulated one, with what a test has put in place of some of it */
	int64_t flush_ns;
	struct config config;
	struct doctor_machine machine;
	struct pawl_provider *owner, *reader;
	struct doctor d;
} w;

static int slow_sync(void *self, int fd)
{
	os_sim_advance(w.sim, w.flush_ns);
	return os_sim_os(w.sim)->sync_data(self, fd);
}

/* Numbers of descriptors cannot be foretold here. */
static int read_kernel(void *self, const char *path, char *buf, size_t size)
{
	if (strncmp(path, "/proc/self/fdinfo/", 18) == 0)
		return snprintf(buf, size, "pos:\t0\nflags:\t0100000\nmnt_id:\t27\nino:\t2\n");
	return os_sim_os(w.sim)->read_kernel(self, path, buf, size);
}

static void reset_os(void)
{
	w.os = *os_sim_os(w.sim);
	w.os.sync_data = slow_sync;
	w.os.read_kernel = read_kernel;
}

/* ---- the machine ---- */

static void set_mount(const char *device, const char *options, const char *type, const char *source, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "21 27 0:21 / /proc rw,relatime - proc proc rw\n27 1 %s / /data %s shared:1 master:2 - %s %s %s\n", device, options,
		type, source, more);
	os_sim_set_kernel(w.sim, "/proc/self/mountinfo", text);
}

static void set_disk(const char *base, const char *name, const char *rotational, const char *cache)
{
	char path[160], text[80];

	snprintf(path, sizeof(path), "%suevent", base);
	snprintf(text, sizeof(text), "MAJOR=8\nMINOR=2\nDEVNAME=%s\nDEVTYPE=disk\n", name);
	os_sim_set_kernel(w.sim, path, text);
	snprintf(path, sizeof(path), "%squeue/rotational", base);
	os_sim_set_kernel(w.sim, path, rotational);
	snprintf(path, sizeof(path), "%squeue/write_cache", base);
	os_sim_set_kernel(w.sim, path, cache);
}

/* A machine without a fault: every test takes away one thing. */
static void set_kernel(void)
{
	set_mount("8:2", "rw,noatime", "ext4", "/dev/sda2", "rw");
	set_disk(DISK, "sda", "0\n", "write back\n");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_watches", "65536\n");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_instances", "128\n");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_queued_events", "16384\n");
	os_sim_set_kernel(w.sim, "/proc/self/limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max file size             unlimited            unlimited            bytes     \n"
		"Max open files            1024                 4096                 files     \n"
		"Max address space         unlimited            unlimited            bytes     \n");
	os_sim_set_kernel(w.sim, "/proc/self/status", "Name:\tpawl\nUmask:\t0022\nCapEff:\t000001ffffffffff\n");
	os_sim_set_kernel(w.sim, "/sys/class/rtc/rtc0/name", "rtc_cmos");
}

static int setup(void **state)
{
	struct pawl_provider_options options = { .hub = "hub", .create = true, .journal_bytes = 65536 };
	struct buf line = BUF_INIT;

	w = (struct world){ .sim = os_sim_new(1), .flush_ns = 300 * US,
		.d = { .dir = -1 }, .machine = { .synchronised = 1, .awake_ns = INT64_MAX, .shim = "/usr/libexec/pawl/pawl-shim" } };
	os_sim_set_real(w.sim, NOW);
	reset_os();
	options.os = os_sim_os_process(w.sim, 1);
	assert_int_equal(config_init(&w.config), 0);
	w.config.journal.segment_bytes = 65536;
	assert_int_equal(pawl_provider_fs.open(&options, &w.owner, NULL), 0);
	assert_int_equal(w.owner->ops->acquire(w.owner, NULL), 0);
	add_line(&line, STARTED);
	struct pawl_record create = { .instance = "a", .execution = 1, .data = line.data, .len = line.len, .create = true };
	struct pawl_batch batch = { &create, 1, NULL, 0 };
	assert_int_equal(pawl_provider_commit(w.owner, &batch, NULL), 0);
	buf_release(&line);
	set_kernel();
	(void)state;
	return 0;
}

static int teardown(void **state)
{
	doctor_release(&w.d);
	if (w.reader)
		w.reader->ops->close(w.reader);
	if (w.owner)
		w.owner->ops->close(w.owner);
	config_release(&w.config);
	os_sim_free(w.sim);
	(void)state;
	return 0;
}

static void examine(const char *path)
{
	struct pawl_provider_options options = { .hub = path, .read_only = true, .allow_volatile = true, .os = &w.os };

	doctor_release(&w.d);
	if (w.reader)
		w.reader->ops->close(w.reader);
	w.reader = NULL;
	w.d = (struct doctor){ .os = &w.os, .path = path, .config = &w.config, .machine = &w.machine, .dir = -1 };
	(void)pawl_provider_fs.open(&options, &w.reader, &w.d.hub_error);
	w.d.provider = w.reader;
	doctor_run(&w.d);
}

static const struct doctor_finding *find(const char *check)
{
	for (size_t i = 0; i < w.d.count; i++)
		if (strcmp(w.d.findings[i].check, check) == 0)
			return &w.d.findings[i];
	return NULL;
}

#define expect(check, verdict, in_value, in_advice) expect_((check), (verdict), (in_value), (in_advice), __FILE__, __LINE__)
static void expect_(const char *check, enum doctor_verdict verdict, const char *in_value, const char *in_advice, const char *file, int line)
{
	const struct doctor_finding *f = find(check);

	if (f && f->verdict == verdict && strstr(f->value, in_value) && strstr(f->advice, in_advice))
		return;
	print_error("%s: %s '%s' -> '%s'\nwanted %s '%s' -> '%s'\n", check, f ? doctor_verdict_name(f->verdict) : "no finding", f ? f->value : "",
		f ? f->advice : "", doctor_verdict_name(verdict), in_value, in_advice);
	_fail(file, line);
}

static void expect_verdict(const char *check, enum doctor_verdict verdict)
{
	expect(check, verdict, "", "");
}

/* ---- the whole ---- */

static void a_machine_without_a_fault_is_told_so(void **state)
{
	(void)state;
	examine("hub");
	for (size_t i = 0; i < w.d.count; i++)
		expect_verdict(w.d.findings[i].check, DOCTOR_OK);
	assert_true(w.d.count > 20);
	assert_int_equal(doctor_worst(&w.d), DOCTOR_OK);
	assert_false(doctor_found_damage(&w.d));
	expect("file system", DOCTOR_OK, "ext4 on /dev/sda2", "");
	expect("medium", DOCTOR_OK, "a solid-state disk, sda, write cache: write back", "");
	expect("flush", DOCTOR_OK, "p50 300 us, p99 300 us", "");
	assert_non_null(strstr(buf_str(&find("flush")->numbers), ",\"p50_us\":300,\"p99_us\":300"));
	expect("runtime", DOCTOR_OK, "runs it", "");
	expect("instances", DOCTOR_OK, "1 live", "");
	expect("inotify", DOCTOR_OK, "this hub wants 5 watches", "");
}

static int count_name(void *arg, const char *name)
{
	int *n = arg;

	(*n)++;
	assert_null(strstr(name, "doctor"));
	return 0;
}

static int names_in(const char *dir)
{
	int n = 0;

	assert_int_equal(w.os.list(w.os.self, OS_CWD, dir, count_name, &n), 0);
	return n;
}

static void nothing_is_left_behind(void **state)
{
	int before = names_in("hub"), above = names_in(".");

	(void)state;
	/* of one that was killed: its pid is nobody's */
	assert_int_equal(w.os.mkdir(w.os.self, OS_CWD, "hub/.pawl-doctor-999999", 0700), 0);
	examine("hub");
	assert_int_equal(names_in("hub"), before);
	examine("hub/not/yet/there");
	examine("other");
	assert_int_equal(names_in("hub"), before);
	assert_int_equal(names_in("."), above);
}

static void whatever_call_fails_it_ends_and_closes_what_it_has_opened(void **state)
{
	unsigned before;
	uint64_t n = 0;
	bool fired;

	(void)state;
	before = os_sim_open_count(w.sim, 0);
	do {
		n++;
		os_sim_fail_nth(w.sim, n, n % 2 ? EIO : ENOSPC, false);
		examine("hub");
		fired = os_sim_fault_fired(w.sim);
		os_sim_fail_nth(w.sim, 0, 0, false);
		doctor_release(&w.d);
		if (w.reader)
			w.reader->ops->close(w.reader);
		w.reader = NULL;
		if (os_sim_open_count(w.sim, 0) != before) fail_msg("n %d", (int)n);
		assert_int_equal(os_sim_bad_fd_count(w.sim), 0);
	} while (fired);
	assert_true(n > 60);
}

static void with_no_hub_yet_the_directory_above_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(w.os.mkdir(w.os.self, OS_CWD, "var", 0755), 0);
	examine("var/lib/pawl");
	expect("directory", DOCTOR_NOTE, "'var/lib/pawl' is not there yet: 'var' is looked at", "");
	expect("hub", DOCTOR_OK, "none in 'var/lib/pawl' yet", "pawl run");
	expect_verdict("flush", DOCTOR_OK);
	expect_verdict("locks", DOCTOR_OK);
	assert_null(find("rights"));
	examine("other");
	expect("directory", DOCTOR_NOTE, "'.' is looked at", "");
	examine("var/");
	assert_null(find("directory"));
}

/* ---- storage ---- */

static void each_kind_of_file_system_has_its_word(void **state)
{
	static const struct { enum os_fs_kind kind; enum doctor_verdict verdict; const char *advice; } cases[] = {
		{ OS_FS_XFS, DOCTOR_OK, "" }, { OS_FS_F2FS, DOCTOR_OK, "" }, { OS_FS_UBIFS, DOCTOR_OK, "" }, { OS_FS_BTRFS, DOCTOR_NOTE, "wear" },
		{ OS_FS_TMPFS, DOCTOR_PROBLEM, "allow_volatile" }, { OS_FS_OVERLAY, DOCTOR_WARNING, "mount of its own" },
		{ OS_FS_NETWORK, DOCTOR_WARNING, "local" }, { OS_FS_FUSE, DOCTOR_WARNING, "FUSE" }, { OS_FS_OTHER, DOCTOR_WARNING, "tested on" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		os_sim_set_fs(w.sim, cases[i].kind, false);
		examine("hub");
		expect("file system", cases[i].verdict, "", cases[i].advice);
	}
	w.config.allow_volatile = true;
	os_sim_set_fs(w.sim, OS_FS_TMPFS, false);
	examine("hub");
	expect_verdict("file system", DOCTOR_WARNING);
	expect("flush", DOCTOR_NOTE, "not measured", "");
}

static void a_read_only_file_system_is_a_problem_and_nothing_is_tried_on_it(void **state)
{
	(void)state;
	os_sim_set_fs(w.sim, OS_FS_EXT4, true);
	examine("hub");
	expect("file system", DOCTOR_PROBLEM, "", "read-only");
	expect("flush", DOCTOR_NOTE, "is read-only", "");
	expect("files", DOCTOR_NOTE, "not tried", "");
	expect("instances", DOCTOR_OK, "1 live", "");
}

static void mount_options_that_break_promises_are_told(void **state)
{
	static const struct { const char *mount, *type, *super; enum doctor_verdict verdict; const char *advice; } cases[] = {
		{ "rw,noatime", "ext4", "rw,nobarrier", DOCTOR_PROBLEM, "nobarrier: mount without it" },
		{ "rw,noatime", "ext4", "rw,barrier=0,data=ordered", DOCTOR_PROBLEM, "barrier=0: " },
		{ "rw,noatime", "ext4", "rw,barrier=1", DOCTOR_OK, "" },
		{ "rw,noatime", "f2fs", "rw,fsync_mode=nobarrier", DOCTOR_PROBLEM, "fsync_mode=posix" },
		{ "rw,noatime", "f2fs", "rw,fsync_mode=posix", DOCTOR_OK, "" },
		{ "rw,noatime", "overlay", "rw,lowerdir=/a,upperdir=/b,volatile", DOCTOR_PROBLEM, "ignores every sync" },
		{ "rw,noatime", "ext4", "rw,data=writeback", DOCTOR_WARNING, "data=ordered" },
		{ "rw,noatime", "ext4", "rw,data=journal", DOCTOR_NOTE, "twice" },
		{ "rw,noatime", "ext4", "rw,data=writeback,nobarrier", DOCTOR_PROBLEM, "nobarrier" },
		{ "rw,sync,noatime", "ext4", "rw", DOCTOR_NOTE, "sync: " },
		{ "rw,dirsync", "ext4", "rw", DOCTOR_NOTE, "dirsync: " },
		{ "rw,strictatime", "ext4", "rw", DOCTOR_NOTE, "noatime" },
		{ "rw,relatime", "ext4", "rw", DOCTOR_OK, "noatime" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		set_mount("8:2", cases[i].mount, cases[i].type, "/dev/sda2", cases[i].super);
		examine("hub");
		expect("mount options", cases[i].verdict, cases[i].super, cases[i].advice);
	}
	os_sim_set_kernel(w.sim, "/proc/self/mountinfo", NULL);
	examine("hub");
	expect("mount options", DOCTOR_NOTE, "cannot tell", "");
	expect("file system", DOCTOR_OK, "ext4", "");
	expect("medium", DOCTOR_OK, "cannot be told", "");
}

static void the_medium_under_it_is_found(void **state)
{
	(void)state;
	/* a partition: what is asked is of the disk */
	os_sim_set_kernel(w.sim, DISK "partition", "2\n");
	set_disk(DISK, "sda2", NULL, NULL);
	set_disk(DISK "../", "sda", "1\n", "write through\n");
	os_sim_set_kernel(w.sim, DISK "uevent", "DEVNAME=sda2\n");
	os_sim_set_kernel(w.sim, DISK "../device/model", "ST4000VN008     \n");
	os_sim_set_kernel(w.sim, DISK "../device/vendor", "ATA     \n");
	w.flush_ns = 8 * MS;
	examine("hub");
	expect("medium", DOCTOR_NOTE, "a rotating disk, sda2, ST4000VN008, write cache: write through", "no flushes");
	os_sim_set_kernel(w.sim, DISK "../device/vendor", "QEMU\n");
	examine("hub");
	expect("medium", DOCTOR_NOTE, "a virtual disk, sda2, QEMU ST4000VN008", "up to the host");
	/* an encrypted volume on a card */
	set_mount("253:0", "rw,noatime", "ext4", "/dev/mapper/data", "rw");
	os_sim_set_kernel(w.sim, "/sys/dev/block/253:0/slaves/mmcblk0p3/size", "1");
	set_disk("/sys/class/block/mmcblk0p3/", "mmcblk0p3", "0\n", "write back\n");
	os_sim_set_kernel(w.sim, "/sys/class/block/mmcblk0p3/device/name", "SD32G\n");
	examine("hub");
	expect("medium", DOCTOR_OK, "an eMMC or SD card, mmcblk0p3, SD32G, write cache: write back", "");
	/* btrfs has no device number of its own */
	set_mount("0:45", "rw,noatime", "btrfs", "/dev/nvme0n1p2", "rw");
	set_disk("/sys/class/block/nvme0n1p2/", "nvme0n1p2", "0\n", "write back\n");
	examine("hub");
	expect("medium", DOCTOR_OK, "a solid-state disk, nvme0n1p2", "");
}

static void media_that_forget_or_cannot_promise_are_told(void **state)
{
	static const struct { const char *name; enum doctor_verdict verdict; const char *value, *advice; } cases[] = {
		{ "zram0", DOCTOR_PROBLEM, "memory", "forgets" }, { "ram1", DOCTOR_PROBLEM, "memory", "forgets" },
		{ "loop3", DOCTOR_NOTE, "loop device", "--dir" }, { "vda", DOCTOR_NOTE, "virtual", "host" }, { "nbd0", DOCTOR_NOTE, "virtual", "host" },
		{ "mtdblock5", DOCTOR_WARNING, "raw flash", "UBIFS" }, { "mmcblk0p1", DOCTOR_OK, "card", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		set_disk(DISK, cases[i].name, "0\n", "write back\n");
		examine("hub");
		expect("medium", cases[i].verdict, cases[i].value, cases[i].advice);
	}
	set_mount("0:22", "rw,noatime", "ubifs", "ubi0:data", "rw");
	examine("hub");
	expect("medium", DOCTOR_OK, "raw flash", "");
}

static void a_worn_medium_is_told(void **state)
{
	static const struct { const char *life, *eol; enum doctor_verdict verdict; const char *value, *advice; } cases[] = {
		{ "0x01 0x02\n", "0x01\n", DOCTOR_OK, "up to 20 %", "" }, { "0x09 0x01\n", "0x01\n", DOCTOR_WARNING, "up to 90 %", "plan to replace" },
		{ "0x03 0x03\n", "0x02\n", DOCTOR_WARNING, "up to 30 %", "plan to replace" },
		{ "0x0b 0x01\n", "0x01\n", DOCTOR_PROBLEM, "up to 110 %", "replace it now" },
		{ "0x01 0x01\n", "0x03\n", DOCTOR_PROBLEM, "up to 10 %", "replace it now" },
		{ "nonsense\n", "", DOCTOR_OK, "512 MiB written since boot; 2048 MiB in the life", "" },
	};

	(void)state;
	set_disk(DISK, "mmcblk0p2", "0\n", "write back\n");
	os_sim_set_kernel(w.sim, DISK "stat", "  10 0 80 5 77 0 1048576 9 0 0 0 0 0 0 0 33 4\n");
	os_sim_set_kernel(w.sim, DISK "uevent", "MAJOR=179\nDEVNAME=mmcblk0p2\nDEVTYPE=partition\n");
	os_sim_set_kernel(w.sim, "/sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes", "2097152\n");
	for (size_t i = 0; i < COUNT(cases); i++) {
		os_sim_set_kernel(w.sim, DISK "device/life_time", cases[i].life);
		os_sim_set_kernel(w.sim, DISK "device/pre_eol_info", cases[i].eol);
		examine("hub");
		expect("wear", cases[i].verdict, cases[i].value, cases[i].advice);
	}
	os_sim_set_kernel(w.sim, "/sys/class/ubi/ubi3/max_ec", "1234\n");
	os_sim_set_kernel(w.sim, "/sys/class/ubi/ubi3/bad_peb_count", "2\n");
	set_mount("0:22", "rw,noatime", "ubifs", "ubi3:data", "rw");
	examine("hub");
	expect("wear", DOCTOR_OK, "erased 1234 times, 2 are bad", "");
}

static void a_flush_that_is_too_fast_to_be_true_is_told(void **state)
{
	static const struct { const char *name, *rotational; int64_t flush_ns; enum doctor_verdict verdict; const char *advice; } cases[] = {
		{ "sda", "0\n", 1 * US, DOCTOR_PROBLEM, "nothing is flushed" }, { "vda", "1\n", 1 * US, DOCTOR_PROBLEM, "nothing is flushed" },
		{ "sda", "0\n", 20 * US, DOCTOR_OK, "" }, { "mmcblk0", "0\n", 20 * US, DOCTOR_PROBLEM, "the disk is lying" },
		{ "mmcblk0", "0\n", 2 * MS, DOCTOR_OK, "" }, { "sda", "1\n", 80 * US, DOCTOR_WARNING, "may be lying" },
		{ "sda", "1\n", 8 * MS, DOCTOR_OK, "" }, { "vda", "1\n", 80 * US, DOCTOR_OK, "cannot be told" },
		{ "mmcblk0", "0\n", 40 * MS, DOCTOR_NOTE, "share one" }, { "mmcblk0", "0\n", 700 * MS, DOCTOR_WARNING, "watchdogs" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		set_disk(DISK, cases[i].name, cases[i].rotational, "write back\n");
		w.flush_ns = cases[i].flush_ns;
		examine("hub");
		expect("flush", cases[i].verdict, "p50", cases[i].advice);
	}
	/* a budget of time: not all rounds on a medium that takes seconds */
	w.flush_ns = 4 * SECOND;
	examine("hub");
	expect("flush", DOCTOR_WARNING, "(3 times", "");
}

static void a_flush_that_fails_is_a_problem(void **state)
{
	(void)state;
	os_sim_fail_ops(w.sim, OS_SIM_OP_SYNC);
	os_sim_fail_nth(w.sim, 1, EIO, true);
	examine("hub");
	expect("flush", DOCTOR_PROBLEM, "fails", "no commit");
	expect("directory sync", DOCTOR_PROBLEM, "", "names of new files");
}

static void space_is_judged_by_what_the_hub_and_the_configuration_want(void **state)
{
	(void)state;
	os_sim_set_space(w.sim, "hub", 60000, 100000, 200000);
	examine("hub");
	expect("space", DOCTOR_PROBLEM, "0 MiB", "journal segment");
	os_sim_set_space(w.sim, "hub", 300000, 100000, 200000);
	examine("hub");
	expect("space", DOCTOR_WARNING, "", "pressure.disk_min");
	os_sim_set_space(w.sim, "hub", 100 << 20, 100000, 200000);
	examine("hub");
	expect("space", DOCTOR_OK, "100 MiB", "");
	w.config.pressure.disk_min = 200 << 20;
	examine("hub");
	expect("space", DOCTOR_WARNING, "", "below pressure.disk_min");
	w.config.retention.free_min = 300 << 20;
	examine("hub");
	expect("space", DOCTOR_WARNING, "", "below retention.free_min");
	os_sim_set_space(w.sim, "hub", INT64_C(1) << 40, 500, 200000);
	examine("hub");
	expect("inodes", DOCTOR_WARNING, "500 of 200000", "retention");
	os_sim_set_space(w.sim, "hub", INT64_C(1) << 40, 10, 200000);
	examine("hub");
	expect("inodes", DOCTOR_PROBLEM, "", "remove files");
	os_sim_set_space(w.sim, "hub", INT64_C(1) << 40, 0, 0);
	examine("hub");
	assert_null(find("inodes"));
	os_sim_set_space(w.sim, ".", 100000, 100000, 200000);
	examine("other"); /* the journal is still to be made */
	expect("space", DOCTOR_PROBLEM, "", "the journal alone");
}

/* ---- files ---- */

static enum os_lease lease_all(void *self, int fd)
{
	(void)self;
	(void)fd;
	return OS_LEASE_GRANTED;
}

static enum os_lease lease_none(void *self, int fd)
{
	(void)self;
	(void)fd;
	return OS_LEASE_WRITER;
}

static void leases_are_tried_with_and_without_a_writer(void **state)
{
	(void)state;
	w.os.lease = lease_all;
	examine("hub");
	expect("leases", DOCTOR_WARNING, "although a writer", "rename");
	w.os.lease = lease_none;
	examine("hub");
	expect("leases", DOCTOR_WARNING, "although nobody", "");
	w.os.lease = os_sim_os(w.sim)->lease;
	os_sim_set_leases(w.sim, false);
	examine("hub");
	expect("leases", DOCTOR_NOTE, "none", "2 s apart");
	os_sim_set_leases(w.sim, true);
	os_sim_set_kernel(w.sim, "/proc/self/status", "Umask:\t0022\nCapEff:\t0000000000000000\n");
	examine("hub");
	expect("leases", DOCTOR_NOTE, "work", "this process has no CAP_LEASE");
}

static int yes(void *self, int fd)
{
	(void)self;
	(void)fd;
	return 0;
}

static int open_always(void *self, int dir, const char *path, int flags, unsigned mode)
{
	return os_sim_os(w.sim)->open(self, dir, path, flags & ~OS_EXCL, mode);
}

static int rename_nothing(void *self, int from_dir, const char *from, int to_dir, const char *to)
{
	(void)self;
	(void)from_dir;
	(void)from;
	(void)to_dir;
	(void)to;
	return 0;
}

static int no_links(void *self, const char *target, int dir, const char *path)
{
	(void)self;
	(void)target;
	(void)dir;
	(void)path;
	return -EPERM;
}

static int watch_nothing(void *self, int watch, int (*each)(void *, int, uint32_t, const char *), void *arg)
{
	(void)self;
	(void)watch;
	(void)each;
	(void)arg;
	return 0;
}

static int watch_full(void *self)
{
	(void)self;
	return -EMFILE;
}

static void what_pawl_is_built_on_is_tried_and_not_believed(void **state)
{
	(void)state;
	w.os.lock = yes;
	w.os.open = open_always;
	w.os.rename = rename_nothing;
	w.os.symlink = no_links;
	w.os.watch_read = watch_nothing;
	examine("hub");
	expect("locks", DOCTOR_PROBLEM, "granted twice", "two runtimes");
	expect("exclusive create", DOCTOR_PROBLEM, "made twice", "");
	expect("rename over", DOCTOR_PROBLEM, "still there", "");
	expect("symbolic links", DOCTOR_PROBLEM, "ermitted", "queue");
	expect("notification", DOCTOR_WARNING, "tells nothing", "rescan");
	reset_os();
	w.os.watch_open = watch_full;
	examine("hub");
	expect("notification", DOCTOR_WARNING, "no inotify instance", "max_user_instances");
	expect_verdict("locks", DOCTOR_OK);
}

static int stat_elsewhen(void *self, int fd, struct os_stat *st)
{
	int rc = os_sim_os(w.sim)->stat_fd(self, fd, st);

	st->mtime_ns = (st->mtime_ns / SECOND - 60) * SECOND;
	return rc;
}

static void the_clock_of_a_file_server_is_compared(void **state)
{
	(void)state;
	w.os.stat_fd = stat_elsewhen;
	examine("hub");
	expect("file times", DOCTOR_WARNING, "whole seconds", "another clock");
	reset_os();
	w.flush_ns = SECOND; /* advances the clock, too */
	os_sim_set_real(w.sim, NOW / SECOND * SECOND);
	examine("hub");
	expect("file times", DOCTOR_NOTE, "whole seconds, 0 ms", "");
}

/* ---- kernel and clocks ---- */

static void limits_that_are_too_low_are_told(void **state)
{
	(void)state;
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_watches", "4\n");
	examine("hub");
	expect("inotify", DOCTOR_WARNING, "4 watches", "max_user_watches");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_watches", "8192\n");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_instances", "8\n");
	os_sim_set_kernel(w.sim, "/proc/self/limits", "Max file size             4096  4096 bytes\nMax open files            256  4096 files\nMax address space         33554432 1 bytes\n");
	os_sim_set_kernel(w.sim, "/proc/self/status", "Umask:\t0000\n");
	examine("hub");
	expect("inotify", DOCTOR_WARNING, "", "max_user_instances");
	expect("limits", DOCTOR_PROBLEM, "open files 256, file size 4096", "LimitFSIZE");
	expect("umask", DOCTOR_WARNING, "0000", "022");
	os_sim_set_kernel(w.sim, "/proc/self/limits", "Max open files            256  4096 files\n");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_instances", "128\n");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_queued_events", "10\n");
	examine("hub");
	expect("limits", DOCTOR_WARNING, "", "LimitNOFILE");
	expect("inotify", DOCTOR_NOTE, "10 events", "");
	os_sim_set_kernel(w.sim, "/proc/sys/fs/inotify/max_user_instances", NULL);
	os_sim_set_kernel(w.sim, "/proc/self/limits", NULL);
	examine("hub");
	expect("inotify", DOCTOR_NOTE, "cannot tell", "");
	expect("limits", DOCTOR_NOTE, "cannot tell", "");
}

static void limits_are_those_of_the_runtime_when_it_lives(void **state)
{
	struct os_process_id id;
	char path[64];

	(void)state;
	assert_int_equal(os_sim_os_process(w.sim, 1)->self_id(os_sim_os_process(w.sim, 1)->self, &id), 0);
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)id.pid);
	os_sim_set_kernel(w.sim, path, "Max open files            64  4096 files\n");
	examine("hub");
	expect("limits", DOCTOR_WARNING, "of the runtime: open files 64", "");
}

static void what_hides_processes_and_the_shim_is_told(void **state)
{
	(void)state;
	os_sim_set_kernel(w.sim, "/proc/self/mountinfo", "21 27 0:21 / /proc rw,relatime - proc proc rw,hidepid=invisible\n27 1 8:2 / / rw,noatime - ext4 /dev/sda2 rw\n");
	w.machine = (struct doctor_machine){ .synchronised = 0, .pid_namespace = 4026532000u, .shim_error = "cannot find it" };
	examine("hub");
	expect("processes", DOCTOR_NOTE, "hidepid", "container");
	expect("pawl-shim", DOCTOR_PROBLEM, "cannot find it", "make install");
	expect("wall clock", DOCTOR_NOTE, "not synchronised", "NTP");
}

static void a_clock_that_is_not_set_or_went_back_is_told(void **state)
{
	(void)state;
	os_sim_set_kernel(w.sim, "/sys/class/rtc/rtc0/name", NULL);
	examine("hub");
	expect("wall clock", DOCTOR_NOTE, "no real-time clock", "timers.after_reboot");
	os_sim_set_real(w.sim, NOW - 3600 * SECOND);
	examine("hub");
	expect("wall clock", DOCTOR_WARNING, "", "went back");
	os_sim_set_real(w.sim, 90 * SECOND);
	examine("hub");
	expect("wall clock", DOCTOR_WARNING, "1970-01-01", "not set");
}

/* ---- the hub ---- */

static void rights_that_are_too_wide_are_told(void **state)
{
	static const struct { const char *path; unsigned mode; enum doctor_verdict verdict; const char *advice; } cases[] = {
		{ "hub/control", 0755, DOCTOR_WARNING, "chmod 0700" }, { "hub/journal", 0775, DOCTOR_PROBLEM, "chmod 0755" },
		{ "hub/instances", 0777, DOCTOR_PROBLEM, "chmod 0775" }, { "hub/archive", 0757, DOCTOR_PROBLEM, "chmod 0755" },
		{ "hub/inbox", 01777, DOCTOR_NOTE, "group" }, { "hub", 0777, DOCTOR_PROBLEM, "chmod 0775" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(w.os.chmod(w.os.self, OS_CWD, cases[i].path, cases[i].mode), 0);
		examine("hub");
		expect("rights", cases[i].verdict, "", cases[i].advice);
		assert_int_equal(w.os.chmod(w.os.self, OS_CWD, cases[i].path, strcmp(cases[i].path, "hub/control") == 0 ? 0700 : 0755), 0);
	}
	examine("hub");
	expect("rights", DOCTOR_OK, "owns all of it", "");
	/* a group that may send is let in */
	assert_int_equal(w.os.chmod(w.os.self, OS_CWD, "hub/control", 03770), 0);
	examine("hub");
	expect("rights", DOCTOR_OK, "owns all of it", "");
	assert_int_equal(w.os.chmod(w.os.self, OS_CWD, "hub/control", 03772), 0);
	examine("hub");
	expect("rights", DOCTOR_WARNING, "", "chmod 3770");
}

static void how_the_last_runtime_ended_is_told(void **state)
{
	(void)state;
	w.owner->ops->close(w.owner);
	w.owner = NULL;
	examine("hub");
	expect("runtime", DOCTOR_OK, "stopped well", "");
	int fd = w.os.open(w.os.self, OS_CWD, "hub/LOCK", OS_WRITE | OS_TRUNC, 0);
	char boot[OS_BOOT_ID_SIZE], text[128];
	assert_int_equal(w.os.boot_id(w.os.self, boot), 0);
	int len = snprintf(text, sizeof(text), "pid 4\nstart 1\nboot %s\ndoubt\n", boot);
	assert_int_equal(w.os.pwrite(w.os.self, fd, text, (size_t)len, 0), len);
	w.os.close(w.os.self, fd);
	examine("hub");
	expect("runtime", DOCTOR_PROBLEM, "was killed", "a sync has failed");
}

static void put(const char *path, const char *text)
{
	int fd = w.os.open(w.os.self, OS_CWD, path, OS_WRITE | OS_CREATE | OS_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(w.os.pwrite(w.os.self, fd, text, strlen(text), 0), (ssize_t)strlen(text));
	w.os.close(w.os.self, fd);
}

static void what_needs_a_person_is_counted(void **state)
{
	struct pawl_dead_letter letter = { .id = "a.2", .text = "{}" };

	(void)state;
	w.owner->ops->note(w.owner, "a", "no code");
	(void)w.os.mkdir(w.os.self, OS_CWD, "hub/instances/a/events", 0755);
	assert_int_equal(w.os.mkdir(w.os.self, OS_CWD, "hub/instances/a/events/.rejected", 0755), 0);
	put("hub/instances/a/events/.rejected/go", "x");
	put("hub/instances/a/events/.rejected/go.why", "no");
	put("hub/instances/a/events/.rejected-went", "x");
	put("hub/instances/a/1.history.torn", "x");
	assert_int_equal(w.os.mkdir(w.os.self, OS_CWD, "hub/control/.rejected", 0755), 0);
	put("hub/control/.rejected/1-2", "x");
	assert_int_equal(w.owner->ops->bury(w.owner, &letter, NULL), 0);
	examine("hub");
	expect("instances", DOCTOR_NOTE, "1 live (1 parked, 0 deferred, 0 damaged)", "'a'");
	expect("rejected events", DOCTOR_NOTE, "3", ".why");
	expect("torn ends", DOCTOR_OK, "1", "harmless");
	expect("queue", DOCTOR_NOTE, "1 dead letters", "requeue");
	assert_false(doctor_found_damage(&w.d));
	assert_int_equal(w.owner->ops->quarantine(w.owner, "a", "broken", NULL), 0);
	examine("hub");
	expect("instances", DOCTOR_PROBLEM, "1 damaged", "pawl status");
	assert_true(doctor_found_damage(&w.d));
}

static void what_fsck_finds_is_told(void **state)
{
	(void)state;
	examine("hub");
	expect("data", DOCTOR_OK, "0 damaged, 0 warnings", "");
	assert_int_equal(w.os.mkdir(w.os.self, OS_CWD, "hub/instances/b", 0755), 0); /* the journal knows nothing of it */
	struct buf text = BUF_INIT;
	buf_adds(&text, "what is this?\n"); /* and no torn end, as good lines come behind it */
	add_line(&text, STARTED);
	put("hub/instances/b/1.history", buf_str(&text));
	buf_release(&text);
	examine("hub");
	expect("data", DOCTOR_PROBLEM, "1 damaged", "pawl fsck");
	assert_true(doctor_found_damage(&w.d));
}

static void a_hub_that_cannot_be_opened_is_told(void **state)
{
	(void)state;
	put("hub/FORMAT", "nonsense");
	examine("hub");
	expect("hub", DOCTOR_PROBLEM, "FORMAT", "fsck");
	assert_true(doctor_found_damage(&w.d));
	put("hub/FORMAT", "pawl hub\nformat 9\nid 00000000000000000000000000000000\n");
	examine("hub");
	expect("hub", DOCTOR_PROBLEM, "format 9", "the pawl that wrote it");
	assert_false(doctor_found_damage(&w.d));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_machine_without_a_fault_is_told_so),
		TEST(nothing_is_left_behind),
		TEST(whatever_call_fails_it_ends_and_closes_what_it_has_opened),
		TEST(with_no_hub_yet_the_directory_above_is_looked_at),
		TEST(each_kind_of_file_system_has_its_word),
		TEST(a_read_only_file_system_is_a_problem_and_nothing_is_tried_on_it),
		TEST(mount_options_that_break_promises_are_told),
		TEST(the_medium_under_it_is_found),
		TEST(media_that_forget_or_cannot_promise_are_told),
		TEST(a_worn_medium_is_told),
		TEST(a_flush_that_is_too_fast_to_be_true_is_told),
		TEST(a_flush_that_fails_is_a_problem),
		TEST(space_is_judged_by_what_the_hub_and_the_configuration_want),
		TEST(leases_are_tried_with_and_without_a_writer),
		TEST(what_pawl_is_built_on_is_tried_and_not_believed),
		TEST(the_clock_of_a_file_server_is_compared),
		TEST(limits_that_are_too_low_are_told),
		TEST(limits_are_those_of_the_runtime_when_it_lives),
		TEST(what_hides_processes_and_the_shim_is_told),
		TEST(a_clock_that_is_not_set_or_went_back_is_told),
		TEST(rights_that_are_too_wide_are_told),
		TEST(how_the_last_runtime_ended_is_told),
		TEST(what_needs_a_person_is_counted),
		TEST(what_fsck_finds_is_told),
		TEST(a_hub_that_cannot_be_opened_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
