/* Transactions. */
#include "lua_db.h"
#include "lua_util.h"
#include "lua_vm.h"
#include <string.h>

#define TX_TYPE "host.db.tx"

void tx_end(struct tx *tx)
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

void roll_back(struct db_pool *pool, struct db_conn *conn)
{
    if (db_conn_reusable(conn))
        db_conn_text(conn, "ROLLBACK", strlen("ROLLBACK"), on_rolled_back, pool);
    else
        db_pool_release(pool, conn);
}

void tx_abandoned(struct task_defer *node)
{
    struct tx *tx = (struct tx *)node; /* its first member */
    struct db_conn *conn = tx->conn;
    tx->conn = NULL;
    tx_end(tx);
    if (conn)
        roll_back(tx->pool, conn);
}

int push_tx(lua_State *L, struct op *op)
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
    op_dispatch(op, tx->conn);
    return task_wait(L, op_cancel, op);
}

/* 0 when a statement may be sent, else the number of results that say why not. */
static int refuse(lua_State *L, const struct tx *tx)
{
    int over = task_over(L);
    if (over)
        return over;
    if (!tx->conn)
        return lua_fail_code(L, DB_LOST, "the transaction's connection was lost");
    if (tx->doomed)
        return lua_fail_code(L, DB_DEADLOCK, "the transaction was rolled back");
    return 0;
}

static int tx_query(lua_State *L)
{
    struct tx *tx = check_tx(L);
    int refused = refuse(L, tx);
    return refused ? refused : run_held(L, tx, op_new(L, OP_QUERY, tx->pool, 2));
}

static int tx_query_shaped(lua_State *L)
{
    struct tx *tx = check_tx(L);
    int refused = refuse(L, tx);
    return refused ? refused : run_held(L, tx, op_shaped(L, tx->pool, 2));
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
    if (lua_gettop(L) == 1)
        return run_held(L, tx, op_fixed(L, OP_COMMIT, tx->pool, "COMMIT"));
    return run_held(L, tx, op_whole(L, OP_COMMIT, tx->pool, 2));
}

static int tx_rollback(lua_State *L)
{
    struct tx *tx = check_tx(L);
    if (!tx->conn) {
        tx_end(tx);
        lua_pushboolean(L, 1);
        return 1;
    }
    return run_held(L, tx, op_fixed(L, OP_ROLLBACK, tx->pool, "ROLLBACK"));
}

static const luaL_Reg methods[] = {
    {"query", tx_query},   {"query_shaped", tx_query_shaped},
    {"commit", tx_commit}, {"rollback", tx_rollback},
    {NULL, NULL},
};

void lua_db_tx_register(lua_State *L)
{
    box_type(L, TX_TYPE, methods, NULL);
}
