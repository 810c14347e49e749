/* A fetch is one easy handle that makes one hop after the other: redirects are followed here
 * and not by curl, so that each hop is looked at before it starts (scheme, port, headers).
 *
 * Two callbacks guard the addresses: `open_socket` sees each address before a packet goes out,
 * `before_request` the one that a pooled connection leads to, which another request with a
 * laxer policy may have opened.
 *
 * A fetch is in the client's list until it is over. `err` holds what our own callbacks found;
 * curl itself only knows that they refused. With a file, the end of the transfer is followed by
 * `finishing`: curl is done, the disk is not. */
#include "http_client.h"
#include "buf.h"
#include "curl_uv.h"
#include "mem.h"
#include "spool.h"
#include "ssrf.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POOL_MAX = 64,         /* idle connections kept */
    POOL_AGE_S = 60,       /* idle for longer: not used again */
    PER_HOST_MAX = 16,     /* connections to one host; further requests wait */
    CONNECTIONS_MAX = 256, /* altogether */
};

struct http_client {
    uv_loop_t *loop;
    struct curl_uv *curl;
    struct http_fetch *fetches;
    unsigned count;
};

struct http_fetch {
    struct http_client *client;
    struct http_fetch *next, **link;
    http_fetch_cb done;
    void *arg;
    CURL *easy;
    struct curl_slist *headers;
    char *save;         /* NULL: into memory */
    char **allow;       /* "host:port" in lower case, NULL at the end */
    char *origin;       /* scheme://host:port of the present hop */
    bool allow_private; /* by the policy, for any host */
    bool hop_private;   /* for the present hop */
    bool simple;        /* GET or HEAD: may be redirected */
    unsigned follow, hops;
    uint64_t deadline; /* loop time */
    uint64_t max_bytes, size;
    size_t header_bytes;
    struct buf body;
    struct spool *spool;
    bool paused;    /* curl waits for the disk */
    bool finishing; /* the transfer is over, the file is not */
    bool refused;   /* an address of the present hop */
    struct err err; /* of our callbacks; code NULL: none */
    char problem[CURL_ERROR_SIZE];
};

/* ---- addresses ---- */

static bool is_allowed(const struct http_fetch *fetch, enum address_scope scope)
{
    return scope == ADDRESS_PUBLIC || (scope == ADDRESS_PRIVATE && fetch->hop_private);
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct http_fetch *fetch = arg;
    (void)purpose;
    if (!is_allowed(fetch, address_scope(&address->addr))) {
        fetch->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int before_request(void *arg, char *peer, char *local, int peer_port,
                          int local_port)
{
    struct http_fetch *fetch = arg;
    (void)local;
    (void)peer_port;
    (void)local_port;
    if (is_allowed(fetch, address_scope_text(peer)))
        return CURL_PREREQFUNC_OK;
    fetch->refused = true;
    return CURL_PREREQFUNC_ABORT;
}

/* ---- the answer ---- */

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_fetch *fetch = arg;
    (void)data;
    fetch->header_bytes += size * count;
    if (fetch->header_bytes <= HTTP_ANSWER_HEADERS_MAX)
        return size * count;
    err_set(&fetch->err, ERR_TOO_LARGE,
            "the headers of the answer have more than %d bytes", HTTP_ANSWER_HEADERS_MAX);
    return 0;
}

static void on_room(void *arg)
{
    struct http_fetch *fetch = arg;
    if (!fetch->paused)
        return;
    fetch->paused = false;
    curl_uv_resume(fetch->easy);
}

static int status_of(const struct http_fetch *fetch)
{
    long status = 0;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static bool is_saved(const struct http_fetch *fetch)
{
    return fetch->save && status_of(fetch) / 100 == 2;
}

static void open_spool(struct http_fetch *fetch)
{
    if (!fetch->spool)
        fetch->spool = spool_new(fetch->client->loop, fetch->save, on_room, fetch);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_fetch *fetch = arg;
    size_t len = size * count;
    if (len > fetch->max_bytes - fetch->size) {
        err_set(&fetch->err, ERR_TOO_LARGE, "the answer has more than %llu bytes",
                (unsigned long long)fetch->max_bytes);
        return 0;
    }
    if (is_saved(fetch)) {
        open_spool(fetch);
        int rc = spool_write(fetch->spool, data, len, &fetch->err);
        fetch->paused = rc == 0;
        if (rc <= 0)
            return rc == 0 ? CURL_WRITEFUNC_PAUSE : 0;
    } else {
        buf_append(&fetch->body, data, len);
    }
    fetch->size += len;
    return len;
}

/* ---- hops ---- */

/* Reads what decides about a URL; -1 INVALID when it is none of ours. Sets *origin (free()) and
 * the place in it, "host:port". */
static int parse_url(const char *url, char **origin, const char **place, struct err *err)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    struct buf text = {0};
    int rc = -1;
    if (!parts)
        abort(); /* out of memory */
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        err_set(err, ERR_INVALID, "not an http or https URL without credentials");
    } else {
        buf_printf(&text, "%s://%s:%s", scheme, host, port);
        *origin = mem_strdup(buf_cstr(&text));
        for (char *byte = *origin; *byte; byte++)
            if (*byte >= 'A' && *byte <= 'Z')
                *byte += 'a' - 'A';
        *place = *origin + strlen(scheme) + strlen("://");
        rc = 0;
    }
    buf_free(&text);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return rc;
}

