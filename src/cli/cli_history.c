/* cli_history.c - `pawl history`: what happened to an instance. */
#include "cli/instance.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/json.h"
#include "base/text.h"

#define FOLLOW_MS 500
#define ROW_FORMAT "%5s  %-27s  %-23s  "
#define ROW_WIDTH 61

struct reader {
	struct cli *c;
	uint64_t from;
	size_t bytes;      /* of the history that were printed */
	size_t printed;    /* events */
	uint64_t execution;
	unsigned line_max;
	bool begun;        /* the table has its head */
	struct out out;
};

/* ---- words ---- */

static const char *data_label(enum event_type type)
{
	switch (type) {
	case EVENT_ExecutionStarted:
	case EVENT_ExecutionContinuedAsNew:
	case EVENT_ActivityScheduled:
	case EVENT_ChildScheduled:
	case EVENT_InstanceStarted:
		return " input: ";
	case EVENT_ExecutionCompleted:
	case EVENT_ActivityCompleted:
	case EVENT_ChildCompleted:
	case EVENT_EntityReplied:
	case EVENT_EntityAnswered:
		return " output: ";
	case EVENT_KeyValueSet:
	case EVENT_KeyValueCarried:
	case EVENT_ValueReceived:
		return " value: ";
	default:
		return " ";
	}
}

static void add_duration(struct buf *out, const char *before, int64_t ms)
{
	char text[TEXT_TIME_SIZE];

	text_duration(text, ms);
	buf_addf(out, "%s%s", before, text);
}

static void add_time(struct buf *out, const char *before, int64_t ns)
{
	char text[TEXT_TIME_SIZE];

	text_time(text, ns);
	buf_addf(out, "%s%s", before, text);
}

static void add_word(struct buf *out, const struct event *e, uint32_t field, const char *before, struct slice text)
{
	if (!(e->fields & field))
		return;
	buf_adds(out, before);
	buf_add_slice(out, text);
}

/* What the event answers: its name, or its number when it has none. */
static void add_ref(struct buf *out, const struct history *h, const struct event *e)
{
	if (!(e->fields & FIELD_REF))
		return;
	if (e->type == EVENT_ExecutionStarted || e->type == EVENT_ExecutionRewound) {
		buf_addf(out, e->type == EVENT_ExecutionRewound ? " to line %llu" : " with %llu lines from before,", (unsigned long long)e->ref);
		return;
	}
	if (e->ref >= 1 && e->ref <= h->count && (h->events[e->ref - 1].fields & FIELD_NAME))
		buf_addf(out, " %.*s", SLICE_FMT(h->events[e->ref - 1].name));
	buf_addf(out, " (of %llu)", (unsigned long long)e->ref);
}

static void add_data(struct buf *out, const struct event *e)
{
	if (!(e->fields & FIELD_DATA))
		return;
	buf_adds(out, data_label(e->type));
	if (e->data_file.data)
		buf_addf(out, "%llu bytes in %.*s", (unsigned long long)e->data_len, SLICE_FMT(e->data_file));
	else
		buf_add_slice(out, e->data);
}

static void details(struct buf *out, const struct history *h, const struct event *e)
{
	bool scheduled = e->type == EVENT_ActivityScheduled || e->type == EVENT_TimerCreated;
	bool retrying = e->type == EVENT_ActivityRetrying || e->type == EVENT_ChildRetrying;

	add_ref(out, h, e);
	add_word(out, e, FIELD_NAME, " ", e->name);
	add_word(out, e, FIELD_VERSION, " ", e->version);
	add_word(out, e, FIELD_INSTANCE, " instance ", e->instance);
	add_word(out, e, FIELD_PARENT, " child of ", e->parent);
	if (e->fields & FIELD_ATTEMPT)
		buf_addf(out, " attempt %u", e->attempt);
	if (e->fields & FIELD_ERROR)
		buf_addf(out, " %.*s%s%.*s", SLICE_FMT(e->error.code), e->error.code.len ? ": " : "",
			SLICE_FMT(e->error.message));
	if (e->fields & FIELD_DELAY)
		add_duration(out, scheduled ? " " : retrying ? "; again in " : " within ", e->delay_ms);
	if (e->fields & FIELD_UNTIL)
		add_time(out, " until ", e->until_ns);
	if (e->fields & FIELD_START_AT)
		add_time(out, " to begin at ", e->start_at_ns);
	if (e->type == EVENT_TimerCreated && (e->fields & FIELD_DUE))
		add_time(out, ", due ", e->due.at_ns);
	if (e->fields & FIELD_RETRY)
		buf_addf(out, " up to %u attempts", e->retry.max_attempts);
	add_word(out, e, FIELD_KEY, e->type == EVENT_TopicSubscribed || e->type == EVENT_TopicCarried ? " as event " : " key ", e->key);
	add_word(out, e, FIELD_FROM, " from ", e->from);
	add_word(out, e, FIELD_REASON, " reason: ", e->reason);
	add_word(out, e, FIELD_STATUS, " status ", e->status);
	add_data(out, e);
}

/* ---- printing ---- */

