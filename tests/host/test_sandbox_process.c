/* Zygote, sandbox processes and client together, each in its own jail; only the state of scripts
 * is a double (sandbox_double.h). */
#include "check.h"
#include "conf.h"
#include "host.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "sandbox_client.h"
#include "sandbox_double.h"
#include "sandbox_zygote.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum {
    ZYGOTES = 3,
    PROCESSES = 3,
    MEMORY = 16 << 20,
    SANDBOX_PATIENCE_MS = 300,
    LOOK_MS = 800
};

static char folder[] = "/tmp/fixxit-test-XXXXXX";
static char socket_path[64];
static int listen_fd;
static pid_t zygote; /* the last one started */
static struct {
    pid_t pid;
    int start;
} zygotes[ZYGOTES];
static struct host host;
static struct sandbox_client *client;

/* What the client told about one thing. */
struct told {
    bool done;
    int times;
    struct sandbox_conn *conn;
    enum sandbox_message_kind kind;
    bool ok;
    const char *text; /* kept until the end */
    size_t len;
    char code[32];
};

/* Forked before there is a loop, whose library would do things in the zygote's children that they
 * may not do; each waits until it is wanted. */
static void fork_zygotes(void)
{
    for (int i = 0; i < ZYGOTES; i++) {
        int ends[2];
        char byte;
        if (pipe2(ends, O_CLOEXEC) < 0)
            abort();
        zygotes[i].start = ends[1];
        zygotes[i].pid = fork();
        if (zygotes[i].pid != 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(nothing, STDIN_FILENO);
        dup2(nothing, STDOUT_FILENO);
        if (read(ends[0], &byte, 1) != 1)
            _exit(1);
        const struct sandbox_zygote_options options = {PROCESSES, MEMORY, LOOK_MS};
        _exit(sandbox_zygote_serve(listen_fd, &options));
    }
}

static void start_zygote(void)
{
    static int started;
    zygote = zygotes[started].pid;
    CHECK(write(zygotes[started++].start, "x", 1) == 1);
}

/* What was told, so that it can be looked at wherever it was told to. */
static struct kept {
    struct kept *next;
    char text[];
} * kept;

static void forget_all(void)
{
    while (kept) {
        struct kept *next = kept->next;
        free(kept);
        kept = next;
    }
}

static void tell(struct told *told, const struct err *err, const char *text, size_t len)
{
    struct kept *copy = mem_new(sizeof(*copy) + len + 1);
    if (text)
        memcpy(copy->text, text, len);
    copy->next = kept;
    kept = copy;
    told->done = true;
    told->times++;
    told->text = copy->text;
    told->len = len;
    snprintf(told->code, sizeof(told->code), "%s", err ? err->code : "");
}

static void on_open(void *arg, struct sandbox_conn *conn, const struct err *err)
{
    struct told *told = arg;
    told->conn = conn;
    tell(told, err, NULL, 0);
}

static void on_loaded(void *arg, const char *declared, size_t len, const char *problem,
                      size_t problem_len, const struct err *err)
{
    tell(arg, err, err ? problem : declared, err ? problem_len : len);
}

static void on_message(void *arg, const struct sandbox_message *message,
                       const struct err *err)
{
    struct told *told = arg;
    tell(told, err, message ? message->text : NULL, message ? message->len : 0);
    if (message) {
        told->kind = message->kind;
        told->ok = message->ok;
    }
}

static struct told open_it(const char *name)
{
    struct told told = {0};
    CHECK(sandbox_open(client, name, 0, on_open, &told, NULL) != NULL);
    loop_await(&told.done);
    return told;
}

static struct sandbox_conn *open_well(const char *name)
{
    struct told told = open_it(name);
    CHECK_STR(told.code, "");
    if (!told.conn)
        exit(1);
    return told.conn;
}

static struct told load(struct sandbox_conn *conn, uint64_t release, const char *text)
{
    struct told told = {0};
    const struct sandbox_part parts[] = {{"prelude.lua", "p", 1, true},
                                         {"rules/x.lua", text, strlen(text), false}};
    CHECK(sandbox_conn_load(conn, release, parts, 2, on_loaded, &told, NULL) == 0);
    loop_await(&told.done);
    return told;
}

static uint64_t begin(struct sandbox_conn *conn, const char *json, int64_t wall_ms,
                      struct told *told)
{
    struct err err;
    const struct sandbox_start start = {.release = 1,
                                        .cpu_us = 10000,
                                        .wall_ms = wall_ms,
                                        .output_max = 65536,
                                        .log_max = 8192,
                                        .json = json,
                                        .len = strlen(json)};
    *told = (struct told){0};
    uint64_t run = sandbox_conn_start(conn, &start, on_message, told, &err);
    if (!run)
        tell(told, &err, NULL, 0);
    return run;
}

static struct told run(struct sandbox_conn *conn, const char *json)
{
    struct told told;
    begin(conn, json, patiently(5000), &told);
    loop_await(&told.done);
    return told;
}

static struct sandbox_conn *open_loaded(const char *name)
{
    struct sandbox_conn *conn = open_well(name);
    struct told told = load(conn, 1, "good");
    CHECK_STR(told.code, "");
    return conn;
}

/* The zygote's children, the youngest last. */
static int processes(pid_t *pids, int max)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", zygote, zygote);
    FILE *file = fopen(path, "r");
    while (file && count < max && fscanf(file, "%d", &pids[count]) == 1)
        count++;
    if (file)
        fclose(file);
    return count;
}

