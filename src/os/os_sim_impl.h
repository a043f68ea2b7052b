/*
 * os_sim_impl.h - what the files of the simulated OS share; tests include os_sim.h.
 *
 *   os_sim_data.c   pages and contents of files: volatile and durable side, un-synced writes, sync, loss, tearing
 *   os_sim_tree.c   inodes, directory entries, un-synced entry operations, path walk
 *   os_sim_watch.c  watch queues
 *   os_sim_fs.c     what the calls on names and files do, under the mutex
 *   os_sim_kernel.c what the kernel tells in /proc and /sys, free space, processors
 *   os_sim_power.c  cut, kill, clone, dump
 *   os_sim_states.c all states that a cut may leave
 *   os_sim_table.c  the table: mutex, power and faults around each call; locks, leases, clocks, processes
 *   os_sim.c        new and free, settings, faults, what other programs do
 *
 * Sharing: pages, page tables, bodies, names and un-synced writes are counted and copied on write, so that a clone
 * costs a counter for each inode. What changes with every open (struct sim_slot) is not shared.
 */
#ifndef OS_OS_SIM_IMPL_H
#define OS_OS_SIM_IMPL_H

#include <os/os_sim.h>
#include <os/os_sim_states.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define SIM_PAGE 4096u
#define SIM_NONE UINT32_MAX
#define SIM_ROOT 1u
#define SIM_FILE_BYTES_MAX (UINT64_C(1) << 30)
#define SIM_NAME_MAX 255u

enum { VOL, DUR }; /* what the running system sees; what the disk holds */

struct sim_page {
	atomic_uint refs;
	atomic_uint_fast64_t hash; /* 0: not known */
	unsigned char data[SIM_PAGE];
};

/* NULL is a page of zeros. Pages from n on are zeros too. */
struct sim_table {
	atomic_uint refs;
	uint32_t n, cap;
	struct sim_page *page[][2];
};

enum sim_wop_kind { WOP_WRITE, WOP_ZEROS, WOP_SIZE };

/* An un-synced write, or a change of size (off is the new size). */
struct sim_wop {
	atomic_uint refs;
	enum sim_wop_kind kind;
	uint64_t off, len;
	unsigned char data[];
};

struct sim_name {
	atomic_uint refs;
	uint32_t hash, len;
	char text[];
};

struct sim_entry {
	struct sim_name *name; /* NULL: free */
	uint32_t ino[2];       /* 0: no such name on this side */
	uint32_t next;         /* in its bucket, or in the free list */
	uint32_t pending;      /* un-synced operations on it */
	uint32_t last_op;      /* the latest of these, valid when its number still is last_seq */
	uint64_t last_seq;
};

struct sim_body {
	atomic_uint refs;
	atomic_uint_fast64_t hash; /* 0: not known; a body that may change forgets it */
	enum os_file_type type;
	uint32_t mode;
	int64_t mtime_ns, ctime_ns;
	/* OS_FILE */
	uint64_t size[2], reserved;
	struct sim_table *table;
	struct sim_wop **wops;
	size_t nwops, wops_cap;
	/* OS_FILE and OS_DIR: a sync failed, the sides differ beyond what is pending */
	bool lost;
	/* OS_DIR */
	struct sim_entry *ents;
	uint32_t nents, ents_cap, free_ent, live;
	uint32_t *buckets, nbuckets;
	/* OS_LINK */
	struct sim_name *target;
};

struct sim_slot {
	struct sim_body *body; /* NULL: free */
	uint32_t refs;         /* entries of both sides, pending operations, descriptors, watches */
	uint32_t nlink;        /* volatile entries */
	uint32_t parent, ent;  /* a hint where its volatile entry is; exact parent for a directory */
	uint32_t first_change; /* a directory's pending operations: op * 2 + which, or SIM_NONE */
	uint32_t npending;
	uint32_t writers, leases, watchers;
	int lock_desc;         /* descriptor index that holds the lock, -1 */
	uint32_t err_seq;
	int err;
	uint64_t charged;      /* bytes of the capacity */
	uint32_t next_free;
	bool dirty;            /* is in sim->dirty */
};

struct sim_change {
	uint32_t dir, ent, ino; /* entry ent of dir becomes ino, 0: is gone */
	uint32_t prev_op;       /* the pending one before on this entry, valid when its number still is prev_seq */
	uint64_t prev_seq;
	uint32_t prev, next;    /* list of the directory's changes */
};

struct sim_dirop {
	uint64_t seq; /* 0: free */
	uint32_t n, next_free;
	bool marked;
	uint32_t touched;      /* whose change time it has set, 0: nobody's; lost with it */
	int64_t ctime_was_ns;
	struct sim_change c[2];
};

struct sim_marked {
	uint64_t seq;
	uint32_t op;
};

struct sim_event {
	int number;
	uint32_t mask;
	struct sim_name *name;
};

struct sim_item {
	int number;
	uint32_t ino, mask;
};

