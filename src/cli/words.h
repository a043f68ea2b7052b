/* words.h - what `pawl work` and `pawl queue` do is a second word: each has a table of them. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include "cli/cli.h"

#define WORD_OPTIONS_MAX 8

struct cli_word {
	const char *name, *usage;               /* usage: what stands behind it */
	enum cli_opt options[WORD_OPTIONS_MAX]; /* those of the verb that it takes, ends with OPT_NONE */
	int args_min, args_max;                 /* behind the word; -1 = any number */
	int (*run)(struct cli *c);
};

/* Takes the word off the arguments and runs it. fallback: the word when there is none, or NULL. */
int cli_word_run(struct cli *c, const struct cli_word *words, const char *fallback) PAWL_MUST_USE;

#endif
