/* A request as its handler sees it, and the flow of its body. Requests are kept for the
 * next one with their buffers: a request on a warm server allocates nothing here. */
#include "http_conn.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

enum {
    SPARES_MAX = 64,
    SPARE_TEXT_MAX = 8 * 1024,
    ID_MAX = 100,
};

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

struct http_req *http_req_new(struct http_server *server)
{
    struct http_req *req = server->spare;
    if (!req) {
        req = mem_new(sizeof(*req));
        req->server = server;
        return req;
    }
    server->spare = req->next;
    server->spares--;
    req->next = NULL;
    return req;
}

static void recycle(struct http_req *req)
{
    struct http_server *server = req->server;
    if (server->spares >= SPARES_MAX || req->text.cap > SPARE_TEXT_MAX) {
        buf_free(&req->text);
        free(req->fields);
        free(req);
        return;
    }
    req->text.len = 0;
    *req = (struct http_req){.server = server,
                             .text = req->text,
                             .fields = req->fields,
                             .cap = req->cap,
                             .next = server->spare};
    server->spare = req;
    server->spares++;
}

void http_req_drop(struct http_req *req)
{
    if (!req->held)
        recycle(req);
}

const char *http_req_method(const struct http_req *req)
{
    return llhttp_method_name((llhttp_method_t)req->method);
}

const char *http_req_path(const struct http_req *req, size_t *len)
{
    if (len)
        *len = req->path_len;
    return req->text.data + req->path;
}

const char *http_req_query(const struct http_req *req, size_t *len)
{
    if (len)
        *len = req->query_len;
    return req->text.data + req->query;
}

const char *http_req_header(const struct http_req *req, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    if (!(req->lengths & UINT64_C(1) << name_len % 64))
        return NULL;
    for (size_t i = 0; i < req->count; i++) {
        const struct http_field *field = &req->fields[i];
        if (field->name_len != name_len ||
            memcmp(req->text.data + field->name, name, name_len) != 0)
            continue;
        if (len)
            *len = field->value_len;
        return req->text.data + field->value;
    }
    return NULL;
}

bool http_req_header_at(const struct http_req *req, size_t index, struct http_header *out)
{
    if (index >= req->count)
        return false;
    const struct http_field *field = &req->fields[index];
    const char *text = req->text.data;
    *out = (struct http_header){text + field->name, field->name_len, text + field->value,
                                field->value_len};
    return true;
}

const char *http_req_ip(const struct http_req *req)
{
    return req->ip;
}

static bool is_id(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= 'A' && text[i] <= 'Z') &&
            !(text[i] >= '0' && text[i] <= '9') && !strchr("-_.:", text[i]))
            return false;
    return len > 0 && len <= ID_MAX;
}

const char *http_req_id(struct http_req *req, size_t *len, bool *ours)
{
    const char *given = *req->id ? NULL : http_req_header(req, "x-request-id", len);
    *ours = !given || !is_id(given, *len);
    if (!*ours)
        return given;
    if (!*req->id)
        uuid_v7(req->id);
    *len = UUID_TEXT;
    return req->id;
}

const char *http_req_scheme(const struct http_req *req)
{
    return req->secure ? "https" : "http";
}

bool http_req_has_body(const struct http_req *req)
{
    return req->has_body;
}

int64_t http_req_content_length(const struct http_req *req)
{
    return req->content_length;
}

bool http_req_responded(const struct http_req *req)
{
    return req->responded;
}

void http_req_end_sink(struct http_req *req, const struct err *err)
{
    const struct http_sink *sink = req->sink;
    req->sink = NULL;
    if (sink)
        sink->end(req->sink_arg, err);
}

void http_req_feed(struct http_req *req)
{
    struct http_conn *conn = req->conn;
    enum http_parsed parsed = http_parse_body(conn);
    struct err *refused = req->sink_err, err;
    req->sink_err = NULL;
    if (parsed == HTTP_REFUSED) {
        req->broken = true;
        conn->left = 0;
    }
    if (parsed == HTTP_MORE && !refused)
        return;
    http_conn_wait(conn, WAIT_NONE);
    if (parsed == HTTP_REFUSED)
        err_set(&err, ERR_INVALID, "%s", conn->refusal->message);
    http_req_end_sink(req, refused ? refused : parsed == HTTP_REFUSED ? &err : NULL);
    free(refused);
}

static void on_continued(uv_write_t *write, int status)
{
    (void)status; /* a failure shows when reading */
    free(write);
}

static void send_continue(struct http_conn *conn)
{
    uv_buf_t buf =
        uv_buf_init((char *)(uintptr_t)continue_line, sizeof(continue_line) - 1);
    uv_write_t *write = mem_new(sizeof(*write));
    if (uv_write(write, conn->stream, &buf, 1, on_continued) < 0)
        free(write);
}

int http_req_read(struct http_req *req, const struct http_sink *sink, void *arg,
                  struct err *err)
{
    struct http_conn *conn = req->conn;
    struct err gone;
    if (req->read || req->responded)
        return err_set(err, ERR_INVALID,
                       req->read ? "the body was read already"
                                 : "the request is answered");
    req->read = true;
    req->sink = sink;
    req->sink_arg = arg;
    if (!conn) {
        err_set(&gone, ERR_CLOSED, "the client closed the connection");
        http_req_end_sink(req, &gone);
        return 0;
    }
    if (conn->body_done) {
        http_req_end_sink(req, NULL);
        return 0;
    }
    http_conn_wait(conn, WAIT_BODY);
    if (conn->left)
        http_req_feed(req);
    else if (req->expects)
        send_continue(conn);
    req->expects = false;
    if (req->sink)
        http_conn_run(conn); /* looks for the end of the input; reads on */
    return 0;
}

void http_req_pause(struct http_req *req)
{
    if (req->paused || !req->sink)
        return;
    req->paused = true;
    if (req->conn) {
        http_conn_wait(req->conn, WAIT_NONE); /* it is we who are slow */
        http_conn_read(req->conn);
    }
}

void http_req_resume(struct http_req *req)
{
    if (!req->paused)
        return;
    req->paused = false;
    if (req->conn && req->sink) {
        http_conn_wait(req->conn, WAIT_BODY);
        http_conn_read(req->conn);
    }
}

void http_req_stop(struct http_req *req)
{
    if (req->sink && req->conn)
        http_conn_wait(req->conn, WAIT_NONE);
    req->sink = NULL;
    if (req->file)
        http_file_stop(req->file);
    req->file = NULL;
}

void http_req_release(struct http_req *req)
{
    struct http_server *server = req->server;
    http_req_stop(req);
    if (!req->responded)
        http_req_fail(req, 500, "INTERNAL", "the request could not be completed");
    req->held = false;
    if (!req->conn)
        recycle(req);
    http_server_unref(server);
}

int http_req_detach(struct http_req *req, struct http_detached *out, struct err *err)
{
    struct http_conn *conn = req->conn;
    if (req->old)
        return err_set(err, ERR_INVALID, "HTTP/1.0 knows no upgrade");
    if (req->responded || req->has_body)
        return err_set(err, ERR_INVALID,
                       req->responded ? "the request is answered already"
                                      : "the request has a body");
    if (!conn || conn->eof)
        return err_set(err, ERR_CLOSED, "the client closed the connection");
    req->responded = true;
    *out = (struct http_detached){
        .stream = conn->stream,
        .rest = conn->left ? mem_copy(conn->data, conn->left) : NULL,
        .rest_len = conn->left,
    };
    http_conn_leave(conn);
    return 0;
}
