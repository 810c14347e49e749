/* fork and exec. The parent has threads, so between the two only async-signal-safe
 * functions run: the program's path, the environment and the files are ready before. Why
 * the exec failed comes back through a close-on-exec pipe, whose end without a message
 * means success. */
#include "process.h"
#include "buf.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct process {
    uv_poll_t poll; /* on pidfd; closed with the process's end */
    int pidfd;      /* -1 after it */
    pid_t pid;
    process_exit_cb on_exit;
    void *arg;
    bool released;
    bool closed; /* the poll handle is; with `released` set nobody holds this any more */
};

/* What the child needs, all made before the fork. */
struct launch {
    const char *program; /* path, owned */
    const char *const *argv;
    const char **env; /* the vector is owned, its texts are not */
    const char *cwd;
    bool new_group;
    int fds[3];
    int failure; /* the write end of the pipe */
    pid_t parent;
};

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* The path to execute, to be freed; names that no folder of PATH holds come back as they
 * are, and exec says what is wrong with them. */
static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') || !path)
        return mem_strdup(name);
    struct buf candidate = {0};
    while (*path) {
        size_t len = strcspn(path, ":");
        buf_clear(&candidate);
        buf_append(&candidate, path, len);
        buf_puts(&candidate, len ? "/" : "./");
        buf_puts(&candidate, name);
        if (is_program(buf_cstr(&candidate)))
            return candidate.data;
        path += len + (path[len] == ':');
    }
    buf_free(&candidate);
    return mem_strdup(name);
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* Ours without what `extra` replaces, then `extra`. */
static const char **merge_env(const char *const *extra)
{
    size_t ours = 0, more = 0, count = 0;
    while (environ[ours])
        ours++;
    while (extra && extra[more])
        more++;
    const char **env = mem_new((ours + more + 1) * sizeof(*env));
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t j = 0; j < more && !replaced; j++)
            replaced = same_name(extra[j], environ[i]);
        if (!replaced)
            env[count++] = environ[i];
    }
    for (size_t j = 0; j < more; j++)
        env[count++] = extra[j];
    return env;
}

/* A descriptor above 2, so that the child's dup2 cannot overwrite it before its turn. */
static int open_stream(const char *path, int inherited, struct err *err)
{
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    int fd = inherited;
    if (!path || inherited == STDIN_FILENO)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    else if (strcmp(path, PROCESS_INHERIT) != 0)
        fd = open(path, flags, 0600);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (high < 0)
        err_errno(err, errno, path ? path : "/dev/null");
    if (fd >= 0 && fd != inherited)
        close(fd);
    return high;
}

/* The child. Async-signal-safe only; never returns. */
static void run_child(const struct launch *launch)
{
    sigset_t none;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &standard,
                  NULL); /* fails for KILL, STOP and libc's own: as it should */
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (launch->new_group)
        setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launch->parent)
        _exit(127); /* the parent died before the kernel knew what to do about it */
    bool ready = true;
    for (int i = 0; i < 3; i++)
        ready = ready && dup2(launch->fds[i], i) >= 0;
    ready = ready && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
    ready = ready && (!launch->cwd || chdir(launch->cwd) == 0);
    if (ready)
        execve(launch->program, (char *const *)launch->argv, (char *const *)launch->env);
    int number = errno;
    ssize_t ignored = write(launch->failure, &number, sizeof(number));
    (void)ignored;
    _exit(127);
}

/* Forks; 0 once the program runs, else an errno value with the child reaped. */
static int start_child(struct launch *launch, pid_t *pid)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    launch->failure = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    launch->parent = getpid();
    close(ends[1]);
    int number = 0;
    *pid = fork();
    if (*pid == 0)
        run_child(launch);
    if (*pid < 0)
        number = errno;
    close(launch->failure);
    if (number == 0) {
        ssize_t n;
        do
            n = read(ends[0], &number, sizeof(number));
        while (n < 0 && errno == EINTR);
        if (n == sizeof(number))
            waitpid(*pid, NULL, 0);
        else
            number = 0;
    }
    close(ends[0]);
    return number;
}

static void free_if_unused(struct process *process)
{
    if (process->released && process->closed)
        free(process);
}

static void on_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    process->closed = true;
    free_if_unused(process);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct process *process = poll->data;
    siginfo_t info = {0};
    (void)events;
    int rc = waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG);
    if (rc == 0 && info.si_pid == 0 && status >= 0)
        return;
    bool exited = rc == 0 && info.si_code == CLD_EXITED;
    int signal = exited ? 0 : info.si_status;
    uv_poll_stop(poll);
    close(process->pidfd);
    process->pidfd = -1;
    uv_close((uv_handle_t *)poll, on_closed);
    if (!process->released)
        process->on_exit(process->arg, exited ? info.si_status : 128 + signal, signal);
}

struct process *process_spawn(uv_loop_t *loop, const struct process_options *options,
                              process_exit_cb on_exit, void *arg, struct err *err)
{
    struct process *process = NULL;
    struct launch launch = {
        .argv = options->argv,
        .cwd = options->cwd,
        .new_group = options->new_group,
        .fds = {-1, -1, -1},
    };
    pid_t pid = -1;
    launch.program = find_program(options->argv[0]);
    launch.env = merge_env(options->env);
    launch.fds[0] = open_stream(NULL, STDIN_FILENO, err);
    launch.fds[1] = open_stream(options->out, STDOUT_FILENO, err);
    launch.fds[2] = open_stream(options->err, STDERR_FILENO, err);
    if (launch.fds[0] < 0 || launch.fds[1] < 0 || launch.fds[2] < 0)
        goto out;
    int number = start_child(&launch, &pid);
    if (number != 0) {
        err_errno(err, number, options->argv[0]);
        goto out;
    }
    process = mem_new(sizeof(*process));
    process->pid = pid;
    process->on_exit = on_exit;
    process->arg = arg;
    process->poll.data = process;
    process->pidfd = pidfd_open(pid, 0);
    int rc =
        process->pidfd < 0 ? -errno : uv_poll_init(loop, &process->poll, process->pidfd);
    if (rc < 0) { /* out of descriptors: it must not run unwatched */
        err_uv(err, rc, "watch the process");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (process->pidfd >= 0)
            close(process->pidfd);
        free(process);
        process = NULL;
        goto out;
    }
    uv_poll_start(&process->poll, UV_READABLE, on_readable);
out:
    for (int i = 0; i < 3; i++)
        if (launch.fds[i] >= 0)
            close(launch.fds[i]);
    free(launch.env);
    free((void *)launch.program);
    return process;
}

int process_pid(const struct process *process)
{
    return process->pid;
}

int process_kill(struct process *process, int signal, struct err *err)
{
    if (process->pidfd < 0)
        return err_set(err, ERR_CLOSED, "process %d has ended", process->pid);
    if (pidfd_send_signal(process->pidfd, signal, NULL, 0) < 0)
        return err_errno(err, errno, "signal the process");
    return 0;
}

void process_release(struct process *process)
{
    process->released = true;
    if (process->pidfd >= 0)
        uv_unref((uv_handle_t *)&process->poll);
    free_if_unused(process);
}
