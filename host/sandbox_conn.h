/* sandbox_conn.h - a worker's connection to a sandbox process: loads and runs under way, and what
 * the process may say about them.
 *
 * It is believed nothing. Whatever it says out of turn - of a run that is not open, a second
 * answer, JSON that is none, a length or number out of bounds - ends this connection, and with it
 * what this worker runs there. Nobody else notices. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Codes beside those of err.h. CLOSED: the process has ended, or made room; another one can be
 * asked. */
#define SANDBOX_CRASHED "CRASHED"       /* it broke the protocol */
#define SANDBOX_KILLED "KILLED"         /* it did not answer, and was killed for it */
#define SANDBOX_LIMIT_WALL "LIMIT_WALL" /* the run's time was over */
#define SANDBOX_UNKNOWN_RELEASE "UNKNOWN_RELEASE" /* load it first, then begin again */
#define SANDBOX_SCRIPT "SCRIPT" /* a release that does not load; the text says why */

struct sandbox_conn;
struct sandbox_client;

struct sandbox_part {
    const char *name, *text;
    size_t len;   /* of the text */
    bool prelude; /* ours, not the author's */
};

struct sandbox_start {
    uint64_t release;
    int64_t cpu_us, wall_ms;
    size_t output_max, log_max;
    const char *json; /* the input */
    size_t len;
};

enum sandbox_message_kind { SANDBOX_MESSAGE_CALL, SANDBOX_MESSAGE_DONE };

struct sandbox_message {
    enum sandbox_message_kind kind;
    bool ok;          /* DONE: without an error */
    const char *text; /* JSON, valid during the callback */
    size_t len;
    int64_t cpu_us, memory; /* DONE: as the process says, which may lie */
};

/* Exactly one of `message` and `err` is NULL. After an error, and after SANDBOX_MESSAGE_DONE, the
 * run is forgotten. */
typedef void (*sandbox_run_cb)(void *arg, const struct sandbox_message *message,
                               const struct err *err);

/* `declared` is JSON, valid during the callback; NULL with an error, of which SANDBOX_SCRIPT has
 * JSON of the problem in `problem`. */
typedef void (*sandbox_load_cb)(void *arg, const char *declared, size_t len,
                                const char *problem, size_t problem_len,
                                const struct err *err);

/* Lets go of it: what was begun on it and has not ended is cancelled. */
void sandbox_conn_unref(struct sandbox_conn *conn);

/* Whether runs can be begun. One that is not may still have some open. */
bool sandbox_conn_is_open(const struct sandbox_conn *conn);

/* CPU that the process has used, asked of the kernel; -1 when it is gone. */
int64_t sandbox_conn_cpu_us(const struct sandbox_conn *conn);

/* Each returns at once. -1, and the callback never runs, with CLOSED, or BUSY when too much waits
 * for this process, or TOO_LARGE for a text that no packet carries. */
int sandbox_conn_load(struct sandbox_conn *conn, uint64_t release,
                      const struct sandbox_part *parts, size_t count,
                      sandbox_load_cb done, void *arg, struct err *err);
/* The number of the run, 0 instead of -1. */
uint64_t sandbox_conn_start(struct sandbox_conn *conn, const struct sandbox_start *start,
                            sandbox_run_cb done, void *arg, struct err *err);
/* What the run has asked for; `json` is the value, or an error {code, message} unless `ok`.
 * NOT_FOUND: it has asked for nothing, or there is no such run. */
int sandbox_conn_answer(struct sandbox_conn *conn, uint64_t run, bool ok,
                        const char *json, size_t len, sandbox_run_cb done, void *arg,
                        struct err *err);

/* The run's callback does not run any more, and the process is told. */
void sandbox_conn_cancel(struct sandbox_conn *conn, uint64_t run);
/* The callback of a load that was given `arg` does not run any more. */
void sandbox_conn_forget_load(struct sandbox_conn *conn, void *arg);
