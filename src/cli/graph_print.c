/* graph_print.c - a graph as Mermaid, Graphviz dot, or plain text. The same history gives the same bytes everywhere. */
#include "cli/graph.h"
#include "cli/output.h"
#include "base/text.h"

#define TEXT_SHOWN 60   /* characters of an output, a message ... */
#define AFTER_SHOWN 6   /* numbers of lines after which something began */

/* ---- what a node says: a title, and how it went ---- */

static void add_text(struct buf *out, const char *before, struct slice text)
{
	struct buf clean = BUF_INIT;

	out_clean(&clean, slice_make(text.data ? text.data : "", text.len));
	size_t shown = out_prefix(buf_str(&clean), TEXT_SHOWN);
	buf_adds(out, before);
	buf_add(out, buf_str(&clean), shown);
	if (shown < clean.len)
		buf_adds(out, "...");
	out->failed |= clean.failed;
	buf_release(&clean);
}

static void add_timer(struct buf *out, const struct event *e)
{
	char text[TEXT_TIME_SIZE];

	if (e->fields & FIELD_UNTIL)
		text_time(text, e->until_ns);
	else
		text_duration(text, e->delay_ms);
	buf_addf(out, "timer %s%s", e->fields & FIELD_UNTIL ? "until " : "", text);
}

static void add_sent(struct buf *out, const struct event *e)
{
	const char *verb = e->type == EVENT_EventSent	     ? "send " :
			   e->type == EVENT_TopicPublished   ? "publish " :
			   e->type == EVENT_TopicSubscribed  ? "subscribe " :
			   e->type == EVENT_InstanceStarted  ? "start " :
			   e->type == EVENT_EntitySignaled   ? "signal " :
							       "patch ";

	add_text(out, verb, e->name);
	if (e->fields & FIELD_INSTANCE)
		add_text(out, e->type == EVENT_InstanceStarted ? " as " : " to ", e->instance);
}

static const char *end_word(enum event_type type)
{
	switch (type) {
	case EVENT_ExecutionCompleted:
		return "completed";
	case EVENT_ExecutionFailed:
		return "failed";
	case EVENT_ExecutionCanceled:
		return "canceled";
	case EVENT_ExecutionContinuedAsNew:
		return "continued as new";
	case EVENT_ExecutionRewound:
		return "rewound";
	default:
		return "terminated";
	}
}

static bool is_folded(const struct graph_node *node)
{
	uint32_t n = 0;

	for (int state = 0; state < GRAPH_STATE_COUNT; state++)
		n += node->folded[state];
	return n > 0;
}

static void add_title(const struct graph *g, const struct graph_node *node, struct buf *out)
{
	const struct event *e = node->event;

	switch (node->kind) {
	case GRAPH_START:
		add_text(out, "", e->name);
		add_text(out, " ", e->version);
		add_text(out, ", ", slice_of(g->id));
		break;
	case GRAPH_TIMER:
		add_timer(out, e);
		break;
	case GRAPH_EVENT:
	case GRAPH_KEPT:
		add_text(out, "event ", e->name);
		break;
	case GRAPH_CHILD:
		add_text(out, "child ", e->name);
		if (!is_folded(node))
			add_text(out, " as ", e->instance);
		break;
	case GRAPH_ENTITY:
		add_text(out, "entity ", e->name);
		add_text(out, " of ", e->instance);
		break;
	case GRAPH_LOCK:
		buf_adds(out, "lock of entities");
		break;
	case GRAPH_SENT:
		add_sent(out, e);
		break;
	case GRAPH_CONTROL:
		buf_adds(out, "cancel requested");
		break;
	case GRAPH_END:
		buf_adds(out, end_word(e->type));
		break;
	default:
		add_text(out, "", e->name);
	}
}

static const char *state_word(const struct graph_node *node, enum graph_state state)
{
	switch (state) {
	case GRAPH_DONE:
		return node->kind == GRAPH_TIMER ? "fired" : node->kind == GRAPH_EVENT ? "came" : "done";
	case GRAPH_FAILED:
		return "failed";
	case GRAPH_CANCELED:
		return "canceled";
	case GRAPH_STOPPED:
		return "open at the end";
	default:
		return node->kind == GRAPH_TIMER || node->kind == GRAPH_EVENT || node->kind == GRAPH_LOCK ? "waits" : "open";
	}
}

static void add_error(struct buf *out, const char *before, const struct failure *f)
{
	if (!f)
		return;
	add_text(out, before, f->code.len ? f->code : f->message);
	if (f->code.len)
		add_text(out, ": ", f->message);
}

