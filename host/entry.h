/* entry.h - where C hands what arrived to Lua. Known without Lua's header; each is defined in
 * the binding of its module and called once per process, before anything can arrive. */
#pragma once

struct host;

/* Requests of host->http start a task in host->vm: its entry point `request`. */
void lua_http_install(struct host *host);

/* Messages and closes of host->ws: the entry points `ws_message` and `ws_close`. */
void lua_ws_install(struct host *host);
