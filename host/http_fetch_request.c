#include "http_fetch.h"
#include <stdlib.h>
#include <string.h>

static bool is_token(const char *text, size_t len)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return len > 0;
}

static bool is_value(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 127)
            return false;
    return true;
}

static bool is_framing(const struct http_header *header)
{
    static const char *const names[] = {"content-length", "transfer-encoding",
                                        "connection", "expect"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == header->name_len &&
            strncasecmp(header->name, names[i], header->name_len) == 0)
            return true;
    return false;
}

static void add_line(struct http_fetch *fetch, const char *line)
{
    fetch->headers = curl_slist_append(fetch->headers, line);
    if (!fetch->headers)
        abort(); /* out of memory */
}

static int set_headers(struct http_fetch *fetch, const struct http_fetch_options *options,
                       struct err *err)
{
    bool typed = false;
    struct buf line = {0};
    for (size_t i = 0; i < options->header_count; i++) {
        const struct http_header *header = &options->headers[i];
        if (!is_token(header->name, header->name_len) ||
            !is_value(header->value, header->value_len)) {
            buf_free(&line);
            return err_set(err, ERR_INVALID, "header %zu is malformed", i + 1);
        }
        if (is_framing(header))
            continue;
        typed =
            typed || (header->name_len == strlen("content-type") &&
                      strncasecmp(header->name, "content-type", header->name_len) == 0);
        buf_clear(&line);
        buf_append(&line, header->name, header->name_len);
        if (header->value_len) {
            buf_puts(&line, ": ");
            buf_append(&line, header->value, header->value_len);
        } else {
            buf_putc(&line, ';'); /* curl's word for an empty value */
        }
        add_line(fetch, buf_cstr(&line));
    }
    buf_free(&line);
    add_line(fetch, "Expect:"); /* no round trip before a large body */
    if (!typed)
        add_line(fetch, "Content-Type:"); /* no guess */
    curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->headers);
    return 0;
}

static int set_method(struct http_fetch *fetch, const struct http_fetch_options *options,
                      struct err *err)
{
    const char *method = options->method ? options->method : "GET";
    bool head = strcmp(method, "HEAD") == 0, get = strcmp(method, "GET") == 0;
    bool has_body = options->body != NULL;
    if (!is_token(method, strlen(method)))
        return err_set(err, ERR_INVALID, "the method is malformed");
    if (options->follow && ((!head && !get) || has_body))
        return err_set(err, ERR_INVALID,
                       "only GET and HEAD without a body follow redirects");
    if (head && has_body)
        return err_set(err, ERR_INVALID, "HEAD has no body");
    if (head) {
        curl_easy_setopt(fetch->easy, CURLOPT_NOBODY, 1L);
        return 0;
    }
    if (has_body || !strcmp(method, "POST") || !strcmp(method, "PUT") ||
        !strcmp(method, "PATCH")) {
        curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)options->body_len);
        curl_easy_setopt(fetch->easy, CURLOPT_COPYPOSTFIELDS,
                         has_body ? options->body : "");
    }
    curl_easy_setopt(fetch->easy, CURLOPT_CUSTOMREQUEST, method);
    return 0;
}

int http_fetch_set_request(struct http_fetch *fetch,
                           const struct http_fetch_options *options, struct err *err)
{
    return set_method(fetch, options, err) < 0 ? -1 : set_headers(fetch, options, err);
}