static bool is_listed(const struct http_fetch *fetch, const char *place)
{
    for (char **entry = fetch->allow; *entry; entry++)
        if (strcmp(*entry, place) == 0)
            return true;
    return false;
}

/* Prepares the hop to `url`, which may live in curl's memory. */
static int set_hop(struct http_fetch *fetch, const char *url, struct err *err)
{
    char *origin;
    const char *place;
    if (parse_url(url, &origin, &place, err) < 0)
        return -1;
    bool first = !fetch->origin;
    bool same = first || strcmp(fetch->origin, origin) == 0;
    bool downgrade = !first && strncmp(fetch->origin, "https:", 6) == 0 &&
                     strncmp(origin, "https:", 6) != 0;
    free(fetch->origin);
    fetch->origin = origin;
    if (downgrade)
        return err_set(err, ERR_INVALID, "redirected from https to http");
    fetch->hop_private = fetch->allow_private || is_listed(fetch, place);
    fetch->refused = false;
    fetch->header_bytes = 0;
    fetch->size = 0;
    buf_clear(&fetch->body);
    curl_easy_setopt(fetch->easy, CURLOPT_URL, url);
    if (!same) /* they may hold keys that are meant for the first one only */
        curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, NULL);
    return 0;
}

/* The deadline has passed: 1 ms, so that curl itself tells. */
static void start_hop(struct http_fetch *fetch)
{
    uint64_t now = uv_now(fetch->client->loop);
    long left = fetch->deadline > now ? (long)(fetch->deadline - now) : 1;
    curl_easy_setopt(fetch->easy, CURLOPT_TIMEOUT_MS, left);
    curl_uv_add(fetch->client->curl, fetch->easy);
}

/* ---- the end ---- */

static void fetch_free(struct http_fetch *fetch)
{
    *fetch->link = fetch->next;
    if (fetch->next)
        fetch->next->link = fetch->link;
    fetch->client->count--;
    if (fetch->spool)
        spool_drop(fetch->spool);
    for (char **entry = fetch->allow; *entry; entry++)
        free(*entry);
    free(fetch->allow);
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->headers);
    buf_free(&fetch->body);
    free(fetch->save);
    free(fetch->origin);
    free(fetch);
}

static void fail(struct http_fetch *fetch, const struct err *err)
{
    fetch->done(fetch->arg, NULL, err);
    fetch_free(fetch);
}

static void succeed(struct http_fetch *fetch)
{
    struct buf list = {0};
    struct http_answer answer = {.status = status_of(fetch),
                                 .body = fetch->body.data ? fetch->body.data : "",
                                 .body_len = fetch->body.len,
                                 .size = fetch->size};
    struct curl_header *header = NULL;
    while ((header = curl_easy_nextheader(fetch->easy, CURLH_HEADER, -1, header))) {
        /* Of an empty value curl leaves the CR. */
        struct http_header entry = {header->name, strlen(header->name), header->value,
                                    strcspn(header->value, "\r\n")};
        buf_append(&list, &entry, sizeof(entry));
    }
    answer.headers = (const struct http_header *)(void *)list.data;
    answer.header_count = list.len / sizeof(struct http_header);
    fetch->done(fetch->arg, &answer, NULL);
    buf_free(&list);
    fetch_free(fetch);
}

static void on_saved(void *arg, const struct err *err)
{
    struct http_fetch *fetch = arg;
    fetch->spool = NULL; /* freed itself */
    if (err)
        fail(fetch, err);
    else
        succeed(fetch);
}

static const char *code_of(CURLcode result)
{
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return ERR_TOO_LARGE;
    case CURLE_URL_MALFORMAT:
        return ERR_INVALID;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_TLS;
    default:
        return ERR_UNAVAILABLE;
    }
}

static void explain(struct http_fetch *fetch, CURLcode result, struct err *err)
{
    if (fetch->err.code)
        *err = fetch->err;
    else if (fetch->refused)
        err_set(err, HTTP_REFUSED_ADDRESS, "the address of %s must not be reached",
                fetch->origin);
    else
        err_set(err, code_of(result), "%s: %s", fetch->origin,
                fetch->problem[0] ? fetch->problem : curl_easy_strerror(result));
}

