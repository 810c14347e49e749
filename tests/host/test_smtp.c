#include "check.h"
#include "log.h"
#include "loop.h"
#include "servers.h"
#include "smtp.h"
#include "smtp_sink.h"

static const char hello[] = "Subject: hello\r\n\r\nfirst\r\n.\r\n..two\r\nlast\r\n";
static const char *const one[] = {"ann@example.org"};

static struct smtp *smtp;
static struct {
    bool done;
    char code[32], message[1024];
} result;

static void on_done(void *arg, const struct err *err)
{
    (void)arg;
    CHECK(!result.done);
    result.done = true;
    snprintf(result.code, sizeof(result.code), "%s", err ? err->code : "");
    snprintf(result.message, sizeof(result.message), "%s", err ? err->message : "");
}

static struct smtp_options options_for(const char *scheme)
{
    static char url[64];
    snprintf(url, sizeof(url), "%s://localhost:%d/tests.example", scheme, sink.port);
    return (struct smtp_options){.url = url,
                                 .from = "fixxit@example.org",
                                 .to = one,
                                 .to_count = 1,
                                 .message = hello,
                                 .len = strlen(hello),
                                 .tls = SMTP_TLS_NONE,
                                 .timeout_ms = (unsigned)patiently(5000)};
}

static struct smtp_mail *start(const struct smtp_options *options)
{
    struct err err;
    memset(&result, 0, sizeof(result));
    struct smtp_mail *mail = smtp_send(smtp, options, on_done, NULL, &err);
    if (!mail)
        on_done(NULL, &err);
    return mail;
}

/* The code, "" when the mail was taken. */
static const char *send_mail(const struct smtp_options *options)
{
    if (start(options))
        loop_await(&result.done);
    return result.code;
}

static const char *send_to(struct sink_manners manners)
{
    struct smtp_options options = options_for("smtp");
    sink_behave(manners);
    return send_mail(&options);
}

static void hands_over_the_mail(void)
{
    static const char *const two[] = {"ann@example.org", "bob@example.org"};
    struct smtp_options options = options_for("smtp");
    options.to = two;
    options.to_count = 2;
    sink_behave((struct sink_manners){0});
    CHECK_STR(send_mail(&options), "");
    CHECK(strncmp(sink.mail.from, "<fixxit@example.org>", 20) == 0);
    CHECK_STR(sink.mail.to, "<ann@example.org><bob@example.org>");
    CHECK_STR(sink.mail.data, hello);
    CHECK(!sink.mail.tls && sink.mail.quit && !sink.mail.auth[0]);
    options.from = "";
    CHECK_STR(send_mail(&options), "");
    CHECK(strncmp(sink.mail.from, "<>", 2) == 0);
}

static void tells_for_good_from_for_now(void)
{
    CHECK_STR(send_to((struct sink_manners){.rcpt_code = 550}), SMTP_REFUSED);
    CHECK_STR(result.message, "550 we would rather not");
    CHECK_STR(send_to((struct sink_manners){.rcpt_code = 450}), SMTP_TEMPORARY);
    CHECK_STR(result.message, "450 we would rather not");
    CHECK_STR(send_to((struct sink_manners){.mail_code = 553}), SMTP_REFUSED);
    CHECK_STR(send_to((struct sink_manners){.mail_code = 451}), SMTP_TEMPORARY);
    CHECK_STR(send_to((struct sink_manners){.data_code = 554}), SMTP_REFUSED);
    CHECK_STR(send_to((struct sink_manners){.data_code = 421}), SMTP_TEMPORARY);
    CHECK_STR(send_to((struct sink_manners){.final_code = 552}), SMTP_REFUSED);
    CHECK_STR(send_to((struct sink_manners){.final_code = 452}), SMTP_TEMPORARY);
    CHECK_STR(send_to((struct sink_manners){0}), "");
}

