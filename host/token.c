/* What libjwt 1.10 leaves to its caller, in the order it happens here:
 *
 *   - it accepts anything when the key is NULL: keys are checked to exist;
 *   - it takes the algorithm from the token, ignoring case: the unverified header is read
 * first and its alg must be the key's, byte for byte, which also rules out "none";
 *   - it would use a public key's PEM as a shared secret: PEM and secrets are told apart;
 *   - it decodes base64url laxly: all three parts are decoded strictly first;
 *   - it lets crit, repeated members and payloads that are no object pass;
 *   - it checks no claim at all.
 *
 * The claims handed out are the bytes that were signed, not what libjwt made of them. */
#include "token.h"
#include "buf.h"
#include "crypto.h"
#include "json.h"
#include <jwt.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMBERS_MAX = 64, /* of a header or a set of claims */
    ALG_MAX = 16,
};

enum field {
    FIELD_OTHER,
    FIELD_ALG,
    FIELD_CRIT,
    FIELD_EXP,
    FIELD_NBF,
    FIELD_IAT,
    FIELD_ISS,
    FIELD_AUD,
    FIELDS,
};

enum kind { KIND_ANY, KIND_NUMBER, KIND_TEXT, KIND_TEXTS };

static const struct {
    const char *name;
    enum kind kind; /* KIND_TEXTS: a text or an array of them */
} fields[FIELDS] = {
    [FIELD_OTHER] = {"", KIND_ANY},     [FIELD_ALG] = {"alg", KIND_TEXT},
    [FIELD_CRIT] = {"crit", KIND_ANY},  [FIELD_EXP] = {"exp", KIND_NUMBER},
    [FIELD_NBF] = {"nbf", KIND_NUMBER}, [FIELD_IAT] = {"iat", KIND_NUMBER},
    [FIELD_ISS] = {"iss", KIND_TEXT},   [FIELD_AUD] = {"aud", KIND_TEXTS},
};

static const struct algorithm {
    const char *name;
    jwt_alg_t id;
    bool secret; /* a shared secret, not a PEM */
} algorithms[] = {
    {"HS256", JWT_ALG_HS256, true},  {"HS384", JWT_ALG_HS384, true},
    {"HS512", JWT_ALG_HS512, true},  {"RS256", JWT_ALG_RS256, false},
    {"RS384", JWT_ALG_RS384, false}, {"RS512", JWT_ALG_RS512, false},
    {"ES256", JWT_ALG_ES256, false}, {"ES384", JWT_ALG_ES384, false},
    {"ES512", JWT_ALG_ES512, false},
};

/* What a walk over the members of a header or of claims finds. */
struct scan {
    const char *iss, *aud; /* looked for; may be NULL */
    int depth;
    enum field field; /* whose value comes */
    size_t members;
    uint64_t names[MEMBERS_MAX]; /* hashes: a collision refuses a token, nothing worse */
    bool is_object, repeated, too_many;
    bool present[FIELDS], wrong[FIELDS];
    double number[FIELDS];
    char alg[ALG_MAX];
    bool iss_fits, aud_fits;
};

static bool equals(const char *wanted, const char *text, size_t len)
{
    return wanted && strlen(wanted) == len && memcmp(wanted, text, len) == 0;
}

/* A value of `kind` inside the current member, at the member itself or one array deeper.
 */
static void check_kind(struct scan *scan, enum kind kind)
{
    enum kind wanted = fields[scan->field].kind;
    bool fits = scan->depth == 1
                    ? wanted == kind || (wanted == KIND_TEXTS && kind == KIND_TEXT)
                    : wanted == KIND_TEXTS && kind == KIND_TEXT;
    if (wanted != KIND_ANY && !fits)
        scan->wrong[scan->field] = true;
}

static void on_null(void *arg)
{
    check_kind(arg, KIND_ANY);
}

static void on_boolean(void *arg, bool value)
{
    (void)value;
    check_kind(arg, KIND_ANY);
}

static void on_number(void *arg, double value)
{
    struct scan *scan = arg;
    check_kind(scan, KIND_NUMBER);
    scan->number[scan->field] = value;
}

static void on_string(void *arg, const char *text, size_t len)
{
    struct scan *scan = arg;
    check_kind(scan, KIND_TEXT);
    if (scan->field == FIELD_ALG && len < ALG_MAX) {
        memcpy(scan->alg, text, len);
        scan->alg[len] = '\0';
        scan->wrong[FIELD_ALG] |= strlen(scan->alg) != len;
    }
    scan->iss_fits |= scan->field == FIELD_ISS && equals(scan->iss, text, len);
    scan->aud_fits |= scan->field == FIELD_AUD && equals(scan->aud, text, len);
}

