/* curl_uv.h - libcurl's transfers on the loop: its sockets are watched and its timers kept by
 * libuv, nothing blocks. Knows nothing of what is transferred. */
#pragma once
#include <curl/curl.h>
#include <uv.h>

struct curl_uv;

/* The transfer of `easy` is over and has been removed; from the loop, never inside one of
 * curl's callbacks. May do everything but curl_uv_close. */
typedef void (*curl_uv_done_cb)(void *arg, CURL *easy, CURLcode result);

struct curl_uv *curl_uv_new(uv_loop_t *loop, curl_uv_done_cb done, void *arg);

/* Closes all connections; no transfer may be under way. The memory goes when the loop has
 * closed the handles. */
void curl_uv_close(struct curl_uv *curl);

/* For its options, such as limits of connections. */
CURLM *curl_uv_multi(struct curl_uv *curl);

/* Starts the transfer; it stays the caller's. */
void curl_uv_add(struct curl_uv *curl, CURL *easy);

/* Ends it early; `done` does not run. */
void curl_uv_remove(struct curl_uv *curl, CURL *easy);

/* Goes on with what a callback of the transfer paused. May end the transfer, on the loop's next
 * turn. */
void curl_uv_resume(CURL *easy);
