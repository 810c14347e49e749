/* One poll() over: the signalfd, the control socket and its clients, each worker's channel, and
 * in development the file watch. A reload is a small state machine in two steps:
 *
 *   idle --begin--> building: "build N" went to all workers that are up
 *   building --all ready--> "switch N" to all, idle          --any failed--> "drop N", idle
 *
 * so a node serves either the old generation or the new one, never both for longer than it takes
 * a packet to arrive. A worker that dies meanwhile no longer counts.
 *
 * An upgrade (SIGUSR2) goes through the life of two masters in one process: the first has the new
 * binary tried, then becomes it (handoff.h); the second finds the old children, starts its own
 * beside them, on the same sockets, and when all are up tells the old ones to end. When one of its
 * own does not come up it ends them and goes on with the old ones. In `children` its own come
 * first. */
#include "master.h"
#include "channel.h"
#include "children.h"
#include "conf.h"
#include "counters.h"
#include "handoff.h"
#include "heartbeat.h"
#include "image_process.h"
#include "listener.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "rate_limits.h"
#include "watch.h"
#include "worker.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
    CLIENTS_MAX = 8,
    CHILDREN_MAX = 256,
    SAVE_SETTLE_MS = 30, /* an editor writes several files */
    RELOAD_TIMEOUT_MS = 30000,
    COMMAND_TIMEOUT_MS = 60000,
    TAKEOVER_TIMEOUT_MS = 60000,
    METRICS_MAX = 4096,
    HEART_LOOKS = 4, /* while server.heartbeat_ms passes */
};

struct master {
    const struct conf *conf;
    const char *root;
    int argc;
    char **argv;

    int listeners[HANDOFF_LISTENERS_MAX + 1]; /* ended by -1 */
    int image_listener;
    int control;
    int signals;
    struct watch *watch; /* NULL: no reload on save */
    struct limits
        *limits; /* the workers count in these four; here, so that they outlive them */
    struct metrics *metrics;
    struct counters *counters;
    struct heartbeat *heart; /* a child's slot is its place in `children` */
    uint64_t
        heart_due_ms; /* the next look at the heartbeats; 0: they are not looked at */

    struct child *children;
    int count;
    bool announced; /* all were up once */

    int clients[CLIENTS_MAX];       /* commands that are connected, -1 for free */
    bool client_waits[CLIENTS_MAX]; /* for the reload under way */

    unsigned reload; /* number of the one under way or the last one */
    bool reloading;
    bool reload_again; /* asked for while one was under way */
    uint64_t reload_started_ms;
    uint64_t saved_ms;              /* a file was saved then, 0: none */
    char problem[CHANNEL_TEXT_MAX]; /* of the first worker that failed */

    char binary[PATH_MAX]; /* our own path, by which a newer one is found */
    bool upgrade_wanted;
    pid_t trial;                /* of the new binary; 0: none */
    uint64_t takeover_until_ms; /* ours are coming up beside old ones; 0: no */

    bool stopping;
    bool failed; /* the first start did not succeed */
    uint64_t stop_deadline_ms;
};

/* ---- paths and files of the data folder ---- */

static void data_path(const struct master *master, char *out, size_t size,
                      const char *name)
{
    snprintf(out, size, "%s/%s", conf_str(master->conf, "server.data"), name);
}

static int make_folders(const struct master *master)
{
    static const char *const names[] = {"", "run", "tmp", "files", "cache", "log"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];
        data_path(master, path, sizeof(path), names[i]);
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
            log_error("%s: %s", path, strerror(errno));
            return -1;
        }
    }
    return 0;
}

/* Written when all is up, for whoever started us. */
static void announce(struct master *master)
{
    char path[PATH_MAX];
    data_path(master, path, sizeof(path), "run/ready");
    FILE *file = fopen(path, "we");
    if (file) {
        fprintf(file, "%d\n", getpid());
        fclose(file);
    }
    log_info("ready on %s:%s", conf_str(master->conf, "http.address"),
             conf_str(master->conf, "http.port"));
    master->announced = true;
}

