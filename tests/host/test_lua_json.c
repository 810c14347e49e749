/* host.json as Lua sees it, with lua-cjson as the independent reader of what it writes.
 */
#include "check.h"
#include "lua_bindings.h"
#include <lualib.h>

static void run(const char *code)
{
    static const char preamble[] =
        "local json, cjson = require 'host.json', require 'cjson'\n"
        "local function raises(part, ...)\n"
        "  local ok, problem = pcall(...)\n"
        "  assert(not ok, 'did not raise')\n"
        "  assert(tostring(problem):find(part, 1, true), problem)\n"
        "end\n"
        "local function is(actual, expected)\n"
        "  if actual ~= expected then\n"
        "    error(('got %s, expected %s'):format(tostring(actual), tostring(expected)), "
        "2)\n"
        "  end\n"
        "end\n";
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_host_json);
    lua_setfield(L, -2, "host.json");
    lua_settop(L, 0);
    lua_pushfstring(L, "%s%s", preamble, code);
    if (luaL_loadstring(L, lua_tostring(L, -1)) != 0 || lua_pcall(L, 0, 0, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        check_failures++;
    }
    lua_close(L);
}

static void decodes_into_tables(void)
{
    run("local v = json.decode('{\"a\":[1,\"two\",null,{\"b\":true}],\"c\":-0.5}')\n"
        "is(v.a[1], 1); is(v.a[2], 'two'); is(v.a[3], json.null); is(#v.a, 4)\n"
        "is(v.a[4].b, true); is(v.c, -0.5)\n"
        "is(json.decode(' \"x\" '), 'x'); is(json.decode('null'), json.null)\n"
        "is(json.decode('{\"a\":1,\"a\":2}').a, 2)\n"
        "is(json.decode('\"a\\\\u0000b\"'), 'a\\0b')\n"
        "is(json.decode('9007199254740992'), 2^53)\n");
}

static void names_the_byte_of_an_error(void)
{
    run("local v, err = json.decode('{\"a\":01}')\n"
        "is(v, nil); is(err.code, 'INVALID'); is(err.offset, 7)\n"
        "v, err = json.decode('[[[]]]', {max_depth = 2})\n"
        "is(v, nil); is(err.code, 'TOO_DEEP'); is(err.offset, 2)\n"
        "assert(json.decode('[[[]]]', {max_depth = 3}))\n"
        "assert(json.decode(('['):rep(32) .. (']'):rep(32)))\n"
        "is(select(2, json.decode(('['):rep(33) .. (']'):rep(33))).code, 'TOO_DEEP')\n"
        "is(select(2, json.decode('')).code, 'INVALID')\n"
        "raises('max_depth', json.decode, '1', {max_depth = 513})\n"
        "raises('max_depth', json.decode, '1', {max_depth = 0/0})\n"
        "raises('string expected', json.decode, nil)\n");
}

static void encodes_values(void)
{
    run("is(json.encode(nil), 'null'); is(json.encode(json.null), 'null')\n"
        "is(json.encode(true), 'true'); is(json.encode('a/\"\\n'), '\"a/\\\\\"\\\\n\"')\n"
        "is(json.encode(123456789012345), '123456789012345')\n"
        "is(json.encode(2^53), '9007199254740992'); is(json.encode(-7), '-7')\n"
        "is(json.encode(0.1), '0.1'); is(json.encode(-0), '0'); is(json.encode(1e21), "
        "'1e+21')\n"
        "is(json.encode({1, {2}, 'x'}), '[1,[2],\"x\"]')\n"
        "is(json.encode({a = {b = 1}}), '{\"a\":{\"b\":1}}')\n"
        "is(json.encode('a\\255b'), '\"a\\239\\191\\189b\"')\n"
        "is(json.encode('\\0\\31'), '\"\\\\u0000\\\\u001f\"')\n");
}

static void tells_empty_arrays_from_empty_objects(void)
{
    run("is(json.encode({}), '{}'); is(json.encode(json.array({})), '[]')\n"
        "is(json.encode(json.object({})), '{}')\n"
        "is(json.encode(json.decode('[[],{},{\"a\":[]}]')), '[[],{},{\"a\":[]}]')\n"
        "local list = json.decode('[1]'); list[1] = nil\n"
        "is(json.encode(list), '[]')\n"
        "is(json.is_array(list), true); is(json.is_array({}), false)\n"
        "is(json.is_array({1}), true); is(json.is_array(json.decode('{}')), false)\n"
        "is(json.is_array(json.object({1})), false); is(json.is_array('x'), false)\n"
        "is(json.is_array(json.raw('[]')), false)\n"
        "local t = {}; is(json.array(t), t)\n"
        "is(json.encode({json.raw('{\"x\": 1}'), 2}), '[{\"x\": 1},2]')\n");
}

static void puts_texts_together(void)
{
    run("local parts = json.raw('{\"x\":', '[1', ',2]', '}')\n"
        "is(json.encode(parts), '{\"x\":[1,2]}')\n"
        "is(json.encode({parts, 2}), '[{\"x\":[1,2]},2]'); is(json.is_array(parts), "
        "false)\n"
        "is(json.framed('{\"a\":', parts, '}'), '{\"a\":{\"x\":[1,2]}}')\n"
        "is(json.framed('[', 'a\"', ']'), '[\"a\\\\\"\"]'); is(json.framed('', nil, ''), "
        "'null')\n"
        "is(json.framed('<', {b = 1}, '>'), '<{\"b\":1}>')\n"
        "raises('string expected', json.raw, 'a', 1); raises('string expected', "
        "json.raw)\n"
        "raises('function', json.framed, '', print, '')\n");
}

