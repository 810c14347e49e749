/* A set-associative table: a key belongs to one bucket and may lie in any of its cells, which are
 * six cache lines under one lock: two of keys, which are hardly ever written, so that a core need
 * not fetch them from another; the lock with the first cell; the other cells. So a look-up is
 * bounded, and there is one place where two processes that bring the same new key meet: without
 * that both would count it alone.
 *
 * The lock is held for a dozen comparisons, without a system call in between. It is robust: when
 * its holder is killed, the next one gets it. What a kill can leave behind is one cell with
 * another key's time or with half a key, which nobody asks for and which expires.
 *
 * A cell holds the theoretical arrival time of GCRA: the moment at which the whole allowance is
 * back. A cell whose time has passed is as good as empty, and the one with the earliest time is
 * the one that is given away. What of the time until then was added here and not told to other
 * nodes is kept beside it. Uses leave in the order in which they came, so that what is not told is
 * never more than what is still used up. Keys are known by 128 bits of a hash under a random seed, so
 * that nobody can choose keys that push others out of their bucket. */
#include "rate_limits.h"
#include "crypto.h"
#include "shared.h"
#include "siphash.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum {
    LAYOUT = 0x6c6d0003, /* raise it when what follows means something else */
    CELLS = 8,
    LINE = 64,
};

#define NS_PER_MS INT64_C(1000000)

struct cell {
    int64_t arrival; /* ns of the callers' clock; 0: never used */
    int64_t own;     /* of the ns until then: by uses that nobody was told of */
    int64_t added;   /* the same with what those uses weighed for others; >= own */
};

struct bucket {
    uint64_t keys[CELLS][2]; /* of the cells */
    pthread_mutex_t lock;
    struct cell cells[CELLS];
} __attribute__((aligned(LINE)));

struct limits {
    struct shared head;
    size_t mask; /* number of buckets - 1; a power of two less one */
    unsigned char seed[SIPHASH_KEY];
    struct bucket buckets[];
};

static void lock(struct bucket *bucket)
{
    if (pthread_mutex_lock(&bucket->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&bucket->lock);
}

/* The number of the key's cell, or of the one that has the least to forget. */
static size_t find(const struct bucket *bucket, const uint64_t key[2], bool *found)
{
    size_t oldest = 0;
    *found = true;
    for (size_t i = 0; i < CELLS; i++)
        if (bucket->keys[i][0] == key[0] && bucket->keys[i][1] == key[1])
            return i;
    *found = false;
    for (size_t i = 1; i < CELLS; i++)
        if (bucket->cells[i].arrival < bucket->cells[oldest].arrival)
            oldest = i;
    return oldest;
}

static int64_t whole_ms(int64_t ns)
{
    return (ns + NS_PER_MS - 1) / NS_PER_MS;
}

static void init_locks(struct limits *limits)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; i <= limits->mask; i++)
        pthread_mutex_init(&limits->buckets[i].lock, &kind);
    pthread_mutexattr_destroy(&kind);
}

struct limits *limits_take_over(int fd, size_t keys)
{
    size_t buckets = 1;
    while (buckets * CELLS < keys)
        buckets *= 2;
    bool fresh;
    struct limits *limits = shared_take(
        fd, LAYOUT, sizeof(struct limits) + buckets * sizeof(struct bucket), &fresh);
    if (fresh) {
        limits->mask = buckets - 1;
        crypto_random(limits->seed, SIPHASH_KEY);
        init_locks(limits);
    }
    return limits;
}

struct limits *limits_new(size_t keys)
{
    return limits_take_over(-1, keys);
}

int limits_fd(const struct limits *limits)
{
    return limits->head.fd;
}

void limits_free(struct limits *limits)
{
    shared_free(limits);
}

/* A key in its locked bucket. */
struct place {
    struct bucket *bucket;
    size_t number;     /* of the key's cell, or of the one that it would get */
    struct cell *cell; /* that one */
    uint64_t id[2];
    int64_t now;  /* ns */
    int64_t used; /* ns until the whole allowance is back; 0 when the key has no cell */
    bool found;
};

