#include "check.h"
#include "mem.h"
#include "ws_frame.h"
#include "ws_handshake.h"

enum { LIMIT = 1000 };

/* What a client sends: `first` is the first byte (FIN, RSV, opcode). */
static void put_header(struct buf *out, unsigned first, size_t len)
{
    buf_putc(out, (char)first);
    if (len < 126) {
        buf_putc(out, (char)(0x80 | len));
    } else if (len < 65536) {
        buf_putc(out, (char)0xfe);
        buf_putc(out, (char)(len >> 8));
        buf_putc(out, (char)len);
    } else {
        buf_putc(out, (char)0xff);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_putc(out, (char)((uint64_t)len >> shift));
    }
    buf_append(out, "\x37\xfa\x21\x3d", 4);
}

static void put(struct buf *out, unsigned first, const char *data, size_t len)
{
    static const char mask[] = "\x37\xfa\x21\x3d";
    put_header(out, first, len);
    for (size_t i = 0; i < len; i++)
        buf_putc(out, (char)(data[i] ^ mask[i & 3]));
}

static void put_text(struct buf *out, unsigned first, const char *text)
{
    put(out, first, text, strlen(text));
}

/* Appends what came as a line: "text:Hello", "ping:", "close 1000:bye", "error 1002". */
static void note(struct buf *log, const struct ws_event *event)
{
    static const char *const names[] = {[WS_EVENT_PING] = "ping",
                                        [WS_EVENT_PONG] = "pong",
                                        [WS_EVENT_CLOSE] = "close",
                                        [WS_EVENT_ERROR] = "error"};
    if (event->type == WS_EVENT_NONE)
        return;
    if (event->type == WS_EVENT_MESSAGE)
        buf_puts(log, event->binary ? "binary" : "text");
    else
        buf_puts(log, names[event->type]);
    if (event->code)
        buf_printf(log, " %u", event->code);
    if (event->type != WS_EVENT_ERROR) {
        buf_putc(log, ':');
        buf_append(log, event->data, event->len);
    }
    buf_putc(log, '\n');
}

/* Feeds in pieces of at most `step` bytes, each from memory of its own size. */
static void feed_all(struct ws_parser *parser, struct buf *log, const char *data,
                     size_t len, size_t step)
{
    for (size_t at = 0; at < len;) {
        size_t size = len - at < step ? len - at : step;
        char *piece = mem_copy(data + at, size);
        for (size_t used = 0; used < size;) {
            struct ws_event event;
            size_t n = ws_parser_feed(parser, piece + used, size - used, &event);
            CHECK(n > 0 && n <= size - used);
            used += n;
            note(log, &event);
            if (event.type == WS_EVENT_ERROR)
                used = size, at = len;
        }
        free(piece);
        at += size;
    }
}

static void expect_limit(const char *what, const struct buf *input, const char *expected,
                         size_t limit)
{
    for (size_t split = 0; split <= input->len; split++) {
        struct ws_parser parser;
        struct buf log = {0};
        ws_parser_init(&parser, limit);
        if (split == input->len) /* the last round: byte by byte */
            feed_all(&parser, &log, input->data, input->len, 1);
        else
            feed_all(&parser, &log, input->data, split, split ? split : 1);
        if (split < input->len && !parser.failed)
            feed_all(&parser, &log, input->data + split, input->len - split, input->len);
        if (strcmp(buf_cstr(&log), expected) != 0) {
            CHECK(!"the expected events");
            fprintf(stderr, "%s, split at %zu: got\n%sexpected\n%s", what, split,
                    log.data, expected);
        }
        buf_free(&log);
        ws_parser_deinit(&parser);
    }
}

static void expect(const char *what, struct buf *input, const char *expected)
{
    expect_limit(what, input, expected, LIMIT);
    buf_clear(input);
}

