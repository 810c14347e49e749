/* db_pool.h - the connections to MariaDB that one process shares.
 *
 * Connections are opened when they are needed, up to db.pool_max. Whoever finds none free
 * waits in line, db.pool_wait_ms at most. While the database is known to be down nobody
 * waits: acquiring fails at once, and the pool looks for the database until it is back.
 */
#pragma once
#include "db_conn.h"
#include "err.h"

struct conf;
struct db_pool;

/* A place in the line; embedded in what waits. */
struct db_wait {
    /* Runs once, from the loop or from inside db_pool_release; must not run Lua when
     * `conn` is given. `conn` is NULL when waiting failed, and `err` says why. */
    void (*ready)(struct db_wait *wait, struct db_conn *conn, const struct err *err);
    struct db_wait *next, **link; /* the rest is the pool's */
    struct db_pool *pool;
    uint64_t deadline;
};

struct db_pool_stats {
    unsigned open, idle, waiting; /* now */
    uint64_t waits, waited_ms;    /* since the start: who stood in line, and how long */
    uint64_t refused;             /* of these, without a connection in the end */
};

typedef void (*db_pool_closed_cb)(void *arg);

/* Connects to nothing yet. `conf` must outlive it. */
struct db_pool *db_pool_new(uv_loop_t *loop, const struct conf *conf);

/* Closes what is free now and each other connection as it is released; who waits is told
 * so. `closed` (or NULL) runs from the loop when all is gone and freed. */
void db_pool_close(struct db_pool *pool, db_pool_closed_cb closed, void *arg);

/* 1: *conn is a free connection, `ready` will not run. 0: `ready` runs later. -1: none is
 * to be had. Everything acquired goes back by db_pool_release. */
int db_pool_acquire(struct db_pool *pool, struct db_wait *wait, struct db_conn **conn,
                    struct err *err);

/* Gives up the place in the line, before `ready` ran. */
void db_pool_cancel(struct db_wait *wait);

/* Takes a connection back in whatever state: one that is in the middle of something, lost
 * or used up is closed. The holder must have ended its transaction. */
void db_pool_release(struct db_pool *pool, struct db_conn *conn);

struct db_pool_stats db_pool_stats(const struct db_pool *pool);
