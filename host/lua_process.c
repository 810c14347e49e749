/* Lua: host.process - child processes: commands, and tools beside the loop. They die with us.
 *
 *   process.spawn{argv = {...}, env = {NAME = text}, cwd =, stdout =, stderr =, new_group
 * =}
 *       -> proc | nil, err        stdout, stderr: a path to append to, "inherit", "null"
 * (default) proc:pid() -> number proc:kill(signal) -> true | nil, err      "TERM",
 * "SIGTERM" or 15; err.code CLOSED: has ended proc:wait(ms) -> exit_code, signal | nil,
 * err                                   (waits) without ms as long as it takes; err.code
 * TIMEOUT. A process killed by a signal has the exit code 128 + signal, any other the
 * signal nil.
 *
 * A `child` is shared by the box and by every waiter. A process that nobody can name any
 * more runs on; C reaps it. */
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "process.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS_BOX "host.process"

struct waiter;

struct child {
    struct process *process;
    struct waiter *waiters;
    unsigned refs;
    bool ended;
    int code, signal;
};

/* One proc:wait. Freed when its timer has closed. */
struct waiter {
    uv_timer_t timer;
    struct child *child;
    struct task *task;
    struct waiter *next, **link; /* in child->waiters */
};

static void child_unref(struct child *child)
{
    if (--child->refs > 0)
        return;
    process_release(child->process);
    free(child);
}

static int push_end(lua_State *L, void *arg)
{
    struct child *child = arg;
    lua_pushnumber(L, child->code);
    if (child->signal)
        lua_pushnumber(L, child->signal);
    else
        lua_pushnil(L);
    return 2;
}

static int push_timeout(lua_State *L, void *arg)
{
    (void)arg;
    return lua_fail_code(L, ERR_TIMEOUT, "the process still runs");
}

static void on_waiter_closed(uv_handle_t *handle)
{
    struct waiter *waiter = handle->data;
    child_unref(waiter->child);
    free(waiter);
}

/* Takes it off its list; returns the task that waited. */
static struct task *waiter_close(struct waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    uv_close((uv_handle_t *)&waiter->timer, on_waiter_closed);
    return waiter->task;
}

static void waiter_cancel(void *arg)
{
    waiter_close(arg);
}

static void on_timer(uv_timer_t *timer)
{
    task_wake(waiter_close(timer->data), push_timeout, NULL);
}

static void on_child_exit(void *arg, int code, int signal)
{
    struct child *child = arg;
    child->ended = true;
    child->code = code;
    child->signal = signal;
    child->refs++; /* a woken task may drop all others */
    while (child->waiters)
        task_wake(waiter_close(child->waiters), push_end, child);
    child_unref(child);
}

static struct child *check_child(lua_State *L)
{
    return box_check(L, 1, PROCESS_BOX);
}

static const char *stream_option(lua_State *L, const char *key)
{
    const char *value = opt_string(L, 1, key, "null", NULL);
    return strcmp(value, "null") == 0 ? NULL : value;
}

/* The texts of options.argv as a vector in a userdata, which is left on the stack; the
 * texts stay alive in the table. */
static const char **push_argv(lua_State *L)
{
    lua_getfield(L, 1, "argv");
    luaL_argcheck(L, lua_istable(L, -1) && lua_objlen(L, -1) > 0, 1, "argv is missing");
    size_t count = lua_objlen(L, -1);
    const char **argv = lua_newuserdata(L, (count + 1) * sizeof(*argv));
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -2, (int)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "argv must hold strings");
        argv[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    argv[count] = NULL;
    return argv;
}

/* The same for options.env as NAME=text; NULL without one. The texts are kept in a table
 * that is left on the stack. */
static const char **push_env(lua_State *L)
{
    lua_getfield(L, 1, "env");
    if (lua_isnil(L, -1))
        return NULL;
    luaL_argcheck(L, lua_istable(L, -1), 1, "env must be a table");
    int env = lua_gettop(L), count = 0;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, env); lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING,
                      1, "env must map names to strings");
        lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
        lua_rawseti(L, env + 1, ++count);
    }
    const char **vector = lua_newuserdata(L, ((size_t)count + 1) * sizeof(*vector));
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, env + 1, i + 1);
        vector[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    vector[count] = NULL;
    return vector;
}

static int l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct process_options options = {
        .cwd = opt_string(L, 1, "cwd", NULL, NULL),
        .out = stream_option(L, "stdout"),
        .err = stream_option(L, "stderr"),
        .new_group = opt_boolean(L, 1, "new_group", 0),
    };
    options.argv = push_argv(L);
    options.env = push_env(L);
    void **slot = box_new(L, PROCESS_BOX);
    struct err err;
    struct child *child = mem_new(sizeof(*child));
    child->process =
        process_spawn(vm_host(L)->loop, &options, on_child_exit, child, &err);
    if (!child->process) {
        free(child);
        return lua_fail(L, &err);
    }
    child->refs = 1;
    *slot = child;
    return 1;
}

static int process_pid_of(lua_State *L)
{
    lua_pushnumber(L, process_pid(check_child(L)->process));
    return 1;
}

static int check_signal(lua_State *L, int arg)
{
    if (lua_type(L, arg) == LUA_TNUMBER) {
        int number = (int)lua_tointeger(L, arg);
        luaL_argcheck(L, number > 0 && number < NSIG, arg, "is no signal");
        return number;
    }
    const char *name = luaL_checkstring(L, arg);
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);
        if (known && strcmp(known, name) == 0)
            return number;
    }
    return luaL_argerror(L, arg, "is no signal");
}

static int process_kill_it(lua_State *L)
{
    struct child *child = check_child(L);
    struct err err;
    if (process_kill(child->process, check_signal(L, 2), &err) < 0)
        return lua_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int process_wait(lua_State *L)
{
    struct child *child = check_child(L);
    lua_Number ms = luaL_optnumber(L, 2, -1);
    struct task *task = task_current(L);
    if (child->ended)
        return push_end(L, child);
    struct waiter *waiter = mem_new(sizeof(*waiter));
    waiter->child = child;
    waiter->task = task;
    waiter->next = child->waiters;
    if (waiter->next)
        waiter->next->link = &waiter->next;
    waiter->link = &child->waiters;
    child->waiters = waiter;
    child->refs++;
    waiter->timer.data = waiter;
    uv_timer_init(vm_host(L)->loop, &waiter->timer);
    if (ms >= 0)
        uv_timer_start(&waiter->timer, on_timer, (uint64_t)ms, 0);
    return task_wait(L, waiter_cancel, waiter);
}

static int process_gc(lua_State *L)
{
    void **slot = box_slot(L, 1, PROCESS_BOX);
    struct child *child = *slot;
    *slot = NULL;
    if (child)
        child_unref(child);
    return 0;
}

static const luaL_Reg functions[] = {
    {"spawn", l_spawn},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"pid", process_pid_of},
    {"kill", process_kill_it},
    {"wait", process_wait},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", process_gc},
    {NULL, NULL},
};

int luaopen_host_process(lua_State *L)
{
    box_type(L, PROCESS_BOX, methods, meta);
    lua_module(L, functions);
    return 1;
}
