/*
 * pressure.c - limits, hysteresis and reasons.
 *
 *	value is            no mark of it      marked (it has pressed)
 *	over its limit      mark it; pressed   pressed
 *	within the margin   fine               pressed
 *	better than that    fine               unmark it; fine
 *
 * A mark belongs to (whose limits, quantity, path). What has no margin (network, command) has no mark. What cannot be
 * read is fine, and the log says so once for each kind, as a device that never starts anything helps nobody; but a disk
 * or an interface that a limit names and that is not there is short.
 *
 * Without memory for a mark the limit alone decides.
 */
#include "base/crc32c.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/pressure_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_PERCENT 10
#define MARGIN_BELOW_MAX 90 /* 100 would ask for no load at all */
#define NUMBER_SIZE 32

struct look {
	struct pressure *p;
	const struct pressure_limits *limits;
	const char *name; /* of the activity; "": those of the hub */
	int64_t now;
	char *reason;
	size_t size;
};

struct quantity {
	const char *key;     /* of the configuration */
	const char *subject; /* one of several; NULL: there is one */
	bool is_floor;       /* less is worse */
	double value, limit;
	double most;         /* of a floor: more than that cannot be; 0: not known */
};

struct shortage {
	double wanted;
	bool is_margin; /* it has pressed and is not better by the margin yet */
};

/* numbers for people; what is there and what is wanted must not look the same: one is rounded down, one up */

static double rounded(double value, bool up)
{
	double whole = value < 0 ? 0 : value > 1e18 ? 1e18 : (double)(uint64_t)(value + 1e-6);

	return up && whole < value - 1e-6 ? whole + 1 : whole;
}

/* "3.2", "91", "0.05" */
static const char *number_text(char out[NUMBER_SIZE], double value, bool up)
{
	uint64_t n = (uint64_t)rounded(value * 100, up), whole = n / 100;
	unsigned rest = (unsigned)(n % 100);

	if (rest == 0)
		snprintf(out, NUMBER_SIZE, "%llu", (unsigned long long)whole);
	else if (rest % 10 == 0)
		snprintf(out, NUMBER_SIZE, "%llu.%u", (unsigned long long)whole, rest / 10);
	else
		snprintf(out, NUMBER_SIZE, "%llu.%02u", (unsigned long long)whole, rest);
	return out;
}

/* "12 MiB", "1.2 GiB", "900 bytes" */
static const char *size_text(char out[NUMBER_SIZE], double bytes, bool up)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;
	char number[NUMBER_SIZE];
	double value = bytes;

	for (; value >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1; unit++)
		value /= 1024;
	value = unit > 0 && value < 100 ? rounded(value * 10, up) / 10 : rounded(value, up);
	snprintf(out, NUMBER_SIZE, "%s %s", number_text(number, value, false), units[unit]);
	return out;
}

/* the reason; always false, as what has one is not fine */

static void add_key(struct look *l, size_t at, const char *key, const char *sign)
{
	bool own = l->name[0] != '\0';
	unsigned margin = l->limits->margin_percent ? l->limits->margin_percent : MARGIN_PERCENT;
	char rest[NUMBER_SIZE] = "";

	if (sign[0])
		snprintf(rest, sizeof(rest), " %s %u %%", sign, margin);
	int n = snprintf(l->reason + at, l->size - at, " (%s%s%spressure.%s%s)", own ? "activities." : "", l->name,
	                 own ? "." : "", key, rest);
	if (n < 0 || (size_t)n >= l->size - at)
		text_mark_cut(l->reason, l->size);
}

static bool tell(struct look *l, const char *key, const char *sign, const char *fmt, ...) PAWL_PRINTF(4, 5);

static bool tell(struct look *l, const char *key, const char *sign, const char *fmt, ...)
{
	va_list args;

	if (l->size == 0)
		return false;
	va_start(args, fmt);
	int n = vsnprintf(l->reason, l->size, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= l->size)
		text_mark_cut(l->reason, l->size);
	else
		add_key(l, (size_t)n, key, sign);
	return false;
}

static const char *sign_of(const struct quantity *q, const struct shortage *s)
{
	return !s->is_margin ? "" : q->is_floor ? "+" : "-";
}

