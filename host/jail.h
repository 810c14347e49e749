/* jail.h - gives up everything that work on hostile bytes does not need. Irrevocable. */
#pragma once
#include "err.h"
#include <stdint.h>

/* What a jailed process may still ask of the kernel (jail_profiles.c); everything else fails with
 * EPERM. None of them can open or stat a file, execute a program or make memory executable. */
struct jail_profile;
extern const struct jail_profile
    jail_image,  /* and start threads, use the descriptors that it holds, get more */
    jail_zygote, /* and fork, kill its children, make Unix socket pairs and pass them on */
    jail_sandbox; /* and use its connections, get more; hardly anything else */

/* A profile as the kernel takes it: made once, entered by any number of processes. */
struct jail_filter;

/* NULL when seccomp is not there. Free with jail_filter_free. */
struct jail_filter *jail_filter_new(const struct jail_profile *profile, struct err *err);
void jail_filter_free(struct jail_filter *filter);

#define JAIL_SAME UINT64_MAX /* the limit stays */

/* All of them have to be said. */
struct jail_limits {
    uint64_t files;         /* descriptors at a time */
    uint64_t written;       /* bytes of a file */
    uint64_t address_space; /* bytes, mapped in any way; not enforced under ASan */
    uint64_t data;          /* bytes, private and writable; not enforced under ASan */
};

/* Closes every descriptor but 0, 1, 2 and `keep_fd`; root becomes nobody; sets the limits, dumps
 * no core, dies when the parent does, and enters the filter. From a jail into a narrower one too.
 *
 * Everything that libraries load or read lazily must have happened before. Call with one thread:
 * others would keep their rights. */
int jail_enter(const struct jail_filter *filter, const struct jail_limits *limits,
               int keep_fd, struct err *err);
