/* libmariadb's non-blocking calls, driven by one poll and one timer.
 *
 * An operation is a chain of steps; each is a _start call and as many _cont calls as the
 * library asks for. `step` says which one is under way, STEP_NONE that nothing is. run()
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
#include "db_conn.h"
#include "db_stmt.h"
#include "db_wire.h"
#include "mem.h"
#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    REPLY_GRACE_MS = 1000, /* the server ends a statement at its limit; later, it hangs */
    ABANDON_TRIES = 8,     /* _cont calls until the library has given up */
    IDLE_SECONDS = 600,    /* then the server closes it, whoever forgot it */
};

enum step {
    STEP_NONE,
    STEP_CONNECT,
    STEP_CLOSE_STMT,
    STEP_PREPARE,
    STEP_EXECUTE,
    STEP_STORE,
    STEP_TEXT,
    STEP_TEXT_STORE,
};

struct db_conn {
    MYSQL *mysql;
    uv_loop_t *loop;
    uv_timer_t timer; /* the deadline of the operation, or 0 ms to deliver its outcome */
    uv_poll_t *poll;  /* of its own: an address that fails takes its descriptor with it */
    int fd;           /* the one that `poll` watches */
    int events;
    enum step step;
    bool starting; /* inside the call that started the operation */
    bool settled;  /* ended inside that call; the timer delivers */
    bool failed;   /* `err` holds why */
    bool broken;   /* never again */
    bool altered;  /* the statement has been prepared anew once */
    bool used_up;  /* a script ran: not reusable */
    bool reading;  /* rows of `stmt` wait to be fetched */
    unsigned connect_timeout_ms, statement_timeout_ms;

    /* What the library returned in the step under way. */
    int rc;
    my_bool flag;
    MYSQL *connected;
    MYSQL_RES *result;

    const char *sql;
    size_t len;
    const char *script; /* to run after `sql`, or NULL */
    size_t script_len;
    const struct db_value *params;
    unsigned count;
    struct db_stmt *stmt;   /* the one that runs, or whose rows are being read */
    struct db_stmt *victim; /* being closed */
    struct db_stmts stmts;
    uint64_t affected, insert_id;

    db_done_cb done;
    void *arg;
    db_lost_cb lost;
    void *owner;
    struct db_err err;

    char *host, *user, *password, *name,
        *socket; /* the library reads them while connecting */
    unsigned port;
};

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

static void unwatch(struct db_conn *conn)
{
    if (!conn->poll)
        return;
    uv_poll_stop(conn->poll);
    uv_close((uv_handle_t *)conn->poll, on_poll_closed);
    conn->poll = NULL;
    conn->events = 0;
}

static void set_broken(struct db_conn *conn)
{
    conn->broken = true;
    unwatch(conn);
}

/* DUPLICATE's message ends in: for key 'name'. The value before it may hold quotes
 * itself. */
static void find_key(struct db_err *err)
{
    static const char marker[] = " for key '";
    const char *key = NULL;
    for (const char *at = err->base.message; (at = strstr(at, marker)); at++)
        key = at + sizeof(marker) - 1;
    size_t len = key ? strlen(key) : 0;
    if (len && key[len - 1] == '\'')
        len--;
    if (len >= sizeof(err->key))
        len = 0;
    if (len)
        memcpy(err->key, key, len);
    err->key[len] = '\0';
}

static const char *code_of(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
        return DB_DUPLICATE;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
        return DB_DEADLOCK;
    case ER_BAD_NULL_ERROR:
    case ER_NO_REFERENCED_ROW:
    case ER_NO_REFERENCED_ROW_2:
    case ER_ROW_IS_REFERENCED:
    case ER_ROW_IS_REFERENCED_2:
    case ER_CONSTRAINT_FAILED:
        return DB_CONSTRAINT;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
        return ERR_DISK_FULL;
    case ER_STATEMENT_TIMEOUT:
        return ERR_TIMEOUT;
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
        return DB_LOST;
    default:
        return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? DB_LOST : DB_SQL;
    }
}

/* Notes the failure of the step; true when the connection did not survive it. */
static bool note_failure(struct db_conn *conn, unsigned number, const char *message)
{
    struct db_err *err = &conn->err;
    conn->failed = true;
    err->number = number;
    err->key[0] = '\0';
    const char *code = code_of(number);
    bool fatal = strcmp(code, DB_LOST) == 0 ||
                 mysql_get_socket(conn->mysql) == MARIADB_INVALID_SOCKET;
    err->unsent = fatal && (number == CR_SERVER_GONE_ERROR ||
                            conn->step == STEP_PREPARE || conn->step == STEP_CLOSE_STMT);
    if (conn->step == STEP_CONNECT || err->unsent)
        code = ERR_UNAVAILABLE;
    err_set(&err->base, code, "%s", *message ? message : "connection lost");
    if (number == ER_DUP_ENTRY)
        find_key(err);
    return fatal;
}

