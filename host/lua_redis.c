/* Lua: host.redis - the process's connection to Redis
 *
 *   redis.call(command, ...) -> value | nil, err                                 (waits)
 *       arguments: string or number; value: string, number, table, or redis.null for nil;
 *       an error inside an array is an err table. err.code: REDIS, TIMEOUT, UNAVAILABLE
 *   redis.subscribe(channel) -> sub
 *   sub:wait(ms) -> payload | nil, err    the next message                       (waits)
 *       err.code: TIMEOUT, CLOSED
 *   sub:close()                           ends a wait under way
 *   redis.connected() -> boolean
 *   redis.null
 *
 * Up to 1000 messages wait in a subscription; then the oldest are dropped. While Redis is
 * down none come, and nobody is told: messages are wake-ups, not truth.
 *
 * Invariants: a mailbox is the C side of a sub. It is anchored in the registry while a
 * task waits for it, and freed when its timer is closed. */
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "redis.h"
#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUB_TYPE "host.redis.sub"

enum { ARGS_MAX = 1000, MESSAGES_MAX = 1000, NUMBER_MAX = 32 };

/* ---- calls ---- */

struct wait {
    struct task *task;
    struct redis_call *call;
    const struct redisReply *reply; /* while push_answer runs */
    const struct err *err;
};

