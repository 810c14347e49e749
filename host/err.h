/* err.h - what went wrong, from C to the HTTP answer in one shape.
 *
 * A function that can fail returns 0 or a negative number and takes a last `struct err *err`
 * (NULL when the caller does not care). `code` is a stable word that programs compare,
 * `message` is for people. Lua sees the same pair as a table {code, message}. */
#pragma once

/* Codes in use across modules; a module may add its own and documents them in its header. */
#define ERR_TIMEOUT "TIMEOUT"         /* the deadline passed while waiting */
#define ERR_CANCELLED "CANCELLED"     /* the waiting task was cancelled */
#define ERR_CLOSED "CLOSED"           /* the other side, or we, closed it */
#define ERR_UNAVAILABLE "UNAVAILABLE" /* a dependency is down; trying later may help */
#define ERR_BUSY "BUSY"               /* a bounded queue is full */
#define ERR_TOO_LARGE "TOO_LARGE"     /* over a configured limit */
#define ERR_INVALID "INVALID"         /* the bytes given are not what they should be */
#define ERR_NOT_FOUND "NOT_FOUND"
#define ERR_EXISTS "EXISTS"
#define ERR_DISK_FULL "DISK_FULL"
#define ERR_IO "IO"
#define ERR_INTERNAL "INTERNAL"

struct err {
    const char *code; /* static string, NULL when nothing went wrong */
    char message[1024];
};

/* Fills `err` (which may be NULL) and returns -1, so that `return err_set(...)` reads well.
 * `code` must be a static string. */
int err_set(struct err *err, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from an errno value: chooses code and adds strerror's text. Returns -1. */
int err_errno(struct err *err, int number, const char *what);

/* The same from a libuv status (negative). Returns -1. */
int err_uv(struct err *err, int status, const char *what);
