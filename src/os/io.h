/*
 * io.h - what this process has written to files, by why: bytes, syncs, and names (of files and directories: made, renamed,
 * removed). os_linux.c counts, whoever knows why says so (IO_BECAUSE), and a reader in another process looks at the
 * counters without waking anybody: they are in a page of memory that /proc/PID/fd shows. Nothing is written for it.
 *
 * Any thread. With WITH_METRICS=no nothing of it is there.
 */
#ifndef OS_IO_H
#define OS_IO_H

#include "base/parts.h"
#include "os/os.h"

/* The words are shown to people and are labels of metrics: they stay. */
#define IO_CAUSE_LIST(X)                                                                        \
	X(OTHER, "other", "what has no cause of its own")                                       \
	X(COMMIT, "commit", "frames of the journal: the steps")                                 \
	X(SEGMENT, "segment", "journal segments made, filled with zeros, taken again, removed") \
	X(PAYLOAD, "payload", "files of payloads over 32 KiB")                                  \
	X(HISTORY, "history", "history files, and their checkpoints")                           \
	X(INSTANCE, "instance", "directories of instances made and moved, notes")               \
	X(MESSAGE, "message", "messages and dropped events taken and refused")                  \
	X(WORK, "work", "work directories of activities")                                       \
	X(QUEUE, "queue", "work queue and dead letters")                                        \
	X(REMOVAL, "removal", "purge, retention, compaction")                                   \
	X(OWNER, "owner", "making, opening, recovering and closing the hub; its lock")

enum io_cause {
#define IO_ENUM(name, word, text) IO_##name,
	IO_CAUSE_LIST(IO_ENUM)
#undef IO_ENUM
	IO_CAUSES
};

enum io_kind { IO_BYTES, IO_SYNCS, IO_NAMES, IO_KINDS };

#define IO_NUMBERS_MAX 32

/* As it lies in memory. Readers take it only with the same magic, which changes with any of this. */
struct io_page {
	char magic[8];
	uint32_t cause_count, number_count;
	int64_t since_ns, awake_ns;         /* CLOCK_REALTIME and CLOCK_BOOTTIME of io_share */
	uint64_t written[IO_CAUSES][IO_KINDS];
	uint64_t numbers[IO_NUMBERS_MAX];   /* of whoever called io_tell */
};

#if PAWL_WITH_METRICS

/* What this thread writes from now on is because of that; what it was before. */
enum io_cause io_because(enum io_cause cause);
void io_restore(const enum io_cause *before);
/* The same up to the end of the block. */
#define IO_BECAUSE(cause) __attribute__((cleanup(io_restore), unused)) const enum io_cause io_before = io_because(cause)

void io_count(enum io_kind kind, uint64_t n);
/* Others may look from now on; what was counted so far is kept. A kernel without memfd shows nothing. */
void io_share(int64_t real_ns, int64_t boot_ns);
void io_tell(const uint64_t *numbers, size_t count);
/* Of another process, or this one. -ENOENT: it shares nothing, or what another version of pawl does; -EACCES: it is not for us. */
int io_look(const struct os *os, int32_t pid, struct io_page *out);
const char *io_cause_name(enum io_cause cause);

#else
#define IO_BECAUSE(cause)
static inline void io_count(enum io_kind kind, uint64_t n) { (void)kind, (void)n; }
#endif
#endif
