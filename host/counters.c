/* A counter is known by the hash of its name. Its place is claimed by writing the hash there in
 * one operation, so that nobody waits and a process may die at any moment. */
#include "counters.h"
#include "shared.h"
#include <stdatomic.h>

enum { LAYOUT = 0x63740001 }; /* raise it when what follows means something else */

struct counter {
    _Atomic uint64_t name; /* 0: nobody's */
    _Atomic uint64_t value;
} __attribute__((aligned(64))); /* read for every request while others are written */

struct counters {
    struct shared head;
    struct counter all[COUNTERS_MAX];
};

struct counters *counters_take(int fd)
{
    bool fresh;
    return shared_take(fd, LAYOUT, sizeof(struct counters), &fresh);
}

int counters_fd(const struct counters *counters)
{
    return counters->head.fd;
}

void counters_free(struct counters *counters)
{
    shared_free(counters);
}

static uint64_t hash_of(const char *name)
{
    uint64_t hash =
        UINT64_C(14695981039346656037); /* FNV-1a: the same in every program */
    while (*name)
        hash = (hash ^ (unsigned char)*name++) * UINT64_C(1099511628211);
    return hash;
}

int counters_open(struct counters *counters, const char *name)
{
    uint64_t hash = hash_of(name);
    for (int i = 0; i < COUNTERS_MAX; i++) {
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&counters->all[i].name, &found, hash) ||
            found == hash)
            return i;
    }
    return -1;
}

uint64_t counters_add(struct counters *counters, int counter, uint64_t count)
{
    return atomic_fetch_add(&counters->all[counter].value, count) + count;
}

uint64_t counters_get(const struct counters *counters, int counter)
{
    return atomic_load(&counters->all[counter].value);
}
