/* buf.h - a growable byte buffer. `data` is not NUL-terminated unless buf_cstr() was called. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* owned; NULL while cap is 0 */
    size_t len;
    size_t cap;
};

/* What buf_reserve does when there is no room. */
char *buf_grow(struct buf *buf, size_t more);

/* Makes room for `more` bytes behind len and returns where they go; len is unchanged. */
static inline char *buf_reserve(struct buf *buf, size_t more)
{
    return buf->cap - buf->len < more ? buf_grow(buf, more) : buf->data + buf->len;
}

static inline void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (!len)
        return;
    memcpy(buf_reserve(buf, len), data, len);
    buf->len += len;
}

static inline void buf_puts(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

static inline void buf_putc(struct buf *buf, char byte)
{
    *buf_reserve(buf, 1) = byte;
    buf->len++;
}

/* Appends the decimal digits. */
void buf_put_whole(struct buf *buf, uint64_t number);

void buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends `text` as a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD. */
void buf_json_string(struct buf *buf, const char *text, size_t len);

/* Adds a NUL behind the content (not counted in len) and returns data. */
const char *buf_cstr(struct buf *buf);

/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);

/* Empties it; keeps the memory unless it grew beyond 64 KiB. */
void buf_clear(struct buf *buf);

/* Frees the memory; the buffer is empty and usable again. */
void buf_free(struct buf *buf);
