/* A job's way: opening (pool) -> queued -> sent -> hashing its output (pool) -> done. One
 * job is sent at a time, each by a connection of its own, so a lost connection blames at most one, and only if the image
 * process said that it had started it. One ticking timer, running while jobs are queued
 * or sent, watches their deadlines and connects again.
 *
 * Ownership: the client lives until it is closing, its two handles are closed and no job
 * is left. A job that nobody waits for (done NULL) still runs to its end, then its output
 * goes. */
#include "image_client.h"
#include "conf.h"
#include "fs.h"
#include "host.h"
#include "log.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    PATIENCE_MS = 3000, /* without a socket to connect to: longer than a restart takes */
};

struct image_job {
    struct image_client *client;
    image_done_cb done; /* NULL once cancelled */
    void *arg;
    struct image_request request;
    char *in, *out; /* out NULL for inspect */
    int in_fd, out_fd;
    uv_work_t opening;
    struct err err; /* code NULL as long as all goes well */
    struct image_result result;
    uint64_t deadline; /* loop time, ms */
    bool started;      /* the image process has taken it up */
    struct image_job *next;
};

/* A connection; freed when its handle has closed. */
struct link {
    uv_poll_t poll;
    int fd;
    struct image_client *client; /* NULL once dropped */
};

struct image_client {
    uv_loop_t *loop;
    char *socket_path;
    uint64_t timeout_ms;
    int64_t jobs_max, jobs; /* jobs in any state */
    struct image_stats stats;
    struct image_job *queue, **queue_end;
    struct image_job *sent; /* or NULL */
    struct link *link;      /* or NULL */
    uint64_t down_since; /* loop time of the first failed connect in a row, 0 for none */
    uint32_t last_id;
    uv_timer_t tick;
    bool closing, tick_closed;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void free_if_unused(struct image_client *client)
{
    if (!client->closing || !client->tick_closed || client->jobs > 0)
        return;
    free(client->socket_path);
    free(client);
}

static void close_files(struct image_job *job)
{
    if (job->in_fd >= 0)
        close(job->in_fd);
    if (job->out_fd >= 0)
        close(job->out_fd);
    job->in_fd = job->out_fd = -1;
}

static void end(struct image_job *job)
{
    struct image_client *client = job->client;
    client->jobs--;
    client->stats.done += job->done && !job->err.code;
    client->stats.failed += job->done && job->err.code;
    if (job->done)
        job->done(job->arg, job->err.code ? NULL : &job->result,
                  job->err.code ? &job->err : NULL);
    free(job->in);
    free(job->out);
    free(job);
    free_if_unused(client);
}

static void on_removed(void *arg, const struct fs_result *result, const struct err *err)
{
    (void)result;
    (void)err; /* it may never have been made */
    end(arg);
}

/* The end of a job. `err` NULL: its result is complete. An output that nobody gets goes
 * first. */
static void finish(struct image_job *job, const struct err *err)
{
    close_files(job);
    if (err && err != &job->err)
        job->err = *err;
    if (job->out && (err || !job->done))
        fs_start(job->client->loop,
                 &(struct fs_request){.kind = FS_UNLINK, .path = job->out}, on_removed,
                 job);
    else
        end(job);
}

static void fail(struct image_job *job, const char *code, const char *message)
{
    struct err err;
    err_set(&err, code, "%s", message);
    finish(job, &err);
}

static void on_hashed(void *arg, const struct fs_result *result, const struct err *err)
{
    struct image_job *job = arg;
    if (!err) {
        job->result.size = result->size;
        memcpy(job->result.sha256, result->data.data, 64);
    }
    finish(job, err);
}

static bool is_sound(const struct image_reply *reply)
{
    return reply->status < IMAGE_STATUSES && reply->format < IMAGE_FORMATS &&
           reply->width <= INT32_MAX && reply->height <= INT32_MAX &&
           reply->pages <= INT32_MAX && reply->orientation <= 8 &&
           (!reply->has_gps ||
            (fabs(reply->latitude) <= 90 && fabs(reply->longitude) <= 180));
}

/* The image process has spoken about the job that was sent. */
static void complete(struct image_job *job, struct image_reply *reply)
{
    static const char *const codes[IMAGE_STATUSES] = {[IMAGE_INVALID] = ERR_INVALID,
                                                      [IMAGE_TOO_LARGE] = ERR_TOO_LARGE,
                                                      [IMAGE_FAILED] = ERR_IO,
                                                      [IMAGE_DISK_FULL] = ERR_DISK_FULL};
    close_files(job);
    if (reply->status != IMAGE_OK) {
        reply->message[sizeof(reply->message) - 1] = '\0';
        fail(job, codes[reply->status], reply->message);
        return;
    }
    job->result = (struct image_result){
        .format = (enum image_format)reply->format,
        .width = (int)reply->width,
        .height = (int)reply->height,
        .pages = (int)reply->pages,
        .orientation = (int)reply->orientation,
        .has_gps = reply->has_gps != 0,
        .latitude = reply->latitude,
        .longitude = reply->longitude,
    };
    /* What is on the disk is measured here: the image process is believed nothing. */
    if (job->out)
        fs_start(job->client->loop,
                 &(struct fs_request){.kind = FS_HASH, .path = job->out}, on_hashed, job);
    else
        finish(job, NULL);
}

static void on_link_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop_link(struct image_client *client)
{
    struct link *link = client->link;
    client->link = NULL;
    if (!link)
        return;
    link->client = NULL;
    uv_close((uv_handle_t *)&link->poll, on_link_closed);
    close(link->fd);
}

static void requeue(struct image_client *client, struct image_job *job)
{
    job->next = client->queue;
    client->queue = job;
    if (!job->next)
        client->queue_end = &job->next;
}

/* The connection broke. The tick makes a new one. */
static void lost(struct image_client *client)
{
    struct image_job *job = client->sent;
    drop_link(client);
    client->sent = NULL;
    if (!job)
        return;
    if (!job->started) {
        requeue(client, job);
        return;
    }
    log_warn("image process: ended while it worked on a picture");
    fail(job, ERR_INVALID, "the picture cannot be processed");
}

static int connect_link(struct image_client *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(client->socket_path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, client->socket_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    struct link *link = mem_new(sizeof(*link));
    link->fd = fd;
    link->client = client;
    link->poll.data = link;
    rc = uv_poll_init(client->loop, &link->poll, fd);
    if (rc < 0) {
        close(fd);
        free(link);
        return rc;
    }
    uv_poll_start(&link->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&link
                 ->poll); /* the tick keeps the loop alive while there is work */
    client->link = link;
    return 0;
}

static bool send_job(struct image_client *client, struct image_job *job)
{
    int fds[2] = {job->in_fd, job->out_fd};
    size_t size = (job->out ? 2 : 1) * sizeof(int);
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(fds))];
    } control = {0};
    struct iovec iov = {&job->request, sizeof(job->request)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(size)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), fds, size);
    job->request.id = ++client->last_id;
    job->started = false;
    return sendmsg(client->link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           sizeof(job->request);
}

