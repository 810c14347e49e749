/* Lua: host.json
 *
 *   json.encode(value, {sorted = false}) -> text
 *       A table marked as array or with #t > 0 is an array, any other an object. Raises
 * on what is no JSON: functions, NaN, arrays with holes or other keys, keys that are no
 * strings, more than 128 levels (so also cycles). Bytes that are no UTF-8 become U+FFFD.
 *   json.decode(text, {max_depth = 32}) -> value | nil, err
 *       err.code INVALID or TOO_DEEP, err.offset the byte (from 0). The last of several
 * equal keys wins; arrays come out marked; integers are exact to 2^53. json.null the
 * value of null, in both directions json.array(t) -> t             marks t: [] when empty
 *   json.object(t) -> t            marks t: {} when empty; number keys are written as
 * text json.is_array(value) -> boolean    marked as array, or unmarked with #t > 0
 *   json.raw(text) -> value        encodes as this text, which is trusted to be JSON
 *
 * The marks are metatables. They and one buffer per vm are upvalues of all functions
 * here: no lookup by name on the way. Nothing here runs Lua code, so the buffer has one
 * user at a time; an error raised half way leaves it dirty, the next call empties it. */
#include "buf.h"
#include "json.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include <stdlib.h>
#include <string.h>

enum {
    ENCODE_DEPTH = 128,
    UP_BUFFER = lua_upvalueindex(1),
    UP_ARRAY = lua_upvalueindex(2),
    UP_OBJECT = lua_upvalueindex(3),
    UP_RAW = lua_upvalueindex(4),
};

enum mark { MARK_NONE, MARK_ARRAY, MARK_OBJECT, MARK_RAW };

/* The event handlers' view of a decode under way. The containers that are open lie on the
 * Lua stack, in an object with the key above it. */
struct decoder {
    lua_State *L;
    int depth;                  /* open containers; counts[depth - 1] is the innermost */
    int counts[JSON_DEPTH_MAX]; /* elements so far of an array, -1 for an object */
};

struct encoder {
    lua_State *L;
    struct buf *buf;
    bool sorted;
    int depth;
};

struct key {
    const char *text;
    size_t len;
};

static struct buf *buffer(lua_State *L)
{
    struct buf *buf = lua_touserdata(L, UP_BUFFER);
    buf_clear(buf);
    return buf;
}

static enum mark mark_of(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return MARK_NONE;
    enum mark mark = lua_rawequal(L, -1, UP_ARRAY)    ? MARK_ARRAY
                     : lua_rawequal(L, -1, UP_OBJECT) ? MARK_OBJECT
                     : lua_rawequal(L, -1, UP_RAW)    ? MARK_RAW
                                                      : MARK_NONE;
    lua_pop(L, 1);
    return mark;
}

/* Puts the value on top of the stack where it belongs. */
static void settle(struct decoder *decoder)
{
    if (!decoder->depth)
        return;
    int *count = &decoder->counts[decoder->depth - 1];
    if (*count < 0)
        lua_rawset(decoder->L, -3);
    else
        lua_rawseti(decoder->L, -2, ++*count);
}

static void on_null(void *arg)
{
    struct decoder *decoder = arg;
    lua_pushlightuserdata(decoder->L, NULL);
    settle(decoder);
}

static void on_boolean(void *arg, bool value)
{
    struct decoder *decoder = arg;
    lua_pushboolean(decoder->L, value);
    settle(decoder);
}

static void on_number(void *arg, double value)
{
    struct decoder *decoder = arg;
    lua_pushnumber(decoder->L, value);
    settle(decoder);
}

static void on_string(void *arg, const char *text, size_t len)
{
    struct decoder *decoder = arg;
    lua_pushlstring(decoder->L, text, len);
    settle(decoder);
}

static void on_key(void *arg, const char *text, size_t len)
{
    struct decoder *decoder = arg;
    lua_pushlstring(decoder->L, text, len);
}

static void open_container(struct decoder *decoder, int count)
{
    luaL_checkstack(decoder->L, 4, "JSON");
    lua_newtable(decoder->L);
    decoder->counts[decoder->depth++] = count;
}

