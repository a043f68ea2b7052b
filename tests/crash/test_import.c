/*
 * test_import.c - the power fails during every operation of an import, with an earlier life of that id in the journal: the
 * instance is there as a whole or not at all, for good once the import has returned, and the old life never comes back.
 */
#include "harness.h"

#define ID "a"
#define OTHER "z"
#define ROUNDS 3

/* What was told to be durable of ID: nothing, its old life, or the imported one; and what was under way. */
enum what { NOTHING, OLD, NEW };

struct importing {
	unsigned workload;
	enum what is, becomes;
	bool ended;      /* where the import puts it */
	struct buf other; /* of OTHER, committed */
	struct buf line; /* being committed */
};

/* ---- what is imported ---- */

static const char old_line[] = "an old life that is longer than the new one, a good deal longer\t00000000\n";

static void new_lines(struct buf *first, struct buf *second)
{
	buf_init(first);
	buf_init(second);
	line_add(first, 1, 40);
	line_add(second, 2, 20);
	line_add(second, 3, 60);
}

static int import(struct node *n, const struct importing *m, struct pawl_error *err)
{
	struct buf first, second;

	new_lines(&first, &second);
	const struct pawl_import_history histories[] = { { first.data, first.len }, { second.data, second.len } };
	const struct pawl_spill spill = { ID, "2.1.data", "payload", 7 };
	const struct pawl_import in = { ID, histories, 2, &spill, 1, m->ended };
	int rc = n->p->ops->import(n->p, &in, err);
	buf_release(&first);
	buf_release(&second);
	return rc;
}

/* ---- steps ---- */

static bool went_well(struct node *n, int rc, const char *what, const struct pawl_error *err)
{
	if (rc < 0 && !crash_is_off(n))
		crash_fail("%s: %s", what, err->text);
	return rc == 0 && !crash_is_off(n);
}

static bool old_life(struct importing *m, struct node *n)
{
	struct pawl_error err = { 0 };
	const struct pawl_record r = { .instance = ID, .execution = 1, .data = old_line, .len = sizeof(old_line) - 1, .create = true, .end = true };
	const struct pawl_batch batch = { &r, 1, NULL, 0 };

	m->becomes = OLD;
	if (!went_well(n, pawl_provider_commit(n->p, &batch, &err), "the old life", &err))
		return false;
	m->is = OLD;
	return went_well(n, n->p->ops->archive(n->p, ID, &err), "archive", &err);
}

static bool purge(struct importing *m, struct node *n)
{
	struct pawl_error err = { 0 };

	m->becomes = NOTHING;
	if (!went_well(n, n->p->ops->purge(n->p, ID, &err), "purge", &err))
		return false;
	m->is = NOTHING;
	return true;
}

static bool commit_other(struct importing *m, struct node *n)
{
	struct pawl_error err = { 0 };
	size_t at = m->other.len;

	buf_reset(&m->line);
	line_add(&m->line, at + 10, 30);
	const struct pawl_record r = { .instance = OTHER, .execution = 1, .offset = at, .data = m->line.data, .len = m->line.len, .create = at == 0 };
	const struct pawl_batch batch = { &r, 1, NULL, 0 };
	if (!went_well(n, pawl_provider_commit(n->p, &batch, &err), "another commit", &err))
		return false;
	buf_add(&m->other, m->line.data, m->line.len);
	buf_reset(&m->line);
	return true;
}

static bool import_it(struct importing *m, struct node *n)
{
	struct pawl_error err = { 0 };

	m->becomes = NEW;
	if (!went_well(n, import(n, m, &err), "import", &err))
		return false;
	m->is = NEW;
	return true;
}

static bool end_it(struct importing *m, struct node *n)
{
	struct pawl_error err = { 0 };

	return m->ended || went_well(n, n->p->ops->archive(n->p, ID, &err), "archive", &err);
}

static void *make(unsigned workload)
{
	struct importing *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->workload = workload;
	m->ended = workload & 1;
	return m;
}

static void release(void *state)
{
	struct importing *m = state;

	buf_release(&m->other);
	buf_release(&m->line);
	free(m);
}

