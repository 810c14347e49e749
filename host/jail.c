/* The filter is an allow-list; its default is EPERM instead of a kill, because libraries
 * probe (time zones, /proc) and live well with a refusal.
 *
 * Threads come from clone() with CLONE_THREAD only. clone3() hides its flags from the
 * filter: ENOSYS makes libc fall back to clone(). */
#include "jail.h"
#include "image_proto.h"
#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOBODY = 65534, FILES_MAX = 128 };

#define MEMORY_MAX ((rlim_t)3 << 30)

static const int allowed[] = {
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

static int fill_filter(scmp_filter_ctx filter)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp thread =
        SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    const struct scmp_arg_cmp set_name = SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME);
    const struct scmp_arg_cmp name_memory = SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA);
    const struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
    const struct {
        uint32_t action;
        int call;
        const struct scmp_arg_cmp *condition;
    } rules[] = {
        {SCMP_ACT_ALLOW, SCMP_SYS(mmap), &not_executable},
        {SCMP_ACT_ALLOW, SCMP_SYS(mprotect), &not_executable},
        {SCMP_ACT_ALLOW, SCMP_SYS(clone), &thread},
        {SCMP_ACT_ALLOW, SCMP_SYS(prctl), &set_name},
        {SCMP_ACT_ALLOW, SCMP_SYS(prctl), &name_memory},
        {SCMP_ACT_ALLOW, SCMP_SYS(tgkill), &own}, /* abort() */
        {SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), NULL},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && rc == 0; i++)
        rc = seccomp_rule_add_array(filter, rules[i].action, rules[i].call,
                                    rules[i].condition ? 1 : 0, rules[i].condition);
    return rc;
}

static int close_filter(struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return err_set(err, ERR_INTERNAL, "seccomp is not available");
    int rc = fill_filter(filter);
    if (rc == 0)
        rc = seccomp_load(filter); /* sets no_new_privs too */
    seccomp_release(filter);
    return rc < 0 ? err_errno(err, -rc, "seccomp filter") : 0;
}

static int limit(int resource, rlim_t value, struct err *err)
{
    struct rlimit both = {value, value};
    return setrlimit(resource, &both) < 0 ? err_errno(err, errno, "setrlimit") : 0;
}

static int set_limits(struct err *err)
{
    if (limit(RLIMIT_NOFILE, FILES_MAX, err) < 0 || limit(RLIMIT_CORE, 0, err) < 0 ||
        limit(RLIMIT_FSIZE, IMAGE_OUTPUT_MAX, err) < 0)
        return -1;
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory alone is terabytes of address space */
    if (limit(RLIMIT_AS, MEMORY_MAX, err) < 0)
        return -1;
#endif
    return 0;
}

static int close_all_but(int keep_fd, struct err *err)
{
    int rc = 0;
    if (keep_fd > 3)
        rc = close_range(3, (unsigned)keep_fd - 1, 0);
    if (rc == 0)
        rc = close_range(keep_fd < 3 ? 3 : (unsigned)keep_fd + 1, ~0U, 0);
    return rc < 0 ? err_errno(err, errno, "close_range") : 0;
}

static int drop_root(struct err *err)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return err_errno(err, errno, "become nobody");
    return 0;
}

int jail_enter(int keep_fd, struct err *err)
{
    pid_t parent = getppid();
    signal(SIGXFSZ, SIG_IGN); /* too long an output is a failed write */
    signal(SIGPIPE, SIG_IGN);
    if (close_all_but(keep_fd, err) < 0 || set_limits(err) < 0 || drop_root(err) < 0)
        return -1;
    /* After the change of user, which clears the first of them. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, errno, "prctl");
    if (getppid() != parent)
        return err_set(err, ERR_CLOSED, "the parent has died");
    return close_filter(err);
}
