/* sandbox_launch.h - a zygote that has nothing of the server: the program executed anew, with an
 * empty environment, numbers for arguments and one listening socket. */
#pragma once
#include <stdbool.h>

struct conf;

/* Replaces this program by a zygote on `listen_fd` with the settings of sandbox.* and log.*. The
 * exit code, when that fails: who calls has nothing else left to do. */
int sandbox_launch(int listen_fd, const struct conf *conf);

/* Whether these are the arguments of such a zygote, and its life; returns the exit code. To be
 * asked before anything reads files or settings. */
bool sandbox_launched(int argc, char **argv);
int sandbox_launched_main(char **argv);
