/* sandbox_packet.h - packets of sandbox_proto.h between worker and sandbox process, without ever
 * blocking: what the socket does not take waits in a queue. Used on both sides. */
#pragma once
#include "sandbox_proto.h"
#include <stdbool.h>
#include <stddef.h>

struct sandbox_packet;

/* All zero: empty. The owner bounds what it puts in, by `bytes`. */
struct sandbox_queue {
    struct sandbox_packet *first, *last;
    size_t bytes;
};

/* Sends the packet, or queues it behind those that wait. The text is in two pieces, each NULL with
 * 0 when there is none, SANDBOX_TEXT_MAX in all. -1 when the connection is broken. */
int sandbox_send(int fd, struct sandbox_queue *queue, const struct sandbox_header *header,
                 const void *head, size_t head_len, const void *text, size_t text_len);

/* Sends what waits as far as the socket takes it; -1 when the connection is broken. */
int sandbox_flush(int fd, struct sandbox_queue *queue);

void sandbox_queue_free(struct sandbox_queue *queue);

enum sandbox_received {
    SANDBOX_NOTHING, /* yet */
    SANDBOX_PACKET,
    SANDBOX_BROKEN, /* closed, or what came is no packet of this protocol */
};

/* Takes one packet; `text` has room for SANDBOX_TEXT_MAX bytes. Descriptors that come along are
 * dropped. */
enum sandbox_received sandbox_receive(int fd, struct sandbox_header *header, char *text,
                                      size_t *len);
