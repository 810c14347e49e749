/* A turn, as libuv has it: timers, the line, poll() and what it made ready. A turn in which somebody
 * stood in line has the time twice, before and behind its poll().
 *
 * The clock is read for the first job and for each fourth: a short request takes microseconds. */
#include "turn.h"
#include <stdbool.h>
#include <time.h>

enum { LOOK_EVERY = 4 };

static struct {
    uv_prepare_t poll; /* comes next */
    uv_idle_t line;    /* runs while somebody stands in line: then poll() does not wait */
    bool ready;        /* the handles are */
    struct turn_time time; /* of this turn, when known */
    bool known;
    unsigned jobs;   /* since the time began */
    uint64_t end_ns; /* of the time; when there were jobs */
    bool over;       /* when it was looked last */
    struct turn_job *first, **last;
} turn = {.last = &turn.first};

struct turn_time turn_time(void)
{
    if (!turn.known) {
        struct timespec wall;
        clock_gettime(CLOCK_REALTIME, &wall);
        turn.time = (struct turn_time){
            uv_hrtime(),
            (uint64_t)wall.tv_sec * UINT64_C(1000000000) + (uint64_t)wall.tv_nsec,
        };
        turn.known = turn.ready; /* else nobody tells when it is over */
    }
    return turn.time;
}

static bool is_over(unsigned look_every)
{
    if (turn.jobs++ % look_every == 0) {
        uint64_t now = turn.jobs == 1 ? turn_time().steady : uv_hrtime();
        if (turn.jobs == 1)
            turn.end_ns = now + TURN_US * UINT64_C(1000);
        turn.over = now >= turn.end_ns;
    }
    return turn.over;
}

static void on_poll(uv_prepare_t *handle)
{
    (void)handle;
    turn.jobs = 0;
    turn.known = false;
}

static void on_line(uv_idle_t *handle)
{
    turn.jobs = 0;
    turn.known = false;
    while (turn.first && !is_over(1)) {
        struct turn_job *job = turn.first;
        turn.first = job->next;
        if (!turn.first)
            turn.last = &turn.first;
        job->run(job);
    }
    if (!turn.first)
        uv_idle_stop(handle);
}

static void open_handles(uv_loop_t *loop)
{
    uv_prepare_init(loop, &turn.poll);
    uv_idle_init(loop, &turn.line);
    uv_prepare_start(&turn.poll, on_poll);
    uv_unref((uv_handle_t *)&turn.poll);
    turn.ready = true;
}

void turn_run(uv_loop_t *loop, struct turn_job *job)
{
    if (!turn.ready)
        open_handles(loop);
    if (!turn.first && !is_over(LOOK_EVERY)) {
        job->run(job);
        return;
    }
    if (!turn.first)
        uv_idle_start(&turn.line, on_line);
    job->next = NULL;
    *turn.last = job;
    turn.last = &job->next;
}
