/* http_wire.h - the client end of a test of the HTTP server: a non-blocking Unix socket
 * in the server's own thread. Waiting means turning the server's loop, with a limit. */
#pragma once
#include "check.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define PATIENCE_MS ((unsigned)patiently(5000))

static uv_loop_t loop;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

struct client {
    int fd;
    char *got;
    size_t len;
    bool eof;
};

static inline void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static inline void connect_client(struct client *client)
{
    *client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    CHECK(connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    client->got = mem_new(1);
}

static inline void close_client(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->got);
    *client = (struct client){.fd = -1};
}

static inline void forget(struct client *client)
{
    client->len = 0;
    client->got[0] = '\0';
}

static inline void receive(struct client *client)
{
    static char chunk[65536];
    ssize_t n;
    while ((n = recv(client->fd, chunk, sizeof(chunk), 0)) > 0) {
        client->got = mem_resize(client->got, client->len + (size_t)n + 1);
        memcpy(client->got + client->len, chunk, (size_t)n);
        client->len += (size_t)n;
        client->got[client->len] = '\0';
    }
    if (n == 0 || (n < 0 && errno != EAGAIN))
        client->eof = true;
}

static inline void send_bytes(struct client *client, const char *data, size_t len)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (len && uv_hrtime() / 1000000 < end) {
        ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno != EAGAIN) {
            return;
        }
        turn();
        receive(client);
    }
}

static inline void send_text(struct client *client, const char *text)
{
    send_bytes(client, text, strlen(text));
}

/* Complete answers so far, by Content-Length; bodies of 204 and of HEAD are the caller's.
 */
static inline int answers(const struct client *client)
{
    int count = 0;
    const char *at = client->got;
    while ((at = strstr(at, "HTTP/1.1 "))) {
        const char *end = strstr(at, "\r\n\r\n");
        const char *length = strstr(at, "Content-Length: ");
        if (!end)
            break;
        size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if ((size_t)(client->got + client->len - end - 4) < body)
            break;
        at = end + 4 + body;
        count++;
    }
    return count;
}

static inline bool await(struct client *client, int count)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    do {
        turn();
        receive(client);
        if (answers(client) >= count)
            return true;
    } while (!client->eof && uv_hrtime() / 1000000 < end);
    return false;
}

static inline bool await_eof(struct client *client)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (!client->eof && uv_hrtime() / 1000000 < end) {
        turn();
        receive(client);
    }
    return client->eof;
}

static inline int status(const struct client *client)
{
    return client->len > 12 ? atoi(client->got + 9) : 0;
}

static inline const char *body(const struct client *client)
{
    const char *end = strstr(client->got, "\r\n\r\n");
    return end ? end + 4 : NULL;
}
