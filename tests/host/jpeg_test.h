/* jpeg_test.h - JPEGs to read, and what libjpeg makes of them. */
#pragma once
#include "jpeg_eighth.h"
#include <setjmp.h>
#include <stdio.h> /* for jpeglib.h */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct reference {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    jmp_buf broken;
    struct jpeg_eighth small;
    long warnings;
};

static void on_reference_error(j_common_ptr cinfo)
{
    longjmp(((struct reference *)cinfo)->broken, 1);
}

static void on_reference_message(j_common_ptr cinfo, int level)
{
    if (level < 0)
        ((struct reference *)cinfo)->warnings++;
}

static void read_reference(struct reference *r, const void *data, size_t len, int part)
{
    if (setjmp(r->broken)) {
        r->warnings++;
        return;
    }
    jpeg_create_decompress(&r->cinfo);
    jpeg_mem_src(&r->cinfo, data, len);
    jpeg_read_header(&r->cinfo, TRUE);
    r->cinfo.scale_denom = (unsigned)part;
    r->cinfo.do_fancy_upsampling = FALSE;
    jpeg_start_decompress(&r->cinfo);
    r->small.width = (int)r->cinfo.output_width;
    r->small.height = (int)r->cinfo.output_height;
    r->small.bands = r->cinfo.output_components;
    size_t line = (size_t)(r->small.width * r->small.bands);
    r->small.pixels = calloc((size_t)r->small.height, line);
    while (r->cinfo.output_scanline < r->cinfo.output_height) {
        JSAMPROW row = r->small.pixels + r->cinfo.output_scanline * line;
        jpeg_read_scanlines(&r->cinfo, &row, 1);
    }
}

/* What libjpeg makes of it, at an eighth or whole (`part` 8 or 1); false when it complained.
 * The pixels are the caller's to free in any case. */
static inline bool jpeg_reference(const void *data, size_t len, int part,
                                  struct jpeg_eighth *small)
{
    struct reference *r = calloc(1, sizeof(*r));
    r->cinfo.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_reference_error;
    r->errors.emit_message = on_reference_message;
    read_reference(r, data, len, part);
    jpeg_destroy_decompress(&r->cinfo);
    *small = r->small;
    bool sound = r->warnings == 0;
    free(r);
    return sound;
}

/* The largest difference of two samples; 256 when the pictures are not of one size. */
static inline int jpeg_difference(const struct jpeg_eighth *a,
                                  const struct jpeg_eighth *b)
{
    if (a->width != b->width || a->height != b->height || a->bands != b->bands)
        return 256;
    int most = 0;
    for (int i = 0; i < a->width * a->height * a->bands; i++)
        if (abs(a->pixels[i] - b->pixels[i]) > most)
            most = abs(a->pixels[i] - b->pixels[i]);
    return most;
}
