/* Lua: host.sandbox - processes that run what strangers wrote
 *
 *   sandbox.open(key, lane, {nice = 0}) -> conn | nil, err                          (waits)
 *       a connection to the process of that key (up to 64 bytes) and lane ("live", up to 16
 *       letters), which is made when there is none. err.code: BUSY, UNAVAILABLE
 *   conn:load(release, {{name =, text =, prelude = false}, ...}) -> json | nil, err (waits)
 *       release: a number below 2^53, or a text. Loading what is loaded costs nothing. json:
 *       what was declared. err.code: CLOSED, BUSY, TOO_LARGE, KILLED, CRASHED, or SCRIPT:
 *       then err.text is JSON of the problem
 *   conn:start(release, json, {cpu_ms =, wall_ms =, output_max =, log_max =})
 *       -> message | nil, err                                                       (waits)
 *       begins a run and waits for its first message:
 *         {run = n, kind = "call", text = json}       it asks for something: answer
 *         {run = n, kind = "done", ok =, text = json, cpu_us =, memory =}           its last
 *       err.code: UNKNOWN_RELEASE (load it, then begin again), BUSY, TOO_LARGE, LIMIT_WALL,
 *       CLOSED (the process made room or died: open again), KILLED (it did not answer), CRASHED
 *       (it broke the protocol). After an error the run is over, but for TOO_LARGE of an answer
 *   conn:answer(run, ok, json) -> message | nil, err                                (waits)
 *       ok false: json is an error {code, message}. err.code: NOT_FOUND too
 *   conn:cancel(run)          nobody waits for it any more; so is a run whose task has ended
 *   conn:is_open() -> boolean whether runs can be begun
 *   conn:cpu_us() -> number   CPU of the whole process so far, as the kernel says; -1: it is gone
 *   sandbox.stats() -> {processes, connections, open_runs, runs_ok, runs_failed, walls, kills,
 *       crashes}
 *
 * Ownership: a box and the runs under way share a `link`; the last of them lets go of the
 * connection. A run's `hold` ends with its last message, or with the task that began it. */
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "sandbox_client.h"
#include "siphash.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONN_TYPE "host.sandbox.conn"

enum {
    KEY_MAX = 64,
    LANE_MAX = 16,
    NAME_ROOM = KEY_MAX + LANE_MAX + 2,
    NICE_MAX = 19,
    PARTS_MAX = 1000,
    CPU_MAX_MS = 60000,
    WALL_MAX_MS = 600000,
    BYTES_MAX = 128 << 10,
};

#define RELEASE_MAX 9007199254740991.0 /* 2^53 - 1 */

struct hold;

struct link {
    unsigned refs;
    struct sandbox_conn *conn;
    struct hold *holds;
};

/* A run that Lua has begun and not heard the last of. */
struct hold {
    struct task_defer defer;
    struct link *link;
    struct hold *next;
    uint64_t run;
    struct task *task;                     /* that waits, or NULL */
    const struct sandbox_message *message; /* during push only; one of the two is NULL */
    const struct err *err;
};

static void link_unref(struct link *link)
{
    if (--link->refs)
        return;
    sandbox_conn_unref(link->conn);
    free(link);
}

static struct link *check_link(lua_State *L)
{
    return box_check(L, 1, CONN_TYPE);
}

static struct sandbox_client *client_of(lua_State *L)
{
    return vm_host(L)->sandbox;
}

/* ---- open ---- */

struct open_op {
    struct task *task;
    struct sandbox_opening *opening;
    struct sandbox_conn *conn; /* during push only; one of the two is NULL */
    const struct err *err;
};

static int push_conn(lua_State *L, void *arg)
{
    struct open_op *op = arg;
    if (op->err)
        return lua_fail(L, op->err);
    void **slot = box_new(L, CONN_TYPE);
    struct link *link = mem_new(sizeof(*link));
    link->refs = 1;
    link->conn = op->conn;
    *slot = link;
    return 1;
}

