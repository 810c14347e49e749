/* Tasks: waiting, deadlines, cancelling, clean-up, and how a vm ends with and without them. */
#include "log.h"
#include "lua_test.h"

static const char prelude[] = "local task = require('host.task')\n"
                              "local function equal(a, b) if a ~= b then "
                              "error(tostring(a)..' is not '..tostring(b), 2) end end\n";

static void run(const char *name, const char *code)
{
    char chunk[4096];
    snprintf(chunk, sizeof(chunk), "%s%s", prelude, code);
    lua_test_run(name, chunk);
}

static void sleeps_and_runs_others_meanwhile(void)
{
    run("=sleeps", "local order = {}\n"
                   "task.spawn(function(a, b) order[#order + 1] = a .. b task.sleep(20)\n"
                   "  order[#order + 1] = 'late' end, 'x', 'y')\n"
                   "order[#order + 1] = 'main'\n"
                   "equal(task.sleep(60), true)\n"
                   "equal(table.concat(order, ' '), 'xy main late')\n");
}

static void wakes_all_who_wait_for_a_signal(void)
{
    run("=signal",
        "local bell, woken = task.signal(), 0\n"
        "for _ = 1, 3 do task.spawn(function()\n"
        "  equal(bell:wait(5000), true) woken = woken + 1 end) end\n"
        "bell:notify() equal(woken, 0)\n" /* on the loop's next turn */
        "task.sleep(20) equal(woken, 3)\n"
        "local ok, err = bell:wait(10) equal(ok, nil) equal(err.code, 'TIMEOUT')\n");
}

static void ends_waits_at_the_deadline(void)
{
    run("=deadline", "task.deadline(60)\n"
                     "local ok, err = task.sleep(60000)\n"
                     "equal(ok, nil) equal(err.code, 'TIMEOUT')\n"
                     "ok, err = task.sleep(1) equal(err.code, 'TIMEOUT')\n"
                     "task.deadline(0) equal(task.sleep(1), true)\n");
}

static void stops_a_task_that_ignores_its_end(void)
{
    run("=ignores", "local turns = 0\n"
                    "task.spawn(function() task.deadline(60) task.sleep(1000)\n"
                    "  while true do task.sleep(1) turns = turns + 1 end end)\n"
                    "task.sleep(200) equal(turns > 0 and turns < 1000, true)\n");
}

static void survives_the_error_of_another_task(void)
{
    run("=error", "task.spawn(function() task.sleep(5) error({ code = 'odd' }) end)\n"
                  "task.spawn(function() error('at once') end)\n"
                  "equal(task.sleep(30), true)\n");
}

static void collects_what_nobody_holds_at_each_wait(void)
{
    run("=collects", "local held, weak = {}, setmetatable({}, { __mode = 'v' })\n"
                     "weak.lost, weak.held = {}, held\n"
                     "task.sleep(1) equal(weak.lost, nil) equal(weak.held, held)\n");
}

static void refuses_to_wait_in_a_coroutine_of_ones_own(void)
{
    run("=coroutine",
        "local ok, err = coroutine.resume(coroutine.create(function()\n"
        "  task.sleep(1) end))\n"
        "equal(ok, false) equal(err:find('must run in a task') ~= nil, true)\n"
        "equal(pcall(task.sleep, 1), true)\n"); /* through pcall it may */
}

static void reuses_finished_coroutines(void)
{
    run("=reuse",
        "local ended = 0\n"
        "for _ = 1, 2000 do task.spawn(function(n) task.sleep(0) ended = ended + n "
        "end, 1) end\n"
        "for _ = 1, 500 do if ended == 2000 then break end task.sleep(5) end\n"
        "equal(ended, 2000)\n");
}

static void cancels_a_task_by_its_coroutine(void)
{
    run("=cancel", "local thread, first, second\n"
                   "task.spawn(function() thread = coroutine.running()\n"
                   "  local _, err = task.sleep(60000) first = err.code\n"
                   "  _, err = task.sleep(60000) second = err.code end)\n"
                   "equal(task.cancel(thread), true)\n"
                   "equal(first, 'CANCELLED') equal(second, 'CANCELLED')\n"
                   "equal(task.cancel(thread), false)\n"
                   "equal(pcall(task.cancel, coroutine.running()), false)\n"
                   "equal(pcall(task.cancel, nil), false)\n");
}

/* ---- clean-up, seen from C ---- */

