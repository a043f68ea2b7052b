/*
 * test_damage.c - bytes of the journal and of histories are changed or zeroed while nobody runs: the hub opens all the
 * same, what is lost is told and never cut in silence, and only instances that were hit are set aside (I6). The one
 * exception is the journal's newest frame: nothing tells its damage from a write that the power cut tore.
 */
#include "harness.h"
#include "base/crc32c.h"

#include <stdio.h>

#define HACKER 3
#define FRAMES_MAX 256
#define HIT_MAX 8
#define FRAME_HEAD 48u
#define RECORD_HEAD 28u
#define FRAME_AREA 4096u

/* One record of a frame, as docs/FORMAT.md has it. */
struct hit {
	unsigned instance;
	size_t head, data, end; /* in the segment's file */
};

struct frame {
	unsigned segment;
	size_t at, end;
	uint64_t lsn, checkpoint;
	struct hit hits[HIT_MAX];
	unsigned count;
};

struct disk {
	struct world *w;
	struct os_sim *sim;
	struct frame frames[FRAMES_MAX];
	unsigned count;
	uint64_t newest, checkpoint;
};

static uint64_t get(const char *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | (unsigned char)p[bytes];
	return n;
}

/* ---- what the journal has ---- */

static unsigned instance_of(const struct world *w, const char *id, size_t len)
{
	for (unsigned i = 0; i < IDS; i++)
		if (strlen(w->instances[i].id) == len && memcmp(w->instances[i].id, id, len) == 0)
			return i;
	return IDS;
}

static void read_frame(struct disk *d, const char *text, struct frame *f, unsigned records)
{
	size_t at = f->at + FRAME_HEAD;

	while (records-- && f->count < HIT_MAX) {
		struct hit *h = &f->hits[f->count++];
		size_t id = (size_t)get(text + at + 2, 2);
		h->instance = instance_of(d->w, text + at + RECORD_HEAD, id);
		h->head = at;
		h->data = at + RECORD_HEAD + id;
		h->end = at = h->data + (size_t)get(text + at + 4, 4);
	}
}

static void read_segment(struct disk *d, unsigned segment, const char *text, size_t len)
{
	uint64_t salt = get(text + 16, 8);

	d->checkpoint = get(text + 40, 8) > d->checkpoint ? get(text + 40, 8) : d->checkpoint;
	for (size_t at = FRAME_AREA; at + FRAME_HEAD <= len && d->count < FRAMES_MAX;) {
		size_t payload = (size_t)get(text + at + 40, 4);
		if (memcmp(text + at, "PWFR", 4) != 0 || get(text + at + 8, 8) != salt || payload > len - at - FRAME_HEAD ||
		    crc32c(0, text + at + 8, FRAME_HEAD - 8 + payload) != get(text + at + 4, 4))
			break;
		struct frame *f = &d->frames[d->count++];
		*f = (struct frame){ .segment = segment, .at = at, .end = at + FRAME_HEAD + payload, .lsn = get(text + at + 16, 8),
			.checkpoint = get(text + at + 32, 8) };
		read_frame(d, text, f, (unsigned)get(text + at + 44, 3));
		d->newest = f->lsn > d->newest ? f->lsn : d->newest;
		d->checkpoint = f->checkpoint > d->checkpoint ? f->checkpoint : d->checkpoint;
		at = (f->end + 7) & ~(size_t)7;
	}
}

static void segment_name(char *path, size_t size, unsigned segment)
{
	snprintf(path, size, HUB "/journal/%u.segment", segment);
}

static void read_journal(struct disk *d)
{
	const struct os *os = os_sim_os_process(d->sim, HACKER);

	for (unsigned s = 0; s < 16; s++) {
		char path[64], *text;
		size_t len;
		segment_name(path, sizeof(path), s);
		if (os_read_file(os, OS_CWD, path, 1 << 20, &text, &len) < 0)
			continue;
		if (len > FRAME_AREA && memcmp(text, "PAWLJRNL", 8) == 0)
			read_segment(d, s, text, len);
		free(text);
	}
}

/* A hub that was never stopped; its power was cut. */
static bool disk_make(struct disk *d, unsigned workload, enum os_sim_mode mode)
{
	struct node n = { .sim = os_sim_new(workload + 1) };

	*d = (struct disk){ .w = world_make(workload), .sim = n.sim };
	world_run(d->w, &n);
	node_cut(&n, &(struct os_sim_cut){ mode, workload + 1, 0 });
	read_journal(d);
	if (d->count == 0)
		crash_fail("the journal has no frames");
	return !crash_over();
}

static void disk_free(struct disk *d)
{
	os_sim_free(d->sim);
	world_free(d->w);
}

/* ---- damage ---- */

enum how { FLIP, ZERO_SECTOR, HOW_COUNT };

