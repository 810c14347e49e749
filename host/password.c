/* crypt_r with its 32 KB of state on the heap, wiped afterwards. The setting decides
 * which of libxcrypt's algorithms runs, DES included: only complete bcrypt hashes get
 * that far. */
#include "password.h"
#include "crypto.h"
#include "mem.h"
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

enum { SALT_BYTES = 16 };

static int check_password(const char *password, size_t len, struct err *err)
{
    if (len > PASSWORD_MAX)
        return err_set(err, ERR_INVALID, "the password is longer than %d bytes",
                       PASSWORD_MAX);
    if (memchr(password, '\0', len))
        return err_set(err, ERR_INVALID, "the password contains a NUL");
    return 0;
}

static bool is_bcrypt(const char *hash, size_t len)
{
    static const char letters[] =
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    return len == PASSWORD_HASH && hash[0] == '$' && hash[1] == '2' &&
           (hash[2] == 'a' || hash[2] == 'b' || hash[2] == 'y') && hash[3] == '$' &&
           strspn(hash + 4, "0123456789") == 2 && hash[6] == '$' &&
           strspn(hash + 7, letters) == PASSWORD_HASH - 7;
}

/* `password` is as checked above but may lack the NUL; `setting` is a salt or a hash. */
static int run_crypt(const char *password, size_t len, const char *setting,
                     char out[PASSWORD_HASH + 1], struct err *err)
{
    struct crypt_data *data = mem_new(sizeof(*data));
    char phrase[PASSWORD_MAX + 1];
    memcpy(phrase, password, len);
    phrase[len] = '\0';
    const char *result = crypt_r(phrase, setting, data);
    int rc = 0;
    if (result && is_bcrypt(result, strlen(result)))
        memcpy(out, result, PASSWORD_HASH + 1);
    else
        rc = err_set(err, ERR_INVALID, "the password hash has no valid setting");
    crypto_wipe(phrase, sizeof(phrase));
    crypto_wipe(data, sizeof(*data));
    free(data);
    return rc;
}

int password_hash(const char *password, size_t len, int cost, char out[PASSWORD_HASH + 1],
                  struct err *err)
{
    char random[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (check_password(password, len, err) < 0)
        return -1;
    if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
        return err_set(err, ERR_INVALID, "the cost is not in %d..%d", PASSWORD_COST_MIN,
                       PASSWORD_COST_MAX);
    crypto_random(random, sizeof(random));
    if (!crypt_gensalt_rn("$2b$", (unsigned long)cost, random, sizeof(random), setting,
                          sizeof(setting)))
        return err_set(err, ERR_INTERNAL, "crypt_gensalt failed");
    return run_crypt(password, len, setting, out, err);
}

int password_verify(const char *password, size_t len, const char *hash, size_t hash_len,
                    struct err *err)
{
    char expected[PASSWORD_HASH + 1], actual[PASSWORD_HASH + 1];
    if (check_password(password, len, err) < 0)
        return -1;
    if (!memchr(hash, '\0', hash_len) && hash_len == PASSWORD_HASH) {
        memcpy(expected, hash, hash_len);
        expected[hash_len] = '\0';
    } else {
        expected[0] = '\0';
    }
    if (!is_bcrypt(expected, strlen(expected)))
        return err_set(err, ERR_INVALID, "not a bcrypt hash");
    int cost = atoi(expected + 4);
    if (cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
        return err_set(err, ERR_INVALID, "the cost is not in %d..%d", PASSWORD_COST_MIN,
                       PASSWORD_COST_MAX);
    if (run_crypt(password, len, expected, actual, err) < 0)
        return -1;
    return crypto_equal(expected, PASSWORD_HASH, actual, PASSWORD_HASH);
}
