/* master_setup.h - what the master opens before it has children, and closes after them: folders
 * and files of the data folder, sockets, shared memory, the files of the first generation. */
#pragma once
#include "err.h"

struct handoff;
struct master;

/* Opens all but the generation and plans the children. With `handoff` the sockets are those of the
 * master before, at whatever addresses. 0, or -1. */
int setup_open(struct master *master, const struct handoff *handoff, struct err *err);

/* Takes the first generation; what no process holds any more goes. 0, or -1. */
int setup_generation(struct master *master, struct err *err);

/* Says that all is up, in <data>/run/ready, for whoever started us. */
void setup_announce(struct master *master);

/* When all children have ended. */
void setup_close(struct master *master);
