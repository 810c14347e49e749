/* Tokens: the published example, and the attacks that a verifier has to withstand. */
#include "buf.h"
#include "check.h"
#include "crypto.h"
#include "token.h"
#include <math.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1800000000.0

static const struct token_key hs256 = {"HS256", SECRET, sizeof(SECRET) - 1};
static struct token token;
static struct err err;

static void part(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    out->len += crypto_base64url(text, len, buf_reserve(out, 2 * len + 4));
}

/* A token of any shape, truly signed with HMAC-SHA256. */
static const char *forge(const char *header, const char *claims, const char *key,
                         size_t key_len)
{
    static struct buf out;
    unsigned char mac[CRYPTO_HASH_MAX];
    out.len = 0;
    part(&out, header);
    buf_putc(&out, '.');
    part(&out, claims);
    size_t len = crypto_hmac(CRYPTO_SHA256, key, key_len, out.data, out.len, mac);
    buf_putc(&out, '.');
    out.len += crypto_base64url(mac, len, buf_reserve(&out, 2 * len + 4));
    return buf_cstr(&out);
}

static const char *hs(const char *header, const char *claims)
{
    return forge(header, claims, SECRET, sizeof(SECRET) - 1);
}

static int verify_with(const char *text, const struct token_key *key, const char *iss,
                       const char *aud)
{
    struct token_rules rules = {.iss = iss, .aud = aud, .now = NOW};
    err = (struct err){0};
    return token_verify(text, strlen(text), key, &rules, &token, &err);
}

static int verify(const char *text)
{
    return verify_with(text, &hs256, NULL, NULL);
}

static void refuse(const char *header, const char *claims)
{
    int rc = verify(hs(header, claims));
    if (rc == 0)
        fprintf(stderr, "accepted: %s %s\n", header, claims);
    CHECK(rc < 0);
    if (rc < 0)
        CHECK_STR(err.code, ERR_INVALID);
}

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define EXP "\"exp\":1900000000"

