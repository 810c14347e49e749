/* sse.h - server-sent events as text (WHATWG HTML, section 9.2). */
#pragma once
#include "buf.h"
#include <stddef.h>

/* A comment: keeps the connection alive where nothing happens. */
#define SSE_COMMENT ":\n\n"

/* Appends the head of the answer without its last, empty line, so that headers can follow. The
 * end of the connection is the end of the stream. */
void sse_head(struct buf *out);

/* Appends one event. Every line end in `text` (LF, CR, CRLF) begins a new line of its data.
 * `id` (NULL: none) is what a client that comes back sends as Last-Event-ID; one with a line
 * end or a NUL is left out. */
void sse_event(struct buf *out, const char *id, size_t id_len, const char *text,
               size_t len);
