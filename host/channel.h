/* channel.h - messages between the master and its processes, and between a command and the
 * master: a SOCK_SEQPACKET Unix socket, one message a packet: a word, a number, maybe a text.
 *
 *   master -> worker   build N <folder> | switch N | drop N      a reload in two steps
 *                      leave 0                             SIGTERM comes, and others take over
 *   worker -> master   up 0                             boot succeeded, requests are served
 *                      ready N | failed N <problem>     the answer to build
 *   command -> master  reload 0 | status 0
 *   master -> command  ok 0 <text> | failed 0 <text>
 */
#pragma once
#include <stddef.h>

enum { CHANNEL_TEXT_MAX = 16 * 1024 };

struct message {
    char word[16];
    unsigned number;
    char text[CHANNEL_TEXT_MAX]; /* NUL-terminated, cut to fit */
};

/* 0, or -1 when the other side is gone. Never blocks for long: packets are small. */
int channel_send(int fd, const char *word, unsigned number, const char *text);

/* 1 when a message was read, 0 when none is there, -1 when the other side is gone or spoke
 * nonsense. */
int channel_receive(int fd, struct message *message);
