#include "buf.h"
#include "check.h"
#include "json.h"
#include <math.h>

/* The events as text: what a case expects is readable. */
static struct buf trace, scratch;
static double last_number;

static void on_null(void *arg)
{
    (void)arg;
    buf_puts(&trace, "null ");
}

static void on_boolean(void *arg, bool value)
{
    (void)arg;
    buf_puts(&trace, value ? "true " : "false ");
}

static void on_number(void *arg, double value)
{
    (void)arg;
    last_number = value;
    CHECK(json_write_number(&trace, value));
    buf_putc(&trace, ' ');
}

static void on_string(void *arg, const char *text, size_t len)
{
    (void)arg;
    buf_json_string(&trace, text, len);
    buf_putc(&trace, ' ');
}

static void on_open_array(void *arg)
{
    (void)arg;
    buf_puts(&trace, "[ ");
}

static void on_close_array(void *arg)
{
    (void)arg;
    buf_puts(&trace, "] ");
}

static void on_open_object(void *arg)
{
    (void)arg;
    buf_puts(&trace, "{ ");
}

static void on_key(void *arg, const char *text, size_t len)
{
    (void)arg;
    buf_json_string(&trace, text, len);
    buf_puts(&trace, ": ");
}

static void on_close_object(void *arg)
{
    (void)arg;
    buf_puts(&trace, "} ");
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

/* A copy of exact size, so that the sanitizer sees any read behind the end. */
static int read_exact(const char *text, size_t len, unsigned depth, size_t *offset,
                      struct err *err)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    trace.len = 0;
    *err = (struct err){0};
    int rc = json_read(copy, len, depth, &events, NULL, &scratch, offset, err);
    free(copy);
    return rc;
}

static void expect(const char *text, const char *expected)
{
    struct err err;
    if (read_exact(text, strlen(text), JSON_DEPTH, NULL, &err) < 0)
        fprintf(stderr, "%s: %s\n", text, err.message);
    CHECK_STR(buf_cstr(&trace), expected);
}

static void refuse_bytes(const char *text, size_t len, long offset)
{
    struct err err;
    size_t at = 0;
    int rc = read_exact(text, len, JSON_DEPTH, &at, &err);
    if (rc == 0 || (offset >= 0 && at != (size_t)offset))
        fprintf(stderr, "%s: rc %d, offset %zu, expected %ld\n", text, rc, at, offset);
    CHECK(rc < 0);
    CHECK(rc == 0 || strcmp(err.code, ERR_INVALID) == 0);
    CHECK(offset < 0 || at == (size_t)offset);
}

static void refuse(const char *text, long offset)
{
    refuse_bytes(text, strlen(text), offset);
}

static void reads_every_kind_of_value(void)
{
    expect("null", "null ");
    expect(" \t\r\n true \n", "true ");
    expect("false", "false ");
    expect("\"\"", "\"\" ");
    expect("[]", "[ ] ");
    expect("[ ]", "[ ] ");
    expect("{}", "{ } ");
    expect("[[],{}]", "[ [ ] { } ] ");
    expect("{\"a\" : [1 , 2],\"\":null}", "{ \"a\": [ 1 2 ] \"\": null } ");
    expect("{\"a\":1,\"a\":2}", "{ \"a\": 1 \"a\": 2 } ");
}

static void reads_numbers_exactly(void)
{
    expect("0", "0 ");
    expect("-1", "-1 ");
    expect("123456789012345", "123456789012345 ");
    expect("9007199254740992", "9007199254740992 ");
    expect("-9007199254740991", "-9007199254740991 ");
    expect("51.5074", "51.5074 ");
    expect("-0.1278", "-0.1278 ");
    expect("0.1", "0.1 ");
    expect("1e2", "100 ");
    expect("1E+2", "100 ");
    expect("25e-1", "2.5 ");
    expect("1.7976931348623157e308", "1.7976931348623157e+308 ");
    expect("1e-400", "0 ");
    expect("5e-324", "4.94065645841247e-324 ");
    expect("0.30000000000000004", "0.30000000000000004 ");
    expect("0e999999999999", "0 ");
    expect("-0", "0 ");
    CHECK(signbit(last_number));
}

/* The short cut for decimals must round as strtod does. */
static void agrees_with_strtod(void)
{
    unsigned seed = 1, different = 0;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        seed = seed * 1103515245 + 12345;
        unsigned whole = seed >> 8;
        seed = seed * 1103515245 + 12345;
        int digits = 1 + (int)(seed >> 16) % 12;
        int len = snprintf(text, sizeof(text), "%u.%0*u", whole, digits, seed >> 4);
        struct err err;
        if (read_exact(text, (size_t)len, 1, NULL, &err) < 0 ||
            last_number != strtod(text, NULL))
            different++;
    }
    CHECK(different == 0);
}

