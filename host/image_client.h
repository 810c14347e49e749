/* image_client.h - a worker's side of the image process: a bounded queue and one
 * connection.
 *
 * Files are opened, hashed and removed in the thread pool. Each job has a connection of its
 * own, which the image process that is idle takes, where there are several. A picture that killed it
 * fails with INVALID and is not tried again; one that was still waiting its turn is sent
 * to the next process. */
#pragma once
#include "err.h"
#include "image_proto.h"
#include <stdbool.h>
#include <stdint.h>

struct host;
struct image_client;
struct image_job;

struct image_options {
    enum image_op op;
    const char *in;
    const char *out;          /* replaced; NULL for IMAGE_INSPECT */
    enum image_format format; /* of the output; IMAGE_UNKNOWN: as the input */
    int quality;              /* 1..100 */
    enum image_fit fit; /* this and the sides (1..IMAGE_SIDE_MAX) for IMAGE_THUMBNAIL */
    int width, height;
};

struct image_result {
    enum image_format format; /* inspect: of the input; else of the output */
    int width, height;        /* inspect: as stored, 0 when unknown; else of the output */
    int pages;                /* of the input, 0 when unknown */
    int orientation;          /* of the input, 1..8 */
    bool has_gps;
    double latitude, longitude; /* degrees */
    int64_t size;               /* bytes of the output */
    char sha256[65];            /* of the output, in hex */
};

/* Runs once, from the loop. Exactly one of `result` and `err` is NULL. Codes: INVALID (no
 * picture, damaged, not allowed), TOO_LARGE (pixels or bytes), UNAVAILABLE (no image
 * process), TIMEOUT, NOT_FOUND (the input), DISK_FULL, IO, CLOSED (the client closes). On
 * failure there is no output file. */
typedef void (*image_done_cb)(void *arg, const struct image_result *result,
                              const struct err *err);

struct image_stats {
    uint64_t done, failed; /* since the start; cancelled ones are neither */
};
struct image_stats image_client_stats(const struct image_client *client);

/* Reads image.socket, image.timeout_ms and image.queue_max from the host's configuration.
 * Does not connect yet. */
struct image_client *image_client_new(struct host *host);

/* Fails what is under way with CLOSED; the memory goes when the loop has closed the
 * handles. */
void image_client_close(struct image_client *client);

/* Copies the options and returns at once; NULL with BUSY when the queue is full. The job
 * is valid until `done` runs. */
struct image_job *image_start(struct image_client *client,
                              const struct image_options *options, image_done_cb done,
                              void *arg, struct err *err);

/* `done` does not run any more; the output file, if any, is removed. */
void image_cancel(struct image_job *job);
