/* redis.h - the process's connections to Redis: one for commands, shared by all and
 * pipelined, and one for subscriptions, opened with the first of them.
 *
 * Both connect by themselves and again after a loss. Redis may be down at any time: a
 * call then fails at once. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define REDIS_REFUSED "REDIS" /* the server answered with an error */

struct conf;
struct redis;
struct redisReply; /* hiredis's */
struct redis_call;
struct redis_sub;

typedef void (*redis_closed_cb)(void *arg);
/* Runs once, from the loop. `reply` lives until it returns and is NULL exactly if `err`
 * is set: REDIS, TIMEOUT (the connection is dropped then), UNAVAILABLE (lost; it may have
 * run). */
typedef void (*redis_reply_cb)(void *arg, const struct redisReply *reply,
                               const struct err *err);
typedef void (*redis_message_cb)(void *arg, const char *payload, size_t len);

/* Connects when it is first asked for something. `conf` must outlive it. */
struct redis *redis_new(uv_loop_t *loop, const struct conf *conf);

/* Ends all calls (UNAVAILABLE) and subscriptions; `closed` (or NULL) runs from the loop
 * when all is freed. Subscriptions must not be used afterwards. */
void redis_close(struct redis *redis, redis_closed_cb closed, void *arg);

bool redis_connected(const struct redis *redis);

/* Sends a command; the arguments are copied. NULL and `err` when Redis is down or far
 * behind: then `done` does not run. A blocking command would hold up everybody else. */
struct redis_call *redis_call(struct redis *redis, int argc, const char *const *argv,
                              const size_t *lens, redis_reply_cb done, void *arg,
                              struct err *err);

/* Before `done` ran: it will not. The command runs all the same. */
void redis_forget(struct redis_call *call);

/* Calls `message` from the loop for each message of the channel, whenever Redis is there.
 */
struct redis_sub *redis_subscribe(struct redis *redis, const char *channel, size_t len,
                                  redis_message_cb message, void *arg);

/* Also from inside `message`. Frees it. */
void redis_unsubscribe(struct redis_sub *sub);
