/* registry.c - see registry.h. */
#include "runtime/registry.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#if PAWL_WITH_PLUGINS
#include <dlfcn.h>
#endif

/* Registrations come from constructors, before main or inside dlopen: a plain list is all that is safe then. */
static struct pawl_registration *registered;
static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *loading; /* the plugin that dlopen is at */

struct registry {
	const struct config *config;
	const struct pawl_registration **items; /* by name, newest version first, orchestrations before activities */
	size_t count;
};

void pawl_register(pawl_registration *r)
{
	pthread_mutex_lock(&register_lock);
	bool known = r->next != NULL;
	for (struct pawl_registration *i = registered; i && !known; i = i->next)
		known = i == r;
	if (!known) {
		r->origin = loading ? strdup(loading) : "program";
		r->next = registered;
		registered = r;
	}
	pthread_mutex_unlock(&register_lock);
}

/* ---- versions ---- */

static int number_compare(const char **a, const char **b)
{
	char *end_a, *end_b;
	unsigned long long x = strtoull(*a, &end_a, 10), y = strtoull(*b, &end_b, 10);

	*a = end_a;
	*b = end_b;
	return x == y ? 0 : x < y ? -1 : 1;
}

/* A pre-release comes before its release, and whatever else may follow behind it: an order needs both. */
static int rank(char c)
{
	return c == '-' ? -1 : (unsigned char)c;
}

int version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		bool digits = isdigit((unsigned char)*a) && isdigit((unsigned char)*b);
		int c = digits ? number_compare(&a, &b) : rank(*a) - rank(*b);
		if (c)
			return c < 0 ? -1 : 1;
		if (!digits)
			a++, b++;
	}
	return 0;
}

/* ---- plugins ---- */

#if PAWL_WITH_PLUGINS
static void plugin_load(const char *dir, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	loading = name;
	if (!dlopen(path, RTLD_NOW | RTLD_LOCAL))
		log_error("cannot load plugin '%s': %s", path, dlerror());
	loading = NULL;
}
#else
static void plugin_load(const char *dir, const char *name)
{
	log_error("cannot load plugin '%s/%s': this build has no plugins (WITH_PLUGINS=no)", dir, name);
}
#endif

static int is_plugin(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return d->d_name[0] != '.' && dot && strcmp(dot, ".so") == 0;
}

