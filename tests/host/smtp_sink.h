/* smtp_sink.h - a mail server for tests: takes mails, refuses them, hangs, or breaks off, as the
 * test sets before each. A thread with blocking calls serves one connection after the other. */
#pragma once
#include "certificate.h"
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* What it does; zero stands for the friendly answer. Not to be changed while a mail is on its
 * way. */
struct sink_manners {
    bool starttls;     /* offers it */
    bool implicit_tls; /* TLS from the start */
    int starttls_code, auth_code, mail_code, rcpt_code, data_code, final_code;
    bool hang_greeting, hang_final, hang_quit; /* says nothing more */
    bool cut_data, cut_final;                  /* closes instead of answering */
};

/* What it saw of the last mail. */
struct sink_mail {
    char from[512], to[2048], auth[512], data[65536];
    size_t data_len;
    bool tls, quit;
    unsigned connections;
};

static struct {
    int listener, port;
    int peer; /* the connection under way, -1 for none */
    pthread_t thread;
    SSL_CTX *context;
    SSL *ssl; /* of the connection under way */
    struct sink_manners manners;
    struct sink_mail mail;
    atomic_bool stop;
} sink;

static inline bool sink_read_byte(char *byte)
{
    return sink.ssl ? SSL_read(sink.ssl, byte, 1) == 1 : recv(sink.peer, byte, 1, 0) == 1;
}

static inline bool sink_say(const char *text)
{
    int len = (int)strlen(text);
    return sink.ssl ? SSL_write(sink.ssl, text, len) == len
                    : send(sink.peer, text, (size_t)len, MSG_NOSIGNAL) == len;
}

/* Without CRLF. */
static inline bool sink_line(char *line, size_t size)
{
    size_t len = 0;
    char byte;
    while (sink_read_byte(&byte)) {
        if (byte == '\n') {
            line[len - (len && line[len - 1] == '\r')] = '\0';
            return true;
        }
        if (len + 1 < size)
            line[len++] = byte;
    }
    return false;
}

/* Until the client has had enough. */
static inline void sink_hang(void)
{
    char byte;
    while (sink_read_byte(&byte))
        ;
}

static inline bool sink_tls(void)
{
    SSL *ssl = SSL_new(sink.context);
    SSL_set_fd(ssl, sink.peer);
    bool ok = SSL_accept(ssl) == 1;
    sink.ssl = ssl;
    sink.mail.tls = ok;
    return ok;
}

static inline bool sink_answer(int code, int friendly)
{
    char line[128];
    snprintf(line, sizeof(line), "%d %s\r\n", code ? code : friendly,
             code >= 400 ? "we would rather not" : "ok");
    return sink_say(line);
}

/* The text up to the lone dot, unstuffed. */
static inline bool sink_data(void)
{
    char line[2048];
    sink.mail.data_len = 0;
    while (sink_line(line, sizeof(line))) {
        if (strcmp(line, ".") == 0)
            return true;
        int n = snprintf(sink.mail.data + sink.mail.data_len,
                         sizeof(sink.mail.data) - sink.mail.data_len, "%s\r\n",
                         line[0] == '.' ? line + 1 : line);
        sink.mail.data_len += (size_t)n;
    }
    return false;
}

/* One command; false ends the connection. */
static inline bool sink_command(const char *line)
{
    const struct sink_manners *manners = &sink.manners;
    if (strncmp(line, "EHLO ", 5) == 0)
        return sink_say(manners->starttls && !sink.ssl
                            ? "250-sink\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"
                            : "250-sink\r\n250 AUTH PLAIN\r\n");
    if (strcmp(line, "STARTTLS") == 0)
        return sink_answer(manners->starttls_code, 220) &&
               (manners->starttls_code || sink_tls());
    if (strncmp(line, "AUTH ", 5) == 0) {
        strcpy(sink.mail.auth, line + 5);
        if (strcmp(line, "AUTH PLAIN") == 0) {
            sink_say("334 \r\n");
            sink_line(sink.mail.auth, sizeof(sink.mail.auth));
        }
        return sink_answer(manners->auth_code, 235);
    }
    if (strncmp(line, "MAIL FROM:", 10) == 0) {
        snprintf(sink.mail.from, sizeof(sink.mail.from), "%.500s", line + 10);
        return sink_answer(manners->mail_code, 250);
    }
    if (strncmp(line, "RCPT TO:", 8) == 0) {
        snprintf(sink.mail.to + strlen(sink.mail.to),
                 sizeof(sink.mail.to) - strlen(sink.mail.to), "%.500s", line + 8);
        return sink_answer(manners->rcpt_code, 250);
    }
    if (strcmp(line, "DATA") == 0) {
        if (manners->cut_data)
            return false;
        if (!sink_answer(manners->data_code, 354) || manners->data_code)
            return true;
        if (!sink_data() || manners->cut_final)
            return false;
        if (manners->hang_final)
            sink_hang();
        return sink_answer(manners->final_code, 250);
    }
    if (strcmp(line, "QUIT") == 0) {
        sink.mail.quit = true;
        if (manners->hang_quit)
            sink_hang();
        sink_answer(0, 221);
        return false;
    }
    return sink_answer(502, 0);
}

static inline void sink_serve(void)
{
    char line[2048];
    bool ok = !sink.manners.implicit_tls || sink_tls();
    if (ok && sink.manners.hang_greeting)
        sink_hang();
    else if (ok && sink_say("220 sink ESMTP\r\n"))
        while (sink_line(line, sizeof(line)) && sink_command(line))
            ;
    SSL_free(sink.ssl);
    sink.ssl = NULL;
    close(sink.peer);
    sink.peer = -1;
}

static inline void *sink_run(void *arg)
{
    (void)arg;
    while ((sink.peer = accept(sink.listener, NULL, NULL)) >= 0 &&
           !atomic_load(&sink.stop)) {
        sink.mail.connections++;
        sink_serve();
    }
    return NULL;
}

/* Forgets the last mail. */
static inline void sink_behave(struct sink_manners manners)
{
    sink.manners = manners;
    memset(&sink.mail, 0, sizeof(sink.mail));
}

/* Needs the certificate of certificate.h. */
static inline void sink_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    sink.context = SSL_CTX_new(TLS_server_method());
    CHECK(SSL_CTX_use_certificate_file(sink.context, servers_path("cert.pem"),
                                       SSL_FILETYPE_PEM) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(sink.context, servers_path("key.pem"),
                                      SSL_FILETYPE_PEM) == 1);
    sink.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(sink.listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(sink.listener, 16) == 0);
    getsockname(sink.listener, (struct sockaddr *)&address, &size);
    sink.port = ntohs(address.sin_port);
    CHECK(pthread_create(&sink.thread, NULL, sink_run, NULL) == 0);
}

static inline void sink_stop(void)
{
    atomic_store(&sink.stop, true);
    shutdown(sink.listener, SHUT_RDWR);
    pthread_join(sink.thread, NULL);
    close(sink.listener);
    SSL_CTX_free(sink.context);
}
