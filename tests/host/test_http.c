/* The HTTP server over real sockets: a Unix listener, a C handler, no Lua. The client end
 * is a plain non-blocking socket in the same thread; waiting means turning the server's
 * loop. */
#include "check.h"
#include "conf.h"
#include "http.h"
#include "http_conn.h"
#include "http_wire.h"
#include "mem.h"
#include "multipart.h"
#include "upload.h"
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

enum { MAX_HEADER_BYTES = 1024, MAX_HEADERS = 10, MAX_URL = 200, MAX_UNSENT = 9 << 20 };

static struct host host;
static struct http_server *server;
static char dir[] = "/tmp/test-http-XXXXXX";

/* ---- The handler: what it does depends on the path ---- */

struct job {
    struct http_req *req;
    char *body;
    size_t len;
    struct upload *upload;
};

static struct http_req *held; /* of /hold */
static int handled, ended_closed, ended_timeout, ended_invalid;
static size_t body_bytes;
static char last_code[32];

static void respond(struct http_req *req, int status, const char *body, size_t len)
{
    static const struct http_header headers[] = {
        {"Content-Type", 12, "text/plain", 10},
        {"Content-Length", 14, "7777", 4}, /* ours to write: passed over */
    };
    struct err err;
    CHECK(http_req_respond(req, status, headers, 2, body, len, &err) == 0);
}

static int on_data(void *arg, const char *data, size_t len, struct err *err)
{
    struct job *job = arg;
    body_bytes += len;
    if (job->upload)
        return upload_feed(job->upload, data, len, err);
    if (job->len + len > 100 * 1024)
        return err_set(err, ERR_TOO_LARGE, "too large");
    job->body = mem_resize(job->body, job->len + len);
    memcpy(job->body + job->len, data, len);
    job->len += len;
    return 0;
}

static void job_end(struct job *job)
{
    http_req_release(job->req);
    upload_free(job->upload);
    free(job->body);
    free(job);
}

static void note(const struct err *err)
{
    snprintf(last_code, sizeof(last_code), "%s", err ? err->code : "");
    ended_closed += err && strcmp(err->code, ERR_CLOSED) == 0;
    ended_timeout += err && strcmp(err->code, ERR_TIMEOUT) == 0;
    ended_invalid += err && strcmp(err->code, ERR_INVALID) == 0;
}

static void on_end(void *arg, const struct err *err)
{
    struct job *job = arg;
    note(err);
    if (!err)
        respond(job->req, 200, job->body, job->len);
    else
        respond(job->req, strcmp(err->code, ERR_TOO_LARGE) == 0 ? 413 : 400, "refused",
                7);
    job_end(job);
}

static const struct http_sink echo_sink = {on_data, on_end};

static void on_full(void *arg, bool full)
{
    struct job *job = arg;
    if (full)
        http_req_pause(job->req);
    else
        http_req_resume(job->req);
}

static void on_uploaded(void *arg, const struct err *err)
{
    struct job *job = arg;
    char text[400];
    const struct upload_file *file = upload_file_at(job->upload, 0);
    note(err);
    int len =
        snprintf(text, sizeof(text), "%s %s %llu %s", file ? file->name : "-",
                 file ? file->filename : "-", file ? (unsigned long long)file->size : 0,
                 file ? file->sha256 : "-");
    respond(job->req, err ? 507 : 200, text, (size_t)len);
    job_end(job);
}

static const struct upload_events upload_events = {on_full, on_uploaded};

static void on_form_end(void *arg, const struct err *err)
{
    struct job *job = arg;
    struct err problem;
    if (!err && upload_finish(job->upload, &problem) == 0)
        return;
    note(err ? err : &problem);
    respond(job->req, 400, "refused", 7);
    job_end(job);
}

static const struct http_sink form_sink = {on_data, on_form_end};

static void on_file(void *arg, const struct err *err)
{
    struct job *job = arg;
    note(err);
    if (err)
        respond(job->req, 404, "no file", 7);
    job_end(job);
}

