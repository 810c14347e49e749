/* A run is open on two sides. `there`: the process has not said its last word about it. `held`:
 * who began it has not been told how it ended. It is freed when it is neither. On the way `called`
 * tells whose turn it is: set, the worker owes an answer, and a word of the process is out of turn.
 *
 * Any callback may end the connection, or drop the last reference to it: what goes on after one
 * holds a reference of its own and looks again. */
#include "json.h"
#include "mem.h"
#include "sandbox_inside.h"
#include "sandbox_packet.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNS_MAX = 64,       /* open on a connection */
    QUEUE_MAX = 4 << 20, /* bytes that wait; beyond it nothing is begun */
    READS_MAX = 32,      /* packets in a turn of the loop */
    USED_MS = 1000,      /* how often the zygote hears that a process is used */
    NUMBER_MAX_BITS = 53,
};

struct load {
    uint64_t release;
    sandbox_load_cb done; /* NULL: nobody waits */
    void *arg;
    uint64_t deadline;
    struct load *next;
};

struct run {
    uint64_t id;
    sandbox_run_cb done; /* NULL: nobody waits just now */
    void *arg;
    bool held, there, called;
    bool stopped;       /* it was cancelled: `deadline` is that of the last word */
    const char *failed; /* with what, while `held` and not told yet */
    int64_t wall_ms;
    uint64_t deadline; /* loop time, ms */
    struct run *next;
};

struct sandbox_conn {
    struct sandbox_client *client; /* NULL: closed */
    struct sandbox_conn *next, **link;
    unsigned refs;
    int fd;
    uv_poll_t poll;
    uint64_t process;
    int pid;
    bool retired;
    bool handle_closed;
    uint64_t used_ms;
    struct sandbox_queue out;
    struct load *loads;
    struct run *runs;
    int there; /* runs that are */
};

static char text[SANDBOX_TEXT_MAX];

static void on_event(uv_poll_t *poll, int status, int events);

/* ---- life ---- */

