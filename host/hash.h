/* hash.h - a hash table of nodes that sit inside the caller's structs. The table owns
 * only its buckets; what a node is part of stays the caller's. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct hash_node {
    struct hash_node *next; /* private */
    uint64_t hash;          /* set by the caller before hash_add */
};

struct hash {
    struct hash_node **buckets; /* private; all zero is an empty table */
    size_t size;
    size_t count; /* nodes in it */
};

/* Of bytes: keyed by a secret of the process, so that nobody can choose colliding names.
 */
uint64_t hash_bytes(const void *data, size_t len);

/* Of a number: different numbers never share a hash. */
uint64_t hash_number(uint64_t number);

/* The nodes whose hash is `hash`, one after the other; NULL behind the last. The caller
 * compares keys. */
struct hash_node *hash_first(const struct hash *table, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);

void hash_add(struct hash *table, struct hash_node *node);
/* `node` must be in the table. */
void hash_del(struct hash *table, struct hash_node *node);

/* Frees the buckets; the table is empty and usable again. */
void hash_free(struct hash *table);