static void on_request(void *arg, struct http_req *req)
{
    (void)arg;
    char path[MAX_URL + 1], text[600];
    struct err err;
    handled++;
    snprintf(path, sizeof(path), "%s", http_req_path(req, NULL));
    struct job *job = mem_new(sizeof(*job));
    job->req = req;
    if (strcmp(path, "/echo") == 0) {
        CHECK(http_req_read(req, &echo_sink, job, &err) == 0);
        return;
    }
    if (strcmp(path, "/form") == 0) {
        char boundary[MULTIPART_BOUNDARY_MAX + 1];
        struct upload_limits limits = {32 << 20, 3, 5, 1000, dir};
        CHECK(multipart_boundary(http_req_header(req, "content-type", NULL), boundary,
                                 &err) == 0);
        job->upload = upload_new(&loop, boundary, &limits, &upload_events, job);
        CHECK(http_req_read(req, &form_sink, job, &err) == 0);
        return;
    }
    if (strncmp(path, "/file/", 6) == 0) {
        char file[sizeof(dir) + MAX_URL];
        long long from = 0, length = -1;
        sscanf(http_req_query(req, NULL), "%lld,%lld", &from, &length);
        snprintf(file, sizeof(file), "%s/%s", dir, path + 6);
        static const struct http_header type = {"Content-Type", 12, "text/plain", 10};
        if (http_req_send_file(req, 200, &type, 1, file, from, length, on_file, job,
                               &err) == 0)
            return;
    }
    if (strcmp(path, "/hold") == 0) {
        held = req;
        free(job);
        return;
    }
    if (strcmp(path, "/hello") == 0) {
        respond(req, 200, "hello", 5);
        CHECK(http_req_responded(req));
        CHECK(http_req_respond(req, 200, NULL, 0, "", 0, &err) < 0);
    } else if (strcmp(path, "/big") == 0) {
        char *big = mem_new(4 << 20);
        memset(big, 'x', 4 << 20);
        respond(req, 200, big, 4 << 20);
        free(big);
    } else if (strcmp(path, "/none") == 0) {
        respond(req, 204, "ignored", 7);
    } else if (strcmp(path, "/show") == 0) {
        const char *cookie = http_req_header(req, "cookie", NULL);
        const char *list = http_req_header(req, "x-list", NULL);
        const char *empty = http_req_header(req, "x-empty", NULL);
        int len = snprintf(text, sizeof(text), "%s|%s|%s|%s|%s|%s|", http_req_method(req),
                           path, http_req_query(req, NULL), cookie ? cookie : "-",
                           list ? list : "-", empty ? empty : "-");
        respond(req, 200, text, (size_t)len);
    } else if (strcmp(path, "/split") == 0) {
        struct http_header bad = {"X", 1, "a\r\nSet-Cookie: b", 16};
        CHECK(http_req_respond(req, 200, &bad, 1, "", 0, &err) < 0);
    } else if (strcmp(path, "/ignore") == 0) {
        respond(req, 403, "no", 2);
    } /* anything else: released without an answer */
    job_end(job);
}

/* ---- Waiting ---- */

static bool await_number(const int *number, int value)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (*number != value && uv_hrtime() / 1000000 < end)
        turn();
    return *number == value;
}

static void wait_for_no_connection(void)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (http_server_stats(server).connections && uv_hrtime() / 1000000 < end)
        turn();
    CHECK(http_server_stats(server).connections == 0);
}

/* Sends `text` on a fresh connection and returns the status of the first answer. */
static int ask(const char *text)
{
    struct client client;
    connect_client(&client);
    send_text(&client, text);
    await(&client, 1);
    int result = status(&client);
    close_client(&client);
    wait_for_no_connection();
    return result;
}

static int files_in_dir(void)
{
    int count = 0;
    DIR *folder = opendir(dir);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strncmp(entry->d_name, "upload-", 7) == 0;
    closedir(folder);
    return count;
}

/* ---- The cases ---- */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void answers_and_keeps_the_connection(void)
{
    struct client client;
    connect_client(&client);
    for (int i = 1; i <= 3; i++) {
        send_text(&client, GET("/hello"));
        CHECK(await(&client, i));
    }
    CHECK(strstr(client.got, "HTTP/1.1 200 OK\r\nDate: "));
    CHECK(strstr(client.got, "Content-Length: 5\r\n\r\nhello"));
    CHECK(!strstr(client.got, "7777"));
    CHECK(!strstr(client.got, "Connection:"));
    CHECK(http_server_stats(server).connections == 1);
    close_client(&client);
    wait_for_no_connection();
}

