/* Life: modules -> boot generation 1 -> listeners open, "up" -> (build, switch | drop)* -> drain:
 * listeners closed, requests answered, sockets told -> the VM retired -> modules closed -> loop
 * empty -> exit.
 *
 * `host.vm` is the generation that gets new work; `next` is the one being built, if any. Retired
 * generations belong to themselves until they are gone. Which files each is built from is the
 * master's to say (generation.h). */
#include "worker.h"
#include "channel.h"
#include "conf.h"
#include "db_pool.h"
#include "entry.h"
#include "host.h"
#include "http.h"
#include "http_client.h"
#include "image_client.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "redis.h"
#include "sandbox_client.h"
#include "smtp.h"
#include "tidy.h"
#include "turnstile.h"
#include "vitals.h"
#include "vm.h"
#include "work.h"
#include "ws.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RETIRE_GRACE_MS = 60000, /* a request may last http.request_timeout_ms */
    DRAIN_POLL_MS = 20,
};

struct worker {
    const struct worker_setup *setup;
    uv_loop_t loop;
    struct host host;
    struct vitals *vitals;
    struct tidy *tidy;
    struct turnstile *turnstile; /* before host.work */
    struct vm *next;             /* being built or waiting for the switch */
    bool next_ready;
    unsigned reload; /* the master's number of the build under way */
    uv_poll_t channel;
    uv_signal_t term;
    uv_timer_t drain_timer;
    bool leaving; /* others take over: told before SIGTERM */
    bool draining;
    bool sockets_gone;
    bool retired; /* the last VM was told to end */
    unsigned vms; /* alive, whether booting, current or ending */
    struct ending *endings;
    uint64_t work_deadline, drain_deadline; /* loop time */
    int exit_code;
};

/* A VM that was told to end and has not yet. */
struct ending {
    struct worker *worker;
    struct vm *vm;
    struct ending *next, **link;
};

static struct vm *new_vm(struct worker *worker, const char *root)
{
    worker->vms++;
    return vm_new(&worker->host, root);
}

static void on_vm_gone(void *arg)
{
    struct ending *ending = arg;
    ending->worker->vms--;
    *ending->link = ending->next;
    if (ending->next)
        ending->next->link = ending->link;
    free(ending);
}

static void retire(struct worker *worker, struct vm *vm, unsigned grace_ms)
{
    struct ending *ending = mem_new(sizeof(*ending));
    *ending = (struct ending){worker, vm, worker->endings, &worker->endings};
    if (ending->next)
        ending->next->link = &ending->next;
    worker->endings = ending;
    vm_retire(vm, grace_ms, on_vm_gone, ending);
}

/* Only when no VM is left: their tasks use what this frees. */
static void close_everything(struct worker *worker)
{
    struct host *host = &worker->host;
    uv_close((uv_handle_t *)&worker->drain_timer, NULL);
    uv_close((uv_handle_t *)&worker->term, NULL);
    uv_close((uv_handle_t *)&worker->channel, NULL);
    tidy_stop(worker->tidy);
    vitals_stop(worker->vitals);
    http_server_free(host->http);
    ws_hub_free(host->ws);
    image_client_close(host->image);
    sandbox_client_close(host->sandbox);
    http_client_close(host->http_client);
    smtp_close(host->smtp);
    redis_close(host->redis, NULL, NULL);
    db_pool_close(host->db, NULL, NULL);
    work_free(host->work);
    turnstile_close(worker->turnstile);
}

static void drop_next(struct worker *worker)
{
    struct vm *vm = worker->next;
    worker->next = NULL;
    if (vm)
        retire(worker, vm, 0);
}

static bool is_over(const struct worker *worker, uint64_t deadline)
{
    return uv_now(&worker->loop) >= deadline;
}

/* No more work comes: the VM stops what it runs by itself and ends its tasks. */
static void retire_last(struct worker *worker)
{
    struct vm *vm = worker->host.vm;
    unsigned grace_ms =
        (unsigned)(worker->drain_deadline - uv_now(&worker->loop)) * 2 / 3;
    worker->host.vm = NULL;
    worker->retired = true;
    for (struct ending *ending = worker->endings; ending; ending = ending->next)
        vm_hurry(ending->vm, grace_ms);
    if (vm)
        retire(worker, vm, grace_ms);
}

