/* What is done on a sandbox's main state between its runs: compiling, decoding, encoding. Each
 * is under lua_pcall, because even the smallest of them may meet the end of memory. */
#include "lua_json.h"
#include "lua_sandbox_vm.h"
#include "sandbox_source.h"
#include <string.h>

enum {
    INPUT_DEPTH = 64,        /* what comes in is the peer's, not the script's */
    DETAILS_MAX = 32 * 1024, /* of an answer's error, as JSON */
};

static void *arg_of(lua_State *L)
{
    return sandbox_vm_of(L)->job_arg;
}

static void push_primitive(lua_State *L, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, sandbox_vm_of(L)->primitives_ref);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    if (!lua_isfunction(L, -1))
        luaL_error(L, "the prelude has no function %s", name);
}

/* The compiler loads the library of foreign functions when it meets one of its numbers. The
 * source was looked through before; this is in case that overlooked one. */
static bool has_foreign(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_getfield(L, -1, "ffi");
    bool loaded = !lua_isnil(L, -1);
    lua_pop(L, 2);
    return loaded;
}

static void check_source(lua_State *L, const struct sandbox_part *part)
{
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    if (part->len > SANDBOX_SOURCE_MAX)
        sandbox_raise(L, "SCRIPT_ERROR", "the file is longer than 64 KiB");
    now->line = sandbox_source_foreign_number(part->text, part->len);
    if (now->line)
        sandbox_raise(
            L, "SCRIPT_ERROR",
            "numbers cannot end in LL, ULL or i: 64-bit and complex numbers are "
            "not to be had");
}

/* What is put around calls behind "return". */
static int give_back(lua_State *L)
{
    return lua_gettop(L);
}

#define GIVE_BACK "__return"

/* With the name of the chunk on top. The frames of the author's functions are kept; where that
 * does not compile, what was written tells why. */
static int compile_author(lua_State *L, const struct sandbox_part *part)
{
    struct buf text = {0};
    int rc = LUA_ERRSYNTAX;
    buf_puts(&text, "local " GIVE_BACK "=...;");
    if (sandbox_source_keep_frames(part->text, part->len, GIVE_BACK, &text))
        rc = luaL_loadbufferx(L, text.data, text.len, lua_tostring(L, -1), "t");
    else
        lua_pushnil(L);
    buf_free(&text);
    if (rc != LUA_ERRSYNTAX)
        return rc;
    lua_pop(L, 1);
    return luaL_loadbufferx(L, part->text, part->len, lua_tostring(L, -1), "t");
}

static int compile_text(lua_State *L, const struct sandbox_part *part)
{
    if (!part->prelude)
        return compile_author(L, part);
    return luaL_loadbufferx(L, part->text, part->len, lua_tostring(L, -1), "t");
}

/* Pushes the part as a function. */
static void compile(lua_State *L, const struct sandbox_part *part)
{
    struct sandbox_vm *vm = sandbox_vm_of(L);
    lua_pushfstring(L, part->prelude ? "=%s" : "@%s", part->name);
    int rc = compile_text(L, part);
    if (rc == LUA_ERRMEM) {
        lua_pop(L, 1);
        sandbox_collect(vm->memory, L);
        vm->refused = false;
        rc = compile_text(L, part);
    }
    if (rc != 0) {
        sandbox_note_error(L, vm->now, rc == LUA_ERRSYNTAX);
        lua_error(L);
    }
    if (has_foreign(L))
        sandbox_raise(L, "SCRIPT_ERROR", "64-bit and complex numbers are not to be had");
    lua_remove(L, -2);
}

static int prepare_part(lua_State *L)
{
    const struct sandbox_part *part = arg_of(L);
    lua_State *thread = lua_newthread(L);
    if (!part->prelude)
        check_source(L, part);
    compile(L, part);
    if (part->prelude) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, sandbox_vm_of(L)->primitives_ref);
    } else {
        push_primitive(L, "env");
        lua_pushstring(L, part->name);
        lua_call(L, 1, 1);
        if (!lua_istable(L, -1))
            luaL_error(L, "the prelude gave no environment");
        lua_setfenv(L, -2);
        lua_pushcfunction(L, give_back);
    }
    sandbox_prepare(L, thread, 1);
    return 1;
}

