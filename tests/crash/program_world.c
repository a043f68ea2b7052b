/* program_world.c - a whole runtime under a program: clocks, storage that dies, what comes from outside, and all that is true of every run. */
#include "program_world.h"
#include "program_facts.h"
#include "program_look.h"
#include "base/error.h"
#include "history/history.h"
#include "os/os_sim.h"
#include "program_loop.h"
#include "providers/memory/memory.h"
#include "runtime/runtime.h"
#include "runtime/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HUB_NAME "program"
#define HUB_DIR "/hub"
#define START_REAL_NS INT64_C(1700000000000000000)
#define START_BOOT_NS INT64_C(5000000000)
#define STEPS_MAX 400000
#define OFF_MS_MAX 300000000u
#define NEVER_MS INT64_C(2000000000000)

bool run_verbose;

struct world_job {
	struct pawl_job job;
	struct pawl_job *real;
	const struct crash *crash;
	bool ran;
};

struct stimulus_at {
	int64_t at_ms;
	int root;                 /* >= 0: start it */
	const struct stimulus *s;
	bool resume;
};

static struct run_world {
	const struct program *p;
	const struct run_options *o;
	struct run_result *r;
	struct os_sim *sim;       /* on disk: the machine; else what it lends its table from */
	struct os os;
	int64_t now_ms, boot_ms;  /* since the start; when this boot began */
	unsigned boots;
	uint64_t random;
	pawl_runtime *rt;
	struct pawl_provider *client; /* in memory */
	struct stimulus_at plan[ROOTS_MAX + 2 * STIMULI_MAX];
	size_t plan_count, plan_at;
	const struct crash *next, *current; /* to come; under way */
	unsigned crash_at;        /* index of it */
	unsigned later;           /* steps until it */
	bool dead, stop, over;
	bool lost;                /* something was removed or archived in vain since the last crash */
	unsigned long steps;
	struct world_job *committing, *maintaining;
	struct program_loop loop;
} *w;

static const struct pawl_provider_ops *real_ops;
static struct pawl_provider_ops ops;

static void PAWL_PRINTF(1, 2) wrong(const char *fmt, ...)
{
	va_list args;

	if (w->r->why[0])
		return;
	va_start(args, fmt);
	vsnprintf(w->r->why, sizeof(w->r->why), fmt, args);
	va_end(args);
}

/* ---- clocks ---- */

static int64_t boot_ns(void *self)
{
	(void)self;
	return START_BOOT_NS + (w->now_ms - w->boot_ms) * 1000000;
}

static int64_t real_ns(void *self)
{
	(void)self;
	return START_REAL_NS + w->now_ms * 1000000;
}

static int boot_id(void *self, char out[OS_BOOT_ID_SIZE])
{
	(void)self;
	snprintf(out, OS_BOOT_ID_SIZE, "%08x-0000-4000-8000-000000000000", program_planted("sameboot") ? 1 : w->boots + 1);
	return 0;
}

static int draw_random(void *self, void *out, size_t len)
{
	unsigned char *p = out;

	(void)self;
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)program_below(&w->random, 256);
	return 0;
}

static void make_table(void)
{
	w->os = *os_sim_os(w->sim);
	w->os.boot_ns = boot_ns;
	w->os.real_ns = real_ns;
	w->os.boot_id = boot_id;
	w->os.random = draw_random;
}

/* ---- dying ---- */

static void end_job(struct world_job **slot)
{
	struct pawl_error err = { 0 };
	struct world_job *j = *slot;

	*slot = NULL;
	if (!j)
		return;
	if (!j->ran && w->o->on_disk)
		(void)j->real->run(j->real);
	(void)j->real->end(j->real, &err);
	free(j);
}

/* From here on nothing that the runtime does reaches anything. */
static int die(struct pawl_error *err)
{
	if (!w->dead && !w->o->on_disk)
		(void)memory_provider_steal(HUB_NAME);
	else if (!w->dead && !os_sim_is_off(w->sim))
		os_sim_kill(w->sim, 0);
	w->dead = true;
	return err_set(err, PAWL_EFENCED, "the test lets the runtime die");
}

