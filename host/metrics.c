/* The table grows only at its end, under a lock, and `count` is raised when the new series is
 * complete: so readers and counters need no lock. The lock is robust: a process that is killed
 * while it holds it leaves a half-written place behind `count`, which the next one writes over.
 *
 * A series is found by a hash of its name and labels, kept in an array of its own: looking for one
 * touches a few cache lines, not the whole table.
 *
 * What is counted lies in lanes, and a process counts in its own: in one place for all, each addition
 * would fetch the cache line from the core of the process that counted before. The lanes are added up
 * when the values are told; what is set, not added, lies in the first. More processes than lanes share
 * them, so the additions are atomic all the same.
 *
 * A histogram's buckets are counted each for itself and added up when they are told. */
#include "metrics.h"
#include "mem.h"
#include "shared.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYOUT = 0x6d650002 }; /* raise it when what follows means something else */
enum { NAME_SIZE = 64, HELP_SIZE = 128, LABELS_SIZE = 256, SERIES_MAX = 65536 };
enum { LANES = 8, LINE = 64 };

static const int64_t bounds_us[] = {500,     1000,    2500,    5000,    10000,
                                    25000,   50000,   100000,  250000,  500000,
                                    1000000, 2500000, 5000000, 10000000};
enum { BOUNDS = sizeof(bounds_us) / sizeof(bounds_us[0]) };

struct metric {
    enum metric_kind kind;
    bool is_duration;
    char name[NAME_SIZE];
    char help[HELP_SIZE];
    char labels[LABELS_SIZE];
};

/* Of a series, in one lane. */
struct values {
    _Atomic int64_t value;                /* of a histogram: the sum */
    _Atomic uint64_t buckets[BOUNDS + 1]; /* the last one: above all bounds */
} __attribute__((aligned(LINE)));

struct metrics {
    struct shared head;
    int capacity;
    pthread_mutex_t lock; /* of whoever adds a series */
    _Atomic int count;
    _Atomic unsigned used; /* lanes, a bit for each: the others' memory is left alone */
    uint64_t hashes
        []; /* of name and labels, by number; behind them the series, and the lanes */
};

static unsigned own_lane; /* of this process */

static struct metric *at(const struct metrics *metrics, int number)
{
    return (struct metric *)(uintptr_t)(metrics->hashes + metrics->capacity) + number;
}

/* Where the lanes begin, in bytes. */
static size_t lanes_start(size_t capacity)
{
    size_t end =
        sizeof(struct metrics) + capacity * (sizeof(uint64_t) + sizeof(struct metric));
    return (end + LINE - 1) / LINE * LINE;
}

static struct values *values_at(const struct metrics *metrics, unsigned lane, int number)
{
    size_t capacity = (size_t)metrics->capacity;
    uintptr_t start = (uintptr_t)metrics + lanes_start(capacity);
    return (struct values *)start + lane * capacity + (size_t)number;
}

void metrics_lane(struct metrics *metrics, size_t process)
{
    own_lane = (unsigned)(process % LANES);
    atomic_fetch_or(&metrics->used, 1U << own_lane);
}

/* What all lanes have of a series. */
struct sum {
    int64_t value;
    uint64_t buckets[BOUNDS + 1];
};

static struct sum sum_of(const struct metrics *metrics, int number)
{
    struct sum sum = {0};
    unsigned used = atomic_load(&metrics->used);
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (!(used & 1U << lane))
            continue;
        const struct values *values = values_at(metrics, lane, number);
        sum.value += atomic_load_explicit(&values->value, memory_order_relaxed);
        for (int i = 0; i <= BOUNDS; i++)
            sum.buckets[i] +=
                atomic_load_explicit(&values->buckets[i], memory_order_relaxed);
    }
    return sum;
}

static uint64_t hash_of(const char *name, const char *labels)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    hash = (hash ^ '{') * UINT64_C(1099511628211);
    for (const char *at = labels; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    return hash;
}

static int find(const struct metrics *metrics, uint64_t hash, const char *name,
                const char *labels)
{
    int count = atomic_load_explicit(&metrics->count, memory_order_acquire);
    for (int i = 0; i < count; i++)
        if (metrics->hashes[i] == hash && strcmp(at(metrics, i)->name, name) == 0 &&
            strcmp(at(metrics, i)->labels, labels) == 0)
            return i;
    return -1;
}

static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return !*name;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* With the lock held; 0, which counts what is refused, when the table is full. */
static int add(struct metrics *metrics, enum metric_kind kind, const char *name,
               const char *help, const char *labels)
{
    int number = atomic_load_explicit(&metrics->count, memory_order_relaxed);
    if (number == metrics->capacity)
        return 0;
    struct metric *metric = at(metrics, number);
    memset(metric, 0, sizeof(*metric));
    metric->kind = kind;
    metric->is_duration =
        ends_with(name, "_seconds") || ends_with(name, "_seconds_total");
    strcpy(metric->name, name);
    strcpy(metric->help, help);
    strcpy(metric->labels, labels);
    metrics->hashes[number] = hash_of(name, labels);
    atomic_store_explicit(&metrics->count, number + 1, memory_order_release);
    return number;
}

static void put_value(struct buf *out, const struct metric *metric, int64_t value)
{
    if (metric->is_duration)
        buf_printf(out, "%.6f\n", (double)value / 1e6);
    else
        buf_printf(out, "%" PRId64 "\n", value);
}

