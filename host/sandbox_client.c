/* An opening waits until there is a link to the zygote, is sent, and waits for its answer; the
 * zygote answers in order. With the link breaks what was sent: it is sent again on the next one.
 * A connection whose zygote is gone or ending begins no more runs: who wants one opens again. */
#include "sandbox_client.h"
#include "conf.h"
#include "host.h"
#include "log.h"
#include "mem.h"
#include "sandbox_inside.h"
#include "sandbox_pass.h"
#include "sandbox_proto.h"
#include "siphash.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    TICK_MS = 10,
    PATIENCE_MS = 3000, /* without a zygote: longer than its restart takes */
};

struct sandbox_opening {
    struct sandbox_client *client;
    struct sandbox_request request;
    sandbox_open_cb done; /* NULL: nobody waits */
    void *arg;
    bool sent;
    uint64_t deadline;
    struct sandbox_opening *next;
};

/* The connection to the zygote; freed when its handle has closed. */
struct zygote_link {
    uv_poll_t poll;
    int fd;
    struct sandbox_client *client; /* NULL once dropped */
};

static void on_readable(uv_poll_t *poll, int status, int events);

void sandbox_client_free_if_unused(struct sandbox_client *client)
{
    if (!client->closing || !client->tick_closed || client->conns)
        return;
    buf_free(&client->scratch);
    free(client->socket_path);
    free(client);
}

/* ---- the link ---- */

static void on_link_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop_link(struct sandbox_client *client)
{
    struct zygote_link *link = client->link;
    client->link = NULL;
    client->stats.linked = false;
    if (!link)
        return;
    link->client = NULL;
    uv_close((uv_handle_t *)&link->poll, on_link_closed);
    close(link->fd);
}

/* Its processes end with it, or as soon as they are idle. */
static void lost_link(struct sandbox_client *client)
{
    drop_link(client);
    client->stats.processes = 0;
    for (struct sandbox_opening *opening = client->openings; opening;
         opening = opening->next)
        opening->sent = false;
    struct sandbox_conn *conn = client->conns;
    while (conn) { /* a callback may have done anything to the list */
        bool open = sandbox_conn_is_open(conn);
        if (open)
            sandbox_conn_retire(conn);
        conn = open ? client->conns : sandbox_conn_next(conn);
    }
}

static int connect_link(struct sandbox_client *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(client->socket_path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, client->socket_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    struct zygote_link *link = rc == 0 ? mem_new(sizeof(*link)) : NULL;
    if (link)
        rc = uv_poll_init(client->loop, &link->poll, fd);
    if (rc < 0) {
        close(fd);
        free(link);
        return rc;
    }
    link->fd = fd;
    link->client = client;
    link->poll.data = link;
    uv_poll_start(&link->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&link->poll); /* the tick keeps the loop alive */
    client->link = link;
    client->stats.linked = true;
    return 0;
}

static bool ensure_link(struct sandbox_client *client)
{
    int rc = client->link ? 0 : connect_link(client);
    if (rc == 0) {
        client->down_since = 0;
        return true;
    }
    if (!client->down_since) {
        struct err err;
        err_uv(&err, rc, client->socket_path);
        log_warn("sandbox: %s", err.message);
        client->down_since = uv_now(client->loop);
    }
    return false;
}

static bool say(struct sandbox_client *client, const struct sandbox_request *request)
{
    return client->link && send(client->link->fd, request, sizeof(*request),
                                MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*request);
}

void sandbox_client_kill(struct sandbox_client *client, uint64_t process)
{
    const struct sandbox_request request = {
        .proto = SANDBOX_PROTO, .kind = SANDBOX_KILL, .id = process};
    log_warn("sandbox: process %llu does not answer: killed",
             (unsigned long long)process);
    if (!say(client, &request))
        log_warn("sandbox: no zygote to kill it");
}

void sandbox_client_used(struct sandbox_client *client, uint64_t process)
{
    const struct sandbox_request request = {
        .proto = SANDBOX_PROTO, .kind = SANDBOX_USED, .id = process};
    say(client, &request);
}

/* ---- openings ---- */

/* Sends those that wait, as far as the link takes them. Runs no callback. */
static void pump(struct sandbox_client *client)
{
    if (client->closing || !client->openings || !ensure_link(client))
        return;
    for (struct sandbox_opening *opening = client->openings; opening;
         opening = opening->next)
        if (!opening->sent && !(opening->sent = say(client, &opening->request)))
            return; /* the tick tries again */
}

static void take_out(struct sandbox_client *client, struct sandbox_opening *opening)
{
    struct sandbox_opening **at = &client->openings;
    while (*at != opening)
        at = &(*at)->next;
    *at = opening->next;
    if (!*at)
        client->openings_end = at;
}

static void fail(struct sandbox_opening *opening, const char *code, const char *message)
{
    struct err err;
    take_out(opening->client, opening);
    err_set(&err, code, "%s", message);
    if (opening->done)
        opening->done(opening->arg, NULL, &err);
    free(opening);
}

/* The zygote has spoken about an opening. `fd` is ours now. */
static void answered(struct sandbox_client *client, const struct sandbox_reply *reply,
                     int fd)
{
    struct sandbox_opening *opening = client->openings;
    struct err err;
    while (opening && opening->request.id != reply->id)
        opening = opening->next;
    if (!opening || !opening->done || reply->kind != SANDBOX_OPENED || fd < 0) {
        if (fd >= 0)
            close(fd);
        if (opening)
            fail(opening, ERR_BUSY, "too many processes of scripts are in use");
        return;
    }
    take_out(client, opening);
    struct sandbox_conn *conn =
        sandbox_conn_new(client, fd, reply->process, reply->pid, &err);
    opening->done(opening->arg, conn, conn ? NULL : &err);
    free(opening);
}

/* One reply and its descriptor, or -1. False when there was none yet; the link is lost when it is
 * broken. */
static bool read_reply(struct zygote_link *link, struct sandbox_reply *reply, int *fd)
{
    ssize_t n = sandbox_take_fd(link->fd, reply, sizeof(*reply), fd);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n == sizeof(*reply) && reply->proto == SANDBOX_PROTO)
        return true;
    if (*fd >= 0)
        close(*fd);
    lost_link(link->client);
    return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct zygote_link *link = poll->data;
    struct sandbox_reply reply;
    int fd;
    (void)events;
    if (status < 0 && link->client)
        lost_link(link->client);
    while (link->client && read_reply(link, &reply, &fd)) {
        link->client->stats.processes = reply.processes;
        if (reply.kind != SANDBOX_COUNT)
            answered(link->client, &reply, fd);
    }
}