static void remove_files(const struct master *master)
{
    static const char *const names[] = {"run/ready", "run/control.sock",
                                        "run/image.sock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];
        data_path(master, path, sizeof(path), names[i]);
        unlink(path);
    }
}

/* ---- sockets ---- */

static int bind_all(struct master *master, struct err *err)
{
    const struct conf *conf = master->conf;
    char path[PATH_MAX];
    data_path(master, path, sizeof(path), "run/control.sock");
    master->control = listener_unix(path, SOCK_SEQPACKET, err);
    if (master->control < 0)
        return -1;
    master->image_listener =
        listener_unix(conf_str(conf, "image.socket"), SOCK_SEQPACKET, err);
    if (master->image_listener < 0)
        return -1;
    int count = 0;
    if (conf_int(conf, "http.port") > 0) {
        int fd = listener_tcp(conf_str(conf, "http.address"),
                              (int)conf_int(conf, "http.port"), err);
        if (fd < 0)
            return -1;
        master->listeners[count++] = fd;
    }
    if (*conf_str(conf, "http.unix_socket")) {
        int fd = listener_unix(conf_str(conf, "http.unix_socket"), SOCK_STREAM, err);
        if (fd < 0)
            return -1;
        master->listeners[count++] = fd;
    }
    master->listeners[count] = -1;
    return 0;
}

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
    int nothing[] = {-1};
    for (int i = 0; i < master->count; i++)
        if (&master->children[i] != child)
            close_all(&master->children[i].channel, 1);
    close_all(master->clients, CLIENTS_MAX);
    close(master->control);
    close(master->signals);
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
    struct worker_setup setup = {
        .conf = master->conf,
        .root = master->root,
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

static void add_children(struct master *master, enum child_kind kind, int64_t count)
{
    for (int i = 1; i <= count && master->count < CHILDREN_MAX; i++) {
        master->children = mem_resize(master->children, (size_t)(master->count + 1) *
                                                            sizeof(*master->children));
        master->children[master->count++] =
            (struct child){.kind = kind, .index = i, .channel = -1, .restart_ms = 1};
    }
}

static bool all_up(const struct master *master)
{
    for (int i = 0; i < master->count; i++)
        if (!master->children[i].up && !master->children[i].old)
            return false;
    return true;
}

/* For good: its place goes with it. */
static void tell_to_end(struct master *master, struct child *child)
{
    if (!child->pid)
        return;
    child->kill_ms = clock_ms() + (uint64_t)conf_int(master->conf, "server.grace_ms");
    kill(child->pid, SIGTERM);
}

static void remove_child(struct master *master, int place)
{
    close_all(&master->children[place].channel, 1);
    master->count--;
    memmove(&master->children[place], &master->children[place + 1],
            (size_t)(master->count - place) * sizeof(*master->children));
}

/* Counts something that happens to the processes; rare, so that the series is looked up. */
static void count(struct master *master, const char *name, const char *help,
                  const char *label, const char *value, int64_t times)
{
    char labels[64];
    snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
    metrics_add(master->metrics,
                metrics_open(master->metrics, METRIC_COUNTER, name, help, labels), times);
}

static void count_restart(struct master *master, const char *kind, int64_t times)
{
    count(master, "fixxit_process_restarts_total",
          "Processes that ended and were started again.", "kind", kind, times);
}

static void count_reload(struct master *master, const char *outcome, int64_t times)
{
    count(master, "fixxit_reloads_total", "Reloads of Lua, by outcome.", "outcome",
          outcome, times);
}

/* Made before anything is counted: who reads rates wants to see the zero. */
static void open_counts(struct master *master)
{
    static const char *const kinds[] = {"http", "job", "image"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        count_restart(master, kinds[i], 0);
    count_reload(master, "ok", 0);
    count_reload(master, "failed", 0);
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
        if (!child->up || child->old || child->kind == CHILD_IMAGE)
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

/* ---- commands ---- */

static void answer_client(struct master *master, int slot, const char *word,
                          const char *text)
{
    channel_send(master->clients[slot], word, 0, text);
    close(master->clients[slot]);
    master->clients[slot] = -1;
    master->client_waits[slot] = false;
}

static void answer_waiting(struct master *master, const char *word, const char *text)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (master->client_waits[i])
            answer_client(master, i, word, text);
}

static void accept_client(struct master *master)
{
    int fd = accept4(master->control, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (master->clients[i] < 0) {
            master->clients[i] = fd;
            return;
        }
    channel_send(fd, "failed", 0, "too many commands at once");
    close(fd);
}

static void answer_status(struct master *master, int slot)
{
    char text[CHANNEL_TEXT_MAX] = "";
    size_t len = 0;
    for (int i = 0; i < master->count && len < sizeof(text) - 64; i++) {
        const struct child *child = &master->children[i];
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%-8s pid %-8d %s\n",
                                child_name(child), child->pid,
                                child->up    ? "up"
                                : child->pid ? "starting"
                                             : "down");
    }
    answer_client(master, slot, "ok", text);
}

/* ---- reload ---- */

static void tell_workers(struct master *master, const char *word)
{
    for (int i = 0; i < master->count; i++)
        if (master->children[i].reload != RELOAD_NONE)
            channel_send(master->children[i].channel, word, master->reload, NULL);
}

static void reload_begin(struct master *master)
{
    if (master->reloading || master->takeover_until_ms || master->trial) {
        master->reload_again = true;
        return;
    }
    master->reloading = true;
    master->reload++;
    master->reload_started_ms = clock_ms();
    master->problem[0] = '\0';
    for (int i = 0; i < master->count; i++) {
        struct child *child = &master->children[i];
        child->reload = RELOAD_NONE;
        if (child->up && child->channel >= 0 &&
            channel_send(child->channel, "build", master->reload, NULL) == 0)
            child->reload = RELOAD_ASKED;
    }
}

static void reload_asked_meanwhile(struct master *master)
{
    if (!master->reload_again)
        return;
    master->reload_again = false;
    reload_begin(master);
}

static void reload_end(struct master *master)
{
    uint64_t took = clock_ms() - master->reload_started_ms;
    if (master->problem[0]) {
        tell_workers(master, "drop");
        log_error("reload failed, the old generation stays: %s", master->problem);
        count_reload(master, "failed", 1);
        answer_waiting(master, "failed", master->problem);
    } else {
        char text[64];
        tell_workers(master, "switch");
        snprintf(text, sizeof(text), "reloaded in %llu ms", (unsigned long long)took);
        log_info("%s", text);
        count_reload(master, "ok", 1);
        answer_waiting(master, "ok", text);
    }
    master->reloading = false;
    reload_asked_meanwhile(master);
}

/* Ends the reload when every worker has answered, one has failed, or the time is over. */
static void reload_check(struct master *master)
{
    if (!master->reloading)
        return;
    bool waiting = false;
    for (int i = 0; i < master->count; i++)
        waiting |= master->children[i].reload == RELOAD_ASKED;
    if (waiting && clock_ms() - master->reload_started_ms > RELOAD_TIMEOUT_MS)
        snprintf(master->problem, sizeof(master->problem),
                 "a worker did not answer within %d s", RELOAD_TIMEOUT_MS / 1000);
    if (!waiting || master->problem[0])
        reload_end(master);
}

/* ---- upgrade: the master before ---- */

static void upgrade_check(struct master *master)
{
    if (!master->upgrade_wanted || master->reloading || master->takeover_until_ms ||
        master->trial || master->stopping)
        return;
    master->upgrade_wanted = false;
    log_info("upgrade: trying %s", master->binary);
    pid_t pid = handoff_try(master->binary, master->argv);
    master->trial = pid > 0 ? pid : 0;
}

static void upgrade_tried(struct master *master, int status)
{
    struct err err;
    struct handoff handoff = {.control = master->control,
                              .image_listener = master->image_listener};
    master->trial = 0;
    if (master->stopping)
        return;
    if (status != 0) {
        log_error("upgrade: %s does not start; nothing was changed", master->binary);
        reload_asked_meanwhile(master);
        return;
    }
    memcpy(handoff.listeners, master->listeners, sizeof(handoff.listeners));
    handoff.children = mem_new((size_t)master->count * sizeof(*handoff.children));
    for (int i = 0; i < master->count; i++)
        if (master->children[i].pid)
            handoff.children[handoff.count++] = master->children[i];
    handoff_exec(&handoff, master->binary, master->argv, &err);
    log_error("upgrade: %s", err.message);
    free(handoff.children);
}

/* ---- upgrade: the master after ---- */

static void takeover_begin(struct master *master, const struct handoff *handoff)
{
    master->takeover_until_ms = clock_ms() + TAKEOVER_TIMEOUT_MS;
    for (int i = 0; i < handoff->count && master->count < CHILDREN_MAX; i++) {
        master->children = mem_resize(master->children, (size_t)(master->count + 1) *
                                                            sizeof(*master->children));
        master->children[master->count++] = handoff->children[i];
    }
}

static void takeover_end(struct master *master)
{
    master->takeover_until_ms = 0;
    log_info("upgrade: the old processes are ending");
    for (int i = master->count - 1; i >= 0; i--)
        if (master->children[i].old && master->children[i].pid)
            tell_to_end(master, &master->children[i]);
        else if (master->children[i].old)
            remove_child(master, i); /* it died before */
    reload_asked_meanwhile(master);
}

static void takeover_fail(struct master *master)
{
    log_error("upgrade: the new processes do not come up; the old ones stay");
    master->takeover_until_ms = 0;
    master->announced = true;
    for (int i = master->count - 1; i >= 0; i--) {
        struct child *child = &master->children[i];
        if (child->old)
            continue;
        if (child->pid) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, NULL, 0);
        }
        remove_child(master, i);
    }
    reload_asked_meanwhile(master);
}

