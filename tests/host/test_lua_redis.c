#include "check.h"
#include "conf.h"
#include "log.h"
#include "lua_test.h"
#include "redis.h"
#include "servers.h"

static void gives_values(void)
{
    lua_test_run(
        "=gives_values",
        "local redis = require('host.redis')\n"
        "assert(redis.call('SET', 'a', 'x\\0y') == 'OK')\n"
        "assert(redis.connected())\n"
        "assert(redis.call('GET', 'a') == 'x\\0y')\n"
        "assert(redis.call('GET', 'none') == redis.null)\n"
        "assert(redis.call('INCRBY', 'n', 123456789012345) == 123456789012345)\n"
        "assert(redis.call('SET', 'f', 0.5) == 'OK' and redis.call('GET', 'f') == "
        "'0.5')\n"
        "redis.call('RPUSH', 'l', 'a', 2)\n"
        "local list = redis.call('LRANGE', 'l', 0, -1)\n"
        "assert(#list == 2 and list[1] == 'a' and list[2] == '2')\n"
        "local r = redis.call('EVAL', 'return {1, false, {err = \"BAD\"}, {}}', 0)\n"
        "assert(r[1] == 1 and r[2] == redis.null and r[3].code == 'REDIS' and #r[4] == "
        "0)\n"
        "local none, err = redis.call('INCR', 'l')\n"
        "assert(none == nil and err.code == 'REDIS' and err.message:find('WRONGTYPE'))\n"
        "assert(not pcall(redis.call) and not pcall(redis.call, 'SET', 'a', {}))\n");
}

static void waits_for_messages(void)
{
    lua_test_run(
        "=waits_for_messages",
        "local redis, task = require('host.redis'), require('host.task')\n"
        "local sub = redis.subscribe('news')\n"
        "local none, err = sub:wait(20)\n"
        "assert(none == nil and err.code == 'TIMEOUT')\n"
        "while redis.call('PUBLISH', 'news', 'first') == 0 do task.sleep(5) end\n"
        "assert(sub:wait(1000) == 'first')\n"
        "task.spawn(function() task.sleep(30) redis.call('PUBLISH', 'news', 'second') "
        "end)\n"
        "assert(sub:wait(1000) == 'second')\n"
        "for i = 1, 1005 do redis.call('PUBLISH', 'news', i) end\n"
        "task.sleep(50)\n"
        "assert(sub:wait(0) == '6')\n" /* the oldest were dropped */
        "task.deadline(50)\n"
        "for _ = 1, 999 do sub:wait(0) end\n"
        "task.deadline(60) none, err = sub:wait(5000) task.deadline(0)\n"
        "assert(none == nil and err.code == 'TIMEOUT')\n"
        "sub:close() sub:close()\n"
        "assert(not pcall(sub.wait, sub, 10))\n"
        "redis.subscribe('forgotten')\n"
        "assert(redis.subscribe('unnamed'):wait(50) == nil)\n");
}

static void goes_on_without_redis(void)
{
    servers_kill(&servers_redis);
    lua_test_run(
        "=goes_on_without_redis",
        "local redis, task = require('host.redis'), require('host.task')\n"
        "while redis.connected() do task.sleep(5) end\n"
        "local none, err = redis.call('GET', 'a')\n"
        "assert(none == nil and err.code == 'UNAVAILABLE' and not redis.connected())\n"
        "none, err = redis.subscribe('news'):wait(20)\n"
        "assert(none == nil and err.code == 'TIMEOUT')\n");
}

static void on_gone(void *arg)
{
    *(bool *)arg = true;
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    servers_start_redis();
    loop = uv_default_loop();
    char text[256];
    int len = snprintf(text, sizeof(text),
                       "redis.socket%c%s%credis.host%c%credis.port%c0%credis.password%c%c"
                       "redis.db%c0%credis.timeout_ms%c%d%c",
                       0, servers_path("redis.sock"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                       patiently(500), 0);
    struct conf *conf = conf_parse(text, (size_t)len);
    lua_test_host.redis = redis_new(loop, conf);
    lua_test_start();
    RUN(gives_values);
    RUN(waits_for_messages);
    RUN(goes_on_without_redis);
    lua_test_end();
    bool gone = false;
    redis_close(lua_test_host.redis, on_gone, &gone);
    loop_await(&gone);
    conf_free(conf);
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0); /* the tasks' own timer stays */
    servers_stop();
    return check_result("lua_redis");
}
