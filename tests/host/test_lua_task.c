#include "lua_test.h"

static void cancels_a_task_by_its_coroutine(void)
{
    lua_test_run("=cancels_a_task_by_its_coroutine",
                 "local task = require('host.task')\n"
                 "local thread, first, second\n"
                 "task.spawn(function()\n"
                 "  thread = coroutine.running()\n"
                 "  local _, err = task.sleep(60000)\n"
                 "  first = err.code\n"
                 "  _, err = task.sleep(60000)\n"
                 "  second = err.code\n"
                 "end)\n"
                 "assert(task.cancel(thread))\n"
                 "assert(first == 'CANCELLED' and second == 'CANCELLED')\n"
                 "assert(not task.cancel(thread))\n"
                 "assert(not pcall(task.cancel, coroutine.running()))\n"
                 "assert(not pcall(task.cancel, nil))\n");
}

static void on_gone(void *arg)
{
    *(bool *)arg = true;
}

/* What a cancelled task begins is cancelled too: it must not take that for a time-out, which it
 * may well answer by waiting again. */
static void ends_what_a_cancelled_task_begins(void)
{
    bool gone = false;
    lua_test_run(
        "=ends_what_a_cancelled_task_begins",
        "local task = require('host.task')\n"
        "task.spawn(function()\n"
        "  task.sleep(60000)\n"
        "  task.spawn(function()\n"
        "    repeat local ok, err = task.sleep(60000) until err.code ~= 'TIMEOUT'\n"
        "  end)\n"
        "end)\n");
    vm_retire(lua_test_vm, 0, on_gone, &gone);
    loop_await(&gone);
    CHECK(gone && vm_alive() == 0);
    lua_test_start();
}

int main(void)
{
    loop = uv_default_loop();
    lua_test_start();
    RUN(cancels_a_task_by_its_coroutine);
    RUN(ends_what_a_cancelled_task_begins);
    lua_test_end();
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
    return check_result("lua_task");
}
