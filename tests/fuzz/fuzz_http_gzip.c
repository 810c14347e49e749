/* libFuzzer: gzip of answers. Any Accept-Encoding is read to its end, and says the same with its
 * letters in another case; what is compressed, at once or in pieces, is what was given.
 *
 *   make test-fuzz
 *
 * The first byte chooses: a header's value, or a body and the size of its pieces. */
#include "http_conn.h"
#include "mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 16 };

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void read_header(const char *data, size_t len)
{
    struct buf value = {0}, other = {0};
    buf_append(&value, data, strnlen(data, len)); /* no header holds a NUL */
    bool accepted = http_gzip_accepted(buf_cstr(&value));
    for (const char *at = value.data; *at; at++)
        buf_putc(&other,
                 (char)(islower((unsigned char)*at) ? toupper((unsigned char)*at)
                                                    : tolower((unsigned char)*at)));
    expect(http_gzip_accepted(buf_cstr(&other)) == accepted);
    if (!strcasestr(value.data, "gzip") && !strchr(value.data, '*'))
        expect(!accepted);
    buf_puts(&value, ",gzip;q=0,x-gzip;q=0");
    expect(!http_gzip_accepted(buf_cstr(&value)));
    buf_free(&value);
    buf_free(&other);
}

static void expect_unpacks(const struct buf *zipped, const char *data, size_t len)
{
    static char plain[MOST];
    z_stream stream = {.next_in = (Bytef *)zipped->data,
                       .avail_in = (uInt)zipped->len,
                       .next_out = (Bytef *)plain,
                       .avail_out = sizeof(plain)};
    expect(inflateInit2(&stream, 15 + 16) == Z_OK);
    expect(inflate(&stream, Z_FINISH) == Z_STREAM_END && !stream.avail_in);
    expect(stream.total_out == len && memcmp(plain, data, len) == 0);
    inflateEnd(&stream);
}

static void compress_body(const char *data, size_t len, size_t piece)
{
    struct buf body = {0}, zipped = {0};
    while (body.len + len <= MOST && body.len < 16 * len) /* something to find */
        buf_append(&body, data, len);
    if (http_gzip_once(3, body.data, body.len, &zipped))
        expect_unpacks(&zipped, body.data, body.len);
    z_stream stream;
    zipped.len = 0;
    expect(http_gzip_open(&stream, 3));
    for (size_t at = 0; at < body.len; at += piece) {
        size_t part = body.len - at < piece ? body.len - at : piece;
        expect(http_gzip_more(&stream, body.data + at, part, at + part == body.len,
                              &zipped));
    }
    deflateEnd(&stream);
    expect_unpacks(&zipped, body.data, body.len);
    buf_free(&body);
    buf_free(&zipped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    const char *rest = (const char *)data + 1;
    if (data[0] & 1)
        compress_body(rest, size - 1, 1 + (size_t)(data[0] >> 1) * 37);
    else
        read_header(rest, size - 1);
    return 0;
}
