/* host.crypto, host.jwt and host.uuid as Lua sees them, run as tasks on a loop: hashing a
 * password waits. */
#include "check.h"
#include "lua_bindings.h"
#include "lua_task.h"
#include "lua_vm.h"
#include "work.h"

/* Instead of every primitive of the host. */
const luaL_Reg lua_bindings[] = {
    {"host.crypto", luaopen_host_crypto},
    {"host.jwt", luaopen_host_jwt},
    {"host.task", luaopen_host_task},
    {"host.uuid", luaopen_host_uuid},
    {NULL, NULL},
};

static int ended;

static void on_end(void *arg, lua_State *L, const char *problem)
{
    (void)arg, (void)L;
    ended++;
    if (problem) {
        fprintf(stderr, "%s\n", problem);
        check_failures++;
    }
}

/* Runs `code` as a task until the loop is empty; the vm and the pool are fresh. */
static void run(const char *code, unsigned timeout_ms)
{
    static const char preamble[] =
        "local crypto, jwt = require 'host.crypto', require 'host.jwt'\n"
        "local task, uuid = require 'host.task', require 'host.uuid'\n"
        "local function is(actual, expected)\n"
        "  if actual ~= expected then\n"
        "    error(('got %s, expected %s'):format(tostring(actual), tostring(expected)), "
        "2)\n"
        "  end\n"
        "end\n"
        "local function fails(code, value, err)\n"
        "  is(value, nil); is(err.code, code)\n"
        "end\n"
        "local function raises(...) is(pcall(...), false) end\n";
    uv_loop_t *loop =
        uv_default_loop(); /* one for all: lua_task.c keeps its ticker on it */
    struct host host = {.loop = loop, .role = "cli"};
    host.work = work_new(loop, 0, NULL);
    struct vm *vm = vm_new(&host, ".");
    ended = 0;
    lua_pushfstring(vm->L, "%s%s", preamble, code);
    if (luaL_loadstring(vm->L, lua_tostring(vm->L, -1)) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(vm->L, -1));
        check_failures++;
    } else {
        lua_remove(vm->L, -2);
        task_spawn(vm, vm->L, 0, timeout_ms, on_end, NULL);
        uv_run(loop, UV_RUN_DEFAULT);
        CHECK(ended == 1);
    }
    vm_retire(vm, 0, NULL, NULL);
    work_free(host.work);
    uv_run(loop, UV_RUN_DEFAULT);
    /* The ticker of lua_task.c belongs to one loop per process: the loop is not closed.
     */
}

static void offers_hashes_and_encodings(void)
{
    run("is(crypto.hex(crypto.hash('sha256', 'abc')),\n"
        "   'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')\n"
        "is(#crypto.hash('sha512', ''), 64); is(#crypto.hmac('sha1', 'k', 'd'), 20)\n"
        "is(crypto.unhex('00fF'), '\\0\\255'); fails('INVALID', crypto.unhex('0'))\n"
        "is(crypto.base64('\\251\\255'), '+/8='); is(crypto.unbase64('+/8='), "
        "'\\251\\255')\n"
        "is(crypto.base64url('\\251\\255'), '-_8'); is(crypto.unbase64url('-_8'), "
        "'\\251\\255')\n"
        "fails('INVALID', crypto.unbase64url('-_8=')); fails('INVALID', "
        "crypto.unbase64('+/8'))\n"
        "is(#crypto.random(16), 16); assert(crypto.random(16) ~= crypto.random(16))\n"
        "is(crypto.random(0), ''); raises(crypto.random, -1); raises(crypto.random, "
        "1e9)\n"
        "is(crypto.equal('a', 'a'), true); is(crypto.equal('a', 'b'), false)\n"
        "raises(crypto.hash, 'md5', ''); raises(crypto.hash, 'sha256')\n"
        "for _, n in ipairs{0, 1, 2, 3, 100000} do\n"
        "  local data = ('x'):rep(n)\n"
        "  is(crypto.unbase64(crypto.base64(data)), data); "
        "is(crypto.unhex(crypto.hex(data)), data)\n"
        "end\n",
        0);
}

