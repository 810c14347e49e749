/* Files as they were compressed, kept for the next who asks: the latest asked for first,
 * the last ones go when there are too many. A page has a handful of files, so the list is
 * short. The loop alone touches list and counts; the pool only reads what never changes.
 *
 * A file is the same while nothing but time has passed over its inode. One that changed
 * just now is not kept: a second change within the same tick of the clock would not show. */
#include "http_conn.h"
#include "mem.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    KEEP_BYTES = 8 * 1024 * 1024,
    KEEP_FILES = 200,
    SETTLED_MS = 100,
};

struct http_zipped {
    struct http_zipped *next;
    unsigned refs;
    char *path;
    struct stat st;
    struct buf content;
};

const struct buf *http_zipped_content(const struct http_zipped *zipped)
{
    return &zipped->content;
}

void http_zipped_unref(struct http_zipped *zipped)
{
    if (!zipped || --zipped->refs > 0)
        return;
    free(zipped->path);
    buf_free(&zipped->content);
    free(zipped);
}

/* Takes it out of the list, whose reference passes to the caller. */
static struct http_zipped *take(struct http_server *server, struct http_zipped **link)
{
    struct http_zipped *zipped = *link;
    *link = zipped->next;
    server->kept_files--;
    server->kept_bytes -= zipped->content.len;
    return zipped;
}

static void put_first(struct http_server *server, struct http_zipped *zipped)
{
    zipped->next = server->kept;
    server->kept = zipped;
    server->kept_files++;
    server->kept_bytes += zipped->content.len;
}

static struct http_zipped **find(struct http_server *server, const char *path)
{
    struct http_zipped **link = &server->kept;
    while (*link && strcmp((*link)->path, path) != 0)
        link = &(*link)->next;
    return link;
}

struct http_zipped *http_zipped_find(struct http_server *server, const char *path)
{
    struct http_zipped **link = find(server, path);
    if (!*link)
        return NULL;
    struct http_zipped *zipped = take(server, link);
    put_first(server, zipped);
    zipped->refs++;
    return zipped;
}

bool http_zipped_is_of(const struct http_zipped *zipped, const struct stat *st)
{
    const struct stat *was = &zipped->st;
    return was->st_dev == st->st_dev && was->st_ino == st->st_ino &&
           was->st_size == st->st_size && was->st_ctim.tv_sec == st->st_ctim.tv_sec &&
           was->st_ctim.tv_nsec == st->st_ctim.tv_nsec;
}

static bool is_settled(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec - st->st_ctim.tv_sec) * 1000 +
               (now.tv_nsec - st->st_ctim.tv_nsec) / 1000000 >
           SETTLED_MS;
}

static void drop_last(struct http_server *server)
{
    struct http_zipped **link = &server->kept;
    while ((*link)->next)
        link = &(*link)->next;
    http_zipped_unref(take(server, link));
}

void http_zipped_keep(struct http_server *server, const char *path, const struct stat *st,
                      const struct buf *content)
{
    struct http_zipped **link = find(server, path);
    if (*link)
        http_zipped_unref(take(server, link));
    if (!is_settled(st))
        return;
    struct http_zipped *zipped = mem_new(sizeof(*zipped));
    zipped->refs = 1;
    zipped->path = mem_strdup(path);
    zipped->st = *st;
    buf_append(&zipped->content, content->data, content->len);
    put_first(server, zipped);
    while (server->kept_bytes > KEEP_BYTES || server->kept_files > KEEP_FILES)
        drop_last(server);
}

void http_zipped_free(struct http_server *server)
{
    while (server->kept)
        http_zipped_unref(take(server, &server->kept));
}
