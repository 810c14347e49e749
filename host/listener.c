#include "listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, UNSENT_MAX = 131072 };

static int fail(int fd, struct err *err, const char *what)
{
    int number = errno;
    if (fd >= 0)
        close(fd);
    return err_errno(err, number, what);
}

int listener_tcp(const char *address, int port, struct err *err)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    socklen_t size;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        size = sizeof(*v4);
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        size = sizeof(*v6);
    } else {
        return err_set(err, ERR_INVALID, "http.address: %s is no IP address", address);
    }
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return fail(fd, err, "socket");
    if (bind(fd, (struct sockaddr *)&storage, size) < 0) {
        if (errno == EADDRINUSE) {
            close(fd);
            return err_set(
                err, ERR_EXISTS,
                "port %d is in use: stop what listens there or choose another with PORT",
                port);
        }
        return fail(fd, err, "bind");
    }
    /* Connections inherit it: what a slow reader has not taken yet waits in the queue that we
     * count, instead of megabytes of the kernel's. */
    int unsent = UNSENT_MAX;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent)) < 0)
        return fail(fd, err, "setsockopt");
    if (listen(fd, BACKLOG) < 0)
        return fail(fd, err, "listen");
    return fd;
}

static int unix_address(struct sockaddr_un *name, const char *path, struct err *err)
{
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name->sun_path))
        return err_set(
            err, ERR_INVALID,
            "the socket path %s is too long (%zu bytes at most): choose a shorter data "
            "folder",
            path, sizeof(name->sun_path) - 1);
    memcpy(name->sun_path, path, strlen(path) + 1);
    return 0;
}

int listener_connect(const char *path, int type, struct err *err)
{
    struct sockaddr_un name;
    if (unix_address(&name, path, err) < 0)
        return -1;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
        return fail(fd, err, path);
    return fd;
}

int listener_unix(const char *path, int type, struct err *err)
{
    struct sockaddr_un name;
    if (unix_address(&name, path, err) < 0)
        return -1;
    int other = listener_connect(path, type, NULL);
    if (other >= 0) {
        close(other);
        return err_set(err, ERR_EXISTS, "%s: another server runs on this data folder",
                       path);
    }
    unlink(path);
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&name, sizeof(name));
    umask(before);
    if (rc < 0 || listen(fd, BACKLOG) < 0)
        return fail(fd, err, path);
    return fd;
}
