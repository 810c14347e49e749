/* Lua: host.db - the process's connections to MariaDB
 *
 *   db.query(sql, ...) -> rows | nil, err        one statement on a free connection (waits)
 *   db.transact(sql, ...) -> rows | nil, err     one that begins and ends a transaction
 *                                                                                   (waits)
 *   db.begin{read_only=} -> tx | nil, err        holds a connection, transaction open
 *                                                                                   (waits)
 *   db.begin(sql, ...) -> tx | nil, err          by a statement that begins one     (waits)
 *   tx:query(sql, ...) -> rows | nil, err                                           (waits)
 *   tx:commit(sql, ...) -> true | nil, err       ends it; with a statement, that does: it
 *                                                must end with COMMIT               (waits)
 *   tx:rollback() -> true                        ends it                            (waits)
 *   db.execute_script(sql) -> true | nil, err    one statement of DDL, no time limit
 *                                                                                   (waits)
 *   db.stats() -> {open=, idle=, waiting=}
 *   db.null                                      NULL among the parameters, like nil
 *   db.shape{fields, keep = {columns}, lines = shape, when = column, open =} -> shape
 *                                                 rows as JSON objects, in this order of keys.
 *       A field is {key, column, json =, is_null =, before =, after =, only =, begins =} (see
 *       db_shape.h; `json` and `is_null` are booleans) or {key, {fields}} for an object in it.
 *       With `open` an object lacks its last brace, for whoever adds fields to the text
 *   db.text_of(shape, ...) -> text                an object of these values, one for each field
 *                                                 but objects; as parameters are, JSON as text
 *   db.query_shaped(shape, max, sql, ...) -> text, count, kept, lines | nil, err (waits)
 *       text: the objects of the first `max` rows with commas between them; count: of all rows;
 *       kept: {column = value} of the last row that was written, nil without one. A shape with
 *       `lines` writes the first row, and of each row in which `when` is no NULL a line
 *   tx:query_shaped(shape, max, sql, ...)        the same in the transaction     (waits)
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
 * the task that began it; if that ends first, the transaction is rolled back. */
#include "lua_db.h"
#include "lua_bindings.h"
#include "lua_util.h"
#include "lua_vm.h"
#include <stdlib.h>
#include <string.h>

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

static int push_success(lua_State *L, struct op *op)
{
    switch (op->kind) {
    case OP_QUERY:
        return push_result(L, op);
    case OP_BEGIN:
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
    } else if (op->kind == OP_ROLLBACK) { /* rolled back in any case */
        lua_pushboolean(L, 1);
        results = 1;
    } else {
        results = push_failure(L, err);
    }
    if (tx && err && strcmp(err->base.code, DB_DEADLOCK) == 0)
        tx->doomed = true;
    if (tx && op->kind != OP_QUERY && err)
        tx_abandoned(&tx->defer);
    else if (tx && op->kind != OP_QUERY)
        tx_end(tx);
    else if (!tx && op->conn && op->whole && err)
        roll_back(op->pool, op->conn);
    else if (!tx && op->conn)
        db_pool_release(op->pool, op->conn);
    op_free(op);
    return results;
}

static void on_done(void *arg, struct db_conn *conn, const struct db_err *err);

void op_dispatch(struct op *op, struct db_conn *conn)
{
    op->conn = conn;
    if (op->kind == OP_QUERY || op->whole)
        db_conn_query(conn, op->sql, op->len, op->params, op->count, on_done, op);
    else if (op->kind == OP_SCRIPT)
        db_conn_script(conn, op->sql, op->len, on_done, op);
    else
        db_conn_text(conn, op->sql, op->len, on_done, op);
}

static void on_ready(struct db_wait *wait, struct db_conn *conn, const struct err *err)
{
    struct op *op = (struct op *)wait; /* its first member */
    if (conn) {
        op_dispatch(op, conn);
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
        op_dispatch(op, conn);
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

void op_cancel(void *arg)
{
    struct op *op = arg;
    if (!op->conn)
        db_pool_cancel(&op->wait);
    else
        db_pool_release(op->pool, op->conn);
    if (op->tx)
        op->tx->conn = NULL;
    op_free(op);
}

static int run_pooled(lua_State *L, struct op *op)
{
    struct err err;
    if (acquire(op, &err) >= 0)
        return task_wait(L, op_cancel, op);
    op_free(op);
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
    return run_pooled(L, op_new(L, OP_QUERY, check_pool(L), 1));
}

static int l_transact(lua_State *L)
{
    int over = task_over(L);
    if (over)
        return over;
    return run_pooled(L, op_whole(L, OP_QUERY, check_pool(L), 1));
}

static int l_query_shaped(lua_State *L)
{
    int over = task_over(L);
    if (over)
        return over;
    return run_pooled(L, op_shaped(L, check_pool(L), 1));
}

static int l_execute_script(lua_State *L)
{
    struct db_pool *pool = check_pool(L);
    int over = task_over(L);
    if (over)
        return over;
    lua_settop(L, 1);
    return run_pooled(L, op_new(L, OP_SCRIPT, pool, 1));
}

static int l_begin(lua_State *L)
{
    struct db_pool *pool = check_pool(L);
    int over = task_over(L);
    if (over)
        return over;
    if (lua_type(L, 1) == LUA_TSTRING)
        return run_pooled(L, op_whole(L, OP_BEGIN, pool, 1));
    int read_only = opt_boolean(L, 1, "read_only", 0);
    return run_pooled(
        L, op_fixed(L, OP_BEGIN, pool,
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

static const luaL_Reg functions[] = {
    {"query", l_query},
    {"query_shaped", l_query_shaped},
    {"transact", l_transact},
    {"begin", l_begin},
    {"stats", l_stats},
    {"execute_script", l_execute_script},
    {"shape", lua_db_shape},
    {"text_of", lua_db_text_of},
    {NULL, NULL},
};

int luaopen_host_db(lua_State *L)
{
    lua_db_tx_register(L);
    lua_db_shape_register(L);
    lua_module(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
