/* cli_watch.c - `pawl watch`: what instances do, as it happens. A table that is drawn again on a terminal, else a line for
 * each change. */
#include "cli/activity.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "base/map.h"
#include "base/text.h"
#include <stdlib.h>

#define LOOK_IDS_MS 500  /* when nothing was noticed: some instances, or all of the hub */
#define LOOK_ALL_MS 1000

struct shown {
	uint64_t execution, next_seq; /* what was shown last */
	uint64_t activities;          /* a digest of what they do */
	int exit;
	bool parked, live;
	unsigned round;
};

struct watcher {
	struct cli *c;
	char **ids;
	int count;          /* 0: all */
	struct map shown;   /* id -> struct shown */
	struct out out;
	bool redraw;
	unsigned lines, rows_max, round;
	int open;           /* of the given ids */
};

static struct shown *shown_get(struct watcher *w, const char *id)
{
	struct shown *s = map_get(&w->shown, slice_of(id));

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (s && map_put(&w->shown, slice_of(id), s, NULL) == 0) {
		s->exit = -1;
		return s;
	}
	free(s);
	return NULL;
}

static bool is_changed(const struct shown *s, const struct cli_instance *i, uint64_t activities)
{
	return !s->live || s->execution != i->execution || s->next_seq != i->view.next_seq ||
		s->activities != activities || s->parked != (i->note != NULL) || s->exit != instance_exit(i);
}

/* Of the history, or of what an activity has told since. */
static int64_t last_change_ns(struct watcher *w, const struct cli_instance *i)
{
	int64_t last = i->view.type ? i->view.updated_ns : w->c->now_ns;

	for (const struct open_item *item = i->view.open; item && !instance_is_ended(i); item = item->next) {
		struct activity a;
		if (item->type != EVENT_ActivityScheduled)
			continue;
		if (activity_read(w->c, i, item, &a) == 0 && activity_told_ns(&a) > last)
			last = activity_told_ns(&a);
		activity_release(&a);
	}
	return last;
}

static void print_line(struct watcher *w, const struct cli_instance *i)
{
	struct buf text = BUF_INIT, clean = BUF_INIT;
	char time[TEXT_TIME_SIZE];

	text_time(time, last_change_ns(w, i));
	instance_summary(w->c, i, &text);
	out_clean(&clean, buf_slice(&text));
	printf("%s %s ", time, i->id);
	out_print_status(instance_status(i), w->c->color);
	printf("%s%s\n", clean.len ? " " : "", buf_str(&clean));
	buf_release(&text);
	buf_release(&clean);
}

static int print_record(struct watcher *w, const struct cli_instance *i)
{
	struct buf json = BUF_INIT;
	int rc = instance_json(w->c, i, true, false, &json);

	if (rc == 0)
		out_record(&w->out, i->id, buf_slice(&json), NULL);
	buf_release(&json);
	return rc;
}

static int add_row(struct watcher *w, const struct cli_instance *i)
{
	struct buf text = BUF_INIT;

	if (w->out.records >= w->rows_max)
		return 0;
	instance_summary(w->c, i, &text);
	const char *const cells[] = { i->id, i->view.type, instance_status(i), buf_str(&text) };
	out_record(&w->out, i->id, SLICE_NONE, cells);
	buf_release(&text);
	return 0;
}

static int show(struct watcher *w, const struct cli_instance *i)
{
	struct shown *s = shown_get(w, i->id);
	int rc = 0;

	if (!s)
		return err_nomem(&w->c->err);
	uint64_t activities = w->redraw ? 0 : activity_digest(w->c, i);
	bool changed = is_changed(s, i, activities);
	int code = instance_exit(i);
	if (w->redraw)
		rc = add_row(w, i);
	else if (changed && w->c->format == OUT_TABLE)
		print_line(w, i);
	else if (changed)
		rc = print_record(w, i);
	if (s->exit < 0 && code >= 0)
		w->open--;
	*s = (struct shown){ i->execution, i->view.next_seq, activities, code, i->note != NULL, true, w->round };
	return rc;
}

static int show_id(struct watcher *w, const char *id)
{
	struct cli_instance i;
	int rc = instance_read(w->c, id, 0, &i);

	if (rc == 0)
		rc = show(w, &i);
	instance_release(&i);
	return rc;
}

static int show_each(void *arg, struct cli_instance *i)
{
	return show(arg, i);
}

/* It was among the live ones in an earlier round and is not in this one: it has ended. */
static int show_gone(void *arg, struct slice id, void *value)
{
	struct watcher *w = arg;
	struct shown *s = value;
	char name[TEXT_INSTANCE_ID_MAX + 1];

	if (s->round == w->round || (s->exit >= 0 && !w->redraw))
		return 0;
	snprintf(name, sizeof(name), "%.*s", SLICE_FMT(id));
	int rc = show_id(w, name);
	if (rc == PAWL_ENOTFOUND) { /* purged */
		s->exit = CLI_NOT_FOUND;
		return 0;
	}
	return rc;
}

