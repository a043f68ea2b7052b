/* log.h - one line to standard error for each message; levels are syslog's. Thread-safe: a line is one write(2). Under
 * systemd (JOURNAL_STREAM set) lines carry "<N>" prefixes and no time; else "12:41:00.123 warning: text". */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <pawl/error.h>
#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

void log_set_level(enum log_level level); /* default: info */
enum log_level log_get_level(void);
/* Tests and embedding programs: lines go to fn instead of standard error (NULL puts it back). Line has no newline. */
void log_set_sink(void (*fn)(void *arg, enum log_level level, const char *line), void *arg);
void log_write(enum log_level level, const char *fmt, ...) PAWL_PRINTF(2, 3);
int log_parse_level(const char *name, enum log_level *level) PAWL_MUST_USE; /* "error" ... "debug"; PAWL_EPARSE */

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) do { if (log_get_level() >= LOG_LEVEL_DEBUG) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); } while (0)

#endif
