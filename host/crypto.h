/* crypto.h - random bytes, hashes, HMAC, AES-256-GCM and text encodings, on OpenSSL.
 * Nothing waits, everything may be called from any thread. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

enum {
    CRYPTO_HASH_MAX = 64, /* bytes of the longest hash */
    CRYPTO_KEY = 32,      /* of AES-256 */
    CRYPTO_NONCE = 12,
    CRYPTO_TAG = 16,
    CRYPTO_SEAL = CRYPTO_NONCE + CRYPTO_TAG, /* what sealing adds */
};

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA512 };

/* "sha1" "sha256" "sha512"; -1 for anything else. */
int crypto_hash_parse(const char *name);

/* From the kernel; fit for keys and tokens. */
void crypto_random(void *out, size_t len);

/* Write the hash to `out` and return its length. */
size_t crypto_hash(enum crypto_hash hash, const void *data, size_t len,
                   unsigned char out[CRYPTO_HASH_MAX]);
size_t crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len,
                   const void *data, size_t len, unsigned char out[CRYPTO_HASH_MAX]);

/* In a time that depends on the lengths only. */
bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len);

/* Overwrites secrets in a way the compiler keeps. */
void crypto_wipe(void *data, size_t len);

/* AES-256-GCM under a random nonce. `out` takes len + CRYPTO_SEAL bytes: nonce, cipher
 * text, tag. `aad` (NULL with length 0) is authenticated, not stored. One key is good for
 * 2^32 calls. */
void crypto_seal(const unsigned char key[CRYPTO_KEY], const void *plain, size_t len,
                 const void *aad, size_t aad_len, unsigned char *out);

/* The reverse: `out` takes len - CRYPTO_SEAL bytes. -1 with ERR_INVALID when anything
 * does not fit; `out` then holds nothing of the text. */
int crypto_open(const unsigned char key[CRYPTO_KEY], const void *sealed, size_t len,
                const void *aad, size_t aad_len, unsigned char *out, struct err *err);

/* Text encodings (RFC 4648). The writers return the length, without a NUL; room needed:
 * hex 2 * len, base64 (len + 2) / 3 * 4. The readers are strict - no white space, padding
 * as it must be (base64) or not at all (base64url), unused bits 0 - and return the length
 * or -1; room needed: half the length, three quarters of it. */
size_t crypto_hex(const void *data, size_t len, char *out);
long crypto_unhex(const char *text, size_t len, unsigned char *out);
size_t crypto_base64(const void *data, size_t len, char *out);
long crypto_unbase64(const char *text, size_t len, unsigned char *out);
size_t crypto_base64url(const void *data, size_t len, char *out);
long crypto_unbase64url(const char *text, size_t len, unsigned char *out);
