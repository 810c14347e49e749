/* OpenSSL on one end, a socket pair on the other, and between them a pump: the plain side
 * stays an ordinary socket, so that the HTTP server and whoever takes a connection over
 * from it know nothing of TLS. It costs two copies, and a connection nothing but its
 * handles and OpenSSL's state while it is idle: bytes wait in a buffer only where the
 * other side takes no more, and then nothing further is read (back-pressure).
 *
 * Two directions, `up` to the plain end and `down` to the client. Each ends on its own: the
 * client's close_notify becomes a shutdown of the plain end, the plain end's EOF a
 * close_notify. When both are over, or anything fails, the connection is closed. */
#include "tls.h"
#include "buf.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORD = 16 * 1024,
    ROUNDS = 16,        /* records of one connection before the others have their turn */
    FAREWELL_MS = 3000, /* for the client's close, after ours */
    HANDLES = 3,
};

struct tls {
    SSL_CTX *context;
    char *certificate, *key;
};

struct tls_conn {
    SSL *ssl;
    int net_fd, plain_fd;
    uv_poll_t net, plain;
    int net_events, plain_events; /* what is polled for */
    uv_timer_t timer;
    unsigned handles; /* not closed yet */
    struct tls_times times;
    struct buf up, down; /* read on one side, not taken by the other */
    bool established, closing;
    bool read_wants_write, write_wants_read; /* what OpenSSL needs to go on */
    bool up_over;   /* nothing more comes from the client, or nobody reads it */
    bool down_over; /* the plain end is at its end */
    bool farewell;  /* and that is told to the client */
};

/* Every connection of the thread reads here, and nothing stays in it. It holds the largest
 * record, so that OpenSSL keeps no bytes back of which the socket would not tell. */
static _Thread_local char scratch[RECORD];

/* ---- The certificate ---- */

static int fail(struct err *err, const char *what)
{
    char text[256] = "unknown";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what, text);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *load(const char *certificate, const char *key, struct err *err)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        fail(err, "TLS");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     /* HTTP's framing tells what was cut off */
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do */
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    const char *wrong = NULL;
    if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        wrong = "TLS";
    else if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        wrong = certificate;
    else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(context) != 1)
        wrong = key;
    if (wrong) {
        fail(err, wrong);
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

struct tls *tls_new(const char *certificate, const char *key, struct err *err)
{
    SSL_CTX *context = load(certificate, key, err);
    if (!context)
        return NULL;
    struct tls *tls = mem_new(sizeof(*tls));
    *tls = (struct tls){context, mem_strdup(certificate), mem_strdup(key)};
    return tls;
}

int tls_reload(struct tls *tls, struct err *err)
{
    SSL_CTX *context = load(tls->certificate, tls->key, err);
    if (!context)
        return -1;
    SSL_CTX_free(tls->context); /* connections hold theirs */
    tls->context = context;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls->certificate);
    free(tls->key);
    free(tls);
}

/* ---- A connection ---- */

static void on_closed(uv_handle_t *handle)
{
    struct tls_conn *conn = handle->data;
    if (--conn->handles > 0)
        return;
    SSL_free(conn->ssl);
    close(conn->net_fd);
    close(conn->plain_fd);
    buf_free(&conn->up);
    buf_free(&conn->down);
    free(conn);
}

static void conn_close(struct tls_conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    uv_close((uv_handle_t *)&conn->net, on_closed);
    uv_close((uv_handle_t *)&conn->plain, on_closed);
    uv_close((uv_handle_t *)&conn->timer, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    conn_close(timer->data);
}

static void set_deadline(struct tls_conn *conn, unsigned ms)
{
    uv_timer_start(&conn->timer, on_timeout, ms, 0);
}

static int wanted(struct tls_conn *conn, int result)
{
    return SSL_get_error(conn->ssl, result);
}

static void handshake(struct tls_conn *conn)
{
    ERR_clear_error();
    int result = SSL_accept(conn->ssl);
    if (result == 1) {
        conn->established = true;
        conn->read_wants_write = false;
        uv_timer_stop(&conn->timer); /* from here on the plain end has its deadlines */
        return;
    }
    int want = wanted(conn, result);
    conn->read_wants_write = want == SSL_ERROR_WANT_WRITE;
    if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
        conn_close(conn);
}

/* To the plain end; what it does not take is kept. False when it takes nothing more. */
static bool put_up(struct tls_conn *conn, const char *data, size_t len)
{
    ssize_t sent = send(conn->plain_fd, data, len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conn->up_over = true; /* closed there: what the client sends is for nobody */
        buf_free(&conn->up);
        return false;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (conn->up.len)
        buf_consume(&conn->up, taken);
    else
        buf_append(&conn->up, data + taken, len - taken);
    return !conn->up.len;
}

static void pump_up(struct tls_conn *conn)
{
    if (conn->up.len && !put_up(conn, conn->up.data, conn->up.len))
        return;
    buf_free(&conn->up);
    for (int i = 0; i < ROUNDS && !conn->up_over && !conn->closing; i++) {
        ERR_clear_error();
        int got = SSL_read(conn->ssl, scratch, sizeof(scratch));
        conn->read_wants_write = false;
        if (got > 0) {
            if (!put_up(conn, scratch, (size_t)got))
                return;
            continue;
        }
        int want = wanted(conn, got);
        conn->read_wants_write = want == SSL_ERROR_WANT_WRITE;
        if (want == SSL_ERROR_ZERO_RETURN) {
            conn->up_over = true;
            shutdown(conn->plain_fd, SHUT_WR);
        } else if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) {
            conn_close(conn);
        }
        return;
    }
}

/* To the client; what it does not take is kept. False when it takes no more now. */
static bool put_down(struct tls_conn *conn, const char *data, size_t len)
{
    size_t taken = 0;
    conn->write_wants_read = false;
    while (taken < len) {
        ERR_clear_error();
        int sent = SSL_write(conn->ssl, data + taken, (int)(len - taken));
        if (sent > 0) {
            taken += (size_t)sent;
            continue;
        }
        int want = wanted(conn, sent);
        conn->write_wants_read = want == SSL_ERROR_WANT_READ;
        if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) {
            conn_close(conn);
            return false;
        }
        break;
    }
    if (conn->down.len)
        buf_consume(&conn->down, taken);
    else
        buf_append(&conn->down, data + taken, len - taken);
    /* A client that takes nothing more hides from us whether the plain end is still open:
     * each stall has its deadline, progress renews it. */
    if (!conn->down.len)
        uv_timer_stop(&conn->timer);
    else if (taken || !uv_is_active((uv_handle_t *)&conn->timer))
        set_deadline(conn, conn->times.idle_ms);
    return !conn->down.len;
}

