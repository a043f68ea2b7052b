/*
 * view_type.c - name and version of an orchestration, kept once for all views: a hub has many instances and few types. They
 * stay until the process ends; beyond a number that no device has, a view has its own.
 */
#include "view.h"
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TYPES_MAX 256

struct type {
	struct type *next;
	size_t name_len, version_len;
	char text[]; /* name, NUL, version, NUL */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct type *types;
static unsigned type_count;

static struct type *type_new(struct slice name, struct slice version)
{
	struct type *t = malloc(sizeof(*t) + name.len + 1 + version.len + 1);

	if (!t)
		return NULL;
	t->name_len = name.len;
	t->version_len = version.len;
	memcpy(t->text, name.data, name.len);
	t->text[name.len] = '\0';
	if (version.len)
		memcpy(t->text + name.len + 1, version.data, version.len);
	t->text[name.len + 1 + version.len] = '\0';
	return t;
}

static struct type *find(struct slice name, struct slice version)
{
	struct type *t = types;

	while (t && !(slice_eq(slice_make(t->text, t->name_len), name) &&
	              slice_eq(slice_make(t->text + t->name_len + 1, t->version_len), version)))
		t = t->next;
	return t;
}

static struct type *find_or_keep(struct slice name, struct slice version, bool *own)
{
	struct type *t = find(name, version);

	*own = false;
	if (t)
		return t;
	t = type_new(name, version);
	*own = type_count >= TYPES_MAX;
	if (t && !*own) {
		t->next = types;
		types = t;
		type_count++;
	}
	return t;
}

int view_set_type(struct view *v, struct slice name, struct slice version)
{
	bool own;

	pthread_mutex_lock(&lock);
	const struct type *t = find_or_keep(name, version, &own);
	pthread_mutex_unlock(&lock);
	if (!t)
		return PAWL_ENOMEM;
	v->own_type = own;
	v->type = t->text;
	v->version = t->text + t->name_len + 1;
	return 0;
}

void view_drop_type(struct view *v)
{
	if (v->own_type)
		free((char *)(uintptr_t)v->type - offsetof(struct type, text));
}
