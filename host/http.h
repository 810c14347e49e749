/* http.h - the HTTP/1.1 server: listeners, connections, limits, time-outs, answers.
 *
 * A request is handed to the handler as soon as its head is parsed and found sane; its
 * body is read only when asked for. One connection has one request under way; pipelined
 * ones wait in the connection until the answer before is written. Everything runs on the
 * loop's thread, and no function waits. What the host itself refuses (400, 408, 413, 414,
 * 417, 431, 501, 503, 505) never reaches the handler and is answered in the one JSON
 * error shape.
 *
 * Read from the configuration: http.max_header_bytes, max_headers, max_url_bytes,
 * max_connections, max_unsent_bytes (of answers that wait for slow readers, over all
 * connections: beyond it the one that is to wait is closed, and those without progress for
 * longest, to make room), header_timeout_ms (first to last byte of a head), body_idle_ms (a
 * transfer in either direction without progress), keepalive_timeout_ms, gzip_level,
 * gzip_min_bytes, gzip_types, trusted_proxies, forwarded_header, proxy_protocol,
 * tls_certificate, tls_key (paths; TCP listeners speak TLS only then). */
#pragma once
#include "err.h"
#include "host.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_req;

/* A server without listeners. Lives until http_server_free. */
struct http_server *http_server_new(struct host *host);

/* Accepts on `listen_fd`, a bound TCP or Unix stream socket, which the server owns from
 * now on (also on failure). May be called for several. */
int http_server_start(struct http_server *server, int listen_fd, struct err *err);

/* Reads the certificate and its key again, if there are any; later connections get them.
 * -1 INVALID: those before stay in use. */
int http_server_reload(struct http_server *server, struct err *err);

/* From now on each answer says `Connection: close`, and the connection closes after it.
 * Who is about to send or connect is still served: the listeners and the connections that
 * stay silent are closed a quarter of a second later. Idempotent. http_server_stats tells
 * when all are gone. */
void http_server_drain(struct http_server *server);

/* The same when other processes accept from the same sockets: this one does not any more, and as
 * nobody waits for its end, who stays silent is waited for longer, two seconds. */
void http_server_leave(struct http_server *server);

/* Closes everything at once. The memory goes when the loop has closed the last handle and
 * the handler released its last request: run the loop afterwards. NULL is allowed. */
void http_server_free(struct http_server *server);

struct http_stats {
    size_t connections; /* open now, without detached ones */
    uint64_t requests;  /* handed to the handler since the start */
    size_t kept_files;  /* compressed ones that need not be compressed again */
    bool listening;
};
struct http_stats http_server_stats(const struct http_server *server);

/* The handler owns `req` until it calls http_req_release, once, then or later. */
typedef void (*http_request_cb)(void *arg, struct http_req *req);

/* Replaces the handler. Without one every request is answered 503. */
void http_server_on_request(struct http_server *server, http_request_cb handler,
                            void *arg);

/* Header lines that http_lines made, for what the server answers by itself: its refusals,
 * http_req_fail, `OPTIONS *`. Copied; they go over those of before. */
void http_server_own_lines(struct http_server *server, const char *lines, size_t len);

/* ---- What was asked. Texts live as long as the request and end in a NUL. ---- */

const char *http_req_method(const struct http_req *req);
/* Raw (percent-encoded) path, always starting with "/": `OPTIONS *` is answered here. */
const char *http_req_path(const struct http_req *req, size_t *len);
/* What follows the first "?", "" when there is none. */
const char *http_req_query(const struct http_req *req, size_t *len);
/* `name` in lower case; NULL when absent. Repeated headers are one: their values
 * joined by commas, cookies by semicolons. `len` may be NULL. */
const char *http_req_header(const struct http_req *req, const char *name, size_t *len);

struct http_header {
    const char *name; /* of a request: in lower case */
    size_t name_len;
    const char *value;
    size_t value_len;
};
/* The header at `index` (0..); false behind the last. */
bool http_req_header_at(const struct http_req *req, size_t index,
                        struct http_header *out);

/* The client's address as text: the peer's ("" on a Unix socket), or what a trusted peer
 * tells by its PROXY header or http.forwarded_header. */
const char *http_req_ip(const struct http_req *req);
bool http_req_has_body(const struct http_req *req);
/* "http" or "https": by which the client speaks to us, or, as a trusted peer tells by
 * X-Forwarded-Proto or Forwarded, to it. The Host that http_req_header returns is likewise
 * what a trusted peer tells. */
const char *http_req_scheme(const struct http_req *req);
/* What the request is called: by the client (X-Request-Id of 1 to 100 letters, digits, '.', '_',
 * ':' and '-'), else a new UUID, made when it is first asked for. `ours`: it is that. */
const char *http_req_id(struct http_req *req, size_t *len, bool *ours);
/* -1 when the head does not say (no body, or chunked). */
int64_t http_req_content_length(const struct http_req *req);

