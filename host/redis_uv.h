/* redis_uv.h - hiredis on a libuv loop. The adapter that hiredis ships never notices a
 * refused connection, and costs two system calls a command where this one costs none. */
#pragma once
#include <hiredis/async.h>
#include <uv.h>

/* Right after redisAsyncConnect, before any callback or command. It goes with the
 * context. */
void redis_uv_attach(redisAsyncContext *context, uv_loop_t *loop);
