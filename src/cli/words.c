/* words.c - see words.h. */
#include "cli/words.h"

static const struct cli_word *find(const struct cli_word *words, const char *name)
{
	for (const struct cli_word *w = words; w->name; w++)
		if (strcmp(w->name, name) == 0)
			return w;
	return NULL;
}

static int unknown(struct cli *c, const struct cli_word *words, const char *name)
{
	char list[160] = "";
	size_t len = 0;

	for (const struct cli_word *w = words; w->name && len < sizeof(list); w++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", w == words ? "" : ", ", w->name);
	if (!name)
		return cli_usage(c, "%s needs a word: %s", c->verb->name, list);
	return cli_usage(c, "'%.60s' is none of the words of %s: %s", name, c->verb->name, list);
}

static bool takes(const struct cli_word *w, enum cli_opt opt)
{
	for (int i = 0; i < WORD_OPTIONS_MAX && w->options[i]; i++)
		if (w->options[i] == opt)
			return true;
	return false;
}

static int check(struct cli *c, const struct cli_word *w)
{
	for (const struct cli_option *o = c->verb->options; o->opt; o++)
		if (c->opt[o->opt] && !takes(w, o->opt))
			return cli_usage(c, "%s %s takes no --%s: %s %s %s %s", c->verb->name, w->name, o->name,
				c->program, c->verb->name, w->name, w->usage);
	if (c->arg_count < w->args_min)
		return cli_usage(c, "%s %s needs more arguments: %s %s %s %s", c->verb->name, w->name, c->program,
			c->verb->name, w->name, w->usage);
	if (w->args_max >= 0 && c->arg_count > w->args_max)
		return cli_usage(c, "'%.60s' is too much: %s %s %s %s", c->args[w->args_max], c->program,
			c->verb->name, w->name, w->usage);
	return 0;
}

int cli_word_run(struct cli *c, const struct cli_word *words, const char *fallback)
{
	const char *name = c->arg_count > 0 ? c->args[0] : fallback;
	const struct cli_word *w = name ? find(words, name) : NULL;

	if (!w)
		return unknown(c, words, name);
	if (c->arg_count > 0)
		memmove(c->args, c->args + 1, (size_t)c->arg_count-- * sizeof(*c->args)); /* and the NULL */
	int rc = check(c, w);
	return rc < 0 ? rc : w->run(c);
}
