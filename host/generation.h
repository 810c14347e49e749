/* generation.h - the files that a generation of Lua is made of, kept as they were when it was
 * taken.
 *
 * The master copies them into a numbered folder before any worker builds from them, and a worker
 * that is started again, for whatever reason, builds from the same copy: all workers of a node
 * run the same bytes, and what lies half-saved on disk matters to nobody.
 *
 * A copy stays for as long as somebody holds it. The hold is a lock of the kernel (flock), so that
 * it ends with its process, however that ended. */
#pragma once
#include "err.h"
#include <stddef.h>

/* Copies each file or folder of `names` (comma-separated, below `root`; what does not exist is
 * passed over) to <folder>/<number>/. Links are followed, hidden files in folders passed over;
 * files keep the time they were changed. 0, or -1: then nothing is left of it (DISK_FULL ...).
 * `folder` is made when it is not there. Blocks. */
int generation_take(const char *folder, unsigned number, const char *root,
                    const char *names, struct err *err);

/* Writes its path to `out`, of PATH_MAX bytes. */
void generation_path(const char *folder, unsigned number, char *out);

/* The highest number that is there, 0 for none. */
unsigned generation_last(const char *folder);

/* Holds it until generation_release; the descriptor, -1 when it is not there. */
int generation_hold(const char *path);
void generation_release(int hold);

/* Removes all that nobody holds, but for the numbers `keep[0..count)`. */
void generation_sweep(const char *folder, const unsigned *keep, size_t count);
