/* json.h - JSON as events (RFC 8259, strict) and the two tokens that are hard to write.
 */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>

struct buf;

#define JSON_TOO_DEEP                                                                    \
    "TOO_DEEP" /* more arrays and objects inside each other than allowed */

enum {
    JSON_DEPTH = 32,      /* what is enough for anything a client sends */
    JSON_DEPTH_MAX = 512, /* the reader recurses: the most a caller may allow */
};

/* Called in the order of the text; text is only valid during the call and has no NUL
 * behind it. A handler may longjmp out of json_read: the reader owns nothing. */
struct json_events {
    void (*null)(void *arg);
    void (*boolean)(void *arg, bool value);
    void (*number)(void *arg, double value);
    void (*string)(void *arg, const char *text, size_t len);
    void (*open_array)(void *arg);
    void (*close_array)(void *arg);
    void (*open_object)(void *arg);
    void (*key)(void *arg, const char *text, size_t len); /* its value follows */
    void (*close_object)(void *arg);
};

/* Reads exactly one value, white space around it allowed. No byte order mark, no
 * comments, no unpaired surrogates, no bytes that are not UTF-8, no numbers beyond a
 * double. Duplicate keys are all reported. `scratch` is for unescaping; its content is
 * lost. Returns 0, or -1 with
 * `*offset` (NULL allowed) the byte where the error is; err->code ERR_INVALID or
 * JSON_TOO_DEEP. Events before the error have been delivered by then. */
int json_read(const char *text, size_t len, unsigned max_depth,
              const struct json_events *events, void *arg, struct buf *scratch,
              size_t *offset, struct err *err);

/* Appends a number so that reading it gives the same double, integers up to 2^53 without
 * exponent; false (nothing appended) for NaN and infinities. Strings: buf_json_string. */
bool json_write_number(struct buf *buf, double value);
