/* sandbox_source.h - what LuaJIT's compiler takes and a script must not have.
 *
 * A number such as 1LL, 2ULL or 3i is a value of the foreign function interface, which the
 * compiler loads to make it. */
#pragma once
#include <stddef.h>

/* The line of the first such number in Lua text, 0 when there is none. */
int sandbox_source_foreign_number(const char *text, size_t len);
