/* Files as answers: the thread pool opens, stats and reads, the loop writes, one chunk at
 * a time, so that a download holds one chunk of memory. A small file is one trip to the
 * pool and one write. No sendfile: it passes page by page, and cost twice the CPU time.
 *
 * Invariant: between http_req_send_file and the end exactly one thing is under way, a job
 * in the pool or a write; its callback is the only place that goes on with the file or
 * frees it. */
#include "http_conn.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

struct http_file {
    uv_work_t work;
    uv_write_t write;
    struct http_server *server; /* counted: the job may outlive everything else */
    struct http_req *req;       /* while opening; NULL once stopped */
    struct http_conn *conn;     /* while streaming; NULL once aborted */
    char *path;
    int fd;
    bool head_only;
    int64_t offset, left;   /* of the slice: what is not read yet */
    struct buf head;        /* begun by send_file, completed when the size is known */
    struct buf zipped_head; /* the same for the compressed file; empty: not wanted */
    struct buf zipped;      /* what is sent instead of the chunk; empty: the chunk is */
    char *chunk;            /* CHUNK bytes, or the slice when that is shorter */
    size_t len;             /* bytes in it */
    int error;              /* errno of the last job */
    bool outside;           /* the slice is not inside the file */
    http_file_cb done;
    void *done_arg;
};

static void file_free(struct http_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file->chunk);
    buf_free(&file->head);
    buf_free(&file->zipped_head);
    buf_free(&file->zipped);
    http_server_unref(file->server);
    free(file);
}

/* In the pool: fills the chunk. A file that became shorter is an error: its length is
 * sent. */
static void work_read(uv_work_t *work)
{
    struct http_file *file = work->data;
    size_t want = file->left < CHUNK ? (size_t)file->left : CHUNK;
    file->len = 0;
    while (file->len < want) {
        ssize_t got = pread(file->fd, file->chunk + file->len, want - file->len,
                            (off_t)(file->offset + (int64_t)file->len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            file->error = got < 0 ? errno : EIO;
            return;
        }
        file->len += (size_t)got;
    }
    file->offset += (int64_t)file->len;
    file->left -= (int64_t)file->len;
}

/* In the pool: opens, finds the slice, reads the first chunk. Not blocking: a FIFO would.
 */
static void work_open(uv_work_t *work)
{
    struct http_file *file = work->data;
    struct stat st;
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0 || fstat(file->fd, &st) < 0) {
        file->error = errno;
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        file->error = ENOENT;
        return;
    }
    file->outside = file->offset > st.st_size ||
                    (file->left >= 0 && file->left > st.st_size - file->offset);
    if (file->left < 0)
        file->left = st.st_size - file->offset;
    bool zip = file->zipped_head.len && file->left >= file->server->gzip_min &&
               file->left <= CHUNK;
    if (file->outside || (file->head_only && !zip) || !file->left)
        return;
    file->chunk = mem_new(file->left < CHUNK ? (size_t)file->left : CHUNK);
    work_read(work);
    if (zip && !file->error)
        http_gzip_once(file->server->gzip_level, file->chunk, file->len, &file->zipped);
}

static void write_chunk(struct http_file *file, const uv_buf_t *bufs, unsigned count);

static void stream_end(struct http_file *file, bool complete)
{
    struct http_conn *conn = file->conn;
    if (conn)
        conn->file = NULL;
    file_free(file);
    if (conn && complete)
        http_conn_answered(conn);
    else if (conn)
        http_conn_close(conn);
}

static void after_read(uv_work_t *work, int status)
{
    struct http_file *file = work->data;
    if (!file->conn || status < 0 || file->error) {
        stream_end(file, false);
        return;
    }
    uv_buf_t buf = uv_buf_init(file->chunk, (unsigned)file->len);
    write_chunk(file, &buf, 1);
}

static void after_write(struct http_file *file, int status)
{
    if (!file->conn || status < 0)
        stream_end(file, false);
    else if (!file->left || file->head_only)
        stream_end(file, true);
    else if (uv_queue_work(file->server->loop, &file->work, work_read, after_read) < 0)
        stream_end(file, false);
}

static void on_written(uv_write_t *write, int status)
{
    after_write(write->data, status);
}

