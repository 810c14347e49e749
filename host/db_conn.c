/* The life of a connection, and the beginning of each operation; db_steps.c carries it
 * on. */
#include "db_conn.h"
#include "db_steps.h"
#include "mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    REPLY_GRACE_MS = 1000, /* the server ends a statement at its limit; later, it hangs */
    IDLE_SECONDS = 600,    /* then the server closes it, whoever forgot it */
};

/* What every operation begins with; `go` must follow. */
static void begin(struct db_conn *conn, unsigned timeout_ms, db_done_cb done, void *arg)
{
    conn->done = done;
    conn->arg = arg;
    conn->failed = false;
    conn->altered = false;
    conn->script = NULL;
    conn->affected = 0;
    conn->insert_id = 0;
    conn->starting = true;
    if (timeout_ms)
        uv_timer_start(&conn->timer, db_on_timer, timeout_ms, 0);
    if (conn->broken) {
        db_set_failure(conn, ERR_UNAVAILABLE, "the connection was lost");
        conn->err.unsent = true;
    }
}

static void go(struct db_conn *conn, enum step step)
{
    conn->step = step;
    if (step == STEP_NONE)
        db_settle(conn);
    else
        db_run(conn, 0);
    conn->starting = false;
}

/* One round trip instead of five; runs while connecting. */
static void set_session(struct db_conn *conn)
{
    char init[512];
    snprintf(
        init, sizeof(init),
        "SET time_zone='+00:00',sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
        "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',tx_isolation='READ-COMMITTED'"
        ","
        "wait_timeout=%d,max_statement_time=%u.%03u",
        IDLE_SECONDS, conn->statement_timeout_ms / 1000,
        conn->statement_timeout_ms % 1000);
    unsigned local_infile = 0;
    mysql_options(conn->mysql, MYSQL_OPT_NONBLOCK, 0);
    mysql_options(conn->mysql, MYSQL_OPT_LOCAL_INFILE, &local_infile);
    mysql_options(conn->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(conn->mysql, MYSQL_INIT_COMMAND, init);
}

static char *copy_or_null(const char *text)
{
    return *text ? mem_strdup(text) : NULL;
}

struct db_conn *db_conn_open(uv_loop_t *loop, const struct db_target *target,
                             db_done_cb opened, db_lost_cb lost, void *owner)
{
    struct db_conn *conn = mem_new(sizeof(*conn));
    conn->loop = loop;
    conn->lost = lost;
    conn->owner = owner;
    conn->socket = copy_or_null(target->socket);
    conn->host = conn->socket ? NULL : copy_or_null(target->host);
    conn->port = target->port;
    conn->user = copy_or_null(target->user);
    conn->password = copy_or_null(target->password);
    conn->name = copy_or_null(target->name);
    conn->connect_timeout_ms = target->connect_timeout_ms;
    conn->statement_timeout_ms = target->statement_timeout_ms;
    uv_timer_init(loop, &conn->timer);
    conn->timer.data = conn;
    conn->mysql = mysql_init(NULL);
    if (!conn->mysql)
        abort(); /* out of memory */
    set_session(conn);
    begin(conn, conn->connect_timeout_ms, opened, owner);
    go(conn, STEP_CONNECT);
    return conn;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void db_conn_close(struct db_conn *conn)
{
    if (conn->step != STEP_NONE)
        db_abandon(conn);
    db_unwatch(conn);
    mysql_close(conn->mysql);
    /* After the connection: so nothing is sent for each of them. */
    while (conn->stmts.newest) {
        struct db_stmt *stmt = conn->stmts.newest;
        db_stmts_remove(&conn->stmts, stmt);
        mysql_stmt_close(stmt->handle);
        db_stmt_free(stmt);
    }
    free(conn->socket);
    free(conn->host);
    free(conn->user);
    free(conn->password);
    free(conn->name);
    uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
}

void *db_conn_owner(const struct db_conn *conn)
{
    return conn->owner;
}

bool db_conn_reusable(const struct db_conn *conn)
{
    return !conn->broken && !conn->used_up && conn->step == STEP_NONE && !conn->settled;
}

bool db_conn_alive(const struct db_conn *conn)
{
    char byte;
    return !conn->broken && recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EINTR);
}

void db_conn_query(struct db_conn *conn, const char *sql, size_t len,
                   const struct db_value *params, unsigned count, db_done_cb done,
                   void *arg)
{
    unsigned limit = conn->statement_timeout_ms;
    begin(conn, limit ? limit + REPLY_GRACE_MS : 0, done, arg);
    conn->sql = sql;
    conn->len = len;
    conn->params = params;
    conn->count = count;
    enum step step = STEP_NONE;
    if (!conn->failed) {
        conn->stmt = db_stmts_find(&conn->stmts, sql, len);
        step = conn->stmt ? db_start_execute(conn) : db_start_prepare(conn);
    }
    go(conn, step);
}

void db_conn_text(struct db_conn *conn, const char *sql, size_t len, db_done_cb done,
                  void *arg)
{
    unsigned limit = conn->statement_timeout_ms;
    begin(conn, limit ? limit + REPLY_GRACE_MS : 0, done, arg);
    conn->sql = sql;
    conn->len = len;
    go(conn, conn->failed ? STEP_NONE : STEP_TEXT);
}

void db_conn_script(struct db_conn *conn, const char *sql, size_t len, db_done_cb done,
                    void *arg)
{
    static const char unlimited[] = "SET max_statement_time=0";
    begin(conn, 0, done, arg);
    conn->used_up = true;
    conn->sql = unlimited;
    conn->len = sizeof(unlimited) - 1;
    conn->script = sql;
    conn->script_len = len;
    go(conn, conn->failed ? STEP_NONE : STEP_TEXT);
}

unsigned db_conn_columns(const struct db_conn *conn)
{
    return conn->reading ? conn->stmt->columns : 0;
}

const char *db_conn_column(const struct db_conn *conn, unsigned column, size_t *len)
{
    *len = conn->stmt->fields[column].name_length;
    return conn->stmt->fields[column].name;
}

uint64_t db_conn_affected(const struct db_conn *conn)
{
    return conn->affected;
}

uint64_t db_conn_insert_id(const struct db_conn *conn)
{
    return conn->insert_id;
}

const struct db_value *db_conn_fetch(struct db_conn *conn)
{
    if (!conn->reading || mysql_stmt_fetch(conn->stmt->handle) != 0)
        return NULL;
    return conn->stmt->cells;
}

void db_conn_end(struct db_conn *conn)
{
    if (!conn->reading)
        return;
    conn->reading = false;
    /* The library frees nothing when all rows have been read: go back to the first. Without
     * rows the opposite holds: unless the end has been read, the next execution waits for
     * rows that the server has no reason to send. */
    if (mysql_stmt_num_rows(conn->stmt->handle))
        mysql_stmt_data_seek(conn->stmt->handle, 0);
    else
        mysql_stmt_fetch(conn->stmt->handle);
    mysql_stmt_free_result(conn->stmt->handle);
}
