/* vm.h - a generation of Lua: one LuaJIT VM, everything loaded into it, all tasks running in it.
 *
 * Known to C without Lua's header. A reload makes a new vm beside the running one, boots it, and
 * either makes it current or drops it. A retired vm is closed when its last task has ended,
 * never from inside itself.
 *
 * Boot runs `require("core.main").boot(role)` in a task; it returns the table of entry points
 * ("request", "ws_message", ...) that bindings fetch by name. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct host;
struct vm;

/* `problem` is NULL on success, else the message with file, line and traceback. */
typedef void (*vm_boot_cb)(void *arg, struct vm *vm, const char *problem);
typedef void (*vm_gone_cb)(void *arg);
/* `problem` is NULL when the function returned; `result` is its first result as text. */
typedef void (*vm_run_cb)(void *arg, const char *problem, const char *result, size_t len);

/* A fresh VM with the standard libraries and host.* loadable; runs no code of the project.
 * `root` is the folder that holds lua/, plugins/, config/: copied, and held (generation.h) for
 * as long as the VM lives. */
struct vm *vm_new(struct host *host, const char *root);

/* For tests: from now on every new VM collects at full speed, and all there is whenever a task
 * waits, and its memory is malloc's. So what C keeps of Lua's without an anchor is gone when it
 * is used, and ASan tells. */
void vm_collect_always(void);

/* Goes on with a cycle of the collector, or begins one, for about `slice_us`: to be called from the
 * loop, not from inside the VM. Whether the cycle has ended. */
bool vm_collect_for(struct vm *vm, unsigned slice_us);

/* Starts boot and returns; `done` runs once, from the loop or before this returns. */
void vm_boot(struct vm *vm, vm_boot_cb done, void *arg);

/* Runs `require(module)[function](arg)` in a task (arg NULL: no argument). */
void vm_run(struct vm *vm, const char *module, const char *function, const char *text,
            vm_run_cb done, void *arg);

/* Runs its stop entry point with `grace_ms`, waits until all tasks ended, closes it, calls `gone` (or NULL).
 * Tasks that do not end within `grace_ms` are cancelled. */
void vm_retire(struct vm *vm, unsigned grace_ms, vm_gone_cb gone, void *arg);

/* Shortens the grace of a retired vm: what still runs after `grace_ms` from now is cancelled. */
void vm_hurry(struct vm *vm, unsigned grace_ms);

/* Counts up by one with each vm_new of the process. */
unsigned vm_generation(const struct vm *vm);

/* How many vms this process has that are not closed. */
unsigned vm_alive(void);

/* Bytes that its Lua heap holds now. */
size_t vm_memory(const struct vm *vm);

/* What was left of them when the last cycle of the collector ended, whoever began it; 0 before the
 * first. */
size_t vm_live(const struct vm *vm);