static void add_counts(struct buf *out, const struct graph_node *node)
{
	uint32_t all = 0;

	for (int state = 0; state < GRAPH_STATE_COUNT; state++)
		all += node->folded[state];
	buf_addf(out, "%lu at once", (unsigned long)all);
	for (int state = 0; state < GRAPH_STATE_COUNT; state++)
		if (node->folded[state])
			buf_addf(out, ", %lu %s", (unsigned long)node->folded[state],
				state_word(node, (enum graph_state)state));
}

static void add_retries(struct buf *out, const struct graph_node *node)
{
	if (node->retries)
		buf_addf(out, ", %lu %s", (unsigned long)node->retries, node->retries == 1 ? "retry" : "retries");
}

static void add_how(const struct graph *g, const struct graph_node *node, struct buf *out)
{
	const struct event *e = node->event;

	if (is_folded(node)) {
		add_counts(out, node);
	} else if (node->kind == GRAPH_START) {
		buf_adds(out, status_name(g->status));
	} else if (node->kind == GRAPH_KEPT) {
		buf_addf(out, "%lu kept, nobody waits", (unsigned long)node->count);
		return;
	} else if (node->kind == GRAPH_END) {
		add_error(out, "", e->fields & FIELD_ERROR ? &e->error : NULL);
		add_text(out, "", e->fields & FIELD_REASON ? e->reason : e->data);
		if (e->data_file.data)
			buf_addf(out, "%llu bytes", (unsigned long long)e->data_len);
		return;
	} else if (node->kind == GRAPH_SENT || node->kind == GRAPH_CONTROL) {
		return;
	} else {
		buf_adds(out, node->held ? "held, no attempt left" : node->rebooting && node->state == GRAPH_OPEN ?
			"waits for a reboot" : state_word(node, node->state));
	}
	add_retries(out, node);
	if (node->state != GRAPH_DONE || is_folded(node))
		add_error(out, node->state == GRAPH_FAILED || is_folded(node) ? ": " : ", after ", node->error);
}

/* ---- edges ---- */

static bool stands_for_itself(const struct graph *g, size_t n)
{
	return g->nodes[n].into == n;
}

static size_t members(const struct graph *g, const struct graph_group *group)
{
	size_t count = 0;

	for (size_t n = group->first; n < group->first + group->count; n++)
		count += stands_for_itself(g, n);
	return count;
}

/* Folded ones stand one behind the other, but others may be done in between. */
static bool is_new_pred(const struct graph *g, const struct graph_group *group, size_t at)
{
	size_t node = g->nodes[g->preds[at]].into;

	if (!is_folded(&g->nodes[node]))
		return true;
	for (size_t n = group->pred_first; n < at; n++)
		if (g->nodes[g->preds[n]].into == node)
			return false;
	return true;
}

static size_t preds(const struct graph *g, const struct graph_group *group)
{
	size_t count = 0;

	for (size_t n = group->pred_first; n < group->pred_first + group->pred_count; n++)
		count += is_new_pred(g, group, n);
	return count;
}

struct look {
	const char *edge, *faint; /* between two nodes; to one that came to nothing */
	const char *node, *joint; /* letters before their numbers */
	const char *end;          /* of a line */
};

static void add_edge(struct buf *out, const struct look *look, const char *from, size_t from_n, const char *to,
                     size_t to_n, bool faint)
{
	if (from_n == to_n && from == to)
		return;
	buf_addf(out, "\t%s%zu%s%s%zu%s\n", from, from_n, faint ? look->faint : look->edge, to, to_n, look->end);
}

static bool is_faint(const struct graph_node *node)
{
	return node->state == GRAPH_CANCELED || node->state == GRAPH_STOPPED || node->kind == GRAPH_SENT;
}

static void add_edges_of(const struct graph *g, const struct look *look, size_t group_n, bool joined, struct buf *out)
{
	const struct graph_group *group = &g->groups[group_n];

	for (size_t p = group->pred_first; p < group->pred_first + group->pred_count; p++) {
		if (!is_new_pred(g, group, p))
			continue;
		size_t from = g->nodes[g->preds[p]].into;
		if (joined)
			add_edge(out, look, look->node, from, look->joint, group_n, false);
		for (size_t n = group->first; !joined && n < group->first + group->count; n++)
			if (stands_for_itself(g, n))
				add_edge(out, look, look->node, from, look->node, n, is_faint(&g->nodes[n]));
	}
	for (size_t n = group->first; joined && n < group->first + group->count; n++)
		if (stands_for_itself(g, n))
			add_edge(out, look, look->joint, group_n, look->node, n, is_faint(&g->nodes[n]));
}

/* Many to many goes through a joint, or their edges would be a square of them. */
static bool needs_joint(const struct graph *g, const struct graph_group *group)
{
	return members(g, group) > 1 && preds(g, group) > 1;
}

/* ---- labels ---- */

