/* main.c - which of the program's faces is asked for: the server, a word to the running server,
 * the image process or the zygote of scripts on its own, or a command written in Lua. */
#include "cli.h"
#include "conf.h"
#include "config.h"
#include "control.h"
#include "err.h"
#include "handoff.h"
#include "image_process.h"
#include "listener.h"
#include "master.h"
#include "sandbox_launch.h"
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The folder that holds lua/: FIXXIT_ROOT, or found upward from the program's own place. */
static int find_root(char *root)
{
    const char *given = getenv("FIXXIT_ROOT");
    if (given && realpath(given, root))
        return 0;
    ssize_t len = readlink("/proc/self/exe", root, PATH_MAX - 1);
    if (len < 0)
        return -1;
    root[len] = '\0';
    for (char *slash; (slash = strrchr(root, '/'));) {
        char probe[PATH_MAX + 32];
        *slash = '\0';
        snprintf(probe, sizeof(probe), "%s/lua/core/main.lua", root);
        if (access(probe, R_OK) == 0)
            return 0;
    }
    return -1;
}

/* As many connections as the hard limit allows: the soft one is often 1024. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* For commands that need pictures without a server; ends with the one who started it. */
static int image_process(const struct conf *conf)
{
    struct err err;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    int fd = listener_unix(conf_str(conf, "image.socket"), SOCK_SEQPACKET, &err);
    if (fd < 0) {
        fprintf(stderr, "fixxit: %s\n", err.message);
        return 1;
    }
    return image_process_main(fd, conf);
}

/* The same for scripts. */
static int zygote(const struct conf *conf)
{
    struct err err;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int fd = listener_unix(conf_str(conf, "sandbox.socket"), SOCK_SEQPACKET, &err);
    if (fd < 0) {
        fprintf(stderr, "fixxit: %s\n", err.message);
        return 1;
    }
    return sandbox_launch(fd, conf);
}

int main(int argc, char **argv)
{
    /* Before there is anything to inherit; and libraries have nothing to do at its end. */
    if (sandbox_launched(argc, argv))
        _exit(sandbox_launched_main(argv));
    static char root[PATH_MAX];
    if (find_root(root) < 0) {
        fprintf(stderr, "fixxit: cannot find its lua folder: set FIXXIT_ROOT\n");
        return 1;
    }
    raise_file_limit();
    struct handoff *handoff = handoff_take();
    const char *command = argc > 1 ? argv[1] : "help";
    bool json = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            command = "help"; /* core.cli explains every command */
        json = json || strcmp(argv[i], "--json") == 0;
    }
    struct conf *conf = config_load(root, argc, argv);
    if (!conf)
        return 1;
    int code;
    if (strcmp(command, "serve") == 0)
        code = master_main(conf, root, argc, argv, handoff);
    else if (strcmp(command, "reload") == 0 || strcmp(command, "status") == 0)
        code = control_command(conf, command, json);
    else if (strcmp(command, "image-process") == 0)
        code = image_process(conf);
    else if (strcmp(command, "zygote") == 0)
        code = zygote(conf);
    else
        code = cli_main(conf, root, argc, argv);
    conf_free(conf);
    return code;
}
