#include "counts.h"
#include "metrics.h"
#include <stdio.h>

static void count(struct metrics *metrics, const char *name, const char *help,
                  const char *label, const char *value, int64_t times)
{
    char labels[64];
    snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
    metrics_add(metrics, metrics_open(metrics, METRIC_COUNTER, name, help, labels),
                times);
}

void counts_restart(struct metrics *metrics, const char *kind, int64_t times)
{
    count(metrics, "fixxit_process_restarts_total",
          "Processes that ended and were started again.", "kind", kind, times);
}

void counts_reload(struct metrics *metrics, const char *outcome, int64_t times)
{
    count(metrics, "fixxit_reloads_total", "Reloads of Lua, by outcome.", "outcome",
          outcome, times);
}

void counts_open(struct metrics *metrics)
{
    static const char *const kinds[] = {"http", "job", "image", "zygote"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        counts_restart(metrics, kinds[i], 0);
    counts_reload(metrics, "ok", 0);
    counts_reload(metrics, "failed", 0);
}
