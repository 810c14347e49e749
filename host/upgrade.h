/* upgrade.h - SIGUSR2: the master becomes the binary that now lies at its path, refusing nobody.
 *
 * It goes through the life of two masters in one process: the first has the new binary tried,
 * then becomes it (handoff.h); the second finds the old children, starts its own beside them, on
 * the same sockets, and when all are up tells the old ones to end. When one of its own does not
 * come up it ends them and goes on with the old ones and their generation of Lua. In `children`
 * its own come first. */
#pragma once
#include <stdbool.h>

struct handoff;
struct master;

/* Finds our own path, by which a newer binary is found. */
void upgrade_init(struct master *master);

/* The master before: begins what was wanted, as soon as nothing else goes on. */
void upgrade_check(struct master *master);

/* The trial has ended with this status. Does not return when it was good. */
void upgrade_tried(struct master *master, int status);

/* The master after: takes over the children; our own have been added before. */
void upgrade_adopt(struct master *master, const struct handoff *handoff);

/* Whether ours are still coming up beside the old ones. */
bool upgrade_going(const struct master *master);

/* Ends it, when all of ours are up or the time is over; ends it badly. */
void upgrade_end_when_due(struct master *master);
void upgrade_fail(struct master *master);
