/* What the reader accepts is written again and must be accepted again, with the same
 * events.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ihost \
 *     tests/fuzz/fuzz_json.c host/json.c host/buf.c host/mem.c host/utf8.c host/err.c -lm
 * \ -o fuzz_json && ./fuzz_json tests/fuzz/corpus/json */
#include "buf.h"
#include "json.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `out` is the document again; every value is followed by a comma, which the close drops.
 */
static void on_null(void *out)
{
    buf_puts(out, "null,");
}

static void on_boolean(void *out, bool value)
{
    buf_puts(out, value ? "true," : "false,");
}

static void on_number(void *out, double value)
{
    if (!json_write_number(out, value))
        abort();
    buf_putc(out, ',');
}

static void on_string(void *out, const char *text, size_t len)
{
    buf_json_string(out, text, len);
    buf_putc(out, ',');
}

static void on_key(void *out, const char *text, size_t len)
{
    buf_json_string(out, text, len);
    buf_putc(out, ':');
}

static void on_open_array(void *out)
{
    buf_putc(out, '[');
}

static void on_open_object(void *out)
{
    buf_putc(out, '{');
}

static void close_with(struct buf *out, const char *text)
{
    if (out->data[out->len - 1] == ',')
        out->len--;
    buf_puts(out, text);
}

static void on_close_array(void *out)
{
    close_with(out, "],");
}

static void on_close_object(void *out)
{
    close_with(out, "},");
}

static const struct json_events events = {
    .null = on_null,
    .boolean = on_boolean,
    .number = on_number,
    .string = on_string,
    .open_array = on_open_array,
    .close_array = on_close_array,
    .open_object = on_open_object,
    .key = on_key,
    .close_object = on_close_object,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf scratch = {0}, once = {0}, twice = {0};
    struct err err;
    size_t offset = 0;
    if (json_read((const char *)data, size, JSON_DEPTH, &events, &once, &scratch, &offset,
                  &err) == 0) {
        once.len--; /* the last comma */
        if (json_read(once.data, once.len, JSON_DEPTH, &events, &twice, &scratch, NULL,
                      &err) < 0)
            abort();
        if (twice.len - 1 != once.len || memcmp(once.data, twice.data, once.len) != 0)
            abort();
    } else if (offset > size) {
        abort();
    }
    buf_free(&scratch);
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
