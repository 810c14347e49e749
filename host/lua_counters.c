/* Lua: host.counters - numbers that all processes of a node share, by name (counters.h).
 *
 *   counters.open(name) -> counter    found or made; for boot
 *   counters.add(counter, n|nil) -> the sum    adds n (1)
 *   counters.get(counter) -> number            an atomic load */
#include "counters.h"
#include "host.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include "lua_vm.h"

static int check_counter(lua_State *L)
{
    int counter = (int)luaL_checkinteger(L, 1);
    luaL_argcheck(L, counter >= 0 && counter < COUNTERS_MAX, 1, "is no counter");
    return counter;
}

static int l_open(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    int counter = counters_open(vm_host(L)->counters, name);
    if (counter < 0)
        return luaL_error(L, "counter %s: there are %d others", name, COUNTERS_MAX);
    lua_pushinteger(L, counter);
    return 1;
}

static int l_add(lua_State *L)
{
    int counter = check_counter(L);
    lua_Number count = luaL_optnumber(L, 2, 1);
    luaL_argcheck(L, count >= 0 && count <= 1e15, 2, "out of range");
    lua_pushnumber(
        L, (lua_Number)counters_add(vm_host(L)->counters, counter, (uint64_t)count));
    return 1;
}

static int l_get(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)counters_get(vm_host(L)->counters, check_counter(L)));
    return 1;
}

static const luaL_Reg functions[] = {
    {"open", l_open},
    {"add", l_add},
    {"get", l_get},
    {NULL, NULL},
};

int luaopen_host_counters(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
