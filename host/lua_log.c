/* Lua: host.log
 *
 *   log.write(level, message, fields)   level: "debug" "info" "warn" "error"; fields: the inside
 *                                       of a JSON object as text ('"a":1,"b":"x"'), or nil
 *   log.enabled(level) -> boolean
 *   log.request(method, path, status, ms, ip, request_id, trace_id, tenant_id, user_id)
 *                                       one line about a request that was answered; what is nil
 *                                       is left out
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

static void put_field(lua_State *L, int arg, const char *name, struct buf *line)
{
    size_t len;
    if (lua_isnoneornil(L, arg))
        return;
    if (line->len)
        buf_putc(line, ',');
    buf_putc(line, '"');
    buf_puts(line, name);
    buf_puts(line, "\":");
    if (lua_type(L, arg) == LUA_TNUMBER) {
        json_write_number(line, lua_tonumber(L, arg));
    } else {
        const char *text = luaL_checklstring(L, arg, &len);
        buf_json_string(line, text, len);
    }
}

static int l_request(lua_State *L)
{
    static const char *const names[] = {"method",    "path",    "status",   "ms",    "ip",
                                        "requestId", "traceId", "tenantId", "userId"};
    static struct buf
        line; /* of the loop's thread; an error raised half way leaves it dirty */
    if (!log_access_enabled())
        return 0;
    line.len = 0;
    for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
        put_field(L, i + 1, names[i], &line);
    log_access("request", 7, line.data, line.len);
    buf_clear(&line);
    return 0;
}

static const luaL_Reg functions[] = {
    {"write", l_write},
    {"enabled", l_enabled},
    {"request", l_request},
    {NULL, NULL},
};

int luaopen_host_log(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
