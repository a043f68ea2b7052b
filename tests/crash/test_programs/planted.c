/*
 * planted.c - some files of the library once more, each with a hook for a bug that is planted (harness.h). Linked in front of
 * the library, so these are taken in the place of its own.
 */
#include "crash/program.h"

/* The last of the events that go over to the next execution is forgotten. */
#define carry_on carry_on_as_it_is
#include "engine/carry.c"
#undef carry_on

void carry_on(struct execution *x)
{
	carry_on_as_it_is(x);
	if (x->live && x->next_count > 1 && x->next_out[x->next_count - 1].type == EVENT_EventRaised && program_planted("forgetcarried") &&
	    !x->options.resident)
		x->next_count--;
}

/* What an execution before has taken is taken again. */
#define generation_took generation_took_as_it_is
#include "runtime/generations.c"
#undef generation_took

bool generation_took(struct pawl_runtime *rt, struct instance *i, const char *message_id)
{
	return generation_took_as_it_is(rt, i, message_id) && !program_planted("takeagain");
}
