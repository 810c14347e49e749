/* One poll() over: the signalfd, the control socket and its clients, each worker's channel, and
 * in development the file watch. What it does about them lies in reload.c (one generation of Lua
 * after another), upgrade.c (one binary after another) and control.c (commands); here is the life
 * of the processes. */
#include "master.h"
#include "channel.h"
#include "conf.h"
#include "control.h"
#include "counters.h"
#include "counts.h"
#include "generation.h"
#include "heartbeat.h"
#include "image_process.h"
#include "log.h"
#include "master_setup.h"
#include "master_state.h"
#include "metrics.h"
#include "rate_limits.h"
#include "reload.h"
#include "sandbox_launch.h"
#include "upgrade.h"
#include "watch.h"
#include "worker.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SAVE_SETTLE_MS = 30, /* an editor writes several files */
    COMMAND_TIMEOUT_MS = 60000,
    HEART_LOOKS = 4, /* while server.heartbeat_ms passes */
};

/* ---- children ---- */

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* In the child: everything of the master that is not its own is closed. */
static void run_child(const struct child *child, int channel, void *arg)
{
    struct master *master = arg;
    if (child->kind == CHILD_ZYGOTE)
        _exit(sandbox_launch(master->sandbox_listener, master->conf));
    int nothing[] = {-1};
    char generation[PATH_MAX];
    for (int i = 0; i < master->count; i++)
        if (&master->children[i] != child)
            close_all(&master->children[i].channel, 1);
    close_all(master->clients, CLIENTS_MAX);
    close(master->control);
    close(master->signals);
    close(master->sandbox_listener);
    watch_free(master->watch);
    if (child->kind != CHILD_HTTP)
        for (int *fd = master->listeners; *fd >= 0; fd++)
            close(*fd);
    if (child->kind == CHILD_IMAGE) {
        limits_free(master->limits); /* out of reach of what hostile bytes may do there */
        metrics_free(master->metrics);
        counters_free(master->counters);
        heartbeat_free(master->heart);
        _exit(image_process_main(master->image_listener, master->conf));
    }
    close(master->image_listener);
    generation_path(master->generations, master->generation, generation);
    struct worker_setup setup = {
        .conf = master->conf,
        .root = generation,
        .argc = master->argc,
        .argv = master->argv,
        .role = child_kind(child),
        .index = child->index,
        .listeners = child->kind == CHILD_HTTP ? master->listeners : nothing,
        .channel = channel,
        .limits = master->limits,
        .metrics = master->metrics,
        .counters = master->counters,
        .heart = master->heart,
        .slot = (size_t)(child - master->children),
    };
    exit(worker_main(&setup));
}

static bool all_up(const struct master *master)
{
    for (int i = 0; i < master->count; i++)
        if (!master->children[i].up && !master->children[i].old)
            return false;
    return true;
}

void master_end_child(struct master *master, struct child *child)
{
    if (!child->pid)
        return;
    child->kill_ms = clock_ms() + (uint64_t)conf_int(master->conf, "server.grace_ms");
    kill(child->pid, SIGTERM);
}

void master_remove_child(struct master *master, int place)
{
    close_all(&master->children[place].channel, 1);
    master->count--;
    memmove(&master->children[place], &master->children[place + 1],
            (size_t)(master->count - place) * sizeof(*master->children));
}

/* A worker whose loop has not come round for server.heartbeat_ms is in an endless loop, or as
 * good as that: killed, it is replaced. When the master itself was late for its look the whole
 * machine stood still, and nothing is concluded. */
static void look_at_hearts(struct master *master, uint64_t now)
{
    uint64_t limit = (uint64_t)conf_int(master->conf, "server.heartbeat_ms");
    uint64_t step = limit / HEART_LOOKS + 1;
    bool late = master->heart_due_ms && now > master->heart_due_ms + step;
    if (!limit || now < master->heart_due_ms)
        return;
    master->heart_due_ms = now + step;
    for (int i = 0; i < master->count; i++) {
        struct child *child = &master->children[i];
        uint64_t beats = heartbeat_count(master->heart, (size_t)i);
        if (!child->up || child->old || !child_is_worker(child))
            continue;
        if (late || beats != child->beats || child->beat_ms < child->started_ms) {
            child->beats = beats;
            child->beat_ms = now;
        } else if (now - child->beat_ms >= limit) {
            char doing[HEARTBEAT_DOING_MAX];
            heartbeat_last(master->heart, (size_t)i, doing);
            log_error(
                "%s (pid %d) has stood still for %llu ms: killed; it began last: %s",
                child_name(child), child->pid, (unsigned long long)(now - child->beat_ms),
                *doing ? doing : "nothing");
            kill(child->pid, SIGKILL);
            child->beat_ms = now; /* until it is gone */
        }
    }
}

