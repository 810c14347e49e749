/* ws_handshake.h - the opening handshake of a WebSocket server (RFC 6455 section 4.2):
 * header values in, the 101 answer out. */
#pragma once
#include "buf.h"
#include "err.h"
#include <stdbool.h>

/* What the request says; NULL where a header is absent. */
struct ws_handshake {
    const char *method;
    const char *upgrade;
    const char *connection;
    const char *version; /* Sec-WebSocket-Version */
    const char *key;     /* Sec-WebSocket-Key */
};

/* Whether it is a proper opening handshake; -1 with INVALID when not. A version other
 * than 13 is told by ERR_WS_VERSION, so that the caller can answer 426. */
#define ERR_WS_VERSION "VERSION"
int ws_handshake_check(const struct ws_handshake *handshake, struct err *err);

/* Appends the 101 answer to a handshake that was found good. `protocol` (NULL: none) must
 * be a token: see ws_is_token. `extensions` (NULL: none) is the header's value. `lines`: further
 * headers, each with its line end. */
void ws_handshake_answer(struct buf *out, const char *key, const char *protocol,
                         const char *extensions, const char *lines);

/* A token of RFC 9110, as a subprotocol's name must be. */
bool ws_is_token(const char *text);
