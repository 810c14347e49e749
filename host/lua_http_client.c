/* Lua: host.http_client - requests to other servers.
 *
 *   http_client.request{method = "GET", url =, headers = {name = text | {texts}}, body =, save =,
 *                       timeout_ms = 30000, max_bytes = 10 MiB, follow = 0, ca_file =,
 *                       policy = {allow_private = false, allow = {"host:port", ...}}}
 *       -> {status, headers, body, size} | nil, err                                     (waits)
 *       headers of the answer: names in lower case, repeated ones joined by ", ".
 *       save: a path that must not exist; the body of a 2xx answer goes there, `body` is absent.
 *       follow: redirects at most, GET and HEAD only; without it they are answers.
 *       ca_file: PEM of the authorities to trust instead of the system's.
 *       err.code: INVALID, REFUSED_ADDRESS, TLS, TOO_LARGE, TIMEOUT, BUSY, UNAVAILABLE (maybe
 *       acted upon), and for `save` EXISTS, NOT_FOUND, DISK_FULL, IO
 *
 * Everything the URL leads to is checked by address: public ones are reached, private ones and
 * loopback only by the policy, link-local, multicast and reserved ones never. */
#include "http_client.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 30000,
    TIMEOUT_MAX_MS = 3600000,
    MAX_BYTES = 10 * 1024 * 1024,
    FOLLOW_MAX = 20,
    HEADERS_MAX = 100,
    ALLOW_MAX = 1000,
};

struct op {
    struct task *task;
    struct http_fetch *fetch;
    bool saved;
    const struct http_answer *answer; /* during push only; one of the two is NULL */
    const struct err *err;
};

/* ---- the answer ---- */

