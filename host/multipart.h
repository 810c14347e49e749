/* multipart.h - a streaming parser for multipart/form-data (RFC 7578, RFC 2046).
 *
 * Bytes go in as they come, parts come out; nothing but one part's headers is kept. Knows
 * no sockets and no files. Limits: boundary 70 characters, 8 KiB of headers per part, 8
 * KiB before the first boundary; how much and how many the parts may be is for the
 * callbacks to say. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct multipart;

enum {
    MULTIPART_BOUNDARY_MAX = 70,
    MULTIPART_HEADERS_MAX = 8 * 1024,
};

struct multipart_part { /* texts are valid UTF-8 and live until the callback returns */
    const char *name;
    const char
        *filename;    /* the last component of what the client sent; NULL for a field */
    const char *type; /* Content-Type as declared, "" when it is not */
};

/* All return 0, or a negative number with `err` set, which multipart_feed then returns.
 */
struct multipart_events {
    int (*begin)(void *arg, const struct multipart_part *part, struct err *err);
    int (*data)(void *arg, const char *data, size_t len, struct err *err);
    int (*end)(void *arg, struct err *err);
};

/* Takes the boundary out of a Content-Type's value. -1 INVALID when that is not
 * multipart/form-data with a proper boundary. `out` is NUL-terminated. */
int multipart_boundary(const char *content_type, char out[MULTIPART_BOUNDARY_MAX + 1],
                       struct err *err);

/* `events` must outlive it. Free with multipart_free (NULL is allowed). */
struct multipart *multipart_new(const char *boundary,
                                const struct multipart_events *events, void *arg);
void multipart_free(struct multipart *multipart);

/* -1 INVALID for what is no multipart, or what a callback gave. No more feeding after
 * that. */
int multipart_feed(struct multipart *multipart, const char *data, size_t len,
                   struct err *err);

/* The body has ended: -1 INVALID when the closing boundary is missing. */
int multipart_finish(const struct multipart *multipart, struct err *err);
