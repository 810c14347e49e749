/* Durability: a new file is written under a temporary name in its own folder, fsynced,
 * renamed over the final name, and the folder is fsynced. After a crash the final name is
 * either what it was or the whole new content. A folder that had to be made is made
 * durable by an fsync of its parent. */
#include "fs.h"
#include "mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, FILE_MODE = 0600, DIR_MODE = 0700 };

/* One request on its way through the pool. */
struct job {
    uv_work_t work;
    struct fs_request request; /* its pointers are copies that the job owns */
    struct fs_result result;
    struct err err; /* code NULL on success */
    fs_done_cb done;
    void *arg;
};

static int fail(struct err *err, const char *verb, const char *path)
{
    int number = errno;
    char what[512];
    snprintf(what, sizeof(what), "%s %s", verb, path);
    return err_errno(err, number, what);
}

/* The folder of `path`, to be freed. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_strdup(".");
    return mem_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

static int sync_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open", path);
    int rc = fsync(fd);
    if (rc < 0)
        fail(err, "fsync", path);
    close(fd);
    return rc;
}

static int sync_parent(const char *path, struct err *err)
{
    char *parent = parent_of(path);
    int rc = sync_dir(parent, err);
    free(parent);
    return rc;
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_dirs(const char *path, struct err *err)
{
    if (is_dir(path))
        return 0;
    char *parent = parent_of(path);
    /* The comparison ends the recursion: "/" and "." are their own parents. */
    int rc = strcmp(parent, path) == 0 ? 0 : make_dirs(parent, err);
    free(parent);
    if (rc < 0)
        return -1;
    if (mkdir(path, DIR_MODE) < 0) {
        int number = errno;
        if (is_dir(path)) /* another process was faster, or the path ends with a slash */
            return 0;
        errno = number;
        return fail(err, "mkdir", path);
    }
    return sync_parent(path, err);
}

