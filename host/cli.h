/* cli.h - every command but `serve`: Lua (core.cli) on one loop with a database pool. */
#pragma once

struct conf;

/* Runs require("core.cli").main() as a task; its result is the exit code as text. */
int cli_main(const struct conf *conf, const char *root, int argc, char **argv);
