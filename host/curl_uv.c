/* curl says which sockets it wants watched and when it wants to be woken; every event goes back
 * by curl_multi_socket_action, after which finished transfers are collected. A socket's watch
 * lives from curl's first wish to CURL_POLL_REMOVE, which always comes before its close().
 *
 * The handles count: the struct is freed when the last of them is closed. */
#include "curl_uv.h"
#include "mem.h"
#include <stdbool.h>
#include <stdlib.h>

struct curl_uv {
    CURLM *multi;
    uv_loop_t *loop;
    uv_timer_t timer;
    unsigned handles; /* timer and watches that are not closed yet */
    curl_uv_done_cb done;
    void *arg;
};

struct watch {
    uv_poll_t poll;
    struct curl_uv *curl;
};

static void release(struct curl_uv *curl)
{
    if (--curl->handles == 0)
        free(curl);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    release(watch->curl);
    free(watch);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void collect(struct curl_uv *curl)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(curl->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result; /* gone with the removal */
        curl_multi_remove_handle(curl->multi, easy);
        curl->done(curl->arg, easy, result);
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct curl_uv *curl = watch->curl;
    uv_os_fd_t fd;
    int what = status < 0 ? CURL_CSELECT_ERR : 0, running;
    if (events & UV_READABLE)
        what |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        what |= CURL_CSELECT_OUT;
    if (uv_fileno((uv_handle_t *)poll, &fd) == 0)
        curl_multi_socket_action(curl->multi, fd, what, &running);
    collect(curl);
}

static void on_time(uv_timer_t *timer)
{
    struct curl_uv *curl = timer->data;
    int running;
    curl_multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(curl);
}

static struct watch *watch_new(struct curl_uv *curl, curl_socket_t fd)
{
    struct watch *watch = mem_new(sizeof(*watch));
    if (uv_poll_init_socket(curl->loop, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->curl = curl;
    curl->handles++;
    curl_multi_assign(curl->multi, fd, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct curl_uv *curl = arg;
    struct watch *watch = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        return 0;
    }
    if (!watch && !(watch = watch_new(curl, fd)))
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) |
                 (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_event);
}

/* Zero means soon, not now: curl must not be called from inside. */
static int on_timer_wanted(CURLM *multi, long ms, void *arg)
{
    struct curl_uv *curl = arg;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&curl->timer);
    else
        uv_timer_start(&curl->timer, on_time, ms ? (uint64_t)ms : 1, 0);
    return 0;
}

struct curl_uv *curl_uv_new(uv_loop_t *loop, curl_uv_done_cb done, void *arg)
{
    struct curl_uv *curl = mem_new(sizeof(*curl));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        !(curl->multi = curl_multi_init()))
        abort(); /* out of memory */
    curl->loop = loop;
    curl->done = done;
    curl->arg = arg;
    curl->handles = 1;
    uv_timer_init(loop, &curl->timer);
    curl->timer.data = curl;
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    return curl;
}

void curl_uv_close(struct curl_uv *curl)
{
    curl_multi_cleanup(curl->multi);
    curl->multi = NULL;
    uv_close((uv_handle_t *)&curl->timer, on_timer_closed);
}

CURLM *curl_uv_multi(struct curl_uv *curl)
{
    return curl->multi;
}

void curl_uv_add(struct curl_uv *curl, CURL *easy)
{
    if (curl_multi_add_handle(curl->multi, easy) != CURLM_OK)
        abort(); /* out of memory, or added twice */
}

void curl_uv_remove(struct curl_uv *curl, CURL *easy)
{
    curl_multi_remove_handle(curl->multi, easy);
}

void curl_uv_resume(CURL *easy)
{
    curl_easy_pause(easy, CURLPAUSE_CONT);
}
