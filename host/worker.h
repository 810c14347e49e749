/* worker.h - a process that runs Lua: one loop, one current VM, the modules of struct host. */
#pragma once
#include <stddef.h>

struct conf;
struct counters;
struct heartbeat;
struct limits;
struct metrics;

struct worker_setup {
    const struct conf *conf;
    const char *root; /* of the generation to begin with */
    int argc;
    char **argv;
    const char *role;      /* "http" or "job" */
    int index;             /* 1.. within the role */
    const int *listeners;  /* listening sockets, ended by -1; the worker owns them */
    int channel;           /* to the master (channel.h); owned */
    struct limits *limits; /* this and the next three are of all workers together */
    struct metrics *metrics;
    struct counters *counters;
    struct heartbeat *heart;
    size_t slot; /* of this worker in `heart` */
};

/* Runs until SIGTERM or the end of the master; returns the exit code. Call right after fork. */
int worker_main(const struct worker_setup *setup);
