/* Only the worker writes its slot. The note is read when the worker stands still or is dead, so
 * that it needs no lock; a torn one would be a wrong word in a log line. */
#include "heartbeat.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct slot {
    _Atomic uint64_t count;
    char doing[HEARTBEAT_DOING_MAX];
} __attribute__((aligned(64))); /* the workers write at the same time */

struct heartbeat {
    size_t mapped; /* bytes */
    struct slot slots[];
};

struct heartbeat *heartbeat_new(size_t slots)
{
    size_t mapped = sizeof(struct heartbeat) + slots * sizeof(struct slot);
    struct heartbeat *heart =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (heart == MAP_FAILED) {
        fprintf(stderr, "fixxit: no shared memory for the heartbeats\n");
        abort();
    }
    heart->mapped = mapped;
    return heart;
}

void heartbeat_free(struct heartbeat *heart)
{
    if (heart)
        munmap(heart, heart->mapped);
}

void heartbeat_beat(struct heartbeat *heart, size_t slot)
{
    atomic_fetch_add_explicit(&heart->slots[slot].count, 1, memory_order_relaxed);
}

void heartbeat_doing(struct heartbeat *heart, size_t slot, const char *verb,
                     const char *what)
{
    char *out = heart->slots[slot].doing;
    size_t verb_len = strnlen(verb, 16);
    size_t room = HEARTBEAT_DOING_MAX - verb_len - 2;
    size_t what_len = strnlen(what, room);
    memcpy(out, verb, verb_len);
    out[verb_len] = ' ';
    memcpy(out + verb_len + 1, what, what_len);
    out[verb_len + 1 + what_len] = '\0';
}

uint64_t heartbeat_count(const struct heartbeat *heart, size_t slot)
{
    return atomic_load_explicit(&heart->slots[slot].count, memory_order_relaxed);
}

void heartbeat_last(const struct heartbeat *heart, size_t slot, char *out)
{
    snprintf(out, HEARTBEAT_DOING_MAX, "%.*s", HEARTBEAT_DOING_MAX - 1,
             heart->slots[slot].doing);
}
