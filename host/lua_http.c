/* Lua: host.http
 *
 *   http.stats() -> {connections =, requests =}
 *   http.own_headers(headers)          {name = text} of what the host answers by itself: refusals of
 *                                      what is no request, and the like
 *   http.frame(headers, names|nil) -> frame   what many answers have in common, for respond: header
 *                                      lines, none of which depends on the body, and up to 16
 *                                      names of headers of which each answer gives the values
 *
 *   http.headers(headers) -> headers   for respond in place of a table of the same, looked at once
 *
 * The entry point `request(req)` runs as a task as soon as the head of a request is
 * parsed. `req` is over when that task ends; an unanswered request is then answered 500.
 * It returns status, seconds, count, the trace's id (nil for req:trace()), and names and values
 * (text, nil for none): what its line in the access log tells besides req:id(), and the series of
 * host.metrics (a histogram, a counter) in which it counts.
 *
 *   req:method() req:path() req:query() req:ip() -> text       path and query raw
 *   req:scheme() -> "http" | "https"
 *   req:head() -> method, path, query, ip, parent    what every request is asked for, in one call.
 *       parent: the header traceparent, or nil
 *   req:id() -> text           what the request is called: by the client's x-request-id when that
 *       is 1 to 100 letters, digits, ".", "_", ":" and "-", else a new UUID
 *   req:trace() -> text        32 hex digits: the trace that begins with it
 *   req:agent() -> text|nil    300 bytes of the user-agent at most, "?" for what is not printable
 *       ASCII
 *   req:header(name) -> text | nil     req:headers() -> {lower-case name = text}
 *   req:has_body() -> boolean          req:content_length() -> number | nil
 *   req:body(limit) -> text | nil, err                                            (waits)
 *       err.code TOO_LARGE, CLOSED, TIMEOUT, INVALID
 *   req:multipart{max_file=, max_files=, max_fields=, max_text=, dir=} -> form | nil, err
 *       (waits) form = {fields = {name = text},
 *                       files = {{name=, filename=, type=, path=, size=, sha256=}...}}
 *       err.code TOO_LARGE, TOO_MANY, INVALID, CLOSED, TIMEOUT, DISK_FULL, IO; err.field names
 *       the part. Of fields with the same name the last counts. The request's deadline is
 *       replaced while the form comes (a slow phone may take minutes) and begins anew after it.
 *   req:keep(path) -> boolean          the file of that form outlives the task
 *   req:respond(status, headers|nil, body, frame|nil, ...)
 *       headers {name = text | number | {text...}}, which go over the frame's lines of the same
 *       names. Behind the frame a value (text, a whole number, true for req:id(), or nil for none)
 *       for each of its names, which goes over the one of the same name in `headers`
 *   req:send_file(status, headers, path, offset, length) -> true | nil, err      (waits)
 *       err.code NOT_FOUND, INVALID (slice outside of the file), CLOSED, IO
 *   req:responded() -> boolean
 *
 * Body and form can be read once; a second time, or answering twice, raises. */
#include "lua_http.h"
#include "conf.h"
#include "entry.h"
#include "heartbeat.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_http_exchange.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "turn.h"
#include <stdlib.h>
#include <string.h>

#define REQ_TYPE "host.http.request"

enum { AGENT_MAX = 300, SPARES_MAX = 64 };

struct exchange *exchange_check(lua_State *L)
{
    return box_check(L, 1, REQ_TYPE);
}

struct http_req *lua_http_check_req(lua_State *L, int arg)
{
    struct exchange *exchange = box_check(L, arg, REQ_TYPE);
    return exchange->req;
}

unsigned exchange_setting(const struct exchange *exchange, const char *key)
{
    return (unsigned)conf_int(exchange->host->conf, key);
}

/* ---- What was asked ---- */

static int l_method(lua_State *L)
{
    lua_pushstring(L, http_req_method(exchange_check(L)->req));
    return 1;
}

static int l_path(lua_State *L)
{
    size_t len;
    const char *path = http_req_path(exchange_check(L)->req, &len);
    lua_pushlstring(L, path, len);
    return 1;
}

static void push_or_nil(lua_State *L, const char *text, size_t len)
{
    if (text)
        lua_pushlstring(L, text, len);
    else
        lua_pushnil(L);
}

