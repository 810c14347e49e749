/* The server as a whole: its settings, its slow timer, draining and the end. */
#include "conf.h"
#include "http_conn.h"
#include "mem.h"
#include "tls.h"
#include <stdlib.h>

enum {
    TICK_MS = 100,
    LINGER_MS = 2000,
    DRAIN_SILENCE_MS = 250,
    LEAVE_SILENCE_MS = 2000,
    ROOM_PART = 4, /* of what may be unsent becomes free when it is full */
};

void http_server_unref(struct http_server *server)
{
    if (--server->refs > 0)
        return;
    while (server->spare) {
        struct http_req *req = server->spare;
        server->spare = req->next;
        buf_free(&req->text);
        free(req->fields);
        free(req);
    }
    buf_free(&server->out);
    buf_free(&server->own_lines);
    http_gzip_free(server);
    http_zipped_free(server);
    free(server->trusted);
    tls_free(server->tls);
    free(server);
}

bool http_server_silence_over(const struct http_server *server)
{
    return server->draining && uv_now(server->loop) >= server->silence_over;
}

static void close_silent(struct http_conn *head)
{
    for (struct http_conn *conn = head->next, *next; conn != head; conn = next) {
        next = conn->next;
        if (http_conn_is_silent(conn))
            http_conn_close(conn);
    }
}

/* Gives up those who have made no progress for longest, so that there is room again. */
static void give_up_slow_readers(struct http_server *server)
{
    struct http_conn *head = &server->waits[WAIT_WRITE];
    size_t total = 0;
    for (struct http_conn *conn = head->next; conn != head; conn = conn->next)
        total += conn->stream->write_queue_size;
    while (total > server->max_unsent - server->max_unsent / ROOM_PART &&
           head->next != head) {
        total -= head->next->stream->write_queue_size;
        http_conn_close(head->next);
    }
}

bool http_unsent_add(struct http_server *server, size_t bytes)
{
    if (server->unsent && server->unsent + bytes > server->max_unsent) {
        give_up_slow_readers(server); /* what they held goes with the loop's next turn */
        return false;
    }
    server->unsent += bytes;
    return true;
}

void http_unsent_done(struct http_server *server, size_t bytes)
{
    server->unsent -= bytes;
}

static void on_tick(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    for (int wait = WAIT_NONE + 1; wait < WAIT_COUNT; wait++) {
        struct http_conn *head = &server->waits[wait];
        while (head->next != head && head->next->deadline <= now)
            http_conn_expire(head->next); /* moves it to another place, or out */
    }
    if (http_server_silence_over(server)) {
        http_accept_stop(server);
        close_silent(&server->waits[WAIT_IDLE]);
        close_silent(&server->waits[WAIT_HEAD]);
    }
    if (!server->connections && (!server->draining || !server->listeners))
        uv_timer_stop(timer);
}

void http_server_watch(struct http_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->timer))
        uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
}

static void on_timer_closed(uv_handle_t *handle)
{
    http_server_unref(handle->data);
}

struct http_server *http_server_new(struct host *host)
{
    const struct conf *conf = host->conf;
    struct http_server *server = mem_new(sizeof(*server));
    server->host = host;
    server->loop = host->loop;
    server->refs = 1;
    server->max_header_bytes = (size_t)conf_int(conf, "http.max_header_bytes");
    server->max_headers = (size_t)conf_int(conf, "http.max_headers");
    server->max_url_bytes = (size_t)conf_int(conf, "http.max_url_bytes");
    server->max_connections = (size_t)conf_int(conf, "http.max_connections");
    server->max_unsent = (size_t)conf_int(conf, "http.max_unsent_bytes");
    http_peer_configure(server, conf);
    server->gzip_level = (int)conf_int(conf, "http.gzip_level");
    server->gzip_min = conf_int(conf, "http.gzip_min_bytes");
    server->gzip_types = conf_str(conf, "http.gzip_types");
    server->wait_ms[WAIT_HEAD] = (unsigned)conf_int(conf, "http.header_timeout_ms");
    server->wait_ms[WAIT_IDLE] = (unsigned)conf_int(conf, "http.keepalive_timeout_ms");
    server->wait_ms[WAIT_BODY] = (unsigned)conf_int(conf, "http.body_idle_ms");
    server->wait_ms[WAIT_WRITE] = server->wait_ms[WAIT_BODY];
    server->wait_ms[WAIT_LINGER] = LINGER_MS;
    for (int wait = 0; wait < WAIT_COUNT; wait++) {
        if (!server->wait_ms[wait])
            server->wait_ms[wait] = 1; /* each look of the timer must make progress */
        server->waits[wait].next = server->waits[wait].prev = &server->waits[wait];
    }
    uv_timer_init(server->loop, &server->timer);
    server->timer.data = server;
    return server;
}

int http_server_reload(struct http_server *server, struct err *err)
{
    return server->tls ? tls_reload(server->tls, err) : 0;
}

void http_server_own_lines(struct http_server *server, const char *lines, size_t len)
{
    buf_clear(&server->own_lines);
    buf_append(&server->own_lines, lines, len);
}

static void drain(struct http_server *server, unsigned silence_ms)
{
    if (server->draining)
        return;
    server->draining = true;
    server->silence_over = uv_now(server->loop) + silence_ms;
    uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
}

void http_server_drain(struct http_server *server)
{
    drain(server, DRAIN_SILENCE_MS);
}

void http_server_leave(struct http_server *server)
{
    http_accept_stop(server);
    drain(server, LEAVE_SILENCE_MS);
}

void http_server_free(struct http_server *server)
{
    if (!server || server->closing)
        return;
    server->closing = server->draining = true;
    http_accept_stop(server);
    for (int wait = 0; wait < WAIT_COUNT; wait++) {
        struct http_conn *head = &server->waits[wait];
        while (head->next != head)
            http_conn_close(head->next);
    }
    uv_close((uv_handle_t *)&server->timer, on_timer_closed);
}

struct http_stats http_server_stats(const struct http_server *server)
{
    return (struct http_stats){.connections = server->connections,
                               .requests = server->requests,
                               .kept_files = server->kept_files,
                               .listening = server->listeners != NULL};
}

void http_server_on_request(struct http_server *server, http_request_cb handler,
                            void *arg)
{
    server->handler = handler;
    server->handler_arg = arg;
}
