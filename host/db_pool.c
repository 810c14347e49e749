/* Every connection has a slot; a free one's slot is in `idle`, last used first, so that
 * the statements of few connections stay warm and the rest time out on the server's side.
 *
 * The database is down when an attempt to connect failed and no connection is left. Then,
 * and when an attempt failed while others still work ("too many connections"), the next
 * attempt waits for the retry timer; no waiter starts one. `down` ends with the first
 * connection.
 *
 * All waiters wait equally long, so the line is in the order of their deadlines. */
#include "db_pool.h"
#include "conf.h"
#include "log.h"
#include "mem.h"
#include "resolve.h"
#include <stdlib.h>

enum { RETRY_FIRST_MS = 50, RETRY_LAST_MS = 800 };

struct slot {
    struct db_pool *pool;
    struct db_conn *conn;
    struct slot *next, **link;   /* in idle; link is NULL when it is held or connecting */
    struct slot *later, **place; /* in all */
    bool connecting;
};

struct db_pool {
    uv_loop_t *loop;
    struct db_target target;
    const char *host;
    unsigned max, wait_ms;
    struct slot *all, *idle;
    struct slot *back;   /* while it is being given back */
    unsigned open;       /* slots, those connecting included */
    unsigned connecting; /* of these, or looking the host name up */
    unsigned free;       /* length of idle */
    struct db_wait *line, **line_end;
    unsigned waiting;
    uint64_t waits, waited_ms, refused; /* db_pool_stats */
    struct resolve *resolve;
    bool down;
    unsigned retry_ms;   /* 0 after a success */
    uv_timer_t retry;    /* active: no attempt before it fires */
    uv_timer_t patience; /* for the first in the line */
    struct err problem;  /* of the last attempt */
    bool closing;
    unsigned handles; /* timers to close */
    db_pool_closed_cb closed;
    void *closed_arg;
};

static void serve(struct db_pool *pool);

static void take_idle(struct slot *slot)
{
    if (!slot->link)
        return;
    *slot->link = slot->next;
    if (slot->next)
        slot->next->link = slot->link;
    slot->link = NULL;
    slot->pool->free--;
}

static void put_idle(struct slot *slot)
{
    struct db_pool *pool = slot->pool;
    slot->next = pool->idle;
    if (slot->next)
        slot->next->link = &slot->next;
    slot->link = &pool->idle;
    pool->idle = slot;
    pool->free++;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct db_pool *pool = handle->data;
    if (--pool->handles)
        return;
    db_pool_closed_cb closed = pool->closed;
    void *arg = pool->closed_arg;
    free(pool);
    if (closed)
        closed(arg);
}

/* The last thing of a closing pool. */
static void check_closed(struct db_pool *pool)
{
    if (!pool->closing || pool->open || pool->handles)
        return;
    pool->handles = 2;
    uv_close((uv_handle_t *)&pool->retry, on_handle_closed);
    uv_close((uv_handle_t *)&pool->patience, on_handle_closed);
}

static void drop_slot(struct slot *slot)
{
    struct db_pool *pool = slot->pool;
    take_idle(slot);
    *slot->place = slot->later;
    if (slot->later)
        slot->later->place = slot->place;
    pool->open--;
    if (slot->connecting)
        pool->connecting--;
    db_conn_close(slot->conn);
    free(slot);
    check_closed(pool);
}

static void leave_line(struct db_wait *wait)
{
    struct db_pool *pool = wait->pool;
    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
    else
        pool->line_end = wait->link;
    wait->link = NULL;
    pool->waiting--;
    uint64_t entered = wait->deadline - pool->wait_ms;
    pool->waits++;
    pool->waited_ms += uv_now(pool->loop) - entered;
}

/* Out of the line, without a connection. */
static void refuse(struct db_wait *wait, const struct err *err)
{
    leave_line(wait);
    wait->pool->refused++;
    wait->ready(wait, NULL, err);
}

