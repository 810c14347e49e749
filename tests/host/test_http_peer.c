/* Whose request it is: the PROXY header, and the headers of trusted proxies. The server
 * listens on a Unix socket and answers every request with the address that it made out. */
#include "conf.h"
#include "http.h"
#include "http_wire.h"
#include "proxy_protocol.h"
#include <signal.h>

static struct host host;
static struct http_server *server;
static char dir[64];

static void on_request(void *arg, struct http_req *req)
{
    (void)arg;
    char text[200];
    const char *ip = http_req_ip(req), *name = http_req_header(req, "host", NULL);
    const char *answer = text;
    if (strcmp(http_req_path(req, NULL), "/") == 0)
        answer = ip;
    else
        snprintf(text, sizeof(text), "%s %s://%s", ip, http_req_scheme(req), name);
    CHECK(http_req_respond(req, 200, NULL, 0, answer, strlen(answer), NULL) == 0);
    http_req_release(req);
}

/* The list of trusted proxies, the header they write, the listeners that want PROXY. */
static void start(const char *trusted, const char *header, const char *proxied)
{
    static const char *const numbers[][2] = {
        {"http.max_header_bytes", "16384"},
        {"http.max_headers", "50"},
        {"http.max_url_bytes", "1000"},
        {"http.max_connections", "10"},
        {"http.max_unsent_bytes", "100000000"},
        {"http.header_timeout_ms", "300"},
        {"http.body_idle_ms", "1000"},
        {"http.keepalive_timeout_ms", "1000"},
        {"http.gzip_level", "0"},
        {"http.gzip_min_bytes", "1000"},
        {"http.gzip_types", ""},
    };
    char text[1024], *out = text;
    struct err err;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        out += sprintf(out, "%s%c%s", numbers[i][0], 0, numbers[i][1]) + 1;
    out += sprintf(out, "http.trusted_proxies%c%s", 0, trusted) + 1;
    out += sprintf(out, "http.forwarded_header%c%s", 0, header) + 1;
    out += sprintf(out, "http.proxy_protocol%c%s", 0, proxied) + 1;
    uv_loop_init(&loop);
    host = (struct host){.loop = &loop, .conf = conf_parse(text, (size_t)(out - text))};
    strcpy(dir, "/tmp/test-http-peer-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
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

static const char *answer_to(const char *path, const char *header)
{
    static char answer[200];
    char text[4096];
    struct client client;
    connect_client(&client);
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", path,
             header);
    send_text(&client, text);
    CHECK(await(&client, 1));
    snprintf(answer, sizeof(answer), "%s", body(&client) ? body(&client) : "(closed)");
    close_client(&client);
    return answer;
}

/* The address that the server sees when `header` comes with the request. */
static const char *seen(const char *header)
{
    return answer_to("/", header);
}

/* The same with scheme and host. */
static const char *asked(const char *header)
{
    return answer_to("/asked", header);
}

static void believes_no_header_by_default(void)
{
    start("", "x-forwarded-for", "");
    CHECK_STR(seen("X-Forwarded-For: 203.0.113.9"), "");
    stop();
    start("10.0.0.0/8", "x-forwarded-for", ""); /* the Unix socket is not among them */
    CHECK_STR(seen("X-Forwarded-For: 203.0.113.9"), "");
    stop();
}

static void reads_what_trusted_proxies_wrote(void)
{
    static const char *const table[][2] = {
        {"203.0.113.9", "203.0.113.9"},
        {"198.51.100.1, 203.0.113.9", "203.0.113.9"}, /* the first is a claim */
        {"203.0.113.9, 10.1.2.3", "203.0.113.9"},
        {"198.51.100.1,203.0.113.9,10.1.2.3 , 10.255.255.255", "203.0.113.9"},
        {"10.1.2.3, 10.0.0.1", "10.1.2.3"}, /* inside: the outermost that is known */
        {"203.0.113.9, 192.0.2.7", "203.0.113.9"},
        {"203.0.113.9, 192.0.2.8", "192.0.2.8"},
        {"203.0.113.9:4711", "203.0.113.9"},
        {"[2001:db8::9]:4711", "2001:db8::9"},
        {"[2001:DB8:0::9]", "2001:db8::9"},
        {"2001:db8::9", "2001:db8::9"},
        {"2001:db8::9, fd00:1::1", "2001:db8::9"},
        {"2001:db8::9, fd01::1", "fd01::1"},
        {"::ffff:203.0.113.9", "203.0.113.9"},
        {"203.0.113.9, ::ffff:10.0.0.1", "203.0.113.9"},
        {"unknown", ""},
        {"203.0.113.9, unknown, 10.0.0.1", "10.0.0.1"},
        {"203.0.113.9,, 10.0.0.1", "10.0.0.1"},
        {"203.0.113.999", ""},
        {"203.0.113.9 10.0.0.1", ""},
        {"[2001:db8::9", ""},
        {"[2001:db8::9]x", ""},
        {"0x7f.1", ""},
        {",", ""},
        {"", ""},
    };
    start("unix,10.0.0.0/8,192.0.2.7,fd00::/16", "x-forwarded-for", "");
    char header[2048];
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        snprintf(header, sizeof(header), "X-Forwarded-For: %s", table[i][0]);
        CHECK_STR(seen(header), table[i][1]);
    }
    CHECK_STR(seen("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.0.0.1"),
              "203.0.113.9");
    CHECK_STR(seen("Forwarded: for=203.0.113.9"), "");
    char *at = header + sprintf(header, "X-Forwarded-For: 203.0.113.9");
    for (int i = 0; i < 100; i++)
        at += sprintf(at, ", 10.0.0.%d", i);
    CHECK_STR(seen(header), "10.0.0.68"); /* 32 hops, and no further */
    stop();
}