struct noted {
    struct task_defer defer;
    char name;
};
static char noted[8];

static void note(struct task_defer *defer)
{
    char name[2] = {((struct noted *)defer)->name};
    strcat(noted, name);
}

static struct noted first = {{.run = note}, 'a'}, second = {{.run = note}, 'b'},
                    third = {{.run = note}, 'c'};

static int l_hold(lua_State *L)
{
    task_defer(task_current(L), &first.defer);
    task_defer(task_current(L), &second.defer);
    task_defer(task_current(L), &third.defer);
    task_undefer(&second.defer);
    return 0;
}

static void cleans_up_however_a_task_ends(void)
{
    static const char *const ends[] = {"", "task.sleep(5)", "error('x')",
                                       "task.deadline(50) task.sleep(1000)"};
    lua_pushcfunction(lua_test_vm->L, l_hold);
    lua_setglobal(lua_test_vm->L, "hold");
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char code[256];
        noted[0] = '\0';
        snprintf(code, sizeof(code),
                 "task.spawn(function() hold() %s end) task.sleep(150)", ends[i]);
        run("=defer", code);
        CHECK_STR(noted, "ca");
    }
}

/* ---- the end of a vm ---- */

static void on_vm_gone(void *arg)
{
    *(bool *)arg = true;
}

static void spawn_in(struct vm *vm, const char *code)
{
    if (luaL_loadstring(vm->L, code) != 0)
        abort();
    task_spawn(vm, vm->L, 0, 0, NULL, NULL);
}

static void closes_a_vm_when_its_last_task_ended(void)
{
    bool gone = false;
    struct vm *vm = vm_new(&lua_test_host, ".");
    spawn_in(vm, "require('host.task').sleep(60)");
    vm_retire(vm, 60000, on_vm_gone, &gone);
    CHECK(!gone);
    loop_await(&gone);
}

static void cancels_what_outlasts_the_grace(void)
{
    bool gone = false;
    struct vm *vm = vm_new(&lua_test_host, ".");
    spawn_in(vm,
             "local task = require('host.task')\n"
             "for _ = 1, 3 do task.spawn(function() task.signal():wait(1e9) end) end\n"
             "while task.sleep(1e9) do end");
    uint64_t started = uv_hrtime();
    vm_retire(vm, 50, on_vm_gone, &gone);
    loop_await(&gone);
    CHECK(uv_hrtime() - started < 5000000000u);
}

/* It must not take its end for a time-out, which it may well answer by waiting again. */
static void cancels_what_a_cancelled_task_begins(void)
{
    bool gone = false;
    struct vm *vm = vm_new(&lua_test_host, ".");
    spawn_in(vm,
             "local task = require('host.task')\n"
             "task.sleep(1e9)\n"
             "task.spawn(function()\n"
             "  repeat local _, err = task.sleep(1e9) until err.code ~= 'TIMEOUT' end)");
    vm_retire(vm, 0, on_vm_gone, &gone);
    loop_await(&gone);
}

static void counts_generations(void)
{
    bool gone = false;
    struct vm *vm = vm_new(&lua_test_host, ".");
    CHECK(vm_generation(vm) > vm_generation(lua_test_vm));
    CHECK(vm_memory(vm) > 1000);
    vm_retire(vm, 0, on_vm_gone, &gone);
    loop_await(&gone);
}

int main(void)
{
    log_init((enum log_level)(LOG_ERROR + 1), false,
             "test"); /* errors are the point here */
    loop = uv_default_loop();
    lua_test_start();
    RUN(sleeps_and_runs_others_meanwhile);
    RUN(wakes_all_who_wait_for_a_signal);
    RUN(ends_waits_at_the_deadline);
    RUN(stops_a_task_that_ignores_its_end);
    RUN(survives_the_error_of_another_task);
    RUN(collects_what_nobody_holds_at_each_wait);
    RUN(refuses_to_wait_in_a_coroutine_of_ones_own);
    RUN(reuses_finished_coroutines);
    RUN(cancels_a_task_by_its_coroutine);
    RUN(cleans_up_however_a_task_ends);
    RUN(closes_a_vm_when_its_last_task_ended);
    RUN(cancels_what_outlasts_the_grace);
    RUN(cancels_what_a_cancelled_task_begins);
    RUN(counts_generations);
    lua_test_end();
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
    return check_result("lua_task");
}
