/*
 * pressure_impl.h - what pressure.c (limits and hysteresis), pressure_sources.c (what the kernel says) and
 * pressure_command.c (what a program says) share. For them and their test only.
 *
 * All lists are as long as the configuration and the device make them: paths, interfaces and programs that are named in
 * limits, batteries and thermal zones that are there.
 */
#ifndef RUNTIME_PRESSURE_IMPL_H
#define RUNTIME_PRESSURE_IMPL_H

#include "base/map.h"
#include "runtime/pressure.h"

#include <sys/types.h>

#define PRESSURE_COMMAND_MS 10000       /* longest time of a command */
#define PRESSURE_COMMAND_EVERY_MS 30000 /* where the limits say nothing */
#define PRESSURE_LINE_MAX 200
#define PRESSURE_LAST_VALUE_MS 60000    /* a device that cannot be read keeps its last value so long */
#define PRESSURE_NS_PER_MS INT64_C(1000000)

enum pressure_source {
	SOURCE_MEMORY,
	SOURCE_LOAD,
	SOURCE_PSI_MEMORY,
	SOURCE_PSI_IO,
	SOURCE_PSI_CPU,
	SOURCE_NUMBERS, /* those above are one number each */
	SOURCE_TEMPERATURE = SOURCE_NUMBERS,
	SOURCE_BATTERY,
	SOURCE_NETWORK,
	SOURCE_DISK,
	SOURCE_COUNT,
};

/* When something was read, and 0 or the -errno that reading it gave. */
struct pressure_sample {
	bool taken;
	int r;
	int64_t at_ns;
};

/* A thermal zone (millidegrees) or a battery (percent). */
struct pressure_device {
	struct pressure_device *next;
	bool seen, known, counts; /* counts: a battery that is not being charged */
	int64_t value, known_ns;
	char name[64], type[32];
};

struct pressure_devices {
	struct pressure_sample sample;
	struct pressure_device *first;
};

struct pressure_space {
	uint64_t bytes, inodes, inodes_total;
};

/* A path or an interface that a limit names. */
struct pressure_place {
	struct pressure_place *next;
	enum pressure_source source;
	struct pressure_sample sample;
	struct pressure_space space;
	char name[];
};

struct pressure_command;

struct pressure {
	const struct os *os;
	struct loop *loop;
	void (*changed)(void *arg);
	void *arg;
	char *hub;
	struct map marks; /* what has pressed and is not fine again; the value means nothing */
	unsigned said;    /* a bit for each source that could not be read, which was told */

	struct pressure_sample samples[SOURCE_NUMBERS];
	double numbers[SOURCE_NUMBERS];
	struct pressure_devices thermal, batteries;
	struct pressure_place *places;

	struct pressure_command *commands;
	int children; /* readable when some child may have ended, where the kernel has no pidfds; else -1 */
	int64_t command_ms;
};

/* pressure_sources.c; 0 or -errno; -EBADMSG: it was read and is not what it should be */
int pressure_number(struct pressure *p, enum pressure_source source, int64_t now, double *value);
const char *pressure_number_path(enum pressure_source source);
/* The hottest zone, or the hottest of that type; -ENOENT: there is none that can be read. */
int pressure_temperature(struct pressure *p, int64_t now, const char *type, const struct pressure_device **zone);
/* The emptiest battery that is not being charged, or NULL. -ENOENT: there is no battery that can be read. */
int pressure_battery(struct pressure *p, int64_t now, const struct pressure_device **battery);
/* 1 up, 0 not up; "any" for some interface. */
int pressure_network(struct pressure *p, int64_t now, const char *name);
int pressure_disk(struct pressure *p, int64_t now, const char *path, struct pressure_space *space);
void pressure_forget_samples(struct pressure *p);

/* pressure_command.c */
/* NULL: fine. Else why not; the text lasts until the next call of any function here. */
const char *pressure_ask(struct pressure *p, int64_t now, const char *const *argv, int64_t every_ms);
void pressure_forget_answers(struct pressure *p);
void pressure_end_commands(struct pressure *p);

#endif
