/* A frame is a header (2 to 14 bytes, gathered in `head`) and `left` bytes of payload.
 * Every rule is checked as early as its bytes are there: a hostile length costs no
 * memory, bad UTF-8 fails before its message ends. Payload is appended to `message` or
 * `control` and unmasked in place there. A compressed message is inflated when it is whole:
 * the streams that do it are shared, so none can wait in the middle of one.
 *
 * Invariant: between two frames have == 0 and left == 0; `opcode` tells whether a
 * fragmented message is open. */
#include "ws_frame.h"
#include "utf8.h"
#include "ws_deflate.h"
#include <string.h>

static const char bad_utf8[] = "text is not UTF-8";
static const char too_long[] = "message is too long";

static bool fail(struct ws_parser *parser, struct ws_event *event, unsigned code,
                 const char *reason)
{
    buf_free(&parser->message);
    buf_free(&parser->control);
    parser->failed = true;
    *event = (struct ws_event){WS_EVENT_ERROR, .code = code, .data = reason,
                               .len = strlen(reason)};
    return false;
}

static bool fail_protocol(struct ws_parser *parser, struct ws_event *event,
                          const char *reason)
{
    return fail(parser, event, WS_CODE_PROTOCOL, reason);
}

static enum ws_opcode frame_opcode(const struct ws_parser *parser)
{
    return parser->head[0] & 0x0f;
}

static bool is_control(const struct ws_parser *parser)
{
    return parser->head[0] & 0x08;
}

static bool is_final(const struct ws_parser *parser)
{
    return parser->head[0] & 0x80;
}

/* RSV1 has a meaning where compression was agreed upon, on the first frame of a message. */
static unsigned allowed_bits(const struct ws_parser *parser)
{
    bool first = !is_control(parser) && frame_opcode(parser) != WS_CONTINUATION;
    return parser->streams && first ? WS_COMPRESSED : 0;
}

/* The rules that the first two bytes must obey. */
static bool check_start(struct ws_parser *parser, struct ws_event *event)
{
    enum ws_opcode opcode = frame_opcode(parser);
    unsigned len = parser->head[1] & 0x7f;
    if (parser->head[0] & 0x70 & ~allowed_bits(parser))
        return fail_protocol(parser, event, "reserved bits are set");
    if (!(parser->head[1] & 0x80))
        return fail_protocol(parser, event, "frame is not masked");
    if (is_control(parser)) {
        if (opcode > WS_PONG)
            return fail_protocol(parser, event, "unknown opcode");
        if (!is_final(parser))
            return fail_protocol(parser, event, "control frame is fragmented");
        if (len > WS_CONTROL_MAX)
            return fail_protocol(parser, event, "control frame is too long");
    } else {
        if (opcode > WS_BINARY)
            return fail_protocol(parser, event, "unknown opcode");
        if (opcode == WS_CONTINUATION && !parser->opcode)
            return fail_protocol(parser, event, "nothing to continue");
        if (opcode != WS_CONTINUATION && parser->opcode)
            return fail_protocol(parser, event, "the last message is not finished");
    }
    parser->need = 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + 4;
    return true;
}

/* The header is complete: its length, and the start of a message. */
static bool check_length(struct ws_parser *parser, struct ws_event *event)
{
    unsigned size = parser->need - 6; /* of the extended length */
    uint64_t len = size ? 0 : parser->head[1] & 0x7f;
    for (unsigned i = 0; i < size; i++)
        len = len << 8 | parser->head[2 + i];
    if ((size == 2 && len < 126) || (size == 8 && len <= UINT16_MAX) || len >> 63)
        return fail_protocol(parser, event, "length is not in its shortest form");
    if (!is_control(parser)) {
        if (!parser->opcode) {
            parser->opcode = (uint8_t)frame_opcode(parser);
            parser->compressed = parser->head[0] & WS_COMPRESSED;
        }
        size_t max = parser->compressed ? ws_deflate_bound(parser->max_message)
                                        : parser->max_message;
        if (len > max - parser->message.len)
            return fail(parser, event, WS_CODE_TOO_BIG, too_long);
    }
    parser->left = len;
    parser->mask_at = 0;
    return true;
}

static void unmask(struct ws_parser *parser, char *data, size_t len)
{
    const unsigned char *mask = parser->head + parser->need - 4;
    unsigned char turned[8]; /* the mask from mask_at on, twice */
    for (unsigned i = 0; i < 8; i++)
        turned[i] = mask[(parser->mask_at + i) & 3];
    uint64_t wide, block;
    memcpy(&wide, turned, 8);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&block, data + i, 8);
        block ^= wide;
        memcpy(data + i, &block, 8);
    }
    for (; i < len; i++)
        data[i] = (char)(data[i] ^ turned[i & 7]);
    parser->mask_at = (parser->mask_at + len) & 3;
}

static size_t take_payload(struct ws_parser *parser, const char *data, size_t len)
{
    if (len > parser->left)
        len = (size_t)parser->left;
    if (!len)
        return 0;
    struct buf *buf = is_control(parser) ? &parser->control : &parser->message;
    buf_append(buf, data, len);
    unmask(parser, buf->data + buf->len - len, len);
    parser->left -= len;
    return len;
}

/* Whether `len` (1 to 3) bytes can begin a character. What decides is the lead byte and
 * the second one, so if any tail completes them, one of these two does. */
static bool is_cut_character(const char *text, size_t len)
{
    char low[4] = {'\x80', '\x80', '\x80', '\x80'},
         high[4] = {'\xbf', '\xbf', '\xbf', '\xbf'};
    memcpy(low, text, len);
    memcpy(high, text, len);
    return utf8_width(low, 4) > len || utf8_width(high, 4) > len;
}

