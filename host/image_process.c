/* A poll loop over the listening socket and the workers' connections. Requests are taken
 * in turn, one from each connection, so that no worker starves another. All of it runs
 * inside the jail; only files that came as descriptors are ever read or written.
 *
 * SIGALRM is left at its default, death: no code of ours runs between a decoder that does
 * not come to an end and the kernel. */
#include "image_process.h"
#include "conf.h"
#include "fs.h"
#include "image_codec.h"
#include "image_proto.h"
#include "jail.h"
#include "log.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    FDS_PER_REQUEST = 2,
    ALARM_GRACE_MS = 1000, /* the worker gives up first and then knows why */
    READ_CHUNK = 1 << 20,
    FILES_MAX = 128,
};

#define MEMORY_MAX ((uint64_t)3 << 30)

struct process {
    struct pollfd
        polls[1 + CONNECTIONS_MAX]; /* the listening socket, then the connections */
    nfds_t count;
    struct image_limits limits;
    int64_t timeout_ms;
};

/* A request with its files, -1 where there is none. */
struct job {
    struct image_request request;
    int fds[FDS_PER_REQUEST];
};

static void close_files(struct job *job)
{
    for (int i = 0; i < FDS_PER_REQUEST; i++) {
        if (job->fds[i] >= 0)
            close(job->fds[i]);
        job->fds[i] = -1;
    }
}

/* Takes over the descriptors of a packet; libc's CMSG macros are the only way to them. */
static void take_files(struct msghdr *message, struct job *job)
{
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < fds; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (count < FDS_PER_REQUEST)
                job->fds[count++] = fd;
            else
                close(fd);
        }
    }
}

/* False when the connection is over or broken; the job's files are the caller's in any
 * case. */
