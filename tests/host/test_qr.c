/* QR codes: their shape, and what does not fit. That readers read them is tests/http's matter. */
#include "check.h"
#include "qr.h"
#include <stdbool.h>
#include <string.h>

static struct err err;

/* The finder pattern whose upper left corner is at (x, y), ISO/IEC 18004 section 6.3.3. */
static bool has_finder(const struct qr *qr, int x, int y)
{
    static const char pattern[] = "1111111"
                                  "1000001"
                                  "1011101"
                                  "1011101"
                                  "1011101"
                                  "1000001"
                                  "1111111";
    for (int i = 0; i < 49; i++)
        if (qr->modules[(y + i / 7) * qr->size + x + i % 7] != pattern[i])
            return false;
    return true;
}

static void makes_a_symbol(void)
{
    static const char text[] =
        "otpauth://totp/Fixxit:ann%40x.example?secret=JBSWY3DPEHPK3PXP";
    struct qr qr;
    CHECK(qr_encode(text, strlen(text), &qr, &err) == 0);
    CHECK(qr.size == 33); /* version 4 holds 62 bytes at level M */
    CHECK(has_finder(&qr, 0, 0));
    CHECK(has_finder(&qr, qr.size - 7, 0));
    CHECK(has_finder(&qr, 0, qr.size - 7));
    CHECK(!has_finder(&qr, qr.size - 7, qr.size - 7));
    qr_free(&qr);
    CHECK(qr.modules == NULL);
}

static void holds_any_bytes(void)
{
    static char bytes[QR_BYTES_MAX + 1];
    struct qr qr;
    CHECK(qr_encode("\0\xff", 2, &qr, &err) == 0);
    CHECK(qr.size == 21);
    qr_free(&qr);
    memset(bytes, 'x', sizeof(bytes));
    CHECK(qr_encode(bytes, QR_BYTES_MAX, &qr, &err) == 0);
    CHECK(qr.size == 177);
    qr_free(&qr);
    CHECK(qr_encode(bytes, QR_BYTES_MAX + 1, &qr, &err) < 0);
    CHECK_STR(err.code, ERR_TOO_LARGE);
    CHECK(qr_encode("", 0, &qr, &err) < 0);
    CHECK_STR(err.code, ERR_INVALID);
}

int main(void)
{
    RUN(makes_a_symbol);
    RUN(holds_any_bytes);
    return check_result("qr");
}
