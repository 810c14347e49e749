/* Lua: host.db - the process's connections to MariaDB
 *
 *   db.query(sql, ...) -> rows | nil, err        one statement on a free connection
 * (waits) db.begin{read_only=} -> tx | nil, err        holds a connection, transaction
 * open (waits) tx:query(sql, ...) -> rows | nil, err (waits) tx:commit() -> true | nil,
 * err               ends it                              (waits) tx:rollback() -> true
 * ends it                              (waits) db.execute_script(sql) -> true | nil, err
 * one statement of DDL, no time limit  (waits) db.stats() -> {open=, idle=, waiting=}
 *   db.null                                      NULL among the parameters, like nil
 *
 * Parameters: string, number (integers as BIGINT, else DOUBLE), boolean, nil, db.null; as
 * many as the statement has `?`. rows = {{column = value}..., affected = n, insert_id =
 * n}; a NULL is an absent column. Integers and decimals come as numbers, TINYINT(1) as
 * boolean, DATETIME as "2026-11-20T09:12:44.120Z", DATE as "2026-11-20", everything else
 * as string.
 *
 * err.code: UNAVAILABLE (not sent, or no connection), LOST (sent, outcome unknown),
 * DUPLICATE (err.key: the index), DEADLOCK, CONSTRAINT, TIMEOUT, SQL; err.errno is the
 * server's number. After DEADLOCK a transaction only rolls back. A transaction belongs to
 * the task that began it; if that ends first, the transaction is rolled back.
 *
 * Invariants: an op is one wait of one task; it owns copies of everything Lua gave. An op
 * holds a connection exactly while `conn` is set. A cancelled op's connection is in the
 * middle of something, so releasing it closes it. A tx is anchored in the registry until
 * it ends, so its memory, which the task's list of clean-ups points into, is never
 * collected before. */
#include "db_pool.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TX_TYPE "host.db.tx"

enum kind { QUERY, SCRIPT, BEGIN, COMMIT, ROLLBACK };

struct tx {
    struct task_defer defer;
    struct db_pool *pool;
    struct db_conn *conn; /* NULL once lost or ended */
    struct task *task;    /* NULL once ended */
    lua_State *L;         /* the vm's main state, for `ref` */
    int ref;
    bool doomed; /* the server rolled back already: further statements would stick */
};

struct op {
    struct db_wait wait;
    enum kind kind;
    bool retried;
    struct task *task;
    struct db_pool *pool;
    struct db_conn *conn;     /* NULL while in line */
    struct tx *tx;            /* NULL when the connection is the pool's */
    const struct db_err *err; /* while push_outcome runs */
    const char *sql;
    size_t len;
    unsigned count;
    struct db_value params[]; /* their texts and the statement are behind them */
};

/* The number of `?` outside of quotes and comments. */
static unsigned count_marks(const char *at, const char *end)
{
    unsigned marks = 0;
    while (at < end) {
        char c = *at++;
        if (c == '?') {
            marks++;
        } else if (c == '\'' || c == '"' || c == '`') {
            while (at < end && *at != c)
                at += (*at == '\\' && c != '`' && at + 1 < end) ? 2 : 1;
            at++;
        } else if (c == '#' ||
                   (c == '-' && at + 1 < end && at[0] == '-' && at[1] <= ' ')) {
            while (at < end && *at != '\n')
                at++;
        } else if (c == '/' && at < end && *at == '*') {
            const char *close = memmem(at + 1, (size_t)(end - at) - 1, "*/", 2);
            at = close ? close + 2 : end;
        }
    }
    return marks;
}

/* Whether the argument can be a parameter; raises if not. Returns the bytes of its text.
 */
static size_t check_param(lua_State *L, int arg)
{
    size_t len = 0;
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        lua_tolstring(L, arg, &len);
        break;
    case LUA_TNUMBER:
        luaL_argcheck(L, isfinite(lua_tonumber(L, arg)), arg, "not a finite number");
        break;
    case LUA_TNIL:
    case LUA_TBOOLEAN:
        break;
    case LUA_TLIGHTUSERDATA:
        luaL_argcheck(L, !lua_touserdata(L, arg), arg, "not a value for the database");
        break;
    default:
        luaL_argerror(L, arg, "not a value for the database");
    }
    return len;
}

