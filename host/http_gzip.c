/* gzip of answers. One stream per server serves the loop, for bodies so small that they are
 * done before a trip to the pool would be. Larger ones and files are compressed in the
 * pool, each with a stream of its own (http_pieces.c).
 *
 * Whether a body may be compressed is asked in the order of what costs least: most answers
 * are too small, and pay one comparison. */
#include "http_conn.h"
#include <string.h>

enum {
    GZIP_WINDOW = 15 + 16, /* zlib's way to say gzip */
    MEM_LEVEL = 8,
    ROOM = 64 * 1024, /* for what a step puts out */
    Q_UNSET = -1,
};

static bool same_text(const char *a, size_t a_len, const char *b)
{
    return a_len == strlen(b) && strncasecmp(a, b, a_len) == 0;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* ";q=0.25" -> 250. Anything malformed is 0: what is not understood is not used. */
static int weight(const char *params)
{
    params = skip_blanks(params);
    if (*params != ';')
        return 1000;
    params = skip_blanks(params + 1);
    if ((params[0] != 'q' && params[0] != 'Q') || params[1] != '=' ||
        (params[2] != '0' && params[2] != '1'))
        return 0;
    int value = (params[2] - '0') * 1000;
    if (params[3] == '.') {
        const char *digit = params + 4;
        for (int unit = 100; unit && *digit >= '0' && *digit <= '9'; unit /= 10)
            value += (*digit++ - '0') * unit;
    }
    return value <= 1000 ? value : 0;
}

bool http_gzip_accepted(const char *accept_encoding)
{
    int gzip = Q_UNSET, any = Q_UNSET, identity = Q_UNSET;
    for (const char *at = accept_encoding; *at;) {
        at += strspn(at, " \t,");
        size_t len = strcspn(at, " \t;,");
        int *q = same_text(at, len, "gzip") || same_text(at, len, "x-gzip") ? &gzip
                 : same_text(at, len, "*")                                  ? &any
                 : same_text(at, len, "identity")                           ? &identity
                                                                            : NULL;
        if (q)
            *q = weight(at + len);
        at += strcspn(at, ",");
    }
    if (gzip == Q_UNSET)
        gzip = any;
    if (identity == Q_UNSET && gzip != any)
        identity = any;
    return gzip > 0 && gzip >= identity;
}

static const struct http_header *find(const struct http_header *headers, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (same_text(headers[i].name, headers[i].name_len, name))
            return &headers[i];
    return NULL;
}

/* Whether the media type stands in the configured list. */
static bool type_gains(const char *types, const struct http_header *type)
{
    size_t len = strcspn(type->value, "; \t");
    if (len > type->value_len)
        len = type->value_len;
    for (const char *at = types; *at; at += strspn(at, ",")) {
        size_t one = strcspn(at, ",");
        if (one == len && strncasecmp(at, type->value, len) == 0)
            return true;
        at += one;
    }
    return false;
}

enum http_coding http_gzip_choose(const struct http_req *req, int status,
                                  const struct http_header *headers, size_t count,
                                  int64_t len)
{
    const struct http_server *server = req->server;
    if (len < server->gzip_min || !server->gzip_level || http_answer_empty(status))
        return CODING_FIXED;
    const struct http_header *type = find(headers, count, "Content-Type");
    const struct http_header *cache = find(headers, count, "Cache-Control");
    if (!type || !type_gains(server->gzip_types, type) ||
        find(headers, count, "Content-Encoding") ||
        (cache && memmem(cache->value, cache->value_len, "no-transform", 12)))
        return CODING_FIXED;
    if (status == 206) /* parts are of the file as it is */
        return CODING_IDENTITY;
    const char *accepted = http_req_header(req, "accept-encoding", NULL);
    return accepted && http_gzip_accepted(accepted) ? CODING_GZIP : CODING_IDENTITY;
}

static bool squeeze(z_stream *stream, const char *data, size_t len, struct buf *out)
{
    size_t room = deflateBound(stream, len);
    stream->next_in = (Bytef *)(uintptr_t)data;
    stream->avail_in = (uInt)len;
    stream->next_out = (Bytef *)buf_reserve(out, room);
    stream->avail_out = (uInt)room;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END || stream->total_out >= len)
        return false;
    out->len += stream->total_out;
    return true;
}

bool http_gzip_may_keep(const struct http_header *headers, size_t count)
{
    const struct http_header *cache = find(headers, count, "Cache-Control");
    return !cache || (!memmem(cache->value, cache->value_len, "private", 7) &&
                      !memmem(cache->value, cache->value_len, "no-store", 8));
}

bool http_gzip_open(z_stream *stream, int level)
{
    *stream = (z_stream){0};
    return deflateInit2(stream, level, Z_DEFLATED, GZIP_WINDOW, MEM_LEVEL,
                        Z_DEFAULT_STRATEGY) == Z_OK;
}

bool http_gzip_now(struct http_server *server, const char *data, size_t len)
{
    if (!server->gzip_open)
        server->gzip_open = http_gzip_open(&server->gzip, server->gzip_level);
    else
        deflateReset(&server->gzip);
    buf_clear(&server->zipped);
    return server->gzip_open && squeeze(&server->gzip, data, len, &server->zipped);
}

bool http_gzip_once(int level, const char *data, size_t len, struct buf *out)
{
    z_stream stream;
    if (!http_gzip_open(&stream, level))
        return false;
    bool smaller = squeeze(&stream, data, len, out);
    deflateEnd(&stream);
    return smaller;
}

bool http_gzip_more(z_stream *stream, const char *data, size_t len, bool last,
                    struct buf *out)
{
    int result;
    stream->next_in = (Bytef *)(uintptr_t)data;
    stream->avail_in = (uInt)len;
    do {
        stream->next_out = (Bytef *)buf_reserve(out, ROOM);
        stream->avail_out = ROOM;
        result = deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
        out->len += ROOM - stream->avail_out;
    } while (result == Z_OK && !stream->avail_out);
    return last ? result == Z_STREAM_END : !stream->avail_in;
}

void http_gzip_free(struct http_server *server)
{
    if (server->gzip_open)
        deflateEnd(&server->gzip);
    buf_free(&server->zipped);
}
