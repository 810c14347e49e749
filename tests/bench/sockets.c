/* sockets.c - many WebSocket clients in one process: opens them, holds them, measures a fan-out.
 *
 *   sockets PORT TARGET COUNT READY EVENT POST
 *
 * Opens COUNT sockets at TARGET. One counts as open with the first message that contains READY.
 * Prints "open N" once all are, then reads lines from standard input: "go SECONDS" sends the HTTP
 * request in the file POST, waits until every socket has got a message that contains EVENT, sends
 * it again, and after SECONDS prints
 *   deliveries=N events=N seconds=S p50_us=A p99_us=B
 * where the times are from sending the request to reading the message. Ends with its input.
 *
 * It speaks as much of Engine.IO as it takes for a Socket.IO server: joins the default namespace
 * and answers pings. Anything unexpected ends it with a message. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 512,
    CHUNK = 65536,
    AT_ONCE = 64,         /* handshakes under way */
    PATIENCE_MS = 30000,  /* for any progress at all */
    SAMPLES_MAX = 1 << 22 /* latencies that are kept */
};
enum opcode { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

/* The last one is the HTTP connection that posts. */
struct peer {
    int fd;
    bool upgraded, ready;
    char *data; /* what was read and not understood yet */
    size_t len, room;
};

static struct peer *peers;
static int loop, port, count, opened, ready, delivered, answered;
static const char *target, *ready_text, *event_text;
static char post[CHUNK];
static size_t post_len;
static double sent_us;
static float *samples;
static size_t sample_count;

static void die(const char *what)
{
    fprintf(stderr, "sockets: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void send_all(struct peer *peer, const void *data, size_t len)
{
    if (send(peer->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
}

/* A short frame, masked with zeros. */
static void send_frame(struct peer *peer, enum opcode opcode, const char *data,
                       size_t len)
{
    unsigned char frame[6 + 125] = {0x80 | opcode, (unsigned char)(0x80 | len)};
    if (len > 125)
        die("frame too long");
    memcpy(frame + 6, data, len);
    send_all(peer, frame, 6 + len);
}

static void connect_peer(struct peer *peer)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (peer->fd < 0 ||
        connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, peer->fd, &event) < 0)
        die("epoll_ctl");
}

static void open_socket(struct peer *peer)
{
    char head[4096];
    connect_peer(peer);
    int len = snprintf(head, sizeof(head),
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       target);
    send_all(peer, head, (size_t)len);
}

static bool contains(const char *data, size_t len, const char *text)
{
    return memmem(data, len, text, strlen(text)) != NULL;
}

static void on_message(struct peer *peer, const char *data, size_t len)
{
    if (len == 1 && data[0] == '2') {
        send_frame(peer, TEXT, "3", 1);
    } else if (len > 1 && data[0] == '0' && data[1] == '{') {
        send_frame(peer, TEXT, "40", 2);
    } else if (!peer->ready && contains(data, len, ready_text)) {
        peer->ready = true;
        ready++;
    } else if (contains(data, len, event_text)) {
        delivered++;
        if (samples && sample_count < SAMPLES_MAX)
            samples[sample_count++] = (float)(now_us() - sent_us);
    }
}

/* Returns the bytes of the first frame, 0 when it is not all there. */
static size_t take_frame(struct peer *peer, const unsigned char *at, size_t left)
{
    if (left < 2)
        return 0;
    size_t head = 2, len = at[1] & 0x7f;
    if (len >= 126) {
        size_t bytes = len == 126 ? 2 : 8;
        if (left < 2 + bytes)
            return 0;
        len = 0;
        for (size_t i = 0; i < bytes; i++)
            len = len << 8 | at[2 + i];
        head += bytes;
    }
    if (left < head + len)
        return 0;
    const char *payload = (const char *)at + head;
    switch (at[0] & 0x0f) {
    case TEXT:
        on_message(peer, payload, len);
        break;
    case PING:
        send_frame(peer, PONG, payload, len);
        break;
    case CLOSE:
        fprintf(stderr, "sockets: closed by the server: %.*s\n", (int)len, payload);
        exit(1);
    }
    return head + len;
}

/* The bytes of the head, or of a whole answer to a post; 0 when it is not all there. */
static size_t take_answer(const char *at, size_t left, bool with_body)
{
    const char *end = memmem(at, left, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - at) + 4, body = 0;
    if (with_body) {
        char text[8192] = "";
        memcpy(text, at, head < sizeof(text) ? head : sizeof(text) - 1);
        const char *length = strcasestr(text, "\r\ncontent-length:");
        body = length ? strtoul(length + 17, NULL, 10) : 0;
    }
    return left < head + body ? 0 : head + body;
}

static size_t understand(struct peer *peer, const char *at, size_t left)
{
    bool posts = peer == &peers[count];
    if (peer->upgraded && !posts)
        return take_frame(peer, (const unsigned char *)at, left);
    size_t used = take_answer(at, left, posts);
    if (used > 0 && strncmp(at, posts ? "HTTP/1.1 201" : "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "sockets: %.*s\n", (int)(left < 2000 ? left : 2000), at);
        exit(1);
    }
    peer->upgraded = peer->upgraded || used > 0;
    answered += posts && used > 0;
    return used;
}

static void on_readable(struct peer *peer)
{
    if (peer->room - peer->len < CHUNK / 4) {
        peer->room = peer->room ? peer->room * 2 : CHUNK / 2;
        peer->data = realloc(peer->data, peer->room);
        if (!peer->data)
            die("realloc");
    }
    ssize_t got = recv(peer->fd, peer->data + peer->len, peer->room - peer->len, 0);
    if (got <= 0)
        die("the server closed a connection");
    peer->len += (size_t)got;
    size_t done = 0, used;
    while ((used = understand(peer, peer->data + done, peer->len - done)) > 0)
        done += used;
    peer->len -= done;
    memmove(peer->data, peer->data + done, peer->len);
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int got = epoll_wait(loop, events, EVENTS, PATIENCE_MS);
    if (got == 0) {
        fprintf(stderr, "sockets: %d open, %d ready, %d of %d delivered: nothing comes\n",
                opened, ready, delivered, count);
        exit(1);
    }
    for (int i = 0; i < got; i++) {
        if (events[i].data.ptr)
            on_readable(events[i].data.ptr);
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void fan_out(double seconds)
{
    double began = now_us(), end = began + seconds * 1e6;
    size_t events = 0;
    samples = malloc(SAMPLES_MAX * sizeof(samples[0]));
    if (!samples)
        die("malloc");
    sample_count = 0;
    while (now_us() < end) {
        delivered = answered = 0;
        sent_us = now_us();
        send_all(&peers[count], post, post_len);
        while (delivered < count || answered < 1)
            turn();
        events++;
    }
    double took = (now_us() - began) / 1e6;
    qsort(samples, sample_count, sizeof(samples[0]), by_size);
    printf("deliveries=%zu events=%zu seconds=%.3f p50_us=%.0f p99_us=%.0f\n",
           events * (size_t)count, events, took, (double)samples[sample_count / 2],
           (double)samples[sample_count * 99 / 100]);
    fflush(stdout);
    free(samples);
    samples = NULL;
}

static void read_post(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    post_len = fread(post, 1, sizeof(post), file);
    fclose(file);
}

/* Sockets are answered while the next command is awaited: servers ping. */
static bool next_command(char *line, size_t size)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(loop, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        bool typed = false;
        int got = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < got; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else
                typed = true;
        }
        if (typed) {
            epoll_ctl(loop, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            return fgets(line, (int)size, stdin) != NULL;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: sockets PORT TARGET COUNT READY EVENT POST\n", stderr);
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0);
    port = atoi(argv[1]);
    target = argv[2];
    count = atoi(argv[3]);
    ready_text = argv[4];
    event_text = argv[5];
    read_post(argv[6]);
    loop = epoll_create1(0);
    peers = calloc((size_t)count + 1, sizeof(*peers));
    if (loop < 0 || !peers)
        die("start");
    while (ready < count) {
        while (opened < count && opened - ready < AT_ONCE)
            open_socket(&peers[opened++]);
        turn();
    }
    connect_peer(&peers[count]);
    printf("open %d\n", ready);
    fflush(stdout);
    char line[100];
    while (next_command(line, sizeof(line))) {
        if (strncmp(line, "go ", 3) == 0)
            fan_out(atof(line + 3));
    }
    return 0;
}
