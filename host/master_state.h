/* master_state.h - what the master's files share: master.c (life, time, what arrives),
 * master_setup.c, reload.c, upgrade.c, control.c (commands). Nobody else includes it. */
#pragma once
#include "channel.h"
#include "children.h"
#include "handoff.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CLIENTS_MAX = 8,
    CHILDREN_MAX = 256,
};

/* See reload.h. */
struct reload {
    bool going;
    bool again;      /* asked for while it could not begin */
    bool scouted;    /* one worker has built it */
    unsigned number; /* of the generation being tried, or tried last */
    uint64_t started_ms;
    char problem[CHANNEL_TEXT_MAX]; /* of the first worker that failed */
};

/* See upgrade.h. */
struct upgrade {
    char binary[PATH_MAX]; /* our own path, by which a newer one is found */
    bool wanted;
    pid_t trial;             /* of the new binary; 0: none */
    uint64_t until_ms;       /* ours are coming up beside old ones; 0: no */
    unsigned old_generation; /* what those run */
};

struct master {
    const struct conf *conf;
    const char *root;
    int argc;
    char **argv;

    int listeners[HANDOFF_LISTENERS_MAX + 1]; /* ended by -1 */
    int image_listener, sandbox_listener;
    int control;
    int signals;
    struct watch *watch; /* NULL: no reload on save */
    uint64_t saved_ms;   /* a file was saved then, 0: none */

    /* The workers count in these four; here, so that they outlive them. */
    struct limits *limits;
    struct metrics *metrics;
    struct counters *counters;
    struct heartbeat *heart; /* a child's slot is its place in `children` */
    uint64_t heart_due_ms;   /* the next look at it; 0: nobody looks */

    struct child *children;
    int count;
    bool announced; /* all were up once */

    char generations[PATH_MAX]; /* the folder of their files (generation.h) */
    unsigned generation;        /* what a worker is started on */
    struct reload reload;
    struct upgrade upgrade;

    int clients[CLIENTS_MAX];       /* commands that are connected, -1 for free */
    bool client_waits[CLIENTS_MAX]; /* for the reload under way */

    bool stopping;
    bool failed; /* the first start did not succeed */
    uint64_t stop_deadline_ms;
};

/* The path of `name` in the data folder. */
void master_path(const struct master *master, char *out, size_t size, const char *name);

/* To end for good: its place goes with it. */
void master_end_child(struct master *master, struct child *child);
void master_remove_child(struct master *master, int place);
