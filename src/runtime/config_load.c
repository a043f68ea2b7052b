/* config_load.c - from files to struct config: which files, in which order, and a walk through each with the table. */
#include "config_table.h"
#include "yread.h"
#include "base/error.h"
#include "base/map.h"
#include "base/parts.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if PAWL_WITH_YAML

#define LEVELS_MAX 5 /* keys inside each other: activities, a name, retry, first; and one for a name in env */
#define NAME_SIZE  130

struct loader {
	struct config *cfg;
	struct yread *in;
	struct pawl_error *err;
	const char *file;
	struct map seen; /* full path of each key of this file -> its line */
	struct config_activity *activity;
	char path[LEVELS_MAX][NAME_SIZE];
	size_t depth;
};

enum fit { FIT_NONE, FIT_SECTION, FIT_KEY };

/* ---- names ---- */

/* Does the dotted path of a key begin with (or equal) the first count names of where we are? */
static enum fit fits(const struct loader *l, const char *pattern, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strcspn(pattern, ".");

		if (len == 0 || (pattern[0] != '*' && !slice_eq(slice_make(pattern, len), slice_of(l->path[i]))))
			return FIT_NONE;
		pattern += len;
		if (*pattern == '.')
			pattern++;
		else if (i + 1 < count)
			return FIT_NONE;
	}
	return *pattern ? FIT_SECTION : FIT_KEY;
}

static const struct config_key *find_key(const struct loader *l, enum fit *fit)
{
	for (size_t i = 0; i < config_key_count; i++) {
		*fit = fits(l, config_keys[i].path, l->depth);
		if (*fit != FIT_NONE)
			return &config_keys[i];
	}
	return NULL;
}

static void add_path(struct buf *out, const struct loader *l, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_addf(out, "%s%s", i ? "." : "", l->path[i]);
}

/* How many letters must be put, taken or changed; only names shorter than 32 are compared. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[32];

	if (a_len >= 32 || b_len >= 32)
		return 99;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[b_len];
}

/* The names that may stand here, each once, and the one among them that is nearest to what was written. */
static struct slice add_siblings(struct buf *out, const struct loader *l)
{
	struct slice last = SLICE_NONE, nearest = SLICE_NONE;
	const char *name = l->path[l->depth - 1];
	size_t least = 3;

	for (size_t i = 0; i < config_key_count; i++) {
		const char *at = config_keys[i].path;
		size_t distance;

		if (fits(l, at, l->depth - 1) != FIT_SECTION)
			continue;
		for (size_t skip = l->depth - 1; skip > 0; skip--)
			at += strcspn(at, ".") + 1;
		struct slice sibling = { at, strcspn(at, ".") };
		if (slice_eq(sibling, last))
			continue;
		buf_addf(out, "%s%.*s", last.data ? ", " : "", SLICE_FMT(sibling));
		last = sibling;
		distance = edit_distance(name, strlen(name), sibling.data, sibling.len);
		if (distance < least) {
			least = distance;
			nearest = sibling;
		}
	}
	return nearest;
}

static const struct {
	const char *path, *part;
} left_out[] = {
	UNLESS_PART(PRESSURE, { "pressure", "PRESSURE" }, { "activities.*.pressure", "PRESSURE" },)
	UNLESS_PART(WORKERS, { "activities.*.run_by", "WORKERS" },)
	UNLESS_PART(ISOLATION, { "activities.*.user", "ISOLATION" }, { "activities.*.group", "ISOLATION" }, { "activities.*.nice", "ISOLATION" },
		{ "activities.*.ionice", "ISOLATION" }, { "activities.*.rlimits", "ISOLATION" }, { "activities.*.no_new_privileges", "ISOLATION" },
		{ "activities.*.cgroup", "ISOLATION" }, { "activities.*.cgroup_memory_max", "ISOLATION" }, { "activities.*.cgroup_cpu_max", "ISOLATION" },)
	{ NULL, NULL },
};