static void refuses_what_is_no_number(void)
{
    refuse("01", 2);
    refuse("-", 1);
    refuse("+1", 0);
    refuse("1.", 2);
    refuse(".5", 0);
    refuse("-.5", 1);
    refuse("1e", 2);
    refuse("1e+", 3);
    refuse("1.e1", 2);
    refuse("0x10", 1);
    refuse("1_000", 1);
    refuse("-01", 3);
    refuse("- 1", 1);
    refuse("NaN", 0);
    refuse("Infinity", 0);
    refuse("-Infinity", 1);
    refuse("[1e400]", 1);
    refuse("-1e9999", 0);
    refuse("\xef\xbc\x91", 0); /* a fullwidth 1 */
}

static void reads_strings(void)
{
    expect("\"a\\\"b\\\\c\\/d\"", "\"a\\\"b\\\\c/d\" ");
    expect("\"\\b\\f\\n\\r\\t\"", "\"\\b\\f\\n\\r\\t\" ");
    expect("\"\\u0041\\u00e9\\u20AC\"", "\"A\xc3\xa9\xe2\x82\xac\" ");
    expect("\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\" ");
    expect("\"\\uDBFF\\uDFFF\"", "\"\xf4\x8f\xbf\xbf\" ");
    expect("\"\\u0000\"", "\"\\u0000\" ");
    expect("\"\xf0\x9f\x98\x80 \x7f \xe2\x80\xa8\"",
           "\"\xf0\x9f\x98\x80 \x7f \xe2\x80\xa8\" ");
    expect("{\"\\u0061b\":\"x\\ny\"}", "{ \"ab\": \"x\\ny\" } ");
}

static void refuses_damaged_strings(void)
{
    refuse("\"", 1);
    refuse("\"abc", 4);
    refuse("\"a\\", 3);
    refuse("\"\\x41\"", 2);
    refuse("\"\\u12\"", 5);
    refuse("\"\\u12G4\"", 5);
    refuse("\"\\u", 3);
    refuse("\"a\nb\"", 2);
    refuse("\"a\tb\"", 2);
    refuse_bytes("\"a\0b\"", 5, 2);
    refuse("\"\\uD800\"", 3);
    refuse("\"\\uDC00\"", 3);
    refuse("\"\\uD800\\uD800\"", 3);
    refuse("\"\\uD800\\n\"", 3);
    refuse("\"\\uD800", 3);
    refuse("'a'", 0);
    refuse("\"\x80\"", 1);
    refuse("\"\xc0\xaf\"", 1);         /* overlong */
    refuse("\"\xe0\x80\x80\"", 1);     /* overlong */
    refuse("\"ab\xed\xa0\x80\"", 3);   /* a surrogate as UTF-8 */
    refuse("\"\xf4\x90\x80\x80\"", 1); /* beyond U+10FFFF */
    refuse("\"\xe2\x82", 1);           /* cut off */
    refuse("{\"\xff\":1}", 2);
}

static void refuses_what_is_no_structure(void)
{
    refuse("", 0);
    refuse(" ", 1);
    refuse("[", 1);
    refuse("]", 0);
    refuse("[1", 2);
    refuse("[1,", 3);
    refuse("[1,]", 3);
    refuse("[,1]", 1);
    refuse("[1 2]", 3);
    refuse("[1,,2]", 3);
    refuse("[1}", 2);
    refuse("{", 1);
    refuse("{\"a\"", 4);
    refuse("{\"a\":", 5);
    refuse("{\"a\":1", 6);
    refuse("{\"a\":1,", 7);
    refuse("{\"a\":1,}", 7);
    refuse("{\"a\" 1}", 5);
    refuse("{\"a\"::1}", 5);
    refuse("{a:1}", 1);
    refuse("{1:1}", 1);
    refuse("{\"a\":1]", 6);
    refuse("1 2", 2);
    refuse("[] []", 3);
    refuse("nul", 0);
    refuse("nulll", 4);
    refuse("True", 0);
    refuse("tru", 0);
    refuse("// c\n1", 0);
    refuse("[1/* c */]", 2);
    refuse("\xef\xbb\xbf{}", 0); /* byte order mark */
    refuse("\xff\xfe[\0]\0", 0);
    refuse("[1]\f", 3);
    refuse("\xc2\xa0[1]", 0); /* no-break space */
    refuse_bytes("[1]\0", 4, 3);
    refuse_bytes("\0", 1, 0);
    refuse("<a>", 0);
}