static void on_open_array(void *arg)
{
    struct scan *scan = arg;
    check_kind(scan, scan->depth == 1 ? KIND_TEXTS : KIND_ANY);
    scan->depth++;
}

static void on_open_object(void *arg)
{
    struct scan *scan = arg;
    check_kind(scan, KIND_ANY);
    if (scan->depth++ == 0)
        scan->is_object = true;
}

static void on_close(void *arg)
{
    ((struct scan *)arg)->depth--;
}

static void on_key(void *arg, const char *text, size_t len)
{
    struct scan *scan = arg;
    if (scan->depth != 1)
        return;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    for (size_t i = 0; i < scan->members; i++)
        scan->repeated |= scan->names[i] == hash;
    if (scan->members < MEMBERS_MAX)
        scan->names[scan->members++] = hash;
    else
        scan->too_many = true;
    scan->field = FIELD_OTHER;
    for (int i = FIELD_OTHER + 1; i < FIELDS; i++)
        if (equals(fields[i].name, text, len))
            scan->field = (enum field)i;
    scan->present[scan->field] = true;
}

static const struct json_events events = {
    .null = on_null,
    .boolean = on_boolean,
    .number = on_number,
    .string = on_string,
    .open_array = on_open_array,
    .close_array = on_close,
    .open_object = on_open_object,
    .key = on_key,
    .close_object = on_close,
};

static int invalid(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "%s", what);
}

static int scan_object(const char *text, size_t len, struct scan *scan, struct err *err)
{
    struct buf scratch = {0};
    int rc = json_read(text, len, JSON_DEPTH, &events, scan, &scratch, NULL, NULL);
    buf_free(&scratch);
    if (rc < 0)
        return invalid(err, "a part of the token is no JSON");
    if (!scan->is_object)
        return invalid(err, "a part of the token is no JSON object");
    if (scan->repeated || scan->too_many)
        return invalid(err, "the token has repeated or too many members");
    for (int i = 0; i < FIELDS; i++)
        if (scan->wrong[i])
            return err_set(err, ERR_INVALID, "the token's %s is of the wrong type",
                           fields[i].name);
    return 0;
}

static bool is_pem(const struct token_key *key)
{
    static const char begin[] = "-----BEGIN ";
    return memmem(key->data, key->len, begin, sizeof(begin) - 1) != NULL;
}

/* NULL when the key cannot serve its algorithm. An encrypted PEM would make OpenSSL ask
 * for the passphrase on the terminal. */
static const struct algorithm *find_algorithm(const struct token_key *key,
                                              struct err *err)
{
    const struct algorithm *found = NULL;
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        if (strcmp(algorithms[i].name, key->alg) == 0)
            found = &algorithms[i];
    if (!found)
        invalid(err, "the key's algorithm is not supported");
    else if (!key->data || !key->len || key->len > TOKEN_MAX)
        invalid(err, "the key is empty or too long");
    else if (found->secret && is_pem(key))
        invalid(err, "a PEM is no shared secret");
    else if (found->secret && key->len < TOKEN_SECRET_MIN)
        invalid(err, "the shared secret is shorter than 32 bytes");
    else if (!found->secret && !is_pem(key))
        invalid(err, "the key is no PEM");
    else if (!found->secret && memmem(key->data, key->len, "ENCRYPTED", 9))
        invalid(err, "the key is encrypted");
    else
        return found;
    return NULL;
}

/* Strict: the signature must not have a second spelling. The signature is only checked to
 * be base64url, libjwt reads it itself. */
static int split(const char *text, size_t len, struct token *token, struct err *err)
{
    unsigned char signature[TOKEN_MAX];
    if (len > TOKEN_MAX)
        return invalid(err, "the token is too long");
    const char *first = memchr(text, '.', len), *end = text + len;
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return invalid(err, "a token has three parts");
    long header =
        crypto_unbase64url(text, (size_t)(first - text), (unsigned char *)token->header);
    long claims = crypto_unbase64url(first + 1, (size_t)(second - first - 1),
                                     (unsigned char *)token->claims);
    long rest = crypto_unbase64url(second + 1, (size_t)(end - second - 1), signature);
    if (header < 0 || claims < 0 || rest < 0)
        return invalid(err, "a part of the token is not base64url");
    if (header == 0 || claims == 0) /* libjwt would write behind a buffer of no bytes */
        return invalid(err, "a part of the token is empty");
    if (rest == 0)
        return invalid(err, "the token is not signed");
    token->header_len = (size_t)header;
    token->claims_len = (size_t)claims;
    return 0;
}

