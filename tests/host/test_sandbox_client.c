/* The worker's side against a process that does as it likes: this test holds the other end. */
#include "check.h"
#include "conf.h"
#include "host.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "sandbox_inside.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct host host;
static struct sandbox_client *client;

/* A connection, the process's end of it, and what was told. */
struct world {
    struct sandbox_conn *conn;
    int end;
    uint64_t run;
    int told, loads;
    enum sandbox_message_kind kind;
    bool ok;
    char code[32], text[64];
    bool any;
};

static void on_message(void *arg, const struct sandbox_message *message,
                       const struct err *err)
{
    struct world *world = arg;
    world->told++;
    world->any = true;
    snprintf(world->code, sizeof(world->code), "%s", err ? err->code : "");
    snprintf(world->text, sizeof(world->text), "%.*s", message ? (int)message->len : 0,
             message ? message->text : "");
    if (message) {
        world->kind = message->kind;
        world->ok = message->ok;
    }
}

static void on_loaded(void *arg, const char *declared, size_t len, const char *problem,
                      size_t problem_len, const struct err *err)
{
    struct world *world = arg;
    world->loads++;
    world->any = true;
    const char *text = declared ? declared : problem ? problem : "";
    snprintf(world->code, sizeof(world->code), "%s", err ? err->code : "");
    snprintf(world->text, sizeof(world->text), "%.*s",
             (int)(declared  ? len
                   : problem ? problem_len
                             : 0),
             text);
}

static uint64_t begin(struct world *world)
{
    const struct sandbox_start start = {.release = 1,
                                        .cpu_us = 1000,
                                        .wall_ms = patiently(20000),
                                        .output_max = 1000,
                                        .log_max = 1000,
                                        .json = "{}",
                                        .len = 2};
    return sandbox_conn_start(world->conn, &start, on_message, world, NULL);
}

static void load(struct world *world)
{
    const struct sandbox_part part = {"x.lua", "x", 1, false};
    CHECK(sandbox_conn_load(world->conn, 1, &part, 1, on_loaded, world, NULL) == 0);
}

static void open_world(struct world *world)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        abort();
    *world = (struct world){.end = ends[1]};
    world->conn = sandbox_conn_new(client, ends[0], 1, getpid(), NULL);
    world->run = begin(world);
    CHECK(world->run != 0);
}

static void close_world(struct world *world)
{
    sandbox_conn_unref(world->conn);
    close(world->end);
    loop_pass(2);
    CHECK(sandbox_client_stats(client).connections == 0);
    CHECK(sandbox_client_stats(client).open_runs == 0);
}

