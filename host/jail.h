/* jail.h - gives up everything that decoding hostile bytes does not need. Irrevocable. */
#pragma once
#include "err.h"

/* From here on this process and its threads can compute, allocate, start threads, use the
 * descriptors they hold and receive more through a socket. They cannot open or stat a
 * file, make a socket, start a process, execute a program, signal another process or make
 * memory executable: such calls fail with EPERM. The process is killed when its parent
 * dies.
 *
 * Closes every descriptor but 0, 1, 2 and `keep_fd`; root becomes nobody; memory,
 * descriptors and the size of written files are limited. Everything that libraries load
 * or read lazily must have happened before. Call with one thread: others would keep their
 * rights. */
int jail_enter(int keep_fd, struct err *err);