static void answers_pipelined_requests_in_order(void)
{
    enum { COUNT = 2000 };
    struct client client;
    connect_client(&client);
    for (int i = 0; i < COUNT / 2; i++)
        send_text(&client, GET("/hello") "POST /echo HTTP/1.1\r\nHost: "
                                         "x\r\nContent-Length: 3\r\n\r\nabc");
    CHECK(await(&client, COUNT));
    CHECK(!client.eof);
    close_client(&client);
    wait_for_no_connection();
}

static void parses_a_head_however_it_is_cut(void)
{
    static const char text[] = "POST /echo?a=b HTTP/1.1\r\nHost: x\r\nX-List: 1\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n";
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct client client;
        connect_client(&client);
        send_bytes(&client, text, cut);
        turn();
        turn();
        send_bytes(&client, text + cut, sizeof(text) - 1 - cut);
        CHECK(await(&client, 1));
        CHECK(status(&client) == 200);
        CHECK_STR(body(&client), "abcdefg");
        close_client(&client);
    }
    wait_for_no_connection();
}

static void shows_what_was_asked(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client,
              "GET /show?q=%20&r HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nX-List: 1\r\n"
              "X-Empty:\r\ncookie: b=2\r\nX-LIST:  2 \t\r\nx-list: 3\r\n\r\n");
    CHECK(await(&client, 1));
    CHECK_STR(body(&client), "GET|/show|q=%20&r|a=1; b=2|1, 2, 3||");
    close_client(&client);
    connect_client(&client);
    send_text(&client, "GET http://Ex.test:80/show HTTP/1.1\r\nHost: ex.test:80\r\n\r\n"
                       "GET http://ex.test?a=1 HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    CHECK(await(&client, 2));
    CHECK(strstr(client.got, "GET|/show||-|-|-|"));
    CHECK(strstr(client.got, "500 Internal")); /* the path is "/": nobody answers it */
    close_client(&client);
    wait_for_no_connection();
}

/* Two names in turn, so that neither joined value is the last text when it grows. */
static void joins_repeated_headers_in_twice_their_memory(void)
{
    struct client client;
    char head[MAX_HEADER_BYTES + MAX_URL];
    char *out = head + sprintf(head, "GET /hold HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 4; i++)
        out += sprintf(out, "a: %0100d\r\nb: %0100d\r\n", i, i);
    out += sprintf(out, "\r\n");
    connect_client(&client);
    send_text(&client, head);
    for (int i = 0; i < 50 && !held; i++)
        turn();
    CHECK(held);
    size_t len;
    const char *a = http_req_header(held, "a", &len);
    CHECK(len == 4 * 100 + 3 * 2 && strlen(a) == len && !strcmp(a + len - 3, "003"));
    const char *b = http_req_header(held, "b", &len);
    CHECK(len == 4 * 100 + 3 * 2 && strlen(b) == len && !memcmp(b + 99, "0, 0", 4));
    CHECK(held->text.len <= 2 * (size_t)(out - head));
    respond(held, 200, "", 0);
    http_req_release(held);
    held = NULL;
    close_client(&client);
    wait_for_no_connection();
}

static void refuses_what_is_no_request(void)
{
    static const struct {
        const char *text;
        int status;
    } table[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},                           /* 9112 3.2 */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},     /* 9112 3.2 */
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},              /* 9110 7.2 */
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},              /* 9110 7.2 */
        {"GET http:/// HTTP/1.1\r\nHost: b\r\n\r\n", 400},         /* 9110 4.2.1 */
        {"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", 400},            /* 9112 3.2.1 */
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},                /* 9112 3.2.4 */
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},             /* 9112 3.2 */
        {"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},        /* 3986 2 */
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},  /* 9112 5.2 */
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", 400}, /* 9112 5.2 */
        {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},               /* 9112 2.2 */
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},               /* 9112 5.1 */
        {"GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n", 400},      /* 9110 5.1 */
        {"GET / HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n", 400},         /* 9110 5.1 */
        {"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400},           /* 9112 5 */
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},     /* 9110 5.5 */
        {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400},     /* 9110 5.5 */
        {"GET / HTTP/1.1\nHost: x\n\n", 400},                      /* 9112 2.2 */
        {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400},                /* 9110 9.1 */
        {"\x16\x03\x01\x02\x01 TLS", 400},
        {"GET /\r\n\r\n", 505}, /* 9110 15.6.6 */
        {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 501}, /* 9110 9.1 */
        {"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
        {"DESCRIBE /x RTSP/1.0\r\nHost: x\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         400}, /* 9112 6.1 */
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
         400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400}, /* 9112 6.2 */
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\na",
         400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\na",
         400},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, "
         "chunked\r\n\r\n0\r\n\r\n",
         501},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400}, /* 9112 6.1 */
        {"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
         "chunked\r\n\r\n1;a=b\r\na\r\n0\r\n\r\n",
         400}, /* 9112 7.1.1 */
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
         "chunked\r\n\r\n1x\r\na\r\n",
         400},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
         "chunked\r\n\r\n1\r\nab\r\n",
         400},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "fffffffffffffffff\r\nab\r\n",
         400},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int got = ask(table[i].text);
        if (got != table[i].status)
            fprintf(stderr, "%s -> %d\n", table[i].text, got);
        CHECK(got == table[i].status);
    }
}

