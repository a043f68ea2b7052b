/* model.c - random but repeatable work on a hub, and what must be there afterwards. */
#include "harness.h"
#include "base/crc32c.h"

#include <stdarg.h>
#include <stdio.h>

#define RECORDS_MAX 8
#define TRIES_MAX 12
#define EXTRA_ID "extra"

const struct profile profiles[] = {
	/*  name             steps commit maint arch purge revive reopen attend prune  create end exec spill big */
	{ "mixed",              50,   55,   25,   8,    6,     0,     2,     4,    0,     40,  12,  12,    8,  3 },
	{ "ends and purges",    50,   45,   10,  22,   18,     0,     2,     3,    0,     60,  55,   5,   12,  0 },
	{ "oversize and spill", 36,   60,   30,   5,    4,     0,     1,     0,    0,     40,   8,  10,   30, 20 },
	{ "executions",         45,   60,   30,   5,    3,     0,     2,     0,   12,     30,   5,  45,    5,  4 },
	{ "small, no rest",    110,   90,    6,   2,    1,     0,     1,     0,    0,     35,   4,   6,    1,  0 },
	{ "ends and revivals",  60,   40,   12,  22,    3,    20,     3,     3,    5,     30,  70,   5,    8,  6 },
};
const unsigned profile_count = COUNT_OF(profiles);

/* ---- texts ---- */

void line_add(struct buf *out, uint64_t serial, size_t size)
{
	size_t begin = out->len;

	buf_addf(out, "{\"n\":%llu,\"pad\":\"", (unsigned long long)serial);
	while (out->len - begin + 12 < size)
		buf_addc(out, (char)('a' + (serial + out->len - begin) % 26));
	buf_adds(out, "\"}");
	buf_addf(out, "\t%08x\n", crc32c(0, out->data + begin, out->len - begin));
}

bool lines_good(const char *text, size_t len)
{
	for (const char *at = text, *end = text + len; at < end;) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		if (!lf || lf - at < 10 || lf[-9] != '\t' || strtoul(lf - 8, NULL, 16) != crc32c(0, at, (size_t)(lf - 9 - at)))
			return false;
		at = lf + 1;
	}
	return true;
}

void *world_make(unsigned workload)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->profile = &profiles[workload % profile_count];
	w->workload = workload;
	w->random = workload * 7919u + 1;
	for (unsigned i = 0; i < IDS; i++)
		snprintf(w->instances[i].id, sizeof(w->instances[i].id), "i%u", i);
	return w;
}

void world_free(void *state)
{
	struct world *w = state;

	for (unsigned i = 0; i < IDS; i++)
		for (unsigned l = 0; l < LIVES; l++) {
			for (unsigned e = 0; e < EXECUTIONS; e++)
				buf_release(&w->instances[i].lives[l].text[e]);
			for (unsigned s = 0; s < SPILLS; s++)
				buf_release(&w->instances[i].lives[l].spills[s]);
		}
	free(w);
}

static void settle_views(struct world *w, bool done)
{
	for (unsigned i = 0; i < IDS; i++) {
		struct instance *in = &w->instances[i];
		if (done)
			in->acked = in->next;
		else
			in->next = in->acked;
	}
}

/* ---- failures ---- */

void world_heal(struct world *w, struct node *n)
{
	w->fired = w->fired || os_sim_fault_fired(n->sim) || crash_sync_failed();
	if (crash_read_only())
		return;
	crash_heal_sync();
	os_sim_fail_nth(n->sim, 0, 0, false);
}

/* Shall what failed be tried again? Without armed faults a failure is one of the test, unless the power is off. */
static bool again(struct world *w, struct node *n, int rc, const struct pawl_error *err, const char *what)
{
	if (rc >= 0 || crash_is_off(n))
		return false;
	if (!w->faulty) {
		crash_fail("%s failed: %s", what, err->text);
		w->over = true;
		return false;
	}
	if (crash_read_only()) {
		w->over = true;
		return false;
	}
	enum pawl_error_class class = pawl_error_class(rc);
	if (err->code != rc || !err->text[0])
		crash_fail("%s failed with %s and says '%s' (%s)", what, pawl_error_name(rc), err->text, pawl_error_name(err->code));
	if (class != PAWL_CLASS_RETRYABLE && class != PAWL_CLASS_NOSPACE) {
		crash_fail("%s: '%s' is not an error that stalls (%s)", what, err->text, pawl_error_name(rc));
		w->over = true;
	}
	if (++w->failures >= w->patience)
		world_heal(w, n);
	if (w->failures > w->patience + TRIES_MAX) {
		crash_fail("%s fails for ever: %s", what, err->text);
		w->over = true;
	}
	return !w->over;
}

