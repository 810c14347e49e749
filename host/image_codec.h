/* image_codec.h - pictures in memory, by libvips. Used by the image process only. */
#pragma once
#include "buf.h"
#include "err.h"
#include "image_proto.h"
#include <stdbool.h>

struct image_limits {
    int64_t pixels; /* width x height x pages of an input */
    bool heic;      /* HEIC and AVIF may be read */
};

/* Starts libvips with only the allowed loaders and uses each of them once, so that
 * nothing is left to be loaded or read from files later. Once per process, before the
 * jail is closed. */
int image_codec_init(const struct image_limits *limits, struct err *err);

/* Does what `request` (its fields checked) says to the file `data`. Fills everything in
 * `reply` but proto and id, and `output` (empty before) when the status is IMAGE_OK and
 * the operation has one. Metadata never reaches the output; colours are sRGB. */
void image_codec_run(const struct image_request *request, const void *data, size_t len,
                     const struct image_limits *limits, struct image_reply *reply,
                     struct buf *output);
