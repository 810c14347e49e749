/* host.h - what one process holds: the loop and the modules that live on it.
 *
 * Made by worker.c (or cli.c), handed to whatever needs a neighbour. A module that a role does
 * not need is NULL: a CLI command has no listener, a job worker no HTTP server. Everything here
 * outlives every generation of Lua. */
#pragma once
#include <uv.h>

struct conf;
struct db_pool;
struct redis;
struct http_server;
struct ws_hub;
struct http_client;
struct smtp;
struct image_client;
struct sandbox_client;
struct work;
struct counters;
struct limits;
struct metrics;
struct heartbeat;
struct vm;

struct host {
    uv_loop_t *loop;
    const struct conf *conf; /* NULL only while `core.config` itself is being evaluated */
    const char *role;        /* "http", "job", "cli" */
    int index;               /* 1.. within the role */
    int argc;                /* the command's arguments, for the command line */
    char **argv;
    struct vm *vm; /* the generation new requests go to; NULL before the first is ready */
    struct db_pool *db;
    struct redis *redis;
    struct http_server *http;
    struct ws_hub *ws;
    struct image_client *image;
    struct sandbox_client *sandbox;
    struct http_client *http_client;
    struct smtp *smtp;
    struct work *work;
    struct limits *limits;     /* shared by a server's processes; a command has its own */
    struct metrics *metrics;   /* the same */
    struct counters *counters; /* the same */
    struct heartbeat *heart;   /* NULL where no master watches */
    size_t slot;               /* this process's in it */
};
