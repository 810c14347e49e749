#include "config.h"
#include "buf.h"
#include "conf.h"
#include "host.h"
#include "log.h"
#include "vm.h"
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_exported(void *arg, const char *problem, const char *result, size_t len)
{
    int fd = *(int *)arg;
    if (problem)
        fprintf(stderr, "fixxit: %s\n", problem);
    while (result && len) {
        ssize_t done = write(fd, result, len);
        if (done <= 0)
            _exit(1);
        result += done;
        len -= (size_t)done;
    }
    _exit(problem || !result ? 1 : 0);
}

static void export_to(int fd, const char *root, int argc, char **argv)
{
    static uv_loop_t loop;
    struct host host = {
        .loop = &loop, .role = "cli", .index = 1, .argc = argc, .argv = argv};
    log_init(LOG_WARN, false, "config");
    uv_loop_init(&loop);
    vm_run(vm_new(&host, root), "core.config", "export", NULL, on_exported, &fd);
    fprintf(stderr, "fixxit: core.config.export must not wait\n");
    _exit(1);
}

struct conf *config_load(const char *root, int argc, char **argv)
{
    int fds[2];
    if (pipe(fds) < 0)
        return NULL;
    pid_t child = fork();
    if (child < 0)
        return NULL;
    if (child == 0) {
        close(fds[0]);
        export_to(fds[1], root, argc, argv);
    }
    close(fds[1]);
    struct buf text = {0};
    ssize_t got;
    while ((got = read(fds[0], buf_reserve(&text, 4096), 4096)) > 0)
        text.len += (size_t)got;
    close(fds[0]);
    int status = 0;
    waitpid(child, &status, 0);
    struct conf *conf = NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        conf = conf_parse(text.data, text.len);
    buf_free(&text);
    return conf;
}