static void raises_on_what_is_no_json(void)
{
    run("raises('function', json.encode, print)\n"
        "raises('function', json.encode, {a = {print}})\n"
        "raises('finite', json.encode, 0/0); raises('finite', json.encode, {1/0})\n"
        "raises('key', json.encode, {[10] = 1}); raises('key', json.encode, {[true] = "
        "1})\n"
        "raises('array', json.encode, {1, 2, a = 3}); raises('array', json.encode, {1, "
        "nil, 3})\n"
        "raises('array', json.encode, {1, [1.5] = 2}); raises('array', json.encode, {1, "
        "[0] = 2})\n"
        "raises('array', json.encode, json.array({a = 1}))\n"
        "local cycle = {}; cycle.cycle = cycle\n"
        "raises('cycle', json.encode, cycle); raises('cycle', json.encode, cycle, "
        "{sorted = true})\n"
        "raises('value expected', json.encode); raises('userdata', json.encode, "
        "io.stdout)\n"
        "is(json.encode({ok = 1}), '{\"ok\":1}')\n"
        "is(json.encode(json.object({[5] = 'x'})), '{\"5\":\"x\"}')\n"
        "is(json.encode(json.object({'x'})), '{\"1\":\"x\"}')\n");
}

static void sorts_keys_on_demand(void)
{
    run("local t = {b = 1, a = 2, ab = 3, [''] = 4, B = {z = 1, y = json.array({})}}\n"
        "is(json.encode(t, {sorted = true}),\n"
        "   '{\"\":4,\"B\":{\"y\":[],\"z\":1},\"a\":2,\"ab\":3,\"b\":1}')\n"
        "is(json.encode({}, {sorted = true}), '{}')\n"
        "for n = 1, 60 do\n"
        "  local t, list = {}, {}\n"
        "  for i = n, 1, -1 do t[('k%02d'):format(i)] = {i = i} end\n"
        "  for i = 1, n do list[i] = ('\"k%02d\":{\"i\":%d}'):format(i, i) end\n"
        "  is(json.encode(t, {sorted = true}), '{' .. table.concat(list, ',') .. '}')\n"
        "end\n"
        "raises('as key of an object', json.encode, {x = 1, [1.5] = 1}, {sorted = "
        "true})\n"
        "raises('boolean', json.encode, t, {sorted = 1})\n");
}

/* Random documents: cjson reads what we write, we read what cjson writes. */
static void agrees_with_cjson(void)
{
    run("math.randomseed(7)\n"
        "local function text()\n"
        "  local parts = {}\n"
        "  for i = 1, math.random(0, 20) do\n"
        "    parts[i] = ({string.char(math.random(1, 127)), 'é', '€', '😀', '\\\\', '\"', "
        "'/'})[math.random(7)]\n"
        "  end\n"
        "  return table.concat(parts)\n"
        "end\n"
        "local function value(depth)\n"
        "  local kind = math.random(depth > 4 and 4 or 6)\n"
        "  if kind == 1 then return math.random(-1e6, 1e6) end\n"
        "  if kind == 2 then return math.floor(math.random() * 1e9) / 1e4 end\n"
        "  if kind == 3 then return text() end\n"
        "  if kind == 4 then return math.random(2) == 1 end\n"
        "  local t = {}\n"
        "  for i = 1, math.random(1, 6) do t[kind == 5 and i or text() .. 'k'] = "
        "value(depth + 1) end\n"
        "  return t\n"
        "end\n"
        "local function same(a, b)\n"
        "  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end\n"
        "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
        "  for k in pairs(b) do if a[k] == nil then return false end end\n"
        "  return true\n"
        "end\n"
        "for i = 1, 500 do\n"
        "  local v = {value(0)}\n"
        "  assert(same(cjson.decode(json.encode(v)), v), json.encode(v))\n"
        "  assert(same(json.decode(cjson.encode(v)), v), cjson.encode(v))\n"
        "  assert(same(json.decode(json.encode(v, {sorted = true})), v))\n"
        "end\n");
}

/* Errors half way must neither leak nor leave something in the buffer. */
static void survives_errors_and_the_collector(void)
{
    run("collectgarbage('setpause', 0); collectgarbage('setstepmul', 10000)\n"
        "local deep = json.decode(('[\"abcdefgh\",'):rep(30) .. '1' .. (']'):rep(30))\n"
        "local big = {('x'):rep(200000), print}\n"
        "for i = 1, 200 do\n"
        "  pcall(json.encode, big); pcall(json.encode, {a = 1, b = print}, {sorted = "
        "true})\n"
        "  json.decode('[1,[\"\\\\u00e9' .. i .. '\",{\"a\":')\n"
        "  is(json.encode(json.decode(json.encode(deep))), json.encode(deep))\n"
        "end\n");
}

int main(void)
{
    RUN(decodes_into_tables);
    RUN(names_the_byte_of_an_error);
    RUN(encodes_values);
    RUN(tells_empty_arrays_from_empty_objects);
    RUN(puts_texts_together);
    RUN(raises_on_what_is_no_json);
    RUN(sorts_keys_on_demand);
    RUN(agrees_with_cjson);
    RUN(survives_errors_and_the_collector);
    return check_result("lua_json");
}
