/* libFuzzer: the PROXY header on any bytes. What is complete must be so whatever follows,
 * must not have been complete earlier, and must tell an address or none.
 *
 *   make test-fuzz */
#include "proxy_protocol.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header, again;
    unsigned char address[16];
    char *text = malloc(size ? size : 1); /* exactly sized: reading on would show */
    memcpy(text, data, size);
    int used = proxy_header_parse(text, size, &header);
    expect(used >= -1 && used <= PROXY_HEADER_MAX && used <= (int)size);
    if (used == 0)
        expect(size < PROXY_HEADER_MAX);
    if (used > 0) {
        expect(!*header.ip || inet_pton(AF_INET, header.ip, address) == 1 ||
               inet_pton(AF_INET6, header.ip, address) == 1);
        expect(proxy_header_parse(text, (size_t)used, &again) == used);
        expect(strcmp(header.ip, again.ip) == 0);
        expect(proxy_header_parse(text, (size_t)used - 1, &again) == 0);
    }
    free(text);
    return 0;
}
