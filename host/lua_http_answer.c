/* Answering a request: a body, or a file. */
#include "lua_http_exchange.h"
#include "lua_util.h"
#include <string.h>
#include <strings.h>

#define LINES_TYPE "host.http.lines"

enum {
    HEADERS_MAX = 64, /* of an answer */
    FIELDS_MAX = 16,  /* of those that are given as arguments */
    DIGITS_MAX = 20,
};

static void add_header(lua_State *L, struct http_header *headers, size_t *count,
                       struct http_header header)
{
    if (*count == HEADERS_MAX)
        luaL_error(L, "more than %d headers", HEADERS_MAX);
    headers[(*count)++] = header;
}

/* Lines of headers that are checked already. Lua's, freed with it. */
struct lines {
    size_t len;
    char text[];
};

/* The table at `arg`. Texts made of numbers stay on the stack, which anchors them. */
static size_t collect_headers(lua_State *L, int arg, struct http_header *headers)
{
    size_t count = 0;
    if (lua_isnoneornil(L, arg))
        return 0;
    luaL_checktype(L, arg, LUA_TTABLE);
    luaL_checkstack(L, HEADERS_MAX + 8, "headers");
    lua_pushnil(L);
    while (lua_next(L, arg)) {
        struct http_header header;
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a header's name is no string");
        header.name = lua_tolstring(L, -2, &header.name_len);
        if (lua_istable(L, -1)) {
            int n = (int)lua_objlen(L, -1);
            for (int i = 1; i <= n; i++) {
                lua_rawgeti(L, -1, i);
                if (lua_type(L, -1) != LUA_TSTRING)
                    luaL_error(L, "header '%s': the list holds a %s", header.name,
                               luaL_typename(L, -1));
                header.value = lua_tolstring(L, -1, &header.value_len);
                add_header(L, headers, &count, header);
                lua_pop(L, 1);
            }
            lua_pop(L, 1);
            continue;
        }
        header.value = lua_tolstring(L, -1, &header.value_len);
        if (!header.value)
            luaL_error(L, "header '%s': string expected, got %s", header.name,
                       luaL_typename(L, -1));
        add_header(L, headers, &count, header);
        lua_insert(L, -2);
    }
    return count;
}

int lua_http_lines(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    struct buf text = {0};
    struct err err;
    lua_settop(L, 1);
    size_t count = collect_headers(L, 1, headers);
    if (http_lines(headers, count, &text, &err) < 0) {
        buf_free(&text);
        return luaL_error(L, "%s", err.message);
    }
    struct lines *lines = lua_newuserdata(L, sizeof(*lines) + text.len);
    lines->len = text.len;
    if (text.len)
        memcpy(lines->text, text.data, text.len);
    buf_free(&text);
    luaL_newmetatable(L, LINES_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

/* Takes the headers of this name out. */
static size_t without(struct http_header *headers, size_t count,
                      const struct http_header *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (headers[i].name_len != name->name_len ||
            strncasecmp(headers[i].name, name->name, name->name_len) != 0)
            headers[kept++] = headers[i];
    return kept;
}

/* A whole number as text, written backwards from the end of `digits`. */
static const char *write_whole(lua_State *L, int arg, char digits[DIGITS_MAX],
                               size_t *len)
{
    lua_Number number = lua_tonumber(L, arg);
    luaL_argcheck(L, number >= 0 && number < 1e15, arg, "a number of 0 to 1e15 expected");
    uint64_t whole = (uint64_t)number;
    size_t at = DIGITS_MAX;
    do {
        digits[--at] = (char)('0' + whole % 10);
        whole /= 10;
    } while (whole);
    *len = DIGITS_MAX - at;
    return digits + at;
}

/* The names in the table at `arg` (which anchors them) with the values behind it. */
static size_t collect_fields(lua_State *L, int arg, int top, struct http_header *headers,
                             size_t count, char digits[FIELDS_MAX][DIGITS_MAX])
{
    luaL_argcheck(L, top - arg <= FIELDS_MAX, top, "too many values");
    for (int value = arg + 1; value <= top; value++) {
        struct http_header header;
        if (lua_isnil(L, value))
            continue;
        lua_rawgeti(L, arg, value - arg);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, value, "has no name");
        header.name = lua_tolstring(L, -1, &header.name_len);
        lua_pop(L, 1);
        if (lua_type(L, value) == LUA_TNUMBER)
            header.value =
                write_whole(L, value, digits[value - arg - 1], &header.value_len);
        else
            header.value = luaL_checklstring(L, value, &header.value_len);
        count = without(headers, count, &header);
        add_header(L, headers, &count, header);
    }
    return count;
}

int lua_http_respond(lua_State *L)
{
    enum { FIELDS = 6 };
    struct http_header headers[HEADERS_MAX];
    char digits[FIELDS_MAX][DIGITS_MAX];
    struct exchange *exchange = exchange_check(L);
    int status = (int)luaL_checkinteger(L, 2);
    size_t len;
    struct err err;
    int top = lua_gettop(L);
    if (top > FIELDS)
        luaL_checktype(L, FIELDS, LUA_TTABLE);
    else
        lua_settop(L, FIELDS);
    const char *body = luaL_optlstring(L, 4, "", &len);
    const struct lines *lines =
        lua_isnil(L, 5) ? NULL : luaL_checkudata(L, 5, LINES_TYPE);
    size_t count = collect_headers(L, 3, headers);
    if (top > FIELDS)
        count = collect_fields(L, FIELDS, top, headers, count, digits);
    if (http_req_respond_with(exchange->req, status, lines ? lines->text : NULL,
                              lines ? lines->len : 0, headers, count, body, len,
                              &err) < 0)
        return luaL_error(L, "%s", err.message);
    return 0;
}

static int push_sent(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    if (exchange->err.code)
        return lua_fail(L, &exchange->err);
    lua_pushboolean(L, 1);
    return 1;
}

static void on_file(void *arg, const struct err *err)
{
    exchange_end(arg, err, push_sent);
}

int lua_http_send_file(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    struct exchange *exchange = exchange_check(L);
    int status = (int)luaL_checkinteger(L, 2);
    size_t path_len;
    const char *path = luaL_checklstring(L, 4, &path_len);
    lua_Number offset = luaL_optnumber(L, 5, 0);
    lua_Number length = luaL_optnumber(L, 6, -1);
    struct err err;
    luaL_argcheck(L, strlen(path) == path_len, 4, "a path holds no NUL");
    luaL_argcheck(L, offset >= 0 && offset < 1e15, 5, "an offset in bytes expected");
    luaL_argcheck(L, length >= -1 && length < 1e15, 6, "a size in bytes expected");
    task_current(L);
    lua_settop(L, 6);
    size_t count = collect_headers(L, 3, headers);
    exchange_begin(exchange);
    if (http_req_send_file(exchange->req, status, headers, count, path, (int64_t)offset,
                           (int64_t)length, on_file, exchange, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return exchange_wait(L, exchange, push_sent);
}
