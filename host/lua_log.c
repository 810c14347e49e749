/* Lua: host.log
 *
 *   log.write(level, message, fields)   level: "debug" "info" "warn" "error"; fields: the inside
 *                                       of a JSON object as text ('"a":1,"b":"x"'), or nil
 *   log.enabled(level) -> boolean
 *   log.access(message, names) -> write(...)   `write` tells of a request that was answered: a value
 *                                       for each of the names, text or number; nil is left out
 */
#include "buf.h"
#include "json.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include <string.h>

enum { KEYS_MAX = 32 /* of an access line */ };

static enum log_level check_level(lua_State *L, int arg)
{
    int level = log_level_parse(luaL_checkstring(L, arg));
    if (level < 0)
        luaL_argerror(L, arg, "debug, info, warn or error expected");
    return (enum log_level)level;
}

static int l_write(lua_State *L)
{
    size_t len, fields_len = 0;
    enum log_level level = check_level(L, 1);
    const char *message = luaL_checklstring(L, 2, &len);
    const char *fields = luaL_optlstring(L, 3, NULL, &fields_len);
    log_line(level, message, len, fields, fields_len);
    return 0;
}

static int l_enabled(lua_State *L)
{
    lua_pushboolean(L, log_enabled(check_level(L, 1)));
    return 1;
}

/* What stands before each value of an access line: `,"name":`. Put together once, since every
 * request has such a line. */
struct keys {
    int count;
    unsigned ends[KEYS_MAX]; /* of each in `text` */
    char text[];
};

static void put_value(lua_State *L, int value, int type, struct buf *line)
{
    size_t len;
    if (type == LUA_TNUMBER) {
        json_write_number(line, lua_tonumber(L, value));
    } else {
        const char *text = luaL_checklstring(L, value, &len);
        buf_json_string(line, text, len);
    }
}

static int l_write_access(lua_State *L)
{
    static struct buf line; /* of the loop's thread; an error half way leaves it dirty */
    const struct keys *keys = lua_touserdata(L, lua_upvalueindex(1));
    size_t len;
    const char *message = lua_tolstring(L, lua_upvalueindex(2), &len);
    unsigned start = 0;
    if (!log_access_enabled())
        return 0;
    line.len = 0;
    for (int i = 0; i < keys->count; start = keys->ends[i++]) {
        int type = lua_type(L, i + 1);
        if (type == LUA_TNIL || type == LUA_TNONE)
            continue;
        unsigned comma = line.len == 0;
        buf_append(&line, keys->text + start + comma, keys->ends[i] - start - comma);
        put_value(L, i + 1, type, &line);
    }
    log_access(message, len, line.data, line.len);
    buf_clear(&line);
    return 0;
}

static int l_access(lua_State *L)
{
    struct buf text = {0};
    struct keys *keys;
    unsigned ends[KEYS_MAX];
    luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    int count = (int)lua_objlen(L, 2);
    luaL_argcheck(L, count <= KEYS_MAX, 2, "too many names");
    for (int i = 0; i < count; i++) {
        size_t len;
        lua_rawgeti(L, 2, i + 1);
        const char *name = lua_tolstring(L, -1, &len);
        buf_putc(&text, ',');
        buf_json_string(&text, name ? name : "", name ? len : 0);
        buf_putc(&text, ':');
        ends[i] = (unsigned)text.len;
        lua_pop(L, 1);
    }
    keys = lua_newuserdata(L, sizeof(*keys) + text.len);
    keys->count = count;
    memcpy(keys->ends, ends, sizeof(ends));
    if (text.len)
        memcpy(keys->text, text.data, text.len);
    buf_free(&text);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, l_write_access, 2);
    return 1;
}

static const luaL_Reg functions[] = {
    {"write", l_write},
    {"enabled", l_enabled},
    {"access", l_access},
    {NULL, NULL},
};

int luaopen_host_log(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
