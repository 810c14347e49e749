/* Compressed answers over real sockets: what is compressed, for whom, where (on the loop or in
 * the pool), in how many pieces, and what is kept of files. */
#include "conf.h"
#include "http.h"
#include "http_wire.h"
#include <signal.h>
#include <zlib.h>

enum { PATH_ROOM = 200 };

static struct host host;
static struct http_server *server;
static char dir[] = "/tmp/test-gzip-XXXXXX";

/* ---- The handler ---- */

/* Letters that compress well, yet not to nothing. */
static char letter(size_t i)
{
    return (char)('a' + (i + i / 1000 * (i / 1000) % 7) % 26);
}

static char *letters(size_t len)
{
    char *text = mem_new(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = letter(i);
    return text;
}

/* Bytes that do not compress. */
static char *noise(size_t len)
{
    char *text = mem_new(len + 1);
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)((state = state * 1664525 + 1013904223) >> 24);
    return text;
}

/* Digits, which shrink to a little over half. */
static char *digits(size_t len)
{
    char *text = noise(len);
    for (size_t i = 0; i < len; i++)
        text[i] = "0123456789abcdef"[text[i] & 15];
    return text;
}

/* `len` bytes of JSON with a tag; the query becomes its Cache-Control. */
static void respond_text(struct http_req *req, char *text, size_t len)
{
    size_t cache_len;
    const char *cache = http_req_query(req, &cache_len);
    const struct http_header headers[] = {
        {"content-type", 12, "Application/JSON; charset=utf-8", 31},
        {"etag", 4, "\"v1\"", 4},
        {"Cache-Control", 13, cache, cache_len},
    };
    struct err err;
    CHECK(http_req_respond(req, 200, headers, 3, text, len, &err) == 0);
    free(text);
    http_req_release(req);
}

static void on_file(void *arg, const struct err *err)
{
    if (err)
        http_req_fail(arg, 404, "NOT_FOUND", err->message);
    http_req_release(arg);
}

static void on_request(void *arg, struct http_req *req)
{
    (void)arg;
    char file[PATH_ROOM];
    long long from = 0, length = -1;
    static const struct http_header headers[] = {
        {"Content-Type", 12, "text/plain", 10},
        {"Cache-Control", 13, "private, max-age=300", 20},
    };
    size_t count = strcmp(http_req_query(req, NULL), "private") == 0 ? 2 : 1;
    struct err err;
    const char *path = http_req_path(req, NULL);
    if (strncmp(path, "/text/", 6) == 0) {
        respond_text(req, letters((size_t)atoi(path + 6)), (size_t)atoi(path + 6));
    } else if (strncmp(path, "/noise/", 7) == 0) {
        respond_text(req, noise((size_t)atoi(path + 7)), (size_t)atoi(path + 7));
    } else {
        sscanf(http_req_query(req, NULL), "%lld,%lld", &from, &length);
        snprintf(file, sizeof(file), "%s%s", dir, path);
        CHECK(http_req_send_file(req, 200, headers, count, file, from, length, on_file,
                                 req, &err) == 0);
    }
}

/* ---- The client ---- */

/* Removes chunked coding from the body in place; the length that is left, -1 when it is not as
 * it should be. */
static ssize_t join_chunks(char *body, size_t len)
{
    char *at = body, *out = body, *end = body + len;
    for (;;) {
        char *after;
        size_t size = strtoul(at, &after, 16);
        if (after == at || strncmp(after, "\r\n", 2) != 0 || size > (size_t)(end - after))
            return -1;
        at = after + 2;
        memmove(out, at, size);
        out += size;
        if (strncmp(at + size, "\r\n", 2) != 0)
            return -1;
        at += size + 2;
        if (!size)
            return at == end ? out - body : -1;
    }
}

static char *unzip(const char *data, size_t len, size_t *plain_len)
{
    enum { MOST = 16 << 20 };
    char *plain = mem_new(MOST);
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)len,
                       .next_out = (Bytef *)plain,
                       .avail_out = MOST};
    CHECK(inflateInit2(&stream, 15 + 16) == Z_OK);
    CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
    CHECK(stream.avail_in == 0);
    *plain_len = stream.total_out;
    inflateEnd(&stream);
    return plain;
}

