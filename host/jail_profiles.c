/* Allow-lists. Conditions that hold for every one of them come first. */
#include "jail.h"
#include "jail_profile.h"
#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define NOT_EXECUTABLE SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As fork() calls clone(): no thread, no namespace. */
#define FORK_FLAGS (CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD)

#ifdef __SANITIZE_ADDRESS__ /* what it does by itself, its last words among it */
#define SANITIZER_CALLS                                                                  \
    SCMP_SYS(write), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(sched_yield),          \
        SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
#else
#define SANITIZER_CALLS
#endif

/* ---- the image process ---- */

static const int image_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(accept4),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(setitimer),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Threads come from clone() with CLONE_THREAD only. clone3() hides its flags from the filter:
 * ENOSYS makes libc fall back to clone(). */
static const struct jail_rule image_rules[] = {
    {SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, {NOT_EXECUTABLE}},
    {SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, {NOT_EXECUTABLE}},
    {SCMP_ACT_ALLOW,
     SCMP_SYS(clone),
     1,
     {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA)}},
    {SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, {{0}}},
};

const struct jail_profile jail_image = {
    image_calls,        COUNT(image_calls), image_rules,
    COUNT(image_rules), SCMP_SYS(tgkill), /* abort() */
};

/* ---- the zygote ---- */

static const int zygote_calls[] = {SCMP_SYS(write), /* the log */
                                   SCMP_SYS(writev),
                                   SCMP_SYS(close),
                                   SCMP_SYS(close_range),
                                   SCMP_SYS(dup2),
                                   SCMP_SYS(poll),
                                   SCMP_SYS(ppoll),
                                   SCMP_SYS(accept4),
                                   SCMP_SYS(recvmsg),
                                   SCMP_SYS(sendmsg),
                                   SCMP_SYS(sendto),
                                   SCMP_SYS(setsockopt),
                                   SCMP_SYS(wait4),
                                   SCMP_SYS(setpriority),
                                   SCMP_SYS(brk),
                                   SCMP_SYS(munmap),
                                   SCMP_SYS(mremap),
                                   SCMP_SYS(madvise),
                                   SCMP_SYS(futex),
                                   SCMP_SYS(set_robust_list),
                                   SCMP_SYS(rseq),
                                   SCMP_SYS(getpid),
                                   SCMP_SYS(getppid),
                                   SCMP_SYS(gettid),
                                   SCMP_SYS(geteuid),
                                   SCMP_SYS(getrandom),
                                   SCMP_SYS(clock_gettime),
                                   SCMP_SYS(gettimeofday),
                                   SCMP_SYS(rt_sigaction),
                                   SCMP_SYS(rt_sigprocmask),
                                   SCMP_SYS(rt_sigreturn),
                                   SCMP_SYS(restart_syscall),
                                   SCMP_SYS(exit),
                                   SCMP_SYS(exit_group),
                                   SANITIZER_CALLS};

static const struct jail_rule zygote_rules[] = {
    {SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, {NOT_EXECUTABLE}},
    {SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, {NOT_EXECUTABLE}},
    {SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, {SCMP_A0(SCMP_CMP_EQ, FORK_FLAGS)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)}},
    {SCMP_ACT_ALLOW,
     SCMP_SYS(kill),
     2,
     {SCMP_A0(SCMP_CMP_GT, 1), SCMP_A1(SCMP_CMP_EQ, SIGKILL)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, {SCMP_A0(SCMP_CMP_EQ, 0)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_NO_NEW_PRIVS)}},
    {SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)}},
};

const struct jail_profile jail_zygote = {
    zygote_calls, COUNT(zygote_calls), zygote_rules, COUNT(zygote_rules), -1,
};

/* ---- a sandbox process ---- */

/* Neither sendmsg, by which it could pass a descriptor on, nor any other way to reach another
 * process than to write to the connections that it was given. */
static const int sandbox_calls[] = {
    SCMP_SYS(close),         SCMP_SYS(poll),
    SCMP_SYS(recvmsg),       SCMP_SYS(writev),
    SCMP_SYS(brk),           SCMP_SYS(munmap),
    SCMP_SYS(mremap),        SCMP_SYS(madvise),
    SCMP_SYS(futex),         SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),          SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__ /* for its last words */
    SCMP_SYS(write),         SCMP_SYS(getpid),
    SCMP_SYS(gettid),        SCMP_SYS(sched_yield),
    SCMP_SYS(sigaltstack),   SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
#endif
};

static const struct jail_rule sandbox_rules[] = {
    {SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, {NOT_EXECUTABLE}},
    {SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, {NOT_EXECUTABLE}},
};

const struct jail_profile jail_sandbox = {
    sandbox_calls, COUNT(sandbox_calls), sandbox_rules, COUNT(sandbox_rules), -1,
};
