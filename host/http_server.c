/* Listeners, connections, deadlines.
 *
 * An idle connection costs its struct and its socket handle: reads land in one buffer of
 * the server, and only what cannot be parsed yet is copied. Reading goes on while a
 * request runs (that is how a vanished client is noticed) until READ_AHEAD bytes wait. */
#include "conf.h"
#include "http_conn.h"
#include "log.h"
#include "mem.h"
#include "proxy_protocol.h"
#include "tls.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    BACKLOG = 1024,
    READ_AHEAD = 16 * 1024,
    LINGER_MS = 2000,
    DRAIN_SILENCE_MS = 250,
    LINGER_BYTES = 16 * 1024 * 1024,
};

static const struct http_refusal too_slow = {408, "REQUEST_TIMEOUT",
                                             "the request came too slowly"};
static const struct http_refusal full = {503, "SERVICE_UNAVAILABLE",
                                         "too many connections"};

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
    http_gzip_free(server);
    free(server->trusted);
    tls_free(server->tls);
    free(server);
}

static void conn_unref(struct http_conn *conn)
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
    conn_unref(conn);
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
    conn_unref(conn);
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
    conn_unref(conn);
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

/* A close with unread input resets the connection, and the client may lose the answer:
 * shut down our side and read until the client closes. */
static void finish(struct http_conn *conn, bool clean)
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

