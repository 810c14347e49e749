#include "lua_bindings.h"

const luaL_Reg lua_bindings[] = {
    {"host.counters", luaopen_host_counters},
    {"host.crypto", luaopen_host_crypto},
    {"host.db", luaopen_host_db},
    {"host.fs", luaopen_host_fs},
    {"host.http", luaopen_host_http},
    {"host.http_client", luaopen_host_http_client},
    {"host.image", luaopen_host_image},
    {"host.json", luaopen_host_json},
    {"host.jwt", luaopen_host_jwt},
    {"host.limits", luaopen_host_limits},
    {"host.log", luaopen_host_log},
    {"host.metrics", luaopen_host_metrics},
    {"host.process", luaopen_host_process},
    {"host.redis", luaopen_host_redis},
    {"host.smtp", luaopen_host_smtp},
    {"host.sys", luaopen_host_sys},
    {"host.task", luaopen_host_task},
    {"host.uuid", luaopen_host_uuid},
    {"host.ws", luaopen_host_ws},
    {NULL, NULL},
};
