/* Lua: host.smtp - hands mails to a mail server.
 *
 *   smtp.send{url = "smtp://host:587", from =, to = {addresses}, message =, user =, password =,
 *             tls = "required" | "optional" | "none", timeout_ms = 30000, ca_file =}
 *       -> true | nil, err                                                            (waits)
 *       message: header and body, lines ending in CRLF (core.mime makes it); from and to: bare
 *       addresses. smtps:// has TLS from the start. tls is "required" when left out.
 *       err.code: REFUSED (5xx: trying again is useless), TEMPORARY (4xx), TLS, TIMEOUT, BUSY,
 *       UNAVAILABLE (not reached, or lost: it may have been taken), INVALID. One refused
 *       recipient refuses the mail. */
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "smtp.h"
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 30000, TIMEOUT_MAX_MS = 600000 };

struct op {
    struct task *task;
    struct smtp_mail *mail;
    const struct err *err; /* during push only */
};

static int push_result(lua_State *L, void *arg)
{
    const struct op *op = arg;
    if (op->err)
        return lua_fail(L, op->err);
    lua_pushboolean(L, 1);
    return 1;
}

static void on_done(void *arg, const struct err *err)
{
    struct op *op = arg;
    op->err = err;
    task_wake(op->task, push_result, op);
    free(op);
}

static void cancel(void *arg)
{
    struct op *op = arg;
    smtp_cancel(op->mail);
    free(op);
}

static enum smtp_tls check_tls(lua_State *L)
{
    const char *name = opt_string(L, 1, "tls", "required", NULL);
    if (strcmp(name, "required") == 0)
        return SMTP_TLS_REQUIRED;
    if (strcmp(name, "optional") == 0)
        return SMTP_TLS_OPTIONAL;
    if (strcmp(name, "none") != 0)
        luaL_error(L, "option 'tls': 'required', 'optional' or 'none' expected");
    return SMTP_TLS_NONE;
}

/* `key` must be there unless `fallback` is. Raises on a NUL, which would end the text early. */
static const char *check_text(lua_State *L, const char *key, const char *fallback,
                              int needed)
{
    size_t len;
    const char *text = opt_string(L, 1, key, fallback, &len);
    if (!text && needed)
        luaL_error(L, "option '%s': string expected", key);
    if (text && text != fallback && strlen(text) != len)
        luaL_error(L, "option '%s': holds a NUL", key);
    return text;
}

/* Leaves one value on the stack; the texts are held by the options. */
static const char **check_recipients(lua_State *L, size_t *count)
{
    lua_getfield(L, 1, "to");
    luaL_checktype(L, -1, LUA_TTABLE);
    *count = lua_objlen(L, -1);
    if (*count > SMTP_TO_MAX)
        luaL_error(L, "option 'to': more than %d", SMTP_TO_MAX);
    const char **list = lua_newuserdata(L, (*count + 1) * sizeof(*list));
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, -2, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING ||
            strlen(lua_tostring(L, -1)) != lua_objlen(L, -1))
            luaL_error(L, "option 'to': strings without NUL expected");
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_remove(L, -2);
    return list;
}

static int l_send(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct task *task = task_current(L);
    struct smtp *smtp = vm_host(L)->smtp;
    if (!smtp)
        luaL_error(L, "this process sends no mail");
    lua_Number timeout = opt_number(L, 1, "timeout_ms", TIMEOUT_MS);
    if (!(timeout >= 1 && timeout <= TIMEOUT_MAX_MS))
        luaL_error(L, "option 'timeout_ms': out of range");
    struct smtp_options options = {
        .url = check_text(L, "url", NULL, 1),
        .from = check_text(L, "from", NULL, 1),
        .user = check_text(L, "user", NULL, 0),
        .password = check_text(L, "password", NULL, 0),
        .ca_file = check_text(L, "ca_file", NULL, 0),
        .tls = check_tls(L),
        .timeout_ms = (unsigned)timeout,
    };
    options.message = opt_string(L, 1, "message", "", &options.len);
    options.to = check_recipients(L, &options.to_count);
    struct err err;
    struct op *op = mem_new(sizeof(*op));
    op->task = task;
    op->mail = smtp_send(smtp, &options, on_done, op, &err);
    if (!op->mail) {
        free(op);
        return lua_fail(L, &err);
    }
    return task_wait(L, cancel, op);
}

static const luaL_Reg functions[] = {
    {"send", l_send},
    {NULL, NULL},
};

int luaopen_host_smtp(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
