/* fs: what each operation leaves on the disk, and what it says when it cannot. */
#include "check.h"
#include "fs.h"
#include "mem.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static int put(const char *path, const char *text)
{
    struct fs_request request = {
        .kind = FS_WRITE, .path = path, .data = text, .len = strlen(text)};
    struct fs_result result;
    return fs_run(&request, &result, NULL);
}

/* The file's text, or the error's code in angle brackets; to be freed. */
static char *get(const char *path, size_t limit)
{
    struct fs_request request = {.kind = FS_READ, .path = path, .limit = limit};
    struct fs_result result;
    struct err err;
    struct buf text = {0};
    if (fs_run(&request, &result, &err) < 0)
        buf_printf(&text, "<%s>", err.code);
    else
        buf_append(&text, result.data.data, result.data.len);
    buf_free(&result.data);
    buf_cstr(&text);
    return text.data;
}

#define CHECK_FILE(path, limit, expected)                                                \
    do {                                                                                 \
        char *text = get(path, limit);                                                   \
        CHECK_STR(text, expected);                                                       \
        free(text);                                                                      \
    } while (0)

static int append(const char *path, const char *text)
{
    struct fs_request request = {
        .kind = FS_APPEND, .path = path, .data = text, .len = strlen(text)};
    struct fs_result result;
    return fs_run(&request, &result, NULL);
}

static void appends(void)
{
    const char *path = in_dir("grown");
    struct stat st;
    CHECK(append(path, "one ") == 0);
    CHECK(append(path, "two") == 0);
    CHECK_FILE(path, 100, "one two");
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(append(in_dir("no/such/folder"), "x") < 0);
}

static const char *run(enum fs_kind kind, const char *path, const char *to)
{
    struct fs_request request = {.kind = kind, .path = path, .to = to};
    struct fs_result result;
    struct err err;
    int rc = fs_run(&request, &result, &err);
    buf_free(&result.data);
    return rc < 0 ? err.code : "ok";
}

static int count_entries(const char *path)
{
    struct fs_request request = {.kind = FS_LIST, .path = path};
    struct fs_result result;
    int count = 0;
    if (fs_run(&request, &result, NULL) < 0)
        return -1;
    for (size_t i = 0; i < result.data.len; i++)
        count += result.data.data[i] == '\0';
    buf_free(&result.data);
    return count;
}

static void writes_replace_and_leave_no_temporary_file(void)
{
    CHECK(put(in_dir("a"), "one") == 0);
    CHECK(put(in_dir("a"), "two") == 0);
    CHECK_FILE(in_dir("a"), 100, "two");
    CHECK(count_entries(dir) == 1);
    CHECK(put(in_dir("missing/a"), "x") < 0);
    CHECK(mkdir(in_dir("folder"), 0700) == 0);
    CHECK(put(in_dir("folder"), "x") <
          0); /* the rename fails: the temporary file must go */
    CHECK(count_entries(dir) == 2);
    CHECK(rmdir(in_dir("folder")) == 0);
}

static void a_new_file_is_private(void)
{
    struct stat st;
    CHECK(stat(in_dir("a"), &st) == 0 && (st.st_mode & 0777) == 0600);
}

static void reading_stops_at_the_limit(void)
{
    CHECK_FILE(in_dir("a"), 3, "two");
    CHECK_FILE(in_dir("a"), 2, "<TOO_LARGE>");
    CHECK_FILE("/dev/zero", 1 << 20, "<TOO_LARGE>");
    CHECK_FILE(in_dir("none"), 10, "<NOT_FOUND>");
    CHECK_FILE(dir, 10, "<IO>");
}

static void makes_folders_with_parents(void)
{
    CHECK_STR(run(FS_MKDIR, in_dir("x/y/z"), NULL), "ok");
    CHECK_STR(run(FS_MKDIR, in_dir("x/y/z"), NULL), "ok");
    CHECK_STR(run(FS_MKDIR, in_dir("x/y/z/"), NULL), "ok");
    CHECK_STR(run(FS_MKDIR, in_dir("n//m/"), NULL), "ok");
    CHECK_STR(run(FS_MKDIR, in_dir("a"), NULL), "EXISTS");
    CHECK_STR(run(FS_MKDIR, in_dir("a/b"), NULL), "EXISTS"); /* a is a file */
    CHECK_STR(run(FS_MKDIR, "", NULL), "NOT_FOUND");
}

static void installs_below_new_parents_and_over_the_same_content(void)
{
    CHECK(put(in_dir("t1"), "body") == 0);
    CHECK_STR(run(FS_INSTALL, in_dir("t1"), in_dir("store/ab/cd")), "ok");
    CHECK(put(in_dir("t2"), "body") == 0);
    CHECK_STR(run(FS_INSTALL, in_dir("t2"), in_dir("store/ab/cd")), "ok");
    CHECK_FILE(in_dir("store/ab/cd"), 100, "body");
    CHECK(access(in_dir("t1"), F_OK) < 0 && access(in_dir("t2"), F_OK) < 0);
    CHECK_STR(run(FS_INSTALL, in_dir("t3"), in_dir("store/ab/ce")), "NOT_FOUND");
}

