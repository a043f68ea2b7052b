/* What may be written on the command line, and what the exit code of each mistake is. */
#include "unit/cli_world.h"
#include "cli/cli.h"
#include <unistd.h>

static void check_usage(struct cli_world *w, const char *message)
{
	assert_int_equal(w->code, 2);
	assert_has(w->err, message);
	assert_has(w->err, "try `pawl ");
	assert_string_equal(w->out, "");
}

static void a_mistake_is_exit_code_2_and_says_what(void **state)
{
	struct cli_world *w = *state;

	run(w, "start");
	check_usage(w, "start needs more arguments: pawl start TYPE");
	run(w, "list", "x");
	check_usage(w, "'x' is too much");
	run(w, "list", "-n");
	check_usage(w, "option '--limit' needs a value: --limit=N");
	run(w, "list", "-n", "0");
	check_usage(w, "--limit: '0' is no whole number from 1");
	run(w, "list", "--all=yes");
	check_usage(w, "option '--all' takes no value");
	run(w, "list", "--since", "soon");
	check_usage(w, "--since: 'soon' is no duration");
	run(w, "list", "-s", "failed,gone");
	check_usage(w, "'gone' is no status: Pending,");
	run(w, "list", "-o", "xml");
	check_usage(w, "'xml' is no output format");
	run(w, "list", "--color", "blue");
	check_usage(w, "'blue' is no value of --color");
	run(w, "-x", "list");
	check_usage(w, "unknown option '-x' before the verb");
	run(w, "list", "-nx");
	check_usage(w, "--limit: 'x'");
	run(w, "list", "-ax");
	check_usage(w, "unknown option '-x' of list");
}

static void what_is_nearly_right_is_guessed(void **state)
{
	struct cli_world *w = *state;

	run(w, "strat", "flow");
	check_usage(w, "there is no verb 'strat'; did you mean 'start'?");
	run(w, "lits");
	check_usage(w, "did you mean 'list'?");
	run(w, "term");
	check_usage(w, "did you mean 'terminate'?");
	run(w, "frobnicate");
	check_usage(w, "there is no verb 'frobnicate'\n");
	run(w, "list", "--statsu=failed");
	check_usage(w, "unknown option '--statsu' of list; did you mean '--status'?");
	run(w, "list", "--out", "json");
	check_usage(w, "did you mean '--output'?");
	run(w, "list", "--zzz");
	check_usage(w, "unknown option '--zzz' of list\n");
}

static void names_are_checked_before_the_hub_is_touched(void **state)
{
	struct cli_world *w = *state;

	run(w, "-H", "/nonexistent", "status", "../x");
	check_usage(w, "'../x' is no instance id");
	run(w, "start", "a b");
	check_usage(w, "'a b' is no orchestration name");
	run(w, "start", "flow", "--id", "a/b");
	check_usage(w, "'a/b' is no instance id");
	run(w, "start", "flow", "--version", "..");
	check_usage(w, "'..' is no version");
	run(w, "start", "flow", "--timeout", "3s");
	check_usage(w, "--timeout is for --wait and --follow");
	run(w, "raise", "x", "a.b");
	check_usage(w, "'a.b' is no event name");
	run(w, "raise", "x", "e", "-k", "a b");
	check_usage(w, "'a b' is no key");
	run(w, "suspend");
	check_usage(w, "suspend needs ids or a filter");
	run(w, "suspend", "x", "-t", "flow");
	check_usage(w, "and not both");
}

static void options_stand_anywhere_and_in_any_form(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "x", STARTED);
	assert_int_equal(run(w, "-o", "name", "list"), 0);
	assert_string_equal(w->out, "x\n");
	assert_int_equal(run(w, "list", "-oname"), 0);
	assert_string_equal(w->out, "x\n");
	assert_int_equal(run(w, "list", "--output=name", "-an1"), 0);
	assert_string_equal(w->out, "x\n");
	assert_int_equal(run(w, "--output", "name", "list", "-qv"), 0);
	assert_string_equal(w->out, "x\n");
	assert_int_equal(run(w, "-o", "json", "status", "-o", "name", "--", "x"), 0);
	assert_string_equal(w->out, "x\n");
	assert_int_equal(run(w, "status", "--", "-x"), 2);
	assert_has(w->err, "'-x' is no instance id");
}

