/* sandbox_zygote.h - the process that sandbox processes are forked from.
 *
 * It jails itself and then serves the workers that connect: a sandbox process per name, made when
 * somebody asks for a connection to it, ended when it is the one unused for longest and room is
 * needed, when a worker says that it answers nobody, or when it works though nobody asked it to. See
 * sandbox_proto.h.
 *
 * SIGTERM: it takes no more connections, tells its processes to end and ends after the last of
 * them. The processes die with it, and it dies with its parent. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { ZYGOTE_PROCESSES_MAX = 4096 };

struct sandbox_zygote_options {
    size_t processes;  /* at a time */
    size_t memory_max; /* bytes for the scripts of each */
    uint64_t look_ms;  /* between looks for those that work unasked: more than
                          the second in which workers speak of those in use */
};

/* `listen_fd` is a listening, non-blocking SOCK_SEQPACKET socket. Our memory is that of our
 * children, so there must be nothing in it: see sandbox_launch.h. Returns the exit code. */
int sandbox_zygote_serve(int listen_fd, const struct sandbox_zygote_options *options);
