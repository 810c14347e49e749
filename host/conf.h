/* conf.h - the flat configuration: `section.key` to text.
 *
 * Lua (core.config) reads files, environment and flags, validates them and hands the result
 * over as text; the C side only looks values up. A key that is asked for and missing is a
 * programming error and ends the process: defaults live in config/default.lua alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf; /* immutable once parsed; owned by main.c */

/* Parses `key\0value\0key\0value\0`. Free with conf_free. */
struct conf *conf_parse(const char *data, size_t len);
void conf_free(struct conf *conf);

/* The text lives as long as the conf. */
const char *conf_str(const struct conf *conf, const char *key);
int64_t conf_int(const struct conf *conf, const char *key);
bool conf_bool(const struct conf *conf, const char *key);
