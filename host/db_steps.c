/* libmariadb's non-blocking calls, driven by one poll and one timer.
 *
 * An operation is a chain of steps; each is a _start call and as many _cont calls as the
 * library asks for. `step` says which one is under way, STEP_NONE that nothing is. db_run()
 * is the only place that goes from step to step; step_done() decides where to.
 *
 * Invariants:
 * - The poll watches READABLE between operations too, so a server that went away is
 * noticed at once, and a query needs no epoll call at all. It is stopped right after a
 * fatal error: the library has closed the descriptor by then.
 * - The library sets no time-outs of its own. Ours ends an operation by telling it that
 * the wait timed out; such a connection is broken for good.
 * - A statement is executed again after "table was altered" only if that changes nothing.
 * - Rows stay in the library's memory; cells point into it. */
#include "db_steps.h"
#include "db_wire.h"
#include "mem.h"
#include <errmsg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ABANDON_TRIES = 8 }; /* _cont calls until the library has given up */

static int start_step(struct db_conn *conn)
{
    switch (conn->step) {
    case STEP_CONNECT:
        return mysql_real_connect_start(&conn->connected, conn->mysql, conn->host,
                                        conn->user, conn->password, conn->name,
                                        conn->port, conn->socket, 0);
    case STEP_CLOSE_STMT:
        return mysql_stmt_close_start(&conn->flag, conn->victim->handle);
    case STEP_PREPARE:
        return mysql_stmt_prepare_start(&conn->rc, conn->stmt->handle, conn->sql,
                                        conn->len);
    case STEP_EXECUTE:
        return mysql_stmt_execute_start(&conn->rc, conn->stmt->handle);
    case STEP_STORE:
        return mysql_stmt_store_result_start(&conn->rc, conn->stmt->handle);
    case STEP_TEXT:
        return mysql_real_query_start(&conn->rc, conn->mysql, conn->sql, conn->len);
    case STEP_TEXT_STORE:
        return mysql_store_result_start(&conn->result, conn->mysql);
    case STEP_NONE:
        break;
    }
    return 0;
}

