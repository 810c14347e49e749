#include "certificate.h"
#include "check.h"
#include "http_client.h"
#include "log.h"
#include "loop.h"
#include "servers.h"
#include "web_server.h"
#include <dlfcn.h>
#include <netdb.h>
#include <sys/stat.h>

/* ---- names: the client's look-ups end here ---- */

enum { SLOW_NAME_MS = 1500 };

static const struct {
    const char *name, *address;
} names[] = {
    {"one.test", "127.0.0.1"},
    {"two.test", "127.0.0.1"},
    {"slow.test", "127.0.0.1"},
    {"private.test", "10.1.2.3"},
    {"mapped.test", "::ffff:127.0.0.1"},
    {"metadata.test", "169.254.169.254"},
    {"six.test", "::1"},
};

__attribute__((visibility("default"))) int getaddrinfo(const char *name,
                                                       const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **result)
{
    static int (*real)(const char *, const char *, const struct addrinfo *,
                       struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i].name) == 0) {
            struct addrinfo any = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST};
            if (strcmp(name, "slow.test") == 0)
                usleep(SLOW_NAME_MS * 1000);
            return real(names[i].address, service, &any, result);
        }
    return real(name, service, hints, result);
}

/* ---- one request ---- */

struct outcome {
    bool done;
    int status;
    char code[32], message[512];
    struct buf body, headers; /* headers: "name: value\n" */
    uint64_t size;
};

static struct http_client *client;
static struct outcome outcome;

static void forget(void)
{
    buf_free(&outcome.body);
    buf_free(&outcome.headers);
    outcome = (struct outcome){0};
}

static void on_answer(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct outcome *out = arg;
    CHECK(!out->done && !answer == !!err);
    out->done = true;
    if (err) {
        snprintf(out->code, sizeof(out->code), "%s", err->code);
        snprintf(out->message, sizeof(out->message), "%.500s", err->message);
        return;
    }
    out->status = answer->status;
    out->size = answer->size;
    buf_append(&out->body, answer->body, answer->body_len);
    for (size_t i = 0; i < answer->header_count; i++)
        buf_printf(&out->headers, "%s: %.*s\n", answer->headers[i].name,
                   (int)answer->headers[i].value_len, answer->headers[i].value);
}

/* "%d" in `path_or_url` is the server's port; a path is asked of 127.0.0.1. */
static const char *url_of(const char *path_or_url)
{
    static char url[2048];
    char format[1024];
    snprintf(format, sizeof(format), "%s%s",
             path_or_url[0] == '/' ? "http://127.0.0.1:%d" : "", path_or_url);
    char *at = strstr(format, "%d");
    if (!at)
        return strcpy(url, format);
    snprintf(url, sizeof(url), "%.*s%d%s", (int)(at - format), format, web.port, at + 2);
    return url;
}

static struct http_fetch_options options_for(const char *path_or_url)
{
    return (struct http_fetch_options){.url = url_of(path_or_url),
                                       .timeout_ms = 5000,
                                       .max_bytes = 1000000,
                                       .policy = {.allow_private = true}};
}

static struct http_fetch *start(const struct http_fetch_options *options)
{
    struct err err;
    forget();
    struct http_fetch *fetch =
        http_fetch_start(client, options, on_answer, &outcome, &err);
    if (!fetch)
        on_answer(&outcome, NULL, &err);
    return fetch;
}

static const struct outcome *ask(const struct http_fetch_options *options)
{
    if (start(options))
        loop_await(&outcome.done);
    return &outcome;
}

static const struct outcome *get(const char *path)
{
    struct http_fetch_options options = options_for(path);
    return ask(&options);
}

/* Without a word on private addresses. */
static const char *refusal_of(const char *url)
{
    struct http_fetch_options options = options_for(url);
    options.policy.allow_private = false;
    return ask(&options)->code;
}

/* ---- answers ---- */

static void gives_the_answer(void)
{
    const struct outcome *out = get("/ok");
    CHECK(out->status == 200 && out->size == 5);
    CHECK_STR(buf_cstr(&outcome.body), "hello");
    CHECK_STR(buf_cstr(&outcome.headers),
              "Set-Cookie: a=1\nContent-Length: 5\nset-cookie: b=2\nX-Empty: \n");
    CHECK(get("/status/404")->status == 404);
    CHECK(get("/status/500")->status == 500);
    CHECK(get("/chunks/100000")->size == 100000 && outcome.body.len == 100000);
    CHECK(get("/status/204")->status == 204 && outcome.size == 0);
}