static void say_farewell(struct tls_conn *conn)
{
    conn->farewell = true;
    ERR_clear_error();
    SSL_shutdown(conn->ssl); /* if the socket takes no more, the end itself must do */
    shutdown(conn->net_fd, SHUT_WR);
    set_deadline(conn, FAREWELL_MS);
}

static void pump_down(struct tls_conn *conn)
{
    if (conn->down.len && !put_down(conn, conn->down.data, conn->down.len))
        return;
    buf_free(&conn->down);
    for (int i = 0; i < ROUNDS && !conn->down_over; i++) {
        ssize_t got = recv(conn->plain_fd, scratch, sizeof(scratch), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            conn->down_over = true;
        } else if (!put_down(conn, scratch, (size_t)got)) {
            return;
        }
    }
    if (conn->down_over && !conn->farewell)
        say_farewell(conn);
}

static void on_net(uv_poll_t *poll, int status, int events);
static void on_plain(uv_poll_t *poll, int status, int events);

static void poll_for(uv_poll_t *poll, int *now, int events, uv_poll_cb callback)
{
    if (*now == events)
        return;
    *now = events;
    if (events)
        uv_poll_start(poll, events, callback);
    else
        uv_poll_stop(poll);
}

/* Moves what can be moved, then waits for what is missing. */
static void run(struct tls_conn *conn)
{
    if (!conn->established)
        handshake(conn);
    if (conn->established && !conn->closing)
        pump_up(conn);
    if (conn->established && !conn->closing)
        pump_down(conn);
    if (conn->up_over && conn->farewell)
        conn_close(conn);
    if (conn->closing)
        return;
    bool reads = !conn->established || (!conn->up_over && !conn->up.len);
    int net =
        (reads && !conn->read_wants_write) || conn->write_wants_read ? UV_READABLE : 0;
    if (conn->read_wants_write || (conn->down.len && !conn->write_wants_read))
        net |= UV_WRITABLE;
    int plain = conn->up.len && !conn->up_over ? UV_WRITABLE : 0;
    if (conn->established && !conn->down.len && !conn->down_over)
        plain |= UV_READABLE;
    poll_for(&conn->net, &conn->net_events, net, on_net);
    poll_for(&conn->plain, &conn->plain_events, plain, on_plain);
}

static void on_net(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0)
        conn_close(poll->data);
    else
        run(poll->data);
}

static void on_plain(uv_poll_t *poll, int status, int events)
{
    struct tls_conn *conn = poll->data;
    (void)events;
    if (status < 0) { /* libuv stopped it: reading tells what is wrong */
        conn->plain_events = 0;
        conn->up_over = true;
    }
    run(conn);
}

int tls_accept(struct tls *tls, uv_loop_t *loop, int fd, struct tls_times times,
               struct err *err)
{
    int pair[2];
    SSL *ssl = SSL_new(tls->context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        close(fd);
        return fail(err, "TLS");
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        int number = errno;
        SSL_free(ssl);
        close(fd);
        return err_errno(err, number, "socketpair");
    }
    struct tls_conn *conn = mem_new(sizeof(*conn));
    conn->ssl = ssl;
    conn->net_fd = fd;
    conn->plain_fd = pair[0];
    conn->times = times;
    conn->handles = HANDLES;
    uv_poll_init(loop, &conn->net, fd);
    uv_poll_init(loop, &conn->plain, pair[0]);
    uv_timer_init(loop, &conn->timer);
    conn->net.data = conn->plain.data = conn->timer.data = conn;
    set_deadline(conn, times.handshake_ms);
    run(conn);
    return pair[1];
}
