/* libuv runs the callbacks of I/O inside its poll phase, so it is asked how long it was idle.
 *
 * To read the thread's time takes a system call, so that is done when turns took EXACT_US since the
 * last time. A shorter one counts as if it had the processor throughout, which is true of most and
 * in any case the histogram's first bucket; of a longer one's time theirs is taken off. */
#include "lag.h"
#include <time.h>

enum {
    EXACT_US = 500,
    POLL_US =
        5, /* what it takes to ask for events is in no turn, but in the thread's time */
    MAX_SAMPLES = 10, /* the longest turn is that of the last 10 to 20 s */
};

static uint64_t thread_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

void lag_begin(struct lag *lag, uv_loop_t *loop, struct metrics *metrics,
               const char *process)
{
    *lag = (struct lag){.loop = loop, .metrics = metrics};
    lag->turns =
        metrics_open(metrics, METRIC_HISTOGRAM, "fixxit_loop_turn_seconds",
                     "Work of one turn of an event loop: what others wait for.", "");
    lag->cpu_turns =
        metrics_open(metrics, METRIC_HISTOGRAM, "fixxit_loop_turn_cpu_seconds",
                     "Processor time of one turn of an event loop: without what the "
                     "system did meanwhile.",
                     "");
    lag->longest.series =
        metrics_open(metrics, METRIC_GAUGE, "fixxit_loop_turn_max_seconds",
                     "The longest turn of the last 10 to 20 s.", process);
    lag->cpu_longest.series = metrics_open(
        metrics, METRIC_GAUGE, "fixxit_loop_turn_cpu_max_seconds",
        "The most processor time of a turn of the last 10 to 20 s.", process);
    lag->turn_ns = uv_hrtime();
    lag->idle_ns = uv_metrics_idle_time(loop);
    lag->cpu_ns = thread_ns();
}

/* Of the turn that took `busy_us`. */
static uint64_t cpu_of(struct lag *lag, uint64_t busy_us)
{
    uint64_t before_us = lag->since_us;
    lag->since_us += busy_us + POLL_US;
    if (lag->since_us < EXACT_US)
        return busy_us;
    uint64_t now = thread_ns(), spent_us = (now - lag->cpu_ns) / 1000;
    lag->cpu_ns = now;
    lag->since_us = 0;
    uint64_t own_us = spent_us > before_us ? spent_us - before_us : 0;
    return own_us < busy_us ? own_us : busy_us;
}

static void count(struct lag *lag, int series, struct lag_longest *longest, uint64_t us)
{
    metrics_observe(lag->metrics, series, (int64_t)us);
    if (us > longest->us)
        longest->us = us;
}

void lag_turn(struct lag *lag)
{
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(lag->loop);
    uint64_t elapsed = now - lag->turn_ns, slept = idle - lag->idle_ns;
    uint64_t busy_us = elapsed > slept ? (elapsed - slept) / 1000 : 0;
    lag->turn_ns = now;
    lag->idle_ns = idle;
    count(lag, lag->turns, &lag->longest, busy_us);
    count(lag, lag->cpu_turns, &lag->cpu_longest, cpu_of(lag, busy_us));
}

static void tell(struct lag *lag, struct lag_longest *longest)
{
    uint64_t us = longest->us > longest->before_us ? longest->us : longest->before_us;
    metrics_set(lag->metrics, longest->series, (int64_t)us);
    if (lag->samples < MAX_SAMPLES)
        return;
    longest->before_us = longest->us;
    longest->us = 0;
}

void lag_sample(struct lag *lag)
{
    lag->samples++;
    tell(lag, &lag->longest);
    tell(lag, &lag->cpu_longest);
    if (lag->samples == MAX_SAMPLES)
        lag->samples = 0;
}
