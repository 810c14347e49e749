/* Lua: host.crypto. "bytes" are strings.
 *
 *   crypto.random(n) -> bytes
 *   crypto.hash(alg, data) -> bytes              alg: "sha1" "sha256" "sha512"
 *   crypto.digest(alg, data, n) -> text          the first n bytes of the hash, as hex; the data may
 *                                                be an array of texts, hashed as one
 *   crypto.hmac(alg, key, data) -> bytes
 *   crypto.equal(a, b) -> boolean                in constant time
 *   crypto.hex(bytes) -> text                    crypto.unhex(text) -> bytes | nil, err
 *   crypto.base64(bytes) -> text                 crypto.unbase64(text) -> bytes | nil,
 * err crypto.base64url(bytes) -> text              crypto.unbase64url(text) -> bytes |
 * nil, err crypto.encrypt(key, plain, aad|nil) -> sealed              AES-256-GCM, key of
 * 32 bytes crypto.decrypt(key, sealed, aad|nil) -> plain | nil, err   the same aad
 *   crypto.password_hash(password, cost) -> "$2b$..." | nil, err         (waits)
 *   crypto.password_verify(password, hash) -> boolean | nil, err         (waits)
 *
 * err.code: INVALID for bytes that are not what they should be, a password of more than
 * 72 bytes and a hash that is not bcrypt; BUSY when too many passwords wait already. */
#include "buf.h"
#include "crypto.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_util.h"
#include "lua_vm.h"
#include "mem.h"
#include "password.h"
#include "work.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RANDOM_MAX = 64 * 1024 };

static enum crypto_hash check_hash(lua_State *L, int arg)
{
    int hash = crypto_hash_parse(luaL_checkstring(L, arg));
    if (hash < 0)
        luaL_argerror(L, arg, "sha1, sha256 or sha512 expected");
    return (enum crypto_hash)hash;
}

static const unsigned char *check_key(lua_State *L, int arg)
{
    size_t len;
    const char *key = luaL_checklstring(L, arg, &len);
    luaL_argcheck(L, len == CRYPTO_KEY, arg, "a key of 32 bytes expected");
    return (const unsigned char *)key;
}

/* Room on the stack for results; userdata, so that an error frees it. */
static void *room(lua_State *L, size_t len)
{
    return lua_newuserdata(L, len ? len : 1);
}

static int l_random(lua_State *L)
{
    lua_Number len = luaL_checknumber(L, 1);
    luaL_argcheck(L, len >= 0 && len <= RANDOM_MAX, 1, "0 to 65536 bytes");
    char *out = room(L, (size_t)len);
    crypto_random(out, (size_t)len);
    lua_pushlstring(L, out, (size_t)len);
    return 1;
}

static int l_hash(lua_State *L)
{
    size_t len;
    unsigned char out[CRYPTO_HASH_MAX];
    enum crypto_hash hash = check_hash(L, 1);
    const char *data = luaL_checklstring(L, 2, &len);
    lua_pushlstring(L, (const char *)out, crypto_hash(hash, data, len, out));
    return 1;
}

/* The texts of an array as one, until the next call; the loop's thread alone comes here. */
static const char *joined(lua_State *L, int list, size_t *len)
{
    static struct buf text;
    int count = (int)lua_objlen(L, list);
    buf_clear(&text);
    for (int i = 1; i <= count; i++) {
        size_t part_len;
        lua_rawgeti(L, list, i);
        const char *part = luaL_checklstring(L, -1, &part_len);
        buf_append(&text, part, part_len);
        lua_pop(L, 1);
    }
    *len = text.len;
    return text.len ? text.data : "";
}

static int l_digest(lua_State *L)
{
    size_t len;
    unsigned char hash[CRYPTO_HASH_MAX];
    char text[2 * CRYPTO_HASH_MAX + 4];
    enum crypto_hash kind = check_hash(L, 1);
    const char *data =
        lua_istable(L, 2) ? joined(L, 2, &len) : luaL_checklstring(L, 2, &len);
    lua_Number wanted = luaL_checknumber(L, 3);
    size_t made = crypto_hash(kind, data, len, hash);
    luaL_argcheck(L, wanted >= 1 && wanted <= (lua_Number)made, 3,
                  "more bytes than the hash has");
    lua_pushlstring(L, text, crypto_hex(hash, (size_t)wanted, text));
    return 1;
}

static int l_hmac(lua_State *L)
{
    size_t key_len, len;
    unsigned char out[CRYPTO_HASH_MAX];
    enum crypto_hash hash = check_hash(L, 1);
    const char *key = luaL_checklstring(L, 2, &key_len);
    const char *data = luaL_checklstring(L, 3, &len);
    lua_pushlstring(L, (const char *)out,
                    crypto_hmac(hash, key, key_len, data, len, out));
    return 1;
}

static int l_equal(lua_State *L)
{
    size_t a_len, b_len;
    const char *a = luaL_checklstring(L, 1, &a_len), *b = luaL_checklstring(L, 2, &b_len);
    lua_pushboolean(L, crypto_equal(a, a_len, b, b_len));
    return 1;
}

static int encode(lua_State *L, size_t (*write)(const void *, size_t, char *))
{
    size_t len;
    const char *data = luaL_checklstring(L, 1, &len);
    char *out = room(L, 2 * len + 4); /* enough for each of them */
    lua_pushlstring(L, out, write(data, len, out));
    return 1;
}

static int decode(lua_State *L, long (*read)(const char *, size_t, unsigned char *),
                  const char *what)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    unsigned char *out = room(L, len);
    long out_len = read(text, len, out);
    if (out_len < 0)
        return lua_fail_code(L, ERR_INVALID, "not %s", what);
    lua_pushlstring(L, (const char *)out, (size_t)out_len);
    return 1;
}