/* Requests and sockets end first, served by a VM that is whole; then the VM. What has not ended
 * by half of the time is cut. */
static void on_drain_tick(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    struct http_stats http = http_server_stats(worker->host.http);
    bool idle = !http.listening && !http.connections && worker->sockets_gone;
    bool over = is_over(worker, worker->drain_deadline);
    if (!worker->retired && (idle || is_over(worker, worker->work_deadline)))
        retire_last(worker);
    bool vms_gone = worker->retired && !worker->vms;
    if (vms_gone && (idle || over)) {
        close_everything(worker);
    } else if (
        over) { /* its tasks still hold what we would free: leave as a crash would */
        log_warn("tasks were still running at the end of the grace time");
        log_stop();
        _exit(1);
    }
}

static void on_sockets_gone(void *arg)
{
    struct worker *worker = arg;
    worker->sockets_gone = true;
}

static void drain(struct worker *worker)
{
    if (worker->draining)
        return;
    struct host *host = &worker->host;
    uint64_t now = uv_now(&worker->loop);
    uint64_t grace = (uint64_t)conf_int(host->conf, "server.grace_ms");
    worker->draining = true;
    worker->work_deadline = now + grace / 2;
    worker->drain_deadline = now + grace * 3 / 4; /* before the master's kill */
    if (worker->leaving)
        http_server_leave(host->http);
    else
        http_server_drain(host->http);
    drop_next(worker);
    ws_hub_drain(host->ws, on_sockets_gone, worker);
    uv_timer_start(&worker->drain_timer, on_drain_tick, 0, DRAIN_POLL_MS);
}

/* What the master said before the signal may not have been read yet. */
static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    static struct message message;
    struct worker *worker = handle->data;
    while (channel_receive(worker->setup->channel, &message) > 0)
        if (strcmp(message.word, "leave") == 0)
            worker->leaving = true;
    drain(worker);
}

/* ---- generations ---- */

static void tell(struct worker *worker, const char *word, unsigned number,
                 const char *text)
{
    if (channel_send(worker->setup->channel, word, number, text) < 0)
        drain(worker); /* no master */
}

static int open_listeners(struct worker *worker)
{
    struct err err;
    for (const int *fd = worker->setup->listeners; *fd >= 0; fd++)
        if (http_server_start(worker->host.http, *fd, &err) < 0) {
            log_error("%s", err.message);
            return -1;
        }
    return 0;
}

static void on_first_boot(void *arg, struct vm *vm, const char *problem)
{
    struct worker *worker = arg;
    if (problem)
        log_error("start failed: %s", problem);
    if (problem || worker->draining || open_listeners(worker) < 0) {
        worker->exit_code = problem ? 1 : 0;
        retire(worker, vm, 0);
        drain(worker);
        return;
    }
    worker->host.vm = vm;
    tell(worker, "up", 0, NULL);
}

static void on_next_boot(void *arg, struct vm *vm, const char *problem)
{
    struct worker *worker = arg;
    if (worker->next != vm) { /* dropped meanwhile: what it started since ends too */
        vm_hurry(vm, 0);
        return;
    }
    struct err err;
    if (!problem && http_server_reload(worker->host.http, &err) < 0)
        problem = err.message;
    worker->next_ready = !problem;
    if (problem) {
        worker->next = NULL;
        retire(worker, vm, 0);
    }
    tell(worker, problem ? "failed" : "ready", worker->reload, problem);
}

static void build_next(struct worker *worker, unsigned number, const char *root)
{
    drop_next(worker);
    worker->reload = number;
    worker->next_ready = false;
    worker->next = new_vm(worker, root);
    vm_boot(worker->next, on_next_boot, worker);
}

