/* libFuzzer: server-sent events. Whatever text, id and name hold, a reader as the standard wants
 * it hears one event: the text with its line ends made LF, the id and the name or none.
 *
 *   make test-fuzz
 *
 * The first two bytes are the lengths of id and name, which come before the text. */
#include "sse.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

struct heard {
    struct buf data, id, name;
    int events;
};

static bool starts(const char *line, size_t len, const char *field, const char **value,
                   size_t *value_len)
{
    size_t field_len = strlen(field);
    if (len < field_len || memcmp(line, field, field_len) != 0)
        return false;
    if (len > field_len && line[field_len] != ':')
        return false;
    *value = len > field_len ? line + field_len + 1 : line + len;
    *value_len = (size_t)(line + len - *value);
    if (*value_len && **value == ' ') {
        (*value)++;
        (*value_len)--;
    }
    return true;
}

/* WHATWG HTML 9.2.6. */
static void hear_line(struct heard *heard, const char *line, size_t len)
{
    const char *value;
    size_t value_len;
    if (!len) {
        heard->events += heard->data.len > 0;
    } else if (starts(line, len, "data", &value, &value_len)) {
        buf_append(&heard->data, value, value_len);
        buf_putc(&heard->data, '\n');
    } else if (starts(line, len, "id", &value, &value_len)) {
        heard->id.len = 0;
        buf_append(&heard->id, value, value_len);
    } else if (starts(line, len, "event", &value, &value_len)) {
        heard->name.len = 0;
        buf_append(&heard->name, value, value_len);
    } else {
        expect(line[0] == ':'); /* nothing else is ever sent */
    }
}

static void hear(struct heard *heard, const struct buf *stream)
{
    const char *at = stream->data, *end = at + stream->len;
    while (at < end) {
        const char *stop = at;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        expect(stop < end); /* the last line is ended as well */
        hear_line(heard, at, (size_t)(stop - at));
        at = stop + 1 + (*stop == '\r' && stop + 1 < end && stop[1] == '\n');
    }
}

static bool is_one_line(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\n' || text[i] == '\r' || !text[i])
            return false;
    return true;
}

static void normalize(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')
            continue;
        buf_putc(out, text[i] == '\r' ? '\n' : text[i]);
    }
    buf_putc(out, '\n');
}

static void expect_same(const struct buf *heard, const char *text, size_t len)
{
    size_t wanted = is_one_line(text, len) ? len : 0;
    expect(heard->len == wanted && (!wanted || memcmp(heard->data, text, wanted) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf stream = {0}, wanted = {0};
    struct heard heard = {0};
    if (size < 2)
        return 0;
    const char *at = (const char *)data + 2;
    size -= 2;
    size_t id_len = data[0] % 32 < size ? data[0] % 32 : size;
    size_t name_len = data[1] % 32 < size - id_len ? data[1] % 32 : size - id_len;
    struct sse_event event = {
        .id = at,
        .id_len = id_len,
        .name = at + id_len,
        .name_len = name_len,
        .text = at + id_len + name_len,
        .len = size - id_len - name_len,
    };
    sse_event(&stream, &event);
    hear(&heard, &stream);
    normalize(&wanted, event.text, event.len);
    expect(heard.events == 1);
    expect(heard.data.len == wanted.len &&
           memcmp(heard.data.data, wanted.data, wanted.len) == 0);
    expect_same(&heard.id, event.id, event.id_len);
    expect_same(&heard.name, event.name, event.name_len);
    buf_free(&stream);
    buf_free(&wanted);
    buf_free(&heard.data);
    buf_free(&heard.id);
    buf_free(&heard.name);
    return 0;
}
