/* mount.c - how the hub's file system is mounted: the line of /proc/self/mountinfo that our descriptor's mnt_id names. */
#include "doctor/doctor.h"
#include "base/text.h"
#include <stdlib.h>

static bool own_mount_id(const struct doctor *d, char *id, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", d->dir);
	char *text = doctor_read_text(d, path);
	bool found = text && doctor_field(text, "mnt_id", id, size);
	free(text);
	return found;
}

/* The next word of a line; its end is where the line's or the word's is. */
static struct slice next_word(const char **at)
{
	struct slice word;

	*at += strspn(*at, " ");
	word = slice_make(*at, strcspn(*at, " \n"));
	*at += word.len;
	return word;
}

static void set_word(char *out, size_t size, struct slice word)
{
	snprintf(out, size, "%.*s", SLICE_FMT(word));
}

/* ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS (proc(5)) */
static void parse_line(const char *line, struct doctor_mount *m)
{
	const char *at = line;

	(void)next_word(&at);
	(void)next_word(&at);
	set_word(m->device, sizeof(m->device), next_word(&at));
	(void)next_word(&at);
	(void)next_word(&at);
	struct slice options = next_word(&at), word;
	do
		word = next_word(&at);
	while (word.len && !slice_is(word, "-"));
	set_word(m->type, sizeof(m->type), next_word(&at));
	set_word(m->source, sizeof(m->source), next_word(&at));
	word = next_word(&at);
	snprintf(m->options, sizeof(m->options), "%.*s,%.*s", SLICE_FMT(options), SLICE_FMT(word));
	m->known = m->type[0] != '\0';
}

void mount_find(const struct doctor *d, struct doctor_mount *m)
{
	char id[24];
	char *text = doctor_read_text(d, "/proc/self/mountinfo");

	*m = (struct doctor_mount){ .known = false };
	if (text && own_mount_id(d, id, sizeof(id))) {
		size_t len = strlen(id);
		for (const char *line = text; line && *line && !m->known; line = strchr(line, '\n')) {
			line += *line == '\n';
			if (strncmp(line, id, len) == 0 && line[len] == ' ')
				parse_line(line, m);
		}
	}
	free(text);
}

bool mount_has(const struct doctor_mount *m, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);

	for (const char *at = m->options; *at; at += *at == ',') {
		size_t n = strcspn(at, ",");
		if (n >= len && strncmp(at, name, len) == 0 && (n == len || name[len - 1] == '=')) {
			if (value)
				snprintf(value, size, "%.*s", (int)(n - len), at + len);
			return true;
		}
		at += n;
	}
	return false;
}
