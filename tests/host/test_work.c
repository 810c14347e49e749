#include "check.h"
#include "work.h"
#include <stdatomic.h>
#include <unistd.h>

struct probe {
    pthread_t thread;
    atomic_int runs; /* by any thread */
    int dones, dropped;
};

static pthread_t loop_thread;
static atomic_bool gate;
static struct work *work;

static void run_probe(void *arg)
{
    struct probe *probe = arg;
    probe->thread = pthread_self();
    probe->runs++;
}

static void run_when_open(void *arg)
{
    while (!atomic_load(&gate))
        usleep(100);
    ((struct probe *)arg)->runs++;
}

static void done_probe(void *arg, bool ran)
{
    struct probe *probe = arg;
    CHECK(pthread_equal(pthread_self(), loop_thread));
    probe->dones++;
    probe->dropped += !ran;
}

static void done_and_submit(void *arg, bool ran)
{
    struct probe *probe = arg;
    done_probe(arg, ran);
    if (ran && probe->dones < 3)
        CHECK(work_submit(work, run_probe, done_and_submit, probe, NULL) == 0);
}

static void start(uv_loop_t *loop)
{
    CHECK(uv_loop_init(loop) == 0);
    work = work_new(loop, 0, NULL);
}

static void finish(uv_loop_t *loop)
{
    work_free(work);
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop) == 0);
}

static void runs_elsewhere_and_ends_on_the_loop(void)
{
    uv_loop_t loop;
    struct probe probes[WORK_QUEUE] = {0};
    start(&loop);
    for (int i = 0; i < WORK_QUEUE; i++)
        CHECK(work_submit(work, run_probe, done_probe, &probes[i], NULL) == 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends by itself when all is done */
    CHECK(work_pending(work) == 0);
    for (int i = 0; i < WORK_QUEUE; i++) {
        CHECK(probes[i].runs == 1 && probes[i].dones == 1 && !probes[i].dropped);
        CHECK(!pthread_equal(probes[i].thread, loop_thread));
    }
    finish(&loop);
}

static void does_not_hold_an_idle_loop(void)
{
    uv_loop_t loop;
    start(&loop);
    CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    finish(&loop);
}

static void takes_more_work_from_done(void)
{
    uv_loop_t loop;
    struct probe probe = {0};
    start(&loop);
    CHECK(work_submit(work, run_probe, done_and_submit, &probe, NULL) == 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(probe.runs == 3 && probe.dones == 3);
    finish(&loop);
}

static void refuses_more_than_the_queue_holds(void)
{
    uv_loop_t loop;
    struct probe probe = {0};
    struct err err = {0};
    int accepted = 0;
    atomic_store(&gate, false);
    start(&loop);
    while (accepted < 1000 &&
           work_submit(work, run_when_open, done_probe, &probe, &err) == 0)
        accepted++;
    CHECK_STR(err.code, ERR_BUSY);
    CHECK(accepted >= WORK_QUEUE && accepted < 1000);
    atomic_store(&gate, true);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(probe.dones == accepted);
    CHECK(work_submit(work, run_probe, done_probe, &probe, &err) == 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    finish(&loop);
}

static void ends_every_job_when_freed(void)
{
    uv_loop_t loop;
    struct probe probe = {0};
    atomic_store(&gate, true);
    start(&loop);
    for (int i = 0; i < WORK_QUEUE; i++)
        CHECK(work_submit(work, run_when_open, done_probe, &probe, NULL) == 0);
    work_free(work);
    CHECK(probe.dones == WORK_QUEUE);
    CHECK(probe.runs + probe.dropped == WORK_QUEUE);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
}

int main(void)
{
    loop_thread = pthread_self();
    RUN(runs_elsewhere_and_ends_on_the_loop);
    RUN(does_not_hold_an_idle_loop);
    RUN(takes_more_work_from_done);
    RUN(refuses_more_than_the_queue_holds);
    RUN(ends_every_job_when_freed);
    return check_result("work");
}