bool world_start(struct world *w, struct node *n)
{
	struct pawl_error err = { 0 };
	int rc;

	do {
		rc = node_start(n, &err);
	} while (again(w, n, rc, &err, "acquire"));
	return rc == 0;
}

/* ---- maintenance, in three steps with other work between them ---- */

static int maintain_step(struct world *w, struct node *n, bool idle)
{
	struct pawl_error err = { 0 };
	int rc = 1;

	if (!w->maintenance) {
		rc = n->p->ops->maintain(n->p, idle, &w->maintenance, &err);
		w->stage = 0;
	} else if (w->stage++ == 0) {
		(void)w->maintenance->run(w->maintenance);
	} else {
		struct pawl_job *job = w->maintenance;
		w->maintenance = NULL;
		int ended = job->end(job, &err);
		rc = ended < 0 ? ended : 1;
	}
	(void)again(w, n, rc, &err, "maintenance");
	return w->maintenance && rc >= 0 ? 1 : rc;
}

void world_finish(struct world *w, struct node *n)
{
	while (w->maintenance)
		(void)maintain_step(w, n, true);
}

void world_settle(struct world *w, struct node *n)
{
	for (int i = 0; i < 200 && !w->over && !crash_is_off(n); i++)
		if (maintain_step(w, n, true) == 0)
			break;
	world_finish(w, n);
}

/* ---- commits ---- */

struct plan {
	struct pawl_record records[RECORDS_MAX];
	struct pawl_spill spills[RECORDS_MAX];
	char names[RECORDS_MAX][24];
	struct { struct instance *in; unsigned execution; size_t at, end; } parts[RECORDS_MAX];
	size_t count, spill_count;
};

static size_t line_size(struct world *w)
{
	if (w->profile->bytes)
		return w->profile->bytes;
	if (below(&w->random, 100) < w->profile->big)
		return 33000 + below(&w->random, 9000);
	return below(&w->random, 8) ? 60 + below(&w->random, 400) : 2000 + below(&w->random, 5000);
}

static void plan_lines(struct world *w, struct plan *p, struct instance *in, bool create, bool end)
{
	struct view *v = &in->next;
	unsigned e = v->executions - 1;
	struct buf *text = &in->lives[v->life].text[e];
	size_t at = v->len[e];

	buf_truncate(text, at);
	for (unsigned lines = w->profile->bytes ? 1 : 1 + below(&w->random, 3); lines; lines--)
		line_add(text, ++w->commits, line_size(w));
	v->len[e] = text->len;
	p->parts[p->count].in = in;
	p->parts[p->count].execution = e;
	p->parts[p->count].at = at;
	p->parts[p->count].end = text->len;
	p->records[p->count++] = (struct pawl_record){ .instance = in->id, .execution = e + 1, .offset = at,
		.create = create, .end = end };
}

static void plan_spill(struct world *w, struct plan *p, struct instance *in)
{
	struct view *v = &in->next;
	struct buf *data = &in->lives[v->life].spills[v->spills];

	buf_reset(data);
	for (unsigned n = 500 + below(&w->random, 9000); n; n--)
		buf_addc(data, (char)draw(&w->random));
	snprintf(p->names[p->spill_count], sizeof(p->names[0]), "s%u.payload", v->spills++);
	p->spills[p->spill_count] = (struct pawl_spill){ in->id, p->names[p->spill_count], data->data, data->len };
	p->spill_count++;
}

