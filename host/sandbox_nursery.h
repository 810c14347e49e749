/* sandbox_nursery.h - the zygote's children: born when a name is asked for, ended when there is no
 * room, when they answer nobody, or when they work though nobody asked them to. For the zygote. */
#pragma once
#include "sandbox_proto.h"
#include "sandbox_zygote.h"
#include <stdbool.h>
#include <sys/types.h>

enum {
    NURSERY_ENDING_MAX = 64, /* told to end and not gone yet */
    NURSERY_MAX = ZYGOTE_PROCESSES_MAX + NURSERY_ENDING_MAX,
};

#define NEVER_MS UINT64_MAX

struct sandbox_member {
    uint64_t name[2];
    uint64_t id; /* never used twice */
    pid_t pid;
    int control;
    uint64_t used_ms; /* when a worker last spoke of it */
    uint64_t cpu_ms;  /* what it had worked when it was last found in use */
    uint64_t kill_ms; /* it was told to end, and is killed then; 0: it stays */
};

/* Made of zeros and options, in memory that a fork does not copy. */
struct sandbox_nursery {
    struct sandbox_zygote_options options;
    uint64_t last_id;
    uint64_t look_ms; /* the next look at what works unasked */
    bool changed;     /* how many stay has changed; whoever tells of it resets this */
    size_t count;
    struct sandbox_member members[NURSERY_MAX];
};

size_t sandbox_nursery_staying(const struct sandbox_nursery *nursery);

/* Of those that stay; NULL when there is none. */
struct sandbox_member *sandbox_nursery_find(struct sandbox_nursery *nursery,
                                            const uint64_t name[2]);
struct sandbox_member *sandbox_nursery_find_id(struct sandbox_nursery *nursery,
                                               uint64_t id);

/* A new one; NULL when there is no room, though the one unused for longest was told to make some. */
struct sandbox_member *sandbox_nursery_add(struct sandbox_nursery *nursery,
                                           const uint64_t name[2], int nice);

/* A connection to it, of which it has got its end; -1 when it takes none. */
int sandbox_nursery_connect(const struct sandbox_member *member);

/* Kills it if it still runs, and forgets it. The last member takes its place. */
void sandbox_nursery_bury(struct sandbox_nursery *nursery, struct sandbox_member *member);

/* Tells all of them to end, in their own time. */
void sandbox_nursery_drain(struct sandbox_nursery *nursery);

/* Kills what is not to be any more; returns how long to wait for the next look, -1 for ever. */
int sandbox_nursery_tick(struct sandbox_nursery *nursery);
