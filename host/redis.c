/* A link is one connection in one of these states:
 *   idle         context NULL: waiting for the retry timer, looking the name up, or not
 * wanted setting up   context set, `ready` false: AUTH and SELECT are under way ready
 * `down` says that the last attempt failed; only `ready` ends it. Until the first failure
 * calls are accepted while setting up, and hiredis sends them behind the set-up.
 *
 * Replies come in the order of the calls, so the first in the list has the earliest
 * deadline. A server that does not answer it in time is hung: the link is dropped, which
 * ends all its calls, and built anew. hiredis calls every pending callback with NULL when
 * a context is freed. */
#include "redis.h"
#include "conf.h"
#include "log.h"
#include "mem.h"
#include "redis_uv.h"
#include "resolve.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_FIRST_MS = 50,
    RETRY_LAST_MS = 800,
    PENDING_MAX = 50000, /* calls without an answer */
};

struct link {
    struct redis *redis;
    redisAsyncContext *context;
    struct resolve *resolve;
    uv_timer_t timer;  /* the end of the set-up, or the next attempt */
    unsigned retry_ms; /* 0 after a success */
    bool ready, down;
};

struct redis_call {
    struct redis *redis;
    redis_reply_cb done; /* NULL once forgotten */
    void *arg;
    uint64_t deadline;
    struct redis_call *next, **link;
};

struct redis_sub {
    struct redis *redis;
    char *channel;
    size_t len;
    redis_message_cb message;
    void *arg;
    struct redis_sub *next, **link;
};

struct redis {
    uv_loop_t *loop;
    const char *socket, *host, *password, *db;
    int port;
    unsigned timeout_ms;
    struct link commands, messages;
    struct redis_call *calls, **calls_end;
    unsigned pending;
    uv_timer_t patience; /* for the first of calls */
    struct redis_sub *subs;
    struct redis_sub *cursor; /* the next one that a message goes to */
    bool closing;
    unsigned handles;
    redis_closed_cb closed;
    void *closed_arg;
};

static void connect_link(struct link *link);

static void on_retry(uv_timer_t *timer)
{
    connect_link(timer->data);
}

static void attempt_failed(struct link *link, const char *problem)
{
    link->ready = false;
    if (link->redis->closing)
        return;
    if (!link->down && link == &link->redis->commands)
        log_warn("redis unavailable: %s", problem);
    link->down = true;
    link->retry_ms = link->retry_ms ? link->retry_ms * 2 : RETRY_FIRST_MS;
    if (link->retry_ms > RETRY_LAST_MS)
        link->retry_ms = RETRY_LAST_MS;
    uv_timer_start(&link->timer, on_retry, link->retry_ms, 0);
}

/* Ends all of its calls; the caller decides what next. */
static void drop(struct link *link)
{
    redisAsyncContext *context = link->context;
    link->context = NULL;
    link->ready = false;
    if (context)
        redisAsyncFree(context);
}

static void on_setup_late(uv_timer_t *timer)
{
    struct link *link = timer->data;
    drop(link);
    attempt_failed(link, "no answer");
}

/* hiredis frees the context when this returns. */
static void on_connected(const redisAsyncContext *context, int status)
{
    struct link *link = context->data;
    if (status == REDIS_OK || link->context != context)
        return;
    link->context = NULL;
    attempt_failed(link, context->errstr);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
    struct link *link = context->data;
    (void)status;
    if (link->context != context)
        return; /* dropped by us */
    bool was_ready = link->ready;
    link->context = NULL;
    link->ready = false;
    if (was_ready) /* most likely a restart: one attempt before calling it down */
        uv_timer_start(&link->timer, on_retry, RETRY_FIRST_MS, 0);
    else
        attempt_failed(link, context->errstr ? context->errstr : "closed");
}

static void on_message(redisAsyncContext *context, void *arg, void *privdata);

static void send_subscribe(struct link *link, const char *command, const char *channel,
                           size_t len)
{
    redisAsyncCommand(link->context, on_message, link->redis, "%s %b", command, channel,
                      len);
}

static void set_ready(struct link *link)
{
    struct redis *redis = link->redis;
    if (link->down && link == &redis->commands)
        log_info("redis available again");
    link->ready = true;
    link->down = false;
    link->retry_ms = 0;
    uv_timer_stop(&link->timer);
    if (link == &redis->messages)
        for (struct redis_sub *sub = redis->subs; sub; sub = sub->next)
            send_subscribe(link, "SUBSCRIBE", sub->channel, sub->len);
}

