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

static void append_field(struct buf *out, const char *field, const char *value,
                         size_t len)
{
    if (!value || line_length(value, len) != len || memchr(value, '\0', len))
        return;
    buf_puts(out, field);
    buf_append(out, value, len);
    buf_putc(out, '\n');
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

void sse_retry(struct buf *out, unsigned ms)
{
    buf_printf(out, "retry: %u\n\n", ms);
}

void sse_event(struct buf *out, const struct sse_event *event)
{
    const char *text = event->text;
    size_t len = event->len;
    append_field(out, "event: ", event->name, event->name_len);
    append_field(out, "id: ", event->id, event->id_len);
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
