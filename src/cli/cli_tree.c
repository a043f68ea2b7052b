/* cli_tree.c - `pawl tree`: an instance, what it has started, what that has started ... */
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/map.h"
#include "base/text.h"
#include <stdlib.h>

#define DEPTH_MAX 64
#define NODES_MAX 20000 /* shown, and waiting to be */
#define INDENT_MAX (2 * DEPTH_MAX)
#define NOT_STARTED "not started"

enum kind { ROOT, CHILD, DETACHED };

static const char *const kind_names[] = { "root", "child", "detached" };

/* Somebody that a history names. */
struct node {
	char id[129], parent[129], type[TEXT_NAME_MAX + 1];
	enum kind kind;
	unsigned depth;
	uint64_t line;          /* in the history of its parent */
	uint32_t attempt;
	const char *answer;     /* what its parent knows of its end; NULL = nothing */
};

struct walk {
	struct cli *c;
	struct out out;
	struct node *stack;
	size_t count, cap;      /* of the stack: the last one is next */
	size_t shown;
	uint64_t depth_max;
	struct map seen;
	bool deeper, more;      /* something was left out */
};

/* ---- what a history names ---- */

static int push(struct walk *w, const struct node *n)
{
	if (w->shown + w->count >= NODES_MAX) {
		w->more = true;
		return 0;
	}
	if (w->count == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 64;
		struct node *stack = realloc(w->stack, cap * sizeof(*stack));
		if (!stack)
			return err_nomem(&w->c->err);
		w->stack = stack;
		w->cap = cap;
	}
	w->stack[w->count++] = *n;
	return 0;
}

static void set_text(char *out, size_t size, struct slice text)
{
	snprintf(out, size, "%.*s", SLICE_FMT(text));
}

/* The node that line `ref` has begun, among those from `first` on: they are in the order of lines. */
static struct node *begun_by(struct walk *w, size_t first, uint64_t ref)
{
	size_t low = first, high = w->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (w->stack[middle].line < ref)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->count && w->stack[low].line == ref ? &w->stack[low] : NULL;
}

static void take_answer(struct node *n, const struct event *e)
{
	switch (e->type) {
	case EVENT_ChildRetrying:
		n->attempt = e->attempt + 1;
		if (e->fields & FIELD_INSTANCE)
			set_text(n->id, sizeof(n->id), e->instance);
		break;
	case EVENT_ChildCompleted:
		n->answer = "Completed";
		break;
	case EVENT_ChildFailed:
		n->answer = slice_is(e->error.kind, "system") && slice_is(e->error.code, "exists") ? NOT_STARTED :
			slice_is(e->error.kind, "canceled") ? "Canceled" : "Failed";
		break;
	case EVENT_SendFailed:
		n->answer = NOT_STARTED;
		break;
	default:
		break;
	}
}

static void turn_around(struct node *nodes, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct node n = nodes[i];
		nodes[i] = nodes[count - 1 - i];
		nodes[count - 1 - i] = n;
	}
}

static int push_children(struct walk *w, const struct cli_instance *i, unsigned depth)
{
	size_t first = w->count;
	int rc = 0;

	for (size_t k = 0; rc == 0 && k < i->history.count; k++) {
		const struct event *e = &i->history.events[k];
		struct node *begun = e->fields & FIELD_REF ? begun_by(w, first, e->ref) : NULL;
		if (begun)
			take_answer(begun, e);
		if (e->type != EVENT_ChildScheduled && e->type != EVENT_InstanceStarted)
			continue;
		struct node n = { .kind = e->type == EVENT_ChildScheduled ? CHILD : DETACHED, .depth = depth,
			.line = e->seq, .attempt = 1 };
		set_text(n.id, sizeof(n.id), e->instance);
		set_text(n.type, sizeof(n.type), e->name);
		snprintf(n.parent, sizeof(n.parent), "%s", i->id);
		rc = push(w, &n);
	}
	if (w->count > first && depth > w->depth_max) {
		w->count = first;
		w->deeper = true;
	}
	turn_around(w->stack + first, w->count - first);
	return rc;
}

/* ---- showing ---- */

static void add_json(const struct node *n, const struct cli_instance *i, const char *status, struct buf *json)
{
	buf_adds(json, "{\"v\":1");
	json_add_member(json, "id", slice_of(n->id));
	json_add_member_u64(json, "depth", n->depth);
	json_add_member(json, "kind", slice_of(kind_names[n->kind]));
	if (n->parent[0])
		json_add_member(json, "parent", slice_of(n->parent));
	if (n->line)
		json_add_member_u64(json, "line", n->line);
	if (n->attempt > 1)
		json_add_member_u64(json, "attempt", n->attempt);
	out_add_text(json, "type", i && i->view.type ? i->view.type : n->type[0] ? n->type : NULL);
	if (i) {
		out_add_text(json, "version", i->view.version);
		json_add_member_u64(json, "execution", i->execution);
	}
	json_add_member(json, "status", slice_of(status));
	out_add_flag(json, "gone", !i);
	if (i && i->view.type)
		out_add_time(json, "updated", i->view.updated_ns);
	if (i)
		out_add_text(json, i->damaged ? "damaged" : "parked", i->note);
	buf_addc(json, '}');
}