/* `last` is set for the answer that makes the link ready. */
static void on_setup(redisAsyncContext *context, void *arg, void *last)
{
    struct link *link = context->data;
    const redisReply *reply = arg;
    if (!reply || link->context != context)
        return; /* going down already */
    if (reply->type != REDIS_REPLY_ERROR) {
        if (last)
            set_ready(link);
        return;
    }
    char problem[256];
    snprintf(problem, sizeof(problem), "%.*s", (int)reply->len, reply->str);
    drop(link);
    attempt_failed(link, problem);
}

static void open_link(struct link *link, const char *address)
{
    struct redis *redis = link->redis;
    redisAsyncContext *context = redis->socket[0]
                                     ? redisAsyncConnectUnix(redis->socket)
                                     : redisAsyncConnect(address, redis->port);
    if (!context)
        abort(); /* out of memory */
    if (context->err) {
        char problem[sizeof(context->c.errstr)];
        snprintf(problem, sizeof(problem), "%s", context->errstr);
        redisAsyncFree(context);
        attempt_failed(link, problem);
        return;
    }
    link->context = context;
    context->data = link;
    redis_uv_attach(context, redis->loop);
    if (!redis->socket[0])
        redisEnableKeepAlive(&context->c);
    redisAsyncSetConnectCallback(context, on_connected);
    redisAsyncSetDisconnectCallback(context, on_disconnected);
    if (redis->password[0])
        redisAsyncCommand(context, on_setup, NULL, "AUTH %s", redis->password);
    redisAsyncCommand(context, on_setup, link, "SELECT %s", redis->db);
    uv_timer_start(&link->timer, on_setup_late, redis->timeout_ms, 0);
}

static void on_resolved(void *arg, const char *address, const struct err *err)
{
    struct link *link = arg;
    link->resolve = NULL;
    if (address)
        open_link(link, address);
    else
        attempt_failed(link, err->message);
}

static void connect_link(struct link *link)
{
    struct redis *redis = link->redis;
    if (redis->socket[0])
        open_link(link, NULL);
    else
        link->resolve = resolve_start(redis->loop, redis->host, on_resolved, link);
}

static void init_link(struct link *link, struct redis *redis)
{
    link->redis = redis;
    uv_timer_init(redis->loop, &link->timer);
    link->timer.data = link;
}

static void on_patience(uv_timer_t *timer)
{
    struct redis *redis = timer->data;
    if (!redis->calls)
        return;
    uint64_t now = uv_now(redis->loop);
    if (redis->calls->deadline > now) {
        uv_timer_start(timer, on_patience, redis->calls->deadline - now, 0);
        return;
    }
    drop(&redis->commands);
    attempt_failed(&redis->commands, "no answer");
}

static void on_reply(redisAsyncContext *context, void *arg, void *privdata)
{
    const redisReply *reply = arg;
    struct redis_call *call = privdata;
    struct redis *redis = call->redis;
    (void)context;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    else
        redis->calls_end = call->link;
    redis->pending--;
    struct err err;
    int rc = 0;
    if (!reply && call->deadline <= uv_now(redis->loop))
        rc = err_set(&err, ERR_TIMEOUT, "redis did not answer in time");
    else if (!reply)
        rc = err_set(&err, ERR_UNAVAILABLE, "the connection to redis was lost");
    else if (reply->type == REDIS_REPLY_ERROR)
        rc = err_set(&err, REDIS_REFUSED, "%.*s", (int)reply->len, reply->str);
    if (call->done)
        call->done(call->arg, rc == 0 ? reply : NULL, rc == 0 ? NULL : &err);
    free(call);
}

struct redis *redis_new(uv_loop_t *loop, const struct conf *conf)
{
    struct redis *redis = mem_new(sizeof(*redis));
    redis->loop = loop;
    redis->socket = conf_str(conf, "redis.socket");
    redis->host = conf_str(conf, "redis.host");
    redis->port = (int)conf_int(conf, "redis.port");
    redis->password = conf_str(conf, "redis.password");
    redis->db = conf_str(conf, "redis.db");
    redis->timeout_ms = (unsigned)conf_int(conf, "redis.timeout_ms");
    redis->calls_end = &redis->calls;
    init_link(&redis->commands, redis);
    init_link(&redis->messages, redis);
    uv_timer_init(loop, &redis->patience);
    redis->patience.data = redis;
    return redis;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct redis *redis = handle->data;
    if (--redis->handles)
        return;
    redis_closed_cb closed = redis->closed;
    void *arg = redis->closed_arg;
    free(redis);
    if (closed)
        closed(arg);
}

