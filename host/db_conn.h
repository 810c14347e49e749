/* db_conn.h - one connection to MariaDB that never blocks the loop, with its prepared
 * statements.
 *
 * One operation at a time: db_conn_open, db_conn_query or db_conn_text starts it, its
 * callback ends it. A callback runs exactly once, later, from the loop; never inside the
 * call that started the operation, and never after db_conn_close. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Codes of this module besides UNAVAILABLE and TIMEOUT. */
#define DB_LOST "LOST" /* connection lost after sending: the outcome is unknown */
#define DB_DUPLICATE "DUPLICATE" /* a unique key refused it; `key` says which */
#define DB_DEADLOCK "DEADLOCK"   /* deadlock or lock wait over: roll back and try again */
#define DB_CONSTRAINT "CONSTRAINT" /* a foreign key, CHECK or NOT NULL refused it */
#define DB_SQL "SQL"               /* anything else the server refused; see `number` */

struct db_err {
    struct err base;
    unsigned number; /* the server's or the library's errno, 0 for our own */
    bool unsent;     /* the statement did not run: it may be sent again elsewhere */
    char key[260];   /* DUPLICATE: the index; at most 64 characters of UTF-8 */
};

enum db_kind { DB_NULL, DB_BOOLEAN, DB_INTEGER, DB_NUMBER, DB_TEXT };

/* A parameter or a cell. */
struct db_value {
    enum db_kind kind;
    size_t len; /* of text */
    union {
        int64_t integer; /* also 0 and 1 of a DB_BOOLEAN */
        double number;
        const char *text; /* any bytes, not terminated */
    };
};

/* Where to connect. Everything is copied by db_conn_open. */
struct db_target {
    const char *socket; /* path; "" for TCP */
    const char *host;   /* a numeric address: names would be resolved on the loop */
    unsigned port;
    const char *user, *password, *name;
    unsigned connect_timeout_ms;
    unsigned statement_timeout_ms; /* the server ends longer statements; 0: never */
};

struct db_conn;

/* `err` is NULL on success and lives until the callback returns. */
typedef void (*db_done_cb)(void *arg, struct db_conn *conn, const struct db_err *err);
typedef void (*db_lost_cb)(void *owner, struct db_conn *conn);

/* Connects and sets up the session in one go. `lost` runs from the loop when the server
 * closes the connection while it does nothing; the connection is unusable then and for
 * the owner to close. `owner` is the argument of both. */
struct db_conn *db_conn_open(uv_loop_t *loop, const struct db_target *target,
                             db_done_cb opened, db_lost_cb lost, void *owner);

/* From any state: abandons the operation under way (the server may still finish it),
 * drops the connection and frees it. */
void db_conn_close(struct db_conn *conn);

void *db_conn_owner(const struct db_conn *conn);

/* Nothing is under way and the session is as after opening it. */
bool db_conn_reusable(const struct db_conn *conn);

/* Asks the kernel whether the server has closed it already. */
bool db_conn_alive(const struct db_conn *conn);

/* Runs one statement, prepared on first use. `sql`, `params` and their texts must stay
 * until `done`. On success the rows can be fetched from then on, until db_conn_end. */
void db_conn_query(struct db_conn *conn, const char *sql, size_t len,
                   const struct db_value *params, unsigned count, db_done_cb done,
                   void *arg);

/* Runs one statement in the text protocol and drops its rows; `sql` as above. */
void db_conn_text(struct db_conn *conn, const char *sql, size_t len, db_done_cb done,
                  void *arg);

/* The same without any time limit, for schema changes. The connection is not reusable
 * after it: a script may leave any session state behind. */
void db_conn_script(struct db_conn *conn, const char *sql, size_t len, db_done_cb done,
                    void *arg);

/* The result of the last query. */
unsigned db_conn_columns(const struct db_conn *conn);
const char *db_conn_column(const struct db_conn *conn, unsigned column, size_t *len);
uint64_t db_conn_affected(const struct db_conn *conn);
uint64_t db_conn_insert_id(const struct db_conn *conn);

/* The cells of the next row, valid until the next call; NULL after the last. Dates come
 * as "2026-11-20", points in time as "2026-11-20T09:12:44.120Z". */
const struct db_value *db_conn_fetch(struct db_conn *conn);

/* Frees the rows. Must be called before the next operation; harmless without a result. */
void db_conn_end(struct db_conn *conn);
