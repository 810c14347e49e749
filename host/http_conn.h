/* http_conn.h - the inside of the HTTP server, for host/http_*.c only.
 *
 * A connection is in one state; `http_conn_run` is the only function that moves input
 * through it, in a loop, so that a thousand pipelined requests are no recursion. It is in
 * exactly one wait list of its server: each list has one time-out, so that appending
 * keeps it sorted and one slow timer looks at the heads only.
 *
 * A request has two owners: the connection (until the answer is written or the client is
 * gone) and the handler (until http_req_release). Whoever leaves last returns it. */
#pragma once
#include "buf.h"
#include "http.h"
#include "uuid.h"
#include <llhttp.h>
#include <sys/stat.h>
#include <zlib.h>

enum conn_state {
    CONN_PROXY,   /* before the first request: a PROXY header must come */
    CONN_HEAD,    /* between requests, or reading a head */
    CONN_REQUEST, /* the handler has it; `req` is set and unanswered */
    CONN_ANSWER,  /* the answer is being written */
    CONN_DISCARD, /* answered; reading on to the end of the request's body */
    CONN_LINGER, /* our side is shut down; reading until the client has seen the answer */
    CONN_CLOSED,
};

enum http_wait {
    WAIT_NONE, /* without a deadline: the task has one */
    WAIT_HEAD,
    WAIT_IDLE, /* keep-alive */
    WAIT_BODY,
    WAIT_WRITE,
    WAIT_LINGER,
    WAIT_COUNT,
};

/* An answer of the host itself. Static. */
struct http_refusal {
    int status;
    const char *code, *message;
};

struct http_conn {
    struct http_server *server;
    uv_stream_t *stream;           /* malloc'd: a detach hands it on; NULL after that */
    struct http_conn *next, *prev; /* in the server's list of `wait` */
    enum http_wait wait;
    enum conn_state state;
    uint64_t deadline; /* loop time in ms */
    unsigned refs;     /* the stream and the runs on the stack */
    bool running;      /* http_conn_run is on the stack */
    bool reading;      /* uv_read_start is in force */
    bool eof;          /* the client sent its FIN */
    bool body_done;    /* the parser is at the end of the present message */
    bool close_after;  /* no further request */
    bool trusted;      /* the peer may tell whom it speaks for */
    llhttp_t parser;
    bool encrypted; /* by our own TLS */
    const struct http_refusal
        *refusal;                     /* set by a parser callback that stops the parser */
    struct http_refusal refusal_text; /* for a message of the parser's */
    struct http_req *req;             /* NULL between requests */
    struct http_file *file;           /* being streamed */
    /* Input that is not parsed yet: in the server's read buffer during on_read, else in
     * `in`. */
    const char *data;
    size_t left;
    struct buf in;
    size_t head_bytes; /* of the present head, parsed */
    size_t framing;    /* body bytes since the last one that was content */
    size_t unwritten;  /* write queue at the last look of the timer */
    size_t lingered;   /* bytes thrown away */
    uint32_t tail;     /* the last four bytes parsed */
    bool line_start;   /* the last byte of the head was LF */
    uint8_t line;      /* http_parse.c: how far the request line is */
    char ip[46];
};

struct http_field {
    uint32_t name, name_len, value, value_len; /* offsets in the request's `text` */
};

struct http_req {
    struct http_server *server;
    struct http_conn *conn; /* NULL once the client is gone, or the answer is over */
    struct http_req *next;  /* in the server's spare list */
    struct buf text;        /* URL, names and values, each with a NUL behind it */
    struct http_field *fields;
    size_t count, cap;
    uint64_t lengths;              /* a bit for each length (by 64) that a name has */
    uint32_t url_len, field_start; /* while parsing */
    uint32_t path, path_len, query, query_len;
    uint8_t method;
    bool in_value; /* the field under way has begun its value */
    bool held;     /* the handler has not released it */
    bool responded;
    bool keep_alive;
    bool old; /* HTTP/1.0 */
    bool is_head;
    bool has_body, chunked;
    bool expects; /* 100-continue is awaited and not sent */
    bool secure;  /* the client speaks TLS */
    bool read;    /* http_req_read was called */
    bool paused;
    bool broken; /* the body's framing is: nothing after it can be trusted */
    int64_t content_length;
    int64_t received;
    const struct http_sink *sink; /* NULL before and after the reading */
    void *sink_arg;
    struct err *sink_err;   /* what sink->data refused with, or NULL; owned */
    struct http_file *file; /* being opened */
    char ip[46];
    char id[UUID_TEXT + 1]; /* ours, once http_req_id has made it */
};

struct http_network; /* http_peer.c */
struct tls;
struct conf;