/* The part of pawl that a key belongs to, when this build has not got it. */
static const char *part_left_out(const struct loader *l)
{
	size_t i = 0;

	while (left_out[i].path && fits(l, left_out[i].path, l->depth) != FIT_KEY)
		i++;
	return left_out[i].part;
}

static int unknown_key(struct loader *l, const struct yread_token *at)
{
	struct buf path = BUF_INIT, known = BUF_INIT;
	struct slice nearest = add_siblings(&known, l);
	const char *part = part_left_out(l);
	int ret;

	add_path(&path, l, l->depth);
	if (part)
		ret = yread_fail(l->in, at, l->err, PAWL_EUNSUPPORTED, "'%s': this pawl was built without it (WITH_%s=no): use one that was built with it",
		                 buf_str(&path), part);
	else
		ret = yread_fail(l->in, at, l->err, PAWL_EINVALID, "unknown key '%s'%s%.*s%s; known here: %s", buf_str(&path),
		                 nearest.data ? ", did you mean '" : "", SLICE_FMT(nearest), nearest.data ? "'?" : "", buf_str(&known));
	buf_release(&path);
	buf_release(&known);
	return ret;
}

/* "FILE:LINE:COLUMN: PATH: <what the error says>". */
static int value_error(const struct loader *l, const struct yread_token *at)
{
	struct buf path = BUF_INIT;
	int ret;

	add_path(&path, l, l->depth);
	ret = err_wrap(l->err, "%s:%u:%u: '%s'", l->file, at->line, at->column, buf_str(&path));
	buf_release(&path);
	return ret;
}

/* ---- the walk ---- */

static int push_key(struct loader *l, const struct yread_token *token)
{
	struct buf path = BUF_INIT;
	void *before = NULL;
	int ret;

	if (token->kind != YREAD_SCALAR)
		return yread_fail(l->in, token, l->err, PAWL_EINVALID, "a key must be a name, not a mapping or list");
	if (token->text.len >= NAME_SIZE || l->depth == LEVELS_MAX)
		return yread_fail(l->in, token, l->err, PAWL_EINVALID, "key '%.32s...' is too long", token->text.data);
	memcpy(l->path[l->depth++], token->text.data, token->text.len + 1);
	for (size_t i = 0; i < l->depth; i++)
		buf_addf(&path, "%s\n", l->path[i]);
	ret = PAWL_ENOMEM;
	if (buf_ok(&path))
		ret = map_put(&l->seen, buf_slice(&path), (void *)(uintptr_t)token->line, &before);
	buf_release(&path);
	if (ret)
		return err_nomem(l->err);
	if (before)
		return yread_fail(l->in, token, l->err, PAWL_EINVALID, "key '%s' is in line %u already",
		                  l->path[l->depth - 1], (unsigned)(uintptr_t)before);
	return 0;
}

static int enter_activity(struct loader *l, const struct yread_token *at)
{
	struct config *cfg = l->cfg;
	struct config_activity *more, *activity;
	const char *name = l->path[1];

	if (!text_is_type_name(slice_of(name)))
		return yread_fail(l->in, at, l->err, PAWL_EINVALID,
		                  "'%s' is not a name for an activity: letters, digits and _:./- only, "
		                  "a letter or digit first",
		                  name);
	for (size_t i = 0; i < cfg->activity_count; i++) {
		l->activity = &cfg->activities[i];
		if (strcmp(l->activity->name, name) == 0)
			return 0;
	}
	if (cfg->activity_count == CONFIG_ACTIVITIES_MAX)
		return yread_fail(l->in, at, l->err, PAWL_ETOOBIG, "more than %d activities", CONFIG_ACTIVITIES_MAX);
	more = realloc(cfg->activities, (cfg->activity_count + 1) * sizeof(*more));
	if (!more)
		return err_nomem(l->err);
	cfg->activities = more;
	activity = l->activity = &more[cfg->activity_count++];
	*activity = (struct config_activity){ .timeout_ms = -1, .grace_ms = -1, .heartbeat_ms = -1 };
	activity->name = arena_strdup(&cfg->arena, name);
	activity->origin = arena_printf(&cfg->arena, "%s:%u:%u", l->file, at->line, at->column);
	if (!activity->name || !activity->origin || config_set_defaults(&cfg->arena, activity, true))
		return err_nomem(l->err);
	return 0;
}

