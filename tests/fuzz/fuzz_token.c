/* libFuzzer: JSON Web Tokens. Bytes that nobody signed are never taken; and of header and claims
 * that carry a genuine signature only those that say what they must.
 *
 *   make test-fuzz
 *
 * The first byte chooses: a token as it stands, or a header (its length is the second byte) and
 * claims, which are signed here. */
#include "buf.h"
#include "crypto.h"
#include "json.h"
#include "token.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "a secret of thirty-two characters";
static const struct token_key key = {"HS256", secret, sizeof(secret) - 1};
static const struct token_rules rules = {"me", "you", 1000000000, 30};

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void put_base64url(struct buf *out, const void *data, size_t len)
{
    out->len += crypto_base64url(data, len, buf_reserve(out, (len + 2) / 3 * 4 + 1));
}

static int verify(const char *text, size_t len, struct token *token)
{
    struct err err;
    char *exact = malloc(len ? len : 1); /* reading on would show */
    memcpy(exact, text, len);
    int verified = token_verify(exact, len, &key, &rules, token, &err);
    int read = token_header(exact, len, token, &err);
    expect(verified < 0 || read == 0);
    if (verified == 0)
        expect(token_verify(exact, len, &key, &rules, token, &err) == 0);
    free(exact);
    return verified;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void nothing_of_boolean(void *arg, bool value)
{
    (void)arg, (void)value;
}

static void nothing_of_number(void *arg, double value)
{
    (void)arg, (void)value;
}

static void nothing_of_text(void *arg, const char *text, size_t len)
{
    (void)arg, (void)text, (void)len;
}

static const struct json_events events = {
    .null = nothing,
    .boolean = nothing_of_boolean,
    .number = nothing_of_number,
    .string = nothing_of_text,
    .open_array = nothing,
    .close_array = nothing,
    .open_object = nothing,
    .key = nothing_of_text,
    .close_object = nothing,
};

static bool is_json(const char *text, size_t len)
{
    struct buf scratch = {0};
    struct err err;
    bool is = json_read(text, len, JSON_DEPTH, &events, NULL, &scratch, NULL, &err) == 0;
    buf_free(&scratch);
    return is;
}

/* A token that the holder of the secret has made of these texts. */
static void verify_signed(const char *header, size_t header_len, const char *claims,
                          size_t claims_len)
{
    static struct token token;
    struct buf text = {0};
    unsigned char mac[CRYPTO_HASH_MAX];
    put_base64url(&text, header, header_len);
    buf_putc(&text, '.');
    put_base64url(&text, claims, claims_len);
    size_t mac_len = crypto_hmac(CRYPTO_SHA256, secret, sizeof(secret) - 1, text.data,
                                 text.len, mac);
    buf_putc(&text, '.');
    put_base64url(&text, mac, mac_len);
    if (verify(text.data, text.len, &token) == 0) {
        expect(token.header_len == header_len &&
               memcmp(token.header, header, header_len) == 0);
        expect(token.claims_len == claims_len &&
               memcmp(token.claims, claims, claims_len) == 0);
        expect(is_json(header, header_len) && is_json(claims, claims_len));
        text.data[text.len - 2] ^= 1; /* the last character has unused bits */
        expect(verify(text.data, text.len, &token) < 0);
    }
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token token;
    if (size < 2)
        return 0;
    const char *rest = (const char *)data + 2;
    size -= 2;
    if (data[0] & 1) {
        size_t header_len = data[1] < size ? data[1] : size;
        verify_signed(rest, header_len, rest + header_len, size - header_len);
    } else {
        expect(verify(rest, size, &token) < 0);
    }
    return 0;
}
