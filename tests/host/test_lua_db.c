#include "buf.h"
#include "conf.h"
#include "db_pool.h"
#include "db_test.h"
#include "lua_test.h"

enum { POOL_MAX = 3 };

/* What every chunk begins with. */
#define PRELUDE                                                                          \
    "local db, task = require('host.db'), require('host.task')\n"                        \
    "local function equal(a, b) if a ~= b then error(tostring(a)..' is not "             \
    "'..tostring(b), 2) end end\n"                                                       \
    "local function must(value, err) if not value then error(tostring(err), 2) end "     \
    "return value end\n"                                                                 \
    "local function fails(code, value, err) equal(value, nil) equal(err.code, code) "    \
    "return err end\n"

static void run(const char *name, const char *code)
{
    struct buf chunk = {0};
    buf_puts(&chunk, PRELUDE);
    buf_puts(&chunk, code);
    lua_test_run(name, buf_cstr(&chunk));
    buf_free(&chunk);
}

static void gives_rows(void)
{
    run("=gives_rows",
        "must(db.query('CREATE TABLE people (id INT PRIMARY KEY AUTO_INCREMENT, name "
        "VARCHAR(40),'"
        "  ..' fit TINYINT(1), size DOUBLE, born DATE, seen DATETIME(3), UNIQUE KEY "
        "by_name (name))'))\n"
        "local r = must(db.query('INSERT INTO people (name, fit, size, born, seen) "
        "VALUES (?,?,?,?,?)',"
        "  'Zoë', true, 1.75, '1990-02-03', '2026-11-20 09:12:44.120'))\n"
        "equal(r.affected, 1) equal(r.insert_id, 1) equal(#r, 0)\n"
        "must(db.query('INSERT INTO people (name, fit, size) VALUES (?, ?, ?)', 'Ann', "
        "db.null, nil))\n"
        "local rows = must(db.query('SELECT * FROM people ORDER BY id'))\n"
        "equal(#rows, 2) equal(rows[1].id, 1) equal(rows[1].name, 'Zoë') "
        "equal(rows[1].fit, true)\n"
        "equal(rows[1].size, 1.75) equal(rows[1].born, '1990-02-03')\n"
        "equal(rows[1].seen, '2026-11-20T09:12:44.120Z')\n"
        "equal(rows[2].name, 'Ann') equal(rows[2].fit, nil) equal(rows[2].seen, nil)\n"
        "equal(#must(db.query('SELECT id FROM people WHERE id > ?', 100)), 0)\n"
        "local err = fails('DUPLICATE', db.query('INSERT INTO people (name) VALUES (?)', "
        "'Ann'))\n"
        "equal(err.key, 'by_name') equal(err.errno, 1062)\n"
        "equal(tostring(err):match('^DUPLICATE: '), 'DUPLICATE: ')\n"
        "fails('SQL', db.query('SELEC'))\n"
        "equal(must(db.query('SELECT ? AS n', 2^53))[1].n, 2^53)\n"
        "equal(#must(db.query('SELECT ? AS s', ('x'):rep(1e6)))[1].s, 1e6)\n");
}

static void refuses_wrong_parameters(void)
{
    run("=refuses_wrong_parameters",
        "local function raises(...) equal(pcall(...), false) end\n"
        "raises(db.query, 'SELECT ?') raises(db.query, 'SELECT 1', 1) raises(db.query)\n"
        "raises(db.query, 'SELECT ?', {}) raises(db.query, 'SELECT ?', 0/0)\n"
        "raises(db.query, 'SELECT ?', print)\n"
        "raises(db.query, [[SELECT '?' ]], 1)\n"
        "local sql = [[SELECT '?', \"\\\"?\", 'it''s ?', ? AS `a?` /* ? */ -- ?\n # ?\n, "
        "? - ?]]\n"
        "must(db.query(sql, 1, 2, 3))\n"
        "raises(coroutine.wrap(function() db.query('SELECT 1') end))\n");
}

