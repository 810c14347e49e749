#include "sse.h"
#include <stdbool.h>
#include <string.h>
#include <time.h>

static size_t line_length(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && text[at] != '\n' && text[at] != '\r')
        at++;
    return at;
}

static bool is_id(const char *id, size_t len)
{
    return line_length(id, len) == len && !memchr(id, '\0', len);
}

void sse_head(struct buf *out)
{
    char date[64];
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    /* X-Accel-Buffering: a proxy that gathers an answer would hold the events back. */
    buf_printf(
        out,
        "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream\r\n"
        "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\nConnection: close\r\n",
        date);
}

void sse_event(struct buf *out, const char *id, size_t id_len, const char *text,
               size_t len)
{
    if (id && is_id(id, id_len)) {
        buf_puts(out, "id: ");
        buf_append(out, id, id_len);
        buf_putc(out, '\n');
    }
    for (;;) {
        size_t line = line_length(text, len);
        buf_puts(out, "data: ");
        buf_append(out, text, line);
        buf_putc(out, '\n');
        if (line == len)
            break;
        size_t end =
            text[line] == '\r' && line + 1 < len && text[line + 1] == '\n' ? 2 : 1;
        text += line + end;
        len -= line + end;
    }
    buf_putc(out, '\n');
}
