/* Lua: host.ws
 *
 *   ws.accept(req, {max_message=, queue_max=, ping_ms=, protocol=, deflate=}) -> id | nil, err
 *        answers 101 and takes the connection out of HTTP. err.code VERSION (answer 426),
 *        INVALID (answer 400), CLOSED. The first message comes when the accepting task has
 *        ended. deflate: compress for clients that offer it (true)
 *   ws.send(id, text) -> true | nil, err            err.code CLOSED, as for all with id
 *   ws.close(id, code, reason) -> true | nil, err
 *   ws.join(id, room) -> true | nil, err            err.code TOO_LARGE: in 1000 rooms
 *   ws.leave(id, room) -> true | nil, err
 *   ws.rooms(id) -> {names}                         empty when the id is unknown
 *   ws.in_room(id, room) -> boolean
 *   ws.publish(room, text, stamp|nil) -> n          receivers; stamp is a whole number above
 *        0: who got the latest message with the same one is passed over
 *   ws.close_room(room, code, reason) -> n
 *   ws.set_data(id, text|nil) -> true | nil, err
 *   ws.data(id) -> text | nil
 *   ws.deadline(id, ms, code, reason) -> true | nil, err     closes it then; ms 0: no more
 *   ws.stats() -> {connections=, rooms=, dropped=}
 *
 * Entry points, each call a task of the current generation with 30 s to end; per
 * connection one after the other: ws_message(id, text, true for a binary one),
 * ws_close(id, code, data).
 *
 * All of it raises in a process without a hub. The state is in C: nothing here survives a
 * reload, and nothing needs to. */
#include "entry.h"
#include "http.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_http.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "ws.h"
#include "ws_deflate.h"
#include "ws_frame.h"
#include "ws_handshake.h"
#include <stdlib.h>

#define MAX_ID 9007199254740991.0 /* 2^53 - 1 */

enum {
    TASK_MS = 30 * 1000,
    MAX_MESSAGE = 64 * 1024,
    QUEUE_MAX = 1024 * 1024,
    PING_MS = 25 * 1000,
};

/* A task that a connection waits for. The hub is looked up at its end: it may be gone
 * then. */
struct turn {
    struct task_defer defer; /* of the accepting task only */
    struct host *host;
    uint64_t id;
};

static struct ws_hub *check_hub(lua_State *L)
{
    struct ws_hub *hub = vm_host(L)->ws;
    if (!hub)
        luaL_error(L, "this process has no WebSocket hub");
    return hub;
}

/* 0, which no connection has, for what is no id. */
static uint64_t check_id(lua_State *L, int arg)
{
    lua_Number number = luaL_checknumber(L, arg);
    return number >= 1 && number <= MAX_ID ? (uint64_t)number : 0;
}

static unsigned check_code(lua_State *L, int arg)
{
    lua_Number code = luaL_checknumber(L, arg);
    if (!(code >= 1000 && code <= 4999) || !ws_close_code_valid((unsigned)code))
        luaL_argerror(L, arg, "no close code that may be sent");
    return (unsigned)code;
}

static unsigned opt_unsigned(lua_State *L, int arg, const char *key, unsigned fallback)
{
    lua_Number value = opt_number(L, arg, key, fallback);
    if (!(value >= 1 && value <= UINT32_MAX))
        luaL_error(L, "option '%s' is out of range", key);
    return (unsigned)value;
}

