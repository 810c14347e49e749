/* password.h - bcrypt by libxcrypt. Slow on purpose (a quarter of a second at cost 12):
 * call it from a thread of work.h, never from the loop. Safe in any thread. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

enum {
    PASSWORD_HASH = 60, /* characters of "$2b$12$...", without the NUL */
    PASSWORD_MAX =
        72, /* bytes: bcrypt ignores what follows, so longer ones are refused */
    PASSWORD_COST_MIN = 4,
    PASSWORD_COST_MAX = 16,
};

/* Hashes with a fresh salt. -1 with ERR_INVALID for a password that is too long or
 * contains a NUL, or a cost out of range. */
int password_hash(const char *password, size_t len, int cost, char out[PASSWORD_HASH + 1],
                  struct err *err);

/* 1 when the password fits, 0 when not; -1 with ERR_INVALID for a password as above, or a
 * hash that is not bcrypt ($2a$, $2b$, $2y$). */
int password_verify(const char *password, size_t len, const char *hash, size_t hash_len,
                    struct err *err);
