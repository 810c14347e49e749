/* reload.h - from one generation of Lua to the next, on all workers or on none.
 *
 *   idle --begin--> scouting: the files are taken (generation.h), "build N <folder>" went to one
 *                   worker, for whom nobody waits if there is such a one
 *   scouting --ready--> building: the same to all others that are up, or come up meanwhile
 *   building --all ready--> "switch N" to all, idle      --any failed--> "drop N", idle
 *
 * so a node serves either the old generation or the new one, never both for longer than it takes
 * a packet to arrive. A worker that dies meanwhile no longer counts; one that is still starting
 * when the others switch starts again, on the new generation.
 *
 * The scout is for the generation of which a worker dies, or that never ends: it costs one worker.
 * At least one must have tried the new generation. When none is up, it is waited for; when
 * none comes up in all that time, then the old generation is no better than the new one, and the
 * new one is taken untried: what cannot start can still be mended by a reload. */
#pragma once

struct child;
struct master;

/* Begins one; while another one or an upgrade goes on, as soon as that has ended. */
void reload_begin(struct master *master);

/* The one that was asked for meanwhile. */
void reload_asked_meanwhile(struct master *master);

/* A worker has come up; it has answered "ready" or "failed" with `problem`. */
void reload_joined(struct master *master, struct child *child);
void reload_answered(struct master *master, struct child *child, const char *problem);

/* Ends it when that is due. */
void reload_check(struct master *master);

/* When reload_check has to be called at the latest; 0: not at all. */
unsigned long long reload_due_ms(const struct master *master);

/* Removes the files of generations that nobody runs and nobody will. */
void reload_sweep(struct master *master);