static void on_patience(uv_timer_t *timer)
{
    struct db_pool *pool = timer->data;
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "no database connection became free in time");
    while (pool->line && pool->line->deadline <= uv_now(pool->loop))
        refuse(pool->line, &err);
    if (pool->line)
        uv_timer_start(timer, on_patience, pool->line->deadline - uv_now(pool->loop), 0);
}

static void fail_line(struct db_pool *pool, const struct err *err)
{
    /* Only those here now: who comes back at once is told by db_pool_acquire. */
    while (pool->line)
        refuse(pool->line, err);
}

static void on_retry(uv_timer_t *timer);

static void attempt_failed(struct db_pool *pool, const struct err *err)
{
    pool->problem = *err;
    if (!uv_is_active((uv_handle_t *)&pool->retry)) { /* several may fail together */
        pool->retry_ms = pool->retry_ms ? pool->retry_ms * 2 : RETRY_FIRST_MS;
        if (pool->retry_ms > RETRY_LAST_MS)
            pool->retry_ms = RETRY_LAST_MS;
        uv_timer_start(&pool->retry, on_retry, pool->retry_ms, 0);
    }
    if (pool->open > pool->connecting)
        return; /* others still work */
    if (!pool->down)
        log_error("database unavailable: %s", err->message);
    pool->down = true;
    fail_line(pool, err);
}

static void on_opened(void *arg, struct db_conn *conn, const struct db_err *err)
{
    struct slot *slot = arg;
    struct db_pool *pool = slot->pool;
    (void)conn;
    if (err) {
        struct err problem = err->base;
        drop_slot(slot);
        attempt_failed(pool, &problem);
        return;
    }
    slot->connecting = false;
    pool->connecting--;
    if (pool->down)
        log_info("database available again");
    pool->down = false;
    pool->retry_ms = 0;
    uv_timer_stop(&pool->retry);
    put_idle(slot);
    serve(pool);
}

static void on_lost(void *arg, struct db_conn *conn)
{
    struct slot *slot = arg;
    (void)conn;
    if (!slot->link)
        return; /* its holder finds out */
    struct db_pool *pool = slot->pool;
    drop_slot(slot);
    serve(pool);
}

static void open_slot(struct db_pool *pool, const char *address)
{
    struct slot *slot = mem_new(sizeof(*slot));
    slot->pool = pool;
    slot->connecting = true;
    slot->later = pool->all;
    if (slot->later)
        slot->later->place = &slot->later;
    slot->place = &pool->all;
    pool->all = slot;
    pool->open++;
    pool->connecting++;
    pool->target.host = address;
    slot->conn = db_conn_open(pool->loop, &pool->target, on_opened, on_lost, slot);
}

static void on_resolved(void *arg, const char *address, const struct err *err)
{
    struct db_pool *pool = arg;
    pool->resolve = NULL;
    if (!address) {
        attempt_failed(pool, err);
        return;
    }
    open_slot(pool, address);
    serve(pool);
}

static void attempt(struct db_pool *pool)
{
    if (pool->target.socket[0])
        open_slot(pool, "");
    else if (!pool->resolve)
        pool->resolve = resolve_start(pool->loop, pool->host, on_resolved, pool);
}

/* Looks for the database even when nobody waits: who asks next must not be told an old
 * tale. */
static void on_retry(uv_timer_t *timer)
{
    struct db_pool *pool = timer->data;
    if (!pool->down)
        serve(pool);
    else if (!pool->connecting)
        attempt(pool);
}

/* A free connection that the server has not closed. One that comes back has just answered: who
 * stands in line gets it without another look. */
static struct slot *find_idle(struct db_pool *pool)
{
    while (pool->idle && pool->idle != pool->back && !db_conn_alive(pool->idle->conn))
        drop_slot(pool->idle);
    return pool->idle;
}

/* Hands free connections to the line and opens more while it is longer than what is
 * coming. */
