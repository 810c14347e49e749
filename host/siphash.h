/* siphash.h - SipHash-2-4 with 128 bits (Aumasson, Bernstein 2012): a hash of short texts under a
 * secret key. Who does not know the key cannot choose texts whose hashes fall together; it is much
 * cheaper than a cryptographic hash, and no substitute for one where the key is known. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY = 16 };

void siphash(const unsigned char key[SIPHASH_KEY], const void *data, size_t len,
             uint64_t out[2]);
