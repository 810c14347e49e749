/* TLS over socket pairs: a client of OpenSSL's on one end, plain bytes on the other, the
 * loop turned in between. The certificate is made here. */
#include "check.h"
#include "tls.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 3 * 1000 * 1000, PIECE = 64 * 1024, TURNS = 100 };
#define PATIENCE_MS ((unsigned)patiently(5000))

static uv_loop_t loop;
static SSL_CTX *client_context;
static struct tls *tls;
static char dir[] = "/tmp/test-tls-XXXXXX";
static char certificate[64], key[64], other_key[64];

/* A client's connection and the plain end of the server's. */
struct pair {
    int fd, plain;
    SSL *ssl;
};

static void save_key(const char *path, EVP_PKEY *pkey)
{
    FILE *file = fopen(path, "w");
    CHECK(file && PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
}

static void make_certificate(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pkey);
    X509_NAME *name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1,
                               -1, 0);
    X509_set_issuer_name(x509, name);
    CHECK(X509_sign(x509, pkey, EVP_sha256()) > 0);
    FILE *file = fopen(certificate, "w");
    CHECK(file && PEM_write_X509(file, x509) == 1);
    fclose(file);
    save_key(key, pkey);
    save_key(other_key, other);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(other);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static uint64_t deadline(void)
{
    return uv_hrtime() / 1000000 + PATIENCE_MS;
}

static bool in_time(uint64_t end)
{
    turn();
    return uv_hrtime() / 1000000 < end;
}