static struct image_job *take_first(struct image_client *client)
{
    struct image_job *job = client->queue;
    client->queue = job->next;
    if (!client->queue)
        client->queue_end = &client->queue;
    job->next = NULL;
    return job;
}

static bool ensure_link(struct image_client *client)
{
    int rc = client->link ? 0 : connect_link(client);
    if (rc == 0) {
        client->down_since = 0;
        return true;
    }
    if (!client->down_since) {
        struct err err;
        err_uv(&err, rc, client->socket_path);
        log_warn("image process: %s", err.message);
        client->down_since = uv_now(client->loop);
    }
    return false;
}

/* Sends the next job if none is under way. Runs no callback. */
static void pump(struct image_client *client)
{
    while (!client->closing && client->queue && !client->sent && ensure_link(client)) {
        struct image_job *job = take_first(client);
        if (!job->done) {
            fail(job, ERR_CANCELLED, "cancelled");
        } else if (send_job(client, job)) {
            client->sent = job;
        } else {
            requeue(client, job);
            drop_link(client);
            return; /* the tick tries again */
        }
    }
}

/* Takes the jobs off the queue whose time is over, or all of them; returns them as a
 * list. */
static struct image_job *take_expired(struct image_client *client, bool all)
{
    uint64_t now = uv_now(client->loop);
    struct image_job *expired = NULL, **expired_end = &expired;
    struct image_job **at = &client->queue;
    while (*at) {
        struct image_job *job = *at;
        if (!all && job->deadline > now) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = NULL;
        *expired_end = job;
        expired_end = &job->next;
    }
    client->queue_end = at;
    return expired;
}

static void fail_list(struct image_job *jobs, const char *code, const char *message)
{
    while (jobs) {
        struct image_job *job = jobs;
        jobs = job->next;
        fail(job, code, message);
    }
}

/* The job that was sent has taken too long. Its connection goes with it: an answer that
 * comes later must not be taken for the next job's. */
static struct image_job *take_overdue(struct image_client *client)
{
    struct image_job *job = client->sent;
    if (!job || job->deadline > uv_now(client->loop))
        return NULL;
    drop_link(client);
    client->sent = NULL;
    return job;
}

/* All jobs are off their lists before the first callback runs, which may do anything. */
static void on_tick(uv_timer_t *timer)
{
    struct image_client *client = timer->data;
    bool down =
        client->down_since && uv_now(client->loop) - client->down_since >= PATIENCE_MS;
    bool there = client->link != NULL;
    struct image_job *overdue = take_overdue(client);
    struct image_job *expired = take_expired(client, down);
    if (down)
        client->down_since = 0;
    pump(client);
    if (!client->queue && !client->sent)
        uv_timer_stop(timer);
    if (overdue && overdue->started)
        fail(overdue, ERR_TIMEOUT, "the picture takes too long");
    else if (overdue)
        fail(overdue, ERR_UNAVAILABLE, "the image process does not answer");
    fail_list(expired, there ? ERR_BUSY : ERR_UNAVAILABLE,
              there ? "too many pictures are waiting" : "the image process is not there");
}