/* ---- time ---- */

/* An opening is the zygote's for longer than a fork takes, or nobody's. */
static void fail_overdue(struct sandbox_client *client)
{
    bool down =
        client->down_since && uv_now(client->loop) - client->down_since >= PATIENCE_MS;
    if (down)
        client->down_since = 0;
    struct sandbox_opening *opening = client->openings;
    while (opening && !client->closing) {
        if (!down && opening->deadline > uv_now(client->loop)) {
            opening = opening->next;
            continue;
        }
        fail(opening, ERR_UNAVAILABLE, "there is no process for scripts");
        opening = client->openings; /* the callback may have done anything */
    }
}

/* A callback may have done anything to the list: from its beginning again after each. */
static void tick_conns(struct sandbox_client *client)
{
    struct sandbox_conn *conn = client->conns;
    while (conn) {
        bool due = sandbox_conn_is_due(conn);
        if (due)
            sandbox_conn_tick(conn);
        conn = due ? client->conns : sandbox_conn_next(conn);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct sandbox_client *client = timer->data;
    tick_conns(client);
    fail_overdue(client);
    pump(client);
    bool busy = client->openings != NULL;
    for (struct sandbox_conn *conn = client->conns; conn; conn = sandbox_conn_next(conn))
        busy |= sandbox_conn_is_busy(conn);
    if (!busy)
        uv_timer_stop(timer);
}

void sandbox_client_wake(struct sandbox_client *client)
{
    if (!client->closing && !uv_is_active((uv_handle_t *)&client->tick))
        uv_timer_start(&client->tick, on_tick, TICK_MS, TICK_MS);
}

/* ---- life ---- */

struct sandbox_client *sandbox_client_new(struct host *host)
{
    struct sandbox_client *client = mem_new(sizeof(*client));
    client->loop = host->loop;
    client->socket_path = mem_strdup(conf_str(host->conf, "sandbox.socket"));
    client->patience_ms = (uint64_t)conf_int(host->conf, "sandbox.patience_ms");
    client->openings_end = &client->openings;
    client->tick.data = client;
    uv_timer_init(client->loop, &client->tick);
    return client;
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct sandbox_client *client = handle->data;
    client->tick_closed = true;
    sandbox_client_free_if_unused(client);
}

void sandbox_client_close(struct sandbox_client *client)
{
    client->closing = true;
    drop_link(client);
    uv_close((uv_handle_t *)&client->tick, on_tick_closed);
    while (client->openings)
        fail(client->openings, ERR_CLOSED, "the server is stopping");
    while (client->conns)
        sandbox_conn_fail(client->conns, ERR_CLOSED);
}

struct sandbox_stats sandbox_client_stats(const struct sandbox_client *client)
{
    return client->stats;
}

struct sandbox_opening *sandbox_open(struct sandbox_client *client, const char *name,
                                     int nice, sandbox_open_cb done, void *arg,
                                     struct err *err)
{
    static const unsigned char key[SIPHASH_KEY]; /* every worker must find the same */
    if (client->closing) {
        err_set(err, ERR_CLOSED, "the server is stopping");
        return NULL;
    }
    struct sandbox_opening *opening = mem_new(sizeof(*opening));
    *opening = (struct sandbox_opening){
        .client = client,
        .request = {.proto = SANDBOX_PROTO,
                    .kind = SANDBOX_OPEN,
                    .id = ++client->last_opening,
                    .nice = nice},
        .done = done,
        .arg = arg,
        .deadline = uv_now(client->loop) + PATIENCE_MS,
    };
    siphash(key, name, strlen(name), opening->request.name);
    *client->openings_end = opening;
    client->openings_end = &opening->next;
    sandbox_client_wake(client);
    pump(client);
    return opening;
}

void sandbox_open_cancel(struct sandbox_opening *opening)
{
    opening->done = NULL;
}
