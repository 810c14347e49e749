/* ws_frame.h - WebSocket framing (RFC 6455 section 5) as a server sees it: bytes to
 * events, messages to bytes. Inflates what was compressed. Knows no sockets, never waits, and holds memory only while a
 * message or a control frame is under way. */
#pragma once
#include "buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xa,
};

/* Of the first frame of a compressed message (RFC 7692): RSV1, beside its opcode. */
enum { WS_COMPRESSED = 0x40 };

/* Close codes that the protocol itself uses. */
enum {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_NONE = 1005, /* the close frame carried no code; never sent */
    WS_CODE_ABNORMAL =
        1006, /* the connection was lost without a close frame; never sent */
    WS_CODE_BAD_DATA = 1007, /* text that is no UTF-8 */
    WS_CODE_TOO_BIG = 1009,
};

enum {
    WS_HEADER_MAX = 10,   /* an unmasked header */
    WS_CONTROL_MAX = 125, /* payload of a control frame */
};

enum ws_event_type {
    WS_EVENT_NONE, /* more bytes are needed */
    WS_EVENT_MESSAGE,
    WS_EVENT_PING,
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,
    WS_EVENT_ERROR, /* the peer broke the protocol: close with `code`, parse no more */
};

struct ws_event {
    enum ws_event_type type;
    bool binary;      /* of a message */
    unsigned code;    /* CLOSE: the peer's, WS_CODE_NONE without; ERROR: what to answer */
    const char *data; /* payload, or the reason (CLOSE, ERROR); never NULL but for NONE */
    size_t len;
};

struct ws_deflate;

struct ws_parser {
    struct buf message; /* the data message under way or just handed out, unmasked */
    struct buf
        control; /* the same of a control frame, which may come between fragments */
    size_t max_message;     /* bytes of a whole message */
    size_t checked;         /* of a text message: its first bytes known to be UTF-8 */
    uint64_t left;          /* payload bytes of the current frame still to come */
    unsigned char head[14]; /* the current frame's header */
    uint8_t have;           /* bytes in head */
    uint8_t need;           /* bytes that the header will have, 2 until they are there */
    uint8_t mask_at;        /* which byte of the mask the next payload byte meets */
    uint8_t opcode;  /* WS_TEXT or WS_BINARY while a message is under way, else 0 */
    bool compressed; /* that message is */
    bool handed;     /* the last event points into our buffers */
    bool failed;
    struct ws_deflate *streams; /* borrowed; NULL: compression was not agreed upon */
};

/* For the frames of one client. Free with ws_parser_deinit. Set `streams` behind it where
 * permessage-deflate was agreed upon. */
void ws_parser_init(struct ws_parser *parser, size_t max_message);
void ws_parser_deinit(struct ws_parser *parser);

/* Consumes bytes up to the next event (all when there is none) and returns how many;
 * `len` > 0. `event` is valid until the next feed or release. After WS_EVENT_ERROR every
 * feed consumes all it is given and gives an error again. */
size_t ws_parser_feed(struct ws_parser *parser, const char *data, size_t len,
                      struct ws_event *event);

/* Frees the memory of the last event now instead of at the next feed. */
void ws_parser_release(struct ws_parser *parser);

/* Writes the header of an unfragmented, unmasked frame; returns its size. `opcode` is an
 * enum ws_opcode, with WS_COMPRESSED if so. */
size_t ws_frame_header(char out[WS_HEADER_MAX], unsigned opcode, size_t len);

/* Writes a close frame's payload; a reason that does not fit is cut between characters.
 * Returns its size: 0 for WS_CODE_NONE. `reason` may be NULL. */
size_t ws_close_payload(char out[WS_CONTROL_MAX], unsigned code, const char *reason);

/* Whether a close frame may carry the code (RFC 6455 section 7.4 and IANA's registry). */
bool ws_close_code_valid(unsigned code);
