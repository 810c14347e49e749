/* The allocator of all states that share an account. LuaJIT does not collect before it lets an
 * allocation fail. So the hook collects when three quarters are used, and a run that goes on
 * holding more meets the end later. */
#include "lua_sandbox_vm.h"
#include <malloc.h>
#include <stdlib.h>

enum {
    BLOCK_SMALLEST = 32 * 1024, /* of those counted by size */
    COLLECTOR_ROOM = 256 * 1024,
    HASTE = 64 * 1024, /* bytes allocated that bring the hook */
};

/* An instruction may compare, copy or count a whole block: about half a millisecond for 1 MiB.
 * By the class of the largest block in use. */
static const int hook_counts[SANDBOX_BLOCK_CLASSES] = {500, 250, 120, 60, 30, 8, 2, 1};

/* How much the heap grows until it is collected, and how fast that goes; in percent, Lua has 200
 * and 200. What compiling leaves lies between what stays, so that little of its room is ever given
 * back: the more is collected meanwhile, the smaller the process is (5 % for a tenth of a
 * millisecond). */
static const struct pace {
    int pause, step;
} while_loading = {130, 400}, once_loaded = {200, 200};

static int class_of(size_t size)
{
    int class = -1;
    while (size >= BLOCK_SMALLEST && class < SANDBOX_BLOCK_CLASSES - 1) {
        class ++;
        size >>= 1;
    }
    return class;
}

int sandbox_hook_count(const struct sandbox_memory *memory)
{
    for (int class = SANDBOX_BLOCK_CLASSES - 1; class >= 0; class --)
        if (memory->blocks[class])
            return hook_counts[class];
    return 1000;
}

static void count(struct sandbox_vm *vm, size_t old_size, size_t size)
{
    struct sandbox_memory *memory = vm->memory;
    int old_class = class_of(old_size), class = class_of(size);
    memory->used = memory->used - old_size + size;
    vm->held = vm->held - old_size + size;
    if (memory->used > memory->peak)
        memory->peak = memory->used;
    if (old_class >= 0)
        memory->blocks[old_class]--;
    if (class >= 0)
        memory->blocks[class]++;
}

static bool may_grow(const struct sandbox_vm *vm, size_t old_size, size_t size)
{
    const struct sandbox_memory *memory = vm->memory;
    size_t max = memory->max + (vm->collecting ? COLLECTOR_ROOM : 0);
    return size <= max / 4 && memory->used - old_size + size <= max;
}

/* Errors of memory come without a handler's call: the place is noted here. */
static void refuse(struct sandbox_vm *vm)
{
    if (vm->refused || !vm->now)
        return;
    vm->refused = true;
    vm->refused_at = sandbox_place(vm->thread ? vm->thread : vm->L, 0);
}

void *sandbox_allocate(void *arg, void *block, size_t old_size, size_t size)
{
    struct sandbox_vm *vm = arg;
    if (!size) {
        free(block);
        count(vm, old_size, 0);
        return NULL;
    }
    void *moved =
        size > old_size && !may_grow(vm, old_size, size) ? NULL : realloc(block, size);
    if (!moved) {
        refuse(vm);
        return NULL;
    }
    count(vm, old_size, size);
    if (size > old_size) {
        vm->allocated += size - old_size;
        if (vm->allocated > HASTE || class_of(size) >= 0 ||
            sandbox_collect_due(vm->memory))
            sandbox_hook_soon(vm);
    }
    return moved;
}

bool sandbox_collect_due(const struct sandbox_memory *memory)
{
    return memory->used > (memory->collect_at ? memory->collect_at : memory->max / 4 * 3);
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void sandbox_collect(struct sandbox_memory *memory, lua_State *L)
{
    struct sandbox_vm *running = L ? sandbox_vm_of(L) : NULL;
    for (struct sandbox_vm *vm = memory->vms; vm; vm = vm->next) {
        vm->collecting = true; /* to call takes memory, too */
        if (vm == running)
            collect(L);
        else if (lua_cpcall(vm->L, collect, NULL) != 0)
            lua_pop(vm->L, 1);
        vm->collecting = false;
    }
    /* Half way to the end each time, and not again when little is left. */
    size_t early = memory->max / 4 * 3;
    size_t left = memory->used < memory->max ? memory->max - memory->used : 0;
    size_t next = left < memory->max / 16 ? memory->max : memory->used + left / 2;
    memory->collect_at = next > early ? next : early;
}

static void set_pace(lua_State *L, const struct pace *pace)
{
    lua_gc(L, LUA_GCSETPAUSE, pace->pause);
    lua_gc(L, LUA_GCSETSTEPMUL, pace->step);
}

void sandbox_loading_pace(lua_State *L)
{
    set_pace(L, &while_loading);
}

void sandbox_vm_settle(struct sandbox_vm *vm)
{
    set_pace(vm->L, &once_loaded);
    sandbox_settle(vm->memory);
}

void sandbox_settle(struct sandbox_memory *memory)
{
    sandbox_collect(memory, NULL);
    malloc_trim(0);
    memory->settled = memory->used;
}

bool sandbox_is_full(struct sandbox_memory *memory)
{
    const size_t early = memory->max / 4 * 3;
    if (memory->used > early)
        sandbox_collect(memory, NULL);
    return memory->used > early;
}

bool sandbox_has_grown(const struct sandbox_memory *memory)
{
    return memory->used > memory->settled + memory->settled / 4;
}
