/* db_test.h - connections to the private MariaDB and statements on them, for tests. */
#pragma once
#include "check.h"
#include "db_conn.h"
#include "log.h"
#include "loop.h"
#include "servers.h"

#define CONNECT_MS patiently(700)
#define STATEMENT_MS patiently(500)

/* The end of one operation. */
struct outcome {
    bool done, failed;
    struct db_conn *conn;
    struct db_err err;
};

static inline void on_done(void *arg, struct db_conn *conn, const struct db_err *err)
{
    struct outcome *outcome = arg;
    outcome->done = true;
    outcome->conn = conn;
    outcome->failed = err != NULL;
    if (err)
        outcome->err = *err;
}

static inline struct db_target target(void)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s", servers_path("db.sock"));
    return (struct db_target){.socket = path,
                              .host = "",
                              .user = "root",
                              .password = "",
                              .name = "test",
                              .connect_timeout_ms = CONNECT_MS,
                              .statement_timeout_ms = STATEMENT_MS};
}

static struct outcome opening;

static inline void on_opened(void *arg, struct db_conn *conn, const struct db_err *err)
{
    (void)arg;
    on_done(&opening, conn, err);
}

static bool lost;

static inline void on_lost(void *arg, struct db_conn *conn)
{
    (void)arg, (void)conn;
    lost = true;
}

static inline struct db_conn *open_as(const char *name)
{
    struct db_target where = target();
    where.name = name;
    opening.done = lost = false;
    struct db_conn *conn = db_conn_open(loop, &where, on_opened, on_lost, NULL);
    CHECK(!opening.done);
    loop_await(&opening.done);
    if (opening.failed)
        fprintf(stderr, "open: %s\n", opening.err.base.message);
    return conn;
}

static inline struct db_conn *open_conn(void)
{
    return open_as("test");
}

static inline struct db_value text(const char *value)
{
    return (struct db_value){.kind = DB_TEXT, .text = value, .len = strlen(value)};
}

static inline struct db_value integer(int64_t value)
{
    return (struct db_value){.kind = DB_INTEGER, .integer = value};
}

static inline struct db_value number(double value)
{
    return (struct db_value){.kind = DB_NUMBER, .number = value};
}

static const struct db_value null_value = {.kind = DB_NULL};

static inline struct outcome query_with(struct db_conn *conn, const char *sql,
                                        const struct db_value *params, unsigned count)
{
    struct outcome outcome = {0};
    db_conn_end(conn);
    db_conn_query(conn, sql, strlen(sql), params, count, on_done, &outcome);
    CHECK(!outcome.done);
    loop_await(&outcome.done);
    return outcome;
}

static inline struct outcome query(struct db_conn *conn, const char *sql)
{
    return query_with(conn, sql, NULL, 0);
}

static inline void must(struct db_conn *conn, const char *sql)
{
    struct outcome outcome = query(conn, sql);
    if (outcome.failed)
        fprintf(stderr, "%s: %s %s\n", sql, outcome.err.base.code,
                outcome.err.base.message);
    CHECK(!outcome.failed);
}

static inline bool is_text(const struct db_value *value, const char *expected)
{
    bool same = value->kind == DB_TEXT && value->len == strlen(expected) &&
                memcmp(value->text, expected, value->len) == 0;
    if (!same && value->kind == DB_TEXT)
        fprintf(stderr, "got %.*s, expected %s\n", (int)value->len, value->text,
                expected);
    return same;
}

/* The first cell of a statement with one row and one integer. */
static inline int64_t ask(struct db_conn *conn, const char *sql)
{
    must(conn, sql);
    const struct db_value *row = db_conn_fetch(conn);
    CHECK(row && row[0].kind == DB_INTEGER);
    int64_t value = row && row[0].kind == DB_INTEGER ? row[0].integer : -1;
    db_conn_end(conn);
    return value;
}

static inline void is_error(const struct outcome *outcome, const char *code,
                            unsigned number_)
{
    CHECK(outcome->failed);
    if (!outcome->failed)
        return;
    CHECK_STR(outcome->err.base.code, code);
    if (number_ && outcome->err.number != number_)
        fprintf(stderr, "errno %u: %s\n", outcome->err.number, outcome->err.base.message);
    CHECK(!number_ || outcome->err.number == number_);
}

/* Starts the server and makes the database. */
static inline void db_test_start(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    servers_make_mariadb();
    loop = uv_default_loop();
    struct db_conn *conn = open_as("");
    must(conn, "CREATE DATABASE test CHARACTER SET utf8mb4");
    db_conn_close(conn);
}

/* Nothing may be left on the loop. */
static inline int db_test_end(const char *module)
{
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop) == 0);
    servers_stop();
    return check_result(module);
}
