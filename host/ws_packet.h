/* ws_packet.h - bytes on their way to many connections: built once, counted. */
#pragma once
#include "ws.h" /* struct ws_text */
#include "ws_deflate.h"

/* A frame, or any bytes. Each queue that it waits in holds a reference. */
struct ws_packet {
    unsigned refs;
    size_t len;
    char bytes[];
};

/* One frame; `opcode` is an enum ws_opcode, with WS_COMPRESSED if so. The caller holds the
 * only reference. `data` is copied; NULL when `len` is 0. */
struct ws_packet *ws_packet_new(unsigned opcode, const char *data, size_t len);
/* The bytes as they are, copied. */
struct ws_packet *ws_packet_raw(const char *data, size_t len);
/* Frees it with the last reference. */
void ws_packet_unref(struct ws_packet *packet);

/* The form in which a connection takes texts: the bits of its window (0: not compressed),
 * or WS_FORM_EVENT. */
enum { WS_FORM_EVENT = WS_DEFLATE_BITS_MAX + 1, WS_FORMS };

/* A text on its way out: its packets by form; each is built when the first receiver needs
 * it. Begins as {.text = text}, which is borrowed. */
struct ws_outgoing {
    const struct ws_text *text;
    struct ws_packet *packets[WS_FORMS];
};

/* The packet for receivers of that form; `out` keeps it. */
struct ws_packet *ws_outgoing_packet(struct ws_deflate *streams, unsigned form,
                                     struct ws_outgoing *out);
/* Gives up the references of `out`; what waits in queues stays. */
void ws_outgoing_deinit(struct ws_outgoing *out);
