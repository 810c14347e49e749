/* shared.h - memory that all processes of a node share, and that a program which takes this one's
 * place by exec can go on with: a mapping behind a descriptor.
 *
 * It is made before the processes are forked. A module that keeps a table in it embeds the head
 * first. Pointers into it mean nothing to the next program: keep distances. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared {
    uint32_t layout; /* what the rest looks like; the module's own number */
    int32_t fd;      /* behind the mapping; the same number in all processes */
    uint64_t size;   /* bytes, this head included */
};

/* The mapping behind `fd` when it has this layout and size. Else (also for -1) a new one, zero but
 * for its head, and `*fresh` is true; what was behind `fd` is let go. Ends the process when there
 * is no memory. */
void *shared_take(int fd, uint32_t layout, size_t size, bool *fresh);

/* Unmaps it in this process and closes its descriptor; NULL is fine. */
void shared_free(void *mapping);
