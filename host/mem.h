/* mem.h - allocation that cannot fail: out of memory ends the process with one message. */
#pragma once
#include <stddef.h>

/* Zeroed memory of `size` bytes. Free with free(). */
void *mem_new(size_t size);

/* realloc() that aborts instead of failing. */
void *mem_resize(void *block, size_t size);

/* Copies of `len` bytes (a NUL is added) and of a C string. Free with free(). */
char *mem_copy(const void *data, size_t len);
char *mem_strdup(const char *text);