/* The chunk stays untouched until it is written, so nothing is copied. */
static void write_chunk(struct http_file *file, const uv_buf_t *bufs, unsigned count)
{
    uv_buf_t rest[2];
    unsigned kept = 0;
    int done = uv_try_write(file->conn->stream, bufs, count);
    size_t skip = done > 0 ? (size_t)done : 0;
    if (done < 0 && done != UV_EAGAIN) {
        after_write(file, done);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        size_t part = skip < bufs[i].len ? skip : bufs[i].len;
        skip -= part;
        if (part < bufs[i].len)
            rest[kept++] =
                uv_buf_init(bufs[i].base + part, (unsigned)(bufs[i].len - part));
    }
    http_conn_wait(file->conn, WAIT_WRITE); /* a chunk is progress */
    if (!kept) {
        after_write(file, 0);
        return;
    }
    file->write.data = file;
    int status = uv_write(&file->write, file->conn->stream, rest, kept, on_written);
    if (status < 0)
        after_write(file, status);
}

static void begin_stream(struct http_file *file, struct http_req *req)
{
    struct http_conn *conn = req->conn;
    req->file = NULL;
    req->responded = true;
    http_answer_settle(req);
    struct buf *head = file->zipped.len ? &file->zipped_head : &file->head;
    uv_buf_t body = {.base = file->chunk, .len = file->len};
    if (file->zipped.len)
        body = (uv_buf_t){.base = file->zipped.data, .len = file->zipped.len};
    http_answer_end(req, head, file->left + (int64_t)body.len);
    file->req = NULL;
    file->conn = conn;
    conn->file = file;
    uv_buf_t bufs[] = {{.base = head->data, .len = head->len}, body};
    write_chunk(file, bufs, body.len && !file->head_only ? 2 : 1);
}

static void after_open(uv_work_t *work, int status)
{
    struct http_file *file = work->data;
    struct http_req *req = file->req;
    if (!req) {
        file_free(file);
        return;
    }
    http_file_cb done = file->done;
    void *arg = file->done_arg;
    struct err err = {0};
    if (status < 0)
        err_uv(&err, status, "open");
    else if (file->error)
        err_errno(&err, file->error, "open");
    else if (file->outside)
        err_set(&err, ERR_INVALID, "the slice is outside of the file");
    else if (!req->conn)
        err_set(&err, ERR_CLOSED, "the client closed the connection");
    req->file = NULL;
    if (err.code)
        file_free(file);
    else
        begin_stream(file, req);
    done(arg, err.code ? &err : NULL);
}

void http_file_stop(struct http_file *file)
{
    file->req = NULL;
}

void http_file_abort(struct http_file *file)
{
    file->conn = NULL;
}

int http_req_send_file(struct http_req *req, int status,
                       const struct http_header *headers, size_t count, const char *path,
                       int64_t offset, int64_t length, http_file_cb done, void *arg,
                       struct err *err)
{
    if (http_answer_check(req, status, headers, count, err) < 0)
        return -1;
    if (req->file || offset < 0 || length < -1 || http_answer_empty(status))
        return err_set(err, ERR_INVALID, "%s",
                       req->file ? "a file is being opened already"
                                 : "no such slice or status");
    struct http_file *file = mem_new(sizeof(*file));
    file->server = req->server;
    file->server->refs++;
    file->req = req;
    file->path = mem_strdup(path);
    file->fd = -1;
    file->head_only = req->is_head;
    file->offset = offset;
    file->left = length;
    file->done = done;
    file->done_arg = arg;
    file->work.data = file;
    /* Its size is not known yet: what would be done with one that suits. */
    enum http_coding coding =
        http_gzip_choose(req, status, headers, count, req->server->gzip_min);
    if (coding == CODING_GZIP && !offset && length < 0)
        http_answer_begin(req->server, &file->zipped_head, status, headers, count,
                          coding);
    if (coding == CODING_GZIP)
        coding = CODING_IDENTITY;
    http_answer_begin(req->server, &file->head, status, headers, count, coding);
    int queued = uv_queue_work(req->server->loop, &file->work, work_open, after_open);
    if (queued < 0) {
        file_free(file);
        return err_uv(err, queued, "open");
    }
    req->file = file;
    return 0;
}