/* ---- storage ---- */

static int world_run(struct pawl_job *job)
{
	struct world_job *j = (struct world_job *)job;

	j->ran = true;
	return j->real->run(j->real);
}

static int commit_end(struct pawl_job *job, struct pawl_error *err)
{
	struct world_job *j = (struct world_job *)job;
	const struct crash *c = j->crash;

	if (c && c->kind == CRASH_BEFORE && program_planted("toldearly")) {
		w->later = 2 + c->steps; /* the real end is that of die: it was never durable */
		return 0;
	}
	w->committing = NULL;
	if (c && c->kind == CRASH_BEFORE)
		(void)die(err);
	int rc = j->real->end(j->real, err);
	free(j);
	if (c && c->kind == CRASH_AFTER)
		rc = die(err);
	else if (c && c->kind == CRASH_LATER)
		w->later = 1 + c->steps;
	else if (c && c->kind == CRASH_STOP)
		w->stop = true;
	return w->dead || os_sim_is_off(w->sim) ? die(err) : rc;
}

static int maintain_end(struct pawl_job *job, struct pawl_error *err)
{
	struct world_job *j = (struct world_job *)job;

	w->maintaining = NULL;
	int rc = j->real->end(j->real, err);
	free(j);
	return rc;
}

static struct world_job *world_job(struct pawl_job *real, int (*end)(struct pawl_job *job, struct pawl_error *err))
{
	struct world_job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	*j = (struct world_job){ .job = { world_run, end }, .real = real };
	return j;
}

static int commit_begin(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job, struct pawl_error *err)
{
	struct pawl_job *real;
	const struct crash *c = w->next && w->r->commits + 1 >= w->next->commit ? w->next : NULL;

	if (w->dead)
		return die(err);
	if (c) {
		w->current = c;
		w->crash_at++;
		w->next = w->crash_at < w->o->crash_count ? &w->o->crashes[w->crash_at] : NULL;
	}
	if (c && w->o->on_disk && c->reboot && c->kind == CRASH_BEFORE)
		os_sim_stop_after(w->sim, 1 + c->steps);
	if (w->committing) { /* planted */
		w->over = w->r->why[0];
		return die(err);
	}
	if (!c && w->p->kind == PROGRAM_REWOUND && program_below(&w->random, 30) == 0)
		return err_set(err, program_below(&w->random, 2) ? PAWL_EIO : PAWL_ENOSPC, "the test lets the commit fail"); /* I7: it takes time */
	if (c && c->kind == CRASH_BEFORE && batch->record_count > 1 && program_planted("halfcommit")) {
		const struct pawl_batch half = { batch->records, 1, batch->spills, batch->spill_count };
		if (real_ops->commit_begin(p, &half, &real, err) == 0 && real->run(real) == 0)
			(void)real->end(real, err);
		return die(err);
	}
	int rc = real_ops->commit_begin(p, batch, &real, err);
	if (os_sim_is_off(w->sim))
		return die(err);
	if (rc < 0)
		return rc;
	w->r->commits++;
	w->committing = world_job(real, commit_end);
	w->committing->crash = c;
	*job = &w->committing->job;
	return 0;
}

static int maintain(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err)
{
	struct pawl_job *real = NULL;
	int rc = real_ops->maintain(p, idle, &real, err);

	*job = NULL;
	if (rc >= 0 && real) {
		w->maintaining = world_job(real, maintain_end);
		*job = &w->maintaining->job;
	}
	return rc;
}

/* Is a crash about to undo it? */
static bool is_lost(void)
{
	const struct crash *c = w->current ? w->current : w->next;

	return w->dead || (!w->o->on_disk && c && c->kind != CRASH_STOP && w->r->commits + c->lost > c->commit);
}

static void ack(struct pawl_provider *p, void *token)
{
	if (is_lost())
		w->lost = true;
	else
		real_ops->ack(p, token);
}

