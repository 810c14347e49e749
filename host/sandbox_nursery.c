#include "sandbox_nursery.h"
#include "children.h"
#include "log.h"
#include "sandbox_birth.h"
#include "sandbox_pass.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SOCKET_BUFFER =
        1 << 20,         /* more than a packet of any size; the kernel may give less */
    END_GRACE_MS = 2000, /* for the runs of a process that makes room */
    UNASKED_SHARE = 20,  /* a twentieth of a look: what it may work in its own time */
};

/* As clock_getcpuclockid() makes it, but without a call that our jail does not know. */
#define CPU_CLOCK_OF(pid) ((clockid_t)(~(unsigned)(pid) << 3 | 2))

size_t sandbox_nursery_staying(const struct sandbox_nursery *nursery)
{
    size_t count = 0;
    for (size_t i = 0; i < nursery->count; i++)
        count += !nursery->members[i].kill_ms;
    return count;
}

struct sandbox_member *sandbox_nursery_find(struct sandbox_nursery *nursery,
                                            const uint64_t name[2])
{
    for (size_t i = 0; i < nursery->count; i++)
        if (!nursery->members[i].kill_ms && nursery->members[i].name[0] == name[0] &&
            nursery->members[i].name[1] == name[1])
            return &nursery->members[i];
    return NULL;
}

struct sandbox_member *sandbox_nursery_find_id(struct sandbox_nursery *nursery,
                                               uint64_t id)
{
    for (size_t i = 0; i < nursery->count; i++)
        if (nursery->members[i].id == id)
            return &nursery->members[i];
    return NULL;
}

/* NULL when there is no room for it. */
static struct sandbox_member *start(struct sandbox_nursery *nursery,
                                    const uint64_t name[2], int nice)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        sandbox_be_born(ends[1], nice); /* `nursery` is not there any more */
    close(ends[1]);
    if (pid < 0) {
        log_error("zygote: fork: %s", strerrordesc_np(errno));
        close(ends[0]);
        return NULL;
    }
    struct sandbox_member *member = &nursery->members[nursery->count++];
    *member = (struct sandbox_member){.name = {name[0], name[1]},
                                      .id = ++nursery->last_id,
                                      .pid = pid,
                                      .control = ends[0],
                                      .used_ms = clock_ms()};
    nursery->changed = true;
    return member;
}

static void tell_to_end(struct sandbox_member *member, uint64_t kill_ms)
{
    const struct sandbox_control packet = {SANDBOX_PROTO, SANDBOX_END};
    if (send(member->control, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        kill_ms = 1; /* it does not even read */
    member->kill_ms = kill_ms;
}

void sandbox_nursery_bury(struct sandbox_nursery *nursery, struct sandbox_member *member)
{
    int status;
    bool stayed = !member->kill_ms;
    kill(member->pid, SIGKILL);
    waitpid(member->pid, &status, 0);
    close(member->control);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        log_warn("a sandbox process (pid %d) was killed by signal %d (%s)", member->pid,
                 WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
    else if (WIFEXITED(status) && WEXITSTATUS(status))
        log_warn("a sandbox process (pid %d) ended with %d", member->pid,
                 WEXITSTATUS(status));
    *member = nursery->members[--nursery->count];
    if (stayed)
        nursery->changed = true;
}

/* Tells the process to end that was unused for longest; false when too many are ending. */
static bool make_room(struct sandbox_nursery *nursery)
{
    struct sandbox_member *oldest = NULL;
    if (nursery->count - sandbox_nursery_staying(nursery) >= NURSERY_ENDING_MAX)
        return false;
    for (size_t i = 0; i < nursery->count; i++) {
        struct sandbox_member *member = &nursery->members[i];
        if (!member->kill_ms && (!oldest || member->used_ms < oldest->used_ms))
            oldest = member;
    }
    if (oldest)
        tell_to_end(oldest, clock_ms() + END_GRACE_MS);
    return oldest != NULL;
}

struct sandbox_member *sandbox_nursery_add(struct sandbox_nursery *nursery,
                                           const uint64_t name[2], int nice)
{
    if (sandbox_nursery_staying(nursery) >= nursery->options.processes &&
        !make_room(nursery))
        return NULL;
    return start(nursery, name, nice);
}

int sandbox_nursery_connect(const struct sandbox_member *member)
{
    const struct sandbox_control packet = {SANDBOX_PROTO, SANDBOX_CONNECT};
    const int size = SOCKET_BUFFER;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    bool sent = sandbox_pass_fd(member->control, &packet, sizeof(packet), ends[1]);
    close(ends[1]);
    if (sent)
        return ends[0];
    close(ends[0]);
    return -1;
}

void sandbox_nursery_drain(struct sandbox_nursery *nursery)
{
    for (size_t i = 0; i < nursery->count; i++)
        if (!nursery->members[i].kill_ms)
            tell_to_end(&nursery->members[i], NEVER_MS);
}

static uint64_t cpu_ms(pid_t pid)
{
    struct timespec used;
    if (clock_gettime(CPU_CLOCK_OF(pid), &used) < 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* A process has something to do only while a worker says so. One of which nobody has spoken for two
 * looks, and that has worked since, is not ours any more. */
static void look_for_unasked(struct sandbox_nursery *nursery, uint64_t now)
{
    uint64_t look_ms = nursery->options.look_ms;
    if (now < nursery->look_ms)
        return;
    nursery->look_ms = now + look_ms;
    for (size_t i = nursery->count; i-- > 0;) {
        struct sandbox_member *member = &nursery->members[i];
        uint64_t used_ms = cpu_ms(member->pid);
        if (now - member->used_ms < 2 * look_ms) {
            member->cpu_ms = used_ms;
        } else if (used_ms - member->cpu_ms > look_ms / UNASKED_SHARE) {
            log_warn("a sandbox process (pid %d) works unasked: killed", member->pid);
            sandbox_nursery_bury(nursery, member);
        }
    }
}

int sandbox_nursery_tick(struct sandbox_nursery *nursery)
{
    uint64_t now = clock_ms(), next = NEVER_MS;
    look_for_unasked(nursery, now);
    if (nursery->count)
        next = nursery->look_ms;
    for (size_t i = nursery->count; i-- > 0;) {
        struct sandbox_member *member = &nursery->members[i];
        if (member->kill_ms && member->kill_ms <= now)
            sandbox_nursery_bury(nursery, member);
        else if (member->kill_ms && member->kill_ms < next)
            next = member->kill_ms;
    }
    return next == NEVER_MS ? -1 : (int)(next - now);
}
