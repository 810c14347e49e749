/* Listeners, and what becomes of who connects to them. */
#include "conf.h"
#include "http_conn.h"
#include "log.h"
#include "mem.h"
#include "tls.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static const struct http_refusal full = {503, "SERVICE_UNAVAILABLE",
                                         "too many connections"};

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_listener *listener = handle->data;
    http_server_unref(listener->server);
    free(listener);
}

void http_accept_stop(struct http_server *server)
{
    while (server->listeners) {
        struct http_listener *listener = server->listeners;
        server->listeners = listener->next;
        uv_close(&listener->uv.handle, on_listener_closed);
    }
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
        conn->encrypted = true;
    return conn->encrypted ? 0 : -1;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct http_listener *listener = stream->data;
    struct http_server *server = listener->server;
    if (status < 0) {
        log_warn("http: accept: %s", uv_strerror(status));
        return;
    }
    struct http_conn *conn = http_conn_new(server, new_stream(listener));
    http_server_watch(server);
    if (listener->proxied)
        conn->state = CONN_PROXY;
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

static int open_tls(struct http_server *server, struct err *err)
{
    const struct conf *conf = server->host->conf;
    const char *certificate = conf_str(conf, "http.tls_certificate");
    if (!*certificate || server->tls)
        return 0;
    server->tls = tls_new(certificate, conf_str(conf, "http.tls_key"), err);
    return server->tls ? 0 : -1;
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
