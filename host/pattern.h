/* pattern.h - Lua 5.1's patterns, matched without recursion and at a price.
 *
 * A pattern is compiled into a row of items, each of which has at most one choice open, so
 * the choices fit in an array made with the pattern and a match can never need more. What a
 * match costs is told as it goes: an exponential pattern is the caller's to stop. All
 * mistakes in a pattern are found when it is compiled, not when a match gets there. `%z` is
 * the byte 0, which may also stand for itself. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum {
    PATTERN_MAX = 1024,              /* bytes of a pattern */
    PATTERN_SUBJECT_MAX = 64 * 1024, /* bytes of what it is matched against */
    PATTERN_CAPTURES = 32,
    PATTERN_POSITION = -1, /* as length of a capture: it is "()" */
};

struct pattern;

/* Adds to what the match has cost, in steps; it may longjmp out of pattern_match. */
typedef void (*pattern_charge_cb)(void *arg, unsigned steps);

/* From 0; the bytes from `start` up to `end` matched. */
struct pattern_match {
    size_t start, end;
    int captures;
    struct {
        size_t start;
        ptrdiff_t len; /* or PATTERN_POSITION */
    } capture[PATTERN_CAPTURES];
};

/* Bytes of memory that a pattern of `len` bytes (at most PATTERN_MAX) may need. */
size_t pattern_size(size_t len);

/* Compiles into `pattern`, which has pattern_size(len) bytes. `anchors`: whether a leading
 * "^" is one. Returns NULL, or what is wrong. */
const char *pattern_compile(struct pattern *pattern, const char *text, size_t len,
                            bool anchors);

/* The first match that starts at `from` or behind it; an anchored pattern: at `from`. `len` is
 * at most PATTERN_SUBJECT_MAX. */
bool pattern_find(struct pattern *pattern, const char *subject, size_t len, size_t from,
                  struct pattern_match *match, pattern_charge_cb charge, void *arg);

/* Whether it can match at one place only. */
bool pattern_anchored(const struct pattern *pattern);
