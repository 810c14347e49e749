/* metrics.h - numbers that all processes of a node count together, told as Prometheus reads them.
 *
 * The table is shared memory: made before the processes are forked it is one for all of them, and
 * what a process counted outlives it. It has a fixed number of places for series (a name with its
 * labels); one that finds no place is not counted, which is counted itself. A series is never
 * removed, and its number stays the same for the life of the table.
 *
 * Durations are whole microseconds in here and seconds in the text: that goes by the name, which
 * then ends in `_seconds` or `_seconds_total`. All histograms are of durations and have the same
 * buckets, 0.5 ms to 10 s. */
#pragma once
#include "buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metrics; /* opaque; a shared mapping */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Room for `series` of them (up to 65536); ends the process when there is no memory.
 * metrics_take_over: those behind `fd`, which an earlier program left, when they have the same room;
 * else, also for -1, new ones. */
struct metrics *metrics_new(size_t series);
struct metrics *metrics_take_over(int fd, size_t series);

/* The descriptor behind them, for a hand-off. */
int metrics_fd(const struct metrics *metrics);

/* Unmaps it in this process; NULL is fine. */
void metrics_free(struct metrics *metrics);

/* Says which process this is, by any number: those whose numbers differ do not slow each other down
 * when they count. After the fork; nobody need say it. */
void metrics_lane(struct metrics *metrics, size_t process);

/* The number of the series with this name and these labels, made when there is none yet. `labels`
 * is the text between the braces, escaped (`route="/x",method="GET"`), "" for none. -1 when the
 * name is none that Prometheus takes, one of the texts is too long (name 63, help 127, labels 255
 * bytes) or the series is of another kind. */
int metrics_open(struct metrics *metrics, enum metric_kind kind, const char *name,
                 const char *help, const char *labels);

/* The hot path: an atomic addition, no lock, no system call. `series` came from metrics_open and
 * is a counter or gauge, a gauge, a histogram; 0, which is what a full table gives, does nothing. */
void metrics_add(struct metrics *metrics, int series, int64_t count);
void metrics_set(struct metrics *metrics, int series, int64_t value);
void metrics_observe(struct metrics *metrics, int series, int64_t us);

/* Whether `series` is one that exists and has this kind. */
bool metrics_is(const struct metrics *metrics, int series, enum metric_kind kind);

/* Whether its values are durations; of a series that exists. */
bool metrics_is_duration(const struct metrics *metrics, int series);

/* The sum of all counters or gauges of this name. */
int64_t metrics_total(const struct metrics *metrics, const char *name);

/* Appends all in the text format 0.0.4, ordered by name. */
void metrics_print(const struct metrics *metrics, struct buf *out);
