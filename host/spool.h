/* spool.h - bytes that arrive on the loop go to a new file, in order, by the thread pool. */
#pragma once
#include "err.h"
#include <stddef.h>
#include <uv.h>

struct spool;

enum { SPOOL_FULL = 256 * 1024 }; /* bytes that may wait for the disk */

/* There is room again after spool_write said 0. */
typedef void (*spool_room_cb)(void *arg);
/* Once: all is in the file (`err` NULL), or it failed and the file is gone. */
typedef void (*spool_done_cb)(void *arg, const struct err *err);

/* Creates `path`, which must not exist, when the first bytes are written. Owned by the caller
 * until spool_finish or spool_drop, one of which must follow. */
struct spool *spool_new(uv_loop_t *loop, const char *path, spool_room_cb room, void *arg);

/* 1: taken (copied). 0: nothing was taken, `room` follows. -1: writing failed: EXISTS,
 * NOT_FOUND, DISK_FULL, IO. */
int spool_write(struct spool *spool, const void *data, size_t len, struct err *err);

/* Writes what waits, closes the file, calls `done` from the loop, frees the spool. Until then
 * spool_drop is still allowed: `done` does not run then. */
void spool_finish(struct spool *spool, spool_done_cb done, void *arg);

/* Removes the file and frees the spool, in its own time; no callback runs. */
void spool_drop(struct spool *spool);
