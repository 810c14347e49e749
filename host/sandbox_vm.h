/* sandbox_vm.h - one Lua state that runs what strangers wrote, within limits.
 *
 * A state holds one release: its text chunks are loaded in order, then it is asked what they
 * declared, then runs are begun in it. All states of a process share one budget of memory. The
 * caller needs no header of Lua and no thread: everything happens inside the calls, and none of
 * them takes longer than its budget of CPU.
 *
 * Nothing that a script does ends the process. Every error, also of memory, is a problem:
 *
 *   {"code": "SCRIPT_ERROR", "message": "...", "file": "rules/x.lua", "line": 3,
 *    "traceback": "rules/x.lua:3: in function 'f'\nrules/x.lua:9: in the file"}
 *
 * File and line are the author's, never the prelude's, and are left out where no line of theirs
 * had a part in it. Codes: SCRIPT_ERROR, LIMIT_CPU, LIMIT_MEMORY, LIMIT_OUTPUT, the code that an
 * answer gave, or one that the prelude chose. What the prelude gets and what it must define
 * stands in lua_sandbox_vm.h. */
#pragma once
#include "buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox_vm;
struct sandbox_run;

enum {
    SANDBOX_SOURCE_MAX = 64 * 1024,    /* bytes of one of the author's chunks */
    SANDBOX_DECLARED_MAX = 128 * 1024, /* bytes of JSON of what was declared */
    SANDBOX_JSON_DEPTH = 30,           /* levels of a value that comes out of a script */
    SANDBOX_BLOCK_CLASSES = 8,
};

/* Bytes, of all states that share it. The caller sets `max` and leaves the rest zero. No single
 * block is larger than a quarter of it. */
struct sandbox_memory {
    size_t used, peak, max;
    /* The states' own: what was used when it was last settled, who shares it, when to collect next,
     * large blocks by their size. */
    size_t settled;
    struct sandbox_vm *vms;
    size_t collect_at;
    unsigned blocks[SANDBOX_BLOCK_CLASSES];
};

struct sandbox_limits {
    int64_t cpu_us;    /* of the whole run, its waits not counted */
    size_t output_max; /* bytes of the result's JSON, and of a call's */
    size_t log_max;    /* bytes of the run's log; further lines are left out */
};

enum sandbox_outcome {
    SANDBOX_CALLS, /* asks for a capability: sandbox_run_text, then sandbox_run_answer */
    SANDBOX_ENDED, /* over: sandbox_run_text, sandbox_run_ok */
    SANDBOX_TURN,  /* had its turn of CPU (5 ms): resume it later */
};

/* With the JIT off and the libraries in place; NULL: no memory. `memory` outlives it. */
struct sandbox_vm *sandbox_vm_new(struct sandbox_memory *memory);

/* Ends its runs: they must not be touched any more. NULL is allowed. */
void sandbox_vm_free(struct sandbox_vm *vm);

/* Adds a text chunk, in order. A prelude part is ours and gets the primitives; the others are
 * the author's. All parts together may take 100 ms of CPU. -1 with JSON of the problem in
 * `problem`; the state is good for nothing but sandbox_vm_free then. */
int sandbox_vm_load(struct sandbox_vm *vm, const char *name, const char *text, size_t len,
                    bool prelude, struct buf *problem);

/* After the last part: JSON of what the author's chunks declared. -1 as above. */
int sandbox_vm_declared(struct sandbox_vm *vm, struct buf *out, struct buf *problem);

/* Begins a run with that input; nothing of it is executed before the first resume, and what is
 * wrong with the input, or with memory for it, is a run that ends with an error. `json` is
 * copied or read here. Never NULL. */
struct sandbox_run *sandbox_run_new(struct sandbox_vm *vm, const char *json, size_t len,
                                    const struct sandbox_limits *limits);

/* Goes on until it calls out, ends, or has had its turn. */
enum sandbox_outcome sandbox_run_resume(struct sandbox_run *run);

/* What the run's call gave, before the next resume: the value, or {code, message} when not `ok`,
 * which ends the run with that error at the author's line. `json` is copied or read here. */
void sandbox_run_answer(struct sandbox_run *run, bool ok, const char *json, size_t len);

/* After SANDBOX_CALLS: JSON {name, arguments, file, line}; after SANDBOX_ENDED: {value} or
 * {error: problem}, both with log: [text...], and logCut: true where lines were left out. Valid
 * until the next call with this run. */
const struct buf *sandbox_run_text(const struct sandbox_run *run);

/* After SANDBOX_ENDED: whether it ended without an error. */
bool sandbox_run_ok(const struct sandbox_run *run);

/* What it has used so far. */
int64_t sandbox_run_cpu_us(const struct sandbox_run *run);

/* Also of one that is under way. NULL is allowed. */
void sandbox_run_free(struct sandbox_run *run);

/* For a state into which nothing more will be loaded: from now on it collects less often. Settles
 * the memory. */
void sandbox_vm_settle(struct sandbox_vm *vm);

/* Collects the garbage of all states that share the memory, and gives the kernel the pages that are
 * free then: some tenths of a millisecond. To be called between runs, when there is time. */
void sandbox_settle(struct sandbox_memory *memory);

/* Whether that is worth it: a quarter more is used than when it was last done. */
bool sandbox_has_grown(const struct sandbox_memory *memory);

/* Whether three quarters are used, also after a collection: by what scripts keep from run to run.
 * To be called between turns. */
bool sandbox_is_full(struct sandbox_memory *memory);

/* Bytes of it that are one state's. */
size_t sandbox_vm_held(const struct sandbox_vm *vm);

/* For tests: from now on runs of new states have their turn after each instruction. */
void sandbox_yield_always(void);
