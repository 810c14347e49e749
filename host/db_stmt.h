/* db_stmt.h - the prepared statements of one connection, found by their text, the least
 * recently used one first to go. Talks to nobody: db_steps.c prepares and closes them. */
#pragma once
#include "db_conn.h"
#include <mysql.h>

enum { DB_STMTS_MAX = 200, DB_STMT_BUCKETS = 256 };

struct db_stmt {
    MYSQL_STMT *handle; /* owned */
    char *sql;
    size_t len;
    uint64_t hash;
    struct db_stmt *chain; /* in its bucket */
    struct db_stmt *newer, *older;
    MYSQL_BIND *binds; /* one for each parameter */
    unsigned columns;  /* of the last execution; room for them in cells and scratch */
    const MYSQL_FIELD *fields;
    struct db_value *cells;
    char *scratch; /* DB_SCRATCH bytes for each column */
};

/* In place; all zero is empty. */
struct db_stmts {
    struct db_stmt *buckets[DB_STMT_BUCKETS];
    struct db_stmt *newest, *oldest;
    unsigned count;
};

/* The statement with this text, now the most recently used one, or NULL. */
struct db_stmt *db_stmts_find(struct db_stmts *stmts, const char *sql, size_t len);

/* Copies `sql`; `handle` is NULL until it is prepared. */
struct db_stmt *db_stmts_add(struct db_stmts *stmts, const char *sql, size_t len);

/* Out of the cache, still the caller's to close and free. */
void db_stmts_remove(struct db_stmts *stmts, struct db_stmt *stmt);

/* Points the binds at the values, which must stay until the execution ended. */
void db_stmt_bind(struct db_stmt *stmt, const struct db_value *params, unsigned count);

/* After an execution: takes over the columns that the server announced. */
void db_stmt_columns(struct db_stmt *stmt, const MYSQL_FIELD *fields, unsigned count);

/* Frees all but the handle. */
void db_stmt_free(struct db_stmt *stmt);
