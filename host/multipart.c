/* A state per place in the grammar; input may be cut anywhere.
 *
 * The delimiter is CR LF "--" boundary. CR stands only at its beginning, so when a match
 * fails after k bytes, those k bytes are content and the present byte can only begin a
 * new match: no backtracking over input that is gone. The body's start counts as the end
 * of a line, which is why the match begins with CR LF done. */
#include "multipart.h"
#include "buf.h"
#include "mem.h"
#include "utf8.h"
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum {
    PREAMBLE_MAX = 8 * 1024,
    PADDING_MAX = 64,
};

enum state {
    PREAMBLE,  /* before the first boundary: thrown away */
    DELIMITED, /* behind a boundary */
    DASH,      /* behind a boundary and "-" */
    LINE_END,  /* behind a boundary and CR */
    HEADERS,
    CONTENT,
    EPILOGUE, /* behind the closing boundary: thrown away */
};

struct multipart {
    const struct multipart_events *events;
    void *arg;
    enum state state;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];
    size_t delimiter_len;
    size_t matched; /* bytes of the delimiter that the input's end agrees with */
    size_t skipped; /* bytes of preamble, of padding */
    struct buf headers;
};

static int invalid(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "multipart: %s", what);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

static bool is_token(char byte)
{
    return byte > 0x20 && byte < 0x7f && !strchr("()<>@,;:\\\"/[]?=", byte);
}

/* `; name=value` or `; name="value"`, from `*at` on. 1: one was read into name (lower
 * case) and value; 0: nothing more; -1: malformed. In a quoted value only \" and \\ are
 * escapes: some browsers send Windows paths as they are. */
static int next_parameter(const char **at, struct buf *name, struct buf *value)
{
    const char *in = skip_blanks(*at);
    if (!*in)
        return 0;
    if (*in != ';')
        return -1;
    in = skip_blanks(in + 1);
    if (!*in) {
        *at = in;
        return 0;
    }
    name->len = value->len = 0;
    for (; is_token(*in); in++)
        buf_putc(name, *in >= 'A' && *in <= 'Z' ? (char)(*in | 0x20) : *in);
    in = skip_blanks(in);
    if (!name->len || *in != '=')
        return -1;
    in = skip_blanks(in + 1);
    if (*in == '"') {
        for (in++; *in && *in != '"'; in++) {
            if (*in == '\\' && (in[1] == '"' || in[1] == '\\'))
                in++;
            buf_putc(value, *in);
        }
        if (*in++ != '"')
            return -1;
    } else {
        for (; is_token(*in); in++)
            buf_putc(value, *in);
        if (!value->len)
            return -1;
    }
    buf_cstr(name);
    buf_cstr(value);
    *at = in;
    return 1;
}

static bool valid_boundary(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= 'A' && text[i] <= 'Z') &&
            !(text[i] >= '0' && text[i] <= '9') && !strchr("'()+_,-./:=? ", text[i]))
            return false;
    return len > 0 && len <= MULTIPART_BOUNDARY_MAX && text[len - 1] != ' ';
}

int multipart_boundary(const char *content_type, char out[MULTIPART_BOUNDARY_MAX + 1],
                       struct err *err)
{
    static const char type[] = "multipart/form-data";
    if (strncasecmp(content_type, type, sizeof(type) - 1) != 0)
        return invalid(err, "the content type is another");
    const char *at = content_type + sizeof(type) - 1;
    struct buf name = {0}, value = {0};
    bool found = false, valid = true;
    int more;
    while ((more = next_parameter(&at, &name, &value)) > 0) {
        if (strcmp(name.data, "boundary") != 0)
            continue;
        valid = !found && valid_boundary(value.data, value.len);
        found = true;
        if (!valid)
            break;
        memcpy(out, value.data, value.len + 1);
    }
    buf_free(&name);
    buf_free(&value);
    return found && valid && more == 0
               ? 0
               : invalid(err, "the boundary is missing or malformed");
}

/* What the two texts of Content-Disposition may be. */
static bool valid_text(const struct buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if ((unsigned char)text->data[i] < 0x20 || text->data[i] == 0x7f)
            return false;
    return utf8_valid(text->data, text->len);
}

