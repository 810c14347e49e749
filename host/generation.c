#include "generation.h"
#include "buf.h"
#include "fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 16, /* a link may lead back up */
    CHUNK = 64 * 1024,
    OPEN_MAX = 16,
};

/* ---- taking ---- */

static int copy_bytes(int from, int to)
{
    static char chunk[CHUNK];
    ssize_t got;
    while ((got = read(from, chunk, sizeof(chunk))) > 0)
        if (fs_write_all(to, chunk, (size_t)got) < 0)
            return -1;
    return (int)got;
}

static int copy_file(const char *path, const char *to, const struct stat *info)
{
    const struct timespec times[] = {info->st_mtim, info->st_mtim};
    int in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return errno == ENOENT ? 0 : -1; /* an editor has just replaced it */
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = out < 0 || copy_bytes(in, out) < 0 || futimens(out, times) < 0 ? -1 : 0;
    int number = errno;
    close(in);
    if (out >= 0 && close(out) < 0 && rc == 0)
        return -1;
    errno = number;
    return rc;
}

static int copy_tree(const char *path, const char *to, int depth);

/* <folder>/<name>, of which `len` bytes count, into PATH_MAX bytes. */
static int join(char *out, const char *folder, const char *name, size_t len)
{
    if (snprintf(out, PATH_MAX, "%s/%.*s", folder, (int)len, name) < PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static int copy_folder(const char *path, const char *to, int depth)
{
    if (depth > DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    DIR *dir = opendir(path);
    if (!dir || mkdir(to, 0700) < 0) {
        if (dir)
            closedir(dir);
        return -1;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        char below[PATH_MAX], copy[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        size_t len = strlen(entry->d_name);
        if (join(below, path, entry->d_name, len) < 0 ||
            join(copy, to, entry->d_name, len) < 0 ||
            copy_tree(below, copy, depth + 1) < 0)
            rc = -1;
    }
    int number = errno;
    closedir(dir);
    errno = number;
    return rc;
}

/* Sockets, pipes and devices are no part of a program; neither is what went meanwhile. */
static int copy_tree(const char *path, const char *to, int depth)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return errno == ENOENT ? 0 : -1;
    if (S_ISDIR(info.st_mode))
        return copy_folder(path, to, depth);
    return S_ISREG(info.st_mode) ? copy_file(path, to, &info) : 0;
}

static int remove_entry(const char *path, const struct stat *info, int type,
                        struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

int generation_take(const char *folder, unsigned number, const char *root,
                    const char *names, struct err *err)
{
    char taken[PATH_MAX], from[PATH_MAX] = "", to[PATH_MAX];
    generation_path(folder, number, taken);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return err_errno(err, errno, folder);
    if (mkdir(taken, 0700) < 0)
        return err_errno(err, errno, taken);
    while (*names) {
        size_t len = strcspn(names, ",");
        if (join(from, root, names, len) < 0 || join(to, taken, names, len) < 0 ||
            copy_tree(from, to, 0) < 0) {
            err_errno(err, errno, from);
            remove_tree(taken);
            return -1;
        }
        names += len + (names[len] == ',');
    }
    return 0;
}

/* ---- keeping ---- */

void generation_path(const char *folder, unsigned number, char *out)
{
    snprintf(out, PATH_MAX, "%s/%u", folder, number);
}

/* The next number of the folder's names; 0 at the end. */
static unsigned next_number(DIR *dir)
{
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 10);
        if (number && number < UINT_MAX && !*end)
            return (unsigned)number;
    }
    return 0;
}

unsigned generation_last(const char *folder)
{
    unsigned last = 0;
    DIR *dir = opendir(folder);
    for (unsigned number; dir && (number = next_number(dir));)
        last = number > last ? number : last;
    if (dir)
        closedir(dir);
    return last;
}

static int lock_folder(const char *path, int how)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, how | LOCK_NB) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int generation_hold(const char *path)
{
    return lock_folder(path, LOCK_SH);
}

void generation_release(int hold)
{
    if (hold >= 0)
        close(hold);
}

static bool is_kept(unsigned number, const unsigned *keep, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (keep[i] == number)
            return true;
    return false;
}

void generation_sweep(const char *folder, const unsigned *keep, size_t count)
{
    DIR *dir = opendir(folder);
    for (unsigned number; dir && (number = next_number(dir));) {
        char path[PATH_MAX];
        generation_path(folder, number, path);
        int fd = is_kept(number, keep, count) ? -1 : lock_folder(path, LOCK_EX);
        if (fd < 0)
            continue;
        remove_tree(path);
        close(fd);
    }
    if (dir)
        closedir(dir);
}
