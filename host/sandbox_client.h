/* sandbox_client.h - a worker's way to sandbox processes: one connection to the zygote, made when
 * first needed and again when the zygote was, and a connection to each process that is asked for.
 *
 * It is the watchdog too: a run whose time is over is cancelled, and a process that has not said
 * its last word about it within sandbox.patience_ms is killed. */
#pragma once
#include "sandbox_conn.h"

struct host;
struct sandbox_opening;

struct sandbox_stats {    /* of this process, but for the first */
    uint64_t processes;   /* of the node, as the zygote last said */
    bool linked;          /* to the zygote */
    uint64_t connections; /* open now */
    uint64_t open_runs;
    uint64_t runs_ok, runs_failed; /* since the start; cancelled ones are neither */
    uint64_t walls;                /* runs whose time was over */
    uint64_t kills;                /* processes that did not answer */
    uint64_t crashes;              /* connections on which the protocol was broken */
};
struct sandbox_stats sandbox_client_stats(const struct sandbox_client *client);

/* Reads sandbox.socket and sandbox.patience_ms of the host's configuration. Connects to nobody. */
struct sandbox_client *sandbox_client_new(struct host *host);

/* Fails what is under way with CLOSED; the memory goes when the loop has closed the handles. */
void sandbox_client_close(struct sandbox_client *client);

/* Runs once, from the loop. Exactly one of `conn` and `err` is NULL; `conn` is the callee's to
 * unref. */
typedef void (*sandbox_open_cb)(void *arg, struct sandbox_conn *conn,
                                const struct err *err);

/* A connection of our own to the process of that name, which is made with `nice` when there is
 * none. Codes: BUSY (too many processes are in use), UNAVAILABLE (no zygote), CLOSED. NULL with
 * `err` when the client closes. */
struct sandbox_opening *sandbox_open(struct sandbox_client *client, const char *name,
                                     int nice, sandbox_open_cb done, void *arg,
                                     struct err *err);

/* `done` does not run any more. */
void sandbox_open_cancel(struct sandbox_opening *opening);