static void on_open(void *arg, struct sandbox_conn *conn, const struct err *err)
{
    struct open_op *op = arg;
    op->conn = conn;
    op->err = err;
    task_wake(op->task, push_conn, op);
    free(op);
}

static void cancel_open(void *arg)
{
    struct open_op *op = arg;
    sandbox_open_cancel(op->opening);
    free(op);
}

static void check_name(lua_State *L, char *name)
{
    size_t key_len, lane_len;
    const char *key = luaL_checklstring(L, 1, &key_len);
    const char *lane = luaL_checklstring(L, 2, &lane_len);
    luaL_argcheck(L, key_len >= 1 && key_len <= KEY_MAX && strlen(key) == key_len, 1,
                  "1 to 64 bytes without a NUL expected");
    luaL_argcheck(L,
                  lane_len >= 1 && lane_len <= LANE_MAX &&
                      strspn(lane, "abcdefghijklmnopqrstuvwxyz") == lane_len,
                  2, "1 to 16 lower-case letters expected");
    snprintf(name, NAME_ROOM, "%s/%s", lane, key);
}

static lua_Number check_option(lua_State *L, int arg, const char *key, lua_Number min,
                               lua_Number max)
{
    lua_Number value = opt_number(L, arg, key, min);
    if (!(value >= min && value <= max))
        luaL_error(L, "option '%s': %f to %f expected", key, min, max);
    return value;
}

static int l_open(lua_State *L)
{
    char name[NAME_ROOM];
    check_name(L, name);
    int nice = (int)check_option(L, 3, "nice", 0, NICE_MAX);
    struct task *task = task_current(L);
    if (!client_of(L))
        return lua_fail_code(L, ERR_UNAVAILABLE, "this process has no sandbox");
    struct err err;
    struct open_op *op = mem_new(sizeof(*op));
    op->task = task;
    op->opening = sandbox_open(client_of(L), name, nice, on_open, op, &err);
    if (!op->opening) {
        free(op);
        return lua_fail(L, &err);
    }
    return task_wait(L, cancel_open, op);
}

/* ---- load ---- */

struct load_op {
    struct task *task;
    struct link *link;
    const char *text; /* during push only */
    size_t len;
    const struct err *err;
};

static int push_loaded(lua_State *L, void *arg)
{
    struct load_op *op = arg;
    int results = op->err ? lua_fail(L, op->err) : 0;
    if (op->text)
        lua_pushlstring(L, op->text, op->len);
    if (op->err && op->text)
        lua_setfield(L, -2, "text");
    return op->err ? results : 1;
}

static void on_loaded(void *arg, const char *declared, size_t len, const char *problem,
                      size_t problem_len, const struct err *err)
{
    struct load_op *op = arg;
    op->err = err;
    op->text = err ? problem : declared;
    op->len = err ? problem_len : len;
    task_wake(op->task, push_loaded, op);
    link_unref(op->link);
    free(op);
}

static void cancel_load(void *arg)
{
    struct load_op *op = arg;
    sandbox_conn_forget_load(op->link->conn, op);
    link_unref(op->link);
    free(op);
}

/* A text is known by a hash: who makes two with the same only confuses what runs for its own
 * key. */
static uint64_t check_release(lua_State *L, int arg)
{
    if (lua_type(L, arg) == LUA_TNUMBER) {
        lua_Number number = lua_tonumber(L, arg);
        luaL_argcheck(L, number >= 0 && number <= RELEASE_MAX && floor(number) == number,
                      arg, "a whole number up to 2^53 expected");
        return (uint64_t)number;
    }
    size_t len;
    const char *text = luaL_checklstring(L, arg, &len);
    static const unsigned char key[SIPHASH_KEY]; /* every worker must find the same */
    uint64_t hash[2];
    siphash(key, text, len, hash);
    return hash[0] | (uint64_t)1 << 63; /* no number's */
}

