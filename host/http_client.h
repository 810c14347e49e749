/* http_client.h - requests to other servers over HTTP/1.1 and HTTP/2, with pooled connections.
 *
 * Every connection is checked against the policy of the request that uses it, by the address of
 * its socket: when it is opened, and when a pooled one is used again. So a name cannot lead
 * inside, however it resolves and however its numbers are spelled. Proxies of the environment
 * are not used. */
#pragma once
#include "err.h"
#include "http.h" /* struct http_header */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_REFUSED_ADDRESS                                                             \
    "REFUSED_ADDRESS"  /* the policy does not let us connect there */
#define HTTP_TLS "TLS" /* no trusted, secure connection */

struct http_client; /* one per process */
struct http_fetch;  /* one request under way */

enum {
    HTTP_FETCHES_MAX = 1000,         /* under way at the same time; beyond: BUSY */
    HTTP_ANSWER_HEADERS_MAX = 65536, /* bytes of all header lines of an answer */
};

/* Public addresses are always reached, special ones (link-local, multicast, ...) never. */
struct http_policy {
    bool allow_private; /* loopback and private networks too */
    const char *const
        *allow; /* "host:port" as in URLs, where private addresses are fine */
    size_t allow_count;
};

struct http_fetch_options {
    const char *method; /* NULL: GET */
    const char *url;    /* http or https; without user and password */
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* NULL: none */
    size_t body_len;
    const char
        *save; /* a path that must not exist: the body of an answer with a status of
                            200..299 goes there and not into memory; or NULL */
    unsigned timeout_ms; /* for everything, redirects included */
    uint64_t max_bytes;  /* of the answer's body */
    unsigned follow; /* redirects at most, of GET and HEAD only; 0: they are answers */
    const char
        *ca_file; /* PEM of the authorities to trust instead of the system's; or NULL */
    struct http_policy policy;
};

struct http_answer { /* valid during the callback */
    int status;
    const struct http_header *headers; /* names as they came */
    size_t header_count;
    const char *body; /* not NUL-terminated; empty when it was saved */
    size_t body_len;
    uint64_t size; /* bytes of the body, also when saved */
};

/* Once, from the loop. `answer` is NULL exactly if `err` is set: TIMEOUT, REFUSED_ADDRESS, TLS,
 * TOO_LARGE, INVALID (a redirect that leads nowhere), UNAVAILABLE (no connection, or lost: the
 * request may have been acted upon), NOT_FOUND, EXISTS, DISK_FULL, IO (the file), CLOSED (the
 * client ends). After a failure there is no file. */
typedef void (*http_fetch_cb)(void *arg, const struct http_answer *answer,
                              const struct err *err);

struct http_client *http_client_new(uv_loop_t *loop);

/* Ends all requests with CLOSED and closes the connections. Run the loop afterwards. Not from
 * inside a callback of the client. NULL is allowed. */
void http_client_close(struct http_client *client);

/* Copies the options. NULL with INVALID (URL, method, a header, `follow`) or BUSY: then `done`
 * does not run. Headers that frame the message are the client's: Content-Length,
 * Transfer-Encoding, Connection and Expect are passed over. A redirect to another origin
 * carries none of the headers, one from https to http is refused. */
struct http_fetch *http_fetch_start(struct http_client *client,
                                    const struct http_fetch_options *options,
                                    http_fetch_cb done, void *arg, struct err *err);

/* Before `done` ran: it will not. */
void http_fetch_cancel(struct http_fetch *fetch);

/* Requests under way. */
unsigned http_client_pending(const struct http_client *client);
