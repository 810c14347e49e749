/* One poll loop. A run that is ready waits in a queue for its turn; a round gives turns for a few
 * milliseconds, then looks at the sockets again, so that what is cancelled ends soon. Each round
 * takes one packet from each connection: no worker keeps another waiting.
 *
 * When nothing was asked for a second, memory that runs have left is given back: most
 * processes have nothing to do most of the time.
 *
 * Nothing here bounds what waits to be written, because a worker bounds it: a run has one message
 * under way at a time. */
#include "sandbox_process.h"
#include "mem.h"
#include "sandbox_packet.h"
#include "sandbox_pass.h"
#include "sandbox_release.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 100,
    RUNS_MAX = 256,
    ROUND_US = 5000,
    IDLE_MS = 1000,
};

struct connection {
    int fd;
    struct sandbox_queue out;
    struct sandbox_loading loading;
    bool over;
};

struct run {
    uint64_t id;
    struct connection *connection;
    struct sandbox_release *release;
    struct sandbox_run *run;
    size_t peak;              /* bytes that all states held at most during its turns */
    bool ready;               /* in the queue */
    struct run *next, **link; /* all of them */
    struct run *next_ready;
};

struct process {
    int control;
    bool ending;
    struct sandbox_releases releases;
    struct run *runs;
    int runs_count;
    struct run *ready, **ready_end;
    struct connection *connections[CONNECTIONS_MAX];
    nfds_t connections_count;
};

static char text[SANDBOX_TEXT_MAX];

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- runs ---- */

static void say(struct connection *connection, struct sandbox_header header,
                const char *data, size_t len)
{
    header.proto = SANDBOX_PROTO;
    if (sandbox_send(connection->fd, &connection->out, &header, NULL, 0, data, len) < 0)
        connection->over = true;
}

static void say_done(struct connection *connection, uint64_t id, uint32_t flags)
{
    say(connection,
        (struct sandbox_header){.kind = SANDBOX_DONE, .id = id, .flags = flags}, NULL, 0);
}

static void make_ready(struct process *process, struct run *run)
{
    run->ready = true;
    run->next_ready = NULL;
    *process->ready_end = run;
    process->ready_end = &run->next_ready;
}

static void take_out(struct process *process, struct run *run)
{
    struct run **at = &process->ready;
    while (*at != run)
        at = &(*at)->next_ready;
    *at = run->next_ready;
    if (!*at)
        process->ready_end = at;
    run->ready = false;
}

static void end_run(struct process *process, struct run *run)
{
    if (run->ready)
        take_out(process, run);
    sandbox_run_free(run->run);
    sandbox_release_done(&process->releases, run->release);
    *run->link = run->next;
    if (run->next)
        run->next->link = run->link;
    process->runs_count--;
    free(run);
}

static struct run *find_run(struct process *process, const struct connection *connection,
                            uint64_t id)
{
    struct run *run = process->runs;
    while (run && (run->connection != connection || run->id != id))
        run = run->next;
    return run;
}

static void begin_run(struct process *process, struct connection *connection, uint64_t id,
                      size_t len)
{
    struct sandbox_run_head head;
    memcpy(&head, text, sizeof(head));
    struct sandbox_release *release =
        sandbox_release_find(&process->releases, head.release);
    if (!release || process->runs_count >= RUNS_MAX) {
        say_done(connection, id, release ? SANDBOX_FULL : SANDBOX_UNKNOWN);
        return;
    }
    const struct sandbox_limits limits = {head.cpu_us, head.output_max, head.log_max};
    struct run *run = mem_new(sizeof(*run));
    *run = (struct run){.id = id,
                        .connection = connection,
                        .release = release,
                        .next = process->runs,
                        .link = &process->runs};
    run->run =
        sandbox_run_new(release->vm, text + sizeof(head), len - sizeof(head), &limits);
    if (run->next)
        run->next->link = &run->next;
    process->runs = run;
    process->runs_count++;
    sandbox_release_use(&process->releases, release);
    make_ready(process, run);
}