static void encrypts(void)
{
    run("local key = crypto.random(32)\n"
        "local sealed = crypto.encrypt(key, 'text', 'row 7')\n"
        "is(#sealed, 4 + 28); is(crypto.decrypt(key, sealed, 'row 7'), 'text')\n"
        "fails('INVALID', crypto.decrypt(key, sealed, 'row 8'))\n"
        "fails('INVALID', crypto.decrypt(key, sealed)); fails('INVALID', "
        "crypto.decrypt(key, ''))\n"
        "fails('INVALID', crypto.decrypt(crypto.random(32), sealed, 'row 7'))\n"
        "is(crypto.decrypt(key, crypto.encrypt(key, '')), '')\n"
        "raises(crypto.encrypt, 'short', 'text')\n",
        0);
}

static void signs_and_verifies_tokens(void)
{
    run("local key = ('k'):rep(32)\n"
        "local token = "
        "assert(jwt.sign('{\"sub\":\"a\",\"exp\":100,\"iss\":\"i\",\"aud\":\"u\"}',\n"
        "                              {key = key, kid = '1'}))\n"
        "local options = {alg = 'HS256', key = key, iss = 'i', aud = 'u', now = 99}\n"
        "local claims, header = jwt.verify(token, options)\n"
        "assert(claims:find('\"sub\":\"a\"', 1, true)); "
        "assert(header:find('\"kid\":\"1\"', 1, true))\n"
        "is(jwt.header(token), header)\n"
        "options.now = 100; fails('EXPIRED', jwt.verify(token, options))\n"
        "options.now = 99; options.aud = 'x'; fails('INVALID', jwt.verify(token, "
        "options))\n"
        "options.now = nil; options.aud = 'u'; fails('EXPIRED', jwt.verify(token, "
        "options))\n"
        "fails('INVALID', jwt.verify('x', options)); fails('INVALID', jwt.header('x'))\n"
        "raises(jwt.verify, token, {}); raises(jwt.verify, token)\n"
        "fails('INVALID', jwt.sign('{}', {key = 'short'}))\n"
        "is(uuid.is(uuid.v7()), true); is(uuid.is(7), false); is(uuid.time_ms('x'), "
        "nil)\n"
        "assert(uuid.v7() < uuid.v7()); assert(uuid.time_ms(uuid.v7()) > 1.6e12)\n",
        0);
}

static void hashes_passwords_while_others_run(void)
{
    run("local order = {}\n"
        "task.spawn(function()\n"
        "  local hash = assert(crypto.password_hash('secret', 4))\n"
        "  is(hash:sub(1, 7), '$2b$04$')\n"
        "  is(crypto.password_verify('secret', hash), true)\n"
        "  is(crypto.password_verify('Secret', hash), false)\n"
        "  order[#order + 1] = 'hashed'\n"
        "end)\n"
        "is(#order, 0)\n" /* it waits: we got here first */
        "fails('INVALID', crypto.password_hash(('x'):rep(73), 4))\n"
        "fails('INVALID', crypto.password_hash('a\\0b', 4))\n"
        "fails('INVALID', crypto.password_verify('a', 'b'))\n"
        "fails('INVALID', crypto.password_verify('a', ('b'):rep(60)))\n"
        "raises(crypto.password_hash, 'a', 99); raises(crypto.password_hash, 'a')\n"
        "while #order == 0 do task.sleep(1) end\n",
        0);
}

static void is_busy_when_too_many_wait(void)
{
    run("local busy, done = 0, 0\n"
        "for i = 1, 100 do\n"
        "  task.spawn(function()\n"
        "    local hash, err = crypto.password_hash('secret', 4)\n"
        "    if hash then done = done + 1 else is(err.code, 'BUSY'); busy = busy + 1 "
        "end\n"
        "    collectgarbage()\n"
        "  end)\n"
        "end\n"
        "assert(busy > 0)\n"
        "while done + busy < 100 do task.sleep(1) end\n"
        "assert(done >= 32)\n",
        0);
}

/* The deadline of a task frees nothing that the thread still uses. */
static void can_be_cancelled_while_hashing(void)
{
    run("local _, err = crypto.password_hash('secret', 14)\n"
        "is(err.code, 'TIMEOUT')\n",
        10);
}

int main(void)
{
    vm_collect_always();
    RUN(offers_hashes_and_encodings);
    RUN(encrypts);
    RUN(signs_and_verifies_tokens);
    RUN(hashes_passwords_while_others_run);
    RUN(is_busy_when_too_many_wait);
    RUN(can_be_cancelled_while_hashing);
    return check_result("lua_crypto");
}
