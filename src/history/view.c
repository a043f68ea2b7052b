#include "view.h"
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

/* A list is walked up to here; beyond, an index finds an item. */
#define INDEX_MIN 32
#define MESSAGES_MAX 0xffffffu /* what the bit-field holds: far more than a history may */

/* External events of one name. `taken` has the waits that got one, for EventUnsubscribed: none may be forgotten, as the
 * code can drop a wait at any time after. */
struct event_name {
	struct event_name *next;
	uint32_t buffered, taken_count, taken_cap;
	uint64_t *taken;
	size_t len;
	char name[];
};

static const struct {
	enum instance_status status;
	const char *name;
} statuses[] = {
	{ STATUS_RUNNING, "Running" },       { STATUS_COMPLETED, "Completed" },
	{ STATUS_CONTINUED_AS_NEW, "ContinuedAsNew" }, { STATUS_FAILED, "Failed" },
	{ STATUS_CANCELED, "Canceled" },     { STATUS_TERMINATED, "Terminated" },
	{ STATUS_PENDING, "Pending" },       { STATUS_SUSPENDED, "Suspended" },
};
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

const char *status_name(enum instance_status status)
{
	for (size_t i = 0; i < STATUS_COUNT; i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return "Unknown";
}

int status_parse(const char *name, enum instance_status *status)
{
	for (size_t i = 0; i < STATUS_COUNT; i++) {
		if (strcasecmp(statuses[i].name, name) == 0) {
			*status = statuses[i].status;
			return 0;
		}
	}
	return PAWL_EPARSE;
}

void view_init(struct view *v)
{
	*v = (struct view){ .status = STATUS_PENDING, .next_seq = 1 };
}

static void end_reboot(struct open_item *item)
{
	if (!item->rebooting)
		return; /* the union may hold a time */
	free(item->reboot_output);
	item->reboot_output = NULL;
	item->rebooting = item->output_in_file = false;
	item->reboot_output_len = 0;
}

static void item_free(struct open_item *item)
{
	end_reboot(item);
	free(item->last_error);
	free(item->line);
	free(item);
}

void view_release(struct view *v)
{
	for (struct open_item *item = v->open, *next; item; item = next) {
		next = item->next;
		item_free(item);
	}
	for (struct event_name *n = v->event_names, *next; n; n = next) {
		next = n->next;
		free(n->taken);
		free(n);
	}
	view_clear_values(v, SLICE_NONE);
	free(v->type); /* and version */
	free(v->custom_status);
	free(v->output);
	free(v->output_file);
	free(v->error_code);
	free(v->error_message);
	free(v->reason);
	free(v->open_index);
	view_init(v);
}

static void put_text(char *to, struct slice s)
{
	if (s.len > 0)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
}

static char *text_dup(struct slice s)
{
	char *copy = malloc(s.len + 1);

	if (copy)
		put_text(copy, s);
	return copy;
}

/* NONE makes it NULL. */
static int set_text(char **to, struct slice s)
{
	char *copy = s.data ? text_dup(s) : NULL;

	if (s.data && !copy)
		return PAWL_ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static struct slice data_of(const struct event *e)
{
	return (e->fields & FIELD_DATA) && !e->data_file.data ? e->data : SLICE_NONE;
}

/* Finding items. */

/* Index of the first item with at least this seq. */
static uint32_t index_place(const struct view *v, uint64_t seq)
{
	uint32_t low = 0, high = v->open_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (v->open_index[mid]->seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The item with this seq and the one before it in the list; NULL when it is not open. */
static struct open_item *find(const struct view *v, uint64_t seq, struct open_item **before)
{
	*before = NULL;
	if (v->open_index) {
		uint32_t i = index_place(v, seq);
		if (i > 0)
			*before = v->open_index[i - 1];
		return i < v->open_count && v->open_index[i]->seq == seq ? v->open_index[i] : NULL;
	}
	for (struct open_item *item = v->open; item && item->seq <= seq; item = item->next) {
		if (item->seq == seq)
			return item;
		*before = item;
	}
	return NULL;
}

struct open_item *view_find(const struct view *v, uint64_t seq)
{
	struct open_item *before;
	return find(v, seq, &before);
}

/* Room for one more; the index is made when the list gets long. */
static int index_grow(struct view *v)
{
	if (v->open_index ? v->open_count < v->open_index_cap : v->open_count < INDEX_MIN)
		return 0;
	uint32_t cap = v->open_index ? v->open_index_cap * 2 : INDEX_MIN * 2;
	struct open_item **index = realloc(v->open_index, cap * sizeof(*index));
	if (!index)
		return PAWL_ENOMEM;
	if (!v->open_index) {
		uint32_t i = 0;
		for (struct open_item *item = v->open; item; item = item->next)
			index[i++] = item;
	}
	v->open_index = index;
	v->open_index_cap = cap;
	return 0;
}

static int append(struct view *v, struct open_item *item)
{
	if (index_grow(v) < 0)
		return PAWL_ENOMEM;
	if (v->open_index)
		v->open_index[v->open_count] = item;
	if (v->open_last)
		v->open_last->next = item;
	else
		v->open = item;
	v->open_last = item;
	v->open_count++;
	return 0;
}

static void index_drop(struct view *v, uint64_t seq)
{
	if (!v->open_index)
		return;
	uint32_t i = index_place(v, seq);
	memmove(&v->open_index[i], &v->open_index[i + 1], (v->open_count - i - 1) * sizeof(v->open_index[0]));
	if (v->open_count == 1) {
		free(v->open_index);
		v->open_index = NULL;
		v->open_index_cap = 0;
	}
}

static void remove_item(struct view *v, struct open_item *item, struct open_item *before)
{
	index_drop(v, item->seq);
	if (before)
		before->next = item->next;
	else
		v->open = item->next;
	if (v->open_last == item)
		v->open_last = before;
	v->open_count--;
	item_free(item);
}

/* Items. */

#define FIELDS_IN_ITEM (FIELD_NAME | FIELD_DELAY | FIELD_UNTIL | FIELD_DUE)

static void set_due(struct open_item *item, const struct event *e)
{
	size_t len = e->due.boot.len < sizeof(item->boot) ? e->due.boot.len : sizeof(item->boot) - 1;

	item->has_due = e->fields & FIELD_DUE;
	item->due = item->has_due ? e->due : (struct due){ .boot = SLICE_NONE };
	if (!item->due.boot.data)
		return;
	put_text(item->boot, slice_make(e->due.boot.data, len));
	item->due.boot = slice_make(item->boot, len);
}

static int set_line(struct open_item *item, const struct event *e)
{
	struct event copy = *e;
	struct buf line = BUF_INIT;

	copy.has_time = false;
	int rc = event_encode(&line, &copy);
	if (rc == 0) {
		char *exact = realloc(line.data, line.len + 1); /* it stays for long */
		free(item->line);
		item->line = exact ? exact : line.data;
		buf_init(&line);
	}
	buf_release(&line);
	return rc;
}

/* Not sizeof, which is padded behind the place of the name: it counts with so many. */
static size_t item_size(size_t name_len)
{
	size_t size = offsetof(struct open_item, name) + name_len + 1;
	return size < sizeof(struct open_item) ? sizeof(struct open_item) : size;
}

static struct open_item *item_new(const struct event *e)
{
	struct slice name = e->fields & FIELD_NAME ? e->name : SLICE_NONE;
	struct open_item *item = calloc(1, item_size(name.len));

	if (!item)
		return NULL;
	item->seq = e->seq;
	item->type = e->type;
	item->attempt = 1;
	item->fields = e->fields;
	item->delay_ms = e->fields & FIELD_DELAY ? e->delay_ms : 0;
	if (e->fields & FIELD_UNTIL)
		item->until_ns = e->until_ns;
	set_due(item, e);
	put_text(item->name, name);
	return item;
}

static int open_item(struct view *v, const struct event *e)
{
	struct open_item *item = item_new(e);
	int rc = item ? 0 : PAWL_ENOMEM;

	if (rc == 0 && ((e->fields & ~(uint32_t)FIELDS_IN_ITEM) || e->extra.len > 0))
		rc = set_line(item, e);
	if (rc == 0)
		rc = append(v, item);
	if (rc < 0 && item)
		item_free(item);
	return rc;
}

int open_item_event(const struct open_item *item, struct event *out, struct arena *arena)
{
	if (item->line) {
		/* what this program wrote in its own memory parses, or memory ran out */
		int rc = event_decode(out, slice_make(item->line, strlen(item->line) - 1), arena, NULL);
		return rc < 0 && rc != PAWL_ENOMEM ? PAWL_EBUG : rc;
	}
	*out = (struct event){ .type = item->type, .seq = item->seq, .fields = item->fields };
	out->name = item->fields & FIELD_NAME ? slice_of(item->name) : SLICE_NONE;
	out->delay_ms = item->fields & FIELD_DELAY ? item->delay_ms : 0;
	out->until_ns = item->fields & FIELD_UNTIL ? item->until_ns : 0;
	if (item->fields & FIELD_DUE)
		out->due = item->due;
	return 0;
}

/* An answer to something that cannot be open: damage, or the schedule was an event that only a newer pawl knows. */
static int answers_nothing(const struct view *v)
{
	return v->has_unknown ? 0 : PAWL_ECORRUPT;
}

static int close_item(struct view *v, const struct event *e, enum event_type type)
{
	struct open_item *before, *item = find(v, e->ref, &before);

	if (!item || item->type != type)
		return answers_nothing(v);
	remove_item(v, item, before);
	return 0;
}

static int set_last_error(struct open_item *item, const struct failure *f)
{
	struct buf text = BUF_INIT;

	buf_add_slice(&text, f->code);
	if (f->code.len > 0 && f->message.len > 0)
		buf_adds(&text, ": ");
	buf_add_slice(&text, f->message);
	char *error = buf_detach(&text, NULL);
	if (!error)
		return PAWL_ENOMEM;
	free(item->last_error);
	item->last_error = error;
	return 0;
}

/* A child that is tried again is another instance. */
static int set_instance(struct open_item *item, struct slice instance)
{
	struct arena arena;
	struct event e;

	arena_init(&arena, 0);
	int rc = open_item_event(item, &e, &arena);
	if (rc == 0) {
		e.instance = instance;
		rc = set_line(item, &e);
	}
	arena_release(&arena);
	return rc;
}

static int retry_item(struct view *v, const struct event *e, enum event_type type)
{
	struct open_item *item = view_find(v, e->ref);

	if (!item || item->type != type)
		return answers_nothing(v);
	if (e->attempt == UINT32_MAX)
		return PAWL_ECORRUPT;
	end_reboot(item);
	item->attempt = e->attempt + 1;
	item->delay_ms = e->delay_ms;
	item->held = e->type == EVENT_ActivityRetrying && e->delay_ms == EVENT_DELAY_HELD;
	set_due(item, e);
	item->has_due = item->has_due && !item->held;
	int rc = set_last_error(item, &e->error);
	if (rc == 0 && (e->fields & FIELD_INSTANCE))
		rc = set_instance(item, e->instance);
	return rc;
}

/* Its output, or the name of the file that holds it with the file's checksum behind the NUL. */
static char *keep_output(const struct event *e)
{
	struct slice text = e->data_file.data ? e->data_file : e->data;
	char *kept = malloc(text.len + 1 + sizeof(e->data_crc));

	if (!kept)
		return NULL;
	put_text(kept, text);
	memcpy(kept + text.len + 1, &e->data_crc, sizeof(e->data_crc));
	return kept;
}

static int reboot(struct view *v, const struct event *e)
{
	struct open_item *item = view_find(v, e->ref);
	char *output = NULL;

	if (!item || item->type != EVENT_ActivityScheduled)
		return answers_nothing(v);
	if ((e->fields & FIELD_DATA) && !(output = keep_output(e)))
		return PAWL_ENOMEM;
	end_reboot(item);
	item->rebooting = true;
	item->held = false;
	item->reboot_output = output;
	item->output_in_file = output && e->data_file.data;
	item->reboot_output_len = !output ? 0 : item->output_in_file ? (size_t)e->data_len : e->data.len;
	set_due(item, e);
	return 0;
}

void open_item_output(const struct open_item *item, struct event *out)
{
	if (!item->rebooting || !item->reboot_output)
		return;
	out->fields |= FIELD_DATA;
	if (!item->output_in_file) {
		out->data = slice_make(item->reboot_output, item->reboot_output_len);
		return;
	}
	out->data = SLICE_NONE;
	out->data_file = slice_of(item->reboot_output);
	out->data_len = item->reboot_output_len;
	memcpy(&out->data_crc, item->reboot_output + out->data_file.len + 1, sizeof(out->data_crc));
}

static int count_message(struct view *v, const struct event *e)
{
	struct open_item *item = view_find(v, e->ref);

	if (!item || item->type != EVENT_ActivityScheduled)
		return answers_nothing(v);
	if (item->messages < MESSAGES_MAX)
		item->messages = (item->messages + 1) & MESSAGES_MAX;
	return 0;
}

static int cancel_child(struct view *v, const struct event *e)
{
	struct open_item *item = view_find(v, e->ref);

	if (!item || item->type != EVENT_ChildScheduled)
		return answers_nothing(v);
	item->cancel_requested = true;
	return 0;
}

/* A lock that was not granted yet is open; one that was is not, and unlocking changes nothing here. */
static int unlock(struct view *v, const struct event *e)
{
	struct open_item *before, *item = find(v, e->ref, &before);

	if (item && item->type != EVENT_EntityLockRequested)
		return answers_nothing(v);
	if (item)
		remove_item(v, item, before);
	return 0;
}

/* External events. */

static struct event_name *name_find(const struct view *v, struct slice name)
{
	struct event_name *n = v->event_names;

	while (n && !slice_eq(slice_make(n->name, n->len), name))
		n = n->next;
	return n;
}

static struct event_name *name_get(struct view *v, struct slice name)
{
	struct event_name *n = name_find(v, name);

	if (n)
		return n;
	n = calloc(1, sizeof(*n) + name.len + 1);
	if (!n)
		return NULL;
	put_text(n->name, name);
	n->len = name.len;
	n->next = v->event_names;
	v->event_names = n;
	return n;
}

static int add_taken(struct event_name *n, uint64_t seq)
{
	if (n->taken_count == n->taken_cap) {
		uint32_t cap = n->taken_cap ? n->taken_cap * 2 : 2;
		uint64_t *taken = realloc(n->taken, cap * sizeof(*taken));
		if (!taken)
			return PAWL_ENOMEM;
		n->taken = taken;
		n->taken_cap = cap;
	}
	n->taken[n->taken_count++] = seq;
	return 0;
}

static bool drop_taken(struct event_name *n, uint64_t seq)
{
	for (uint32_t i = n->taken_count; i-- > 0;) {
		if (n->taken[i] != seq)
			continue;
		memmove(&n->taken[i], &n->taken[i + 1], (n->taken_count - i - 1) * sizeof(n->taken[0]));
		n->taken_count--;
		return true;
	}
	return false;
}

/* An event for the oldest wait, or for the buffer. */
static int give(struct view *v, struct event_name *n)
{
	struct open_item *before = NULL, *item = v->open;

	while (item && (item->type != EVENT_EventSubscribed || strcmp(item->name, n->name) != 0)) {
		before = item;
		item = item->next;
	}
	if (!item) {
		n->buffered++;
		v->event_count++;
		return 0;
	}
	if (add_taken(n, item->seq) < 0)
		return PAWL_ENOMEM;
	remove_item(v, item, before);
	return 0;
}

static int raise_event(struct view *v, const struct event *e)
{
	struct event_name *n = name_get(v, e->name);
	return n ? give(v, n) : PAWL_ENOMEM;
}

static int subscribe(struct view *v, const struct event *e)
{
	struct event_name *n = name_find(v, e->name);

	if (!n || n->buffered == 0)
		return open_item(v, e);
	n->buffered--;
	v->event_count--;
	return add_taken(n, e->seq);
}

static int unsubscribe(struct view *v, const struct event *e)
{
	struct open_item *before, *item = find(v, e->ref, &before);

	if (item && item->type == EVENT_EventSubscribed) {
		remove_item(v, item, before);
		return 0;
	}
	for (struct event_name *n = v->event_names; n; n = n->next)
		if (drop_taken(n, e->ref))
			return give(v, n);
	return answers_nothing(v);
}

/* The execution itself. */

static int start(struct view *v, const struct event *e)
{
	v->type = malloc(e->name.len + 1 + e->version.len + 1);
	if (!v->type)
		return PAWL_ENOMEM;
	v->version = v->type + e->name.len + 1;
	put_text(v->type, e->name);
	put_text(v->version, e->version);
	v->status = STATUS_RUNNING;
	v->created_ns = e->time_ns;
	return e->fields & FIELD_STATUS ? set_text(&v->custom_status, e->status) : 0;
}

/* The reason of a cancel request is still one when the event that follows from it has none. */
static int set_reason(struct view *v, const struct event *e)
{
	if (e->fields & FIELD_REASON)
		return set_text(&v->reason, e->reason);
	return v->cancel_requested ? 0 : set_text(&v->reason, SLICE_NONE);
}

static int complete(struct view *v, const struct event *e)
{
	struct slice output = data_of(e);

	v->status = STATUS_COMPLETED;
	v->output_len = output.len;
	if (!(e->fields & FIELD_DATA) || output.data)
		return set_text(&v->output, output);
	v->output_len = (size_t)e->data_len;
	return set_text(&v->output_file, e->data_file);
}

static int set_error(struct view *v, const struct event *e)
{
	int rc = set_text(&v->error_code, e->error.code);
	return rc < 0 ? rc : set_text(&v->error_message, e->error.message);
}

static int fail(struct view *v, const struct event *e)
{
	v->status = STATUS_FAILED;
	return set_error(v, e);
}

static int cancel(struct view *v, const struct event *e)
{
	v->status = STATUS_CANCELED;
	int rc = set_reason(v, e);
	return rc == 0 && (e->fields & FIELD_ERROR) ? set_error(v, e) : rc;
}

static int suspend(struct view *v, const struct event *e)
{
	v->suspended = true;
	v->status = STATUS_SUSPENDED;
	return set_reason(v, e);
}

static int resume(struct view *v)
{
	v->suspended = false;
	v->status = STATUS_RUNNING;
	return v->cancel_requested ? 0 : set_text(&v->reason, SLICE_NONE);
}

static int request_cancel(struct view *v, const struct event *e)
{
	v->cancel_requested = true;
	return set_reason(v, e);
}

static int end_with(struct view *v, enum instance_status status, const struct event *e)
{
	v->status = status;
	return set_reason(v, e);
}

static int set_custom_status(struct view *v, const struct event *e)
{
	v->custom_status_version++;
	return set_text(&v->custom_status, data_of(e));
}

static int apply(struct view *v, const struct event *e)
{
	switch (e->type) {
	case EVENT_UNKNOWN:
		v->has_unknown = true;
		return 0;
	case EVENT_ExecutionStarted:
		return start(v, e);
	case EVENT_ExecutionCompleted:
		return complete(v, e);
	case EVENT_ExecutionFailed:
		return fail(v, e);
	case EVENT_ExecutionCanceled:
		return cancel(v, e);
	case EVENT_ExecutionTerminated:
		return end_with(v, STATUS_TERMINATED, e);
	case EVENT_ExecutionContinuedAsNew:
	case EVENT_ExecutionRewound: /* goes on in the next execution too */
		return end_with(v, STATUS_CONTINUED_AS_NEW, e);
	case EVENT_ExecutionSuspended:
		return suspend(v, e);
	case EVENT_ExecutionResumed:
		return resume(v);
	case EVENT_CancelRequested:
		return request_cancel(v, e);
	case EVENT_ActivityScheduled:
	case EVENT_TimerCreated:
	case EVENT_ChildScheduled:
	case EVENT_EntityCalled:
	case EVENT_EntityLockRequested:
		return open_item(v, e);
	case EVENT_ActivityCompleted:
	case EVENT_ActivityFailed:
	case EVENT_ActivityCancelRequested:
		return close_item(v, e, EVENT_ActivityScheduled);
	case EVENT_ActivityRetrying:
		return retry_item(v, e, EVENT_ActivityScheduled);
	case EVENT_ActivityRebooting:
		return reboot(v, e);
	case EVENT_ActivityMessageSent:
		return count_message(v, e);
	case EVENT_TimerFired:
	case EVENT_TimerCanceled:
		return close_item(v, e, EVENT_TimerCreated);
	case EVENT_EventSubscribed:
		return subscribe(v, e);
	case EVENT_EventRaised:
		return raise_event(v, e);
	case EVENT_EventUnsubscribed:
		return unsubscribe(v, e);
	case EVENT_ChildCompleted:
	case EVENT_ChildFailed:
		return close_item(v, e, EVENT_ChildScheduled);
	case EVENT_ChildRetrying:
		return retry_item(v, e, EVENT_ChildScheduled);
	case EVENT_ChildCancelRequested:
		return cancel_child(v, e);
	case EVENT_EntityReplied:
		return close_item(v, e, EVENT_EntityCalled);
	case EVENT_EntityLockGranted:
		return close_item(v, e, EVENT_EntityLockRequested);
	case EVENT_EntityUnlocked:
		return unlock(v, e);
	case EVENT_CustomStatusSet:
		return set_custom_status(v, e);
	case EVENT_KeyValueSet:
	case EVENT_KeyValueCarried:
		return view_set_value(v, e);
	case EVENT_KeyValueCleared:
		view_clear_values(v, e->fields & FIELD_KEY ? e->key : SLICE_NONE);
		return 0;
	default:
		return 0; /* tells nothing that a view shows */
	}
}

static bool can_follow(const struct view *v, const struct event *e)
{
	bool first = v->next_seq == 1;

	if (e->seq != v->next_seq || first != (e->type == EVENT_ExecutionStarted) || (first && !e->has_time))
		return false;
	return !status_is_ended(v->status) && v->status != STATUS_CONTINUED_AS_NEW;
}

int view_apply(struct view *v, const struct event *e)
{
	if (!can_follow(v, e))
		return PAWL_ECORRUPT;
	int rc = apply(v, e);
	if (rc < 0)
		return rc;
	v->next_seq++;
	v->begun = v->begun || (event_type_class(e->type) & EVENT_DECISION);
	if (e->has_time)
		v->updated_ns = e->time_ns;
	return 0;
}
