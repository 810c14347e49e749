/* sandbox_source.h - what LuaJIT's compiler makes of Lua text and a script must not have. */
#pragma once
#include "buf.h"
#include <stdbool.h>
#include <stddef.h>

/* The line of the first number such as 1LL, 2ULL or 3i, 0 when there is none: they are values of
 * the foreign function interface, which the compiler loads to make them. */
int sandbox_source_foreign_number(const char *text, size_t len);

/* `return f(x)` leaves no frame of the function that it stands in, and so neither file nor line
 * of what fails in f. Appends the text with such calls in another's arguments, `NAME(f(x))`,
 * all lines as they were; NAME is to give back what it is given. False, and nothing appended,
 * when there is nothing to change or the text is no Lua. */
bool sandbox_source_keep_frames(const char *text, size_t len, const char *name,
                                struct buf *out);
