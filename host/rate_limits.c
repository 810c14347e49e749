/* A set-associative table: a key belongs to one bucket and may lie in any of its cells, which are
 * four cache lines under one lock. So a look-up is bounded, and there is one place where two
 * processes that bring the same new key meet: without that both would count it alone.
 *
 * The lock is held for a dozen comparisons, without a system call in between. It is robust: when
 * its holder is killed, the next one gets it. What a kill can leave behind is one cell with
 * another key's time or with half a key, which nobody asks for and which expires.
 *
 * A cell holds the theoretical arrival time of GCRA: the moment at which the whole allowance is
 * back. A cell whose time has passed is as good as empty, and the one with the earliest time is
 * the one that is given away. Keys are known by 128 bits of a hash that begins with a random
 * seed, so that nobody can choose keys that push others out of their bucket. */
#include "rate_limits.h"
#include "crypto.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CELLS = 9,
    LINE = 64,
    SEED = 16,
    KEY_MAX = 1024, /* longer keys are hashed twice */
};

#define NS_PER_MS INT64_C(1000000)

struct cell {
    uint64_t key[2];
    int64_t arrival; /* ns of the callers' clock; 0: never used */
};

struct bucket {
    pthread_mutex_t lock;
    struct cell cells[CELLS];
} __attribute__((aligned(LINE)));

struct limits {
    size_t mapped; /* bytes */
    size_t mask;   /* number of buckets - 1; a power of two less one */
    unsigned char seed[SEED];
    struct bucket buckets[];
};

static void identify(const struct limits *limits, const void *key, size_t len,
                     uint64_t out[2])
{
    unsigned char text[SEED + KEY_MAX], hash[CRYPTO_HASH_MAX];
    if (len > KEY_MAX) {
        len = crypto_hash(CRYPTO_SHA256, key, len, hash);
        key = hash;
    }
    memcpy(text, limits->seed, SEED);
    memcpy(text + SEED, key, len);
    crypto_hash(CRYPTO_SHA256, text, SEED + len, hash);
    memcpy(out, hash, 2 * sizeof(*out));
}

static void lock(struct bucket *bucket)
{
    if (pthread_mutex_lock(&bucket->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&bucket->lock);
}

/* The key's cell, or the one that has the least to forget. */
static struct cell *find(struct bucket *bucket, const uint64_t key[2], bool *found)
{
    struct cell *oldest = bucket->cells;
    for (struct cell *cell = bucket->cells; cell < bucket->cells + CELLS; cell++) {
        *found = cell->key[0] == key[0] && cell->key[1] == key[1];
        if (*found)
            return cell;
        if (cell->arrival < oldest->arrival)
            oldest = cell;
    }
    return oldest;
}

static int64_t whole_ms(int64_t ns)
{
    return (ns + NS_PER_MS - 1) / NS_PER_MS;
}

struct limits *limits_new(size_t keys)
{
    size_t buckets = 1;
    while (buckets * CELLS < keys)
        buckets *= 2;
    size_t mapped = sizeof(struct limits) + buckets * sizeof(struct bucket);
    struct limits *limits =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (limits == MAP_FAILED) {
        fprintf(stderr, "fixxit: no shared memory for %zu keys\n", keys);
        abort();
    }
    limits->mapped = mapped;
    limits->mask = buckets - 1;
    crypto_random(limits->seed, SEED);
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; i < buckets; i++)
        pthread_mutex_init(&limits->buckets[i].lock, &kind);
    pthread_mutexattr_destroy(&kind);
    return limits;
}

void limits_free(struct limits *limits)
{
    if (limits)
        munmap(limits, limits->mapped);
}

void limits_take(struct limits *limits, const void *key, size_t len,
                 const struct limit *limit, int64_t cost, int64_t now_ms,
                 struct limits_result *result)
{
    uint64_t id[2];
    identify(limits, key, len, id);
    struct bucket *bucket = &limits->buckets[id[0] & limits->mask];
    int64_t now = now_ms * NS_PER_MS;
    int64_t interval = limit->period_ms * NS_PER_MS / limit->count; /* of one use */
    int64_t allowance = interval * limit->burst;
    int64_t wanted = cost > limit->burst ? allowance + 1 : interval * cost;

    lock(bucket);
    bool found;
    struct cell *cell = find(bucket, id, &found);
    int64_t used = found && cell->arrival > now ? cell->arrival - now : 0;
    bool allowed = used + wanted <= allowance;
    if (allowed && cost) {
        used += wanted;
        *cell = (struct cell){.key = {id[0], id[1]}, .arrival = now + used};
    }
    pthread_mutex_unlock(&bucket->lock);

    *result = (struct limits_result){.allowed = allowed, .reset_ms = whole_ms(used)};
    if (used < allowance)
        result->remaining = (allowance - used) / interval;
    if (!allowed)
        result->retry_after_ms =
            wanted > allowance ? result->reset_ms : whole_ms(used + wanted - allowance);
}
