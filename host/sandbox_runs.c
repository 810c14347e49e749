/* What a worker asks of a sandbox process, and what it remembers of that. */
#include "mem.h"
#include "sandbox_inside.h"
#include <stdlib.h>
#include <string.h>

enum {
    RUNS_MAX = 64,       /* open on a connection */
    QUEUE_MAX = 4 << 20, /* bytes that wait; beyond it nothing is begun */
    USED_MS = 1000,      /* how often the zygote hears that a process is used */
};

/* ---- what is remembered ---- */

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

struct sandbox_open_run *sandbox_find_run(struct sandbox_conn *conn, uint64_t id)
{
    struct sandbox_open_run *run = conn->runs;
    while (run && run->id != id)
        run = run->next;
    return run;
}

void sandbox_free_if_over(struct sandbox_conn *conn, struct sandbox_open_run *run)
{
    if (run->held || run->there)
        return;
    struct sandbox_open_run **at = &conn->runs;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    free(run);
}

void sandbox_no_longer_there(struct sandbox_conn *conn, struct sandbox_open_run *run)
{
    if (!run->there)
        return;
    run->there = false;
    if (!conn->client)
        return;
    conn->there--;
    conn->client->stats.open_runs--;
}

void sandbox_fail_run(struct sandbox_conn *conn, struct sandbox_open_run *run,
                      const char *code)
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
    sandbox_free_if_over(conn, run);
    if (done)
        done(arg, NULL, &err);
}

void sandbox_fail_load(struct sandbox_conn *conn, struct sandbox_open_load *load,
                       const char *code)
{
    struct err err;
    struct sandbox_open_load **at = &conn->loads;
    while (*at != load)
        at = &(*at)->next;
    *at = load->next;
    fill_error(&err, code, 0);
    if (load->done)
        load->done(load->arg, NULL, 0, NULL, 0, &err);
    free(load);
}

/* ---- to the process ---- */

/* A broken connection is noticed by what the loop says of it. */
static void say(struct sandbox_conn *conn, struct sandbox_header header, const void *head,
                size_t head_len, const void *data, size_t len)
{
    bool waited = conn->out.first != NULL;
    header.proto = SANDBOX_PROTO;
    sandbox_send(conn->fd, &conn->out, &header, head, head_len, data, len);
    if (!waited && conn->out.first)
        sandbox_watch_events(conn);
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

void sandbox_note_use(struct sandbox_conn *conn)
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
        if (strlen(parts[i].name) > SANDBOX_PART_NAME_MAX ||
            strlen(parts[i].name) + parts[i].len > SANDBOX_TEXT_MAX)
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
    struct sandbox_open_load *load = mem_new(sizeof(*load)), **end = &conn->loads;
    *load = (struct sandbox_open_load){.release = release,
                                       .done = done,
                                       .arg = arg,
                                       .deadline = uv_now(conn->client->loop) +
                                                   2 * conn->client->patience_ms};
    while (*end)
        end = &(*end)->next;
    *end = load;
    sandbox_note_use(conn);
    return 0;
}

void sandbox_conn_forget_load(struct sandbox_conn *conn, void *arg)
{
    for (struct sandbox_open_load *load = conn->loads; load; load = load->next)
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
    struct sandbox_open_run *run = mem_new(sizeof(*run));
    *run = (struct sandbox_open_run){.id = ++client->last_run,
                                     .done = done,
                                     .arg = arg,
                                     .held = true,
                                     .there = true,
                                     .wall_ms = start->wall_ms,
                                     .deadline =
                                         uv_now(client->loop) + (uint64_t)start->wall_ms,
                                     .next = conn->runs};
    conn->runs = run;
    conn->there++;
    client->stats.open_runs++;
    say(conn, (struct sandbox_header){.kind = SANDBOX_RUN, .id = run->id}, &head,
        sizeof(head), start->json, start->len);
    sandbox_note_use(conn);
    return run->id;
}

int sandbox_conn_answer(struct sandbox_conn *conn, uint64_t id, bool ok, const char *json,
                        size_t len, sandbox_run_cb done, void *arg, struct err *err)
{
    struct sandbox_open_run *run = sandbox_find_run(conn, id);
    if (!run || !run->held || run->done || (!run->called && !run->failed))
        return err_set(err, ERR_NOT_FOUND, "run %llu has asked for nothing",
                       (unsigned long long)id);
    if (run->failed) {
        fill_error(err, run->failed, run->wall_ms);
        run->held = false;
        sandbox_free_if_over(conn, run);
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
void sandbox_stop_run(struct sandbox_conn *conn, struct sandbox_open_run *run)
{
    run->stopped = true;
    run->deadline = uv_now(conn->client->loop) + conn->client->patience_ms;
    say(conn, (struct sandbox_header){.kind = SANDBOX_CANCEL, .id = run->id}, NULL, 0,
        NULL, 0);
}

void sandbox_conn_cancel(struct sandbox_conn *conn, uint64_t id)
{
    struct sandbox_open_run *run = sandbox_find_run(conn, id);
    if (!run)
        return;
    run->held = false;
    run->done = NULL;
    if (run->there && !run->stopped)
        sandbox_stop_run(conn, run);
    sandbox_free_if_over(conn, run);
}