/* Messages on their way in: with the bugs that are planted there. */
struct receiving {
	int (*each)(void *arg, struct pawl_message *message);
	void *arg;
	struct pawl_provider *p;
};

static int receive_each(void *arg, struct pawl_message *message)
{
	struct receiving *r = arg;
	char id[64];

	if (!program_planted("newid"))
		return r->each(r->arg, message);
	struct pawl_message other = *message;
	snprintf(id, sizeof(id), "%s-%u", message->id, w->r->crashes);
	other.id = id;
	return r->each(r->arg, &other);
}

static int receive(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *message), void *arg, int64_t *again_ms,
                   struct pawl_error *err)
{
	struct receiving r = { each, arg, p };

	return real_ops->receive(p, rescan, receive_each, &r, again_ms, err);
}

static int archive(struct pawl_provider *p, const char *id, struct pawl_error *err)
{
	if (!is_lost())
		return real_ops->archive(p, id, err);
	w->lost = true;
	return 0;
}

static int work_dir(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size)
{
	(void)p;
	snprintf(out, size, "/nowhere/%s/%llu", instance, (unsigned long long)seq);
	return 0;
}

static int open_provider(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err)
{
	struct pawl_provider_options o = *options;

	o.journal_bytes = 32 << 10;
	o.journal_segments = 3;
	int rc = real_ops->open(&o, out, err);
	if (rc == 0)
		(*out)->ops = &ops;
	return rc;
}

static void wrap(const struct pawl_provider_ops *real)
{
	real_ops = real;
	ops = *real;
	ops.open = open_provider;
	ops.commit_begin = commit_begin;
	ops.maintain = maintain;
	ops.ack = ack;
	ops.archive = archive;
	ops.receive = receive;
	ops.work_dir = work_dir;
}

static struct pawl_provider *open_client(void)
{
	struct pawl_provider_options o = { .hub = w->o->on_disk ? HUB_DIR : HUB_NAME, .allow_volatile = true };
	struct pawl_provider *p = NULL;
	struct pawl_error err = { 0 };
	struct os os;

	if (w->client)
		return w->client;
	if (w->o->on_disk) {
		os = *os_sim_os_process(w->sim, 1);
		os.boot_ns = boot_ns;
		os.real_ns = real_ns;
		os.boot_id = boot_id;
		static struct os table;
		table = os;
		o.os = &table;
	}
	if (real_ops->open(&o, &p, &err) < 0) {
		wrong("a client cannot open the hub: %s", err.text);
		return NULL;
	}
	if (!w->o->on_disk)
		w->client = p;
	return p;
}

static void close_client(struct pawl_provider *p)
{
	if (p && p != w->client)
		p->ops->close(p);
}

/* ---- what activities do ---- */

static bool durable_line(const char *text, const char *type, uint64_t number)
{
	char mark[80];

	snprintf(mark, sizeof(mark), "\"type\":\"%s\",\"ref\":%llu", type, (unsigned long long)number);
	size_t len = strlen(mark);
	for (const char *at = text; (at = strstr(at, mark)); at++)
		if (at[len] < '0' || at[len] > '9')
			return true;
	return false;
}

/* I1: what decided it is durable. And it never runs again once its completion is. */
static void check_attempt(pawl_work *work, const char *label)
{
	char mark[80], *text = NULL;
	size_t len;
	uint64_t which;

	if (w->o->on_disk || w->client->ops->read(w->client, work->id, work->execution, &text, &len, &which, NULL) < 0) {
		if (!w->o->on_disk)
			wrong("activity %s runs, and '%s' has no history", label, work->id);
		return;
	}
	snprintf(mark, sizeof(mark), "\"seq\":%llu,\"type\":\"ActivityScheduled\"", (unsigned long long)work->seq);
	if (!strstr(text, mark))
		wrong("I1: activity %s runs, and that it was decided (line %llu of '%s') is not durable", label, (unsigned long long)work->seq, work->id);
	if (durable_line(text, "ActivityCompleted", work->seq))
		wrong("I2: activity %s (line %llu of '%s') runs again after its completion was durable", label, (unsigned long long)work->seq, work->id);
	free(text);
}

