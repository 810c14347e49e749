#include "http_fetch.h"
#include "mem.h"
#include "ssrf.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- addresses ---- */

static bool is_allowed(const struct http_fetch *fetch, enum address_scope scope)
{
    return scope == ADDRESS_PUBLIC || (scope == ADDRESS_PRIVATE && fetch->hop_private);
}

curl_socket_t http_fetch_open_socket(void *arg, curlsocktype purpose,
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

int http_fetch_before_request(void *arg, char *peer, char *local, int peer_port,
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

int http_fetch_set_hop(struct http_fetch *fetch, const char *url, struct err *err)
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
