#include "check.h"
#include "conf.h"
#include "db_pool.h"
#include "db_stmt.h"
#include "log.h"
#include "mem.h"
#include "servers.h"
#include <math.h>

enum { PATIENCE_MS = 15000, CONNECT_MS = 700, STATEMENT_MS = 500, POOL_WAIT_MS = 300 };

static uv_loop_t *loop;

/* The end of one operation. */
struct outcome {
    bool done, failed;
    struct db_conn *conn;
    struct db_err err;
};

static void on_guard(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/* Runs the loop until *flag, or PATIENCE_MS. */
static void await(const bool *flag)
{
    bool late = false;
    uv_timer_t guard;
    uv_timer_init(loop, &guard);
    guard.data = &late;
    uv_timer_start(&guard, on_guard, PATIENCE_MS, 0);
    while (!*flag && !late)
        uv_run(loop, UV_RUN_ONCE);
    CHECK(*flag);
    bool closed = false;
    guard.data = &closed;
    uv_close((uv_handle_t *)&guard, on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_ONCE);
}

static void pass(unsigned ms)
{
    bool over = false, closed = false;
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    timer.data = &over;
    uv_timer_start(&timer, on_guard, ms, 0);
    while (!over)
        uv_run(loop, UV_RUN_ONCE);
    timer.data = &closed;
    uv_close((uv_handle_t *)&timer, on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_ONCE);
}

static void on_done(void *arg, struct db_conn *conn, const struct db_err *err)
{
    struct outcome *outcome = arg;
    outcome->done = true;
    outcome->conn = conn;
    outcome->failed = err != NULL;
    if (err)
        outcome->err = *err;
}

/* ---- connections ---- */

static struct db_target target(void)
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

static void on_opened(void *arg, struct db_conn *conn, const struct db_err *err)
{
    (void)arg;
    on_done(&opening, conn, err);
}

static bool lost;

static void on_lost(void *arg, struct db_conn *conn)
{
    (void)arg, (void)conn;
    lost = true;
}

static struct db_conn *open_as(const char *name)
{
    struct db_target where = target();
    where.name = name;
    opening.done = lost = false;
    struct db_conn *conn = db_conn_open(loop, &where, on_opened, on_lost, NULL);
    CHECK(!opening.done);
    await(&opening.done);
    if (opening.failed)
        fprintf(stderr, "open: %s\n", opening.err.base.message);
    return conn;
}

static struct db_conn *open_conn(void)
{
    return open_as("test");
}

static struct db_value text(const char *value)
{
    return (struct db_value){.kind = DB_TEXT, .text = value, .len = strlen(value)};
}

static struct db_value integer(int64_t value)
{
    return (struct db_value){.kind = DB_INTEGER, .integer = value};
}

static struct db_value number(double value)
{
    return (struct db_value){.kind = DB_NUMBER, .number = value};
}

static const struct db_value null_value = {.kind = DB_NULL};

static struct outcome query_with(struct db_conn *conn, const char *sql,
                                 const struct db_value *params, unsigned count)
{
    struct outcome outcome = {0};
    db_conn_end(conn);
    db_conn_query(conn, sql, strlen(sql), params, count, on_done, &outcome);
    CHECK(!outcome.done);
    await(&outcome.done);
    return outcome;
}

static struct outcome query(struct db_conn *conn, const char *sql)
{
    return query_with(conn, sql, NULL, 0);
}

static void must(struct db_conn *conn, const char *sql)
{
    struct outcome outcome = query(conn, sql);
    if (outcome.failed)
        fprintf(stderr, "%s: %s %s\n", sql, outcome.err.base.code, outcome.err.base.message);
    CHECK(!outcome.failed);
}

static bool is_text(const struct db_value *value, const char *expected)
{
    bool same = value->kind == DB_TEXT && value->len == strlen(expected) &&
                memcmp(value->text, expected, value->len) == 0;
    if (!same && value->kind == DB_TEXT)
        fprintf(stderr, "got %.*s, expected %s\n", (int)value->len, value->text, expected);
    return same;
}

/* The first cell of a statement with one row and one integer. */
static int64_t ask(struct db_conn *conn, const char *sql)
{
    must(conn, sql);
    const struct db_value *row = db_conn_fetch(conn);
    CHECK(row && row[0].kind == DB_INTEGER);
    int64_t value = row && row[0].kind == DB_INTEGER ? row[0].integer : -1;
    db_conn_end(conn);
    return value;
}

static void reads_every_type(void)
{
    struct db_conn *conn = open_conn();
    must(conn, "CREATE OR REPLACE TABLE kinds (id BIGINT PRIMARY KEY AUTO_INCREMENT, flag TINYINT(1),"
               " tiny TINYINT, small SMALLINT UNSIGNED, mid MEDIUMINT, whole INT, big BIGINT,"
               " huge BIGINT UNSIGNED, single FLOAT, real_ DOUBLE, money DECIMAL(12,3), name"
               " VARCHAR(50), body LONGTEXT, doc JSON, raw BLOB, at DATETIME(3), stamp TIMESTAMP(6),"
               " day DATE, span TIME(6), year_ YEAR, uid UUID, colour ENUM('red','green'))");
    must(conn, "INSERT INTO kinds VALUES (NULL, TRUE, -7, 65535, -8388608, -2147483648,"
               " -9007199254740993, 18446744073709551615, 1.5, 0.1, -123456789.125, 'Grüße 🚧',"
               " 'text', '{\"a\":1}', x'00ff0a', '2026-11-20 09:12:44.120',"
               " '2026-11-20 09:12:44.123999', '2026-02-28', '-838:59:59.5', 2026,"
               " '0198c0de-0000-7000-8000-00000000abcd', 'green')");
    struct outcome outcome = query(conn, "SELECT * FROM kinds");
    CHECK(!outcome.failed && db_conn_columns(conn) == 22);
    size_t len;
    CHECK_STR(db_conn_column(conn, 1, &len), "flag");
    CHECK(len == 4);
    const struct db_value *row = db_conn_fetch(conn);
    CHECK(row[0].kind == DB_INTEGER && row[0].integer == 1);
    CHECK(row[1].kind == DB_BOOLEAN && row[1].integer == 1);
    CHECK(row[2].kind == DB_INTEGER && row[2].integer == -7);
    CHECK(row[3].integer == 65535);
    CHECK(row[4].integer == -8388608);
    CHECK(row[5].integer == -2147483648);
    CHECK(row[6].kind == DB_INTEGER && row[6].integer == -9007199254740993);
    CHECK(row[7].kind == DB_NUMBER && row[7].number == 18446744073709551615.0);
    CHECK(row[8].number == 1.5 && row[9].number == 0.1);
    CHECK(row[10].kind == DB_NUMBER && row[10].number == -123456789.125);
    CHECK(is_text(&row[11], "Grüße 🚧"));
    CHECK(is_text(&row[12], "text") && is_text(&row[13], "{\"a\":1}"));
    CHECK(row[14].len == 3 && memcmp(row[14].text, "\0\377\n", 3) == 0);
    CHECK(is_text(&row[15], "2026-11-20T09:12:44.120Z"));
    CHECK(is_text(&row[16], "2026-11-20T09:12:44.123Z"));
    CHECK(is_text(&row[17], "2026-02-28"));
    CHECK(is_text(&row[18], "-838:59:59.500000"));
    CHECK(row[19].integer == 2026);
    CHECK(is_text(&row[20], "0198c0de-0000-7000-8000-00000000abcd"));
    CHECK(is_text(&row[21], "green"));
    CHECK(!db_conn_fetch(conn));
    db_conn_end(conn);
    db_conn_close(conn);
}

static void writes_parameters(void)
{
    struct db_conn *conn = open_conn();
    must(conn, "CREATE OR REPLACE TABLE params (a BIGINT, b DOUBLE, c VARCHAR(20), d TINYINT(1),"
               " e VARCHAR(20), f BLOB, g DATETIME(3))");
    struct db_value values[] = {
        integer(INT64_MIN), number(-0.25), text("née 🚧"),
        {.kind = DB_BOOLEAN, .integer = 1}, null_value,
        {.kind = DB_TEXT, .text = "\377\0\376", .len = 3}, text("2026-11-20 09:12:44.120"),
    };
    struct outcome outcome =
        query_with(conn, "INSERT INTO params VALUES (?, ?, ?, ?, ?, ?, ?)", values, 7);
    CHECK(!outcome.failed && db_conn_affected(conn) == 1 && db_conn_columns(conn) == 0);
    must(conn, "SELECT a, b, c, d, e, f, g FROM params");
    const struct db_value *row = db_conn_fetch(conn);
    CHECK(row[0].integer == INT64_MIN && row[1].number == -0.25);
    CHECK(is_text(&row[2], "née 🚧"));
    CHECK(row[3].kind == DB_BOOLEAN && row[3].integer == 1 && row[4].kind == DB_NULL);
    CHECK(row[5].len == 3 && memcmp(row[5].text, "\377\0\376", 3) == 0);
    CHECK(is_text(&row[6], "2026-11-20T09:12:44.120Z"));
    /* The same statement with other types for the same places. */
    struct db_value others[] = {text("12"), integer(3), integer(4), null_value,
                                number(1.5), null_value, null_value};
    outcome = query_with(conn, "INSERT INTO params VALUES (?, ?, ?, ?, ?, ?, ?)", others, 7);
    CHECK(!outcome.failed);
    CHECK(ask(conn, "SELECT COUNT(*) FROM params WHERE a = 12 AND c = '4' AND e = '1.5'") == 1);
    outcome = query_with(conn, "SELECT ?", NULL, 0);
    CHECK(outcome.failed && strcmp(outcome.err.base.code, DB_SQL) == 0);
    db_conn_close(conn);
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    servers_make_mariadb();
    loop = uv_default_loop();
    struct db_conn *conn = open_as("");
    must(conn, "CREATE DATABASE test CHARACTER SET utf8mb4");
    db_conn_close(conn);
    RUN(reads_every_type);
    RUN(writes_parameters);
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop) == 0);
    servers_stop();
    return check_result("db");
}
