/* libFuzzer: the HTTP parser's glue on any bytes, without sockets. A stream of requests
 * read at once and read in pieces must give the same requests, and each must keep the
 * promises of http.h: limits, clean names, a path, no second Host. Whatever the headers of
 * proxies say, it comes out as an address or as none.
 *
 *   make test-fuzz
 *
 * The first byte is the size of the pieces. */
#include "conf.h"
#include "http_conn.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_HEADER_BYTES = 300, MAX_HEADERS = 8, MAX_URL = 100 };

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static int on_data(void *arg, const char *data, size_t len, struct err *err)
{
    (void)err;
    buf_append(arg, data, len);
    return 0;
}

static void on_end(void *arg, const struct err *err)
{
    (void)arg, (void)err;
}

static const struct http_sink sink = {on_data, on_end};

static void check_request(const struct http_req *req, struct buf *seen)
{
    struct http_header header;
    size_t path_len, query_len, count = 0;
    const char *path = http_req_path(req, &path_len);
    const char *query = http_req_query(req, &query_len);
    expect(strlen(path) == path_len && strlen(query) == query_len);
    expect(path[0] == '/' || strcmp(path, "*") == 0);
    expect(path_len + query_len <= MAX_URL + 1);
    buf_printf(seen, "\n%s %s ? %s %lld", http_req_method(req), path, query,
               (long long)http_req_content_length(req));
    for (; http_req_header_at(req, count, &header); count++) {
        expect(header.name_len > 0 && strlen(header.name) == header.name_len);
        expect(strlen(header.value) == header.value_len);
        expect(!strpbrk(header.name, " \t:\r\n") && !strpbrk(header.value, "\r\n"));
        expect(http_req_header(req, header.name, NULL) == header.value);
        buf_printf(seen, "\n%s=%s", header.name, header.value);
    }
    expect(count <= MAX_HEADERS);
    buf_putc(seen, '\n');
}

/* Everybody is trusted: each entry of the header is looked at. */
static void check_peer(struct http_req *req)
{
    static const char *const headers[] = {"x-forwarded-for", "forwarded"};
    unsigned char address[16];
    for (size_t i = 0; i < 2; i++) {
        req->server->forwarded_header = headers[i];
        req->ip[0] = '\0';
        http_peer_resolve(req);
        expect(!*req->ip || inet_pton(AF_INET, req->ip, address) == 1 ||
               inet_pton(AF_INET6, req->ip, address) == 1);
    }
}

/* One step of http_conn_run's; false when the stream is over. */
static bool step(struct http_conn *conn, struct buf *seen)
{
    if (conn->state == CONN_HEAD) {
        enum http_parsed parsed = http_parse_head(conn);
        if (parsed != HTTP_DONE)
            return parsed == HTTP_MORE;
        check_request(conn->req, seen);
        check_peer(conn->req);
        conn->state = CONN_REQUEST;
        conn->req->sink = &sink;
        conn->req->sink_arg = seen;
    } else if (http_parse_body(conn) == HTTP_REFUSED) {
        return false;
    }
    if (!conn->body_done)
        return true;
    bool keep = conn->req->keep_alive;
    buf_puts(seen, "\nend");
    http_req_drop(conn->req);
    conn->req = http_req_new(conn->server);
    conn->state = CONN_HEAD;
    http_parse_begin(conn);
    return keep;
}

static void parse(struct http_server *server, const char *data, size_t size, size_t piece,
                  struct buf *seen)
{
    struct http_conn conn = {.server = server, .state = CONN_HEAD};
    http_parse_init(&conn);
    http_parse_begin(&conn);
    conn.req = http_req_new(server);
    bool more = true;
    for (size_t at = 0; more && at < size; at += piece) {
        conn.data = data + at;
        conn.left = size - at < piece ? size - at : piece;
        while (more && conn.left)
            more = step(&conn, seen);
    }
    if (!more)
        buf_puts(seen, "\nover");
    http_req_drop(conn.req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_server server = {
        .max_header_bytes = MAX_HEADER_BYTES,
        .max_headers = MAX_HEADERS,
        .max_url_bytes = MAX_URL,
    };
    static const char trust[] = "http.trusted_proxies\0::/0\0http.forwarded_header\0";
    struct buf whole = {0}, pieces = {0};
    static struct conf *conf;
    if (!conf)
        http_peer_configure(&server, conf = conf_parse(trust, sizeof(trust)));
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    parse(&server, text, size - 1, size, &whole);
    parse(&server, text, size - 1, (size_t)data[0] + 1, &pieces);
    expect(whole.len == pieces.len &&
           (!whole.len || !memcmp(whole.data, pieces.data, whole.len)));
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
