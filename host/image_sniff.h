/* image_sniff.h - what kind of file this is, by its first bytes. Names and declared types
 * are never asked: they come from the client. */
#pragma once
#include <stddef.h>

enum image_format {
    IMAGE_UNKNOWN,
    IMAGE_JPEG,
    IMAGE_PNG,
    IMAGE_WEBP,
    IMAGE_GIF,
    IMAGE_HEIC,
    IMAGE_AVIF,
    IMAGE_PDF, /* recognised, never decoded */
    IMAGE_FORMATS
};

/* As many bytes as image_sniff ever looks at. */
enum { IMAGE_SNIFF_BYTES = 64 };

enum image_format image_sniff(const void *data, size_t len);

/* "jpeg", "png", ... "unknown"; also for values outside the enum. */
const char *image_format_name(enum image_format format);

/* The other way round; IMAGE_UNKNOWN for any other text. */
enum image_format image_format_parse(const char *name);