static void sends_what_it_is_told(void)
{
    static const struct http_header headers[] = {
        {"X-One", 5, "a b", 3},          {"x-empty", 7, "", 0},
        {"Content-Length", 14, "99", 2}, {"Transfer-Encoding", 17, "chunked", 7},
        {"Content-Type", 12, "a/b", 3},
    };
    struct http_fetch_options options = options_for("/echo");
    options.method = "POST";
    options.headers = headers;
    options.header_count = 5;
    options.body = "x\0y";
    options.body_len = 3;
    ask(&options);
    char expected[512];
    snprintf(expected, sizeof(expected),
             "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: fixxit\r\nAccept: "
             "*/*\r\n"
             "X-One: a b\r\nx-empty:\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nx",
             web.port);
    CHECK_STR(buf_cstr(&outcome.body), expected);
    CHECK(memcmp(outcome.body.data + outcome.body.len - 3, "x\0y", 3) == 0);

    options = options_for("/echo");
    options.method = "PUT";
    CHECK(strstr((ask(&options), buf_cstr(&outcome.body)), "Content-Length: 0\r\n") !=
          NULL);
    CHECK(strstr(outcome.body.data, "Content-Type") == NULL);
    options.method = "DELETE";
    CHECK(strncmp((ask(&options), buf_cstr(&outcome.body)), "DELETE /echo ", 13) == 0);
    options.method = "HEAD";
    CHECK(ask(&options)->status == 200 && outcome.body.len == 0);
}

static void reuses_connections(void)
{
    get("/ok");
    unsigned before = web.accepted;
    for (int i = 0; i < 20; i++)
        CHECK(get("/ok")->status == 200);
    CHECK(web.accepted == before);
}

static void refuses_malformed_requests(void)
{
    static const char *const urls[] = {
        "",
        "/",
        "example.org",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://",
        "http://user:secret@127.0.0.1:%d/ok",
        "http://127.0.0.1:%d/a\r\nX: y",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1 /",
        "dict://127.0.0.1:%d/",
    };
    unsigned before = web.requests;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct http_fetch_options options = options_for("/ok");
        options.url = urls[i][0] == '/' ? urls[i] : url_of(urls[i]);
        CHECK_STR(ask(&options)->code, ERR_INVALID);
    }
    static const struct http_header bad[] = {
        {"X-A", 3, "a\r\nX-B: c", 9}, {"X A", 3, "a", 1}, {"", 0, "a", 1},
        {"X-A", 3, "a\0b", 3},        {"X:A", 3, "a", 1}, {"X\0A", 3, "a", 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct http_fetch_options options = options_for("/ok");
        options.headers = &bad[i];
        options.header_count = 1;
        CHECK_STR(ask(&options)->code, ERR_INVALID);
    }
    struct http_fetch_options options = options_for("/ok");
    options.method = "GET / HTTP/1.1\r\nX:";
    CHECK_STR(ask(&options)->code, ERR_INVALID);
    options.method = "POST";
    options.follow = 1;
    CHECK_STR(ask(&options)->code, ERR_INVALID);
    CHECK(web.requests == before);
}

/* ---- limits ---- */

static void bounds_the_answer(void)
{
    struct http_fetch_options options = options_for("/bytes/1000");
    options.max_bytes = 1000;
    CHECK(ask(&options)->size == 1000);
    options.max_bytes = 999;
    CHECK_STR(ask(&options)->code, ERR_TOO_LARGE);
    options.url = url_of("/chunks/1000");
    CHECK_STR(ask(&options)->code, ERR_TOO_LARGE);
    options.max_bytes = 1000;
    CHECK(ask(&options)->size == 1000);
    options.url = url_of("/chunks/100000000");
    CHECK_STR(ask(&options)->code, ERR_TOO_LARGE);
    CHECK(get("/headers/60000")->status == 200);
    CHECK_STR(get("/headers/70000")->code, ERR_TOO_LARGE);
}

static void keeps_the_deadline(void)
{
    static const char *const paths[] = {"/stall", "/silent"};
    for (int i = 0; i < 2; i++) {
        uint64_t start_ns = uv_hrtime();
        struct http_fetch_options options = options_for(paths[i]);
        options.timeout_ms = 100;
        CHECK_STR(ask(&options)->code, ERR_TIMEOUT);
        uint64_t ms = (uv_hrtime() - start_ns) / 1000000;
        CHECK(ms >= 90 && ms < 1000);
    }
}

