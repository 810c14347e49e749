#include "master_setup.h"
#include "conf.h"
#include "counters.h"
#include "counts.h"
#include "generation.h"
#include "heartbeat.h"
#include "listener.h"
#include "log.h"
#include "master_state.h"
#include "mem.h"
#include "metrics.h"
#include "rate_limits.h"
#include "reload.h"
#include "watch.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { METRICS_MAX = 4096, IMAGES_MAX = 16 };

/* ---- paths and files of the data folder ---- */

void master_path(const struct master *master, char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", conf_str(master->conf, "server.data"), name);
}

static int make_folders(const struct master *master, struct err *err)
{
    static const char *const names[] = {"", "run", "tmp", "files", "cache", "log"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];
        master_path(master, path, sizeof(path), names[i]);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return err_errno(err, errno, path);
    }
    return 0;
}

void setup_announce(struct master *master)
{
    char path[PATH_MAX];
    master_path(master, path, sizeof(path), "run/ready");
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
    static const char *const names[] = {"run/ready", "run/control.sock", "run/image.sock",
                                        "run/sandbox.sock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];
        master_path(master, path, sizeof(path), names[i]);
        unlink(path);
    }
}

/* ---- sockets ---- */

static int bind_sandbox(struct master *master, struct err *err)
{
    const char *path = conf_str(master->conf, "sandbox.socket");
    master->sandbox_listener = listener_unix(path, SOCK_SEQPACKET, err);
    return master->sandbox_listener < 0 ? -1 : 0;
}

static int bind_all(struct master *master, struct err *err)
{
    const struct conf *conf = master->conf;
    char path[PATH_MAX];
    master_path(master, path, sizeof(path), "run/control.sock");
    master->control = listener_unix(path, SOCK_SEQPACKET, err);
    if (master->control < 0)
        return -1;
    master->image_listener =
        listener_unix(conf_str(conf, "image.socket"), SOCK_SEQPACKET, err);
    if (master->image_listener < 0 || bind_sandbox(master, err) < 0)
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

/* Its sockets are those of the master before, at whatever addresses; one that did not know of
 * scripts has none for them. */
static int adopt_sockets(struct master *master, const struct handoff *handoff,
                         struct err *err)
{
    master->control = handoff->control;
    master->image_listener = handoff->image_listener;
    memcpy(master->listeners, handoff->listeners, sizeof(master->listeners));
    master->sandbox_listener = handoff->sandbox_listener;
    return master->sandbox_listener < 0 ? bind_sandbox(master, err) : 0;
}

/* ---- what is watched, counted and run ---- */

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

static void add_children(struct master *master, enum child_kind kind, int64_t count)
{
    for (int i = 1; i <= count && master->count < CHILDREN_MAX; i++) {
        master->children = mem_resize(master->children, (size_t)(master->count + 1) *
                                                            sizeof(*master->children));
        master->children[master->count++] =
            (struct child){.kind = kind, .index = i, .channel = -1, .restart_ms = 1};
    }
}

/* What the master before kept goes on; its children count in it until they end. The heartbeats are
 * by place in `children`, and those places are ours. */
static void open_shared(struct master *master, const struct handoff *handoff)
{
    static const int nothing[HANDOFF_SHARED] = {-1, -1, -1};
    const int *shared = handoff ? handoff->shared : nothing;
    size_t keys = (size_t)conf_int(master->conf, "limits.keys");
    master->limits = limits_take_over(shared[HANDOFF_LIMITS], keys);
    master->metrics = metrics_take_over(shared[HANDOFF_METRICS], METRICS_MAX);
    master->counters = counters_take(shared[HANDOFF_COUNTERS]);
    master->heart = heartbeat_new(CHILDREN_MAX);
    counts_open(master->metrics);
}

int setup_open(struct master *master, const struct handoff *handoff, struct err *err)
{
    const struct conf *conf = master->conf;
    int64_t workers = conf_int(conf, "server.workers");
    int64_t images = conf_int(conf, "image.processes");
    int64_t cores = sysconf(_SC_NPROCESSORS_ONLN);
    master->signals = open_signals();
    if (make_folders(master, err) < 0)
        return -1;
    if ((handoff ? adopt_sockets(master, handoff, err) : bind_all(master, err)) < 0)
        return -1;
    open_shared(master, handoff);
    if (conf_bool(conf, "server.reload_watch"))
        master->watch = watch_new(master->root, conf_str(conf, "server.reload_folders"));
    add_children(master, CHILD_IMAGE,
                 images ? images : MIN(MAX(cores / 2, 1), IMAGES_MAX));
    add_children(master, CHILD_HTTP, workers ? workers : cores);
    add_children(master, CHILD_JOB, conf_int(conf, "server.job_workers"));
    add_children(master, CHILD_ZYGOTE, 1);
    return 0;
}

int setup_generation(struct master *master, struct err *err)
{
    master_path(master, master->generations, sizeof(master->generations),
                "run/generations");
    master->generation = master->reload.number = generation_last(master->generations) + 1;
    int rc = generation_take(master->generations, master->generation, master->root,
                             conf_str(master->conf, "server.reload_folders"), err);
    reload_sweep(master); /* of servers that did not end well */
    return rc;
}

void setup_close(struct master *master)
{
    remove_files(master);
    generation_sweep(master->generations, NULL, 0);
    watch_free(master->watch);
    limits_free(master->limits);
    metrics_free(master->metrics);
    counters_free(master->counters);
    heartbeat_free(master->heart);
    free(master->children);
}