/* Copies the argument; its text goes to `text`, whose end is returned. */
static char *take_param(lua_State *L, int arg, struct db_value *value, char *text)
{
    switch (lua_type(L, arg)) {
    case LUA_TSTRING: {
        const char *data = lua_tolstring(L, arg, &value->len);
        value->kind = DB_TEXT;
        value->text = text;
        memcpy(text, data, value->len);
        return text + value->len;
    }
    case LUA_TNUMBER: {
        double number = lua_tonumber(L, arg);
        if (number == floor(number) && fabs(number) < 9.2e18) {
            value->kind = DB_INTEGER;
            value->integer = (int64_t)number;
        } else {
            value->kind = DB_NUMBER;
            value->number = number;
        }
        return text;
    }
    case LUA_TBOOLEAN:
        value->kind = DB_BOOLEAN;
        value->integer = lua_toboolean(L, arg);
        return text;
    default:
        value->kind = DB_NULL;
        return text;
    }
}

/* An op with the statement at `arg` and the parameters behind it; raises on what is
 * wrong. */
static struct op *op_new(lua_State *L, enum kind kind, struct db_pool *pool, int arg)
{
    struct task *task = task_current(L);
    size_t len;
    const char *sql = luaL_checklstring(L, arg, &len);
    unsigned count = (unsigned)(lua_gettop(L) - arg);
    size_t bytes = len;
    for (unsigned i = 0; i < count; i++)
        bytes += check_param(L, arg + 1 + (int)i);
    unsigned marks = kind == QUERY ? count_marks(sql, sql + len) : count;
    if (marks != count)
        luaL_error(L, "%d parameters for %d placeholders: %s", (int)count, (int)marks,
                   sql);
    struct op *op = mem_new(sizeof(*op) + count * sizeof(op->params[0]) + bytes);
    char *text = (char *)&op->params[count];
    op->kind = kind;
    op->task = task;
    op->pool = pool;
    op->sql = memcpy(text, sql, len);
    op->len = len;
    op->count = count;
    text += len;
    for (unsigned i = 0; i < count; i++)
        text = take_param(L, arg + 1 + (int)i, &op->params[i], text);
    return op;
}

static struct op *op_fixed(lua_State *L, enum kind kind, struct db_pool *pool,
                           const char *sql)
{
    struct op *op = mem_new(sizeof(*op));
    op->kind = kind;
    op->task = task_current(L);
    op->pool = pool;
    op->sql = sql; /* static */
    op->len = strlen(sql);
    return op;
}

static int push_failure(lua_State *L, const struct db_err *err)
{
    int results = lua_fail(L, &err->base);
    if (err->number) {
        lua_pushnumber(L, err->number);
        lua_setfield(L, -2, "errno");
    }
    if (err->key[0]) {
        lua_pushstring(L, err->key);
        lua_setfield(L, -2, "key");
    }
    return results;
}

static void push_value(lua_State *L, const struct db_value *value)
{
    switch (value->kind) {
    case DB_BOOLEAN:
        lua_pushboolean(L, value->integer != 0);
        break;
    case DB_INTEGER:
        lua_pushnumber(L, (lua_Number)value->integer);
        break;
    case DB_NUMBER:
        lua_pushnumber(L, value->number);
        break;
    case DB_TEXT:
        lua_pushlstring(L, value->text, value->len);
        break;
    case DB_NULL:
        lua_pushnil(L);
        break;
    }
}

/* The names are put on the stack once, so that each row costs no hashing of them. */
static int push_rows(lua_State *L, struct db_conn *conn)
{
    unsigned columns = db_conn_columns(conn);
    if (!lua_checkstack(L, (int)columns + 8))
        return lua_fail_code(L, DB_SQL, "too many columns");
    uint64_t count = columns ? db_conn_affected(conn) : 0;
    lua_createtable(L, count < 10000 ? (int)count : 10000, 2);
    int rows = lua_gettop(L);
    for (unsigned i = 0; i < columns; i++) {
        size_t len;
        const char *name = db_conn_column(conn, i, &len);
        lua_pushlstring(L, name, len);
    }
    const struct db_value *cells;
    for (int n = 1; (cells = db_conn_fetch(conn)); n++) {
        lua_createtable(L, 0, (int)columns);
        for (unsigned i = 0; i < columns; i++) {
            if (cells[i].kind == DB_NULL)
                continue;
            lua_pushvalue(L, rows + 1 + (int)i);
            push_value(L, &cells[i]);
            lua_rawset(L, -3);
        }
        lua_rawseti(L, rows, n);
    }
    lua_settop(L, rows);
    lua_pushnumber(L, (lua_Number)db_conn_affected(conn));
    lua_setfield(L, rows, "affected");
    lua_pushnumber(L, (lua_Number)db_conn_insert_id(conn));
    lua_setfield(L, rows, "insert_id");
    db_conn_end(conn);
    return 1;
}

