/* master.h - binds, forks, restarts, forwards signals. Plain C on poll(): no loop library, no
 * Lua, no requests, nothing that could break it.
 *
 *   SIGHUP           reload: every worker builds the next generation, all switch or none does
 *   SIGTERM, SIGINT  drain: workers finish what is under way within server.grace_ms
 *   SIGUSR1          open the access log again
 *   SIGUSR2          upgrade: become the binary that now lies at our path, refusing nobody. Workers
 *                    of its own take over when all are up; else the old ones stay. It
 *                    listens where the old one did; what is counted in shared memory begins anew
 *   control socket   <data>/run/control.sock: the commands `reload` and `status`
 */
#pragma once

struct conf;
struct handoff;

/* Serves until told to stop; returns the exit code. `handoff` (NULL: none) is what the binary
 * before us left; it is freed here. */
int master_main(const struct conf *conf, const char *root, int argc, char **argv,
                struct handoff *handoff);
