#include "conf.h"
#include "db_pool.h"
#include "db_test.h"

enum { POOL_MAX = 4 };
#define AT_ONCE_NS (patiently(20) * 1000000ull)
#define POOL_WAIT_MS patiently(1000) /* a server that has just started takes its time */

static struct db_pool *pool;
static struct conf *conf;

static void make_pool(const char *path, const char *host)
{
    char text[1024];
    int len =
        snprintf(text, sizeof(text),
                 "db.socket%c%s%cdb.host%c%s%cdb.port%c1%cdb.user%croot%cdb.password%c%c"
                 "db.name%ctest%cdb.pool_max%c%d%cdb.pool_wait_ms%c%d%c"
                 "db.connect_timeout_ms%c%d%cdb.statement_timeout_ms%c%d%c",
                 0, path, 0, 0, host, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, POOL_MAX, 0, 0,
                 POOL_WAIT_MS, 0, 0, CONNECT_MS, 0, 0, STATEMENT_MS, 0);
    conf = conf_parse(text, (size_t)len);
    pool = db_pool_new(loop, conf);
}

static void on_pool_closed(void *arg)
{
    *(bool *)arg = true;
}

static void drop_pool(void)
{
    bool gone = false;
    db_pool_close(pool, on_pool_closed, &gone);
    CHECK(!gone);
    loop_await(&gone);
    conf_free(conf);
}

struct seeker {
    struct db_wait wait;
    bool done;
    struct db_conn *conn;
    struct err err;
};

static void on_ready(struct db_wait *wait, struct db_conn *conn, const struct err *err)
{
    struct seeker *seeker = (struct seeker *)wait;
    CHECK(!seeker->done);
    seeker->done = true;
    seeker->conn = conn;
    if (!conn)
        seeker->err = *err;
}

/* Asks for a connection and does not wait for it. */
static void seek(struct seeker *seeker)
{
    memset(seeker, 0, sizeof(*seeker));
    seeker->wait.ready = on_ready;
    seeker->done = db_pool_acquire(pool, &seeker->wait, &seeker->conn, &seeker->err) != 0;
}

static struct db_conn *get(void)
{
    struct seeker seeker;
    seek(&seeker);
    loop_await(&seeker.done);
    if (!seeker.conn)
        CHECK_STR(seeker.err.code, ERR_UNAVAILABLE);
    return seeker.conn;
}

/* The nanoseconds until the pool gives a connection again. */
static uint64_t time_to_recover(void)
{
    uint64_t start = uv_hrtime();
    struct db_conn *conn;
    while (!(conn = get()) && uv_hrtime() - start < 5000000000)
        loop_pass(10);
    uint64_t took = uv_hrtime() - start;
    CHECK(conn && ask(conn, "SELECT 6") == 6);
    if (conn)
        db_pool_release(pool, conn);
    return took;
}

static bool fails_at_once(void)
{
    uint64_t start = uv_hrtime();
    struct db_conn *conn = get();
    return !conn && uv_hrtime() - start < AT_ONCE_NS;
}

static void shares_connections(void)
{
    make_pool(servers_path("db.sock"), "");
    struct db_conn *held[POOL_MAX];
    for (int i = 0; i < POOL_MAX; i++)
        held[i] = get();
    CHECK(db_pool_stats(pool).open == POOL_MAX && db_pool_stats(pool).idle == 0);
    struct seeker first, second, third;
    seek(&first);
    seek(&second);
    seek(&third);
    CHECK(!first.done && db_pool_stats(pool).waiting == 3);
    db_pool_cancel(&second.wait);
    db_pool_release(pool, held[2]);
    CHECK(first.done && first.conn == held[2] && !third.done);
    loop_await(&third.done); /* nobody lets go in time */
    CHECK(!third.conn && !second.done);
    CHECK_STR(third.err.code, ERR_UNAVAILABLE);
    db_pool_release(pool, first.conn);
    CHECK(db_pool_stats(pool).idle == 1);
    CHECK(get() == held[2]);
    bool gone = false;
    db_pool_close(pool, on_pool_closed, &gone);
    loop_pass(20);
    CHECK(!gone); /* all are still out */
    CHECK(ask(held[0], "SELECT 4") == 4);
    for (int i = 0; i < POOL_MAX; i++)
        db_pool_release(pool, held[i]);
    loop_await(&gone);
    conf_free(conf);
}

/* Its holder gave up in the middle of a statement. */
static void replaces_a_busy_connection(void)
{
    make_pool(servers_path("db.sock"), "");
    struct db_conn *held[POOL_MAX];
    for (int i = 0; i < POOL_MAX; i++)
        held[i] = get();
    struct outcome outcome = {0};
    static const char slow[] = "SELECT SLEEP(0.4)";
    db_conn_query(held[0], slow, strlen(slow), NULL, 0, on_done, &outcome);
    struct seeker seeker;
    seek(&seeker);
    db_pool_release(pool, held[0]);
    CHECK(!seeker.done);
    loop_await(&seeker.done);
    CHECK(seeker.conn && !outcome.done && ask(seeker.conn, "SELECT 5") == 5);
    db_pool_release(pool, seeker.conn);
    for (int i = 1; i < POOL_MAX; i++)
        db_pool_release(pool, held[i]);
    drop_pool();
}