struct answer {
    bool zipped, chunked, varies, tagged;
    char *content; /* unpacked */
    size_t len;
    size_t sent; /* bytes of the body on the way */
};

/* Asks on a connection of its own, which the server closes behind the answer. */
static struct answer ask(const char *method, const char *path, const char *version,
                         const char *accept)
{
    struct client client;
    struct answer answer = {0};
    char text[400];
    connect_client(&client);
    snprintf(text, sizeof(text),
             "%s %s HTTP/%s\r\nHost: x\r\nConnection: close\r\n%s%s\r\n\r\n", method,
             path, version, accept ? "Accept-Encoding: " : "X: ", accept ? accept : "y");
    send_text(&client, text);
    CHECK(await_eof(&client));
    char *content = strstr(client.got, "\r\n\r\n");
    CHECK(content != NULL);
    if (!content)
        exit(1);
    content[2] = '\0'; /* what is looked for is looked for in the head */
    content += 4;
    answer.zipped = strstr(client.got, "Content-Encoding: gzip\r\n");
    answer.chunked = strstr(client.got, "Transfer-Encoding: chunked\r\n");
    answer.varies = strstr(client.got, "Vary: Accept-Encoding\r\n");
    answer.tagged = strstr(client.got, "\"v1-gzip\"");
    const char *length = strstr(client.got, "Content-Length: ");
    CHECK(answer.chunked == !length);
    ssize_t len = (ssize_t)(client.len - (size_t)(content - client.got));
    bool is_head = strcmp(method, "HEAD") == 0;
    CHECK(!length || is_head || strtol(length + 16, NULL, 10) == len);
    if (is_head)
        CHECK(len == 0);
    else if (answer.chunked)
        CHECK((len = join_chunks(content, (size_t)len)) > 0);
    answer.sent = (size_t)len;
    if (answer.zipped && len > 0) {
        answer.content = unzip(content, (size_t)len, &answer.len);
    } else {
        answer.content = mem_copy(content, (size_t)len);
        answer.len = (size_t)len;
    }
    close_client(&client);
    return answer;
}

static bool is_letters(const struct answer *answer, size_t len)
{
    for (size_t i = 0; i < answer->len; i++)
        if (answer->content[i] != letter(i))
            return false;
    return answer->len == len;
}

enum { FIXED, IDENTITY, GZIP, WRONG };

/* How the letters came. */
static int coding(const char *path, const char *accept, size_t len)
{
    struct answer answer = ask("GET", path, "1.1", accept);
    bool right = is_letters(&answer, len);
    free(answer.content);
    return !right ? WRONG : answer.zipped ? GZIP : answer.varies ? IDENTITY : FIXED;
}

static void write_file(const char *name, char *text, size_t len)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *out = fopen(path, "w");
    CHECK(out && fwrite(text, 1, len, out) == len);
    fclose(out);
    free(text);
}

static void remove_file(const char *name)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    CHECK(unlink(path) == 0);
}

/* ---- The cases ---- */