static pid_t youngest(void)
{
    pid_t pids[64];
    int count = processes(pids, 64);
    return count ? pids[count - 1] : 0;
}

static void await_processes(int count)
{
    pid_t pids[64];
    for (int i = 0; i < 1000 && processes(pids, 64) != count; i++)
        loop_pass(5);
    CHECK(processes(pids, 64) == count);
}

static void end_all(void)
{
    pid_t pids[64];
    int count = processes(pids, 64);
    for (int i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
    await_processes(0);
}

/* ---- cases ---- */

static void loads_and_runs(void)
{
    struct sandbox_conn *conn = open_well("live/a");
    struct told told = run(conn, "{\"echo\":1}");
    CHECK_STR(told.code, SANDBOX_UNKNOWN_RELEASE);
    told = load(conn, 1, "bad");
    CHECK_STR(told.code, SANDBOX_SCRIPT);
    CHECK(strstr(told.text, "rules/x.lua"));
    told = run(conn, "{\"echo\":1}");
    CHECK_STR(told.code, SANDBOX_UNKNOWN_RELEASE);
    told = load(conn, 1, "good");
    CHECK_STR(told.code, "");
    CHECK_STR(told.text, "{\"names\":\"prelude.lua! rules/x.lua\"}");
    told = run(conn, "{\"echo\":1}");
    CHECK_STR(told.code, "");
    CHECK_STR(told.text, "{\"echo\":1}");
    CHECK(told.ok && told.kind == SANDBOX_MESSAGE_DONE);
    uint64_t id = begin(conn, "{\"call\":1}", 5000, &told);
    loop_await(&told.done);
    CHECK(told.kind == SANDBOX_MESSAGE_CALL);
    CHECK_STR(told.text, "{\"name\":\"kv.get\"}");
    struct told end = {0};
    CHECK(sandbox_conn_answer(conn, id, false, "{\"x\":2}", 7, on_message, &end, NULL) ==
          0);
    loop_await(&end.done);
    CHECK(end.kind == SANDBOX_MESSAGE_DONE && !end.ok);
    CHECK_STR(end.text, "{\"x\":2}");
    CHECK(sandbox_conn_cpu_us(conn) > 0);
    sandbox_conn_unref(conn);
}

static void shares_a_process_among_connections(void)
{
    end_all();
    struct sandbox_conn *first = open_loaded("live/a"), *second = open_well("live/a");
    struct sandbox_conn *other = open_loaded("draft/a");
    await_processes(2);
    struct told told = run(second, "{\"echo\":2}"); /* loaded by the first */
    CHECK_STR(told.text, "{\"echo\":2}");
    /* Numbers of runs are each connection's own. */
    struct told one, two;
    uint64_t one_id = begin(first, "{\"call\":1}", 5000, &one);
    uint64_t two_id = begin(second, "{\"call\":1}", 5000, &two);
    loop_await(&one.done);
    loop_await(&two.done);
    struct told end_one = {0}, end_two = {0};
    CHECK(sandbox_conn_answer(second, two_id, true, "{\"two\":2}", 9, on_message,
                              &end_two, NULL) == 0);
    CHECK(sandbox_conn_answer(first, one_id, true, "{\"one\":1}", 9, on_message, &end_one,
                              NULL) == 0);
    loop_await(&end_one.done);
    loop_await(&end_two.done);
    CHECK_STR(end_one.text, "{\"one\":1}");
    CHECK_STR(end_two.text, "{\"two\":2}");
    sandbox_conn_unref(first);
    told = run(second, "{\"echo\":3}");
    CHECK_STR(told.text, "{\"echo\":3}");
    sandbox_conn_unref(second);
    sandbox_conn_unref(other);
    await_processes(2); /* they wait for the next who asks */
}

/* Two at once, and one of several parts that another connection finishes first. */
static void loads_for_several_at_once(void)
{
    enum { CONNECTIONS = 4, LOADS = 6 };
    static struct told tolds[CONNECTIONS][LOADS];
    struct sandbox_conn *conns[CONNECTIONS];
    struct sandbox_part parts[20];
    for (size_t i = 0; i < 20; i++)
        parts[i] = (struct sandbox_part){"rules/x.lua", "x", 1, false};
    for (size_t i = 0; i < CONNECTIONS; i++)
        conns[i] = open_well("live/several");
    for (size_t l = 0; l < LOADS; l++)
        for (size_t i = 0; i < CONNECTIONS; i++)
            CHECK(sandbox_conn_load(conns[i], 100 + (l + i) % LOADS, parts, 20, on_loaded,
                                    &tolds[i][l], NULL) == 0);
    for (size_t i = 0; i < CONNECTIONS; i++)
        for (size_t l = 0; l < LOADS; l++) {
            loop_await(&tolds[i][l].done);
            CHECK_STR(tolds[i][l].code, "");
            CHECK(tolds[i][l].times == 1);
        }
    for (size_t i = 0; i < CONNECTIONS; i++)
        sandbox_conn_unref(conns[i]);
}

static void takes_turns(void)
{
    struct sandbox_conn *conn = open_loaded("live/a");
    struct told loops[8], told;
    for (int i = 0; i < 8; i++)
        begin(conn, "{\"loop\":1}", patiently(300), &loops[i]);
    for (int i = 0; i < 5; i++) {
        told = run(conn, "{\"echo\":1}");
        CHECK_STR(told.code, "");
        CHECK(!loops[7].done);
    }
    for (int i = 0; i < 8; i++) {
        loop_await(&loops[i].done);
        CHECK_STR(loops[i].code, SANDBOX_LIMIT_WALL);
    }
    told = run(conn, "{\"echo\":1}");
    CHECK_STR(told.code, ""); /* it was cancelled, not killed */
    CHECK(sandbox_client_stats(client).kills == 0);
    CHECK(sandbox_client_stats(client).walls == 8);
    CHECK(sandbox_client_stats(client).open_runs == 0);
    sandbox_conn_unref(conn);
}

static void gives_memory_back_when_idle(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a");
    CHECK_STR(run(conn, "{\"settled\":1}").text, "{\"value\":0}");
    for (int i = 0; i < 10; i++) { /* never idle for long */
        usleep(50 * 1000);
        CHECK_STR(run(conn, "{\"settled\":1}").text, "{\"value\":0}");
    }
    usleep(1500 * 1000);
    CHECK_STR(run(conn, "{\"settled\":1}").text, "{\"value\":1}");
    usleep(3000 * 1000); /* once is enough */
    CHECK_STR(run(conn, "{\"settled\":1}").text, "{\"value\":2}");
    sandbox_conn_unref(conn);
}

static void cancels(void)
{
    struct sandbox_conn *conn = open_loaded("live/a");
    struct told told, never = {0};
    uint64_t id = begin(conn, "{\"loop\":1}", 5000, &never);
    sandbox_conn_cancel(conn, id);
    sandbox_conn_cancel(conn, id);
    sandbox_conn_cancel(conn, 12345);
    told = run(conn, "{\"echo\":1}");
    CHECK_STR(told.code, "");
    CHECK(!never.done);
    /* While it waits for an answer, and one who answers after that. */
    id = begin(conn, "{\"call\":1}", 5000, &told);
    loop_await(&told.done);
    sandbox_conn_cancel(conn, id);
    CHECK(sandbox_conn_answer(conn, id, true, "{}", 2, on_message, &never, NULL) == -1);
    told = run(conn, "{\"echo\":1}");
    CHECK_STR(told.code, "");
    CHECK(sandbox_client_stats(client).open_runs == 0);
    sandbox_conn_unref(conn);
}

/* Its time is over while the worker has the word: who answers is told. */
static void tells_of_the_wall_at_the_answer(void)
{
    struct sandbox_conn *conn = open_loaded("live/a");
    struct told told;
    struct err err = {0};
    uint64_t walls = sandbox_client_stats(client).walls;
    uint64_t id = begin(conn, "{\"call\":1}", 50, &told);
    loop_await(&told.done);
    while (sandbox_client_stats(client).walls == walls)
        loop_pass(5);
    CHECK(told.times == 1);
    CHECK(sandbox_conn_answer(conn, id, true, "{}", 2, on_message, &told, &err) == -1);
    CHECK_STR(err.code, SANDBOX_LIMIT_WALL);
    CHECK_STR(err.message, "limit: wall 50 ms");
    CHECK(sandbox_conn_answer(conn, id, true, "{}", 2, on_message, &told, &err) == -1);
    CHECK_STR(err.code, ERR_NOT_FOUND);
    sandbox_conn_unref(conn);
}

static void kills_what_does_not_answer(void)
{
    struct sandbox_conn *conn = open_loaded("live/a"), *other = open_well("live/a");
    struct sandbox_conn *next = open_loaded("live/b");
    struct told hanging, waiting, told;
    begin(conn, "{\"hang\":1}", 50, &hanging);
    begin(other, "{\"echo\":1}", patiently(20000), &waiting);
    loop_await(&hanging.done);
    CHECK_STR(hanging.code, SANDBOX_LIMIT_WALL);
    told = run(next, "{\"echo\":1}"); /* nobody else notices */
    CHECK_STR(told.code, "");
    loop_await(&waiting.done);
    CHECK_STR(waiting.code, ERR_CLOSED);
    CHECK(sandbox_client_stats(client).kills == 1);
    CHECK(!sandbox_conn_is_open(conn) && !sandbox_conn_is_open(other));
    CHECK(sandbox_conn_cpu_us(conn) == -1);
    struct sandbox_conn *fresh = open_loaded("live/a");
    told = run(fresh, "{\"echo\":1}");
    CHECK_STR(told.code, "");
    sandbox_conn_unref(conn);
    sandbox_conn_unref(other);
    sandbox_conn_unref(next);
    sandbox_conn_unref(fresh);
}

static void survives_the_death_of_a_process(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a");
    struct told waiting, crashing, told;
    struct err err;
    uint64_t called = begin(conn, "{\"call\":1}", 5000, &told);
    loop_await(&told.done);
    begin(conn, "{\"loop\":1}", patiently(20000), &waiting);
    kill(youngest(), SIGKILL);
    loop_await(&waiting.done);
    CHECK_STR(waiting.code, ERR_CLOSED);
    CHECK(sandbox_conn_answer(conn, called, true, "{}", 2, on_message, &told, &err) ==
          -1);
    CHECK_STR(err.code, ERR_CLOSED);
    begin(conn, "{\"echo\":1}", 5000, &told);
    CHECK_STR(told.code, ERR_CLOSED);
    sandbox_conn_unref(conn);
    conn = open_loaded("live/a");
    begin(conn, "{\"crash\":1}", 5000, &crashing);
    loop_await(&crashing.done);
    CHECK_STR(crashing.code, ERR_CLOSED);
    sandbox_conn_unref(conn);
    CHECK(sandbox_client_stats(client).open_runs == 0);
}

static void ends_what_works_unasked(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a"), *other = open_loaded("live/b");
    struct told told = run(conn, "{\"burn\":1}");
    CHECK_STR(told.code, "");
    while (sandbox_conn_is_open(conn))
        loop_pass(5);
    CHECK(sandbox_conn_is_open(other));
    await_processes(1);
    sandbox_conn_unref(conn);
    sandbox_conn_unref(other);
}

/* Whenever it comes: each run is told of once, and nothing is left behind. */
static void survives_many_deaths(void)
{
    enum { ROUNDS = 60, RUNS = 12 };
    static struct told tolds[RUNS];
    struct sandbox_conn *conn = NULL;
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        if (!conn || !sandbox_conn_is_open(conn)) {
            if (conn)
                sandbox_conn_unref(conn);
            conn = open_loaded("live/a");
        }
        for (int i = 0; i < RUNS; i++)
            begin(conn, i % 3 ? "{\"echo\":1}" : "{\"call\":1}", patiently(20000),
                  &tolds[i]);
        pid_t pid = youngest();
        if (rand() % 4)
            usleep((useconds_t)(rand() % 400));
        if (rand() % 2)
            loop_pass((unsigned)(rand() % 2));
        kill(pid, SIGKILL);
        for (int i = 0; i < RUNS; i++)
            loop_await(&tolds[i].done);
        while (sandbox_conn_is_open(conn))
            loop_pass(1);
        for (int i = 0; i < RUNS; i++)
            CHECK(tolds[i].times == 1);
    }
    sandbox_conn_unref(conn);
    CHECK(sandbox_client_stats(client).open_runs == 0);
    CHECK(sandbox_client_stats(client).connections == 0);
}

