/* A vm's life: vm_new -> vm_boot -> current -> vm_retire -> closed from a loop callback when no
 * task is left. The registry holds the vm's pointer under the address of `vm_key`. */
#include "lua_vm.h"
#include "buf.h"
#include "fs.h"
#include "generation.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "mem.h"
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SOURCE_MAX = 16 * 1024 * 1024 };

/* The heap grows to four times of what lives before it is collected (Lua: to twice). What lives
 * is mostly code, and going through it took a sixth of a request's time. Where much lives it grows
 * by no more than GC_ROOM_KB. */
enum { GC_PAUSE = 400, GC_ROOM_KB = 16 << 10 };

static const char vm_key;
static unsigned generations, alive;
static bool collecting; /* vm_collect_always */

struct vm *vm_from(lua_State *L)
{
    struct vm *running = task_vm(L);
    if (running)
        return running;
    lua_pushlightuserdata(L, (void *)&vm_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    struct vm *vm = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return vm;
}

struct host *vm_host(lua_State *L)
{
    return vm_from(L)->host;
}

static int on_panic(lua_State *L)
{
    log_error("Lua panic: %s", lua_tostring(L, -1));
    log_stop();
    return 0; /* LuaJIT then calls exit() */
}

/* The path below the VM's root, by which people know the file: the root may be a copy. */
static const char *known_as(lua_State *L, const char *path)
{
    const char *root = vm_from(L)->root;
    size_t len = strlen(root);
    return strncmp(path, root, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

/* Where the modules lie that every request goes through. */
static const char compiled_root[] = "lua/core/";

/* Of package.loaders: as Lua's own, but that messages name the file by known_as, and that
 * functions are interpreted unless every request goes through them or the module asks for the
 * compiler: jit.on(true, true). The long ways of a product lead through so many functions and C
 * calls that traces are begun, given up and thrown away all the time. */
static int load_module(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchpath");
    lua_pushvalue(L, 1);
    lua_getfield(L, -3, "path");
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        return 1; /* where it was looked for */
    const char *path = lua_tostring(L, -2);
    struct fs_request request = {.kind = FS_READ, .path = path, .limit = SOURCE_MAX};
    struct fs_result source = {0};
    struct err err;
    if (fs_run(&request, &source, &err) < 0)
        return luaL_error(L, "%s", err.message);
    lua_pushfstring(L, "@%s", known_as(L, path));
    int rc = luaL_loadbuffer(L, source.data.data, source.data.len, lua_tostring(L, -1));
    buf_free(&source.data);
    if (rc != 0)
        return luaL_error(L, "error loading module '%s':\n\t%s", lua_tostring(L, 1),
                          lua_tostring(L, -1));
    if (strncmp(known_as(L, path), compiled_root, sizeof(compiled_root) - 1) != 0)
        luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
    return 1;
}

/* In place of Lua's own loader of files, the second one. */
static void set_loader(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    lua_pushcfunction(L, load_module);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

/* malloc instead of LuaJIT's own allocator, into which neither ASan nor valgrind can look. */
static void *allocate(void *arg, void *block, size_t old_size, size_t size)
{
    (void)arg;
    (void)old_size;
    if (size)
        return realloc(block, size);
    free(block);
    return NULL;
}

/* Only the project's own tree; commands also find what Debian installs (busted). */
static void set_paths(struct vm *vm)
{
    lua_State *L = vm->L;
    const char *root = vm->root;
    bool command = strcmp(vm->host->role, "cli") == 0;
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;%s/?/init.lua%s%s", root,
                    root, root, root, command ? ";" : "",
                    command ? lua_tostring(L, -1) : "");
    lua_setfield(L, -3, "path");
    lua_pop(L, 1);
    if (!command) {
        lua_pushliteral(L, "");
        lua_setfield(L, -2, "cpath");
    }
    lua_getfield(L, -1, "preload");
    for (const luaL_Reg *binding = lua_bindings; binding->name; binding++) {
        lua_pushcfunction(L, binding->func);
        lua_setfield(L, -2, binding->name);
    }
    lua_pop(L, 2);
}

/* Every VM starts with the same sequence otherwise. Never used for secrets. */
static void seed_random(lua_State *L)
{
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = (uint32_t)uv_hrtime();
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushnumber(L, seed);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

static int on_collected(lua_State *L);

/* Puts something into the heap that is found dead by the next collection. */
static void await_collection(lua_State *L)
{
    static const char meta_key;
    lua_newuserdata(L, 0);
    lua_pushlightuserdata(L, (void *)&meta_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, on_collected);
        lua_setfield(L, -2, "__gc");
        lua_pushlightuserdata(L, (void *)&meta_key);
        lua_pushvalue(L, -2);
        lua_rawset(L, LUA_REGISTRYINDEX);
    }
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* What is left now lives: how far the heap may grow is settled right behind this. */
static int on_collected(lua_State *L)
{
    struct vm *vm = vm_from(L);
    int live_kb = lua_gc(L, LUA_GCCOUNT, 0) + 1, percent = GC_PAUSE - 100;
    if (live_kb * percent / 100 > GC_ROOM_KB)
        percent = 100 * GC_ROOM_KB / live_kb;
    if (!collecting)
        lua_gc(L, LUA_GCSETPAUSE, 100 + percent);
    vm->live = vm_memory(vm);
    await_collection(L);
    return 0;
}

struct vm *vm_new(struct host *host, const char *root)
{
    struct vm *vm = mem_new(sizeof(*vm));
    vm->host = host;
    vm->root = mem_strdup(root);
    vm->hold = generation_hold(root);
    vm->generation = ++generations;
    alive++;
    vm->entries_ref = vm->request_ref = vm->request_type = LUA_NOREF;
    vm->L = collecting ? lua_newstate(allocate, NULL) : luaL_newstate();
    if (!vm->L)
        abort();
    lua_atpanic(vm->L, on_panic);
    luaL_openlibs(vm->L);
    lua_pushlightuserdata(vm->L, (void *)&vm_key);
    lua_pushlightuserdata(vm->L, vm);
    lua_rawset(vm->L, LUA_REGISTRYINDEX);
    set_paths(vm);
    set_loader(vm->L);
    seed_random(vm->L);
    if (collecting) {
        lua_gc(vm->L, LUA_GCSETPAUSE, 0);
        lua_gc(vm->L, LUA_GCSETSTEPMUL, 1000);
    } else {
        lua_gc(vm->L, LUA_GCSETPAUSE, GC_PAUSE);
    }
    await_collection(vm->L);
    uv_timer_init(host->loop, &vm->grace);
    vm->grace.data = vm;
    return vm;
}

void vm_collect_always(void)
{
    collecting = true;
}

void vm_collect(struct vm *vm)
{
    if (collecting)
        lua_gc(vm->L, LUA_GCCOLLECT, 0);
}

bool vm_collect_for(struct vm *vm, unsigned slice_us)
{
    uint64_t end = uv_hrtime() + (uint64_t)slice_us * 1000;
    do {
        if (lua_gc(vm->L, LUA_GCSTEP, 0))
            return true;
    } while (uv_hrtime() < end);
    return false;
}

unsigned vm_generation(const struct vm *vm)
{
    return vm->generation;
}

unsigned vm_alive(void)
{
    return alive;
}

size_t vm_memory(const struct vm *vm)
{
    return (size_t)lua_gc(vm->L, LUA_GCCOUNT, 0) * 1024 +
           (size_t)lua_gc(vm->L, LUA_GCCOUNTB, 0);
}

size_t vm_live(const struct vm *vm)
{
    return vm->live;
}

/* Pushes function(module, name, ...): loads the module and calls its function. The loading is
 * a C call, so modules must not wait while they load; the function itself may. */
static void push_call(lua_State *L, const char *module, const char *function)
{
    static const char code[] = "local module, name = ...\n"
                               "return require(module)[name](select(3, ...))";
    if (luaL_loadbuffer(L, code, sizeof(code) - 1, "=vm") != 0)
        abort();
    lua_pushstring(L, module);
    lua_pushstring(L, function);
}

struct boot {
    struct vm *vm;
    vm_boot_cb done;
    void *arg;
};

static void on_booted(void *arg, lua_State *L, const char *problem)
{
    struct boot *boot = arg;
    struct vm *vm = boot->vm;
    if (!problem && !lua_istable(L, -1)) {
        problem = "core.main.boot returned no table of entry points";
    } else if (!problem) {
        lua_pushvalue(L, -1);
        vm->entries_ref = luaL_ref(L, LUA_REGISTRYINDEX);
        if (vm_push_entry(vm, L, "request"))
            vm->request_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    boot->done(boot->arg, vm, problem);
    free(boot);
}

void vm_boot(struct vm *vm, vm_boot_cb done, void *arg)
{
    struct boot *boot = mem_new(sizeof(*boot));
    *boot = (struct boot){vm, done, arg};
    push_call(vm->L, "core.main", "boot");
    lua_pushstring(vm->L, vm->host->role);
    task_spawn(vm, vm->L, 3, 0, on_booted, boot);
}

struct run {
    vm_run_cb done;
    void *arg;
};

static void on_ran(void *arg, lua_State *L, const char *problem)
{
    struct run *run = arg;
    size_t len = 0;
    const char *result = NULL;
    if (!problem && lua_gettop(L) > 0)
        result = lua_tolstring(L, 1, &len);
    run->done(run->arg, problem, result, len);
    free(run);
}

void vm_run(struct vm *vm, const char *module, const char *function, const char *text,
            vm_run_cb done, void *arg)
{
    struct run *run = mem_new(sizeof(*run));
    *run = (struct run){done, arg};
    push_call(vm->L, module, function);
    if (text)
        lua_pushstring(vm->L, text);
    task_spawn(vm, vm->L, text ? 3 : 2, 0, on_ran, run);
}

bool vm_push_entry(struct vm *vm, lua_State *L, const char *name)
{
    if (vm->entries_ref == LUA_NOREF)
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->entries_ref);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    if (lua_isfunction(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

bool vm_has_request_entry(const struct vm *vm)
{
    return vm->request_ref != LUA_NOREF;
}

void vm_push_request_entry(struct vm *vm, lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->request_ref);
}

static void on_grace_closed(uv_handle_t *handle)
{
    struct vm *vm = handle->data;
    vm_gone_cb gone = vm->gone;
    void *arg = vm->gone_arg;
    alive--;
    generation_release(vm->hold);
    free(vm->root);
    free(vm);
    if (gone)
        gone(arg);
}

/* From the loop, with no Lua frame of this vm below us. */
static void close_vm(uv_timer_t *timer)
{
    struct vm *vm = timer->data;
    if (vm->tasks) { /* a finaliser or a late message started one */
        task_cancel_all(vm);
        uv_timer_start(timer, close_vm, 10, 0);
        return;
    }
    task_free_spare(vm);
    lua_close(vm->L);
    vm->L = NULL;
    uv_close((uv_handle_t *)timer, on_grace_closed);
}

void vm_idle(struct vm *vm)
{
    if (vm->retiring)
        uv_timer_start(&vm->grace, close_vm, 0, 0);
}

static void on_grace_over(uv_timer_t *timer)
{
    task_cancel_all(timer->data);
}

void vm_hurry(struct vm *vm, unsigned grace_ms)
{
    if (vm->tasks) /* else it is being closed already */
        uv_timer_start(&vm->grace, on_grace_over, grace_ms, 0);
}

static void on_stopped(void *arg, lua_State *L, const char *problem)
{
    (void)arg, (void)L;
    if (problem)
        log_error("stop failed: %s", problem);
}

void vm_retire(struct vm *vm, unsigned grace_ms, vm_gone_cb gone, void *arg)
{
    vm->retiring = true;
    vm->gone = gone;
    vm->gone_arg = arg;
    uv_timer_start(&vm->grace, on_grace_over, grace_ms, 0);
    if (vm_push_entry(vm, vm->L, "stop")) {
        lua_pushnumber(vm->L, grace_ms);
        task_spawn(vm, vm->L, 1, 0, on_stopped, NULL);
    } else if (!vm->tasks) {
        vm_idle(vm);
    }
}
