/* A magic number must be at offset 0 and complete. What follows it is the decoder's to
 * check. */
#include "image_sniff.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char *const names[IMAGE_FORMATS] = {
    [IMAGE_UNKNOWN] = "unknown", [IMAGE_JPEG] = "jpeg", [IMAGE_PNG] = "png",
    [IMAGE_WEBP] = "webp",       [IMAGE_GIF] = "gif",   [IMAGE_HEIC] = "heic",
    [IMAGE_AVIF] = "avif",       [IMAGE_PDF] = "pdf",
};

static bool at(const uint8_t *data, size_t len, size_t offset, const char *magic,
               size_t size)
{
    return len >= offset + size && memcmp(data + offset, magic, size) == 0;
}

static enum image_format brand_format(const uint8_t *brand)
{
    static const struct {
        char brand[5];
        enum image_format format;
    } brands[] = {
        {"avif", IMAGE_AVIF}, {"avis", IMAGE_AVIF}, {"heic", IMAGE_HEIC},
        {"heix", IMAGE_HEIC}, {"heim", IMAGE_HEIC}, {"heis", IMAGE_HEIC},
        {"hevc", IMAGE_HEIC}, {"hevx", IMAGE_HEIC},
    };
    for (size_t i = 0; i < sizeof(brands) / sizeof(brands[0]); i++)
        if (memcmp(brand, brands[i].brand, 4) == 0)
            return brands[i].format;
    return IMAGE_UNKNOWN;
}

/* ISO base media: a box "ftyp" of the size in the first four bytes: major brand, version,
 * then compatible brands. The generic major brand mif1 leaves it to the compatible ones.
 */
static enum image_format sniff_ftyp(const uint8_t *data, size_t len)
{
    if (!at(data, len, 4, "ftyp", 4) || len < 16)
        return IMAGE_UNKNOWN;
    size_t size = (size_t)data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3];
    if (size < len)
        len = size;
    if (len > IMAGE_SNIFF_BYTES)
        len = IMAGE_SNIFF_BYTES;
    if (len < 16)
        return IMAGE_UNKNOWN;
    enum image_format format = brand_format(data + 8);
    bool generic = memcmp(data + 8, "mif1", 4) == 0 || memcmp(data + 8, "msf1", 4) == 0;
    for (size_t i = 16; generic && format == IMAGE_UNKNOWN && i + 4 <= len; i += 4)
        format = brand_format(data + i);
    return format;
}

enum image_format image_sniff(const void *data, size_t len)
{
    if (at(data, len, 0, "\xff\xd8\xff", 3))
        return IMAGE_JPEG;
    if (at(data, len, 0, "\x89PNG\r\n\x1a\n", 8))
        return IMAGE_PNG;
    if (at(data, len, 0, "GIF87a", 6) || at(data, len, 0, "GIF89a", 6))
        return IMAGE_GIF;
    if (at(data, len, 0, "RIFF", 4) && at(data, len, 8, "WEBP", 4))
        return IMAGE_WEBP;
    if (at(data, len, 0, "%PDF-", 5))
        return IMAGE_PDF;
    return sniff_ftyp(data, len);
}

const char *image_format_name(enum image_format format)
{
    return names[(unsigned)format < IMAGE_FORMATS ? format : IMAGE_UNKNOWN];
}

enum image_format image_format_parse(const char *name)
{
    for (int i = IMAGE_UNKNOWN + 1; i < IMAGE_FORMATS; i++)
        if (strcmp(names[i], name) == 0)
            return (enum image_format)i;
    return IMAGE_UNKNOWN;
}
