/* One poll loop over the listening socket, the workers and the control sockets of the processes.
 * What it knows of them lies in memory that a fork does not copy: no process finds the names of
 * others.
 *
 * A control socket is one-way: nothing that a process writes is ever read. That it is closed is
 * how the end of a process is noticed; one that closes it alive is killed. */
#include "sandbox_zygote.h"
#include "children.h"
#include "log.h"
#include "sandbox_birth.h"
#include "sandbox_proto.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 600, /* workers, also those of a binary before */
    ENDING_MAX = 64,   /* processes told to end and not gone yet */
    ENTRIES_MAX = ZYGOTE_PROCESSES_MAX + ENDING_MAX,
    FILES_MAX = CLIENTS_MAX + ENTRIES_MAX + 32,
    SOCKET_BUFFER =
        1 << 20,         /* more than a packet of any size; the kernel may give less */
    END_GRACE_MS = 2000, /* for the runs of a process that makes room */
};

#define NEVER_MS UINT64_MAX

struct entry {
    char name[SANDBOX_NAME_MAX];
    uint64_t id;
    pid_t pid;
    int control;
    uint64_t used_ms;
    uint64_t kill_ms; /* it was told to end, and is killed then; 0: it stays */
};

struct zygote {
    int listener; /* -1 once it drains */
    size_t max;   /* entries that stay */
    uint64_t last_id;
    size_t clients_count, entries_count;
    int clients[CLIENTS_MAX];
    struct entry entries[ENTRIES_MAX];
    struct pollfd polls[1 + CLIENTS_MAX + ENTRIES_MAX];
};

static volatile sig_atomic_t term;

static void on_term(int number)
{
    (void)number;
    term = 1;
}

/* ---- packets ---- */

static bool send_with_fd(int to, const void *packet, size_t size, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)packet, size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static size_t count_staying(const struct zygote *zygote)
{
    size_t count = 0;
    for (size_t i = 0; i < zygote->entries_count; i++)
        count += !zygote->entries[i].kill_ms;
    return count;
}

