#include "check.h"
#include "siphash.h"
#include <openssl/evp.h>
#include <string.h>

enum { LONGEST = 70 };

static const unsigned char key[SIPHASH_KEY] = {1,   2,   3, 4, 250, 251,
                                               252, 253, 7, 7, 0,   255};

/* As OpenSSL, which knows SipHash as a MAC, does it. */
static void hash_of_openssl(const unsigned char *data, size_t len, uint64_t out[2])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t made = 0;
    CHECK(EVP_MAC_init(ctx, key, sizeof(key), NULL) == 1);
    CHECK(EVP_MAC_update(ctx, data, len) == 1);
    CHECK(EVP_MAC_final(ctx, (unsigned char *)out, &made, 16) == 1 && made == 16);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

static void hashes_texts_of_any_length_and_place(void)
{
    unsigned char data[LONGEST + 1];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 37 + 200);
    for (size_t len = 0; len <= LONGEST; len++) {
        uint64_t ours[2], theirs[2];
        const unsigned char *start = data + len % 2;
        siphash(key, start, len, ours);
        hash_of_openssl(start, len, theirs);
        CHECK(memcmp(ours, theirs, sizeof(ours)) == 0);
    }
}

int main(void)
{
    RUN(hashes_texts_of_any_length_and_place);
    return check_result("siphash");
}
