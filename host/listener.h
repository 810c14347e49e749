/* listener.h - sockets that the master binds once and its processes inherit: a worker that
 * restarts loses no waiting connection (a closed SO_REUSEPORT socket would). */
#pragma once
#include "err.h"

/* A listening TCP socket on an IPv4 or IPv6 address (no names); the fd, or -1. */
int listener_tcp(const char *address, int port, struct err *err);

/* A listening Unix socket of `type` (SOCK_STREAM, SOCK_SEQPACKET) with mode 0600. A stale file
 * is replaced; one that answers is left alone and reported as ERR_EXISTS. The fd, or -1. */
int listener_unix(const char *path, int type, struct err *err);

/* Connects to such a socket, blocking; the fd, or -1. */
int listener_connect(const char *path, int type, struct err *err);
