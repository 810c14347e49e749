/* lua_http.h - the request that Lua holds, for bindings that take it over (lua_ws.c). */
#pragma once
#include <lua.h>

struct http_req;

/* The request at `arg`, valid until its task ends; raises when it is no request, or over.
 */
struct http_req *lua_http_check_req(lua_State *L, int arg);
