/*
 * patch.c - markers for changing code under running instances. The first question for a name is answered by where the
 * instance stands, and the answer is kept, so that an execution never changes its path:
 *
 *	                        live          replaying, marker next in history     replaying, without it
 *	pawl_patched            marker, true  true                                  false
 *	pawl_patch_deprecated   marker *      goes on                               parked
 *
 * The marker of pawl_patch_deprecated (*) says so in its `status`: no other path is left, so code that does not ask any
 * more passes over it (replay.c). All others must be asked for, like any decision.
 */
#include "engine/internal.h"
#include "base/text.h"

struct patch {
	struct patch *next;
	bool answer;
	size_t len;
	char name[];
};

static struct patch *find(const struct execution *x, struct slice name)
{
	struct patch *p = x->patches;

	while (p && !slice_eq(slice_make(p->name, p->len), name))
		p = p->next;
	return p;
}

static bool is_full(const struct execution *x)
{
	return x->patch_count >= PAWL_PATCHES_MAX;
}

static struct patch *add(struct execution *x, struct slice name, bool answer)
{
	struct patch *p = memory_alloc(x, sizeof *p + name.len + 1);

	p->answer = answer;
	p->len = name.len;
	memcpy(p->name, name.data, name.len);
	p->next = x->patches;
	x->patches = p;
	x->patch_count++;
	return p;
}

void patch_passed(struct execution *x, struct slice name)
{
	if (!find(x, name) && !is_full(x))
		add(x, name, true);
}

static const pawl_failure *check(struct execution *x, struct slice name)
{
	if (!text_is_key(name))
		return failure_make(x, "system", "invalid",
				    "'%.80s' is not a valid name of a patch: 1 to 64 of letters, digits, _ : -",
				    name.data ? name.data : "");
	if (is_full(x))
		return failure_make(x, "system", "limit",
				    "patch '%s' would be one more than the limit of %d (PAWL_PATCHES_MAX)", name.data,
				    PAWL_PATCHES_MAX);
	return NULL;
}

static bool mark(struct execution *x, struct slice name, bool deprecated)
{
	struct event e = { .type = EVENT_PatchMarked, .fields = FIELD_NAME, .name = name };

	if (!x->live)
		return replay_patch(x, name);
	if (deprecated) {
		e.fields |= FIELD_STATUS;
		e.status = SLICE(PATCH_DEPRECATED);
	}
	decide(x, &e);
	return true;
}

/* A limit is reached at the same place in every run, so what is answered there may be kept, too: the way on that needs
 * no marker. */
static struct patch *ask(struct execution *x, struct slice name, bool deprecated)
{
	const pawl_failure *f = decide_limit(x);
	struct patch *p = add(x, name, deprecated);

	if (f)
		decide_refused(x, f);
	else
		p->answer = mark(x, name, deprecated);
	return p;
}

bool pawl_patched(pawl_ctx *ctx, const char *name)
{
	struct execution *x = execution_of(ctx);
	const struct patch *p = find(x, slice_of(name));
	const pawl_failure *f = p ? NULL : check(x, slice_of(name));

	if (f) {
		decide_refused(x, f);
		return false;
	}
	return (p ? p : ask(x, slice_of(name), false))->answer;
}

void pawl_patch_deprecated(pawl_ctx *ctx, const char *name)
{
	struct execution *x = execution_of(ctx);
	const struct patch *p = find(x, slice_of(name));
	const pawl_failure *f = p ? NULL : check(x, slice_of(name));

	if (f) {
		decide_refused(x, f);
		return;
	}
	if (!(p ? p : ask(x, slice_of(name), true))->answer)
		replay_patch_missing(x, slice_of(name));
}