static int continue_step(struct db_conn *conn, int ready)
{
    switch (conn->step) {
    case STEP_CONNECT:
        return mysql_real_connect_cont(&conn->connected, conn->mysql, ready);
    case STEP_CLOSE_STMT:
        return mysql_stmt_close_cont(&conn->flag, conn->victim->handle, ready);
    case STEP_PREPARE:
        return mysql_stmt_prepare_cont(&conn->rc, conn->stmt->handle, ready);
    case STEP_EXECUTE:
        return mysql_stmt_execute_cont(&conn->rc, conn->stmt->handle, ready);
    case STEP_STORE:
        return mysql_stmt_store_result_cont(&conn->rc, conn->stmt->handle, ready);
    case STEP_TEXT:
        return mysql_real_query_cont(&conn->rc, conn->mysql, ready);
    case STEP_TEXT_STORE:
        return mysql_store_result_cont(&conn->result, conn->mysql, ready);
    case STEP_NONE:
        break;
    }
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void db_unwatch(struct db_conn *conn)
{
    if (!conn->poll)
        return;
    uv_poll_stop(conn->poll);
    uv_close((uv_handle_t *)conn->poll, on_poll_closed);
    conn->poll = NULL;
    conn->events = 0;
}

void db_set_broken(struct db_conn *conn)
{
    conn->broken = true;
    db_unwatch(conn);
}

void db_settle(struct db_conn *conn)
{
    conn->step = STEP_NONE;
    if (conn->starting) {
        conn->settled = true;
        uv_timer_start(&conn->timer, db_on_timer, 0, 0);
        return;
    }
    conn->settled = false;
    uv_timer_stop(&conn->timer);
    conn->done(conn->arg, conn, conn->failed ? &conn->err : NULL);
}

/* Running it twice must be the same as once: only reading is. */
static bool is_repeatable(const char *sql, size_t len)
{
    static const char *const words[] = {"SELECT", "WITH", "SHOW"};
    while (len && (*sql == ' ' || *sql == '\n' || *sql == '\t' || *sql == '(')) {
        sql++;
        len--;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (len > strlen(words[i]) && strncasecmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static void on_cell(void *arg, unsigned column, unsigned char **row)
{
    struct db_stmt *stmt = arg;
    struct db_value *cell = &stmt->cells[column];
    if (!row) {
        cell->kind = DB_NULL;
        return;
    }
    const unsigned char *at = *row;
    db_wire_cell(&stmt->fields[column], &at, stmt->scratch + (size_t)column * DB_SCRATCH,
                 cell);
    *row += at - *row;
}

/* Takes the statement out of the cache and closes it as the next step. */
static enum step drop(struct db_conn *conn, struct db_stmt *stmt)
{
    db_stmts_remove(&conn->stmts, stmt);
    conn->victim = stmt;
    return STEP_CLOSE_STMT;
}

enum step db_start_prepare(struct db_conn *conn)
{
    if (conn->stmts.count >= DB_STMTS_MAX)
        return drop(conn, conn->stmts.oldest);
    conn->stmt = db_stmts_add(&conn->stmts, conn->sql, conn->len);
    conn->stmt->handle = mysql_stmt_init(conn->mysql);
    if (!conn->stmt->handle)
        abort(); /* out of memory */
    mysql_stmt_attr_set(conn->stmt->handle, STMT_ATTR_CB_USER_DATA, conn->stmt);
    mysql_stmt_attr_set(conn->stmt->handle, STMT_ATTR_CB_RESULT, (const void *)on_cell);
    return STEP_PREPARE;
}

enum step db_start_execute(struct db_conn *conn)
{
    struct db_stmt *stmt = conn->stmt;
    if (mysql_stmt_param_count(stmt->handle) != conn->count) {
        db_set_failure(conn, DB_SQL,
                       "the number of parameters is not that of the statement");
        return STEP_NONE;
    }
    db_stmt_bind(stmt, conn->params, conn->count);
    return STEP_EXECUTE;
}

/* With procedures further results would follow, and out-of-sync errors after them. */
static bool has_more(struct db_conn *conn)
{
    if (!mysql_more_results(conn->mysql))
        return false;
    db_set_failure(conn, DB_SQL, "a statement with several results");
    db_set_broken(conn);
    return true;
}

static enum step after_execute_failed(struct db_conn *conn)
{
    struct db_stmt *stmt = conn->stmt;
    unsigned number = mysql_stmt_errno(stmt->handle);
    if (number == CR_NEW_STMT_METADATA) {
        if (conn->altered || !is_repeatable(conn->sql, conn->len))
            db_set_failure(conn, DB_LOST,
                           "the statement ran, but its table was altered meanwhile "
                           "and the result cannot be read");
        conn->altered = true;
        return drop(conn, stmt);
    }
    if (db_note_failure(conn, number, mysql_stmt_error(stmt->handle))) {
        db_set_broken(conn);
        return STEP_NONE;
    }
    /* A statement that failed while its rows came would read on at the next execution. */
    return conn->step == STEP_STORE ? drop(conn, stmt) : STEP_NONE;
}

static enum step after_execute(struct db_conn *conn)
{
    MYSQL_STMT *handle = conn->stmt->handle;
    conn->affected = mysql_stmt_affected_rows(handle);
    conn->insert_id = mysql_stmt_insert_id(handle);
    unsigned columns = mysql_stmt_field_count(handle);
    /* Not the statement's own copy: that keeps the old names after an ALTER TABLE. */
    db_stmt_columns(conn->stmt,
                    conn->mysql->fields ? conn->mysql->fields
                                        : mariadb_stmt_fetch_fields(handle),
                    columns);
    if (columns)
        return STEP_STORE;
    has_more(conn);
    return STEP_NONE;
}

/* The step has ended: what it means, and the step to go on with; STEP_NONE ends it all.
 */
static enum step step_done(struct db_conn *conn)
{
    switch (conn->step) {
    case STEP_CONNECT:
        if (!conn->connected) {
            db_note_failure(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql));
            db_set_broken(conn);
        }
        return STEP_NONE;
    case STEP_CLOSE_STMT: {
        bool own = conn->victim == conn->stmt;
        db_stmt_free(conn->victim);
        conn->victim = NULL;
        if (own)
            conn->stmt = NULL;
        if (mysql_get_socket(conn->mysql) == MARIADB_INVALID_SOCKET) {
            if (!conn->failed)
                db_note_failure(conn, CR_SERVER_GONE_ERROR, "");
            db_set_broken(conn);
        }
        return conn->failed ? STEP_NONE : db_start_prepare(conn);
    }
    case STEP_PREPARE:
        if (conn->rc == 0)
            return db_start_execute(conn);
        if (db_note_failure(conn, mysql_stmt_errno(conn->stmt->handle),
                            mysql_stmt_error(conn->stmt->handle))) {
            db_set_broken(conn);
            return STEP_NONE;
        }
        return drop(conn, conn->stmt);
    case STEP_EXECUTE:
        return conn->rc ? after_execute_failed(conn) : after_execute(conn);
    case STEP_STORE:
        if (conn->rc)
            return after_execute_failed(conn);
        conn->affected = mysql_stmt_num_rows(conn->stmt->handle);
        conn->reading = !has_more(conn);
        return STEP_NONE;
    case STEP_TEXT:
        if (conn->rc == 0)
            return STEP_TEXT_STORE;
        if (db_note_failure(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql)))
            db_set_broken(conn);
        return STEP_NONE;
    case STEP_TEXT_STORE:
        if (conn->result)
            mysql_free_result(conn->result);
        else if (mysql_errno(conn->mysql) &&
                 db_note_failure(conn, mysql_errno(conn->mysql),
                                 mysql_error(conn->mysql)))
            db_set_broken(conn);
        conn->result = NULL;
        if (conn->failed || has_more(conn) || !conn->script)
            return STEP_NONE;
        conn->sql = conn->script;
        conn->len = conn->script_len;
        conn->script = NULL;
        return STEP_TEXT;
    case STEP_NONE:
        break;
    }
    return STEP_NONE;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct db_conn *conn, int wait)
{
    int events = (wait & MYSQL_WAIT_WRITE ? UV_WRITABLE : 0) |
                 (wait & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT) ? UV_READABLE : 0);
    int fd = (int)mysql_get_socket(conn->mysql);
    if (conn->poll && conn->fd != fd)
        db_unwatch(conn);
    if (!conn->poll) {
        conn->poll = mem_new(sizeof(*conn->poll));
        if (uv_poll_init(conn->loop, conn->poll, fd) != 0) {
            free(conn->poll);
            conn->poll = NULL; /* the deadline ends it */
            return;
        }
        conn->poll->data = conn;
        conn->fd = fd;
    }
    if (conn->events == events)
        return;
    conn->events = events;
    uv_poll_start(conn->poll, events, on_poll);
}

void db_run(struct db_conn *conn, int ready)
{
    int wait = ready ? continue_step(conn, ready) : start_step(conn);
    while (!wait) {
        conn->step = step_done(conn);
        if (conn->step == STEP_NONE) {
            if (!conn->broken)
                watch(conn, MYSQL_WAIT_READ);
            db_settle(conn);
            return;
        }
        wait = start_step(conn);
    }
    watch(conn, wait);
}

void db_abandon(struct db_conn *conn)
{
    db_set_broken(conn);
    for (int i = 0; i < ABANDON_TRIES; i++)
        if (!continue_step(conn, MYSQL_WAIT_TIMEOUT))
            break;
    if (conn->step == STEP_CLOSE_STMT) {
        if (conn->victim == conn->stmt)
            conn->stmt = NULL;
        db_stmt_free(conn->victim);
        conn->victim = NULL;
    }
    if (conn->step == STEP_TEXT_STORE && conn->result) {
        mysql_free_result(conn->result);
        conn->result = NULL;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct db_conn *conn = poll->data;
    if (conn->step != STEP_NONE) {
        /* An error is the library's to find and to name. */
        int ready = status < 0 ? MYSQL_WAIT_READ | MYSQL_WAIT_WRITE
                               : (events & UV_READABLE ? MYSQL_WAIT_READ : 0) |
                                     (events & UV_WRITABLE ? MYSQL_WAIT_WRITE : 0);
        if (status < 0)
            conn->events = 0; /* libuv has stopped it */
        db_run(conn, ready);
        return;
    }
    db_set_broken(
        conn); /* nothing was asked: this is the end, or an error announcing it */
    if (!conn->settled)
        conn->lost(conn->owner, conn);
}

void db_on_timer(uv_timer_t *timer)
{
    struct db_conn *conn = timer->data;
    if (conn->settled) {
        db_settle(conn);
        return;
    }
    bool connecting = conn->step == STEP_CONNECT;
    db_abandon(conn);
    db_set_failure(conn, connecting ? ERR_UNAVAILABLE : ERR_TIMEOUT,
                   connecting ? "the database does not answer"
                              : "the statement took too long");
    db_settle(conn);
}