/* ---- what arrives ---- */

static void read_client(struct master *master, int slot)
{
    static struct message message;
    int rc = channel_receive(master->clients[slot], &message);
    if (rc == 0)
        return;
    if (rc < 0) {
        close(master->clients[slot]);
        master->clients[slot] = -1;
        master->client_waits[slot] = false;
    } else if (strcmp(message.word, "status") == 0) {
        answer_status(master, slot);
    } else if (strcmp(message.word, "reload") == 0) {
        master->client_waits[slot] = true;
        reload_begin(master);
    } else {
        answer_client(master, slot, "failed", "unknown command");
    }
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
            child->reload = RELOAD_NONE;
            if (!master->announced && all_up(master))
                announce(master);
        } else if (message.number == master->reload && child->reload == RELOAD_ASKED) {
            child->reload = RELOAD_READY;
            if (strcmp(message.word, "failed") == 0 && !master->problem[0])
                snprintf(master->problem, sizeof(master->problem), "%s", message.text);
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
        if (master->children[i].pid && master->children[i].kind != CHILD_IMAGE)
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
        remove_child(master, place);
        return;
    }
    read_child(master, child); /* its last words */
    child_ended(child, status);
    count_restart(master, child_kind(child), 1);
    if (child->was_up || master->announced || child->kind == CHILD_IMAGE)
        return;
    if (master->takeover_until_ms) {
        takeover_fail(master);
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
        if (pid == master->trial)
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
            master->upgrade_wanted = true;
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
        if (child->old && master->takeover_until_ms)
            continue; /* ours take its place */
        if (child->restart_ms && child->restart_ms <= now)
            child_start(child, run_child, master);
        if (child->kill_ms && child->kill_ms <= now)
            kill(child->pid, SIGKILL);
        earlier(&next, child->restart_ms);
        earlier(&next, child->kill_ms);
    }
    if (master->takeover_until_ms && master->announced)
        takeover_end(master);
    else if (master->takeover_until_ms && master->takeover_until_ms <= now)
        takeover_fail(master);
    earlier(&next, master->takeover_until_ms);
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
    if (master->reloading)
        earlier(&next, master->reload_started_ms + RELOAD_TIMEOUT_MS + 1);
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
            read_client(master, i);
    if (polls[2].revents && watch_read(master->watch))
        master->saved_ms = clock_ms();
    if (polls[1].revents)
        accept_client(master);
    if (polls[0].revents)
        read_signals(master);
}

