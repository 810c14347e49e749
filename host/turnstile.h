/* turnstile.h - heavy work of a node's processes, one piece at a time, with a bounded queue.
 *
 * The processes share nothing but a file. Its first byte is the turnstile, the bytes behind it are
 * the places before it, and who locks one has it: so the kernel knows who waits, and takes back
 * what a process held that died. */
#pragma once
#include "err.h"

struct turnstile; /* one per process that takes part; owned by who opened it */

enum { TURNSTILE_PLACES = 32 }; /* that may wait on a node, beyond the one that works */

/* Opens the file, which is made when there is none. After fork: locks are the opener's. NULL when
 * it cannot be opened. */
struct turnstile *turnstile_open(const char *path, struct err *err);
/* Gives back what is held. NULL is fine. */
void turnstile_close(struct turnstile *turnstile);

/* Takes a place. Never waits. Returns the place; -1 (ERR_BUSY) when all are taken. */
int turnstile_queue(struct turnstile *turnstile, struct err *err);
/* Gives a place back without going through. */
void turnstile_forgo(struct turnstile *turnstile, int place);

/* Waits for the turn and gives the place back. At most one thread of a process at a time. */
void turnstile_enter(struct turnstile *turnstile, int place);
/* Lets the next one in: one of another process that waits goes first. From the thread that has
 * entered. */
void turnstile_leave(struct turnstile *turnstile);