static void never_waits_for_a_name_on_the_loop(void)
{
    uint64_t start_ns = uv_hrtime();
    struct http_fetch_options options = options_for("http://slow.test:%d/ok");
    options.timeout_ms = 50;
    CHECK_STR(ask(&options)->code, ERR_TIMEOUT);
    http_fetch_cancel(start(&options));
    CHECK((uv_hrtime() - start_ns) / 1000000 < SLOW_NAME_MS / 2);
    loop_pass(SLOW_NAME_MS + 200); /* the threads end */
}

static void tells_what_broke(void)
{
    CHECK_STR(get("/cut")->code, ERR_UNAVAILABLE);
    CHECK_STR(get("/garbage")->code, ERR_UNAVAILABLE);
    CHECK_STR(get("http://127.0.0.1:1/")->code, ERR_UNAVAILABLE);
    CHECK_STR(get("http://no-such-name.invalid/")->code, ERR_UNAVAILABLE);
    CHECK(get("/ok")->status == 200);
}

static void can_be_cancelled(void)
{
    struct http_fetch_options options = options_for("/silent");
    struct http_fetch *fetch = start(&options);
    loop_pass(30);
    CHECK(http_client_pending(client) == 1);
    http_fetch_cancel(fetch);
    CHECK(http_client_pending(client) == 0);
    http_fetch_cancel(start(&options));
    loop_pass(30);
    CHECK(!outcome.done);
}

/* ---- addresses ---- */

static void refuses_inner_addresses(void)
{
    static const char *const urls[] = {
        "http://127.0.0.1:%d/ok",
        "http://127.1:%d/ok",
        "http://2130706433:%d/ok",
        "http://0x7f000001:%d/ok",
        "http://0x7f.0.0.1:%d/ok",
        "http://017700000001:%d/ok",
        "http://0177.0.0.01:%d/ok",
        "http://%31%32%37.0.0.1:%d/ok",
        "http://0:%d/ok",
        "http://0.0.0.0:%d/ok",
        "http://localhost:%d/ok",
        "http://[::1]:%d/ok",
        "http://[::]:%d/ok",
        "http://[::ffff:127.0.0.1]:%d/ok",
        "http://[::ffff:7f00:1]:%d/ok",
        "http://[::127.0.0.1]:%d/ok",
        "http://[64:ff9b::127.0.0.1]:%d/ok",
        "http://[2002:7f00:1::]:%d/ok",
        "http://[fe80::1]:%d/ok",
        "http://[fd00::1]:%d/ok",
        "http://10.0.0.1:%d/ok",
        "http://169.254.169.254/latest/meta-data/",
        "http://one.test:%d/ok",
        "http://private.test:%d/ok",
        "http://mapped.test:%d/ok",
        "http://metadata.test/",
        "http://six.test:%d/ok",
        "https://127.0.0.1:%d/ok",
    };
    unsigned before = web.accepted;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const char *code = refusal_of(urls[i]);
        if (strcmp(code, HTTP_REFUSED_ADDRESS) != 0)
            fprintf(stderr, "%s: %s %s\n", urls[i], code, outcome.message);
        CHECK_STR(code, HTTP_REFUSED_ADDRESS);
    }
    loop_pass(20);
    CHECK(web.accepted == before);
}

