/* Lua: host.jwt
 *
 *   jwt.sign(claims, {alg, key, kid}) -> token | nil, err
 *       claims: a JSON object as text; alg: "HS256" "RS256" "ES256" ... ("HS256" unless
 * given); key: a shared secret of 32 bytes or more, or a private key as PEM
 *   jwt.verify(token, {alg, key, iss, aud, leeway, now}) -> claims, header | nil, err
 *       both JSON texts; key: the shared secret, or the public key as PEM. alg is what
 * the token must say, never what it chooses. exp is required; iss and aud must be the
 * claims when given; a token with an aud is refused when none is given. leeway (0) and
 * now are in seconds. err.code EXPIRED for a genuine token whose time is over, else
 * INVALID jwt.header(token) -> header | nil, err the header as JSON text, unverified: to
 * choose the key by its kid, for nothing else
 *   jwt.public_key(pem) -> {alg, pem, jwk} | nil, err
 *       of a private or a public key as PEM: "RS256" or "ES256", the public PEM for verify, and
 * the members of its JWK {kty, n, e} or {kty, crv, x, y}
 */
#include "lua_bindings.h"
#include "lua_util.h"
#include "public_key.h"
#include "token.h"
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* The texts live as long as the options at `arg`. */
static struct token_key check_key(lua_State *L, int arg)
{
    struct token_key key = {.alg = opt_string(L, arg, "alg", "HS256", NULL)};
    key.data = opt_string(L, arg, "key", NULL, &key.len);
    if (!key.data)
        luaL_argerror(L, arg, "a key is required");
    return key;
}

static int l_sign(lua_State *L)
{
    size_t len;
    char out[TOKEN_MAX + 1];
    struct err err;
    const char *claims = luaL_checklstring(L, 1, &len);
    struct token_key key = check_key(L, 2);
    const char *kid = opt_string(L, 2, "kid", NULL, NULL);
    if (token_sign(&key, kid, claims, len, out, &err) < 0)
        return lua_fail(L, &err);
    lua_pushstring(L, out);
    return 1;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int l_verify(lua_State *L)
{
    size_t len;
    struct err err;
    struct token token;
    const char *text = luaL_checklstring(L, 1, &len);
    struct token_key key = check_key(L, 2);
    struct token_rules rules = {
        .iss = opt_string(L, 2, "iss", NULL, NULL),
        .aud = opt_string(L, 2, "aud", NULL, NULL),
        .leeway = opt_number(L, 2, "leeway", 0),
        .now = opt_number(L, 2, "now", now_seconds()),
    };
    if (token_verify(text, len, &key, &rules, &token, &err) < 0)
        return lua_fail(L, &err);
    lua_pushlstring(L, token.claims, token.claims_len);
    lua_pushlstring(L, token.header, token.header_len);
    return 2;
}

static int l_header(lua_State *L)
{
    size_t len;
    struct err err;
    struct token token;
    const char *text = luaL_checklstring(L, 1, &len);
    if (token_header(text, len, &token, &err) < 0)
        return lua_fail(L, &err);
    lua_pushlstring(L, token.header, token.header_len);
    return 1;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static int l_public_key(lua_State *L)
{
    size_t len;
    struct public_key key;
    struct err err;
    const char *pem = luaL_checklstring(L, 1, &len);
    if (public_key_read(pem, len, &key, &err) < 0)
        return lua_fail(L, &err);
    bool is_rsa = strcmp(key.alg, "RS256") == 0;
    lua_createtable(L, 0, 3);
    set_text(L, "alg", key.alg);
    set_text(L, "pem", key.pem);
    lua_createtable(L, 0, 4);
    set_text(L, "kty", is_rsa ? "RSA" : "EC");
    if (!is_rsa)
        set_text(L, "crv", "P-256");
    set_text(L, is_rsa ? "n" : "x", key.first);
    set_text(L, is_rsa ? "e" : "y", key.second);
    lua_setfield(L, -2, "jwk");
    return 1;
}

static const luaL_Reg functions[] = {
    {"sign", l_sign},     {"verify", l_verify},
    {"header", l_header}, {"public_key", l_public_key},
    {NULL, NULL},
};

int luaopen_host_jwt(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