static void holds_transactions(void)
{
    run("=holds_transactions",
        "must(db.query('CREATE TABLE sums (n INT)'))\n"
        "local function count() return must(db.query('SELECT COUNT(*) AS n FROM "
        "sums'))[1].n end\n"
        "local tx = must(db.begin())\n"
        "must(tx:query('INSERT INTO sums VALUES (?)', 1)) equal(count(), 0)\n"
        "equal(must(tx:query('SELECT n FROM sums'))[1].n, 1)\n"
        "equal(tx:commit(), true) equal(count(), 1)\n"
        "equal(pcall(tx.query, tx, 'SELECT 1'), false) equal(tostring(tx), 'host.db.tx "
        "(closed)')\n"
        "tx = must(db.begin()) must(tx:query('INSERT INTO sums VALUES (2)'))\n"
        "equal(tx:rollback(), true) equal(count(), 1)\n"
        "tx = must(db.begin{read_only = true})\n"
        "fails('SQL', tx:query('INSERT INTO sums VALUES (3)')) equal(tx:rollback(), "
        "true)\n"
        "equal(db.stats().idle, db.stats().open)\n");
}

/* Whatever way a task ends, its transaction ends with it. */
static void ends_abandoned_transactions(void)
{
    run("=ends_abandoned_transactions",
        "must(db.query('CREATE TABLE left_over (n INT)'))\n"
        "for _, problem in ipairs{false, 'boom'} do\n"
        "  task.spawn(function()\n"
        "    local tx = must(db.begin()) must(tx:query('INSERT INTO left_over VALUES "
        "(1)'))\n"
        "    if problem then local nothing; nothing = nothing.boom end\n"
        "  end)\n"
        "end\n"
        "task.spawn(function() must(db.begin()):query('INSERT INTO left_over VALUES "
        "(2)') end)\n"
        "for _ = 1, 200 do task.sleep(10) if db.stats().idle == db.stats().open then "
        "break end end\n"
        "equal(db.stats().idle, db.stats().open)\n"
        "local tx = must(db.begin())\n"
        "equal(must(tx:query('SELECT COUNT(*) AS n FROM left_over'))[1].n, 0)\n"
        "local own\n"
        "task.spawn(function() own = pcall(tx.query, tx, 'SELECT 1') end)\n"
        "equal(own, false) tx:rollback()\n");
}

static void gives_up_at_the_deadline(void)
{
    run("=gives_up_at_the_deadline",
        "task.deadline(100)\n"
        "local before = require('host.db').stats().open\n"
        "fails('TIMEOUT', db.query('SELECT SLEEP(0.4)')) task.deadline(0)\n"
        "equal(db.stats().open, before - 1)\n" /* not used again */
        "local tx = must(db.begin()) task.deadline(100)\n"
        "fails('TIMEOUT', tx:query('SELECT SLEEP(0.4)')) task.deadline(0)\n"
        "fails('LOST', tx:query('SELECT 1')) fails('LOST', tx:commit())\n"
        "local held = {}\n"
        "for i = 1, 3 do held[i] = must(db.begin()) end\n"
        "task.deadline(60) fails('TIMEOUT', db.query('SELECT 1')) task.deadline(0)\n"
        "equal(db.stats().waiting, 0)\n"
        "fails('UNAVAILABLE', db.query('SELECT 1'))\n" /* db.pool_wait_ms */
        "for i = 1, 3 do held[i]:rollback() end\n"
        "equal(must(db.query('SELECT 1 AS one'))[1].one, 1)\n");
}

static void sends_nothing_after_the_deadline(void)
{
    run("=sends_nothing_after_the_deadline",
        "must(db.query('CREATE TABLE too_late (n INT)'))\n"
        "local tx = must(db.begin()) must(tx:query('INSERT INTO too_late VALUES (1)'))\n"
        "task.deadline(60) fails('TIMEOUT', (function() return task.sleep(500) end)())\n"
        "fails('TIMEOUT', db.query('INSERT INTO too_late VALUES (2)'))\n"
        "fails('TIMEOUT', tx:query('INSERT INTO too_late VALUES (3)'))\n"
        "fails('TIMEOUT', tx:commit()) fails('TIMEOUT', db.begin())\n"
        "task.deadline(0) tx:rollback()\n"
        "equal(must(db.query('SELECT COUNT(*) AS n FROM too_late'))[1].n, 0)\n"
        "equal(db.stats().open, db.stats().idle)\n");
}

