/* Lua: host.ws
 *
 *   ws.accept(req, {max_message=, queue_max=, ping_ms=, protocol=, deflate=, headers =
 *        {name = text}}) -> id | nil, err
 *        answers 101 and takes the connection out of HTTP. err.code VERSION (answer 426),
 *        INVALID (answer 400), CLOSED. The first message comes when the accepting task has
 *        ended. deflate: compress for clients that offer it (true)
 *   ws.accept_events(req, {headers = {name = text}, queue_max=, ping_ms=}) -> id | nil, err
 *        answers a GET with a stream of server-sent events: a connection that only hears.
 *        err.code INVALID (no GET, or HTTP/1.0), CLOSED. Close codes stay between us
 *   ws.send(id, text, mark|nil, name|nil) -> true | nil, err     err.code CLOSED, as for
 *        all with id. In a stream of events: mark is the event's id, what Last-Event-ID says
 *        later; name says whose listeners hear it
 *   ws.close(id, code, reason) -> true | nil, err
 *   ws.join(id, room) -> true | nil, err            err.code TOO_LARGE: in 1000 rooms
 *   ws.leave(id, room) -> true | nil, err
 *   ws.rooms(id) -> {names}                         empty when the id is unknown
 *   ws.in_room(id, room) -> boolean
 *   ws.members(room) -> {ids}                       of this process
 *   ws.queued(id) -> n                              bytes that wait for the reader
 *   ws.publish(room, text, stamp|nil, mark|nil, name|nil) -> n   receivers; stamp is a whole
 *        number above 0: who got the latest message with the same one is passed over
 *   ws.close_room(room, code, reason) -> n
 *   ws.set_data(id, text|nil) -> true | nil, err
 *   ws.data(id) -> text | nil
 *   ws.deadline(id, ms, code, reason) -> true | nil, err     closes it then; ms 0: no more
 *   ws.stats() -> {connections=, rooms=, queued=, half_full=, dropped=}
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
#include "sse.h"
#include "tidy.h"
#include "ws.h"
#include "ws_deflate.h"
#include "ws_frame.h"
#include "ws_handshake.h"
#include <stdlib.h>
#include <string.h>

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

/* Pushes the id; the connection's first message waits for the end of this task. */
static int accepted(lua_State *L, struct task *task, uint64_t id)
{
    struct turn *turn = turn_new(vm_host(L), id);
    turn->defer.run = on_accepted;
    task_defer(task, &turn->defer);
    tidy_crowd(vm_from(L));
    lua_pushnumber(L, (lua_Number)id);
    return 1;
}

/* Leaves the lines of options.headers on the stack as one string. */
static const char *check_headers(lua_State *L, int arg, size_t *len)
{
    lua_pushliteral(L, "");
    int lines = lua_gettop(L);
    if (lua_isnil(L, arg))
        lua_pushnil(L);
    else
        lua_getfield(L, arg, "headers");
    if (!lua_isnil(L, -1) && !lua_istable(L, -1))
        luaL_error(L, "option 'headers': table expected");
    bool any = lua_istable(L, -1);
    if (any)
        lua_pushnil(L);
    while (any && lua_next(L, lines + 1)) {
        bool texts = lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING;
        const char *name = texts ? lua_tostring(L, -2) : "";
        const char *value = texts ? lua_tostring(L, -1) : "";
        bool clean = ws_is_token(name) && strlen(name) == lua_objlen(L, -2);
        for (size_t i = 0; clean && i < lua_objlen(L, -1); i++)
            clean = (unsigned char)value[i] >= ' ' && value[i] != 127;
        if (!clean)
            luaL_error(L, "option 'headers': malformed");
        lua_pushvalue(L, lines);
        lua_pushfstring(L, "%s: %s\r\n", name, value);
        lua_concat(L, 2);
        lua_replace(L, lines);
        lua_pop(L, 1);
    }
    lua_settop(L, lines);
    return lua_tolstring(L, lines, len);
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
    lua_settop(L, 2);
    const char *lines = check_headers(L, 2, NULL);
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
                        bits ? buf_cstr(&extensions) : NULL, lines);
    buf_free(&extensions);
    uint64_t id = ws_adopt(hub, detached.stream, &options, head.data, head.len,
                           detached.rest, detached.rest_len);
    buf_free(&head);
    free(detached.rest);
    return accepted(L, task, id);
}

