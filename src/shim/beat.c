/*
 * beat.c - is it silent? Pure: no clock and no file is read here.
 *
 * The time of a file is from the wall clock, which may jump; that it has changed is all that is believed. Where the
 * wall clock and the one that runs evenly agree that the change was since the last look, it also says when.
 */
#include "shim/impl.h"

#define AGE_MAX_S (1 << 30) /* farther from now the difference says nothing, and could overflow */

/* Milliseconds from the stamp to wall_ms, -1 when it lies in the future or too far away. */
static int64_t age(const struct stamp *stamp, int64_t wall_ms)
{
	int64_t wall_s = wall_ms / 1000;

	if (stamp->s > wall_s || stamp->s < wall_s - AGE_MAX_S)
		return -1;
	int64_t ms = wall_ms - (stamp->s * 1000 + stamp->ns / 1000000);
	/* A file system that keeps whole seconds only: it may have been any time within that one. */
	if (stamp->ns == 0)
		ms = ms > 1000 ? ms - 1000 : 0;
	return ms < 0 ? -1 : ms;
}

static bool differs(const struct stamp *a, const struct stamp *b)
{
	return a->s != b->s || a->ns != b->ns || !b->there;
}

void beat_begin(struct beat *b, int64_t silence_max_ms, const struct stamp now[BEAT_FILES], int64_t now_ms)
{
	b->silence_max_ms = silence_max_ms;
	b->last_ms = b->look_ms = now_ms;
	for (int i = 0; i < BEAT_FILES; i++)
		b->seen[i] = now[i];
}

bool beat_look(struct beat *b, const struct stamp now[BEAT_FILES], int64_t wall_ms, int64_t now_ms)
{
	for (int i = 0; i < BEAT_FILES; i++) {
		if (now[i].there && differs(&now[i], &b->seen[i])) {
			int64_t ms = age(&now[i], wall_ms);
			int64_t moment = ms >= 0 && ms <= now_ms - b->look_ms ? now_ms - ms : now_ms;
			if (moment > b->last_ms)
				b->last_ms = moment;
		}
		b->seen[i] = now[i];
	}
	b->look_ms = now_ms;
	return now_ms < beat_deadline(b);
}

int64_t beat_deadline(const struct beat *b)
{
	return b->last_ms + b->silence_max_ms;
}