static void push_reply(lua_State *L, const struct redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        lua_pushlstring(L, reply->str, reply->len);
        break;
    case REDIS_REPLY_INTEGER:
        lua_pushnumber(L, (lua_Number)reply->integer);
        break;
    case REDIS_REPLY_ERROR: /* inside an array only */
        lua_fail_code(L, REDIS_REFUSED, "%.*s", (int)reply->len, reply->str);
        lua_remove(L, -2);
        break;
    case REDIS_REPLY_ARRAY: /* hiredis bounds the depth */
        lua_checkstack(L, 8);
        lua_createtable(L, (int)reply->elements, 0);
        for (size_t i = 0; i < reply->elements; i++) {
            push_reply(L, reply->element[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
        break;
    default:
        lua_pushlightuserdata(L, NULL);
    }
}

static int push_answer(lua_State *L, void *arg)
{
    struct wait *wait = arg;
    int results = 1;
    if (wait->err)
        results = lua_fail(L, wait->err);
    else
        push_reply(L, wait->reply);
    free(wait);
    return results;
}

static void on_answer(void *arg, const struct redisReply *reply, const struct err *err)
{
    struct wait *wait = arg;
    wait->reply = reply;
    wait->err = err;
    task_wake(wait->task, push_answer, wait);
}

static void wait_cancel(void *arg)
{
    struct wait *wait = arg;
    redis_forget(wait->call);
    free(wait);
}

static struct redis *check_redis(lua_State *L)
{
    struct redis *redis = vm_host(L)->redis;
    if (!redis)
        luaL_error(L, "this process has no connection to Redis");
    return redis;
}

static int l_call(lua_State *L)
{
    struct redis *redis = check_redis(L);
    struct task *task = task_current(L);
    const char *argv[ARGS_MAX];
    size_t lens[ARGS_MAX];
    int argc = lua_gettop(L);
    luaL_argcheck(L, argc >= 1 && argc <= ARGS_MAX, 1, "1 to 1000 arguments");
    for (int i = 0; i < argc; i++) {
        if (lua_type(L, i + 1) ==
            LUA_TNUMBER) { /* not Lua's way: that ends at 14 digits */
            double number = lua_tonumber(L, i + 1);
            char text[NUMBER_MAX];
            snprintf(text, sizeof(text),
                     number == floor(number) && fabs(number) < 1e16 ? "%.0f" : "%.17g",
                     number);
            lua_pushstring(L, text);
            lua_replace(L, i + 1);
        }
        luaL_checktype(L, i + 1, LUA_TSTRING);
        argv[i] = lua_tolstring(L, i + 1, &lens[i]);
    }
    struct err err;
    struct wait *wait = mem_new(sizeof(*wait));
    wait->task = task;
    wait->call = redis_call(redis, argc, argv, lens, on_answer, wait, &err);
    if (wait->call)
        return task_wait(L, wait_cancel, wait);
    free(wait);
    return lua_fail(L, &err);
}

static int l_connected(lua_State *L)
{
    struct redis *redis = vm_host(L)->redis;
    lua_pushboolean(L, redis && redis_connected(redis));
    return 1;
}

/* ---- subscriptions ---- */

struct message {
    struct message *next;
    size_t len;
    char payload[];
};

struct mailbox {
    struct redis_sub *sub; /* NULL once closed; whoever waits is then told so */
    struct message *first, **last;
    unsigned count;
    uv_timer_t timer;
    struct task *waiter; /* NULL: nobody waits */
    lua_State *L;        /* the vm's main state, for `ref` */
    int ref;             /* the userdata, while somebody waits */
};

static void drop_first(struct mailbox *box)
{
    struct message *message = box->first;
    box->first = message->next;
    if (!box->first)
        box->last = &box->first;
    box->count--;
    free(message);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void mailbox_unsubscribe(struct mailbox *box)
{
    redis_unsubscribe(box->sub);
    box->sub = NULL;
    while (box->first)
        drop_first(box);
}

static void mailbox_free(struct mailbox *box)
{
    uv_close((uv_handle_t *)&box->timer, on_timer_closed);
}

/* Pushes the first message, or nil and TIMEOUT or CLOSED. */
static int push_message(lua_State *L, void *arg)
{
    struct mailbox *box = arg;
    if (!box->sub)
        return lua_fail_code(L, ERR_CLOSED, "the subscription was closed");
    if (!box->first)
        return lua_fail_code(L, ERR_TIMEOUT, "no message in time");
    lua_pushlstring(L, box->first->payload, box->first->len);
    drop_first(box);
    return 1;
}

static void end_wait(struct mailbox *box)
{
    box->waiter = NULL;
    uv_timer_stop(&box->timer);
    luaL_unref(box->L, LUA_REGISTRYINDEX, box->ref);
}

/* The userdata stays anchored until the message has been copied. */
static int push_awaited(lua_State *L, void *arg)
{
    int results = push_message(L, arg);
    end_wait(arg);
    return results;
}

static void on_wait_over(uv_timer_t *timer)
{
    struct mailbox *box = timer->data;
    bool closed = !box->sub; /* before Lua runs: it may close it now */
    task_wake(box->waiter, push_awaited, box);
    if (closed)
        mailbox_free(box);
}

static void on_message(void *arg, const char *payload, size_t len)
{
    struct mailbox *box = arg;
    if (box->count >= MESSAGES_MAX)
        drop_first(box);
    struct message *message = mem_new(sizeof(*message) + len);
    message->len = len;
    memcpy(message->payload, payload, len);
    *box->last = message;
    box->last = &message->next;
    box->count++;
    if (box->waiter) /* from its own timer: no task runs inside hiredis's loop over
                        channels */
        uv_timer_start(&box->timer, on_wait_over, 0, 0);
}

static void sub_cancel(void *arg)
{
    struct mailbox *box = arg;
    end_wait(box);
    if (!box->sub)
        mailbox_free(box);
}

static int l_subscribe(lua_State *L)
{
    struct redis *redis = check_redis(L);
    size_t len;
    const char *channel = luaL_checklstring(L, 1, &len);
    void **slot = box_new(L, SUB_TYPE);
    struct mailbox *box = mem_new(sizeof(*box));
    *slot = box;
    box->last = &box->first;
    box->L = vm_from(L)->L;
    uv_timer_init(vm_host(L)->loop, &box->timer);
    box->timer.data = box;
    box->sub = redis_subscribe(redis, channel, len, on_message, box);
    return 1;
}

static int sub_wait(lua_State *L)
{
    struct mailbox *box = box_check(L, 1, SUB_TYPE);
    lua_Number ms = luaL_checknumber(L, 2);
    struct task *task = task_current(L);
    if (box->waiter)
        luaL_error(L, "another task waits for this subscription");
    if (box->first)
        return push_message(L, box);
    lua_pushvalue(L, 1);
    box->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    box->waiter = task;
    uv_timer_start(&box->timer, on_wait_over, ms > 0 ? (uint64_t)ms : 0, 0);
    return task_wait(L, sub_cancel, box);
}

static int sub_close(lua_State *L)
{
    void **slot = box_slot(L, 1, SUB_TYPE);
    struct mailbox *box = *slot;
    if (!box)
        return 0;
    *slot = NULL;
    mailbox_unsubscribe(box);
    if (box->waiter) /* on the loop's next turn: no task runs inside another's call */
        uv_timer_start(&box->timer, on_wait_over, 0, 0);
    else
        mailbox_free(box);
    return 0;
}

static const luaL_Reg functions[] = {
    {"call", l_call},
    {"subscribe", l_subscribe},
    {"connected", l_connected},
    {NULL, NULL},
};

static const luaL_Reg sub_methods[] = {
    {"wait", sub_wait},
    {"close", sub_close},
    {NULL, NULL},
};

static const luaL_Reg sub_meta[] = {
    {"__gc", sub_close},
    {NULL, NULL},
};

int luaopen_host_redis(lua_State *L)
{
    box_type(L, SUB_TYPE, sub_methods, sub_meta);
    lua_module(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
