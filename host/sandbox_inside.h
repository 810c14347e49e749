/* sandbox_inside.h - what the files of the client (sandbox_client.c, _conn.c, _runs.c, _hear.c) know
 * of each other. For those, and for tests that put a socket of their own in the place of a process.
 *
 * A run is open on two sides. `there`: the process has not said its last word about it. `held`: who
 * began it has not been told how it ended. It is freed when it is neither. On the way `called`
 * tells whose turn it is: set, the worker owes an answer, and a word of the process is out of turn.
 */
#pragma once
#include "buf.h"
#include "sandbox_client.h"
#include "sandbox_packet.h"

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

struct sandbox_open_load {
    uint64_t release;
    sandbox_load_cb done; /* NULL: nobody waits */
    void *arg;
    uint64_t deadline; /* loop time, ms */
    struct sandbox_open_load *next;
};

struct sandbox_open_run {
    uint64_t id;
    sandbox_run_cb done; /* NULL: nobody waits just now */
    void *arg;
    bool held, there, called;
    bool stopped;       /* it was cancelled: `deadline` is that of the last word */
    const char *failed; /* with what, while `held` and not told yet */
    int64_t wall_ms;
    uint64_t deadline;
    struct sandbox_open_run *next;
};

struct sandbox_conn {
    struct sandbox_client *client; /* NULL: closed */
    struct sandbox_conn *next, **link;
    unsigned refs;
    int fd;
    uv_poll_t poll;
    uint64_t process; /* the zygote's number of it */
    int pid;
    bool retired;
    bool handle_closed;
    uint64_t used_ms; /* when the zygote heard last that it is used */
    struct sandbox_queue out;
    struct sandbox_open_load *loads; /* in the order in which they were sent */
    struct sandbox_open_run *runs;
    int there; /* runs that are */
};

/* ---- sandbox_conn.c ---- */

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

/* Waits for room in the socket where something is queued. */
void sandbox_watch_events(struct sandbox_conn *conn);

/* ---- sandbox_runs.c ---- */

struct sandbox_open_run *sandbox_find_run(struct sandbox_conn *conn, uint64_t id);
void sandbox_free_if_over(struct sandbox_conn *conn, struct sandbox_open_run *run);
void sandbox_no_longer_there(struct sandbox_conn *conn, struct sandbox_open_run *run);

/* Tells who waits for it, or will tell who comes to wait. */
void sandbox_fail_run(struct sandbox_conn *conn, struct sandbox_open_run *run,
                      const char *code);
void sandbox_fail_load(struct sandbox_conn *conn, struct sandbox_open_load *load,
                       const char *code);

/* The process is told; it has some time for its last word. */
void sandbox_stop_run(struct sandbox_conn *conn, struct sandbox_open_run *run);

/* The tick runs, and the zygote is told now and then. */
void sandbox_note_use(struct sandbox_conn *conn);

/* ---- sandbox_hear.c ---- */

/* Reads what has come, up to a bound; true when it stopped there. May run callbacks. */
bool sandbox_hear_some(struct sandbox_conn *conn);

/* ---- sandbox_client.c ---- */

void sandbox_client_wake(struct sandbox_client *client); /* starts the tick */
void sandbox_client_kill(struct sandbox_client *client, uint64_t process);
void sandbox_client_used(struct sandbox_client *client, uint64_t process);
void sandbox_client_free_if_unused(struct sandbox_client *client);
