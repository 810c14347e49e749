/* How input moves through a connection: the machine of its states, from the bytes of a head
 * to the handler and on to the next request. */
#include "http_conn.h"
#include "proxy_protocol.h"
#include <string.h>

static void next_request(struct http_conn *conn)
{
    if (http_server_silence_over(conn->server) && http_conn_is_silent(conn)) {
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
        http_conn_finish(conn, conn->body_done && !conn->left);
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
    struct http_server *server = conn->server;
    struct http_req *req = conn->req;
    conn->state = CONN_REQUEST;
    http_conn_wait(conn, WAIT_NONE);
    if (req->text.data[req->path] == '*') {
        http_answer_asterisk(req);
        return;
    }
    if (!server->handler) {
        http_req_fail(req, none.status, none.code, none.message);
        return;
    }
    memcpy(req->ip, conn->ip, sizeof(req->ip));
    req->secure = conn->encrypted;
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
    http_conn_unref(conn);
}
