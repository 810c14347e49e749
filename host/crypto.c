/* Thin on OpenSSL's EVP. The algorithms are fetched once: a fetch by name costs more than
 * the hash of a short text. Each thread keeps its contexts, for the same reason; so the last key
 * stays in memory until the next one, as those do that Lua holds. What cannot fail with valid
 * arguments is checked all the same, and ends the process: to go on without encryption would be
 * worse. */
#include "crypto.h"
#include "mem.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { HASHES = CRYPTO_SHA512 + 1 };

static const char *const hash_names[HASHES] = {"sha1", "sha256", "sha512"};

/* Set by fetch() for the life of the process. */
static EVP_MD *digests[HASHES];
static EVP_CIPHER *cipher;
static EVP_MAC *hmac;
static pthread_key_t contexts_key;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

/* A thread's; each made when it is first needed. */
struct contexts {
    EVP_MD_CTX *hash;
    EVP_MAC_CTX *hmac[HASHES];
    EVP_CIPHER_CTX *seal, *open;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fixxit: %s failed\n", what);
    abort();
}

static void free_contexts(void *arg)
{
    struct contexts *own = arg;
    EVP_MD_CTX_free(own->hash);
    for (int i = 0; i < HASHES; i++)
        EVP_MAC_CTX_free(own->hmac[i]);
    EVP_CIPHER_CTX_free(own->seal);
    EVP_CIPHER_CTX_free(own->open);
    free(own);
}

static void fetch(void)
{
    for (int i = 0; i < HASHES; i++) {
        digests[i] = EVP_MD_fetch(NULL, hash_names[i], NULL);
        must(digests[i] != NULL, hash_names[i]);
    }
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    must(cipher != NULL, "AES-256-GCM");
    hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    must(hmac != NULL, "HMAC");
    must(pthread_key_create(&contexts_key, free_contexts) == 0, "pthread_key_create");
}

static struct contexts *own_contexts(void)
{
    pthread_once(&fetched, fetch);
    struct contexts *own = pthread_getspecific(contexts_key);
    if (!own) {
        own = mem_new(sizeof(*own));
        must(pthread_setspecific(contexts_key, own) == 0, "pthread_setspecific");
    }
    return own;
}

int crypto_hash_parse(const char *name)
{
    for (int i = 0; i < HASHES; i++)
        if (strcmp(name, hash_names[i]) == 0)
            return i;
    return -1;
}

void crypto_random(void *out, size_t len)
{
    unsigned char *at = out;
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0)
            continue; /* EINTR is the only error possible here */
        at += got;
        len -= (size_t)got;
    }
}

size_t crypto_hash(enum crypto_hash hash, const void *data, size_t len,
                   unsigned char out[CRYPTO_HASH_MAX])
{
    unsigned out_len = 0;
    struct contexts *own = own_contexts();
    if (!own->hash)
        own->hash = EVP_MD_CTX_new();
    must(own->hash && EVP_DigestInit_ex(own->hash, digests[hash], NULL) == 1 &&
             EVP_DigestUpdate(own->hash, data, len) == 1 &&
             EVP_DigestFinal_ex(own->hash, out, &out_len) == 1,
         "hash");
    return out_len;
}

static EVP_MAC_CTX *hmac_context(struct contexts *own, enum crypto_hash hash)
{
    if (own->hmac[hash])
        return own->hmac[hash];
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)hash_names[hash],
                                         0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    must(ctx && EVP_MAC_CTX_set_params(ctx, params) == 1, "HMAC");
    return own->hmac[hash] = ctx;
}

/* No key is none at all to EVP_MAC_init, which then takes the last one again. */
size_t crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len,
                   const void *data, size_t len, unsigned char out[CRYPTO_HASH_MAX])
{
    size_t out_len = 0;
    EVP_MAC_CTX *ctx = hmac_context(own_contexts(), hash);
    must(EVP_MAC_init(ctx, key_len ? key : (const void *)"", key_len, NULL) == 1 &&
             EVP_MAC_update(ctx, data, len) == 1 &&
             EVP_MAC_final(ctx, out, &out_len, CRYPTO_HASH_MAX) == 1,
         "HMAC");
    return out_len;
}

bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0;
}

void crypto_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}

/* Ready for a key: the cipher is set once, since to set it clears all that a context has. */
static EVP_CIPHER_CTX *cipher_context(EVP_CIPHER_CTX **kept, int encrypts)
{
    if (!*kept) {
        *kept = EVP_CIPHER_CTX_new();
        must(*kept && EVP_CipherInit_ex2(*kept, cipher, NULL, NULL, encrypts, NULL) == 1,
             "AES-256-GCM");
    }
    return *kept;
}

