/* The end of a compressed message is a sync flush, whose four constant bytes are not sent
 * (RFC 7692 section 7.2). With them put back, a whole message ends exactly where a block
 * ends; anything else was cut off. A message may also hold several complete streams one
 * after the other (section 7.2.3.4): each begins with an empty window.
 *
 * Parsing an offer tells two failures apart: what is no header at all (the handshake
 * fails), and a well-formed offer that we cannot meet (the next one is looked at). */
#include "ws_deflate.h"
#include "mem.h"
#include "ws_frame.h"
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum {
    MEMORY_LEVEL = 8,
    TAIL_BYTES = 4,
    AFTER_BLOCK = 128,  /* in z_stream.data_type */
    PIECE_BYTES = 4096, /* the least by which the inflated text grows */
};

static const char tail[] = "\x00\x00\xff\xff";

struct ws_deflate {
    z_stream *deflaters[WS_DEFLATE_BITS_MAX + 1]; /* by window bits */
    z_stream *inflater;
};

/* ---- Offers ---- */

enum { SERVER_TAKEOVER = 1, CLIENT_TAKEOVER = 2, SERVER_BITS = 4, CLIENT_BITS = 8 };

struct param {
    const char *name;
    size_t name_len;
    bool has_value;
    char value[4]; /* its first bytes, unquoted */
    size_t value_len;
};

struct offer {
    bool acceptable;
    unsigned seen; /* parameters, as bits */
    unsigned server_bits;
};

static bool is_token_byte(char byte)
{
    return byte && (isalnum((unsigned char)byte) || strchr("!#$%&'*+-.^_`|~", byte));
}

static void skip_space(const char **at)
{
    *at += strspn(*at, " \t");
}

static size_t token_width(const char *at)
{
    size_t len = 0;
    while (is_token_byte(at[len]))
        len++;
    return len;
}

static bool is_text(const char *text, size_t len, const char *other)
{
    return len == strlen(other) && strncasecmp(text, other, len) == 0;
}

static void add_value_byte(struct param *param, char byte)
{
    if (param->value_len < sizeof(param->value))
        param->value[param->value_len] = byte;
    param->value_len++;
}

/* A token, plain or quoted: a quoted value must be a token too (RFC 6455 section 9.1). */
static bool read_value(const char **at, struct param *param)
{
    bool quoted = **at == '"';
    *at += quoted;
    while (**at && !(quoted && **at == '"')) {
        if (quoted && **at == '\\')
            ++*at;
        if (!is_token_byte(**at))
            break;
        add_value_byte(param, *(*at)++);
    }
    if (quoted && **at != '"')
        return false;
    *at += quoted;
    return param->value_len > 0;
}

static bool read_param(const char **at, struct param *param)
{
    *param = (struct param){.name = *at, .name_len = token_width(*at)};
    *at += param->name_len;
    skip_space(at);
    if (**at != '=')
        return param->name_len > 0;
    ++*at;
    skip_space(at);
    param->has_value = true;
    if (!read_value(at, param))
        return false;
    skip_space(at);
    return param->name_len > 0;
}