static void on_open_array(void *arg)
{
    open_container(arg, 0);
}

static void on_open_object(void *arg)
{
    open_container(arg, -1);
}

static void on_close_array(void *arg)
{
    struct decoder *decoder = arg;
    lua_pushvalue(decoder->L, UP_ARRAY);
    lua_setmetatable(decoder->L, -2);
    decoder->depth--;
    settle(decoder);
}

static void on_close_object(void *arg)
{
    struct decoder *decoder = arg;
    decoder->depth--;
    settle(decoder);
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

static int l_decode(lua_State *L)
{
    size_t len, offset;
    struct err err;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Number max_depth = opt_number(L, 2, "max_depth", JSON_DEPTH);
    luaL_argcheck(L, max_depth >= 0 && max_depth <= JSON_DEPTH_MAX, 2,
                  "max_depth out of range");
    struct decoder decoder;
    decoder.L = L;
    decoder.depth = 0;
    if (json_read(text, len, (unsigned)max_depth, &events, &decoder, buffer(L), &offset,
                  &err) == 0)
        return 1;
    lua_settop(L, 0);
    lua_fail(L, &err);
    lua_pushnumber(L, (lua_Number)offset);
    lua_setfield(L, -2, "offset");
    return 2;
}

static void encode_value(struct encoder *encoder, int index);

static void enter(struct encoder *encoder)
{
    luaL_checkstack(encoder->L, 8, "JSON");
    if (++encoder->depth > ENCODE_DEPTH)
        luaL_error(encoder->L, "JSON: more than %d levels, or a cycle", ENCODE_DEPTH);
}

/* Raises unless the keys of the table are exactly 1..count: nothing may be lost in
 * silence. */
static void check_array(lua_State *L, int index, size_t count)
{
    size_t keys = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        lua_Number key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (!(key >= 1 && key <= (lua_Number)count && key == (lua_Number)(size_t)key))
            luaL_error(L, "JSON: an array has a key that is not in 1..%d", (int)count);
        keys++;
    }
    if (keys != count)
        luaL_error(L, "JSON: an array has holes");
}

static void encode_array(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    size_t count = lua_objlen(L, index);
    check_array(L, index, count);
    buf_putc(encoder->buf, '[');
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            buf_putc(encoder->buf, ',');
        lua_rawgeti(L, index, (int)i);
        encode_value(encoder, lua_gettop(L));
        lua_pop(L, 1);
    }
    buf_putc(encoder->buf, ']');
}

/* The key at the top of the stack, which must not be changed while lua_next walks: a
 * number (only under json.object) is formatted beside it. */
static void encode_key(struct encoder *encoder, bool first, bool marked)
{
    lua_State *L = encoder->L;
    if (!first)
        buf_putc(encoder->buf, ',');
    if (lua_type(L, -1) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        buf_json_string(encoder->buf, text, len);
    } else if (marked && lua_type(L, -1) == LUA_TNUMBER) {
        buf_putc(encoder->buf, '"');
        if (!json_write_number(encoder->buf, lua_tonumber(L, -1)))
            luaL_error(L, "JSON: a key is no finite number");
        buf_putc(encoder->buf, '"');
    } else {
        luaL_error(L, "JSON: a %s as key of an object", luaL_typename(L, -1));
    }
    buf_putc(encoder->buf, ':');
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    size_t shorter = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->text, right->text, shorter);
    return order ? order : (left->len > right->len) - (left->len < right->len);
}