static void ends_the_one_unused_for_longest(void)
{
    end_all();
    struct sandbox_conn *conns[PROCESSES + 1];
    struct told busy, told;
    char name[16];
    for (int i = 0; i < PROCESSES; i++) {
        snprintf(name, sizeof(name), "live/%d", i);
        conns[i] = open_loaded(name);
        loop_pass(3);
    }
    CHECK(sandbox_client_stats(client).processes == PROCESSES);
    uint64_t id = begin(conns[1], "{\"call\":1}", patiently(20000), &busy);
    loop_await(&busy.done);
    conns[PROCESSES] = open_loaded("live/more");
    await_processes(PROCESSES);
    while (sandbox_conn_is_open(conns[0]))
        loop_pass(1);
    for (int i = 1; i <= PROCESSES; i++)
        CHECK(sandbox_conn_is_open(conns[i]));
    /* Now the one with a run is the oldest that it has not heard of for long: it may finish. */
    struct sandbox_conn *again = open_loaded("live/again");
    struct told end = {0};
    CHECK(sandbox_conn_answer(conns[1], id, true, "{\"x\":1}", 7, on_message, &end,
                              NULL) == 0);
    loop_await(&end.done);
    CHECK_STR(end.code, "");
    await_processes(PROCESSES);
    told = run(again, "{\"echo\":1}");
    CHECK_STR(told.code, "");
    sandbox_conn_unref(again);
    for (int i = 0; i <= PROCESSES; i++)
        sandbox_conn_unref(conns[i]);
}

