/*
 * pawl-shim's command line and the little text it reads and writes. What is taken is exactly NAME=VALUE of its table, then
 * "--" and a program; text never grows over its buffer. The arguments are the lines of the input.
 */
#define _GNU_SOURCE
#include "fuzz.h"
#include "shim/options.c"
#include "shim/text.c"

#define WORDS_MAX 64

static void texts(char *word)
{
	char data[16], number[24];
	struct text t = { data, 0, sizeof(data) };
	const char *rest = NULL;
	uint64_t n;

	text_add(&t, word);
	text_number(&t, INT64_MIN);
	text_errno(&t, (int)strlen(word));
	must(t.len <= t.max);
	if (text_parse(word, ':', &n, &rest)) {
		must(rest > word && rest <= word + strlen(word));
		snprintf(number, sizeof(number), "%llu", (unsigned long long)n);
		size_t digits = strspn(word, "0123456789"), zeros = strspn(word, "0");
		zeros = zeros == digits ? digits - 1 : zeros;
		must(strlen(number) == digits - zeros && memcmp(number, word + zeros, digits - zeros) == 0);
		t = (struct text){ number, 0, sizeof(number) - 1 };
		if (n <= INT64_MAX) {
			text_number(&t, (int64_t)n);
			must(t.len == digits - zeros && memcmp(number, word + zeros, t.len) == 0);
		}
	}
}

static bool is_of_table(const char *word, enum option *which)
{
	size_t len = strcspn(word, "=");

	for (int i = 0; i < OPTIONS && word[len]; i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, word, len) == 0) {
			*which = (enum option)i;
			return true;
		}
	return false;
}

static bool is_value(enum option o, const char *value)
{
	size_t digits = strspn(value, "0123456789");

	if (table[o].kind == TEXT)
		return value[0] != '\0' && (o != OPT_WORK || value[0] == '/');
	return digits > 0 && !value[digits];
}

/* NULL when all is as it must be, else the first word that is not. */
static const char *expected(int argc, char **argv, int *program)
{
	enum option o;

	for (*program = 1; *program < argc && strcmp(argv[*program], "--") != 0; ++*program)
		if (!is_of_table(argv[*program], &o) || (o != OPT_WORK && !is_value(o, strchr(argv[*program], '=') + 1)))
			return argv[*program];
	++*program;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = piece_text(slice_make(size ? (const char *)data : "", size)), *argv[WORDS_MAX + 1] = { (char[]){ "pawl-shim" } };
	struct options o = { .argv = NULL };
	const char *bad = NULL;
	int argc = 1, program;

	for (char *at = text, *next; at && argc < WORDS_MAX; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		argv[argc++] = at;
		texts(at);
	}
	bool taken = options_parse(&o, argc, argv, &bad);
	const char *wrong = expected(argc, argv, &program);
	if (taken) {
		must(!wrong && !bad && o.argv == argv + program && program < argc);
		must(o.text[OPT_WORK] && o.value[OPT_WORK][0] == '/');
		for (int i = 0; i < OPTIONS; i++) {
			must(o.number[i] <= NUMBER_MAX);
			must(!o.text[i] || is_value((enum option)i, o.value[i]));
		}
	} else {
		must(wrong || !o.text[OPT_WORK] || o.value[OPT_WORK][0] != '/' || program >= argc || bad);
	}
	free(text);
	return 0;
}