/* The list is userdata, so that an error raised further down frees it. */
static void encode_sorted(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "JSON: sorted objects have text keys, not a %s",
                       luaL_typename(L, -2));
        count++;
    }
    struct key *keys = lua_newuserdata(L, count * sizeof(*keys) + 1);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), i++)
        keys[i].text = lua_tolstring(L, -2, &keys[i].len);
    if (count > 1)
        qsort(keys, count, sizeof(*keys), compare_keys);
    for (i = 0; i < count; i++) {
        lua_pushlstring(L, keys[i].text, keys[i].len);
        encode_key(encoder, i == 0, false);
        lua_rawget(L, index);
        encode_value(encoder, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void encode_object(struct encoder *encoder, int index, bool marked)
{
    lua_State *L = encoder->L;
    buf_putc(encoder->buf, '{');
    if (encoder->sorted) {
        encode_sorted(encoder, index);
    } else {
        bool first = true;
        lua_pushnil(L);
        while (lua_next(L, index)) {
            lua_insert(L, -2); /* value, key */
            encode_key(encoder, first, marked);
            first = false;
            lua_insert(L, -2); /* key, value */
            encode_value(encoder, lua_gettop(L));
            lua_pop(L, 1);
        }
    }
    buf_putc(encoder->buf, '}');
}

static void encode_table(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    enter(encoder);
    enum mark mark = mark_of(L, index);
    if (mark == MARK_RAW) {
        size_t len;
        lua_rawgeti(L, index, 1);
        const char *text = luaL_checklstring(L, -1, &len);
        buf_append(encoder->buf, text, len);
        lua_pop(L, 1);
    } else if (mark == MARK_ARRAY || (mark == MARK_NONE && lua_objlen(L, index) > 0)) {
        encode_array(encoder, index);
    } else {
        encode_object(encoder, index, mark == MARK_OBJECT);
    }
    encoder->depth--;
}

static void encode_value(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    size_t len;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        buf_json_string(encoder->buf, text, len);
        return;
    case LUA_TNUMBER:
        if (!json_write_number(encoder->buf, lua_tonumber(L, index)))
            luaL_error(L, "JSON: no finite number");
        return;
    case LUA_TBOOLEAN:
        buf_puts(encoder->buf, lua_toboolean(L, index) ? "true" : "false");
        return;
    case LUA_TTABLE:
        encode_table(encoder, index);
        return;
    case LUA_TNIL:
        buf_puts(encoder->buf, "null");
        return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index)) {
            buf_puts(encoder->buf, "null");
            return;
        }
    }
    luaL_error(L, "JSON: a %s is no value", luaL_typename(L, index));
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    struct encoder encoder = {
        .L = L,
        .buf = buffer(L),
        .sorted = opt_boolean(L, 2, "sorted", 0),
    };
    encode_value(&encoder, 1);
    lua_pushlstring(L, encoder.buf->data, encoder.buf->len);
    return 1;
}

static int set_mark(lua_State *L, int metatable)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, 1);
    return 1;
}

static int l_array(lua_State *L)
{
    return set_mark(L, UP_ARRAY);
}

static int l_object(lua_State *L)
{
    return set_mark(L, UP_OBJECT);
}

static int l_is_array(lua_State *L)
{
    luaL_checkany(L, 1);
    enum mark mark = lua_istable(L, 1) ? mark_of(L, 1) : MARK_OBJECT;
    lua_pushboolean(L, mark == MARK_ARRAY || (mark == MARK_NONE && lua_objlen(L, 1) > 0));
    return 1;
}

static int l_raw(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TSTRING);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, UP_RAW);
    lua_setmetatable(L, -2);
    return 1;
}

static int buffer_gc(lua_State *L)
{
    buf_free(lua_touserdata(L, 1));
    return 0;
}

static void push_buffer(lua_State *L)
{
    struct buf *buf = lua_newuserdata(L, sizeof(*buf));
    *buf = (struct buf){0};
    lua_newtable(L);
    lua_pushcfunction(L, buffer_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
}

static const luaL_Reg functions[] = {
    {"encode", l_encode}, {"decode", l_decode},     {"array", l_array},
    {"object", l_object}, {"is_array", l_is_array}, {"raw", l_raw},
    {NULL, NULL},
};

int luaopen_host_json(lua_State *L)
{
    lua_newtable(L);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    push_buffer(L);
    lua_newtable(L); /* array */
    lua_newtable(L); /* object */
    lua_newtable(L); /* raw */
    luaL_setfuncs(L, functions, 4);
    return 1;
}
