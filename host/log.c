/* Design: callers append finished lines to a stream's `pending` under a mutex; the thread swaps
 * the buffer for an empty one and writes it outside the lock. No copies. The first line wakes the
 * thread, which then waits a moment for others: a wake-up and a write for each line would cost
 * more than the request that it tells of. A warning is written at once.
 *
 * The access log's descriptor keeps its number when the file is opened again (dup2), so that the
 * thread may be writing meanwhile. Processes share the file by O_APPEND. */
#include "log.h"
#include "buf.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PENDING_MAX = 1024 * 1024, GATHER_MS = 20 };

#define NS_PER_S UINT64_C(1000000000)

struct stream {
    int fd;
    struct buf pending;
    unsigned long dropped; /* since the last line that fitted */
    bool cut; /* within a line, by a disk that is full: the next begins with a line end */
};

static struct {
    enum log_level level;
    bool json;
    char process[32];
    char middles[4][96]; /* what follows the time in JSON, by level */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    bool running;              /* the thread exists */
    bool stopping;             /* it shall write the rest and end */
    bool urgent;               /* it shall write now */
    struct stream log, access; /* access.fd is -1 while its lines go to the log */
    char access_path[PATH_MAX];
    unsigned long dropped; /* ever, of both */
} state = {
    .log = {.fd = STDERR_FILENO},
    .access = {.fd = -1},
    .level = LOG_INFO,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_colours[] = {"\x1b[2m", "\x1b[32m", "\x1b[33m",
                                            "\x1b[31m"};

/* How much of it was written. */
static size_t write_all(int fd, const char *data, size_t len)
{
    size_t put = 0;
    while (put < len) {
        ssize_t done = write(fd, data + put, len - put);
        if (done <= 0)
            break; /* nowhere left to complain */
        put += (size_t)done;
    }
    return put;
}

/* How many lines were not written, or not to their end. */
static unsigned long write_lines(struct stream *stream, const char *data, size_t len)
{
    unsigned long lost = 0;
    size_t put = 0;
    if (stream->cut)
        stream->cut = write_all(stream->fd, "\n", 1) == 0;
    if (!stream->cut) {
        put = write_all(stream->fd, data, len);
        stream->cut = put && data[put - 1] != '\n';
    }
    for (; put < len; put++)
        lost += data[put] == '\n';
    return lost;
}

/* With the mutex held: until there is something to write, and then a moment more. */
static void gather(void)
{
    struct timespec until;
    while (!state.log.pending.len && !state.access.pending.len && !state.stopping)
        pthread_cond_wait(&state.wake, &state.mutex);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while (!state.urgent && !state.stopping)
        if (pthread_cond_clockwait(&state.wake, &state.mutex, CLOCK_MONOTONIC, &until) ==
            ETIMEDOUT)
            break;
}

static void *writer(void *arg)
{
    (void)arg;
    struct buf writing = {0};
    pthread_mutex_lock(&state.mutex);
    for (;;) {
        gather();
        struct stream *stream = state.log.pending.len ? &state.log : &state.access;
        if (!stream->pending.len)
            break;
        state.urgent = stream == &state.log && state.access.pending.len;
        struct buf full = stream->pending;
        stream->pending = writing;
        pthread_mutex_unlock(&state.mutex);
        unsigned long lost = write_lines(stream, full.data, full.len);
        buf_clear(&full);
        writing = full;
        pthread_mutex_lock(&state.mutex);
        stream->dropped += lost;
        state.dropped += lost;
    }
    pthread_mutex_unlock(&state.mutex);
    buf_free(&writing);
    return NULL;
}

void log_init(enum log_level level, bool json, const char *process)
{
    state.level = level;
    state.json = json;
    state.running = state.stopping = false;
    snprintf(state.process, sizeof(state.process), "%s", process);
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
        snprintf(state.middles[i], sizeof(state.middles[i]),
                 "\",\"level\":\"%s\",\"process\":\"%s\",\"message\":", level_names[i],
                 state.process);
}

void log_start(void)
{
    sigset_t all, before;
    sigfillset(&all); /* signals belong to the loop's thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    state.stopping = false;
    state.running = pthread_create(&state.thread, NULL, writer, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_stop(void)
{
    if (!state.running)
        return;
    pthread_mutex_lock(&state.mutex);
    state.stopping = true;
    pthread_cond_signal(&state.wake);
    pthread_mutex_unlock(&state.mutex);
    pthread_join(state.thread, NULL);
    state.running = false;
    buf_free(&state.log.pending);
    buf_free(&state.access.pending);
}

unsigned long log_dropped(void)
{
    return state.dropped;
}

bool log_enabled(enum log_level level)
{
    return level >= state.level;
}

/* The second's text is kept: most lines share it with the one before. */
static void put_time(struct buf *line, struct timespec at, bool with_date)
{
    static __thread time_t second;
    static __thread char text[32];
    if (at.tv_sec != second) {
        struct tm parts;
        second = at.tv_sec;
        gmtime_r(&second, &parts);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    }
    unsigned ms = (unsigned)(at.tv_nsec / 1000000);
    char rest[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                   (char)('0' + ms % 10), 'Z'};
    buf_puts(line, with_date ? text : text + 11);
    buf_append(line, rest, sizeof(rest));
}

static void put_json(struct buf *line, struct timespec at, enum log_level level,
                     const char *message, size_t len, const char *fields,
                     size_t fields_len)
{
    buf_puts(line, "{\"timestamp\":\"");
    put_time(line, at, true);
    buf_puts(line, state.middles[level]);
    buf_json_string(line, message, len);
    if (fields_len) {
        buf_putc(line, ',');
        buf_append(line, fields, fields_len);
    }
    buf_puts(line, "}\n");
}

static void put_text(struct buf *line, struct timespec at, enum log_level level,
                     const char *message, size_t len, const char *fields,
                     size_t fields_len)
{
    static int colour = -1;
    if (colour < 0)
        colour = isatty(STDERR_FILENO);
    put_time(line, at, false);
    buf_printf(line, " %s%-5s%s %s: ", colour ? level_colours[level] : "",
               level_names[level], colour ? "\x1b[0m" : "", state.process);
    buf_append(line, message, len);
    if (fields_len) {
        buf_putc(line, ' ');
        buf_append(line, fields, fields_len);
    }
    buf_putc(line, '\n');
}

static void put_line(struct stream *stream, struct timespec at, enum log_level level,
                     const char *message, size_t len, const char *fields,
                     size_t fields_len)
{
    static __thread struct buf line; /* reused; the lines come from the loop's thread */
    line.len = 0;
    (state.json ? put_json : put_text)(&line, at, level, message, len, fields,
                                       fields_len);
    if (!state.running) {
        write_all(stream->fd, line.data, line.len);
        buf_free(&line);
        return;
    }
    pthread_mutex_lock(&state.mutex);
    if (stream->pending.len + line.len > PENDING_MAX) {
        stream->dropped++;
        state.dropped++;
    } else {
        bool first = !stream->pending.len;
        if (stream->dropped) {
            buf_printf(&stream->pending,
                       "{\"level\":\"warn\",\"message\":\"%lu log lines dropped\"}\n",
                       stream->dropped);
            stream->dropped = 0;
        }
        buf_append(&stream->pending, line.data, line.len);
        bool urgent = level >= LOG_WARN || stream->pending.len > PENDING_MAX / 2;
        state.urgent |= urgent;
        if (first || urgent)
            pthread_cond_signal(&state.wake);
    }
    pthread_mutex_unlock(&state.mutex);
    buf_clear(&line);
}

void log_line(enum log_level level, const char *message, size_t len, const char *fields,
              size_t fields_len)
{
    struct timespec now;
    if (!log_enabled(level))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    put_line(&state.log, now, level, message, len, fields, fields_len);
}

bool log_access_enabled(void)
{
    return state.access.fd >= 0 || log_enabled(LOG_INFO);
}

void log_access(uint64_t wall_ns, const char *fields, size_t len)
{
    static const char message[] = "request";
    struct timespec at = {.tv_sec = (time_t)(wall_ns / NS_PER_S),
                          .tv_nsec = (long)(wall_ns % NS_PER_S)};
    if (log_access_enabled())
        put_line(state.access.fd >= 0 ? &state.access : &state.log, at, LOG_INFO, message,
                 sizeof(message) - 1, fields, len);
}

int log_access_open(const char *path)
{
    snprintf(state.access_path, sizeof(state.access_path), "%s", path);
    return log_access_reopen();
}

int log_access_reopen(void)
{
    if (!*state.access_path)
        return 0;
    int fd = open(state.access_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) {
        log_error("access log %s: %s", state.access_path, strerror(errno));
        return -1;
    }
    if (state.access.fd < 0) {
        state.access.fd = fd;
        return 0;
    }
    dup3(fd, state.access.fd, O_CLOEXEC);
    close(fd);
    return 0;
}

void log_printf(enum log_level level, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    va_list args;
    va_start(args, fmt);
    char *text;
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        return;
    log_line(level, text, (size_t)len, NULL, 0);
    free(text);
}

int log_level_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof(level_names) / sizeof(level_names[0])); i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return -1;
}