static void tells_when_the_server_is_not_there(void)
{
    CHECK_STR(send_to((struct sink_manners){.cut_data = true}), ERR_UNAVAILABLE);
    CHECK_STR(send_to((struct sink_manners){.cut_final = true}), ERR_UNAVAILABLE);
    struct smtp_options options = options_for("smtp");
    options.url = "smtp://127.0.0.1:1";
    CHECK_STR(send_mail(&options), ERR_UNAVAILABLE);
    options.url = "smtp://no-such-name.invalid";
    CHECK_STR(send_mail(&options), ERR_UNAVAILABLE);
}

static void keeps_the_deadline(void)
{
    struct smtp_options options = options_for("smtp");
    options.timeout_ms = 200;
    sink_behave((struct sink_manners){.hang_greeting = true});
    CHECK_STR(send_mail(&options), ERR_TIMEOUT);
    sink_behave((struct sink_manners){.hang_final = true});
    CHECK_STR(send_mail(&options), ERR_TIMEOUT);
}

/* The mail is the server's by then: sending it again would double it. */
static void does_not_fail_for_an_unanswered_quit(void)
{
    uint64_t start_ns = uv_hrtime();
    CHECK_STR(send_to((struct sink_manners){.hang_quit = true}), "");
    CHECK((uv_hrtime() - start_ns) / 1000000 < (unsigned)patiently(4000));
}

static void secures_the_connection(void)
{
    static char cert[128];
    strcpy(cert, servers_path("cert.pem"));
    struct smtp_options options = options_for("smtp");
    options.tls = SMTP_TLS_REQUIRED;
    sink_behave((struct sink_manners){0}); /* offers none */
    CHECK_STR(send_mail(&options), SMTP_TLS_FAILED);
    CHECK(!sink.mail.from[0]);
    sink_behave((struct sink_manners){.starttls = true}); /* an authority unknown to us */
    CHECK_STR(send_mail(&options), SMTP_TLS_FAILED);
    CHECK(!sink.mail.from[0]);
    options.ca_file = cert;
    CHECK_STR(send_mail(&options), "");
    CHECK(sink.mail.tls && strcmp(sink.mail.data, hello) == 0);
    sink_behave((struct sink_manners){.starttls = true, .starttls_code = 454});
    CHECK_STR(send_mail(&options), SMTP_TEMPORARY);
    options.tls = SMTP_TLS_OPTIONAL;
    sink_behave((struct sink_manners){.starttls = true});
    CHECK_STR(send_mail(&options), "");
    CHECK(sink.mail.tls);
    sink_behave((struct sink_manners){0});
    CHECK_STR(send_mail(&options), "");
    CHECK(!sink.mail.tls);
    options = options_for("smtps");
    options.ca_file = cert;
    sink_behave((struct sink_manners){.implicit_tls = true});
    CHECK_STR(send_mail(&options), "");
    CHECK(sink.mail.tls);
    options.ca_file = NULL;
    CHECK_STR(send_mail(&options), SMTP_TLS_FAILED);
}

static void signs_in_only_in_secret(void)
{
    static char cert[128];
    strcpy(cert, servers_path("cert.pem"));
    struct smtp_options options = options_for("smtp");
    options.user = "user";
    options.password = "secret";
    options.ca_file = cert;
    options.tls = SMTP_TLS_OPTIONAL;
    sink_behave((struct sink_manners){.starttls = true});
    CHECK_STR(send_mail(&options), "");
    CHECK(sink.mail.tls);
    CHECK(strstr(sink.mail.auth, "AHVzZXIAc2VjcmV0") != NULL); /* \0user\0secret */
    sink_behave((struct sink_manners){0});
    CHECK_STR(send_mail(&options), SMTP_TLS_FAILED);
    CHECK(!sink.mail.auth[0]);
    sink_behave((struct sink_manners){.starttls = true, .auth_code = 535});
    CHECK_STR(send_mail(&options), SMTP_REFUSED);
    sink_behave((struct sink_manners){.starttls = true, .auth_code = 454});
    CHECK_STR(send_mail(&options), SMTP_TEMPORARY);
}

