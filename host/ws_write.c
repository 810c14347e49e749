/* The queue is libuv's; `queued` counts its bytes and what each entry costs us. */
#include "mem.h"
#include "sse.h"
#include "ws_conn.h"
#include <stdlib.h>

/* When streams of events that are sent away come back. */
enum { RETRY_MIN_MS = 500, RETRY_SPREAD_MS = 2000 };

/* What waits in libuv's queue of one connection. */
struct write {
    uv_write_t req;
    struct ws_conn *conn;
    struct ws_packet *packet;
    size_t cost; /* counted in conn->queued */
};

bool ws_conn_is_events(const struct ws_conn *conn)
{
    return conn->form == WS_FORM_EVENT;
}

bool ws_conn_is_half_full(const struct ws_conn *conn)
{
    return conn->state == WS_OPEN && conn->queued > conn->queue_max / 2;
}

static void set_queued(struct ws_conn *conn, size_t queued)
{
    struct ws_hub *hub = conn->hub;
    hub->half_full -= ws_conn_is_half_full(conn);
    hub->queued += queued - conn->queued;
    conn->queued = queued;
    hub->half_full += ws_conn_is_half_full(conn);
}

static void on_written(uv_write_t *req, int status)
{
    struct write *write = req->data;
    struct ws_conn *conn = write->conn;
    set_queued(conn, conn->queued - write->cost);
    ws_packet_unref(write->packet);
    free(write);
    if (status < 0)
        ws_conn_drop(conn, WS_CODE_ABNORMAL);
}

static void enqueue(struct ws_conn *conn, struct ws_packet *packet, size_t sent)
{
    struct write *write = mem_new(sizeof(*write));
    write->req.data = write;
    write->conn = conn;
    write->packet = packet;
    write->cost = packet->len - sent + sizeof(*write);
    uv_buf_t buf = uv_buf_init(packet->bytes + sent, (unsigned)(packet->len - sent));
    if (uv_write(&write->req, conn->stream, &buf, 1, on_written) < 0) {
        free(write);
        ws_conn_drop(conn, WS_CODE_ABNORMAL);
        return;
    }
    packet->refs++;
    set_queued(conn, conn->queued + write->cost);
}

/* At once when nothing waits and the socket takes it, else by the queue. A reader that
 * had kept up gets any one frame: the limit is for what gathers behind it. */
void ws_conn_send(struct ws_conn *conn, struct ws_packet *packet)
{
    size_t sent = 0;
    if (!conn->queued) {
        uv_buf_t buf = uv_buf_init(packet->bytes, (unsigned)packet->len);
        int n = uv_try_write(conn->stream, &buf, 1);
        if (n < 0 && n != UV_EAGAIN) {
            ws_conn_drop(conn, WS_CODE_ABNORMAL);
            return;
        }
        sent = n > 0 ? (size_t)n : 0;
        if (sent == packet->len)
            return;
    } else if (conn->state == WS_OPEN &&
               conn->queued + packet->len + sizeof(struct write) > conn->queue_max) {
        conn->hub->dropped++;
        ws_conn_close(conn, WS_CODE_SLOW, "too slow");
        return;
    }
    enqueue(conn, packet, sent);
}

void ws_conn_send_new(struct ws_conn *conn, enum ws_opcode opcode, const char *data,
                      size_t len)
{
    struct ws_packet *packet = ws_packet_new(opcode, data, len);
    ws_conn_send(conn, packet);
    ws_packet_unref(packet);
}

/* A stream of events has no word for it: it just ends. Who is sent away comes back, and not
 * all at once. */
static void end_events(struct ws_conn *conn, unsigned code)
{
    struct buf retry = {0};
    if (code == WS_CODE_GOING_AWAY) {
        sse_retry(&retry, RETRY_MIN_MS + (unsigned)(conn->id * 97 % RETRY_SPREAD_MS));
        struct ws_packet *packet = ws_packet_raw(retry.data, retry.len);
        buf_free(&retry);
        ws_conn_send(conn, packet);
        ws_packet_unref(packet);
    }
    ws_conn_finish(conn);
}

void ws_conn_send_close(struct ws_conn *conn, unsigned code, const char *reason)
{
    char payload[WS_CONTROL_MAX];
    if (ws_conn_is_events(conn))
        end_events(conn, code);
    else
        ws_conn_send_new(conn, WS_CLOSE, payload,
                         ws_close_payload(payload, code, reason));
}