static const char *const state_classes[GRAPH_STATE_COUNT] = {
	[GRAPH_OPEN] = "open",		[GRAPH_DONE] = "done",		[GRAPH_FAILED] = "failed",
	[GRAPH_CANCELED] = "canceled",	[GRAPH_STOPPED] = "canceled",
};

static const char *class_of(const struct graph_node *node)
{
	enum graph_state state = node->folded[GRAPH_FAILED] ? GRAPH_FAILED : node->folded[GRAPH_OPEN] ? GRAPH_OPEN :
												       GRAPH_DONE;

	return state_classes[is_folded(node) ? state : node->state];
}

/* In quotes, what Mermaid or HTML would still take for its own. */
static void mermaid_text(struct buf *out, const char *text)
{
	for (; *text; text++)
		if (strchr("\"#&<>`\\%$", *text))
			buf_addf(out, "#%d;", *text);
		else
			buf_addc(out, *text);
}

static void dot_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
}

static void add_label(const struct graph *g, const struct graph_node *node,
                      void (*escape)(struct buf *out, const char *text), const char *line_break, struct buf *out)
{
	struct buf title = BUF_INIT, how = BUF_INIT;

	add_title(g, node, &title);
	add_how(g, node, &how);
	escape(out, buf_str(&title));
	if (how.len) {
		buf_adds(out, line_break);
		escape(out, buf_str(&how));
	}
	out->failed |= title.failed || how.failed;
	buf_release(&title);
	buf_release(&how);
}

/* ---- Mermaid ---- */

void graph_mermaid(const struct graph *g, struct buf *out)
{
	static const struct {
		const char *open, *close;
	} shapes[GRAPH_KIND_COUNT] = {
		[GRAPH_START] = { "([\"", "\"])" },
		[GRAPH_ACTIVITY] = { "[\"", "\"]" },
		[GRAPH_TIMER] = { "{{\"", "\"}}" },
		[GRAPH_EVENT] = { "[/\"", "\"/]" },
		[GRAPH_CHILD] = { "[[\"", "\"]]" },
		[GRAPH_ENTITY] = { "[(\"", "\")]" },
		[GRAPH_LOCK] = { "[(\"", "\")]" },
		[GRAPH_SENT] = { ">\"", "\"]" },
		[GRAPH_CONTROL] = { "([\"", "\"])" },
		[GRAPH_KEPT] = { "[/\"", "\"/]" },
		[GRAPH_END] = { "([\"", "\"])" },
	};
	static const struct look look = { " --> ", " -.-> ", "n", "j", "" };

	buf_adds(out, "flowchart TD\n");
	for (size_t n = 0; n < g->node_count; n++) {
		if (!stands_for_itself(g, n))
			continue;
		buf_addf(out, "\tn%zu%s", n, shapes[g->nodes[n].kind].open);
		add_label(g, &g->nodes[n], mermaid_text, "<br>", out);
		buf_addf(out, "%s:::%s\n", shapes[g->nodes[n].kind].close, class_of(&g->nodes[n]));
	}
	for (size_t n = 0; n < g->group_count; n++) {
		bool joined = needs_joint(g, &g->groups[n]);
		if (joined)
			buf_addf(out, "\tj%zu((\" \"))\n", n);
		add_edges_of(g, &look, n, joined, out);
	}
	buf_adds(out, "\tclassDef done fill:#dfd,stroke:#484,color:#000\n"
		"\tclassDef failed fill:#fdd,stroke:#a44,color:#000\n"
		"\tclassDef canceled fill:#eee,stroke:#888,color:#444,stroke-dasharray:4\n"
		"\tclassDef open fill:#def,stroke:#448,color:#000\n");
}

/* ---- dot ---- */

void graph_dot(const struct graph *g, struct buf *out)
{
	static const char *const shapes[GRAPH_KIND_COUNT] = {
		[GRAPH_START] = "ellipse",
		[GRAPH_ACTIVITY] = "box",
		[GRAPH_TIMER] = "hexagon",
		[GRAPH_EVENT] = "parallelogram",
		[GRAPH_CHILD] = "component",
		[GRAPH_ENTITY] = "cylinder",
		[GRAPH_LOCK] = "cylinder",
		[GRAPH_SENT] = "cds",
		[GRAPH_CONTROL] = "ellipse",
		[GRAPH_KEPT] = "parallelogram",
		[GRAPH_END] = "ellipse",
	};
	static const char *const styles[][2] = {
		{ "done", "fillcolor=\"#ddffdd\"" },
		{ "failed", "fillcolor=\"#ffdddd\"" },
		{ "open", "fillcolor=\"#ddeeff\"" },
		{ "canceled", "fillcolor=\"#eeeeee\", style=\"filled,dashed\"" },
	};
	static const struct look look = { " -> ", " -> ", "n", "j", ";" };

	buf_adds(out, "digraph pawl {\n\tnode [style=filled];\n");
	for (size_t n = 0; n < g->node_count; n++) {
		if (!stands_for_itself(g, n))
			continue;
		buf_addf(out, "\tn%zu [shape=%s, label=\"", n, shapes[g->nodes[n].kind]);
		add_label(g, &g->nodes[n], dot_text, "\\n", out);
		for (size_t s = 0; s < sizeof(styles) / sizeof(styles[0]); s++)
			if (strcmp(styles[s][0], class_of(&g->nodes[n])) == 0)
				buf_addf(out, "\", %s];\n", styles[s][1]);
	}
	for (size_t n = 0; n < g->group_count; n++) {
		bool joined = needs_joint(g, &g->groups[n]);
		if (joined)
			buf_addf(out, "\tj%zu [shape=point];\n", n);
		add_edges_of(g, &look, n, joined, out);
	}
	buf_adds(out, "}\n");
}

