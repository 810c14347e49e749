/* counts.h - what happens to the processes, as metrics. Rare, so that the series are looked up. */
#pragma once
#include <stdint.h>

struct metrics;

/* Makes them all before anything is counted: who reads rates wants to see the zero. */
void counts_open(struct metrics *metrics);

/* `kind` as child_kind() names it; `outcome` is "ok" or "failed". */
void counts_restart(struct metrics *metrics, const char *kind, int64_t times);
void counts_reload(struct metrics *metrics, const char *outcome, int64_t times);