static void carries_the_largest_texts(void)
{
    struct sandbox_conn *conn = open_loaded("live/a");
    size_t len = SANDBOX_TEXT_MAX - sizeof(struct sandbox_run_head);
    char *json = mem_new(SANDBOX_TEXT_MAX + 1);
    memset(json, ' ', len);
    memcpy(json, "{\"echo\":1", 9);
    json[len - 1] = '}';
    struct told tolds[20], told;
    for (int i = 0; i < 20; i++) /* more than the socket holds */
        begin(conn, json, patiently(20000), &tolds[i]);
    for (int i = 0; i < 20; i++) {
        loop_await(&tolds[i].done);
        CHECK_STR(tolds[i].code, "");
        CHECK(tolds[i].len == len);
    }
    json[len - 1] = ' ';
    json[len] = '}';
    begin(conn, json, 5000, &told);
    CHECK_STR(told.code, ERR_TOO_LARGE);
    told = run(conn, "{\"big\":1}");
    CHECK(told.ok && told.len == SANDBOX_TEXT_MAX);
    told = run(conn, "{\"huge\":1}"); /* what does not fit becomes an error */
    CHECK_STR(told.code, "");
    CHECK(!told.ok && strstr(told.text, "LIMIT_OUTPUT"));
    free(json);
    sandbox_conn_unref(conn);
}

