#include "buf.h"
#include "db_stmt.h"
#include "db_test.h"
#include "mem.h"

static void reads_every_type(void)
{
    struct db_conn *conn = open_conn();
    must(conn,
         "CREATE OR REPLACE TABLE kinds (id BIGINT PRIMARY KEY AUTO_INCREMENT, flag "
         "TINYINT(1),"
         " tiny TINYINT, small SMALLINT UNSIGNED, mid MEDIUMINT, whole INT, big BIGINT,"
         " huge BIGINT UNSIGNED, single FLOAT, real_ DOUBLE, money DECIMAL(12,3), name"
         " VARCHAR(50), body LONGTEXT, doc JSON, raw BLOB, at DATETIME(3), stamp "
         "TIMESTAMP(6),"
         " day DATE, span TIME(6), year_ YEAR, uid UUID, colour ENUM('red','green'))");
    must(conn,
         "INSERT INTO kinds VALUES (NULL, TRUE, -7, 65535, -8388608, -2147483648,"
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
    must(
        conn,
        "CREATE OR REPLACE TABLE params (a BIGINT, b DOUBLE, c VARCHAR(20), d TINYINT(1),"
        " e VARCHAR(20), f BLOB, g DATETIME(3))");
    struct db_value values[] = {
        integer(INT64_MIN),
        number(-0.25),
        text("née 🚧"),
        {.kind = DB_BOOLEAN, .integer = 1},
        null_value,
        {.kind = DB_TEXT, .text = "\377\0\376", .len = 3},
        text("2026-11-20 09:12:44.120"),
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
    struct db_value others[] = {text("12"),  integer(3), integer(4), null_value,
                                number(1.5), null_value, null_value};
    outcome =
        query_with(conn, "INSERT INTO params VALUES (?, ?, ?, ?, ?, ?, ?)", others, 7);
    CHECK(!outcome.failed);
    CHECK(ask(conn,
              "SELECT COUNT(*) FROM params WHERE a = 12 AND c = '4' AND e = '1.5'") == 1);
    outcome = query_with(conn, "SELECT ?", NULL, 0);
    CHECK(outcome.failed && strcmp(outcome.err.base.code, DB_SQL) == 0);
    db_conn_close(conn);
}

static void reads_long_texts(void)
{
    struct db_conn *conn = open_conn();
    size_t len = 1 << 20;
    char *body = mem_new(len);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % 26);
    struct db_value values[] = {{.kind = DB_TEXT, .text = body, .len = len}, integer(1)};
    must(conn, "CREATE OR REPLACE TABLE long_texts (id INT, body LONGTEXT)");
    CHECK(!query_with(conn, "INSERT INTO long_texts (body, id) VALUES (?, ?)", values, 2)
               .failed);
    values[0].len = 300; /* a length of three bytes */
    values[1].integer = 2;
    CHECK(!query_with(conn, "INSERT INTO long_texts (body, id) VALUES (?, ?)", values, 2)
               .failed);
    values[0].len = 0;
    values[1].integer = 3;
    CHECK(!query_with(conn, "INSERT INTO long_texts (body, id) VALUES (?, ?)", values, 2)
               .failed);
    for (int round = 0; round < 2; round++) {
        must(conn, "SELECT id, body FROM long_texts ORDER BY id");
        const struct db_value *row = db_conn_fetch(conn);
        CHECK(row[1].len == len && memcmp(row[1].text, body, len) == 0);
        row = db_conn_fetch(conn);
        CHECK(row[1].len == 300 && memcmp(row[1].text, body, 300) == 0);
        row = db_conn_fetch(conn);
        CHECK(row[0].integer == 3 && row[1].kind == DB_TEXT && row[1].len == 0);
        CHECK(!db_conn_fetch(conn));
    }
    free(body);
    db_conn_close(conn);
}

static void reads_many_rows_and_columns(void)
{
    struct db_conn *conn = open_conn();
    must(conn, "SELECT seq FROM seq_1_to_5000");
    CHECK(db_conn_affected(conn) == 5000);
    int64_t sum = 0;
    const struct db_value *row;
    while ((row = db_conn_fetch(conn)))
        sum += row[0].integer;
    CHECK(sum == 12502500);
    must(conn, "SELECT seq FROM seq_1_to_10 WHERE seq > 10");
    CHECK(db_conn_affected(conn) == 0 && db_conn_columns(conn) == 1 &&
          !db_conn_fetch(conn));
    struct buf sql = {0};
    buf_puts(&sql, "SELECT ");
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 1)
            buf_printf(&sql, "NULL AS c%d,", i);
        else
            buf_printf(&sql, "%d AS c%d,", i, i);
    }
    sql.len--;
    must(conn, buf_cstr(&sql));
    row = db_conn_fetch(conn);
    for (int i = 0; i < 300; i++)
        CHECK(i % 3 == 1 ? row[i].kind == DB_NULL : row[i].integer == i);
    buf_free(&sql);
    must(conn, "SELECT seq FROM seq_1_to_100"); /* left unread, then the next one */
    CHECK(ask(conn, "SELECT 7") == 7);
    db_conn_close(conn);
}

