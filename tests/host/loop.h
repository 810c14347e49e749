/* loop.h - running the loop in a test until something happened, with a deadline. */
#pragma once
#include "check.h"
#include <stdbool.h>
#include <uv.h>

#define PATIENCE_MS ((unsigned)patiently(15000))

static uv_loop_t *loop;

static inline void loop_on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static inline void loop_on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/* Runs the loop until *flag or for `ms`; true when the flag was set. The tick makes
 * uv_run return: having run a timer it would go on to wait for the next event. */
static inline bool loop_until(const bool *flag, unsigned ms)
{
    bool closed = false;
    uint64_t end = uv_hrtime() + ms * 1000000ull;
    uv_timer_t tick;
    uv_timer_init(loop, &tick);
    tick.data = &closed;
    uv_timer_start(&tick, loop_on_tick, 1, 1);
    while (!*flag && uv_hrtime() < end)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, loop_on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_NOWAIT);
    return *flag;
}

/* The event must come. */
static inline void loop_await(const bool *flag)
{
    bool came = loop_until(flag, PATIENCE_MS);
    CHECK(came);
}

static inline void loop_pass(unsigned ms)
{
    static const bool never = false;
    loop_until(&never, ms);
}
