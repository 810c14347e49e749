/* public_key.h - the public half of a key that signs tokens, for those who verify them: as a PEM
 * and as a JWK (RFC 7517, members by RFC 7518 section 6). Nothing waits. */
#pragma once
#include "err.h"
#include <stddef.h>

enum {
    PUBLIC_KEY_PEM_MAX = 4096,
    PUBLIC_KEY_NUMBER_MAX = 1024, /* of a base64url number: RSA with up to 6144 bits */
};

struct public_key {
    const char *alg;                    /* "RS256" for RSA, "ES256" for P-256 */
    char pem[PUBLIC_KEY_PEM_MAX];       /* SubjectPublicKeyInfo */
    char first[PUBLIC_KEY_NUMBER_MAX];  /* base64url: n of RSA, x of EC */
    char second[PUBLIC_KEY_NUMBER_MAX]; /* e, y */
};

/* Takes a private or a public key as PEM. -1 with ERR_INVALID when it is neither, is encrypted,
 * is RSA of less than 2048 bits, or of another curve than P-256. */
int public_key_read(const char *pem, size_t len, struct public_key *key, struct err *err);
