/* The life of a connection: its wait lists, what is read from the client, and its end.
 *
 * An idle connection costs its struct and its socket handle: reads land in one buffer of
 * the server, and only what cannot be parsed yet is copied. Reading goes on while a
 * request runs (that is how a vanished client is noticed) until READ_AHEAD bytes wait. */
#include "http_conn.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    READ_AHEAD = 16 * 1024,
    LINGER_BYTES = 16 * 1024 * 1024,
};

static const struct http_refusal too_slow = {408, "REQUEST_TIMEOUT",
                                             "the request came too slowly"};

static void list_remove(struct http_conn *conn)
{
    conn->prev->next = conn->next;
    conn->next->prev = conn->prev;
}

static void list_append(struct http_conn *head, struct http_conn *conn)
{
    conn->prev = head->prev;
    conn->next = head;
    head->prev->next = conn;
    head->prev = conn;
}

struct http_conn *http_conn_new(struct http_server *server, uv_stream_t *stream)
{
    struct http_conn *conn = mem_new(sizeof(*conn));
    conn->server = server;
    conn->stream = stream;
    conn->stream->data = conn;
    conn->refs = 1;
    conn->state = CONN_HEAD;
    http_parse_init(conn);
    list_append(&server->waits[WAIT_NONE], conn);
    server->connections++;
    server->refs++;
    http_conn_wait(conn, WAIT_HEAD);
    return conn;
}

void http_conn_unref(struct http_conn *conn)
{
    if (--conn->refs > 0)
        return;
    struct http_server *server = conn->server;
    buf_free(&conn->in);
    free(conn);
    http_server_unref(server);
}

void http_conn_wait(struct http_conn *conn, enum http_wait wait)
{
    struct http_server *server = conn->server;
    conn->wait = wait;
    conn->deadline = uv_now(server->loop) + server->wait_ms[wait];
    list_remove(conn);
    list_append(&server->waits[wait], conn);
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct http_conn *conn = handle->data;
    free(handle);
    http_conn_unref(conn);
}

/* The connection is no longer the server's; its request, if any, lives on with the
 * handler. */
static void forget(struct http_conn *conn, const struct err *err)
{
    struct http_req *req = conn->req;
    list_remove(conn);
    conn->server->connections--;
    conn->state = CONN_CLOSED;
    conn->left = 0;
    if (conn->file)
        http_file_abort(conn->file);
    conn->file = NULL;
    conn->req = NULL;
    if (!req)
        return;
    req->conn = NULL;
    if (err && req->held)
        http_req_end_sink(req, err); /* may release it */
    else
        http_req_drop(req);
}

void http_conn_close(struct http_conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    uv_stream_t *stream = conn->stream;
    conn->stream = NULL;
    uv_close((uv_handle_t *)stream, on_stream_closed);
    struct err err;
    err_set(&err, ERR_CLOSED, "the client closed the connection");
    forget(conn, &err);
}

void http_conn_leave(struct http_conn *conn)
{
    uv_read_stop(conn->stream);
    conn->stream = NULL;
    forget(conn, NULL);
    http_conn_unref(conn);
}

static bool wants_input(const struct http_conn *conn)
{
    if (conn->eof || conn->state == CONN_CLOSED)
        return false;
    if (conn->state == CONN_REQUEST && conn->req->sink && !conn->body_done)
        return !conn->req->paused;
    if (conn->state == CONN_REQUEST || conn->state == CONN_ANSWER)
        return conn->left < READ_AHEAD;
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    (void)size;
    struct http_conn *conn = handle->data;
    *out = uv_buf_init(conn->server->in, sizeof(conn->server->in));
}

/* Appends to the input that is kept already. */
static void keep_more(struct http_conn *conn, const char *more, size_t len)
{
    buf_consume(&conn->in, (size_t)(conn->data - conn->in.data));
    buf_append(&conn->in, more, len);
    conn->data = conn->in.data;
    conn->left += len;
}

/* Keeps what is left in the server's buffer. */
static void keep_rest(struct http_conn *conn)
{
    conn->in.len = 0;
    buf_append(&conn->in, conn->data, conn->left);
    conn->data = conn->in.data;
}

static void on_eof(struct http_conn *conn)
{
    conn->eof = true;
    conn->reading = false; /* libuv stopped it */
    http_conn_run(conn);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct http_conn *conn = stream->data;
    if (nread == 0)
        return;
    if (nread == UV_EOF) {
        on_eof(conn);
        return;
    }
    if (nread < 0) {
        http_conn_close(conn);
        return;
    }
    if (conn->state == CONN_LINGER) {
        conn->lingered += (size_t)nread;
        if (conn->lingered > LINGER_BYTES)
            http_conn_close(conn);
        return;
    }
    if (conn->wait == WAIT_BODY)
        http_conn_wait(conn, WAIT_BODY); /* progress */
    conn->refs++;
    if (conn->left) {
        keep_more(conn, buf->base, (size_t)nread);
        http_conn_run(conn);
    } else {
        conn->data = buf->base;
        conn->left = (size_t)nread;
        http_conn_run(conn);
        if (conn->left)
            keep_rest(conn);
    }
    http_conn_unref(conn);
}

void http_conn_read(struct http_conn *conn)
{
    bool wanted = wants_input(conn);
    if (!conn->stream || conn->reading == wanted)
        return;
    conn->reading = wanted;
    if (wanted && uv_read_start(conn->stream, on_alloc, on_read) < 0)
        http_conn_close(conn);
    else if (!wanted)
        uv_read_stop(conn->stream);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    free(shutdown);
}

void http_conn_finish(struct http_conn *conn, bool clean)
{
    uv_shutdown_t *shutdown = clean || conn->eof ? NULL : mem_new(sizeof(*shutdown));
    if (!shutdown || uv_shutdown(shutdown, conn->stream, on_shutdown) < 0) {
        free(shutdown);
        http_conn_close(conn);
        return;
    }
    conn->state = CONN_LINGER;
    conn->left = 0;
    http_conn_wait(conn, WAIT_LINGER);
}

bool http_conn_is_silent(const struct http_conn *conn)
{
    char byte;
    int fd;
    if (conn->left || conn->req)
        return false;
    return uv_fileno((uv_handle_t *)conn->stream, &fd) < 0 ||
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void http_conn_expire(struct http_conn *conn)
{
    struct err err;
    if (conn->wait == WAIT_HEAD && conn->req) {
        http_conn_refuse(conn, &too_slow);
    } else if (conn->wait == WAIT_BODY && conn->state == CONN_REQUEST) {
        http_conn_wait(conn, WAIT_NONE);
        err_set(&err, ERR_TIMEOUT, "the body came too slowly");
        http_req_end_sink(conn->req, &err);
    } else if (conn->wait == WAIT_WRITE &&
               conn->stream->write_queue_size != conn->unwritten) {
        conn->unwritten = conn->stream->write_queue_size;
        http_conn_wait(conn, WAIT_WRITE);
    } else {
        http_conn_close(conn);
    }
}