static void print_row(const struct reader *r, const struct cli_instance *i, const struct event *e, int64_t time_ns)
{
	struct buf text = BUF_INIT, clean = BUF_INIT;
	char seq[24], time[TEXT_TIME_SIZE], name[64];

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)e->seq);
	text_time(time, time_ns);
	if (e->type == EVENT_UNKNOWN)
		snprintf(name, sizeof(name), "%.*s", SLICE_FMT(e->type_name));
	else
		snprintf(name, sizeof(name), "%s", event_type_name(e->type));
	details(&text, &i->history, e);
	out_clean(&clean, slice_make(buf_str(&text) + (text.len > 0), text.len - (text.len > 0)));
	printf(ROW_FORMAT, seq, time, name);
	unsigned room = r->line_max > ROW_WIDTH + 4 ? r->line_max - ROW_WIDTH : 0;
	if (room && out_width(buf_str(&clean)) > room)
		printf("%.*s...\n", (int)out_prefix(buf_str(&clean), room - 3), buf_str(&clean));
	else
		puts(buf_str(&clean));
	buf_release(&text);
	buf_release(&clean);
}

/* The stored line without its checksum column. */
static struct slice line_of(struct slice text, size_t at, size_t *next)
{
	const char *start = text.data + at, *end = memchr(start, '\n', text.len - at);
	size_t len = end ? (size_t)(end - start) : text.len - at;

	*next = at + len + 1;
	for (size_t n = len; n > 0; n--)
		if (start[n - 1] == '\t')
			return slice_make(start, n - 1);
	return slice_make(start, len);
}

static void print_new(struct reader *r, const struct cli_instance *i)
{
	struct slice text = { i->text, i->history.bytes };
	int64_t time_ns = i->view.created_ns;
	size_t at = 0;

	if (r->c->format == OUT_TABLE && !r->begun)
		printf(ROW_FORMAT "%s\n", "SEQ", "TIME", "EVENT", "DETAILS");
	r->begun = true;
	for (size_t n = 0; n < i->history.count && at < text.len && !ferror(stdout); n++) {
		const struct event *e = &i->history.events[n];
		struct slice json = line_of(text, at, &at);
		char name[24];
		if (e->has_time)
			time_ns = e->time_ns;
		if (n < r->printed || e->seq < r->from)
			continue;
		snprintf(name, sizeof(name), "%llu", (unsigned long long)e->seq);
		if (r->c->format == OUT_TABLE)
			print_row(r, i, e, time_ns);
		else
			out_record(&r->out, name, json, NULL);
	}
	r->printed = i->history.count;
	fflush(stdout);
}

/* One look. 1: nothing will come any more. With --follow and no --execution the next execution comes after this one. */
static int look(struct reader *r, bool follow)
{
	struct cli *c = r->c;
	struct cli_instance i;
	int rc = instance_read(c, c->args[0], r->execution, &i);

	if (rc == 0) {
		r->execution = i.execution;
		print_new(r, &i);
		if (!follow && i.history.torn_bytes)
			cli_note(c, "%zu bytes at its end are torn: the next start of the runtime cuts them",
				i.history.torn_bytes);
		bool again = i.view.status == STATUS_CONTINUED_AS_NEW && !c->opt[OPT_EXECUTION];
		if (again) {
			r->execution++;
			r->printed = 0;
		}
		rc = i.damaged ? err_set(&c->err, PAWL_ECORRUPT, "'%s' is damaged: %s", i.id, i.note) : !again &&
			instance_exit(&i) >= 0;
		rc = rc == 0 && !again && i.view.status == STATUS_CONTINUED_AS_NEW ? 1 : rc;
	}
	instance_release(&i);
	return rc == PAWL_ENOTFOUND && r->execution > 1 && follow && !c->opt[OPT_EXECUTION] ? 0 : rc;
}

static int follow(struct reader *r)
{
	struct cli_notice n;
	int rc = 0;

	cli_notice_open(&n, r->c, r->c->args, 1);
	while ((rc = look(r, true)) == 0 && !ferror(stdout))
		cli_notice_wait(&n, FOLLOW_MS);
	cli_notice_close(&n);
	return rc;
}

static int history(struct cli *c)
{
	static const char *const columns[] = { NULL };
	struct reader r = { .c = c, .line_max = out_terminal_width(c) };
	int rc = cli_check_ids(c);

	if (rc == 0)
		rc = cli_number(c, OPT_EXECUTION, 1, UINT64_MAX, &r.execution);
	if (rc == 0)
		rc = cli_number(c, OPT_FROM, 1, UINT64_MAX, &r.from);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	if (rc < 0)
		return rc;
	out_begin(&r.out, c, columns, true);
	rc = c->opt[OPT_FOLLOW] ? follow(&r) : look(&r, false);
	int end = c->format == OUT_TABLE ? 0 : out_end(&r.out, &c->err);
	return rc < 0 ? rc : end;
}

static const struct cli_option options_history[] = {
	{ OPT_EXECUTION, 0, "execution", "N", HELP("this execution (else the newest; continue-as-new begins a new one)") },
	{ OPT_FROM, 0, "from", "SEQ", HELP("from this event on") },
	{ OPT_FOLLOW, 'f', "follow", NULL, HELP("go on until it ends") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_history = {
	"history", "show what happened to an instance", "ID [--execution N] [--from SEQ] [-f]",
	HELP("-o jsonl gives the stored lines as they are, without the checksum column."),
	options_history, 1, 1, history,
};
