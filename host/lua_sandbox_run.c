/* A run: one thread of the state, resumed for a turn at a time. */
#include "lua_sandbox_vm.h"
#include "mem.h"
#include <stdlib.h>

struct sandbox_run {
    struct sandbox_vm *vm;
    struct sandbox_run *next, **link; /* in vm->runs */
    struct sandbox_activity activity;
    lua_State *thread;
    int thread_ref; /* LUA_NOREF when it has ended */
    int args;       /* on the thread, for the next resume */
    bool failed;    /* before the next resume */
    bool ok;
    struct buf result;
    const struct buf *text;
};

/* xpcall's handler sees the frames of an error as they are; the thread can yield in it. */
int sandbox_prepare(lua_State *L, lua_State *thread, int args)
{
    int function = lua_gettop(L) - args;
    lua_rawgeti(L, LUA_REGISTRYINDEX, sandbox_vm_of(L)->xpcall_ref);
    lua_insert(L, function);
    lua_pushcfunction(L, sandbox_handler);
    lua_insert(L, function + 2);
    lua_xmove(L, thread, args + 3);
    return args + 2;
}

int sandbox_resume(struct sandbox_vm *vm, lua_State *thread, int args)
{
    vm->thread = thread;
    int rc = lua_resume(thread, args);
    vm->thread = NULL;
    if (rc == LUA_YIELD)
        return rc;
    if (rc == 0 && lua_toboolean(thread, 1)) {
        lua_settop(thread, 2);
        return 0;
    }
    sandbox_note_error(thread, vm->now, false);
    return LUA_ERRRUN;
}

struct sandbox_run *sandbox_run_new(struct sandbox_vm *vm, const char *json, size_t len,
                                    const struct sandbox_limits *limits)
{
    struct sandbox_run *run = mem_new(sizeof(*run));
    struct sandbox_input input = {.json = {json, len}, .thread_ref = LUA_NOREF};
    run->vm = vm;
    run->next = vm->runs;
    run->link = &vm->runs;
    if (run->next)
        run->next->link = &run->next;
    vm->runs = run;
    run->activity = (struct sandbox_activity){
        .is_run = true,
        .cpu_limit_us = limits->cpu_us,
        .output_max = limits->output_max,
        .log_left = limits->log_max,
        .state_ref = LUA_NOREF,
    };
    sandbox_enter(vm, &run->activity);
    sandbox_do(vm, SANDBOX_PREPARE_RUN, &input, 0);
    lua_settop(vm->L, 0);
    run->thread = input.thread;
    run->thread_ref = input.thread_ref;
    run->args = input.args;
    run->failed = run->thread_ref == LUA_NOREF;
    sandbox_leave_resting(vm);
    return run;
}

static void let_go(struct sandbox_run *run)
{
    lua_State *L = run->vm->L;
    luaL_unref(L, LUA_REGISTRYINDEX, run->thread_ref);
    luaL_unref(L, LUA_REGISTRYINDEX, run->activity.state_ref);
    run->thread_ref = run->activity.state_ref = LUA_NOREF;
}

static void put_log(struct sandbox_run *run)
{
    const struct sandbox_activity *activity = &run->activity;
    buf_puts(&run->result, ",\"log\":[");
    buf_append(&run->result, activity->log.data, activity->log.len);
    buf_putc(&run->result, ']');
    if (activity->log_cut)
        buf_puts(&run->result, ",\"logCut\":true");
    buf_putc(&run->result, '}');
}

/* Moves the value on the thread, if any, into the result. */
static void put_value(struct sandbox_run *run)
{
    struct sandbox_vm *vm = run->vm;
    struct sandbox_output output = {&run->result, run->activity.output_max};
    buf_puts(&run->result, "{\"value\":");
    lua_xmove(run->thread, vm->L, 1);
    run->ok = sandbox_do(vm, SANDBOX_ENCODE, &output, 1) == 0;
    lua_settop(vm->L, 0);
}

static enum sandbox_outcome end(struct sandbox_run *run)
{
    sandbox_rest_over();
    if (!run->ok) {
        buf_clear(&run->result);
        buf_puts(&run->result, "{\"error\":");
        buf_append(&run->result, run->activity.problem.data, run->activity.problem.len);
    }
    put_log(run);
    run->text = &run->result;
    let_go(run);
    return SANDBOX_ENDED;
}

enum sandbox_outcome sandbox_run_resume(struct sandbox_run *run)
{
    struct sandbox_vm *vm = run->vm;
    struct sandbox_activity *activity = &run->activity;
    if (run->failed)
        return end(run);
    sandbox_enter(vm, activity);
    int rc = sandbox_resume(vm, run->thread, run->args);
    run->args = 0;
    if (rc == 0)
        put_value(run);
    sandbox_leave(vm);
    if (rc == LUA_YIELD) {
        run->text = &activity->call;
        return activity->turn_over ? SANDBOX_TURN : SANDBOX_CALLS;
    }
    enum sandbox_outcome outcome = end(run);
    if (vm->refused)
        sandbox_collect(vm->memory, NULL);
    return outcome;
}

void sandbox_run_answer(struct sandbox_run *run, bool ok, const char *json, size_t len)
{
    struct sandbox_vm *vm = run->vm;
    struct sandbox_text text = {json, len};
    sandbox_enter(vm, &run->activity);
    if (ok && sandbox_do(vm, SANDBOX_DECODE, &text, 0) == 0) {
        lua_xmove(vm->L, run->thread, 1);
        run->args = 1;
    } else if (!ok) {
        struct sandbox_failure failure = {text, run->thread};
        sandbox_do(vm, SANDBOX_NOTE_FAILURE, &failure, 0);
    }
    run->failed = run->activity.problem.len > 0;
    lua_settop(vm->L, 0);
    sandbox_leave_resting(vm);
}

const struct buf *sandbox_run_text(const struct sandbox_run *run)
{
    return run->text;
}

bool sandbox_run_ok(const struct sandbox_run *run)
{
    return run->ok;
}

int64_t sandbox_run_cpu_us(const struct sandbox_run *run)
{
    return run->activity.cpu_used_us;
}

void sandbox_run_free(struct sandbox_run *run)
{
    if (!run)
        return;
    let_go(run);
    *run->link = run->next;
    if (run->next)
        run->next->link = run->link;
    sandbox_activity_free(&run->activity);
    buf_free(&run->result);
    free(run);
}

void sandbox_runs_free(struct sandbox_vm *vm)
{
    while (vm->runs)
        sandbox_run_free(vm->runs);
}