/* The first thing that its task asks: what this process does from now on. */
static int l_head(lua_State *L)
{
    const struct exchange *exchange = exchange_check(L);
    const struct http_req *req = exchange->req;
    const struct host *host = exchange->host;
    size_t path_len, query_len, parent_len = 0;
    const char *path = http_req_path(req, &path_len);
    const char *query = http_req_query(req, &query_len);
    const char *parent = http_req_header(req, "traceparent", &parent_len);
    if (host->heart)
        heartbeat_doing(host->heart, host->slot, http_req_method(req), path);
    lua_pushstring(L, http_req_method(req));
    lua_pushlstring(L, path, path_len);
    lua_pushlstring(L, query, query_len);
    lua_pushstring(L, http_req_ip(req));
    push_or_nil(L, parent, parent_len);
    return 5;
}

static int l_id(lua_State *L)
{
    size_t len;
    bool ours;
    const char *id = http_req_id(exchange_check(L)->req, &len, &ours);
    lua_pushlstring(L, id, len);
    return 1;
}

/* One number for the request and its trace, unless the client chose that of the request. */
const char *exchange_trace(struct exchange *exchange)
{
    size_t len;
    bool ours;
    char *out = exchange->trace;
    if (*out)
        return out;
    const char *id = http_req_id(exchange->req, &len, &ours);
    if (!ours) {
        uuid_hex(out);
        return out;
    }
    static const size_t groups[] = {8, 4, 4, 4, 12}; /* of a UUID's digits */
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); id += groups[i++] + 1)
        out = mempcpy(out, id, groups[i]);
    *out = '\0';
    return exchange->trace;
}

static int l_trace(lua_State *L)
{
    lua_pushlstring(L, exchange_trace(exchange_check(L)), UUID_HEX);
    return 1;
}

static int l_agent(lua_State *L)
{
    char text[AGENT_MAX];
    size_t len = 0;
    const char *agent = http_req_header(exchange_check(L)->req, "user-agent", &len);
    if (len > AGENT_MAX)
        len = AGENT_MAX;
    for (size_t i = 0; i < len; i++)
        text[i] = agent[i] >= 0x20 && agent[i] < 0x7f ? agent[i] : '?';
    push_or_nil(L, agent ? text : NULL, len);
    return 1;
}

static int l_query(lua_State *L)
{
    size_t len;
    const char *query = http_req_query(exchange_check(L)->req, &len);
    lua_pushlstring(L, query, len);
    return 1;
}

static int l_header(lua_State *L)
{
    char name[128];
    size_t len;
    const struct exchange *exchange = exchange_check(L);
    const char *asked = luaL_checklstring(L, 2, &len);
    if (len >= sizeof(name))
        return 0;
    for (size_t i = 0; i <= len; i++)
        name[i] = asked[i] >= 'A' && asked[i] <= 'Z' ? (char)(asked[i] | 0x20) : asked[i];
    const char *value = http_req_header(exchange->req, name, &len);
    push_or_nil(L, value, len);
    return 1;
}

static int l_headers(lua_State *L)
{
    const struct exchange *exchange = exchange_check(L);
    struct http_header header;
    lua_newtable(L);
    for (size_t i = 0; http_req_header_at(exchange->req, i, &header); i++) {
        lua_pushlstring(L, header.name, header.name_len);
        lua_pushlstring(L, header.value, header.value_len);
        lua_rawset(L, -3);
    }
    return 1;
}

static int l_ip(lua_State *L)
{
    lua_pushstring(L, http_req_ip(exchange_check(L)->req));
    return 1;
}

static int l_scheme(lua_State *L)
{
    lua_pushstring(L, http_req_scheme(exchange_check(L)->req));
    return 1;
}

static int l_has_body(lua_State *L)
{
    lua_pushboolean(L, http_req_has_body(exchange_check(L)->req));
    return 1;
}

static int l_content_length(lua_State *L)
{
    int64_t len = http_req_content_length(exchange_check(L)->req);
    if (len >= 0)
        lua_pushnumber(L, (lua_Number)len);
    else
        lua_pushnil(L);
    return 1;
}

static int l_responded(lua_State *L)
{
    lua_pushboolean(L, http_req_responded(exchange_check(L)->req));
    return 1;
}

/* ---- Waiting for one operation ---- */

void exchange_begin(struct exchange *exchange)
{
    exchange->ended = false;
    free(exchange->err);
    exchange->err = NULL;
}

void exchange_end(struct exchange *exchange, const struct err *err, task_push_cb push)
{
    if (exchange->ended)
        return;
    exchange->ended = true;
    if (err) {
        exchange->err = mem_new(sizeof(*err));
        *exchange->err = *err;
    }
    struct task *task = exchange->task;
    exchange->task = NULL;
    if (task)
        task_wake(task, push, exchange);
}