/* RFC 7515 appendix A.1. */
static void verifies_the_published_example(void)
{
    static const char text[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                               "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6L"
                               "y9leGFtcGxlLmNvbS9pc19yb290Ijp0"
                               "cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char key_text[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                                   "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    static const char claims[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
                                 "\"http://example.com/is_root\":true}";
    unsigned char secret[64];
    CHECK(crypto_unbase64url(key_text, strlen(key_text), secret) == 64);
    struct token_key key = {"HS256", (char *)secret, 64};
    struct token_rules rules = {.iss = "joe", .now = 1300819379};
    CHECK(token_verify(text, strlen(text), &key, &rules, &token, &err) == 0);
    CHECK(token.claims_len == strlen(claims));
    CHECK(memcmp(token.claims, claims, token.claims_len) == 0);
    CHECK(token.header_len == strlen("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"));
    rules.now = 1300819380;
    CHECK(token_verify(text, strlen(text), &key, &rules, &token, &err) < 0);
    CHECK_STR(err.code, TOKEN_EXPIRED);
    rules.leeway = 1;
    CHECK(token_verify(text, strlen(text), &key, &rules, &token, &err) == 0);
}

static void signs_what_it_verifies(void)
{
    static const char claims[] = "{\"sub\":\"a\",\"iss\":\"i\",\"aud\":\"u\"," EXP
                                 ",\"n\":9007199254740991,\"l\":[],\"t\":\"\xc3\xa9\"}";
    char out[TOKEN_MAX + 1];
    CHECK(token_sign(&hs256, "k1", claims, strlen(claims), out, &err) == 0);
    CHECK(verify_with(out, &hs256, "i", "u") == 0);
    CHECK(memmem(token.header, token.header_len, "\"kid\":\"k1\"", 10) != NULL);
    CHECK(memmem(token.claims, token.claims_len, "9007199254740991", 16) != NULL);
    CHECK(memmem(token.claims, token.claims_len, "[]", 2) != NULL);
    CHECK(token_header(out, strlen(out), &token, &err) == 0);
    CHECK(token_sign(&hs256, NULL, "[]", 2, out, &err) < 0);
    CHECK(token_sign(&hs256, NULL, "{", 1, out, &err) < 0);
    CHECK(token_sign(&hs256, NULL, "{\"a\":1,\"a\":2}", 13, out, &err) < 0);
}

static void refuses_keys_that_do_not_fit(void)
{
    static const struct token_key keys[] = {
        {"HS256", NULL, 0},
        {"HS256", "", 0},
        {"HS256", SECRET, 31},
        {"none", SECRET, 32},
        {"hs256", SECRET, 32},
        {"", SECRET, 32},
        {"RS256", SECRET, 32},
        {"ES256", SECRET, 32},
        {"HS256", "-----BEGIN PUBLIC KEY-----\nxxxxxxxxxx", 37},
    };
    char out[TOKEN_MAX + 1];
    const char *good = hs(HEADER, "{" EXP "}");
    CHECK(verify(good) == 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        CHECK(verify_with(good, &keys[i], NULL, NULL) < 0);
        CHECK(token_sign(&keys[i], NULL, "{}", 2, out, &err) < 0);
    }
    struct token_key other = {"HS256", "another secret of thirty-two byte", 32};
    CHECK(verify_with(good, &other, NULL, NULL) < 0);
}

static void takes_no_other_algorithm(void)
{
    refuse("{\"alg\":\"none\"}", "{" EXP "}");
    refuse("{\"alg\":\"None\"}", "{" EXP "}");
    refuse("{\"alg\":\"hs256\"}", "{" EXP "}");
    refuse("{\"alg\":\"HS512\"}", "{" EXP "}");
    refuse("{\"alg\":\"HS256\\u0000\"}", "{" EXP "}");
    refuse("{\"alg\":[\"HS256\"]}", "{" EXP "}");
    refuse("{\"alg\":1}", "{" EXP "}");
    refuse("{}", "{" EXP "}");
    refuse("{\"alg\":\"HS256\",\"alg\":\"none\"}", "{" EXP "}");
    refuse("{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}", "{" EXP "}");
    refuse("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{" EXP "}");
    refuse("{\"alg\":\"HS256\",\"crit\":null}", "{" EXP "}");
    refuse("[{\"alg\":\"HS256\"}]", "{" EXP "}");
    refuse("{\"x\":{\"alg\":\"HS256\"}}", "{" EXP "}");
    refuse("", "{" EXP "}");
}

static void checks_the_claims(void)
{
    CHECK(verify(hs(HEADER, "{" EXP ",\"nbf\":1800000000,\"iat\":1800000000}")) == 0);
    refuse(HEADER, "{}");
    refuse(HEADER, "{\"exp\":\"1900000000\"}");
    refuse(HEADER, "{\"exp\":null}");
    refuse(HEADER, "{\"exp\":[1900000000]}");
    refuse(HEADER, "{\"exp\":1e999}");
    refuse(HEADER, "{\"exp\":1,\"exp\":1900000000}");
    refuse(HEADER, "{" EXP ",\"nbf\":1800000001}");
    refuse(HEADER, "{" EXP ",\"iat\":1800000001}");
    refuse(HEADER, "{" EXP ",\"iat\":\"x\"}");
    refuse(HEADER, "{" EXP ",\"iss\":1}");
    refuse(HEADER, "[]");
    refuse(HEADER, "[{" EXP "}]");
    refuse(HEADER, "1900000000");
    refuse(HEADER, "\"exp\"");
    refuse(HEADER, "{" EXP);
    refuse(HEADER, "");
    refuse(HEADER, "{" EXP ",\"a\":\"\xff\"}");
    CHECK(verify(hs(HEADER, "{\"exp\":1800000000}")) < 0);
    CHECK_STR(err.code, TOKEN_EXPIRED);
    CHECK(verify(hs(HEADER, "{\"exp\":-1}")) < 0);
    CHECK_STR(err.code, TOKEN_EXPIRED);
    struct token_rules rules = {.now = NAN};
    const char *text = hs(HEADER, "{" EXP "}");
    CHECK(token_verify(text, strlen(text), &hs256, &rules, &token, &err) < 0);
}

static void checks_issuer_and_audience(void)
{
    const char *text = hs(HEADER, "{" EXP ",\"iss\":\"i\",\"aud\":[\"u\",\"v\"]}");
    CHECK(verify_with(text, &hs256, "i", "u") == 0);
    CHECK(verify_with(text, &hs256, "i", "v") == 0);
    CHECK(verify_with(text, &hs256, NULL, "v") == 0);
    CHECK(verify_with(text, &hs256, "i", "w") < 0);
    CHECK(verify_with(text, &hs256, "j", "u") < 0);
    CHECK(verify_with(text, &hs256, "i", NULL) < 0);
    text = hs(HEADER, "{" EXP "}");
    CHECK(verify_with(text, &hs256, "i", NULL) < 0);
    CHECK(verify_with(text, &hs256, NULL, "u") < 0);
    refuse(HEADER, "{" EXP ",\"aud\":null}");
    static const char *const shapes[] = {"1", "[1,\"u\"]", "[[\"u\"]]", "{\"u\":\"u\"}",
                                         "[]"};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        char claims[128];
        snprintf(claims, sizeof(claims), "{" EXP ",\"aud\":%s}", shapes[i]);
        CHECK(verify_with(hs(HEADER, claims), &hs256, NULL, "u") < 0);
    }
}

static void notices_every_change(void)
{
    char text[512], changed[520];
    strcpy(text, hs(HEADER, "{" EXP ",\"sub\":\"somebody\"}"));
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        strcpy(changed, text);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        CHECK(verify(changed) < 0);
        strcpy(changed, text);
        changed[i] = '\0';
        CHECK(verify(changed) < 0); /* cut off */
    }
    /* The last letter of 32 bytes carries 4 bits: three other spellings would decode
     * alike. */
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    strcpy(changed, text);
    int accepted = 0;
    for (const char *letter = letters; *letter; letter++) {
        changed[len - 1] = *letter;
        accepted += verify(changed) == 0;
    }
    CHECK(accepted == 1);
    static const char *const tails[] = {"=", ".", ".x", " ", "\n", "A"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        strcpy(changed, text);
        strcat(changed, tails[i]);
        CHECK(verify(changed) < 0);
    }
    CHECK(verify("") < 0);
    CHECK(verify("..") < 0);
    CHECK(verify("a.b") < 0);
}