/* Looks at what came since the last look; `all`: nothing more will come. */
static bool check_text(struct ws_parser *parser, bool all)
{
    const struct buf *text = &parser->message;
    while (parser->checked < text->len) {
        const char *at = text->data + parser->checked;
        size_t rest = text->len - parser->checked;
        size_t width = utf8_width(at, rest);
        if (!width)
            return !all && rest < 4 && is_cut_character(at, rest);
        parser->checked += width;
    }
    return true;
}

static void hand_out(struct ws_parser *parser, struct ws_event *event,
                     enum ws_event_type type, const struct buf *payload)
{
    event->type = type;
    event->data = payload->len ? payload->data : "";
    event->len = payload->len;
    parser->handed = true;
}

static bool finish_close(struct ws_parser *parser, struct ws_event *event)
{
    const struct buf *payload = &parser->control;
    hand_out(parser, event, WS_EVENT_CLOSE, payload);
    event->code = WS_CODE_NONE;
    if (!payload->len)
        return true;
    if (payload->len == 1)
        return fail_protocol(parser, event, "close code is cut off");
    event->code =
        (unsigned)(unsigned char)payload->data[0] << 8 | (unsigned char)payload->data[1];
    if (!ws_close_code_valid(event->code))
        return fail_protocol(parser, event, "close code is not allowed");
    event->data += 2;
    event->len -= 2;
    if (!utf8_valid(event->data, event->len))
        return fail(parser, event, WS_CODE_BAD_DATA, "close reason is not UTF-8");
    return true;
}

static bool inflate_message(struct ws_parser *parser, struct ws_event *event)
{
    struct buf packed = parser->message;
    parser->message = (struct buf){0};
    unsigned code = ws_inflate(parser->streams, packed.data, packed.len,
                               parser->max_message, &parser->message);
    buf_free(&packed);
    if (code)
        return fail(parser, event, code,
                    code == WS_CODE_TOO_BIG ? too_long : "message does not inflate");
    if (parser->opcode == WS_TEXT && !check_text(parser, true))
        return fail(parser, event, WS_CODE_BAD_DATA, bad_utf8);
    return true;
}

static void finish_message(struct ws_parser *parser, struct ws_event *event)
{
    if (parser->compressed && !inflate_message(parser, event))
        return;
    event->binary = parser->opcode == WS_BINARY;
    hand_out(parser, event, WS_EVENT_MESSAGE, &parser->message);
    parser->opcode = 0;
}

/* All payload of the frame is there. */
static void finish_frame(struct ws_parser *parser, struct ws_event *event)
{
    parser->have = 0;
    parser->need = 2;
    switch (frame_opcode(parser)) {
    case WS_CLOSE:
        finish_close(parser, event);
        break;
    case WS_PING:
        hand_out(parser, event, WS_EVENT_PING, &parser->control);
        break;
    case WS_PONG:
        hand_out(parser, event, WS_EVENT_PONG, &parser->control);
        break;
    default:
        if (is_final(parser))
            finish_message(parser, event);
    }
}

void ws_parser_init(struct ws_parser *parser, size_t max_message)
{
    *parser = (struct ws_parser){.max_message = max_message, .need = 2};
}

void ws_parser_deinit(struct ws_parser *parser)
{
    buf_free(&parser->message);
    buf_free(&parser->control);
}

void ws_parser_release(struct ws_parser *parser)
{
    if (!parser->handed)
        return;
    parser->handed = false;
    buf_free(&parser->control);
    if (!parser->opcode) { /* else a control frame came between the fragments */
        buf_free(&parser->message);
        parser->checked = 0;
    }
}

size_t ws_parser_feed(struct ws_parser *parser, const char *data, size_t len,
                      struct ws_event *event)
{
    *event = (struct ws_event){WS_EVENT_NONE};
    ws_parser_release(parser);
    if (parser->failed) {
        fail_protocol(parser, event, "the connection has failed");
        return len;
    }
    size_t used = 0;
    while (used < len && event->type == WS_EVENT_NONE) {
        if (parser->have < parser->need) {
            parser->head[parser->have++] = (unsigned char)data[used++];
            if (parser->have == 2 && !check_start(parser, event))
                return len;
            if (parser->have < parser->need)
                continue;
            if (!check_length(parser, event))
                return len;
        }
        used += take_payload(parser, data + used, len - used);
        bool complete = parser->left == 0;
        if (!is_control(parser) && parser->opcode == WS_TEXT && !parser->compressed &&
            !check_text(parser, complete && is_final(parser))) {
            fail(parser, event, WS_CODE_BAD_DATA, bad_utf8);
            return len;
        }
        if (complete)
            finish_frame(parser, event);
    }
    return parser->failed ? len : used;
}

size_t ws_frame_header(char out[WS_HEADER_MAX], unsigned opcode, size_t len)
{
    unsigned size = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(size == 0 ? len : size == 2 ? 126 : 127);
    for (unsigned i = 0; i < size; i++)
        out[2 + i] = (char)((uint64_t)len >> 8 * (size - 1 - i));
    return 2 + size;
}

size_t ws_close_payload(char out[WS_CONTROL_MAX], unsigned code, const char *reason)
{
    if (code == WS_CODE_NONE)
        return 0;
    out[0] = (char)(code >> 8);
    out[1] = (char)code;
    size_t len = reason ? strlen(reason) : 0, at = 0;
    while (at < len) {
        size_t width = utf8_width(reason + at, len - at);
        if (!width || 2 + at + width > WS_CONTROL_MAX)
            break;
        at += width;
    }
    if (at)
        memcpy(out + 2, reason, at);
    return 2 + at;
}

bool ws_close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}
