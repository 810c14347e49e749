#include "check.h"
#include "metrics.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 4, TURNS = 20000 };

static bool says(const struct metrics *metrics, const char *line)
{
    struct buf text = {0};
    metrics_print(metrics, &text);
    const char *found = strstr(buf_cstr(&text), line);
    bool whole = found && (found == text.data || found[-1] == '\n');
    buf_free(&text);
    return whole;
}

static void counts_and_tells(void)
{
    struct metrics *metrics = metrics_new(10);
    int get = metrics_open(metrics, METRIC_COUNTER, "a_total", "Things.", "m=\"GET\"");
    int put = metrics_open(metrics, METRIC_COUNTER, "a_total", "Things.", "m=\"PUT\"");
    int gauge = metrics_open(metrics, METRIC_GAUGE, "b", "Now.", "");
    CHECK(get > 0 && put > 0 && get != put);
    CHECK(metrics_open(metrics, METRIC_COUNTER, "a_total", "Things.", "m=\"GET\"") ==
          get);
    metrics_add(metrics, get, 2);
    metrics_add(metrics, put, 3);
    metrics_set(metrics, gauge, 7);
    metrics_set(metrics, gauge, -4);
    CHECK(says(metrics, "# HELP a_total Things.\n# TYPE a_total counter\n"
                        "a_total{m=\"GET\"} 2\na_total{m=\"PUT\"} 3\n"));
    CHECK(says(metrics, "# TYPE b gauge\nb -4\n"));
    CHECK(metrics_total(metrics, "a_total") == 5);
    CHECK(metrics_total(metrics, "nothing") == 0);
    metrics_free(metrics);
}

static void tells_durations_in_seconds_with_growing_buckets(void)
{
    struct metrics *metrics = metrics_new(10);
    int h = metrics_open(metrics, METRIC_HISTOGRAM, "t_seconds", "Time.", "r=\"/x\"");
    metrics_observe(metrics, h, 500); /* the bound itself belongs to its bucket */
    metrics_observe(metrics, h, 501);
    metrics_observe(metrics, h, 20000000); /* above all */
    CHECK(says(metrics, "t_seconds_bucket{r=\"/x\",le=\"0.0005\"} 1\n"
                        "t_seconds_bucket{r=\"/x\",le=\"0.001\"} 2\n"));
    CHECK(says(metrics,
               "t_seconds_bucket{r=\"/x\",le=\"10\"} 2\n"
               "t_seconds_bucket{r=\"/x\",le=\"+Inf\"} 3\n"
               "t_seconds_sum{r=\"/x\"} 20.001001\nt_seconds_count{r=\"/x\"} 3\n"));
    int bare = metrics_open(metrics, METRIC_HISTOGRAM, "u_seconds", "Time.", "");
    metrics_observe(metrics, bare, 1);
    CHECK(says(metrics, "u_seconds_bucket{le=\"0.0005\"} 1\n"));
    CHECK(says(metrics, "u_seconds_sum 0.000001\nu_seconds_count 1\n"));
    metrics_free(metrics);
}

static void refuses_what_prometheus_would_not_read(void)
{
    struct metrics *metrics = metrics_new(10);
    char labels[300];
    memset(labels, 'x', sizeof(labels));
    labels[256] = '\0';
    CHECK(metrics_open(metrics, METRIC_COUNTER, "", "", "") == -1);
    CHECK(metrics_open(metrics, METRIC_COUNTER, "9a", "", "") == -1);
    CHECK(metrics_open(metrics, METRIC_COUNTER, "a-b", "", "") == -1);
    CHECK(metrics_open(metrics, METRIC_COUNTER, "a", "", labels) == -1);
    labels[255] = '\0';
    CHECK(metrics_open(metrics, METRIC_COUNTER, "a", "", labels) > 0);
    CHECK(metrics_open(metrics, METRIC_GAUGE, "a", "", labels) == -1);
    metrics_free(metrics);
}

static void stays_within_its_table(void)
{
    struct metrics *metrics = metrics_new(3); /* one place counts the refused */
    int a = metrics_open(metrics, METRIC_COUNTER, "a", "", "");
    int b = metrics_open(metrics, METRIC_COUNTER, "b", "", "");
    int c = metrics_open(metrics, METRIC_HISTOGRAM, "c", "", "");
    CHECK(a == 1 && b == 2 && c == 0);
    CHECK(metrics_is(metrics, c, METRIC_HISTOGRAM) &&
          metrics_is(metrics, a, METRIC_COUNTER));
    CHECK(!metrics_is(metrics, a, METRIC_GAUGE) && !metrics_is(metrics, 3, METRIC_GAUGE));
    CHECK(!metrics_is(metrics, -1, METRIC_COUNTER));
    metrics_observe(metrics, c, 5);
    metrics_add(metrics, c, 5);
    CHECK(metrics_open(metrics, METRIC_COUNTER, "d", "", "") == 0);
    CHECK(says(metrics, "fixxit_metrics_refused_total 2\n"));
    metrics_free(metrics);
}

