/* QR codes: their shape, and what does not fit. That readers read them is tests/http's matter. */
#include "check.h"
#include "qr.h"
#include <stdbool.h>
#include <string.h>

static struct err err;
static char modules[QR_MODULES_MAX];

static int encode(const void *data, size_t len)
{
    err = (struct err){0};
    return qr_encode(data, len, modules, &err);
}

/* The finder pattern whose upper left corner is at (x, y), ISO/IEC 18004 section 6.3.3. */
static bool has_finder(int size, int x, int y)
{
    static const char pattern[] = "1111111"
                                  "1000001"
                                  "1011101"
                                  "1011101"
                                  "1011101"
                                  "1000001"
                                  "1111111";
    for (int i = 0; i < 49; i++)
        if (modules[(y + i / 7) * size + x + i % 7] != pattern[i])
            return false;
    return true;
}

static void makes_a_symbol(void)
{
    static const char text[] =
        "otpauth://totp/Fixxit:ann%40x.example?secret=JBSWY3DPEHPK3PXP";
    int size = encode(text, strlen(text));
    CHECK(size == 33); /* version 4 holds 62 bytes at level M */
    CHECK(has_finder(size, 0, 0));
    CHECK(has_finder(size, size - 7, 0));
    CHECK(has_finder(size, 0, size - 7));
    CHECK(!has_finder(size, size - 7, size - 7));
}

static void holds_any_bytes(void)
{
    static char bytes[QR_BYTES_MAX + 1];
    CHECK(encode("\0\xff", 2) == 21);
    memset(bytes, 'x', sizeof(bytes));
    CHECK(encode(bytes, QR_BYTES_MAX) == QR_SIDE_MAX);
    CHECK(encode(bytes, QR_BYTES_MAX + 1) < 0);
    CHECK_STR(err.code, ERR_TOO_LARGE);
    CHECK(encode("", 0) < 0);
    CHECK_STR(err.code, ERR_INVALID);
}

int main(void)
{
    RUN(makes_a_symbol);
    RUN(holds_any_bytes);
    return check_result("qr");
}
