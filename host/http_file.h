/* http_file.h - a body that goes out in pieces, for host/http_file.c and http_pieces.c
 * only. The thread pool reads a piece and compresses it, the loop writes it, and so on: an
 * answer holds one piece, and neither the disk nor the compression holds up the loop. A
 * body that is too large to be compressed on the loop goes the same way: as a file that
 * lies in memory.
 *
 * Invariant: between the first job and the end exactly one thing is under way, a job in
 * the pool or a write; its callback is the only place that goes on with the file or frees
 * it. */
#pragma once
#include "http_conn.h"
#include <sys/stat.h>

struct http_file {
    uv_work_t work;
    uv_write_t write;
    struct http_server *server; /* counted: the job may outlive everything else */
    struct http_req *req;       /* while opening; NULL once stopped */
    struct http_conn *conn;     /* while streaming; NULL once aborted */
    char *path;
    int fd;
    char *memory; /* what is read instead of fd; owned */
    bool head_only;
    bool may_chunk;         /* HTTP/1.0 knows no chunks */
    bool outside;           /* the slice is not inside the file */
    int error;              /* errno of the last job */
    int64_t offset, left;   /* of the slice: what is not read yet */
    struct buf head;        /* begun when sending, completed when the length is known */
    struct buf zipped_head; /* the same for the compressed body; empty: not wanted */

    bool zip;       /* what is sent is compressed */
    bool chunked;   /* ... and nobody knows how long it will be */
    bool gzip_open; /* `gzip` is in use */
    z_stream gzip;
    struct buf raw, zipped; /* a piece as it was read, and compressed */
    const char *data;       /* what is sent of the present piece: one of them */
    size_t len;
    size_t unsent;      /* of it, counted with http_unsent_add */
    char size_line[16]; /* of a chunk */

    bool may_keep;            /* what it becomes, for the next who asks */
    struct http_zipped *kept; /* by an earlier request; counted. NULL: nothing */
    bool hit;                 /* it is what the file is now: nothing was read */
    struct stat st;

    http_file_cb done;
    void *done_arg;
};

struct http_file *http_file_new(struct http_req *req);
void http_file_free(struct http_file *file);

/* In the pool: the first piece, of fd or memory; the whole of what is compressed at once
 * and has a known length then. On failure file->error is set. */
void http_file_first(struct http_file *file);

/* The first piece is there: answers the settled request. */
void http_file_begin(struct http_file *file, struct http_req *req);
