/* Files as answers: the thread pool opens, stats and reads the first piece; http_pieces.c
 * sends it and the rest. A small file is one trip to the pool and one write. */
#include "http_file.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* In the pool: opens, finds the slice. Not blocking: a FIFO would. */
static bool open_slice(struct http_file *file)
{
    const struct stat *st = &file->st;
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0 || fstat(file->fd, &file->st) < 0) {
        file->error = errno;
        return false;
    }
    if (!S_ISREG(st->st_mode)) {
        file->error = ENOENT;
        return false;
    }
    file->outside = file->offset > st->st_size ||
                    (file->left >= 0 && file->left > st->st_size - file->offset);
    if (file->left < 0)
        file->left = st->st_size - file->offset;
    return !file->outside && file->left;
}

static void work_open(uv_work_t *work)
{
    struct http_file *file = work->data;
    if (!open_slice(file))
        return;
    file->hit = file->kept && http_zipped_is_of(file->kept, &file->st);
    if (!file->hit)
        http_file_first(file);
}

static void begin(struct http_file *file, struct http_req *req)
{
    if (file->hit) {
        file->zip = true;
        file->data = http_zipped_content(file->kept)->data;
        file->len = http_zipped_content(file->kept)->len;
        file->left = 0;
    } else if (file->zip && !file->left && file->may_keep) {
        http_zipped_keep(file->server, file->path, &file->st, &file->zipped);
    }
    req->responded = true;
    http_answer_settle(req);
    http_file_begin(file, req);
}

static void after_open(uv_work_t *work, int status)
{
    struct http_file *file = work->data;
    struct http_req *req = file->req;
    if (!req) {
        http_file_free(file);
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
        http_file_free(file);
    else
        begin(file, req);
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
    struct http_server *server = req->server;
    struct http_file *file = http_file_new(req);
    file->req = req;
    file->path = mem_strdup(path);
    file->offset = offset;
    file->left = length;
    file->done = done;
    file->done_arg = arg;
    /* Its size is not known yet: what would be done with one that suits. */
    enum http_coding coding =
        http_gzip_choose(req, status, headers, count, server->gzip_min);
    if (coding == CODING_GZIP && !offset && length < 0) {
        http_answer_begin(server, &file->zipped_head, status, headers, count, coding);
        file->may_keep = http_gzip_may_keep(headers, count);
        file->kept = file->may_keep ? http_zipped_find(server, path) : NULL;
    }
    if (coding == CODING_GZIP)
        coding = CODING_IDENTITY;
    http_answer_begin(server, &file->head, status, headers, count, coding);
    int queued = uv_queue_work(server->loop, &file->work, work_open, after_open);
    if (queued < 0) {
        http_file_free(file);
        return err_uv(err, queued, "open");
    }
    req->file = file;
    return 0;
}

/* ---- A body in memory ---- */

static void work_memory(uv_work_t *work)
{
    http_file_first(work->data);
}

static void after_memory(uv_work_t *work, int status)
{
    struct http_file *file = work->data;
    struct http_conn *conn = file->conn;
    if (conn && status == 0 && !file->error) {
        http_file_begin(file, conn->req);
        return;
    }
    if (conn)
        conn->file = NULL;
    http_file_free(file);
    if (conn)
        http_conn_close(conn);
}

void http_file_respond(struct http_req *req, int status, const char *lines,
                       size_t lines_len, const struct http_header *headers, size_t count,
                       const char *body, size_t len)
{
    struct http_server *server = req->server;
    struct http_file *file = http_file_new(req);
    file->memory = mem_copy(body, len);
    file->left = (int64_t)len;
    http_answer_begin(server, &file->zipped_head, status, headers, count, CODING_GZIP);
    http_answer_begin(server, &file->head, status, headers, count, CODING_IDENTITY);
    buf_append(&file->zipped_head, lines, lines_len);
    buf_append(&file->head, lines, lines_len);
    http_answer_settle(req);
    file->conn = req->conn;
    file->conn->file = file;
    uv_queue_work(server->loop, &file->work, work_memory, after_memory);
}
