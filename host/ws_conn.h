/* ws_conn.h - the inside of the hub, for host/ws_*.c only.
 *
 * A connection at rest is its stream and one struct ws_conn: the read buffer is the hub's,
 * messages and queues have memory only while there are some. One timer of the hub looks
 * at all pings and deadlines.
 *
 * Life: WS_OPEN -> WS_CLOSING (we sent a close frame, its answer is awaited) -> WS_GONE (the
 * stream is being closed). Leaving WS_OPEN leaves all rooms. The hub owns every ws_conn; it is
 * freed by ws_conn_forget, when its stream is closed and its on_close was taken, and only
 * straight from the loop: whoever else holds one can go on using it. */
#pragma once
#include "hash.h"
#include "ws.h"
#include "ws_frame.h"
#include "ws_packet.h"
#include "ws_room.h"

enum { WS_READ_BYTES = 64 * 1024 };

enum ws_state { WS_OPEN, WS_CLOSING, WS_GONE };

struct ws_conn {
    struct hash_node node; /* in hub->conns */
    uint64_t id;
    struct ws_conn *next, **link; /* in hub->all */
    uint64_t ping_at;             /* loop time in ms */
    uint64_t deadline_at;         /* 0: none; while WS_CLOSING: when patience ends */
    uint8_t state;                /* enum ws_state */
    uint8_t form;                 /* in which it takes texts */
    bool busy;                    /* a message is not done yet */
    bool untaken;                 /* on_message refused it; it waits in the parser */
    bool binary;                  /* ... and this is its kind */
    bool feeding;                 /* feed() or ws_conn_retry() is below us on the stack */
    bool reading;                 /* uv_read_start is in force */
    bool finished;  /* our side is shut down: what still comes is thrown away */
    bool alive;     /* something came since the last ping */
    bool reporting; /* in hub->reports */
    bool reported;  /* on_close was taken */
    uint16_t code;  /* for on_close */
    uint16_t deadline_code;
    unsigned ping_ms;
    char *deadline_reason;
    struct ws_hub *hub;
    struct ws_conn *next_report; /* in hub->reports */
    uv_stream_t *stream;         /* NULL once closed */
    struct ws_parser parser;
    struct buf unread; /* read before the pause; parsed up to unread_at */
    size_t unread_at;
    size_t queued;
    size_t queue_max;
    struct seats seats;
    uint64_t stamp; /* of the latest stamped message */
    char *data;     /* ws_set_data */
    size_t data_len;
};

struct ws_hub {
    uv_loop_t *loop;
    struct hash conns; /* by id, until freed */
    struct hash rooms; /* by name */
    struct ws_conn *all;
    size_t open;
    size_t queued;    /* of all */
    size_t half_full; /* open ones that have more than half of their queue_max in it */
    uint64_t last_id;
    uint64_t dropped;
    struct ws_conn *reports; /* their on_close is due */
    ws_message_cb on_message;
    ws_close_cb on_close;
    void *arg;
    ws_drained_cb drained;
    void *drained_arg;
    bool draining;
    bool freeing;
    unsigned handles; /* timers not closed yet */
    uv_timer_t tick;  /* runs while there are connections */
    uv_timer_t report;
    struct ws_packet *ping,
        *comment; /* what keeps a WebSocket, a stream of events alive */
    struct ws_deflate *streams;
    char *buffer; /* WS_READ_BYTES, for whoever reads just now */
};

/* ---- ws_hub.c ---- */

/* The last connection was freed. May free the hub. */
void ws_hub_on_empty(struct ws_hub *hub);

/* ---- ws_conn.c: the end of a connection ---- */

/* Begins the closing handshake, if it is open; what is queued goes out before. `reason` may
 * be NULL. */
void ws_conn_close(struct ws_conn *conn, unsigned code, const char *reason);
/* Open no more: leaves the rooms, and on_close becomes due with `code`. */
void ws_conn_leave_open(struct ws_conn *conn, unsigned code);
/* Ends our side behind what is queued. Idempotent. */
void ws_conn_finish(struct ws_conn *conn);
/* Closes the stream; what is queued is lost. `code` counts if nothing was said before. */
void ws_conn_drop(struct ws_conn *conn, unsigned code);
/* Has on_close called from the loop, as soon as no message is under way. */
void ws_conn_report(struct ws_conn *conn);
/* Frees it if both the stream and the application are done with it; may free the hub. */
void ws_conn_forget(struct ws_conn *conn);

/* ---- ws_write.c: what goes out ---- */

/* Sends or queues a packet, taking a reference of its own. Who reads too slowly is closed. */
void ws_conn_send(struct ws_conn *conn, struct ws_packet *packet);
/* The same with one frame of a copy of `data`. */
void ws_conn_send_new(struct ws_conn *conn, enum ws_opcode opcode, const char *data,
                      size_t len);
/* Says goodbye: a close frame, or the end of a stream of events. */
void ws_conn_send_close(struct ws_conn *conn, unsigned code, const char *reason);
bool ws_conn_is_events(const struct ws_conn *conn);
/* Whether it counts in the hub's half_full. */
bool ws_conn_is_half_full(const struct ws_conn *conn);

/* ---- ws_read.c: what comes in ---- */

/* Goes on after a pause: first with what was read before it. Does nothing while a message is
 * with the application. */
void ws_conn_resume(struct ws_conn *conn);
/* Offers the message again that was not taken. */
void ws_conn_retry(struct ws_conn *conn);
/* Nothing is read, because a message is with the application. */
bool ws_conn_is_paused(const struct ws_conn *conn);
