/* What a child needs lies in static memory, which it shares with the zygote until it writes: the
 * less it writes, the less it costs. So the libraries are used once before the first fork. */
#include "sandbox_birth.h"
#include "jail.h"
#include "sandbox_process.h"
#include "sandbox_vm.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PROCESS_FILES = 128 }; /* the connections of as many generations of workers */

/* Bytes beside the scripts': queues, JSON, and what malloc cannot give back. */
#define ROOM ((uint64_t)32 << 20)

static struct {
    struct jail_filter *filter;
    struct jail_limits limits;
    size_t memory_max;
} child;

/* What is mapped now, and how much of it is private and writable, in bytes. */
static int measure(uint64_t *address_space, uint64_t *data, struct err *err)
{
    unsigned long total, resident, shared, text, library, writable;
    FILE *file = fopen("/proc/self/statm", "re");
    int fields = file ? fscanf(file, "%lu %lu %lu %lu %lu %lu", &total, &resident,
                               &shared, &text, &library, &writable)
                      : 0;
    if (file)
        fclose(file);
    if (fields != 6)
        return err_set(err, ERR_IO, "/proc/self/statm cannot be read");
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    *address_space = total * page;
    *data = writable * page;
    return 0;
}

/* Resolves symbols, fills caches. What it ends with is no matter. */
static void warm_up(size_t memory_max)
{
    struct sandbox_memory memory = {.max = memory_max};
    struct sandbox_limits limits = {.cpu_us = 10000, .output_max = 4096, .log_max = 4096};
    struct buf problem = {0};
    struct sandbox_vm *vm = sandbox_vm_new(&memory);
    if (!vm)
        return;
    sandbox_vm_load(vm, "warm up", "local a = ('x'):rep(3)", 22, false, &problem);
    struct sandbox_run *run = sandbox_run_new(vm, "{}", 2, &limits);
    sandbox_run_resume(run);
    sandbox_run_free(run);
    sandbox_vm_free(vm);
    buf_free(&problem);
}

int sandbox_prepare_births(int keep_fd, uint64_t files, size_t memory_max,
                           struct err *err)
{
    const struct jail_limits limits = {.files = files,
                                       .written = JAIL_SAME, /* the log may be a file */
                                       .address_space = JAIL_SAME,
                                       .data = JAIL_SAME};
    uint64_t address_space = 0, data = 0;
    warm_up(memory_max);
    struct jail_filter *filter = jail_filter_new(&jail_zygote, err);
    child.filter = jail_filter_new(&jail_sandbox, err);
    int rc = filter && child.filter ? measure(&address_space, &data, err) : -1;
    if (rc == 0) {
        child.memory_max = memory_max;
        child.limits = (struct jail_limits){
            .files = PROCESS_FILES,
            .written = 0,
            .address_space = address_space + 2 * memory_max + ROOM,
            .data = data + 2 * memory_max + ROOM,
        };
        rc = jail_enter(filter, &limits, keep_fd, err);
    }
    jail_filter_free(filter);
    return rc;
}

void sandbox_be_born(int control_fd, int nice)
{
    struct err err;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "fixxit sandbox");
    if (nice)
        setpriority(PRIO_PROCESS, 0, nice);
    signal(SIGTERM, SIG_DFL);
#ifndef __SANITIZE_ADDRESS__ /* its reports go there */
    dup2(STDIN_FILENO, STDERR_FILENO);
#endif
    if (jail_enter(child.filter, &child.limits, control_fd, &err) < 0)
        _exit(1);
    _exit(sandbox_process_serve(control_fd, child.memory_max));
}
