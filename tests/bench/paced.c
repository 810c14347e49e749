/* paced.c - an HTTP client that asks at a steady rate, whatever the server makes of it.
 *
 *   paced PORT FILE KINDS CONNECTIONS RATE SECONDS
 *
 * FILE has a request a line as wrk.lua takes them: method, path, token, body, a further header,
 * separated by tabs. The nth of them is of kind n modulo KINDS. They are sent in turns, RATE a
 * second in all, over keep-alive connections; one that finds all of them busy waits, and its wait
 * counts. Prints for each kind
 *   kind=K requests=N refused=N p50_us=A p99_us=B
 * where refused are answers from 400 on. Anything unexpected ends it with a message. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 64,
    REQUEST_MAX = 16384,
    ANSWER_MAX = 1 << 20,
    KINDS_MAX = 16,
    PATIENCE_S = 30, /* without any answer */
};

struct request {
    char *text;
    size_t len;
};

struct peer {
    int fd;
    bool busy;
    int kind;
    int64_t asked_us;
    char *data; /* of the answer, as far as it has come */
    size_t len;
};

struct kind {
    uint32_t *us; /* latencies */
    size_t count, room;
    unsigned refused;
};

static struct request *requests;
static size_t request_count;
static struct peer *peers;
static int peer_count, kind_count;
static struct kind kinds[KINDS_MAX];

static void die(const char *what)
{
    fprintf(stderr, "paced: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static void *grown(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (!memory)
        die("memory");
    return memory;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- requests ---- */

static void add_request(char *line)
{
    static char text[REQUEST_MAX];
    const char *field[5];
    for (int i = 0; i < 5; i++)
        field[i] = strsep(&line, "\t");
    if (!field[4])
        die("a line without five fields");
    bool token = *field[2], body = *field[3], header = *field[4];
    int len = snprintf(text, sizeof(text),
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n"
                       "%s%s%s%s%s%sContent-Length: %zu\r\n\r\n%s",
                       field[0], field[1], token ? "Authorization: Bearer " : "",
                       field[2], token ? "\r\n" : "", field[4], header ? "\r\n" : "",
                       body ? "Content-Type: application/json\r\n" : "", strlen(field[3]),
                       field[3]);
    if (len >= (int)sizeof(text))
        die("a request is too long");
    requests = grown(requests, (request_count + 1) * sizeof(*requests));
    requests[request_count] = (struct request){.text = strdup(text), .len = (size_t)len};
    request_count++;
}

static void read_requests(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    if (!file)
        die(path);
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        add_request(line);
    }
    free(line);
    fclose(file);
    if (!request_count)
        die("no requests");
}

/* ---- connections ---- */

static void connect_peers(int loop, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < peer_count; i++) {
        struct peer *peer = &peers[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        peer->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (peer->fd < 0 ||
            connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            die("connect");
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (epoll_ctl(loop, EPOLL_CTL_ADD, peer->fd, &event) < 0)
            die("epoll_ctl");
        peer->data = grown(NULL, ANSWER_MAX + 1);
    }
}

static struct peer *idle_peer(void)
{
    for (int i = 0; i < peer_count; i++)
        if (!peers[i].busy)
            return &peers[i];
    return NULL;
}

static void ask(struct peer *peer, size_t n, int64_t due_us)
{
    const struct request *request = &requests[n % request_count];
    peer->busy = true;
    peer->kind = (int)(n % request_count) % kind_count;
    peer->asked_us = due_us;
    peer->len = 0;
    if (write(peer->fd, request->text, request->len) != (ssize_t)request->len)
        die("write");
}

/* The length of the answer that data begins with, 0 while its head is not whole. */
static size_t answer_length(const char *data)
{
    const char *end = strstr(data, "\r\n\r\n");
    if (!end)
        return 0;
    const char *length = strcasestr(data, "\r\ncontent-length:");
    if (!length || length > end) {
        errno = 0;
        die("an answer without a length");
    }
    return (size_t)(end + 4 - data) + strtoul(length + 17, NULL, 10);
}

static void note(struct peer *peer)
{
    struct kind *kind = &kinds[peer->kind];
    if (kind->count == kind->room) {
        kind->room = kind->room ? 2 * kind->room : 1024;
        kind->us = grown(kind->us, kind->room * sizeof(*kind->us));
    }
    kind->us[kind->count++] = (uint32_t)(now_us() - peer->asked_us);
    kind->refused += atoi(peer->data + 9) >= 400; /* behind "HTTP/1.1 " */
    peer->busy = false;
}

static bool hear(struct peer *peer)
{
    ssize_t n = read(peer->fd, peer->data + peer->len, ANSWER_MAX - peer->len);
    if (n <= 0 || !peer->busy)
        die("a connection ended");
    peer->len += (size_t)n;
    peer->data[peer->len] = '\0';
    size_t length = answer_length(peer->data);
    if (!length || peer->len < length)
        return false;
    note(peer);
    return true;
}

/* ---- the measurement ---- */

static void run(int loop, double rate, double seconds)
{
    struct epoll_event events[EVENTS];
    int64_t start = now_us(), heard = start, end = start + (int64_t)(seconds * 1e6);
    size_t sent = 0, answered = 0, total = (size_t)(rate * seconds);
    while (answered < total) {
        int64_t now = now_us(), due = start + (int64_t)((double)sent * 1e6 / rate);
        struct peer *peer = sent < total && due <= now ? idle_peer() : NULL;
        if (peer) {
            ask(peer, sent++, due);
            continue;
        }
        if (now - (heard > end ? heard : end) > PATIENCE_S * 1000000LL)
            die("no answer");
        int64_t wait_us = sent == total || due <= now ? 1000000 : due - now;
        struct timespec wait = {wait_us / 1000000, wait_us % 1000000 * 1000};
        int n = epoll_pwait2(loop, events, EVENTS, &wait, NULL);
        for (int i = 0; i < n; i++)
            if (hear(events[i].data.ptr)) {
                answered++;
                heard = now_us();
            }
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(const struct kind *kind, size_t percent)
{
    return kind->count ? kind->us[(kind->count - 1) * percent / 100] : 0;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "paced PORT FILE KINDS CONNECTIONS RATE SECONDS\n");
        return 2;
    }
    read_requests(argv[2]);
    kind_count = atoi(argv[3]);
    peer_count = atoi(argv[4]);
    if (kind_count < 1 || kind_count > KINDS_MAX || peer_count < 1)
        die("kinds or connections");
    peers = grown(NULL, (size_t)peer_count * sizeof(*peers));
    memset(peers, 0, (size_t)peer_count * sizeof(*peers));
    int loop = epoll_create1(0);
    connect_peers(loop, atoi(argv[1]));
    run(loop, atof(argv[5]), atof(argv[6]));
    for (int i = 0; i < kind_count; i++) {
        struct kind *kind = &kinds[i];
        qsort(kind->us, kind->count, sizeof(*kind->us), by_size);
        printf("kind=%d requests=%zu refused=%u p50_us=%u p99_us=%u\n", i, kind->count,
               kind->refused, percentile(kind, 50), percentile(kind, 99));
    }
    return 0;
}