/* Fine, and said once in the log until the next reload. */
static bool cannot_read(const struct look *l, enum pressure_source source, const char *key, const char *what, int r)
{
	unsigned bit = 1u << source;
	bool own = l->name[0] != '\0', garbage = r == -EBADMSG;

	if (!(l->p->said & bit))
		log_warning("%s%s%spressure.%s is not looked at: '%s' %s%s", own ? "activities." : "", l->name,
		            own ? "." : "", key, what, garbage ? "does not say what it should" : "cannot be read: ",
		            garbage ? "" : strerror(-r));
	l->p->said |= bit;
	return true;
}

/* limits and marks */

static double recovers_at(const struct look *l, const struct quantity *q)
{
	unsigned margin = l->limits->margin_percent ? l->limits->margin_percent : MARGIN_PERCENT;
	double again;

	if (!q->is_floor)
		return q->limit * (100 - (margin < MARGIN_BELOW_MAX ? margin : MARGIN_BELOW_MAX)) / 100;
	again = q->limit * (100.0 + margin) / 100;
	return q->most > 0 && again > q->most ? q->most : again;
}

struct mark_key {
	char text[2 * TEXT_NAME_MAX];
};

static struct slice key_of(const struct look *l, const struct quantity *q, struct mark_key *key)
{
	uint32_t subject = q->subject ? crc32c(0, q->subject, strlen(q->subject)) : 0;
	int n = snprintf(key->text, sizeof(key->text), "%s %08x %s", q->key, (unsigned)subject, l->name);

	return slice_make(key->text, n < 0 ? 0 : (size_t)n < sizeof(key->text) ? (size_t)n : sizeof(key->text) - 1);
}

static void mark(struct look *l, const struct quantity *q)
{
	struct mark_key key;

	if (map_put(&l->p->marks, key_of(l, q, &key), l->p, NULL) < 0)
		return;
}

static void unmark(struct look *l, const struct quantity *q)
{
	struct mark_key key;

	if (l->p->marks.count > 0)
		map_remove(&l->p->marks, key_of(l, q, &key));
}

static bool is_marked(const struct look *l, const struct quantity *q)
{
	struct mark_key key;

	return l->p->marks.count > 0 && map_get(&l->p->marks, key_of(l, q, &key));
}

static bool is_short(struct look *l, const struct quantity *q, struct shortage *s)
{
	double again = recovers_at(l, q);

	*s = (struct shortage){ .wanted = q->limit };
	if (q->is_floor ? q->value < q->limit : q->value > q->limit) {
		mark(l, q);
		return true;
	}
	if (q->is_floor ? q->value >= again : q->value <= again) {
		unmark(l, q);
		return false;
	}
	*s = (struct shortage){ .wanted = again, .is_margin = true };
	return is_marked(l, q);
}

/* one function for each kind of limit: is it fine? */

static bool memory_is_fine(struct look *l)
{
	struct quantity q = { .key = "memory_min", .is_floor = true, .limit = (double)l->limits->memory_min };
	char there[NUMBER_SIZE], wanted[NUMBER_SIZE];
	struct shortage s;
	int r;

	if (l->limits->memory_min == 0)
		return true;
	r = pressure_number(l->p, SOURCE_MEMORY, l->now, &q.value);
	if (r < 0)
		return cannot_read(l, SOURCE_MEMORY, q.key, pressure_number_path(SOURCE_MEMORY), r);
	if (!is_short(l, &q, &s))
		return true;
	return tell(l, q.key, sign_of(&q, &s), "memory: %s available, %s wanted", size_text(there, q.value, false),
	            size_text(wanted, s.wanted, true));
}

static bool bytes_are_fine(struct look *l, const char *path, const struct pressure_space *space)
{
	struct quantity q = { .key = "disk_min", .subject = path, .is_floor = true,
		              .value = (double)space->bytes, .limit = (double)l->limits->disk_min };
	char there[NUMBER_SIZE], wanted[NUMBER_SIZE];
	struct shortage s;

	if (l->limits->disk_min == 0 || !is_short(l, &q, &s))
		return true;
	return tell(l, q.key, sign_of(&q, &s), "disk '%s': %s free, %s wanted", path,
	            size_text(there, q.value, false), size_text(wanted, s.wanted, true));
}

