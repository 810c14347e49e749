/* The hub as a whole: its life, its one timer, and who joins it. */
#include "mem.h"
#include "sse.h"
#include "ws_conn.h"
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 250 };

static void on_timer_closed(uv_handle_t *handle)
{
    struct ws_hub *hub = handle->data;
    if (--hub->handles)
        return;
    hash_free(&hub->conns);
    hash_free(&hub->rooms);
    ws_packet_unref(hub->ping);
    ws_packet_unref(hub->comment);
    ws_deflate_free(hub->streams);
    free(hub->buffer);
    free(hub);
}

static void on_drained(uv_timer_t *timer)
{
    struct ws_hub *hub = timer->data;
    ws_drained_cb done = hub->drained;
    hub->drained = NULL;
    if (done)
        done(hub->drained_arg);
}

void ws_hub_on_empty(struct ws_hub *hub)
{
    uv_timer_stop(&hub->tick);
    if (hub->freeing) {
        uv_close((uv_handle_t *)&hub->tick, on_timer_closed);
        uv_close((uv_handle_t *)&hub->report, on_timer_closed);
    } else if (hub->drained) {
        uv_timer_start(&hub->report, on_drained, 0, 0);
    }
}

/* ---- Time ---- */

static void pass_deadline(struct ws_conn *conn)
{
    char *reason = conn->deadline_reason;
    conn->deadline_reason = NULL;
    ws_conn_close(conn, conn->deadline_code, reason);
    free(reason);
}

static void ping(struct ws_conn *conn, uint64_t now)
{
    if (!conn->alive && !ws_conn_is_paused(conn) && !ws_conn_is_events(conn)) {
        ws_conn_drop(conn, WS_CODE_ABNORMAL);
        return;
    }
    conn->alive = ws_conn_is_paused(conn); /* then nothing can be heard from it */
    conn->ping_at = now + conn->ping_ms;
    ws_conn_send(conn, ws_conn_is_events(conn) ? conn->hub->comment : conn->hub->ping);
}

static void on_tick(uv_timer_t *timer)
{
    struct ws_hub *hub = timer->data;
    uint64_t now = uv_now(hub->loop);
    for (struct ws_conn *conn = hub->all; conn; conn = conn->next) {
        if (conn->state != WS_OPEN) {
            ws_conn_report(conn);
            if (now >= conn->deadline_at)
                ws_conn_drop(conn, conn->code);
            continue;
        }
        if (conn->deadline_at && now >= conn->deadline_at)
            pass_deadline(conn);
        else if (conn->untaken)
            ws_conn_retry(conn);
        else if (now >= conn->ping_at)
            ping(conn, now);
    }
}

/* ---- Its life ---- */

struct ws_hub *ws_hub_new(struct host *host)
{
    struct ws_hub *hub = mem_new(sizeof(*hub));
    hub->loop = host->loop;
    hub->ping = ws_packet_new(WS_PING, NULL, 0);
    hub->comment = ws_packet_raw(SSE_COMMENT, strlen(SSE_COMMENT));
    hub->streams = ws_deflate_new();
    hub->buffer = mem_new(WS_READ_BYTES);
    hub->handles = 2;
    uv_timer_init(hub->loop, &hub->tick);
    uv_timer_init(hub->loop, &hub->report);
    hub->tick.data = hub->report.data = hub;
    return hub;
}

void ws_hub_on(struct ws_hub *hub, ws_message_cb on_message, ws_close_cb on_close,
               void *arg)
{
    hub->on_message = on_message;
    hub->on_close = on_close;
    hub->arg = arg;
}

void ws_hub_drain(struct ws_hub *hub, ws_drained_cb done, void *arg)
{
    hub->draining = true;
    hub->drained = done;
    hub->drained_arg = arg;
    for (struct ws_conn *conn = hub->all; conn; conn = conn->next)
        ws_conn_close(conn, WS_CODE_GOING_AWAY, "going away");
    if (!hub->all)
        ws_hub_on_empty(hub);
}

void ws_hub_free(struct ws_hub *hub)
{
    if (!hub)
        return;
    hub->freeing = true;
    hub->reports = NULL;
    hub->drained = NULL;
    if (!hub->all)
        ws_hub_on_empty(hub);
    for (struct ws_conn *conn = hub->all, *next; conn; conn = next) {
        next = conn->next;
        ws_conn_drop(conn, WS_CODE_ABNORMAL);
        ws_conn_forget(conn);
    }
}

struct ws_stats ws_hub_stats(const struct ws_hub *hub)
{
    return (struct ws_stats){hub->open, hub->rooms.count, hub->queued, hub->half_full,
                             hub->dropped};
}

uint64_t ws_adopt(struct ws_hub *hub, uv_stream_t *stream,
                  const struct ws_options *options, const char *head, size_t head_len,
                  const char *rest, size_t rest_len)
{
    struct ws_conn *conn = mem_new(sizeof(*conn));
    conn->id = ++hub->last_id;
    conn->node.hash = hash_number(conn->id);
    hash_add(&hub->conns, &conn->node);
    conn->next = hub->all;
    if (conn->next)
        conn->next->link = &conn->next;
    conn->link = &hub->all;
    hub->all = conn;
    hub->open++;
    conn->hub = hub;
    conn->stream = stream;
    stream->data = conn;
    ws_parser_init(&conn->parser, options->max_message);
    conn->parser.streams = options->deflate_bits ? hub->streams : NULL;
    conn->form = (uint8_t)(options->events ? WS_FORM_EVENT : options->deflate_bits);
    conn->queue_max = options->queue_max;
    conn->ping_ms = options->ping_ms;
    conn->ping_at = uv_now(hub->loop) + options->ping_ms;
    conn->alive = true;
    conn->busy = true;
    buf_append(&conn->unread, rest, rest_len);
    struct ws_packet *answer = ws_packet_raw(head, head_len);
    ws_conn_send(conn, answer);
    ws_packet_unref(answer);
    if (!uv_is_active((uv_handle_t *)&hub->tick))
        uv_timer_start(&hub->tick, on_tick, TICK_MS, TICK_MS);
    if (hub->draining)
        ws_conn_close(conn, WS_CODE_GOING_AWAY, "going away");
    return conn->id;
}
