/* ws_deflate.h - permessage-deflate (RFC 7692) as a server speaks it: offers to an answer,
 * messages to compressed ones and back.
 *
 * Every message is compressed by itself: we ask for no_context_takeover both ways. A
 * context that lives on would cost each idle connection up to 300 KiB, and one compressed
 * form of a published message could not be sent to all its receivers. So one pair of
 * streams serves all connections of a loop. */
#pragma once
#include "buf.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

/* The shared streams; each has memory from its first use on. */
struct ws_deflate;

enum {
    WS_DEFLATE_BITS_MIN = 9, /* of our window; zlib writes no raw stream with 8 */
    WS_DEFLATE_BITS_MAX = 15,
    WS_DEFLATE_WORTH = 256, /* shorter messages are not worth the time */
};

struct ws_deflate *ws_deflate_new(void);
void ws_deflate_free(struct ws_deflate *streams); /* NULL is allowed */

/* Chooses from a Sec-WebSocket-Extensions header (NULL: absent) the first offer that can
 * be met, and appends the answering header's value. Returns the bits of the window that
 * ws_deflate is to use for this client, 0 when it is none of ours, -1 INVALID when the
 * header is malformed: such a handshake fails (RFC 6455 section 9.1). */
int ws_deflate_negotiate(const char *offers, struct buf *answer, struct err *err);

/* Appends the compressed message. false, and nothing is appended: it is short or would not
 * shrink. */
bool ws_deflate(struct ws_deflate *streams, unsigned bits, const char *data, size_t len,
                struct buf *out);

/* The most bytes that a message of `len` bytes has when it was compressed badly: a longer
 * one need not be received in order to be refused. */
size_t ws_deflate_bound(size_t len);

/* Appends the message that `data` is the compressed form of, to `out`, which is empty.
 * Returns 0, or the close code that its sender deserves: WS_CODE_TOO_BIG as soon as there
 * are more than `max` bytes, WS_CODE_BAD_DATA when it is damaged or cut off. */
unsigned ws_inflate(struct ws_deflate *streams, const char *data, size_t len, size_t max,
                    struct buf *out);
