/* watch.h - notices saved files below some folders (inotify), for reload on save. */
#pragma once
#include <stdbool.h>

struct watch;

/* Watches `root`/<name> and what is below for each name of the comma-separated list; folders
 * that do not exist are passed over. NULL when the kernel gives no inotify. Free with
 * watch_free. */
struct watch *watch_new(const char *root, const char *names);
void watch_free(struct watch *watch);

/* To poll for reading. */
int watch_fd(const struct watch *watch);

/* Reads what happened; whether a file that matters (.lua, .sql, .json) changed. New folders
 * are watched from then on. */
bool watch_read(struct watch *watch);