struct sim_watch {
	struct sim_item *items;
	uint32_t nitems, items_cap;
	int last_number;
	struct sim_event *events; /* from head on */
	uint32_t head, nevents, events_cap;
};

enum sim_desc_kind { DESC_FREE, DESC_INODE, DESC_WATCH };

struct sim_desc {
	enum sim_desc_kind kind;
	int process;
	uint32_t generation; /* upper half of its number, new with each use: an old number is never valid again */
	bool read, write, lease, mark;
	uint64_t mark_at;
	uint32_t ino, err_seen, next_free;
	struct sim_watch *watch;
};

struct sim_process {
	struct os_sim *sim;
	struct os os;
	bool alive;
	uint64_t start_ticks;
};

struct os_sim {
	pthread_mutex_t mutex;
	struct sim_process process[OS_SIM_PROCESSES_MAX];

	struct sim_slot *slots;
	uint32_t nslots, slots_cap, free_slot;
	uint32_t reaping; /* inodes to free, linked by next_free */
	bool reap_running;

	struct sim_dirop *dirops;
	uint32_t ndirops, dirops_cap, free_dirop, live_dirops;
	uint64_t seq;          /* of the latest entry operation */
	uint64_t committed;    /* ORDERED: all up to here were committed by a sync */
	struct sim_marked *batch; /* operations marked to be applied */
	uint32_t nbatch, batch_cap;
	uint32_t *dirty;       /* files and directories whose sides may differ */
	uint32_t ndirty, dirty_cap;

	struct sim_desc *descs;
	uint32_t ndescs, descs_cap, free_desc;
	unsigned bad_fds;
	size_t watch_events_max;

	uint64_t rng, user_rng; /* the disk's and faults'; what the table's random() hands out */
	uint64_t ops, stop_at;
	bool cutting, off; /* the power fails in this call; has failed */

	uint64_t fail_in; /* calls until the fault, 0: none */
	int fail_err;
	uint32_t fail_mask;
	bool fail_forever, fault_fired, faulting;

	uint64_t lie_in, lie_count, lies; /* syncs until the first lie; how many; told */
	enum os_sim_lie lie;
	uint32_t lied_ino;

	uint64_t capacity, used;
	enum os_fs_kind kind;
	bool read_only, leases;
	int64_t real_ns, boot_ns;
	uint64_t ticks; /* hands out start times */
	char boot_id[OS_BOOT_ID_SIZE];

	struct sim_kernel *kernel; /* files of /proc and /sys, and the space at paths */
	unsigned cpus;             /* 0: 4 */
	uint64_t kernel_calls;
};

struct sim_at {
	uint32_t dir, ent, ino; /* ino 0: not there */
	const char *name;       /* into the path or buf; len 0 for "." and the like */
	size_t len;
	bool must_dir;
	bool beneath; /* a link ends the walk: -EMLINK */
	char buf[4096];
};

/* os_sim.c */
struct os_sim *sim_lock(const struct os_sim *sim);
void sim_unlock(struct os_sim *sim);
void *sim_alloc(size_t bytes); /* never NULL */
void *sim_grow(void *array, size_t n, uint32_t *cap, size_t item);
uint64_t sim_random(uint64_t *state);
void sim_new_boot(struct os_sim *sim);
void sim_bind_process(struct os_sim *sim, int index);

static inline uint64_t sim_below(struct os_sim *sim, uint64_t n)
{
	return sim_random(&sim->rng) % n;
}

/* os_sim_table.c */
extern const struct os sim_table; /* self is missing */

/* os_sim_data.c */
void data_read(const struct sim_body *b, uint64_t off, void *out, size_t len);
void data_write(struct sim_body *b, uint64_t off, const void *data, size_t len);
void data_resize(struct sim_body *b, uint64_t size);
void data_sync(struct sim_body *b);
void data_lose(struct sim_body *b); /* a sync failed */
void data_cut(struct os_sim *sim, struct sim_body *b, const struct os_sim_cut *how);
void data_keep(struct sim_body *b, const struct sim_wop *op, uint64_t from, uint64_t to); /* a part of a write is on the disk */
uint64_t data_hash(const struct sim_body *b);                                            /* of size and bytes */
void data_copy(struct sim_body *to, const struct sim_body *from);
void data_release(struct sim_body *b);

