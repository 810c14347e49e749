/* image_process.h - the process that decodes pictures: jailed, replaceable, one job at a
 * time.
 *
 * Runs in a child that the master forked before it started any thread, and is started
 * again by the master whenever it ends. A job that takes longer than image.timeout_ms,
 * needs too much memory or breaks a library ends the process; the workers notice by their
 * connection. */
#pragma once

struct conf;

/* `listen_fd` is a listening, non-blocking SOCK_SEQPACKET socket; several processes may
 * share it. Returns the exit code for the child: only when it cannot start, or when the
 * socket is gone. */
int image_process_main(int listen_fd, const struct conf *conf);