static void plan_instance(struct world *w, struct plan *p, struct instance *in)
{
	const struct profile *f = w->profile;
	struct view *v = &in->next;
	bool create = v->state == ABSENT;

	if (!create && f->only_new)
		return;
	if (create && (v->life == LIVES || below(&w->random, 100) >= f->create))
		return;
	if (create)
		*v = (struct view){ .state = LIVE, .life = v->life, .executions = 1 };
	else if (v->state == REVIVED && v->executions < EXECUTIONS)
		v->len[v->executions++] = 0;
	else if (v->state != LIVE)
		return;
	v->state = LIVE;
	bool end = below(&w->random, 100) < f->end;
	bool execution = v->executions < EXECUTIONS && below(&w->random, 100) < f->execution;
	if (v->spills < SPILLS && below(&w->random, 100) < f->spill)
		plan_spill(w, p, in);
	plan_lines(w, p, in, create, end && !execution);
	if (execution) { /* continue as new: the last lines of one and the first of the next, together */
		v->executions++;
		v->len[v->executions - 1] = 0;
		plan_lines(w, p, in, false, end);
	}
	if (end)
		v->state = ENDED;
}

static void plan_batch(struct world *w, struct plan *p)
{
	unsigned first = below(&w->random, IDS), wanted = 1 + below(&w->random, 4);

	if (w->profile->records) {
		first = 0;
		wanted = w->profile->records;
	}

	for (unsigned i = 0; i < IDS && wanted; i++) {
		size_t had = p->count;
		plan_instance(w, p, &w->instances[(first + i) % IDS]);
		wanted -= p->count > had;
	}
	for (size_t i = 0; i < p->count; i++) {
		struct life *l = &p->parts[i].in->lives[p->parts[i].in->next.life];
		p->records[i].data = l->text[p->parts[i].execution].data + p->parts[i].at;
		p->records[i].len = p->parts[i].end - p->parts[i].at;
	}
}

static void commit(struct world *w, struct node *n)
{
	struct plan p = { .count = 0 };
	struct pawl_error err = { 0 };
	int rc, rooms = 0;
	bool full;

	plan_batch(w, &p);
	if (p.count == 0)
		return;
	const struct pawl_batch batch = { p.records, p.count, p.spills, p.spill_count };
	do {
		struct pawl_job *job = NULL;
		rc = n->p->ops->commit_begin(n->p, &batch, &job, &err);
		full = rc == PAWL_EBUSY && rooms++ < 4;
		if (full)
			world_settle(w, n);
		if (rc < 0)
			continue;
		if (crash_planted("ackearly"))
			settle_views(w, true);
		if (w->stage == 0 && w->maintenance && below(&w->random, 2))
			(void)maintain_step(w, n, false);
		(void)job->run(job);
		if (w->stage == 1 && w->maintenance && below(&w->random, 2))
			(void)maintain_step(w, n, false);
		rc = job->end(job, &err);
	} while ((full && !w->over && !crash_is_off(n)) || again(w, n, rc, &err, "commit"));
	if (rc == 0)
		settle_views(w, true);
}

/* ---- the other steps ---- */

static struct instance *pick(struct world *w, enum state state)
{
	unsigned first = below(&w->random, IDS);

	for (unsigned i = 0; i < IDS; i++) {
		struct instance *in = &w->instances[(first + i) % IDS];
		if (in->acked.state == state)
			return in;
	}
	return NULL;
}

static void archive(struct world *w, struct node *n)
{
	struct instance *in = pick(w, w->profile->revive && below(&w->random, 6) == 0 ? REVIVED : ENDED);
	struct pawl_error err = { 0 };
	int rc;

	if (!in)
		return;
	in->next.state = MOVED;
	do {
		rc = n->p->ops->archive(n->p, in->id, &err);
	} while (again(w, n, rc, &err, "archive"));
	if (rc == 0)
		settle_views(w, true);
}

static void purge(struct world *w, struct node *n)
{
	struct instance *in = pick(w, MOVED);
	struct pawl_error err = { 0 };
	int rc, rooms = 0;
	bool failed = false, full;

	if (!in)
		return;
	in->next = (struct view){ .state = ABSENT, .life = in->acked.life + 1 };
	do {
		rc = n->p->ops->purge(n->p, in->id, &err);
		if (rc == PAWL_ENOTFOUND && failed)
			rc = 0; /* the failed one got that far */
		failed = failed || rc < 0;
		full = rc == PAWL_EBUSY && rooms++ < 4;
		if (full)
			world_settle(w, n);
	} while ((full && !w->over && !crash_is_off(n)) || again(w, n, rc, &err, "purge"));
	if (rc == 0)
		settle_views(w, true);
}

