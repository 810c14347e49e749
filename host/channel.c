#include "channel.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int channel_send(int fd, const char *word, unsigned number, const char *text)
{
    char packet[CHANNEL_TEXT_MAX + 64];
    int len = snprintf(packet, sizeof(packet), "%s %u %.*s", word, number,
                       CHANNEL_TEXT_MAX - 1, text ? text : "");
    return send(fd, packet, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

int channel_receive(int fd, struct message *message)
{
    char packet[CHANNEL_TEXT_MAX + 64];
    ssize_t len = recv(fd, packet, sizeof(packet) - 1, MSG_DONTWAIT);
    if (len < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (len == 0)
        return -1;
    packet[len] = '\0';
    int start = 0;
    if (sscanf(packet, "%15s %u %n", message->word, &message->number, &start) < 2)
        return -1;
    snprintf(message->text, sizeof(message->text), "%s", packet + start);
    return 1;
}
