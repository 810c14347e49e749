#include "check.h"
#include "rate_limits.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MINUTE = 60000, PROCESSES = 6, START = 1000000 };

static const struct limit ten_a_minute = {.count = 10, .period_ms = MINUTE, .burst = 10};

static struct limits_result take(struct limits *limits, const char *key,
                                 const struct limit *limit, int64_t cost, int64_t now)
{
    struct limits_result result;
    limits_take(limits, key, strlen(key), limit, cost, now, &result);
    return result;
}

static void allows_the_burst_and_not_one_more(void)
{
    struct limits *limits = limits_new(100);
    for (int i = 1; i <= 10; i++) {
        struct limits_result r = take(limits, "k", &ten_a_minute, 1, START);
        CHECK(r.allowed && r.remaining == 10 - i && r.reset_ms == i * 6000);
        CHECK(r.retry_after_ms == 0);
    }
    for (int i = 0; i < 3; i++) { /* being refused costs nothing */
        struct limits_result r = take(limits, "k", &ten_a_minute, 1, START);
        CHECK(!r.allowed && r.remaining == 0 && r.reset_ms == MINUTE);
        CHECK(r.retry_after_ms == 6000);
    }
    CHECK(take(limits, "other", &ten_a_minute, 1, START).allowed);
    limits_free(limits);
}

static void gives_back_evenly_to_the_millisecond(void)
{
    struct limits *limits = limits_new(100);
    CHECK(take(limits, "k", &ten_a_minute, 10, START).allowed);
    CHECK(!take(limits, "k", &ten_a_minute, 1, START + 5999).allowed);
    CHECK(take(limits, "k", &ten_a_minute, 1, START + 5999).retry_after_ms == 1);
    CHECK(take(limits, "k", &ten_a_minute, 1, START + 6000).allowed);
    CHECK(!take(limits, "k", &ten_a_minute, 1, START + 6000).allowed);
    struct limits_result r = take(limits, "k", &ten_a_minute, 0, START + 6000 + MINUTE);
    CHECK(r.allowed && r.remaining == 10 && r.reset_ms == 0);
    CHECK(take(limits, "k", &ten_a_minute, 10, START + 10 * MINUTE).allowed);
    limits_free(limits);
}

static void takes_a_cost_whole_or_not_at_all(void)
{
    struct limits *limits = limits_new(100);
    CHECK(take(limits, "k", &ten_a_minute, 7, START).remaining == 3);
    struct limits_result r = take(limits, "k", &ten_a_minute, 4, START);
    CHECK(!r.allowed && r.remaining == 3 && r.retry_after_ms == 6000);
    CHECK(take(limits, "k", &ten_a_minute, 3, START).allowed);
    CHECK(!take(limits, "fresh", &ten_a_minute, 11, START).allowed);
    CHECK(!take(limits, "fresh", &ten_a_minute, INT64_MAX, START).allowed);
    CHECK(take(limits, "fresh", &ten_a_minute, 0, START).remaining == 10);
    limits_free(limits);
}

static void serves_very_small_and_very_large_limits(void)
{
    struct limits *limits = limits_new(100);
    struct limit one = {.count = 1, .period_ms = 86400000, .burst = 1};
    CHECK(take(limits, "one", &one, 1, 0).allowed);
    CHECK(!take(limits, "one", &one, 1, 86399999).allowed);
    CHECK(take(limits, "one", &one, 1, 86400000).allowed);
    struct limit many = {.count = 1000000, .period_ms = 1, .burst = 1000000};
    CHECK(take(limits, "many", &many, 1000000, START).allowed);
    CHECK(!take(limits, "many", &many, 1, START).allowed);
    CHECK(take(limits, "many", &many, 1000000, START + 1).allowed);
    struct limit uneven = {.count = 7, .period_ms = 1000, .burst = 7};
    for (int i = 0; i < 8; i++)
        CHECK(take(limits, "uneven", &uneven, 1, START).allowed == (i < 7));
    limits_free(limits);
}

