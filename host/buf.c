#include "buf.h"
#include "mem.h"
#include "utf8.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 64 * 1024 };

char *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->cap - buf->len < more) {
        size_t cap = buf->cap ? buf->cap : 128;
        while (cap - buf->len < more)
            cap *= 2;
        buf->data = mem_resize(buf->data, cap);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (!len)
        return;
    memcpy(buf_reserve(buf, len), data, len);
    buf->len += len;
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char byte)
{
    *buf_reserve(buf, 1) = byte;
    buf->len++;
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

/* Bytes of a string that stand for themselves: ASCII but for controls, quote and backslash. */
static const bool json_plain[256] = {
    [0x20 ... 0x21] = true,
    [0x23 ... 0x5b] = true,
    [0x5d ... 0x7f] = true,
};

void buf_json_string(struct buf *buf, const char *text, size_t len)
{
    buf_reserve(buf, len + 2); /* what most strings need */
    buf_putc(buf, '"');
    size_t start = 0, i = 0;
    for (;;) {
        while (i < len && json_plain[(unsigned char)text[i]])
            i++;
        if (i == len)
            break;
        unsigned char byte = (unsigned char)text[i];
        size_t width = utf8_width(text + i, len - i);
        if (width > 1) {
            i += width;
            continue;
        }
        buf_append(buf, text + start, i - start);
        if (width)
            json_escape(buf, byte);
        else
            buf_puts(buf, "\xef\xbf\xbd");
        start = ++i;
    }
    buf_append(buf, text + start, i - start);
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
