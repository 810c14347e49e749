/* rate_limits.h - how often something may happen, counted by all processes of a node together.
 *
 * The generic cell rate algorithm (GCRA): a key may be used `burst` times at once and gets one
 * use back every period / count. The table is shared memory: made before the processes are
 * forked it is one table for all of them, and outlives each of them. It has a fixed size; when it
 * is full, the keys that are nearest to having their whole allowance back are forgotten. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits; /* opaque; a shared mapping */

struct limit {
    int64_t count;     /* uses per period, 1 ... a million per ms of it */
    int64_t period_ms; /* 1 ... a day */
    int64_t burst;     /* uses at once from a full allowance, 1 ... count */
};

struct limits_result {
    bool allowed;
    int64_t remaining; /* uses that would be allowed right now */
    int64_t reset_ms;  /* until the whole allowance is back */
    int64_t
        retry_after_ms; /* until the same would be allowed; 0 when it was. A cost above the
                             * burst never is: then until the whole allowance is back */
};

/* Room for at least `keys` keys in use at the same time; ends the process when there is no
 * memory. */
struct limits *limits_new(size_t keys);

/* Unmaps it in this process; NULL is fine. */
void limits_free(struct limits *limits);

/* Takes `cost` uses (>= 0; 0 only looks) of the key, or none when they are too many. Exact for
 * any number of processes at once, and never waits longer than another one needs for the same.
 * `now_ms` is a clock that all of them share and that never steps back. */
void limits_take(struct limits *limits, const void *key, size_t len,
                 const struct limit *limit, int64_t cost, int64_t now_ms,
                 struct limits_result *result);
