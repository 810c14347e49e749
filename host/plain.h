/* plain.h - bytes that stand for themselves in a JSON string: ASCII but for controls, quote and
 * backslash. Looked at eight at a time, since most of what is read and written is such text. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool plain_byte(char byte)
{
    return (signed char)byte >= 0x20 && byte != '"' && byte != '\\';
}

/* Of a difference the highest bit of a byte says that it went below zero. Above such a byte it
 * may say so of others wrongly, but then not all are plain anyway. */
static inline bool plain_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highest = ones << 7;
    uint64_t quotes = word ^ ones * '"', backslashes = word ^ ones * '\\';
    return !((word | (word - ones * 0x20) | (quotes - ones) | (backslashes - ones)) &
             highest);
}

/* The end of the plain bytes at `at`, at most `end`. */
static inline const char *plain_run(const char *at, const char *end)
{
    uint64_t word;
    while (end - at >= (ptrdiff_t)sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if (!plain_word(word))
            break;
        at += sizeof(word);
    }
    while (at < end && plain_byte(*at))
        at++;
    return at;
}
