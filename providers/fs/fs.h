/*
 * fs.h - the file system provider, inside view. What lies where on disk: docs/FORMAT.md.
 *
 *	hub.c        the directory: FORMAT, LOCK, what file system it is on
 *	access.c     modes and groups
 *	journal.c    segments and frames: taking segments, writing one frame; journal_read.c: reading them all back
 *	overlay.c    what the journal says about each history, as a table (recovery, read-only readers, rewriting)
 *	histories.c  the history files: appended lazily, synced at a checkpoint
 *	commit.c     the commit protocol and its proof
 *	checkpoint.c maintenance: flush, sync, free segments
 *	recover.c    what happens at acquire
 *	send.c, envelope.c, mailbox.c  messages: given in, as files, found and acked; drops.c: files that people and programs drop; drops_reject.c: what is refused
 *	queue*.c     the work queue (queue.h); run_dir.c: where it is
 *	reader.c     what one who is not the owner may tell
 *	instances.c  scan, read, archive, revive, purge, quarantine, notes
 *	prune.c      older executions, and what an instance takes; trash.c: giving back the space of what was removed
 *	import.c     an instance from somewhere else
 *	lost.c       lost+found: what is kept of what a repair or a recovery takes away
 *	fsck*.c      checking and repairing (fsck.h)
 */
#ifndef FS_FS_H
#define FS_FS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "os/io.h"
#include <pawl/provider.h>

#define SEGMENT_BYTES_DEFAULT (4u << 20)
#define SEGMENT_BYTES_MIN (32u << 10)
#define SEGMENTS_DEFAULT 3
#define SEGMENTS_MAX 64
#define FRAME_AREA 4096u     /* frames begin here; the header's block is before it */
#define PATH_SIZE 512
/* Whatever the umask is. Others may pass through to where they are let in, not look around: an id is no secret, but a
 * list of them is. Files are for the runtime's user and for a group that may read (access.c). */
#define HUB_DIR_MODE 0751
#define HUB_DIR_MODE_PRIVATE 0750
#define HUB_FILE_MODE 0640
#define HISTORY_FDS_MAX 256  /* history files kept open between write and sync */
#define HISTORY_BYTES_MAX (256u << 20)
#define WATCHES_DEFAULT 4096
#define PURGED_BITS 4096
#define MESSAGE_BYTES_DEFAULT (1u << 20)
#define REJECTED_DEFAULT 1000
#define REJECTED_BYTES_DEFAULT (16u << 20)

/* ---- journal ---- */

enum segment_state {
	SEGMENT_NONE,   /* no file: this entry is not in use */
	SEGMENT_FREE,   /* nothing in it is needed */
	SEGMENT_ACTIVE, /* frames are appended here */
	SEGMENT_FULL,   /* needed until the next checkpoint */
};

/*
 *	FREE ──take──► ACTIVE ──full, or sync failed (broken)──► FULL ──checkpoint──► FREE
 *
 * A broken segment is never written or synced again (I8): when it is free its file is replaced by a new one. It and others
 * that are not wanted any more are `doomed`: their files go when a later frame has told the disk that the frames in them
 * are checkpointed. Gone any earlier, they would be missed after a power cut.
 */
enum header_verdict { HEADER_UNUSED, HEADER_GOOD, HEADER_BAD, HEADER_FOREIGN, HEADER_NEWER };

struct segment {
	unsigned number;
	enum segment_state state;
	bool broken, doomed, header_written;
	int fd;
	uint64_t size, pos, salt, generation;
	uint64_t last_lsn;
	/* as it was read (journal_read) */
	enum header_verdict header;
	uint64_t checkpoint, frames; /* that the header tells; good ones in it */
};

struct journal {
	const struct os *os;
	int hub;               /* directory descriptor */
	uint8_t hub_id[16];
	uint64_t segment_bytes;
	unsigned segment_count; /* wanted; there may be more (oversize, broken ones) */
	bool pad;
	struct segment segments[SEGMENTS_MAX];
	unsigned used;          /* entries of segments[] that are not NONE */
	unsigned blocked[SEGMENTS_MAX], blocked_count; /* numbers that something else than a file stands under */
	unsigned doomed;        /* of them */
	struct segment *active;
	uint64_t generation;    /* of the newest segment */
	uint64_t next_lsn;
	uint64_t checkpoint_lsn; /* frames below it are in synced histories */
	uint64_t frame_checkpoint; /* what the frame under way says of it */
};

