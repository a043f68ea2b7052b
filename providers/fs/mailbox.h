/* mailbox.h - what mailbox.c (envelopes, bookkeeping) and drops.c (files that people drop) share. */
#ifndef FS_MAILBOX_H
#define FS_MAILBOX_H

#include "fs.h"

/* A message that was given out and is not acked or rejected yet. Its token is a pointer to it. */
struct letter {
	struct pawl_message message;
	char *dir, *name;   /* the file it came from: "inbox", "control", "instances/ID", "instances/ID/events" */
	char *text;         /* what the message points into */
	char id[96], from[24];
	bool is_start;      /* instances/ID/start */
};

/* A dropped file that was not complete at the last look. */
struct look {
	struct os_stat st;
	int64_t at_ns;      /* boottime of the first look at this state */
};

/* An instance whose events/ is watched. */
struct attended {
	int number;
	char id[];
};

struct mailbox {
	int watch, instances_number, control_number, inbox_number;
	struct map letters;   /* "dir/name" -> struct letter */
	struct map looks;     /* "dir/name" -> struct look */
	struct map attended;  /* instance id -> struct attended */
	struct map attended_numbers; /* the same by the bytes of the watch's number */
	struct map noticed;   /* instance ids whose start or events/ want a look */
	bool look_control, look_inbox, look_all, first_scan, lease_warned;
	/* while receive runs */
	int (*each)(void *arg, struct pawl_message *m);
	void *arg;
	int64_t again_ms;
	bool look_failed;    /* something could not be read, though it is there */
};

bool mailbox_has(struct mailbox *m, const char *dir, const char *name);
/* Takes over dir, name and text (malloc'd) in letter, which is copied; gives the message out. */
int mailbox_deliver(struct fs *fs, const struct letter *letter);
void letter_clear(struct letter *l);
/* NULL, or why the runtime will reject it. start_of: it is the `start` of this instance. */
const char *mailbox_check_envelope(struct fs *fs, const char *text, size_t len, const char *start_of);
/* Look through a drop directory: "inbox" or "instances/ID/events". */
int drops_scan(struct fs *fs, const char *dir, const char *instance, struct pawl_error *err);
/* Move a file to DIR/.rejected/ and say why beside it. */
void drops_reject(struct fs *fs, const char *dir, const char *name, const char *why);
/* NULL, or what is wrong with it. */
const char *drop_yaml_check(const char *text, size_t len);
/* Names in a directory, in order; free with names_release. */
struct dir_names {
	char **items;
	size_t count, cap;
};
int names_list(struct fs *fs, const char *dir, struct dir_names *n);
void names_release(struct dir_names *n);

#endif
