/*
 * queue.h - the work queue of the file system provider; what lies where: docs/FORMAT.md, "The work queue".
 *
 *	queue_name.c     names of queues, items, claims and what a link may point to
 *	queue_dir.c      opening directories without following links, small files
 *	queue.c          what a provider knows, the directories of a queue, watching
 *	queue_offer.c    the owner: offer, release, cancel
 *	queue_item.c     finding an item, its carrier
 *	queue_look.c     each_work
 *	queue_claim.c    claim; queue_pick.c: which items, in which order
 *	queue_finish.c   renew, finish, give back
 *	queue_session.c  who has a session
 *	queue_await.c    waiting for work
 *	queue_dead.c     dead letters
 *
 * The directories belong to whoever may write there: every name and link is checked before it is used, and what has not
 * the form that it must have is left alone.
 */
#ifndef FS_QUEUE_H
#define FS_QUEUE_H

#include "fs.h"
#include "providers/work_item.h"

#define QUEUE_NAME_MAX WORK_QUEUE_MAX
#define ITEM_NAME_MAX  WORK_NAME_MAX
#define CLAIM_NAME_MAX (ITEM_NAME_MAX + 1 + PAWL_WORKER_MAX + 4)
#define KEY_MAX        64
#define QUEUES_MAX     256
#define ITEMS_MAX      100000 /* more than these are not looked at */
#define PICKS_MAX      128
#define BAD_MAX        1024
#define CARRIER_MAX    (1u << 20)
#define INPUT_MAX      (64u << 20)
#define PLACES         3

/* ---- names ---- */

struct queue_key {
	char activity[TEXT_NAME_MAX + 1], tag[KEY_MAX + 1]; /* tag "": none */
	bool session;
};

struct item_id {
	char queue[QUEUE_NAME_MAX + 1], item[ITEM_NAME_MAX + 1];
};

/* What stands behind the item in claimed/ (worker) and done/ (worker and code). */
struct holder {
	char worker[PAWL_WORKER_MAX + 1];
	int code;
};

struct work_target {
	char instance[TEXT_INSTANCE_ID_MAX + 1];
	uint64_t seq;
};

bool queue_name_parse(const char *name, struct queue_key *key);
/* "P-HHHHHHHHHHHHHH" and the session, which must be there exactly when the queue is one of sessions. */
bool item_name_parse(struct slice name, bool session, uint32_t *priority, uint64_t *stamp);
const char *item_session(const char *item); /* NULL = none */
/* A name in ready/, claimed/ or done/ of a queue. */
bool entry_parse(const char *name, enum pawl_work_state place, bool session, char *item, struct holder *holder);
void entry_print(char *out, enum pawl_work_state place, const char *item, const struct holder *holder);
int item_id_parse(const char *id, struct item_id *out, struct pawl_error *err);
bool target_parse(const char *text, struct work_target *target);

/* ---- directories ---- */

extern const char *const place_names[PLACES];

/* Directory descriptors or -errno; no link is followed on the way. */
int dir_open(struct fs *fs, int parent, const char *name);
int dir_make(struct fs *fs, int parent, const char *name);   /* made when it is not there */
int place_open(struct fs *fs, const char *place, bool make); /* work/PLACE */
int queue_open_dir(struct fs *fs, enum pawl_work_state place, const char *queue, bool make);
int work_open(struct fs *fs, const struct work_target *target, bool make);
void dir_close(struct fs *fs, int fd); /* < 0 is allowed */
/* Another file under that name in one step; nothing is synced. -errno. */
int file_put(struct fs *fs, int dir, const char *name, const void *data, size_t len);
int file_remove(struct fs *fs, int dir, const char *name); /* 0 when it was not there */
/* The first bytes of a regular file, NUL-terminated; how many, or -errno. */
int file_head(struct fs *fs, int dir, const char *name, char *out, size_t size);
int64_t file_time(struct fs *fs, int dir, const char *name);                         /* mtime, 0 = not there */
int link_read(struct fs *fs, int dir, const char *name, struct work_target *target); /* -EINVAL: not what it must be */
bool boot_matches(struct fs *fs);                                                    /* is the queue of this boot? */