static void enqueue(struct image_client *client, struct image_job *job)
{
    *client->queue_end = job;
    client->queue_end = &job->next;
    if (!uv_is_active((uv_handle_t *)&client->tick))
        uv_timer_start(&client->tick, on_tick, TICK_MS, TICK_MS);
    pump(client);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;
    (void)events;
    while (link->client) {
        struct image_client *client = link->client;
        struct image_job *job = client->sent;
        struct image_reply reply;
        ssize_t n = status < 0 ? 0 : recv(link->fd, &reply, sizeof(reply), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n != sizeof(reply) || reply.proto != IMAGE_PROTO || !is_sound(&reply) ||
            !job || reply.id != job->request.id ||
            (reply.status == IMAGE_STARTED && job->started)) {
            lost(client);
            return;
        }
        if (reply.status == IMAGE_STARTED) {
            job->started = true;
            job->deadline = uv_now(client->loop) + client->timeout_ms;
            continue;
        }
        client->sent = NULL;
        drop_link(client);
        pump(client);
        complete(job, &reply);
        return; /* the callback may have closed the client */
    }
}

/* In the pool. */
static void open_files(uv_work_t *work)
{
    struct image_job *job = work->data;
    struct stat st;
    job->in_fd = open(job->in, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (job->in_fd < 0 || fstat(job->in_fd, &st) < 0)
        err_errno(&job->err, errno, job->in);
    else if (!S_ISREG(st.st_mode))
        err_set(&job->err, ERR_INVALID, "%s: not a file", job->in);
    else if (st.st_size > IMAGE_FILE_MAX)
        err_set(&job->err, ERR_TOO_LARGE, "the file has more than %d bytes",
                IMAGE_FILE_MAX);
    if (job->err.code || !job->out)
        return;
    job->out_fd =
        open(job->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (job->out_fd < 0)
        err_errno(&job->err, errno, job->out);
}

static void on_opened(uv_work_t *work, int status)
{
    struct image_job *job = work->data;
    (void)status; /* never cancelled */
    if (job->client->closing)
        fail(job, ERR_CLOSED, "the image client is closed");
    else if (job->err.code)
        finish(job, &job->err);
    else
        enqueue(job->client, job);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct image_client *client = handle->data;
    client->tick_closed = true;
    free_if_unused(client);
}

struct image_client *image_client_new(struct host *host)
{
    struct image_client *client = mem_new(sizeof(*client));
    client->loop = host->loop;
    client->socket_path = mem_strdup(conf_str(host->conf, "image.socket"));
    client->timeout_ms = (uint64_t)conf_int(host->conf, "image.timeout_ms");
    client->jobs_max = conf_int(host->conf, "image.queue_max");
    client->queue_end = &client->queue;
    client->tick.data = client;
    uv_timer_init(client->loop, &client->tick);
    return client;
}

void image_client_close(struct image_client *client)
{
    struct image_job *sent = client->sent;
    struct image_job *queued = take_expired(client, true);
    client->closing = true;
    client->sent = NULL;
    drop_link(client);
    uv_close((uv_handle_t *)&client->tick, on_tick_closed);
    if (sent)
        fail(sent, ERR_CLOSED, "the image client is closed");
    fail_list(queued, ERR_CLOSED, "the image client is closed");
}

struct image_job *image_start(struct image_client *client,
                              const struct image_options *options, image_done_cb done,
                              void *arg, struct err *err)
{
    if (client->closing || client->jobs >= client->jobs_max) {
        err_set(err, ERR_BUSY, "too many pictures are waiting");
        return NULL;
    }
    struct image_job *job = mem_new(sizeof(*job));
    job->client = client;
    job->done = done;
    job->arg = arg;
    job->request = (struct image_request){
        .proto = IMAGE_PROTO,
        .op = options->op,
        .format = options->format,
        .quality = (uint32_t)options->quality,
        .fit = options->fit,
        .width = (uint32_t)options->width,
        .height = (uint32_t)options->height,
    };
    job->in = mem_strdup(options->in);
    job->out = options->op == IMAGE_INSPECT ? NULL : mem_strdup(options->out);
    job->in_fd = job->out_fd = -1;
    job->deadline = uv_now(client->loop) + client->timeout_ms;
    job->opening.data = job;
    client->jobs++;
    uv_queue_work(client->loop, &job->opening, open_files, on_opened);
    return job;
}

void image_cancel(struct image_job *job)
{
    job->done = NULL;
}

struct image_stats image_client_stats(const struct image_client *client)
{
    return client->stats;
}
