/* Whose request it is, when proxies stand between: the header that they write is read from
 * its end, as far as the writers are trusted. What an untrusted one wrote is a claim, and
 * claims are passed over.
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

/* `for=` of an element of Forwarded (RFC 7239 4), without its quotes. */
static struct entry forwarded_for(struct entry element)
{
    const char *end = element.text + element.len;
    for (const char *at = element.text; at < end;) {
        const char *next = memchr(at, ';', (size_t)(end - at));
        struct entry pair = trim((struct entry){at, (size_t)((next ? next : end) - at)});
        if (pair.len > 4 && strncasecmp(pair.text, "for=", 4) == 0) {
            pair = (struct entry){pair.text + 4, pair.len - 4};
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

void http_peer_resolve(struct http_req *req)
{
    const struct http_server *server = req->server;
    struct entry entries[HOPS_MAX];
    size_t len;
    const char *list = http_req_header(req, server->forwarded_header, &len);
    if (!list)
        return;
    bool standard = strcmp(server->forwarded_header, "forwarded") == 0;
    for (size_t i = split(list, len, entries); i > 0; i--) {
        struct entry node = trim(entries[i - 1]);
        if (standard)
            node = forwarded_for(node);
        if (!read_node(node, req->ip) || !http_peer_is_trusted(server, req->ip))
            return;
    }
}
