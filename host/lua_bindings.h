/* lua_bindings.h - every primitive that Lua can require. To add one: write host/lua_x.c, add
 * its luaopen here and its row in lua_bindings.c. */
#pragma once
#include <lauxlib.h>
#include <lua.h>

extern const luaL_Reg lua_bindings[]; /* {"host.x", luaopen_host_x} ... {NULL, NULL} */

int luaopen_host_counters(lua_State *L);
int luaopen_host_crypto(lua_State *L);
int luaopen_host_db(lua_State *L);
int luaopen_host_fs(lua_State *L);
int luaopen_host_http(lua_State *L);
int luaopen_host_http_client(lua_State *L);
int luaopen_host_image(lua_State *L);
int luaopen_host_json(lua_State *L);
int luaopen_host_jwt(lua_State *L);
int luaopen_host_limits(lua_State *L);
int luaopen_host_log(lua_State *L);
int luaopen_host_metrics(lua_State *L);
int luaopen_host_process(lua_State *L);
int luaopen_host_qr(lua_State *L);
int luaopen_host_redis(lua_State *L);
int luaopen_host_sandbox(lua_State *L);
int luaopen_host_smtp(lua_State *L);
int luaopen_host_sys(lua_State *L);
int luaopen_host_task(lua_State *L);
int luaopen_host_text(lua_State *L);
int luaopen_host_uuid(lua_State *L);
int luaopen_host_ws(lua_State *L);
