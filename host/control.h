/* control.h - the control socket, <data>/run/control.sock: commands come, are answered once and
 * go. */
#pragma once
#include <stdbool.h>

struct conf;
struct master;

/* Nobody is connected. */
void control_init(struct master *master);

/* A command connects; the one in `slot` (0..CLIENTS_MAX) has said something. */
void control_accept(struct master *master);
void control_read(struct master *master, int slot);

/* The end of what some wait for: the reload. `word` is "ok" or "failed". */
void control_answer_waiting(struct master *master, const char *word, const char *text);

/* The command's side: sends `word` ("reload", "status") to the master of the data folder, waits
 * for its answer and prints it, as JSON if that is wanted: {ok, message}, or of a status an array
 * of {name, pid, state}. Returns the exit code. */
int control_command(const struct conf *conf, const char *word, bool json);