static void survives_a_killed_server(void)
{
    make_pool(servers_path("db.sock"), "");
    struct db_conn *idle = get(), *busy = get(), *held = get();
    must(held, "START TRANSACTION");
    db_pool_release(pool, idle);
    struct outcome outcome = {0};
    static const char slow[] = "SELECT SLEEP(0.4)";
    db_conn_query(busy, slow, strlen(slow), NULL, 0, on_done, &outcome);
    loop_pass(20);
    servers_kill(&servers_mariadb);
    loop_await(&outcome.done);
    is_error(&outcome, DB_LOST, 2013);
    db_pool_release(pool, busy);
    outcome = query(held, "SELECT 1");
    CHECK(outcome.failed && outcome.err.unsent);
    db_pool_release(pool, held);
    CHECK(!get());
    CHECK(fails_at_once());
    loop_pass(300);
    CHECK(fails_at_once());
    servers_start_mariadb();
    CHECK(time_to_recover() < 1200000000);
    drop_pool();
}

/* Nobody's request fails because the server was restarted meanwhile. */
static void discards_connections_of_an_old_server(void)
{
    make_pool(servers_path("db.sock"), "");
    struct db_conn *one = get(), *two = get();
    CHECK(ask(one, "SELECT 1") == 1);
    db_pool_release(pool, one);
    db_pool_release(pool, two);
    CHECK(db_pool_stats(pool).idle == 2);
    servers_kill(&servers_mariadb);
    servers_start_mariadb();
    one = get(); /* the loop has not turned since */
    CHECK(one && ask(one, "SELECT 1") == 1);
    db_pool_release(pool, one);
    CHECK(db_pool_stats(pool).open == 1);
    servers_kill(&servers_mariadb);
    loop_pass(20); /* now it has */
    CHECK(db_pool_stats(pool).open == 0);
    servers_start_mariadb();
    one = get();
    CHECK(one && ask(one, "SELECT 1") == 1);
    db_pool_release(pool, one);
    drop_pool();
}

static void gives_up_on_a_hung_server(void)
{
    make_pool(servers_path("db.sock"), "");
    struct db_conn *conn = get();
    must(conn, "SELECT 1");
    servers_hang(servers_mariadb);
    uint64_t start = uv_hrtime();
    struct outcome outcome = query(conn, "SELECT 1");
    is_error(&outcome, ERR_TIMEOUT, 0);
    CHECK(uv_hrtime() - start < (STATEMENT_MS + patiently(1500)) * 1000000ull);
    CHECK(!db_conn_reusable(conn));
    db_pool_release(pool, conn);
    CHECK(!get()); /* in line, while the connecting hangs */
    loop_pass(CONNECT_MS);
    CHECK(fails_at_once());
    kill(servers_mariadb, SIGCONT);
    CHECK(time_to_recover() < 1500000000);
    drop_pool();
}

/* "Too many connections" is no reason to fail those that can wait for a working one. */
static void lives_with_fewer_connections(void)
{
    struct db_conn *admin = open_conn();
    make_pool(servers_path("db.sock"), "");
    struct db_conn *one = get();
    must(admin, "SET GLOBAL max_connections = 10");
    struct db_conn *others[16];
    int count = 0;
    for (; count < 16; count++) {
        others[count] = open_as("test");
        if (opening.failed)
            break;
    }
    CHECK(count < 16 && opening.err.number == 1040);
    struct seeker seeker;
    seek(&seeker);
    loop_pass(100);
    CHECK(!seeker.done);
    db_pool_release(pool, one);
    CHECK(seeker.done && seeker.conn == one);
    db_pool_release(pool, one);
    for (int i = 0; i <= count && i < 16; i++)
        db_conn_close(others[i]);
    must(admin, "SET GLOBAL max_connections = 100");
    db_conn_close(admin);
    drop_pool();
}

static void tells_why_there_is_no_database(void)
{
    static const struct {
        const char *path, *host;
    } places[] = {{"/nowhere/db.sock", ""},
                  {"", "127.0.0.1"},
                  {"", "localhost"},
                  {"", "no.such.name.invalid"}};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        make_pool(places[i].path, places[i].host);
        struct seeker first, second;
        seek(&first);
        seek(&second);
        loop_await(&first.done);
        loop_await(&second.done);
        CHECK(!first.conn && !second.conn);
        CHECK_STR(first.err.code, ERR_UNAVAILABLE);
        CHECK(first.err.message[0]);
        loop_pass(120); /* looks again, in vain */
        CHECK(fails_at_once());
        drop_pool();
    }
}

static void closes_while_connecting(void)
{
    struct seeker seeker;
    make_pool(servers_path("db.sock"), "");
    seek(&seeker);
    drop_pool();
    CHECK(seeker.done && !seeker.conn);
    CHECK_STR(seeker.err.code, ERR_CLOSED);
    make_pool("", "localhost");
    seek(&seeker);
    drop_pool();
    CHECK(seeker.done && !seeker.conn);
}

int main(void)
{
    db_test_start();
    RUN(shares_connections);
    RUN(replaces_a_busy_connection);
    RUN(survives_a_killed_server);
    RUN(discards_connections_of_an_old_server);
    RUN(gives_up_on_a_hung_server);
    RUN(lives_with_fewer_connections);
    RUN(tells_why_there_is_no_database);
    RUN(closes_while_connecting);
    return db_test_end("db_pool");
}