static int l_hex(lua_State *L)
{
    return encode(L, crypto_hex);
}

static int l_unhex(lua_State *L)
{
    return decode(L, crypto_unhex, "hex");
}

static int l_base64(lua_State *L)
{
    return encode(L, crypto_base64);
}

static int l_unbase64(lua_State *L)
{
    return decode(L, crypto_unbase64, "base64");
}

static int l_base64url(lua_State *L)
{
    return encode(L, crypto_base64url);
}

static int l_unbase64url(lua_State *L)
{
    return decode(L, crypto_unbase64url, "base64url");
}

static int l_encrypt(lua_State *L)
{
    size_t len, aad_len = 0;
    const unsigned char *key = check_key(L, 1);
    const char *plain = luaL_checklstring(L, 2, &len);
    const char *aad = luaL_optlstring(L, 3, NULL, &aad_len);
    unsigned char *out = room(L, len + CRYPTO_SEAL);
    crypto_seal(key, plain, len, aad, aad_len, out);
    lua_pushlstring(L, (const char *)out, len + CRYPTO_SEAL);
    return 1;
}

static int l_decrypt(lua_State *L)
{
    size_t len, aad_len = 0;
    struct err err;
    const unsigned char *key = check_key(L, 1);
    const char *sealed = luaL_checklstring(L, 2, &len);
    const char *aad = luaL_optlstring(L, 3, NULL, &aad_len);
    unsigned char *out = room(L, len);
    if (crypto_open(key, sealed, len, aad, aad_len, out, &err) < 0)
        return lua_fail(L, &err);
    lua_pushlstring(L, (const char *)out, len - CRYPTO_SEAL);
    return 1;
}

/* A password on its way through the thread pool. The loop owns it until work_submit and
 * again from on_done, which frees it. */
struct passing {
    struct task *task;     /* NULL once cancelled */
    atomic_bool cancelled; /* tells the thread not to start */
    char password[PASSWORD_MAX + 1];
    size_t len;
    char hash[PASSWORD_HASH + 1]; /* given to verify, else the result */
    size_t hash_len;              /* given to verify */
    int cost;                     /* 0: verify */
    int result;
    struct err err;
};

static void run_password(void *arg)
{
    struct passing *p = arg;
    if (atomic_load(&p->cancelled))
        return;
    p->result = p->cost
                    ? password_hash(p->password, p->len, p->cost, p->hash, &p->err)
                    : password_verify(p->password, p->len, p->hash, p->hash_len, &p->err);
}

static int push_password(lua_State *L, void *op)
{
    struct passing *p = op;
    if (p->result < 0)
        return lua_fail(L, &p->err);
    if (p->cost)
        lua_pushlstring(L, p->hash, PASSWORD_HASH);
    else
        lua_pushboolean(L, p->result);
    return 1;
}

static void free_password(struct passing *p)
{
    crypto_wipe(p, sizeof(*p));
    free(p);
}

static void on_password(void *arg, bool ran)
{
    struct passing *p = arg;
    if (!ran)
        p->result = err_set(&p->err, ERR_CLOSED, "the process ends");
    if (p->task)
        task_wake(p->task, push_password, p);
    free_password(p);
}

static void cancel_password(void *op)
{
    struct passing *p = op;
    p->task = NULL;
    atomic_store(&p->cancelled, true);
}

/* `hash` NULL: make one of `cost`. */
static int pass(lua_State *L, const char *password, size_t len, const char *hash,
                size_t hash_len, int cost)
{
    struct err err;
    struct work *work = vm_host(L)->work;
    struct task *task = task_current(L);
    if (!work)
        return luaL_error(L, "this process has no thread pool");
    if (len > PASSWORD_MAX)
        return lua_fail_code(L, ERR_INVALID, "the password is longer than %d bytes",
                             PASSWORD_MAX);
    if (hash && hash_len != PASSWORD_HASH)
        return lua_fail_code(L, ERR_INVALID, "not a bcrypt hash");
    struct passing *p = mem_new(sizeof(*p));
    p->task = task;
    p->len = len;
    p->cost = cost;
    memcpy(p->password, password, len);
    if (hash) {
        p->hash_len = hash_len;
        memcpy(p->hash, hash, hash_len);
    }
    if (work_submit(work, run_password, on_password, p, &err) < 0) {
        free_password(p);
        return lua_fail(L, &err);
    }
    return task_wait(L, cancel_password, p);
}

static int l_password_hash(lua_State *L)
{
    size_t len;
    const char *password = luaL_checklstring(L, 1, &len);
    int cost = luaL_checkint(L, 2);
    luaL_argcheck(L, cost >= PASSWORD_COST_MIN && cost <= PASSWORD_COST_MAX, 2,
                  "cost out of range");
    return pass(L, password, len, NULL, 0, cost);
}

static int l_password_verify(lua_State *L)
{
    size_t len, hash_len;
    const char *password = luaL_checklstring(L, 1, &len);
    const char *hash = luaL_checklstring(L, 2, &hash_len);
    return pass(L, password, len, hash, hash_len, 0);
}

static const luaL_Reg functions[] = {
    {"random", l_random},
    {"hash", l_hash},
    {"digest", l_digest},
    {"hmac", l_hmac},
    {"equal", l_equal},
    {"hex", l_hex},
    {"unhex", l_unhex},
    {"base64", l_base64},
    {"unbase64", l_unbase64},
    {"base64url", l_base64url},
    {"unbase64url", l_unbase64url},
    {"encrypt", l_encrypt},
    {"decrypt", l_decrypt},
    {"password_hash", l_password_hash},
    {"password_verify", l_password_verify},
    {NULL, NULL},
};

int luaopen_host_crypto(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
