/* libFuzzer: permessage-deflate on any bytes.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ihost \
 *     tests/fuzz/fuzz_ws_deflate.c host/{ws_deflate,ws_frame,utf8,buf,mem,err}.c -lz -o fuzz
 *   ./fuzz -max_len=2000 tests/fuzz/corpus/ws_deflate
 *
 * The first byte chooses what the rest is: an offer of the handshake, a message to inflate
 * against a limit, a message that must come back as it was, or frames. */
#include "utf8.h"
#include "ws_deflate.h"
#include "ws_frame.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 5000 };

static struct ws_deflate *streams;

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void negotiate(const char *data, size_t len)
{
    struct buf offers = {0}, answer = {0}, again = {0};
    struct err err;
    buf_append(&offers, data, len);
    int bits = ws_deflate_negotiate(buf_cstr(&offers), &answer, &err);
    expect(bits == -1 || bits == 0 ||
           (bits >= WS_DEFLATE_BITS_MIN && bits <= WS_DEFLATE_BITS_MAX));
    expect((bits > 0) == (answer.len > 0));
    if (bits > 0) /* what we answer could have been offered */
        expect(ws_deflate_negotiate(buf_cstr(&answer), &again, &err) == bits);
    buf_free(&offers);
    buf_free(&answer);
    buf_free(&again);
}

static void inflate_any(const char *data, size_t len)
{
    struct buf out = {0};
    unsigned code = ws_inflate(streams, data, len, LIMIT, &out);
    expect(code == WS_CODE_TOO_BIG ? out.len > LIMIT : out.len <= LIMIT);
    expect(code == 0 || code == WS_CODE_BAD_DATA || code == WS_CODE_TOO_BIG);
    buf_free(&out);
}

/* Repeated, so that there is something to find for the compressor. */
static void there_and_back(unsigned bits, const char *data, size_t len)
{
    struct buf text = {0}, packed = {0}, out = {0};
    for (int i = 0; i < 5; i++)
        buf_append(&text, data, len);
    if (ws_deflate(streams, bits, text.data, text.len, &packed)) {
        expect(packed.len < text.len);
        expect(ws_inflate(streams, packed.data, packed.len, text.len, &out) == 0);
        expect(out.len == text.len && memcmp(out.data, text.data, out.len) == 0);
    } else {
        expect(packed.len == 0);
    }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&out);
}

static void parse(const char *data, size_t len)
{
    struct ws_parser parser;
    ws_parser_init(&parser, LIMIT);
    parser.streams = streams;
    for (size_t at = 0; at < len && !parser.failed;) {
        struct ws_event event;
        at += ws_parser_feed(&parser, data + at, len - at, &event);
        if (event.type == WS_EVENT_MESSAGE)
            expect(event.len <= LIMIT &&
                   (event.binary || utf8_valid(event.data, event.len)));
    }
    ws_parser_deinit(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!streams)
        streams = ws_deflate_new();
    const char *rest = (const char *)data + 1;
    switch (data[0] & 3) {
    case 0:
        negotiate(rest, size - 1);
        break;
    case 1:
        inflate_any(rest, size - 1);
        break;
    case 2:
        there_and_back(WS_DEFLATE_BITS_MIN + (data[0] >> 2) % 7, rest, size - 1);
        break;
    default:
        parse(rest, size - 1);
    }
    return 0;
}
