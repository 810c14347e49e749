/* Lua: host.metrics - numbers that all processes of a node count together (metrics.h).
 *
 *   metrics.open(kind, name, help, labels) -> series    "counter" | "gauge" | "histogram"; labels:
 *                                         the text between the braces. Found or made; for boot
 *   metrics.add(series, n|nil)            n (1) to a counter or gauge
 *   metrics.set(series, value)            of a gauge
 *   metrics.observe(series, seconds, counter|nil)   into a histogram; adds 1 to the counter as well
 *   metrics.total(name) -> number         the sum of all counters or gauges of this name
 *   metrics.text() -> all as Prometheus reads it
 *
 * The values of names that end in _seconds or _seconds_total are given and told in seconds. */
#include "host.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "metrics.h"
#include <math.h>
#include <string.h>

#define US_PER_S 1e6

static const char *const kinds[] = {"counter", "gauge", "histogram", NULL};

static int check_series(lua_State *L, int arg, enum metric_kind kind)
{
    int series = (int)luaL_checkinteger(L, arg);
    if (!metrics_is(vm_host(L)->metrics, series, kind))
        luaL_argerror(L, arg, lua_pushfstring(L, "is no %s", kinds[kind]));
    return series;
}

static int64_t check_value(lua_State *L, int arg, double scale)
{
    double value = luaL_checknumber(L, arg) * scale;
    luaL_argcheck(L, fabs(value) < 9e18, arg, "out of range");
    return (int64_t)value;
}

static int l_open(lua_State *L)
{
    int kind = luaL_checkoption(L, 1, NULL, kinds);
    const char *name = luaL_checkstring(L, 2);
    const char *help = luaL_checkstring(L, 3);
    const char *labels = luaL_optstring(L, 4, "");
    int series =
        metrics_open(vm_host(L)->metrics, (enum metric_kind)kind, name, help, labels);
    if (series < 0)
        return luaL_error(L, "metric %s{%s}: not a name, too long, or of another kind",
                          name, labels);
    lua_pushinteger(L, series);
    return 1;
}

static double scale_of(lua_State *L, int series)
{
    return metrics_is_duration(vm_host(L)->metrics, series) ? US_PER_S : 1;
}

static int l_add(lua_State *L)
{
    int series = (int)luaL_checkinteger(L, 1);
    struct metrics *metrics = vm_host(L)->metrics;
    luaL_argcheck(L,
                  metrics_is(metrics, series, METRIC_COUNTER) ||
                      metrics_is(metrics, series, METRIC_GAUGE),
                  1, "is no counter or gauge");
    int64_t count = lua_isnoneornil(L, 2) ? 1 : check_value(L, 2, scale_of(L, series));
    metrics_add(metrics, series, count);
    return 0;
}

static int l_set(lua_State *L)
{
    int series = check_series(L, 1, METRIC_GAUGE);
    metrics_set(vm_host(L)->metrics, series, check_value(L, 2, scale_of(L, series)));
    return 0;
}

static int l_observe(lua_State *L)
{
    int series = check_series(L, 1, METRIC_HISTOGRAM);
    int64_t us = check_value(L, 2, US_PER_S);
    int counter = lua_isnoneornil(L, 3) ? 0 : check_series(L, 3, METRIC_COUNTER);
    metrics_observe(vm_host(L)->metrics, series, us);
    metrics_add(vm_host(L)->metrics, counter, 1);
    return 0;
}

static int l_total(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_pushnumber(L, (lua_Number)metrics_total(vm_host(L)->metrics, name));
    return 1;
}

static int l_text(lua_State *L)
{
    struct buf text = {0};
    metrics_print(vm_host(L)->metrics, &text);
    lua_pushlstring(L, text.data, text.len);
    buf_free(&text);
    return 1;
}

static const luaL_Reg functions[] = {
    {"open", l_open},   {"add", l_add},   {"set", l_set}, {"observe", l_observe},
    {"total", l_total}, {"text", l_text}, {NULL, NULL},
};

int luaopen_host_metrics(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
