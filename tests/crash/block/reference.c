/* reference.c - saving histories, and finding lines in them. */
#include "reference.h"
#include "util.h"
#include "base/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- saving ---- */

static void save_file(const char *dir, const char *id, uint64_t execution, const char *text, size_t len)
{
	char path[4400];

	snprintf(path, sizeof(path), "%.4000s/%s.%" PRIu64, dir, id, execution);
	FILE *f = fopen(path, "we");
	if (!f || fwrite(text, 1, len, f) != len || fclose(f) != 0)
		die_sys("cannot write '%s'", path);
}

void reference_save(struct pawl_provider *p, const char *id, const char *dir)
{
	struct pawl_error err = { 0 };
	uint64_t newest = 0, which;

	for (uint64_t execution = 0; execution == 0 || execution <= newest; execution++) {
		char *text;
		size_t len;
		int rc = p->ops->read(p, id, execution, &text, &len, &which, &err);
		if (rc < 0)
			die("cannot read '%s': %s", id, err.text);
		if (execution == 0 && len > 0) /* else it has not begun */
			newest = which;
		save_file(dir, id, which, text, len);
		free(text);
	}
}

struct saving {
	struct pawl_provider *p;
	const char *dir;
};

static int save_one(void *arg, const char *id)
{
	const struct saving *s = arg;

	reference_save(s->p, id, s->dir);
	return 0;
}

void reference_save_all(struct pawl_provider *p, const char *dir)
{
	struct saving s = { p, dir };
	struct pawl_error err = { 0 };

	if (p->ops->scan(p, false, save_one, &s, &err) < 0 || p->ops->scan(p, true, save_one, &s, &err) < 0)
		die("cannot list the hub: %s", err.text);
}

/* ---- loading ---- */

static void find_lines(struct reference *r, const char *name)
{
	struct pawl_error err = { 0 };
	size_t lines = 0;

	history_init(&r->history);
	if (history_parse(&r->history, (struct slice){ r->text, r->len }, &err) < 0 || r->history.torn_bytes)
		die("the history '%s' is not whole at the end of the run: %s", name, err.text);
	r->ends = calloc(r->history.count + 1, sizeof(*r->ends));
	for (size_t i = 0; r->ends && i < r->len; i++)
		if (r->text[i] == '\n' && lines < r->history.count)
			r->ends[lines++] = i + 1;
	if (!r->ends || lines != r->history.count)
		die("the history '%s' has %zu lines and %zu events", name, lines, r->history.count);
}

static struct reference *read_one(const char *dir, const char *name)
{
	struct reference *r = calloc(1, sizeof(*r));
	char path[4400];
	struct stat st;

	snprintf(path, sizeof(path), "%.4000s/%s", dir, name);
	FILE *f = fopen(path, "re");
	if (!r || !f || fstat(fileno(f), &st) < 0 || !(r->text = malloc((size_t)st.st_size + 1)))
		die_sys("cannot read '%s'", path);
	r->len = fread(r->text, 1, (size_t)st.st_size, f);
	r->text[r->len] = '\0';
	fclose(f);
	find_lines(r, name);
	return r;
}

void reference_load(struct map *all, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	map_init(all);
	if (!d)
		die_sys("cannot open '%s'", dir);
	while ((e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		if (!dot || dot == e->d_name || !dot[1])
			continue;
		struct slice id = { e->d_name, (size_t)(dot - e->d_name) };
		struct reference *r = read_one(dir, e->d_name), *first = map_get(all, id), **at = &first;
		r->execution = strtoull(dot + 1, NULL, 10);
		while (*at && (*at)->execution < r->execution)
			at = &(*at)->next;
		r->next = *at;
		*at = r;
		if (map_put(all, id, first, NULL) < 0)
			die("no memory");
	}
	closedir(d);
}

/* ---- finding ---- */

struct reference *reference_find(const struct map *all, const char *id, uint64_t execution)
{
	struct reference *r = map_get(all, slice_of(id));

	while (r && r->execution != execution)
		r = r->next;
	return r;
}

size_t reference_line(const struct reference *r, uint64_t seq)
{
	return seq >= 1 && seq <= r->history.count ? r->ends[seq - 1] : 0;
}

uint32_t event_payload_crc(const struct event *e)
{
	return e->data_file.len ? e->data_crc : crc32c(0, e->data.data, e->data.len);
}

size_t reference_payload(const struct reference *r, enum event_type type, uint32_t crc, const struct event **out)
{
	for (size_t i = 0; i < r->history.count; i++)
		if (r->history.events[i].type == type && event_payload_crc(&r->history.events[i]) == crc) {
			if (out)
				*out = &r->history.events[i];
			return r->ends[i];
		}
	return 0;
}
