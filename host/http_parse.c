/* llhttp, and what it lets through.
 *
 * The parser is stopped twice per message: at the end of the head when a body follows,
 * and at the end of the message, so that pipelined input stays with the connection.
 * Upgrades are no business of the parser's: the flag is cleared, the handler reads the
 * headers.
 *
 * Beyond llhttp's strict mode these are refused: whatever RFC 9112 calls a smuggling risk
 * (obs-fold, transfer codings but `chunked`, chunk extensions, Transfer-Encoding in
 * HTTP/1.0, missing or repeated Host, names that are no tokens, doubled blanks in the
 * request line), other versions than 1.0 and 1.1, other protocols, and everything above
 * the limits. A head costs the memory of its own limit at most. */
#include "http_conn.h"
#include "mem.h"
#include <string.h>

#define BAD "BAD_REQUEST"

/* Where a byte of the request line stands. */
enum line_state {
    LINE_BEFORE, /* empty lines may come first (RFC 9112 2.2) */
    LINE_METHOD,
    LINE_TARGET_START,
    LINE_TARGET,
    LINE_PROTOCOL_START,
    LINE_PROTOCOL,
    LINE_OVER,
};

static const struct http_refusal bad_line = {400, BAD, "the request line is malformed"};
static const struct http_refusal bad_url = {400, BAD, "the request target is malformed"};
static const struct http_refusal bad_name = {400, BAD, "a header name is malformed"};
static const struct http_refusal bad_host = {400, BAD,
                                             "exactly one valid Host header is needed"};
static const struct http_refusal bad_fold = {400, BAD,
                                             "folded header lines are not accepted"};
static const struct http_refusal bad_end = {400, BAD,
                                            "the headers do not end in an empty line"};
static const struct http_refusal bad_chunk = {400, BAD,
                                              "chunk extensions are not accepted"};
static const struct http_refusal bad_framing = {400, BAD,
                                                "the body's framing is malformed"};
static const struct http_refusal bad_coding = {
    501, "NOT_IMPLEMENTED", "no transfer coding but chunked is supported"};
static const struct http_refusal bad_te = {400, BAD, "Transfer-Encoding needs HTTP/1.1"};
static const struct http_refusal bad_method = {501, "NOT_IMPLEMENTED",
                                               "the method is not supported"};
static const struct http_refusal bad_version = {505, "VERSION_NOT_SUPPORTED",
                                                "HTTP/1.0 and HTTP/1.1 are supported"};
static const struct http_refusal bad_expect = {
    417, "EXPECTATION_FAILED", "no expectation but 100-continue is supported"};
static const struct http_refusal long_url = {414, "URI_TOO_LONG", "the URL is too long"};
static const struct http_refusal long_head = {431, "HEADERS_TOO_LARGE",
                                              "the headers are too large or too many"};

static int refuse(struct http_conn *conn, const struct http_refusal *refusal)
{
    if (!conn->refusal)
        conn->refusal = refusal;
    return -1;
}

/* tchar of RFC 9110 5.6.2, in lower case; 0 for anything else. */
static char token_char(unsigned char byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (char)(byte | 0x20);
    return http_name_bytes[byte] ? (char)byte : 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = parser->data;
    struct http_req *req = conn->req;
    if (req->text.len + len > conn->server->max_url_bytes)
        return refuse(conn, &long_url);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)at[i] <= 0x20 || (unsigned char)at[i] >= 0x7f || at[i] == '#')
            return refuse(conn, &bad_url); /* RFC 9112 3.2, RFC 3986 2 */
    buf_append(&req->text, at, len);
    return 0;
}

static int on_url_complete(llhttp_t *parser)
{
    struct http_req *req = ((struct http_conn *)parser->data)->req;
    req->url_len = (uint32_t)req->text.len;
    buf_putc(&req->text, '\0');
    req->field_start = (uint32_t)req->text.len;
    return 0;
}