enum record_kind { RECORD_APPEND = 1, RECORD_PURGE = 2, RECORD_PRUNE = 3 };
enum { RECORD_CREATE = 1, RECORD_END = 2 };

/* One record as it lies in a frame. Pointers go into the bytes that were read. */
struct journal_record {
	enum record_kind kind;
	unsigned flags;
	bool lost; /* its frame is damaged: only the head and data.len are true */
	uint64_t execution, offset, lsn, generation;
	struct slice id, data;
};

/* Bytes that are neither a frame nor a legal torn tail. */
struct journal_damage {
	unsigned segment;
	uint64_t offset;
	uint64_t len;
	uint64_t before_lsn; /* of the good frame behind it; 0 = none */
};
#define JOURNAL_DAMAGE_TOLD 8 /* so many are told of one by one in the log */

int journal_open(struct journal *j, bool create, struct pawl_error *err);
/* What is read back is on the disk after this: whoever wrote it may have died in front of its sync, or (doubt) behind one that
 * failed, after which the kernel takes for clean what is not. */
int journal_sync_found(struct journal *j, bool doubt, struct pawl_error *err);
void journal_close(struct journal *j);
/* Make sure that a frame with so many payload bytes has a place: the active segment, or a free one becomes active.
 * PAWL_EBUSY when all are full. Writes nothing to existing frames. */
int journal_room(struct journal *j, size_t payload, struct pawl_error *err);
/* The frame's bytes for the active segment at its present position (and the position it ends at). */
int frame_begin(struct buf *frame);
void frame_add_append(struct buf *frame, const struct pawl_record *r);
/* A purge, or a prune of the executions before keep_from. */
void frame_add_gone(struct buf *frame, enum record_kind kind, const char *id, uint64_t keep_from);
void frame_finish(struct journal *j, struct buf *frame, size_t record_count);
size_t record_overhead(const char *id);
/* Blocking, any thread: write header (if new) and frame, sync. -errno. */
int journal_write(const struct os *os, struct segment *s, const struct journal *j, const struct buf *frame);
void journal_written(struct journal *j, size_t frame_len);
void journal_failed(struct journal *j);
/* All segments with generation <= upto hold nothing that is needed. */
void journal_free_upto(struct journal *j, uint64_t generation, uint64_t checkpoint_lsn);
/* Blocking: tell the disk up to where the frames are checkpointed, by the header of the next segment. */
int journal_tell_checkpoint(struct journal *j, struct pawl_error *err);
/* Segments that a start found: which are too small or hold nothing. */
void journal_sort_out(struct journal *j);
uint64_t journal_full_generation(const struct journal *j); /* newest that is FULL, 0 = none */
unsigned journal_free_count(const struct journal *j);

/* Reading everything back: calls each for all records that count, in LSN order. The bytes stay in *text (journal_text) */
struct journal_text {
	char **blocks;
	size_t count;
	struct journal_record *records;
	size_t record_count, record_cap;
	struct journal_record *old; /* frames below the checkpoint, without a gap up to it: what must be in the histories */
	size_t old_count;
	struct journal_damage *damage;
	size_t damage_count, damage_cap;
	uint64_t lost_frames; /* gaps in the chain ... */
	uint64_t first_lost;  /* ... and the first lsn that is missing */
	bool foreign;         /* a segment is another hub's, or FORMAT has not the right id */
	bool newer;           /* a version or a kind of record that is not known here */
	uint64_t max_lsn, max_generation, checkpoint_lsn;
};
int journal_read(struct journal *j, struct journal_text *t, struct pawl_error *err);
void journal_text_cut(struct journal_text *t, uint64_t lsn); /* as if that frame, and any behind it, were not there */
/* The hub id that all good headers have: 1; 0: there are none; PAWL_ECORRUPT: they differ. */
int journal_whose(struct journal *j, uint8_t id[16]);
void journal_text_release(struct journal_text *t);

/* ---- overlay: what the journal says of each history ---- */

