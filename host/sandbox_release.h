/* sandbox_release.h - what a sandbox process has loaded: a few releases, each in a state of its
 * own, all within one budget of memory. Workers that ask for the same one share it. */
#pragma once
#include "sandbox_vm.h"

enum { SANDBOX_RELEASES_MAX = 4 }; /* kept beside those that runs need */

struct sandbox_release {
    uint64_t id; /* the workers' number */
    struct sandbox_vm *vm;
    struct buf declared;
    unsigned runs; /* open in it */
    uint64_t used; /* greater: later */
    bool dropped;  /* goes with its last run */
    struct sandbox_release *next;
};

struct sandbox_releases {
    struct sandbox_memory memory;
    struct sandbox_release *first;
    uint64_t clock;
};

/* What a connection has sent so far of a release. All zero: nothing. */
struct sandbox_loading {
    uint64_t id;
    struct sandbox_releases *releases;
    struct sandbox_release *there; /* it was loaded before, and stays until the end */
    struct sandbox_vm *vm;         /* NULL then, and when it failed */
    struct buf problem;            /* JSON, not empty when it failed */
};

/* The release, or NULL when it has to be loaded first. */
struct sandbox_release *sandbox_release_find(struct sandbox_releases *releases,
                                             uint64_t id);

/* One more run is open in it, one less. */
void sandbox_release_use(struct sandbox_releases *releases,
                         struct sandbox_release *release);
void sandbox_release_done(struct sandbox_releases *releases,
                          struct sandbox_release *release);

/* Not needed any more. */
void sandbox_release_drop(struct sandbox_releases *releases, uint64_t id);

/* When the memory is full of what scripts keep, whoever keeps most of it is dropped: its next run
 * has it loaded anew. Else all runs of all releases would fail from then on. To be called when a run
 * has ended. */
void sandbox_releases_relieve(struct sandbox_releases *releases);

/* Begins anew with release `id`; adds a part; gives it all to the releases. The last returns whether
 * it is there now, with what was declared, or else the problem, in `text`: valid until the next
 * call. */
void sandbox_loading_begin(struct sandbox_loading *loading,
                           struct sandbox_releases *releases, uint64_t id);
void sandbox_loading_add(struct sandbox_loading *loading, const char *name,
                         const char *text, size_t len, bool prelude);
bool sandbox_loading_end(struct sandbox_loading *loading, const struct buf **text);
void sandbox_loading_free(struct sandbox_loading *loading);