static int l_accept_events(lua_State *L)
{
    struct ws_hub *hub = check_hub(L);
    struct task *task = task_current(L);
    struct http_req *req = lua_http_check_req(L, 1);
    struct ws_options options = {
        .queue_max = opt_unsigned(L, 2, "queue_max", QUEUE_MAX),
        .ping_ms = opt_unsigned(L, 2, "ping_ms", PING_MS),
        .events = true,
    };
    lua_settop(L, 2);
    size_t headers_len;
    const char *headers = check_headers(L, 2, &headers_len);
    struct http_detached detached;
    struct buf head = {0};
    struct err err;
    if (strcmp(http_req_method(req), "GET") != 0)
        return lua_fail_code(L, ERR_INVALID, "only GET is answered with events");
    if (http_req_detach(req, &detached, &err) < 0)
        return lua_fail(L, &err);
    sse_head(&head);
    buf_append(&head, headers, headers_len);
    buf_puts(&head, "\r\n");
    uint64_t id = ws_adopt(hub, detached.stream, &options, head.data, head.len,
                           detached.rest, detached.rest_len);
    buf_free(&head);
    free(detached.rest);
    return accepted(L, task, id);
}

static struct ws_text check_message(lua_State *L, int arg, int mark)
{
    struct ws_text text = {0};
    text.text = luaL_checklstring(L, arg, &text.len);
    text.mark = luaL_optlstring(L, mark, NULL, &text.mark_len);
    text.name = luaL_optlstring(L, mark + 1, NULL, &text.name_len);
    return text;
}

static int l_send(lua_State *L)
{
    struct err err;
    uint64_t id = check_id(L, 1);
    struct ws_text text = check_message(L, 2, 3);
    return done(L, ws_send(check_hub(L), id, &text, &err), &err);
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

static int l_members(lua_State *L)
{
    struct ws_hub *hub = check_hub(L);
    size_t len;
    const char *room = luaL_checklstring(L, 1, &len);
    uint64_t id;
    lua_newtable(L);
    for (int i = 0; (id = ws_member_at(hub, room, len, (size_t)i)); i++) {
        lua_pushnumber(L, (lua_Number)id);
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

static int l_queued(lua_State *L)
{
    uint64_t id = check_id(L, 1);
    lua_pushnumber(L, (lua_Number)ws_queued(check_hub(L), id));
    return 1;
}

static int l_publish(lua_State *L)
{
    size_t room_len;
    const char *room = luaL_checklstring(L, 1, &room_len);
    struct ws_text text = check_message(L, 2, 4);
    lua_Number stamp = 0;
    if (!lua_isnoneornil(L, 3)) {
        stamp = luaL_checknumber(L, 3);
        luaL_argcheck(L, stamp >= 1 && stamp <= MAX_ID, 3, "a stamp is a number above 0");
    }
    size_t n = ws_publish(check_hub(L), room, room_len, &text, (uint64_t)stamp);
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
    lua_createtable(L, 0, 4);
    set_count(L, "connections", stats.connections);
    set_count(L, "rooms", stats.rooms);
    set_count(L, "queued", stats.queued);
    set_count(L, "half_full", stats.half_full);
    set_count(L, "dropped", stats.dropped);
    return 1;
}

static const luaL_Reg functions[] = {
    {"accept", l_accept},
    {"send", l_send},
    {"close", l_close},
    {"join", l_join},
    {"leave", l_leave},
    {"rooms", l_rooms},
    {"in_room", l_in_room},
    {"members", l_members},
    {"queued", l_queued},
    {"publish", l_publish},
    {"close_room", l_close_room},
    {"set_data", l_set_data},
    {"data", l_data},
    {"deadline", l_deadline},
    {"stats", l_stats},
    {"accept_events", l_accept_events},
    {NULL, NULL},
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
