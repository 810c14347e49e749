/* loop.h - running the loop in a test until something happened, with a deadline. */
#pragma once
#include "check.h"
#include <stdbool.h>
#include <uv.h>

enum { PATIENCE_MS = 15000 };

static uv_loop_t *loop;

static inline void loop_set_flag(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static inline void loop_on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/* Runs the loop until *flag or for `ms`; true when the flag was set. */
static inline bool loop_until(const bool *flag, unsigned ms)
{
    bool over = false, closed = false;
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    timer.data = &over;
    uv_update_time(loop);
    uv_timer_start(&timer, loop_set_flag, ms, 0);
    while (!*flag && !over)
        uv_run(loop, UV_RUN_ONCE);
    timer.data = &closed;
    uv_close((uv_handle_t *)&timer, loop_on_closed);
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
