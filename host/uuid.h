/* uuid.h - UUIDs as text (RFC 9562). Any thread may call. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UUID_TEXT = 36, UUID_HEX = 32 }; /* characters, without the NUL */

/* Writes a new version 7 UUID in lower case, NUL-terminated. Each one of a process sorts
 * after the one before, also when the clock steps back. */
void uuid_v7(char out[UUID_TEXT + 1]);

/* The same without dashes. */
void uuid_hex(char out[UUID_HEX + 1]);

/* Whether `text` is a UUID of any version: 8-4-4-4-12 hex digits of either case, nothing
 * else. */
bool uuid_is(const char *text, size_t len);

/* The ms since 1970 inside a version 7 UUID; false when `text` is none. */
bool uuid_time_ms(const char *text, size_t len, int64_t *ms);