static bool inodes_are_fine(struct look *l, const char *path, const struct pressure_space *space)
{
	struct quantity q = { .key = "inodes_min", .subject = path, .is_floor = true,
		              .value = (double)space->inodes, .limit = (double)l->limits->inodes_min,
		              .most = (double)space->inodes_total };
	char there[NUMBER_SIZE], wanted[NUMBER_SIZE];
	struct shortage s;

	if (l->limits->inodes_min == 0 || space->inodes_total == 0 || !is_short(l, &q, &s))
		return true;
	return tell(l, q.key, sign_of(&q, &s), "disk '%s': %s free inodes, %s wanted", path,
	            number_text(there, rounded(q.value, false), false),
	            number_text(wanted, rounded(s.wanted, true), false));
}

static bool disk_is_fine(struct look *l, const char *path)
{
	struct pressure_space space;
	int r = pressure_disk(l->p, l->now, path, &space);

	if (r < 0)
		return tell(l, l->limits->disk_min ? "disk_min" : "inodes_min", "",
		            "disk '%s': cannot be looked at: %s", path, strerror(-r));
	return bytes_are_fine(l, path, &space) && inodes_are_fine(l, path, &space);
}

static bool disks_are_fine(struct look *l)
{
	if (l->limits->disk_min == 0 && l->limits->inodes_min == 0)
		return true;
	if (!disk_is_fine(l, l->p->hub))
		return false;
	for (const char *const *path = l->limits->disk_paths; path && *path; path++)
		if (!disk_is_fine(l, *path))
			return false;
	return true;
}

static bool load_is_fine(struct look *l)
{
	struct quantity q = { .key = "load_max", .limit = l->limits->load_max };
	char there[NUMBER_SIZE], limit[NUMBER_SIZE];
	struct shortage s;
	int r;

	if (!(q.limit > 0))
		return true;
	r = pressure_number(l->p, SOURCE_LOAD, l->now, &q.value);
	if (r < 0)
		return cannot_read(l, SOURCE_LOAD, q.key, pressure_number_path(SOURCE_LOAD), r);
	if (!is_short(l, &q, &s))
		return true;
	return tell(l, q.key, sign_of(&q, &s), "load: %s for each processor, limit %s",
	            number_text(there, q.value, true), number_text(limit, s.wanted, false));
}

static bool stall_is_fine(struct look *l, enum pressure_source source, double max, const char *key, const char *of)
{
	struct quantity q = { .key = key, .limit = max };
	char there[NUMBER_SIZE], limit[NUMBER_SIZE];
	struct shortage s;
	int r;

	if (!(max > 0))
		return true;
	r = pressure_number(l->p, source, l->now, &q.value);
	if (r < 0)
		return cannot_read(l, source, key, pressure_number_path(source), r);
	if (!is_short(l, &q, &s))
		return true;
	return tell(l, key, sign_of(&q, &s), "stalls: %s %% of the last 10 s waited for %s, limit %s %%",
	            number_text(there, q.value, true), of, number_text(limit, s.wanted, false));
}

static bool stalls_are_fine(struct look *l)
{
	return stall_is_fine(l, SOURCE_PSI_MEMORY, l->limits->psi_memory_max, "psi_memory_max", "memory") &&
	       stall_is_fine(l, SOURCE_PSI_IO, l->limits->psi_io_max, "psi_io_max", "input and output") &&
	       stall_is_fine(l, SOURCE_PSI_CPU, l->limits->psi_cpu_max, "psi_cpu_max", "a processor");
}

static bool temperature_is_fine(struct look *l)
{
	const char *type = l->limits->thermal_zone;
	struct quantity q = { .key = "temperature_max", .subject = type, .limit = l->limits->temperature_max };
	char there[NUMBER_SIZE], limit[NUMBER_SIZE];
	const struct pressure_device *zone;
	struct shortage s;
	int r;

	if (!(q.limit > 0))
		return true;
	r = pressure_temperature(l->p, l->now, type, &zone);
	if (r < 0)
		return cannot_read(l, SOURCE_TEMPERATURE, q.key, type ? type : "/sys/class/thermal", r);
	q.value = (double)zone->value / 1000;
	if (!is_short(l, &q, &s))
		return true;
	return tell(l, q.key, sign_of(&q, &s), "temperature: %s C in '%s', limit %s C",
	            number_text(there, q.value, true), zone->type, number_text(limit, s.wanted, false));
}

