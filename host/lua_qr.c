/* Lua: host.qr
 *
 *   qr.encode(text) -> {size, modules} | nil, err
 *       size: modules on each side; modules: size * size characters "0" or "1" (dark), row by row.
 *       err.code: TOO_LARGE for more than 2331 bytes, INVALID for none. */
#include "lua_bindings.h"
#include "lua_util.h"
#include "qr.h"

static int l_encode(lua_State *L)
{
    size_t len;
    struct err err;
    const char *text = luaL_checklstring(L, 1, &len);
    char *modules = lua_newuserdata(L, QR_MODULES_MAX);
    int size = qr_encode(text, len, modules, &err);
    if (size < 0)
        return lua_fail(L, &err);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, size);
    lua_setfield(L, -2, "size");
    lua_pushlstring(L, modules, (size_t)size * (size_t)size);
    lua_setfield(L, -2, "modules");
    return 1;
}

static const luaL_Reg functions[] = {
    {"encode", l_encode},
    {NULL, NULL},
};

int luaopen_host_qr(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