static void the_hub_is_found_by_option_then_environment(void **state)
{
	struct cli_world *w = *state;
	char *argv[] = { (char[]){ "pawl" }, (char[]){ "list" }, (char[]){ "-q" } };

	setenv("PAWL_HUB", w->hub, 1);
	assert_int_equal(pawl_main(3, argv), 0);
	assert_int_equal(run(w, "list", "-H", "/nonexistent/hub"), 4);
	assert_has(w->err, "there is no hub '/nonexistent/hub' (`pawl run -H /nonexistent/hub` makes it");
	unsetenv("PAWL_HUB");
	assert_int_equal(run(w, "list", "-H", w->dir), 4);
	assert_has(w->err, "is not a hub");
}

static void every_error_code_has_its_exit_code(void **state)
{
	static const struct {
		int code, exit;
	} table[] = {
		{ 0, 0 }, { CLI_EUSAGE, 2 }, { PAWL_ENOTFOUND, 4 }, { PAWL_EEXISTS, 5 }, { PAWL_ESTATE, 5 }, { PAWL_ECANCELED, 6 },
		{ PAWL_ECORRUPT, 7 }, { PAWL_ETORN, 7 }, { PAWL_EBUSY, 75 }, { PAWL_EFENCED, 75 }, { PAWL_ETIMEOUT, 124 },
		{ PAWL_ENOMEM, 1 }, { PAWL_EIO, 1 }, { PAWL_ENOSPC, 1 }, { PAWL_EINVALID, 1 }, { PAWL_EPERM, 1 }, { PAWL_EBUG, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(cli_exit_of_error(table[i].code), table[i].exit);
}

static void a_payload_is_a_text_a_file_or_standard_input(void **state)
{
	struct cli_world *w = *state;
	char path[128], at[160], *big = malloc(PAWL_PAYLOAD_BYTES_MAX + 2);
	FILE *f;

	snprintf(path, sizeof(path), "%s/file", w->dir);
	snprintf(at, sizeof(at), "@%s", path);
	assert_non_null(f = fopen(path, "w"));
	fputs("from a file", f);
	fclose(f);
	assert_int_equal(run(w, "start", "flow", "--id", "a", "-i", "a text", "-q"), 0);
	assert_int_equal(run(w, "start", "flow", "--id", "b", "-i", at, "-q"), 0);
	w->in = "from standard input";
	assert_int_equal(run(w, "start", "flow", "--id", "c", "-i", "-", "-q"), 0);
	assert_int_equal(run(w, "start", "flow", "--id", "d", "-i", "", "-q"), 0);
	assert_int_equal(run(w, "start", "flow", "--id", "e", "-i", "@/nonexistent"), 1);
	assert_has(w->err, "cannot open '/nonexistent'");
	memset(big, 'x', PAWL_PAYLOAD_BYTES_MAX + 1);
	big[PAWL_PAYLOAD_BYTES_MAX + 1] = '\0';
	w->in = big;
	assert_int_equal(run(w, "start", "flow", "--id", "f", "-i", "-"), 1);
	assert_has(w->err, "over the limit of 1048576 bytes");
	free(big);
	for (int i = 0; i < 3; i++) {
		static const char *const words[] = { "a text", "from a file", "from standard input" };
		char text[2048] = "";
		snprintf(path, sizeof(path), "%s/instances/%c/start", w->hub, 'a' + i);
		assert_non_null(f = fopen(path, "r"));
		assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
		fclose(f);
		assert_has(text, words[i]);
	}
}

static void colour_is_for_terminals_unless_it_is_asked_for(void **state)
{
	struct cli_world *w = *state;

	world_live(w, "x", STARTED);
	run(w, "list");
	assert_lacks(w->out, "\033");
	run(w, "list", "--color=always");
	assert_has(w->out, "\033[36mRunning\033[0m");
	setenv("NO_COLOR", "1", 1);
	run(w, "list", "--color=always");
	assert_has(w->out, "\033[36mRunning");
	unsetenv("NO_COLOR");
	run(w, "list", "--color=always", "-o", "json");
	assert_lacks(w->out, "\033");
}

static void help_lists_every_verb_and_option(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "help"), 0);
	char *all = strdup(w->out);
	for (const struct cli_verb *const *v = cli_verbs; *v; v++) {
		assert_has(all, (*v)->line);
		assert_int_equal(run(w, (*v)->name, "--help"), 0);
		assert_has(w->out, (*v)->usage);
		for (const struct cli_option *o = (*v)->options; o && o->opt; o++)
			assert_has(w->out, o->text);
		assert_int_equal(run(w, "help", (*v)->name), 0);
	}
	assert_int_equal(run(w, "-h"), 0);
	assert_string_equal(w->out, all);
	free(all);
	assert_int_equal(run(w, "help", "nothing"), 2);
	assert_int_equal(run(w, "help", "config"), 0);
	assert_has(w->out, "workers.threads_max");
}