static void sets_up_the_session(void)
{
    struct db_conn *conn = open_conn();
    must(conn, "SELECT @@time_zone, @@tx_isolation, @@character_set_client, @@sql_mode,"
               " CAST(@@max_statement_time * 1000 AS INT)");
    const struct db_value *row = db_conn_fetch(conn);
    CHECK(is_text(&row[0], "+00:00") && is_text(&row[1], "READ-COMMITTED"));
    CHECK(is_text(&row[2], "utf8mb4"));
    CHECK(memmem(row[3].text, row[3].len, "STRICT_ALL_TABLES", 17) != NULL);
    CHECK(row[4].integer == STATEMENT_MS);
    db_conn_close(conn);
}

static void names_errors(void)
{
    struct db_conn *conn = open_conn();
    must(conn, "CREATE TABLE parents (id INT PRIMARY KEY, mail VARCHAR(80) UNIQUE,"
               " age INT NOT NULL CHECK (age > 0))");
    must(conn, "CREATE TABLE children (parent INT, FOREIGN KEY (parent) REFERENCES "
               "parents (id))");
    must(conn, "INSERT INTO parents VALUES (1, 'it''s for key ''x''', 5)");
    must(conn, "INSERT INTO children VALUES (1)");
    struct outcome outcome = query(conn, "INSERT INTO parents VALUES (1, 'b', 5)");
    is_error(&outcome, DB_DUPLICATE, 1062);
    CHECK_STR(outcome.err.key, "PRIMARY");
    outcome = query(conn, "INSERT INTO parents VALUES (2, 'it''s for key ''x''', 5)");
    is_error(&outcome, DB_DUPLICATE, 1062);
    CHECK_STR(outcome.err.key, "mail");
    outcome = query(conn, "INSERT INTO parents VALUES (3, 'c', 0)");
    is_error(&outcome, DB_CONSTRAINT, 4025);
    outcome = query(conn, "INSERT INTO parents VALUES (3, 'c', NULL)");
    is_error(&outcome, DB_CONSTRAINT, 1048);
    outcome = query(conn, "INSERT INTO children VALUES (9)");
    is_error(&outcome, DB_CONSTRAINT, 1452);
    outcome = query(conn, "DELETE FROM parents");
    is_error(&outcome, DB_CONSTRAINT, 1451);
    outcome = query(conn, "SELEC 1");
    is_error(&outcome, DB_SQL, 1064);
    outcome = query(conn, "SELECT * FROM no_such_table");
    is_error(&outcome, DB_SQL, 1146);
    outcome = query(conn, "INSERT INTO parents VALUES ('abc', 'c', 1)");
    is_error(&outcome, DB_SQL, 0); /* strict mode: no silent 0 */
    outcome = query(conn, "SELECT COUNT(*) FROM seq_1_to_1000000000 WHERE SQRT(seq) < 0");
    is_error(&outcome, ERR_TIMEOUT, 1969);
    CHECK(db_conn_reusable(conn));
    CHECK(ask(conn, "SELECT 1") == 1);
    db_conn_close(conn);
}

