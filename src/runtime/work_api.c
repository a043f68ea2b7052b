/* work_api.c - what an activity in C may call, on its own thread. */
#include "runtime/work.h"
#include "base/text.h"
#include <stdarg.h>

#define PROGRESS_EVERY_NS 200000000

int pawl_work_return(pawl_work *w, const char *fmt, ...)
{
	va_list args;

	buf_reset(&w->output);
	va_start(args, fmt);
	buf_addv(&w->output, fmt, args);
	va_end(args);
	w->outcome = WORK_COMPLETED;
	return 0;
}

int pawl_work_return_bytes(pawl_work *w, const void *data, size_t len)
{
	buf_reset(&w->output);
	buf_add(&w->output, data, len);
	w->outcome = WORK_COMPLETED;
	return 0;
}

int pawl_work_reboot(pawl_work *w, const char *fmt, ...)
{
	va_list args;

	buf_reset(&w->output);
	va_start(args, fmt);
	buf_addv(&w->output, fmt, args);
	va_end(args);
	w->outcome = WORK_REBOOT;
	return 0;
}

static void set_failure(pawl_work *w, enum work_outcome outcome, const char *code, const char *fmt, va_list args)
{
	w->outcome = outcome;
	snprintf(w->code, sizeof(w->code), "%s", code ? code : "");
	vsnprintf(w->message, sizeof(w->message), fmt, args);
}

int pawl_work_fail(pawl_work *w, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_failure(w, WORK_STALLED, code, fmt, args);
	va_end(args);
	return PAWL_ESTATE;
}

int pawl_work_fail_for_good(pawl_work *w, const char *code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_failure(w, WORK_FAILED, code, fmt, args);
	va_end(args);
	return PAWL_ESTATE;
}

int pawl_work_defer(pawl_work *w, int64_t delay_ms, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_failure(w, WORK_DEFERRED, NULL, fmt, args);
	va_end(args);
	w->defer_ms = delay_ms;
	return PAWL_EBUSY;
}

const char *pawl_work_instance(const pawl_work *w) { return w->id; }
const char *pawl_work_activity(const pawl_work *w) { return w->name; }
uint64_t pawl_work_execution(const pawl_work *w) { return w->execution; }
uint32_t pawl_work_attempt(const pawl_work *w) { return w->attempt; }
const char *pawl_work_key(const pawl_work *w) { return w->key; }
size_t pawl_work_input_len(const pawl_work *w) { return w->input_len; }
bool pawl_work_is_cancelled(const pawl_work *w) { return atomic_load(&w->canceled); }

void pawl_work_heartbeat(pawl_work *w)
{
	atomic64_store(&w->beat_ns, w->rt->os->boot_ns(w->rt->os->self));
}

/* The function's own thread makes the directory; the loop makes one for it only before it begins. */
const char *pawl_work_dir(pawl_work *w)
{
	struct pawl_error err = { 0 };

	if (work_dir_make(w, &err) == 0)
		return w->dir;
	log_warning("%s", err.text);
	return NULL;
}

void pawl_work_progress(pawl_work *w, int percent, const char *fmt, ...)
{
	IO_BECAUSE(IO_WORK);
	const struct os *os = w->rt->os;
	int64_t now = os->boot_ns(os->self);
	char text[256], file[700];
	int at = percent < 0 ? 0 : snprintf(text, sizeof(text), "%d ", percent > 100 ? 100 : percent);
	va_list args;

	atomic64_store(&w->beat_ns, now);
	if ((w->progress_ns && now - w->progress_ns < PROGRESS_EVERY_NS && percent < 100) || !pawl_work_dir(w))
		return;
	w->progress_ns = now;
	va_start(args, fmt);
	vsnprintf(text + at, sizeof(text) - (size_t)at, fmt, args);
	va_end(args);
	snprintf(file, sizeof(file), "%s/progress", w->dir);
	if (os_put_file(os, OS_CWD, file, text, strlen(text), 0644) < 0)
		log_debug("cannot write '%s'", file);
}

const char *pawl_work_message(pawl_work *w)
{
	pthread_mutex_lock(&w->rt->letters_lock);
	struct work_letter *next = w->letters_read ? w->letters_read->next : w->letters;
	if (next)
		w->letters_read = next;
	pthread_mutex_unlock(&w->rt->letters_lock);
	return next ? next->text : NULL;
}
