/* http_fetch.h - the inside of the HTTP client, for http_client.c and host/http_fetch_*.c only.
 *
 * A fetch is one easy handle that makes one hop after the other: redirects are followed here
 * and not by curl, so that each hop is looked at before it starts (scheme, port, headers).
 *
 * It is in the client's list until it is over, and owned by it. `err` holds what our own
 * callbacks found; curl itself only knows that they refused. With a file, the end of the
 * transfer is followed by `finishing`: curl is done, the disk is not. */
#pragma once
#include "buf.h"
#include "http_client.h"
#include <curl/curl.h>

struct http_fetch {
    struct http_client *client;
    struct http_fetch *next, **link;
    http_fetch_cb done;
    void *arg;
    CURL *easy;
    struct curl_slist *headers;
    char *save;         /* NULL: into memory */
    char **allow;       /* "host:port" in lower case, NULL at the end */
    char *origin;       /* scheme://host:port of the present hop */
    bool allow_private; /* by the policy, for any host */
    bool hop_private;   /* for the present hop */
    unsigned follow, hops;
    uint64_t deadline; /* loop time */
    uint64_t max_bytes, size;
    size_t header_bytes;
    struct buf body;
    struct spool *spool;
    bool paused;    /* curl waits for the disk */
    bool finishing; /* the transfer is over, the file is not */
    bool refused;   /* an address of the present hop */
    struct err err; /* of our callbacks; code NULL: none */
    char problem[CURL_ERROR_SIZE];
};

/* ---- http_fetch_hop.c: where it goes, and what may be reached ---- */

/* Prepares the hop to `url`, which may live in curl's memory. -1 INVALID: the URL is none of
 * ours, or leads from https to http. */
int http_fetch_set_hop(struct http_fetch *fetch, const char *url, struct err *err);

/* For curl; `arg` is the fetch. The first sees each address before a packet goes out, the
 * second the one that a pooled connection leads to, which another request with a laxer policy
 * may have opened. */
curl_socket_t http_fetch_open_socket(void *arg, curlsocktype purpose,
                                     struct curl_sockaddr *address);
int http_fetch_before_request(void *arg, char *peer, char *local, int peer_port,
                              int local_port);

/* ---- http_fetch_request.c: what is asked ---- */

/* Gives curl the method, the body and the headers, all copied. -1 INVALID: one of them is
 * malformed, or the method does not go with the body or with redirects. */
int http_fetch_set_request(struct http_fetch *fetch,
                           const struct http_fetch_options *options, struct err *err);
