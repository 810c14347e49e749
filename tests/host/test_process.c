/* process: what a child gets, what it does not get, and how its end is heard of. */
#include "buf.h"
#include "check.h"
#include "mem.h"
#include "process.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uv_loop_t loop;
static char out_path[64];

struct end {
    int calls, code, signal;
};

static void on_exit_of(void *arg, int code, int signal)
{
    struct end *end = arg;
    *end = (struct end){end->calls + 1, code, signal};
}

/* Runs a shell script with its output in out_path, returns how it ended. */
static struct end run_shell(const char *script, struct process_options options)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct end end = {0};
    struct err err = {0};
    options.argv = argv;
    if (!options.out)
        options.out = out_path;
    if (truncate(out_path, 0) < 0)
        abort();
    struct process *process = process_spawn(&loop, &options, on_exit_of, &end, &err);
    CHECK_STR(process ? "started" : err.message, "started");
    if (!process)
        return end;
    uv_run(&loop, UV_RUN_DEFAULT);
    process_release(process);
    return end;
}

static const char *output(void)
{
    static char text[4096];
    FILE *file = fopen(out_path, "r");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[len] = '\0';
    if (file)
        fclose(file);
    return text;
}

static void tells_the_exit_code(void)
{
    struct end end = run_shell("exit 7", (struct process_options){0});
    CHECK(end.calls == 1 && end.code == 7 && end.signal == 0);
}

static void tells_the_signal(void)
{
    struct end end = run_shell("kill -TERM $$", (struct process_options){0});
    CHECK(end.calls == 1 && end.code == 128 + SIGTERM && end.signal == SIGTERM);
}

static void merges_the_environment(void)
{
    const char *env[] = {"PROCESS_A=new", "PROCESS_B=2", NULL};
    setenv("PROCESS_A", "old", 1);
    setenv("PROCESS_AB", "kept", 1);
    run_shell("echo $PROCESS_A $PROCESS_B $PROCESS_AB; env | grep -c ^PROCESS_A=",
              (struct process_options){.env = env});
    CHECK_STR(output(), "new 2 kept\n1\n");
}

static void sets_the_folder_and_an_empty_input(void)
{
    run_shell("pwd; cat", (struct process_options){.cwd = "/usr"});
    CHECK_STR(output(), "/usr\n");
}

static void both_streams_append_to_one_file(void)
{
    run_shell("echo one; echo two >&2; echo three",
              (struct process_options){.err = out_path});
    CHECK_STR(output(), "one\ntwo\nthree\n");
}

static void leaks_no_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
    CHECK(fd > 2);
    /* `ls` has its own descriptor on the folder it lists. */
    run_shell("ls /proc/self/fd | wc -l", (struct process_options){0});
    CHECK_STR(output(), "4\n");
    close(fd);
}

static void signals_are_as_a_fresh_program_expects(void)
{
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    signal(SIGPIPE, SIG_IGN);
    run_shell("sed -En 's/^Sig(Blk|Ign):.//p' /proc/self/status",
              (struct process_options){0});
    unsigned long long blocked = 1, ignored = 1;
    CHECK(sscanf(output(), "%llx %llx", &blocked, &ignored) == 2);
    CHECK(blocked == 0 &&
          (ignored & 0x7fffffff) == 0); /* above are libc's own and real-time */
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void a_program_that_cannot_run_is_an_error_at_once(void)
{
    struct end end = {0};
    struct err err;
    const char *missing[] = {"no-such-program-anywhere", NULL};
    const char *folder[] = {"/usr", NULL};
    CHECK(!process_spawn(&loop, &(struct process_options){.argv = missing}, on_exit_of,
                         &end, &err));
    CHECK_STR(err.code, ERR_NOT_FOUND);
    CHECK(!process_spawn(&loop, &(struct process_options){.argv = folder}, on_exit_of,
                         &end, &err));
    CHECK_STR(err.code, ERR_IO);
    CHECK(!process_spawn(
        &loop, &(struct process_options){.argv = missing, .out = "/nowhere/at/all"},
        on_exit_of, &end, &err));
    CHECK_STR(err.code, ERR_NOT_FOUND);
    CHECK(end.calls == 0 && waitpid(-1, NULL, WNOHANG) < 0); /* no zombie */
}

static void kill_reaches_it_until_it_has_ended(void)
{
    const char *argv[] = {"sleep", "60", NULL};
    struct end end = {0};
    struct err err;
    struct process *process =
        process_spawn(&loop, &(struct process_options){.argv = argv, .new_group = true},
                      on_exit_of, &end, &err);
    CHECK(process && getpgid(process_pid(process)) == process_pid(process));
    CHECK(process_kill(process, SIGKILL, &err) == 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(end.calls == 1 && end.signal == SIGKILL);
    CHECK(process_kill(process, SIGKILL, &err) < 0);
    CHECK_STR(err.code, ERR_CLOSED);
    process_release(process);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void a_released_process_is_reaped_without_a_callback(void)
{
    const char *argv[] = {"sleep", "60", NULL};
    struct end end = {0};
    struct process *process = process_spawn(
        &loop, &(struct process_options){.argv = argv}, on_exit_of, &end, NULL);
    int pid = process_pid(process);
    process_release(process);
    uv_run(&loop, UV_RUN_DEFAULT); /* returns: it no longer keeps the loop alive */
    CHECK(kill(pid, SIGKILL) == 0);
    uv_timer_t alive; /* stands for whatever else a loop is busy with */
    uv_timer_init(&loop, &alive);
    uv_timer_start(&alive, on_tick, 5, 5);
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK(kill(pid, 0) < 0);
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(end.calls == 0);
}

/* A process between us and the child is killed; the child must go too. */
static void dies_with_its_parent(void)
{
    int ends[2];
    int pid = 0;
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        uv_loop_t own;
        uv_loop_init(&own);
        const char *argv[] = {"sleep", "60", NULL};
        struct process *process = process_spawn(
            &own, &(struct process_options){.argv = argv}, on_exit_of, NULL, NULL);
        pid = process ? process_pid(process) : 0;
        if (write(ends[1], &pid, sizeof(pid)) < 0)
            _exit(1);
        pause();
    }
    CHECK(read(ends[0], &pid, sizeof(pid)) == sizeof(pid) && pid > 0);
    close(ends[1]);
    kill(middle, SIGKILL);
    waitpid(middle, NULL, 0);
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
        char path[64], state = 'Z';
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        FILE *file =
            fopen(path, "r"); /* a zombie is dead enough: whoever adopted it reaps it */
        if (file && fscanf(file, "%*d %*s %c", &state) != 1)
            state = 'Z';
        if (file)
            fclose(file);
        if (state == 'Z')
            return;
        uv_sleep(5);
    }
    CHECK(kill(pid, 0) < 0);
}

int main(void)
{
    strcpy(out_path, "/tmp/test_process.XXXXXX");
    close(mkstemp(out_path));
    uv_loop_init(&loop);
    RUN(tells_the_exit_code);
    RUN(tells_the_signal);
    RUN(merges_the_environment);
    RUN(sets_the_folder_and_an_empty_input);
    RUN(both_streams_append_to_one_file);
    RUN(leaks_no_descriptor);
    RUN(signals_are_as_a_fresh_program_expects);
    RUN(a_program_that_cannot_run_is_an_error_at_once);
    RUN(kill_reaches_it_until_it_has_ended);
    RUN(a_released_process_is_reaped_without_a_callback);
    RUN(dies_with_its_parent);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    unlink(out_path);
    return check_result("process");
}