static void refuses_what_would_break_out(void)
{
    static const char *const addresses[] = {
        "", "a@b\r\nRCPT TO:<c@d>", "a b@c", "<a@b>", "a@b\x7f", "a@b\n"};
    static const char *const messages[] = {
        "", "a", "a\n", "a\r\nb\n", "a\rb\r\n", "a\r\n\r", "a\r\n.\n\r\n", "\n"};
    static const char *const urls[] = {"", "localhost", "http://localhost/",
                                       "smtp://user:x@localhost", "file:///etc/passwd"};
    struct smtp_options options;
    sink_behave((struct sink_manners){0});
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        options = options_for("smtp");
        options.to = &addresses[i];
        CHECK_STR(send_mail(&options), ERR_INVALID);
        options = options_for("smtp");
        options.from = addresses[i];
        if (addresses[i][0])
            CHECK_STR(send_mail(&options), ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        options = options_for("smtp");
        options.message = messages[i];
        options.len = strlen(messages[i]);
        CHECK_STR(send_mail(&options), ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        options = options_for("smtp");
        options.url = urls[i];
        CHECK_STR(send_mail(&options), ERR_INVALID);
    }
    options = options_for("smtp");
    options.to_count = 0;
    CHECK_STR(send_mail(&options), ERR_INVALID);
    CHECK(sink.mail.connections == 0);
}

static void can_be_cancelled(void)
{
    struct smtp_options options = options_for("smtp");
    sink_behave((struct sink_manners){.hang_final = true});
    struct smtp_mail *mail = start(&options);
    loop_pass(50);
    smtp_cancel(mail);
    sink_behave((struct sink_manners){0});
    loop_pass(1500); /* broken off: the sink serves the next */
    CHECK(!result.done);
    CHECK_STR(send_to((struct sink_manners){0}), "");
}

static void on_one_done(void *arg, const struct err *err)
{
    CHECK(err && strcmp(err->code, ERR_TIMEOUT) == 0);
    --*(unsigned *)arg;
}

static void takes_a_bounded_number(void)
{
    enum { MANY = 60, THREADS = 4, WAITING = 32 };
    struct smtp_options options = options_for("smtp");
    struct err err;
    unsigned taken = 0;
    options.timeout_ms = 300;
    sink_behave((struct sink_manners){.hang_greeting = true});
    for (int i = 0; i < MANY; i++)
        if (smtp_send(smtp, &options, on_one_done, &taken, &err))
            taken++;
        else
            CHECK_STR(err.code, ERR_BUSY);
    CHECK(taken >= WAITING && taken <= WAITING + THREADS);
    for (int i = 0; i < 1000 && taken; i++)
        loop_pass(10);
    CHECK(taken == 0);
}

static void ends_with_mails_under_way(void)
{
    struct smtp_options options = options_for("smtp");
    options.timeout_ms = 60000;
    sink_behave((struct sink_manners){.hang_greeting = true});
    start(&options);
    loop_pass(50);
    uint64_t start_ns = uv_hrtime();
    smtp_close(smtp);
    CHECK_STR(result.code, ERR_CLOSED);
    CHECK((uv_hrtime() - start_ns) / 1000000 < (unsigned)patiently(3000));
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    certificate_make("localhost");
    loop = uv_default_loop();
    sink_start();
    smtp = smtp_new(loop);
    RUN(hands_over_the_mail);
    RUN(tells_for_good_from_for_now);
    RUN(tells_when_the_server_is_not_there);
    RUN(keeps_the_deadline);
    RUN(does_not_fail_for_an_unanswered_quit);
    RUN(secures_the_connection);
    RUN(signs_in_only_in_secret);
    RUN(refuses_what_would_break_out);
    RUN(can_be_cancelled);
    RUN(takes_a_bounded_number);
    RUN(ends_with_mails_under_way);
    sink_stop();
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop) == 0);
    return check_result("smtp");
}
