/* A turn that computes is told from one that is kept waiting. */
#include "check.h"
#include "lag.h"
#include "loop.h"
#include <time.h>

enum { LONG_US = 6000, SHORT_US = 300 }; /* more than 5 ms, and little beside it */

static struct lag lag;
static struct metrics *metrics;

static double value(const char *series)
{
    struct buf text = {0};
    metrics_print(metrics, &text);
    const char *line = strstr(buf_cstr(&text), series);
    double told = line ? atof(line + strlen(series)) : -1;
    buf_free(&text);
    return told;
}

/* How many turns took more than 5 ms. */
static int slow(void)
{
    return (int)(value("fixxit_loop_turn_seconds_count ") -
                 value("fixxit_loop_turn_seconds_bucket{le=\"0.005\"} "));
}

static int slow_by_cpu(void)
{
    return (int)(value("fixxit_loop_turn_cpu_seconds_count ") -
                 value("fixxit_loop_turn_cpu_seconds_bucket{le=\"0.005\"} "));
}

static double longest_by_cpu(void)
{
    return value("fixxit_loop_turn_cpu_max_seconds{process=\"http 1\"} ");
}

static uint64_t thread_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void on_check(uv_check_t *check)
{
    (void)check;
    lag_turn(&lag);
}

static void run_in_a_turn(uv_timer_cb work)
{
    bool closed = false;
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    timer.data = &closed;
    uv_timer_start(&timer, work, 0, 0);
    uv_run(loop, UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&timer, loop_on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void compute_for(unsigned us)
{
    uint64_t end = thread_us() + us;
    while (thread_us() < end)
        ;
}

static void compute(uv_timer_t *timer)
{
    (void)timer;
    compute_for(LONG_US);
}

static void compute_a_little(uv_timer_t *timer)
{
    (void)timer;
    compute_for(SHORT_US);
}

static void be_kept_waiting(uv_timer_t *timer)
{
    (void)timer;
    uv_sleep(LONG_US / 1000);
}

static void tells_computing_from_waiting(void)
{
    int all = slow(), own = slow_by_cpu();
    run_in_a_turn(be_kept_waiting);
    CHECK(slow() > all);
    CHECK(slow_by_cpu() == own);
    run_in_a_turn(compute);
    CHECK(slow() > all + 1);
    CHECK(slow_by_cpu() == own + 1);
}

static void takes_off_what_short_turns_had(void)
{
    int own = slow_by_cpu();
    for (int i = 0; i < 100; i++) {
        run_in_a_turn(compute_a_little);
        if (i % 20 == 19)
            run_in_a_turn(be_kept_waiting);
    }
    CHECK(slow_by_cpu() == own);
}

static void remembers_the_longest_for_a_while(void)
{
    run_in_a_turn(compute);
    for (int i = 0; i < 10; i++) {
        lag_sample(&lag);
        CHECK(longest_by_cpu() > 0.005);
    }
    for (int i = 0; i < 20; i++)
        lag_sample(&lag);
    CHECK(longest_by_cpu() < 0.005);
}

int main(void)
{
    uv_check_t check;
    loop = uv_default_loop();
    metrics = metrics_new(10);
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    lag_begin(&lag, loop, metrics, "process=\"http 1\"");
    uv_check_init(loop, &check);
    uv_check_start(&check, on_check);
    RUN(tells_computing_from_waiting);
    RUN(takes_off_what_short_turns_had);
    RUN(remembers_the_longest_for_a_while);
    metrics_free(metrics);
    return check_result("lag");
}