struct overlay_file {
	struct overlay_file *next;     /* of the same instance, by execution */
	uint64_t execution;
	uint64_t first, end;           /* byte range that the journal has */
	uint64_t oldest_generation;
	struct buf bytes;              /* of [first, end) */
	bool gap;                      /* records are lost behind end */
	bool ended;                    /* by the last record */
	uint64_t reach;                /* where the last record ended, be it lost */
};

struct overlay_instance {
	char id[TEXT_INSTANCE_ID_MAX + 1];
	bool purged;  /* a purge came before the files below (or there are none) */
	bool created, ended;
	uint64_t kept_from; /* executions before it are gone; 0 = none */
	struct overlay_file *files;
};

struct overlay {
	struct map instances; /* id -> struct overlay_instance */
	struct journal_damage damage[JOURNAL_DAMAGE_TOLD];
	size_t damage_count; /* may be larger than the array: only counted then */
	uint64_t lost_frames;
	uint64_t max_lsn;
	bool ends_only; /* files have no bytes */
};

int overlay_load(struct overlay *o, struct journal *j, struct pawl_error *err);
/* The same, and in `synced` what a checkpoint has brought to the disk, as far as the journal still tells: no bytes, only
 * where each file must reach. */
int overlay_load_synced(struct overlay *o, struct overlay *synced, struct journal *j, struct pawl_error *err);
/* With the bytes of what is checkpointed, too. */
int overlay_load_all(struct overlay *o, struct journal *j, struct pawl_error *err);
int overlay_refuse_foreign(const struct journal *j, const struct journal_text *t, struct pawl_error *err);
int overlay_build(struct overlay *o, const struct journal_text *t, struct pawl_error *err); /* of what was read already */
void overlay_release(struct overlay *o);
struct overlay_instance *overlay_find(struct overlay *o, const char *id);
struct overlay_file *overlay_file(struct overlay *o, const char *id, uint64_t execution);

/* ---- histories ---- */

struct history_file {
	struct history_file *next_dirty, *prev_dirty;
	char *id;
	uint64_t execution;
	uint64_t size;     /* committed bytes */
	uint64_t flushed;  /* of them in the file (page cache) */
	struct buf pending; /* the bytes from flushed to size */
	uint64_t oldest_generation; /* oldest segment with bytes that no sync of this file covers; 0 = all covered */
	uint64_t pending_generation; /* the segment that the first pending byte is in */
	int fd;
	uint64_t batch, batch_end; /* the commit that is being prepared, and where its last record of this file ends */
	bool made;         /* the file and its directory are there */
	bool reserved;     /* a commit has made its directories, be it one that failed and will be tried again */
	bool cut;          /* the file is longer than flushed: torn bytes to be put aside */
	bool archived;     /* lives in archive/ */
	bool busy;         /* being rewritten by a job: do not touch the file */
	bool ended;
	bool followed;     /* execution 1: files of others have been in the table */
};

struct fs {
	struct pawl_provider provider;
	const struct os *os;
	struct pawl_provider_options options;
	char *path;
	int hub;                  /* directory descriptor of the hub */
	int lock_fd;              /* -1 when not the owner */
	struct os_stat lock_stat;
	struct os_fs_info info;
	bool owner, fenced, clean_before, same_boot;
	bool known_before;        /* LOCK said who was here last */
	int64_t place_ns;     /* CLOCK_BOOTTIME: when it was last looked whether the path still leads here; 0 = look now */
	bool served;              /* readers see marks (hub_serve) */
	bool look;                /* at what was synced before this boot: has the disk kept it? */
	bool doubt;               /* a sync failed in this boot: the page cache shows more than the disk may have (I8) */
	char boot_id[OS_BOOT_ID_SIZE];
	struct journal journal;
	struct map files;         /* "ID/EXECUTION" -> struct history_file: those touched since their last sync */
	struct history_file *dirty; /* ring of files with pending bytes: next_dirty from dirty */
	size_t open_fds, pending_bytes;
	struct commit_job *committing;
	uint64_t batches;
	struct checkpoint_job *checkpointing;
	bool rewrite_wanted;
	bool instances_changed, archive_changed; /* directory entries to sync at the next checkpoint */
	uint64_t moves, moves_synced; /* renames into the archive, and how many of them are durable */
	uint64_t purges;
	bool acked;               /* messages were removed, perhaps not from the disk yet */
	uint64_t import_lsn;      /* no frame before it is needed, and the disk knows (import.c); 0 = not known */
	uint64_t purged_bits[PURGED_BITS / 64]; /* ids (by checksum) whose removal may not be durable */
	struct overlay overlay;   /* read-only use */
	int64_t overlay_ns;       /* when it was read (boottime), 0 = never */
	uint64_t shown_lsn, shown_generation; /* the newest frame that such a reader has synced */
	struct trash {
		uint64_t next;    /* name of the next thing in it */
		bool there, removing;
	} trash;
	struct mailbox *mailbox;
	struct queue *queue;      /* NULL until it is used */
	char *run_path;           /* run_dir.c: where work queue and work directories are; NULL: in the hub */
	int run;                  /* its descriptor, or -errno */
	struct os_stat run_pointer; /* RUN, as it was read */
	char *root;               /* absolute path of the hub, made when it is asked for */
	struct pawl_provider_stats stats;
};

