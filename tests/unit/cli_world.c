#include "unit/cli_world.h"
#include "os/os.h"
#include "unit/history_lines.h"
#include <fcntl.h>
#include <pawl/pawl.h>
#include <unistd.h>

#define WORDS_MAX 24

int world_setup(void **state)
{
	struct cli_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/pawl-cli-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->hub, sizeof(w->hub), "%s/hub", w->dir);
	unsetenv("PAWL_HUB");
	unsetenv("PAWL_CONFIG");
	unsetenv("COLUMNS");
	struct pawl_provider *p = world_own(w);
	p->ops->close(p);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	struct cli_world *w = *state;

	(void)os_remove_tree(os_linux(), OS_CWD, w->dir, 8);
	free(w->out);
	free(w->err);
	free(w);
	return 0;
}

struct pawl_provider *world_own(struct cli_world *w)
{
	struct pawl_provider_options options = { .hub = w->hub, .create = true, .allow_volatile = true, .journal_bytes = 65536 };
	struct pawl_provider *p = NULL;
	struct pawl_error err = { 0 };

	if (pawl_provider_fs.open(&options, &p, &err) < 0 || p->ops->acquire(p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

void world_put(struct cli_world *w, const char *id, uint64_t execution, bool end, const char *const *lines)
{
	struct pawl_provider *p = world_own(w);
	struct pawl_error err = { 0 };
	struct buf text = BUF_INIT;

	for (; *lines; lines++)
		add_line(&text, *lines);
	struct pawl_record record = { .instance = id, .execution = execution, .data = text.data, .len = text.len, .create = execution == 1, .end = end };
	struct pawl_batch batch = { .records = &record, .record_count = 1 };
	if (pawl_provider_commit(p, &batch, &err) < 0 || (end && p->ops->archive(p, id, &err) < 0))
		fail_msg("%s", err.text);
	p->ops->close(p);
	buf_release(&text);
}

static char *slurp(FILE *f)
{
	struct buf text = BUF_INIT;
	char part[4096];
	size_t n;

	rewind(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&text, part, n);
	fclose(f);
	buf_adds(&text, "");
	return text.data ? buf_detach(&text, NULL) : calloc(1, 1);
}

static int redirect(int to, int from)
{
	int kept = dup(to);

	assert_true(kept >= 0 && dup2(from, to) == to);
	return kept;
}

static void restore(int to, int kept)
{
	assert_int_equal(dup2(kept, to), to);
	close(kept);
}

int world_run(struct cli_world *w, const char *const *words)
{
	char empty[] = "", *argv[WORDS_MAX + 8] = { (char[]){ "/usr/bin/pawl" }, (char[]){ "-H" }, w->hub, (char[]){ "-c" }, empty };
	FILE *in = tmpfile(), *out = tmpfile(), *err = tmpfile();
	int argc = 5;

	assert_true(in && out && err);
	fputs(w->in ? w->in : "", in);
	rewind(in);
	for (; *words && argc < WORDS_MAX; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	fflush(NULL);
	int kept[] = { redirect(0, fileno(in)), redirect(1, fileno(out)), redirect(2, fileno(err)) };
	rewind(stdin);
	w->code = pawl_main(argc, argv);
	fflush(NULL);
	for (int fd = 0; fd < 3; fd++)
		restore(fd, kept[fd]);
	fclose(in);
	free(w->out);
	free(w->err);
	w->out = slurp(out);
	w->err = slurp(err);
	w->in = NULL;
	return w->code;
}

void assert_holds_(const char *text, const char *part, bool wanted, const char *file, int line)
{
	if ((strstr(text, part) != NULL) == wanted)
		return;
	print_error("'%s' %s:\n%s\n", part, wanted ? "is not in" : "is in", text);
	_fail(file, line);
}
