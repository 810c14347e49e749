/* Answering a request: a body, or a file. */
#include "lua_http_exchange.h"
#include "lua_util.h"
#include "lua_vm.h"
#include <string.h>
#include <strings.h>

#define FRAME_TYPE "host.http.frame"

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

/* A header in the text of a frame: "Name: value" and a line end; of a name, without value. */
struct line {
    size_t start, name_len, end;
};

/* What many answers have in common, checked already. Lua's, freed with it. */
struct frame {
    size_t count, names; /* of lines, and behind them of names that get values */
    size_t len;          /* of the lines' text */
    uint64_t lengths;    /* of the lines' names, as lengths_of tells them */
    struct line lines[HEADERS_MAX];
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

/* A bit for each length (by 64): two sets of names that share none have no name in common. */
static uint64_t lengths_of(const struct http_header *headers, size_t count)
{
    uint64_t lengths = 0;
    for (size_t i = 0; i < count; i++)
        lengths |= UINT64_C(1) << headers[i].name_len % 64;
    return lengths;
}

static int add_lines(struct frame *frame, const struct http_header *headers, size_t count,
                     struct buf *text, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t start = text->len;
        if (http_lines(&headers[i], 1, text, err) < 0)
            return -1;
        if (text->len > start) /* else it is the server's to write */
            frame->lines[frame->count++] =
                (struct line){start, headers[i].name_len, text->len};
    }
    frame->len = text->len;
    frame->lengths = lengths_of(headers, count);
    return 0;
}

/* Those in the table at `arg`. */
static int add_names(lua_State *L, int arg, struct frame *frame, struct buf *text,
                     struct err *err)
{
    size_t names = lua_isnil(L, arg) ? 0 : lua_objlen(L, arg);
    if (names > FIELDS_MAX || frame->count + names > HEADERS_MAX)
        return err_set(err, ERR_INVALID, "too many names");
    for (; frame->names < names; frame->names++) {
        struct http_header header = {.value = ""};
        size_t start = text->len;
        lua_rawgeti(L, arg, (int)frame->names + 1);
        header.name = lua_tolstring(L, -1, &header.name_len);
        if (!header.name || http_lines(&header, 1, text, err) < 0 || text->len == start)
            return err_set(err, ERR_INVALID, "name %zu cannot be one", frame->names + 1);
        frame->lines[frame->count + frame->names] =
            (struct line){start, header.name_len, text->len};
        lua_pop(L, 1);
    }
    return 0;
}

int lua_http_frame(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    struct frame made = {0};
    struct buf text = {0};
    struct err err;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = collect_headers(L, 1, headers);
    if (add_lines(&made, headers, count, &text, &err) < 0 ||
        add_names(L, 2, &made, &text, &err) < 0) {
        buf_free(&text);
        return luaL_error(L, "%s", err.message);
    }
    struct frame *frame = lua_newuserdata(L, sizeof(*frame) + text.len);
    *frame = made;
    if (text.len)
        memcpy(frame->text, text.data, text.len);
    buf_free(&text);
    luaL_newmetatable(L, FRAME_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

int lua_http_own_headers(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    const struct host *host = vm_host(L);
    struct buf lines = {0};
    struct err err;
    lua_settop(L, 1);
    size_t count = collect_headers(L, 1, headers);
    if (http_lines(headers, count, &lines, &err) < 0) {
        buf_free(&lines);
        return luaL_error(L, "%s", err.message);
    }
    if (host->http)
        http_server_own_lines(host->http, lines.data, lines.len);
    buf_free(&lines);
    return 0;
}

static bool has_line(const struct http_header *headers, size_t count, const char *name,
                     size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].name_len == len && strncasecmp(headers[i].name, name, len) == 0)
            return true;
    return false;
}

/* The lines of which no header has the name. */
static const char *lines_of(const struct frame *frame, const struct http_header *headers,
                            size_t count, size_t *len)
{
    static struct buf left; /* of the loop's thread */
    *len = frame->len;
    if (!(frame->lengths & lengths_of(headers, count)))
        return frame->text;
    buf_clear(&left);
    for (size_t i = 0; i < frame->count; i++) {
        const struct line *line = &frame->lines[i];
        if (!has_line(headers, count, frame->text + line->start, line->name_len))
            buf_append(&left, frame->text + line->start, line->end - line->start);
    }
    *len = left.len;
    return left.data;
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

/* The frame's names with the values at `first` and behind. */
static size_t collect_fields(lua_State *L, const struct frame *frame, int first,
                             struct http_header *headers, size_t count,
                             char digits[FIELDS_MAX][DIGITS_MAX])
{
    uint64_t lengths = lengths_of(headers, count);
    for (size_t i = 0; i < frame->names; i++) {
        const struct line *name = &frame->lines[frame->count + i];
        struct http_header header = {.name = frame->text + name->start,
                                     .name_len = name->name_len};
        int value = first + (int)i, type = lua_type(L, value);
        if (type == LUA_TNIL || type == LUA_TNONE)
            continue;
        if (type == LUA_TNUMBER)
            header.value = write_whole(L, value, digits[i], &header.value_len);
        else
            header.value = luaL_checklstring(L, value, &header.value_len);
        if (lengths & lengths_of(&header, 1))
            count = without(headers, count, &header);
        add_header(L, headers, &count, header);
    }
    return count;
}

int lua_http_respond(lua_State *L)
{
    enum { FRAME = 5 };
    struct http_header headers[HEADERS_MAX];
    char digits[FIELDS_MAX][DIGITS_MAX];
    struct exchange *exchange = exchange_check(L);
    int status = (int)luaL_checkinteger(L, 2);
    size_t len, lines_len = 0;
    struct err err;
    const char *body = luaL_optlstring(L, 4, "", &len), *lines = NULL;
    const struct frame *frame =
        lua_isnoneornil(L, FRAME) ? NULL : luaL_checkudata(L, FRAME, FRAME_TYPE);
    int values = frame ? (int)frame->names : 0;
    luaL_argcheck(L, lua_gettop(L) <= FRAME + values, FRAME + values + 1, "has no name");
    lua_settop(L, FRAME + values);
    size_t count = collect_headers(L, 3, headers);
    if (frame) {
        lines = lines_of(frame, headers, count, &lines_len);
        count = collect_fields(L, frame, FRAME + 1, headers, count, digits);
    }
    if (http_req_respond_with(exchange->req, status, lines, lines_len, headers, count,
                              body, len, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return 0;
}

static int push_sent(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    if (exchange->err)
        return lua_fail(L, exchange->err);
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
