/* lua_test.h - a vm on the test's loop, for what needs Lua and its tasks. */
#pragma once
#include "check.h"
#include "loop.h"
#include "lua_task.h"
#include "lua_vm.h"

static struct host lua_test_host;
static struct vm *lua_test_vm;

struct lua_test_end {
    bool done;
    bool failed;
};

static inline void lua_test_on_end(void *arg, lua_State *L, const char *problem)
{
    struct lua_test_end *end = arg;
    (void)L;
    end->done = true;
    end->failed = problem != NULL;
    if (problem)
        fprintf(stderr, "%s\n", problem);
}

/* Runs the chunk as a task until it ends; an error in it is a failed check. */
static inline void lua_test_run(const char *name, const char *code)
{
    struct lua_test_end end = {0};
    lua_State *L = lua_test_vm->L;
    if (luaL_loadbuffer(L, code, strlen(code), name) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    task_spawn(lua_test_vm, L, 0, 0, lua_test_on_end, &end);
    loop_await(&end.done);
    CHECK(!end.failed);
}

static inline void lua_test_start(void)
{
    lua_test_host.loop = loop;
    lua_test_host.role = "http";
    vm_collect_always();
    lua_test_vm = vm_new(&lua_test_host, ".");
}

static inline void lua_test_on_gone(void *arg)
{
    *(bool *)arg = true;
}

static inline void lua_test_end(void)
{
    bool gone = false;
    vm_retire(lua_test_vm, 1000, lua_test_on_gone, &gone);
    loop_await(&gone);
}
