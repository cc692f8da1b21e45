#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

/* Process-wide by nature: there is one stderr. */
static struct {
    pthread_mutex_t lock;
    enum log_level level;
    int fd;
    int64_t window_s;
    struct {
        uint32_t hash;
        uint32_t count;
        char event[40];
    } rate[LOG_EVENT_SLOTS];
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO, .fd = 2};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

bool log_level_find(const char *name, enum log_level *out)
{
    for (int i = 0; i <= LOG_LEVEL_OFF; i++) {
        if (strcmp(level_names[i], name) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_level(enum log_level level)
{
    sink.level = level;
}

void log_set_fd(int fd)
{
    sink.fd = fd;
}

bool log_enabled(enum log_level level)
{
    return level >= sink.level;
}

static int stamp(char *out, size_t size, int64_t wall_ms, const char *level)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s ", tm.tm_year + 1900,
                    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                    (int)(wall_ms % 1000), level);
}

static void emit(const char *line, size_t len)
{
    ssize_t n = write(sink.fd, line, len); /* a log that cannot be written must not stop a call */
    (void)n;
}

/* At the start of each second, reports what the last one held back. Lock held. */
static void roll_window(int64_t wall_ms)
{
    if (wall_ms / 1000 == sink.window_s)
        return;
    sink.window_s = wall_ms / 1000;
    for (size_t i = 0; i < LOG_EVENT_SLOTS; i++) {
        if (sink.rate[i].count > LOG_EVENT_PER_SECOND_MAX) {
            char line[160];
            int n = stamp(line, sizeof(line), wall_ms, "warn");
            n += snprintf(line + n, sizeof(line) - (size_t)n, "log.suppressed event=%s lines=%u\n",
                          sink.rate[i].event, sink.rate[i].count - LOG_EVENT_PER_SECOND_MAX);
            emit(line, (size_t)n);
        }
        sink.rate[i].count = 0;
    }
}

/* Lock held. False when this event has had its share of the current second. */
static bool admit(const char *event)
{
    uint32_t hash = 2166136261u;
    for (const char *c = event; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    size_t slot = hash % LOG_EVENT_SLOTS;
    if (sink.rate[slot].hash != hash) {
        sink.rate[slot].hash = hash;
        sink.rate[slot].count = 0;
        snprintf(sink.rate[slot].event, sizeof(sink.rate[slot].event), "%s", event);
    }
    return ++sink.rate[slot].count <= LOG_EVENT_PER_SECOND_MAX;
}

void log_write(enum log_level level, const char *call, const char *event, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char line[LOG_LINE_BYTES_MAX];
    int64_t wall_ms = clock_wall_ms();
    size_t n = (size_t)stamp(line, sizeof(line), wall_ms, level_names[level]);
    n += (size_t)snprintf(line + n, sizeof(line) - n, call ? "%s call=%s " : "%s ", event, call);
    va_list args;
    va_start(args, fmt);
    int tail = vsnprintf(line + n, sizeof(line) - n, fmt, args);
    va_end(args);
    n += tail > 0 ? (size_t)tail : 0;
    if (n > sizeof(line) - 1)
        n = sizeof(line) - 1;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    while (n && line[n - 1] == ' ')
        n--;
    line[n++] = '\n';

    pthread_mutex_lock(&sink.lock);
    roll_window(wall_ms);
    if (admit(event))
        emit(line, n);
    pthread_mutex_unlock(&sink.lock);
}
