/* What the master stands on: channels, listeners, the file watch, its children. */
#include "channel.h"
#include "check.h"
#include "children.h"
#include "listener.h"
#include "log.h"
#include "watch.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/fixxit-test-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void carries_messages_whole(void)
{
    static struct message message;
    static char long_text[CHANNEL_TEXT_MAX * 2];
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(channel_receive(ends[1], &message) == 0);
    CHECK(channel_send(ends[0], "failed", 42, "x.lua:3: no\nsuch thing") == 0);
    CHECK(channel_send(ends[0], "up", 0, NULL) == 0);
    CHECK(channel_receive(ends[1], &message) == 1);
    CHECK_STR(message.word, "failed");
    CHECK(message.number == 42);
    CHECK_STR(message.text, "x.lua:3: no\nsuch thing");
    CHECK(channel_receive(ends[1], &message) == 1);
    CHECK_STR(message.text, "");
    memset(long_text, 'y', sizeof(long_text) - 1);
    CHECK(channel_send(ends[0], "failed", 1, long_text) == 0);
    CHECK(channel_receive(ends[1], &message) == 1);
    CHECK(strlen(message.text) == CHANNEL_TEXT_MAX - 1);
    CHECK(send(ends[0], "nonsense", 8, 0) == 8);
    CHECK(channel_receive(ends[1], &message) == -1);
    close(ends[0]);
    CHECK(channel_receive(ends[1], &message) == -1);
    CHECK(channel_send(ends[1], "up", 0, NULL) == -1);
    close(ends[1]);
}

static void binds_tcp_and_says_when_the_port_is_taken(void)
{
    struct err err;
    int fd = listener_tcp("127.0.0.1", 0, &err);
    CHECK(fd >= 0);
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    CHECK(listener_tcp("127.0.0.1", ntohs(name.sin_port), &err) == -1);
    CHECK_STR(err.code, ERR_EXISTS);
    CHECK(strstr(err.message, "PORT"));
    CHECK(listener_tcp("localhost", 1, &err) == -1);
    CHECK_STR(err.code, ERR_INVALID);
    close(fd);
    fd = listener_tcp("::1", 0, NULL);
    if (fd >= 0) /* machines without IPv6 exist */
        close(fd);
}

static void replaces_a_stale_unix_socket_but_not_a_live_one(void)
{
    struct err err;
    const char *path = in_folder("s.sock");
    int fd = listener_unix(path, SOCK_SEQPACKET, &err);
    struct stat info;
    CHECK(fd >= 0);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    CHECK(listener_unix(path, SOCK_SEQPACKET, &err) == -1);
    CHECK_STR(err.code, ERR_EXISTS);
    close(fd); /* the file stays, as after a crash */
    CHECK(listener_connect(path, SOCK_SEQPACKET, &err) == -1);
    CHECK_STR(err.code, ERR_UNAVAILABLE);
    fd = listener_unix(path, SOCK_SEQPACKET, &err);
    CHECK(fd >= 0);
    close(fd);
    char too_long[200];
    memset(too_long, 'a', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    CHECK(listener_unix(too_long, SOCK_STREAM, &err) == -1);
    CHECK_STR(err.code, ERR_INVALID);
}

static void write_file(const char *name)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
}

static bool changed(struct watch *watch)
{
    struct pollfd waiting = {watch_fd(watch), POLLIN, 0};
    return poll(&waiting, 1, 200) > 0 && watch_read(watch);
}

static void notices_saved_files_that_matter(void)
{
    mkdir(in_folder("lua"), 0700);
    mkdir(in_folder("lua/deep"), 0700);
    struct watch *watch = watch_new(folder, "lua,absent,config");
    CHECK(watch != NULL);
    CHECK(!changed(watch));
    write_file("lua/a.lua");
    CHECK(changed(watch));
    write_file("lua/deep/b.sql");
    CHECK(changed(watch));
    write_file("lua/notes.txt");
    write_file("lua/.a.lua.swp");
    write_file("elsewhere.lua");
    CHECK(!changed(watch));
    mkdir(in_folder("lua/new"), 0700);
    CHECK(changed(watch));
    write_file("lua/new/c.lua");
    CHECK(changed(watch));
    char from[PATH_MAX];
    snprintf(from, sizeof(from), "%s", in_folder("lua/a.lua"));
    CHECK(rename(from, in_folder("lua/z.lua")) == 0);
    CHECK(changed(watch));
    CHECK(unlink(in_folder("lua/z.lua")) == 0);
    CHECK(changed(watch));
    watch_free(watch);
    watch_free(NULL);
}