static void effect(void *arg, pawl_work *work, const char *label)
{
	struct run_result *r = w->r;
	size_t n = 0;

	(void)arg;
	if (w->dead)
		return;
	check_attempt(work, label);
	while (n < r->effect_count && (r->effects[n].attempt != work->attempt || strcmp(r->effects[n].label, label) != 0))
		n++;
	if (n == r->effect_count) {
		r->effects = realloc(r->effects, (n + 1) * sizeof(*r->effects));
		if (!r->effects)
			abort();
		r->effects[n] = (struct run_effect){ .attempt = work->attempt };
		snprintf(r->effects[n].label, sizeof(r->effects[n].label), "%s", label);
		r->effect_count++;
	}
	r->effects[n].times++;
}

/* ---- what comes from outside ---- */

static void plan_add(int64_t at_ms, int root, const struct stimulus *s, bool resume)
{
	size_t n = w->plan_count++;

	while (n > 0 && w->plan[n - 1].at_ms > at_ms) {
		w->plan[n] = w->plan[n - 1];
		n--;
	}
	w->plan[n] = (struct stimulus_at){ at_ms, root, s, resume };
}

static void make_plan(void)
{
	for (unsigned i = 0; i < w->p->root_count; i++)
		if (w->p->roots[i].there)
			plan_add(w->p->roots[i].at_ms, (int)i, NULL, false);
	for (unsigned i = 0; i < w->p->stimulus_count; i++) {
		const struct stimulus *s = &w->p->stimuli[i];
		plan_add(s->at_ms, -1, s, false);
		if (s->kind == STIMULUS_SUSPEND)
			plan_add(s->at_ms + s->resume_ms, -1, s, true);
	}
}

static void send(const struct pawl_message *m)
{
	struct pawl_error err = { 0 };
	struct pawl_provider *p;
	int rc;

	p = open_client();
	if (!p)
		return;
	rc = p->ops->send(p, m, &err);
	close_client(p);
	if (rc < 0 && rc != PAWL_ENOTFOUND && rc != PAWL_ESTATE)
		wrong("a message to '%s' is refused: %s", m->instance, err.text);
	program_loop->mail = true;
}

static void do_stimulus(const struct stimulus_at *at)
{
	static const enum pawl_message_kind kinds[] = { PAWL_MESSAGE_RAISE, PAWL_MESSAGE_SUSPEND, PAWL_MESSAGE_CANCEL, PAWL_MESSAGE_TERMINATE,
		PAWL_MESSAGE_RESTART, PAWL_MESSAGE_RETRY, PAWL_MESSAGE_REWIND };
	char id[64], name[8], key[16], data[64], input[64];
	struct pawl_message m = { .instance = id };

	if (at->root >= 0) {
		root_id((unsigned)at->root, id);
		start_input((unsigned)at->root, id, input, sizeof(input));
		m.kind = PAWL_MESSAGE_START;
		m.name = PROGRAM_TYPE;
		m.data = input;
		m.len = strlen(input);
	} else {
		const struct stimulus *s = at->s;
		stimulus_id(w->p, s, id);
		m.kind = at->resume ? PAWL_MESSAGE_RESUME : kinds[s->kind];
		event_name_of(s->name, name);
		snprintf(key, sizeof(key), "k%u", s->key % 10);
		snprintf(data, sizeof(data), "raised at %lld", (long long)at->at_ms);
		if (m.kind == PAWL_MESSAGE_RAISE) {
			m.name = name;
			m.key = s->key ? key : NULL;
			m.data = data;
			m.len = strlen(data);
		} else {
			m.reason = "the test";
		}
		if (m.kind == PAWL_MESSAGE_REWIND) {
			snprintf(key, sizeof(key), s->key ? "%u" : "last-good", s->key);
			m.key = key;
		}
	}
	if (run_verbose)
		printf("        | -- at %lldms: message %d to %s\n", (long long)w->now_ms, (int)m.kind, id);
	send(&m);
}

