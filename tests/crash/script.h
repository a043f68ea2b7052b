/*
 * script.h - work on the hub of model.c as a row of letters:
 *
 *	n new instance   4 four of them in one frame   l a line for each of two   f the same, long   e an end
 *	x continue as new   s a commit with a payload file   b a frame larger than a segment
 *	m one step of maintenance   M all of it   a archive   p purge   r revive   u prune   o clean stop and start
 *	S the kernel brings everything to the disk   K kill   D a power cut that drops all: the next step starts again
 */
#ifndef CRASH_SCRIPT_H
#define CRASH_SCRIPT_H

#include "harness.h"

void script_step(struct world *w, struct node *n, char letter);
/* Starts first when nobody runs. False: it is over, or the power is off. */
bool script_walk(struct world *w, struct node *n, const char *letters);

#endif