/* 8 to 15 without leading zeros; else 0. */
static unsigned window_bits(const struct param *param)
{
    const char *value = param->value;
    if (param->value_len == 1 && (value[0] == '8' || value[0] == '9'))
        return (unsigned)(value[0] - '0');
    if (param->value_len == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5')
        return 10 + (unsigned)(value[1] - '0');
    return 0;
}

/* The bit of a parameter whose value is as it must be, else 0 (RFC 7692 section 7.1). */
static unsigned known_param(const struct param *param)
{
    if (is_text(param->name, param->name_len, "server_no_context_takeover"))
        return param->has_value ? 0 : SERVER_TAKEOVER;
    if (is_text(param->name, param->name_len, "client_no_context_takeover"))
        return param->has_value ? 0 : CLIENT_TAKEOVER;
    if (is_text(param->name, param->name_len, "server_max_window_bits"))
        return window_bits(param) ? SERVER_BITS : 0;
    if (is_text(param->name, param->name_len, "client_max_window_bits"))
        return !param->has_value || window_bits(param) ? CLIENT_BITS : 0;
    return 0;
}

static void take_param(struct offer *offer, const struct param *param)
{
    unsigned known = known_param(param);
    if (!known || (offer->seen & known))
        offer->acceptable = false;
    offer->seen |= known;
    if (known != SERVER_BITS)
        return;
    offer->server_bits = window_bits(param);
    if (offer->server_bits < WS_DEFLATE_BITS_MIN)
        offer->acceptable = false;
}

/* One extension of the list with its parameters. */
static bool read_offer(const char **at, struct offer *offer)
{
    struct param name;
    if (!read_param(at, &name) || name.has_value)
        return false;
    *offer = (struct offer){
        .acceptable = is_text(name.name, name.name_len, "permessage-deflate"),
        .server_bits = WS_DEFLATE_BITS_MAX,
    };
    while (**at == ';') {
        struct param param;
        ++*at;
        skip_space(at);
        if (!read_param(at, &param))
            return false;
        take_param(offer, &param);
    }
    return **at == ',' || !**at;
}

static void write_answer(const struct offer *offer, struct buf *answer)
{
    buf_puts(answer, "permessage-deflate; server_no_context_takeover; "
                     "client_no_context_takeover");
    if (offer->seen & SERVER_BITS)
        buf_printf(answer, "; server_max_window_bits=%u", offer->server_bits);
}

/* ---- Streams ---- */

static void *allocate(void *arg, unsigned items, unsigned size)
{
    (void)arg;
    return mem_resize(NULL, (size_t)items * size);
}

static void release(void *arg, void *block)
{
    (void)arg;
    free(block);
}

static z_stream *stream_new(void)
{
    z_stream *stream = mem_new(sizeof(*stream));
    stream->zalloc = allocate;
    stream->zfree = release;
    return stream;
}

/* Ready for a new message. Cannot fail: the parameters are fixed, and memory is there or
 * the process ends. The lowest level is the choice of a loop that others wait for. */
static z_stream *deflater(struct ws_deflate *streams, unsigned bits)
{
    z_stream **stream = &streams->deflaters[bits];
    if (*stream) {
        deflateReset(*stream);
    } else {
        *stream = stream_new();
        deflateInit2(*stream, Z_BEST_SPEED, Z_DEFLATED, -(int)bits, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY);
    }
    return *stream;
}

static z_stream *inflater(struct ws_deflate *streams)
{
    if (streams->inflater) {
        inflateReset(streams->inflater);
    } else {
        streams->inflater = stream_new();
        inflateInit2(streams->inflater, -WS_DEFLATE_BITS_MAX);
    }
    return streams->inflater;
}

/* Inflates all of `data`; `whole` tells whether it ended between two blocks. */
static unsigned inflate_part(z_stream *stream, const char *data, size_t len, size_t max,
                             struct buf *out, bool *whole)
{
    stream->next_in = (unsigned char *)(uintptr_t)data;
    stream->avail_in = (unsigned)len;
    *whole = false;
    while (stream->avail_in || !stream->avail_out) {
        size_t room = out->len < PIECE_BYTES ? PIECE_BYTES : out->len;
        if (room > max + 1 - out->len) /* one too many tells that it is too long */
            room = max + 1 - out->len;
        stream->next_out = (unsigned char *)buf_reserve(out, room);
        stream->avail_out = (unsigned)room;
        int rc = inflate(stream, Z_SYNC_FLUSH);
        out->len += room - stream->avail_out;
        if (out->len > max)
            return WS_CODE_TOO_BIG;
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return WS_CODE_BAD_DATA;
        if (rc != Z_BUF_ERROR) /* which says only that there was nothing left to do */
            *whole = rc == Z_STREAM_END || (stream->data_type & AFTER_BLOCK);
        if (rc == Z_STREAM_END)
            inflateReset(stream);
    }
    return 0;
}

/* ---- Public ---- */

struct ws_deflate *ws_deflate_new(void)
{
    return mem_new(sizeof(struct ws_deflate));
}

void ws_deflate_free(struct ws_deflate *streams)
{
    if (!streams)
        return;
    for (unsigned bits = 0; bits <= WS_DEFLATE_BITS_MAX; bits++) {
        if (!streams->deflaters[bits])
            continue;
        deflateEnd(streams->deflaters[bits]);
        free(streams->deflaters[bits]);
    }
    if (streams->inflater)
        inflateEnd(streams->inflater);
    free(streams->inflater);
    free(streams);
}

int ws_deflate_negotiate(const char *offers, struct buf *answer, struct err *err)
{
    struct offer chosen = {0};
    const char *at = offers ? offers : "";
    while (*(at += strspn(at, " \t,"))) {
        struct offer offer;
        if (!read_offer(&at, &offer))
            return err_set(err, ERR_INVALID, "Sec-WebSocket-Extensions is malformed");
        if (offer.acceptable && !chosen.acceptable)
            chosen = offer;
    }
    if (!chosen.acceptable)
        return 0;
    write_answer(&chosen, answer);
    return (int)chosen.server_bits;
}

bool ws_deflate(struct ws_deflate *streams, unsigned bits, const char *data, size_t len,
                struct buf *out)
{
    if (len < WS_DEFLATE_WORTH || len > UINT_MAX)
        return false;
    z_stream *stream = deflater(streams, bits);
    stream->next_in = (unsigned char *)(uintptr_t)data;
    stream->avail_in = (unsigned)len;
    stream->next_out = (unsigned char *)buf_reserve(out, len);
    stream->avail_out = (unsigned)len;
    if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || !stream->avail_out)
        return false;
    out->len += len - stream->avail_out - TAIL_BYTES;
    return true;
}

size_t ws_deflate_bound(size_t len)
{
    return len + len / 4 + 64;
}

unsigned ws_inflate(struct ws_deflate *streams, const char *data, size_t len, size_t max,
                    struct buf *out)
{
    bool whole;
    z_stream *stream = inflater(streams);
    unsigned code = inflate_part(stream, data, len, max, out, &whole);
    if (!code)
        code = inflate_part(stream, tail, TAIL_BYTES, max, out, &whole);
    return code ? code : whole ? 0 : WS_CODE_BAD_DATA;
}
