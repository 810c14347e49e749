/* upload.h - a multipart/form-data body to fields in memory and files on disk.
 *
 * Parts with a file name are written and hashed (SHA-256) by the thread pool while the
 * body comes; the loop never waits for the disk. Knows no sockets: bytes are pushed in,
 * and `full` tells the source when to hold back. Files are temporary: upload_free deletes
 * those that were not kept. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct upload;

struct upload_limits {
    uint64_t max_file; /* bytes of one file */
    unsigned max_files;
    unsigned max_fields;
    size_t max_text; /* bytes of all fields together: they are held in memory */
    const char *dir; /* an existing folder for the temporary files; copied */
};

struct upload_field {
    char *name;
    char *value;
    size_t len; /* of value, which may hold NULs */
};

struct upload_file {
    char *name, *filename, *type; /* as the client declared them */
    char *path;                   /* mode 0600, a random name in `dir` */
    uint64_t size;
    char sha256[65]; /* lower-case hex */
};

struct upload_events {
    /* More than 256 KiB wait for the disk (true), or no longer do (false). Must not feed
     * or free. */
    void (*full)(void *arg, bool full);
    /* Once: after upload_finish, when everything is on disk (not synced; maybe before
     * upload_finish returns), or at any time when the disk failed: DISK_FULL, IO,
     * NOT_FOUND (no such folder). Nothing may be fed after a failure. */
    void (*done)(void *arg, const struct err *err);
};

/* `boundary` as multipart_boundary gave it. `events` must outlive it. */
struct upload *upload_new(uv_loop_t *loop, const char *boundary,
                          const struct upload_limits *limits,
                          const struct upload_events *events, void *arg);

/* -1: INVALID, TOO_LARGE or TOO_MANY; only upload_free may follow, `done` does not run.
 */
int upload_feed(struct upload *upload, const char *data, size_t len, struct err *err);

/* The body is complete. -1 INVALID when the form is not; `done` does not run then. */
int upload_finish(struct upload *upload, struct err *err);

/* The name of the part that the last error is about, or NULL. */
const char *upload_error_part(const struct upload *upload);

/* What came, in order; valid from `done` until upload_free. NULL behind the last. */
const struct upload_field *upload_field_at(const struct upload *upload, size_t index);
const struct upload_file *upload_file_at(const struct upload *upload, size_t index);

/* The file at `path` is the caller's from now on; false when there is no such one. */
bool upload_keep(struct upload *upload, const char *path);

/* No callback runs any more. Temporary files are deleted in the pool, the memory goes
 * after that: run the loop. NULL is allowed. */
void upload_free(struct upload *upload);