static void serve(struct db_pool *pool)
{
    struct slot *slot;
    while (pool->line && (slot = find_idle(pool))) {
        struct db_wait *wait = pool->line;
        leave_line(wait);
        take_idle(slot);
        wait->ready(wait, slot->conn, NULL);
    }
    if (pool->down || pool->closing || uv_is_active((uv_handle_t *)&pool->retry))
        return;
    while (pool->waiting > pool->connecting && pool->open < pool->max && !pool->resolve)
        attempt(pool);
}

struct db_pool *db_pool_new(uv_loop_t *loop, const struct conf *conf)
{
    struct db_pool *pool = mem_new(sizeof(*pool));
    pool->loop = loop;
    pool->host = conf_str(conf, "db.host");
    pool->target = (struct db_target){
        .socket = conf_str(conf, "db.socket"),
        .port = (unsigned)conf_int(conf, "db.port"),
        .user = conf_str(conf, "db.user"),
        .password = conf_str(conf, "db.password"),
        .name = conf_str(conf, "db.name"),
        .connect_timeout_ms = (unsigned)conf_int(conf, "db.connect_timeout_ms"),
        .statement_timeout_ms = (unsigned)conf_int(conf, "db.statement_timeout_ms"),
    };
    pool->max = (unsigned)conf_int(conf, "db.pool_max");
    pool->wait_ms = (unsigned)conf_int(conf, "db.pool_wait_ms");
    pool->line_end = &pool->line;
    uv_timer_init(loop, &pool->retry);
    uv_timer_init(loop, &pool->patience);
    pool->retry.data = pool;
    pool->patience.data = pool;
    return pool;
}

void db_pool_close(struct db_pool *pool, db_pool_closed_cb closed, void *arg)
{
    struct err err;
    pool->closing = true;
    pool->closed = closed;
    pool->closed_arg = arg;
    uv_timer_stop(&pool->retry);
    uv_timer_stop(&pool->patience);
    if (pool->resolve)
        resolve_cancel(pool->resolve);
    pool->resolve = NULL;
    err_set(&err, ERR_CLOSED, "the process is ending");
    fail_line(pool, &err);
    for (struct slot *slot = pool->all, *later; slot; slot = later) {
        later = slot->later;
        if (slot->link || slot->connecting)
            drop_slot(slot);
    }
    check_closed(pool);
}

int db_pool_acquire(struct db_pool *pool, struct db_wait *wait, struct db_conn **conn,
                    struct err *err)
{
    if (pool->closing)
        return err_set(err, ERR_CLOSED, "the process is ending");
    struct slot *slot = pool->line ? NULL : find_idle(pool);
    if (slot) {
        take_idle(slot);
        *conn = slot->conn;
        return 1;
    }
    if (pool->down) {
        if (err)
            *err = pool->problem;
        return -1;
    }
    /* A loop that was held up has an old clock: a wait must not have ended before it began. */
    uv_update_time(pool->loop);
    wait->pool = pool;
    wait->deadline = uv_now(pool->loop) + pool->wait_ms;
    wait->next = NULL;
    wait->link = pool->line_end;
    *pool->line_end = wait;
    pool->line_end = &wait->next;
    pool->waiting++;
    if (pool->waiting == 1)
        uv_timer_start(&pool->patience, on_patience, pool->wait_ms, 0);
    serve(pool);
    return 0;
}

void db_pool_cancel(struct db_wait *wait)
{
    leave_line(wait);
}

void db_pool_release(struct db_pool *pool, struct db_conn *conn)
{
    struct slot *slot = db_conn_owner(conn);
    db_conn_end(conn);
    if (pool->closing || !db_conn_reusable(conn)) {
        bool closing = pool->closing;
        drop_slot(slot); /* may have been the last of a closing pool */
        if (closing)
            return;
    } else {
        put_idle(slot);
        pool->back = slot;
    }
    serve(pool);
    pool->back = NULL;
}

struct db_pool_stats db_pool_stats(const struct db_pool *pool)
{
    return (struct db_pool_stats){
        .open = pool->open,
        .idle = pool->free,
        .waiting = pool->waiting,
        .waits = pool->waits,
        .waited_ms = pool->waited_ms,
        .refused = pool->refused,
    };
}
