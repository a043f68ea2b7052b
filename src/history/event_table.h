/*
 * event_table.h - what encode.c and decode.c know of types and members, as tables. For src/history only.
 */
#ifndef HISTORY_EVENT_TABLE_H
#define HISTORY_EVENT_TABLE_H

#include "history/event.h"

struct event_type_info {
	const char *name;
	uint8_t name_len, class;
	uint32_t must, allowed; /* FIELD_...; allowed has must in it */
	struct slice type_json; /* ,"type":"NAME" */
	struct slice data_key;  /* what the payload is called, empty when there is none */
	struct slice data_json; /* ,"KEY": */
};

extern const struct event_type_info event_types[EVENT_TYPE_COUNT];

enum event_member_kind {
	KIND_HEAD,     /* seq, time, type: each its own way, in every event */
	KIND_DATA_KEY, /* a name that some type gives its payload */
	KIND_DATA,     /* the place of the payload in the order of members */
	KIND_TEXT,
	KIND_U32,
	KIND_U64,
	KIND_I64,
	KIND_TIME,
	KIND_SEED,
	KIND_ERROR,
	KIND_RETRY,
};

/* In the order in which they are written: name in JSON, kind, the FIELD_... it belongs to, place in struct event. */
#define EVENT_MEMBER_LIST(X)                                                                                           \
	X(SEQ, "seq", HEAD, 0, seq)                                                                                    \
	X(TIME, "time", HEAD, 0, time_ns)                                                                              \
	X(TYPE, "type", HEAD, 0, type)                                                                                 \
	X(REF, "ref", U64, FIELD_REF, ref)                                                                             \
	X(ATTEMPT, "attempt", U32, FIELD_ATTEMPT, attempt)                                                             \
	X(NAME, "name", TEXT, FIELD_NAME, name)                                                                        \
	X(VERSION, "version", TEXT, FIELD_VERSION, version)                                                            \
	X(INSTANCE, "instance", TEXT, FIELD_INSTANCE, instance)                                                        \
	X(ID, "id", TEXT, FIELD_ID, id)                                                                                \
	X(KEY, "key", TEXT, FIELD_KEY, key)                                                                            \
	X(FROM, "from", TEXT, FIELD_FROM, from)                                                                        \
	X(TAG, "tag", TEXT, FIELD_TAG, tag)                                                                            \
	X(SESSION, "session", TEXT, FIELD_SESSION, session)                                                            \
	X(PRIORITY, "priority", U32, FIELD_PRIORITY, priority)                                                         \
	X(STATUS, "status", TEXT, FIELD_STATUS, status)                                                                \
	X(REASON, "reason", TEXT, FIELD_REASON, reason)                                                                \
	X(EXECUTION, "execution", U64, FIELD_EXECUTION, execution)                                                     \
	X(PARENT, "parent", TEXT, FIELD_PARENT, parent)                                                                \
	X(PARENT_EXECUTION, "parent_execution", U64, FIELD_PARENT, parent_execution)                                   \
	X(PARENT_REF, "parent_ref", U64, FIELD_PARENT, parent_ref)                                                     \
	X(SEED, "seed", SEED, FIELD_SEED, seed)                                                                        \
	X(START_AT, "start_at", TIME, FIELD_START_AT, start_at_ns)                                                     \
	X(DELAY, "delay_ms", I64, FIELD_DELAY, delay_ms)                                                               \
	X(UNTIL, "until", TIME, FIELD_UNTIL, until_ns)                                                                 \
	X(PAYLOAD, "", DATA, FIELD_DATA, data)                                                                         \
	X(INPUT, "input", DATA_KEY, 0, data)                                                                           \
	X(OUTPUT, "output", DATA_KEY, 0, data)                                                                         \
	X(DATA, "data", DATA_KEY, 0, data)                                                                             \
	X(VALUE, "value", DATA_KEY, 0, data)                                                                           \
	X(ENTITIES, "entities", DATA_KEY, 0, data)                                                                     \
	X(ERROR, "error", ERROR, FIELD_ERROR, error)                                                                   \
	X(RETRY, "retry", RETRY, FIELD_RETRY, retry)                                                                   \
	X(BOOT, "boot", TEXT, FIELD_DUE, due.boot)                                                                     \
	X(BOOT_MS, "boot_ms", I64, FIELD_DUE, due.boot_ms)                                                             \
	X(FIRE_AT, "fire_at", TIME, FIELD_DUE, due.at_ns)

enum event_member {
	MEMBER_NONE,
#define MEMBER_X(id, name, kind, field, place) MEMBER_##id,
	EVENT_MEMBER_LIST(MEMBER_X)
#undef MEMBER_X
	MEMBER_COUNT
};

struct event_member_info {
	struct slice name, json; /* json: ,"NAME": */
	uint32_t field;
	uint16_t place; /* offset in struct event */
	uint8_t kind;
};

extern const struct event_member_info event_members[MEMBER_COUNT];

enum event_member event_member_find(struct slice name);

/* Split off the checksum column and compare. 0, PAWL_EPARSE (no such column) or PAWL_ECORRUPT. */
int event_line_check(struct slice line, struct slice *json) PAWL_MUST_USE;

#endif