static void keep_last_component(struct buf *filename)
{
    for (size_t i = filename->len; i-- > 0;)
        if (filename->data[i] == '/' || filename->data[i] == '\\') {
            buf_consume(filename, i + 1);
            break;
        }
    buf_cstr(filename);
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* filename*=UTF-8''percent-encoded (RFC 8187): not for form-data, yet some clients send
 * it. */
static bool decode_extended(struct buf *value)
{
    static const char charset[] = "utf-8''";
    size_t len = sizeof(charset) - 1, out = 0;
    if (value->len < len || strncasecmp(value->data, charset, len) != 0)
        return false;
    for (size_t i = len; i < value->len; i++) {
        char byte = value->data[i];
        if (byte == '%') {
            if (value->len - i < 3)
                return false;
            int high = hex_digit(value->data[i + 1]), low = hex_digit(value->data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            byte = (char)(high * 16 + low);
            i += 2;
        }
        value->data[out++] = byte;
    }
    value->len = out;
    return true;
}

struct disposition {
    struct buf name, filename;
    bool has_name, has_filename, has_extended;
};

static int parse_disposition(struct disposition *out, const char *value, struct err *err)
{
    static const char kind[] = "form-data";
    if (strncasecmp(value, kind, sizeof(kind) - 1) != 0)
        return invalid(err, "a part is no form-data");
    const char *at = value + sizeof(kind) - 1;
    struct buf name = {0}, text = {0};
    bool valid = !out->has_name; /* a second Content-Disposition is refused */
    int more = 0;
    while (valid && (more = next_parameter(&at, &name, &text)) > 0) {
        if (strcmp(name.data, "name") == 0) {
            valid = !out->has_name;
            out->has_name = true;
            buf_append(&out->name, text.data, text.len);
        } else if (strcmp(name.data, "filename") == 0 && !out->has_extended) {
            valid = !out->has_filename;
            out->has_filename = true;
            buf_append(&out->filename, text.data, text.len);
        } else if (strcmp(name.data, "filename*") == 0) {
            valid = !out->has_extended && decode_extended(&text);
            out->has_filename = out->has_extended = true;
            out->filename.len = 0;
            buf_append(&out->filename, text.data, text.len);
        }
    }
    valid = valid && more == 0 && out->has_name && valid_text(&out->name) &&
            valid_text(&out->filename);
    buf_free(&name);
    buf_free(&text);
    return valid ? 0 : invalid(err, "a Content-Disposition is malformed");
}

/* Splits the header line at `line` (NUL-terminated); `value` is what follows the colon.
 */
static int parse_line(char *line, struct disposition *disposition, const char **type,
                      struct err *err)
{
    char *colon = line;
    while (is_token(*colon))
        colon++;
    if (colon == line || *colon != ':')
        return invalid(err, "a part's header is malformed");
    *colon = '\0';
    const char *value = skip_blanks(colon + 1);
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < 0x20 && *at != '\t')
            return invalid(err, "a part's header holds a control character");
    if (strcasecmp(line, "content-disposition") == 0)
        return parse_disposition(disposition, value, err);
    if (strcasecmp(line, "content-type") == 0) {
        if (!utf8_valid(value, strlen(value)))
            return invalid(err, "a part's type is malformed");
        *type = value;
    } else if (strcasecmp(line, "content-transfer-encoding") == 0 &&
               strcasecmp(value, "binary") != 0 && strcasecmp(value, "8bit") != 0 &&
               strcasecmp(value, "7bit") != 0) {
        return invalid(err, "encoded parts are not supported"); /* RFC 7578 4.7 */
    }
    return 0;
}

/* multipart->headers holds all lines, the empty one included. */
static int parse_headers(struct multipart *multipart, struct err *err)
{
    struct disposition disposition = {0};
    const char *type = "";
    int rc = 0;
    char *line = multipart->headers.data, *end = line + multipart->headers.len - 2;
    if (memchr(line, '\0', multipart->headers.len))
        rc = invalid(err, "a part's header holds a control character");
    while (rc == 0 && line < end) {
        char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
        *next = '\0';
        rc = parse_line(line, &disposition, &type, err);
        line = next + 2;
    }
    if (rc == 0 && !disposition.has_name)
        rc = invalid(err, "a part has no name");
    if (rc == 0) {
        keep_last_component(&disposition.filename);
        struct multipart_part part = {
            .name = buf_cstr(&disposition.name),
            .filename = disposition.has_filename ? disposition.filename.data : NULL,
            .type = type,
        };
        rc = multipart->events->begin(multipart->arg, &part, err);
    }
    buf_free(&disposition.name);
    buf_free(&disposition.filename);
    buf_free(&multipart->headers);
    return rc;
}

static int feed_header(struct multipart *multipart, char byte, struct err *err)
{
    struct buf *headers = &multipart->headers;
    if (headers->len == MULTIPART_HEADERS_MAX)
        return invalid(err, "a part's headers are too large");
    buf_putc(headers, byte);
    if (byte != '\n')
        return 0;
    bool empty = headers->len == 2 && headers->data[0] == '\r';
    if (!empty &&
        (headers->len < 4 || memcmp(headers->data + headers->len - 4, "\r\n\r\n", 4)))
        return 0;
    multipart->state = CONTENT;
    return parse_headers(multipart, err);
}

/* One byte behind a boundary: padding, then CR LF, or "--". */
static int feed_delimited(struct multipart *multipart, char byte, struct err *err)
{
    if (multipart->state == DASH && byte == '-') {
        multipart->state = EPILOGUE;
    } else if (multipart->state == LINE_END && byte == '\n') {
        multipart->state = HEADERS;
    } else if (multipart->state == DELIMITED && byte == '\r') {
        multipart->state = LINE_END;
    } else if (multipart->state == DELIMITED && byte == '-' && !multipart->skipped) {
        multipart->state = DASH;
    } else if (multipart->state == DELIMITED && is_blank(byte) &&
               multipart->skipped < PADDING_MAX) {
        multipart->skipped++;
    } else {
        return invalid(err, "a boundary is malformed");
    }
    return 0;
}

/* Content to the callback, preamble to nobody. */
static int emit(struct multipart *multipart, const char *data, size_t len,
                struct err *err)
{
    if (!len)
        return 0;
    if (multipart->state == CONTENT)
        return multipart->events->data(multipart->arg, data, len, err);
    multipart->skipped += len;
    return multipart->skipped > PREAMBLE_MAX
               ? invalid(err, "the first boundary is missing")
               : 0;
}

/* Takes content up to and including the delimiter, or everything. -1, or the bytes taken.
 */
static ssize_t feed_content(struct multipart *multipart, const char *data, size_t len,
                            struct err *err)
{
    size_t at = 0;
    while (at < len) {
        if (!multipart->matched) {
            const char *start = memchr(data + at, '\r', len - at);
            size_t plain = start ? (size_t)(start - data) - at : len - at;
            if (emit(multipart, data + at, plain, err) < 0)
                return -1;
            at += plain + (start != NULL);
            multipart->matched = start != NULL;
        } else if (data[at] == multipart->delimiter[multipart->matched]) {
            at++;
            if (++multipart->matched < multipart->delimiter_len)
                continue;
            if (multipart->state == CONTENT &&
                multipart->events->end(multipart->arg, err) < 0)
                return -1;
            multipart->state = DELIMITED;
            multipart->matched = multipart->skipped = 0;
            break;
        } else {
            size_t matched = multipart->matched;
            multipart->matched = 0;
            if (emit(multipart, multipart->delimiter, matched, err) < 0)
                return -1;
        }
    }
    return (ssize_t)at;
}

struct multipart *multipart_new(const char *boundary,
                                const struct multipart_events *events, void *arg)
{
    struct multipart *multipart = mem_new(sizeof(*multipart));
    multipart->events = events;
    multipart->arg = arg;
    memcpy(multipart->delimiter, "\r\n--", 4);
    multipart->delimiter_len = 4 + strlen(boundary);
    memcpy(multipart->delimiter + 4, boundary, multipart->delimiter_len - 4 + 1);
    multipart->matched = 2;
    return multipart;
}

void multipart_free(struct multipart *multipart)
{
    if (!multipart)
        return;
    buf_free(&multipart->headers);
    free(multipart);
}

int multipart_feed(struct multipart *multipart, const char *data, size_t len,
                   struct err *err)
{
    size_t at = 0;
    while (at < len && multipart->state != EPILOGUE) {
        int rc = 0;
        if (multipart->state == PREAMBLE || multipart->state == CONTENT) {
            ssize_t taken = feed_content(multipart, data + at, len - at, err);
            if (taken < 0)
                return -1;
            at += (size_t)taken;
        } else if (multipart->state == HEADERS) {
            rc = feed_header(multipart, data[at++], err);
        } else {
            rc = feed_delimited(multipart, data[at++], err);
        }
        if (rc < 0)
            return -1;
    }
    return 0;
}

int multipart_finish(const struct multipart *multipart, struct err *err)
{
    return multipart->state == EPILOGUE ? 0
                                        : invalid(err, "the closing boundary is missing");
}
