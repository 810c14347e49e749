/* Locks of an open file description (F_OFD_SETLK) belong to who opened the file, not to a thread:
 * which of the places are this process's own, it must know itself. */
#include "turnstile.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* For those who are woken to come before this process's next: a hash takes 200 of these. */
enum { WAY_US = 1000 };

struct turnstile {
    int fd;
    atomic_uint_fast64_t own; /* a bit for each place that this process has */
};

_Static_assert(TURNSTILE_PLACES < 64, "the places are bits of a word");

static int lock(struct turnstile *turnstile, int command, short type, int byte)
{
    struct flock wanted = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int rc;
    while ((rc = fcntl(turnstile->fd, command, &wanted)) < 0 && errno == EINTR)
        ;
    return rc;
}

struct turnstile *turnstile_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, errno, path);
        return NULL;
    }
    struct turnstile *turnstile = mem_new(sizeof(*turnstile));
    turnstile->fd = fd;
    atomic_init(&turnstile->own, 0);
    return turnstile;
}

void turnstile_close(struct turnstile *turnstile)
{
    if (turnstile)
        close(turnstile->fd);
    free(turnstile);
}

int turnstile_queue(struct turnstile *turnstile, struct err *err)
{
    for (int place = 1; place <= TURNSTILE_PLACES; place++) {
        uint_fast64_t bit = UINT64_C(1) << place;
        if (atomic_fetch_or(&turnstile->own, bit) & bit)
            continue;
        if (lock(turnstile, F_OFD_SETLK, F_WRLCK, place) == 0)
            return place;
        atomic_fetch_and(&turnstile->own, ~bit);
    }
    return err_set(err, ERR_BUSY, "too much work waiting");
}

void turnstile_forgo(struct turnstile *turnstile, int place)
{
    lock(turnstile, F_OFD_SETLK, F_UNLCK, place);
    atomic_fetch_and(&turnstile->own, ~(UINT64_C(1) << place));
}

void turnstile_enter(struct turnstile *turnstile, int place)
{
    lock(turnstile, F_OFD_SETLKW, F_WRLCK, 0);
    turnstile_forgo(turnstile, place);
}

void turnstile_leave(struct turnstile *turnstile)
{
    lock(turnstile, F_OFD_SETLK, F_UNLCK, 0);
    if (atomic_load(&turnstile->own))
        usleep(WAY_US);
}
