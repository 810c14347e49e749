/* children.h - the processes under the master: what runs, what died, when to try again. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_kind { CHILD_HTTP, CHILD_JOB, CHILD_IMAGE, CHILD_ZYGOTE };
enum child_reload { RELOAD_NONE, RELOAD_ASKED, RELOAD_READY };

struct child {
    enum child_kind kind;
    int index;   /* 1.. within the kind */
    pid_t pid;   /* 0 while it does not run */
    int channel; /* to it, -1 when it has none (no worker) or does not run */
    bool up;     /* it said so; what is no worker counts as up at once */
    bool was_up; /* some process in this place was up before */
    uint64_t started_ms;
    uint64_t restart_ms; /* when to start it again, 0: it runs */
    unsigned failures;   /* deaths in a row, of young ones: the backoff */
    enum child_reload reload;
    bool replaced; /* it was told to make way for another in its place */
    bool old;      /* of the binary before this one (handoff.h): has no heartbeat slot */
    uint64_t kill_ms; /* it was told to end for good, and is killed then; 0: it stays */
    uint64_t beats;   /* of its loop, when it was last looked at (heartbeat.h) */
    uint64_t beat_ms; /* when they had grown */
};

/* Whether it runs Lua of ours and has a channel. */
bool child_is_worker(const struct child *child);

/* "http", "job", "image" or "zygote". */
const char *child_kind(const struct child *child);

/* "http 1", "http 1 (old)" of one that ends for good; valid until the next call. */
const char *child_name(const struct child *child);

/* What the new process runs; it never returns. `channel` is its end, -1 for no worker. */
typedef void (*child_run)(const struct child *child, int channel, void *arg);

/* Forks. -1 when fork failed (it is planned again). */
int child_start(struct child *child, child_run run, void *arg);

/* Tells it to end and make way for another one, which is started at once. */
void child_replace(struct child *child);

/* Notes the death: closes the channel, plans the restart. One that lived for 10 s starts again at
 * once. Younger ones wait, longer with each that dies young: those that served 0.1 s, 0.2 s ... up
 * to 1 s, for somebody waits for them; those that did not come up 0.2 s, 0.4 s ... up to 10 s. */
void child_ended(struct child *child, int status);

uint64_t clock_ms(void);
