/*
 * pressure_sources.c - what the kernel says about the device, each read at most once in PRESSURE_FRESH_MS.
 *
 * Where the formats are from: proc(5); Documentation/accounting/psi.rst; Documentation/ABI/testing/sysfs-class-thermal,
 * -power and -net of Linux. Numbers are read without strtod: a program that embeds us may have set a locale.
 */
#include "runtime/pressure_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 192

static bool is_fresh(const struct pressure_sample *s, int64_t now)
{
	return s->taken && now >= s->at_ns && now - s->at_ns < PRESSURE_FRESH_MS * PRESSURE_NS_PER_MS;
}

static int keep(struct pressure_sample *s, int64_t now, int r)
{
	*s = (struct pressure_sample){ .taken = true, .r = r, .at_ns = now };
	return r;
}

/* text */

static bool ends_word(char c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\n';
}

/* "12", "-12000", "0.25" and nothing else up to a blank or the end. */
static int parse_number(const char *p, double *value)
{
	bool negative = *p == '-';
	double n = 0, unit = 1;

	p += negative;
	if (*p < '0' || *p > '9')
		return -EBADMSG;
	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++)
			n += (*p - '0') * (unit /= 10);
	if (!ends_word(*p))
		return -EBADMSG;
	*value = negative ? -n : n;
	return 0;
}

/* What follows the name at the start of a line. */
static const char *after_name(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (strncmp(line, name, len) == 0)
			return line + len + strspn(line + len, " \t");
	return NULL;
}

static int read_text(struct pressure *p, const char *path, char *out, size_t size)
{
	int r = p->os->read_kernel(p->os->self, path, out, size);

	return r < 0 ? r : 0;
}

/* DIR/NAME/FILE, its first line. */
static int read_attribute(struct pressure *p, const char *dir, const char *name, const char *file, char *out,
                          size_t size)
{
	char path[PATH_SIZE];
	int n = snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file), r;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	r = read_text(p, path, out, size);
	if (r == 0)
		out[strcspn(out, "\n")] = '\0';
	return r;
}

/* what is one number */

/* "MemFree:   1234 kB" */
static int memory_field(const char *text, const char *name, double *bytes)
{
	const char *at = after_name(text, name);
	double kib;

	if (!at)
		return -ENODATA;
	if (parse_number(at, &kib) < 0 || kib < 0)
		return -EBADMSG;
	at += strcspn(at, " \n");
	if (strncmp(at, " kB", 3) != 0)
		return -EBADMSG;
	*bytes = kib * 1024;
	return 0;
}

/* MemAvailable came with Linux 3.14. What it makes of the rest is better known to the kernel than to us. */
static int read_memory(struct pressure *p, double *value)
{
	static const char *const parts[] = { "MemFree:", "Buffers:", "Cached:" };
	char text[1024]; /* these lines come first */
	double part, sum = 0;
	int r = read_text(p, "/proc/meminfo", text, sizeof(text));

	if (r < 0)
		return r;
	r = memory_field(text, "MemAvailable:", value);
	if (r != -ENODATA)
		return r;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		r = memory_field(text, parts[i], &part);
		if (r < 0)
			return -EBADMSG;
		sum += part;
	}
	*value = sum;
	return 0;
}

static int read_load(struct pressure *p, double *value)
{
	char text[128];
	double load;
	int r = read_text(p, "/proc/loadavg", text, sizeof(text));

	if (r == 0)
		r = parse_number(text, &load);
	if (r == 0)
		*value = load / p->os->cpus(p->os->self);
	return r;
}

/* "some avg10=0.12 avg60=..." */
static int read_psi(struct pressure *p, enum pressure_source source, double *value)
{
	char text[256];
	const char *at;
	int r = read_text(p, pressure_number_path(source), text, sizeof(text));

	if (r < 0)
		return r;
	at = after_name(text, "some ");
	if (!at || strncmp(at, "avg10=", 6) != 0)
		return -EBADMSG;
	return parse_number(at + 6, value);
}

const char *pressure_number_path(enum pressure_source source)
{
	static const char *const paths[SOURCE_NUMBERS] = {
		[SOURCE_MEMORY] = "/proc/meminfo",
		[SOURCE_LOAD] = "/proc/loadavg",
		[SOURCE_PSI_MEMORY] = "/proc/pressure/memory",
		[SOURCE_PSI_IO] = "/proc/pressure/io",
		[SOURCE_PSI_CPU] = "/proc/pressure/cpu",
	};

	return paths[source];
}

static int read_number(struct pressure *p, enum pressure_source source, double *value)
{
	if (source == SOURCE_MEMORY)
		return read_memory(p, value);
	return source == SOURCE_LOAD ? read_load(p, value) : read_psi(p, source, value);
}

