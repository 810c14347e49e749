/* fs.h - file operations, each as one job of libuv's thread pool.
 *
 * A composite operation (write a file durably, install one, make a folder with its
 * parents, hash) is one job from beginning to end: there is no state between its steps
 * that the loop could see, and no chain of callbacks to get wrong. Errors: NOT_FOUND,
 * EXISTS, DISK_FULL, TOO_LARGE, IO. New files are readable by the owner only. */
#pragma once
#include "buf.h"
#include "err.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum fs_kind {
    FS_READ,    /* path -> data; TOO_LARGE when it holds more than `limit` bytes */
    FS_WRITE,   /* data -> path, by a temporary file beside it: all or nothing, durable */
    FS_APPEND,  /* data -> the end of path, which is made if need be; not durable */
    FS_RENAME,  /* path -> to, replacing it */
    FS_UNLINK,  /* path */
    FS_MKDIR,   /* path with its parents; an existing folder is fine */
    FS_STAT,    /* path -> size, mtime_ms, is_dir */
    FS_SPACE,   /* path -> size: bytes free to us on its file system; total */
    FS_LIST,    /* path -> data: the names, sorted by bytes, each ended by a NUL */
    FS_COPY,    /* path -> to, durable and all or nothing like FS_WRITE */
    FS_INSTALL, /* path -> to: fsync, parents of `to`, rename, fsync of the folder */
    FS_HASH,    /* path -> data: SHA-256 as 64 hex digits; size: bytes hashed */
};

struct fs_request {
    enum fs_kind kind;
    const char *path;
    const char *to;   /* where the kind has one, else NULL */
    const void *data; /* FS_WRITE, FS_APPEND */
    size_t len;       /* of data */
    size_t limit;     /* FS_READ, bytes */
};

struct fs_result {
    struct buf data;
    int64_t size;
    int64_t total; /* FS_SPACE */
    int64_t mtime_ms;
    bool is_dir;
};

/* `err` is NULL on success. `result` is freed by the caller of `done` after it returns.
 */
typedef void (*fs_done_cb)(void *arg, const struct fs_result *result,
                           const struct err *err);

/* Runs the operation here and now, blocking. Fills `result` (buf_free its data). */
int fs_run(const struct fs_request *request, struct fs_result *result, struct err *err);

/* Copies the request and returns at once; `done` runs once, later, from the loop. */
void fs_start(uv_loop_t *loop, const struct fs_request *request, fs_done_cb done,
              void *arg);

/* Writes all of `data`; 0 or -1 with errno. Blocks. */
int fs_write_all(int fd, const void *data, size_t len);
