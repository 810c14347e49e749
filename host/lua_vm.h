/* lua_vm.h - the inside of struct vm, for bindings (host/lua_*.c) only. */
#pragma once
#include "host.h"
#include "vm.h"
#include <lauxlib.h>
#include <lua.h>

struct task;

struct vm {
    struct host *host;
    lua_State *L; /* the main state: no task runs on it */
    char *root;   /* owned; what require and sys.root() know */
    int hold;     /* of `root` (generation.h) */
    unsigned generation;
    size_t live;     /* vm_live */
    int entries_ref; /* registry: the table that boot returned, LUA_NOREF before */
    int request_ref; /* registry: its entry point `request`, LUA_NOREF before */
    int request_type; /* registry: the metatable of requests (lua_http.c), LUA_NOREF before */
    struct task *tasks; /* all tasks under way, a doubly linked list */
    struct task *spare; /* finished ones whose coroutine can be used again */
    bool retiring;
    uv_timer_t grace; /* started by vm_retire */
    vm_gone_cb gone;
    void *gone_arg;
};

struct vm *vm_from(lua_State *L);
struct host *vm_host(lua_State *L);

/* Pushes the entry point `name` onto L; false (and nothing pushed) when boot gave none. */
bool vm_push_entry(struct vm *vm, lua_State *L, const char *name);
/* The same for the one that every request needs. */
bool vm_has_request_entry(const struct vm *vm);
void vm_push_request_entry(struct vm *vm, lua_State *L);

/* Called by lua_task.c when a task waits: see vm_collect_always. */
void vm_collect(struct vm *vm);

/* Called by lua_task.c when the last task ended. */
void vm_idle(struct vm *vm);