static void rolls_back_after_a_deadlock(void)
{
    run("=rolls_back_after_a_deadlock",
        "must(db.query('CREATE TABLE pair (id INT PRIMARY KEY, n INT)'))\n"
        "must(db.query('INSERT INTO pair VALUES (1, 0), (2, 0)'))\n"
        "local codes, ended, signal = {}, 0, task.signal()\n"
        "for i = 1, 2 do task.spawn(function()\n"
        "  local tx = must(db.begin())\n"
        "  must(tx:query('UPDATE pair SET n = n + 1 WHERE id = ?', i)) task.sleep(50)\n"
        "  local ok, err = tx:query('UPDATE pair SET n = n + 1 WHERE id = ?', 3 - i)\n"
        "  if ok then must(tx:commit()) else codes[#codes + 1] = err.code\n"
        "    fails('DEADLOCK', tx:query('SELECT 1')) fails('DEADLOCK', tx:commit()) end\n"
        "  ended = ended + 1\n"
        "end) end\n"
        "while ended < 2 do task.sleep(10) end\n"
        "equal(table.concat(codes), 'DEADLOCK')\n"
        "equal(must(db.query('SELECT SUM(n) AS n FROM pair'))[1].n, 2)\n");
}

static void runs_scripts(void)
{
    run("=runs_scripts", "equal(db.execute_script('CREATE TABLE made (n INT)'), true)\n"
                         "fails('SQL', db.execute_script('CREATE TABLE made (n INT)'))\n"
                         "equal(#must(db.query('SELECT n FROM made')), 0)\n");
}

/* The statement was never sent: it goes to another connection, and nobody notices. */
static void outlives_a_restart(void)
{
    run("=before", "must(db.query('SELECT 1')) must(db.query('SELECT 1'))");
    servers_kill(&servers_mariadb);
    servers_start_mariadb();
    run("=outlives_a_restart", "equal(must(db.query('SELECT 1 AS one'))[1].one, 1)");
    servers_kill(&servers_mariadb);
    run("=while_down",
        "fails('UNAVAILABLE', db.query('SELECT 1')) fails('UNAVAILABLE', db.begin())");
    servers_start_mariadb();
    run("=afterwards",
        "local rows for _ = 1, 1000 do rows = db.query('SELECT 1') if rows "
        "then break end task.sleep(10) end\n"
        "must(rows, 'still down')");
}

static void on_pool_closed(void *arg)
{
    *(bool *)arg = true;
}

int main(void)
{
    char text[512];
    db_test_start();
    int len =
        snprintf(text, sizeof(text),
                 "db.socket%c%s%cdb.host%c%cdb.port%c1%cdb.user%croot%cdb.password%c%c"
                 "db.name%ctest%cdb.pool_max%c%d%cdb.pool_wait_ms%c%d%c"
                 "db.connect_timeout_ms%c%d%cdb.statement_timeout_ms%c%d%c",
                 0, servers_path("db.sock"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, POOL_MAX,
                 0, 0, patiently(200), 0, 0, CONNECT_MS, 0, 0, STATEMENT_MS, 0);
    struct conf *conf = conf_parse(text, (size_t)len);
    log_init(LOG_ERROR + 1, false, "test"); /* errors of tasks are expected */
    lua_test_host.db = db_pool_new(loop, conf);
    lua_test_start();
    RUN(gives_rows);
    RUN(refuses_wrong_parameters);
    RUN(holds_transactions);
    RUN(ends_abandoned_transactions);
    RUN(gives_up_at_the_deadline);
    RUN(sends_nothing_after_the_deadline);
    RUN(rolls_back_after_a_deadlock);
    RUN(runs_scripts);
    RUN(outlives_a_restart);
    lua_test_end();
    bool gone = false;
    db_pool_close(lua_test_host.db, on_pool_closed, &gone);
    loop_await(&gone);
    conf_free(conf);
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0); /* the tasks' own timer stays */
    servers_stop();
    return check_result("lua_db");
}