static void tells_keys_apart_by_all_their_bytes(void)
{
    struct limits *limits = limits_new(100);
    static char a[5000], b[5000];
    struct limits_result r;
    memset(a, 'x', sizeof(a));
    memcpy(b, a, sizeof(a));
    b[sizeof(b) - 1] = 'y';
    limits_take(limits, a, sizeof(a), &ten_a_minute, 10, START, &r);
    limits_take(limits, b, sizeof(b), &ten_a_minute, 10, START, &r);
    CHECK(r.allowed);
    limits_take(limits, a, sizeof(a), &ten_a_minute, 1, START, &r);
    CHECK(!r.allowed);
    limits_take(limits, "a\0b", 3, &ten_a_minute, 10, START, &r);
    limits_take(limits, "a\0c", 3, &ten_a_minute, 10, START, &r);
    CHECK(r.allowed);
    limits_free(limits);
}

/* One bucket: eight cells. */
static void forgets_the_key_that_has_the_least_to_lose(void)
{
    struct limits *limits = limits_new(1);
    char key[16];
    for (int i = 8; i >= 1; i--) { /* "k1" is nearest to its whole allowance */
        snprintf(key, sizeof(key), "k%d", i);
        CHECK(take(limits, key, &ten_a_minute, i, START).allowed);
    }
    CHECK(take(limits, "new", &ten_a_minute, 10, START).allowed);
    CHECK(take(limits, "k1", &ten_a_minute, 0, START).remaining == 10);
    for (int i = 2; i <= 8; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CHECK(take(limits, key, &ten_a_minute, 0, START).remaining == 10 - i);
    }
    limits_free(limits);
}

static void looking_at_a_key_forgets_no_other(void)
{
    struct limits *limits = limits_new(1);
    char key[16];
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        take(limits, key, &ten_a_minute, 1, START);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "look%d", i);
        take(limits, key, &ten_a_minute, 0, START);
    }
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CHECK(take(limits, key, &ten_a_minute, 0, START).remaining == 9);
    }
    limits_free(limits);
}

static void holds_as_many_keys_as_asked_for(void)
{
    struct limits *limits = limits_new(20000);
    char key[16];
    int forgotten = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        take(limits, key, &ten_a_minute, 1, START);
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        forgotten += take(limits, key, &ten_a_minute, 0, START).remaining != 9;
    }
    CHECK(forgotten < 100); /* a bucket that got more than its share by chance */
    limits_free(limits);
}

/* Forks PROCESSES that begin together; returns what they were allowed in all. `keys` keys are
 * used in turn, so with more than one new keys meet all the time. */
static int64_t hammer(struct limits *limits, const struct limit *limit, int rounds,
                      int keys)
{
    _Atomic int64_t *shared = mmap(NULL, 2 * sizeof(*shared), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0)
            continue;
        int64_t allowed = 0;
        shared[1]++;
        while (shared[1] < PROCESSES)
            ;
        for (int k = 0; k < keys; k++)
            for (int i = 0; i < rounds; i++) {
                char key[16];
                snprintf(key, sizeof(key), "h%d", k);
                allowed += take(limits, key, limit, 1, START).allowed;
            }
        shared[0] += allowed;
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++)
        wait(NULL);
    int64_t allowed = shared[0];
    munmap((void *)shared, 2 * sizeof(*shared));
    return allowed;
}

static void is_exact_with_several_processes_on_one_key(void)
{
    struct limits *limits = limits_new(100);
    struct limit limit = {.count = 50000, .period_ms = MINUTE, .burst = 50000};
    CHECK(hammer(limits, &limit, 20000, 1) == 50000);
    limits_free(limits);
}

static void is_exact_when_several_processes_bring_the_same_new_keys(void)
{
    struct limits *limits = limits_new(100000);
    CHECK(hammer(limits, &ten_a_minute, 4, 2000) == 20000);
    limits_free(limits);
}

