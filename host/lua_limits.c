/* Lua: host.limits - how often something may happen, counted by all processes of a node together,
 * and with other nodes (rate_limits.h).
 *
 *   limits.take(key, count, period_ms, cost|nil, nodes|nil)
 *           -> allowed, remaining, reset_ms, retry_after_ms
 *       `count` uses at once, coming back evenly over the period. Takes `cost` (1) of them or
 *       none; 0 only looks. `nodes` (1): how many do the same without being heard.
 *   limits.report(key) -> known_us, own_us, added_us    to be told to the others
 *   limits.learn(key, own_us, added_us, used_us, at_ms)    the answer to it: what all had used up
 *       at a moment of sys.monotonic_ms
 *   limits.unreport(key, own_us, added_us)                 there was none */
#include "host.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "rate_limits.h"
#include "turn.h"

enum { PERIOD_MAX_MS = 86400000, NODES_MAX = 10000 };

#define NS_PER_US 1e3

static int64_t now_ms(void)
{
    return (int64_t)(turn_time().steady / 1000000);
}

static int l_take(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 1, &len);
    lua_Number count = luaL_checknumber(L, 2);
    lua_Number period_ms = luaL_checknumber(L, 3);
    lua_Number cost = luaL_optnumber(L, 4, 1);
    lua_Number nodes = luaL_optnumber(L, 5, 1);
    luaL_argcheck(L, period_ms >= 1 && period_ms <= PERIOD_MAX_MS, 3, "1 ms to a day");
    luaL_argcheck(L, count >= 1 && count <= period_ms * 1e6, 2, "1 to a million per ms");
    luaL_argcheck(L, cost >= 0 && cost <= 1e15, 4, "out of range");
    luaL_argcheck(L, nodes >= 1 && nodes <= NODES_MAX, 5, "out of range");
    struct limit limit = {
        .count = (int64_t)count,
        .period_ms = (int64_t)period_ms,
        .burst = (int64_t)count,
        .nodes = (int64_t)nodes,
    };
    struct limits_result result;
    limits_take(vm_host(L)->limits, key, len, &limit, (int64_t)cost, now_ms(), &result);
    lua_pushboolean(L, result.allowed);
    lua_pushnumber(L, (lua_Number)result.remaining);
    lua_pushnumber(L, (lua_Number)result.reset_ms);
    lua_pushnumber(L, (lua_Number)result.retry_after_ms);
    return 4;
}

static int l_report(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 1, &len);
    struct limits_report report;
    limits_report(vm_host(L)->limits, key, len, now_ms(), &report);
    lua_pushnumber(L, (lua_Number)report.known / NS_PER_US);
    lua_pushnumber(L, (lua_Number)report.own / NS_PER_US);
    lua_pushnumber(L, (lua_Number)report.added / NS_PER_US);
    return 3;
}

/* A time span in us, as ns. */
static int64_t check_span(lua_State *L, int arg)
{
    lua_Number us = luaL_checknumber(L, arg);
    luaL_argcheck(L, us >= 0 && us <= 1e14, arg, "out of range");
    return (int64_t)(us * NS_PER_US);
}

/* What l_report gave, at `arg` and behind it. */
static struct limits_report check_report(lua_State *L, int arg)
{
    return (struct limits_report){.own = check_span(L, arg),
                                  .added = check_span(L, arg + 1)};
}

static int l_learn(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 1, &len);
    struct limits_report report = check_report(L, 2);
    int64_t used = check_span(L, 4);
    limits_learn(vm_host(L)->limits, key, len, &report, used,
                 (int64_t)luaL_checknumber(L, 5));
    return 0;
}

static int l_unreport(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 1, &len);
    struct limits_report report = check_report(L, 2);
    limits_unreport(vm_host(L)->limits, key, len, &report, now_ms());
    return 0;
}

static const luaL_Reg functions[] = {
    {"take", l_take},         {"report", l_report}, {"learn", l_learn},
    {"unreport", l_unreport}, {NULL, NULL},
};

int luaopen_host_limits(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