/* The limit strikes while rows are already on their way. */
static void survives_an_error_among_the_rows(void)
{
    struct db_conn *conn = open_conn();
    static const char slow[] = "SELECT REPEAT('x', 20000) FROM seq_1_to_1000000000"
                               " WHERE seq < 100 OR SQRT(seq) < 0";
    for (int i = 0; i < 2; i++) {
        struct outcome outcome = query(conn, slow);
        is_error(&outcome, ERR_TIMEOUT, 1969);
        CHECK(ask(conn, "SELECT 1") == 1);
    }
    db_conn_close(conn);
}

static void tells_a_deadlock(void)
{
    struct db_conn *one = open_conn(), *two = open_conn();
    must(one, "CREATE TABLE locks (id INT PRIMARY KEY, n INT) ENGINE=InnoDB");
    must(one, "INSERT INTO locks VALUES (1, 0), (2, 0)");
    must(one, "START TRANSACTION");
    must(two, "START TRANSACTION");
    must(one, "UPDATE locks SET n = 1 WHERE id = 1");
    must(two, "UPDATE locks SET n = 2 WHERE id = 2");
    struct outcome first = {0}, second = {0};
    static const char a[] = "UPDATE locks SET n = 1 WHERE id = 2";
    static const char b[] = "UPDATE locks SET n = 2 WHERE id = 1";
    db_conn_query(one, a, strlen(a), NULL, 0, on_done, &first);
    db_conn_query(two, b, strlen(b), NULL, 0, on_done, &second);
    loop_await(&first.done);
    loop_await(&second.done);
    CHECK(first.failed != second.failed);
    is_error(first.failed ? &first : &second, DB_DEADLOCK, 1213);
    db_conn_close(one);
    db_conn_close(two);
}

static void follows_altered_tables(void)
{
    struct db_conn *conn = open_conn(), *other = open_conn();
    static const char all[] = "SELECT * FROM altered";
    size_t len;
    must(conn, "CREATE TABLE altered (a VARCHAR(9) DEFAULT 'a', b INT DEFAULT 2)");
    must(conn, "INSERT INTO altered VALUES ()");
    must(conn, all);
    CHECK(db_conn_columns(conn) == 2);
    must(other, "ALTER TABLE altered ADD c INT DEFAULT 3");
    must(conn, all);
    CHECK(db_conn_columns(conn) == 3);
    const struct db_value *row = db_conn_fetch(conn);
    CHECK(is_text(&row[0], "a") && row[1].integer == 2 && row[2].integer == 3);
    must(other, "ALTER TABLE altered DROP b, CHANGE c d VARCHAR(5) DEFAULT '3'");
    must(conn, all);
    CHECK(db_conn_columns(conn) == 2);
    CHECK_STR(db_conn_column(conn, 1, &len), "d");
    row = db_conn_fetch(conn);
    CHECK(is_text(&row[1], "3"));
    must(other, "UPDATE altered SET a = '7'");
    must(other,
         "ALTER TABLE altered CHANGE a e INT, CHANGE d f TEXT"); /* as many as before */
    must(conn, all);
    CHECK_STR(db_conn_column(conn, 0, &len), "e");
    CHECK_STR(db_conn_column(conn, 1, &len), "f");
    row = db_conn_fetch(conn);
    CHECK(row[0].kind == DB_INTEGER && row[0].integer == 7);
    db_conn_close(other);
    db_conn_close(conn);
}

/* A statement that writes must not run twice because its table was altered. */
static void writes_only_once_after_alter(void)
{
    struct db_conn *conn = open_conn(), *other = open_conn();
    static const char returning[] = "INSERT INTO grown (a) VALUES (1) RETURNING *";
    must(conn, "CREATE TABLE grown (a INT)");
    must(conn, returning);
    must(other, "ALTER TABLE grown ADD b INT");
    struct outcome outcome = query(conn, returning);
    CHECK(!outcome.failed || strcmp(outcome.err.base.code, DB_LOST) == 0);
    CHECK(ask(conn, "SELECT COUNT(*) FROM grown") == 2);
    must(conn, returning);
    CHECK(db_conn_columns(conn) == 2);
    db_conn_close(other);
    db_conn_close(conn);
}