static const char too_long[] =
    "{\"error\":{\"code\":\"LIMIT_OUTPUT\",\"message\":\"limit: "
    "output\"},\"log\":[]}";

/* One turn of the run that has waited longest. */
static void give_turn(struct process *process)
{
    struct run *run = process->ready;
    take_out(process, run);
    struct sandbox_memory *memory = &process->releases.memory;
    memory->peak = memory->used;
    enum sandbox_outcome outcome = sandbox_run_resume(run->run);
    if (memory->peak > run->peak)
        run->peak = memory->peak;
    if (outcome == SANDBOX_TURN) {
        make_ready(process, run);
        return;
    }
    const struct buf *said = sandbox_run_text(run->run);
    bool fits = said->len <= SANDBOX_TEXT_MAX;
    bool ended = outcome == SANDBOX_ENDED || !fits;
    struct sandbox_header header = {.kind = ended ? SANDBOX_DONE : SANDBOX_CALL,
                                    .id = run->id};
    if (ended) {
        header.flags = fits && sandbox_run_ok(run->run) ? SANDBOX_OK : 0;
        header.a = sandbox_run_cpu_us(run->run);
        header.b = (int64_t)run->peak;
    }
    say(run->connection, header, fits ? said->data : too_long,
        fits ? said->len : sizeof(too_long) - 1);
    if (ended) {
        end_run(process, run);
        sandbox_releases_relieve(&process->releases);
    }
}

static void give_turns(struct process *process)
{
    int64_t end = now_us() + ROUND_US;
    while (process->ready) {
        give_turn(process);
        if (now_us() >= end)
            break;
    }
}

/* ---- what arrives ---- */

static void load(struct process *process, struct connection *connection,
                 const struct sandbox_header *header, size_t len)
{
    struct sandbox_loading *loading = &connection->loading;
    char name[SANDBOX_PART_NAME_MAX + 1];
    const struct buf *said;
    size_t name_len = (size_t)header->a;
    if (header->flags & SANDBOX_FIRST)
        sandbox_loading_begin(loading, &process->releases, header->id);
    if (!loading->releases) { /* a part of nothing */
        connection->over = true;
        return;
    }
    memcpy(name, text, name_len);
    name[name_len] = '\0';
    sandbox_loading_add(loading, name, text + name_len, len - name_len,
                        header->flags & SANDBOX_PRELUDE);
    if (!(header->flags & SANDBOX_LAST))
        return;
    bool ok = sandbox_loading_end(loading, &said);
    say(connection,
        (struct sandbox_header){
            .kind = SANDBOX_LOADED, .id = header->id, .flags = ok ? SANDBOX_OK : 0},
        said->data, said->len);
    sandbox_loading_free(loading);
}

static bool is_sound(const struct sandbox_header *header, size_t len)
{
    if (header->kind == SANDBOX_LOAD)
        return header->a >= 0 && header->a <= SANDBOX_PART_NAME_MAX &&
               (size_t)header->a <= len;
    return header->kind != SANDBOX_RUN || len >= sizeof(struct sandbox_run_head);
}

static void obey(struct process *process, struct connection *connection,
                 const struct sandbox_header *header, size_t len)
{
    struct run *run = find_run(process, connection, header->id);
    switch (header->kind) {
    case SANDBOX_LOAD:
        load(process, connection, header, len);
        break;
    case SANDBOX_DROP:
        sandbox_release_drop(&process->releases, header->id);
        break;
    case SANDBOX_RUN:
        begin_run(process, connection, header->id, len);
        break;
    case SANDBOX_RESULT:
        if (run && !run->ready) {
            sandbox_run_answer(run->run, header->flags & SANDBOX_OK, text, len);
            make_ready(process, run);
        }
        break;
    case SANDBOX_CANCEL:
        if (run) {
            end_run(process, run);
            say_done(connection, header->id, SANDBOX_STOPPED);
        }
        break;
    }
}

