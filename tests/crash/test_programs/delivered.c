/* delivered.c - as planted.c, for what is delivered to others. */
#include "crash/program.h"
#include "crash/program_loop.h"
#include "runtime/deliver.h"

#include <stdlib.h>

static int deliver_with_bugs(struct delivery *d, struct instance *to, struct event *e)
{
	bool now = program_below(&program_loop->random, 20) == 0;

	if (now && program_planted("lostline"))
		return 0;
	int rc = deliver_line(d, to, e);
	if (rc == 0 && now && e->type == EVENT_EventRaised && program_planted("twice"))
		rc = deliver_line(d, to, e);
	return rc;
}

#define deliver_line deliver_with_bugs
#include "runtime/topics.c"
#include "runtime/children.c"