/* ---- memory against history ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *view_differs(const struct view *a, const struct view *b)
{
	const struct open_item *x = a->open, *y = b->open;

	if (a->status != b->status || a->suspended != b->suspended || a->cancel_requested != b->cancel_requested)
		return "status";
	if (a->next_seq != b->next_seq)
		return "number of lines";
	if (!same_text(a->custom_status, b->custom_status))
		return "custom status";
	if (a->event_count != b->event_count || a->event_bytes != b->event_bytes)
		return "buffered events";
	for (; x && y; x = x->next, y = y->next)
		if (x->seq != y->seq || x->type != y->type || x->attempt != y->attempt || x->has_due != y->has_due || x->held != y->held)
			return "open items";
	return x || y || a->open_count != b->open_count ? "number of open items" : NULL;
}

static int fold(struct view *v, const struct history *h)
{
	int rc = 0;

	view_init(v);
	for (size_t n = 0; rc == 0 && n < h->count; n++)
		rc = view_apply(v, &h->events[n]);
	return rc;
}

static int check_view(void *arg, struct slice key, void *value)
{
	struct instance *i = value;
	struct history h;
	struct view v;
	char *text = NULL;
	size_t len;
	uint64_t which;

	(void)arg;
	(void)key;
	if (i->parked)
		wrong("'%s' is parked", i->id);
	if (!i->started || i->committing || w->r->why[0])
		return 0;
	if (w->client->ops->read(w->client, i->id, 0, &text, &len, &which, NULL) < 0) {
		wrong("'%s' is live and cannot be read", i->id);
		return 0;
	}
	history_init(&h);
	if (history_parse(&h, slice_make(text, len), NULL) < 0 || fold(&v, &h) < 0)
		wrong("I4: the history of '%s' cannot be folded", i->id);
	else if (which != i->execution || h.bytes != i->history_bytes)
		wrong("I4: '%s' has execution %llu with %zu bytes, in memory %llu with %zu", i->id, (unsigned long long)which, h.bytes,
		      (unsigned long long)i->execution, (size_t)i->history_bytes);
	else if (view_differs(&i->view, &v))
		wrong("I4: '%s' has another %s in memory than in its history:\n%s", i->id, view_differs(&i->view, &v), text);
	view_release(&v);
	history_release(&h);
	free(text);
	return 0;
}

/* ---- the loop's questions ---- */

static int step(void *arg, struct pawl_error *err)
{
	(void)arg;
	if (w->dead || os_sim_is_off(w->sim))
		return die(err);
	if (w->r->why[0]) {
		w->over = true;
		return die(err);
	}
	if (w->later && --w->later == 0)
		return die(err);
	if (w->stop) {
		w->stop = false;
		w->current = NULL;
		pawl_stop(w->rt);
	}
	if (++w->steps > STEPS_MAX) {
		wrong("it does not come to an end");
		w->over = true;
		return die(err);
	}
	return 0;
}

static int name_live(void *arg, struct slice key, void *value)
{
	struct instance *i = value;
	struct buf *b = arg;

	buf_addf(b, " '%.*s'", (int)key.len, key.data);
	for (const struct open_item *item = i->view.open; item; item = item->next)
		buf_addf(b, " %s(%llu)", event_type_name(item->type), (unsigned long long)item->seq);
	return 0;
}

static int print_history(void *arg, const char *id)
{
	struct pawl_provider *p = arg;
	uint64_t newest = 1, which;

	for (uint64_t n = 0; n <= newest; n++) {
		char *text = NULL;
		size_t len;
		if (p->ops->read(p, id, n, &text, &len, &which, NULL) == 0 && n > 0)
			printf("%s, execution %llu\n%s", id, (unsigned long long)n, text);
		newest = n == 0 ? which : newest;
		free(text);
	}
	return 0;
}

