/* history_file.h - an instance whose history is a file somewhere, not in the hub. */
#ifndef CLI_HISTORY_FILE_H
#define CLI_HISTORY_FILE_H

#include "cli/instance.h"

/* An argument that cannot be an id is a path: ids have neither '/' nor '.'. */
bool history_file_is(const char *arg);
/*
 * As instance_read. The id and execution are those of the file's name, as its code may ask for them:
 *
 *	.../ID/N.history   as in a hub
 *	ID.N.history       ID.history (execution 1)
 *
 * id: instead of that; NULL = none. Release also after a failure.
 */
int history_file_read(struct cli *c, const char *path, const char *id, struct cli_instance *i) PAWL_MUST_USE;
/* A payload that was spilled: beside the history. */
int history_file_spill(const struct os *os, const char *path, const char *name, char **out, size_t *len,
                       struct pawl_error *err) PAWL_MUST_USE;

#endif
