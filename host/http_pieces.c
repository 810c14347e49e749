/* No sendfile: it passes page by page, and cost twice the CPU time. */
#include "http_file.h"
#include "mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PIECE = 256 * 1024,
    ZIP_ONCE = 1024 * 1024, /* what is compressed whole, so that its length is known */
    BUFS_MAX = 4,
};

struct http_file *http_file_new(struct http_req *req)
{
    struct http_file *file = mem_new(sizeof(*file));
    file->server = req->server;
    file->server->refs++;
    file->req = req;
    file->fd = -1;
    file->head_only = req->is_head;
    file->may_chunk = !req->old;
    file->work.data = file;
    return file;
}

void http_file_free(struct http_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->gzip_open)
        deflateEnd(&file->gzip);
    http_zipped_unref(file->kept);
    free(file->path);
    free(file->memory);
    buf_free(&file->raw);
    buf_free(&file->zipped);
    buf_free(&file->head);
    buf_free(&file->zipped_head);
    http_server_unref(file->server);
    free(file);
}

/* A file that became shorter is an error: its length may be sent already. */
static bool read_piece(struct http_file *file, size_t want)
{
    if (file->memory) {
        file->data = file->memory + file->offset;
    } else {
        file->raw.len = 0;
        file->data = buf_reserve(&file->raw, want);
    }
    while (!file->memory && file->raw.len < want) {
        ssize_t got =
            pread(file->fd, file->raw.data + file->raw.len, want - file->raw.len,
                  (off_t)file->offset + (off_t)file->raw.len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            file->error = got < 0 ? errno : EIO;
            return false;
        }
        file->raw.len += (size_t)got;
    }
    file->len = want;
    file->offset += (int64_t)want;
    file->left -= (int64_t)want;
    return true;
}

/* What came out may be nothing yet: a chunk of no bytes would be the last. */
static bool zip_piece(struct http_file *file)
{
    if (!file->gzip_open)
        file->gzip_open = http_gzip_open(&file->gzip, file->server->gzip_level);
    if (!file->gzip_open ||
        !http_gzip_more(&file->gzip, file->data, file->len, !file->left, &file->zipped)) {
        file->error = ENOMEM;
        return false;
    }
    return true;
}

/* Up to `most` bytes of the source, compressed if wanted. */
static void next_piece(struct http_file *file, size_t most)
{
    file->zipped.len = 0;
    do {
        if (!read_piece(file, file->left < (int64_t)most ? (size_t)file->left : most) ||
            (file->zip && !zip_piece(file)))
            return;
    } while (file->zip && !file->zipped.len && file->left);
    if (file->zip) {
        file->data = file->zipped.data;
        file->len = file->zipped.len;
    }
}

void http_file_first(struct http_file *file)
{
    bool wanted = file->zipped_head.len && file->left >= file->server->gzip_min;
    if (file->head_only && !wanted)
        return;
    if (!wanted || file->left > ZIP_ONCE) {
        file->zip = wanted && file->may_chunk;
        next_piece(file, PIECE);
        return;
    }
    next_piece(file, ZIP_ONCE);
    int level = file->path ? Z_BEST_COMPRESSION : file->server->gzip_level;
    if (file->error || !http_gzip_once(level, file->data, file->len, &file->zipped))
        return;
    file->zip = true;
    file->data = file->zipped.data;
    file->len = file->zipped.len;
    buf_free(&file->raw); /* a slow reader would keep it for long */
    free(file->memory);
    file->memory = NULL;
}

static void stream_end(struct http_file *file, bool complete)
{
    struct http_conn *conn = file->conn;
    if (conn)
        conn->file = NULL;
    http_file_free(file);
    if (conn && complete)
        http_conn_answered(conn);
    else if (conn)
        http_conn_close(conn);
}

static void write_piece(struct http_file *file, const struct buf *head);

static void work_next(uv_work_t *work)
{
    next_piece(work->data, PIECE);
}

static void after_next(uv_work_t *work, int status)
{
    struct http_file *file = work->data;
    if (!file->conn || status < 0 || file->error)
        stream_end(file, false);
    else
        write_piece(file, NULL);
}

static void after_write(struct http_file *file, int status)
{
    if (!file->conn || status < 0)
        stream_end(file, false);
    else if (!file->left || file->head_only)
        stream_end(file, true);
    else if (uv_queue_work(file->server->loop, &file->work, work_next, after_next) < 0)
        stream_end(file, false);
}

static void on_written(uv_write_t *write, int status)
{
    struct http_file *file = write->data;
    http_unsent_done(file->server, file->unsent);
    after_write(file, status);
}

static void write_bufs(struct http_file *file, uv_buf_t *bufs, unsigned count)
{
    unsigned kept = 0;
    file->unsent = 0;
    int done = uv_try_write(file->conn->stream, bufs, count);
    size_t skip = done > 0 ? (size_t)done : 0;
    if (done < 0 && done != UV_EAGAIN) {
        after_write(file, done);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        size_t part = skip < bufs[i].len ? skip : bufs[i].len;
        skip -= part;
        file->unsent += bufs[i].len - part;
        if (part < bufs[i].len)
            bufs[kept++] =
                uv_buf_init(bufs[i].base + part, (unsigned)(bufs[i].len - part));
    }
    http_conn_wait(file->conn, WAIT_WRITE); /* a piece is progress */
    if (!kept) {
        after_write(file, 0);
        return;
    }
    if (!http_unsent_add(file->server, file->unsent)) {
        after_write(file, UV_ENOBUFS);
        return;
    }
    file->write.data = file;
    int status = uv_write(&file->write, file->conn->stream, bufs, kept, on_written);
    if (status >= 0)
        return;
    http_unsent_done(file->server, file->unsent);
    after_write(file, status);
}

/* The piece stays untouched until it is written, so nothing is copied. */
static void write_piece(struct http_file *file, const struct buf *head)
{
    static char next_chunk[] = "\r\n", last_chunk[] = "\r\n0\r\n\r\n";
    uv_buf_t bufs[BUFS_MAX] = {{0}};
    unsigned count = 0;
    bool chunk = file->chunked && file->len && !file->head_only;
    if (head)
        bufs[count++] = uv_buf_init(head->data, (unsigned)head->len);
    if (chunk) {
        int len =
            snprintf(file->size_line, sizeof(file->size_line), "%zx\r\n", file->len);
        bufs[count++] = uv_buf_init(file->size_line, (unsigned)len);
    }
    if (file->len && !file->head_only)
        bufs[count++] = uv_buf_init((char *)(uintptr_t)file->data, (unsigned)file->len);
    if (chunk)
        bufs[count++] = file->left ? uv_buf_init(next_chunk, sizeof(next_chunk) - 1)
                                   : uv_buf_init(last_chunk, sizeof(last_chunk) - 1);
    write_bufs(file, bufs, count);
}

void http_file_begin(struct http_file *file, struct http_req *req)
{
    struct http_conn *conn = req->conn;
    struct buf *head = file->zip ? &file->zipped_head : &file->head;
    file->chunked = file->zip && file->left;
    http_answer_end(req, head,
                    file->chunked ? HTTP_CHUNKED : file->left + (int64_t)file->len);
    file->req = NULL;
    file->conn = conn;
    conn->file = file;
    write_piece(file, head);
}