static void change(struct os_sim *sim, const char *path, size_t at, enum how how)
{
	const struct os *os = os_sim_os_process(sim, HACKER);
	int fd = os->open(os->self, OS_CWD, path, OS_READ | OS_WRITE, 0);
	char bytes[512] = { 0 };
	size_t len = how == FLIP ? 1 : 512, from = how == FLIP ? at : at & ~(size_t)511;
	ssize_t had = os->pread(os->self, fd, bytes, len, from);

	if (how == FLIP)
		bytes[0] = (char)(bytes[0] ^ 0x10);
	else
		memset(bytes, 0, sizeof(bytes));
	if (had > 0)
		(void)os->pwrite(os->self, fd, bytes, (size_t)had, from);
	(void)os->sync(os->self, fd);
	os->close(os->self, fd);
}

static bool is_quarantined(struct node *n, const char *id)
{
	bool quarantined;
	char *note = n->p->ops->read_note(n->p, id, &quarantined);

	free(note);
	return quarantined;
}

/* What can be read of an instance is what was committed, up to the end of some line. */
static bool is_prefix(const struct instance *in, struct node *n)
{
	const struct view *v = &in->acked;
	bool good = true;

	for (unsigned e = 0; e < v->executions && good; e++) {
		char *text = NULL;
		size_t len = 0;
		uint64_t which;
		if (n->p->ops->read(n->p, in->id, e + 1, &text, &len, &which, NULL) == 0)
			good = len <= v->len[e] && memcmp(text, in->lives[v->life].text[e].data, len) == 0 &&
			       (len == 0 || text[len - 1] == '\n');
		free(text);
	}
	return good;
}

/* Was byte `from`..`to` of frame f of this instance hit, and its head too? */
static bool touches(const struct frame *f, unsigned instance, size_t from, size_t to, bool *head)
{
	bool hit = false;

	for (unsigned i = 0; i < f->count; i++)
		if (f->hits[i].instance == instance) {
			hit = true;
			*head = *head || (f->hits[i].head < to && from < f->hits[i].data);
		}
	return hit;
}

struct injury {
	const struct disk *d;
	unsigned segment;
	size_t from, to;
	unsigned errors; /* that the log told of */
};

static bool is_hit(const struct injury *j, const struct frame *f)
{
	return f->segment == j->segment && f->at < j->to && j->from < f->end;
}

/* From this frame on to the newest all were hit: it looks like a torn tail. */
static uint64_t tail_lsn(const struct injury *j)
{
	uint64_t lsn = j->d->newest + 1;

	for (unsigned k = j->d->count; k--;)
		for (unsigned i = 0; i < j->d->count; i++)
			if (j->d->frames[i].lsn + 1 == lsn && is_hit(j, &j->d->frames[i]))
				lsn--;
	return lsn;
}

static void check_instance(const struct injury *j, struct node *n, unsigned i)
{
	const struct instance *in = &j->d->w->instances[i];
	const char *why = instance_differs(in, n, false, false);
	bool hit = false, head = false, newest = false;
	char text[400];

	if (!why)
		return;
	snprintf(text, sizeof(text), "%s", why);
	for (unsigned k = 0; k < j->d->count; k++) {
		const struct frame *f = &j->d->frames[k];
		if (is_hit(j, f) && touches(f, i, j->from, j->to, &head)) {
			hit = true;
			newest = newest || f->lsn >= tail_lsn(j);
			bool last = k + 1 == j->d->count || j->d->frames[k + 1].segment != f->segment;
			head = head || (last && j->from < f->at + FRAME_HEAD); /* nothing behind it tells where its records are */
		}
	}
	if (!hit)
		crash_fail("'%s' was not hit: %s", in->id, text);
	else if (is_quarantined(n, in->id) || (head && j->errors))
		return; /* it is told; without its record's head (be it of a purge) nobody knows whose lines they were */
	else if (!newest)
		crash_fail("'%s' lost lines in silence: %s", in->id, text);
	else if (in->acked.life == 0 && !is_prefix(in, n)) /* a purge among the newest frames may be undone */
		crash_fail("'%s' has wrong bytes, and nobody says so: %s", in->id, text);
}

static void injure(const struct disk *d, const char *path, struct injury *j, size_t at, enum how how)
{
	struct node n = { .sim = os_sim_clone(d->sim) };
	struct pawl_error err = { 0 };

	j->d = d;
	j->from = how == FLIP ? at : at & ~(size_t)511;
	j->to = how == FLIP ? at + 1 : j->from + 512;
	change(n.sim, path, at, how);
	(void)crash_logged_errors();
	if (node_start(&n, &err) < 0) {
		crash_fail("the hub does not open: %s", err.text);
	} else {
		j->errors = crash_logged_errors();
		for (unsigned i = 0; i < IDS; i++)
			check_instance(j, &n, i);
		const struct pawl_record r = { .instance = "extra", .execution = 1, .data = "x\n", .len = 2, .create = true };
		if (pawl_provider_commit(n.p, &(struct pawl_batch){ &r, 1, NULL, 0 }, &err) < 0 && err.code != PAWL_EBUSY)
			crash_fail("no new commit: %s", err.text);
		node_stop(&n);
		(void)crash_logged_errors();
		if (node_start(&n, &err) < 0)
			crash_fail("the hub does not open the second time: %s", err.text);
		for (unsigned i = 0; n.p && i < IDS; i++)
			check_instance(j, &n, i);
		node_stop(&n);
	}
	node_free(&n);
}

