/* A sandbox's state: loading, running, calling out, ending, and what errors say. */
#include "sandbox_test.h"

#define CHECK_HAS(actual, part)                                                          \
    do {                                                                                 \
        const char *check_h = (actual);                                                  \
        if (!strstr(check_h, part)) {                                                    \
            check_failures++;                                                            \
            fprintf(stderr, "%s:%d: %s: got %s without %s\n", __FILE__, __LINE__,        \
                    __func__, check_h, part);                                            \
        }                                                                                \
    } while (0)

static void runs_a_hook(void)
{
    CHECK_STR(sandbox_eval("return {report.a + 1, {1, 'two'}}"),
              "{\"value\":[2,[1,\"two\"]],\"log\":[]}");
    CHECK_STR(sandbox_eval("log('one') log(2)"),
              "{\"value\":null,\"log\":[\"one\",\"2\"]}");
}

static void tells_what_was_declared(void)
{
    struct sandbox_vm *vm = sandbox_load("rules/x.lua", "\nbefore('a', function() end)");
    struct buf out = {0};
    CHECK(sandbox_vm_declared(vm, &out, &sandbox_problem) == 0);
    CHECK_HAS(buf_cstr(&out), "\"line\":2");
    buf_free(&out);
    sandbox_vm_free(vm);
}

int main(void)
{
    RUN(runs_a_hook);
    RUN(tells_what_was_declared);
    sandbox_test_end();
    return check_result("sandbox_vm");
}