/* fs.c */
struct fs *fs_new(const struct pawl_provider_options *options); /* nothing is opened yet; NULL: no memory */
void fs_free(struct fs *fs);
static inline struct fs *fs_of(struct pawl_provider *p) { return (struct fs *)p; }

/* hub.c */
#define HUB_FORMAT_SIZE 96
int hub_open_dir(struct fs *fs, struct pawl_error *err);
int hub_read_format(struct fs *fs, struct pawl_error *err); /* PAWL_ENOTFOUND without a text: there is no FORMAT */
int hub_make_dirs(struct fs *fs, struct pawl_error *err); /* those that are not there */
int hub_write_format(struct fs *fs, struct pawl_error *err);
void hub_format_text(const struct fs *fs, char text[HUB_FORMAT_SIZE]);
int hub_open(struct fs *fs, struct pawl_error *err);
int hub_lock(struct fs *fs, struct pawl_error *err);
void hub_unlock(struct fs *fs, bool clean);
int hub_check_fence(struct fs *fs, struct pawl_error *err);
void hub_tell_looked(struct fs *fs); /* recovery has seen what the disk kept */
void hub_tell_doubt(struct fs *fs); /* any thread: a sync has failed; for whoever starts next in this boot */
/* A runtime had it in this boot, and has not stopped well: the page cache may show what is not on the disk. doubt: it knows
 * of something that is not. */
bool hub_was_used_in_this_boot(struct fs *fs, bool *doubt);
/*
 * A served hub has an owner who has recovered it and marks each frame, the byte of its lsn in its segment's file, from before
 * it is written until it is synced. Where marks do not work (any thread may find that) it is not served.
 */
void hub_serve(struct fs *fs);
void hub_end_serving(struct fs *fs, int why);
bool hub_is_served(struct fs *fs);
bool hub_has_owner(struct pawl_provider *p, char *who, size_t size);
bool hub_lock_is_good(const char *text, size_t len); /* what LOCK has */
bool hub_was_stopped(struct fs *fs); /* the last owner has told that it stopped well */

/* access.c: all directories of a hub are made by it. -errno */
enum hub_place {
	PLACE_PASS,    /* others may pass through to what they know the name of */
	PLACE_READ,    /* for who may read */
	PLACE_DROPS,   /* for who may drop */
	PLACE_CONTROL, /* for who may send */
};
enum hub_place access_place(const char *name); /* of a directory at the top */
int access_mkdir(struct fs *fs, const char *path, enum hub_place place);
int access_give(struct fs *fs, const char *path, enum hub_place place); /* one that is there, where a group is named for it */
int access_settle(struct fs *fs, struct pawl_error *err); /* owner: all that are there */

/* reader.c: what the journal says, for one who is not the owner; nothing that may not be on the disk is in it (I1) */
int reader_overlay(struct fs *fs, struct overlay **out, struct pawl_error *err);