/* It is Lua's garbage from now on. */
static void tx_end(struct tx *tx)
{
    task_undefer(&tx->defer);
    tx->defer.run = NULL; /* the first word: __tostring says "closed" */
    if (tx->conn)
        db_pool_release(tx->pool, tx->conn);
    tx->conn = NULL;
    tx->task = NULL;
    luaL_unref(tx->L, LUA_REGISTRYINDEX, tx->ref);
}

static void on_rolled_back(void *arg, struct db_conn *conn, const struct db_err *err)
{
    struct db_pool *pool = arg;
    (void)err; /* whatever it was: the connection knows whether it is usable */
    db_pool_release(pool, conn);
}

/* The task ended and left the transaction open. */
static void tx_abandoned(struct task_defer *node)
{
    struct tx *tx = (struct tx *)node; /* its first member */
    struct db_conn *conn = tx->conn;
    tx->conn = NULL;
    tx_end(tx);
    if (conn && db_conn_reusable(conn))
        db_conn_text(conn, "ROLLBACK", strlen("ROLLBACK"), on_rolled_back, tx->pool);
    else if (conn)
        db_pool_release(tx->pool, conn);
}

static int push_tx(lua_State *L, struct op *op)
{
    struct tx *tx = lua_newuserdata(L, sizeof(*tx));
    *tx = (struct tx){.pool = op->pool, .conn = op->conn, .task = op->task};
    luaL_getmetatable(L, TX_TYPE);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    tx->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    tx->L = vm_from(L)->L;
    tx->defer.run = tx_abandoned;
    task_defer(op->task, &tx->defer);
    op->conn = NULL;
    return 1;
}

static int push_success(lua_State *L, struct op *op)
{
    switch (op->kind) {
    case QUERY:
        return push_rows(L, op->conn);
    case BEGIN:
        return push_tx(L, op);
    default:
        lua_pushboolean(L, 1);
        return 1;
    }
}

/* Lets the connection go before the task goes on. */
static int push_outcome(lua_State *L, void *arg)
{
    struct op *op = arg;
    struct tx *tx = op->tx;
    const struct db_err *err = op->err;
    int results;
    if (!err) {
        results = push_success(L, op);
    } else if (op->kind == ROLLBACK) { /* rolled back in any case */
        lua_pushboolean(L, 1);
        results = 1;
    } else {
        results = push_failure(L, err);
    }
    if (tx && err && strcmp(err->base.code, DB_DEADLOCK) == 0)
        tx->doomed = true;
    if (tx && op->kind != QUERY && err)
        tx_abandoned(&tx->defer);
    else if (tx && op->kind != QUERY)
        tx_end(tx);
    else if (!tx && op->conn)
        db_pool_release(op->pool, op->conn);
    free(op);
    return results;
}

static void on_done(void *arg, struct db_conn *conn, const struct db_err *err);

static void dispatch(struct op *op, struct db_conn *conn)
{
    op->conn = conn;
    if (op->kind == QUERY)
        db_conn_query(conn, op->sql, op->len, op->params, op->count, on_done, op);
    else if (op->kind == SCRIPT)
        db_conn_script(conn, op->sql, op->len, on_done, op);
    else
        db_conn_text(conn, op->sql, op->len, on_done, op);
}

static void on_ready(struct db_wait *wait, struct db_conn *conn, const struct err *err)
{
    struct op *op = (struct op *)wait; /* its first member */
    if (conn) {
        dispatch(op, conn);
        return;
    }
    struct db_err failure = {.base = *err};
    op->err = &failure;
    task_wake(op->task, push_outcome, op);
}

/* -1 when no connection is to be had; the op is as before. */
static int acquire(struct op *op, struct err *err)
{
    struct db_conn *conn;
    op->wait.ready = on_ready;
    int rc = db_pool_acquire(op->pool, &op->wait, &conn, err);
    if (rc == 1)
        dispatch(op, conn);
    return rc;
}

static void on_done(void *arg, struct db_conn *conn, const struct db_err *err)
{
    struct op *op = arg;
    struct db_err failure;
    if (err && err->unsent && !op->tx && !op->retried) {
        op->retried = true;
        op->conn = NULL;
        db_pool_release(op->pool, conn);
        failure = (struct db_err){0};
        if (acquire(op, &failure.base) >= 0)
            return;
        err = &failure;
    }
    op->err = err;
    task_wake(op->task, push_outcome, op);
}

