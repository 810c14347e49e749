#include "qr.h"
#include "mem.h"
#include <qrencode.h>
#include <stdlib.h>

int qr_encode(const void *data, size_t len, struct qr *qr, struct err *err)
{
    if (len == 0)
        return err_set(err, ERR_INVALID, "there is nothing to encode");
    if (len > QR_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "a code holds at most %d bytes", QR_BYTES_MAX);
    QRcode *code = QRcode_encodeData((int)len, data, 0, QR_ECLEVEL_M);
    if (!code)
        return err_set(err, ERR_TOO_LARGE, "the code cannot be made");
    size_t count = (size_t)code->width * (size_t)code->width;
    qr->size = code->width;
    qr->modules = mem_new(count);
    for (size_t i = 0; i < count; i++)
        qr->modules[i] = code->data[i] & 1 ? '1' : '0';
    QRcode_free(code);
    return 0;
}

void qr_free(struct qr *qr)
{
    free(qr->modules);
    qr->modules = NULL;
}