static bool head_is_full(const struct http_conn *conn, size_t more)
{
    const struct http_req *req = conn->req;
    return req->text.len + more > req->url_len + conn->server->max_header_bytes;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = parser->data;
    struct http_req *req = conn->req;
    if (conn->state != CONN_HEAD)
        return 0; /* a trailer: nobody asks for them */
    if (head_is_full(conn, len))
        return refuse(conn, &long_head);
    char *out = buf_reserve(&req->text, len);
    for (size_t i = 0; i < len; i++) {
        out[i] = token_char((unsigned char)at[i]);
        if (!out[i])
            return refuse(conn, &bad_name);
    }
    req->text.len += len;
    return 0;
}

/* Closes the name and opens the value. */
static int begin_value(struct http_conn *conn)
{
    struct http_req *req = conn->req;
    uint32_t name_len = (uint32_t)req->text.len - req->field_start;
    if (!name_len)
        return refuse(conn, &bad_name);
    if (req->count >= conn->server->max_headers)
        return refuse(conn, &long_head);
    if (req->count == req->cap) {
        req->cap = req->cap ? req->cap * 2 : 16;
        req->fields = mem_resize(req->fields, req->cap * sizeof(*req->fields));
    }
    buf_putc(&req->text, '\0');
    req->fields[req->count] = (struct http_field){
        .name = req->field_start, .name_len = name_len, .value = (uint32_t)req->text.len};
    req->in_value = true;
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = parser->data;
    if (conn->state != CONN_HEAD)
        return 0;
    if (!conn->req->in_value && begin_value(conn) < 0)
        return -1;
    if (head_is_full(conn, len))
        return refuse(conn, &long_head);
    buf_append(&conn->req->text, at, len);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_req *req = conn->req;
    if (conn->state != CONN_HEAD)
        return 0;
    if (!req->in_value && begin_value(conn) < 0)
        return -1;
    struct http_field *field = &req->fields[req->count++];
    req->lengths |= UINT64_C(1) << field->name_len % 64;
    while (req->text.len > field->value &&
           strchr(" \t", req->text.data[req->text.len - 1]))
        req->text.len--;
    field->value_len = (uint32_t)req->text.len - field->value;
    buf_putc(&req->text, '\0');
    req->field_start = (uint32_t)req->text.len;
    req->in_value = false;
    return 0;
}

static bool same_name(const struct http_req *req, const struct http_field *a,
                      const struct http_field *b)
{
    return a->name_len == b->name_len &&
           memcmp(req->text.data + a->name, req->text.data + b->name, a->name_len) == 0;
}

/* Appends the values of the headers that bear the name of the one at `index` to its own, behind
 * the text; their names become empty. */
static void join_with(struct http_req *req, size_t index)
{
    struct http_field *first = &req->fields[index];
    uint32_t moved = 0; /* where the joined value begins; 0: there is none yet */
    for (size_t i = index + 1; i < req->count; i++) {
        struct http_field *other = &req->fields[i];
        if (!same_name(req, first, other))
            continue;
        size_t most = (moved ? 0 : (size_t)first->value_len) + 2 + other->value_len;
        char *out = buf_reserve(&req->text, most);
        const char *text = req->text.data;
        bool cookie = strcmp(text + first->name, "cookie") == 0;
        if (!moved) {
            moved = (uint32_t)req->text.len;
            out = mempcpy(out, text + first->value, first->value_len);
        }
        out = mempcpy(out, cookie ? "; " : ", ", 2);
        out = mempcpy(out, text + other->value, other->value_len);
        req->text.len = (size_t)(out - text);
        other->name_len = 0;
    }
    if (!moved)
        return;
    first->value = moved;
    first->value_len = (uint32_t)req->text.len - moved;
    buf_putc(&req->text, '\0');
}

/* Repeated headers become one (RFC 9110 5.3). Each value is copied once: this at most doubles
 * the head's memory. */