/* Of a run that has failed, for people. */
static void print_histories(void)
{
	struct pawl_provider *p = open_client();

	for (int i = 0; p && i < 2; i++)
		(void)p->ops->scan(p, i, print_history, p, NULL);
	close_client(p);
}

static void stuck(void)
{
	struct buf b = BUF_INIT;

	(void)map_each(&w->rt->instances, name_live, &b);
	wrong("nothing happens any more, and these are live:%s", buf_str(&b));
	buf_release(&b);
}

static int resume_one(void *arg, struct slice key, void *value)
{
	struct instance *i = value;

	(void)arg;
	(void)key;
	if (i->view.status == STATUS_SUSPENDED)
		send(&(struct pawl_message){ .kind = PAWL_MESSAGE_RESUME, .instance = i->id });
	return i->view.status == STATUS_SUSPENDED;
}

static bool is_entity(const char *id)
{
	return strncmp(id, "entity:", 7) == 0;
}

/* Entities have no end, they wait for more. */
static int is_not_over(void *arg, struct slice key, void *value)
{
	struct instance *i = value;

	(void)arg;
	(void)key;
	if (!is_entity(i->id) || i->view.event_count || i->mail)
		return 1;
	for (const struct open_item *item = i->view.open; item; item = item->next)
		if (item->type != EVENT_EventSubscribed)
			return 1;
	return 0;
}

static int idle(void *arg, int64_t timer_ns, struct pawl_error *err)
{
	int64_t timer_ms = timer_ns < 0 ? INT64_MAX : (timer_ns - START_BOOT_NS + 999999) / 1000000 + w->boot_ms;
	int64_t plan_ms = w->plan_at < w->plan_count ? w->plan[w->plan_at].at_ms : INT64_MAX;

	(void)arg;
	if (!w->rt->stopping && !w->o->on_disk && program_below(&program_loop->random, 8) == 0)
		(void)map_each(&w->rt->instances, check_view, NULL);
	if (!w->rt->stopping && w->plan_at == w->plan_count && map_each(&w->rt->instances, is_not_over, NULL) == 0) {
		w->over = !w->lost;
		w->next = w->current = NULL;
		if (w->lost) /* the crash that was to undo it has not come yet */
			return die(err);
		pawl_stop(w->rt);
		return 0;
	}
	/* Then only the look into the mailbox is left, which nobody puts anything into. */
	bool none = plan_ms == INT64_MAX && (timer_ns < 0 || timer_ns == w->rt->rescan_ns) && !w->rt->stopping;
	if (none && w->p->kind == PROGRAM_REWOUND && map_each(&w->rt->instances, resume_one, NULL))
		return 0; /* a rewind to where it was suspended */
	if (none) {
		stuck();
		w->over = true;
		return die(err);
	}
	if (timer_ms <= plan_ms || w->rt->stopping) {
		w->now_ms = timer_ms > w->now_ms ? timer_ms : w->now_ms;
		return 0;
	}
	w->now_ms = plan_ms > w->now_ms ? plan_ms : w->now_ms;
	/* the power does not go while a client is at work */
	do_stimulus(&w->plan[w->plan_at++]);
	return 0;
}

/* ---- what is left in the end ---- */

static void check_event(struct map *seen, const char *id, const struct event *e, bool carried)
{
	char key[400];

	if (!event_is_new(seen, e, carried, key))
		wrong("I2: '%s' has the event %s twice", id, key);
}

static void verify(struct pawl_provider *p, const char *id, uint64_t number, const struct history *h, const char *text)
{
	struct pawl_error err = { 0 };

	if (history_replays(p, id, number, h, is_entity(id) ? program_tally : program_run, &err) < 0)
		wrong("I5: execution %llu of '%s' does not replay: %s\n%.700s", (unsigned long long)number, id, err.text, text);
}

