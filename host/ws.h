/* ws.h - the hub: all WebSocket connections of the process, their rooms, and the fan-out.
 * Streams of server-sent events are connections of it that only hear.
 *
 * It takes a stream over after the handshake and owns it until it is gone. Everything
 * runs on the loop's thread; no function waits. The callbacks run from the loop, or
 * inside ws_message_done, never inside any other function of the hub.
 *
 * A connection is known by its id: above 0, below 2^53, never given twice. Once it is
 * closing (by either side) its id counts as unknown: sending fails with CLOSED, its rooms
 * are left. Only its data can still be read until its on_close has run. */
#pragma once
#include "err.h"
#include "host.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_hub;

/* Close codes of ours, beside those of ws_frame.h. */
enum { WS_CODE_SLOW = 4408 /* the reader's queue was full */ };

/* One message; `data` is valid during the call. Returns false when it cannot be taken
 * now: it is offered again, a quarter of a second later. Else nothing more comes from
 * this connection until ws_message_done(id). */
typedef bool (*ws_message_cb)(void *arg, uint64_t id, const char *data, size_t len,
                              bool binary);

/* The connection is over: once for each, after its last message is done. `code` is the
 * peer's when it closed, ours when we did, 1006 when it was lost. `data` is what
 * ws_set_data left, NULL when nothing. Returns false to be asked again later. */
typedef bool (*ws_close_cb)(void *arg, uint64_t id, unsigned code, const char *data,
                            size_t len);

typedef void (*ws_drained_cb)(void *arg);

/* An empty hub on host->loop. */
struct ws_hub *ws_hub_new(struct host *host);

/* Replaces the callbacks. Until they are set messages wait. */
void ws_hub_on(struct ws_hub *hub, ws_message_cb on_message, ws_close_cb on_close,
               void *arg);

/* Closes all with 1001, and whoever still comes; `done` (or NULL) runs once from the loop
 * when the last is gone and its on_close was taken, seconds later when a peer does not
 * answer. */
void ws_hub_drain(struct ws_hub *hub, ws_drained_cb done, void *arg);

/* Drops all connections without a word; no callback runs any more. The memory goes when
 * the loop has closed the handles: run the loop afterwards. Not from inside a callback of
 * the hub. NULL is allowed. */
void ws_hub_free(struct ws_hub *hub);

struct ws_options {
    size_t max_message; /* bytes; a longer one closes with 1009 */
    size_t
        queue_max; /* bytes that may wait for a reader; beyond, it is closed with 4408 */
    unsigned
        ping_ms; /* between pings; one that brings nothing back until the next: lost */
    unsigned deflate_bits; /* from ws_deflate_negotiate; 0: nothing is compressed */
    bool events; /* a stream of server-sent events: what comes in is thrown away, a close
                    code only counts for on_close (1001 also tells when to come back),
                    pings are comments without answer */
};

/* Takes over `stream` (malloc'd, not reading) and writes `head`, the answer to the
 * handshake, as it is. `rest` is what the client has sent already. Both are copied. No
 * message is handed over before ws_message_done(id). */
uint64_t ws_adopt(struct ws_hub *hub, uv_stream_t *stream,
                  const struct ws_options *options, const char *head, size_t head_len,
                  const char *rest, size_t rest_len);

/* The last message of this connection was dealt with: the next may come. Unknown ids are
 * fine. */
void ws_message_done(struct ws_hub *hub, uint64_t id);

/* The functions below that take an id return -1 CLOSED when it is unknown. */

struct ws_text { /* one text message */
    const char *text;
    size_t len;
    const char *name; /* of the event, in streams of events; NULL */
    size_t name_len;
    const char
        *mark; /* its id in streams of events, from where a client can go on; NULL */
    size_t mark_len;
};

/* Sends one text message. A reader that is too slow is closed, which is no failure here.
 */
int ws_send(struct ws_hub *hub, uint64_t id, const struct ws_text *text, struct err *err);

/* Sends the text to all in the room and returns how many those are; it is compressed once
 * for all who agreed upon that. With a stamp (not 0)
 * it passes over a connection whose latest stamped message had the same one: so a message
 * for several rooms reaches each connection once. */
size_t ws_publish(struct ws_hub *hub, const char *room, size_t room_len,
                  const struct ws_text *text, uint64_t stamp);

/* Begins the closing handshake; what is queued goes out before. -1 INVALID: `code` is
 * none that may be sent. `reason` (NULL: none) is cut to 123 bytes. */
int ws_close(struct ws_hub *hub, uint64_t id, unsigned code, const char *reason,
             struct err *err);

/* The same for all in the room; returns how many. */
size_t ws_close_room(struct ws_hub *hub, const char *room, size_t room_len, unsigned code,
                     const char *reason);

/* Joining twice is fine. -1 TOO_LARGE beyond WS_ROOMS_MAX. A room exists while it has
 * members. */
enum { WS_ROOMS_MAX = 1000 };
int ws_join(struct ws_hub *hub, uint64_t id, const char *room, size_t len,
            struct err *err);
int ws_leave(struct ws_hub *hub, uint64_t id, const char *room, size_t len,
             struct err *err);
bool ws_in_room(struct ws_hub *hub, uint64_t id, const char *room, size_t len);

/* The room at `index` (0..) of a connection, in no order; NULL behind the last or when
 * the id is unknown. Valid until the next join, leave or close. */
const char *ws_room_at(struct ws_hub *hub, uint64_t id, size_t index, size_t *len);

/* The connection at `index` (0..) of a room, in no order; 0 behind the last. Valid until the next
 * join, leave or close. */
uint64_t ws_member_at(struct ws_hub *hub, const char *room, size_t len, size_t index);

/* What waits for the reader, in bytes that count against queue_max; 0 when the id is
 * unknown. */
size_t ws_queued(const struct ws_hub *hub, uint64_t id);

/* Keeps a copy of opaque bytes with the connection; NULL for none. */
int ws_set_data(struct ws_hub *hub, uint64_t id, const char *data, size_t len,
                struct err *err);
/* NULL when there is none or the id is unknown. Valid until the next ws_set_data. */
const char *ws_data(struct ws_hub *hub, uint64_t id, size_t *len);

/* Closes the connection with code and reason after `ms`, on the quarter of a second;
 * replaces an earlier deadline. `ms` 0: none. -1 INVALID as ws_close. */
int ws_deadline(struct ws_hub *hub, uint64_t id, unsigned ms, unsigned code,
                const char *reason, struct err *err);

struct ws_stats {
    size_t connections; /* not closing */
    size_t rooms;
    size_t queued; /* what waits for all readers together, as ws_queued counts it */
    size_t
        half_full; /* of the connections, those with more than half of queue_max waiting */
    uint64_t dropped; /* closed with 4408 since the start */
};
struct ws_stats ws_hub_stats(const struct ws_hub *hub);
