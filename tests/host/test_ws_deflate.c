#include "check.h"
#include "mem.h"
#include "ws_deflate.h"
#include "ws_frame.h"
#include <zlib.h>

#define ANSWER                                                                           \
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

enum { LIMIT = 100000 };

static struct ws_deflate *streams;

/* ---- Negotiation ---- */

/* The answer's value; "none" or "malformed" without one. */
static const char *answer_to(const char *offers, int *bits)
{
    static struct buf answer;
    struct err err;
    buf_clear(&answer);
    *bits = ws_deflate_negotiate(offers, &answer, &err);
    if (*bits < 0)
        CHECK_STR(err.code, ERR_INVALID);
    if (*bits <= 0)
        CHECK(answer.len == 0);
    return *bits < 0 ? "malformed" : *bits == 0 ? "none" : buf_cstr(&answer);
}

static void answers_offers(void)
{
    static const struct {
        const char *offers, *answer;
        int bits;
    } cases[] = {
        {NULL, "none", 0},
        {"", "none", 0},
        {"permessage-deflate", ANSWER, 15},
        {"PerMessage-Deflate", ANSWER, 15},
        {"permessage-deflate; client_max_window_bits", ANSWER, 15},
        {"permessage-deflate; client_max_window_bits=8", ANSWER, 15},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
         ANSWER, 15},
        {"permessage-deflate;server_max_window_bits=10",
         ANSWER "; server_max_window_bits=10", 10},
        {"permessage-deflate; server_max_window_bits=\"9\"",
         ANSWER "; server_max_window_bits=9", 9},
        {"permessage-deflate; server_max_window_bits=15",
         ANSWER "; server_max_window_bits=15", 15},
        {"permessage-deflate; server_max_window_bits=\"1\\2\"",
         ANSWER "; server_max_window_bits=12", 12},
        {"x-webkit-deflate-frame, permessage-deflate", ANSWER, 15},
        {"mux; a=b; c=\"d\" , , permessage-deflate ;client_max_window_bits = 9", ANSWER,
         15},
        /* The first that can be met. */
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", ANSWER, 15},
        {"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=11,"
         "permessage-deflate",
         ANSWER "; server_max_window_bits=11", 11},
        /* Well-formed, but to be declined (RFC 7692 section 7). */
        {"permessage-deflate-2", "none", 0},
        {"permessage-deflate; unknown=1", "none", 0},
        {"permessage-deflate; server_max_window_bits", "none", 0},
        {"permessage-deflate; server_max_window_bits=8", "none", 0},
        {"permessage-deflate; server_max_window_bits=7", "none", 0},
        {"permessage-deflate; server_max_window_bits=16", "none", 0},
        {"permessage-deflate; server_max_window_bits=010", "none", 0},
        {"permessage-deflate; server_max_window_bits=1000000000000", "none", 0},
        {"permessage-deflate; client_max_window_bits=0", "none", 0},
        {"permessage-deflate; client_max_window_bits=x", "none", 0},
        {"permessage-deflate; server_no_context_takeover=1", "none", 0},
        {"permessage-deflate; client_no_context_takeover=true", "none", 0},
        {"permessage-deflate; client_max_window_bits; client_max_window_bits", "none", 0},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
         "none", 0},
        /* No header at all (RFC 6455 section 9.1). */
        {";", "malformed", -1},
        {"permessage-deflate;", "malformed", -1},
        {"permessage-deflate; =1", "malformed", -1},
        {"permessage-deflate; a=", "malformed", -1},
        {"permessage-deflate; a=\"", "malformed", -1},
        {"permessage-deflate; a=\"\"", "malformed", -1},
        {"permessage-deflate; a=\"b c\"", "malformed", -1},
        {"permessage-deflate; a=\"b\\", "malformed", -1},
        {"permessage-deflate; a=b\"", "malformed", -1},
        {"permessage-deflate a", "malformed", -1},
        {"permessage-deflate=1", "malformed", -1},
        {"permessage-deflate, a b", "malformed", -1},
        {"(permessage-deflate)", "malformed", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int bits;
        CHECK_STR(answer_to(cases[i].offers, &bits), cases[i].answer);
        CHECK(bits == cases[i].bits);
    }
}

/* ---- Messages ---- */

