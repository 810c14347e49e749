/* The default of a filter is EPERM instead of a kill, because libraries probe (time zones, /proc)
 * and live well with a refusal.
 *
 * libseccomp writes the filter as a program into memory; the kernel takes it from there, so that
 * a process which may no longer call much can still enter a narrower one. */
#include "jail.h"
#include "jail_profile.h"
#include "mem.h"
#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOBODY = 65534 };

struct jail_filter {
    struct sock_fprog program; /* its instructions are owned */
};

static int fill(scmp_filter_ctx filter, const struct jail_profile *profile)
{
    int rc = 0;
    for (size_t i = 0; i < profile->calls_count && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, profile->calls[i], 0);
    for (size_t i = 0; i < profile->rules_count && rc == 0; i++) {
        const struct jail_rule *rule = &profile->rules[i];
        rc = seccomp_rule_add_array(filter, rule->action, rule->call, rule->count,
                                    rule->count ? rule->condition : NULL);
    }
    if (rc == 0 && profile->self_call >= 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, profile->self_call, 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return rc;
}

/* 0 or a negative errno value. */
static int compile(scmp_filter_ctx filter, struct sock_fprog *program)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = seccomp_export_bpf(filter, fd);
    off_t size = rc == 0 ? lseek(fd, 0, SEEK_END) : 0;
    if (rc == 0 && size > 0) {
        program->filter = mem_new((size_t)size);
        program->len = (unsigned short)((size_t)size / sizeof(*program->filter));
        if (pread(fd, program->filter, (size_t)size, 0) != size)
            rc = -EIO;
    }
    close(fd);
    return rc;
}

struct jail_filter *jail_filter_new(const struct jail_profile *profile, struct err *err)
{
    struct jail_filter *filter = mem_new(sizeof(*filter));
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = context ? fill(context, profile) : -ENOSYS;
    if (rc == 0)
        rc = compile(context, &filter->program);
    if (context)
        seccomp_release(context);
    if (rc == 0)
        return filter;
    err_errno(err, -rc, "seccomp filter");
    jail_filter_free(filter);
    return NULL;
}

void jail_filter_free(struct jail_filter *filter)
{
    if (!filter)
        return;
    free(filter->program.filter);
    free(filter);
}

static int limit(int resource, uint64_t value, struct err *err)
{
    struct rlimit both = {value, value};
    if (value == JAIL_SAME)
        return 0;
    return setrlimit(resource, &both) < 0 ? err_errno(err, errno, "setrlimit") : 0;
}

static int set_limits(const struct jail_limits *limits, struct err *err)
{
    if (limit(RLIMIT_NOFILE, limits->files, err) < 0 || limit(RLIMIT_CORE, 0, err) < 0 ||
        limit(RLIMIT_FSIZE, limits->written, err) < 0)
        return -1;
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory alone is terabytes of address space */
    if (limit(RLIMIT_AS, limits->address_space, err) < 0 ||
        limit(RLIMIT_DATA, limits->data, err) < 0)
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

int jail_enter(const struct jail_filter *filter, const struct jail_limits *limits,
               int keep_fd, struct err *err)
{
    pid_t parent = getppid();
    signal(SIGXFSZ, SIG_IGN); /* too long an output is a failed write */
    signal(SIGPIPE, SIG_IGN);
    if (close_all_but(keep_fd, err) < 0 || set_limits(limits, err) < 0 ||
        drop_root(err) < 0)
        return -1;
    /* After the change of user, which clears the first of them. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, errno, "prctl");
    if (getppid() != parent)
        return err_set(err, ERR_CLOSED, "the parent has died");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter->program) < 0)
        return err_errno(err, errno, "seccomp filter");
    return 0;
}