static void journal_byte(const struct disk *d, unsigned segment, size_t at)
{
	char path[64];
	struct injury j = { .segment = segment };

	segment_name(path, sizeof(path), segment);
	for (unsigned how = 0; how < HOW_COUNT && !crash_over(); how++)
		if (crash_at("byte", at) && crash_at("how", how))
			injure(d, path, &j, at, (enum how)how);
}

/* Each field of each head, and some bytes of each record's data. */
static void damage_frames(unsigned workload, enum os_sim_mode mode)
{
	struct disk d;

	if (crash_at("workload", workload) && crash_at("mode", mode) && disk_make(&d, workload, mode))
		for (unsigned k = 0; k < d.count && !crash_over(); k++) {
			const struct frame *f = &d.frames[k];
			if (!crash_at("frame", k))
				continue;
			for (size_t at = f->at; at < f->at + FRAME_HEAD; at += 5)
				journal_byte(&d, f->segment, at);
			for (unsigned h = 0; h < f->count; h++) {
				for (size_t at = f->hits[h].head; at < f->hits[h].data; at += 9)
					journal_byte(&d, f->segment, at);
				journal_byte(&d, f->segment, (f->hits[h].data + f->hits[h].end) / 2);
				journal_byte(&d, f->segment, f->hits[h].end - 1);
			}
		}
	if (crash_at("workload", workload) && crash_at("mode", mode))
		disk_free(&d);
}

static void frames(void)
{
	for (unsigned i = 0; i < 4 * crash_scale() && !crash_over(); i++)
		damage_frames(i, i & 1 ? OS_SIM_KEEP_ALL : OS_SIM_DROP_ALL);
}

static void headers(void)
{
	for (unsigned w = 0; w < 4 * crash_scale() && !crash_over(); w++) {
		struct disk d;
		if (!crash_at("workload", w))
			continue;
		if (disk_make(&d, w, w & 1 ? OS_SIM_KEEP_ALL : OS_SIM_DROP_ALL))
			for (unsigned k = 0; k < d.count && !crash_over(); k++)
				for (size_t at = 0; (k == 0 || d.frames[k].segment != d.frames[k - 1].segment) && at < 64; at += 3)
					journal_byte(&d, d.frames[k].segment, at);
		disk_free(&d);
	}
}

/* ---- histories ---- */

/* Damage that the journal cannot heal is for the reader of the history to see: its lines have checksums. */
static void injure_history(const struct disk *d, unsigned instance, unsigned execution, size_t at, enum how how)
{
	struct node n = { .sim = os_sim_clone(d->sim) };
	struct pawl_error err = { 0 };
	const struct instance *in = &d->w->instances[instance];
	char path[64], *text = NULL;
	size_t len = 0;
	uint64_t which;

	snprintf(path, sizeof(path), HUB "/instances/%s/%u.history", in->id, execution + 1);
	if (os_read_file(os_sim_os_process(n.sim, HACKER), OS_CWD, path, 1 << 20, &text, &len) < 0 || at >= len) {
		free(text);
		node_free(&n);
		return;
	}
	free(text);
	text = NULL;
	change(n.sim, path, at, how);
	if (node_start(&n, &err) < 0) {
		crash_fail("the hub does not open: %s", err.text);
	} else {
		for (unsigned i = 0; i < IDS; i++) {
			const char *why = i != instance ? instance_differs(&d->w->instances[i], &n, false, false) : NULL;
			if (why)
				crash_fail("not hit: %s", why);
		}
		int rc = n.p->ops->read(n.p, in->id, execution + 1, &text, &len, &which, &err);
		if (rc == 0 && lines_good(text, len) && !is_quarantined(&n, in->id) && instance_differs(in, &n, false, false))
			crash_fail("the history of '%s' has lost lines, and nobody sees it", in->id);
		free(text);
		node_stop(&n);
	}
	node_free(&n);
}

static void histories(void)
{
	for (unsigned w = 0; w < profile_count * crash_scale() && !crash_over(); w++) {
		struct disk d;
		if (!crash_at("workload", w))
			continue;
		if (disk_make(&d, w, OS_SIM_KEEP_ALL))
			for (unsigned i = 0; i < IDS; i++)
				for (unsigned e = 0; e < d.w->instances[i].acked.executions; e++)
					for (size_t at = 0; at < d.w->instances[i].acked.len[e] && !crash_over(); at += 331)
						for (unsigned how = 0; how < HOW_COUNT; how++)
							if (crash_at("instance", i) && crash_at("execution", e) && crash_at("byte", at) && crash_at("how", how))
								injure_history(&d, i, e, at, (enum how)how);
		disk_free(&d);
	}
}

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "damage in the journal is told, and only who was hit is set aside", frames },
		{ "a damaged segment header loses nothing", headers },
		{ "a damaged history hurts no other, and its reader sees it", histories },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
