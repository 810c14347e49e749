/* The HTTP binding: a VM of its own whose core.main is written here, the server and real
 * sockets. The collector runs at full aggression, so that a lost reference shows. */
#include "conf.h"
#include "entry.h"
#include "http.h"
#include "http_wire.h"
#include "log.h"
#include "lua_bindings.h"
#include "lua_vm.h"
#include "metrics.h"
#include "uuid.h"
#include "ws.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

/* Only what these cases need, instead of the list of lua_bindings.c. */
const luaL_Reg lua_bindings[] = {
    {"host.http", luaopen_host_http},
    {"host.task", luaopen_host_task},
    {"host.ws", luaopen_host_ws},
    {NULL, NULL},
};

static const char main_lua[] =
    "local http = require('host.http')\n"
    "local task = require('host.task')\n"
    "local ws = require('host.ws')\n"
    "collectgarbage('setpause', 0) collectgarbage('setstepmul', 10000)\n"
    "local M, kept = {}, nil\n"
    "local paths = {}\n"
    "local function code(err) return err.code .. (err.field and ' ' .. err.field or '') "
    "end\n"
    "paths['/show'] = function(req)\n"
    "  local all = req:headers()\n"
    "  req:respond(201, {['X-Number'] = 5, ['Set-Cookie'] = {'a=1', 'b=2'}}, "
    "table.concat({\n"
    "    req:method(), req:path(), req:query(), req:header('X-A'), all['x-a'], "
    "req:ip(),\n"
    "    tostring(req:has_body()), tostring(req:content_length()), "
    "tostring(req:header('x-b')),\n"
    "    http.stats().connections, tostring(req:responded())}, '|'))\n"
    "end\n"
    "paths['/body'] = function(req)\n"
    "  local text, err = req:body(10)\n"
    "  req:respond(200, nil, text or code(err))\n"
    "end\n"
    "paths['/form'] = function(req)\n"
    "  local form, err = req:multipart{max_file = 100000, max_files = 1, max_fields = "
    "1,\n"
    "    max_text = 10, dir = req:header('x-dir')}\n"
    "  if not form then return req:respond(400, nil, code(err)) end\n"
    "  local file = form.files[1] or {}\n"
    "  if req:query() == 'keep' then assert(req:keep(file.path)) end\n"
    "  req:respond(200, nil, table.concat({tostring(form.fields.t), "
    "tostring(file.filename),\n"
    "    tostring(file.size), tostring(file.type)}, '|'))\n"
    "end\n"
    "paths['/twice'] = function(req)\n"
    "  req:respond(200, nil, 'once')\n"
    "  M.twice = pcall(req.respond, req, 200, nil, 'twice')\n"
    "end\n"
    "local names = {'X-Text', 'X-None', 'X-Whole', 'x-own', 'X-Id'}\n"
    "local frame = http.frame({['X-Same'] = 'as always', ['X-More'] = 'of it',\n"
    "  ['Date'] = 'not ours'}, names)\n"
    "paths['/frame'] = function(req)\n"
    "  local function refused(...) return not pcall(...) end\n"
    "  local bad = refused(http.frame, {X = 'a\\r\\nY: b'}) and\n"
    "    refused(http.frame, {['X Y'] = 'b'}) and refused(http.frame, nil, {'X Y'}) and\n"
    "    refused(http.frame, nil, {1, {}}) and refused(http.frame, nil, {'Date'}) and\n"
    "    refused(http.frame, nil, 'X') and refused(req.respond, req, 200, nil, '', {})\n"
    "  req:respond(200, {['X-Own'] = 'b', ['x-same'] = 'another'}, tostring(bad), "
    "frame)\n"
    "end\n"
    "local sealed = http.headers({['X-Own'] = 'sealed', ETag = '1', ['X-Many'] = {'a', "
    "'b'}})\n"
    "paths['/sealed'] = function(req)\n"
    "  local function refused(...) return not pcall(...) end\n"
    "  local bad = refused(http.headers, {X = 'a\\r\\nY: b'}) and\n"
    "    refused(http.headers, {['X Y'] = 'b'}) and refused(http.headers) and\n"
    "    refused(req.respond, req, 200, frame, '')\n"
    "  req:respond(200, sealed, tostring(bad), frame, 'a', nil, nil, req:query() == "
    "'own' and 'new' or nil)\n"
    "end\n"
    "paths['/fields'] = function(req)\n"
    "  local function refused(...)\n"
    "    return not pcall(req.respond, req, 200, nil, '', ...)\n"
    "  end\n"
    "  local bad = refused(frame, 'a\\nb') and refused(frame, -1) and refused(frame, "
    "1e15)\n"
    "    and refused(frame, {}) and refused('X', 'a') and refused(nil, 'a')\n"
    "    and refused(frame, 1, 2, 3, 4, 5, 6) and refused(frame, false) and "
    "refused(frame, 0 / 0)\n"
    "  req:respond(200, {['X-Own'] = 'old', ['X-Other'] = 7}, tostring(bad), frame,\n"
    "    'a', nil, 999999999999999, 'new', true)\n"
    "end\n"
    "paths['/head'] = function(req)\n"
    "  local method, path, query, ip, parent = req:head()\n"
    "  if req:id() ~= req:id() or req:trace() ~= req:trace() then error('another') end\n"
    "  req:respond(200, nil, table.concat({method, path, query, ip, tostring(parent), "
    "tostring(req:agent()), req:id(), req:trace()}, '|'))\n"
    "end\n"
    "paths['/finish'] = function(req)\n"
    "  req:respond(200, nil, '')\n"
    "  if req:query() == 'q' then return 101, 1, 2, nil, 'one', 'r\"1', 'two', nil, 'c', "
    "'u' "
    "end\n"
    "  return 404, 2, 1, 't', 'one', 'r', 'two', nil\n" /* not what they are series of */
    "end\n"
    "paths['/split'] = function(req) req:respond(200, {X = 'a\\r\\nY: b'}, '') end\n"
    "paths['/boom'] = function() error('boom') end\n"
    "paths['/nothing'] = function() end\n"
    "paths['/slow'] = function(req)\n"
    "  local ok, err = task.sleep(10000)\n"
    "  req:respond(504, nil, tostring(ok) .. code(err))\n"
    "end\n"
    "paths['/stall'] = function(req)\n"
    "  task.deadline(100)\n"
    "  local text, err = req:body(10)\n"
    "  req:respond(408, nil, tostring(text) .. code(err))\n"
    "end\n"
    "paths['/file'] = function(req)\n"
    "  local ok, err = req:send_file(200, {['Content-Type'] = 'text/x-lua'}, "
    "req:header('x-file'), 0, 5)\n"
    "  if not ok then req:respond(404, nil, code(err)) end\n"
    "end\n"
    "paths['/keep'] = function(req) kept = req req:respond(200, nil, 'kept') end\n"
    "paths['/late'] = function(req)\n"
    "  req:respond(200, nil, tostring(pcall(kept.path, kept)) .. tostring(M.twice))\n"
    "end\n"
    "paths['/events'] = function(req)\n"
    "  for _, wrong in ipairs({{headers = 1}, {headers = {1}}, {headers = {['A b'] = "
    "'c'}},\n"
    "      {headers = {A = 'b\\r\\nc: d'}}, {headers = {A = {}}}, {ping_ms = 0}, 5}) do\n"
    "    assert(not pcall(ws.accept_events, req, wrong))\n"
    "  end\n"
    "  local id, err = ws.accept_events(req, {headers = {['X-A'] = 'b', ['X-C'] = "
    "'d'}})\n"
    "  if not id then return req:respond(400, nil, code(err)) end\n"
    "  assert(ws.join(id, 'room') and ws.send(id, 'a\\nb', '7:1'))\n"
    "  assert(ws.publish('room', 'c', 5, '7:2', 'news') == 1 and ws.publish('room', 'd', "
    "5) == "
    "0)\n"
    "  assert(ws.send(id, 'e') and ws.close(id, 1000, 'over'))\n"
    "end\n"
    "function M.boot()\n"
    "  return {request = function(req) return paths[req:path():match('^/%w+')](req) "
    "end}\n"
    "end\n"
    "return M\n";

