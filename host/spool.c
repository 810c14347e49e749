/* At most one job is in the pool; it alone touches `fd`, `created` and `error` then. What comes
 * meanwhile gathers in `waiting` and is the next job's. The job that ends the spool, well or by
 * removing the file, is the last. */
#include "spool.h"
#include "buf.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct spool {
    uv_loop_t *loop;
    uv_work_t work;
    char *path;
    int fd; /* -1 before the first job and after the last */
    bool created;
    int error; /* errno of the first failure */
    bool working, finishing, dropped;
    bool last,
        removing; /* what the job under way does: it ends the spool; removes the file */
    bool full;    /* `room` is owed */
    struct buf waiting, batch;
    spool_room_cb room;
    void *room_arg;
    spool_done_cb done;
    void *done_arg;
};

/* ---- in the pool ---- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int open_and_write(struct spool *spool)
{
    if (spool->fd < 0) {
        spool->fd =
            open(spool->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (spool->fd < 0)
            return errno;
        spool->created = true;
    }
    return write_all(spool->fd, spool->batch.data, spool->batch.len);
}

static void run(uv_work_t *work)
{
    struct spool *spool = work->data;
    if (!spool->error && !spool->removing)
        spool->error = open_and_write(spool);
    if (!spool->last)
        return;
    if (spool->fd >= 0 && close(spool->fd) < 0 && !spool->error)
        spool->error = errno;
    spool->fd = -1;
    if (spool->created && (spool->error || spool->removing))
        unlink(spool->path);
}

/* ---- on the loop ---- */

static void start_job(struct spool *spool);

static void spool_free(struct spool *spool)
{
    buf_free(&spool->waiting);
    buf_free(&spool->batch);
    free(spool->path);
    free(spool);
}

static void end(struct spool *spool)
{
    struct err err;
    if (spool->error)
        err_errno(&err, spool->error, spool->path);
    if (!spool->dropped)
        spool->done(spool->done_arg, spool->error ? &err : NULL);
    spool_free(spool);
}

static void on_ran(uv_work_t *work, int status)
{
    struct spool *spool = work->data;
    (void)status; /* never cancelled */
    spool->working = false;
    buf_clear(&spool->batch);
    bool remains = spool->dropped && !spool->removing && spool->created && !spool->error;
    if (spool->last && !remains) {
        end(spool);
        return;
    }
    bool owed = spool->full && !spool->dropped;
    spool->full = false;
    start_job(spool);
    if (owed)
        spool->room(spool->room_arg);
}

static void start_job(struct spool *spool)
{
    bool ends = spool->finishing || spool->dropped;
    if (spool->working || (!ends && !spool->waiting.len))
        return;
    struct buf empty = spool->batch;
    spool->batch = spool->waiting;
    spool->waiting = empty;
    spool->last = ends;
    spool->removing = spool->dropped;
    spool->working = true;
    uv_queue_work(spool->loop, &spool->work, run, on_ran);
}

struct spool *spool_new(uv_loop_t *loop, const char *path, spool_room_cb room, void *arg)
{
    struct spool *spool = mem_new(sizeof(*spool));
    spool->loop = loop;
    spool->path = mem_strdup(path);
    spool->fd = -1;
    spool->room = room;
    spool->room_arg = arg;
    spool->work.data = spool;
    return spool;
}

int spool_write(struct spool *spool, const void *data, size_t len, struct err *err)
{
    if (!spool->working && spool->error)
        return err_errno(err, spool->error, spool->path);
    if (spool->waiting.len >= SPOOL_FULL) {
        spool->full = true;
        return 0;
    }
    buf_append(&spool->waiting, data, len);
    start_job(spool);
    return 1;
}

void spool_finish(struct spool *spool, spool_done_cb done, void *arg)
{
    spool->finishing = true;
    spool->done = done;
    spool->done_arg = arg;
    start_job(spool);
}

void spool_drop(struct spool *spool)
{
    spool->dropped = true;
    start_job(spool);
}
