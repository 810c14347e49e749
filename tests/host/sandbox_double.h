/* sandbox_double.h - a state of scripts for tests of what is around it (sandbox_vm.h): no Lua, the
 * input of a run says in one word what it does.
 *
 *   {"call"    asks for something, then ends with what it was given
 *   {"loop"    takes turn after turn and never ends
 *   {"hang"    does not come back from its turn
 *   {"burn"    ends with its input, and works on
 *   {"crash"   ends the process
 *   {"big"     ends with all that fits into a packet
 *   {"huge"    ends with one byte more
 *   {"settled" ends with how often the memory was settled; each run leaves garbage
 *   {"attack"  calls sandbox_double_attack, ends with its number
 *   {"..."     ends with its input
 *
 * A part whose text begins with "bad" does not load. */
#pragma once
#include "mem.h"
#include "sandbox_proto.h"
#include "sandbox_vm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sandbox_vm {
    struct sandbox_memory *memory;
    struct buf names;
};

static int sandbox_double_settled;

struct sandbox_run {
    struct buf input, text;
    bool called, ok;
};

/* Set by who wants it: tries what must not succeed. */
static int (*sandbox_double_attack)(void);

struct sandbox_vm *sandbox_vm_new(struct sandbox_memory *memory)
{
    struct sandbox_vm *vm = mem_new(sizeof(*vm));
    vm->memory = memory;
    return vm;
}

void sandbox_vm_free(struct sandbox_vm *vm)
{
    if (!vm)
        return;
    buf_free(&vm->names);
    free(vm);
}

int sandbox_vm_load(struct sandbox_vm *vm, const char *name, const char *text, size_t len,
                    bool prelude, struct buf *problem)
{
    if (len >= 3 && strncmp(text, "bad", 3) == 0) {
        buf_printf(problem, "{\"code\":\"SCRIPT_ERROR\",\"file\":\"%s\"}", name);
        return -1;
    }
    buf_printf(&vm->names, "%s%s%s", vm->names.len ? " " : "", name, prelude ? "!" : "");
    return 0;
}

int sandbox_vm_declared(struct sandbox_vm *vm, struct buf *out, struct buf *problem)
{
    (void)problem;
    buf_puts(out, "{\"names\":");
    buf_json_string(out, vm->names.data, vm->names.len);
    buf_putc(out, '}');
    return 0;
}

struct sandbox_run *sandbox_run_new(struct sandbox_vm *vm, const char *json, size_t len,
                                    const struct sandbox_limits *limits)
{
    struct sandbox_run *run = mem_new(sizeof(*run));
    (void)limits;
    vm->memory->used++;
    buf_append(&run->input, json, len);
    run->ok = true;
    return run;
}

static bool sandbox_double_is(const struct sandbox_run *run, const char *word)
{
    size_t len = strlen(word);
    return run->input.len >= len + 2 && memcmp(run->input.data + 2, word, len) == 0;
}

enum sandbox_outcome sandbox_run_resume(struct sandbox_run *run)
{
    if (sandbox_double_is(run, "loop")) {
        usleep(1000);
        return SANDBOX_TURN;
    }
    while (sandbox_double_is(run, "hang"))
        ;
    if (sandbox_double_is(run, "crash"))
        _exit(3);
    if (sandbox_double_is(run, "call") && !run->called) {
        run->called = true;
        buf_puts(&run->text, "{\"name\":\"kv.get\"}");
        return SANDBOX_CALLS;
    }
    bool huge = sandbox_double_is(run, "huge");
    if (huge || sandbox_double_is(run, "big")) {
        buf_puts(&run->text, "{\"value\":\"");
        memset(buf_reserve(&run->text, SANDBOX_TEXT_MAX), 'x', SANDBOX_TEXT_MAX);
        run->text.len = SANDBOX_TEXT_MAX - 2 + huge;
        buf_puts(&run->text, "\"}");
    } else if (sandbox_double_is(run, "attack")) {
        buf_printf(&run->text, "{\"value\":%d}", sandbox_double_attack());
    } else if (sandbox_double_is(run, "settled")) {
        buf_printf(&run->text, "{\"value\":%d}", sandbox_double_settled);
    } else if (!sandbox_double_is(run, "call")) {
        buf_append(&run->text, run->input.data, run->input.len);
    }
    return SANDBOX_ENDED;
}

void sandbox_run_answer(struct sandbox_run *run, bool ok, const char *json, size_t len)
{
    run->ok = ok;
    buf_clear(&run->text);
    buf_append(&run->text, json, len);
}

const struct buf *sandbox_run_text(const struct sandbox_run *run)
{
    return &run->text;
}

bool sandbox_run_ok(const struct sandbox_run *run)
{
    return run->ok;
}

int64_t sandbox_run_cpu_us(const struct sandbox_run *run)
{
    (void)run;
    return 7;
}

void sandbox_vm_settle(struct sandbox_vm *vm)
{
    (void)vm;
}

void sandbox_settle(struct sandbox_memory *memory)
{
    memory->settled = memory->used;
    sandbox_double_settled++;
}

bool sandbox_is_full(struct sandbox_memory *memory)
{
    (void)memory;
    return false;
}

size_t sandbox_vm_held(const struct sandbox_vm *vm)
{
    (void)vm;
    return 0;
}

bool sandbox_has_grown(const struct sandbox_memory *memory)
{
    return memory->used > memory->settled;
}

void sandbox_run_free(struct sandbox_run *run)
{
    if (!run)
        return;
    while (sandbox_double_is(run, "burn"))
        ;
    buf_free(&run->input);
    buf_free(&run->text);
    free(run);
}