/* histories.c */
struct history_file *histories_get(struct fs *fs, const char *id, uint64_t execution, struct pawl_error *err, int *rc);
void histories_note_follower(struct fs *fs, const char *id, uint64_t execution); /* the first execution's file, if it is in the table, is not alone */
struct history_file *histories_find(struct fs *fs, const char *id, uint64_t execution);
uint64_t histories_newest(struct fs *fs, const char *id); /* of those in memory; a walk through all. 0 = none */
int histories_append(struct fs *fs, struct history_file *f, const void *data, size_t len);
/* Are the bytes from offset to the end of the file whole lines with good checksums? */
bool history_lines_are_good(const char *at, size_t len); /* the same of bytes that were read */
bool history_tail_is_good(struct fs *fs, const struct history_file *f, uint64_t offset);
int history_flush(struct fs *fs, struct history_file *f, struct pawl_error *err);
void history_close_fd(struct fs *fs, struct history_file *f);
void histories_forget(struct fs *fs, struct history_file *f); /* clean: out of the table */
void histories_forget_instance(struct fs *fs, const char *id);
void histories_moved(struct fs *fs, const char *id, bool archived); /* where its directory is now */
void histories_release(struct fs *fs);
int instance_make_dirs(struct fs *fs, const char *id, bool archived, struct pawl_error *err);

/* In the reason of an instance that was set aside because the journal has lost lines of it: without them its history reads whole. */
#define LOST_LINES "lines between are lost"
/* commit.c, checkpoint.c, recover.c */
int fs_commit_begin(struct pawl_provider *p, const struct pawl_batch *batch, struct pawl_job **job, struct pawl_error *err);
/* Of one that stays and what is before keep_from goes, or of a whole one, of which keep_from is 0. */
struct gone {
	const char *id;
	uint64_t keep_from;
};
int fs_commit_gone(struct fs *fs, enum record_kind kind, const struct gone *gone, size_t count, struct pawl_error *err);
int fs_maintain(struct pawl_provider *p, bool idle, struct pawl_job **job, struct pawl_error *err);
int fs_checkpoint_now(struct fs *fs, struct pawl_error *err); /* flush and sync everything, on this thread */
int fs_acquire(struct pawl_provider *p, struct pawl_error *err);

/* instances.c */
int fs_scan(struct pawl_provider *p, bool archived, int (*each)(void *arg, const char *id), void *arg, struct pawl_error *err);
int fs_read(struct pawl_provider *p, const char *id, uint64_t execution, char **out, size_t *len, uint64_t *which, struct pawl_error *err);
int fs_read_spill(struct pawl_provider *p, const char *id, const char *name, char **out, size_t *len, struct pawl_error *err);
int fs_archive(struct pawl_provider *p, const char *id, struct pawl_error *err);
int fs_revive(struct pawl_provider *p, const char *id, struct pawl_error *err);
int fs_purge(struct pawl_provider *p, const char *id, struct pawl_error *err);
int fs_purge_all(struct pawl_provider *p, const char *const *ids, size_t count, struct pawl_error *err);
void instance_purged(struct fs *fs, const char *id);
/* Before an id is used again: is its earlier life gone from the disk? */
int instance_settle_purge(struct fs *fs, const char *id, struct pawl_error *err);
int fs_quarantine(struct pawl_provider *p, const char *id, const char *reason, struct pawl_error *err);
void fs_note(struct pawl_provider *p, const char *id, const char *text);
char *fs_read_note(struct pawl_provider *p, const char *id, bool *quarantined);
bool fs_exists(struct fs *fs, const char *fmt, ...) PAWL_PRINTF(2, 3);
/* The same where a failure to look must not pass for "no": 1, 0 or PAWL_E... */
int fs_look(struct fs *fs, struct pawl_error *err, const char *fmt, ...) PAWL_PRINTF(3, 4);
bool fs_is_dir(struct fs *fs, const char *path);
int fs_rmdir_empty(struct fs *fs, const char *id);
int fs_check_id(const char *id, struct pawl_error *err);

/* prune.c */
int fs_prune(struct pawl_provider *p, const struct pawl_prune *prunes, size_t count,
             bool (*drop)(void *arg, const struct pawl_prune *prune, const char *file), void *arg, struct pawl_error *err);
int prune_rest(struct fs *fs, const char *id, uint64_t keep_from, bool newer, struct pawl_error *err); /* recovery; newer: the journal has one that stays */
int fs_measure(struct pawl_provider *p, const char *id, struct pawl_extent *out, struct pawl_error *err);
/* Which directory it is in; -ENOENT when in none. path: PATH_SIZE bytes. */
int instance_home(struct fs *fs, const char *id, char *path);
int instance_home_error(struct pawl_error *err, const char *id, int rc); /* what that answered */