static void answers_errors_in_the_one_shape(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, "GET / HTTP/1.1\r\nX-Request-Id: abc-1\r\n\r\n");
    CHECK(await(&client, 1));
    CHECK(strstr(client.got, "X-Request-Id: abc-1\r\n"));
    CHECK(strstr(client.got, "Connection: close\r\n"));
    CHECK(strstr(client.got, "Content-Type: application/json\r\n"));
    CHECK(strstr(client.got,
                 "{\"success\":false,\"error\":{\"code\":\"BAD_REQUEST\",\"message\":"));
    CHECK(strstr(client.got, "\"requestId\":\"abc-1\"}}"));
    CHECK(await_eof(&client));
    close_client(&client);
    connect_client(&client);
    send_text(&client, "GET / HTTP/1.1\r\nX-Request-Id: <b>\r\n\r\n");
    CHECK(await(&client, 1));
    CHECK(!strstr(client.got, "<b>"));
    close_client(&client);
    CHECK(ask(GET("/silent")) == 500);
    CHECK(ask(GET("/split")) == 500);
    http_server_on_request(server, NULL, NULL);
    CHECK(ask(GET("/hello")) == 503);
    http_server_on_request(server, on_request, NULL);
}

static int ask_url(size_t len)
{
    char text[MAX_URL * 2];
    int at = snprintf(text, sizeof(text), "GET /hello?");
    memset(text + at, 'a', len - 7);
    snprintf(text + at + len - 7, sizeof(text) - (size_t)at - len + 7,
             " HTTP/1.1\r\nHost: x\r\n\r\n");
    return ask(text);
}

static int ask_headers(int count, size_t value)
{
    char *text = mem_new((size_t)count * (value + 20) + 200);
    char *out = text + sprintf(text, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < count; i++) {
        out += sprintf(out, "h%d: ", i);
        memset(out, 'v', value);
        out += value;
        out += sprintf(out, "\r\n");
    }
    strcpy(out, "\r\n");
    int result = ask(text);
    free(text);
    return result;
}

static void keeps_the_limits_of_a_head(void)
{
    CHECK(ask_url(MAX_URL) == 200);
    CHECK(ask_url(MAX_URL + 1) == 414);
    CHECK(ask_headers(MAX_HEADERS - 1, 1) == 200);
    CHECK(ask_headers(MAX_HEADERS, 1) == 431);
    CHECK(ask_headers(1, MAX_HEADER_BYTES - 100) == 200);
    CHECK(ask_headers(1, MAX_HEADER_BYTES + 1) == 431);
    char blanks[MAX_HEADER_BYTES * 2 + MAX_URL];
    memset(blanks, ' ', sizeof(blanks));
    memcpy(blanks, "GET / HTTP/1.1\r\nHost:", 21);
    blanks[sizeof(blanks) - 1] = '\0';
    CHECK(ask(blanks) == 431);
    memset(blanks, '\n', sizeof(blanks) - 1);
    for (size_t i = 0; i < sizeof(blanks) - 2; i += 2)
        blanks[i] = '\r';
    CHECK(ask(blanks) == 431);
}

