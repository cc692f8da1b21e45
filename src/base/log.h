/*
 * log.h - the structured log: one line an event, logfmt, to stderr.
 *
 *   2026-11-21T03:17:42.120Z info engine.connected call=c1 model=gpt-realtime ms=212
 *
 * Event name first, then key=value pairs written by the caller's format. Never audio, keys or
 * tokens; transcripts only at debug. An error says what happens next. More than
 * LOG_EVENT_PER_SECOND_MAX lines of one event in a second are counted and reported, not printed.
 *
 *   Thread   any; the one place besides mailboxes and worker pools that takes a lock.
 *   Bounds   a line is cut at LOG_LINE_BYTES_MAX; control characters become '?'.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };

/* `call` is the id of the call concerned, or NULL. */
#define LOG_DEBUG(call, event, ...) log_write(LOG_LEVEL_DEBUG, call, event, __VA_ARGS__)
#define LOG_INFO(call, event, ...)  log_write(LOG_LEVEL_INFO, call, event, __VA_ARGS__)
#define LOG_WARN(call, event, ...)  log_write(LOG_LEVEL_WARN, call, event, __VA_ARGS__)
#define LOG_ERROR(call, event, ...) log_write(LOG_LEVEL_ERROR, call, event, __VA_ARGS__)

/* Lines below this level are not written. Default info. Call before other threads start. */
void log_set_level(enum log_level level);
/* "debug", "info", "warn", "error", "off"; false for another name. */
bool log_level_find(const char *name, enum log_level *out);
/* Where lines go; default stderr's descriptor, 2. */
void log_set_fd(int fd);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *call, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
