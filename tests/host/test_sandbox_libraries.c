/* The libraries of scripts: what they share with LuaJIT's own they do as it does. */
#include "sandbox_test.h"
#include <lauxlib.h>
#include <lualib.h>

#define JOIN                                                                             \
    "return (function(...) local out = {} for i = 1, select('#', ...) do "               \
    "out[i] = tostring((select(i, ...))) end return table.concat(out, '|') end)"

/* As the sandbox gives it, computed by LuaJIT with its own libraries. */
static const char *expected(lua_State *L, const char *expression)
{
    static struct buf out;
    size_t len;
    lua_settop(L, 0);
    lua_pushfstring(L, JOIN "(%s)", expression);
    if (luaL_loadstring(L, lua_tostring(L, -1)) != 0 || lua_pcall(L, 0, 1, 0) != 0)
        return lua_tostring(L, -1);
    const char *text = lua_tolstring(L, -1, &len);
    buf_clear(&out);
    buf_puts(&out, "{\"value\":");
    buf_json_string(&out, text, len);
    buf_puts(&out, ",\"log\":[]}");
    return buf_cstr(&out);
}

static const char *const expressions[] = {
    "('hello world'):find('wor')",
    "('hello world'):find('o', 6)",
    "('hello world'):find('o', -3)",
    "('hello world'):find('o', 100)",
    "('hello world'):find('', 100)",
    "('hello world'):find('', -100)",
    "('hello'):find('')",
    "('a.b'):find('.', 1, true)",
    "('a.b'):find('%.')",
    "('a.b'):find('.b', 2, true)",
    "('aXb'):find('(%u)')",
    "('key = value'):match('^(%w+)%s*=%s*(%w+)$')",
    "('key = value'):match('()=()')",
    "('  trim  '):match('^%s*(.-)%s*$')",
    "('2026-11-21'):match('(%d+)-(%d+)-(%d+)')",
    "('abc'):match('b', 3)",
    "('THE (quick) fox'):find('%((%a+)%)')",
    "('f(a(b)c)d'):match('%b()')",
    "('THE (quick) fox'):gsub('%f[%a]%a+', 'w')",
    "('hello world'):gsub('o', '0')",
    "('hello world'):gsub('o', '0', 1)",
    "('hello world'):gsub('o', '0', 0)",
    "('hello world'):gsub('o', '0', -1)",
    "('hello'):gsub('', '-')",
    "('hello'):gsub('l*', 'x')",
    "('abc'):gsub('%w', '%0%0')",
    "('abc def'):gsub('(%w+) (%w+)', '%2 %1')",
    "('abc'):gsub('%w', '%%')",
    "('abc'):gsub('^a', 'x')",
    "('aaa'):gsub('^a', 'x')",
    "('$name is $age'):gsub('%$(%w+)', {name = 'Ann', age = 7})",
    "('$name is $age'):gsub('%$(%w+)', {name = 'Ann'})",
    "('abc'):gsub('%w', function(c) if c == 'b' then return 'B' end end)",
    "('abc'):gsub('(a)(b)', function(a, b) return b .. a end)",
    "('abc'):gsub('b', 5)",
    "('abc'):gsub('()', '%1')",
    "(function() local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do "
    "t[#t + 1] = k .. v end return unpack(t) end)()",
    "(function() local t = {} for w in ('abc'):gmatch('') do t[#t + 1] = w end "
    "return #t end)()",
    "(function() local t = {} for p in ('abc'):gmatch('()') do t[#t + 1] = p end "
    "return unpack(t) end)()",
    "(function() local t = {} for w in ('a^b'):gmatch('^b') do t[#t + 1] = w end "
    "return unpack(t) end)()",
    "('x'):rep(3), ('ab'):rep(0), ('ab'):rep(-1), (''):rep(5)",
    "('abc'):byte(1, -1), ('abc'):sub(-2), ('abc'):upper(), ('aBc'):lower()",
    "('abc'):reverse(), ('abc'):len(), string.char(97, 98)",
    "string.format('%d %5d %-5d| %05d %+d % d', 1, 2, 3, 4, 5, 6)",
    "string.format('%i %u', -3, 3)",
    "string.format('%d %d', 3.0, -0.0)",
    "string.format('%x %X %#x %o', 255, 255, 255, 8)",
    "string.format('%x', -1)",
    "string.format('%c%c', 72, 105)",
    "string.format('%e %E %.3e', 12345.678, 12345.678, 12345.678)",
    "string.format('%f %.2f %10.3f|%-10.1f|', 3.14159, 3.14159, 3.14159, 3.14159)",
    "string.format('%g %g %g %G', 1e20, 0.1, 100000, 1e-10)",
    "string.format('%s %s %s', 'a', 1, true)",
    "string.format('%10s|%-10s|%.2s|%5.1s|', 'abc', 'abc', 'abc', 'abc')",
    "string.format('%q', 'a \"quoted\" \\\\ text\\nline\\r')",
    "string.format('%%')",
    "string.format('%5s%%', 50)",
    "string.format('%s', nil)",
    "string.format('%.14g', 0.1)",
    "string.format('%5.0f|%.0f', 1.5, 2.4)",
    "string.format('%d', '10')",
    "string.format('%s', 1e15), string.format('%s', 123456789012)",
    "tostring(1), tostring(0.1), tostring(1e100), tostring(-0.0), tostring(nil)",
    "tostring(1/0), tostring(-1/0)",
    "tonumber('10'), tonumber('0x10'), tonumber('ff', 16), tonumber(' 5 '), "
    "tonumber('x')",
    "tonumber('1e3'), tonumber(''), tonumber('8', 8)",
    "table.concat({1, 2, 3}), table.concat({1, 2, 3}, ', '), table.concat({}, 'x')",
    "table.concat({1, 2, 3}, '-', 2), table.concat({1, 2, 3}, '-', 2, 2)",
    "table.concat({1, 2, 3}, '-', 3, 2), table.concat({'a'}, 5)",
    "(function() local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) "
    "return unpack(t) end)()",
    "(function() local t = {1, 2, 3} return table.remove(t), table.remove(t, 1), #t, "
    "t[1] end)()",
    "(function() local t = {} return #t, table.remove(t) end)()",
    "(function() local t = {5, 2, 8, 1} table.sort(t) return unpack(t) end)()",
    "(function() local t = {'b', 'a', 'B', ''} table.sort(t) return unpack(t) end)()",
    "(function() local t = {5, 2, 8, 1} table.sort(t, function(a, b) return a > b end) "
    "return unpack(t) end)()",
    "(function() local t = {} table.sort(t) return #t end)()",
    "unpack({1, 2, 3}), unpack({1, 2, 3}, 2), unpack({1, 2, 3}, 2, 3), unpack({}, 1, 2)",
    "select('#'), select('#', nil, nil), select(2, 'a', 'b', 'c'), select(-1, 1, 2)",
    "next({}), next({5}), type(next), type(nil), type(unpack)",
    "(function() local n = 0 for _, v in pairs({1, 2, x = 3}) do n = n + v end "
    "return n end)()",
    "(function() local n = 0 for i, v in ipairs({1, 2, nil, 4}) do n = n + v end "
    "return n end)()",
    "math.floor(1.5), math.max(1, 2), math.huge, math.abs(-1), math.fmod(7, 3)",
    "bit.band(6, 3), bit.bor(6, 3), bit.bxor(6, 3), bit.lshift(1, 4), bit.tohex(255)",
    "assert(1, 2), (assert('x'))",
    "('x' .. 1 .. 2.5), 10 == '10', '10' + 5, 2 ^ 10, 7 % -3, -7 % 3",
};