static bool handshake(struct pair *pair)
{
    int result = -1;
    for (uint64_t end = deadline(); result != 1 && in_time(end);) {
        result = SSL_connect(pair->ssl);
        int want = SSL_get_error(pair->ssl, result);
        if (result != 1 && want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
            return false;
    }
    return result == 1;
}

static void open_raw(struct pair *pair)
{
    const unsigned time = (unsigned)patiently(300);
    const struct tls_times times = {time, time};
    int ends[2];
    struct err err;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    pair->fd = ends[0];
    pair->ssl = SSL_new(client_context);
    SSL_set_fd(pair->ssl, ends[0]);
    uv_update_time(&loop); /* what came before may have taken its time */
    pair->plain = tls_accept(tls, &loop, ends[1], times, &err);
    CHECK(pair->plain >= 0);
}

static void open_pair(struct pair *pair)
{
    open_raw(pair);
    CHECK(handshake(pair));
}

/* Closes both ends; everything of the server's must be gone soon after. */
static void close_pair(struct pair *pair)
{
    SSL_free(pair->ssl);
    if (pair->fd >= 0)
        close(pair->fd);
    if (pair->plain >= 0)
        close(pair->plain);
    uint64_t end = deadline();
    while (uv_loop_alive(&loop) && in_time(end)) {
    }
    CHECK(!uv_loop_alive(&loop));
}

/* Whatever comes out of the plain end until `len` bytes or its end; the count. */
static size_t receive_plain(struct pair *pair, char *out, size_t len, bool *eof)
{
    size_t got = 0;
    *eof = false;
    for (uint64_t end = deadline(); got < len && !*eof && in_time(end);) {
        ssize_t n = recv(pair->plain, out + got, len - got, 0);
        *eof = n == 0 || (n < 0 && errno != EAGAIN);
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

static size_t receive_tls(struct pair *pair, char *out, size_t len, bool *eof)
{
    size_t got = 0;
    *eof = false;
    for (uint64_t end = deadline(); got < len && !*eof && in_time(end);) {
        int n = SSL_read(pair->ssl, out + got, (int)(len - got));
        int want = SSL_get_error(pair->ssl, n);
        *eof = n <= 0 && want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE;
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

static void passes_bytes_both_ways(void)
{
    struct pair pair;
    char text[16];
    bool eof;
    open_pair(&pair);
    CHECK(SSL_write(pair.ssl, "question", 8) == 8);
    CHECK(receive_plain(&pair, text, 8, &eof) == 8 && !memcmp(text, "question", 8));
    CHECK(send(pair.plain, "answer", 6, 0) == 6);
    CHECK(receive_tls(&pair, text, 6, &eof) == 6 && !memcmp(text, "answer", 6));
    CHECK(SSL_version(pair.ssl) == TLS1_3_VERSION);
    close_pair(&pair);
}

/* How much of LARGE bytes is handed over at once. */
static size_t piece(size_t done)
{
    return LARGE - done < PIECE ? LARGE - done : PIECE;
}

/* What one side sends while the other reads nothing is bounded, and arrives whole when it
 * does. */
static void holds_back_who_is_not_read(void)
{
    struct pair pair;
    char *bytes = malloc(LARGE), *out = malloc(LARGE);
    bool eof;
    for (int i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    open_pair(&pair);
    size_t sent = 0;
    for (int idle = 0; idle < TURNS && sent < LARGE; turn()) {
        ssize_t n = send(pair.plain, bytes + sent, piece(sent), 0);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
    }
    CHECK(sent > 0 && sent < LARGE);
    size_t got = 0;
    for (uint64_t end = deadline(); got < LARGE && in_time(end);) {
        ssize_t n = send(pair.plain, bytes + sent, piece(sent), MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        int read = SSL_read(pair.ssl, out + got, (int)piece(got));
        got += read > 0 ? (size_t)read : 0;
    }
    CHECK(got == LARGE && !memcmp(bytes, out, LARGE));
    sent = got = 0;
    for (int idle = 0; idle < TURNS && sent < LARGE; turn()) {
        int n = SSL_write(pair.ssl, bytes + sent, (int)piece(sent));
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
    }
    CHECK(sent > 0 && sent < LARGE);
    for (uint64_t end = deadline(); got < LARGE && in_time(end);) {
        int n = sent < LARGE ? SSL_write(pair.ssl, bytes + sent, (int)piece(sent)) : 0;
        sent += n > 0 ? (size_t)n : 0;
        got += receive_plain(&pair, out + got, LARGE - got < 5000 ? LARGE - got : 5000,
                             &eof);
    }
    CHECK(got == LARGE && !memcmp(bytes, out, LARGE));
    close_pair(&pair);
    free(bytes);
    free(out);
}

static void passes_each_end_on_by_itself(void)
{
    struct pair pair;
    char text[16];
    bool eof;
    open_pair(&pair);
    CHECK(SSL_write(pair.ssl, "last", 4) == 4);
    CHECK(SSL_shutdown(pair.ssl) == 0);
    CHECK(receive_plain(&pair, text, 16, &eof) == 4 && eof);
    CHECK(send(pair.plain, "still", 5, 0) == 5);
    CHECK(receive_tls(&pair, text, 5, &eof) == 5 && !memcmp(text, "still", 5));
    close(pair.plain);
    pair.plain = -1;
    CHECK(receive_tls(&pair, text, 1, &eof) == 0 && eof);
    CHECK(SSL_get_shutdown(pair.ssl) & SSL_RECEIVED_SHUTDOWN);
    close_pair(&pair);
    open_pair(&pair); /* the plain end first */
    CHECK(send(pair.plain, "bye", 3, 0) == 3);
    shutdown(pair.plain, SHUT_WR);
    CHECK(receive_tls(&pair, text, 16, &eof) == 3 && eof);
    CHECK(SSL_write(pair.ssl, "more", 4) == 4);
    CHECK(receive_plain(&pair, text, 4, &eof) == 4 && !memcmp(text, "more", 4));
    close_pair(&pair);
}

static void survives_who_vanishes(void)
{
    struct pair pair;
    char text[16];
    bool eof;
    open_pair(&pair);
    close(pair.fd); /* no close_notify */
    pair.fd = -1;
    CHECK(receive_plain(&pair, text, 16, &eof) == 0 && eof);
    close_pair(&pair);
    open_pair(&pair);
    char *bytes = calloc(1, LARGE);
    ssize_t some = send(pair.plain, bytes, LARGE, 0); /* nobody reads it */
    CHECK(some > 0);
    close(pair.plain);
    pair.plain = -1;
    uint64_t end = deadline(); /* tls_times.idle_ms ends it */
    while (uv_loop_alive(&loop) && in_time(end)) {
    }
    CHECK(!uv_loop_alive(&loop));
    free(bytes);
    close_pair(&pair);
}

static void ends_a_handshake_that_fails(void)
{
    struct pair pair;
    char text[16];
    bool eof;
    open_raw(&pair);
    CHECK(send(pair.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0) == 18);
    CHECK(receive_plain(&pair, text, 16, &eof) == 0 && eof);
    close_pair(&pair);
    open_raw(&pair); /* not a byte: tls_times.handshake_ms ends it */
    CHECK(receive_plain(&pair, text, 16, &eof) == 0 && eof);
    close_pair(&pair);
    open_raw(&pair);
    SSL_set_max_proto_version(pair.ssl, TLS1_1_VERSION);
    CHECK(!handshake(&pair));
    close_pair(&pair);
}

static void says_what_is_wrong_with_the_files(void)
{
    struct err err;
    CHECK(!tls_new("/nowhere", key, &err));
    CHECK_STR(err.code, ERR_INVALID);
    CHECK(strstr(err.message, "/nowhere"));
    CHECK(!tls_new(certificate, other_key, &err));
    CHECK(strstr(err.message, "other"));
    CHECK(!tls_new(key, key, &err));
    CHECK(tls_reload(tls, &err) == 0);
    rename(certificate, other_key);
    CHECK(tls_reload(tls, &err) < 0);
    struct pair pair;
    open_pair(&pair); /* with the one before */
    close_pair(&pair);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    CHECK(mkdtemp(dir) != NULL);
    snprintf(certificate, sizeof(certificate), "%s/chain.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    snprintf(other_key, sizeof(other_key), "%s/other.pem", dir);
    make_certificate();
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(client_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    struct err err;
    tls = tls_new(certificate, key, &err);
    CHECK(tls != NULL);
    RUN(passes_bytes_both_ways);
    RUN(holds_back_who_is_not_read);
    RUN(passes_each_end_on_by_itself);
    RUN(survives_who_vanishes);
    RUN(ends_a_handshake_that_fails);
    RUN(says_what_is_wrong_with_the_files);
    tls_free(tls);
    SSL_CTX_free(client_context);
    CHECK(uv_loop_close(&loop) == 0);
    unlink(certificate);
    unlink(key);
    unlink(other_key);
    CHECK(rmdir(dir) == 0);
    return check_result("tls");
}
