/* clock.c - is the wall clock right, does it survive a power cut, what has it been before? */
#include "doctor/doctor.h"
#include "base/text.h"
#include "os/clock_state.h"

#define SECOND_NS 1000000000
#define BACK_NS (10LL * SECOND_NS)

static int is_rtc(void *arg, const char *name)
{
	bool *found = arg;

	*found |= strncmp(name, "rtc", 3) == 0;
	return 0;
}

static bool has_rtc(const struct doctor *d)
{
	bool found = false;

	(void)d->os->list_kernel(d->os->self, "/sys/class/rtc", is_rtc, &found);
	return found;
}

/* The hub's files know of a later time than now: the clock went back, as it does without a battery. */
struct newest {
	const struct doctor *d;
	int64_t ns;
};

static void look_at_time(struct newest *n, const char *path)
{
	struct os_stat st;

	if (n->d->os->stat(n->d->os->self, n->d->dir, path, &st) >= 0 && st.mtime_ns > n->ns)
		n->ns = st.mtime_ns;
}

static int look_at_segment(void *arg, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "journal/%.100s", name);
	look_at_time(arg, path);
	return 0;
}

static int64_t time_of_hub(const struct doctor *d)
{
	static const char *const names[] = { "FORMAT", "LOCK", "CLOCK", "journal", "instances", "archive" };
	struct newest n = { d, 0 };

	if (!d->is_hub_dir || d->dir < 0)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		look_at_time(&n, names[i]);
	(void)d->os->list(d->os->self, d->dir, "journal", look_at_segment, &n);
	return n.ns;
}

static void look_at_wall(struct doctor *d)
{
	int64_t now = d->os->real_ns(d->os->self);
	int sync = d->machine->synchronised;
	bool rtc = has_rtc(d);
	char text[TEXT_TIME_SIZE];

	text_time(text, now);
	struct doctor_finding *f = doctor_add(d, DOCTOR_CLOCKS, "wall clock", DOCTOR_OK, "%.19sZ, %s, %s", text,
		sync > 0 ? "synchronised" : sync == 0 ? "not synchronised" : "whether synchronised cannot be told",
			rtc ? "a real-time clock" : "no real-time clock");
	if (!os_clock_is_set(now))
		doctor_advise(f, DOCTOR_WARNING, "it is not set: calendar times (pawl_sleep_until, start --at) are "
			"wrong until it is; run an NTP client, or keep the time of the last stop");
	else if (now + BACK_NS < time_of_hub(d))
		doctor_advise(f, DOCTOR_WARNING, "the hub has files from later than now, so the clock went back: set "
			"it before the runtime starts (timers.after_reboot says what delays do)");
	else if (sync == 0)
		doctor_advise(f, DOCTOR_NOTE, "run an NTP client when calendar times matter; delays do not need it");
	if (!rtc && d->config->timers.after_reboot == CONFIG_AFTER_REBOOT_WALL)
		doctor_advise(f, DOCTOR_NOTE, "nobody knows how long the device was off: timers.after_reboot decides "
			"what delays do then, now it trusts the wall clock");
}

void doctor_clocks(struct doctor *d)
{
	int64_t boot = d->os->boot_ns(d->os->self), asleep = boot - d->machine->awake_ns;
	char id[OS_BOOT_ID_SIZE] = "", up[TEXT_TIME_SIZE], slept[TEXT_TIME_SIZE];

	look_at_wall(d);
	text_duration(up, boot / 1000000);
	text_duration(slept, asleep > SECOND_NS ? asleep / 1000000 : 0);
	struct doctor_finding *f = doctor_add(d, DOCTOR_CLOCKS, "boot clock", DOCTOR_OK, "up %s, %s of it suspended",
		up, slept);
	doctor_number(f, "up_ms", (uint64_t)(boot > 0 ? boot / 1000000 : 0));
	doctor_number(f, "suspended_ms", (uint64_t)(asleep > 0 ? asleep / 1000000 : 0));
	int rc = d->os->boot_id(d->os->self, id);
	f = doctor_add(d, DOCTOR_CLOCKS, "boot id", DOCTOR_OK, "%.60s", rc < 0 ? strerror(-rc) : id);
	if (rc < 0)
		doctor_advise(f, DOCTOR_PROBLEM, "mount /proc: without the boot id no runtime starts");
}
