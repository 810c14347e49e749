/* work.h - heavy CPU work off the loop, in threads of its own.
 *
 * libuv's pool also serves files and names: a burst of sign-ins there would hold up every
 * file. Here work waits in a short queue, and what does not fit is refused at once. The
 * threads run at a lower priority, so the loop keeps its share.
 *
 * With a turnstile the processes of a node take turns: one job at a time in all of them, and
 * its places are the queue. */
#pragma once
#include "err.h"
#include "turnstile.h"
#include <stdbool.h>
#include <uv.h>

struct work; /* one per process; owned by worker.c or cli.c */

enum { WORK_QUEUE = 32 }; /* jobs that may wait, beyond those that run */

/* In a thread of the pool. Must touch nothing but `arg` and what is safe in any thread.
 */
typedef void (*work_run_cb)(void *arg);
/* From the loop, once for each accepted job. `ran` is false only when work_free dropped
 * it. */
typedef void (*work_done_cb)(void *arg, bool ran);

/* After fork: threads do not survive one. While a job is under way the loop stays alive.
 * `threads` 0: one less than the processors; with a turnstile it must be 1. `turnstile` may be
 * NULL; it stays the caller's, and must outlive this. */
struct work *work_new(uv_loop_t *loop, unsigned threads, struct turnstile *turnstile);

/* On 0 `run` and then `done` will be called; on -1 (ERR_BUSY) neither. Loop thread only.
 */
int work_submit(struct work *work, work_run_cb run, work_done_cb done, void *arg,
                struct err *err);

/* Waits for the jobs that run, drops those that wait, calls `done` for all before it
 * returns. The loop must turn once more to free the rest. */
void work_free(struct work *work);

/* Jobs waiting or running. Loop thread only. */
unsigned work_pending(const struct work *work);