static void send_raw(struct world *world, const void *data, size_t len)
{
    CHECK(send(world->end, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static void say_text(struct world *world, enum sandbox_kind kind, uint32_t flags,
                     uint64_t id, const char *text, size_t len)
{
    const struct sandbox_header header = {
        .proto = SANDBOX_PROTO, .kind = (uint16_t)kind, .flags = flags, .id = id};
    char *packet = mem_new(sizeof(header) + len);
    memcpy(packet, &header, sizeof(header));
    memcpy(packet + sizeof(header), text, len);
    send_raw(world, packet, sizeof(header) + len);
    free(packet);
}

static void say(struct world *world, enum sandbox_kind kind, uint32_t flags, uint64_t id,
                const char *text)
{
    say_text(world, kind, flags, id, text, strlen(text));
}

static void await_told(struct world *world)
{
    world->any = false;
    loop_await(&world->any);
}

/* The connection is over, its run told so, and nothing of it left. */
static void check_crashed(struct world *world)
{
    await_told(world);
    CHECK(world->told >= 1);
    CHECK_STR(world->code, SANDBOX_CRASHED);
    CHECK(!sandbox_conn_is_open(world->conn));
    char byte;
    while (recv(world->end, &byte, 1, MSG_DONTWAIT) > 0)
        ; /* what had been said to it */
    CHECK(recv(world->end, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
}

/* ---- cases ---- */

static void goes_the_right_way(void)
{
    struct world world;
    open_world(&world);
    load(&world);
    say(&world, SANDBOX_LOADED, SANDBOX_OK, 1, "{\"hooks\":[]}");
    await_told(&world);
    CHECK_STR(world.text, "{\"hooks\":[]}");
    say(&world, SANDBOX_CALL, 0, world.run, "{\"name\":1}");
    await_told(&world);
    CHECK(world.kind == SANDBOX_MESSAGE_CALL);
    CHECK_STR(world.text, "{\"name\":1}");
    CHECK(sandbox_conn_answer(world.conn, world.run, true, "1", 1, on_message, &world,
                              NULL) == 0);
    say(&world, SANDBOX_DONE, SANDBOX_OK, world.run, "{\"value\":2}");
    await_told(&world);
    CHECK(world.kind == SANDBOX_MESSAGE_DONE && world.ok && world.told == 2);
    CHECK(sandbox_client_stats(client).crashes == 0);
    close_world(&world);
}

/* Each in a world with run 1 of its connection open, and no load: what it says, and how. */
static const struct wrong {
    const char *what;
    uint32_t kind, flags;
    int64_t run; /* added to the open one's number */
    const char *text;
    int64_t a, b;
} wrongs[] = {
    {"a kind of ours", SANDBOX_RUN, 0, 0, "{}", 0, 0},
    {"no kind", 0, 0, 0, "{}", 0, 0},
    {"a kind that there is none of", 77, 0, 0, "{}", 0, 0},
    {"a load that nobody asked for", SANDBOX_LOADED, SANDBOX_OK, 0, "{}", 0, 0},
    {"a call of another run", SANDBOX_CALL, 0, 1, "{}", 0, 0},
    {"a call of run 0", SANDBOX_CALL, 0, -1, "{}", 0, 0},
    {"the end of another run", SANDBOX_DONE, SANDBOX_OK, 1, "{}", 0, 0},
    {"a call with flags", SANDBOX_CALL, SANDBOX_OK, 0, "{}", 0, 0},
    {"a call without text", SANDBOX_CALL, 0, 0, "", 0, 0},
    {"a call that is no JSON", SANDBOX_CALL, 0, 0, "{", 0, 0},
    {"a call that is no object", SANDBOX_CALL, 0, 0, "[]", 0, 0},
    {"a call with more behind it", SANDBOX_CALL, 0, 0, "{}{}", 0, 0},
    {"a call that is no UTF-8", SANDBOX_CALL, 0, 0, "{\"\xff\":1}", 0, 0},
    {"a call with a number that is none", SANDBOX_CALL, 0, 0, "{\"a\":NaN}", 0, 0},
    {"an end without text", SANDBOX_DONE, SANDBOX_OK, 0, "", 0, 0},
    {"an end that is no JSON", SANDBOX_DONE, 0, 0, "nil", 0, 0},
    {"an end with flags of others", SANDBOX_DONE, SANDBOX_FIRST, 0, "{}", 0, 0},
    {"an end with two outcomes", SANDBOX_DONE, SANDBOX_UNKNOWN | SANDBOX_FULL, 0, "", 0,
     0},
    {"an outcome with text", SANDBOX_DONE, SANDBOX_UNKNOWN, 0, "{}", 0, 0},
    {"an outcome that nobody wanted", SANDBOX_DONE, SANDBOX_STOPPED, 0, "", 0, 0},
    {"less than no CPU", SANDBOX_DONE, SANDBOX_OK, 0, "{}", -1, 0},
    {"more memory than there is", SANDBOX_DONE, SANDBOX_OK, 0, "{}", 0, INT64_MAX},
};

static void believes_nothing(void)
{
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        const struct wrong *wrong = &wrongs[i];
        struct world world, other;
        uint64_t crashes = sandbox_client_stats(client).crashes;
        open_world(&world);
        open_world(&other);
        struct {
            struct sandbox_header header;
            char text[64];
        } packet = {.header = {.proto = SANDBOX_PROTO,
                               .kind = (uint16_t)wrong->kind,
                               .flags = wrong->flags,
                               .id = world.run + (uint64_t)wrong->run * 1000,
                               .a = wrong->a,
                               .b = wrong->b}};
        strcpy(packet.text, wrong->text);
        send_raw(&world, &packet, sizeof(packet.header) + strlen(wrong->text));
        check_crashed(&world);
        if (sandbox_client_stats(client).crashes != crashes + 1) {
            fprintf(stderr, "believed: %s\n", wrong->what);
            check_failures++;
        }
        /* Nobody else notices. */
        say(&other, SANDBOX_DONE, SANDBOX_OK, other.run, "{}");
        await_told(&other);
        CHECK_STR(other.code, "");
        sandbox_conn_unref(other.conn);
        close(other.end);
        close_world(&world);
    }
}

static void takes_no_word_out_of_turn(void)
{
    struct world world;
    /* A second call while the first has no answer. */
    open_world(&world);
    say(&world, SANDBOX_CALL, 0, world.run, "{}");
    await_told(&world);
    say(&world, SANDBOX_CALL, 0, world.run, "{}");
    struct err err = {0};
    while (sandbox_conn_is_open(world.conn))
        loop_pass(1);
    CHECK(world.told == 1); /* nobody waited: told at the answer */
    CHECK(sandbox_conn_answer(world.conn, world.run, true, "1", 1, on_message, &world,
                              &err) == -1);
    CHECK_STR(err.code, SANDBOX_CRASHED);
    close_world(&world);
    /* The end, while it has asked for something. */
    open_world(&world);
    say(&world, SANDBOX_CALL, 0, world.run, "{}");
    await_told(&world);
    say(&world, SANDBOX_DONE, SANDBOX_OK, world.run, "{}");
    while (sandbox_conn_is_open(world.conn))
        loop_pass(1);
    sandbox_conn_cancel(world.conn, world.run);
    close_world(&world);
    /* Two ends, in one turn of the loop. */
    open_world(&world);
    uint64_t next = begin(&world);
    say(&world, SANDBOX_DONE, SANDBOX_OK, world.run, "{}");
    say(&world, SANDBOX_DONE, SANDBOX_OK, world.run, "{}");
    CHECK(next != world.run);
    loop_await(&world.any);
    while (sandbox_conn_is_open(world.conn))
        loop_pass(1);
    CHECK(world.told == 2); /* each run once */
    close_world(&world);
    /* A load answered twice. */
    open_world(&world);
    load(&world);
    say(&world, SANDBOX_LOADED, SANDBOX_OK, 1, "{}");
    say(&world, SANDBOX_LOADED, SANDBOX_OK, 1, "{}");
    while (sandbox_conn_is_open(world.conn))
        loop_pass(1);
    CHECK(world.loads == 1 && world.told == 1);
    close_world(&world);
    /* A run that was cancelled: one call may have been under way, but not two. */
    open_world(&world);
    sandbox_conn_cancel(world.conn, world.run);
    say(&world, SANDBOX_CALL, 0, world.run, "{}");
    loop_pass(5);
    CHECK(sandbox_conn_is_open(world.conn));
    say(&world, SANDBOX_CALL, 0, world.run, "{}");
    while (sandbox_conn_is_open(world.conn))
        loop_pass(1);
    CHECK(world.told == 0);
    close_world(&world);
}

static void takes_packets_of_its_own_protocol_only(void)
{
    struct world world;
    static char large[SANDBOX_TEXT_MAX + 200];
    const struct sandbox_header header = {.proto = SANDBOX_PROTO + 1,
                                          .kind = SANDBOX_CALL};
    const struct {
        const void *data;
        size_t len;
    } packets[] = {{"x", 1}, {&header, sizeof(header) - 1}, {&header, sizeof(header)}};
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        open_world(&world);
        send_raw(&world, packets[i].data, packets[i].len);
        await_told(&world);
        CHECK_STR(world.code, ERR_CLOSED);
        close_world(&world);
    }
    /* One byte more than a text may have: it does not fit where it is read. */
    open_world(&world);
    memset(large, ' ', sizeof(large));
    large[0] = '{';
    large[1] = '}';
    say_text(&world, SANDBOX_CALL, 0, world.run, large, SANDBOX_TEXT_MAX + 1);
    await_told(&world);
    CHECK_STR(world.code, ERR_CLOSED);
    close_world(&world);
    open_world(&world);
    say_text(&world, SANDBOX_CALL, 0, world.run, large, SANDBOX_TEXT_MAX);
    await_told(&world);
    CHECK(world.kind == SANDBOX_MESSAGE_CALL);
    sandbox_conn_cancel(world.conn, world.run);
    close_world(&world);
}

/* Levels: json.h's limit; a deeper text would cost the stack of whoever reads it next. */
static void bounds_the_depth(void)
{
    struct world world;
    char text[100] = "{\"a\":";
    memset(text + 5, '[', 40);
    memset(text + 45, ']', 40);
    strcpy(text + 85, "}");
    open_world(&world);
    say(&world, SANDBOX_CALL, 0, world.run, text);
    check_crashed(&world);
    close_world(&world);
}

static void drops_descriptors(void)
{
    struct world world;
    const struct sandbox_header header = {.proto = SANDBOX_PROTO, .kind = SANDBOX_CALL};
    struct {
        struct sandbox_header header;
        char text[2];
    } packet = {header, "{}"};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    int before = dup(0), fd = 0;
    close(before);
    open_world(&world);
    packet.header.id = world.run;
    struct iovec iov = {&packet, sizeof(header) + 2};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(passed), &fd, sizeof(fd));
    CHECK(sendmsg(world.end, &message, 0) > 0);
    await_told(&world);
    CHECK(world.kind == SANDBOX_MESSAGE_CALL);
    sandbox_conn_cancel(world.conn, world.run);
    close_world(&world);
    int after = dup(0);
    CHECK(after == before); /* none is left open */
    close(after);
}

static void tells_when_it_closes_in_the_middle(void)
{
    struct world world;
    open_world(&world);
    load(&world);
    uint64_t called = begin(&world);
    say(&world, SANDBOX_CALL, 0, called, "{}");
    await_told(&world);
    close(world.end);
    while (sandbox_conn_is_open(world.conn))
        loop_pass(1);
    CHECK(world.told == 2 &&
          world.loads == 1); /* the call, the other run's end, the load */
    CHECK_STR(world.code, ERR_CLOSED);
    struct err err;
    CHECK(sandbox_conn_answer(world.conn, called, true, "1", 1, on_message, &world,
                              &err) == -1);
    CHECK_STR(err.code, ERR_CLOSED);
    CHECK(begin(&world) == 0);
    world.end = dup(0);
    close_world(&world);
}

/* One that says nothing: its run is stopped, then it is killed for not saying so. */
static void loses_patience(void)
{
    struct world world;
    uint64_t kills = sandbox_client_stats(client).kills;
    open_world(&world);
    sandbox_conn_cancel(world.conn, world.run);
    uint64_t other = begin(&world);
    CHECK(other != 0);
    await_told(&world);
    CHECK_STR(world.code, SANDBOX_KILLED);
    CHECK(sandbox_client_stats(client).kills == kills + 1);
    close_world(&world);
    /* Other words do not count. */
    open_world(&world);
    sandbox_conn_cancel(world.conn, world.run);
    for (int i = 0; sandbox_conn_is_open(world.conn); i++) {
        uint64_t run = begin(&world);
        CHECK(run != 0);
        const struct sandbox_header done = {
            .proto = SANDBOX_PROTO, .kind = SANDBOX_DONE, .flags = SANDBOX_OK, .id = run};
        struct {
            struct sandbox_header header;
            char text[2];
        } packet = {done, "{}"};
        send(world.end, &packet, sizeof(done) + 2, MSG_NOSIGNAL);
        loop_pass(2);
    }
    CHECK(sandbox_client_stats(client).kills == kills + 2);
    close_world(&world);
    /* Nor a load without an answer. */
    open_world(&world);
    load(&world);
    while (sandbox_conn_is_open(world.conn))
        loop_pass(2);
    CHECK(world.loads == 1);
    CHECK_STR(world.code, SANDBOX_KILLED);
    close_world(&world);
}

/* The worker itself stood still: what the process said meanwhile counts. */
static void hears_what_came_while_it_was_late(void)
{
    struct world world;
    uint64_t walls = sandbox_client_stats(client).walls;
    open_world(&world);
    const struct sandbox_start start = {
        .release = 1, .wall_ms = 20, .json = "{}", .len = 2};
    sandbox_conn_cancel(world.conn, world.run);
    uint64_t run = sandbox_conn_start(world.conn, &start, on_message, &world, NULL);
    say(&world, SANDBOX_DONE, SANDBOX_STOPPED, world.run, "");
    say(&world, SANDBOX_DONE, SANDBOX_OK, run, "{}");
    usleep((useconds_t)patiently(100) * 2500);
    await_told(&world);
    CHECK_STR(world.code, "");
    CHECK(sandbox_client_stats(client).walls == walls);
    CHECK(sandbox_conn_is_open(world.conn));
    close_world(&world);
}

/* The last reference goes in the callback that tells of the end. */
static void on_message_unref(void *arg, const struct sandbox_message *message,
                             const struct err *err)
{
    struct world *world = arg;
    on_message(arg, message, err);
    sandbox_conn_unref(world->conn);
}

static void may_be_dropped_by_whom_it_tells(void)
{
    static const char *const words[] = {"{}", "{", ""};
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        const struct sandbox_start start = {
            .release = 1, .wall_ms = 20000, .json = "{}", .len = 2};
        open_world(&world);
        sandbox_conn_cancel(world.conn, world.run);
        uint64_t run =
            sandbox_conn_start(world.conn, &start, on_message_unref, &world, NULL);
        say(&world, SANDBOX_DONE, 0, run, words[i]);
        say(&world, SANDBOX_DONE, 0, run, "{}");
        await_told(&world);
        close(world.end);
        loop_pass(2);
        CHECK(sandbox_client_stats(client).connections == 0);
    }
}

static void ends_with_the_client(void)
{
    struct world world;
    open_world(&world);
    sandbox_client_close(client);
    CHECK(world.told == 1);
    CHECK_STR(world.code, ERR_CLOSED);
    sandbox_conn_unref(world.conn);
    close(world.end);
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(void)
{
    static uv_loop_t own;
    loop = &own;
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    char text[128];
    int len = snprintf(text, sizeof(text),
                       "sandbox.socket%c/nowhere%csandbox.patience_ms%c%d%c", 0, 0, 0,
                       patiently(100), 0);
    struct conf *conf = conf_parse(text, (size_t)len);
    uv_loop_init(loop);
    host = (struct host){.loop = loop, .conf = conf};
    client = sandbox_client_new(&host);
    RUN(goes_the_right_way);
    RUN(believes_nothing);
    RUN(takes_no_word_out_of_turn);
    RUN(takes_packets_of_its_own_protocol_only);
    RUN(bounds_the_depth);
    RUN(drops_descriptors);
    RUN(tells_when_it_closes_in_the_middle);
    RUN(loses_patience);
    RUN(hears_what_came_while_it_was_late);
    RUN(may_be_dropped_by_whom_it_tells);
    RUN(ends_with_the_client);
    uv_loop_close(loop);
    conf_free(conf);
    return check_result("sandbox client");
}