static void limits_size_and_members(void)
{
    struct buf claims = {0};
    buf_puts(&claims, "{" EXP);
    for (int i = 0; i < 63; i++)
        buf_printf(&claims, ",\"m%d\":1", i);
    buf_putc(&claims, '}');
    CHECK(verify(hs(HEADER, buf_cstr(&claims))) == 0);
    claims.len--;
    buf_puts(&claims, ",\"more\":1}");
    refuse(HEADER, buf_cstr(&claims));
    claims.len = 0;
    buf_puts(&claims, "{" EXP ",\"a\":\"");
    while (claims.len < 7000)
        buf_putc(&claims, 'x');
    buf_puts(&claims, "\"}");
    refuse(HEADER, buf_cstr(&claims));
    char out[TOKEN_MAX + 1];
    CHECK(token_sign(&hs256, NULL, claims.data, claims.len, out, &err) < 0);
    CHECK_STR(err.code, ERR_TOO_LARGE);
    claims.len = 0;
    buf_puts(&claims, "{" EXP ",\"a\":");
    for (int i = 0; i < 40; i++)
        buf_putc(&claims, '[');
    for (int i = 0; i < 40; i++)
        buf_putc(&claims, ']');
    buf_putc(&claims, '}');
    refuse(HEADER, buf_cstr(&claims));
    buf_free(&claims);
}

static char *pem(EVP_PKEY *pkey, int private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *copy;
    if (private)
        PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_PUBKEY(bio, pkey);
    size_t len = (size_t)BIO_get_mem_data(bio, &data);
    copy = strndup(data, len);
    BIO_free(bio);
    return copy;
}

static void key_pair(const char *alg, EVP_PKEY *pkey, const char *other_alg)
{
    char *private_pem = pem(pkey, 1), *public_pem = pem(pkey, 0);
    struct token_key private = {alg, private_pem, strlen(private_pem)};
    struct token_key public = {alg, public_pem, strlen(public_pem)};
    struct token_key other = {other_alg, public_pem, strlen(public_pem)};
    static const char claims[] = "{" EXP "}";
    char out[TOKEN_MAX + 1];
    CHECK(token_sign(&private, "k", claims, strlen(claims), out, &err) == 0);
    CHECK(verify_with(out, &public, NULL, NULL) == 0);
    CHECK(verify_with(out, &other, NULL, NULL) < 0);
    CHECK(verify_with(out, &hs256, NULL, NULL) < 0);
    out[strlen(out) - 10] ^= 1;
    CHECK(verify_with(out, &public, NULL, NULL) < 0);
    CHECK(token_sign(&public, NULL, claims, strlen(claims), out, &err) < 0);

    /* Key confusion: HMAC with the public key's text as the secret. */
    const char *forged = forge(HEADER, claims, public_pem, strlen(public_pem));
    struct token_key confused = {"HS256", public_pem, strlen(public_pem)};
    CHECK(verify_with(forged, &public, NULL, NULL) < 0);
    CHECK(verify_with(forged, &confused, NULL, NULL) < 0);
    free(private_pem);
    free(public_pem);
    EVP_PKEY_free(pkey);
}

static void knows_key_pairs(void)
{
    key_pair("RS256", EVP_RSA_gen(2048), "ES256");
    key_pair("ES256", EVP_EC_gen("P-256"), "RS256");
}

int main(void)
{
    RUN(verifies_the_published_example);
    RUN(signs_what_it_verifies);
    RUN(refuses_keys_that_do_not_fit);
    RUN(takes_no_other_algorithm);
    RUN(checks_the_claims);
    RUN(checks_issuer_and_audience);
    RUN(notices_every_change);
    RUN(limits_size_and_members);
    RUN(knows_key_pairs);
    return check_result("jwt");
}
