/* The descriptor is close-on-exec: only a hand-off lets it through (handoff.h). */
#include "shared.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *map(int fd, size_t size)
{
    void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return mapping == MAP_FAILED ? NULL : mapping;
}

/* What an earlier program left, or NULL. */
static struct shared *adopt(int fd, uint32_t layout, size_t size)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0 || stat.st_size != (off_t)size)
        return NULL;
    struct shared *head = map(fd, size);
    if (head && (head->layout != layout || head->size != size)) {
        munmap(head, size);
        head = NULL;
    }
    return head;
}

static struct shared *begin(uint32_t layout, size_t size)
{
    int fd = memfd_create("fixxit", MFD_CLOEXEC);
    struct shared *head =
        fd >= 0 && ftruncate(fd, (off_t)size) == 0 ? map(fd, size) : NULL;
    if (!head) {
        fprintf(stderr, "fixxit: no %zu bytes of shared memory\n", size);
        abort();
    }
    *head = (struct shared){.layout = layout, .fd = fd, .size = size};
    return head;
}

void *shared_take(int fd, uint32_t layout, size_t size, bool *fresh)
{
    struct shared *head = fd >= 0 ? adopt(fd, layout, size) : NULL;
    *fresh = !head;
    if (head)
        head->fd = fd;
    else if (fd >= 0)
        close(fd);
    return head ? head : begin(layout, size);
}

void shared_free(void *mapping)
{
    struct shared *head = mapping;
    if (!head)
        return;
    close(head->fd);
    munmap(head, head->size);
}
