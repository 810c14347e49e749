/* proxy_protocol.h - the header that a load balancer puts before the bytes of a connection
 * (PROXY protocol, versions 1 and 2), so that we learn whom it speaks for. */
#pragma once
#include <stddef.h>

enum {
    PROXY_HEADER_MAX = 16 + 2048, /* with all that version 2 may add; more is refused */
};

struct proxy_header {
    char ip[46]; /* the client's address; "" when the proxy speaks for itself or does not
                    know */
};

/* Looks at the first `len` bytes of a connection. The length of the header when it is
 * complete and well-formed, 0 when more bytes are needed, -1 when it is none. */
int proxy_header_parse(const char *data, size_t len, struct proxy_header *out);
