/* Lua: host.uuid
 *
 *   uuid.v7() -> text                 a new one; each of a process sorts after the one before
 *   uuid.hex() -> text                a new one as 32 hex digits, without dashes
 *   uuid.is(value) -> boolean         a UUID of any version, hex of either case
 *   uuid.time_ms(text) -> ms | nil    the time inside a version 7 UUID; nil for anything else
 */
#include "lua_bindings.h"
#include "lua_util.h"
#include "uuid.h"

static int l_v7(lua_State *L)
{
    char text[UUID_TEXT + 1];
    uuid_v7(text);
    lua_pushlstring(L, text, UUID_TEXT);
    return 1;
}

static int l_hex(lua_State *L)
{
    char text[UUID_HEX + 1];
    uuid_hex(text);
    lua_pushlstring(L, text, UUID_HEX);
    return 1;
}

static int l_is(lua_State *L)
{
    size_t len;
    luaL_checkany(L, 1);
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    lua_pushboolean(L, text && uuid_is(text, len));
    return 1;
}

static int l_time_ms(lua_State *L)
{
    size_t len;
    int64_t ms;
    const char *text = luaL_checklstring(L, 1, &len);
    if (uuid_time_ms(text, len, &ms))
        lua_pushnumber(L, (lua_Number)ms);
    else
        lua_pushnil(L);
    return 1;
}

static const luaL_Reg functions[] = {
    {"v7", l_v7}, {"hex", l_hex}, {"is", l_is}, {"time_ms", l_time_ms}, {NULL, NULL},
};

int luaopen_host_uuid(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