/* "text" or the close code; from memory of its own size. */
static const char *inflated(const char *data, size_t len, size_t max)
{
    static struct buf out;
    buf_free(&out);
    char *copy = mem_resize(NULL, len + !len);
    if (len)
        memcpy(copy, data, len);
    unsigned code = ws_inflate(streams, copy, len, max, &out);
    free(copy);
    CHECK(code || out.len <= max);
    if (code) {
        buf_clear(&out);
        buf_printf(&out, "%u", code);
    }
    return buf_cstr(&out);
}

#define INFLATED(bytes) inflated(bytes, sizeof(bytes) - 1, LIMIT)

static void inflates_the_examples_of_the_rfc(void)
{
    CHECK_STR(INFLATED("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");
    CHECK_STR(INFLATED("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "Hello");
    CHECK_STR(INFLATED("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello");
    CHECK_STR(INFLATED("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello");
    CHECK_STR(INFLATED("\x00"), "");
    /* Two complete streams. */
    CHECK_STR(INFLATED("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
              "HelloHello");
}

static void refuses_what_is_damaged(void)
{
    CHECK_STR(INFLATED(""), "1007");
    CHECK_STR(INFLATED("\xf2\x48\xcd\xc9"), "1007");          /* cut off */
    CHECK_STR(INFLATED("\x07"), "1007");                      /* no such kind of block */
    CHECK_STR(INFLATED("\x00\x05\x00\x00\x00Hello"), "1007"); /* length and complement */
    CHECK_STR(INFLATED("\xcb\x48\x44\x3e\x00"), "1007"); /* refers to before its start */
    CHECK_STR(INFLATED("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello"); /* and is fine again */
}

/* Does the window's work for the peer; what reaches back too far fails. */
static char *inflate_with(unsigned bits, const struct buf *packed, size_t len)
{
    z_stream stream = {0};
    char *out = mem_new(len + 1);
    struct buf whole = {0};
    buf_append(&whole, packed->data, packed->len);
    buf_append(&whole, "\x00\x00\xff\xff", 4);
    CHECK(inflateInit2(&stream, -(int)bits) == Z_OK);
    stream.next_in = (unsigned char *)whole.data;
    stream.avail_in = (unsigned)whole.len;
    stream.next_out = (unsigned char *)out;
    stream.avail_out = (unsigned)len;
    CHECK(inflate(&stream, Z_SYNC_FLUSH) == Z_OK);
    CHECK(stream.avail_in == 0 && stream.avail_out == 0);
    inflateEnd(&stream);
    buf_free(&whole);
    return out;
}

static void writes_for_every_window(void)
{
    enum { SIZE = 50000 };
    struct buf text = {0};
    for (unsigned random = 7; text.len < SIZE;) {
        random = random * 1103515245 + 12345;
        buf_printf(&text, "{\"n\":%u}", random >> 18);
    }
    for (unsigned bits = WS_DEFLATE_BITS_MIN; bits <= WS_DEFLATE_BITS_MAX; bits++) {
        for (int again = 0; again < 2;
             again++) { /* nothing is left of the message before */
            struct buf packed = {0};
            CHECK(ws_deflate(streams, bits, text.data, text.len, &packed));
            CHECK(packed.len < text.len);
            char *out = inflate_with(bits, &packed, text.len);
            CHECK(memcmp(out, text.data, text.len) == 0);
            free(out);
            CHECK(memcmp(inflated(packed.data, packed.len, text.len), text.data,
                         text.len) == 0);
            buf_free(&packed);
        }
    }
    buf_free(&text);
}

static void leaves_alone_what_would_not_shrink(void)
{
    struct buf out = {0};
    char text[WS_DEFLATE_WORTH];
    memset(text, 'x', sizeof(text));
    CHECK(!ws_deflate(streams, 15, text, sizeof(text) - 1, &out));
    CHECK(ws_deflate(streams, 15, text, sizeof(text), &out));
    buf_free(&out);
    unsigned random = 1;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)((random = random * 1103515245 + 12345) >> 16);
    CHECK(!ws_deflate(streams, 15, text, sizeof(text), &out) && out.len == 0);
    buf_free(&out);
}

static void stops_a_bomb_at_the_limit(void)
{
    enum { SIZE = 20 * 1024 * 1024 };
    char *zeros = mem_new(SIZE);
    struct buf packed = {0}, out = {0};
    CHECK(ws_deflate(streams, 15, zeros, SIZE, &packed));
    CHECK(packed.len < LIMIT);
    CHECK(ws_inflate(streams, packed.data, packed.len, LIMIT, &out) == WS_CODE_TOO_BIG);
    CHECK(out.cap <= 4 * LIMIT);
    buf_free(&out);
    CHECK(ws_inflate(streams, packed.data, packed.len, SIZE - 1, &out) ==
          WS_CODE_TOO_BIG);
    buf_free(&out);
    CHECK(ws_inflate(streams, packed.data, packed.len, SIZE, &out) == 0);
    CHECK(out.len == SIZE);
    buf_free(&out);
    buf_free(&packed);
    free(zeros);
}

/* ---- Frames ---- */

/* What a parser makes of one frame after the other: "text:Hello;error 1002;". */
static const char *parsed(const char *frames, size_t len, bool agreed, size_t limit)
{
    static struct buf log;
    struct ws_parser parser;
    buf_clear(&log);
    ws_parser_init(&parser, limit);
    parser.streams = agreed ? streams : NULL;
    for (size_t at = 0; at < len;) {
        struct ws_event event;
        at += ws_parser_feed(&parser, frames + at, len - at, &event);
        if (event.type == WS_EVENT_MESSAGE)
            buf_printf(&log, "%s:%.*s;", event.binary ? "binary" : "text", (int)event.len,
                       event.data);
        else if (event.type == WS_EVENT_ERROR)
            buf_printf(&log, "error %u;", event.code);
        else if (event.type != WS_EVENT_NONE)
            buf_puts(&log, "control;");
    }
    ws_parser_deinit(&parser);
    return buf_cstr(&log);
}

/* Frames whose mask is all zero. */
#define MASK "\0\0\0\0"
#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define PARSED(frames) parsed(frames, sizeof(frames) - 1, true, LIMIT)

static void reads_compressed_messages(void)
{
    CHECK_STR(PARSED("\xc1\x87" MASK HELLO), "text:Hello;");
    CHECK_STR(PARSED("\xc2\x87" MASK HELLO "\x81\x82" MASK "hi"),
              "binary:Hello;text:hi;");
    CHECK_STR(PARSED("\x41\x83" MASK "\xf2\x48\xcd"
                     "\x89\x80" MASK "\x80\x84" MASK "\xc9\xc9\x07\x00"
                     "\xc1\x87" MASK HELLO),
              "control;text:Hello;text:Hello;");
    CHECK_STR(PARSED("\xc1\x81" MASK "\x00"), "text:;");
}

static void keeps_the_reserved_bits(void)
{
    CHECK_STR(parsed("\xc1\x80" MASK, 6, false, LIMIT), "error 1002;");
    CHECK_STR(PARSED("\xa1\x80" MASK), "error 1002;");                  /* RSV2 */
    CHECK_STR(PARSED("\xd1\x80" MASK), "error 1002;");                  /* RSV1, RSV3 */
    CHECK_STR(PARSED("\xc9\x80" MASK), "error 1002;");                  /* a ping */
    CHECK_STR(PARSED("\x01\x81" MASK "x\xc0\x80" MASK), "error 1002;"); /* a fragment */
    CHECK_STR(PARSED("\x41\x81" MASK "\xf2\xc0\x80" MASK), "error 1002;"); /* the same */
}

static void checks_what_came_out(void)
{
    /* A stored block of one byte that is no text; as binary it is fine. */
    CHECK_STR(PARSED("\xc1\x87" MASK "\x00\x01\x00\xfe\xff\xff\x00"), "error 1007;");
    CHECK_STR(PARSED("\xc2\x87" MASK "\x00\x01\x00\xfe\xff\xff\x00"), "binary:\xff;");
    CHECK_STR(PARSED("\xc1\x81" MASK "\x07"), "error 1007;");
    CHECK_STR(parsed("\xc1\x87" MASK HELLO, 13, true, 5), "text:Hello;");
    CHECK_STR(parsed("\xc1\x87" MASK HELLO, 13, true, 4), "error 1009;");
    /* Too long even if it shrank by nothing: refused at its header. */
    CHECK_STR(parsed("\xc1\xfe\x01\x00" MASK, 8, true, 100), "error 1009;");
}

int main(void)
{
    streams = ws_deflate_new();
    RUN(answers_offers);
    RUN(inflates_the_examples_of_the_rfc);
    RUN(refuses_what_is_damaged);
    RUN(writes_for_every_window);
    RUN(leaves_alone_what_would_not_shrink);
    RUN(stops_a_bomb_at_the_limit);
    RUN(reads_compressed_messages);
    RUN(keeps_the_reserved_bits);
    RUN(checks_what_came_out);
    ws_deflate_free(streams);
    return check_result("ws_deflate");
}
