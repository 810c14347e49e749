/* jpeg_eighth on any bytes: what it takes and libjpeg reads without complaint, both make
 * the same of, unless the colours have fewer samples. */
#include "jpeg_test.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool has_half_samples(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i + 17 < len; i++)
        if (data[i] == 0xff && (data[i + 1] == 0xc0 || data[i + 1] == 0xc1) &&
            data[i + 9] == 3 &&
            (data[i + 11] != data[i + 14] || data[i + 11] != data[i + 17]))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct jpeg_eighth small, expected;
    if (!jpeg_eighth(data, len, &small))
        return 0;
    bool sound = jpeg_reference(data, len, 8, &expected);
    if (sound && !has_half_samples(data, len) && jpeg_difference(&small, &expected) > 0)
        abort();
    free(small.pixels);
    free(expected.pixels);
    return 0;
}
