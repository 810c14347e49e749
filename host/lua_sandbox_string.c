/* string.rep and string.format, whose results may be larger than what they are made of. */
#include "lua_sandbox_vm.h"
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    REP_MAX = 64 * 1024,
    NUMBER_ROOM = 512, /* %99.99f of 1e308 has 409 */
};

struct format {
    lua_State *L;
    luaL_Buffer out;
    size_t len;
    int arg;
    /* The directive at hand. */
    char spec[16]; /* "%-08.3", without the letter */
    bool left;
    int width, precision; /* precision -1: none */
};

static int l_rep(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    int count = sandbox_check_integer(L, 2);
    luaL_Buffer out;
    if (count < 0 || len == 0)
        count = 0;
    if (len * (size_t)count > REP_MAX)
        return luaL_error(L, "the text would be longer than %d bytes", REP_MAX);
    sandbox_charge(L, 8 + (unsigned)count + (unsigned)(len * (size_t)count) / 32);
    luaL_buffinit(L, &out);
    for (int i = 0; i < count; i++)
        luaL_addlstring(&out, text, len);
    luaL_pushresult(&out);
    return 1;
}

static void put(struct format *f, const char *text, size_t len)
{
    f->len += len;
    if (f->len > SANDBOX_STRING_MAX)
        luaL_error(f->L, "the text would be longer than %d bytes", SANDBOX_STRING_MAX);
    sandbox_charge(f->L, 1 + (unsigned)len / 32);
    luaL_addlstring(&f->out, text, len);
}

static void put_padded(struct format *f, const char *text, size_t len)
{
    static const char spaces[100] = "                                                  "
                                    "                                                 ";
    size_t pad = (size_t)f->width > len ? (size_t)f->width - len : 0;
    if (!f->left)
        put(f, spaces, pad);
    put(f, text, len);
    if (f->left)
        put(f, spaces, pad);
}

/* Up to two digits; a third one is an error. */
static const char *read_digits(struct format *f, const char *at, int *value)
{
    *value = 0;
    for (int digits = 0; isdigit((unsigned char)*at); digits++) {
        if (digits == 2)
            luaL_error(f->L, "invalid format (width or precision over 99)");
        *value = *value * 10 + (*at++ - '0');
    }
    return at;
}

/* Behind the "%": returns where the letter is. The text ends with a NUL, as Lua's do. */
static const char *read_spec(struct format *f, const char *at)
{
    const char *start = at;
    size_t flags = strspn(at, "-+ #0");
    if (flags > 5)
        luaL_error(f->L, "invalid format (repeated flags)");
    f->left = memchr(at, '-', flags) != NULL;
    at = read_digits(f, at + flags, &f->width);
    f->precision = -1;
    if (*at == '.')
        at = read_digits(f, at + 1, &f->precision);
    snprintf(f->spec, sizeof(f->spec), "%%%.*s", (int)(at - start), start);
    return at;
}

static void put_number(struct format *f, char letter)
{
    char spec[sizeof(f->spec) + 4], text[NUMBER_ROOM];
    lua_Number number = luaL_checknumber(f->L, f->arg);
    int len;
    if (strchr("aAeEfFgG", letter)) {
        snprintf(spec, sizeof(spec), "%s%c", f->spec, letter);
        len = snprintf(text, sizeof(text), spec, number);
    } else {
        bool negative = number < 0;
        if (!(number >= -9223372036854775808.0 && number < 18446744073709551616.0))
            luaL_argerror(f->L, f->arg, "the number is out of an integer's range");
        long long whole = negative ? (long long)number : (long long)(uint64_t)number;
        snprintf(spec, sizeof(spec), "%sll%c", f->spec, letter);
        len = snprintf(text, sizeof(text), spec, whole);
    }
    put(f, text, (size_t)len);
}

static void put_text(struct format *f)
{
    size_t len;
    lua_pushvalue(f->L, f->arg);
    sandbox_tostring(f->L);
    lua_replace(f->L, f->arg);
    const char *text = lua_tolstring(f->L, f->arg, &len);
    if (f->precision >= 0 && (size_t)f->precision < len)
        len = (size_t)f->precision;
    put_padded(f, text, len);
}

static void put_quoted(struct format *f)
{
    size_t len;
    const char *text = luaL_checklstring(f->L, f->arg, &len);
    put(f, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char byte = text[i], code[8];
        bool digit = i + 1 < len && isdigit((unsigned char)text[i + 1]);
        if (byte == '"' || byte == '\\' || byte == '\n')
            put(f, (char[]){'\\', byte}, 2);
        else if (iscntrl((unsigned char)byte))
            put(f, code,
                (size_t)snprintf(code, sizeof(code), digit ? "\\%03d" : "\\%d", byte));
        else
            put(f, &byte, 1);
    }
    put(f, "\"", 1);
}

static void put_byte(struct format *f)
{
    char byte = (char)sandbox_check_integer(f->L, f->arg);
    put_padded(f, &byte, 1);
}

static const char *directive(struct format *f, const char *at)
{
    at = read_spec(f, at);
    f->arg++;
    if (!*at)
        luaL_error(f->L, "invalid format (ends with '%%')");
    luaL_checkany(f->L, f->arg);
    if (strchr("diuxXoaAeEfFgG", *at))
        put_number(f, *at);
    else if (*at == 's')
        put_text(f);
    else if (*at == 'q')
        put_quoted(f);
    else if (*at == 'c')
        put_byte(f);
    else
        luaL_error(f->L, "invalid option '%%%c' to 'format'", *at);
    return at + 1;
}

static int l_format(lua_State *L)
{
    struct format f = {.L = L, .arg = 1};
    size_t len;
    const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
    luaL_buffinit(L, &f.out);
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        size_t plain = (size_t)((percent ? percent : end) - at);
        put(&f, at, plain);
        at += plain;
        if (!percent)
            break;
        at++;
        if (*at == '%')
            put(&f, at++, 1);
        else
            at = directive(&f, at);
    }
    luaL_pushresult(&f.out);
    return 1;
}

void sandbox_add_string(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"format", l_format}, {"rep", l_rep}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    sandbox_add_patterns(L);
}
