/* What processes share and what the program after this one finds. */
#include "check.h"
#include "counters.h"
#include "shared.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAYOUT = 7, PROCESSES = 6, ROUNDS = 20000 };

struct table {
    struct shared head;
    int number;
};

static void begins_with_zeros(void)
{
    bool fresh = false;
    struct table *table = shared_take(-1, LAYOUT, sizeof(*table), &fresh);
    CHECK(fresh && table->number == 0);
    CHECK(fcntl(table->head.fd, F_GETFD) == FD_CLOEXEC);
    shared_free(table);
    shared_free(NULL);
}

/* As after an exec: the descriptor is there, the mapping is not. */
static void goes_on_with_what_was_left(void)
{
    bool fresh;
    struct table *before = shared_take(-1, LAYOUT, sizeof(*before), &fresh);
    before->number = 42;
    int fd = dup(before->head.fd);
    struct table *after = shared_take(fd, LAYOUT, sizeof(*after), &fresh);
    CHECK(!fresh && after->number == 42 && after->head.fd == fd);
    before->number = 43; /* a process of the program before goes on counting */
    CHECK(after->number == 43);
    close(fd);
    munmap(before, sizeof(*before));
    munmap(after, sizeof(*after));
}

static void begins_anew_when_the_layout_is_another(void)
{
    bool fresh;
    for (int i = 0; i < 3; i++) {
        struct table *before = shared_take(-1, LAYOUT, sizeof(*before), &fresh);
        before->number = 42;
        int fd = dup(before->head.fd);
        size_t size = sizeof(*before) + (i == 1 ? 8 : 0);
        uint32_t layout = i == 2 ? LAYOUT + 1 : LAYOUT;
        struct table *after = shared_take(fd, layout, size, &fresh);
        CHECK(fresh == (i > 0) && after->number == (i > 0 ? 0 : 42));
        CHECK(i == 0 || fcntl(fd, F_GETFD) < 0 || after->head.fd == fd);
        shared_free(after);
        shared_free(before);
    }
    int pipe_fds[2];
    CHECK(pipe(pipe_fds) == 0);
    shared_free(shared_take(pipe_fds[0], LAYOUT, sizeof(struct table), &fresh));
    CHECK(fresh);
    close(pipe_fds[1]);
    shared_free(shared_take(9999, LAYOUT, sizeof(struct table), &fresh));
    CHECK(fresh);
}

static void counts_by_name(void)
{
    struct counters *counters = counters_take(-1);
    int a = counters_open(counters, "a"), b = counters_open(counters, "b");
    CHECK(a >= 0 && b >= 0 && a != b && counters_open(counters, "a") == a);
    CHECK(counters_get(counters, a) == 0);
    CHECK(counters_add(counters, a, 1) == 1 && counters_add(counters, a, 5) == 6);
    CHECK(counters_get(counters, a) == 6 && counters_get(counters, b) == 0);
    counters_free(counters);
}

static void refuses_one_too_many(void)
{
    struct counters *counters = counters_take(-1);
    char name[16];
    for (int i = 0; i < COUNTERS_MAX; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        CHECK(counters_open(counters, name) == i);
    }
    CHECK(counters_open(counters, "more") == -1);
    CHECK(counters_open(counters, "c3") == 3);
    counters_free(counters);
}

static void counts_for_all_processes_and_programs(void)
{
    struct counters *counters = counters_take(-1);
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0)
            continue;
        for (int i = 0; i < ROUNDS; i++)
            counters_add(counters, counters_open(counters, i % 2 ? "odd" : "even"), 1);
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++)
        wait(NULL);
    struct counters *after = counters_take(dup(counters_fd(counters)));
    int odd = counters_open(after, "odd"), even = counters_open(after, "even");
    CHECK(odd != even && odd < 2 && even < 2);
    CHECK(counters_get(after, odd) == PROCESSES * ROUNDS / 2);
    CHECK(counters_get(after, even) == PROCESSES * ROUNDS / 2);
    counters_free(after);
}

int main(void)
{
    RUN(begins_with_zeros);
    RUN(goes_on_with_what_was_left);
    RUN(begins_anew_when_the_layout_is_another);
    RUN(counts_by_name);
    RUN(refuses_one_too_many);
    RUN(counts_for_all_processes_and_programs);
    return check_result("shared");
}
