/* next and pairs. LuaJIT's order of keys differs from state to state, and with it would the order of
 * what a rule does: of its calls, which a retry has to repeat, and of decisions, which are compared.
 * So pairs goes through the keys of a table in order: numbers, texts, the others as they lie. */
#include "lua_sandbox_vm.h"
#include <stdlib.h>
#include <string.h>

enum {
    ORDERED_MAX = 1000
}; /* keys; beyond that as they lie: a rule may call no more often */

struct key {
    int rank;
    uint32_t at; /* in the table of keys, from 1 */
    lua_Number number;
    const char *text; /* of the key, which the table of keys holds */
    size_t len;
};

/* Tables that hold nothing but empty slots are slow to walk: hence the clock. */
static int l_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    sandbox_charge_clock(L);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int compare(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    if (left->rank != right->rank)
        return left->rank - right->rank;
    if (left->rank == 0 && left->number != right->number)
        return left->number < right->number ? -1 : 1;
    size_t shorter = left->len < right->len ? left->len : right->len;
    int order = left->rank == 1 ? memcmp(left->text, right->text, shorter) : 0;
    if (order)
        return order;
    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    return left->at < right->at ? -1 : 1;
}

/* How many keys the table at 1 has, up to one more than are put in order; 0 when they need not be:
 * a list goes by its numbers anyhow. */
static size_t count_keys(lua_State *L)
{
    size_t count = 0, length = lua_objlen(L, 1);
    bool list = true;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        list = list && lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) >= 1 &&
               lua_tonumber(L, -1) <= (lua_Number)length;
        if (++count > ORDERED_MAX) {
            lua_pop(L, 1);
            return 0;
        }
    }
    return list ? 0 : count;
}

/* The key on top of the stack. */
static struct key key_of(lua_State *L, uint32_t at)
{
    struct key key = {.rank = 2, .at = at};
    if (lua_type(L, -1) == LUA_TNUMBER) {
        key.rank = 0;
        key.number = lua_tonumber(L, -1);
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        key.rank = 1;
        key.text = lua_tolstring(L, -1, &key.len);
    }
    return key;
}

/* Upvalues: the keys as they lie, their order, how many, where it stands. A key that was taken out
 * meanwhile is passed over. */
static int next_key(lua_State *L)
{
    const struct key *order = lua_touserdata(L, lua_upvalueindex(2));
    lua_Integer count = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(4));
    sandbox_charge(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    for (; at < count; at++) {
        lua_rawgeti(L, lua_upvalueindex(1), (int)order[at].at);
        lua_pushvalue(L, -1);
        lua_rawget(L, 1);
        if (!lua_isnil(L, -1))
            break;
        lua_pop(L, 2);
    }
    lua_pushinteger(L, at + 1);
    lua_replace(L, lua_upvalueindex(4));
    if (at < count)
        return 2;
    lua_pushnil(L);
    return 1;
}

static void push_ordered(lua_State *L, size_t count)
{
    lua_createtable(L, (int)count, 0);
    struct key *order = lua_newuserdata(L, count * sizeof(*order));
    uint32_t at = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, 2, (int)++at);
        order[at - 1] = key_of(L, at);
    }
    sandbox_charge(L, 8 * (unsigned)count);
    qsort(order, count, sizeof(*order), compare);
    lua_pushinteger(L, (lua_Integer)count);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_key, 4);
}

static int l_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sandbox_charge_clock(L);
    size_t count = count_keys(L);
    if (count)
        push_ordered(L, count);
    else
        lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

void sandbox_add_pairs(lua_State *L)
{
    lua_pushcfunction(L, l_next);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "next");
    lua_pushcclosure(L, l_pairs, 1);
    lua_setfield(L, -2, "pairs");
}
