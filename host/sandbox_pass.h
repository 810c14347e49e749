/* sandbox_pass.h - packets that carry one descriptor, over Unix sockets that never block. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The descriptor stays the caller's, too. False when the socket did not take it. */
bool sandbox_pass_fd(int to, const void *packet, size_t size, int fd);

/* Takes a packet and the descriptor with it, or -1, which is the caller's. As recv(). */
ssize_t sandbox_take_fd(int from, void *packet, size_t size, int *fd);
