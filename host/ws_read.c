/* While `busy` a message (or whoever adopted the connection) is in the callback's hands;
 * reading is paused and bytes that were read already wait in `unread`. */
#include "ws_conn.h"
#include <stdlib.h>
#include <string.h>

bool ws_conn_is_paused(const struct ws_conn *conn)
{
    return conn->state == WS_OPEN && conn->busy;
}

static void deliver(struct ws_conn *conn, const char *data, size_t len, bool binary)
{
    struct ws_hub *hub = conn->hub;
    conn->busy = true;
    conn->untaken = false;
    bool taken =
        hub->on_message && hub->on_message(hub->arg, conn->id, data, len, binary);
    if (taken || conn->state != WS_OPEN) {
        ws_parser_release(&conn->parser);
        if (!taken)
            conn->busy = false;
    } else {
        conn->untaken = true;
        conn->binary = binary;
    }
}

static void on_peer_closed(struct ws_conn *conn, unsigned code)
{
    if (conn->state == WS_OPEN) {
        ws_conn_leave_open(conn, code);
        ws_conn_send_close(conn, code, NULL);
    }
    ws_conn_finish(conn);
}

static void on_broken(struct ws_conn *conn, const struct ws_event *event)
{
    if (conn->state == WS_OPEN) {
        ws_conn_leave_open(conn, event->code);
        ws_conn_send_close(conn, event->code, event->data);
    }
    ws_conn_finish(conn);
}

static void on_event(struct ws_conn *conn, const struct ws_event *event)
{
    switch (event->type) {
    case WS_EVENT_MESSAGE:
        if (conn->state == WS_OPEN)
            deliver(conn, event->data, event->len, event->binary);
        break;
    case WS_EVENT_PING:
        if (conn->state == WS_OPEN)
            ws_conn_send_new(conn, WS_PONG, event->data, event->len);
        break;
    case WS_EVENT_CLOSE:
        on_peer_closed(conn, event->code);
        break;
    case WS_EVENT_ERROR:
        on_broken(conn, event);
        break;
    default:
        break;
    }
}

/* Parses until a message is in the application's hands; returns how far it came. */
static size_t feed(struct ws_conn *conn, const char *data, size_t len)
{
    size_t used = 0;
    if (ws_conn_is_events(conn))
        return len;
    conn->feeding = true;
    while (used < len && !ws_conn_is_paused(conn) && !conn->finished &&
           conn->state != WS_GONE) {
        struct ws_event event;
        used += ws_parser_feed(&conn->parser, data + used, len - used, &event);
        on_event(conn, &event);
    }
    conn->feeding = false;
    if (!conn->untaken)
        ws_parser_release(&conn->parser);
    return ws_conn_is_paused(conn) ? used : len;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct ws_conn *conn = handle->data;
    *buf = uv_buf_init(conn->hub->buffer, WS_READ_BYTES);
}

static void set_reading(struct ws_conn *conn);

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct ws_conn *conn = stream->data;
    if (nread < 0) {
        ws_conn_drop(conn, WS_CODE_ABNORMAL);
        return;
    }
    if (nread == 0)
        return;
    conn->alive = true;
    size_t used = feed(conn, buf->base, (size_t)nread);
    buf_append(&conn->unread, buf->base + used, (size_t)nread - used);
    set_reading(conn);
}

static void set_reading(struct ws_conn *conn)
{
    bool wanted = conn->state != WS_GONE && !ws_conn_is_paused(conn);
    if (wanted == conn->reading)
        return;
    conn->reading = wanted;
    if (!wanted)
        uv_read_stop(conn->stream);
    else if (uv_read_start(conn->stream, on_alloc, on_read) < 0)
        ws_conn_drop(conn, WS_CODE_ABNORMAL);
}

void ws_conn_resume(struct ws_conn *conn)
{
    if (conn->feeding || conn->state == WS_GONE)
        return;
    struct buf *unread = &conn->unread;
    if (unread->len)
        conn->unread_at +=
            feed(conn, unread->data + conn->unread_at, unread->len - conn->unread_at);
    if (conn->unread_at == unread->len) {
        buf_free(unread);
        conn->unread_at = 0;
    }
    set_reading(conn);
}

void ws_conn_retry(struct ws_conn *conn)
{
    const struct buf *message = &conn->parser.message;
    conn->feeding = true;
    deliver(conn, message->len ? message->data : "", message->len, conn->binary);
    conn->feeding = false;
    ws_conn_resume(conn);
}
