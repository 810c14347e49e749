/* check.h - what a C unit test needs: one program per module, a main() that calls its cases.
 *
 *   int main(void) { RUN(parses_an_empty_body); return check_result("multipart"); } */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures, check_cases;

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            check_failures++;                                                            \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__,     \
                    #condition);                                                         \
        }                                                                                \
    } while (0)

#define CHECK_STR(actual, expected)                                                      \
    do {                                                                                 \
        const char *check_a = (actual), *check_e = (expected);                           \
        if (!check_a || strcmp(check_a, check_e) != 0) {                                 \
            check_failures++;                                                            \
            fprintf(stderr, "%s:%d: %s: got \"%s\", expected \"%s\"\n", __FILE__,        \
                    __LINE__, __func__, check_a ? check_a : "(null)", check_e);          \
        }                                                                                \
    } while (0)

#define RUN(name)                                                                        \
    do {                                                                                 \
        check_cases++;                                                                   \
        name();                                                                          \
    } while (0)

/* Milliseconds of a test's time-outs and patience, longer where $TEST_PATIENCE (a factor) says
 * that all runs slowly, as under valgrind. */
static inline int patiently(int ms)
{
    static int factor;
    if (!factor) {
        const char *text = getenv("TEST_PATIENCE");
        factor = text && atoi(text) > 1 ? atoi(text) : 1;
    }
    return ms * factor;
}

static inline int check_result(const char *module)
{
    printf("%-12s %d cases, %d failures\n", module, check_cases, check_failures);
    return check_failures ? 1 : 0;
}
