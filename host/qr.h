/* qr.h - QR codes (ISO/IEC 18004), by libqrencode. Nothing waits. */
#pragma once
#include "err.h"
#include <stddef.h>

enum {
    QR_BYTES_MAX = 2331, /* of a text: the largest symbol at this level of correction */
};

struct qr {
    int size;      /* modules on each side, without the margin */
    char *modules; /* size * size characters '0' or '1' (dark), row by row; no NUL */
};

/* The smallest symbol that holds the bytes and survives the loss of 15 % (level M). -1 with
 * ERR_TOO_LARGE for too many of them, ERR_INVALID for none. qr_free when it succeeded. */
int qr_encode(const void *data, size_t len, struct qr *qr, struct err *err);

void qr_free(struct qr *qr);