static int show_all(struct watcher *w)
{
	const struct select any = { .any_status = true };
	int rc = 0;

	w->round++;
	for (int n = 0; rc == 0 && n < w->count; n++)
		rc = show_id(w, w->ids[n]);
	if (w->count == 0)
		rc = select_each(w->c, &any, true, false, show_each, w);
	return rc == 0 && w->count == 0 ? map_each(&w->shown, show_gone, w) : rc;
}

static int draw(struct watcher *w)
{
	static const char *const columns[] = { "ID", "TYPE", "STATUS", "WAITS FOR / RESULT", NULL };
	unsigned height = out_terminal_height();

	w->rows_max = height > 4 ? height - 3 : 1;
	out_begin(&w->out, w->c, columns, true);
	int rc = show_all(w);
	if (w->lines)
		printf("\033[%uA\033[J", w->lines);
	fputs("\033[?7l", stdout); /* a line that wraps would move what is drawn next time */
	w->lines = w->out.records ? (unsigned)w->out.records + 1 : 0;
	int end = out_end(&w->out, &w->c->err);
	fputs("\033[?7h", stdout);
	return rc < 0 ? rc : end;
}

static int look(struct watcher *w)
{
	int rc = w->redraw ? draw(w) : show_all(w);

	fflush(stdout);
	return rc;
}

static int free_shown(void *arg, struct slice id, void *value)
{
	(void)arg;
	(void)id;
	free(value);
	return 0;
}

static int watch_loop(struct watcher *w, int64_t timeout_ms)
{
	struct cli_notice n;
	int64_t begin = w->c->boot_ms, look_ms = w->count ? LOOK_IDS_MS : LOOK_ALL_MS;
	int rc;

	cli_notice_open(&n, w->c, w->ids, w->count);
	while ((rc = look(w)) == 0 && !(w->count && w->open <= 0) && !ferror(stdout)) {
		int64_t left = timeout_ms < 0 ? look_ms : begin + timeout_ms - w->c->boot_ms;
		if (left <= 0) {
			rc = err_set(&w->c->err, PAWL_ETIMEOUT, "not ended in time");
			break;
		}
		cli_notice_wait(&n, left < look_ms ? left : look_ms);
		cli_clock(w->c);
	}
	cli_notice_close(&n);
	return rc;
}

/* How they ended, as `wait` says it; it prints nothing here. */
static int verdict(struct watcher *w)
{
	int code = CLI_DONE;

	for (int n = 0; n < w->count; n++) {
		const struct shown *s = map_get(&w->shown, slice_of(w->ids[n]));
		code = cli_worst(code, s ? s->exit : CLI_NOT_FOUND);
	}
	return code;
}

int cli_watch_ids(struct cli *c, char **ids, int count, int64_t timeout_ms)
{
	static const char *const columns[] = { NULL };
	struct watcher w = { .c = c, .ids = ids, .count = count, .open = count, .redraw = c->tty &&
		c->format == OUT_TABLE };

	c->bars = w.redraw;
	map_init(&w.shown);
	out_begin(&w.out, c, columns, true);
	int rc = watch_loop(&w, timeout_ms);
	int end = c->format == OUT_TABLE ? 0 : out_end(&w.out, &c->err);
	if (rc == 0)
		rc = end < 0 ? end : verdict(&w);
	map_each(&w.shown, free_shown, NULL);
	map_release(&w.shown);
	return rc;
}

static int watch(struct cli *c)
{
	int64_t timeout_ms = -1;
	int rc = cli_check_ids(c);

	if (rc == 0)
		rc = cli_duration(c, OPT_TIMEOUT, &timeout_ms);
	if (rc == 0)
		rc = cli_open(c, CLI_READ);
	return rc < 0 ? rc : cli_watch_ids(c, c->args, c->arg_count, timeout_ms);
}

static const struct cli_option options_watch[] = {
	{ OPT_TIMEOUT, 0, "timeout", "D", HELP("at most so long, then exit code 124") },
	{ OPT_NONE, 0, NULL, NULL, NULL },
};

const struct cli_verb verb_watch = {
	"watch", "show what instances do, as it happens", "[ID...] [--timeout D]",
	HELP("A table that is drawn again on a terminal, else a line for each change: time, id, status, what it waits for. Ends when "
	"all that are named have ended, with the exit code of `wait`; without names it goes on until it is interrupted."),
	options_watch, 0, -1, watch,
};
