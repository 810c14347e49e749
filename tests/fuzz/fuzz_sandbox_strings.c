/* The string library in a state: the input is a format, a text, a pattern and a replacement with
 * NULs between them. Whatever they are, the run ends with a value or with a problem. */
#include "sandbox_vm.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char prelude[] =
    "local sandbox = ...\n"
    "local string, hook = string, nil\n"
    "function sandbox.env() return {string = string, keep = function(f) hook = f end} "
    "end\n"
    "function sandbox.declared() return {} end\n"
    "function sandbox.run(input) return hook(unpack(input)) end\n";

static const char script[] =
    "keep(function(which, format, text, pattern, replacement)\n"
    "  if which == 1 then\n"
    "    return #string.format(format, 42, text, -1.5, true, 1e300, {}, 0, 2 ^ 53)\n"
    "  elseif which == 2 then\n"
    "    return {text:find(pattern, #replacement)}\n"
    "  elseif which == 3 then\n"
    "    return (text:gsub(pattern, replacement))\n"
    "  elseif which == 4 then\n"
    "    return (text:gsub(pattern, function(a, b) return b or replacement end))\n"
    "  else\n"
    "    local all = {}\n"
    "    for a in text:gmatch(pattern) do all[#all + 1] = a end\n"
    "    return all\n"
    "  end\n"
    "end)\n";

static struct sandbox_memory memory = {.max = 4 * 1024 * 1024};

static struct sandbox_vm *state(void)
{
    static struct sandbox_vm *vm;
    struct buf problem = {0};
    if (vm)
        return vm;
    vm = sandbox_vm_new(&memory);
    if (sandbox_vm_load(vm, "p", prelude, sizeof(prelude) - 1, true, &problem) < 0 ||
        sandbox_vm_load(vm, "x.lua", script, sizeof(script) - 1, false, &problem) < 0)
        abort();
    return vm;
}

static void run(const struct buf *input)
{
    static const struct sandbox_limits limits = {2000, 64 * 1024, 0};
    struct sandbox_run *one = sandbox_run_new(state(), input->data, input->len, &limits);
    while (sandbox_run_resume(one) != SANDBOX_ENDED)
        ;
    if (!sandbox_run_ok(one) && !memmem(sandbox_run_text(one)->data, 30, "code", 4))
        abort();
    sandbox_run_free(one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf input = {0};
    buf_printf(&input, "[%d", 1 + (int)(size % 5));
    for (int i = 0; i < 4; i++) {
        const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
        size_t len = nul && i < 3 ? (size_t)(nul - data) : size;
        buf_putc(&input, ',');
        buf_json_string(&input, (const char *)data, len);
        data += len + (len < size);
        size -= len + (len < size);
    }
    buf_putc(&input, ']');
    run(&input);
    buf_free(&input);
    return 0;
}
