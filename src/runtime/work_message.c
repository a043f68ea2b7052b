/*
 * work_message.c - messages from the orchestration to a running activity. They are in history (ActivityMessageSent), so
 * every attempt gets all of them from its beginning on: a function from a list, everybody else as files messages/NUMBER in
 * the work directory.
 */
#include "runtime/work.h"
#include "base/error.h"
#include "history/history.h"
#include <errno.h>
#include <stdlib.h>

void letters_free(struct pawl_work *w)
{
	while (w->letters) {
		struct work_letter *l = w->letters;
		w->letters = l->next;
		free(l);
	}
}

static int to_function(struct pawl_work *w, struct slice text)
{
	struct work_letter *l = malloc(sizeof(*l) + text.len + 1);

	if (!l)
		return PAWL_ENOMEM;
	l->next = NULL;
	memcpy(l->text, text.data, text.len);
	l->text[text.len] = '\0';
	pthread_mutex_lock(&w->rt->letters_lock);
	if (w->letters)
		w->letters_last->next = l;
	else
		w->letters = l;
	w->letters_last = l;
	pthread_mutex_unlock(&w->rt->letters_lock);
	return 0;
}

/* The activity may write there, too, so the directory is held, not named: a link in its place is not followed. */
/* What an activity has put in its place, a link or a file, goes: nothing is followed, and the next attempt gets its messages. */
static int open_messages(const struct os *os, const char *path)
{
	int dir = os->open(os->self, OS_CWD, path, OS_READ | OS_DIRECTORY, 0);

	if (dir == -ENOTDIR || dir == -ELOOP)
		(void)os_remove_any(os, OS_CWD, path);
	if (dir >= 0)
		return dir;
	int r = os->mkdir(os->self, OS_CWD, path, 0755);
	return r < 0 && r != -EEXIST ? r : os->open(os->self, OS_CWD, path, OS_READ | OS_DIRECTORY, 0);
}

static int to_directory(struct pawl_work *w, uint32_t number, struct slice text)
{
	IO_BECAUSE(IO_WORK);
	const struct os *os = w->rt->os;
	struct pawl_error err = { 0 };
	char path[sizeof(w->dir) + 32], name[16];

	if (work_dir_make(w, &err) < 0)
		return PAWL_EIO;
	snprintf(path, sizeof(path), "%s/messages", w->dir);
	int dir = open_messages(os, path);
	if (dir < 0)
		return PAWL_EIO;
	snprintf(name, sizeof(name), "%u", (unsigned)number);
	int r = os_put_file(os, dir, name, text.data, text.len, 0644);
	os->close(os->self, dir);
	return r < 0 ? PAWL_EIO : 0;
}

static int deliver(struct pawl_work *w, uint32_t number, const struct event *e)
{
	struct pawl_runtime *rt = w->rt;
	char file[TEXT_NAME_MAX], *spilled = NULL;
	struct slice text = e->data.data ? e->data : SLICE("");
	struct pawl_error err = { 0 };
	size_t len;

	if (e->data_file.data) {
		snprintf(file, sizeof(file), "%.*s", SLICE_FMT(e->data_file));
		if (rt->provider->ops->read_spill(rt->provider, w->id, file, &spilled, &len, &err) < 0)
			return PAWL_EIO;
		text = slice_make(spilled, len);
	}
	int rc = w->kind == WORK_THREAD ? to_function(w, text) : to_directory(w, number, text);
	free(spilled);
	return rc;
}

static int deliver_each(void *arg, uint32_t number, const struct event *e)
{
	return deliver(arg, number, e);
}

static int deliver_all(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err)
{
	struct history h;
	char *text = NULL;
	size_t len = 0;
	uint64_t execution;
	int rc = rt->provider->ops->read(rt->provider, w->id, w->execution, &text, &len, &execution, err);

	if (rc < 0)
		return rc;
	history_init(&h);
	rc = history_parse(&h, slice_make(text, len), err);
	if (rc == 0 && (rc = history_messages(&h, w->seq, deliver_each, w)) < 0)
		err_set(err, rc, "the messages to it cannot be handed over");
	history_release(&h);
	free(text);
	return rc;
}

int messages_deliver_all(struct pawl_runtime *rt, struct pawl_work *w, struct pawl_error *err)
{
	const struct open_item *item = view_find(&w->instance->view, w->seq);

	return item && item->messages ? deliver_all(rt, w, err) : 0;
}

void activity_message(struct pawl_runtime *rt, struct instance *i, const struct open_item *item, const struct event *e)
{
	struct effect *effect = effect_of(item);

	(void)rt;
	if (!effect || !effect->work || !effect->work->running)
		return; /* the next attempt gets all of them */
	if (deliver(effect->work, item->messages, e) < 0)
		log_warning("instance '%s': a message did not reach activity '%s' of line %llu; its next attempt gets it", i->id, item->name, (unsigned long long)item->seq);
}