static void never_reaches_special_addresses(void)
{
    static const char *const urls[] = {
        "http://169.254.169.254/", "http://metadata.test/", "http://0.0.0.0:%d/ok",
        "http://[fe80::1]:%d/",    "http://224.0.0.1:%d/",  "http://[::127.0.0.1]:%d/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        CHECK_STR(get(urls[i])->code, HTTP_REFUSED_ADDRESS);
}

static void reaches_what_is_listed(void)
{
    char listed[64], other[64];
    snprintf(listed, sizeof(listed), "One.Test:%d", web.port);
    snprintf(other, sizeof(other), "127.0.0.1:%d", web.port + 1);
    const char *allow[] = {other, listed};
    struct http_fetch_options options = options_for("http://one.test:%d/ok");
    options.policy = (struct http_policy){.allow = allow, .allow_count = 2};
    CHECK(ask(&options)->status == 200);
    options.url = url_of("http://ONE.test:%d/ok");
    CHECK(ask(&options)->status == 200);
    options.url = url_of("http://two.test:%d/ok");
    CHECK_STR(ask(&options)->code, HTTP_REFUSED_ADDRESS);
    options.url = url_of("/ok");
    CHECK_STR(ask(&options)->code, HTTP_REFUSED_ADDRESS);
}

/* A pooled connection to an inner address is no way around the policy. */
static void looks_at_pooled_connections(void)
{
    CHECK(get("/ok")->status == 200);
    unsigned before = web.requests;
    CHECK_STR(refusal_of("/ok"), HTTP_REFUSED_ADDRESS);
    loop_pass(20);
    CHECK(web.requests == before);
    CHECK(get("/ok")->status == 200);
}

/* ---- redirects ---- */

static void follows_when_asked(void)
{
    struct http_fetch_options options = options_for("/to//ok");
    CHECK(ask(&options)->status == 302);
    options.follow = 1;
    CHECK(ask(&options)->status == 200);
    options.url = url_of("/to307//to//ok");
    CHECK_STR(ask(&options)->code, ERR_INVALID);
    options.follow = 2;
    CHECK(ask(&options)->status == 200);
    options.url = url_of("/to/file:///etc/passwd");
    CHECK_STR(ask(&options)->code, ERR_INVALID);
    options.url = url_of("/to/ftp://127.0.0.1/x");
    CHECK_STR(ask(&options)->code, ERR_INVALID);
}

static void checks_each_hop(void)
{
    static const char *const targets[] = {
        "http://127.0.0.1:%d/ok",  "http://two.test:%d/ok", "http://[::1]:%d/ok",
        "http://2130706433:%d/ok", "//two.test:%d/ok",      "http://169.254.169.254/"};
    char listed[64], url[2048];
    snprintf(listed, sizeof(listed), "one.test:%d", web.port);
    const char *allow[] = {listed};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        char target[256];
        strcpy(target,
               url_of(targets[i][0] == '/' ? "http://two.test:%d/ok" : targets[i]));
        snprintf(url, sizeof(url), "http://one.test:%d/to/%s", web.port,
                 targets[i][0] == '/' ? target + strlen("http:") : target);
        struct http_fetch_options options = options_for("/ok");
        options.url = url;
        options.follow = 5;
        options.policy = (struct http_policy){.allow = allow, .allow_count = 1};
        unsigned before = web.requests;
        CHECK_STR(ask(&options)->code, HTTP_REFUSED_ADDRESS);
        CHECK(web.requests == before + 1);
    }
}

static void keeps_keys_from_other_origins(void)
{
    static const struct http_header key = {"X-Api-Key", 9, "secret", 6};
    struct http_fetch_options options = options_for("http://one.test:%d/to//echo");
    options.headers = &key;
    options.header_count = 1;
    options.follow = 1;
    ask(&options);
    CHECK(strstr(buf_cstr(&outcome.body), "X-Api-Key: secret") != NULL);
    char url[256];
    snprintf(url, sizeof(url), "http://one.test:%d/to/http://two.test:%d/echo", web.port,
             web.port);
    options.url = url;
    ask(&options);
    CHECK(outcome.status == 200 && strstr(buf_cstr(&outcome.body), "secret") == NULL);
}

static void has_one_deadline_for_all_hops(void)
{
    struct http_fetch_options options = options_for("/to//silent");
    options.follow = 1;
    options.timeout_ms = 150;
    CHECK_STR(ask(&options)->code, ERR_TIMEOUT);
}

/* ---- files ---- */

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? -1 : st.st_size;
}

/* The file is removed in the pool, some time after the answer. */
static bool is_removed(const char *path)
{
    for (int i = 0; i < 1000 && size_of(path) != -1; i++)
        loop_pass(5);
    return size_of(path) == -1;
}

static void saves_to_a_file(void)
{
    const char *path = servers_path("saved");
    struct http_fetch_options options = options_for("/chunks/5000000");
    options.save = path;
    options.max_bytes = 5000000;
    CHECK(ask(&options)->status == 200 && outcome.size == 5000000 &&
          outcome.body.len == 0);
    CHECK(size_of(path) == 5000000);
    CHECK_STR(ask(&options)->code, ERR_EXISTS);
    CHECK(size_of(path) == 5000000); /* somebody else's */
    unlink(path);
    options.max_bytes = 4000000;
    CHECK_STR(ask(&options)->code, ERR_TOO_LARGE);
    CHECK(is_removed(path));
    options.url = url_of("/bytes/0");
    CHECK(ask(&options)->status == 200 && size_of(path) == 0);
    unlink(path);
    options.url = url_of("/status/404");
    CHECK(ask(&options)->status == 404 && outcome.body.len == 4 && size_of(path) == -1);
    options.url = url_of("/cut");
    CHECK_STR(ask(&options)->code, ERR_UNAVAILABLE);
    CHECK(is_removed(path));
    options.url = url_of("/ok");
    options.save = "/no/such/folder/file";
    CHECK_STR(ask(&options)->code, ERR_NOT_FOUND);
    options.save = "/dev/full/x";
    CHECK(ask(&options)->code[0]);
}

