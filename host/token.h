/* token.h - JSON Web Tokens (RFC 7519), signed and verified by libjwt, everything else
 * checked here. Not named jwt.h because libjwt's own header is. Safe in any thread. */
#pragma once
#include "err.h"
#include <stddef.h>

#define TOKEN_EXPIRED "EXPIRED" /* genuine, but its time is over */

enum {
    TOKEN_MAX = 8192,      /* bytes of a token */
    TOKEN_SECRET_MIN = 32, /* bytes of a shared secret (RFC 7518 section 3.2) */
};

/* One key serves one algorithm: "HS256" "HS384" "HS512" with a shared secret, "RS256"
 * "RS384" "RS512" "ES256" "ES384" "ES512" with a PEM, private for signing, public for
 * verifying. */
struct token_key {
    const char *alg; /* compared exactly, case included */
    const char *data;
    size_t len;
};

/* Claims that must hold. `exp` is required always; nbf and iat must not be ahead of
 * `now`. */
struct token_rules {
    const char *iss; /* must be the claim; NULL: any */
    const char *aud; /* must be or be among the claim; NULL: the claim must be absent */
    double now;      /* seconds since 1970 */
    double leeway;   /* seconds that clocks may differ */
};

struct token {
    size_t header_len, claims_len;
    char header[TOKEN_MAX]; /* the JSON texts as they were signed; no NUL */
    char claims[TOKEN_MAX];
};

/* Signs the JSON object `claims`; `kid` (or NULL) goes into the header. Writes the token
 * and a NUL to `out`. -1: ERR_INVALID for a key or claims that do not fit, ERR_TOO_LARGE.
 */
int token_sign(const struct token_key *key, const char *kid, const char *claims,
               size_t len, char out[TOKEN_MAX + 1], struct err *err);

/* Fills `token` when the text was signed by the holder of `key` and the rules hold. -1:
 * TOKEN_EXPIRED, else ERR_INVALID; never look at `token` then. */
int token_verify(const char *text, size_t len, const struct token_key *key,
                 const struct token_rules *rules, struct token *token, struct err *err);

/* The header alone, unverified: good for nothing but choosing the key by its `kid`. */
int token_header(const char *text, size_t len, struct token *token, struct err *err);
