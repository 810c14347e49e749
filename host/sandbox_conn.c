/* The life of a connection, and its time.
 *
 * Any callback may end the connection, or drop the last reference to it: what goes on after one
 * holds a reference of its own and looks again. */
#include "mem.h"
#include "sandbox_inside.h"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void on_event(uv_poll_t *poll, int status, int events);

/* ---- life ---- */

static void free_if_unused(struct sandbox_conn *conn)
{
    if (conn->refs || !conn->handle_closed)
        return;
    while (conn->runs) {
        struct sandbox_open_run *run = conn->runs;
        conn->runs = run->next;
        free(run);
    }
    free(conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct sandbox_conn *conn = handle->data;
    conn->handle_closed = true;
    free_if_unused(conn);
}

struct sandbox_conn *sandbox_conn_new(struct sandbox_client *client, int fd,
                                      uint64_t process, int pid, struct err *err)
{
    struct sandbox_conn *conn = mem_new(sizeof(*conn));
    int rc = uv_poll_init(client->loop, &conn->poll, fd);
    if (rc < 0) {
        close(fd);
        free(conn);
        err_uv(err, rc, "sandbox");
        return NULL;
    }
    conn->poll.data = conn;
    conn->fd = fd;
    conn->process = process;
    conn->pid = pid;
    conn->refs = 1;
    conn->client = client;
    conn->next = client->conns;
    conn->link = &client->conns;
    if (conn->next)
        conn->next->link = &conn->next;
    client->conns = conn;
    client->stats.connections++;
    uv_poll_start(&conn->poll, UV_READABLE, on_event);
    uv_unref((uv_handle_t *)&conn->poll); /* the tick keeps the loop alive */
    return conn;
}

static void close_conn(struct sandbox_conn *conn)
{
    struct sandbox_client *client = conn->client;
    if (!client)
        return;
    conn->client = NULL;
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    client->stats.connections--;
    client->stats.open_runs -= (uint64_t)conn->there;
    conn->there = 0;
    uv_close((uv_handle_t *)&conn->poll, on_closed);
    close(conn->fd);
    sandbox_queue_free(&conn->out);
    sandbox_client_free_if_unused(client);
}

void sandbox_conn_unref(struct sandbox_conn *conn)
{
    if (--conn->refs)
        return;
    sandbox_conn_fail(conn, ERR_CLOSED); /* nobody is left to be told */
    free_if_unused(conn);
}

struct sandbox_conn *sandbox_conn_next(struct sandbox_conn *conn)
{
    return conn->next;
}

bool sandbox_conn_is_open(const struct sandbox_conn *conn)
{
    return conn->client && !conn->retired;
}

int64_t sandbox_conn_cpu_us(const struct sandbox_conn *conn)
{
    clockid_t clock;
    struct timespec used;
    if (!conn->client || clock_getcpuclockid(conn->pid, &clock) != 0 ||
        clock_gettime(clock, &used) < 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

void sandbox_conn_fail(struct sandbox_conn *conn, const char *code)
{
    if (!conn->client)
        return;
    struct sandbox_open_run *run;
    conn->refs++;
    for (run = conn->runs; run; run = run->next) {
        run->there = false;
        conn->client->stats.runs_failed += run->done != NULL;
    }
    close_conn(conn);
    for (;;) { /* one with a callback, or one that nobody holds */
        for (run = conn->runs; run && !run->done && run->held; run = run->next)
            run->failed = run->failed ? run->failed : code;
        if (!run)
            break;
        sandbox_fail_run(conn, run, code);
    }
    while (conn->loads)
        sandbox_fail_load(conn, conn->loads, code);
    conn->refs--;
    free_if_unused(conn);
}

void sandbox_conn_retire(struct sandbox_conn *conn)
{
    conn->retired = true;
    if (!conn->there && !conn->loads)
        sandbox_conn_fail(conn, ERR_CLOSED);
}

/* ---- what the loop tells ---- */

void sandbox_watch_events(struct sandbox_conn *conn)
{
    int events = conn->out.first ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    uv_poll_start(&conn->poll, events, on_event);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct sandbox_conn *conn = poll->data;
    conn->refs++;
    if ((events & UV_WRITABLE) && status >= 0 && conn->out.first) {
        sandbox_flush(conn->fd, &conn->out);
        if (!conn->out.first)
            sandbox_watch_events(conn);
    }
    if (status < 0)
        sandbox_conn_fail(conn, ERR_CLOSED);
    else if (events & UV_READABLE)
        sandbox_hear_some(conn);
    if (conn->retired && conn->client)
        sandbox_conn_retire(conn);
    conn->refs--;
    free_if_unused(conn);
}

/* ---- time ---- */

/* It said nothing when it had to: killed, and with it all that it runs. */
static void kill_process(struct sandbox_conn *conn)
{
    conn->client->stats.kills++;
    sandbox_client_kill(conn->client, conn->process);
    sandbox_conn_fail(conn, SANDBOX_KILLED);
}

static bool is_silent(const struct sandbox_conn *conn, uint64_t now)
{
    for (const struct sandbox_open_load *load = conn->loads; load; load = load->next)
        if (load->deadline <= now)
            return true;
    for (const struct sandbox_open_run *run = conn->runs; run; run = run->next)
        if (run->there && run->stopped && run->deadline <= now)
            return true;
    return false;
}

static struct sandbox_open_run *first_overdue(const struct sandbox_conn *conn,
                                              uint64_t now)
{
    struct sandbox_open_run *run = conn->runs;
    while (run && (!run->there || run->stopped || run->deadline > now))
        run = run->next;
    return run;
}

bool sandbox_conn_is_due(const struct sandbox_conn *conn)
{
    uint64_t now = uv_now(conn->client->loop);
    return is_silent(conn, now) || first_overdue(conn, now);
}

/* The loop runs timers before it looks at sockets: what came while it was late counts. */
void sandbox_conn_tick(struct sandbox_conn *conn)
{
    uint64_t now = uv_now(conn->client->loop);
    while (sandbox_hear_some(conn))
        ;
    struct sandbox_open_run *run = conn->client ? first_overdue(conn, now) : NULL;
    if (conn->client && is_silent(conn, now)) {
        kill_process(conn);
    } else if (run) {
        conn->client->stats.walls++;
        sandbox_stop_run(conn, run);
        sandbox_fail_run(conn, run, SANDBOX_LIMIT_WALL);
    }
}

bool sandbox_conn_is_busy(struct sandbox_conn *conn)
{
    if (!conn->there && !conn->loads)
        return false;
    sandbox_note_use(conn);
    return true;
}
