/* What a sandbox process says, and whether it may. */
#include "json.h"
#include "sandbox_inside.h"
#include <stdlib.h>

enum {
    READS_MAX = 32, /* packets in a turn of the loop */
    NUMBER_BITS = 53,
};

static char text[SANDBOX_TEXT_MAX];

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
    struct sandbox_open_load **at = &conn->loads;
    while (*at && (*at)->release != header->id)
        at = &(*at)->next;
    struct sandbox_open_load *load = *at;
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
    struct sandbox_open_run *run = sandbox_find_run(conn, header->id);
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
    struct sandbox_open_run *run = sandbox_find_run(conn, header->id);
    const char *refused = refusal(header->flags);
    bool stopped = header->flags == SANDBOX_STOPPED;
    if (!run || !run->there || (run->called && !run->stopped) ||
        (stopped && !run->stopped))
        return false;
    if (refused || stopped
            ? len != 0
            : (header->flags & ~(uint32_t)SANDBOX_OK) || !is_object(conn->client, len))
        return false;
    if (header->a < 0 || header->b < 0 || header->a >> NUMBER_BITS ||
        header->b >> NUMBER_BITS)
        return false;
    sandbox_no_longer_there(conn, run);
    if (run->stopped) {
        sandbox_free_if_over(conn, run);
        return true;
    }
    if (refused) {
        sandbox_fail_run(conn, run, refused);
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
    sandbox_free_if_over(conn, run);
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

/* Whether the process is to say something. If not, another look would most often find nothing, and
 * whatever else there is brings the next event. */
static bool awaits(const struct sandbox_conn *conn)
{
    const struct sandbox_open_run *run = conn->runs;
    while (run && (!run->there || (run->called && !run->stopped)))
        run = run->next;
    return run || conn->loads;
}

bool sandbox_hear_some(struct sandbox_conn *conn)
{
    struct sandbox_header header;
    size_t len;
    for (int i = 0; i < READS_MAX && conn->client; i++) {
        if (i > 0 && !awaits(conn))
            return false;
        enum sandbox_received received = sandbox_receive(conn->fd, &header, text, &len);
        if (received == SANDBOX_NOTHING)
            return false;
        if (received == SANDBOX_BROKEN) {
            sandbox_conn_fail(conn, ERR_CLOSED);
        } else if (!hear(conn, &header, len) && conn->client) {
            conn->client->stats.crashes++;
            sandbox_conn_fail(conn, SANDBOX_CRASHED);
        }
    }
    return conn->client != NULL;
}
