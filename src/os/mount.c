/* mount.c - see mount.h. */
#include "os/mount.h"
#include "base/slice.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (256u << 10)
#define LAYER_SIZE 512

static bool own_mount_id(const struct os *os, int dir, char *id, size_t size)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", dir);
	if (os->read_kernel(os->self, path, text, sizeof(text)) < 0)
		return false;
	const char *at = strstr(text, "mnt_id:");
	if (!at)
		return false;
	at += strlen("mnt_id:");
	at += strspn(at, " \t");
	snprintf(id, size, "%.*s", (int)strcspn(at, "\n"), at);
	return true;
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
static void parse_line(const char *line, struct os_mount *m)
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

void os_mount_find(const struct os *os, int dir, struct os_mount *m)
{
	char id[24], *text = malloc(TEXT_MAX);

	*m = (struct os_mount){ .known = false };
	if (text && os->read_kernel(os->self, "/proc/self/mountinfo", text, TEXT_MAX) >= 0 && own_mount_id(os, dir, id, sizeof(id))) {
		size_t len = strlen(id);
		for (const char *line = text; line && *line && !m->known; line = strchr(line, '\n')) {
			line += *line == '\n';
			if (strncmp(line, id, len) == 0 && line[len] == ' ')
				parse_line(line, m);
		}
	}
	free(text);
}

bool os_mount_has(const struct os_mount *m, const char *name, char *value, size_t size)
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

static bool is_memory_device(const char *source)
{
	return strncmp(source, "/dev/zram", 9) == 0 || strncmp(source, "/dev/ram", 8) == 0;
}

/* "\040" is a space (proc(5)). */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		bool octal = in[0] == '\\' && strspn(in + 1, "01234567") >= 3;
		*out = *in;
		if (octal)
			*out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
		in += octal ? 4 : 1;
	}
	*out = '\0';
}

/* What is written lies in the upper layer. Its path is that of who mounted it; in a container it leads nowhere. */
static enum os_lasting upper_lasts(const struct os *os, const struct os_mount *m, char *why, size_t size)
{
	char upper[LAYER_SIZE];
	struct os_fs_info info;
	struct os_mount *below = malloc(sizeof(*below));
	enum os_lasting lasts = OS_LASTS_PERHAPS;

	snprintf(why, size, "an overlay, and what its upper layer is on cannot be told");
	int fd = below && os_mount_has(m, "upperdir=", upper, sizeof(upper)) ? (unescape(upper), os->open_root(os->self, upper)) : -1;
	if (fd >= 0 && os->fs_info(os->self, fd, &info) >= 0) {
		os_mount_find(os, fd, below);
		bool forgets = info.kind == OS_FS_TMPFS || (below->known && is_memory_device(below->source));
		lasts = forgets ? OS_VOLATILE : info.kind == OS_FS_OVERLAY ? OS_LASTS_PERHAPS : OS_LASTS;
		if (lasts != OS_LASTS_PERHAPS)
			snprintf(why, size, "an overlay over %s ('%.200s')", forgets && info.kind != OS_FS_TMPFS ? below->source : info.name, upper);
	}
	if (fd >= 0)
		os->close(os->self, fd);
	free(below);
	return lasts;
}

enum os_lasting os_mount_lasts(const struct os *os, int dir, const struct os_mount *m, char *why, size_t size)
{
	struct os_fs_info info;

	snprintf(why, size, "%s", m->type);
	if (os->fs_info(os->self, dir, &info) < 0)
		return OS_LASTS_PERHAPS;
	snprintf(why, size, "%s", info.name);
	if (info.kind == OS_FS_TMPFS)
		return OS_VOLATILE;
	if (info.kind == OS_FS_OVERLAY)
		return upper_lasts(os, m, why, size);
	if (m->known && is_memory_device(m->source)) {
		snprintf(why, size, "memory ('%s')", m->source);
		return OS_VOLATILE;
	}
	return OS_LASTS;
}
