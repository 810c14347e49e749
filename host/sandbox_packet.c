/* Only writev and recvmsg are called: sendmsg, by which descriptors could go along, is forbidden
 * to a sandbox process. */
#include "sandbox_packet.h"
#include "mem.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct sandbox_packet {
    struct sandbox_packet *next;
    size_t len;
    char bytes[];
};

enum { PIECES = 3 };

/* 1 sent, 0 no room, -1 broken. */
static int write_pieces(int fd, const struct iovec *pieces, int count)
{
    ssize_t n;
    do
        n = writev(fd, pieces, count);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 1;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

static void enqueue(struct sandbox_queue *queue, const struct iovec *pieces)
{
    size_t len = 0;
    for (int i = 0; i < PIECES; i++)
        len += pieces[i].iov_len;
    struct sandbox_packet *packet = mem_new(sizeof(*packet) + len);
    for (int i = 0; i < PIECES; i++) {
        if (pieces[i].iov_len)
            memcpy(packet->bytes + packet->len, pieces[i].iov_base, pieces[i].iov_len);
        packet->len += pieces[i].iov_len;
    }
    if (queue->last)
        queue->last->next = packet;
    else
        queue->first = packet;
    queue->last = packet;
    queue->bytes += len;
}

int sandbox_send(int fd, struct sandbox_queue *queue, const struct sandbox_header *header,
                 const void *head, size_t head_len, const void *text, size_t text_len)
{
    const struct iovec pieces[PIECES] = {{(void *)header, sizeof(*header)},
                                         {(void *)head, head_len},
                                         {(void *)text, text_len}};
    int rc = queue->first ? 0 : write_pieces(fd, pieces, PIECES);
    if (rc == 0)
        enqueue(queue, pieces);
    return rc < 0 ? -1 : 0;
}

static void drop_first(struct sandbox_queue *queue)
{
    struct sandbox_packet *packet = queue->first;
    queue->first = packet->next;
    if (!queue->first)
        queue->last = NULL;
    queue->bytes -= packet->len;
    free(packet);
}

int sandbox_flush(int fd, struct sandbox_queue *queue)
{
    while (queue->first) {
        struct iovec piece = {queue->first->bytes, queue->first->len};
        int rc = write_pieces(fd, &piece, 1);
        if (rc <= 0)
            return rc;
        drop_first(queue);
    }
    return 0;
}

void sandbox_queue_free(struct sandbox_queue *queue)
{
    while (queue->first)
        drop_first(queue);
}

enum sandbox_received sandbox_receive(int fd, struct sandbox_header *header, char *text,
                                      size_t *len)
{
    struct iovec pieces[] = {{header, sizeof(*header)}, {text, SANDBOX_TEXT_MAX}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return SANDBOX_NOTHING;
    if (n < (ssize_t)sizeof(*header) || (message.msg_flags & MSG_TRUNC) ||
        header->proto != SANDBOX_PROTO)
        return SANDBOX_BROKEN;
    *len = (size_t)n - sizeof(*header);
    return SANDBOX_PACKET;
}