static void plugins_load(const char *dir)
{
	struct dirent **names;
	int count = scandir(dir, &names, is_plugin, alphasort);

	if (count < 0)
		return; /* a directory that is not there has no plugins */
	for (int i = 0; i < count; i++) {
		plugin_load(dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

/* ---- the table ---- */

static int item_compare(const struct pawl_registration *a, const struct pawl_registration *b)
{
	if (!a->orchestration != !b->orchestration)
		return a->orchestration ? -1 : 1;
	int c = strcmp(a->name, b->name);
	if (c || !a->orchestration)
		return c;
	return -version_compare(a->version, b->version);
}

/* Stable, which qsort is not everywhere: what was registered first stays in front of its double. */
static void items_sort(struct registry *g)
{
	for (size_t i = 1; i < g->count; i++) {
		const struct pawl_registration *item = g->items[i];
		size_t at = i;
		for (; at > 0 && item_compare(g->items[at - 1], item) > 0; at--)
			g->items[at] = g->items[at - 1];
		g->items[at] = item;
	}
}

static bool item_good(const struct pawl_registration *r)
{
	if (r->abi != PAWL_ABI)
		log_error("'%s' of %s was built for another pawl (ABI %d, not %d): it is left out", r->name, r->origin, r->abi, PAWL_ABI);
	else if (!r->name || !text_is_type_name(slice_of(r->name)))
		log_error("%s registers '%s', which is not a valid name: it is left out", r->origin, r->name ? r->name : "");
	else if (!r->orchestration && !r->activity)
		log_error("'%s' of %s has no function: it is left out", r->name, r->origin);
	else if (r->orchestration && (!r->version || !text_is_version(slice_of(r->version))))
		log_error("orchestration '%s' of %s has no valid version: it is left out", r->name, r->origin);
	else
		return true;
	return false;
}

static void drop_doubles(struct registry *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->count; i++) {
		if (kept && item_compare(g->items[kept - 1], g->items[i]) == 0)
			log_error("'%s' of %s is registered already by %s: it is left out", g->items[i]->name, g->items[i]->origin, g->items[kept - 1]->origin);
		else
			g->items[kept++] = g->items[i];
	}
	g->count = kept;
}

static const struct pawl_registration *find(const struct registry *g, const char *name, const char *version, bool orchestration);

int registry_new(struct registry **out, const struct config *config, struct pawl_error *err)
{
	struct registry *g = calloc(1, sizeof(*g));
	size_t count = 0;

	if (!g)
		return err_nomem(err);
	g->config = config;
	for (const char *const *dir = config->plugins; dir && *dir; dir++)
		plugins_load(*dir);
	pthread_mutex_lock(&register_lock);
	for (const struct pawl_registration *r = registered; r; r = r->next)
		count++;
	g->items = calloc(count + 1, sizeof(*g->items));
	for (const struct pawl_registration *r = registered; r && g->items; r = r->next)
		if (item_good(r))
			g->items[g->count++] = r;
	pthread_mutex_unlock(&register_lock);
	if (!g->items) {
		free(g);
		return err_nomem(err);
	}
	for (size_t i = 0; i < g->count / 2; i++) { /* the list is newest first */
		const struct pawl_registration *swap = g->items[i];
		g->items[i] = g->items[g->count - 1 - i];
		g->items[g->count - 1 - i] = swap;
	}
	items_sort(g);
	drop_doubles(g);
	for (size_t i = 0; i < config->activity_count; i++)
		if (config->activities[i].exec && find(g, config->activities[i].name, NULL, false))
			log_warning("the program of activity '%s' of %s is not used: a function has that name", config->activities[i].name, config->activities[i].origin);
	*out = g;
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	free(r->items);
	free(r);
}

/* ---- looking up ---- */

static const struct pawl_registration *find(const struct registry *g, const char *name, const char *version, bool orchestration)
{
	size_t low = 0, high = g->count;

	while (low < high) { /* the first of that name: the newest version */
		size_t mid = low + (high - low) / 2;
		const struct pawl_registration *r = g->items[mid];
		bool before = !r->orchestration == !orchestration ? strcmp(r->name, name) < 0 : r->orchestration != NULL;
		if (before)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < g->count; low++) {
		const struct pawl_registration *r = g->items[low];
		if (!r->orchestration != !orchestration || strcmp(r->name, name) != 0)
			return NULL;
		if (!version || !*version || strcmp(r->version, version) == 0)
			return r;
	}
	return NULL;
}

const struct pawl_registration *registry_orchestration(const struct registry *r, const char *name, const char *version)
{
	return find(r, name, version, true);
}

static bool executable_find(const struct config *config, const char *name, char *path, size_t size)
{
	for (const char *const *dir = config->activities_dirs; dir && *dir; dir++) {
		struct stat st;
		snprintf(path, size, "%s/%s", *dir, name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

bool registry_activity(const struct registry *r, const char *name, struct activity *out)
{
	const struct pawl_registration *f = find(r, name, NULL, false);

	*out = (struct activity){ .kind = f ? ACTIVITY_FUNCTION : ACTIVITY_PROGRAM, .config = config_find_activity(r->config, name) };
	if (f) {
		out->fn = f->activity;
		return true;
	}
	return (out->config && out->config->exec) || (text_is_type_name(slice_of(name)) && executable_find(r->config, name, out->path, sizeof(out->path)));
}

/* ---- listing ---- */

static int each_registered(const struct registry *r, bool orchestration, int (*each)(void *arg, const struct registry_item *item), void *arg)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		const struct pawl_registration *g = r->items[i];
		struct registry_item item = { !orchestration ? "activity" : g->entity ? "entity" : "orchestration", g->name, g->version, g->origin };
		if (!g->orchestration == !orchestration)
			rc = each(arg, &item);
	}
	return rc;
}

static int each_executable(const char *dir, int (*each)(void *arg, const struct registry_item *item), void *arg)
{
	struct dirent **names;
	int rc = 0, count = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char path[1024];
		struct stat st;
		struct registry_item item = { "activity", names[i]->d_name, NULL, path };
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (rc == 0 && text_is_type_name(slice_of(item.name)) && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
			rc = each(arg, &item);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	return rc;
}

int registry_each(const struct registry *r, int (*each)(void *arg, const struct registry_item *item), void *arg)
{
	int rc = each_registered(r, true, each, arg);

	if (rc == 0)
		rc = each_registered(r, false, each, arg);
	for (size_t i = 0; rc == 0 && i < r->config->activity_count; i++) {
		const struct config_activity *a = &r->config->activities[i];
		struct registry_item item = { "activity", a->name, NULL, a->origin };
		rc = each(arg, &item);
	}
	for (const char *const *dir = r->config->activities_dirs; rc == 0 && dir && *dir; dir++)
		rc = each_executable(*dir, each, arg);
	return rc;
}
