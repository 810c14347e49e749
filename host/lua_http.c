/* Lua: host.http
 *
 *   http.stats() -> {connections =, requests =}
 *
 * The entry point `request(req)` runs as a task as soon as the head of a request is
 * parsed. `req` is over when that task ends; an unanswered request is then answered 500.
 *
 *   req:method() req:path() req:query() req:ip() -> text       path and query raw
 *   req:header(name) -> text | nil     req:headers() -> {lower-case name = text}
 *   req:has_body() -> boolean          req:content_length() -> number | nil
 *   req:body(limit) -> text | nil, err                                            (waits)
 *       err.code TOO_LARGE, CLOSED, TIMEOUT, INVALID
 *   req:multipart{max_file=, max_files=, max_fields=, max_field=, dir=} -> form | nil, err
 *       (waits) form = {fields = {name = text},
 *                       files = {{name=, filename=, type=, path=, size=, sha256=}...}}
 *       err.code TOO_LARGE, TOO_MANY, INVALID, CLOSED, TIMEOUT, DISK_FULL, IO; err.field names
 *       the part. Of fields with the same name the last counts. The request's deadline is
 *       replaced while the form comes (a slow phone may take minutes) and begins anew after it.
 *   req:keep(path) -> boolean          the file of that form outlives the task
 *   req:respond(status, headers, body) headers {name = text | number | {text...}}
 *   req:send_file(status, headers, path, offset, length) -> true | nil, err      (waits)
 *       err.code NOT_FOUND, INVALID (slice outside of the file), CLOSED, IO
 *   req:responded() -> boolean
 *
 * Body and form can be read once; a second time, or answering twice, raises. */
#include "lua_http.h"
#include "buf.h"
#include "conf.h"
#include "entry.h"
#include "heartbeat.h"
#include "http.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "multipart.h"
#include "upload.h"
#include <stdlib.h>
#include <string.h>

#define REQ_TYPE "host.http.request"

enum {
    HEADERS_MAX = 64, /* of an answer */
};

/* One request between C and Lua; lives from on_request to on_end. */
struct exchange {
    struct http_req *req;
    struct host *host;
    void **slot;       /* the box; NULL once Lua collected it */
    struct task *task; /* waiting, else NULL */
    bool ended;        /* the operation that may be waited for has its result */
    struct err err;    /* that result; code NULL when it went well */
    struct buf body;
    size_t limit;
    struct upload *upload;
    bool form_open; /* upload's result is waited for */
};

static struct exchange *check(lua_State *L)
{
    return box_check(L, 1, REQ_TYPE);
}

struct http_req *lua_http_check_req(lua_State *L, int arg)
{
    struct exchange *exchange = box_check(L, arg, REQ_TYPE);
    return exchange->req;
}

static unsigned setting(const struct exchange *exchange, const char *key)
{
    return (unsigned)conf_int(exchange->host->conf, key);
}

/* ---- What was asked ---- */

static int l_method(lua_State *L)
{
    lua_pushstring(L, http_req_method(check(L)->req));
    return 1;
}

static int l_path(lua_State *L)
{
    size_t len;
    const char *path = http_req_path(check(L)->req, &len);
    lua_pushlstring(L, path, len);
    return 1;
}

static int l_query(lua_State *L)
{
    size_t len;
    const char *query = http_req_query(check(L)->req, &len);
    lua_pushlstring(L, query, len);
    return 1;
}

static int l_header(lua_State *L)
{
    char name[128];
    size_t len;
    const struct exchange *exchange = check(L);
    const char *asked = luaL_checklstring(L, 2, &len);
    if (len >= sizeof(name))
        return 0;
    for (size_t i = 0; i <= len; i++)
        name[i] = asked[i] >= 'A' && asked[i] <= 'Z' ? (char)(asked[i] | 0x20) : asked[i];
    const char *value = http_req_header(exchange->req, name, &len);
    if (value)
        lua_pushlstring(L, value, len);
    else
        lua_pushnil(L);
    return 1;
}

static int l_headers(lua_State *L)
{
    const struct exchange *exchange = check(L);
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
    lua_pushstring(L, http_req_ip(check(L)->req));
    return 1;
}

static int l_has_body(lua_State *L)
{
    lua_pushboolean(L, http_req_has_body(check(L)->req));
    return 1;
}