static void drops_the_file_of_a_cancelled_request(void)
{
    const char *path = servers_path("dropped");
    struct http_fetch_options options = options_for("/cut");
    options.url = url_of("/chunks/900000");
    options.save = path;
    for (unsigned ms = 0; ms < 12; ms++) {
        struct http_fetch *fetch = start(&options);
        loop_pass(ms);
        if (outcome.done) {
            CHECK(size_of(path) == 900000);
            unlink(path);
        } else {
            http_fetch_cancel(fetch);
            loop_pass(10); /* a job under way may still create it */
            CHECK(is_removed(path));
        }
    }
}

/* ---- TLS: a server by openssl with a certificate that only its own authority trusts ---- */

static int tls_port(const char *log)
{
    char text[4096];
    int port = 0;
    for (int i = 0; i < 1000 && !port; i++) {
        FILE *file = fopen(log, "r");
        size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
        if (file)
            fclose(file);
        text[len] = '\0';
        const char *at = strstr(text, "ACCEPT 127.0.0.1:");
        if (at && strchr(at, '\n'))
            port = atoi(at + strlen("ACCEPT 127.0.0.1:"));
        servers_pause(10);
    }
    return port;
}

static void verifies_certificates(void)
{
    static char key[128], cert[128];
    certificate_make("one.test");
    strcpy(key, servers_path("key.pem"));
    strcpy(cert, servers_path("cert.pem"));
    char *serve[] = {(char *)"openssl", (char *)"s_server",
                     (char *)"-accept", (char *)"127.0.0.1:0",
                     (char *)"-key",    key,
                     (char *)"-cert",   cert,
                     (char *)"-www",    NULL};
    pid_t server = servers_spawn(serve);
    int port = tls_port(servers_path("log"));
    CHECK(port > 0);
    char url[2][64];
    snprintf(url[0], sizeof(url[0]), "https://one.test:%d/", port);
    snprintf(url[1], sizeof(url[1]), "https://two.test:%d/", port);
    struct http_fetch_options options = options_for("/");
    options.url = url[0];
    CHECK_STR(ask(&options)->code, HTTP_TLS); /* an unknown authority */
    options.ca_file = cert;
    CHECK(ask(&options)->status == 200);
    options.url = url[1];
    CHECK_STR(ask(&options)->code, HTTP_TLS); /* another name */
    options.url = url[0];
    options.ca_file = NULL;
    CHECK_STR(ask(&options)->code,
              HTTP_TLS); /* also with the other's connection in the pool */
    options.ca_file = "/no/such/file";
    CHECK_STR(ask(&options)->code, HTTP_TLS);
    options = options_for("https://127.0.0.1:%d/ok"); /* no TLS there */
    options.timeout_ms = 300;
    CHECK(ask(&options)->code[0]);
    servers_kill(&server);
}

/* ---- the end ---- */

static void ends_with_requests_under_way(void)
{
    struct http_fetch_options options = options_for("/silent");
    start(&options);
    loop_pass(20);
    http_client_close(client);
    CHECK_STR(outcome.code, ERR_CLOSED);
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    signal(SIGPIPE, SIG_IGN);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be used */
    loop = uv_default_loop();
    web_start();
    client = http_client_new(loop);
    RUN(gives_the_answer);
    RUN(sends_what_it_is_told);
    RUN(reuses_connections);
    RUN(refuses_malformed_requests);
    RUN(bounds_the_answer);
    RUN(keeps_the_deadline);
    RUN(never_waits_for_a_name_on_the_loop);
    RUN(tells_what_broke);
    RUN(can_be_cancelled);
    RUN(refuses_inner_addresses);
    RUN(never_reaches_special_addresses);
    RUN(reaches_what_is_listed);
    RUN(looks_at_pooled_connections);
    RUN(follows_when_asked);
    RUN(checks_each_hop);
    RUN(keeps_keys_from_other_origins);
    RUN(has_one_deadline_for_all_hops);
    RUN(saves_to_a_file);
    RUN(drops_the_file_of_a_cancelled_request);
    RUN(verifies_certificates);
    RUN(ends_with_requests_under_way);
    web_stop();
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(loop) == 0);
    forget();
    return check_result("http_client");
}
