/* The small modules that everything stands on: buf, utf8, conf, err. */
#include "buf.h"
#include "check.h"
#include "conf.h"
#include "err.h"
#include "utf8.h"
#include <errno.h>

static void grows_and_keeps_what_was_there(void)
{
    struct buf buf = {0};
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "%d,", i);
    CHECK(buf.len == 3890);
    CHECK(strncmp(buf_cstr(&buf) + 3886, "999,", 4) == 0);
    buf_consume(&buf, 3886);
    CHECK_STR(buf_cstr(&buf), "999,");
    buf_clear(&buf);
    CHECK(buf.len == 0 && buf.cap > 0);
    buf_free(&buf);
    CHECK(buf.data == NULL);
}

static void writes_whole_numbers(void)
{
    static const uint64_t numbers[] = {0,   9,    10,         99,        100,
                                       999, 1000, 4294967296, UINT64_MAX};
    struct buf buf = {0};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        buf_put_whole(&buf, numbers[i]);
        buf_putc(&buf, ' ');
    }
    CHECK_STR(buf_cstr(&buf), "0 9 10 99 100 999 1000 4294967296 18446744073709551615 ");
    buf.len = 0;
    buf_put_whole(&buf, UINT64_C(10000000000000000000));
    CHECK_STR(buf_cstr(&buf), "10000000000000000000");
    buf_free(&buf);
}

static void writes_json_strings(void)
{
    static const struct {
        const char *text;
        size_t len;
        const char *json;
    } cases[] = {
        {"plain", 5, "\"plain\""},
        {"a\"b\\c\n\t", 7, "\"a\\\"b\\\\c\\n\\t\""},
        {"\x01\x7f", 2, "\"\\u0001\x7f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"z\xc3\xbc\xe2\x82\xac", 6, "\"z\xc3\xbc\xe2\x82\xac\""},
        {"bad\xff!", 5, "\"bad\xef\xbf\xbd!\""},
        {"cut\xe2\x82", 5, "\"cut\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf buf = {0};
        buf_json_string(&buf, cases[i].text, cases[i].len);
        CHECK_STR(buf_cstr(&buf), cases[i].json);
        buf_free(&buf);
    }
}

/* The corners of the table in RFC 3629 section 4. */
static void knows_utf8(void)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\x80", 0},
        {"\xc1\xbf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xc3", 0},
        {"\xc3(", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK(utf8_width(cases[i].text, strlen(cases[i].text)) == cases[i].width);
    CHECK(utf8_width("", 0) == 0);
    char out[4];
    for (uint32_t code = 1; code <= 0x10ffff; code += 97) {
        size_t width = utf8_encode(code, out);
        if (code < 0xd800 || code > 0xdfff)
            CHECK(utf8_width(out, width) == width);
        else
            CHECK(utf8_width(out, width) == 0);
    }
}

static void looks_settings_up(void)
{
    static const char text[] = "http.port\0"
                               "8080\0db.name\0fixxit\0a.empty\0\0log.json\0true";
    struct conf *conf = conf_parse(text, sizeof(text));
    CHECK(conf_int(conf, "http.port") == 8080);
    CHECK_STR(conf_str(conf, "db.name"), "fixxit");
    CHECK_STR(conf_str(conf, "a.empty"), "");
    CHECK(conf_bool(conf, "log.json"));
    CHECK(!conf_bool(conf, "db.name"));
    conf_free(conf);
    conf_free(conf_parse("", 0));
}

static void names_what_went_wrong(void)
{
    struct err err = {0};
    CHECK(err_set(&err, ERR_INVALID, "%s %d", "number", 7) == -1);
    CHECK_STR(err.code, "INVALID");
    CHECK_STR(err.message, "number 7");
    CHECK(err_errno(&err, ENOSPC, "writing") == -1);
    CHECK_STR(err.code, ERR_DISK_FULL);
    CHECK(strncmp(err.message, "writing: ", 9) == 0);
    CHECK(err_errno(&err, EPERM, "x") == -1);
    CHECK_STR(err.code, ERR_IO);
    CHECK(err_set(NULL, ERR_IO, "nobody cares") == -1);
}

int main(void)
{
    RUN(grows_and_keeps_what_was_there);
    RUN(writes_whole_numbers);
    RUN(writes_json_strings);
    RUN(knows_utf8);
    RUN(looks_settings_up);
    RUN(names_what_went_wrong);
    return check_result("basics");
}