static void keep_end(const char *id, const char *input, uint64_t executions, const struct view *v, const char *output)
{
	struct run_result *r = w->r;
	const char *attempt = attempt_in(id), *text = output ? output : v->error_message;
	char label[100] = "";

	r->ends = realloc(r->ends, (r->end_count + 1) * sizeof(*r->ends));
	if (!r->ends)
		abort();
	struct run_end *e = &r->ends[r->end_count++];
	if (is_entity(id)) {
		const struct view_value *state = view_value(v, SLICE("state"));
		*e = (struct run_end){ .text = strdup(state ? state->text + state->key_len + 1 : "") };
		snprintf(e->key, sizeof(e->key), "%s", id);
		return;
	}
	(void)sscanf(input, "%*u %*u %*u %*u %99s", label);
	*e = (struct run_end){ .executions = (unsigned)executions, .text = strdup(text ? text : "") };
	snprintf(e->key, sizeof(e->key), "%s%s", label, attempt ? attempt : "");
	snprintf(e->id, sizeof(e->id), "%s", id);
	snprintf(e->status, sizeof(e->status), "%s", status_name(v->status));
}

struct looking {
	struct facts facts;
	struct pawl_provider *p;
	bool archived;
};

/* One execution: false when it cannot be read. */
static bool look_execution(struct looking *l, const char *id, uint64_t number, uint64_t newest, struct map *seen)
{
	struct pawl_error err = { 0 };
	struct history h;
	struct view v;
	char *text = NULL, *spilled = NULL;
	size_t len, size;
	uint64_t which;

	if (l->p->ops->read(l->p, id, number, &text, &len, &which, &err) < 0) {
		wrong("execution %llu of '%s' cannot be read: %s", (unsigned long long)number, id, err.text);
		return false;
	}
	history_init(&h);
	int rc = history_parse(&h, slice_make(text, len), &err);
	if (rc < 0 || h.torn_bytes || h.count == 0 || fold(&v, &h) < 0) {
		wrong("execution %llu of '%s' is damaged: %s", (unsigned long long)number, id, err.text);
		history_release(&h);
		free(text);
		return false;
	}
	if (h.events[0].fields & FIELD_REF) { /* rewound: what was behind that line may come again */
		map_release(seen);
		map_init(seen);
	}
	for (size_t n = 0; n < h.count; n++)
		check_event(seen, id, &h.events[n], n < carried_lines(&h, number));
	facts_of(&l->facts, id, number, &h, &v, carried_lines(&h, number));
	verify(l->p, id, number, &h, text);
	if (number < newest && v.status != STATUS_CONTINUED_AS_NEW && !program_revivals(w->p))
		wrong("execution %llu of '%s' is followed by another, and is %s", (unsigned long long)number, id, status_name(v.status));
	if (number == newest) {
		if (v.output_file)
			(void)l->p->ops->read_spill(l->p, id, v.output_file, &spilled, &size, NULL);
		keep_end(id, h.events[0].data.data ? h.events[0].data.data : "", newest, &v, spilled ? spilled : v.output);
	}
	free(spilled);
	view_release(&v);
	history_release(&h);
	free(text);
	return true;
}

static int look_at(void *arg, const char *id)
{
	struct looking *l = arg;
	struct map seen;
	uint64_t newest = 0;
	char *text = NULL;
	size_t len;

	if (!l->archived && !is_entity(id)) {
		wrong("'%s' is not in the archive", id);
		return 0;
	}
	map_init(&seen);
	if (l->p->ops->read(l->p, id, 0, &text, &len, &newest, NULL) < 0)
		wrong("'%s' cannot be read", id);
	free(text);
	for (uint64_t n = 1; n <= newest && look_execution(l, id, n, newest, &seen); n++)
		;
	map_release(&seen);
	w->r->instances++;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct run_end *)a)->key, ((const struct run_end *)b)->key);
}

