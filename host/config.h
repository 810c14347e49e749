/* config.h - the configuration as core.config (Lua) evaluates it. */
#pragma once

struct conf;

/* Evaluates it in a short-lived child, so that the caller runs no Lua, and returns the flat
 * table (conf_free). NULL when it is wrong: the child has said on standard error what. */
struct conf *config_load(const char *root, int argc, char **argv);