static void goes_by_what_the_client_accepts(void)
{
    static const struct {
        const char *accept;
        int result;
    } table[] = {
        {NULL, IDENTITY},
        {"", IDENTITY},
        {"gzip", GZIP},
        {"GZip", GZIP},
        {"x-gzip", GZIP}, /* RFC 9110 8.4.1.3 */
        {"br, deflate, gzip", GZIP},
        {"gzip;q=0", IDENTITY},
        {"gzip; q=0.000", IDENTITY},
        {"gzip;q=0.001", GZIP},
        {"gzip ; Q=1.000", GZIP},
        {"gzip;q=2", IDENTITY},
        {"gzip;level=9", IDENTITY},
        {"gzipped", IDENTITY},
        {"identity", IDENTITY},
        {"identity;q=0.5, gzip;q=1", GZIP},
        {"identity, gzip;q=0.5", IDENTITY},
        {"*", GZIP},
        {"*;q=0", IDENTITY},
        {"*, gzip;q=0", IDENTITY},
        {"*;q=0, gzip", GZIP},
        {"*;q=0.5, gzip", GZIP},
        {"*, gzip;q=0.5", IDENTITY}, /* "*" is also identity */
        {",, ,gzip,", GZIP},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        CHECK(coding("/text/5000", table[i].accept, 5000) == table[i].result);
}

static void passes_over_what_does_not_gain(void)
{
    CHECK(coding("/text/1000", "gzip", 1000) == GZIP); /* gzip_min_bytes */
    CHECK(coding("/text/999", "gzip", 999) == FIXED);
    CHECK(coding("/text/999", NULL, 999) == FIXED);
    CHECK(coding("/text/5000?private,no-transform", "gzip", 5000) == FIXED);
    static const char *const sizes[] = {"/noise/50000", "/noise/100000", "/noise/500000"};
    for (size_t i = 0; i < 3; i++) { /* on the loop, in the pool */
        struct answer answer = ask("GET", sizes[i], "1.1", "gzip");
        CHECK(!answer.zipped && !answer.chunked && answer.varies && !answer.tagged);
        CHECK(answer.len == (size_t)atoi(sizes[i] + 7));
        free(answer.content);
    }
}

static void compresses_any_size(void)
{
    static const struct {
        size_t len;
        bool chunked;
    } table[] = {
        {64 * 1024, false},      {64 * 1024 + 1, false},
        {256 * 1024 + 1, false}, {1024 * 1024, false},
        {1024 * 1024 + 1, true}, {4 * 256 * 1024 + 256 * 1024, true},
        {5 * 1000 * 1000, true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char path[40];
        snprintf(path, sizeof(path), "/text/%zu", table[i].len);
        struct answer answer = ask("GET", path, "1.1", "gzip");
        CHECK(answer.zipped && answer.tagged && answer.varies);
        CHECK(answer.chunked == table[i].chunked);
        CHECK(is_letters(&answer, table[i].len));
        CHECK(answer.sent < table[i].len / 4);
        free(answer.content);
        answer = ask("HEAD", path, "1.1", "gzip");
        CHECK(answer.zipped && answer.tagged && answer.chunked == table[i].chunked);
        free(answer.content);
        answer = ask("GET", path, "1.0", "gzip"); /* knows no chunks */
        CHECK(answer.zipped == !table[i].chunked && !answer.chunked && answer.varies);
        CHECK(is_letters(&answer, table[i].len));
        free(answer.content);
    }
}

static void keeps_the_order_of_pipelined_answers(void)
{
    struct client client;
    connect_client(&client);
    send_text(&client,
              "HEAD /text/5000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
              "HEAD /text/300000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
              "HEAD /text/3000000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
              "GET /text/900 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(await_eof(&client));
    const char *at = client.got;
    CHECK(strtol(strstr(at, "Content-Length: ") + 16, NULL, 10) < 1000);
    at = strstr(at, "\r\n\r\nHTTP/1.1 200 OK") + 4;
    CHECK(strtol(strstr(at, "Content-Length: ") + 16, NULL, 10) < 30000);
    at = strstr(at, "\r\n\r\nHTTP/1.1 200 OK") + 4;
    CHECK(strstr(at, "Transfer-Encoding: chunked\r\n"));
    at = strstr(at, "\r\n\r\nHTTP/1.1 200 OK") + 4;
    CHECK(strstr(at, "Content-Length: 900\r\n"));
    close_client(&client);
}

static void compresses_files(void)
{
    static const size_t sizes[] = {5000, 300000, 1024 * 1024, 3000000};
    for (size_t i = 0; i < 4; i++) {
        write_file("letters", letters(sizes[i]), sizes[i]);
        CHECK(coding("/letters", "gzip", sizes[i]) == GZIP);
        CHECK(coding("/letters", NULL, sizes[i]) == IDENTITY);
        CHECK(coding("/letters?0,2000", "gzip", 2000) == IDENTITY); /* a part */
        struct answer answer = ask("HEAD", "/letters", "1.1", "gzip");
        CHECK(answer.zipped && answer.chunked == (sizes[i] > 1024 * 1024));
        free(answer.content);
        answer = ask("HEAD", "/letters", "1.1", NULL);
        CHECK(!answer.zipped && !answer.chunked);
        free(answer.content);
    }
    remove_file("letters");
}

/* Waits until the file counts as one that nobody is writing just now. */
static void settle(void)
{
    for (uint64_t end = uv_hrtime() + 200 * 1000000; uv_hrtime() < end;)
        turn();
}

static void compresses_a_file_once(void)
{
    size_t kept = http_server_stats(server).kept_files;
    write_file("once", letters(20000), 20000);
    settle();
    CHECK(coding("/once", "gzip", 20000) == GZIP);
    CHECK(http_server_stats(server).kept_files == kept + 1);
    CHECK(coding("/once", "gzip", 20000) == GZIP);
    CHECK(coding("/once", NULL, 20000) == IDENTITY);
    CHECK(coding("/once?5000,1000", "gzip", 1000) == WRONG); /* not the first letters */
    struct answer answer = ask("HEAD", "/once", "1.1", "gzip");
    CHECK(answer.zipped && !answer.chunked);
    free(answer.content);
    CHECK(http_server_stats(server).kept_files == kept + 1);
    write_file("once", letters(30000), 30000); /* another file under the same name */
    settle();
    CHECK(coding("/once", "gzip", 30000) == GZIP);
    CHECK(http_server_stats(server).kept_files == kept + 1);
    write_file("private", letters(20000), 20000);
    settle();
    CHECK(coding("/private?private", "gzip", 20000) == GZIP);
    CHECK(http_server_stats(server).kept_files == kept + 1); /* not this one */
    remove_file("private");
    remove_file("once");
    answer = ask("GET", "/once", "1.1", "gzip");
    CHECK(!answer.zipped);
    free(answer.content);
}

static void keeps_no_more_files_than_it_may(void)
{
    char name[20];
    for (int i = 0; i < 230; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        write_file(name, letters(2000), 2000);
    }
    settle();
    for (int i = 0; i < 230; i++) {
        snprintf(name, sizeof(name), "/many%d", i);
        CHECK(coding(name, "gzip", 2000) == GZIP);
        remove_file(name + 1);
    }
    CHECK(http_server_stats(server).kept_files == 200);
}

static void keeps_no_more_bytes_than_it_may(void)
{
    char name[20];
    size_t most = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "noise%d", i);
        write_file(name, digits(1 << 20), 1 << 20);
    }
    settle();
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "/noise%d", i);
        struct answer answer = ask("GET", name, "1.1", "gzip");
        CHECK(answer.zipped && answer.len == 1 << 20 && answer.sent > 500000);
        most = 8 * 1024 * 1024 / answer.sent;
        free(answer.content);
        remove_file(name + 1);
    }
    CHECK(http_server_stats(server).kept_files == most); /* all others had to go */
}