static void join_repeated(struct http_req *req)
{
    size_t kept = 0;
    if ((size_t)__builtin_popcountll(req->lengths) == req->count)
        return; /* no two names are of one length */
    for (size_t i = 0; i < req->count; i++) {
        if (!req->fields[i].name_len)
            continue;
        join_with(req, i);
        req->fields[kept++] = req->fields[i];
    }
    req->count = kept;
}

/* RFC 9110 7.2: a name or an address, not empty, and perhaps a port. */
static bool valid_host(const char *host, size_t len)
{
    const char *at = host, *end = host + len;
    if (len && *at == '[') {
        do
            at++;
        while (at < end && (token_char((unsigned char)*at) || *at == ':'));
        if (at == end || *at++ != ']')
            return false;
    } else {
        while (at < end && (token_char((unsigned char)*at) || strchr("();=,", *at)))
            at++;
    }
    if (at == host || (at < end && *at++ != ':'))
        return false;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at == end;
}

void http_parse_set_host(struct http_req *req, size_t start, size_t len)
{
    if (!valid_host(req->text.data + start, len))
        return;
    char *out = buf_reserve(&req->text, len + 1);
    memcpy(out, req->text.data + start, len);
    out[len] = '\0';
    for (size_t i = 0; i < req->count; i++) {
        struct http_field *field = &req->fields[i];
        if (field->name_len == 4 && !memcmp(req->text.data + field->name, "host", 4)) {
            field->value = (uint32_t)req->text.len;
            field->value_len = (uint32_t)len;
        }
    }
    req->text.len += len + 1;
}

static int split_url(struct http_conn *conn)
{
    struct http_req *req = conn->req;
    const char *url = req->text.data;
    size_t len = req->url_len;
    uint32_t path = 0;
    if (len >= 7 && strncasecmp(url, "http://", 7) == 0)
        path = 7;
    else if (len >= 8 && strncasecmp(url, "https://", 8) == 0)
        path = 8;
    if (path) {
        size_t authority = strcspn(url + path, "/?");
        if (!valid_host(url + path, authority) || !http_req_header(req, "host", NULL))
            return refuse(conn, &bad_host);
        /* it goes over what Host says: RFC 9112 3.2.2 */
        http_parse_set_host(req, path, authority);
        url = req->text.data;
        path += (uint32_t)authority;
    } else if (url[0] != '/' &&
               !(len == 1 && url[0] == '*' && req->method == HTTP_OPTIONS)) {
        return refuse(conn, &bad_url);
    }
    const char *mark = memchr(url + path, '?', len - path);
    req->path = path;
    req->path_len = mark ? (uint32_t)(mark - url) - path : (uint32_t)len - path;
    req->query = path + req->path_len + (mark != NULL);
    req->query_len = (uint32_t)len - req->query;
    req->text.data[path + req->path_len] = '\0';
    if (!req->path_len) { /* http://host means http://host/ */
        req->path = (uint32_t)req->text.len;
        req->path_len = 1;
        buf_append(&req->text, "/", 2);
    }
    return 0;
}

static int check_coding(struct http_conn *conn)
{
    const char *coding = http_req_header(conn->req, "transfer-encoding", NULL);
    if (!coding)
        return 0;
    if (conn->req->old)
        return refuse(conn, &bad_te);
    return strcasecmp(coding, "chunked") == 0 ? 0 : refuse(conn, &bad_coding);
}

static int check_expect(struct http_conn *conn)
{
    struct http_req *req = conn->req;
    const char *expect = http_req_header(req, "expect", NULL);
    if (!expect || req->old)
        return 0;
    if (strcasecmp(expect, "100-continue") != 0)
        return refuse(conn, &bad_expect);
    req->expects = req->has_body;
    return 0;
}

