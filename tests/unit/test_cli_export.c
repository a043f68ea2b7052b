/* test_cli_export.c - export and import: the same instance in another hub, and nothing of a damaged one. */
#include "unit/cli_world.h"
#include "cli/bundle.h"
#include "base/buf.h"
#include "base/crc32c.h"
#include "os/os.h"
#include <pawl/pawl.h>
#include <sys/stat.h>

#define SCHEDULED "{\"seq\":2,\"type\":\"ActivityScheduled\",\"name\":\"work\",\"input\":\"a\"}"
#define DONE "{\"seq\":3,\"time\":\"2020-01-02T03:04:06.000000Z\",\"type\":\"ActivityCompleted\",\"ref\":2,\"output\":\"b\"}"
#define COMPLETED "{\"seq\":4,\"type\":\"ExecutionCompleted\",\"output\":\"b\"}"
#define CONTINUED "{\"seq\":2,\"type\":\"ExecutionContinuedAsNew\",\"input\":\"next\"}"

struct paths {
	char tar[96], text[96], other[96];
};

static struct paths paths_of(const struct cli_world *w)
{
	struct paths p;

	snprintf(p.tar, sizeof(p.tar), "%s/x.tar", w->dir);
	snprintf(p.text, sizeof(p.text), "%s/x.jsonl", w->dir);
	snprintf(p.other, sizeof(p.other), "%s/other", w->dir);
	return p;
}

static struct buf slurp(const char *path)
{
	struct buf b = BUF_INIT;
	size_t len;
	char *data;

	if (os_read_file(os_linux(), OS_CWD, path, 1 << 24, &data, &len) < 0)
		fail_msg("cannot read %s", path);
	buf_add(&b, data, len);
	free(data);
	return b;
}

static void spit(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_true(len == 0 || fwrite(data, len, 1, f) == 1);
	assert_int_equal(fclose(f), 0);
}

static void put_spilled(struct cli_world *w, const char *id, const char *payload)
{
	char line[256], path[256];

	snprintf(line, sizeof(line), "{\"seq\":2,\"type\":\"CustomStatusSet\",\"status\":{\"$file\":\"1.2.data\",\"bytes\":%zu,\"crc32c\":\"%08x\"}}",
		strlen(payload), (unsigned)crc32c(0, payload, strlen(payload)));
	world_live(w, id, STARTED, line);
	snprintf(path, sizeof(path), "%s/instances/%s/1.2.data", w->hub, id);
	spit(path, payload, strlen(payload));
}

static void put_some(struct cli_world *w)
{
	world_live(w, "live", STARTED, SCHEDULED);
	world_ended(w, "ended", STARTED, SCHEDULED, DONE, COMPLETED);
	world_live(w, "again", STARTED, CONTINUED);
	world_put(w, "again", 2, false, (const char *const[]){ STARTED, SCHEDULED, NULL });
	put_spilled(w, "large", "a payload that is in a file");
}

/* Both forms, twice: what comes back is the same to the byte. */
static void round_trips(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);

	put_some(w);
	assert_int_equal(run(w, "export", "--all", "-o", p.tar), 0);
	assert_int_equal(run(w, "export", "--all", "--text", "-o", p.text), 0);
	struct buf tar = slurp(p.tar), text = slurp(p.text);
	for (int form = 0; form < 2; form++) {
		snprintf(w->hub, sizeof(w->hub), "%s/%d", w->dir, form);
		assert_int_equal(run(w, "import", form ? p.text : p.tar), 0);
		assert_has(w->out, "live: imported (live");
		assert_has(w->out, "ended: imported (it has ended)");
		assert_int_equal(run(w, "export", "-a", "-o", p.other), 0);
		struct buf again = slurp(p.other);
		assert_int_equal(again.len, tar.len);
		assert_memory_equal(again.data, tar.data, tar.len);
		buf_release(&again);
		assert_int_equal(run(w, "export", "-a", "--text", "--output=-"), 0);
		assert_string_equal(w->out, buf_str(&text));
		assert_int_equal(run(w, "status", "again", "-o", "json"), 0);
		assert_has(w->out, "\"execution\":2");
		assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
		assert_string_equal(w->out, "again\nlarge\nlive\nended\n");
	}
	buf_release(&tar);
	buf_release(&text);
}

