/* The hub on a real loop; each client is the other end of a socketpair. */
#include "buf.h"
#include "check.h"
#include "mem.h"
#include "ws.h"
#include "ws_frame.h"
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD "HTTP/1.1 101 Switching Protocols\r\n\r\n"

enum { PING_NEVER = 3600 * 1000 };
#define PATIENCE_MS ((unsigned)patiently(8000))

static uv_loop_t loop;
static struct host host = {.loop = &loop};
static struct ws_hub *hub;

/* What the callbacks saw: "3 text hello", "3 closed 1000 data", one a line. */
static struct buf seen;
static bool refuse; /* take nothing */
static bool hold;   /* take messages, but leave them undone */

static bool on_message(void *arg, uint64_t id, const char *data, size_t len, bool binary)
{
    CHECK(arg == &host);
    if (refuse)
        return false;
    buf_printf(&seen, "%d %s %.*s\n", (int)id, binary ? "binary" : "text", (int)len,
               data);
    if (!hold)
        ws_message_done(hub, id);
    return true;
}

static bool on_close(void *arg, uint64_t id, unsigned code, const char *data, size_t len)
{
    CHECK(arg == &host);
    if (refuse)
        return false;
    buf_printf(&seen, "%d closed %u %.*s\n", (int)id, code, (int)len, data ? data : "");
    return true;
}

static void start(void)
{
    uv_loop_init(&loop);
    hub = ws_hub_new(&host);
    ws_hub_on(hub, on_message, on_close, &host);
    refuse = hold = false;
    buf_clear(&seen);
}

static void stop(void)
{
    ws_hub_free(hub);
    hub = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
}

struct client {
    int fd;
    uint64_t id;
    struct buf in; /* received and not looked at */
};

static struct client connect_with(const struct ws_options *options, const char *rest,
                                  size_t rest_len)
{
    int fds[2];
    struct client client = {0};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    uv_pipe_t *pipe = mem_new(sizeof(*pipe));
    uv_pipe_init(&loop, pipe, 0);
    CHECK(uv_pipe_open(pipe, fds[0]) == 0);
    client.fd = fds[1];
    client.id =
        ws_adopt(hub, (uv_stream_t *)pipe, options, HEAD, strlen(HEAD), rest, rest_len);
    return client;
}

static struct client connect_client(void)
{
    struct ws_options options = {
        .max_message = 1000, .queue_max = 64 * 1024, .ping_ms = PING_NEVER};
    struct client client = connect_with(&options, NULL, 0);
    ws_message_done(hub, client.id);
    return client;
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    buf_free(&client->in);
}