static void ends_a_slow_head(void)
{
    struct client client;
    connect_client(&client);
    for (int i = 0; i < 100 && !client.len && !client.eof; i++) {
        send_text(&client, i ? "a" : "GET /");
        usleep(10000);
        turn();
        receive(&client);
    }
    CHECK(await(&client, 1));
    CHECK(status(&client) == 408);
    CHECK(await_eof(&client));
    close_client(&client);
    connect_client(&client); /* not a byte: closed without a word */
    CHECK(await_eof(&client));
    CHECK(client.len == 0);
    close_client(&client);
    wait_for_no_connection();
}

static void closes_idle_connections(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, GET("/hello"));
    CHECK(await(&client, 1));
    CHECK(await_eof(&client));
    CHECK(answers(&client) == 1);
    close_client(&client);
    wait_for_no_connection();
}

static void speaks_http_1_0(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(await(&client, 1));
    CHECK(strstr(client.got, "Connection: keep-alive\r\n"));
    send_text(&client, "GET /hello HTTP/1.0\r\n\r\n");
    CHECK(await_eof(&client));
    CHECK(answers(&client) == 2);
    CHECK(strstr(client.got, "Connection: close\r\n"));
    close_client(&client);
    wait_for_no_connection();
}

static void sends_no_body_where_none_belongs(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (!strstr(client.got, "\r\n\r\n") && uv_hrtime() / 1000000 < end) {
        turn();
        receive(&client);
    }
    CHECK(strstr(client.got, "Content-Length: 5\r\n"));
    CHECK_STR(body(&client), "");
    close_client(&client);
    connect_client(&client);
    send_text(&client, GET("/none"));
    CHECK(await(&client, 1));
    CHECK(!strstr(client.got, "Content-Length"));
    CHECK_STR(body(&client), "");
    close_client(&client);
    wait_for_no_connection();
}

static void invites_the_body_that_waits(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                       "Content-Length: 3\r\n\r\n");
    CHECK(await(&client, 1));
    CHECK(strncmp(client.got, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    send_text(&client, "abc");
    CHECK(await(&client, 2));
    CHECK(strstr(client.got, "\r\n\r\nabc"));
    CHECK(!strstr(client.got, "Connection: close"));
    close_client(&client);
    connect_client(&client); /* refused without reading: no 100, and no keep-alive */
    send_text(&client, "POST /ignore HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                       "Content-Length: 3\r\n\r\n");
    CHECK(await(&client, 1));
    CHECK(status(&client) == 403);
    CHECK(strstr(client.got, "Connection: close"));
    CHECK(await_eof(&client));
    close_client(&client);
    wait_for_no_connection();
}

static void discards_a_small_unread_body(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client,
              "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
    CHECK(await(&client, 1));
    char bytes[2000];
    memset(bytes, 'G', sizeof(bytes));
    send_bytes(&client, bytes, sizeof(bytes));
    send_text(&client, GET("/hello"));
    CHECK(await(&client, 2));
    CHECK(strstr(client.got, "hello"));
    close_client(&client);
    wait_for_no_connection();
}

static void lets_the_client_read_the_refusal_of_a_large_body(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client,
              "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n");
    char *bytes = mem_new(5000000);
    send_bytes(&client, bytes, 5000000);
    free(bytes);
    CHECK(await(&client, 1));
    CHECK(status(&client) == 403);
    CHECK(strstr(client.got, "Connection: close"));
    CHECK(await_eof(&client));
    close_client(&client);
    wait_for_no_connection();
}

static void refuses_a_body_in_the_middle(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client,
              "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
    char *bytes = mem_new(300000);
    send_bytes(&client, bytes, 300000);
    free(bytes);
    CHECK(await(&client, 1));
    CHECK(status(&client) == 413);
    close_client(&client);
    wait_for_no_connection();
}

static void does_not_read_ahead_of_the_handler(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client,
              "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n");
    size_t sent = 0;
    char *bytes = mem_new(8000000);
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(client.fd, bytes, 8000000 - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    free(bytes);
    CHECK(sent < 2000000); /* what the kernel's buffers hold, not what was offered */
    CHECK(held);
    respond(held, 200, "enough", 6);
    http_req_release(held);
    held = NULL;
    close_client(&client);
    wait_for_no_connection();
}

static void ends_a_stalled_body(void)
{
    struct client client;
    connect_client(&client);
    ended_timeout = 0;
    send_text(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    CHECK(await(&client, 1));
    CHECK(ended_timeout == 1);
    CHECK(await_eof(&client));
    close_client(&client);
    wait_for_no_connection();
}

static void survives_clients_that_leave(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, GET("/hold"));
    for (int i = 0; i < 50 && !held; i++)
        turn();
    CHECK(held);
    close_client(&client);
    for (int i = 0; i < 50; i++)
        turn();
    respond(held, 200, "nobody", 6); /* to nobody */
    CHECK_STR(http_req_path(held, NULL), "/hold");
    http_req_release(held);
    held = NULL;
    ended_closed = 0;
    connect_client(&client);
    send_text(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    for (int i = 0; i < 50; i++)
        turn();
    close_client(&client);
    CHECK(await_number(&ended_closed, 1));
    wait_for_no_connection();
}

static void answers_a_client_that_only_finished_sending(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client, GET("/hold"));
    shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < 50; i++)
        turn();
    CHECK(held);
    respond(held, 200, "late", 4);
    http_req_release(held);
    held = NULL;
    CHECK(await(&client, 1));
    CHECK_STR(body(&client), "late");
    CHECK(await_eof(&client));
    close_client(&client);
    wait_for_no_connection();
}