/* The series are opened in the children too: all must get the same numbers. */
static void count_in_child(struct metrics *metrics)
{
    int total = metrics_open(metrics, METRIC_COUNTER, "work_total", "Work.", "");
    int time = metrics_open(metrics, METRIC_HISTOGRAM, "work_seconds", "Work.", "");
    for (int i = 0; i < TURNS; i++) {
        char labels[32];
        metrics_add(metrics, total, 1);
        metrics_observe(metrics, time, i % 2 ? 100 : 100000);
        snprintf(labels, sizeof(labels), "n=\"%d\"", i % 50);
        metrics_add(metrics,
                    metrics_open(metrics, METRIC_COUNTER, "many_total", "", labels), 1);
    }
}

/* What is set is one value, whoever sets it; what is added, is added. */
static void has_one_value_of_a_gauge(void)
{
    struct metrics *metrics = metrics_new(10);
    int gauge = metrics_open(metrics, METRIC_GAUGE, "g", "", "");
    int total = metrics_open(metrics, METRIC_COUNTER, "g_total", "", "");
    for (size_t process = 0; process < 20; process++) {
        metrics_lane(metrics, process);
        metrics_set(metrics, gauge, 5);
        metrics_add(metrics, gauge, 1);
        metrics_add(metrics, total, 1);
    }
    CHECK(metrics_total(metrics, "g") == 6 && says(metrics, "g 6\n"));
    CHECK(metrics_total(metrics, "g_total") == 20 && says(metrics, "g_total 20\n"));
    metrics_lane(metrics, 0);
    metrics_free(metrics);
}

static void loses_no_count_of_many_processes(void)
{
    struct metrics *metrics = metrics_new(100);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            metrics_lane(metrics, (size_t)i * 4); /* some share a lane */
            count_in_child(metrics);
            raise(SIGKILL); /* what was counted stays */
        }
    while (wait(NULL) > 0)
        ;
    CHECK(metrics_total(metrics, "work_total") == PROCESSES * TURNS);
    CHECK(metrics_total(metrics, "many_total") == PROCESSES * TURNS);
    CHECK(says(metrics, "work_seconds_bucket{le=\"0.0005\"} 40000\n"));
    CHECK(says(metrics, "work_seconds_count 80000\n"));
    metrics_free(metrics);
}

/* A process that dies while it adds a series leaves the lock behind. */
static void outlives_a_process_killed_while_it_adds(void)
{
    struct metrics *metrics = metrics_new(60000);
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        if (child == 0)
            for (int i = 0;; i++) {
                char labels[32];
                snprintf(labels, sizeof(labels), "n=\"%d\"", i);
                metrics_open(metrics, METRIC_COUNTER, "killed_total", "", labels);
            }
        usleep(2000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    int series = metrics_open(metrics, METRIC_COUNTER, "after_total", "", "");
    metrics_add(metrics, series, 1);
    CHECK(series > 0 && metrics_total(metrics, "after_total") == 1);
    metrics_free(metrics);
}

static void goes_on_after_an_upgrade(void)
{
    struct metrics *before = metrics_new(100);
    int jobs = metrics_open(before, METRIC_COUNTER, "jobs_total", "", "");
    int time = metrics_open(before, METRIC_HISTOGRAM, "time_seconds", "", "");
    metrics_add(before, jobs, 3);
    metrics_observe(before, time, 700);
    struct metrics *after = metrics_take_over(dup(metrics_fd(before)), 100);
    CHECK(metrics_open(after, METRIC_COUNTER, "jobs_total", "", "") == jobs);
    metrics_add(after, jobs, 1);
    metrics_add(before, jobs, 1); /* an old process */
    CHECK(metrics_total(after, "jobs_total") == 5);
    CHECK(says(after, "time_seconds_bucket{le=\"0.001\"} 1\n"));
    CHECK(metrics_open(after, METRIC_GAUGE, "new", "", "") > time);
    struct metrics *larger = metrics_take_over(dup(metrics_fd(after)), 200);
    CHECK(metrics_total(larger, "jobs_total") == 0);
    metrics_free(larger);
    metrics_free(after);
}

int main(void)
{
    RUN(counts_and_tells);
    RUN(tells_durations_in_seconds_with_growing_buckets);
    RUN(refuses_what_prometheus_would_not_read);
    RUN(stays_within_its_table);
    RUN(has_one_value_of_a_gauge);
    RUN(loses_no_count_of_many_processes);
    RUN(outlives_a_process_killed_while_it_adds);
    RUN(goes_on_after_an_upgrade);
    return check_result("metrics");
}
