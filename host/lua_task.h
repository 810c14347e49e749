/* lua_task.h - coroutines that wait for C. The only code that resumes a coroutine.
 *
 * A task is one coroutine of one vm. A primitive that must wait starts its operation, keeps
 * task_current(L) in the operation's struct, and ends with `return task_wait(L, cancel, op)`.
 * When the operation completes it calls task_wake(task, push, op), once. If the task's deadline
 * passes or it is cancelled first, `cancel(op)` is called instead, once: from then on the
 * operation must not touch the task; the waiting call returns nil, {code = "TIMEOUT"} (or
 * "CANCELLED") to Lua. So exactly one of push and cancel runs for each wait.
 *
 * lua_yield drops what the C function was given: copy or luaL_ref whatever the operation needs
 * of its Lua arguments before task_wait. */
#pragma once
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct task;
struct vm;

/* Detaches the operation from its task: task_wake must not be called afterwards. */
typedef void (*task_cancel_cb)(void *op);
/* Pushes the results of the wait onto L and returns their number. Must not raise. */
typedef int (*task_push_cb)(lua_State *L, void *op);
/* The task ended. On success `problem` is NULL and its results are the whole stack of L; else
 * `problem` is the message with traceback and L must not be used. */
typedef void (*task_end_cb)(void *arg, lua_State *L, const char *problem);

/* Takes a function and `nargs` arguments off the top of `from` (any state of this vm) and runs
 * them as a task until its first wait: now, or when the loop has time for it (turn.h). `end` (or
 * NULL: errors go to the log) runs once, maybe before this returns. `timeout_ms` 0 means no deadline. */
void task_spawn(struct vm *vm, lua_State *from, int nargs, unsigned timeout_ms,
                task_end_cb end, void *arg);

/* The same with a value below the function: Lua holds it until `end` has run. */
void task_spawn_holding(struct vm *vm, lua_State *from, int nargs, unsigned timeout_ms,
                        task_end_cb end, void *arg);

/* The running task. Raises when L is no task's own coroutine (the main state, or a coroutine
 * that the application made itself). */
struct task *task_current(lua_State *L);

/* The vm of L when it is the running task's own coroutine, else NULL. */
struct vm *task_vm(lua_State *L);

/* Whether the task may wait no more (its deadline passed, or it was cancelled): then it pushes
 * nil, err and returns 2, else 0. For operations whose mere start has an effect, such as a
 * statement: asked before they begin. */
int task_over(lua_State *L);

/* Always the last call: `return task_wait(L, cancel, op);`. When the task's deadline has
 * passed already it calls cancel(op) and returns nil, err without waiting. */
int task_wait(lua_State *L, task_cancel_cb cancel, void *op);

/* Ends the wait: pushes now what `push` pushes, and has the task go on with it when the loop has
 * time for it. */
void task_wake(struct task *task, task_push_cb push, void *op);

/* The current wait and every later one return nil, {code = "CANCELLED"}. */
void task_cancel(struct task *task);

/* Replaces the deadline: `timeout_ms` from now, 0 for none. Checked every 50 ms. */
void task_set_deadline(struct task *task, unsigned timeout_ms);

/* Clean-up that runs when the task ends, however it ends, latest first; `node` is embedded in
 * the caller's struct and must stay valid until task_undefer or the call of `run`. */
struct task_defer {
    void (*run)(struct task_defer *node);
    struct task_defer *next, **link; /* private */
};
void task_defer(struct task *task, struct task_defer *node);
void task_undefer(struct task_defer *node);

/* Cancels every task of the vm. */
void task_cancel_all(struct vm *vm);

/* Frees the kept coroutines; before lua_close. */
void task_free_spare(struct vm *vm);
