/* master.h - binds, forks, restarts, forwards signals. Plain C on poll(): no loop library, no
 * Lua, no requests, nothing that could break it.
 *
 *   SIGHUP           reload: every worker builds the next generation, all switch or none does
 *   SIGTERM, SIGINT  drain: workers finish what is under way within server.grace_ms
 *   control socket   <data>/run/control.sock: the commands `reload` and `status`
 */
#pragma once

struct conf;

/* Serves until told to stop; returns the exit code. */
int master_main(const struct conf *conf, const char *root, int argc, char **argv);

/* The command side: sends `word` ("reload", "status") to the master of the data folder, waits
 * for its answer and prints it. Returns the exit code. */
int master_command(const struct conf *conf, const char *word);