static void run(void *state, struct node *n)
{
	struct importing *m = state;
	struct pawl_error err = { 0 };

	if (!went_well(n, node_start(n, &err), "start", &err))
		return;
	for (int round = 0; round < ROUNDS; round++) {
		if (!old_life(m, n) || !purge(m, n) || (m->workload & 2 && !commit_other(m, n)))
			return;
		if (m->workload & 4 && !node_settle(n))
			return;
		if (!import_it(m, n) || !commit_other(m, n) || !end_it(m, n) || !purge(m, n))
			return;
	}
	(void)import_it(m, n);
}

/* ---- what is there ---- */

static bool reads(struct node *n, const char *id, uint64_t execution, const char *data, size_t len)
{
	struct pawl_error err = { 0 };
	char *text = NULL;
	size_t n_text = 0;
	uint64_t which;
	bool same = n->p->ops->read(n->p, id, execution, &text, &n_text, &which, &err) == 0 && n_text == len && memcmp(text, data, len) == 0;

	free(text);
	return same;
}

static enum what what_is(struct node *n)
{
	struct pawl_error err = { 0 };
	struct buf first, second;
	char *text = NULL, *spill = NULL;
	size_t len = 0, spill_len = 0;
	uint64_t which;
	enum what is = OLD;

	if (n->p->ops->read(n->p, ID, 0, &text, &len, &which, &err) == PAWL_ENOTFOUND)
		return NOTHING;
	free(text);
	if (reads(n, ID, 0, old_line, sizeof(old_line) - 1))
		return OLD;
	new_lines(&first, &second);
	bool whole = reads(n, ID, 1, first.data, first.len) && reads(n, ID, 2, second.data, second.len) &&
		n->p->ops->read_spill(n->p, ID, "2.1.data", &spill, &spill_len, &err) == 0 && spill_len == 7 && memcmp(spill, "payload", 7) == 0;
	if (whole)
		is = NEW;
	else
		crash_fail("'%s' is neither its old life nor the new one", ID);
	free(spill);
	buf_release(&first);
	buf_release(&second);
	return is;
}

static void check(const void *state, struct node *n, struct outcome *o)
{
	const struct importing *m = state;
	enum what is = what_is(n);

	if (o->went_on ? is != NEW : is != m->is && is != m->becomes)
		crash_fail("'%s' is %d, not %d or %d", ID, is, o->went_on ? NEW : m->is, o->went_on ? NEW : m->becomes);
	if (m->other.len == 0 || reads(n, OTHER, 1, m->other.data, m->other.len))
		return;
	struct buf both = BUF_INIT;
	buf_add_slice(&both, buf_slice(&m->other));
	buf_add_slice(&both, buf_slice(&m->line)); /* nobody was told of it */
	if (!reads(n, OTHER, 1, both.data, both.len))
		crash_fail("the commits of '%s' are not as they were", OTHER);
	buf_release(&both);
}

/* Whatever it is now, it can be imported after that. */
static void go_on(const void *state, struct node *n)
{
	struct importing m = { .workload = 0, .ended = ((const struct importing *)state)->ended };
	struct pawl_error err = { 0 };
	enum what is = what_is(n);

	if (is == NEW)
		return;
	if (is == OLD && (n->p->ops->archive(n->p, ID, &err) < 0 || n->p->ops->purge(n->p, ID, &err) < 0))
		crash_fail("cannot purge: %s", err.text);
	(void)import_it(&m, n);
}

static void everywhere(void)
{
	static const struct scenario s = { make, release, run, check, go_on, 2, 2, 12, 1 };

	for (unsigned i = 0; i < 8 && !crash_over(); i++)
		crash_cut_everywhere(&s, i);
}

static void expect_caught(const char *plant)
{
	if (!crash_is_caught(plant, everywhere))
		crash_fail("nobody noticed the planted bug '%s'", plant);
}

static void plant_nosync(void) { expect_caught("nosync"); }
static void plant_nodirsync(void) { expect_caught("nodirsync"); }

int main(int argc, char **argv)
{
	static const struct crash_test tests[] = {
		{ "an import is whole or not there over a power cut at any operation", everywhere },
		{ "planted bug is caught: files are not synced (nosync)", plant_nosync },
		{ "planted bug is caught: directories are not synced (nodirsync)", plant_nodirsync },
	};

	return crash_main(argc, argv, tests, COUNT_OF(tests));
}