static void look_at_all(void)
{
	struct looking l = { .p = open_client() };
	struct pawl_error err = { 0 };

	facts_init(&l.facts);
	for (int i = 0; l.p && i < 2; i++) {
		l.archived = i;
		if (l.p->ops->scan(l.p, i, look_at, &l, &err) < 0)
			wrong("the hub cannot be listed: %s", err.text);
	}
	close_client(l.p);
	if (!w->r->why[0] && !program_revivals(w->p))
		(void)facts_fit(&l.facts, w->r->why, sizeof(w->r->why));
	facts_release(&l.facts);
	if (w->r->end_count)
		qsort(w->r->ends, w->r->end_count, sizeof(*w->r->ends), by_key);
}

/* ---- a run ---- */

static void one_life(void)
{
	const pawl_options o = { .hub = w->o->on_disk ? HUB_DIR : HUB_NAME, .config = "", .provider = &ops, .replay_only = w->o->replay_only,
		.resident_max = (int)w->o->resident_max, .allow_volatile = true, .os = &w->os };
	struct pawl_error err = { 0 };

	make_table();
	w->dead = w->lost = false;
	w->later = 0;
	if (pawl_open(&w->rt, &o, &err) < 0) {
		wrong("the hub does not open: %s", err.text);
		w->over = true;
		return;
	}
	log_set_level(run_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	w->rt->config.drops.rescan_ms = w->rt->config.drops.rescan_idle_ms = NEVER_MS;
	program_loop->mail = true;
	int rc = pawl_run(w->rt, &err);
	if (rc < 0 && !w->dead && !os_sim_is_off(w->sim))
		wrong("the runtime ends by itself: %s", err.text);
	w->over = w->over || w->r->why[0];
	end_job(&w->committing);
	end_job(&w->maintaining);
	pawl_close(w->rt);
	w->rt = NULL;
}

static void after_crash(void)
{
	const struct crash *c = w->current;

	w->current = NULL;
	w->r->crashes++;
	os_sim_stop_after(w->sim, 0);
	if (w->o->on_disk && (os_sim_is_off(w->sim) || (c && c->reboot))) {
		const struct os_sim_cut how = { program_below(&w->random, 4), 1 + program_below(&w->random, 1000000), 512 };
		os_sim_power_cut(w->sim, &how);
	}
	if (c && c->reboot) {
		w->boots++;
		if (w->p->kind == PROGRAM_REWOUND) /* where times may differ, it is off for a while */
			w->now_ms += program_below(&w->random, 2) ? program_below(&w->random, OFF_MS_MAX) : 0;
		w->boot_ms = w->now_ms;
	}
}

static void open_memory(void)
{
	struct pawl_provider_options o = { .hub = HUB_NAME, .create = true, .allow_volatile = true };
	struct pawl_error err = { 0 };

	if (!w->o->on_disk && real_ops->open(&o, &w->client, &err) < 0)
		wrong("no hub: %s", err.text);
}

void run_program(const struct program *p, const struct run_options *o, struct run_result *r)
{
	struct run_world world = { .p = p, .o = o, .r = r, .random = o->seed + 77, .next = o->crash_count ? &o->crashes[0] : NULL,
		.loop = { .random = o->seed + 5, .step = step, .idle = idle } };

	memset(r, 0, sizeof(*r));
	w = &world;
	w->sim = os_sim_new(o->seed + 1);
	program_hooks = (struct program_hooks){ p, effect, NULL };
	program_loop = &world.loop;
	wrap(o->on_disk ? &pawl_provider_fs : &pawl_provider_memory);
	open_memory();
	make_plan();
	while (!w->over) {
		one_life();
		if (!w->dead && !os_sim_is_off(w->sim))
			continue;
		w->over = w->over && (w->r->why[0] || w->dead); /* the power may go while it stops */
		after_crash();
	}
	if (!r->why[0])
		look_at_all();
	if (r->why[0] && run_verbose)
		print_histories();
	if (w->client)
		w->client->ops->close(w->client);
	memory_provider_drop(HUB_NAME);
	os_sim_free(w->sim);
}

void run_release(struct run_result *r)
{
	for (size_t n = 0; n < r->end_count; n++)
		free(r->ends[n].text);
	free(r->ends);
	free(r->effects);
	memset(r, 0, sizeof(*r));
}
