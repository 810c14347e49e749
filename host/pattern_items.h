/* pattern_items.h - what a pattern is compiled into. Only pattern_*.c knows it.
 *
 * A pattern has no loops but those of single bytes, so an item is passed once on the way to
 * a match: what a capture holds depends on the item alone, and going back to a choice needs
 * nothing undone. */
#pragma once
#include "pattern.h"
#include <stdint.h>

enum pattern_kind {
    END,
    SUBJECT_END, /* $ */
    OPEN,
    CLOSE,
    POSITION, /* () */
    SAME,     /* %1 */
    BALANCE,  /* %bxy */
    FRONTIER, /* %f[set] */
    BYTE,
    ANY,
    SET,
};

enum pattern_repeat { ONCE, MAYBE, GREEDY, GREEDY_SOME, LAZY };

struct item {
    uint8_t kind, repeat;
    uint8_t a, b; /* the byte, both of a balance, or the capture */
    uint16_t set;
};

struct set {
    uint32_t bits[8];
};

/* Greedy: the item may end anywhere from `low` up to below `high`, where it ended last. Lazy:
 * it ended at `low` last. */
struct choice {
    uint16_t item;
    uint16_t lazy;
    uint32_t low, high;
};

struct pattern {
    bool anchored;
    int captures;
    struct item *items;
    struct set *sets;
    struct choice *choices;
};

static inline bool has(const struct set *set, unsigned char byte)
{
    return set->bits[byte >> 5] >> (byte & 31) & 1;
}