static int expect(struct loader *l, const struct yread_token *token, enum yread_kind kind, const char *what)
{
	if (token->kind == kind)
		return 0;
	err_set(l->err, PAWL_EINVALID, "expected %s", what);
	return value_error(l, token);
}

static int read_list(struct loader *l, const struct config_key *key, const char *const **list)
{
	struct yread_token token;
	bool paths = key->type == CONFIG_IS_PATHS;
	int ret;

	*list = NULL;
	while (!(ret = yread_next(l->in, &token, l->err)) && token.kind != YREAD_LIST_END) {
		const char *text = NULL;

		ret = expect(l, &token, YREAD_SCALAR, paths ? "absolute paths" : "texts in the list");
		if (ret)
			return ret;
		ret = config_set(&l->cfg->arena,
		                 &(struct config_key){ .type = paths ? CONFIG_IS_PATH : CONFIG_IS_TEXT }, &text,
		                 token.text, token.plain, l->err);
		if (!ret)
			ret = config_list_add(&l->cfg->arena, list, text, l->err);
		if (ret)
			return value_error(l, &token);
	}
	if (!ret && !*list && !paths)
		ret = expect(l, &token, YREAD_SCALAR, "a list with at least one entry");
	else if (!ret && !*list && !(*list = arena_calloc(&l->cfg->arena, 1, sizeof(**list))))
		ret = err_nomem(l->err);
	return ret;
}

static bool is_env_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	return len > 0 && !name[len] && !(name[0] >= '0' && name[0] <= '9') && strncmp(name, "PAWL_", 5) != 0;
}

static int read_env(struct loader *l, const char *const **env)
{
	struct yread_token token;
	int ret;

	*env = NULL;
	while (!(ret = yread_next(l->in, &token, l->err)) && token.kind != YREAD_MAP_END) {
		char *text;

		ret = push_key(l, &token);
		if (ret)
			return ret;
		if (!is_env_name(l->path[l->depth - 1]))
			return yread_fail(l->in, &token, l->err, PAWL_EINVALID,
			                  "'%s' is not a name for the environment: letters, digits and _, "
			                  "no digit first, and not PAWL_...",
			                  l->path[l->depth - 1]);
		ret = yread_next(l->in, &token, l->err);
		if (!ret)
			ret = expect(l, &token, YREAD_SCALAR, "a text");
		if (ret)
			return ret;
		text = arena_printf(&l->cfg->arena, "%s=%s", l->path[l->depth - 1], token.text.data);
		ret = text ? config_list_add(&l->cfg->arena, env, text, l->err) : err_nomem(l->err);
		if (ret)
			return value_error(l, &token);
		l->depth--;
	}
	return ret;
}

static int read_map(struct loader *l);

static int read_section(struct loader *l, const struct yread_token *token)
{
	/* A section of which all is commented out. */
	if (token->kind == YREAD_SCALAR && token->plain && token->text.len == 0)
		return 0;
	if (token->kind != YREAD_MAP)
		return expect(l, token, YREAD_MAP, "a section with keys below it");
	return read_map(l);
}

static int read_value(struct loader *l, const struct config_key *key, const struct yread_token *token)
{
	void *field = config_key_is_of_activity(key) ? (char *)l->activity + key->offset : (char *)l->cfg + key->offset;

	if (token->kind == YREAD_LIST && (key->type == CONFIG_IS_LIST || key->type == CONFIG_IS_PATHS))
		return read_list(l, key, field);
	if (token->kind == YREAD_MAP && key->type == CONFIG_IS_ENV)
		return read_env(l, field);
	if (token->kind != YREAD_SCALAR)
		return expect(l, token, YREAD_SCALAR,
		              key->type == CONFIG_IS_LIST  ? "a list"
		              : key->type == CONFIG_IS_ENV ? "a mapping"
		                                           : "a single value");
	if (config_set(&l->cfg->arena, key, field, token->text, token->plain, l->err))
		return value_error(l, token);
	return 0;
}

