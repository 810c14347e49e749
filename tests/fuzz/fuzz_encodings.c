/* libFuzzer: base64, base64url and UUIDs. The readers are strict: what they take is exactly
 * what the writers write.
 *
 *   make test-fuzz */
#include "crypto.h"
#include "uuid.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

struct encoding {
    size_t (*write)(const void *data, size_t len, char *out);
    long (*read)(const char *text, size_t len, unsigned char *out);
};

static const struct encoding encodings[] = {
    {crypto_base64, crypto_unbase64},
    {crypto_base64url, crypto_unbase64url},
};

static void check(const struct encoding *encoding, const uint8_t *data, size_t size)
{
    unsigned char *bytes = malloc(size + 4);
    char *text = malloc(size * 2 + 8);
    long len = encoding->read((const char *)data, size, bytes);
    if (len >= 0) {
        expect(encoding->write(bytes, (size_t)len, text) == size);
        expect(memcmp(text, data, size) == 0);
    }
    size_t written = encoding->write(data, size, text);
    char *exact = malloc(written ? written : 1);
    memcpy(exact, text, written);
    expect(encoding->read(exact, written, bytes) == (long)size);
    expect(memcmp(bytes, data, size) == 0);
    free(exact);
    free(bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms;
    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
        check(&encodings[i], data, size);
    if (uuid_time_ms((const char *)data, size, &ms))
        expect(uuid_is((const char *)data, size) && ms >= 0);
    if (uuid_is((const char *)data, size))
        expect(size == UUID_TEXT);
    return 0;
}