static void reads_forwarded(void)
{
    static const char *const table[][2] = {
        {"for=203.0.113.9", "203.0.113.9"},
        {"For=\"203.0.113.9:4711\"", "203.0.113.9"},
        {"for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
        {"proto=https; for=203.0.113.9 ;by=10.0.0.1", "203.0.113.9"},
        {"for=198.51.100.1, for=203.0.113.9, for=10.0.0.1", "203.0.113.9"},
        {"for=203.0.113.9;host=\"a,b;c\", for=10.0.0.1", "203.0.113.9"},
        {"for=unknown", ""},
        {"for=_hidden", ""},
        {"for=\"203.0.113.9", ""},
        {"for=", ""},
        {"by=203.0.113.9", ""},
        {"203.0.113.9", ""},
    };
    start("unix,10.0.0.0/8", "forwarded", "");
    char header[512];
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        snprintf(header, sizeof(header), "Forwarded: %s", table[i][0]);
        CHECK_STR(seen(header), table[i][1]);
    }
    stop();
}

#define FOR "X-Forwarded-For: "
#define PROTO "\r\nX-Forwarded-Proto: "
#define HOST "\r\nX-Forwarded-Host: "

static void reads_scheme_and_host(void)
{
    static const char *const table[][2] = {
        {FOR "203.0.113.9" PROTO "https" HOST "city.example",
         "203.0.113.9 https://city.example"},
        {FOR "203.0.113.9" PROTO "HTTPS" HOST "city.example:8443",
         "203.0.113.9 https://city.example:8443"},
        {FOR "203.0.113.9" HOST "[2001:db8::1]:80",
         "203.0.113.9 http://[2001:db8::1]:80"},
        {"A: b" PROTO "https" HOST "city.example", " https://city.example"},
        /* Two proxies: each added a line, or the outer one alone wrote. */
        {FOR "203.0.113.9, 10.0.0.1" PROTO "https, http" HOST "city.example, inner",
         "203.0.113.9 https://city.example"},
        {FOR "203.0.113.9, 10.0.0.1" PROTO "https" HOST "city.example",
         "203.0.113.9 https://city.example"},
        /* What the client made up stands before what the proxy wrote. */
        {FOR "10.0.0.1, 203.0.113.9" PROTO "https, http" HOST
             "bank.example, city.example",
         "203.0.113.9 http://city.example"},
        /* Nonsense counts as not said. */
        {FOR "203.0.113.9" PROTO "gopher" HOST "a b", "203.0.113.9 http://x"},
        {FOR "203.0.113.9" PROTO "https://" HOST "http://city.example",
         "203.0.113.9 http://x"},
        {FOR "203.0.113.9" PROTO "" HOST "", "203.0.113.9 http://x"},
        {FOR "203.0.113.9" HOST ",", "203.0.113.9 http://x"},
        {FOR "203.0.113.9" HOST "city.example/..", "203.0.113.9 http://x"},
        {FOR "203.0.113.9" HOST "city.example:port", "203.0.113.9 http://x"},
        {"Forwarded: for=203.0.113.9;proto=https;host=city.example", " http://x"},
    };
    start("unix,10.0.0.0/8", "x-forwarded-for", "");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        CHECK_STR(asked(table[i][0]), table[i][1]);
    stop();
    start("10.0.0.0/8", "x-forwarded-for", ""); /* the Unix socket is not among them */
    CHECK_STR(asked(table[0][0]), " http://x");
    stop();
}

