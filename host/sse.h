/* sse.h - server-sent events as text (WHATWG HTML, section 9.2). */
#pragma once
#include "buf.h"
#include <stddef.h>

/* A comment: keeps the connection alive where nothing happens. */
#define SSE_COMMENT ":\n\n"

/* Appends the head of the answer without its last, empty line, so that headers can follow. The
 * end of the connection is the end of the stream. */
void sse_head(struct buf *out);

struct sse_event {    /* borrowed; a name or an id with a line end or a NUL is left out */
    const char *name; /* whose listeners hear it; NULL: those of "message" */
    size_t name_len;
    const char *id; /* what a client that comes back sends as Last-Event-ID; NULL: none */
    size_t id_len;
    const char *text; /* each line end in it (LF, CR, CRLF) begins a new line of data */
    size_t len;
};
void sse_event(struct buf *out, const struct sse_event *event);

/* Appends the time after which a client whose stream ended is to come back. */
void sse_retry(struct buf *out, unsigned ms);
