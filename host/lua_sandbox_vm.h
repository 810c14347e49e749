/* lua_sandbox_vm.h - what the lua_sandbox_* files share, and what the prelude is told.
 *
 * Scripts run in LuaJIT's interpreter with libraries of ours. Nothing catches an error in
 * there, so a limit that is raised once ends the run.
 *
 * The prelude: each of its chunks gets one table as `...`, the same for all, with
 *
 *   call(name, arguments)      asks the process's peer and waits; its error ends the run
 *   log_line(text)             a line of the run's log; nothing while parts are loaded
 *   where()                    file, line of the author's nearest frame, or nil
 *   at(file, line)             what where() and problems say when no frame is the author's
 *   fail(code, message)        raises at where()
 *   array(t), object(t), is_array(v), null, json_encode(v), json_decode(text)
 *                              as core.json. A null in the input of a run and in answers is
 *                              nil, but in arrays, where it is `null`. json_encode raises on
 *                              bytes that are no UTF-8, too
 *   budget()                   {cpuMs, cpuLimitMs, memoryBytes, memoryLimitBytes}
 *   state()                    a table that belongs to the run; nil while parts are loaded
 *   read_only(t)               what reads as t and cannot be written
 *   random_seed(text)          what math.random gives from now on depends on the text alone
 *
 * and its globals are the libraries (as authors get them), setmetatable, rawget and rawset;
 * a global that one chunk sets the others see. It must put into the table
 *
 *   env(file)                  the environment of an author's chunk, asked before it runs
 *   declared()                 what sandbox_vm_declared encodes
 *   run(input)                 a run; what it returns is its value */
#pragma once
#include "sandbox_vm.h"
#include <lauxlib.h>
#include <lua.h>

/* What is being paid for: a run, or the loading of all parts. */
struct sandbox_activity {
    int64_t cpu_limit_us, cpu_used_us; /* used before `since_us` */
    int64_t since_us;                  /* the thread's CPU time when it was entered */
    bool is_run;
    bool turn_over;     /* the hook yielded, not call() */
    struct buf problem; /* JSON; empty while all is well */
    size_t output_max;
    int state_ref;   /* LUA_NOREF until asked for */
    uint64_t random; /* the state of its lots */
    char *file;      /* at(), NULL if never called */
    int line;
    struct buf log; /* JSON strings with commas between */
    size_t log_left;
    bool log_cut;
    struct buf call; /* the JSON of call() */
};

/* Where an author's code is. */
struct sandbox_place {
    char file[256]; /* empty: nowhere */
    int line;
};

/* What the state does for C under protection, each a function with the codec's upvalues. */
enum sandbox_job {
    SANDBOX_PREPARE_PART,     /* arg: struct sandbox_part; returns the thread to resume */
    SANDBOX_PREPARE_DECLARED, /* the same, of declared() */
    SANDBOX_PREPARE_RUN,      /* arg: struct sandbox_input; keeps it in the registry */
    SANDBOX_DECODE,           /* arg: struct sandbox_text; returns the value */
    SANDBOX_NOTE_FAILURE,     /* arg: struct sandbox_failure */
    SANDBOX_ENCODE,           /* the value; arg: struct sandbox_output */
    SANDBOX_JOBS,
};

struct sandbox_part {
    const char *name, *text;
    size_t len;
    bool prelude;
};

struct sandbox_text {
    const char *text;
    size_t len;
};

struct sandbox_input {
    struct sandbox_text json;
    lua_State *thread; /* out, with its reference and the arguments it is resumed with */
    int thread_ref, args;
};

/* An answer that is an error, and the thread at whose place it is noted. */
struct sandbox_failure {
    struct sandbox_text json;
    lua_State *thread;
};

struct sandbox_output {
    struct buf *out;
    size_t max;
};

struct sandbox_vm {
    lua_State *L, *thread; /* thread: what is resumed now, else NULL */
    struct sandbox_memory *memory;
    size_t held;                     /* bytes of memory->used that are this state's */
    struct sandbox_vm *next, **link; /* in memory->vms */
    struct sandbox_run *runs;
    struct sandbox_activity load, *now; /* now: NULL when nothing runs */
    int units;                          /* until the clock is looked at */
    int hook_count;
    unsigned depth; /* of callbacks called by C, in which nothing can wait */
    int64_t look_at_ns;
    size_t allocated; /* since the hook ran */
    bool collecting;
    bool refused;                    /* memory, since now was entered */
    struct sandbox_place refused_at; /* and where */
    int primitives_ref, xpcall_ref, job_refs[SANDBOX_JOBS];
    void *job_arg;
};

struct sandbox_vm *sandbox_vm_of(lua_State *L);

/* lua_sandbox_memory.c */

/* lua_Alloc over vm->memory; `arg` is the vm. */
void *sandbox_allocate(void *arg, void *block, size_t old_size, size_t size);
/* Instructions between two calls of the hook, fewer the larger the blocks in use: one of them
 * may work its way through a whole block. */