/* Every prefix of a document is refused, none is read beyond its end. */
static void refuses_every_truncation(void)
{
    static const char text[] = "{\"a\":[1,-2.5e3,true,false,null,"
                               "\"\\u00e9\\uD83D\\uDE00\xe2\x82\xac\"],\"b\":{}}";
    struct err err;
    CHECK(read_exact(text, sizeof(text) - 1, JSON_DEPTH, NULL, &err) == 0);
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        CHECK(read_exact(text, len, JSON_DEPTH, NULL, &err) < 0);
}

static int read_nested(int levels, unsigned max_depth, struct err *err, size_t *offset)
{
    struct buf text = {0};
    for (int i = 0; i < levels; i++)
        buf_puts(&text, i % 2 ? "{\"k\":" : "[");
    buf_putc(&text, '1');
    for (int i = levels - 1; i >= 0; i--)
        buf_putc(&text, i % 2 ? '}' : ']');
    int rc = read_exact(text.data, text.len, max_depth, offset, err);
    buf_free(&text);
    return rc;
}

static void limits_the_depth(void)
{
    struct err err;
    size_t offset;
    CHECK(read_nested(0, 0, &err, &offset) == 0);
    CHECK(read_nested(1, 0, &err, &offset) < 0);
    CHECK(read_nested(32, 32, &err, &offset) == 0);
    CHECK(read_nested(33, 32, &err, &offset) < 0);
    CHECK_STR(err.code, JSON_TOO_DEEP);
    CHECK(offset == 16 + 16 * 5);
    CHECK(read_nested(JSON_DEPTH_MAX, 1000000, &err, &offset) == 0);
    CHECK(read_nested(100000, 1000000, &err, &offset) < 0);
    CHECK_STR(err.code, JSON_TOO_DEEP);
}

static void write_exactly(double value, const char *expected)
{
    struct buf out = {0};
    CHECK(json_write_number(&out, value));
    CHECK_STR(buf_cstr(&out), expected);
    buf_free(&out);
}

static void writes_numbers_shortly(void)
{
    write_exactly(0, "0");
    write_exactly(-0.0, "0");
    write_exactly(51.5074, "51.5074");
    write_exactly(-0.1278, "-0.1278");
    write_exactly(0.0000001, "0.0000001");
    write_exactly(1e-8, "1e-08");
    write_exactly(99999999.9999999, "99999999.9999999");
    write_exactly(123456789.5, "123456789.5");
    write_exactly(0.1 + 0.2, "0.30000000000000004");
    write_exactly(1e15, "1000000000000000");
    write_exactly(9007199254740992.0, "9007199254740992");
    write_exactly(1e300, "1e+300");
}

/* Near the limits of the short form as well as far from them. */
static void writes_any_double_so_that_it_reads_back(void)
{
    struct buf out = {0};
    unsigned seed = 3, different = 0;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1103515245 + 12345;
        double value = (double)(seed >> 4) / (double)(1u << (seed >> 8) % 30);
        value = i % 2 ? nextafter(value, 1e9) : round(value * 1e7) / 1e7;
        out.len = 0;
        json_write_number(&out, value);
        different += strtod(buf_cstr(&out), NULL) != value;
    }
    CHECK(different == 0);
    buf_free(&out);
}

static void writes_what_reads_back(void)
{
    static const double values[] = {
        0.1,
        1.0 / 3,
        123456.789,
        9007199254740993.0,
        -9007199254740992.0,
        1e21,
        5e-324,
        2.2250738585072e-308,
        1e15,
        -1.5,
    };
    struct buf out = {0};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        out.len = 0;
        CHECK(json_write_number(&out, values[i]));
        CHECK(strtod(buf_cstr(&out), NULL) == values[i]);
    }
    out.len = 0;
    CHECK(!json_write_number(&out, NAN));
    CHECK(!json_write_number(&out, INFINITY));
    CHECK(!json_write_number(&out, -INFINITY));
    CHECK(out.len == 0);
    buf_free(&out);
}

int main(void)
{
    RUN(reads_every_kind_of_value);
    RUN(reads_numbers_exactly);
    RUN(agrees_with_strtod);
    RUN(refuses_what_is_no_number);
    RUN(reads_strings);
    RUN(refuses_damaged_strings);
    RUN(refuses_what_is_no_structure);
    RUN(refuses_every_truncation);
    RUN(limits_the_depth);
    RUN(writes_numbers_shortly);
    RUN(writes_any_double_so_that_it_reads_back);
    RUN(writes_what_reads_back);
    buf_free(&trace);
    buf_free(&scratch);
    return check_result("json");
}
