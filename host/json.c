/* A recursive descent over the bytes, one event per token.
 *
 * Speed comes from three things: strings without escapes are handed on where they lie,
 * found by a table lookup per byte; integers are summed up directly; and so are decimals
 * of up to 15 digits, for which one division by an exact power of ten rounds correctly
 * (Clinger). Only what remains goes through strtod - the process must keep the "C" locale
 * it starts with. */
#include "json.h"
#include "buf.h"
#include "plain.h"
#include "utf8.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXACT_DIGITS = 15, /* any integer of that many digits is a double */
    EXACT_POWER = 22,  /* 10^22 is the largest power of ten that is one */
    SHORT_DECIMALS = 7,
};
#define EXACT_INTEGER 9007199254740992.0 /* 2^53 */

struct reader {
    const char *start, *at, *end;
    unsigned depth, max_depth;
    const struct json_events *events;
    void *arg;
    struct buf *scratch;
    struct err *err;
};

static const double powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static int invalid(struct reader *r, const char *what)
{
    return err_set(r->err, ERR_INVALID, "%s at byte %zu", what,
                   (size_t)(r->at - r->start));
}

/* `what` for a byte that should not be there; the text may also just have ended. */
static int unexpected(struct reader *r, const char *what)
{
    return invalid(r, r->at == r->end ? "unexpected end" : what);
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static bool take(struct reader *r, char byte)
{
    if (r->at == r->end || *r->at != byte)
        return false;
    r->at++;
    return true;
}

static bool at_digit(const struct reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static int read_word(struct reader *r, const char *word, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return invalid(r, "unknown word");
    r->at += len;
    return 0;
}

/* Adds digits to *mantissa and returns how many there were; beyond 19 the sum means
 * nothing, and the caller does not use it beyond EXACT_DIGITS. */
static size_t read_digits(struct reader *r, uint64_t *mantissa)
{
    const char *first = r->at;
    for (; at_digit(r); r->at++)
        *mantissa = *mantissa * 10 + (uint64_t)(*r->at - '0');
    return (size_t)(r->at - first);
}

static int read_slow_number(struct reader *r, const char *first, double *value)
{
    r->scratch->len = 0;
    buf_append(r->scratch, first, (size_t)(r->at - first));
    *value = strtod(buf_cstr(r->scratch), NULL);
    if (!isinf(*value))
        return 0;
    r->at = first;
    return invalid(r, "number too large");
}

static int read_number(struct reader *r)
{
    const char *first = r->at;
    uint64_t mantissa = 0, exponent = 0;
    bool negative = take(r, '-'), has_exponent = false;
    size_t fraction = 0;
    bool zero_first = r->at < r->end && *r->at == '0';
    size_t digits = read_digits(r, &mantissa);
    if (!digits)
        return unexpected(r, "no digit in a number");
    if (zero_first && digits > 1)
        return invalid(r, "a number starts with 0");
    if (take(r, '.')) {
        fraction = read_digits(r, &mantissa);
        if (!fraction)
            return unexpected(r, "no digit behind the point");
    }
    if (take(r, 'e') || take(r, 'E')) {
        has_exponent = true;
        if (!take(r, '+'))
            take(r, '-');
        if (!read_digits(r, &exponent))
            return unexpected(r, "no digit in the exponent");
    }
    double value;
    if (digits + fraction <= EXACT_DIGITS && !has_exponent) {
        value = (double)mantissa / powers[fraction];
        value = negative ? -value : value;
    } else if (read_slow_number(r, first, &value) < 0) {
        return -1;
    }
    r->events->number(r->arg, value);
    return 0;
}

static int read_hex4(struct reader *r, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char digit = r->at < r->end ? *r->at : '\0', letter = digit | 0x20;
        if (digit >= '0' && digit <= '9')
            *code = *code << 4 | (uint32_t)(digit - '0');
        else if (letter >= 'a' && letter <= 'f')
            *code = *code << 4 | (uint32_t)(letter - 'a' + 10);
        else
            return unexpected(r, "no hex digit in an escape");
        r->at++;
    }
    return 0;
}

static int read_unicode_escape(struct reader *r)
{
    uint32_t code, low;
    const char *first = r->at;
    if (read_hex4(r, &code) < 0)
        return -1;
    if (code >= 0xd800 && code <= 0xdfff) {
        if (code >= 0xdc00 || !take(r, '\\') || !take(r, 'u') || read_hex4(r, &low) < 0 ||
            low < 0xdc00 || low > 0xdfff) {
            r->at = first;
            return invalid(r, "unpaired surrogate");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    r->scratch->len += utf8_encode(code, buf_reserve(r->scratch, 4));
    return 0;
}

static int read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (take(r, 'u'))
        return read_unicode_escape(r);
    const char *found = r->at < r->end ? memchr(from, *r->at, sizeof(from) - 1) : NULL;
    if (!found)
        return unexpected(r, "unknown escape");
    r->at++;
    buf_putc(r->scratch, to[found - from]);
    return 0;
}

/* Behind the opening quote. Until the first escape nothing is copied. */
static int read_string(struct reader *r, void (*event)(void *, const char *, size_t))
{
    const char *run = r->at; /* what is not in scratch yet */
    bool copied = false;
    r->scratch->len = 0;
    for (;;) {
        r->at = plain_run(r->at, r->end);
        if (r->at == r->end)
            return unexpected(r, "");
        unsigned char byte = (unsigned char)*r->at;
        if (byte >= 0x80) {
            size_t width = utf8_width(r->at, (size_t)(r->end - r->at));
            if (!width)
                return invalid(r, "no UTF-8");
            r->at += width;
            continue;
        }
        if (byte < 0x20)
            return invalid(r, "control character in a string");
        size_t len = (size_t)(r->at - run);
        if (byte == '"' && !copied) {
            r->at++;
            event(r->arg, run, len);
            return 0;
        }
        buf_append(r->scratch, run, len);
        copied = true;
        r->at++;
        if (byte == '"') {
            event(r->arg, r->scratch->data ? r->scratch->data : "", r->scratch->len);
            return 0;
        }
        if (read_escape(r) < 0)
            return -1;
        run = r->at;
    }
}

static int enter(struct reader *r)
{
    if (r->depth == r->max_depth)
        return err_set(r->err, JSON_TOO_DEEP, "more than %u levels at byte %zu",
                       r->max_depth, (size_t)(r->at - r->start));
    r->depth++;
    r->at++;
    skip_space(r);
    return 0;
}

static int read_value(struct reader *r);

static int read_array(struct reader *r)
{
    if (enter(r) < 0)
        return -1;
    r->events->open_array(r->arg);
    if (!take(r, ']')) {
        do {
            skip_space(r);
            if (read_value(r) < 0)
                return -1;
            skip_space(r);
        } while (take(r, ','));
        if (!take(r, ']'))
            return unexpected(r, "no comma or ] in an array");
    }
    r->depth--;
    r->events->close_array(r->arg);
    return 0;
}

static int read_member(struct reader *r)
{
    if (!take(r, '"'))
        return unexpected(r, "no key in an object");
    if (read_string(r, r->events->key) < 0)
        return -1;
    skip_space(r);
    if (!take(r, ':'))
        return unexpected(r, "no colon behind a key");
    skip_space(r);
    return read_value(r);
}

static int read_object(struct reader *r)
{
    if (enter(r) < 0)
        return -1;
    r->events->open_object(r->arg);
    if (!take(r, '}')) {
        do {
            skip_space(r);
            if (read_member(r) < 0)
                return -1;
            skip_space(r);
        } while (take(r, ','));
        if (!take(r, '}'))
            return unexpected(r, "no comma or } in an object");
    }
    r->depth--;
    r->events->close_object(r->arg);
    return 0;
}

static int read_value(struct reader *r)
{
    if (r->at == r->end)
        return unexpected(r, "");
    switch (*r->at) {
    case '{':
        return read_object(r);
    case '[':
        return read_array(r);
    case '"':
        r->at++;
        return read_string(r, r->events->string);
    case 't':
        if (read_word(r, "true", 4) < 0)
            return -1;
        r->events->boolean(r->arg, true);
        return 0;
    case 'f':
        if (read_word(r, "false", 5) < 0)
            return -1;
        r->events->boolean(r->arg, false);
        return 0;
    case 'n':
        if (read_word(r, "null", 4) < 0)
            return -1;
        r->events->null(r->arg);
        return 0;
    default:
        if (*r->at == '-' || at_digit(r))
            return read_number(r);
        return invalid(r, "no value");
    }
}

int json_read(const char *text, size_t len, unsigned max_depth,
              const struct json_events *events, void *arg, struct buf *scratch,
              size_t *offset, struct err *err)
{
    struct reader r = {
        .start = text,
        .at = text,
        .end = text + len,
        .max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX,
        .events = events,
        .arg = arg,
        .scratch = scratch,
        .err = err,
    };
    skip_space(&r);
    int rc = read_value(&r);
    if (rc == 0) {
        skip_space(&r);
        if (r.at != r.end)
            rc = invalid(&r, "something behind the value");
    }
    if (rc < 0 && offset)
        *offset = (size_t)(r.at - r.start);
    return rc;
}

/* Writes the digits of `number` so that they end before `end`; returns the first. */
static char *digits_before(char *end, uint64_t number)
{
    do
        *--end = (char)('0' + number % 10);
    while (number /= 10);
    return end;
}

/* The same for a positive value that is an integer or has few decimals, such as
 * coordinates have; NULL for any other. `scaled` has at most 15 digits, so the division
 * rounds as reading the text does: when it gives the value back, the text is exact. */
static char *short_number_before(char *end, double value)
{
    if (value <= EXACT_INTEGER && value == (double)(uint64_t)value)
        return digits_before(end, (uint64_t)value);
    double scaled = nearbyint(value * powers[SHORT_DECIMALS]);
    if (scaled >= powers[EXACT_DIGITS] || scaled / powers[SHORT_DECIMALS] != value)
        return NULL;
    uint64_t number = (uint64_t)scaled;
    int decimals = SHORT_DECIMALS;
    for (; number % 10 == 0; number /= 10)
        decimals--;
    for (; decimals; decimals--, number /= 10)
        *--end = (char)('0' + number % 10);
    *--end = '.';
    return digits_before(end, number);
}

bool json_write_number(struct buf *buf, double value)
{
    enum { ROOM = 32 }; /* -1.7976931348623157e+308 has 24 */
    if (isnan(value) || isinf(value))
        return false;
    char digits[ROOM], *end = digits + sizeof(digits);
    char *first = short_number_before(end, fabs(value));
    if (first) {
        if (value < 0)
            *--first = '-';
        buf_append(buf, first, (size_t)(end - first));
        return true;
    }
    char *out = buf_reserve(buf, ROOM);
    int len = 0;
    for (int precision = 15; precision <= 17; precision++) {
        len = snprintf(out, ROOM, "%.*g", precision, value);
        if (strtod(out, NULL) == value)
            break;
    }
    buf->len += (size_t)len;
    return true;
}
