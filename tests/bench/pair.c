/* pair.c - what two processes pay at least to say something to each other and hear an answer.
 *
 *   pair RATE SECONDS
 *
 * So often a second one sends a packet of a kilobyte over a Unix socket to the other, which sends
 * back a shorter one; both sleep in between. Prints the CPU of both for each, in microseconds, less
 * what the pace takes by itself:
 *   pair_us=N */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASKED = 1024, ANSWERED = 200 };

static void die(const char *what)
{
    fprintf(stderr, "pair: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double cpu_us(int who)
{
    struct rusage used;
    getrusage(who, &used);
    return 1e6 * (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void answer(int fd)
{
    char text[ASKED] = {0};
    while (recv(fd, text, sizeof(text), 0) > 0)
        if (send(fd, text, ANSWERED, MSG_NOSIGNAL) < 0)
            break;
    _exit(0);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

/* The CPU of both for each of `count`; without asking, that of the pace. */
static double measure(double rate, int count, bool asks)
{
    int pair[2], epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    long step = (long)(1e9 / rate);
    const struct itimerspec pace = {{step / 1000000000, step % 1000000000}, {0, 1}};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 || epoll < 0 || timer < 0 ||
        timerfd_settime(timer, 0, &pace, NULL) < 0)
        die("sockets");
    pid_t other = fork();
    if (other == 0) {
        close(pair[0]);
        answer(pair[1]);
    }
    close(pair[1]);
    watch(epoll, pair[0]);
    watch(epoll, timer);
    char text[ASKED] = {0};
    double own = cpu_us(RUSAGE_SELF), children = cpu_us(RUSAGE_CHILDREN);
    for (int done = 0; done < count;) {
        struct epoll_event event;
        uint64_t ticks;
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            die("epoll_wait");
        if (event.data.fd == pair[0]) {
            if (recv(pair[0], text, sizeof(text), 0) <= 0)
                die("recv");
            done++;
        } else if (read(timer, &ticks, sizeof(ticks)) > 0) {
            done += !asks;
            if (asks && send(pair[0], text, sizeof(text), MSG_NOSIGNAL) < 0)
                die("send");
        }
    }
    own = cpu_us(RUSAGE_SELF) - own;
    close(pair[0]);
    waitpid(other, NULL, 0);
    close(epoll);
    close(timer);
    return (own + cpu_us(RUSAGE_CHILDREN) - children) / count;
}

int main(int argc, char **argv)
{
    double rate = argc == 3 ? atof(argv[1]) : 0, seconds = argc == 3 ? atof(argv[2]) : 0;
    if (rate <= 0 || seconds <= 0) {
        fprintf(stderr, "pair RATE SECONDS\n");
        return 2;
    }
    int count = (int)(rate * seconds);
    double pace = measure(rate, count, false);
    printf("pair_us=%.1f\n", measure(rate, count, true) - pace);
    return 0;
}
