/* The base functions as scripts get them, and how libraries are made read-only. */
#include "lua_sandbox_vm.h"
#include <lualib.h>
#include <math.h>
#include <stdio.h>

enum { UNPACK_MAX = 4000 };

static int integer_of(lua_State *L, int arg, lua_Number number)
{
    if (!(number >= -2147483648.0 && number <= 2147483647.0))
        luaL_argerror(L, arg, "the number is out of range");
    return (int)floor(number);
}

int sandbox_check_integer(lua_State *L, int arg)
{
    return integer_of(L, arg, luaL_checknumber(L, arg));
}

int sandbox_opt_integer(lua_State *L, int arg, int fallback)
{
    return lua_isnoneornil(L, arg) ? fallback : sandbox_check_integer(L, arg);
}

void sandbox_check_writable(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    if (luaL_getmetafield(L, index, "__newindex"))
        luaL_argerror(L, index, "the table is read-only");
}

static int l_error(lua_State *L)
{
    int level = sandbox_opt_integer(L, 2, 1);
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    if (now && lua_type(L, 1) == LUA_TSTRING && level > 0) {
        size_t len;
        const char *message = lua_tolstring(L, 1, &len);
        sandbox_note(L, now, "SCRIPT_ERROR", message, len, level);
    }
    lua_settop(L, 1);
    return lua_error(L);
}

/* Addresses are nobody's business: a type is all that is told of an object. */
void sandbox_tostring(lua_State *L)
{
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        return;
    case LUA_TNUMBER:
        lua_tostring(L, -1);
        return;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
        break;
    case LUA_TLIGHTUSERDATA:
        lua_pushstring(L, lua_touserdata(L, -1) ? "userdata" : "null");
        break;
    default:
        lua_pushstring(L, luaL_typename(L, -1));
    }
    lua_replace(L, -2);
}

static int l_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    sandbox_tostring(L);
    return 1;
}

static int l_unpack(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int first = sandbox_opt_integer(L, 2, 1);
    int last = sandbox_opt_integer(L, 3, (int)lua_objlen(L, 1));
    if (first > last)
        return 0;
    long count = (long)last - first + 1;
    if (count > UNPACK_MAX)
        luaL_error(L, "more than %d values to unpack", UNPACK_MAX);
    sandbox_charge(L, (unsigned)count / 2);
    luaL_checkstack(L, (int)count, "unpack");
    for (long i = first; i <= last; i++)
        lua_rawgeti(L, 1, (int)i);
    return (int)count;
}

static int l_read_only(lua_State *L)
{
    const char *name = luaL_optstring(L, 2, "?");
    return luaL_error(L, "'%s' cannot be set here: the table is read-only",
                      lua_type(L, 2) == LUA_TSTRING ? name : "?");
}

void sandbox_push_read_only(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_read_only);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* LuaJIT's own, of which each call costs no more than its arguments did. */
static void take(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_getglobal(L, *names);
        lua_setfield(L, -2, *names);
    }
}

static void add_base(lua_State *L)
{
    static const char *const own[] = {"assert",   "ipairs", "select",
                                      "tonumber", "type",   NULL};
    static const luaL_Reg functions[] = {
        {"error", l_error},
        {"tostring", l_tostring},
        {"unpack", l_unpack},
        {NULL, NULL},
    };
    take(L, own);
    luaL_setfuncs(L, functions, 0);
    sandbox_add_pairs(L);
}

/* The string library is LuaJIT's where a call is as long as its text, else ours. */
static void push_string(lua_State *L)
{
    static const char *const own[] = {"byte",    "char", "len",   "lower",
                                      "reverse", "sub",  "upper", NULL};
    lua_getglobal(L, "string");
    lua_newtable(L);
    for (const char *const *name = own; *name; name++) {
        lua_getfield(L, -2, *name);
        lua_setfield(L, -2, *name);
    }
    lua_remove(L, -2);
    sandbox_add_string(L);
    sandbox_push_read_only(L);
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
 * Each run has a state of its own: what runs meanwhile changes nothing of its lots. */
static lua_Number next_lot(struct sandbox_activity *activity)
{
    uint64_t lot = activity->random += 0x9e3779b97f4a7c15;
    lot = (lot ^ (lot >> 30)) * 0xbf58476d1ce4e5b9;
    lot = (lot ^ (lot >> 27)) * 0x94d049bb133111eb;
    return (lua_Number)((lot ^ (lot >> 31)) >> 11) * 0x1p-53;
}

/* As Lua's own: random(), random(high), random(low, high). */
static int l_random(lua_State *L)
{
    lua_Number lot = next_lot(sandbox_vm_of(L)->now), low = 1;
    int args = lua_gettop(L), last = args > 1 ? 2 : 1;
    if (args > 0) {
        lua_Number high = floor(luaL_checknumber(L, last));
        if (args > 1)
            low = floor(luaL_checknumber(L, 1));
        luaL_argcheck(L, low <= high, last, "interval is empty");
        lot = floor(lot * (high - low + 1)) + low;
    }
    lua_pushnumber(L, lot);
    return 1;
}

static void push_math(lua_State *L)
{
    lua_getglobal(L, "math");
    lua_pushcfunction(L, l_random);
    lua_setfield(L, -2, "random");
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
    sandbox_push_read_only(L);
}

void sandbox_push_libraries(lua_State *L)
{
    lua_newtable(L);
    add_base(L);
    push_string(L);
    lua_setfield(L, -2, "string");
    sandbox_push_table(L);
    lua_setfield(L, -2, "table");
    push_math(L);
    lua_setfield(L, -2, "math");
    lua_getglobal(L, "bit");
    sandbox_push_read_only(L);
    lua_setfield(L, -2, "bit");
}