static void switch_to_next(struct worker *worker)
{
    if (!worker->next || !worker->next_ready)
        return;
    log_access_reopen();
    struct vm *old = worker->host.vm;
    worker->host.vm = worker->next;
    worker->next = NULL;
    retire(worker, old, RETIRE_GRACE_MS);
}

static void on_channel(uv_poll_t *handle, int status, int events)
{
    (void)events;
    static struct message message;
    struct worker *worker = handle->data;
    int rc = status < 0 ? -1 : channel_receive(worker->setup->channel, &message);
    if (rc < 0) {
        uv_poll_stop(handle);
        drain(worker); /* the master is gone */
    } else if (rc == 0 || worker->draining) {
        return;
    } else if (strcmp(message.word, "build") == 0) {
        build_next(worker, message.number, message.text);
    } else if (strcmp(message.word, "leave") == 0) {
        worker->leaving = true;
    } else if (strcmp(message.word, "reopen") == 0) {
        log_access_reopen();
    } else if (message.number != worker->reload) {
        return;
    } else if (strcmp(message.word, "switch") == 0) {
        switch_to_next(worker);
    } else if (strcmp(message.word, "drop") == 0) {
        drop_next(worker);
    }
}

/* ---- life ---- */

/* A node hashes one password at a time, in whichever process: more would take from all loops. */
static void open_work(struct worker *worker)
{
    struct host *host = &worker->host;
    struct err err;
    char path[4096];
    snprintf(path, sizeof(path), "%s/run/turnstile", conf_str(host->conf, "server.data"));
    worker->turnstile = turnstile_open(path, &err);
    if (!worker->turnstile)
        log_warn("this process takes no turns with the others: %s", err.message);
    host->work = work_new(host->loop, 1, worker->turnstile);
}

static void open_modules(struct worker *worker)
{
    struct host *host = &worker->host;
    open_work(worker);
    host->db = db_pool_new(host->loop, host->conf);
    host->redis = redis_new(host->loop, host->conf);
    host->image = image_client_new(host);
    host->sandbox = sandbox_client_new(host);
    host->http_client = http_client_new(host->loop);
    host->smtp = smtp_new(host->loop);
    host->ws = ws_hub_new(host);
    host->http = http_server_new(host);
    lua_http_install(host);
    lua_ws_install(host);
    worker->vitals = vitals_start(host);
    worker->tidy = tidy_start(host);
}

int worker_main(const struct worker_setup *setup)
{
    static struct worker worker;
    const struct conf *conf = setup->conf;
    char name[32];
    snprintf(name, sizeof(name), "%s %d", setup->role, setup->index);
    worker = (struct worker){
        .setup = setup,
        .host = {.loop = &worker.loop,
                 .conf = conf,
                 .role = setup->role,
                 .index = setup->index,
                 .argc = setup->argc,
                 .argv = setup->argv,
                 .limits = setup->limits,
                 .metrics = setup->metrics,
                 .counters = setup->counters,
                 .heart = setup->heart,
                 .slot = setup->slot},
    };
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group: the master decides */
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    log_init((enum log_level)log_level_parse(conf_str(conf, "log.level")),
             strcmp(conf_str(conf, "log.format"), "json") == 0, name);
    if (conf_bool(conf, "lua.collect_always"))
        vm_collect_always();
    log_access_open(conf_str(conf, "log.access"));
    log_start();
    uv_loop_init(&worker.loop);
    uv_timer_init(&worker.loop, &worker.drain_timer);
    uv_signal_init(&worker.loop, &worker.term);
    uv_poll_init(&worker.loop, &worker.channel, setup->channel);
    worker.drain_timer.data = worker.term.data = worker.channel.data = &worker;
    metrics_lane(setup->metrics, setup->slot);
    open_modules(&worker);
    uv_signal_start(&worker.term, on_term, SIGTERM);
    uv_poll_start(&worker.channel, UV_READABLE, on_channel);
    vm_boot(new_vm(&worker, setup->root), on_first_boot, &worker);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&worker.loop) < 0)
        log_debug("handles were left open at exit");
    log_stop();
    return worker.exit_code;
}
