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

enum { FEW_KEYS = 24 };

struct key {
    const char *text;
    size_t len;
    int value; /* where it is on the stack, of few */
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

/* The key at `index`, which must not be changed while lua_next walks: a number (only under
 * json.object) is formatted beside it. */
static void encode_key(struct encoder *encoder, int index, bool first, bool marked)
{
    lua_State *L = encoder->L;
    int type = lua_type(L, index);
    if (!first)
        buf_putc(encoder->buf, ',');
    if (type == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        encode_string(encoder, text, len);
    } else if (marked && type == LUA_TNUMBER) {
        buf_putc(encoder->buf, '"');
        if (!json_write_number(encoder->buf, lua_tonumber(L, index)))
            luaL_error(L, "JSON: a key is no finite number");
        buf_putc(encoder->buf, '"');
    } else {
        luaL_error(L, "JSON: a %s as key of an object", luaL_typename(L, index));
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

static void check_text_key(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "JSON: a %s as key of an object", luaL_typename(L, index));
}

/* An insertion sort: most objects have a dozen keys. */
static void sort_few(struct key *keys, int count)
{
    for (int i = 1; i < count; i++) {
        struct key key = keys[i];
        int at = i;
        for (; at > 0 && compare_keys(&keys[at - 1], &key) > 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* With the values of all keys on the stack. False, and nothing written, when there are more. */
static bool encode_sorted_few(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    struct key keys[FEW_KEYS];
    int base = lua_gettop(L), count = 0;
    luaL_checkstack(L, FEW_KEYS + 8, "JSON");
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (count == FEW_KEYS) {
            lua_settop(L, base);
            return false;
        }
        check_text_key(L, -2);
        lua_insert(L, -2); /* value, key */
        keys[count].text = lua_tolstring(L, -1, &keys[count].len);
        keys[count].value = base + 1 + count;
        count++;
    }
    sort_few(keys, count);
    for (int i = 0; i < count; i++) {
        if (i)
            buf_putc(encoder->buf, ',');
        encode_string(encoder, keys[i].text, keys[i].len);
        buf_putc(encoder->buf, ':');
        encode_value(encoder, keys[i].value);
    }
    lua_settop(L, base);
    return true;
}

/* The list is userdata, so that an error raised further down frees it. */
static void encode_sorted_many(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        check_text_key(L, -2);
        count++;
    }
    check_room(encoder, count * 4); /* what `"":0` takes */
    struct key *keys = lua_newuserdata(L, count * sizeof(*keys) + 1);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), i++)
        keys[i].text = lua_tolstring(L, -2, &keys[i].len);
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (i = 0; i < count; i++) {
        lua_pushlstring(L, keys[i].text, keys[i].len);
        encode_key(encoder, lua_gettop(L), i == 0, false);
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
        if (!encode_sorted_few(encoder, index))
            encode_sorted_many(encoder, index);
    } else {
        int key = lua_gettop(L) + 1;
        bool first = true;
        lua_pushnil(L);
        while (lua_next(L, index)) {
            encode_key(encoder, key, first, marked);
            first = false;
            encode_value(encoder, key + 1);
            lua_settop(L, key);
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
        int count = (int)lua_objlen(L, index);
        for (int i = 1; i <= count; i++) {
            size_t len;
            lua_rawgeti(L, index, i);
            const char *text = luaL_checklstring(L, -1, &len);
            buf_append(encoder->buf, text, len);
            lua_pop(L, 1);
        }
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
