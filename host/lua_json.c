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
 *   json.raw(text, ...) -> value   encodes as these texts one after the other, which together are
 *                                  trusted to be JSON
 *   json.framed(before, value, after) -> text     the value encoded, between two texts
 *
 * The marks are metatables. They and one buffer per vm are upvalues of all functions
 * here: no lookup by name on the way. Nothing here runs Lua code, so the buffer has one
 * user at a time; an error raised half way leaves it dirty, the next call empties it. */
#include "lua_json.h"
#include "buf.h"
#include "json.h"
#include "lua_bindings.h"
#include "lua_util.h"

/* The event handlers' view of a decode under way. The containers that are open lie on the
 * Lua stack, in an object with the key above it. */
struct decoder {
    lua_State *L;
    bool drop_nulls;
    int depth;                  /* open containers; counts[depth - 1] is the innermost */
    int counts[JSON_DEPTH_MAX]; /* elements so far of an array, -1 for an object */
};

static struct buf *buffer(lua_State *L)
{
    struct buf *buf = lua_touserdata(L, LUA_JSON_BUFFER);
    buf_clear(buf);
    return buf;
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
    bool in_array = decoder->depth && decoder->counts[decoder->depth - 1] >= 0;
    if (!decoder->drop_nulls || in_array)
        lua_pushlightuserdata(decoder->L, NULL);
    else
        lua_pushnil(decoder->L);
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
    lua_pushvalue(decoder->L, LUA_JSON_ARRAY);
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

int lua_json_decode(lua_State *L, const char *text, size_t len, unsigned max_depth,
                    bool drop_nulls, size_t *offset, struct err *err)
{
    int top = lua_gettop(L);
    struct decoder decoder;
    decoder.L = L;
    decoder.drop_nulls = drop_nulls;
    decoder.depth = 0;
    if (json_read(text, len, max_depth, &events, &decoder, buffer(L), offset, err) == 0)
        return 0;
    lua_settop(L, top);
    return -1;
}

static int l_decode(lua_State *L)
{
    size_t len, offset;
    struct err err;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Number max_depth = opt_number(L, 2, "max_depth", JSON_DEPTH);
    luaL_argcheck(L, max_depth >= 0 && max_depth <= JSON_DEPTH_MAX, 2,
                  "max_depth out of range");
    if (lua_json_decode(L, text, len, (unsigned)max_depth, false, &offset, &err) == 0)
        return 1;
    lua_fail(L, &err);
    lua_pushnumber(L, (lua_Number)offset);
    lua_setfield(L, -2, "offset");
    return 2;
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_istable(L, 1) && lua_json_mark(L, 1) == LUA_JSON_MARK_RAW &&
        lua_objlen(L, 1) == 1) {
        lua_rawgeti(L, 1, 1); /* Lua has this text already */
        return 1;
    }
    struct lua_json_options options = {.sorted = opt_boolean(L, 2, "sorted", 0)};
    struct buf *buf = buffer(L);
    lua_json_encode(L, 1, buf, &options);
    lua_pushlstring(L, buf->data, buf->len);
    return 1;
}

/* Put together here and then copied to Lua once: a long text that Lua puts together is hashed and
 * kept at each step. */
static int l_framed(lua_State *L)
{
    size_t before_len, after_len;
    struct lua_json_options options = {0};
    const char *before = luaL_checklstring(L, 1, &before_len);
    luaL_checkany(L, 2);
    const char *after = luaL_checklstring(L, 3, &after_len);
    struct buf *buf = buffer(L);
    buf_append(buf, before, before_len);
    lua_json_encode(L, 2, buf, &options);
    buf_append(buf, after, after_len);
    lua_pushlstring(L, buf->data, buf->len);
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
    return set_mark(L, LUA_JSON_ARRAY);
}

static int l_object(lua_State *L)
{
    return set_mark(L, LUA_JSON_OBJECT);
}

static int l_is_array(lua_State *L)
{
    luaL_checkany(L, 1);
    enum lua_json_mark mark =
        lua_istable(L, 1) ? lua_json_mark(L, 1) : LUA_JSON_MARK_OBJECT;
    lua_pushboolean(L, mark == LUA_JSON_MARK_ARRAY ||
                           (mark == LUA_JSON_MARK_NONE && lua_objlen(L, 1) > 0));
    return 1;
}

static int l_raw(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_checktype(L, 1, LUA_TSTRING);
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        luaL_checktype(L, i, LUA_TSTRING);
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_pushvalue(L, LUA_JSON_RAW);
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

void lua_json_push_upvalues(lua_State *L)
{
    lua_getfield(L, -1, "array");
    int function = lua_gettop(L);
    for (int i = 1; i <= LUA_JSON_UPVALUES; i++)
        lua_getupvalue(L, function, i);
    lua_remove(L, function);
}

static const luaL_Reg functions[] = {
    {"encode", l_encode},     {"decode", l_decode},
    {"array", l_array},       {"object", l_object},
    {"is_array", l_is_array}, {"raw", l_raw},
    {"framed", l_framed},     {NULL, NULL},
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
    luaL_setfuncs(L, functions, LUA_JSON_UPVALUES);
    return 1;
}
