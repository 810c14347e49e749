/* libFuzzer: the multipart parser on any bytes. Read at once and read in pieces it must
 * give the same parts and the same verdict, and names must be clean UTF-8.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ihost \
 *     tests/fuzz/fuzz_multipart.c host/{multipart,utf8,buf,mem,err}.c -o fuzz && ./fuzz
 *
 * The first byte is the size of the pieces; the boundary is "b". The same bytes are also
 * given as a Content-Type. */
#include "buf.h"
#include "multipart.h"
#include "utf8.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void check_name(const char *name)
{
    expect(utf8_valid(name, strlen(name)));
    for (; *name; name++)
        expect((unsigned char)*name >= 0x20 && *name != 0x7f);
}

static int on_begin(void *arg, const struct multipart_part *part, struct err *err)
{
    (void)err;
    check_name(part->name);
    if (part->filename) {
        check_name(part->filename);
        expect(!strpbrk(part->filename, "/\\"));
    }
    buf_printf(arg, "[%s|%s|%s|", part->name, part->filename ? part->filename : "-",
               part->type);
    return 0;
}

static int on_data(void *arg, const char *data, size_t len, struct err *err)
{
    (void)err;
    buf_append(arg, data, len);
    return 0;
}

static int on_end(void *arg, struct err *err)
{
    (void)err;
    buf_putc(arg, ']');
    return 0;
}

static const struct multipart_events events = {on_begin, on_data, on_end};

static void parse(const char *data, size_t size, size_t piece, struct buf *seen)
{
    struct multipart *multipart = multipart_new("b", &events, seen);
    int rc = 0;
    for (size_t at = 0; at < size && rc == 0; at += piece)
        rc = multipart_feed(multipart, data + at, size - at < piece ? size - at : piece,
                            NULL);
    if (rc == 0)
        rc = multipart_finish(multipart, NULL);
    buf_puts(seen, rc < 0 ? "refused" : "taken");
    multipart_free(multipart);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    struct buf whole = {0}, pieces = {0}, type = {0};
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    parse(text, size - 1, size, &whole);
    parse(text, size - 1, (size_t)data[0] + 1, &pieces);
    expect(whole.len == pieces.len && memcmp(whole.data, pieces.data, whole.len) == 0);
    buf_puts(&type, "multipart/form-data;");
    buf_append(&type, text, size - 1);
    if (multipart_boundary(buf_cstr(&type), boundary, NULL) == 0)
        expect(strlen(boundary) > 0 && strlen(boundary) <= MULTIPART_BOUNDARY_MAX);
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&type);
    return 0;
}
