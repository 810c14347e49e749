/* Lua's values -> JSON. Only raw access: nothing here runs Lua code. */
#include "buf.h"
#include "json.h"
#include "lua_json.h"
#include "utf8.h"
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

struct encoder {
    lua_State *L;
    struct buf *buf;
    const struct lua_json_options *options;
    size_t start; /* of the value in buf */
    unsigned depth, max_depth;
};

struct key {
    const char *text;
    size_t len;
};

enum lua_json_mark lua_json_mark(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return LUA_JSON_MARK_NONE;
    enum lua_json_mark mark = lua_rawequal(L, -1, LUA_JSON_ARRAY) ? LUA_JSON_MARK_ARRAY
                              : lua_rawequal(L, -1, LUA_JSON_OBJECT)
                                  ? LUA_JSON_MARK_OBJECT
                              : lua_rawequal(L, -1, LUA_JSON_RAW) ? LUA_JSON_MARK_RAW
                                                                  : LUA_JSON_MARK_NONE;
    lua_pop(L, 1);
    return mark;
}

static void encode_value(struct encoder *encoder, int index);

/* Raises when `more` bytes would be too many. */
static void check_room(struct encoder *encoder, size_t more)
{
    const struct lua_json_options *options = encoder->options;
    if (options->max && encoder->buf->len - encoder->start + more > options->max)
        options->too_long(encoder->L);
}

static void encode_string(struct encoder *encoder, const char *text, size_t len)
{
    check_room(encoder, len);
    if (encoder->options->strict && !utf8_valid(text, len))
        luaL_error(encoder->L, "JSON: a string holds bytes that are no UTF-8");
    buf_json_string(encoder->buf, text, len);
}

static void enter(struct encoder *encoder)
{
    luaL_checkstack(encoder->L, 8, "JSON");
    if (++encoder->depth > encoder->max_depth)
        luaL_error(encoder->L, "JSON: more than %d levels, or a cycle",
                   (int)encoder->max_depth);
    if (encoder->options->tick)
        encoder->options->tick(encoder->L);
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
    check_room(encoder, count);
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
        encode_string(encoder, text, len);
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
            luaL_error(L, "JSON: a %s as key of an object", luaL_typename(L, -2));
        count++;
    }
    check_room(encoder, count * 4); /* what `"":0` takes */
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
    if (encoder->options->sorted) {
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
    enum lua_json_mark mark = lua_json_mark(L, index);
    if (mark == LUA_JSON_MARK_RAW) {
        size_t len;
        lua_rawgeti(L, index, 1);
        const char *text = luaL_checklstring(L, -1, &len);
        buf_append(encoder->buf, text, len);
        lua_pop(L, 1);
    } else if (mark == LUA_JSON_MARK_ARRAY ||
               (mark == LUA_JSON_MARK_NONE && lua_objlen(L, index) > 0)) {
        encode_array(encoder, index);
    } else {
        encode_object(encoder, index, mark == LUA_JSON_MARK_OBJECT);
    }
    encoder->depth--;
}

static void encode_value(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    size_t len;
    const char *text;
    check_room(encoder, 1);
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        encode_string(encoder, text, len);
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

void lua_json_encode(lua_State *L, int index, struct buf *buf,
                     const struct lua_json_options *options)
{
    struct encoder encoder = {
        .L = L,
        .buf = buf,
        .options = options,
        .start = buf->len,
        .max_depth = options->depth ? options->depth : LUA_JSON_DEPTH,
    };
    encode_value(&encoder, index);
}
