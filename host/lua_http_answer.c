/* Answering a request: a body, or a file. */
#include "lua_http_exchange.h"
#include "lua_util.h"
#include "lua_vm.h"
#include <string.h>
#include <strings.h>

#define FRAME_TYPE "host.http.frame"
#define HEADERS_TYPE "host.http.headers"

enum {
    HEADERS_MAX = 64, /* of an answer */
    FIELDS_MAX = 16,  /* of those that are given as arguments */
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
    bool of_body; /* what becomes of the body depends on it */
};

/* What many answers have in common, checked already. Lua's, freed with it. */
struct frame {
    struct box box;      /* of itself */
    size_t count, names; /* of lines, and behind them of names that get values */
    size_t len;          /* of the lines' text */
    uint64_t lengths;    /* of the lines' names, as lengths_of tells them */
    struct line lines[HEADERS_MAX];
    char text[];
};

/* Headers of an answer, checked already. Lua's, as what they point into behind them. */
struct sealed {
    struct box box; /* of itself */
    size_t count;
    struct http_header headers[];
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
                (struct line){start, headers[i].name_len, text->len, false};
    }
    frame->len = text->len;
    frame->lengths = lengths_of(headers, count);
    return 0;
}

static bool is_of_body(const char *name)
{
    return strncasecmp(name, "Content-", 8) == 0 || strcasecmp(name, "ETag") == 0 ||
           strcasecmp(name, "Cache-Control") == 0;
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
            (struct line){start, header.name_len, text->len, is_of_body(header.name)};
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
    frame->box = (struct box){frame, FRAME_TYPE};
    if (text.len)
        memcpy(frame->text, text.data, text.len);
    buf_free(&text);
    luaL_newmetatable(L, FRAME_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

static const char *copy(char **at, const char *text, size_t len)
{
    char *start = *at;
    memcpy(start, text, len);
    *at += len;
    return start;
}

int lua_http_headers(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    struct err err;
    size_t bytes = 0;
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t count = collect_headers(L, 1, headers);
    for (size_t i = 0; i < count; i++) {
        if (http_header_check(&headers[i], &err) < 0)
            return luaL_error(L, "%s", err.message);
        bytes += headers[i].name_len + headers[i].value_len;
    }
    struct sealed *sealed =
        lua_newuserdata(L, sizeof(*sealed) + count * sizeof(*headers) + bytes);
    char *at = (char *)(sealed->headers + count);
    sealed->box = (struct box){sealed, HEADERS_TYPE};
    sealed->count = count;
    for (size_t i = 0; i < count; i++) {
        struct http_header *header = &sealed->headers[i];
        *header = headers[i];
        header->name = copy(&at, header->name, header->name_len);
        header->value = copy(&at, header->value, header->value_len);
    }
    luaL_newmetatable(L, HEADERS_TYPE);
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

/* Appends the lines of which no header has the name. */
static void put_lines(const struct frame *frame, const struct http_header *headers,
                      size_t count, struct buf *out)
{
    if (!(frame->lengths & lengths_of(headers, count))) {
        buf_append(out, frame->text, frame->len);
        return;
    }
    for (size_t i = 0; i < frame->count; i++) {
        const struct line *line = &frame->lines[i];
        if (!has_line(headers, count, frame->text + line->start, line->name_len))
            buf_append(out, frame->text + line->start, line->end - line->start);
    }
}

/* Takes the headers of this name out; the first `*checked` of them are known to be sound. */
static size_t without(struct http_header *headers, size_t count, size_t *checked,
                      const struct http_header *name)
{
    size_t kept = 0, sound = 0;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name_len == name->name_len &&
            strncasecmp(headers[i].name, name->name, name->name_len) == 0)
            continue;
        sound += i < *checked;
        headers[kept++] = headers[i];
    }
    *checked = sound;
    return kept;
}

/* Appends the number or text at `arg`; for true the request's id. */
static void put_value(lua_State *L, struct exchange *exchange, int arg, struct buf *out)
{
    size_t len;
    int type = lua_type(L, arg);
    if (type == LUA_TBOOLEAN && lua_toboolean(L, arg)) {
        bool ours;
        const char *id = http_req_id(exchange->req, &len, &ours);
        buf_append(out, id, len);
        return;
    }
    if (type == LUA_TNUMBER) {
        lua_Number number = lua_tonumber(L, arg);
        luaL_argcheck(L, number >= 0 && number < 1e15, arg,
                      "a number of 0 to 1e15 expected");
        buf_put_whole(out, (uint64_t)number);
        return;
    }
    const char *text = luaL_checklstring(L, arg, &len);
    luaL_argcheck(L, http_value_is_sound(text, len), arg, "holds a control character");
    buf_append(out, text, len);
}

/* The frame's names with the values at `first` and behind: as lines, or as headers where the body
 * depends on them. Returns how many headers there are then. */
static size_t put_fields(lua_State *L, struct exchange *exchange,
                         const struct frame *frame, int first,
                         struct http_header *headers, size_t count, size_t *checked,
                         struct buf *out)
{
    uint64_t lengths = lengths_of(headers, count);
    for (size_t i = 0; i < frame->names; i++) {
        const struct line *line = &frame->lines[frame->count + i];
        const char *name = frame->text + line->start;
        struct http_header header = {.name = name, .name_len = line->name_len};
        int value = first + (int)i;
        if (lua_isnoneornil(L, value))
            continue;
        if (lengths & lengths_of(&header, 1))
            count = without(headers, count, checked, &header);
        if (line->of_body) {
            header.value = luaL_checklstring(L, value, &header.value_len);
            add_header(L, headers, &count, header);
            continue;
        }
        buf_append(out, name, line->name_len + 2);
        put_value(L, exchange, value, out);
        buf_append(out, "\r\n", 2);
    }
    return count;
}

int lua_http_respond(lua_State *L)
{
    enum { FRAME = 5 };
    static struct buf lines; /* of the loop's thread */
    struct http_header headers[HEADERS_MAX];
    struct exchange *exchange = exchange_check(L);
    int status = (int)luaL_checkinteger(L, 2);
    size_t len;
    struct err err;
    const char *body = luaL_optlstring(L, 4, "", &len);
    const struct frame *frame =
        lua_isnoneornil(L, FRAME) ? NULL : box_check(L, FRAME, FRAME_TYPE);
    int values = frame ? (int)frame->names : 0;
    luaL_argcheck(L, lua_gettop(L) <= FRAME + values, FRAME + values + 1, "has no name");
    lua_settop(L, FRAME + values);
    size_t checked = 0, count;
    if (lua_isuserdata(L, 3)) {
        const struct sealed *sealed = box_check(L, 3, HEADERS_TYPE);
        memcpy(headers, sealed->headers, sealed->count * sizeof(*headers));
        count = checked = sealed->count;
    } else {
        count = collect_headers(L, 3, headers);
    }
    buf_clear(&lines);
    if (frame) {
        put_lines(frame, headers, count, &lines);
        count =
            put_fields(L, exchange, frame, FRAME + 1, headers, count, &checked, &lines);
    }
    if (http_req_respond_with(exchange->req, status, lines.data, lines.len, headers,
                              count, checked, body, len, &err) < 0)
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
