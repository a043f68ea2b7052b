/*
 * carrier.h - what an activity carries with it: the file `carrier` in its work directory, JSON, for the activity itself
 * and for the reading verbs. It is written again at each change of state, unsynced (I4: history can rebuild all of it but
 * the reasons of the moment), under a hidden name and renamed, so that a reader sees the old one or the new one.
 *
 *	{"key":"u1/1/7","instance":"u1","execution":1,"seq":7,"activity":"flash","tag":"gpu","iteration":2,
 *	 "state":"Active","timestamp":"2026-11-21T12:41:00.000000Z","boot":"0a1b2c3d","boot_ms":123456,
 *	 "process":4712,"process_start":123456,"worker":"4712","timeout_ms":60000,"heartbeat_ms":5000,"next":"2026-...","reason":"...",
 *	 "payload":"firmware.bin",
 *	 "records":[{"key":"u1/1/3","activity":"unpack","state":"Completed","timestamp":"..."}],"records_cut":true}
 *
 * Members without a value are left out. payload: as in history (JSON objects and arrays as such, else a string; base64
 * with "payload_encoding":"base64" when it is no UTF-8); over PAWL_SPILL_BYTES it is "payload_file":"input".
 * records: the earlier activity records of the instance, oldest first, the newest CARRIER_RECORDS_MAX of them.
 */
#ifndef RUNTIME_CARRIER_H
#define RUNTIME_CARRIER_H

#include "base/arena.h"
#include "base/buf.h"
#include "os/os.h"
#include "runtime/activity_state.h"
#include <stdint.h>

#define CARRIER_FILE "carrier"
#define CARRIER_RECORDS_MAX 64
#define CARRIER_HISTORY_BYTES_MAX (256 * 1024) /* of a longer history no records are taken: it would hold up the loop */
#define CARRIER_BYTES_MAX (256 * 1024)

struct activity_record {
	struct slice key, activity;
	enum activity_state state;
	int64_t time_ns; /* CLOCK_REALTIME */
};

struct carrier {
	const char *instance, *activity, *key, *tag, *worker, *reason; /* NULL = none; worker: of an outside worker */
	uint64_t execution, seq;
	uint32_t iteration;
	enum activity_state state;
	int64_t time_ns;                 /* since when it is in that state */
	char boot[9];                    /* in which boot (first digits of the boot id), and CLOCK_BOOTTIME then */
	int64_t boot_ms;
	int32_t process;                 /* who lives as long as the attempt: its shim, or the outside worker; 0 = none */
	int64_t process_start;           /* of an outside worker: its start time in clock ticks (I10) */
	int64_t timeout_ms, heartbeat_ms; /* 0 = none */
	int64_t next_ns;                 /* next look or attempt; 0 = none */
	struct slice payload;            /* SLICE_NONE = none */
	bool payload_in_file;
	struct slice records;            /* a JSON array as text, or SLICE_NONE */
	bool records_cut;
};

/* The records of a history (its text: docs/FORMAT.md) as a JSON array: of each activity that was scheduled before line
 * `before` (0 = all), the newest state, oldest first. Sets *cut when there were more. 0, PAWL_ENOMEM, or what reading
 * the history says. */
int carrier_records(struct buf *out, struct slice history_text, const char *instance, uint64_t execution, uint64_t before,
                    bool *cut, struct pawl_error *err) PAWL_MUST_USE;
int carrier_encode(struct buf *out, const struct carrier *c) PAWL_MUST_USE;           /* one object and a newline; PAWL_ENOMEM */
/* Texts go to the arena. Unknown members are skipped, missing ones are zero. PAWL_EPARSE, PAWL_ENOMEM. */
int carrier_decode(struct carrier *c, struct slice text, struct arena *arena, struct pawl_error *err) PAWL_MUST_USE;

/* dir: the work directory, which must be there (-ENOENT else). -errno. */
int carrier_write(const struct os *os, const char *dir, const struct carrier *c) PAWL_MUST_USE;
/* PAWL_ENOTFOUND when there is none. */
int carrier_read(const struct os *os, const char *dir, struct carrier *c, struct arena *arena, struct pawl_error *err) PAWL_MUST_USE;

/* What the activity says of itself. `progress`: "42", "42%", "42 text", "text", "3/7 text"; first line, at most 200 bytes. */
struct progress {
	int percent;        /* -1 = not said */
	char text[201];     /* "" = none; control characters as '?' */
	int64_t time_ns;    /* CLOCK_REALTIME of the file */
};
bool progress_parse(struct progress *p, struct slice text);
bool progress_read(const struct os *os, const char *dir, struct progress *p);   /* false when there is none */
int64_t heartbeat_read(const struct os *os, const char *dir);                   /* mtime of heartbeat or progress, the newer; 0 = none */

#endif
