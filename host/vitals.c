/* Counts that a module keeps for itself are followed: what they grew by since the last sample is
 * added to the node's sum. Numbers that are true of one process only carry its name. */
#include "vitals.h"
#include "db_pool.h"
#include "heartbeat.h"
#include "http.h"
#include "image_client.h"
#include "lag.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "sandbox_client.h"
#include "vm.h"
#include "ws.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { SAMPLE_MS = 1000 };

struct followed {
    int series;
    uint64_t last;
};

struct vitals {
    struct host *host;
    char process[64]; /* the label of what is true of this process only */
    uv_timer_t timer;
    uv_check_t check;
    int handles; /* not closed yet */

    struct lag lag;
    uint64_t cpu_us, cpu_at_ns;

    int resident, cpu, lua_bytes, generations; /* series */
    int http_connections, ws_connections, ws_rooms;
    int pool_open, pool_idle, pool_waiting;
    struct followed ws_dropped, pool_waits, pool_waited, pool_refused, log_dropped;
    struct followed image_done, image_failed;
    int sandbox_processes, sandbox_connections, sandbox_open_runs;
    bool sandbox_linked;
    struct followed sandbox_ok, sandbox_failed, sandbox_walls, sandbox_kills,
        sandbox_crashes;
};

static int gauge(struct vitals *vitals, const char *name, const char *help)
{
    return metrics_open(vitals->host->metrics, METRIC_GAUGE, name, help, vitals->process);
}

static struct followed follow(struct vitals *vitals, const char *name, const char *help,
                              const char *labels)
{
    return (struct followed){.series = metrics_open(vitals->host->metrics, METRIC_COUNTER,
                                                    name, help, labels)};
}

static void open_sandbox_series(struct vitals *vitals)
{
    static const char runs[] = "Runs of scripts, by outcome.";
    vitals->sandbox_processes =
        metrics_open(vitals->host->metrics, METRIC_GAUGE, "fixxit_sandbox_processes",
                     "Processes of scripts on this node.", "");
    vitals->sandbox_connections = gauge(vitals, "fixxit_sandbox_connections",
                                        "Connections to processes of scripts.");
    vitals->sandbox_open_runs =
        gauge(vitals, "fixxit_sandbox_open_runs", "Runs of scripts under way.");
    vitals->sandbox_ok =
        follow(vitals, "fixxit_sandbox_runs_total", runs, "outcome=\"ok\"");
    vitals->sandbox_failed =
        follow(vitals, "fixxit_sandbox_runs_total", runs, "outcome=\"failed\"");
    vitals->sandbox_walls = follow(vitals, "fixxit_sandbox_timeouts_total",
                                   "Runs of scripts whose time was over.", "");
    vitals->sandbox_kills =
        follow(vitals, "fixxit_sandbox_kills_total",
               "Processes of scripts killed because they did not answer.", "");
    vitals->sandbox_crashes = follow(
        vitals, "fixxit_sandbox_protocol_errors_total",
        "Connections closed because a process of scripts said what it may not.", "");
}

static void open_series(struct vitals *vitals)
{
    vitals->resident = gauge(vitals, "fixxit_process_resident_bytes", "Resident memory.");
    vitals->cpu = gauge(vitals, "fixxit_process_cpu_millicores",
                        "Processor time of the last second, in thousandths of a core.");
    vitals->lua_bytes =
        gauge(vitals, "fixxit_lua_bytes", "Heap of the current generation.");
    vitals->generations = gauge(vitals, "fixxit_lua_generations",
                                "Generations of Lua alive: 1, more in a reload.");
    vitals->http_connections = gauge(vitals, "fixxit_http_connections",
                                     "HTTP connections open, without WebSockets.");
    vitals->ws_connections = gauge(vitals, "fixxit_ws_connections", "WebSockets open.");
    vitals->ws_rooms = gauge(vitals, "fixxit_ws_rooms", "Rooms with members.");
    vitals->pool_open =
        gauge(vitals, "fixxit_db_pool_open", "Database connections open.");
    vitals->pool_idle =
        gauge(vitals, "fixxit_db_pool_idle", "Database connections that are free.");
    vitals->pool_waiting = gauge(vitals, "fixxit_db_pool_waiting",
                                 "Tasks that wait for a database connection.");
    vitals->ws_dropped =
        follow(vitals, "fixxit_ws_dropped_total",
               "WebSockets closed because their reader was too slow.", "");
    vitals->pool_waits =
        follow(vitals, "fixxit_db_pool_waits_total",
               "How often somebody waited for a database connection.", "");
    vitals->pool_waited = follow(vitals, "fixxit_db_pool_wait_seconds_total",
                                 "Time waited for database connections.", "");
    vitals->pool_refused = follow(vitals, "fixxit_db_pool_refused_total",
                                  "Waits that ended without a database connection.", "");
    vitals->log_dropped = follow(
        vitals, "fixxit_log_dropped_total",
        "Log lines that nobody took fast enough, or for which there was no room.", "");
    vitals->image_done = follow(vitals, "fixxit_image_jobs_total",
                                "Pictures processed, by outcome.", "outcome=\"ok\"");
    vitals->image_failed =
        follow(vitals, "fixxit_image_jobs_total", "Pictures processed, by outcome.",
               "outcome=\"failed\"");
    open_sandbox_series(vitals);
}

