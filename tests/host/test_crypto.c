#include "check.h"
#include "crypto.h"
#include "password.h"
#include <pthread.h>

/* Decodes a literal; each test has its own few. */
static size_t bytes(const char *hex, unsigned char *out)
{
    long len = crypto_unhex(hex, strlen(hex), out);
    CHECK(len >= 0);
    return len < 0 ? 0 : (size_t)len;
}

static const char *as_hex(const void *data, size_t len)
{
    static char text[2 * CRYPTO_HASH_MAX + 1];
    text[crypto_hex(data, len, text)] = '\0';
    return text;
}

/* FIPS 180 examples. */
static void hashes(void)
{
    unsigned char out[CRYPTO_HASH_MAX];
    CHECK_STR(as_hex(out, crypto_hash(CRYPTO_SHA1, "abc", 3, out)),
              "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK_STR(as_hex(out, crypto_hash(CRYPTO_SHA256, "abc", 3, out)),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_STR(as_hex(out, crypto_hash(CRYPTO_SHA256, "", 0, out)),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_STR(as_hex(out, crypto_hash(CRYPTO_SHA512, "abc", 3, out)),
              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    CHECK(crypto_hash_parse("sha256") == CRYPTO_SHA256);
    CHECK(crypto_hash_parse("SHA256") < 0);
    CHECK(crypto_hash_parse("md5") < 0);
}

/* RFC 4231 cases 1, 2, 6 and RFC 2202 case 2. */
static void authenticates_with_hmac(void)
{
    unsigned char out[CRYPTO_HASH_MAX], key[131];
    memset(key, 0x0b, 20);
    CHECK_STR(as_hex(out, crypto_hmac(CRYPTO_SHA256, key, 20, "Hi There", 8, out)),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK_STR(as_hex(out, crypto_hmac(CRYPTO_SHA256, "Jefe", 4,
                                      "what do ya want for nothing?", 28, out)),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK_STR(as_hex(out, crypto_hmac(CRYPTO_SHA1, "Jefe", 4,
                                      "what do ya want for nothing?", 28, out)),
              "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    memset(key, 0xaa, 131);
    CHECK_STR(
        as_hex(out, crypto_hmac(CRYPTO_SHA512, key, 131,
                                "Test Using Larger Than Block-Size Key - Hash Key First",
                                54, out)),
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
        "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
    CHECK_STR(as_hex(out, crypto_hmac(CRYPTO_SHA512, NULL, 0, "", 0, out)),
              "b936cee86c9f87aa5d3c6f2e84cb5a4239a5fe50480a6ec66b70ab5b1f4ac673"
              "0c6c515421b327ec1d69402e53dfb49ad7381eb067b338fd7b0cb22247225d47");
}

/* Test cases 13, 14 and 16 of the GCM submission to NIST, as nonce, text, tag. */
static void opens_the_published_gcm_cases(void)
{
    unsigned char key[32] = {0}, sealed[128], aad[32], plain[64], expected[64];
    size_t len =
        bytes("000000000000000000000000530f8afbc74536b9a963b4f1c4cb738b", sealed);
    CHECK(crypto_open(key, sealed, len, NULL, 0, plain, NULL) == 0);
    len = bytes("000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18"
                "d0d1c8a799996bf0265b98b5d48ab919",
                sealed);
    CHECK(crypto_open(key, sealed, len, NULL, 0, plain, NULL) == 0);
    CHECK_STR(as_hex(plain, 16), "00000000000000000000000000000000");
    bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
    len = bytes("cafebabefacedbaddecaf888"
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                "76fc6ece0f4e1768cddf8853bb2d551b",
                sealed);
    size_t aad_len = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
    size_t plain_len =
        bytes("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
              "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
              expected);
    CHECK(len == plain_len + CRYPTO_SEAL);
    CHECK(crypto_open(key, sealed, len, aad, aad_len, plain, NULL) == 0);
    CHECK(memcmp(plain, expected, plain_len) == 0);
}

static void seals_and_notices_every_change(void)
{
    static const char text[] = "the quick brown fox";
    unsigned char key[CRYPTO_KEY], sealed[sizeof(text) + CRYPTO_SEAL],
        plain[sizeof(text)];
    unsigned char again[sizeof(sealed)];
    struct err err;
    crypto_random(key, sizeof(key));
    crypto_seal(key, text, sizeof(text), "aad", 3, sealed);
    CHECK(crypto_open(key, sealed, sizeof(sealed), "aad", 3, plain, &err) == 0);
    CHECK_STR((char *)plain, text);
    crypto_seal(key, text, sizeof(text), "aad", 3, again);
    CHECK(memcmp(sealed, again, CRYPTO_NONCE) != 0);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 1;
        CHECK(crypto_open(key, sealed, sizeof(sealed), "aad", 3, plain, &err) < 0);
        sealed[i] ^= 1;
    }
    CHECK_STR(err.code, ERR_INVALID);
    CHECK(crypto_open(key, sealed, sizeof(sealed), "aae", 3, plain, &err) < 0);
    CHECK(crypto_open(key, sealed, sizeof(sealed), NULL, 0, plain, &err) < 0);
    CHECK(crypto_open(key, sealed, sizeof(sealed) - 1, "aad", 3, plain, &err) < 0);
    CHECK(crypto_open(key, sealed, CRYPTO_SEAL - 1, "aad", 3, plain, &err) < 0);
    crypto_seal(key, "", 0, NULL, 0, sealed);
    CHECK(crypto_open(key, sealed, CRYPTO_SEAL, NULL, 0, plain, &err) == 0);
}

/* A thread keeps its contexts: nothing of one call may reach into the next. */
static void takes_each_key_for_itself(void)
{
    static const char text[] = "the quick brown fox";
    unsigned char keys[2][CRYPTO_KEY], sealed[2][sizeof(text) + CRYPTO_SEAL];
    unsigned char plain[sizeof(text)];
    struct err err;
    for (int i = 0; i < 2; i++) {
        crypto_random(keys[i], CRYPTO_KEY);
        crypto_seal(keys[i], text, sizeof(text), i ? NULL : "aad", i ? 0 : 3, sealed[i]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(crypto_open(keys[!i], sealed[i], sizeof(sealed[i]), i ? NULL : "aad",
                          i ? 0 : 3, plain, &err) < 0);
        CHECK(crypto_open(keys[i], sealed[i], sizeof(sealed[i]), i ? NULL : "aad",
                          i ? 0 : 3, plain, &err) == 0);
        CHECK_STR((char *)plain, text);
    }
}

static void *use_from_a_thread(void *arg)
{
    (void)arg;
    takes_each_key_for_itself();
    return NULL;
}

static void works_in_every_thread(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_from_a_thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void compares(void)
{
    CHECK(crypto_equal("", 0, "", 0));
    CHECK(crypto_equal("abc", 3, "abc", 3));
    CHECK(!crypto_equal("abc", 3, "abd", 3));
    CHECK(!crypto_equal("abc", 3, "abcd", 4));
}

/* RFC 4648 section 10. */
static void writes_and_reads_text_encodings(void)
{
    static const struct {
        const char *plain, *base64, *url, *hex;
    } cases[] = {
        {"", "", "", ""},
        {"f", "Zg==", "Zg", "66"},
        {"fo", "Zm8=", "Zm8", "666f"},
        {"foo", "Zm9v", "Zm9v", "666f6f"},
        {"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
        {"\xfb\xff\xfe", "+//+", "-__-", "fbfffe"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *plain = cases[i].plain;
        size_t len = strlen(plain);
        char text[32];
        unsigned char back[32];
        text[crypto_base64(plain, len, text)] = '\0';
        CHECK_STR(text, cases[i].base64);
        CHECK(crypto_unbase64(text, strlen(text), back) == (long)len);
        CHECK(memcmp(back, plain, len) == 0);
        text[crypto_base64url(plain, len, text)] = '\0';
        CHECK_STR(text, cases[i].url);
        CHECK(crypto_unbase64url(text, strlen(text), back) == (long)len);
        CHECK(memcmp(back, plain, len) == 0);
        text[crypto_hex(plain, len, text)] = '\0';
        CHECK_STR(text, cases[i].hex);
        CHECK(crypto_unhex(text, strlen(text), back) == (long)len);
        CHECK(memcmp(back, plain, len) == 0);
    }
}

static void refuses_sloppy_encodings(void)
{
    static const char *const base64[] = {"Zg",   "Zg=",      "Zh==", "Zm9=",
                                         "====", "Z===",     "Z",    "Zm 9",
                                         "-__-", "Zg==Zg==", "=Zg=", "Zm9v\n"};
    static const char *const url[] = {"Zg==", "Zh",    "Zm9",       "Z",
                                      "+//+", "Zm9v ", "Zm\xc3\xa9"};
    static const char *const hex[] = {"6", "6g", "0x66", " 66", "66 "};
    unsigned char out[32];
    for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++)
        CHECK(crypto_unbase64(base64[i], strlen(base64[i]), out) < 0);
    for (size_t i = 0; i < sizeof(url) / sizeof(url[0]); i++)
        CHECK(crypto_unbase64url(url[i], strlen(url[i]), out) < 0);
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
        CHECK(crypto_unhex(hex[i], strlen(hex[i]), out) < 0);
    CHECK(crypto_unhex("Ff", 2, out) == 1 && out[0] == 0xff);
}

/* Published bcrypt vectors. */
static void verifies_known_password_hashes(void)
{
    static const char *const hash =
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    struct err err;
    CHECK(password_verify("U*U", 3, hash, 60, &err) == 1);
    CHECK(password_verify("U*V", 3, hash, 60, &err) == 0);
    CHECK(password_verify("", 0, hash, 60, &err) == 0);
}

static void hashes_passwords_with_fresh_salts(void)
{
    char one[PASSWORD_HASH + 1], two[PASSWORD_HASH + 1], longest[PASSWORD_MAX];
    struct err err;
    CHECK(password_hash("secret", 6, 4, one, &err) == 0);
    CHECK(password_hash("secret", 6, 4, two, &err) == 0);
    CHECK(strncmp(one, "$2b$04$", 7) == 0);
    CHECK(strcmp(one, two) != 0);
    CHECK(password_verify("secret", 6, one, 60, &err) == 1);
    CHECK(password_verify("Secret", 6, one, 60, &err) == 0);
    CHECK(password_verify("secret", 5, one, 60, &err) == 0);
    memset(longest, 'x', sizeof(longest));
    CHECK(password_hash(longest, sizeof(longest), 4, one, &err) == 0);
    CHECK(password_verify(longest, sizeof(longest), one, 60, &err) == 1);
    CHECK(password_verify(longest, sizeof(longest) - 1, one, 60, &err) == 0);
}

static void refuses_what_bcrypt_would_get_wrong(void)
{
    char out[PASSWORD_HASH + 1], longer[PASSWORD_MAX + 1];
    struct err err = {0};
    memset(longer, 'x', sizeof(longer));
    CHECK(password_hash(longer, sizeof(longer), 4, out, &err) < 0);
    CHECK_STR(err.code, ERR_INVALID);
    CHECK(password_hash("a\0b", 3, 4, out, &err) < 0);
    CHECK(password_hash("a", 1, 3, out, &err) < 0);
    CHECK(password_hash("a", 1, 17, out, &err) < 0);
    static const char *const hashes[] = {
        "",
        "*0",
        "ab",            /* DES */
        "abJnggxhB/yWI", /* DES, complete */
        "$1$abcdefgh$aaaaaaaaaaaaaaaaaaaaaa",
        "$2b$04$CCCCCCCCCCCCCCCCCCCCC.",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", /* takes a day */
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe:",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW",
    };
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
        CHECK(password_verify("U*U", 3, hashes[i], strlen(hashes[i]), &err) < 0);
    CHECK(password_verify(longer, sizeof(longer), hashes[6], 60, &err) < 0);
}

int main(void)
{
    RUN(hashes);
    RUN(authenticates_with_hmac);
    RUN(opens_the_published_gcm_cases);
    RUN(seals_and_notices_every_change);
    RUN(takes_each_key_for_itself);
    RUN(works_in_every_thread);
    RUN(compares);
    RUN(writes_and_reads_text_encodings);
    RUN(refuses_sloppy_encodings);
    RUN(verifies_known_password_hashes);
    RUN(hashes_passwords_with_fresh_salts);
    RUN(refuses_what_bcrypt_would_get_wrong);
    return check_result("crypto");
}
