/*
 * fsck_impl.h - what the parts of fsck share.
 *
 *	fsck.c           the order of things: check, look again, repair, check again
 *	fsck_found.c     findings: noting, comparing, telling
 *	fsck_hub.c       FORMAT, LOCK, the directories, what is not pawl's
 *	fsck_journal.c   segments
 *	fsck_instance.c  one instance: its places, files, marks
 *	fsck_history.c   one history, and the payloads that it names
 *	fsck_mail.c      envelopes, dropped files, the work queue
 *	fsck_repair.c    what is done about a finding
 */
#ifndef FS_FSCK_IMPL_H
#define FS_FSCK_IMPL_H

#include "fs.h"
#include "fsck.h"
#include "mailbox.h"

enum fsck_action {
	ACT_NONE,
	ACT_RECOVER,   /* histories level with the journal, as a start of the runtime does */
	ACT_SET_ASIDE, /* the operand into lost+found */
	ACT_OLDER,     /* the same for the histories of an instance up to execution `at` */
	ACT_CUT,       /* a history ends at byte `at`; all of it is kept in lost+found */
	ACT_CUT_TORN,  /* the same, and only what is cut is kept, beside it as E.history.torn */
	ACT_REMOVE,
	ACT_MAKE_DIR,
	ACT_ARCHIVE,   /* `operand` (instances/ID) to the archive */
	ACT_CHMOD,     /* to mode `at` */
	ACT_FORMAT,    /* FORMAT is written anew */
};

/* One finding, with its texts. */
struct found {
	struct fsck_finding f;
	enum fsck_action action;
	uint64_t at;
	bool moving;   /* beside a runtime it may be gone at the next look */
	bool tried;
	char operand[PATH_SIZE]; /* what the action is for */
	char file[PATH_SIZE], instance[TEXT_INSTANCE_ID_MAX + 1], what[400], repair[200];
};

struct found_list {
	struct found *items;
	size_t count, cap;
};

struct fsck;

/* One thing that is checked as a whole, and again when it does not look right beside a runtime. */
struct fsck_unit {
	int (*check)(struct fsck *f, const char *name);
	char name[TEXT_INSTANCE_ID_MAX + 1]; /* of an instance; else "" */
};

struct fsck {
	const struct fsck_options *o;
	const struct os *os;
	struct fs *fs;
	struct fsck_summary *sum;
	struct pawl_error *err;
	bool live;               /* a runtime works on the hub */
	bool clean;              /* the last one stopped well: nothing is as a power cut leaves it */
	bool owner;              /* we have the lock */
	bool counting;           /* the first look at a unit: it counts in the summary */
	bool format_bad;
	char format_why[512];
	bool journal_lossy;      /* bringing histories level loses what lies behind damage in the journal */
	bool journal_pending;    /* the journal has frames that a start brings into the histories */
	struct journal *journal; /* as it was at the last look */
	struct journal_text text;
	struct overlay overlay;
	bool loaded;
	struct found_list *list; /* where findings of the unit go */
	struct lost lost;
};

/* fsck_found.c */
struct found *found_add(struct fsck *f, enum fsck_severity severity, const char *code, const char *file, const char *fmt, ...) PAWL_PRINTF(5, 6);
/* What a repair does: the text, and the action on the finding's file. found may be NULL. */
void found_repair(struct found *found, enum fsck_action action, bool discards, const char *fmt, ...) PAWL_PRINTF(4, 5);
bool found_same(const struct found *a, const struct found *b);
bool found_has(const struct found_list *list, const struct found *found);
int found_copy(struct found_list *list, const struct found *found); /* 0 or PAWL_ENOMEM */
void found_release(struct found_list *list);
/*
 * Is that how reading something fails that is no regular file? All other failures are the disk's, or the machine's: what
 * cannot be read now may be whole, so nothing is ever repaired because of them.
 */
bool fsck_is_no_file(int rc);
/*
 * A finding about what cannot be looked at, and why. That another user than the hub's has no right to is no damage, and for
 * what the groups of the configuration are not let in to, no more than a note.
 */
struct found *found_unreadable(struct fsck *f, const char *code, const char *file, int rc, const char *what);
bool fsck_is_there(struct fsck *f, const char *path); /* when nobody can tell: yes, and a finding */
int found_tell(struct fsck *f, struct found *found, enum fsck_outcome outcome); /* counts, and calls the caller's each */

/* the checks: 0, or PAWL_E... when something could not be checked at all */
int fsck_check_hub(struct fsck *f, const char *name);
int fsck_check_journal(struct fsck *f, const char *name); /* of what fsck_load_journal has read */
int fsck_check_instance(struct fsck *f, const char *id);
int fsck_check_places(struct fsck *f, const char *name); /* what is beside the instances */
int fsck_check_mail(struct fsck *f, const char *name);
int fsck_check_work(struct fsck *f, const char *name);
void fsck_check_lock(struct fsck *f);
int fsck_load_journal(struct fsck *f);
void fsck_unload_journal(struct fsck *f);
/* Who may write there, and whose it is. */
void fsck_check_mode(struct fsck *f, const char *path, const struct os_stat *st);

/* fsck_history.c */
struct fsck_place {
	const char *id;
	char home[PATH_SIZE];    /* instances/ID or archive/ID */
	bool archived;
	uint64_t oldest, newest; /* executions; 0 = none */
	struct map payloads;     /* names of payload files that histories name -> anything */
	uint64_t *activities;    /* of the newest execution: numbers of those that were scheduled */
	size_t activity_count;
	bool ended, followed;    /* the newest execution has ended, and another was to follow */
	uint64_t end_at;         /* where its last turn begins */
	bool newest_good;
};
int fsck_check_history(struct fsck *f, struct fsck_place *p, uint64_t execution);
/* What a repair does about damage in an execution, of which what is before byte `at` is good. */
void fsck_repair_execution(const struct fsck_place *p, struct found *found, uint64_t execution, uint64_t at);

/* fsck_repair.c */
int fsck_act(struct fsck *f, struct found *found); /* 0 or PAWL_E..., with f->err */
int fsck_recover(struct fsck *f);

#endif
