/* log.h - structured log lines, written by a thread of their own so that a slow disk or pipe
 * never holds the loop.
 *
 * A line is one JSON object (format json) or coloured text (format text). Lines below a warning
 * may wait 20 ms for company. They wait in a bounded buffer of 1 MiB; when it is full new ones are
 * dropped, and the next line that fits says how many. The same goes for those for which the disk
 * has no room; one that it cut is ended before the next. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Before log_start() lines are written at once by the caller. `process` names the process
 * ("master", "http 1"); copied. Call again in each process after fork. */
void log_init(enum log_level level, bool json, const char *process);

/* Starts the writing thread; after fork, once per process. */
void log_start(void);

/* Writes what waits and ends the thread. Idempotent; lines after it are written at once. */
void log_stop(void);

/* Lines dropped, or lost to a full disk, since the process began. */
unsigned long log_dropped(void);

bool log_enabled(enum log_level level);

/* `fields` is the inside of a JSON object without braces (`"a":1,"b":"x"`) or NULL. */
void log_line(enum log_level level, const char *message, size_t len, const char *fields,
              size_t fields_len);

/* Lines about requests go to a file of their own, whatever the level is; without one, to the log
 * at level info. "" means none. -1, and a line in the log, when the file cannot be opened; what
 * was open before stays. */
int log_access_open(const char *path);

/* After the file was moved away: goes on in a new one of the same name. */
int log_access_reopen(void);

bool log_access_enabled(void);
/* Its message is "request". `fields` as above, `wall_ns` since 1970. */
void log_access(uint64_t wall_ns, const char *fields, size_t len);

void log_printf(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#define log_debug(...) log_printf(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_printf(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_printf(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_printf(LOG_ERROR, __VA_ARGS__)

/* "debug" "info" "warn" "error"; -1 for anything else. */
int log_level_parse(const char *name);
