#include "tidy.h"
#include "mem.h"
#include "vm.h"
#include <stdlib.h>

enum {
    LOOK_MS = 1000,
    SLICE_MS = 10, /* from one slice to the next */
    SLICE_US = 1000,
    SLEPT_PERCENT = 80,
    GROWN_PERCENT = 125,
    CROWDED_PERCENT = 150,
};

struct tidy {
    struct host *host;
    uv_timer_t timer;
    uint64_t now_ns, slept_ns; /* at the last look */
};

static bool was_idle(struct tidy *tidy)
{
    uint64_t now = uv_hrtime(), slept = uv_metrics_idle_time(tidy->host->loop);
    uint64_t elapsed = now - tidy->now_ns;
    bool idle = (slept - tidy->slept_ns) * 100 >= elapsed * SLEPT_PERCENT;
    tidy->now_ns = now;
    tidy->slept_ns = slept;
    return idle;
}

static bool has_grown(const struct vm *vm, unsigned percent)
{
    return vm_memory(vm) * 100 >= vm_live(vm) * percent;
}

static void on_look(uv_timer_t *timer);

static void on_slice(uv_timer_t *timer)
{
    struct tidy *tidy = timer->data;
    struct vm *vm = tidy->host->vm;
    if (!was_idle(tidy) || !vm || vm_collect_for(vm, SLICE_US))
        uv_timer_start(timer, on_look, LOOK_MS, LOOK_MS);
}

static void on_look(uv_timer_t *timer)
{
    struct tidy *tidy = timer->data;
    const struct vm *vm = tidy->host->vm;
    if (was_idle(tidy) && vm && has_grown(vm, GROWN_PERCENT))
        uv_timer_start(timer, on_slice, SLICE_MS, SLICE_MS);
}

/* A cycle that has begun goes on with what the VM allocates. */
void tidy_crowd(struct vm *vm)
{
    if (has_grown(vm, CROWDED_PERCENT))
        vm_collect_for(vm, 0);
}

struct tidy *tidy_start(struct host *host)
{
    struct tidy *tidy = mem_new(sizeof(*tidy));
    tidy->host = host;
    tidy->now_ns = uv_hrtime();
    uv_timer_init(host->loop, &tidy->timer);
    tidy->timer.data = tidy;
    uv_timer_start(&tidy->timer, on_look, LOOK_MS, LOOK_MS);
    return tidy;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tidy_stop(struct tidy *tidy)
{
    if (tidy)
        uv_close((uv_handle_t *)&tidy->timer, on_closed);
}
