/* Lua: host.log
 *
 *   log.write(level, message, fields)   level: "debug" "info" "warn" "error"; fields: the inside
 *                                       of a JSON object as text ('"a":1,"b":"x"'), or nil
 *   log.enabled(level) -> boolean
 */
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

static const luaL_Reg functions[] = {
    {"write", l_write},
    {"enabled", l_enabled},
    {NULL, NULL},
};

int luaopen_host_log(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
