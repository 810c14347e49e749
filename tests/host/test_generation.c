/* What a generation is made of is copied, kept while it is held, and removed after that. */
#include "check.h"
#include "generation.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/fixxit-test-XXXXXX";
static char folder[PATH_MAX];

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* The text of a file in a generation, "" when it is not there. */
static const char *text_of(unsigned number, const char *name)
{
    static char text[64];
    char path[PATH_MAX];
    generation_path(folder, number, path);
    size_t len = strlen(path);
    snprintf(path + len, sizeof(path) - len, "/%s", name);
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static void copies_what_is_named_as_it_is_now(void)
{
    struct err err;
    mkdir(path_of("lua"), 0700);
    mkdir(path_of("lua/core"), 0700);
    mkdir(path_of("lua/.git"), 0700);
    mkdir(path_of("elsewhere"), 0700);
    write_file("lua/core/a.lua", "one");
    write_file("lua/.git/config", "hidden");
    write_file("elsewhere/b.lua", "linked");
    write_file(".env", "A=1");
    write_file("secret", "not named");
    CHECK(symlink("../elsewhere", path_of("lua/other")) == 0);
    CHECK(mkfifo(path_of("lua/pipe"), 0600) == 0);
    const struct timespec times[] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    CHECK(utimensat(AT_FDCWD, path_of("lua/core/a.lua"), times, 0) == 0);
    CHECK(generation_last(folder) == 0);
    CHECK(generation_take(folder, 7, root, "lua,absent,.env", &err) == 0);
    CHECK(generation_last(folder) == 7);
    write_file("lua/core/a.lua", "two");
    CHECK_STR(text_of(7, "lua/core/a.lua"), "one");
    CHECK_STR(text_of(7, "lua/other/b.lua"), "linked");
    CHECK_STR(text_of(7, ".env"), "A=1");
    CHECK_STR(text_of(7, "lua/.git/config"), "");
    CHECK_STR(text_of(7, "secret"), "");
    struct stat info;
    char path[PATH_MAX];
    generation_path(folder, 7, path);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0700);
    strcat(path, "/lua/core/a.lua");
    CHECK(stat(path, &info) == 0 && info.st_mtime == 1000000000);
    CHECK((info.st_mode & 0777) == 0600);
    CHECK(generation_take(folder, 7, root, "lua", &err) == -1);
    CHECK_STR(err.code, ERR_EXISTS);
}

static void leaves_nothing_when_it_cannot_be_taken(void)
{
    struct err err;
    CHECK(symlink(".", path_of("lua/round")) == 0);
    CHECK(generation_take(folder, 8, root, "lua", &err) == -1);
    CHECK(unlink(path_of("lua/round")) == 0);
    CHECK(generation_last(folder) == 7);
    write_file("lua/long.lua", "longer than the limit");
    struct rlimit none = {.rlim_cur = 8, .rlim_max = RLIM_INFINITY}, before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none); /* as good as a full disk */
    CHECK(generation_take(folder, 8, root, "lua", &err) == -1);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK(strstr(err.message, "lua"));
    CHECK(generation_last(folder) == 7);
}

static void keeps_what_is_held_or_named(void)
{
    struct err err;
    const unsigned keep[] = {7, 0};
    char path[PATH_MAX];
    for (unsigned number = 8; number <= 10; number++)
        CHECK(generation_take(folder, number, root, "lua", &err) == 0);
    generation_path(folder, 9, path);
    int first = generation_hold(path), second = generation_hold(path);
    CHECK(first >= 0 && second >= 0);
    generation_sweep(folder, keep, 2);
    CHECK_STR(text_of(7, "lua/core/a.lua"), "one");
    CHECK_STR(text_of(8, "lua/core/a.lua"), "");
    CHECK_STR(text_of(9, "lua/core/a.lua"), "two");
    CHECK_STR(text_of(10, "lua/core/a.lua"), "");
    generation_release(first);
    generation_sweep(folder, keep, 2);
    CHECK_STR(text_of(9, "lua/core/a.lua"), "two");
    generation_release(second);
    generation_sweep(folder, keep, 2);
    CHECK_STR(text_of(9, "lua/core/a.lua"), "");
    CHECK(generation_hold(path) == -1);
}

static void forgets_who_held_it_and_was_killed(void)
{
    struct err err;
    char path[PATH_MAX], byte;
    int ends[2];
    CHECK(generation_take(folder, 11, root, "lua", &err) == 0);
    generation_path(folder, 11, path);
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        generation_hold(path);
        if (write(ends[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    generation_sweep(folder, NULL, 0);
    CHECK(generation_last(folder) == 11);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    generation_sweep(folder, NULL, 0);
    CHECK(generation_last(folder) == 0);
}

int main(void)
{
    if (!mkdtemp(root))
        return 1;
    snprintf(folder, sizeof(folder), "%s/generations", root);
    RUN(copies_what_is_named_as_it_is_now);
    RUN(leaves_nothing_when_it_cannot_be_taken);
    RUN(keeps_what_is_held_or_named);
    RUN(forgets_who_held_it_and_was_killed);
    char command[PATH_MAX + 16];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    CHECK(system(command) == 0);
    return check_result("generation");
}