static void set_at_time(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until `done(arg)`; false when it does not come about. */
static bool run_until(bool (*done)(void *arg), void *arg)
{
    bool over = false, pulsed, ok;
    uv_timer_t timer, pulse; /* the pulse: what a client receives wakes no loop */
    uv_timer_init(&loop, &timer);
    uv_timer_init(&loop, &pulse);
    timer.data = &over;
    pulse.data = &pulsed;
    uv_timer_start(&timer, set_at_time, PATIENCE_MS, 0);
    uv_timer_start(&pulse, set_at_time, 5, 5);
    while (!(ok = done(arg)) && !over)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&pulse, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return ok;
}

static bool has_seen(void *text)
{
    return strstr(buf_cstr(&seen), text) != NULL;
}

#define EXPECT_SEEN(text)                                                                \
    do {                                                                                 \
        static char check_text[] = text;                                                 \
        if (!run_until(has_seen, check_text)) {                                          \
            CHECK(!"seen: " text);                                                       \
            fprintf(stderr, "but:\n%s", buf_cstr(&seen));                                \
        }                                                                                \
    } while (0)

/* Lets the loop do all that it can do now. */
static void settle(void)
{
    for (int i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void send_raw(struct client *client, unsigned first, const char *data, size_t len)
{
    static const char mask[] = "\x11\x22\x33\x44";
    struct buf out = {0};
    CHECK(len < 126);
    buf_putc(&out, (char)first);
    buf_putc(&out, (char)(0x80 | len));
    buf_append(&out, mask, 4);
    for (size_t i = 0; i < len; i++)
        buf_putc(&out, (char)(data[i] ^ mask[i & 3]));
    CHECK(write(client->fd, out.data, out.len) == (ssize_t)out.len);
    buf_free(&out);
}

static void send_text(struct client *client, const char *text)
{
    send_raw(client, 0x81, text, strlen(text));
}

/* Reads what is there; false at the end of the stream. */
static bool receive(struct client *client)
{
    for (;;) {
        ssize_t n = read(client->fd, buf_reserve(&client->in, 65536), 65536);
        if (n <= 0)
            return n != 0;
        client->in.len += (size_t)n;
    }
}

static bool has_frame(void *arg)
{
    struct client *client = arg;
    receive(client);
    const unsigned char *in = (unsigned char *)client->in.data;
    size_t have = client->in.len, len = have >= 2 ? in[1] : 0, header = 2;
    if (len == 126 && have >= 4)
        len = (size_t)in[2] << 8 | in[3], header = 4;
    return have >= 2 && have >= header + len;
}

static bool has_head(void *arg)
{
    struct client *client = arg;
    receive(client);
    return client->in.len >= strlen(HEAD);
}

static void skip_head(struct client *client)
{
    CHECK(run_until(has_head, client));
    CHECK(memcmp(client->in.data, HEAD, strlen(HEAD)) == 0);
    buf_consume(&client->in, strlen(HEAD));
}

/* The next frame as text: "81 hello", or "88 1000 reason". */
static const char *next_frame(struct client *client)
{
    static struct buf text;
    buf_clear(&text);
    if (!run_until(has_frame, client))
        return "nothing";
    const char *in = client->in.data;
    size_t len = (unsigned char)in[1], header = 2;
    CHECK(len < 127); /* unmasked, and no test reads a long one */
    if (len == 126)
        len = (size_t)(unsigned char)in[2] << 8 | (unsigned char)in[3], header = 4;
    const char *payload = in + header;
    buf_printf(&text, "%02x ", (unsigned char)in[0]);
    if ((unsigned char)in[0] == 0x88 && len >= 2)
        buf_printf(&text, "%u %.*s",
                   (unsigned)(unsigned char)payload[0] << 8 | (unsigned char)payload[1],
                   (int)len - 2, payload + 2);
    else
        buf_append(&text, payload, len);
    buf_consume(&client->in, header + len);
    return buf_cstr(&text);
}

static bool has_nothing(struct client *client)
{
    settle();
    return receive(client) && client->in.len == 0;
}

static bool is_at_end(void *arg)
{
    return !receive(arg);
}

static void join(struct client *client, const char *room)
{
    CHECK(ws_join(hub, client->id, room, strlen(room), NULL) == 0);
}

static size_t publish(const char *room, const char *text, uint64_t stamp)
{
    struct ws_text message = {.text = text,
                              .len = strlen(text),
                              .mark = "7:42",
                              .mark_len = 4,
                              .name = "news",
                              .name_len = 4};
    return ws_publish(hub, room, strlen(room), &message, stamp);
}

static int send_to(uint64_t id, const char *text, size_t len, struct err *err)
{
    struct ws_text message = {.text = text, .len = len};
    return ws_send(hub, id, &message, err);
}

static void carries_messages_both_ways(void)
{
    start();
    struct client a = connect_client(), b = connect_client();
    CHECK(a.id != b.id && a.id > 0);
    skip_head(&a);
    send_text(&a, "hello");
    send_raw(&a, 0x82, "\x01", 1);
    EXPECT_SEEN("1 text hello\n1 binary \x01\n");
    CHECK(send_to(a.id, "welcome", 7, NULL) == 0);
    CHECK_STR(next_frame(&a), "81 welcome");
    struct err err;
    CHECK(send_to(99, "x", 1, &err) < 0);
    CHECK_STR(err.code, ERR_CLOSED);
    CHECK(send_to(0, "x", 1, &err) < 0);
    CHECK(ws_hub_stats(hub).connections == 2);
    disconnect(&a);
    disconnect(&b);
    EXPECT_SEEN("1 closed 1006 \n");
    EXPECT_SEEN("2 closed 1006 \n");
    CHECK(ws_hub_stats(hub).connections == 0);
    stop();
}

static void hands_over_one_message_at_a_time(void)
{
    start();
    hold = true;
    struct client a = connect_client();
    send_text(&a, "one");
    send_text(&a, "two");
    send_raw(&a, 0x01, "thr", 3);
    send_raw(&a, 0x80, "ee", 2);
    send_raw(&a, 0x88, "\x03\xe8", 2);
    EXPECT_SEEN("1 text one\n");
    settle();
    CHECK_STR(buf_cstr(&seen), "1 text one\n");
    ws_message_done(hub, a.id);
    CHECK_STR(buf_cstr(&seen), "1 text one\n1 text two\n");
    ws_message_done(hub, a.id);
    CHECK_STR(buf_cstr(&seen), "1 text one\n1 text two\n1 text three\n");
    settle();
    CHECK(send_to(a.id, "x", 1, NULL) == 0); /* its close frame waits its turn */
    ws_message_done(hub, a.id);
    EXPECT_SEEN("1 closed 1000 \n");
    disconnect(&a);
    stop();
}

static void reports_the_close_after_the_message_under_way(void)
{
    start();
    hold = true;
    struct client a = connect_client();
    send_text(&a, "one");
    send_text(&a, "never");
    EXPECT_SEEN("1 text one\n");
    CHECK(ws_set_data(hub, a.id, "state", 5, NULL) == 0);
    CHECK(ws_close(hub, a.id, 4001, "go", NULL) == 0);
    size_t len;
    CHECK(ws_data(hub, a.id, &len) &&
          len == 5); /* for the message that is still worked on */
    CHECK(ws_set_data(hub, a.id, "x", 1, NULL) < 0);
    disconnect(&a);
    settle();
    CHECK_STR(buf_cstr(&seen), "1 text one\n");
    ws_message_done(hub, a.id);
    EXPECT_SEEN("1 text one\n1 closed 4001 state\n");
    CHECK(!ws_data(hub, a.id, &len));
    stop();
}

static void waits_until_the_adopter_is_done(void)
{
    start();
    struct ws_options options = {
        .max_message = 100, .queue_max = 1000, .ping_ms = PING_NEVER};
    struct client a = connect_with(&options, "\x81\x82\0\0\0\0hi\x81\x83\0\0\0\0y", 15);
    settle();
    CHECK(seen.len == 0);
    CHECK(write(a.fd, "ou", 2) == 2);
    settle();
    ws_message_done(hub, a.id);
    EXPECT_SEEN("1 text hi\n1 text you\n");
    disconnect(&a);
    stop();
}

static void offers_again_what_was_not_taken(void)
{
    start();
    refuse = true;
    struct client a = connect_client();
    send_text(&a, "");
    send_text(&a, "one");
    send_raw(&a, 0x88, "", 0);
    settle();
    refuse = false;
    EXPECT_SEEN("1 text \n1 text one\n1 closed 1005 \n");
    disconnect(&a);

    struct client b = connect_client();
    refuse = true;
    send_text(&b, "lost");
    settle();
    CHECK(ws_close(hub, b.id, 1000, NULL, NULL) == 0);
    settle();
    refuse = false;
    EXPECT_SEEN("2 closed 1000 \n");
    CHECK(!strstr(buf_cstr(&seen), "lost"));
    disconnect(&b);
    stop();
}

static void publishes_to_the_members_of_a_room(void)
{
    start();
    struct client a = connect_client(), b = connect_client(), c = connect_client();
    skip_head(&a), skip_head(&b), skip_head(&c);
    join(&a, "red");
    join(&b, "red");
    join(&b, "red");
    join(&b, "blue");
    CHECK(publish("red", "one", 0) == 2);
    CHECK_STR(next_frame(&a), "81 one");
    CHECK_STR(next_frame(&b), "81 one");
    CHECK(publish("blue", "two", 0) == 1);
    CHECK_STR(next_frame(&b), "81 two");
    CHECK(publish("green", "three", 0) == 0);
    CHECK(has_nothing(&a) && has_nothing(&b) && has_nothing(&c));
    CHECK(ws_hub_stats(hub).rooms == 2);
    CHECK(ws_in_room(hub, b.id, "blue", 4) && !ws_in_room(hub, a.id, "blue", 4));
    size_t len;
    CHECK_STR(ws_room_at(hub, a.id, 0, &len), "red");
    CHECK(len == 3 && !ws_room_at(hub, a.id, 1, &len));
    CHECK(ws_member_at(hub, "blue", 4, 0) == b.id && !ws_member_at(hub, "blue", 4, 1));
    CHECK(!ws_member_at(hub, "green", 5, 0));

    CHECK(ws_leave(hub, b.id, "blue", 4, NULL) == 0);
    CHECK(ws_leave(hub, b.id, "blue", 4, NULL) == 0);
    CHECK(publish("blue", "four", 0) == 0);
    CHECK(ws_hub_stats(hub).rooms == 1);
    disconnect(&a);
    EXPECT_SEEN("1 closed 1006 \n");
    CHECK(publish("red", "five", 0) == 1);
    CHECK_STR(next_frame(&b), "81 five");
    disconnect(&b);
    disconnect(&c);
    EXPECT_SEEN("2 closed 1006 \n");
    CHECK(ws_hub_stats(hub).rooms == 0);
    stop();
}

static void passes_over_who_got_the_same_stamp(void)
{
    start();
    struct client a = connect_client(), b = connect_client();
    skip_head(&a), skip_head(&b);
    join(&a, "rich"), join(&a, "plain"), join(&b, "plain");
    CHECK(publish("rich", "rich", 7) == 1);
    CHECK(publish("plain", "plain", 7) == 1);
    CHECK(publish("plain", "next", 8) == 2);
    CHECK(publish("plain", "unstamped", 0) == 2);
    CHECK_STR(next_frame(&a), "81 rich");
    CHECK_STR(next_frame(&a), "81 next");
    CHECK_STR(next_frame(&a), "81 unstamped");
    CHECK_STR(next_frame(&b), "81 plain");
    CHECK_STR(next_frame(&b), "81 next");
    disconnect(&a);
    disconnect(&b);
    stop();
}

static void compresses_for_those_who_agreed(void)
{
    start();
    struct ws_options options = {
        .max_message = 1000, .queue_max = 64 * 1024, .ping_ms = PING_NEVER};
    struct client clients[4]; /* plain, full window, small window, full window */
    static const unsigned bits[] = {0, 15, 9, 15};
    for (int i = 0; i < 4; i++) {
        options.deflate_bits = bits[i];
        clients[i] = connect_with(&options, NULL, 0);
        ws_message_done(hub, clients[i].id);
        skip_head(&clients[i]);
        join(&clients[i], "red");
    }
    static char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    CHECK(publish("red", "short", 0) == 4);
    CHECK(publish("red", text, 0) == 4);
    for (int i = 0; i < 4; i++) {
        CHECK_STR(next_frame(&clients[i]), "81 short");
        const char *frame = next_frame(&clients[i]);
        CHECK(strncmp(frame, bits[i] ? "c1 " : "81 ", 3) == 0);
        CHECK(bits[i] ? strlen(frame) < 100 : strcmp(frame + 3, text) == 0);
    }
    CHECK(send_to(clients[1].id, text, strlen(text), NULL) == 0);
    CHECK(strncmp(next_frame(&clients[1]), "c1 ", 3) == 0);
    static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07";
    send_raw(&clients[2], 0xc1, hello, sizeof(hello));
    EXPECT_SEEN("3 text Hello\n");
    send_raw(&clients[0], 0xc1, hello, sizeof(hello));
    CHECK_STR(next_frame(&clients[0]), "88 1002 reserved bits are set");
    for (int i = 0; i < 4; i++)
        disconnect(&clients[i]);
    stop();
}

/* Joins and leaves at random and compares with a plain table. */
static void keeps_the_membership_right(void)
{
    enum { CLIENTS = 12, ROOMS = 9, STEPS = 4000 };
    static bool in[CLIENTS][ROOMS];
    struct client clients[CLIENTS];
    unsigned random = 1;
    start();
    memset(in, 0, sizeof(in));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_client();
        skip_head(&clients[i]);
    }
    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245 + 12345;
        int c = random >> 16 & 0xff, r = (random >> 24) % ROOMS;
        bool enter = random >> 8 & 1;
        c %= CLIENTS;
        char name[16];
        int len = snprintf(name, sizeof(name), "room %d", r);
        if (enter)
            CHECK(ws_join(hub, clients[c].id, name, (size_t)len, NULL) == 0);
        else
            CHECK(ws_leave(hub, clients[c].id, name, (size_t)len, NULL) == 0);
        in[c][r] = enter;
        size_t expected = 0;
        for (int i = 0; i < CLIENTS; i++) {
            CHECK(ws_in_room(hub, clients[i].id, name, (size_t)len) == in[i][r]);
            expected += in[i][r];
        }
        if (step % 50)
            continue;
        struct ws_text nothing = {.text = ""};
        CHECK(ws_publish(hub, name, (size_t)len, &nothing, 0) == expected);
        for (int i = 0; i < CLIENTS; i++) {
            receive(&clients[i]);
            CHECK(clients[i].in.len == (in[i][r] ? 2 : 0));
            buf_clear(&clients[i].in);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        disconnect(&clients[i]);
    EXPECT_SEEN("closed 1006");
    stop();
}

static void limits_the_rooms_of_a_connection(void)
{
    start();
    struct client a = connect_client();
    char name[16];
    struct err err;
    for (int i = 0; i < WS_ROOMS_MAX; i++) {
        snprintf(name, sizeof(name), "%d", i);
        join(&a, name);
    }
    CHECK(ws_join(hub, a.id, "one more", 8, &err) < 0);
    CHECK_STR(err.code, ERR_TOO_LARGE);
    CHECK(ws_hub_stats(hub).rooms == WS_ROOMS_MAX);
    disconnect(&a);
    stop();
}

static void closes_a_slow_reader_and_nobody_else(void)
{
    start();
    struct client slow = connect_client(), fast = connect_client();
    skip_head(&slow), skip_head(&fast);
    join(&slow, "red"), join(&fast, "red");
    static char text[10000];
    memset(text, 'x', sizeof(text) - 1);
    size_t got = 0;
    for (int i = 0; i < 100; i++) {
        publish("red", text, 0);
        CHECK(strlen(next_frame(&fast)) == 3 + strlen(text));
        got++;
    }
    CHECK(got == 100);
    CHECK(ws_hub_stats(hub).dropped == 1);
    CHECK(ws_hub_stats(hub).connections == 1);
    EXPECT_SEEN("1 closed 4408 \n");
    /* What was queued arrives whole, and the reason behind it. */
    size_t frames = 0;
    const char *frame;
    while (strncmp(frame = next_frame(&slow), "81 xxx", 6) == 0)
        frames++;
    CHECK(frames > 10 && frames < 100);
    CHECK_STR(frame, "88 4408 too slow");
    CHECK(send_to(fast.id, "still here", 10, NULL) == 0);
    CHECK_STR(next_frame(&fast), "81 still here");
    disconnect(&slow);
    disconnect(&fast);
    stop();
}

static void gives_one_large_frame_to_a_reader_that_kept_up(void)
{
    start();
    struct client a = connect_client();
    skip_head(&a);
    enum { SIZE = 1024 * 1024 };
    char *text = mem_new(SIZE);
    memset(text, 'x', SIZE);
    CHECK(send_to(a.id, text, SIZE, NULL) == 0);
    CHECK(ws_hub_stats(hub).connections == 1);
    size_t total = 0;
    while (total < SIZE + 10) {
        settle();
        receive(&a);
        if (!a.in.len)
            break;
        total += a.in.len;
        buf_clear(&a.in);
    }
    CHECK(total == SIZE + 10);
    CHECK(send_to(a.id, "more", 4, NULL) == 0);
    CHECK_STR(next_frame(&a), "81 more");
    free(text);
    disconnect(&a);
    stop();
}

static void answers_pings(void)
{
    start();
    struct client a = connect_client();
    skip_head(&a);
    send_raw(&a, 0x89, "are you there", 13);
    CHECK_STR(next_frame(&a), "8a are you there");
    send_raw(&a, 0x8a, "", 0);
    CHECK(has_nothing(&a));
    disconnect(&a);
    stop();
}

static void pings_and_drops_who_does_not_answer(void)
{
    start();
    struct ws_options options = {.max_message = 100, .queue_max = 1000, .ping_ms = 300};
    struct client a = connect_with(&options, NULL, 0),
                  b = connect_with(&options, NULL, 0);
    skip_head(&a), skip_head(&b);
    ws_message_done(hub, a.id);
    ws_message_done(hub, b.id);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(next_frame(&a), "89 ");
        send_raw(&a, 0x8a, "", 0);
    }
    EXPECT_SEEN("2 closed 1006 \n");
    CHECK_STR(next_frame(&b), "89 ");
    CHECK(run_until(is_at_end, &b));
    CHECK(send_to(a.id, "x", 1, NULL) == 0);
    disconnect(&a);
    disconnect(&b);
    stop();
}

static void answers_a_close_and_ends_the_stream(void)
{
    start();
    struct client a = connect_client(), b = connect_client();
    skip_head(&a), skip_head(&b);
    CHECK(ws_set_data(hub, a.id, "kept", 4, NULL) == 0);
    send_raw(&a, 0x88,
             "\x03\xe9"
             "bye",
             5);
    CHECK_STR(next_frame(&a), "88 1001 ");
    EXPECT_SEEN("1 closed 1001 kept\n");
    CHECK(run_until(is_at_end, &a));
    settle();
    send_raw(&a, 0x8a, "", 0); /* the pong to a ping on the way: no reset meets it */
    send_raw(&b, 0x88, "", 0);
    CHECK_STR(next_frame(&b), "88 ");
    EXPECT_SEEN("2 closed 1005 \n");
    disconnect(&a);
    disconnect(&b);
    stop();
}

static void closes_and_waits_for_the_answer(void)
{
    start();
    struct err err;
    struct client a = connect_client();
    skip_head(&a);
    CHECK(ws_close(hub, a.id, 1005, NULL, &err) < 0);
    CHECK_STR(err.code, ERR_INVALID);
    CHECK(ws_close(hub, a.id, 4401, "session ended", NULL) == 0);
    CHECK(ws_close(hub, a.id, 4401, "again", &err) < 0);
    CHECK_STR(err.code, ERR_CLOSED);
    CHECK(send_to(a.id, "x", 1, NULL) < 0);
    CHECK_STR(next_frame(&a), "88 4401 session ended");
    EXPECT_SEEN("1 closed 4401 \n");
    send_text(&a, "crossed on the way");
    CHECK(has_nothing(&a));
    send_raw(&a, 0x88, "\x11\x31", 2);
    CHECK(run_until(is_at_end, &a));
    CHECK(!strstr(buf_cstr(&seen), "crossed"));
    disconnect(&a);

    struct client silent = connect_client(); /* never answers */
    skip_head(&silent);
    CHECK(ws_close(hub, silent.id, 1000, NULL, NULL) == 0);
    CHECK_STR(next_frame(&silent), "88 1000 ");
    CHECK(run_until(is_at_end, &silent));
    disconnect(&silent);
    stop();
}

static void fails_who_breaks_the_protocol(void)
{
    start();
    struct client a = connect_client(), b = connect_client(), c = connect_client();
    skip_head(&a), skip_head(&b), skip_head(&c);
    CHECK(write(a.fd, "\x81\x02hi", 4) == 4);
    CHECK_STR(next_frame(&a), "88 1002 frame is not masked");
    CHECK(run_until(is_at_end, &a)); /* our half is shut */
    send_text(&a, "ignored");
    send_raw(&b, 0x81, "\xff", 1);
    CHECK_STR(next_frame(&b), "88 1007 text is not UTF-8");
    CHECK(write(c.fd, "\x81\xfe\x03\xe9\0\0\0\0", 8) == 8);
    CHECK_STR(next_frame(&c), "88 1009 message is too long");
    EXPECT_SEEN("1 closed 1002 \n");
    EXPECT_SEEN("2 closed 1007 \n");
    EXPECT_SEEN("3 closed 1009 \n");
    disconnect(&a);
    disconnect(&b);
    disconnect(&c);
    settle();
    CHECK(!strstr(buf_cstr(&seen), "ignored"));
    stop();
}

static void closes_a_room(void)
{
    start();
    struct client a = connect_client(), b = connect_client(), c = connect_client();
    skip_head(&a), skip_head(&b), skip_head(&c);
    join(&a, "red"), join(&b, "red"), join(&b, "blue"), join(&c, "blue");
    CHECK(ws_close_room(hub, "red", 3, 4401, "revoked") == 2);
    CHECK(ws_close_room(hub, "red", 3, 4401, "revoked") == 0);
    CHECK_STR(next_frame(&a), "88 4401 revoked");
    CHECK_STR(next_frame(&b), "88 4401 revoked");
    CHECK(has_nothing(&c));
    CHECK(publish("blue", "x", 0) == 1);
    disconnect(&a);
    disconnect(&b);
    disconnect(&c);
    stop();
}

static void closes_at_the_deadline(void)
{
    start();
    struct client a = connect_client(), b = connect_client();
    skip_head(&a), skip_head(&b);
    CHECK(ws_deadline(hub, a.id, 60000, 4000, "late", NULL) == 0);
    CHECK(ws_deadline(hub, a.id, 300, 4401, "sign in", NULL) == 0);
    CHECK(ws_deadline(hub, b.id, 300, 4401, "sign in", NULL) == 0);
    CHECK(ws_deadline(hub, b.id, 0, 0, NULL, NULL) == 0);
    CHECK(ws_deadline(hub, b.id, 300, 1006, NULL, NULL) < 0);
    uint64_t before = uv_now(&loop);
    CHECK_STR(next_frame(&a), "88 4401 sign in");
    CHECK(uv_now(&loop) - before >= 290 && uv_now(&loop) - before < 1000);
    EXPECT_SEEN("1 closed 4401 \n");
    CHECK(has_nothing(&b));
    disconnect(&a);
    disconnect(&b);
    stop();
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool is_set(void *arg)
{
    return *(bool *)arg;
}

static void drains(void)
{
    start();
    bool drained = false;
    struct client a = connect_client(), b = connect_client();
    skip_head(&a), skip_head(&b);
    ws_hub_drain(hub, set_flag, &drained);
    CHECK_STR(next_frame(&a), "88 1001 going away");
    CHECK_STR(next_frame(&b), "88 1001 going away");
    struct client late = connect_client();
    skip_head(&late);
    CHECK_STR(next_frame(&late), "88 1001 going away");
    send_raw(&a, 0x88, "", 0);
    disconnect(&b);
    disconnect(&late);
    settle();
    CHECK(run_until(is_set, &drained));
    buf_cstr(&seen);
    CHECK(strstr(seen.data, "1 closed 1001") && strstr(seen.data, "2 closed 1001") &&
          strstr(seen.data, "3 closed 1001"));
    disconnect(&a);
    stop();

    start();
    drained = false;
    ws_hub_drain(hub, set_flag, &drained);
    CHECK(!drained); /* never from inside */
    CHECK(run_until(is_set, &drained));
    stop();
}

static struct client connect_reader(unsigned ping_ms)
{
    struct ws_options options = {
        .queue_max = 64 * 1024, .ping_ms = ping_ms, .events = true};
    struct client client = connect_with(&options, NULL, 0);
    ws_message_done(hub, client.id);
    skip_head(&client);
    return client;
}

static bool has_event(void *arg)
{
    struct client *client = arg;
    receive(client);
    return client->in.len && strstr(buf_cstr(&client->in), "\n\n");
}

/* The next event as it came, without the empty line. */
static const char *next_event(struct client *client)
{
    static struct buf text;
    buf_clear(&text);
    if (!run_until(has_event, client))
        return "nothing";
    size_t len = (size_t)(strstr(client->in.data, "\n\n") - client->in.data);
    buf_append(&text, client->in.data, len);
    buf_consume(&client->in, len + 2);
    return buf_cstr(&text);
}

static void streams_events_to_who_only_hears(void)
{
    start();
    struct client socket = connect_client(), reader = connect_reader(PING_NEVER);
    skip_head(&socket);
    join(&socket, "red"), join(&reader, "red");
    CHECK(publish("red", "both\nof us", 5) == 2);
    CHECK_STR(next_frame(&socket), "81 both\nof us");
    CHECK_STR(next_event(&reader), "event: news\nid: 7:42\ndata: both\ndata: of us");
    CHECK(publish("red", "again", 5) == 0);
    CHECK(send_to(reader.id, "to you", 6, NULL) == 0);
    CHECK_STR(next_event(&reader), "data: to you");
    /* What it says is not looked at. */
    CHECK(write(reader.fd, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    settle();
    CHECK(seen.len == 0 && ws_hub_stats(hub).connections == 2);
    disconnect(&reader);
    EXPECT_SEEN("2 closed 1006 \n");
    CHECK(publish("red", "alone", 0) == 1);
    disconnect(&socket);
    stop();
}

static void keeps_streams_of_events_alive(void)
{
    start();
    struct client reader = connect_reader(300);
    for (int i = 0; i < 3; i++)
        CHECK_STR(next_event(&reader), ":");
    CHECK(ws_hub_stats(hub).connections == 1); /* though it never answers */
    disconnect(&reader);
    stop();
}

static void ends_streams_of_events(void)
{
    start();
    struct client a = connect_reader(PING_NEVER), b = connect_reader(PING_NEVER);
    join(&b, "red");
    CHECK(send_to(a.id, "last", 4, NULL) == 0);
    CHECK(ws_close(hub, a.id, 4401, "expired", NULL) == 0);
    CHECK(run_until(is_at_end, &a));
    CHECK_STR(buf_cstr(&a.in), "data: last\n\n");
    EXPECT_SEEN("1 closed 4401 \n");
    static char text[10000];
    memset(text, 'x', sizeof(text) - 1);
    CHECK(ws_queued(hub, b.id) == 0);
    size_t most = 0;
    for (int i = 0; i < 100; i++) {
        publish("red", text, 0);
        size_t queued = ws_queued(hub, b.id);
        most = queued > most ? queued : most;
        CHECK(ws_hub_stats(hub).half_full == (queued > 32 * 1024));
    }
    CHECK(most > sizeof(text) && most <= 64 * 1024);
    CHECK(ws_hub_stats(hub).dropped == 1 && ws_queued(hub, b.id) == 0);
    EXPECT_SEEN("2 closed 4408 \n");
    CHECK(run_until(is_at_end, &b));
    CHECK(b.in.len > 64 * 1024 && b.in.len < 100 * sizeof(text));
    disconnect(&a);
    disconnect(&b);
    stop();
}

static void asks_readers_back_when_it_drains(void)
{
    start();
    struct client reader = connect_reader(PING_NEVER);
    unsigned ms = 0;
    ws_hub_drain(hub, NULL, NULL);
    CHECK(run_until(is_at_end, &reader));
    CHECK(sscanf(buf_cstr(&reader.in), "retry: %u\n\n", &ms) == 1);
    CHECK(ms >= 500 && ms <= 10000);
    disconnect(&reader);
    stop();
}

static void can_be_freed_with_everything_under_way(void)
{
    start();
    hold = true;
    static char text[200000];
    struct client a = connect_client(), b = connect_client(), c = connect_client();
    memset(text, 'x', sizeof(text) - 1);
    join(&a, "red"), join(&b, "red");
    ws_deadline(hub, a.id, 1000, 4000, "x", NULL);
    ws_set_data(hub, a.id, "x", 1, NULL);
    send_text(&a, "undone");
    send_text(&a, "unread");
    EXPECT_SEEN("1 text undone\n");
    publish("red", text, 0);
    publish("red", text, 0);
    refuse = true;
    disconnect(&c);
    settle();
    stop();
    disconnect(&a);
    disconnect(&b);
}

/* An idle connection must stay far below 4 KiB: its share of the heap, libuv's
 * handle included. */
static void is_small_when_idle(void)
{
    enum { CLIENTS = 200, BYTES_MAX = 1024 };
    static struct client clients[CLIENTS];
    start();
    struct client first = connect_client();
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_client();
        join(&clients[i], "all");
        send_text(&clients[i], "hello");
    }
    settle();
    buf_free(&seen);
    struct mallinfo2 after = mallinfo2();
    size_t each = (after.uordblks - before.uordblks) / CLIENTS;
    CHECK(each < BYTES_MAX);
    if (getenv("VERBOSE"))
        printf("an idle connection: %zu bytes\n", each);
    for (int i = 0; i < CLIENTS; i++)
        disconnect(&clients[i]);
    disconnect(&first);
    stop();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    RUN(carries_messages_both_ways);
    RUN(hands_over_one_message_at_a_time);
    RUN(reports_the_close_after_the_message_under_way);
    RUN(waits_until_the_adopter_is_done);
    RUN(offers_again_what_was_not_taken);
    RUN(publishes_to_the_members_of_a_room);
    RUN(passes_over_who_got_the_same_stamp);
    RUN(compresses_for_those_who_agreed);
    RUN(keeps_the_membership_right);
    RUN(limits_the_rooms_of_a_connection);
    RUN(closes_a_slow_reader_and_nobody_else);
    RUN(gives_one_large_frame_to_a_reader_that_kept_up);
    RUN(answers_pings);
    RUN(pings_and_drops_who_does_not_answer);
    RUN(answers_a_close_and_ends_the_stream);
    RUN(closes_and_waits_for_the_answer);
    RUN(fails_who_breaks_the_protocol);
    RUN(closes_a_room);
    RUN(closes_at_the_deadline);
    RUN(streams_events_to_who_only_hears);
    RUN(keeps_streams_of_events_alive);
    RUN(ends_streams_of_events);
    RUN(asks_readers_back_when_it_drains);
    RUN(drains);
    RUN(can_be_freed_with_everything_under_way);
    RUN(is_small_when_idle);
    buf_free(&seen);
    return check_result("ws");
}