/* trash.c */
void trash_open(struct fs *fs);                  /* owner: what an earlier run has left */
int trash_hide(struct fs *fs, const char *path); /* out of sight with one rename; -errno */
bool trash_is_there(const struct fs *fs);
int trash_begin(struct fs *fs, struct pawl_job **job, struct pawl_error *err); /* remove some of it */

/* import.c */
int fs_import(struct pawl_provider *p, const struct pawl_import *import, struct pawl_error *err);

/* lost.c: HUB/lost+found/TIME/ has what was taken away, under the path that it had; lost+found/log says why. -errno. */
struct lost {
	struct fs *fs;
	char dir[48]; /* "lost+found/TIME"; "" until something is kept, or what the caller wants */
	bool made;
};
int lost_copy(struct lost *l, const char *path, const char *why); /* of a file; durable when it returns 0 */
int lost_move(struct lost *l, const char *path, const char *why); /* whatever it is; durable */

/* mailbox.c, drops.c */
int mailbox_open(struct fs *fs, struct pawl_error *err);  /* owner: watches */
void mailbox_close(struct fs *fs);
int fs_send(struct pawl_provider *p, const struct pawl_message *m, struct pawl_error *err);
int fs_poll_fd(struct pawl_provider *p);
int fs_receive(struct pawl_provider *p, bool rescan, int (*each)(void *arg, struct pawl_message *m), void *arg, int64_t *again_ms, struct pawl_error *err);
void fs_ack(struct pawl_provider *p, void *token);
void fs_reject(struct pawl_provider *p, void *token, const char *why);
void fs_attend(struct pawl_provider *p, const char *id, bool wanted);
int mailbox_watch_fd(struct fs *fs);
bool mailbox_is_start(const struct fs *fs, const void *token, const char *id);

/* run_dir.c */
int rundir_open(struct fs *fs, struct pawl_error *err); /* owner, before the queue is opened */
void rundir_release(struct fs *fs);
int rundir_base(struct fs *fs);          /* the directory that has work/ and instances/ID/work; -errno: it is gone */
const char *rundir_root(struct fs *fs);  /* its path; NULL: it is the hub */
void rundir_forget(struct fs *fs, const char *id); /* an instance that has ended */

/* queue*.c */
void queue_open(struct fs *fs);    /* owner, behind mailbox_open */
void queue_unwatch(struct fs *fs); /* the mailbox is closed */
void queue_close(struct fs *fs);
bool queue_notice(struct fs *fs, int number, uint32_t mask); /* number < 0: anything may have happened */
void queue_rescan(struct fs *fs);
int fs_work_dir(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size);
int fs_work_dir_lasting(struct pawl_provider *p, const char *instance, uint64_t seq, char *out, size_t size);
int fs_offer(struct pawl_provider *p, const struct pawl_work_item *item, char *id_out, struct pawl_error *err);
int fs_release(struct pawl_provider *p, const char *id, struct pawl_error *err);
int fs_cancel_work(struct pawl_provider *p, const char *id, struct pawl_error *err);
int fs_each_work(struct pawl_provider *p, bool done, bool (*wanted)(void *arg, const char *id), int (*each)(void *arg, const struct pawl_work_status *status), void *arg, struct pawl_error *err);
bool fs_work_changed(struct pawl_provider *p);
int fs_claim(struct pawl_provider *p, const struct pawl_work_wanted *wanted, struct pawl_work_item **out, struct pawl_error *err);
int fs_renew(struct pawl_provider *p, const char *id, const char *worker, const char *progress, struct pawl_error *err);
int fs_finish(struct pawl_provider *p, const char *id, const char *worker, int code, const void *output, size_t len, const char *message, int64_t delay_ms, struct pawl_error *err);
int fs_give_back(struct pawl_provider *p, const char *id, const char *worker, struct pawl_error *err);
int fs_await_work(struct pawl_provider *p, const struct pawl_work_wanted *wanted, int64_t timeout_ms, struct pawl_error *err);
int fs_bury(struct pawl_provider *p, const struct pawl_dead_letter *letter, struct pawl_error *err);
int fs_each_dead(struct pawl_provider *p, int (*each)(void *arg, const struct pawl_dead_letter *letter), void *arg, struct pawl_error *err);
int fs_unbury(struct pawl_provider *p, const char *id, struct pawl_error *err);

#endif
