/* db_steps.h - the inside of a connection to MariaDB, for host/db_*.c only.
 *
 * An operation is a chain of steps; each is a _start call and as many _cont calls as the
 * library asks for. `step` says which one is under way, STEP_NONE that nothing is. */
#pragma once
#include "db_conn.h"
#include "db_stmt.h"

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

/* ---- db_errors.c ---- */

/* Notes the failure of the step; true when the connection did not survive it. */
bool db_note_failure(struct db_conn *conn, unsigned number, const char *message);
/* Notes a failure of our own. */
void db_set_failure(struct db_conn *conn, const char *code, const char *message);

/* ---- db_steps.c ---- */

/* Starts (`ready` 0) or continues the step under way, and whatever follows from it, until
 * the library waits for the server or the operation ends. */
void db_run(struct db_conn *conn, int ready);
/* Finds the statement's place and returns the step to begin with; for a new and for a
 * prepared one. */
enum step db_start_prepare(struct db_conn *conn);
enum step db_start_execute(struct db_conn *conn);
/* Ends the operation: the outcome is in failed and err. */
void db_settle(struct db_conn *conn);
/* Ends the step under way for the library; the connection is lost. */
void db_abandon(struct db_conn *conn);
/* The deadline of the operation, or its outcome to deliver. */
void db_on_timer(uv_timer_t *timer);
void db_set_broken(struct db_conn *conn);
void db_unwatch(struct db_conn *conn);
