#include "watch.h"
#include "mem.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Folders by watch descriptor: descriptors are small integers counting from 1. */
struct watch {
    int fd;
    char **paths;
    int count;
};

static void add_tree(struct watch *watch, const char *path)
{
    int wd = inotify_add_watch(watch->fd, path,
                               IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                   IN_CREATE | IN_ONLYDIR);
    if (wd < 0)
        return;
    if (wd >= watch->count) {
        watch->paths = mem_resize(watch->paths, (size_t)(wd + 1) * sizeof(*watch->paths));
        while (watch->count <= wd)
            watch->paths[watch->count++] = NULL;
    }
    free(watch->paths[wd]);
    watch->paths[wd] = mem_strdup(path);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        char below[PATH_MAX];
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        add_tree(watch, below);
    }
    closedir(dir);
}

struct watch *watch_new(const char *root, const char *names)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct watch *watch = mem_new(sizeof(*watch));
    watch->fd = fd;
    while (*names) {
        char path[PATH_MAX];
        int len = (int)strcspn(names, ",");
        snprintf(path, sizeof(path), "%s/%.*s", root, len, names);
        add_tree(watch, path);
        names += len + (names[len] == ',');
    }
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    close(watch->fd);
    for (int i = 0; i < watch->count; i++)
        free(watch->paths[i]);
    free(watch->paths);
    free(watch);
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

/* Editors' backups and swap files are none. */
static bool matters(const char *name)
{
    static const char *const endings[] = {".lua", ".sql", ".json"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && name[0] != '.' && i < sizeof(endings) / sizeof(endings[0]);
         i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static bool handle(struct watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    if (!event->len)
        return false;
    if (!(event->mask & IN_ISDIR))
        return !(event->mask & IN_CREATE) && matters(event->name);
    if (event->mask & (IN_CREATE | IN_MOVED_TO) && event->wd < watch->count) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", watch->paths[event->wd], event->name);
        add_tree(watch, path);
        return true; /* files may have come with it */
    }
    return false;
}

bool watch_read(struct watch *watch)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false;
    ssize_t len;
    while ((len = read(watch->fd, events, sizeof(events))) > 0) {
        for (char *at = events; at < events + len;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            changed |= handle(watch, event);
            at += sizeof(*event) + event->len;
        }
    }
    return changed;
}
