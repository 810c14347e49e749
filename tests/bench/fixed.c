/* fixed.c - the floor of HTTP: answers every request with the same bytes.
 *
 *   fixed PORT FILE [PROCESSES]
 *
 * FILE holds a whole answer, head and body. Two processes by default, each with an epoll loop and
 * a listening socket of its own. It looks for the end of a head and reads nothing else: whoever
 * asks sends no body and waits for each answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 256, REQUEST_MAX = 16384, ANSWER_MAX = 1 << 20, BACKLOG = 1024 };

static char answer[ANSWER_MAX];
static size_t answer_len;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_answer(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    answer_len = fread(answer, 1, sizeof(answer), file);
    fclose(file);
}

static int listen_on(int port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, BACKLOG) < 0)
        die("listen");
    return fd;
}

static void add(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void take_connections(int loop, int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        add(loop, fd);
    }
}

static void answer_one(int fd)
{
    char request[REQUEST_MAX];
    ssize_t len = read(fd, request, sizeof(request));
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0 || (memmem(request, (size_t)len, "\r\n\r\n", 4) &&
                     write(fd, answer, answer_len) != (ssize_t)answer_len))
        close(fd);
}

static void serve(int port)
{
    int listener = listen_on(port), loop = epoll_create1(0);
    struct epoll_event events[EVENTS];
    add(loop, listener);
    for (;;) {
        int count = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                take_connections(loop, listener);
            else
                answer_one(events[i].data.fd);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: fixed PORT FILE [PROCESSES]\n", stderr);
        return 2;
    }
    int processes = argc > 3 ? atoi(argv[3]) : 2;
    read_answer(argv[2]);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < processes; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(atoi(argv[1]));
        }
    }
    while (wait(NULL) > 0)
        ;
    return 1;
}