static void survives_clients_that_leave(void)
{
    static const char *const paths[] = {"/text/300000", "/text/5000000", "/big",
                                        "/text/100000"};
    write_file("big", letters(5000000), 5000000);
    for (size_t i = 0; i < 40; i++) {
        struct client client;
        char text[200];
        connect_client(&client);
        snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
                 paths[i % 4]);
        send_text(&client, text);
        for (size_t turns = 0; turns < i; turns++)
            turn();
        close_client(&client);
    }
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (http_server_stats(server).connections && uv_hrtime() / 1000000 < end)
        turn();
    CHECK(http_server_stats(server).connections == 0);
    remove_file("big");
}

static void start(void)
{
    char text[1024];
    char *out = text;
    static const char *const settings[][2] = {
        {"http.max_header_bytes", "1024"},
        {"http.max_headers", "20"},
        {"http.max_url_bytes", "200"},
        {"http.max_connections", "10"},
        {"http.max_unsent_bytes", "100000000"},
        {"http.header_timeout_ms", "5000"},
        {"http.body_idle_ms", "5000"},
        {"http.keepalive_timeout_ms", "5000"},
        {"http.gzip_level", "3"},
        {"http.gzip_min_bytes", "1000"},
        {"http.gzip_types", "text/plain,application/json"},
        {"http.trusted_proxies", ""},
        {"http.forwarded_header", "x-forwarded-for"},
        {"http.proxy_protocol", ""},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        out += sprintf(out, "%s%c%s", settings[i][0], 0, settings[i][1]) + 1;
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
    RUN(goes_by_what_the_client_accepts);
    RUN(passes_over_what_does_not_gain);
    RUN(compresses_any_size);
    RUN(keeps_the_order_of_pipelined_answers);
    RUN(compresses_files);
    RUN(compresses_a_file_once);
    RUN(keeps_no_more_files_than_it_may);
    RUN(keeps_no_more_bytes_than_it_may);
    RUN(survives_clients_that_leave);
    stop();
    return check_result("http_gzip");
}