/* os_sim_tree.c */
struct sim_name *name_new(const char *text, size_t len);
struct sim_name *name_ref(struct sim_name *name);
void name_unref(struct sim_name *name);
const struct sim_body *inode_body(const struct os_sim *sim, uint32_t ino);
struct sim_body *inode_mut(struct os_sim *sim, uint32_t ino);
uint32_t inode_new(struct os_sim *sim, enum os_file_type type, uint32_t mode);
void inode_ref(struct os_sim *sim, uint32_t ino);
void inode_unref(struct os_sim *sim, uint32_t ino);
void inode_dirty(struct os_sim *sim, uint32_t ino);
void inode_charge(struct os_sim *sim, uint32_t ino);
void body_unref(struct sim_body *b);
uint32_t entry_find(const struct sim_body *dir, const char *name, size_t len);
uint32_t entry_make(struct os_sim *sim, uint32_t dir, const char *name, size_t len);
void entry_set(struct os_sim *sim, uint32_t dir, uint32_t ent, int side, uint32_t ino);
void entry_prune(struct os_sim *sim, uint32_t dir, uint32_t ent);
uint32_t dirop_add(struct os_sim *sim, const struct sim_change *c, uint32_t n); /* changes the volatile side, too */
void dirop_add_touching(struct os_sim *sim, const struct sim_change *c, uint32_t n, uint32_t ino); /* and its change time */
void dirop_remove(struct os_sim *sim, uint32_t op);
void dirop_mark(struct os_sim *sim, uint32_t op);
void dirop_apply_marked(struct os_sim *sim);
void dir_sync(struct os_sim *sim, uint32_t dir);
void dir_lose(struct os_sim *sim, uint32_t dir);
void dir_restore(struct os_sim *sim, uint32_t dir); /* the volatile side becomes the durable one */
void inode_path(const struct os_sim *sim, uint32_t ino, char *out, size_t size);
int walk(struct os_sim *sim, uint32_t start, const char *path, bool follow, struct sim_at *at);
int walk_beneath(struct os_sim *sim, uint32_t start, const char *path, struct sim_at *at);

/* os_sim_watch.c */
struct sim_watch *watch_new(void);
struct sim_watch *watch_copy(const struct sim_watch *w);
void watch_release(struct sim_watch *w);                   /* memory only */
void watch_free(struct os_sim *sim, struct sim_watch *w); /* its hold on inodes, too */
int watch_add(struct os_sim *sim, struct sim_watch *w, uint32_t ino, uint32_t mask);
int watch_remove(struct os_sim *sim, struct sim_watch *w, int number);
bool watch_pop(struct sim_watch *w, struct sim_event *out); /* the event's name is the caller's then */
void watch_notify(struct os_sim *sim, uint32_t dir, uint32_t mask, struct sim_name *name);
void watch_gone(struct os_sim *sim, uint32_t dir);

/* os_sim_fs.c; all with the mutex held */
int fs_fd_new(struct os_sim *sim, int process, struct sim_desc **out); /* a number; the kind is to be set */
struct sim_desc *fs_desc(struct os_sim *sim, int process, int fd);     /* NULL: not open */
void fs_desc_close(struct os_sim *sim, struct sim_desc *d, bool quiet);
int fs_walk(struct os_sim *sim, int process, int dir, const char *path, struct sim_at *at);
int fs_open(struct os_sim *sim, int process, const struct sim_at *at, int flags, unsigned mode);
ssize_t fs_write(struct os_sim *sim, struct sim_desc *d, const void *data, size_t len, uint64_t off);
ssize_t fs_write_fault(struct os_sim *sim, struct sim_desc *d, const void *data, size_t len, uint64_t off, int err);
int fs_truncate(struct os_sim *sim, struct sim_desc *d, uint64_t size);
int fs_allocate(struct os_sim *sim, struct sim_desc *d, uint64_t size);
int fs_sync(struct os_sim *sim, struct sim_desc *d, bool metadata, int fault); /* fault: positive errno or 0 */
int fs_sync_all(struct os_sim *sim, int fault);
void fs_stat(const struct os_sim *sim, uint32_t ino, struct os_stat *st);
int fs_add(struct os_sim *sim, const struct sim_at *at, uint32_t ino);
int fs_rename(struct os_sim *sim, const struct sim_at *from, const struct sim_at *to);
int fs_unlink(struct os_sim *sim, const struct sim_at *at, bool dir);
int fs_mkdir(struct os_sim *sim, const struct sim_at *at, unsigned mode);
int fs_symlink(struct os_sim *sim, const struct sim_at *at, const char *target);
int fs_chmod(struct os_sim *sim, const struct sim_at *at, unsigned mode);
uint64_t fs_free_bytes(const struct os_sim *sim);

/* os_sim_states.c; of a clone of the machine that it was made of */
void states_cut_names(const struct os_sim_states *s, struct os_sim *sim);
void states_cut_file(const struct os_sim_states *s, struct os_sim *sim, uint32_t ino);

/* os_sim_kernel.c; all with the mutex held */
int kernel_read(struct os_sim *sim, const char *path, char *buf, size_t size);
struct sim_name **kernel_names(struct os_sim *sim, const char *dir, uint32_t *count); /* NULL: no such directory */
int kernel_space(struct os_sim *sim, const char *path, uint64_t *bytes, uint64_t *inodes, uint64_t *total);
struct sim_kernel *kernel_copy(const struct sim_kernel *from);
void kernel_free(struct sim_kernel *list);

#endif