static int l_content_length(lua_State *L)
{
    int64_t len = http_req_content_length(check(L)->req);
    if (len >= 0)
        lua_pushnumber(L, (lua_Number)len);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- Waiting for one operation ---- */

static void begin(struct exchange *exchange)
{
    exchange->ended = false;
    exchange->err.code = NULL;
}

/* Sets the result, once, and wakes the task if it waits. `exchange` may be gone
 * afterwards. */
static void end(struct exchange *exchange, const struct err *err, task_push_cb push)
{
    if (exchange->ended)
        return;
    exchange->ended = true;
    if (err)
        exchange->err = *err;
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

static int wait(lua_State *L, struct exchange *exchange, task_push_cb push)
{
    if (exchange->ended)
        return push(L, exchange);
    exchange->task = task_current(L);
    return task_wait(L, cancel, exchange);
}

/* ---- body ---- */

static int push_body(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    if (exchange->err.code)
        return lua_fail(L, &exchange->err);
    lua_pushlstring(L, exchange->body.data ? exchange->body.data : "",
                    exchange->body.len);
    buf_free(&exchange->body);
    return 1;
}

static int too_large(const struct exchange *exchange, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the body is larger than %zu bytes",
                   exchange->limit);
}

static int on_body_data(void *arg, const char *data, size_t len, struct err *err)
{
    struct exchange *exchange = arg;
    if (len > exchange->limit - exchange->body.len)
        return too_large(exchange, err);
    buf_append(&exchange->body, data, len);
    return 0;
}

static void on_body_end(void *arg, const struct err *err)
{
    end(arg, err, push_body);
}

static const struct http_sink body_sink = {on_body_data, on_body_end};

static int l_body(lua_State *L)
{
    struct exchange *exchange = check(L);
    lua_Number limit = luaL_checknumber(L, 2);
    struct err err;
    luaL_argcheck(L, limit >= 0 && limit < 1e15, 2, "a size in bytes expected");
    task_current(L);
    exchange->limit = (size_t)limit;
    if (http_req_content_length(exchange->req) > (int64_t)limit) {
        too_large(exchange, &err);
        return lua_fail(L, &err);
    }
    begin(exchange);
    if (http_req_read(exchange->req, &body_sink, exchange, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return wait(L, exchange, push_body);
}

/* ---- multipart ---- */

static void push_file(lua_State *L, const struct upload_file *file)
{
    lua_createtable(L, 0, 6);
    lua_pushstring(L, file->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, file->filename);
    lua_setfield(L, -2, "filename");
    lua_pushstring(L, file->type);
    lua_setfield(L, -2, "type");
    lua_pushstring(L, file->path);
    lua_setfield(L, -2, "path");
    lua_pushnumber(L, (lua_Number)file->size);
    lua_setfield(L, -2, "size");
    lua_pushstring(L, file->sha256);
    lua_setfield(L, -2, "sha256");
}

static int push_form(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    const struct upload *upload = exchange->upload;
    if (exchange->err.code) {
        int count = lua_fail(L, &exchange->err);
        if (upload_error_part(upload)) {
            lua_pushstring(L, upload_error_part(upload));
            lua_setfield(L, -2, "field");
        }
        return count;
    }
    const struct upload_field *field;
    const struct upload_file *file;
    lua_createtable(L, 0, 2);
    lua_newtable(L);
    for (size_t i = 0; (field = upload_field_at(upload, i)); i++) {
        lua_pushstring(L, field->name);
        lua_pushlstring(L, field->value, field->len);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "fields");
    lua_newtable(L);
    for (size_t i = 0; (file = upload_file_at(upload, i)); i++) {
        push_file(L, file);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "files");
    return 1;
}

static void end_form(struct exchange *exchange, const struct err *err)
{
    exchange->form_open = false;
    if (exchange->task)
        task_set_deadline(exchange->task, setting(exchange, "http.request_timeout_ms"));
    end(exchange, err, push_form);
}

static void on_upload_full(void *arg, bool full)
{
    struct exchange *exchange = arg;
    if (full)
        http_req_pause(exchange->req);
    else
        http_req_resume(exchange->req);
}

static void on_upload_done(void *arg, const struct err *err)
{
    struct exchange *exchange = arg;
    if (!exchange->form_open)
        return;
    http_req_stop(
        exchange->req); /* when the disk failed the rest of the body is not wanted */
    end_form(exchange, err);
}

static const struct upload_events upload_events = {on_upload_full, on_upload_done};

static int on_form_data(void *arg, const char *data, size_t len, struct err *err)
{
    struct exchange *exchange = arg;
    return upload_feed(exchange->upload, data, len, err);
}

static void on_form_end(void *arg, const struct err *err)
{
    struct exchange *exchange = arg;
    struct err problem;
    if (err)
        end_form(exchange, err);
    else if (upload_finish(exchange->upload, &problem) < 0)
        end_form(exchange, &problem);
}

static const struct http_sink form_sink = {on_form_data, on_form_end};

static lua_Number size_option(lua_State *L, const char *key)
{
    lua_Number value = opt_number(L, 2, key, -1);
    if (!(value >= 0 && value <= 1e12))
        luaL_error(L, "option '%s': a number from 0 expected", key);
    return value;
}

static int l_multipart(lua_State *L)
{
    struct exchange *exchange = check(L);
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    struct err err;
    luaL_checktype(L, 2, LUA_TTABLE);
    struct task *task = task_current(L);
    struct upload_limits limits = {
        .max_file = (uint64_t)size_option(L, "max_file"),
        .max_files = (unsigned)size_option(L, "max_files"),
        .max_fields = (unsigned)size_option(L, "max_fields"),
        .max_field = (size_t)size_option(L, "max_field"),
        .dir = opt_string(L, 2, "dir", NULL, NULL),
    };
    if (!limits.dir)
        return luaL_error(L, "option 'dir': string expected");
    if (exchange->upload)
        return luaL_error(L, "the body was read already");
    const char *type = http_req_header(exchange->req, "content-type", NULL);
    if (multipart_boundary(type ? type : "", boundary, &err) < 0)
        return lua_fail(L, &err);
    begin(exchange);
    exchange->form_open = true;
    exchange->upload =
        upload_new(exchange->host->loop, boundary, &limits, &upload_events, exchange);
    if (http_req_read(exchange->req, &form_sink, exchange, &err) < 0)
        return luaL_error(L, "%s", err.message);
    if (!exchange->ended)
        task_set_deadline(task, setting(exchange, "http.body_timeout_ms"));
    return wait(L, exchange, push_form);
}

static int l_keep(lua_State *L)
{
    struct exchange *exchange = check(L);
    const char *path = luaL_checkstring(L, 2);
    lua_pushboolean(L, exchange->upload && upload_keep(exchange->upload, path));
    return 1;
}

/* ---- The answer ---- */

static void add_header(lua_State *L, struct http_header *headers, size_t *count,
                       struct http_header header)
{
    if (*count == HEADERS_MAX)
        luaL_error(L, "more than %d headers", HEADERS_MAX);
    headers[(*count)++] = header;
}

/* The table at index 3. Texts made of numbers stay on the stack, which anchors them. */
static size_t collect_headers(lua_State *L, struct http_header *headers)
{
    size_t count = 0;
    if (lua_isnoneornil(L, 3))
        return 0;
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checkstack(L, HEADERS_MAX + 8, "headers");
    lua_pushnil(L);
    while (lua_next(L, 3)) {
        struct http_header header;
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a header's name is no string");
        header.name = lua_tolstring(L, -2, &header.name_len);
        if (lua_istable(L, -1)) {
            int n = (int)lua_objlen(L, -1);
            for (int i = 1; i <= n; i++) {
                lua_rawgeti(L, -1, i);
                if (lua_type(L, -1) != LUA_TSTRING)
                    luaL_error(L, "header '%s': the list holds a %s", header.name,
                               luaL_typename(L, -1));
                header.value = lua_tolstring(L, -1, &header.value_len);
                add_header(L, headers, &count, header);
                lua_pop(L, 1);
            }
            lua_pop(L, 1);
            continue;
        }
        header.value = lua_tolstring(L, -1, &header.value_len);
        if (!header.value)
            luaL_error(L, "header '%s': string expected, got %s", header.name,
                       luaL_typename(L, -1));
        add_header(L, headers, &count, header);
        lua_insert(L, -2);
    }
    return count;
}

static int l_respond(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    struct exchange *exchange = check(L);
    int status = (int)luaL_checkinteger(L, 2);
    size_t len;
    struct err err;
    lua_settop(L, 4);
    const char *body = luaL_optlstring(L, 4, "", &len);
    size_t count = collect_headers(L, headers);
    if (http_req_respond(exchange->req, status, headers, count, body, len, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return 0;
}

static int push_sent(lua_State *L, void *op)
{
    struct exchange *exchange = op;
    if (exchange->err.code)
        return lua_fail(L, &exchange->err);
    lua_pushboolean(L, 1);
    return 1;
}

static void on_file(void *arg, const struct err *err)
{
    end(arg, err, push_sent);
}

static int l_send_file(lua_State *L)
{
    struct http_header headers[HEADERS_MAX];
    struct exchange *exchange = check(L);
    int status = (int)luaL_checkinteger(L, 2);
    size_t path_len;
    const char *path = luaL_checklstring(L, 4, &path_len);
    lua_Number offset = luaL_optnumber(L, 5, 0);
    lua_Number length = luaL_optnumber(L, 6, -1);
    struct err err;
    luaL_argcheck(L, strlen(path) == path_len, 4, "a path holds no NUL");
    luaL_argcheck(L, offset >= 0 && offset < 1e15, 5, "an offset in bytes expected");
    luaL_argcheck(L, length >= -1 && length < 1e15, 6, "a size in bytes expected");
    task_current(L);
    lua_settop(L, 6);
    size_t count = collect_headers(L, headers);
    begin(exchange);
    if (http_req_send_file(exchange->req, status, headers, count, path, (int64_t)offset,
                           (int64_t)length, on_file, exchange, &err) < 0)
        return luaL_error(L, "%s", err.message);
    return wait(L, exchange, push_sent);
}

static int l_responded(lua_State *L)
{
    lua_pushboolean(L, http_req_responded(check(L)->req));
    return 1;
}

/* ---- Its life ---- */

static int l_gc(lua_State *L)
{
    void **slot = box_slot(L, 1, REQ_TYPE);
    struct exchange *exchange = *slot;
    if (exchange)
        exchange->slot = NULL;
    *slot = NULL;
    return 0;
}

static void on_end(void *arg, lua_State *L, const char *problem)
{
    (void)L;
    struct exchange *exchange = arg;
    if (problem)
        log_error("%s %s: %s", http_req_method(exchange->req),
                  http_req_path(exchange->req, NULL), problem);
    if (exchange->slot)
        *exchange->slot = NULL;
    http_req_release(exchange->req);
    upload_free(exchange->upload);
    buf_free(&exchange->body);
    free(exchange);
}

static const luaL_Reg methods[] = {
    {"method", l_method},
    {"path", l_path},
    {"query", l_query},
    {"header", l_header},
    {"headers", l_headers},
    {"ip", l_ip},
    {"has_body", l_has_body},
    {"content_length", l_content_length},
    {"body", l_body},
    {"multipart", l_multipart},
    {"keep", l_keep},
    {"respond", l_respond},
    {"send_file", l_send_file},
    {"responded", l_responded},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", l_gc},
    {NULL, NULL},
};

/* Each generation has a metatable of its own; the first request may come before its
 * modules required host.http. */
static void register_type(lua_State *L)
{
    luaL_getmetatable(L, REQ_TYPE);
    if (lua_isnil(L, -1))
        box_type(L, REQ_TYPE, methods, meta);
    lua_pop(L, 1);
}

static void on_request(void *arg, struct http_req *req)
{
    struct host *host = arg;
    struct vm *vm = host->vm;
    if (!vm || !vm_push_entry(vm, vm->L, "request")) {
        http_req_fail(req, 503, ERR_UNAVAILABLE, "the server is starting");
        http_req_release(req);
        return;
    }
    if (host->heart)
        heartbeat_doing(host->heart, host->slot, http_req_method(req),
                        http_req_path(req, NULL));
    register_type(vm->L);
    struct exchange *exchange = mem_new(sizeof(*exchange));
    exchange->req = req;
    exchange->host = host;
    exchange->slot = box_new(vm->L, REQ_TYPE);
    *exchange->slot = exchange;
    task_spawn(vm, vm->L, 1, setting(exchange, "http.request_timeout_ms"), on_end,
               exchange);
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
    {NULL, NULL},
};

int luaopen_host_http(lua_State *L)
{
    register_type(L);
    lua_module(L, functions);
    return 1;
}

/* Requests go to the generation that is current when they come. */
void lua_http_install(struct host *host)
{
    http_server_on_request(host->http, on_request, host);
}