/* Of a live one or an ended one: all executions but the newest may go. */
static void prune(struct world *w, struct node *n)
{
	struct instance *in = NULL;
	struct pawl_error err = { 0 };
	int rc, rooms = 0;
	bool full;

	for (unsigned i = 0; i < IDS && !in; i++)
		if (w->instances[i].acked.state != ABSENT && w->instances[i].acked.executions > 1 &&
		    w->instances[i].acked.kept_from < w->instances[i].acked.executions)
			in = &w->instances[i];
	if (!in)
		return;
	in->next.kept_from = in->acked.executions;
	const struct pawl_prune what = { in->id, in->next.kept_from, 0 };
	do {
		rc = n->p->ops->prune(n->p, &what, 1, NULL, NULL, &err);
		full = rc == PAWL_EBUSY && rooms++ < 4;
		if (full)
			world_settle(w, n);
	} while ((full && !w->over && !crash_is_off(n)) || again(w, n, rc, &err, "prune"));
	if (rc == 0)
		settle_views(w, true);
}

static void revive(struct world *w, struct node *n)
{
	struct instance *in = pick(w, MOVED);
	struct pawl_error err = { 0 };
	int rc, rooms = 0;
	bool full;

	if (!in)
		return;
	in->next.state = REVIVED;
	do {
		rc = n->p->ops->revive(n->p, in->id, &err);
		full = rc == PAWL_EBUSY && rooms++ < 4;
		if (full)
			world_settle(w, n);
	} while ((full && !w->over && !crash_is_off(n)) || again(w, n, rc, &err, "revive"));
	if (rc == 0)
		settle_views(w, true);
}

static void reopen(struct world *w, struct node *n)
{
	world_finish(w, n);
	if (crash_is_off(n))
		return;
	node_stop(n);
	if (!crash_is_off(n))
		(void)world_start(w, n);
}

static void attend(struct world *w, struct node *n)
{
	struct instance *in = pick(w, LIVE);

	if (in)
		n->p->ops->attend(n->p, in->id, true);
}

void world_do(struct world *w, struct node *n, enum step what)
{
	switch (what) {
	case STEP_COMMIT: commit(w, n); break;
	case STEP_MAINTAIN: (void)maintain_step(w, n, false); break;
	case STEP_MAINTAIN_IDLE: (void)maintain_step(w, n, true); break;
	case STEP_ARCHIVE: archive(w, n); break;
	case STEP_PURGE: purge(w, n); break;
	case STEP_REVIVE: revive(w, n); break;
	case STEP_REOPEN: reopen(w, n); break;
	case STEP_PRUNE: prune(w, n); break;
	case STEP_ATTEND: attend(w, n); break;
	}
}

void world_step(struct world *w, struct node *n)
{
	const struct profile *f = w->profile;
	unsigned total = f->commit + f->maintain + f->archive + f->purge + f->revive + f->reopen + f->attend + f->prune;
	unsigned what = below(&w->random, total);

	if (what < f->commit)
		world_do(w, n, STEP_COMMIT);
	else if ((what -= f->commit) < f->maintain)
		world_do(w, n, what & 1 ? STEP_MAINTAIN_IDLE : STEP_MAINTAIN);
	else if ((what -= f->maintain) < f->archive)
		world_do(w, n, STEP_ARCHIVE);
	else if ((what -= f->archive) < f->purge)
		world_do(w, n, STEP_PURGE);
	else if ((what -= f->purge) < f->revive)
		world_do(w, n, STEP_REVIVE);
	else if ((what -= f->revive) < f->reopen)
		world_do(w, n, STEP_REOPEN);
	else if ((what -= f->reopen) < f->prune)
		world_do(w, n, STEP_PRUNE);
	else
		world_do(w, n, STEP_ATTEND);
}

/* Texts only grow, and each life has its own: lengths say what they are. */
uint64_t world_promise(const void *state)
{
	const struct world *w = state;
	uint64_t h = w->commits;

	for (unsigned i = 0; i < IDS; i++)
		for (int side = 0; side < 2; side++) {
			const struct view *v = side ? &w->instances[i].next : &w->instances[i].acked;
			h = (h + v->state + v->life * 7 + v->executions * 31 + v->spills * 101 + v->kept_from * 1009) * 0x9ddfea08eb382d69u + i;
			for (unsigned e = 0; e < v->executions; e++)
				h = (h + v->len[e]) * 0xc4ceb9fe1a85ec53u;
		}
	return draw(&h);
}