/* ---- what arrives ---- */

/* A worker's answer about the generation that it was asked to build. */
static void hear_of_reload(struct master *master, struct child *child,
                           const struct message *message)
{
    bool failed = strcmp(message->word, "failed") == 0;
    if (message->number == master->reload.number && child->reload == RELOAD_ASKED)
        reload_answered(master, child, failed ? message->text : NULL);
}

static void read_child(struct master *master, struct child *child)
{
    static struct message message;
    while (child->channel >= 0) {
        int rc = channel_receive(child->channel, &message);
        if (rc == 0)
            return;
        if (rc < 0) { /* SIGCHLD follows */
            close(child->channel);
            child->channel = -1;
        } else if (strcmp(message.word, "up") == 0) {
            child->up = child->was_up = true;
            reload_joined(master, child);
            if (!master->announced && all_up(master))
                setup_announce(master);
        } else {
            hear_of_reload(master, child, &message);
        }
    }
}

static void begin_stop(struct master *master)
{
    if (master->stopping)
        return;
    log_info("stopping");
    master->stopping = true;
    for (int *fd = master->listeners; *fd >= 0; fd++) { /* the workers have theirs */
        close(*fd);
        *fd = -1;
    }
    master->stop_deadline_ms =
        clock_ms() + (uint64_t)conf_int(master->conf, "server.grace_ms");
    for (int i = 0; i < master->count; i++)
        if (master->children[i].pid && child_is_worker(&master->children[i]))
            kill(master->children[i].pid, SIGTERM);
}

static void reap_child(struct master *master, int place, int status)
{
    struct child *child = &master->children[place];
    if (master->stopping) {
        child->pid = 0;
        return;
    }
    if (child->kill_ms) {
        master_remove_child(master, place);
        return;
    }
    bool building = child->reload == RELOAD_ASKED;
    read_child(master, child); /* its last words */
    if (building && child->reload == RELOAD_ASKED)
        reload_answered(master, child, "a worker died of it while it was built");
    bool replaced = child->replaced;
    child_ended(child, status);
    counts_restart(master->metrics, child_kind(child), 1);
    if (child->was_up || master->announced || !child_is_worker(child) || replaced)
        return;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return; /* somebody's doing, or the kernel's, not its own: it is tried again */
    if (upgrade_going(master)) {
        upgrade_fail(master);
    } else {
        master->failed = true; /* broken from the start: say so and end */
        begin_stop(master);
    }
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == master->upgrade.trial)
            upgrade_tried(master, status);
        for (int i = 0; i < master->count; i++)
            if (master->children[i].pid == pid) {
                reap_child(master, i, status);
                break;
            }
    }
}

static void reopen_logs(struct master *master)
{
    for (int i = 0; i < master->count; i++)
        if (master->children[i].channel >= 0)
            channel_send(master->children[i].channel, "reopen", 0, NULL);
}