static void writes_large_answers_as_the_client_reads(void)
{
    struct client client;
    connect_client(&client);
    CHECK(send(client.fd, GET("/big") GET("/hello"), 2 * strlen(GET("/big")) + 2, 0) > 0);
    for (int i = 0; i < 50; i++)
        turn();
    CHECK(await(&client, 2));
    CHECK(strstr(client.got + (4 << 20), "hello"));
    close_client(&client);
    connect_client(&client); /* one that never reads is cut off */
    send_text(&client, GET("/big"));
    close(client.fd);
    client.fd = -1;
    close_client(&client);
    wait_for_no_connection();
}

static void keeps_only_so_much_for_slow_readers(void)
{
    struct client clients[3];
    for (int i = 0; i < 3; i++) { /* 4 MiB each, of which the socket holds little */
        connect_client(&clients[i]);
        CHECK(send(clients[i].fd, GET("/big"), strlen(GET("/big")), 0) > 0);
        for (int turns = 0; turns < 5; turns++)
            turn();
    }
    /* No room for the third; the first, which is slow for longest, makes some for others. */
    CHECK(http_server_stats(server).connections == 1);
    CHECK(await(&clients[1], 1));
    CHECK(!await(&clients[0], 1) && clients[0].eof);
    CHECK(!await(&clients[2], 1) && clients[2].eof);
    close_client(&clients[0]);
    connect_client(&clients[0]);
    send_text(&clients[0], GET("/big"));
    CHECK(await(&clients[0], 1));
    for (int i = 0; i < 3; i++)
        close_client(&clients[i]);
    wait_for_no_connection();
}

static void sends_files(void)
{
    char path[sizeof(dir) + 20];
    size_t size = 1000000;
    char *bytes = mem_new(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 26);
    snprintf(path, sizeof(path), "%s/data", dir);
    FILE *file = fopen(path, "w");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    fclose(file);
    struct client client;
    connect_client(&client);
    send_text(&client, GET("/file/data"));
    CHECK(await(&client, 1));
    CHECK(client.len > size && memcmp(body(&client), bytes, size) == 0);
    forget(&client);
    send_text(&client, GET("/file/data?300000,7"));
    CHECK(await(&client, 1));
    CHECK(strlen(body(&client)) == 7 && memcmp(body(&client), bytes + 300000, 7) == 0);
    forget(&client);
    send_text(&client, GET("/file/data?999999,2"));
    CHECK(await(&client, 1));
    CHECK(status(&client) == 404);
    CHECK_STR(last_code, ERR_INVALID);
    forget(&client);
    send_text(&client, GET("/file/absent") GET("/file/") GET("/hello"));
    CHECK(await(&client, 3));
    CHECK_STR(last_code, ERR_NOT_FOUND);
    close_client(&client);
    connect_client(&client); /* leaves in the middle */
    send_text(&client, GET("/file/data"));
    for (int i = 0; i < 20; i++)
        turn();
    close_client(&client);
    wait_for_no_connection();
    unlink(path);
    free(bytes);
}