static void filters(void **state)
{
	struct cli_world *w = *state;

	put_some(w);
	assert_int_equal(run(w, "export", "-s", "completed", "--text"), 0);
	assert_has(w->out, "\"id\":\"ended\"");
	assert_lacks(w->out, "\"id\":\"live\"");
	assert_int_equal(run(w, "export", "live", "large", "--text"), 0);
	assert_has(w->out, "\"id\":\"live\"");
	assert_has(w->out, "\"payloads\":{\"1.2.data\":\"");
	assert_lacks(w->out, "ended");
	assert_int_equal(run(w, "export", "--text"), 2);
	assert_int_equal(run(w, "export", "live", "--all"), 2);
	assert_int_equal(run(w, "export", "nobody"), 4);
	assert_int_equal(run(w, "export", "-t", "nothing", "--text"), 0);
	assert_string_equal(w->out, "{\"pawl_export\":1,\"pawl\":\"" PAWL_VERSION "\"}\n");
}

static void a_failed_export_leaves_no_file(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);
	struct stat st;

	put_some(w);
	assert_int_equal(run(w, "export", "live", "nobody", "-o", p.tar), 4);
	assert_int_not_equal(stat(p.tar, &st), 0);
}

static void taken_ids(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);

	world_live(w, "live", STARTED, SCHEDULED);
	assert_int_equal(run(w, "export", "--all", "-o", p.tar), 0);
	assert_int_equal(run(w, "import", p.tar), 5);
	assert_has(w->err, "'live' exists already");
	assert_int_equal(run(w, "import", p.tar, "--if-exists", "skip", "-o", "json"), 0);
	assert_has(w->out, "\"result\":\"skipped\"");
	assert_int_equal(run(w, "import", p.tar, "--if-exists", "replace"), 2);
}

static void dry_run(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);
	struct stat st;

	put_some(w);
	assert_int_equal(run(w, "export", "--all", "-o", p.tar), 0);
	snprintf(w->hub, sizeof(w->hub), "%s/nothing", w->dir);
	assert_int_equal(run(w, "import", p.tar, "--dry-run"), 0);
	assert_has(w->out, "ended: would be imported (it has ended)");
	assert_int_not_equal(stat(w->hub, &st), 0);
}

static void needs_the_hub_alone(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);

	put_some(w);
	assert_int_equal(run(w, "export", "--all", "-o", p.tar), 0);
	struct pawl_provider *owner = world_own(w);
	assert_int_equal(run(w, "import", p.tar), 75);
	assert_int_equal(run(w, "export", "--all", "-o", p.other), 0);
	owner->ops->close(owner);
	struct buf a = slurp(p.tar), b = slurp(p.other);
	assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	buf_release(&a);
	buf_release(&b);
}

/* Each of these, as an export of one instance in the text form. */
static void refused(void **state)
{
	static const struct {
		const char *histories, *more, *words;
		int code;
	} cases[] = {
		{ "", "", "no history", 7 },
		{ "\"\"", "", "it is empty", 7 },
		{ "\"rubbish\\n\"", "", "damaged", 7 },
		{ "$1", ",\"payloads\":{\"1.9.data\":\"YQ==\"}", "no history names", 7 },
		{ "$1", ",\"payloads\":{\"events\":\"YQ==\"}", "does not belong", 1 },
		{ "$1", ",\"payloads\":{\"../x\":\"YQ==\"}", "does not belong", 1 },
		{ "$1", ",\"payloads\":{\"1.9.data\":\"?\"}", "no base64", 1 },
		{ "$1", ",\"payloads\":{\"1.9.data\":7}", "no text", 1 },
		{ "$1,$1", "", "has no end", 7 },
		{ "$2", "", "the next execution is not there", 7 },
		{ "$1,7", "", "no text", 1 },
		{ "$3", "", "which is not there", 7 },
		{ "$3", ",\"payloads\":{\"1.2.data\":\"YWE=\"}", "not the one that line 2 names", 7 },
		{ "$4", "", "damaged", 7 },
	};
	static const char *const lines[][2] = {
		{ STARTED, SCHEDULED }, { STARTED, CONTINUED },
		{ STARTED, "{\"seq\":2,\"type\":\"CustomStatusSet\",\"status\":{\"$file\":\"1.2.data\",\"bytes\":1,\"crc32c\":\"00000000\"}}" },
		{ SCHEDULED, STARTED },
	};
	struct cli_world *w = *state;
	struct paths p = paths_of(w);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text = BUF_INIT;
		buf_adds(&text, "{\"pawl_export\":1}\n{\"id\":\"x\",\"histories\":[");
		for (const char *c = cases[i].histories; *c; c++) {
			if (*c != '$') {
				buf_addc(&text, *c);
				continue;
			}
			buf_addc(&text, '"');
			for (int n = 0; n < 2; n++) {
				const char *line = lines[c[1] - '1'][n];
				for (const char *l = line; *l; l++) {
					if (*l == '"')
						buf_addc(&text, '\\');
					buf_addc(&text, *l);
				}
				buf_addf(&text, "\\t%08x\\n", (unsigned)crc32c(0, line, strlen(line)));
			}
			buf_addc(&text, '"');
			c++;
		}
		buf_addf(&text, "]%s}\n", cases[i].more);
		spit(p.text, text.data, text.len);
		if (run(w, "import", p.text) != cases[i].code || !strstr(w->err, cases[i].words))
			fail_msg("case %zu: exit %d, '%s' instead of '%s'", i, w->code, w->err, cases[i].words);
		assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
		assert_string_equal(w->out, "");
		buf_release(&text);
	}
}