static void read_signals(struct master *master)
{
    struct signalfd_siginfo info;
    while (read(master->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(master);
        else if (info.ssi_signo == SIGHUP)
            reload_begin(master);
        else if (info.ssi_signo == SIGUSR1)
            reopen_logs(master);
        else if (info.ssi_signo == SIGUSR2)
            master->upgrade.wanted = true;
        else
            begin_stop(master);
    }
}

/* ---- time ---- */

static void earlier(uint64_t *at, uint64_t candidate)
{
    if (candidate && candidate < *at)
        *at = candidate;
}

/* Does what is due; returns the milliseconds until the next thing is. */
static int run_due(struct master *master)
{
    uint64_t now = clock_ms(), next = UINT64_MAX;
    for (int i = 0; i < master->count && !master->stopping; i++) {
        struct child *child = &master->children[i];
        if (child->old && upgrade_going(master))
            continue; /* ours take its place */
        if (child->restart_ms && child->restart_ms <= now)
            child_start(child, run_child, master);
        if (child->kill_ms && child->kill_ms <= now)
            kill(child->pid, SIGKILL);
        earlier(&next, child->restart_ms);
        earlier(&next, child->kill_ms);
    }
    upgrade_end_when_due(master);
    earlier(&next, master->upgrade.until_ms);
    if (master->saved_ms && master->saved_ms + SAVE_SETTLE_MS <= now) {
        master->saved_ms = 0;
        reload_begin(master);
    }
    reload_check(master);
    upgrade_check(master);
    if (!master->stopping)
        look_at_hearts(master, now);
    earlier(&next, master->stopping ? 0 : master->heart_due_ms);
    if (master->saved_ms)
        earlier(&next, master->saved_ms + SAVE_SETTLE_MS);
    earlier(&next, reload_due_ms(master));
    if (master->stopping)
        earlier(&next, master->stop_deadline_ms);
    if (next == UINT64_MAX)
        return -1;
    now = clock_ms();
    return next > now ? (int)(next - now) : 0;
}

static void wait_and_read(struct master *master, int timeout)
{
    struct pollfd polls[3 + CLIENTS_MAX + CHILDREN_MAX];
    int n = 0;
    polls[n++] = (struct pollfd){master->signals, POLLIN, 0};
    polls[n++] = (struct pollfd){master->control, POLLIN, 0};
    polls[n++] = (struct pollfd){master->watch ? watch_fd(master->watch) : -1, POLLIN, 0};
    for (int i = 0; i < CLIENTS_MAX; i++)
        polls[n++] = (struct pollfd){master->clients[i], POLLIN, 0};
    for (int i = 0; i < master->count; i++)
        polls[n++] = (struct pollfd){master->children[i].channel, POLLIN, 0};
    if (poll(polls, (nfds_t)n, timeout) <= 0)
        return;
    for (int i = 0; i < master->count; i++)
        if (polls[3 + CLIENTS_MAX + i].revents)
            read_child(master, &master->children[i]);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (polls[3 + i].revents)
            control_read(master, i);
    if (polls[2].revents && watch_read(master->watch))
        master->saved_ms = clock_ms();
    if (polls[1].revents)
        control_accept(master);
    if (polls[0].revents)
        read_signals(master);
}

/* ---- life ---- */

static bool workers_left(const struct master *master)
{
    for (int i = 0; i < master->count; i++)
        if (master->children[i].pid && child_is_worker(&master->children[i]))
            return true;
    return false;
}

/* Who is no worker holds nothing worth a grace; workers that would not end are killed. */
static void end_children(struct master *master)
{
    for (int i = 0; i < master->count; i++) {
        struct child *child = &master->children[i];
        if (!child->pid)
            continue;
        if (child_is_worker(child))
            log_warn("%s did not end within the grace time", child_name(child));
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
}

static int begin(struct master *master, const struct handoff *handoff)
{
    struct err err;
    if (setup_open(master, handoff, &err) < 0) {
        log_error("%s", err.message);
        return -1;
    }
    upgrade_init(master);
    control_init(master);
    if (handoff) {
        upgrade_adopt(master, handoff);
        reap(master); /* who died during the exec */
    }
    if (setup_generation(master, &err) < 0) {
        log_error("%s", err.message);
        if (!handoff)
            return -1;
        upgrade_fail(master);
    }
    return 0;
}

int master_main(const struct conf *conf, const char *root, int argc, char **argv,
                struct handoff *handoff)
{
    static struct master master;
    master = (struct master){.conf = conf, .root = root, .argc = argc, .argv = argv};
    log_init((enum log_level)log_level_parse(conf_str(conf, "log.level")),
             strcmp(conf_str(conf, "log.format"), "json") == 0, "master");
    int rc = begin(&master, handoff);
    handoff_free(handoff);
    if (rc < 0)
        return 1;
    while (!master.stopping ||
           (workers_left(&master) && clock_ms() < master.stop_deadline_ms))
        wait_and_read(&master, run_due(&master));
    end_children(&master);
    control_answer_waiting(&master, "failed", "the server is stopping");
    setup_close(&master);
    return master.failed ? 1 : 0;
}
