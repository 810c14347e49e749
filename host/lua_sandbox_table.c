/* table.concat, insert, remove and sort. They read and write without metamethods, refuse tables
 * that are read-only, and charge for each element. */
#include "lua_sandbox_vm.h"

enum {
    STRING_MAX = SANDBOX_STRING_MAX,
    SORT_MAX = 1 << 20,
    MOVES_AT_ONCE = 1024, /* charged together */
};

/* t[to] = t[from] for tables at these places of the stack. */
static void move(lua_State *L, int from_table, int from, int to_table, int to)
{
    if (from % MOVES_AT_ONCE == 0)
        sandbox_charge(L, MOVES_AT_ONCE);
    lua_rawgeti(L, from_table, from);
    lua_rawseti(L, to_table, to);
}

/* An element or the separator as text, on the stack top; adds to the length so far. */
static void concat_piece(lua_State *L, luaL_Buffer *buffer, size_t *total)
{
    size_t len = lua_objlen(L, -1);
    *total += len;
    if (*total > STRING_MAX)
        luaL_error(L, "the text would be longer than %d bytes", STRING_MAX);
    sandbox_charge(L, 2 + (unsigned)len / 32);
    luaL_addvalue(buffer);
}

static int l_concat(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_optstring(L, 2, "");
    int first = sandbox_opt_integer(L, 3, 1);
    int last = sandbox_opt_integer(L, 4, (int)lua_objlen(L, 1));
    size_t total = 0;
    luaL_Buffer buffer;
    lua_settop(L, 2); /* the buffer's pieces lie above */
    luaL_buffinit(L, &buffer);
    for (long i = first; i <= last; i++) {
        lua_rawgeti(L, 1, (int)i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (a %s) at index %d for 'concat'",
                              luaL_typename(L, -1), (int)i);
        lua_tostring(L, -1);
        concat_piece(L, &buffer, &total);
        if (i < last && !lua_isnil(L, 2)) {
            lua_pushvalue(L, 2);
            lua_tostring(L, -1);
            concat_piece(L, &buffer, &total);
        }
    }
    luaL_pushresult(&buffer);
    return 1;
}

static int l_insert(lua_State *L)
{
    sandbox_check_writable(L, 1);
    sandbox_charge(L, 4);
    int count = (int)lua_objlen(L, 1), at = count + 1;
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3:
        at = sandbox_check_integer(L, 2);
        luaL_argcheck(L, at >= 1 && at <= count + 1, 2, "position out of bounds");
        for (int i = count; i >= at; i--)
            move(L, 1, i, 1, i + 1);
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int l_remove(lua_State *L)
{
    sandbox_check_writable(L, 1);
    int count = (int)lua_objlen(L, 1);
    int at = sandbox_opt_integer(L, 2, count);
    if (at < 1 || at > count)
        return 0;
    sandbox_charge(L, 4);
    lua_rawgeti(L, 1, at);
    for (; at < count; at++)
        move(L, 1, at + 1, 1, at);
    lua_pushnil(L);
    lua_rawseti(L, 1, count);
    return 1;
}

/* The stack while sorting: 1 the table, 2 the comparator or nil, 3 the spare table. */
enum { TABLE = 1, COMPARE = 2, SPARE = 3 };

/* Whether the value on top comes before the one below it; keeps both. */
static bool comes_before(lua_State *L)
{
    if (lua_isnil(L, COMPARE)) {
        if (lua_type(L, -1) == LUA_TSTRING)
            sandbox_charge(L, (unsigned)lua_objlen(L, -1) / 32);
        return lua_lessthan(L, -1, -2);
    }
    lua_pushvalue(L, COMPARE);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    sandbox_callback(L, 2, 1);
    bool before = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return before;
}

/* Merges [low, middle) and [middle, high) of `from` into `to`: stable, and what a comparator
 * answers can neither make it slow nor lead it out of the table. */
static void merge(lua_State *L, int from, int to, int low, int middle, int high)
{
    int left = low, right = middle;
    for (int out = low; out < high; out++) {
        bool take_right = left == middle;
        sandbox_charge(L, 4);
        if (left < middle && right < high) {
            lua_rawgeti(L, from, left);
            lua_rawgeti(L, from, right);
            take_right = comes_before(L);
            lua_pop(L, 2);
        }
        lua_rawgeti(L, from, take_right ? right++ : left++);
        lua_rawseti(L, to, out);
    }
}

static int l_sort(lua_State *L)
{
    sandbox_check_writable(L, TABLE);
    if (!lua_isnoneornil(L, COMPARE))
        luaL_checktype(L, COMPARE, LUA_TFUNCTION);
    int count = (int)lua_objlen(L, TABLE);
    luaL_argcheck(L, count <= SORT_MAX, 1, "too many elements to sort");
    lua_settop(L, COMPARE);
    lua_createtable(L, count, 0);
    int from = TABLE, to = SPARE;
    for (int width = 1; width < count; width *= 2) {
        for (int low = 1; low <= count; low += 2 * width) {
            int middle = low + width < count + 1 ? low + width : count + 1;
            int high = middle + width < count + 1 ? middle + width : count + 1;
            merge(L, from, to, low, middle, high);
        }
        from = to;
        to = from == TABLE ? SPARE : TABLE;
    }
    for (int i = 1; from == SPARE && i <= count; i++)
        move(L, SPARE, i, TABLE, i);
    return 0;
}

void sandbox_push_table(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"concat", l_concat}, {"insert", l_insert}, {"remove", l_remove},
        {"sort", l_sort},     {NULL, NULL},
    };
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    sandbox_push_read_only(L);
}