/* Where the answer redirects to and we go; NULL when it is the answer. */
static const char *redirect_of(const struct http_fetch *fetch)
{
    char *url = NULL;
    int status = status_of(fetch);
    if (fetch->follow == 0 || status == 300 || status == 304)
        return NULL;
    curl_easy_getinfo(fetch->easy, CURLINFO_REDIRECT_URL, &url);
    return url;
}

static void redirect(struct http_fetch *fetch, const char *url)
{
    struct err err;
    if (fetch->hops++ >= fetch->follow) {
        err_set(&err, ERR_INVALID, "redirected more than %u times", fetch->follow);
        fail(fetch, &err);
    } else if (set_hop(fetch, url, &err) < 0) {
        fail(fetch, &err);
    } else {
        start_hop(fetch);
    }
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct http_fetch *fetch;
    (void)arg;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &fetch);
    /* A refusal while curl resumes a pause does not reach its result. */
    bool failed = result != CURLE_OK || fetch->err.code;
    const char *url = failed ? NULL : redirect_of(fetch);
    if (failed) {
        struct err err;
        explain(fetch, result, &err);
        fail(fetch, &err);
    } else if (url) {
        redirect(fetch, url);
    } else if (is_saved(fetch)) {
        open_spool(fetch); /* an empty body never did */
        fetch->finishing = true;
        spool_finish(fetch->spool, on_saved, fetch);
    } else {
        succeed(fetch);
    }
}

/* ---- the request ---- */

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

static void set_options(struct http_fetch *fetch,
                        const struct http_fetch_options *options)
{
    CURL *easy = fetch->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->problem);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                     1L); /* ends without waiting for a name's look-up */
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* signed URLs must not change */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "fixxit");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)POOL_AGE_S);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)(fetch->max_bytes ? fetch->max_bytes : 1));
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    if (options->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static char **copy_allowed(const struct http_policy *policy)
{
    char **allow = mem_new((policy->allow_count + 1) * sizeof(*allow));
    for (size_t i = 0; i < policy->allow_count; i++) {
        allow[i] = mem_strdup(policy->allow[i]);
        for (char *byte = allow[i]; *byte; byte++)
            if (*byte >= 'A' && *byte <= 'Z')
                *byte += 'a' - 'A';
    }
    return allow;
}

struct http_fetch *http_fetch_start(struct http_client *client,
                                    const struct http_fetch_options *options,
                                    http_fetch_cb done, void *arg, struct err *err)
{
    if (client->count >= HTTP_FETCHES_MAX) {
        err_set(err, ERR_BUSY, "too many requests are under way");
        return NULL;
    }
    struct http_fetch *fetch = mem_new(sizeof(*fetch));
    fetch->client = client;
    fetch->easy = curl_easy_init();
    if (!fetch->easy)
        abort(); /* out of memory */
    fetch->done = done;
    fetch->arg = arg;
    fetch->allow = copy_allowed(&options->policy);
    fetch->allow_private = options->policy.allow_private;
    fetch->save = options->save ? mem_strdup(options->save) : NULL;
    fetch->follow = options->follow;
    fetch->max_bytes = options->max_bytes;
    fetch->deadline = uv_now(client->loop) + options->timeout_ms;
    fetch->link = &client->fetches;
    fetch->next = client->fetches;
    if (fetch->next)
        fetch->next->link = &fetch->next;
    client->fetches = fetch;
    client->count++;
    set_options(fetch, options);
    if (set_method(fetch, options, err) < 0 || set_headers(fetch, options, err) < 0 ||
        set_hop(fetch, options->url, err) < 0) {
        fetch_free(fetch);
        return NULL;
    }
    start_hop(fetch);
    return fetch;
}

void http_fetch_cancel(struct http_fetch *fetch)
{
    if (!fetch->finishing)
        curl_uv_remove(fetch->client->curl, fetch->easy);
    fetch_free(fetch);
}

struct http_client *http_client_new(uv_loop_t *loop)
{
    struct http_client *client = mem_new(sizeof(*client));
    client->loop = loop;
    client->curl = curl_uv_new(loop, on_done, client);
    CURLM *multi = curl_uv_multi(client->curl);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)POOL_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)PER_HOST_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    return client;
}

/* A callback may start a request again: it is ended too. */
void http_client_close(struct http_client *client)
{
    struct err err;
    if (!client)
        return;
    while (client->fetches) {
        struct http_fetch *fetch = client->fetches;
        if (!fetch->finishing)
            curl_uv_remove(client->curl, fetch->easy);
        err_set(&err, ERR_CLOSED, "the client is closed");
        fail(fetch, &err);
    }
    curl_uv_close(client->curl);
    free(client);
}

unsigned http_client_pending(const struct http_client *client)
{
    return client->count;
}