static void reads_scheme_and_host_of_forwarded(void)
{
    static const char *const table[][2] = {
        {"for=203.0.113.9;proto=https;host=city.example",
         "203.0.113.9 https://city.example"},
        {"Host=\"city.example:8443\";PROTO=Https;for=203.0.113.9",
         "203.0.113.9 https://city.example:8443"},
        {"proto=https;host=bank.example, for=203.0.113.9;proto=http;host=city.example",
         "203.0.113.9 http://city.example"},
        {"for=203.0.113.9;proto=https;host=city.example, "
         "for=10.0.0.1;proto=http;host=inner",
         "203.0.113.9 https://city.example"},
        {"for=unknown;proto=https;host=city.example", " https://city.example"},
        {"for=203.0.113.9;proto=ftp;host=\"a b\"", "203.0.113.9 http://x"},
        {"proto=https", " https://x"},
        {"hosts=evil.example;xproto=https", " http://x"},
    };
    char header[512];
    start("unix,10.0.0.0/8", "forwarded", "");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        snprintf(header, sizeof(header), "Forwarded: %s", table[i][0]);
        CHECK_STR(asked(header), table[i][1]);
    }
    CHECK_STR(asked(FOR "203.0.113.9" PROTO "https" HOST "city.example"), " http://x");
    stop();
}

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define PARSE(text, out) proxy_header_parse(text, sizeof(text) - 1, out)

static void parses_proxy_headers(void)
{
    static const struct {
        const char *line;
        const char *ip; /* NULL: is none */
    } lines[] = {
        {"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n", "203.0.113.9"},
        {"PROXY TCP6 2001:db8::9 ::1 56324 443\r\n", "2001:db8::9"},
        {"PROXY UNKNOWN\r\n", ""},
        {"PROXY UNKNOWN whatever it is\r\n", ""},
        {"PROXY TCP4 203.0.113.9 192.0.2.1 0 65535\r\n", "203.0.113.9"},
        {"PROXY TCP4 203.0.113.9 192.0.2.1 56324 65536\r\n", NULL},
        {"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443 \r\n", NULL},
        {"PROXY TCP4 203.0.113.9 192.0.2.1 56324\r\n", NULL},
        {"PROXY TCP4  203.0.113.9 192.0.2.1 56324 443\r\n", NULL},
        {"PROXY TCP4 203.0.113.256 192.0.2.1 56324 443\r\n", NULL},
        {"PROXY TCP4 2001:db8::9 ::1 56324 443\r\n", NULL},
        {"PROXY TCP6 203.0.113.9 192.0.2.1 56324 443\r\n", NULL},
        {"PROXY TCP5 203.0.113.9 192.0.2.1 56324 443\r\n", NULL},
        {"PROXY TCP4 203.0.113.9 192.0.2.1 -1 443\r\n", NULL},
        {"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\n", NULL},
        {"PROXY \r\n", NULL},
        {"PROXY\r\n", NULL},
        {"proxy TCP4 203.0.113.9 192.0.2.1 56324 443\r\n", NULL},
        {"GET / HTTP/1.1\r\n", NULL},
    };
    struct proxy_header header;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const char *line = lines[i].line;
        int len = (int)strlen(line);
        int got = proxy_header_parse(line, (size_t)len, &header);
        CHECK(got == (lines[i].ip ? len : -1));
        if (lines[i].ip)
            CHECK_STR(header.ip, lines[i].ip);
        for (int cut = 0; lines[i].ip && cut < len; cut++)
            CHECK(proxy_header_parse(line, (size_t)cut, &header) == 0);
    }
    char endless[200];
    memset(endless, 'x', sizeof(endless));
    memcpy(endless, "PROXY UNKNOWN ", 14);
    CHECK(proxy_header_parse(endless, 106, &header) == 0);
    CHECK(proxy_header_parse(endless, 107, &header) == -1);

    static const char v4[] = V2 "\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\2\1\xdc\4\1\xbb";
    CHECK(PARSE(v4, &header) == 28);
    CHECK_STR(header.ip, "203.0.113.9");
    for (size_t cut = 0; cut < sizeof(v4) - 1; cut++)
        CHECK(proxy_header_parse(v4, cut, &header) == 0);
    CHECK(PARSE(V2 "\x21\x11\0\x0f\xcb\0\x71\x09\xc0\0\2\1\xdc\4\1\xbb\4\0\0", &header) ==
          31); /* with something behind the addresses */
    CHECK(PARSE(V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
                   "0123456789abcdef\0\1\0\2",
                &header) == 52);
    CHECK_STR(header.ip, "2001:db8::9");
    CHECK(PARSE(V2 "\x20\0\0\0", &header) == 16); /* LOCAL: a health check */
    CHECK_STR(header.ip, "");
    CHECK(PARSE(V2 "\x21\0\0\0", &header) == 16); /* unspecified */
    CHECK_STR(header.ip, "");
    CHECK(PARSE(V2 "\x21\x31\0\0", &header) == 16); /* Unix */
    CHECK(PARSE(V2 "\x21\x11\0\x0b"
                   "0123456789a",
                &header) == -1); /* too short for its family */
    CHECK(PARSE(V2 "\x21\x12\0\x0c"
                   "0123456789ab",
                &header) == -1);                       /* datagrams */
    CHECK(PARSE(V2 "\x22\x11\0\x0c", &header) == -1);  /* no such command */
    CHECK(PARSE(V2 "\x31\x11\0\x0c", &header) == -1);  /* version 3 */
    CHECK(PARSE(V2 "\x21\x11\x08\x00", &header) == 0); /* PROXY_HEADER_MAX */
    CHECK(PARSE(V2 "\x21\x11\x08\x01", &header) == -1);
}