void world_run(void *state, struct node *n)
{
	struct world *w = state;

	if (!world_start(w, n))
		return;
	for (unsigned i = 0; i < w->profile->steps && n->p && !w->over && !crash_is_off(n); i++)
		world_step(w, n);
	if (n->p)
		world_finish(w, n);
}

/* ---- what is there ---- */

static char differs_text[512];

static const char *differs(const char *fmt, ...) PAWL_PRINTF(1, 2);
static const char *differs(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(differs_text, sizeof(differs_text), fmt, args);
	va_end(args);
	return differs_text;
}

struct finding {
	const char *id;
	bool found;
};

static int find_id(void *arg, const char *id)
{
	struct finding *f = arg;

	f->found = f->found || strcmp(f->id, id) == 0;
	return 0;
}

static bool scanned(struct node *n, const char *id, bool archived)
{
	struct finding f = { id, false };

	(void)n->p->ops->scan(n->p, archived, find_id, &f, NULL);
	return f.found;
}

static const char *text_differs(struct node *n, const char *id, uint64_t execution, const char *want, size_t len)
{
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t got = 0;
	uint64_t which;
	const char *why = NULL;
	int rc = n->p->ops->read(n->p, id, execution, &text, &got, &which, &err);

	if (rc < 0)
		return differs("execution %llu of '%s' cannot be read: %s", (unsigned long long)execution, id, err.text);
	if (got != len)
		why = differs("execution %llu of '%s' has %zu bytes, not %zu", (unsigned long long)execution, id, got, len);
	for (size_t i = 0; !why && i < len; i++)
		if (text[i] != want[i])
			why = differs("execution %llu of '%s' is not what was committed, from byte %zu of %zu",
			              (unsigned long long)execution, id, i, len);
	free(text);
	return why;
}

static bool may_be_gone(const struct view *v, struct node *n, const char *id, unsigned execution)
{
	char *text = NULL;
	size_t len;
	uint64_t which;
	int rc = execution < v->kept_from ? n->p->ops->read(n->p, id, execution, &text, &len, &which, NULL) : 0;

	free(text);
	return rc == PAWL_ENOTFOUND;
}

static const char *spills_differ(const struct instance *in, const struct view *v, struct node *n)
{
	const char *why = NULL;

	for (unsigned s = 0; s < v->spills && !why; s++) {
		const struct buf *want = &in->lives[v->life].spills[s];
		struct pawl_error err = { 0 };
		char name[24], *data = NULL;
		size_t len = 0;
		snprintf(name, sizeof(name), "s%u.payload", s);
		if (n->p->ops->read_spill(n->p, in->id, name, &data, &len, &err) < 0)
			why = differs("payload %s of '%s' is gone: %s", name, in->id, err.text);
		else if (len != want->len || memcmp(data, want->data, len) != 0)
			why = differs("payload %s of '%s' is not what was committed", name, in->id);
		free(data);
	}
	return why;
}

static const char *place_differs(const struct instance *in, const struct view *v, struct node *n)
{
	bool live = scanned(n, in->id, false), archived = scanned(n, in->id, true), quarantined;
	char *note = n->p->ops->read_note(n->p, in->id, &quarantined);
	const char *why = NULL;

	if (live && archived)
		why = differs("'%s' is live and in the archive", in->id);
	else if (v->state == ABSENT ? live || archived : !live && !archived)
		why = differs("'%s' is %s", in->id, v->state == ABSENT ? "there" : "gone");
	else if (archived && v->state < MOVED && v->state != ABSENT)
		why = differs("'%s' is in the archive, and nobody moved it", in->id);
	else if (quarantined)
		why = differs("'%s' is quarantined: %s", in->id, note);
	free(note);
	return why;
}

/* What world_go_on adds. */
static void add_more(const struct view *v, struct buf *text)
{
	if (v->state == LIVE)
		line_add(text, 1000000, 100);
}

