/* states.c - all states of the disk at all points of a workload. */
#include "states.h"

#include <stdio.h>

#define BOUND (CRASH_STRIDE > 1 ? 512u : 4096u) /* states of one point and one model */
#define STOPS_MAX 100000u
#define ALL_OF 16u         /* one recovery in so many has all that crash_recover can do */
#define OFF_NS 60000000000ll

struct states_tally states_tally;

/* ---- what was seen ---- */

static struct {
	uint64_t *keys; /* 0: none */
	size_t count, size;
} seen;

static void seen_grow(void)
{
	uint64_t *old = seen.keys;
	size_t size = seen.size;

	seen.size = size ? size * 2 : 4096;
	seen.keys = calloc(seen.size, sizeof(*seen.keys));
	if (!seen.keys)
		abort();
	for (size_t i = 0; i < size; i++) {
		size_t at = old[i] % seen.size;
		while (old[i] && seen.keys[at])
			at = (at + 1) % seen.size;
		if (old[i])
			seen.keys[at] = old[i];
	}
	free(old);
}

/* True when it is new. */
static bool see(uint64_t key)
{
	size_t at;

	key += key == 0;
	if (seen.count * 2 >= seen.size)
		seen_grow();
	for (at = key % seen.size; seen.keys[at]; at = (at + 1) % seen.size)
		if (seen.keys[at] == key)
			return false;
	seen.keys[at] = key;
	seen.count++;
	return true;
}

static void forget(void)
{
	free(seen.keys);
	seen.keys = NULL;
	seen.count = seen.size = 0;
}

/* ---- one state ---- */

static void try_state(const struct scenario *s, const void *state, const struct os_sim *base, const struct os_sim_states *states,
                      uint64_t promise)
{
	static char tape[2048];
	struct node n = { .sim = os_sim_clone(base) };
	struct outcome o = { .decided = false };

	states_tally.states++;
	os_sim_states_cut(states, n.sim);
	uint64_t hash = os_sim_disk_hash(n.sim), seed = hash ^ promise, key = draw(&seed);
	if (crash_is_replay() || !s->promise || see(key)) {
		const struct os *os = os_sim_os(n.sim);
		if (os_sim_states_text(states, tape, sizeof(tape)) < 0)
			snprintf(tape, sizeof(tape), "too-long");
		crash_at_text("tape", tape);
		crash_look("after the cut", &n);
		os_sim_set_real(n.sim, os->real_ns(os->self) + OFF_NS);
		states_tally.recovered++;
		crash_recover(s, state, &n, &o, crash_is_replay() || key % ALL_OF == 0);
	}
	node_free(&n);
}

/* ---- the states of one point ---- */

static void walk(const struct scenario *s, const void *state, const struct os_sim *base, struct os_sim_states *states,
                 uint64_t promise, enum os_sim_base from, size_t deviations)
{
	os_sim_states_first(states, from, deviations);
	do {
		try_state(s, state, base, states, promise);
	} while (!crash_over() && os_sim_states_next(states));
}

static void walk_some(const struct scenario *s, const void *state, const struct os_sim *base, struct os_sim_states *states,
                      uint64_t promise, uint64_t bound)
{
	uint64_t before = states_tally.states, seed = promise + states_tally.points;
	size_t k = 1;

	while (os_sim_states_count(states, OS_SIM_BASE_KEPT, k + 1, bound) + os_sim_states_count(states, OS_SIM_BASE_LOST, k + 1, bound) < bound)
		k++;
	walk(s, state, base, states, promise, OS_SIM_BASE_KEPT, k);
	if (!crash_over())
		walk(s, state, base, states, promise, OS_SIM_BASE_LOST, k);
	states_tally.walked += states_tally.states - before;
	for (uint64_t i = 0; i < bound / 4 && !crash_over(); i++) {
		os_sim_states_draw(states, draw(&seed));
		try_state(s, state, base, states, promise);
		states_tally.drawn++;
	}
}

static void replay(const struct scenario *s, const void *state, const struct os_sim *base, struct os_sim_states *states)
{
	char tape[2048];

	if (!crash_replay_text("tape", tape, sizeof(tape)))
		return;
	if (os_sim_states_set(states, tape) < 0)
		crash_fail("the tape is not for this point: it has %zu decisions", os_sim_states_decisions(states));
	else
		try_state(s, state, base, states, 0);
}

