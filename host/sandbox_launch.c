/* Arguments: zygote PROCESSES MEMORY_MB LEVEL FORMAT. */
#include "sandbox_launch.h"
#include "conf.h"
#include "log.h"
#include "sandbox_zygote.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTEN_FD = 3, ARGUMENTS = 6, LOOK_MS = 5000 };

#define OOM_SCORE "500"

static int fail(void)
{
    log_error("the zygote cannot start: %s", strerrordesc_np(errno));
    return 1;
}

int sandbox_launch(int listen_fd, const struct conf *conf)
{
    char processes[24], memory[24];
    snprintf(processes, sizeof(processes), "%s", conf_str(conf, "sandbox.processes"));
    snprintf(memory, sizeof(memory), "%s", conf_str(conf, "sandbox.memory_mb"));
    const char *argv[] = {"fixxit",
                          "zygote",
                          processes,
                          memory,
                          conf_str(conf, "log.level"),
                          conf_str(conf, "log.format"),
                          NULL};
    /* Else malloc keeps a few of each size that was freed, scattered over pages that are free but
     * for them: a quarter of what a process takes. The time of a run is the same without. */
    const char *environment[] = {"GLIBC_TUNABLES=glibc.malloc.tcache_count=0", NULL};
    if (listen_fd != LISTEN_FD && dup2(listen_fd, LISTEN_FD) < 0)
        return fail();
    if (fcntl(LISTEN_FD, F_SETFD, 0) < 0 ||
        close_range(LISTEN_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return fail();
    execve("/proc/self/exe", (char *const *)argv, (char *const *)environment);
    return fail();
}

bool sandbox_launched(int argc, char **argv)
{
    return argc == ARGUMENTS && strcmp(argv[1], "zygote") == 0;
}

int sandbox_launched_main(char **argv)
{
    log_init((enum log_level)log_level_parse(argv[4]), strcmp(argv[5], "json") == 0,
             "zygote");
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(nothing, STDOUT_FILENO) < 0)
        return fail();
    /* When memory runs out on this machine, the kernel is to look here first. */
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score < 0 || write(score, OOM_SCORE, strlen(OOM_SCORE)) < 0)
        log_warn("zygote: oom_score_adj: %s", strerrordesc_np(errno));
    const struct sandbox_zygote_options options = {
        .processes = strtoul(argv[2], NULL, 10),
        .memory_max = strtoul(argv[3], NULL, 10) << 20,
        .look_ms = LOOK_MS,
    };
    return sandbox_zygote_serve(LISTEN_FD, &options);
}
