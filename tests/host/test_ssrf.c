#include "check.h"
#include "ssrf.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

struct expectation {
    enum address_scope scope;
    const char *address;
};

/* First and last address of each block, and its neighbours outside. */
static const struct expectation table[] = {
    {ADDRESS_SPECIAL, "0.0.0.0"},
    {ADDRESS_SPECIAL, "0.255.255.255"},
    {ADDRESS_PUBLIC, "1.0.0.0"},
    {ADDRESS_PUBLIC, "9.255.255.255"},
    {ADDRESS_PRIVATE, "10.0.0.0"},
    {ADDRESS_PRIVATE, "10.255.255.255"},
    {ADDRESS_PUBLIC, "11.0.0.0"},
    {ADDRESS_PUBLIC, "100.63.255.255"},
    {ADDRESS_PRIVATE, "100.64.0.0"},
    {ADDRESS_PRIVATE, "100.127.255.255"},
    {ADDRESS_PUBLIC, "100.128.0.0"},
    {ADDRESS_PUBLIC, "126.255.255.255"},
    {ADDRESS_PRIVATE, "127.0.0.1"},
    {ADDRESS_PRIVATE, "127.255.255.255"},
    {ADDRESS_PUBLIC, "128.0.0.0"},
    {ADDRESS_PUBLIC, "169.253.255.255"},
    {ADDRESS_SPECIAL, "169.254.0.0"},
    {ADDRESS_SPECIAL, "169.254.169.254"},
    {ADDRESS_SPECIAL, "169.254.255.255"},
    {ADDRESS_PUBLIC, "169.255.0.0"},
    {ADDRESS_PUBLIC, "172.15.255.255"},
    {ADDRESS_PRIVATE, "172.16.0.0"},
    {ADDRESS_PRIVATE, "172.31.255.255"},
    {ADDRESS_PUBLIC, "172.32.0.0"},
    {ADDRESS_SPECIAL, "192.0.0.0"},
    {ADDRESS_SPECIAL, "192.0.0.255"},
    {ADDRESS_PUBLIC, "192.0.1.0"},
    {ADDRESS_SPECIAL, "192.0.2.1"},
    {ADDRESS_PUBLIC, "192.0.3.0"},
    {ADDRESS_PUBLIC, "192.31.196.1"},
    {ADDRESS_SPECIAL, "192.88.99.1"},
    {ADDRESS_PUBLIC, "192.167.255.255"},
    {ADDRESS_PRIVATE, "192.168.0.0"},
    {ADDRESS_PRIVATE, "192.168.255.255"},
    {ADDRESS_PUBLIC, "192.169.0.0"},
    {ADDRESS_PUBLIC, "198.17.255.255"},
    {ADDRESS_SPECIAL, "198.18.0.0"},
    {ADDRESS_SPECIAL, "198.19.255.255"},
    {ADDRESS_PUBLIC, "198.20.0.0"},
    {ADDRESS_SPECIAL, "198.51.100.7"},
    {ADDRESS_SPECIAL, "203.0.113.7"},
    {ADDRESS_PUBLIC, "223.255.255.255"},
    {ADDRESS_SPECIAL, "224.0.0.1"},
    {ADDRESS_SPECIAL, "239.255.255.255"},
    {ADDRESS_SPECIAL, "240.0.0.1"},
    {ADDRESS_SPECIAL, "255.255.255.255"},

    {ADDRESS_SPECIAL, "::"},
    {ADDRESS_PRIVATE, "::1"},
    {ADDRESS_SPECIAL, "::2"},
    {ADDRESS_SPECIAL, "::127.0.0.1"}, /* IPv4-compatible */
    {ADDRESS_SPECIAL, "::8.8.8.8"},
    {ADDRESS_PRIVATE, "::ffff:127.0.0.1"}, /* IPv4-mapped */
    {ADDRESS_PRIVATE, "::ffff:a00:1"},
    {ADDRESS_SPECIAL, "::ffff:169.254.169.254"},
    {ADDRESS_PUBLIC, "::ffff:8.8.8.8"},
    {ADDRESS_SPECIAL, "::ffff:0:127.0.0.1"}, /* IPv4-translated */
    {ADDRESS_PUBLIC, "64:ff9b::8.8.8.8"},    /* NAT64 */
    {ADDRESS_PRIVATE, "64:ff9b::10.0.0.1"},
    {ADDRESS_SPECIAL, "64:ff9b::169.254.169.254"},
    {ADDRESS_SPECIAL, "64:ff9b:1::8.8.8.8"}, /* local NAT64 */
    {ADDRESS_SPECIAL, "100::1"},             /* discard */
    {ADDRESS_SPECIAL, "1fff:ffff::1"},
    {ADDRESS_SPECIAL, "2001::1"}, /* Teredo */
    {ADDRESS_SPECIAL, "2001:0:7f00:1::"},
    {ADDRESS_SPECIAL, "2001:1ff:ffff::"},
    {ADDRESS_PUBLIC, "2001:200::1"},
    {ADDRESS_PUBLIC, "2001:4860:4860::8888"},
    {ADDRESS_SPECIAL, "2001:db8::1"},
    {ADDRESS_PUBLIC, "2001:db9::1"},
    {ADDRESS_SPECIAL, "2002:7f00:1::"}, /* 6to4 of 127.0.0.1 */
    {ADDRESS_SPECIAL, "2002:808:808::1"},
    {ADDRESS_PUBLIC, "2003::1"},
    {ADDRESS_PUBLIC, "2a00:1450:4001::1"},
    {ADDRESS_SPECIAL, "3fff:fff::1"},
    {ADDRESS_PUBLIC, "3fff:1000::1"},
    {ADDRESS_SPECIAL, "4000::1"},
    {ADDRESS_SPECIAL, "5f00::1"},
    {ADDRESS_SPECIAL, "fbff::1"},
    {ADDRESS_PRIVATE, "fc00::1"},
    {ADDRESS_PRIVATE, "fd00:ec2::254"},
    {ADDRESS_PRIVATE, "fdff:ffff::1"},
    {ADDRESS_SPECIAL, "fe00::1"},
    {ADDRESS_SPECIAL, "fe80::1"},
    {ADDRESS_SPECIAL, "fec0::1"}, /* site-local */
    {ADDRESS_SPECIAL, "ff02::1"},

    {ADDRESS_SPECIAL, ""},
    {ADDRESS_SPECIAL, "localhost"},
    {ADDRESS_SPECIAL, "0x7f.1"},
    {ADDRESS_SPECIAL, "fe80::1%lo"},
};

static void knows_the_registries(void)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (address_scope_text(table[i].address) != table[i].scope) {
            fprintf(stderr, "%s\n", table[i].address);
            CHECK(!"the scope");
        }
}

static void looks_at_the_address_of_a_socket(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    CHECK(address_scope((struct sockaddr *)&v4) == ADDRESS_PRIVATE);
    v4.sin_addr.s_addr = htonl(0x08080808);
    CHECK(address_scope((struct sockaddr *)&v4) == ADDRESS_PUBLIC);
    CHECK(inet_pton(AF_INET6, "2606:4700::1111", &v6.sin6_addr) == 1);
    CHECK(address_scope((struct sockaddr *)&v6) == ADDRESS_PUBLIC);
    v6.sin6_addr = in6addr_any;
    CHECK(address_scope((struct sockaddr *)&v6) == ADDRESS_SPECIAL);
    CHECK(address_scope((struct sockaddr *)&local) == ADDRESS_SPECIAL);
}

int main(void)
{
    RUN(knows_the_registries);
    RUN(looks_at_the_address_of_a_socket);
    return check_result("ssrf");
}