/* After the opening of a mapping, up to its end. Calls itself for sections, which the table nests LEVELS_MAX deep. */
static int read_map(struct loader *l)
{
	struct yread_token token;
	int ret;

	while (!(ret = yread_next(l->in, &token, l->err)) && token.kind != YREAD_MAP_END) {
		const struct config_key *key;
		enum fit fit = FIT_NONE;

		ret = push_key(l, &token);
		if (ret)
			return ret;
		key = find_key(l, &fit);
		if (!key)
			return unknown_key(l, &token);
		if (l->depth == 2 && config_key_is_of_activity(key))
			ret = enter_activity(l, &token);
		if (!ret)
			ret = yread_next(l->in, &token, l->err);
		if (!ret)
			ret = fit == FIT_SECTION ? read_section(l, &token) : read_value(l, key, &token);
		if (ret)
			return ret;
		l->depth--;
	}
	return ret;
}

int config_apply(struct config *cfg, const char *file, const char *data, size_t len, struct pawl_error *err)
{
	struct pawl_error own;
	struct loader l = { .cfg = cfg, .file = file, .err = err ? err : &own };
	struct yread_token token;
	int ret = yread_open(&l.in, file, data, len, l.err);

	if (ret)
		return ret;
	map_init(&l.seen);
	ret = yread_next(l.in, &token, l.err);
	if (!ret && token.kind != YREAD_END && !(token.kind == YREAD_SCALAR && token.plain && token.text.len == 0)) {
		ret = token.kind == YREAD_MAP ? read_map(&l)
		                              : yread_fail(l.in, &token, l.err, PAWL_EINVALID,
		                                           "expected keys and values ('key: value')");
		if (!ret)
			ret = yread_next(l.in, &token, l.err); /* nothing may follow */
	}
	map_release(&l.seen);
	yread_free(l.in);
	return ret;
}

#else

int config_apply(struct config *cfg, const char *file, const char *data, size_t len, struct pawl_error *err)
{
	(void)cfg, (void)data, (void)len;
	return err_set(err, PAWL_EUNSUPPORTED,
	               "cannot read '%s': built without YAML (WITH_YAML=no); remove the file or use another build",
	               file);
}

#endif

/* ---- files ---- */

static int read_all(int fd, const char *file, struct buf *out, struct pawl_error *err)
{
	ssize_t n;

	do {
		if (!buf_reserve(out, 16384))
			return err_nomem(err);
		n = read(fd, out->data + out->len, 16384);
		if (n > 0)
			out->len += (size_t)n;
	} while ((n > 0 && out->len <= YREAD_BYTES_MAX) || (n < 0 && errno == EINTR));
	return n < 0 ? err_sys(err, errno, "cannot read '%s'", file) : 0;
}

/* Links are followed: what /etc holds is the administrator's. O_NONBLOCK, so that a fifo does not hang the start. */
static int load_file(struct config *cfg, const char *file, struct pawl_error *err)
{
	struct buf data = BUF_INIT;
	struct stat st;
	int fd, ret;

	do
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return err_sys(err, errno, "cannot open configuration '%s'", file);
	if (fstat(fd, &st))
		ret = err_sys(err, errno, "cannot look at '%s'", file);
	else if (!S_ISREG(st.st_mode))
		ret = err_set(err, PAWL_EINVALID, "configuration '%s' is not a regular file", file);
	else
		ret = read_all(fd, file, &data, err);
	close(fd);
	if (!ret)
		ret = config_apply(cfg, file, buf_str(&data), data.len, err);
	buf_release(&data);
	return ret;
}