static int check_host(struct http_conn *conn)
{
    struct http_req *req = conn->req;
    unsigned hosts = 0;
    for (size_t i = 0; i < req->count; i++)
        hosts += req->fields[i].name_len == 4 &&
                 memcmp(req->text.data + req->fields[i].name, "host", 4) == 0;
    if (hosts > 1 || (hosts == 0 && !req->old))
        return refuse(conn, &bad_host);
    size_t len;
    const char *host = http_req_header(req, "host", &len);
    return !host || valid_host(host, len) ? 0 : refuse(conn, &bad_host);
}

static bool method_served(uint8_t method)
{
    return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_POST ||
           method == HTTP_PUT || method == HTTP_PATCH || method == HTTP_DELETE ||
           method == HTTP_OPTIONS;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_req *req = conn->req;
    req->method = parser->method;
    req->old = parser->http_minor == 0;
    req->is_head = parser->method == HTTP_HEAD;
    req->keep_alive = llhttp_should_keep_alive(parser);
    req->chunked = (parser->flags & F_CHUNKED) != 0;
    req->content_length =
        parser->flags & F_CONTENT_LENGTH ? (int64_t)parser->content_length : -1;
    req->has_body = req->chunked || req->content_length > 0;
    parser->upgrade = 0;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse(conn, &bad_version);
    if (!method_served(parser->method))
        return refuse(conn, &bad_method);
    if ((parser->flags & F_CONTENT_LENGTH) && parser->content_length > INT64_MAX)
        return refuse(conn, &bad_framing);
    if (check_host(conn) < 0)
        return -1;
    join_repeated(req);
    if (check_coding(conn) < 0 || check_expect(conn) < 0 || split_url(conn) < 0)
        return -1;
    return req->has_body ? HPE_PAUSED : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http_conn *conn = parser->data;
    struct http_req *req = conn->req;
    conn->framing = 0;
    if (!req)
        return 0; /* discarding */
    req->received += (int64_t)len;
    struct err err;
    if (req->sink && !req->sink_err &&
        req->sink->data(req->sink_arg, at, len, &err) < 0) {
        req->sink_err = mem_new(sizeof(err));
        *req->sink_err = err;
    }
    return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len)
{
    (void)at, (void)len;
    return refuse(parser->data, &bad_chunk);
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    conn->body_done = true;
    return HPE_PAUSED;
}

static llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

static enum http_parsed refused(struct http_conn *conn, llhttp_errno_t code)
{
    if (conn->refusal)
        return HTTP_REFUSED;
    if (code == HPE_INVALID_VERSION || code == HPE_PAUSED_H2_UPGRADE) {
        conn->refusal = &bad_version;
    } else {
        const char *reason = llhttp_get_error_reason(&conn->parser);
        conn->refusal_text =
            (struct http_refusal){400, BAD, reason ? reason : "malformed"};
        conn->refusal = &conn->refusal_text;
    }
    return HTTP_REFUSED;
}

/* Runs the parser over the input; HTTP_DONE when it paused. */
static enum http_parsed execute(struct http_conn *conn)
{
    llhttp_t *parser = &conn->parser;
    if (llhttp_get_errno(parser) == HPE_PAUSED)
        llhttp_resume(parser);
    const char *start = conn->data;
    llhttp_errno_t code = llhttp_execute(parser, start, conn->left);
    size_t used =
        code == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(parser) - start) : conn->left;
    conn->data += used;
    conn->left -= used;
    for (size_t i = used > 4 ? used - 4 : 0; i < used; i++)
        conn->tail = conn->tail << 8 | (unsigned char)start[i];
    if (code == HPE_OK)
        return HTTP_MORE;
    return code == HPE_PAUSED ? HTTP_DONE : refused(conn, code);
}

/* llhttp takes any byte behind the last CR of a head or of trailers for its LF, and a LF
 * alone: what a proxy before us might read differently. */
static bool ends_in_empty_line(const struct http_conn *conn)
{
    return conn->tail == 0x0d0a0d0a;
}

