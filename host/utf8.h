/* utf8.h - strict UTF-8 (RFC 3629): no surrogates, no overlong forms, at most U+10FFFF. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `text`, 1 to 4, or 0 when it is invalid or cut off by `len`. */
size_t utf8_width(const char *text, size_t len);

/* Whether all of `text` is valid. */
bool utf8_valid(const char *text, size_t len);

/* Writes `code` (no surrogate, <= 0x10FFFF) to `out` (room for 4) and returns its width. */
size_t utf8_encode(uint32_t code, char *out);