static void read_connection(struct process *process, struct connection *connection)
{
    struct sandbox_header header;
    size_t len;
    enum sandbox_received received = sandbox_receive(connection->fd, &header, text, &len);
    if (received == SANDBOX_PACKET && is_sound(&header, len))
        obey(process, connection, &header, len);
    else if (received != SANDBOX_NOTHING)
        connection->over = true;
}

static void end_connection(struct process *process, struct connection *connection)
{
    for (struct run *run = process->runs, *next; run; run = next) {
        next = run->next;
        if (run->connection == connection)
            end_run(process, run);
    }
    sandbox_loading_free(&connection->loading);
    sandbox_queue_free(&connection->out);
    close(connection->fd);
    free(connection);
}

static void end_over(struct process *process)
{
    nfds_t kept = 0;
    for (nfds_t i = 0; i < process->connections_count; i++)
        if (process->connections[i]->over)
            end_connection(process, process->connections[i]);
        else
            process->connections[kept++] = process->connections[i];
    process->connections_count = kept;
}

static void add_connection(struct process *process, int fd)
{
    if (process->connections_count == CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    struct connection *connection = mem_new(sizeof(*connection));
    connection->fd = fd;
    process->connections[process->connections_count++] = connection;
}

/* False when the zygote is gone. */
static bool read_control(struct process *process)
{
    struct sandbox_control packet;
    int fd;
    ssize_t n = sandbox_take_fd(process->control, &packet, sizeof(packet), &fd);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == sizeof(packet) && packet.kind == SANDBOX_CONNECT && fd >= 0)
        add_connection(process, fd);
    if (n == sizeof(packet) && packet.kind == SANDBOX_END)
        process->ending = true;
    return n == sizeof(packet);
}

/* ---- the loop ---- */

static nfds_t fill_polls(const struct process *process, struct pollfd *polls)
{
    nfds_t n = 0;
    polls[n++] = (struct pollfd){process->control, POLLIN, 0};
    for (nfds_t i = 0; i < process->connections_count; i++) {
        const struct connection *connection = process->connections[i];
        short events = connection->out.first ? POLLIN | POLLOUT : POLLIN;
        polls[n++] = (struct pollfd){connection->fd, events, 0};
    }
    return n;
}

/* Nothing is open, and all was written. */
static bool is_idle(const struct process *process)
{
    for (nfds_t i = 0; i < process->connections_count; i++)
        if (process->connections[i]->out.first)
            return false;
    return !process->runs;
}

/* How long to wait for something to do. */
static int patience_ms(const struct process *process)
{
    if (process->ready)
        return 0;
    return !process->runs && sandbox_has_grown(&process->releases.memory) ? IDLE_MS : -1;
}

int sandbox_process_serve(int control_fd, size_t memory_max)
{
    static struct process process;
    static struct pollfd polls[1 + CONNECTIONS_MAX];
    process = (struct process){.control = control_fd,
                               .releases = {.memory = {.max = memory_max}},
                               .ready_end = &process.ready};
    while (!process.ending || !is_idle(&process)) {
        nfds_t n = fill_polls(&process, polls);
        int found = poll(polls, n, patience_ms(&process));
        if (found < 0 && errno != EINTR)
            return 1;
        if (found == 0 && !process.ready)
            sandbox_settle(&process.releases.memory);
        for (nfds_t i = 1; i < n; i++) {
            struct connection *connection = process.connections[i - 1];
            if (polls[i].revents & POLLOUT &&
                sandbox_flush(connection->fd, &connection->out) < 0)
                connection->over = true;
            if (polls[i].revents & ~POLLOUT)
                read_connection(&process, connection);
        }
        if (polls[0].revents && !read_control(&process))
            break;
        give_turns(&process);
        end_over(&process);
    }
    return 0;
}