/* ---- plain text ---- */

/* Does the group follow all that went on of the one before it? Then there is nothing to say. */
static bool follows_all(const struct graph *g, const struct graph_group *group, const struct graph_group *before)
{
	size_t going = 0, found = 0;

	for (size_t n = before->first; n < before->first + before->count; n++)
		going += g->nodes[n].state != GRAPH_CANCELED;
	for (size_t p = group->pred_first; p < group->pred_first + group->pred_count; p++)
		found += g->preds[p] >= before->first && g->preds[p] < before->first + before->count;
	return found == group->pred_count && found == going;
}

static void add_after(const struct graph *g, const struct graph_group *group, const struct graph_group *before,
                      struct buf *out)
{
	size_t shown = 0;

	if (group->leaf || group->pred_count == 0 || !before || follows_all(g, group, before))
		return;
	buf_adds(out, " (after");
	for (size_t p = group->pred_first; p < group->pred_first + group->pred_count; p++) {
		if (!is_new_pred(g, group, p))
			continue;
		if (shown++ == AFTER_SHOWN) {
			buf_adds(out, ", ...");
			break;
		}
		uint64_t seq = g->nodes[g->nodes[g->preds[p]].into].event->seq;
		buf_addf(out, "%s %llu", shown > 1 ? "," : "", (unsigned long long)seq);
	}
	buf_addc(out, ')');
}

/* group NULL: it follows what everybody sees. */
static void add_line(const struct graph *g, const struct graph_node *node, const struct graph_group *group,
                     const struct graph_group *before, struct buf *out)
{
	struct buf how = BUF_INIT;

	if (node->kind != GRAPH_START && node->kind != GRAPH_KEPT)
		buf_addf(out, "%llu ", (unsigned long long)node->event->seq);
	add_title(g, node, out);
	if (group)
		add_after(g, group, before, out);
	add_how(g, node, &how);
	if (how.len)
		buf_addf(out, ": %s", buf_str(&how));
	out->failed |= how.failed;
	buf_release(&how);
}

static void add_group(const struct graph *g, const struct graph_group *group, const struct graph_group *before,
                      bool last, struct buf *out)
{
	size_t left = members(g, group);
	bool many = left > 1;

	if (many) {
		buf_addf(out, "%s at once", last ? "`-" : "+-");
		add_after(g, group, before, out);
		buf_adds(out, ":\n");
	}
	for (size_t n = group->first; n < group->first + group->count; n++) {
		if (!stands_for_itself(g, n))
			continue;
		left--;
		if (many)
			buf_addf(out, "%s  %s ", last ? " " : "|", left ? "+-" : "`-");
		else
			buf_addf(out, "%s ", last ? "`-" : "+-");
		add_line(g, &g->nodes[n], many ? NULL : group, before, out);
		buf_addc(out, '\n');
	}
}

void graph_text(const struct graph *g, struct buf *out)
{
	const struct graph_group *before = NULL;
	size_t first_kept = g->node_count;

	while (first_kept > 0 && g->nodes[first_kept - 1].kind == GRAPH_KEPT)
		first_kept--;
	if (g->node_count)
		add_line(g, &g->nodes[0], NULL, NULL, out);
	buf_adds(out, g->node_count ? "\n" : "");
	for (size_t n = 1; n < g->group_count; n++) {
		add_group(g, &g->groups[n], before, n + 1 == g->group_count && first_kept == g->node_count, out);
		if (!g->groups[n].leaf)
			before = &g->groups[n];
	}
	for (size_t n = first_kept; n < g->node_count; n++) {
		buf_adds(out, n + 1 < g->node_count ? "+- " : "`- ");
		add_line(g, &g->nodes[n], NULL, NULL, out);
		buf_addc(out, '\n');
	}
}