static void copies_renames_and_unlinks(void)
{
    CHECK_STR(run(FS_COPY, in_dir("a"), in_dir("b")), "ok");
    CHECK_FILE(in_dir("b"), 100, "two");
    CHECK_STR(run(FS_COPY, in_dir("none"), in_dir("b")), "NOT_FOUND");
    CHECK_FILE(in_dir("b"), 100, "two");
    CHECK_STR(run(FS_RENAME, in_dir("b"), in_dir("c")), "ok");
    CHECK_STR(run(FS_UNLINK, in_dir("c"), NULL), "ok");
    CHECK_STR(run(FS_UNLINK, in_dir("c"), NULL), "NOT_FOUND");
}

static void copies_more_than_one_chunk(void)
{
    size_t len = 3 << 20;
    char *text = mem_new(len + 1);
    memset(text, 'x', len);
    CHECK(put(in_dir("large"), text) == 0);
    CHECK_STR(run(FS_COPY, in_dir("large"), in_dir("large2")), "ok");
    char *copy = get(in_dir("large2"), len);
    CHECK_STR(copy, text);
    free(copy);
    free(text);
}

static void tells_size_time_and_type(void)
{
    struct fs_request request = {.kind = FS_STAT, .path = in_dir("a")};
    struct fs_result result;
    CHECK(fs_run(&request, &result, NULL) == 0);
    CHECK(result.size == 3 && !result.is_dir && result.mtime_ms > 1600000000000);
    request.path = dir;
    CHECK(fs_run(&request, &result, NULL) == 0 && result.is_dir);
}

static void lists_names_in_order_with_hidden_ones(void)
{
    CHECK_STR(run(FS_MKDIR, in_dir("list"), NULL), "ok");
    CHECK(put(in_dir("list/b"), "") == 0 && put(in_dir("list/.h"), "") == 0);
    CHECK(put(in_dir("list/a"), "") == 0);
    struct fs_request request = {.kind = FS_LIST, .path = in_dir("list")};
    struct fs_result result;
    CHECK(fs_run(&request, &result, NULL) == 0);
    CHECK(result.data.len == 7 && memcmp(result.data.data, ".h\0a\0b", 7) == 0);
    buf_free(&result.data);
}

static void hashes(void)
{
    CHECK(put(in_dir("abc"), "abc") == 0);
    struct fs_request request = {.kind = FS_HASH, .path = in_dir("abc")};
    struct fs_result result;
    CHECK(fs_run(&request, &result, NULL) == 0);
    CHECK_STR(buf_cstr(&result.data),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    buf_free(&result.data);
    CHECK_STR(run(FS_HASH, dir, NULL), "IO");
}

static void count_done(void *arg, const struct fs_result *result, const struct err *err)
{
    int *done = arg;
    *done += !err && result->data.len == 3 && memcmp(result->data.data, "two", 3) == 0;
}

static void count_failed(void *arg, const struct fs_result *result, const struct err *err)
{
    int *failed = arg;
    (void)result;
    *failed += err && strcmp(err->code, ERR_NOT_FOUND) == 0;
}

static void runs_in_the_pool(void)
{
    uv_loop_t loop;
    int done = 0, failed = 0;
    uv_loop_init(&loop);
    for (int i = 0; i < 20; i++) {
        char *path = mem_strdup(in_dir(i % 2 ? "a" : "none"));
        fs_start(&loop, &(struct fs_request){.kind = FS_READ, .path = path, .limit = 10},
                 i % 2 ? count_done : count_failed, i % 2 ? &done : &failed);
        free(path); /* the request was copied */
    }
    CHECK(done == 0 && failed == 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(done == 10 && failed == 10);
    CHECK(uv_loop_close(&loop) == 0);
}

int main(void)
{
    strcpy(dir, "/tmp/test_fs.XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    RUN(writes_replace_and_leave_no_temporary_file);
    RUN(a_new_file_is_private);
    RUN(appends);
    RUN(reading_stops_at_the_limit);
    RUN(makes_folders_with_parents);
    RUN(installs_below_new_parents_and_over_the_same_content);
    RUN(copies_renames_and_unlinks);
    RUN(copies_more_than_one_chunk);
    RUN(tells_size_time_and_type);
    RUN(lists_names_in_order_with_hidden_ones);
    RUN(hashes);
    RUN(runs_in_the_pool);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command) != 0)
        return 1;
    return check_result("fs");
}
