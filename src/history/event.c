#include "event_table.h"
#include <stddef.h>

/* The short words of EVENT_TYPE_LIST. */
enum { IN = EVENT_IN, DECISION = EVENT_DECISION };
enum {
	REF = FIELD_REF,
	NAME = FIELD_NAME,
	VERSION = FIELD_VERSION,
	DATA = FIELD_DATA,
	DELAY = FIELD_DELAY,
	UNTIL = FIELD_UNTIL,
	DUE = FIELD_DUE,
	ERROR = FIELD_ERROR,
	ATTEMPT = FIELD_ATTEMPT,
	RETRY = FIELD_RETRY,
	REASON = FIELD_REASON,
	ID = FIELD_ID,
	KEY = FIELD_KEY,
	INSTANCE = FIELD_INSTANCE,
	EXECUTION = FIELD_EXECUTION,
	PARENT = FIELD_PARENT,
	SEED = FIELD_SEED,
	TAG = FIELD_TAG,
	SESSION = FIELD_SESSION,
	STATUS = FIELD_STATUS,
	FROM = FIELD_FROM,
	START_AT = FIELD_START_AT,
	PRIORITY = FIELD_PRIORITY,
};

#define LIT(text) { (text), sizeof(text) - 1 }

const struct event_type_info event_types[EVENT_TYPE_COUNT] = {
	[EVENT_UNKNOWN] = { "Unknown", 0, 0, 0, 0, LIT(""), LIT(""), LIT("") },
#define TYPE_X(name, class, must, may, data)                                                                           \
	[EVENT_##name] = { #name,                                                                                      \
		           sizeof(#name) - 1,                                                                          \
		           (class),                                                                                    \
		           (must),                                                                                     \
		           (must) | (may),                                                                             \
		           LIT(",\"type\":\"" #name "\""),                                                             \
		           LIT(data),                                                                                  \
		           LIT(",\"" data "\":") },
	EVENT_TYPE_LIST(TYPE_X)
#undef TYPE_X
};

const struct event_member_info event_members[MEMBER_COUNT] = {
	[MEMBER_NONE] = { LIT(""), LIT(""), 0, 0, KIND_HEAD },
#define MEMBER_X(id, name, kind, field, where)                                                                         \
	[MEMBER_##id] = { LIT(name), LIT(",\"" name "\":"), (field), offsetof(struct event, where), KIND_##kind },
	EVENT_MEMBER_LIST(MEMBER_X)
#undef MEMBER_X
};

#define MEMBER_NAME_MAX 16

/* By length of name: at most eight to look at. */
static const uint8_t members_by_len[MEMBER_NAME_MAX + 1][8] = {
	[2] = { MEMBER_ID },
	[3] = { MEMBER_SEQ, MEMBER_REF, MEMBER_KEY, MEMBER_TAG },
	[4] = { MEMBER_TYPE, MEMBER_NAME, MEMBER_TIME, MEMBER_DATA, MEMBER_BOOT, MEMBER_FROM, MEMBER_SEED },
	[5] = { MEMBER_INPUT, MEMBER_ERROR, MEMBER_RETRY, MEMBER_UNTIL, MEMBER_VALUE },
	[6] = { MEMBER_OUTPUT, MEMBER_STATUS, MEMBER_REASON, MEMBER_PARENT },
	[7] = { MEMBER_ATTEMPT, MEMBER_VERSION, MEMBER_FIRE_AT, MEMBER_BOOT_MS, MEMBER_SESSION },
	[8] = { MEMBER_INSTANCE, MEMBER_DELAY, MEMBER_ENTITIES, MEMBER_START_AT, MEMBER_PRIORITY },
	[9] = { MEMBER_EXECUTION },
	[10] = { MEMBER_PARENT_REF },
	[16] = { MEMBER_PARENT_EXECUTION },
};

enum event_member event_member_find(struct slice name)
{
	if (name.len > MEMBER_NAME_MAX)
		return MEMBER_NONE;
	for (const uint8_t *m = members_by_len[name.len]; *m; m++) {
		const char *known = event_members[*m].name.data;
		if (known[0] == name.data[0] && memcmp(known, name.data, name.len) == 0)
			return (enum event_member)*m;
	}
	return MEMBER_NONE;
}

const char *event_type_name(enum event_type type)
{
	return event_types[type].name;
}

unsigned event_type_class(enum event_type type)
{
	return event_types[type].class;
}

enum event_type event_type_by_name(struct slice name)
{
	for (int i = EVENT_UNKNOWN + 1; i < EVENT_TYPE_COUNT; i++)
		if (event_types[i].name_len == name.len && memcmp(event_types[i].name, name.data, name.len) == 0)
			return (enum event_type)i;
	return EVENT_UNKNOWN;
}

bool event_is_requeue(const struct event *e)
{
	return e->type == EVENT_ActivityRetrying && slice_is(e->error.kind, EVENT_KIND_REQUEUED) &&
	       slice_is(e->error.code, EVENT_CODE_REQUEUED);
}

bool event_is_delivered(const struct event *e)
{
	switch (e->type) {
	case EVENT_ExecutionStarted:
		return e->fields & (FIELD_PARENT | FIELD_EXECUTION) || (e->fields & FIELD_FROM && e->from.len > 0 && e->from.data[0] == '@');
	case EVENT_ChildCompleted:
	case EVENT_ChildFailed:
	case EVENT_ChildRetrying:
	case EVENT_SendCompleted:
	case EVENT_SendFailed:
	case EVENT_ValueReceived:
	case EVENT_EntityReplied:
	case EVENT_EntityLockGranted:
	case EVENT_KeyValueCarried:
	case EVENT_TopicCarried:
		return true;
	default:
		return e->fields & FIELD_FROM && e->from.len > 0 && e->from.data[0] == '@';
	}
}

static bool copy_in_place(struct slice *s, struct arena *arena)
{
	if (!s->data)
		return true;
	*s = arena_copy(arena, *s);
	return s->data != NULL;
}

int event_copy(struct event *to, const struct event *from, struct arena *arena)
{
	struct slice *const texts[] = {
		&to->name,       &to->version,       &to->reason,        &to->id,        &to->key,
		&to->instance,   &to->tag,           &to->session,       &to->status,    &to->from,
		&to->data,       &to->data_file,     &to->due.boot,      &to->parent,    &to->error.kind,
		&to->error.code, &to->error.message, &to->error.details, &to->type_name, &to->extra,
	};

	*to = *from;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!copy_in_place(texts[i], arena))
			return PAWL_ENOMEM;
	for (uint32_t i = 0; i < to->retry.code_count; i++)
		if (!copy_in_place(&to->retry.codes[i], arena))
			return PAWL_ENOMEM;
	return 0;
}