static int done(lua_State *L, int rc, const struct err *err)
{
    if (rc < 0)
        return lua_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static struct turn *turn_new(struct host *host, uint64_t id)
{
    struct turn *turn = mem_new(sizeof(*turn));
    turn->host = host;
    turn->id = id;
    return turn;
}

static void turn_end(struct turn *turn)
{
    if (turn->host->ws)
        ws_message_done(turn->host->ws, turn->id);
    free(turn);
}

static void on_accepted(struct task_defer *node)
{
    turn_end((struct turn *)node); /* the node is its first member */
}

static void on_message_ended(void *arg, lua_State *L, const char *problem)
{
    (void)L;
    if (problem)
        log_error("ws_message failed: %s", problem);
    turn_end(arg);
}

static bool on_message(void *arg, uint64_t id, const char *data, size_t len, bool binary)
{
    struct host *host = arg;
    struct vm *vm = host->vm;
    if (!vm)
        return false;
    if (!vm_push_entry(vm, vm->L, "ws_message")) {
        ws_message_done(host->ws, id);
        return true;
    }
    lua_pushnumber(vm->L, (lua_Number)id);
    lua_pushlstring(vm->L, data, len);
    if (binary)
        lua_pushboolean(vm->L, 1);
    task_spawn(vm, vm->L, binary ? 3 : 2, TASK_MS, on_message_ended, turn_new(host, id));
    return true;
}

static bool on_close(void *arg, uint64_t id, unsigned code, const char *data, size_t len)
{
    struct host *host = arg;
    struct vm *vm = host->vm;
    if (!vm)
        return false;
    if (!vm_push_entry(vm, vm->L, "ws_close"))
        return true;
    lua_pushnumber(vm->L, (lua_Number)id);
    lua_pushnumber(vm->L, code);
    if (data)
        lua_pushlstring(vm->L, data, len);
    task_spawn(vm, vm->L, data ? 3 : 2, TASK_MS, NULL, NULL);
    return true;
}

static int l_accept(lua_State *L)
{
    struct ws_hub *hub = check_hub(L);
    struct task *task = task_current(L);
    struct http_req *req = lua_http_check_req(L, 1);
    const char *protocol = opt_string(L, 2, "protocol", NULL, NULL);
    if (protocol && !ws_is_token(protocol))
        return luaL_error(L, "option 'protocol' is no token");
    bool deflate = opt_boolean(L, 2, "deflate", true);
    struct ws_options options = {
        .max_message = opt_unsigned(L, 2, "max_message", MAX_MESSAGE),
        .queue_max = opt_unsigned(L, 2, "queue_max", QUEUE_MAX),
        .ping_ms = opt_unsigned(L, 2, "ping_ms", PING_MS),
    };
    struct ws_handshake handshake = {
        .method = http_req_method(req),
        .upgrade = http_req_header(req, "upgrade", NULL),
        .connection = http_req_header(req, "connection", NULL),
        .version = http_req_header(req, "sec-websocket-version", NULL),
        .key = http_req_header(req, "sec-websocket-key", NULL),
    };
    const char *offers = http_req_header(req, "sec-websocket-extensions", NULL);
    struct http_detached detached;
    struct buf extensions = {0}, head = {0};
    struct err err;
    int bits = 0;
    if (ws_handshake_check(&handshake, &err) < 0 ||
        (deflate && (bits = ws_deflate_negotiate(offers, &extensions, &err)) < 0) ||
        http_req_detach(req, &detached, &err) < 0) {
        buf_free(&extensions);
        return lua_fail(L, &err);
    }
    options.deflate_bits = (unsigned)bits;
    ws_handshake_answer(&head, handshake.key, protocol,
                        bits ? buf_cstr(&extensions) : NULL);
    buf_free(&extensions);
    uint64_t id = ws_adopt(hub, detached.stream, &options, head.data, head.len,
                           detached.rest, detached.rest_len);
    buf_free(&head);
    free(detached.rest);
    struct turn *turn = turn_new(vm_host(L), id);
    turn->defer.run = on_accepted;
    task_defer(task, &turn->defer);
    lua_pushnumber(L, (lua_Number)id);
    return 1;
}

static int l_send(lua_State *L)
{
    size_t len;
    struct err err;
    uint64_t id = check_id(L, 1);
    const char *text = luaL_checklstring(L, 2, &len);
    return done(L, ws_send(check_hub(L), id, text, len, &err), &err);
}

static int l_close(lua_State *L)
{
    struct err err;
    uint64_t id = check_id(L, 1);
    unsigned code = check_code(L, 2);
    const char *reason = luaL_optstring(L, 3, NULL);
    return done(L, ws_close(check_hub(L), id, code, reason, &err), &err);
}

static int l_join(lua_State *L)
{
    size_t len;
    struct err err;
    uint64_t id = check_id(L, 1);
    const char *room = luaL_checklstring(L, 2, &len);
    return done(L, ws_join(check_hub(L), id, room, len, &err), &err);
}

static int l_leave(lua_State *L)
{
    size_t len;
    struct err err;
    uint64_t id = check_id(L, 1);
    const char *room = luaL_checklstring(L, 2, &len);
    return done(L, ws_leave(check_hub(L), id, room, len, &err), &err);
}

static int l_rooms(lua_State *L)
{
    struct ws_hub *hub = check_hub(L);
    uint64_t id = check_id(L, 1);
    size_t len;
    const char *room;
    lua_newtable(L);
    for (int i = 0; (room = ws_room_at(hub, id, (size_t)i, &len)); i++) {
        lua_pushlstring(L, room, len);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int l_in_room(lua_State *L)
{
    size_t len;
    uint64_t id = check_id(L, 1);
    const char *room = luaL_checklstring(L, 2, &len);
    lua_pushboolean(L, ws_in_room(check_hub(L), id, room, len));
    return 1;
}

static int l_publish(lua_State *L)
{
    size_t room_len, len;
    const char *room = luaL_checklstring(L, 1, &room_len);
    const char *text = luaL_checklstring(L, 2, &len);
    lua_Number stamp = 0;
    if (!lua_isnoneornil(L, 3)) {
        stamp = luaL_checknumber(L, 3);
        luaL_argcheck(L, stamp >= 1 && stamp <= MAX_ID, 3, "a stamp is a number above 0");
    }
    size_t n = ws_publish(check_hub(L), room, room_len, text, len, (uint64_t)stamp);
    lua_pushnumber(L, (lua_Number)n);
    return 1;
}

static int l_close_room(lua_State *L)
{
    size_t len;
    const char *room = luaL_checklstring(L, 1, &len);
    unsigned code = check_code(L, 2);
    const char *reason = luaL_optstring(L, 3, NULL);
    lua_pushnumber(L, (lua_Number)ws_close_room(check_hub(L), room, len, code, reason));
    return 1;
}

static int l_set_data(lua_State *L)
{
    size_t len = 0;
    struct err err;
    uint64_t id = check_id(L, 1);
    const char *data = luaL_optlstring(L, 2, NULL, &len);
    return done(L, ws_set_data(check_hub(L), id, data, len, &err), &err);
}

static int l_data(lua_State *L)
{
    size_t len;
    const char *data = ws_data(check_hub(L), check_id(L, 1), &len);
    if (data)
        lua_pushlstring(L, data, len);
    else
        lua_pushnil(L);
    return 1;
}

static int l_deadline(lua_State *L)
{
    struct err err;
    uint64_t id = check_id(L, 1);
    lua_Number ms = luaL_checknumber(L, 2);
    luaL_argcheck(L, ms >= 0 && ms <= UINT32_MAX, 2, "out of range");
    unsigned code = ms > 0 ? check_code(L, 3) : 0;
    const char *reason = luaL_optstring(L, 4, NULL);
    return done(L, ws_deadline(check_hub(L), id, (unsigned)ms, code, reason, &err), &err);
}

static void set_count(lua_State *L, const char *key, uint64_t value)
{
    lua_pushnumber(L, (lua_Number)value);
    lua_setfield(L, -2, key);
}

static int l_stats(lua_State *L)
{
    struct ws_stats stats = ws_hub_stats(check_hub(L));
    lua_createtable(L, 0, 3);
    set_count(L, "connections", stats.connections);
    set_count(L, "rooms", stats.rooms);
    set_count(L, "dropped", stats.dropped);
    return 1;
}

static const luaL_Reg functions[] = {
    {"accept", l_accept},     {"send", l_send},       {"close", l_close},
    {"join", l_join},         {"leave", l_leave},     {"rooms", l_rooms},
    {"in_room", l_in_room},   {"publish", l_publish}, {"close_room", l_close_room},
    {"set_data", l_set_data}, {"data", l_data},       {"deadline", l_deadline},
    {"stats", l_stats},       {NULL, NULL},
};

void lua_ws_install(struct host *host)
{
    ws_hub_on(host->ws, on_message, on_close, host);
}

int luaopen_host_ws(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
