/* on_close comes when no message is under way, from the hub's timer, so that no callback
 * runs inside ws_publish or ws_close. */
#include "ws_conn.h"
#include "mem.h"
#include <stdlib.h>

enum {
    CLOSE_WAIT_MS = 5000 /* for the peer's close frame, and for the queue to drain */
};

void ws_conn_forget(struct ws_conn *conn)
{
    struct ws_hub *hub = conn->hub;
    if (conn->stream || !(conn->reported || hub->freeing))
        return;
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    hash_del(&hub->conns, &conn->node);
    ws_parser_deinit(&conn->parser);
    buf_free(&conn->unread);
    free(conn->data);
    free(conn);
    if (!hub->all)
        ws_hub_on_empty(hub);
}

static void on_report(uv_timer_t *timer)
{
    struct ws_hub *hub = timer->data;
    struct ws_conn *conn = hub->reports;
    hub->reports = NULL;
    for (struct ws_conn *next; conn; conn = next) {
        next = conn->next_report;
        conn->reporting = false;
        conn->reported = hub->on_close && hub->on_close(hub->arg, conn->id, conn->code,
                                                        conn->data, conn->data_len);
        ws_conn_forget(conn); /* if it was not taken the next tick asks again */
    }
}

void ws_conn_report(struct ws_conn *conn)
{
    struct ws_hub *hub = conn->hub;
    if (conn->state == WS_OPEN || conn->busy || conn->reporting || conn->reported ||
        hub->freeing)
        return;
    conn->reporting = true;
    conn->next_report = hub->reports;
    hub->reports = conn;
    uv_timer_start(&hub->report, on_report, 0, 0);
}

void ws_conn_leave_open(struct ws_conn *conn, unsigned code)
{
    conn->hub->half_full -= ws_conn_is_half_full(conn);
    conn->state = WS_CLOSING;
    conn->code = (uint16_t)code;
    conn->deadline_at = uv_now(conn->hub->loop) + CLOSE_WAIT_MS;
    free(conn->deadline_reason);
    conn->deadline_reason = NULL;
    conn->hub->open--;
    room_leave_all(&conn->hub->rooms, &conn->seats);
    if (conn->untaken) /* nobody has it: it is not worth waiting for */
        conn->untaken = conn->busy = false;
    ws_conn_report(conn);
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct ws_conn *conn = handle->data;
    free(conn->stream);
    conn->stream = NULL;
    ws_conn_forget(conn);
}

void ws_conn_drop(struct ws_conn *conn, unsigned code)
{
    if (conn->state == WS_GONE)
        return;
    if (conn->state == WS_OPEN)
        ws_conn_leave_open(conn, code);
    conn->state = WS_GONE;
    uv_close((uv_handle_t *)conn->stream, on_stream_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status; /* of a stream that is broken its reader hears, too */
    free(req);
}

/* Ends our side behind what is queued; then the end of the peer's is awaited, or patience ends
 * (RFC 6455, section 7.1.1). To close at once would be a reset for who is still sending, be it the
 * pong to our last ping, and that takes our close frame with it. */
void ws_conn_finish(struct ws_conn *conn)
{
    if (conn->state == WS_GONE || conn->finished)
        return;
    conn->finished = true;
    uv_shutdown_t *req = mem_new(sizeof(*req));
    req->data = conn;
    if (uv_shutdown(req, conn->stream, on_shutdown) < 0) {
        free(req);
        ws_conn_drop(conn, conn->code);
    }
}

void ws_conn_close(struct ws_conn *conn, unsigned code, const char *reason)
{
    if (conn->state != WS_OPEN)
        return;
    ws_conn_leave_open(conn, code);
    ws_conn_send_close(conn, code, reason);
    ws_conn_resume(conn); /* a pause is over: now the peer's close frame is looked for */
}
