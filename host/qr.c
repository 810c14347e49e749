#include "qr.h"
#include <qrencode.h>

int qr_encode(const void *data, size_t len, char modules[QR_MODULES_MAX], struct err *err)
{
    if (len == 0)
        return err_set(err, ERR_INVALID, "there is nothing to encode");
    if (len > QR_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "a code holds at most %d bytes", QR_BYTES_MAX);
    QRcode *code = QRcode_encodeData((int)len, data, 0, QR_ECLEVEL_M);
    if (!code)
        return err_set(err, ERR_INTERNAL, "the code cannot be made");
    int size = code->width;
    for (int i = 0; i < size * size; i++)
        modules[i] = code->data[i] & 1 ? '1' : '0';
    QRcode_free(code);
    return size;
}
