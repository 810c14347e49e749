/* sandbox_process.h - the loop of a process that runs what strangers wrote (sandbox_vm.h) for any
 * number of workers: connections, releases, runs, and whose turn it is.
 *
 * It knows neither files nor clocks nor other processes; the zygote has put it into its jail. What
 * it answers is for its workers to check. */
#pragma once
#include <stddef.h>

/* Serves until it was told to end and no run is open, or the zygote is gone; returns the exit
 * code. `control_fd` is the socket that connections come over; all releases together have
 * `memory_max` bytes. */
int sandbox_process_serve(int control_fd, size_t memory_max);