static void run_child(const struct child *child, int channel, void *arg)
{
    (void)child, (void)arg;
    channel_send(channel, "up", 0, NULL);
    pause();
}

static void die(struct child *child)
{
    int status;
    kill(child->pid, SIGKILL);
    CHECK(waitpid(child->pid, &status, 0) == child->pid);
    child_ended(child, status);
}

static void starts_children_and_backs_off_when_they_do_not_come_up(void)
{
    static struct message message;
    struct child child = {.kind = CHILD_HTTP, .index = 3, .channel = -1};
    CHECK(child_start(&child, run_child, NULL) == 0);
    CHECK(child.pid > 0 && !child.up);
    CHECK_STR(child_name(&child), "http 3");
    struct pollfd waiting = {child.channel, POLLIN, 0};
    CHECK(poll(&waiting, 1, 5000) == 1);
    CHECK(channel_receive(child.channel, &message) == 1);
    CHECK_STR(message.word, "up");
    child.up = true;
    die(&child);
    CHECK(child.pid == 0 && child.channel == -1 && !child.up);
    CHECK(child.restart_ms <= clock_ms() + 100); /* it served: soon again */
    uint64_t before = 0;
    for (int i = 0; i < 9; i++) {
        CHECK(child_start(&child, run_child, NULL) == 0);
        die(&child);
        uint64_t delay = child.restart_ms - clock_ms();
        CHECK(delay >= before - (before > 0) && delay <= 10000);
        before = delay;
    }
    CHECK(before > 9000);
}

/* Dies `age` ms old, after it was up; the pause before the next one. */
static uint64_t pause_after(struct child *child, uint64_t age)
{
    CHECK(child_start(child, run_child, NULL) == 0);
    child->up = true;
    child->started_ms = clock_ms() - age;
    die(child);
    return child->restart_ms > clock_ms() ? child->restart_ms - clock_ms() : 0;
}

static void backs_off_from_those_that_serve_and_die_young(void)
{
    struct child child = {.kind = CHILD_JOB, .index = 1, .channel = -1};
    uint64_t before = 0;
    for (int i = 0; i < 6; i++) {
        uint64_t pause = pause_after(&child, 500);
        CHECK(pause + 20 >= before && pause <= 1000);
        before = pause;
    }
    CHECK(before > 900);
    CHECK(pause_after(&child, 60000) == 0); /* it had lived well */
    CHECK(pause_after(&child, 500) <= 100);
}

static void starts_at_once_who_was_to_make_way(void)
{
    struct child child = {.kind = CHILD_HTTP, .index = 1, .channel = -1};
    int status;
    CHECK(child_start(&child, run_child, NULL) == 0);
    child_replace(&child);
    CHECK(waitpid(child.pid, &status, 0) == child.pid);
    child_ended(&child, status);
    CHECK(child.restart_ms <= clock_ms() && child.failures == 0);
    CHECK(child_start(&child, run_child, NULL) == 0);
    die(&child);
    CHECK(child.restart_ms > clock_ms() + 100); /* this one was not */
}

int main(void)
{
    log_init(LOG_ERROR, false, "test");
    if (!mkdtemp(folder))
        return 1;
    RUN(carries_messages_whole);
    RUN(binds_tcp_and_says_when_the_port_is_taken);
    RUN(replaces_a_stale_unix_socket_but_not_a_live_one);
    RUN(notices_saved_files_that_matter);
    RUN(starts_children_and_backs_off_when_they_do_not_come_up);
    RUN(backs_off_from_those_that_serve_and_die_young);
    RUN(starts_at_once_who_was_to_make_way);
    char command[PATH_MAX + 16];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return check_result("master");
}
