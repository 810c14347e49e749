/* counters.h - a few numbers that all processes of a node share, by name: how far something has
 * come, so that the others see at a glance whether they are behind. */
#pragma once
#include <stdint.h>

struct counters; /* opaque; a shared mapping (shared.h) */

enum { COUNTERS_MAX = 64 };

/* Those behind `fd`, which an earlier program left; or, also for -1, new ones, all at 0. */
struct counters *counters_take(int fd);

/* The descriptor behind them, for a hand-off. */
int counters_fd(const struct counters *counters);

/* Unmaps them in this process; NULL is fine. */
void counters_free(struct counters *counters);

/* The number under which the counter of this name is kept, from now on and for all processes; -1
 * when there are COUNTERS_MAX others. */
int counters_open(struct counters *counters, const char *name);

/* One atomic operation each. What a process wrote elsewhere before counters_add is there for
 * whoever sees the sum. `counter` came from counters_open. */
uint64_t counters_add(struct counters *counters, int counter, uint64_t count);
uint64_t counters_get(const struct counters *counters, int counter);
