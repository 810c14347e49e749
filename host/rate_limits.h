/* rate_limits.h - how often something may happen, counted by all processes of a node together,
 * and with other nodes.
 *
 * The generic cell rate algorithm (GCRA): a key may be used `burst` times at once and gets one
 * use back every period / count. The table is shared memory: made before the processes are
 * forked it is one table for all of them, and outlives each of them. It has a fixed size; when it
 * is full, the keys that are nearest to having their whole allowance back are forgotten.
 *
 * Several nodes, each with a table of its own, hold one limit by telling each other: what they
 * tell, through whom, and how far off it can be stands in docs/decisions/0009-rate-limits.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits; /* opaque; a shared mapping (shared.h) */

struct limit {
    int64_t count;     /* uses per period, 1 ... a million per ms of it */
    int64_t period_ms; /* 1 ... a day */
    int64_t burst;     /* uses at once from a full allowance, 1 ... count */
    int64_t
        nodes; /* 0, 1: nobody else uses it unheard; n: n - 1 others do as this one does,
                        * so that a use weighs n times. Each has one use at least */
};

struct limits_result {
    bool allowed;
    int64_t remaining; /* uses that would be allowed right now */
    int64_t reset_ms;  /* until the whole allowance is back */
    int64_t
        retry_after_ms; /* until the same would be allowed; 0 when it was. A cost above the
                             * burst never is: then until the whole allowance is back */
};

/* What a node tells the others of a key, as times in ns: a use is period / count. */
struct limits_report {
    int64_t
        known; /* used up, as far as was known before the uses that nobody was told of */
    int64_t own; /* used here, and nobody was told of yet */
    int64_t
        added; /* what the table had counted for those uses, which is more where they weighed
                    * for others too */
};

/* Room for at least `keys` keys in use at the same time; ends the process when there is no
 * memory. limits_take_over: those behind `fd`, which an earlier program left, when they have the
 * same size; else, also for -1, new ones. */
struct limits *limits_new(size_t keys);
struct limits *limits_take_over(int fd, size_t keys);

/* The descriptor behind them, for a hand-off. */
int limits_fd(const struct limits *limits);

/* Unmaps it in this process; NULL is fine. */
void limits_free(struct limits *limits);

/* Takes `cost` uses (>= 0; 0 only looks) of the key, or none when they are too many. Exact for
 * any number of processes at once, and never waits longer than another one needs for the same.
 * `now_ms` is a clock that all of them share and that never steps back. */
void limits_take(struct limits *limits, const void *key, size_t len,
                 const struct limit *limit, int64_t cost, int64_t now_ms,
                 struct limits_result *result);

/* What is to be told of the key: from now on it counts as told. All zero when the table does not
 * know the key. */
void limits_report(struct limits *limits, const void *key, size_t len, int64_t now_ms,
                   struct limits_report *report);

/* The answer to a report: all nodes together had used up `used` ns at `now_ms`. When it came
 * later, then some moment before it: rather too little is learned than too much. */
void limits_learn(struct limits *limits, const void *key, size_t len,
                  const struct limits_report *report, int64_t used, int64_t now_ms);

/* There was no answer: what was reported is to be told once more. */
void limits_unreport(struct limits *limits, const void *key, size_t len,
                     const struct limits_report *report, int64_t now_ms);