/* Time passes: what is not told leaves together with the rest. */
static void age(struct cell *cell, int64_t used)
{
    if (cell->added <= used)
        return;
    cell->own = (int64_t)((double)cell->own * (double)used / (double)cell->added);
    cell->added = used;
}

static void enter(struct limits *limits, const void *key, size_t len, int64_t now_ms,
                  struct place *place)
{
    siphash(limits->seed, key, len, place->id);
    place->bucket = &limits->buckets[place->id[0] & limits->mask];
    place->now = now_ms * NS_PER_MS;
    lock(place->bucket);
    place->number = find(place->bucket, place->id, &place->found);
    place->cell = &place->bucket->cells[place->number];
    place->used = 0;
    if (!place->found)
        return;
    if (place->cell->arrival > place->now)
        place->used = place->cell->arrival - place->now;
    age(place->cell, place->used);
}

static void leave(const struct place *place)
{
    pthread_mutex_unlock(&place->bucket->lock);
}

/* The key's own cell from now on. */
static struct cell *claim(const struct place *place)
{
    if (!place->found) {
        *place->cell = (struct cell){0};
        memcpy(place->bucket->keys[place->number], place->id, sizeof(place->id));
    }
    return place->cell;
}

static int64_t weight(const struct limit *limit, int64_t cost)
{
    int64_t most = cost > 1 ? limit->burst / cost : limit->burst;
    int64_t nodes = limit->nodes < most ? limit->nodes : most;
    return nodes > 1 ? nodes : 1;
}

void limits_take(struct limits *limits, const void *key, size_t len,
                 const struct limit *limit, int64_t cost, int64_t now_ms,
                 struct limits_result *result)
{
    int64_t interval = limit->period_ms * NS_PER_MS / limit->count; /* of one use */
    int64_t allowance = interval * limit->burst;
    int64_t heavy = interval * weight(limit, cost);
    int64_t wanted = cost > limit->burst ? allowance + 1 : heavy * cost;
    struct place place;
    enter(limits, key, len, now_ms, &place);
    bool allowed = place.used + wanted <= allowance;
    if (allowed && cost) {
        struct cell *cell = claim(&place);
        place.used += wanted;
        cell->arrival = place.now + place.used;
        cell->own += interval * cost;
        cell->added += wanted;
    }
    leave(&place);

    *result =
        (struct limits_result){.allowed = allowed, .reset_ms = whole_ms(place.used)};
    if (place.used < allowance)
        result->remaining = (allowance - place.used) / heavy;
    if (!allowed)
        result->retry_after_ms = wanted > allowance
                                     ? result->reset_ms
                                     : whole_ms(place.used + wanted - allowance);
}

void limits_report(struct limits *limits, const void *key, size_t len, int64_t now_ms,
                   struct limits_report *report)
{
    struct place place;
    *report = (struct limits_report){0};
    enter(limits, key, len, now_ms, &place);
    if (place.found) {
        struct cell *cell = place.cell;
        *report = (struct limits_report){
            .known = place.used - cell->added, .own = cell->own, .added = cell->added};
        cell->own = cell->added = 0;
    }
    leave(&place);
}

/* What the others were taken to have done gives way to what they did. */
void limits_learn(struct limits *limits, const void *key, size_t len,
                  const struct limits_report *report, int64_t used, int64_t now_ms)
{
    struct place place;
    enter(limits, key, len, now_ms, &place);
    int64_t known = place.used - (report->added - report->own);
    int64_t most = used > known ? used : known;
    if (place.found || most > 0)
        claim(&place)->arrival = place.now + (most > 0 ? most : 0);
    leave(&place);
}

void limits_unreport(struct limits *limits, const void *key, size_t len,
                     const struct limits_report *report, int64_t now_ms)
{
    struct place place;
    enter(limits, key, len, now_ms, &place);
    if (place.found) { /* else it is forgotten anyway */
        place.cell->own += report->own;
        place.cell->added += report->added;
        age(place.cell, place.used);
    }
    leave(&place);
}
