/* Both versions are recognised by their first bytes, as their specification wants it: there
 * is no guessing whether a header comes, a connection without one is refused. What version
 * 2 adds behind the addresses (names, certificates) is passed over. */
#include "proxy_protocol.h"
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    V1_MAX = 107, /* the longest line, CR LF included */
    V2_FIXED = 16,
    V2_LOCAL = 0x20, /* version 2 and the command */
    V2_PROXY = 0x21,
    V2_INET = 1, /* the family, in the upper half of its byte */
    V2_INET6 = 2,
    V2_STREAM = 1,
};

static const char v1_start[] = "PROXY ";
static const unsigned char v2_start[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                           0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* The text of an address; IPv4 in IPv6 is told as IPv4. */
static void put_address(struct proxy_header *out, int family, const void *address)
{
    const struct in6_addr *six = address;
    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six)) {
        family = AF_INET;
        address = six->s6_addr + 12;
    }
    inet_ntop(family, address, out->ip, sizeof(out->ip));
}

/* The word at `*at`, cut out of the line; NULL when there is none. */
static char *word(char **at)
{
    char *start = *at;
    char *end = strchr(start, ' ');
    if (!*start || end == start)
        return NULL;
    *at = end ? end + 1 : start + strlen(start);
    if (end)
        *end = '\0';
    return start;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned value = 0;
    for (size_t i = 0; i < digits && i < 6; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return digits > 0 && digits < 6 && !text[digits] && value <= 65535;
}

/* What stands between "PROXY " and the line's end. */
static int parse_line(char *at, struct proxy_header *out)
{
    unsigned char from[16], to[16];
    const char *family_name = word(&at);
    if (!family_name)
        return -1;
    if (strcmp(family_name, "UNKNOWN") == 0)
        return 0; /* the rest may be anything */
    int family = strcmp(family_name, "TCP4") == 0   ? AF_INET
                 : strcmp(family_name, "TCP6") == 0 ? AF_INET6
                                                    : AF_UNSPEC;
    const char *words[4];
    for (int i = 0; i < 4; i++)
        if (!(words[i] = word(&at)))
            return -1;
    if (words[3] + strlen(words[3]) != at || family == AF_UNSPEC ||
        inet_pton(family, words[0], from) != 1 || inet_pton(family, words[1], to) != 1 ||
        !is_port(words[2]) || !is_port(words[3]))
        return -1;
    put_address(out, family, from);
    return 0;
}

static int parse_v1(const char *data, size_t len, struct proxy_header *out)
{
    char line[V1_MAX];
    const char *end = memchr(data, '\n', len < V1_MAX ? len : V1_MAX);
    if (!end)
        return len < V1_MAX ? 0 : -1;
    size_t line_len = (size_t)(end - data) - 1; /* "PROXY " came before: at least 5 */
    if (data[line_len] != '\r' || memchr(data, '\0', line_len))
        return -1;
    memcpy(line, data, line_len);
    line[line_len] = '\0';
    if (parse_line(line + sizeof(v1_start) - 1, out) < 0)
        return -1;
    return (int)line_len + 2;
}

static int parse_v2(const unsigned char *data, size_t len, struct proxy_header *out)
{
    if (len < V2_FIXED)
        return 0;
    size_t rest = (size_t)data[14] << 8 | data[15], total = V2_FIXED + rest;
    if ((data[12] != V2_LOCAL && data[12] != V2_PROXY) || total > PROXY_HEADER_MAX)
        return -1;
    if (len < total)
        return 0;
    if (data[12] == V2_LOCAL)
        return (int)total;
    unsigned family = data[13] >> 4, transport = data[13] & 15;
    if (family == V2_INET && transport == V2_STREAM && rest >= 12)
        put_address(out, AF_INET, data + V2_FIXED);
    else if (family == V2_INET6 && transport == V2_STREAM && rest >= 36)
        put_address(out, AF_INET6, data + V2_FIXED);
    else if (family == V2_INET || family == V2_INET6)
        return -1;
    return (int)total;
}

int proxy_header_parse(const char *data, size_t len, struct proxy_header *out)
{
    out->ip[0] = '\0';
    size_t v1 = sizeof(v1_start) - 1, v2 = sizeof(v2_start);
    if (!memcmp(data, v1_start, len < v1 ? len : v1))
        return len < v1 ? 0 : parse_v1(data, len, out);
    if (!memcmp(data, v2_start, len < v2 ? len : v2))
        return len < v2 ? 0 : parse_v2((const unsigned char *)data, len, out);
    return -1;
}
