/* doctor.c - see doctor.h: findings, and what all probes share. */
#include "doctor/doctor.h"
#include "base/json.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>

#define KERNEL_TEXT_MAX (256u << 10)

const char *doctor_verdict_name(enum doctor_verdict verdict)
{
	static const char *const names[] = { "ok", "note", "warning", "problem" };

	return names[verdict];
}

const char *doctor_group_name(enum doctor_group group)
{
	static const char *const names[] = { "storage", "files", "kernel", "clocks", "hub" };

	return names[group];
}

/* ---- findings ---- */

static void set_text(char *out, const char *fmt, va_list args)
{
	if (vsnprintf(out, DOCTOR_TEXT_SIZE, fmt, args) >= DOCTOR_TEXT_SIZE)
		text_mark_cut(out, DOCTOR_TEXT_SIZE);
}

struct doctor_finding *doctor_add(struct doctor *d, enum doctor_group group, const char *check,
	enum doctor_verdict verdict,
	const char *fmt, ...)
{
	/* There are fewer checks than places; if not, the last one is overwritten and no memory is. */
	size_t n = d->count < DOCTOR_FINDINGS_MAX ? d->count++ : DOCTOR_FINDINGS_MAX - 1;
	struct doctor_finding *f = &d->findings[n];
	va_list args;

	buf_release(&f->numbers);
	*f = (struct doctor_finding){ .check = check, .group = group, .verdict = verdict, .numbers = BUF_INIT };
	va_start(args, fmt);
	set_text(f->value, fmt, args);
	va_end(args);
	return f;
}

void doctor_advise(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...)
{
	va_list args;

	if (verdict <= f->verdict && f->advice[0])
		return;
	if (verdict > f->verdict)
		f->verdict = verdict;
	va_start(args, fmt);
	set_text(f->advice, fmt, args);
	va_end(args);
}

void doctor_number(struct doctor_finding *f, const char *key, uint64_t n)
{
	buf_addf(&f->numbers, ",\"%s\":%llu", key, (unsigned long long)n);
}

enum doctor_verdict doctor_worst(const struct doctor *d)
{
	enum doctor_verdict worst = DOCTOR_OK;

	for (size_t i = 0; i < d->count; i++)
		if (d->findings[i].verdict > worst)
			worst = d->findings[i].verdict;
	return worst;
}

bool doctor_found_damage(const struct doctor *d)
{
	bool found = false;

	for (size_t i = 0; i < d->count; i++)
		found |= d->findings[i].is_damage;
	return found;
}

/* ---- reading what the kernel tells ---- */

void doctor_read_line(const struct doctor *d, const char *path, char *out, size_t size)
{
	if (d->os->read_kernel(d->os->self, path, out, size) < 0)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	for (size_t n = strlen(out); n > 0 && out[n - 1] == ' ';)
		out[--n] = '\0';
}

bool doctor_read_number(const struct doctor *d, const char *path, uint64_t *n)
{
	char text[32];

	doctor_read_line(d, path, text, sizeof(text));
	return text_parse_u64(slice_of(text), n) == 0;
}

char *doctor_read_text(const struct doctor *d, const char *path)
{
	char *text = malloc(KERNEL_TEXT_MAX);

	if (text && d->os->read_kernel(d->os->self, path, text, KERNEL_TEXT_MAX) < 0) {
		free(text);
		text = NULL;
	}
	return text;
}

const char *doctor_read_process(const struct doctor *d, const char *name, char **text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)d->runtime, name);
	*text = d->runtime ? doctor_read_text(d, path) : NULL;
	if (*text)
		return "the runtime";
	snprintf(path, sizeof(path), "/proc/self/%s", name);
	*text = doctor_read_text(d, path);
	return "this process";
}

bool doctor_field(const char *text, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " \t");
		snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
		return true;
	}
	return false;
}

/* ---- the whole ---- */

/* The directory itself, or the nearest above it that is there: the hub would be made on the same file system. */
static void open_dir(struct doctor *d)
{
	const struct os *os = d->os;

	snprintf(d->dir_path, sizeof(d->dir_path), "%s", d->path);
	d->is_hub_dir = true;
	for (;;) {
		d->dir = os->open_root(os->self, d->dir_path);
		if (d->dir != -ENOENT)
			return;
		size_t len = strlen(d->dir_path);
		while (len > 1 && d->dir_path[len - 1] == '/')
			len--;
		while (len > 0 && d->dir_path[len - 1] != '/')
			len--;
		if (len == 0 && strcmp(d->dir_path, ".") == 0)
			return;
		d->is_hub_dir = false;
		if (len == 1 && d->dir_path[1] == '\0')
			return;
		d->dir_path[len > 1 ? len - 1 : len] = '\0';
		if (len == 0)
			snprintf(d->dir_path, sizeof(d->dir_path), ".");
	}
}

static void find_runtime(struct doctor *d)
{
	char who[64] = "";

	if (d->provider && d->provider->ops->has_owner(d->provider, who, sizeof(who)) && strncmp(who, "pid ", 4) == 0)
		d->runtime = (int32_t)strtol(who + 4, NULL, 10);
}

static void look_at_dir(struct doctor *d)
{
	struct doctor_finding *f;

	open_dir(d);
	if (d->dir >= 0 && d->is_hub_dir)
		return;
	if (d->dir >= 0) {
		(void)doctor_add(d, DOCTOR_STORAGE, "directory", DOCTOR_NOTE,
			"'%s' is not there yet: '%s' is looked at", d->path, d->dir_path);
		return;
	}
	f = doctor_add(d, DOCTOR_STORAGE, "directory", DOCTOR_PROBLEM, "'%s' cannot be opened: %s", d->dir_path,
		strerror(-d->dir));
	doctor_advise(f, DOCTOR_PROBLEM, "give the user of the runtime the right to enter it, or name another with -H");
}

void doctor_run(struct doctor *d)
{
	find_runtime(d);
	look_at_dir(d);
	if (d->dir >= 0) {
		doctor_storage(d);
		doctor_flush(d);
		doctor_files(d);
	}
	doctor_clocks(d);
	doctor_hub(d);
	doctor_kernel(d);
}

void doctor_release(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++)
		buf_release(&d->findings[i].numbers);
	if (d->dir >= 0)
		d->os->close(d->os->self, d->dir);
	d->dir = -1;
	d->count = 0;
}
