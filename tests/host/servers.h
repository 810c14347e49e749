/* servers.h - private MariaDB and Redis servers on Unix sockets for one test program.
 *
 * They live in a folder under /tmp, die with the program, and are removed at its end. */
#pragma once
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVERS_START_MS = 20000 };

static char servers_dir[64];
static pid_t servers_mariadb, servers_redis;

static inline void servers_die(const char *what)
{
    fprintf(stderr, "servers: %s\n", what);
    exit(1);
}

static inline void servers_pause(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static inline void servers_stop(void);

static inline const char *servers_path(const char *name)
{
    static char path[2][128];
    static unsigned turn;
    if (!servers_dir[0]) {
        strcpy(servers_dir, "/tmp/fixxit-test-XXXXXX");
        if (!mkdtemp(servers_dir))
            servers_die("no temporary folder");
        atexit(servers_stop);
    }
    turn ^= 1;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", servers_dir, name);
    return path[turn];
}

/* Runs a program with its output in `log`; it ends with us. */
static inline pid_t servers_spawn(char *const argv[])
{
    const char *log = servers_path("log");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (!freopen(log, "a", stdout) || !freopen(log, "a", stderr))
        _exit(127);
    execvp(argv[0], argv);
    _exit(127);
}

static inline int servers_listening(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return ok;
}

static inline void servers_await(const char *path, pid_t pid)
{
    for (int waited = 0; waited < SERVERS_START_MS; waited += 10) {
        if (servers_listening(path))
            return;
        if (waitpid(pid, NULL, WNOHANG) == pid)
            break;
        servers_pause(10);
    }
    servers_die("a server did not start");
}

/* In /tmp, servers that start would remove each other's tables. */
static inline void servers_temporary(char *option, size_t size)
{
    snprintf(option, size, "--tmpdir=%s", servers_dir);
}

static inline void servers_launch_mariadb(void)
{
    char data[160], sock[160], pid[160], temporary[160];
    snprintf(data, sizeof(data), "--datadir=%s", servers_path("data"));
    snprintf(sock, sizeof(sock), "--socket=%s", servers_path("db.sock"));
    snprintf(pid, sizeof(pid), "--pid-file=%s", servers_path("db.pid"));
    servers_temporary(temporary, sizeof(temporary));
    unlink(servers_path("db.sock"));
    char *argv[] = {(char *)"mariadbd",
                    (char *)"--no-defaults",
                    data,
                    temporary,
                    sock,
                    pid,
                    (char *)"--skip-networking",
                    (char *)"--innodb-flush-method=nosync",
                    (char *)"--innodb-flush-log-at-trx-commit=0",
                    getuid() ? NULL : (char *)"--user=root",
                    NULL};
    servers_mariadb = servers_spawn(argv);
}

static inline void servers_start_mariadb(void)
{
    servers_launch_mariadb();
    servers_await(servers_path("db.sock"), servers_mariadb);
}

/* Installs the system tables and starts the server. User root, no password. */
static inline void servers_make_mariadb(void)
{
    char data[160], temporary[160];
    snprintf(data, sizeof(data), "--datadir=%s", servers_path("data"));
    servers_temporary(temporary, sizeof(temporary));
    char *argv[] = {(char *)"mariadb-install-db",
                    (char *)"--no-defaults",
                    data,
                    temporary,
                    (char *)"--auth-root-authentication-method=normal",
                    (char *)"--skip-test-db",
                    (char *)"--force",
                    getuid() ? NULL : (char *)"--user=root",
                    NULL};
    int status = 0;
    if (waitpid(servers_spawn(argv), &status, 0) < 0 || status != 0)
        servers_die("mariadb-install-db failed");
    servers_start_mariadb();
}

static inline void servers_start_redis(void)
{
    char *argv[] = {(char *)"redis-server",
                    (char *)"--port",
                    (char *)"0",
                    (char *)"--unixsocket",
                    (char *)servers_path("redis.sock"),
                    (char *)"--save",
                    (char *)"",
                    NULL};
    servers_redis = servers_spawn(argv);
    servers_await(servers_path("redis.sock"), servers_redis);
}

static inline void servers_kill(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGKILL);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

/* The server hangs from now on, all of its threads; SIGCONT ends it. */
static inline void servers_hang(pid_t pid)
{
    kill(pid, SIGSTOP);
    if (waitpid(pid, NULL, WUNTRACED) != pid)
        servers_die("a server did not stop");
}

static inline void servers_stop(void)
{
    servers_kill(&servers_mariadb);
    servers_kill(&servers_redis);
    if (!servers_dir[0])
        return;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", servers_dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    servers_dir[0] = '\0';
}
