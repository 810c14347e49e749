/* turn.h - how much of one turn of the loop goes to tasks.
 *
 * One poll may make many of them ready: the answers of all connections to the database, a request
 * on each of hundreds of sockets. To go on with all of them at once would keep everybody else
 * waiting for the sum. So when TURN_US have gone to such jobs the others stand in line, and each
 * time that TURN_US went to the line the loop looks what else has become ready. */
#pragma once
#include <uv.h>

enum { TURN_US = 1000 };

/* Embedded in what is to be done, which must stay until `run` is called. */
struct turn_job {
    void (*run)(struct turn_job *job);
    struct turn_job *next; /* private */
};

/* Runs the job: before this returns, or, when there was no time for it in this turn or others
 * stand in line, in one of the next, in the order of these calls. Always with the same loop, which
 * must go on turning, and from its thread. */
void turn_run(uv_loop_t *loop, struct turn_job *job);

/* When a turn's poll() had told what is ready: of both clocks, in ns. Read by the first who asks
 * in a turn and kept for the others, who came no later. From the loop's thread. */
struct turn_time {
    uint64_t steady; /* as uv_hrtime() */
    uint64_t wall;   /* since 1970 */
};
struct turn_time turn_time(void);