static void op_cancel(void *arg)
{
    struct op *op = arg;
    if (!op->conn)
        db_pool_cancel(&op->wait);
    else
        db_pool_release(op->pool, op->conn);
    if (op->tx)
        op->tx->conn = NULL;
    free(op);
}

static int run_pooled(lua_State *L, struct op *op)
{
    struct err err;
    if (acquire(op, &err) >= 0)
        return task_wait(L, op_cancel, op);
    free(op);
    return lua_fail(L, &err);
}

static struct db_pool *check_pool(lua_State *L)
{
    struct db_pool *pool = vm_host(L)->db;
    if (!pool)
        luaL_error(L, "this process has no database connections");
    return pool;
}

/* Each of these asks task_over first: a statement that is sent and then not waited for would
 * run all the same. */

static int l_query(lua_State *L)
{
    int over = task_over(L);
    if (over)
        return over;
    return run_pooled(L, op_new(L, QUERY, check_pool(L), 1));
}

static int l_execute_script(lua_State *L)
{
    struct db_pool *pool = check_pool(L);
    int over = task_over(L);
    if (over)
        return over;
    lua_settop(L, 1);
    return run_pooled(L, op_new(L, SCRIPT, pool, 1));
}

static int l_begin(lua_State *L)
{
    struct db_pool *pool = check_pool(L);
    int read_only = opt_boolean(L, 1, "read_only", 0);
    int over = task_over(L);
    if (over)
        return over;
    return run_pooled(
        L, op_fixed(L, BEGIN, pool,
                    read_only ? "START TRANSACTION READ ONLY" : "START TRANSACTION"));
}

static int l_stats(lua_State *L)
{
    struct db_pool_stats stats = db_pool_stats(check_pool(L));
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, stats.open);
    lua_setfield(L, -2, "open");
    lua_pushnumber(L, stats.idle);
    lua_setfield(L, -2, "idle");
    lua_pushnumber(L, stats.waiting);
    lua_setfield(L, -2, "waiting");
    return 1;
}

static struct tx *check_tx(lua_State *L)
{
    struct tx *tx = luaL_checkudata(L, 1, TX_TYPE);
    if (!tx->task)
        luaL_error(L, "the transaction has ended");
    if (tx->task != task_current(L))
        luaL_error(L, "the transaction belongs to another task");
    return tx;
}

static int run_held(lua_State *L, struct tx *tx, struct op *op)
{
    op->tx = tx;
    dispatch(op, tx->conn);
    return task_wait(L, op_cancel, op);
}

static int tx_query(lua_State *L)
{
    struct tx *tx = check_tx(L);
    int over = task_over(L);
    if (over)
        return over;
    if (!tx->conn)
        return lua_fail_code(L, DB_LOST, "the transaction's connection was lost");
    if (tx->doomed)
        return lua_fail_code(L, DB_DEADLOCK, "the transaction was rolled back");
    return run_held(L, tx, op_new(L, QUERY, tx->pool, 2));
}

static int tx_commit(lua_State *L)
{
    struct tx *tx = check_tx(L);
    int over = task_over(L);
    if (over)
        return over; /* the end of the task rolls back */
    if (!tx->conn) {
        tx_end(tx);
        return lua_fail_code(L, DB_LOST, "the transaction's connection was lost");
    }
    if (tx->doomed) {
        tx_abandoned(&tx->defer);
        return lua_fail_code(L, DB_DEADLOCK, "the transaction was rolled back");
    }
    return run_held(L, tx, op_fixed(L, COMMIT, tx->pool, "COMMIT"));
}

static int tx_rollback(lua_State *L)
{
    struct tx *tx = check_tx(L);
    if (!tx->conn) {
        tx_end(tx);
        lua_pushboolean(L, 1);
        return 1;
    }
    return run_held(L, tx, op_fixed(L, ROLLBACK, tx->pool, "ROLLBACK"));
}

static const luaL_Reg functions[] = {
    {"query", l_query}, {"begin", l_begin}, {"execute_script", l_execute_script},
    {"stats", l_stats}, {NULL, NULL},
};

static const luaL_Reg tx_methods[] = {
    {"query", tx_query},
    {"commit", tx_commit},
    {"rollback", tx_rollback},
    {NULL, NULL},
};

int luaopen_host_db(lua_State *L)
{
    box_type(L, TX_TYPE, tx_methods, NULL);
    lua_module(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
