/* Any text as an author's file: it is loaded and its first hook run, with what little it may
 * use. Whatever it is, it ends, all memory comes back, and what comes out is JSON. Where the text
 * compiles as it stands it must do so with its frames kept. */
#include "json.h"
#include "sandbox_source.h"
#include "sandbox_vm.h"
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char prelude[] =
    "local sandbox = ...\n"
    "local first\n"
    "local author = {assert = assert, error = error, ipairs = ipairs, next = next,\n"
    "  pairs = pairs, select = select, tonumber = tonumber, tostring = tostring,\n"
    "  type = type, unpack = unpack, bit = bit, math = math, string = string,\n"
    "  table = table, null = sandbox.null, log = sandbox.log_line,\n"
    "  encode = sandbox.json_encode, decode = sandbox.json_decode}\n"
    "function author.before(_, f) first = first or f end\n"
    "function author.capability(...) return sandbox.call(...) end\n"
    "function sandbox.env() return setmetatable({}, {__index = author}) end\n"
    "function sandbox.declared() return {} end\n"
    "function sandbox.run(input) return first(input) end\n";

static void ignore(void *arg)
{
    (void)arg;
}

static void ignore_boolean(void *arg, bool value)
{
    (void)arg, (void)value;
}

static void ignore_number(void *arg, double value)
{
    (void)arg, (void)value;
}

static void ignore_text(void *arg, const char *text, size_t len)
{
    (void)arg, (void)text, (void)len;
}

static void check_json(const struct buf *text)
{
    static const struct json_events events = {
        ignore, ignore_boolean, ignore_number, ignore_text, ignore,
        ignore, ignore,         ignore_text,   ignore,
    };
    struct buf scratch = {0};
    struct err err;
    if (json_read(text->data, text->len, 64, &events, NULL, &scratch, NULL, &err) < 0)
        abort();
    buf_free(&scratch);
}

/* The numbers that may not be are found before the compiler meets them. */
static void check_problem(struct buf *problem)
{
    check_json(problem);
    if (strstr(buf_cstr(problem), "\"message\":\"64-bit"))
        abort();
}

static bool compiles(const char *text, size_t len)
{
    static lua_State *L;
    if (!L)
        L = luaL_newstate();
    lua_settop(L, 0);
    return luaL_loadbufferx(L, text, len, "x", "t") == 0;
}

/* What begins with a byte order mark or a line of "#" cannot have anything put before it. */
static bool is_marked(const char *text, size_t len)
{
    return len && (*text == '#' || *text == '\xef');
}

static void check_frames(const char *text, size_t len)
{
    struct buf kept = {0};
    if (!is_marked(text, len) && !sandbox_source_foreign_number(text, len) &&
        compiles(text, len)) {
        buf_puts(&kept, "local back=...;");
        if (sandbox_source_keep_frames(text, len, "back", &kept) &&
            !compiles(kept.data, kept.len))
            abort();
    }
    buf_free(&kept);
}

static void run(struct sandbox_vm *vm)
{
    static const struct sandbox_limits limits = {2000, 4096, 256};
    struct sandbox_run *one = sandbox_run_new(vm, "{\"a\":[1]}", 9, &limits);
    enum sandbox_outcome outcome;
    while ((outcome = sandbox_run_resume(one)) != SANDBOX_ENDED) {
        if (outcome == SANDBOX_CALLS) {
            check_json(sandbox_run_text(one));
            sandbox_run_answer(one, true, "{\"b\":2}", 7);
        }
    }
    check_json(sandbox_run_text(one));
    sandbox_run_free(one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sandbox_memory memory = {.max = 1024 * 1024};
    struct sandbox_vm *vm = sandbox_vm_new(&memory);
    struct buf problem = {0};
    check_frames((const char *)data, size);
    if (sandbox_vm_load(vm, "prelude", prelude, sizeof(prelude) - 1, true, &problem) < 0)
        abort();
    if (sandbox_vm_load(vm, "x.lua", (const char *)data, size, false, &problem) == 0)
        run(vm);
    else
        check_problem(&problem);
    sandbox_vm_free(vm);
    if (memory.used)
        abort();
    buf_free(&problem);
    return 0;
}