/* A line that begins with a blank continues the one before: llhttp would join them. */
static bool has_fold(struct http_conn *conn, const char *data, size_t len)
{
    if (len && conn->line_start && (*data == ' ' || *data == '\t'))
        return true;
    const char *end = data + len;
    for (const char *at = data; (at = memchr(at, '\n', (size_t)(end - at)));) {
        at++;
        if (at < end && (*at == ' ' || *at == '\t'))
            return true;
    }
    conn->line_start = len && end[-1] == '\n';
    return false;
}

/* One blank between the parts of the request line, none elsewhere, and HTTP behind the
 * second: llhttp takes several, and other protocols. */
static bool line_is_sound(struct http_conn *conn)
{
    const char *at = conn->data, *end = at + conn->left;
    const unsigned stays = 1U << LINE_METHOD | 1U << LINE_TARGET | 1U << LINE_PROTOCOL;
    uint8_t line = conn->line; /* not written through a pointer for each byte */
    for (; at < end && line != LINE_OVER; at++) {
        char byte = *at;
        if (byte > ' ' && 1U << line & stays)
            continue; /* most bytes */
        if (byte == '\n' && line != LINE_BEFORE)
            line = LINE_OVER;
        else if (line == LINE_BEFORE)
            line = byte == '\r' || byte == '\n' ? LINE_BEFORE : LINE_METHOD;
        else if (line == LINE_PROTOCOL_START && byte != 'H')
            return false;
        else if (byte == ' ' && (line == LINE_TARGET_START || line == LINE_PROTOCOL))
            return false;
        else if (byte == ' ' || line == LINE_TARGET_START || line == LINE_PROTOCOL_START)
            line++;
    }
    conn->line = line;
    return true;
}

/* What the request line may take: the URL, whose own limit is looked at when it comes,
 * and exactly what stands around it. */
static size_t line_bytes(const struct http_conn *conn)
{
    const struct http_req *req = conn->req;
    size_t url = req->url_len ? req->url_len : req->text.len;
    return strlen(llhttp_method_name((llhttp_method_t)conn->parser.method)) + url +
           sizeof("  HTTP/1.1\r\n") - 1;
}

void http_parse_init(struct http_conn *conn)
{
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
}

void http_parse_begin(struct http_conn *conn)
{
    conn->head_bytes = conn->framing = 0;
    conn->line = LINE_BEFORE;
    conn->line_start = conn->body_done = false;
}

enum http_parsed http_parse_head(struct http_conn *conn)
{
    const struct http_server *server = conn->server;
    const char *start = conn->data;
    if (conn->line != LINE_OVER && !line_is_sound(conn)) {
        refuse(conn, &bad_line);
        return HTTP_REFUSED;
    }
    enum http_parsed result = execute(conn);
    size_t used = (size_t)(conn->data - start);
    if (result == HTTP_REFUSED)
        return result;
    conn->head_bytes += used;
    if (result == HTTP_DONE && !ends_in_empty_line(conn)) {
        refuse(conn, &bad_end);
        return HTTP_REFUSED;
    }
    if (has_fold(conn, start, used)) {
        refuse(conn, &bad_fold);
        return HTTP_REFUSED;
    }
    /* Blanks that belong to no text count as well: a head of nothing else must end, too.
     */
    if (conn->head_bytes > line_bytes(conn) + server->max_header_bytes) {
        refuse(conn, &long_head);
        return HTTP_REFUSED;
    }
    return result;
}

enum http_parsed http_parse_body(struct http_conn *conn)
{
    const struct http_server *server = conn->server;
    conn->framing += conn->left; /* on_body takes it back */
    enum http_parsed result = execute(conn);
    if (result == HTTP_DONE && (conn->parser.flags & F_CHUNKED) &&
        !ends_in_empty_line(conn)) {
        refuse(conn, &bad_framing);
        return HTTP_REFUSED;
    }
    if (result == HTTP_MORE &&
        conn->framing > server->max_header_bytes + sizeof(server->in)) {
        refuse(conn, &bad_framing); /* chunk sizes or trailers without end */
        return HTTP_REFUSED;
    }
    return result;
}