static void free_if_unused(struct sandbox_conn *conn)
{
    if (conn->refs || !conn->handle_closed)
        return;
    while (conn->runs) {
        struct run *run = conn->runs;
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

struct sandbox_conn *sandbox_conn_ref(struct sandbox_conn *conn)
{
    conn->refs++;
    return conn;
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

/* ---- loads and runs ---- */

static void fill_error(struct err *err, const char *code, int64_t wall_ms)
{
    if (strcmp(code, SANDBOX_LIMIT_WALL) == 0)
        err_set(err, code, "limit: wall %lld ms", (long long)wall_ms);
    else if (strcmp(code, SANDBOX_UNKNOWN_RELEASE) == 0)
        err_set(err, code, "the release is not loaded");
    else if (strcmp(code, ERR_BUSY) == 0)
        err_set(err, code, "too much is under way in the process of the scripts");
    else
        err_set(err, code, "the process of the scripts ended");
}

static struct run *find_run(struct sandbox_conn *conn, uint64_t id)
{
    struct run *run = conn->runs;
    while (run && run->id != id)
        run = run->next;
    return run;
}

static void free_if_over(struct sandbox_conn *conn, struct run *run)
{
    if (run->held || run->there)
        return;
    struct run **at = &conn->runs;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    free(run);
}

static void no_longer_there(struct sandbox_conn *conn, struct run *run)
{
    if (!run->there)
        return;
    run->there = false;
    if (!conn->client)
        return;
    conn->there--;
    conn->client->stats.open_runs--;
}

/* Tells who waits for it, or will tell who comes to wait. */
static void fail_run(struct sandbox_conn *conn, struct run *run, const char *code)
{
    sandbox_run_cb done = run->done;
    void *arg = run->arg;
    struct err err;
    run->done = NULL;
    if (!run->failed)
        run->failed = code;
    fill_error(&err, run->failed, run->wall_ms);
    if (done)
        run->held = false;
    if (done && conn->client)
        conn->client->stats.runs_failed++;
    free_if_over(conn, run);
    if (done)
        done(arg, NULL, &err);
}

static void fail_load(struct sandbox_conn *conn, struct load *load, const char *code)
{
    struct err err;
    struct load **at = &conn->loads;
    while (*at != load)
        at = &(*at)->next;
    *at = load->next;
    fill_error(&err, code, 0);
    if (load->done)
        load->done(load->arg, NULL, 0, NULL, 0, &err);
    free(load);
}

void sandbox_conn_fail(struct sandbox_conn *conn, const char *code)
{
    if (!conn->client)
        return;
    struct run *run;
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
        fail_run(conn, run, code);
    }
    while (conn->loads)
        fail_load(conn, conn->loads, code);
    conn->refs--;
    free_if_unused(conn);
}

void sandbox_conn_retire(struct sandbox_conn *conn)
{
    conn->retired = true;
    if (!conn->there && !conn->loads)
        sandbox_conn_fail(conn, ERR_CLOSED);
}

/* ---- to the process ---- */

static void watch_events(struct sandbox_conn *conn)
{
    int events = conn->out.first ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    uv_poll_start(&conn->poll, events, on_event);
}

/* A broken connection is noticed by what the loop says of it. */
static void say(struct sandbox_conn *conn, struct sandbox_header header, const void *head,
                size_t head_len, const void *data, size_t len)
{
    bool waited = conn->out.first != NULL;
    header.proto = SANDBOX_PROTO;
    sandbox_send(conn->fd, &conn->out, &header, head, head_len, data, len);
    if (!waited && conn->out.first)
        watch_events(conn);
}

static int check_room(struct sandbox_conn *conn, struct err *err)
{
    if (!sandbox_conn_is_open(conn))
        return err_set(err, ERR_CLOSED, "the process of the scripts ended");
    if (conn->out.bytes > QUEUE_MAX || conn->there >= RUNS_MAX)
        return err_set(err, ERR_BUSY,
                       "too much is under way in the process of the scripts");
    return 0;
}

static void note_use(struct sandbox_conn *conn)
{
    uint64_t now = uv_now(conn->client->loop);
    sandbox_client_wake(conn->client);
    if (now - conn->used_ms < USED_MS)
        return;
    conn->used_ms = now;
    sandbox_client_used(conn->client, conn->process);
}

int sandbox_conn_load(struct sandbox_conn *conn, uint64_t release,
                      const struct sandbox_part *parts, size_t count,
                      sandbox_load_cb done, void *arg, struct err *err)
{
    if (check_room(conn, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (strlen(parts[i].name) + parts[i].len > SANDBOX_TEXT_MAX)
            return err_set(err, ERR_TOO_LARGE, "%s is too large", parts[i].name);
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(parts[i].name);
        struct sandbox_header header = {.kind = SANDBOX_LOAD,
                                        .id = release,
                                        .a = (int64_t)name_len,
                                        .flags = parts[i].prelude ? SANDBOX_PRELUDE : 0};
        header.flags |= i == 0 ? SANDBOX_FIRST : 0;
        header.flags |= i == count - 1 ? SANDBOX_LAST : 0;
        say(conn, header, parts[i].name, name_len, parts[i].text, parts[i].len);
    }
    struct load *load = mem_new(sizeof(*load)), **end = &conn->loads;
    *load = (struct load){.release = release,
                          .done = done,
                          .arg = arg,
                          .deadline =
                              uv_now(conn->client->loop) + 2 * conn->client->patience_ms};
    while (*end)
        end = &(*end)->next;
    *end = load;
    note_use(conn);
    return 0;
}

void sandbox_conn_forget_load(struct sandbox_conn *conn, void *arg)
{
    for (struct load *load = conn->loads; load; load = load->next)
        if (load->arg == arg)
            load->done = NULL;
}

uint64_t sandbox_conn_start(struct sandbox_conn *conn, const struct sandbox_start *start,
                            sandbox_run_cb done, void *arg, struct err *err)
{
    if (check_room(conn, err) < 0)
        return 0;
    const struct sandbox_run_head head = {.release = start->release,
                                          .cpu_us = start->cpu_us,
                                          .output_max = start->output_max,
                                          .log_max = start->log_max};
    if (start->len > SANDBOX_TEXT_MAX - sizeof(head)) {
        err_set(err, ERR_TOO_LARGE, "the input is too large");
        return 0;
    }
    struct sandbox_client *client = conn->client;
    struct run *run = mem_new(sizeof(*run));
    *run = (struct run){.id = ++client->last_run,
                        .done = done,
                        .arg = arg,
                        .held = true,
                        .there = true,
                        .wall_ms = start->wall_ms,
                        .deadline = uv_now(client->loop) + (uint64_t)start->wall_ms,
                        .next = conn->runs};
    conn->runs = run;
    conn->there++;
    client->stats.open_runs++;
    say(conn, (struct sandbox_header){.kind = SANDBOX_RUN, .id = run->id}, &head,
        sizeof(head), start->json, start->len);
    note_use(conn);
    return run->id;
}

int sandbox_conn_answer(struct sandbox_conn *conn, uint64_t id, bool ok, const char *json,
                        size_t len, sandbox_run_cb done, void *arg, struct err *err)
{
    struct run *run = find_run(conn, id);
    if (!run || !run->held || run->done || (!run->called && !run->failed))
        return err_set(err, ERR_NOT_FOUND, "run %llu has asked for nothing",
                       (unsigned long long)id);
    if (run->failed) {
        fill_error(err, run->failed, run->wall_ms);
        run->held = false;
        free_if_over(conn, run);
        return -1;
    }
    if (len > SANDBOX_TEXT_MAX)
        return err_set(err, ERR_TOO_LARGE, "the answer is too large");
    run->called = false;
    run->done = done;
    run->arg = arg;
    say(conn,
        (struct sandbox_header){
            .kind = SANDBOX_RESULT, .id = id, .flags = ok ? SANDBOX_OK : 0},
        NULL, 0, json, len);
    return 0;
}

/* The process has some time for its last word. */
static void stop_run(struct sandbox_conn *conn, struct run *run)
{
    run->stopped = true;
    run->deadline = uv_now(conn->client->loop) + conn->client->patience_ms;
    say(conn, (struct sandbox_header){.kind = SANDBOX_CANCEL, .id = run->id}, NULL, 0,
        NULL, 0);
}

void sandbox_conn_cancel(struct sandbox_conn *conn, uint64_t id)
{
    struct run *run = find_run(conn, id);
    if (!run)
        return;
    run->held = false;
    run->done = NULL;
    if (run->there && !run->stopped)
        stop_run(conn, run);
    free_if_over(conn, run);
}

/* ---- from the process ---- */

static void ignore(void *arg)
{
    (void)arg;
}

static void ignore_boolean(void *arg, bool value)
{
    (void)arg;
    (void)value;
}

static void ignore_number(void *arg, double value)
{
    (void)arg;
    (void)value;
}

static void ignore_text(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static bool is_object(struct sandbox_client *client, size_t len)
{
    static const struct json_events nothing = {
        .null = ignore,
        .boolean = ignore_boolean,
        .number = ignore_number,
        .string = ignore_text,
        .open_array = ignore,
        .close_array = ignore,
        .open_object = ignore,
        .key = ignore_text,
        .close_object = ignore,
    };
    return len && text[0] == '{' &&
           json_read(text, len, JSON_DEPTH, &nothing, NULL, &client->scratch, NULL,
                     NULL) == 0;
}

/* How a run ended before it could say anything; NULL for one that did. */
static const char *refusal(uint32_t flags)
{
    return flags == SANDBOX_UNKNOWN ? SANDBOX_UNKNOWN_RELEASE
           : flags == SANDBOX_FULL  ? ERR_BUSY
                                    : NULL;
}

/* These three: false when it was out of turn. */
static bool hear_loaded(struct sandbox_conn *conn, const struct sandbox_header *header,
                        size_t len)
{
    bool ok = header->flags == SANDBOX_OK;
    struct load **at = &conn->loads;
    while (*at && (*at)->release != header->id)
        at = &(*at)->next;
    struct load *load = *at;
    if (!load || (header->flags && !ok) || !is_object(conn->client, len))
        return false;
    struct err err;
    *at = load->next;
    if (!ok)
        err_set(&err, SANDBOX_SCRIPT, "the release does not load");
    if (load->done)
        load->done(load->arg, ok ? text : NULL, len, ok ? NULL : text, len,
                   ok ? NULL : &err);
    free(load);
    return true;
}

static bool hear_call(struct sandbox_conn *conn, const struct sandbox_header *header,
                      size_t len)
{
    struct run *run = find_run(conn, header->id);
    if (!run || !run->there || run->called || header->flags ||
        !is_object(conn->client, len))
        return false;
    run->called = true;
    if (run->stopped) /* it was said before the process heard of it */
        return true;
    const struct sandbox_message message = {
        .kind = SANDBOX_MESSAGE_CALL, .text = text, .len = len};
    sandbox_run_cb done = run->done;
    run->done = NULL;
    done(run->arg, &message, NULL);
    return true;
}

static bool hear_done(struct sandbox_conn *conn, const struct sandbox_header *header,
                      size_t len)
{
    struct run *run = find_run(conn, header->id);
    const char *refused = refusal(header->flags);
    bool stopped = header->flags == SANDBOX_STOPPED;
    if (!run || !run->there || (run->called && !run->stopped) ||
        (stopped && !run->stopped))
        return false;
    if (refused || stopped
            ? len != 0
            : (header->flags & ~(uint32_t)SANDBOX_OK) || !is_object(conn->client, len))
        return false;
    if (header->a < 0 || header->b < 0 || header->a >> NUMBER_MAX_BITS ||
        header->b >> NUMBER_MAX_BITS)
        return false;
    no_longer_there(conn, run);
    if (run->stopped) {
        free_if_over(conn, run);
        return true;
    }
    if (refused) {
        fail_run(conn, run, refused);
        return true;
    }
    const struct sandbox_message message = {.kind = SANDBOX_MESSAGE_DONE,
                                            .ok = header->flags == SANDBOX_OK,
                                            .text = text,
                                            .len = len,
                                            .cpu_us = header->a,
                                            .memory = header->b};
    sandbox_run_cb done = run->done;
    void *arg = run->arg;
    conn->client->stats.runs_ok += message.ok;
    conn->client->stats.runs_failed += !message.ok;
    run->held = false;
    free_if_over(conn, run);
    done(arg, &message, NULL);
    return true;
}

static bool hear(struct sandbox_conn *conn, const struct sandbox_header *header,
                 size_t len)
{
    if (header->kind == SANDBOX_LOADED)
        return hear_loaded(conn, header, len);
    if (header->kind == SANDBOX_CALL)
        return hear_call(conn, header, len);
    return header->kind == SANDBOX_DONE && hear_done(conn, header, len);
}

static void read_some(struct sandbox_conn *conn)
{
    struct sandbox_header header;
    size_t len;
    for (int i = 0; i < READS_MAX && conn->client; i++) {
        enum sandbox_received received = sandbox_receive(conn->fd, &header, text, &len);
        if (received == SANDBOX_NOTHING)
            return;
        if (received == SANDBOX_BROKEN) {
            sandbox_conn_fail(conn, ERR_CLOSED);
        } else if (!hear(conn, &header, len) && conn->client) {
            conn->client->stats.crashes++;
            sandbox_conn_fail(conn, SANDBOX_CRASHED);
        }
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct sandbox_conn *conn = poll->data;
    conn->refs++;
    if ((events & UV_WRITABLE) && status >= 0 && conn->out.first) {
        sandbox_flush(conn->fd, &conn->out);
        if (!conn->out.first)
            watch_events(conn);
    }
    if (status < 0)
        sandbox_conn_fail(conn, ERR_CLOSED);
    else if (events & UV_READABLE)
        read_some(conn);
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
    for (const struct load *load = conn->loads; load; load = load->next)
        if (load->deadline <= now)
            return true;
    for (const struct run *run = conn->runs; run; run = run->next)
        if (run->there && run->stopped && run->deadline <= now)
            return true;
    return false;
}

static struct run *first_overdue(const struct sandbox_conn *conn, uint64_t now)
{
    struct run *run = conn->runs;
    while (run && (!run->there || run->stopped || run->deadline > now))
        run = run->next;
    return run;
}

bool sandbox_conn_is_due(const struct sandbox_conn *conn)
{
    uint64_t now = uv_now(conn->client->loop);
    return is_silent(conn, now) || first_overdue(conn, now);
}

void sandbox_conn_tick(struct sandbox_conn *conn)
{
    uint64_t now = uv_now(conn->client->loop);
    struct run *run = first_overdue(conn, now);
    if (is_silent(conn, now)) {
        kill_process(conn);
    } else if (run) {
        conn->client->stats.walls++;
        stop_run(conn, run);
        fail_run(conn, run, SANDBOX_LIMIT_WALL);
    }
}

bool sandbox_conn_is_busy(struct sandbox_conn *conn)
{
    if (!conn->there && !conn->loads)
        return false;
    note_use(conn);
    return true;
}
