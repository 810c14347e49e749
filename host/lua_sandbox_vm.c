/* A state's life, and the parts of its release. */
#include "lua_sandbox_vm.h"
#include "mem.h"
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

enum { LOAD_US = 100 * 1000 };

struct sandbox_vm *sandbox_vm_of(lua_State *L)
{
    void *vm;
    lua_getallocf(L, &vm);
    return vm;
}

/* A script's errors never come here: every touch of a state is protected. */
static int on_panic(lua_State *L)
{
    (void)L;
    abort();
}

static void open_lua(lua_State *L)
{
    static const lua_CFunction opened[] = {luaopen_base, luaopen_string, luaopen_math,
                                           luaopen_bit};
    for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++) {
        lua_pushcfunction(L, opened[i]);
        lua_call(L, 0, 0);
    }
}

/* Our own code gets what makes tables act, besides what the authors get. */
static void push_globals(lua_State *L)
{
    static const char *const more[] = {"setmetatable", "rawget", "rawset"};
    sandbox_push_libraries(L);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        lua_getglobal(L, more[i]);
        lua_setfield(L, -2, more[i]);
    }
}

static int set_up(lua_State *L)
{
    struct sandbox_vm *vm = sandbox_vm_of(L);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    sandbox_loading_pace(L);
    open_lua(L);
    lua_getglobal(L, "xpcall");
    vm->xpcall_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    sandbox_push_primitives(L);
    sandbox_make_jobs(L);
    vm->primitives_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    push_globals(L);
    lua_replace(L, LUA_GLOBALSINDEX);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
    /* Makes the list of free references, so that giving one back needs no memory. */
    lua_pushboolean(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, luaL_ref(L, LUA_REGISTRYINDEX));
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

struct sandbox_vm *sandbox_vm_new(struct sandbox_memory *memory)
{
    sandbox_rest_over();
    struct sandbox_vm *vm = mem_new(sizeof(*vm));
    vm->memory = memory;
    vm->next = memory->vms;
    vm->link = &memory->vms;
    if (vm->next)
        vm->next->link = &vm->next;
    memory->vms = vm;
    vm->load.cpu_limit_us = LOAD_US;
    vm->load.state_ref = LUA_NOREF;
    vm->L = lua_newstate(sandbox_allocate, vm);
    if (vm->L)
        lua_atpanic(vm->L, on_panic);
    if (!vm->L || lua_cpcall(vm->L, set_up, NULL) != 0) {
        sandbox_vm_free(vm);
        return NULL;
    }
    sandbox_hook_install(vm);
    return vm;
}

void sandbox_activity_free(struct sandbox_activity *activity)
{
    sandbox_rest_over();
    buf_free(&activity->problem);
    buf_free(&activity->log);
    buf_free(&activity->call);
    free(activity->file);
}

void sandbox_vm_free(struct sandbox_vm *vm)
{
    if (!vm)
        return;
    sandbox_rest_over();
    sandbox_runs_free(vm);
    if (vm->L)
        lua_close(vm->L);
    /* It frees a few bytes less than it took where memory ended in the middle of something. */
    vm->memory->used -= vm->held;
    *vm->link = vm->next;
    if (vm->next)
        vm->next->link = vm->link;
    sandbox_activity_free(&vm->load);
    free(vm);
}

size_t sandbox_vm_held(const struct sandbox_vm *vm)
{
    return vm->held;
}

/* Resumes the thread on top of the main state, once: while parts are loaded nothing yields. */
static int finish(struct sandbox_vm *vm)
{
    lua_State *thread = lua_tothread(vm->L, -1);
    return sandbox_resume(vm, thread, lua_gettop(thread) - 1);
}

/* Ends what was entered; hands the problem out if there is one. */
static int leave(struct sandbox_vm *vm, struct buf *problem)
{
    bool failed = vm->load.problem.len;
    if (failed)
        buf_append(problem, vm->load.problem.data, vm->load.problem.len);
    lua_settop(vm->L, 0);
    sandbox_leave(vm);
    return failed ? -1 : 0;
}

int sandbox_vm_load(struct sandbox_vm *vm, const char *name, const char *text, size_t len,
                    bool prelude, struct buf *problem)
{
    struct sandbox_part part = {name, text, len, prelude};
    free(vm->load.file);
    vm->load.file = prelude ? NULL : mem_strdup(name);
    vm->load.line = 0;
    sandbox_enter(vm, &vm->load);
    if (sandbox_do(vm, SANDBOX_PREPARE_PART, &part, 0) == 0)
        finish(vm);
    return leave(vm, problem);
}

int sandbox_vm_declared(struct sandbox_vm *vm, struct buf *out, struct buf *problem)
{
    struct sandbox_output output = {out, SANDBOX_DECLARED_MAX};
    size_t before = out->len;
    free(vm->load.file);
    vm->load.file = NULL;
    vm->load.output_max = SANDBOX_DECLARED_MAX;
    sandbox_enter(vm, &vm->load);
    if (sandbox_do(vm, SANDBOX_PREPARE_DECLARED, NULL, 0) == 0) {
        lua_State *thread = lua_tothread(vm->L, -1);
        if (finish(vm) == 0) {
            lua_xmove(thread, vm->L, 1);
            if (sandbox_do(vm, SANDBOX_ENCODE, &output, 1) != 0)
                out->len = before;
        }
    }
    return leave(vm, problem);
}