struct http_listener {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_handle_t handle;
    } uv;
    struct http_server *server;
    struct http_listener *next;
    bool is_unix;
    bool proxied;   /* connections begin with a PROXY header */
    bool encrypted; /* they are TLS */
};

struct http_server {
    struct host *host;
    uv_loop_t *loop;
    struct http_listener *listeners;
    http_request_cb handler;
    void *handler_arg;
    uv_timer_t timer;
    struct http_conn waits[WAIT_COUNT]; /* list heads; only next and prev are used */
    unsigned wait_ms[WAIT_COUNT];
    size_t max_header_bytes, max_headers, max_url_bytes, max_connections, max_unsent;
    size_t unsent;        /* bytes that wait for slow readers, on all connections */
    struct buf own_lines; /* of answers that no handler gives */
    size_t connections;
    uint64_t requests;
    size_t refs; /* handles that are open, and requests that are out */
    bool draining, closing;
    uint64_t silence_over; /* when draining: loop time at which who is silent is closed */
    struct http_req *spare;
    unsigned spares;
    struct tls *tls;              /* NULL: no certificate is configured */
    struct buf out;               /* the head of the answer being built */
    struct http_network *trusted; /* the proxies whose word counts */
    size_t trusted_count;
    bool trusts_unix;             /* who connects through a Unix socket, too */
    const char *forwarded_header; /* what they write */
    int gzip_level;               /* 0: never */
    int64_t gzip_min;
    const char *gzip_types; /* media types, separated by commas */
    z_stream gzip;          /* once `gzip_open` */
    bool gzip_open;
    struct buf zipped;        /* the body of the answer being built */
    struct http_zipped *kept; /* compressed files: http_zipped.c */
    size_t kept_files, kept_bytes;
    time_t date_at;
    char date[40]; /* "Date: ...\r\n" */
    size_t date_len;
    char in[64 * 1024]; /* every read lands here */
};

/* ---- http_server.c ---- */

/* Gives up one of `refs`; the last one frees the server. */
void http_server_unref(struct http_server *server);
/* Has the timer look at the wait lists, until no connection is left. */
void http_server_watch(struct http_server *server);
/* Counts bytes of an answer that the socket did not take, before they are kept. False: they are
 * too many with those of all others, so this connection is to be closed, too. http_unsent_done
 * must follow when they are gone. */
bool http_unsent_add(struct http_server *server, size_t bytes);
void http_unsent_done(struct http_server *server, size_t bytes);
/* Draining, and who has said nothing by now is closed. */
bool http_server_silence_over(const struct http_server *server);

/* ---- http_accept.c (http_server_start, too) ---- */

/* Closes all listeners. */
void http_accept_stop(struct http_server *server);

/* ---- http_conn.c ---- */

/* A connection on `stream`, which it owns from now on, waiting for a head. The server owns
 * it, until http_conn_close or http_conn_leave. */
struct http_conn *http_conn_new(struct http_server *server, uv_stream_t *stream);
/* Gives up one of `refs`; the last one frees the connection. */
void http_conn_unref(struct http_conn *conn);
/* Puts the connection into a wait list, at its end. */
void http_conn_wait(struct http_conn *conn, enum http_wait wait);
/* Its time in the wait list is over: moves it to another place, or closes it. */
void http_conn_expire(struct http_conn *conn);
/* Reads from the client, or stops doing so, as the state demands. */
void http_conn_read(struct http_conn *conn);
/* Whether nothing is under way from the client, as far as this machine knows. */
bool http_conn_is_silent(const struct http_conn *conn);
/* Shuts down our side, and closes once the client has: a close with unread input would
 * reset the connection, and the client may lose the answer. `clean`: nothing is unread. */
void http_conn_finish(struct http_conn *conn, bool clean);
/* Closes at once. Ends a sink that is reading with CLOSED. Idempotent. */
void http_conn_close(struct http_conn *conn);
/* Forgets the connection without closing its stream. */
void http_conn_leave(struct http_conn *conn);

/* ---- http_run.c ---- */

/* Moves input on as far as the state allows; does nothing when it is running already. */
void http_conn_run(struct http_conn *conn);
/* The answer is with the kernel: on to the next request, or close. */
void http_conn_answered(struct http_conn *conn);

/* ---- http_parse.c ---- */

enum http_parsed { HTTP_MORE, HTTP_DONE, HTTP_REFUSED };
void http_parse_init(struct http_conn *conn);
/* Before the first byte of each request. */
void http_parse_begin(struct http_conn *conn);
/* Consume the connection's input. HTTP_DONE: the head, or the whole message, is there.
 * HTTP_REFUSED: conn->refusal says why, and nothing more can be parsed. */
enum http_parsed http_parse_head(struct http_conn *conn);
enum http_parsed http_parse_body(struct http_conn *conn);

/* ---- http_request.c ---- */

