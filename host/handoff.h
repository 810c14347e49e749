/* handoff.h - a master replaced by a newer binary in the same process: pid, children and listening
 * sockets stay, so that nothing is refused and nobody has to be told.
 *
 * What stays is named in an environment variable: the descriptors, the children, their generation.
 * What the processes count together stays where the newer binary means the same by its bytes
 * (shared.h); the heartbeats and all else begin anew. */
#pragma once
#include "children.h"
#include "err.h"

enum { HANDOFF_LISTENERS_MAX = 2 };

/* Descriptors of shared memory. */
enum { HANDOFF_METRICS, HANDOFF_LIMITS, HANDOFF_COUNTERS, HANDOFF_SHARED };

struct handoff {
    int control, image_listener;
    int sandbox_listener;                     /* -1: an older binary had none */
    int listeners[HANDOFF_LISTENERS_MAX + 1]; /* ended by -1 */
    struct child *children;                   /* those that run; owned */
    int count;
    unsigned generation;        /* of Lua that they run (generation.h) */
    int shared[HANDOFF_SHARED]; /* -1: an older binary did not keep it */
};

/* What the binary before left to us, with close-on-exec set again; NULL when there was none. Call
 * it before anything reads the environment: the variable is removed. */
struct handoff *handoff_take(void);

/* NULL is fine. */
void handoff_free(struct handoff *handoff);

/* Starts `binary version` with the rest of our arguments: a binary that cannot even load its
 * configuration must not take over. Its pid, -1 when fork fails; it ends within 10 s, with 0 when
 * all is well. */
pid_t handoff_try(const char *binary, char **argv);

/* Runs `binary` in place of this program. Returns, -1, only when that fails; all is as before. */
int handoff_exec(const struct handoff *handoff, const char *binary, char **argv,
                 struct err *err);