static bool battery_is_fine(struct look *l)
{
	struct quantity q = { .key = "battery_min", .is_floor = true, .most = 100, .limit = l->limits->battery_min };
	const struct pressure_device *battery;
	char there[NUMBER_SIZE], wanted[NUMBER_SIZE];
	struct shortage s;
	int r;

	if (l->limits->battery_min == 0)
		return true;
	r = pressure_battery(l->p, l->now, &battery);
	if (r < 0)
		return cannot_read(l, SOURCE_BATTERY, q.key, "/sys/class/power_supply", r);
	q.value = battery ? (double)battery->value : 100;
	if (!is_short(l, &q, &s))
		return true;
	return tell(l, q.key, sign_of(&q, &s), "battery: %s %% in '%s', %s %% wanted",
	            number_text(there, q.value, false), battery ? battery->name : "",
	            number_text(wanted, s.wanted, true));
}

static bool network_is_fine(struct look *l)
{
	const char *name = l->limits->network;
	bool any;
	int r;

	if (!name || !*name)
		return true;
	any = strcmp(name, "any") == 0;
	r = pressure_network(l->p, l->now, name);
	if (r > 0)
		return true;
	if (r < 0 && any)
		return cannot_read(l, SOURCE_NETWORK, "network", "/sys/class/net", r);
	if (any)
		return tell(l, "network", "", "network: no interface is up");
	return tell(l, "network", "", "network: interface '%s' is not %s", name, r < 0 ? "there" : "up");
}

static bool command_is_fine(struct look *l)
{
	const char *why = NULL;

	if (l->limits->command && l->limits->command[0] && l->p->loop)
		why = pressure_ask(l->p, l->now, l->limits->command, l->limits->command_every_ms);
	return why ? tell(l, "command", "", "%s", why) : true;
}

/* The command last: a program is started only when all else is fine. */
static bool are_fine(struct look *l)
{
	return memory_is_fine(l) && disks_are_fine(l) && load_is_fine(l) && stalls_are_fine(l) &&
	       temperature_is_fine(l) && battery_is_fine(l) && network_is_fine(l) && command_is_fine(l);
}

bool pressure_limits_are_set(const struct pressure_limits *l)
{
	return l->memory_min || l->disk_min || l->inodes_min || l->load_max > 0 || l->psi_memory_max > 0 ||
	       l->psi_io_max > 0 || l->psi_cpu_max > 0 || l->temperature_max > 0 || l->battery_min ||
	       (l->network && l->network[0]) || (l->command && l->command[0]);
}

bool pressure_ok(struct pressure *p, const struct pressure_limits *global, const struct pressure_limits *own,
                 const char *name, char *reason, size_t size)
{
	struct look l = { .p = p, .limits = global, .name = "", .reason = reason, .size = size };
	bool look_own = own && pressure_limits_are_set(own), look_global = global && pressure_limits_are_set(global);

	if (!look_own && !look_global)
		return true;
	l.now = p->os->boot_ns(p->os->self);
	if (look_global && !are_fine(&l))
		return false;
	l.limits = own;
	l.name = name ? name : "";
	return !look_own || are_fine(&l);
}

int64_t pressure_delay_ms(unsigned looks)
{
	int64_t ms = PRESSURE_FIRST_MS;

	for (; looks > 0 && ms < PRESSURE_LONGEST_MS; looks--)
		ms *= 2;
	return ms < PRESSURE_LONGEST_MS ? ms : PRESSURE_LONGEST_MS;
}

/* life */

int pressure_new(struct pressure **out, const struct os *os, struct loop *loop, const char *hub,
                 void (*changed)(void *arg), void *arg, struct pawl_error *err)
{
	struct pressure *p = calloc(1, sizeof(*p));
	size_t size = strlen(hub) + 1;

	if (p)
		p->hub = malloc(size);
	if (!p || !p->hub) {
		free(p);
		return err_nomem(err);
	}
	memcpy(p->hub, hub, size);
	p->os = os;
	p->loop = loop;
	p->changed = changed;
	p->arg = arg;
	p->children = -1;
	p->command_ms = PRESSURE_COMMAND_MS;
	map_init(&p->marks);
	*out = p;
	return 0;
}

void pressure_free(struct pressure *p)
{
	if (!p)
		return;
	pressure_end_commands(p);
	pressure_forget_samples(p);
	map_release(&p->marks);
	free(p->hub);
	free(p);
}

void pressure_reload(struct pressure *p)
{
	pressure_forget_samples(p);
	pressure_forget_answers(p);
	p->said = 0;
}