static void reads_the_examples_of_the_rfc(void)
{
    struct buf in = {0};
    buf_append(&in, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    expect("masked text", &in, "text:Hello\n");
    buf_append(&in, "\x81\x05\x48\x65\x6c\x6c\x6f", 7);
    expect("unmasked text", &in, "error 1002\n");
    put_text(&in, 0x01, "Hel");
    put_text(&in, 0x80, "lo");
    expect("fragmented text", &in, "text:Hello\n");
    buf_append(&in, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    expect("masked pong", &in, "pong:Hello\n");
    put_text(&in, 0x89, "Hello");
    expect("ping", &in, "ping:Hello\n");

    char bytes[256], expected[300] = "binary:";
    memset(bytes, 'b', sizeof(bytes));
    put(&in, 0x82, bytes, 256);
    memcpy(expected + 7, bytes, 256);
    strcpy(expected + 263, "\n");
    expect("256 bytes", &in, expected);
    buf_free(&in);
}

static void writes_the_examples_of_the_rfc(void)
{
    char out[WS_HEADER_MAX];
    CHECK(ws_frame_header(out, WS_TEXT, 5) == 2 && memcmp(out, "\x81\x05", 2) == 0);
    CHECK(ws_frame_header(out, WS_PING, 0) == 2 && memcmp(out, "\x89\x00", 2) == 0);
    CHECK(ws_frame_header(out, WS_TEXT, 125) == 2 && memcmp(out, "\x81\x7d", 2) == 0);
    CHECK(ws_frame_header(out, WS_BINARY, 126) == 4 &&
          memcmp(out, "\x82\x7e\0\x7e", 4) == 0);
    CHECK(ws_frame_header(out, WS_BINARY, 256) == 4 &&
          memcmp(out, "\x82\x7e\x01\0", 4) == 0);
    CHECK(ws_frame_header(out, WS_BINARY, 65535) == 4 &&
          memcmp(out, "\x82\x7e\xff\xff", 4) == 0);
    CHECK(ws_frame_header(out, WS_BINARY, 65536) == 10 &&
          memcmp(out, "\x82\x7f\0\0\0\0\0\x01\0\0", 10) == 0);
}

static void reads_all_kinds_of_length(void)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf in = {0};
        struct ws_parser parser;
        struct ws_event event;
        char *data = mem_new(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
            data[j] = (char)(j * 7);
        put(&in, 0x82, data, sizes[i]);
        ws_parser_init(&parser, 70000);
        CHECK(ws_parser_feed(&parser, in.data, in.len, &event) == in.len);
        CHECK(event.type == WS_EVENT_MESSAGE && event.binary && event.len == sizes[i]);
        CHECK(event.data && memcmp(event.data, data, sizes[i]) == 0);
        ws_parser_deinit(&parser);
        free(data);
        buf_free(&in);
    }
}

static void lets_control_frames_pass_between_fragments(void)
{
    struct buf in = {0};
    put_text(&in, 0x01, "one ");
    put_text(&in, 0x89, "a");
    put_text(&in, 0x00, "two ");
    put_text(&in, 0x8a, "");
    put_text(&in, 0x00, "");
    put_text(&in, 0x80, "three");
    put_text(&in, 0x82, "four");
    put_text(&in, 0x81, "");
    expect("mixed", &in, "ping:a\npong:\ntext:one two three\nbinary:four\ntext:\n");
    put_text(&in, 0x02, "half");
    put_text(&in, 0x88, "\x03\xe8");
    expect("close between fragments", &in, "close 1000:\n");
    buf_free(&in);
}

static void refuses_what_breaks_the_framing(void)
{
    struct buf in = {0};
    for (unsigned first = 0; first < 256; first++) {
        unsigned opcode = first & 15;
        bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        if (known && !(first & 0x70))
            continue;
        put_text(&in, first, "");
        expect("unknown opcode or reserved bit", &in, "error 1002\n");
    }
    put_text(&in, 0x80, "x");
    expect("a continuation of nothing", &in, "error 1002\n");
    put_text(&in, 0x81, "x");
    put_text(&in, 0x00, "x");
    expect("a continuation of what is finished", &in, "text:x\nerror 1002\n");
    put_text(&in, 0x01, "x");
    put_text(&in, 0x81, "y");
    expect("a message within a message", &in, "error 1002\n");
    for (unsigned opcode = 8; opcode <= 10; opcode++) {
        put_text(&in, opcode, "");
        expect("a fragmented control frame", &in, "error 1002\n");
        put_header(&in, 0x80 | opcode, 126);
        expect("a long control frame", &in, "error 1002\n");
    }
    buf_append(&in, "\x82\xfe\0\x7d\x37\xfa\x21\x3d", 8);
    expect("125 in 16 bits", &in, "error 1002\n");
    buf_append(&in, "\x82\xff\0\0\0\0\0\0\xff\xff\x37\xfa\x21\x3d", 14);
    expect("65535 in 64 bits", &in, "error 1002\n");
    buf_append(&in, "\x82\xff\x80\0\0\0\0\0\0\0\x37\xfa\x21\x3d", 14);
    expect("a length with the top bit", &in, "error 1002\n");
    buf_free(&in);
}

static void reads_close_frames(void)
{
    struct buf in = {0};
    put_text(&in, 0x88, "");
    expect("without code", &in, "close 1005:\n");
    put_text(&in, 0x88, "\x0f\xa1signed out");
    expect("with reason", &in, "close 4001:signed out\n");
    put(&in, 0x88, "\x03", 1);
    expect("half a code", &in, "error 1002\n");
    put_text(&in, 0x88, "\x03\xe8\xc3");
    expect("reason that is no UTF-8", &in, "error 1007\n");
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                    1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015,
                                   1016, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char code[2] = {(char)(good[i] >> 8), (char)good[i]}, expected[32];
        put(&in, 0x88, code, 2);
        snprintf(expected, sizeof(expected), "close %u:\n", good[i]);
        expect("good code", &in, expected);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char code[2] = {(char)(bad[i] >> 8), (char)bad[i]};
        put(&in, 0x88, code, 2);
        expect("bad code", &in, "error 1002\n");
    }
    buf_free(&in);
}