static void put_histogram(struct buf *out, const struct metric *metric,
                          const struct sum *sum)
{
    const char *labels = metric->labels, *comma = *labels ? "," : "";
    uint64_t count = 0;
    for (int i = 0; i <= BOUNDS; i++) {
        count += sum->buckets[i];
        buf_printf(out, "%s_bucket{%s%sle=\"", metric->name, labels, comma);
        if (i < BOUNDS)
            buf_printf(out, "%g\"} %" PRIu64 "\n", (double)bounds_us[i] / 1e6, count);
        else
            buf_printf(out, "+Inf\"} %" PRIu64 "\n", count);
    }
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    buf_printf(out, "%s_sum%s%s%s ", metric->name, open, labels, close);
    put_value(out, metric, sum->value);
    buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", metric->name, open, labels, close,
               count);
}

static void put_series(struct buf *out, const struct metric *metric,
                       const struct sum *sum)
{
    if (metric->kind == METRIC_HISTOGRAM) {
        put_histogram(out, metric, sum);
        return;
    }
    buf_puts(out, metric->name);
    if (*metric->labels)
        buf_printf(out, "{%s}", metric->labels);
    buf_putc(out, ' ');
    put_value(out, metric, sum->value);
}

static int compare(const void *a, const void *b)
{
    const struct metric *const *left = a, *const *right = b;
    int order = strcmp((*left)->name, (*right)->name);
    return order ? order : strcmp((*left)->labels, (*right)->labels);
}

static void init_lock(struct metrics *metrics)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&metrics->lock, &kind);
    pthread_mutexattr_destroy(&kind);
}

struct metrics *metrics_take_over(int fd, size_t series)
{
    size_t capacity = series < 1 ? 1 : series > SERIES_MAX ? SERIES_MAX : series;
    size_t size = lanes_start(capacity) + LANES * capacity * sizeof(struct values);
    bool fresh;
    struct metrics *metrics = shared_take(fd, LAYOUT, size, &fresh);
    if (fresh) {
        metrics->capacity = (int)capacity;
        metrics->used = 1; /* the first: what is set */
        init_lock(metrics);
        add(metrics, METRIC_COUNTER, "fixxit_metrics_refused_total",
            "Series that found no place in the table.", "");
    }
    return metrics;
}

struct metrics *metrics_new(size_t series)
{
    return metrics_take_over(-1, series);
}

int metrics_fd(const struct metrics *metrics)
{
    return metrics->head.fd;
}

void metrics_free(struct metrics *metrics)
{
    shared_free(metrics);
}

int metrics_open(struct metrics *metrics, enum metric_kind kind, const char *name,
                 const char *help, const char *labels)
{
    if (!is_name(name) || strlen(name) >= NAME_SIZE || strlen(help) >= HELP_SIZE ||
        strlen(labels) >= LABELS_SIZE)
        return -1;
    uint64_t hash = hash_of(name, labels);
    int number = find(metrics, hash, name, labels);
    if (number < 0) {
        if (pthread_mutex_lock(&metrics->lock) == EOWNERDEAD)
            pthread_mutex_consistent(&metrics->lock);
        number = find(metrics, hash, name, labels); /* another process was faster */
        if (number < 0)
            number = add(metrics, kind, name, help, labels);
        pthread_mutex_unlock(&metrics->lock);
    }
    if (number == 0) {
        atomic_fetch_add_explicit(&values_at(metrics, 0, 0)->value, 1,
                                  memory_order_relaxed);
        return 0;
    }
    return at(metrics, number)->kind == kind ? number : -1;
}

void metrics_add(struct metrics *metrics, int series, int64_t count)
{
    if (series <= 0)
        return;
    unsigned lane = at(metrics, series)->kind == METRIC_GAUGE ? 0 : own_lane;
    atomic_fetch_add_explicit(&values_at(metrics, lane, series)->value, count,
                              memory_order_relaxed);
}

void metrics_set(struct metrics *metrics, int series, int64_t value)
{
    if (series > 0)
        atomic_store_explicit(&values_at(metrics, 0, series)->value, value,
                              memory_order_relaxed);
}

void metrics_observe(struct metrics *metrics, int series, int64_t us)
{
    if (series <= 0)
        return;
    struct values *values = values_at(metrics, own_lane, series);
    int bucket = 0;
    while (bucket < BOUNDS && us > bounds_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&values->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&values->value, us, memory_order_relaxed);
}

bool metrics_is(const struct metrics *metrics, int series, enum metric_kind kind)
{
    int count = atomic_load_explicit(&metrics->count, memory_order_acquire);
    return series == 0 ||
           (series > 0 && series < count && at(metrics, series)->kind == kind);
}

bool metrics_is_duration(const struct metrics *metrics, int series)
{
    return at(metrics, series)->is_duration;
}

int64_t metrics_total(const struct metrics *metrics, const char *name)
{
    int64_t total = 0;
    int count = atomic_load_explicit(&metrics->count, memory_order_acquire);
    for (int i = 0; i < count; i++)
        if (strcmp(at(metrics, i)->name, name) == 0)
            total += sum_of(metrics, i).value;
    return total;
}

void metrics_print(const struct metrics *metrics, struct buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    int count = atomic_load_explicit(&metrics->count, memory_order_acquire);
    const struct metric **sorted = mem_new((size_t)count * sizeof(*sorted));
    for (int i = 0; i < count; i++)
        sorted[i] = at(metrics, i);
    qsort(sorted, (size_t)count, sizeof(*sorted), compare);
    for (int i = 0; i < count; i++) {
        if (i == 0 || strcmp(sorted[i]->name, sorted[i - 1]->name) != 0)
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", sorted[i]->name,
                       sorted[i]->help, sorted[i]->name, kinds[sorted[i]->kind]);
        struct sum sum = sum_of(metrics, (int)(sorted[i] - at(metrics, 0)));
        put_series(out, sorted[i], &sum);
    }
    free(sorted);
}