/* Two options of one verb with the same letter or the same place would hide each other. One that stands in the place of an
 * option of every verb has its name and its letter (`export -o FILE`). */
static void options_of_a_verb_do_not_collide(void **state)
{
	(void)state;
	for (const struct cli_verb *const *v = cli_verbs; *v; v++) {
		for (const struct cli_option *a = (*v)->options; a && a->opt; a++) {
			for (const struct cli_option *b = a + 1; b->opt; b++)
				assert_false(a->opt == b->opt || (a->letter && a->letter == b->letter) || strcmp(a->name, b->name) == 0);
			for (const struct cli_option *g = cli_global_options; g->opt; g++)
				assert_false(a->letter && a->letter == g->letter && strcmp(a->name, g->name) != 0);
		}
	}
}

static void the_version_says_what_is_built_in(void **state)
{
	struct cli_world *w = *state;

	assert_int_equal(run(w, "--version"), 0);
	assert_string_equal(w->out, "pawl " PAWL_VERSION "\n");
	assert_int_equal(run(w, "version", "-o", "json"), 0);
	assert_has(w->out, "{\"v\":1,\"version\":\"" PAWL_VERSION "\",\"format\":1,\"features\":[\"fs\"");
}

/* docs/man/pawl.1 is what `pawl help --man` prints. */
static void the_manual_page_is_the_table(void **state)
{
	struct cli_world *w = *state;
	FILE *f = fopen("docs/man/pawl.1", "r");
	struct buf page = BUF_INIT;
	char part[4096];
	size_t n;

	if (!f)
		skip();
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&page, part, n);
	fclose(f);
	assert_int_equal(run(w, "help", "--man"), 0);
	if (strcmp(w->out, buf_str(&page)) != 0)
		fail_msg("docs/man/pawl.1 is not up to date: pawl help --man > docs/man/pawl.1");
	buf_release(&page);
}

static void what_cannot_be_written_is_an_error(void **state)
{
	struct cli_world *w = *state;
	char *argv[] = { (char[]){ "pawl" }, (char[]){ "help" } };
	FILE *full = fopen("/dev/full", "w");

	(void)w;
	if (!full)
		skip();
	fflush(stdout);
	int kept = dup(1), kept_err = dup(2);
	FILE *null = fopen("/dev/null", "w");
	assert_non_null(null);
	dup2(fileno(full), 1);
	dup2(fileno(null), 2);
	int code = pawl_main(2, argv);
	dup2(kept, 1);
	dup2(kept_err, 2);
	close(kept);
	close(kept_err);
	fclose(null);
	fclose(full);
	assert_int_equal(code, 1);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD(a_mistake_is_exit_code_2_and_says_what),
		WORLD(what_is_nearly_right_is_guessed),
		WORLD(names_are_checked_before_the_hub_is_touched),
		WORLD(options_stand_anywhere_and_in_any_form),
		WORLD(the_hub_is_found_by_option_then_environment),
		cmocka_unit_test(every_error_code_has_its_exit_code),
		WORLD(a_payload_is_a_text_a_file_or_standard_input),
		WORLD(colour_is_for_terminals_unless_it_is_asked_for),
		WORLD(help_lists_every_verb_and_option),
		cmocka_unit_test(options_of_a_verb_do_not_collide),
		WORLD(the_version_says_what_is_built_in),
		WORLD(the_manual_page_is_the_table),
		WORLD(what_cannot_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
