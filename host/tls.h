/* tls.h - TLS in front of what speaks plain bytes: a connection goes in, the plain end of
 * it comes out as an ordinary stream socket.
 *
 * Everything runs on the loop's thread, and no function waits. TLS 1.2 and later, forward
 * secrecy always, ALPN http/1.1. */
#pragma once
#include "err.h"
#include <uv.h>

struct tls; /* a certificate chain and its key, reloadable; connections outlive it */

/* Reads both PEM files. NULL INVALID with what is wrong with them. */
struct tls *tls_new(const char *certificate, const char *key, struct err *err);

/* Reads them anew: later connections get them, present ones keep theirs. -1 INVALID: the
 * ones before stay in use. */
int tls_reload(struct tls *tls, struct err *err);

void tls_free(struct tls *tls); /* NULL is allowed */

struct tls_times {
    unsigned handshake_ms; /* all of it */
    unsigned idle_ms;      /* a client that takes nothing of what waits for it */
};

/* Takes over `fd`, a connected non-blocking stream socket of a client, also on failure.
 * The plain end, non-blocking, which is the caller's: what is written there goes to the
 * client, what the client sends comes out; a half-close passes both ways. A failed
 * handshake is an end without a byte. -1 when the system refuses. */
int tls_accept(struct tls *tls, uv_loop_t *loop, int fd, struct tls_times times,
               struct err *err);