static int check_signature(const char *text, size_t len, const struct token_key *key,
                           const struct algorithm *algorithm, struct err *err)
{
    char copy[TOKEN_MAX + 1];
    jwt_t *jwt = NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    int rc = jwt_decode(&jwt, copy, (const unsigned char *)key->data, (int)key->len);
    bool genuine = rc == 0 && jwt_get_alg(jwt) == algorithm->id;
    jwt_free(jwt);
    ERR_clear_error(); /* what OpenSSL noted would puzzle the next user of this thread */
    return genuine ? 0 : invalid(err, "the signature is not genuine");
}

/* Written so that a time that is no number refuses. */
static int check_claims(const struct scan *scan, const struct token_rules *rules,
                        struct err *err)
{
    double latest = rules->now + rules->leeway;
    if (!scan->present[FIELD_EXP])
        return invalid(err, "the token has no exp");
    if (scan->present[FIELD_NBF] && !(scan->number[FIELD_NBF] <= latest))
        return invalid(err, "the token is not valid yet");
    if (scan->present[FIELD_IAT] && !(scan->number[FIELD_IAT] <= latest))
        return invalid(err, "the token was issued in the future");
    if (rules->iss && !scan->iss_fits)
        return invalid(err, "the token is another issuer's");
    if (rules->aud ? !scan->aud_fits : scan->present[FIELD_AUD])
        return invalid(err, "the token is for another audience");
    if (!(rules->now - rules->leeway < scan->number[FIELD_EXP]))
        return err_set(err, TOKEN_EXPIRED, "the token has expired");
    return 0;
}

int token_header(const char *text, size_t len, struct token *token, struct err *err)
{
    struct scan scan = {0};
    if (split(text, len, token, err) < 0)
        return -1;
    return scan_object(token->header, token->header_len, &scan, err);
}

int token_verify(const char *text, size_t len, const struct token_key *key,
                 const struct token_rules *rules, struct token *token, struct err *err)
{
    struct scan header = {0}, claims = {.iss = rules->iss, .aud = rules->aud};
    const struct algorithm *algorithm = find_algorithm(key, err);
    if (!algorithm || split(text, len, token, err) < 0 ||
        scan_object(token->header, token->header_len, &header, err) < 0)
        return -1;
    if (strcmp(header.alg, key->alg) != 0)
        return invalid(err, "the token's algorithm is not the key's");
    if (header.present[FIELD_CRIT])
        return invalid(err, "the token asks for extensions that are not supported");
    if (check_signature(text, len, key, algorithm, err) < 0 ||
        scan_object(token->claims, token->claims_len, &claims, err) < 0)
        return -1;
    return check_claims(&claims, rules, err);
}

int token_sign(const struct token_key *key, const char *kid, const char *claims,
               size_t len, char out[TOKEN_MAX + 1], struct err *err)
{
    struct scan scan = {0};
    struct buf json = {0};
    jwt_t *jwt = NULL;
    char *text = NULL;
    int rc = -1;
    const struct algorithm *algorithm = find_algorithm(key, err);
    if (!algorithm || scan_object(claims, len, &scan, err) < 0)
        return -1;
    buf_append(&json, claims, len);
    if (jwt_new(&jwt) != 0 || jwt_add_grants_json(jwt, buf_cstr(&json)) != 0 ||
        (kid && jwt_add_header(jwt, "kid", kid) != 0) ||
        jwt_set_alg(jwt, algorithm->id, (const unsigned char *)key->data,
                    (int)key->len) != 0 ||
        !(text = jwt_encode_str(jwt)))
        invalid(err, "the claims cannot be signed with this key");
    else if (strlen(text) > TOKEN_MAX)
        err_set(err, ERR_TOO_LARGE, "the token is longer than %d bytes", TOKEN_MAX);
    else
        rc = 0;
    if (rc == 0)
        memcpy(out, text, strlen(text) + 1);
    free(text);
    jwt_free(jwt);
    buf_free(&json);
    ERR_clear_error();
    return rc;
}
