#include "sandbox_pass.h"
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool sandbox_pass_fd(int to, const void *packet, size_t size, int fd)
{
    union control control = {0};
    struct iovec iov = {(void *)packet, size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

ssize_t sandbox_take_fd(int from, void *packet, size_t size, int *fd)
{
    union control control;
    struct iovec iov = {packet, size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    *fd = -1;
    ssize_t n = recvmsg(from, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *passed = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (passed && passed->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(passed), sizeof(*fd));
    return n;
}