static bool receive(int fd, struct job *job)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_PER_REQUEST * sizeof(int))];
    } control;
    struct iovec iov = {&job->request, sizeof(job->request)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return false;
    take_files(&message, job);
    return n == sizeof(job->request) && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

static bool is_sound(const struct job *job)
{
    const struct image_request *request = &job->request;
    bool writes = request->op != IMAGE_INSPECT;
    bool small = request->op == IMAGE_THUMBNAIL;
    return request->proto == IMAGE_PROTO && request->op <= IMAGE_THUMBNAIL &&
           request->format < IMAGE_FORMATS && job->fds[0] >= 0 &&
           (job->fds[1] >= 0) == writes &&
           (!writes || (request->quality >= 1 && request->quality <= 100)) &&
           (!small || (request->fit <= IMAGE_CONTAIN && request->width >= 1 &&
                       request->width <= IMAGE_SIDE_MAX && request->height >= 1 &&
                       request->height <= IMAGE_SIDE_MAX));
}

static void send_reply(int fd, const struct image_reply *reply)
{
    /* A worker that is gone is noticed by poll. */
    if (send(fd, reply, sizeof(*reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        errno != EPIPE && errno != ECONNRESET)
        log_warn("image: cannot answer: %s", strerrordesc_np(errno));
}

/* All of the file; false when it cannot be read, data->len above IMAGE_FILE_MAX when too
 * long. */
static bool read_input(int fd, struct buf *data)
{
    while (data->len <= IMAGE_FILE_MAX) {
        char *room = buf_reserve(data, READ_CHUNK);
        ssize_t n = read(fd, room, READ_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        data->len += (size_t)n;
    }
    return true;
}

static void run(const struct process *process, const struct job *job,
                struct image_reply *reply)
{
    struct buf input = {0}, output = {0};
    if (!read_input(job->fds[0], &input)) {
        reply->status = IMAGE_FAILED;
        strcpy(reply->message, "the file cannot be read");
    } else if (input.len > IMAGE_FILE_MAX) {
        reply->status = IMAGE_TOO_LARGE;
        strcpy(reply->message, "the file is too large");
    } else {
        image_codec_run(&job->request, input.data ? input.data : "", input.len,
                        &process->limits, reply, &output);
    }
    if (reply->status == IMAGE_OK && job->fds[1] >= 0 &&
        fs_write_all(job->fds[1], output.data, output.len) < 0) {
        reply->status =
            errno == ENOSPC || errno == EDQUOT ? IMAGE_DISK_FULL : IMAGE_FAILED;
        strcpy(reply->message, "the picture cannot be written");
    }
    buf_free(&input);
    buf_free(&output);
}

static void set_alarm(int64_t ms)
{
    struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Takes one request from a connection; false when it is to be closed. */
static bool serve(const struct process *process, int fd)
{
    struct job job = {.fds = {-1, -1}};
    bool sound = receive(fd, &job) && is_sound(&job);
    if (sound) {
        struct image_reply reply = {
            .proto = IMAGE_PROTO, .id = job.request.id, .status = IMAGE_STARTED};
        send_reply(fd, &reply);
        set_alarm(process->timeout_ms + ALARM_GRACE_MS);
        run(process, &job, &reply);
        set_alarm(0);
        send_reply(fd, &reply);
    }
    close_files(&job);
    return sound;
}

static void accept_one(struct process *process)
{
    int fd = accept4(process->polls[0].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        process->polls[process->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* Serves each connection that has something; forgets those that are over. */
static void serve_ready(struct process *process)
{
    nfds_t kept = 1;
    for (nfds_t i = 1; i < process->count; i++) {
        struct pollfd entry = process->polls[i];
        /* With the worker gone, what it asked for is not worth doing. */
        bool over = entry.revents & (POLLHUP | POLLERR | POLLNVAL);
        if (!over && (entry.revents & POLLIN))
            over = !serve(process, entry.fd);
        if (over)
            close(entry.fd);
        else
            process->polls[kept++] = entry;
    }
    process->count = kept;
}

/* The master's handlers and mask came along with the fork. SIGALRM at its default is
 * death: no code of ours stands between a decoder that does not come to an end and the
 * kernel. So is SIGTERM, but only between two pictures: it is blocked except while we
 * wait. What a terminal sends to all is for the master to answer: workers that drain
 * still need us. */
static void reset_signals(void)
{
    sigset_t waiting_only;
    sigemptyset(&waiting_only);
    sigaddset(&waiting_only, SIGTERM);
    for (int i = 1; i < NSIG; i++)
        signal(i, i == SIGINT || i == SIGHUP ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, &waiting_only, NULL);
}

static int enter_jail(int listen_fd, struct err *err)
{
    const struct jail_limits limits = {.files = FILES_MAX,
                                       .written = IMAGE_OUTPUT_MAX,
                                       .address_space = MEMORY_MAX,
                                       .data = JAIL_SAME};
    struct jail_filter *filter = jail_filter_new(&jail_image, err);
    int rc = filter ? jail_enter(filter, &limits, listen_fd, err) : -1;
    jail_filter_free(filter);
    return rc;
}

int image_process_main(int listen_fd, const struct conf *conf)
{
    struct err err;
    sigset_t none;
    sigemptyset(&none);
    struct process process = {
        .polls = {{.fd = listen_fd, .events = POLLIN}},
        .count = 1,
        .limits = {.pixels = conf_int(conf, "image.max_pixels"),
                   .heic = conf_bool(conf, "image.heic")},
        .timeout_ms = conf_int(conf, "image.timeout_ms"),
    };
    reset_signals();
    prctl(PR_SET_PDEATHSIG,
          SIGKILL); /* jail_enter does it again, but starting takes a while */
    if (image_codec_init(&process.limits, &err) < 0 || enter_jail(listen_fd, &err) < 0) {
        log_error("image process cannot start: %s", err.message);
        return 1;
    }
    for (;;) {
        /* When full, who knocks waits in the backlog. */
        process.polls[0].events = process.count <= CONNECTIONS_MAX ? POLLIN : 0;
        if (ppoll(process.polls, process.count, NULL, &none) < 0) {
            if (errno == EINTR)
                continue;
            log_error("image process: poll: %s", strerrordesc_np(errno));
            return 1;
        }
        short listening = process.polls[0].revents;
        serve_ready(&process);
        if (listening & POLLIN)
            accept_one(&process);
        if (listening & (POLLERR | POLLHUP | POLLNVAL))
            return 0;
    }
}