/* ---- life ---- */

static bool workers_left(const struct master *master)
{
    for (int i = 0; i < master->count; i++)
        if (master->children[i].pid && master->children[i].kind != CHILD_IMAGE)
            return true;
    return false;
}

/* The image processes hold nothing worth a grace; workers that would not end are killed. */
static void end_children(struct master *master)
{
    for (int i = 0; i < master->count; i++) {
        struct child *child = &master->children[i];
        if (!child->pid)
            continue;
        if (child->kind != CHILD_IMAGE)
            log_warn("%s did not end within the grace time", child_name(child));
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Its sockets are those of the master before, at whatever addresses. */
static void adopt_sockets(struct master *master, const struct handoff *handoff)
{
    master->control = handoff->control;
    master->image_listener = handoff->image_listener;
    memcpy(master->listeners, handoff->listeners, sizeof(master->listeners));
}

int master_main(const struct conf *conf, const char *root, int argc, char **argv,
                struct handoff *handoff)
{
    static struct master master;
    master = (struct master){.conf = conf, .root = root, .argc = argc, .argv = argv};
    for (int i = 0; i < CLIENTS_MAX; i++)
        master.clients[i] = -1;
    struct err err;
    log_init((enum log_level)log_level_parse(conf_str(conf, "log.level")),
             strcmp(conf_str(conf, "log.format"), "json") == 0, "master");
    master.signals = open_signals();
    if (make_folders(&master) < 0)
        return 1;
    if (readlink("/proc/self/exe", master.binary, sizeof(master.binary) - 1) < 0)
        log_warn("upgrade: cannot tell our own path: %s", strerror(errno));
    if (handoff) {
        adopt_sockets(&master, handoff);
    } else if (bind_all(&master, &err) < 0) {
        log_error("%s", err.message);
        return 1;
    }
    master.limits = limits_new((size_t)conf_int(conf, "limits.keys"));
    master.metrics = metrics_new(METRICS_MAX);
    master.counters = counters_take(-1);
    master.heart = heartbeat_new(CHILDREN_MAX);
    open_counts(&master);
    if (conf_bool(conf, "server.reload_watch"))
        master.watch = watch_new(root, conf_str(conf, "server.reload_folders"));
    int64_t workers = conf_int(conf, "server.workers");
    add_children(&master, CHILD_IMAGE, conf_int(conf, "image.processes"));
    add_children(&master, CHILD_HTTP, workers ? workers : sysconf(_SC_NPROCESSORS_ONLN));
    add_children(&master, CHILD_JOB, conf_int(conf, "server.job_workers"));
    if (handoff) {
        takeover_begin(&master, handoff);
        reap(&master); /* who died during the exec */
    }
    handoff_free(handoff);
    while (!master.stopping ||
           (workers_left(&master) && clock_ms() < master.stop_deadline_ms))
        wait_and_read(&master, run_due(&master));
    end_children(&master);
    answer_waiting(&master, "failed", "the server is stopping");
    remove_files(&master);
    watch_free(master.watch);
    limits_free(master.limits);
    metrics_free(master.metrics);
    counters_free(master.counters);
    heartbeat_free(master.heart);
    free(master.children);
    return master.failed ? 1 : 0;
}

int master_command(const struct conf *conf, const char *word)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/run/control.sock", conf_str(conf, "server.data"));
    struct err err;
    int fd = listener_connect(path, SOCK_SEQPACKET, &err);
    if (fd < 0) {
        fprintf(stderr, "fixxit: no server answers on this data folder (%s)\n",
                err.message);
        return 1;
    }
    static struct message message;
    struct pollfd answer = {fd, POLLIN, 0};
    if (channel_send(fd, word, 0, NULL) < 0 ||
        poll(&answer, 1, COMMAND_TIMEOUT_MS) <= 0 || channel_receive(fd, &message) <= 0) {
        fprintf(stderr, "fixxit: the server did not answer\n");
        close(fd);
        return 1;
    }
    close(fd);
    bool ok = strcmp(message.word, "ok") == 0;
    size_t len = strlen(message.text);
    fprintf(ok ? stdout : stderr, "%s%s", message.text,
            len && message.text[len - 1] == '\n' ? "" : "\n");
    return ok ? 0 : 1;
}
