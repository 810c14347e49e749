#include "lua_util.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_TYPE "host.err"

static int err_tostring(lua_State *L)
{
    lua_getfield(L, 1, "code");
    lua_getfield(L, 1, "message");
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
    return 1;
}

static void push_err(lua_State *L, const char *code, const char *message)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    if (luaL_newmetatable(L, ERR_TYPE)) {
        lua_pushcfunction(L, err_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_setmetatable(L, -2);
}

int lua_fail(lua_State *L, const struct err *err)
{
    lua_pushnil(L);
    push_err(L, err->code ? err->code : ERR_INTERNAL, err->message);
    return 2;
}

int lua_fail_code(lua_State *L, const char *code, const char *fmt, ...)
{
    struct err err;
    va_list args;
    va_start(args, fmt);
    err.code = code;
    vsnprintf(err.message, sizeof(err.message), fmt, args);
    va_end(args);
    return lua_fail(L, &err);
}

void **box_new(lua_State *L, const char *type)
{
    struct box *box = lua_newuserdata(L, sizeof(*box));
    *box = (struct box){NULL, type};
    luaL_getmetatable(L, type);
    lua_setmetatable(L, -2);
    return &box->pointer;
}

void **box_slot(lua_State *L, int arg, const char *type)
{
    struct box *box = lua_touserdata(L, arg);
    if (box && lua_objlen(L, arg) >= sizeof(*box) && box->type == type)
        return &box->pointer;
    return luaL_checkudata(L, arg, type);
}

void *box_check(lua_State *L, int arg, const char *type)
{
    void **slot = box_slot(L, arg, type);
    if (!*slot)
        luaL_argerror(L, arg, "is closed");
    return *slot;
}

static int box_tostring(lua_State *L)
{
    void **slot = lua_touserdata(L, 1);
    lua_pushfstring(L, "%s (%s)", lua_tostring(L, lua_upvalueindex(1)),
                    slot && *slot ? "open" : "closed");
    return 1;
}

void box_type(lua_State *L, const char *type, const luaL_Reg *methods,
              const luaL_Reg *meta)
{
    luaL_newmetatable(L, type);
    if (meta)
        luaL_register(L, NULL, meta);
    lua_pushstring(L, type);
    lua_pushcclosure(L, box_tostring, 1);
    lua_setfield(L, -2, "__tostring");
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void lua_module(lua_State *L, const luaL_Reg *functions)
{
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}

/* Pushes options[key] or nil. */
static int push_option(lua_State *L, int arg, const char *key)
{
    if (lua_isnoneornil(L, arg)) {
        lua_pushnil(L);
        return LUA_TNIL;
    }
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_getfield(L, arg, key);
    return lua_type(L, -1);
}

static void wrong_option(lua_State *L, const char *key, const char *expected)
{
    luaL_error(L, "option '%s': %s expected, got %s", key, expected,
               luaL_typename(L, -1));
}

const char *opt_string(lua_State *L, int arg, const char *key, const char *fallback,
                       size_t *len)
{
    int type = push_option(L, arg, key);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        wrong_option(L, key, "string");
    size_t ignored;
    const char *value =
        type == LUA_TNIL ? fallback : lua_tolstring(L, -1, len ? len : &ignored);
    if (type == LUA_TNIL && len)
        *len = 0;
    lua_pop(L, 1);
    return value;
}

lua_Number opt_number(lua_State *L, int arg, const char *key, lua_Number fallback)
{
    int type = push_option(L, arg, key);
    if (type != LUA_TNIL && type != LUA_TNUMBER)
        wrong_option(L, key, "number");
    lua_Number value = type == LUA_TNIL ? fallback : lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

int opt_boolean(lua_State *L, int arg, const char *key, int fallback)
{
    int type = push_option(L, arg, key);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        wrong_option(L, key, "boolean");
    int value = type == LUA_TNIL ? fallback : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

const char *check_path(lua_State *L, int arg)
{
    size_t len;
    const char *path = luaL_checklstring(L, arg, &len);
    luaL_argcheck(L, len > 0 && strlen(path) == len, arg, "is no path");
    return path;
}
