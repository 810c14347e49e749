/* web_server.h - the outside world for tests of the HTTP client: a server on 127.0.0.1 in the
 * test's own loop that answers, stalls, cuts and lies by the path that is asked for.
 *
 *   /ok                200 "hello", and two Set-Cookie headers
 *   /echo              200 with the whole request as the body
 *   /status/NNN        that status, with a short body
 *   /to/URL            302 to URL (percent-encoding left alone); /to307/URL: 307
 *   /bytes/N           200 with a body of N bytes, Content-Length given
 *   /chunks/N          the same in chunks of 16 KiB
 *   /cut               half of the promised body, then closed
 *   /stall             a head, then nothing
 *   /silent            nothing at all
 *   /garbage           no HTTP
 *   /headers/N         200 with N bytes of headers */
#pragma once
#include "buf.h"
#include "loop.h"
#include "mem.h"
#include <arpa/inet.h>
#include <netinet/in.h>

struct web_connection {
    uv_tcp_t tcp;
    struct buf in;
    struct web_connection *next;
};

struct web_write {
    uv_write_t write;
    struct buf data;
};

static struct {
    uv_tcp_t listener;
    int port;
    unsigned accepted, requests;
    struct web_connection *connections;
} web;

static inline void web_on_closed(uv_handle_t *handle)
{
    struct web_connection *connection = handle->data;
    struct web_connection **link = &web.connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    buf_free(&connection->in);
    free(connection);
}

static inline void web_close(struct web_connection *connection)
{
    if (!uv_is_closing((uv_handle_t *)&connection->tcp))
        uv_close((uv_handle_t *)&connection->tcp, web_on_closed);
}

static inline void web_on_written(uv_write_t *write, int status)
{
    struct web_write *request = (struct web_write *)write;
    (void)status;
    buf_free(&request->data);
    free(request);
}

static inline void web_send(struct web_connection *connection, struct buf *data)
{
    struct web_write *request = mem_new(sizeof(*request));
    request->data = *data;
    uv_buf_t part = uv_buf_init(request->data.data, (unsigned)request->data.len);
    uv_write(&request->write, (uv_stream_t *)&connection->tcp, &part, 1, web_on_written);
}

static inline void web_on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    free(shutdown);
}

static inline void web_fill(struct buf *out, size_t len)
{
    memset(buf_reserve(out, len), 'x', len);
    out->len += len;
}

static inline void web_chunks(struct buf *out, size_t left)
{
    buf_puts(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (left) {
        size_t len = left < 16384 ? left : 16384;
        buf_printf(out, "%zx\r\n", len);
        web_fill(out, len);
        buf_puts(out, "\r\n");
        left -= len;
    }
    buf_puts(out, "0\r\n\r\n");
}

/* Answers the request that `text` (ends in a NUL) is. */
static inline void web_answer(struct web_connection *connection, const char *text,
                              size_t len)
{
    struct buf out = {0};
    char path[2048] = "", target[2048];
    bool cut = false;
    int number;
    web.requests++;
    CHECK(sscanf(text, "%*s %2047s", path) == 1);
    if (sscanf(path, "/to/%2047s", target) == 1) {
        buf_printf(&out,
                   "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                   target);
    } else if (sscanf(path, "/to307/%2047s", target) == 1) {
        buf_printf(&out, "HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                   target);
    } else if (sscanf(path, "/status/%d", &number) == 1) {
        buf_printf(&out, "HTTP/1.1 %d Word\r\nContent-Length: 4\r\n\r\nbody", number);
    } else if (sscanf(path, "/bytes/%d", &number) == 1) {
        buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", number);
        web_fill(&out, (size_t)number);
    } else if (sscanf(path, "/chunks/%d", &number) == 1) {
        web_chunks(&out, (size_t)number);
    } else if (sscanf(path, "/headers/%d", &number) == 1) {
        buf_puts(&out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        for (int i = 0; i < number / 1000; i++) {
            buf_printf(&out, "X-Long-%04d: ", i);
            web_fill(&out, 1000 - 15);
            buf_puts(&out, "\r\n");
        }
        buf_puts(&out, "\r\n");
    } else if (strcmp(path, "/echo") == 0) {
        buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
        buf_append(&out, text, len);
    } else if (strcmp(path, "/cut") == 0) {
        buf_puts(&out, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        cut = true;
    } else if (strcmp(path, "/stall") == 0) {
        buf_puts(&out, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    } else if (strcmp(path, "/garbage") == 0) {
        buf_puts(&out, "220 mail.example.org ESMTP\r\n");
        cut = true;
    } else if (strcmp(path, "/silent") != 0) {
        buf_puts(&out, "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 5\r\n"
                       "set-cookie: b=2\r\nX-Empty:\r\n\r\nhello");
    }
    web_send(connection, &out);
    if (cut)
        uv_shutdown(mem_new(sizeof(uv_shutdown_t)), (uv_stream_t *)&connection->tcp,
                    web_on_shutdown);
}

/* The length of the first whole request, 0 when it is not complete. */
static inline size_t web_complete(struct buf *in)
{
    const char *text = buf_cstr(in), *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    const char *length = strstr(text, "Content-Length: ");
    size_t total = (size_t)(end - text) + 4;
    if (length && length < end)
        total += strtoul(length + strlen("Content-Length: "), NULL, 10);
    return in->len >= total ? total : 0;
}

static inline void web_on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct web_connection *connection = stream->data;
    if (count > 0)
        buf_append(&connection->in, buf->base, (size_t)count);
    free(buf->base);
    if (count < 0) {
        web_close(connection);
        return;
    }
    for (size_t len; (len = web_complete(&connection->in)) > 0;) {
        char *text = mem_copy(connection->in.data, len);
        buf_consume(&connection->in, len);
        web_answer(connection, text, len);
        free(text);
    }
}

static inline void web_on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(mem_new(size), (unsigned)size);
}

static inline void web_on_connection(uv_stream_t *listener, int status)
{
    struct web_connection *connection = mem_new(sizeof(*connection));
    CHECK(status == 0);
    web.accepted++;
    uv_tcp_init(loop, &connection->tcp);
    connection->tcp.data = connection;
    connection->next = web.connections;
    web.connections = connection;
    CHECK(uv_accept(listener, (uv_stream_t *)&connection->tcp) == 0);
    uv_read_start((uv_stream_t *)&connection->tcp, web_on_alloc, web_on_read);
}

static inline void web_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int size = sizeof(address);
    uv_tcp_init(loop, &web.listener);
    CHECK(uv_tcp_bind(&web.listener, (struct sockaddr *)&address, 0) == 0);
    CHECK(uv_listen((uv_stream_t *)&web.listener, 64, web_on_connection) == 0);
    CHECK(uv_tcp_getsockname(&web.listener, (struct sockaddr *)&address, &size) == 0);
    web.port = ntohs(address.sin_port);
}

static inline void web_stop(void)
{
    uv_close((uv_handle_t *)&web.listener, NULL);
    for (struct web_connection *connection = web.connections; connection;
         connection = connection->next)
        web_close(connection);
}