static void cancel(void *op)
{
    struct exchange *exchange = op;
    exchange->task = NULL;
    exchange->ended = true;
    exchange->form_open = false;
    http_req_stop(exchange->req);
}

int exchange_wait(lua_State *L, struct exchange *exchange, task_push_cb push)
{
    if (exchange->ended)
        return push(L, exchange);
    exchange->task = task_current(L);
    return task_wait(L, cancel, exchange);
}

/* ---- Its life ---- */

/* Those that are over, for the next requests. */
static struct {
    struct exchange *first;
    unsigned count;
} spares;

static struct exchange *exchange_new(void)
{
    struct exchange *exchange = spares.first;
    if (!exchange)
        return mem_new(sizeof(*exchange));
    spares.first = exchange->next;
    spares.count--;
    *exchange = (struct exchange){0};
    return exchange;
}

static void exchange_keep(struct exchange *exchange)
{
    if (spares.count == SPARES_MAX) {
        free(exchange);
        return;
    }
    exchange->next = spares.first;
    spares.first = exchange;
    spares.count++;
}

static void on_end(void *arg, lua_State *L, const char *problem)
{
    struct exchange *exchange = arg;
    if (!problem)
        exchange_finish(L, exchange);
    else
        log_error("%s %s: %s", http_req_method(exchange->req),
                  http_req_path(exchange->req, NULL), problem);
    exchange->box->pointer = NULL;
    http_req_release(exchange->req);
    upload_free(exchange->upload);
    buf_free(&exchange->body);
    free(exchange->err);
    exchange_keep(exchange);
}

static const luaL_Reg methods[] = {
    {"head", l_head},
    {"id", l_id},
    {"trace", l_trace},
    {"agent", l_agent},
    {"method", l_method},
    {"path", l_path},
    {"query", l_query},
    {"header", l_header},
    {"headers", l_headers},
    {"ip", l_ip},
    {"scheme", l_scheme},
    {"has_body", l_has_body},
    {"content_length", l_content_length},
    {"body", lua_http_body},
    {"multipart", lua_http_multipart},
    {"keep", lua_http_keep},
    {"respond", lua_http_respond},
    {"send_file", lua_http_send_file},
    {"responded", l_responded},
    {NULL, NULL},
};

/* Each generation has a metatable of its own. */
static void push_type(struct vm *vm)
{
    if (vm->request_type == LUA_NOREF) {
        box_type(vm->L, REQ_TYPE, methods, NULL);
        luaL_getmetatable(vm->L, REQ_TYPE);
        vm->request_type = luaL_ref(vm->L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->request_type);
}

static void push_box(struct vm *vm, struct exchange *exchange)
{
    exchange->box = lua_newuserdata(vm->L, sizeof(*exchange->box));
    *exchange->box = (struct box){exchange, REQ_TYPE};
    push_type(vm);
    lua_setmetatable(vm->L, -2);
}

static unsigned timeout_ms; /* read once: the settings of a process never change */

static void on_request(void *arg, struct http_req *req)
{
    struct host *host = arg;
    struct vm *vm = host->vm;
    if (!vm || !vm_has_request_entry(vm)) {
        http_req_fail(req, 503, "SERVICE_UNAVAILABLE", "the server is starting");
        http_req_release(req);
        return;
    }
    struct exchange *exchange = exchange_new();
    exchange->req = req;
    exchange->host = host;
    exchange->began = turn_time().steady;
    /* Held until it is over: a finaliser for each would be most of what collecting costs. */
    push_box(vm, exchange);
    vm_push_request_entry(vm, vm->L);
    lua_pushvalue(vm->L, -2);
    task_spawn_holding(vm, vm->L, 1, timeout_ms, on_end, exchange);
}

static int l_stats(lua_State *L)
{
    const struct host *host = vm_host(L);
    struct http_stats stats = {0};
    if (host->http)
        stats = http_server_stats(host->http);
    lua_createtable(L, 0, 2);
    lua_pushnumber(L, (lua_Number)stats.connections);
    lua_setfield(L, -2, "connections");
    lua_pushnumber(L, (lua_Number)stats.requests);
    lua_setfield(L, -2, "requests");
    return 1;
}

static const luaL_Reg functions[] = {
    {"stats", l_stats},
    {"frame", lua_http_frame},
    {"headers", lua_http_headers},
    {"own_headers", lua_http_own_headers},
    {NULL, NULL},
};

int luaopen_host_http(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}

/* Requests go to the generation that is current when they come. */
void lua_http_install(struct host *host)
{
    timeout_ms = (unsigned)conf_int(host->conf, "http.request_timeout_ms");
    http_server_on_request(host->http, on_request, host);
}
