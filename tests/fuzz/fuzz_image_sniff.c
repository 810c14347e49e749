/* image_sniff on any bytes: reads nothing beyond them, and nothing beyond
 * IMAGE_SNIFF_BYTES makes a difference. */
#include "image_sniff.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    enum image_format format = image_sniff(data, len);
    if (image_format_parse(image_format_name(format)) != format)
        abort();
    if (len > IMAGE_SNIFF_BYTES && image_sniff(data, IMAGE_SNIFF_BYTES) != format)
        abort();
    return 0;
}
