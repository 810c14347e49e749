#include "check.h"
#include "turnstile.h"
#include "work.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 4, JOBS = 6, WORK_US = 2000 };

/* What all processes of a test see. */
static struct board {
    atomic_int inside, most, through, ready;
} * board;

static char path[] = "/tmp/test_turnstile_XXXXXX";

static struct turnstile *opened(void)
{
    struct err err;
    struct turnstile *turnstile = turnstile_open(path, &err);
    if (!turnstile) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return turnstile;
}

static int taken(struct turnstile *turnstile)
{
    int count = 0;
    while (count < 100 && turnstile_queue(turnstile, NULL) >= 0)
        count++;
    return count;
}

static bool await(atomic_int *value, int wanted)
{
    for (int i = 0; i < patiently(10000) && atomic_load(value) < wanted; i++)
        usleep(1000);
    return atomic_load(value) >= wanted;
}

static void has_so_many_places_for_all(void)
{
    struct turnstile *one = opened(), *two = opened();
    struct err err = {0};
    int first = turnstile_queue(one, &err), second = turnstile_queue(two, &err);
    CHECK(first >= 0 && second >= 0 && first != second);
    CHECK(taken(one) == TURNSTILE_PLACES - 2);
    CHECK(turnstile_queue(one, &err) < 0);
    CHECK_STR(err.code, ERR_BUSY);
    CHECK(turnstile_queue(two, &err) < 0);
    turnstile_forgo(one, first);
    CHECK(turnstile_queue(two, &err) == first);
    turnstile_close(one);
    CHECK(taken(two) == TURNSTILE_PLACES - 2);
    turnstile_close(two);
    turnstile_close(NULL);
}

static void gives_the_place_back_on_the_way_in(void)
{
    struct turnstile *turnstile = opened();
    for (int i = 0; i < 3; i++) {
        turnstile_enter(turnstile, turnstile_queue(turnstile, NULL));
        CHECK(taken(turnstile) == TURNSTILE_PLACES);
        turnstile_leave(turnstile);
        turnstile_close(turnstile);
        turnstile = opened();
    }
    turnstile_close(turnstile);
}

static void takes_back_what_a_process_held_that_died(void)
{
    struct turnstile *turnstile = opened();
    atomic_store(&board->ready, 0);
    pid_t child = fork();
    if (child == 0) {
        struct turnstile *own = opened();
        turnstile_enter(own, turnstile_queue(own, NULL));
        taken(own);
        atomic_store(&board->ready, 1);
        pause();
        _exit(0);
    }
    CHECK(await(&board->ready, 1));
    CHECK(turnstile_queue(turnstile, NULL) < 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    int place = turnstile_queue(turnstile, NULL);
    CHECK(place >= 0);
    turnstile_enter(turnstile, place);
    turnstile_leave(turnstile);
    turnstile_close(turnstile);
}

static void tells_why_it_cannot_be_opened(void)
{
    struct err err = {0};
    CHECK(turnstile_open("/nonexistent/turnstile", &err) == NULL);
    CHECK_STR(err.code, ERR_NOT_FOUND);
}

static void run_inside(void *arg)
{
    (void)arg;
    int inside = atomic_fetch_add(&board->inside, 1) + 1;
    int most = atomic_load(&board->most);
    while (inside > most && !atomic_compare_exchange_weak(&board->most, &most, inside))
        ;
    usleep(WORK_US);
    atomic_fetch_sub(&board->inside, 1);
}

static void done_inside(void *arg, bool ran)
{
    (void)arg;
    if (ran)
        atomic_fetch_add(&board->through, 1);
}

static int work_in_a_process(void)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct turnstile *turnstile = opened();
    struct work *work = work_new(&loop, 1, turnstile);
    atomic_fetch_add(&board->ready, 1);
    int refused = !await(&board->ready, PROCESSES);
    for (int i = 0; i < JOBS; i++)
        refused += work_submit(work, run_inside, done_inside, NULL, NULL) < 0;
    uv_run(&loop, UV_RUN_DEFAULT);
    work_free(work);
    uv_run(&loop, UV_RUN_DEFAULT);
    turnstile_close(turnstile);
    return uv_loop_close(&loop) != 0 || refused;
}

static void lets_one_process_work_at_a_time(void)
{
    pid_t children[PROCESSES];
    atomic_store(&board->ready, 0);
    for (int i = 0; i < PROCESSES; i++)
        if ((children[i] = fork()) == 0)
            _exit(work_in_a_process());
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        waitpid(children[i], &status, 0);
        CHECK(status == 0);
    }
    CHECK(atomic_load(&board->through) == PROCESSES * JOBS);
    CHECK(atomic_load(&board->most) == 1);
}

static void forgoes_the_places_of_what_is_dropped(void)
{
    uv_loop_t loop;
    struct turnstile *turnstile = opened(), *other = opened();
    uv_loop_init(&loop);
    turnstile_enter(other, turnstile_queue(other, NULL)); /* so that nobody gets in */
    struct work *work = work_new(&loop, 1, turnstile);
    int accepted = 0;
    while (accepted < 100 && work_submit(work, run_inside, done_inside, NULL, NULL) == 0)
        accepted++;
    CHECK(accepted == TURNSTILE_PLACES);
    turnstile_leave(other);
    work_free(work);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    CHECK(taken(other) == TURNSTILE_PLACES);
    turnstile_close(turnstile);
    turnstile_close(other);
}

int main(void)
{
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    close(mkstemp(path));
    RUN(has_so_many_places_for_all);
    RUN(gives_the_place_back_on_the_way_in);
    RUN(takes_back_what_a_process_held_that_died);
    RUN(tells_why_it_cannot_be_opened);
    RUN(lets_one_process_work_at_a_time);
    RUN(forgoes_the_places_of_what_is_dropped);
    unlink(path);
    return check_result("turnstile");
}