static void close_link(struct link *link)
{
    drop(link);
    if (link->resolve)
        resolve_cancel(link->resolve);
    link->timer.data = link->redis;
    uv_close((uv_handle_t *)&link->timer, on_handle_closed);
}

void redis_close(struct redis *redis, redis_closed_cb closed, void *arg)
{
    redis->closing = true;
    redis->closed = closed;
    redis->closed_arg = arg;
    redis->handles = 3;
    close_link(&redis->commands);
    close_link(&redis->messages);
    while (redis->subs)
        redis_unsubscribe(redis->subs);
    uv_close((uv_handle_t *)&redis->patience, on_handle_closed);
}

bool redis_connected(const struct redis *redis)
{
    return redis->commands.ready;
}

/* A process that never asks Redis never connects. */
static void connect_unused(struct link *link)
{
    if (!link->context && !link->resolve && !link->down &&
        !uv_is_active((uv_handle_t *)&link->timer))
        connect_link(link);
}

struct redis_call *redis_call(struct redis *redis, int argc, const char *const *argv,
                              const size_t *lens, redis_reply_cb done, void *arg,
                              struct err *err)
{
    struct link *link = &redis->commands;
    connect_unused(link);
    if (!link->context || link->down) {
        err_set(err, ERR_UNAVAILABLE, "redis is not reachable");
        return NULL;
    }
    if (redis->pending >= PENDING_MAX) {
        err_set(err, ERR_UNAVAILABLE, "redis is behind");
        return NULL;
    }
    struct redis_call *call = mem_new(sizeof(*call));
    if (redisAsyncCommandArgv(link->context, on_reply, call, argc, (const char **)argv,
                              lens) != REDIS_OK) {
        free(call);
        err_set(err, ERR_UNAVAILABLE, "the connection to redis is going down");
        return NULL;
    }
    call->redis = redis;
    call->done = done;
    call->arg = arg;
    call->deadline = uv_now(redis->loop) + redis->timeout_ms;
    call->link = redis->calls_end;
    *redis->calls_end = call;
    redis->calls_end = &call->next;
    redis->pending++;
    if (!uv_is_active((uv_handle_t *)&redis->patience))
        uv_timer_start(&redis->patience, on_patience, redis->timeout_ms, 0);
    return call;
}

void redis_forget(struct redis_call *call)
{
    call->done = NULL;
}

static bool is_channel(const struct redis_sub *sub, const char *channel, size_t len)
{
    return sub->len == len && memcmp(sub->channel, channel, len) == 0;
}

/* ["message", channel, payload]; the confirmations look alike but for the first word. */
static void on_message(redisAsyncContext *context, void *arg, void *privdata)
{
    const redisReply *reply = arg;
    struct redis *redis = privdata;
    (void)context;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[2]->type != REDIS_REPLY_STRING)
        return;
    const redisReply *channel = reply->element[1], *payload = reply->element[2];
    for (struct redis_sub *sub = redis->subs; sub; sub = redis->cursor) {
        redis->cursor = sub->next;
        if (is_channel(sub, channel->str, channel->len))
            sub->message(sub->arg, payload->str, payload->len);
    }
}

struct redis_sub *redis_subscribe(struct redis *redis, const char *channel, size_t len,
                                  redis_message_cb message, void *arg)
{
    struct redis_sub *sub = mem_new(sizeof(*sub));
    sub->redis = redis;
    sub->channel = mem_copy(channel, len);
    sub->len = len;
    sub->message = message;
    sub->arg = arg;
    bool first = !redis->subs;
    sub->next = redis->subs;
    if (sub->next)
        sub->next->link = &sub->next;
    sub->link = &redis->subs;
    redis->subs = sub;
    struct link *link = &redis->messages;
    if (link->ready)
        send_subscribe(link, "SUBSCRIBE", channel, len);
    else if (first)
        connect_unused(link);
    return sub;
}

void redis_unsubscribe(struct redis_sub *sub)
{
    struct redis *redis = sub->redis;
    *sub->link = sub->next;
    if (sub->next)
        sub->next->link = sub->link;
    if (redis->cursor == sub)
        redis->cursor = sub->next;
    bool shared = false;
    for (struct redis_sub *other = redis->subs; other; other = other->next)
        shared = shared || is_channel(other, sub->channel, sub->len);
    if (!shared && redis->messages.ready)
        send_subscribe(&redis->messages, "UNSUBSCRIBE", sub->channel, sub->len);
    free(sub->channel);
    free(sub);
}
