/* The multipart parser alone: what comes out is written down as text and compared, for
 * every way to cut the input. */
#include "buf.h"
#include "check.h"
#include "mem.h"
#include "multipart.h"
#include <stdint.h>

static struct buf seen;
static size_t max_data;

static int on_begin(void *arg, const struct multipart_part *part, struct err *err)
{
    (void)arg, (void)err;
    buf_printf(&seen, "[%s|%s|%s|", part->name, part->filename ? part->filename : "-",
               part->type);
    return 0;
}

static int on_data(void *arg, const char *data, size_t len, struct err *err)
{
    (void)arg;
    if (len > max_data)
        return err_set(err, ERR_TOO_LARGE, "too large");
    buf_append(&seen, data, len);
    return 0;
}

static int on_end(void *arg, struct err *err)
{
    (void)arg, (void)err;
    buf_putc(&seen, ']');
    return 0;
}

static const struct multipart_events events = {on_begin, on_data, on_end};

/* Parses text[0..len) in pieces of `piece` bytes after a first one of `first`. Returns
 * what was seen, or the error's code. */
static const char *parse(const char *text, size_t len, size_t first, size_t piece)
{
    struct multipart *multipart = multipart_new("xx--yy", &events, NULL);
    struct err err = {0};
    int rc = 0;
    seen.len = 0;
    for (size_t at = 0; at < len && rc == 0;) {
        size_t part = at == 0 && first ? first : piece;
        if (part > len - at)
            part = len - at;
        char *copy = malloc(part); /* exact, so that a sanitizer sees a read beyond it */
        memcpy(copy, text + at, part);
        rc = multipart_feed(multipart, copy, part, &err);
        free(copy);
        at += part;
    }
    if (rc == 0)
        rc = multipart_finish(multipart, &err);
    multipart_free(multipart);
    return rc < 0 ? err.code : buf_cstr(&seen);
}

static const char *parse_all(const char *text)
{
    return parse(text, strlen(text), 0, strlen(text));
}

#define PART(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static const char sample[] =
    "preamble\r\n--xx--y\r\n"
    "--xx--yy\r\n"
    "content-disposition: form-data; name=\"title\"\r\n\r\n"
    "a\rb\nc\r\n--xx--y\r\r\n-\r\n"
    "\r\n--xx--yy \t\r\n"
    "Content-Type: image/jpeg\r\n"
    "Content-Disposition: form-data; filename=\"C:\\dir\\a \\\"b\\\".jpg\"; "
    "name=photo\r\n"
    "X-Other: 1\r\n\r\n"
    "\r\n--xx--yy\r\n" PART("empty") "\r\n--xx--yy--\r\nepilogue\r\n--xx--yy\r\n";

static const char expected[] = "[title|-||a\rb\nc\r\n--xx--y\r\r\n-\r\n]"
                               "[photo|a \"b\".jpg|image/jpeg|][empty|-||]";

static void finds_the_parts_however_the_body_is_cut(void)
{
    size_t len = sizeof(sample) - 1;
    for (size_t cut = 0; cut < len; cut++)
        CHECK_STR(parse(sample, len, cut, len), expected);
    for (size_t piece = 1; piece < 20; piece++)
        CHECK_STR(parse(sample, len, 0, piece), expected);
}

static void accepts_a_body_that_begins_with_the_boundary(void)
{
    CHECK_STR(parse_all("--xx--yy\r\n" PART("a") "1\r\n--xx--yy--"), "[a|-||1]");
    CHECK_STR(parse_all("--xx--yy--"), "");
}

static void refuses_what_is_cut_off(void)
{
    size_t whole = (size_t)(strstr(sample, "--\r\nepilogue") - sample) + 2;
    for (size_t len = 0; len < whole; len++)
        CHECK_STR(parse(sample, len, 0, len ? len : 1), ERR_INVALID);
}

static void refuses_malformed_parts(void)
{
    static const char *const headers[] = {
        "",
        "Content-Type: text/plain\r\n",
        "Content-Disposition: form-data\r\n",
        "Content-Disposition: attachment; name=a\r\n",
        "Content-Disposition: form-data; name=\"a\r\n",
        "Content-Disposition: form-data; name=a b\r\n",
        "Content-Disposition: form-data name=a\r\n",
        "Content-Disposition: form-data; name=a; name=b\r\n",
        "Content-Disposition: form-data; name=a; filename=b; filename=c\r\n",
        "Content-Disposition: form-data; name=a; filename*=latin1''b\r\n",
        "Content-Disposition: form-data; name=a; filename*=utf-8''%e\r\n",
        "Content-Disposition: form-data; name=a; filename*=utf-8''%ff\r\n",
        "Content-Disposition: form-data; name=a; filename*=utf-8''a%00b\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
        "name=b\r\n",
        "Content-Disposition: form-data; name=\"\xff\"\r\n",
        "Content-Disposition: form-data; name=\"a\x01\"\r\n",
        "Content-Disposition: form-data; name=\"a\x7f\"\r\n",
        "Content-Disposition: form-data;\r\n name=a\r\n",
        "Content-Disposition : form-data; name=a\r\n",
        "Content-Disposition: form-data; name=a\r\nno colon\r\n",
        "Content-Disposition: form-data; name=a\r\nX: a\nb\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct buf text = {0};
        buf_printf(&text, "--xx--yy\r\n%s\r\nvalue\r\n--xx--yy--\r\n", headers[i]);
        const char *got = parse(text.data, text.len, 0, text.len);
        if (strcmp(got, ERR_INVALID) != 0)
            fprintf(stderr, "accepted: %s\n", headers[i]);
        CHECK_STR(got, ERR_INVALID);
        buf_free(&text);
    }
    CHECK_STR(parse("--xx--yy\r\nA: \0\r\n\r\n", 19, 0, 19), ERR_INVALID);
    CHECK_STR(parse_all("--xx--yyy\r\n" PART("a") "\r\n--xx--yy--"), ERR_INVALID);
    CHECK_STR(parse_all("--xx--yy -\r\n" PART("a") "\r\n--xx--yy--"), ERR_INVALID);
    CHECK_STR(parse_all("--xx--yy\r\n" PART("a") "\r\n--xx--yy-x"), ERR_INVALID);
}