void crypto_seal(const unsigned char key[CRYPTO_KEY], const void *plain, size_t len,
                 const void *aad, size_t aad_len, unsigned char *out)
{
    int done = 0;
    EVP_CIPHER_CTX *ctx = cipher_context(&own_contexts()->seal, 1);
    crypto_random(out, CRYPTO_NONCE);
    must(len <= INT32_MAX && aad_len <= INT32_MAX &&
             EVP_EncryptInit_ex2(ctx, NULL, key, out, NULL) == 1 &&
             (!aad_len || EVP_EncryptUpdate(ctx, NULL, &done, aad, (int)aad_len) == 1) &&
             (!len ||
              EVP_EncryptUpdate(ctx, out + CRYPTO_NONCE, &done, plain, (int)len) == 1) &&
             EVP_EncryptFinal_ex(ctx, out + CRYPTO_NONCE + len, &done) == 1 &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG,
                                 out + CRYPTO_NONCE + len) == 1,
         "encryption");
}

int crypto_open(const unsigned char key[CRYPTO_KEY], const void *sealed, size_t len,
                const void *aad, size_t aad_len, unsigned char *out, struct err *err)
{
    if (len < CRYPTO_SEAL)
        return err_set(err, ERR_INVALID, "too short to be encrypted");
    if (len > INT32_MAX || aad_len > INT32_MAX)
        return err_set(err, ERR_INVALID, "too long to be encrypted");
    const unsigned char *nonce = sealed, *text = nonce + CRYPTO_NONCE;
    size_t out_len = len - CRYPTO_SEAL;
    unsigned char tag[CRYPTO_TAG];
    memcpy(tag, text + out_len, sizeof(tag));
    int done = 0;
    EVP_CIPHER_CTX *ctx = cipher_context(&own_contexts()->open, 0);
    must(EVP_DecryptInit_ex2(ctx, NULL, key, nonce, NULL) == 1 &&
             (!aad_len || EVP_DecryptUpdate(ctx, NULL, &done, aad, (int)aad_len) == 1) &&
             (!out_len || EVP_DecryptUpdate(ctx, out, &done, text, (int)out_len) == 1) &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG, tag) == 1,
         "decryption");
    bool genuine = EVP_DecryptFinal_ex(ctx, out + out_len, &done) == 1;
    if (genuine)
        return 0;
    crypto_wipe(out, out_len);
    return err_set(err, ERR_INVALID, "wrong key, or changed since it was encrypted");
}

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The value of a letter, -1 when it is none; `extra` are the two that differ. */
static int letter_value(char letter, const char *extra)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == extra[0] ? 62 : letter == extra[1] ? 63 : -1;
}

/* Without padding; returns the letters written. */
static size_t encode64(const unsigned char *data, size_t len, const char *letters,
                       char *out)
{
    char *at = out;
    for (; len >= 3; data += 3, len -= 3) {
        *at++ = letters[data[0] >> 2];
        *at++ = letters[(data[0] << 4 | data[1] >> 4) & 63];
        *at++ = letters[(data[1] << 2 | data[2] >> 6) & 63];
        *at++ = letters[data[2] & 63];
    }
    if (len) {
        unsigned second = len == 2 ? data[1] : 0;
        *at++ = letters[data[0] >> 2];
        *at++ = letters[(data[0] << 4 | second >> 4) & 63];
        if (len == 2)
            *at++ = letters[second << 2 & 63];
    }
    return (size_t)(at - out);
}

/* Reads letters without padding; -1 when one is foreign or the unused bits are not 0. */
static long decode64(const char *text, size_t len, const char *extra, unsigned char *out)
{
    unsigned char *at = out;
    uint32_t bits = 0;
    int count = 0;
    if (len % 4 == 1)
        return -1;
    for (size_t i = 0; i < len; i++) {
        int value = letter_value(text[i], extra);
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *at++ = (unsigned char)(bits >> count);
        }
    }
    return bits & ((1u << count) - 1) ? -1 : at - out;
}

size_t crypto_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * len;
}

long crypto_unhex(const char *text, size_t len, unsigned char *out)
{
    if (len % 2)
        return -1;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return (long)(len / 2);
}

size_t crypto_base64(const void *data, size_t len, char *out)
{
    size_t written = encode64(data, len, alphabet, out);
    while (written % 4)
        out[written++] = '=';
    return written;
}

long crypto_unbase64(const char *text, size_t len, unsigned char *out)
{
    if (len % 4)
        return -1;
    for (int padding = 0; padding < 2 && len && text[len - 1] == '='; padding++)
        len--;
    return decode64(text, len, "+/", out);
}

size_t crypto_base64url(const void *data, size_t len, char *out)
{
    return encode64(data, len, url_alphabet, out);
}

long crypto_unbase64url(const char *text, size_t len, unsigned char *out)
{
    return decode64(text, len, "-_", out);
}
