/* Lua: host.log
 *
 *   log.write(level, message, fields)   level: "debug" "info" "warn" "error"; fields: the inside
 *                                       of a JSON object as text ('"a":1,"b":"x"'), or nil
 *   log.enabled(level) -> boolean
 *   log.access(message, names, ...)     a line about a request that was answered: a value for each
 *                                       of the names, text or number; what is nil is left out
 */
#include "buf.h"
#include "json.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_util.h"

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

static void put_field(lua_State *L, int name, int value, struct buf *line)
{
    size_t name_len, len;
    const char *key = luaL_checklstring(L, name, &name_len);
    if (line->len)
        buf_putc(line, ',');
    buf_json_string(line, key, name_len);
    buf_putc(line, ':');
    if (lua_type(L, value) == LUA_TNUMBER) {
        json_write_number(line, lua_tonumber(L, value));
    } else {
        const char *text = luaL_checklstring(L, value, &len);
        buf_json_string(line, text, len);
    }
}

static int l_access(lua_State *L)
{
    static struct buf line; /* of the loop's thread; an error half way leaves it dirty */
    size_t len;
    const char *message = luaL_checklstring(L, 1, &len);
    int values = lua_gettop(L) - 2;
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!log_access_enabled())
        return 0;
    line.len = 0;
    for (int i = 1; i <= values; i++) {
        if (lua_isnil(L, 2 + i))
            continue;
        lua_rawgeti(L, 2, i);
        put_field(L, -1, 2 + i, &line);
        lua_pop(L, 1);
    }
    log_access(message, len, line.data, line.len);
    buf_clear(&line);
    return 0;
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