static int64_t status(struct db_conn *conn, const char *name)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "SELECT CAST(VARIABLE_VALUE AS INT) FROM information_schema.%s_STATUS"
             " WHERE VARIABLE_NAME = '%s'",
             strncmp(name, "Com_", 4) == 0 ? "SESSION" : "GLOBAL", name);
    return ask(conn, sql);
}

static void keeps_the_recent_statements(void)
{
    struct db_conn *conn = open_conn();
    char sql[64];
    int64_t before = status(conn, "Com_stmt_prepare");
    for (int i = 0; i < DB_STMTS_MAX + 50; i++) {
        snprintf(sql, sizeof(sql), "SELECT %d", i);
        CHECK(ask(conn, sql) == i);
        CHECK(ask(conn, "SELECT -1 /* used all the time */") == -1);
    }
    /* Each once, and that of the status again: it had to go. */
    CHECK(status(conn, "Com_stmt_prepare") - before == DB_STMTS_MAX + 50 + 2);
    CHECK(status(conn, "Prepared_stmt_count") == DB_STMTS_MAX);
    db_conn_close(conn);
}

static struct outcome script(struct db_conn *conn, const char *sql)
{
    struct outcome outcome = {0};
    db_conn_script(conn, sql, strlen(sql), on_done, &outcome);
    loop_await(&outcome.done);
    return outcome;
}

static void runs_scripts(void)
{
    struct db_conn *conn = open_conn();
    CHECK(!script(conn, "CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END").failed);
    CHECK(!db_conn_reusable(conn));
    /* Longer than the limit of a statement. */
    CHECK(!script(conn, "CREATE TABLE slow AS SELECT SLEEP(1) AS n").failed);
    struct outcome outcome = script(conn, "CREATE TABLE slow (n INT)");
    is_error(&outcome, DB_SQL, 1050);
    db_conn_close(conn);
    conn = open_conn();
    outcome = query(conn, "CALL two()");
    is_error(&outcome, DB_SQL, 0); /* several results: refused, not out of sync */
    CHECK(!db_conn_reusable(conn));
    db_conn_close(conn);
}

static void closes_in_the_middle(void)
{
    struct outcome outcome = {0};
    struct db_conn *conn = open_conn();
    static const char slow[] = "SELECT SLEEP(0.2)";
    db_conn_query(conn, slow, strlen(slow), NULL, 0, on_done, &outcome);
    db_conn_close(conn);
    conn = open_conn();
    db_conn_query(conn, slow, strlen(slow), NULL, 0, on_done, &outcome);
    loop_pass(30);
    db_conn_close(conn);
    struct db_target where = target();
    db_conn_close(db_conn_open(loop, &where, on_opened, on_lost, NULL));
    loop_pass(250);
    CHECK(!outcome.done);
}

static void notices_a_closed_connection(void)
{
    struct db_conn *conn = open_conn(), *other = open_conn();
    char sql[40];
    snprintf(sql, sizeof(sql), "KILL %lld",
             (long long)ask(conn, "SELECT CONNECTION_ID()"));
    CHECK(db_conn_alive(conn));
    must(other, sql);
    loop_await(&lost);
    CHECK(!db_conn_reusable(conn) && !db_conn_alive(conn));
    struct outcome outcome = query(conn, "SELECT 1");
    is_error(&outcome, ERR_UNAVAILABLE, 0);
    CHECK(outcome.err.unsent);
    db_conn_close(conn);
    db_conn_close(other);
}

int main(void)
{
    db_test_start();
    RUN(reads_every_type);
    RUN(writes_parameters);
    RUN(reads_long_texts);
    RUN(reads_many_rows_and_columns);
    RUN(sets_up_the_session);
    RUN(names_errors);
    RUN(survives_an_error_among_the_rows);
    RUN(tells_a_deadlock);
    RUN(follows_altered_tables);
    RUN(writes_only_once_after_alter);
    RUN(keeps_the_recent_statements);
    RUN(runs_scripts);
    RUN(closes_in_the_middle);
    RUN(notices_a_closed_connection);
    return db_test_end("db");
}
