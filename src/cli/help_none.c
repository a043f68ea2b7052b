/* help_none.c - in place of cli_help.c (WITH_HELP=no): usage alone. */
#include "cli/verbs.h"
#include <stdio.h>

static void print_options(const struct cli_option *o)
{
	for (; o && o->opt; o++)
		printf("  --%s%s%s%c%c\n", o->name, o->arg ? " " : "", o->arg ? o->arg : "", o->letter ? '\t' : ' ', o->letter ? o->letter : ' ');
}

int cli_help(struct cli *c, const struct cli_verb *verb)
{
	printf("usage: %s %s %s\n", c->program, verb ? verb->name : "[OPTION...] VERB", verb ? verb->usage : "...");
	if (verb)
		print_options(verb->options);
	else
		for (const struct cli_verb *const *v = cli_verbs; *v; v++)
			printf("  %-12s %s\n", (*v)->name, (*v)->line);
	print_options(cli_global_options);
	return 0;
}

static int help(struct cli *c)
{
	const struct cli_verb *verb = c->arg_count ? cli_find_verb(c->args[0]) : NULL;

	if (c->arg_count && (strcmp(c->args[0], "config") == 0 || strcmp(c->args[0], "activities") == 0))
		return cli_without(c, "help", "HELP");
	return c->arg_count && !verb ? cli_unknown_verb(c, c->args[0]) : cli_help(c, verb);
}

const struct cli_verb verb_help = { "help", "list the verbs, or tell of one", "[VERB]", NULL, NULL, 0, 1, help };