/* Killed at any moment, also inside: the next one goes on, and nothing is counted twice. */
static void survives_the_death_of_a_process_in_the_middle(void)
{
    struct limits *limits = limits_new(1);
    struct limit limit = {.count = 1000000000, .period_ms = MINUTE, .burst = 1000000000};
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                take(limits, "k", &limit, 1, START);
        int64_t before = take(limits, "k", &limit, 0, START).remaining;
        while (take(limits, "k", &limit, 0, START).remaining == before)
            ; /* it runs */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        int64_t left = take(limits, "k", &limit, 1, START).remaining;
        CHECK(take(limits, "k", &limit, 0, START).remaining == left);
    }
    limits_free(limits);
}

/* ---- several nodes ---- */

#define USE (INT64_C(6000) * 1000000) /* ns of one use of ten_a_minute */

static struct limits_report report_of(struct limits *limits, int64_t now)
{
    struct limits_report report;
    limits_report(limits, "k", 1, now, &report);
    return report;
}

/* What Redis does: the larger of what both knew, and the node's own uses on top. */
static void tell(struct limits *node, int64_t *all, int64_t now)
{
    struct limits_report report = report_of(node, now);
    *all = (report.known > *all ? report.known : *all) + report.own;
    limits_learn(node, "k", 1, &report, *all, now);
}

static void tells_each_use_once(void)
{
    struct limits *limits = limits_new(100);
    take(limits, "k", &ten_a_minute, 3, START);
    struct limits_report report = report_of(limits, START);
    CHECK(report.known == 0 && report.own == 3 * USE && report.added == 3 * USE);
    report = report_of(limits, START);
    CHECK(report.known == 3 * USE && report.own == 0 && report.added == 0);
    CHECK(take(limits, "k", &ten_a_minute, 0, START).remaining == 7);
    limits_report(limits, "unknown", 7, START, &report);
    CHECK(report.known == 0 && report.own == 0 && report.added == 0);
    limits_free(limits);
}

static void tells_again_what_was_not_answered(void)
{
    struct limits *limits = limits_new(100);
    take(limits, "k", &ten_a_minute, 3, START);
    struct limits_report report = report_of(limits, START);
    take(limits, "k", &ten_a_minute, 1, START);
    limits_unreport(limits, "k", 1, &report, START);
    CHECK(take(limits, "k", &ten_a_minute, 0, START).remaining == 6);
    report = report_of(limits, START);
    CHECK(report.known == 0 && report.own == 4 * USE);
    limits_free(limits);
}

static void tells_no_more_than_is_still_used_up(void)
{
    struct limits *limits = limits_new(100);
    take(limits, "k", &ten_a_minute, 5, START);
    struct limits_report report = report_of(limits, START + 12000);
    CHECK(report.known == 0 && report.own == 3 * USE);
    report = report_of(limits, START + 10 * MINUTE);
    CHECK(report.known == 0 && report.own == 0);
    limits_free(limits);
}

static void learns_more_but_never_less(void)
{
    struct limits *limits = limits_new(100);
    struct limits_report nothing = {0};
    take(limits, "k", &ten_a_minute, 5, START);
    limits_learn(limits, "k", 1, &nothing, 2 * USE, START);
    CHECK(take(limits, "k", &ten_a_minute, 0, START).remaining == 5);
    limits_learn(limits, "k", 1, &nothing, 12 * USE,
                 START); /* all of them together: too many */
    struct limits_result r = take(limits, "k", &ten_a_minute, 1, START);
    CHECK(!r.allowed && r.remaining == 0 && r.retry_after_ms == 18000);
    limits_learn(limits, "new", 3, &nothing, 4 * USE, START);
    CHECK(take(limits, "new", &ten_a_minute, 0, START).remaining == 6);
    limits_free(limits);
}

