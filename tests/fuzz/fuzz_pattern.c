/* Any pattern against any subject: what it finds lies within the subject, and within its steps.
 * The input is the pattern, a NUL, the subject. */
#include "pattern.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 100000 };

struct purse {
    unsigned long steps;
    jmp_buf empty;
};

static void charge(void *arg, unsigned steps)
{
    struct purse *purse = arg;
    purse->steps += steps;
    if (purse->steps > STEPS_MAX)
        longjmp(purse->empty, 1);
}

static void check(const struct pattern_match *match, size_t len, size_t from)
{
    if (match->start < from || match->end < match->start || match->end > len)
        abort();
    for (int i = 0; i < match->captures; i++) {
        ptrdiff_t got = match->capture[i].len;
        if (match->capture[i].start > len || got < PATTERN_POSITION ||
            (got > 0 && (size_t)got > len - match->capture[i].start))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    size_t pattern_len = nul ? (size_t)(nul - data) : size;
    if (pattern_len > PATTERN_MAX)
        return 0;
    /* Copies of their exact size, so that a step beyond an end is seen. */
    size_t len = nul ? size - pattern_len - 1 : 0;
    char *text = malloc(pattern_len), *subject = malloc(len);
    struct pattern *pattern = malloc(pattern_size(pattern_len));
    memcpy(text, data, pattern_len);
    if (len)
        memcpy(subject, nul + 1, len);
    if (len <= PATTERN_SUBJECT_MAX &&
        !pattern_compile(pattern, text, pattern_len, size % 2)) {
        struct purse purse = {0};
        struct pattern_match match;
        size_t from = len / 3;
        if (setjmp(purse.empty) == 0 &&
            pattern_find(pattern, subject, len, from, &match, charge, &purse))
            check(&match, len, from);
    }
    free(pattern);
    free(subject);
    free(text);
    return 0;
}
