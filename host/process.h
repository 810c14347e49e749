/* process.h - child processes: of commands (dev, tests), and tools that look at what people
 * wrote. Started, watched, never left behind.
 *
 * A child is killed by the kernel when we die, inherits no descriptor but 0, 1 and 2, and
 * starts with default signal handling. Its end is noticed through a pidfd, so there is no
 * SIGCHLD handler and no quarrel with other code that waits for children. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <uv.h>

struct process;

/* Runs once, from the loop, when the process has ended. `code` is its exit code, or 128 +
 * signal when `signal` (else 0) killed it. Afterwards process_kill fails; process_release
 * is still due. */
typedef void (*process_exit_cb)(void *arg, int code, int signal);

struct process_options {
    const char *const
        *argv; /* NULL-terminated; argv[0] without a slash is searched in PATH */
    const char *const *env; /* NULL-terminated NAME=text, added to ours; or NULL */
    const char *cwd;        /* or NULL */
    const char *out; /* standard output: a path to append to, NULL for /dev/null, */
    const char *err; /* or PROCESS_INHERIT; the same for standard error */
    bool new_group;  /* out of reach of the terminal's Ctrl-C */
};

#define PROCESS_INHERIT "inherit"

/* Returns NULL with `err` (NOT_FOUND, IO, ...) also when the program cannot be executed.
 * Waits for the exec, some hundred microseconds: not for what is asked often. Must be
 * called on the thread that lives as long as the process itself (the loop's). */
struct process *process_spawn(uv_loop_t *loop, const struct process_options *options,
                              process_exit_cb on_exit, void *arg, struct err *err);

int process_pid(const struct process *process);

/* CLOSED when it has ended. */
int process_kill(struct process *process, int signal, struct err *err);

/* The owner lets go: the callback does not run any more. A process that still runs is
 * reaped when it ends but no longer keeps the loop alive. */
void process_release(struct process *process);
