/* heartbeat.h - how the master sees that a worker's loop still turns.
 *
 * One slot per child in shared memory, made before the processes are forked. A worker beats on
 * each turn of its loop and notes what it begins; the master compares beats. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct heartbeat; /* the slots; a shared mapping */

enum { HEARTBEAT_DOING_MAX = 160 };

/* All slots at 0; ends the process when there is no memory. */
struct heartbeat *heartbeat_new(size_t slots);

/* Unmaps them in this process; NULL is fine. */
void heartbeat_free(struct heartbeat *heart);

/* Worker: the loop has come round. */
void heartbeat_beat(struct heartbeat *heart, size_t slot);

/* Worker: notes what begins, two words of which the second is cut when it is long. */
void heartbeat_doing(struct heartbeat *heart, size_t slot, const char *verb,
                     const char *what);

/* Master: how often it has come round; what it began last, into HEARTBEAT_DOING_MAX bytes. */
uint64_t heartbeat_count(const struct heartbeat *heart, size_t slot);
void heartbeat_last(const struct heartbeat *heart, size_t slot, char *out);