static void are_as_luajits(void)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        struct buf body = {0};
        buf_printf(&body, JOIN "(%s)", expressions[i]);
        CHECK_STR(sandbox_eval(buf_cstr(&body)), expected(L, expressions[i]));
        buf_free(&body);
    }
    lua_close(L);
}

/* Bodies that raise unless all is well. */
static const char *const holds[] = {
    /* A sort is stable, and sorts whatever the length. */
    "for n = 0, 70 do local t = {} for i = 1, n do t[i] = {key = (i * 7) % 5, at = i} "
    "end "
    "table.sort(t, function(a, b) return a.key < b.key end) "
    "for i = 2, n do local a, b = t[i - 1], t[i] "
    "assert(a.key < b.key or (a.key == b.key and a.at < b.at), n) end end",
    /* A comparator that lies loses and doubles nothing. */
    "local t, sum = {}, 0 for i = 1, 100 do t[i] = i end "
    "table.sort(t, function(a, b) return (a * b) % 3 == 0 end) "
    "for i = 1, 100 do sum = sum + t[i] end assert(sum == 5050 and #t == 100)",
    "local t = json.decode('[3,1,2]') table.sort(t) table.insert(t, 4) "
    "assert(json.encode(t) == '[1,2,3,4]') table.remove(t, 1) assert(#t == 3)",
    "assert(json.encode({}) == '{}' and json.encode({1}) == '[1]')",
    "assert(json.decode('{\"a\":null}').a == null)",
    "local v, err = json.decode('{') assert(v == nil and err.code == 'INVALID')",
    "assert(string.format('%s', null) == 'null' and tostring({}) == 'table')",
    "local s = string.format('%99.99f', 1e308) assert(#s == 409)",
    "assert(#string.format('%99s', '') == 99 and #string.format('%-99s', 'x') == 99)",
    "assert(string.format('%s', 'a\\0b') == 'a\\0b')",
    "assert(string.format('%q', '\\0' .. 1) == '\"\\\\0001\"')",
    "assert(string.format('%d', 2 ^ 53) == '9007199254740992')",
    "assert(string.format('%x', 2 ^ 63) == '8000000000000000')",
    "assert(math.randomseed == nil and math.random() < 1)",
    /* pairs has an order, and bears what is done to the table meanwhile. */
    "local t, s = {b = 1, a = 2, [10] = 3, [-1] = 4, c = 5, 'one', [true] = 6, ab = 7}, "
    "'' "
    "for k, v in pairs(t) do s = s .. tostring(k) .. '=' .. v .. ' ' end "
    "assert(s == '-1=4 1=one 10=3 a=2 ab=7 b=1 c=5 true=6 ', s)",
    "local t, s = {a = 1, b = 2, c = 3, d = 4}, '' "
    "for k, v in pairs(t) do t[k], t.c, t.x = nil, nil, 1 s = s .. k .. v end "
    "assert(s == 'a1b2d4', s)",
    "local t, s = {a = 1, b = 2, c = 3}, '' "
    "for k, v in pairs(t) do t.b = 7 s = s .. k .. v end assert(s == 'a1b7c3', s)",
    "local t, n = {}, 0 for i = 1, 3000 do t['k' .. i] = i end "
    "for _, v in pairs(t) do n = n + v end assert(n == 4501500)",
    "local t, n = {}, 0 for i = 1, 999 do t['k' .. i] = i end local last = '' "
    "for k, v in pairs(t) do n = n + v assert(last < k) last = k end assert(n == 499500)",
    "for _ in pairs({}) do error('none') end "
    "local f, t, k = pairs({a = 1}) assert(f(t, k) == 'a' and f(t, 'a') == nil)",
    "assert(json.encode({b = {z = 1, y = 2}, a = 1}) == "
    "'{\"a\":1,\"b\":{\"y\":2,\"z\":1}}')",
    /* What stands behind return keeps its values. */
    "local function f(...) return select(2, ...) end "
    "assert(select('#', f(1, nil, nil)) == 2)",
    "local function f() return ('x'):rep(2), 5 end local a, b = f() assert(b == 5)",
    "local function f() return function() return {g = function() return type('x') end} "
    "end "
    "end assert(f()().g() == 'string')",
    "local function f(x) if x then return tostring(1) else return tostring(2) end end "
    "assert(f(true) == '1' and f() == '2')",
    "local function f() repeat return tostring(1) until true end assert(f() == '1')",
    "local function f() return(tostring(1)) end assert(f() == '1')",
    "local function f() return tostring 'x'; end assert(f() == 'x')",
    "local function f() return unpack {1, 2} -- a comment )\n end "
    "assert(select('#', f()) == 2)",
    "local function f() return {1, (tostring(2))} end assert(f()[2] == '2')",
    "local function f() return #tostring(12) == 2 and not tostring(1) end "
    "assert(f() == false)",
};

