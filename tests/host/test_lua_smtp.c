#include "check.h"
#include "log.h"
#include "lua_test.h"
#include "servers.h"
#include "smtp.h"
#include "smtp_sink.h"

/* Runs the chunk with `send(options)` for the test's server. */
static void run(const char *name, const char *code)
{
    static char text[8192];
    snprintf(
        text, sizeof(text),
        "local smtp, task = require('host.smtp'), require('host.task')\n"
        "local function send(options)\n"
        "  local all = {url = 'smtp://localhost:%d/tests.example', from = "
        "'a@example.org',\n"
        "    to = {'b@example.org'}, message = 'Subject: x\\r\\n\\r\\nhello\\r\\n',\n"
        "    tls = 'none', ca_file = '%s'}\n"
        "  for key, value in pairs(options or {}) do all[key] = value end\n"
        "  return smtp.send(all)\n"
        "end\n%s",
        sink.port, servers_path("cert.pem"), code);
    lua_test_run(name, text);
}

static void sends(void)
{
    sink_behave((struct sink_manners){.starttls = true});
    run("=sends",
        "assert(send({to = {'b@example.org', 'c@example.org'}}) == true)\n"
        "assert(send({tls = 'required', user = 'user', password = 'secret'}))\n");
    CHECK(sink.mail.tls && sink.mail.auth[0]);
    CHECK_STR(sink.mail.data, "Subject: x\r\n\r\nhello\r\n");
}

static void tells_failures(void)
{
    sink_behave((struct sink_manners){.rcpt_code = 550});
    run("=refused", "local none, err = send()\n"
                    "assert(none == nil and err.code == 'REFUSED')\n"
                    "assert(err.message == '550 we would rather not')\n"
                    "none, err = send({tls = 'required'})\n"
                    "assert(none == nil and err.code == 'TLS')\n"
                    "none, err = send({to = {'b@example.org\\r\\nDATA'}})\n"
                    "assert(none == nil and err.code == 'INVALID')\n"
                    "none, err = send({url = 'smtp://127.0.0.1:1'})\n"
                    "assert(none == nil and err.code == 'UNAVAILABLE')\n");
    sink_behave((struct sink_manners){.final_code = 451});
    run("=temporary", "local none, err = send()\n"
                      "assert(none == nil and err.code == 'TEMPORARY')\n");
    sink_behave((struct sink_manners){.hang_final = true});
    run("=timeout", "local none, err = send({timeout_ms = 100})\n"
                    "assert(none == nil and err.code == 'TIMEOUT')\n"
                    "task.deadline(100)\n"
                    "none, err = send()\n"
                    "assert(none == nil and err.code == 'TIMEOUT')\n");
}

static void raises_for_mistakes(void)
{
    sink_behave((struct sink_manners){0});
    run("=raises_for_mistakes",
        "for _, wrong in ipairs({{to = 'b'}, {to = {1}}, {to = {'a\\0b'}}, {tls = "
        "'yes'},\n"
        "    {timeout_ms = 0}, {from = 1}, {from = 'a\\0b'}, {url = 1}, {message = {}}}) "
        "do\n"
        "  assert(not pcall(send, wrong))\n"
        "end\n"
        "assert(not pcall(smtp.send) and not pcall(smtp.send, {}))\n");
    CHECK(sink.mail.connections == 0);
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    certificate_make("localhost");
    loop = uv_default_loop();
    sink_start();
    lua_test_start();
    lua_test_host.smtp = smtp_new(loop);
    RUN(sends);
    RUN(tells_failures);
    RUN(raises_for_mistakes);
    lua_test_end();
    smtp_close(lua_test_host.smtp);
    sink_stop();
    uv_run(loop, UV_RUN_NOWAIT);
    return check_result("lua_smtp");
}
