/* Answers: one buffer, one write. The head is built in a scratch buffer of the server; a
 * small body is put behind it, a large one goes as a second vector of the same write.
 * What the socket does not take is copied once. */
#include "http_conn.h"
#include "mem.h"
#include "plain.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ONE_BUFFER_MAX = 8 * 1024,
    DISCARD_MAX = 64 * 1024, /* of an unread body, rather than closing the connection */
};

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return ""; /* a phrase may be empty, and nobody reads it */
}

/* "Date: ...\r\n", made once a second. */
static void put_date(struct http_server *server, struct buf *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != server->date_at || !server->date_len) {
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        server->date_at = now.tv_sec;
        server->date_len = strftime(server->date, sizeof(server->date),
                                    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    buf_append(out, server->date, server->date_len);
}

static bool is_name(const struct http_header *header, const char *name, size_t len)
{
    return header->name_len == len && strncasecmp(header->name, name, len) == 0;
}

/* The headers that only this file may write, told apart by their lengths. */
static bool is_own(const struct http_header *header)
{
    switch (header->name_len) {
    case 4:
        return is_name(header, "Date", 4);
    case 10:
        return is_name(header, "Connection", 10) || is_name(header, "Keep-Alive", 10);
    case 14:
        return is_name(header, "Content-Length", 14);
    case 17:
        return is_name(header, "Transfer-Encoding", 17);
    default:
        return false;
    }
}

const bool http_name_bytes[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*' ... '+'] = true,
    ['-' ... '.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true,
    ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
};

static bool valid_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!http_name_bytes[(unsigned char)name[i]])
            return false;
    return len > 0;
}

/* A line break would begin another header. */
bool http_value_is_sound(const char *value, size_t len)
{
    const char *end = value + len;
    for (const char *at = value; (at = plain_run(at, end)) < end; at++)
        if ((unsigned char)*at < 0x20 && *at != '\t')
            return false;
    return !len || !memchr(value, 0x7f, len);
}

int http_header_check(const struct http_header *header, struct err *err)
{
    if (!valid_name(header->name, header->name_len))
        return err_set(err, ERR_INVALID, "a header name is no token");
    if (!http_value_is_sound(header->value, header->value_len))
        return err_set(err, ERR_INVALID, "the value of %.*s holds a control character",
                       (int)header->name_len, header->name);
    return 0;
}

bool http_answer_empty(int status)
{
    return status == 204 || status == 304;
}

int http_answer_check(const struct http_req *req, int status,
                      const struct http_header *headers, size_t count, struct err *err)
{
    if (req->responded)
        return err_set(err, ERR_INVALID, "the request is answered already");
    if (status < 200 || status > 599)
        return err_set(err, ERR_INVALID, "%d is no status of an answer", status);
    for (size_t i = 0; i < count; i++)
        if (http_header_check(&headers[i], err) < 0)
            return -1;
    return 0;
}

void http_answer_settle(struct http_req *req)
{
    struct http_conn *conn = req->conn;
    bool keep = req->keep_alive && !req->broken && !req->server->draining;
    http_req_stop(req);
    if (keep && !conn->body_done && conn->left)
        keep = http_parse_body(conn) != HTTP_REFUSED;
    if (!conn->body_done && (req->chunked || req->expects ||
                             req->content_length - req->received > DISCARD_MAX))
        keep = false;
    conn->close_after = !keep;
    conn->state = CONN_ANSWER;
    conn->unwritten = 0;
}

static void put_header(struct buf *out, const struct http_header *header)
{
    char *at = buf_reserve(out, header->name_len + header->value_len + 4);
    at = mempcpy(at, header->name, header->name_len);
    *at++ = ':';
    *at++ = ' ';
    at = mempcpy(at, header->value, header->value_len);
    *at++ = '\r';
    *at++ = '\n';
    out->len = (size_t)(at - out->data);
}

int http_lines(const struct http_header *headers, size_t count, struct buf *out,
               struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (http_header_check(&headers[i], err) < 0)
            return -1;
        if (!is_own(&headers[i]))
            put_header(out, &headers[i]);
    }
    return 0;
}

/* Another representation needs another tag (RFC 9110 8.8.3.3): "x" becomes "x-gzip". A
 * weak tag is of both. */
