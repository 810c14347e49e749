/* A mail belongs to the loop before and after its job, to the thread meanwhile; only `stop`,
 * which breaks the transfer off, is written by the loop at any time. The connection is not
 * reused: mails are few, and the QUIT at its end must run under the mail's own deadline.
 *
 * Once the server has answered the data with 250 the mail is its own: what happens then, a QUIT
 * that is not answered for one, changes nothing. */
#include "smtp.h"
#include "mem.h"
#include "work.h"
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 4,
    QUIT_MS = 1000,  /* for the answer to QUIT */
    REPLY_MAX = 256, /* bytes kept of what the server says */
    FAILURE = 400,   /* replies from here on */
    PERMANENT = 500,
    DATA_TAKEN = 250,
};

struct smtp {
    uv_loop_t *loop;
    struct work *work; /* NULL before the first mail */
    struct smtp_mail *mails;
    bool closing;
};

struct smtp_mail {
    struct smtp *smtp;
    struct smtp_mail *next, **link;
    smtp_done_cb done; /* NULL once cancelled */
    void *arg;
    char *url, *from, *user, *password, *ca_file, *message;
    struct curl_slist *to;
    size_t len, sent;
    enum smtp_tls tls;
    uint64_t deadline; /* uv_hrtime, ns */
    atomic_bool stop;
    bool taken;            /* the server has the mail */
    char reply[REPLY_MAX]; /* the last refusal */
    struct err err;        /* code NULL: it was sent */
};

/* ---- in a thread ---- */

static uint64_t after_ms(unsigned ms)
{
    return uv_hrtime() + (uint64_t)ms * 1000000;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct smtp_mail *mail = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&mail->stop) || uv_hrtime() >= mail->deadline;
}

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    struct smtp_mail *mail = arg;
    size_t left = mail->len - mail->sent;
    size_t len = left < size * count ? left : size * count;
    memcpy(out, mail->message + mail->sent, len);
    mail->sent += len;
    return len;
}

static void keep_reply(struct smtp_mail *mail, const char *line, size_t len)
{
    size_t kept = len < REPLY_MAX - 1 ? len : REPLY_MAX - 1;
    for (size_t i = 0; i < kept; i++)
        mail->reply[i] = line[i] >= ' ' && line[i] < 127 ? line[i] : ' ';
    while (kept && mail->reply[kept - 1] == ' ')
        kept--;
    mail->reply[kept] = '\0';
}

/* One line of the server. */
static size_t on_reply(char *line, size_t size, size_t count, void *arg)
{
    struct smtp_mail *mail = arg;
    size_t len = size * count;
    bool last = len > 3 && line[3] != '-';
    int code = len >= 3 ? atoi(line) : 0;
    if (code >= FAILURE)
        keep_reply(mail, line, len);
    if (last && code == DATA_TAKEN && mail->len && mail->sent == mail->len &&
        !mail->taken) {
        mail->taken = true;
        uint64_t quit = after_ms(QUIT_MS);
        mail->deadline = quit < mail->deadline ? quit : mail->deadline;
    }
    return len;
}

static void set_options(struct smtp_mail *mail, CURL *easy, long left_ms)
{
    static const long use_ssl[] = {CURLUSESSL_ALL, CURLUSESSL_TRY, CURLUSESSL_NONE};
    curl_easy_setopt(easy, CURLOPT_URL, mail->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_USE_SSL, use_ssl[mail->tls]);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail->from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, mail->to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->len);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, mail);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_reply);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, mail);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, mail);
    if (mail->user) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, mail->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, mail->password);
    }
    if (mail->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, mail->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static const char *code_of(CURLcode result, long reply)
{
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_ABORTED_BY_CALLBACK:
        return ERR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
        return SMTP_TLS_FAILED;
    case CURLE_USE_SSL_FAILED:
        return reply >= FAILURE && reply < PERMANENT ? SMTP_TEMPORARY : SMTP_TLS_FAILED;
    default:
        return reply >= PERMANENT ? SMTP_REFUSED
               : reply >= FAILURE ? SMTP_TEMPORARY
                                  : ERR_UNAVAILABLE;
    }
}

static void run(void *arg)
{
    struct smtp_mail *mail = arg;
    char problem[CURL_ERROR_SIZE] = "";
    uint64_t now = uv_hrtime();
    if (now >= mail->deadline || atomic_load(&mail->stop)) {
        err_set(&mail->err, ERR_TIMEOUT, "no time was left to send the mail");
        return;
    }
    CURL *easy = curl_easy_init();
    if (!easy)
        abort(); /* out of memory */
    set_options(mail, easy, (long)((mail->deadline - now) / 1000000) + 1);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, problem);
    CURLcode result = curl_easy_perform(easy);
    long reply = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply);
    if (result != CURLE_OK && !mail->taken) {
        const char *code = code_of(result, reply);
        bool said = strcmp(code, SMTP_TEMPORARY) == 0 || strcmp(code, SMTP_REFUSED) == 0;
        err_set(&mail->err, code, "%s",
                said && mail->reply[0] ? mail->reply
                : problem[0]           ? problem
                                       : curl_easy_strerror(result));
    }
    curl_easy_cleanup(easy);
}