/* headers[name] = value, behind what is there. */
static void add_header(lua_State *L, const struct http_header *header)
{
    luaL_Buffer name;
    luaL_buffinit(L, &name);
    for (size_t i = 0; i < header->name_len; i++) {
        char c = header->name[i];
        luaL_addchar(&name, c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    luaL_pushresult(&name);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    bool repeated = !lua_isnil(L, -1);
    if (repeated)
        lua_pushliteral(L, ", ");
    else
        lua_pop(L, 1);
    lua_pushlstring(L, header->value, header->value_len);
    if (repeated)
        lua_concat(L, 3);
    lua_rawset(L, -3);
}

static int push_answer(lua_State *L, void *arg)
{
    const struct op *op = arg;
    const struct http_answer *answer = op->answer;
    if (op->err)
        return lua_fail(L, op->err);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, answer->status);
    lua_setfield(L, -2, "status");
    lua_pushnumber(L, (lua_Number)answer->size);
    lua_setfield(L, -2, "size");
    if (!op->saved || answer->status / 100 != 2) {
        lua_pushlstring(L, answer->body, answer->body_len);
        lua_setfield(L, -2, "body");
    }
    lua_createtable(L, 0, (int)answer->header_count);
    for (size_t i = 0; i < answer->header_count; i++)
        add_header(L, &answer->headers[i]);
    lua_setfield(L, -2, "headers");
    return 1;
}

static void on_done(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct op *op = arg;
    op->answer = answer;
    op->err = err;
    task_wake(op->task, push_answer, op);
    free(op);
}

static void cancel(void *arg)
{
    struct op *op = arg;
    http_fetch_cancel(op->fetch);
    free(op);
}

/* ---- the request: what is gathered is Lua's memory, as any check may raise ---- */

static void need_room(lua_State *L, size_t count, size_t max, const char *what)
{
    if (count >= max)
        luaL_error(L, "option '%s': more than %d", what, (int)max);
}

static struct http_header header_at(lua_State *L, int name, int value)
{
    struct http_header header;
    if (lua_type(L, name) != LUA_TSTRING || lua_type(L, value) != LUA_TSTRING)
        luaL_error(L, "option 'headers': names and values are strings");
    header.name = lua_tolstring(L, name, &header.name_len);
    header.value = lua_tolstring(L, value, &header.value_len);
    return header;
}

/* Leaves one value on the stack. The texts are held by the options. */
static const struct http_header *check_headers(lua_State *L, size_t *count)
{
    struct http_header *list = lua_newuserdata(L, HEADERS_MAX * sizeof(*list));
    *count = 0;
    lua_getfield(L, 1, "headers");
    if (!lua_isnil(L, -1) && !lua_istable(L, -1))
        luaL_error(L, "option 'headers': table expected");
    bool any = lua_istable(L, -1);
    if (any)
        lua_pushnil(L);
    while (any && lua_next(L, -2)) {
        int name = lua_gettop(L) - 1, value = name + 1;
        size_t texts = lua_istable(L, value) ? lua_objlen(L, value) : 0;
        for (size_t i = 1; i <= texts; i++) {
            need_room(L, *count, HEADERS_MAX, "headers");
            lua_rawgeti(L, value, (int)i);
            list[(*count)++] = header_at(L, name, lua_gettop(L));
            lua_pop(L, 1);
        }
        if (!lua_istable(L, value)) {
            need_room(L, *count, HEADERS_MAX, "headers");
            list[(*count)++] = header_at(L, name, value);
        }
        lua_settop(L, name);
    }
    lua_pop(L, 1);
    return list;
}

/* Leaves one value on the stack. */
static void check_policy(lua_State *L, struct http_policy *policy)
{
    lua_getfield(L, 1, "policy");
    int at = lua_gettop(L);
    policy->allow_private = opt_boolean(L, at, "allow_private", 0);
    if (lua_isnil(L, at))
        return;
    lua_getfield(L, at, "allow");
    if (!lua_isnil(L, -1) && !lua_istable(L, -1))
        luaL_error(L, "option 'allow': table expected");
    size_t count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    need_room(L, count, ALLOW_MAX, "allow");
    const char **list = lua_newuserdata(L, (count + 1) * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, at + 1, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "option 'allow': strings expected");
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_replace(L, at);
    lua_settop(L, at);
    policy->allow = list;
    policy->allow_count = count;
}

static lua_Number check_range(lua_State *L, const char *key, lua_Number fallback,
                              lua_Number min, lua_Number max)
{
    lua_Number value = opt_number(L, 1, key, fallback);
    if (!(value >= min && value <= max))
        luaL_error(L, "option '%s': out of range", key);
    return value;
}

/* Without NULs, which would end the text early. */
static const char *check_text(lua_State *L, const char *key)
{
    size_t len;
    const char *text = opt_string(L, 1, key, NULL, &len);
    if (text && strlen(text) != len)
        luaL_error(L, "option '%s': holds a NUL", key);
    return text;
}

static int l_request(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct task *task = task_current(L);
    struct http_client *client = vm_host(L)->http_client;
    if (!client)
        luaL_error(L, "this process has no HTTP client");
    struct http_fetch_options options = {
        .method = check_text(L, "method"),
        .url = opt_string(L, 1, "url", "", NULL),
        .save = check_text(L, "save"),
        .ca_file = check_text(L, "ca_file"),
        .timeout_ms =
            (unsigned)check_range(L, "timeout_ms", TIMEOUT_MS, 1, TIMEOUT_MAX_MS),
        .max_bytes = (uint64_t)check_range(L, "max_bytes", MAX_BYTES, 0, 1e15),
        .follow = (unsigned)check_range(L, "follow", 0, 0, FOLLOW_MAX),
    };
    options.body = opt_string(L, 1, "body", NULL, &options.body_len);
    lua_getfield(L, 1, "url");
    if (lua_objlen(L, -1) !=
        strlen(options.url)) /* may come from outside: no mistake of ours */
        return lua_fail_code(L, ERR_INVALID, "the URL holds a NUL");
    options.headers = check_headers(L, &options.header_count);
    check_policy(L, &options.policy);
    struct err err;
    struct op *op = mem_new(sizeof(*op));
    op->task = task;
    op->saved = options.save != NULL;
    op->fetch = http_fetch_start(client, &options, on_done, op, &err);
    if (!op->fetch) {
        free(op);
        return lua_fail(L, &err);
    }
    return task_wait(L, cancel, op);
}

static const luaL_Reg functions[] = {
    {"request", l_request},
    {NULL, NULL},
};

int luaopen_host_http_client(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
