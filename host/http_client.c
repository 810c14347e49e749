/* The client, and a fetch from its start over its answer to its end. */
#include "http_client.h"
#include "curl_uv.h"
#include "http_fetch.h"
#include "mem.h"
#include "spool.h"
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

/* The deadline has passed: 1 ms, so that curl itself tells. */
static void start_hop(struct http_fetch *fetch)
{
    uint64_t now = uv_now(fetch->client->loop);
    long left = fetch->deadline > now ? (long)(fetch->deadline - now) : 1;
    curl_easy_setopt(fetch->easy, CURLOPT_TIMEOUT_MS, left);
    curl_uv_add(fetch->client->curl, fetch->easy);
}

static void redirect(struct http_fetch *fetch, const char *url)
{
    struct err err;
    if (fetch->hops++ >= fetch->follow) {
        err_set(&err, ERR_INVALID, "redirected more than %u times", fetch->follow);
        fail(fetch, &err);
    } else if (http_fetch_set_hop(fetch, url, &err) < 0) {
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

/* ---- the start ---- */

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
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_fetch_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, http_fetch_before_request);
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
    if (http_fetch_set_request(fetch, options, err) < 0 ||
        http_fetch_set_hop(fetch, options->url, err) < 0) {
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
