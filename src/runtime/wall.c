/*
 * wall.c - see wall.h. CLOCK has a line for each step: boot, boot_ms, by_ms. It is not synced: without it a delay is as
 * the wall clock says, and no loop waits for a device.
 */
#include "runtime/runtime.h"
#include "base/scan.h"
#include "os/clock_state.h"
#include <stdlib.h>

#define FILE_NAME "CLOCK"
#define FILE_MAX 4096
#define STEP_NS (INT64_C(10) * 1000000000) /* less is drift, or care */
#define FAR_MS INT64_C(9000000000000)      /* 285 years: what 64 bits of nanoseconds hold */

static int64_t bounded(int64_t ms)
{
	return ms > FAR_MS ? FAR_MS : ms < -FAR_MS ? -FAR_MS : ms;
}

static void add_step(struct wall *w, const char *boot, int64_t boot_ms, int64_t by_ms)
{
	if (w->count == WALL_STEPS_MAX)
		memmove(&w->steps[0], &w->steps[1], --w->count * sizeof(w->steps[0]));
	struct wall_step *s = &w->steps[w->count++];
	*s = (struct wall_step){ .boot_ms = boot_ms, .by_ms = bounded(by_ms) };
	snprintf(s->boot, sizeof(s->boot), "%s", boot);
}

static void save(struct pawl_runtime *rt)
{
	const struct os *os = rt->os;
	char text[FILE_MAX];
	size_t len = 0;

	if (rt->wall.dir < 0)
		return;
	for (size_t n = 0; n < rt->wall.count; n++) {
		const struct wall_step *s = &rt->wall.steps[n];
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %lld %lld\n", s->boot, (long long)s->boot_ms, (long long)s->by_ms);
	}
	int rc = os_put_file(os, rt->wall.dir, FILE_NAME, text, len, 0640);
	if (rc < 0)
		log_warning("cannot write '%s/" FILE_NAME "': %s; a reboot will not know that the wall clock was set", rt->hub, strerror(-rc));
}

static void stepped(struct pawl_runtime *rt, int64_t boot_ms, int64_t by_ms)
{
	char by[TEXT_TIME_SIZE];

	text_duration(by, by_ms);
	log_notice("the wall clock was set by %s", by);
	add_step(&rt->wall, rt->boot, boot_ms, by_ms);
	save(rt);
}

void wall_open(struct pawl_runtime *rt)
{
	const struct os *os = rt->os;
	char *text = NULL, boot[9];
	uint64_t boot_ms, by_ms;
	size_t len;

	rt->wall.dir = os->open_root(os->self, rt->hub);
	if (rt->wall.dir >= 0 && os_read_file(os, rt->wall.dir, FILE_NAME, FILE_MAX, &text, &len) == 0)
		for (const char *line = text; line && *line; line = strchr(line, '\n')) {
			line += *line == '\n';
			const char *at = line;
			bool known = scan_run(&at, "0123456789abcdef", boot, sizeof(boot)) && scan_number(&at, &boot_ms), back = scan_word(&at, "-");
			if (known && scan_number(&at, &by_ms) && boot_ms <= INT64_MAX && by_ms <= INT64_MAX)
				add_step(&rt->wall, boot, (int64_t)boot_ms, back ? -(int64_t)by_ms : (int64_t)by_ms);
		}
	free(text);
	rt->wall.is_open = true;
	if (!os_clock_is_set(os->real_ns(os->self)))
		log_notice("the wall clock is not set: calendar times wait for it, delays do not");
	wall_look(rt, os->real_ns(os->self), os->boot_ns(os->self));
}

void wall_close(struct pawl_runtime *rt)
{
	if (rt->wall.is_open && rt->wall.dir >= 0)
		rt->os->close(rt->os->self, rt->wall.dir);
	rt->wall.is_open = false;
}

void wall_look(struct pawl_runtime *rt, int64_t real_ns, int64_t boot_ns)
{
	struct wall *w = &rt->wall;
	int64_t offset = real_ns - boot_ns, by = offset - w->offset_ns;

	w->offset_ns = offset;
	if (w->known && (by > STEP_NS || by < -STEP_NS))
		stepped(rt, boot_ns / 1000000, by / 1000000);
	w->known = true;
}

void wall_compare(struct pawl_runtime *rt, int64_t boot_ms, int64_t offset_ns)
{
	int64_t by = (rt->wall.offset_ns - offset_ns) / 1000000 - wall_shift_ms(rt, slice_of(rt->boot), boot_ms);

	if (by > STEP_NS / 1000000 || by < -STEP_NS / 1000000)
		stepped(rt, runtime_now_ms(rt), by);
}

int64_t wall_shift_ms(const struct pawl_runtime *rt, struct slice boot, int64_t boot_ms)
{
	int64_t shift = 0;

	for (size_t n = 0; n < rt->wall.count; n++) {
		const struct wall_step *s = &rt->wall.steps[n];
		if (s->boot_ms >= boot_ms && slice_is(boot, s->boot))
			shift = bounded(shift + s->by_ms);
	}
	return shift;
}