/* The parts in a userdata, which is left on the stack with the table that keeps their texts. */
static struct sandbox_part *check_parts(lua_State *L, int arg, size_t *count)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    *count = lua_objlen(L, arg);
    luaL_argcheck(L, *count >= 1 && *count <= PARTS_MAX, arg, "1 to 1000 parts expected");
    struct sandbox_part *parts = lua_newuserdata(L, *count * sizeof(*parts));
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, arg, (int)i + 1);
        luaL_argcheck(L, lua_istable(L, -1), arg, "parts are tables");
        int at = lua_gettop(L);
        parts[i].name = opt_string(L, at, "name", NULL, NULL);
        parts[i].text = opt_string(L, at, "text", NULL, &parts[i].len);
        parts[i].prelude = opt_boolean(L, at, "prelude", 0);
        luaL_argcheck(L, parts[i].name && parts[i].text, arg,
                      "a part has a name and a text");
        lua_pop(L, 1);
    }
    return parts;
}

static int conn_load(lua_State *L)
{
    struct link *link = check_link(L);
    uint64_t release = check_release(L, 2);
    size_t count;
    struct sandbox_part *parts = check_parts(L, 3, &count);
    struct task *task = task_current(L);
    struct err err;
    struct load_op *op = mem_new(sizeof(*op));
    op->task = task;
    op->link = link;
    if (sandbox_conn_load(link->conn, release, parts, count, on_loaded, op, &err) < 0) {
        free(op);
        return lua_fail(L, &err);
    }
    link->refs++;
    return task_wait(L, cancel_load, op);
}

/* ---- runs ---- */

static void hold_free(struct hold *hold)
{
    struct hold **at = &hold->link->holds;
    while (*at != hold)
        at = &(*at)->next;
    *at = hold->next;
    link_unref(hold->link);
    free(hold);
}

