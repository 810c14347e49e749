/* Thin on OpenSSL's EVP. The algorithms are fetched once: a fetch by name costs more than
 * the hash of a short text. What cannot fail with valid arguments is checked all the
 * same, and ends the process: to go on without encryption would be worse. */
#include "crypto.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
static pthread_key_t context_key;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fixxit: %s failed\n", what);
    abort();
}

static void free_context(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
    for (int i = 0; i < HASHES; i++) {
        digests[i] = EVP_MD_fetch(NULL, hash_names[i], NULL);
        must(digests[i] != NULL, hash_names[i]);
    }
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    must(cipher != NULL, "AES-256-GCM");
    must(pthread_key_create(&context_key, free_context) == 0, "pthread_key_create");
}

static const EVP_MD *digest(enum crypto_hash hash)
{
    pthread_once(&fetched, fetch);
    return digests[hash];
}

static const EVP_CIPHER *aes(void)
{
    pthread_once(&fetched, fetch);
    return cipher;
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

/* The thread's, kept: to make one and to free it takes longer than to hash a kilobyte. */
static EVP_MD_CTX *own_context(void)
{
    EVP_MD_CTX *ctx = pthread_getspecific(context_key);
    if (!ctx) {
        ctx = EVP_MD_CTX_new();
        must(ctx && pthread_setspecific(context_key, ctx) == 0, "EVP_MD_CTX_new");
    }
    return ctx;
}

size_t crypto_hash(enum crypto_hash hash, const void *data, size_t len,
                   unsigned char out[CRYPTO_HASH_MAX])
{
    unsigned out_len = 0;
    const EVP_MD *md = digest(hash);
    EVP_MD_CTX *ctx = own_context();
    must(EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, data, len) == 1 &&
             EVP_DigestFinal_ex(ctx, out, &out_len) == 1,
         "hash");
    return out_len;
}

size_t crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len,
                   const void *data, size_t len, unsigned char out[CRYPTO_HASH_MAX])
{
    unsigned out_len = 0;
    must(HMAC(digest(hash), key, (int)key_len, data, len, out, &out_len) != NULL, "HMAC");
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

void crypto_seal(const unsigned char key[CRYPTO_KEY], const void *plain, size_t len,
                 const void *aad, size_t aad_len, unsigned char *out)
{
    int done = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    crypto_random(out, CRYPTO_NONCE);
    must(ctx && len <= INT32_MAX && aad_len <= INT32_MAX &&
             EVP_EncryptInit_ex2(ctx, aes(), key, out, NULL) == 1 &&
             (!aad_len || EVP_EncryptUpdate(ctx, NULL, &done, aad, (int)aad_len) == 1) &&
             (!len ||
              EVP_EncryptUpdate(ctx, out + CRYPTO_NONCE, &done, plain, (int)len) == 1) &&
             EVP_EncryptFinal_ex(ctx, out + CRYPTO_NONCE + len, &done) == 1 &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG,
                                 out + CRYPTO_NONCE + len) == 1,
         "encryption");
    EVP_CIPHER_CTX_free(ctx);
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
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    must(ctx && EVP_DecryptInit_ex2(ctx, aes(), key, nonce, NULL) == 1 &&
             (!aad_len || EVP_DecryptUpdate(ctx, NULL, &done, aad, (int)aad_len) == 1) &&
             (!out_len || EVP_DecryptUpdate(ctx, out, &done, text, (int)out_len) == 1) &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG, tag) == 1,
         "decryption");
    bool genuine = EVP_DecryptFinal_ex(ctx, out + out_len, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
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