static int prepare_declared(lua_State *L)
{
    lua_State *thread = lua_newthread(L);
    push_primitive(L, "declared");
    sandbox_prepare(L, thread, 0);
    return 1;
}

static void push_decoded(lua_State *L, const struct sandbox_text *json)
{
    struct err err;
    if (lua_json_decode(L, json->text, json->len, INPUT_DEPTH, true, NULL, &err) < 0)
        luaL_error(L, "no JSON: %s", err.message);
}

static int prepare_run(lua_State *L)
{
    struct sandbox_input *input = arg_of(L);
    lua_State *thread = lua_newthread(L);
    push_primitive(L, "run");
    push_decoded(L, &input->json);
    input->args = sandbox_prepare(L, thread, 1);
    input->thread = thread;
    input->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int decode(lua_State *L)
{
    push_decoded(L, arg_of(L));
    return 1;
}

static const char *text_field(lua_State *L, const char *name, const char *fallback,
                              size_t *len)
{
    lua_getfield(L, 1, name);
    if (lua_type(L, -1) == LUA_TSTRING)
        return lua_tolstring(L, -1, len);
    *len = strlen(fallback);
    return fallback;
}

static int note_failure(lua_State *L)
{
    struct sandbox_failure *failure = arg_of(L);
    struct sandbox_activity *now = sandbox_vm_of(L)->now;
    size_t len;
    push_decoded(L, &failure->json);
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *code = text_field(L, "code", "SCRIPT_ERROR", &len);
    const char *message = text_field(L, "message", "it failed", &len);
    sandbox_note(failure->thread, now, code, message, len, 0);
    lua_getfield(L, 1, "details");
    if (!lua_istable(L, -1))
        return 0;
    buf_clear(&now->call);
    sandbox_encode(L, lua_gettop(L), &now->call, DETAILS_MAX);
    sandbox_note_details(now, now->call.data, now->call.len);
    return 0;
}

static int encode(lua_State *L)
{
    struct sandbox_output *output = arg_of(L);
    sandbox_encode(L, 1, output->out, output->max);
    return 0;
}

void sandbox_make_jobs(lua_State *L)
{
    static const luaL_Reg jobs[] = {
        [SANDBOX_PREPARE_PART] = {"prepare_part", prepare_part},
        [SANDBOX_PREPARE_DECLARED] = {"prepare_declared", prepare_declared},
        [SANDBOX_PREPARE_RUN] = {"prepare_run", prepare_run},
        [SANDBOX_DECODE] = {"decode", decode},
        [SANDBOX_NOTE_FAILURE] = {"note_failure", note_failure},
        [SANDBOX_ENCODE] = {"encode", encode},
        [SANDBOX_JOBS] = {NULL, NULL},
    };
    struct sandbox_vm *vm = sandbox_vm_of(L);
    for (int job = 0; job < SANDBOX_JOBS; job++) {
        lua_json_push_upvalues(L);
        lua_pushcclosure(L, jobs[job].func, LUA_JSON_UPVALUES);
        vm->job_refs[job] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_pop(L, 1);
}

static int attempt(struct sandbox_vm *vm, enum sandbox_job job, int args)
{
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->job_refs[job]);
    lua_insert(vm->L, -args - 1);
    return lua_pcall(vm->L, args, 1, 0);
}

int sandbox_do(struct sandbox_vm *vm, enum sandbox_job job, void *arg, int args)
{
    vm->job_arg = arg;
    int rc = attempt(vm, job, args);
    if (rc == LUA_ERRMEM && args == 0) {
        lua_settop(vm->L, 0);
        sandbox_collect(vm->memory, NULL);
        vm->refused = false;
        rc = attempt(vm, job, args);
    }
    if (rc != 0) {
        sandbox_note_error(vm->L, vm->now, false);
        lua_settop(vm->L, 0);
    }
    return rc;
}