/* ---- state of a provider ---- */

/* What is known of an item without looking again. */
struct facts {
	struct facts *next; /* in the graveyard */
	struct pawl_work_item *item;
	enum pawl_work_state state;
	struct holder holder;
	int64_t since_ns;
	unsigned seen;
	bool canceled; /* by us; what others did shows in the work directory */
	bool kept;     /* in the map */
};

struct watched_queue {
	int numbers[2]; /* of claimed/ and done/; -1 = none */
	char name[QUEUE_NAME_MAX + 1];
};

/* Items to try, in order: what one look at the directories gave. */
struct picks {
	struct item_id items[PICKS_MAX];
	size_t count, next;
	bool more;        /* than fitted */
	bool held;        /* some were left out: somebody else has their session */
	bool reusable;    /* by the next claim, as long as nothing was offered since */
	int64_t stamp_ns; /* mtime of work/ready before the look */
	uint32_t wanted;  /* checksum of what was wanted */
};

struct queue {
	struct map facts;        /* item id -> struct facts */
	struct map bad;          /* item ids that were told of in the log */
	struct map watched;      /* queue name -> struct watched_queue */
	struct map numbers;      /* the same by the bytes of the watch's number */
	struct facts *graveyard; /* removed while each_work runs */
	unsigned looking, pass;
	bool prepared, changed, boot_known, watch_warned;
	uint64_t stamp; /* of the newest item */
	struct picks *picks;
};

int queue_get(struct fs *fs, struct queue **out, struct pawl_error *err);
int queue_prepare(struct fs *fs, struct pawl_error *err); /* once for each owner */
/* The directories of a queue, watched; again: even when they are known to be there. */
int queue_make(struct fs *fs, const char *queue, bool again, struct pawl_error *err);
int queue_check_writable(struct fs *fs, struct pawl_error *err);
struct facts *facts_find(struct queue *q, const char *id);
int facts_keep(struct queue *q, struct facts *f);
void facts_drop(struct queue *q, struct facts *f);
void facts_free_dropped(struct queue *q);
/* Not ours to use: told once. */
bool bad_known(const struct queue *q, const char *id);
void bad_remember(struct queue *q, const char *id, const char *why);
int gone_error(struct pawl_error *err, const char *id);
/* The claims that others have kept of a listing of work/ready do not hold any more. */
void ready_touch(struct fs *fs);
/* The link itself, in whatever place; -ENOENT. */
int item_find(struct fs *fs, const struct item_id *id, enum pawl_work_state *place, struct holder *holder,
              struct work_target *target);

/* The facts that only the carrier has: key, execution, attempt. */
struct carrier_facts {
	char key[512];
	uint64_t execution;
	uint32_t attempt;
};
/* *text (may be NULL): the carrier itself, malloc'd. -errno; -EBADMSG when it does not parse. */
int carrier_load(struct fs *fs, int dir, const struct work_target *target, struct carrier_facts *out, char **text);

/* queue_pick.c */
/* q->picks for this worker. 1: by a new look; 0: what is left of the last one, which still holds. */
int picks_get(struct fs *fs, struct queue *q, const struct pawl_work_wanted *wanted, bool fresh,
              struct pawl_error *err);
bool queue_is_wanted(const struct pawl_work_wanted *wanted, const char *queue, struct queue_key *key);
int wanted_check(struct fs *fs, const struct pawl_work_wanted *wanted, struct pawl_error *err);

/* queue_session.c */
bool queue_session_may(struct fs *fs, const char *session, const char *worker);
int queue_session_take(struct fs *fs, const char *session,
                       const char *worker); /* 0, 1 = somebody else has it, -errno */
void queue_session_touch(struct fs *fs, const char *session, const char *worker);
void queue_sessions_sweep(struct fs *fs, bool (*in_use)(void *arg, const char *session), void *arg);

#endif
