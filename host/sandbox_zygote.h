/* sandbox_zygote.h - the process that sandbox processes are forked from.
 *
 * It jails itself and then serves the workers that connect: a sandbox process per name, made when
 * somebody asks for a connection to it, ended when it is the one unused for longest and room is
 * needed, or when a worker says that it answers nobody. See sandbox_proto.h.
 *
 * SIGTERM: it takes no more connections, tells its processes to end and ends after the last of
 * them. The processes die with it, and it dies with its parent. */
#pragma once
#include <stddef.h>

enum { ZYGOTE_PROCESSES_MAX = 4096 };

/* `listen_fd` is a listening, non-blocking SOCK_SEQPACKET socket. At most `processes` at a time,
 * each with `memory_max` bytes for its scripts. Its memory is that of its children, so there must
 * be nothing in it: see sandbox_launch.h. Returns the exit code. */
int sandbox_zygote_serve(int listen_fd, size_t processes, size_t memory_max);
