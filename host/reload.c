#include "reload.h"
#include "conf.h"
#include "control.h"
#include "counts.h"
#include "generation.h"
#include "log.h"
#include "master_state.h"
#include <signal.h>
#include <stdio.h>

enum { TIMEOUT_MS = 30000 };

void reload_sweep(struct master *master)
{
    const unsigned kept[] = {master->generation, master->upgrade.old_generation,
                             master->reload.going ? master->reload.number : 0};
    generation_sweep(master->generations, kept, sizeof(kept) / sizeof(kept[0]));
}

/* ---- beginning ---- */

static bool any(const struct master *master, enum child_reload state)
{
    for (int i = 0; i < master->count; i++)
        if (master->children[i].reload == state)
            return true;
    return false;
}

static void ask(struct master *master, struct child *child)
{
    char path[PATH_MAX];
    bool ends = child->kill_ms || child->replaced;
    if (!child->up || ends || child->channel < 0 || child->reload != RELOAD_NONE)
        return;
    generation_path(master->generations, master->reload.number, path);
    child->reload = RELOAD_ASKED;
    channel_send(child->channel, "build", master->reload.number, path);
}

static void fail(struct master *master, const char *problem)
{
    snprintf(master->reload.problem, sizeof(master->reload.problem), "%s", problem);
}

void reload_begin(struct master *master)
{
    struct reload *reload = &master->reload;
    struct err err;
    if (reload->going || master->upgrade.until_ms || master->upgrade.trial) {
        reload->again = true;
        return;
    }
    reload->going = true;
    reload->scouted = false;
    reload->number++;
    reload->started_ms = clock_ms();
    reload->problem[0] = '\0';
    for (int i = 0; i < master->count; i++)
        master->children[i].reload = RELOAD_NONE;
    if (generation_take(master->generations, reload->number, master->root,
                        conf_str(master->conf, "server.reload_folders"), &err) < 0) {
        fail(master, err.message);
        return;
    }
    for (int i = master->count - 1; i >= 0; i--) /* those that serve come first */
        reload_joined(master, &master->children[i]);
}

void reload_asked_meanwhile(struct master *master)
{
    if (!master->reload.again)
        return;
    master->reload.again = false;
    reload_begin(master);
}

void reload_joined(struct master *master, struct child *child)
{
    if (master->reload.going && (master->reload.scouted || !any(master, RELOAD_ASKED)))
        ask(master, child);
}

void reload_answered(struct master *master, struct child *child, const char *problem)
{
    struct reload *reload = &master->reload;
    child->reload = RELOAD_READY;
    if (problem && !reload->problem[0])
        fail(master, problem);
    if (problem || reload->scouted)
        return;
    reload->scouted = true;
    for (int i = 0; i < master->count; i++)
        ask(master, &master->children[i]);
}

/* ---- ending ---- */

static void tell(struct master *master, const char *word)
{
    for (int i = 0; i < master->count; i++)
        if (master->children[i].reload != RELOAD_NONE)
            channel_send(master->children[i].channel, word, master->reload.number, NULL);
}

/* Those that are starting have built the old generation or are about to. They are told to end,
 * not killed: one may have begun to serve just now. */
static void restart_starting(struct master *master)
{
    for (int i = 0; i < master->count; i++) {
        struct child *child = &master->children[i];
        if (child->kind == CHILD_IMAGE || child->up)
            continue;
        if (child->pid)
            child_replace(child);
        else if (child->restart_ms)
            child->restart_ms = clock_ms(); /* it may have been the Lua that failed */
    }
}

static void end(struct master *master)
{
    struct reload *reload = &master->reload;
    reload->going = false;
    if (reload->problem[0]) {
        tell(master, "drop");
        log_error("reload failed, the old generation stays: %s", reload->problem);
        counts_reload(master->metrics, "failed", 1);
        control_answer_waiting(master, "failed", reload->problem);
    } else {
        char text[64];
        snprintf(text, sizeof(text), "reloaded in %llu ms",
                 (unsigned long long)(clock_ms() - reload->started_ms));
        tell(master, "switch");
        master->generation = reload->number;
        restart_starting(master);
        log_info("%s", text);
        counts_reload(master->metrics, "ok", 1);
        control_answer_waiting(master, "ok", text);
    }
    reload_sweep(master);
    reload_asked_meanwhile(master);
}

void reload_check(struct master *master)
{
    struct reload *reload = &master->reload;
    if (!reload->going)
        return;
    bool over = clock_ms() >= reload->started_ms + TIMEOUT_MS;
    bool asked = any(master, RELOAD_ASKED), ready = any(master, RELOAD_READY);
    if (!reload->problem[0] && (asked || !ready)) {
        if (!over)
            return;
        if (asked)
            fail(master, "a worker did not answer in time");
        else
            log_warn("no worker came up to try the new generation: it is taken untried");
    }
    end(master);
}

unsigned long long reload_due_ms(const struct master *master)
{
    return master->reload.going ? master->reload.started_ms + TIMEOUT_MS : 0;
}