#define FORM                                                                             \
    "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; "              \
    "boundary=b\r\n"
#define PART                                                                             \
    "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n"          \
    "Content-Type: text/plain\r\n\r\n"

static void stores_uploads(void)
{
    struct client client;
    char head[300];
    connect_client(&client);
    snprintf(head, sizeof(head),
             FORM "Content-Length: %zu\r\n\r\n" PART "abc\r\n--b--\r\n",
             strlen(PART "abc\r\n--b--\r\n"));
    send_text(&client, head);
    CHECK(await(&client, 1));
    CHECK_STR(body(&client),
              "f a.txt 3 "
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    forget(&client);
    size_t size = 10 << 20; /* far more than may wait for the disk */
    char *bytes = mem_new(size);
    snprintf(head, sizeof(head), FORM "Content-Length: %zu\r\n\r\n" PART,
             size + strlen(PART "\r\n--b--\r\n"));
    send_text(&client, head);
    send_bytes(&client, bytes, size);
    send_text(&client, "\r\n--b--\r\n");
    free(bytes);
    CHECK(await(&client, 1));
    CHECK_STR(body(&client),
              "f a.txt 10485760 "
              "e5b844cc57f57094ea4585e235f36c78c1cd222262bb89d53c94dcb4d6b3e55d");
    close_client(&client);
    wait_for_no_connection();
}

static void leaves_no_file_of_a_client_that_left(void)
{
    struct client client;
    char *bytes = mem_new(500000);
    ended_closed = 0;
    connect_client(&client);
    send_text(&client, FORM "Content-Length: 1000000\r\n\r\n" PART);
    send_bytes(&client, bytes, 500000);
    free(bytes);
    CHECK(files_in_dir() == 1);
    close_client(&client);
    CHECK(await_number(&ended_closed, 1));
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (files_in_dir() && uv_hrtime() / 1000000 < end)
        turn();
    CHECK(files_in_dir() == 0);
    wait_for_no_connection();
}

static void refuses_connections_above_the_limit(void)
{
    struct client clients[5];
    for (int i = 0; i < 5; i++) {
        connect_client(&clients[i]);
        turn();
        turn();
    }
    receive(&clients[4]);
    CHECK(status(&clients[4]) == 503);
    CHECK(clients[4].eof);
    for (int i = 0; i < 5; i++)
        close_client(&clients[i]);
    wait_for_no_connection();
}

static struct http_detached detached;

static void on_detach(void *arg, struct http_req *req)
{
    (void)arg;
    struct err err;
    CHECK(http_req_detach(req, &detached, &err) == 0);
    CHECK(http_req_responded(req));
    CHECK_STR(http_req_header(req, "upgrade", NULL), "other");
    http_req_release(req);
}

static void on_detached_closed(uv_handle_t *handle)
{
    free(handle);
}

static void hands_a_connection_over(void)
{
    struct client client;
    http_server_on_request(server, on_detach, NULL);
    connect_client(&client);
    send_text(&client, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
                       "other\r\n\r\nrest");
    for (int i = 0; i < 50 && !detached.stream; i++)
        turn();
    CHECK(detached.stream);
    CHECK(detached.rest_len == 4 && memcmp(detached.rest, "rest", 4) == 0);
    CHECK(http_server_stats(server).connections == 0);
    uv_buf_t buf = {.base = (char *)(uintptr_t) "bytes", .len = 5};
    CHECK(uv_try_write(detached.stream, &buf, 1) == 5);
    receive(&client);
    CHECK_STR(client.got, "bytes");
    uv_close((uv_handle_t *)detached.stream, on_detached_closed);
    free(detached.rest);
    CHECK(await_eof(&client));
    close_client(&client);
    http_server_on_request(server, on_request, NULL);
    CHECK(ask("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
              "h2c\r\n\r\n") == 200);
}

static void drains(void)
{
    struct client idle, late, fresh, busy;
    connect_client(&idle);
    send_text(&idle, GET("/hello"));
    CHECK(await(&idle, 1));
    connect_client(&late);
    send_text(&late, GET("/hello"));
    CHECK(await(&late, 1));
    connect_client(&busy);
    send_text(&busy, GET("/hold"));
    for (int i = 0; i < 50 && !held; i++)
        turn();
    http_server_drain(server);
    /* Who speaks or connects in the quarter of a second after that is served. */
    send_text(&late, GET("/hello"));
    CHECK(await(&late, 2));
    CHECK(strstr(late.got, "Connection: close\r\n"));
    CHECK(await_eof(&late));
    connect_client(&fresh);
    send_text(&fresh, GET("/hello"));
    CHECK(await(&fresh, 1));
    CHECK(await_eof(&fresh));
    CHECK(http_server_stats(server).listening);
    CHECK(await_eof(&idle));
    CHECK(!http_server_stats(server).listening);
    respond(held, 200, "last", 4);
    http_req_release(held);
    held = NULL;
    CHECK(await(&busy, 1));
    CHECK(strstr(busy.got, "Connection: close\r\n"));
    CHECK(await_eof(&busy));
    close_client(&idle);
    close_client(&late);
    close_client(&fresh);
    close_client(&busy);
    wait_for_no_connection();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0);
    close(fd);
}