static void grow(struct vitals *vitals, struct followed *followed, uint64_t now)
{
    metrics_add(vitals->host->metrics, followed->series, (int64_t)(now - followed->last));
    followed->last = now;
}

static void sample_process(struct vitals *vitals)
{
    struct metrics *metrics = vitals->host->metrics;
    size_t resident = 0;
    struct rusage usage;
    uint64_t now = uv_hrtime();
    uv_resident_set_memory(&resident);
    getrusage(RUSAGE_SELF, &usage);
    uint64_t cpu_us =
        (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
        (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    uint64_t elapsed_us = (now - vitals->cpu_at_ns) / 1000;
    if (elapsed_us)
        metrics_set(metrics, vitals->cpu,
                    (int64_t)((cpu_us - vitals->cpu_us) * 1000 / elapsed_us));
    vitals->cpu_us = cpu_us;
    vitals->cpu_at_ns = now;
    metrics_set(metrics, vitals->resident, (int64_t)resident);
    metrics_set(metrics, vitals->generations, vm_alive());
    metrics_set(metrics, vitals->lua_bytes,
                vitals->host->vm ? (int64_t)vm_memory(vitals->host->vm) : 0);
    grow(vitals, &vitals->log_dropped, log_dropped());
}

static void sample_modules(struct vitals *vitals)
{
    const struct host *host = vitals->host;
    struct metrics *metrics = host->metrics;
    struct ws_stats ws = ws_hub_stats(host->ws);
    struct db_pool_stats pool = db_pool_stats(host->db);
    struct image_stats image = image_client_stats(host->image);
    metrics_set(metrics, vitals->http_connections,
                (int64_t)http_server_stats(host->http).connections);
    metrics_set(metrics, vitals->ws_connections, (int64_t)ws.connections);
    metrics_set(metrics, vitals->ws_rooms, (int64_t)ws.rooms);
    metrics_set(metrics, vitals->pool_open, pool.open);
    metrics_set(metrics, vitals->pool_idle, pool.idle);
    metrics_set(metrics, vitals->pool_waiting, pool.waiting);
    grow(vitals, &vitals->ws_dropped, ws.dropped);
    grow(vitals, &vitals->pool_waits, pool.waits);
    grow(vitals, &vitals->pool_waited, pool.waited_ms * 1000);
    grow(vitals, &vitals->pool_refused, pool.refused);
    grow(vitals, &vitals->image_done, image.done);
    grow(vitals, &vitals->image_failed, image.failed);
}

/* How many processes there are is the same whoever has heard it; who lost the zygote, lost them. */
static void sample_sandbox(struct vitals *vitals)
{
    struct metrics *metrics = vitals->host->metrics;
    struct sandbox_stats sandbox = sandbox_client_stats(vitals->host->sandbox);
    if (sandbox.linked || vitals->sandbox_linked)
        metrics_set(metrics, vitals->sandbox_processes, (int64_t)sandbox.processes);
    vitals->sandbox_linked = sandbox.linked;
    metrics_set(metrics, vitals->sandbox_connections, (int64_t)sandbox.connections);
    metrics_set(metrics, vitals->sandbox_open_runs, (int64_t)sandbox.open_runs);
    grow(vitals, &vitals->sandbox_ok, sandbox.runs_ok);
    grow(vitals, &vitals->sandbox_failed, sandbox.runs_failed);
    grow(vitals, &vitals->sandbox_walls, sandbox.walls);
    grow(vitals, &vitals->sandbox_kills, sandbox.kills);
    grow(vitals, &vitals->sandbox_crashes, sandbox.crashes);
}

static void sample(struct vitals *vitals)
{
    sample_process(vitals);
    sample_modules(vitals);
    sample_sandbox(vitals);
    lag_sample(&vitals->lag);
}

static void on_timer(uv_timer_t *timer)
{
    sample(timer->data);
}

static void on_check(uv_check_t *check)
{
    struct vitals *vitals = check->data;
    lag_turn(&vitals->lag);
    heartbeat_beat(vitals->host->heart, vitals->host->slot);
}

static void on_closed(uv_handle_t *handle)
{
    struct vitals *vitals = handle->data;
    if (--vitals->handles == 0)
        free(vitals);
}

struct vitals *vitals_start(struct host *host)
{
    struct vitals *vitals = mem_new(sizeof(*vitals));
    vitals->host = host;
    vitals->handles = 2;
    snprintf(vitals->process, sizeof(vitals->process), "process=\"%s %d\"", host->role,
             host->index);
    open_series(vitals);
    uv_loop_configure(host->loop, UV_METRICS_IDLE_TIME);
    lag_begin(&vitals->lag, host->loop, host->metrics, vitals->process);
    uv_timer_init(host->loop, &vitals->timer);
    uv_check_init(host->loop, &vitals->check);
    vitals->timer.data = vitals->check.data = vitals;
    vitals->cpu_at_ns = uv_hrtime();
    uv_timer_start(&vitals->timer, on_timer, 0, SAMPLE_MS);
    uv_check_start(&vitals->check, on_check);
    return vitals;
}

void vitals_stop(struct vitals *vitals)
{
    if (!vitals)
        return;
    sample(vitals);
    uv_close((uv_handle_t *)&vitals->timer, on_closed);
    uv_close((uv_handle_t *)&vitals->check, on_closed);
}