static void reply(const struct zygote *zygote, int client, struct sandbox_reply packet,
                  int fd)
{
    packet.proto = SANDBOX_PROTO;
    packet.processes = (uint32_t)count_staying(zygote);
    /* A worker that does not read, or is gone, is not waited for. */
    if (fd >= 0)
        send_with_fd(client, &packet, sizeof(packet), fd);
    else
        send(client, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_count(const struct zygote *zygote)
{
    for (size_t i = 0; i < zygote->clients_count; i++)
        reply(zygote, zygote->clients[i], (struct sandbox_reply){.kind = SANDBOX_COUNT},
              -1);
}

/* ---- the life of a process ---- */

/* NULL when there is no room for it. */
static struct entry *start(struct zygote *zygote, const char *name, int nice)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        sandbox_be_born(ends[1], nice); /* `zygote` is not there any more */
    close(ends[1]);
    if (pid < 0) {
        log_error("zygote: fork: %s", strerrordesc_np(errno));
        close(ends[0]);
        return NULL;
    }
    struct entry *entry = &zygote->entries[zygote->entries_count++];
    *entry = (struct entry){
        .id = ++zygote->last_id, .pid = pid, .control = ends[0], .used_ms = clock_ms()};
    memcpy(entry->name, name, sizeof(entry->name));
    tell_count(zygote);
    return entry;
}

static void tell_to_end(struct entry *entry, uint64_t kill_ms)
{
    const struct sandbox_control packet = {SANDBOX_PROTO, SANDBOX_END};
    if (send(entry->control, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        kill_ms = 1; /* it does not even read */
    entry->kill_ms = kill_ms;
}

/* Kills it if it still runs, and forgets it. The last entry takes its place. */
static void bury(struct zygote *zygote, struct entry *entry)
{
    int status;
    bool stayed = !entry->kill_ms;
    kill(entry->pid, SIGKILL);
    waitpid(entry->pid, &status, 0);
    close(entry->control);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        log_warn("a sandbox process (pid %d) was killed by signal %d (%s)", entry->pid,
                 WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
    else if (WIFEXITED(status) && WEXITSTATUS(status))
        log_warn("a sandbox process (pid %d) ended with %d", entry->pid,
                 WEXITSTATUS(status));
    *entry = zygote->entries[--zygote->entries_count];
    if (stayed)
        tell_count(zygote);
}

/* Tells the process to end that was unused for longest; false when too many are ending. */
static bool make_room(struct zygote *zygote)
{
    struct entry *oldest = NULL;
    if (zygote->entries_count - count_staying(zygote) >= ENDING_MAX)
        return false;
    for (size_t i = 0; i < zygote->entries_count; i++) {
        struct entry *entry = &zygote->entries[i];
        if (!entry->kill_ms && (!oldest || entry->used_ms < oldest->used_ms))
            oldest = entry;
    }
    if (oldest)
        tell_to_end(oldest, clock_ms() + END_GRACE_MS);
    return oldest != NULL;
}

static struct entry *find(struct zygote *zygote, const char *name)
{
    for (size_t i = 0; i < zygote->entries_count; i++)
        if (!zygote->entries[i].kill_ms &&
            memcmp(zygote->entries[i].name, name, SANDBOX_NAME_MAX) == 0)
            return &zygote->entries[i];
    return NULL;
}

static struct entry *find_by_id(struct zygote *zygote, uint64_t id)
{
    for (size_t i = 0; i < zygote->entries_count; i++)
        if (zygote->entries[i].id == id)
            return &zygote->entries[i];
    return NULL;
}

/* ---- workers ---- */

/* A pair of which the process has got its end; the worker's, or -1. */
static int connect_to(const struct entry *entry)
{
    const struct sandbox_control packet = {SANDBOX_PROTO, SANDBOX_CONNECT};
    const int size = SOCKET_BUFFER;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    bool sent = send_with_fd(entry->control, &packet, sizeof(packet), ends[1]);
    close(ends[1]);
    if (sent)
        return ends[0];
    close(ends[0]);
    return -1;
}

static void open_for(struct zygote *zygote, int client,
                     const struct sandbox_request *request)
{
    struct entry *entry = find(zygote, request->name);
    int fd = entry ? connect_to(entry) : -1;
    if (entry && fd < 0) { /* it is dying, or does not read what it is sent */
        bury(zygote, entry);
        entry = NULL;
    }
    if (!entry && (count_staying(zygote) < zygote->max || make_room(zygote)))
        entry = start(zygote, request->name, request->nice);
    if (entry && fd < 0)
        fd = connect_to(entry);
    if (fd < 0) {
        reply(zygote, client,
              (struct sandbox_reply){.kind = SANDBOX_REFUSED, .id = request->id}, -1);
        return;
    }
    entry->used_ms = clock_ms();
    reply(zygote, client,
          (struct sandbox_reply){.kind = SANDBOX_OPENED,
                                 .id = request->id,
                                 .process = entry->id,
                                 .pid = entry->pid},
          fd);
    close(fd);
}

/* Takes one request; false when the connection is over or spoke another protocol. */
static bool serve(struct zygote *zygote, int client)
{
    struct sandbox_request request;
    struct iovec iov = {&request, sizeof(request)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = recvmsg(client, &message, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n != sizeof(request) || (message.msg_flags & MSG_TRUNC) ||
        request.proto != SANDBOX_PROTO || request.name[SANDBOX_NAME_MAX - 1])
        return false;
    struct entry *entry =
        request.kind == SANDBOX_OPEN ? NULL : find_by_id(zygote, request.id);
    if (request.kind == SANDBOX_OPEN)
        open_for(zygote, client, &request);
    else if (request.kind == SANDBOX_KILL && entry)
        bury(zygote, entry);
    else if (request.kind == SANDBOX_USED && entry)
        entry->used_ms = clock_ms();
    return true;
}

static void accept_one(struct zygote *zygote)
{
    int fd = accept4(zygote->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        zygote->clients[zygote->clients_count++] = fd;
}

/* ---- the loop ---- */

/* Workers find the zygote that takes our place; runs that are open have the time they need. */
static void drain(struct zygote *zygote)
{
    close(zygote->listener);
    zygote->listener = -1;
    while (zygote->clients_count)
        close(zygote->clients[--zygote->clients_count]);
    for (size_t i = 0; i < zygote->entries_count; i++)
        if (!zygote->entries[i].kill_ms)
            tell_to_end(&zygote->entries[i], NEVER_MS);
}

/* Kills what did not end in time; returns how long to wait for the next, -1 for ever. */
static int kill_overdue(struct zygote *zygote)
{
    uint64_t now = clock_ms(), next = NEVER_MS;
    for (size_t i = zygote->entries_count; i-- > 0;) {
        struct entry *entry = &zygote->entries[i];
        if (entry->kill_ms && entry->kill_ms <= now)
            bury(zygote, entry);
        else if (entry->kill_ms && entry->kill_ms < next)
            next = entry->kill_ms;
    }
    return next == NEVER_MS ? -1 : (int)(next - now);
}

static nfds_t fill_polls(struct zygote *zygote)
{
    nfds_t n = 0;
    /* When full, who knocks waits in the backlog. */
    zygote->polls[n++] = (struct pollfd){
        zygote->clients_count < CLIENTS_MAX ? zygote->listener : -1, POLLIN, 0};
    for (size_t i = 0; i < zygote->clients_count; i++)
        zygote->polls[n++] = (struct pollfd){zygote->clients[i], POLLIN, 0};
    for (size_t i = 0; i < zygote->entries_count; i++)
        zygote->polls[n++] = (struct pollfd){zygote->entries[i].control, 0, 0};
    return n;
}

/* Backwards, because who goes leaves its place to the last one; who came meanwhile stands behind
 * those that were polled. */
static void serve_ready(struct zygote *zygote, size_t clients, size_t entries)
{
    for (size_t i = entries; i-- > 0;)
        if (zygote->polls[1 + clients + i].revents)
            bury(zygote, &zygote->entries[i]);
    for (size_t i = clients; i-- > 0;) {
        short revents = zygote->polls[1 + i].revents;
        if (!revents || ((revents & POLLIN) && serve(zygote, zygote->clients[i])))
            continue;
        close(zygote->clients[i]);
        zygote->clients[i] = zygote->clients[--zygote->clients_count];
    }
}

static int run(struct zygote *zygote, const sigset_t *waiting)
{
    while (zygote->listener >= 0 || zygote->entries_count) {
        if (term && zygote->listener >= 0)
            drain(zygote);
        int timeout = kill_overdue(zygote);
        struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000L};
        nfds_t n = fill_polls(zygote);
        size_t clients = zygote->clients_count, entries = zygote->entries_count;
        if (zygote->listener < 0 && !entries)
            break;
        if (ppoll(zygote->polls, n, timeout < 0 ? NULL : &wait, waiting) < 0) {
            if (errno == EINTR)
                continue;
            log_error("zygote: poll: %s", strerrordesc_np(errno));
            return 1;
        }
        short listening = zygote->polls[0].revents;
        serve_ready(zygote, clients, entries);
        if (listening & POLLIN)
            accept_one(zygote);
    }
    return 0;
}

/* What a terminal sends to all is for the master to answer: workers that drain still need us.
 * SIGTERM comes while we wait only. */
static void set_signals(sigset_t *waiting)
{
    sigset_t blocked;
    sigemptyset(waiting);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    for (int i = 1; i < NSIG; i++)
        signal(i, i == SIGINT || i == SIGHUP || i == SIGPIPE ? SIG_IGN : SIG_DFL);
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
}

int sandbox_zygote_serve(int listen_fd, size_t processes, size_t memory_max)
{
    struct err err;
    sigset_t waiting;
    struct zygote *zygote = mmap(NULL, sizeof(*zygote), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zygote == MAP_FAILED || madvise(zygote, sizeof(*zygote), MADV_DONTFORK) < 0) {
        log_error("zygote: %s", strerrordesc_np(errno));
        return 1;
    }
    zygote->listener = listen_fd;
    zygote->max = processes;
    set_signals(&waiting);
    if (sandbox_prepare_births(listen_fd, FILES_MAX, memory_max, &err) < 0) {
        log_error("the zygote cannot start: %s", err.message);
        return 1;
    }
    return run(zygote, &waiting);
}
