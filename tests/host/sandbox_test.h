/* sandbox_test.h - a sandbox's state with the tests' prelude and one author's file. */
#pragma once
#include "check.h"
#include "err.h"
#include "fs.h"
#include "sandbox_vm.h"
#include <stdio.h>

#define CHECK_HAS(actual, part)                                                          \
    do {                                                                                 \
        const char *check_h = (actual);                                                  \
        if (!strstr(check_h, part)) {                                                    \
            check_failures++;                                                            \
            fprintf(stderr, "%s:%d: %s: got %.900s without %s\n", __FILE__, __LINE__,    \
                    __func__, check_h, part);                                            \
        }                                                                                \
    } while (0)

static struct sandbox_memory sandbox_memory = {.max = 16 * 1024 * 1024};
static struct sandbox_limits sandbox_limits = {
    .cpu_us = 10000, .output_max = 64 * 1024, .log_max = 8 * 1024};
static struct buf sandbox_problem;

static inline struct buf sandbox_read_file(const char *path)
{
    struct fs_request request = {.kind = FS_READ, .path = path, .limit = 1024 * 1024};
    struct fs_result result = {0};
    struct err err;
    if (fs_run(&request, &result, &err) < 0) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        abort();
    }
    return result.data;
}

/* With the prelude; NULL when there is no memory. */
static inline struct sandbox_vm *sandbox_start(void)
{
    struct buf prelude = sandbox_read_file("tests/support/sandbox_prelude.lua");
    struct sandbox_vm *vm = sandbox_vm_new(&sandbox_memory);
    buf_clear(&sandbox_problem);
    if (vm && sandbox_vm_load(vm, "prelude.lua", prelude.data, prelude.len, true,
                              &sandbox_problem) < 0) {
        fprintf(stderr, "%s\n", buf_cstr(&sandbox_problem));
        abort();
    }
    buf_free(&prelude);
    return vm;
}

/* NULL when it does not load: sandbox_problem says why. */
static inline struct sandbox_vm *sandbox_load(const char *name, const char *code)
{
    struct sandbox_vm *vm = sandbox_start();
    if (vm && sandbox_vm_load(vm, name, code, strlen(code), false, &sandbox_problem) == 0)
        return vm;
    sandbox_vm_free(vm);
    return NULL;
}

/* Resumes until it calls or ends; returns how many turns it gave back. */
static inline int sandbox_go(struct sandbox_run *run, enum sandbox_outcome *outcome)
{
    int turns = 0;
    while ((*outcome = sandbox_run_resume(run)) == SANDBOX_TURN)
        turns++;
    return turns;
}

/* Text of a buffer that stays until the next call. */
static inline const char *sandbox_text(const struct buf *buf)
{
    static struct buf copy;
    buf_clear(&copy);
    buf_append(&copy, buf->data, buf->len);
    return buf_cstr(&copy);
}

/* The result of running the first hook of the state with `input`; calls fail. */
static inline const char *sandbox_result(struct sandbox_vm *vm, const char *input)
{
    enum sandbox_outcome outcome;
    struct sandbox_run *run = sandbox_run_new(vm, input, strlen(input), &sandbox_limits);
    for (sandbox_go(run, &outcome); outcome == SANDBOX_CALLS; sandbox_go(run, &outcome))
        sandbox_run_answer(run, false, "{\"code\":\"NO\",\"message\":\"none here\"}", 35);
    const char *text = sandbox_text(sandbox_run_text(run));
    sandbox_run_free(run);
    return text;
}

/* The same for a body of a hook: its result, or the problem when it does not load. */
static inline const char *sandbox_eval(const char *body)
{
    struct buf code = {0};
    buf_printf(&code, "before('test', function(report) %s\nend)", body);
    struct sandbox_vm *vm = sandbox_load("rules/x.lua", buf_cstr(&code));
    buf_free(&code);
    if (!vm)
        return buf_cstr(&sandbox_problem);
    const char *text = sandbox_result(vm, "{\"arguments\":[{\"a\":1}]}");
    sandbox_vm_free(vm);
    return text;
}

static inline void sandbox_test_end(void)
{
    buf_free(&sandbox_problem);
    CHECK(sandbox_memory.used == 0);
}
