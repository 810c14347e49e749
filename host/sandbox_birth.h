/* sandbox_birth.h - the zygote's jail, and how one of its children becomes a sandbox process. */
#pragma once
#include "err.h"
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* Once, in the zygote: warms up what the children share, then closes the jail behind us. `keep_fd`
 * and 0, 1, 2 stay open, `files` descriptors may be; each child gets `memory_max` bytes for its
 * scripts. */
int sandbox_prepare_births(int keep_fd, uint64_t files, size_t memory_max,
                           struct err *err);

/* In a child: enters the narrower jail and serves what comes over `control_fd`. Its standard error
 * becomes what its standard input is, which is to be nothing. Ends with 1 when the jail fails. */
noreturn void sandbox_be_born(int control_fd, int nice);