static void set_number(lua_State *L, const char *key, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void push_message_table(lua_State *L, const struct hold *hold)
{
    const struct sandbox_message *message = hold->message;
    bool done = message->kind == SANDBOX_MESSAGE_DONE;
    lua_createtable(L, 0, 6);
    set_number(L, "run", (double)hold->run);
    lua_pushstring(L, done ? "done" : "call");
    lua_setfield(L, -2, "kind");
    lua_pushlstring(L, message->text, message->len);
    lua_setfield(L, -2, "text");
    if (!done)
        return;
    lua_pushboolean(L, message->ok);
    lua_setfield(L, -2, "ok");
    set_number(L, "cpu_us", (double)message->cpu_us);
    set_number(L, "memory", (double)message->memory);
}

static int push_message(lua_State *L, void *arg)
{
    struct hold *hold = arg;
    bool last = hold->err || hold->message->kind == SANDBOX_MESSAGE_DONE;
    int results = 1;
    if (hold->err)
        results = lua_fail(L, hold->err);
    else
        push_message_table(L, hold);
    if (last) {
        task_undefer(&hold->defer);
        hold_free(hold);
    }
    return results;
}

static void on_message(void *arg, const struct sandbox_message *message,
                       const struct err *err)
{
    struct hold *hold = arg;
    struct task *task = hold->task;
    hold->task = NULL;
    hold->message = message;
    hold->err = err;
    task_wake(task, push_message, hold);
}

static void cancel_wait(void *arg)
{
    struct hold *hold = arg;
    sandbox_conn_cancel(hold->link->conn, hold->run);
    task_undefer(&hold->defer);
    hold_free(hold);
}

static void on_task_end(struct task_defer *node)
{
    struct hold *hold = (struct hold *)node; /* its first member */
    sandbox_conn_cancel(hold->link->conn, hold->run);
    hold_free(hold);
}

static int conn_start(lua_State *L)
{
    struct link *link = check_link(L);
    struct sandbox_start start = {.release = check_release(L, 2)};
    start.json = luaL_checklstring(L, 3, &start.len);
    luaL_checktype(L, 4, LUA_TTABLE);
    start.cpu_us = (int64_t)check_option(L, 4, "cpu_ms", 1, CPU_MAX_MS) * 1000;
    start.wall_ms = (int64_t)check_option(L, 4, "wall_ms", 1, WALL_MAX_MS);
    start.output_max = (size_t)check_option(L, 4, "output_max", 64, BYTES_MAX);
    start.log_max = (size_t)check_option(L, 4, "log_max", 0, BYTES_MAX);
    struct task *task = task_current(L);
    struct err err;
    struct hold *hold = mem_new(sizeof(*hold));
    hold->run = sandbox_conn_start(link->conn, &start, on_message, hold, &err);
    if (!hold->run) {
        free(hold);
        return lua_fail(L, &err);
    }
    hold->task = task;
    hold->defer.run = on_task_end;
    hold->link = link;
    hold->next = link->holds;
    link->holds = hold;
    link->refs++;
    task_defer(task, &hold->defer);
    return task_wait(L, cancel_wait, hold);
}

static struct hold *find_hold(lua_State *L, const struct link *link)
{
    lua_Number run = luaL_checknumber(L, 2);
    struct hold *hold = link->holds;
    while (hold && (lua_Number)hold->run != run)
        hold = hold->next;
    return hold;
}

static int conn_answer(lua_State *L)
{
    struct link *link = check_link(L);
    struct hold *hold = find_hold(L, link);
    size_t len;
    bool ok = lua_toboolean(L, 3);
    const char *json = luaL_checklstring(L, 4, &len);
    struct task *task = task_current(L);
    struct err err;
    if (!hold || hold->task)
        return lua_fail_code(L, ERR_NOT_FOUND, "no such run has asked for something");
    if (sandbox_conn_answer(link->conn, hold->run, ok, json, len, on_message, hold,
                            &err) < 0) {
        if (strcmp(err.code, ERR_TOO_LARGE) != 0)
            cancel_wait(hold);
        return lua_fail(L, &err);
    }
    hold->task = task;
    return task_wait(L, cancel_wait, hold);
}

static int conn_cancel(lua_State *L)
{
    struct hold *hold = find_hold(L, check_link(L));
    if (hold && !hold->task)
        cancel_wait(hold);
    return 0;
}

/* ---- the rest ---- */

static int conn_is_open(lua_State *L)
{
    lua_pushboolean(L, sandbox_conn_is_open(check_link(L)->conn));
    return 1;
}

static int conn_cpu_us(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)sandbox_conn_cpu_us(check_link(L)->conn));
    return 1;
}

static int conn_gc(lua_State *L)
{
    void **slot = box_slot(L, 1, CONN_TYPE);
    struct link *link = *slot;
    *slot = NULL;
    if (link)
        link_unref(link);
    return 0;
}

static int l_stats(lua_State *L)
{
    struct sandbox_stats stats = {0};
    if (client_of(L))
        stats = sandbox_client_stats(client_of(L));
    lua_createtable(L, 0, 8);
    set_number(L, "processes", (double)stats.processes);
    set_number(L, "connections", (double)stats.connections);
    set_number(L, "open_runs", (double)stats.open_runs);
    set_number(L, "runs_ok", (double)stats.runs_ok);
    set_number(L, "runs_failed", (double)stats.runs_failed);
    set_number(L, "walls", (double)stats.walls);
    set_number(L, "kills", (double)stats.kills);
    set_number(L, "crashes", (double)stats.crashes);
    return 1;
}

static const luaL_Reg functions[] = {
    {"open", l_open},
    {"stats", l_stats},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"load", conn_load},
    {"start", conn_start},
    {"answer", conn_answer},
    {"cancel", conn_cancel},
    {"is_open", conn_is_open},
    {"cpu_us", conn_cpu_us},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", conn_gc},
    {NULL, NULL},
};

int luaopen_host_sandbox(lua_State *L)
{
    box_type(L, CONN_TYPE, methods, meta);
    lua_module(L, functions);
    return 1;
}