static void set_failure(struct db_conn *conn, const char *code, const char *message)
{
    conn->failed = true;
    conn->err.number = 0;
    conn->err.unsent = false;
    conn->err.key[0] = '\0';
    err_set(&conn->err.base, code, "%s", message);
}

static void on_timer(uv_timer_t *timer);

/* Ends the operation: the outcome is in failed and err. */
static void settle(struct db_conn *conn)
{
    conn->step = STEP_NONE;
    if (conn->starting) {
        conn->settled = true;
        uv_timer_start(&conn->timer, on_timer, 0, 0);
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

static enum step start_prepare(struct db_conn *conn)
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

static enum step start_execute(struct db_conn *conn)
{
    struct db_stmt *stmt = conn->stmt;
    if (mysql_stmt_param_count(stmt->handle) != conn->count) {
        set_failure(conn, DB_SQL,
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
    set_failure(conn, DB_SQL, "a statement with several results");
    set_broken(conn);
    return true;
}

static enum step after_execute_failed(struct db_conn *conn)
{
    struct db_stmt *stmt = conn->stmt;
    unsigned number = mysql_stmt_errno(stmt->handle);
    if (number == CR_NEW_STMT_METADATA) {
        if (conn->altered || !is_repeatable(conn->sql, conn->len))
            set_failure(conn, DB_LOST,
                        "the statement ran, but its table was altered meanwhile "
                        "and the result cannot be read");
        conn->altered = true;
        return drop(conn, stmt);
    }
    if (note_failure(conn, number, mysql_stmt_error(stmt->handle))) {
        set_broken(conn);
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
            note_failure(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql));
            set_broken(conn);
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
                note_failure(conn, CR_SERVER_GONE_ERROR, "");
            set_broken(conn);
        }
        return conn->failed ? STEP_NONE : start_prepare(conn);
    }
    case STEP_PREPARE:
        if (conn->rc == 0)
            return start_execute(conn);
        if (note_failure(conn, mysql_stmt_errno(conn->stmt->handle),
                         mysql_stmt_error(conn->stmt->handle))) {
            set_broken(conn);
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
        if (note_failure(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql)))
            set_broken(conn);
        return STEP_NONE;
    case STEP_TEXT_STORE:
        if (conn->result)
            mysql_free_result(conn->result);
        else if (mysql_errno(conn->mysql) &&
                 note_failure(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql)))
            set_broken(conn);
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
        unwatch(conn);
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

/* Starts (`ready` 0) or continues the step under way, and whatever follows from it, until
 * the library waits for the server or the operation ends. */
static void run(struct db_conn *conn, int ready)
{
    int wait = ready ? continue_step(conn, ready) : start_step(conn);
    while (!wait) {
        conn->step = step_done(conn);
        if (conn->step == STEP_NONE) {
            if (!conn->broken)
                watch(conn, MYSQL_WAIT_READ);
            settle(conn);
            return;
        }
        wait = start_step(conn);
    }
    watch(conn, wait);
}

/* Ends the step under way for the library; the connection is lost. */
static void abandon(struct db_conn *conn)
{
    set_broken(conn);
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
        run(conn, ready);
        return;
    }
    set_broken(conn); /* nothing was asked: this is the end, or an error announcing it */
    if (!conn->settled)
        conn->lost(conn->owner, conn);
}

static void on_timer(uv_timer_t *timer)
{
    struct db_conn *conn = timer->data;
    if (conn->settled) {
        settle(conn);
        return;
    }
    bool connecting = conn->step == STEP_CONNECT;
    abandon(conn);
    set_failure(conn, connecting ? ERR_UNAVAILABLE : ERR_TIMEOUT,
                connecting ? "the database does not answer"
                           : "the statement took too long");
    settle(conn);
}

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
        uv_timer_start(&conn->timer, on_timer, timeout_ms, 0);
    if (conn->broken) {
        set_failure(conn, ERR_UNAVAILABLE, "the connection was lost");
        conn->err.unsent = true;
    }
}

static void go(struct db_conn *conn, enum step step)
{
    conn->step = step;
    if (step == STEP_NONE)
        settle(conn);
    else
        run(conn, 0);
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
        abandon(conn);
    unwatch(conn);
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
        step = conn->stmt ? start_execute(conn) : start_prepare(conn);
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
