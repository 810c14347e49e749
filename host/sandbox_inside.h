/* sandbox_inside.h - what sandbox_client.c and sandbox_conn.c know of each other. For those two,
 * and for tests that put a socket of their own in the place of a process. */
#pragma once
#include "buf.h"
#include "sandbox_client.h"

struct sandbox_client {
    uv_loop_t *loop;
    char *socket_path;
    uint64_t patience_ms;
    struct sandbox_stats stats;
    struct zygote_link *link; /* or NULL */
    uint64_t down_since; /* loop time of the first failed connect in a row, 0: none */
    struct sandbox_opening *openings, **openings_end;
    uint64_t last_opening, last_run;
    struct sandbox_conn *conns;
    struct buf scratch;
    uv_timer_t tick; /* runs while anything is under way */
    bool closing, tick_closed;
};

/* Takes over the descriptor; its one reference is the caller's. NULL when the loop has no room,
 * the descriptor is closed then. */
struct sandbox_conn *sandbox_conn_new(struct sandbox_client *client, int fd,
                                      uint64_t process, int pid, struct err *err);

struct sandbox_conn *sandbox_conn_next(struct sandbox_conn *conn);

/* Whether a deadline has passed; what is to be done then, which may run callbacks. */
bool sandbox_conn_is_due(const struct sandbox_conn *conn);
void sandbox_conn_tick(struct sandbox_conn *conn);

/* Whether something is under way; the zygote hears of it now and then. */
bool sandbox_conn_is_busy(struct sandbox_conn *conn);

/* No run is begun on it any more; it closes after the last one. */
void sandbox_conn_retire(struct sandbox_conn *conn);

/* What is under way on it fails with this code. */
void sandbox_conn_fail(struct sandbox_conn *conn, const char *code);

/* The other way round. */
void sandbox_client_wake(struct sandbox_client *client); /* starts the tick */
void sandbox_client_kill(struct sandbox_client *client, uint64_t process);
void sandbox_client_used(struct sandbox_client *client, uint64_t process);
void sandbox_client_free_if_unused(struct sandbox_client *client);