static struct host host;
static struct http_server *server;
static char dir[] = "/tmp/test-lua-http-XXXXXX";
static char main_path[sizeof(dir) + 32];
static char log_path[sizeof(dir) + 32];
static struct client client;

/* Sends `text` and returns the body of the answer, whose status is checked. */
static const char *ask(int expected, const char *text)
{
    forget(&client);
    send_text(&client, text);
    CHECK(await(&client, 1));
    CHECK(status(&client) == expected);
    return body(&client);
}

static void shows_requests_and_answers(void)
{
    CHECK_STR(ask(201, "GET /show?q HTTP/1.1\r\nHost: x\r\nX-a: 1\r\n\r\n"),
              "GET|/show|q|1|1||false|nil|nil|1|false");
    CHECK(strstr(client.got, "X-Number: 5\r\n"));
    CHECK(strstr(client.got, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"));
}

static void reads_bodies(void)
{
    CHECK_STR(ask(200, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
              "abc");
    CHECK_STR(ask(200, "GET /body HTTP/1.1\r\nHost: x\r\n\r\n"), "");
    CHECK_STR(
        ask(200,
            "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890"),
        "TOO_LARGE");
    CHECK_STR(ask(200,
                  "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "b\r\n01234567890\r\n0\r\n\r\n"),
              "TOO_LARGE");
    forget(&client);
    send_text(&client,
              "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
    turn();
    turn();
    send_text(&client, "56789");
    CHECK(await(&client, 1));
    CHECK_STR(body(&client), "0123456789");
}

static const char *form(const char *query, const char *content)
{
    static char text[2000];
    snprintf(text, sizeof(text),
             "POST /form%s HTTP/1.1\r\nHost: x\r\nX-Dir: %s\r\nContent-Length: %zu\r\n"
             "Content-Type: multipart/form-data; boundary=b\r\n\r\n%s",
             query, dir, strlen(content), content);
    return text;
}

static int uploads(void)
{
    int count = 0;
    DIR *folder = opendir(dir);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strncmp(entry->d_name, "upload-", 7) == 0) {
            struct stat st;
            if (fstatat(dirfd(folder), entry->d_name, &st, 0) < 0)
                continue; /* a thread removes it just now */
            CHECK((st.st_mode & 0777) == 0600);
            count++;
        }
    closedir(folder);
    return count;
}

static bool await_uploads(int count)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (uploads() != count && uv_hrtime() / 1000000 < end)
        turn();
    return uploads() == count;
}

#define FIELD "--b\r\nContent-Disposition: form-data; name=t\r\n\r\nvalue\r\n"
#define FILE_PART                                                                        \
    "--b\r\nContent-Disposition: form-data; name=f; filename=\"a.txt\"\r\n"              \
    "Content-Type: text/plain\r\n\r\n0123\r\n"
#define NO_FILE "--b\r\nContent-Disposition: form-data; name=f; filename=\"\"\r\n\r\n\r\n"

static void reads_forms(void)
{
    CHECK_STR(ask(200, form("", FIELD FILE_PART "--b--")), "value|a.txt|4|text/plain");
    CHECK(await_uploads(0));
    CHECK_STR(ask(200, form("", FIELD NO_FILE "--b--")), "value|nil|nil|nil");
    CHECK_STR(ask(400, form("", FIELD FIELD "--b--")), "TOO_MANY t");
    CHECK_STR(ask(400, form("", FILE_PART FILE_PART "--b--")), "TOO_MANY f");
    CHECK_STR(ask(400, form("", FIELD)), "INVALID t");
    CHECK_STR(ask(400, form("", "--b\r\nContent-Disposition: form-data; name=long\r\n\r\n"
                                "01234567890\r\n--b--")),
              "TOO_LARGE long");
    CHECK_STR(ask(400, "POST /form HTTP/1.1\r\nHost: x\r\nX-Dir: /\r\n\r\n"), "INVALID");
    CHECK(await_uploads(0));
    CHECK_STR(ask(200, form("?keep", FILE_PART "--b--")), "nil|a.txt|4|text/plain");
    CHECK(await_uploads(1));
}

static void answers_for_tasks_that_do_not(void)
{
    CHECK(strstr(ask(500, "GET /boom HTTP/1.1\r\nHost: x\r\n\r\n"), "\"INTERNAL\""));
    CHECK(!strstr(client.got, "boom"));
    CHECK(strstr(ask(500, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"), "requestId"));
    CHECK_STR(ask(200, "GET /frame HTTP/1.1\r\nHost: x\r\n\r\n"), "true");
    CHECK(strstr(client.got, "X-More: of it\r\n") && !strstr(client.got, "X-Same"));
    CHECK(strstr(client.got, "X-Own: b\r\n") && strstr(client.got, "x-same: another"));
    CHECK(!strstr(client.got, "not ours"));
    CHECK_STR(ask(200, "GET /fields HTTP/1.1\r\nHost: x\r\n\r\n"), "true");
    CHECK(strstr(client.got, "X-Text: a\r\n") && strstr(client.got, "x-own: new\r\n"));
    CHECK(strstr(client.got, "X-Whole: 999999999999999\r\n"));
    CHECK(strstr(client.got, "X-Other: 7\r\n") && strstr(client.got, "X-Same: as"));
    CHECK(!strstr(client.got, "X-None") && !strstr(client.got, "old"));
    CHECK_STR(ask(200, "GET /sealed HTTP/1.1\r\nHost: x\r\n\r\n"), "true");
    CHECK(strstr(client.got, "X-Own: sealed\r\n") && strstr(client.got, "ETag: 1\r\n"));
    CHECK(strstr(client.got, "X-Many: a\r\nX-Many: b\r\n"));
    CHECK(strstr(client.got, "X-Text: a\r\n") && strstr(client.got, "X-More: of it\r\n"));
    CHECK_STR(ask(200, "GET /sealed?own HTTP/1.1\r\nHost: x\r\n\r\n"), "true");
    CHECK(strstr(client.got, "x-own: new\r\n") && !strstr(client.got, "sealed"));
    CHECK(strstr(ask(500, "GET /split HTTP/1.1\r\nHost: x\r\n\r\n"), "\"INTERNAL\""));
    CHECK_STR(ask(504, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"), "nilTIMEOUT");
}

static void tells_the_head_in_one_call(void)
{
    CHECK(strncmp(ask(200, "GET /head?q HTTP/1.1\r\nHost: x\r\n\r\n"),
                  "GET|/head|q||nil|nil|", 21) == 0);
    CHECK(strstr(ask(200, "GET /head HTTP/1.1\r\nHost: x\r\nTraceparent: t\r\n"
                          "User-Agent: \"a\" \xc3\xa9~\r\n\r\n"),
                 "||t|\"a\" ?\?~|"));
}

/* What stands behind the last `|` but `back`. */
static const char *part(const char *text, int back)
{
    const char *at = text + strlen(text);
    while (at > text && (at[-1] != '|' || back-- > 0))
        at--;
    return at;
}

static void names_requests(void)
{
    char text[300], longest[102] = "";
    const char *told = ask(200, "GET /head HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *id = part(told, 1), *trace = part(told, 0);
    CHECK(uuid_is(id, UUID_TEXT) && strlen(trace) == UUID_HEX);
    CHECK(strncmp(id, trace, 8) == 0 && strncmp(id + 9, trace + 8, 4) == 0);
    memset(longest, 'a', 101);
    static const char *const wrong[] = {"a b", "a/b", "a\xc3\xa9", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]) + 1; i++) {
        snprintf(text, sizeof(text),
                 "GET /head HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n",
                 i < sizeof(wrong) / sizeof(wrong[0]) ? wrong[i] : longest);
        CHECK(uuid_is(part(ask(200, text), 1), UUID_TEXT));
    }
    told = ask(200, "GET /head HTTP/1.1\r\nHost: x\r\nX-Request-Id: r._:-1\r\n\r\n");
    CHECK(strncmp(part(told, 1), "r._:-1|", 7) == 0);
    CHECK(strlen(part(told, 0)) == UUID_HEX);
    longest[100] = '\0';
    snprintf(text, sizeof(text),
             "GET /fields HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n", longest);
    ask(200, text);
    snprintf(text, sizeof(text), "X-Id: %s\r\n", longest);
    CHECK(strstr(client.got, text));
}

static void finishes_requests(void)
{
    char text[2000];
    ask(200, "GET /finish?q HTTP/1.1\r\nHost: x\r\nX-Request-Id: f-1\r\n\r\n");
    ask(200, "GET /finish/%22\"\\ HTTP/1.1\r\nHost: x\r\n\r\n");
    int fd = open(log_path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *second = strchr(text, '\n');
    CHECK(second && strcmp(second + 1, "") != 0);
    CHECK(strstr(text,
                 "\"level\":\"info\",\"process\":\"http 1\",\"message\":\"request\","
                 "\"method\":\"GET\",\"path\":\"/finish\",\"status\":101,\"ms\":"));
    CHECK(strstr(text, ",\"ip\":\"\",\"requestId\":\"f-1\",\"traceId\":\""));
    CHECK(strstr(text, "\",\"one\":\"r\\\"1\",\"c\":\"u\"}\n"));
    CHECK(second && strstr(second, "\"path\":\"/finish/%22\\\"\\\\\",\"status\":404,"));
    CHECK(second && strstr(second, "\",\"traceId\":\"t\",\"one\":\"r\"}\n"));
    struct buf told = {0};
    metrics_print(host.metrics, &told);
    CHECK(strstr(buf_cstr(&told), "a_seconds_count 1\n"));
    CHECK(strstr(buf_cstr(&told), "a_total 1\n"));
    buf_free(&told);
}

static void raises_when_a_request_is_misused(void)
{
    CHECK_STR(ask(200, "GET /twice HTTP/1.1\r\nHost: x\r\n\r\n"), "once");
    CHECK_STR(ask(200, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"), "kept");
    CHECK_STR(ask(200, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n"), "falsefalse");
}

static void sends_files(void)
{
    char text[300];
    snprintf(text, sizeof(text), "GET /file HTTP/1.1\r\nHost: x\r\nX-File: %s\r\n\r\n",
             main_path);
    CHECK_STR(ask(200, text), "local");
    CHECK_STR(ask(404, "GET /file HTTP/1.1\r\nHost: x\r\nX-File: /nowhere\r\n\r\n"),
              "NOT_FOUND");
}

static void ends_the_wait_for_a_body_at_the_deadline(void)
{
    CHECK_STR(ask(408, "POST /stall HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na"),
              "nilTIMEOUT");
    close_client(&client);
    connect_client(&client);
}

static void streams_events(void)
{
    CHECK_STR(ask(400, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
              "INVALID");
    struct client other;
    connect_client(&other);
    send_text(&other, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(await_eof(&other));
    CHECK(status(&other) == 200);
    CHECK(strstr(other.got, "\r\nContent-Type: text/event-stream\r\n"));
    CHECK(strstr(other.got, "\r\nX-A: b\r\n") && strstr(other.got, "\r\nX-C: d\r\n"));
    CHECK_STR(
        body(&other),
        "id: 7:1\ndata: a\ndata: b\n\nevent: news\nid: 7:2\ndata: c\n\ndata: e\n\n");
    close_client(&other);
}

static void answers_503_without_a_generation(void)
{
    struct vm *vm = host.vm;
    host.vm = NULL;
    ask(503, "GET /show HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(client.got, "Retry-After: 1\r\n"));
    host.vm = vm;
}

static void on_booted(void *arg, struct vm *vm, const char *problem)
{
    (void)arg, (void)vm;
    if (problem)
        fprintf(stderr, "%s\n", problem);
    CHECK(!problem);
}

static void start(void)
{
    char text[1024], *out = text, path[sizeof(main_path)];
    static const struct {
        const char *key;
        int value;
    } values[] = {
        {"http.max_header_bytes", 4096},
        {"http.max_headers", 50},
        {"http.max_url_bytes", 1000},
        {"http.max_connections", 10},
        {"http.max_unsent_bytes", 100000000},
        {"http.header_timeout_ms", 2000},
        {"http.body_idle_ms", 2000},
        {"http.keepalive_timeout_ms", 9000},
        {"http.request_timeout_ms", 200},
        {"http.body_timeout_ms", 5000},
        {"http.gzip_level", 0},
        {"http.gzip_min_bytes", 1024},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        out += sprintf(out, "%s%c%d", values[i].key, 0, values[i].value) + 1;
    static const char *const texts[] = {"http.gzip_types", "http.trusted_proxies",
                                        "http.forwarded_header", "http.proxy_protocol"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        out += sprintf(out, "%s%c", texts[i], 0) + 1;
    uv_loop_init(&loop);
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/lua", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/lua/core", dir);
    mkdir(path, 0700);
    snprintf(main_path, sizeof(main_path), "%s/lua/core/main.lua", dir);
    FILE *file = fopen(main_path, "w");
    CHECK(file && fputs(main_lua, file) >= 0);
    fclose(file);
    snprintf(log_path, sizeof(log_path), "%s/access", dir);
    log_init(LOG_INFO, true, "http 1");
    CHECK(log_access_open(log_path) == 0);
    host = (struct host){
        .loop = &loop, .conf = conf_parse(text, (size_t)(out - text)), .role = "http"};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    struct err err;
    host.metrics = metrics_new(8);
    CHECK(metrics_open(host.metrics, METRIC_HISTOGRAM, "a_seconds", "", "") == 1);
    CHECK(metrics_open(host.metrics, METRIC_COUNTER, "a_total", "", "") == 2);
    server = host.http = http_server_new(&host);
    host.ws = ws_hub_new(&host);
    lua_http_install(&host);
    lua_ws_install(&host);
    CHECK(http_server_start(server, fd, &err) == 0);
    host.vm = vm_new(&host, dir);
    vm_boot(host.vm, on_booted, NULL);
    connect_client(&client);
}

static void on_gone(void *arg)
{
    *(bool *)arg = true;
}

static void stop(void)
{
    bool gone = false;
    close_client(&client);
    vm_retire(host.vm, 1000, on_gone, &gone);
    http_server_free(server);
    ws_hub_free(host.ws);
    host.ws = NULL;
    for (int i = 0; i < 100 && !gone; i++)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK(gone);
    metrics_free(host.metrics);
    conf_free((struct conf *)(uintptr_t)host.conf);
    char command[sizeof(dir) + 20];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    CHECK(system(command) == 0);
}

int main(void)
{
    vm_collect_always();
    signal(SIGPIPE, SIG_IGN);
    start();
    RUN(shows_requests_and_answers);
    RUN(reads_bodies);
    RUN(reads_forms);
    RUN(answers_for_tasks_that_do_not);
    RUN(tells_the_head_in_one_call);
    RUN(names_requests);
    RUN(finishes_requests);
    RUN(raises_when_a_request_is_misused);
    RUN(sends_files);
    RUN(ends_the_wait_for_a_body_at_the_deadline);
    RUN(streams_events);
    RUN(answers_503_without_a_generation);
    stop();
    return check_result("lua_http");
}
