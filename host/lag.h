/* lag.h - how long the turns of a loop take: what somebody waits who becomes ready at the beginning
 * of one. By the clock (fixxit_loop_turn_seconds), which goes on while the system runs something
 * else, and by the processor's time that the thread itself has had (fixxit_loop_turn_cpu_seconds):
 * what we could do better. Of each process also the longest of the last 10 to 20 s. */
#pragma once
#include "metrics.h"
#include <uv.h>

struct lag_longest {
    uint64_t us,
        before_us; /* since the last change of samples, and between the two before */
    int series;
};

/* All private. */
struct lag {
    uv_loop_t *loop;
    struct metrics *metrics;
    int turns, cpu_turns; /* series */
    struct lag_longest longest, cpu_longest;
    int samples;
    uint64_t turn_ns, idle_ns; /* clock and idle time at the end of the last turn */
    uint64_t cpu_ns,
        since_us; /* the thread's when it was read, and what turns took since then */
};

/* The first turn begins. `process` is the label of what is true of this process only, with its
 * name. The loop must measure its idle time. */
void lag_begin(struct lag *lag, uv_loop_t *loop, struct metrics *metrics,
               const char *process);

/* A turn has ended: to be called in the loop's check phase. */
void lag_turn(struct lag *lag);

/* Once a second. */
void lag_sample(struct lag *lag);
