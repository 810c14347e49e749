/* One budget for the interpreter's hook and for every function of the libraries.
 *
 * The thread's CPU clock is a system call, the monotonic clock is not, and never goes slower:
 * the former is read only when by the latter the budget, the turn or a fifth of a millisecond
 * may have passed. */
#include "lua_sandbox_vm.h"
#include <stdio.h>
#include <time.h>

enum {
    UNITS = 1000,
    TURN_US = 5000,
    LOOK_NS = 200 * 1000,
};

static bool always; /* sandbox_yield_always */

/* What was left with its clock going on, most likely to be entered again at once: two readings of
 * the CPU clock less, each of which takes half a microsecond. NULL: none. */
static struct sandbox_activity *resting;

void sandbox_yield_always(void)
{
    always = true;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t thread_us(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}

int64_t sandbox_cpu_us(const struct sandbox_activity *activity, bool running)
{
    return activity->cpu_used_us + (running ? thread_us() - activity->since_us : 0);
}

static void over_budget(lua_State *L, const struct sandbox_activity *activity)
{
    char what[64];
    if (activity->cpu_limit_us % 1000)
        snprintf(what, sizeof(what), "cpu %.1f ms",
                 (double)activity->cpu_limit_us / 1000);
    else
        snprintf(what, sizeof(what), "cpu %d ms", (int)(activity->cpu_limit_us / 1000));
    sandbox_raise_limit(L, "LIMIT_CPU", what);
}

/* When to look at the CPU clock again, which has so much to go and is no faster. */
static int64_t next_look(int64_t now, int64_t left_us)
{
    return now + (left_us * 1000 < LOOK_NS ? left_us * 1000 : LOOK_NS);
}

/* Raises when the budget is used up; says whether the turn is. */
static bool look(lua_State *L, struct sandbox_vm *vm)
{
    struct sandbox_activity *activity = vm->now;
    vm->units = UNITS;
    if (!activity)
        return false;
    if (sandbox_collect_due(vm->memory))
        sandbox_collect(vm->memory, L);
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (now < vm->look_at_ns)
        return false;
    int64_t turn = thread_us() - activity->since_us;
    int64_t left = activity->cpu_limit_us - activity->cpu_used_us - turn;
    if (left < 0)
        over_budget(L, activity);
    vm->look_at_ns = next_look(now, left);
    return turn >= TURN_US;
}

void sandbox_charge(lua_State *L, unsigned units)
{
    struct sandbox_vm *vm = sandbox_vm_of(L);
    if ((vm->units -= (int)units) < 0)
        look(L, vm);
}

void sandbox_charge_clock(lua_State *L)
{
    look(L, sandbox_vm_of(L));
}

static void on_count(lua_State *L, lua_Debug *unused)
{
    (void)unused;
    struct sandbox_vm *vm = sandbox_vm_of(L);
    vm->allocated = 0;
    bool turn_over = look(L, vm) || always;
    int count = always ? 1 : sandbox_hook_count(vm->memory);
    if (count != vm->hook_count) {
        vm->hook_count = count;
        lua_sethook(L, on_count, LUA_MASKCOUNT, count);
    }
    if (turn_over && vm->now && vm->now->is_run && vm->depth == 0) {
        vm->now->turn_over = true;
        lua_yield(L, 0);
    }
}

void sandbox_hook_install(struct sandbox_vm *vm)
{
    vm->hook_count = always ? 1 : sandbox_hook_count(vm->memory);
    lua_sethook(vm->L, on_count, LUA_MASKCOUNT, vm->hook_count);
}

void sandbox_hook_soon(struct sandbox_vm *vm)
{
    if (!vm->now || vm->hook_count == 1)
        return;
    vm->hook_count = 1;
    lua_sethook(vm->L, on_count, LUA_MASKCOUNT, 1);
}

/* `now` is what the CPU clock says. */
static void stop_resting(int64_t now)
{
    if (resting)
        resting->cpu_used_us += now - resting->since_us;
    resting = NULL;
}

void sandbox_enter(struct sandbox_vm *vm, struct sandbox_activity *activity)
{
    vm->now = activity;
    vm->depth = 0;
    vm->units = UNITS;
    vm->refused = false;
    if (resting == activity) {
        resting = NULL;
    } else {
        vm->look_at_ns = next_look(clock_ns(CLOCK_MONOTONIC),
                                   activity->cpu_limit_us - activity->cpu_used_us);
        activity->since_us = thread_us();
        stop_resting(activity->since_us);
    }
    activity->turn_over = false;
}

void sandbox_leave(struct sandbox_vm *vm)
{
    vm->now->cpu_used_us = sandbox_cpu_us(vm->now, true);
    vm->now = NULL;
}

void sandbox_leave_resting(struct sandbox_vm *vm)
{
    resting = vm->now;
    vm->now = NULL;
}

void sandbox_rest_over(void)
{
    if (resting)
        stop_resting(thread_us());
}

void sandbox_callback(lua_State *L, int args, int results)
{
    enum { DEPTH_MAX = 50 }; /* each takes some of C's stack */
    struct sandbox_vm *vm = sandbox_vm_of(L);
    if (vm->depth >= DEPTH_MAX)
        luaL_error(L, "more than %d callbacks inside each other", DEPTH_MAX);
    luaL_checkstack(L, 2, "callback");
    int handler = lua_gettop(L) - args;
    lua_pushcfunction(L, sandbox_handler);
    lua_insert(L, handler);
    vm->depth++;
    if (lua_pcall(L, args, results, handler) != 0)
        lua_error(L);
    vm->depth--;
    lua_remove(L, handler);
}
