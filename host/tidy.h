/* tidy.h - collects the garbage of the current generation while its loop has nothing to do.
 *
 * The heap may grow to several times of what lives before Lua collects by itself (lua_vm.c), which
 * is right under load and wrong after it: memory would stay until the next load. So once a second
 * it is looked whether the loop slept for most of that second and the heap has grown by a quarter
 * since a cycle ended last; if so it is collected in slices of a millisecond, each in its own turn
 * of the loop, until a cycle is complete or there is work again. */
#pragma once
#include "host.h"

struct tidy;
struct vm;

/* `host` must stay until tidy_stop. The loop must measure its idle time (vitals_start). */
struct tidy *tidy_start(struct host *host);

/* To be called for each of what comes by the thousand and then stays, such as sockets: begins a
 * cycle when the heap has grown by half since the last one ended. The memory that an allocator once
 * had for garbage does not go back to the system: it would seem to be theirs. */
void tidy_crowd(struct vm *vm);

/* The memory goes when the loop has closed the timer. NULL is fine. */
void tidy_stop(struct tidy *tidy);
