/* libFuzzer: the WebSocket parser on any bytes. Read at once and read in pieces it must
 * tell the same events, and what it tells must keep the promises of ws_frame.h.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ihost \
 *     tests/fuzz/fuzz_ws_frame.c host/{ws_frame,ws_deflate,utf8,buf,mem,err}.c -lz -o fuzz
 *   ./fuzz -max_len=600 tests/fuzz/corpus/ws_frame
 *
 * The first byte chooses the pieces and the limit, the rest are frames. */
#include "utf8.h"
#include "ws_frame.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void check_event(const struct ws_event *event, size_t limit)
{
    expect(event->data != NULL);
    switch (event->type) {
    case WS_EVENT_MESSAGE:
        expect(event->len <= limit);
        expect(event->binary || utf8_valid(event->data, event->len));
        break;
    case WS_EVENT_CLOSE:
        expect(event->code == WS_CODE_NONE || ws_close_code_valid(event->code));
        expect(event->len <= WS_CONTROL_MAX - 2 && utf8_valid(event->data, event->len));
        break;
    case WS_EVENT_ERROR:
        expect(event->code == WS_CODE_PROTOCOL || event->code == WS_CODE_BAD_DATA ||
               event->code == WS_CODE_TOO_BIG);
        break;
    default:
        expect(event->len <= WS_CONTROL_MAX);
    }
}

/* Writes the events one after the other into `out`. */
static void read_all(const char *data, size_t size, size_t piece, size_t limit,
                     struct buf *out)
{
    struct ws_parser parser;
    ws_parser_init(&parser, limit);
    for (size_t at = 0; at < size && !parser.failed;) {
        struct ws_event event;
        size_t len = size - at < piece ? size - at : piece;
        size_t used = ws_parser_feed(&parser, data + at, len, &event);
        expect(used > 0 && used <= len);
        expect(parser.message.len <= limit && parser.control.len <= WS_CONTROL_MAX);
        at += used;
        if (event.type == WS_EVENT_NONE)
            continue;
        check_event(&event, limit);
        buf_printf(out, "%d %d %u %zu ", event.type, event.binary, event.code, event.len);
        buf_append(out, event.data, event.len);
        if (at % 2)
            ws_parser_release(&parser);
    }
    ws_parser_deinit(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t piece = 1 + data[0] % 16, limit = data[0] & 0x80 ? 100 : 70000;
    const char *frames = (const char *)data + 1;
    struct buf whole = {0}, pieces = {0};
    read_all(frames, size - 1, size, limit, &whole);
    read_all(frames, size - 1, piece, limit, &pieces);
    expect(whole.len == pieces.len &&
           (!whole.len || !memcmp(whole.data, pieces.data, whole.len)));
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