const char *instance_differs(const struct instance *in, struct node *n, bool next, bool went_on)
{
	const struct view *v = next ? &in->next : &in->acked;
	const char *why = place_differs(in, v, n);
	char *text = NULL;
	size_t len;
	uint64_t which = 0;

	for (unsigned e = 0; !why && e < v->executions; e++) {
		struct buf want = BUF_INIT;
		buf_add(&want, in->lives[v->life].text[e].data, v->len[e]);
		if (went_on && e + 1 == v->executions)
			add_more(v, &want);
		if (!may_be_gone(v, n, in->id, e + 1))
			why = text_differs(n, in->id, e + 1, want.data, want.len);
		buf_release(&want);
	}
	if (!why && v->state != ABSENT) {
		if (n->p->ops->read(n->p, in->id, 0, &text, &len, &which, NULL) == 0 && which != v->executions)
			why = differs("'%s' has %llu executions, not %u", in->id, (unsigned long long)which, v->executions);
		free(text);
	}
	return why ? why : spills_differ(in, v, n);
}

const char *world_differs(const struct world *w, struct node *n, bool next, bool went_on)
{
	const char *why = NULL;

	for (unsigned i = 0; i < IDS && !why; i++)
		why = instance_differs(&w->instances[i], n, next, went_on);
	if (!why && scanned(n, EXTRA_ID, false) != went_on)
		why = differs("'%s' is %s", EXTRA_ID, went_on ? "gone" : "there");
	return why;
}

void world_check(const void *state, struct node *n, struct outcome *o)
{
	const struct world *w = state;
	char first[sizeof(differs_text)] = "";
	unsigned errors = crash_logged_errors();

	if (errors)
		crash_fail("the log tells of an error: %s", crash_last_error());
	bool next = o->decided && o->pending_kept;
	const char *why = world_differs(w, n, next, o->went_on);
	if (why && !o->decided) {
		snprintf(first, sizeof(first), "%s", why);
		next = true;
		why = world_differs(w, n, next, o->went_on);
	}
	if (why && first[0])
		crash_fail("neither what was acknowledged (%s) nor that and the last operation (%s)", first, why);
	else if (why)
		crash_fail("%s%s", o->went_on ? "later: " : o->decided ? "not the same as before: " : "", why);
	o->decided = true;
	o->pending_kept = next;
}

static int add_line(struct node *n, const struct instance *in, bool next)
{
	const struct view *v = next ? &in->next : &in->acked;
	struct pawl_error err = { 0 };
	struct buf text = BUF_INIT;
	int rc = 0;

	add_more(v, &text);
	if (text.len) {
		const struct pawl_record r = { .instance = in->id, .execution = v->executions, .offset = v->len[v->executions - 1],
			.data = text.data, .len = text.len };
		const struct pawl_batch b = { &r, 1, NULL, 0 };
		rc = pawl_provider_commit(n->p, &b, &err);
		if (rc == PAWL_EBUSY && node_settle(n))
			rc = pawl_provider_commit(n->p, &b, &err);
		if (rc < 0)
			crash_fail("no new commit for '%s': %s", in->id, err.text);
	}
	buf_release(&text);
	return rc;
}

/* A line for each live instance, a new instance, and ended ones archived. */
void world_go_on(const void *state, struct node *n)
{
	const struct world *w = state;
	struct pawl_error err = { 0 };
	bool next = world_differs(w, n, false, false) != NULL;
	const struct pawl_record r = { .instance = EXTRA_ID, .execution = 1, .data = "x\n", .len = 2, .create = true };

	for (unsigned i = 0; i < IDS; i++) {
		const struct instance *in = &w->instances[i];
		const struct view *v = next ? &in->next : &in->acked;
		if (add_line(n, in, next) < 0)
			return;
		if (v->state == MOVED && n->p->ops->archive(n->p, in->id, &err) < 0)
			crash_fail("cannot archive '%s' again: %s", in->id, err.text);
	}
	int rc = pawl_provider_commit(n->p, &(struct pawl_batch){ &r, 1, NULL, 0 }, &err);
	if (rc == PAWL_EBUSY && node_settle(n))
		rc = pawl_provider_commit(n->p, &(struct pawl_batch){ &r, 1, NULL, 0 }, &err);
	if (rc < 0)
		crash_fail("no new instance: %s", err.text);
	if (w->commits & 1)
		(void)node_settle(n);
}

const struct scenario commit_scenario = { world_make, world_free, world_run, world_check, world_go_on, 2, 3, 6, 1 };