static void no_exports(void **state)
{
	static const char *const texts[] = { "", "{}", "{\"pawl_export\":\"1\"}\n", "{\"pawl_export\":0}\n", "{\"pawl_export\":2}\n", "[]", "rubbish\n",
		"{\"pawl_export\":1}\n[]\n", "{\"pawl_export\":1}\n{\"id\":7,\"histories\":[]}\n", "{\"pawl_export\":1}\n{\"id\":\"../x\",\"histories\":[]}\n" };
	struct cli_world *w = *state;
	struct paths p = paths_of(w);
	struct stat st;

	snprintf(w->hub, sizeof(w->hub), "%s/nothing", w->dir);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		spit(p.text, texts[i], strlen(texts[i]));
		if (run(w, "import", p.text) != 1)
			fail_msg("'%s': exit %d, '%s'", texts[i], w->code, w->err);
		assert_true(i > 6 || stat(w->hub, &st) != 0);
	}
	assert_int_equal(run(w, "import", "/does/not/exist"), 1);
}

/* Of a damaged archive, what is before the damage is there, and what is behind it is not. */
static void half_an_archive(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);

	put_some(w);
	assert_int_equal(run(w, "export", "again", "live", "ended", "-o", p.tar), 0);
	struct buf tar = slurp(p.tar);
	size_t at = 0;
	while (memcmp(tar.data + at, "ended/", 6) != 0)
		at += 512;
	spit(p.tar, tar.data, at + 600);
	buf_release(&tar);
	snprintf(w->hub, sizeof(w->hub), "%s/new", w->dir);
	assert_int_equal(run(w, "import", p.tar), 1);
	assert_has(w->err, "2 imported, the rest is not: the archive is cut off");
	assert_int_equal(run(w, "list", "-a", "-o", "name"), 0);
	assert_string_equal(w->out, "again\nlive\n");
}

static void twice_in_one(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);
	struct buf twice = BUF_INIT;

	put_some(w);
	assert_int_equal(run(w, "export", "live", "--text", "-o", p.text), 0);
	struct buf text = slurp(p.text);
	buf_add_slice(&twice, buf_slice(&text));
	buf_adds(&twice, strchr(text.data, '\n') + 1);
	spit(p.text, twice.data, twice.len);
	snprintf(w->hub, sizeof(w->hub), "%s/new", w->dir);
	assert_int_equal(run(w, "import", p.text), 1);
	assert_has(w->err, "at two places");
	buf_release(&text);
	buf_release(&twice);
}

/* Damage goes along as it is, is told of, and is not imported. */
static void damaged_instances(void **state)
{
	struct cli_world *w = *state;
	struct paths p = paths_of(w);
	char path[256];

	put_some(w);
	snprintf(path, sizeof(path), "%s/instances/large/1.2.data", w->hub);
	assert_int_equal(remove(path), 0);
	assert_int_equal(run(w, "export", "large", "live", "-o", p.tar), 0);
	assert_has(w->err, "without 1 payload file");
	snprintf(w->hub, sizeof(w->hub), "%s/new", w->dir);
	assert_int_equal(run(w, "import", p.tar), 7);
	assert_has(w->err, "1.2.data");
	assert_has(w->out, "live: imported");
}

#define WORLD(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(round_trips),
		WORLD(filters),
		WORLD(a_failed_export_leaves_no_file),
		WORLD(taken_ids),
		WORLD(dry_run),
		WORLD(needs_the_hub_alone),
		WORLD(refused),
		WORLD(no_exports),
		WORLD(half_an_archive),
		WORLD(twice_in_one),
		WORLD(damaged_instances),
	};

	return cmocka_run_group_tests_name("export and import", tests, NULL, NULL);
}