static bool ends_in(const char *name, const char *end)
{
	size_t name_len = strlen(name), len = strlen(end);

	return name_len > len && strcmp(name + name_len - len, end) == 0;
}

static int is_wanted(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && (ends_in(entry->d_name, ".yaml") || ends_in(entry->d_name, ".yml"));
}

/* Bytes, not the locale, so that the order is the same for everybody. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_entry(struct config *cfg, const char *dir, const char *name, struct pawl_error *err)
{
	struct buf path = BUF_INIT;
	int ret;

	buf_addf(&path, "%s/%s", dir, name);
	if (!buf_ok(&path))
		ret = err_nomem(err);
	else if (!ends_in(name, ".yaml"))
		ret = err_set(err, PAWL_EINVALID, "'%s': configuration files end in .yaml, rename or remove it",
		              buf_str(&path));
	else
		ret = load_file(cfg, buf_str(&path), err);
	buf_release(&path);
	return ret;
}

/* dir/conf.d, which need not be there. *found counts files. */
static int load_conf_d(struct config *cfg, const char *dir, size_t *found, struct pawl_error *err)
{
	struct dirent **entries = NULL;
	struct buf path = BUF_INIT;
	int count, ret = 0;

	buf_addf(&path, "%s/conf.d", dir);
	count = buf_ok(&path) ? scandir(buf_str(&path), &entries, is_wanted, by_bytes) : 0;
	if (count < 0 && errno != ENOENT)
		ret = err_sys(err, errno, "cannot list '%s'", buf_str(&path));
	if (count > CONFIG_FILES_MAX)
		ret = err_set(err, PAWL_ETOOBIG, "'%s' has more than %d files", buf_str(&path), CONFIG_FILES_MAX);
	for (int i = 0; i < count; i++) {
		if (!ret)
			ret = load_entry(cfg, buf_str(&path), entries[i]->d_name, err);
		free(entries[i]);
		++*found;
	}
	free(entries);
	if (!ret && !buf_ok(&path))
		ret = err_nomem(err);
	buf_release(&path);
	return ret;
}

static int load_dir(struct config *cfg, const char *dir, bool must, struct pawl_error *err)
{
	struct buf file = BUF_INIT;
	struct stat st;
	size_t found = 0;
	int ret = 0;

	buf_addf(&file, "%s/pawl.yaml", dir);
	if (!buf_ok(&file)) {
		ret = err_nomem(err);
	} else if (lstat(buf_str(&file), &st) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
		found++;
		ret = load_file(cfg, buf_str(&file), err);
	}
	buf_release(&file);
	if (!ret)
		ret = load_conf_d(cfg, dir, &found, err);
	if (!ret && must && !found)
		ret = err_set(err, PAWL_ENOTFOUND, "no configuration in '%s': neither pawl.yaml nor conf.d/*.yaml",
		              dir);
	return ret;
}

static int load_path(struct config *cfg, const char *path, struct pawl_error *err)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	size_t found = 0;
	const char *dir;
	int ret;

	if (stat(path, &st))
		return err_sys(err, errno, "cannot open configuration '%s'", path);
	if (S_ISDIR(st.st_mode))
		return load_dir(cfg, path, true, err);
	ret = load_file(cfg, path, err);
	if (ret)
		return ret;
	dir = slash ? arena_copy(&cfg->arena, slice_make(path, (size_t)(slash - path))).data : ".";
	return dir ? load_conf_d(cfg, dir, &found, err) : err_nomem(err);
}

int config_load(struct config *cfg, const char *path, struct pawl_error *err)
{
	struct config fresh;
	int ret = config_init(&fresh);

	if (ret)
		err_nomem(err);
	else if (!path)
		ret = load_dir(&fresh, CONFIG_DIR_DEFAULT, false, err);
	else if (path[0])
		ret = load_path(&fresh, path, err);
	if (!ret)
		ret = config_finish(&fresh, err);
	if (ret) {
		config_release(&fresh);
		return ret;
	}
	config_release(cfg);
	*cfg = fresh;
	return 0;
}