/* Lets these bytes of the request's text be the value of its Host; passed over when they are
 * no host, or when there is no Host. */
void http_parse_set_host(struct http_req *req, size_t start, size_t len);
struct http_req *http_req_new(struct http_server *server);
/* The connection has no further use for it. */
void http_req_drop(struct http_req *req);
/* Parses body bytes that are there and tells the sink. */
void http_req_feed(struct http_req *req);
/* Ends the sink, if one is reading. */
void http_req_end_sink(struct http_req *req, const struct err *err);

/* ---- http_response.c ---- */

extern const bool http_name_bytes[256]; /* tchar of RFC 9110 5.6.2 */

/* How the body goes, or a head for it. */
enum http_coding {
    CODING_FIXED,    /* as it is, whatever the client accepts */
    CODING_IDENTITY, /* as it is, because the client wants no gzip */
    CODING_GZIP,
};

/* Whether this may be sent: http_req_respond's rules. */
int http_answer_check(const struct http_req *req, int status,
                      const struct http_header *headers, size_t count, struct err *err);
/* Decides whether the connection stays after the answer, and forgets the body's sink. */
void http_answer_settle(struct http_req *req);
/* Appends the head without the lines that depend on the body: those of http_answer_end.
 */
void http_answer_begin(struct http_server *server, struct buf *out, int status,
                       const struct http_header *headers, size_t count,
                       enum http_coding coding);
/* Completes the head of the settled request: Connection, and the body's length. */
enum { HTTP_NO_BODY = -1, HTTP_CHUNKED = -2 };
void http_answer_end(const struct http_req *req, struct buf *out, int64_t length);
/* Whether the status has no body by definition. */
bool http_answer_empty(int status);
/* Answers `OPTIONS *`: of the server as a whole (RFC 9110 9.3.7). */
void http_answer_asterisk(struct http_req *req);
/* Answers the present request, whose head may be incomplete, and closes. */
void http_conn_refuse(struct http_conn *conn, const struct http_refusal *refusal);

/* ---- http_peer.c ---- */

/* Reads http.trusted_proxies and http.forwarded_header. */
void http_peer_configure(struct http_server *server, const struct conf *conf);
/* Whether the word of this address counts; "" is a Unix socket's. */
bool http_peer_is_trusted(const struct http_server *server, const char *ip);
/* Sets address, scheme and host of a trusted peer's request to what its headers tell. */
void http_peer_resolve(struct http_req *req);

/* ---- http_gzip.c ---- */

/* Whether a value of Accept-Encoding prefers gzip to nothing. */
bool http_gzip_accepted(const char *accept_encoding);
enum { HTTP_GZIP_ON_LOOP = 64 * 1024 /* the most that the loop may wait for */ };
/* What suits a body of `len` bytes with these headers. */
enum http_coding http_gzip_choose(const struct http_req *req, int status,
                                  const struct http_header *headers, size_t count,
                                  int64_t len);
/* Whether what it becomes may be kept for others: not what is meant for one person. */
bool http_gzip_may_keep(const struct http_header *headers, size_t count);
/* Compresses into server->zipped; false when that does not make it smaller. */
bool http_gzip_now(struct http_server *server, const char *data, size_t len);
/* The same for any thread, appended to `out`. */
bool http_gzip_once(int level, const char *data, size_t len, struct buf *out);
void http_gzip_free(struct http_server *server);
/* For bodies in pieces, in any thread: `last` ends the stream. False when out of memory. */
bool http_gzip_open(z_stream *stream, int level);
bool http_gzip_more(z_stream *stream, const char *data, size_t len, bool last,
                    struct buf *out);

/* ---- http_zipped.c ---- */

/* What was kept of the file, counted for the caller; NULL: nothing. */
struct http_zipped *http_zipped_find(struct http_server *server, const char *path);
const struct buf *http_zipped_content(const struct http_zipped *zipped);
/* Whether the file is still the same. Any thread. */
bool http_zipped_is_of(const struct http_zipped *zipped, const struct stat *st);
/* Keeps a copy of the compressed content. `st`: of the file before it was read. */
void http_zipped_keep(struct http_server *server, const char *path, const struct stat *st,
                      const struct buf *content);
void http_zipped_unref(struct http_zipped *zipped); /* NULL is allowed */
void http_zipped_free(struct http_server *server);

/* ---- http_file.c ---- */

void http_file_stop(struct http_file *file); /* while it is being opened */
void http_file_abort(
    struct http_file *file); /* while it is streamed: the connection closes */
/* Answers the checked request with a body that is to be compressed in the pool. `lines` as
 * for http_req_respond_with. */
void http_file_respond(struct http_req *req, int status, const char *lines,
                       size_t lines_len, const struct http_header *headers, size_t count,
                       const char *body, size_t len);
