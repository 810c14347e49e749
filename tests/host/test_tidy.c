/* Garbage of Lua: collected while the loop has nothing to do, left while it has, and not waited
 * for where many things come that stay. */
#include "log.h"
#include "loop.h"
#include "lua_vm.h"
#include "tidy.h"

enum { BUSY_MS = 2500 };

static struct host host = {.role = "http"};

static void run(const char *code)
{
    if (luaL_loadstring(host.vm->L, code) != 0 || lua_pcall(host.vm->L, 0, 0, 0) != 0)
        abort();
}

/* Less than what Lua collects for by itself: that would be at four times of what lives. */
static void litter(void)
{
    run("for i = 1, 30000 do last = { i, i .. '' } end");
}

static void on_rested(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, loop_on_closed);
}

/* Runs the loop for so long, and gives it nothing to do. */
static void rest(unsigned ms)
{
    bool closed = false;
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    timer.data = &closed;
    uv_timer_start(&timer, on_rested, ms, 0);
    while (!closed)
        uv_run(loop, UV_RUN_ONCE);
}

static bool falls_below(size_t bytes, unsigned ms)
{
    for (unsigned waited = 0; waited < ms; waited += 50) {
        if (vm_memory(host.vm) < bytes)
            return true;
        rest(50);
    }
    return false;
}

static void collects_when_idle(void)
{
    size_t littered;
    litter();
    littered = vm_memory(host.vm);
    CHECK(falls_below(littered * 2 / 3, patiently(PATIENCE_MS)));
}

static void be_busy(uv_timer_t *timer)
{
    (void)timer;
    uint64_t end = uv_hrtime() + 4000000;
    while (uv_hrtime() < end)
        ;
}

static void leaves_it_under_load(void)
{
    bool closed = false;
    uv_timer_t load;
    size_t littered;
    uv_timer_init(loop, &load);
    load.data = &closed;
    uv_timer_start(&load, be_busy, 1, 1);
    litter();
    littered = vm_memory(host.vm);
    CHECK(!falls_below(littered * 2 / 3, BUSY_MS));
    uv_close((uv_handle_t *)&load, loop_on_closed);
    loop_await(&closed);
    CHECK(falls_below(littered * 2 / 3, patiently(PATIENCE_MS)));
}

/* Each of a crowd leaves some garbage. Nobody has rested yet, nor tidied up. */
static void collects_for_a_crowd(void)
{
    size_t live, most = 0;
    lua_gc(host.vm->L, LUA_GCCOLLECT, 0);
    live = vm_memory(host.vm);
    for (int i = 0; i < 3000; i++) {
        run("for i = 1, 30 do last = { i, i .. '' } end");
        tidy_crowd(host.vm);
        if (vm_memory(host.vm) > most)
            most = vm_memory(host.vm);
    }
    CHECK(most > live * 3 / 2);
    CHECK(most < live * 3);
}

static void on_gone(void *arg)
{
    *(bool *)arg = true;
}

int main(void)
{
    bool gone = false;
    log_init(LOG_ERROR, false, "test");
    loop = uv_default_loop();
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    host.loop = loop;
    host.vm = vm_new(&host, ".");
    run("kept = {} for i = 1, 20000 do kept[i] = { i .. '' } end");
    struct tidy *tidy = tidy_start(&host);
    RUN(collects_for_a_crowd);
    RUN(collects_when_idle);
    RUN(leaves_it_under_load);
    tidy_stop(tidy);
    vm_retire(host.vm, 1000, on_gone, &gone);
    loop_await(&gone);
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
    return check_result("tidy");
}
