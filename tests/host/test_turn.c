/* What becomes ready at once is done in order, and not all of it before the loop has looked what
 * else has become ready. */
#include "check.h"
#include "loop.h"
#include "turn.h"

enum { JOBS = 60, SPIN_US = TURN_US / 5 };

static struct job {
    struct turn_job turn;
    struct job *other; /* becomes ready in it */
} jobs[JOBS + 1];

static struct job *order[JOBS + 1];
static unsigned done, heard_at, heard;
static bool all_done;
static uv_async_t bell; /* poll() hears it */

static void on_bell(uv_async_t *handle)
{
    if (!heard++)
        heard_at = done;
    if (!all_done)
        uv_async_send(handle);
}

static void run(struct turn_job *turn)
{
    struct job *job = (struct job *)turn; /* its first member */
    uint64_t end = uv_hrtime() + SPIN_US * UINT64_C(1000);
    while (uv_hrtime() < end)
        ;
    if (job->other)
        turn_run(loop, &job->other->turn);
    order[done++] = job;
    all_done = done >= JOBS;
}

static void on_ready(uv_timer_t *timer)
{
    (void)timer;
    for (int i = 0; i < JOBS; i++)
        turn_run(loop, &jobs[i].turn);
}

/* As one poll() would. */
static void make_ready(void)
{
    bool closed = false;
    uv_timer_t timer;
    done = heard = heard_at = 0;
    all_done = false;
    uv_timer_init(loop, &timer);
    timer.data = &closed;
    uv_timer_start(&timer, on_ready, 0, 0);
    loop_await(&all_done);
    uv_close((uv_handle_t *)&timer, loop_on_closed);
    loop_await(&closed);
}

static void hears_of_others_in_between(void)
{
    bool closed = false;
    uv_async_init(loop, &bell, on_bell);
    bell.data = &closed;
    uv_async_send(&bell);
    make_ready();
    CHECK(heard_at > 0);
    CHECK(heard_at < JOBS / 4);
    CHECK(heard > 3);
    uv_close((uv_handle_t *)&bell, loop_on_closed);
    loop_await(&closed);
}

static void keeps_the_order(void)
{
    make_ready();
    for (int i = 0; i < JOBS; i++)
        CHECK(order[i] == &jobs[i]);
}

static void puts_what_they_cause_behind_them(void)
{
    jobs[JOBS / 2].other = &jobs[JOBS];
    make_ready();
    jobs[JOBS / 2].other = NULL;
    while (done <= JOBS)
        uv_run(loop, UV_RUN_NOWAIT);
    CHECK(order[JOBS / 2] == &jobs[JOBS / 2]);
    CHECK(order[JOBS] == &jobs[JOBS]);
}

static void does_the_first_at_once(void)
{
    while (uv_run(loop, UV_RUN_NOWAIT)) /* a new turn */
        ;
    done = 0;
    turn_run(loop, &jobs[0].turn);
    CHECK(done == 1);
}

static void lets_the_loop_end(void)
{
    make_ready();
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
    CHECK(done == JOBS);
}

static void tells_one_time_for_a_turn(void)
{
    struct turn_time first = turn_time();
    turn_run(loop, &jobs[0].turn); /* takes a while */
    CHECK(turn_time().steady == first.steady);
    CHECK(turn_time().wall == first.wall);
    uint64_t now = uv_hrtime();
    make_ready();
    CHECK(turn_time().steady >= now);
    CHECK(turn_time().wall > first.wall);
}

int main(void)
{
    loop = uv_default_loop();
    for (int i = 0; i <= JOBS; i++)
        jobs[i].turn.run = run;
    RUN(hears_of_others_in_between);
    RUN(keeps_the_order);
    RUN(puts_what_they_cause_behind_them);
    RUN(lets_the_loop_end);
    RUN(does_the_first_at_once);
    RUN(tells_one_time_for_a_turn);
    return check_result("turn");
}
