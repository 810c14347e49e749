/* Chains in a power of two of buckets, doubled when there are more nodes than buckets and
 * never shrunk: 8 bytes for each node there ever were at once. */
#include "hash.h"
#include "mem.h"
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SIZE_MIN = 64 };

static struct hash_node **bucket_of(const struct hash *table, uint64_t hash)
{
    return &table->buckets[(hash ^ hash >> 32) & (table->size - 1)];
}

static void put(struct hash *table, struct hash_node *node)
{
    struct hash_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct hash *table)
{
    struct hash old = *table;
    table->size = old.size ? old.size * 2 : SIZE_MIN;
    table->buckets = mem_new(table->size * sizeof(struct hash_node *));
    for (size_t i = 0; i < old.size; i++)
        for (struct hash_node *node = old.buckets[i], *next; node; node = next) {
            next = node->next;
            put(table, node);
        }
    free(old.buckets);
}

static struct hash_node *find(struct hash_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

static uint64_t secret(void)
{
    static uint64_t value;
    if (!value && getrandom(&value, sizeof(value), 0) != sizeof(value))
        abort();
    return value;
}

/* A multiplication by an odd number loses nothing, nor does the xor with a shift of
 * itself. */
static uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 29;
}

uint64_t hash_number(uint64_t number)
{
    return mix(number);
}

uint64_t hash_bytes(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t hash = secret();
    for (size_t i = 0; i < len; i++)
        hash = mix(hash ^ bytes[i]);
    return hash;
}

struct hash_node *hash_first(const struct hash *table, uint64_t hash)
{
    return table->size ? find(*bucket_of(table, hash), hash) : NULL;
}

struct hash_node *hash_next(const struct hash_node *node)
{
    return find(node->next, node->hash);
}

void hash_add(struct hash *table, struct hash_node *node)
{
    if (table->count >= table->size)
        grow(table);
    put(table, node);
    table->count++;
}

void hash_del(struct hash *table, struct hash_node *node)
{
    struct hash_node **link = bucket_of(table, node->hash);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    table->count--;
}

void hash_free(struct hash *table)
{
    free(table->buckets);
    *table = (struct hash){0};
}
