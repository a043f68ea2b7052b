/* script.c - work on the hub of model.c, step by step. */
#include "script.h"
#include "states.h"

static const struct profile steps[] = {
	['n'] = { .create = 100, .records = 1, .bytes = 120, .only_new = true },
	['4'] = { .create = 100, .records = 4, .bytes = 120, .only_new = true },
	['l'] = { .records = 2, .bytes = 900 },
	['f'] = { .records = 1, .bytes = 13000 },
	['e'] = { .records = 1, .bytes = 100, .end = 100 },
	['x'] = { .records = 1, .bytes = 100, .execution = 100 },
	['s'] = { .records = 1, .bytes = 100, .spill = 100 },
	['b'] = { .records = 1, .bytes = 40000 },
	['z'] = { .records = 0 }, /* the table goes up to here */
};

void script_step(struct world *w, struct node *n, char letter)
{
	static const struct { char letter; enum step what; } others[] = {
		{ 'm', STEP_MAINTAIN_IDLE }, { 'a', STEP_ARCHIVE }, { 'p', STEP_PURGE }, { 'r', STEP_REVIVE },
		{ 'u', STEP_PRUNE }, { 'o', STEP_REOPEN },
	};
	enum step what = STEP_COMMIT;

	w->profile = &steps[(unsigned char)letter];
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (others[i].letter == letter)
			what = others[i].what;
	if (letter == 'S')
		states_sync(n);
	else if (letter == 'M')
		world_settle(w, n);
	else if (letter == 'K')
		node_kill(n);
	else if (letter == 'D')
		node_cut(n, &(struct os_sim_cut){ OS_SIM_DROP_ALL, 1, 0 });
	else
		world_do(w, n, what);
}

bool script_walk(struct world *w, struct node *n, const char *letters)
{
	do {
		if (!n->p && (!world_start(w, n) || crash_is_off(n)))
			return false;
		if (*letters)
			script_step(w, n, *letters);
	} while (*letters && *++letters && !w->over && !crash_is_off(n));
	return !w->over && !crash_is_off(n);
}
