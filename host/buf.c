#include "buf.h"
#include "mem.h"
#include "plain.h"
#include "utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 64 * 1024 };

char *buf_grow(struct buf *buf, size_t more)
{
    size_t cap = buf->cap ? buf->cap : 128;
    while (cap - buf->len < more)
        cap *= 2;
    buf->data = mem_resize(buf->data, cap);
    buf->cap = cap;
    return buf->data + buf->len;
}

void buf_put_whole(struct buf *buf, uint64_t number)
{
    enum { DIGITS_MAX = 20 };
    size_t len = 1;
    for (uint64_t power = 10; len < DIGITS_MAX && number >= power; power *= 10)
        len++;
    char *out = buf_reserve(buf, len);
    for (size_t at = len; at; number /= 10)
        out[--at] = (char)('0' + number % 10);
    buf->len += len;
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    vsnprintf(buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, fmt, again);
    va_end(again);
    buf->len += (size_t)len;
}

static void json_escape(struct buf *buf, unsigned char byte)
{
    static const char *const shorts[] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n",  ['\r'] = "\\r",
        ['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\",
    };
    if (byte < sizeof(shorts) / sizeof(shorts[0]) && shorts[byte])
        buf_puts(buf, shorts[byte]);
    else
        buf_printf(buf, "\\u%04x", byte);
}

void buf_json_string(struct buf *buf, const char *text, size_t len)
{
    const char *at = text, *start = text, *end = text + len;
    buf_reserve(buf, len + 2); /* what most strings need */
    buf_putc(buf, '"');
    for (;;) {
        at = plain_run(at, end);
        if (at == end)
            break;
        size_t width = utf8_width(at, (size_t)(end - at));
        if (width > 1) {
            at += width;
            continue;
        }
        buf_append(buf, start, (size_t)(at - start));
        if (width)
            json_escape(buf, (unsigned char)*at);
        else
            buf_puts(buf, "\xef\xbf\xbd");
        start = ++at;
    }
    buf_append(buf, start, (size_t)(at - start));
    buf_putc(buf, '"');
}

const char *buf_cstr(struct buf *buf)
{
    *buf_reserve(buf, 1) = '\0';
    return buf->data;
}

void buf_consume(struct buf *buf, size_t len)
{
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->cap > KEEP_BYTES)
        buf_free(buf);
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}
