/* resolve.h - host names to addresses without blocking the loop: libmariadb and hiredis
 * would look names up right in their connect call. */
#pragma once
#include "err.h"
#include <uv.h>

struct resolve;

/* `address` is numeric, IPv4 or IPv6, and lives until the callback returns; NULL on
 * failure. */
typedef void (*resolve_cb)(void *arg, const char *address, const struct err *err);

/* Looks `name` up; `done` runs once, later. A numeric name needs no look-up and is given
 * back just as late. */
struct resolve *resolve_start(uv_loop_t *loop, const char *name, resolve_cb done,
                              void *arg);

/* Before `done` ran: it will not. */
void resolve_cancel(struct resolve *resolve);