int pressure_number(struct pressure *p, enum pressure_source source, int64_t now, double *value)
{
	struct pressure_sample *s = &p->samples[source];

	if (!is_fresh(s, now))
		keep(s, now, read_number(p, source, &p->numbers[source]));
	*value = p->numbers[source];
	return s->r;
}

/* thermal zones and batteries: directories that come and go */

#define THERMAL_DIR "/sys/class/thermal"
#define POWER_DIR "/sys/class/power_supply"

static int read_zone(struct pressure *p, struct pressure_device *d)
{
	char text[32];
	double millidegrees;
	int r = read_attribute(p, THERMAL_DIR, d->name, "type", d->type, sizeof(d->type));

	if (r == 0)
		r = read_attribute(p, THERMAL_DIR, d->name, "temp", text, sizeof(text));
	if (r == 0)
		r = parse_number(text, &millidegrees);
	if (r == 0 && (millidegrees < -300e3 || millidegrees > 10e6))
		r = -EBADMSG;
	if (r < 0)
		return r;
	d->value = (int64_t)millidegrees;
	d->counts = true;
	return 0;
}

static int read_battery_number(struct pressure *p, const struct pressure_device *d, const char *file, double *value)
{
	char text[32];
	int r = read_attribute(p, POWER_DIR, d->name, file, text, sizeof(text));

	if (r == 0)
		r = parse_number(text, value);
	return r == 0 && *value < 0 ? -EBADMSG : r;
}

/* Some drivers tell what is in it and what it holds, and leave the division to others. */
static int read_percent(struct pressure *p, const struct pressure_device *d, double *percent)
{
	static const char *const pairs[][2] = { { "energy_now", "energy_full" }, { "charge_now", "charge_full" } };
	double now, full;
	int r = read_battery_number(p, d, "capacity", percent);

	for (size_t i = 0; r < 0 && i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (read_battery_number(p, d, pairs[i][0], &now) < 0 ||
		    read_battery_number(p, d, pairs[i][1], &full) < 0 || full <= 0)
			continue;
		*percent = now * 100 / full;
		r = 0;
	}
	return r;
}

/* A mains adapter is a power supply, too, and so is the battery of a mouse (scope "Device"): 1, not one of ours. */
static int read_battery(struct pressure *p, struct pressure_device *d)
{
	char text[32];
	double percent;
	int r = read_attribute(p, POWER_DIR, d->name, "type", d->type, sizeof(d->type));

	if (r == 0 && strcmp(d->type, "Battery") != 0)
		return 1;
	if (r == 0 && read_attribute(p, POWER_DIR, d->name, "scope", text, sizeof(text)) == 0 &&
	    strcmp(text, "Device") == 0)
		return 1;
	if (r == 0)
		r = read_percent(p, d, &percent);
	if (r < 0)
		return r;
	if (read_attribute(p, POWER_DIR, d->name, "status", text, sizeof(text)) < 0)
		text[0] = '\0';
	d->value = percent > 100 ? 100 : (int64_t)percent;
	d->counts = strcmp(text, "Charging") != 0 && strcmp(text, "Full") != 0;
	return 0;
}

struct scan {
	struct pressure *p;
	struct pressure_devices *devices;
	const char *prefix;
	int (*read)(struct pressure *p, struct pressure_device *d); /* 1: not a device of this kind */
	int64_t now;
};

static struct pressure_device *device_of(struct pressure_devices *devices, const char *name)
{
	struct pressure_device *d = devices->first;
	size_t len = strlen(name);

	while (d && strcmp(d->name, name) != 0)
		d = d->next;
	if (d || len >= sizeof(d->name))
		return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	memcpy(d->name, name, len);
	d->next = devices->first;
	devices->first = d;
	return d;
}

/* Sensors answer EAGAIN or ENODATA now and then: for a while the value before is better than none, so that what is too
 * hot does not get work because it could not be asked. */
static int on_device(void *arg, const char *name)
{
	const struct scan *s = arg;
	struct pressure_device *d;
	int r;

	if (strncmp(name, s->prefix, strlen(s->prefix)) != 0)
		return 0;
	d = device_of(s->devices, name);
	if (!d)
		return 0;
	r = s->read(s->p, d);
	d->seen = r <= 0;
	if (r == 0) {
		d->known = true;
		d->known_ns = s->now;
	} else if (s->now - d->known_ns >= PRESSURE_LAST_VALUE_MS * PRESSURE_NS_PER_MS) {
		d->known = false;
	}
	return 0;
}

static void remove_unseen(struct pressure_devices *devices)
{
	struct pressure_device **at = &devices->first, *d;

	while ((d = *at)) {
		if (d->seen) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		free(d);
	}
}

