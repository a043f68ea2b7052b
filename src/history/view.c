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
	uint32_t buffered, taken_count, taken_cap, size_cap;
	uint64_t *taken;
	uint32_t *sizes; /* of those that are buffered */
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
		free(n->sizes);
		free(n);
	}
	view_drop_topics(v, SLICE_NONE);
	free(v->parent);
	view_clear_values(v, SLICE_NONE);
	view_drop_type(v);
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

/* An item that has a time and nothing else: what the line says beside it is the execution's. */
static int open_due(struct view *v, const struct event *e)
{
	struct event due = { .type = e->type, .seq = e->seq, .fields = e->fields & (FIELD_DELAY | FIELD_DUE),
			     .delay_ms = e->delay_ms, .due = e->due };

	if (e->fields & FIELD_START_AT) {
		due.fields |= FIELD_UNTIL;
		due.until_ns = e->start_at_ns;
	}
	return due.fields & (FIELD_UNTIL | FIELD_DUE) ? open_item(v, &due) : 0;
}

static int open_any(struct view *v, const struct event *e)
{
	return open_item(v, e);
}

static int open_child(struct view *v, const struct event *e)
{
	int rc = open_item(v, e);

	if (rc == 0)
		v->open_last->until_ns = v->updated_ns;
	return rc;
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

/* A lock stays open until it is given back, as its end needs that whatever becomes of the execution. */
static int grant_lock(struct view *v, const struct event *e)
{
	struct open_item *item = view_find(v, e->ref);

	if (!item || item->type != EVENT_EntityLockRequested)
		return answers_nothing(v);
	item->granted = true;
	return 0;
}

static int unlock(struct view *v, const struct event *e)
{
	return close_item(v, e, EVENT_EntityLockRequested);
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

static int add_buffered(struct view *v, struct event_name *n, size_t size)
{
	if (n->buffered == n->size_cap) {
		uint32_t cap = n->size_cap ? n->size_cap * 2 : 4;
		uint32_t *sizes = realloc(n->sizes, cap * sizeof(*sizes));
		if (!sizes)
			return PAWL_ENOMEM;
		n->sizes = sizes;
		n->size_cap = cap;
	}
	n->sizes[n->buffered++] = (uint32_t)size;
	v->event_count++;
	v->event_bytes += (uint32_t)size;
	return 0;
}

static void take_buffered(struct view *v, struct event_name *n)
{
	v->event_bytes -= n->sizes[0];
	v->event_count--;
	n->buffered--;
	memmove(n->sizes, n->sizes + 1, n->buffered * sizeof(*n->sizes));
}

/* An event for the oldest wait, or for the buffer. */
static int give(struct view *v, struct event_name *n, size_t size)
{
	struct open_item *before = NULL, *item = v->open;

	while (item && (item->type != EVENT_EventSubscribed || strcmp(item->name, n->name) != 0)) {
		before = item;
		item = item->next;
	}
	if (!item)
		return add_buffered(v, n, size);
	if (add_taken(n, item->seq) < 0)
		return PAWL_ENOMEM;
	remove_item(v, item, before);
	return 0;
}

static int raise_event(struct view *v, const struct event *e)
{
	struct event_name *n = name_get(v, e->name);
	int rc = e->fields & FIELD_REF ? close_item(v, e, EVENT_EventScheduled) : 0;

	if (rc < 0)
		return rc;
	return n ? give(v, n, e->data_file.data ? (size_t)e->data_len : e->data.len) : PAWL_ENOMEM;
}

static int subscribe(struct view *v, const struct event *e)
{
	struct event_name *n = name_find(v, e->name);

	if (!n || n->buffered == 0)
		return open_item(v, e);
	take_buffered(v, n);
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
			return give(v, n, 0);
	return answers_nothing(v);
}

uint32_t view_buffered(const struct view *v, struct slice event_name)
{
	const struct event_name *n = name_find(v, event_name);

	return n ? n->buffered : 0;
}

/* The execution itself. */

static struct view_parent *parent_new(const struct event *e)
{
	struct view_parent *p = malloc(sizeof(*p) + e->parent.len + 1);

	if (!p)
		return NULL;
	p->execution = e->parent_execution;
	p->ref = e->parent_ref;
	put_text(p->id, e->parent);
	return p;
}

static int start(struct view *v, const struct event *e)
{
	if (view_set_type(v, e->name, e->version) < 0)
		return PAWL_ENOMEM;
	v->status = e->fields & (FIELD_START_AT | FIELD_DUE) ? STATUS_PENDING : STATUS_RUNNING;
	v->created_ns = e->time_ns;
	v->rewound_to = e->fields & FIELD_REF ? (uint32_t)e->ref : 0;
	if (e->fields & FIELD_PARENT && !(v->parent = parent_new(e)))
		return PAWL_ENOMEM;
	int rc = open_due(v, e);
	return rc == 0 && e->fields & FIELD_STATUS ? set_text(&v->custom_status, e->status) : rc;
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

static int resume(struct view *v, const struct event *e)
{
	(void)e;
	v->suspended = false;
	v->status = STATUS_RUNNING;
	return v->cancel_requested ? 0 : set_text(&v->reason, SLICE_NONE);
}

static int request_cancel(struct view *v, const struct event *e)
{
	v->cancel_requested = true;
	int rc = open_due(v, e);
	return rc < 0 ? rc : set_reason(v, e);
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

/* It was one for later, and its time has come; or a timer of the code. */
static int fire(struct view *v, const struct event *e)
{
	if (e->ref != 1)
		return close_item(v, e, EVENT_TimerCreated);
	int rc = close_item(v, e, EVENT_ExecutionStarted);
	if (rc == 0 && v->status == STATUS_PENDING)
		v->status = STATUS_RUNNING;
	return rc;
}

static int note_unknown(struct view *v, const struct event *e)
{
	(void)e;
	v->has_unknown = true;
	return 0;
}

static int terminate(struct view *v, const struct event *e)
{
	return end_with(v, STATUS_TERMINATED, e);
}

static int continue_as_new(struct view *v, const struct event *e)
{
	return end_with(v, STATUS_CONTINUED_AS_NEW, e);
}

static int cancel_late(struct view *v, const struct event *e)
{
	int rc = cancel(v, e);

	return rc < 0 ? rc : set_text(&v->error_code, SLICE("cancel-deadline"));
}

static int close_activity(struct view *v, const struct event *e)
{
	return close_item(v, e, EVENT_ActivityScheduled);
}

static int retry_activity(struct view *v, const struct event *e)
{
	return retry_item(v, e, EVENT_ActivityScheduled);
}

static int cancel_timer(struct view *v, const struct event *e)
{
	return close_item(v, e, EVENT_TimerCreated);
}

static int close_child(struct view *v, const struct event *e)
{
	return close_item(v, e, EVENT_ChildScheduled);
}

static int retry_child(struct view *v, const struct event *e)
{
	return retry_item(v, e, EVENT_ChildScheduled);
}

/* The answer to a call; a lock that cannot be had stays open until it is given back. */
static int close_call(struct view *v, const struct event *e)
{
	const struct open_item *item = view_find(v, e->ref);

	if (item && item->type == EVENT_EntityLockRequested)
		return 0;
	return close_item(v, e, EVENT_EntityCalled);
}

static int clear_value(struct view *v, const struct event *e)
{
	view_clear_values(v, e->fields & FIELD_KEY ? e->key : SLICE_NONE);
	return 0;
}

static int unsubscribe_topic(struct view *v, const struct event *e)
{
	view_drop_topics(v, e->name);
	return 0;
}

/* Types that are not here tell nothing that a view shows. */
static int (*const handlers[EVENT_TYPE_COUNT])(struct view *v, const struct event *e) = {
	[EVENT_UNKNOWN] = note_unknown,
	[EVENT_ExecutionStarted] = start,
	[EVENT_ExecutionCompleted] = complete,
	[EVENT_ExecutionFailed] = fail,
	[EVENT_ExecutionCanceled] = cancel,
	[EVENT_ExecutionTerminated] = terminate,
	[EVENT_ExecutionContinuedAsNew] = continue_as_new,
	[EVENT_ExecutionRewound] = continue_as_new, /* it goes on in the next execution too */
	[EVENT_ExecutionSuspended] = suspend,
	[EVENT_ExecutionResumed] = resume,
	[EVENT_CancelRequested] = request_cancel,
	[EVENT_CancelDeadlinePassed] = cancel_late,
	[EVENT_ActivityScheduled] = open_any,
	[EVENT_ActivityCompleted] = close_activity,
	[EVENT_ActivityFailed] = close_activity,
	[EVENT_ActivityCancelRequested] = close_activity,
	[EVENT_ActivityRetrying] = retry_activity,
	[EVENT_ActivityRebooting] = reboot,
	[EVENT_ActivityMessageSent] = count_message,
	[EVENT_TimerCreated] = open_any,
	[EVENT_TimerFired] = fire,
	[EVENT_TimerCanceled] = cancel_timer,
	[EVENT_EventSubscribed] = subscribe,
	[EVENT_EventRaised] = raise_event,
	[EVENT_EventScheduled] = open_any,
	[EVENT_EventUnsubscribed] = unsubscribe,
	[EVENT_TopicSubscribed] = view_add_topic,
	[EVENT_TopicCarried] = view_add_topic,
	[EVENT_TopicUnsubscribed] = unsubscribe_topic,
	[EVENT_ChildScheduled] = open_child,
	[EVENT_ChildCompleted] = close_child,
	[EVENT_ChildFailed] = close_child,
	[EVENT_ChildRetrying] = retry_child,
	[EVENT_ChildCancelRequested] = cancel_child,
	[EVENT_EntityCalled] = open_any,
	[EVENT_EntityReplied] = close_call,
	[EVENT_EntityLockRequested] = open_any,
	[EVENT_EntityLockGranted] = grant_lock,
	[EVENT_EntityUnlocked] = unlock,
	[EVENT_CustomStatusSet] = set_custom_status,
	[EVENT_KeyValueSet] = view_set_value,
	[EVENT_KeyValueCarried] = view_set_value,
	[EVENT_KeyValueCleared] = clear_value,
};

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
	int64_t before_ns = v->updated_ns;
	if (e->has_time)
		v->updated_ns = e->time_ns;
	int rc = handlers[e->type] ? handlers[e->type](v, e) : 0;
	if (rc < 0) {
		v->updated_ns = before_ns;
		return rc;
	}
	bool decision = event_type_class(e->type) & EVENT_DECISION;
	v->next_seq++;
	if (decision)
		v->unrun = false;
	else if (e->has_time)
		v->unrun = event_is_delivered(e) || e->seq <= v->rewound_to;
	return 0;
}
