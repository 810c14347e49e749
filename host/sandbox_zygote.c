/* One poll loop over the listening socket, the workers and the control sockets of the processes.
 * What it knows of them lies in memory that a fork does not copy.
 *
 * A control socket is one-way: nothing that a process writes is ever read. That it is closed is
 * how the end of a process is noticed; one that closes it alive is killed. */
#include "sandbox_zygote.h"
#include "children.h"
#include "log.h"
#include "sandbox_birth.h"
#include "sandbox_nursery.h"
#include "sandbox_pass.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 600, /* workers, also those of a binary before */
    FILES_MAX = CLIENTS_MAX + NURSERY_MAX + 32,
};

struct zygote {
    int listener; /* -1 once it drains */
    size_t clients_count;
    int clients[CLIENTS_MAX];
    struct sandbox_nursery nursery;
    struct pollfd polls[1 + CLIENTS_MAX + NURSERY_MAX];
};

static volatile sig_atomic_t term;

static void on_term(int number)
{
    (void)number;
    term = 1;
}

/* ---- workers ---- */

static void reply(const struct zygote *zygote, int client, struct sandbox_reply packet,
                  int fd)
{
    packet.proto = SANDBOX_PROTO;
    packet.processes = (uint32_t)sandbox_nursery_staying(&zygote->nursery);
    /* A worker that does not read, or is gone, is not waited for. */
    if (fd >= 0)
        sandbox_pass_fd(client, &packet, sizeof(packet), fd);
    else
        send(client, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_count(struct zygote *zygote)
{
    const struct sandbox_reply count = {.kind = SANDBOX_COUNT};
    if (!zygote->nursery.changed)
        return;
    zygote->nursery.changed = false;
    for (size_t i = 0; i < zygote->clients_count; i++)
        reply(zygote, zygote->clients[i], count, -1);
}

static void open_for(struct zygote *zygote, int client,
                     const struct sandbox_request *request)
{
    struct sandbox_nursery *nursery = &zygote->nursery;
    struct sandbox_member *member = sandbox_nursery_find(nursery, request->name);
    int fd = member ? sandbox_nursery_connect(member) : -1;
    if (member && fd < 0) { /* it is dying, or does not read what it is sent */
        sandbox_nursery_bury(nursery, member);
        member = NULL;
    }
    if (!member && (member = sandbox_nursery_add(nursery, request->name, request->nice)))
        fd = sandbox_nursery_connect(member);
    struct sandbox_reply answer = {.kind = SANDBOX_REFUSED, .id = request->id};
    if (fd >= 0) {
        answer.kind = SANDBOX_OPENED;
        answer.process = member->id;
        answer.pid = member->pid;
        member->used_ms = clock_ms();
    }
    reply(zygote, client, answer, fd);
    if (fd >= 0)
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
        request.proto != SANDBOX_PROTO)
        return false;
    if (request.kind == SANDBOX_OPEN) {
        open_for(zygote, client, &request);
        return true;
    }
    struct sandbox_member *member = sandbox_nursery_find_id(&zygote->nursery, request.id);
    if (request.kind == SANDBOX_KILL && member)
        sandbox_nursery_bury(&zygote->nursery, member);
    else if (request.kind == SANDBOX_USED && member)
        member->used_ms = clock_ms();
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
    sandbox_nursery_drain(&zygote->nursery);
}

static nfds_t fill_polls(struct zygote *zygote)
{
    nfds_t n = 0;
    /* When full, who knocks waits in the backlog. */
    zygote->polls[n++] = (struct pollfd){
        zygote->clients_count < CLIENTS_MAX ? zygote->listener : -1, POLLIN, 0};
    for (size_t i = 0; i < zygote->clients_count; i++)
        zygote->polls[n++] = (struct pollfd){zygote->clients[i], POLLIN, 0};
    for (size_t i = 0; i < zygote->nursery.count; i++)
        zygote->polls[n++] = (struct pollfd){zygote->nursery.members[i].control, 0, 0};
    return n;
}

/* Backwards, because who goes leaves its place to the last one; who came meanwhile stands behind
 * those that were polled. */
static void serve_ready(struct zygote *zygote, size_t clients, size_t members)
{
    for (size_t i = members; i-- > 0;)
        if (zygote->polls[1 + clients + i].revents)
            sandbox_nursery_bury(&zygote->nursery, &zygote->nursery.members[i]);
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
    while (zygote->listener >= 0 || zygote->nursery.count) {
        if (term && zygote->listener >= 0)
            drain(zygote);
        int timeout = sandbox_nursery_tick(&zygote->nursery);
        tell_count(zygote);
        struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000L};
        nfds_t n = fill_polls(zygote);
        size_t clients = zygote->clients_count, members = zygote->nursery.count;
        if (zygote->listener < 0 && !members)
            break;
        if (ppoll(zygote->polls, n, timeout < 0 ? NULL : &wait, waiting) < 0) {
            if (errno == EINTR)
                continue;
            log_error("zygote: poll: %s", strerrordesc_np(errno));
            return 1;
        }
        short listening = zygote->polls[0].revents;
        serve_ready(zygote, clients, members);
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

int sandbox_zygote_serve(int listen_fd, const struct sandbox_zygote_options *options)
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
    zygote->nursery.options = *options;
    set_signals(&waiting);
    if (sandbox_prepare_births(listen_fd, FILES_MAX, options->memory_max, &err) < 0) {
        log_error("the zygote cannot start: %s", err.message);
        return 1;
    }
    return run(zygote, &waiting);
}
