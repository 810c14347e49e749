/* smtp.h - hands mails to a mail server (RFC 5321), over STARTTLS or TLS.
 *
 * The work is done in threads of its own, as libcurl waits for the answer to QUIT in a blocking
 * way; they start with the first mail. The server is the operator's: its address is not
 * questioned. */
#pragma once
#include "err.h"
#include <stddef.h>
#include <uv.h>

#define SMTP_REFUSED "REFUSED"     /* the server said no for good (5xx) */
#define SMTP_TEMPORARY "TEMPORARY" /* the server said no for now (4xx) */
#define SMTP_TLS_FAILED "TLS"      /* no trusted, secure connection */

struct smtp; /* one per process */
struct smtp_mail;

enum { SMTP_TO_MAX = 100, SMTP_ADDRESS_MAX = 320 };

enum smtp_tls {
    SMTP_TLS_REQUIRED,
    SMTP_TLS_OPTIONAL, /* where the server offers it; with a user it is required */
    SMTP_TLS_NONE,
};

struct smtp_options {
    const char
        *url; /* smtp://host:port, smtps://host:port (TLS from the start); a path is the
                         name that we greet with */
    const char
        *from; /* bare addresses; "" for mails that must not be answered by machines */
    const char *const *to;
    size_t to_count;
    const char *message; /* header and body; every line ends in CRLF */
    size_t len;
    const char *user, *password; /* NULL: no authentication */
    enum smtp_tls tls;
    const char
        *ca_file; /* PEM of the authorities to trust instead of the system's; or NULL */
    unsigned timeout_ms; /* for everything, waiting for a thread included */
};

/* Once, from the loop. `err` is NULL when the server took the mail for all recipients; else
 * REFUSED, TEMPORARY, TLS, TIMEOUT, UNAVAILABLE (not reached, or lost: it may have been taken),
 * CLOSED. One refused recipient refuses the mail. */
typedef void (*smtp_done_cb)(void *arg, const struct err *err);

struct smtp *smtp_new(uv_loop_t *loop);

/* Breaks off what is under way (within a second, which it waits for), calls `done` with CLOSED
 * for all. Run the loop afterwards. NULL is allowed. */
void smtp_close(struct smtp *smtp);

/* Copies the options. NULL with INVALID (URL, an address, a line end) or BUSY: then `done` does
 * not run. */
struct smtp_mail *smtp_send(struct smtp *smtp, const struct smtp_options *options,
                            smtp_done_cb done, void *arg, struct err *err);

/* Before `done` ran: it will not. The mail is broken off unless the server has taken it. */
void smtp_cancel(struct smtp_mail *mail);
