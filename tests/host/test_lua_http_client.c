#include "check.h"
#include "http_client.h"
#include "log.h"
#include "lua_test.h"
#include "servers.h"
#include "web_server.h"

/* Runs the chunk with `request(path, options)` for the test's server. */
static void run(const char *name, const char *code)
{
    struct buf text = {0};
    buf_printf(&text,
               "local client, task = require('host.http_client'), require('host.task')\n"
               "local base = 'http://127.0.0.1:%d'\n"
               "local function request(path, options)\n"
               "  options = options or {}\n"
               "  options.url = base .. path\n"
               "  options.policy = options.policy or {allow_private = true}\n"
               "  return client.request(options)\n"
               "end\n%s",
               web.port, code);
    lua_test_run(name, buf_cstr(&text));
    buf_free(&text);
}

static void gives_answers(void)
{
    run("=gives_answers",
        "local answer = assert(request('/ok'))\n"
        "assert(answer.status == 200 and answer.body == 'hello' and answer.size == 5)\n"
        "assert(answer.headers['set-cookie'] == 'a=1, b=2')\n"
        "assert(answer.headers['x-empty'] == '' and answer.headers['content-length'] == "
        "'5')\n"
        "answer = assert(request('/status/404', {method = 'DELETE'}))\n"
        "assert(answer.status == 404 and answer.body == 'body')\n"
        "answer = request('/echo', {method = 'POST', body = 'a\\0b', headers = {['X-A'] "
        "= 'one',\n"
        "  ['X-B'] = {'two', 'three'}}})\n"
        "assert(answer.body:find('^POST /echo ') and answer.body:find('a\\0b$'))\n"
        "assert(answer.body:find('X-A: one\\r\\n', 1, true))\n"
        "assert(answer.body:find('X-B: two\\r\\nX-B: three\\r\\n', 1, true))\n"
        "assert(request('/to//ok').status == 302)\n"
        "assert(request('/to//ok', {follow = 1}).status == 200)\n");
}

static void tells_failures(void)
{
    run("=tells_failures",
        "local function code(...)\n"
        "  local none, err = request(...)\n"
        "  assert(none == nil)\n"
        "  return err.code\n"
        "end\n"
        "assert(code('/silent', {timeout_ms = 50}) == 'TIMEOUT')\n"
        "assert(code('/bytes/11', {max_bytes = 10}) == 'TOO_LARGE')\n"
        "assert(code('/cut') == 'UNAVAILABLE')\n"
        "assert(code('/ok', {policy = {}}) == 'REFUSED_ADDRESS')\n"
        "assert(code('/ok', {policy = {allow = {'127.0.0.1:1'}}}) == 'REFUSED_ADDRESS')\n"
        "assert(request('/ok', {policy = {allow = {(base:gsub('http://', ''))}}}).status "
        "== 200)\n"
        "assert(code('/ok\\0', {}) == 'INVALID')\n"
        "assert(code('/ok', {headers = {['X-A'] = 'b\\r\\nc: d'}}) == 'INVALID')\n"
        "assert(code('/ok', {method = 'POST', follow = 1}) == 'INVALID')\n"
        "local none, err = client.request({url = 'http://localhost' .. "
        "base:match(':%d+$')})\n"
        "assert(none == nil and err.code == 'REFUSED_ADDRESS')\n");
}

static void raises_for_mistakes(void)
{
    run("=raises_for_mistakes",
        "for _, wrong in ipairs({{headers = 1}, {headers = {1}}, {headers = {a = 1}},\n"
        "    {timeout_ms = 0}, {timeout_ms = 0 / 0}, {max_bytes = -1}, {follow = 21},\n"
        "    {body = 5}, {save = 'a\\0b'}, {policy = 1}, {policy = {allow = 'x'}},\n"
        "    {policy = {allow = {1}}}, {method = 'GET\\0'}}) do\n"
        "  wrong.url = base .. '/ok'\n"
        "  assert(not pcall(client.request, wrong))\n"
        "end\n"
        "assert(not pcall(client.request) and not pcall(client.request, 'http://a/'))\n"
        "local many = {}\n"
        "for i = 1, 101 do many['X-' .. i] = 'x' end\n"
        "assert(not pcall(request, '/ok', {headers = many}))\n");
}

static void ends_with_the_deadline_of_its_task(void)
{
    run("=ends_with_the_deadline_of_its_task",
        "task.deadline(80)\n"
        "local none, err = request('/silent')\n"
        "assert(none == nil and err.code == 'TIMEOUT')\n"
        "none, err = request('/ok')\n"
        "assert(none == nil and err.code == 'TIMEOUT')\n"
        "task.deadline(0)\n"
        "assert(request('/ok').status == 200)\n");
    CHECK(http_client_pending(lua_test_host.http_client) == 0);
}

static void asks_for_many_at_once(void)
{
    run("=asks_for_many_at_once",
        "local left, all = 200, task.signal()\n"
        "for i = 1, 200 do\n"
        "  task.spawn(function()\n"
        "    local answer = assert(request('/bytes/' .. i * 100))\n"
        "    assert(#answer.body == i * 100)\n"
        "    left = left - 1\n"
        "    if left == 0 then all:notify() end\n"
        "  end)\n"
        "end\n"
        "assert(left == 0 or all:wait(10000))\n"
        "assert(left == 0)\n");
    CHECK(web.accepted <= 30);
}

static void saves_to_files(void)
{
    char code[512];
    snprintf(code, sizeof(code),
             "local path = '%s'\n"
             "local answer = assert(request('/chunks/700000', {save = path}))\n"
             "assert(answer.size == 700000 and answer.body == nil)\n"
             "assert(#io.open(path):read('*a') == 700000)\n"
             "local none, err = request('/ok', {save = path})\n"
             "assert(none == nil and err.code == 'EXISTS')\n"
             "assert(request('/status/404', {save = path .. '2'}).body == 'body')\n",
             servers_path("saved"));
    run("=saves_to_files", code);
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    loop = uv_default_loop();
    web_start();
    lua_test_start();
    lua_test_host.http_client = http_client_new(loop);
    RUN(gives_answers);
    RUN(tells_failures);
    RUN(raises_for_mistakes);
    RUN(ends_with_the_deadline_of_its_task);
    RUN(asks_for_many_at_once);
    RUN(saves_to_files);
    lua_test_end();
    http_client_close(lua_test_host.http_client);
    web_stop();
    uv_run(loop, UV_RUN_NOWAIT);
    uv_run(loop, UV_RUN_NOWAIT);
    return check_result("lua_http_client");
}