/* ---- Its body. ---- */

struct http_sink {
    /* Bytes of the body. A negative return refuses the rest: `end` follows with that
     * error. Must not answer, release or resume anything: the parser is below it on the
     * stack. */
    int (*data)(void *arg, const char *data, size_t len, struct err *err);
    /* Once, after the last byte (`err` NULL) or instead of it: CLOSED (the client is
     * gone), TIMEOUT (no progress for http.body_idle_ms), INVALID (broken framing), or
     * what `data` gave. May do everything. */
    void (*end)(void *arg, const struct err *err);
};

/* Starts reading into `sink` (which must outlive it) and sends `100 Continue` when that
 * is awaited. What has arrived already is delivered before this returns: a small body is
 * complete then. -1 INVALID when it was called before or the request is answered. */
int http_req_read(struct http_req *req, const struct http_sink *sink, void *arg,
                  struct err *err);

/* Back-pressure: no further bytes are read from the client until resumed; those of one
 * read (64 KiB) may still come. Resuming delivers no bytes itself. */
void http_req_pause(struct http_req *req);
void http_req_resume(struct http_req *req);

/* Forgets the sink, or the file that http_req_send_file is opening: no callback of theirs
 * runs any more. The request can still be answered. */
void http_req_stop(struct http_req *req);

/* ---- The answer: one of the following, once. ---- */

/* Writes head and body; copies what the socket does not take at once. A body of a type
 * that gains is sent as gzip when the client accepts it: a strong ETag then ends in
 * `-gzip"`. A large one is compressed in the thread pool, and chunked when it is very
 * large. `Cache-Control: no-transform` or a Content-Encoding keeps it as it is. Date,
 * Content-Length and Connection are added here; the caller's own (and Transfer-Encoding)
 * are passed over. HEAD, 204 and 304 send no body. 0 also when the client is gone. -1
 * INVALID: answered already, a status outside 200..599, or a header that is no token or
 * holds a control character; nothing was sent then. */
int http_req_respond(struct http_req *req, int status, const struct http_header *headers,
                     size_t count, const char *body, size_t len, struct err *err);

/* Header lines that many answers have in common, checked once: appends "Name: value\r\n" for each
 * to `out`. -1 INVALID as above. */
struct buf;
int http_lines(const struct http_header *headers, size_t count, struct buf *out,
               struct err *err);

/* 0, or -1 INVALID: the name is no token, or the value holds a control character. */
int http_header_check(const struct http_header *header, struct err *err);

/* Whether a header may have this value: without control characters but tab. */
bool http_value_is_sound(const char *value, size_t len);

/* As http_req_respond, with `lines` that http_lines made. They hold nothing that depends on the
 * body: no Content-Type, Content-Encoding, Cache-Control or ETag. The first `checked` of the headers
 * were found sound by http_header_check. */
int http_req_respond_with(struct http_req *req, int status, const char *lines,
                          size_t lines_len, const struct http_header *headers,
                          size_t count, size_t checked, const char *body, size_t len,
                          struct err *err);

/* Answers in the error shape, with `Retry-After: 1` when the status is 503; a no-op when
 * the request was answered. `code` and `message` are for the client. */
void http_req_fail(struct http_req *req, int status, const char *code,
                   const char *message);

/* Opens `path` in the thread pool and calls `done` once, later: with NULL when the file
 * is open and the answer under way (it streams by itself from there), else NOT_FOUND,
 * INVALID (the slice is outside of the file), CLOSED or IO, and nothing was sent. A file is
 * compressed as a body is, when the whole of it is asked for; what a small one becomes is
 * kept.
 * `length` -1 means up to the end. Only regular files. -1 INVALID as for
 * http_req_respond; `done` never runs then. */
typedef void (*http_file_cb)(void *arg, const struct err *err);
int http_req_send_file(struct http_req *req, int status,
                       const struct http_header *headers, size_t count, const char *path,
                       int64_t offset, int64_t length, http_file_cb done, void *arg,
                       struct err *err);

struct http_detached {
    uv_stream_t
        *stream; /* not reading; malloc'd: free() it in the callback of uv_close */
    char *rest;  /* what the client sent after the head; free(); NULL when nothing */
    size_t rest_len;
};
/* Takes the connection out of HTTP for another protocol: the caller owns the stream and
 * writes the 101 itself. The request counts as answered, its texts stay readable until
 * the release. -1 CLOSED: the client is gone. -1 INVALID: answered already, it has a body,
 * or it is HTTP/1.0. */
int http_req_detach(struct http_req *req, struct http_detached *out, struct err *err);

bool http_req_responded(const struct http_req *req);

/* The handler has no further use for it. An unanswered request is answered 500. */
void http_req_release(struct http_req *req);