static bool put_gzip_tag(struct buf *out, const struct http_header *header)
{
    if (header->name_len != 4 || strncasecmp(header->name, "ETag", 4) != 0 ||
        header->value_len < 2 || header->value[0] != '"')
        return false;
    buf_printf(out, "ETag: %.*s-gzip\"\r\n", (int)header->value_len - 1, header->value);
    return true;
}

void http_answer_begin(struct http_server *server, struct buf *out, int status,
                       const struct http_header *headers, size_t count,
                       enum http_coding coding)
{
    buf_append(out, "HTTP/1.1 ", 9);
    buf_put_whole(out, (uint64_t)status);
    buf_putc(out, ' ');
    buf_puts(out, reason(status));
    buf_append(out, "\r\n", 2);
    put_date(server, out);
    for (size_t i = 0; i < count; i++) {
        if (is_own(&headers[i]) ||
            (coding == CODING_GZIP && put_gzip_tag(out, &headers[i])))
            continue;
        put_header(out, &headers[i]);
        if (is_name(&headers[i], "Upgrade", 7))
            buf_puts(out, "Connection: Upgrade\r\n"); /* RFC 9110 7.8 */
    }
    if (coding != CODING_FIXED)
        buf_puts(out, "Vary: Accept-Encoding\r\n");
    if (coding == CODING_GZIP)
        buf_puts(out, "Content-Encoding: gzip\r\n");
}

void http_answer_end(const struct http_req *req, struct buf *out, int64_t length)
{
    if (req->conn->close_after)
        buf_puts(out, "Connection: close\r\n");
    else if (req->old)
        buf_puts(out, "Connection: keep-alive\r\n");
    if (length >= 0) {
        buf_puts(out, "Content-Length: ");
        buf_put_whole(out, (uint64_t)length);
        buf_append(out, "\r\n", 2);
    } else if (length == HTTP_CHUNKED) {
        buf_puts(out, "Transfer-Encoding: chunked\r\n");
    }
    buf_append(out, "\r\n", 2);
}

struct write {
    uv_write_t uv;
    struct http_conn *conn;
    size_t len;
    char data[];
};

static void on_written(uv_write_t *uv, int status)
{
    struct http_conn *conn = uv->data;
    struct write *write = (struct write *)uv; /* of which it is the first member */
    http_unsent_done(conn->server, write->len);
    free(write);
    if (status < 0)
        http_conn_close(conn);
    else if (conn->state == CONN_ANSWER)
        http_conn_answered(conn);
}

/* Writes `bufs` behind the first `done` bytes of theirs. */
static int write_rest(struct http_conn *conn, const uv_buf_t *bufs, unsigned count,
                      size_t done)
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += bufs[i].len;
    if (!http_unsent_add(conn->server, total - done))
        return UV_ENOBUFS;
    struct write *write = mem_new(sizeof(*write) + total - done);
    char *out = write->data;
    write->len = total - done;
    for (unsigned i = 0; i < count; i++) {
        size_t skip = done < bufs[i].len ? done : bufs[i].len;
        memcpy(out, bufs[i].base + skip, bufs[i].len - skip);
        out += bufs[i].len - skip;
        done -= skip;
    }
    write->conn = conn;
    write->uv.data = conn;
    uv_buf_t rest = uv_buf_init(write->data, (unsigned)(out - write->data));
    int status = uv_write(&write->uv, conn->stream, &rest, 1, on_written);
    if (status < 0) {
        http_unsent_done(conn->server, write->len);
        free(write);
    }
    return status;
}

static void write_answer(struct http_conn *conn, const uv_buf_t *bufs, unsigned count)
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += bufs[i].len;
    int done = uv_try_write(conn->stream, bufs, count);
    if (done == UV_EAGAIN)
        done = 0;
    if (done >= 0 && (size_t)done == total) {
        http_conn_answered(conn);
    } else if (done < 0 || write_rest(conn, bufs, count, (size_t)done) < 0) {
        http_conn_close(conn);
    } else {
        http_conn_wait(conn, WAIT_WRITE);
        http_conn_read(conn);
    }
}

