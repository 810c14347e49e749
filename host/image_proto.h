/* image_proto.h - what a worker and the image process say to each other.
 *
 * A Unix SOCK_SEQPACKET socket, one packet per message. The worker sends a request with
 * its files as descriptors (SCM_RIGHTS): the input to read, and for IMAGE_CLEAN and
 * IMAGE_THUMBNAIL the output to write. The process answers IMAGE_STARTED when it takes
 * the request up, and once more when it is done. A worker whose connection breaks thus
 * knows whether its picture was the one under work. A connection has one request under
 * way at a time; a worker makes one for each, which an idle process accepts.
 *
 * The process has seen hostile bytes: the worker checks every field of a reply. */
#pragma once
#include "image_sniff.h"
#include <stdint.h>

enum {
    IMAGE_PROTO = 0x494d4701,    /* changes with the layout: old and new never mix */
    IMAGE_FILE_MAX = 32 << 20,   /* bytes of an input */
    IMAGE_OUTPUT_MAX = 64 << 20, /* bytes of an output */
    IMAGE_SIDE_MAX = 4096,       /* pixels of a thumbnail's side */
};

enum image_op { IMAGE_INSPECT, IMAGE_CLEAN, IMAGE_THUMBNAIL };

enum image_fit {
    IMAGE_INSIDE,  /* within width x height, never enlarged */
    IMAGE_COVER,   /* exactly width x height, what stands over is cut off */
    IMAGE_CONTAIN, /* exactly width x height, the rest is white, or transparent with alpha
                    */
};

struct image_request {
    uint32_t proto;
    uint32_t id;      /* comes back in the replies */
    uint32_t op;      /* enum image_op */
    uint32_t format;  /* of the output, enum image_format; IMAGE_UNKNOWN: as the input */
    uint32_t quality; /* 1..100 */
    uint32_t fit;     /* enum image_fit; the rest for IMAGE_THUMBNAIL only */
    uint32_t width, height;
};

enum image_status {
    IMAGE_STARTED,
    IMAGE_OK,
    IMAGE_INVALID,   /* no picture, damaged, or a type that is not allowed */
    IMAGE_TOO_LARGE, /* more pixels or bytes than configured */
    IMAGE_FAILED,    /* our fault: the output could not be written */
    IMAGE_DISK_FULL, /* there was no room for the output */
    IMAGE_STATUSES
};

struct image_reply {
    uint32_t proto;
    uint32_t id;
    uint32_t status; /* enum image_status */
    uint32_t format; /* inspect: of the input; else of the output */
    uint32_t width,
        height;     /* inspect: as stored, before rotation, 0 when unknown; else output */
    uint32_t pages; /* of the input, 0 when unknown */
    uint32_t orientation; /* of the input, 1..8, EXIF's numbers */
    uint32_t has_gps;
    uint32_t reserved;
    double latitude, longitude; /* degrees, WGS 84 */
    char message[200];          /* why not; NUL-terminated */
};