static void reads_file_names(void)
{
    static const struct {
        const char *parameter, *name;
    } table[] = {
        {"filename=\"a.jpg\"", "a.jpg"},
        {"filename=a.jpg", "a.jpg"},
        {"filename=\"\"", ""},
        {"filename=\"../../etc/passwd\"", "passwd"},
        {"filename=\"dir/\"", ""},
        {"filename=\"C:\\x\\y.jpg\"", "y.jpg"},
        {"filename=\"\xc3\xa4;=.jpg\"", "\xc3\xa4;=.jpg"},
        {"FILENAME=\"a\"", "a"},
        {"filename=\"plain\"; filename*=UTF-8''%c3%A4%20b", "\xc3\xa4 b"},
        {"filename*=utf-8''..%2fb; filename=plain", "b"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct buf text = {0}, want = {0};
        buf_printf(&text,
                   "--xx--yy\r\nContent-Disposition: form-data; name=f; %s\r\n\r\n"
                   "\r\n--xx--yy--",
                   table[i].parameter);
        buf_printf(&want, "[f|%s||]", table[i].name);
        CHECK_STR(parse(text.data, text.len, 0, text.len), buf_cstr(&want));
        buf_free(&text);
        buf_free(&want);
    }
}

static void keeps_its_limits(void)
{
    enum { ROOM = MULTIPART_HEADERS_MAX };
    static const char head[] = "Content-Disposition: form-data; name=a\r\nX: ";
    for (int over = 0; over < 2; over++) {
        struct buf text = {0};
        size_t filler = ROOM - (sizeof(head) - 1) - 4 + (size_t)over;
        buf_printf(&text, "--xx--yy\r\n%s%*s\r\n\r\n\r\n--xx--yy--", head, (int)filler,
                   "x");
        CHECK_STR(parse(text.data, text.len, 0, text.len),
                  over ? ERR_INVALID : "[a|-||]");
        buf_free(&text);
        buf_printf(&text, "%*s\r\n--xx--yy--", 8 * 1024 - 100 + 200 * over, "x");
        CHECK_STR(parse(text.data, text.len, 0, 100), over ? ERR_INVALID : "");
        buf_free(&text);
    }
    max_data = 3;
    CHECK_STR(parse_all("--xx--yy\r\n" PART("a") "1234\r\n--xx--yy--"), ERR_TOO_LARGE);
    max_data = SIZE_MAX;
}

static void takes_the_boundary_from_the_type(void)
{
    static const struct {
        const char *type, *boundary; /* NULL: refused */
    } table[] = {
        {"multipart/form-data; boundary=abc", "abc"},
        {"Multipart/Form-Data;charset=utf-8; Boundary=\"a b'()+_,-./:=?\"",
         "a b'()+_,-./:=?"},
        {"multipart/form-data; boundary=abc;", "abc"},
        {"multipart/form-data", NULL},
        {"multipart/form-data; boundary=", NULL},
        {"multipart/form-data; boundary=\"\"", NULL},
        {"multipart/form-data; boundary=\"a \"", NULL},
        {"multipart/form-data; boundary=\"a\\\"\"", NULL},
        {"multipart/form-data; boundary=a; boundary=b", NULL},
        {"multipart/form-data boundary=a", NULL},
        {"multipart/form-datas; boundary=a", NULL},
        {"multipart/mixed; boundary=a", NULL},
        {"", NULL},
        {"multipart/form-data; "
         "boundary="
         "0123456789012345678901234567890123456789012345678901234567890123456789",
         "0123456789012345678901234567890123456789012345678901234567890123456789"},
        {"multipart/form-data; "
         "boundary="
         "01234567890123456789012345678901234567890123456789012345678901234567890",
         NULL},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char out[MULTIPART_BOUNDARY_MAX + 1];
        struct err err;
        int rc = multipart_boundary(table[i].type, out, &err);
        CHECK(rc == (table[i].boundary ? 0 : -1));
        if (rc == 0 && table[i].boundary)
            CHECK_STR(out, table[i].boundary);
    }
}

int main(void)
{
    max_data = SIZE_MAX;
    RUN(finds_the_parts_however_the_body_is_cut);
    RUN(accepts_a_body_that_begins_with_the_boundary);
    RUN(refuses_what_is_cut_off);
    RUN(refuses_malformed_parts);
    RUN(reads_file_names);
    RUN(keeps_its_limits);
    RUN(takes_the_boundary_from_the_type);
    buf_free(&seen);
    return check_result("multipart");
}