int http_req_respond(struct http_req *req, int status, const struct http_header *headers,
                     size_t count, const char *body, size_t len, struct err *err)
{
    return http_req_respond_with(req, status, NULL, 0, headers, count, 0, body, len, err);
}

int http_req_respond_with(struct http_req *req, int status, const char *lines,
                          size_t lines_len, const struct http_header *headers,
                          size_t count, size_t checked, const char *body, size_t len,
                          struct err *err)
{
    if (http_answer_check(req, status, headers + checked, count - checked, err) < 0)
        return -1;
    req->responded = true;
    if (!req->conn)
        return 0;
    struct http_server *server = req->server;
    struct buf *out = &server->out;
    bool empty = http_answer_empty(status);
    enum http_coding coding = http_gzip_choose(req, status, headers, count, (int64_t)len);
    if (coding == CODING_GZIP && len > HTTP_GZIP_ON_LOOP) {
        http_file_respond(req, status, lines, lines_len, headers, count, body, len);
        return 0;
    }
    if (coding == CODING_GZIP && http_gzip_now(server, body, len)) {
        body = server->zipped.data;
        len = server->zipped.len;
    } else if (coding == CODING_GZIP) {
        coding = CODING_IDENTITY;
    }
    buf_clear(out);
    http_answer_settle(req);
    http_answer_begin(server, out, status, headers, count, coding);
    buf_append(out, lines, lines_len);
    http_answer_end(req, out, empty ? HTTP_NO_BODY : (int64_t)len);
    if (empty || req->is_head)
        len = 0;
    if (len <= ONE_BUFFER_MAX) {
        buf_append(out, body, len);
        len = 0;
    }
    const uv_buf_t bufs[] = {
        {.base = out->data, .len = out->len},
        {.base = (char *)(uintptr_t)body, .len = len},
    };
    write_answer(req->conn, bufs, len ? 2 : 1);
    return 0;
}

static struct http_header id_header(struct http_req *req)
{
    bool ours;
    struct http_header header = {.name = "X-Request-Id", .name_len = 12};
    header.value = http_req_id(req, &header.value_len, &ours);
    return header;
}

static void respond_own(struct http_req *req, int status,
                        const struct http_header *headers, size_t count,
                        const struct buf *body)
{
    const struct buf *lines = &req->server->own_lines;
    http_req_respond_with(req, status, lines->data, lines->len, headers, count, 0,
                          body->data, body->len, NULL);
}

void http_answer_asterisk(struct http_req *req)
{
    const struct http_header headers[] = {
        {"Allow", 5, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", 44},
        id_header(req),
    };
    respond_own(req, 204, headers, 2, &(struct buf){0});
}

static void put_error(struct buf *body, const char *code, const char *message,
                      const char *id, size_t id_len)
{
    struct timespec now;
    struct tm tm;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_puts(body, "{\"success\":false,\"error\":{\"code\":");
    buf_json_string(body, code, strlen(code));
    buf_puts(body, ",\"message\":");
    buf_json_string(body, message, strlen(message));
    buf_printf(body, ",\"timestamp\":\"%s.%03ldZ\",\"requestId\":", text,
               now.tv_nsec / 1000000);
    buf_json_string(body, id, id_len);
    buf_puts(body, "}}");
}

void http_req_fail(struct http_req *req, int status, const char *code,
                   const char *message)
{
    if (req->responded)
        return;
    const struct http_header id = id_header(req),
                             headers[] = {
                                 {"Content-Type", 12, "application/json", 16},
                                 id,
                                 {"Cache-Control", 13, "no-store", 8},
                                 {"Retry-After", 11, "1", 1},
                             };
    size_t count = sizeof(headers) / sizeof(headers[0]) - (status != 503);
    struct buf body = {0};
    put_error(&body, code, message, id.value, id.value_len);
    respond_own(req, status, headers, count, &body);
    buf_free(&body);
}

void http_conn_refuse(struct http_conn *conn, const struct http_refusal *refusal)
{
    if (!conn->req) {
        conn->req = http_req_new(conn->server);
        conn->req->conn = conn;
    }
    conn->state = CONN_REQUEST;
    conn->body_done = false;
    conn->left = 0;
    conn->req->broken = true;
    http_req_fail(conn->req, refusal->status, refusal->code, refusal->message);
}
