/* Whose request it is, when proxies stand between, and what was asked of the outermost that
 * is trusted: by which scheme, for which host. The header that they write is read from its
 * end, as far as the writers are trusted. What an untrusted one wrote is a claim, and claims
 * are passed over.
 *
 * All addresses are held as IPv6, IPv4 among them as ::ffff:a.b.c.d: one comparison. */
#include "conf.h"
#include "http_conn.h"
#include "log.h"
#include "mem.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOPS_MAX = 32,
    ENTRY_MAX = 64, /* an address, a port, quotes and brackets */
};

struct http_network {
    unsigned char address[16];
    unsigned bits;
};

struct entry {
    const char *text;
    size_t len;
};

/* A bare IPv4 or IPv6 address; false when it is none. */
static bool read_address(const char *text, unsigned char out[16], bool *is_v4)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    *is_v4 = inet_pton(AF_INET, text, out + 12) == 1;
    if (*is_v4)
        memcpy(out, mapped, sizeof(mapped));
    return *is_v4 || inet_pton(AF_INET6, text, out) == 1;
}

static bool read_network(char *text, struct http_network *out)
{
    bool is_v4;
    char *slash = strchr(text, '/'), *end = NULL;
    if (slash)
        *slash = '\0';
    if (!read_address(text, out->address, &is_v4))
        return false;
    unsigned most = is_v4 ? 32 : 128;
    unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : most;
    if (slash && (end == slash + 1 || *end || slash[1] == '-' || bits > most))
        return false;
    out->bits = (unsigned)bits + (is_v4 ? 96 : 0);
    return true;
}

static bool is_inside(const struct http_network *network, const unsigned char address[16])
{
    unsigned bytes = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address, address, bytes) != 0)
        return false;
    return !rest || !((network->address[bytes] ^ address[bytes]) >> (8 - rest));
}

bool http_peer_is_trusted(const struct http_server *server, const char *ip)
{
    unsigned char address[16];
    bool is_v4;
    if (!*ip)
        return server->trusts_unix;
    if (!server->trusted_count || !read_address(ip, address, &is_v4))
        return false;
    for (size_t i = 0; i < server->trusted_count; i++)
        if (is_inside(&server->trusted[i], address))
            return true;
    return false;
}

void http_peer_configure(struct http_server *server, const struct conf *conf)
{
    char *list = mem_strdup(conf_str(conf, "http.trusted_proxies")), *rest = list;
    for (const char *at = list; *at; at++)
        server->trusted_count += *at == ',';
    server->trusted = mem_new((server->trusted_count + 1) * sizeof(*server->trusted));
    server->trusted_count = 0;
    for (char *text; (text = strsep(&rest, ","));) {
        if (strcmp(text, "unix") == 0)
            server->trusts_unix = true;
        else if (*text && read_network(text, &server->trusted[server->trusted_count]))
            server->trusted_count++;
        else if (*text)
            log_error("http.trusted_proxies: %s is no network: nobody is trusted by it",
                      text);
    }
    free(list);
    server->forwarded_header = conf_str(conf, "http.forwarded_header");
}

/* ---- The headers ---- */

/* The last HOPS_MAX entries of a list; commas inside of quotes do not count. */
static size_t split(const char *list, size_t len, struct entry entries[HOPS_MAX])
{
    size_t count = 0, start = 0;
    bool quoted = false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && list[i] == '"')
            quoted = !quoted;
        if (i < len && (list[i] != ',' || quoted))
            continue;
        if (count == HOPS_MAX) {
            memmove(entries, entries + 1, (HOPS_MAX - 1) * sizeof(*entries));
            count--;
        }
        entries[count++] = (struct entry){list + start, i - start};
        start = i + 1;
    }
    return count;
}

static struct entry trim(struct entry entry)
{
    while (entry.len && strchr(" \t", entry.text[0])) {
        entry.text++;
        entry.len--;
    }
    while (entry.len && strchr(" \t", entry.text[entry.len - 1]))
        entry.len--;
    return entry;
}

/* The value of a name in an element of Forwarded (RFC 7239 4), without its quotes; empty
 * when it has none. */
static struct entry pair_of(struct entry element, const char *name)
{
    size_t name_len = strlen(name);
    const char *end = element.text + element.len;
    for (const char *at = element.text; at < end;) {
        const char *next = memchr(at, ';', (size_t)(end - at));
        struct entry pair = trim((struct entry){at, (size_t)((next ? next : end) - at)});
        if (pair.len > name_len && pair.text[name_len] == '=' &&
            strncasecmp(pair.text, name, name_len) == 0) {
            pair = (struct entry){pair.text + name_len + 1, pair.len - name_len - 1};
            if (pair.len >= 2 && pair.text[0] == '"' && pair.text[pair.len - 1] == '"')
                pair = (struct entry){pair.text + 1, pair.len - 2};
            return pair;
        }
        at = next ? next + 1 : end;
    }
    return (struct entry){element.text, 0};
}

/* "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80" as an address in canonical form. */
static bool read_node(struct entry node, char out[46])
{
    char text[ENTRY_MAX];
    unsigned char address[16];
    bool is_v4;
    if (!node.len || node.len >= sizeof(text))
        return false;
    memcpy(text, node.text, node.len);
    text[node.len] = '\0';
    char *from = text, *end = NULL;
    if (*from == '[') {
        end = strchr(++from, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
    } else if (strchr(from, ':') == strrchr(from, ':')) {
        end = strchr(from, ':');
    }
    if (end)
        *end = '\0';
    if (!read_address(from, address, &is_v4))
        return false;
    is_v4 = is_v4 || IN6_IS_ADDR_V4MAPPED((struct in6_addr *)address);
    return inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + 12 : address, out, 46);
}

static size_t split_header(const struct http_req *req, const char *name,
                           struct entry entries[HOPS_MAX])
{
    size_t len;
    const char *list = http_req_header(req, name, &len);
    return list ? split(list, len, entries) : 0;
}

/* The entry that the `hops`-th proxy, counted from us, wrote; the first one when some of
 * them wrote none. */
static struct entry entry_of(const struct http_req *req, const char *name, size_t hops)
{
    struct entry entries[HOPS_MAX];
    size_t count = split_header(req, name, entries);
    if (!count)
        return (struct entry){0};
    return trim(entries[hops < count ? count - hops : 0]);
}

static bool equals(struct entry entry, const char *text)
{
    return entry.len == strlen(text) && strncasecmp(entry.text, text, entry.len) == 0;
}

/* What is no scheme or no host counts as not said. */
static void believe(struct http_req *req, struct entry proto, struct entry host)
{
    if (equals(proto, "https"))
        req->secure = true;
    else if (equals(proto, "http"))
        req->secure = false;
    if (host.len)
        http_parse_set_host(req, (size_t)(host.text - req->text.data), host.len);
}

void http_peer_resolve(struct http_req *req)
{
    const struct http_server *server = req->server;
    bool standard = strcmp(server->forwarded_header, "forwarded") == 0;
    struct entry entries[HOPS_MAX], node, element = {.text = ""};
    size_t count = split_header(req, server->forwarded_header, entries), hops = 0;
    do {
        if (hops == count)
            break;
        element = trim(entries[count - ++hops]);
        node = standard ? pair_of(element, "for") : element;
    } while (read_node(node, req->ip) && http_peer_is_trusted(server, req->ip));
    if (standard)
        believe(req, pair_of(element, "proto"), pair_of(element, "host"));
    else
        believe(req, entry_of(req, "x-forwarded-proto", hops ? hops : 1),
                entry_of(req, "x-forwarded-host", hops ? hops : 1));
}
