/* libFuzzer: a worker's side of a connection to a sandbox process, which says anything at any time.
 * Whatever it says, every callback runs at most once, nothing is left of what was under way when
 * the connection is over, and no text is told that is no object of JSON.
 *
 *   make test-fuzz builds it: it needs libuv and most of the host.
 *   ./fuzz_sandbox -max_len=4096 tests/fuzz/corpus/sandbox
 *
 * The input is a row of steps: what the worker does (begin, answer, cancel, load), or a packet of
 * the process: kind, flags, whose number, how long, the bytes. */
#include "conf.h"
#include "host.h"
#include "json.h"
#include "log.h"
#include "sandbox_inside.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS = 8 };

static uv_loop_t loop;
static struct host host;
static struct sandbox_client *client;

/* What the worker knows of its runs and its load. */
struct slot {
    uint64_t run;
    bool waits, called;
};

static struct slot slots[RUNS];
static int loads;

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void on_message(void *arg, const struct sandbox_message *message,
                       const struct err *err)
{
    struct slot *slot = arg;
    expect(slot->waits && !message == !!err);
    slot->waits = false;
    slot->called = message && message->kind == SANDBOX_MESSAGE_CALL;
    if (!slot->called)
        slot->run = 0;
    if (!message)
        return;
    expect(message->len >= 2 && message->len <= SANDBOX_TEXT_MAX &&
           message->text[0] == '{');
    expect(message->cpu_us >= 0 && message->memory >= 0);
}

static void on_loaded(void *arg, const char *declared, size_t len, const char *problem,
                      size_t problem_len, const struct err *err)
{
    (void)arg;
    expect(loads-- > 0 && !declared == !!err);
    expect(!declared || (len >= 2 && declared[0] == '{'));
    expect(!problem || (problem_len >= 2 && problem[0] == '{'));
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void begin(struct sandbox_conn *conn, struct slot *slot)
{
    const struct sandbox_start start = {
        .release = 1, .wall_ms = 100000, .json = "{}", .len = 2};
    if (slot->run)
        return;
    slot->waits = true;
    slot->run = sandbox_conn_start(conn, &start, on_message, slot, NULL);
    if (!slot->run)
        slot->waits = false;
}

static void answer(struct sandbox_conn *conn, struct slot *slot)
{
    slot->waits = true;
    slot->called = false;
    if (sandbox_conn_answer(conn, slot->run, true, "{}", 2, on_message, slot, NULL) < 0)
        *slot = (struct slot){0}; /* the connection was over */
}

static void stop(struct sandbox_conn *conn, struct slot *slot)
{
    sandbox_conn_cancel(conn, slot->run);
    *slot = (struct slot){0};
}

static void load(struct sandbox_conn *conn)
{
    const struct sandbox_part part = {"x", "x", 1, false};
    loads++;
    if (sandbox_conn_load(conn, 1, &part, 1, on_loaded, NULL, NULL) < 0)
        loads--;
}

/* Takes what it needs of the input; returns how much. */
static size_t say(int end, const uint8_t *data, size_t size)
{
    struct {
        struct sandbox_header header;
        char text[256];
    } packet = {.header = {.proto = SANDBOX_PROTO}};
    char ignored[64];
    if (size < 4)
        return size;
    packet.header.kind = data[0] & 15;
    packet.header.flags = data[1] & 127;
    packet.header.id = data[2] < RUNS ? slots[data[2]].run : data[2] - RUNS;
    packet.header.a = data[1] & 128 ? -1 : data[2];
    size_t len = data[3] < size - 4 ? data[3] : size - 4;
    memcpy(packet.text, data + 4, len);
    if (data[0] & 128)
        packet.header.proto++;
    send(end, &packet, sizeof(packet.header) + len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (recv(end, ignored, sizeof(ignored), MSG_DONTWAIT) > 0)
        ; /* what the worker said */
    return 4 + len;
}

static void on_never(uv_timer_t *timer)
{
    (void)timer;
}

static void set_up(void)
{
    static uv_timer_t
        never; /* a loop with nothing to wait for does not look at sockets */
    static const char text[] = "sandbox.socket\0/nowhere\0sandbox.patience_ms\0"
                               "100000";
    log_init(LOG_ERROR, false, "fuzz");
    uv_loop_init(&loop);
    host = (struct host){.loop = &loop, .conf = conf_parse(text, sizeof(text))};
    client = sandbox_client_new(&host);
    uv_timer_init(&loop, &never);
    uv_timer_start(&never, on_never, UINT32_MAX, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (!client)
        set_up();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) < 0)
        abort();
    struct sandbox_conn *conn = sandbox_conn_new(client, ends[0], 1, 1, NULL);
    memset(slots, 0, sizeof(slots));
    loads = 0;
    for (size_t at = 0; at < size;) {
        uint8_t step = data[at++];
        struct slot *slot = &slots[step % RUNS];
        switch (step / RUNS % 8) {
        case 0:
            begin(conn, slot);
            break;
        case 1:
            if (slot->run && !slot->waits)
                answer(conn, slot);
            break;
        case 2:
            stop(conn, slot);
            break;
        case 3:
            load(conn);
            break;
        case 4:
            turn();
            break;
        default:
            at += say(ends[1], data + at, size - at);
        }
    }
    turn();
    close(ends[1]);
    for (int i = 0; i < 64 && sandbox_conn_is_open(conn); i++)
        turn();
    expect(!sandbox_conn_is_open(conn) && loads == 0);
    for (int i = 0; i < RUNS; i++)
        expect(!slots[i].waits);
    sandbox_conn_unref(conn);
    turn();
    expect(sandbox_client_stats(client).connections == 0);
    expect(sandbox_client_stats(client).open_runs == 0);
    return 0;
}
