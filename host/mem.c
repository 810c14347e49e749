#include "mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *block, size_t size)
{
    if (!block && size) {
        fprintf(stderr, "fixxit: out of memory (%zu bytes)\n", size);
        abort();
    }
    return block;
}

/* What malloc() gives out again from a list of its own; calloc() passes that list over. */
enum { QUICK_MAX = 1024 };

void *mem_new(size_t size)
{
    if (size > QUICK_MAX)
        return checked(calloc(1, size), size); /* zeroed already when it is fresh */
    return memset(checked(malloc(size), size), 0, size);
}

void *mem_resize(void *block, size_t size)
{
    return checked(realloc(block, size), size);
}

char *mem_copy(const void *data, size_t len)
{
    char *copy = checked(malloc(len + 1), len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_copy(text, strlen(text));
}