/* The address seen behind a PROXY header that comes in two pieces; "(closed)" when the
 * connection is refused. */
static const char *seen_behind(const char *proxy, size_t len)
{
    static char ip[64];
    struct client client;
    connect_client(&client);
    send_bytes(&client, proxy, len / 2);
    turn();
    send_bytes(&client, proxy + len / 2, len - len / 2);
    send_text(&client, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.5\r\n\r\n");
    snprintf(ip, sizeof(ip), "%s", await(&client, 1) ? body(&client) : "(closed)");
    CHECK(strcmp(ip, "(closed)") != 0 || (client.eof && !client.len));
    close_client(&client);
    return ip;
}

static void wants_a_proxy_header_where_it_is_configured(void)
{
    static const char v1[] = "PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n";
    static const char inner[] = "PROXY TCP4 10.0.0.9 192.0.2.1 56324 443\r\n";
    static const char v2[] = V2 "\x21\x11\0\x0c\xcb\0\x71\x08\xc0\0\2\1\xdc\4\1\xbb";
    static const char local[] = V2 "\x20\0\0\0";
    start("unix,10.0.0.0/8", "x-forwarded-for", "tcp,unix");
    CHECK_STR(seen_behind(v1, sizeof(v1) - 1), "203.0.113.9");
    CHECK_STR(seen_behind(v2, sizeof(v2) - 1), "203.0.113.8");
    CHECK_STR(seen_behind(inner, sizeof(inner) - 1), "192.0.2.5"); /* a proxy behind it */
    CHECK_STR(seen_behind(local, sizeof(local) - 1), "192.0.2.5");
    CHECK_STR(seen_behind("", 0), "(closed)");
    CHECK_STR(seen_behind("PROXY TCP4\r\n", 12), "(closed)");
    struct client client;
    connect_client(&client); /* not a byte: closed without a word */
    CHECK(await_eof(&client) && !client.len);
    close_client(&client);
    connect_client(&client);
    send_text(&client, "PROXY TCP4 1.2.3.4");
    CHECK(await_eof(&client) && !client.len);
    close_client(&client);
    stop();
    start("10.0.0.0/8", "x-forwarded-for", "unix"); /* not from whom is not trusted */
    CHECK_STR(seen_behind(v1, sizeof(v1) - 1), "(closed)");
    stop();
    start("unix", "x-forwarded-for", "tcp");
    CHECK_STR(seen("X-Forwarded-For: 203.0.113.9"), "203.0.113.9");
    stop();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    RUN(believes_no_header_by_default);
    RUN(reads_what_trusted_proxies_wrote);
    RUN(reads_forwarded);
    RUN(reads_scheme_and_host);
    RUN(reads_scheme_and_host_of_forwarded);
    RUN(parses_proxy_headers);
    RUN(wants_a_proxy_header_where_it_is_configured);
    return check_result("http_peer");
}