int sandbox_hook_count(const struct sandbox_memory *memory);
/* Collects all states that share the memory. `L` is the running state, NULL if none. */
void sandbox_collect(struct sandbox_memory *memory, lua_State *L);
/* Whether it is time to. */
bool sandbox_collect_due(const struct sandbox_memory *memory);
/* Sets how often the state collects until sandbox_vm_settle. */
void sandbox_loading_pace(lua_State *L);

/* lua_sandbox_charge.c */

/* Says that `units` of work are done, of some 20 ns each; raises when the CPU is used up. */
void sandbox_charge(lua_State *L, unsigned units);
/* The same where the work cannot be told: by the clock. */
void sandbox_charge_clock(lua_State *L);
void sandbox_hook_install(struct sandbox_vm *vm);
/* The allocator wants the hook at the next instruction. */
void sandbox_hook_soon(struct sandbox_vm *vm);
void sandbox_enter(struct sandbox_vm *vm, struct sandbox_activity *activity);
void sandbox_leave(struct sandbox_vm *vm);
/* The same where the activity is about to be entered again: its clock goes on until it, or
 * another one, is. */
void sandbox_leave_resting(struct sandbox_vm *vm);
/* Stops that clock: before work that is nobody's, before an activity is asked what it used or is
 * freed. */
void sandbox_rest_over(void);
int64_t sandbox_cpu_us(const struct sandbox_activity *activity, bool running);
/* lua_call for C functions of the sandbox: hooks cannot yield and calls cannot wait in it, and
 * an error's place and traceback are noted while the frames are there. */
void sandbox_callback(lua_State *L, int args, int results);

/* lua_sandbox_problem.c */

struct sandbox_place sandbox_place(lua_State *L, int level);
/* Notes the problem, if there is none yet, and raises. */
int sandbox_raise(lua_State *L, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
/* Code LIMIT_<KIND>, message "limit: kind ... at file:line". */
int sandbox_raise_limit(lua_State *L, const char *code, const char *what)
    __attribute__((noreturn));
/* Notes the problem, if there is none yet. `level`: where the stack is looked at from. */
void sandbox_note(lua_State *L, struct sandbox_activity *activity, const char *code,
                  const char *message, size_t len, int level);
/* Notes the error whose value is on top of `L`; with `syntax` it is the compiler's. */
void sandbox_note_error(lua_State *L, struct sandbox_activity *activity, bool syntax);
/* The message handler that does so while the frames are there. */
int sandbox_handler(lua_State *L);
/* Adds `"details":` and this JSON to the problem. */
void sandbox_note_details(struct sandbox_activity *activity, const char *json,
                          size_t len);

/* The libraries. Each text that one of them makes is at most SANDBOX_STRING_MAX bytes. */
enum { SANDBOX_STRING_MAX = 256 * 1024 };
void sandbox_push_libraries(lua_State *L); /* a table of all, by name */
void sandbox_push_table(lua_State *L);     /* `table`, read-only */
void sandbox_add_string(lua_State *L); /* to the table on top: what is ours of `string` */
void sandbox_add_patterns(lua_State *L);
void sandbox_add_pairs(lua_State *L); /* next and pairs */
/* In place of the value on top: its text, for objects their type, never an address. */
void sandbox_tostring(lua_State *L);
/* Of the table on top, which it replaces. */
void sandbox_push_read_only(lua_State *L);

/* lua_sandbox_prelude.c: pushes the table of primitives and, above it, that of host.json. */
void sandbox_push_primitives(lua_State *L);
/* The value at `index` as JSON, of at most `max` bytes; for the codec's closures. */
void sandbox_encode(lua_State *L, int index, struct buf *out, size_t max);

/* lua_sandbox_jobs.c */

/* Takes the table of host.json off the stack. */
void sandbox_make_jobs(lua_State *L);
/* Does it on vm->L, with the `args` values on top of it, within the activity that was entered.
 * Once more after a collection if memory does not suffice and there are no `args`. Returns 0
 * with the result on top of vm->L, or what lua_pcall gave, the problem noted. */
int sandbox_do(struct sandbox_vm *vm, enum sandbox_job job, void *arg, int args);

/* lua_sandbox_run.c */

/* Goes on with the thread, which sandbox_prepare made. Returns LUA_YIELD; 0 with its value as the
 * only one on top; or another number, the problem noted. */
int sandbox_resume(struct sandbox_vm *vm, lua_State *thread, int args);
/* From the function and its `args` arguments on top of L, which are taken, to a thread on which
 * all is ready to be resumed; returns how many arguments that takes. */
int sandbox_prepare(lua_State *L, lua_State *thread, int args);
void sandbox_runs_free(struct sandbox_vm *vm);

/* lua_sandbox_vm.c */
void sandbox_activity_free(struct sandbox_activity *activity);

/* Raises unless the table at `index` may be written by the libraries. */
void sandbox_check_writable(lua_State *L, int index);
/* An integer argument within +-2^31, raising on NaN and infinities. */
int sandbox_check_integer(lua_State *L, int arg);
int sandbox_opt_integer(lua_State *L, int arg, int fallback);