static void hold(void)
{
    for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++)
        CHECK_STR(sandbox_eval(holds[i]), "{\"value\":null,\"log\":[]}");
}

static void numbers_of_the_foreign_interface_are_refused(void)
{
    static const char *const bad[] = {"1LL",  "0x1ull",  "1i",   "1.5i",
                                      "1e3i", "0x1p4LL", "1ULL", ".5I",
                                      "12Ll", "0b1LL",   "7uLL"};
    static const char *const good[] = {"1",  "0xFF",  "1e+3",   "0x1p-4", ".5",
                                       "5.", "'1LL'", "[[2i]]", "#'3ULL'"};
    char body[64];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(body, sizeof(body), "return %s", bad[i]);
        CHECK_HAS(sandbox_eval(body), "\"code\":\"SCRIPT_ERROR\"");
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(body, sizeof(body), "local x = %s", good[i]);
        CHECK_STR(sandbox_eval(body), "{\"value\":null,\"log\":[]}");
    }
}

int main(void)
{
    sandbox_limits.cpu_us = (int64_t)patiently(200) * 1000;
    RUN(are_as_luajits);
    RUN(hold);
    RUN(numbers_of_the_foreign_interface_are_refused);
    /* Once more, with a turn's end after each instruction. */
    sandbox_yield_always();
    sandbox_limits.cpu_us = (int64_t)patiently(2000) * 1000;
    RUN(are_as_luajits);
    RUN(hold);
    sandbox_test_end();
    return check_result("sandbox_libraries");
}
