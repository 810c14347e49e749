#include "children.h"
#include "log.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    YOUNG_MS = 10000,
    SERVED_DELAY_MS = 100,
    SERVED_DELAY_MAX_MS = 1000,
    FAILED_DELAY_MS = 200,
    FAILED_DELAY_MAX_MS = 10000,
};

uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool child_is_worker(const struct child *child)
{
    return child->kind == CHILD_HTTP || child->kind == CHILD_JOB;
}

const char *child_kind(const struct child *child)
{
    static const char *const kinds[] = {"http", "job", "image", "zygote"};
    return kinds[child->kind];
}

const char *child_name(const struct child *child)
{
    static char name[32];
    snprintf(name, sizeof(name), "%s %d%s", child_kind(child), child->index,
             child->kill_ms ? " (old)" : "");
    return name;
}

/* `first` doubled for each failure so far, `last` at most. */
static uint64_t backoff(unsigned failures, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < failures && first < last; i++)
        first *= 2;
    return first < last ? first : last;
}

static void plan_restart(struct child *child)
{
    uint64_t now = clock_ms(), delay = 0;
    if (!child->replaced && child->up && now - child->started_ms >= YOUNG_MS)
        child->failures = 0;
    else if (!child->replaced && child->up)
        delay = backoff(child->failures++, SERVED_DELAY_MS, SERVED_DELAY_MAX_MS);
    else if (!child->replaced)
        delay = backoff(child->failures++, FAILED_DELAY_MS, FAILED_DELAY_MAX_MS);
    child->restart_ms = now + delay;
    child->replaced = false;
}

/* The parent's signal set-up is not the child's: the master blocks what it reads from its
 * signalfd. A child does not outlive its master. */
static void become_child(pid_t master)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != master)
        _exit(0);
}

int child_start(struct child *child, child_run run, void *arg)
{
    int ends[2] = {-1, -1};
    pid_t master = getpid();
    child->started_ms = clock_ms();
    if (child_is_worker(child) &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        plan_restart(child);
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        log_error("fork: %s", strerror(errno));
        close(ends[0]), close(ends[1]);
        plan_restart(child);
        return -1;
    }
    if (pid == 0) {
        become_child(master);
        if (ends[0] >= 0)
            close(ends[0]);
        run(child, ends[1], arg);
        _exit(1);
    }
    if (ends[1] >= 0)
        close(ends[1]);
    child->pid = pid;
    child->channel = ends[0];
    child->restart_ms = 0;
    child->old = false;
    child->reload = RELOAD_NONE;
    child->up = !child_is_worker(child);
    return 0;
}

void child_replace(struct child *child)
{
    child->replaced = true;
    kill(child->pid, SIGTERM);
}

void child_ended(struct child *child, int status)
{
    if (WIFSIGNALED(status))
        log_warn("%s (pid %d) was killed by signal %d (%s)", child_name(child),
                 child->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        log_warn("%s (pid %d) ended with %d", child_name(child), child->pid,
                 WEXITSTATUS(status));
    if (child->channel >= 0)
        close(child->channel);
    child->channel = -1;
    plan_restart(child);
    child->pid = 0;
    child->up = false;
    child->reload = RELOAD_NONE;
}
