/* The layout is the protocol's: little-endian numbers of fixed size, times as a length
 * byte and as many fields as are not zero, everything else as a length and bytes. */
#include "db_wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t take(const unsigned char **at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)(*at)[i] << (8 * i);
    *at += bytes;
    return value;
}

/* Up to 250 in one byte; 252, 253, 254 announce 2, 3, 8 bytes. */
static uint64_t take_length(const unsigned char **at)
{
    unsigned first = (unsigned)take(at, 1);
    if (first < 251)
        return first;
    return take(at, first == 252 ? 2 : first == 253 ? 3 : 8);
}

static void set_integer(struct db_value *cell, const MYSQL_FIELD *field, uint64_t bits,
                        unsigned bytes)
{
    cell->kind = DB_INTEGER;
    if (field->flags & UNSIGNED_FLAG) {
        if (bits <= INT64_MAX) {
            cell->integer = (int64_t)bits;
        } else {
            cell->kind = DB_NUMBER;
            cell->number = (double)bits;
        }
        return;
    }
    unsigned shift = 64 - 8 * bytes;
    cell->integer = (int64_t)(bits << shift) >> shift;
}

static void set_text(struct db_value *cell, const char *text, size_t len)
{
    cell->kind = DB_TEXT;
    cell->text = text;
    cell->len = len;
}

/* Two or more digits, left to right; returns the place behind them. */
static char *put(char *out, unsigned value, unsigned digits, char after)
{
    for (unsigned i = digits; i--; value /= 10)
        out[i] = (char)('0' + value % 10);
    out[digits] = after;
    return out + digits + 1;
}

static void decode_time_point(const unsigned char *at, size_t len, bool date_only,
                              char *scratch, struct db_value *cell)
{
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0;
    if (len >= 4) {
        year = (unsigned)take(&at, 2);
        month = *at++;
        day = *at++;
    }
    if (len >= 7) {
        hour = *at++;
        minute = *at++;
        second = *at++;
    }
    if (len >= 11)
        micros = (unsigned)take(&at, 4);
    char *out = put(scratch, year, 4, '-');
    out = put(out, month, 2, '-');
    out = put(out, day, 2, 'T');
    if (date_only) {
        out--;
    } else {
        out = put(out, hour, 2, ':');
        out = put(out, minute, 2, ':');
        out = put(out, second, 2, '.');
        out = put(out, micros / 1000, 3, 'Z');
    }
    set_text(cell, scratch, (size_t)(out - scratch));
}

/* TIME is a span: "-838:59:59.000000" at the longest. */
static void decode_span(const unsigned char *at, size_t len, char *scratch,
                        struct db_value *cell)
{
    unsigned negative = 0, hours = 0, minute = 0, second = 0, micros = 0;
    if (len >= 8) {
        negative = *at++;
        hours = (unsigned)take(&at, 4) * 24;
        hours += *at++;
        minute = *at++;
        second = *at++;
    }
    if (len >= 12)
        micros = (unsigned)take(&at, 4);
    int out = snprintf(scratch, DB_SCRATCH, "%s%02u:%02u:%02u", negative ? "-" : "",
                       hours % 10000, minute % 60, second % 60);
    if (micros)
        out +=
            snprintf(scratch + out, DB_SCRATCH - (size_t)out, ".%06u", micros % 1000000);
    set_text(cell, scratch, (size_t)out);
}

static void decode_decimal(const unsigned char *at, size_t len, struct db_value *cell)
{
    char text[80]; /* 65 digits, sign, point */
    if (len >= sizeof(text))
        len = sizeof(text) - 1;
    memcpy(text, at, len);
    text[len] = '\0';
    cell->kind = DB_NUMBER;
    cell->number = strtod(text, NULL);
}

void db_wire_cell(const MYSQL_FIELD *field, const unsigned char **at, char *scratch,
                  struct db_value *cell)
{
    switch (field->type) {
    case MYSQL_TYPE_NULL:
        cell->kind = DB_NULL;
        return;
    case MYSQL_TYPE_TINY:
        set_integer(cell, field, take(at, 1), 1);
        if (field->length == 1) /* BOOLEAN is TINYINT(1) */
            *cell = (struct db_value){.kind = DB_BOOLEAN, .integer = cell->integer != 0};
        return;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
        set_integer(cell, field, take(at, 2), 2);
        return;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
        set_integer(cell, field, take(at, 4), 4);
        return;
    case MYSQL_TYPE_LONGLONG:
        set_integer(cell, field, take(at, 8), 8);
        return;
    case MYSQL_TYPE_FLOAT: {
        uint32_t bits = (uint32_t)take(at, 4);
        float number;
        memcpy(&number, &bits, sizeof(number));
        cell->kind = DB_NUMBER;
        cell->number = number;
        return;
    }
    case MYSQL_TYPE_DOUBLE: {
        uint64_t bits = take(at, 8);
        cell->kind = DB_NUMBER;
        memcpy(&cell->number, &bits, sizeof(cell->number));
        return;
    }
    default:
        break;
    }
    size_t len = take_length(at);
    const unsigned char *body = *at;
    *at += len;
    switch (field->type) {
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        decode_time_point(body, len,
                          field->type == MYSQL_TYPE_DATE ||
                              field->type == MYSQL_TYPE_NEWDATE,
                          scratch, cell);
        return;
    case MYSQL_TYPE_TIME:
        decode_span(body, len, scratch, cell);
        return;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        decode_decimal(body, len, cell);
        return;
    default:
        set_text(cell, (const char *)body, len);
    }
}
