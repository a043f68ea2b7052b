/* config_table.h - the keys of the configuration, for config.c (table, defaults, printing) and config_load.c (files). */
#ifndef RUNTIME_CONFIG_TABLE_H
#define RUNTIME_CONFIG_TABLE_H

#include "config.h"

enum config_type {
	CONFIG_IS_TEXT,     /* const char * */
	CONFIG_IS_PATH,     /* const char *, absolute */
	CONFIG_IS_LIST,     /* const char *const * */
	CONFIG_IS_PATHS,    /* const char *const *, absolute; one alone needs no list */
	CONFIG_IS_ENV,      /* const char *const *, from a mapping */
	CONFIG_IS_BOOL,     /* bool */
	CONFIG_IS_COUNT,    /* uint32_t */
	CONFIG_IS_INTEGER,  /* int64_t */
	CONFIG_IS_SIZE,     /* uint64_t */
	CONFIG_IS_DURATION, /* int64_t */
	CONFIG_IS_NUMBER,   /* double */
	CONFIG_IS_CHOICE,   /* int: min + place in choices */
};

struct config_key {
	const char *path; /* dotted; "*" stands for any name of an activity: then offset is into struct config_activity */
	enum config_type type;
	size_t offset;
	const char *def;  /* as it would be written; NULL = not set */
	int64_t min, max;
	const char *choices; /* "a|b|c" */
	const char *doc;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

bool config_key_is_of_activity(const struct config_key *key);

/* Sets a field that is made of one scalar. PAWL_EINVALID with a text that says what was expected; PAWL_ENOMEM. */
int config_set(struct arena *arena, const struct config_key *key, void *field, struct slice text, bool plain,
	       struct pawl_error *err);
/* Appends to a NULL-terminated list in the arena. PAWL_ETOOBIG over CONFIG_LIST_MAX, PAWL_ENOMEM. */
int config_list_add(struct arena *arena, const char *const **list, const char *text, struct pawl_error *err);
/* The defaults of all keys of this kind; base is a struct config or a struct config_activity. */
int config_set_defaults(struct arena *arena, void *base, bool of_activity);

#endif
