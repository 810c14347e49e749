/* IANA's special-purpose address registries (RFC 6890), the entries that differ from what is
 * around them. Of IPv6 only what is named here and 2000::/3 is in use at all, so everything else
 * is special. The first entry that matches decides. */
#include "ssrf.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct range4 {
    uint32_t network; /* host byte order */
    unsigned bits;
    enum address_scope scope;
};

struct range6 {
    uint8_t network[16];
    unsigned bits;
    enum address_scope scope;
};

#define IPV4(a, b, c, d)                                                                 \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct range4 ranges4[] = {
    {IPV4(0, 0, 0, 0), 8, ADDRESS_SPECIAL},     /* "this network", RFC 791 */
    {IPV4(10, 0, 0, 0), 8, ADDRESS_PRIVATE},    /* RFC 1918 */
    {IPV4(100, 64, 0, 0), 10, ADDRESS_PRIVATE}, /* shared by carriers, RFC 6598 */
    {IPV4(127, 0, 0, 0), 8, ADDRESS_PRIVATE},   /* loopback, RFC 1122 */
    {IPV4(169, 254, 0, 0), 16,
     ADDRESS_SPECIAL}, /* link-local, RFC 3927; metadata services */
    {IPV4(172, 16, 0, 0), 12, ADDRESS_PRIVATE},   /* RFC 1918 */
    {IPV4(192, 0, 0, 0), 24, ADDRESS_SPECIAL},    /* protocol assignments, RFC 6890 */
    {IPV4(192, 0, 2, 0), 24, ADDRESS_SPECIAL},    /* documentation, RFC 5737 */
    {IPV4(192, 88, 99, 0), 24, ADDRESS_SPECIAL},  /* 6to4 relays, RFC 7526 */
    {IPV4(192, 168, 0, 0), 16, ADDRESS_PRIVATE},  /* RFC 1918 */
    {IPV4(198, 18, 0, 0), 15, ADDRESS_SPECIAL},   /* benchmarks, RFC 2544 */
    {IPV4(198, 51, 100, 0), 24, ADDRESS_SPECIAL}, /* documentation, RFC 5737 */
    {IPV4(203, 0, 113, 0), 24, ADDRESS_SPECIAL},  /* documentation, RFC 5737 */
    {IPV4(224, 0, 0, 0), 3, ADDRESS_SPECIAL},     /* multicast, reserved, broadcast */
};

static const struct range6 ranges6[] = {
    {{[15] = 1}, 128, ADDRESS_PRIVATE},  /* ::1, RFC 4291 */
    {{0xfc}, 7, ADDRESS_PRIVATE},        /* unique local, RFC 4193 */
    {{0x20, 0x01}, 23, ADDRESS_SPECIAL}, /* protocol assignments, Teredo: RFC 2928 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_SPECIAL}, /* documentation, RFC 3849 */
    {{0x20, 0x02}, 16, ADDRESS_SPECIAL}, /* 6to4: an IPv4 address inside, RFC 3056 */
    {{0x3f, 0xff}, 20, ADDRESS_SPECIAL}, /* documentation, RFC 9637 */
    {{0x20}, 3, ADDRESS_PUBLIC},         /* global unicast, RFC 4291 */
};

/* What reaches an IPv4 host by its last four bytes: it is as good as that one. */
static const uint8_t embedding[][12] = {
    {[10] = 0xff, [11] = 0xff}, /* ::ffff:0:0/96, mapped, RFC 4291 */
    {0x00, 0x64, 0xff, 0x9b},   /* 64:ff9b::/96, NAT64, RFC 6052 */
};

static enum address_scope scope4(uint32_t address)
{
    for (size_t i = 0; i < sizeof(ranges4) / sizeof(ranges4[0]); i++)
        if ((address ^ ranges4[i].network) >> (32 - ranges4[i].bits) == 0)
            return ranges4[i].scope;
    return ADDRESS_PUBLIC;
}

static bool in_range6(const uint8_t *address, const struct range6 *range)
{
    unsigned bytes = range->bits / 8, rest = range->bits % 8;
    return memcmp(address, range->network, bytes) == 0 &&
           (rest == 0 || (address[bytes] ^ range->network[bytes]) >> (8 - rest) == 0);
}

static enum address_scope scope6(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof(embedding) / sizeof(embedding[0]); i++)
        if (memcmp(address, embedding[i], sizeof(embedding[i])) == 0)
            return scope4(IPV4(address[12], address[13], address[14], address[15]));
    for (size_t i = 0; i < sizeof(ranges6) / sizeof(ranges6[0]); i++)
        if (in_range6(address, &ranges6[i]))
            return ranges6[i].scope;
    return ADDRESS_SPECIAL;
}

enum address_scope address_scope(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return scope4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return scope6(
            ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return ADDRESS_SPECIAL;
}

enum address_scope address_scope_text(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return scope4(ntohl(v4.s_addr));
    if (inet_pton(AF_INET6, text, &v6) == 1)
        return scope6(v6.s6_addr);
    return ADDRESS_SPECIAL;
}