static void writes_close_payloads(void)
{
    char out[WS_CONTROL_MAX], reason[200];
    CHECK(ws_close_payload(out, WS_CODE_NONE, "x") == 0);
    CHECK(ws_close_payload(out, 4401, NULL) == 2 && memcmp(out, "\x11\x31", 2) == 0);
    CHECK(ws_close_payload(out, 1000, "bye") == 5 && memcmp(out,
                                                            "\x03\xe8"
                                                            "bye",
                                                            5) == 0);
    for (size_t i = 0; i < 198; i += 2)
        memcpy(reason + i, "\xc3\xa4", 2);
    reason[198] = '\0';
    CHECK(ws_close_payload(out, 1000, reason) == 124); /* 125 would cut a character */
    CHECK(ws_close_payload(out, 1000, "ok\xff") == 4);
}

static void checks_utf8_across_all_borders(void)
{
    static const char *const good[] = {"\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "a\xe2\x82\xac"
                                       "b",
                                       "\xce\xba\xe1\xbd\xb9\xcf\x83"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xc3(",
                                      "\xe2\x82(",
                                      "\xf0\x9f\x98(",
                                      "a\xe2\x82",
                                      "\xc3",
                                      "\xf0\x9f\x98",
                                      "\xf0"};
    struct buf in = {0};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char expected[32];
        size_t len = strlen(good[i]);
        snprintf(expected, sizeof(expected), "text:%s\n", good[i]);
        for (size_t cut = 0; cut <= len; cut++) {
            put(&in, 0x01, good[i], cut);
            put(&in, 0x80, good[i] + cut, len - cut);
            expect("good UTF-8", &in, expected);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_text(&in, 0x81, bad[i]);
        expect("bad UTF-8", &in, "error 1007\n");
        put_text(&in, 0x01, bad[i]);
        put_text(&in, 0x80, "");
        expect("bad UTF-8 in a fragment", &in, "error 1007\n");
    }
    put_text(&in, 0x82, "\xff\xc0");
    expect("binary may be anything", &in, "binary:\xff\xc0\n");
    buf_free(&in);
}

static void fails_at_the_first_byte_that_cannot_be_utf8(void)
{
    static const char *const starts[] = {"ok\xed\xa0", "ok\xf4\x90", "ok\xc0", "ok\xf8",
                                         "\xe0\x80"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct buf in = {0};
        struct ws_parser parser;
        struct ws_event event;
        ws_parser_init(&parser, LIMIT);
        put_text(&in, 0x01, starts[i]); /* more is announced to come */
        size_t last = in.len - 1;
        ws_parser_feed(&parser, in.data, last, &event);
        CHECK(event.type == WS_EVENT_NONE);
        ws_parser_feed(&parser, in.data + last, 1, &event);
        CHECK(event.type == WS_EVENT_ERROR && event.code == WS_CODE_BAD_DATA);
        ws_parser_feed(&parser, "more", 4, &event);
        CHECK(event.type == WS_EVENT_ERROR);
        ws_parser_deinit(&parser);
        buf_free(&in);
    }
}

static void keeps_the_message_limit(void)
{
    struct buf in = {0};
    put_text(&in, 0x81, "1234567890");
    expect_limit("just fits", &in, "text:1234567890\n", 10);
    expect_limit("one too many", &in, "error 1009\n", 9);
    buf_clear(&in);
    put_text(&in, 0x01, "12345");
    put_text(&in, 0x89, "control frames do not count");
    put_text(&in, 0x80, "67890");
    expect_limit("fragments fit", &in,
                 "ping:control frames do not count\ntext:1234567890\n", 10);
    expect_limit("fragments add up", &in,
                 "ping:control frames do not count\nerror 1009\n", 9);
    buf_clear(&in);

    struct ws_parser parser;
    struct ws_event event;
    ws_parser_init(&parser, LIMIT);
    put_header(&in, 0x82, (size_t)1 << 62);
    ws_parser_feed(&parser, in.data, in.len, &event);
    CHECK(event.type == WS_EVENT_ERROR && event.code == WS_CODE_TOO_BIG);
    CHECK(parser.message.cap == 0); /* a claim costs no memory */
    ws_parser_deinit(&parser);
    buf_free(&in);
}

static void holds_no_memory_between_messages(void)
{
    struct buf in = {0};
    struct ws_parser parser;
    struct ws_event event;
    ws_parser_init(&parser, LIMIT);
    put_text(&in, 0x81, "hello");
    ws_parser_feed(&parser, in.data, in.len, &event);
    CHECK(event.type == WS_EVENT_MESSAGE);
    ws_parser_release(&parser);
    CHECK(!parser.message.data && !parser.control.data);
    CHECK(sizeof(parser) <= 120);
    ws_parser_deinit(&parser);
    buf_free(&in);
}

static int handshake(const char *upgrade, const char *connection, const char *version,
                     const char *key, struct err *err)
{
    struct ws_handshake in = {"GET", upgrade, connection, version, key};
    return ws_handshake_check(&in, err);
}

static void checks_the_opening_handshake(void)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
    struct err err;
    CHECK(handshake("websocket", "Upgrade", "13", key, &err) == 0);
    CHECK(handshake("WebSocket", "keep-alive , upgrade", "13", key, &err) == 0);
    CHECK(handshake("websocket", "Upgrade", "8", key, &err) < 0);
    CHECK_STR(err.code, ERR_WS_VERSION);
    CHECK(handshake("websocket", "Upgrade", NULL, key, &err) < 0);
    CHECK_STR(err.code, ERR_WS_VERSION);
    CHECK(handshake(NULL, "Upgrade", "13", key, &err) < 0);
    CHECK_STR(err.code, ERR_INVALID);
    CHECK(handshake("websocket", NULL, "13", key, &err) < 0);
    CHECK(handshake("websocket", "upgraded", "13", key, &err) < 0);
    CHECK(handshake("h2c", "Upgrade", "13", key, &err) < 0);
    CHECK(handshake("websocket", "Upgrade", "13", NULL, &err) < 0);
    CHECK(handshake("websocket", "Upgrade", "13", "dGhlIHNhbXBsZQ==", &err) < 0);
    CHECK(handshake("websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=A", &err) < 0);
    CHECK(handshake("websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub2*jZQ==", &err) < 0);
    struct ws_handshake post = {"POST", "websocket", "Upgrade", "13", key};
    CHECK(ws_handshake_check(&post, &err) < 0);

    struct buf out = {0};
    ws_handshake_answer(&out, key, "chat", NULL, "");
    CHECK_STR(buf_cstr(&out), "HTTP/1.1 101 Switching Protocols\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                              "Sec-WebSocket-Protocol: chat\r\n\r\n");
    buf_clear(&out);
    ws_handshake_answer(&out, key, NULL, "permessage-deflate", "A: b\r\n");
    CHECK(strstr(buf_cstr(&out), "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
                                 "A: b\r\n\r\n"));
    CHECK(!strstr(out.data, "Sec-WebSocket-Protocol"));
    buf_free(&out);
    CHECK(ws_is_token("chat.v2") && !ws_is_token("") && !ws_is_token("a\r\nb") &&
          !ws_is_token("a,b"));
}

int main(void)
{
    RUN(reads_the_examples_of_the_rfc);
    RUN(writes_the_examples_of_the_rfc);
    RUN(reads_all_kinds_of_length);
    RUN(lets_control_frames_pass_between_fragments);
    RUN(refuses_what_breaks_the_framing);
    RUN(reads_close_frames);
    RUN(writes_close_payloads);
    RUN(checks_utf8_across_all_borders);
    RUN(fails_at_the_first_byte_that_cannot_be_utf8);
    RUN(keeps_the_message_limit);
    RUN(holds_no_memory_between_messages);
    RUN(checks_the_opening_handshake);
    return check_result("ws_frame");
}