static void states_of_model(const struct scenario *s, const void *state, struct os_sim *base, enum os_sim_model model,
                            uint64_t promise)
{
	struct os_sim_states *states = os_sim_states_new(base, model);
	uint64_t bound = (uint64_t)BOUND * crash_scale();

	if (crash_is_replay()) {
		replay(s, state, base, states);
	} else if (os_sim_states_count(states, OS_SIM_BASE_KEPT, SIZE_MAX, bound + 1) <= bound) {
		states_tally.whole++;
		walk(s, state, base, states, promise, OS_SIM_BASE_KEPT, SIZE_MAX);
	} else {
		walk_some(s, state, base, states, promise, bound);
	}
	states_tally.points++;
	os_sim_states_free(states);
}

void states_of(const struct scenario *s, const void *state, struct os_sim *sim)
{
	struct node base = { .sim = os_sim_clone(sim) };
	uint64_t promise = s->promise ? s->promise(state) : 0;

	for (int p = 0; p < OS_SIM_PROCESSES_MAX; p++)
		os_sim_kill(base.sim, p);
	crash_look("before the cut", &base);
	for (int model = OS_SIM_WEAK; model <= OS_SIM_JOURNAL && !crash_over(); model++)
		if (crash_at("model", (unsigned long)model))
			states_of_model(s, state, base.sim, (enum os_sim_model)model, promise);
	node_free(&base);
}

/* ---- all points ---- */

static bool one_stop(const struct scenario *s, unsigned workload, unsigned stop)
{
	struct node n = { .sim = os_sim_new(workload + 1) };
	void *state = s->make(workload);
	bool ready = !s->prepare || s->prepare(state, &n);

	os_sim_stop_after(n.sim, stop);
	if (ready)
		s->run(state, &n);
	bool done = !crash_is_off(&n);
	if (!done && n.p) {
		n.p->ops->close(n.p); /* frees its memory: nothing reaches the disk any more */
		n.p = NULL;
	}
	if (ready)
		states_of(s, state, n.sim);
	else
		crash_fail("the workload cannot be prepared");
	node_free(&n);
	s->free(state);
	return !done && ready;
}

void states_everywhere(const struct scenario *s, unsigned workload)
{
	forget();
	if (!crash_at("workload", workload))
		return;
	for (unsigned stop = 1; stop < STOPS_MAX && !crash_over(); stop++)
		if (crash_at("stop", stop) && !one_stop(s, workload, stop))
			break;
	forget();
}

static unsigned long long since(uint64_t now, uint64_t before)
{
	return now - before;
}

void states_works(const struct scenario *s, const struct work *works, size_t count)
{
	const struct states_tally first = states_tally;
	double began = crash_seconds();

	for (unsigned i = 0; i < count && !crash_over(); i++) {
		struct states_tally t = states_tally;
		states_everywhere(s, i);
		if (states_tally.points == t.points)
			continue;
		crash_tell("        %-26s %3llu points, %3llu whole; %7llu states, %6llu different ones recovered\n", works[i].name,
		           since(states_tally.points, t.points), since(states_tally.whole, t.whole),
		           since(states_tally.states, t.states), since(states_tally.recovered, t.recovered));
	}
	double took = crash_seconds() - began;
	uint64_t points = states_tally.points - first.points, whole = states_tally.whole - first.whole;
	crash_tell("        %llu points: %llu with every state, %llu with %llu near states and %llu drawn ones; %llu states in all, "
	           "%.0f/s\n", (unsigned long long)points, (unsigned long long)whole, (unsigned long long)(points - whole),
	           since(states_tally.walked, first.walked), since(states_tally.drawn, first.drawn),
	           since(states_tally.states, first.states), took > 0 ? (double)(states_tally.states - first.states) / took : 0);
}

void states_sync(struct node *n)
{
	const struct os *os = os_sim_os_process(n->sim, OS_SIM_PROCESSES_MAX - 1);
	int fd = os->open_root(os->self, "/");

	if (fd < 0 || os->sync_fs(os->self, fd) < 0)
		crash_fail("the disk cannot be synced");
	os->close(os->self, fd);
}
