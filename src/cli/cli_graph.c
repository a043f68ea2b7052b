/* cli_graph.c - `pawl graph`: what an instance has done and waits for, drawn. */
#include "cli/graph.h"
#include "cli/history_file.h"
#include "cli/verbs.h"

#define FOLD_MIN 8

static int draw(struct cli *c, const struct cli_instance *i)
{
	struct graph g;
	struct buf out = BUF_INIT;
	int rc = graph_build(&g, i->id, &i->history, c->opt[OPT_ALL] ? 0 : FOLD_MIN);

	if (c->opt[OPT_DOT])
		graph_dot(&g, &out);
	else if (c->opt[OPT_TEXT])
		graph_text(&g, &out);
	else
		graph_mermaid(&g, &out);
	if (rc != PAWL_ENOMEM && buf_ok(&out))
		fwrite(out.data, 1, out.len, stdout);
	else
		rc = err_nomem(&c->err);
	buf_release(&out);
	graph_release(&g);
	return rc == PAWL_ECORRUPT ? 0 : rc; /* the instance is damaged, and says so */
}

static int read_instance(struct cli *c, struct cli_instance *i)
{
	uint64_t execution = 0;
	int rc = cli_number(c, OPT_EXECUTION, 1, UINT64_MAX, &execution);

	if (rc == 0)
		rc = cli_check_id(c, c->args[0]);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	return rc == 0 ? instance_read(c, c->args[0], execution, i) : rc;
}

static int graph(struct cli *c)
{
	struct cli_instance i = { .execution = 0 };
	int forms = !!c->opt[OPT_DOT] + !!c->opt[OPT_MERMAID] + !!c->opt[OPT_TEXT];

	if (forms > 1)
		return cli_usage(c, "one of --mermaid, --dot and --text");
	int rc = history_file_is(c->args[0]) ? history_file_read(c, c->args[0], NULL, &i) : read_instance(c, &i);
	if (rc == 0 && i.history.count == 0 && !i.damaged)
		rc = err_set(&c->err, PAWL_ESTATE, "'%s' has not begun yet: there is nothing to draw", i.id);
	if (rc == 0 && i.history.count)
		rc = draw(c, &i);
	if (rc == 0 && i.damaged)
		rc = err_set(&c->err, PAWL_ECORRUPT, "'%s' is damaged: %s", i.id, i.note ? i.note : "");
	instance_release(&i);
	return rc;
}

static const struct cli_option options_graph[] = {
	{ OPT_MERMAID, 0, "mermaid", NULL, HELP("a Mermaid flowchart, as Markdown viewers draw it; this is the default") },
	{ OPT_DOT, 0, "dot", NULL, HELP("for Graphviz: pawl graph ID --dot | dot -Tsvg > ID.svg") },
	{ OPT_TEXT, 0, "text", NULL, HELP("for a terminal; numbers are lines of the history") },
	{ OPT_EXECUTION, 0, "execution", "N", HELP("this execution (else the newest; continue-as-new begins a new one)") },
	{ OPT_ALL, 'a', "all", NULL, HELP("each by itself of many of a kind that were begun at once (from 8 on they are one with counts)") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_graph = {
	"graph", "draw what an instance has done and waits for",
	"ID | FILE.history [--mermaid | --dot | --text] [--execution N] [--all]",
	HELP("From its history alone, also when its code is not there. What was begun at once stands side by side; it follows "
	"all that had been done since something was begun before. What came to nothing is dashed. The same history gives "
	"the same drawing."),
	options_graph, 1, 1, graph,
};