static void holds_the_sum_of_two_nodes_that_talk(void)
{
    struct limits *a = limits_new(100), *b = limits_new(100);
    int64_t all = 0;
    int allowed = 0;
    for (int i = 0; i < 40; i++) {
        struct limits *node = i % 2 ? b : a;
        allowed += take(node, "k", &ten_a_minute, 1, START).allowed;
        tell(node, &all, START);
        tell(i % 2 ? a : b, &all, START);
    }
    CHECK(allowed == 10 && all == 10 * USE);
    all = 0; /* it forgot: who knew tells it again */
    tell(a, &all, START);
    CHECK(all == 10 * USE);
    limits_free(a);
    limits_free(b);
}

/* Unheard, each takes its share; heard again, what they did is known to the use. */
static void divides_the_limit_while_nobody_is_heard(void)
{
    struct limits *a = limits_new(100), *b = limits_new(100);
    struct limit shared = ten_a_minute, crowded = ten_a_minute;
    int64_t all = 0;
    int allowed_a = 0, allowed_b = 0;
    shared.nodes = 2;
    crowded.nodes = 1000;
    CHECK(take(a, "k", &shared, 0, START).remaining == 5);
    for (int i = 0; i < 20; i++)
        allowed_a += take(a, "k", &shared, 1, START).allowed;
    for (int i = 0; i < 3; i++)
        allowed_b += take(b, "k", &shared, 1, START).allowed;
    CHECK(allowed_a == 5 && allowed_b == 3);
    CHECK(take(a, "slow", &shared, 5, START).allowed); /* half as fast, too */
    CHECK(take(a, "slow", &shared, 1, START + 6000).retry_after_ms == 6000);
    tell(a, &all, START);
    CHECK(all == 5 * USE);
    tell(b, &all, START);
    tell(a, &all, START);
    CHECK(all == 8 * USE);
    CHECK(take(a, "k", &ten_a_minute, 0, START).remaining == 2);
    CHECK(take(b, "k", &ten_a_minute, 0, START).remaining == 2);
    CHECK(take(a, "crowded", &crowded, 1, START).allowed);
    CHECK(!take(a, "crowded", &crowded, 1, START).allowed);
    limits_free(a);
    limits_free(b);
}

static void goes_on_after_an_upgrade(void)
{
    struct limits *before = limits_new(1000);
    take(before, "k", &ten_a_minute, 4, START);
    struct limits *after = limits_take_over(dup(limits_fd(before)), 1000);
    CHECK(take(after, "k", &ten_a_minute, 1, START).remaining == 5);
    CHECK(take(before, "k", &ten_a_minute, 1, START).remaining == 4); /* an old process */
    struct limits *larger = limits_take_over(dup(limits_fd(after)), 100000);
    CHECK(take(larger, "k", &ten_a_minute, 1, START).remaining == 9);
    limits_free(larger);
    limits_free(after);
}

int main(void)
{
    RUN(allows_the_burst_and_not_one_more);
    RUN(gives_back_evenly_to_the_millisecond);
    RUN(takes_a_cost_whole_or_not_at_all);
    RUN(serves_very_small_and_very_large_limits);
    RUN(tells_keys_apart_by_all_their_bytes);
    RUN(forgets_the_key_that_has_the_least_to_lose);
    RUN(looking_at_a_key_forgets_no_other);
    RUN(holds_as_many_keys_as_asked_for);
    RUN(is_exact_with_several_processes_on_one_key);
    RUN(is_exact_when_several_processes_bring_the_same_new_keys);
    RUN(survives_the_death_of_a_process_in_the_middle);
    RUN(tells_each_use_once);
    RUN(tells_again_what_was_not_answered);
    RUN(tells_no_more_than_is_still_used_up);
    RUN(learns_more_but_never_less);
    RUN(holds_the_sum_of_two_nodes_that_talk);
    RUN(divides_the_limit_while_nobody_is_heard);
    RUN(goes_on_after_an_upgrade);
    return check_result("rate_limits");
}
