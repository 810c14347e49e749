#include "upgrade.h"
#include "channel.h"
#include "counters.h"
#include "generation.h"
#include "log.h"
#include "master_state.h"
#include "mem.h"
#include "metrics.h"
#include "rate_limits.h"
#include "reload.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 60000 };

void upgrade_init(struct master *master)
{
    char *binary = master->upgrade.binary;
    if (readlink("/proc/self/exe", binary, sizeof(master->upgrade.binary) - 1) < 0)
        log_warn("upgrade: cannot tell our own path: %s", strerror(errno));
}

/* ---- the master before ---- */

void upgrade_check(struct master *master)
{
    struct upgrade *upgrade = &master->upgrade;
    if (!upgrade->wanted || master->reload.going || upgrade->until_ms || upgrade->trial ||
        master->stopping)
        return;
    upgrade->wanted = false;
    log_info("upgrade: trying %s", upgrade->binary);
    pid_t pid = handoff_try(upgrade->binary, master->argv);
    upgrade->trial = pid > 0 ? pid : 0;
}

void upgrade_tried(struct master *master, int status)
{
    struct upgrade *upgrade = &master->upgrade;
    struct err err;
    struct handoff handoff = {
        .control = master->control,
        .image_listener = master->image_listener,
        .sandbox_listener = master->sandbox_listener,
        .generation = master->generation,
        .shared = {[HANDOFF_METRICS] = metrics_fd(master->metrics),
                   [HANDOFF_LIMITS] = limits_fd(master->limits),
                   [HANDOFF_COUNTERS] = counters_fd(master->counters)}};
    upgrade->trial = 0;
    if (master->stopping)
        return;
    if (status != 0) {
        log_error("upgrade: %s does not start; nothing was changed", upgrade->binary);
        reload_asked_meanwhile(master);
        return;
    }
    memcpy(handoff.listeners, master->listeners, sizeof(handoff.listeners));
    handoff.children = mem_new((size_t)master->count * sizeof(*handoff.children));
    for (int i = 0; i < master->count; i++)
        if (master->children[i].pid)
            handoff.children[handoff.count++] = master->children[i];
    handoff_exec(&handoff, upgrade->binary, master->argv, &err);
    log_error("upgrade: %s", err.message);
    free(handoff.children);
    reload_asked_meanwhile(master);
}

/* ---- the master after ---- */

void upgrade_adopt(struct master *master, const struct handoff *handoff)
{
    master->upgrade.until_ms = clock_ms() + TIMEOUT_MS;
    master->upgrade.old_generation = handoff->generation;
    for (int i = 0; i < handoff->count && master->count < CHILDREN_MAX; i++) {
        master->children = mem_resize(master->children, (size_t)(master->count + 1) *
                                                            sizeof(*master->children));
        master->children[master->count++] = handoff->children[i];
    }
}

bool upgrade_going(const struct master *master)
{
    return master->upgrade.until_ms != 0;
}

/* One that does not hear the word ends as if nobody took over. */
static void leave(struct master *master, struct child *child)
{
    if (child->channel >= 0 && channel_send(child->channel, "leave", 0, NULL) < 0)
        log_warn("upgrade: process %d is not told why it ends", (int)child->pid);
    master_end_child(master, child);
}

static void end(struct master *master)
{
    master->upgrade.until_ms = 0;
    master->upgrade.old_generation = 0;
    log_info("upgrade: the old processes are ending");
    for (int i = master->count - 1; i >= 0; i--)
        if (master->children[i].old && master->children[i].pid)
            leave(master, &master->children[i]);
        else if (master->children[i].old)
            master_remove_child(master, i); /* it died before */
    reload_asked_meanwhile(master);
}

void upgrade_fail(struct master *master)
{
    log_error("upgrade: the new processes do not come up; the old ones stay");
    master->upgrade.until_ms = 0;
    master->generation = master->upgrade.old_generation;
    master->announced = true;
    for (int i = master->count - 1; i >= 0; i--) {
        struct child *child = &master->children[i];
        if (child->old)
            continue;
        if (child->pid) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, NULL, 0);
        }
        master_remove_child(master, i);
    }
    reload_asked_meanwhile(master);
}

void upgrade_end_when_due(struct master *master)
{
    if (!upgrade_going(master))
        return;
    if (master->announced)
        end(master);
    else if (master->upgrade.until_ms <= clock_ms())
        upgrade_fail(master);
}