/* i NULL: it is not in the hub. */
static int show(struct walk *w, const struct node *n, const struct cli_instance *i, const char *why)
{
	char name[INDENT_MAX + 160], since[TEXT_TIME_SIZE] = "";
	const char *status = i ? instance_status(i) : n->answer ? n->answer : "-";
	struct buf summary = BUF_INIT, json = BUF_INIT;

	snprintf(name, sizeof(name), "%*s%s", (int)(2 * n->depth), "", n->id);
	if (i && i->view.type && w->c->now_ns > i->view.updated_ns)
		text_duration(since, (w->c->now_ns - i->view.updated_ns) / 1000000);
	if (w->c->format == OUT_TABLE && i && !why)
		instance_summary(w->c, i, &summary);
	else if (w->c->format == OUT_TABLE && why)
		buf_adds(&summary, why);
	else
		add_json(n, i, status, &json);
	const char *const cells[] = { name, i && i->view.type ? i->view.type : n->type,
		n->kind == DETACHED ? "detached" : "", status, since,
		buf_str(&summary) };
	int rc = buf_ok(&summary) && buf_ok(&json) ? 0 : err_nomem(&w->c->err);
	if (rc == 0)
		out_record(&w->out, n->id, buf_slice(&json), cells);
	w->shown++;
	buf_release(&summary);
	buf_release(&json);
	return rc;
}

static int show_known(struct walk *w, const struct node *n, struct cli_instance *i)
{
	bool again = map_get(&w->seen, slice_of(n->id)) != NULL;

	if (!again && map_put(&w->seen, slice_of(n->id), w, NULL) < 0)
		return err_nomem(&w->c->err);
	/* a start that was refused names one that somebody else has begun */
	bool refused = n->answer && strcmp(n->answer, NOT_STARTED) == 0;
	const char *why = again ? "is shown above" : refused ? "was there already: not started from here" : NULL;
	int rc = show(w, n, i, why);
	return rc < 0 || why ? rc : push_children(w, i, n->depth + 1);
}

static int visit(struct walk *w, const struct node *n)
{
	struct cli_instance i;
	bool valid = text_is_instance_id(slice_of(n->id));
	int rc = valid ? instance_read(w->c, n->id, 0, &i) : PAWL_ENOTFOUND;

	if (rc == PAWL_ENOTFOUND && n->kind != ROOT)
		rc = show(w, n, NULL, n->answer ? "is gone (purged)" : "is not there");
	else if (rc == 0)
		rc = show_known(w, n, &i);
	if (valid)
		instance_release(&i);
	return rc;
}

static int walk_all(struct walk *w, const char *id)
{
	struct node root = { .kind = ROOT };
	int rc;

	snprintf(root.id, sizeof(root.id), "%s", id);
	rc = push(w, &root);
	while (rc == 0 && w->count > 0 && !ferror(stdout)) {
		struct node n = w->stack[--w->count]; /* the stack grows in visit */
		rc = visit(w, &n);
	}
	return rc;
}

static int tree(struct cli *c)
{
	static const char *const columns[] = { "ID", "TYPE", "KIND", "STATUS", "SINCE", "WAITS FOR / RESULT", NULL };
	struct walk w = { .c = c, .depth_max = DEPTH_MAX };
	int rc = cli_number(c, OPT_DEPTH, 0, DEPTH_MAX, &w.depth_max);

	if (rc == 0)
		rc = cli_check_id(c, c->args[0]);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	map_init(&w.seen);
	out_begin(&w.out, c, columns, true);
	w.out.hide_empty = true;
	rc = walk_all(&w, c->args[0]);
	int end = rc < 0 ? 0 : out_end(&w.out, &c->err);
	if (rc == 0 && w.deeper)
		cli_note(c, "what is deeper than %llu is not shown%s", (unsigned long long)w.depth_max,
			w.depth_max < DEPTH_MAX ? " (--depth N)" : "");
	if (rc == 0 && w.more)
		cli_note(c, "more than %d: the rest is not shown", NODES_MAX);
	map_release(&w.seen);
	free(w.stack);
	return rc < 0 ? rc : end;
}

static const struct cli_option options_tree[] = {
	{ OPT_DEPTH, 0, "depth", "N", HELP("so many levels below it; 0: only itself") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_tree = {
	"tree", "show an instance, its children, and theirs", "ID [--depth N]",
	HELP("From the newest execution of each: children, open and ended, in the order in which they were begun, and instances that "
	"were started without waiting for them (detached). Of a child that was tried again the newest attempt is shown. One that "
	"was purged is shown with what its parent knows of its end.\n"
	"-o json gives a flat list in the same order: id, depth, kind (root, child, detached), parent, line (of the parent's "
	"history), attempt, type, version, execution, status, gone, updated."),
	options_tree, 1, 1, tree,
};
