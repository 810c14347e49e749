/* host.limits - how often something may happen, counted by all processes of a node together.
 *
 *   limits.take(key, count, period_ms, cost|nil) -> allowed, remaining, reset_ms, retry_after_ms
 *       `count` uses at once, coming back evenly over the period. Takes `cost` (1) of them or
 *       none; 0 only looks. */
#include "host.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "rate_limits.h"

enum { PERIOD_MAX_MS = 86400000 };

static int l_take(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 1, &len);
    lua_Number count = luaL_checknumber(L, 2);
    lua_Number period_ms = luaL_checknumber(L, 3);
    lua_Number cost = luaL_optnumber(L, 4, 1);
    luaL_argcheck(L, period_ms >= 1 && period_ms <= PERIOD_MAX_MS, 3, "1 ms to a day");
    luaL_argcheck(L, count >= 1 && count <= period_ms * 1e6, 2, "1 to a million per ms");
    luaL_argcheck(L, cost >= 0 && cost <= 1e15, 4, "out of range");
    struct limit limit = {
        .count = (int64_t)count,
        .period_ms = (int64_t)period_ms,
        .burst = (int64_t)count,
    };
    struct limits_result result;
    limits_take(vm_host(L)->limits, key, len, &limit, (int64_t)cost,
                (int64_t)(uv_hrtime() / 1000000), &result);
    lua_pushboolean(L, result.allowed);
    lua_pushnumber(L, (lua_Number)result.remaining);
    lua_pushnumber(L, (lua_Number)result.reset_ms);
    lua_pushnumber(L, (lua_Number)result.retry_after_ms);
    return 4;
}

static const luaL_Reg functions[] = {
    {"take", l_take},
    {NULL, NULL},
};

int luaopen_host_limits(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