/* A process that does not read holds nobody up and takes no memory without end. */
static void bounds_what_waits(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a");
    pid_t pid = youngest();
    enum { RUNS = 100 };
    static struct told tolds[RUNS];
    size_t len = 128 << 10;
    char *json = mem_new(len + 1);
    memset(json, ' ', len);
    memcpy(json, "{\"echo\":1}", 10);
    kill(pid, SIGSTOP);
    int refused = 0;
    uint64_t before = uv_hrtime();
    for (int i = 0; i < RUNS; i++) {
        begin(conn, json, patiently(20000), &tolds[i]);
        refused += tolds[i].done && strcmp(tolds[i].code, ERR_BUSY) == 0;
    }
    CHECK(uv_hrtime() - before < 5000000000ull);
    CHECK(refused >= RUNS - 64);
    kill(pid, SIGCONT);
    for (int i = 0; i < RUNS; i++) {
        loop_await(&tolds[i].done);
        CHECK(*tolds[i].code == '\0' || strcmp(tolds[i].code, ERR_BUSY) == 0);
    }
    free(json);
    sandbox_conn_unref(conn);
}

/* ---- the jail ---- */

/* In a sandbox process: the number of the first attempt that was not refused, 0 for none. */
static int attack(void)
{
    int number = 0;
    char *argv[] = {NULL};
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct rlimit limit = {1 << 20, 1 << 20};
#define TRY(call)                                                                        \
    do {                                                                                 \
        number++;                                                                        \
        errno = 0;                                                                       \
        if ((intptr_t)(call) != -1 || errno != EPERM)                                    \
            return number;                                                               \
    } while (0)
    TRY(open("/etc/passwd", O_RDONLY));
    TRY(open("/tmp/escaped", O_WRONLY | O_CREAT, 0600));
    TRY(open("/proc/self/mem", O_RDWR));
    TRY(open("/proc/1/environ", O_RDONLY));
    TRY(syscall(SYS_open, "/etc/passwd", O_RDONLY));
    TRY(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0));
    TRY(syscall(SYS_name_to_handle_at, AT_FDCWD, "/etc/passwd", NULL, NULL, 0));
    TRY(unlink("/tmp/test"));
    TRY(access("/etc/passwd", F_OK));
    TRY(readlink("/proc/self/exe", &byte, 1));
    TRY(chdir("/"));
    TRY(socket(AF_INET, SOCK_STREAM, 0)); /* 12 */
    TRY(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, (int[2]){0}));
    TRY(bind(3, NULL, 0));
    TRY(connect(3, NULL, 0));
    TRY(listen(3, 1));
    TRY(accept4(3, NULL, NULL, 0));
    TRY(sendmsg(3, &message, 0)); /* by which descriptors could go along */
    TRY(sendto(3, &byte, 1, 0, NULL, 0));
    TRY(read(3, &byte, 1));
    TRY(execve("/bin/true", argv, argv)); /* 22 */
    TRY(syscall(SYS_execveat, 3, "", argv, argv, AT_EMPTY_PATH));
    TRY(fork());
    TRY(syscall(SYS_vfork));
    TRY(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
    TRY(syscall(SYS_clone3, NULL, 0));
    TRY(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    TRY(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    TRY(syscall(SYS_process_vm_readv, 1, &iov, 1, &iov, 1, 0));
    TRY(syscall(SYS_pidfd_open, 1, 0));
    TRY(syscall(SYS_pidfd_getfd, 3, 0, 0));
    TRY(kill(1, 0)); /* 33 */
    TRY(kill(-1, SIGKILL));
    TRY(syscall(SYS_tgkill, 1, 1, SIGKILL));
    TRY(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    TRY(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1));
    TRY(syscall(SYS_memfd_create, "x", 0));
    TRY(setuid(0));
    TRY(prctl(PR_SET_DUMPABLE, 1));
    TRY(prctl(PR_SET_SECCOMP, 0, NULL));
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    TRY(setpriority(PRIO_PROCESS, 0, 0));
    TRY(syscall(SYS_io_uring_setup, 1, NULL));
    TRY(syscall(SYS_bpf, 0, NULL, 0));
    TRY(syscall(SYS_userfaultfd, 0));
    TRY(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    TRY(syscall(SYS_keyctl, 0));
    TRY(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
    TRY(syscall(SYS_unshare, 0));
    TRY(dup(3));
    TRY(fcntl(3, F_GETFL));
    TRY(ioctl(3, 0));
#undef TRY
    /* The zygote's descriptors: nothing is there but /dev/null, the control socket and the
     * connections. */
    for (int fd = 3, open_fds = 0; fd < 10000; fd++) {
        struct pollfd poll_fd = {fd, POLLIN, 0};
        poll(&poll_fd, 1, 0);
        open_fds += !(poll_fd.revents & POLLNVAL);
        if (open_fds > 2)
            return 1000 + fd;
    }
#ifndef __SANITIZE_ADDRESS__
    if (mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
             -1, 0) != MAP_FAILED)
        return 2000;
#endif
    return 0;
}

static void nothing_leaves_the_jail(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a");
    struct told told = run(conn, "{\"attack\":1}");
    CHECK_STR(told.code, "");
    CHECK_STR(told.text, "{\"value\":0}");
    sandbox_conn_unref(conn);
}

static bool memory_holds(pid_t pid, const char *text)
{
    char path[64], line[512];
    unsigned long from, to;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    int mem = open(path, O_RDONLY);
    CHECK(maps && mem >= 0);
    while (maps && fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx rw", &from, &to) == 2 && strstr(line, " rw") &&
            to - from < (64ul << 20)) {
            char *data = mem_new(to - from);
            ssize_t n = pread(mem, data, to - from, (off_t)from);
            found |= n > 0 && memmem(data, (size_t)n, text, strlen(text)) != NULL;
            free(data);
        }
    if (maps)
        fclose(maps);
    close(mem);
    return found;
}

static void knows_nothing_of_others(void)
{
    if (geteuid() != 0)
        return; /* only root may look */
    end_all();
    static char name[32]; /* written to only now: the zygotes were forked before */
    snprintf(name, sizeof(name), "live/%s", "somebody-else");
    struct sandbox_conn *first = open_loaded(name);
    struct sandbox_conn *second = open_loaded("live/a");
    pid_t pid = youngest();
    CHECK(!memory_holds(zygote, "somebody-else")); /* it never heard of the name */
    CHECK(!memory_holds(pid, "somebody-else"));
    CHECK(memory_holds(getpid(), "somebody-else")); /* it finds what is there */
    sandbox_conn_unref(first);
    sandbox_conn_unref(second);
}

/* ---- the zygote's end ---- */

static void drains(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a"), *idle = open_loaded("live/b");
    struct told told;
    struct err err;
    uint64_t id = begin(conn, "{\"call\":1}", patiently(20000), &told);
    loop_await(&told.done);
    kill(zygote, SIGTERM);
    while (sandbox_conn_is_open(conn) || sandbox_conn_is_open(idle))
        loop_pass(5);
    struct told late;
    begin(conn, "{\"echo\":1}", 5000, &late);
    CHECK_STR(late.code, ERR_CLOSED);
    pid_t before = zygote;
    start_zygote(); /* as the master does for a newer binary, beside it */
    struct sandbox_conn *next = open_loaded("live/a");
    struct told end = {0};
    CHECK(sandbox_conn_answer(conn, id, true, "{\"x\":1}", 7, on_message, &end, &err) ==
          0);
    loop_await(&end.done);
    CHECK_STR(end.code, "");
    int status = -1;
    waitpid(before, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct told again = run(next, "{\"echo\":1}");
    CHECK_STR(again.code, "");
    sandbox_conn_unref(conn);
    sandbox_conn_unref(idle);
    sandbox_conn_unref(next);
}

static void survives_the_death_of_the_zygote(void)
{
    end_all();
    struct sandbox_conn *conn = open_loaded("live/a");
    struct told looping;
    begin(conn, "{\"loop\":1}", patiently(20000), &looping);
    kill(zygote, SIGKILL);
    waitpid(zygote, NULL, 0);
    loop_await(&looping.done); /* the processes die with it */
    CHECK_STR(looping.code, ERR_CLOSED);
    sandbox_conn_unref(conn);
    struct told told = {0};
    sandbox_open(client, "live/a", 0, on_open, &told, NULL);
    loop_pass(50);
    CHECK(!told.done); /* it waits for the restart */
    start_zygote();
    loop_await(&told.done);
    CHECK_STR(told.code, "");
    struct told loaded = load(told.conn, 1, "good");
    CHECK_STR(loaded.code, "");
    sandbox_conn_unref(told.conn);
}

static void says_when_there_is_none(void)
{
    kill(zygote, SIGKILL);
    waitpid(zygote, NULL, 0);
    unlink(socket_path);
    struct told told = open_it("live/a");
    CHECK_STR(told.code, ERR_UNAVAILABLE);
}

int main(void)
{
    static uv_loop_t own;
    sandbox_double_attack = attack;
    loop = &own;
    log_init(LOG_WARN, false, "test");
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return 1;
    snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
    listen_fd = listener_unix(socket_path, SOCK_SEQPACKET, NULL);
    fork_zygotes();
    start_zygote();
    char text[256];
    int len =
        snprintf(text, sizeof(text), "sandbox.socket%c%s%csandbox.patience_ms%c%d%c", 0,
                 socket_path, 0, 0, patiently(SANDBOX_PATIENCE_MS), 0);
    struct conf *conf = conf_parse(text, (size_t)len);
    uv_loop_init(loop);
    host = (struct host){.loop = loop, .conf = conf};
    client = sandbox_client_new(&host);
    RUN(loads_and_runs);
    RUN(shares_a_process_among_connections);
    RUN(loads_for_several_at_once);
    RUN(takes_turns);
    RUN(gives_memory_back_when_idle);
    RUN(cancels);
    RUN(tells_of_the_wall_at_the_answer);
    RUN(kills_what_does_not_answer);
    RUN(survives_the_death_of_a_process);
    RUN(ends_what_works_unasked);
    RUN(survives_many_deaths);
    RUN(ends_the_one_unused_for_longest);
    RUN(carries_the_largest_texts);
    RUN(bounds_what_waits);
    RUN(nothing_leaves_the_jail);
    RUN(knows_nothing_of_others);
    RUN(drains);
    RUN(survives_the_death_of_the_zygote);
    RUN(says_when_there_is_none);
    sandbox_client_close(client);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    conf_free(conf);
    forget_all();
    rmdir(folder);
    return check_result("sandbox");
}
