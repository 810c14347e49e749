#include "err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, const char *code, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    return -1;
}

int err_errno(struct err *err, int number, const char *what)
{
    static const struct {
        int number;
        const char *code;
    } codes[] = {
        {ENOENT, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},
        {ENOSPC, ERR_DISK_FULL},
        {EDQUOT, ERR_DISK_FULL},
        {ETIMEDOUT, ERR_TIMEOUT},
        {ECANCELED, ERR_CANCELLED},
        {ECONNREFUSED, ERR_UNAVAILABLE},
        {ECONNRESET, ERR_CLOSED},
        {EPIPE, ERR_CLOSED},
    };
    const char *code = ERR_IO;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].number == number)
            code = codes[i].code;
    char text[128];
    return err_set(err, code, "%s: %s", what, strerror_r(number, text, sizeof(text)));
}

int err_uv(struct err *err, int status, const char *what)
{
    return err_errno(err, -status, what); /* on Unix a libuv status is -errno */
}
