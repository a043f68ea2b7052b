#include "log.h"
#include "text.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 4096 /* with the newline: what a pipe takes in one piece (PIPE_BUF) */

static _Atomic int max_level = LOG_LEVEL_INFO;

static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*sink_fn)(void *arg, enum log_level level, const char *line);
static void *sink_arg;

static pthread_once_t journal_once = PTHREAD_ONCE_INIT;
static bool to_journal;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_set_sink(void (*fn)(void *arg, enum log_level level, const char *line), void *arg)
{
	pthread_mutex_lock(&sink_lock);
	sink_fn = fn;
	sink_arg = arg;
	pthread_mutex_unlock(&sink_lock);
}

int log_parse_level(const char *name, enum log_level *level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return PAWL_EPARSE;
}

static void find_journal(void)
{
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

static size_t put_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec now = { 0, 0 };
	struct tm tm;
	size_t len = 0;

	pthread_once(&journal_once, find_journal);
	if (to_journal) {
		snprintf(line, size, "<%d>", (int)level);
		return strlen(line);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	if (localtime_r(&now.tv_sec, &tm))
		len = (size_t)snprintf(line, size, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	snprintf(line + len, size - len, ".%03d %s: ", (int)(now.tv_nsec / 1000000), level_names[level]);
	return strlen(line);
}

/* Names and outputs of others are quoted in messages: they must not start a line of their own or steer a terminal. */
static size_t put_message(char *line, size_t size, const char *fmt, va_list args) PAWL_PRINTF(3, 0);

static size_t put_message(char *line, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(line, size, fmt, args);
	if (n < 0)
		line[0] = '\0';
	else if ((size_t)n >= size)
		text_mark_cut(line, size);
	size_t len = 0;
	for (; line[len]; len++)
		if ((unsigned char)line[len] < ' ' || line[len] == 0x7f)
			line[len] = ' ';
	return len;
}

/* What the far end does not take at once is lost: a log that blocks or fails must not stop the work. */
static void write_line(const char *line, size_t len)
{
	ssize_t n;
	do
		n = write(STDERR_FILENO, line, len);
	while (n < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[LINE_SIZE];
	int saved_errno = errno;

	if (level < LOG_LEVEL_ERROR)
		level = LOG_LEVEL_ERROR;
	if (level > log_get_level() || level > LOG_LEVEL_DEBUG)
		return;
	/* The lock is not held while the sink runs: it may log, or set another. */
	pthread_mutex_lock(&sink_lock);
	void (*fn)(void *arg, enum log_level level, const char *line) = sink_fn;
	void *arg = sink_arg;
	pthread_mutex_unlock(&sink_lock);

	size_t len = fn ? 0 : put_prefix(line, sizeof(line), level);
	va_list args;
	va_start(args, fmt);
	errno = saved_errno; /* %m */
	len += put_message(line + len, sizeof(line) - len, fmt, args);
	va_end(args);
	if (fn) {
		fn(arg, level, line);
	} else {
		line[len++] = '\n';
		write_line(line, len);
	}
	errno = saved_errno;
}
