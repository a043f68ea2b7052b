/* history_file.c - see history_file.h. */
#include "cli/history_file.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SUFFIX ".history"
#define PATH_SIZE 1024

bool history_file_is(const char *arg)
{
	return !text_is_instance_id(slice_of(arg)) && strpbrk(arg, "/.");
}

/* ---- whose it is ---- */

static struct slice last_part(struct slice path)
{
	size_t at = path.len;

	while (at > 0 && path.data[at - 1] != '/')
		at--;
	return slice_make(path.data + at, path.len - at);
}

static struct slice without_last_part(struct slice path)
{
	path.len -= last_part(path).len;
	while (path.len > 0 && path.data[path.len - 1] == '/')
		path.len--;
	return path;
}

static void take_id(struct cli_instance *i, struct slice id)
{
	if (text_is_instance_id(id))
		snprintf(i->id, sizeof(i->id), "%.*s", SLICE_FMT(id));
}

/* "N" in the directory of its instance. */
static void take_directory(struct cli_instance *i, struct slice dir)
{
	char here[PATH_SIZE];

	if (dir.len == 0 && getcwd(here, sizeof(here)))
		dir = slice_of(here);
	take_id(i, last_part(dir));
}

static void take_name(struct cli_instance *i, const char *path)
{
	struct slice stem = last_part(slice_of(path)), dir = without_last_part(slice_of(path));
	size_t suffix = sizeof(SUFFIX) - 1, dot;
	uint64_t number;

	if (stem.len > suffix && memcmp(stem.data + stem.len - suffix, SUFFIX, suffix) == 0)
		stem.len -= suffix;
	for (dot = stem.len; dot > 0 && stem.data[dot - 1] != '.'; dot--)
		;
	bool numbered = text_parse_u64(slice_make(stem.data + dot, stem.len - dot), &number) == 0 && number > 0;
	i->execution = numbered ? number : 1;
	if (numbered && dot == 0)
		take_directory(i, dir);
	else
		take_id(i, numbered ? slice_make(stem.data, dot - 1) : stem);
	if (!i->id[0])
		snprintf(i->id, sizeof(i->id), "unknown");
}

/* ---- reading ---- */

static int read_text(struct cli *c, const char *path, struct cli_instance *i)
{
	struct buf text = BUF_INIT;
	char part[16384];
	size_t n;
	FILE *f = fopen(path, "rb");

	if (!f)
		return err_sys(&c->err, errno, "cannot open history file '%s'", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&text, part, n);
	int rc = ferror(f) ? err_sys(&c->err, errno, "cannot read history file '%s'", path) : 0;
	fclose(f);
	buf_addc(&text, '\0'); /* an empty one is there, too */
	i->text = buf_detach(&text, &i->len);
	buf_release(&text);
	if (rc == 0 && !i->text)
		rc = err_nomem(&c->err);
	i->len -= i->text ? 1 : 0;
	return rc;
}

int history_file_read(struct cli *c, const char *path, const char *id, struct cli_instance *i)
{
	*i = (struct cli_instance){ .execution = 0 };
	history_init(&i->history);
	view_init(&i->view);
	take_name(i, path);
	if (id)
		snprintf(i->id, sizeof(i->id), "%s", id);
	int rc = read_text(c, path, i);
	return rc < 0 ? rc : instance_fold(c, i);
}

int history_file_spill(const struct os *os, const char *path, const char *name, char **out, size_t *len,
                       struct pawl_error *err)
{
	struct slice dir = without_last_part(slice_of(path));
	char file[PATH_SIZE];

	if (!text_is_version(slice_of(name)) || name[0] == '.')
		return err_set(err, PAWL_EINVALID, "payload file name '%.80s' is not valid", name);
	int n = snprintf(file, sizeof(file), "%.*s%s%s", SLICE_FMT(dir), path[0] == '/' || dir.len ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof(file))
		return err_set(err, PAWL_ETOOBIG, "the path of history file '%.80s...' is too long", path);
	int rc = os_read_file(os, OS_CWD, file, PAWL_PAYLOAD_BYTES_MAX, out, len);
	return rc < 0 ? err_sys(err, -rc, "cannot read payload file '%s'", file) : 0;
}