/* Whether nothing is under way from the client, as far as this machine knows. */
static bool is_silent(const struct http_conn *conn)
{
    char byte;
    int fd;
    if (conn->left || conn->req)
        return false;
    return uv_fileno((uv_handle_t *)conn->stream, &fd) < 0 ||
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static bool is_silence_over(const struct http_server *server)
{
    return server->draining && uv_now(server->loop) >= server->silence_over;
}

static void next_request(struct http_conn *conn)
{
    if (is_silence_over(conn->server) && is_silent(conn)) {
        http_conn_close(conn);
        return;
    }
    conn->state = CONN_HEAD;
    http_conn_wait(conn, WAIT_IDLE);
}

void http_conn_answered(struct http_conn *conn)
{
    struct http_req *req = conn->req;
    conn->req = NULL;
    if (req) {
        req->conn = NULL;
        http_req_drop(req);
    }
    conn->refusal = NULL;
    if (conn->close_after) {
        finish(conn, conn->body_done && !conn->left);
    } else if (!conn->body_done) {
        conn->state = CONN_DISCARD;
        http_conn_wait(conn, WAIT_BODY);
    } else {
        next_request(conn);
    }
    http_conn_run(conn);
}

static void dispatch(struct http_conn *conn)
{
    static const struct http_refusal none = {503, "SERVICE_UNAVAILABLE", "starting"};
    static const struct http_header methods = {
        "Allow", 5, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", 44};
    struct http_server *server = conn->server;
    struct http_req *req = conn->req;
    conn->state = CONN_REQUEST;
    http_conn_wait(conn, WAIT_NONE);
    if (req->text.data[req->path] == '*') { /* of the server as a whole: RFC 9110 9.3.7 */
        http_req_respond(req, 204, &methods, 1, NULL, 0, NULL);
        return;
    }
    if (!server->handler) {
        http_req_fail(req, none.status, none.code, none.message);
        return;
    }
    memcpy(req->ip, conn->ip, sizeof(req->ip));
    if (conn->trusted)
        http_peer_resolve(req);
    req->held = true;
    server->refs++;
    server->requests++;
    server->handler(server->handler_arg, req);
}

/* One step with the head; false when it needs more input. */
static bool step_head(struct http_conn *conn)
{
    if (!conn->req) {
        conn->req = http_req_new(conn->server);
        conn->req->conn = conn;
        http_parse_begin(conn);
    }
    enum http_parsed parsed = http_parse_head(conn);
    if (parsed == HTTP_DONE) {
        dispatch(conn);
        return true;
    }
    if (parsed == HTTP_REFUSED) {
        http_conn_refuse(conn, conn->refusal);
        return true;
    }
    if (conn->wait == WAIT_IDLE)
        http_conn_wait(conn, WAIT_HEAD);
    return false;
}

/* Nothing but the header is believed, and nothing is answered without it. */
static bool step_proxy(struct http_conn *conn)
{
    struct proxy_header header;
    int used = proxy_header_parse(conn->data, conn->left, &header);
    if (used < 0)
        http_conn_close(conn);
    if (used <= 0)
        return false;
    conn->data += used;
    conn->left -= (size_t)used;
    conn->state = CONN_HEAD;
    if (*header.ip) {
        memcpy(conn->ip, header.ip, sizeof(conn->ip));
        conn->trusted = http_peer_is_trusted(conn->server, conn->ip);
    }
    return true;
}

static void step_discard(struct http_conn *conn)
{
    enum http_parsed parsed = http_parse_body(conn);
    if (parsed == HTTP_REFUSED)
        http_conn_close(conn);
    else if (parsed == HTTP_DONE)
        next_request(conn);
}

/* The client will send nothing more: what does that end? */
static void after_eof(struct http_conn *conn)
{
    struct err err;
    err_set(&err, ERR_CLOSED, "the client closed the connection");
    if (conn->state == CONN_REQUEST && !conn->body_done)
        http_req_end_sink(conn->req, &err); /* may answer at once */
    if (conn->state == CONN_PROXY || conn->state == CONN_HEAD ||
        conn->state == CONN_DISCARD || conn->state == CONN_LINGER)
        http_conn_close(conn);
}

void http_conn_run(struct http_conn *conn)
{
    if (conn->running || conn->state == CONN_CLOSED)
        return;
    conn->running = true;
    conn->refs++;
    while (conn->left) {
        if (conn->state == CONN_HEAD) {
            if (!step_head(conn))
                break;
        } else if (conn->state == CONN_PROXY) {
            if (!step_proxy(conn))
                break;
        } else if (conn->state == CONN_DISCARD) {
            step_discard(conn);
        } else if (conn->state == CONN_REQUEST && conn->req->sink && !conn->body_done) {
            http_req_feed(conn->req);
        } else {
            break;
        }
    }
    if (conn->eof)
        after_eof(conn);
    conn->running = false;
    if (!conn->left && conn->in.cap)
        buf_free(&conn->in);
    http_conn_read(conn);
    conn_unref(conn);
}

static void expire(struct http_conn *conn)
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

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_listener *listener = handle->data;
    http_server_unref(listener->server);
    free(listener);
}

static void close_listeners(struct http_server *server)
{
    while (server->listeners) {
        struct http_listener *listener = server->listeners;
        server->listeners = listener->next;
        uv_close(&listener->uv.handle, on_listener_closed);
    }
}

static void close_silent(struct http_conn *head)
{
    for (struct http_conn *conn = head->next, *next; conn != head; conn = next) {
        next = conn->next;
        if (is_silent(conn))
            http_conn_close(conn);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    for (int wait = WAIT_NONE + 1; wait < WAIT_COUNT; wait++) {
        struct http_conn *head = &server->waits[wait];
        while (head->next != head && head->next->deadline <= now)
            expire(head->next); /* moves it to another place, or out */
    }
    if (is_silence_over(server)) {
        close_listeners(server);
        close_silent(&server->waits[WAIT_IDLE]);
        close_silent(&server->waits[WAIT_HEAD]);
    }
    if (!server->connections && (!server->draining || !server->listeners))
        uv_timer_stop(timer);
}

static void peer_address(struct http_conn *conn)
{
    struct sockaddr_storage addr;
    int len = sizeof(addr);
    if (uv_tcp_getpeername((uv_tcp_t *)conn->stream, (struct sockaddr *)&addr, &len) < 0)
        return;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&addr;
    if (addr.ss_family == AF_INET)
        uv_ip4_name((const struct sockaddr_in *)&addr, conn->ip, sizeof(conn->ip));
    else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        uv_inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, conn->ip, sizeof(conn->ip));
    else
        uv_ip6_name(six, conn->ip, sizeof(conn->ip));
}

static uv_stream_t *new_stream(struct http_listener *listener)
{
    uv_loop_t *loop = listener->server->loop;
    if (listener->is_unix) {
        uv_pipe_t *pipe = mem_new(sizeof(*pipe));
        uv_pipe_init(loop, pipe, 0);
        return (uv_stream_t *)pipe;
    }
    uv_tcp_t *tcp = mem_new(sizeof(*tcp));
    uv_tcp_init(loop, tcp);
    return (uv_stream_t *)tcp;
}

static void on_tcp_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Puts TLS between the client and the connection, whose stream becomes the plain end. */
static int encrypt(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct tls_times times = {server->wait_ms[WAIT_HEAD], server->wait_ms[WAIT_WRITE]};
    uv_os_fd_t fd;
    struct err err;
    if (uv_fileno((uv_handle_t *)conn->stream, &fd) < 0 ||
        (fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return -1;
    uv_close((uv_handle_t *)conn->stream, on_tcp_closed); /* we go on with the copy */
    uv_pipe_t *pipe = mem_new(sizeof(*pipe));
    uv_pipe_init(server->loop, pipe, 0);
    conn->stream = (uv_stream_t *)pipe;
    pipe->data = conn;
    int plain = tls_accept(server->tls, server->loop, fd, times, &err);
    if (plain < 0)
        log_warn("http: %s", err.message);
    else if (uv_pipe_open(pipe, plain) < 0)
        close(plain);
    else
        return 0;
    return -1;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct http_listener *listener = stream->data;
    struct http_server *server = listener->server;
    if (status < 0) {
        log_warn("http: accept: %s", uv_strerror(status));
        return;
    }
    struct http_conn *conn = mem_new(sizeof(*conn));
    conn->server = server;
    conn->stream = new_stream(listener);
    conn->stream->data = conn;
    conn->refs = 1;
    conn->state = listener->proxied ? CONN_PROXY : CONN_HEAD;
    http_parse_init(conn);
    list_append(&server->waits[WAIT_NONE], conn);
    server->connections++;
    server->refs++;
    http_conn_wait(conn, WAIT_HEAD);
    if (!uv_is_active((uv_handle_t *)&server->timer))
        uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
    if (uv_accept(stream, conn->stream) < 0) {
        http_conn_close(conn);
        return;
    }
    if (!listener->is_unix) {
        uv_tcp_nodelay((uv_tcp_t *)conn->stream, 1);
        peer_address(conn);
    }
    if (server->connections > server->max_connections) {
        if (!listener->encrypted)
            http_conn_refuse(conn, &full);
        http_conn_close(
            conn); /* no lingering: that would hold what there is too much of */
        return;
    }
    conn->trusted = http_peer_is_trusted(server, conn->ip);
    if (listener->proxied && !conn->trusted) {
        log_debug("http: %s is no trusted proxy", *conn->ip ? conn->ip : "a local peer");
        http_conn_close(conn);
        return;
    }
    if (listener->encrypted && encrypt(conn) < 0) {
        http_conn_close(conn);
        return;
    }
    http_conn_read(conn);
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

static int open_tls(struct http_server *server, struct err *err)
{
    const struct conf *conf = server->host->conf;
    const char *certificate = conf_str(conf, "http.tls_certificate");
    if (!*certificate || server->tls)
        return 0;
    server->tls = tls_new(certificate, conf_str(conf, "http.tls_key"), err);
    return server->tls ? 0 : -1;
}

int http_server_reload(struct http_server *server, struct err *err)
{
    return server->tls ? tls_reload(server->tls, err) : 0;
}

int http_server_start(struct http_server *server, int listen_fd, struct err *err)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    if (getsockname(listen_fd, (struct sockaddr *)&addr, &len) < 0) {
        close(listen_fd);
        return err_set(err, ERR_INVALID, "the listener is no socket");
    }
    if (addr.ss_family != AF_UNIX && open_tls(server, err) < 0) {
        close(listen_fd);
        return -1;
    }
    struct http_listener *listener = mem_new(sizeof(*listener));
    listener->server = server;
    listener->encrypted = addr.ss_family != AF_UNIX && server->tls;
    listener->is_unix = addr.ss_family == AF_UNIX;
    listener->proxied = strstr(conf_str(server->host->conf, "http.proxy_protocol"),
                               listener->is_unix ? "unix" : "tcp");
    int status;
    if (listener->is_unix) {
        uv_pipe_init(server->loop, &listener->uv.pipe, 0);
        status = uv_pipe_open(&listener->uv.pipe, listen_fd);
    } else {
        uv_tcp_init(server->loop, &listener->uv.tcp);
        status = uv_tcp_open(&listener->uv.tcp, listen_fd);
    }
    listener->uv.handle.data = listener;
    server->refs++;
    if (status < 0)
        close(listen_fd); /* the handle did not take it */
    else
        status = uv_listen(&listener->uv.stream, BACKLOG, on_connection);
    if (status < 0) {
        uv_close(&listener->uv.handle, on_listener_closed);
        return err_uv(err, status, "listen");
    }
    listener->next = server->listeners;
    server->listeners = listener;
    return 0;
}

void http_server_drain(struct http_server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    server->silence_over = uv_now(server->loop) + DRAIN_SILENCE_MS;
    uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
}

void http_server_free(struct http_server *server)
{
    if (!server || server->closing)
        return;
    server->closing = server->draining = true;
    close_listeners(server);
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
                               .listening = server->listeners != NULL};
}

void http_server_on_request(struct http_server *server, http_request_cb handler,
                            void *arg)
{
    server->handler = handler;
    server->handler_arg = arg;
}
