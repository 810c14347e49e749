/* jpeg_eighth.h - a JPEG at an eighth of its sides. Used by the image process only.
 *
 * A pixel of it is the mean of a block of 8 x 8, and that is the block's first coefficient.
 * The other 63 have to be passed over, which is most of the work: here several at a time,
 * by a table, where libjpeg takes them one by one.
 *
 * Takes what cameras write: Huffman codes, 8 bits, all of it in one scan, grey or YCbCr.
 * Whatever else it is, and whatever is damaged in the least, is for libvips to judge. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct jpeg_eighth {
    int width, height;     /* an eighth, rounded up */
    int bands;             /* 1: grey, 3: red, green, blue */
    unsigned char *pixels; /* the caller's to free(); rows without gaps */
};

/* False, and nothing in `small`, when the file is not of that kind. Takes memory for an
 * eighth of the sides that the file claims, if it is long enough to hold as much. */
bool jpeg_eighth(const void *data, size_t len, struct jpeg_eighth *small);
