/*
 * wall.h - how the wall clock was set while pawl looked, in this boot and in those before.
 *
 * A delay is written down with the time of the wall clock at which it ends (I9). On a device without a battery clock that
 * may be years from the truth, as the clock is set minutes after the boot. So each such step is kept in the hub's file
 * CLOCK: after a reboot the times that were written before it are put right by it.
 */
#ifndef RUNTIME_WALL_H
#define RUNTIME_WALL_H

#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_runtime;

#define WALL_STEPS_MAX 32

struct wall {
	bool is_open, known; /* known: offset_ns is */
	int dir;            /* the hub, whatever its path stands for meanwhile; negative when there is none */
	int64_t offset_ns;  /* real - boot, when last looked at */
	size_t count;
	struct wall_step {
		char boot[9];
		int64_t boot_ms; /* by then, */
		int64_t by_ms;   /* by so much */
	} steps[WALL_STEPS_MAX]; /* the oldest first */
};

void wall_open(struct pawl_runtime *rt);
void wall_close(struct pawl_runtime *rt);
/* Whenever the clock is read: has it been set since? */
void wall_look(struct pawl_runtime *rt, int64_t real_ns, int64_t boot_ns);
/* A time that was written in this boot at boot_ms, when the clock was offset_ns from the boot's: it tells of a step that
 * came while no runtime looked. */
void wall_compare(struct pawl_runtime *rt, int64_t boot_ms, int64_t offset_ns);
/* What a time of that boot, written at boot_ms, is to be put right by. */
int64_t wall_shift_ms(const struct pawl_runtime *rt, struct slice boot, int64_t boot_ms);

#endif
