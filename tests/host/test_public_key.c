/* The public halves of keys: RFC 7515's own, and keys that are refused. */
#include "check.h"
#include "public_key.h"
#include "token.h"
#include <string.h>

/* RFC 7515 appendix A.2.1 as PEM. */
static const char rsa_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n"
    "NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n"
    "P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n"
    "9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n"
    "EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n"
    "FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n"
    "oQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
/* RFC 7515 appendix A.3.1 as PEM. */
static const char ec_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49\n"
    "AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b\n"
    "focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
    "-----END EC PRIVATE KEY-----\n";
static struct public_key key;
static struct err err;

static int read_key(const char *pem)
{
    err = (struct err){0};
    return public_key_read(pem, strlen(pem), &key, &err);
}

static void reads_the_published_rsa_key(void)
{
    CHECK(read_key(rsa_pem) == 0);
    CHECK_STR(key.alg, "RS256");
    CHECK(strncmp(key.first, "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26m",
                  54) == 0);
    CHECK_STR(key.second, "AQAB");
    CHECK(strncmp(key.pem, "-----BEGIN PUBLIC KEY-----", 26) == 0);
}

static void reads_the_published_ec_key(void)
{
    CHECK(read_key(ec_pem) == 0);
    CHECK_STR(key.alg, "ES256");
    CHECK_STR(key.first, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    CHECK_STR(key.second, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
}

static void reads_its_own_public_pem(void)
{
    struct public_key first;
    CHECK(read_key(ec_pem) == 0);
    first = key;
    CHECK(read_key(first.pem) == 0);
    CHECK_STR(key.first, first.first);
    CHECK_STR(key.pem, first.pem);
}

/* RFC 7515 appendices A.2 and A.3; their exp is 1300819380. */
static void verifies_the_published_tokens(void)
{
    static const char rs256[] =
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"
        "gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF"
        "80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
        "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO7"
        "5vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
        "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgG"
        "Y9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    static const char es256[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"
        "gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfU"
        "AqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    static struct token token;
    struct token_rules rules = {.iss = "joe", .now = 1300819000};
    CHECK(read_key(rsa_pem) == 0);
    struct token_key with = {"RS256", key.pem, strlen(key.pem)};
    CHECK(token_verify(rs256, strlen(rs256), &with, &rules, &token, &err) == 0);
    CHECK(token_verify(es256, strlen(es256), &with, &rules, &token, &err) < 0);
    CHECK(read_key(ec_pem) == 0);
    with = (struct token_key){"ES256", key.pem, strlen(key.pem)};
    CHECK(token_verify(es256, strlen(es256), &with, &rules, &token, &err) == 0);
    CHECK(token_verify(rs256, strlen(rs256), &with, &rules, &token, &err) < 0);
    rules.now = 1300819380;
    CHECK(token_verify(es256, strlen(es256), &with, &rules, &token, &err) < 0);
    CHECK_STR(err.code, TOKEN_EXPIRED);
}

static void refuses_what_cannot_be_used(void)
{
    static const char small[] = /* RSA of 1024 bits */
        "-----BEGIN PUBLIC KEY-----\n"
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQD0WrDlekYjmx/9nP0m0iL2SFIs\n"
        "IcYIWkBPmUCu1rpSoGmqGoLNfJ2lWrdoZStyEdNYrWpN8/xI0+wbK7mSPu9a0BBK\n"
        "1f81Av+esAM2iTIPDTeWFCRualYdbJivRAe21idqeHQeLmspW8j0qAkDb/OBS9X1\n"
        "PtDVfJ4s142Nt6OkjQIDAQAB\n"
        "-----END PUBLIC KEY-----\n";
    static const char curve[] = /* on P-384 */
        "-----BEGIN PUBLIC KEY-----\n"
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEN/WvxCRzNypEZrAHI2A16E8EQEtjAwlD\n"
        "NbEtvJIekUml1SWSA9qZWbtoT9arDaUsgMZR56dpz7pWf2A7U0Dk+at0ur73rdJg\n"
        "Ixlgt3NQFbNG00pLiy3X/RTTW5llEl8G\n"
        "-----END PUBLIC KEY-----\n";
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj/hIpm9hUyHAICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEM8A9wfrYQ0WOIRaxoEdO1gEgZAM\n"
        "ewmvHUQTrmu+YzZecFitEG6s5Bc+9auE+JME1DgBPY+c57yVZobv2hgdkbHrDLhD\n"
        "OYAIA0pgYwbN6OBj2ClI1kkbYDYkhMlWN0ybn0HbC6RzSEymRWlQkINLq7dad04u\n"
        "mWMvjmSKeBifkXehSa7K5GrYxZmxzC7htwgDoNXsbFGgM/oNwTkw8XqgNzf2nXE=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    const char *texts[] = {
        "", "-----BEGIN PUBLIC KEY-----\n", "secret", small, curve, encrypted};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK(read_key(texts[i]) < 0);
        CHECK_STR(err.code, ERR_INVALID);
    }
}

int main(void)
{
    RUN(reads_the_published_rsa_key);
    RUN(reads_the_published_ec_key);
    RUN(reads_its_own_public_pem);
    RUN(verifies_the_published_tokens);
    RUN(refuses_what_cannot_be_used);
    return check_result("public_key");
}