/* ---- on the loop ---- */

static void mail_free(struct smtp_mail *mail)
{
    *mail->link = mail->next;
    if (mail->next)
        mail->next->link = mail->link;
    curl_slist_free_all(mail->to);
    free(mail->url);
    free(mail->from);
    free(mail->user);
    free(mail->password);
    free(mail->ca_file);
    free(mail->message);
    free(mail);
}

static void on_ran(void *arg, bool ran)
{
    struct smtp_mail *mail = arg;
    if (!ran || (mail->smtp->closing && mail->err.code))
        err_set(&mail->err, ERR_CLOSED, "the process ends");
    if (mail->done)
        mail->done(mail->arg, mail->err.code ? &mail->err : NULL);
    mail_free(mail);
}

/* What could end the command line or the brackets around it has no place in an address. */
static bool is_address(const char *text)
{
    for (const char *byte = text; *byte; byte++)
        if ((unsigned char)*byte <= ' ' || *byte == 127 || *byte == '<' || *byte == '>')
            return false;
    return strlen(text) <= SMTP_ADDRESS_MAX;
}

/* Servers disagree on what a lone CR or LF means; mails have been smuggled that way. */
static bool has_whole_lines(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            return false;
        if (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n'))
            return false;
    }
    return len >= 2 && text[len - 1] == '\n';
}

static bool is_url(const char *text)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    if (!url)
        abort(); /* out of memory */
    bool ok = curl_url_set(url, CURLUPART_URL, text,
                           CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "smtp") == 0 || strcmp(scheme, "smtps") == 0);
    curl_free(scheme);
    curl_url_cleanup(url);
    return ok;
}

static int check(const struct smtp_options *options, struct err *err)
{
    if (!is_url(options->url))
        return err_set(err, ERR_INVALID, "not an smtp or smtps URL without credentials");
    if (options->to_count < 1 || options->to_count > SMTP_TO_MAX)
        return err_set(err, ERR_INVALID, "1 to %d recipients", SMTP_TO_MAX);
    for (size_t i = 0; i < options->to_count; i++)
        if (!options->to[i][0] || !is_address(options->to[i]))
            return err_set(err, ERR_INVALID, "recipient %zu is no address", i + 1);
    if (!is_address(options->from))
        return err_set(err, ERR_INVALID, "the sender is no address");
    if (!has_whole_lines(options->message, options->len))
        return err_set(err, ERR_INVALID, "a line of the message does not end in CRLF");
    return 0;
}

static char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

struct smtp *smtp_new(uv_loop_t *loop)
{
    struct smtp *smtp = mem_new(sizeof(*smtp));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* out of memory */
    smtp->loop = loop;
    return smtp;
}

void smtp_close(struct smtp *smtp)
{
    if (!smtp)
        return;
    smtp->closing = true;
    for (struct smtp_mail *mail = smtp->mails; mail; mail = mail->next)
        atomic_store(&mail->stop, true);
    if (smtp->work)
        work_free(smtp->work);
    free(smtp);
}

struct smtp_mail *smtp_send(struct smtp *smtp, const struct smtp_options *options,
                            smtp_done_cb done, void *arg, struct err *err)
{
    if (check(options, err) < 0)
        return NULL;
    if (!smtp->work)
        smtp->work = work_new(smtp->loop, THREADS, NULL);
    struct smtp_mail *mail = mem_new(sizeof(*mail));
    mail->smtp = smtp;
    mail->done = done;
    mail->arg = arg;
    mail->url = mem_strdup(options->url);
    mail->from = mem_strdup(options->from);
    mail->user = copy_text(options->user);
    mail->password = copy_text(options->password ? options->password : "");
    mail->ca_file = copy_text(options->ca_file);
    mail->message = mem_copy(options->message, options->len);
    mail->len = options->len;
    mail->tls = mail->user && options->tls == SMTP_TLS_OPTIONAL ? SMTP_TLS_REQUIRED
                                                                : options->tls;
    mail->deadline = after_ms(options->timeout_ms);
    for (size_t i = 0; i < options->to_count; i++)
        if (!(mail->to = curl_slist_append(mail->to, options->to[i])))
            abort(); /* out of memory */
    mail->link = &smtp->mails;
    mail->next = smtp->mails;
    if (mail->next)
        mail->next->link = &mail->next;
    smtp->mails = mail;
    if (work_submit(smtp->work, run, on_ran, mail, err) == 0)
        return mail;
    mail_free(mail);
    return NULL;
}

void smtp_cancel(struct smtp_mail *mail)
{
    mail->done = NULL;
    atomic_store(&mail->stop, true);
}