static void start(void)
{
    char text[1024];
    char *out = text;
    const struct {
        const char *key;
        int value;
    } values[] = {
        {"http.max_header_bytes", MAX_HEADER_BYTES},
        {"http.max_headers", MAX_HEADERS},
        {"http.max_url_bytes", MAX_URL},
        {"http.max_connections", 4},
        {"http.max_unsent_bytes", MAX_UNSENT},
        {"http.header_timeout_ms", patiently(300)},
        {"http.body_idle_ms", patiently(300)},
        {"http.keepalive_timeout_ms", patiently(500)},
        {"http.gzip_level", 0},
        {"http.gzip_min_bytes", 1000},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        out += sprintf(out, "%s%c%d", values[i].key, 0, values[i].value) + 1;
    out += sprintf(out, "http.gzip_types%ctext/plain,application/json", 0) + 1;
    out += sprintf(out, "http.trusted_proxies%c", 0) + 1;
    out += sprintf(out, "http.forwarded_header%cx-forwarded-for", 0) + 1;
    out += sprintf(out, "http.proxy_protocol%c", 0) + 1;
    uv_loop_init(&loop);
    host.loop = &loop;
    host.conf = conf_parse(text, (size_t)(out - text));
    CHECK(mkdtemp(dir) != NULL);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    struct err err;
    server = http_server_new(&host);
    CHECK(http_server_start(server, fd, &err) == 0);
    http_server_on_request(server, on_request, NULL);
}

static void stop(void)
{
    http_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    conf_free((struct conf *)(uintptr_t)host.conf);
    unlink(address.sun_path);
    CHECK(rmdir(dir) == 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    start();
    RUN(answers_and_keeps_the_connection);
    RUN(answers_pipelined_requests_in_order);
    RUN(parses_a_head_however_it_is_cut);
    RUN(shows_what_was_asked);
    RUN(joins_repeated_headers_in_twice_their_memory);
    RUN(refuses_what_is_no_request);
    RUN(answers_errors_in_the_one_shape);
    RUN(keeps_the_limits_of_a_head);
    RUN(ends_a_slow_head);
    RUN(closes_idle_connections);
    RUN(speaks_http_1_0);
    RUN(sends_no_body_where_none_belongs);
    RUN(invites_the_body_that_waits);
    RUN(discards_a_small_unread_body);
    RUN(lets_the_client_read_the_refusal_of_a_large_body);
    RUN(refuses_a_body_in_the_middle);
    RUN(does_not_read_ahead_of_the_handler);
    RUN(ends_a_stalled_body);
    RUN(survives_clients_that_leave);
    RUN(answers_a_client_that_only_finished_sending);
    RUN(writes_large_answers_as_the_client_reads);
    RUN(keeps_only_so_much_for_slow_readers);
    RUN(sends_files);
    RUN(stores_uploads);
    RUN(leaves_no_file_of_a_client_that_left);
    RUN(refuses_connections_above_the_limit);
    RUN(hands_a_connection_over);
    RUN(drains);
    stop();
    return check_result("http");
}
