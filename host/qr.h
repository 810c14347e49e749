/* qr.h - QR codes (ISO/IEC 18004), by libqrencode. Nothing waits. */
#pragma once
#include "err.h"
#include <stddef.h>

enum {
    QR_BYTES_MAX = 2331, /* of a text: the largest symbol at this level of correction */
    QR_SIDE_MAX = 177, /* modules on each side of the largest symbol, without a margin */
    QR_MODULES_MAX = QR_SIDE_MAX * QR_SIDE_MAX,
};

/* The smallest symbol that holds the bytes and survives the loss of 15 % (level M). Writes its
 * modules, row by row, '1' for the dark ones and '0', no NUL, and returns how many there are on
 * each side. -1 with ERR_TOO_LARGE for too many bytes, ERR_INVALID for none. */
int qr_encode(const void *data, size_t len, char modules[QR_MODULES_MAX],
              struct err *err);
