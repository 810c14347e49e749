/* lua_db.h - the inside of the binding host.db, for lua_db*.c only.
 *
 * Invariants: an op is one wait of one task; it owns copies of everything Lua gave. An op
 * holds a connection exactly while `conn` is set. A cancelled op's connection is in the
 * middle of something, so releasing it closes it. A tx is anchored in the registry until
 * it ends, so its memory, which the task's list of clean-ups points into, is never
 * collected before. */
#pragma once
#include "db_pool.h"
#include "db_shape.h"
#include "lua_task.h"
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

enum op_kind { OP_QUERY, OP_SCRIPT, OP_BEGIN, OP_COMMIT, OP_ROLLBACK };

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
    enum op_kind kind;
    bool retried;
    bool whole; /* its statement begins or ends a transaction, or both: see roll_back */
    struct task *task;
    struct db_pool *pool;
    struct db_conn *conn;     /* NULL while in line */
    struct tx *tx;            /* NULL when the connection is the pool's */
    struct db_shape *shape;   /* NULL: rows become tables; else a reference */
    unsigned shape_max;       /* rows to write at most */
    const struct db_err *err; /* while its outcome is pushed */
    const char *sql;
    size_t len;
    unsigned count;
    struct db_value params[]; /* their texts and the statement are behind them */
};

/* ---- lua_db.c ---- */

/* Sends the op on this connection; its outcome wakes the task. */
void op_dispatch(struct op *op, struct db_conn *conn);
/* The cancel callback of its wait. */
void op_cancel(void *arg);

/* ---- lua_db_op.c ---- */

/* The arguments from `arg` on, until the next call (an op takes copies): their texts are Lua's.
 * `bytes` of text in all. Raises on what is no value for the database. */
const struct db_value *lua_db_values(lua_State *L, int arg, unsigned count,
                                     size_t *bytes);
/* An op with the statement at `arg` and the parameters behind it; raises on what is
 * wrong. */
struct op *op_new(lua_State *L, enum op_kind kind, struct db_pool *pool, int arg);
/* One whose statement begins a transaction, or ends it, or does both. */
struct op *op_whole(lua_State *L, enum op_kind kind, struct db_pool *pool, int arg);
/* One whose statement is static. */
struct op *op_fixed(lua_State *L, enum op_kind kind, struct db_pool *pool,
                    const char *sql);
/* The same for the arguments of query_shaped, the first of which is at `arg`. */
struct op *op_shaped(lua_State *L, struct db_pool *pool, int arg);
void op_free(struct op *op);

/* ---- lua_db_rows.c ---- */

/* Pushes the result of a query and ends it; returns how many values. */
int push_result(lua_State *L, const struct op *op);
int lua_db_shape(lua_State *L);
int lua_db_text_of(lua_State *L);
struct db_shape *lua_db_check_shape(lua_State *L, int arg);
void lua_db_shape_register(lua_State *L);

/* ---- lua_db_tx.c ---- */

/* Pushes the transaction that the op has begun. */
int push_tx(lua_State *L, struct op *op);
/* It is Lua's garbage from now on. */
void tx_end(struct tx *tx);
/* Ends whatever transaction is open on a connection, then gives it back to the pool. */
void roll_back(struct db_pool *pool, struct db_conn *conn);
/* Left open by its task, or not to be used any more. */
void tx_abandoned(struct task_defer *node);
void lua_db_tx_register(lua_State *L);
