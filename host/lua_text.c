/* Lua: host.text - what is asked of every text that comes from outside
 *
 *   text.is_utf8(text) -> boolean      no overlong forms, no surrogates, at most U+10FFFF
 *   text.length(text) -> number        of characters: bytes but those that continue one
 *   text.has_controls(text) -> boolean any of U+0000 to U+001F but tab and line ends, or U+007F
 */
#include "lua_bindings.h"
#include "lua_util.h"
#include "plain.h"
#include "utf8.h"

static int l_is_utf8(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_pushboolean(L, utf8_valid(text, len));
    return 1;
}

static int l_length(lua_State *L)
{
    size_t len, characters = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    for (size_t i = 0; i < len; i++)
        characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    lua_pushnumber(L, (lua_Number)characters);
    return 1;
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
}

static int l_has_controls(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len), *at = text, *end = text + len;
    while ((at = plain_run(at, end)) < end && !is_control(*at))
        at++;
    lua_pushboolean(L, at < end || memchr(text, 0x7f, len));
    return 1;
}

static const luaL_Reg functions[] = {
    {"is_utf8", l_is_utf8},
    {"length", l_length},
    {"has_controls", l_has_controls},
    {NULL, NULL},
};

int luaopen_host_text(lua_State *L)
{
    lua_module(L, functions);
    return 1;
}
