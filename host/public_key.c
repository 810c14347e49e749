#include "public_key.h"
#include "crypto.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

enum {
    RSA_BITS_MIN = 2048,
    P256_BYTES = 32,
    NUMBER_BYTES_MAX = PUBLIC_KEY_NUMBER_MAX / 4 * 3 - 3
};

/* Asked for the passphrase of an encrypted key: there is none. Without it OpenSSL would ask on
 * the terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

static EVP_PKEY *read_pem(const char *pem, size_t len)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (key)
        return key;
    bio = BIO_new_mem_buf(pem, (int)len);
    key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

/* A number of the key as base64url of exactly `bytes` bytes, or of as many as it has for 0. */
static int put_number(const EVP_PKEY *key, const char *name, int bytes, char *out)
{
    unsigned char raw[NUMBER_BYTES_MAX];
    BIGNUM *number = NULL;
    int rc = -1;
    if (!EVP_PKEY_get_bn_param(key, name, &number))
        return -1;
    int len = bytes ? bytes : BN_num_bytes(number);
    if (len <= NUMBER_BYTES_MAX && BN_bn2binpad(number, raw, len) == len) {
        out[crypto_base64url(raw, (size_t)len, out)] = '\0';
        rc = 0;
    }
    BN_free(number);
    return rc;
}

static int put_rsa(const EVP_PKEY *key, struct public_key *out)
{
    out->alg = "RS256";
    if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
        return -1;
    return put_number(key, OSSL_PKEY_PARAM_RSA_N, 0, out->first) < 0 ||
                   put_number(key, OSSL_PKEY_PARAM_RSA_E, 0, out->second) < 0
               ? -1
               : 0;
}

static int put_ec(const EVP_PKEY *key, struct public_key *out)
{
    char curve[32] = "";
    out->alg = "ES256";
    if (!EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve,
                                        sizeof(curve), NULL) ||
        strcmp(curve, "prime256v1") != 0)
        return -1;
    return put_number(key, OSSL_PKEY_PARAM_EC_PUB_X, P256_BYTES, out->first) < 0 ||
                   put_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, P256_BYTES, out->second) < 0
               ? -1
               : 0;
}

static int put_pem(EVP_PKEY *key, char out[PUBLIC_KEY_PEM_MAX])
{
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    int rc = -1;
    if (bio && PEM_write_bio_PUBKEY(bio, key)) {
        long len = BIO_get_mem_data(bio, &text);
        if (len > 0 && len < PUBLIC_KEY_PEM_MAX) {
            memcpy(out, text, (size_t)len);
            out[len] = '\0';
            rc = 0;
        }
    }
    BIO_free(bio);
    return rc;
}

int public_key_read(const char *pem, size_t len, struct public_key *out, struct err *err)
{
    int rc = -1;
    EVP_PKEY *key = len <= PUBLIC_KEY_PEM_MAX ? read_pem(pem, len) : NULL;
    int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    if (kind == EVP_PKEY_RSA)
        rc = put_rsa(key, out);
    else if (kind == EVP_PKEY_EC)
        rc = put_ec(key, out);
    if (rc == 0)
        rc = put_pem(key, out->pem);
    EVP_PKEY_free(key);
    ERR_clear_error(); /* what OpenSSL noted would puzzle the next user of this thread */
    return rc == 0
               ? 0
               : err_set(err, ERR_INVALID,
                         "a PEM with an RSA key of at least 2048 bits, or one on P-256, "
                         "is needed, not encrypted");
}