static int scan_devices(struct scan *s, const char *dir)
{
	const struct os *os = s->p->os;

	if (is_fresh(&s->devices->sample, s->now))
		return s->devices->sample.r;
	for (struct pressure_device *d = s->devices->first; d; d = d->next)
		d->seen = false;
	int r = os->list_kernel(os->self, dir, on_device, s);
	remove_unseen(s->devices);
	return keep(&s->devices->sample, s->now, r);
}

int pressure_temperature(struct pressure *p, int64_t now, const char *type, const struct pressure_device **zone)
{
	struct scan s = { p, &p->thermal, "thermal_zone", read_zone, now };
	const struct pressure_device *hottest = NULL;
	int r = scan_devices(&s, THERMAL_DIR);

	for (const struct pressure_device *d = p->thermal.first; d; d = d->next)
		if (d->known && (!type || strcmp(d->type, type) == 0) && (!hottest || d->value > hottest->value))
			hottest = d;
	if (r < 0 || !hottest)
		return r < 0 ? r : -ENOENT;
	*zone = hottest;
	return 0;
}

int pressure_battery(struct pressure *p, int64_t now, const struct pressure_device **battery)
{
	struct scan s = { p, &p->batteries, "", read_battery, now };
	const struct pressure_device *emptiest = NULL;
	bool any = false;
	int r = scan_devices(&s, POWER_DIR);

	for (const struct pressure_device *d = p->batteries.first; d; d = d->next) {
		any = any || d->known;
		if (d->known && d->counts && (!emptiest || d->value < emptiest->value))
			emptiest = d;
	}
	if (r < 0 || !any)
		return r < 0 ? r : -ENOENT;
	*battery = emptiest;
	return 0;
}

/* what limits name: paths and interfaces */

/* NULL: no memory */
static struct pressure_place *place_of(struct pressure *p, enum pressure_source source, const char *name)
{
	struct pressure_place *place = p->places;
	size_t size = strlen(name) + 1;

	while (place && (place->source != source || strcmp(place->name, name) != 0))
		place = place->next;
	if (place)
		return place;
	place = calloc(1, sizeof(*place) + size);
	if (!place)
		return NULL;
	place->source = source;
	memcpy(place->name, name, size);
	place->next = p->places;
	p->places = place;
	return place;
}

int pressure_disk(struct pressure *p, int64_t now, const char *path, struct pressure_space *space)
{
	struct pressure_place *place = place_of(p, SOURCE_DISK, path);

	if (!place)
		return -ENOMEM;
	if (!is_fresh(&place->sample, now)) {
		struct pressure_space *s = &place->space;

		keep(&place->sample, now,
		     p->os->path_space(p->os->self, path, &s->bytes, &s->inodes, &s->inodes_total));
	}
	*space = place->space;
	return place->sample.r;
}

#define NET_DIR "/sys/class/net"

/* 1 up, 0 not up. Drivers that never tell their state (tunnels, ppp, some gadgets) say "unknown": then a carrier
 * counts. Reading carrier of an interface that is switched off is an error. */
static int interface_is_up(struct pressure *p, const char *name)
{
	char text[32];
	int r = read_attribute(p, NET_DIR, name, "operstate", text, sizeof(text));

	if (r < 0)
		return r;
	if (strcmp(text, "unknown") != 0)
		return strcmp(text, "up") == 0;
	return read_attribute(p, NET_DIR, name, "carrier", text, sizeof(text)) == 0 && strcmp(text, "1") == 0;
}

static int on_interface(void *arg, const char *name)
{
	return strcmp(name, "lo") != 0 && interface_is_up(arg, name) == 1;
}

static int read_network(struct pressure *p, const char *name)
{
	if (strcmp(name, "any") == 0)
		return p->os->list_kernel(p->os->self, NET_DIR, on_interface, p);
	if (!*name || strchr(name, '/') || name[0] == '.')
		return -ENOENT; /* would lead elsewhere */
	return interface_is_up(p, name);
}

int pressure_network(struct pressure *p, int64_t now, const char *name)
{
	struct pressure_place *place = place_of(p, SOURCE_NETWORK, name);

	if (!place)
		return -ENOMEM;
	if (!is_fresh(&place->sample, now))
		keep(&place->sample, now, read_network(p, name));
	return place->sample.r;
}

static void forget_devices(struct pressure_devices *devices)
{
	for (struct pressure_device *d = devices->first; d; d = d->next)
		d->seen = false;
	remove_unseen(devices);
	devices->sample.taken = false;
}

void pressure_forget_samples(struct pressure *p)
{
	struct pressure_place *next;

	for (size_t i = 0; i < SOURCE_NUMBERS; i++)
		p->samples[i].taken = false;
	forget_devices(&p->thermal);
	forget_devices(&p->batteries);
	for (struct pressure_place *place = p->places; place; place = next) {
		next = place->next;
		free(place);
	}
	p->places = NULL;
}
