/* mailbox.h - what mailbox.c (what is there, and who has it), send.c, envelope.c and drops.c (files that people drop) share. */
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
	bool done;          /* acked, and could not be removed */
	struct os_stat st;  /* of a dropped file, when it was read; ino 0: it is another kind */
	uint32_t crc;
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
	int watch, hub_number, instances_number, control_number, inbox_number;
	struct map letters;   /* "dir/name" -> struct letter */
	struct map looks;     /* "dir/name" -> struct look */
	struct map attended;  /* instance id -> struct attended */
	struct map attended_numbers; /* the same by the bytes of the watch's number */
	struct map noticed;   /* instance ids whose start or events/ want a look */
	struct map more;      /* instance ids of which not all could be taken in one turn */
	struct map trims;     /* drop directories in which something was rejected */
	uint64_t letter_bytes; /* of the payloads given out */
	bool look_control, look_inbox, look_all, first_scan, lease_warned;
	bool starts_wait;     /* as many instances as may be are live: tried again some time after starts_ns */
	int64_t starts_ns;
	unsigned acks, acks_before; /* letters that came back; at the last receive */
	int64_t more_ms;      /* pause before what is more is looked at */
	int64_t lines_ns;     /* messages in the log about what was dropped */
	unsigned lines, lines_kept;
	/* while receive runs */
	int (*each)(void *arg, struct pawl_message *m);
	void *arg;
	int64_t again_ms;
	size_t unremoved;    /* letters that are done */
	bool look_failed;    /* something could not be read, though it is there */
	bool look_told;      /* the same for the look before: somebody was told */
};

/* ---- envelopes ---- */

#define ENVELOPE_HEAD_MAX 4096 /* bytes, newline and all */
void envelope_write(struct buf *out, const struct pawl_message *m, const char *id);
/*
 * Into an empty letter. NULL, or why it is no message; envelope_no_memory: it could not be read. start_of: it is the `start` of
 * this instance. letter_clear in each case.
 */
const char *envelope_read(struct fs *fs, struct letter *l, const char *text, size_t len, const char *start_of);
extern const char envelope_no_memory[];
/* 0, or what is wrong with a message. */
int message_check(struct fs *fs, const struct pawl_message *m, struct pawl_error *err);

/* ---- what is there ---- */

bool mailbox_has(struct mailbox *m, const char *dir, const char *name);
/* Takes over dir, name and text (malloc'd) in letter, which is copied; gives the message out. */
int mailbox_deliver(struct fs *fs, const struct letter *letter);
/* That has failed with rc: it is given out again. Without memory nothing goes on (< 0); else it holds up no other (0). */
int mailbox_not_taken(struct fs *fs, struct letter *letter, int rc, struct pawl_error *err);
/* Something cannot be read, though it is there: it stays, and is looked at again. The first of a series is told. */
void mailbox_look_failed(struct fs *fs, const char *verb, const char *path, int rc);
void letter_clear(struct letter *l);
/* NULL, or why the runtime will reject it. start_of: it is the `start` of this instance. */
const char *mailbox_check_envelope(struct fs *fs, const char *text, size_t len, const char *start_of);
/* Look through a drop directory: "inbox" or "instances/ID/events". 1: there is more than one turn takes. */
int drops_scan(struct fs *fs, const char *dir, const char *instance, struct pawl_error *err);
/* Move a file to DIR/.rejected/ and say why beside it. */
void drops_reject(struct fs *fs, const char *dir, const char *name, const char *why);
/* Bound what is kept of that, in all places where there is something new. */
void drops_trim(struct fs *fs);
/* May one more line about dropped files go to the log? Else it is counted, and the count is told later. */
bool drops_may_say(struct fs *fs);
/* The file that was read for a message is still the one of that name. */
bool drop_is_same(struct fs *fs, const char *path, const struct os_stat *st, uint32_t crc);
/* NULL, or what is wrong with it; drop_no_memory: it could not be looked at. */
extern const char drop_no_memory[];
const char *drop_yaml_check(const char *text, size_t len);
/* Names in a directory, in order; free with names_release. */
struct dir_names {
	char **items;
	size_t count, cap;
};
int names_list(struct fs *fs, const char *dir, struct dir_names *n);
int names_list_at(struct fs *fs, int fd, const char *dir, struct dir_names *n);
void names_release(struct dir_names *n);

#endif