int fs_write_all(int fd, const void *data, size_t len)
{
    for (const char *at = data; len > 0;) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* What fills a temporary file: 0 or -1 with errno. */
typedef int (*fill_fn)(int fd, const struct fs_request *request);

static int fill_data(int fd, const struct fs_request *request)
{
    return fs_write_all(fd, request->data, request->len);
}

static int fill_copy(int fd, const struct fs_request *request)
{
    int from = open(request->path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -1;
    ssize_t n;
    do
        n = sendfile(fd, from, NULL, 1 << 30);
    while (n > 0 || (n < 0 && errno == EINTR));
    int number = errno;
    close(from);
    errno = number;
    return n < 0 ? -1 : 0;
}

static int replace(const char *final, const struct fs_request *request, fill_fn fill,
                   struct err *err)
{
    static atomic_uint counter;
    struct buf name = {0};
    buf_printf(&name, "%s.%d-%u.tmp", final, getpid(), atomic_fetch_add(&counter, 1));
    const char *tmp = buf_cstr(&name);
    int rc = -1;
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0) {
        fail(err, "create", tmp);
        goto out;
    }
    if (fill(fd, request) < 0 || fsync(fd) < 0) {
        fail(err, "write", final);
        close(fd);
        goto out_unlink;
    }
    if (close(fd) < 0 || rename(tmp, final) < 0) {
        fail(err, "replace", final);
        goto out_unlink;
    }
    rc = sync_parent(final, err);
    goto out;
out_unlink:
    unlink(tmp);
out:
    buf_free(&name);
    return rc;
}

static int run_append(const struct fs_request *request, struct err *err)
{
    int fd = open(request->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                  FILE_MODE);
    if (fd < 0)
        return fail(err, "open", request->path);
    int rc = fs_write_all(fd, request->data, request->len);
    if (rc < 0)
        fail(err, "append", request->path);
    if (close(fd) < 0 && rc == 0)
        rc = fail(err, "append", request->path);
    return rc;
}

static int run_read(const struct fs_request *request, struct fs_result *result,
                    struct err *err)
{
    int fd = open(request->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open", request->path);
    int rc = 0;
    /* Until the end, not until st_size: files in /proc have none, and a file may grow. */
    for (;;) {
        char *room = buf_reserve(&result->data, CHUNK);
        ssize_t n = read(fd, room, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = fail(err, "read", request->path);
        if (n <= 0)
            break;
        result->data.len += (size_t)n;
        if (result->data.len > request->limit) {
            rc = err_set(err, ERR_TOO_LARGE, "%s: larger than %zu bytes", request->path,
                         request->limit);
            break;
        }
    }
    close(fd);
    return rc;
}

static int run_stat(const struct fs_request *request, struct fs_result *result,
                    struct err *err)
{
    struct stat st;
    if (stat(request->path, &st) < 0)
        return fail(err, "stat", request->path);
    result->size = st.st_size;
    result->mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    result->is_dir = S_ISDIR(st.st_mode);
    return 0;
}

static int run_space(const struct fs_request *request, struct fs_result *result,
                     struct err *err)
{
    struct statvfs space;
    if (statvfs(request->path, &space) < 0)
        return fail(err, "statvfs", request->path);
    result->size = (int64_t)(space.f_bavail * space.f_frsize);
    result->total = (int64_t)(space.f_blocks * space.f_frsize);
    return 0;
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_list(const struct fs_request *request, struct fs_result *result,
                    struct err *err)
{
    struct dirent **entries;
    int count = scandir(request->path, &entries, is_entry, compare_names);
    if (count < 0)
        return fail(err, "list", request->path);
    for (int i = 0; i < count; i++) {
        buf_append(&result->data, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int run_install(const struct fs_request *request, struct err *err)
{
    int fd = open(request->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open", request->path);
    int rc = fsync(fd);
    if (rc < 0)
        fail(err, "fsync", request->path);
    close(fd);
    if (rc < 0)
        return -1;
    char *parent = parent_of(request->to);
    rc = make_dirs(parent, err);
    if (rc == 0 && rename(request->path, request->to) < 0)
        rc = fail(err, "rename to", request->to);
    if (rc == 0)
        rc = sync_dir(parent, err);
    free(parent);
    return rc;
}

static int run_hash(const struct fs_request *request, struct fs_result *result,
                    struct err *err)
{
    int fd = open(request->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open", request->path);
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    char *chunk = mem_new(CHUNK);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int rc = 0;
    bool ok = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL);
    ssize_t n = 0;
    while (ok && ((n = read(fd, chunk, CHUNK)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0) {
            ok = EVP_DigestUpdate(sha, chunk, (size_t)n);
            result->size += n;
        }
    if (n < 0)
        rc = fail(err, "read", request->path);
    else if (!ok || !EVP_DigestFinal_ex(sha, digest, &size))
        rc = err_set(err, ERR_INTERNAL, "SHA-256 is not available");
    for (unsigned i = 0; rc == 0 && i < size; i++)
        buf_printf(&result->data, "%02x", digest[i]);
    free(chunk);
    EVP_MD_CTX_free(sha);
    close(fd);
    return rc;
}

static int run(const struct fs_request *request, struct fs_result *result,
               struct err *err)
{
    switch (request->kind) {
    case FS_READ:
        return run_read(request, result, err);
    case FS_APPEND:
        return run_append(request, err);
    case FS_WRITE:
        return replace(request->path, request, fill_data, err);
    case FS_RENAME:
        return rename(request->path, request->to) < 0 ? fail(err, "rename", request->path)
                                                      : 0;
    case FS_UNLINK:
        return unlink(request->path) < 0 ? fail(err, "unlink", request->path) : 0;
    case FS_MKDIR:
        return make_dirs(request->path, err);
    case FS_STAT:
        return run_stat(request, result, err);
    case FS_SPACE:
        return run_space(request, result, err);
    case FS_LIST:
        return run_list(request, result, err);
    case FS_COPY:
        return replace(request->to, request, fill_copy, err);
    case FS_INSTALL:
        return run_install(request, err);
    case FS_HASH:
        return run_hash(request, result, err);
    }
    return err_set(err, ERR_INTERNAL, "no such file operation: %d", request->kind);
}

int fs_run(const struct fs_request *request, struct fs_result *result, struct err *err)
{
    *result = (struct fs_result){0};
    return run(request, result, err);
}

static void on_work(uv_work_t *work)
{
    struct job *job = work->data;
    fs_run(&job->request, &job->result, &job->err);
}

static void on_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct job *job = work->data;
    job->done(job->arg, &job->result, job->err.code ? &job->err : NULL);
    buf_free(&job->result.data);
    free((void *)job->request.path);
    free((void *)job->request.to);
    free((void *)job->request.data);
    free(job);
}

void fs_start(uv_loop_t *loop, const struct fs_request *request, fs_done_cb done,
              void *arg)
{
    struct job *job = mem_new(sizeof(*job));
    job->request = *request;
    job->request.path = mem_strdup(request->path);
    job->request.to = request->to ? mem_strdup(request->to) : NULL;
    job->request.data = request->data ? mem_copy(request->data, request->len) : NULL;
    job->done = done;
    job->arg = arg;
    job->work.data = job;
    uv_queue_work(loop, &job->work, on_work, on_done);
}
